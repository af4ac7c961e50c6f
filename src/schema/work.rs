//! The work of evaluating terms: fuel, nesting, and the schema that is being evaluated.

use super::json::Value;
use super::term::EvalError;
use crate::automata::interrupt;

/// The progress of one piece of work, such as the expansion of a term into a grammar.
pub(super) struct Work {
    /// The fuel of a piece of work.
    full: u64,
    fuel: u64,
    /// The number of states of languages that fuel was spent for.
    states_charged: usize,
    /// The current nesting of evaluations.
    pub depth: u32,
    /// The current nesting of attempts to find a contradiction early.
    pub probing: u32,
    /// The schema being evaluated, for error messages.
    pub at: Value,
}

impl Work {
    pub fn new(fuel: u64, at: Value) -> Self {
        Work { full: fuel, fuel, states_charged: 0, depth: 0, probing: 0, at }
    }

    /// Starts a piece of work with full fuel.
    pub fn refuel(&mut self) {
        self.fuel = self.full;
        self.depth = 0;
        self.probing = 0;
    }

    /// The fuel that was spent since the last [`refuel`](Self::refuel).
    pub fn spent(&self) -> u64 {
        self.full - self.fuel
    }

    pub fn spend(&mut self, steps: u64) -> Result<(), EvalError> {
        self.fuel = self.fuel.checked_sub(steps).ok_or(EvalError::Fuel)?;
        interrupt::check().map_err(EvalError::Interrupted)
    }

    /// Counts `states` states of languages as paid.
    pub fn skip_states(&mut self, states: usize) {
        self.states_charged = states;
    }

    /// Spends fuel for the states of languages that were made since the last call: half a step
    /// each. `states` is their number now.
    pub fn charge_states(&mut self, states: usize) -> Result<(), EvalError> {
        let found = states.saturating_sub(self.states_charged);
        self.states_charged = states;
        self.spend(found as u64 / 2)
    }
}
