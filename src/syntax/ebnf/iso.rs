//! ISO's EBNF: `name = definitions ;`.
//!
//! `,` is sequence, `|` (or `/`, `!`) choice, `[ … ]` option, `{ … }` repetition, `( … )` grouping,
//! `3 * x` three times, `a - b` exception, `(* … *)` a comment, and `;` or `.` the end of a rule.
//! `{ x }-` is one or more: everything but the empty text. Quoted text has no escapes. The digraphs
//! `(/ /) (: :)` are read as well.
//!
//! Two things go beyond the standard: names may contain `_`, and commas may be left out. In the
//! standard a name may have several words. Since commas may be left out here, words are joined to
//! one name only if a rule has that name.
//!
//! The standard gives special sequences `? … ?` no meaning, so they are refused.
//!
//! Source: ISO/IEC 14977:1996.

use super::{LITERAL_WITHOUT_END, TEXT_STANDS_IN_QUOTES, unquoted};
use crate::automata::UNBOUNDED;
use crate::syntax::diagnostic::{Problem, TextFault};
use crate::syntax::expr::{Expr, Rule};
use crate::syntax::rules::COUNT_LIMIT;
use crate::syntax::tokens::{BEGINS_NOTHING, Tokens, Unreadable, token_kinds};
use hashbrown::HashSet;
use logos::{Lexer, Skip};
use std::ops::Range;

token_kinds! {
    #[logos(skip r"[ \t\r\n\f\x0b]+")]
    enum Token {
        symbols {
            Define "=", Or "|" / "/" / "!", Comma ",", End ";" / ".", Open "(", Close ")",
            OpenOption "[" / "(/", CloseOption "]" / "/)", OpenRepetition "{" / "(:",
            CloseRepetition "}" / ":)", Times "*", Minus "-",
        }
        words {
            #[regex("[A-Za-z_][A-Za-z0-9_]*")]
            Word "a name",
            #[regex("[0-9]+")]
            Number "a number",
            #[regex(r#""[^"]*""#)]
            #[regex(r"'[^']*'")]
            Literal "a literal",
            #[regex(r"\?[^?]*\?")]
            Special "a special sequence",
            #[token("(*", comment)]
            Comment "a comment",
        }
    }
}

/// Reads the rest of a comment, which may hold other comments.
fn comment(lexer: &mut Lexer<'_, Token>) -> Result<Skip, ()> {
    let mut depth = 1;
    let bytes = lexer.remainder().as_bytes();
    let mut at = 0;
    while depth > 0 {
        match bytes.get(at..at + 2) {
            Some(b"(*") => depth += 1,
            Some(b"*)") => depth -= 1,
            Some(_) => {
                at += 1;
                continue;
            }
            None => return Err(()),
        }
        at += 2;
    }
    lexer.bump(at);
    Ok(Skip)
}

/// The reasons why no token begins at a place.
const UNREADABLE: &Unreadable = &[
    LITERAL_WITHOUT_END,
    (&["?"], "the special sequence has no end", "there are none here; `[ … ]` makes something optional"),
    (&["("], "the comment has no end", "close it with `*)`"),
    (&["+"], BEGINS_NOTHING, "one or more is written `x, { x }` or `{ x }-`"),
    (&[":"], BEGINS_NOTHING, "a rule is written `name = … ;`, or `name ::= …` throughout"),
    TEXT_STANDS_IN_QUOTES,
];

pub(super) fn parse(text: &str) -> Result<Vec<Rule>, TextFault> {
    let mut parser = IsoParser { tokens: Tokens::read(text, UNREADABLE)?, names: HashSet::new() };
    parser.find_names();
    std::iter::from_fn(|| parser.tokens.peek().map(|_| parser.rule())).collect()
}

struct IsoParser<'t> {
    tokens: Tokens<'t, Token>,
    /// The names that consist of several words.
    names: HashSet<String>,
}

/// The largest number of words in a name.
const MOST_WORDS: usize = 8;

impl IsoParser<'_> {
    /// Finds the names of several words. Rules begin at the start and after `;`, and the words
    /// before a `=` there are one name.
    fn find_names(&mut self) {
        let mut words = Some(Vec::new());
        while let Some(token) = self.tokens.peek() {
            match (token, &mut words) {
                (Token::End, _) => words = Some(Vec::new()),
                (Token::Word, Some(name)) => name.push(self.tokens.slice()),
                (Token::Define, Some(name)) if (2..=MOST_WORDS).contains(&name.len()) => {
                    let name = name.join(" ");
                    self.names.insert(name);
                    words = None;
                }
                _ => words = None,
            }
            self.tokens.advance();
        }
        self.tokens.back(0);
    }

    /// The name that begins here. It takes as many words as make the name of a rule, or else one.
    fn name(&mut self) -> (String, Range<usize>) {
        let start = self.tokens.span();
        let words = (0..MOST_WORDS).take_while(|&i| self.tokens.peek_at(i) == Some(Token::Word)).count();
        let found = (2..=words).rev().find_map(|n| {
            let name = (0..n).map(|i| self.tokens.slice_at(i)).collect::<Vec<_>>().join(" ");
            self.names.contains(&name).then_some((n, name))
        });
        let (count, name) = found.unwrap_or_else(|| (1, self.tokens.slice().to_owned()));
        let span = start.start..self.tokens.span_at(count - 1).end;
        (0..count).for_each(|_| self.tokens.advance());
        (name, span)
    }

    fn rule(&mut self) -> Result<Rule, TextFault> {
        const HELP: &str = "a rule is written `name = … ;`";
        if self.tokens.peek() != Some(Token::Word) {
            return Err(self.tokens.unexpected("a rule", HELP));
        }
        let (name, span) = self.name();
        self.tokens.expect(Token::Define, "`=` after the rule's name", HELP)?;
        let body = self.alternatives()?;
        self.tokens.expect(Token::End, "`;` behind the rule, or more of it", HELP)?;
        Ok(Rule { name, span, body })
    }

    fn alternatives(&mut self) -> Result<Expr, TextFault> {
        Expr::alternatives(self, Self::sequence, |parser| parser.tokens.take(Token::Or))
    }

    fn sequence(&mut self) -> Result<Expr, TextFault> {
        let mut parts = Vec::new();
        loop {
            let item = self.item()?;
            let is_item = item.is_some();
            parts.extend(item);
            if !self.tokens.take(Token::Comma) && !is_item {
                return Ok(Expr::seq(parts));
            }
        }
    }

    /// A factor with its exception; `None` if there is none.
    fn item(&mut self) -> Result<Option<Expr>, TextFault> {
        let Some(factor) = self.factor()? else { return Ok(None) };
        let span = self.tokens.span();
        if !self.tokens.take(Token::Minus) {
            return Ok(Some(factor));
        }
        // Without a factor after the sign, the empty text is excluded.
        let excluded = self.factor()?.unwrap_or(Expr::Seq(Vec::new()));
        Ok(Some(Expr::Except { base: Box::new(factor), excluded: Box::new(excluded), span }))
    }

    fn factor(&mut self) -> Result<Option<Expr>, TextFault> {
        if self.tokens.peek() != Some(Token::Number) {
            return self.primary();
        }
        let span = self.tokens.span();
        let count = self.tokens.slice().parse().ok().filter(|&n: &u32| n <= COUNT_LIMIT);
        let count = count.ok_or((span, Problem::Count { limit: COUNT_LIMIT }))?;
        self.tokens.advance();
        const HELP: &str = "a count is written `3 * x`";
        self.tokens.expect(Token::Times, "`*` behind the count", HELP)?;
        match self.primary()? {
            Some(primary) => Ok(Some(primary.repeat(count, count))),
            None => Err(self.tokens.unexpected("what is repeated", HELP)),
        }
    }

    fn primary(&mut self) -> Result<Option<Expr>, TextFault> {
        let (span, slice) = (self.tokens.span(), self.tokens.slice());
        let (close, min, max) = match self.tokens.peek() {
            Some(Token::Literal) => {
                self.tokens.advance();
                return Ok(Some(Expr::Text(unquoted(slice).to_owned())));
            }
            Some(Token::Word) => {
                let (name, span) = self.name();
                return Ok(Some(Expr::Rule(name, span)));
            }
            Some(Token::Special) => {
                let help = "say in rules what it stands for; `[ … ]` makes something optional";
                return Err((span, Problem::unsupported("special sequences have no meaning here", help)));
            }
            Some(Token::Times) => {
                let help = "none or more is written `{ x }`, three times `3 * x`";
                return Err((span, Problem::syntax("there is no count before `*`", help)));
            }
            Some(Token::Open) => (Token::Close, 1, 1),
            Some(Token::OpenOption) => (Token::CloseOption, 0, 1),
            Some(Token::OpenRepetition) => (Token::CloseRepetition, 0, UNBOUNDED),
            _ => return Ok(None),
        };
        self.tokens.enter(&span)?;
        self.tokens.advance();
        let body = self.alternatives()?;
        self.tokens.close(close, &span)?;
        self.tokens.depth -= 1;
        Ok(Some(if (min, max) == (1, 1) { body } else { body.repeat(min, max) }))
    }
}
