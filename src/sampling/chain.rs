//! The steps of a chain and their order.
//!
//! Two families: *edits* change single logits (biases, bans, penalties) and *filters* look at the whole law (temperatures,
//! truncations, Mirostat). The grammar mask is a step of its own; it comes before every filter, so that the law is always "the
//! chain applied to the masked logits".

use super::error::SamplingError;
use super::params::SamplingParams;

/// One step of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// `logit_bias`.
    LogitBias,
    /// `sequence_bias`.
    SequenceBias,
    /// `allowed_tokens`.
    AllowedTokens,
    /// `suppressed_tokens` and `begin_suppressed_tokens`.
    SuppressedTokens,
    /// `bad_words`.
    BadWords,
    /// `min_tokens`.
    MinTokens,
    /// `no_repeat_ngram`.
    NoRepeatNgram,
    /// `exponential_decay`.
    ExponentialDecay,
    /// `repetition_penalty`.
    RepetitionPenalty,
    /// `frequency_penalty` and `presence_penalty`.
    FrequencyPresence,
    /// `dry`.
    Dry,
    /// The grammar mask.
    Mask,
    /// `smoothing`.
    Smoothing,
    /// `temperature` and `dynamic_temperature`.
    Temperature,
    /// `top_k`.
    TopK,
    /// `top_p`.
    TopP,
    /// `min_p`.
    MinP,
    /// `tfs_z`.
    TailFree,
    /// `typical_p`.
    Typical,
    /// `epsilon_cutoff`.
    Epsilon,
    /// `eta_cutoff`.
    Eta,
    /// `top_a`.
    TopA,
    /// `top_n_sigma`.
    TopNSigma,
    /// `top_h`.
    TopH,
    /// `p_less`.
    PLess,
    /// `xtc`.
    Xtc,
    /// `watermark`.
    Watermark,
    /// `mirostat`.
    Mirostat,
    /// `adaptive_p`.
    AdaptiveP,
}

use Step::*;

/// Order of the steps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ChainOrder {
    /// As Hugging Face and vLLM: biases, bans, penalties, mask, temperature, top-k, top-p, min-p, the other truncations.
    #[default]
    Hf,
    /// As llama.cpp: biases, bans, penalties, mask, top-nσ, top-k, typical, top-p, min-p, XTC, temperature last.
    Llama,
    /// The caller's. Every step whose parameter is set must be listed, and [`Step::Mask`] before the first filter.
    Custom(Vec<Step>),
}

const HF: &[Step] = &[
    LogitBias,
    SequenceBias,
    AllowedTokens,
    SuppressedTokens,
    BadWords,
    MinTokens,
    NoRepeatNgram,
    ExponentialDecay,
    RepetitionPenalty,
    FrequencyPresence,
    Dry,
    Mask,
    Smoothing,
    Temperature,
    TopK,
    TopP,
    MinP,
    TailFree,
    Typical,
    Epsilon,
    Eta,
    TopA,
    TopNSigma,
    TopH,
    PLess,
    Xtc,
    Watermark,
    Mirostat,
    AdaptiveP,
];

const LLAMA: &[Step] = &[
    LogitBias,
    SequenceBias,
    AllowedTokens,
    SuppressedTokens,
    BadWords,
    MinTokens,
    NoRepeatNgram,
    ExponentialDecay,
    RepetitionPenalty,
    FrequencyPresence,
    Dry,
    Mask,
    Smoothing,
    TopNSigma,
    TopK,
    TailFree,
    Typical,
    TopP,
    MinP,
    Epsilon,
    Eta,
    TopA,
    TopH,
    PLess,
    Xtc,
    Temperature,
    Watermark,
    Mirostat,
    AdaptiveP,
];

impl Step {
    /// The step's name as people write it, such as `top-k`.
    pub fn name(self) -> &'static str {
        match self {
            LogitBias => "logit-bias",
            SequenceBias => "sequence-bias",
            AllowedTokens => "allowed-tokens",
            SuppressedTokens => "suppressed-tokens",
            BadWords => "bad-words",
            MinTokens => "min-tokens",
            NoRepeatNgram => "no-repeat-ngram",
            ExponentialDecay => "exponential-decay",
            RepetitionPenalty => "repetition-penalty",
            FrequencyPresence => "frequency-presence",
            Dry => "dry",
            Mask => "mask",
            Smoothing => "smoothing",
            Temperature => "temperature",
            TopK => "top-k",
            TopP => "top-p",
            MinP => "min-p",
            TailFree => "tail-free",
            Typical => "typical",
            Epsilon => "epsilon",
            Eta => "eta",
            TopA => "top-a",
            TopNSigma => "top-n-sigma",
            TopH => "top-h",
            PLess => "p-less",
            Xtc => "xtc",
            Watermark => "watermark",
            Mirostat => "mirostat",
            AdaptiveP => "adaptive-p",
        }
    }

    /// The step of a name; every step, for listings, is in [`Step::all`].
    pub fn from_name(name: &str) -> Option<Step> {
        Step::all().iter().copied().find(|step| step.name() == name)
    }

    /// Every step, in the order of [`ChainOrder::Hf`].
    pub fn all() -> &'static [Step] {
        HF
    }

    /// Whether the step looks at the whole law (and so comes after the mask).
    pub(crate) fn is_filter(self) -> bool {
        !matches!(
            self,
            LogitBias
                | SequenceBias
                | AllowedTokens
                | SuppressedTokens
                | BadWords
                | MinTokens
                | NoRepeatNgram
                | ExponentialDecay
                | RepetitionPenalty
                | FrequencyPresence
                | Dry
                | Mask
        )
    }

    /// Whether the parameters ask for the step. The mask is always active.
    fn is_active(self, p: &SamplingParams) -> bool {
        match self {
            LogitBias => !p.logit_bias.is_empty(),
            SequenceBias => !p.sequence_bias.is_empty(),
            AllowedTokens => p.allowed_tokens.is_some(),
            SuppressedTokens => !p.suppressed_tokens.is_empty() || !p.begin_suppressed_tokens.is_empty(),
            BadWords => !p.bad_words.is_empty(),
            MinTokens => p.min_tokens > 0 && !p.end_tokens.is_empty(),
            NoRepeatNgram => p.no_repeat_ngram > 0,
            ExponentialDecay => p.exponential_decay.is_some(),
            RepetitionPenalty => p.repetition_penalty != 1.0,
            FrequencyPresence => p.frequency_penalty != 0.0 || p.presence_penalty != 0.0,
            Dry => p.dry.as_ref().is_some_and(|d| d.multiplier > 0.0),
            Mask => true,
            Smoothing => p.smoothing.is_some_and(|s| s.factor > 0.0),
            Temperature => p.temperature != 1.0 || p.dynamic_temperature.is_some(),
            TopK => p.top_k > 0,
            TopP => p.top_p < 1.0,
            MinP => p.min_p > 0.0,
            TailFree => p.tfs_z < 1.0,
            Typical => p.typical_p < 1.0,
            Epsilon => p.epsilon_cutoff > 0.0,
            Eta => p.eta_cutoff > 0.0,
            TopA => p.top_a > 0.0,
            TopNSigma => p.top_n_sigma.is_some(),
            TopH => p.top_h.is_some(),
            PLess => p.p_less.is_some(),
            Xtc => p.xtc.is_some_and(|x| x.probability > 0.0 && x.threshold <= 0.5),
            Watermark => p.watermark.is_some(),
            Mirostat => p.mirostat.is_some(),
            AdaptiveP => p.adaptive_p.is_some(),
        }
    }
}

impl ChainOrder {
    /// The steps, active or not.
    pub fn steps(&self) -> &[Step] {
        match self {
            ChainOrder::Hf => HF,
            ChainOrder::Llama => LLAMA,
            ChainOrder::Custom(steps) => steps,
        }
    }

    /// The steps that `params` ask for, in order.
    pub(crate) fn active(&self, params: &SamplingParams) -> Vec<Step> {
        self.steps().iter().copied().filter(|step| step.is_active(params)).collect()
    }

    pub(crate) fn validate(&self, params: &SamplingParams) -> Result<(), SamplingError> {
        let ChainOrder::Custom(steps) = self else { return Ok(()) };
        let fault = |reason: String| Err(SamplingError::Order { reason });
        for (i, step) in steps.iter().enumerate() {
            if steps[..i].contains(step) {
                return fault(format!("`{}` is listed twice; list it once", step.name()));
            }
            if matches!(step, Mirostat | AdaptiveP) && step.is_active(params) && i + 1 != steps.len() {
                return fault(format!("`{}` decides the draw; list it last", step.name()));
            }
        }
        if let Some(missing) = HF.iter().find(|step| step.is_active(params) && !steps.contains(step)) {
            return fault(format!("`{}` is set by the parameters but not listed; list it", missing.name()));
        }
        let mask = steps.iter().position(|&step| step == Mask);
        let filter = steps.iter().position(|&step| step.is_filter());
        match (mask, filter) {
            (Some(mask), Some(filter)) if filter < mask => fault(format!(
                "`{}` is listed before `mask`; the mask comes before everything that looks at the whole law",
                steps[filter].name()
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_hold_every_step_once() {
        for step in HF {
            assert_eq!(LLAMA.iter().filter(|s| *s == step).count(), 1, "{}", step.name());
            assert_eq!(HF.iter().filter(|s| *s == step).count(), 1, "{}", step.name());
            assert_eq!(Step::from_name(step.name()), Some(*step));
        }
        assert_eq!(HF.len(), LLAMA.len());
        assert_eq!(Step::from_name("top_k"), None);
    }

    #[test]
    fn custom_orders_are_checked() {
        let check = |steps: &[Step], params: SamplingParams| {
            params.order(ChainOrder::Custom(steps.to_vec())).validate().err().map(|e| e.to_string())
        };
        let p = SamplingParams::default;
        assert_eq!(check(&[Mask, TopK, Temperature], p().top_k(3)), None);
        assert!(check(&[Mask, TopK, TopK], p()).is_some_and(|e| e.contains("twice")));
        assert!(check(&[Mask, Temperature], p().top_k(3)).is_some_and(|e| e.contains("`top-k` is set")));
        assert!(check(&[TopK, Mask], p()).is_some_and(|e| e.contains("before `mask`")));
        assert!(check(&[TopK], p()).is_some_and(|e| e.contains("`mask` is set")));
        let miro = p().mirostat(Some(Default::default()));
        assert!(check(&[Mask, Mirostat, TopK], miro).is_some_and(|e| e.contains("last")));
    }
}
