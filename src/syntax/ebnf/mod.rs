//! EBNF in the two styles that have a specification: that of the W3C ([`w3c`]) and that of ISO
//! ([`iso`]).
//!
//! The first rule decides the style: `name ::= …` is the W3C's, `name = … ;` is ISO's. Outputs
//! start from the first rule. In both styles the rules describe every character of the output, so
//! whitespace between symbols occurs only where a rule allows it.

mod iso;
mod w3c;

use super::diagnostic::{Problem, TextFault, compile_error};
use super::expr::Rule;
use super::notation::Notation;
use super::rules;
use super::tokens::BEGINS_NOTHING;
use crate::grammar::{CompileError, Grammar};

/// The grammar that an EBNF text describes.
///
/// ```
/// use hedgerow::syntax::ebnf;
/// ebnf::compile("list ::= '[' (item (',' item)*)? ']'\nitem ::= [0-9]+ | list")?;
/// ebnf::compile(
///     "list = '[', [ item, { ',', item } ], ']';
///      item = digit, { digit } | list;
///      digit = '0' | '1';",
/// )?;
/// # Ok::<(), hedgerow::CompileError>(())
/// ```
///
/// # Errors
///
/// The text is not EBNF, a rule is missing or defined twice, nothing matches, or a limit is
/// exceeded; see [`CompileErrorKind`](crate::grammar::CompileErrorKind).
pub fn compile(text: &str) -> Result<Grammar, CompileError> {
    let grammar = parse(text).and_then(|(rules, start)| rules::compile(text, rules, &start));
    grammar.map_err(|failure| compile_error(Notation::Ebnf, text, failure))
}

/// The rules, and the name of the first.
pub(super) fn parse(text: &str) -> Result<(Vec<Rule>, String), TextFault> {
    let rules = if is_iso(text) { iso::parse(text) } else { w3c::parse(text) }?;
    let start = start(&rules)?.to_owned();
    Ok((rules, start))
}

/// The rows of [`Unreadable`](super::tokens::Unreadable) that both styles have.
const LITERAL_WITHOUT_END: (&[&str], &str, &str) =
    (&["\"", "'"], "the literal has no end", "close it with the quote it begins with");
const TEXT_STANDS_IN_QUOTES: (&[&str], &str, &str) = (&[""], BEGINS_NOTHING, "text stands in quotes");

fn start(rules: &[Rule]) -> Result<&str, TextFault> {
    let no_rule = Problem::syntax("there is no rule", "write `name ::= …` or `name = … ;`");
    rules.first().map(|rule| rule.name.as_str()).ok_or((0..0, no_rule))
}

/// True if the first rule is defined by `=` and not by `::=`.
fn is_iso(text: &str) -> bool {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        // Only ISO has this kind of comment.
        if rest.starts_with("(*") {
            return true;
        }
        let Some((_, end)) = [("/*", "*/"), ("[", "]")].into_iter().find(|c| rest.starts_with(c.0)) else {
            break;
        };
        let Some(at) = rest.find(end) else { return false };
        rest = &rest[at + end.len()..];
    }
    let name = rest.trim_start_matches(|c: char| c.is_alphanumeric() || "_-. \t\r\n".contains(c));
    name.starts_with('=')
}

/// The text between the quotes or brackets of `slice`.
fn unquoted(slice: &str) -> &str {
    &slice[1..slice.len() - 1]
}
