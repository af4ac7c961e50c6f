//! Flags by which one thread ends the calls of another: `hr_cancel_flag`, given to calls and
//! matchers by [`hr_interrupt`](super::interrupt).
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that ends calls which take too long. Made by hr_cancel_flag_new(), freed by
/// hr_cancel_flag_free().
///
/// An hr_interrupt names it for one call, or for all calls on a matcher. While it is set, these
/// calls fail with HR_ERROR_CANCELLED; a call in progress ends within milliseconds. Matchers are
/// unchanged, and the call may be repeated after the flag is cleared.
///
/// Any number of threads may use it at once, and one flag may serve any number of matchers. It may
/// be freed at any time: matchers keep its state, which then does not change any more.
#[derive(Clone)]
pub struct hr_cancel_flag(pub(super) Arc<AtomicBool>);

/// Makes a flag, which is not set.
#[unsafe(no_mangle)]
pub extern "C" fn hr_cancel_flag_new() -> *mut hr_cancel_flag {
    boundary::return_new_object(|| Some(hr_cancel_flag(Arc::default())))
}

/// Sets a flag. It takes no lock and no memory, so a signal handler may call it. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_cancel_flag_set(flag: *const hr_cancel_flag) {
    unsafe { write_flag(flag, true) }
}

/// Clears a flag. It takes no lock and no memory, as hr_cancel_flag_set(). NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_cancel_flag_clear(flag: *const hr_cancel_flag) {
    unsafe { write_flag(flag, false) }
}

/// Sets or clears a flag. Relies on `read_flag` being NULL or live.
unsafe fn write_flag(flag: *const hr_cancel_flag, is_set: bool) {
    boundary::return_value_or((), || {
        // The flag publishes no other memory, so no ordering is needed.
        unsafe { flag.as_ref() }.map(|flag| flag.0.store(is_set, Ordering::Relaxed))
    });
}

/// True if a flag is set. False for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_cancel_flag_is_set(flag: *const hr_cancel_flag) -> bool {
    boundary::return_value_or(false, || unsafe { flag.as_ref() }.map(|flag| flag.0.load(Ordering::Relaxed)))
}
