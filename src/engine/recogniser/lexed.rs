//! Lexed grammars: parser stacks, and threads that are lexemes being read.
//!
//! A Lark grammar describes a lexer and an LALR(1) parser. A thread is one lexeme being read. Its
//! language is one of *marked texts*: a match, a byte called the mark, and everything that may
//! follow for the match to end there ([`Lexing`]). The thread's capture is the lexeme's number, and
//! its continuation is the parser's stack. Where the mark can come next, the lexeme may end: the
//! parser shifts it, and the lexemes expected then begin under the *obligation* that the mark
//! leaves behind. For example, a keyword may end under "no letter comes next", and then no lexeme
//! that begins with a letter is begun. Where two lexemes match the same text, the language of the
//! one that loses already leaves that text out. So this file never has to compare lexemes.
//!
//! A stack is a set of links `(state, stack below)`. It has more than one link only where the
//! grammar is not LALR(1).
//!
//! The parser looks at the top of its stack alone, so the state after a byte is built once for all
//! stacks with the same tops ([`cut`](super::cut)).
//!
//! # Only live threads
//!
//! A thread is kept only if it leads to an end after which the parser can go on to the end of the
//! text. If ignored text discharges obligations, as whitespace mostly does, the lexeme alone
//! decides this. Otherwise the next few lexemes are looked at. A comment up to the end of a line is
//! kept where the parser shifts a line end or the text may end. If they do not decide it, a search
//! goes down the stack to its end. For each state it uses the positions to which the state's items
//! lead, which do not depend on the stack below ([`Lexing::leave`]). Answers are remembered.
//!
//! # The price
//!
//! A new top of a stack costs reductions for each lexeme that may follow. Masks are made of a
//! summary for each lexeme's language ([`lexemes`]). Only for a lexeme after which the parser might
//! be stuck, the trie is walked beside states.
//!
//! [`lexemes`]: crate::engine::mask

use super::captures::CaptureId;
use super::continuation::{ContId, Frame, Link};
use super::cut::{ByTop, CutStacks, DEPTHS, Successes};
use super::interner::SliceInterner;
use super::machine::Machine;
use super::state::{Awaits, StateId, Thread};
use crate::automata::{ExprPool, LangId};
use crate::engine::error::EngineError;
use crate::grammar::lexed::{Beginnings, Exhausted, Lexing};
use crate::grammar::{GrammarError, Lexed, MARK};
use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Small steps of the search through parser and lexemes that count as one state searched.
const TASKS_PER_STATE: u64 = 20;

/// Positions between two lexemes from which the search for the end looks at the next lexemes,
/// before it looks at the parser's items.
const MAX_LOOKAHEAD: usize = 16;

/// A position between two lexemes: the obligation, the state in which the lexer continues, and the
/// parser's stack.
type BetweenLexemes = (LangId, u32, ContId);

/// A lexeme being read: the language left of it, its number, and the stack below it.
pub(in crate::engine) type LexemeKey = (LangId, u32, ContId);

/// Reads lexed grammars, and remembers what it found.
pub(in crate::engine) struct LexedReader {
    lexing: Lexing,
    /// Lists of the threads that survive a byte, before their lexemes end. The state after a byte
    /// depends only on this list: nearly every letter in a name leads to the same one.
    lists: SliceInterner<(Thread, LangId)>,
    /// The state of each list, if it was found.
    states: Vec<Option<StateId>>,
    /// The same lists with cut stacks.
    cut_lists: SliceInterner<(Thread, LangId)>,
    /// The threads of the state that each list with cut stacks leads to, and true if the text may
    /// end there.
    built: Vec<ByTop<(Box<[Thread]>, bool)>>,
    /// Bytes of the threads in `built`.
    built_bytes: usize,
    successes: Successes,
    /// The stack after a lexeme, if the parser shifts it.
    shifted: HashMap<(ContId, u32), Option<ContId>>,
    /// True for stacks under which the text may end.
    ends: HashMap<ContId, bool>,
    /// The answers that the next few lexemes give for positions.
    looks_live: HashMap<(ContId, LangId), Option<bool>>,
    /// True for positions from which the parser reaches the end of the text.
    live: HashMap<BetweenLexemes, bool>,
    /// True for lexemes from which the parser reaches the end of the text.
    live_lexemes: HashMap<LexemeKey, bool>,
    /// True for languages of which only the mark is left.
    complete: HashMap<LangId, bool>,
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

impl LexedReader {
    pub fn new(machine: &mut Machine, search_states: u64) -> Self {
        LexedReader {
            lexing: machine.pool.take_lexing(search_states.saturating_mul(TASKS_PER_STATE)),
            lists: SliceInterner::new(),
            states: Vec::new(),
            cut_lists: SliceInterner::new(),
            built: Vec::new(),
            built_bytes: 0,
            successes: Successes::default(),
            shifted: HashMap::new(),
            ends: HashMap::new(),
            looks_live: HashMap::new(),
            live: HashMap::new(),
            live_lexemes: HashMap::new(),
            complete: HashMap::new(),
        }
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.lexing.memory()
            + self.lists.memory()
            + self.cut_lists.memory()
            + self.built.capacity() * std::mem::size_of::<ByTop<(Box<[Thread]>, bool)>>()
            + self.built_bytes
            + self.states.capacity() * std::mem::size_of::<Option<StateId>>()
            + (self.shifted.len() + self.looks_live.len() + self.live.len() + self.live_lexemes.len()) * 24
            + (self.ends.len() + self.complete.len()) * 8
    }

    /// Begins a call, which may search as many states as any other.
    pub fn begin_call(&mut self) {
        self.lexing.refill();
    }

    /// Adds to the state being built the lexemes with which a text begins.
    pub fn begin_text(&mut self, machine: &mut Machine) -> Result<(), EngineError> {
        let stack = machine.conts.push(Frame::Parser(0), ContId::END);
        self.begin_lexemes(machine, stack, LangId::ALL)
    }

    /// The state after `byte`. The state being built is empty.
    pub fn step(&mut self, machine: &mut Machine, state: StateId, byte: u8) -> Result<StateId, EngineError> {
        if byte == MARK {
            return Ok(StateId::DEAD);
        }
        let mut threads: Vec<(Thread, LangId)> = Vec::new();
        for i in 0..machine.states.threads(state).len() {
            let thread = machine.states.threads(state)[i];
            let Awaits::Language(language) = thread.awaits() else { continue };
            let next = machine.pool.languages.step(language, byte);
            if next != LangId::NEVER {
                // The language before the byte is left out of the list, because the next state does
                // not depend on it.
                threads.push((Thread::reading(LangId::NEVER, thread.cont, thread.capture), next));
            }
        }
        // Once the work is over, every language looks as if no byte could come next.
        machine.check_sound()?;
        threads.sort_unstable();
        threads.dedup();
        let list = self.lists.intern(&threads) as usize;
        if list == self.states.len() {
            self.states.push(None);
        }
        if let Some(known) = self.states[list] {
            return Ok(known);
        }
        self.build_by_top(machine, &threads)?;
        let state = machine.intern_built()?;
        self.states[list] = Some(state);
        Ok(state)
    }

    /// Builds the state after a byte that these threads survive, by the tops of their stacks.
    fn build_by_top(
        &mut self,
        machine: &mut Machine,
        threads: &[(Thread, LangId)],
    ) -> Result<(), EngineError> {
        let mut top: Vec<(Thread, LangId)> = Vec::with_capacity(threads.len());
        for (at, depth) in DEPTHS.into_iter().enumerate() {
            if !self.successes.is_worth_trying(at) {
                continue;
            }
            let mut below = CutStacks::default();
            top.clear();
            for &(thread, next) in threads {
                let Some(cut) = below.cut(&mut machine.conts, thread.cont, depth) else {
                    return self.build_after(machine, threads);
                };
                top.push((thread.with_cont(cut), next));
            }
            let list = self.cut_lists.intern(&top) as usize;
            if list == self.built.len() {
                self.built.push(ByTop::Unknown);
            }
            if let ByTop::Unknown = self.built[list] {
                let found = self.build_after(machine, &top);
                let found = machine.unless_cut(found)?;
                machine.check_sound()?;
                self.built[list] = match found {
                    None => ByTop::Deeper,
                    Some(()) => {
                        let threads: Box<[Thread]> = machine.builder.threads.as_slice().into();
                        self.built_bytes += threads.len() * std::mem::size_of::<Thread>();
                        ByTop::Found((threads, machine.builder.accepting))
                    }
                };
                self.successes.count(at, matches!(self.built[list], ByTop::Found(_)));
                machine.builder.clear();
            }
            if let ByTop::Found((threads, accepting)) = &self.built[list] {
                machine.builder.accepting = *accepting;
                let mut planted: SmallVec<[(ContId, ContId); 4]> = SmallVec::new();
                for thread in threads {
                    let stack = match planted.iter().find(|known| known.0 == thread.cont) {
                        Some(&(_, stack)) => stack,
                        None => {
                            let stack = below.plant(&mut machine.conts, thread.cont);
                            planted.push((thread.cont, stack));
                            stack
                        }
                    };
                    machine.builder.threads.push(thread.with_cont(stack));
                }
                return Ok(());
            }
        }
        self.build_after(machine, threads)
    }

    /// Builds the state after a byte that these threads survive, each with the language after it.
    fn build_after(
        &mut self,
        machine: &mut Machine,
        threads: &[(Thread, LangId)],
    ) -> Result<(), EngineError> {
        for &(thread, next) in threads {
            let lexeme = thread.capture.0;
            let obligation = self.lexing.end(&mut machine.pool.languages, next);
            if obligation != LangId::NEVER
                && let Some(stack) = self.shift(machine, thread.cont, lexeme)?
            {
                self.begin_lexemes(machine, stack, obligation)?;
            }
            if !self.is_complete(machine, next) {
                self.add_lexeme(machine, next, thread.cont, lexeme)?;
            }
        }
        Ok(())
    }

    /// The groups of characters that `state` reads in any order, within tokens of at most `longest`
    /// bytes: those of a lexeme all of whose ends are good.
    pub fn always_read_groups(&mut self, machine: &mut Machine, state: StateId, longest: u32) -> u64 {
        let Ok(lexed) = lexed(machine) else { return 0 };
        let mut best = 0u64;
        for i in 0..machine.states.threads(state).len() {
            let Awaits::Language(language) = machine.states.threads(state)[i].awaits() else { continue };
            let languages = &mut machine.pool.languages;
            let clamped = languages.clamped(language, longest);
            let groups = languages.read_groups(clamped);
            if groups.count_ones() > best.count_ones()
                && matches!(self.lexing.has_good_ends_only(&lexed, languages, language, None), Ok(true))
            {
                best = groups;
            }
        }
        best
    }

    /// The obligation under which a lexeme ends in the state `language`; the empty language if it
    /// does not end there.
    pub fn end(&mut self, machine: &mut Machine, language: LangId) -> LangId {
        self.lexing.end(&mut machine.pool.languages, language)
    }

    /// True if the parser can go on to the end of the text from every end of a lexeme with the rest
    /// `language`. If false, it may still be able to.
    pub fn has_good_ends_only(
        &mut self,
        machine: &mut Machine,
        (language, lexeme, stack): LexemeKey,
    ) -> Result<bool, EngineError> {
        let lexed = lexed(machine)?;
        let Some(after) = self.shift(machine, stack, lexeme)? else { return Ok(false) };
        let state = match *machine.conts.links(after) {
            [(Frame::Parser(state), _)] => Some(state),
            _ => None,
        };
        let languages = &mut machine.pool.languages;
        if matches!(self.lexing.has_good_ends_only(&lexed, languages, language, state), Ok(true)) {
            return Ok(true);
        }
        let Ok(ends) = self.lexing.ends(languages, language) else { return Ok(false) };
        for &obligation in ends.iter() {
            if !self.is_live(machine, &lexed, after, obligation)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A stack as a list of stacks with one link each, with the parser state on top of each of
    /// them.
    ///
    /// # Errors
    /// The cut of a stack was reached.
    pub fn links(
        &self,
        machine: &mut Machine,
        stack: ContId,
    ) -> Result<SmallVec<[(ContId, u32); 1]>, EngineError> {
        if let [(Frame::Parser(state), _)] = *machine.conts.links(stack) {
            return Ok(SmallVec::from_elem((stack, state), 1));
        }
        let mut stacks = SmallVec::new();
        for link in machine.conts.links(stack).to_vec() {
            if let Some(state) = parser_state(machine, link)? {
                stacks.push((machine.conts.of(&mut vec![link]), state));
            }
        }
        Ok(stacks)
    }

    /// The lexemes that the lexer looks for in a parser state, under an obligation. Some of them
    /// may not be live.
    pub fn beginnings(
        &mut self,
        machine: &mut Machine,
        obligation: LangId,
        state: u32,
    ) -> Result<Beginnings, EngineError> {
        let lexed = lexed(machine)?;
        Ok(self.lexing.beginnings(&lexed, &mut machine.pool.languages, obligation, state))
    }

    /// True if only the mark can come next.
    fn is_complete(&mut self, machine: &mut Machine, language: LangId) -> bool {
        if let Some(&known) = self.complete.get(&language) {
            return known;
        }
        let first = machine.pool.languages.first_bytes(language);
        let complete = first.iter().all(|byte| byte == MARK);
        if machine.pool.languages.is_sound() {
            self.complete.insert(language, complete);
        }
        complete
    }

    /// Adds the lexemes that the parser expects on top of `stack`, under an obligation.
    fn begin_lexemes(
        &mut self,
        machine: &mut Machine,
        stack: ContId,
        obligation: LangId,
    ) -> Result<(), EngineError> {
        let lexed = lexed(machine)?;
        for (stack, state) in self.links(machine, stack)? {
            if machine.pool.languages.is_nullable(obligation) && self.ends_text(machine, &lexed, stack)? {
                machine.builder.accepting = true;
            }
            for &(lexeme, language) in self.beginnings(machine, obligation, state)?.iter() {
                self.add_lexeme(machine, language, stack, lexeme)?;
            }
        }
        Ok(())
    }

    /// Adds a thread, if it is live.
    fn add_lexeme(
        &mut self,
        machine: &mut Machine,
        language: LangId,
        stack: ContId,
        lexeme: u32,
    ) -> Result<(), EngineError> {
        if self.is_live_lexeme(machine, (language, lexeme, stack))? {
            machine.add_thread(language, stack, CaptureId(lexeme))?;
        }
        Ok(())
    }

    /// The stack after `lexeme`, if the parser shifts it. Ignored lexemes leave the stack as it is.
    pub fn shift(
        &mut self,
        machine: &mut Machine,
        stack: ContId,
        lexeme: u32,
    ) -> Result<Option<ContId>, EngineError> {
        let lexed = lexed(machine)?;
        if lexed.lexeme(lexeme).ignored {
            return Ok(Some(stack));
        }
        if let Some(&known) = self.shifted.get(&(stack, lexeme)) {
            return Ok(known);
        }
        machine.conts.begin_step();
        let mut shifted: Vec<Link> = Vec::new();
        for (state, stack) in reduce(machine, &lexed, stack, Some(lexeme))? {
            if let Some(next) = lexed.parser.shift(state, lexeme) {
                shifted.push((Frame::Parser(next), stack));
            }
        }
        let after = (!shifted.is_empty()).then(|| join_links(machine, shifted));
        machine.check_sound()?;
        self.shifted.insert((stack, lexeme), after);
        Ok(after)
    }

    /// True if the parser accepts the end of the text under `stack`.
    fn ends_text(
        &mut self,
        machine: &mut Machine,
        lexed: &Lexed,
        stack: ContId,
    ) -> Result<bool, EngineError> {
        if let Some(&known) = self.ends.get(&stack) {
            return Ok(known);
        }
        machine.conts.begin_step();
        let tops = reduce(machine, lexed, stack, None)?;
        let ends = tops.iter().any(|&(state, _)| lexed.parser.accepts(state));
        machine.check_sound()?;
        self.ends.insert(stack, ends);
        Ok(ends)
    }

    /// True if a lexeme of which `language` is left leads to the end of a text. A search through
    /// the states of the lexeme, breadth first.
    pub fn is_live_lexeme(&mut self, machine: &mut Machine, key: LexemeKey) -> Result<bool, EngineError> {
        let (language, lexeme, stack) = key;
        if let Some(&known) = self.live_lexemes.get(&key) {
            return Ok(known);
        }
        let Some(after) = self.shift(machine, stack, lexeme)? else {
            self.live_lexemes.insert(key, false);
            return Ok(false);
        };
        let lexed = lexed(machine)?;
        if self.lexing.has_free_end(&lexed, &mut machine.pool.languages, language)? {
            return Ok(true);
        }
        // Each state found, with the index of the state from which it was found.
        let mut found: Vec<(LangId, usize)> = vec![(language, 0)];
        let mut seen = HashSet::<_>::from_iter([language]);
        let mut at = 0;
        while at < found.len() {
            let state = found[at].0;
            if at >= machine.limits.search_states as usize {
                return Err(Exhausted { limit: machine.limits.search_states }.into());
            }
            machine.meter(1)?;
            let end = self.lexing.end(&mut machine.pool.languages, state);
            let known = self.live_lexemes.get(&(state, lexeme, stack)).copied();
            if known == Some(true) || (end != LangId::NEVER && self.is_live(machine, &lexed, after, end)?) {
                machine.check_sound()?;
                let mut path = at;
                loop {
                    self.live_lexemes.insert((found[path].0, lexeme, stack), true);
                    if path == 0 {
                        return Ok(true);
                    }
                    path = found[path].1;
                }
            }
            if known.is_none() {
                for next in successors(&mut machine.pool.languages, state) {
                    if seen.insert(next) {
                        found.push((next, at));
                    }
                }
            }
            at += 1;
        }
        machine.check_sound()?;
        for (state, _) in found {
            self.live_lexemes.insert((state, lexeme, stack), false);
        }
        Ok(false)
    }

    /// True if the parser can go on from `stack`, under an obligation, to the end of the text. A
    /// search through positions between lexemes, breadth first.
    fn is_live(
        &mut self,
        machine: &mut Machine,
        lexed: &Lexed,
        stack: ContId,
        obligation: LangId,
    ) -> Result<bool, EngineError> {
        if self.lexing.is_free(lexed, &mut machine.pool.languages, obligation)? {
            return Ok(true);
        }
        if let Some(known) = self.looks_live(machine, lexed, stack, obligation)? {
            return Ok(known);
        }
        let mut found: Vec<(BetweenLexemes, usize)> = Vec::new();
        let mut seen: HashSet<BetweenLexemes> = HashSet::new();
        for link in machine.conts.links(stack).to_vec() {
            if let Some(state) = parser_state(machine, link)? {
                if self.lexing.is_safe(state, obligation) {
                    return Ok(true);
                }
                let position = (obligation, state, machine.conts.of(&mut vec![link]));
                seen.insert(position);
                found.push((position, usize::MAX));
            }
        }
        let mut at = 0;
        while at < found.len() {
            machine.meter(1)?;
            let position = found[at].0;
            let known = self.live.get(&position).copied();
            let mut successors = Vec::new();
            let is_live = match known {
                Some(known) => known,
                None => self.expand_position(machine, lexed, position, &mut successors)?,
            };
            if is_live {
                machine.check_sound()?;
                let mut path = at;
                while path != usize::MAX {
                    self.live.insert(found[path].0, true);
                    path = found[path].1;
                }
                return Ok(true);
            }
            for next in successors {
                if seen.insert(next) {
                    found.push((next, at));
                }
            }
            at += 1;
        }
        machine.check_sound()?;
        for (position, _) in found {
            self.live.insert(position, false);
        }
        Ok(false)
    }

    /// The answer of [`is_live`](Self::is_live), if the next few lexemes decide it.
    ///
    /// The search reads lexemes from stack to stack. It finds a text that leads to the end, or it
    /// finds that no lexeme can be shifted from any position that is reached. An example is a
    /// comment up to the end of a line. It is live exactly if the parser shifts a line end there.
    fn looks_live(
        &mut self,
        machine: &mut Machine,
        lexed: &Lexed,
        stack: ContId,
        obligation: LangId,
    ) -> Result<Option<bool>, EngineError> {
        let start = (stack, obligation);
        if let Some(&known) = self.looks_live.get(&start) {
            return Ok(known);
        }
        let mut found = vec![start];
        let mut at = 0;
        let mut answer = Some(false);
        'positions: while at < found.len() {
            if at == MAX_LOOKAHEAD {
                answer = None;
                break;
            }
            machine.meter(1)?;
            let (stack, obligation) = found[at];
            at += 1;
            for (stack, state) in self.links(machine, stack)? {
                let is_end = machine.pool.languages.is_nullable(obligation);
                if is_end && self.ends_text(machine, lexed, stack)? {
                    answer = Some(true);
                    break 'positions;
                }
                for &(lexeme, language) in self.beginnings(machine, obligation, state)?.iter() {
                    let Some(after) = self.shift(machine, stack, lexeme)? else { continue };
                    let languages = &mut machine.pool.languages;
                    if self.lexing.has_free_end(lexed, languages, language)? {
                        answer = Some(true);
                        break 'positions;
                    }
                    for &end in self.lexing.ends(languages, language)?.iter() {
                        if !found.contains(&(after, end)) {
                            found.push((after, end));
                        }
                    }
                }
            }
        }
        machine.check_sound()?;
        self.looks_live.insert(start, answer);
        Ok(answer)
    }

    /// True if the text may end at a position. Otherwise adds the positions to which its parser
    /// items lead.
    fn expand_position(
        &mut self,
        machine: &mut Machine,
        lexed: &Lexed,
        position: BetweenLexemes,
        successors: &mut Vec<BetweenLexemes>,
    ) -> Result<bool, EngineError> {
        let (obligation, lexer_state, stack) = position;
        let Some(state) = top_state(machine, stack)? else { return Ok(false) };
        let languages = &mut machine.pool.languages;
        let control = (obligation, lexer_state);
        if self.lexing.is_free(lexed, languages, obligation)? {
            return Ok(true);
        }
        if lexed.parser.accepts(state) && self.lexing.may_end(lexed, languages, control)? {
            return Ok(true);
        }
        if state == 0 {
            for control in self.lexing.whole(lexed, languages, control)? {
                if self.lexing.may_end(lexed, languages, control)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let left = self.lexing.leave(lexed, languages, state, control)?;
        for way in left.iter() {
            for link in pop(machine, stack, way.states as usize)? {
                let Some(below) = parser_state(machine, link)? else { continue };
                let Some(next) = lexed.parser.goto(below, way.rule) else { continue };
                let below = machine.conts.of(&mut vec![link]);
                let stack = machine.conts.push(Frame::Parser(next), below);
                successors.push((way.control.0, way.control.1, stack));
            }
        }
        Ok(false)
    }
}

/// The parser's state in a link of a stack; `None` for the end below the bottom.
///
/// # Errors
/// The link is the cut of a stack.
fn parser_state(machine: &mut Machine, link: Link) -> Result<Option<u32>, EngineError> {
    match link.0 {
        Frame::Parser(state) => Ok(Some(state)),
        Frame::Cut(_) => Err(machine.reach_cut()),
        _ => Ok(None),
    }
}

/// The parser's state on top of a stack, as [`parser_state`] gives it.
fn top_state(machine: &mut Machine, stack: ContId) -> Result<Option<u32>, EngineError> {
    match machine.conts.links(stack).first() {
        Some(&link) => parser_state(machine, link),
        None => Ok(None),
    }
}

/// The grammar's lexer and parser.
fn lexed(machine: &Machine) -> Result<Arc<Lexed>, EngineError> {
    let none = || EngineError::Grammar(GrammarError::unexpandable("there is no lexer"));
    machine.pool.lexed().cloned().ok_or_else(none)
}

/// The stack with these links. Links with the same parser state become one.
fn join_links(machine: &mut Machine, mut links: Vec<Link>) -> ContId {
    links.sort_unstable();
    let mut joined: Vec<Link> = Vec::new();
    for (frame, below) in links {
        match joined.last_mut() {
            Some(last) if last.0 == frame => last.1 = machine.conts.union_of(&mut [last.1, below]),
            _ => joined.push((frame, below)),
        }
    }
    machine.conts.of(&mut joined)
}

/// The tops to which reductions before `lexeme` lead, or before the end of the text for `None`:
/// pairs of a parser state and a stack that has just this state on top.
fn reduce(
    machine: &mut Machine,
    lexed: &Lexed,
    stack: ContId,
    lexeme: Option<u32>,
) -> Result<Vec<(u32, ContId)>, EngineError> {
    // If there is one action, one stack is enough. Rules may be empty, so a reduction may put a
    // state on top of the state of an earlier reduction.
    let mut stack = stack;
    loop {
        machine.meter(1)?;
        let [link] = *machine.conts.links(stack) else { return reduce_all(machine, lexed, stack, lexeme) };
        let Some(state) = parser_state(machine, link)? else { return Ok(Vec::new()) };
        let mut reductions = lexed.parser.reductions(state, lexeme);
        let Some((rule, length)) = reductions.next() else { return Ok(vec![(state, stack)]) };
        let is_sole = reductions.next().is_none() && !goes_on(lexed, state, lexeme);
        if lexed.parser.has_conflicts && !is_sole {
            return reduce_all(machine, lexed, stack, lexeme);
        }
        let mut below = pop(machine, stack, length)?;
        let link = match below[..] {
            [] => return Ok(Vec::new()),
            [link] => link,
            _ => return reduce_all(machine, lexed, stack, lexeme),
        };
        let Some(below_state) = parser_state(machine, link)? else { return Ok(Vec::new()) };
        let Some(next) = lexed.parser.goto(below_state, rule) else { return Ok(Vec::new()) };
        let below = machine.conts.of(&mut below);
        stack = machine.conts.push(Frame::Parser(next), below);
    }
}

/// True if the parser shifts `lexeme` in `state`, or accepts the end of the text for `None`.
fn goes_on(lexed: &Lexed, state: u32, lexeme: Option<u32>) -> bool {
    match lexeme {
        Some(lexeme) => lexed.parser.shift(state, lexeme).is_some(),
        None => lexed.parser.accepts(state),
    }
}

/// As [`reduce`], for a parser with conflicts, which may have several actions. Of the tops, only
/// those are made that shift the lexeme, or accept the end of the text.
///
/// Each state is found once, with all links that may be below it. Each link begins the reductions
/// of its state. Reductions pop the same links over and over, so each [`Pop`] is followed once. The
/// work therefore grows with the number of links of the stack, and not with the number of ways
/// through them. No rule is empty here, so a found state is never below another found state.
fn reduce_all(
    machine: &mut Machine,
    lexed: &Lexed,
    stack: ContId,
    lexeme: Option<u32>,
) -> Result<Vec<(u32, ContId)>, EngineError> {
    let mut found: BTreeMap<u32, HashSet<Link>> = BTreeMap::new();
    let mut links: Vec<(u32, Link)> = Vec::new();
    let mut begun: HashSet<Pop> = HashSet::new();
    let mut pops: Vec<Pop> = Vec::new();
    for (frame, below) in machine.conts.links(stack).to_vec() {
        let Some(state) = parser_state(machine, (frame, below))? else { continue };
        let below = machine.conts.links(below);
        found.entry(state).or_default().extend(below);
        links.extend(below.iter().map(|&link| (state, link)));
    }
    loop {
        // The rules that are complete above a link, with the states to pop from below it.
        let mut complete: Vec<(u32, u32, Link)> = Vec::new();
        if let Some((state, link)) = links.pop() {
            machine.meter(1)?;
            let reductions = lexed.parser.reductions(state, lexeme);
            complete.extend(reductions.map(|(rule, length)| (rule, length.saturating_sub(1) as u32, link)));
        } else if let Some(pop) = pops.pop() {
            let below = machine.conts.links(pop.stack);
            complete.extend(below.iter().map(|&link| (pop.rule, pop.states, link)));
            machine.meter(complete.len())?;
        } else {
            break;
        }
        for (rule, states, link) in complete {
            let Some(top) = parser_state(machine, link)? else { continue };
            if states > 0 {
                let pop = Pop { rule, states: states - 1, stack: link.1 };
                if begun.insert(pop) {
                    pops.push(pop);
                }
            } else if let Some(next) = lexed.parser.goto(top, rule)
                && found.entry(next).or_default().insert(link)
            {
                links.push((next, link));
            }
        }
    }
    let mut stacks = Vec::new();
    for (state, below) in found {
        if goes_on(lexed, state, lexeme) {
            let below = machine.conts.of(&mut below.into_iter().collect());
            stacks.push((state, machine.conts.push(Frame::Parser(state), below)));
        }
    }
    Ok(stacks)
}

/// A part of a reduction to `rule`: below the links of `stack`, `states` states more are popped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Pop {
    rule: u32,
    states: u32,
    stack: ContId,
}

/// The links of a stack without its top `states` states.
fn pop(machine: &mut Machine, stack: ContId, states: usize) -> Result<Vec<Link>, EngineError> {
    let mut links: Vec<Link> = machine.conts.links(stack).to_vec();
    for _ in 0..states {
        for &link in &links {
            parser_state(machine, link)?;
        }
        links = links_below(machine, &links);
        if links.len() > 1 {
            machine.meter(links.len())?;
        }
    }
    Ok(links)
}

/// The links below these, sorted.
fn links_below(machine: &Machine, links: &[Link]) -> Vec<Link> {
    let below = |link: &Link| machine.conts.links(link.1).iter().copied();
    let mut below: Vec<Link> = links.iter().flat_map(below).collect();
    below.sort_unstable();
    below.dedup();
    below
}

/// The states to which a lexeme's next byte may lead.
fn successors(languages: &mut ExprPool, state: LangId) -> Vec<LangId> {
    let bytes = languages.byte_classes(state).representatives().to_vec();
    let bytes = bytes.into_iter().filter(|&byte| byte != MARK);
    bytes.map(|byte| languages.step(state, byte)).filter(|&next| next != LangId::NEVER).collect()
}
