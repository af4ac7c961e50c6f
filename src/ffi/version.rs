//! Versions of the library and of the ABI.
//!
//! Unsafe code: reads a NUL-terminated name. It is a literal in practice, and so it is the one
//! string without a length.
#![allow(unsafe_code)]

use super::boundary;
use std::ffi::{CStr, c_char};

/// Version of the header, first number. Compare it with hr_version(), the version of the library
/// that was loaded at run time.
pub const HR_VERSION_MAJOR: u32 = 0;
/// Version of the header, second number.
pub const HR_VERSION_MINOR: u32 = 1;
/// Version of the header, third number.
pub const HR_VERSION_PATCH: u32 = 0;
/// Number of the ABI. It rises if programs must be recompiled. It stays the same if something is
/// added.
pub const HR_ABI_VERSION: u32 = 3;

// The header's numbers must be the package's.
const _: () = {
    assert!(matches!(u32::from_str_radix(env!("CARGO_PKG_VERSION_MAJOR"), 10), Ok(HR_VERSION_MAJOR)));
    assert!(matches!(u32::from_str_radix(env!("CARGO_PKG_VERSION_MINOR"), 10), Ok(HR_VERSION_MINOR)));
    assert!(matches!(u32::from_str_radix(env!("CARGO_PKG_VERSION_PATCH"), 10), Ok(HR_VERSION_PATCH)));
};

/// The library's version, such as "1.2.3": NUL-terminated, alive for ever.
#[unsafe(no_mangle)]
pub extern "C" fn hr_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The library's number of the ABI. A program should refuse to run if it differs from
/// HR_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn hr_abi_version() -> u32 {
    HR_ABI_VERSION
}

/// True if the library was built with a feature: "torch" (language models) or "tokenizers". name is
/// NUL-terminated; false for NULL and for unknown names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_has_feature(name: *const c_char) -> bool {
    boundary::return_value_or(false, || {
        if name.is_null() {
            return None;
        }
        match unsafe { CStr::from_ptr(name) }.to_bytes() {
            b"torch" => Some(cfg!(feature = "torch")),
            b"tokenizers" => Some(cfg!(feature = "tokenizers")),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_packages() {
        let composed = format!("{HR_VERSION_MAJOR}.{HR_VERSION_MINOR}.{HR_VERSION_PATCH}");
        assert_eq!(composed, env!("CARGO_PKG_VERSION"));
        assert_eq!(unsafe { CStr::from_ptr(hr_version()) }.to_str().unwrap(), composed);
    }

    #[test]
    fn features_are_known_by_name() {
        let has = |name: &CStr| unsafe { hr_has_feature(name.as_ptr()) };
        assert_eq!(has(c"torch"), cfg!(feature = "torch"));
        assert!(!has(c"warp drive"));
        assert!(!unsafe { hr_has_feature(std::ptr::null()) });
    }
}
