//! Which notation a grammar's text is written in.

use super::{ebnf, gbnf, lark, SyntaxError, SyntaxErrorKind};
use crate::grammar::{Grammar, GrammarBuilder, NodeId};
use std::fmt;

/// A notation for grammars.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Notation {
    /// llama.cpp's: [`gbnf`].
    Gbnf,
    /// That of the W3C or that of ISO: [`ebnf`].
    Ebnf,
    /// That of the Python library Lark: [`lark`].
    Lark,
}

impl Notation {
    /// All of them.
    pub const ALL: &'static [Notation] = &[Notation::Gbnf, Notation::Ebnf, Notation::Lark];

    /// Its name, which is also the usual extension of its files.
    pub fn name(self) -> &'static str {
        match self {
            Notation::Gbnf => "gbnf",
            Notation::Ebnf => "ebnf",
            Notation::Lark => "lark",
        }
    }

    /// The notation of files with this extension.
    ///
    /// ```
    /// use hedgerow::syntax::Notation;
    /// assert_eq!(Notation::of_extension("gbnf"), Some(Notation::Gbnf));
    /// assert_eq!(Notation::of_extension("txt"), None);
    /// ```
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|notation| notation.name().eq_ignore_ascii_case(extension))
    }

    /// The grammar that `text` describes.
    ///
    /// # Errors
    ///
    /// See [`SyntaxErrorKind`](super::SyntaxErrorKind).
    pub fn compile(self, text: &str) -> Result<Grammar, SyntaxError> {
        match self {
            Notation::Gbnf => gbnf::compile(text),
            Notation::Ebnf => ebnf::compile(text),
            Notation::Lark => lark::compile(text),
        }
    }

    /// The node of the texts that `text` describes, as a part of another grammar. The builder has
    /// its rules by their names behind `prefix`, which tells them from those of other parts.
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
    /// Those of [`compile`](Self::compile). A Lark grammar is a lexer and a parser for all of the
    /// text and cannot be a part.
    pub fn compile_into(
        self,
        builder: &mut GrammarBuilder,
        prefix: &str,
        text: &str,
    ) -> Result<NodeId, SyntaxError> {
        match self {
            Notation::Gbnf => gbnf::compile_into(builder, prefix, text),
            Notation::Ebnf => ebnf::compile_into(builder, prefix, text),
            Notation::Lark => {
                let kind = SyntaxErrorKind::unsupported(
                    "a Lark grammar cannot be a part of another grammar: its lexer reads all of the text",
                    "write the part as GBNF or EBNF",
                );
                Err(SyntaxError::new(self, text, (0..0, kind)))
            }
        }
    }
}

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
