//! What the engine derives from a vocabulary alone and shares between all grammars.
//!
//! Terminals of JSON grammars start with optional whitespace, and many tokens do too. Walking the trie for
//! `whitespace* "name"` would visit every whitespace token for every key, so such terminals are looked up without their
//! whitespace, in a second trie whose tokens are stripped of theirs; the tokens that are nothing but whitespace are one
//! shared set.
//!
//! This is exact where a terminal is at most `n` bytes of whitespace and then something that begins otherwise: a token
//! with at most `n` leading whitespace bytes is read as its stripped form is, and with more it is refused. Tokens of
//! whitespace alone are read up to that count.

use super::dense_rows::DenseRows;
use super::summary::{Summariser, Summary};
use crate::automata::compare::byte_group;
use crate::automata::{Escapes, Languages};
use crate::vocab::{TokenId, TokenSet, TokenTrie, Vocabulary};
use hashbrown::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes of summaries that a source keeps as met lately; as much again may be left of those before.
const CACHE_BYTES: usize = 24 << 20;

/// What stands at a trie node and below it, the tokens read as UTF-8 from their first byte.
#[derive(Clone, Copy, Default)]
pub(super) struct SubtreeInfo {
    /// The groups of all bytes below ([`byte_group`]): inside a character none of its own, where it does not belong that of
    /// [`INVALID_BIT`].
    pub groups: u64,
    /// How many bytes the longest token below still has.
    pub height: u16,
    /// The group of the node's own byte, as a bit number.
    own: u8,
    /// How many bytes the character still needs that the node's byte is in.
    missing: u8,
}

/// The bit of bytes that continue a character as they should.
const CONTINUATION_BIT: u8 = 63;

/// Tokens of more bytes than this are few and walked always, so that nothing has to be known of what is further away.
pub(super) const MAX_SLICED_LEN: u16 = 32;
/// For strings of at most so many characters [`VocabularyIndex::prepare`] makes the summaries. Longer ones differ from any string by the
/// longest tokens only.
const PREPARED_LENGTHS: u32 = 64;

/// For bytes that are not UTF-8 where they stand, and for all beyond [`MAX_SLICED_LEN`]: the group of bytes inside characters, which
/// no state reads freely.
const INVALID_BIT: u8 = byte_group(0x80).trailing_zeros() as u8;

impl SubtreeInfo {
    /// Whether a character ends here.
    pub fn is_boundary(&self) -> bool {
        self.missing == 0 && self.own != INVALID_BIT
    }

    /// Whether the node's byte belongs to `groups`, or to a character whose first byte did.
    pub fn is_in(&self, groups: u64) -> bool {
        (groups | 1 << CONTINUATION_BIT) >> self.own & 1 == 1
    }

    /// Whether everything below belongs to `groups`.
    pub fn all_in(&self, groups: u64) -> bool {
        self.groups & !(groups | 1 << CONTINUATION_BIT) == 0
    }

    /// What is known of a node from what is known of its parent.
    fn after(parent: &SubtreeInfo, parent_byte: u8, byte: u8) -> Self {
        let (own, missing) = match (parent.missing, byte) {
            (0, 0..=0x7f) => (byte_group(byte).trailing_zeros() as u8, 0),
            (0, 0xc2..=0xdf) => (byte_group(byte).trailing_zeros() as u8, 1),
            (0, 0xe0..=0xef) => (byte_group(byte).trailing_zeros() as u8, 2),
            (0, 0xf0..=0xf4) => (byte_group(byte).trailing_zeros() as u8, 3),
            (1.., 0x80..=0xbf) => {
                // Overlong spellings, surrogates and what is beyond U+10FFFF.
                let fits = match parent_byte {
                    0xe0 => byte >= 0xa0,
                    0xed => byte <= 0x9f,
                    0xf0 => byte >= 0x90,
                    0xf4 => byte <= 0x8f,
                    _ => true,
                };
                if fits {
                    (CONTINUATION_BIT, parent.missing - 1)
                } else {
                    (INVALID_BIT, 0)
                }
            }
            _ => (INVALID_BIT, 0),
        };
        SubtreeInfo { own, missing, ..SubtreeInfo::default() }
    }
}

/// What tokens are measured in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LengthUnit {
    Characters,
    Bytes,
}

/// Slices kept before they are dropped and made anew.
const MAX_SLICES: usize = 256;

/// Summaries by the fingerprints of their languages, in two generations: when the younger is full the older is dropped and the younger
/// takes its place. What is in use moves to the younger, so that what all grammars need stays.
#[derive(Default)]
struct SummaryCache {
    young: HashMap<u128, Arc<Summary>>,
    old: HashMap<u128, Arc<Summary>>,
    /// Of the younger ones.
    bytes: usize,
}

impl SummaryCache {
    fn get(&mut self, key: u128) -> Option<Arc<Summary>> {
        if let Some(known) = self.young.get(&key) {
            return Some(known.clone());
        }
        let known = self.old.remove(&key)?;
        self.insert(key, known.clone());
        Some(known)
    }

    fn insert(&mut self, key: u128, summary: Arc<Summary>) {
        let bytes = summary.memory();
        if self.bytes + bytes > CACHE_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(key, summary);
    }
}

/// A trie of tokens, with what is known of it.
pub(super) struct IndexedTrie {
    trie: Option<TokenTrie>,
    below: OnceLock<Box<[SubtreeInfo]>>,
    cache: Mutex<SummaryCache>,
    /// Bytes that summaries kept before have taken since the cache was asked last.
    grown: AtomicUsize,
    slices: Mutex<HashMap<u64, Arc<TokenSet>>>,
    short: [OnceLock<Box<[TokenSet]>>; 2],
}

impl IndexedTrie {
    fn new(trie: Option<TokenTrie>) -> Self {
        IndexedTrie {
            trie,
            below: OnceLock::new(),
            cache: Mutex::default(),
            grown: AtomicUsize::new(0),
            slices: Mutex::default(),
            short: Default::default(),
        }
    }

    pub fn trie<'a>(&'a self, vocabulary: &'a Vocabulary) -> &'a TokenTrie {
        self.trie.as_ref().unwrap_or_else(|| vocabulary.trie())
    }

    /// What stands below every node.
    pub fn below(&self, vocabulary: &Vocabulary) -> &[SubtreeInfo] {
        self.below.get_or_init(|| {
            let trie = self.trie(vocabulary);
            let n = trie.node_count();
            let mut below = vec![SubtreeInfo::default(); n];
            // In preorder a node's children come after it.
            for node in 0..n as u32 {
                for child in trie.children(node) {
                    let mut after =
                        SubtreeInfo::after(&below[node as usize], trie.byte(node), trie.byte(child));
                    if trie.depth(child) > MAX_SLICED_LEN {
                        after.own = INVALID_BIT;
                    }
                    below[child as usize] = after;
                }
            }
            for node in (0..n as u32).rev() {
                let (mut height, mut groups) = (0, 0);
                for child in trie.children(node) {
                    let of = below[child as usize];
                    height = height.max(of.height + 1);
                    groups |= of.groups | 1 << of.own;
                }
                below[node as usize].height = height;
                below[node as usize].groups = groups;
            }
            below.into()
        })
    }

    /// The tokens of nothing but characters of these groups.
    pub fn slice(&self, vocabulary: &Vocabulary, groups: u64) -> Arc<TokenSet> {
        if let Some(known) = self.slices.lock().unwrap_or_else(PoisonError::into_inner).get(&groups) {
            return known.clone();
        }
        let (trie, below) = (self.trie(vocabulary), self.below(vocabulary));
        let mut set = TokenSet::new(vocabulary.size());
        let (mut node, count) = (1, trie.node_count() as u32);
        while node < count {
            let at = below[node as usize];
            if !at.is_in(groups) {
                node = trie.end(node);
            } else if at.all_in(groups) {
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

    /// The sliced tokens of at most `most` characters or bytes.
    pub fn short(&self, vocabulary: &Vocabulary, unit: LengthUnit, most: u32) -> &TokenSet {
        let sets = self.short[unit as usize].get_or_init(|| {
            let trie = self.trie(vocabulary);
            let mut of_length: Vec<Vec<TokenId>> = vec![Vec::new(); usize::from(MAX_SLICED_LEN) + 1];
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

    pub fn known(&self, key: u128) -> Option<Arc<Summary>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    pub fn keep(&self, key: u128, summary: &Arc<Summary>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.bytes += self.grown.swap(0, Ordering::Relaxed);
        cache.insert(key, summary.clone());
    }

    /// Counts memory that a summary takes from now on.
    pub fn grown(&self, bytes: usize) {
        self.grown.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The tokens without their leading JSON whitespace.
pub(super) struct StrippedTokens {
    pub indexed: IndexedTrie,
    /// Tokens of whitespace only, with their length, shortest first.
    whitespace: Box<[(u16, TokenId)]>,
    /// Tokens with text behind at least one byte of whitespace, with the length of that, longest first.
    indented: Box<[(u16, TokenId)]>,
    sets: Mutex<HashMap<u16, Arc<TokenSet>>>,
}

pub(super) fn is_json_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl StrippedTokens {
    fn of(vocabulary: &Vocabulary) -> Self {
        let lead = |id: TokenId| vocabulary.bytes(id).iter().take_while(|&&b| is_json_space(b)).count();
        let count = vocabulary.token_count();
        let (mut whitespace, mut indented) = (Vec::new(), Vec::new());
        for id in (0..count as u32).map(TokenId) {
            let lead_len = lead(id);
            if lead_len > 0 {
                let entry = (lead_len.min(usize::from(u16::MAX)) as u16, id);
                if lead_len == vocabulary.bytes(id).len() {
                    whitespace.push(entry);
                } else {
                    indented.push(entry);
                }
            }
        }
        whitespace.sort_unstable();
        indented.sort_unstable_by(|a, b| b.cmp(a));
        let trie = TokenTrie::build(count, |id| &vocabulary.bytes(id)[lead(id)..]).ok();
        StrippedTokens {
            indexed: IndexedTrie::new(trie),
            whitespace: whitespace.into(),
            indented: indented.into(),
            sets: Mutex::default(),
        }
    }

    /// The tokens of at most `most` bytes of whitespace and nothing else.
    pub fn whitespace_tokens(&self, vocabulary: &Vocabulary, most: u32) -> Arc<TokenSet> {
        let longest = self.whitespace.last().map_or(0, |b| b.0);
        let most = most.min(u32::from(longest)) as u16;
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let ids = self.whitespace.iter().take_while(|b| b.0 <= most).map(|b| b.1);
            Arc::new(TokenSet::from_ids(vocabulary.size(), ids))
        };
        sets.entry(most).or_insert_with(make).clone()
    }

    /// The tokens with text behind more than `most` bytes of whitespace.
    pub fn too_indented(&self, most: u32) -> impl Iterator<Item = TokenId> + '_ {
        self.indented.iter().take_while(move |t| u32::from(t.0) > most).map(|t| t.1)
    }
}

/// Everything of the engine's that hangs on a vocabulary.
pub(super) struct VocabularyIndex {
    pub plain: IndexedTrie,
    stripped: OnceLock<StrippedTokens>,
    /// Tokens in which a comma is followed by two quotes: the only ones that can complete a second key of an object
    /// within one token, so that which keys were used matters to them.
    pub key_completing: Box<[TokenId]>,
}

impl VocabularyIndex {
    pub fn of(vocabulary: &Vocabulary) -> Self {
        let completes = |bytes: &[u8]| {
            let comma = bytes.iter().position(|&b| b == b',');
            comma.is_some_and(|at| bytes[at..].iter().filter(|&&b| b == b'"').count() >= 2)
        };
        let ids = (0..vocabulary.token_count() as u32).map(TokenId);
        let key_completing = ids.filter(|&id| completes(vocabulary.bytes(id))).collect();
        VocabularyIndex { plain: IndexedTrie::new(None), stripped: OnceLock::new(), key_completing }
    }

    /// Does now what else the first constraints and masks would: the second trie, and the summaries of any string.
    pub fn prepare(&self, vocabulary: &Vocabulary) {
        let mut languages = Languages::new();
        let mut rows = DenseRows::new();
        let text = languages.any_text();
        for escapes in [Escapes::Any, Escapes::NoUnicode] {
            let string = languages.json_string(text, escapes);
            let body = languages.step(string, b'"');
            for (indexed, language) in
                [(&self.plain, string), (&self.plain, body), (&self.stripped(vocabulary).indexed, string)]
            {
                indexed.short(vocabulary, LengthUnit::Characters, 0);
                indexed.short(vocabulary, LengthUnit::Bytes, 0);
                let languages = &mut languages;
                let rows = &mut rows;
                let summary = Summariser { languages, rows, vocabulary, indexed }.summary(language);
                summary.exit_tokens(vocabulary, indexed);
            }
        }
        // What is left of strings of limited length, where that is less than tokens are long.
        let character = languages.char_class(&[(0, 0x10_ffff)]);
        for most in 0..=PREPARED_LENGTHS {
            let text = languages.repeat(character, 0, most);
            let string = languages.json_string(text, Escapes::Any);
            let body = languages.step(string, b'"');
            let (languages, rows) = (&mut languages, &mut rows);
            Summariser { languages, rows, vocabulary, indexed: &self.plain }.summary(body);
        }
    }

    /// Built on first use: about as much work as the vocabulary's own trie.
    pub fn stripped(&self, vocabulary: &Vocabulary) -> &StrippedTokens {
        self.stripped.get_or_init(|| StrippedTokens::of(vocabulary))
    }
}
