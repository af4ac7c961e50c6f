//! Structs of options that grow over versions.
//!
//! The first member of each is `size_t struct_size`. Its `hr_…_options_init` sets it to the size in
//! the caller's header. A smaller struct comes from a program built with an older header: the
//! members that it lacks keep their defaults. A larger one comes from a newer header: it is
//! accepted if all members unknown to this library are zero, that is, not used.
//!
//! Unsafe code: reads the caller's struct as bytes. [`Versioned`] is promised for types for which
//! all bit patterns are valid.
#![allow(unsafe_code)]

use super::boundary::{self, Failure};
use std::ptr;

/// Largest size of an options struct; a larger size is memory that was never initialised.
const MAX_SIZE: usize = 4096;

/// A `#[repr(C)]` struct whose first member is `struct_size`.
///
/// # Safety
/// All bit patterns are valid values of the type (numbers, raw pointers, optional function
/// pointers, no references, no `bool`, no enum). Every member is at most as large as the struct's
/// alignment or made of such members, so that a size that is a multiple of the alignment cuts no
/// member in two.
pub(super) unsafe trait Versioned: Copy {
    /// The defaults, with `struct_size` set.
    fn defaults() -> Self;
}

/// The options at a pointer, or the defaults for NULL. Relies on `struct_size` bytes being there.
pub(super) unsafe fn read<T: Versioned>(options: *const T, name: &str) -> Result<T, Failure> {
    let mut known = T::defaults();
    if options.is_null() {
        return Ok(known);
    }
    // The members after `struct_size` may not all be there, so no reference to the whole struct is
    // made.
    let size = *unsafe { boundary::object(options.cast::<usize>(), name)? };
    if size < size_of::<usize>() || size > MAX_SIZE || size % align_of::<T>() != 0 {
        return Err(Failure::argument(format!(
            "{name}: struct_size is {size}; initialise the struct with its hr_..._options_init function"
        )));
    }
    let bytes = unsafe { boundary::slice(options.cast::<u8>(), size, name)? };
    let shared = size.min(size_of::<T>());
    if bytes[shared..].iter().any(|&byte| byte != 0) {
        return Err(Failure::argument(format!(
            "{name}: options were set that this version of hedgerow does not know (it knows {} bytes of {size})",
            size_of::<T>()
        )));
    }
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut known).cast::<u8>(), shared) };
    Ok(known)
}

/// Writes the defaults. Relies on `options` being NULL or a whole struct.
pub(super) unsafe fn init<T: Versioned>(options: *mut T) {
    unsafe { boundary::set_if_wanted(options, T::defaults()) }
}

/// The member of an enumeration, given as a number that may be anything.
pub(super) fn choose<T: Clone>(given: u32, name: &str, choices: &[(u32, T)]) -> Result<T, Failure> {
    let found = choices.iter().find(|(number, _)| *number == given);
    found.map(|(_, choice)| choice.clone()).ok_or_else(|| {
        Failure::argument(format!("{name} is {given}, which is none of its {} values", choices.len()))
    })
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
        fn defaults() -> Self {
            V2 { struct_size: size_of::<V2>(), first: 1, second: 2, added: 3 }
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
        assert_eq!(unsafe { read::<V2>(ptr::null(), "options") }.unwrap(), V2::defaults());
    }

    #[test]
    fn enumerators_are_checked() {
        assert_eq!(choose(5, "order", &[(3, "a"), (5, "b")]).unwrap(), "b");
        let refused = choose(4, "order", &[(3, "a"), (5, "b")]).unwrap_err();
        assert_eq!(refused.message, "order is 4, which is none of its 2 values");
    }
}
