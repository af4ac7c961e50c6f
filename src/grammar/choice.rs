//! The choices of values in an object or array, and counters of choices, as for `contains`.

use super::node_id::NodeId;
use crate::automata::UNBOUNDED;
use std::cell::Cell;

/// The number of combinations that one search for a completion looks at before it [gives
/// up](give_up).
pub(crate) const SEARCH_STEPS: usize = 20_000;

thread_local! {
    static GAVE_UP: Cell<bool> = const { Cell::new(false) };
}

/// Notes that a search for a completion of an object or array was given up. Its answer, that there
/// is a completion, may be wrong. Specifications have no place for an error, so the caller of their
/// methods asks for it with [`take_gave_up`].
pub(super) fn give_up() {
    GAVE_UP.set(true);
}

/// True if a search on this thread was given up since the last call.
pub(crate) fn take_gave_up() -> bool {
    GAVE_UP.take()
}

/// True if a search on this thread was given up since the last [`take_gave_up`]. This function does
/// not reset the answer. Results found since then must not be kept.
pub(crate) fn gave_up() -> bool {
    GAVE_UP.get()
}

/// One value that may stand at a place in an object or array, and the counters that it increases.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Choice {
    /// The node that stands in that place. It is never nullable.
    pub value: NodeId,
    /// The counters to count: if bit `i` is set, counter `i` goes up by one.
    pub counts: u32,
    /// The object that takes the place of this one after the value, used in objects only. It is a
    /// [`Node::Object`](super::Node::Object), or a [`Node::Lazy`](super::Node::Lazy) that is
    /// expanded to one, with the same punctuation. Keys used so far stay used. [`NodeId::NEVER`]
    /// means that the object stays the same.
    pub then: NodeId,
}

impl Choice {
    /// A choice that no counter counts.
    pub fn plain(value: NodeId) -> Self {
        Choice { value, counts: 0, then: NodeId::NEVER }
    }
}

/// Bounds on the number of choices of one kind in an object or array, as for `contains` or for
/// "some property that is not …". A container has at most 32 counters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Counter {
    /// The smallest number of such choices.
    pub min: u32,
    /// The largest number of such choices ([`UNBOUNDED`] for no limit).
    pub max: u32,
}

/// The choices with each value replaced by `f` of it. A value is left out if `f` gives `None` or
/// [`NodeId::NEVER`].
pub(super) fn map_values(choices: &[Choice], f: impl Fn(NodeId) -> Option<NodeId>) -> Box<[Choice]> {
    let mapped = choices.iter().filter_map(|c| Some(Choice { value: f(c.value)?, ..*c }));
    mapped.filter(|c| c.value != NodeId::NEVER).collect()
}

/// Counts `choice`, and gives `false` when a counter would pass its maximum. Counters without a
/// maximum stop at their minimum.
pub(super) fn count(specs: &[Counter], counters: &mut [u32], choice: Choice) -> bool {
    if choice.counts == 0 {
        return true;
    }
    specs.iter().zip(counters.iter_mut()).enumerate().all(|(i, (spec, n))| {
        if choice.counts >> i & 1 == 0 {
            return true;
        }
        *n += 1;
        if spec.max == UNBOUNDED {
            *n = (*n).min(spec.min);
            return true;
        }
        *n <= spec.max
    })
}

/// The sum of all counters' distances to their minima.
pub(super) fn counts_missing(specs: &[Counter], counters: &[u32]) -> u32 {
    specs.iter().zip(counters).fold(0u32, |sum, (spec, &n)| sum.saturating_add(spec.min.saturating_sub(n)))
}
