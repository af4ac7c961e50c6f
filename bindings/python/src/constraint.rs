//! Constraints: grammars tied to vocabularies.

use super::call::{long, outside};
use super::events::{self, Events};
use super::grammar::Grammar;
use super::interrupt::{CancelFlag, interrupt, until};
use super::limits::Limits;
use super::matcher::Matcher;
use super::token::{Whole, text};
use super::token_fsm::TokenFsm;
use super::vocabulary::Vocabulary;
use hedgerow::Constraint as Inner;
use hedgerow::engine::EngineError;
use hedgerow::tags::Reply;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A grammar tied to a vocabulary. Share it: all requests under one constraint help each other.
#[pyclass(frozen, weakref, module = "hedgerow")]
pub struct Constraint {
    inner: Inner,
    grammar: Py<Grammar>,
    vocabulary: Py<Vocabulary>,
    limits: Option<Py<Limits>>,
}

/// Ties a grammar, or a type or schema that `Grammar.of` takes, to a vocabulary.
///
/// Raises `GrammarError` for faults of the grammar, with their place; `LimitError` for what would
/// take too much; `DeadlineError` when it takes longer than `timeout` seconds, and `Cancelled` when
/// another thread sets `cancel`.
#[pyfunction]
#[pyo3(signature = (grammar, vocabulary, *, limits=None, timeout=None, cancel=None))]
pub fn compile(
    py: Python<'_>,
    grammar: &Bound<'_, PyAny>,
    vocabulary: &Bound<'_, Vocabulary>,
    limits: Option<&Bound<'_, Limits>>,
    timeout: Option<f64>,
    cancel: Option<&Bound<'_, CancelFlag>>,
) -> PyResult<Constraint> {
    let grammar = Grammar::of(grammar)?;
    let interrupt = until(timeout, cancel)?;
    let kept = limits.map(|limits| limits.clone().unbind());
    let limits = limits.map(|limits| limits.get().inner()).unwrap_or_default();
    let (described, tokens) = (grammar.get(), &vocabulary.get().0);
    let inner = long(py, interrupt, |interrupt| {
        let compiled = described.inner(interrupt)?;
        Ok(interrupt.scope(|| Inner::with_limits(compiled, tokens, limits))??)
    })?;
    Ok(Constraint { inner, grammar: grammar.unbind(), vocabulary: vocabulary.clone().unbind(), limits: kept })
}

#[pymethods]
impl Constraint {
    /// A matcher at the beginning of an output.
    ///
    /// Calls of it, and of its forks, raise `DeadlineError` when they take longer than `timeout`
    /// seconds, and `Cancelled` while `cancel` is set.
    #[pyo3(signature = (*, timeout=None, cancel=None))]
    fn matcher(
        slf: &Bound<'_, Self>,
        timeout: Option<f64>,
        cancel: Option<&Bound<'_, CancelFlag>>,
    ) -> PyResult<Matcher> {
        let mut matcher = slf.get().inner.matcher();
        let interrupt = interrupt(timeout, cancel)?;
        if !interrupt.is_never() {
            matcher.set_interrupt(interrupt);
        }
        Ok(Matcher::new(matcher, slf.clone().unbind()))
    }

    /// A reader of the events of an output: text, reasoning, calls of tools. The parts of a
    /// structural tag have roles; under other constraints all of an output is text.
    fn events(slf: &Bound<'_, Self>) -> PyResult<Events> {
        let constraint = &slf.get().inner;
        let reader = outside(slf.py(), || Ok(constraint.event_reader()?))?;
        Ok(Events::new(reader, slf.clone().unbind()))
    }

    /// A whole output taken apart: a dict of `text`, `reasoning`, `calls` (each with `name`, `id`,
    /// `arguments` and `complete`) and `tags`. None if the text is no beginning of an output.
    /// Special tokens stand in the text by their names.
    fn reply<'py>(&self, py: Python<'py>, text: &Bound<'_, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let bytes = self::text(text)?;
        let found = outside(py, || {
            let (mut reader, mut events) = (self.inner.event_reader()?, Vec::new());
            let accepted = reader.advance_text(&bytes, &mut events)?;
            reader.finish(&mut events);
            let mut reply = Reply::default();
            events.iter().for_each(|event| reply.add(event));
            Ok(accepted.then_some(reply))
        })?;
        found.map(|reply| events::reply(py, &reply)).transpose()
    }

    /// Tells whether a whole text belongs to the grammar. Special tokens stand in it by their
    /// names.
    fn accepts(&self, py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<bool> {
        let bytes = self::text(text)?;
        outside(py, || {
            let mut matcher = self.inner.matcher();
            Ok(matcher.advance_text(&bytes)? && (matcher.is_accepting() || matcher.is_stopped()))
        })
    }

    /// The constraint as a state machine over tokens, if it has at most `max_states` states.
    #[pyo3(
        signature = (*, max_states=None, timeout=None, cancel=None),
        text_signature = "($self, *, max_states=100000, timeout=None, cancel=None)"
    )]
    fn token_fsm(
        &self,
        py: Python<'_>,
        max_states: Option<Whole<'_>>,
        timeout: Option<f64>,
        cancel: Option<&Bound<'_, CancelFlag>>,
    ) -> PyResult<TokenFsm> {
        let interrupt = until(timeout, cancel)?;
        let max_states = max_states.map_or(Ok(100_000), |most| most.count("max_states"))?;
        let found = || -> Result<_, EngineError> { self.inner.compile_token_fsm(max_states) };
        Ok(TokenFsm(long(py, interrupt, |interrupt| Ok(interrupt.scope(found)??))?))
    }

    /// The grammar.
    #[getter]
    fn grammar(&self, py: Python<'_>) -> Py<Grammar> {
        self.grammar.clone_ref(py)
    }

    /// The vocabulary.
    #[getter]
    fn vocabulary(&self, py: Python<'_>) -> Py<Vocabulary> {
        self.vocabulary.clone_ref(py)
    }

    /// Figures about what is known so far: states, transitions, bytes, masks asked for and known,
    /// and others.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = outside(py, || Ok(self.inner.stats()))?;
        let figures = PyDict::new(py);
        let numbers = [
            ("states", stats.states as u64),
            ("transitions", stats.transitions as u64),
            ("summaries", stats.summaries as u64),
            ("languages", stats.languages as u64),
            ("nodes", stats.nodes as u64),
            ("bytes", stats.bytes as u64),
            ("rebuilds", u64::from(stats.rebuilds)),
            ("masks", stats.masks),
            ("mask_hits", stats.mask_hits),
        ];
        for (name, number) in numbers {
            figures.set_item(name, number)?;
        }
        Ok(figures)
    }

    /// Bytes of the states and masks that are known now, approximately. While a thread finds new
    /// ones, it is the last figure that was known.
    #[getter]
    fn memory(&self) -> usize {
        self.inner.memory()
    }

    /// A constraint does not change, so that a copy is itself.
    fn __copy__(slf: &Bound<'_, Self>) -> Py<Self> {
        slf.clone().unbind()
    }

    fn __deepcopy__(slf: &Bound<'_, Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf.clone().unbind()
    }

    /// Constraints are pickled as their parts, which are compiled again.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let restore = py.import("hedgerow._compiler")?.getattr("restore")?;
        let limits = self.limits.as_ref().map(|limits| limits.clone_ref(py));
        let parts = (self.grammar.clone_ref(py), self.vocabulary.clone_ref(py), limits);
        Ok((restore, parts.into_pyobject(py)?.into_any()))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let grammar = self.grammar.bind(py).repr()?;
        Ok(format!("Constraint({}, size={})", grammar.to_cow()?, self.inner.vocabulary().size()))
    }
}
