//! The check of outputs by an independent validator: the `jsonschema` crate, which shares no code
//! with the constraint engine.

use std::sync::LazyLock;

use jsonschema::{Registry, Validator};
use serde_json::{Map, Value};

use super::constraint::SchemaFile;

/// The judge's verdict on a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is JSON and satisfies the schema.
    Valid,
    /// It is not JSON, or does not satisfy the schema: where and why.
    Invalid(String),
    /// The judge cannot read the schema.
    NoJudge(String),
}

/// Judges a text by a schema, formats included.
pub(super) fn judge(schema: &SchemaFile, text: &str) -> Verdict {
    let (validator, outside) = match validator(&schema.text) {
        Ok(found) => found,
        Err(reason) => return Verdict::NoJudge(reason),
    };
    let instance = match serde_json::from_str(text) {
        Ok(instance) => instance,
        Err(error) => return Verdict::Invalid(format!("it is not JSON: {error}")),
    };

    match validator.validate(&instance) {
        Ok(()) => Verdict::Valid,
        Err(error) => {
            let at = error.instance_path().to_string();
            let place = if at.is_empty() { "the whole value".to_owned() } else { format!("`{at}`") };
            Verdict::Invalid(format!("{place}: {error} (schema `{outside}{}`)", error.schema_path()))
        }
    }
}

/// A keyword that a value breaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// JSON pointer to the part of the value.
    pub instance: String,
    /// JSON pointer to the keyword, with `#` in front.
    pub schema: String,
    /// The violation in words.
    pub message: String,
}

/// Every keyword that a JSON text breaks. The error says why the validator could not check it.
pub(super) fn violations(schema: &str, text: &str) -> Result<Vec<Violation>, String> {
    let (validator, outside) = validator(schema)?;
    let instance = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let violations = validator.iter_errors(&instance).map(|error| Violation {
        instance: error.instance_path().to_string(),
        schema: format!("#{outside}{}", error.schema_path()),
        message: error.to_string(),
    });
    Ok(violations.collect())
}

/// The validator of a schema, and the JSON pointer to the schema inside its envelope.
fn validator(text: &str) -> Result<(Validator, &'static str), String> {
    let parsed = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (mut schema, outside) = unwrapped(parsed);
    encode_references(&mut schema, Members::Keywords);
    let options = jsonschema::options().should_validate_formats(true);
    let validator = match META_SCHEMAS.as_ref().filter(|_| text.contains("json-schema.org/")) {
        Some(registry) => options.with_registry(registry).build(&schema),
        None => options.build(&schema),
    };
    Ok((validator.map_err(|error| error.to_string())?, outside))
}

/// The meta-schemas that a schema may refer to.
static META_SCHEMAS: LazyLock<Option<Registry<'static>>> = LazyLock::new(|| {
    let mut registry = Registry::new();
    for text in hedgerow::schema::meta_schemas() {
        let value: Value = serde_json::from_str(text).ok()?;
        let uri = value.get("$id").or_else(|| value.get("id"))?.as_str()?.trim_end_matches('#').to_owned();
        registry = registry.add(uri, value).ok()?;
    }
    registry.prepare().ok()
});

/// The schema inside a response format, with the JSON pointer to it. Any other schema is returned
/// unchanged. The response formats are those that `hedgerow::schema` reads.
fn unwrapped(mut value: Value) -> (Value, &'static str) {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    let outside = match kind {
        "json_schema" if value.get("json_schema").is_some() => "/json_schema/schema",
        "json_schema" | "json_object" if value.get("schema").is_some() => "/schema",
        "json_object" => return (Value::Object(Map::from_iter([("type".to_owned(), "object".into())])), ""),
        _ => return (value, ""),
    };
    let only_objects = kind == "json_object";
    let mut schema = value.pointer_mut(outside).map_or(Value::Bool(true), Value::take);
    if only_objects {
        let types = match &schema {
            Value::Object(members) => members.get("type").cloned(),
            _ => None,
        };
        let has_objects = match &types {
            None => true,
            Some(Value::Array(names)) => names.iter().any(|name| name == "object"),
            Some(name) => name == "object",
        };
        if schema == Value::Bool(true) {
            schema = Value::Object(Map::new());
        }
        if let (Value::Object(members), true) = (&mut schema, has_objects) {
            members.insert("type".to_owned(), "object".into());
        }
    }
    (schema, outside)
}

/// The meaning of an object's members in a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Members {
    Keywords,
    /// Schemas by name, as under `properties`.
    Schemas,
}

/// Writes references as URIs: `#/$defs/List<int>` becomes `#/$defs/List%3Cint%3E`.
///
/// The schema compiler accepts such references, and the validator does not. A parsed value is
/// nested at most 128 deep, which bounds the recursion.
fn encode_references(schema: &mut Value, members: Members) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| encode_references(item, Members::Keywords)),
        Value::Object(object) => {
            for (name, value) in object {
                let inside = match (members, name.as_str()) {
                    (Members::Schemas, _) => Members::Keywords,
                    (_, "enum" | "const" | "default" | "examples") => continue,
                    (
                        _,
                        "properties" | "patternProperties" | "definitions" | "$defs" | "dependentSchemas",
                    ) => Members::Schemas,
                    _ => Members::Keywords,
                };
                match (members, name.as_str(), &mut *value) {
                    (Members::Keywords, "$ref" | "$dynamicRef", Value::String(target)) => {
                        *target = encoded(target)
                    }
                    (_, _, value) => encode_references(value, inside),
                }
            }
        }
        _ => {}
    }
}

/// A reference with the characters that a URI may not have percent-encoded.
fn encoded(reference: &str) -> String {
    let mut out = String::with_capacity(reference.len());
    for byte in reference.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&byte) {
            true => out.push(char::from(byte)),
            false => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let judge =
            |schema: &str, text| judge(&SchemaFile { path: "s".into(), text: schema.to_owned() }, text);
        assert_eq!(judge(r#"{"type": "integer"}"#, " 3 "), Verdict::Valid);
        let schema = r#"{"properties": {"a": {"format": "date"}}}"#;
        let Verdict::Invalid(reason) = judge(schema, r#"{"a": "x"}"#) else { panic!("a date") };
        assert!(reason.starts_with("`/a`: ") && reason.contains("/properties/a/format"), "{reason}");
        assert!(matches!(judge("{}", "{"), Verdict::Invalid(reason) if reason.starts_with("it is not JSON")));
        assert!(matches!(judge(r#"{"type": 3}"#, "3"), Verdict::NoJudge(_)));
        assert!(matches!(judge("{", "3"), Verdict::NoJudge(_)));
        // Schemas of schemas.
        for uri in ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"]
        {
            let schema = format!(r#"{{"$ref": "{uri}"}}"#);
            assert_eq!(judge(&schema, r#"{"type": "string"}"#), Verdict::Valid, "{uri}");
            assert!(matches!(judge(&schema, r#"{"type": "text"}"#), Verdict::Invalid(_)), "{uri}");
        }
        // References that are no URIs, and schemas inside response formats.
        let references = r##"{"$ref": "#/$defs/List<é>", "$defs": {"List<é>": {"type": "array"}}}"##;
        assert_eq!(judge(references, "[1]"), Verdict::Valid);
        assert!(matches!(judge(references, "1"), Verdict::Invalid(_)));
        let chat =
            format!(r#"{{"type": "json_schema", "json_schema": {{"name": "a", "schema": {references}}}}}"#);
        let Verdict::Invalid(reason) = judge(&chat, "1") else { panic!("a list") };
        assert!(reason.contains("(schema `/json_schema/schema/"), "{reason}");
        let flat = format!(r#"{{"type": "json_schema", "schema": {references}}}"#);
        assert_eq!(judge(&flat, "[1]"), Verdict::Valid);
        for (format, text, expected) in [
            (r#"{"type": "json_object"}"#, "{}", true),
            (r#"{"type": "json_object"}"#, "[]", false),
            (r#"{"type": "json_object", "schema": {"required": ["a"]}}"#, r#"{"a": 1}"#, true),
            (r#"{"type": "json_object", "schema": {"required": ["a"]}}"#, "{}", false),
            (r#"{"type": "json_object", "schema": {"type": ["object", "array"]}}"#, "[]", false),
        ] {
            assert_eq!(judge(format, text) == Verdict::Valid, expected, "{format} {text}");
        }
    }
}
