//! The properties of states that are read without a lock: transitions, and which states accept.
//!
//! The recogniser grows under the graph's lock, and publishes new results here, in append-only
//! tables. So a matcher never waits on a path that another matcher has taken before.

use super::chunked_slots::ChunkedSlots;
use super::error::EngineError;
use super::recogniser::Recogniser;
use super::recogniser::state::StateId;
use super::transitions::Transitions;
use std::sync::atomic::{AtomicU8, Ordering};

/// The published properties of a graph's states.
pub(super) struct PublishedStates {
    transitions: Transitions,
    /// 0 for states that were not published, 1 for states in which the output may not end, 2 for
    /// those in which it may.
    accepting: ChunkedSlots<AtomicU8>,
}

impl PublishedStates {
    pub fn new() -> Self {
        PublishedStates { transitions: Transitions::new(), accepting: ChunkedSlots::new() }
    }

    /// Publishes a state.
    pub fn publish(&self, recogniser: &Recogniser, state: StateId) {
        if let Some(slot) = self.accepting.get_or_grow(state.0) {
            slot.store(1 + u8::from(recogniser.is_accepting(state)), Ordering::Release);
        }
    }

    /// True if the output may end in a published state.
    pub fn is_accepting(&self, state: StateId) -> bool {
        self.accepting.get(state.0).is_some_and(|slot| slot.load(Ordering::Acquire) == 2)
    }

    /// The published state after `byte`.
    #[inline]
    pub fn get(&self, state: StateId, byte: u8) -> Option<StateId> {
        self.transitions.get(state.0, byte).map(StateId)
    }

    /// The state after `byte`, found and published if need be. Only under the graph's lock.
    pub fn step(
        &self,
        recogniser: &mut Recogniser,
        state: StateId,
        byte: u8,
    ) -> Result<StateId, EngineError> {
        if state == StateId::DEAD {
            return Ok(state);
        }
        if let Some(next) = self.get(state, byte) {
            return Ok(next);
        }
        let next = recogniser.step(state, byte)?;
        self.publish(recogniser, next);
        self.transitions.insert(state.0, byte, next.0);
        Ok(next)
    }

    /// Publishes that `state` leads to `next` after `byte`. Only under the graph's lock.
    pub fn insert(&self, state: StateId, byte: u8, next: StateId) {
        self.transitions.insert(state.0, byte, next.0);
    }

    /// The number of transitions found so far.
    pub fn transition_count(&self) -> usize {
        self.transitions.len()
    }

    /// Bytes held, approximately, for `states` states.
    pub fn memory(&self, states: usize) -> usize {
        self.transitions.memory() + states * std::mem::size_of::<AtomicU8>()
    }
}
