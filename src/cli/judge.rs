//! The check of outputs by an independent validator: the `jsonschema` crate, which shares no code
//! with the constraint engine.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::{Registry, Validator};
use serde_json::{Map, Value};

use super::constraint::SchemaFile;
use hedgerow::schema::{Draft, FormatPolicy, SchemaOptions};

/// The validator's verdict on a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The text is JSON and satisfies the schema.
    Valid,
    /// The text is not JSON, or does not satisfy the schema: where and why.
    Invalid(String),
    /// The validator cannot read the schema: why.
    Unchecked(String),
}

/// Judges a text by a schema, under the options with which the schema was compiled.
pub(super) fn judge(schema: &SchemaFile, text: &str) -> Verdict {
    let (validator, schema_pointer) = match build_validator(schema) {
        Ok(found) => found,
        Err(reason) => return Verdict::Unchecked(reason),
    };
    let instance = match serde_json::from_str(text) {
        Ok(instance) => instance,
        Err(error) => return Verdict::Invalid(format!("it is not JSON: {error}")),
    };

    match validator.validate(&instance) {
        Ok(()) => Verdict::Valid,
        Err(_) if rounds_numbers(schema, text) => Verdict::Unchecked(ROUNDED.to_owned()),
        Err(error) => {
            let at = error.instance_path().to_string();
            let place = if at.is_empty() { "the whole value".to_owned() } else { format!("`{at}`") };
            Verdict::Invalid(format!("{place}: {error} (schema `{schema_pointer}{}`)", error.schema_path()))
        }
    }
}

/// The reason why the validator's verdict does not count where it rounds.
pub(super) const ROUNDED: &str = "it rounds numbers of more than 15 digits";

/// True if the validator may round a number of the schema or of the text: it computes with doubles.
pub(super) fn rounds_numbers(schema: &SchemaFile, text: &str) -> bool {
    let has_long = |text: &str| serde_json::from_str(text).is_ok_and(|value| has_long_number(&value));
    has_long(text) || has_long(&schema.text)
}

/// True if a number in `value` has more digits than a double holds, or is too large for one. The
/// validator has integers of 64 bits as well.
fn has_long_number(value: &Value) -> bool {
    /// Number of decimal digits that every double holds.
    const MAX_DIGITS: usize = 15;
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => false,
        Value::Number(number) if number.as_f64().is_none_or(|number| !number.is_finite()) => true,
        Value::Number(number) => {
            let text = number.to_string();
            let digits = text.bytes().take_while(|byte| !b"eE".contains(byte));
            digits.filter(u8::is_ascii_digit).skip_while(|&digit| digit == b'0').count() > MAX_DIGITS
        }
        Value::Array(items) => items.iter().any(has_long_number),
        Value::Object(members) => members.values().any(has_long_number),
        _ => false,
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
pub(super) fn violations(schema: &SchemaFile, text: &str) -> Result<Vec<Violation>, String> {
    let (validator, schema_pointer) = build_validator(schema)?;
    let instance = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let violations = validator.iter_errors(&instance).map(|error| Violation {
        instance: error.instance_path().to_string(),
        schema: format!("#{schema_pointer}{}", error.schema_path()),
        message: error.to_string(),
    });
    Ok(violations.collect())
}

/// Builds the validator of a schema. Also gives the JSON pointer to the schema in its text, which
/// is not empty for a schema inside a response format.
fn build_validator(schema: &SchemaFile) -> Result<(Validator, &'static str), String> {
    let SchemaFile { text, options: SchemaOptions { format, default_draft, documents, .. }, .. } = schema;
    let parsed = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (mut schema, schema_pointer) = unwrap_response_format(parsed);
    encode_references(&mut schema, Members::Keywords);
    let mut options = jsonschema::options().should_validate_formats(*format == FormatPolicy::Assert);
    if let (Some(draft), None) = (validator_draft(*default_draft), schema.get("$schema")) {
        options = options.with_draft(draft);
    }
    let validator = match (documents.is_empty(), text.contains("json-schema.org/")) {
        (true, false) => options.build(&schema),
        (true, true) => options.with_registry(META_SCHEMAS.as_ref().map_err(String::clone)?).build(&schema),
        (false, _) => options.with_registry(&build_registry(documents)?).build(&schema),
    };
    Ok((validator.map_err(|error| error.to_string())?, schema_pointer))
}

/// The validator's value for a draft; `None` for an unspecified one.
fn validator_draft(draft: Draft) -> Option<jsonschema::Draft> {
    match draft {
        Draft::Four => Some(jsonschema::Draft::Draft4),
        Draft::Six => Some(jsonschema::Draft::Draft6),
        Draft::Seven => Some(jsonschema::Draft::Draft7),
        Draft::Y2019 => Some(jsonschema::Draft::Draft201909),
        Draft::Y2020 => Some(jsonschema::Draft::Draft202012),
        _ => None,
    }
}

/// The meta-schemas that any schema may refer to.
static META_SCHEMAS: LazyLock<Result<Registry<'static>, String>> =
    LazyLock::new(|| build_registry(&HashMap::new()));

/// Builds the registry of the documents that a schema may refer to: the meta-schemas, and those of
/// `--documents`.
fn build_registry(documents: &HashMap<String, String>) -> Result<Registry<'static>, String> {
    let mut registry = Registry::new();
    for text in hedgerow::schema::meta_schemas() {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let uri = value.get("$id").or_else(|| value.get("id")).and_then(Value::as_str).unwrap_or_default();
        let uri = uri.trim_end_matches('#').to_owned();
        registry = registry.add(uri, value).map_err(|error| error.to_string())?;
    }
    for (uri, text) in documents {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("`{uri}`: {error}"))?;
        registry = registry.add(uri, value).map_err(|error| error.to_string())?;
    }
    registry.prepare().map_err(|error| error.to_string())
}

/// Takes the schema out of a response format, and gives the JSON pointer to it. Any other schema is
/// returned unchanged. The response formats are those that `hedgerow::schema` reads.
fn unwrap_response_format(mut value: Value) -> (Value, &'static str) {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    let schema_pointer = match kind {
        "json_schema" if value.get("json_schema").is_some() => "/json_schema/schema",
        "json_schema" | "json_object" if value.get("schema").is_some() => "/schema",
        "json_object" => return (Value::Object(Map::from_iter([("type".to_owned(), "object".into())])), ""),
        _ => return (value, ""),
    };
    let only_objects = kind == "json_object";
    let mut schema = value.pointer_mut(schema_pointer).map_or(Value::Bool(true), Value::take);
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
    (schema, schema_pointer)
}

/// The meaning of an object's members in a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Members {
    /// Keywords with their values.
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
                        *target = percent_encode(target)
                    }
                    (_, _, value) => encode_references(value, inside),
                }
            }
        }
        _ => {}
    }
}

/// Percent-encodes the characters of a reference that a URI may not have.
fn percent_encode(reference: &str) -> String {
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
        let under = |options: SchemaOptions, schema: &str, text: &str| {
            judge(&SchemaFile { path: "s".into(), text: schema.to_owned(), options }, text)
        };
        let judge = |schema: &str, text| under(SchemaOptions::default(), schema, text);
        assert_eq!(judge(r#"{"type": "integer"}"#, " 3 "), Verdict::Valid);
        let schema = r#"{"properties": {"a": {"format": "date"}}}"#;
        let Verdict::Invalid(reason) = judge(schema, r#"{"a": "x"}"#) else { panic!("a date") };
        assert!(reason.starts_with("`/a`: ") && reason.contains("/properties/a/format"), "{reason}");
        // The options of the schema count.
        let options = SchemaOptions::default().format(FormatPolicy::Annotate);
        assert_eq!(under(options, schema, r#"{"a": "x"}"#), Verdict::Valid);
        let sibling = r##"{"$ref": "#/definitions/a", "maxLength": 1, "definitions": {"a": {}}}"##;
        for (draft, expected) in [(Draft::Seven, true), (Draft::Y2020, false)] {
            let options = SchemaOptions::default().default_draft(draft);
            assert_eq!(under(options, sibling, r#""ab""#) == Verdict::Valid, expected, "{draft}");
        }
        // The validator divides and compares doubles.
        for (schema, text, is_known) in [
            (r#"{"exclusiveMinimum": 0.1}"#, "0.1000000000000000001", false),
            (r#"{"exclusiveMinimum": 0.1}"#, "0.1", true),
            (r#"{"maximum": 1}"#, "0000000000000000000000002", true),
            (r#"{"maximum": 1e300}"#, "2e300", true),
            (r#"{"type": "integer"}"#, "1e400", false),
            (r#"{"maximum": 9007199254740991}"#, "9007199254740992", true),
        ] {
            let is_invalid = matches!(judge(schema, text), Verdict::Invalid(_));
            assert_eq!(is_invalid, is_known, "{schema} {text}");
        }
        let options = SchemaOptions::default().document("https://a.example/b", r#"{"type": "array"}"#);
        let other = r#"{"$ref": "https://a.example/b"}"#;
        assert_eq!(under(options.clone(), other, "[]"), Verdict::Valid);
        assert!(matches!(under(options, other, "1"), Verdict::Invalid(_)));
        assert!(matches!(judge(other, "1"), Verdict::Unchecked(_)));
        assert!(matches!(judge("{}", "{"), Verdict::Invalid(reason) if reason.starts_with("it is not JSON")));
        assert!(matches!(judge(r#"{"type": 3}"#, "3"), Verdict::Unchecked(_)));
        assert!(matches!(judge("{", "3"), Verdict::Unchecked(_)));
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
