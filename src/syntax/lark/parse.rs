//! The parser of a Lark grammar, which reads the text into definitions.

use super::common_terminals::Common;
use crate::automata::UNBOUNDED;
use crate::syntax::diagnostic::{Problem, TextFault};
use crate::syntax::rules::COUNT_LIMIT;
use crate::syntax::tokens::{BEGINS_NOTHING, Tokens, Unreadable, token_kinds};
use std::ops::Range;
use std::str::Chars;

/// The expression that a rule or terminal stands for.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    /// A rule, a terminal or a template's parameter.
    Name(String, Range<usize>),
    /// This text, in any case if `any_case` is set.
    Text {
        text: String,
        any_case: bool,
    },
    /// A regular expression with its flags and the place of its pattern.
    Regex {
        pattern: String,
        flags: String,
        span: Range<usize>,
    },
    /// One character.
    Characters(char, char),
    /// A terminal of the module `common`.
    Common(&'static Common),
    /// A JSON text that satisfies a schema, which is given as text: `%json {…}`.
    Json {
        schema: String,
        span: Range<usize>,
    },
    /// Neighbouring ones of these pieces: `%regex {"substring_chunks": […]}`.
    Pieces {
        pieces: Vec<String>,
        span: Range<usize>,
    },
    /// The special token of that name: `<|end|>`.
    Special(String, Range<usize>),
    /// A template with its arguments.
    Instance {
        name: String,
        arguments: Vec<Expr>,
        span: Range<usize>,
    },
    Seq(Vec<Expr>),
    Alt(Vec<Expr>),
    /// The body repeated, with the least and the greatest number of rounds.
    Repeat(Box<Expr>, u32, u32),
}

impl Expr {
    /// The same expression with its names changed by `rename`, as if it were written at `place`.
    pub fn moved_to(&self, place: &Range<usize>, rename: &dyn Fn(&str) -> String) -> Expr {
        let all = |parts: &[Expr]| parts.iter().map(|part| part.moved_to(place, rename)).collect();
        match self {
            Expr::Name(name, _) => Expr::Name(rename(name), place.clone()),
            Expr::Regex { pattern, flags, .. } => {
                Expr::Regex { pattern: pattern.clone(), flags: flags.clone(), span: place.clone() }
            }
            Expr::Instance { name, arguments, .. } => {
                Expr::Instance { name: rename(name), arguments: all(arguments), span: place.clone() }
            }
            Expr::Seq(parts) => Expr::Seq(all(parts)),
            Expr::Alt(parts) => Expr::Alt(all(parts)),
            Expr::Repeat(body, min, max) => Expr::Repeat(Box::new(body.moved_to(place, rename)), *min, *max),
            Expr::Json { schema, .. } => Expr::Json { schema: schema.clone(), span: place.clone() },
            Expr::Pieces { pieces, .. } => Expr::Pieces { pieces: pieces.clone(), span: place.clone() },
            Expr::Special(name, _) => Expr::Special(name.clone(), place.clone()),
            Expr::Text { .. } | Expr::Characters(..) | Expr::Common(_) => self.clone(),
        }
    }

    fn seq(mut parts: Vec<Expr>) -> Expr {
        match parts.len() {
            1 => parts.remove(0),
            _ => Expr::Seq(parts),
        }
    }

    fn alt(mut parts: Vec<Expr>) -> Expr {
        match parts.len() {
            1 => parts.remove(0),
            _ => Expr::Alt(parts),
        }
    }

    pub fn parts(&self) -> &[Expr] {
        match self {
            Expr::Seq(parts) | Expr::Alt(parts) => parts,
            Expr::Instance { arguments, .. } => arguments,
            Expr::Repeat(body, ..) => std::slice::from_ref(body),
            _ => &[],
        }
    }
}

/// A rule, template or terminal.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub name: String,
    pub span: Range<usize>,
    pub parameters: Vec<String>,
    pub priority: i32,
    pub body: Expr,
}

/// A statement of a grammar.
pub(super) enum Statement {
    Define(Definition),
    /// A new definition in place of an existing one.
    Override(Definition),
    /// More alternatives for an existing definition.
    Extend(Definition),
    Ignore(Expr, Range<usize>),
    /// One rule or terminal of a module, the name by which it is known here, and the place of the
    /// import.
    Import {
        module: Module,
        name: String,
        alias: String,
        span: Range<usize>,
    },
    Declare(String, Range<usize>),
}

/// A module as an import names it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Module {
    /// True if it is found beside the module that imports it.
    pub relative: bool,
    /// Its names, joined by dots.
    pub path: String,
}

/// True if the name is that of a terminal.
///
/// The last letter decides and not the first, because an imported name has its module's name in
/// front: the terminal `NUMBER` of the module `sums` is called `sums__NUMBER`.
pub(super) fn is_terminal(name: &str) -> bool {
    name.chars().rev().find(char::is_ascii_alphabetic).is_some_and(|letter| letter.is_ascii_uppercase())
}

token_kinds! {
    #[logos(skip r"[ \t]+", skip(r"(//|#)[^\r\n]*", allow_greedy = true))]
    enum Token {
        symbols {
            Define ":", Or "|", Arrow "->", Open "(", Close ")", OpenOption "[", CloseOption "]",
            OpenArguments "{", CloseArguments "}", Comma ",", Star "*", Plus "+", Question "?",
            Tilde "~", To "..", Dot ".", Ignore "%ignore", Import "%import", Declare "%declare",
            Override "%override", Extend "%extend", Json "%json", StructuredRegex "%regex",
        }
        words {
            #[regex(r"\r\n|\n|\r")]
            LineEnd "the end of the line",
            #[regex("!?[_?]?[a-z][_a-z0-9]*")]
            Rule "the name of a rule",
            #[regex("_?[A-Z][_A-Z0-9]*")]
            Terminal "the name of a terminal",
            #[regex(r#""([^"\\\r\n]|\\[^\r\n])*"i?"#)]
            Text "a string",
            #[regex(r"/([^/\\\r\n]|\\[^\r\n])+/[imslux]*")]
            Regex "a regular expression",
            #[regex("[+-]?[0-9]+")]
            Number "a number",
            #[regex(r"<[^<>\s]+>")]
            Special "a special token",
            #[regex("%[a-z]+", priority = 1)]
            OtherStatement "a statement",
        }
    }
}

/// The reasons why no token begins at a place.
const UNREADABLE: &Unreadable = &[
    (&["\""], "the string has no end", "close it with `\"` on the same line"),
    (
        &["/"],
        "the regular expression has no end",
        "close it with `/` on the same line; a slash inside is written `\\/`",
    ),
    (&["'"], "`'` begins nothing", "strings are written in double quotes"),
    (&["=", ";"], BEGINS_NOTHING, "a rule is written `name: …` and ends with its line"),
    (
        &[""],
        BEGINS_NOTHING,
        "rules have lower-case names, terminals upper-case ones; text stands in double quotes",
    ),
];

pub(super) fn parse(text: &str) -> Result<Vec<Statement>, TextFault> {
    let mut parser = LarkParser { tokens: Tokens::read(text, UNREADABLE)? };
    let mut statements = Vec::new();
    loop {
        parser.skip_line_ends();
        match parser.tokens.peek() {
            None => return Ok(statements),
            Some(_) => parser.statement(&mut statements)?,
        }
    }
}

const RULE: &str = "a rule is written `name: …`, a terminal `NAME: …`; a line that begins with `|` goes on with the one before it";
const IMPORT: &str =
    "write `%import common.NAME`, `%import common.NAME -> OTHER` or `%import common (ONE, OTHER)`";

struct LarkParser<'t> {
    tokens: Tokens<'t, Token>,
}

impl LarkParser<'_> {
    fn skip_line_ends(&mut self) {
        while self.tokens.take(Token::LineEnd) {}
    }

    fn statement(&mut self, statements: &mut Vec<Statement>) -> Result<(), TextFault> {
        let span = self.tokens.span();
        match self.tokens.peek() {
            Some(Token::Rule | Token::Terminal) => statements.push(Statement::Define(self.definition()?)),
            Some(Token::Override) => {
                self.tokens.advance();
                statements.push(Statement::Override(self.definition()?));
            }
            Some(Token::Extend) => {
                self.tokens.advance();
                statements.push(Statement::Extend(self.definition()?));
            }
            Some(Token::Ignore) => {
                self.tokens.advance();
                statements.push(Statement::Ignore(self.expansions()?, span));
            }
            Some(Token::Import) => {
                self.tokens.advance();
                self.import(statements)?;
            }
            Some(Token::Declare) => {
                self.tokens.advance();
                while matches!(self.tokens.peek(), Some(Token::Terminal | Token::Rule)) {
                    statements.push(Statement::Declare(self.tokens.slice().to_owned(), self.tokens.span()));
                    self.tokens.advance();
                }
            }
            Some(Token::OtherStatement) => {
                let what = format!("`{}` is not supported", self.tokens.slice());
                return Err((
                    span,
                    Problem::unsupported(
                        what,
                        "there are %import, %ignore, %override, %extend and %declare, and in rules %json and %regex",
                    ),
                ));
            }
            _ => return Err(self.tokens.unexpected("a rule, a terminal or a statement", RULE)),
        }
        match self.tokens.peek() {
            None | Some(Token::LineEnd) => Ok(()),
            _ => Err(self.tokens.unexpected("the end of the line", RULE)),
        }
    }

    fn import(&mut self, statements: &mut Vec<Statement>) -> Result<(), TextFault> {
        let start = self.tokens.span();
        let mut path: Vec<(String, Range<usize>)> = Vec::new();
        let mut listed = false;
        let mut names = Vec::new();
        let relative = self.tokens.peek() == Some(Token::Dot);
        loop {
            match self.tokens.peek() {
                Some(Token::Dot) => self.tokens.advance(),
                Some(Token::Rule | Token::Terminal) => {
                    path.push((self.tokens.slice().to_owned(), self.tokens.span()));
                    self.tokens.advance();
                }
                Some(Token::Open) if !path.is_empty() => {
                    listed = true;
                    let open = self.tokens.span();
                    self.tokens.advance();
                    while matches!(self.tokens.peek(), Some(Token::Rule | Token::Terminal)) {
                        names.push((self.tokens.slice().to_owned(), self.tokens.span()));
                        self.tokens.advance();
                        self.tokens.take(Token::Comma);
                    }
                    self.tokens.close(Token::Close, &open)?;
                    break;
                }
                _ => break,
            }
        }
        if !listed {
            names.extend(path.pop());
        }
        if names.is_empty() || path.is_empty() {
            return Err(self.tokens.unexpected("what to import", IMPORT));
        }
        let path = path.iter().map(|p| p.0.as_str()).collect::<Vec<_>>().join(".");
        let module = Module { relative, path };
        let mut alias = None;
        if !listed && self.tokens.take(Token::Arrow) {
            if !matches!(self.tokens.peek(), Some(Token::Rule | Token::Terminal)) {
                return Err(self.tokens.unexpected("the name it gets", IMPORT));
            }
            alias = Some(self.tokens.slice().to_owned());
            self.tokens.advance();
        }
        for (name, span) in names {
            let alias = alias.clone().unwrap_or_else(|| name.clone());
            statements.push(Statement::Import {
                module: module.clone(),
                name,
                alias,
                span: start.start..span.end,
            });
        }
        Ok(())
    }

    fn definition(&mut self) -> Result<Definition, TextFault> {
        let span = self.tokens.span();
        if !matches!(self.tokens.peek(), Some(Token::Rule | Token::Terminal)) {
            return Err(self.tokens.unexpected("a rule or a terminal", RULE));
        }
        let name = self.tokens.slice().trim_start_matches(['!', '?']).to_owned();
        self.tokens.advance();
        let mut parameters = Vec::new();
        let open = self.tokens.span();
        if self.tokens.take(Token::OpenArguments) {
            while matches!(self.tokens.peek(), Some(Token::Rule | Token::Terminal)) {
                parameters.push(self.tokens.slice().to_owned());
                self.tokens.advance();
                self.tokens.take(Token::Comma);
            }
            self.tokens.close(Token::CloseArguments, &open)?;
        }
        let mut priority = 0;
        if self.tokens.take(Token::Dot) {
            priority = match self.tokens.peek() {
                Some(Token::Number) => self.tokens.slice().parse().unwrap_or(i32::MAX),
                _ => return Err(self.tokens.unexpected("a priority", "a priority is written `NAME.2: …`")),
            };
            self.tokens.advance();
        }
        self.tokens.expect(Token::Define, "`:` after the name", RULE)?;
        let body = self.expansions()?;
        Ok(Definition { name, span, parameters, priority, body })
    }

    fn expansions(&mut self) -> Result<Expr, TextFault> {
        let mut parts = vec![self.expansion()?];
        loop {
            let line_end = self.tokens.position();
            self.skip_line_ends();
            if !self.tokens.take(Token::Or) {
                if self.tokens.depth == 0 {
                    self.tokens.back(line_end);
                }
                return Ok(Expr::alt(parts));
            }
            parts.push(self.expansion()?);
        }
    }

    fn expansion(&mut self) -> Result<Expr, TextFault> {
        let mut parts = Vec::new();
        loop {
            if self.tokens.depth > 0 {
                self.skip_line_ends();
            }
            match self.atom()? {
                Some(atom) => parts.push(self.repeated(atom)?),
                None => break,
            }
        }
        // The name of an alternative shapes the tree and has no effect on texts.
        if self.tokens.take(Token::Arrow)
            && !self.tokens.take(Token::Rule)
            && !self.tokens.take(Token::Terminal)
        {
            return Err(self
                .tokens
                .unexpected("the alternative's name", "an alternative is named by `-> name` behind it"));
        }
        Ok(Expr::seq(parts))
    }

    fn atom(&mut self) -> Result<Option<Expr>, TextFault> {
        let (span, slice) = (self.tokens.span(), self.tokens.slice());
        match self.tokens.peek() {
            Some(Token::Open | Token::OpenOption) => {
                let option = self.tokens.peek() == Some(Token::OpenOption);
                self.tokens.enter(&span)?;
                self.tokens.advance();
                let body = self.expansions()?;
                self.tokens.close(if option { Token::CloseOption } else { Token::Close }, &span)?;
                self.tokens.depth -= 1;
                Ok(Some(if option { Expr::Repeat(Box::new(body), 0, 1) } else { body }))
            }
            Some(Token::Star | Token::Plus | Token::Question | Token::Tilde) => {
                let what = format!("there is nothing to repeat before `{slice}`");
                Err((span, Problem::syntax(what, "write it behind a string, name or group")))
            }
            _ => self.value(),
        }
    }

    fn value(&mut self) -> Result<Option<Expr>, TextFault> {
        let (span, slice) = (self.tokens.span(), self.tokens.slice());
        let expr = match self.tokens.peek() {
            Some(Token::Text) => {
                self.tokens.advance();
                if self.tokens.take(Token::To) {
                    return self.range(slice, span).map(Some);
                }
                let any_case = slice.ends_with('i');
                Expr::Text { text: text(slice, span)?, any_case }
            }
            Some(Token::Regex) => {
                self.tokens.advance();
                let end = slice.rfind('/').unwrap_or(0);
                let pattern = slice[1..end].to_owned();
                Expr::Regex {
                    pattern,
                    flags: slice[end + 1..].to_owned(),
                    span: span.start + 1..span.start + end,
                }
            }
            Some(Token::Rule | Token::Terminal) => {
                self.tokens.advance();
                let open = self.tokens.span();
                if !self.tokens.take(Token::OpenArguments) {
                    return Ok(Some(Expr::Name(slice.to_owned(), span)));
                }
                self.tokens.enter(&open)?;
                let mut arguments = Vec::new();
                while let Some(argument) = self.value()? {
                    arguments.push(argument);
                    if !self.tokens.take(Token::Comma) {
                        break;
                    }
                }
                self.tokens.close(Token::CloseArguments, &open)?;
                self.tokens.depth -= 1;
                Expr::Instance { name: slice.to_owned(), arguments, span }
            }
            Some(Token::Json) => self.json_schema()?,
            Some(Token::StructuredRegex) => self.structured_regex()?,
            Some(Token::Special) => {
                let numbers = slice.strip_prefix("<[").and_then(|rest| rest.strip_suffix("]>"));
                if numbers.is_some_and(|numbers| !numbers.bytes().all(|byte| byte.is_ascii_digit())) {
                    let what = format!("`{slice}` is not the number of one token");
                    return Err((span, Problem::unsupported(what, "write one token, as in `<[1]> | <[2]>`")));
                }
                self.tokens.advance();
                Expr::Special(slice.to_owned(), span)
            }
            _ => return Ok(None),
        };
        Ok(Some(expr))
    }

    /// The JSON value behind `%json` or `%regex`, as text, and the place of both.
    fn json(&mut self) -> Result<(&str, Range<usize>), TextFault> {
        let word = self.tokens.span();
        self.tokens.advance();
        let start = self.tokens.span().start;
        let end = match (self.tokens.peek(), self.tokens.slice()) {
            // A repetition may follow at once, as in `%json true*`.
            (Some(Token::Rule), "true" | "false") => self.tokens.span().end,
            _ => match json_end(&self.tokens.text[start..]) {
                Ok(length) => start + length,
                Err((place, fault)) => {
                    let what =
                        format!("`{}` is followed by no JSON: {fault}", &self.tokens.text[word.clone()]);
                    let help = "write a JSON object behind it, as in `%json {…}`";
                    let place = start + place.start..start + place.end;
                    return Err((place, Problem::syntax(what, help)));
                }
            },
        };
        while self.tokens.peek().is_some() && self.tokens.span().start < end {
            self.tokens.advance();
        }
        Ok((&self.tokens.text[start..end], word.start..end))
    }

    fn json_schema(&mut self) -> Result<Expr, TextFault> {
        let (text, span) = self.json()?;
        Ok(Expr::Json { schema: text.to_owned(), span })
    }

    fn structured_regex(&mut self) -> Result<Expr, TextFault> {
        let (text, span) = self.json()?;
        match pieces(text) {
            Some(pieces) if pieces.len() > PIECES_LIMIT => {
                let what = format!("the text of `%regex` has more than {PIECES_LIMIT} pieces");
                Err((span, Problem::excess(what, "divide it into larger ones, as `substring_words` does")))
            }
            Some(pieces) => Ok(Expr::Pieces { pieces, span }),
            None => {
                let what = "this `%regex` is not known";
                let help = "write `{\"substring_chunks\": [\"…\", …]}`, `{\"substring_words\": \"…\"}` or `{\"substring_chars\": \"…\"}`";
                Err((span, Problem::unsupported(what, help)))
            }
        }
    }

    /// The range `"a".."z"`, from the end of its dots on.
    fn range(&mut self, first: &str, first_span: Range<usize>) -> Result<Expr, TextFault> {
        const HELP: &str = "a range is written `\"a\"..\"z\"`";
        let (last, last_span) = (self.tokens.slice(), self.tokens.span());
        self.tokens.expect(Token::Text, "the last character", HELP)?;
        let whole = first_span.start..last_span.end;
        let ends = (text(first, first_span)?, text(last, last_span)?);
        let mut characters = (ends.0.chars(), ends.1.chars());
        match (characters.0.next(), characters.0.next(), characters.1.next(), characters.1.next()) {
            (Some(from), None, Some(to), None) if from <= to => Ok(Expr::Characters(from, to)),
            (Some(_), None, Some(_), None) => Err((
                whole,
                Problem::syntax("the range is the wrong way round", "write the smaller character first"),
            )),
            _ => Err((whole, Problem::syntax("a range is between single characters", HELP))),
        }
    }

    fn repeated(&mut self, mut expr: Expr) -> Result<Expr, TextFault> {
        let depth = self.tokens.depth;
        loop {
            let span = self.tokens.span();
            let (min, max) = match self.tokens.peek() {
                Some(Token::Star) => (0, UNBOUNDED),
                Some(Token::Plus) => (1, UNBOUNDED),
                Some(Token::Question) => (0, 1),
                Some(Token::Tilde) => (0, 0),
                _ => break,
            };
            self.tokens.enter(&span)?;
            let counted = self.tokens.take(Token::Tilde);
            let (min, max) = if counted { self.counts(span.start)? } else { (min, max) };
            if !counted {
                self.tokens.advance();
            }
            expr = Expr::Repeat(Box::new(expr), min, max);
        }
        self.tokens.depth = depth;
        Ok(expr)
    }

    /// The counts after `~`.
    fn counts(&mut self, start: usize) -> Result<(u32, u32), TextFault> {
        let min = self.count()?;
        let end = self.tokens.span();
        let max = if self.tokens.take(Token::To) { self.count()? } else { min };
        if max < min {
            let what = format!("at least {min} but at most {max} is impossible");
            return Err((start..end.end, Problem::syntax(what, "write the smaller number first")));
        }
        Ok((min, max))
    }

    fn count(&mut self) -> Result<u32, TextFault> {
        if self.tokens.peek() != Some(Token::Number) {
            return Err(self.tokens.unexpected("a number", "counts are written `~ 3` or `~ 3..5`"));
        }
        let count = self.tokens.slice().parse().ok().filter(|&n: &u32| n <= COUNT_LIMIT);
        let count = count.ok_or_else(|| (self.tokens.span(), Problem::Count { limit: COUNT_LIMIT }))?;
        self.tokens.advance();
        Ok(count)
    }
}

/// The length of the JSON value that `text` begins with, or the fault and its place.
fn json_end(text: &str) -> Result<usize, (Range<usize>, String)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let error = match values.next() {
        Some(Ok(_)) => return Ok(values.byte_offset()),
        Some(Err(error)) if !error.is_eof() => error,
        _ => return Err((text.len()..text.len(), "the text ends before the value does".to_owned())),
    };
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let mut at = (lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let length = text[at..].chars().next().map_or(0, char::len_utf8);
    // The place is in the text of the grammar, and not in that of the value.
    let (line, column) = (error.line(), error.column());
    let fault = error.to_string();
    let fault = fault.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&fault);
    Err((at..at + length, fault.to_owned()))
}

/// The most pieces of one `%regex`.
const PIECES_LIMIT: usize = 10_000;

/// The pieces that the value behind `%regex` lists, as llguidance divides a text.
fn pieces(text: &str) -> Option<Vec<String>> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let (name, value) = match value.as_object()?.iter().collect::<Vec<_>>().as_slice() {
        [only] => *only,
        _ => return None,
    };
    match name.as_str() {
        "substring_chunks" => {
            value.as_array()?.iter().map(|piece| piece.as_str().map(str::to_owned)).collect()
        }
        "substring_words" => Some(words(value.as_str()?)),
        "substring_chars" => Some(value.as_str()?.chars().map(String::from).collect()),
        _ => None,
    }
}

/// A text, divided where letters, digits and `_`, whitespace, and other characters meet.
fn words(text: &str) -> Vec<String> {
    let kind = |c: char| (c.is_whitespace(), c.is_alphanumeric() || c == '_');
    let mut words: Vec<String> = Vec::new();
    let mut last = None;
    for c in text.chars() {
        match words.last_mut() {
            Some(word) if last == Some(kind(c)) => word.push(c),
            _ => words.push(c.to_string()),
        }
        last = Some(kind(c));
    }
    words
}

/// The control character that `\n`, `\t`, `\r` or `\f` stands for.
pub(super) fn control_character(escape: char) -> Option<char> {
    match escape {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'f' => Some('\u{c}'),
        _ => None,
    }
}

/// The number of hexadecimal digits behind `\x`, `\u` or `\U`; 0 for other escapes.
pub(super) fn escape_digits(escape: char) -> usize {
    match escape {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    }
}

/// A text in which `read` replaces each escape. It gets the character behind the backslash and the
/// characters that follow, takes those of the escape, and appends the text that they stand for.
pub(super) fn replace_escapes(
    text: &str,
    mut read: impl FnMut(char, &mut Chars<'_>, &mut String) -> Result<(), TextFault>,
) -> Result<String, TextFault> {
    let mut replaced = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => read(characters.next().unwrap_or('\\'), &mut characters, &mut replaced)?,
            other => replaced.push(other),
        }
    }
    Ok(replaced)
}

/// The text of a string in its quotes, flag included.
fn text(slice: &str, span: Range<usize>) -> Result<String, TextFault> {
    let inner = slice.trim_end_matches('i');
    let inner = &inner[1..inner.len() - 1];
    replace_escapes(inner, |escape, characters, text| {
        let digits = escape_digits(escape);
        let read = match escape {
            'v' => Some('\u{b}'),
            _ if control_character(escape).is_some() => control_character(escape),
            _ if digits > 0 => {
                let number =
                    characters.as_str().get(..digits).filter(|n| n.bytes().all(|b| b.is_ascii_hexdigit()));
                characters.nth(digits - 1);
                number.and_then(|n| u32::from_str_radix(n, 16).ok()).and_then(char::from_u32)
            }
            '\\' | '"' => Some(escape),
            // Other letters and digits are refused, since Python may give such an escape a meaning.
            // Before any other character the backslash stands for itself.
            letter if letter.is_ascii_alphanumeric() => None,
            other => {
                text.push('\\');
                Some(other)
            }
        };
        let Some(read) = read else {
            let what = format!("`\\{}` is no escape here", escape.escape_debug());
            return Err((
                span.clone(),
                Problem::syntax(what, r#"there are \n \r \t \f \v \\ \" \xNN \uNNNN \UNNNNNNNN"#),
            ));
        };
        text.push(read);
        Ok(())
    })
}
