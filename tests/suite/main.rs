//! The library's tests, all in one program.
//!
//! `cargo test --test suite engine_masks::` runs one module.

#[path = "../support/mod.rs"]
mod support;

mod automata;
mod completion;
#[cfg(feature = "decode")]
mod decode;
mod distinct_items;
mod docs;
#[cfg(feature = "ablation")]
mod ended_calls;
mod engine_basic;
mod engine_hostile;
mod engine_masks;
mod engine_vs_reference;
mod events;
mod examples;
mod floors;
mod free_text;
#[cfg(feature = "decode")]
mod fuzz;
#[cfg(feature = "decode")]
mod fuzz_corpus;
mod gguf_files;
mod lark;
mod lark_dynamic;
mod lark_lexer;
mod lark_modules;
mod parts;
mod regular_languages;
mod sampling;
mod sampling_distribution;
mod sampling_golden;
mod sampling_reference;
mod schema;
mod schema_algebra;
mod schema_counts;
mod schema_dialect;
mod schema_maskbench;
mod schema_suite;
mod style;
mod syntax;
mod tags;
mod tags_hostile;
mod tags_recorded;
mod tags_reference;
mod token_fsm;
mod token_limits;
mod tool_styles;
mod tools;
mod tools_recorded;
mod vocab_files;
mod whole_masks;
