//! Errors of sampling: what was wrong, where, and what to do about it.
//!
//! A sampler never gives a NaN or a token outside the support. A row that cannot be sampled is one
//! of these errors.

use crate::vocab::TokenId;

/// A row of logits that cannot be sampled, or parameters that are refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SamplingError {
    /// A parameter lies outside its range.
    #[error("sampling parameter `{name}` is {value}; expected {expected}")]
    InvalidParameter {
        /// The parameter's name, as in [`SamplingParams`](crate::sampling::SamplingParams).
        name: &'static str,
        /// The value given.
        value: String,
        /// The range that is accepted.
        expected: &'static str,
    },
    /// The text of a parameter has another form.
    #[error("sampling parameter `{name}`: `{given}` cannot be read; {expected}")]
    Text {
        /// The parameter's name.
        name: &'static str,
        /// The text given.
        given: String,
        /// The form that is read.
        expected: String,
    },
    /// Two parameters exclude each other.
    #[error("sampling parameters `{first}` and `{second}` conflict: {reason}")]
    Conflict {
        /// The first parameter.
        first: &'static str,
        /// The second parameter.
        second: &'static str,
        /// The conflict, and a remedy.
        reason: &'static str,
    },
    /// A custom chain order is not usable.
    #[error("chain order: {reason}")]
    Order {
        /// The fault, and a remedy.
        reason: String,
    },
    /// No token is left to draw from.
    #[error("no token can be drawn: {reason}")]
    EmptySupport {
        /// The step that removed the tokens, and a remedy.
        reason: &'static str,
    },
    /// A logit is NaN.
    #[error(
        "the logit of token {0} is NaN; check the model's output (overflow in a half-precision layer is the usual cause)"
    )]
    NotANumber(TokenId),
    /// A logit is +∞.
    #[error("the logit of token {0} is +inf; logits must be finite or -inf")]
    Infinite(TokenId),
    /// The row of logits has an unusable length.
    #[error("the row has {given} logits; a row must have between 1 and 2^31 logits")]
    RowLength {
        /// Number of logits in the row.
        given: usize,
    },
    /// A mask describes more tokens than the row has.
    #[error(
        "the mask has {given} words of 32 tokens, but the row's {logits} logits need at most {limit}; pass the mask of the same vocabulary"
    )]
    MaskLength {
        /// Words in the mask.
        given: usize,
        /// Words the row can use.
        limit: usize,
        /// Number of logits in the row.
        logits: usize,
    },
    /// A parameter names a token that the row does not have.
    #[error("sampling parameter `{name}` names token {token}, but the row has {logits} logits")]
    TokenOutOfRange {
        /// The parameter.
        name: &'static str,
        /// The token it names.
        token: TokenId,
        /// Number of logits in the row.
        logits: usize,
    },
    /// A rollback reaches before the first accepted token.
    #[error("cannot roll back to {wanted} accepted tokens: the sampler holds {held}")]
    Rollback {
        /// Number of accepted tokens asked for.
        wanted: usize,
        /// Number of accepted tokens held.
        held: usize,
    },
    /// A parameter set read from JSON is not usable.
    #[error("{api} parameters: {pointer}: {reason}")]
    ParameterSet {
        /// The API in whose spelling the parameters were read: `OpenAI`, `Anthropic`, `Hugging
        /// Face`, `vLLM`.
        api: &'static str,
        /// JSON pointer of the field.
        pointer: String,
        /// The fault, and a remedy.
        reason: String,
    },
}

impl SamplingError {
    pub(crate) fn parameter(name: &'static str, value: impl ToString, expected: &'static str) -> Self {
        SamplingError::InvalidParameter { name, value: value.to_string(), expected }
    }
}
