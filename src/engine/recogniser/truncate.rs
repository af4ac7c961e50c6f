//! Truncated states: the part of a state that the rest of a token can reach.
//!
//! A frame is resumed only after at least one byte. So `n` bytes reach at most `n` levels of the
//! stack and begin at most `n` rounds of a repetition. A walk over tokens with at most `n` bytes
//! left may therefore use the state's *truncation*: its stack is cut off below `n` levels, and its
//! counts beyond `n` are unbounded. For example, with 2 bytes left, "up to 37 rounds more" and "up
//! to 36 rounds more" read the same.
//!
//! There are far fewer truncations than states. With an ambiguous grammar, each token leads to
//! states of its own, but near the ends of tokens only few different truncations are left.
//!
//! This assumes that only frames and counts decide what may follow. In objects and arrays the
//! recorded text of keys and items decides, too, and in lexed grammars the other lexemes do. Such
//! states are not truncated.

use super::continuation::{ContId, Frame, Link};
use super::machine::Machine;
use super::state::{Awaits, StateId, Thread};
use crate::automata::{UNBOUNDED, interrupt};
use crate::engine::error::EngineError;
use hashbrown::HashMap;

/// The largest number of bytes for which states are truncated. Few tokens have more bytes left.
const MAX_HEIGHT: u32 = 32;

/// A number of bytes that is left of a token, rounded up to a power of two. So only a few heights
/// occur, and more results are shared.
pub(in crate::engine) fn coarse_height(height: u32) -> u32 {
    height.next_power_of_two()
}

/// The truncations found so far.
#[derive(Default)]
pub(in crate::engine) struct Truncations {
    states: HashMap<(StateId, u32), StateId>,
    conts: HashMap<(ContId, u32), ContId>,
}

impl Truncations {
    /// A state that reads the same texts of at most `height` bytes as `state` does.
    pub fn truncate(
        &mut self,
        machine: &mut Machine,
        state: StateId,
        height: u32,
    ) -> Result<StateId, EngineError> {
        let height = coarse_height(height);
        if height > MAX_HEIGHT || state == StateId::DEAD {
            return Ok(state);
        }
        if let Some(&known) = self.states.get(&(state, height)) {
            return Ok(known);
        }
        let threads = machine.states.threads(state).to_vec();
        machine.conts.begin_step();
        machine.builder.clear();
        machine.builder.accepting = machine.states.is_accepting(state);
        for thread in threads {
            let cont = self.truncate_cont(machine, thread.cont, height)?;
            let thread = match thread.awaits() {
                Awaits::Language(language) => {
                    let clamped = machine.pool.languages.clamped(language, height);
                    Thread::reading(clamped, cont, thread.capture)
                }
                Awaits::Special(_) => thread.with_cont(cont),
            };
            machine.builder.threads.push(thread);
        }
        interrupt::ended()?;
        let truncated = machine.intern_built()?;
        self.states.insert((state, height), truncated);
        Ok(truncated)
    }

    /// The top `levels` of a continuation; the levels below them cannot be reached.
    ///
    /// # Errors
    /// As [`Machine::meter`]: a stack of an ambiguous grammar has many levels of many links.
    fn truncate_cont(
        &mut self,
        machine: &mut Machine,
        cont: ContId,
        levels: u32,
    ) -> Result<ContId, EngineError> {
        if levels == 0 || cont == ContId::END {
            return Ok(ContId::END);
        }
        if let Some(&known) = self.conts.get(&(cont, levels)) {
            return Ok(known);
        }
        machine.meter(1)?;
        let mut links: Vec<Link> = machine.conts.links(cont).to_vec();
        for (frame, below) in &mut links {
            if let Frame::Loop { least, most, .. } = frame {
                *least = (*least).min(levels + 1);
                *most = if *most > levels { UNBOUNDED } else { *most };
            }
            // No byte is read between free text and what follows it.
            let is_free = matches!(frame, Frame::Tokens { .. });
            *below = self.truncate_cont(machine, *below, if is_free { levels } else { levels - 1 })?;
        }
        let truncated = machine.conts.of(&mut links);
        interrupt::ended()?;
        self.conts.insert((cont, levels), truncated);
        Ok(truncated)
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        (self.states.capacity() + self.conts.capacity()) * 16
    }
}
