//! Ending calls early: a time for each, and flags that another thread sets.

use hedgerow::engine::Interrupt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A flag that ends the calls it was given to: they raise `Cancelled`.
///
/// Any thread may set it. A call that begins while it is set ends at once.
#[pyclass(frozen, module = "hedgerow")]
#[derive(Default)]
pub struct CancelFlag(Arc<AtomicBool>);

#[pymethods]
impl CancelFlag {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Ends the calls that were given this flag.
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets calls go on again.
    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Tells whether the flag is set.
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn __repr__(&self) -> String {
        format!("CancelFlag(is_set={})", if self.is_set() { "True" } else { "False" })
    }
}

fn seconds(timeout: Option<f64>) -> PyResult<Option<Duration>> {
    let Some(seconds) = timeout else { return Ok(None) };
    if seconds.is_nan() || seconds < 0.0 {
        let said = format!("timeout is {seconds}; it must be a number of seconds, 0 or more");
        return Err(PyValueError::new_err(said));
    }
    // A time that no clock reaches is none.
    Ok(Duration::try_from_secs_f64(seconds).ok())
}

fn flagged(interrupt: Interrupt, cancel: Option<&Bound<'_, CancelFlag>>) -> Interrupt {
    match cancel {
        Some(flag) => interrupt.flag(flag.get().0.clone()),
        None => interrupt,
    }
}

/// The interrupt of calls each of which may take `timeout` seconds, and which end when `cancel` is
/// set.
pub fn interrupt(timeout: Option<f64>, cancel: Option<&Bound<'_, CancelFlag>>) -> PyResult<Interrupt> {
    let plain = Interrupt::default();
    let timed = match seconds(timeout)? {
        Some(time) => plain.timeout(time),
        None => plain,
    };
    Ok(flagged(timed, cancel))
}

/// The interrupt of work in several parts, which may take `timeout` seconds from now on together.
pub fn until(timeout: Option<f64>, cancel: Option<&Bound<'_, CancelFlag>>) -> PyResult<Interrupt> {
    let plain = Interrupt::default();
    // A moment that no clock reaches is none.
    let timed = match seconds(timeout)?.and_then(|time| Instant::now().checked_add(time)) {
        Some(moment) => plain.deadline(moment),
        None => plain,
    };
    Ok(flagged(timed, cancel))
}
