//! The languages of terminals: strings, regular expressions, and what is combined of them.
//!
//! Regular expressions are Python's. Where they look around, they are read as ECMA-262 patterns, otherwise as those of the Rust crate
//! `regex`, which share Python's classes and flags; what neither reads is an error. An alternative with a lazy quantifier ends
//! where it first can: of its matches those are left out that begin with another one.

use super::parse::{is_terminal, Expr};
use crate::automata::regex::{self, Anchoring, Dialect};
use crate::automata::{LangId, Languages};
use crate::syntax::diagnostic::{similar, Failure, SyntaxErrorKind};
use crate::syntax::rules::NEST_LIMIT;
use hashbrown::HashMap;
use std::ops::Range;

/// The terminals that `%import common` knows, as patterns of the crate `regex`.
const COMMON: &[(&str, &str)] = &[
    ("CNAME", "[_A-Za-z][_A-Za-z0-9]*"),
    ("CPP_COMMENT", r"//[^\n]*"),
    ("CR", r"\r"),
    ("C_COMMENT", r"/\*([^*]|\*+[^*/])*\*+/"),
    ("DECIMAL", r"[0-9]+\.[0-9]*|\.[0-9]+"),
    ("DIGIT", "[0-9]"),
    ("ESCAPED_STRING", r#""([^"\\\n]|\\[^\n])*""#),
    ("FLOAT", r"[0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
    ("HEXDIGIT", "[0-9A-Fa-f]"),
    ("INT", "[0-9]+"),
    ("LCASE_LETTER", "[a-z]"),
    ("LETTER", "[A-Za-z]"),
    ("LF", r"\n"),
    ("NEWLINE", r"(\r?\n)+"),
    ("NUMBER", r"[0-9]+([eE][+-]?[0-9]+)?|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
    ("SH_COMMENT", r"#[^\n]*"),
    ("SIGNED_FLOAT", r"[+-]?([0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)"),
    ("SIGNED_INT", "[+-]?[0-9]+"),
    ("SIGNED_NUMBER", r"[+-]?([0-9]+([eE][+-]?[0-9]+)?|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)"),
    ("SQL_COMMENT", r"--[^\n]*"),
    ("UCASE_LETTER", "[A-Z]"),
    ("WORD", "[A-Za-z]+"),
    ("WS", r"[ \t\f\r\n]+"),
    ("WS_INLINE", r"[ \t]+"),
];

/// A terminal.
#[derive(Clone)]
pub(super) struct Terminal {
    pub span: Range<usize>,
    pub priority: i32,
    pub source: Source,
}

/// What a terminal is made of.
#[derive(Clone)]
pub(super) enum Source {
    Written(Expr),
    /// A pattern of the crate `regex`.
    Common(&'static str),
    /// Said to be there, but by nobody.
    Declared,
}

/// The pattern of a common terminal.
pub(super) fn common(name: &str, span: &Range<usize>) -> Result<Source, Failure> {
    if let Ok(at) = COMMON.binary_search_by_key(&name, |entry| entry.0) {
        return Ok(Source::Common(COMMON[at].1));
    }
    let what = format!("there is no common terminal `{name}`");
    let help = match similar(name, COMMON.iter().map(|entry| entry.0)) {
        Some(similar) => format!("there is `{similar}`"),
        None => format!("there are {}", names()),
    };
    Err((span.clone(), SyntaxErrorKind::syntax(what, help)))
}

fn names() -> String {
    COMMON.iter().map(|entry| entry.0).collect::<Vec<_>>().join(", ")
}

/// All terminals with a name, and their languages as far as these are known.
pub(super) struct Terminals<'p> {
    pub by_name: &'p HashMap<String, Terminal>,
    known: HashMap<String, (LangId, bool)>,
    depth: u32,
    /// Whether what is being compiled holds a lazy quantifier.
    lazy: bool,
}

impl<'p> Terminals<'p> {
    pub fn new(by_name: &'p HashMap<String, Terminal>) -> Self {
        Terminals { by_name, known: HashMap::new(), depth: 0, lazy: false }
    }

    /// The texts of a terminal as a lexer finds them: what a lazy alternative matches only where it first can.
    pub fn lexeme(&mut self, pool: &mut Languages, expr: &Expr) -> Result<LangId, Failure> {
        let by_name = self.by_name;
        let definition = match expr {
            Expr::Name(name, _) => by_name.get(name).map(|terminal| &terminal.source),
            _ => None,
        };
        // Checked as a whole first: definitions in circles, deep or of nothing come no further.
        self.lazy = false;
        let language = self.language(pool, expr)?;
        if !self.lazy {
            return Ok(language);
        }
        match (expr, definition) {
            (Expr::Alt(parts), _) => {
                let parts =
                    parts.iter().map(|part| self.lexeme(pool, part)).collect::<Result<Vec<_>, _>>()?;
                Ok(pool.union(&parts))
            }
            (_, Some(Source::Written(definition))) => self.lexeme(pool, definition),
            _ => {
                let any = pool.any_text();
                let filled = pool.not(LangId::EMPTY);
                let more = pool.inter(&[any, filled]);
                let longer = pool.concat(language, more);
                let first = pool.not(longer);
                Ok(pool.inter(&[language, first]))
            }
        }
    }

    /// The language of the terminal called `name`.
    fn named(&mut self, pool: &mut Languages, name: &str, span: &Range<usize>) -> Result<LangId, Failure> {
        if let Some(&(language, lazy)) = self.known.get(name) {
            self.lazy |= lazy;
            return Ok(language);
        }
        let outside = std::mem::replace(&mut self.lazy, false);
        let Some(terminal) = self.by_name.get(name) else {
            let similar = similar(name, self.by_name.keys().map(String::as_str));
            return Err((span.clone(), SyntaxErrorKind::UndefinedRule { name: name.to_owned(), similar }));
        };
        // Terminals that refer to themselves get here, too.
        self.depth += 1;
        if self.depth > NEST_LIMIT {
            let kind = SyntaxErrorKind::unsupported(
                format!("the terminal `{name}` refers to itself, or through too many others"),
                "terminals are regular; make it a rule",
            );
            return Err((terminal.span.clone(), kind));
        }
        let language = match &terminal.source {
            Source::Written(expr) => self.language(pool, expr)?,
            Source::Common(pattern) => pattern_language(pool, pattern, Dialect::Rust, span)?,
            Source::Declared => {
                let kind = SyntaxErrorKind::unsupported(
                    format!("the terminal `{name}` is declared, but nothing says what its text is"),
                    "define it; there is no postlexer here to make it up",
                );
                return Err((span.clone(), kind));
            }
        };
        self.depth -= 1;
        self.known.insert(name.to_owned(), (language, self.lazy));
        self.lazy |= outside;
        Ok(language)
    }

    /// The language of what a terminal is made of.
    fn language(&mut self, pool: &mut Languages, expr: &Expr) -> Result<LangId, Failure> {
        Ok(match expr {
            Expr::Text { text, any_case: false } => pool.bytes(text.as_bytes()),
            Expr::Text { text, any_case: true } => {
                let pattern = format!("(?i){}", regex_syntax::escape(text));
                pattern_language(pool, &pattern, Dialect::Rust, &(0..0))?
            }
            Expr::Regex { pattern, flags, span } => {
                self.lazy |= ["*?", "+?", "??", "}?"].iter().any(|sign| pattern.contains(sign));
                written_pattern(pool, pattern, flags, span)?
            }
            Expr::Characters(from, to) => pool.char_class(&[(u32::from(*from), u32::from(*to))]),
            Expr::Name(name, span) if is_terminal(name) => self.named(pool, name, span)?,
            Expr::Name(name, span) | Expr::Instance { name, span, .. } => {
                let what = format!("a terminal cannot be made of the rule `{name}`");
                return Err((
                    span.clone(),
                    SyntaxErrorKind::syntax(what, "make it a rule, or refer to terminals only"),
                ));
            }
            Expr::Seq(parts) => {
                let parts =
                    parts.iter().map(|part| self.language(pool, part)).collect::<Result<Vec<_>, _>>()?;
                pool.sequence(&parts)
            }
            Expr::Alt(parts) => {
                let mut parts =
                    parts.iter().map(|part| self.language(pool, part)).collect::<Result<Vec<_>, _>>()?;
                pool.merge_literals(&mut parts);
                pool.union(&parts)
            }
            Expr::Repeat { body, min, max } => {
                let body = self.language(pool, body)?;
                pool.repeat(body, *min, *max)
            }
        })
    }
}

fn pattern_language(
    pool: &mut Languages,
    pattern: &str,
    dialect: Dialect,
    span: &Range<usize>,
) -> Result<LangId, Failure> {
    regex::compile(pool, pattern, dialect, Anchoring::Full)
        .map_err(|error| (span.clone(), SyntaxErrorKind::Regex(error.kind().clone())))
}

/// A regular expression of the grammar's author.
fn written_pattern(
    pool: &mut Languages,
    pattern: &str,
    flags: &str,
    span: &Range<usize>,
) -> Result<LangId, Failure> {
    let looks_around = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|sign| pattern.contains(sign));
    let flags: String = flags.chars().filter(|flag| "imsx".contains(*flag)).collect();
    match (looks_around, flags.as_str()) {
        (false, "") => pattern_language(pool, pattern, Dialect::Rust, span),
        (false, flags) => pattern_language(pool, &format!("(?{flags}){pattern}"), Dialect::Rust, span),
        (true, "") => pattern_language(pool, pattern, Dialect::Ecma262, span),
        (true, flags) => {
            let what = format!("the flags `{flags}` do not go together with lookahead and lookbehind");
            let kind = SyntaxErrorKind::unsupported(what, "write the flags' meaning out, as in `[aA]`");
            Err((span.clone(), kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_terminals_are_sorted_and_readable() {
        let mut pool = Languages::new();
        for (name, pattern) in COMMON {
            assert!(
                matches!(common(name, &(0..0)), Ok(Source::Common(found)) if found == *pattern),
                "{name}"
            );
            let language = pattern_language(&mut pool, pattern, Dialect::Rust, &(0..0)).unwrap();
            assert!(!pool.is_nullable(language) && !pool.is_never(language), "{name}");
        }
    }
}
