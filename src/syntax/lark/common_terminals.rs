//! The terminals of Lark's module `common`.

use crate::syntax::diagnostic::{Problem, TextFault, similar};
use std::ops::Range;

/// A terminal of Lark's module `common`.
#[derive(PartialEq, Debug)]
pub(super) struct Common {
    pub name: &'static str,
    /// The pattern that it matches.
    pub pattern: &'static str,
    /// The length of Lark's own pattern for it.
    pub length: usize,
}

const fn row(name: &'static str, pattern: &'static str, length: usize) -> Common {
    Common { name, pattern, length }
}

/// The terminals that `%import common` knows, by name.
pub(super) const COMMON: &[Common] = &[
    row("CNAME", "[_A-Za-z][_A-Za-z0-9]*", 53),
    row("CPP_COMMENT", r"//[^\n]*", 9),
    row("CR", r"\r", 1),
    row("C_COMMENT", r"/\*([^*]|\*+[^*/])*\*+/", 13),
    row("DECIMAL", r"[0-9]+\.[0-9]*|\.[0-9]+", 44),
    row("DIGIT", "[0-9]", 5),
    row("ESCAPED_STRING", r#""([^"\\\n]|\\[^\n])*""#, 20),
    row("FLOAT", r"[0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", 126),
    row("HEXDIGIT", "[0-9A-Fa-f]", 21),
    row("INT", "[0-9]+", 10),
    row("LCASE_LETTER", "[a-z]", 5),
    row("LETTER", "[A-Za-z]", 15),
    row("LF", r"\n", 1),
    row("NEWLINE", r"(\r?\n)+", 12),
    row("NUMBER", r"[0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[0-9]+", 141),
    row("SH_COMMENT", r"#[^\n]*", 6),
    row("SIGNED_FLOAT", r"[+-]?([0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)", 140),
    row("SIGNED_INT", "[+-]?[0-9]+", 24),
    row(
        "SIGNED_NUMBER",
        r"[+-]?([0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[0-9]+)",
        155,
    ),
    row("SQL_COMMENT", r"--[^\n]*", 7),
    row("UCASE_LETTER", "[A-Z]", 5),
    row("WORD", "[A-Za-z]+", 20),
    row("WS", r"[ \t\f\r\n]+", 12),
    row("WS_INLINE", r"[ \t]+", 13),
    row("_STRING_ESC_INNER", r"([^\\\n]|\\[^\n])*?", 18),
    row("_STRING_INNER", r"[^\n]*?", 4),
];

/// The common terminal of that name.
pub(super) fn common(name: &str, span: &Range<usize>) -> Result<&'static Common, TextFault> {
    if let Ok(at) = COMMON.binary_search_by_key(&name, |entry| entry.name) {
        return Ok(&COMMON[at]);
    }
    let what = format!("there is no common terminal `{name}`");
    let help = match similar(name, COMMON.iter().map(|entry| entry.name)) {
        Some(similar) => format!("there is `{similar}`"),
        None => {
            let names: Vec<&str> = COMMON.iter().map(|entry| entry.name).collect();
            format!("there are {}", names.join(", "))
        }
    };
    Err((span.clone(), Problem::syntax(what, help)))
}
