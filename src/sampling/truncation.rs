//! Truncations: each keeps part of the candidates, by a rule on the distribution softmax(logits).
//!
//! In every formula p is the distribution over the candidates that are left when the step begins, l
//! their logits, H = −Σ p ln p.
//!
//! - Rules that keep a *prefix of a sorted order* (top-k, top-p, typical, tail-free, top-H, XTC)
//!   break ties by the lowest id.
//! - Rules that keep the candidates above a *bound* (min-p, ε, η, top-a, top-nσ, p-less) treat
//!   equal candidates alike. If no candidate reaches the bound, as under ε = 0.02 on a flat row of
//!   64 candidates, all that equal the largest stay, as in Hugging Face transformers.
//!
//! At least one candidate stays: the most probable one, except where a rule is made to drop it
//! (typical, XTC). Rules of the first kind need no sort either (see [`Candidates`]); all are O(n)
//! except tail-free and top-H, which sort.
//!
//! Results are as exact as with 64-bit numbers, on rows of any spread, from one unit in the last
//! place to the whole range of a float. Logits are compared and not their weights, and only sums of
//! weights are rounded.

use super::candidates::{Candidates, Order};
use super::step_settings::{PLess, TailFreeEnd, Ties};

/// Keeps the `k` largest logits exactly; `k` = 0 keeps all.
///
/// Source: Fan, Lewis, Dauphin, "Hierarchical neural story generation", 2018.
pub fn top_k(candidates: &mut Candidates, k: usize) {
    top_k_with_ties(candidates, k, Ties::LowestId);
}

/// [`top_k`] with a choice of what happens to candidates that equal the k-th.
pub fn top_k_with_ties(candidates: &mut Candidates, k: usize, ties: Ties) {
    if k == 0 || k >= candidates.len() {
        return;
    }
    match ties {
        Ties::LowestId => candidates.keep_largest(k),
        Ties::KeepAll => {
            let mut logits = candidates.logits().to_vec();
            let (_, &mut bound, _) = logits.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
            candidates.keep_at_least(f64::from(bound));
        }
    }
}

/// Nucleus: keeps the smallest prefix of the sorted order whose mass is at least `p`. A token stays
/// while the mass before it is < p. For example, of tokens with the probabilities 0.5, 0.3 and 0.2
/// it keeps two for p = 0.7.
///
/// Source: Holtzman et al., "The curious case of neural text degeneration", 2020.
pub fn top_p(candidates: &mut Candidates, p: f32) {
    if p < 1.0 {
        candidates.keep_prefix(p as f64, None, Order::Falling);
    }
}

/// Keeps p ≥ m · p_max, that is l ≥ l_max + ln m, inclusive.
///
/// Source: Nguyen et al., "Turning up the heat: min-p sampling", 2024.
pub fn min_p(candidates: &mut Candidates, m: f32) {
    if m > 0.0 {
        candidates.keep_weight(f64::from(m));
    }
}

/// Locally typical: orders by abs(−ln p − H) and keeps while the mass before a token is < `mass`.
///
/// Source: Meister et al., "Locally typical sampling", 2023.
pub fn typical(candidates: &mut Candidates, mass: f32) {
    if mass >= 1.0 {
        return;
    }
    // −ln p − H = (max − l) + Σ p·(l − max): no logarithm, so that narrow rows lose no digits.
    let offset = candidates.mean_distance() as f32;
    candidates.keep_prefix(mass as f64, None, Order::Typical { offset });
}

/// Tail-free: cuts where the curve of the sorted probabilities p₀ ≥ p₁ ≥ … flattens.
///
/// The absolute second differences of p are scaled to sum 1. At the first index i where their
/// running sum exceeds `z`, i + 1 candidates stay (or i, see [`TailFreeEnd`]). Second differences
/// that sum to about 0 count as equal. If there are at most two candidates, all stay.
///
/// Source: Trenton Bricken, "Tail free sampling", 2019. O(n log n).
pub fn tail_free(candidates: &mut Candidates, z: f32, end: TailFreeEnd) {
    if z >= 1.0 || candidates.len() <= 2 {
        return;
    }
    candidates.sort_descending();
    // Differences of neighbouring probabilities are far below the rounding of 32-bit weights, so
    // these are 64-bit.
    let max = candidates.max_logit() as f64;
    let mut p: Vec<f64> = candidates.logits().iter().map(|&l| (l as f64 - max).exp()).collect();
    let total: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= total);
    let curvature = |i: usize| ((p[i] - p[i + 1]) - (p[i + 1] - p[i + 2])).abs();
    let n = p.len() - 2;
    let sum: f64 = (0..n).map(curvature).sum();
    let flat = sum <= 1e-6;
    let mut running = 0.0;
    let mut keep = p.len();
    for i in 0..n {
        running += if flat { 1.0 / n as f64 } else { curvature(i) / sum };
        if running > z as f64 {
            keep = match end {
                TailFreeEnd::After => i + 1,
                TailFreeEnd::Before => i.max(1),
            };
            break;
        }
    }
    candidates.cut(keep);
}

/// Keeps p ≥ ε.
///
/// Source: Hewitt, Manning, Liang, "Truncation sampling as language model desmoothing", 2022.
pub fn epsilon(candidates: &mut Candidates, epsilon: f32) {
    if epsilon > 0.0 {
        keep_probable(candidates, epsilon as f64);
    }
}

/// Keeps p ≥ min(ε, √ε · e^−H).
///
/// Source: as [`epsilon`].
pub fn eta(candidates: &mut Candidates, epsilon: f32) {
    if epsilon > 0.0 {
        let h = candidates.entropy();
        keep_probable(candidates, (epsilon as f64).min((epsilon as f64).sqrt() * (-h).exp()));
    }
}

/// Keeps p ≥ a · p_max².
///
/// Source: the top-a sampler of BlinkDL's RWKV and KoboldAI.
pub fn top_a(candidates: &mut Candidates, a: f32) {
    if a > 0.0 {
        let (_, total) = candidates.weights();
        keep_probable(candidates, a as f64 / (total * total));
    }
}

/// Keeps p ≥ Σ p², or p ≥ (V · Σ p² − 1) / (V − 1) for V candidates.
///
/// Source: Tan et al., "p-less sampling", 2025.
pub fn p_less(candidates: &mut Candidates, form: PLess) {
    let (weights, total) = candidates.weights();
    let collision: f64 = weights.iter().map(|&w| (w as f64 / total).powi(2)).sum();
    let v = weights.len() as f64;
    let bound = match form {
        PLess::Plain => collision,
        PLess::Normalised if v > 1.0 => (v * collision - 1.0) / (v - 1.0),
        PLess::Normalised => 0.0,
    };
    keep_probable(candidates, bound);
}

/// Keeps p ≥ `bound`. If there are none, keeps all that are as probable as the top one.
fn keep_probable(candidates: &mut Candidates, bound: f64) {
    let (_, total) = candidates.weights();
    candidates.keep_weight(bound * total);
}

/// Keeps l ≥ max − n·σ, with σ the population standard deviation of the logits.
///
/// Source: Tang et al., "Top-nσ: not all logits are you need", 2024.
pub fn top_n_sigma(candidates: &mut Candidates, n: f32) {
    let max = f64::from(candidates.max_logit());
    let count = candidates.len() as f64;
    // Distances from the largest logit are exact, so that narrow rows lose no digits.
    let distances = || candidates.logits().iter().map(|&l| f64::from(l) - max);
    let mean = distances().sum::<f64>() / count;
    let variance = distances().map(|d| (d - mean).powi(2)).sum::<f64>() / count;
    candidates.keep_at_least(max - f64::from(n) * variance.sqrt());
}

/// Among the 100 most probable candidates, renormalised: keeps, in order, while the running sum of
/// −p ln p is ≤ h · H.
///
/// Source: Potraghloo et al., "Top-H decoding", 2025; the cap of 100 as in Hugging Face
/// transformers.
pub fn top_h(candidates: &mut Candidates, h: f32) {
    candidates.keep_largest(100);
    candidates.sort_descending();
    let bound = h as f64 * candidates.entropy();
    let (weights, total) = candidates.weights();
    let mut running = 0.0;
    let keep = weights
        .iter()
        .take_while(|&&w| {
            let p = w as f64 / total;
            running -= if p > 0.0 { p * p.ln() } else { 0.0 };
            running <= bound
        })
        .count();
    candidates.cut(keep.max(1));
}

/// Exclude top choices: if `coin` < `probability`, drops every p ≥ `threshold` but the least
/// probable of them.
///
/// `coin` is a uniform number in [0, 1). With fewer than two such candidates, as always for a
/// threshold above 0.5, nothing happens.
///
/// Source: p-e-w, text-generation-webui pull request 6335, 2024.
pub fn xtc(candidates: &mut Candidates, probability: f32, threshold: f32, coin: f64) {
    if threshold > 0.5 || coin >= probability as f64 {
        return;
    }
    candidates.sort_descending();
    let (_, total) = candidates.weights();
    let (max, bound) = (f64::from(candidates.max_logit()), (f64::from(threshold) * total).ln());
    let top = candidates.logits().iter().take_while(|&&l| f64::from(l) - max >= bound).count();
    if top > 1 {
        candidates.skip(top - 1);
    }
}
