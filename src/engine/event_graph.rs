//! The graph that readers of events share: states that tell the parts of an output apart.
//!
//! It is apart from the graph of masks. There, all ways to read an output are one state, even if
//! they divide the output into different parts. Here, each state has passed one sequence of
//! [marks](super::recogniser::marks). So marks do not slow down masks, and a constraint without
//! readers of events has no such graph.
//!
//! Most bytes pass no mark, and their transitions are read without a lock. The lock is taken for a
//! transition that no reader has taken before, and for bytes that pass marks.

use super::chunked_slots::ChunkedSlots;
use super::error::EngineError;
use super::limits::Limits;
use super::published_states::PublishedStates;
use super::recogniser::Recogniser;
use super::recogniser::marks::Outcome;
use super::recogniser::state::StateId;
use crate::grammar::{Grammar, Mark, MarkId};
use crate::vocab::{TokenId, Vocabulary};
use hashbrown::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The part of the graph that only the holder of its lock touches.
struct Core {
    recogniser: Recogniser,
    /// The outcomes of bytes that pass marks, by state and byte.
    outcomes: HashMap<(StateId, u8), Arc<[Outcome]>>,
}

/// States of readers of events, with what leads from one to the next.
pub(super) struct EventGraph {
    core: Mutex<Core>,
    vocabulary: Vocabulary,
    states: PublishedStates,
    /// One more than the number of bytes that marks may still reach back, by state; 0 if it is not
    /// known.
    held: ChunkedSlots<AtomicU32>,
    /// The outcomes at the beginning of an output.
    pub start: Arc<[Outcome]>,
    marks: Vec<Mark>,
    /// True if the grammar also reads whole tokens, and not only their bytes.
    pub reads_token_sets: bool,
    budget: usize,
}

impl EventGraph {
    /// A graph with only the beginning of an output.
    ///
    /// # Errors
    /// Those of the limits, and the caller's interrupt.
    pub fn new(grammar: &Grammar, vocabulary: &Vocabulary, limits: &Limits) -> Result<Self, EngineError> {
        let mut recogniser = Recogniser::with_marks(grammar, limits);
        recogniser.machine.set_tokens(grammar, vocabulary)?;
        let states = PublishedStates::new();
        let start = recogniser.start(grammar.root())?;
        let start = recogniser.outcomes(start)?;
        for outcome in &start {
            states.publish(&recogniser, outcome.state);
        }
        let reads_token_sets = recogniser.machine.reads_token_sets();
        Ok(EventGraph {
            reads_token_sets,
            core: Mutex::new(Core { recogniser, outcomes: HashMap::new() }),
            vocabulary: vocabulary.clone(),
            states,
            held: ChunkedSlots::new(),
            start: start.into(),
            marks: grammar.pool().marks().to_vec(),
            budget: limits.graph_bytes,
        })
    }

    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    pub fn mark(&self, mark: MarkId) -> &Mark {
        &self.marks[mark.0 as usize]
    }

    /// The lock, to find something new: see [`Recogniser::lock_for_call`].
    fn lock_for_work(&self) -> Result<MutexGuard<'_, Core>, EngineError> {
        Recogniser::lock_for_call(&self.core, |core| &mut core.recogniser)
    }

    /// True if the output may end in a state.
    pub fn is_accepting(&self, state: StateId) -> bool {
        self.states.is_accepting(state)
    }

    /// The state after `byte`, if it is known and no mark is passed.
    #[inline]
    pub fn plain_step(&self, state: StateId, byte: u8) -> Option<StateId> {
        self.states.get(state, byte)
    }

    /// All outcomes of `byte`, the preferred ones first.
    pub fn step(&self, state: StateId, byte: u8) -> Result<Arc<[Outcome]>, EngineError> {
        let mut core = self.lock_for_work()?;
        let core = &mut *core;
        if let Some(known) = core.outcomes.get(&(state, byte)) {
            return Ok(known.clone());
        }
        let next = core.recogniser.step(state, byte)?;
        let outcomes: Arc<[Outcome]> = core.recogniser.outcomes(next)?.into();
        for outcome in &*outcomes {
            self.states.publish(&core.recogniser, outcome.state);
        }
        match &*outcomes {
            [] => self.states.insert(state, byte, StateId::DEAD),
            [only] if only.marks.is_empty() => self.states.insert(state, byte, only.state),
            _ => {
                core.outcomes.insert((state, byte), outcomes.clone());
            }
        }
        Ok(outcomes)
    }

    /// All outcomes of a special token, by any name that the grammar has for it.
    pub fn step_special(&self, state: StateId, token: TokenId) -> Result<Vec<Outcome>, EngineError> {
        let mut core = self.lock_for_work()?;
        let recogniser = &mut core.recogniser;
        let names = recogniser.awaited(&self.vocabulary, state, token)?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let next = recogniser.step_special(state, &names)?;
        let outcomes = recogniser.outcomes(next)?;
        for outcome in &outcomes {
            self.states.publish(recogniser, outcome.state);
        }
        Ok(outcomes)
    }

    /// A bound on the bytes, counted from the end of the output, that marks may still reach back.
    pub fn held(&self, state: StateId) -> Result<u32, EngineError> {
        let slot = self.held.get(state.0);
        if let Some(known) = slot.map(|slot| slot.load(Ordering::Acquire)).filter(|&known| known > 0) {
            return Ok(known - 1);
        }
        let core = self.lock_for_work()?;
        let held = core.recogniser.held(state);
        if let Some(slot) = self.held.get_or_grow(state.0) {
            slot.store(held + 1, Ordering::Release);
        }
        Ok(held)
    }

    /// True if the graph holds more than the constraint's budget for a graph. Readers then begin in
    /// a fresh one.
    pub fn is_full(&self) -> bool {
        self.lock_for_work().is_ok_and(|core| core.recogniser.memory() > self.budget)
    }
}
