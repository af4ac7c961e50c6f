//! Events: what the parts of one output mean, while it is written.

use super::call::{lock, outside};
use super::constraint::Constraint;
use super::token::{Whole, text, token};
use hedgerow::engine::{EngineError, EventReader};
use hedgerow::tags::{Event, Reply};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::sync::Mutex;

/// A reader of the events of one output: text, reasoning, calls of tools with their arguments.
/// `constraint.events()` makes one for each output; it is read beside the matcher.
///
/// An event is a dict. Its `kind` is "text", "reasoning", "call_begin", "call_id", "arguments",
/// "call_end", "tag_begin", "content" or "tag_end". Others of its keys are `delta`, `call` (the
/// number of the call), `name` and `id`.
#[pyclass(frozen, weakref, module = "hedgerow")]
pub struct Events {
    reader: Mutex<EventReader>,
    constraint: Py<Constraint>,
}

/// Events as dicts, or None for what may not come.
type Found<'py> = Option<Bound<'py, PyList>>;

impl Events {
    /// A reader of the library, and the constraint that it is of.
    pub fn new(reader: EventReader, constraint: Py<Constraint>) -> Self {
        Events { reader: Mutex::new(reader), constraint }
    }

    /// Reads on. The events, or None if what is read may not come.
    fn step<'py>(
        &self,
        py: Python<'py>,
        read: impl FnOnce(&mut EventReader, &mut Vec<Event>) -> Result<bool, EngineError> + Send,
    ) -> PyResult<Found<'py>> {
        let found = outside(py, || {
            let mut events = Vec::new();
            let accepted = read(&mut *lock(&self.reader)?, &mut events)?;
            Ok(accepted.then_some(events))
        })?;
        found.map(|events| list(py, &events)).transpose()
    }
}

#[pymethods]
impl Events {
    /// Reads a token. The events that it decides; None if it may not come, and then nothing has
    /// changed.
    fn advance<'py>(&self, py: Python<'py>, token: &Bound<'_, PyAny>) -> PyResult<Found<'py>> {
        let token = self::token(token)?;
        self.step(py, |reader, events| reader.advance(token, events))
    }

    /// Reads text as one step. See `advance`.
    fn advance_bytes<'py>(&self, py: Python<'py>, text: &Bound<'_, PyAny>) -> PyResult<Found<'py>> {
        let bytes = self::text(text)?;
        self.step(py, |reader, events| reader.advance_bytes(&bytes, events))
    }

    /// Reads text in which special tokens stand by their names. See `advance`.
    fn advance_text<'py>(&self, py: Python<'py>, text: &Bound<'_, PyAny>) -> PyResult<Found<'py>> {
        let bytes = self::text(text)?;
        self.step(py, |reader, events| reader.advance_text(&bytes, events))
    }

    /// Ends the output: what was waiting, because it may have been the beginning of a marker,
    /// becomes events.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let events = outside(py, || {
            let mut events = Vec::new();
            lock(&self.reader)?.finish(&mut events);
            Ok(events)
        })?;
        list(py, &events)
    }

    /// Takes back the last steps. Their events are void.
    #[pyo3(signature = (steps=None), text_signature = "($self, steps=1)")]
    fn rollback(&self, py: Python<'_>, steps: Option<Whole<'_>>) -> PyResult<()> {
        let steps = steps.map_or(Ok(1), |steps| steps.count("steps"))?;
        outside(py, || Ok(lock(&self.reader)?.rollback(steps)?))
    }

    /// A reader at the same place, which goes its own way.
    fn fork(&self, py: Python<'_>) -> PyResult<Self> {
        let reader = outside(py, || Ok(lock(&self.reader)?.clone()))?;
        Ok(Events::new(reader, self.constraint.clone_ref(py)))
    }

    /// The number of steps so far: what `rollback` can take back.
    #[getter]
    fn output_len(&self, py: Python<'_>) -> PyResult<usize> {
        outside(py, || Ok(lock(&self.reader)?.output_len()))
    }

    /// The constraint.
    #[getter]
    fn constraint(&self, py: Python<'_>) -> Py<Constraint> {
        self.constraint.clone_ref(py)
    }
}

fn list<'py>(py: Python<'py>, events: &[Event]) -> PyResult<Bound<'py, PyList>> {
    let dicts: Vec<_> = events.iter().map(|event| dict(py, event)).collect::<PyResult<_>>()?;
    PyList::new(py, dicts)
}

fn dict<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("kind", event.kind())?;
    match event {
        Event::Text(delta) | Event::Reasoning(delta) | Event::Content(delta) => {
            dict.set_item("delta", delta)?;
        }
        Event::CallBegin { index, name, id } => {
            dict.set_item("call", index)?;
            dict.set_item("name", name)?;
            dict.set_item("id", id)?;
        }
        Event::CallId { index, id } => {
            dict.set_item("call", index)?;
            dict.set_item("id", id)?;
        }
        Event::Arguments { index, delta } => {
            dict.set_item("call", index)?;
            dict.set_item("delta", delta)?;
        }
        Event::CallEnd { index } => dict.set_item("call", index)?,
        Event::TagBegin { name } | Event::TagEnd { name } => dict.set_item("name", name)?,
        _ => {}
    }
    Ok(dict)
}

/// A reply as a dict.
pub fn reply<'py>(py: Python<'py>, reply: &Reply) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("text", &reply.text)?;
    dict.set_item("reasoning", &reply.reasoning)?;
    let calls = PyList::empty(py);
    for call in &reply.calls {
        let one = PyDict::new(py);
        one.set_item("name", &call.name)?;
        one.set_item("id", &call.id)?;
        one.set_item("arguments", &call.arguments)?;
        one.set_item("complete", call.complete)?;
        calls.append(one)?;
    }
    dict.set_item("calls", calls)?;
    dict.set_item("tags", &reply.tags)?;
    Ok(dict)
}
