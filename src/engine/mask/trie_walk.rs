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
use super::subtree_walk::{NODES_PER_CHECK, Subtree, WORTH_SKIPPING};
use super::suffix_trie::Suffixes;
use super::vocabulary_index::{IndexedTrie, LengthUnit, MAX_SLICED_LEN};
use crate::automata::{Expr, ExprPool, LangId, LiteralSet, UNLABELLED, interrupt};
use crate::engine::ablation::{Optimisation, enabled};
use crate::engine::recogniser::truncate::coarse_height;
use crate::vocab::{TokenId, TokenTrie, Vocabulary};
use smallvec::{SmallVec, smallvec};

/// A state is permissive if more bytes than this can follow it.
const PERMISSIVE: usize = 16;

/// The number of tokens for which a walk beside literals makes room at once.
const LITERAL_TOKENS: usize = 32;

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
                    let height = coarse_height(subtrees[child as usize].height.into());
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
        // The length up to which a path belongs to the slice if its characters do.
        let most = match slice.most {
            Some((LengthUnit::Bytes, most)) => Some(most),
            _ => None,
        };
        let (trie, subtrees) = (self.tokens(), self.trie.subtrees(self.vocabulary));
        let languages = &mut *self.languages;
        self.rows.begin_walk(if most.is_none() { trie.end(root) - root } else { 0 });
        let start = self.rows.row(languages, start);
        let subtree = Subtree::below(trie, subtrees, root).without_slice(slice.groups, most);
        // The walk ends early where the caller's interrupt does.
        let _: Result<(), ()> = subtree.walk(start, |visit| {
            result.visited += 1;
            if result.visited.is_multiple_of(NODES_PER_CHECK) && interrupt::check().is_err() {
                return Err(());
            }
            let row = self.rows.step(languages, *visit.from, trie.byte(visit.node));
            if row == RowId::DEAD {
                return Ok(None);
            }
            if !visit.is_sliced {
                let size = visit.after - visit.node;
                if size >= WORTH_SKIPPING && visit.info.is_boundary() && enabled(Optimisation::Slices) {
                    let free = self.rows.self_loop_classes(languages, row);
                    if free != 0 && visit.info.all_in(free) {
                        result.inside.extend_from_slice(trie.subtree_tokens(visit.node));
                        return Ok(None);
                    }
                }
                result.inside.extend_from_slice(trie.tokens(visit.node));
            }
            if self.rows.is_accepting(row) && visit.after > visit.node + 1 {
                result.ends.push((languages.label(self.rows.language(row)), visit.node));
            }
            if self.rows.is_spent(row) {
                return Ok(None);
            }
            let row = match enabled(Optimisation::Clamping) {
                true => self.rows.clamped(languages, row, visit.info.height),
                false => row,
            };
            Ok(Some(row))
        });
    }
}

/// Walks the trie beside ranges of a sorted set: everything that spells the rests of the literals
/// `lo..hi` from byte `depth` on.
fn walk_literals(trie: &TokenTrie, literals: &LiteralSet, start: (u32, u32, u32), result: &mut WalkResult) {
    result.inside.reserve(LITERAL_TOKENS);
    let mut stack: SmallVec<[_; LITERAL_TOKENS]> = smallvec![(0, start)];
    while let Some((node, (lo, hi, depth))) = stack.pop() {
        for (byte, (lo, hi)) in literals.branches(lo, hi, depth) {
            let Some(child) = trie.child(node, byte) else { continue };
            result.visited += 1;
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
