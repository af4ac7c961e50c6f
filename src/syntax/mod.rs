//! Front ends that turn text in one of several notations into a
//! [`Grammar`](crate::grammar::Grammar).
//!
//! The text is a list of strings ([`choice`]), a regular expression ([`regex`]), or a grammar:
//! llama.cpp's GBNF ([`gbnf`]), EBNF ([`ebnf`]) or Lark's notation ([`lark`]). `docs/grammars.md`
//! describes the notations and their differences from the original ones.

pub mod choice;
mod compile;
pub mod diagnostic;
pub mod ebnf;
mod expr;
pub mod gbnf;
pub mod lark;
pub mod notation;
pub mod regex;
mod rules;
mod self_repetition;
mod tokens;

pub(crate) use diagnostic::similar;
pub use notation::Notation;
pub use rules::{COUNT_LIMIT, LENGTH_LIMIT, NEST_LIMIT};
