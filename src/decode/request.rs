//! What is asked of the decoding loop, and what it answers.

use std::time::Duration;

use super::beam::BeamSearch;
use super::contrastive::ContrastiveSearch;
use super::draft::{Acceptance, Draft};
use crate::engine::Constraint;
use crate::sampling::parameter_sets::{Beams, ParameterSet};
use crate::sampling::{policy, SamplingError, SamplingParams};
use crate::vocab::TokenId;

/// A prompt and how to go on from it.
///
/// What concerns single draws is in [`sampling`](Self#structfield.sampling), least and most tokens and the seed included;
/// completion `i` of a request draws with `sampling.completion + i`. The setters take and give the request by value.
///
/// ```
/// use hedgerow::decode::Request;
/// use hedgerow::sampling::SamplingParams;
/// use hedgerow::vocab::TokenId;
///
/// let request = Request::new(vec![TokenId(1), TokenId(2)])
///     .sampling(SamplingParams::default().temperature(0.7).seed(3).max_tokens(64))
///     .stop(["\n\n"])
///     .completions(2);
/// assert_eq!(request.completions, 2);
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    /// The tokens to continue, at least one.
    pub prompt: Vec<TokenId>,
    /// The language that the output must stay in. Default none.
    pub constraint: Option<Constraint>,
    /// How tokens are drawn. Default: from softmax(logits), with no bound but the model's context.
    ///
    /// If `end_tokens` is empty, the vocabulary's end-of-sequence tokens and [`stop_tokens`](Self#structfield.stop_tokens)
    /// take its place.
    pub sampling: SamplingParams,
    /// Texts that end the output, which is cut before them. They are not looked for before `sampling.min_tokens` tokens.
    /// Default none; empty ones are ignored.
    pub stop: Vec<Vec<u8>>,
    /// Tokens that end the output besides the vocabulary's end-of-sequence tokens; their text is no part of it. Default none.
    pub stop_tokens: Vec<TokenId>,
    /// How many outputs to make from the prompt, which is read once. Default 1.
    pub completions: usize,
    /// How outputs are found. Default [`Strategy::Sample`].
    pub strategy: Strategy,
    /// What to do where the constraint leaves a single way on. Default [`ForcedTokens::Append`].
    pub forced: ForcedTokens,
    /// What becomes of a constrained output that would be too long. Default [`Budget::Complete`].
    pub budget: Budget,
    /// Whether the output may cut the end of the prompt into other tokens. Default [`TokenHealing::Off`].
    pub healing: TokenHealing,
    /// How to guess tokens ahead, which saves forward passes. Only sampling strategies guess. Default [`Draft::None`].
    pub draft: Draft,
    /// When guesses are taken. Default [`Acceptance::Exact`].
    pub acceptance: Acceptance,
    /// Whether to report the probabilities of tokens, and of how many others at each position. Default not.
    pub logprobs: Option<usize>,
}

/// How outputs are found.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Strategy {
    /// Token by token, as [`Request::sampling`] says; greedily at temperature 0.
    #[default]
    Sample,
    /// As `Sample`, but more outputs than asked for, of which the most probable ones are kept: those with the largest mean of
    /// ln softmax(logits) over the tokens that the model was asked for. They are streamed once all have ended.
    BestOf(
        /// How many to make; at least [`Request::completions`].
        usize,
    ),
    /// The most probable outputs that beam search finds. Temperature and truncations play no part; biases, bans, penalties
    /// and the constraint do. They are streamed once the search has ended.
    Beam(BeamSearch),
    /// Contrastive search: likely tokens that do not say what has been said. The model must show its hidden states
    /// ([`LanguageModel::forward_tree`](super::LanguageModel::forward_tree)).
    Contrastive(ContrastiveSearch),
}

policy! {
    /// What becomes of a constrained output that would be longer than [`SamplingParams::max_tokens`] or the context.
    #[derive(Default)]
    enum Budget {
        /// It is brought to its end in time: before a token that would leave too little room for a complete output, a short way to
        /// the end is written instead. Where none is found from the beginning on, it is cut. Only sampling strategies do this.
        #[default]
        Complete = "complete",
        /// It is cut where it stands.
        Cut = "cut",
    }

    /// What to do where a constraint leaves a single way on.
    #[derive(Default)]
    enum ForcedTokens {
        /// Append the tokens that spell it, without asking the model, and read them in one forward pass.
        ///
        /// The bytes are those that sampling would have given; their cutting into tokens may be another.
        #[default]
        Append = "append",
        /// Sample every token: one forward pass each, and the cutting into tokens is the model's choice.
        Sample = "sample",
    }

    /// Whether the output may cut the end of the prompt into other tokens, which matters where the prompt ends in the middle of
    /// what the model would write as one token.
    #[derive(Default)]
    enum TokenHealing {
        /// The prompt's tokens stay as they are.
        #[default]
        Off = "off",
        /// The prompt's last token is taken back if other tokens begin with its bytes, and the output has to begin with them. They
        /// are in the output's tokens, but not in its text. Not for [`Guided`](super::Guided) models, which count the prompt's
        /// tokens.
        On = "on",
    }
}

impl Request {
    /// A request to continue `prompt`, with defaults for everything else.
    pub fn new(prompt: impl Into<Vec<TokenId>>) -> Self {
        Self {
            prompt: prompt.into(),
            constraint: None,
            sampling: SamplingParams::default(),
            stop: Vec::new(),
            stop_tokens: Vec::new(),
            completions: 1,
            strategy: Strategy::default(),
            forced: ForcedTokens::default(),
            budget: Budget::default(),
            healing: TokenHealing::default(),
            draft: Draft::default(),
            acceptance: Acceptance::default(),
            logprobs: None,
        }
    }

    /// A request to continue `prompt` as a [parameter set](ParameterSet) asks: its sampling, stop strings, number of completions,
    /// log-probabilities and beam search. The set's end tokens end the output besides the vocabulary's.
    ///
    /// # Errors
    /// [`SamplingError::ParameterSet`] for what this floor cannot do, so that nothing is left out in silence: texts in `bad_words`
    /// need a tokenizer, and a `response_format` needs to become a [constraint](Self::constraint). A caller who sees to them takes
    /// them out of the set first.
    ///
    /// ```
    /// use hedgerow::decode::{FinishReason, Request};
    /// use hedgerow::sampling::parameter_sets::{Api, ParameterSet};
    /// use hedgerow::vocab::TokenId;
    ///
    /// let text = r#"{"temperature": 0.2, "n": 2, "stop": ["END"], "max_completion_tokens": 64}"#;
    /// let set = ParameterSet::from_text(Api::OpenAi, text)?;
    /// let request = Request::from_parameters(vec![TokenId(1)], set)?;
    /// assert_eq!((request.completions, request.sampling.max_tokens), (2, Some(64)));
    /// assert_eq!(request.stop, [b"END"]);
    /// # Ok::<(), hedgerow::sampling::SamplingError>(())
    /// ```
    pub fn from_parameters(
        prompt: impl Into<Vec<TokenId>>,
        set: ParameterSet,
    ) -> Result<Self, SamplingError> {
        if !set.bad_words.is_empty() {
            return Err(
                set.fault("bad_words", "texts that may not occur need a tokenizer; give them as tokens")
            );
        }
        if set.response_format.is_some() {
            return Err(set.fault("response_format", "make a constraint of it and take it out of the set"));
        }
        let mut request = Request::new(prompt).stop(set.stop).completions(set.n).sampling(set.sampling);
        request.stop_tokens = std::mem::take(&mut request.sampling.end_tokens);
        request.logprobs = set.logprobs;
        if let Some(Beams { beams, groups, diversity_penalty, length_penalty, early_stopping }) = set.beams {
            let search = BeamSearch::new(beams)
                .length_penalty(f64::from(length_penalty))
                .diverse(groups, f64::from(diversity_penalty))
                .early_stopping(early_stopping);
            request.strategy = Strategy::Beam(search);
        }
        Ok(request)
    }

    /// Sets [`constraint`](Self#structfield.constraint).
    #[must_use]
    pub fn constraint(mut self, constraint: Constraint) -> Self {
        self.constraint = Some(constraint);
        self
    }

    /// Sets [`sampling`](Self#structfield.sampling).
    #[must_use]
    pub fn sampling(mut self, sampling: SamplingParams) -> Self {
        self.sampling = sampling;
        self
    }

    /// Sets [`stop`](Self#structfield.stop).
    #[must_use]
    pub fn stop(mut self, stop: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        self.stop = stop.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`stop_tokens`](Self#structfield.stop_tokens).
    #[must_use]
    pub fn stop_tokens(mut self, tokens: impl Into<Vec<TokenId>>) -> Self {
        self.stop_tokens = tokens.into();
        self
    }

    /// Sets [`completions`](Self#structfield.completions).
    #[must_use]
    pub fn completions(mut self, completions: usize) -> Self {
        self.completions = completions;
        self
    }

    /// Sets [`strategy`](Self#structfield.strategy).
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets [`forced`](Self#structfield.forced).
    #[must_use]
    pub fn forced(mut self, forced: ForcedTokens) -> Self {
        self.forced = forced;
        self
    }

    /// Sets [`budget`](Self#structfield.budget).
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Sets [`healing`](Self#structfield.healing).
    #[must_use]
    pub fn healing(mut self, healing: TokenHealing) -> Self {
        self.healing = healing;
        self
    }

    /// Sets [`draft`](Self#structfield.draft).
    #[must_use]
    pub fn draft(mut self, draft: Draft) -> Self {
        self.draft = draft;
        self
    }

    /// Sets [`acceptance`](Self#structfield.acceptance).
    #[must_use]
    pub fn acceptance(mut self, acceptance: Acceptance) -> Self {
        self.acceptance = acceptance;
        self
    }

    /// Sets [`logprobs`](Self#structfield.logprobs).
    #[must_use]
    pub fn logprobs(mut self, others: usize) -> Self {
        self.logprobs = Some(others);
        self
    }
}

/// Why an output ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model chose an end-of-sequence or stop token.
    Stop,
    /// The most tokens asked for, or the model's context, were reached.
    Length,
    /// A stop string was written.
    StopSequence,
    /// The caller stopped it.
    Cancelled,
    /// The output is complete: the constraint allows nothing further, or no room is left for it.
    ConstraintComplete,
}

impl FinishReason {
    /// The name in machine-readable output: `stop`, `length`, `stop_sequence`, `cancelled`, `constraint_complete`.
    pub fn as_str(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::StopSequence => "stop_sequence",
            FinishReason::Cancelled => "cancelled",
            FinishReason::ConstraintComplete => "constraint_complete",
        }
    }
}

impl std::fmt::Display for FinishReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one forward pass, or the tokens forced before it, have added to an output.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Which of the request's completions, from 0.
    pub completion: usize,
    /// The new tokens; none while the prompt is being read.
    pub tokens: &'a [TokenId],
    /// The text that has become certain, which may lag behind the tokens.
    pub text: &'a str,
    /// Why the output ends here, if it does.
    pub finish: Option<FinishReason>,
}

/// One finished output.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// All tokens, an ending end-of-sequence or stop token and those of a stop string included.
    pub tokens: Vec<TokenId>,
    /// The text, without what ended it. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub text: String,
    /// The same, byte by byte.
    pub bytes: Vec<u8>,
    /// Why it ended.
    pub finish: FinishReason,
    /// The stop string that ended it.
    pub stop_sequence: Option<String>,
    /// How many of the tokens were appended without asking the model.
    pub forced_tokens: usize,
    /// What the strategy found it to be worth, if it compares outputs: see [`Strategy`].
    pub score: Option<f64>,
    /// One entry for each token, if they were asked for; else empty.
    pub logprobs: Vec<TokenLogprobs>,
}

/// How probable a token was.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprobs {
    /// ln of its probability under the law it was drawn from; 0 for a forced token.
    pub processed: f32,
    /// The most probable tokens under that law, most probable first; empty for a forced token.
    pub top_processed: Vec<(TokenId, f32)>,
    /// ln of its probability under softmax(logits); `None` for a forced token, which the model was not asked about.
    pub raw: Option<f32>,
    /// The most probable tokens under softmax(logits), most probable first; empty for a forced token.
    pub top_raw: Vec<(TokenId, f32)>,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// The outputs, in order.
    pub completions: Vec<Completion>,
    /// How much was read and written.
    pub usage: Usage,
    /// How long it took.
    pub timings: Timings,
}

/// Counts of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// How many of these had been read for an earlier request, and were not read again.
    pub reused_tokens: usize,
    /// Tokens of all outputs.
    pub completion_tokens: usize,
    /// How many of these were appended without asking the model.
    pub forced_tokens: usize,
    /// Tokens that were guessed ahead.
    pub drafted_tokens: usize,
    /// How many of the guesses came true.
    pub confirmed_tokens: usize,
    /// Forward passes of a draft model.
    pub draft_passes: usize,
    /// Forward passes that the request took part in.
    pub forward_passes: usize,
    /// Those among them that read the prompt.
    pub prefill_passes: usize,
}

/// Times of a request, by its batch's clock; all zero without one.
///
/// Requests that share a forward pass each count the whole of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Forward passes that read the prompt.
    pub prefill: Duration,
    /// All other forward passes.
    pub forward: Duration,
    /// The constraint: masks, forced tokens, steps.
    pub mask: Duration,
    /// Drawing tokens.
    pub sample: Duration,
    /// Guessing tokens ahead.
    pub draft: Duration,
    /// From joining to the end.
    pub total: Duration,
}

impl Timings {
    /// What is left of the total: text, callbacks, and other requests of the batch.
    pub fn overhead(&self) -> Duration {
        self.total.saturating_sub(self.prefill + self.forward + self.mask + self.sample + self.draft)
    }
}
