//! A regular expression as a grammar: the whole output matches it.

use crate::automata::regex::{self, Anchoring};
use crate::grammar::{CompileError, CompileErrorKind, Grammar, GrammarBuilder, NodeId};

pub use crate::automata::regex::{Dialect, RegexError, RegexErrorKind};

/// The grammar of the texts that `pattern` matches from their start to their end, as if written
/// `^(?:pattern)$`.
///
/// ```
/// use hedgerow::syntax::regex::{compile, Dialect};
/// assert!(compile(r"[A-Z]{3}-\d{1,6}", Dialect::Rust).is_ok());
/// let error = compile("[a-", Dialect::Rust).unwrap_err();
/// assert!(error.to_string().contains("unclosed character class"));
/// ```
///
/// # Errors
///
/// The error of a faulty pattern has the [`RegexError`] as its source. A pattern that matches
/// nothing, such as `a^`, gives [`CompileErrorKind::Empty`].
pub fn compile(pattern: &str, dialect: Dialect) -> Result<Grammar, CompileError> {
    let mut builder = GrammarBuilder::new();
    let root = compile_into(&mut builder, pattern, dialect)?;
    Ok(builder.build(root, None)?)
}

/// The node of the texts that `pattern` matches, as in [`compile`], as a part of another grammar.
///
/// # Errors
///
/// The errors of [`compile`].
pub fn compile_into(
    builder: &mut GrammarBuilder,
    pattern: &str,
    dialect: Dialect,
) -> Result<NodeId, CompileError> {
    let language = regex::compile(&mut builder.nodes.languages, pattern, dialect, Anchoring::Full)?;
    let root = builder.nodes.terminal(language);
    if root == NodeId::NEVER {
        let message = format!("the grammar matches nothing: no text matches the pattern `{pattern}`");
        return Err(CompileError::new(CompileErrorKind::Empty, message));
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{Location, Node};
    use std::error::Error;

    #[test]
    fn the_whole_text_matches() {
        for (pattern, dialect, yes, no) in [
            ("a|b", Dialect::Ecma262, "b", "ab"),
            (r"\d+", Dialect::Rust, "٣", "3x"),
            (r"\d+", Dialect::Ecma262, "3", "٣"),
            ("(?!b)[a-z]+", Dialect::Ecma262, "ab", "ba"),
        ] {
            let grammar = compile(pattern, dialect).unwrap();
            let mut languages = grammar.pool().languages.clone();
            let Node::Terminal(id) = *grammar.pool().node(grammar.root()) else { panic!("{pattern}") };
            assert!(languages.accepts(id, yes.as_bytes()), "{pattern}");
            assert!(!languages.accepts(id, no.as_bytes()), "{pattern}");
        }
        assert_eq!(compile("", Dialect::Ecma262).unwrap().root(), crate::grammar::NodeId::EMPTY);
    }

    #[test]
    fn errors() {
        let empty = compile("a^", Dialect::Ecma262).unwrap_err();
        assert_eq!(empty.to_string(), "the grammar matches nothing: no text matches the pattern `a^`");
        assert_eq!(empty.kind(), CompileErrorKind::Empty);
        let unclosed = compile("(", Dialect::Ecma262).unwrap_err();
        assert_eq!(unclosed.kind(), CompileErrorKind::Syntax);
        assert!(unclosed.source().is_some_and(|source| source.is::<RegexError>()));
        let back = compile(r"(a)\1", Dialect::Ecma262).unwrap_err();
        assert_eq!(back.kind(), CompileErrorKind::Unsupported);
        assert_eq!(back.location(), Some(&Location::in_text(r"(a)\1", 3..5)));
    }
}
