//! A walk through a subtree of the trie in preorder, beside states.
//!
//! Every walk for a mask has the same frame: it takes the next node and the state above it, leaves
//! out the tokens of a slice, and either goes on below the node or skips everything below it. Only
//! the step from state to state differs. For example:
//!
//! ```text
//! Subtree::below(trie, subtrees, root).walk(start, |visit| {
//!     let next = step(*visit.from, trie.byte(visit.node));
//!     if next == DEAD {
//!         return Ok(None);
//!     }
//!     record(visit.node);
//!     Ok(Some(next))
//! })
//! ```

use super::vocabulary_index::SubtreeInfo;
use crate::vocab::TokenTrie;

/// The smallest number of nodes for which it pays to ask if a whole subtree can be skipped. A
/// smaller subtree is walked.
pub(super) const WORTH_SKIPPING: u32 = 8;

/// Nodes visited between two looks at the caller's interrupt.
pub(super) const NODES_PER_CHECK: usize = 64;

/// A part of the trie to walk through.
pub(super) struct Subtree<'t> {
    trie: &'t TokenTrie,
    infos: &'t [SubtreeInfo],
    /// The depth at which the first state is.
    top: u16,
    /// The first node, and the first one behind the subtree.
    nodes: (u32, u32),
    /// The groups of characters of the slice whose tokens are left out; none without a slice.
    groups: u64,
    /// The length up to which a path belongs to the slice if its characters do.
    most: u32,
}

/// A node of a walk.
pub(super) struct Visit<'w, S> {
    pub node: u32,
    /// The first node behind those below `node`.
    pub after: u32,
    /// The state above `node`.
    pub from: &'w S,
    pub info: SubtreeInfo,
    /// True if the path to `node` is in the slice, so that the tokens that end on it are left out.
    pub is_sliced: bool,
}

impl<'t> Subtree<'t> {
    /// `root` and everything below it. The first state is above `root`.
    pub fn at(trie: &'t TokenTrie, infos: &'t [SubtreeInfo], root: u32) -> Self {
        let (top, nodes) = (trie.depth(root).saturating_sub(1), (root, trie.end(root)));
        Subtree { trie, infos, top, nodes, groups: 0, most: u32::MAX }
    }

    /// Everything below `root`. The first state is at `root`.
    pub fn below(trie: &'t TokenTrie, infos: &'t [SubtreeInfo], root: u32) -> Self {
        let (top, nodes) = (trie.depth(root), (root + 1, trie.end(root)));
        Subtree { trie, infos, top, nodes, groups: 0, most: u32::MAX }
    }

    /// The subtree without the tokens of the slice of these groups. If `most` is given, longer
    /// tokens are walked all the same.
    pub fn without_slice(self, groups: u64, most: Option<u32>) -> Self {
        Subtree { groups, most: most.unwrap_or(u32::MAX), ..self }
    }

    /// Visits nodes from the state `start`. `step` gives the state at a node, below which the walk
    /// goes on, or none to skip everything below. Subtrees whose tokens are all in the slice are
    /// skipped. The walk ends with the first error of `step`.
    #[inline]
    pub fn walk<S, E>(
        &self,
        start: S,
        mut step: impl FnMut(Visit<'_, S>) -> Result<Option<S>, E>,
    ) -> Result<(), E> {
        let Subtree { trie, infos, top, nodes: (mut node, end), groups, most } = *self;
        // The states on the path to the node, each with true if the path is in the slice.
        let mut path = vec![(start, groups != 0)];
        while node < end {
            let depth = u32::from(trie.depth(node) - top);
            path.truncate(depth as usize);
            let (from, from_sliced) = &path[path.len() - 1];
            let info = infos[node as usize];
            let is_sliced = *from_sliced && info.is_in(groups) && depth <= most;
            let after = trie.end(node);
            if is_sliced && info.all_in(groups) && depth + u32::from(info.height) <= most {
                node = after;
                continue;
            }
            match step(Visit { node, after, from, info, is_sliced })? {
                Some(state) => {
                    path.push((state, is_sliced));
                    node += 1;
                }
                None => node = after,
            }
        }
        Ok(())
    }
}
