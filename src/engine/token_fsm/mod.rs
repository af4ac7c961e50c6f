//! The state machine over tokens of a grammar, for loops that never leave the device.
//!
//! A matcher finds states when an output reaches them. Some grammars have only finitely many
//! states: regular expressions, enums, schemas without recursion or open-ended counts. Then all of
//! them can be written down as a table: state × token → state. A loop over such a table needs
//! neither locks nor this library, so a GPU can run it.
//!
//! The table has a column for each *class* of tokens that no state tells apart. Most grammars have
//! few classes. Only the entries that exist are stored:
//!
//! ```text
//! class = token_classes[token]
//! next  = edge_targets[i]  where  i in row_starts[state] .. row_starts[state + 1]
//!                          and    edge_classes[i] == class
//! ```
//!
//! A state's mask is the union of the classes in its row; states with the same classes share one
//! mask. States are explored by walking the token trie ([`explore`]), then merged until no two
//! behave alike ([`minimise`]). So the machine is the smallest there is, and it is the same for
//! equal languages over equal vocabularies. [`format`] writes it to bytes and reads it again.
//!
//! Price: exploring takes a walk over the trie for each state, and there may be many states.

mod explore;
mod format;
mod machine;
mod minimise;
mod tables;

pub use machine::TokenFsm;

use super::constraint::Constraint;
use super::error::EngineError;

impl Constraint {
    /// Writes down all states of the grammar over tokens, with every transition. States that behave
    /// alike are merged.
    ///
    /// For each state found, the token trie is walked as far as its tokens are allowed. So the cost
    /// is states × allowed tokens: a state inside a string takes far longer than a state that
    /// allows few tokens. The constraint's own graph is not used and does not grow. The
    /// constraint's limits hold; [`graph_bytes`](super::Limits::graph_bytes) bounds the states
    /// found on the way, and also the machine.
    ///
    /// # Errors
    /// [`EngineError::TokenFsmStates`] if there are more than `max_states` states before merging,
    /// as there are for every grammar without a finite machine; those of the limits.
    pub fn compile_token_fsm(&self, max_states: usize) -> Result<TokenFsm, EngineError> {
        let found = explore::explore(self, max_states)?;
        Ok(TokenFsm::of(minimise::minimise(found)))
    }
}
