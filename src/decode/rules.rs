//! What all outputs of a request go by: its settings as the loop has checked and completed them.

use super::draft::{Acceptance, Draft};
use super::request::{Budget, ForcedTokens};
use crate::vocab::{TokenId, Vocabulary};

/// What all outputs of a request go by.
#[derive(Debug)]
pub(crate) struct Rules {
    pub vocabulary: Vocabulary,
    /// Tokens that end an output.
    pub end_tokens: Vec<TokenId>,
    pub min_tokens: usize,
    pub max_tokens: usize,
    pub context: usize,
    pub forced: ForcedTokens,
    pub budget: Budget,
    pub draft: Draft,
    pub acceptance: Acceptance,
    pub logprobs: Option<usize>,
    pub ending: Ending,
    pub scoring: Scoring,
    /// The bytes of a token that was taken back from the prompt's end.
    pub healed: Vec<u8>,
}

/// What ends an output whose constraint allows nothing but an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// That nothing else is allowed.
    Implied,
    /// The end token, for strategies that count its probability.
    Drawn,
}

/// Whether outputs are told apart by how probable they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scoring {
    None,
    /// By the mean of ln softmax(logits) over the tokens that the model was asked for.
    Mean,
}

/// What lies beyond the tokenizer is padding, which an unconstrained output must not hold either.
pub(crate) fn real_tokens<'a>(row: &'a [f32], rules: &Rules) -> &'a [f32] {
    &row[..rules.vocabulary.token_count().min(row.len())]
}
