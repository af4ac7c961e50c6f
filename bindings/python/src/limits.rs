//! Limits of a constraint's work and memory.

use super::token::Whole;
use hedgerow::Limits as Inner;
use pyo3::prelude::*;

/// Bounds on one constraint's work and memory.
///
/// Exceeding one raises `LimitError`, except `graph_bytes`, past which what is remembered is
/// dropped and found again.
#[pyclass(frozen, eq, hash, module = "hedgerow")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Memory of the state graph in bytes, about.
    #[pyo3(get)]
    graph_bytes: usize,
    /// Threads in one state: how ambiguous the grammar may be at one position.
    #[pyo3(get)]
    state_threads: usize,
    /// States explored to decide whether intersections and complements have a word.
    #[pyo3(get)]
    search_states: u64,
    /// Nodes a grammar may have, lazily expanded ones included.
    #[pyo3(get)]
    nodes: usize,
}

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (*, graph_bytes=None, state_threads=None, search_states=None, nodes=None))]
    fn new(
        graph_bytes: Option<Whole<'_>>,
        state_threads: Option<Whole<'_>>,
        search_states: Option<Whole<'_>>,
        nodes: Option<Whole<'_>>,
    ) -> PyResult<Self> {
        let plain = Inner::default();
        let count = |name, given: Option<Whole<'_>>, plain: usize| {
            given.map_or(Ok(plain), |number| number.count(name))
        };
        Ok(Limits {
            graph_bytes: count("graph_bytes", graph_bytes, plain.graph_bytes)?,
            state_threads: count("state_threads", state_threads, plain.state_threads)?,
            search_states: search_states
                .map_or(Ok(plain.search_states), |number| number.within("search_states", u64::MAX))?,
            nodes: count("nodes", nodes, plain.nodes)?,
        })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let py = slf.py();
        let Limits { graph_bytes, state_threads, search_states, nodes } = slf.get();
        let restore = py.import("hedgerow._compiler")?.getattr("restore_limits")?;
        let parts = (*graph_bytes, *state_threads, *search_states, *nodes);
        Ok((restore, parts.into_pyobject(py)?.into_any()))
    }

    fn __repr__(&self) -> String {
        let Limits { graph_bytes, state_threads, search_states, nodes } = self;
        format!(
            "Limits(graph_bytes={graph_bytes}, state_threads={state_threads}, \
             search_states={search_states}, nodes={nodes})"
        )
    }
}

impl Limits {
    /// The limits as the library takes them.
    pub fn inner(&self) -> Inner {
        Inner::default()
            .graph_bytes(self.graph_bytes)
            .state_threads(self.state_threads)
            .search_states(self.search_states)
            .nodes(self.nodes)
    }
}
