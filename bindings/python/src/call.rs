//! Calls into the library: without the interpreter's lock, and without panics on the way back.

use super::error::Failure;
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard};

/// Does `work` while other Python threads run, and raises its failure.
pub fn outside<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, Failure> + Send) -> PyResult<T> {
    let result =
        py.detach(|| catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(broken(&*panic))));
    result.map_err(|failure| failure.raise(py))
}

/// The failure that a caught panic is.
fn broken(panic: &(dyn Any + Send)) -> Failure {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::internal(format!(
        "a fault in hedgerow itself ({}); please report it with the input",
        said.unwrap_or("no message")
    ))
}

/// The lock on an object that changes. Call it in [`outside`] only: who waits for it while holding
/// the interpreter's lock may wait for ever.
pub fn lock<T>(object: &Mutex<T>) -> Result<MutexGuard<'_, T>, Failure> {
    let broken = "an earlier call on this object ended in a fault; make a new one";
    object.lock().map_err(|_| Failure::internal(broken.to_owned()))
}
