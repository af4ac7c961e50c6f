//! The tokens still in play and their logits: what every step of a chain works on.
//!
//! Ids, logits and weights lie in separate arrays so that the exponentials run over plain floats. Most steps need neither a sort
//! nor probabilities of everything: [`Candidates::keep_prefix`] finds where a prefix of the sorted order ends by a
//! histogram of the mass, and sorts one bucket only. Sums are 64-bit.

use super::error::SamplingError;
use super::row::{allows, check_logit};
use super::simd;
use crate::vocab::TokenId;
use std::cmp::Reverse;

/// Candidate tokens with their logits, at least one, all logits finite.
///
/// The law it stands for is softmax(logits). A step removes candidates or changes logits; removed candidates count
/// as probability 0 from then on (the softmax is renormalised between steps).
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
    // e^(logit − max) and their sum; valid while `weighed`.
    weights: Vec<f32>,
    total: f64,
    max: f32,
    weighed: bool,
}

/// A number that grows with the logit, and for equal logits with falling id.
pub(crate) fn rank(logit: f32, id: u32) -> u64 {
    // Adding 0 turns −0 into +0: they are equal as logits.
    let bits = (logit + 0.0).to_bits();
    let ordered = if bits >> 31 != 0 { !bits } else { bits | 1 << 31 };
    (ordered as u64) << 32 | !id as u64
}

impl Candidates {
    /// Every token with a finite logit.
    ///
    /// # Errors
    /// A NaN or +∞ among the logits; no finite logit.
    pub fn from_logits(logits: &[f32]) -> Result<Self, SamplingError> {
        Self::from_masked(logits, None)
    }

    /// Every token with a finite logit that the packed `mask` (32 tokens a word, lowest bit first) allows.
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
        self.weighed = false;
        self.descending = false;
        Ok(())
    }

    /// The arrays, empty, for a producer that keeps the invariants itself.
    pub(crate) fn refill(&mut self) -> (&mut Vec<u32>, &mut Vec<f32>) {
        self.ids.clear();
        self.logits.clear();
        self.weighed = false;
        self.descending = false;
        (&mut self.ids, &mut self.logits)
    }

    pub(crate) fn non_empty(&self, reason: &'static str) -> Result<(), SamplingError> {
        if self.ids.is_empty() {
            Err(SamplingError::EmptySupport { reason })
        } else {
            Ok(())
        }
    }

    /// Number of candidates.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none; never so for candidates that a constructor returned.
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
        self.weighed = false;
    }

    fn ranked(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        self.ids.iter().zip(&self.logits).enumerate().map(|(i, (&id, &l))| (rank(l, id), i))
    }

    /// The weights e^(logit − max), in the order of [`ids`](Self::ids), and their sum: p = weight / sum.
    pub fn weights(&mut self) -> (&[f32], f64) {
        self.weigh();
        (&self.weights, self.total)
    }

    /// The largest logit.
    pub fn max_logit(&mut self) -> f32 {
        self.weigh();
        self.max
    }

    fn weigh(&mut self) {
        if self.weighed {
            return;
        }
        self.max = self.logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.weights.resize(self.logits.len(), 0.0);
        self.total = simd::exp_into(&self.logits, self.max, 1.0, &mut self.weights);
        self.weighed = true;
    }

    /// The probabilities softmax(logits), in the order of [`ids`](Self::ids).
    pub fn probabilities(&mut self) -> Vec<f32> {
        let (weights, total) = self.weights();
        weights.iter().map(|&w| (w as f64 / total) as f32).collect()
    }

    /// Entropy of the law in nats, 0 · ln 0 = 0.
    pub fn entropy(&mut self) -> f64 {
        self.weigh();
        // H = ln Z − Σ w·d / Z with d = l − max.
        let mut moment = 0.0;
        for (&l, &w) in self.logits.iter().zip(&self.weights) {
            moment += ((l - self.max) * w) as f64;
        }
        (self.total.ln() - moment / self.total).max(0.0)
    }

    /// Changes every logit. Entries that become −∞ or NaN are removed, +∞ is cut to the largest float.
    pub(crate) fn map_logits(&mut self, mut f: impl FnMut(u32, f32) -> f32) {
        let mut lost = false;
        for (&id, l) in self.ids.iter().zip(&mut self.logits) {
            let new = f(id, *l);
            lost |= new.is_nan() || new == f32::NEG_INFINITY;
            *l = new.min(f32::MAX);
        }
        self.weighed = false;
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

    /// Drops the first `n` candidates.
    pub(crate) fn skip(&mut self, n: usize) {
        self.ids.drain(..n);
        self.logits.drain(..n);
        self.weighed = false;
    }

    /// Keeps the candidates at the places for which `keep` holds; the top candidate always stays.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let top = if self.descending { 0 } else { self.argmax() };
        let mut kept = 0;
        for i in 0..self.ids.len() {
            if i == top || keep(i) {
                self.ids[kept] = self.ids[i];
                self.logits[kept] = self.logits[i];
                kept += 1;
            }
        }
        self.cut(kept);
    }

    /// Keeps ids only (the caller does the same to the logits).
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
            self.weighed = false;
        }
    }

    /// Keeps one candidate, by place.
    pub(crate) fn keep_one(&mut self, at: usize) {
        self.ids.swap(0, at);
        self.logits.swap(0, at);
        self.cut(1);
        self.weighed = false;
        self.descending = true;
    }

    /// Keeps exactly the `k` largest (k ≥ 1), ties by lowest id. O(n).
    pub(crate) fn keep_largest(&mut self, k: usize) {
        if k >= self.len() {
            return;
        }
        if self.descending {
            return self.cut(k);
        }
        let mut ranks: Vec<u64> = self.ranked().map(|r| r.0).collect();
        let (_, &mut bound, _) = ranks.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
        let mut kept = 0;
        for i in 0..self.ids.len() {
            if rank(self.logits[i], self.ids[i]) >= bound {
                self.ids[kept] = self.ids[i];
                self.logits[kept] = self.logits[i];
                kept += 1;
            }
        }
        self.cut(kept);
    }

    /// Orders candidates by falling `key(logit)` (ties by rising id) and keeps while the mass *before* a candidate is below
    /// `bound` · (mass of all). The first is always kept.
    ///
    /// `mass` is the sum that `bound` refers to, in units of the weights; it is larger than the sum of the weights
    /// if candidates that cannot be kept were left out beforehand.
    pub(crate) fn keep_prefix(&mut self, bound: f64, mass: Option<f64>, key: impl Fn(f32) -> f32) {
        self.weigh();
        let limit = bound * mass.unwrap_or(self.total);
        let keys: Vec<f32> = self.logits.iter().map(|&l| key(l)).collect();
        let last = prefix_end(&keys, &self.ids, &self.weights, limit);
        let mut kept = 0;
        for (i, &key) in keys.iter().enumerate() {
            if rank(key, self.ids[i]) >= last {
                self.ids[kept] = self.ids[i];
                self.logits[kept] = self.logits[i];
                kept += 1;
            }
        }
        self.cut(kept);
    }

    /// Place of the draw by inverse distribution function for `u` in [0, 1).
    pub(crate) fn draw(&mut self, u: f64) -> usize {
        self.weigh();
        let target = u * self.total;
        let mut mass = 0.0;
        let mut last = 0;
        for (i, &w) in self.weights.iter().enumerate() {
            mass += w as f64;
            if w > 0.0 {
                last = i;
                if mass > target {
                    break;
                }
            }
        }
        last
    }

    /// ln p of the candidate at a place.
    pub(crate) fn log_probability(&mut self, at: usize) -> f32 {
        self.weigh();
        ((self.logits[at] - self.max) as f64 - self.total.ln()) as f32
    }

    /// The law as pairs of token and probability.
    pub fn distribution(&mut self) -> Vec<(TokenId, f32)> {
        let p = self.probabilities();
        self.ids.iter().map(|&id| TokenId(id)).zip(p).collect()
    }
}

/// Rank of the last member of the smallest prefix that is closed under "mass before it < limit".
fn prefix_end(keys: &[f32], ids: &[u32], weights: &[f32], limit: f64) -> u64 {
    const BUCKETS: usize = 2048;
    let walk = |members: &mut Vec<(u64, f32)>, mut before: f64| -> u64 {
        members.sort_unstable_by_key(|m| Reverse(m.0));
        let mut last = members.first().map_or(0, |m| m.0);
        for &(rank, weight) in members.iter() {
            if before >= limit {
                break;
            }
            last = rank;
            before += weight as f64;
        }
        last
    };
    let all = || keys.iter().zip(ids).zip(weights);
    if keys.len() <= 256 {
        return walk(&mut all().map(|((&k, &id), &w)| (rank(k, id), w)).collect(), 0.0);
    }
    let high = keys.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let low = keys.iter().copied().fold(f32::INFINITY, f32::min);
    let scale = (BUCKETS - 1) as f32 / (high - low).max(f32::MIN_POSITIVE);
    let scale = if scale.is_finite() { scale } else { 0.0 };
    // Any monotone map to buckets is right; the cast cuts NaN (from 0·∞) to bucket 0.
    let bucket = |key: f32| (((high - key) * scale) as usize).min(BUCKETS - 1);
    let mut masses = vec![0f64; BUCKETS];
    let mut counts = vec![0u32; BUCKETS];
    for (&k, &w) in keys.iter().zip(weights) {
        masses[bucket(k)] += w as f64;
        counts[bucket(k)] += 1;
    }
    let mut before = 0.0;
    let mut cut = 0;
    for b in 0..BUCKETS {
        if counts[b] == 0 {
            continue;
        }
        cut = b;
        if before + masses[b] >= limit {
            break;
        }
        before += masses[b];
    }
    let mut members =
        all().filter(|((&k, _), _)| bucket(k) == cut).map(|((&k, &id), &w)| (rank(k, id), w)).collect();
    walk(&mut members, before)
}
