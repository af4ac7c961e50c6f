//! Python names in error messages.
//!
//! The library's messages name an option as Rust does: the type, `::`, and the member, between
//! backticks. A Python programmer gets the keyword, or the method. A test reads the library's
//! messages, and knows each name that this table has no row for.

/// Each Rust type whose members messages name: what stands before and behind a member's name in
/// Python.
const TYPES: &[(&str, &str, &str)] = &[
    ("Limits", "Limits(", "=…)"),
    ("SamplingParams", "", "="),
    ("SchemaOptions", "", "="),
    ("Vocabulary", "Vocabulary.", ""),
];

/// Members that have another name in Python.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("SchemaOptions::document", "documents="),
    ("Strategy::Contrastive", "contrastive"),
    ("ToolOptions::calls", "max_calls="),
    ("decode::Dola", "DoLa"),
    ("decode::Guided", "guidance"),
    ("lark::Options::module", "modules="),
];

/// The message with Python's names for options: "raise `Limits::nodes`" becomes "raise
/// `Limits(nodes=…)`". Other text between backticks is unchanged.
pub fn in_python(message: &str) -> String {
    let parts: Vec<&str> = message.split('`').collect();
    // Parts with an odd index stand between two backticks, save the last.
    let name = |at: usize| (at % 2 == 1 && at + 1 < parts.len()).then(|| python_name(parts[at])).flatten();
    let renamed = parts.iter().enumerate().map(|(at, part)| name(at).unwrap_or_else(|| (*part).to_owned()));
    renamed.collect::<Vec<String>>().join("`")
}

fn python_name(rust: &str) -> Option<String> {
    if let Some((_, python)) = EXCEPTIONS.iter().find(|(name, _)| *name == rust) {
        return Some((*python).to_owned());
    }
    let (owner, member) = rust.split_once("::")?;
    let (_, before, behind) = TYPES.iter().find(|(name, ..)| *name == owner)?;
    Some(format!("{before}{member}{behind}"))
}
