//! Adaptive-p: steers the probability of chosen tokens to a target.
//!
//! It keeps a moving average of the probabilities of the chosen tokens. If the average is above the
//! target, the step aims below the target; if it is below, the step aims above. Candidates far from
//! this aim lose weight. It is the last step of a chain.
//!
//! Source: MrJackSpade's adaptive-p sampler, as in llama.cpp.

use super::candidates::Candidates;
use super::step_settings::AdaptiveP;

const PEAK: f64 = 5.0;
const SHARPNESS: f64 = 10.0;
const WIDTH: f64 = 0.3;

/// The moving average: decayed sums of the chosen tokens' probabilities and of their number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Average {
    sum: f64,
    weight: f64,
}

impl Average {
    /// The state before the first token: the average is the target, as after a long text that met
    /// it.
    pub fn new(rule: &AdaptiveP) -> Self {
        let weight = 1.0 / (1.0 - rule.decay as f64);
        Average { sum: rule.target as f64 * weight, weight }
    }

    /// The state after a chosen token that had probability `p` before the step.
    pub fn after(self, rule: &AdaptiveP, p: f64) -> Self {
        Average { sum: p + rule.decay as f64 * self.sum, weight: 1.0 + rule.decay as f64 * self.weight }
    }

    /// The probability to aim at now: 2·target − average, within [0, 1].
    pub fn aim(self, rule: &AdaptiveP) -> f64 {
        (2.0 * rule.target as f64 - self.sum / self.weight).clamp(0.0, 1.0)
    }
}

/// l' = 5 − 10·d²/(1 + d) with d = abs(p − aim)/0.3. O(n).
pub fn adaptive_p(candidates: &mut Candidates, aim: f64) {
    let (weights, total) = candidates.weights();
    let mut p = weights.iter().map(|&w| w as f64 / total).collect::<Vec<_>>().into_iter();
    candidates.map_logits(|_, l| {
        p.next().map_or(l, |p| {
            let d = (p - aim).abs() / WIDTH;
            (PEAK - SHARPNESS * d * d / (1.0 + d)) as f32
        })
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aim_moves_against_the_average() {
        let rule = AdaptiveP { target: 0.4, decay: 0.9 };
        let start = Average::new(&rule);
        assert!((start.aim(&rule) - 0.4).abs() < 1e-7);
        assert!(start.after(&rule, 1.0).aim(&rule) < 0.4);
        assert!(start.after(&rule, 0.0).aim(&rule) > 0.4);
        let no_memory = AdaptiveP { target: 0.4, decay: 0.0 };
        assert!((Average::new(&no_memory).after(&no_memory, 0.5).aim(&no_memory) - 0.3).abs() < 1e-7);
    }

    #[test]
    fn candidates_near_the_aim_gain() {
        let logits: Vec<f32> = [0.5f32, 0.3, 0.2].iter().map(|p| p.ln()).collect();
        let mut c = Candidates::from_logits(&logits).unwrap();
        adaptive_p(&mut c, 0.3);
        assert!((c.logits()[1] - 5.0).abs() < 1e-5);
        // d = 2/3: 5 − 10·(4/9)/(5/3) = 7/3
        assert!((c.logits()[0] - 7.0 / 3.0).abs() < 1e-5);
    }
}
