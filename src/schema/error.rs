//! The errors and warnings for a schema, in words: the fault, its place, and the remedy.

use super::json::JsonError;
use crate::grammar::{CompileError, CompileErrorKind, Location, line_column};

/// An error: the text is not JSON.
pub(super) fn not_json(text: &str, error: &JsonError) -> CompileError {
    let mut at = error.offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let (line, column) = line_column(text, at);
    let message = format!("the schema is not JSON: line {line}, column {column}: {}", error.message);
    CompileError::new(CompileErrorKind::Syntax, message).at(Location::Text { line, column, span: at..at })
}

/// An error: a keyword has a value to which JSON Schema gives no meaning.
pub(super) fn malformed(pointer: String, keyword: &str, reason: &str) -> CompileError {
    let message = format!("{pointer}: `{keyword}` {reason}");
    CompileError::new(CompileErrorKind::Syntax, message).at(Location::at_keyword(pointer, keyword))
}

/// An error: a keyword cannot be enforced.
pub(super) fn unsupported(pointer: String, keyword: &str, reason: &str) -> CompileError {
    let message = format!("{pointer}: `{keyword}` cannot be enforced: {reason}");
    CompileError::new(CompileErrorKind::Unsupported, message).at(Location::at_keyword(pointer, keyword))
}

/// An error: a reference leads nowhere; `keyword` is `$ref`, `$dynamicRef` or `$recursiveRef`.
pub(super) fn unresolved(pointer: String, keyword: &str, target: &str, reason: &str) -> CompileError {
    let message = format!("{pointer}: `{keyword}` names `{target}`, {reason}");
    CompileError::new(CompileErrorKind::Reference, message).at(Location::at_keyword(pointer, keyword))
}

/// An error: no JSON value satisfies the document.
pub(super) fn unsatisfiable() -> CompileError {
    let message = "#: no JSON value satisfies the schema";
    CompileError::new(CompileErrorKind::Empty, message).at(Location::in_json("#"))
}

/// An error: combining the schema's parts takes more work than the option `fuel` allows.
pub(super) fn fuel(pointer: String, limit: u64) -> CompileError {
    let message = format!(
        "{pointer}: combining the schema's parts takes more than {limit} steps; raise `fuel` or simplify `oneOf`, `not` and `allOf` there"
    );
    CompileError::new(CompileErrorKind::Limit, message).at(Location::in_json(pointer))
}

/// An error: the search for a text or number that satisfies all of its patterns, lengths and bounds
/// takes more work than allowed.
pub(super) fn search(pointer: String, limit: u64) -> CompileError {
    let message = format!(
        "{pointer}: whether any text or number satisfies the schema takes a search of more than {limit} states; simplify `pattern`, `format`, `not` and `allOf` there"
    );
    CompileError::new(CompileErrorKind::Limit, message).at(Location::in_json(pointer))
}

/// An error: the search for an array or object that has enough of each kind of item or key takes
/// more work than allowed.
pub(super) fn combinations(pointer: String, limit: usize) -> CompileError {
    let message = format!(
        "{pointer}: whether an array or object satisfies the schema takes a search of more than {limit} combinations of its items or keys; simplify `contains` and its bounds, `maxItems` and `not` there"
    );
    CompileError::new(CompileErrorKind::Limit, message).at(Location::in_json(pointer))
}

/// An error: schemas that must be combined are nested too deeply. Examples are a circle of schemas
/// that need each other, and `not` inside `not`.
pub(super) fn nesting(pointer: String, limit: u32) -> CompileError {
    let message = format!("{pointer}: schemas that must be combined are nested more than {limit} deep");
    CompileError::new(CompileErrorKind::Limit, message).at(Location::in_json(pointer))
}

/// An error: an option has a value without a meaning.
pub(super) fn option(option: &str, reason: &str) -> CompileError {
    CompileError::new(CompileErrorKind::Option, format!("the option `{option}` {reason}"))
}

/// A part of a schema that has no effect, or less effect than it seems to have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaWarning {
    /// The place of the schema, as a JSON pointer with `#` in front.
    pub pointer: String,
    /// The keyword that the warning is about.
    pub keyword: String,
    /// The effect of the keyword, in words.
    pub message: String,
}

/// A warning: no reference leads to a document of the caller.
pub(super) fn unused_document(uri: &str) -> SchemaWarning {
    SchemaWarning {
        pointer: format!("{uri}#"),
        keyword: "$ref".into(),
        message: "does not lead to this document anywhere, which has no effect".into(),
    }
}

impl std::fmt::Display for SchemaWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: `{}` {}", self.pointer, self.keyword, self.message)
    }
}
