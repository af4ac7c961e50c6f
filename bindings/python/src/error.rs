//! Errors of the library as exceptions of `hedgerow.errors`.

use super::names::in_python;
use hedgerow::engine::EngineError;
use hedgerow::engine::Interrupted;
use hedgerow::grammar::{CompileError, CompileErrorKind, GrammarError, Location};
use hedgerow::sampling::SamplingError;
use hedgerow::vocab::VocabularyError;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The exception that a failure becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `ValueError`: an argument without meaning.
    Argument,
    /// `hedgerow.GrammarError`.
    Grammar,
    /// `hedgerow.VocabularyError`.
    Vocabulary,
    /// `hedgerow.SamplingError`.
    Sampling,
    /// `hedgerow.LimitError`.
    Limit,
    /// `hedgerow.DeadlineError`.
    Deadline,
    /// `hedgerow.Cancelled`.
    Cancelled,
    /// `hedgerow.InternalError`.
    Internal,
}

/// A failure of the library, before it is raised.
#[derive(Debug)]
pub struct CallError {
    kind: Kind,
    message: String,
    position: Option<(usize, usize)>,
    pointer: Option<String>,
    keyword: Option<String>,
}

impl CallError {
    fn new(kind: Kind, message: String) -> Self {
        let message = in_python(&message);
        CallError { kind, message, position: None, pointer: None, keyword: None }
    }

    /// An argument without meaning.
    pub fn argument(message: String) -> Self {
        CallError::new(Kind::Argument, message)
    }

    /// A fault of hedgerow.
    pub fn internal(message: String) -> Self {
        CallError::new(Kind::Internal, message)
    }

    /// The failure of compiling, where an option that it names has another name in Python.
    pub fn from_option(error: CompileError, from: &str, to: &str) -> Self {
        let failure = CallError::from(error);
        if failure.kind == Kind::Argument { failure.renamed(from, to) } else { failure }
    }

    /// The failure with another name for something in its message.
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        self.message = self.message.replace(from, to);
        self
    }

    /// The exception.
    pub fn raise(self, py: Python<'_>) -> PyErr {
        let class = match self.kind {
            Kind::Argument => return PyValueError::new_err(self.message),
            Kind::Grammar => "GrammarError",
            Kind::Vocabulary => "VocabularyError",
            Kind::Sampling => "SamplingError",
            Kind::Limit => "LimitError",
            Kind::Deadline => "DeadlineError",
            Kind::Cancelled => "Cancelled",
            Kind::Internal => "InternalError",
        };
        let message = self.message.clone();
        let made = self.made(py, class);
        made.unwrap_or_else(|_| PyRuntimeError::new_err(message))
    }

    fn made(self, py: Python<'_>, class: &str) -> PyResult<PyErr> {
        let class = py.import("hedgerow.errors")?.getattr(class)?;
        let places = PyDict::new(py);
        if let Some((line, column)) = self.position {
            places.set_item("line", line)?;
            places.set_item("column", column)?;
        }
        if let Some(pointer) = self.pointer {
            places.set_item("pointer", pointer)?;
        }
        if let Some(keyword) = self.keyword {
            places.set_item("keyword", keyword)?;
        }
        Ok(PyErr::from_value(class.call((self.message,), Some(&places))?))
    }
}

impl From<Interrupted> for CallError {
    fn from(why: Interrupted) -> Self {
        let kind = match why {
            Interrupted::Deadline => Kind::Deadline,
            Interrupted::Cancelled => Kind::Cancelled,
        };
        CallError::new(kind, why.to_string())
    }
}

impl From<GrammarError> for CallError {
    fn from(error: GrammarError) -> Self {
        let kind = match error {
            GrammarError::Interrupted(why) => return why.into(),
            GrammarError::Expansion(error) => return error.into(),
            GrammarError::Limit { .. } => Kind::Limit,
            _ => Kind::Grammar,
        };
        CallError::new(kind, error.to_string())
    }
}

impl From<EngineError> for CallError {
    fn from(error: EngineError) -> Self {
        let kind = match error {
            EngineError::Grammar(error) => return error.into(),
            EngineError::UnknownSpecialToken(_)
            | EngineError::PartialCharacter(_)
            | EngineError::Unspellable
            | EngineError::Ambiguous { .. } => Kind::Grammar,
            EngineError::EmptyVocabulary => Kind::Vocabulary,
            EngineError::TokenFsmStates { .. }
            | EngineError::Limit { .. }
            | EngineError::AmbiguousText { .. } => Kind::Limit,
            EngineError::Deadline => Kind::Deadline,
            EngineError::Cancelled => Kind::Cancelled,
            _ => Kind::Argument,
        };
        CallError::new(kind, error.to_string())
    }
}

impl From<CompileError> for CallError {
    fn from(error: CompileError) -> Self {
        let kind = match error.kind() {
            CompileErrorKind::Interrupted(why) => return why.into(),
            CompileErrorKind::Limit => Kind::Limit,
            CompileErrorKind::Option => Kind::Argument,
            _ => Kind::Grammar,
        };
        let position = match error.location() {
            Some(&Location::Text { line, column, .. }) => Some((line, column)),
            _ => None,
        };
        // The library writes pointers as fragments, with "#" in front.
        let pointer = error.pointer().map(|pointer| pointer.trim_start_matches('#').to_owned());
        let keyword = error.keyword().map(str::to_owned);
        CallError { position, pointer, keyword, ..CallError::new(kind, error.to_string()) }
    }
}

impl From<VocabularyError> for CallError {
    fn from(error: VocabularyError) -> Self {
        CallError::new(Kind::Vocabulary, error.to_string())
    }
}

impl From<SamplingError> for CallError {
    fn from(error: SamplingError) -> Self {
        CallError::new(Kind::Sampling, error.to_string())
    }
}
