//! Faults of a grammar's text, in one form for all notations: what is wrong, where, and what to
//! write instead.
//!
//! The [`CompileError`] made from a fault keeps the line with the fault and not the whole text. Its
//! message shows that line with carets below the place:
//!
//! ```text
//! gbnf: rule `lits` is not defined (line 1, column 14)
//!   1 | root ::= "[" lits "]"
//!     |              ^^^^
//! help: define it, or write `list`, which is there
//! ```

use super::notation::Notation;
use crate::grammar::{CompileError, CompileErrorKind, GrammarError, Location, line_column};
use std::ops::Range;

/// A fault of a grammar's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// A fault that is described where a front end finds it.
    #[error("{what}")]
    Told {
        /// The kind that callers see.
        kind: CompileErrorKind,
        /// The fault.
        what: String,
        /// The text to write instead.
        help: String,
    },
    /// A rule is used but defined nowhere.
    #[error("rule `{name}` is not defined")]
    UndefinedRule {
        /// The name.
        name: String,
        /// An existing rule with a similar name.
        similar: Option<String>,
    },
    /// A rule is defined a second time.
    #[error("rule `{name}` is defined twice, first on line {first_line}")]
    DuplicateRule {
        /// The name.
        name: String,
        /// The line of the first definition.
        first_line: usize,
    },
    /// There is no rule to start from.
    #[error("there is no rule `{name}`, from which outputs start")]
    MissingStart {
        /// The name that the rule must have.
        name: String,
    },
    /// No text belongs to the grammar.
    #[error("the grammar matches nothing: rule `{rule}` never ends")]
    Empty {
        /// A rule without a finite text: every alternative needs the rule itself, or another such
        /// rule, or a part that matches nothing.
        rule: String,
    },
    /// No text belongs to the grammar, because the lexer never finds one terminal that a rule needs
    /// after another.
    #[error(
        "the grammar matches nothing: `{second}` is never found behind `{first}`, which takes its text or forbids it"
    )]
    Swallowed {
        /// The terminal that comes first.
        first: String,
        /// The terminal that is not found.
        second: String,
    },
    /// No text belongs to the grammar, because the last terminal of every text needs more text
    /// after it.
    #[error("the grammar matches nothing: its last terminals look ahead for what never comes")]
    Endless {
        /// The rule that outputs start from.
        rule: String,
    },
    /// Groups nest too deep.
    #[error("groups and repetitions nest deeper than {limit} levels")]
    Nesting {
        /// The allowed depth.
        limit: u32,
    },
    /// The text is too long.
    #[error("the grammar has {given} bytes, more than the limit of {limit}")]
    Length {
        /// The length in bytes.
        given: usize,
        /// The allowed length.
        limit: usize,
    },
    /// A repetition count is too large.
    #[error("the repetition count is larger than {limit}")]
    Count {
        /// The largest allowed count.
        limit: u32,
    },
    /// The rules are refused for their meaning as a whole.
    #[error(transparent)]
    Grammar(GrammarError),
}

impl Problem {
    /// A fault of a text that is not in the notation.
    pub fn syntax(what: impl Into<String>, help: impl Into<String>) -> Self {
        Problem::of_kind(CompileErrorKind::Syntax, what, help)
    }

    /// A fault of a text of the notation that asks for something that is not supported.
    pub fn unsupported(what: impl Into<String>, help: impl Into<String>) -> Self {
        Problem::of_kind(CompileErrorKind::Unsupported, what, help)
    }

    /// A fault of a text that exceeds a limit without a variant of its own.
    pub fn excess(what: impl Into<String>, help: impl Into<String>) -> Self {
        Problem::of_kind(CompileErrorKind::Limit, what, help)
    }

    /// A fault of the given kind.
    pub fn of_kind(kind: CompileErrorKind, what: impl Into<String>, help: impl Into<String>) -> Self {
        Problem::Told { kind, what: what.into(), help: help.into() }
    }

    /// The kind that callers see.
    pub fn kind(&self) -> CompileErrorKind {
        match self {
            Problem::Told { kind, .. } => *kind,
            Problem::DuplicateRule { .. } => CompileErrorKind::Syntax,
            Problem::UndefinedRule { .. } | Problem::MissingStart { .. } => CompileErrorKind::Reference,
            Problem::Empty { .. } | Problem::Swallowed { .. } | Problem::Endless { .. } => {
                CompileErrorKind::Empty
            }
            Problem::Nesting { .. } | Problem::Length { .. } | Problem::Count { .. } => {
                CompileErrorKind::Limit
            }
            Problem::Grammar(error) => error.into(),
        }
    }

    /// The advice on what to do about the fault.
    pub fn help(&self) -> String {
        match self {
            Problem::Told { help, .. } => help.clone(),
            Problem::UndefinedRule { similar: Some(name), .. } => {
                format!("define it, or write `{name}`, which is there")
            }
            Problem::UndefinedRule { similar: None, .. } => {
                "define it, or quote it if it is text".to_owned()
            }
            Problem::DuplicateRule { .. } => {
                "give one of them another name, or join them with `|`".to_owned()
            }
            Problem::MissingStart { name } => format!("call the rule for the whole output `{name}`"),
            Problem::Empty { .. } => "give it an alternative that ends without it".to_owned(),
            Problem::Swallowed { .. } => {
                "put something between them that neither matches, such as ignored whitespace, or narrow the first"
                    .to_owned()
            }
            Problem::Endless { .. } => "let the lookahead be met by the end of the text, too".to_owned(),
            Problem::Nesting { .. } => "move the inner groups into rules of their own".to_owned(),
            Problem::Length { .. } => "split the grammar, or give long lists as choices".to_owned(),
            Problem::Count { .. } => "leave the maximum open".to_owned(),
            Problem::Grammar(_) => "simplify the rules".to_owned(),
        }
    }
}

/// A place in the text and the fault there. [`compile_error`] makes the error from it and the text.
pub(super) type TextFault = (Range<usize>, Problem);

/// The error that shows a fault of `text`.
pub(super) fn compile_error(notation: Notation, text: &str, (span, problem): TextFault) -> CompileError {
    let Excerpt { line: shown, indent, length } = Excerpt::of(text, &span);
    let (line, column) = line_column(text, span.start);
    let (margin, carets) = (line.to_string().len(), "^".repeat(length));
    let message = format!(
        "{notation}: {problem} (line {line}, column {column})\n  {line} | {shown}\n  {:margin$} | {:indent$}{carets}\nhelp: {}",
        "",
        "",
        problem.help(),
    );
    let error = CompileError::new(problem.kind(), message).at(Location::Text { line, column, span });
    match problem {
        Problem::Grammar(below) => error.because(below),
        _ => error,
    }
}

/// The number of characters shown on either side of the place.
const CONTEXT: usize = 60;

/// The line with the place in it, cut to fit a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    line: String,
    indent: usize,
    length: usize,
}

impl Excerpt {
    fn of(text: &str, span: &Range<usize>) -> Self {
        let at = if text.is_char_boundary(span.start) { span.start } else { text.len() };
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[start..].split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let column = text[start..at].chars().count();
        let marked = text.get(at..span.end).unwrap_or_default();
        let length = marked.split(['\r', '\n']).next().unwrap_or_default().chars().count();
        let from = column.saturating_sub(CONTEXT);
        // Control characters would move the carets.
        let shown = |c: char| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        };
        let cut: String = line.chars().skip(from).take(column - from + CONTEXT).map(shown).collect();
        let more = line.chars().nth(column + CONTEXT).is_some();
        let (before, after) = (if from > 0 { "…" } else { "" }, if more { "…" } else { "" });
        Excerpt {
            line: format!("{before}{cut}{after}").trim_end().to_owned(),
            indent: column - from + before.chars().count(),
            length: length.clamp(1, CONTEXT),
        }
    }
}

/// The name among `names` that `wrong` was probably meant to be.
pub(crate) fn similar<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    // Longer names, and more of them, would cost too much to compare.
    const MAX_NAME_BYTES: usize = 64;
    const MAX_NAMES: usize = 1_000;
    if wrong.len() > MAX_NAME_BYTES {
        return None;
    }
    let distances =
        names.take(MAX_NAMES).filter(|n| n.len() <= MAX_NAME_BYTES).map(|n| (edit_distance(wrong, n), n));
    let (distance, name) = distances.min()?;
    let length = wrong.chars().count();
    (distance <= 1 + length / 4 && distance < length).then(|| name.to_owned())
}

/// The number of characters to insert, delete or replace to get from one text to the other
/// (Levenshtein). Case is ignored for ASCII.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(!from.eq_ignore_ascii_case(&to));
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_cut_and_keep_the_carets_below_the_place() {
        let kind = || Problem::syntax("x", "y");
        let shown = |text: &str, span| compile_error(Notation::Gbnf, text, (span, kind())).to_string();
        let long = format!("{}\té{}", "a".repeat(100), "b".repeat(100));
        for (text, span, expected) in [
            ("a b\r\nc", 2..3, "gbnf: x (line 1, column 3)\n  1 | a b\n    |   ^\nhelp: y".to_owned()),
            ("a\nb c\nd", 4..7, "gbnf: x (line 2, column 3)\n  2 | b c\n    |   ^\nhelp: y".to_owned()),
            ("a\n", 2..2, "gbnf: x (line 2, column 1)\n  2 | \n    | ^\nhelp: y".to_owned()),
            ("é\0x", 3..9, "gbnf: x (line 1, column 3)\n  1 | é\u{fffd}x\n    |   ^\nhelp: y".to_owned()),
            (
                &long,
                101..103,
                format!(
                    "gbnf: x (line 1, column 102)\n  1 | …{} é{}…\n    | {:61}^\nhelp: y",
                    "a".repeat(59),
                    "b".repeat(59),
                    ""
                ),
            ),
        ] {
            assert_eq!(shown(text, span), expected);
        }
    }

    #[test]
    fn names_much_alike() {
        let names = ["list", "item", "whitespace"];
        for (wrong, expected) in [
            ("lits", Some("list")),
            ("lst", Some("list")),
            ("Item", Some("item")),
            ("white-space", Some("whitespace")),
            ("x", None),
        ] {
            assert_eq!(similar(wrong, names.into_iter()).as_deref(), expected, "{wrong}");
        }
    }
}
