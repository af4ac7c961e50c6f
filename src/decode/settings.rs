//! The settings that all outputs of a request share, checked and completed by the loop.

use super::draft::{Acceptance, Draft};
use super::error::DecodeError;
use super::healing;
use super::reasoning_budget::ReasoningBudget;
use super::request::{Budget, ForcedTokens, Request, TokenHealing};
use super::strategy::Strategy;
use crate::sampling::SamplingError;
use crate::vocab::{TokenId, Vocabulary};

/// The settings that all outputs of a request share.
#[derive(Debug)]
pub(crate) struct DecodeSettings {
    pub vocabulary: Vocabulary,
    /// Tokens that end an output.
    pub end_tokens: Vec<TokenId>,
    /// Number of first tokens of an output within which stop strings have no effect.
    pub min_tokens: usize,
    /// Largest number of tokens of an output: that of the request, or what the context leaves.
    pub max_tokens: usize,
    /// True if the context sets `max_tokens`, and not the request.
    pub by_context: bool,
    /// Number of tokens that the model's context holds.
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
    /// Checks a request over a vocabulary and a context of `context` tokens. Token healing takes
    /// the last token off its prompt.
    pub fn new(request: &mut Request, vocabulary: &Vocabulary, context: usize) -> Result<Self, DecodeError> {
        check(request, vocabulary, context)?;
        let mut end_tokens = request.stop_tokens.clone();
        end_tokens.extend_from_slice(vocabulary.eos());
        end_tokens.sort_unstable();
        end_tokens.dedup();
        if request.sampling.min_tokens > 0
            && request.sampling.forced_first.is_some_and(|token| end_tokens.contains(&token))
        {
            let reason = "it is an end token, which may not come before the smallest number of tokens";
            let (first, second) = ("forced_first", "min_tokens");
            return Err(SamplingError::Conflict { first, second, reason }.into());
        }
        // The last token is drawn after a full context and need not be read.
        let room = context - request.prompt.len() + 1;
        let asked = request.sampling.max_tokens.unwrap_or(usize::MAX);
        let are_forbidden = |tokens: &[TokenId]| tokens.iter().all(|&token| request.sampling.forbids(token));
        Ok(Self {
            vocabulary: vocabulary.clone(),
            end_tokens,
            min_tokens: request.sampling.min_tokens,
            max_tokens: asked.min(room),
            by_context: asked > room,
            context,
            // Strategies that compare tokens need the model's logits for every token. A ban may
            // forbid what the constraint forces.
            forced: match request.strategy {
                Strategy::Beam(_) | Strategy::Contrastive(_) => ForcedTokens::Sample,
                _ if request.sampling.names_bans() => ForcedTokens::Sample,
                _ => request.forced,
            },
            end_token: match request.strategy {
                Strategy::Beam(_) if !are_forbidden(vocabulary.eos()) => EndToken::Sampled,
                _ => EndToken::Implied,
            },
            scoring: match request.strategy {
                Strategy::BestOf(_) => Scoring::Mean,
                _ => Scoring::None,
            },
            budget: match request.strategy {
                Strategy::Sample | Strategy::BestOf(_) => request.budget,
                _ => Budget::Cut,
            },
            draft: request.draft,
            acceptance: request.acceptance,
            logprobs: request.logprobs,
            reasoning: request.reasoning.clone(),
            healed_bytes: match request.healing {
                TokenHealing::Off => Vec::new(),
                TokenHealing::On => {
                    healing::split_last_token(&mut request.prompt, vocabulary).unwrap_or_default()
                }
            },
        })
    }

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
    /// The request must not ban it.
    Sampled,
}

/// The score by which outputs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scoring {
    None,
    /// The mean of ln softmax(logits) over the tokens that the model was asked for.
    Mean,
}

/// Refuses a request that cannot be carried out.
fn check(request: &Request, vocabulary: &Vocabulary, context: usize) -> Result<(), DecodeError> {
    request.strategy.check(request.completions)?;
    let (given, size) = (request.prompt.len(), vocabulary.size());
    if given == 0 {
        return Err(DecodeError::EmptyPrompt);
    }
    if given > context {
        return Err(DecodeError::PromptTooLong { given, limit: context });
    }
    if let Some(position) = request.prompt.iter().position(|token| token.index() >= size) {
        return Err(DecodeError::PromptToken { position, token: request.prompt[position], size });
    }
    if let Some(constraint) = &request.constraint
        && constraint.vocabulary().fingerprint() != vocabulary.fingerprint()
    {
        return Err(DecodeError::ConstraintVocabulary);
    }
    let ends_reasoning = request.reasoning.iter().flat_map(|reasoning| &reasoning.ending);
    if ends_reasoning.copied().any(|token| request.sampling.forbids(token)) {
        let reason = "the tokens that end reasoning at its limit have a banned one; allow it, or set no limit on reasoning";
        return Err(SamplingError::EmptySupport { reason }.into());
    }
    let draws = matches!(request.strategy, Strategy::Sample | Strategy::BestOf(_));
    if !draws && request.draft != Draft::None {
        let reason = "beam search and contrastive search have no drafter: they rank tokens, which drafts \
                      cannot guess; leave it out";
        return Err(DecodeError::Strategy { reason });
    }
    if let Acceptance::Typical { epsilon, delta } = request.acceptance
        && !(epsilon > 0.0 && epsilon < 1.0 && delta > 0.0 && delta.is_finite())
    {
        let reason = "typical acceptance needs an ε between 0 and 1 and a δ above 0";
        return Err(DecodeError::Strategy { reason });
    }
    Ok(())
}
