//! C names in error messages.
//!
//! The library's messages name an option as Rust does: the type, `::`, and the member, between
//! backticks. A C programmer gets the member of the C struct, or the C function.

/// Each Rust type whose members messages name, and the C struct with the same members.
const STRUCTS: &[(&str, &str)] = &[
    ("Batch", "hr_generation_options"),
    ("Limits", "hr_limits"),
    ("Request", "hr_generation_options"),
    ("SamplingParams", "hr_sampler_options"),
    ("SchemaOptions", "hr_schema_options"),
];

/// Members and functions that have another name in C.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("Budget::Cut", "`cut_at_limit` of hr_generation_options"),
    ("SchemaOptions::document", "`documents` of hr_schema_options"),
    ("Vocabulary::with_model_size", "hr_vocab_with_model_size()"),
    ("lark::Options::module", "the modules of hr_grammar_from_lark()"),
];

/// The message with C names for options: "raise `Limits::nodes`" becomes "raise `nodes` of
/// hr_limits". Other text between backticks is unchanged.
pub(super) fn with_c_names(message: &str) -> String {
    let mut parts = message.split('`');
    let mut result = parts.next().unwrap_or_default().to_owned();
    while let Some(quoted) = parts.next() {
        let Some(after) = parts.next() else {
            result.push('`');
            result.push_str(quoted);
            break;
        };
        match c_name_of(quoted) {
            Some(name) => result.push_str(&name),
            None => {
                result.push('`');
                result.push_str(quoted);
                result.push('`');
            }
        }
        result.push_str(after);
    }
    result
}

/// The C name of a Rust option such as `Limits::nodes`; `None` for any other text.
fn c_name_of(rust: &str) -> Option<String> {
    if let Some((_, c)) = EXCEPTIONS.iter().find(|(name, _)| *name == rust) {
        return Some((*c).to_owned());
    }
    let (owner, member) = rust.split_once("::")?;
    let (_, c) = STRUCTS.iter().find(|(name, _)| *name == owner)?;
    Some(format!("`{member}` of {c}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_get_their_c_names() {
        let cases = [
            ("raise `Limits::nodes` or not", "raise `nodes` of hr_limits or not"),
            ("`SchemaOptions::document`", "`documents` of hr_schema_options"),
            ("with `Vocabulary::with_model_size` where", "with hr_vocab_with_model_size() where"),
            ("with `lark::Options::module`", "with the modules of hr_grammar_from_lark()"),
            ("the pattern `a::b` and `x`", "the pattern `a::b` and `x`"),
            ("an odd ` and `Limits::nodes", "an odd ` and `Limits::nodes"),
            ("one `", "one `"),
            ("", ""),
        ];
        for (rust, c) in cases {
            assert_eq!(with_c_names(rust), c);
        }
    }
}
