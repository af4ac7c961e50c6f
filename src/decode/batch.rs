//! The decoding loop: many requests over one model, one forward pass at a time.
//!
//! [`Batch::step`] runs one pass over every output under way, draws a token for each, appends what its constraint forces,
//! and reports. Requests join between any two steps and leave when they end; random numbers are counted by request, so
//! each gets the tokens that it would get alone, as far as the model computes the same logits in any company.
//!
//! The outputs of a request share the reading of its prompt, with whatever the constraint forces at its beginning; the cache is
//! forked afterwards. A long prompt is read in parts, so that cancelling never waits for more than one pass. The price of a
//! step beside the pass is that of masks and sampling, in turn for each output on the caller's thread.

use std::ops::ControlFlow;
use std::time::Duration;

use super::clock::Clock;
use super::draft::Draft;
use super::error::DecodeError;
use super::model::{ForwardInput, LanguageModel, LogitRows, Logits, ModelError};
use super::request::{Chunk, FinishReason, Generation, Request, Timings, Usage};
use super::sequence::{Rules, Sequence};
use crate::vocab::{TokenId, Vocabulary};

/// A request's number in its [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// Requests that are decoded together.
///
/// ```
/// use std::ops::ControlFlow;
/// use hedgerow::decode::{Batch, LanguageModel, Request};
/// use hedgerow::vocab::Vocabulary;
///
/// fn both(model: &impl LanguageModel, vocabulary: &Vocabulary, a: Request, b: Request) -> Result<(), hedgerow::decode::DecodeError> {
///     let mut batch = Batch::new(model, vocabulary)?;
///     batch.join(a)?;
///     batch.join(b)?;
///     while !batch.is_empty() {
///         for (id, result) in batch.step(|_, _| ControlFlow::Continue(())) {
///             println!("{id:?}: {}", result?.completions[0].text);
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct Batch<M: LanguageModel> {
    model: M,
    vocabulary: Vocabulary,
    active: Vec<Active<M::Cache>>,
    next: u64,
    clock: Clock,
    pass_tokens: usize,
}

/// A request under way.
struct Active<C> {
    id: RequestId,
    rules: Rules,
    sequences: Vec<Sequence<C>>,
    phase: Phase,
    usage: Usage,
    timings: Timings,
    joined: Duration,
    error: Option<DecodeError>,
}

/// Whether a request's prompt has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Prefill,
    Decode,
}

/// One input of a forward pass: whose it is, and how much of what is pending it reads.
struct Place {
    request: usize,
    sequence: usize,
    tokens: usize,
    rows: LogitRows,
}

impl<M: LanguageModel> Batch<M> {
    /// The most completions that one request can ask for.
    pub const MAX_COMPLETIONS: usize = 4096;

    /// An empty batch over a model and its vocabulary.
    ///
    /// # Errors
    /// [`DecodeError::VocabularySize`] if they do not belong together.
    pub fn new(model: M, vocabulary: &Vocabulary) -> Result<Self, DecodeError> {
        if model.vocab_size() != vocabulary.size() {
            return Err(DecodeError::VocabularySize {
                model: model.vocab_size(),
                vocabulary: vocabulary.size(),
            });
        }
        Ok(Self {
            model,
            vocabulary: vocabulary.clone(),
            active: Vec::new(),
            next: 0,
            clock: Clock::default(),
            pass_tokens: 512,
        })
    }

    /// The clock for [`Timings`]: the time since any fixed moment. Default none, which leaves all times zero.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// The most tokens of one output that a forward pass reads; more take several passes. Default 512, at least 1.
    #[must_use]
    pub fn pass_tokens(mut self, tokens: usize) -> Self {
        self.pass_tokens = tokens.max(1);
        self
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Number of requests under way.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether no request is under way.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Takes a request, whose outputs begin with the next [`step`](Self::step).
    ///
    /// # Errors
    /// Whatever is wrong with the request; the batch is as it was then.
    pub fn join(&mut self, request: Request) -> Result<RequestId, DecodeError> {
        let joined = self.clock.now();
        let rules = self.check(&request)?;
        let mut timings = Timings::default();
        let mut sequences = Vec::with_capacity(request.completions);
        for completion in 0..request.completions {
            let mut sequence = Sequence::new(&request, &rules, completion)?;
            sequence.settle(&rules, &self.clock, &mut timings)?;
            sequences.push(sequence);
        }
        if let Some(first) = sequences.first_mut() {
            first.cache = Some(self.model.new_cache()?);
        }
        let id = RequestId(self.next);
        self.next += 1;
        self.active.push(Active {
            id,
            rules,
            sequences,
            phase: Phase::Prefill,
            usage: Usage { prompt_tokens: request.prompt.len(), ..Usage::default() },
            timings,
            joined,
            error: None,
        });
        Ok(id)
    }

    fn check(&self, request: &Request) -> Result<Rules, DecodeError> {
        let limit = Self::MAX_COMPLETIONS;
        if request.completions == 0 || request.completions > limit {
            return Err(DecodeError::Completions { given: request.completions, limit });
        }
        let (given, context) = (request.prompt.len(), self.model.context_length());
        if given == 0 {
            return Err(DecodeError::EmptyPrompt);
        }
        if given > context {
            return Err(DecodeError::PromptTooLong { given, limit: context });
        }
        let size = self.vocabulary.size();
        if let Some(position) = request.prompt.iter().position(|token| token.index() >= size) {
            return Err(DecodeError::PromptToken { position, token: request.prompt[position], size });
        }
        if let Some(constraint) = &request.constraint {
            if constraint.vocabulary().fingerprint() != self.vocabulary.fingerprint() {
                return Err(DecodeError::ConstraintVocabulary);
            }
        }
        let mut end_tokens = request.stop_tokens.clone();
        end_tokens.extend_from_slice(self.vocabulary.eos());
        end_tokens.sort_unstable();
        end_tokens.dedup();
        // The last token is drawn behind a full context and need not be read.
        let room = context - given + 1;
        Ok(Rules {
            vocabulary: self.vocabulary.clone(),
            end_tokens,
            min_tokens: request.sampling.min_tokens,
            max_tokens: request.sampling.max_tokens.unwrap_or(usize::MAX).min(room),
            context,
            forced: request.forced,
            draft: request.draft,
            logprobs: request.logprobs,
        })
    }

    /// Ends a request, whose result comes with the next [`step`](Self::step) and holds what there is by then. Whether it
    /// was under way.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        match self.active.iter_mut().find(|active| active.id == id) {
            Some(active) => {
                active.cancel();
                true
            }
            None => false,
        }
    }

    /// Runs one forward pass over all outputs under way and gives the requests that have ended.
    ///
    /// `on_chunk` hears of every output under way once a step, also while its prompt is being read; if it answers with
    /// `Break`, the whole request ends as cancelled. A request that fails ends with its error and leaves the others alone,
    /// save when the model fails: then all that took part end.
    pub fn step(
        &mut self,
        mut on_chunk: impl FnMut(RequestId, Chunk<'_>) -> ControlFlow<()>,
    ) -> Vec<(RequestId, Result<Generation, DecodeError>)> {
        self.pass();
        for active in &mut self.active {
            active.report(&mut on_chunk);
        }
        let now = self.clock.now();
        let mut ended = Vec::new();
        let mut at = 0;
        while at < self.active.len() {
            if self.active[at].is_over() {
                let active = self.active.remove(at);
                ended.push((active.id, active.into_result(now)));
            } else {
                at += 1;
            }
        }
        ended
    }

    /// One forward pass, the draws behind it, and what is forced after them.
    fn pass(&mut self) {
        let Self { model, vocabulary, active, clock, pass_tokens, .. } = self;
        for active in active.iter_mut() {
            active.guess(*pass_tokens, clock);
        }
        let mut inputs = Vec::new();
        let mut places = Vec::new();
        for (request, active) in active.iter_mut().enumerate() {
            if active.error.is_some() {
                continue;
            }
            for (sequence, state) in active.sequences.iter_mut().enumerate() {
                let Sequence { cache, pending, guesses, end, .. } = state;
                let (None, Some(cache)) = (end, cache) else { continue };
                let tokens = pending.len().min(*pass_tokens);
                let rows = match (tokens == pending.len(), guesses) {
                    (false, _) => LogitRows::None,
                    (true, 0) => LogitRows::Last,
                    (true, _) => LogitRows::All,
                };
                inputs.push(ForwardInput { tokens: &pending[..tokens], cache, rows });
                places.push(Place { request, sequence, tokens, rows });
            }
        }
        if inputs.is_empty() {
            return;
        }
        let start = clock.now();
        let logits =
            model.forward(&mut inputs).and_then(|logits| checked(logits, &places, vocabulary.size()));
        let took = clock.since(start);
        let logits = logits.map_err(DecodeError::from);
        let mut counted = None;
        for (input, place) in places.iter().enumerate() {
            let active = &mut active[place.request];
            if counted != Some(place.request) {
                counted = Some(place.request);
                active.count_pass(took);
            }
            let result = match &logits {
                Ok(logits) => active.after_pass(model, place, logits, input, clock),
                Err(error) => Err(error.clone()),
            };
            if let Err(error) = result {
                active.error.get_or_insert(error);
            }
        }
    }

    /// Carries one request through to its end.
    ///
    /// # Errors
    /// Those of [`join`](Self::join), and whatever goes wrong on the way.
    pub fn run(
        mut self,
        request: Request,
        mut on_chunk: impl FnMut(Chunk<'_>) -> ControlFlow<()>,
    ) -> Result<Generation, DecodeError> {
        let id = self.join(request)?;
        loop {
            let ended = self.step(|of, chunk| match of == id {
                true => on_chunk(chunk),
                false => ControlFlow::Continue(()),
            });
            if let Some((_, result)) = ended.into_iter().find(|(of, _)| *of == id) {
                return result;
            }
        }
    }
}

/// Generates from one request, without a clock: [`Batch::run`] on a batch of its own.
///
/// `on_chunk` gets the output as it comes, and cancels by answering `Break`.
///
/// # Errors
/// As [`Batch::run`].
pub fn generate<M: LanguageModel>(
    model: M,
    vocabulary: &Vocabulary,
    request: Request,
    on_chunk: impl FnMut(Chunk<'_>) -> ControlFlow<()>,
) -> Result<Generation, DecodeError> {
    Batch::new(model, vocabulary)?.run(request, on_chunk)
}

/// The logits, if there is a row of the right length for everyone who asked for one.
fn checked(logits: Logits, places: &[Place], size: usize) -> Result<Logits, ModelError> {
    let expected = |place: &Place| place.rows.range(place.tokens).len();
    for (input, place) in places.iter().enumerate() {
        let (given, expected) = (logits.rows(input), expected(place));
        if given != expected || (expected > 0 && logits.vocab_size() != size) {
            return Err(ModelError::LogitsLength {
                given: given * logits.vocab_size(),
                expected: expected * size,
            });
        }
    }
    Ok(logits)
}

impl<C: Send + 'static> Active<C> {
    fn is_over(&self) -> bool {
        self.error.is_some() || self.sequences.iter().all(|sequence| sequence.end.is_some())
    }

    fn cancel(&mut self) {
        for sequence in &mut self.sequences {
            sequence.end.get_or_insert(FinishReason::Cancelled);
        }
    }

    fn count_pass(&mut self, took: Duration) {
        self.usage.forward_passes += 1;
        match self.phase {
            Phase::Prefill => {
                self.usage.prefill_passes += 1;
                self.timings.prefill += took;
            }
            Phase::Decode => self.timings.forward += took,
        }
    }

    /// Adds guesses to what the next pass reads.
    fn guess(&mut self, pass_tokens: usize, clock: &Clock) {
        if self.rules.draft == Draft::None || self.phase == Phase::Prefill || self.error.is_some() {
            return;
        }
        let start = clock.now();
        for sequence in self.sequences.iter_mut().filter(|sequence| sequence.end.is_none()) {
            if let Err(error) = sequence.guess(&self.rules, pass_tokens) {
                self.error.get_or_insert(error);
            }
            self.usage.drafted_tokens += sequence.guesses;
        }
        self.timings.mask += clock.since(start);
    }

    /// Takes one output's logits; after the prompt's last part, those of all outputs.
    fn after_pass<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        place: &Place,
        logits: &Logits,
        input: usize,
        clock: &Clock,
    ) -> Result<(), DecodeError> {
        let Self { sequences, rules, timings, phase, usage, .. } = self;
        let sequence = &mut sequences[place.sequence];
        let read: Vec<TokenId> = sequence.pending.drain(..place.tokens).collect();
        let Some(row) = logits.last(input) else { return Ok(()) };
        if *phase == Phase::Prefill {
            // Nothing has been drawn yet, so all outputs stand where the first one stands.
            *phase = Phase::Decode;
            if let Some((Sequence { cache: Some(first), .. }, others)) = sequences.split_first_mut() {
                for other in others {
                    other.cache = Some(model.fork(first)?);
                    other.pending.clear();
                }
            }
            for sequence in sequences {
                sequence.draw(row, rules, clock, timings)?;
                sequence.settle(rules, clock, timings)?;
            }
            return Ok(());
        }
        let (_, guesses) = read.split_at(read.len() - std::mem::take(&mut sequence.guesses));
        let mut confirmed = 0;
        // Each row stands behind one more guess that came true. Rows are as many as tokens read, if there are guesses.
        let first = logits.rows(input).saturating_sub(guesses.len() + 1);
        while let (None, Some(row)) = (sequence.end, logits.row(input, first + confirmed)) {
            sequence.draw(row, rules, clock, timings)?;
            sequence.settle(rules, clock, timings)?;
            let came_true = |(new, guess): &(&TokenId, &TokenId)| new == guess;
            confirmed = sequence.pending.iter().zip(guesses).take_while(came_true).count();
            if confirmed < sequence.pending.len() {
                break;
            }
        }
        usage.confirmed_tokens += confirmed;
        if let (true, Some(cache)) = (confirmed < guesses.len(), &mut sequence.cache) {
            let held = model.cache_len(cache);
            model.truncate(cache, held.saturating_sub(guesses.len() - confirmed))?;
        }
        sequence.pending.drain(..confirmed);
        Ok(())
    }

    fn report(&mut self, on_chunk: &mut impl FnMut(RequestId, Chunk<'_>) -> ControlFlow<()>) {
        if self.error.is_some() {
            return;
        }
        for completion in 0..self.sequences.len() {
            let sequence = &mut self.sequences[completion];
            if sequence.is_reported() {
                continue;
            }
            let news = sequence.news();
            let chunk = Chunk {
                completion,
                tokens: sequence.new_tokens(&news),
                text: sequence.new_text(&news),
                finish: sequence.end,
            };
            if on_chunk(self.id, chunk).is_break() {
                self.cancel();
                return;
            }
        }
    }

    fn into_result(mut self, now: Duration) -> Result<Generation, DecodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let completions: Vec<_> = self.sequences.into_iter().map(Sequence::into_completion).collect();
        self.usage.completion_tokens = completions.iter().map(|c| c.tokens.len()).sum();
        self.usage.forced_tokens = completions.iter().map(|c| c.forced_tokens).sum();
        self.timings.total = now.saturating_sub(self.joined);
        Ok(Generation { completions, usage: self.usage, timings: self.timings })
    }
}
