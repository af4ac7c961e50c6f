//! Limits: the work and memory that one constraint may cost.

use crate::automata::ExprPool;

/// Bounds on one constraint's work and memory. To exceed a limit is a typed error. `graph_bytes` is
/// the exception: beyond it, tables are dropped and rebuilt. The time that a call may take is
/// bounded separately, by an [`Interrupt`](crate::automata::Interrupt).
///
/// ```
/// use hedgerow::engine::Limits;
/// let limits = Limits::default().graph_bytes(8 << 20).state_threads(1_000);
/// assert_eq!(limits.graph_bytes, 8 << 20);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Memory of the state graph in bytes, approximately. Past it a fresh graph is begun, and
    /// matchers move there by reading their outputs again. Default 64 MiB.
    pub graph_bytes: usize,
    /// Threads in one state. A thread is one way to read the output so far. Default 100,000.
    pub state_threads: usize,
    /// States explored to decide if intersections and complements have a word. Default 100,000.
    pub search_states: u64,
    /// Nodes of a grammar, those of expanded lazy nodes included. Default 4,000,000.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            graph_bytes: 64 << 20,
            state_threads: 100_000,
            search_states: ExprPool::DEFAULT_SEARCH_BUDGET,
            nodes: 4_000_000,
        }
    }
}

impl Limits {
    setter! { graph_bytes, usize }
    setter! { state_threads, usize }
    setter! { search_states, u64 }
    setter! { nodes, usize }
}
