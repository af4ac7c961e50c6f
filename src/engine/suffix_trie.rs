//! The suffixes of the tokens that leave a terminal.
//!
//! Thousands of tokens leave a JSON string (`foo":`, `bar":`, …) but their suffixes are a few hundred; merged into one small
//! trie the continuation reads each suffix once, whatever came before it.
//!
//! A terminal that may end anywhere, such as `[a-z]*`, is left by the rest of every token there is, and hardly any of these
//! rests can follow. So suffixes are kept by their first byte, and those of a byte are merged when a continuation reads it
//! for the first time. Where only one node of the vocabulary's trie begins with the byte, its subtree is read as it stands.

use super::vocabulary_index::SubtreeInfo;
use crate::vocab::{TokenId, TokenTrie};
use std::ops::Range;
use std::sync::OnceLock;

/// The suffixes of the tokens that leave a terminal.
pub(super) struct Suffixes {
    starts: Box<[SuffixGroup]>,
    /// The trie's nodes on which suffixes begin, by their byte.
    roots: Box<[u32]>,
    /// How many nodes are below these, and they themselves.
    nodes: usize,
}

/// The suffixes that begin with one byte.
struct SuffixGroup {
    byte: u8,
    /// Where its roots end.
    end: u32,
    merged: OnceLock<SuffixTrie>,
}

/// The suffixes that begin with one byte, to be read.
pub(super) enum Branch<'a> {
    /// They stand in the vocabulary's trie as they are, from this node on.
    Whole(u32),
    /// They are merged from several places.
    Merged(&'a SuffixTrie),
}

impl Suffixes {
    /// Of the tokens below `ends`, on which the terminal ends.
    pub fn of(trie: &TokenTrie, ends: impl Iterator<Item = u32> + Clone) -> Self {
        let mut counts = [0u32; 256];
        let mut nodes = 0;
        let mut total = 0;
        for root in ends.clone().flat_map(|end| trie.children(end)) {
            counts[usize::from(trie.byte(root))] += 1;
            nodes += (trie.end(root) - root) as usize;
            total += 1;
        }
        let mut starts = Vec::with_capacity(counts.iter().filter(|&&count| count > 0).count());
        let mut end = 0;
        for (byte, count) in (0..=u8::MAX).zip(&mut counts) {
            if *count > 0 {
                end += *count;
                starts.push(SuffixGroup { byte, end, merged: OnceLock::new() });
            }
            // From here on where the next root of this byte goes.
            *count = end - *count;
        }
        let mut roots = vec![0; total];
        for root in ends.flat_map(|end| trie.children(end)) {
            let place = &mut counts[usize::from(trie.byte(root))];
            roots[*place as usize] = root;
            *place += 1;
        }
        Suffixes { starts: starts.into(), roots: roots.into(), nodes }
    }

    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// How many nodes there would be if none were merged.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// How many bytes suffixes begin with.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// The byte that the suffixes of `at` begin with.
    pub fn byte(&self, at: usize) -> u8 {
        self.starts[at].byte
    }

    fn roots_of(&self, at: usize) -> &[u32] {
        let start = if at == 0 { 0 } else { self.starts[at - 1].end };
        &self.roots[start as usize..self.starts[at].end as usize]
    }

    /// The suffixes of `at`; calls `grown` with the bytes of memory that this takes, if it does.
    pub fn branch(&self, trie: &TokenTrie, at: usize, grown: impl FnOnce(usize)) -> Branch<'_> {
        match *self.roots_of(at) {
            [one] => Branch::Whole(one),
            ref several => Branch::Merged(self.starts[at].merged.get_or_init(|| {
                let merged = SuffixTrie::merge(trie, several);
                grown(merged.memory());
                merged
            })),
        }
    }

    /// The trie's nodes on which suffixes begin.
    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// Bytes held, without what is merged later.
    pub fn memory(&self) -> usize {
        self.starts.len() * std::mem::size_of::<SuffixGroup>() + self.roots.len() * 4
    }
}

/// Suffixes merged, in preorder.
pub(super) struct SuffixTrie {
    nodes: Box<[SuffixNode]>,
    ids: Box<[TokenId]>,
}

#[derive(Clone, Copy)]
struct SuffixNode {
    byte: u8,
    /// How many bytes the longest suffix below still has; 255 for more.
    height: u8,
    /// 1 for the first byte.
    depth: u16,
    /// The first node after this one's subtree.
    end: u32,
    ids_end: u32,
}

/// A step of merging.
enum MergeStep {
    /// These nodes, which have the same byte, at this depth.
    Merge(u16, Range<usize>),
    /// Everything below this node is merged.
    Close(usize),
}

/// Tokens by suffix in preorder: a part of the vocabulary's trie, or one that was merged.
pub(super) trait PreorderTrie {
    fn byte(&self, node: u32) -> u8;
    /// The first node after the subtree of `node`.
    fn end(&self, node: u32) -> u32;
    fn depth(&self, node: u32) -> u16;
    /// How many bytes the longest token below still has; 255 may stand for more.
    fn height(&self, node: u32) -> u16;
    /// The tokens whose suffix ends at `node`.
    fn tokens(&self, node: u32) -> &[TokenId];
}

/// The vocabulary's trie with what is known of its nodes.
pub(super) struct VocabularyTrie<'a> {
    pub trie: &'a TokenTrie,
    pub below: &'a [SubtreeInfo],
}

impl PreorderTrie for VocabularyTrie<'_> {
    fn byte(&self, node: u32) -> u8 {
        self.trie.byte(node)
    }

    fn end(&self, node: u32) -> u32 {
        self.trie.end(node)
    }

    fn depth(&self, node: u32) -> u16 {
        self.trie.depth(node)
    }

    fn height(&self, node: u32) -> u16 {
        self.below[node as usize].height
    }

    fn tokens(&self, node: u32) -> &[TokenId] {
        self.trie.tokens(node)
    }
}

impl PreorderTrie for SuffixTrie {
    fn byte(&self, node: u32) -> u8 {
        self.nodes[node as usize].byte
    }

    fn end(&self, node: u32) -> u32 {
        self.nodes[node as usize].end
    }

    fn depth(&self, node: u32) -> u16 {
        self.nodes[node as usize].depth
    }

    fn height(&self, node: u32) -> u16 {
        self.nodes[node as usize].height.into()
    }

    fn tokens(&self, node: u32) -> &[TokenId] {
        let start = if node == 0 { 0 } else { self.nodes[node as usize - 1].ids_end };
        &self.ids[start as usize..self.nodes[node as usize].ids_end as usize]
    }
}

impl SuffixTrie {
    /// Merges the subtrees of `roots`, which have the same byte.
    fn merge(trie: &TokenTrie, roots: &[u32]) -> Self {
        let mut nodes: Vec<SuffixNode> = Vec::new();
        let mut ids: Vec<TokenId> = Vec::new();
        // What is to be done, next last.
        // The trie's nodes to be merged, those of the last work last.
        let mut members: Vec<(u8, u32)> = roots.iter().map(|&root| (trie.byte(root), root)).collect();
        let mut work = vec![MergeStep::Merge(1, 0..members.len())];
        while let Some(next) = work.pop() {
            let (depth, range) = match next {
                MergeStep::Close(node) => {
                    nodes[node].end = nodes.len() as u32;
                    continue;
                }
                MergeStep::Merge(depth, range) => (depth, range),
            };
            let start = range.start;
            if let [(_, one)] = members[range.clone()] {
                // Its subtree is in order as it is.
                let (at, shift) = (nodes.len() as u32, depth.wrapping_sub(trie.depth(one)));
                let mut ids_end = ids.len() as u32;
                ids.extend_from_slice(trie.subtree_tokens(one));
                nodes.extend((one..trie.end(one)).map(|node| {
                    ids_end += trie.tokens(node).len() as u32;
                    SuffixNode {
                        byte: trie.byte(node),
                        height: 0,
                        depth: trie.depth(node).wrapping_add(shift),
                        end: trie.end(node) - one + at,
                        ids_end,
                    }
                }));
                members.truncate(start);
                continue;
            }
            let at = nodes.len();
            let byte = members[start].0;
            let own: Vec<u32> = members[range].iter().map(|member| member.1).collect();
            members.truncate(start);
            for &member in &own {
                ids.extend_from_slice(trie.tokens(member));
                members.extend(trie.children(member).map(|child| (trie.byte(child), child)));
            }
            nodes.push(SuffixNode { byte, height: 0, depth, end: 0, ids_end: ids.len() as u32 });
            work.push(MergeStep::Close(at));
            // The first byte last, so that it is done first.
            members[start..].sort_unstable_by(|a, b| b.cmp(a));
            let mut from = start;
            while from < members.len() {
                let run = members[from..].iter().take_while(|member| member.0 == members[from].0).count();
                work.push(MergeStep::Merge(depth + 1, from..from + run));
                from += run;
            }
        }
        // In preorder a node's children come after it.
        for node in (0..nodes.len()).rev() {
            let (mut child, end) = (node + 1, nodes[node].end as usize);
            while child < end {
                nodes[node].height = nodes[node].height.max(nodes[child].height.saturating_add(1));
                child = nodes[child].end as usize;
            }
        }
        SuffixTrie { nodes: nodes.into(), ids: ids.into() }
    }

    fn memory(&self) -> usize {
        self.nodes.len() * std::mem::size_of::<SuffixNode>() + self.ids.len() * 4
    }
}
