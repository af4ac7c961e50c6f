//! States: interned sets of threads.
//!
//! A *thread* is one way in which the output so far can be read: the terminal being read, the state
//! of its automaton, and the continuation after it. A *state* is the set of all threads, and a flag
//! that tells if the output may end here. States are interned, so each result about a state is
//! computed once.

use super::captures::CaptureId;
use super::continuation::ContId;
use super::interner::SliceInterner;
use crate::automata::LangId;
use crate::grammar::{NodeId, SpecialId};
use hashbrown::HashSet;

/// A state of the graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in crate::engine) struct StateId(pub u32);

impl StateId {
    /// The state of outputs that no text completes.
    pub const DEAD: StateId = StateId(0);

    /// The bound below which states are numbered.
    pub const LIMIT: u32 = 1 << 28;
}

/// The bit that marks a thread that waits for a special token, in place of a language's number.
const SPECIAL: u32 = 1 << 31;

/// The input that a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Awaits {
    /// The rest of a terminal: any word of the language.
    Language(LangId),
    /// A special token.
    Special(SpecialId),
}

/// One way in which the output so far can be read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in crate::engine) struct Thread {
    awaits: u32,
    /// The text being recorded. In a lexed grammar, the number of the lexeme being read.
    pub capture: CaptureId,
    /// The continuation after the terminal.
    pub cont: ContId,
}

impl Thread {
    /// A thread that reads the rest of a terminal.
    pub fn reading(language: LangId, cont: ContId, capture: CaptureId) -> Self {
        Thread { awaits: language.0, capture, cont }
    }

    /// A thread that waits for a special token.
    pub fn special(special: SpecialId, cont: ContId, capture: CaptureId) -> Self {
        Thread { awaits: SPECIAL | special.0, capture, cont }
    }

    /// The same thread with another continuation.
    pub fn with_cont(self, cont: ContId) -> Self {
        Thread { cont, ..self }
    }

    /// The input that the thread waits for.
    pub fn awaits(self) -> Awaits {
        if self.awaits & SPECIAL != 0 {
            Awaits::Special(SpecialId(self.awaits & !SPECIAL))
        } else {
            Awaits::Language(LangId(self.awaits))
        }
    }

    /// True if both threads stand at the same place and recorded the same text.
    pub fn is_alongside(self, other: Thread) -> bool {
        (self.awaits, self.capture) == (other.awaits, other.capture)
    }
}

/// The first element of a state's stored form, if the output may end. The other elements are
/// threads.
const ACCEPTING: Thread = Thread { awaits: u32::MAX, capture: CaptureId(1), cont: ContId(u32::MAX) };
const NOT_ACCEPTING: Thread = Thread { awaits: u32::MAX, capture: CaptureId(0), cont: ContId(u32::MAX) };

/// All states of a graph.
pub(in crate::engine) struct StateTable {
    states: SliceInterner<Thread>,
}

impl StateTable {
    /// A table of the [dead](StateId::DEAD) state alone.
    pub fn new() -> Self {
        let mut states = SliceInterner::new();
        states.intern(&[NOT_ACCEPTING]);
        StateTable { states }
    }

    /// The threads of a state.
    pub fn threads(&self, state: StateId) -> &[Thread] {
        &self.states.get(state.0)[1..]
    }

    /// True if the output may end in a state.
    pub fn is_accepting(&self, state: StateId) -> bool {
        self.states.get(state.0)[0] == ACCEPTING
    }

    /// The number of states.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// The first element of a state's stored form.
    pub fn header(accepting: bool) -> Thread {
        if accepting { ACCEPTING } else { NOT_ACCEPTING }
    }

    /// The state with this stored form: a [header](Self::header), then sorted threads, no two of
    /// them at the same place.
    pub fn intern(&mut self, stored: &[Thread]) -> StateId {
        StateId(self.states.intern(stored))
    }

    /// Bytes of all states so far.
    pub fn used(&self) -> usize {
        self.states.used()
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.states.memory()
    }
}

/// A grammar node to be entered, with what follows it and the capture that is running.
pub(in crate::engine) type Entry = (NodeId, ContId, CaptureId);

/// A state while it is put together.
#[derive(Default)]
pub(in crate::engine) struct StateBuilder {
    pub threads: Vec<Thread>,
    /// True if the output may end in the state.
    pub accepting: bool,
    /// Nodes that were entered already. Those are noted that may be entered often: rules and lazy
    /// nodes, which lead back to themselves, and rows of parts that may be empty.
    pub entered: HashSet<Entry>,
    /// Nodes that are still to be entered.
    pub pending: Vec<Entry>,
    /// Marks that were reached, for readers of events.
    pub stopped: Vec<Entry>,
    /// Nodes that are being entered now, kept here so that the vector is allocated once.
    pub level: Vec<Entry>,
}

impl StateBuilder {
    /// Begins another state.
    pub fn clear(&mut self) {
        self.threads.clear();
        self.accepting = false;
        self.entered.clear();
        self.pending.clear();
        self.stopped.clear();
        self.level.clear();
    }
}
