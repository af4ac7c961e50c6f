//! The functions that the targets call; they stand in `tests/fuzz/`, since ordinary tests call them, too.

#[path = "../../tests/fuzz/mod.rs"]
mod fuzz;

pub use fuzz::*;
