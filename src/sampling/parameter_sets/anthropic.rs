//! Anthropic messages.
//!
//! Source: Anthropic's API reference, "Messages".

use super::{Fields, NotRead, ParameterSet};
use crate::sampling::SamplingError;

const NOT_READ: NotRead = NotRead {
    harmless: &["model", "metadata", "stream", "service_tier"],
    telling: &[
        "messages",
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

pub(super) fn read(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<NotRead, SamplingError> {
    let p = &mut set.sampling;
    p.max_tokens = fields.integer("max_tokens", 1, u64::MAX)?;
    if p.max_tokens.is_none() {
        return Err(fields.fault("max_tokens", "missing; this API requires it"));
    }
    p.temperature = fields.number("temperature", 0.0, 1.0)?.unwrap_or(1.0);
    p.top_p = fields.number("top_p", 0.0, 1.0)?.unwrap_or(1.0);
    p.top_k = fields.integer("top_k", 0, u64::MAX)?.unwrap_or(0);
    set.stop = fields.string_list("stop_sequences")?;
    Ok(NOT_READ)
}
