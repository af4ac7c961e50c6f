//! Terminals: strings, regular expressions and combinations of them, as patterns like those that
//! Lark makes.
//!
//! Lark writes the pattern of a terminal as one regular expression of Python. It tries terminals in
//! an order that depends on that text: higher priorities first, then patterns with longer matches,
//! then longer texts, then by name. The order decides which terminals a lexer finds, so the texts
//! and the order are the same here.

use super::common_terminals::Common;
use super::parse::{Expr, control_character, escape_digits, is_terminal, replace_escapes};
use super::pattern::Re;
use crate::syntax::diagnostic::{Problem, TextFault, similar};
use crate::syntax::rules::NEST_LIMIT;
use hashbrown::HashMap;
use std::ops::Range;

/// A terminal.
#[derive(Clone)]
pub(super) struct Terminal {
    pub span: Range<usize>,
    pub priority: i32,
    pub source: TerminalSource,
}

/// The origin of a terminal's pattern.
#[derive(Clone)]
pub(super) enum TerminalSource {
    Written(Expr),
    Common(&'static Common),
    /// Declared without a pattern.
    Declared,
}

/// A terminal's pattern.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Pattern {
    /// True if it is a string and not a regular expression.
    pub is_text: bool,
    /// The string, or the expression.
    pub value: String,
    /// The flags, in order.
    pub flags: String,
    /// The number of characters by which Lark's text for the value is longer; negative if it is
    /// shorter.
    longer: isize,
}

impl Pattern {
    fn expression(value: String, flags: &str, longer: isize) -> Self {
        Pattern { is_text: false, value, flags: flags.to_owned(), longer }
    }

    /// The length of Lark's text for the value.
    pub fn length(&self) -> isize {
        self.value.chars().count() as isize + self.longer
    }

    /// The regular expression, with its flags around it.
    fn written(&self) -> String {
        let value = if self.is_text { escaped(&self.value) } else { self.value.clone() };
        self.flags.chars().fold(value, |value, flag| format!("(?{flag}:{value})"))
    }

    /// The tree of the pattern.
    pub fn tree(&self) -> Result<Re, Problem> {
        if self.is_text && self.flags.is_empty() {
            return Ok(Re::Text(self.value.clone()));
        }
        Re::read(&self.written(), "")
    }
}

/// A string as a regular expression, with the escapes that Python writes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The regular expression after Lark has resolved its escapes and before Python reads it.
fn resolved(pattern: &str, span: &Range<usize>) -> Result<String, TextFault> {
    replace_escapes(pattern, |escape, characters, text| {
        let count = escape_digits(escape);
        if let Some(control) = control_character(escape) {
            text.push(control);
            return Ok(());
        }
        match escape {
            '"' => text.push('"'),
            _ if count > 0 => {
                let digits: String = characters.by_ref().take(count).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == count);
                let Some(c) = code.and_then(char::from_u32) else {
                    let what = format!("`\\{escape}{}` is no character", digits.escape_debug());
                    return Err((
                        span.clone(),
                        Problem::syntax(what, "write the code point in hexadecimal digits"),
                    ));
                };
                text.push(c);
            }
            other => text.extend(['\\', other]),
        }
        Ok(())
    })
}

/// All terminals with a name, and those of their patterns that are known.
pub(super) struct Terminals<'p> {
    pub by_name: &'p HashMap<String, Terminal>,
    known: HashMap<String, Pattern>,
    depth: u32,
}

/// The length that a terminal's pattern may have, with all that it refers to written out.
const LENGTH_LIMIT: usize = 1 << 18;

impl<'p> Terminals<'p> {
    pub fn new(by_name: &'p HashMap<String, Terminal>) -> Self {
        Terminals { by_name, known: HashMap::new(), depth: 0 }
    }

    /// The pattern of the terminal called `name`.
    pub fn named(&mut self, name: &str, span: &Range<usize>) -> Result<Pattern, TextFault> {
        if let Some(pattern) = self.known.get(name) {
            return Ok(pattern.clone());
        }
        let Some(terminal) = self.by_name.get(name) else {
            let similar = similar(name, self.by_name.keys().map(String::as_str));
            return Err((span.clone(), Problem::UndefinedRule { name: name.to_owned(), similar }));
        };
        // A terminal that refers to itself ends here, too.
        self.depth += 1;
        if self.depth > NEST_LIMIT {
            let kind = Problem::unsupported(
                format!("the terminal `{name}` refers to itself, or through too many others"),
                "terminals are regular; make it a rule",
            );
            return Err((terminal.span.clone(), kind));
        }
        let pattern = match &terminal.source {
            TerminalSource::Written(expr) => self.pattern(expr, &terminal.span)?,
            TerminalSource::Common(common) => common_pattern(common),
            TerminalSource::Declared => {
                let kind = Problem::unsupported(
                    format!("the terminal `{name}` is declared, but nothing says what its text is"),
                    "define it; there is no postlexer here to make it up",
                );
                return Err((span.clone(), kind));
            }
        };
        self.depth -= 1;
        self.known.insert(name.to_owned(), pattern.clone());
        Ok(pattern)
    }

    /// The pattern of a terminal's expression.
    pub fn pattern(&mut self, expr: &Expr, span: &Range<usize>) -> Result<Pattern, TextFault> {
        let pattern = match expr {
            Expr::Text { text, any_case } => {
                let flags = if *any_case { "i" } else { "" };
                Pattern { is_text: true, value: text.clone(), flags: flags.to_owned(), longer: 0 }
            }
            Expr::Regex { pattern, flags, span } => {
                let mut flags: Vec<char> = flags.chars().filter(|c| *c != 'l' && *c != 'u').collect();
                flags.sort_unstable();
                flags.dedup();
                Pattern::expression(resolved(pattern, span)?, &String::from_iter(flags), 0)
            }
            Expr::Characters(from, to) => {
                let member = |c: &char| match c {
                    '\\' | ']' | '^' | '-' | '[' => format!("\\{c}"),
                    c => c.to_string(),
                };
                let value = format!("[{}-{}]", member(from), member(to));
                let longer = 5 - value.chars().count() as isize;
                Pattern::expression(value, "", longer)
            }
            Expr::Common(common) => common_pattern(common),
            Expr::Name(name, span) if is_terminal(name) => self.named(name, span)?,
            Expr::Json { span, .. } | Expr::Special(_, span) | Expr::Pieces { span, .. } => {
                let what = "a terminal cannot be made of `%json` or a special token, or of `%regex` with other parts";
                return Err((span.clone(), Problem::syntax(what, "write it in a rule")));
            }
            Expr::Name(name, span) | Expr::Instance { name, span, .. } => {
                let what = format!("a terminal cannot be made of the rule `{name}`");
                return Err((
                    span.clone(),
                    Problem::syntax(what, "make it a rule, or refer to terminals only"),
                ));
            }
            Expr::Seq(parts) => {
                let parts = self.patterns(parts, span)?;
                let value: String = parts.iter().map(Pattern::written).collect();
                Pattern::expression(value, "", parts.iter().map(|part| part.longer).sum())
            }
            Expr::Alt(parts) => {
                let parts = self.patterns(parts, span)?;
                let mut sorted = Vec::new();
                for part in parts {
                    let (min, max) = part.tree().map_err(|problem| (span.clone(), problem))?.width();
                    sorted.push(((std::cmp::Reverse(max), std::cmp::Reverse(min), -part.length()), part));
                }
                sorted.sort_by_key(|part| part.0);
                let texts: Vec<String> = sorted.iter().map(|part| part.1.written()).collect();
                let longer = sorted.iter().map(|part| part.1.longer).sum();
                Pattern::expression(format!("(?:{})", texts.join("|")), "", longer)
            }
            Expr::Repeat(body, min, max) => {
                let body = self.pattern(body, span)?;
                let count = match (*min, *max) {
                    (0, 1) => "?".to_owned(),
                    (0, crate::automata::UNBOUNDED) => "*".to_owned(),
                    (1, crate::automata::UNBOUNDED) => "+".to_owned(),
                    (min, max) if min == max => format!("{{{min}}}"),
                    (min, max) => format!("{{{min},{max}}}"),
                };
                Pattern::expression(format!("(?:{}){count}", body.written()), &body.flags, body.longer)
            }
        };
        if pattern.value.len() > LENGTH_LIMIT {
            let kind = Problem::Length { given: pattern.value.len(), limit: LENGTH_LIMIT };
            return Err((span.clone(), kind));
        }
        Ok(pattern)
    }

    fn patterns(&mut self, parts: &[Expr], span: &Range<usize>) -> Result<Vec<Pattern>, TextFault> {
        parts.iter().map(|part| self.pattern(part, span)).collect()
    }
}

fn common_pattern(common: &Common) -> Pattern {
    let longer = common.length as isize - common.pattern.chars().count() as isize;
    let value = format!("(?:{})", common.pattern);
    Pattern::expression(value, "", longer - 4)
}

#[cfg(test)]
mod tests {
    use super::super::common_terminals::{COMMON, common};
    use super::*;

    #[test]
    fn common_terminals_are_sorted_and_readable() {
        for entry in COMMON {
            assert!(matches!(common(entry.name, &(0..0)), Ok(found) if found == entry), "{entry:?}");
            let (min, _) = common_pattern(entry).tree().unwrap().width();
            assert!(min > 0 || entry.name.starts_with('_'), "{entry:?}");
        }
    }
}
