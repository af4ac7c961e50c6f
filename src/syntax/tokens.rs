//! The tokens of a text with their places, and a cursor with which the parsers walk over them.

use super::diagnostic::{Problem, TextFault};
use super::rules::{LENGTH_LIMIT, NEST_LIMIT};
use crate::grammar::line_column;
use logos::Logos;
use std::ops::Range;

/// A kind of token.
pub(super) trait TokenKind: Copy + PartialEq {
    /// The token's name in errors: "expected …, found …".
    fn describe(self) -> &'static str;
}

/// Declares the kinds of tokens of a notation. A symbol has its spellings, and errors name it by
/// the first: `Or "|" / "!"`. A word has the attributes by which `logos` finds it, and its name in
/// errors: `#[regex("[a-z]+")] Name "a name"`.
macro_rules! token_kinds {
    ($(#[$($skipped:tt)+])* enum $kind:ident {
        symbols { $($symbol:ident $first:tt $(/ $other:tt)*),+ $(,)? }
        words { $($(#[$($found:tt)+])+ $word:ident $name:literal,)+ }
    }) => {
        #[derive(logos::Logos, Clone, Copy, PartialEq, Eq, Debug)]
        $(#[$($skipped)+])*
        enum $kind {
            $(#[token($first)] $(#[token($other)])* $symbol,)+
            $($(#[$($found)+])+ $word,)+
        }

        impl $crate::syntax::tokens::TokenKind for $kind {
            fn describe(self) -> &'static str {
                match self {
                    $($kind::$symbol => concat!("`", $first, "`"),)+
                    $($kind::$word => $name,)+
                }
            }
        }
    };
}
pub(super) use token_kinds;

/// The faults of places where no token begins. A row has the texts that such a place may begin
/// with, the fault and the remedy. The first row with such a text holds, and "" is in front of
/// every place. In a fault, `{}` stands for the first character.
pub(super) type Unreadable = [(&'static [&'static str], &'static str, &'static str)];

/// The fault of a character that is none of the notation's.
pub(super) const BEGINS_NOTHING: &str = "`{}` begins nothing";

/// A walk over the tokens of a text.
pub(super) struct Tokens<'t, T> {
    pub text: &'t str,
    tokens: Vec<(T, Range<usize>)>,
    at: usize,
    /// The number of open groups.
    pub depth: u32,
}

impl<'t, T: TokenKind> Tokens<'t, T> {
    /// Reads the tokens of `text`.
    pub fn read(text: &'t str, unreadable: &Unreadable) -> Result<Self, TextFault>
    where
        T: Logos<'t, Source = str, Error = (), Extras = ()>,
    {
        if text.len() > LENGTH_LIMIT {
            return Err((0..0, Problem::Length { given: text.len(), limit: LENGTH_LIMIT }));
        }
        let mut tokens = Vec::new();
        for (token, span) in T::lexer(text).spanned() {
            let Ok(token) = token else {
                let rest = &text[span.start..];
                let first = rest.chars().next().unwrap_or_default();
                let fits =
                    |(starts, ..): &&(&[&str], _, _)| starts.iter().any(|start| rest.starts_with(start));
                let (_, what, help) =
                    unreadable.iter().find(fits).copied().unwrap_or((&[""], BEGINS_NOTHING, ""));
                let what = what.replace("{}", &first.escape_debug().to_string());
                return Err((span.start..span.start + first.len_utf8(), Problem::syntax(what, help)));
            };
            tokens.push((token, span));
        }
        Ok(Tokens { text, tokens, at: 0, depth: 0 })
    }

    /// The next token.
    pub fn peek(&self) -> Option<T> {
        self.peek_at(0)
    }

    /// The token `ahead` places further on.
    pub fn peek_at(&self, ahead: usize) -> Option<T> {
        self.tokens.get(self.at + ahead).map(|t| t.0)
    }

    /// The token before the next one.
    pub fn previous(&self) -> Option<T> {
        self.tokens.get(self.at.checked_sub(1)?).map(|t| t.0)
    }

    /// The place of the next token, or of the end.
    pub fn span(&self) -> Range<usize> {
        self.span_at(0)
    }

    /// The place of the token `ahead` places further on, or of the end.
    pub fn span_at(&self, ahead: usize) -> Range<usize> {
        self.tokens.get(self.at + ahead).map_or(self.text.len()..self.text.len(), |t| t.1.clone())
    }

    /// The text of the next token.
    pub fn slice(&self) -> &'t str {
        &self.text[self.span()]
    }

    /// The text of the token `ahead` places further on.
    pub fn slice_at(&self, ahead: usize) -> &'t str {
        &self.text[self.span_at(ahead)]
    }

    /// Takes the next token.
    pub fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len());
    }

    /// Takes the next token if it is this one.
    pub fn take(&mut self, token: T) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.advance();
        }
        found
    }

    /// Goes past the next token, which must be this one. The error says what was expected, with
    /// this help.
    pub fn expect(&mut self, token: T, expected: &str, help: &str) -> Result<(), TextFault> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(expected, help)) }
    }

    /// The current position, for a later return with [`back`](Self::back).
    pub fn position(&self) -> usize {
        self.at
    }

    /// Returns to a position.
    pub fn back(&mut self, position: usize) {
        self.at = position;
    }

    /// Enters a group or repetition, one level deeper.
    pub fn enter(&mut self, span: &Range<usize>) -> Result<(), TextFault> {
        self.depth += 1;
        match self.depth <= NEST_LIMIT {
            true => Ok(()),
            false => Err((span.clone(), Problem::Nesting { limit: NEST_LIMIT })),
        }
    }

    /// Makes the error about the next token.
    pub fn unexpected(&self, expected: &str, help: impl Into<String>) -> TextFault {
        let found = self.peek().map_or("the end of the text", TokenKind::describe);
        (self.span(), Problem::syntax(format!("expected {expected}, found {found}"), help))
    }

    /// Takes the token that closes the group opened at `open`.
    pub fn close(&mut self, token: T, open: &Range<usize>) -> Result<(), TextFault> {
        if self.take(token) {
            return Ok(());
        }
        let (line, column) = line_column(self.text, open.start);
        let help = format!("close the `{}` of line {line}, column {column}", &self.text[open.clone()]);
        Err(self.unexpected(token.describe(), help))
    }
}
