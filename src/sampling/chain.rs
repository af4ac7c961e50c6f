//! The order of a chain's steps.
//!
//! The grammar mask comes before every filter, so that the distribution is always "the chain
//! applied to the masked logits".

use super::error::SamplingError;
use super::params::SamplingParams;
use super::steps::{LLAMA, Step, VLLM};
use super::value::Value;

/// Order of the steps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ChainOrder {
    /// As Hugging Face: biases, bans, penalties, mask, temperature, top-k, top-p, min-p, the other
    /// truncations.
    #[default]
    Hf,
    /// As vLLM: as [`Hf`](Self::Hf), but with min-p before top-k and top-p.
    Vllm,
    /// As llama.cpp: biases, bans, penalties, mask, top-nσ, top-k, typical, top-p, min-p, XTC,
    /// temperature last.
    Llama,
    /// The caller's. Every step whose parameter is set must be listed, and [`Step::Mask`] before
    /// the first filter.
    Custom(Vec<Step>),
}

impl std::str::FromStr for ChainOrder {
    type Err = String;

    /// `hf`, `vllm`, `llama`, or names of steps with commas between them.
    fn from_str(text: &str) -> Result<ChainOrder, String> {
        match text {
            "hf" => Ok(ChainOrder::Hf),
            "vllm" => Ok(ChainOrder::Vllm),
            "llama" => Ok(ChainOrder::Llama),
            _ => text
                .split(',')
                .map(|name| name.trim().parse())
                .collect::<Result<_, String>>()
                .map(ChainOrder::Custom)
                .map_err(|error| match text.contains(',') {
                    true => error,
                    false => {
                        format!("expected `hf`, `vllm`, `llama`, or steps with commas between them; {error}")
                    }
                }),
        }
    }
}

impl std::fmt::Display for ChainOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ChainOrder::Hf => f.write_str("hf"),
            ChainOrder::Vllm => f.write_str("vllm"),
            ChainOrder::Llama => f.write_str("llama"),
            ChainOrder::Custom(steps) => {
                let names: Vec<_> = steps.iter().map(|step| step.name()).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

impl Value for ChainOrder {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl ChainOrder {
    /// The steps, active or not.
    pub fn steps(&self) -> &[Step] {
        match self {
            ChainOrder::Hf => Step::ALL,
            ChainOrder::Vllm => &VLLM,
            ChainOrder::Llama => &LLAMA,
            ChainOrder::Custom(steps) => steps,
        }
    }

    /// The steps that `params` ask for, in order.
    pub(crate) fn active(&self, params: &SamplingParams) -> Vec<Step> {
        let steps = self.steps();
        // The mask comes first where an order does not list it.
        let mask = (!steps.contains(&Step::Mask)).then_some(Step::Mask);
        mask.into_iter().chain(steps.iter().copied()).filter(|step| step.is_active(params)).collect()
    }

    pub(crate) fn validate(&self, params: &SamplingParams) -> Result<(), SamplingError> {
        let ChainOrder::Custom(steps) = self else { return Ok(()) };
        let fault = |reason: String| Err(SamplingError::Order { reason });
        for (i, step) in steps.iter().enumerate() {
            if steps[..i].contains(step) {
                return fault(format!("`{}` is listed twice; list it once", step.name()));
            }
            if step.is_draw() && step.is_active(params) && i + 1 != steps.len() {
                return fault(format!("`{}` decides the draw; list it last", step.name()));
            }
        }
        let mut needed = Step::ALL.iter().filter(|&&step| step != Step::Mask && step.is_active(params));
        if let Some(missing) = needed.find(|step| !steps.contains(step)) {
            return fault(format!("`{}` is set by the parameters but not listed; list it", missing.name()));
        }
        let mask = steps.iter().position(|&step| step == Step::Mask);
        let filter = steps.iter().position(|&step| step.is_filter());
        match (mask, filter) {
            (Some(mask), Some(filter)) if filter < mask => fault(format!(
                "`{}` is listed before `mask`; the mask comes before everything that looks at the whole distribution",
                steps[filter].name()
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Step::*;
    use super::*;

    #[test]
    fn the_orders_hold_every_step_once() {
        for step in Step::ALL {
            for order in [LLAMA, VLLM] {
                assert_eq!(order.iter().filter(|s| *s == step).count(), 1, "{}", step.name());
            }
            assert_eq!(step.name().parse(), Ok(*step));
        }
        assert!("top_k".parse::<Step>().is_err());
        let filters = LLAMA.iter().filter(|step| step.is_filter()).map(|step| step.name());
        assert_eq!(
            filters.collect::<Vec<_>>().join(" "),
            "smoothing top-n-sigma top-k tail-free typical top-p min-p epsilon eta top-a top-h p-less xtc \
             temperature watermark mirostat adaptive-p"
        );
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
        assert_eq!(check(&[TopK], p().top_k(3)), None);
        assert_eq!(ChainOrder::Custom(vec![TopK]).active(&p().top_k(3)), [Mask, TopK]);
        let miro = p().mirostat(Default::default());
        assert!(check(&[Mask, Mirostat, TopK], miro).is_some_and(|e| e.contains("last")));
    }
}
