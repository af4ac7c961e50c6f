//! The work of a pool, and its budget.
//!
//! A pool counts its *work*. One unit is about one look at one part of an expression. Searches for
//! words pay for each state out of a budget of states. A state that takes much work counts for
//! several, so that the budget bounds time.
//!
//! A pool that has spent its budget is *exhausted*. Like a pool whose work an
//! [interrupt](super::interrupt) ended, it answers at once and its answers mean nothing, so that
//! everything under way ends quickly. It does not remember such answers: memos are written only
//! while the pool is [sound](Languages::is_sound). The caller must ask for that before using an
//! answer. [`Languages::refill`] lets the pool go on, and the same question may be asked again.

use super::interrupt;
use super::languages::Languages;

/// The units of work that go with one state of the budget.
const WORK_PER_STATE: u64 = 256;

/// The units of work that go with one unit of an [interrupt](interrupt::spend), which takes about a
/// microsecond.
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

impl Languages {
    /// The most states that a pool searches from one [`refill`](Self::refill) to the next, to
    /// decide if intersections and complements have a word. Past that it is
    /// [exhausted](Self::exhausted).
    pub const DEFAULT_SEARCH_BUDGET: u64 = 100_000;

    /// Sets the budget described at [`DEFAULT_SEARCH_BUDGET`](Self::DEFAULT_SEARCH_BUDGET).
    pub fn set_search_budget(&mut self, states: u64) {
        self.budget.states = states;
        self.refill();
    }

    /// Begins a new piece of work with the whole search budget.
    pub fn refill(&mut self) {
        self.budget.left = self.budget.states;
        self.budget.exhausted = false;
    }

    /// True if the search budget has run out, so that answers since then mean nothing.
    #[inline]
    pub fn exhausted(&self) -> bool {
        self.budget.exhausted
    }

    /// True if answers can be relied on: the budget has lasted, and no interrupt has ended the
    /// work.
    #[inline]
    pub fn is_sound(&self) -> bool {
        !self.budget.exhausted && !interrupt::is_over()
    }

    /// Counts work that is about to be done. False if no more may be done.
    #[inline]
    pub(super) fn work(&mut self, units: usize) -> bool {
        self.budget.spent += units as u64;
        interrupt::spend(1 + u32::try_from(units / WORK_PER_UNIT).unwrap_or(u32::MAX - 1));
        self.is_sound()
    }

    /// The work since the pool was made.
    pub(super) fn spent(&self) -> u64 {
        self.budget.spent
    }

    /// Pays for a state. `spent` is the work before it was looked at. False if no more may be done.
    pub(super) fn pay_for_state(&mut self, spent: u64) -> bool {
        let states = 1 + (self.spent() - spent) / WORK_PER_STATE;
        match self.budget.left.checked_sub(states) {
            Some(left) => self.budget.left = left,
            None => self.budget.exhausted = true,
        }
        self.is_sound()
    }
}
