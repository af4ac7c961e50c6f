//! When calls end early: `hr_interrupt`, given to a call that may take long, or to a matcher for all of its calls.
//!
//! Unsafe code: the struct promises [`Versioned`]; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, Failure};
use super::cancel_flag::hr_cancel_flag;
use super::options::{self, Versioned};
use super::status::hr_status;
use crate::engine::{Interrupt, Interrupted};
use std::ptr;
use std::time::Duration;

/// When a call ends early, with HR_ERROR_LIMIT after a time and with HR_ERROR_CANCELLED when a flag is set. Set it up with
/// hr_interrupt_init(). It belongs to one call, or to one matcher: calls of others on the same constraint go on.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_interrupt {
    /// Set by hr_interrupt_init().
    pub struct_size: usize,
    /// How long each call may take, in milliseconds; 0 is any time (default).
    pub timeout_ms: u64,
    /// While it is set, calls end. Needed only during the call that is given this struct. Default NULL: there is none.
    pub cancel: *const hr_cancel_flag,
}

// Numbers and a raw pointer.
unsafe impl Versioned for hr_interrupt {
    fn defaults() -> Self {
        hr_interrupt { struct_size: size_of::<Self>(), timeout_ms: 0, cancel: ptr::null() }
    }
}

impl From<Interrupted> for Failure {
    fn from(why: Interrupted) -> Self {
        let status = match why {
            Interrupted::Deadline => hr_status::HR_ERROR_LIMIT,
            Interrupted::Cancelled => hr_status::HR_ERROR_CANCELLED,
        };
        Failure::of(status, &why)
    }
}

/// What a struct asks for; never for NULL. Relies on its `struct_size` bytes being there, and on a live flag.
pub(super) unsafe fn read(interrupt: *const hr_interrupt) -> Result<Interrupt, Failure> {
    let given = unsafe { options::read(interrupt, "interrupt")? };
    let mut interrupt = Interrupt::default();
    if given.timeout_ms > 0 {
        interrupt = interrupt.timeout(Duration::from_millis(given.timeout_ms));
    }
    if !given.cancel.is_null() {
        let flag = unsafe { boundary::object(given.cancel, "interrupt.cancel")? };
        interrupt = interrupt.flag(flag.0.clone());
    }
    Ok(interrupt)
}

/// Sets up an interrupt that never ends a call. NULL is ignored.
#[no_mangle]
pub unsafe extern "C" fn hr_interrupt_init(interrupt: *mut hr_interrupt) {
    unsafe { options::init(interrupt) }
}
