//! From a whole row to the few tokens that a step can keep, in about one pass over the memory.
//!
//! A first pass finds the maximum of every block of 256 logits, and any NaN or +∞. These maxima are
//! a small index of the row. The k-th largest of them is a lower bound of the k-th largest logit,
//! because k blocks have a logit at least that large. A block whose maximum is below a threshold
//! need not be read again. Then
//!
//! - **top-k** reads the blocks that reach the bound again (about k of them);
//! - **min-p** has its threshold at once;
//! - **top-p** needs Σ eˡ, a second pass of exponentials, or bounds of it where the row has a peak;
//!   then every token below max + ln((1 − p)·Z/n) can be left out, because all of those together
//!   have less than the mass 1 − p; here n is the number of tokens, and Z = Σ e^(l − max);
//! - **typical** needs the entropy, and with it every token's distance from it: weights and
//!   distances are kept for the whole row;
//! - a **draw without truncation** remembers the sum of each block and looks into one block only.
//!
//! The collected tokens are a superset of those that the step keeps. The step itself then runs on
//! them, by the same code as on any candidates. So results are exact for every size and every
//! distribution, and only the time depends on these.

use super::candidates::{Candidates, Centre, Order};
use super::error::SamplingError;
use super::rank::rank;
use super::row::{MaskedRow, check_logit};
use super::simd::{self, BLOCK};
use super::temperature::temperature_of_distribution;

/// The maximum of every block of a row, and of the row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    maxima: Vec<f32>,
    pub max: f32,
}

/// A block whose maximum lies this far below the row's, in units of the temperature, counts as
/// light: each of its entries weighs less than e^−8 of the largest one.
const LIGHT: f32 = 8.0;

const EMPTY: &str =
    "every logit is -inf, banned, or forbidden by the mask; loosen the bans or check the mask";

impl Index {
    /// Reads the row once.
    pub fn build(&mut self, row: &MaskedRow<'_>) -> Result<(), SamplingError> {
        self.maxima.clear();
        self.maxima.resize(row.blocks(), f32::NEG_INFINITY);
        match row.mask {
            None => simd::block_maxima(row.logits, &mut self.maxima),
            // Tokens beyond the mask's end are not allowed: their blocks keep −∞.
            Some(mask) => {
                let reach = row.logits.len().min(mask.len() * 32);
                let blocks = reach.div_ceil(BLOCK);
                simd::masked_maxima(&row.logits[..reach], mask, &mut self.maxima[..blocks]);
            }
        }
        // The blocks that hold an edited logit are read again, with the edits.
        let mut scratch = [0.0; BLOCK];
        let mut edits = row.edits;
        while let Some(&(id, _)) = edits.first() {
            let b = id as usize / BLOCK;
            edits = &edits[edits.partition_point(|edit| edit.0 as usize / BLOCK == b)..];
            if let Some(block) = row.block(b, &mut scratch) {
                simd::block_maxima(block, &mut self.maxima[b..b + 1]);
            }
        }
        self.max = f32::NEG_INFINITY;
        for (b, &max) in self.maxima.iter().enumerate() {
            if max.is_nan() || max == f32::INFINITY {
                let block = row.block(b, &mut scratch).unwrap_or(&[]);
                for (i, &logit) in block.iter().enumerate() {
                    check_logit((b * BLOCK + i) as u32, logit)?;
                }
            }
            self.max = self.max.max(max);
        }
        if self.max == f32::NEG_INFINITY {
            return Err(SamplingError::EmptySupport { reason: EMPTY });
        }
        Ok(())
    }

    /// Collects every entry ≥ `bound`.
    pub fn collect(&self, row: &MaskedRow<'_>, bound: f32, out: &mut Candidates) {
        let bound = bound.max(f32::MIN);
        let (ids, logits) = out.refill();
        let mut scratch = [0.0; BLOCK];
        for (b, &max) in self.maxima.iter().enumerate() {
            if max >= bound
                && let Some(block) = row.block(b, &mut scratch)
            {
                simd::collect_at_least(block, bound, (b * BLOCK) as u32, (ids, logits));
            }
        }
    }

    /// Collects the `k` largest entries (k ≥ 1), lowest ids among equals.
    pub fn top_k(&self, row: &MaskedRow<'_>, k: usize, out: &mut Candidates) {
        if k > self.maxima.len() {
            self.collect(row, f32::MIN, out);
            return out.keep_largest(k);
        }
        let mut order = self.maxima.clone();
        let (_, &mut bound, _) = order.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        let mut bound = bound.max(f32::MIN);
        let room = 4 * k + 4 * BLOCK;
        let (ids, logits) = out.refill();
        let mut scratch = [0.0; BLOCK];
        for (b, &max) in self.maxima.iter().enumerate() {
            if max < bound {
                continue;
            }
            if let Some(block) = row.block(b, &mut scratch) {
                simd::collect_at_least(block, bound, (b * BLOCK) as u32, (ids, logits));
            }
            if ids.len() > room {
                // Rows with many equal logits: keep the best k so far. Later equals have higher
                // ids, so from now on only larger logits can be among the best.
                let mut ranks: Vec<u64> = ids.iter().zip(&*logits).map(|(&id, &l)| rank(l, id)).collect();
                let (_, &mut last, _) = ranks.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
                let mut kept = 0;
                for i in 0..ids.len() {
                    if rank(logits[i], ids[i]) >= last {
                        (ids[kept], logits[kept]) = (ids[i], logits[i]);
                        kept += 1;
                    }
                }
                ids.truncate(kept);
                logits.truncate(kept);
                let least = logits.iter().copied().fold(f32::INFINITY, f32::min);
                bound = least.next_up();
            }
        }
        out.keep_largest(k);
    }

    /// Collects what top-p keeps under temperature `t`, with logits divided by `t`.
    ///
    /// If only few blocks have much mass, the mass of the others is only bounded, at a quarter of
    /// the price. If both bounds give the same cut, that is the result. Otherwise the mass is
    /// computed.
    pub fn nucleus(&self, row: &MaskedRow<'_>, t: f32, p: f32, sums: &mut Vec<f64>, out: &mut Candidates) {
        if let Some((least, most)) = self.mass_bounds(row, t) {
            self.collect_nucleus(row, t, p, least, out);
            temperature_of_distribution(out, t);
            out.keep_prefix(p as f64, Some(most), Order::Falling);
            if out.is_prefix_of(p as f64, least) {
                return;
            }
        }
        let total = self.mass(row, t, sums);
        self.collect_nucleus(row, t, p, total, out);
        temperature_of_distribution(out, t);
        out.keep_prefix(p as f64, Some(total), Order::Falling);
    }

    /// Collects all that top-p could keep under temperature `t` of a row whose mass is at least
    /// `total`.
    fn collect_nucleus(&self, row: &MaskedRow<'_>, t: f32, p: f32, total: f64, out: &mut Candidates) {
        // All tokens below the bound together weigh at most n·e^((bound − max)/t) < (1 − p)·total.
        // The factor covers rounding.
        let share = (1.0 - p as f64) * total / row.logits.len() as f64;
        let bound = self.max as f64 + t as f64 * (0.99 * share).ln();
        // Rounded down, which loses nothing.
        self.collect(row, (bound as f32).next_down(), out);
    }

    /// A lower and an upper bound of [`mass`](Self::mass), if most blocks are far below the
    /// maximum. `None` if the mass itself would cost little more.
    fn mass_bounds(&self, row: &MaskedRow<'_>, t: f32) -> Option<(f64, f64)> {
        let scale = 1.0 / t;
        let light = self.max - LIGHT * t;
        if 2 * self.maxima.iter().filter(|&&max| max > light).count() > self.maxima.len() {
            return None;
        }
        let (mut exact, mut bound) = (0.0, 0.0);
        row.for_each_block(|b, x| match self.maxima[b] > light {
            true => exact += simd::sum_exp(x, self.max, scale),
            false => bound += simd::bound_exp(x, self.max, scale),
        });
        Some((exact + bound / simd::BOUND_EXCESS, exact + bound))
    }

    /// Collects what typical keeps under temperature `t`, with logits divided by `t`. `weights` is
    /// a buffer that is used again for every row.
    pub fn typical(
        &self,
        row: &MaskedRow<'_>,
        t: f32,
        mass: f32,
        weights: &mut Vec<f32>,
        out: &mut Candidates,
    ) {
        let scale = 1.0 / t;
        let (mut total, mut moment) = (0.0, 0.0);
        weights.clear();
        row.for_each_block(|b, x| {
            // Blocks without an allowed token weigh nothing.
            weights.resize(b * BLOCK, 0.0);
            total += simd::exp_into(x, self.max, scale, weights);
            moment += simd::moment(x, self.max, scale, &weights[b * BLOCK..]);
        });
        weights.resize(row.logits.len(), 0.0);
        let centre = Centre { max: self.max, scale, offset: (moment / total) as f32 };
        out.collect_typical(row, (weights, total), centre, mass as f64);
        temperature_of_distribution(out, t);
    }

    /// Collects all that a cut at −log₂ p ≤ `mu` could keep under temperature `t`, and gives Σ
    /// e^((l − max)/t) over the row.
    pub fn collect_unsurprising(
        &self,
        row: &MaskedRow<'_>,
        t: f32,
        mu: f64,
        sums: &mut Vec<f64>,
        out: &mut Candidates,
    ) -> f64 {
        let total = self.mass(row, t, sums);
        // The top token is collected whatever μ is.
        let distance = (t as f64 * (total.ln() - mu * std::f64::consts::LN_2)).min(0.0);
        let slack = 1e-5 * (self.max.abs() as f64 + distance.abs()) + 1e-5;
        self.collect(row, (self.max as f64 + distance - slack) as f32, out);
        total
    }

    /// Collects all that min-p could keep under temperature `t`.
    pub fn collect_near_top(&self, row: &MaskedRow<'_>, t: f32, m: f32, out: &mut Candidates) {
        let distance = t as f64 * (m as f64).ln();
        // A little further down than exact, so that rounding loses nothing: the step itself
        // decides.
        let slack = 1e-5 * (self.max.abs() as f64 + distance.abs()) + 1e-5;
        self.collect(row, (self.max as f64 + distance - slack) as f32, out);
    }

    /// Number of finite entries.
    pub fn finite(&self, row: &MaskedRow<'_>) -> f64 {
        let mut finite = 0.0;
        row.for_each_block(|_, x| finite += simd::split(x, None, f32::MIN..f32::MIN, &mut Vec::new()));
        finite
    }

    /// Σ e^((l − max)/t) over the row; `sums` gets the part of each block.
    pub fn mass(&self, row: &MaskedRow<'_>, t: f32, sums: &mut Vec<f64>) -> f64 {
        let scale = 1.0 / t;
        sums.clear();
        sums.resize(self.maxima.len(), 0.0);
        row.for_each_block(|b, x| sums[b] = simd::sum_exp(x, self.max, scale));
        sums.iter().sum()
    }

    /// Draws from softmax(l / t): token, logit and ln p.
    pub fn draw(&self, row: &MaskedRow<'_>, t: f32, u: f64, sums: &mut Vec<f64>) -> (u32, f32) {
        let total = self.mass(row, t, sums);
        let target = u * total;
        let mut before = 0.0;
        let mut chosen = 0;
        for (b, &sum) in sums.iter().enumerate() {
            if self.maxima[b] > f32::NEG_INFINITY {
                chosen = b;
                if before + sum > target {
                    break;
                }
                before += sum;
            }
        }
        let mut scratch = [0.0; BLOCK];
        let block = row.block(chosen, &mut scratch).unwrap_or(&[]);
        let mut weights = Vec::with_capacity(BLOCK);
        simd::exp_into(block, self.max, 1.0 / t, &mut weights);
        let mut last = 0;
        for (i, (&weight, &logit)) in weights.iter().zip(block).enumerate() {
            if logit > f32::NEG_INFINITY {
                last = i;
                before += weight as f64;
                if before > target {
                    break;
                }
            }
        }
        let logit = block.get(last).copied().unwrap_or(self.max);
        ((chosen * BLOCK + last) as u32, (((logit - self.max) / t) as f64 - total.ln()) as f32)
    }

    /// Lowest id with the largest logit.
    pub fn argmax(&self, row: &MaskedRow<'_>) -> u32 {
        let mut scratch = [0.0; BLOCK];
        let b = self.maxima.iter().position(|&max| max == self.max).unwrap_or(0);
        let block = row.block(b, &mut scratch).unwrap_or(&[]);
        (b * BLOCK + block.iter().position(|&l| l == self.max).unwrap_or(0)) as u32
    }
}

/// Collects the entries of the `allowed` bits of the mask one by one: for masks with few tokens.
pub(crate) fn gather(
    row: &MaskedRow<'_>,
    mask: &[u32],
    allowed: usize,
    ids: &mut Vec<u32>,
    logits: &mut Vec<f32>,
) -> Result<(), SamplingError> {
    ids.clear();
    ids.resize(allowed, 0);
    let (mut at, n) = (0, row.logits.len());
    for (eight, words) in mask.chunks(8).enumerate() {
        if words.iter().fold(0, |all, w| all | w) == 0 {
            continue;
        }
        for (w, &word) in words.iter().enumerate() {
            let first = (eight * 8 + w) * 32;
            let mut bits = word;
            while bits != 0 {
                ids[at] = first as u32 + bits.trailing_zeros();
                at += 1;
                bits &= bits - 1;
            }
        }
    }
    // Bits beyond the row stand for nothing.
    ids.truncate(ids.partition_point(|&id| (id as usize) < n));
    logits.clear();
    logits.extend(ids.iter().map(|&id| row.logits[id as usize]));
    if !row.edits.is_empty() {
        for (id, logit) in ids.iter().zip(logits.iter_mut()) {
            if let Ok(at) = row.edits.binary_search_by_key(id, |e| e.0) {
                *logit = row.edits[at].1;
            }
        }
    }
    let fault = logits.iter().fold(false, |fault, &l| fault | l.is_nan() | (l == f32::INFINITY));
    if fault {
        for (&id, &logit) in ids.iter().zip(logits.iter()) {
            check_logit(id, logit)?;
        }
    }
    match logits.is_empty() {
        true => Err(SamplingError::EmptySupport { reason: EMPTY }),
        false => Ok(()),
    }
}
