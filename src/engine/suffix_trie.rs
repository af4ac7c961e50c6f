//! The suffixes of the tokens that leave a terminal, merged into one small trie.
//!
//! Thousands of tokens leave a JSON string (`foo":`, `bar":`, …) but their suffixes are a few hundred; the continuation
//! reads each suffix once, whatever came before it.

use crate::vocab::{TokenId, TokenTrie};

/// The suffixes of tokens that leave a terminal, in preorder.
pub(super) struct SuffixTrie {
    pub nodes: Box<[SuffixNode]>,
    ids: Box<[TokenId]>,
}

#[derive(Clone, Copy)]
pub(super) struct SuffixNode {
    pub byte: u8,
    /// 1 for the first byte.
    pub depth: u16,
    /// The first node after this one's subtree.
    pub end: u32,
    ids_end: u32,
}

impl SuffixTrie {
    /// The tokens whose suffix ends at node `i`.
    pub fn ids(&self, i: usize) -> &[TokenId] {
        let start = if i == 0 { 0 } else { self.nodes[i - 1].ids_end };
        &self.ids[start as usize..self.nodes[i].ids_end as usize]
    }

    /// Every token in the trie.
    pub fn all_ids(&self) -> &[TokenId] {
        &self.ids
    }

    /// Merges the subtrees below `roots`.
    pub fn merge(trie: &TokenTrie, roots: &[u32]) -> Self {
        if let [one] = roots {
            return Self::below(trie, *one);
        }
        let mut nodes: Vec<SuffixNode> = Vec::new();
        let mut ids: Vec<TokenId> = Vec::new();
        // A frame: the groups of children still to do (in reverse), and the node they belong to.
        let mut stack: Vec<(Groups, Option<usize>)> = vec![(groups(trie, roots), None)];
        while let Some((todo, owner)) = stack.last_mut() {
            let Some((byte, members)) = todo.pop() else {
                if let Some(owner) = *owner {
                    nodes[owner].end = nodes.len() as u32;
                }
                stack.pop();
                continue;
            };
            for &m in &members {
                ids.extend_from_slice(trie.tokens(m));
            }
            let at = nodes.len();
            let depth = stack.len() as u16;
            nodes.push(SuffixNode { byte, depth, end: 0, ids_end: ids.len() as u32 });
            let below = groups(trie, &members);
            stack.push((below, Some(at)));
        }
        SuffixTrie { nodes: nodes.into(), ids: ids.into() }
    }

    /// The subtree below `root` is in order as it is.
    fn below(trie: &TokenTrie, root: u32) -> Self {
        let (top, before) = (trie.depth(root), trie.tokens(root).len());
        let ids = &trie.subtree_tokens(root)[before..];
        let mut ids_end = 0;
        let nodes = (root + 1..trie.end(root)).map(|node| {
            ids_end += trie.tokens(node).len() as u32;
            SuffixNode {
                byte: trie.byte(node),
                depth: trie.depth(node) - top,
                end: trie.end(node) - root - 1,
                ids_end,
            }
        });
        SuffixTrie { nodes: nodes.collect(), ids: ids.into() }
    }

    pub fn memory(&self) -> usize {
        self.nodes.len() * std::mem::size_of::<SuffixNode>() + self.ids.len() * 4
    }
}

/// Trie nodes by their byte.
type Groups = Vec<(u8, Vec<u32>)>;

/// The children of `members` by byte, last byte first.
fn groups(trie: &TokenTrie, members: &[u32]) -> Groups {
    if let [one] = members {
        let mut all: Groups = trie.children(*one).map(|c| (trie.byte(c), vec![c])).collect();
        all.reverse();
        return all;
    }
    let mut pairs: Vec<(u8, u32)> =
        members.iter().flat_map(|&m| trie.children(m).map(|c| (trie.byte(c), c))).collect();
    pairs.sort_unstable();
    let mut all: Groups =
        pairs.chunk_by(|a, b| a.0 == b.0).map(|g| (g[0].0, g.iter().map(|p| p.1).collect())).collect();
    all.reverse();
    all
}
