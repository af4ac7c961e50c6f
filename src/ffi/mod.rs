//! The C ABI, which all other languages call.
//!
//! Each C object has one file. The documentation comments of these files become the comments of
//! `include/hedgerow.h` and are therefore written for C programmers. The header is generated,
//! checked in, and compared by a test (`tests/header/`).
//!
//! The rules that hold for every function are stated in one place each:
//! - use of a caller's pointer, the state after a failure, and the stop for panics: [`boundary`];
//! - how an object is cloned, shared and freed: [`objects`];
//! - error objects: [`error`]; status codes: [`status`]; structs that grow over versions:
//!   [`options`].
//!
//! **Unsafe code.** A C caller makes promises that cannot be checked here: a pointer is NULL or
//! points to an object of its type, a length is correct, a handle is live, and two threads do not
//! use it at once if its type forbids that. Functions that take pointers are therefore `unsafe fn`
//! and state the promise in the header. They turn every pointer into a reference, slice or `Out`
//! through [`boundary`] before they do anything else. The rest is checked: NULL, alignment, lengths
//! that no object can have, UTF-8, enumerators out of range.
//!
//! The cost is one `catch_unwind` (free unless it catches) and a few comparisons a call.

// The types have the names that they have in C.
#![allow(non_camel_case_types)]

mod boundary;
mod c_names;
mod cache;
mod cancel_flag;
mod constraint;
mod detokenizer;
mod enumeration;
mod error;
mod events;
#[cfg(feature = "torch")]
mod generation;
#[cfg(feature = "torch")]
mod generation_options;
mod grammar;
mod interrupt;
mod mask;
mod matcher;
#[cfg(feature = "torch")]
mod model;
mod objects;
mod options;
mod parameters;
mod sampler;
mod sampler_batch;
mod sampler_options;
mod sampler_params;
mod schema;
mod status;
mod token_fsm;
#[cfg(feature = "tokenizers")]
mod tokenizer;
mod tools;
mod version;
mod vocab;
