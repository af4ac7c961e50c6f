//! Lexed grammars: a lexer cuts the text into lexemes, and a parser decides which lexemes are
//! looked for.
//!
//! A text belongs to such a grammar if the parser accepts the lexemes into which the lexer cuts it.
//! At every place the lexer looks for the lexemes that the parser's state expects, and for ignored
//! ones. They have an order, and the lexer takes the first of them that matches. The match ends
//! where the lexeme's own pattern says.
//!
//! # The idea
//!
//! A [`Lexeme`] is a language of *marked texts*: a match, the byte [`MARK`], and any text that may
//! follow for the match to end there. Its *domain* is the set of texts that begin with a match.
//!
//! In a state that expects some lexemes, the domains of earlier lexemes are taken out of the marked
//! texts of each later one ([`Lexing::expected`]). Behind the mark is a language that the rest of
//! the text must belong to: an *obligation*, such as "no letter comes next" after a name. It is
//! intersected with the languages of the lexemes that may come next. The obligation and the
//! parser's stack decide if the text can be completed at all, and [`Lexing`] finds that out.

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
    /// The name, for messages and snapshots.
    pub name: Arc<str>,
    /// The marked texts: a match, the mark, and any text that lets the match end there.
    pub marked: LangId,
    /// The texts that begin with a match, wherever marks stand in them.
    pub domain: LangId,
    /// True if the lexeme may stand anywhere between others and never reaches the parser.
    pub ignored: bool,
    /// The keywords: lexemes of one text each. If this lexeme matches the text of a keyword that is
    /// expected as well, it is read as the keyword.
    pub keywords: Vec<Keyword>,
}

/// A text that has a lexeme of its own, such as `if` beside names that match `[a-z]+`.
#[derive(Clone, Debug)]
pub struct Keyword {
    /// The lexeme.
    pub lexeme: LexemeId,
    /// The text.
    pub text: Arc<str>,
    /// True if the keyword is found only through this lexeme, in states that expect both.
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
