//! The options of a Lark grammar: its start rule, its modules and its lexer.

use crate::schema::SchemaOptions;

/// The rule that outputs start from if no other is named.
pub const START: &str = "start";

policy! {
    /// The way in which a text is divided into the terminals of a Lark grammar.
    enum Lexer {
        /// As Lark's contextual lexer does: the first terminal in Lark's order that the parser
        /// expects. A grammar with `%json`, `%regex` or special tokens has no such lexer, and is
        /// read as under [`Dynamic`](Self::Dynamic).
        Contextual = "contextual",
        /// In every way that the rules allow, as by Lark's `lexer="dynamic_complete"`.
        Dynamic = "dynamic",
    }
}

/// Options of a Lark grammar that its text does not set.
///
/// ```
/// use hedgerow::syntax::lark::{self, Options};
/// let numbers = "NUMBER: /[0-9]+/";
/// let options = Options::default().start("sum").module("my.numbers", numbers);
/// lark::compile_with(r#"
///     sum: NUMBER ("+" NUMBER)*
///     %import my.numbers.NUMBER
/// "#, &options)?;
/// # Ok::<(), hedgerow::CompileError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The rule that outputs start from. Default: `start`.
    pub start: String,
    /// The names and texts of the modules that the grammar may import from, besides `common`.
    /// Default none.
    pub modules: Vec<(String, String)>,
    /// The division of a text into terminals. Default: [`Lexer::Contextual`].
    pub lexer: Lexer,
    /// The options of the schemas in `%json`. Default: those of [`SchemaOptions`].
    pub schema: SchemaOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            start: START.to_owned(),
            modules: Vec::new(),
            lexer: Lexer::default(),
            schema: SchemaOptions::default(),
        }
    }
}

impl Options {
    /// Sets [`start`](Self#structfield.start).
    #[must_use]
    pub fn start(mut self, rule: impl Into<String>) -> Self {
        self.start = rule.into();
        self
    }

    /// Adds a module, from which `%import name.RULE` reads. A name of several parts has dots
    /// between them. A module that is imported as `.name` is found beside the module that imports
    /// it. A module called `common` takes the place of Lark's.
    #[must_use]
    pub fn module(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.modules.push((name.into(), text.into()));
        self
    }

    /// Sets [`lexer`](Self#structfield.lexer).
    #[must_use]
    pub fn lexer(mut self, lexer: Lexer) -> Self {
        self.lexer = lexer;
        self
    }

    /// Sets [`schema`](Self#structfield.schema).
    #[must_use]
    pub fn schema(mut self, options: SchemaOptions) -> Self {
        self.schema = options;
        self
    }
}
