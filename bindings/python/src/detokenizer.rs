//! The text of one output while it is written.

use super::call::{lock, outside};
use super::token::{Whole, text, token};
use super::vocabulary::Vocabulary;
use hedgerow::TokenId;
use hedgerow::vocab::{Detokenizer as Inner, TextEnd};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::sync::Mutex;

/// The text of one output while it is written, and its end by a stop text or an end token.
///
/// Text is held back while it may still belong to a stop text that has begun, or to a character
/// whose bytes are not all there. Stop texts are found wherever the borders between tokens are, and
/// are no part of the text.
#[pyclass(frozen, weakref, module = "hedgerow")]
pub struct Detokenizer(Mutex<Inner>);

/// The reason why a text has ended.
#[derive(IntoPyObject)]
enum Stop {
    Text(String),
    Token(u32),
}

impl Detokenizer {
    fn ask<T: Send>(&self, py: Python<'_>, question: impl FnOnce(&mut Inner) -> T + Send) -> PyResult<T> {
        outside(py, || Ok(question(&mut *lock(&self.0)?)))
    }
}

#[pymethods]
impl Detokenizer {
    #[new]
    #[pyo3(signature = (vocabulary, stop=None), text_signature = "(vocabulary, stop=())")]
    fn new(vocabulary: &Vocabulary, stop: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let stop = stop.map_or(Ok(Vec::new()), texts)?;
        let text = Inner::new(&vocabulary.0, stop.iter().map(Vec::as_slice));
        Ok(Detokenizer(Mutex::new(text)))
    }

    /// Reads a token, or tokens up to the end of the text. The text that can now be shown.
    fn push(&self, tokens: &Bound<'_, PyAny>) -> PyResult<String> {
        let ids: Vec<TokenId> = match tokens.extract::<Whole<'_>>() {
            Ok(_) => vec![token(tokens)?],
            Err(_) => super::token::tokens(tokens)?,
        };
        self.ask(tokens.py(), |text| ids.into_iter().map(|id| text.push(id).to_owned()).collect())
    }

    /// Ends the text, because no token will follow. What was held back.
    fn finish(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |text| text.finish().to_owned())
    }

    /// All text that was released so far.
    #[getter]
    fn text(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |text| text.text().to_owned())
    }

    /// True if a stop text, an end token or `finish` has ended the text: it reads no tokens any
    /// more.
    #[getter]
    fn is_stopped(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, |text| text.end().is_some())
    }

    /// The stop text, or the id of the end token, that ended the text; None if neither did.
    #[getter]
    fn stop(&self, py: Python<'_>) -> PyResult<Option<Stop>> {
        self.ask(py, |text| match text.end()? {
            TextEnd::StopString(bytes) => Some(Stop::Text(String::from_utf8_lossy(bytes).into_owned())),
            TextEnd::EndToken(token) => Some(Stop::Token(token.0)),
            _ => None,
        })
    }

    /// A text at the same place, which goes its own way.
    fn fork(&self, py: Python<'_>) -> PyResult<Self> {
        Ok(Detokenizer(Mutex::new(self.ask(py, |text| text.clone())?)))
    }

    fn __copy__(&self, py: Python<'_>) -> PyResult<Self> {
        self.fork(py)
    }

    fn __deepcopy__(&self, py: Python<'_>, _memo: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.fork(py)
    }
}

/// One stop text or several.
fn texts(stop: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<u8>>> {
    if stop.is_instance_of::<PyString>() || stop.is_instance_of::<PyBytes>() {
        return Ok(vec![text(stop)?]);
    }
    let all = stop
        .try_iter()
        .map_err(|_| PyTypeError::new_err(format!("stop is a text or several, not {}", stop.get_type())))?;
    all.map(|one| text(&one?)).collect()
}
