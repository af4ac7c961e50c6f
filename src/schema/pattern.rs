//! Patterns: ECMA-262 regular expressions over the decoded text, searched for anywhere in it.
//!
//! A pattern is compiled once, into the pool the grammar starts from, when the document is read; every later pool is
//! a copy of that one, so the language keeps its id.

use crate::automata::regex::{compile, Anchoring, Dialect};
use crate::automata::{LangId, Languages};

/// The texts in which the pattern is found; the error says why it cannot be enforced.
pub(super) fn language(pool: &mut Languages, pattern: &str) -> Result<LangId, String> {
    compile(pool, pattern, Dialect::Ecma262, Anchoring::Search).map_err(|error| error.to_string())
}
