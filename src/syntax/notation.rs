//! The notations that a grammar's text may be written in.

use std::fmt;

/// A notation for grammars.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Notation {
    /// llama.cpp's notation, see [`gbnf`](super::gbnf).
    Gbnf,
    /// The notation of the W3C or that of ISO, see [`ebnf`](super::ebnf).
    Ebnf,
    /// The notation of the Python library Lark, see [`lark`](super::lark).
    Lark,
}

impl Notation {
    /// All notations.
    pub const ALL: &'static [Notation] = &[Notation::Gbnf, Notation::Ebnf, Notation::Lark];

    /// The name of the notation, which is also the usual extension of its files.
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
}

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
