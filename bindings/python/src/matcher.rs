//! Matchers: one output's place in a constraint.

use super::array::{Array, mask_row};
use super::call::{lock, outside};
use super::constraint::Constraint;
use super::interrupt::{CancelFlag, interrupt};
use super::token::{Whole, numbers, text, token, tokens};
use hedgerow::Matcher as Inner;
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use std::sync::Mutex;

/// One output's place in a constraint. `constraint.matcher()` makes one for each output.
///
/// A token that is not allowed is an answer, `False`, and changes nothing.
#[pyclass(frozen, weakref, module = "hedgerow")]
pub struct Matcher {
    inner: Mutex<Inner>,
    constraint: Py<Constraint>,
    words: usize,
}

impl Matcher {
    /// A matcher of the library, and the constraint that it is of.
    pub fn new(inner: Inner, constraint: Py<Constraint>) -> Self {
        let words = inner.vocabulary().size().div_ceil(32);
        Matcher { inner: Mutex::new(inner), constraint, words }
    }

    /// The library's matcher.
    pub fn inner(&self) -> &Mutex<Inner> {
        &self.inner
    }

    /// Words of a mask.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Asks the library's matcher.
    fn ask<T: Send>(&self, py: Python<'_>, question: impl FnOnce(&mut Inner) -> T + Send) -> PyResult<T> {
        outside(py, || Ok(question(&mut *lock(&self.inner)?)))
    }

    /// Asks what may fail.
    fn try_ask<T: Send>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&mut Inner) -> Result<T, hedgerow::engine::EngineError> + Send,
    ) -> PyResult<T> {
        outside(py, || Ok(question(&mut *lock(&self.inner)?)?))
    }
}

/// The number of a node's parent: None for the beginning, which -1 stands for, too.
fn parent_of(object: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    if object.is_none() {
        return Ok(None);
    }
    let parent: Whole<'_> = object.extract()?;
    match parent.small() {
        Some(-1) => Ok(None),
        Some(number @ 0..) => Ok(usize::try_from(number).ok()),
        _ => {
            let said = format!("no node has the number {parent}, which is given as a parent");
            Err(PyValueError::new_err(said))
        }
    }
}

#[pymethods]
impl Matcher {
    /// Writes the mask of the tokens that may come next into a row of `out`: bit `i % 32` of word
    /// `i // 32` is token `i`.
    ///
    /// `out` is an array of 32-bit integers with one or two dimensions: of NumPy, of torch on the
    /// CPU, or a `memoryview`, such as `vocabulary.mask_buffer()`. Words of the row behind the
    /// vocabulary's become 0.
    #[pyo3(signature = (out, row=None), text_signature = "($self, out, row=0)")]
    fn fill_mask(&self, py: Python<'_>, out: &Bound<'_, PyAny>, row: Option<Whole<'_>>) -> PyResult<()> {
        let mut array = Array::writable(out, "out")?;
        let (mask, behind) = mask_row(&mut array, row.as_ref(), self.words)?;
        self.try_ask(py, move |matcher| {
            matcher.fill_mask(mask)?;
            behind.fill(0);
            Ok(())
        })
    }

    /// The tokens that may come next.
    fn allowed_tokens(&self, py: Python<'_>) -> PyResult<Vec<u32>> {
        self.try_ask(py, |matcher| Ok(matcher.mask()?.iter().map(|token| token.0).collect()))
    }

    /// Tells whether a token may come next.
    fn allows(&self, py: Python<'_>, token: &Bound<'_, PyAny>) -> PyResult<bool> {
        let token = self::token(token)?;
        self.try_ask(py, |matcher| matcher.allows(token))
    }

    /// Reads a token. False if it may not come; then nothing has changed.
    fn advance(&self, py: Python<'_>, token: &Bound<'_, PyAny>) -> PyResult<bool> {
        let token = self::token(token)?;
        self.try_ask(py, |matcher| matcher.advance(token))
    }

    /// Reads tokens one after the other, up to the first that may not come; gives how many were
    /// read. One call for all: for drafts, and outputs that are read again.
    fn advance_all(&self, py: Python<'_>, tokens: &Bound<'_, PyAny>) -> PyResult<usize> {
        let tokens = self::tokens(tokens)?;
        self.try_ask(py, |matcher| matcher.advance_all(&tokens))
    }

    /// Reads text as one step. False if it may not come; then nothing has changed.
    fn advance_bytes(&self, py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<bool> {
        let bytes = self::text(text)?;
        self.try_ask(py, |matcher| matcher.advance_bytes(&bytes))
    }

    /// Reads text in which special tokens stand by their names. False if it may not come; then
    /// nothing has changed. Each token is a step, and so are the bytes between two tokens.
    fn advance_text(&self, py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<bool> {
        let bytes = self::text(text)?;
        self.try_ask(py, |matcher| matcher.advance_text(&bytes))
    }

    /// The number of leading tokens that may come, one after the other. The matcher does not move.
    fn validate(&self, py: Python<'_>, tokens: &Bound<'_, PyAny>) -> PyResult<usize> {
        let tokens = self::tokens(tokens)?;
        self.try_ask(py, |matcher| matcher.validate(&tokens))
    }

    /// Takes back the last steps: tokens, or texts of `advance_bytes`.
    #[pyo3(signature = (steps=None), text_signature = "($self, steps=1)")]
    fn rollback(&self, py: Python<'_>, steps: Option<Whole<'_>>) -> PyResult<()> {
        let steps = steps.map_or(Ok(1), |steps| steps.count("steps"))?;
        self.try_ask(py, |matcher| matcher.rollback(steps))
    }

    /// Goes back to the beginning.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, Inner::reset)
    }

    /// A matcher at the same place, which goes its own way.
    fn fork(&self, py: Python<'_>) -> PyResult<Self> {
        let fork = self.ask(py, |matcher| matcher.fork())?;
        Ok(Matcher::new(fork, self.constraint.clone_ref(py)))
    }

    /// The bytes that must come next, as far as there is only one way on.
    fn forced_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyBytes>> {
        let bytes = self.try_ask(py, Inner::forced_bytes)?;
        Ok(pyo3::types::PyBytes::new(py, &bytes))
    }

    /// Tokens that spell the forced bytes.
    fn forced_tokens(&self, py: Python<'_>) -> PyResult<Vec<u32>> {
        Ok(numbers(&self.try_ask(py, Inner::forced_tokens)?))
    }

    /// A short row of tokens that completes the output; None if none was found.
    fn completion(&self, py: Python<'_>) -> PyResult<Option<Vec<u32>>> {
        let way = self.try_ask(py, Inner::completion)?;
        Ok(way.map(|tokens| numbers(&tokens)))
    }

    /// Fills a mask for every node of a tree of guessed tokens: row `row + i` of `out` holds what
    /// may come behind the path to node `i`, and zeros where the path may not come. Gives for each
    /// node whether the path to it may come.
    ///
    /// Node `i` is `tokens[i]`, and stands behind the earlier node `parents[i]`, or at the
    /// beginning if that is None or -1. The matcher does not move.
    #[pyo3(signature = (tokens, parents, out, row=None), text_signature = "($self, tokens, parents, out, row=0)")]
    fn mask_draft_tree(
        &self,
        py: Python<'_>,
        tokens: &Bound<'_, PyAny>,
        parents: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
        row: Option<Whole<'_>>,
    ) -> PyResult<Vec<bool>> {
        let tokens = self::tokens(tokens)?;
        let parents: Vec<Option<usize>> =
            parents.try_iter()?.map(|parent| parent_of(&parent?)).collect::<PyResult<_>>()?;
        let mut array = Array::writable(out, "out")?;
        let rows = array.rows_mut::<u32>("out", super::array::Element::Word)?;
        super::array::check_words(rows.columns, self.words)?;
        let first = row.as_ref().map_or(Some(0), Whole::small);
        let first = first.and_then(|row| usize::try_from(row).ok());
        let first = first.filter(|&row| row <= rows.rows && tokens.len() <= rows.rows - row);
        let Some(first) = first else {
            let row = row.map_or("0".to_owned(), |row| row.to_string());
            let said =
                format!("{} nodes from row {row} on in a mask array of {} rows", tokens.len(), rows.rows);
            return Err(PyIndexError::new_err(said));
        };
        let (count, words, stride, columns) = (tokens.len(), self.words, rows.stride.max(1), rows.columns);
        let all = match count {
            0 => &mut [],
            _ => &mut rows.all[first * stride..],
        };
        self.try_ask(py, move |matcher| {
            let allowed = matcher.mask_draft_tree(&tokens, &parents, all, stride)?;
            for row in 0..count {
                all[row * stride..][words..columns].fill(0);
            }
            Ok(allowed)
        })
    }

    /// Ends calls of this matcher, and of forks made from now on, early: those that take longer
    /// than `timeout` seconds, and all while `cancel` is set.
    #[pyo3(signature = (*, timeout=None, cancel=None))]
    fn set_interrupt(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        cancel: Option<&Bound<'_, CancelFlag>>,
    ) -> PyResult<()> {
        let interrupt = interrupt(timeout, cancel)?;
        self.ask(py, |matcher| matcher.set_interrupt(interrupt))
    }

    /// Tells whether the output may end here.
    #[getter]
    fn is_accepting(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, |matcher| matcher.is_accepting())
    }

    /// Tells whether an end-of-sequence token has been read.
    #[getter]
    fn is_stopped(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, |matcher| matcher.is_stopped())
    }

    /// The number of steps so far: what `rollback` can take back.
    #[getter]
    fn output_len(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, |matcher| matcher.output_len())
    }

    /// A number for what may follow: matchers of one constraint with equal numbers have equal
    /// masks, now and later.
    #[getter]
    fn state_id(&self, py: Python<'_>) -> PyResult<u64> {
        self.ask(py, |matcher| matcher.state_id())
    }

    /// The constraint.
    #[getter]
    fn constraint(&self, py: Python<'_>) -> Py<Constraint> {
        self.constraint.clone_ref(py)
    }

    fn __copy__(&self, py: Python<'_>) -> PyResult<Self> {
        self.fork(py)
    }

    fn __deepcopy__(&self, py: Python<'_>, _memo: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.fork(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (steps, accepting, stopped) =
            self.ask(py, |matcher| (matcher.output_len(), matcher.is_accepting(), matcher.is_stopped()))?;
        let name = |yes| if yes { "True" } else { "False" };
        Ok(format!(
            "Matcher(output_len={steps}, is_accepting={}, is_stopped={})",
            name(accepting),
            name(stopped)
        ))
    }

    /// The view of notebooks.
    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("hedgerow._notebook")?.getattr("matcher_html")?.call1((slf,))
    }
}
