//! One request in progress: its outputs, and the use of the logits of each forward pass.
//!
//! The outputs of a request share the reading of its prompt, with the tokens that the constraint
//! forces at its beginning. The cache is forked afterwards. From then on a step is the same for
//! every strategy: the batch's one pass reads the pending tokens. Only [`Active::after_pass`]
//! depends on the strategy, which chooses how the outputs continue.

use std::ops::ControlFlow;
use std::time::Duration;

use super::batch::RequestId;
use super::beam::Beams;
use super::clock::Clock;
use super::contrastive::Contrastive;
use super::device_rows::RowCut;
use super::draft::{Draft, Guessed};
use super::drafter::Drafters;
use super::error::DecodeError;
use super::model::{LanguageModel, LogitRows, Logits, TreeInput};
use super::prefix::Prefix;
use super::request::{Chunk, FinishReason, Generation, Request, Strategy, Timings, Usage};
use super::rules::Rules;
use super::sequence::Sequence;
use crate::sampling::Survivors;
use crate::vocab::TokenId;

/// A request in progress.
pub(crate) struct Active<C> {
    pub id: RequestId,
    rules: Rules,
    sequences: Vec<Sequence<C>>,
    search: Search<C>,
    /// Number of outputs that the request asks for.
    completions: usize,
    phase: Phase,
    usage: Usage,
    timings: Timings,
    joined: Duration,
    pub error: Option<DecodeError>,
}

/// The state that a strategy keeps from step to step.
enum Search<C> {
    /// Independent sequences, without a state.
    Sample,
    /// Independent sequences, of which only the best become outputs.
    BestOf,
    Beam(Beams<C>),
    Contrastive(Contrastive<C>),
}

/// The phase of a request: before or after its prompt has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Prefill,
    Decode,
}

/// One input of a forward pass: its sequence, the number of pending tokens it reads, and the rows
/// of logits it needs.
pub(crate) struct Place {
    sequence: usize,
    pub tokens: usize,
    pub rows: LogitRows,
}

/// A request's part of the result of a forward pass.
#[derive(Clone, Copy)]
pub(crate) struct Share<'a> {
    pub places: &'a [Place],
    /// Index of the input that belongs to the first place.
    pub first: usize,
    pub logits: &'a Logits,
    /// The hidden state of every token read, if it was asked for.
    pub hidden: Option<&'a Logits>,
}

impl<C: Send + 'static> Active<C> {
    /// A request of which nothing has been read.
    pub fn new(
        id: RequestId,
        request: &Request,
        rules: Rules,
        joined: Duration,
        clock: &Clock,
    ) -> Result<Self, DecodeError> {
        let (search, count) = match request.strategy {
            Strategy::Sample => (Search::Sample, request.completions),
            Strategy::BestOf(count) => (Search::BestOf, count),
            Strategy::Beam(settings) => (Search::Beam(Beams::new(settings)), 1),
            Strategy::Contrastive(settings) => (Search::Contrastive(Contrastive::new(settings)), 1),
        };
        let mut timings = Timings::default();
        let mut sequences = Vec::with_capacity(count);
        for completion in 0..count {
            let mut sequence = Sequence::new(request, &rules, completion)?;
            sequence.settle(&rules, clock, &mut timings)?;
            sequences.push(sequence);
        }
        Ok(Self {
            id,
            rules,
            sequences,
            search,
            completions: request.completions,
            phase: Phase::Prefill,
            usage: Usage { prompt_tokens: request.prompt.len(), ..Usage::default() },
            timings,
            joined,
            error: None,
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
        let shared = shared.filter(|_| !matches!(self.search, Search::Contrastive(_)));
        first.cache = Some(match shared {
            None => model.new_cache()?,
            Some((length, cache)) => {
                let mut cache = model.fork(cache)?;
                model.truncate(&mut cache, length)?;
                first.pending.drain(..length);
                self.usage.reused_tokens = length;
                cache
            }
        });
        Ok(())
    }

    /// The tokens that have been read, with their caches.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix<'_, C>> {
        let caches = self.sequences.iter().filter(|_| self.error.is_none());
        caches.filter_map(|sequence| Some((sequence.read_tokens(), sequence.cache.as_ref()?)))
    }

    /// The tokens and the cache of the first output that has one, for later requests.
    pub fn take_prefix(&mut self) -> Option<(Vec<TokenId>, C)> {
        let sequences = self.sequences.iter_mut().filter(|_| self.error.is_none());
        let first = sequences.into_iter().find(|sequence| sequence.cache.is_some())?;
        Some((first.read_tokens().to_vec(), first.cache.take()?))
    }

    pub fn is_over(&self) -> bool {
        self.error.is_some() || self.sequences.iter().all(|sequence| sequence.end.is_some())
    }

    pub fn cancel(&mut self) {
        if self.is_over() {
            return;
        }
        match &mut self.search {
            Search::Beam(beams) => beams.cancel(&mut self.sequences),
            Search::Contrastive(search) => {
                if let Some(output) = search.output.take() {
                    self.sequences = vec![*output];
                }
            }
            Search::Sample | Search::BestOf => {}
        }
        for sequence in &mut self.sequences {
            sequence.end.get_or_insert(FinishReason::Cancelled);
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

    /// Adds guesses to the tokens that the next pass reads.
    pub fn guess(&mut self, drafters: &Drafters, pass_tokens: usize, clock: &Clock) {
        let guesses =
            self.rules.draft != Draft::None && matches!(self.search, Search::Sample | Search::BestOf);
        if !guesses || self.phase == Phase::Prefill || self.error.is_some() {
            return;
        }
        let start = clock.now();
        let Self { sequences, rules, usage, .. } = self;
        if let Err(error) = drafters.guess(sequences, rules, pass_tokens, usage) {
            self.error.get_or_insert(error);
        }
        self.timings.draft += clock.since(start);
    }

    /// True if the request needs the hidden states of the next pass.
    pub fn wants_hidden(&self) -> bool {
        matches!(self.rules.draft, Draft::Heads { .. }) || matches!(self.search, Search::Contrastive(_))
    }

    /// Adds the request's inputs to a forward pass.
    pub fn inputs<'a>(
        &'a mut self,
        pass_tokens: usize,
        inputs: &mut Vec<TreeInput<'a, C>>,
        places: &mut Vec<Place>,
    ) {
        for (number, sequence) in self.sequences.iter_mut().enumerate() {
            let Sequence { cache, pending, guesses, parents, end, .. } = sequence;
            let (None, Some(cache)) = (end, cache) else { continue };
            let tokens = pending.len().min(pass_tokens);
            let rows = match (tokens == pending.len(), guesses.as_slice()) {
                (false, _) => LogitRows::None,
                (true, []) => LogitRows::Last,
                (true, _) => LogitRows::All,
            };
            inputs.push(TreeInput { tokens: &pending[..tokens], parents, cache, rows });
            places.push(Place { sequence: number, tokens, rows });
        }
    }

    /// Takes the request's part of a pass's result: the outputs continue.
    pub fn after_pass<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        share: Share<'_>,
        clock: &Clock,
    ) -> Result<(), DecodeError> {
        let read = self.read(share.places);
        if self.phase == Phase::Prefill {
            if let Search::Contrastive(search) = &mut self.search {
                search.read(share.hidden, share.first);
            }
            // Only the first sequence has a cache. No token has been drawn, so all sequences are at
            // the same position.
            let Some(row) = share.logits.last(share.first) else { return Ok(()) };
            self.spread(model)?;
            if let Search::Sample | Search::BestOf = self.search {
                for sequence in &mut self.sequences {
                    sequence.draw(row, &[], &self.rules, clock, &mut self.timings)?;
                    sequence.settle(&self.rules, clock, &mut self.timings)?;
                    sequence.hidden = share.hidden.and_then(|hidden| hidden.last(share.first)).map(Vec::from);
                }
                return Ok(());
            }
        }
        match &mut self.search {
            Search::Sample | Search::BestOf => {
                for (number, (place, read)) in share.places.iter().zip(read).enumerate() {
                    self.follow(model, place.sequence, read, share, share.first + number, clock)?;
                }
                Ok(())
            }
            Search::Beam(beams) => {
                let Self { sequences, rules, timings, .. } = self;
                beams.step(model, sequences, share.logits, share.first, rules, clock, timings)
            }
            Search::Contrastive(search) => {
                let Self { sequences, rules, timings, .. } = self;
                let Share { logits, hidden, first, .. } = share;
                search.step(model, sequences, logits, hidden, first, rules, clock, timings)
            }
        }
    }

    /// Removes the tokens that were read from the pending tokens, and returns their number for each
    /// place.
    fn read(&mut self, places: &[Place]) -> Vec<usize> {
        let read = |place: &Place| self.sequences[place.sequence].pending.drain(..place.tokens).count();
        places.iter().map(read).collect()
    }

    /// Gives every output a cache, after the prompt has been read.
    fn spread<M: LanguageModel<Cache = C>>(&mut self, model: &M) -> Result<(), DecodeError> {
        self.phase = Phase::Decode;
        if let Some((Sequence { cache: Some(first), .. }, others)) = self.sequences.split_first_mut() {
            for other in others {
                other.cache = Some(model.fork(first)?);
                other.pending.clear();
            }
        }
        Ok(())
    }

    /// The outputs that draw a token after a pass over these places, each with the place whose last
    /// row it draws from.
    fn drawing(&self, places: &[Place]) -> Vec<(usize, usize)> {
        let asking = places.iter().enumerate().filter(|(_, place)| place.rows != LogitRows::None);
        match self.phase {
            // All outputs are at the end of the prompt.
            Phase::Prefill => {
                asking.flat_map(|(at, _)| (0..self.sequences.len()).map(move |of| (of, at))).collect()
            }
            Phase::Decode => asking.map(|(at, place)| (place.sequence, at)).collect(),
        }
    }

    /// The parts of the rows of logits that the outputs need, for these places, of which the first
    /// is input `first`; `None` if an output needs its whole row.
    pub fn cuts(&self, places: &[Place], first: usize) -> Option<Vec<RowCut<'_>>> {
        let Search::Sample = self.search else { return None };
        let cut = |(sequence, place): (usize, usize)| {
            let (mask, cut) = self.sequences[sequence].cut(&self.rules)?;
            Some(RowCut { input: first + place, mask, cut })
        };
        self.drawing(places).into_iter().map(cut).collect()
    }

    /// Draws from the result of the request's [cuts](Self::cuts): the outputs continue. `row` gives
    /// the last row of an input.
    pub fn after_cuts<'a, M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        places: &[Place],
        first: usize,
        survivors: &[Survivors],
        row: impl Fn(usize) -> Result<&'a [f32], DecodeError>,
        clock: &Clock,
    ) -> Result<(), DecodeError> {
        let drawing = self.drawing(places);
        self.read(places);
        if self.phase == Phase::Prefill && !drawing.is_empty() {
            self.spread(model)?;
        }
        let Self { sequences, rules, timings, .. } = self;
        for ((sequence, place), survivors) in drawing.into_iter().zip(survivors) {
            let sequence = &mut sequences[sequence];
            if !sequence.draw_among(survivors, rules, clock, timings)? {
                sequence.draw(row(first + place)?, &[], rules, clock, timings)?;
            }
            sequence.settle(rules, clock, timings)?;
        }
        Ok(())
    }

    /// Draws one output's next token, and further tokens as long as the drawn token is one that was
    /// guessed.
    fn follow<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        sequence: usize,
        read: usize,
        share: Share<'_>,
        input: usize,
        clock: &Clock,
    ) -> Result<(), DecodeError> {
        let Self { sequences, rules, timings, usage, .. } = self;
        let sequence = &mut sequences[sequence];
        let guesses = std::mem::take(&mut sequence.guesses);
        sequence.parents.clear();
        let certain = read - guesses.len();
        // Row 0 follows the certain tokens, row i + 1 follows guess i. If there are guesses, there
        // is a row for every token read.
        let Some(behind) = share.logits.rows(input).checked_sub(guesses.len() + 1) else { return Ok(()) };
        let mut path = Vec::new();
        'rows: while sequence.end.is_none() {
            let last = path.last().copied();
            let row = share.logits.row(input, behind + last.map_or(0, |guess: usize| guess + 1));
            let Some(row) = row else { break };
            let proposed: Vec<&Guessed> = guesses.iter().filter(|guess| guess.parent == last).collect();
            sequence.draw(row, &proposed, rules, clock, timings)?;
            sequence.settle(rules, clock, timings)?;
            while let Some(&token) = sequence.pending.get(path.len()) {
                let last = path.last().copied();
                let came_true = |guess: &Guessed| guess.parent == last && guess.token == token;
                match guesses.iter().position(came_true) {
                    Some(guess) => path.push(guess),
                    None => break 'rows,
                }
            }
        }
        usage.confirmed_tokens += path.len();
        if let (true, Some(cache)) = (path.len() < guesses.len(), &mut sequence.cache) {
            let start = model.cache_len(cache).saturating_sub(guesses.len());
            model.keep(cache, start, &path)?;
        }
        sequence.pending.drain(..path.len());
        let last = path.last().map_or(certain.saturating_sub(1), |guess| certain + guess);
        sequence.hidden = share.hidden.and_then(|hidden| hidden.row(input, last)).map(Vec::from);
        Ok(())
    }

    /// Reports the new tokens and text to `on_chunk`.
    pub fn report(&mut self, on_chunk: &mut impl FnMut(RequestId, Chunk<'_>) -> ControlFlow<()>) {
        if self.error.is_some() {
            return;
        }
        match &mut self.search {
            Search::Sample => {}
            Search::Contrastive(Contrastive { output: Some(output), .. }) => {
                if tell(self.id, 0, output, on_chunk).is_break() {
                    self.cancel();
                }
                return;
            }
            _ => {
                // The search decides only at its end which sequences become outputs.
                if !self.is_over() {
                    let chunk = Chunk { completion: 0, tokens: &[], text: "", finish: None };
                    if on_chunk(self.id, chunk).is_continue() {
                        return;
                    }
                    self.cancel();
                }
                self.choose();
            }
        }
        for (completion, sequence) in self.sequences.iter_mut().enumerate() {
            if !sequence.is_reported() && tell(self.id, completion, sequence, on_chunk).is_break() {
                self.cancel();
                return;
            }
        }
    }

    /// Keeps as many outputs as the request asks for: the best ones.
    fn choose(&mut self) {
        if let Search::BestOf = self.search {
            // An output without a score has only forced tokens, so its probability is 1.
            let score = |sequence: &Sequence<C>| sequence.score.unwrap_or(0.0);
            self.sequences.sort_by(|a, b| score(b).total_cmp(&score(a)));
        }
        self.sequences.truncate(self.completions);
    }

    pub fn into_result(mut self, now: Duration) -> Result<Generation, DecodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.choose();
        let completions: Vec<_> = self.sequences.into_iter().map(Sequence::into_completion).collect();
        self.usage.completion_tokens = completions.iter().map(|c| c.tokens.len()).sum();
        self.usage.forced_tokens = completions.iter().map(|c| c.forced_tokens).sum();
        self.timings.total = now.saturating_sub(self.joined);
        Ok(Generation { completions, usage: self.usage, timings: self.timings })
    }
}

/// Reports the new tokens and text of one output.
fn tell<C>(
    id: RequestId,
    completion: usize,
    sequence: &mut Sequence<C>,
    on_chunk: &mut impl FnMut(RequestId, Chunk<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let news = sequence.news();
    let (tokens, text) = (sequence.new_tokens(&news), sequence.new_text(&news));
    on_chunk(id, Chunk { completion, tokens, text, finish: sequence.end })
}
