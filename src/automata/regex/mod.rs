//! Patterns: regular expressions as languages of UTF-8 text.
//!
//! Two dialects are read into one syntax tree: ECMA-262 with the `u` flag, as JSON Schema asks for ([`Dialect::Ecma262`]),
//! and the syntax of the Rust `regex` crate, read by `regex-syntax`. Counted repetitions and classes
//! become native expressions of the pool, so that compiling costs the length of the pattern, whatever its counts are.
//!
//! Assertions (`^ $ \b`, lookahead, lookbehind) are not matched but *rewritten*: each is a regular condition on what
//! follows or on what precedes, hence an intersection ([`assertions`] tells how). Greedy and lazy quantifiers have the
//! same language. Only backreferences, which are not regular, and lookahead inside lookbehind are refused.
//!
//! Sources: ECMA-262, 2025, §22.2 and annex B.1.2; the documentation of the `regex` crate; the JSON Schema
//! specification, 2020-12 core §6.4, on the dialect and on searching instead of matching whole texts.

mod assertions;
mod ast;
mod ecma;
mod ecma_class;
mod error;
mod rust_syntax;

pub use error::{RegexError, RegexErrorKind};

use super::{LangId, Languages};

/// How deep groups may nest.
pub const NEST_LIMIT: u32 = 250;
/// How many bytes a pattern may have.
pub const LENGTH_LIMIT: usize = 1 << 20;

/// Which regular-expression syntax a pattern is written in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Dialect {
    /// ECMA-262 (JavaScript) with the `u` flag, as JSON Schema prescribes: `\d` and `\w` are ASCII, `\s` is Unicode,
    /// `.` is any character but a line terminator, `$` is the end of the text. What only the older grammar of annex
    /// B allows is read as well where it is harmless: `\-` and other escaped punctuation, a lone `]` or `{`.
    #[default]
    Ecma262,
    /// The Rust `regex` crate: `\d`, `\w`, `\s` and `\b` are Unicode, inline flags, class operations.
    Rust,
}

/// Which part of a text a pattern must match.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Anchoring {
    /// Some part of it, as in JSON Schema.
    Search,
    /// All of it.
    Full,
}

/// The language of the texts that match `pattern`. Every word is UTF-8; the language may be empty (`a^`), which
/// [`Languages::is_never`] finds out.
///
/// Costs time in the length of the pattern, unless assertions stand inside repetitions.
///
/// ```
/// use hedgerow::automata::regex::{compile, Anchoring, Dialect};
/// use hedgerow::automata::Languages;
/// let mut pool = Languages::new();
/// let id = compile(&mut pool, r"^(?!tag$)[a-z]{2,10000}$", Dialect::Ecma262, Anchoring::Search).unwrap();
/// assert!(pool.accepts(id, b"tags"));
/// assert!(!pool.accepts(id, b"tag"));
/// ```
///
/// # Errors
///
/// The pattern is not of the dialect, uses a backreference, or exceeds a limit.
pub fn compile(
    pool: &mut Languages,
    pattern: &str,
    dialect: Dialect,
    anchoring: Anchoring,
) -> Result<LangId, RegexError> {
    let fail = |span, kind| RegexError::new(pattern, span, kind);
    if pattern.len() > LENGTH_LIMIT {
        return Err(fail(0..0, RegexErrorKind::Length { given: pattern.len(), limit: LENGTH_LIMIT }));
    }
    let node = match dialect {
        Dialect::Ecma262 => ecma::parse(pattern),
        Dialect::Rust => rust_syntax::parse(pattern),
    };
    let (span, kind) = match node.and_then(|node| assertions::compile(pool, &node, anchoring)) {
        Ok(language) => return Ok(language),
        Err(error) => error,
    };
    Err(fail(span, kind))
}

/// A place in the pattern and what is wrong there; [`compile`] adds the pattern.
type Failure = (std::ops::Range<usize>, RegexErrorKind);

#[cfg(test)]
mod tests;
