//! What is wrong with a schema, where, and what to do.

use crate::automata::Interrupted;

/// Why a schema could not be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The text is not JSON.
    #[error("the schema is not JSON: line {line}, column {column}: {message}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What was expected.
        message: String,
    },
    /// A keyword has a value JSON Schema does not give a meaning.
    #[error("{pointer}: `{keyword}` {reason}")]
    Malformed {
        /// Where, as a JSON pointer with `#` in front.
        pointer: String,
        /// Which keyword.
        keyword: String,
        /// What it must be.
        reason: String,
    },
    /// A keyword that cannot be enforced here.
    #[error("{pointer}: `{keyword}` cannot be enforced: {reason}")]
    Unsupported {
        /// Where, as a JSON pointer with `#` in front.
        pointer: String,
        /// Which keyword.
        keyword: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A reference that leads nowhere.
    #[error("{pointer}: `{keyword}` names `{target}`, {reason}")]
    Reference {
        /// Where, as a JSON pointer with `#` in front.
        pointer: String,
        /// `$ref`, `$dynamicRef` or `$recursiveRef`.
        keyword: String,
        /// What it names.
        target: String,
        /// Why it leads nowhere.
        reason: String,
    },
    /// No JSON value satisfies the schema.
    #[error("{pointer}: no JSON value satisfies the schema")]
    Unsatisfiable {
        /// Where, as a JSON pointer with `#` in front.
        pointer: String,
    },
    /// Combining the schema's parts takes more work than allowed.
    #[error("{pointer}: combining the schema's parts takes more than {limit} steps; raise `fuel` or simplify `oneOf`, `not` and `allOf` there")]
    Fuel {
        /// Where, as a JSON pointer with `#` in front.
        pointer: String,
        /// The fuel given.
        limit: u64,
    },
    /// The search for a text or number that satisfies patterns, lengths and numbers together takes
    /// more work than allowed.
    #[error("{pointer}: whether any text or number satisfies the schema takes a search of more than {limit} states; simplify `pattern`, `format`, `not` and `allOf` there")]
    Search {
        /// The place, as a JSON pointer with `#` in front.
        pointer: String,
        /// The number of states that are searched.
        limit: u64,
    },
    /// An [`Interrupt`](crate::automata::Interrupt) ended the work.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Schemas are nested too deeply where they must be looked at as a whole: a circle of schemas
    /// that need each other, or `not` inside `not`.
    #[error("{pointer}: schemas that must be combined are nested more than {limit} deep")]
    Nesting {
        /// Where, as a JSON pointer with `#` in front.
        pointer: String,
        /// How deep they may be nested.
        limit: u32,
    },
    /// An option has a value without meaning.
    #[error("the option `{option}` {reason}")]
    Option {
        /// Which option.
        option: &'static str,
        /// What it must be.
        reason: String,
    },
}

impl SchemaError {
    /// Where in the schema, as a JSON pointer with `#` in front; `None` for errors of the text or the options.
    pub fn pointer(&self) -> Option<&str> {
        match self {
            SchemaError::Malformed { pointer, .. }
            | SchemaError::Unsupported { pointer, .. }
            | SchemaError::Reference { pointer, .. }
            | SchemaError::Unsatisfiable { pointer }
            | SchemaError::Fuel { pointer, .. }
            | SchemaError::Nesting { pointer, .. }
            | SchemaError::Search { pointer, .. } => Some(pointer),
            SchemaError::Json { .. } | SchemaError::Option { .. } | SchemaError::Interrupted(_) => None,
        }
    }

    /// Which keyword is concerned.
    pub fn keyword(&self) -> Option<&str> {
        match self {
            SchemaError::Malformed { keyword, .. }
            | SchemaError::Unsupported { keyword, .. }
            | SchemaError::Reference { keyword, .. } => Some(keyword),
            _ => None,
        }
    }
}

/// Something in a schema that has no effect, or less than it may seem.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaWarning {
    /// Where, as a JSON pointer with `#` in front.
    pub pointer: String,
    /// Which keyword.
    pub keyword: String,
    /// What happens.
    pub message: String,
}

impl std::fmt::Display for SchemaWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: `{}` {}", self.pointer, self.keyword, self.message)
    }
}
