//! What one state of a terminal's automaton says about the whole vocabulary, computed once.
//!
//! For a state `q`: *inside*, the tokens read wholly within the terminal with `q` still alive, and *exits*, the
//! suffixes `v` of tokens `u·v` (both not empty) such that `u` completes the terminal. Inside a JSON string the exits are
//! the few tokens with a closing quote, merged by suffix into a trie of a few hundred nodes; the continuation then
//! reads suffixes, not tokens. Exact, and independent of the grammar around the terminal: summaries are shared between
//! all grammars over one vocabulary by the language's fingerprint, within a budget.

use crate::automata::{LangId, Languages};
use crate::vocab::{TokenId, TokenSet, TokenTrie, Vocabulary};
use hashbrown::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Up to this many tokens a set is kept as a list of ids.
const SPARSE: usize = 512;

/// Bytes of summaries one vocabulary keeps.
const BUDGET: usize = 128 << 20;

/// Summaries that visited fewer trie nodes than this are cheaper to compute than to share.
const WORTH_SHARING: usize = 64;

/// Tokens read wholly inside a terminal.
pub(super) enum Inside {
    Sparse(Box<[TokenId]>),
    Dense(Arc<TokenSet>),
}

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

    /// Merges the subtrees below `roots`.
    fn merge(trie: &TokenTrie, roots: &[u32]) -> Self {
        let mut nodes: Vec<SuffixNode> = Vec::new();
        let mut ids: Vec<TokenId> = Vec::new();
        // A frame: the groups of children still to do (in reverse), and the node they belong to.
        let mut stack: Vec<(Vec<(u8, Vec<u32>)>, Option<usize>)> = vec![(groups(trie, roots), None)];
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

    fn memory(&self) -> usize {
        self.nodes.len() * std::mem::size_of::<SuffixNode>() + self.ids.len() * 4
    }
}

/// The children of `members` by byte, last byte first.
fn groups(trie: &TokenTrie, members: &[u32]) -> Vec<(u8, Vec<u32>)> {
    if let [one] = members {
        let mut all: Vec<(u8, Vec<u32>)> = trie.children(*one).map(|c| (trie.byte(c), vec![c])).collect();
        all.reverse();
        return all;
    }
    let mut pairs: Vec<(u8, u32)> =
        members.iter().flat_map(|&m| trie.children(m).map(|c| (trie.byte(c), c))).collect();
    pairs.sort_unstable();
    let mut all: Vec<(u8, Vec<u32>)> =
        pairs.chunk_by(|a, b| a.0 == b.0).map(|g| (g[0].0, g.iter().map(|p| p.1).collect())).collect();
    all.reverse();
    all
}

/// See the module's documentation.
pub(super) struct Summary {
    pub inside: Inside,
    /// By the label of the completed literal, where there are labels.
    pub exits: Box<[(Option<u32>, SuffixTrie)]>,
    visited: usize,
}

impl Summary {
    /// Walks the vocabulary's trie beside the automaton from `start`.
    pub fn new(languages: &mut Languages, vocabulary: &Vocabulary, start: LangId) -> Self {
        let trie = vocabulary.trie();
        let mut inside: Vec<TokenId> = Vec::new();
        let mut leaving: Vec<(Option<u32>, u32)> = Vec::new();
        let mut visited = 0;
        let mut stack: Vec<(u32, LangId)> = vec![(0, start)];
        while let Some((node, state)) = stack.pop() {
            let visit = |child: u32, languages: &mut Languages, stack: &mut Vec<(u32, LangId)>| {
                let next = languages.step(state, trie.byte(child));
                if next == LangId::NEVER {
                    return None;
                }
                if !languages.is_spent(next) {
                    stack.push((child, next));
                }
                Some(next)
            };
            let mut record = |child: u32, next: LangId, languages: &mut Languages| {
                inside.extend_from_slice(trie.tokens(child));
                if languages.is_nullable(next) && trie.end(child) > child + 1 {
                    leaving.push((languages.label(next), child));
                }
            };
            if trie.child_set(node).is_some() {
                let bytes = languages.first_bytes(state).0;
                for child in trie.matching_children(node, &bytes) {
                    visited += 1;
                    if let Some(next) = visit(child, languages, &mut stack) {
                        record(child, next, languages);
                    }
                }
            } else {
                for child in trie.children(node) {
                    visited += 1;
                    if let Some(next) = visit(child, languages, &mut stack) {
                        record(child, next, languages);
                    }
                }
            }
        }
        leaving.sort_unstable();
        let exits = leaving
            .chunk_by(|a, b| a.0 == b.0)
            .map(|group| {
                let roots: Vec<u32> = group.iter().map(|g| g.1).collect();
                (group[0].0, SuffixTrie::merge(trie, &roots))
            })
            .filter(|(_, trie)| !trie.nodes.is_empty())
            .collect();
        let inside = if inside.len() <= SPARSE {
            Inside::Sparse(inside.into())
        } else {
            Inside::Dense(Arc::new(TokenSet::from_ids(vocabulary.size(), inside)))
        };
        Summary { inside, exits, visited }
    }

    fn memory(&self) -> usize {
        let inside = match &self.inside {
            Inside::Sparse(ids) => ids.len() * 4,
            Inside::Dense(set) => set.words().len() * 4,
        };
        64 + inside + self.exits.iter().map(|e| 48 + e.1.memory()).sum::<usize>()
    }
}

/// The summaries one vocabulary keeps for all grammars.
#[derive(Default)]
pub(super) struct SummaryCache {
    inner: Mutex<(HashMap<u128, Arc<Summary>>, usize)>,
}

impl SummaryCache {
    /// The summary of `language`, from the cache where it is there.
    pub fn get(&self, languages: &mut Languages, vocabulary: &Vocabulary, language: LangId) -> Arc<Summary> {
        let key = languages.fingerprint(language);
        let lock = || self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().0.get(&key) {
            return known.clone();
        }
        let summary = Arc::new(Summary::new(languages, vocabulary, language));
        if summary.visited >= WORTH_SHARING {
            let memory = summary.memory();
            let mut cache = lock();
            if cache.1 + memory > BUDGET {
                *cache = (HashMap::new(), 0);
            }
            cache.1 += memory;
            cache.0.insert(key, summary.clone());
        }
        summary
    }
}

/// Tokens in which a comma is followed by two quotes: the only ones that can complete a second key of an object within
/// one token, so that which keys were used matters to them.
pub(super) struct KeyCompleting(pub Box<[TokenId]>);

impl KeyCompleting {
    pub fn of(vocabulary: &Vocabulary) -> Self {
        let completes = |bytes: &[u8]| {
            let comma = bytes.iter().position(|&b| b == b',');
            comma.is_some_and(|at| bytes[at..].iter().filter(|&&b| b == b'"').count() >= 2)
        };
        let ids = (0..vocabulary.token_count() as u32).map(TokenId);
        KeyCompleting(ids.filter(|&id| completes(vocabulary.bytes(id))).collect())
    }
}
