//! Errors of GGUF files.

/// The reason for which a GGUF file could not be read. Offsets count bytes from the beginning of
/// the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file does not begin with `GGUF`.
    #[error("not a GGUF file: it begins with {found:02x?} where \"GGUF\" is expected")]
    Magic {
        /// The first bytes of the file, at most four.
        found: Vec<u8>,
    },
    /// A version of the format that is not supported.
    #[error("GGUF version {version} is not supported, only 2 and 3 are; convert the model anew")]
    Version {
        /// The version the file states.
        version: u32,
    },
    /// The file was written for big-endian machines.
    #[error(
        "the GGUF file is big-endian, which is not supported; convert the model anew for little-endian machines"
    )]
    BigEndian,
    /// The file ends too early, or a count or length in it is too large.
    #[error(
        "{what} at byte {at} takes {needed} bytes, but the file ends after {left} more; it is truncated or damaged"
    )]
    Truncated {
        /// The item that was to be read.
        what: String,
        /// The item's offset.
        at: u64,
        /// Bytes that the item takes, at least.
        needed: u128,
        /// Bytes left in the file from `at` on.
        left: u64,
    },
    /// A key or tensor name is not UTF-8.
    #[error("{what} at byte {at} is not UTF-8")]
    NotUtf8 {
        /// The string that is meant.
        what: String,
        /// The string's offset.
        at: u64,
    },
    /// A number that is the id of no type of value.
    #[error("{what} at byte {at} has type {given}, but types of metadata values are 0 to 12")]
    ValueType {
        /// The value.
        what: String,
        /// The offset of the type.
        at: u64,
        /// The number found.
        given: u32,
    },
    /// Arrays of arrays, nested too deep.
    #[error("{what} at byte {at} nests arrays deeper than {limit} levels")]
    TooDeep {
        /// The value.
        what: String,
        /// The offset of the innermost array that was read.
        at: u64,
        /// Number of levels supported.
        limit: usize,
    },
    /// A key or tensor name that is given twice.
    #[error("{what} at byte {at} was given before")]
    Duplicate {
        /// The key or tensor.
        what: String,
        /// The offset at which it is given again.
        at: u64,
    },
    /// A tensor with more dimensions than the format allows.
    #[error("tensor {name:?} at byte {at} has {given} dimensions, but at most {limit} are supported")]
    Dimensions {
        /// The tensor.
        name: String,
        /// The offset of the number of dimensions.
        at: u64,
        /// Number of dimensions given.
        given: u32,
        /// Largest number supported.
        limit: u32,
    },
    /// A tensor whose size cannot be represented, or whose rows do not divide into the blocks of
    /// its type.
    #[error("tensor {name:?} has shape {dims:?}, which type {ggml_type} cannot hold: {reason}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its dimensions, fastest-varying first.
        dims: Vec<u64>,
        /// Its type.
        ggml_type: String,
        /// The fault.
        reason: &'static str,
    },
    /// A `general.alignment` that is no power of two, or a tensor that is not aligned to it.
    #[error("{what} is {given}, which the alignment rules forbid: {rule}")]
    Alignment {
        /// The misaligned item.
        what: String,
        /// The value found.
        given: u64,
        /// The rule it breaks.
        rule: String,
    },
    /// A tensor of a type whose layout is unknown.
    #[error("tensor {name:?} has ggml type {given}, whose layout is not known")]
    UnknownTensorType {
        /// The tensor.
        name: String,
        /// The type's number.
        given: u32,
    },
    /// Required metadata that is absent.
    #[error("the metadata has no {key:?}")]
    Missing {
        /// The key.
        key: String,
    },
    /// Metadata of another type than requested.
    #[error("the metadata's {key:?} is {found}, but {expected} is expected")]
    WrongType {
        /// The key.
        key: String,
        /// The type of the value in the file.
        found: String,
        /// The type that was requested.
        expected: &'static str,
    },
}

impl GgufError {
    /// The error for required metadata that is absent.
    pub fn missing(key: &str) -> Self {
        Self::Missing { key: key.to_owned() }
    }
}
