//! The faults of structural tags: what is wrong, where, and what to do.

use crate::grammar::{CompileError, CompileErrorKind, Location};

/// A fault of the value at `pointer`, a JSON pointer without `#`.
pub(super) fn fault(pointer: &str, what: impl std::fmt::Display) -> CompileError {
    of_kind(CompileErrorKind::Syntax, pointer, what)
}

/// The error of a structural tag to which no output belongs.
pub(super) fn empty(what: &str) -> CompileError {
    of_kind(CompileErrorKind::Empty, "", what)
}

/// The error of a schema, pattern or grammar at `pointer`, as an error of the whole tag.
pub(super) fn nested(pointer: &str, error: impl Into<CompileError>) -> CompileError {
    let error = error.into();
    of_kind(error.kind(), pointer, &error).because(error)
}

fn of_kind(kind: CompileErrorKind, pointer: &str, what: impl std::fmt::Display) -> CompileError {
    CompileError::new(kind, format!("#{pointer}: {what}")).at(Location::in_json(format!("#{pointer}")))
}
