//! OpenAI chat completions.
//!
//! Source: OpenAI's API reference, "Create chat completion".

use super::row::{ANY, FieldRow, rows};
use super::{Fields, Json, NotRead, ParameterSet};
use crate::sampling::SamplingError;

const NOT_READ: NotRead = NotRead {
    no_effect: &[
        "model",
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    ],
    affects_output: &[
        "messages",
        "stream",
        "stream_options",
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

const PARAMETERS: &[FieldRow] = rows! {
    "temperature" => temperature, 0.0, 2.0;
    "top_p" => top_p, 0.0, 1.0;
    "frequency_penalty" => frequency_penalty, -2.0, 2.0;
    "presence_penalty" => presence_penalty, -2.0, 2.0;
    "logit_bias" => logit_bias, -100.0, 100.0;
    "max_tokens" => max_tokens, 1.0, ANY;
    "max_completion_tokens" => max_tokens, 1.0, ANY;
    "seed" => seed;
};

pub(super) fn read(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<NotRead, SamplingError> {
    fields.read(PARAMETERS, &mut set.sampling)?;
    if fields.has("max_tokens") && fields.has("max_completion_tokens") {
        return Err(fields.fault("max_tokens", "conflicts with `max_completion_tokens`; give one"));
    }
    set.seed = fields.has("seed").then_some(set.sampling.seed);
    set.stop = fields.strings("stop")?;
    if set.stop.len() > 4 {
        return Err(fields.fault("stop", format!("{} strings; at most 4 are allowed", set.stop.len())));
    }
    set.completions = fields.value("n", 1.0, 128.0)?.unwrap_or(1);
    let logprobs = fields.flag("logprobs")?.unwrap_or(false);
    let top = fields.value("top_logprobs", 0.0, 20.0)?;
    if top.is_some() && !logprobs {
        return Err(fields.fault("top_logprobs", "needs `logprobs` to be true"));
    }
    set.logprobs = logprobs.then(|| top.unwrap_or(0));
    // A request without a format gets plain text, too.
    let is_text = |format: &&Json| format.get("type").is_some_and(|kind| kind == "text");
    set.response_format = fields.take("response_format").filter(|format| !is_text(format)).cloned();
    Ok(NOT_READ)
}
