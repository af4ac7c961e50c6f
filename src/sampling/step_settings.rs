//! The settings of single steps, with their spelling as text and their ranges.
//!
//! Every type has one spelling as text: numbers with colons between them, in the order of the
//! fields, as in `0.5:0.1` for [`Xtc`]. Numbers at the end that have a default may be left out. A
//! policy is spelt by its name. Command lines, traces and the table of parameters use this
//! spelling.

use super::error::SamplingError;
use super::value::{
    ABOVE_ZERO, AT_LEAST_ONE, AT_LEAST_ZERO, Bounds, DECAY, INSIDE, Range, UNIT, Value, numbers, spelled,
};
use crate::vocab::TokenId;
use serde_json::Value as Json;

policy! {
    /// The treatment of tokens whose logit equals the k-th largest.
    enum Ties {
        /// Keep exactly k, the lowest ids among equals.
        LowestId = "lowest-id",
        /// Keep all that equal the k-th.
        KeepAll = "keep-all",
    }

    /// The place of the tail-free cut once the cumulative weight passes z at index i (from 0) of
    /// the second differences.
    enum TailFreeEnd {
        /// Keep i + 1 tokens.
        After = "after",
        /// Keep i tokens (at least one), as llama.cpp did.
        Before = "before",
    }

    /// The two forms of p-less.
    enum PLess {
        /// Keep p ≥ Σp².
        Plain = "plain",
        /// Keep p ≥ (V · Σp² − 1) / (V − 1), V the number of candidates.
        Normalised = "normalised",
    }

    /// The two Mirostat algorithms.
    enum MirostatVersion default V2 {
        /// Estimates Zipf's exponent from the top 100, then draws from a top-k.
        V1 = "1",
        /// Cuts at a surprise of μ.
        V2 = "2",
    }

    /// The way to draw a token from the final distribution. Both draw from the same distribution.
    enum Selection {
        /// Inverse of the cumulative distribution function, at one random number.
        InverseCdf = "inverse-cdf",
        /// argmax(l + g) with one Gumbel number g for each token. The choice between two tokens
        /// then does not depend on the others.
        GumbelMax = "gumbel-max",
    }
}

/// The rule by which the temperature changes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum DynamicTemperature {
    /// T · (1 + 0.3 · position / total); total 0 leaves T.
    Position {
        /// Expected length of the output, in tokens.
        total: usize,
    },
    /// T · (0.5 + H / H_max).
    Entropy,
    /// low + (high − low) · (H / H_max)^exponent; `temperature` is not used.
    Range {
        /// Temperature at entropy 0, ≥ 0.
        low: f32,
        /// Temperature at the largest entropy, ≥ low.
        high: f32,
        /// Exponent, ≥ 0; 1 is linear.
        exponent: f32,
    },
}

/// Exclude top choices.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Xtc {
    /// Probability that the step acts, in [0, 1].
    pub probability: f32,
    /// Tokens with p ≥ threshold are top choices, in [0, 1]; above 0.5 the step never acts.
    pub threshold: f32,
}

/// Quadratic smoothing.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Smoothing {
    /// s ≥ 0; 0 is off.
    pub factor: f32,
    /// Curve ≥ 0; 1 is the plain quadratic.
    pub curve: f32,
}

impl Xtc {
    /// The step with this probability and this threshold.
    pub fn new(probability: f32, threshold: f32) -> Self {
        Xtc { probability, threshold }
    }
}

impl Smoothing {
    setter! { factor, f32 }
    setter! { curve, f32 }
}

impl Default for Smoothing {
    /// Factor 0 (off), curve 1.
    fn default() -> Self {
        Smoothing { factor: 0.0, curve: 1.0 }
    }
}

/// Mirostat.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Mirostat {
    /// The version of the algorithm.
    pub version: MirostatVersion,
    /// Target surprise in bits, > 0. Usual: 5.
    pub tau: f32,
    /// Learning rate, ≥ 0. Usual: 0.1.
    pub eta: f32,
}

impl Mirostat {
    setter! { version, MirostatVersion }
    setter! { tau, f32 }
    setter! { eta, f32 }
}

impl Default for Mirostat {
    /// Version 2, τ = 5, η = 0.1.
    fn default() -> Self {
        Mirostat { version: MirostatVersion::V2, tau: 5.0, eta: 0.1 }
    }
}

/// Adaptive-p.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct AdaptiveP {
    /// Probability that chosen tokens should have on average, in [0, 1].
    pub target: f32,
    /// Decay of the moving average, in [0, 0.99]. Usual: 0.9.
    pub decay: f32,
}

impl AdaptiveP {
    setter! { target, f32 }
    setter! { decay, f32 }
}

impl Default for AdaptiveP {
    /// Target 0.5, decay 0.9.
    fn default() -> Self {
        AdaptiveP { target: 0.5, decay: 0.9 }
    }
}

/// "Don't repeat yourself".
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Dry {
    /// m ≥ 0; 0 is off. Usual: 0.8.
    pub multiplier: f32,
    /// b ≥ 1. Default 1.75.
    pub base: f32,
    /// Repetitions up to this length are free. Default 2.
    pub allowed_length: usize,
    /// Number of the last tokens that are searched. Default: all.
    pub window: Option<usize>,
    /// Tokens that no repetition reaches across. Default none.
    pub breakers: Vec<TokenId>,
}

impl Dry {
    setter! { multiplier, f32 }
    setter! { base, f32 }
    setter! { allowed_length, usize }
    setter! { window, Option<usize> }
    setter! { breakers, Vec<TokenId> }
}

impl Default for Dry {
    /// Multiplier 0.8, base 1.75, allowed length 2, no window, no breakers.
    fn default() -> Self {
        Dry { multiplier: 0.8, base: 1.75, allowed_length: 2, window: None, breakers: Vec::new() }
    }
}

/// Exponential decay of the length: end tokens gain abs(l) · (factor^(position − start) − 1) after
/// `start`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ExponentialDecay {
    /// Position after which the end tokens gain.
    pub start: usize,
    /// Factor > 0; above 1 it makes an end more and more probable.
    pub factor: f32,
}

impl ExponentialDecay {
    /// A decay by this factor from this position on.
    pub fn new(start: usize, factor: f32) -> Self {
        ExponentialDecay { start, factor }
    }
}

/// Green-list watermark of Kirchenbauer et al.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Watermark {
    /// Share of the vocabulary on the green list, in (0, 1). Default 0.25.
    pub greenlist_ratio: f32,
    /// Added to green logits, above 0. Default 2.
    pub bias: f32,
    /// Secret key. Default 15485863.
    pub hashing_key: u64,
    /// The way in which the preceding tokens give the green list's seed. Default
    /// [`WatermarkSeeding::LeftHash`].
    pub seeding: WatermarkSeeding,
}

/// The tokens that decide a watermark's green list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WatermarkSeeding {
    /// The last token before the candidate.
    #[default]
    LeftHash,
    /// The last tokens before the candidate, and the candidate itself.
    SelfHash {
        /// Number of tokens, the candidate included, ≥ 1.
        context_width: usize,
    },
}

impl Watermark {
    setter! { greenlist_ratio, f32 }
    setter! { bias, f32 }
    setter! { hashing_key, u64 }
    setter! { seeding, WatermarkSeeding }
}

impl Default for Watermark {
    /// As the Hugging Face library: ratio 0.25, bias 2, key 15485863, left hash.
    fn default() -> Self {
        Watermark {
            greenlist_ratio: 0.25,
            bias: 2.0,
            hashing_key: 15_485_863,
            seeding: WatermarkSeeding::LeftHash,
        }
    }
}

spelled!(Ties, TailFreeEnd, PLess, Selection);

impl Value for DynamicTemperature {
    fn read(text: &str) -> Result<Self, String> {
        let expected = || "expected `position:TOTAL`, `entropy` or `range:LOW:HIGH[:EXPONENT]`".to_owned();
        let (rule, rest) = text.split_once(':').unwrap_or((text, ""));
        match rule {
            "entropy" if rest.is_empty() => Ok(DynamicTemperature::Entropy),
            "position" => Ok(DynamicTemperature::Position { total: rest.parse().map_err(|_| expected())? }),
            "range" => match numbers::<f32>(rest, "LOW:HIGH:EXPONENT", 2)?[..] {
                [low, high] => Ok(DynamicTemperature::Range { low, high, exponent: 1.0 }),
                [low, high, exponent] => Ok(DynamicTemperature::Range { low, high, exponent }),
                _ => Err(expected()),
            },
            _ => Err(expected()),
        }
    }

    fn show(&self) -> String {
        match self {
            DynamicTemperature::Entropy => "entropy".to_owned(),
            DynamicTemperature::Position { total } => format!("position:{total}"),
            DynamicTemperature::Range { low, high, exponent } => format!("range:{low}:{high}:{exponent}"),
        }
    }

    fn check(&self, _: &'static str, _: &Range) -> Result<(), SamplingError> {
        if let DynamicTemperature::Range { low, high, exponent } = *self {
            AT_LEAST_ZERO.check("dynamic_temperature.low", low)?;
            if !(high >= low && high.is_finite()) {
                let expected = "a finite number >= low";
                return Err(SamplingError::parameter("dynamic_temperature.high", high, expected));
            }
            AT_LEAST_ZERO.check("dynamic_temperature.exponent", exponent)?;
        }
        Ok(())
    }
}

impl Value for Xtc {
    fn read(text: &str) -> Result<Self, String> {
        match numbers(text, "PROBABILITY:THRESHOLD", 2)?[..] {
            [probability, threshold] => Ok(Xtc { probability, threshold }),
            _ => Err("expected PROBABILITY:THRESHOLD".to_owned()),
        }
    }

    fn show(&self) -> String {
        format!("{}:{}", self.probability, self.threshold)
    }

    fn check(&self, _: &'static str, _: &Range) -> Result<(), SamplingError> {
        UNIT.check("xtc.probability", self.probability)?;
        UNIT.check("xtc.threshold", self.threshold)
    }
}

impl Value for Mirostat {
    fn read(text: &str) -> Result<Self, String> {
        let expected = || "expected VERSION[:TAU[:ETA]] with version 1 or 2".to_owned();
        let (version, rest) =
            text.split_once(':').map_or((text, None), |(version, rest)| (version, Some(rest)));
        let version = version.parse().map_err(|_| expected())?;
        let mut rule = Mirostat { version, ..Mirostat::default() };
        if let Some(rest) = rest {
            let values = numbers(rest, "TAU:ETA", 1)?;
            rule.tau = values[0];
            rule.eta = values.get(1).copied().unwrap_or(rule.eta);
        }
        Ok(rule)
    }

    fn show(&self) -> String {
        format!("{}:{}:{}", self.version, self.tau, self.eta)
    }

    fn check(&self, _: &'static str, _: &Range) -> Result<(), SamplingError> {
        ABOVE_ZERO.check("mirostat.tau", self.tau)?;
        AT_LEAST_ZERO.check("mirostat.eta", self.eta)
    }
}

/// Declares the text of two numbers with a colon between them, of which the second may be missing,
/// and the ranges of both.
macro_rules! two_numbers {
    ($type:ident as $name:literal, $form:literal: $first:ident in $range:expr, $second:ident in $other:expr) => {
        impl Value for $type {
            fn read(text: &str) -> Result<Self, String> {
                let values = numbers(text, $form, 1)?;
                let standard = $type::default();
                Ok($type { $first: values[0], $second: values.get(1).copied().unwrap_or(standard.$second) })
            }

            fn show(&self) -> String {
                format!("{}:{}", self.$first, self.$second)
            }

            fn check(&self, _: &'static str, _: &Range) -> Result<(), SamplingError> {
                $range.check(concat!($name, ".", stringify!($first)), self.$first)?;
                $other.check(concat!($name, ".", stringify!($second)), self.$second)
            }
        }
    };
}
two_numbers!(Smoothing as "smoothing", "FACTOR:CURVE": factor in AT_LEAST_ZERO, curve in AT_LEAST_ZERO);
two_numbers!(AdaptiveP as "adaptive_p", "TARGET:DECAY": target in UNIT, decay in DECAY);

/// The text is `MULTIPLIER[:BASE[:LENGTH[:WINDOW]]]`, where a window of 0 is all tokens, and after
/// a `/` the breakers: `0.8:1.75:2:0/13,198`.
impl Value for Dry {
    fn read(text: &str) -> Result<Self, String> {
        let expected = || "expected MULTIPLIER[:BASE[:LENGTH[:WINDOW]]][/BREAKERS]".to_owned();
        let (text, breakers) = text.split_once('/').unwrap_or((text, ""));
        let parts: Vec<&str> = text.split(':').collect();
        let number = |part: &str| part.parse::<f32>().map_err(|_| expected());
        let count = |part: &str| part.parse::<usize>().map_err(|_| expected());
        let mut rule =
            Dry { multiplier: number(parts[0])?, breakers: Value::read(breakers)?, ..Dry::default() };
        match parts[1..] {
            [] => {}
            [base] => rule.base = number(base)?,
            [base, length] => (rule.base, rule.allowed_length) = (number(base)?, count(length)?),
            [base, length, window] => {
                (rule.base, rule.allowed_length) = (number(base)?, count(length)?);
                rule.window = Some(count(window)?).filter(|&window| window > 0);
            }
            _ => return Err(expected()),
        }
        Ok(rule)
    }

    fn show(&self) -> String {
        let Dry { multiplier, base, allowed_length, window, breakers } = self;
        let numbers = format!("{multiplier}:{base}:{allowed_length}:{}", window.unwrap_or(0));
        match breakers.is_empty() {
            true => numbers,
            false => format!("{numbers}/{}", breakers.show()),
        }
    }

    fn check(&self, _: &'static str, _: &Range) -> Result<(), SamplingError> {
        AT_LEAST_ZERO.check("dry.multiplier", self.multiplier)?;
        AT_LEAST_ONE.check("dry.base", self.base)
    }
}

impl Value for ExponentialDecay {
    fn read(text: &str) -> Result<Self, String> {
        let read = |(start, factor): (&str, &str)| {
            Some(ExponentialDecay { start: start.parse().ok()?, factor: factor.parse().ok()? })
        };
        let expected = "expected START:FACTOR, such as 100:1.05";
        text.split_once(':').and_then(read).ok_or_else(|| expected.to_owned())
    }

    fn show(&self) -> String {
        format!("{}:{}", self.start, self.factor)
    }

    /// A pair `[start, factor]`.
    fn from_json(json: &Json, _: Bounds) -> Result<Self, String> {
        let pair = match json.as_array().map(Vec::as_slice) {
            Some([start, factor]) => start.as_u64().zip(factor.as_f64()),
            _ => None,
        };
        let decay = pair.map(|(start, factor)| ExponentialDecay::new(start as usize, factor as f32));
        decay.ok_or_else(|| format!("{json} is not a pair [start, factor]"))
    }

    fn check(&self, _: &'static str, _: &Range) -> Result<(), SamplingError> {
        ABOVE_ZERO.check("exponential_decay.factor", self.factor)
    }
}

/// The text is `RATIO:BIAS[:KEY[:WIDTH]]`. With a width, the list depends on the last `WIDTH`
/// tokens, the candidate included.
impl Value for Watermark {
    fn read(text: &str) -> Result<Self, String> {
        let expected = || "expected RATIO:BIAS[:KEY[:WIDTH]]".to_owned();
        let parts: Vec<&str> = text.split(':').collect();
        let [ratio, bias, rest @ ..] = &parts[..] else { return Err(expected()) };
        let number = |part: &str| part.parse::<f32>().map_err(|_| expected());
        let mut rule = Watermark::default();
        (rule.greenlist_ratio, rule.bias) = (number(ratio)?, number(bias)?);
        if let Some(key) = rest.first() {
            rule.hashing_key = key.parse().map_err(|_| format!("{}, with a KEY from 0 on", expected()))?;
        }
        if let Some(width) = rest.get(1) {
            let context_width = width.parse().map_err(|_| expected())?;
            rule.seeding = WatermarkSeeding::SelfHash { context_width };
        }
        match rest.len() {
            0..=2 => Ok(rule),
            _ => Err(expected()),
        }
    }

    fn show(&self) -> String {
        let Watermark { greenlist_ratio, bias, hashing_key, seeding } = self;
        match seeding {
            WatermarkSeeding::LeftHash => format!("{greenlist_ratio}:{bias}:{hashing_key}"),
            WatermarkSeeding::SelfHash { context_width } => {
                format!("{greenlist_ratio}:{bias}:{hashing_key}:{context_width}")
            }
        }
    }

    fn check(&self, _: &'static str, _: &Range) -> Result<(), SamplingError> {
        INSIDE.check("watermark.greenlist_ratio", self.greenlist_ratio)?;
        ABOVE_ZERO.check("watermark.bias", self.bias)?;
        match self.seeding {
            WatermarkSeeding::SelfHash { context_width: 0 } => {
                Err(SamplingError::parameter("watermark.context_width", 0, "a number >= 1"))
            }
            _ => Ok(()),
        }
    }
}
