//! GBNF, llama.cpp's notation for grammars.
//!
//! The whole notation is read: rules `name ::= …` from `root` on, literals and character classes
//! with their escapes, `.`, groups, `* + ?`, counts, comments, and references to special tokens. A
//! rule goes on past the end of its line inside parentheses, after `::=` and after `|`. Unlike in
//! llama.cpp it also goes on if the next line begins with `|`. Characters are Unicode code points.
//!
//! Some faults that llama.cpp lets pass are errors here: rules defined twice, counts upside down,
//! empty or reversed ranges, halves of surrogate pairs. Some grammars that llama.cpp refuses are
//! read: those with left recursion, or with counts above 2,000. `docs/grammars.md` has the list.
//!
//! A token reference `<name>` is the special token named `<name>`, brackets included, and `<[7]>`
//! is the token with that id. The negation `!<name>` stands for any one other token, whatever its
//! text is. Only its repetition `!<name>*` or `!<name>+` is read, as text in which the name does
//! not occur.
//!
//! Source: `grammars/README.md` and `src/llama-grammar.cpp` of llama.cpp, 2025.

use super::diagnostic::{Problem, TextFault, compile_error};
use super::expr::{Expr, Rule};
use super::notation::Notation;
use super::rules::{self, COUNT_LIMIT, LAST, normalised};
use super::tokens::{BEGINS_NOTHING, TokenKind, Tokens, Unreadable, token_kinds};
use crate::automata::UNBOUNDED;
use crate::grammar::{CompileError, Grammar};
use std::ops::{Deref, DerefMut, Range};

/// The rule that outputs start from.
pub const START: &str = "root";

/// The grammar that a GBNF text describes.
///
/// ```
/// use hedgerow::syntax::gbnf;
/// let grammar = gbnf::compile(
///     r#"root ::= "[" (item ("," item)*)? "]"
///        item ::= [0-9]{1,3} | root"#,
/// )?;
/// let error = gbnf::compile("root ::= itme\nitem ::= \"x\"").unwrap_err();
/// assert!(error.to_string().contains("write `item`"));
/// # Ok::<(), hedgerow::CompileError>(())
/// ```
///
/// # Errors
///
/// The text is not GBNF, a rule is missing or defined twice, nothing matches, or a limit is
/// exceeded; see [`CompileErrorKind`](crate::grammar::CompileErrorKind).
pub fn compile(text: &str) -> Result<Grammar, CompileError> {
    let grammar = parse(text).and_then(|(rules, start)| rules::compile(text, rules, &start));
    grammar.map_err(|failure| compile_error(Notation::Gbnf, text, failure))
}

token_kinds! {
    #[logos(skip r"[ \t]+", skip(r"#[^\r\n]*", allow_greedy = true))]
    enum Token {
        symbols {
            Define "::=", Or "|", Open "(", Close ")", Star "*", Plus "+", Question "?",
            OpenCount "{", CloseCount "}", Comma ",", Any ".",
        }
        words {
            #[regex(r"\r\n|\n|\r")]
            LineEnd "the end of the line",
            #[regex("[A-Za-z0-9_-]+")]
            Name "a name",
            #[regex(r#""([^"\\]|\\[\s\S])*""#)]
            Literal "a literal",
            #[regex(r"\[([^\]\\]|\\[\s\S])*\]")]
            Class "a character class",
            #[regex("!?<[^>]*>")]
            Special "a token",
        }
    }
}

/// The rules, and the name of the rule that outputs start from.
pub(super) fn parse(text: &str) -> Result<(Vec<Rule>, String), TextFault> {
    let mut parser = GbnfParser { tokens: Tokens::read(text, UNREADABLE)? };
    let mut rules = Vec::new();
    loop {
        parser.skip_line_ends();
        if parser.peek().is_none() {
            return Ok((rules, START.to_owned()));
        }
        rules.push(parser.rule()?);
    }
}

/// The reasons why no token begins at a place.
const UNREADABLE: &Unreadable = &[
    (&["\""], "the literal has no end", "close it with `\"`; a quote inside is written `\\\"`"),
    (&["["], "the character class has no end", "close it with `]`; a bracket inside is written `\\]`"),
    (&["<", "!"], "the token reference has no end", "write `<name>` or `<[id]>`, with `!` before it at most"),
    (&[":", "="], BEGINS_NOTHING, "a rule is written `name ::= …`"),
    (&["'"], "`'` begins nothing", "literals are written in double quotes"),
    (&["/", ";"], BEGINS_NOTHING, "comments begin with `#`; rules end with their line"),
    (&[""], BEGINS_NOTHING, "text stands in double quotes"),
];

struct GbnfParser<'t> {
    tokens: Tokens<'t, Token>,
}

impl<'t> Deref for GbnfParser<'t> {
    type Target = Tokens<'t, Token>;
    fn deref(&self) -> &Self::Target {
        &self.tokens
    }
}

impl DerefMut for GbnfParser<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.tokens
    }
}

impl GbnfParser<'_> {
    fn skip_line_ends(&mut self) {
        while self.take(Token::LineEnd) {}
    }

    /// True if a rule begins at the next token.
    fn at_rule(&self) -> bool {
        self.peek() == Some(Token::Name) && self.peek_at(1) == Some(Token::Define)
    }

    fn rule(&mut self) -> Result<Rule, TextFault> {
        const LINES: &str = "a rule is written `name ::= …`; it goes on over several lines only inside parentheses, after `::=`, or where a `|` stands at the end or beginning of a line";
        if self.peek() != Some(Token::Name) {
            return Err(self.unexpected("a rule", LINES));
        }
        let (name, span) = (self.slice().to_owned(), self.span());
        self.advance();
        self.expect(Token::Define, "`::=` after the rule's name", LINES)?;
        self.skip_line_ends();
        let body = self.alternatives()?;
        match self.peek() {
            None => {}
            Some(Token::LineEnd) => self.advance(),
            // A `|` ended the line before, so the last alternative is empty.
            _ if self.at_rule() && self.previous() == Some(Token::LineEnd) => {}
            _ if self.at_rule() => {
                let help = "each rule begins on a line of its own";
                return Err(self.unexpected("the end of the line before the next rule", help));
            }
            Some(Token::Close) => {
                return Err((
                    self.span(),
                    Problem::syntax("this `)` closes nothing", "remove it, or add a `(`"),
                ));
            }
            Some(_) => return Err(self.unexpected("the end of the rule", LINES)),
        }
        Ok(Rule { name, span, body })
    }

    fn alternatives(&mut self) -> Result<Expr, TextFault> {
        let mut parts = vec![self.sequence()?];
        loop {
            // The rule goes on in the next line if that begins with `|`.
            let line_end = self.position();
            self.skip_line_ends();
            if !self.take(Token::Or) {
                if self.depth == 0 {
                    self.back(line_end);
                }
                return Ok(Expr::alt(parts));
            }
            self.skip_line_ends();
            parts.push(self.sequence()?);
        }
    }

    fn sequence(&mut self) -> Result<Expr, TextFault> {
        let mut parts = Vec::new();
        loop {
            if self.depth > 0 {
                self.skip_line_ends();
            }
            if self.depth == 0 && self.at_rule() {
                // The next rule begins here, so nothing is left of this one.
                return Ok(Expr::seq(parts));
            }
            let Some(item) = self.item()? else { return Ok(Expr::seq(parts)) };
            parts.push(self.repeated(item)?);
        }
    }

    /// One item without the repetitions after it; `None` if there is none.
    fn item(&mut self) -> Result<Option<Item>, TextFault> {
        let (span, slice) = (self.span(), self.slice());
        let expr = match self.peek() {
            Some(Token::Literal) => Expr::Text(literal(slice, span.start)?),
            Some(Token::Class) => Expr::Class(class(slice, span)?),
            Some(Token::Any) => Expr::Class(vec![(0, LAST)]),
            Some(Token::Name) => Expr::Rule(slice.to_owned(), span),
            Some(Token::Special) => {
                self.advance();
                return token(slice, span).map(Some);
            }
            Some(Token::Open) => {
                self.enter(&span)?;
                self.advance();
                let body = self.alternatives()?;
                self.close(Token::Close, &span)?;
                self.depth -= 1;
                return Ok(Some(Item::Expr(body)));
            }
            Some(Token::Star | Token::Plus | Token::Question | Token::OpenCount) => {
                let what = format!(
                    "there is nothing to repeat before {}",
                    self.peek().map_or("", TokenKind::describe)
                );
                return Err((span, Problem::syntax(what, "write it behind a literal, class, name or group")));
            }
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(Item::Expr(expr)))
    }

    /// The item with the repetitions after it.
    fn repeated(&mut self, item: Item) -> Result<Expr, TextFault> {
        let depth = self.depth;
        let mut item = item;
        loop {
            if depth > 0 {
                self.skip_line_ends();
            }
            let span = self.span();
            let (min, max) = match self.peek() {
                Some(Token::Star) => (0, UNBOUNDED),
                Some(Token::Plus) => (1, UNBOUNDED),
                Some(Token::Question) => (0, 1),
                Some(Token::OpenCount) => {
                    self.advance();
                    self.count(span.start)?
                }
                _ => break,
            };
            self.advance();
            // Operators in a row nest as groups do.
            self.enter(&span)?;
            item = Item::Expr(match item {
                Item::Expr(expr) => expr.repeat(min, max),
                Item::OtherToken(name, _) if max == UNBOUNDED && min <= 1 => {
                    let text = Expr::TextWithout(name);
                    match min {
                        0 => text,
                        _ => {
                            let nothing = Box::new(Expr::Seq(Vec::new()));
                            Expr::Except { base: Box::new(text), excluded: nothing, span }
                        }
                    }
                }
                Item::OtherToken(_, span) => return Err(other_token(span)),
            });
        }
        self.depth = depth;
        match item {
            Item::Expr(expr) => Ok(expr),
            Item::OtherToken(_, span) => Err(other_token(span)),
        }
    }

    /// The count after `{`, up to the closing brace, which is not taken.
    fn count(&mut self, start: usize) -> Result<(u32, u32), TextFault> {
        const HELP: &str = "counts are written `{m}`, `{m,}` or `{m,n}`";
        let min = self.number(HELP)?;
        let mut max = min;
        if self.take(Token::Comma) {
            max = match self.peek() {
                Some(Token::CloseCount) => UNBOUNDED,
                _ => self.number(HELP)?,
            };
        }
        if self.peek() != Some(Token::CloseCount) {
            return Err(self.unexpected("`}`", HELP));
        }
        if max < min {
            let what = format!("at least {min} but at most {max} is impossible");
            return Err((start..self.span().end, Problem::syntax(what, "write the smaller number first")));
        }
        Ok((min, max))
    }

    fn number(&mut self, help: &str) -> Result<u32, TextFault> {
        let digits = self.slice();
        if self.peek() != Some(Token::Name) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.unexpected("a number", help));
        }
        let number = digits.parse().ok().filter(|&n: &u32| n <= COUNT_LIMIT);
        let number = number.ok_or_else(|| (self.span(), Problem::Count { limit: COUNT_LIMIT }))?;
        self.advance();
        Ok(number)
    }
}

enum Item {
    Expr(Expr),
    /// The token `!<name>`, with its place.
    OtherToken(String, Range<usize>),
}

fn other_token(span: Range<usize>) -> TextFault {
    let kind = Problem::unsupported(
        "a single token other than this one is no text in particular",
        "write `!<name>*` or `!<name>+`: text in which the name does not occur",
    );
    (span, kind)
}

fn token(slice: &str, span: Range<usize>) -> Result<Item, TextFault> {
    let name = slice.strip_prefix('!').unwrap_or(slice);
    let inner = &name[1..name.len() - 1];
    if inner.is_empty() {
        let kind = Problem::syntax("the token has no name", "write `<name>` or `<[id]>`");
        return Err((span, kind));
    }
    let id = inner.strip_prefix('[').map(|rest| rest.strip_suffix(']').unwrap_or_default());
    if id.is_some_and(|id| {
        id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) || id.parse::<u32>().is_err()
    }) {
        let kind =
            Problem::syntax("`[…]` does not hold a token id", "write `<[id]>` with a number of 32 bits");
        return Err((span, kind));
    }
    match (slice.starts_with('!'), id) {
        (false, _) => Ok(Item::Expr(Expr::Token(name.to_owned()))),
        (true, None) => Ok(Item::OtherToken(name.to_owned(), span)),
        (true, Some(_)) => {
            let kind = Problem::unsupported(
                "a token's id does not say which text to leave out",
                "write the token's name: `!<name>*`",
            );
            Err((span, kind))
        }
    }
}

/// The text of a literal in its quotes, which begins at byte `start`.
fn literal(slice: &str, start: usize) -> Result<String, TextFault> {
    let mut characters = Characters { slice, at: 1, end: slice.len() - 1, start };
    let mut text = String::new();
    while let Some((point, span)) = characters.next()? {
        let character = char::from_u32(point).ok_or_else(|| {
            let what = format!("U+{point:04X} is no character");
            let help =
                "half of a surrogate pair stands for nothing; write the whole character, or `\\UNNNNNNNN`";
            (span, Problem::syntax(what, help))
        })?;
        text.push(character);
    }
    Ok(text)
}

/// The characters of a class in its brackets, sorted and disjoint; never none.
fn class(slice: &str, span: Range<usize>) -> Result<Vec<(u32, u32)>, TextFault> {
    let negated = slice.starts_with("[^");
    let first = 1 + usize::from(negated);
    let mut characters = Characters { slice, at: first, end: slice.len() - 1, start: span.start };
    let mut ranges = Vec::new();
    while let Some((from, place)) = characters.next()? {
        let rest = &slice[characters.at..characters.end];
        if rest.len() < 2 || !rest.starts_with('-') {
            ranges.push((from, from));
            continue;
        }
        characters.at += 1;
        let Some((to, end)) = characters.next()? else { continue };
        if to < from {
            let kind =
                Problem::syntax("the range is the wrong way round", "write the smaller character first");
            return Err((place.start..end.end, kind));
        }
        ranges.push((from, to));
    }
    let ranges = normalised(ranges, negated);
    // Halves of surrogate pairs are no characters.
    if ranges.iter().all(|&(from, to)| from >= 0xd800 && to <= 0xdfff) {
        let help = if negated { "write `.` for any character" } else { "write `\"\"` for the empty text" };
        return Err((span, Problem::syntax("no character is in this class", help)));
    }
    if negated && first == characters.end {
        let help = "write `.` for any character";
        return Err((span, Problem::syntax("the class excludes nothing", help)));
    }
    Ok(ranges)
}

/// The code points between the quotes of a literal or the brackets of a class.
struct Characters<'t> {
    slice: &'t str,
    at: usize,
    end: usize,
    /// The place of the slice in the text.
    start: usize,
}

impl Characters<'_> {
    /// The next code point, with its place.
    fn next(&mut self) -> Result<Option<(u32, Range<usize>)>, TextFault> {
        let rest = &self.slice[self.at..self.end];
        let mut characters = rest.chars();
        let Some(first) = characters.next() else { return Ok(None) };
        let (point, len) = match (first, characters.next()) {
            ('\\', Some(escape)) => match escape {
                'n' => (u32::from('\n'), 2),
                'r' => (u32::from('\r'), 2),
                't' => (u32::from('\t'), 2),
                '\\' | '"' | '[' | ']' | '-' => (u32::from(escape), 2),
                'x' => (self.hexadecimal(rest, 2)?, 4),
                'u' => (self.hexadecimal(rest, 4)?, 6),
                'U' => (self.hexadecimal(rest, 8)?, 10),
                other => {
                    let start = self.start + self.at;
                    let what = format!("`\\{}` is no escape", other.escape_debug());
                    let help = r#"there are \n \r \t \\ \" \[ \] \- \xNN \uNNNN \UNNNNNNNN"#;
                    return Err((start..start + 1 + other.len_utf8(), Problem::syntax(what, help)));
                }
            },
            _ => (u32::from(first), first.len_utf8()),
        };
        let start = self.start + self.at;
        self.at += len;
        Ok(Some((point, start..start + len)))
    }

    fn hexadecimal(&self, escape: &str, digits: usize) -> Result<u32, TextFault> {
        let number = escape.get(2..2 + digits).filter(|n| n.bytes().all(|b| b.is_ascii_hexdigit()));
        let point = number.and_then(|n| u32::from_str_radix(n, 16).ok()).filter(|&point| point <= LAST);
        point.ok_or_else(|| {
            let start = self.start + self.at;
            let what =
                format!("`{}` is not followed by {digits} hexadecimal digits of a code point", &escape[..2]);
            (
                start..start + 2,
                Problem::syntax(what, "write as many, with zeros in front; the largest is 10FFFF"),
            )
        })
    }
}
