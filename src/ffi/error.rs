//! Error objects: `hr_error`.
//!
//! Errors are owned by whoever receives them: neither thread-local nor kept in the object that failed, so that no later call
//! overwrites them and no other thread sees them.
//!
//! Unsafe code: reads through a handle the caller promises to be live; see [`boundary`](super::boundary).
#![allow(unsafe_code)]

use super::boundary::{self, Failure};
use super::status::hr_status;
use std::ffi::{c_char, CString};
use std::ptr;

/// Why a call failed. Belongs to whoever received it; free it with hr_error_free().
///
/// Does not change after it was made: it may be read by several threads and freed by any.
pub struct hr_error {
    status: hr_status,
    message: CString,
    line: usize,
    column: usize,
    pointer: Option<CString>,
}

impl From<Failure> for hr_error {
    fn from(failure: Failure) -> Self {
        let (line, column) = failure.position.unwrap_or((0, 0));
        hr_error {
            status: failure.status,
            message: c_string(failure.message),
            line,
            column,
            pointer: failure.pointer.map(c_string),
        }
    }
}

/// Text with NUL bytes, which C could not see beyond, shown as the replacement character.
fn c_string(text: String) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let bytes = error.into_vec();
        let shown = String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}");
        CString::new(shown).unwrap_or_default()
    })
}

/// The status that the failing call returned; HR_OK for NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_error_kind(error: *const hr_error) -> hr_status {
    boundary::value(hr_status::HR_OK, || unsafe { error.as_ref() }.map(|error| error.status))
}

/// What was wrong, where, and what to do about it: one or more lines of UTF-8 text, NUL-terminated.
///
/// Lives as long as the error. Empty for NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_error_message(error: *const hr_error) -> *const c_char {
    boundary::value(c"".as_ptr(), || unsafe { error.as_ref() }.map(|error| error.message.as_ptr()))
}

/// Where in the text that was given something is wrong. Returns false, and changes nothing, if that is not known.
///
/// line and column count from 1, columns in characters; both become 0 if only the pointer is known. pointer becomes a JSON
/// pointer (NUL-terminated, alive as long as the error) into a JSON text, or NULL. Any of the three may be NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_error_location(
    error: *const hr_error,
    line: *mut usize,
    column: *mut usize,
    pointer: *mut *const c_char,
) -> bool {
    boundary::value(false, || {
        let error = unsafe { error.as_ref() }?;
        if error.line == 0 && error.pointer.is_none() {
            return None;
        }
        let text = error.pointer.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        unsafe {
            boundary::set_if_wanted(line, error.line);
            boundary::set_if_wanted(column, error.column);
            boundary::set_if_wanted(pointer, text);
        }
        Some(true)
    })
}

/// Frees an error. NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn hr_error_free(error: *mut hr_error) {
    unsafe { boundary::free(error) }
}
