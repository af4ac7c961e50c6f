//! One request under way: its outputs, and what becomes of the logits behind them.
//!
//! The outputs of a request share the reading of its prompt, with whatever the constraint forces at its beginning; the cache
//! is forked afterwards. From then on a step is the same for every strategy (what is pending is read in the batch's one
//! pass), but for one thing: [`Active::after_pass`] lets the strategy choose how the outputs go on.

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

/// A request under way.
pub(crate) struct Active<C> {
    pub id: RequestId,
    rules: Rules,
    sequences: Vec<Sequence<C>>,
    search: Search<C>,
    /// How many outputs were asked for.
    completions: usize,
    phase: Phase,
    usage: Usage,
    timings: Timings,
    joined: Duration,
    pub error: Option<DecodeError>,
}

/// What a strategy keeps from step to step.
enum Search<C> {
    /// Nothing: every sequence goes its own way.
    Sample,
    /// The same, but only the best are outputs.
    BestOf,
    Beam(Beams<C>),
    Contrastive(Contrastive<C>),
}

/// Whether a request's prompt has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Prefill,
    Decode,
}

/// One input of a forward pass: whose it is, and how much of what is pending it reads.
pub(crate) struct Place {
    sequence: usize,
    pub tokens: usize,
    pub rows: LogitRows,
}

/// A request's share of what a forward pass gave.
#[derive(Clone, Copy)]
pub(crate) struct Share<'a> {
    pub places: &'a [Place],
    /// The input that the first place is.
    pub first: usize,
    pub logits: &'a Logits,
    /// Behind every token read, if it was asked for.
    pub hidden: Option<&'a Logits>,
}

impl<C: Send + 'static> Active<C> {
    /// A request that nothing has been read for.
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

    /// Makes the first cache: an empty one, or a copy of one that holds the beginning of the prompt.
    pub fn begin<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        shared: Option<(usize, &C)>,
    ) -> Result<(), DecodeError> {
        let Some(first) = self.sequences.first_mut() else { return Ok(()) };
        // Hidden states are not kept.
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

    /// What has been read, with its caches.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix<'_, C>> {
        let caches = self.sequences.iter().filter(|_| self.error.is_none());
        caches.filter_map(|sequence| Some((sequence.read_tokens(), sequence.cache.as_ref()?)))
    }

    /// The cache of the first output that has one, for requests to come.
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

    /// Adds guesses to what the next pass reads.
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

    /// Whether it needs the hidden states of the next pass.
    pub fn wants_hidden(&self) -> bool {
        matches!(self.rules.draft, Draft::Heads { .. }) || matches!(self.search, Search::Contrastive(_))
    }

    /// Adds what it wants read to a forward pass.
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

    /// Takes its share of a pass: the outputs go on.
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
            // Only the first sequence has a cache; nothing has been drawn, so all stand where it stands.
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

    /// Takes what has been read off what is pending, and says how much it was for each place.
    fn read(&mut self, places: &[Place]) -> Vec<usize> {
        let read = |place: &Place| self.sequences[place.sequence].pending.drain(..place.tokens).count();
        places.iter().map(read).collect()
    }

    /// The prompt has been read: gives every output a cache.
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

    /// The outputs that draw behind a pass over these places, each with the place whose last row it draws from.
    fn drawing(&self, places: &[Place]) -> Vec<(usize, usize)> {
        let asking = places.iter().enumerate().filter(|(_, place)| place.rows != LogitRows::None);
        match self.phase {
            // All stand behind the prompt.
            Phase::Prefill => {
                asking.flat_map(|(at, _)| (0..self.sequences.len()).map(move |of| (of, at))).collect()
            }
            Phase::Decode => asking.map(|(at, place)| (place.sequence, at)).collect(),
        }
    }

    /// What its outputs need of the rows behind these places, the first of which is input `first`; `None` if that is the
    /// rows themselves.
    pub fn cuts(&self, places: &[Place], first: usize) -> Option<Vec<RowCut<'_>>> {
        let Search::Sample = self.search else { return None };
        let cut = |(sequence, place): (usize, usize)| {
            let (mask, cut) = self.sequences[sequence].cut(&self.rules)?;
            Some(RowCut { input: first + place, mask, cut })
        };
        self.drawing(places).into_iter().map(cut).collect()
    }

    /// Takes what its [cuts](Self::cuts) have left: the outputs go on. `row` gives the last row behind an input.
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

    /// Draws one output's next token, and further ones as long as they are what was guessed.
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
        // Row 0 stands behind what is certain, row i + 1 behind guess i. Rows are as many as tokens read, if there are guesses.
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

    /// Tells of what is new.
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
                // Which outputs there will be is not known before the end.
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

    /// Leaves as many outputs as were asked for, the best ones.
    fn choose(&mut self) {
        if let Search::BestOf = self.search {
            // Nothing but forced tokens is certain.
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

/// Tells what is new of one output.
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
