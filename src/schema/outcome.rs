//! The outcomes of a schema: its values, divided by the keys and items that it evaluates in them.
//!
//! They are used by [`unevaluated`](super::unevaluated) and for [closed objects](super::closed).

use super::shape::Shape;
use super::term::TermId;
use super::text::TextId;
use std::sync::Arc;

/// The keys and items that are evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Evaluated {
    pub keys: TextId,
    /// The named keys, used with closed objects. They include `keys`.
    pub named: TextId,
    /// The number of evaluated items from the front; [`UNBOUNDED`](crate::automata::UNBOUNDED) for
    /// all.
    pub items: u32,
    /// Terms: an item at any position that satisfies one of them is evaluated, too. Sorted.
    pub containing: Vec<TermId>,
}

impl Evaluated {
    pub const NOTHING: Evaluated =
        Evaluated { keys: TextId::NEVER, named: TextId::NEVER, items: 0, containing: Vec::new() };
}

/// Values that satisfy a schema, with keys and items that the schema evaluates in all of them.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub shape: Arc<Shape>,
    pub evaluated: Evaluated,
}
