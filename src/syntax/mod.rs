//! Front ends: text in one of several notations becomes a [`Grammar`](crate::grammar::Grammar).
//!
//! A list of strings ([`choice`]), a regular expression ([`regex`]), or a grammar: llama.cpp's GBNF ([`gbnf`]), EBNF
//! ([`ebnf`]) or Lark's notation ([`lark`]).
//! Which texts the notations read, and where they differ from their models, is told in `docs/grammars.md`.

pub mod choice;
mod compile;
pub mod diagnostic;
pub mod ebnf;
pub mod gbnf;
pub mod lark;
pub mod notation;
mod powers;
pub mod regex;
mod rules;
mod tokens;

pub(crate) use diagnostic::similar;
pub use notation::Notation;
pub use rules::{COUNT_LIMIT, LENGTH_LIMIT, NEST_LIMIT};
