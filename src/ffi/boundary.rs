//! The boundary between C and Rust: checks of pointers, delivery of results, and a stop for panics.
//!
//! Every exported function is one call of a function of this module around a closure. The function
//! called depends on the way in which the exported function gives its result back:
//!
//! | exported function | its body |
//! |---|---|
//! | makes an object in an out-parameter | [`create_object`] |
//! | fills the caller's buffer | [`write_list`] |
//! | changes an object | [`change_state`] |
//! | changes an object and has an out-parameter | [`change_state_with_result`] |
//! | fills the caller's struct | `options::write_results` |
//! | returns an `hr_status`, and does none of the above | [`return_status`] |
//! | returns a value and cannot fail | [`return_value_or`] |
//! | returns a new object or NULL | [`return_new_object`] |
//!
//! The closure first turns its arguments into references with the functions below, and then works
//! on safe types only. Results are written through [`OutParameter`] after everything has succeeded,
//! so a failure leaves them unchanged.
//!
//! Unsafe code: only here does a raw pointer become a reference or slice. Each function states the
//! promises that it relies on. They are the caller's promises as written in the header, except for
//! those that are checked here (NULL, alignment, length).
#![allow(unsafe_code)]

use super::c_names;
use super::status::hr_status;
use std::any::Any;
use std::error::Error;
use std::ffi::c_char;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;

/// The content of an `hr_error`.
#[derive(Clone, Debug)]
pub(super) struct CallError {
    pub(super) status: hr_status,
    pub(super) message: String,
    /// Line and column of the fault, from 1.
    pub(super) position: Option<(usize, usize)>,
    /// JSON pointer to the fault.
    pub(super) pointer: Option<String>,
}

impl CallError {
    /// An error without a location.
    pub(super) fn new(status: hr_status, message: impl Into<String>) -> Self {
        CallError { status, message: message.into(), position: None, pointer: None }
    }

    /// The error of an argument that cannot be used: `HR_ERROR_INVALID_ARGUMENT`.
    pub(super) fn invalid_argument(message: impl Into<String>) -> Self {
        CallError::new(hr_status::HR_ERROR_INVALID_ARGUMENT, message)
    }

    /// The error whose message is the text of a library error and of its causes: "cannot write: the
    /// disk is full". Options have their C names. A cause whose text is already part of the message
    /// is left out.
    pub(super) fn from_error(status: hr_status, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        CallError::new(status, c_names::with_c_names(&message))
    }

    /// The error for a caught panic. The payload is dropped only if it is text, because the
    /// destructor of another type could panic again.
    fn from_panic(payload: Box<dyn Any + Send>) -> Self {
        let text = match payload.downcast::<&str>() {
            Ok(text) => (*text).to_owned(),
            Err(payload) => match payload.downcast::<String>() {
                Ok(text) => *text,
                Err(payload) => {
                    std::mem::forget(payload);
                    "unknown".to_owned()
                }
            },
        };
        CallError::new(hr_status::HR_ERROR_INTERNAL, format!("internal error in hedgerow: {text}"))
    }
}

/// Runs the body of an exported function and returns its status. The error of a failure is written
/// to `error`, unless that is NULL. A panic becomes `HR_ERROR_INTERNAL` and does not unwind past
/// this function.
///
/// Relies on `error` being NULL or pointing to a place for a pointer.
pub(super) unsafe fn return_status<E: From<CallError>>(
    error: *mut *mut E,
    body: impl FnOnce() -> Result<(), CallError>,
) -> hr_status {
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    let Err(failure) = outcome.unwrap_or_else(|payload| Err(CallError::from_panic(payload))) else {
        return hr_status::HR_OK;
    };
    let status = failure.status;
    if !error.is_null() {
        unsafe { error.write(Box::into_raw(Box::new(E::from(failure)))) };
    }
    status
}

/// Runs the body of an exported function that has no status. Returns `default` if the body has no
/// value, and after a panic.
pub(super) fn return_value_or<T>(default: T, body: impl FnOnce() -> Option<T>) -> T {
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(found) => found.unwrap_or(default),
        Err(payload) => {
            drop(CallError::from_panic(payload));
            default
        }
    }
}

/// Runs the body of an exported function that returns a new object, or NULL if `make` makes none.
/// The caller frees the object with [`free`].
pub(super) fn return_new_object<T>(make: impl FnOnce() -> Option<T>) -> *mut T {
    return_value_or(std::ptr::null_mut(), || Some(Box::into_raw(Box::new(make()?))))
}

/// Runs the body of an exported function that makes an object and writes it to `place`. The caller
/// frees the object with [`free`].
///
/// Relies on the promise of [`return_status`], and on `place` being NULL or writable.
pub(super) unsafe fn create_object<T, E: From<CallError>>(
    place: *mut *mut T,
    error: *mut *mut E,
    make: impl FnOnce() -> Result<T, CallError>,
) -> hr_status {
    let body = || {
        let place = unsafe { out_parameter(place, "out")? };
        place.set(Box::into_raw(Box::new(make()?)));
        Ok(())
    };
    unsafe { return_status(error, body) }
}

/// Runs the body of an exported function whose result is a list, and copies it to the caller's
/// buffer. Relies on the promises of [`return_status`] and of [`copy_out`].
pub(super) unsafe fn write_list<T: Copy, L: AsRef<[T]>, E: From<CallError>>(
    buffer: *mut T,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut E,
    make: impl FnOnce() -> Result<L, CallError>,
) -> hr_status {
    unsafe { return_status(error, || copy_out(make()?.as_ref(), buffer, capacity, len)) }
}

/// Runs the body of an exported function that changes the state of an object. Relies on the
/// promises of [`return_status`] and of [`object_mut`].
pub(super) unsafe fn change_state<O: Stateful<S>, S, E: From<CallError>>(
    object: *mut O,
    error: *mut *mut E,
    work: impl FnOnce(&mut S) -> Result<(), CallError>,
) -> hr_status {
    unsafe { return_status(error, || object_mut(object, O::NAME)?.state().change(work)) }
}

/// Runs the body of an exported function that changes the state of an object and writes one result
/// to `place`, the parameter called `name`. Relies on the promises of [`change_state`], and on
/// `place` being NULL or writable.
pub(super) unsafe fn change_state_with_result<O: Stateful<S>, S, T, E: From<CallError>>(
    object: *mut O,
    place: *mut T,
    name: &str,
    error: *mut *mut E,
    work: impl FnOnce(&mut S) -> Result<T, CallError>,
) -> hr_status {
    let body = || {
        let object = unsafe { object_mut(object, O::NAME)? };
        let place = unsafe { out_parameter(place, name)? };
        place.set(object.state().change(work)?);
        Ok(())
    };
    unsafe { return_status(error, body) }
}

/// Frees an object that [`create_object`] or [`return_new_object`] made. Relies on `object` being
/// NULL, or the pointer to such an object that has not been freed.
pub(super) unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        return_value_or((), || {
            drop(unsafe { Box::from_raw(object) });
            Some(())
        });
    }
}

/// Takes an object back from the program, which may not use the pointer any more; `None` for NULL.
/// Relies on the promise of [`free`].
pub(super) unsafe fn take_ownership<T>(object: *mut T) -> Option<T> {
    (!object.is_null()).then(|| *unsafe { Box::from_raw(object) })
}

/// The place of a result in the caller's memory, checked for NULL and alignment.
pub(super) struct OutParameter<T>(NonNull<T>);

impl<T> OutParameter<T> {
    /// Writes the result.
    pub(super) fn set(self, value: T) {
        // The memory may never have been initialised, so its old value is not dropped.
        unsafe { self.0.as_ptr().write(value) }
    }
}

/// Checks the out-parameter called `name`. Relies on `pointer` being NULL or writable.
pub(super) unsafe fn out_parameter<T>(pointer: *mut T, name: &str) -> Result<OutParameter<T>, CallError> {
    check_alignment(pointer, name)?;
    NonNull::new(pointer).map(OutParameter).ok_or_else(|| null_error(name))
}

/// Writes a result to an out-parameter that may be NULL. Relies on `pointer` being NULL or
/// writable.
pub(super) unsafe fn write_if_not_null<T>(pointer: *mut T, value: T) {
    if !pointer.is_null() {
        unsafe { pointer.write(value) }
    }
}

/// Borrows an object to read it; an error if the parameter `name` is NULL. Relies on `object` being
/// NULL or live, and on no change of it meanwhile.
pub(super) unsafe fn object<'a, T>(object: *const T, name: &str) -> Result<&'a T, CallError> {
    check_alignment(object, name)?;
    unsafe { object.as_ref() }.ok_or_else(|| null_error(name))
}

/// Borrows an object to change it; an error if the parameter `name` is NULL. Relies on `object`
/// being NULL or live, and on no other thread using it meanwhile.
pub(super) unsafe fn object_mut<'a, T>(object: *mut T, name: &str) -> Result<&'a mut T, CallError> {
    check_alignment(object, name)?;
    unsafe { object.as_mut() }.ok_or_else(|| null_error(name))
}

/// Borrows objects to change them; an error if one occurs twice. Relies on the promises of
/// [`slice`] and [`object_mut`].
pub(super) unsafe fn objects_mut<'a, T>(
    objects: *const *mut T,
    count: usize,
    name: &str,
) -> Result<Vec<&'a mut T>, CallError> {
    let pointers = unsafe { slice(objects, count, name)? };
    if has_duplicate(pointers) {
        return Err(CallError::invalid_argument(format!("{name} holds the same object twice")));
    }
    let member = format!("a member of {name}");
    pointers.iter().map(|&pointer| unsafe { object_mut(pointer, &member) }).collect()
}

/// True if a value occurs twice.
pub(super) fn has_duplicate<T: Copy + Ord>(values: &[T]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// The out-parameter `row_errors` of a batch: a place for the error of each row. Without places, if
/// the caller passes NULL.
pub(super) struct RowErrors<'a, E>(&'a mut [*mut E]);

impl<E: From<CallError>> RowErrors<'_, E> {
    /// Checks the parameter. Relies on `places` being NULL or `count` places long.
    pub(super) unsafe fn new(places: *mut *mut E, count: usize) -> Result<Self, CallError> {
        Ok(RowErrors(unsafe { optional_slice_mut(places, count, "row_errors")? }))
    }

    /// Writes the error of each row that failed, and NULL for all other rows. Returns the first
    /// error as that of the whole call.
    pub(super) fn write(
        self,
        failures: impl IntoIterator<Item = (usize, CallError)>,
    ) -> Result<(), CallError> {
        self.0.fill(std::ptr::null_mut());
        let mut first = Ok(());
        for (row, failure) in failures {
            if first.is_ok() {
                first = Err(failure.clone());
            }
            if let Some(place) = self.0.get_mut(row) {
                *place = Box::into_raw(Box::new(E::from(failure)));
            }
        }
        first
    }
}

/// Borrows an array to read it; with length 0 the pointer is ignored. Relies on `len` elements at
/// `pointer`, of a type for which all bit patterns are valid.
pub(super) unsafe fn slice<'a, T: Copy>(
    pointer: *const T,
    len: usize,
    name: &str,
) -> Result<&'a [T], CallError> {
    if len == 0 {
        return Ok(&[]);
    }
    check_elements(pointer, len, name)?;
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// Borrows an array to change it, as [`slice`] does. Relies on no other use of it meanwhile.
pub(super) unsafe fn slice_mut<'a, T: Copy>(
    pointer: *mut T,
    len: usize,
    name: &str,
) -> Result<&'a mut [T], CallError> {
    if len == 0 {
        return Ok(&mut []);
    }
    check_elements(pointer, len, name)?;
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, len) })
}

/// Borrows an array to change it; NULL stands for an array without elements. Relies on the promise
/// of [`slice_mut`].
pub(super) unsafe fn optional_slice_mut<'a, T: Copy>(
    pointer: *mut T,
    len: usize,
    name: &str,
) -> Result<&'a mut [T], CallError> {
    unsafe { slice_mut(pointer, if pointer.is_null() { 0 } else { len }, name) }
}

/// The number of elements from the first element of the first row to the last element of the last
/// row. A row has `width` elements, and rows begin `stride` elements apart.
pub(super) fn strided_len(rows: usize, stride: usize, width: usize, name: &str) -> Result<usize, CallError> {
    if rows == 0 || width == 0 {
        return Ok(0);
    }
    let last_row = stride.checked_mul(rows - 1);
    last_row.and_then(|start| start.checked_add(width)).ok_or_else(|| {
        CallError::invalid_argument(format!("{name}: {rows} rows of stride {stride} overflow"))
    })
}

/// Checks that `len` elements can lie at a pointer, for a caller that borrows only some of them.
pub(super) fn check_extent<T>(pointer: *const T, len: usize, name: &str) -> Result<(), CallError> {
    match len {
        0 => Ok(()),
        _ => check_elements(pointer, len, name),
    }
}

/// Borrows a UTF-8 text. Relies on the promises of [`slice`].
pub(super) unsafe fn text<'a>(pointer: *const c_char, len: usize, name: &str) -> Result<&'a str, CallError> {
    let bytes = unsafe { slice(pointer.cast::<u8>(), len, name)? };
    std::str::from_utf8(bytes).map_err(|error| {
        CallError::invalid_argument(format!("{name} is not UTF-8 from byte {} on", error.valid_up_to()))
    })
}

/// Copies as many values as fit into a buffer, and writes the number of all values to `len`. Relies
/// on `buffer` being NULL or `capacity` elements long, and on the promise of [`out_parameter`] for
/// `len`.
pub(super) unsafe fn copy_out<T: Copy>(
    values: &[T],
    buffer: *mut T,
    capacity: usize,
    len: *mut usize,
) -> Result<(), CallError> {
    let len = unsafe { out_parameter(len, "the place for the length")? };
    let buffer = unsafe { slice_mut(buffer, capacity, "buffer")? };
    let fits = values.len().min(buffer.len());
    buffer[..fits].copy_from_slice(&values[..fits]);
    len.set(values.len());
    Ok(())
}

/// The error of a required parameter that is NULL.
fn null_error(name: &str) -> CallError {
    CallError::invalid_argument(format!("{name} is NULL"))
}

fn check_alignment<T>(pointer: *const T, name: &str) -> Result<(), CallError> {
    if pointer.is_aligned() {
        return Ok(());
    }
    Err(CallError::invalid_argument(format!(
        "{name} is not aligned to {} bytes: {pointer:p}",
        align_of::<T>()
    )))
}

fn check_elements<T>(pointer: *const T, len: usize, name: &str) -> Result<(), CallError> {
    if pointer.is_null() {
        return Err(CallError::invalid_argument(format!("{name} is NULL, but its length is {len}")));
    }
    check_alignment(pointer, name)?;
    match len.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(()),
        _ => Err(CallError::invalid_argument(format!(
            "{name} cannot have {len} elements: no memory is that large"
        ))),
    }
}

/// A C object whose state changes, such as `hr_matcher`.
pub(super) trait Stateful<S> {
    /// The name of the parameter that holds the object: `matcher`. Error messages use it.
    const NAME: &'static str;

    /// The state of the object.
    fn state(&mut self) -> &mut Poisonable<S>;
}

/// The state of an object. A panic during a change poisons it, because the state may then be half
/// changed. A poisoned state can be neither read nor changed.
///
/// The flag `is_changing` is set before a change and cleared after it. A panic leaves it set.
pub(super) struct Poisonable<T> {
    state: T,
    is_changing: bool,
}

impl<T> Poisonable<T> {
    pub(super) fn new(state: T) -> Self {
        Poisonable { state, is_changing: false }
    }

    /// The state to read; an error if it is poisoned.
    pub(super) fn get(&self) -> Result<&T, CallError> {
        if self.is_changing {
            return Err(CallError::new(
                hr_status::HR_ERROR_INTERNAL,
                "an internal error left this object unusable; free it",
            ));
        }
        Ok(&self.state)
    }

    /// Changes the state; an error if it is poisoned.
    pub(super) fn change<R>(
        &mut self,
        body: impl FnOnce(&mut T) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        self.get()?;
        self.is_changing = true;
        let result = body(&mut self.state);
        self.is_changing = false;
        result
    }

    /// Changes several states at once; an error if any of them is poisoned.
    pub(super) fn change_all<R>(
        all: &mut [&mut Self],
        body: impl FnOnce(&mut [&mut T]) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        all.iter().try_for_each(|one| one.get().map(drop))?;
        let (mut states, mut flags) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
        for Poisonable { state, is_changing } in all.iter_mut().map(|one| &mut **one) {
            *is_changing = true;
            states.push(state);
            flags.push(is_changing);
        }
        let result = body(&mut states);
        flags.into_iter().for_each(|is_changing| *is_changing = false);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::{hr_error_kind, hr_error_message};
    use super::super::objects::hr_error_free;
    use super::*;
    use std::ffi::CStr;
    use std::ptr;

    fn status_and_message(body: impl FnOnce() -> Result<(), CallError>) -> (hr_status, String) {
        let mut error = ptr::null_mut();
        let status = unsafe { return_status(&mut error, body) };
        assert_eq!(unsafe { hr_error_kind(error) }, status);
        let message = unsafe { CStr::from_ptr(hr_error_message(error)) }.to_str().unwrap().to_owned();
        unsafe { hr_error_free(error) };
        (status, message)
    }

    #[test]
    fn panics_become_errors() {
        let (status, message) = status_and_message(|| panic!("number {}", 7));
        assert_eq!(status, hr_status::HR_ERROR_INTERNAL);
        assert_eq!(message, "internal error in hedgerow: number 7");
        assert_eq!(status_and_message(|| panic!("plain")).1, "internal error in hedgerow: plain");
        assert_eq!(status_and_message(|| panic::panic_any(7)).1, "internal error in hedgerow: unknown");
        assert_eq!(return_value_or(5, || panic!("in a getter")), 5);
    }

    #[test]
    fn a_panic_poisons_its_object_only() {
        let (mut first, mut second) = (Poisonable::new(1), Poisonable::new(1));
        let (status, _) = status_and_message(|| {
            first.change(|state| {
                *state = 2;
                panic!("half way")
            })
        });
        assert_eq!(status, hr_status::HR_ERROR_INTERNAL);
        let after = first.change(|state| Ok(*state)).unwrap_err();
        assert_eq!(after.message, "an internal error left this object unusable; free it");
        assert!(first.get().is_err());
        assert!(Poisonable::change_all(&mut [&mut second, &mut first], |_| Ok(())).is_err());
        let sum = Poisonable::change_all(&mut [&mut second], |states| {
            Ok(states.iter().map(|state| **state).sum::<i32>())
        });
        assert_eq!(sum.unwrap(), 1);
        let mut third = Poisonable::new(1);
        status_and_message(|| Poisonable::change_all(&mut [&mut third], |_| panic!("half way")));
        assert!(third.get().is_err());
        assert_eq!(second.change(|state| Ok(*state)).unwrap(), 1);
    }

    #[test]
    fn pointers_are_checked() {
        let word = 0u64;
        let odd = (&raw const word).cast::<u8>().wrapping_add(1).cast::<u32>();
        unsafe {
            assert!(slice::<u32>(ptr::null(), 0, "tokens").unwrap().is_empty());
            assert!(slice::<u32>(odd, 0, "tokens").unwrap().is_empty());
            let message = |r: Result<&[u32], CallError>| r.unwrap_err().message;
            assert_eq!(message(slice(ptr::null(), 2, "tokens")), "tokens is NULL, but its length is 2");
            assert!(message(slice(odd, 1, "tokens")).starts_with("tokens is not aligned to 4 bytes"));
            let huge = slice(ptr::dangling::<u32>(), usize::MAX, "tokens");
            assert!(message(huge).ends_with("no memory is that large"));
            let bad = text(b"ab\xff".as_ptr().cast(), 3, "schema").unwrap_err();
            assert_eq!(bad.message, "schema is not UTF-8 from byte 2 on");
            assert!(out_parameter::<u32>(odd.cast_mut(), "mask").is_err());
        }
    }

    #[test]
    fn buffers_take_what_fits() {
        let (mut buffer, mut len) = ([9u32; 2], 0);
        unsafe {
            copy_out(&[1, 2, 3], buffer.as_mut_ptr(), 2, &mut len).unwrap();
            assert_eq!((buffer, len), ([1, 2], 3));
            copy_out(&[5], buffer.as_mut_ptr(), 2, &mut len).unwrap();
            assert_eq!((buffer, len), ([5, 2], 1));
            copy_out(&[1, 2, 3], ptr::null_mut(), 0, &mut len).unwrap();
            assert_eq!(len, 3);
            assert!(copy_out(&[1], ptr::null_mut(), 1, &mut len).is_err());
        }
    }

    #[test]
    fn causes_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("the disk is full")]
        struct Inner;
        #[derive(Debug, thiserror::Error)]
        enum Outer {
            #[error("cannot write: {0}")]
            Told(#[source] Inner),
            #[error("cannot write")]
            Silent(#[source] Inner),
        }
        for error in [Outer::Told(Inner), Outer::Silent(Inner)] {
            let failure = CallError::from_error(hr_status::HR_ERROR_IO, &error);
            assert_eq!(failure.message, "cannot write: the disk is full");
        }
    }
}
