//! Anthropic messages.
//!
//! Source: Anthropic's API reference, "Messages".

use super::row::{ANY, FieldRow, rows};
use super::{Fields, NotRead, ParameterSet};
use crate::sampling::SamplingError;

const NOT_READ: NotRead = NotRead {
    no_effect: &["model", "metadata", "service_tier"],
    affects_output: &[
        "messages",
        "stream",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "container",
        "context_management",
        "mcp_servers",
        "output_config",
        "output_format",
    ],
};

const PARAMETERS: &[FieldRow] = rows! {
    "max_tokens" => max_tokens, 1.0, ANY;
    "temperature" => temperature, 0.0, 1.0;
    "top_p" => top_p, 0.0, 1.0;
    "top_k" => top_k, 0.0, ANY;
};

pub(super) fn read(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<NotRead, SamplingError> {
    fields.read(PARAMETERS, &mut set.sampling)?;
    if set.sampling.max_tokens.is_none() {
        return Err(fields.fault("max_tokens", "missing; this API requires it"));
    }
    set.stop = fields.string_list("stop_sequences")?;
    Ok(NOT_READ)
}
