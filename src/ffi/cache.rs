//! Constraints that are kept for later requests: `hr_cache`.
//!
//! Unsafe code: entry points that take pointers, and calls of the program's function; see
//! [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::constraint::hr_constraint;
use super::error::hr_error;
use super::interrupt::{self, hr_interrupt};
use super::options::{self, Versioned};
use super::status::hr_status;
use super::vocab::hr_bytes;
use crate::engine::{Constraint, ConstraintCache};
use std::ffi::c_void;

/// A cache of constraints. It finds a constraint by a key, such as the text of its grammar, and
/// keeps those that were used last. Made by hr_cache_new(), freed by hr_cache_free().
///
/// Any number of threads may use it at once. It may be freed before the constraints that it gave.
pub struct hr_cache(ConstraintCache);

/// The program's function that makes a constraint which a cache does not have. On success it writes
/// a constraint to out and returns HR_OK, as hr_constraint_new() does. On failure it returns
/// another hr_status, and may write an error that hr_error_new() made. The cache takes over both
/// objects.
///
/// The function is called on the thread that called hr_cache_get(), under the interrupt of that
/// call. It must not ask the cache for the same key, and must not unwind (no C++ exception, no
/// longjmp).
pub type hr_make_constraint = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        out: *mut *mut hr_constraint,
        error: *mut *mut hr_error,
    ) -> u32,
>;

/// Statistics of a cache. Initialise it with hr_cache_stats_init().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_cache_stats {
    /// Set by hr_cache_stats_init().
    pub struct_size: usize,
    /// Requests for a constraint that was there, or that another thread was making.
    pub hits: u64,
    /// Requests that had to make one, including those that failed.
    pub misses: u64,
    /// Constraints that are kept now.
    pub constraints: usize,
    /// Approximate number of bytes of their states and masks.
    pub bytes: usize,
}

// The members are numbers.
unsafe impl Versioned for hr_cache_stats {}

/// Makes an empty cache. It keeps at most max_constraints constraints, whose states and masks
/// together take at most max_bytes bytes. SIZE_MAX stands for no bound.
///
/// Constraints grow while they are used, up to the graph_bytes of their hr_limits each. The bounds
/// are enforced whenever a constraint is added. The constraint whose last use is longest ago is
/// dropped first. Handles to it, and its matchers, stay valid.
#[unsafe(no_mangle)]
pub extern "C" fn hr_cache_new(max_constraints: usize, max_bytes: usize) -> *mut hr_cache {
    boundary::return_new_object(|| Some(hr_cache(ConstraintCache::new(max_constraints, max_bytes))))
}

/// A handle to the constraint of a key, to be freed by the caller. If the cache does not have it,
/// make is called with user_data to make it. If other threads ask for the same key meanwhile, they
/// wait.
///
/// The key is any bytes. It must contain everything that the constraint depends on: the text of the
/// grammar, its notation and options, and the end tokens where requests differ in them. If make
/// fails, nothing is kept, this call fails with the status and the error of make, and a thread that
/// waited calls its own make. interrupt may be NULL; it bounds the wait and the calls of this
/// library in make.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_cache_get(
    cache: *const hr_cache,
    key: hr_bytes,
    make: hr_make_constraint,
    user_data: *mut c_void,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_constraint,
    error: *mut *mut hr_error,
) -> hr_status {
    let find = || unsafe {
        let cache = &boundary::object(cache, "cache")?.0;
        let key = boundary::slice(key.data, key.len, "key")?;
        let make = make.ok_or_else(|| CallError::invalid_argument("make is NULL"))?;
        let get = || cache.get_or_make(key, || call_make(|out, error| make(user_data, out, error)));
        Ok(hr_constraint(interrupt::read(interrupt)?.scope(get)??))
    };
    unsafe { boundary::create_object(out, error, find) }
}

/// Calls the program's function `make`, and takes over the constraint or the error that it writes.
/// Relies on the program giving these objects away.
unsafe fn call_make(
    make: impl FnOnce(*mut *mut hr_constraint, *mut *mut hr_error) -> u32,
) -> Result<Constraint, CallError> {
    let (mut made, mut error) = (std::ptr::null_mut(), std::ptr::null_mut());
    let status = make(&raw mut made, &raw mut error);
    let (made, error) = unsafe { (boundary::take_ownership(made), boundary::take_ownership(error)) };
    match (status, made, error) {
        (0, Some(hr_constraint(made)), _) => Ok(made),
        (0, None, _) => Err(CallError::invalid_argument("make returned HR_OK and gave no constraint")),
        (status, _, error) => {
            let status = hr_status::from_number(status);
            Err(error
                .map_or_else(|| CallError::new(status, "make failed"), |error| error.into_call_error(status)))
        }
    }
}

/// Drops all constraints. Handles to them, and their matchers, stay valid. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_cache_clear(cache: *const hr_cache) {
    boundary::return_value_or((), || unsafe { cache.as_ref() }.map(|cache| cache.0.clear()));
}

/// Writes zeros into a struct of struct_size bytes; NULL is ignored. hr_cache_stats_init() passes
/// the size that the struct has in this header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_cache_stats_init_sized(stats: *mut hr_cache_stats, struct_size: usize) {
    unsafe { options::init(stats, struct_size) }
}

/// Writes the statistics of a cache into a struct that hr_cache_stats_init() initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_cache_get_stats(
    cache: *const hr_cache,
    stats: *mut hr_cache_stats,
    error: *mut *mut hr_error,
) -> hr_status {
    let results = || {
        let found = unsafe { boundary::object(cache, "cache")? }.0.stats();
        Ok(hr_cache_stats {
            struct_size: 0,
            hits: found.hits,
            misses: found.misses,
            constraints: found.constraints,
            bytes: found.bytes,
        })
    };
    unsafe { options::write_results(stats, "stats", error, results) }
}
