//! What can go wrong while a constraint is used.

use crate::grammar::GrammarError;

/// Why a constraint could not be built or used. "This token is not allowed" is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A part of the grammar could not be expanded, or the grammar is too large.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// The grammar names a special token the vocabulary does not have.
    #[error("the grammar names the special token `{0}`, which the vocabulary does not have")]
    UnknownSpecialToken(String),
    /// No token can start an output of the grammar.
    #[error("the vocabulary cannot spell any output of the grammar: no token may come first")]
    Unspellable,
    /// The vocabulary has no tokens.
    #[error("the vocabulary is empty")]
    EmptyVocabulary,
    /// A buffer for a mask has the wrong length.
    #[error("the mask buffer has {given} words, but a mask over {tokens} tokens has {needed}")]
    MaskLength {
        /// Words given.
        given: usize,
        /// Words needed.
        needed: usize,
        /// The vocabulary's size.
        tokens: usize,
    },
    /// A token id past the end of the vocabulary.
    #[error("token {token} is not in the vocabulary of {tokens} tokens")]
    UnknownToken {
        /// The token.
        token: u32,
        /// The vocabulary's size.
        tokens: usize,
    },
    /// More tokens to take back than there are.
    #[error("cannot roll back {asked} tokens: only {available} were advanced")]
    Rollback {
        /// Tokens to take back.
        asked: usize,
        /// Tokens there are.
        available: usize,
    },
    /// A limit was exceeded.
    #[error("{what}: more than {limit}; raise `Limits::{field}` or simplify the grammar")]
    Limit {
        /// What there was too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
        /// The field of [`Limits`](super::Limits) that says so.
        field: &'static str,
    },
    /// The caller's deadline passed.
    #[error("the deadline passed before the answer was found")]
    Deadline,
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
}
