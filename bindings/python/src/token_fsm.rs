//! State machines over tokens.

use super::array::{Array, mask_row, view};
use super::call::outside;
use super::token::{Whole, text, token};
use hedgerow::engine::TokenFsm as Inner;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A constraint as a state machine over tokens, for loops that run without this library.
///
/// Tokens fall into classes that no state tells apart. The edges of state `s` are those from
/// `row_starts[s]` up to `row_starts[s + 1]` in `edge_classes` and `edge_targets`. Class 0 is of
/// the tokens that are never allowed.
#[pyclass(frozen, weakref, module = "hedgerow")]
pub struct TokenFsm(pub Inner);

#[pymethods]
impl TokenFsm {
    /// The state before the first token.
    #[classattr]
    const START: u32 = Inner::START;

    /// The machine that `to_bytes` wrote down.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes = text(data)?;
        Ok(TokenFsm(outside(py, || Ok(Inner::from_bytes(&bytes)?))?))
    }

    /// The machine as bytes, the same on every machine.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = outside(py, || Ok(self.0.to_bytes()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The state behind a token; None if it may not come.
    fn next(&self, state: Whole<'_>, token: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
        Ok(self.0.next(self.known(&state)?, self::token(token)?))
    }

    /// Writes a state's mask into a row of `out`.
    #[pyo3(signature = (state, out, row=None), text_signature = "($self, state, out, row=0)")]
    fn fill_mask(
        &self,
        py: Python<'_>,
        state: Whole<'_>,
        out: &Bound<'_, PyAny>,
        row: Option<Whole<'_>>,
    ) -> PyResult<()> {
        let state = self.known(&state)?;
        let mut array = Array::writable(out, "out")?;
        let (mask, behind) = mask_row(&mut array, row.as_ref(), self.0.token_count().div_ceil(32))?;
        outside(py, move || {
            self.0.fill_mask(state, mask)?;
            behind.fill(0);
            Ok(())
        })
    }

    /// The tokens that may come in a state.
    fn allowed_tokens(&self, py: Python<'_>, state: Whole<'_>) -> PyResult<Vec<u32>> {
        let state = self.known(&state)?;
        let mask = outside(py, || Ok(self.0.mask(state)))?;
        Ok(mask.iter().flat_map(|mask| mask.iter().map(|token| token.0)).collect())
    }

    /// Tells whether the output may end in a state.
    fn is_accepting(&self, state: Whole<'_>) -> PyResult<bool> {
        Ok(self.0.is_accepting(self.known(&state)?))
    }

    /// Tells whether an end-of-sequence token has led to a state.
    fn is_stopped(&self, state: Whole<'_>) -> PyResult<bool> {
        Ok(self.0.is_stopped(self.known(&state)?))
    }

    /// The transitions as one table `[state_count, class_count]`, with 2**32 - 1 where there is
    /// none.
    fn to_table<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        view(py, &self.0.to_table())
    }

    /// Number of states.
    #[getter]
    fn state_count(&self) -> usize {
        self.0.state_count()
    }

    /// Number of tokens that masks range over.
    #[getter]
    fn token_count(&self) -> usize {
        self.0.token_count()
    }

    /// Number of classes of tokens.
    #[getter]
    fn class_count(&self) -> usize {
        self.0.class_count()
    }

    /// Number of different masks.
    #[getter]
    fn mask_count(&self) -> usize {
        self.0.mask_count()
    }

    /// The fingerprint of the vocabulary.
    #[getter]
    fn vocabulary_fingerprint(&self) -> u64 {
        self.0.vocabulary_fingerprint()
    }

    /// The class of each token.
    #[getter]
    fn token_classes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        view(py, self.0.token_classes())
    }

    /// The place of each state's first edge, and behind the last state that of the end.
    #[getter]
    fn row_starts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        view(py, self.0.row_starts())
    }

    /// The class of each edge.
    #[getter]
    fn edge_classes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        view(py, self.0.edge_classes())
    }

    /// The state to which each edge leads.
    #[getter]
    fn edge_targets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        view(py, self.0.edge_targets())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let py = slf.py();
        let restore = py.get_type::<TokenFsm>().getattr("from_bytes")?;
        Ok((restore, (slf.get().to_bytes(py)?,).into_pyobject(py)?.into_any()))
    }

    fn __repr__(&self) -> String {
        format!("TokenFsm(state_count={}, class_count={})", self.state_count(), self.class_count())
    }
}

impl TokenFsm {
    fn known(&self, state: &Whole<'_>) -> PyResult<u32> {
        let count = self.0.state_count();
        let known = state.small().and_then(|state| u32::try_from(state).ok());
        known.filter(|&state| (state as usize) < count).ok_or_else(|| {
            let said = format!("the state machine has {count} states, none of them is number {state}");
            PyValueError::new_err(said)
        })
    }
}
