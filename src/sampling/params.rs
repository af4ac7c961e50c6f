//! What to do to a row of logits, as plain data.
//!
//! Every strategy is off by default: `SamplingParams::default()` draws from softmax(logits). Fields are public; the by-value
//! setters make short work of the common ones. [`SamplingParams::validate`] refuses what has no meaning, naming the field.

use super::chain::ChainOrder;
use super::error::SamplingError;
use crate::vocab::TokenId;

/// Parameters of a [`Sampler`](crate::sampling::Sampler).
///
/// Formulas and edge cases stand with the functions that carry them out ([`temperature`](crate::sampling::temperature),
/// [`truncation`](crate::sampling::truncation), [`penalties`](crate::sampling::penalties) and the other modules of this folder).
///
/// ```
/// use hedgerow::sampling::SamplingParams;
/// let params = SamplingParams::default().temperature(0.7).top_p(0.9).seed(1);
/// assert!(params.validate().is_ok());
/// assert!(SamplingParams::default().top_p(1.5).validate().is_err());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParams {
    /// T of softmax(l / T), ≥ 0. 0 is argmax, lowest id among equals. Default 1.
    pub temperature: f32,
    /// Makes the temperature depend on position or entropy. Default off.
    pub dynamic_temperature: Option<DynamicTemperature>,
    /// Keep the k most probable tokens; 0 is off (default).
    pub top_k: usize,
    /// What top-k does with tokens equal to the k-th. Default [`Ties::LowestId`].
    pub top_k_ties: Ties,
    /// Nucleus mass in [0, 1]; 1 is off (default).
    pub top_p: f32,
    /// Keep p ≥ m · p_max, m in [0, 1]; 0 is off (default).
    pub min_p: f32,
    /// Locally typical mass in [0, 1]; 1 is off (default).
    pub typical_p: f32,
    /// Tail-free z in [0, 1]; 1 is off (default).
    pub tfs_z: f32,
    /// Which of two published ends of the tail-free cut. Default [`TailFreeEnd::After`].
    pub tfs_end: TailFreeEnd,
    /// ε cut-off in [0, 1); 0 is off (default).
    pub epsilon_cutoff: f32,
    /// η cut-off in [0, 1); 0 is off (default).
    pub eta_cutoff: f32,
    /// Keep p ≥ a · p_max², a in [0, 1]; 0 is off (default).
    pub top_a: f32,
    /// Keep l ≥ max − n·σ, n > 0. Default off.
    pub top_n_sigma: Option<f32>,
    /// Keep tokens while their cumulative entropy ≤ h·H, h in (0, 1]. Default off.
    pub top_h: Option<f32>,
    /// Keep p ≥ Σp², or its normalised form. Default off.
    pub p_less: Option<PLess>,
    /// Exclude the top choices with some probability. Default off.
    pub xtc: Option<Xtc>,
    /// Quadratic smoothing of the logits. Default off.
    pub smoothing: Option<Smoothing>,
    /// Mirostat feedback control of surprise. Excludes `adaptive_p`. Default off.
    pub mirostat: Option<Mirostat>,
    /// Adaptive-p: steers towards a target probability. Default off.
    pub adaptive_p: Option<AdaptiveP>,
    /// Divides positive and multiplies negative logits of seen tokens, > 0; 1 is off (default).
    pub repetition_penalty: f32,
    /// How many of the last tokens (prompt and output) the repetition penalty looks at. Default: all.
    pub repetition_window: Option<usize>,
    /// l −= f · (count in the output), in [−2, 2]; 0 is off (default).
    pub frequency_penalty: f32,
    /// l −= a for tokens in the output, in [−2, 2]; 0 is off (default).
    pub presence_penalty: f32,
    /// Penalises the token that would extend a repetition. Default off.
    pub dry: Option<Dry>,
    /// Added to the logits of single tokens; −∞ bans one. A token named twice gets the sum. Default none.
    pub logit_bias: Vec<(TokenId, f32)>,
    /// Added to the last token of a sequence when the tokens before it have just been generated. Default none.
    pub sequence_bias: Vec<(Vec<TokenId>, f32)>,
    /// Token sequences that may not be completed. Default none.
    pub bad_words: Vec<Vec<TokenId>>,
    /// If given, only these tokens may be drawn. Default all.
    pub allowed_tokens: Option<Vec<TokenId>>,
    /// Tokens that may not be drawn. Default none.
    pub suppressed_tokens: Vec<TokenId>,
    /// Tokens that may not be drawn as the first token. Default none.
    pub begin_suppressed_tokens: Vec<TokenId>,
    /// No n-gram of this length may occur twice in prompt and output; 0 is off (default).
    pub no_repeat_ngram: usize,
    /// Raises the end tokens' logits as the output grows. Needs `end_tokens`. Default off.
    pub exponential_decay: Option<ExponentialDecay>,
    /// The first generated token. Default free.
    pub forced_first: Option<TokenId>,
    /// The token at position `max_tokens` − 1. Needs `max_tokens`. Default free.
    pub forced_last: Option<TokenId>,
    /// Tokens that end the output. Default none.
    pub end_tokens: Vec<TokenId>,
    /// No end token before this many tokens, unless the grammar leaves nothing else. Default 0.
    pub min_tokens: usize,
    /// Where `forced_last` applies, and what the decoding loop stops at. Default none.
    pub max_tokens: Option<usize>,
    /// Green-list watermark. Default off.
    pub watermark: Option<Watermark>,
    /// Order of the steps. Default [`ChainOrder::Hf`].
    pub order: ChainOrder,
    /// How the draw is made. Default [`Selection::InverseCdf`].
    pub selection: Selection,
    /// Seed of the random numbers; any number is fine. Default 0.
    pub seed: u64,
    /// Which of several completions of one request this is. Default 0.
    pub completion: u32,
}

/// What top-k does with tokens whose logit equals the k-th largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ties {
    /// Keep exactly k, the lowest ids among equals.
    #[default]
    LowestId,
    /// Keep all that equal the k-th.
    KeepAll,
}

/// Where the tail-free cut falls once the cumulative weight passes z at index i (from 0) of the second differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TailFreeEnd {
    /// Keep i + 1 tokens.
    #[default]
    After,
    /// Keep i tokens (at least one), as llama.cpp did.
    Before,
}

/// How the temperature changes.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// The two forms of p-less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PLess {
    /// Keep p ≥ Σp².
    Plain,
    /// Keep p ≥ (V · Σp² − 1) / (V − 1), V the number of candidates.
    Normalised,
}

/// Exclude top choices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Xtc {
    /// Probability that the step acts, in [0, 1].
    pub probability: f32,
    /// Tokens with p ≥ threshold are top choices, in [0, 1]; above 0.5 the step never acts.
    pub threshold: f32,
}

/// Quadratic smoothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smoothing {
    /// s ≥ 0; 0 is off.
    pub factor: f32,
    /// Curve ≥ 0; 1 is the plain quadratic.
    pub curve: f32,
}

/// Mirostat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mirostat {
    /// Which of the two algorithms.
    pub version: MirostatVersion,
    /// Target surprise in bits, > 0. Usual: 5.
    pub tau: f32,
    /// Learning rate, ≥ 0. Usual: 0.1.
    pub eta: f32,
}

/// The two Mirostat algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirostatVersion {
    /// Estimates Zipf's exponent from the top 100, then draws from a top-k.
    V1,
    /// Cuts at a surprise of μ.
    V2,
}

impl Default for Mirostat {
    /// Version 2, τ = 5, η = 0.1.
    fn default() -> Self {
        Mirostat { version: MirostatVersion::V2, tau: 5.0, eta: 0.1 }
    }
}

/// Adaptive-p.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveP {
    /// Probability that chosen tokens should have on average, in [0, 1].
    pub target: f32,
    /// Decay of the moving average, in [0, 0.99]. Usual: 0.9.
    pub decay: f32,
}

/// "Don't repeat yourself".
#[derive(Debug, Clone, PartialEq)]
pub struct Dry {
    /// m ≥ 0; 0 is off. Usual: 0.8.
    pub multiplier: f32,
    /// b ≥ 1. Default 1.75.
    pub base: f32,
    /// Repetitions up to this length are free. Default 2.
    pub allowed_length: usize,
    /// How many of the last tokens are searched. Default: all.
    pub window: Option<usize>,
    /// Tokens that no repetition reaches across. Default none.
    pub breakers: Vec<TokenId>,
}

impl Default for Dry {
    /// Multiplier 0.8, base 1.75, allowed length 2, no window, no breakers.
    fn default() -> Self {
        Dry { multiplier: 0.8, base: 1.75, allowed_length: 2, window: None, breakers: Vec::new() }
    }
}

/// Exponential decay of the length: end tokens gain abs(l) · (factor^(position − start) − 1) after `start`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExponentialDecay {
    /// Position after which the end tokens gain.
    pub start: usize,
    /// Factor > 0; above 1 it pulls towards the end.
    pub factor: f32,
}

/// Green-list watermark of Kirchenbauer et al.
#[derive(Debug, Clone, PartialEq)]
pub struct Watermark {
    /// Share of the vocabulary on the green list, in (0, 1). Default 0.25.
    pub greenlist_ratio: f32,
    /// Added to green logits. Default 2.
    pub bias: f32,
    /// Secret key. Default 15485863.
    pub hashing_key: u64,
    /// How the preceding tokens give the green list's seed. Default [`WatermarkSeeding::LeftHash`].
    pub seeding: WatermarkSeeding,
}

/// How a watermark's green list depends on the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WatermarkSeeding {
    /// By the last token.
    #[default]
    LeftHash,
    /// By the last tokens and the candidate itself.
    SelfHash {
        /// How many tokens, the candidate included, ≥ 1.
        context_width: usize,
    },
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

/// How a token is drawn from the final law. The law is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Selection {
    /// One random number, inverse distribution function.
    #[default]
    InverseCdf,
    /// argmax(l + g) with one Gumbel number a token: the choice between two tokens does not depend on the others.
    GumbelMax,
}

impl Default for SamplingParams {
    fn default() -> Self {
        SamplingParams {
            temperature: 1.0,
            dynamic_temperature: None,
            top_k: 0,
            top_k_ties: Ties::LowestId,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            tfs_z: 1.0,
            tfs_end: TailFreeEnd::After,
            epsilon_cutoff: 0.0,
            eta_cutoff: 0.0,
            top_a: 0.0,
            top_n_sigma: None,
            top_h: None,
            p_less: None,
            xtc: None,
            smoothing: None,
            mirostat: None,
            adaptive_p: None,
            repetition_penalty: 1.0,
            repetition_window: None,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            dry: None,
            logit_bias: Vec::new(),
            sequence_bias: Vec::new(),
            bad_words: Vec::new(),
            allowed_tokens: None,
            suppressed_tokens: Vec::new(),
            begin_suppressed_tokens: Vec::new(),
            no_repeat_ngram: 0,
            exponential_decay: None,
            forced_first: None,
            forced_last: None,
            end_tokens: Vec::new(),
            min_tokens: 0,
            max_tokens: None,
            watermark: None,
            order: ChainOrder::Hf,
            selection: Selection::InverseCdf,
            seed: 0,
            completion: 0,
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty),* $(,)?) => {
        impl SamplingParams {
            $($(#[$doc])* #[must_use] pub fn $name(mut self, $name: $type) -> Self { self.$name = $name; self })*
        }
    };
}

setters! {
    /// Sets [`temperature`](Self#structfield.temperature).
    temperature: f32,
    /// Sets [`dynamic_temperature`](Self#structfield.dynamic_temperature).
    dynamic_temperature: Option<DynamicTemperature>,
    /// Sets [`top_k`](Self#structfield.top_k).
    top_k: usize,
    /// Sets [`top_k_ties`](Self#structfield.top_k_ties).
    top_k_ties: Ties,
    /// Sets [`top_p`](Self#structfield.top_p).
    top_p: f32,
    /// Sets [`min_p`](Self#structfield.min_p).
    min_p: f32,
    /// Sets [`typical_p`](Self#structfield.typical_p).
    typical_p: f32,
    /// Sets [`tfs_z`](Self#structfield.tfs_z).
    tfs_z: f32,
    /// Sets [`tfs_end`](Self#structfield.tfs_end).
    tfs_end: TailFreeEnd,
    /// Sets [`epsilon_cutoff`](Self#structfield.epsilon_cutoff).
    epsilon_cutoff: f32,
    /// Sets [`eta_cutoff`](Self#structfield.eta_cutoff).
    eta_cutoff: f32,
    /// Sets [`top_a`](Self#structfield.top_a).
    top_a: f32,
    /// Sets [`top_n_sigma`](Self#structfield.top_n_sigma).
    top_n_sigma: Option<f32>,
    /// Sets [`top_h`](Self#structfield.top_h).
    top_h: Option<f32>,
    /// Sets [`p_less`](Self#structfield.p_less).
    p_less: Option<PLess>,
    /// Sets [`xtc`](Self#structfield.xtc).
    xtc: Option<Xtc>,
    /// Sets [`smoothing`](Self#structfield.smoothing).
    smoothing: Option<Smoothing>,
    /// Sets [`mirostat`](Self#structfield.mirostat).
    mirostat: Option<Mirostat>,
    /// Sets [`adaptive_p`](Self#structfield.adaptive_p).
    adaptive_p: Option<AdaptiveP>,
    /// Sets [`repetition_penalty`](Self#structfield.repetition_penalty).
    repetition_penalty: f32,
    /// Sets [`repetition_window`](Self#structfield.repetition_window).
    repetition_window: Option<usize>,
    /// Sets [`frequency_penalty`](Self#structfield.frequency_penalty).
    frequency_penalty: f32,
    /// Sets [`presence_penalty`](Self#structfield.presence_penalty).
    presence_penalty: f32,
    /// Sets [`dry`](Self#structfield.dry).
    dry: Option<Dry>,
    /// Sets [`logit_bias`](Self#structfield.logit_bias).
    logit_bias: Vec<(TokenId, f32)>,
    /// Sets [`sequence_bias`](Self#structfield.sequence_bias).
    sequence_bias: Vec<(Vec<TokenId>, f32)>,
    /// Sets [`bad_words`](Self#structfield.bad_words).
    bad_words: Vec<Vec<TokenId>>,
    /// Sets [`allowed_tokens`](Self#structfield.allowed_tokens).
    allowed_tokens: Option<Vec<TokenId>>,
    /// Sets [`suppressed_tokens`](Self#structfield.suppressed_tokens).
    suppressed_tokens: Vec<TokenId>,
    /// Sets [`begin_suppressed_tokens`](Self#structfield.begin_suppressed_tokens).
    begin_suppressed_tokens: Vec<TokenId>,
    /// Sets [`no_repeat_ngram`](Self#structfield.no_repeat_ngram).
    no_repeat_ngram: usize,
    /// Sets [`exponential_decay`](Self#structfield.exponential_decay).
    exponential_decay: Option<ExponentialDecay>,
    /// Sets [`forced_first`](Self#structfield.forced_first).
    forced_first: Option<TokenId>,
    /// Sets [`forced_last`](Self#structfield.forced_last).
    forced_last: Option<TokenId>,
    /// Sets [`end_tokens`](Self#structfield.end_tokens).
    end_tokens: Vec<TokenId>,
    /// Sets [`min_tokens`](Self#structfield.min_tokens).
    min_tokens: usize,
    /// Sets [`max_tokens`](Self#structfield.max_tokens).
    max_tokens: Option<usize>,
    /// Sets [`watermark`](Self#structfield.watermark).
    watermark: Option<Watermark>,
    /// Sets [`order`](Self#structfield.order).
    order: ChainOrder,
    /// Sets [`selection`](Self#structfield.selection).
    selection: Selection,
    /// Sets [`seed`](Self#structfield.seed).
    seed: u64,
    /// Sets [`completion`](Self#structfield.completion).
    completion: u32,
}

impl SamplingParams {
    /// Checks every parameter, alone and against the others.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`], [`SamplingError::Conflict`] or [`SamplingError::Order`], for the first fault found.
    pub fn validate(&self) -> Result<(), SamplingError> {
        let finite_from_zero = "a finite number >= 0";
        let unit = "a number in [0, 1]";
        let below_one = "a number in [0, 1)";
        let number = |name, value: f32, ok: bool, expected| {
            if ok && value.is_finite() {
                Ok(())
            } else {
                Err(SamplingError::parameter(name, value, expected))
            }
        };
        number("temperature", self.temperature, self.temperature >= 0.0, finite_from_zero)?;
        if let Some(DynamicTemperature::Range { low, high, exponent }) = self.dynamic_temperature {
            number("dynamic_temperature.low", low, low >= 0.0, finite_from_zero)?;
            number("dynamic_temperature.high", high, high >= low, "a finite number >= low")?;
            number("dynamic_temperature.exponent", exponent, exponent >= 0.0, finite_from_zero)?;
        }
        for (name, value) in [
            ("top_p", self.top_p),
            ("min_p", self.min_p),
            ("typical_p", self.typical_p),
            ("tfs_z", self.tfs_z),
            ("top_a", self.top_a),
        ] {
            number(name, value, (0.0..=1.0).contains(&value), unit)?;
        }
        for (name, value) in [("epsilon_cutoff", self.epsilon_cutoff), ("eta_cutoff", self.eta_cutoff)] {
            number(name, value, (0.0..1.0).contains(&value), below_one)?;
        }
        if let Some(n) = self.top_n_sigma {
            number("top_n_sigma", n, n > 0.0, "a finite number > 0")?;
        }
        if let Some(h) = self.top_h {
            number("top_h", h, h > 0.0 && h <= 1.0, "a number in (0, 1]")?;
        }
        if let Some(xtc) = self.xtc {
            number("xtc.probability", xtc.probability, (0.0..=1.0).contains(&xtc.probability), unit)?;
            number("xtc.threshold", xtc.threshold, (0.0..=1.0).contains(&xtc.threshold), unit)?;
        }
        if let Some(s) = self.smoothing {
            number("smoothing.factor", s.factor, s.factor >= 0.0, finite_from_zero)?;
            number("smoothing.curve", s.curve, s.curve >= 0.0, finite_from_zero)?;
        }
        if let Some(m) = self.mirostat {
            number("mirostat.tau", m.tau, m.tau > 0.0, "a finite number > 0")?;
            number("mirostat.eta", m.eta, m.eta >= 0.0, finite_from_zero)?;
        }
        if let Some(a) = self.adaptive_p {
            number("adaptive_p.target", a.target, (0.0..=1.0).contains(&a.target), unit)?;
            number("adaptive_p.decay", a.decay, (0.0..=0.99).contains(&a.decay), "a number in [0, 0.99]")?;
        }
        number(
            "repetition_penalty",
            self.repetition_penalty,
            self.repetition_penalty > 0.0,
            "a finite number > 0",
        )?;
        for (name, value) in
            [("frequency_penalty", self.frequency_penalty), ("presence_penalty", self.presence_penalty)]
        {
            number(name, value, (-2.0..=2.0).contains(&value), "a number in [-2, 2]")?;
        }
        if let Some(dry) = &self.dry {
            number("dry.multiplier", dry.multiplier, dry.multiplier >= 0.0, finite_from_zero)?;
            number("dry.base", dry.base, dry.base >= 1.0, "a finite number >= 1")?;
        }
        let biases = self.logit_bias.iter().map(|b| ("logit_bias", b.1));
        for (name, value) in biases.chain(self.sequence_bias.iter().map(|b| ("sequence_bias", b.1))) {
            if value.is_nan() || value == f32::INFINITY {
                return Err(SamplingError::parameter(name, value, "a finite number or -inf"));
            }
        }
        if self.sequence_bias.iter().any(|b| b.0.is_empty()) {
            return Err(SamplingError::parameter("sequence_bias", "[]", "sequences of at least one token"));
        }
        if self.bad_words.iter().any(Vec::is_empty) {
            return Err(SamplingError::parameter("bad_words", "[]", "sequences of at least one token"));
        }
        if self.allowed_tokens.as_ref().is_some_and(Vec::is_empty) {
            return Err(SamplingError::parameter(
                "allowed_tokens",
                "[]",
                "at least one token, or none for all",
            ));
        }
        if let Some(decay) = self.exponential_decay {
            number("exponential_decay.factor", decay.factor, decay.factor > 0.0, "a finite number > 0")?;
            if self.end_tokens.is_empty() {
                return Err(SamplingError::Conflict {
                    first: "exponential_decay",
                    second: "end_tokens",
                    reason: "there is no end token to raise; set end_tokens",
                });
            }
        }
        if self.forced_last.is_some() && self.max_tokens.is_none() {
            return Err(SamplingError::Conflict {
                first: "forced_last",
                second: "max_tokens",
                reason: "the last position is unknown; set max_tokens",
            });
        }
        if self.max_tokens.is_some_and(|max| self.min_tokens > max) {
            return Err(SamplingError::Conflict {
                first: "min_tokens",
                second: "max_tokens",
                reason: "the minimum is above the maximum",
            });
        }
        if self.mirostat.is_some() && self.adaptive_p.is_some() {
            return Err(SamplingError::Conflict {
                first: "mirostat",
                second: "adaptive_p",
                reason: "both decide the final draw; use one",
            });
        }
        if let Some(w) = &self.watermark {
            number(
                "watermark.greenlist_ratio",
                w.greenlist_ratio,
                w.greenlist_ratio > 0.0 && w.greenlist_ratio < 1.0,
                "a number in (0, 1)",
            )?;
            number("watermark.bias", w.bias, true, "a finite number")?;
            if w.seeding == (WatermarkSeeding::SelfHash { context_width: 0 }) {
                return Err(SamplingError::parameter("watermark.context_width", 0, "a number >= 1"));
            }
        }
        self.order.validate(self)
    }
}
