//! The settings that all outputs of a request share, checked and completed by the loop.

use super::draft::{Acceptance, Draft};
use super::request::{Budget, ForcedTokens};
use crate::vocab::{TokenId, Vocabulary};

/// The settings that all outputs of a request share.
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
    /// The bytes of the token that token healing removed from the prompt's end.
    pub healed: Vec<u8>,
}

/// The end of an output whose constraint allows nothing but an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The output ends without an end token.
    Implied,
    /// The end token is drawn, for strategies that count its probability.
    Drawn,
}

/// The score by which outputs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scoring {
    None,
    /// The mean of ln softmax(logits) over the tokens that the model was asked for.
    Mean,
}

/// The logits of the tokenizer's own tokens. Padding beyond them is forbidden even in an
/// unconstrained output.
pub(crate) fn real_tokens<'a>(row: &'a [f32], rules: &Rules) -> &'a [f32] {
    &row[..rules.vocabulary.token_count().min(row.len())]
}
