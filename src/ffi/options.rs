//! Structs that grow over versions: options that the caller gives, and statistics that it receives.
//!
//! The first member of each is `size_t struct_size`. Its `hr_…_init` is an inline function of the
//! header, which passes the size that the struct has in the caller's header to `hr_…_init_sized` of
//! the library. The library therefore never writes or reads past the caller's struct:
//!
//! - A smaller struct comes from a program built with an older header. The members that it lacks
//!   keep their defaults.
//! - A larger one comes from a newer header. The members that this library does not know are set to
//!   zero, and it is accepted if they are still zero when it is read. A member that is added after
//!   the first version must therefore mean its default when it is zero.
//!
//! Unsafe code: reads and writes the caller's struct as bytes. [`Versioned`] is promised for types
//! for which all bit patterns are valid.
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::status::hr_status;
use std::{mem, ptr};

/// The largest size that a struct may have. A larger `struct_size` is taken to be uninitialised
/// memory.
const MAX_SIZE: usize = 4096;

/// A `#[repr(C)]` struct whose first member is `struct_size`.
///
/// # Safety
/// The first member is `struct_size`. All bit patterns are valid values of the type (numbers, raw
/// pointers, optional function pointers, no references, no `bool`, no enum). Every member is at
/// most as large as the struct's alignment or made of such members, so that a size that is a
/// multiple of the alignment cuts no member in two.
pub(super) unsafe trait Versioned: Copy {
    /// Sets the members whose default is not zero: not 0, NULL, an empty text, or the first value
    /// of an enumeration.
    fn set_defaults(&mut self) {}

    /// The defaults, with `struct_size` set.
    fn defaults() -> Self {
        // Zeros are valid values, as all bit patterns are.
        let mut defaults: Self = unsafe { mem::zeroed() };
        defaults.set_defaults();
        unsafe { (&raw mut defaults).cast::<usize>().write(size_of::<Self>()) };
        defaults
    }
}

/// Reads the options at a pointer; NULL stands for the defaults. Relies on `struct_size` bytes
/// being there.
pub(super) unsafe fn read<T: Versioned>(options: *const T, name: &str) -> Result<T, CallError> {
    let mut known = T::defaults();
    if options.is_null() {
        return Ok(known);
    }
    let size = unsafe { struct_size(options, name)? };
    let bytes = unsafe { boundary::slice(options.cast::<u8>(), size, name)? };
    let shared = size.min(size_of::<T>());
    if bytes[shared..].iter().any(|&byte| byte != 0) {
        return Err(CallError::invalid_argument(format!(
            "{name}: options were set that this version of hedgerow does not know (it knows {} bytes of {size})",
            size_of::<T>()
        )));
    }
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut known).cast::<u8>(), shared) };
    Ok(known)
}

/// The size of the caller's struct, which is the value of its first member. Relies on that member
/// being there.
unsafe fn struct_size<T: Versioned>(place: *const T, name: &str) -> Result<usize, CallError> {
    // The members after `struct_size` may not all be there, so no reference to the whole struct is
    // made.
    let size = *unsafe { boundary::object(place.cast::<usize>(), name)? };
    if size < size_of::<usize>() || size > MAX_SIZE || size % align_of::<T>() != 0 {
        return Err(CallError::invalid_argument(format!(
            "{name}: struct_size is {size}; initialise the struct with its hr_..._init function"
        )));
    }
    Ok(size)
}

/// Writes the defaults into a struct of `size` bytes. Nothing is written for a size that cannot
/// hold the struct's size. Relies on `place` being NULL or `size` bytes long.
pub(super) unsafe fn init<T: Versioned>(place: *mut T, size: usize) {
    if !place.is_null() && size >= size_of::<usize>() {
        unsafe { copy_members(place, size, T::defaults()) }
    }
}

/// Writes results into the caller's struct, which may have more or fewer members than this version
/// knows. Relies on `place` being NULL or as many bytes long as its `struct_size` says.
unsafe fn write_to_caller<T: Versioned>(place: *mut T, name: &str, results: T) -> Result<(), CallError> {
    let size = unsafe { struct_size(place, name)? };
    unsafe { copy_members(place, size, results) };
    Ok(())
}

/// Runs the body of an exported function that writes results into the caller's struct, the
/// parameter called `name`. Relies on the promises of [`boundary::return_status`] and
/// [`write_to_caller`].
pub(super) unsafe fn write_results<T: Versioned, E: From<CallError>>(
    place: *mut T,
    name: &str,
    error: *mut *mut E,
    results: impl FnOnce() -> Result<T, CallError>,
) -> hr_status {
    unsafe { boundary::return_status(error, || write_to_caller(place, name, results()?)) }
}

/// Writes `size` bytes of the caller's struct: the members that both sides know, then zeros. Relies
/// on `size` bytes being there, enough for a `usize`.
unsafe fn copy_members<T: Versioned>(place: *mut T, size: usize, value: T) {
    let shared = size.min(size_of::<T>());
    let bytes = place.cast::<u8>();
    unsafe {
        ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), bytes, shared);
        // A size past the limit cannot be a struct's, and is refused when the struct is read.
        bytes.add(shared).write_bytes(0, size.min(MAX_SIZE).saturating_sub(shared));
        bytes.cast::<usize>().write_unaligned(size);
    }
}

/// The error of a number that is none of an enumeration's `count` members. `name` is the parameter
/// or struct member that holds the number.
pub(super) fn unknown_enumerator<T>(given: u32, name: &str, count: usize) -> Result<T, CallError> {
    Err(CallError::invalid_argument(format!("{name} is {given}, which is none of its {count} values")))
}

/// Converts a flag: `off` for 0, `on` for 1, and an error for any other number. `name` is the
/// struct member that holds the number. The member is no `bool`, because C may have left any bits
/// there.
pub(super) fn read_flag<T>(given: u64, name: &str, off: T, on: T) -> Result<T, CallError> {
    match given {
        0 => Ok(off),
        1 => Ok(on),
        other => Err(CallError::invalid_argument(format!("{name} is {other}; 0 and 1 have a meaning"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct V2 {
        struct_size: usize,
        first: u32,
        second: u32,
        added: u64,
    }

    unsafe impl Versioned for V2 {
        fn set_defaults(&mut self) {
            *self = V2 { first: 1, second: 2, added: 3, ..*self };
        }
    }

    /// The members read from a struct of these words, or the error's text.
    fn read_words(words: &[u64]) -> Result<(u32, u32, u64), String> {
        let options = unsafe { read(words.as_ptr().cast::<V2>(), "options") };
        options.map(|o| (o.first, o.second, o.added)).map_err(|failure| failure.message)
    }

    #[test]
    fn older_and_newer_structs_are_read() {
        let both = 10 | 20 << 32;
        type Case<'a> = (&'a [u64], Result<(u32, u32, u64), &'a str>);
        let cases: &[Case<'_>] = &[
            (&[24, both, 30], Ok((10, 20, 30))),
            (&[16, both, 30], Ok((10, 20, 3))),
            (&[8, both, 30], Ok((1, 2, 3))),
            (&[32, both, 30, 0], Ok((10, 20, 30))),
            (&[32, both, 30, 1], Err("options were set that this version")),
            (&[0, both, 30], Err("struct_size is 0; initialise")),
            (&[20, both, 30], Err("struct_size is 20;")),
            (&[u64::MAX, both, 30], Err("initialise the struct")),
        ];
        for (words, expected) in cases {
            match (read_words(words), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, *expected, "{words:?}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{words:?}: {found}"),
                (found, _) => panic!("{words:?}: {found:?}"),
            }
        }
        let defaults = V2 { struct_size: 24, first: 1, second: 2, added: 3 };
        assert_eq!(unsafe { read::<V2>(ptr::null(), "options") }.unwrap(), defaults);
    }

    #[test]
    fn no_more_is_written_than_the_caller_has() {
        let both = 1 | 2 << 32;
        let cases: &[(usize, [u64; 5])] = &[
            (0, [9, 9, 9, 9, 9]),
            (7, [9, 9, 9, 9, 9]),
            (8, [8, 9, 9, 9, 9]),
            (16, [16, both, 9, 9, 9]),
            (24, [24, both, 3, 9, 9]),
            (32, [32, both, 3, 0, 9]),
        ];
        for (size, expected) in cases {
            let mut words = [9; 5];
            unsafe { init(words.as_mut_ptr().cast::<V2>(), *size) };
            assert_eq!(words, *expected, "init of {size} bytes");
            if *size >= 8 {
                let results = V2 { struct_size: 0, first: 4, second: 5, added: 6 };
                unsafe { write_to_caller(words.as_mut_ptr().cast::<V2>(), "stats", results) }.unwrap();
                let given = [*size as u64, 4 | 5 << 32, 6, 0, 9];
                let last = size / 8;
                assert_eq!((&words[..last], &words[last..]), (&given[..last], &expected[last..]));
            }
        }
        unsafe { init(ptr::null_mut::<V2>(), 24) };
        let mut words = [3u64; 3];
        let refused =
            unsafe { write_to_caller(words.as_mut_ptr().cast::<V2>(), "stats", V2::defaults()) }.unwrap_err();
        assert!(refused.message.starts_with("stats: struct_size is 3; initialise"), "{}", refused.message);
        assert!(unsafe { write_to_caller(ptr::null_mut(), "stats", V2::defaults()) }.is_err());
    }
}
