//! States as far as the tokens below a trie node can tell them.
//!
//! A frame is only resumed after at least one byte, so that `n` bytes come to `n` levels of the stack and begin `n` rounds of a
//! repetition, and not to one more. For a walk over tokens that have at most `n` bytes left, a state is therefore as good as
//! the one whose stack is cut off below `n` levels and whose counts beyond `n` are unbounded. There are far fewer of these:
//! where a grammar can be read in many ways, each token's bytes lead to a state of their own, and most tokens' last bytes to
//! the same few states once they are cut.
//!
//! Objects and arrays are left alone: a grammar with them has frames of its own whose text decides what follows.

use super::error::EngineError;
use super::recogniser::{Awaits, Recogniser, StateId, Thread};
use super::stack::{ContId, Frame, Link};
use crate::automata::UNBOUNDED;

/// A token with more bytes left than this is rare.
const FURTHEST: u32 = 32;

impl Recogniser {
    /// Whether what may follow depends on bytes alone, so that states may be cut.
    pub fn is_truncatable(&self) -> bool {
        !self.pool.is_lexed() && self.objects.is_empty() && self.arrays.is_empty()
    }

    /// A state that reads the same texts of at most `height` bytes.
    pub fn truncate(&mut self, state: StateId, height: u32) -> Result<StateId, EngineError> {
        // Rounded up, so that few lengths are asked about.
        let height = height.next_power_of_two();
        if height > FURTHEST || state == StateId::DEAD || !self.is_truncatable() {
            return Ok(state);
        }
        if let Some(&known) = self.truncated_states.get(&(state, height)) {
            return Ok(known);
        }
        let threads = self.threads(state).to_vec();
        self.builder.clear();
        self.builder.accepting = self.is_accepting(state);
        for thread in threads {
            let cont = self.truncate_cont(thread.cont, height);
            let thread = match thread.awaits() {
                Awaits::Language(language) => {
                    let near = self.pool.languages.clamped(language, height);
                    Thread::new(near, cont, thread.capture)
                }
                Awaits::Special(_) => thread.with_cont(cont),
            };
            self.builder.threads.push(thread);
        }
        let near = self.finish()?;
        self.truncated_states.insert((state, height), near);
        Ok(near)
    }

    /// `levels` of a continuation; what is below them cannot be reached.
    fn truncate_cont(&mut self, cont: ContId, levels: u32) -> ContId {
        if levels == 0 || cont == ContId::END {
            return ContId::END;
        }
        if let Some(&known) = self.truncated_conts.get(&(cont, levels)) {
            return known;
        }
        let mut links: Vec<Link> = self.stack.links(cont).to_vec();
        for (frame, below) in &mut links {
            if let Frame::Loop { least, most, .. } = frame {
                *least = (*least).min(levels + 1);
                *most = if *most > levels { UNBOUNDED } else { *most };
            }
            *below = self.truncate_cont(*below, levels - 1);
        }
        let near = self.stack.of(&mut links);
        self.truncated_conts.insert((cont, levels), near);
        near
    }
}
