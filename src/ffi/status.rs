//! Status codes. The numbers are part of the ABI: new ones are added at the end, none is ever reused.

/// What a call came to. Every other value than HR_OK leaves the results of the call untouched.
///
/// Numbers are frozen; later versions may add some, so that a switch needs a default.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Some are only given with the feature `torch`.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
pub enum hr_status {
    /// All went well.
    HR_OK = 0,
    /// An argument cannot be used: NULL where something is needed, text that is not UTF-8, a number out of range.
    HR_ERROR_INVALID_ARGUMENT = 1,
    /// A mistake inside the library. The object the call was about answers with this status from then on; free it.
    /// Other objects are not affected. Please report it, with the message.
    HR_ERROR_INTERNAL = 2,
    /// A limit or budget was exceeded; the message says which and by how much.
    HR_ERROR_LIMIT = 3,
    /// A vocabulary or tokenizer file cannot be used.
    HR_ERROR_VOCABULARY = 4,
    /// A schema, pattern or grammar is malformed, not supported or cannot be satisfied; see hr_error_location().
    HR_ERROR_GRAMMAR = 5,
    /// A row of logits cannot be sampled, or sampling parameters make no sense.
    HR_ERROR_SAMPLING = 6,
    /// A file cannot be read.
    HR_ERROR_IO = 7,
    /// A language model cannot be loaded or failed while running.
    HR_ERROR_MODEL = 8,
    /// An hr_cancel_flag was set; the call may be repeated when it is cleared.
    HR_ERROR_CANCELLED = 9,
}
