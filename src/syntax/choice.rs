//! A choice among given strings as a grammar. All strings together are one sorted set of literals.

use crate::automata::UNLABELLED;
use crate::grammar::{CompileError, CompileErrorKind, Grammar, GrammarBuilder};

/// The grammar of exactly these strings. The empty string may be one of them. The cost is O(n log
/// n) in their total length, so ten thousand strings are fine.
///
/// ```
/// use hedgerow::syntax::choice::compile;
/// assert!(compile(&["positive", "neutral", "negative"]).is_ok());
/// assert!(compile::<&str>(&[]).is_err());
/// ```
///
/// # Errors
///
/// [`CompileErrorKind::Empty`] when `choices` is empty.
pub fn compile<S: AsRef<str>>(choices: &[S]) -> Result<Grammar, CompileError> {
    if choices.is_empty() {
        let message = "the grammar matches nothing: the list of choices is empty";
        return Err(CompileError::new(CompileErrorKind::Empty, message));
    }
    let mut builder = GrammarBuilder::new();
    let items = choices.iter().map(|choice| (choice.as_ref().as_bytes().to_vec(), UNLABELLED));
    let language = builder.nodes.languages.literals(items);
    let root = builder.nodes.terminal(language);
    Ok(builder.build(root, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{Node, NodeId};

    #[test]
    fn exactly_the_given_strings() {
        let grammar = compile(&["ja", "nein", "jawohl", "ja", "", "é"]).unwrap();
        let mut languages = grammar.pool().languages.clone();
        let Node::Terminal(id) = *grammar.pool().node(grammar.root()) else { panic!("one terminal") };
        for word in ["ja", "nein", "jawohl", "", "é"] {
            assert!(languages.accepts(id, word.as_bytes()), "{word}");
        }
        for word in ["j", "jaw", "nei", "neinn", "\u{0}"] {
            assert!(!languages.accepts(id, word.as_bytes()), "{word}");
        }
    }

    #[test]
    fn edges() {
        assert_eq!(compile(&[""]).unwrap().root(), NodeId::EMPTY);
        let error = compile::<String>(&[]).unwrap_err();
        assert_eq!(error.to_string(), "the grammar matches nothing: the list of choices is empty");
    }
}
