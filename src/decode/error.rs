//! Errors of the decoding loop.

use std::sync::Arc;

use super::logits::ModelError;
use crate::engine::EngineError;
use crate::sampling::SamplingError;
use crate::vocab::TokenId;

/// The reason why a request or one of its outputs failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A vocabulary that does not fit the model.
    #[error(
        "the model gives {model} logits, but the vocabulary has {vocabulary} tokens; use the model's own tokenizer, with `Vocabulary::with_model_size` where the model's output is padded"
    )]
    VocabularySize {
        /// Number of logits in a row of the model.
        model: usize,
        /// Number of tokens of the vocabulary.
        vocabulary: usize,
    },
    /// A constraint that was made for another vocabulary.
    #[error(
        "the constraint was made for another vocabulary than the model's; build it with the vocabulary that decoding uses"
    )]
    ConstraintVocabulary,
    /// A partner model, such as a draft model, that has other tokens.
    #[error("the {partner} has another vocabulary: token {} is {theirs} there and {ours} in the model; it must have the model's own tokenizer", token.0)]
    PartnerVocabulary {
        /// The role of the partner: `draft model` or `amateur model`.
        partner: &'static str,
        /// The first token that differs.
        token: TokenId,
        /// The token in the model, as text.
        ours: String,
        /// The token in the partner, as text.
        theirs: String,
    },
    /// A prompt without tokens.
    #[error("the prompt has no tokens; give at least one, such as the beginning-of-sequence token")]
    EmptyPrompt,
    /// A prompt that does not fit the model's context.
    #[error("the prompt has {given} tokens, but the model's context holds {limit}; shorten the prompt")]
    PromptTooLong {
        /// Number of tokens of the prompt.
        given: usize,
        /// Number of tokens that the context holds.
        limit: usize,
    },
    /// A token of the prompt that the model does not have.
    #[error("token {position} of the prompt has id {}, but the model has {size} tokens, numbered from 0", token.0)]
    PromptToken {
        /// Index of the token in the prompt, from 0.
        position: usize,
        /// The token.
        token: TokenId,
        /// Number of tokens of the model.
        size: usize,
    },
    /// A request for no completions, or for too many.
    #[error("the request asks for {given} completions; ask for 1 to {limit}")]
    Completions {
        /// Number of completions in the request.
        given: usize,
        /// Largest number of completions.
        limit: usize,
    },
    /// A constraint of which no output is known to fit into the largest number of tokens.
    #[error(
        "the shortest known output of the constraint takes {needs} tokens, but there is room for {room}; {}, or let outputs be cut with `Budget::Cut`",
        match by_context {
            true => "the model's context is full then: shorten the prompt",
            false => "raise `max_tokens`",
        }
    )]
    ShortestOutput {
        /// Number of tokens of the shortest output that is known.
        needs: usize,
        /// Largest number of tokens of an output.
        room: usize,
        /// True if the model's context sets this limit, so that a larger `max_tokens` would not
        /// help.
        by_context: bool,
    },
    /// A strategy that cannot be carried out.
    #[error("the strategy cannot be carried out: {reason}")]
    Strategy {
        /// The fault, and a remedy.
        reason: &'static str,
    },
    /// A token that was drawn under the constraint's mask, but that the constraint refuses: a fault
    /// in the constraint.
    #[error("token {} was drawn under the constraint's mask after {tokens} tokens, but the constraint refuses it", token.0)]
    NotAllowed {
        /// The token.
        token: TokenId,
        /// Number of output tokens before it.
        tokens: usize,
    },
    /// An incomplete output that no token continues.
    #[error(
        "after {tokens} tokens of output the constraint allows no token of this vocabulary, and the output is not complete"
    )]
    DeadEnd {
        /// Number of output tokens so far.
        tokens: usize,
    },
    /// The request's bans leave no token that spells the end of the prompt, which token healing
    /// requires.
    #[error(
        "bans leave no token that spells the end of the prompt; turn token healing off, or loosen the bans"
    )]
    Healing,
    /// A failure of the constraint.
    #[error("the constraint failed")]
    Constraint(#[from] EngineError),
    /// Logits that cannot be sampled, or sampling parameters that are not valid.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// Logits of a draft model or of draft heads that cannot be sampled.
    #[error("the drafter's logits cannot be used: {0}")]
    DraftLogits(#[source] SamplingError),
    /// A failure of the model.
    #[error("the model failed")]
    Model(#[source] Arc<ModelError>),
}

impl From<ModelError> for DecodeError {
    fn from(error: ModelError) -> Self {
        Self::Model(Arc::new(error))
    }
}
