//! Quadratic smoothing: bends the logits around their maximum.

use super::candidates::Candidates;

/// l' = max − k·s·d² + c·s·d³ with d = l − max, k = (3 − curve)/2, c = (curve − 1)/2; `factor` s =
/// 0 changes nothing.
///
/// Curve 1 is the plain quadratic. O(n).
///
/// Source: kalomaze's quadratic ("smooth") sampling, text-generation-webui pull requests 5403 and
/// 5551, 2024.
pub fn smoothing(candidates: &mut Candidates, factor: f32, curve: f32) {
    let level = candidates.max_logit();
    bend(candidates, factor, curve, f64::from(level));
}

/// The distribution of [`smoothing`], shifted so that the largest logit is 0, where rounding to 32
/// bits loses the least. So it serves only chains in which no later step depends on the level of
/// the logits.
pub(crate) fn smoothing_of_distribution(candidates: &mut Candidates, factor: f32, curve: f32) {
    bend(candidates, factor, curve, 0.0);
}

fn bend(candidates: &mut Candidates, factor: f32, curve: f32, level: f64) {
    if factor <= 0.0 {
        return;
    }
    let max = candidates.max_logit() as f64;
    let (s, k, c) = (factor as f64, (3.0 - curve as f64) / 2.0, (curve as f64 - 1.0) / 2.0);
    candidates.map_logits(|_, l| {
        let d = l as f64 - max;
        (level - k * s * d * d + c * s * d * d * d).max(-f32::MAX as f64) as f32
    });
}
