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

/// The error of a schema, pattern or grammar at `pointer`, as an error of the whole tag. The place
/// of an error in a schema becomes its place in the tag: `#/type` of the schema at
/// `#/format/json_schema` becomes `#/format/json_schema/type`. A place in another document stays
/// the same.
pub(super) fn nested(pointer: &str, error: impl Into<CompileError>) -> CompileError {
    let error = error.into();
    let place = match error.location() {
        Some(Location::Json { pointer: inner, keyword }) => {
            let place = inner.strip_prefix('#').map(|inner| format!("#{pointer}{inner}"));
            Some(Location::Json { pointer: place.unwrap_or_else(|| inner.clone()), keyword: keyword.clone() })
        }
        _ => None,
    };
    let outer = of_kind(error.kind(), pointer, &error);
    let outer = match place {
        Some(place) => outer.at(place),
        None => outer,
    };
    outer.because(error)
}

fn of_kind(kind: CompileErrorKind, pointer: &str, what: impl std::fmt::Display) -> CompileError {
    CompileError::new(kind, format!("#{pointer}: {what}")).at(Location::in_json(format!("#{pointer}")))
}
