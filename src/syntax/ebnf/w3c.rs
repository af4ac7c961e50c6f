//! The W3C's EBNF: `name ::= expression`, as in the specifications of XML, XPath and SPARQL.
//!
//! Rules need no end: a rule stops where the next `name ::=` begins. An exception `A - B` binds
//! tighter than a sequence, and the operators `? * +` bind tighter still, on both sides. Numbers
//! before rules (`[12]`) and notes after them (`[ wfc: … ]`, `[ vc: … ]`) are skipped. Quoted text
//! and classes have no backslash escapes: `#xN` stands outside of quotes, or inside of classes.
//!
//! Source: *Extensible Markup Language (XML) 1.0*, fifth edition, section 6.

use super::{LITERAL_WITHOUT_END, TEXT_STANDS_IN_QUOTES, unquoted};
use crate::automata::UNBOUNDED;
use crate::syntax::diagnostic::{Problem, TextFault};
use crate::syntax::expr::{Expr, Rule};
use crate::syntax::rules::{LAST, normalised};
use crate::syntax::tokens::{BEGINS_NOTHING, Tokens, Unreadable, token_kinds};
use std::ops::Range;

token_kinds! {
    #[logos(skip r"[ \t\r\n]+", skip r"/\*([^*]|\*+[^*/])*\*+/", skip r"\[[ \t]*(wfc|vc|WFC|VC)[ \t]*:[^\]]*\]")]
    enum Token {
        symbols {
            Define "::=", Or "|", Open "(", Close ")", Star "*", Plus "+", Question "?", Minus "-",
        }
        words {
            #[regex(r"[A-Za-z_][A-Za-z0-9_.]*(-[A-Za-z0-9_.]+)*")]
            Name "a name",
            #[regex(r#""[^"]*""#)]
            #[regex(r"'[^']*'")]
            Literal "a literal",
            #[regex(r"#x[0-9A-Fa-f]+")]
            Character "a character",
            #[regex(r"\[[^\]]*\]")]
            Class "a character class",
        }
    }
}

/// The reasons why no token begins at a place.
const UNREADABLE: &Unreadable = &[
    LITERAL_WITHOUT_END,
    (&["["], "the character class has no end", "close it with `]`; a bracket inside is written `#x5D`"),
    (&["/*"], "the comment has no end", "close it with `*/`"),
    (&["#"], BEGINS_NOTHING, "characters are written `#xN`, with the code point in hexadecimal"),
    (&[":", "="], BEGINS_NOTHING, "a rule is written `name ::= …`"),
    (&[";", ","], BEGINS_NOTHING, "that is ISO's style, where a rule is written `name = … ;`"),
    TEXT_STANDS_IN_QUOTES,
];

pub(super) fn parse(text: &str) -> Result<Vec<Rule>, TextFault> {
    let mut parser = W3cParser { tokens: Tokens::read(text, UNREADABLE)? };
    std::iter::from_fn(|| parser.tokens.peek().map(|_| parser.rule())).collect()
}

struct W3cParser<'t> {
    tokens: Tokens<'t, Token>,
}

impl W3cParser<'_> {
    /// True if a rule begins here, perhaps with its number.
    fn at_rule(&self) -> bool {
        let tokens = &self.tokens;
        let numbered = tokens.peek() == Some(Token::Class)
            && unquoted(tokens.slice()).trim().starts_with(|c: char| c.is_ascii_digit())
            && unquoted(tokens.slice()).trim().bytes().all(|b| b.is_ascii_alphanumeric());
        let name = usize::from(numbered);
        tokens.peek_at(name) == Some(Token::Name) && tokens.peek_at(name + 1) == Some(Token::Define)
    }

    fn rule(&mut self) -> Result<Rule, TextFault> {
        const HELP: &str = "a rule is written `name ::= …`";
        if self.at_rule() {
            self.tokens.take(Token::Class);
        }
        if self.tokens.peek() != Some(Token::Name) {
            return Err(self.tokens.unexpected("a rule", HELP));
        }
        let (name, span) = (self.tokens.slice().to_owned(), self.tokens.span());
        self.tokens.advance();
        self.tokens.expect(Token::Define, "`::=` after the rule's name", HELP)?;
        let body = self.alternatives()?;
        if self.tokens.peek().is_some() && !self.at_rule() {
            return Err(self.tokens.unexpected("the end of the rule, or more of it", HELP));
        }
        Ok(Rule { name, span, body })
    }

    fn alternatives(&mut self) -> Result<Expr, TextFault> {
        Expr::alternatives(self, Self::sequence, |parser| parser.tokens.take(Token::Or))
    }

    fn sequence(&mut self) -> Result<Expr, TextFault> {
        let mut parts = Vec::new();
        while !self.at_rule() {
            let Some(mut part) = self.item()? else { break };
            let span = self.tokens.span();
            if self.tokens.take(Token::Minus) {
                let Some(excluded) = self.item()? else {
                    return Err(self
                        .tokens
                        .unexpected("what is excluded", "an exception is written `A - B`"));
                };
                part = Expr::Except { base: Box::new(part), excluded: Box::new(excluded), span };
            }
            parts.push(part);
        }
        Ok(Expr::seq(parts))
    }

    /// One item with the operators after it; `None` if there is none.
    fn item(&mut self) -> Result<Option<Expr>, TextFault> {
        let (span, slice) = (self.tokens.span(), self.tokens.slice());
        let mut expr = match self.tokens.peek() {
            Some(Token::Literal) => Expr::Text(unquoted(slice).to_owned()),
            Some(Token::Character) => {
                let point = code_point(&slice[2..], span.clone())?;
                if char::from_u32(point).is_none() {
                    return Err((
                        span,
                        Problem::syntax(
                            "this is half of a surrogate pair",
                            "write the character that the pair stands for",
                        ),
                    ));
                }
                Expr::Class(vec![(point, point)])
            }
            Some(Token::Class) => Expr::Class(class(slice, span)?),
            Some(Token::Name) => Expr::Rule(slice.to_owned(), span),
            Some(Token::Open) => {
                self.tokens.enter(&span)?;
                self.tokens.advance();
                let body = self.alternatives()?;
                self.tokens.close(Token::Close, &span)?;
                self.tokens.depth -= 1;
                return self.repeated(body).map(Some);
            }
            Some(Token::Star | Token::Plus | Token::Question) => {
                let what = format!("there is nothing to repeat before `{slice}`");
                return Err((span, Problem::syntax(what, "write it behind a literal, class, name or group")));
            }
            _ => return Ok(None),
        };
        self.tokens.advance();
        expr = self.repeated(expr)?;
        Ok(Some(expr))
    }

    fn repeated(&mut self, mut expr: Expr) -> Result<Expr, TextFault> {
        let depth = self.tokens.depth;
        loop {
            let (min, max) = match self.tokens.peek() {
                Some(Token::Star) => (0, UNBOUNDED),
                Some(Token::Plus) => (1, UNBOUNDED),
                Some(Token::Question) => (0, 1),
                _ => break,
            };
            let span = self.tokens.span();
            self.tokens.enter(&span)?;
            self.tokens.advance();
            expr = expr.repeat(min, max);
        }
        self.tokens.depth = depth;
        Ok(expr)
    }
}

fn code_point(digits: &str, span: Range<usize>) -> Result<u32, TextFault> {
    u32::from_str_radix(digits, 16)
        .ok()
        .filter(|&point| point <= LAST)
        .ok_or_else(|| (span, Problem::syntax("there is no such code point", "the largest is `#x10FFFF`")))
}

/// The characters of a class in its brackets, sorted and disjoint; never none.
fn class(slice: &str, span: Range<usize>) -> Result<Vec<(u32, u32)>, TextFault> {
    let negated = slice.starts_with("[^");
    let mut at = 1 + usize::from(negated);
    let end = slice.len() - 1;
    let next = |at: &mut usize| -> Result<Option<u32>, TextFault> {
        let rest = &slice[*at..end];
        let digits =
            rest.strip_prefix("#x").map_or(0, |d| d.bytes().take_while(u8::is_ascii_hexdigit).count());
        let start = span.start + *at;
        if digits > 0 {
            *at += 2 + digits;
            return code_point(&rest[2..2 + digits], start..start + 2 + digits).map(Some);
        }
        let Some(first) = rest.chars().next() else { return Ok(None) };
        *at += first.len_utf8();
        Ok(Some(u32::from(first)))
    };
    let mut ranges = Vec::new();
    loop {
        let start = span.start + at;
        let Some(from) = next(&mut at)? else { break };
        let mut to = from;
        if slice[at..end].len() > 1 && slice[at..end].starts_with('-') {
            at += 1;
            to = next(&mut at)?.unwrap_or(from);
        }
        if to < from {
            let kind =
                Problem::syntax("the range is the wrong way round", "write the smaller character first");
            return Err((start..span.start + at, kind));
        }
        ranges.push((from, to));
    }
    let ranges = normalised(ranges, negated);
    if ranges.iter().all(|&(from, to)| from >= 0xd800 && to <= 0xdfff) {
        return Err((
            span,
            Problem::syntax("no character is in this class", "write `''` for the empty text"),
        ));
    }
    Ok(ranges)
}
