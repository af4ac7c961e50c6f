//! Lexed grammars: a lexer cuts the text into lexemes, and a parser decides which lexemes are
//! looked for.
//!
//! A text belongs to such a grammar if the lexer cuts it into a sentence of the parser. At every
//! place the lexer looks for the lexemes that the parser's state expects, and for ignored ones. It
//! takes the first in their order that matches, up to the place where that lexeme itself ends.
//!
//! # The idea
//!
//! A [`Lexeme`] is a language of *marked texts*: a match, the byte [`MARK`], and any text that may
//! follow for the match to end there. Its *domain* is the set of texts that begin with a match.
//!
//! In a state that expects some lexemes, each keeps its marked texts without the domains of the
//! lexemes before it ([`Lexing::expected`]). After the mark, a language is left that the rest of
//! the text must be in: an *obligation*, such as "no letter comes next" after a name. It is
//! intersected with the languages of the lexemes that may come next. So only languages and the
//! parser's stack decide if a place can be left at all, and [`Lexing`] finds that out.

mod canonical;
mod lexing;
mod live;
mod parser;
mod returns;
mod safe;

pub(crate) use canonical::{DEAD, canonical, smallest};
pub use lexing::{Beginnings, Exhausted, Lexing};
pub use parser::{ParserTables, Production, State, Symbol};

use super::error::GrammarError;
use crate::automata::LangId;
use std::sync::Arc;

/// The byte that stands after a match in marked texts. UTF-8 never contains it.
pub const MARK: u8 = 0xff;

/// A lexeme of a lexed grammar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LexemeId(pub u32);

/// A terminal as a lexer finds it.
#[derive(Clone, Debug)]
pub struct Lexeme {
    /// The name, for people.
    pub name: Arc<str>,
    /// The marked texts: a match, the mark, and any text that lets the match end there.
    pub marked: LangId,
    /// The texts that begin with a match, wherever marks stand in them.
    pub domain: LangId,
    /// True if the lexeme may stand anywhere between others and never reaches the parser.
    pub ignored: bool,
    /// The lexemes of one text each that this one is taken for, if it matches that text and they
    /// are expected as well.
    pub keywords: Vec<Keyword>,
}

/// A text that has a lexeme of its own, such as `if` beside names that match `[a-z]+`.
#[derive(Clone, Debug)]
pub struct Keyword {
    /// The lexeme.
    pub lexeme: LexemeId,
    /// The text.
    pub text: Arc<str>,
    /// True if the keyword is not looked for by itself where both lexemes are expected.
    pub only_so: bool,
}

/// A lexer and its parser.
#[derive(Clone, Debug)]
pub struct Lexed {
    /// The lexemes, in the order in which they are tried.
    pub lexemes: Vec<Lexeme>,
    /// The tables of the parser.
    pub parser: ParserTables,
    /// The names of the rules.
    pub rules: Vec<Arc<str>>,
}

impl Lexed {
    /// The grammar of these productions, where `start` is the whole text.
    ///
    /// # Errors
    ///
    /// No text ends `start`, or a limit is exceeded.
    pub fn new(
        lexemes: Vec<Lexeme>,
        rules: Vec<Arc<str>>,
        productions: Vec<Production>,
        start: u32,
    ) -> Result<Self, GrammarError> {
        let count = rules.len() as u32;
        let productions = parser::productive(productions, count);
        if productions.iter().all(|p| p.rule != start) {
            return Err(GrammarError::Empty { reason: format!("`{}` never ends", rules[start as usize]) });
        }
        let parser = ParserTables::new(productions, count, lexemes.len() as u32, start)?;
        Ok(Lexed { lexemes, parser, rules })
    }

    /// A lexeme.
    pub fn lexeme(&self, id: u32) -> &Lexeme {
        &self.lexemes[id as usize]
    }
}
