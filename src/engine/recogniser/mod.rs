//! The recogniser: how one byte leads from one state to the next.
//!
//! # The idea
//!
//! A grammar over bytes is run by a pushdown automaton without positions. A [`Thread`] reads one
//! terminal and knows what follows it, its *continuation* ([`continuation`]). A *state* is the set
//! of all threads by which the output so far can be read ([`state`]). For `{"a": 1` the state has a
//! thread that reads more digits; its continuation is "after a value of this object".
//!
//! To read a byte, every thread takes a step in its terminal's automaton. If the terminal is then
//! complete, its continuation is resumed: the threads of the terminals that may follow are added.
//! The first terminal may also go on, so all ways to split the output into terminals are kept.
//!
//! # Exactness
//!
//! A state accepts exactly the texts that complete the output. Threads at the same place in the
//! same terminal become one thread whose continuation is the union of theirs, which keeps the
//! language. Terminals' automata are trim and rules are productive, so every thread leads to an
//! end. For the threads of objects, arrays and lexemes, their files show it.
//!
//! # The parts
//!
//! - [`machine`]: the tables, and the moves from which all others are made.
//! - [`continuation`], [`captures`], [`state`], [`interner`]: what the tables hold.
//! - [`markers`]: texts in which special tokens are named.
//! - [`marks`]: the parts of an output, for readers of events.
//! - [`containers`]: objects and arrays. [`lexed`]: grammars with a lexer and a parser.
//! - [`token_limit`]: free text with a limit on its number of tokens.
//! - [`canonical`], [`truncate`], [`cut`]: coarser states and stacks that share results.
//!
//! Everything here runs under the graph's lock.

mod canonical;
pub(super) mod captures;
pub(super) mod containers;
pub(super) mod continuation;
pub(super) mod cut;
pub(super) mod interner;
pub(super) mod lexed;
pub(super) mod machine;
mod markers;
pub(super) mod marks;
pub(super) mod state;
mod token_limit;
pub(super) mod truncate;

use super::error::EngineError;
use super::limits::Limits;
use super::special_tokens::special_token;
use crate::automata::{ByteSet, LangId, interrupt};
use crate::grammar::{Grammar, GrammarError, MARK, Node, NodeId, SpecialId};
use crate::vocab::{TokenId, Vocabulary};
use canonical::CanonicalForms;
use captures::{CaptureId, CaptureKind};
use containers::{ArrayState, Containers, KeySupply, ObjectState};
use continuation::{ContId, Frame, one_less};
use lexed::LexedReader;
use machine::Machine;
use state::{Awaits, Entry, StateId, Thread};
use std::sync::{Mutex, MutexGuard};
use token_limit::TokenLimits;
use truncate::Truncations;

/// The largest number of nodes that may be entered for each thread that a state may have.
const ENTERED_PER_THREAD: usize = 16;

/// The recogniser of one graph: its tables, and the step from state to state.
pub(super) struct Recogniser {
    pub machine: Machine,
    pub containers: Containers,
    pub lexed: LexedReader,
    canonical_forms: CanonicalForms,
    truncations: Truncations,
    token_limits: TokenLimits,
}

impl Recogniser {
    pub fn new(grammar: &Grammar, limits: &Limits) -> Self {
        let mut machine = Machine::new(grammar, limits);
        let lexed = LexedReader::new(&mut machine, limits.search_states);
        Recogniser {
            machine,
            containers: Containers::new(),
            lexed,
            canonical_forms: CanonicalForms::default(),
            truncations: Truncations::default(),
            token_limits: TokenLimits::default(),
        }
    }

    /// The state in which nothing has been read.
    pub fn start(&mut self, root: NodeId) -> Result<StateId, EngineError> {
        self.machine.builder.clear();
        self.machine.builder.accepting = self.machine.pool.is_nullable(root);
        self.machine.enter(root, ContId::END, CaptureId::NONE);
        self.finish()
    }

    /// The threads of a state.
    pub fn threads(&self, state: StateId) -> &[Thread] {
        self.machine.states.threads(state)
    }

    /// True if the output may end in a state.
    pub fn is_accepting(&self, state: StateId) -> bool {
        self.machine.states.is_accepting(state)
    }

    /// The number of states found so far.
    pub fn state_count(&self) -> usize {
        self.machine.states.len()
    }

    /// True for grammars with a lexer and a parser.
    pub fn is_lexed(&self) -> bool {
        self.machine.pool.is_lexed()
    }

    /// Begins to build the state that follows `threads` threads.
    fn begin_step(&mut self, threads: usize) -> Result<(), EngineError> {
        self.machine.meter(threads)?;
        self.machine.conts.begin_step();
        self.machine.builder.clear();
        Ok(())
    }

    /// The state after `byte`.
    pub fn step(&mut self, state: StateId, byte: u8) -> Result<StateId, EngineError> {
        self.begin_step(self.threads(state).len())?;
        if self.is_lexed() {
            return self.lexed.step(&mut self.machine, state, byte);
        }
        for i in 0..self.threads(state).len() {
            let thread = self.threads(state)[i];
            let Awaits::Language(language) = thread.awaits() else { continue };
            let languages = &mut self.machine.pool.languages;
            let next = languages.step(language, byte);
            if next == LangId::NEVER {
                continue;
            }
            let capture = self.machine.captures.push(thread.capture, byte);
            if !languages.is_spent(next) {
                self.machine.builder.threads.push(Thread::reading(next, thread.cont, capture));
            }
            if languages.is_nullable(next) {
                let label = languages.label(next);
                self.resume(thread.cont, capture, label)?;
            }
        }
        self.finish()
    }

    /// The names of a token for which threads of a state wait.
    ///
    /// # Errors
    /// [`EngineError::UnknownSpecialToken`].
    pub fn awaited(
        &self,
        vocabulary: &Vocabulary,
        state: StateId,
        token: TokenId,
    ) -> Result<Vec<SpecialId>, EngineError> {
        let mut names = Vec::new();
        for thread in self.threads(state) {
            if let Awaits::Special(special) = thread.awaits() {
                let is_this = match self.machine.token_set(special) {
                    Some(set) => set.contains(token),
                    None => special_token(vocabulary, self.machine.pool.special_name(special))? == token,
                };
                if is_this {
                    names.push(special);
                }
            }
        }
        Ok(names)
    }

    /// The state after a special token that has any of these names.
    pub fn step_special(&mut self, state: StateId, names: &[SpecialId]) -> Result<StateId, EngineError> {
        self.begin_step(self.threads(state).len())?;
        for i in 0..self.threads(state).len() {
            let thread = self.threads(state)[i];
            if matches!(thread.awaits(), Awaits::Special(special) if names.contains(&special)) {
                self.resume(thread.cont, thread.capture, None)?;
            }
        }
        self.finish()
    }

    /// The union of two states: the output may be in either.
    pub fn union(&mut self, a: StateId, b: StateId) -> Result<StateId, EngineError> {
        self.machine.builder.clear();
        for state in [a, b] {
            self.machine.builder.accepting |= self.machine.states.is_accepting(state);
            let threads = self.machine.states.threads(state).to_vec();
            self.machine.builder.threads.extend(threads);
        }
        self.machine.intern_built()
    }

    /// The state of only what follows a terminal that ends here with `label`.
    pub fn after_terminal(
        &mut self,
        cont: ContId,
        capture: CaptureId,
        label: Option<u32>,
    ) -> Result<StateId, EngineError> {
        self.begin_step(1)?;
        self.resume(cont, capture, label)?;
        self.finish()
    }

    /// The bytes that can come next.
    pub fn first_bytes(&mut self, state: StateId) -> ByteSet {
        self.machine.first_bytes(state)
    }

    /// The number of bytes of JSON whitespace that can come next and only change how many more can
    /// come. After them, the same texts may follow as after `state`, apart from that number. It is
    /// 0 unless this is so for every thread.
    pub fn idle_whitespace(&mut self, state: StateId) -> u32 {
        let mut most = if self.threads(state).is_empty() { 0 } else { u32::MAX };
        for i in 0..self.threads(state).len() {
            let thread = self.threads(state)[i];
            let (Awaits::Language(language), CaptureKind::Nothing) =
                (thread.awaits(), self.machine.captures.kind(thread.capture))
            else {
                return 0;
            };
            let spaced = self.machine.pool.languages.after_json_space(language);
            most = most.min(spaced.map_or(0, |(spaces, _)| spaces));
            if most == 0 {
                break;
            }
        }
        most
    }

    /// The byte that must come next, if there is only one and the output may not end.
    pub fn forced_byte(&mut self, state: StateId) -> Option<u8> {
        if self.is_accepting(state) {
            return None;
        }
        let mut bytes = ByteSet::EMPTY;
        for i in 0..self.threads(state).len() {
            match self.threads(state)[i].awaits() {
                Awaits::Special(_) => return None,
                Awaits::Language(language) => {
                    bytes = bytes.union(&self.machine.pool.languages.first_bytes(language));
                    if self.is_lexed() {
                        bytes.remove(MARK);
                    }
                    if bytes.len() > 1 {
                        return None;
                    }
                }
            }
        }

        bytes.iter().next()
    }

    /// The state after all of an input that led to `state`, with the tokens of free text counted if
    /// the input was a token; see [`token_limit`].
    pub fn after_input(&mut self, state: StateId, is_token: bool) -> Result<StateId, EngineError> {
        match self.machine.counts_tokens() {
            true => self.token_limits.after_input(&mut self.machine, state, is_token),
            false => Ok(state),
        }
    }

    /// The state that reads what `state` reads within one token, without counts of tokens.
    pub fn without_counts(&mut self, state: StateId) -> Result<StateId, EngineError> {
        match self.machine.counts_tokens() {
            true => self.token_limits.without_counts(&mut self.machine, state),
            false => Ok(state),
        }
    }

    /// The canonical form of `state`, and the keys that its objects have left for tokens of at most
    /// `longest` bytes; see [`canonical`].
    pub fn canonical(&mut self, state: StateId, longest: usize) -> Result<(StateId, KeySupply), EngineError> {
        self.canonical_forms.state(&mut self.machine, &mut self.containers, state, longest)
    }

    /// True if states can be truncated, because no recorded text or lexeme decides what may follow.
    pub fn is_truncatable(&self) -> bool {
        !self.is_lexed() && self.containers.is_unused()
    }

    /// A state that reads the same texts of at most `height` bytes; see [`truncate`].
    pub fn truncate(&mut self, state: StateId, height: u32) -> Result<StateId, EngineError> {
        if !self.is_truncatable() {
            return Ok(state);
        }
        self.truncations.truncate(&mut self.machine, state, height)
    }

    /// The groups of characters that a state of a lexed grammar reads in any order, within tokens
    /// of at most `longest` bytes.
    pub fn always_read_groups(&mut self, state: StateId, longest: u32) -> u64 {
        self.lexed.always_read_groups(&mut self.machine, state, longest)
    }

    /// The state of a single lexeme being read, of which `language` is left.
    pub fn lexeme_state(
        &mut self,
        language: LangId,
        lexeme: u32,
        stack: ContId,
    ) -> Result<StateId, EngineError> {
        self.machine.builder.clear();
        self.machine.add_thread(language, stack, CaptureId(lexeme))?;
        self.machine.intern_built()
    }

    /// Locks what holds a recogniser and begins a call, which has the whole search budget.
    ///
    /// # Errors
    /// The caller's interrupt, which may end the wait for the lock, too.
    pub fn lock_for_call<C>(
        holder: &Mutex<C>,
        recogniser: impl FnOnce(&mut C) -> &mut Recogniser,
    ) -> Result<MutexGuard<'_, C>, EngineError> {
        let mut guard = interrupt::lock(holder)?;
        recogniser(&mut guard).begin_call();
        Ok(guard)
    }

    /// Begins a call, which has the whole search budget: see [`Machine::begin_call`].
    pub fn begin_call(&mut self) {
        self.machine.pool.languages.refill();
        self.machine.begin_call();
        self.lexed.begin_call();
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.machine.memory()
            + self.containers.memory()
            + self.lexed.memory()
            + self.truncations.memory()
            + self.token_limits.memory()
    }

    /// Interns the state being built, after entering every node that is still to be entered.
    fn finish(&mut self) -> Result<StateId, EngineError> {
        self.enter_all()?;
        self.machine.intern_built()
    }

    /// Turns the nodes that are to be entered into threads, one level after the other. A node that
    /// is entered from several places at once is entered once, with the union of their
    /// continuations. Otherwise each ambiguous level would multiply the stacks of the level above,
    /// and their number would grow exponentially with the output.
    fn enter_all(&mut self) -> Result<(), EngineError> {
        let most = self.machine.limits.state_threads.saturating_mul(ENTERED_PER_THREAD);
        let mut total = 0usize;
        let mut level = std::mem::take(&mut self.machine.builder.level);
        while !self.machine.builder.pending.is_empty() {
            std::mem::swap(&mut level, &mut self.machine.builder.pending);
            self.machine.meter(level.len())?;
            self.merge_level(&mut level);
            total += level.len();
            if total > most {
                return Err(EngineError::Limit {
                    what: "grammar nodes entered between two bytes",
                    limit: most as u64,
                    field: "state_threads",
                });
            }
            for entry in level.drain(..) {
                self.enter_one(entry)?;
            }
        }
        self.machine.builder.level = level;
        Ok(())
    }

    /// Merges entries of one node with one capture.
    fn merge_level(&mut self, level: &mut Vec<Entry>) {
        if level.len() < 2 {
            return;
        }
        level.sort_unstable_by_key(|&(node, cont, capture)| (node, capture, cont));
        let mut kept = 0;
        let mut i = 0;
        while i < level.len() {
            let (node, mut cont, capture) = level[i];
            let same = |entry: &Entry| (entry.0, entry.2) == (node, capture);
            let run = level[i..].iter().take_while(|entry| same(entry)).count();
            if run > 1 {
                let mut conts: Vec<ContId> = level[i..i + run].iter().map(|entry| entry.1).collect();
                cont = self.machine.conts.union_of(&mut conts);
            }
            level[kept] = (node, cont, capture);
            kept += 1;
            i += run;
        }
        level.truncate(kept);
    }

    /// Adds the threads of one node, or the smaller nodes of which it consists.
    fn enter_one(&mut self, (node, cont, capture): Entry) -> Result<(), EngineError> {
        let machine = &mut self.machine;
        // Only rules and lazy nodes can lead back to a node; the parts of all others are smaller.
        match machine.pool.node(node).clone() {
            Node::Never | Node::Empty => {}
            // For masks a mark is an empty text.
            Node::Mark { .. } if machine.pool.is_nullable(node) => {}
            Node::Mark { .. } => machine.builder.stopped.push((node, cont, capture)),
            Node::Terminal(language) => machine.add_thread(language, cont, capture)?,
            Node::Switch { language, .. } => {
                let cont = machine.conts.push(Frame::Switch(node), cont);
                machine.add_thread(language, cont, capture)?;
            }
            Node::Metered { body, most } => machine.enter_metered(body, most, cont, capture)?,
            Node::Seq(first, second) => {
                let is_nullable = machine.pool.is_nullable(first);
                // In a row of parts that may all be empty, every part leads to all later ones.
                if is_nullable && !machine.builder.entered.insert((node, cont, capture)) {
                    return Ok(());
                }
                let after = machine.push_then(second, cont);
                machine.enter(first, after, capture);
                if is_nullable {
                    machine.enter(second, cont, capture);
                }
            }
            Node::Alt(parts) => parts.iter().for_each(|&part| machine.enter(part, cont, capture)),
            Node::NonEmpty(body) => machine.enter(body, cont, capture),
            Node::Repeat { body, min, max } => {
                let least = if machine.pool.is_nullable(body) { 0 } else { min.saturating_sub(1) };
                let after = machine.push_loop(node, least, one_less(max), cont);
                machine.enter(body, after, capture);
            }
            Node::Rule(rule) => {
                if machine.builder.entered.insert((node, cont, capture)) {
                    let body = machine.pool.rule(rule);
                    machine.enter(body, cont, capture);
                }
            }
            Node::Lexed => self.lexed.begin_text(machine)?,
            Node::Spelled(_) | Node::Until(_) => {
                let bound = machine.bind(node);
                machine.enter(bound, cont, capture);
            }
            Node::Special(special) => match machine.special_text(special) {
                Some(language) => machine.add_thread(language, cont, capture)?,
                None => machine.builder.threads.push(Thread::special(special, cont, capture)),
            },
            Node::Object(spec) => {
                if let Some(progress) = spec.start() {
                    let object = self.containers.object(ObjectState { node, progress, used: 0 });
                    let cont = machine.conts.push(Frame::ObjectOpened(object), cont);
                    machine.enter_delimiter(spec.punctuation.open, cont, capture)?;
                }
            }
            Node::Array(spec) => {
                if let Some(progress) = spec.start() {
                    let array = self.containers.array(ArrayState { node, progress, used: 0 });
                    let cont = machine.conts.push(Frame::ArrayOpened(array), cont);
                    machine.enter_delimiter(spec.punctuation.open, cont, capture)?;
                }
            }
            Node::Lazy(key) => {
                let body = machine.expand_lazy(key)?;
                if body == node {
                    let reason = format!("lazy node {} expands to itself", key.key);
                    return Err(GrammarError::unexpandable(reason).into());
                }
                // A chain of lazy nodes must not lead back here without reading anything.
                if machine.builder.entered.insert((node, cont, capture)) {
                    machine.enter(body, cont, capture);
                }
            }
        }
        Ok(())
    }

    /// Adds to the state being built what follows a terminal that was completed with `label`.
    fn resume(&mut self, cont: ContId, capture: CaptureId, label: Option<u32>) -> Result<(), EngineError> {
        for i in 0..self.machine.conts.links(cont).len() {
            let machine = &mut self.machine;
            let (frame, below) = machine.conts.links(cont)[i];
            match frame {
                Frame::End => machine.builder.accepting = true,
                Frame::Then(node) => machine.enter(node, below, capture),
                Frame::Tokens { .. } => self.resume(below, capture, label)?,
                Frame::Loop { node, least, most } => {
                    if let Node::Repeat { body, .. } = *machine.pool.node(node) {
                        let after = machine.push_loop(node, least.saturating_sub(1), one_less(most), below);
                        machine.enter(body, after, capture);
                    }
                }
                Frame::Switch(node) => {
                    if let Node::Switch { targets, .. } = machine.pool.node(node).clone()
                        && let Some(&target) = label.and_then(|label| targets.get(label as usize))
                    {
                        machine.enter(target, below, capture);
                        if machine.pool.is_nullable(target) {
                            self.resume(below, capture, None)?;
                        }
                    }
                }
                _ => self.containers.resume(machine, frame, below, capture, label)?,
            }
        }
        Ok(())
    }
}
