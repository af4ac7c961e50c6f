//! Calls into the library: without the interpreter's lock, and without panics on the way back.

use super::error::CallError;
use hedgerow::engine::Interrupt;
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The time between two looks at signals.
const PAUSE: Duration = Duration::from_millis(20);

/// Does `work` while other Python threads run, and raises its failure.
pub fn outside<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, CallError> + Send) -> PyResult<T> {
    py.detach(|| caught(work)).map_err(|failure| failure.raise(py))
}

/// Does `work` that may take long, under `interrupt`. Python hears of signals such as Ctrl-C on its
/// main thread only: there the work is done by another thread, while this one looks for signals and
/// ends the work when a handler raises.
pub fn long<T: Send>(
    py: Python<'_>,
    interrupt: Interrupt,
    work: impl FnOnce(&Interrupt) -> Result<T, CallError> + Send,
) -> PyResult<T> {
    if !is_main_thread(py)? {
        return outside(py, || work(&interrupt));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let interrupt = interrupt.flag(stop.clone());
    let (done, waiting) = mpsc::channel();
    let mut waiting = Some(waiting);
    std::thread::scope(|scope| {
        scope.spawn(move || done.send(caught(|| work(&interrupt))));
        let mut raised = None;
        while let Some(receiver) = waiting.take() {
            let (receiver, news) = py.detach(move || {
                let news = receiver.recv_timeout(PAUSE);
                (receiver, news)
            });
            match news {
                Ok(result) => return raised.map_or(result.map_err(|failure| failure.raise(py)), Err),
                Err(RecvTimeoutError::Timeout) => waiting = Some(receiver),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if let Err(error) = py.check_signals() {
                stop.store(true, Ordering::Relaxed);
                raised.get_or_insert(error);
            }
        }
        Err(CallError::internal("a thread ended without an answer".to_owned()).raise(py))
    })
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let [now, main] = ["current_thread", "main_thread"].map(|name| threading.call_method0(name));
    Ok(now?.is(&main?))
}

fn caught<T>(work: impl FnOnce() -> Result<T, CallError>) -> Result<T, CallError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(broken(&*panic)))
}

/// The failure that a caught panic is.
fn broken(panic: &(dyn Any + Send)) -> CallError {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    CallError::internal(format!(
        "a fault in hedgerow itself ({}); please report it with the input",
        said.unwrap_or("no message")
    ))
}

/// The lock on an object that changes. Call it in [`outside`] only: who waits for it while holding
/// the interpreter's lock may wait for ever.
pub fn lock<T>(object: &Mutex<T>) -> Result<MutexGuard<'_, T>, CallError> {
    let broken = "an earlier call on this object ended in a fault; make a new one";
    object.lock().map_err(|_| CallError::internal(broken.to_owned()))
}
