//! A walk through a subtree of the trie in preorder, beside states.
//!
//! Every walk for a mask has the same frame: it takes the next node and the state above it, leaves
//! out the tokens of a slice, and either goes on below the node or skips everything below it. Only
//! the step from state to state differs. For example:
//!
//! ```text
//! while let Some(visit) = walk.next() {
//!     let next = step(*visit.from, trie.byte(visit.node));
//!     if next != DEAD {
//!         record(visit.node);
//!         walk.descend(next);
//!     }
//! }
//! ```

use super::vocabulary_index::SubtreeInfo;
use crate::vocab::TokenTrie;

/// The smallest number of nodes for which it pays to ask if a whole subtree can be skipped. A
/// smaller subtree is walked.
pub(super) const WORTH_SKIPPING: u32 = 8;

/// Nodes visited between two looks at the caller's interrupt.
pub(super) const NODES_PER_CHECK: usize = 64;

/// A walk with states of type `S`.
pub(super) struct SubtreeWalk<'t, S> {
    trie: &'t TokenTrie,
    subtrees: &'t [SubtreeInfo],
    /// The groups of characters of the slice whose tokens are left out; none without a slice.
    groups: u64,
    /// The length up to which a path belongs to the slice if its characters do.
    most: u32,
    /// The depth of the node at which the first state of `path` is.
    top: u16,
    /// The states on the path to the current node, each with true if the path is in the slice.
    path: Vec<(S, bool)>,
    /// The node visited last, and true if it is in the slice.
    at: (u32, bool),
    /// The next node.
    node: u32,
    /// The first node behind the subtree.
    end: u32,
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

impl<'t, S> SubtreeWalk<'t, S> {
    /// A walk through `root` and everything below it. Above `root`, the state is `start`.
    pub fn over(trie: &'t TokenTrie, subtrees: &'t [SubtreeInfo], root: u32, start: S) -> Self {
        let (top, end) = (trie.depth(root).saturating_sub(1), trie.end(root));
        let path = vec![(start, false)];
        SubtreeWalk {
            trie,
            subtrees,
            groups: 0,
            most: u32::MAX,
            top,
            path,
            at: (root, false),
            node: root,
            end,
        }
    }

    /// A walk through everything below `root`. At `root`, the state is `start`.
    pub fn below(trie: &'t TokenTrie, subtrees: &'t [SubtreeInfo], root: u32, start: S) -> Self {
        let walk = Self::over(trie, subtrees, root, start);
        SubtreeWalk { top: trie.depth(root), node: root + 1, ..walk }
    }

    /// The walk without the tokens of the slice of these groups. If `most` is given, longer tokens
    /// are walked all the same.
    pub fn without_slice(mut self, groups: u64, most: Option<u32>) -> Self {
        self.path[0].1 = groups != 0;
        SubtreeWalk { groups, most: most.unwrap_or(u32::MAX), ..self }
    }

    /// The next node. Subtrees whose tokens are all in the slice are passed over. So is everything
    /// below the node before, unless the walk has [descended](Self::descend) from it.
    #[inline]
    pub fn next(&mut self) -> Option<Visit<'_, S>> {
        while self.node < self.end {
            let node = self.node;
            let after = self.trie.end(node);
            self.node = after;
            let depth = u32::from(self.trie.depth(node) - self.top);
            self.path.truncate(depth as usize);
            let (_, from_sliced) = self.path.last()?;
            let info = self.subtrees[node as usize];
            let is_sliced = *from_sliced && info.is_in(self.groups) && depth <= self.most;
            if is_sliced && info.all_in(self.groups) && depth + u32::from(info.height) <= self.most {
                continue;
            }
            self.at = (node, is_sliced);
            let (from, _) = self.path.last()?;
            return Some(Visit { node, after, from, info, is_sliced });
        }
        None
    }

    /// Goes on below the node visited last, at which the state is `state`.
    #[inline]
    pub fn descend(&mut self, state: S) {
        let (node, is_sliced) = self.at;
        self.path.push((state, is_sliced));
        self.node = node + 1;
    }
}
