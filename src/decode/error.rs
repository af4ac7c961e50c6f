//! Why a request could not be taken or carried through.

use std::sync::Arc;

use super::model::ModelError;
use crate::engine::EngineError;
use crate::sampling::SamplingError;
use crate::vocab::TokenId;

/// Why tokens could not be generated.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The vocabulary is not the model's.
    #[error("the model gives {model} logits, but the vocabulary has {vocabulary} tokens; use the model's own tokenizer, with `Vocabulary::with_model_size` where the model's output is padded")]
    VocabularySize {
        /// Logits in a row of the model.
        model: usize,
        /// Tokens of the vocabulary.
        vocabulary: usize,
    },
    /// A constraint was made for another vocabulary.
    #[error("the constraint was made for another vocabulary than the model's; build it with the vocabulary that decoding uses")]
    ConstraintVocabulary,
    /// There is nothing to continue.
    #[error("the prompt has no tokens; give at least one, such as the beginning-of-sequence token")]
    EmptyPrompt,
    /// The prompt does not fit the model's context.
    #[error("the prompt has {given} tokens, but the model's context holds {limit}; shorten the prompt")]
    PromptTooLong {
        /// Tokens of the prompt.
        given: usize,
        /// Tokens the context holds.
        limit: usize,
    },
    /// A token of the prompt that the model does not have.
    #[error("token {position} of the prompt has id {}, but the model has {size} tokens, numbered from 0", token.0)]
    PromptToken {
        /// Its place in the prompt, from 0.
        position: usize,
        /// The token.
        token: TokenId,
        /// Number of tokens of the model.
        size: usize,
    },
    /// No completions were asked for, or too many.
    #[error("the request asks for {given} completions; ask for 1 to {limit}")]
    Completions {
        /// Completions asked for.
        given: usize,
        /// The most there can be.
        limit: usize,
    },
    /// A strategy that cannot be carried out.
    #[error("the strategy cannot be carried out: {reason}")]
    Strategy {
        /// What is wrong with it, and what would be right.
        reason: &'static str,
    },
    /// A token was drawn under the constraint's mask, and the constraint refuses it: a fault in the constraint.
    #[error("token {} was drawn under the constraint's mask after {tokens} tokens, but the constraint refuses it", token.0)]
    NotAllowed {
        /// The token.
        token: TokenId,
        /// Tokens of output before.
        tokens: usize,
    },
    /// The output is not complete, and no token continues it.
    #[error("after {tokens} tokens of output the constraint allows no token of this vocabulary, and the output is not complete")]
    DeadEnd {
        /// Tokens of output before.
        tokens: usize,
    },
    /// The constraint failed.
    #[error("the constraint failed")]
    Constraint(#[from] EngineError),
    /// The logits could not be sampled, or the sampling parameters are not usable.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The model failed.
    #[error("the model failed")]
    Model(#[source] Arc<ModelError>),
}

impl From<ModelError> for DecodeError {
    fn from(error: ModelError) -> Self {
        Self::Model(Arc::new(error))
    }
}
