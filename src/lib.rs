//! hedgerow keeps a language model's output inside a grammar.
// Module documentation points at the private files that hold what it tells of, for readers of the source.
#![allow(rustdoc::private_intra_doc_links)]
#![deny(missing_docs)]
#![deny(unsafe_code)]
#![warn(rust_2018_idioms)]

pub mod automata;
pub mod decode;
pub mod engine;
mod ffi;
pub mod gguf;
pub mod grammar;
pub mod sampling;
pub mod schema;
pub mod syntax;
#[cfg(feature = "torch")]
pub mod torch;
pub mod vocab;

/// The README's examples, run as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
