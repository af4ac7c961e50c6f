//! Schemas as other systems wrap them: OpenAI's `response_format`.

use super::error::SchemaError;
use super::json::{Json, Value};

/// The schema inside an envelope: `{"type": "json_schema", "json_schema": {"schema": …}}` or the inner object of it,
/// `{"name": …, "schema": …}`. Anything else is the schema itself.
pub(super) fn unwrap(json: &Json, value: Value) -> Result<Value, SchemaError> {
    let is_envelope = json.get(value, "type").and_then(|v| json.as_str(v)) == Some("json_schema");
    if !is_envelope {
        return Ok(value);
    }
    let inner = json.get(value, "json_schema").unwrap_or(value);
    json.get(inner, "schema").ok_or_else(|| SchemaError::Malformed {
        pointer: "#".to_owned(),
        keyword: "json_schema".to_owned(),
        reason: "must hold the schema under `schema`".to_owned(),
    })
}
