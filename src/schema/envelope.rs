//! Schemas as other systems write them: OpenAI's `response_format` around them, llguidance's `x-guidance` in them.

use super::error::SchemaError;
use super::json::{Json, Kind, Value};
use super::options::{SchemaOptions, Strictness, Whitespace};
use std::borrow::Cow;

/// The schema inside an envelope: `{"type": "json_schema", "json_schema": {"schema": …}}` (chat completions) or the
/// inner object with the type, `{"type": "json_schema", "name": …, "schema": …}` (responses); any object for
/// `{"type": "json_object"}`. Anything else is the schema itself.
pub(super) fn unwrap(json: &mut Json, value: Value) -> Result<Value, SchemaError> {
    match json.get(value, "type").and_then(|v| json.as_str(v)) {
        Some("json_object") => {
            let parsed = json.parse(r#"{"type": "object"}"#);
            Ok(parsed.unwrap_or(value))
        }
        Some("json_schema") => {
            let inner = json.get(value, "json_schema").unwrap_or(value);
            json.get(inner, "schema").ok_or_else(|| SchemaError::Malformed {
                pointer: "#".to_owned(),
                keyword: "json_schema".to_owned(),
                reason: "must hold the schema under `schema`".to_owned(),
            })
        }
        _ => Ok(value),
    }
}

/// The options as `x-guidance` at the schema's root changes them:
///
/// | key | effect |
/// |---|---|
/// | `whitespace_flexible: false` | [`Whitespace::Exact`] with the two separators below |
/// | `item_separator`, `key_separator` | as named; `,` and `:` by default; no effect where whitespace is flexible |
/// | `whitespace_pattern` | [`Whitespace::Pattern`], which may be left out everywhere |
/// | `lenient` | [`Strictness::Lenient`] |
/// | `coerce_one_of` | none: `oneOf` is exact |
///
/// Source: llguidance, `docs/json_schema.md`.
pub(super) fn guidance<'o>(
    json: &Json,
    root: Value,
    options: &'o SchemaOptions,
) -> Result<Cow<'o, SchemaOptions>, SchemaError> {
    let Some(guidance) = json.get(root, "x-guidance") else { return Ok(Cow::Borrowed(options)) };
    let malformed = |reason: &str| SchemaError::Malformed {
        pointer: format!("#{}", json.pointer(guidance)),
        keyword: "x-guidance".to_owned(),
        reason: reason.to_owned(),
    };
    if !json.is_object(guidance) {
        return Err(malformed("must be an object"));
    }
    let mut options = options.clone();
    let (mut item, mut key, mut flexible, mut pattern) = (",", ":", true, None);
    for (name, value) in json.members(guidance) {
        let text =
            || json.as_str(value).ok_or_else(|| malformed("must hold texts as separators and patterns"));
        let flag = || match json.kind(value) {
            Kind::Bool(flag) => Ok(flag),
            _ => Err(malformed("must hold `true` or `false` as flags")),
        };
        match name {
            "item_separator" => item = text()?,
            "key_separator" => key = text()?,
            "whitespace_flexible" => flexible = flag()?,
            "whitespace_pattern" if json.kind(value) == Kind::Null => {}
            "whitespace_pattern" => pattern = Some(text()?),
            "lenient" => {
                if flag()? {
                    options.strictness = Strictness::Lenient;
                }
            }
            "coerce_one_of" => {
                flag()?;
            }
            _ => return Err(malformed(&format!("has no key `{name}`"))),
        }
    }
    if let Some(pattern) = pattern {
        options.whitespace = Whitespace::Pattern(format!("(?:{pattern})?"));
    } else if !flexible {
        options.whitespace = Whitespace::Exact { item: item.to_owned(), key: key.to_owned() };
    }
    Ok(Cow::Owned(options))
}
