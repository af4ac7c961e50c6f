//! The error of every front end, for a text that gives no grammar.
//!
//! JSON Schemas, patterns, lists of strings and grammars in any notation are refused with the same
//! type. Its [`kind`](CompileError::kind) is for programs, which can act on it. Its message is for
//! people: it tells what is wrong, where, and what to write instead, with carets below the place if
//! the text has lines. Its [`source`](std::error::Error::source) is the error that caused it, if
//! there is one, such as a [`RegexError`](crate::automata::regex::RegexError), a
//! [`GrammarError`](super::GrammarError) or an [`Interrupted`].
//!
//! An error keeps only the part of the text that it shows, so it is cheap to store and to pass on.

use crate::automata::Interrupted;
use crate::automata::regex::{RegexError, RegexErrorKind};
use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The error about a text that gives no grammar.
///
/// ```
/// use hedgerow::grammar::{CompileErrorKind, Location};
/// use hedgerow::schema::{self, SchemaOptions};
/// use hedgerow::syntax::Notation;
///
/// let error = Notation::Gbnf.compile(r#"root ::= "[" item "]""#).unwrap_err();
/// assert_eq!(error.kind(), CompileErrorKind::Reference);
/// assert!(matches!(error.location(), Some(Location::Text { line: 1, column: 14, .. })));
///
/// let error = schema::compile(r#"{"type": "nothing"}"#, &SchemaOptions::default()).unwrap_err();
/// assert_eq!(error.kind(), CompileErrorKind::Syntax);
/// assert_eq!(error.pointer(), Some("#/type"));
/// ```
#[derive(Clone, Debug)]
pub struct CompileError(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    kind: CompileErrorKind,
    message: String,
    location: Option<Location>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kind of a [`CompileError`], by what a caller can do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CompileErrorKind {
    /// The text breaks a rule of its language: a group is not closed, a keyword has a value without
    /// a meaning, a rule is defined twice. Whoever wrote it must correct it.
    Syntax,
    /// The text is well-formed and asks for something that cannot be enforced, such as a
    /// backreference. Another spelling may do. Schemas also have
    /// [`Strictness::Lenient`](crate::schema::Strictness::Lenient).
    Unsupported,
    /// A name leads nowhere, such as an undefined rule, a missing start rule, or a `$ref` without a
    /// target.
    Reference,
    /// No output satisfies the text, such as `{"minimum": 2, "maximum": 1}` or a rule that never
    /// ends.
    Empty,
    /// The text needs more than a limit allows. The message names the limit and how to raise it or
    /// to need less.
    Limit,
    /// An [`Interrupt`](crate::automata::Interrupt) ended the work. The same call may succeed
    /// another time.
    Interrupted(Interrupted),
    /// An option, not the text, has a value without a meaning.
    Option,
}

/// The place in a text that an error is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Location {
    /// A part of a text with lines.
    Text {
        /// The line the part begins on, from 1.
        line: usize,
        /// The character of that line the part begins at, from 1.
        column: usize,
        /// The part, in bytes from the start of the text.
        span: Range<usize>,
    },
    /// A value in a JSON document.
    Json {
        /// A JSON pointer with `#` in front, such as `#/properties/age/type`. If the document is
        /// not the text that was given, its URI comes first.
        pointer: String,
        /// The keyword that the error is about, if there is one.
        keyword: Option<String>,
    },
}

impl Location {
    /// The place of the bytes `span` of `text`.
    ///
    /// ```
    /// use hedgerow::grammar::Location;
    /// let place = Location::in_text("ab\ncé€d", 9..10);
    /// assert_eq!(place, Location::Text { line: 2, column: 4, span: 9..10 });
    /// ```
    pub fn in_text(text: &str, span: Range<usize>) -> Self {
        let (line, column) = line_column(text, span.start);
        Location::Text { line, column, span }
    }

    /// The value that a JSON pointer with `#` in front names.
    pub fn in_json(pointer: impl Into<String>) -> Self {
        Location::Json { pointer: pointer.into(), keyword: None }
    }

    /// The location of a keyword of JSON Schema, in the value that a JSON pointer with `#` in front
    /// names.
    pub fn at_keyword(pointer: impl Into<String>, keyword: impl Into<String>) -> Self {
        Location::Json { pointer: pointer.into(), keyword: Some(keyword.into()) }
    }
}

/// Line and column of a byte, both from 1; columns count characters.
pub(crate) fn line_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.bytes().filter(|&b| b == b'\n').count() + 1, before[start..].chars().count() + 1)
}

impl CompileError {
    /// An error with a text for people and without a place. Front ends of other crates may make
    /// their own.
    pub fn new(kind: CompileErrorKind, message: impl Into<String>) -> Self {
        CompileError(Box::new(Details { kind, message: message.into(), location: None, source: None }))
    }

    /// Sets the place.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.0.location = Some(location);
        self
    }

    /// Adds what the caller can do, after a semicolon.
    ///
    /// ```
    /// use hedgerow::grammar::{CompileError, CompileErrorKind};
    /// let error = CompileError::new(CompileErrorKind::Syntax, "there is no format `json`");
    /// let error = error.help("did you mean `json_schema`?");
    /// assert_eq!(error.to_string(), "there is no format `json`; did you mean `json_schema`?");
    /// ```
    #[must_use]
    pub fn help(mut self, help: impl fmt::Display) -> Self {
        self.0.message = format!("{}; {help}", self.0.message);
        self
    }

    /// Sets the error that caused this one.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// The kind, by what a caller can do.
    pub fn kind(&self) -> CompileErrorKind {
        self.0.kind
    }

    /// The place in the text; `None` if the error is about the text as a whole or about an option.
    pub fn location(&self) -> Option<&Location> {
        self.0.location.as_ref()
    }

    /// The JSON pointer of the place, with `#` in front; `None` for an error without a place in a
    /// JSON document.
    pub fn pointer(&self) -> Option<&str> {
        match &self.0.location {
            Some(Location::Json { pointer, .. }) => Some(pointer),
            _ => None,
        }
    }

    /// The keyword of JSON Schema that the error is about; `None` for an error about anything else.
    pub fn keyword(&self) -> Option<&str> {
        match &self.0.location {
            Some(Location::Json { keyword, .. }) => keyword.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for CompileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Equality of kind, place and message.
impl PartialEq for CompileError {
    fn eq(&self, other: &Self) -> bool {
        let own = |error: &'_ Self| (error.0.kind, error.0.location.clone());
        own(self) == own(other) && self.0.message == other.0.message
    }
}

impl Eq for CompileError {}

impl From<&RegexErrorKind> for CompileErrorKind {
    fn from(kind: &RegexErrorKind) -> Self {
        match kind {
            RegexErrorKind::Syntax { .. } => CompileErrorKind::Syntax,
            RegexErrorKind::Backreference(_) | RegexErrorKind::AheadInsideBehind => {
                CompileErrorKind::Unsupported
            }
            RegexErrorKind::Nesting { .. }
            | RegexErrorKind::Length { .. }
            | RegexErrorKind::Count { .. }
            | RegexErrorKind::Expansion { .. } => CompileErrorKind::Limit,
        }
    }
}

impl From<Interrupted> for CompileError {
    fn from(why: Interrupted) -> Self {
        CompileError::new(CompileErrorKind::Interrupted(why), why.to_string()).because(why)
    }
}

impl From<RegexError> for CompileError {
    fn from(error: RegexError) -> Self {
        CompileError::new(error.kind().into(), error.to_string())
            .at(Location::in_text(error.pattern(), error.span()))
            .because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let text = "ab\ncé€d\n";
        for (at, expected) in [(0, (1, 1)), (3, (2, 1)), (4, (2, 2)), (6, (2, 3)), (9, (2, 4)), (99, (3, 1))]
        {
            assert_eq!(line_column(text, at), expected, "byte {at}");
        }
    }

    #[test]
    fn errors_below_are_kept() {
        let error = CompileError::from(Interrupted::Cancelled);
        assert_eq!(error.kind(), CompileErrorKind::Interrupted(Interrupted::Cancelled));
        assert!(error.source().is_some_and(|source| source.is::<Interrupted>()));
        assert_eq!(error, error.clone());
        assert_ne!(error, CompileError::from(Interrupted::Deadline));
        assert_ne!(error, error.clone().at(Location::in_json("#")));
    }
}
