//! How much a constraint may cost.

use crate::automata::Languages;

/// Bounds on one constraint's work and memory. Exceeding one is a typed error, except `graph_bytes`, past which memo
/// tables are dropped and rebuilt. How long a call may take is said beside it, by an [`Interrupt`](crate::automata::Interrupt).
///
/// ```
/// use hedgerow::engine::Limits;
/// let limits = Limits::default().graph_bytes(8 << 20).state_threads(1_000);
/// assert_eq!(limits.graph_bytes, 8 << 20);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Memory of the state graph in bytes, about. Past it a fresh graph is begun and the matchers move over by
    /// replaying their outputs. Default 64 MiB.
    pub graph_bytes: usize,
    /// Threads in one state (how ambiguous the grammar is at one position). Default 100,000.
    pub state_threads: usize,
    /// States explored to decide whether intersections and complements have a word. Default 100,000.
    pub search_states: u64,
    /// Nodes a grammar may have, lazily expanded ones included. Default 4,000,000.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            graph_bytes: 64 << 20,
            state_threads: 100_000,
            search_states: Languages::DEFAULT_SEARCH_BUDGET,
            nodes: 4_000_000,
        }
    }
}

impl Limits {
    /// Sets [`graph_bytes`](Self::graph_bytes).
    #[must_use]
    pub fn graph_bytes(mut self, bytes: usize) -> Self {
        self.graph_bytes = bytes;
        self
    }

    /// Sets [`state_threads`](Self::state_threads).
    #[must_use]
    pub fn state_threads(mut self, threads: usize) -> Self {
        self.state_threads = threads;
        self
    }

    /// Sets [`search_states`](Self::search_states).
    #[must_use]
    pub fn search_states(mut self, states: u64) -> Self {
        self.search_states = states;
        self
    }

    /// Sets [`nodes`](Self::nodes).
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }
}
