//! The notations that a grammar's text may be written in.

policy! {
    /// A notation for grammars. Its name is also the usual extension of its files.
    enum Notation {
        /// llama.cpp's notation, see [`gbnf`](super::gbnf).
        Gbnf = "gbnf",
        /// The notation of the W3C or that of ISO, see [`ebnf`](super::ebnf).
        Ebnf = "ebnf",
        /// The notation of the Python library Lark, see [`lark`](super::lark).
        Lark = "lark",
    }
}

impl Notation {
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
