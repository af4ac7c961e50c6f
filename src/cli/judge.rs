//! A second opinion on outputs: the `jsonschema` crate, which shares no code with the constraint
//! engine.

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
    let parsed = match serde_json::from_str(&schema.text) {
        Ok(parsed) => parsed,
        Err(error) => return Verdict::NoJudge(error.to_string()),
    };
    let validator = match jsonschema::options().should_validate_formats(true).build(&parsed) {
        Ok(validator) => validator,
        Err(error) => return Verdict::NoJudge(error.to_string()),
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
            Verdict::Invalid(format!("{place}: {error} (schema `{}`)", error.schema_path()))
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

/// Every keyword that a JSON text breaks; the error says why the judge cannot tell.
pub(super) fn violations(schema: &str, text: &str) -> Result<Vec<Violation>, String> {
    let schema = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    let validator = jsonschema::options().should_validate_formats(true).build(&schema);
    let validator = validator.map_err(|error| error.to_string())?;
    let instance = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let violations = validator.iter_errors(&instance).map(|error| Violation {
        instance: error.instance_path().to_string(),
        schema: format!("#{}", error.schema_path()),
        message: error.to_string(),
    });
    Ok(violations.collect())
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
    }
}
