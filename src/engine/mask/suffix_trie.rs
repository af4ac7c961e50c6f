//! The suffixes with which tokens leave a terminal, merged into small tries.
//!
//! Many tokens leave a JSON string: `foo":`, `bar":` and so on. They have far fewer suffixes behind
//! the closing quote, such as `:`. The suffixes are merged into one small trie, so the continuation
//! reads each suffix once and not once for each token.
//!
//! A terminal that may end anywhere, such as `[a-z]*`, can be left within nearly every token, and
//! few of the suffixes can follow it. So suffixes are kept by their first byte. Those with one
//! first byte are merged when a continuation first reads this byte. If all of them are below one
//! node of the vocabulary's trie, that subtree is used as it is.
//!
//! Price: a merged trie has a node for each byte of each different suffix, and is kept with the
//! summary.

use super::vocabulary_index::SubtreeInfo;
use crate::automata::ByteSet;
use crate::vocab::{TokenId, TokenTrie};
use std::ops::Range;
use std::sync::OnceLock;

/// The suffixes of the tokens that leave a terminal.
pub(in crate::engine) struct Suffixes {
    groups: Box<[SuffixGroup]>,
    /// The trie's nodes on which suffixes begin, in the order of their bytes.
    roots: Box<[u32]>,
    /// The number of these nodes and of all nodes below them.
    nodes: usize,
}

/// The suffixes that begin with one byte.
struct SuffixGroup {
    byte: u8,
    /// The end of the group's nodes in [`Suffixes::roots`].
    end: u32,
    merged: OnceLock<SuffixTrie>,
}

/// The suffixes that begin with one byte, ready to be read.
pub(in crate::engine) enum Branch<'a> {
    /// They stand in the vocabulary's trie, from this node on.
    InVocabulary(u32),
    /// They were merged from several places.
    Merged(&'a SuffixTrie),
}

impl Suffixes {
    /// The suffixes of the tokens below `ends`, the nodes on which the terminal ends.
    pub fn of(trie: &TokenTrie, ends: impl Iterator<Item = u32> + Clone) -> Self {
        // A counting sort of the nodes by their bytes.
        let mut counts = [0u32; 256];
        let mut nodes = 0;
        let mut total = 0;
        for root in ends.clone().flat_map(|end| trie.children(end)) {
            counts[usize::from(trie.byte(root))] += 1;
            nodes += (trie.end(root) - root) as usize;
            total += 1;
        }
        let mut groups = Vec::with_capacity(counts.iter().filter(|&&count| count > 0).count());
        let mut end = 0;
        for (byte, count) in (0..=u8::MAX).zip(&mut counts) {
            if *count > 0 {
                end += *count;
                groups.push(SuffixGroup { byte, end, merged: OnceLock::new() });
            }
            // From here on, the place of the next node with this byte.
            *count = end - *count;
        }
        let mut roots = vec![0; total];
        for root in ends.flat_map(|end| trie.children(end)) {
            let place = &mut counts[usize::from(trie.byte(root))];
            roots[*place as usize] = root;
            *place += 1;
        }
        Suffixes { groups: groups.into(), roots: roots.into(), nodes }
    }

    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The number of nodes there would be if none were merged.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The number of nodes, if none were merged, of the suffixes that begin with one of `bytes`.
    pub fn nodes_from(&self, trie: &TokenTrie, bytes: &ByteSet) -> usize {
        let groups = (0..self.len()).filter(|&at| bytes.contains(self.byte(at)));
        groups.flat_map(|at| self.roots_of(at)).map(|&root| (trie.end(root) - root) as usize).sum()
    }

    /// The number of different first bytes.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// The first byte of group `at`.
    pub fn byte(&self, at: usize) -> u8 {
        self.groups[at].byte
    }

    fn roots_of(&self, at: usize) -> &[u32] {
        let start = if at == 0 { 0 } else { self.groups[at - 1].end };
        &self.roots[start as usize..self.groups[at].end as usize]
    }

    /// The suffixes of group `at`. If they have to be merged first, `grown` is called with the
    /// bytes of memory that this takes.
    pub fn branch(&self, trie: &TokenTrie, at: usize, grown: impl FnOnce(usize)) -> Branch<'_> {
        match *self.roots_of(at) {
            [one] => Branch::InVocabulary(one),
            ref several => Branch::Merged(self.groups[at].merged.get_or_init(|| {
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

    /// Bytes held, approximately, without the tries that are merged later.
    pub fn memory(&self) -> usize {
        self.groups.len() * std::mem::size_of::<SuffixGroup>() + self.roots.len() * 4
    }
}

/// Merged suffixes, in preorder.
pub(in crate::engine) struct SuffixTrie {
    nodes: Box<[SuffixNode]>,
    ids: Box<[TokenId]>,
}

#[derive(Clone, Copy)]
struct SuffixNode {
    byte: u8,
    /// The number of bytes that the longest suffix below still has; 255 stands for more, too.
    height: u8,
    /// 1 for the first byte.
    depth: u16,
    /// The first node after this one's subtree.
    end: u32,
    ids_end: u32,
}

/// A step of merging.
enum MergeStep {
    /// Merges the trie nodes in this range of members, which have the same byte, at this depth.
    Merge(u16, Range<usize>),
    /// Closes this node: everything below it has been merged.
    Close(usize),
}

/// Tokens by suffix in preorder: a part of the vocabulary's trie, or a merged trie.
pub(in crate::engine) trait PreorderTrie {
    fn byte(&self, node: u32) -> u8;
    /// The first node after the subtree of `node`.
    fn end(&self, node: u32) -> u32;
    fn depth(&self, node: u32) -> u16;
    /// The number of bytes that the longest token below still has; 255 may stand for more.
    fn height(&self, node: u32) -> u16;
    /// The tokens whose suffix ends at `node`.
    fn tokens(&self, node: u32) -> &[TokenId];
}

/// The vocabulary's trie, with the properties of its nodes.
pub(in crate::engine) struct VocabularyTrie<'a> {
    pub trie: &'a TokenTrie,
    pub subtrees: &'a [SubtreeInfo],
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
        self.subtrees[node as usize].height
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
        // The trie nodes to be merged. Those of the step on top of `work` are last.
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
                copy_subtree(trie, one, depth, &mut nodes, &mut ids);
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
            // Descending, so that the step of the smallest byte is on top.
            members[start..].sort_unstable_by(|a, b| b.cmp(a));
            let mut from = start;
            while from < members.len() {
                let run = members[from..].iter().take_while(|member| member.0 == members[from].0).count();
                work.push(MergeStep::Merge(depth + 1, from..from + run));
                from += run;
            }
        }
        set_heights(&mut nodes);
        SuffixTrie { nodes: nodes.into(), ids: ids.into() }
    }

    fn memory(&self) -> usize {
        self.nodes.len() * std::mem::size_of::<SuffixNode>() + self.ids.len() * 4
    }
}

/// Appends the subtree of `root`, which is in preorder already.
fn copy_subtree(
    trie: &TokenTrie,
    root: u32,
    depth: u16,
    nodes: &mut Vec<SuffixNode>,
    ids: &mut Vec<TokenId>,
) {
    let (at, shift) = (nodes.len() as u32, depth.wrapping_sub(trie.depth(root)));
    let mut ids_end = ids.len() as u32;
    ids.extend_from_slice(trie.subtree_tokens(root));
    nodes.extend((root..trie.end(root)).map(|node| {
        ids_end += trie.tokens(node).len() as u32;
        SuffixNode {
            byte: trie.byte(node),
            height: 0,
            depth: trie.depth(node).wrapping_add(shift),
            end: trie.end(node) - root + at,
            ids_end,
        }
    }));
}

/// Fills in heights, children before parents.
fn set_heights(nodes: &mut [SuffixNode]) {
    for node in (0..nodes.len()).rev() {
        let (mut child, end) = (node + 1, nodes[node].end as usize);
        while child < end {
            nodes[node].height = nodes[node].height.max(nodes[child].height.saturating_add(1));
            child = nodes[child].end as usize;
        }
    }
}
