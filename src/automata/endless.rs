//! Languages that have words of every length from some length on.
//!
//! A counted language such as `x ∩ .{60,64}` has a state for each state of `x` and each count. If
//! `x` is known to have words of every length from 3 on, all these states are decided by a
//! comparison of numbers. For example, after `(a|b` a regular expression may end after `)`, and any
//! number of letters may come before that.
//!
//! A state that a character leads back to itself, and that has a word, has all longer words as
//! well: `a` leads from `a*b` to `a*b`, so `b` shows that there are `ab`, `aab` and so on. The
//! search looks for such a state on the way to a short word, and one character beside that way. It
//! assumes nothing about the language.

use super::expr::LangId;
use super::expr_pool::ExprPool;
use super::lengths::CountedIntersection;

/// Counts up to this are decided by other searches.
const MIN_COUNT: u32 = 24;
/// The longest word whose way is looked at.
const MAX_WORD: u32 = 24;
/// The most states that the search for a short word meets.
const MAX_MET: usize = 256;
/// The number of searches without success after which a pool makes no more of them.
const MAX_FAILURES: u32 = 64;

impl ExprPool {
    /// True if an intersection with a counted run has a word because the language without counts
    /// has words of every length from a number on.
    pub(super) fn is_long_enough(&mut self, counted: CountedIntersection) -> bool {
        let CountedIntersection { rest, min, max } = counted;
        if min.max(MIN_COUNT) > max {
            return false;
        }
        let from = match self.spectra.endless.get(&rest) {
            Some(&known) => known,
            None => self.search_endless(rest),
        };
        from.is_some_and(|from| from <= max)
    }

    /// Looks for a length from which on there are words of every length, and remembers it.
    fn search_endless(&mut self, root: LangId) -> Option<u32> {
        if self.spectra.endless_failures >= MAX_FAILURES {
            return None;
        }
        let mut from = None;
        if self.nearest_length(root, MAX_WORD, MAX_MET).is_some() {
            let (mut state, mut read) = (root, 0);
            // Every step comes nearer to the end of a word, or stands within a character.
            for _ in 0..4 * MAX_WORD {
                from = self.pumped(state).map(|length| length + read);
                let next = if from.is_none() { self.next_of_word(state) } else { None };
                let Some((next, begins)) = next else { break };
                (state, read) = (next, read + begins);
            }
        }
        if self.is_sound() {
            self.spectra.endless_failures += u32::from(from.is_none());
            self.spectra.endless.insert(root, from);
        }
        from
    }

    /// A length from which on `state` has words of every length, if a character leads back to it or
    /// to a state beside it.
    fn pumped(&mut self, state: LangId) -> Option<u32> {
        let bytes = self.byte_classes(state).representatives().to_vec();
        for byte in bytes.into_iter().filter(u8::is_ascii) {
            let next = self.derive(state, byte);
            let is_loop = self.derive(next, byte) == next && next != LangId::NEVER;
            if is_loop && let Some(length) = self.nearest_length(next, MAX_WORD, MAX_MET) {
                return Some(length + u32::from(next != state));
            }
        }
        None
    }
}
