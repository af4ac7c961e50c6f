//! The boundary between C and Rust: checks of pointers, delivery of results, and a stop for panics.
//!
//! Every entry point is one call of [`guard`], or of [`value`] for calls that cannot fail, around a
//! closure. [`create`], [`list`], [`change`] and [`answer`] are [`guard`] for one kind of call
//! each, and [`handle`] is [`value`] for a new object.
//!
//! The closure first turns its arguments into references with the functions below, and then works
//! on safe types only. Results are written through [`Out`] after everything has succeeded, so a
//! failure leaves them unchanged.
//!
//! Unsafe code: only here does a raw pointer become a reference or slice. Each function states the
//! promises that it relies on. They are the caller's promises as written in the header, except for
//! those that are checked here (NULL, alignment, length).
#![allow(unsafe_code)]

use super::names;
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
    pub(super) fn new(status: hr_status, message: impl Into<String>) -> Self {
        CallError { status, message: message.into(), position: None, pointer: None }
    }

    pub(super) fn argument(message: impl Into<String>) -> Self {
        CallError::new(hr_status::HR_ERROR_INVALID_ARGUMENT, message)
    }

    /// The text of an error and of its causes, with C names for options. A cause whose text is
    /// already part of the message is left out.
    pub(super) fn of(status: hr_status, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        CallError::new(status, names::in_c(&message))
    }

    /// A caught panic. The payload is dropped only if it is text, because the destructor of another
    /// type could panic again.
    fn of_panic(payload: Box<dyn Any + Send>) -> Self {
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

/// Runs an entry point: returns its status, and sets `error` if the caller wants it. No panic
/// unwinds past this function.
///
/// Relies on `error` being NULL or pointing to a place for a pointer.
pub(super) unsafe fn guard<E: From<CallError>>(
    error: *mut *mut E,
    body: impl FnOnce() -> Result<(), CallError>,
) -> hr_status {
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    let Err(failure) = outcome.unwrap_or_else(|payload| Err(CallError::of_panic(payload))) else {
        return hr_status::HR_OK;
    };
    let status = failure.status;
    if !error.is_null() {
        unsafe { error.write(Box::into_raw(Box::new(E::from(failure)))) };
    }
    status
}

/// Runs an entry point that has no status. It returns `otherwise` if there is no value, and after a
/// panic.
pub(super) fn value<T>(otherwise: T, body: impl FnOnce() -> Option<T>) -> T {
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(found) => found.unwrap_or(otherwise),
        Err(payload) => {
            drop(CallError::of_panic(payload));
            otherwise
        }
    }
}

/// Makes an object for an entry point that has no status, as [`value`] does. NULL says that there
/// is no object. The caller frees it with [`free`].
pub(super) fn handle<T>(make: impl FnOnce() -> Option<T>) -> *mut T {
    value(std::ptr::null_mut(), || Some(Box::into_raw(Box::new(make()?))))
}

/// Runs an entry point that makes an object, as [`guard`]. The caller frees it with [`free`].
///
/// Relies on the promise of [`guard`], and on `place` being NULL or writable.
pub(super) unsafe fn create<T, E: From<CallError>>(
    place: *mut *mut T,
    error: *mut *mut E,
    make: impl FnOnce() -> Result<T, CallError>,
) -> hr_status {
    let body = || {
        let place = unsafe { out(place, "out")? };
        place.set(Box::into_raw(Box::new(make()?)));
        Ok(())
    };
    unsafe { guard(error, body) }
}

/// Runs an entry point whose result is a list, as [`guard`]. Relies on the promises of [`guard`]
/// and of [`copy_out`].
pub(super) unsafe fn list<T: Copy, L: AsRef<[T]>, E: From<CallError>>(
    buffer: *mut T,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut E,
    make: impl FnOnce() -> Result<L, CallError>,
) -> hr_status {
    unsafe { guard(error, || copy_out(make()?.as_ref(), buffer, capacity, len)) }
}

/// Runs an entry point that changes the state of an object, as [`guard`]. Relies on the promises of
/// [`guard`] and of [`object_mut`].
pub(super) unsafe fn change<O: Stateful<S>, S, E: From<CallError>>(
    object: *mut O,
    error: *mut *mut E,
    work: impl FnOnce(&mut S) -> Result<(), CallError>,
) -> hr_status {
    unsafe { guard(error, || object_mut(object, O::NAME)?.state().change(work)) }
}

/// Runs an entry point that changes the state of an object and gives one result to the caller, in
/// the parameter `place` of this name. Relies on the promises of [`change`], and on `place` being
/// NULL or writable.
pub(super) unsafe fn answer<O: Stateful<S>, S, T, E: From<CallError>>(
    object: *mut O,
    place: *mut T,
    name: &str,
    error: *mut *mut E,
    work: impl FnOnce(&mut S) -> Result<T, CallError>,
) -> hr_status {
    let body = || {
        let object = unsafe { object_mut(object, O::NAME)? };
        let place = unsafe { out(place, name)? };
        place.set(object.state().change(work)?);
        Ok(())
    };
    unsafe { guard(error, body) }
}

/// Frees an object that [`create`] or [`handle`] gave out. Relies on `object` being NULL or such a
/// pointer, not freed yet.
pub(super) unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        value((), || {
            drop(unsafe { Box::from_raw(object) });
            Some(())
        });
    }
}

/// An object that the program gives back for good. Relies on the promise of [`free`].
pub(super) unsafe fn take<T>(object: *mut T) -> Option<T> {
    (!object.is_null()).then(|| *unsafe { Box::from_raw(object) })
}

/// A place for a result, known to be writable.
pub(super) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    pub(super) fn set(self, value: T) {
        // The memory may never have been initialised, so its old value is not dropped.
        unsafe { self.0.as_ptr().write(value) }
    }
}

/// A place for a result. Relies on `pointer` being NULL or writable.
pub(super) unsafe fn out<T>(pointer: *mut T, name: &str) -> Result<Out<T>, CallError> {
    check_alignment(pointer, name)?;
    NonNull::new(pointer).map(Out).ok_or_else(|| is_null(name))
}

/// Writes a result if the caller wants it. Relies on `pointer` being NULL or writable.
pub(super) unsafe fn set_if_wanted<T>(pointer: *mut T, value: T) {
    if !pointer.is_null() {
        unsafe { pointer.write(value) }
    }
}

/// An object to read. Relies on `object` being NULL or live, and not changed meanwhile.
pub(super) unsafe fn object<'a, T>(object: *const T, name: &str) -> Result<&'a T, CallError> {
    check_alignment(object, name)?;
    unsafe { object.as_ref() }.ok_or_else(|| is_null(name))
}

/// An object to change. Relies on `object` being NULL or live, and not used by any other thread
/// meanwhile.
pub(super) unsafe fn object_mut<'a, T>(object: *mut T, name: &str) -> Result<&'a mut T, CallError> {
    check_alignment(object, name)?;
    unsafe { object.as_mut() }.ok_or_else(|| is_null(name))
}

/// Objects to change, of which none may occur twice. Relies on the promises of [`slice`] and
/// [`object_mut`].
pub(super) unsafe fn objects_mut<'a, T>(
    objects: *const *mut T,
    count: usize,
    name: &str,
) -> Result<Vec<&'a mut T>, CallError> {
    let pointers = unsafe { slice(objects, count, name)? };
    if has_duplicate(pointers) {
        return Err(CallError::argument(format!("{name} holds the same object twice")));
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

/// The places for the errors of a batch's rows, which the caller may leave out.
pub(super) struct RowErrors<'a, E>(&'a mut [*mut E]);

impl<E: From<CallError>> RowErrors<'_, E> {
    /// Relies on `places` being NULL or `count` places long.
    pub(super) unsafe fn new(places: *mut *mut E, count: usize) -> Result<Self, CallError> {
        let wanted = if places.is_null() { 0 } else { count };
        Ok(RowErrors(unsafe { slice_mut(places, wanted, "row_errors")? }))
    }

    /// Writes the error of each row that failed, and NULL for all other rows. Returns the first
    /// error as that of the whole call.
    pub(super) fn give(
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

/// Elements to read; with length 0 the pointer is ignored. Relies on `len` elements at `pointer`,
/// of a type for which all bit patterns are valid.
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

/// Elements to change, as [`slice`]. Relies on no other use of them meanwhile.
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

/// Checks that `len` elements can lie at a pointer. The caller then reads only some of them.
pub(super) fn check_extent<T>(pointer: *const T, len: usize, name: &str) -> Result<(), CallError> {
    match len {
        0 => Ok(()),
        _ => check_elements(pointer, len, name),
    }
}

/// UTF-8 text. Relies on the promises of [`slice`].
pub(super) unsafe fn text<'a>(pointer: *const c_char, len: usize, name: &str) -> Result<&'a str, CallError> {
    let bytes = unsafe { slice(pointer.cast::<u8>(), len, name)? };
    std::str::from_utf8(bytes).map_err(|error| {
        CallError::argument(format!("{name} is not UTF-8 from byte {} on", error.valid_up_to()))
    })
}

/// Copies as many values as fit, and writes the number of all values to `len`. Relies on `buffer`
/// being NULL or `capacity` elements long, and on the promise of [`out`] for `len`.
pub(super) unsafe fn copy_out<T: Copy>(
    values: &[T],
    buffer: *mut T,
    capacity: usize,
    len: *mut usize,
) -> Result<(), CallError> {
    let len = unsafe { out(len, "the place for the length")? };
    let buffer = unsafe { slice_mut(buffer, capacity, "buffer")? };
    let fits = values.len().min(buffer.len());
    buffer[..fits].copy_from_slice(&values[..fits]);
    len.set(values.len());
    Ok(())
}

fn is_null(name: &str) -> CallError {
    CallError::argument(format!("{name} is NULL"))
}

fn check_alignment<T>(pointer: *const T, name: &str) -> Result<(), CallError> {
    if pointer.is_aligned() {
        return Ok(());
    }
    Err(CallError::argument(format!("{name} is not aligned to {} bytes: {pointer:p}", align_of::<T>())))
}

fn check_elements<T>(pointer: *const T, len: usize, name: &str) -> Result<(), CallError> {
    if pointer.is_null() {
        return Err(CallError::argument(format!("{name} is NULL, but its length is {len}")));
    }
    check_alignment(pointer, name)?;
    match len.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(()),
        _ => Err(CallError::argument(format!("{name} cannot have {len} elements: no memory is that large"))),
    }
}

/// An object of C whose state changes. Error messages name it by the parameter that holds it.
pub(super) trait Stateful<S> {
    /// The name of that parameter.
    const NAME: &'static str;

    fn state(&mut self) -> &mut Guarded<S>;
}

/// The state of an object that a panic may have left half changed.
///
/// The mark `busy` is set before a change and cleared after it. A panic leaves it set.
pub(super) struct Guarded<T> {
    state: T,
    busy: bool,
}

impl<T> Guarded<T> {
    pub(super) fn new(state: T) -> Self {
        Guarded { state, busy: false }
    }

    /// The state to read; fails after a change that panicked.
    pub(super) fn get(&self) -> Result<&T, CallError> {
        if self.busy {
            return Err(CallError::new(
                hr_status::HR_ERROR_INTERNAL,
                "an internal error left this object unusable; free it",
            ));
        }
        Ok(&self.state)
    }

    /// Changes the state; fails after a change that panicked.
    pub(super) fn change<R>(
        &mut self,
        body: impl FnOnce(&mut T) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        self.get()?;
        self.busy = true;
        let result = body(&mut self.state);
        self.busy = false;
        result
    }

    /// Changes several states at once; fails after a change of any of them that panicked.
    pub(super) fn change_all<R>(
        all: &mut [&mut Self],
        body: impl FnOnce(&mut [&mut T]) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        all.iter().try_for_each(|one| one.get().map(drop))?;
        let (mut states, mut marks) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
        for Guarded { state, busy } in all.iter_mut().map(|one| &mut **one) {
            *busy = true;
            states.push(state);
            marks.push(busy);
        }
        let result = body(&mut states);
        marks.into_iter().for_each(|busy| *busy = false);
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

    fn failing(body: impl FnOnce() -> Result<(), CallError>) -> (hr_status, String) {
        let mut error = ptr::null_mut();
        let status = unsafe { guard(&mut error, body) };
        assert_eq!(unsafe { hr_error_kind(error) }, status);
        let message = unsafe { CStr::from_ptr(hr_error_message(error)) }.to_str().unwrap().to_owned();
        unsafe { hr_error_free(error) };
        (status, message)
    }

    #[test]
    fn panics_become_errors() {
        let (status, message) = failing(|| panic!("number {}", 7));
        assert_eq!(status, hr_status::HR_ERROR_INTERNAL);
        assert_eq!(message, "internal error in hedgerow: number 7");
        assert_eq!(failing(|| panic!("plain")).1, "internal error in hedgerow: plain");
        assert_eq!(failing(|| panic::panic_any(7)).1, "internal error in hedgerow: unknown");
        assert_eq!(value(5, || panic!("in a getter")), 5);
    }

    #[test]
    fn a_panic_spoils_its_object_only() {
        let (mut first, mut second) = (Guarded::new(1), Guarded::new(1));
        let (status, _) = failing(|| {
            first.change(|state| {
                *state = 2;
                panic!("half way")
            })
        });
        assert_eq!(status, hr_status::HR_ERROR_INTERNAL);
        let after = first.change(|state| Ok(*state)).unwrap_err();
        assert_eq!(after.message, "an internal error left this object unusable; free it");
        assert!(first.get().is_err());
        assert!(Guarded::change_all(&mut [&mut second, &mut first], |_| Ok(())).is_err());
        let sum = Guarded::change_all(&mut [&mut second], |states| {
            Ok(states.iter().map(|state| **state).sum::<i32>())
        });
        assert_eq!(sum.unwrap(), 1);
        let mut third = Guarded::new(1);
        failing(|| Guarded::change_all(&mut [&mut third], |_| panic!("half way")));
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
            assert!(out::<u32>(odd.cast_mut(), "mask").is_err());
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
            let failure = CallError::of(hr_status::HR_ERROR_IO, &error);
            assert_eq!(failure.message, "cannot write: the disk is full");
        }
    }
}
