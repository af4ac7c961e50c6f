//! A check that a vocabulary can spell some output of a grammar: the tokens `a` and `b` cannot
//! spell `abc`.
//!
//! A vocabulary that has every byte as a token can spell every text. That is the common case and
//! costs nothing. For another vocabulary, a short output is tried first. If the vocabulary cannot
//! spell it, a search follows tokens from state to state, the nearest states first, until it finds
//! a state in which the output may end. If it has visited all states and found none, the vocabulary
//! cannot spell any output. If it has followed [`MAX_STEPS`] tokens without an answer, the check
//! passes.

use super::error::EngineError;
use super::graph::Graph;
use super::recogniser::state::StateId;
use super::special_tokens::single_bytes;
use hashbrown::HashSet;
use std::collections::VecDeque;

/// Tokens that are followed before the search is given up.
const MAX_STEPS: usize = 1 << 14;

impl Graph {
    /// True if some tokens, one after the other, are an output, or if that is not known.
    ///
    /// # Errors
    /// The caller's interrupt, and those of the limits.
    pub fn is_spellable(&self) -> Result<bool, EngineError> {
        if single_bytes(&self.vocabulary).len() == 256 || self.is_accepting(self.start) {
            return Ok(true);
        }
        if self.completion(self.start)?.is_some() {
            return Ok(true);
        }
        let size = self.vocabulary.size();
        let mut seen: HashSet<StateId> = HashSet::from_iter([self.start]);
        let mut ahead = VecDeque::from([self.start]);
        let mut steps = 0;
        while let Some(state) = ahead.pop_front() {
            for token in self.mask(state)?.to_set(size).iter() {
                steps += 1;
                if steps > MAX_STEPS {
                    return Ok(true);
                }
                let bytes = self.vocabulary.bytes(token);
                let next = match bytes.is_empty() {
                    true => self.step_special(state, token)?,
                    false => self.step_bytes(state, bytes)?,
                };
                let next = self.after_input(next, true)?;
                if self.is_accepting(next) {
                    return Ok(true);
                }
                if next != StateId::DEAD && seen.insert(next) {
                    ahead.push_back(next);
                }
            }
        }
        Ok(false)
    }
}
