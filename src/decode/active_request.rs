//! One request in progress: its outputs, and the use of the logits of each forward pass.
//!
//! The outputs of a request share one cache while the prompt is read, together with the tokens that
//! the constraint forces at the beginning of the output. Afterwards the cache is forked for each
//! output. From then on a step begins in the same way for every strategy: the batch's one pass
//! reads the pending tokens. Only [`ActiveRequest::after_pass`], which chooses how the outputs
//! continue, depends on the strategy.

use std::ops::ControlFlow;
use std::time::Duration;

use super::beam::BeamState;
use super::clock::Clock;
use super::constraint_state::KnownEnding;
use super::contrastive_search::ContrastiveState;
use super::device_rows::RowQuery;
use super::draft::{Draft, DraftToken};
use super::drafter::Drafters;
use super::error::DecodeError;
use super::logits::{Logits, ModelRow};
use super::model::{LanguageModel, LogitRows, TreeInput};
use super::pending_input::PendingInput;
use super::prefix_cache::Prefix;
use super::request::{Chunk, FinishReason, Generation, Request, RequestId, Timings, Usage};
use super::search_step::SearchStep;
use super::sequence::Sequence;
use super::settings::DecodeSettings;
use super::strategy::Strategy;
use crate::sampling::TopLogits;
use crate::vocab::TokenId;

/// A request in progress.
pub(crate) struct ActiveRequest<C> {
    pub id: RequestId,
    settings: DecodeSettings,
    sequences: Vec<Sequence<C>>,
    search: SearchState<C>,
    /// Number of outputs that the request asks for.
    completions: usize,
    phase: Phase,
    usage: Usage,
    timings: Timings,
    joined: Duration,
}

/// The state that a strategy keeps from step to step.
enum SearchState<C> {
    /// Independent sequences, without a state.
    Sample,
    /// Independent sequences, of which only the best become outputs.
    BestOf,
    Beam(BeamState<C>),
    Contrastive(ContrastiveState<C>),
}

/// The phase of a request: before or after its prompt has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Prefill,
    Decode,
}

/// One input of a forward pass: its sequence, the number of pending tokens it reads, and the rows
/// of logits it needs.
pub(crate) struct PassInput {
    sequence: usize,
    pub tokens: usize,
    pub rows: LogitRows,
}

/// A request's part of the output of a forward pass.
#[derive(Clone, Copy)]
pub(crate) struct PassOutput<'a> {
    pub inputs: &'a [PassInput],
    /// Index in the pass of the first of these inputs.
    pub first: usize,
    pub logits: &'a Logits,
    /// The hidden state of every token read, if it was asked for.
    pub hidden: Option<&'a Logits>,
}

impl<C: Send + 'static> ActiveRequest<C> {
    /// A request of which nothing has been read.
    pub fn new(
        id: RequestId,
        request: &Request,
        settings: DecodeSettings,
        joined: Duration,
        clock: &Clock,
    ) -> Result<Self, DecodeError> {
        let (search, count) = match request.strategy {
            Strategy::Sample => (SearchState::Sample, request.completions),
            Strategy::BestOf(count) => (SearchState::BestOf, count),
            Strategy::Beam(search) => (SearchState::Beam(BeamState::new(search)), 1),
            Strategy::Contrastive(search) => (SearchState::Contrastive(ContrastiveState::new(search)), 1),
        };
        let mut timings = Timings::default();
        let mut sequences = Vec::with_capacity(count);
        let mut ending = None;
        for completion in 0..count {
            let mut sequence = Sequence::new(request, &settings, completion)?;
            match &ending {
                _ if completion == 0 => ending = sequence.check_room(&settings)?,
                Some(ending) => sequence.set_ending(KnownEnding::clone(ending)),
                None => {}
            }
            sequence.apply_forced(&settings, clock, &mut timings)?;
            sequences.push(sequence);
        }
        Ok(Self {
            id,
            settings,
            sequences,
            search,
            completions: request.completions,
            phase: Phase::Prefill,
            usage: Usage { prompt_tokens: request.prompt.len(), ..Usage::default() },
            timings,
            joined,
        })
    }

    /// Makes the first cache: an empty one, or a copy of a cache that holds the beginning of the
    /// prompt.
    pub fn begin<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        shared: Option<(usize, &C)>,
    ) -> Result<(), DecodeError> {
        let Some(first) = self.sequences.first_mut() else { return Ok(()) };
        // Contrastive search needs the hidden states of the whole prompt, and kept caches have
        // none.
        let shared = shared.filter(|_| !matches!(self.search, SearchState::Contrastive(_)));
        first.input.cache = Some(match shared {
            None => model.new_cache()?,
            Some((length, cache)) => {
                let mut cache = model.fork(cache)?;
                model.truncate(&mut cache, length)?;
                first.input.tokens.drain(..length);
                self.usage.reused_tokens = length;
                cache
            }
        });
        Ok(())
    }

    /// The tokens that each output's cache holds, with the cache.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix<'_, C>> {
        let caches = self.sequences.iter().filter(|sequence| sequence.error.is_none());
        caches.filter_map(|sequence| Some((sequence.read_tokens(), sequence.input.cache.as_ref()?)))
    }

    /// The tokens and the cache of the first output that has one, for later requests.
    pub fn take_prefix(&mut self) -> Option<(Vec<TokenId>, C)> {
        let is_usable =
            |sequence: &&mut Sequence<C>| sequence.error.is_none() && sequence.input.cache.is_some();
        let first = self.sequences.iter_mut().find(is_usable)?;
        Some((first.read_tokens().to_vec(), first.input.cache.take()?))
    }

    pub fn is_over(&self) -> bool {
        self.sequences.iter().all(|sequence| sequence.end.is_some())
    }

    pub fn cancel(&mut self) {
        if self.is_over() {
            return;
        }
        self.end_search();
        for sequence in &mut self.sequences {
            sequence.end.get_or_insert(FinishReason::Cancelled);
        }
    }

    /// Ends all outputs in progress by an error.
    pub fn fail(&mut self, error: &DecodeError) {
        self.end_search();
        for sequence in self.sequences.iter_mut().filter(|sequence| sequence.end.is_none()) {
            sequence.fail(error.clone(), &self.settings);
        }
    }

    /// Replaces the sequences by the outputs that the strategy's search has found so far.
    fn end_search(&mut self) {
        match &mut self.search {
            SearchState::Beam(beams) => beams.end_early(&mut self.sequences),
            SearchState::Contrastive(search) => {
                if let Some(output) = search.output.take() {
                    self.sequences = vec![*output];
                }
            }
            SearchState::Sample | SearchState::BestOf => {}
        }
    }

    pub fn count_pass(&mut self, took: Duration) {
        self.usage.forward_passes += 1;
        match self.phase {
            Phase::Prefill => {
                self.usage.prefill_passes += 1;
                self.timings.prefill += took;
            }
            Phase::Decode => self.timings.forward += took,
        }
    }

    /// Adds drafts to the tokens that the next pass reads.
    pub fn draft(&mut self, drafters: &Drafters, pass_tokens: usize, clock: &Clock) {
        let drafts = self.settings.draft != Draft::None
            && matches!(self.search, SearchState::Sample | SearchState::BestOf);
        if !drafts || self.phase == Phase::Prefill {
            return;
        }
        let start = clock.now();
        let Self { sequences, settings, usage, .. } = self;
        if let Err(error) = drafters.draft(sequences, settings, pass_tokens, usage) {
            self.fail(&error);
        }
        self.timings.draft += clock.since(start);
    }

    /// True if the request needs the hidden states of the next pass.
    pub fn wants_hidden(&self) -> bool {
        let has_heads = matches!(self.settings.draft, Draft::Heads { .. });
        match self.search {
            SearchState::Sample | SearchState::BestOf => has_heads,
            SearchState::Beam(_) => false,
            SearchState::Contrastive(_) => true,
        }
    }

    /// Adds the request's inputs to a forward pass.
    pub fn inputs<'a>(
        &'a mut self,
        pass_tokens: usize,
        inputs: &mut Vec<TreeInput<'a, C>>,
        pass_inputs: &mut Vec<PassInput>,
    ) {
        // A search compares its sequences after each pass, so it reads all of their tokens in one.
        let searches = matches!(self.search, SearchState::Beam(_) | SearchState::Contrastive(_));
        let pass_tokens = if searches && self.phase == Phase::Decode { usize::MAX } else { pass_tokens };
        for (number, sequence) in self.sequences.iter_mut().enumerate() {
            let Sequence { input, end, .. } = sequence;
            let PendingInput { cache, tokens: pending, drafts, parents, .. } = input;
            let (None, Some(cache)) = (end, cache) else { continue };
            let tokens = pending.len().min(pass_tokens);
            let rows = match (tokens == pending.len(), drafts.as_slice()) {
                (false, _) => LogitRows::None,
                (true, []) => LogitRows::Last,
                (true, _) => LogitRows::All,
            };
            inputs.push(TreeInput { tokens: &pending[..tokens], parents, cache, rows });
            pass_inputs.push(PassInput { sequence: number, tokens, rows });
        }
    }

    /// Continues the outputs by the request's part of the output of a pass.
    pub fn after_pass<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        output: PassOutput<'_>,
        clock: &Clock,
    ) -> Result<(), DecodeError> {
        let read = self.read(output.inputs);
        if let SearchState::Contrastive(search) = &mut self.search
            && search.output.is_none()
        {
            search.add_hidden(output.hidden, output.first);
        }
        if self.phase == Phase::Prefill {
            // Only the first sequence has a cache. No token has been drawn, so all sequences are at
            // the same position.
            let Some(row) = output.logits.last_model_row(output.first) else { return Ok(()) };
            self.fork_caches(model)?;
            if let SearchState::Sample | SearchState::BestOf = self.search {
                for sequence in &mut self.sequences {
                    sequence.advance(row, &[], &self.settings, clock, &mut self.timings);
                    sequence.input.hidden =
                        output.hidden.and_then(|hidden| hidden.last(output.first)).map(Vec::from);
                }
                return Ok(());
            }
        }
        if let SearchState::Sample | SearchState::BestOf = self.search {
            for (number, (input, read)) in output.inputs.iter().zip(read).enumerate() {
                self.accept_drafts(model, input.sequence, read, output, output.first + number, clock)?;
            }
            return Ok(());
        }
        let (start, masked) = (clock.now(), self.timings.mask);
        let PassOutput { logits, hidden, first: first_input, .. } = output;
        let Self { sequences, settings, timings: times, .. } = self;
        let step = SearchStep { sequences, logits, hidden, first_input, settings, clock, times };
        match &mut self.search {
            SearchState::Sample | SearchState::BestOf => {}
            SearchState::Beam(beams) => beams.step(model, step)?,
            SearchState::Contrastive(search) => search.step(model, step),
        }
        self.timings.sample += clock.since(start).saturating_sub(self.timings.mask - masked);
        Ok(())
    }

    /// Removes the tokens that were read from the pending tokens, and returns their number for each
    /// input.
    fn read(&mut self, pass_inputs: &[PassInput]) -> Vec<usize> {
        let read =
            |input: &PassInput| self.sequences[input.sequence].input.tokens.drain(..input.tokens).count();
        pass_inputs.iter().map(read).collect()
    }

    /// Gives every output a cache, after the prompt has been read.
    fn fork_caches<M: LanguageModel<Cache = C>>(&mut self, model: &M) -> Result<(), DecodeError> {
        self.phase = Phase::Decode;
        let Some((first, others)) = self.sequences.split_first_mut() else { return Ok(()) };
        if let Some(cache) = &first.input.cache {
            for other in others {
                other.input.cache = Some(model.fork(cache)?);
                other.input.tokens.clear();
            }
        }
        Ok(())
    }

    /// The outputs that sample a token after a pass over these inputs, each with the index of the
    /// input whose last row it samples from.
    fn sampling(&self, pass_inputs: &[PassInput]) -> Vec<(usize, usize)> {
        let asking = pass_inputs.iter().enumerate().filter(|(_, input)| input.rows != LogitRows::None);
        match self.phase {
            // All outputs are at the end of the prompt.
            Phase::Prefill => {
                asking.flat_map(|(at, _)| (0..self.sequences.len()).map(move |of| (of, at))).collect()
            }
            Phase::Decode => asking.map(|(at, input)| (input.sequence, at)).collect(),
        }
    }

    /// The parts of the rows of logits that the outputs need, for these inputs; `None` if an output
    /// needs its whole row. The first of the inputs is input `first` of the pass.
    pub fn queries(&self, pass_inputs: &[PassInput], first: usize) -> Option<Vec<RowQuery<'_>>> {
        let SearchState::Sample = self.search else { return None };
        let query = |(sequence, input): (usize, usize)| {
            let (mask, wanted) = self.sequences[sequence].top_logits_query(&self.settings)?;
            Some(RowQuery { input: first + input, mask, wanted })
        };
        self.sampling(pass_inputs).into_iter().map(query).collect()
    }

    /// Continues the outputs by the results of the request's [queries](Self::queries). `row` gives
    /// the last row of an input of the pass.
    pub fn after_top_logits<'a, M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        pass_inputs: &[PassInput],
        first: usize,
        top_logits: &[TopLogits],
        row: impl Fn(usize) -> Result<ModelRow<'a>, DecodeError>,
        clock: &Clock,
    ) -> Result<(), DecodeError> {
        let sampling = self.sampling(pass_inputs);
        self.read(pass_inputs);
        if self.phase == Phase::Prefill && !sampling.is_empty() {
            self.fork_caches(model)?;
        }
        let Self { sequences, settings, timings, .. } = self;
        for ((sequence, input), top_logits) in sampling.into_iter().zip(top_logits) {
            let row = || row(first + input);
            sequences[sequence].advance_among(top_logits, row, settings, clock, timings)?;
        }
        Ok(())
    }

    /// Draws one output's next token. As long as the drawn token is one that was guessed, the token
    /// after it is drawn as well, from the row that follows the guess.
    fn accept_drafts<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        sequence: usize,
        read: usize,
        output: PassOutput<'_>,
        input: usize,
        clock: &Clock,
    ) -> Result<(), DecodeError> {
        let Self { sequences, settings, timings, usage, .. } = self;
        let sequence = &mut sequences[sequence];
        let drafts = std::mem::take(&mut sequence.input.drafts);
        sequence.input.parents.clear();
        let certain = read - drafts.len();
        // Row 0 follows the certain tokens, row i + 1 follows draft i. If there are drafts, there
        // is a row for every token read.
        let Some(behind) = output.logits.rows(input).checked_sub(drafts.len() + 1) else { return Ok(()) };
        let mut path = Vec::new();
        'rows: while sequence.end.is_none() {
            let last = path.last().copied();
            let row = output.logits.model_row(input, behind + last.map_or(0, |draft: usize| draft + 1));
            let Some(row) = row else { break };
            let proposed: Vec<&DraftToken> = drafts.iter().filter(|draft| draft.parent == last).collect();
            sequence.advance(row, &proposed, settings, clock, timings);
            while let Some(&token) = sequence.input.tokens.get(path.len()) {
                let last = path.last().copied();
                let came_true = |draft: &DraftToken| draft.parent == last && draft.token == token;
                match drafts.iter().position(came_true) {
                    Some(draft) => path.push(draft),
                    None => break 'rows,
                }
            }
        }
        usage.confirmed_tokens += path.len();
        sequence.confirm(path.len());
        if let (true, Some(cache)) = (path.len() < drafts.len(), &mut sequence.input.cache) {
            let start = model.cache_len(cache).saturating_sub(drafts.len());
            model.keep(cache, start, &path)?;
        }
        sequence.input.tokens.drain(..path.len());
        let last = path.last().map_or(certain.saturating_sub(1), |draft| certain + draft);
        sequence.input.hidden = output.hidden.and_then(|hidden| hidden.row(input, last)).map(Vec::from);
        Ok(())
    }

    /// Reports the new tokens and text to `on_chunk`.
    pub fn report(&mut self, on_chunk: &mut impl FnMut(RequestId, Chunk<'_>) -> ControlFlow<()>) {
        match &mut self.search {
            SearchState::Sample => {}
            SearchState::Contrastive(ContrastiveState { output: Some(output), .. }) => {
                if emit(self.id, 0, output, &self.settings, on_chunk).is_break() {
                    self.cancel();
                } else if output.end.is_some() {
                    self.end_search();
                }
                return;
            }
            _ => {
                // The search decides only at its end which sequences become outputs.
                if !self.is_over() {
                    let chunk = Chunk { completion: 0, tokens: &[], text: "", events: &[], finish: None };
                    if on_chunk(self.id, chunk).is_continue() {
                        return;
                    }
                    self.cancel();
                }
                self.choose();
            }
        }
        for (completion, sequence) in self.sequences.iter_mut().enumerate() {
            if sequence.is_reported() {
                continue;
            }
            if emit(self.id, completion, sequence, &self.settings, on_chunk).is_break() {
                return self.cancel();
            }
        }
    }

    /// Keeps as many outputs as the request asks for: the best ones.
    fn choose(&mut self) {
        if let SearchState::BestOf = self.search {
            // An output without a score has only forced tokens, so its probability is 1.
            let score = |sequence: &Sequence<C>| sequence.score().unwrap_or(0.0);
            self.sequences.sort_by(|a, b| a.rank().cmp(&b.rank()).then(score(b).total_cmp(&score(a))));
        }
        self.sequences.truncate(self.completions);
    }

    /// The outputs. A request that has failed before the model chose any token is an error.
    pub fn into_result(mut self, now: Duration) -> Result<Generation, DecodeError> {
        self.choose();
        if self.sequences.iter().all(|sequence| sequence.error.is_some() && !sequence.has_choices())
            && let Some(error) = self.sequences.first_mut().and_then(|sequence| sequence.error.take())
        {
            return Err(error);
        }
        let settings = &self.settings;
        let completions = self.sequences.into_iter().map(|sequence| sequence.into_completion(settings));
        let completions: Vec<_> = completions.collect();
        self.usage.completion_tokens = completions.iter().map(|c| c.tokens.len()).sum();
        self.usage.forced_tokens = completions.iter().map(|c| c.forced_tokens).sum();
        self.usage.budget_tokens = completions.iter().filter_map(|c| c.budget_ending).map(|e| e.tokens).sum();
        self.timings.total = now.saturating_sub(self.joined);
        Ok(Generation { completions, usage: self.usage, timings: self.timings })
    }
}

/// Reports the new tokens and text of one output.
fn emit<C>(
    id: RequestId,
    completion: usize,
    sequence: &mut Sequence<C>,
    settings: &DecodeSettings,
    on_chunk: &mut impl FnMut(RequestId, Chunk<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let delta = sequence.take_delta(settings);
    let (tokens, text, events) =
        (sequence.new_tokens(&delta), sequence.new_text(&delta), sequence.new_events());
    on_chunk(id, Chunk { completion, tokens, text, events, finish: sequence.end })
}
