//! Walks over a trie of tokens beside a terminal's automaton.
//!
//! A walk reads every token as far as the terminal's automaton reads it, shared beginnings once. It
//! finds the tokens inside the terminal and the nodes on which the terminal ends.
//!
//! # Three kinds of walk
//!
//! - *Narrow.* A state that few bytes can follow looks up just the children with these bytes.
//! - *Dense.* A permissive state reads most children, so the walk goes through the whole subtree in
//!   preorder, over transition rows copied out of the automaton ([`DenseRows`]). It skips subtrees
//!   whose tokens are known to be inside: those of a *slice* (see below), and those whose
//!   characters the state reads in any order.
//! - *Literals.* A sorted set of literals needs no automaton: the trie's nodes are walked beside
//!   ranges of the set.
//!
//! # Why they are exact
//!
//! - *Clamped counts.* Two languages with the same words and prefixes up to the length of the
//!   longest token have the same summary. [`ExprPool::clamped`] gives such a language. Below a trie
//!   node, the length of the longest rest of a token takes the place of the longest token's.
//! - *Slices.* A slice is the set of tokens that are UTF-8 text of at most [`MAX_SLICED_LEN`] bytes
//!   out of some groups of characters. The state reads these groups in any order, so it rejects no
//!   token of the slice. Longer tokens, and tokens that are not text, belong to no slice and are
//!   walked. A slice limited to `n` characters needs a state that reads these groups for the first
//!   `n` characters. A slice limited to `n` bytes needs a state that can still be completed after
//!   `n` bytes.

use super::dense_rows::{DenseRows, RowId};
use super::suffix_trie::Suffixes;
use super::vocabulary_index::{IndexedTrie, LengthUnit, MAX_SLICED_LEN, SubtreeInfo};
use crate::automata::{Expr, ExprPool, LangId, LiteralSet, UNLABELLED, interrupt};
use crate::engine::ablation::{Optimisation, enabled};
use crate::vocab::{TokenId, TokenTrie, Vocabulary};

/// A state is permissive if more bytes than this can follow it.
const PERMISSIVE: usize = 16;

/// The smallest number of nodes for which it pays to ask if a whole subtree can be skipped. A
/// smaller subtree is walked.
const WORTH_SKIPPING: u32 = 8;

/// Nodes visited between two looks at the caller's interrupt.
const NODES_PER_CHECK: usize = 64;

/// The result of a walk.
#[derive(Default)]
pub(in crate::engine) struct WalkResult {
    pub inside: Vec<TokenId>,
    /// The nodes at which the terminal ends and the tokens below go on, with the label of the
    /// completed literal.
    pub ends: Vec<(Option<u32>, u32)>,
    /// The number of nodes visited.
    pub visited: usize,
}

impl WalkResult {
    /// Records that the walk stands on `node` with the terminal in `state`.
    pub fn record(&mut self, languages: &ExprPool, trie: &TokenTrie, node: u32, state: LangId) {
        self.inside.extend_from_slice(trie.tokens(node));
        self.record_end(languages, trie, node, state);
    }

    /// As [`record`](Self::record), without the tokens that end on `node` itself.
    pub fn record_end(&mut self, languages: &ExprPool, trie: &TokenTrie, node: u32, state: LangId) {
        if languages.is_nullable(state) && trie.end(node) > node + 1 {
            self.ends.push((languages.label(state), node));
        }
    }

    /// The suffixes behind the ends, by label.
    pub fn exits(&mut self, trie: &TokenTrie) -> Box<[(Option<u32>, Suffixes)]> {
        self.ends.sort_unstable();
        self.ends.dedup();
        self.ends
            .chunk_by(|a, b| a.0 == b.0)
            .map(|group| (group[0].0, Suffixes::of(trie, group.iter().map(|end| end.1))))
            .filter(|(_, suffixes)| !suffixes.is_empty())
            .collect()
    }
}

/// The tokens made only of characters of some groups: all of them, or those up to a length.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Slice {
    pub groups: u64,
    /// The largest length. No token of these groups with more characters is inside. If the length
    /// is in bytes, longer tokens may be.
    pub most: Option<(LengthUnit, u32)>,
}

impl Slice {
    pub const NONE: Slice = Slice { groups: 0, most: None };
}

/// A trie of one vocabulary, and the languages that are walked beside it.
pub(in crate::engine) struct TrieWalk<'a> {
    pub languages: &'a mut ExprPool,
    pub rows: &'a mut DenseRows,
    pub vocabulary: &'a Vocabulary,
    pub trie: &'a IndexedTrie,
}

impl<'a> TrieWalk<'a> {
    pub fn tokens(&self) -> &'a TokenTrie {
        self.trie.trie(self.vocabulary)
    }

    /// The slice that `language` reads. A state that few bytes follow has none, because its walk
    /// costs less than finding a slice.
    pub fn slice_of(&mut self, language: LangId) -> Slice {
        if !enabled(Optimisation::Slices)
            || matches!(self.languages.expr(language), Expr::Literals { .. })
            || self.languages.first_bytes(language).len() <= PERMISSIVE
        {
            return Slice::NONE;
        }
        let clamped = self.languages.clamped(language, MAX_SLICED_LEN.into());
        if let Some((groups, most)) = self.languages.counted_groups(clamped) {
            return Slice { groups, most: Some((LengthUnit::Characters, most)) };
        }
        if let Some((groups, most)) = self.languages.bounded_groups(clamped) {
            return Slice { groups, most: Some((LengthUnit::Bytes, most)) };
        }
        Slice { groups: self.languages.self_loop_classes(clamped), most: None }
    }

    /// Walks everything below the root, where the terminal is in the state `language`, except the
    /// tokens of `slice`.
    pub fn walk_all(&mut self, language: LangId, slice: Slice, result: &mut WalkResult) {
        if let Expr::Literals { set, lo, hi, depth } = *self.languages.expr(language) {
            let literals = self.languages.literal_set(set);
            walk_literals(self.tokens(), literals, (lo, hi, depth), result);
        } else if slice.groups == 0 {
            self.walk(0, language, result);
        } else {
            self.walk_densely(0, language, slice, result);
        }
    }

    /// Walks everything below `root`, where the terminal is in the state `start`.
    pub fn walk(&mut self, root: u32, start: LangId, result: &mut WalkResult) {
        let (trie, subtrees) = (self.tokens(), self.trie.subtrees(self.vocabulary));
        let mut stack: Vec<(u32, LangId)> = vec![(root, start)];
        while let Some((node, state)) = stack.pop() {
            if interrupt::check().is_err() {
                return;
            }
            let mut visit = |child: u32, languages: &mut ExprPool| {
                result.visited += 1;
                let next = languages.step(state, trie.byte(child));
                if next == LangId::NEVER {
                    return;
                }
                result.record(languages, trie, child, next);
                if !languages.is_spent(next) && trie.end(child) > child + 1 {
                    let height = u32::from(subtrees[child as usize].height).next_power_of_two();
                    let clamps = enabled(Optimisation::Clamping);
                    stack.push((child, if clamps { languages.clamped(next, height) } else { next }));
                }
            };
            if trie.child_set(node).is_none() {
                trie.children(node).for_each(|child| visit(child, self.languages));
                continue;
            }
            let bytes = self.languages.first_bytes(state);
            if bytes.len() > PERMISSIVE {
                self.walk_densely(node, state, Slice::NONE, result);
            } else {
                trie.matching_children(node, &bytes.0).for_each(|child| visit(child, self.languages));
            }
        }
    }

    /// Walks everything below `root` in preorder, where the terminal is in the state `start`,
    /// except the tokens of `slice`. A slice is given only for the trie's own root.
    fn walk_densely(&mut self, root: u32, start: LangId, slice: Slice, result: &mut WalkResult) {
        let groups = slice.groups;
        // The length up to which a path belongs to the slice if its characters do.
        let most = match slice.most {
            Some((LengthUnit::Bytes, most)) => most,
            _ => u32::MAX,
        };
        let (trie, subtrees) = (self.tokens(), self.trie.subtrees(self.vocabulary));
        let languages = &mut *self.languages;
        self.rows.begin_walk(if most == u32::MAX { trie.end(root) - root } else { 0 });
        let start = self.rows.row(languages, start);
        let top = usize::from(trie.depth(root));
        // The rows on the path to the current node, each with true if the path is in the slice.
        let mut path: Vec<(RowId, bool)> = vec![(start, groups != 0)];
        let (mut node, end) = (root + 1, trie.end(root));
        while node < end {
            let depth = usize::from(trie.depth(node)) - top;
            path.truncate(depth);
            let (from, from_sliced) = path[depth - 1];
            let info: SubtreeInfo = subtrees[node as usize];
            let is_sliced = from_sliced && info.is_in(groups) && depth as u32 <= most;
            let after = trie.end(node);
            if is_sliced && info.all_in(groups) && depth as u32 + u32::from(info.height) <= most {
                node = after;
                continue;
            }
            result.visited += 1;
            if result.visited.is_multiple_of(NODES_PER_CHECK) && interrupt::check().is_err() {
                return;
            }
            let row = self.rows.step(languages, from, trie.byte(node));
            if row == RowId::DEAD {
                node = after;
                continue;
            }
            if !is_sliced {
                if after - node >= WORTH_SKIPPING && info.is_boundary() && enabled(Optimisation::Slices) {
                    let free = self.rows.self_loop_classes(languages, row);
                    if free != 0 && info.all_in(free) {
                        result.inside.extend_from_slice(trie.subtree_tokens(node));
                        node = after;
                        continue;
                    }
                }
                result.inside.extend_from_slice(trie.tokens(node));
            }
            if self.rows.is_accepting(row) && after > node + 1 {
                result.ends.push((languages.label(self.rows.language(row)), node));
            }
            if self.rows.is_spent(row) {
                node = after;
                continue;
            }
            let row = match enabled(Optimisation::Clamping) {
                true => self.rows.clamped(languages, row, info.height),
                false => row,
            };
            path.push((row, is_sliced));
            node += 1;
        }
    }
}

/// Walks the trie beside ranges of a sorted set: everything that spells the rests of the literals
/// `lo..hi` from byte `depth` on.
fn walk_literals(trie: &TokenTrie, literals: &LiteralSet, start: (u32, u32, u32), result: &mut WalkResult) {
    let mut stack = vec![(0, start)];
    while let Some((node, (lo, hi, depth))) = stack.pop() {
        let bytes = literals.next_bytes(lo, hi, depth);
        for child in trie.matching_children(node, &bytes.0) {
            result.visited += 1;
            let Some((lo, hi)) = literals.step(lo, hi, depth, trie.byte(child)) else { continue };
            result.inside.extend_from_slice(trie.tokens(child));
            if trie.end(child) == child + 1 {
                continue;
            }
            if literals.accepts(lo, depth + 1) {
                let label = literals.get(lo).1;
                result.ends.push(((label != UNLABELLED).then_some(label), child));
            }
            stack.push((child, (lo, hi, depth + 1)));
        }
    }
}
