//! Running a chain: the first steps on the whole row, and the others on candidates.
//!
//! Edits are kept in a short sorted list, and the row is not changed. If the mask allows few
//! tokens, their logits are gathered into a short row. The first filter may run on the whole row
//! ([`block_maxima`]). A plain temperature before it is then applied together with it. All later
//! steps work on [`Candidates`].
//!
//! | filter | on the whole row |
//! |---|---|
//! | any, at temperature 0 | the largest logit is the only candidate |
//! | none, and one token is drawn | the draw |
//! | top-k with ties by the lowest id, top-p, typical, Mirostat | the filter |
//! | min-p | a bound that leaves out most tokens; the filter then runs on candidates |
//! | any other | nothing: all tokens become candidates |

use super::{Sampled, Sampler, Scratch, Work};
use crate::sampling::block_maxima;
use crate::sampling::candidates::Candidates;
use crate::sampling::error::SamplingError;
use crate::sampling::mirostat;
use crate::sampling::penalties::{CandidateLogits, EditLogits, changed};
use crate::sampling::rng::Purpose;
use crate::sampling::row::{MaskedRow, allows, check_lengths};
use crate::sampling::simd;
use crate::sampling::step_settings::{DynamicTemperature, MirostatVersion, Ties};
use crate::sampling::steps::{AnyLogits, Step, StepInput, StepKind, UnknownToken};
use crate::sampling::temperature;
use crate::vocab::TokenId;
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// The result of a chain.
pub(super) enum Outcome {
    /// The candidates in the scratch memory.
    Candidates,
    /// A token, drawn from the whole row.
    Drawn(Sampled),
}

/// The treatment of the whole row if no step narrows it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum WholeRow {
    /// Draw a token from the row without making candidates.
    Draw,
    /// Make candidates of all tokens of the row.
    Collect,
}

/// The logits that filters begin with: a whole row, or a short one whose places stand for the
/// tokens `names`.
#[derive(Clone, Copy)]
pub(super) struct Support<'a> {
    pub row: MaskedRow<'a>,
    pub names: Option<&'a [u32]>,
    /// Length of a whole row.
    pub vocab: usize,
    /// The share of the short row's mass that top-p keeps, if it comes first.
    pub top_p: f32,
}

/// The steps before the first filter, and the others.
pub(super) fn edits_and_filters(steps: &[Step]) -> (&[Step], &[Step]) {
    steps.split_at(steps.iter().position(|step| step.is_filter()).unwrap_or(steps.len()))
}

/// The treatment of end tokens before the minimum length: held back, or allowed because no other
/// token is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum EndTokens {
    HeldBack,
    Allowed,
}

impl Sampler {
    /// True if end tokens are held back at this position.
    pub(super) fn holds_back(&self) -> bool {
        self.position() < self.params.min_tokens && self.steps.contains(&Step::MinTokens)
    }

    /// Runs a chain with end tokens held back. If that leaves no token, runs it without.
    pub(super) fn holding_back<T>(
        &mut self,
        mut run: impl FnMut(&mut Self, EndTokens) -> Result<T, SamplingError>,
    ) -> Result<T, SamplingError> {
        match run(self, EndTokens::HeldBack) {
            Err(SamplingError::EmptySupport { .. }) if self.holds_back() => run(self, EndTokens::Allowed),
            result => result,
        }
    }

    /// Runs the chain. If min-tokens would leave no token, the chain runs without it.
    pub(super) fn run(
        &mut self,
        values: &[f32],
        mask: Option<&[u32]>,
        whole_row: WholeRow,
        scratch: &mut Scratch,
    ) -> Result<Outcome, SamplingError> {
        check_lengths(values.len(), mask)?;
        if let Some(token) = self.forced(values.len(), mask)? {
            scratch.work.candidates.refill();
            scratch.work.candidates.push(token.0, 0.0)?;
            return Ok(Outcome::Candidates);
        }
        self.holding_back(|sampler, ends| sampler.chain(values, mask, whole_row, ends, scratch))
    }

    fn chain(
        &mut self,
        values: &[f32],
        mask: Option<&[u32]>,
        whole_row: WholeRow,
        end_tokens: EndTokens,
        scratch: &mut Scratch,
    ) -> Result<Outcome, SamplingError> {
        let steps = Arc::clone(&self.steps);
        let (edits, filters) = edits_and_filters(&steps);
        self.edit_row(edits, values, end_tokens, &mut scratch.edits)?;
        let Scratch { edits: changed, mask: combined, ids, gathered, work, .. } = scratch;
        let mut row = MaskedRow { logits: values, mask, edits: changed };
        if let (true, Some(allowed)) = (edits.contains(&Step::AllowedTokens), &self.allowed) {
            intersection(allowed, mask, values.len(), combined);
            row.mask = Some(combined);
        }
        // Few allowed tokens are gathered into a short row of their own, and get their ids back
        // after its first filter.
        let narrow = row.mask.map(|mask| (mask, simd::count_ones(mask)));
        let narrow = narrow.filter(|&(_, allowed)| allowed <= values.len() / 16);
        if let Some((mask, allowed)) = narrow {
            block_maxima::gather(&row, mask, allowed, ids, gathered)?;
            row = MaskedRow { logits: gathered, mask: None, edits: &[] };
        }
        let names = narrow.map(|_| &ids[..]);
        let support = Support { row, names, vocab: values.len(), top_p: self.params.top_p };
        self.filter(support, filters, whole_row, work)
    }

    /// Runs the filters of a chain. The first of them may run on the whole row.
    pub(super) fn filter(
        &mut self,
        support: Support<'_>,
        filters: &[Step],
        whole_row: WholeRow,
        work: &mut Work,
    ) -> Result<Outcome, SamplingError> {
        let Support { row, names, vocab, top_p } = support;
        let Work { candidates, index, sums, weights } = work;
        index.build(&row)?;
        let (t, mut filters) = self.leading_temperature(filters);
        let used = match filters.first() {
            _ if t == 0.0 => {
                candidates.refill();
                candidates.push(index.argmax(&row), index.max)?;
                0
            }
            None if whole_row == WholeRow::Draw => {
                let u = self.rng.uniform(self.position() as u32, Purpose::Draw, 0);
                let (id, logprob) = index.draw(&row, t, u, sums);
                let id = names.map_or(id, |names| names[id as usize]);
                return Ok(Outcome::Drawn(Sampled { token: TokenId(id), logprob }));
            }
            Some(Step::TopK) if self.params.top_k_ties == Ties::LowestId => {
                index.top_k(&row, self.params.top_k, candidates);
                temperature::temperature_of_distribution(candidates, t);
                1
            }
            Some(Step::TopP) => {
                index.nucleus(&row, t, top_p, sums, candidates);
                1
            }
            Some(Step::Typical) => {
                index.typical(&row, t, self.params.typical_p, weights, candidates);
                1
            }
            Some(Step::Mirostat) => {
                if let (Some(rule), Some(mu)) = (&self.params.mirostat, self.history.feedback().mu) {
                    match rule.version {
                        MirostatVersion::V1 => {
                            index.top_k(&row, mirostat::TOP, candidates);
                            temperature::temperature_of_distribution(candidates, t);
                            match mirostat::zipf_cut(candidates, index.finite(&row), mu) {
                                Some(k) => index.top_k(&row, k, candidates),
                                None => index.collect(&row, f32::MIN, candidates),
                            }
                            temperature::temperature_of_distribution(candidates, t);
                        }
                        MirostatVersion::V2 => {
                            let mass = index.collect_unsurprising(&row, t, mu, sums, candidates);
                            temperature::temperature_of_distribution(candidates, t);
                            mirostat::cut_surprise(candidates, mu, mass);
                        }
                    }
                    self.observed.observe(self.history.output(), candidates);
                }
                1
            }
            Some(Step::MinP) => {
                index.collect_near_top(&row, t, self.params.min_p, candidates);
                temperature::temperature_of_distribution(candidates, t);
                0
            }
            _ => {
                index.collect(&row, f32::MIN, candidates);
                temperature::temperature_of_distribution(candidates, t);
                0
            }
        };
        filters = &filters[used..];
        if let Some(names) = names {
            candidates.map_ids(names);
        }
        for &step in filters {
            self.step(step, candidates, vocab)?;
            candidates.non_empty(step.name())?;
        }
        Ok(Outcome::Candidates)
    }

    /// The temperature, if the first filter is a plain temperature, and the filters after it.
    /// Otherwise the temperature 1, and all filters.
    pub(super) fn leading_temperature<'a>(&self, filters: &'a [Step]) -> (f32, &'a [Step]) {
        match filters.split_first() {
            Some((&first, behind)) => {
                self.plain_temperature(first).map_or((1.0, filters), |plain| (plain, behind))
            }
            None => (1.0, filters),
        }
    }

    /// True if no step after the first filter changes single logits. A custom order may have such
    /// steps, and they depend on the level of the logits.
    fn edits_come_first(&self) -> bool {
        edits_and_filters(&self.steps).1.iter().all(|step| step.is_filter())
    }

    /// The temperature of a step that is a plain number, if the row can be scaled by it.
    fn plain_temperature(&self, step: Step) -> Option<f32> {
        if step != Step::Temperature || !self.edits_come_first() {
            return None;
        }
        let t = match self.params.dynamic_temperature {
            None => self.params.temperature,
            Some(DynamicTemperature::Position { total }) => {
                temperature::at_position(self.params.temperature, total, self.position())
            }
            Some(_) => return None,
        };
        (t == 0.0 || t.recip().is_finite()).then_some(t)
    }

    /// The edits of a row of `logits` logits.
    pub(super) fn edit_all(
        &self,
        steps: &[Step],
        end_tokens: EndTokens,
        logits: usize,
        row: &mut impl EditLogits,
    ) -> Result<(), SamplingError> {
        let ignored = |step| step == Step::MinTokens && end_tokens == EndTokens::Allowed;
        for &step in steps.iter().filter(|step| !ignored(**step)) {
            self.edit(step, row).map_err(|(name, token)| SamplingError::TokenOutOfRange {
                name,
                token,
                logits,
            })?;
        }
        Ok(())
    }

    /// Puts the logits that the edits change into `changed`, by ascending id.
    pub(super) fn edit_row(
        &self,
        steps: &[Step],
        values: &[f32],
        end_tokens: EndTokens,
        changed: &mut Vec<(u32, f32)>,
    ) -> Result<(), SamplingError> {
        let mut edits = RowEdits { values, changed: HashMap::new() };
        self.edit_all(steps, end_tokens, values.len(), &mut edits)?;
        changed.clear();
        changed.extend(edits.changed);
        changed.sort_unstable_by_key(|e| e.0);
        Ok(())
    }

    /// The input of steps besides the logits.
    fn step_input(&self, vocab: usize) -> StepInput<'_> {
        StepInput {
            params: &self.params,
            history: &self.history,
            rng: self.rng,
            watermark: self.watermark.as_ref(),
            vocab,
            edits_come_first: self.edits_come_first(),
        }
    }

    /// Applies one step that changes single logits. Fails with a parameter and the token that it
    /// names, if there is no logit for the token.
    pub(super) fn edit(&self, step: Step, logits: &mut impl EditLogits) -> Result<(), UnknownToken> {
        match step.row().kind {
            StepKind::Edit(edit) => {
                let mut change = |token, change: &mut dyn FnMut(f32) -> f32| logits.edit(token, change);
                edit(&mut AnyLogits(&mut change), &self.step_input(0))
            }
            _ => Ok(()),
        }
    }

    /// Applies one step to candidates. The mask does nothing here, because it was applied when the
    /// candidates were made.
    pub(super) fn step(&mut self, step: Step, c: &mut Candidates, vocab: usize) -> Result<(), SamplingError> {
        match step.row().kind {
            StepKind::Edit(_) => {
                let mut logits = CandidateLogits::new(c);
                // A token that an earlier step has removed is no mistake of the caller's.
                let _ = self.edit(step, &mut logits);
                logits.finish();
            }
            StepKind::Restriction => {
                if let (Step::AllowedTokens, Some(allowed)) = (step, &self.allowed) {
                    c.map_logits(|id, l| if allowed.contains(&id) { l } else { f32::NEG_INFINITY });
                }
            }
            StepKind::Filter(filter) => filter(c, &self.step_input(vocab)),
            StepKind::Draw(draw) => {
                let mut observed = std::mem::take(&mut self.observed);
                let position = self.position();
                draw(c, &self.step_input(vocab), &mut |c| observed.observe(position, c));
                self.observed = observed;
            }
        }
        Ok(())
    }
}

/// The edits of a row, kept separately, because the row itself is not changed.
struct RowEdits<'a> {
    values: &'a [f32],
    changed: HashMap<u32, f32>,
}

impl EditLogits for RowEdits<'_> {
    fn edit(&mut self, token: TokenId, change: impl FnOnce(f32) -> f32) -> bool {
        match self.values.get(token.0 as usize) {
            // NaN and +∞ are left as they are, so that the reader of the row reports them.
            Some(&original) if original.is_nan() || original == f32::INFINITY => true,
            Some(&original) => {
                let logit = self.changed.entry(token.0).or_insert(original);
                *logit = changed(*logit, change);
                true
            }
            None => false,
        }
    }
}

/// The packed set of the tokens that are in `allowed` and in the mask.
fn intersection(allowed: &HashSet<u32>, mask: Option<&[u32]>, logits: usize, out: &mut Vec<u32>) {
    out.clear();
    out.resize(logits.div_ceil(32), 0);
    for &id in allowed {
        if (id as usize) < logits && mask.is_none_or(|mask| allows(mask, id)) {
            out[id as usize / 32] |= 1 << (id % 32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{ChainOrder, Mirostat, PLess, SamplingParams, Xtc};

    /// Whole chains, on rows of any spread: the scalar loops and the vector ones keep the same
    /// tokens with the same probabilities, bit for bit. `tests/suite/sampling_reference.rs` checks
    /// that these tokens are the right ones.
    #[test]
    fn the_scalar_loops_give_the_same_distribution() {
        let p = SamplingParams::default;
        let chains = [
            p(),
            p().temperature(0.7).top_k(5),
            p().top_k(1200),
            p().temperature(1.3).top_p(0.9),
            p().min_p(0.3),
            p().typical_p(0.7),
            p().tfs_z(0.9),
            p().epsilon_cutoff(4e-4),
            p().eta_cutoff(4e-4),
            p().top_a(0.2),
            p().top_n_sigma(1.0),
            p().top_h(0.4),
            p().p_less(PLess::Plain),
            p().xtc(Xtc { probability: 1.0, threshold: 2e-4 }),
            p().mirostat(Mirostat::default()),
        ];
        let mut state = 1u32;
        let mut next = move || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        for (centre, spread) in
            [(0.0, 8.0), (100.0, 1e-4), (10.0, 1e-5), (-1e6, 0.5), (0.0, 1e-30), (0.0, 1e30)]
        {
            let mut row: Vec<f32> = (0..2500).map(|_| centre + (next() - 0.5) * spread).collect();
            row.iter_mut().step_by(7).for_each(|l| *l = f32::NEG_INFINITY);
            for params in &chains {
                for order in [ChainOrder::Hf, ChainOrder::Llama] {
                    let mut sampler = Sampler::new(params.clone().order(order)).unwrap();
                    let distribution = sampler.distribution(&row, None);
                    let scalar = simd::on_scalar(|| sampler.distribution(&row, None));
                    assert_eq!(distribution, scalar, "{centre} ± {spread}: {params:?}");
                }
            }
        }
    }
}
