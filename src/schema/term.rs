//! The names of terms, and the answers that a question about one may have.
//!
//! A term is a set of JSON values that may not be evaluated yet. The [algebra](super::algebra)
//! holds the terms themselves.

use super::json::Value;
use crate::automata::interrupt::Interrupted;
use std::borrow::Cow;

/// The id of a term: a set of JSON values that may not be evaluated yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct TermId(pub u32);

impl TermId {
    pub const NEVER: TermId = TermId(0);
    pub const ANY: TermId = TermId(1);
}

/// The id of a dynamic scope, which tells the place that each dynamic anchor leads to. 0 is the
/// empty scope.
pub(super) type ScopeId = u32;

/// The reason why a term could not be evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum EvalError {
    Fuel,
    Interrupted(Interrupted),
    /// The languages' search budget has run out.
    Exhausted,
    /// A search for a completion of an object or array was given up.
    GaveUp,
    /// Schemas are nested too deeply to be evaluated as a whole.
    Depth,
    /// The goal lies too deep for this evaluation, so it must be reached first.
    Deep(Goal),
    /// A schema refers to itself without a property or item in between.
    Loop(Value),
    Unsupported {
        at: Option<Value>,
        keyword: &'static str,
        reason: Cow<'static, str>,
    },
}

/// A question about a term: its shape, or whether it has a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    Shape(TermId),
    Inhabited(TermId),
}

/// The greatest nesting of evaluations. A term that lies deeper is evaluated first, by itself.
pub(super) const MAX_DEPTH: u32 = 300;
/// The nesting from which on a schema is evaluated without its context, so that the result can be
/// kept.
pub(super) const MAX_WITHIN: u32 = MAX_DEPTH / 2;
