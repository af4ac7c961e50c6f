//! What one state of a terminal's automaton says about the whole vocabulary, computed once.
//!
//! For a state `q`: *inside*, the tokens read wholly within the terminal with `q` still alive, and *exits*, the
//! suffixes `v` of tokens `u·v` (both not empty) such that `u` completes the terminal. Exact, and independent of the
//! grammar around the terminal: summaries are shared between all grammars over one vocabulary by the language's
//! fingerprint.
//!
//! # Three ways to find one
//!
//! - *Walk* the trie beside the automaton. Cheap for narrow states, milliseconds for permissive ones.
//! - *Delta*: many permissive states are a plainer state but for some paths. "Any key except `a`, `b`" is "any string"
//!   off the paths of `a` and `b`; "at most 40 characters" is "any string" for every token shorter than that. The walk
//!   goes over pairs (state, plainer state) and stops wherever the two cannot be told apart by the tokens below;
//!   what is left is what to take out and a little to put in.
//! - *Closing quotes only*: where a state refuses none of the bytes below a node (an unanchored pattern refuses nothing,
//!   `[^/]+` nothing but the slash), it differs from "any string" only in where the string may end, so only the paths to
//!   closing quotes are walked.

use super::lexicon::{Below, Source};
use super::suffix_trie::SuffixTrie;
use crate::automata::{LangId, Languages};
use crate::vocab::{TokenId, TokenSet, TokenTrie, Vocabulary};
use std::sync::Arc;

/// Up to this many tokens a set is kept as a list of ids.
const SPARSE: usize = 512;

/// A difference of more tokens than this is not kept as one but as a set of its own.
const MAX_DIFFERENCE: usize = 256;

/// Summaries that visited fewer trie nodes than this are cheaper to compute than to share.
const WORTH_SHARING: usize = 64;

/// Tokens read wholly inside a terminal.
pub(super) enum Inside {
    Sparse(Box<[TokenId]>),
    Dense(Arc<TokenSet>),
}

/// A summary this one differs from by little.
pub(super) struct Base {
    pub summary: Arc<Summary>,
    /// Whether the base's inside counts, too; its exits always do.
    pub inside_counts: bool,
    /// Tokens that the base allows, as far as it counts, and that are allowed only if this summary itself says so; sorted.
    pub removed: Arc<[TokenId]>,
}

/// See the module's documentation.
pub(super) struct Summary {
    /// What this summary adds to and takes from another, if it is kept so. A base has no base of its own.
    pub base: Option<Base>,
    pub inside: Inside,
    /// By the label of the completed literal, where there are labels.
    pub exits: Box<[(Option<u32>, SuffixTrie)]>,
    /// For bases: the nodes on the way to the places where the terminal ends, in preorder.
    skeleton: Box<[Bone]>,
    /// For bases: the tokens read inside, and those with an exit.
    sets: Option<(Arc<TokenSet>, TokenSet)>,
}

/// A trie node on the way to an end of the terminal.
struct Bone {
    node: u32,
    depth: u16,
    byte: u8,
    is_end: bool,
}

/// What a walk found.
#[derive(Default)]
struct Found {
    inside: Vec<TokenId>,
    /// Where the terminal ends with more of the token left: label and trie node.
    ends: Vec<(Option<u32>, u32)>,
    visited: usize,
}

impl Found {
    /// Records that the walk stands on `node` with the terminal in `state`.
    fn record(&mut self, languages: &Languages, trie: &TokenTrie, node: u32, state: LangId) {
        self.inside.extend_from_slice(trie.tokens(node));
        if languages.is_nullable(state) && trie.end(node) > node + 1 {
            self.ends.push((languages.label(state), node));
        }
    }

    /// Everything below `root`, where the terminal is in `start`.
    fn walk(&mut self, languages: &mut Languages, trie: &TokenTrie, root: u32, start: LangId) {
        let mut stack: Vec<(u32, LangId)> = vec![(root, start)];
        while let Some((node, state)) = stack.pop() {
            let mut visit = |child: u32, languages: &mut Languages| {
                self.visited += 1;
                let next = languages.step(state, trie.byte(child));
                if next == LangId::NEVER {
                    return;
                }
                self.record(languages, trie, child, next);
                if !languages.is_spent(next) {
                    stack.push((child, next));
                }
            };
            if trie.child_set(node).is_some() {
                let bytes = languages.first_bytes(state).0;
                trie.matching_children(node, &bytes).for_each(|child| visit(child, languages));
            } else {
                trie.children(node).for_each(|child| visit(child, languages));
            }
        }
    }

    fn exits(&mut self, trie: &TokenTrie) -> Box<[(Option<u32>, SuffixTrie)]> {
        self.ends.sort_unstable();
        self.ends
            .chunk_by(|a, b| a.0 == b.0)
            .map(|group| {
                let roots: Vec<u32> = group.iter().map(|g| g.1).collect();
                (group[0].0, SuffixTrie::merge(trie, &roots))
            })
            .filter(|(_, trie)| !trie.nodes.is_empty())
            .collect()
    }

    fn into_summary(mut self, trie: &TokenTrie, size: usize) -> Summary {
        let exits = self.exits(trie);
        let inside = inside_of(self.inside, size);
        Summary { base: None, inside, exits, skeleton: Box::new([]), sets: None }
    }
}

fn inside_of(ids: Vec<TokenId>, size: usize) -> Inside {
    if ids.len() <= SPARSE {
        Inside::Sparse(ids.into())
    } else {
        Inside::Dense(Arc::new(TokenSet::from_ids(size, ids)))
    }
}

/// A difference to a base while it is found.
struct Difference<'a> {
    base: &'a Summary,
    exiting: &'a TokenSet,
    inside: TokenSet,
    removed: Vec<TokenId>,
    found: Found,
}

impl Difference<'_> {
    /// Nothing below `node` is as in the base.
    fn remove(&mut self, trie: &TokenTrie, node: u32) {
        let ids = trie.subtree_tokens(node);
        self.inside.remove_all(ids);
        self.removed.extend(ids.iter().copied().filter(|&id| self.exiting.contains(id)));
    }
}

impl Summary {
    pub fn memory(&self) -> usize {
        let inside = match &self.inside {
            Inside::Sparse(ids) => ids.len() * 4,
            Inside::Dense(set) => set.words().len() * 4,
        };
        let removed = self.base.as_ref().map_or(0, |b| b.removed.len() * 4);
        let sets = self.sets.as_ref().map_or(0, |s| s.1.words().len() * 8);
        128 + inside
            + sets
            + removed
            + self.skeleton.len() * 12
            + self.exits.iter().map(|e| 48 + e.1.memory()).sum::<usize>()
    }
}

/// Finds summaries over one trie of one vocabulary.
pub(super) struct Summariser<'a> {
    pub languages: &'a mut Languages,
    pub vocabulary: &'a Vocabulary,
    pub source: &'a Source,
}

impl Summariser<'_> {
    /// The summary of `language`: shared if somebody found it before, else found and maybe shared.
    pub fn summary(&mut self, language: LangId) -> Arc<Summary> {
        let key = self.languages.fingerprint(language);
        if let Some(known) = self.source.known(key) {
            return known;
        }
        let (summary, visited) = match self.languages.plainer(language) {
            Some(plainer) => self.delta(language, plainer),
            None => self.full(language),
        };
        let summary = Arc::new(summary);
        if visited >= WORTH_SHARING {
            self.source.keep(key, &summary);
        }
        summary
    }

    fn full(&mut self, language: LangId) -> (Summary, usize) {
        let trie = self.source.trie(self.vocabulary);
        let mut found = Found::default();
        found.walk(self.languages, trie, 0, language);
        let visited = found.visited;
        (found.into_summary(trie, self.vocabulary.size()), visited)
    }

    /// The summary of a plainer language, kept whole and with its skeleton.
    fn base(&mut self, plainer: LangId) -> Arc<Summary> {
        let key = self.languages.fingerprint(plainer) ^ 1;
        if let Some(known) = self.source.known(key) {
            return known;
        }
        let (mut summary, _) = self.full(plainer);
        summary.skeleton = self.skeleton(plainer);
        let size = self.vocabulary.size();
        let inside = match &summary.inside {
            Inside::Sparse(ids) => Arc::new(TokenSet::from_ids(size, ids.iter().copied())),
            Inside::Dense(set) => set.clone(),
        };
        let mut exiting = TokenSet::new(size);
        summary.exits.iter().for_each(|(_, suffixes)| exiting.insert_all(suffixes.all_ids()));
        summary.inside = Inside::Dense(inside.clone());
        summary.sets = Some((inside, exiting));
        let summary = Arc::new(summary);
        self.source.keep(key, &summary);
        summary
    }

    fn skeleton(&mut self, language: LangId) -> Box<[Bone]> {
        let trie = self.source.trie(self.vocabulary);
        let mut bones: Vec<Bone> = Vec::new();
        // The nodes above the current one that are not written down yet.
        let mut path: Vec<(u32, LangId)> = vec![(0, language)];
        let mut written = 0usize;
        let mut node = 1u32;
        let count = trie.node_count() as u32;
        while node < count {
            let depth = usize::from(trie.depth(node));
            path.truncate(depth);
            written = written.min(depth - 1);
            let state = self.languages.step(path[depth - 1].1, trie.byte(node));
            if state == LangId::NEVER {
                node = trie.end(node);
                continue;
            }
            path.push((node, state));
            if self.languages.is_nullable(state) {
                for (at, &(ancestor, _)) in path.iter().enumerate().skip(written + 1) {
                    bones.push(Bone {
                        node: ancestor,
                        depth: at as u16,
                        byte: trie.byte(ancestor),
                        is_end: ancestor == node,
                    });
                }
                written = depth;
            }
            node = if self.languages.is_spent(state) { trie.end(node) } else { node + 1 };
        }
        bones.into()
    }

    /// The summary of `language` as a difference to that of `plainer`, a language with every prefix of `language`.
    fn delta(&mut self, language: LangId, plainer: LangId) -> (Summary, usize) {
        let base = self.base(plainer);
        let Some((base_inside, exiting)) = &base.sets else { return self.full(language) };
        let trie = self.source.trie(self.vocabulary);
        let below = self.source.below(self.vocabulary);
        let mut difference = Difference {
            base: &base,
            exiting,
            inside: TokenSet::clone(base_inside),
            removed: Vec::new(),
            found: Found::default(),
        };
        let mut stack: Vec<(u32, LangId, LangId)> = vec![(0, language, plainer)];
        while let Some((node, state, plain)) = stack.pop() {
            for child in trie.children(node) {
                let byte = trie.byte(child);
                let next_plain = self.languages.step(plain, byte);
                if next_plain == LangId::NEVER {
                    continue;
                }
                difference.found.visited += 1;
                let next = self.languages.step(state, byte);
                if next == next_plain {
                    continue;
                }
                if next == LangId::NEVER {
                    difference.remove(trie, child);
                    continue;
                }
                let Below { height, groups } = below[child as usize];
                let near = self.languages.clamped(next, u32::from(height), 0);
                let near_plain = self.languages.clamped(next_plain, u32::from(height), 0);
                if near == near_plain {
                    continue;
                }
                let same_end = self.languages.is_nullable(next) == self.languages.is_nullable(next_plain)
                    && self.languages.label(next) == self.languages.label(next_plain);
                if !same_end {
                    difference.remove(trie, child);
                    difference.found.record(self.languages, trie, child, next);
                    difference.found.walk(self.languages, trie, child, next);
                } else if self.languages.dangers(near, near_plain) & groups == 0 {
                    self.closing_only(trie, child, next, &mut difference);
                } else {
                    stack.push((child, next, next_plain));
                }
            }
        }
        let Difference { mut inside, mut removed, mut found, .. } = difference;
        let visited = found.visited;
        let exits = found.exits(trie);
        inside.insert_all(&found.inside);
        let (mut lost, mut won) = (Vec::new(), Vec::new());
        for (w, (&new, &old)) in inside.words().iter().zip(base_inside.words()).enumerate() {
            let mut changed = new ^ old;
            while changed != 0 && lost.len() + won.len() <= MAX_DIFFERENCE {
                let bit = changed.trailing_zeros();
                let id = TokenId(w as u32 * 32 + bit);
                if old >> bit & 1 == 1 {
                    lost.push(id);
                } else {
                    won.push(id);
                }
                changed &= changed - 1;
            }
        }
        let inside_counts = lost.len() + won.len() <= MAX_DIFFERENCE;
        let inside = if inside_counts {
            removed.extend(lost);
            Inside::Sparse(won.into())
        } else {
            Inside::Dense(Arc::new(inside))
        };
        removed.sort_unstable();
        removed.dedup();
        let base = Base { summary: base.clone(), inside_counts, removed: removed.into() };
        (Summary { base: Some(base), inside, exits, skeleton: Box::new([]), sets: None }, visited)
    }

    /// Below `node` no text is refused: only the places where the plainer language ends are looked at.
    fn closing_only(&mut self, trie: &TokenTrie, node: u32, state: LangId, difference: &mut Difference<'_>) {
        let bones = &difference.base.skeleton;
        let first = bones.partition_point(|b| b.node <= node);
        let top = usize::from(trie.depth(node));
        let mut states: Vec<LangId> = vec![state];
        let mut dead_until = 0u32;
        for bone in &bones[first..] {
            if bone.node >= trie.end(node) {
                break;
            }
            if bone.node < dead_until {
                continue;
            }
            difference.found.visited += 1;
            let level = usize::from(bone.depth) - top;
            states.truncate(level);
            let next = self.languages.step(states[level - 1], bone.byte);
            if next == LangId::NEVER || (bone.is_end && !self.languages.is_nullable(next)) {
                difference.remove(trie, bone.node);
                dead_until = trie.end(bone.node);
                continue;
            }
            states.push(next);
        }
    }
}
