//! A bound on the work of the reference.
//!
//! The reference is slow on purpose, and some cases take it longer than a fuzzer waits. Once the
//! work is used up, every language is empty to the reference, so that it comes to an end soon. Then
//! [`within`] gives no answer, whatever was found.

use std::cell::Cell;

thread_local! {
    /// The work that is left, in bytes looked at.
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// The result of `work`, or `None` if it takes the reference more than `bytes` looked at.
pub fn within<T>(bytes: u64, work: impl FnOnce() -> T) -> Option<T> {
    let before = LEFT.replace(bytes);
    let result = work();
    let left = LEFT.replace(before);
    (left > 0).then_some(result)
}

/// Counts work; false if none is left.
pub fn spend(bytes: usize) -> bool {
    let left = LEFT.get().saturating_sub(bytes as u64);
    LEFT.set(left);
    left > 0
}
