//! Token ids as Python gives them.

use hedgerow::TokenId;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// The id in any object that counts as a whole number: `int`, NumPy's integers, tensors of one
/// element.
pub fn token(object: &Bound<'_, PyAny>) -> PyResult<TokenId> {
    let id: i128 = object.extract().map_err(|error| {
        let given = object.get_type();
        let said = PyTypeError::new_err(format!("a token is a whole number, not {given}"));
        said.set_cause(object.py(), Some(error));
        said
    })?;
    let id =
        u32::try_from(id).map_err(|_| PyValueError::new_err(format!("{id} is not the id of a token")))?;
    Ok(TokenId(id))
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
