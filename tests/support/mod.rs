//! Code that several test programs share: vocabularies and files, random walks, generators of
//! schemas and grammars, and the reference engine.
#![allow(dead_code)] // Each program that includes this uses a part.

pub mod bytes;
pub mod closed;
pub mod documentation;
pub mod files;
pub mod gguf;
pub mod numbers;
pub mod random_rules;
pub mod random_schema;
pub mod reference;
pub mod stepping;
pub mod stress;
pub mod walk;
pub mod whole_masks;
