//! The C ABI: what every other language calls.
//!
//! One file for each C object. The documentation comments of these files become the comments of
//! `include/hedgerow.h` and are therefore written for C programmers; the header is generated, checked in, and compared by
//! a test (`tests/header/`).
//!
//! The rules that hold for every function stand in one place each:
//! - what may be done with a caller's pointer, what a failure leaves behind, and how panics are kept inside: [`boundary`];
//! - error objects: [`error`]; status codes: [`status`]; structs that grow over versions: [`options`].
//!
//! **Unsafe code.** A C caller's promises (a pointer is NULL or points to what the type says, a length is true, a handle is
//! live and not used by two threads at once where its type forbids that) cannot be checked here. Functions that take
//! pointers are therefore `unsafe fn`, state the promise in the header, and turn every pointer into a reference, slice or
//! `Out` through [`boundary`] before anything else happens. What can be checked is: NULL, alignment, lengths that no
//! object can have, UTF-8, enumerators out of range.
//!
//! The price: one `catch_unwind` (free unless it catches) and a few comparisons a call.

// Names here are C names.
#![allow(non_camel_case_types)]

mod boundary;
mod cancel_flag;
mod constraint;
mod error;
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
mod options;
mod sampler;
mod sampler_options;
mod sampler_params;
mod schema;
mod status;
mod token_fsm;
mod version;
mod vocab;
