//! Temperatures: static, and the three that follow position or entropy.

use super::candidates::Candidates;
use super::step_settings::DynamicTemperature;

/// Static temperature: l / T. T = 0 keeps the largest logit only (lowest id among equals).
///
/// Source: Ackley, Hinton, Sejnowski, "A learning algorithm for Boltzmann machines", 1985. O(n).
pub fn temperature(candidates: &mut Candidates, t: f32) {
    if t <= 0.0 {
        let top = candidates.argmax();
        return candidates.keep_one(top);
    }
    if t == 1.0 {
        return;
    }
    let (low, high) = candidates.extent();
    // The distribution depends on differences only; where the quotient would overflow, divide those
    // instead.
    let shift = if (low.abs().max(high.abs()) / t).is_finite() { 0.0 } else { high };
    candidates.map_monotone(|l| (l - shift) / t);
}

/// Applies the [`temperature`] with less rounding on narrow rows. If the spread of the logits is at
/// most half of the largest logit's size, it computes (l − max) / T, in which the difference is
/// exact. The distribution is the same, but the logits are shifted. So it serves only chains in
/// which no later step depends on the level of the logits.
///
/// For example, around 100, l / 0.7 gives some neighbouring floats the same quotient, and (l − max)
/// / 0.7 does not.
pub(crate) fn temperature_of_distribution(candidates: &mut Candidates, t: f32) {
    let (low, high) = candidates.extent();
    if t > 0.0 && t != 1.0 && high - low <= 0.5 * high.abs() {
        return candidates.map_monotone(|l| (l - high) / t);
    }
    temperature(candidates, t);
}

/// The temperature that `rule` gives at `position` (0 for the first generated token).
///
/// - position: T · (1 + 0.3 · position / total), T where total = 0;
/// - entropy: T · (0.5 + H / H_max), with H_max = ln n for n candidates;
/// - range: low + (high − low) · (H / H_max)^exponent, as llama.cpp's dynamic temperature.
///
/// One candidate has H / H_max = 0. O(n) where the entropy is needed.
pub fn dynamic(candidates: &mut Candidates, t: f32, rule: DynamicTemperature, position: usize) -> f32 {
    match rule {
        DynamicTemperature::Position { total } => at_position(t, total, position),
        DynamicTemperature::Entropy => (t as f64 * (0.5 + relative_entropy(candidates))) as f32,
        DynamicTemperature::Range { low, high, exponent } => {
            let h = relative_entropy(candidates).powf(exponent as f64);
            (low as f64 + (high - low) as f64 * h) as f32
        }
    }
}

/// T · (1 + 0.3 · position / total).
pub(crate) fn at_position(t: f32, total: usize, position: usize) -> f32 {
    match total {
        0 => t,
        _ => (t as f64 * (1.0 + 0.3 * position as f64 / total as f64)) as f32,
    }
}

fn relative_entropy(candidates: &mut Candidates) -> f64 {
    if candidates.len() < 2 {
        return 0.0;
    }
    (candidates.entropy() / (candidates.len() as f64).ln()).min(1.0)
}
