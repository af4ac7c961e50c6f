//! The functions that the targets call. They are in `tests/suite/fuzz.rs`, since ordinary tests
//! call them, too.

#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../../tests/suite/fuzz.rs"]
mod fuzz;

pub use fuzz::*;
