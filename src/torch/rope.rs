//! Rotary position embedding and its scalings.
//!
//! Dimension pair `i` of a head of size `d` is rotated by `position · f_i`, with
//! `f_i = theta^(−2i/d)` (Su et al. 2021, “RoFormer”). Models that were trained on short texts and
//! then extended to long ones change the frequencies:
//!
//! - Linear interpolation divides them all (Chen et al. 2023).
//! - YaRN divides the slow ones and keeps the fast ones (Peng et al. 2023).
//! - Llama 3 does the same with bounds given as wavelengths.
//! - GGUF files may have one divisor per pair.
//!
//! The result is a table of frequencies and a factor on cosine and sine. Positions are not limited
//! here.
//!
//! Pairs are `(i, i + d/2)`, as in Hugging Face's weights. GGUF files of the llama architecture use
//! pairs `(2i, 2i + 1)` instead; their rows are reordered when they are loaded.

use std::f64::consts::PI;

use super::device::upload;
use super::error::{Doing, TorchError};

/// The change of a model's frequencies from the original ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scaling {
    /// The original frequencies.
    None,
    /// Every frequency divided by `factor`.
    Linear {
        /// Ratio of the extended context to the original one.
        factor: f64,
    },
    /// Llama 3: wavelengths beyond `original / low` are divided, those below `original / high`
    /// kept, and those between blended.
    Llama3 {
        /// Ratio of the extended context to the original one.
        factor: f64,
        /// Number of turns within the original context below which a pair counts as slow.
        low: f64,
        /// Number of turns within the original context above which a pair counts as fast.
        high: f64,
        /// Length in tokens of the context on which the model was first trained.
        original: f64,
    },
    /// YaRN: a ramp over the pairs, from kept to divided.
    Yarn {
        /// Ratio of the extended context to the original one.
        factor: f64,
        /// Number of turns within the original context above which a pair is kept.
        fast: f64,
        /// Number of turns within the original context below which a pair is divided.
        slow: f64,
        /// Length in tokens of the context on which the model was first trained.
        original: f64,
        /// Factor on cosine and sine; `None` for `0.1 ln(factor) + 1`, or 1 if that is less.
        attention: Option<f64>,
        /// The ends of the ramp: whole pairs or not.
        ends: RampEnds,
    },
    /// One divisor per pair.
    Divisors(Vec<f32>),
}

/// The ends of YaRN's ramp over the pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RampEnds {
    /// Rounded outwards to whole pairs (`truncate` in `config.json`), which is the usual form.
    Whole,
    /// As computed.
    Exact,
}

/// The frequencies of one model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rope {
    /// Radians per position for each pair, `[head_dim / 2]`.
    pub(crate) frequencies: Vec<f32>,
    /// Factor on cosine and sine.
    pub(crate) amplitude: f64,
}

impl Rope {
    /// The frequencies of heads of `head_dim` with base `theta`.
    ///
    /// # Errors
    ///
    /// [`TorchError::Config`] for a base, factor or bound that gives no positive frequencies.
    pub(crate) fn new(head_dim: usize, theta: f64, scaling: &Scaling) -> Result<Self, TorchError> {
        let wrong = |reason: String| Err(TorchError::config("rope", reason));
        if !(theta.is_finite() && theta > 1.0) {
            return wrong(format!("has the base {theta}; a number above 1 is needed"));
        }
        let pairs = head_dim / 2;
        let plain = (0..pairs).map(|pair| theta.powf(-2.0 * pair as f64 / head_dim as f64));
        let mut amplitude = 1.0;
        let frequencies: Vec<f64> = match scaling {
            Scaling::None => plain.collect(),
            Scaling::Linear { factor } => plain.map(|frequency| frequency / factor).collect(),
            Scaling::Llama3 { factor, low, high, original } => plain
                .map(|frequency| {
                    let turns = original * frequency / (2.0 * PI);
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    frequency * (kept + (1.0 - kept) / factor)
                })
                .collect(),
            Scaling::Yarn { factor, fast, slow, original, attention, ends } => {
                amplitude = attention.unwrap_or_else(|| 0.1 * factor.max(1.0).ln() + 1.0);
                // The index of the pair that makes `turns` turns within the original context.
                let pair_with =
                    |turns: f64| head_dim as f64 * (original / (turns * 2.0 * PI)).ln() / (2.0 * theta.ln());
                let (start, end) = match ends {
                    RampEnds::Whole => (pair_with(*fast).floor(), pair_with(*slow).ceil()),
                    RampEnds::Exact => (pair_with(*fast), pair_with(*slow)),
                };
                let (start, end) = (start.max(0.0), end.min(head_dim as f64 - 1.0));
                let width = if end == start { 0.001 } else { end - start };
                plain
                    .enumerate()
                    .map(|(pair, frequency)| {
                        let divided = ((pair as f64 - start) / width).clamp(0.0, 1.0);
                        frequency * (1.0 - divided + divided / factor)
                    })
                    .collect()
            }
            Scaling::Divisors(divisors) => {
                if divisors.len() != pairs {
                    return wrong(format!(
                        "has {} frequency divisors for {pairs} pairs of dimensions",
                        divisors.len()
                    ));
                }
                plain.zip(divisors).map(|(frequency, &divisor)| frequency / f64::from(divisor)).collect()
            }
        };
        if !amplitude.is_finite()
            || !frequencies.iter().all(|&frequency| frequency > 0.0 && frequency.is_finite())
        {
            return wrong(format!("has a scaling that gives no positive frequencies: {scaling:?}"));
        }
        Ok(Self {
            frequencies: frequencies.into_iter().map(|frequency| frequency as f32).collect(),
            amplitude,
        })
    }

    /// Cosines and sines at `positions` (`[tokens]`, any integer kind): two tensors
    /// `[tokens, 1, head_dim / 2]` of the given kind, on the device of `positions`. Angles are
    /// computed in `f32`.
    pub(crate) fn at(
        &self,
        positions: &tch::Tensor,
        kind: tch::Kind,
    ) -> Result<(tch::Tensor, tch::Tensor), TorchError> {
        let doing = "computing rotary positions";
        let frequencies = upload(&self.frequencies, positions.device()).doing(doing)?;
        let angles = positions
            .f_to_kind(tch::Kind::Float)
            .and_then(|positions| positions.f_unsqueeze(1)?.f_mul(&frequencies)?.f_unsqueeze(1))
            .doing(doing)?;
        let scaled = |tensor: tch::Tensor| tensor.f_mul_scalar(self.amplitude)?.f_to_kind(kind);
        let cosine = angles.f_cos().and_then(scaled).doing(doing)?;
        let sine = angles.f_sin().and_then(scaled).doing(doing)?;
        Ok((cosine, sine))
    }
}

/// Rotates the heads of `heads` (`[tokens, heads, head_dim]`) by the angles of [`Rope::at`].
pub(crate) fn rotate(
    heads: &tch::Tensor,
    (cosine, sine): &(tch::Tensor, tch::Tensor),
) -> Result<tch::Tensor, TorchError> {
    let turned = || {
        let halves = heads.f_chunk(2, -1)?;
        let (first, second) = (&halves[0], &halves[1]);
        let low = first.f_mul(cosine)?.f_sub(&second.f_mul(sine)?)?;
        let high = second.f_mul(cosine)?.f_add(&first.f_mul(sine)?)?;
        tch::Tensor::f_cat(&[low, high], -1)
    };
    turned().doing("rotating queries and keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(rope: &Rope, expected: &[f32]) {
        assert_eq!(rope.frequencies.len(), expected.len());
        for (&found, &expected) in rope.frequencies.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-6 * expected, "{found} {expected}");
        }
    }

    #[test]
    fn plain_and_linear_frequencies() {
        close(&Rope::new(8, 10_000.0, &Scaling::None).unwrap(), &[1.0, 0.1, 0.01, 0.001]);
        let halved = Rope::new(8, 10_000.0, &Scaling::Linear { factor: 2.0 }).unwrap();
        close(&halved, &[0.5, 0.05, 0.005, 0.0005]);
        let divided = Rope::new(4, 10_000.0, &Scaling::Divisors(vec![1.0, 4.0])).unwrap();
        close(&divided, &[1.0, 0.0025]);
    }

    #[test]
    fn llama3_keeps_fast_pairs_and_divides_slow_ones() {
        let scaling = Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 8192.0 };
        let rope = Rope::new(128, 500_000.0, &scaling).unwrap();
        let plain = Rope::new(128, 500_000.0, &Scaling::None).unwrap();
        assert_eq!(rope.frequencies[..28], plain.frequencies[..28]);
        for pair in 36..64 {
            assert!((rope.frequencies[pair] * 8.0 / plain.frequencies[pair] - 1.0).abs() < 1e-6, "{pair}");
        }
        // Between them: 8192 · 500000^(−60/128) / 2π = 2.7785 turns; (2.7785 − 1) / 3 of it is
        // kept.
        let ratio = rope.frequencies[30] / plain.frequencies[30];
        assert!((ratio - 0.643743).abs() < 1e-5, "{ratio}");
    }

    #[test]
    fn yarn_ramps_between_its_bounds() {
        let scaling = |ends| Scaling::Yarn {
            factor: 4.0,
            fast: 32.0,
            slow: 1.0,
            original: 32_768.0,
            attention: None,
            ends,
        };
        let rope = Rope::new(128, 1_000_000.0, &scaling(RampEnds::Whole)).unwrap();
        let exact = Rope::new(128, 1_000_000.0, &scaling(RampEnds::Exact)).unwrap();
        let plain = Rope::new(128, 1_000_000.0, &Scaling::None).unwrap();
        // 32 turns at pair 23.6, 1 turn at pair 39.7: the ramp runs from 23 to 40.
        for pair in 0..64 {
            let divided = ((pair as f32 - 23.0) / 17.0).clamp(0.0, 1.0);
            let expected = plain.frequencies[pair] * (1.0 - 0.75 * divided);
            assert!((rope.frequencies[pair] / expected - 1.0).abs() < 1e-5, "{pair}");
            let divided = ((pair as f32 - 23.5954) / (39.6509 - 23.5954)).clamp(0.0, 1.0);
            let expected = plain.frequencies[pair] * (1.0 - 0.75 * divided);
            assert!((exact.frequencies[pair] / expected - 1.0).abs() < 1e-4, "{pair}");
        }
        assert!((rope.amplitude - 1.138_629_436).abs() < 1e-9);
    }

    #[test]
    fn impossible_scalings_are_refused() {
        for (theta, scaling) in [
            (0.0, Scaling::None),
            (f64::NAN, Scaling::None),
            (1e4, Scaling::Linear { factor: 0.0 }),
            (1e4, Scaling::Linear { factor: -1.0 }),
            (1e4, Scaling::Divisors(vec![1.0])),
            (1e4, Scaling::Divisors(vec![1.0, 0.0, 1.0, 1.0])),
        ] {
            assert!(matches!(Rope::new(8, theta, &scaling), Err(TorchError::Config { .. })), "{scaling:?}");
        }
    }

    #[test]
    fn rotation_turns_pairs_by_their_angle() {
        let rope = Rope::new(4, 100.0, &Scaling::None).unwrap();
        let angles = rope.at(&tch::Tensor::from_slice(&[0_i64, 3]), tch::Kind::Float).unwrap();
        let heads = tch::Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0].repeat(2)).view([2, 1, 4]);
        let turned = Vec::<f32>::try_from(rotate(&heads, &angles).unwrap().view([-1])).unwrap();
        assert_eq!(turned[..4], [1.0, 2.0, 3.0, 4.0]);
        for (pair, angle) in [(0, 3.0_f32), (1, 0.3)] {
            let (x, y) = ((pair + 1) as f32, (pair + 3) as f32);
            assert!((turned[4 + pair] - (x * angle.cos() - y * angle.sin())).abs() < 1e-5);
            assert!((turned[6 + pair] - (y * angle.cos() + x * angle.sin())).abs() < 1e-5);
        }
    }
}
