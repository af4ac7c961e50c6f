//! Lexed grammars: terminals end by maximal munch, as a lexer in front of a parser ends them.
//!
//! The text so far is a sequence of whole lexemes and one that is being read. At its beginning, any lexeme that the parser
//! allows there may be meant; the longest match decides. So whenever one of them completes, two things are possible: it
//! ends here, and the next lexeme begins; or one of its rivals goes on and completes later, and then everything that was built on
//! the shorter match is void.
//!
//! A state keeps both, as *levels*. The threads of level 0 are the lexemes begun first; those of level 1 began where a lexeme of level
//! 0 completed, and so on. When a thread completes, all younger levels are dropped and a new one begins with
//! what follows. When the oldest level dies, the next takes its place: its beginning is settled. Only one beginning of
//! each level is ever alive, so the lexemes that are allowed there are exactly what the parser allows.
//!
//! Of several lexemes that complete at once the one with the lowest number wins. Where one of higher priority has completed, those of
//! lower priority no longer count, however long.
//!
//! A young thread is of no use if all its words run through a completion of an older level, such as a name right behind a name; such
//! threads are dropped when they begin. This also bounds the levels: no two of them hold the same thread.
//!
//! A thread's mark (its [`CaptureId`], which nothing else uses in a lexed grammar) is its level and its lexeme's number.
//!
//! The price: a summary of a terminal says nothing about what rivals do, so masks are walks over the trie of all tokens. What a
//! lexeme reads that was begun first, and over which no rival has priority, is allowed whatever rivals do: the tokens of nothing but
//! characters that it reads in any order are a set made once, and passed over. Masks are remembered as all are.
//!
//! Not found are dead ends that come from several lexemes together; what a grammar forbids by its lexemes alone, such as two names
//! that nothing may separate, should not be asked for.

use super::error::EngineError;
use super::lexicon::SLICED;
use super::recogniser::{Awaits, Recogniser, StateId, Thread};
use super::stack::{CaptureId, SliceInterner};
use crate::automata::LangId;
use crate::grammar::LexemeId;

/// Bits of a mark that hold the lexeme's number.
const LEXEME_BITS: u32 = 16;

/// Levels a mark has room for.
const MAX_LEVEL: u32 = (1 << (32 - LEXEME_BITS)) - 2;

/// Where a thread stands among others.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub level: u32,
    pub lexeme: LexemeId,
}

impl Mark {
    pub fn of(thread: Thread) -> Self {
        let mark = thread.capture.0;
        Mark { level: mark >> LEXEME_BITS, lexeme: LexemeId(mark & ((1 << LEXEME_BITS) - 1)) }
    }

    pub fn id(self) -> CaptureId {
        CaptureId(self.level << LEXEME_BITS | self.lexeme.0)
    }
}

/// The mark of threads that are about to begin, before their lexeme is known.
pub(super) fn beginning(level: u32) -> CaptureId {
    CaptureId(level << LEXEME_BITS)
}

/// The states that what lives on after a byte leads to, whatever was left behind: nearly every letter in a name leads
/// to the same.
pub(super) struct Steps {
    lists: SliceInterner<(Thread, LangId)>,
    /// By the number of the list, if the state was found.
    states: Vec<Option<StateId>>,
}

impl Steps {
    pub fn new() -> Self {
        Steps { lists: SliceInterner::new(), states: Vec::new() }
    }

    /// The place of what lives on.
    fn place(&mut self, living: &[(Thread, LangId)]) -> usize {
        let place = self.lists.intern(living) as usize;
        if place == self.states.len() {
            self.states.push(None);
        }
        place
    }

    pub fn memory(&self) -> usize {
        self.lists.memory() + self.states.capacity() * std::mem::size_of::<Option<StateId>>()
    }
}

impl Recogniser {
    /// The state after `byte`.
    pub(super) fn step_lexed(&mut self, state: StateId, byte: u8) -> Result<StateId, EngineError> {
        let mut threads: Vec<(Thread, LangId)> = Vec::new();
        for i in 0..self.threads(state).len() {
            let thread = self.threads(state)[i];
            let Awaits::Language(language) = thread.awaits() else { continue };
            let next = self.pool.languages.step(language, byte);
            if next != LangId::NEVER {
                threads.push((thread, next));
            }
        }
        threads.sort_unstable_by_key(|&(thread, _)| (Mark::of(thread).level, thread));
        let place = self.steps.place(&threads);
        if let Some(known) = self.steps.states[place] {
            return Ok(known);
        }
        let threads: Vec<(Mark, Thread, LangId)> =
            threads.into_iter().map(|(thread, next)| (Mark::of(thread), thread, next)).collect();
        let mut kept: Vec<Thread> = Vec::new();
        let mut level = 0;
        let mut rest = threads.as_slice();
        while let Some(&(first, ..)) = rest.first() {
            let count = rest.iter().take_while(|t| t.0.level == first.level).count();
            let (here, younger) = rest.split_at(count);
            let complete = here.iter().filter(|t| self.pool.languages.is_nullable(t.2));
            let winner = complete.map(|t| t.0.lexeme).min();
            let least = winner.map(|lexeme| self.pool.lexeme(lexeme).priority);
            let before = kept.len();
            for &(mark, thread, next) in here {
                let counts = least.is_none_or(|least| self.pool.lexeme(mark.lexeme).priority >= least);
                if counts && !self.pool.languages.is_spent(next) {
                    let mark = Mark { level, ..mark };
                    kept.push(Thread::new(next, thread.cont, mark.id()));
                }
            }
            level += u32::from(kept.len() > before);
            if let Some(winner) = winner {
                for &(mark, thread, next) in here {
                    if mark.lexeme == winner && self.pool.languages.is_nullable(next) {
                        self.resume(thread.cont, beginning(level), None)?;
                    }
                }
                break;
            }
            rest = younger;
        }
        if level > MAX_LEVEL {
            let limit = u64::from(MAX_LEVEL);
            return Err(EngineError::Limit {
                what: "lexemes that may still become longer",
                limit,
                field: "state_threads",
            });
        }
        self.enter_all()?;
        kept.append(&mut self.draft.threads);
        self.draft.threads = self.without_useless(kept);
        let state = self.finish()?;
        self.steps.states[place] = Some(state);
        Ok(state)
    }

    /// The groups of characters that `state` reads in any order, within sliced tokens: those of a lexeme of which no rival can
    /// get the better.
    pub(super) fn sure_groups(&mut self, state: StateId) -> u64 {
        let mut oldest: Vec<(i32, LangId)> = Vec::new();
        for &thread in self.threads(state) {
            let Mark { level, lexeme } = Mark::of(thread);
            if let (0, Awaits::Language(language)) = (level, thread.awaits()) {
                oldest.push((self.pool.lexeme(lexeme).priority, language));
            }
        }
        let highest = oldest.iter().map(|of| of.0).max();
        let mut best = 0u64;
        for (_, language) in oldest.into_iter().filter(|of| Some(of.0) == highest) {
            let near = self.pool.languages.clamped(language, SLICED.into());
            let groups = self.pool.languages.read_groups(near);
            if groups.count_ones() > best.count_ones() {
                best = groups;
            }
        }
        best
    }

    /// The threads, sorted by level, without those that no word leads to its end before a thread of an older level completes.
    fn without_useless(&mut self, threads: Vec<Thread>) -> Vec<Thread> {
        let languages = &mut self.pool.languages;
        // The empty word is the completion that has just been.
        let filled = languages.not(LangId::EMPTY);
        let mut older: Vec<LangId> = Vec::new();
        let mut useful: Vec<Thread> = Vec::with_capacity(threads.len());
        let mut level = 0;
        for threads in threads.chunk_by(|a, b| Mark::of(*a).level == Mark::of(*b).level) {
            let free = (!older.is_empty()).then(|| {
                let rivals = languages.union(&older);
                let rivals = languages.inter(&[rivals, filled]);
                let overtaken = languages.concat(rivals, LangId::ALL);
                languages.not(overtaken)
            });
            let before = useful.len();
            for &thread in threads {
                let mut thread = thread;
                thread.capture = Mark { level, ..Mark::of(thread) }.id();
                if let Awaits::Language(language) = thread.awaits() {
                    let left = free.map_or(language, |free| languages.inter(&[language, free]));
                    if languages.is_never(left) {
                        continue;
                    }
                    older.push(language);
                }
                useful.push(thread);
            }
            level += u32::from(useful.len() > before);
        }
        useful
    }
}
