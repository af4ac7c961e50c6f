//! Error objects: `hr_error`.
//!
//! The receiver owns an error. It is neither thread-local nor kept in the object that failed, so no
//! later call overwrites it and no other thread sees it.
//!
//! Unsafe code: reads through a handle that the caller promises to be live; see
//! [`boundary`](super::boundary).
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::status::hr_status;
use std::ffi::{CString, c_char};
use std::ptr;

/// The reason why a call failed. The receiver owns it and frees it with hr_error_free().
///
/// An error never changes: several threads may read it, and any of them may free it.
pub struct hr_error {
    status: hr_status,
    message: CString,
    line: usize,
    column: usize,
    pointer: Option<CString>,
}

impl From<CallError> for hr_error {
    fn from(failure: CallError) -> Self {
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

impl hr_error {
    /// Turns an error that the program's function wrote back into a failure. `status` is the status
    /// that the function returned.
    pub(super) fn into_call_error(self, status: hr_status) -> CallError {
        let text = |text: CString| text.to_string_lossy().into_owned();
        CallError {
            status,
            message: text(self.message),
            position: (self.line > 0).then_some((self.line, self.column)),
            pointer: self.pointer.map(text),
        }
    }
}

/// A C string. A NUL byte would end it early, so NUL bytes become the replacement character.
fn c_string(text: String) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let bytes = error.into_vec();
        let shown = String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}");
        CString::new(shown).unwrap_or_default()
    })
}

/// Makes an error, for code that wraps the library and reports its own failures as errors too.
/// status is an hr_status; HR_OK, and numbers that this version does not know, become
/// HR_ERROR_INTERNAL. Bytes of the message that are not UTF-8, and NUL, become the replacement
/// character. Returns NULL if message is NULL and message_len is not 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_error_new(
    status: u32,
    message: *const c_char,
    message_len: usize,
) -> *mut hr_error {
    boundary::return_new_object(|| {
        let message = unsafe { boundary::slice(message.cast::<u8>(), message_len, "message") }.ok()?;
        let failure = CallError::new(hr_status::from_number(status), String::from_utf8_lossy(message));
        Some(hr_error::from(failure))
    })
}

/// The status that the failing call returned; HR_OK for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_error_kind(error: *const hr_error) -> hr_status {
    boundary::return_value_or(hr_status::HR_OK, || unsafe { error.as_ref() }.map(|error| error.status))
}

/// The fault, its place, and a remedy: one or more lines of UTF-8 text, NUL-terminated.
///
/// The text lives as long as the error. Empty for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_error_message(error: *const hr_error) -> *const c_char {
    boundary::return_value_or(c"".as_ptr(), || unsafe { error.as_ref() }.map(|error| error.message.as_ptr()))
}

/// The place of the fault in the text that was given. Returns false, and changes nothing, if it is
/// not known.
///
/// line and column count from 1, columns in characters; both become 0 if only the pointer is known.
/// pointer becomes a JSON pointer (NUL-terminated, alive as long as the error) into a JSON text, or
/// NULL. Any of the three may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_error_location(
    error: *const hr_error,
    line: *mut usize,
    column: *mut usize,
    pointer: *mut *const c_char,
) -> bool {
    boundary::return_value_or(false, || {
        let error = unsafe { error.as_ref() }?;
        if error.line == 0 && error.pointer.is_none() {
            return None;
        }
        let text = error.pointer.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        unsafe {
            boundary::write_if_not_null(line, error.line);
            boundary::write_if_not_null(column, error.column);
            boundary::write_if_not_null(pointer, text);
        }
        Some(true)
    })
}
