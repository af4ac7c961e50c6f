//! The GGUF container: one file with a model's weights, settings and tokenizer.
//!
//! [`GgufFile::parse`] reads the header, the metadata and the table of tensors from a byte slice,
//! typically a memory-mapped file. It copies nothing but the table: strings, arrays and tensor data
//! are slices of the input.
//!
//! Every count, length and offset is checked against the bytes that are there before it is used. A
//! truncated or hostile file therefore gives a typed error that names the fault and its byte, and
//! it costs no more memory than its own size allows.
//!
//! Source: the GGUF specification (`docs/gguf.md` of the ggml project), versions 2 and 3,
//! little-endian.

mod error;
mod file;
mod ggml_type;
mod reader;
mod value;

pub use error::GgufError;
pub use file::{GgufFile, GgufTensor};
pub use ggml_type::{BlockLayout, GgmlType};
pub use value::{GgufArray, GgufArrayIter, GgufValue, GgufValueType};
