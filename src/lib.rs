//! hedgerow keeps a language model's output inside a grammar.
//!
//! Give it a JSON Schema, a regular expression, a grammar or a list of strings, and the model's
//! vocabulary. It tells exactly which tokens may come next, so that the output is valid from the
//! first token to the last.
//!
//! ```
//! use hedgerow::{Constraint, TokenId, Vocabulary};
//!
//! // A real program reads the model's tokenizer.json: Vocabulary::from_tokenizer_json(&bytes)?
//! let tokens = ["{\"", "age", "\":", "3", "6", "}", "old"];
//! let tokens = tokens.map(|token| token.as_bytes().to_vec());
//! let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
//! let schema = r#"{"type": "object", "properties": {"age": {"type": "integer"}},
//!                  "required": ["age"], "additionalProperties": false}"#;
//! let constraint = Constraint::json_schema(schema, &vocabulary)?; // shared by all requests
//!
//! let mut matcher = constraint.matcher();                         // one for each output
//! let mut mask = vocabulary.mask_buffer();                        // one bit for each token
//! for token in [0, 1, 2, 3, 4, 5].map(TokenId) {                  // the model draws {"age":36}
//!     matcher.fill_mask(&mut mask)?;                              // from these tokens
//!     assert!(matcher.advance(token)?);                           // false if it is not allowed
//! }
//! assert!(matcher.is_accepting());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `torch`, a model generates in one expression:
//!
#![cfg_attr(feature = "torch", doc = "```no_run")]
#![cfg_attr(not(feature = "torch"), doc = "```ignore")]
//! use hedgerow::decode::Prompt;
//! use hedgerow::torch::{LoadOptions, Model};
//! use hedgerow::Constraint;
//!
//! let model = Model::load("model.gguf", LoadOptions::default())?;
//! let schema = r#"{"type": "object", "properties": {"age": {"type": "integer"}},
//!                  "required": ["age"]}"#;
//! let constraint = Constraint::json_schema(schema, model.vocabulary())?;
//! let made = model
//!     .generate(Prompt::user("Ada is 36. Write her age as JSON."))
//!     .constraint(constraint)
//!     .max_tokens(512)
//!     .stream(|chunk| print!("{}", chunk.text))
//!     .run()?;
//! println!("\n{}", made.text());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which module for what
//!
//! | you want to | look at |
//! |---|---|
//! | constrain outputs | [`Constraint`], [`Matcher`]; batches and limits in [`engine`] |
//! | compile a constraint to a state machine over tokens | [`engine::TokenFsm`] |
//! | compile a schema with options | [`schema`], [`SchemaOptions`] |
//! | compile a regular expression or a grammar as text | [`syntax`] |
//! | let a model call tools, or mix free text with constrained parts | [`tags`] |
//! | read a model's vocabulary | [`vocab`] |
//! | draw tokens from logits | [`sampling`] |
//! | run the whole decoding loop over a model of your own | `decode` (feature `decode`) |
//! | load a model and generate | `torch` (feature `torch`) |
//! | build a grammar by hand | [`grammar`], over the regular languages of [`automata`] |
//!
//! # Features
//!
//! None is on by default: constraints, sampling and the C interface are always there.
//!
//! | feature | adds |
//! |---|---|
//! | `decode` | the decoding loop over any `LanguageModel`, and chat templates |
//! | `tokenizers` | text to tokens, by Hugging Face's tokenizers |
//! | `torch` | models on libtorch, on the CPU or a GPU; turns on `decode` and `tokenizers` |
//! | `cli` | the `hedgerow` command; turns on `decode` and `tokenizers` |
//! | `ablation` | switches that turn off single optimisations of the engine, for benchmarks |
//!
//! # Guarantees
//!
//! A token is allowed if and only if some valid output starts with the text so far and that token.
//! No input makes the library panic. Whatever would take too much time or memory is an error that
//! names the limit. The library reads only the files and folders that the caller names, and does
//! not use the network.
// For readers of the source, module documentation links to private files.
#![allow(rustdoc::private_intra_doc_links)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]
#![deny(unsafe_code)]
#![warn(rust_2018_idioms)]

#[macro_use]
mod policy;
#[macro_use]
mod setter;

pub mod automata;
#[cfg(feature = "decode")]
#[cfg_attr(docsrs, doc(cfg(feature = "decode")))]
pub mod decode;
pub mod engine;
mod ffi;
pub mod gguf;
pub mod grammar;
pub mod sampling;
pub mod schema;
pub mod syntax;
pub mod tags;
#[cfg(feature = "torch")]
#[cfg_attr(docsrs, doc(cfg(feature = "torch")))]
pub mod torch;
pub mod vocab;

pub use engine::{Constraint, ConstraintError, Limits, Matcher};
pub use grammar::{CompileError, Grammar};
pub use policy::UnknownName;
pub use schema::SchemaOptions;
pub use vocab::{TokenId, Vocabulary};

/// The README's examples, run as documentation tests. One of them needs the feature `torch`.
#[cfg(all(doctest, feature = "torch"))]
#[doc = include_str!("../README.md")]
struct Readme;
