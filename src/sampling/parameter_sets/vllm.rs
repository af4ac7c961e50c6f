//! vLLM's `SamplingParams`.
//!
//! Source: vLLM's documentation of `vllm.SamplingParams`.

use super::{Fields, NotRead, ParameterSet};
use crate::sampling::SamplingError;

const NOT_READ: NotRead = NotRead {
    harmless: &["detokenize", "spaces_between_special_tokens", "output_kind", "flat_logprobs"],
    telling: &["include_stop_str_in_output", "prompt_logprobs", "truncate_prompt_tokens", "extra_args"],
};

pub(super) fn read(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<NotRead, SamplingError> {
    let p = &mut set.sampling;
    p.temperature = fields.number("temperature", 0.0, f64::INFINITY)?.unwrap_or(1.0);
    p.top_p = fields.number("top_p", 0.0, 1.0)?.unwrap_or(1.0);
    p.min_p = fields.number("min_p", 0.0, 1.0)?.unwrap_or(0.0);
    if let Some(k) = fields.take("top_k") {
        p.top_k = match k.as_i64() {
            Some(-1) => 0,
            Some(k) if k >= 0 => k as usize,
            _ => return Err(fields.fault("top_k", format!("{k} is not -1 (off) or an integer >= 0"))),
        };
    }
    p.frequency_penalty = fields.number("frequency_penalty", -2.0, 2.0)?.unwrap_or(0.0);
    p.presence_penalty = fields.number("presence_penalty", -2.0, 2.0)?.unwrap_or(0.0);
    p.repetition_penalty = fields.number("repetition_penalty", 0.0, f64::INFINITY)?.unwrap_or(1.0);
    p.logit_bias = fields.biases("logit_bias", -100.0, 100.0)?;
    p.allowed_tokens = fields.only_tokens("allowed_token_ids")?;
    p.end_tokens = fields.only_tokens("stop_token_ids")?.unwrap_or_default();
    p.min_tokens = fields.integer("min_tokens", 0, u64::MAX)?.unwrap_or(0);
    // vLLM's default; `null` means no limit there.
    p.max_tokens = match fields.map.get("max_tokens") {
        None => Some(16),
        Some(_) => fields.integer("max_tokens", 1, u64::MAX)?,
    };
    fields.used.push("max_tokens");
    if fields.flag("ignore_eos")?.unwrap_or(false) {
        return Err(fields.fault("ignore_eos", "not supported; suppress the end tokens instead"));
    }
    if !fields.flag("skip_special_tokens")?.unwrap_or(true) {
        return Err(fields.fault("skip_special_tokens", "not supported; special tokens are no text here"));
    }
    for name in ["structured_outputs", "guided_decoding"] {
        if fields.take(name).is_some() {
            return Err(fields.fault(name, "not supported; make a constraint of it and remove the field"));
        }
    }
    set.stop = fields.strings("stop")?;
    set.bad_words = fields.strings("bad_words")?;
    set.seed = fields.seed()?;
    set.n = fields.integer("n", 1, u64::MAX)?.unwrap_or(1);
    set.logprobs = fields.integer("logprobs", 0, u64::MAX)?;
    Ok(NOT_READ)
}
