//! What the engine derives from a vocabulary alone and shares between all grammars.
//!
//! Terminals of JSON grammars start with optional whitespace, and many tokens do too. Walking the trie for
//! `whitespace* "name"` would visit every whitespace token for every key, so such terminals are looked up without their
//! whitespace, in a second trie whose tokens are stripped of theirs; the tokens that are nothing but whitespace are one
//! shared set.

use super::summary::Summary;
use crate::automata::compare::byte_group;
use crate::vocab::{TokenId, TokenSet, TokenTrie, Vocabulary};
use hashbrown::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes of summaries one vocabulary keeps.
const BUDGET: usize = 128 << 20;

/// What stands below a trie node.
#[derive(Clone, Copy, Default)]
pub(super) struct Below {
    /// How many bytes the longest token below still has.
    pub height: u16,
    /// The groups of all bytes below ([`byte_group`]).
    pub groups: u64,
}

/// A trie of tokens, with what is known of it.
pub(super) struct Source {
    trie: Option<TokenTrie>,
    below: OnceLock<Box<[Below]>>,
    cache: Mutex<(HashMap<u128, Arc<Summary>>, usize)>,
}

impl Source {
    fn new(trie: Option<TokenTrie>) -> Self {
        Source { trie, below: OnceLock::new(), cache: Mutex::default() }
    }

    pub fn trie<'a>(&'a self, vocabulary: &'a Vocabulary) -> &'a TokenTrie {
        self.trie.as_ref().unwrap_or_else(|| vocabulary.trie())
    }

    /// What stands below every node.
    pub fn below(&self, vocabulary: &Vocabulary) -> &[Below] {
        self.below.get_or_init(|| {
            let trie = self.trie(vocabulary);
            let n = trie.node_count();
            let mut below = vec![Below::default(); n];
            // In preorder a node's children come after it.
            for node in (0..n as u32).rev() {
                let mut sum = Below::default();
                for child in trie.children(node) {
                    let of = below[child as usize];
                    sum.height = sum.height.max(of.height + 1);
                    sum.groups |= of.groups | byte_group(trie.byte(child));
                }
                below[node as usize] = sum;
            }
            below.into()
        })
    }

    pub fn known(&self, key: u128) -> Option<Arc<Summary>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).0.get(&key).cloned()
    }

    pub fn keep(&self, key: u128, summary: &Arc<Summary>) {
        let memory = summary.memory();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.1 + memory > BUDGET {
            *cache = (HashMap::new(), 0);
        }
        cache.1 += memory;
        cache.0.insert(key, summary.clone());
    }
}

/// The tokens without their leading JSON whitespace.
pub(super) struct Stripped {
    pub source: Source,
    /// Tokens of whitespace only, with their length, shortest first.
    blank: Box<[(u16, TokenId)]>,
    /// Tokens with text behind at least one byte of whitespace, with the length of that, longest first.
    indented: Box<[(u16, TokenId)]>,
    sets: Mutex<HashMap<u16, Arc<TokenSet>>>,
}

pub(super) fn is_json_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl Stripped {
    fn of(vocabulary: &Vocabulary) -> Self {
        let lead = |id: TokenId| vocabulary.bytes(id).iter().take_while(|&&b| is_json_space(b)).count();
        let count = vocabulary.token_count();
        let (mut blank, mut indented) = (Vec::new(), Vec::new());
        for id in (0..count as u32).map(TokenId) {
            let lead_len = lead(id);
            if lead_len > 0 {
                let entry = (lead_len.min(usize::from(u16::MAX)) as u16, id);
                if lead_len == vocabulary.bytes(id).len() {
                    blank.push(entry);
                } else {
                    indented.push(entry);
                }
            }
        }
        blank.sort_unstable();
        indented.sort_unstable_by(|a, b| b.cmp(a));
        let trie = TokenTrie::build(count, |id| &vocabulary.bytes(id)[lead(id)..]).ok();
        Stripped {
            source: Source::new(trie),
            blank: blank.into(),
            indented: indented.into(),
            sets: Mutex::default(),
        }
    }

    /// The tokens of at most `most` bytes of whitespace and nothing else.
    pub fn blank_set(&self, vocabulary: &Vocabulary, most: u32) -> Arc<TokenSet> {
        let longest = self.blank.last().map_or(0, |b| b.0);
        let most = most.min(u32::from(longest)) as u16;
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let ids = self.blank.iter().take_while(|b| b.0 <= most).map(|b| b.1);
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
pub(super) struct Lexicon {
    pub plain: Source,
    stripped: OnceLock<Stripped>,
    /// Tokens in which a comma is followed by two quotes: the only ones that can complete a second key of an object
    /// within one token, so that which keys were used matters to them.
    pub key_completing: Box<[TokenId]>,
}

impl Lexicon {
    pub fn of(vocabulary: &Vocabulary) -> Self {
        let completes = |bytes: &[u8]| {
            let comma = bytes.iter().position(|&b| b == b',');
            comma.is_some_and(|at| bytes[at..].iter().filter(|&&b| b == b'"').count() >= 2)
        };
        let ids = (0..vocabulary.token_count() as u32).map(TokenId);
        let key_completing = ids.filter(|&id| completes(vocabulary.bytes(id))).collect();
        Lexicon { plain: Source::new(None), stripped: OnceLock::new(), key_completing }
    }

    /// Built on first use: about as much work as the vocabulary's own trie.
    pub fn stripped(&self, vocabulary: &Vocabulary) -> &Stripped {
        self.stripped.get_or_init(|| Stripped::of(vocabulary))
    }
}
