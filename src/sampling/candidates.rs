//! The tokens that can still be drawn, and their logits. Every step of a chain works on them.
//!
//! Ids, logits and weights lie in separate arrays so that the exponentials run over plain floats.
//! Most steps need neither a sort nor the probabilities of all candidates: the end of a prefix of
//! the sorted order is found without sorting (`prefix`). Sums are 64-bit.

use super::error::SamplingError;
use super::prefix::{PrefixEnd, WeightedKeys, Work, prefix_end};
use super::rank::rank;
use super::row::{MaskedRow, allows, check_logit};
use super::simd::{self, BLOCK};
use crate::vocab::TokenId;
use std::cmp::Reverse;

/// Candidate tokens with their logits, at least one, all logits finite.
///
/// The distribution it stands for is softmax(logits). A step removes candidates or changes logits;
/// removed candidates count as probability 0 from then on (the softmax is renormalised between
/// steps).
///
/// ```
/// use hedgerow::sampling::{truncation, Candidates};
/// let mut c = Candidates::from_logits(&[1.0, 3.0, 2.0])?;
/// truncation::top_k(&mut c, 2);
/// c.sort_descending();
/// assert_eq!(c.ids(), &[1, 2]);
/// assert!((c.probabilities()[0] - 0.731_058_6).abs() < 1e-6);
/// # Ok::<(), hedgerow::sampling::SamplingError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    ids: Vec<u32>,
    logits: Vec<f32>,
    descending: bool,
    // e^(logit − max) and their sum.
    weights: Vec<f32>,
    total: f64,
    max: f32,
    weighed: Weighed,
    // Memory of the steps: sort keys, histograms.
    keys: Vec<f32>,
    work: Work,
}

/// The validity of weights, sum and maximum.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Weighed {
    /// Nothing.
    #[default]
    No,
    /// Weights and their sum are valid as shares, but the maximum belongs to a candidate that was
    /// removed.
    Shares,
    /// Weights, sum and maximum are valid.
    Yes,
}

/// The order of candidates.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// The largest logit first.
    Falling,
    /// The smallest |(max − logit) + offset| first.
    Typical { offset: f32 },
}

/// The numbers for typical sampling, which orders tokens by |−ln p − H|, where H is the entropy:
/// −ln p − H = (max − logit)·scale + offset.
#[derive(Clone, Copy)]
pub(crate) struct Centre {
    pub max: f32,
    pub scale: f32,
    pub offset: f32,
}

/// The smallest 32-bit float that is not below `x`.
pub(crate) fn least_at_or_above(x: f64) -> f32 {
    let nearest = x as f32;
    if f64::from(nearest) < x { nearest.next_up() } else { nearest }
}

impl Candidates {
    /// Every token with a finite logit.
    ///
    /// # Errors
    /// A NaN or +∞ among the logits; no finite logit.
    pub fn from_logits(logits: &[f32]) -> Result<Self, SamplingError> {
        Self::from_masked(logits, None)
    }

    /// Every token with a finite logit that the packed `mask` (32 tokens a word, lowest bit first)
    /// allows.
    ///
    /// # Errors
    /// A NaN or +∞ among the allowed logits; no finite one; a mask longer than the row.
    pub fn from_masked(logits: &[f32], mask: Option<&[u32]>) -> Result<Self, SamplingError> {
        super::row::check_lengths(logits.len(), mask)?;
        let mut c = Candidates::default();
        for (id, &logit) in logits.iter().enumerate() {
            if mask.is_none_or(|m| allows(m, id as u32)) {
                c.push(id as u32, logit)?;
            }
        }
        c.non_empty("every logit is -inf or forbidden by the mask")?;
        Ok(c)
    }

    /// Adds a candidate; −∞ is left out.
    pub(crate) fn push(&mut self, id: u32, logit: f32) -> Result<(), SamplingError> {
        check_logit(id, logit)?;
        if logit > f32::NEG_INFINITY {
            self.ids.push(id);
            self.logits.push(logit);
        }
        self.weighed = Weighed::No;
        self.descending = false;
        Ok(())
    }

    /// The arrays of ids and logits, emptied, for a caller that fills them and keeps the invariants
    /// itself: equal lengths, and finite logits.
    pub(crate) fn refill(&mut self) -> (&mut Vec<u32>, &mut Vec<f32>) {
        self.ids.clear();
        self.logits.clear();
        self.weighed = Weighed::No;
        self.descending = false;
        (&mut self.ids, &mut self.logits)
    }

    pub(crate) fn non_empty(&self, reason: &'static str) -> Result<(), SamplingError> {
        if self.ids.is_empty() { Err(SamplingError::EmptySupport { reason }) } else { Ok(()) }
    }

    /// Number of candidates.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True if there are none; never so for candidates that a constructor returned.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Token ids, in the order of [`logits`](Self::logits).
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Logits.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Place of the largest logit; of the lowest id among equals.
    pub fn argmax(&self) -> usize {
        let mut best = 0;
        for i in 1..self.len() {
            let (a, b) = (self.logits[i], self.logits[best]);
            if a > b || (a == b && self.ids[i] < self.ids[best]) {
                best = i;
            }
        }
        best
    }

    /// Sorts by falling logit, equal logits by rising id. O(n log n).
    pub fn sort_descending(&mut self) {
        if self.descending {
            return;
        }
        let mut order: Vec<(u64, f32)> = self.ranked().map(|r| (r.0, self.logits[r.1])).collect();
        order.sort_unstable_by_key(|r| Reverse(r.0));
        for (i, (rank, logit)) in order.into_iter().enumerate() {
            self.ids[i] = !(rank as u32);
            self.logits[i] = logit;
        }
        self.descending = true;
        self.weighed = Weighed::No;
    }

    fn ranked(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        self.ids.iter().zip(&self.logits).enumerate().map(|(i, (&id, &l))| (rank(l, id), i))
    }

    /// The weights e^(logit − max), in the order of [`ids`](Self::ids), and their sum: p = weight /
    /// sum.
    pub fn weights(&mut self) -> (&[f32], f64) {
        self.weigh();
        (&self.weights, self.total)
    }

    /// The smallest logit and the largest.
    pub(crate) fn extent(&self) -> (f32, f32) {
        simd::extent(&self.logits)
    }

    /// The largest logit.
    pub fn max_logit(&mut self) -> f32 {
        self.weigh();
        self.max
    }

    fn weigh(&mut self) {
        if self.weighed == Weighed::Yes {
            return;
        }
        self.max = self.max_of_logits();
        self.weights.clear();
        self.total = simd::exp_into(&self.logits, self.max, 1.0, &mut self.weights);
        self.weighed = Weighed::Yes;
    }

    /// The probabilities softmax(logits), in the order of [`ids`](Self::ids).
    pub fn probabilities(&mut self) -> Vec<f32> {
        let (weights, total) = self.weights();
        weights.iter().map(|&w| (w as f64 / total) as f32).collect()
    }

    /// Entropy of the distribution in nats, 0 · ln 0 = 0.
    pub fn entropy(&mut self) -> f64 {
        self.weigh();
        // H = ln Z − Σ p·d with d = l − max.
        (self.total.ln() - self.mean_distance()).max(0.0)
    }

    /// Changes every logit. Entries that become −∞ or NaN are removed, +∞ is cut to the largest
    /// float.
    pub(crate) fn map_logits(&mut self, mut f: impl FnMut(u32, f32) -> f32) {
        let mut lost = false;
        for (&id, l) in self.ids.iter().zip(&mut self.logits) {
            let new = f(id, *l);
            lost |= new.is_nan() || new == f32::NEG_INFINITY;
            *l = new.min(f32::MAX);
        }
        self.weighed = Weighed::No;
        self.descending = false;
        if lost {
            let logits = std::mem::take(&mut self.logits);
            self.retain_unchecked(|i| logits[i] > f32::NEG_INFINITY);
            self.logits = logits;
            self.logits.retain(|&l| l > f32::NEG_INFINITY);
        }
    }

    /// Changes every logit by a function that never reverses their order.
    pub(crate) fn map_monotone(&mut self, mut f: impl FnMut(f32) -> f32) {
        let descending = self.descending;
        self.map_logits(|_, l| f(l));
        self.descending = descending;
    }

    /// Replaces each id `i` by `ids[i]`. The list ascends, so the order of the candidates stays.
    pub(crate) fn map_ids(&mut self, ids: &[u32]) {
        self.ids.iter_mut().for_each(|id| *id = ids[*id as usize]);
    }

    /// Drops the first `n` candidates.
    pub(crate) fn skip(&mut self, n: usize) {
        self.ids.drain(..n);
        self.logits.drain(..n);
        self.weighed = Weighed::No;
    }

    /// Keeps the ids at the places that `keep` accepts. The caller does the same to the logits.
    fn retain_unchecked(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut i = 0;
        self.ids.retain(|_| {
            i += 1;
            keep(i - 1)
        });
    }

    /// Keeps the first `n` candidates.
    pub(crate) fn cut(&mut self, n: usize) {
        if n < self.ids.len() {
            self.ids.truncate(n);
            self.logits.truncate(n);
            self.weighed = Weighed::No;
        }
    }

    /// Keeps one candidate, by place.
    pub(crate) fn keep_one(&mut self, at: usize) {
        self.ids.swap(0, at);
        self.logits.swap(0, at);
        self.cut(1);
        self.weighed = Weighed::No;
        self.descending = true;
    }

    /// Keeps the logits ≥ `bound`. If there are none, keeps all that equal the largest. O(n).
    pub(crate) fn keep_at_least(&mut self, bound: f64) {
        let (low, high) = simd::extent(&self.logits);
        let bound = least_at_or_above(bound).min(high);
        if low >= bound {
            return;
        }
        self.keys.clear();
        self.keys.extend_from_slice(&self.logits);
        self.keep_keys(bound);
    }

    /// Keeps the candidates with a key ≥ `bound`. Weights stay valid if the largest one stays.
    fn keep_keys(&mut self, bound: f32) {
        let Candidates { ids, logits, weights, keys, .. } = self;
        let weights = (self.weighed != Weighed::No).then_some(weights.as_mut_slice());
        let kept = simd::keep_at_least(keys, bound, (ids, logits, weights));
        if kept == ids.len() {
            return;
        }
        self.ids.truncate(kept);
        self.logits.truncate(kept);
        if self.weighed != Weighed::No {
            self.weights.truncate(kept);
            self.total = simd::sum(&self.weights);
            self.check_weights();
        }
    }

    /// Marks the weights by what is left of them after candidates were removed: the largest may be
    /// among those.
    fn check_weights(&mut self) {
        self.weighed = match simd::extent(&self.weights).1 {
            1.0 => Weighed::Yes,
            // The rest of the weights can be summed precisely, and those that underflowed are too
            // small to matter.
            1e-6.. => Weighed::Shares,
            _ => Weighed::No,
        };
    }

    /// Weights for a draw, which needs no more than shares.
    fn weigh_for_draw(&mut self) {
        if self.weighed == Weighed::No {
            self.weigh();
        }
    }

    /// Keeps the weights e^(logit − max) ≥ `bound`. If there are none, keeps all that equal the
    /// largest. O(n).
    ///
    /// Logits are compared and not weights, because different logits can have the same rounded
    /// weight.
    pub(crate) fn keep_weight(&mut self, bound: f64) {
        let max = f64::from(self.max_logit());
        // Rounding may leave a bound a little below 0, which all weights reach.
        self.keep_at_least(max + bound.max(0.0).ln());
    }

    /// Σ p·(logit − max), the mean distance from the largest logit: −ln p − H = (max − logit) +
    /// this.
    pub(crate) fn mean_distance(&mut self) -> f64 {
        self.weigh();
        simd::moment(&self.logits, self.max, 1.0, &self.weights) / self.total
    }

    fn max_of_logits(&self) -> f32 {
        if self.descending {
            return self.logits.first().copied().unwrap_or(f32::NEG_INFINITY);
        }
        if self.weighed == Weighed::Yes {
            return self.max;
        }
        simd::extent(&self.logits).1
    }

    /// Keeps exactly the `k` largest (k ≥ 1), ties by lowest id. O(n).
    pub(crate) fn keep_largest(&mut self, k: usize) {
        if self.descending {
            return self.cut(k);
        }
        if let Some(end) = self.largest_end(k) {
            self.keep_ranked(end);
        }
    }

    /// The end of the `k` largest; `None` if that is everything.
    fn largest_end(&mut self, k: usize) -> Option<PrefixEnd> {
        if k >= self.len() {
            return None;
        }
        self.keys.clear();
        self.keys.extend_from_slice(&self.logits);
        let n = self.ids.len() as f64;
        let list = WeightedKeys { keys: &self.keys, ids: Some(&self.ids), weights: None };
        Some(prefix_end(list, n, k as f64, &mut self.work))
    }

    /// Keeps a prefix of the candidates in an order (ties by rising id): a candidate is kept while
    /// the mass *before* it is below `bound` · (mass of all). The first is always kept.
    ///
    /// `mass` is the mass of all, in units of the weights. It is larger than the sum of the weights
    /// if candidates that cannot be kept were left out before.
    pub(crate) fn keep_prefix(&mut self, bound: f64, mass: Option<f64>, order: Order) {
        self.weigh();
        let limit = bound * mass.unwrap_or(self.total);
        match order {
            Order::Falling => self.keys.clone_from(&self.logits),
            Order::Typical { offset } => {
                self.keys.clear();
                simd::distances(&self.logits, self.max, 1.0, offset, &mut self.keys);
            }
        }
        let list = WeightedKeys { keys: &self.keys, ids: Some(&self.ids), weights: Some(&self.weights) };
        let end = prefix_end(list, self.total, limit, &mut self.work);
        self.keep_ranked(end);
    }

    /// True if [`keep_prefix`](Self::keep_prefix) by falling logits would keep all of these
    /// candidates if the whole mass were `mass`. Relies on them being a prefix that was kept with a
    /// larger mass.
    pub(crate) fn is_prefix_of(&mut self, bound: f64, mass: f64) -> bool {
        self.weigh();
        // The last candidate of the prefix has the least weight. Near the limit, rounding decides.
        let before = self.total - f64::from(simd::extent(&self.weights).0);
        before < bound * mass * (1.0 - 1e-9) || self.len() == 1
    }

    /// Collects the candidates that typical sampling keeps of a whole row. `weights` has a weight
    /// for each entry of the row, and `total` is their sum.
    pub(crate) fn collect_typical(
        &mut self,
        row: &MaskedRow<'_>,
        (weights, total): (&[f32], f64),
        centre: Centre,
        mass: f64,
    ) {
        let (n, mut scratch) = (row.logits.len(), [0.0; BLOCK]);
        self.keys.clear();
        row.for_each_block(|b, x| {
            self.keys.resize(b * BLOCK, f32::NEG_INFINITY);
            simd::distances(x, centre.max, centre.scale, centre.offset, &mut self.keys);
        });
        self.keys.resize(n, f32::NEG_INFINITY);
        let list = WeightedKeys { keys: &self.keys, ids: None, weights: Some(weights) };
        let end = prefix_end(list, total, mass * total, &mut self.work);
        for &at in end.equals(&self.keys, &mut self.work) {
            if at > end.id {
                self.keys[at as usize] = f32::NEG_INFINITY;
            }
        }
        self.refill();
        self.weights.clear();
        let bound = end.key.max(f32::MIN);
        for b in 0..row.blocks() {
            if let Some(x) = row.block(b, &mut scratch) {
                let start = b * BLOCK;
                let of_row = (x, &weights[start..start + x.len()]);
                let kept = (&mut self.ids, &mut self.logits, &mut self.weights);
                simd::collect_by_key(&self.keys[start..start + x.len()], bound, start as u32, of_row, kept);
            }
        }
        self.max = centre.max;
        self.total = simd::sum(&self.weights);
        self.check_weights();
    }

    /// Keeps the candidates whose key (with ties by id) ranks at or above `end`.
    fn keep_ranked(&mut self, end: PrefixEnd) {
        // Of several candidates with the last key only some stay. The keys of the others are set to
        // −∞.
        for at in end.equals(&self.keys, &mut self.work) {
            if self.ids[*at as usize] > end.id {
                self.keys[*at as usize] = f32::NEG_INFINITY;
            }
        }
        self.keep_keys(end.key);
    }

    /// Place of the draw by inverse distribution function for `u` in [0, 1).
    pub(crate) fn draw(&mut self, u: f64) -> usize {
        self.weigh_for_draw();
        draw(&self.weights, u * self.total)
    }

    /// ln p of the candidate at a place.
    pub(crate) fn log_probability(&mut self, at: usize) -> f32 {
        self.weigh_for_draw();
        ((self.logits[at] - self.max) as f64 - self.total.ln()) as f32
    }

    /// The distribution as pairs of token and probability.
    pub fn distribution(&mut self) -> Vec<(TokenId, f32)> {
        let p = self.probabilities();
        self.ids.iter().map(|&id| TokenId(id)).zip(p).collect()
    }
}

/// First place at which the running sum of the weights exceeds `target`; the last place if rounding
/// keeps the sum below.
pub(crate) fn draw(weights: &[f32], target: f64) -> usize {
    // Whole parts are summed in eight lanes first. In a single running sum, each addition would
    // wait for the one before.
    const PART: usize = 256;
    let mut before = 0.0;
    for (part, weights) in weights.chunks(PART).enumerate() {
        let mut lanes = [0f64; 8];
        for eight in weights.chunks(8) {
            for (lane, &w) in lanes.iter_mut().zip(eight) {
                *lane += w as f64;
            }
        }
        let sum: f64 = lanes.iter().sum();
        if before + sum > target {
            let mut running = before;
            let found = weights.iter().position(|&w| {
                running += w as f64;
                running > target
            });
            return part * PART + found.unwrap_or(weights.len() - 1);
        }
        before += sum;
    }
    weights.len().saturating_sub(1)
}
