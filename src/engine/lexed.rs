//! Lexed grammars: the parser's stacks, and threads that are lexemes being read.
//!
//! A thread is what may come of one lexeme ([`Lexing`]: a language of marked texts), its number as
//! the thread's capture, and the parser's stack below it as the continuation. Where the mark can
//! come next the lexeme may end: the parser reads it, and the lexemes expected then begin under the
//! obligation that the mark leaves behind. Nothing of a lexer's rivalry is left to be done here: it
//! is in the languages. So a lexeme that ends under "no letter comes next" begins threads that no
//! letter goes on with.
//!
//! A stack is a set of links `(state, stack below)`, more than one only where the grammar is not
//! LALR(1).
//!
//! *Trim*: a thread lives only if it leads to an end behind which the parser can go on to the end
//! of the text. Where ignored text rids of obligations, as whitespace mostly does, that is a
//! property of the lexeme alone. Otherwise the stack is followed to its end, by what its states
//! lead to whatever is below them ([`Lexing::leave`]).
//!
//! The price: a lexeme's language depends on its rivals, so masks are walks over the trie of all
//! tokens. Of what a lexeme reads in any order, if all its ends are good, the tokens of nothing
//! else are a set made once, and passed over.

use super::error::EngineError;
use super::recogniser::{Awaits, Recogniser, StateId, Thread};
use super::stack::{CaptureId, ContId, Frame, Link, SliceInterner};
use super::vocabulary_index::MAX_SLICED_LEN;
use crate::automata::{LangId, Languages};
use crate::grammar::lexed::{Exhausted, Lexing};
use crate::grammar::{Lexed, MARK};
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many small steps of the search through parser and lexemes count as one state searched.
const TASKS_PER_STATE: u64 = 20;

/// What is remembered of a lexed grammar.
pub(super) struct LexedMemo {
    pub lexing: Lexing,
    /// The states that what lives on after a byte leads to, whatever was left behind: nearly every
    /// letter in a name leads to the same.
    lists: SliceInterner<(Thread, LangId)>,
    /// By the number of the list, if the state was found.
    states: Vec<Option<StateId>>,
    /// The stacks behind lexemes.
    after: HashMap<(ContId, u32), Option<ContId>>,
    /// Whether the text may end under a stack.
    ends: HashMap<ContId, bool>,
    /// Whether the parser can go on to the end of the text.
    live: HashMap<(LangId, u32, ContId), bool>,
    /// The same of lexemes being read, by what is left of them, their number and the stack below.
    live_lexemes: HashMap<(LangId, u32, ContId), bool>,
    /// Whether only the mark is left.
    complete: HashMap<LangId, bool>,
}

impl LexedMemo {
    pub fn new(search_states: u64) -> Self {
        LexedMemo {
            lexing: Lexing::new(search_states.saturating_mul(TASKS_PER_STATE)),
            lists: SliceInterner::new(),
            states: Vec::new(),
            after: HashMap::new(),
            ends: HashMap::new(),
            live: HashMap::new(),
            live_lexemes: HashMap::new(),
            complete: HashMap::new(),
        }
    }

    pub fn memory(&self) -> usize {
        self.lexing.memory()
            + self.lists.memory()
            + self.states.capacity() * std::mem::size_of::<Option<StateId>>()
            + (self.after.len() + self.live.len() + self.live_lexemes.len()) * 24
            + (self.ends.len() + self.complete.len()) * 8
    }
}

impl From<Exhausted> for EngineError {
    fn from(error: Exhausted) -> Self {
        EngineError::Limit {
            what: "states searched for an end that the lexer and parser reach",
            limit: error.limit,
            field: "search_states",
        }
    }
}

/// A place between lexemes: the obligation, the state in which the lexer looks on, and the stack.
type BetweenLexemes = (LangId, u32, ContId);

impl Recogniser {
    /// Begins a lexed grammar in the state being built.
    pub(super) fn begin_lexed(&mut self) -> Result<(), EngineError> {
        let stack = self.stack.push(Frame::Parser(0), ContId::END);
        self.begin_lexemes(stack, LangId::ALL)
    }

    /// The state after `byte`.
    pub(super) fn step_lexed(&mut self, state: StateId, byte: u8) -> Result<StateId, EngineError> {
        if byte == MARK {
            return Ok(StateId::DEAD);
        }
        let mut threads: Vec<(Thread, LangId)> = Vec::new();
        for i in 0..self.threads(state).len() {
            let thread = self.threads(state)[i];
            let Awaits::Language(language) = thread.awaits() else { continue };
            let next = self.pool.languages.step(language, byte);
            if next != LangId::NEVER {
                threads.push((thread, next));
            }
        }
        for entry in &mut threads {
            // What the lexeme was before this byte says nothing any more.
            entry.0 = Thread::new(LangId::NEVER, entry.0.cont, entry.0.capture);
        }
        threads.sort_unstable();
        threads.dedup();
        let place = self.lexed_memo.lists.intern(&threads) as usize;
        if place == self.lexed_memo.states.len() {
            self.lexed_memo.states.push(None);
        }
        if let Some(known) = self.lexed_memo.states[place] {
            return Ok(known);
        }
        for (thread, next) in threads {
            let end = self.lexed_memo.lexing.end(&mut self.pool.languages, next);
            if end != LangId::NEVER {
                self.end_lexeme(thread.capture.0, thread.cont, end)?;
            }
            if !self.is_complete(next) {
                self.add_lexeme(next, thread.cont, thread.capture.0)?;
            }
        }
        let state = self.finish()?;
        self.lexed_memo.states[place] = Some(state);
        Ok(state)
    }

    /// Whether nothing but the mark can come next.
    fn is_complete(&mut self, language: LangId) -> bool {
        if let Some(&known) = self.lexed_memo.complete.get(&language) {
            return known;
        }
        let first = self.pool.languages.first_bytes(language);
        let complete = first.iter().all(|byte| byte == MARK);
        self.lexed_memo.complete.insert(language, complete);
        complete
    }

    /// Goes on behind a lexeme that ends here under an obligation.
    fn end_lexeme(&mut self, lexeme: u32, stack: ContId, obligation: LangId) -> Result<(), EngineError> {
        match self.behind_lexeme(stack, lexeme)? {
            Some(stack) => self.begin_lexemes(stack, obligation),
            None => Ok(()),
        }
    }

    /// Begins the lexemes that the parser expects on top of `stack`.
    fn begin_lexemes(&mut self, stack: ContId, obligation: LangId) -> Result<(), EngineError> {
        let lexed = self.lexed()?;
        for link in self.stack.links(stack).to_vec() {
            let Frame::Parser(state) = link.0 else { continue };
            let stack = self.stack.of(&mut vec![link]);
            if self.pool.languages.is_nullable(obligation) && self.ends_text(&lexed, stack)? {
                self.builder.accepting = true;
            }
            let languages = &mut self.pool.languages;
            let begin = self.lexed_memo.lexing.beginnings(&lexed, languages, obligation, state);
            for &(lexeme, language) in begin.iter() {
                self.add_lexeme(language, stack, lexeme)?;
            }
        }
        Ok(())
    }

    /// Adds a thread, if it leads to an end.
    fn add_lexeme(&mut self, language: LangId, stack: ContId, lexeme: u32) -> Result<(), EngineError> {
        if self.is_live_lexeme(language, lexeme, stack)? {
            self.add(language, stack, CaptureId(lexeme))?;
        }
        Ok(())
    }

    fn lexed(&self) -> Result<Arc<Lexed>, EngineError> {
        let none =
            || EngineError::Grammar(crate::grammar::GrammarError::Expansion("there is no lexer".into()));
        self.pool.lexed().cloned().ok_or_else(none)
    }

    /// The stack behind `lexeme`, if the parser takes it.
    fn behind_lexeme(&mut self, stack: ContId, lexeme: u32) -> Result<Option<ContId>, EngineError> {
        let lexed = self.lexed()?;
        if lexed.lexeme(lexeme).ignored {
            return Ok(Some(stack));
        }
        if let Some(&known) = self.lexed_memo.after.get(&(stack, lexeme)) {
            return Ok(known);
        }
        let mut shifted: Vec<Link> = Vec::new();
        for (state, stack) in self.reduced(&lexed, stack, Some(lexeme))? {
            if let Some(next) = lexed.parser.shift(state, lexeme) {
                shifted.push((Frame::Parser(next), stack));
            }
        }
        let after = (!shifted.is_empty()).then(|| self.joined(shifted));
        self.lexed_memo.after.insert((stack, lexeme), after);
        Ok(after)
    }

    /// The stack of several links, of which those of one state are one.
    fn joined(&mut self, mut links: Vec<Link>) -> ContId {
        links.sort_unstable();
        let mut joined: Vec<Link> = Vec::new();
        for (frame, below) in links {
            match joined.last_mut() {
                Some(last) if last.0 == frame => last.1 = self.stack.union_of(&mut [last.1, below]),
                _ => joined.push((frame, below)),
            }
        }
        self.stack.of(&mut joined)
    }

    /// The tops that reductions before `lexeme`, or before the end, lead to: states and stacks that
    /// have just them on top.
    fn reduced(
        &mut self,
        lexed: &Lexed,
        stack: ContId,
        lexeme: Option<u32>,
    ) -> Result<Vec<(u32, ContId)>, EngineError> {
        if lexed.parser.has_conflicts {
            return self.all_reduced(lexed, stack, lexeme);
        }
        // One action at most. Rules may be empty, so states may be put on top of such that were
        // just put there.
        let mut stack = stack;
        loop {
            self.work(1)?;
            let Some(&(Frame::Parser(state), _)) = self.stack.links(stack).first() else {
                return Ok(Vec::new());
            };
            let Some((rule, length)) = lexed.parser.reductions(state, lexeme).next() else {
                return Ok(vec![(state, stack)]);
            };
            let below = self.popped(stack, length);
            let Some(&(Frame::Parser(below_state), _)) = below.first() else { return Ok(Vec::new()) };
            let Some(next) = lexed.parser.goto(below_state, rule) else { return Ok(Vec::new()) };
            let mut below = below;
            let below = self.stack.of(&mut below);
            stack = self.stack.push(Frame::Parser(next), below);
        }
    }

    /// The same where several actions are possible: every state is found once, on top of all that
    /// it may be on top of. No rule is empty, so that it is never on top of another of them.
    fn all_reduced(
        &mut self,
        lexed: &Lexed,
        stack: ContId,
        lexeme: Option<u32>,
    ) -> Result<Vec<(u32, ContId)>, EngineError> {
        let mut found: BTreeMap<u32, Vec<Link>> = BTreeMap::new();
        let mut work: Vec<(u32, Vec<Link>)> = Vec::new();
        for &(frame, below) in self.stack.links(stack) {
            let Frame::Parser(state) = frame else { continue };
            let below = self.stack.links(below).to_vec();
            found.entry(state).or_default().extend_from_slice(&below);
            work.push((state, below));
        }
        while let Some((state, below)) = work.pop() {
            self.work(below.len())?;
            for (rule, length) in lexed.parser.reductions(state, lexeme) {
                let mut links = below.clone();
                for _ in 1..length {
                    links = links.iter().flat_map(|link| self.stack.links(link.1).iter().copied()).collect();
                    links.sort_unstable();
                    links.dedup();
                }
                for link in links {
                    let Frame::Parser(top) = link.0 else { continue };
                    let Some(next) = lexed.parser.goto(top, rule) else { continue };
                    let known = found.entry(next).or_default();
                    if !known.contains(&link) {
                        known.push(link);
                        match work.iter_mut().find(|waiting| waiting.0 == next) {
                            Some(waiting) => waiting.1.push(link),
                            None => work.push((next, vec![link])),
                        }
                    }
                }
            }
        }
        let mut stacks = Vec::with_capacity(found.len());
        for (state, mut below) in found {
            let below = self.stack.of(&mut below);
            stacks.push((state, self.stack.push(Frame::Parser(state), below)));
        }
        Ok(stacks)
    }

    /// The tops of a stack without its first states.
    fn popped(&self, stack: ContId, states: usize) -> Vec<Link> {
        let mut links: Vec<Link> = self.stack.links(stack).to_vec();
        for _ in 0..states {
            let mut below: Vec<Link> =
                links.iter().flat_map(|link| self.stack.links(link.1).iter().copied()).collect();
            below.sort_unstable();
            below.dedup();
            links = below;
        }
        links
    }

    /// Whether the parser takes the end of the text.
    fn ends_text(&mut self, lexed: &Lexed, stack: ContId) -> Result<bool, EngineError> {
        if let Some(&known) = self.lexed_memo.ends.get(&stack) {
            return Ok(known);
        }
        let ends = self.reduced(lexed, stack, None)?.iter().any(|&(state, _)| lexed.parser.accepts(state));
        self.lexed_memo.ends.insert(stack, ends);
        Ok(ends)
    }

    /// Whether a lexeme of which `language` is left leads to the end of a text.
    fn is_live_lexeme(&mut self, language: LangId, lexeme: u32, stack: ContId) -> Result<bool, EngineError> {
        let key = (language, lexeme, stack);
        if let Some(&known) = self.lexed_memo.live_lexemes.get(&key) {
            return Ok(known);
        }
        let Some(after) = self.behind_lexeme(stack, lexeme)? else {
            self.lexed_memo.live_lexemes.insert(key, false);
            return Ok(false);
        };
        let lexed = self.lexed()?;
        if self.lexed_memo.lexing.has_free_end(&lexed, &mut self.pool.languages, language)? {
            return Ok(true);
        }
        // Found states, each with the place of the one it was found from.
        let mut found: Vec<(LangId, usize)> = vec![(language, 0)];
        let mut seen = HashSet::<_>::from_iter([language]);
        let mut at = 0;
        while at < found.len() {
            let state = found[at].0;
            if at >= self.limits.search_states as usize {
                return Err(Exhausted { limit: self.limits.search_states }.into());
            }
            self.work(1)?;
            let end = self.lexed_memo.lexing.end(&mut self.pool.languages, state);
            let known = self.lexed_memo.live_lexemes.get(&(state, lexeme, stack)).copied();
            if known == Some(true) || (end != LangId::NEVER && self.is_live(&lexed, after, end)?) {
                let mut path = at;
                loop {
                    self.lexed_memo.live_lexemes.insert((found[path].0, lexeme, stack), true);
                    if path == 0 {
                        return Ok(true);
                    }
                    path = found[path].1;
                }
            }
            if known.is_none() {
                for next in successors(&mut self.pool.languages, state) {
                    if seen.insert(next) {
                        found.push((next, at));
                    }
                }
            }
            at += 1;
        }
        for (state, _) in found {
            self.lexed_memo.live_lexemes.insert((state, lexeme, stack), false);
        }
        Ok(false)
    }

    /// Whether the parser can go on from `stack` to the end of the text, under an obligation.
    fn is_live(&mut self, lexed: &Lexed, stack: ContId, obligation: LangId) -> Result<bool, EngineError> {
        if self.lexed_memo.lexing.is_free(lexed, &mut self.pool.languages, obligation)? {
            return Ok(true);
        }
        let mut found: Vec<(BetweenLexemes, usize)> = Vec::new();
        let mut seen: HashSet<BetweenLexemes> = HashSet::new();
        for link in self.stack.links(stack).to_vec() {
            if let Frame::Parser(state) = link.0 {
                let place = (obligation, state, self.stack.of(&mut vec![link]));
                seen.insert(place);
                found.push((place, usize::MAX));
            }
        }
        let mut at = 0;
        while at < found.len() {
            self.work(1)?;
            let place = found[at].0;
            let known = self.lexed_memo.live.get(&place).copied();
            let mut ways = Vec::new();
            let is_live = match known {
                Some(known) => known,
                None => self.leads_to_end(lexed, place, &mut ways)?,
            };
            if is_live {
                let mut path = at;
                while path != usize::MAX {
                    self.lexed_memo.live.insert(found[path].0, true);
                    path = found[path].1;
                }
                return Ok(true);
            }
            for way in ways {
                if seen.insert(way) {
                    found.push((way, at));
                }
            }
            at += 1;
        }
        for (place, _) in found {
            self.lexed_memo.live.insert(place, false);
        }
        Ok(false)
    }

    /// Whether the text may end at a place, or else where its items lead.
    fn leads_to_end(
        &mut self,
        lexed: &Lexed,
        place: BetweenLexemes,
        ways: &mut Vec<BetweenLexemes>,
    ) -> Result<bool, EngineError> {
        let (obligation, seen_in, stack) = place;
        let Some(&(Frame::Parser(state), _)) = self.stack.links(stack).first() else { return Ok(false) };
        let (lexing, languages) = (&mut self.lexed_memo.lexing, &mut self.pool.languages);
        let control = (obligation, seen_in);
        if lexing.is_free(lexed, languages, obligation)? {
            return Ok(true);
        }
        if lexed.parser.accepts(state) && lexing.may_end(lexed, languages, control)? {
            return Ok(true);
        }
        if state == 0 {
            for control in lexing.whole(lexed, languages, control)? {
                if lexing.may_end(lexed, languages, control)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let found = lexing.leave(lexed, languages, state, control)?;
        for way in found.iter() {
            for link in self.popped(stack, way.states as usize) {
                let Frame::Parser(below) = link.0 else { continue };
                let Some(next) = lexed.parser.goto(below, way.rule) else { continue };
                let below = self.stack.of(&mut vec![link]);
                let stack = self.stack.push(Frame::Parser(next), below);
                ways.push((way.control.0, way.control.1, stack));
            }
        }
        Ok(false)
    }

    /// The groups of characters that `state` reads in any order, within sliced tokens: those of a
    /// lexeme all of whose ends are good.
    pub(super) fn sure_groups(&mut self, state: StateId) -> u64 {
        let Ok(lexed) = self.lexed() else { return 0 };
        let mut best = 0u64;
        for i in 0..self.threads(state).len() {
            let Awaits::Language(language) = self.threads(state)[i].awaits() else { continue };
            let languages = &mut self.pool.languages;
            let near = languages.clamped(language, MAX_SLICED_LEN.into());
            let groups = languages.read_groups(near);
            if groups.count_ones() > best.count_ones()
                && matches!(self.lexed_memo.lexing.has_free_ends_only(&lexed, languages, language), Ok(true))
            {
                best = groups;
            }
        }
        best
    }
}

/// The states that a lexeme's next byte may lead to.
fn successors(pool: &mut Languages, state: LangId) -> Vec<LangId> {
    let bytes = pool.byte_classes(state).representatives().to_vec();
    let bytes = bytes.into_iter().filter(|&byte| byte != MARK);
    bytes.map(|byte| pool.step(state, byte)).filter(|&next| next != LangId::NEVER).collect()
}
