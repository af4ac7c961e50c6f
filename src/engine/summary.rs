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
//!   what is left is a list of tokens to take out and a few to put in.
//! - *Closing quotes only*: a state from which no text is ever refused (an unanchored pattern) differs from "any string"
//!   only in where the string may end, so only the paths to closing quotes are walked.

use super::lexicon::Source;
use super::suffix_trie::SuffixTrie;
use crate::automata::{LangId, Languages};
use crate::vocab::{TokenId, TokenSet, TokenTrie, Vocabulary};
use std::sync::Arc;

/// Up to this many tokens a set is kept as a list of ids.
const SPARSE: usize = 512;

/// A delta that takes out more tokens than this is not kept as one.
const MAX_REMOVED: usize = 4096;

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
    /// Tokens that the base allows (inside or by an exit) and that count only if this summary itself names them; sorted.
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
    removed: Vec<TokenId>,
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

    fn into_summary(mut self, trie: &TokenTrie, size: usize, base: Option<Arc<Summary>>) -> Summary {
        let exits = self.exits(trie);
        self.removed.sort_unstable();
        self.removed.dedup();
        let inside = if self.inside.len() <= SPARSE {
            Inside::Sparse(self.inside.into())
        } else {
            Inside::Dense(Arc::new(TokenSet::from_ids(size, self.inside)))
        };
        let base = base.map(|summary| Base { summary, removed: self.removed.into() });
        Summary { base, inside, exits, skeleton: Box::new([]) }
    }
}

impl Summary {
    pub fn memory(&self) -> usize {
        let inside = match &self.inside {
            Inside::Sparse(ids) => ids.len() * 4,
            Inside::Dense(set) => set.words().len() * 4,
        };
        let removed = self.base.as_ref().map_or(0, |b| b.removed.len() * 4);
        128 + inside
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
        let delta = self.languages.plainer(language).and_then(|plainer| self.delta(language, plainer));
        let (summary, visited) = delta.unwrap_or_else(|| self.full(language));
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
        (found.into_summary(trie, self.vocabulary.size(), None), visited)
    }

    /// The summary of a plainer language, kept whole and with its skeleton.
    fn base(&mut self, plainer: LangId) -> Arc<Summary> {
        let key = self.languages.fingerprint(plainer) ^ 1;
        if let Some(known) = self.source.known(key) {
            return known;
        }
        let (mut summary, _) = self.full(plainer);
        summary.skeleton = self.skeleton(plainer);
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

    /// The summary of `language` as a difference to that of `plainer`, a language with every prefix of `language`;
    /// `None` if the difference is large.
    fn delta(&mut self, language: LangId, plainer: LangId) -> Option<(Summary, usize)> {
        let base = self.base(plainer);
        let trie = self.source.trie(self.vocabulary);
        let heights = self.source.heights(self.vocabulary);
        let mut found = Found::default();
        let mut stack: Vec<(u32, LangId, LangId)> = vec![(0, language, plainer)];
        while let Some((node, state, plain)) = stack.pop() {
            if self.languages.is_never_refusing(state, plain) {
                self.closing_only(&base, trie, node, state, &mut found);
                continue;
            }
            for child in trie.children(node) {
                let byte = trie.byte(child);
                let next_plain = self.languages.step(plain, byte);
                if next_plain == LangId::NEVER {
                    continue;
                }
                found.visited += 1;
                let next = self.languages.step(state, byte);
                if next == next_plain {
                    continue;
                }
                if next == LangId::NEVER {
                    found.removed.extend_from_slice(trie.subtree_tokens(child));
                } else {
                    let height = u32::from(heights[child as usize]);
                    if self.languages.agree_up_to(next, next_plain, height) {
                        continue;
                    }
                    let same_end = self.languages.is_nullable(next) == self.languages.is_nullable(next_plain)
                        && self.languages.label(next) == self.languages.label(next_plain);
                    if same_end {
                        stack.push((child, next, next_plain));
                    } else {
                        found.removed.extend_from_slice(trie.subtree_tokens(child));
                        found.record(self.languages, trie, child, next);
                        found.walk(self.languages, trie, child, next);
                    }
                }
                if found.removed.len() > MAX_REMOVED {
                    return None;
                }
            }
        }
        let visited = found.visited;
        Some((found.into_summary(trie, self.vocabulary.size(), Some(base)), visited))
    }

    /// Below `node`, where no text is refused: only the places where the plainer language ends are looked at.
    fn closing_only(
        &mut self,
        base: &Summary,
        trie: &TokenTrie,
        node: u32,
        state: LangId,
        found: &mut Found,
    ) {
        let bones = &base.skeleton;
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
            found.visited += 1;
            let level = usize::from(bone.depth) - top;
            states.truncate(level);
            let next = self.languages.step(states[level - 1], bone.byte);
            if next == LangId::NEVER || (bone.is_end && !self.languages.is_nullable(next)) {
                found.removed.extend_from_slice(trie.subtree_tokens(bone.node));
                dead_until = trie.end(bone.node);
                continue;
            }
            states.push(next);
        }
    }
}
