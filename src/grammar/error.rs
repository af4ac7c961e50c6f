//! The error of building or expanding a grammar.

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
    #[error("{0}")]
    Expansion(String),
}
