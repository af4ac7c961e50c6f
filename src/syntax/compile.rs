//! Compilation of a grammar's text by the notation it is written in.

use super::diagnostic::{Problem, compile_error};
use super::notation::Notation;
use super::{ebnf, gbnf, lark, rules};
use crate::grammar::{CompileError, Grammar, GrammarBuilder, NodeId};
use crate::schema::SchemaWarning;

impl Notation {
    /// The grammar that `text` describes.
    ///
    /// # Errors
    ///
    /// See [`CompileErrorKind`](crate::grammar::CompileErrorKind).
    pub fn compile(self, text: &str) -> Result<Grammar, CompileError> {
        self.compile_with_warnings(text).map(|(grammar, _)| grammar)
    }

    /// The grammar that `text` describes, and warnings about the parts of the schemas in it that
    /// have no effect. Only Lark's notation has schemas.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile).
    pub fn compile_with_warnings(self, text: &str) -> Result<(Grammar, Vec<SchemaWarning>), CompileError> {
        let grammar = match self {
            Notation::Gbnf => gbnf::compile(text),
            Notation::Ebnf => ebnf::compile(text),
            Notation::Lark => return lark::compile_with_warnings(text, &lark::Options::default()),
        };
        Ok((grammar?, Vec::new()))
    }

    /// The node of the texts that `text` describes, as a part of another grammar. The builder gets
    /// the rules of `text` under their names with `prefix` in front, which distinguishes them from
    /// those of other parts.
    ///
    /// ```
    /// use hedgerow::grammar::GrammarBuilder;
    /// use hedgerow::syntax::Notation;
    /// let mut builder = GrammarBuilder::new();
    /// let round = r#"root ::= "(" root ")" | "x""#;
    /// let left = Notation::Gbnf.compile_into(&mut builder, "left.", round)?;
    /// let square = r#"root ::= "[" root "]" | "y""#;
    /// let right = Notation::Ebnf.compile_into(&mut builder, "right.", square)?;
    /// let both = builder.nodes.seq(left, right);
    /// let grammar = builder.build(both, None)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`compile`](Self::compile). A Lark grammar cannot be a part, because its lexer
    /// and parser read the whole text; [`lark::compile_into`] reads it without a lexer.
    pub fn compile_into(
        self,
        builder: &mut GrammarBuilder,
        prefix: &str,
        text: &str,
    ) -> Result<NodeId, CompileError> {
        let parsed = match self {
            Notation::Gbnf => gbnf::parse(text),
            Notation::Ebnf => ebnf::parse(text),
            Notation::Lark => {
                let problem = Problem::unsupported(
                    "a Lark grammar cannot be a part of another grammar: its lexer reads all of the text",
                    "write the part as GBNF or EBNF, or let the part have the dynamic lexer",
                );
                Err((0..0, problem))
            }
        };
        let node =
            parsed.and_then(|(rules, start)| rules::compile_into(builder, prefix, text, rules, &start));
        node.map(|(node, _)| node).map_err(|failure| compile_error(self, text, failure))
    }
}
