//! The options of a Lark grammar: its start rule and its modules.

/// The rule that outputs start from if no other is named.
pub const START: &str = "start";

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
}

impl Default for Options {
    fn default() -> Self {
        Options { start: START.to_owned(), modules: Vec::new() }
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
}
