//! The tokens' bytes as a trie in flat arrays.
//!
//! A mask is computed by a walk of the trie in step with an automaton. If the automaton rejects a
//! byte, the walk skips the whole subtree. The nodes therefore stand in *preorder* and each knows
//! the end of its subtree: a full walk is one loop over an array, and a skip is one assignment.
//! Token ids stand in the same order, so the tokens below a node are one slice.
//!
//! A narrow automaton state (a digit, one key of an object) accepts few of the hundreds of bytes
//! that follow a node near the root. A node with [`WIDE`] or more children therefore also has a
//! 256-bit set of its children's bytes. [`TokenTrie::matching_children`] intersects that set with
//! the bytes that the state accepts, so the walk visits the children that match and not their
//! siblings.
//!
//! Memory: 16 bytes a node, and for a wide node 64 bytes more and 4 for each child. The build sorts
//! the ids by their bytes (a prefix of eight bytes decides most comparisons) and then reads them
//! once. It allocates nothing per node.

use super::{TokenId, VocabularyError};
use std::iter::FusedIterator;

/// A set of bytes as 256 bits: byte `b` is bit `b & 63` of word `b >> 6`.
pub type ByteSet256 = [u64; 4];

/// The number of children from which on a node has a set of their bytes.
pub const WIDE: usize = 8;

const NOT_WIDE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The first node after this node's subtree.
    end: u32,
    /// The start of the subtree's tokens in `order`; they end at the first token of node `end`.
    first_token: u32,
    /// Index into `wide`, or `NOT_WIDE`.
    wide: u32,
    depth: u16,
    byte: u8,
}

/// The children of a node that has at least [`WIDE`].
#[derive(Clone, Debug)]
struct Wide {
    set: ByteSet256,
    /// Index in `wide_children` of the first child in each word of `set`.
    offsets: [u32; 4],
}

/// A trie over the bytes of a vocabulary's text tokens, in preorder. Node 0 is the root.
///
/// Methods that take a node panic if the trie has no such node.
///
/// ```
/// use hedgerow::vocab::{TokenId, Vocabulary};
///
/// let tokens = ["a", "ab", "b"].map(|text| text.as_bytes().to_vec());
/// let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
/// let trie = vocabulary.trie();
/// let a = trie.child(0, b'a').unwrap();
/// assert_eq!(trie.tokens(a), [TokenId(0)]);
/// assert_eq!(trie.subtree_tokens(a), [TokenId(0), TokenId(1)]);
/// assert_eq!(trie.children(0).map(|node| trie.byte(node)).collect::<Vec<_>>(), b"ab");
/// # Ok::<(), hedgerow::vocab::VocabularyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenTrie {
    /// The nodes, then one sentinel whose `first_token` is the number of tokens.
    nodes: Box<[Node]>,
    order: Box<[TokenId]>,
    wide: Box<[Wide]>,
    wide_children: Box<[u32]>,
}

impl TokenTrie {
    /// Longest token the trie can hold, in bytes: a node's depth is kept in 16 bits.
    pub const MAX_DEPTH: usize = u16::MAX as usize;

    /// Builds the trie of the tokens `0 .. count`, whose bytes `bytes_of` gives. Tokens without
    /// bytes are left out.
    ///
    /// Time: sorting `count` strings plus one step per byte.
    pub(crate) fn build<'a>(
        count: usize,
        bytes_of: impl Fn(TokenId) -> &'a [u8],
    ) -> Result<Self, VocabularyError> {
        let order = sorted_ids(count, &bytes_of)?;
        let mut nodes = Vec::with_capacity(count * 5 / 2 + 2);
        let mut child_counts: Vec<u16> = Vec::with_capacity(nodes.capacity());
        // The nodes from the root to the end of the previous token.
        let mut path: Vec<u32> = vec![0];
        nodes.push(Node { end: 0, first_token: 0, wide: NOT_WIDE, depth: 0, byte: 0 });
        child_counts.push(0);
        let mut previous: &[u8] = &[];
        for (i, &id) in order.iter().enumerate() {
            let bytes = bytes_of(id);
            let shared = previous.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            for closed in path.drain(shared + 1..) {
                nodes[closed as usize].end = nodes.len() as u32;
            }
            for (depth, &byte) in bytes.iter().enumerate().skip(shared) {
                child_counts[path[depth] as usize] += 1;
                path.push(nodes.len() as u32);
                nodes.push(Node {
                    end: 0,
                    first_token: i as u32,
                    wide: NOT_WIDE,
                    depth: depth as u16 + 1,
                    byte,
                });
                child_counts.push(0);
            }
            previous = bytes;
        }
        let node_count = nodes.len() as u32;
        for closed in path {
            nodes[closed as usize].end = node_count;
        }
        let (wide, wide_children) = index_wide_nodes(&mut nodes, &child_counts);
        nodes.push(Node {
            end: node_count,
            first_token: order.len() as u32,
            wide: NOT_WIDE,
            depth: 0,
            byte: 0,
        });
        Ok(Self {
            nodes: nodes.into(),
            order: order.into(),
            wide: wide.into(),
            wide_children: wide_children.into(),
        })
    }

    /// Number of nodes, the root included; they are numbered `0 .. node_count`.
    #[inline]
    pub fn node_count(&self) -> usize {
        self.nodes.len() - 1
    }

    /// The byte on the edge that leads to `node`; 0 for the root, which has none.
    #[inline]
    pub fn byte(&self, node: u32) -> u8 {
        self.nodes[node as usize].byte
    }

    /// The first node after the subtree of `node`, which is `node .. end`. A walk that skips the
    /// subtree continues here.
    #[inline]
    pub fn end(&self, node: u32) -> u32 {
        self.nodes[node as usize].end
    }

    /// Number of bytes from the root to `node`.
    #[inline]
    pub fn depth(&self, node: u32) -> u16 {
        self.nodes[node as usize].depth
    }

    /// The tokens that end exactly at `node`, in ascending order of id.
    #[inline]
    pub fn tokens(&self, node: u32) -> &[TokenId] {
        // The next node in preorder begins after this node's own tokens, whether it is a child or
        // not.
        let node = node as usize;
        &self.order[self.nodes[node].first_token as usize..self.nodes[node + 1].first_token as usize]
    }

    /// The tokens whose bytes begin with the path to `node`, its own [`tokens`](Self::tokens)
    /// first.
    #[inline]
    pub fn subtree_tokens(&self, node: u32) -> &[TokenId] {
        let node = &self.nodes[node as usize];
        &self.order[node.first_token as usize..self.nodes[node.end as usize].first_token as usize]
    }

    /// All tokens of the trie, sorted by bytes and then by id;
    /// [`subtree_tokens`](Self::subtree_tokens) are slices of it.
    #[inline]
    pub fn order(&self) -> &[TokenId] {
        &self.order
    }

    /// The children of `node`, in ascending order of byte.
    #[inline]
    pub fn children(&self, node: u32) -> ChildNodes<'_> {
        ChildNodes { trie: self, next: node + 1, end: self.end(node) }
    }

    /// The bytes of the children of `node` if it has at least 8; otherwise `None`.
    #[inline]
    pub fn child_set(&self, node: u32) -> Option<&ByteSet256> {
        self.wide_node(node).map(|wide| &wide.set)
    }

    /// The child of `node` along `byte`. Constant time; a node with fewer than 8 children is
    /// scanned.
    #[inline]
    pub fn child(&self, node: u32, byte: u8) -> Option<u32> {
        match self.wide_node(node) {
            Some(wide) => {
                let (word, bit) = ((byte >> 6) as usize, byte & 63);
                if wide.set[word] >> bit & 1 == 0 {
                    return None;
                }
                let rank = (wide.set[word] & ((1u64 << bit) - 1)).count_ones();
                Some(self.wide_children[(wide.offsets[word] + rank) as usize])
            }
            None => self.children(node).find(|&child| self.byte(child) == byte),
        }
    }

    /// The children of `node` whose byte is in `bytes`, in ascending order of byte.
    ///
    /// Time: one step for each matching child if `node` has at least 8 children, otherwise one for
    /// each child.
    #[inline]
    pub fn matching_children<'a>(&'a self, node: u32, bytes: &'a ByteSet256) -> MatchingChildren<'a> {
        MatchingChildren(match self.wide_node(node) {
            Some(wide) => Matching::Wide { trie: self, wide, bytes, word: 0, bits: wide.set[0] & bytes[0] },
            None => Matching::Narrow { children: self.children(node), bytes },
        })
    }

    /// The node at the end of the path `bytes` from `node`; `None` if there is no such path.
    pub fn descend(&self, node: u32, bytes: &[u8]) -> Option<u32> {
        bytes.iter().try_fold(node, |node, &byte| self.child(node, byte))
    }

    #[inline]
    fn wide_node(&self, node: u32) -> Option<&Wide> {
        self.wide.get(self.nodes[node as usize].wide as usize)
    }
}

/// The ids of tokens with bytes, sorted by bytes and then by id.
fn sorted_ids<'a>(
    count: usize,
    bytes_of: &impl Fn(TokenId) -> &'a [u8],
) -> Result<Vec<TokenId>, VocabularyError> {
    let mut keys = Vec::with_capacity(count);
    let mut total: u64 = 0;
    for id in (0..count as u32).map(TokenId) {
        let bytes = bytes_of(id);
        if bytes.len() > TokenTrie::MAX_DEPTH {
            return Err(VocabularyError::TokenTooLong {
                id,
                given: bytes.len(),
                limit: TokenTrie::MAX_DEPTH,
            });
        }
        if !bytes.is_empty() {
            total += bytes.len() as u64;
            keys.push((prefix(bytes), id));
        }
    }
    // Every byte makes at most one node. Nodes are numbered in 32 bits with two values to spare.
    const LIMIT: u64 = u32::MAX as u64 - 2;
    if total > LIMIT {
        return Err(VocabularyError::TooManyBytes { given: total, limit: LIMIT });
    }
    keys.sort_unstable_by(|&(prefix_a, a), &(prefix_b, b)| {
        prefix_a.cmp(&prefix_b).then_with(|| bytes_of(a).cmp(bytes_of(b))).then(a.cmp(&b))
    });
    Ok(keys.into_iter().map(|(_, id)| id).collect())
}

/// The first eight bytes as a number with the same order as the bytes. Equal prefixes leave the
/// order open.
fn prefix(bytes: &[u8]) -> u64 {
    let mut head = [0; 8];
    let n = bytes.len().min(8);
    head[..n].copy_from_slice(&bytes[..n]);
    u64::from_be_bytes(head)
}

fn index_wide_nodes(nodes: &mut [Node], child_counts: &[u16]) -> (Vec<Wide>, Vec<u32>) {
    let mut wide = Vec::new();
    let mut wide_children = Vec::new();
    for node in 0..nodes.len() {
        if (child_counts[node] as usize) < WIDE {
            continue;
        }
        let mut entry = Wide { set: [0; 4], offsets: [0; 4] };
        let mut child = node as u32 + 1;
        let mut counts = [0u32; 4];
        let first = wide_children.len() as u32;
        while child < nodes[node].end {
            let Node { byte, end, .. } = nodes[child as usize];
            entry.set[(byte >> 6) as usize] |= 1 << (byte & 63);
            counts[(byte >> 6) as usize] += 1;
            wide_children.push(child);
            child = end;
        }
        let mut offset = first;
        for (slot, count) in entry.offsets.iter_mut().zip(counts) {
            *slot = offset;
            offset += count;
        }
        nodes[node].wide = wide.len() as u32;
        wide.push(entry);
    }
    (wide, wide_children)
}

/// The children of a node in ascending order of byte; see [`TokenTrie::children`].
#[derive(Clone, Debug)]
pub struct ChildNodes<'a> {
    trie: &'a TokenTrie,
    next: u32,
    end: u32,
}

impl Iterator for ChildNodes<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.next >= self.end {
            return None;
        }
        let child = self.next;
        self.next = self.trie.end(child);
        Some(child)
    }
}

impl FusedIterator for ChildNodes<'_> {}

/// The children of a node whose byte is in a set; see [`TokenTrie::matching_children`].
#[derive(Clone, Debug)]
pub struct MatchingChildren<'a>(Matching<'a>);

#[derive(Clone, Debug)]
enum Matching<'a> {
    Narrow {
        children: ChildNodes<'a>,
        bytes: &'a ByteSet256,
    },
    Wide {
        trie: &'a TokenTrie,
        wide: &'a Wide,
        bytes: &'a ByteSet256,
        word: usize,
        /// Matching bits of word `word` that the iterator has yet to give.
        bits: u64,
    },
}

impl Iterator for MatchingChildren<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        match &mut self.0 {
            Matching::Narrow { children, bytes } => {
                let trie = children.trie;
                children.find(|&child| {
                    let byte = trie.byte(child);
                    bytes[(byte >> 6) as usize] >> (byte & 63) & 1 != 0
                })
            }
            Matching::Wide { trie, wide, bytes, word, bits } => {
                while *bits == 0 {
                    if *word == 3 {
                        return None;
                    }
                    *word += 1;
                    *bits = wide.set[*word] & bytes[*word];
                }
                let lowest = *bits & bits.wrapping_neg();
                *bits &= *bits - 1;
                let rank = (wide.set[*word] & (lowest - 1)).count_ones();
                Some(trie.wide_children[(wide.offsets[*word] + rank) as usize])
            }
        }
    }
}

impl FusedIterator for MatchingChildren<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn build(tokens: &[Vec<u8>]) -> TokenTrie {
        TokenTrie::build(tokens.len(), |id| &tokens[id.index()]).unwrap()
    }

    /// Compares every answer of the trie with a map from each prefix to the tokens below it.
    fn check(tokens: &[Vec<u8>]) {
        let trie = build(tokens);
        let mut prefixes: BTreeMap<&[u8], (Vec<TokenId>, Vec<TokenId>)> = BTreeMap::new();
        prefixes.insert(&[], Default::default());
        let mut sorted: Vec<TokenId> = (0..tokens.len() as u32).map(TokenId).collect();
        sorted.retain(|id| !tokens[id.index()].is_empty());
        sorted.sort_by_key(|id| (&tokens[id.index()], *id));
        for &id in &sorted {
            let bytes = &tokens[id.index()];
            for n in 0..=bytes.len() {
                let (exact, below) = prefixes.entry(&bytes[..n]).or_default();
                below.push(id);
                if n == bytes.len() {
                    exact.push(id);
                }
            }
        }
        assert_eq!(trie.order(), sorted);
        assert_eq!(trie.node_count(), prefixes.len());
        for (node, (path, (exact, below))) in prefixes.iter().enumerate() {
            let node = node as u32; // preorder of a trie is the order of its paths
            assert_eq!(trie.descend(0, path), Some(node));
            assert_eq!(trie.byte(node), path.last().copied().unwrap_or(0));
            assert_eq!(trie.depth(node) as usize, path.len());
            assert_eq!(trie.tokens(node), exact);
            assert_eq!(trie.subtree_tokens(node), below);
            let within = prefixes.keys().filter(|other| other.starts_with(path)).count();
            assert_eq!(trie.end(node) as usize, node as usize + within);
            let mut expected = Vec::new();
            for byte in 0..=255 {
                let mut longer = path.to_vec();
                longer.push(byte);
                let child = prefixes.keys().position(|other| **other == longer).map(|n| n as u32);
                assert_eq!(trie.child(node, byte), child);
                expected.extend(child);
            }
            assert_eq!(trie.children(node).collect::<Vec<_>>(), expected);
            assert_eq!(trie.child_set(node).is_some(), expected.len() >= WIDE);
            for bytes in [[0; 4], [!0; 4], [0x5555_5555_5555_5555; 4], [!0, 0, 0, 1 << 63], [0, 3, !0, 0]] {
                let matching = trie.matching_children(node, &bytes).collect::<Vec<_>>();
                let of_set = |&child: &u32| {
                    let byte = trie.byte(child);
                    bytes[(byte >> 6) as usize] >> (byte & 63) & 1 == 1
                };
                assert_eq!(matching, expected.iter().copied().filter(of_set).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn answers_as_a_map_of_prefixes_does() {
        check(&[]);
        check(&[vec![]]);
        check(&[vec![0], vec![0, 0], vec![0], vec![]]);
        check(&(0..=255).map(|byte| vec![byte]).collect::<Vec<_>>());
        check(&(0..=255).rev().map(|byte| vec![7, byte, byte]).collect::<Vec<_>>());
        // Tokens with the same first eight bytes are ordered by the bytes after them.
        check(&["abcdefgh", "abcdefgh\0", "abcdefghb", "abcdefgha", "abcdefg"].map(|s| s.into()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn answers_as_a_map_of_prefixes_does_for_random_tokens(
            tokens in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![0u8..3, 0x3eu8..0x44, any::<u8>()], 0..6), 0..60)
        ) {
            check(&tokens);
        }
    }

    #[test]
    fn a_token_too_long_is_refused() {
        let tokens = [vec![b'a'; 65535], vec![b'a'; 65536]];
        let error = TokenTrie::build(2, |id| &tokens[id.index()]).unwrap_err().to_string();
        assert_eq!(error, "token 1 has 65536 bytes, but at most 65535 are supported");
        let trie = build(&tokens[..1]);
        assert_eq!(trie.depth(65535), 65535);
        assert_eq!(trie.tokens(65535), [TokenId(0)]);
    }
}
