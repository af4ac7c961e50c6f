//! Patterns: regular expressions as languages of UTF-8 text.
//!
//! Two dialects are read into one syntax tree. One is ECMA-262 with the flag `u`, as JSON Schema
//! asks for ([`Dialect::Ecma262`]). The other is the syntax of the Rust `regex` crate, read by
//! `regex-syntax`. Counted repetitions and classes become expressions of the pool, so that the time
//! to compile a pattern grows with its length and not with its counts.
//!
//! Assertions (`^ $ \b`, lookahead, lookbehind) are *rewritten*. Each is a regular condition on the
//! text after a position or before it, and so becomes an intersection or a plain expression, as
//! [`assertions`] explains. Greedy and lazy quantifiers have the same language. Backreferences are
//! refused because they are not regular, and lookahead inside lookbehind is refused as well.
//!
//! Sources: ECMA-262, 2025, §22.2 and annex B.1.2; the documentation of the `regex` crate; the JSON
//! Schema specification, 2020-12 core §6.4, on the dialect and on searching.

mod assertions;
mod ast;
mod ecma;
mod ecma_class;
mod error;
mod parser;
mod rust_syntax;
mod simplify;

pub use error::{RegexError, RegexErrorKind};

use super::{ExprPool, LangId, UNBOUNDED};

/// The depth to which groups may nest.
pub const NEST_LIMIT: u32 = 250;
/// The most bytes of a pattern.
pub const LENGTH_LIMIT: usize = 1 << 20;

policy! {
    /// The syntax that a pattern is written in.
    enum Dialect {
        /// ECMA-262 (JavaScript) with the flag `u`, as JSON Schema prescribes: `\d` and `\w` are
        /// ASCII, `\s` is Unicode, `.` is any character but a line terminator, and `$` is the end
        /// of the text. Harmless parts of the older grammar in annex B are read as well: `\-` and
        /// other escaped punctuation, a lone `]` or `{`.
        Ecma262 = "ecma",
        /// The Rust `regex` crate: `\d`, `\w`, `\s` and `\b` are Unicode, and there are inline
        /// flags and operations on classes.
        Rust = "rust",
    }
}

/// The counts of the repetition that `*`, `+` or `?` stands for.
pub(crate) fn operator_counts(operator: char) -> Option<(u32, u32)> {
    match operator {
        '*' => Some((0, UNBOUNDED)),
        '+' => Some((1, UNBOUNDED)),
        '?' => Some((0, 1)),
        _ => None,
    }
}

/// The part of a text that a pattern must match.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Anchoring {
    /// Some part, as in JSON Schema: the pattern `b` matches `abc`.
    Search,
    /// The whole text.
    Full,
}

/// The language of the texts that match `pattern`. Every word is UTF-8. The language may be empty,
/// as that of `a^` is, and [`ExprPool::is_never`] finds that out.
///
/// The time it takes grows with the length of the pattern and not with its counts, unless
/// assertions inside counted repetitions leave a search for a word.
///
/// ```
/// use hedgerow::automata::regex::{compile, Anchoring, Dialect};
/// use hedgerow::automata::ExprPool;
/// let mut pool = ExprPool::new();
/// let pattern = r"^(?!tag$)[a-z]{2,10000}$";
/// let id = compile(&mut pool, pattern, Dialect::Ecma262, Anchoring::Search).unwrap();
/// assert!(pool.accepts(id, b"tags"));
/// assert!(!pool.accepts(id, b"tag"));
/// ```
///
/// # Errors
///
/// The pattern is not of the dialect, uses a backreference, or exceeds a limit.
pub fn compile(
    pool: &mut ExprPool,
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
    let node = node.map(|node| simplify::simplified(node, anchoring));
    let result = node.and_then(|node| assertions::compile(pool, &node, anchoring));
    if pool.exhausted() {
        let limit = ExprPool::DEFAULT_SEARCH_BUDGET as usize;
        return Err(fail(0..0, RegexErrorKind::Expansion { what: "states searched", limit }));
    }
    let (span, kind) = match result {
        Ok(language) => return Ok(language),
        Err(error) => error,
    };
    Err(fail(span, kind))
}

/// A place in the pattern and its fault. [`compile`] adds the pattern.
type PatternFault = (std::ops::Range<usize>, RegexErrorKind);

#[cfg(test)]
mod tests;
