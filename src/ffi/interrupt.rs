//! Limits on the time of calls: `hr_interrupt`, given to one call or to all calls of a matcher.
//!
//! Unsafe code: the struct promises [`Versioned`]; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::cancel_flag::hr_cancel_flag;
use super::options::{self, Versioned};
use super::status::hr_status;
use crate::engine::{Interrupt, Interrupted};
use std::time::Duration;
#[cfg(feature = "torch")]
use std::time::Instant;

/// The conditions under which a call ends early: with HR_ERROR_LIMIT after a time, and with
/// HR_ERROR_CANCELLED when a flag is set. Initialise it with hr_interrupt_init(). It belongs to one
/// call, or to one matcher; calls of other matchers on the same constraint continue.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_interrupt {
    /// Set by hr_interrupt_init().
    pub struct_size: usize,
    /// Time limit of each call, in milliseconds; 0, the default, is no limit.
    pub timeout_ms: u64,
    /// A flag that ends calls while it is set; NULL, the default, for none. The pointer is needed
    /// only during the call that takes this struct.
    pub cancel: *const hr_cancel_flag,
}

// The members are numbers and a raw pointer.
unsafe impl Versioned for hr_interrupt {}

impl From<Interrupted> for CallError {
    fn from(why: Interrupted) -> Self {
        let status = match why {
            Interrupted::Deadline => hr_status::HR_ERROR_LIMIT,
            Interrupted::Cancelled => hr_status::HR_ERROR_CANCELLED,
        };
        CallError::from_error(status, &why)
    }
}

/// Converts the struct to the library's type. NULL becomes an [`Interrupt`] that never ends a call.
/// The time limit begins anew with each call. Relies on `struct_size` bytes at the pointer, and on
/// the flag being NULL or live.
pub(super) unsafe fn read(interrupt: *const hr_interrupt) -> Result<Interrupt, CallError> {
    unsafe { read_with(interrupt, Interrupt::timeout) }
}

/// Converts the struct as [`read`] does, but turns the time limit into a deadline that is counted
/// from now. A call of many steps needs this, because all of its steps share one limit.
#[cfg(feature = "torch")]
pub(super) unsafe fn read_with_deadline(interrupt: *const hr_interrupt) -> Result<Interrupt, CallError> {
    let set_deadline = |interrupt: Interrupt, time| match Instant::now().checked_add(time) {
        Some(deadline) => interrupt.deadline(deadline),
        None => interrupt,
    };
    unsafe { read_with(interrupt, set_deadline) }
}

/// Converts the struct; `set_limit` applies the time limit. Relies on the promises of [`read`].
unsafe fn read_with(
    interrupt: *const hr_interrupt,
    set_limit: impl FnOnce(Interrupt, Duration) -> Interrupt,
) -> Result<Interrupt, CallError> {
    let given = unsafe { options::read(interrupt, "interrupt")? };
    let mut interrupt = Interrupt::default();
    if given.timeout_ms > 0 {
        interrupt = set_limit(interrupt, Duration::from_millis(given.timeout_ms));
    }
    if !given.cancel.is_null() {
        let flag = unsafe { boundary::object(given.cancel, "interrupt.cancel")? };
        interrupt = interrupt.flag(flag.0.clone());
    }
    Ok(interrupt)
}

/// Writes the defaults into a struct of struct_size bytes; NULL is ignored. hr_interrupt_init()
/// passes the size that the struct has in this header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_interrupt_init_sized(interrupt: *mut hr_interrupt, struct_size: usize) {
    unsafe { options::init(interrupt, struct_size) }
}
