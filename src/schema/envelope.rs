//! Schemas as other systems write them: inside OpenAI's `response_format`, or with llguidance's
//! `x-guidance` in them.

use super::error::malformed;
use super::json::{Json, JsonKind, Value};
use super::options::{SchemaOptions, Strictness, Whitespace};
use crate::grammar::CompileError;
use std::borrow::Cow;

/// Members of an envelope that inform people or belong to the request.
const ANNOTATIONS: [&str; 3] = ["name", "description", "title"];

/// Members of requests, tools and documents that hold a schema, with the pointer from the member to
/// the schema.
///
/// A root with such a member, and without a keyword that asserts anything, was probably not meant
/// as a schema.
const SCHEMA_MEMBERS: [(&str, &str); 19] = [
    ("inputSchema", ""),
    ("input_schema", ""),
    ("parameters", ""),
    ("function", "/parameters"),
    ("schema", ""),
    ("json_schema", "/schema"),
    ("response_format", "/json_schema/schema"),
    ("output_format", "/schema"),
    ("output_config", "/format/schema"),
    ("guided_json", ""),
    ("structured_outputs", "/json"),
    ("response_schema", ""),
    ("responseSchema", ""),
    ("generationConfig", "/responseSchema"),
    ("outputSchema", ""),
    ("output_schema", ""),
    ("openAPIV3Schema", ""),
    ("components", "/schemas"),
    ("tools", "/0"),
];

/// A schema, and whether only its objects are allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unwrapped {
    pub schema: Value,
    pub objects_only: bool,
}

/// The schema inside an envelope, or the value itself if there is no envelope.
///
/// | envelope | schema |
/// |---|---|
/// | `{"type": "json_schema", "json_schema": {"name": …, "strict": …, "schema": S}}` | S |
/// | `{"type": "json_schema", "name": …, "strict": …, "schema": S}` | S |
/// | `{"type": "json_object", "schema": S}` | S, of which only objects |
/// | `{"type": "json_object"}` | `{"type": "object"}` |
///
/// The first row is the form of chat completions, the second that of responses. Any other member is
/// an error. So are `{"type": "text"}`, a tool, and a request around one of these.
pub(super) fn unwrap(json: &mut Json, value: Value) -> Result<Unwrapped, CompileError> {
    let plain = |schema| Ok(Unwrapped { schema, objects_only: false });
    match json.get(value, "type").and_then(|v| json.as_str(v)) {
        Some("json_object") => {
            check_members(json, value, &["type", "schema"])?;
            let schema = match json.get(value, "schema") {
                Some(schema) => schema,
                None => json.parse("true").unwrap_or(value),
            };
            Ok(Unwrapped { schema, objects_only: true })
        }
        Some("json_schema") => {
            let inner = match json.get(value, "json_schema") {
                Some(inner) => {
                    check_members(json, value, &["type", "json_schema"])?;
                    check_members(json, inner, &["schema", "strict"])?;
                    inner
                }
                None => {
                    check_members(json, value, &["type", "schema", "strict"])?;
                    value
                }
            };
            json.get(inner, "schema").map_or_else(
                || {
                    let pointer = format!("#{}", json.pointer(inner));
                    Err(malformed(pointer, "json_schema", "must hold the schema under `schema`"))
                },
                plain,
            )
        }
        Some("text") => {
            let reason = "is `text`, the response format of any text at all; leave the constraint out";
            Err(malformed("#/type".to_owned(), "type", reason))
        }
        _ => plain(value),
    }
}

/// Refuses the members of an envelope that are neither in `known` nor annotations, and members with
/// values that have no meaning.
fn check_members(json: &Json, envelope: Value, known: &[&str]) -> Result<(), CompileError> {
    for (name, value) in json.members(envelope) {
        let is_text = json.as_str(value).is_some() || json.kind(value) == JsonKind::Null;
        let is_flag = matches!(json.kind(value), JsonKind::Bool(_) | JsonKind::Null);
        let reason = match name {
            "strict" if known.contains(&name) && !is_flag => "must be `true` or `false`",
            _ if ANNOTATIONS.contains(&name) && !is_text => "must be a string",
            _ if known.contains(&name) || ANNOTATIONS.contains(&name) => continue,
            _ => {
                "is no member of a response format; a schema's keywords belong into the schema under `schema`"
            }
        };
        return Err(malformed(format!("#{}", json.pointer(value)), name, reason));
    }
    Ok(())
}

/// Refuses a root that is no schema but a tool, a request or a document with schemas in it.
///
/// `restricts` tells whether some member of the root is a keyword that has an effect.
pub(super) fn refuse_holders(json: &Json, root: Value, restricts: bool) -> Result<(), CompileError> {
    let is_function = json.get(root, "type").and_then(|v| json.as_str(v)) == Some("function");
    if restricts && !is_function {
        return Ok(());
    }
    for (holder, below) in SCHEMA_MEMBERS {
        let Some(value) = json.get(root, holder) else { continue };
        let may_hold = match json.kind(value) {
            JsonKind::Object { .. } | JsonKind::Array { .. } => true,
            // Some servers take the text of the schema as a string.
            JsonKind::String(_) => matches!(holder, "guided_json" | "json_schema"),
            _ => false,
        };
        if !may_hold {
            continue;
        }
        // The pointer names the schema, or the member if no schema is at its usual place.
        let inner = match json.resolve_pointer(value, below) {
            Some(inner) => inner,
            None => value,
        };
        let pointer = format!("#{}", json.pointer(inner));
        let reason = format!(
            "is no keyword of JSON Schema, and nothing beside it is: was the schema at `{pointer}` meant?"
        );
        return Err(malformed(format!("#{}", json.pointer(value)), holder, &reason));
    }
    Ok(())
}

/// The options after the changes that `x-guidance` at the schema's root asks for:
///
/// | key | effect |
/// |---|---|
/// | `whitespace_flexible: false` | [`Whitespace::Exact`] with the two separators below |
/// | `item_separator`, `key_separator` | the separators, by default `,` and `:` |
/// | `whitespace_pattern` | [`Whitespace::Pattern`], which may be left out everywhere |
/// | `lenient` | [`Strictness::Lenient`] |
/// | `coerce_one_of` | none: `oneOf` is exact |
///
/// The separators have no effect if whitespace is flexible.
///
/// Source: llguidance, `docs/json_schema.md`.
pub(super) fn guidance<'o>(
    json: &Json,
    root: Value,
    options: &'o SchemaOptions,
) -> Result<Cow<'o, SchemaOptions>, CompileError> {
    let Some(guidance) = json.get(root, "x-guidance") else { return Ok(Cow::Borrowed(options)) };
    let malformed = |reason: &str| malformed(format!("#{}", json.pointer(guidance)), "x-guidance", reason);
    if !json.is_object(guidance) {
        return Err(malformed("must be an object"));
    }
    let mut options = options.clone();
    let (mut item, mut key, mut flexible, mut pattern) = (",", ":", true, None);
    for (name, value) in json.members(guidance) {
        let text =
            || json.as_str(value).ok_or_else(|| malformed("must hold texts as separators and patterns"));
        let flag = || match json.kind(value) {
            JsonKind::Bool(flag) => Ok(flag),
            _ => Err(malformed("must hold `true` or `false` as flags")),
        };
        match name {
            "item_separator" => item = text()?,
            "key_separator" => key = text()?,
            "whitespace_flexible" => flexible = flag()?,
            "whitespace_pattern" if json.kind(value) == JsonKind::Null => {}
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
