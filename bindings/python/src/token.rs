//! Whole numbers, token ids and texts as Python gives them.

use hedgerow::TokenId;
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

/// A whole number: an `int`, or any object with `__index__`, such as NumPy's integers and tensors
/// of one element. What `__index__` raises is passed on.
pub struct Whole<'py>(Bound<'py, PyInt>);

impl<'py> Whole<'py> {
    /// The number in `object`. `said` begins the message about other objects: "a token is a whole
    /// number".
    fn of(object: &Bound<'py, PyAny>, said: &str) -> PyResult<Self> {
        if let Ok(number) = object.cast::<PyInt>() {
            return Ok(Whole(number.clone()));
        }
        if !object.hasattr("__index__")? {
            return Err(PyTypeError::new_err(format!("{said}, not {}", object.get_type())));
        }
        let index = object.py().import("operator")?.getattr("index")?.call1((object,))?;
        Ok(Whole(index.cast_into()?))
    }

    /// The number, if it is from 0 to `most`. `name` is the argument's.
    pub fn within(&self, name: &str, most: u64) -> PyResult<u64> {
        let number = self.0.extract::<u64>().ok().filter(|&number| number <= most);
        number.ok_or_else(|| {
            PyValueError::new_err(format!("{name} is {}; it must be from 0 to {most}", self.0))
        })
    }

    /// The number as a count. `name` is the argument's.
    pub fn count(&self, name: &str) -> PyResult<usize> {
        Ok(self.within(name, usize::MAX as u64)? as usize)
    }

    /// The number as the index of one of so many rows of `array`.
    pub fn row(&self, rows: usize, array: &str) -> PyResult<usize> {
        let row = self.0.extract::<usize>().ok().filter(|&row| row < rows);
        row.ok_or_else(|| PyIndexError::new_err(format!("row {} of {array} of {rows} rows", self.0)))
    }

    /// The number, where it is none of the larger ones that Python has.
    pub fn small(&self) -> Option<i64> {
        self.0.extract().ok()
    }
}

impl std::fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<'py> FromPyObject<'_, 'py> for Whole<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Whole::of(&object, "a whole number is expected")
    }
}

/// Rows by number, in anything that can be iterated over.
pub fn rows<'py>(object: &Bound<'py, PyAny>) -> PyResult<Vec<Whole<'py>>> {
    object.try_iter()?.map(|number| Whole::of(&number?, "a row is a whole number")).collect()
}

/// A token's id.
pub fn token(object: &Bound<'_, PyAny>) -> PyResult<TokenId> {
    let number = Whole::of(object, "a token is a whole number")?;
    let id = number.0.extract();
    id.map(TokenId).map_err(|_| PyValueError::new_err(format!("{number} is not the id of a token")))
}

/// The ids in anything that can be iterated over.
pub fn tokens(object: &Bound<'_, PyAny>) -> PyResult<Vec<TokenId>> {
    object.try_iter()?.map(|id| token(&id?)).collect()
}

/// The ids as Python numbers.
pub fn numbers(tokens: &[TokenId]) -> Vec<u32> {
    tokens.iter().map(|token| token.0).collect()
}

/// Text as bytes: `str` in UTF-8, or anything that `bytes` is made of.
pub fn text(object: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(text.to_cow()?.into_owned().into_bytes());
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    object
        .extract()
        .map_err(|_| PyTypeError::new_err(format!("expected str or bytes, not {}", object.get_type())))
}
