//! The nodes that match the empty string, found through rules that refer to each other.

use super::fixed_point;
use super::node::NodePool;

impl NodePool {
    /// Finds the nullable nodes as a least fixed point through rules. Node ids were given out
    /// before that was known.
    pub(super) fn resolve_nullable(&mut self) {
        let mut nullable = vec![false; self.nodes.len()];
        let pool = &*self;
        fixed_point::least(pool, |i| {
            let now = nullable[i] || pool.nullable_given(&pool.nodes[i], &nullable);
            std::mem::replace(&mut nullable[i], now) != now
        });
        self.nullable = nullable;
        self.nullability_is_known = true;
    }

    /// Makes marks count as text from now on: a node that passes a mark is not nullable.
    pub(crate) fn stop_at_marks(&mut self) {
        self.stops_at_marks = true;
        self.resolve_nullable();
    }
}
