//! The index of a vocabulary: what masks need to know about its tokens, whatever the grammar.
//!
//! # Two tries
//!
//! Terminals of JSON grammars begin with optional whitespace, and so do half of all tokens. A walk
//! for `whitespace* "name"` would visit every token with leading whitespace again for every key. So
//! the terminal without its whitespace is walked beside a second trie, of tokens without their
//! leading whitespace. The tokens that are only whitespace are one shared set.
//!
//! This is exact for a terminal that is at most `n` bytes of whitespace, and then a language whose
//! words do not begin with whitespace. A token with at most `n` leading bytes of whitespace is read
//! as its stripped form is, and one with more is rejected. Tokens of whitespace alone are read up
//! to `n` bytes.
//!
//! # Groups of characters
//!
//! Each byte belongs to one of a few dozen *groups* ([`byte_group`]), such as lower-case letters or
//! characters of three bytes. For every node of a trie the index knows the groups of all bytes
//! below it ([`SubtreeInfo`]). If a state reads all of these groups in any order, the whole subtree
//! is inside and need not be walked. For example, `[a-z]*` reads all tokens below a node below
//! which there are only lower-case letters.
//!
//! Price: 12 bytes a trie node, the second trie, and the sets that are asked for.

use crate::automata::approximate::byte_group;
use crate::engine::recogniser::containers::is_json_space;
use crate::vocab::{TokenId, TokenSet, TokenTrie, Vocabulary};
use hashbrown::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The length in bytes up to which tokens can belong to slices. The few longer tokens are always
/// walked.
pub(in crate::engine) const MAX_SLICED_LEN: u16 = 32;

/// The largest number of slices that are kept. Beyond it they are dropped, and made again on
/// demand.
const MAX_SLICES: usize = 256;

/// The bit of bytes that continue a character as UTF-8 allows.
const CONTINUATION_BIT: u8 = 63;

/// The bit of bytes that are not valid UTF-8 at their place, and of all bytes beyond
/// [`MAX_SLICED_LEN`]. It is the bit of the group of bytes inside characters, which no state reads
/// in any order.
const INVALID_BIT: u8 = byte_group(0x80).trailing_zeros() as u8;

/// Facts about a trie node and the tokens below it. Tokens are taken for UTF-8 text that begins
/// with a whole character.
#[derive(Clone, Copy, Default)]
pub(in crate::engine) struct SubtreeInfo {
    /// The groups of all bytes below, as bits. Bytes inside a character count as
    /// [`CONTINUATION_BIT`], or as [`INVALID_BIT`] where they do not belong.
    pub groups: u64,
    /// The number of bytes that the longest token below still has.
    pub height: u16,
    /// The bit number of the node's own byte.
    own: u8,
    /// The number of bytes that are missing from the character in which the node's byte stands.
    missing: u8,
}

impl SubtreeInfo {
    /// True if a character ends at the node.
    pub fn is_boundary(&self) -> bool {
        self.missing == 0 && self.own != INVALID_BIT
    }

    /// True if the node's byte belongs to `groups`, or to a character whose first byte did.
    pub fn is_in(&self, groups: u64) -> bool {
        (groups | 1 << CONTINUATION_BIT) >> self.own & 1 == 1
    }

    /// True if everything below the node belongs to `groups`.
    pub fn all_in(&self, groups: u64) -> bool {
        self.groups & !(groups | 1 << CONTINUATION_BIT) == 0
    }

    /// True if everything below the node belongs to `groups`, but for bytes that are not UTF-8 or
    /// belong to a long token.
    pub fn has_only_long(&self, groups: u64) -> bool {
        self.all_in(groups | 1 << INVALID_BIT)
    }

    /// The facts about a child's own byte.
    fn of_child(parent: &SubtreeInfo, parent_byte: u8, byte: u8) -> Self {
        let (own, missing) = match (parent.missing, byte) {
            (0, 0..=0x7f) => (byte_group(byte).trailing_zeros() as u8, 0),
            (0, 0xc2..=0xdf) => (byte_group(byte).trailing_zeros() as u8, 1),
            (0, 0xe0..=0xef) => (byte_group(byte).trailing_zeros() as u8, 2),
            (0, 0xf0..=0xf4) => (byte_group(byte).trailing_zeros() as u8, 3),
            (1.., 0x80..=0xbf) => {
                // Overlong spellings, surrogates, and characters beyond U+10FFFF are no UTF-8.
                let fits = match parent_byte {
                    0xe0 => byte >= 0xa0,
                    0xed => byte <= 0x9f,
                    0xf0 => byte >= 0x90,
                    0xf4 => byte <= 0x8f,
                    _ => true,
                };
                if fits { (CONTINUATION_BIT, parent.missing - 1) } else { (INVALID_BIT, 0) }
            }
            _ => (INVALID_BIT, 0),
        };
        SubtreeInfo { own, missing, ..SubtreeInfo::default() }
    }
}

/// The unit in which tokens are measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum LengthUnit {
    Characters,
    Bytes,
}

/// A trie of tokens, and what is known about it.
pub(in crate::engine) struct IndexedTrie {
    /// `None` for the vocabulary's own trie.
    trie: Option<TokenTrie>,
    subtrees: OnceLock<Box<[SubtreeInfo]>>,
    slices: Mutex<HashMap<u64, Arc<TokenSet>>>,
    /// By [`LengthUnit`] and length: the tokens of at most this length.
    short_tokens: [OnceLock<Box<[TokenSet]>>; 2],
    /// Bytes by which summaries over this trie have grown since they were last counted.
    growth: AtomicUsize,
}

impl IndexedTrie {
    fn new(trie: Option<TokenTrie>) -> Self {
        IndexedTrie {
            trie,
            subtrees: OnceLock::new(),
            slices: Mutex::default(),
            short_tokens: Default::default(),
            growth: AtomicUsize::new(0),
        }
    }

    pub fn trie<'a>(&'a self, vocabulary: &'a Vocabulary) -> &'a TokenTrie {
        self.trie.as_ref().unwrap_or_else(|| vocabulary.trie())
    }

    /// The facts about each node.
    pub fn subtrees(&self, vocabulary: &Vocabulary) -> &[SubtreeInfo] {
        self.subtrees.get_or_init(|| {
            let trie = self.trie(vocabulary);
            let n = trie.node_count();
            let mut subtrees = vec![SubtreeInfo::default(); n];
            // Nodes are in preorder: children come after their parents.
            for node in 0..n as u32 {
                for child in trie.children(node) {
                    let parent = &subtrees[node as usize];
                    let mut info = SubtreeInfo::of_child(parent, trie.byte(node), trie.byte(child));
                    if trie.depth(child) > MAX_SLICED_LEN {
                        info.own = INVALID_BIT;
                    }
                    subtrees[child as usize] = info;
                }
            }
            for node in (0..n as u32).rev() {
                let (mut height, mut groups) = (0, 0);
                for child in trie.children(node) {
                    let info = subtrees[child as usize];
                    height = height.max(info.height + 1);
                    groups |= info.groups | 1 << info.own;
                }
                subtrees[node as usize].height = height;
                subtrees[node as usize].groups = groups;
            }
            subtrees.into()
        })
    }

    /// A *slice* of the vocabulary: the tokens of nothing but characters of these groups.
    pub fn slice(&self, vocabulary: &Vocabulary, groups: u64) -> Arc<TokenSet> {
        if let Some(known) = self.slices.lock().unwrap_or_else(PoisonError::into_inner).get(&groups) {
            return known.clone();
        }
        let (trie, subtrees) = (self.trie(vocabulary), self.subtrees(vocabulary));
        let mut set = TokenSet::new(vocabulary.size());
        let (mut node, count) = (1, trie.node_count() as u32);
        while node < count {
            let info = subtrees[node as usize];
            if !info.is_in(groups) {
                node = trie.end(node);
            } else if info.all_in(groups) {
                set.insert_all(trie.subtree_tokens(node));
                node = trie.end(node);
            } else {
                set.insert_all(trie.tokens(node));
                node += 1;
            }
        }
        let set = Arc::new(set);
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        if slices.len() >= MAX_SLICES {
            slices.clear();
        }
        slices.insert(groups, set.clone());
        set
    }

    /// The tokens of at most `most` characters or bytes, among those of at most [`MAX_SLICED_LEN`]
    /// bytes.
    pub fn short_tokens(&self, vocabulary: &Vocabulary, unit: LengthUnit, most: u32) -> &TokenSet {
        let sets = self.short_tokens[unit as usize].get_or_init(|| {
            let trie = self.trie(vocabulary);
            let mut of_length: Vec<Vec<TokenId>> = vec![Vec::new(); usize::from(MAX_SLICED_LEN) + 1];
            // The length of the path to each node above the current one.
            let mut path: Vec<usize> = vec![0];
            let (mut node, count) = (1, trie.node_count() as u32);
            while node < count {
                let depth = trie.depth(node);
                if depth > MAX_SLICED_LEN {
                    node = trie.end(node);
                    continue;
                }
                path.truncate(depth.into());
                let counts = unit == LengthUnit::Bytes || trie.byte(node) & 0xc0 != 0x80;
                let length = path[usize::from(depth) - 1] + usize::from(counts);
                path.push(length);
                of_length[length].extend_from_slice(trie.tokens(node));
                node += 1;
            }
            let mut set = TokenSet::new(vocabulary.size());
            let grow = |ids: Vec<TokenId>| {
                set.insert_all(&ids);
                set.clone()
            };
            of_length.into_iter().map(grow).collect()
        });
        &sets[most.min(MAX_SLICED_LEN.into()) as usize]
    }

    /// Notes memory that a summary takes from now on.
    pub fn note_growth(&self, bytes: usize) {
        self.growth.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The memory noted since the last call.
    pub fn take_growth(&self) -> usize {
        self.growth.swap(0, Ordering::Relaxed)
    }
}

/// The vocabulary's tokens without their leading JSON whitespace.
pub(in crate::engine) struct StrippedTokens {
    pub trie: IndexedTrie,
    /// Tokens of nothing but whitespace, with their length, shortest first.
    whitespace: Box<[(u16, TokenId)]>,
    /// Tokens of whitespace and then text, with the length of the whitespace, longest first.
    indented: Box<[(u16, TokenId)]>,
    whitespace_sets: Mutex<HashMap<u16, Arc<TokenSet>>>,
}

impl StrippedTokens {
    fn of(vocabulary: &Vocabulary) -> Self {
        let spaces = |id: TokenId| vocabulary.bytes(id).iter().take_while(|&&b| is_json_space(b)).count();
        let count = vocabulary.token_count();
        let (mut whitespace, mut indented) = (Vec::new(), Vec::new());
        for id in (0..count as u32).map(TokenId) {
            let spaces = spaces(id);
            if spaces > 0 {
                let entry = (spaces.min(usize::from(u16::MAX)) as u16, id);
                if spaces == vocabulary.bytes(id).len() {
                    whitespace.push(entry);
                } else {
                    indented.push(entry);
                }
            }
        }
        whitespace.sort_unstable();
        indented.sort_unstable_by(|a, b| b.cmp(a));
        let trie = TokenTrie::build(count, |id| &vocabulary.bytes(id)[spaces(id)..]).ok();
        StrippedTokens {
            trie: IndexedTrie::new(trie),
            whitespace: whitespace.into(),
            indented: indented.into(),
            whitespace_sets: Mutex::default(),
        }
    }

    /// The tokens of at most `most` bytes of whitespace and nothing else.
    pub fn whitespace_tokens(&self, vocabulary: &Vocabulary, most: u32) -> Arc<TokenSet> {
        let longest = self.whitespace.last().map_or(0, |entry| entry.0);
        let most = most.min(u32::from(longest)) as u16;
        let mut sets = self.whitespace_sets.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let ids = self.whitespace.iter().take_while(|entry| entry.0 <= most).map(|entry| entry.1);
            Arc::new(TokenSet::from_ids(vocabulary.size(), ids))
        };
        sets.entry(most).or_insert_with(make).clone()
    }

    /// The tokens of more than `most` bytes of whitespace and then text.
    pub fn too_indented(&self, most: u32) -> impl Iterator<Item = TokenId> + '_ {
        self.indented.iter().take_while(move |entry| u32::from(entry.0) > most).map(|entry| entry.1)
    }
}

/// Everything that masks need to know about a vocabulary.
pub(in crate::engine) struct VocabularyIndex {
    /// The trie of the tokens as they are.
    pub plain: IndexedTrie,
    stripped: OnceLock<StrippedTokens>,
    /// The tokens in which a comma is followed by a quote, and the quote by another byte. Only
    /// within such a token does another key of an object begin and go on. So only for these tokens
    /// the used keys matter.
    pub key_beginning: Box<[TokenId]>,
    /// The tokens of `key_beginning` with two quotes behind the comma, which complete another key.
    pub key_completing: Box<[TokenId]>,
    /// The tokens with a comma, among which are all that go on to another key of an object.
    pub with_comma: Box<[TokenId]>,
}

impl VocabularyIndex {
    pub fn of(vocabulary: &Vocabulary) -> Self {
        let comma = |id: TokenId| vocabulary.bytes(id).iter().position(|&b| b == b',');
        let after_comma = |id: &TokenId| &vocabulary.bytes(*id)[comma(*id).unwrap_or_default()..];
        let begins_key = |id: &TokenId| after_comma(id).iter().rev().skip(1).any(|&b| b == b'"');
        let completes_key = |id: &TokenId| after_comma(id).iter().filter(|&&b| b == b'"').count() >= 2;
        let ids = (0..vocabulary.token_count() as u32).map(TokenId);
        let with_comma: Box<[TokenId]> = ids.filter(|&id| comma(id).is_some()).collect();
        let key_beginning: Box<[TokenId]> = with_comma.iter().copied().filter(begins_key).collect();
        let key_completing = key_beginning.iter().copied().filter(completes_key).collect();
        VocabularyIndex {
            plain: IndexedTrie::new(None),
            stripped: OnceLock::new(),
            key_beginning,
            key_completing,
            with_comma,
        }
    }

    /// The tokens without their leading whitespace. Made on first use, which takes about as long as
    /// the vocabulary's own trie.
    pub fn stripped(&self, vocabulary: &Vocabulary) -> &StrippedTokens {
        self.stripped.get_or_init(|| StrippedTokens::of(vocabulary))
    }
}
