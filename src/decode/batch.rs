//! The decoding loop: many requests over one model, one forward pass at a time.
//!
//! [`Batch::step`] runs one pass over every output in progress, draws a token for each, appends the
//! tokens that its constraint forces, and reports. Requests join between any two steps and leave
//! when they end. Random numbers are counted by request, so each request gets the tokens that it
//! would get alone, provided that the model computes the same logits in any batch.
//!
//! A long prompt is read in parts, so a cancellation never waits for more than one pass. A part of
//! a prompt that another request has read need not be read again ([`Batch::keep_prefixes`]).
//!
//! Besides the pass, a step costs the masks and the sampling, one output after another on the
//! caller's thread. The `active_request` module handles the logits of each request.

use std::cell::OnceCell;
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use super::active_request::{ActiveRequest, PassInput, PassOutput};
use super::clock::Clock;
use super::device_rows::{DeviceRows, Rows};
use super::drafter::{DraftHeads, Drafters};
use super::dyn_model::DynModel;
use super::error::DecodeError;
use super::logits::{Logits, ModelError, ModelRow};
use super::model::{ForwardInput, LanguageModel, TreeInput, TreeOutput};
use super::prefix_cache::PrefixCache;
use super::request::{Chunk, Generation, Request, RequestId};
use super::settings::DecodeSettings;
use super::strategy::MAX_COMPLETIONS;
use crate::sampling::TopLogits;
use crate::vocab::Vocabulary;

/// Requests that are decoded together.
///
/// ```
/// use std::ops::ControlFlow;
/// use hedgerow::decode::{Batch, DecodeError, LanguageModel, Request};
/// use hedgerow::vocab::Vocabulary;
///
/// fn both(
///     model: &impl LanguageModel,
///     vocabulary: &Vocabulary,
///     a: Request,
///     b: Request,
/// ) -> Result<(), DecodeError> {
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
    active: Vec<ActiveRequest<M::Cache>>,
    prefixes: PrefixCache<M::Cache>,
    drafters: Drafters,
    next: u64,
    clock: Clock,
    pass_tokens: usize,
}

impl<M: LanguageModel> Batch<M> {
    /// Largest number of completions of one request.
    pub const MAX_COMPLETIONS: usize = MAX_COMPLETIONS;

    /// An empty batch over a model and its vocabulary.
    ///
    /// # Errors
    /// [`DecodeError::VocabularySize`] if the model's rows and the vocabulary have different
    /// lengths.
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
            prefixes: PrefixCache::new(0),
            drafters: Drafters::default(),
            next: 0,
            clock: Clock::default(),
            pass_tokens: 512,
        })
    }

    /// Sets the clock for [`Timings`](super::Timings): a function that gives the time since any
    /// fixed moment. Default: no clock, which leaves all times zero.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Sets the largest number of tokens of one output that a forward pass reads; more take several
    /// passes. Default 512, at least 1.
    ///
    /// The limit has one exception. If a [`ReasoningBudget`](super::ReasoningBudget) ends the
    /// reasoning under beam search or contrastive search, one pass reads all tokens that it
    /// appends.
    #[must_use]
    pub fn pass_tokens(mut self, tokens: usize) -> Self {
        self.pass_tokens = tokens.max(1);
        self
    }

    /// Keeps the caches of the last `count` requests that have ended, except for those of beam
    /// search.
    ///
    /// A later request whose prompt begins with the same tokens need not read them again. The
    /// caches of requests in progress are shared in the same way. Default 0: every request reads
    /// its whole prompt.
    ///
    /// A model may round differently when it reads the prompt in other portions. Its tokens may
    /// then differ from those without kept caches.
    #[must_use]
    pub fn keep_prefixes(mut self, count: usize) -> Self {
        self.prefixes = PrefixCache::new(count);
        self
    }

    /// Sets the model that makes the guesses of [`Draft::Model`](super::Draft::Model): a smaller
    /// one over the same tokens, or the same one with fewer layers. Its logits may be padded to
    /// another width. Default none.
    #[must_use]
    pub fn draft_model(mut self, model: impl LanguageModel + 'static) -> Self {
        self.drafters.model = Some(DynModel::new(model));
        self
    }

    /// Sets the heads that make the guesses of [`Draft::Heads`](super::Draft::Heads). The batch's
    /// model must read trees and give its hidden states ([`LanguageModel::forward_tree`]). Default
    /// none.
    #[must_use]
    pub fn draft_heads(mut self, heads: Box<dyn DraftHeads>) -> Self {
        self.drafters.heads = Some(heads);
        self
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Number of requests in progress.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// True if no request is in progress.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Adds a request, whose outputs begin with the next [`step`](Self::step).
    ///
    /// # Errors
    /// A [`DecodeError`] that names the fault of the request; the batch is then unchanged.
    pub fn join(&mut self, mut request: Request) -> Result<RequestId, DecodeError> {
        let joined = self.clock.now();
        self.drafters.check(request.draft)?;
        let settings = DecodeSettings::new(&mut request, &self.vocabulary, self.model.context_length())?;
        let mut active = ActiveRequest::new(RequestId(self.next), &request, settings, joined, &self.clock)?;
        let in_progress = self.active.iter().flat_map(ActiveRequest::prefixes);
        active.begin(&self.model, self.prefixes.longest(&request.prompt, in_progress))?;
        self.next += 1;
        let id = active.id;
        self.active.push(active);
        Ok(id)
    }

    /// Ends a request. Its result comes with the next [`step`](Self::step) and holds the outputs so
    /// far. Returns true if the request was in progress.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        match self.active.iter_mut().find(|active| active.id == id) {
            Some(active) => {
                active.cancel();
                true
            }
            None => false,
        }
    }

    /// Runs one forward pass over all outputs in progress and returns the requests that have ended,
    /// with their results.
    ///
    /// `on_chunk` is called once a step for every output in progress, even while its prompt is
    /// being read. Best-of-n and beam search choose their outputs at the end. Until then they
    /// report one chunk a step, which has no tokens and no text.
    ///
    /// If `on_chunk` returns `Break`, the whole request ends as cancelled. Text that was held back,
    /// because it might have begun a stop string, is then only in the result.
    ///
    /// An error ends the output in which it occurs, see
    /// [`FinishReason::Failed`](super::FinishReason::Failed), and affects no other. If the model
    /// fails, all outputs that took part in the pass end in this way. A request that fails before
    /// the model has chosen any token has the error as its result.
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
                let mut active = self.active.remove(at);
                self.prefixes.keep(active.take_prefix());
                ended.push((active.id, active.into_result(now)));
            } else {
                at += 1;
            }
        }
        ended
    }

    /// Runs one forward pass, draws from its logits and appends forced tokens.
    fn pass(&mut self) {
        let Self { model, vocabulary, active, drafters, clock, pass_tokens, .. } = self;
        for active in active.iter_mut() {
            active.draft(drafters, *pass_tokens, clock);
        }
        let wants_hidden = active.iter().any(ActiveRequest::wants_hidden);
        let mut inputs = Vec::new();
        let mut pass_inputs = Vec::new();
        let mut ranges = Vec::new();
        for active in active.iter_mut() {
            let first = pass_inputs.len();
            active.inputs(*pass_tokens, &mut inputs, &mut pass_inputs);
            ranges.push(first..pass_inputs.len());
        }
        if inputs.is_empty() {
            return;
        }
        let start = clock.now();
        let output = forward(model, &mut inputs, wants_hidden);
        drop(inputs);
        let output = output.and_then(|(rows, hidden)| {
            Ok((PassLogits::new(rows, active, &pass_inputs, &ranges, vocabulary)?, hidden))
        });
        let output = output.map_err(DecodeError::from);
        let took = clock.since(start);
        let lacks_trees = matches!(
            &output,
            Err(DecodeError::Model(error)) if matches!(**error, ModelError::Unsupported { .. })
        );
        for (number, (active, range)) in active.iter_mut().zip(ranges).enumerate() {
            // A model that reads no trees can still read the other requests, in the next step.
            if range.is_empty() || lacks_trees && wants_hidden && !active.wants_hidden() {
                continue;
            }
            active.count_pass(took);
            let (own, first) = (&pass_inputs[range.clone()], range.start);
            let result = match &output {
                Ok((PassLogits::Whole(logits), hidden)) => {
                    let output = PassOutput { inputs: own, first, logits, hidden: hidden.as_ref() };
                    active.after_pass(model, output, clock)
                }
                Ok((PassLogits::Top { top_logits, whole }, _)) => {
                    let row = |input| whole.row(input, &pass_inputs, vocabulary.size());
                    active.after_top_logits(model, own, first, &top_logits[number], row, clock)
                }
                Err(error) => Err(error.clone()),
            };
            if let Err(error) = result {
                active.fail(&error);
            }
        }
    }

    /// Decodes one request to its end.
    ///
    /// # Errors
    /// Those of [`join`](Self::join), and any error of a [`step`](Self::step).
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

/// Checks a request as [`Batch::join`] does, except for its [drafter](super::Draft). Only the
/// model's vocabulary and the length of its context are needed, so this can come before the model
/// is loaded.
///
/// # Errors
/// Those of [`Batch::join`].
pub fn check_request(
    request: &Request,
    vocabulary: &Vocabulary,
    context_length: usize,
) -> Result<(), DecodeError> {
    let mut request = request.clone();
    let settings = DecodeSettings::new(&mut request, vocabulary, context_length)?;
    ActiveRequest::<()>::new(RequestId(0), &request, settings, Duration::ZERO, &Clock::default())?;
    Ok(())
}

/// Generates from one request, without a clock: [`Batch::run`] on a batch of its own.
///
/// `on_chunk` gets the output as it is generated, and cancels the request by returning `Break`.
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

/// The logits of a pass, as far as they have been copied to the host.
enum PassLogits {
    /// All rows.
    Whole(Logits),
    /// The result of each request's queries, and a way to get the whole rows if a result is too
    /// small to draw from.
    Top { top_logits: Vec<Vec<TopLogits>>, whole: LazyRows },
}

impl PassLogits {
    /// Asks a device only for the results of queries, if no request needs whole rows.
    fn new<C: Send + 'static>(
        rows: Rows,
        active: &[ActiveRequest<C>],
        pass_inputs: &[PassInput],
        ranges: &[Range<usize>],
        vocabulary: &Vocabulary,
    ) -> Result<Self, ModelError> {
        let rows = match rows {
            Rows::Host(logits) => return Ok(Self::Whole(checked(logits, pass_inputs, vocabulary.size())?)),
            Rows::Device(rows) => rows,
        };
        let queries = active.iter().zip(ranges);
        let queries = queries.map(|(active, range)| active.queries(&pass_inputs[range.clone()], range.start));
        let Some(queries) = queries.collect::<Option<Vec<_>>>() else {
            return Ok(Self::Whole(checked(rows.copy()?, pass_inputs, vocabulary.size())?));
        };
        let counts: Vec<usize> = queries.iter().map(Vec::len).collect();
        let queries = queries.concat();
        let found = match queries.is_empty() {
            true => Vec::new(),
            false => rows.top_logits(&queries, vocabulary.token_count())?,
        };
        if found.len() != queries.len() {
            return Err(ModelError::NoRow);
        }
        let mut found = found.into_iter();
        let top_logits = counts.into_iter().map(|count| found.by_ref().take(count).collect()).collect();
        Ok(Self::Top { top_logits, whole: LazyRows { rows, logits: OnceCell::new() } })
    }
}

/// Rows that are copied from a device when the first of them is asked for.
struct LazyRows {
    rows: Box<dyn DeviceRows>,
    logits: OnceCell<Logits>,
}

impl LazyRows {
    /// The last row of an input.
    fn row(&self, input: usize, pass_inputs: &[PassInput], size: usize) -> Result<ModelRow<'_>, DecodeError> {
        let logits = match self.logits.get() {
            Some(logits) => logits,
            None => {
                let logits = checked(self.rows.copy()?, pass_inputs, size)?;
                self.logits.get_or_init(|| logits)
            }
        };
        Ok(logits.last_model_row(input).ok_or(ModelError::NoRow)?)
    }
}

/// Runs one forward pass: over trees if tokens branch or hidden states are needed, otherwise over
/// chains.
fn forward<M: LanguageModel>(
    model: &M,
    inputs: &mut [TreeInput<'_, M::Cache>],
    wants_hidden: bool,
) -> Result<(Rows, Option<Logits>), ModelError> {
    if wants_hidden || inputs.iter().any(|input| !input.parents.is_empty()) {
        let TreeOutput { logits, hidden } = model.forward_tree(inputs)?;
        return Ok((Rows::Host(logits), Some(hidden)));
    }
    let mut chains: Vec<ForwardInput<'_, M::Cache>> = inputs
        .iter_mut()
        .map(|input| ForwardInput { tokens: input.tokens, cache: &mut *input.cache, rows: input.rows })
        .collect();
    Ok((model.forward_rows(&mut chains)?, None))
}

/// The logits, after a check that every input has the rows it asked for, of the right length.
fn checked(logits: Logits, pass_inputs: &[PassInput], size: usize) -> Result<Logits, ModelError> {
    let expected = |input: &PassInput| input.rows.range(input.tokens).len();
    for (number, input) in pass_inputs.iter().enumerate() {
        let (given, expected) = (logits.rows(number), expected(input));
        if given != expected || (expected > 0 && logits.vocab_size() != size) {
            return Err(ModelError::LogitsLength {
                given: given * logits.vocab_size(),
                expected: expected * size,
            });
        }
    }
    Ok(logits)
}
