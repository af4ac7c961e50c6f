//! Requests to the decoding loop, and their results.

use std::time::Duration;

use super::draft::{Acceptance, Draft};
use super::error::DecodeError;
use super::reasoning_budget::ReasoningBudget;
use super::strategy::Strategy;
use crate::engine::Constraint;
use crate::sampling::parameter_sets::ParameterSet;
use crate::sampling::{SamplingError, SamplingParams};
use crate::tags::{Event, Reply};
use crate::vocab::TokenId;

/// A request's number in its [`Batch`](super::Batch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// A prompt, and the way to continue it.
///
/// [`sampling`](Self#structfield.sampling) holds the parameters of single draws, the length limits
/// and the seed. Completion `i` of a request samples with `sampling.completion + i`. The setters
/// take and give the request by value.
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
#[non_exhaustive]
pub struct Request {
    /// The tokens to continue, at least one.
    pub prompt: Vec<TokenId>,
    /// The language to which the output must belong. Default none.
    pub constraint: Option<Constraint>,
    /// The sampling parameters. Default: tokens are drawn from softmax(logits), with no limit of
    /// length but the model's context.
    ///
    /// If `end_tokens` is empty, the vocabulary's end-of-sequence tokens and
    /// [`stop_tokens`](Self#structfield.stop_tokens) take its place.
    pub sampling: SamplingParams,
    /// Texts that end the output, which is cut before them. They have no effect in the first
    /// `sampling.min_tokens` tokens, as in vLLM. Default none; empty ones are ignored.
    pub stop: Vec<Vec<u8>>,
    /// Tokens that end the output besides the vocabulary's end-of-sequence tokens. Their text is no
    /// part of the output. Default none.
    pub stop_tokens: Vec<TokenId>,
    /// Number of outputs. The prompt is read only once for all of them. Default 1.
    pub completions: usize,
    /// The way in which outputs are found. Default [`Strategy::Sample`].
    pub strategy: Strategy,
    /// The treatment of tokens that the constraint forces. Default [`ForcedTokens::Append`].
    pub forced: ForcedTokens,
    /// The treatment of a constrained output that would be too long. Default [`Budget::Complete`].
    pub budget: Budget,
    /// The limit on the tokens of reasoning. Default none.
    pub reasoning: Option<ReasoningBudget>,
    /// The treatment of a prompt that ends within a word. Default [`TokenHealing::Off`].
    pub healing: TokenHealing,
    /// The drafter, which saves forward passes by guessing tokens ahead. Only
    /// [`Strategy::Sample`] and [`Strategy::BestOf`] can have one. Default [`Draft::None`].
    pub draft: Draft,
    /// The rule by which drafts are accepted; without drafts it changes nothing. Default
    /// [`Acceptance::Exact`].
    pub acceptance: Acceptance,
    /// True if [`Chunk::events`] and [`Completion::reply`] are wanted: the parts of the output,
    /// which the constraint defines. Default false.
    pub reply: bool,
    /// Number of most probable tokens to report at each position, with the probability of the
    /// output's token. `None`, the default, reports no probabilities.
    pub logprobs: Option<usize>,
}

policy! {
    /// The treatment of a constrained output that would be longer than
    /// [`SamplingParams::max_tokens`] or the context.
    enum Budget {
        /// The output is completed in time. A token that would leave too little room for a complete
        /// output is replaced by a short ending, which the model has not chosen. The output then
        /// ends with [`FinishReason::Length`], and [`Completion::budget_ending`] tells which tokens
        /// are made up.
        ///
        /// A request whose shortest output does not fit is refused with
        /// [`DecodeError::ShortestOutput`](super::DecodeError::ShortestOutput). An output for which
        /// no short ending is known is cut. Only [`Strategy::Sample`] and [`Strategy::BestOf`]
        /// complete outputs; other strategies cut them.
        Complete = "complete",
        /// The output is cut at the limit.
        Cut = "cut",
    }

    /// The treatment of tokens that the constraint forces, because it allows no other text.
    enum ForcedTokens {
        /// Tokens that spell the forced text are appended without asking the model, and read in one
        /// forward pass.
        ///
        /// The bytes are those that sampling would have given, but the tokens may differ: a forced
        /// `true` may be one token, or `tr` and `ue`. If the sampling parameters ban tokens by
        /// their ids or prescribe them, every token is sampled. `no_repeat_ngram` does not hold for
        /// tokens that are appended, such as the keys of a second record.
        Append = "append",
        /// Every token is sampled. It costs one forward pass for each, and the model divides the
        /// text into tokens.
        Sample = "sample",
    }

    /// The treatment of a prompt that ends in the middle of a text that the model would write as
    /// one token.
    enum TokenHealing {
        /// The prompt's tokens stay as they are.
        Off = "off",
        /// The prompt's last token is removed if other tokens begin with its bytes. The output must
        /// then begin with these bytes, which are in its tokens but not in its text.
        ///
        /// This does not work with [`Guided`](super::Guided) models, which count the prompt's
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
            reasoning: None,
            healing: TokenHealing::default(),
            draft: Draft::default(),
            acceptance: Acceptance::default(),
            reply: false,
            logprobs: None,
        }
    }

    /// A request to continue `prompt` by the values of a [parameter set](ParameterSet): sampling,
    /// stop strings, number of completions, log-probabilities and beam search. Lengths that count
    /// the prompt are [applied](ParameterSet::for_prompt) to `prompt`. The set's end tokens end the
    /// output besides the vocabulary's.
    ///
    /// # Errors
    /// [`SamplingError::ParameterSet`] for two values that this function cannot apply: texts in
    /// `bad_words` need a tokenizer, and a `response_format` must become a
    /// [constraint](Self::constraint). A caller who applies them removes them from the set first.
    /// Also for a prompt that is as long as the set's `max_length`, or longer.
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
        let prompt = prompt.into();
        let set = set.for_prompt(prompt.len())?;
        let mut request =
            Request::new(prompt).stop(set.stop).completions(set.completions).sampling(set.sampling);
        request.stop_tokens = std::mem::take(&mut request.sampling.end_tokens);
        request.logprobs = set.logprobs;
        if let Some(beams) = set.beams {
            request.strategy = Strategy::Beam(beams.into());
        }
        Ok(request)
    }

    setter! { constraint, Option<Constraint> }
    setter! { sampling, SamplingParams }

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

    setter! { completions, usize }
    setter! { strategy, Strategy }
    setter! { forced, ForcedTokens }
    setter! { budget, Budget }
    setter! { reasoning, Option<ReasoningBudget> }
    setter! { healing, TokenHealing }
    setter! { draft, Draft }
    setter! { acceptance, Acceptance }

    /// Asks for events and for a parsed reply, see [`reply`](Self#structfield.reply).
    #[must_use]
    pub fn reply(mut self) -> Self {
        self.reply = true;
        self
    }

    setter! { logprobs, Option<usize> }
}

/// The reason why an output ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model chose an end-of-sequence or stop token.
    Stop,
    /// The largest number of tokens, or the model's context, was reached.
    ///
    /// The output was cut there, or its end was written by [`Budget::Complete`]; see
    /// [`Completion::budget_ending`].
    Length,
    /// The output contained a stop string, outside of what [`Budget::Complete`] wrote.
    StopSequence,
    /// The caller cancelled it.
    Cancelled,
    /// The output is complete, because the constraint allows nothing further but an end token.
    ///
    /// Beam search, which counts the probability of the end token, appends it.
    ConstraintComplete,
    /// An error ended it, see [`Completion::error`]. The text up to there is the output.
    Failed,
}

impl FinishReason {
    /// The name in machine-readable output: `stop`, `length`, `stop_sequence`, `cancelled`,
    /// `constraint_complete`, `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::StopSequence => "stop_sequence",
            FinishReason::Cancelled => "cancelled",
            FinishReason::ConstraintComplete => "constraint_complete",
            FinishReason::Failed => "failed",
        }
    }
}

impl std::fmt::Display for FinishReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The part of an output that one [step](super::Batch::step) has added.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Index of the completion in its request, from 0.
    pub completion: usize,
    /// The new tokens; none while the prompt is being read.
    pub tokens: &'a [TokenId],
    /// The new text. It may come later than its tokens: bytes are held back while they may begin a
    /// stop string or are an unfinished character.
    pub text: &'a str,
    /// Events about the parts of the output, if the [request](Request::reply) asks for them.
    /// Without a constraint all of an output is text.
    pub events: &'a [Event],
    /// The reason for which the output ends here, if it does.
    pub finish: Option<FinishReason>,
}

/// One finished output.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// All tokens, including an end-of-sequence or stop token and those of a stop string.
    pub tokens: Vec<TokenId>,
    /// The text, without the end token or stop string. Bytes that are not UTF-8 are replaced by
    /// U+FFFD.
    pub text: String,
    /// The bytes of the text.
    pub bytes: Vec<u8>,
    /// The parts of the output, if the [request](Request::reply) asks for them.
    pub reply: Option<Reply>,
    /// The reason for which it ended.
    pub finish: FinishReason,
    /// The error that ended it, if it ends with [`FinishReason::Failed`].
    pub error: Option<DecodeError>,
    /// The stop string that ended it.
    pub stop_sequence: Option<String>,
    /// True if the constraint's language contains the text; `None` without a constraint.
    pub complete: Option<bool>,
    /// The end of the output, if the budget has written it in place of the model.
    pub budget_ending: Option<BudgetEnding>,
    /// Number of tokens that were appended without asking the model, because the constraint or the
    /// limit on reasoning forced them. Those of the [budget](Self::budget_ending) are not among
    /// them.
    pub forced_tokens: usize,
    /// Number of tokens of reasoning that the model has written, with the marker that ends it, if
    /// the request [limits](Request::reasoning) it. It is above the limit if the constraint did not
    /// allow the end of reasoning there.
    pub reasoning_tokens: Option<usize>,
    /// The positions of the tokens that a drafter had guessed, in ascending order.
    pub confirmed: Vec<usize>,
    /// Number of bytes of the prompt's end that the first tokens spell again, because of [token
    /// healing](TokenHealing). They are no part of the text.
    pub healed_bytes: usize,
    /// The score by which the strategy compared outputs, if it did: see [`Strategy`].
    pub score: Option<f64>,
    /// One entry for each token, if the request asked for them; otherwise empty.
    pub logprobs: Vec<TokenLogprobs>,
}

/// The end of an output that [`Budget::Complete`] has written: made-up text that satisfies the
/// constraint, for example `","due":"0000-01-01"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetEnding {
    /// Index of its first token in [`Completion::tokens`].
    pub first_token: usize,
    /// Number of its tokens.
    pub tokens: usize,
    /// Offset in [`Completion::bytes`] at which it begins.
    pub first_byte: usize,
}

/// The probability of a token.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprobs {
    /// ln of its probability under the distribution that it was drawn from; 0 for a forced token.
    /// Under beam search it is the summand of the output's score, which penalties and biases may
    /// raise above 0: see [`BeamSearch`](super::BeamSearch).
    pub processed: f32,
    /// The most probable tokens under that distribution, most probable first; empty for a forced
    /// token.
    pub top_processed: Vec<(TokenId, f32)>,
    /// ln of its probability under softmax(logits); `None` for a forced token, for which there are
    /// no logits.
    pub raw: Option<f32>,
    /// The most probable tokens under softmax(logits), most probable first; empty for a forced
    /// token.
    pub top_raw: Vec<(TokenId, f32)>,
}

/// The result of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// The outputs, in order.
    pub completions: Vec<Completion>,
    /// Numbers of tokens and forward passes.
    pub usage: Usage,
    /// Times.
    pub timings: Timings,
}

impl Generation {
    /// The text of the first output.
    pub fn text(&self) -> &str {
        self.completions.first().map_or("", |completion| &completion.text)
    }
}

/// Counts of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the prompt that an earlier request had read, and that were not read again.
    pub reused_tokens: usize,
    /// Tokens of all outputs.
    pub completion_tokens: usize,
    /// Tokens of the outputs that were forced: see [`Completion::forced_tokens`].
    pub forced_tokens: usize,
    /// Tokens of the outputs that [`Budget::Complete`] has written.
    pub budget_tokens: usize,
    /// Draft tokens.
    pub drafted_tokens: usize,
    /// Draft tokens that were accepted.
    pub confirmed_tokens: usize,
    /// Forward passes of a draft model.
    pub draft_passes: usize,
    /// Forward passes in which the request took part.
    pub forward_passes: usize,
    /// Forward passes among these that read the prompt.
    pub prefill_passes: usize,
}

/// Times of a request, by its batch's clock; all zero without one.
///
/// Requests that share a forward pass each count the whole of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Time of forward passes that read the prompt.
    pub prefill: Duration,
    /// Time of all other forward passes.
    pub forward: Duration,
    /// Time for the constraint: masks, forced tokens, reading the chosen tokens.
    pub mask: Duration,
    /// Time for drawing tokens.
    pub sample: Duration,
    /// Time for drafting.
    pub draft: Duration,
    /// Time from joining the batch to the end.
    pub total: Duration,
}

impl Timings {
    /// The remaining time: text, callbacks, and other requests of the batch.
    pub fn overhead(&self) -> Duration {
        self.total.saturating_sub(self.prefill + self.forward + self.mask + self.sample + self.draft)
    }
}
