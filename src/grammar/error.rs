//! The error of building or expanding a grammar.

use super::compile_error::{CompileError, CompileErrorKind};
use crate::automata::Interrupted;

/// A reason why a grammar could not be built or expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// No string belongs to the grammar.
    #[error("the grammar matches nothing: {reason}")]
    Empty {
        /// The rule and the reason.
        reason: String,
    },
    /// A rule is used but was never defined.
    #[error("rule `{0}` is used but not defined")]
    UndefinedRule(String),
    /// A rule was defined twice.
    #[error("rule `{0}` is defined twice")]
    DuplicateRule(String),
    /// A limit was exceeded.
    #[error("the grammar needs more than {limit} {what}; raise the limit or simplify the grammar")]
    Limit {
        /// The kind of thing that there is too much of.
        what: &'static str,
        /// The largest number allowed.
        limit: u64,
    },
    /// An [`Interrupt`](crate::automata::Interrupt) ended the work.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A front end failed to expand a part of its grammar.
    #[error(transparent)]
    Expansion(CompileError),
}

impl GrammarError {
    /// The error of a part that nothing can expand, with the reason.
    pub(crate) fn unexpandable(reason: impl Into<String>) -> Self {
        GrammarError::Expansion(CompileError::new(CompileErrorKind::Unsupported, reason))
    }
}

impl From<&GrammarError> for CompileErrorKind {
    fn from(error: &GrammarError) -> Self {
        match error {
            GrammarError::Empty { .. } => CompileErrorKind::Empty,
            GrammarError::UndefinedRule(_) => CompileErrorKind::Reference,
            GrammarError::DuplicateRule(_) => CompileErrorKind::Syntax,
            GrammarError::Limit { .. } => CompileErrorKind::Limit,
            GrammarError::Interrupted(why) => CompileErrorKind::Interrupted(*why),
            GrammarError::Expansion(error) => error.kind(),
        }
    }
}

impl From<GrammarError> for CompileError {
    fn from(error: GrammarError) -> Self {
        match error {
            GrammarError::Expansion(error) => error,
            error => CompileError::new((&error).into(), error.to_string()).because(error),
        }
    }
}
