//! Beam search: a narrow breadth-first search for the most probable outputs.
//!
//! A *beam* is an unfinished output with the sum of its tokens' log-probabilities. Each step scores
//! every continuation of every beam, keeps the best, and forks caches, matchers and samplers with
//! them. With groups it is diverse beam search: the groups choose one after another, and a token's
//! score is reduced once for each time that an earlier group has chosen it at this step.
//!
//! The semantics are those of Hugging Face transformers (5.x; groups as in 4.50), so results can be
//! compared. One difference: in transformers a group that is done writes padding tokens, and the
//! diversity penalty of later groups counts them as chosen.
//!
//! - c·k candidates are considered, where k is the number of beams and c = max(2, end tokens + 1).
//!   A candidate that has ended is kept only if it is among the best k.
//! - The score of an ended output is Σ log p / lengthᵅ. The length counts every generated token,
//!   the end token too.
//! - Log-probabilities are the model's own, with biases, penalties and the constraint applied. They
//!   are not renormalised.
//!
//! Sources: Wu et al. 2016 for the length penalty; Vijayakumar et al. 2018 for diversity.
//!
//! A step costs one forward pass over all beams, one pass over each row, and a fork of the cache
//! for every further child of a beam that has several.

use super::clock::Clock;
use super::error::DecodeError;
use super::logits::{Logits, ModelRow};
use super::model::LanguageModel;
use super::request::{FinishReason, Timings};
use super::search_step::SearchStep;
use super::sequence::Sequence;
use super::settings::DecodeSettings;
use super::strategy::{BeamSearch, EarlyStopping};
use super::token_scores::top_finite;
use crate::sampling::SamplingError;
use crate::vocab::TokenId;

/// A beam search in progress. Its beams are the sequences of the request, in the groups' order.
pub(crate) struct BeamState<C> {
    search: BeamSearch,
    groups: Vec<Group<C>>,
}

struct Group<C> {
    /// The group's beams, best first: the index of the sequence, and Σ log p.
    live: Vec<(usize, f64)>,
    /// The best ended outputs, best first, each with its score.
    ended: Vec<Sequence<C>>,
    /// True if the group's search has ended.
    done: bool,
}

/// One continuation of a beam.
#[derive(Clone, Copy)]
struct Candidate {
    parent: usize,
    token: TokenId,
    sum: f64,
}

impl<C: Send + 'static> BeamState<C> {
    /// A search that begins with the only sequence of its request.
    pub fn new(search: BeamSearch) -> Self {
        let group = || Group { live: vec![(0, 0.0)], ended: Vec::new(), done: false };
        Self { search, groups: (0..search.groups).map(|_| group()).collect() }
    }

    /// Takes one step. When the search ends, the sequences become the outputs found, best first.
    pub fn step<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        step: SearchStep<'_, C>,
    ) -> Result<(), DecodeError> {
        let SearchStep { sequences, logits, first_input, settings, clock, times, .. } = step;
        let row_of = |parent| logits.last_model_row(first_input + parent).unwrap_or_default();
        let mut scores = self.all_scores(sequences, logits, first_input, settings)?;
        let grouped = self.search.groups > 1;
        let size = self.search.beams / self.search.groups;
        let candidate_count = size * (settings.end_tokens.len() + 1).max(2);
        let mut chosen: Vec<TokenId> = Vec::new();
        let mut children: Vec<(usize, Sequence<C>)> = Vec::new();
        for group in self.groups.iter_mut().filter(|group| !group.done) {
            let penalty = |token| {
                self.search.diversity_penalty * chosen.iter().filter(|&&other| other == token).count() as f64
            };
            let candidates = loop {
                let candidates = best(&group.live, &scores, candidate_count, penalty);
                if !exclude_dead_ends(sequences, &candidates, &mut scores, row_of, settings)? {
                    break candidates;
                }
            };
            let before = chosen.len();
            let best_sum = candidates.first().map(|candidate| candidate.sum);
            let length = group.live.first().map_or(0, |&(parent, _)| sequences[parent].length() + 1);
            let mut live = Vec::with_capacity(size);
            let mut cut_off = Vec::new();
            for (rank, candidate) in candidates.into_iter().enumerate() {
                let mut child = sequences[candidate.parent].fork();
                let row = row_of(candidate.parent);
                let logprob = scores[candidate.parent][candidate.token.index()];
                let distribution = distribution_of(&scores[candidate.parent], settings);
                child.record_logprobs(candidate.token, logprob, distribution, row, settings)?;
                child.append_allowed(candidate.token, settings)?;
                if !goes_on_or_ends(&mut child, settings, clock, times)? {
                    continue;
                }
                if let Some(end) = child.end {
                    let is_longest = is_cut_off(end, child.length(), settings);
                    if is_longest && chosen.len() < before + size {
                        chosen.push(candidate.token);
                    }
                    let length = child.length() as f64;
                    child.search_score = Some(candidate.sum / length.powf(self.search.length_penalty));
                    if grouped && is_longest {
                        cut_off.push(child);
                    } else if rank < size {
                        group.end(child, size);
                    }
                } else if live.len() < size {
                    chosen.push(candidate.token);
                    live.push((children.len(), candidate.sum));
                    children.push((candidate.parent, child));
                }
            }
            // Without groups the best beam decides whether the search ends. With groups the best
            // candidate decides, even one that has ended. Outputs that are cut at the largest
            // length are added only if the group is not done without them.
            let best_sum = if grouped { best_sum } else { live.first().map(|&(_, sum)| sum) };
            group.live = live;
            group.done = group.is_done(&self.search, size, best_sum, length, settings.max_tokens);
            if !group.done {
                cut_off.truncate(size);
                cut_off.into_iter().for_each(|child| group.end(child, size));
                group.done = group.live.is_empty();
            }
            if group.done {
                group.live.clear();
            }
        }
        if self.groups.iter().all(|group| group.done && group.ended.is_empty()) {
            sequences.iter_mut().for_each(|sequence| sequence.fail(no_beam(), settings));
            return Ok(());
        }
        self.replace_parents(model, sequences, children)
    }

    /// The scores of the next token for every sequence that has a row.
    fn all_scores(
        &self,
        sequences: &mut [Sequence<C>],
        logits: &Logits,
        first_input: usize,
        settings: &DecodeSettings,
    ) -> Result<Vec<Vec<f32>>, DecodeError> {
        let scored = |(number, sequence): (usize, &mut Sequence<C>)| match logits
            .last_model_row(first_input + number)
        {
            Some(row) => sequence.next_scores(row, settings),
            None => Ok(Vec::new()),
        };
        sequences.iter_mut().enumerate().map(scored).collect()
    }

    /// Replaces the parents by their children, each with a cache: the last child of a parent takes
    /// the parent's own. When the search has ended, the outputs found replace them.
    fn replace_parents<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        sequences: &mut Vec<Sequence<C>>,
        children: Vec<(usize, Sequence<C>)>,
    ) -> Result<(), DecodeError> {
        let kept: Vec<usize> = self.groups.iter().flat_map(Group::indices).collect();
        let mut children_left = vec![0; sequences.len()];
        for (child, (parent, _)) in children.iter().enumerate() {
            children_left[*parent] += usize::from(kept.contains(&child));
        }
        let mut next = Vec::with_capacity(children.len());
        let mut places = vec![usize::MAX; children.len()];
        for (child, (parent, mut sequence)) in children.into_iter().enumerate() {
            if !kept.contains(&child) {
                continue;
            }
            children_left[parent] -= 1;
            let cache = &mut sequences[parent].input.cache;
            sequence.input.cache = match (children_left[parent], &cache) {
                (0, _) | (_, None) => cache.take(),
                (_, Some(cache)) => Some(model.fork(cache)?),
            };
            places[child] = next.len();
            next.push(sequence);
        }
        for group in self.groups.iter_mut().filter(|group| !group.done) {
            for (place, _) in &mut group.live {
                *place = places[*place];
            }
        }
        *sequences = next;
        if self.groups.iter().all(|group| group.done) {
            self.finish(sequences);
        }
        Ok(())
    }

    /// Ends the search: the outputs found replace the beams.
    fn finish(&mut self, sequences: &mut Vec<Sequence<C>>) {
        sequences.clear();
        sequences.extend(self.groups.iter_mut().flat_map(|group| group.ended.drain(..)));
        // The sort is stable, so that outputs with equal scores keep the groups' order.
        sequences.sort_by(|a, b| b.score().unwrap_or(f64::MIN).total_cmp(&a.score().unwrap_or(f64::MIN)));
    }

    /// Ends the search early: ended outputs come first, then the beams as they are.
    pub fn end_early(&mut self, sequences: &mut Vec<Sequence<C>>) {
        let beams = std::mem::take(sequences);
        self.finish(sequences);
        sequences.extend(beams);
    }
}

impl<C> Group<C> {
    fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.live.iter().map(|&(sequence, _)| sequence)
    }

    /// Keeps an ended output if it is among the best.
    fn end(&mut self, output: Sequence<C>, size: usize) {
        let at = self.ended.partition_point(|other| other.score() >= output.score());
        self.ended.insert(at, output);
        self.ended.truncate(size);
    }

    /// True if the worst ended output scores at least as much as `best_sum` can reach.
    fn is_done(
        &self,
        search: &BeamSearch,
        size: usize,
        best_sum: Option<f64>,
        length: usize,
        max_tokens: usize,
    ) -> bool {
        let (Some(best_sum), Some(worst)) = (best_sum, self.ended.last()) else { return false };
        if self.ended.len() < size {
            return false;
        }
        let length = match search.early_stopping {
            EarlyStopping::Full => return true,
            EarlyStopping::Never if search.length_penalty > 0.0 => max_tokens,
            _ => length,
        };
        worst.score() >= Some(best_sum / (length as f64).powf(search.length_penalty))
    }
}

/// Appends the tokens that a new beam forces, and ends the beam if nothing may follow a complete
/// output. Returns false for a beam without a continuation, which is dropped; the others go on.
fn goes_on_or_ends<C: Send + 'static>(
    child: &mut Sequence<C>,
    settings: &DecodeSettings,
    clock: &Clock,
    times: &mut Timings,
) -> Result<bool, DecodeError> {
    match child.apply_forced(settings, clock, times) {
        Err(DecodeError::DeadEnd { .. }) => return Ok(false),
        result => result?,
    }
    if child.end.is_none() && child.has_nothing_left(settings)? {
        child.end = Some(FinishReason::ConstraintComplete);
    }
    Ok(true)
}

/// True for an output that has the largest length. It counts as cut off even if the constraint says
/// that it is complete.
fn is_cut_off(end: FinishReason, length: usize, settings: &DecodeSettings) -> bool {
    match end {
        FinishReason::ConstraintComplete => length >= settings.max_tokens,
        end => end == FinishReason::Length,
    }
}

/// Takes candidates after which bans leave nothing out of their parents' masks, and computes the
/// scores of these parents again. Returns true if there was such a candidate.
fn exclude_dead_ends<'a, C>(
    sequences: &mut [Sequence<C>],
    candidates: &[Candidate],
    scores: &mut [Vec<f32>],
    row_of: impl Fn(usize) -> ModelRow<'a>,
    settings: &DecodeSettings,
) -> Result<bool, DecodeError> {
    let mut has_dead_ends = false;
    for (number, parent) in sequences.iter_mut().enumerate() {
        let own = candidates.iter().filter(|candidate| candidate.parent == number);
        if parent.exclude_dead_ends(own.map(|candidate| candidate.token), settings)? {
            scores[number] = parent.next_scores(row_of(number), settings)?;
            has_dead_ends = true;
        }
    }
    Ok(has_dead_ends)
}

/// The error of beams none of which may go on.
fn no_beam() -> DecodeError {
    let reason = "every beam ends where nothing that is allowed is left; loosen bans, or try more beams";
    SamplingError::EmptySupport { reason }.into()
}

/// The `count` best continuations of some beams, best first. Among equals the better beam comes
/// first, then the lower token.
fn best(
    live: &[(usize, f64)],
    scores: &[Vec<f32>],
    count: usize,
    penalty: impl Fn(TokenId) -> f64,
) -> Vec<Candidate> {
    let order = |a: &Candidate, b: &Candidate| b.sum.total_cmp(&a.sum);
    let mut all = Vec::new();
    for &(parent, sum) in live {
        let continuations = scores[parent].iter().enumerate().filter(|(_, score)| score.is_finite());
        let mut continuations: Vec<Candidate> = continuations
            .map(|(id, &score)| {
                let token = TokenId(id as u32);
                Candidate { parent, token, sum: sum + f64::from(score) - penalty(token) }
            })
            .collect();
        if continuations.len() > count {
            continuations.select_nth_unstable_by(count, |a, b| order(a, b).then(a.token.cmp(&b.token)));
            continuations.truncate(count);
        }
        continuations.sort_unstable_by_key(|continuation| continuation.token);
        all.extend(continuations);
    }
    all.sort_by(order);
    all.truncate(count);
    all
}

/// The scores as a distribution to report, if the request asks for log-probabilities.
fn distribution_of<'a>(
    scores: &'a [f32],
    settings: &DecodeSettings,
) -> impl Iterator<Item = (TokenId, f32)> + 'a + use<'a> {
    let wanted = if settings.logprobs.is_some() { scores } else { &[] };
    top_finite(wanted, settings.logprobs.unwrap_or(0)).into_iter()
}
