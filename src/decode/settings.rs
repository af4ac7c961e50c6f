//! The settings that all outputs of a request share, checked and completed by the loop.

use super::draft::{Acceptance, Draft};
use super::reasoning_budget::ReasoningBudget;
use super::request::{Budget, ForcedTokens};
use crate::vocab::{TokenId, Vocabulary};

/// The settings that all outputs of a request share.
#[derive(Debug)]
pub(crate) struct DecodeSettings {
    pub vocabulary: Vocabulary,
    /// Tokens that end an output.
    pub end_tokens: Vec<TokenId>,
    pub min_tokens: usize,
    pub max_tokens: usize,
    /// True if the context sets `max_tokens`, and not the request.
    pub by_context: bool,
    pub context: usize,
    pub forced: ForcedTokens,
    pub budget: Budget,
    pub draft: Draft,
    pub acceptance: Acceptance,
    pub logprobs: Option<usize>,
    pub end_token: EndToken,
    pub scoring: Scoring,
    /// The limit on reasoning.
    pub reasoning: Option<ReasoningBudget>,
    /// The bytes of the token that token healing removed from the prompt's end.
    pub healed_bytes: Vec<u8>,
}

impl DecodeSettings {
    /// Number of the tokenizer's own tokens. Padding beyond them is forbidden even in an
    /// unconstrained output.
    pub fn token_count(&self) -> usize {
        self.vocabulary.token_count()
    }
}

/// The treatment of the end token if a constraint allows no other token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndToken {
    /// The output ends without it.
    Implied,
    /// It is sampled as any other while there is room, for strategies that count its probability.
    Sampled,
}

/// The score by which outputs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scoring {
    None,
    /// The mean of ln softmax(logits) over the tokens that the model was asked for.
    Mean,
}
