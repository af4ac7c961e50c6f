//! The work of a pool, and its budget.
//!
//! A pool counts its *work*. One unit is about one look at one part of an expression. Searches for
//! words pay for each state out of a budget of states. A state that takes much work counts for
//! several, so that the budget bounds time.
//!
//! A pool that has spent its budget is *exhausted*. Like a pool whose work an
//! [interrupt](super::interrupt) ended, it answers at once and its answers mean nothing, so that
//! everything under way ends quickly. It does not remember such answers: memos are written only
//! while the pool is [sound](super::ExprPool::is_sound). The caller must check that the pool is
//! sound before using an answer. [`ExprPool::refill`](super::ExprPool::refill) lets the pool go on,
//! and the same question may be asked again.

use super::interrupt;

/// The units of work for which one state of the budget is charged.
const WORK_PER_STATE: u64 = 4_096;

/// The same for states with loops, which take work more evenly: nearly all of it is in searches
/// that go on and on.
const WORK_PER_LOOP_STATE: u64 = 24;

/// The units of work that count as one unit of an [interrupt](interrupt::spend).
const WORK_PER_UNIT: usize = 8;

/// The counts of a pool.
#[derive(Clone, Default)]
pub(super) struct Budget {
    /// The work since the pool was made.
    spent: u64,
    /// The states that may be searched from one refill to the next.
    states: u64,
    /// The states that are left of these.
    left: u64,
    exhausted: bool,
}

impl Budget {
    /// Sets the number of states that may be searched from now on, and from each refill on.
    pub fn allow(&mut self, states: u64) {
        self.states = states;
        self.refill();
    }

    /// Begins a new piece of work.
    pub fn refill(&mut self) {
        self.left = self.states;
        self.exhausted = false;
    }

    /// Ends the piece of work.
    pub fn exhaust(&mut self) {
        self.exhausted = true;
    }

    /// True if the states have run out.
    #[inline]
    pub fn exhausted(&self) -> bool {
        self.exhausted
    }

    /// True if answers can be relied on.
    #[inline]
    pub fn is_sound(&self) -> bool {
        !self.exhausted && !interrupt::is_over()
    }

    /// Counts work that is about to be done. False if no more may be done.
    #[inline]
    pub fn work(&mut self, units: usize) -> bool {
        self.spent += units as u64;
        interrupt::spend(1 + u32::try_from(units / WORK_PER_UNIT).unwrap_or(u32::MAX - 1));
        self.is_sound()
    }

    /// The work since the pool was made.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Pays for a state. `spent` is the work before it was looked at. False if no more may be done.
    pub fn pay_for_state(&mut self, spent: u64, has_loops: bool) -> bool {
        let work = if has_loops { WORK_PER_LOOP_STATE } else { WORK_PER_STATE };
        let states = 1 + (self.spent - spent) / work;
        match self.left.checked_sub(states) {
            Some(left) => self.left = left,
            None => self.exhausted = true,
        }
        self.is_sound()
    }
}
