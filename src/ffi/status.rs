//! Status codes. Their numbers are part of the ABI: new ones are added at the end, and none is ever
//! reused.

/// The outcome of a call. With any value but HR_OK the results of the call are unchanged.
///
/// Numbers are frozen. Later versions may add some, so a switch needs a default.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Some values occur only with the feature `torch`.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
pub enum hr_status {
    /// Success.
    HR_OK = 0,
    /// An argument cannot be used: NULL for a required pointer, text that is not UTF-8, a number
    /// out of range.
    HR_ERROR_INVALID_ARGUMENT = 1,
    /// A mistake inside the library. Later calls on the same object return this status too; free
    /// it. Other objects are not affected. Please report the mistake, with the message.
    HR_ERROR_INTERNAL = 2,
    /// A limit or budget was exceeded; the message names it and the excess.
    HR_ERROR_LIMIT = 3,
    /// A vocabulary or tokenizer file cannot be used.
    HR_ERROR_VOCABULARY = 4,
    /// A schema, pattern or grammar is malformed, not supported or cannot be satisfied; see
    /// hr_error_location().
    HR_ERROR_GRAMMAR = 5,
    /// A row of logits cannot be sampled, or sampling parameters are not valid.
    HR_ERROR_SAMPLING = 6,
    /// A file cannot be read.
    HR_ERROR_IO = 7,
    /// A language model cannot be loaded or failed while running.
    HR_ERROR_MODEL = 8,
    /// An hr_cancel_flag was set; the call may be repeated after the flag is cleared.
    HR_ERROR_CANCELLED = 9,
}

impl hr_status {
    /// The error status with a number that C gave. HR_OK and unknown numbers become
    /// `HR_ERROR_INTERNAL`.
    pub(super) fn from_number(number: u32) -> Self {
        use hr_status::*;
        let failures = [
            HR_ERROR_INVALID_ARGUMENT,
            HR_ERROR_INTERNAL,
            HR_ERROR_LIMIT,
            HR_ERROR_VOCABULARY,
            HR_ERROR_GRAMMAR,
            HR_ERROR_SAMPLING,
            HR_ERROR_IO,
            HR_ERROR_MODEL,
            HR_ERROR_CANCELLED,
        ];
        failures.into_iter().find(|status| *status as u32 == number).unwrap_or(HR_ERROR_INTERNAL)
    }
}
