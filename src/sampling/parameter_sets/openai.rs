//! OpenAI chat completions.
//!
//! Source: OpenAI's API reference, "Create chat completion".

use super::{Fields, NotRead, ParameterSet};
use crate::sampling::SamplingError;
use serde_json::Value;

const NOT_READ: NotRead = NotRead {
    harmless: &[
        "model",
        "stream",
        "stream_options",
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    ],
    telling: &[
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "modalities",
        "audio",
        "prediction",
        "reasoning_effort",
        "verbosity",
        "web_search_options",
    ],
};

pub(super) fn read(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<NotRead, SamplingError> {
    let p = &mut set.sampling;
    p.temperature = fields.number("temperature", 0.0, 2.0)?.unwrap_or(1.0);
    p.top_p = fields.number("top_p", 0.0, 1.0)?.unwrap_or(1.0);
    p.frequency_penalty = fields.number("frequency_penalty", -2.0, 2.0)?.unwrap_or(0.0);
    p.presence_penalty = fields.number("presence_penalty", -2.0, 2.0)?.unwrap_or(0.0);
    p.logit_bias = fields.biases("logit_bias", -100.0, 100.0)?;
    let old = fields.integer("max_tokens", 1, u64::MAX)?;
    let new = fields.integer("max_completion_tokens", 1, u64::MAX)?;
    if old.is_some() && new.is_some() {
        return Err(fields.fault("max_tokens", "conflicts with `max_completion_tokens`; give one"));
    }
    p.max_tokens = new.or(old);
    set.stop = fields.strings("stop")?;
    if set.stop.len() > 4 {
        return Err(fields.fault("stop", format!("{} strings; at most 4 are allowed", set.stop.len())));
    }
    set.seed = fields.seed()?;
    set.n = fields.integer("n", 1, 128)?.unwrap_or(1);
    let logprobs = fields.flag("logprobs")?.unwrap_or(false);
    let top = fields.integer("top_logprobs", 0, 20)?;
    if top.is_some() && !logprobs {
        return Err(fields.fault("top_logprobs", "needs `logprobs` to be true"));
    }
    set.logprobs = logprobs.then(|| top.unwrap_or(0));
    // Plain text is what there is without a format.
    let is_text = |format: &&Value| format.get("type").is_some_and(|kind| kind == "text");
    set.response_format = fields.take("response_format").filter(|format| !is_text(format)).cloned();
    Ok(NOT_READ)
}
