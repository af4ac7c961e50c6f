//! The errors of building and using a constraint.

use crate::automata::Interrupted;
use crate::grammar::GrammarError;

/// An error of building or using a constraint. "This token is not allowed" is an answer, not an
/// error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A part of the grammar could not be expanded, or the grammar is too large.
    #[error(transparent)]
    Grammar(GrammarError),
    /// The grammar names a special token the vocabulary does not have.
    #[error("the grammar names the special token `{0}`, which the vocabulary does not have")]
    UnknownSpecialToken(String),
    /// The grammar looks for a token in free text, and the token is only a part of a character.
    #[error("the grammar looks for the token `{0}` in text, but it is only a part of a character")]
    PartialCharacter(String),
    /// No tokens, one after the other, are an output of the grammar.
    #[error("the vocabulary cannot spell any output of the grammar: no sequence of its tokens is one")]
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
    /// A buffer for several masks is too short.
    #[error(
        "the mask buffer has {given} words, but {rows} rows of {words} words at a stride of {stride} need {needed}"
    )]
    MaskRows {
        /// Words given.
        given: usize,
        /// Words needed, or the largest number that fits the type.
        needed: usize,
        /// Masks to be written.
        rows: usize,
        /// Words of each mask.
        words: usize,
        /// Words from the start of one row to the start of the next.
        stride: usize,
    },
    /// Rows of masks overlap.
    #[error("a stride of {stride} words makes mask rows of {words} words overlap")]
    MaskStride {
        /// Words from the start of one row to the start of the next.
        stride: usize,
        /// Words of each row.
        words: usize,
    },
    /// A draft tree has different numbers of tokens and parents.
    #[error("the draft tree has {tokens} tokens but {parents} parents")]
    DraftLength {
        /// Tokens given.
        tokens: usize,
        /// Parents given.
        parents: usize,
    },
    /// A node of a draft tree follows a node that is not listed before it.
    #[error("node {node} of the draft tree has parent {parent}; parents come before their children")]
    DraftParent {
        /// The node.
        node: usize,
        /// Its parent.
        parent: usize,
    },
    /// A draft tree has no node of this number.
    #[error("the draft tree has {nodes} nodes, none of them is number {node}")]
    DraftNode {
        /// The node asked for.
        node: usize,
        /// The number of nodes.
        nodes: usize,
    },
    /// A token id past the end of the vocabulary.
    #[error("token {token} is not in the vocabulary of {tokens} tokens")]
    UnknownToken {
        /// The token.
        token: u32,
        /// The vocabulary's size.
        tokens: usize,
    },
    /// A rollback takes back more tokens than were advanced.
    #[error("cannot roll back {asked} tokens: only {available} were advanced")]
    Rollback {
        /// Tokens to take back.
        asked: usize,
        /// Tokens that were advanced.
        available: usize,
    },
    /// A grammar has more states over tokens than were allowed, maybe infinitely many.
    #[error(
        "the grammar has more than {limit} states over tokens; raise `max_states`, or use a matcher, which finds states as outputs come to them"
    )]
    TokenFsmStates {
        /// The number allowed.
        limit: usize,
    },
    /// A token-level state machine has no state of this number.
    #[error("the state machine has {states} states, none of them is number {state}")]
    TokenFsmState {
        /// The state asked for.
        state: u32,
        /// The number of states.
        states: usize,
    },
    /// The bytes are not those of a token-level state machine.
    #[error("cannot read the token state machine: {reason} (byte {offset})")]
    TokenFsmBytes {
        /// The offset at which that was noticed.
        offset: usize,
        /// The fault.
        reason: &'static str,
    },
    /// A limit was exceeded.
    #[error("{what}: more than {limit}; raise `Limits::{field}` or simplify the grammar")]
    Limit {
        /// The things of which there are too many.
        what: &'static str,
        /// The number allowed.
        limit: u64,
        /// The field of [`Limits`](super::Limits) that sets it.
        field: &'static str,
    },
    /// A structural tag's parts cannot be told apart in an output.
    #[error("this output divides into parts in more than {limit} ways; let markers tell the parts apart")]
    Ambiguous {
        /// The number of ways that are followed.
        limit: u64,
    },
    /// A text that holds names of special tokens can be read in too many ways.
    #[error(
        "this text can be divided into tokens in too many ways, with more than {limit} steps; give the tokens themselves"
    )]
    AmbiguousText {
        /// The number of steps that are tried.
        limit: u64,
    },
    /// The caller's deadline passed.
    #[error("the deadline passed before the answer was found")]
    Deadline,
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl From<GrammarError> for EngineError {
    fn from(error: GrammarError) -> Self {
        match error {
            GrammarError::Interrupted(why) => why.into(),
            error => EngineError::Grammar(error),
        }
    }
}

impl From<Interrupted> for EngineError {
    fn from(why: Interrupted) -> Self {
        match why {
            Interrupted::Deadline => EngineError::Deadline,
            Interrupted::Cancelled => EngineError::Cancelled,
        }
    }
}
