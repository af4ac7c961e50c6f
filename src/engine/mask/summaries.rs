//! Finding summaries, and keeping them for all grammars over one vocabulary.
//!
//! There are two ways to find a summary: a [walk](super::trie_walk) over the trie of all tokens,
//! and the [difference](super::difference) to a summary that is known. A summary says nothing about
//! the grammar around its terminal, so it is kept with the vocabulary, by the fingerprint of the
//! terminal's language. The first grammar with a certain terminal computes its summary, and later
//! grammars find it.
//!
//! # Why sharing is exact
//!
//! Equal fingerprints (128 bits) are taken for equal languages. An answer may be wrong if it was
//! interrupted, or if a pool gave it after its search budget was used up. Such an answer is not
//! kept.
//!
//! *Ends of any string.* A permissive string may end at each of thousands of trie nodes, and
//! merging the suffixes behind all of them takes longer than the walk. But a JSON string ends only
//! at its closing quote, so a token leaves every string at the same place and with the same suffix.
//! So the summary uses the suffixes of "any string", for the tokens that leave this string. This
//! assumes that the ends have no labels.

use super::dense_rows::DenseRows;
use super::difference::Difference;
use super::summary::{Base, BasePart, Inside, Summary};
use super::trie_walk::{TrieWalk, WalkResult};
use super::vocabulary_index::{IndexedTrie, LengthUnit, MAX_SLICED_LEN, VocabularyIndex};
use crate::automata::{Escapes, ExprPool, LangId};
use crate::engine::ablation::{Optimisation, enabled};
use crate::vocab::{TokenId, TokenSet, Vocabulary};
use hashbrown::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of summaries in the younger generation of a cache; the older one may have as many.
const CACHE_BYTES: usize = 24 << 20;

/// The least number of visited trie nodes for which a summary is shared. A smaller one is found as
/// quickly as it would be looked up.
const WORTH_SHARING: usize = 64;

/// The largest number of ends whose suffixes are merged. For more ends, the suffixes are those of
/// "any string".
const MAX_MERGED: usize = 64;

/// The largest maximum length for which [`SharedSummaries::prepare`] makes a summary. Longer limits
/// differ from "any string" only for the longest tokens.
const PREPARED_LENGTHS: u32 = 64;

/// Summaries by the fingerprint of their language, in two generations. When the younger one is full
/// it becomes the older one, and the older one is dropped. A summary that is used moves to the
/// younger generation, so what all grammars need stays.
#[derive(Default)]
struct Generations {
    young: HashMap<u128, Arc<Summary>>,
    old: HashMap<u128, Arc<Summary>>,
    /// Bytes of the younger generation.
    bytes: usize,
}

impl Generations {
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

/// The summaries over one trie that are shared by all grammars.
#[derive(Default)]
pub(in crate::engine) struct SummaryCache {
    generations: Mutex<Generations>,
}

impl SummaryCache {
    fn get(&self, key: u128) -> Option<Arc<Summary>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    /// Keeps a summary over `trie`.
    fn insert(&self, key: u128, summary: &Arc<Summary>, trie: &IndexedTrie) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.bytes += trie.take_growth();
        generations.insert(key, summary.clone());
    }
}

/// Everything that the engine derives from a vocabulary and shares among all grammars over it.
pub(in crate::engine) struct SharedSummaries {
    pub index: VocabularyIndex,
    plain: SummaryCache,
    stripped: SummaryCache,
}

/// The summary of a terminal whose leading whitespace was set apart.
pub(in crate::engine) struct TerminalSummary {
    pub summary: Arc<Summary>,
    /// The tokens that are whitespace alone, if the terminal may begin with whitespace. The summary
    /// is then over the stripped tokens. With `None` it is over the tokens as they are.
    pub whitespace: Option<Arc<TokenSet>>,
    /// Tokens with more whitespace than may come, which the summary must not allow; sorted.
    pub rejected: Arc<[TokenId]>,
}

impl SharedSummaries {
    /// The shared summaries of `vocabulary`, made on first use.
    pub fn of(vocabulary: &Vocabulary) -> Arc<Self> {
        vocabulary.extension(|| SharedSummaries {
            index: VocabularyIndex::of(vocabulary),
            plain: SummaryCache::default(),
            stripped: SummaryCache::default(),
        })
    }

    /// The trie over which a terminal's summary was made.
    pub fn trie_of(&self, vocabulary: &Vocabulary, summary: &TerminalSummary) -> &IndexedTrie {
        match summary.whitespace {
            Some(_) => &self.index.stripped(vocabulary).trie,
            None => &self.index.plain,
        }
    }

    /// The summary of a terminal's state.
    pub fn terminal(
        &self,
        languages: &mut ExprPool,
        rows: &mut DenseRows,
        vocabulary: &Vocabulary,
        language: LangId,
    ) -> TerminalSummary {
        let spaced =
            if enabled(Optimisation::Stripping) { languages.after_json_space(language) } else { None };
        match spaced {
            None => {
                let walk = TrieWalk { languages, rows, vocabulary, trie: &self.index.plain };
                let summary = Summariser { walk, cache: &self.plain }.summary(language);
                TerminalSummary { summary, whitespace: None, rejected: Arc::new([]) }
            }
            Some((most, text)) => {
                let stripped = self.index.stripped(vocabulary);
                let walk = TrieWalk { languages, rows, vocabulary, trie: &stripped.trie };
                let summary = Summariser { walk, cache: &self.stripped }.summary(text);
                let mut rejected: Vec<TokenId> = stripped.too_indented(most).collect();
                rejected.sort_unstable();
                let whitespace = Some(stripped.whitespace_tokens(vocabulary, most));
                TerminalSummary { summary, whitespace, rejected: rejected.into() }
            }
        }
    }

    /// Builds the second trie, and finds the summaries of any string and of strings of limited
    /// length. Without this call, the first constraints and masks do so.
    pub fn prepare(&self, vocabulary: &Vocabulary) {
        let mut languages = ExprPool::new();
        let mut rows = DenseRows::new();
        let text = languages.any_text();
        let (plain, stripped) = (&self.index.plain, &self.index.stripped(vocabulary).trie);
        for escapes in [Escapes::Any, Escapes::NoUnicode] {
            let string = languages.json_string(text, escapes);
            let body = languages.step(string, b'"');
            for (trie, cache, language) in
                [(plain, &self.plain, string), (plain, &self.plain, body), (stripped, &self.stripped, string)]
            {
                trie.short_tokens(vocabulary, LengthUnit::Characters, 0);
                trie.short_tokens(vocabulary, LengthUnit::Bytes, 0);
                let walk = TrieWalk { languages: &mut languages, rows: &mut rows, vocabulary, trie };
                let summary = Summariser { walk, cache }.summary(language);
                summary.own_exit_tokens(vocabulary, trie);
            }
        }
        let character = languages.char_class(&[(0, 0x10_ffff)]);
        for most in 0..=PREPARED_LENGTHS {
            let text = languages.repeat(character, 0, most);
            let string = languages.json_string(text, Escapes::Any);
            let body = languages.step(string, b'"');
            let walk = TrieWalk { languages: &mut languages, rows: &mut rows, vocabulary, trie: plain };
            Summariser { walk, cache: &self.plain }.summary(body);
        }
    }
}

/// Finds summaries over one trie.
struct Summariser<'a> {
    walk: TrieWalk<'a>,
    cache: &'a SummaryCache,
}

impl Summariser<'_> {
    /// The summary of `language`: the shared one, or else one that is found and maybe shared.
    fn summary(&mut self, language: LangId) -> Arc<Summary> {
        let longest = u32::try_from(self.walk.vocabulary.max_token_len()).unwrap_or(u32::MAX);
        let language = match enabled(Optimisation::Clamping) {
            true => self.walk.languages.clamped(language, longest),
            false => language,
        };
        let key = self.walk.languages.fingerprint(language);
        if let Some(known) = self.cache.get(key).filter(|_| enabled(Optimisation::Sharing)) {
            return known;
        }
        let difference = self.by_difference(language);
        let (summary, visited) = difference.unwrap_or_else(|| self.by_walk(language));
        let summary = Arc::new(summary);
        if visited >= WORTH_SHARING && self.walk.languages.is_sound() {
            self.cache.insert(key, &summary, self.walk.trie);
        }
        summary
    }

    /// The summary as a difference, and the nodes visited; `None` where a walk is faster.
    fn by_difference(&mut self, language: LangId) -> Option<(Summary, usize)> {
        if !enabled(Optimisation::Differences) {
            return None;
        }
        let longest = self.walk.vocabulary.max_token_len();
        let relaxed = match self.walk.languages.without_searched_texts(language, longest) {
            Some(free_text) => free_text,
            None => self.walk.languages.relaxation(language, MAX_SLICED_LEN.into())?,
        };
        let difference = Difference::find(&mut self.walk, language, relaxed)?;
        let base = self.summary(relaxed);
        Some(difference.summary(&mut self.walk, language, base))
    }

    /// The summary by a walk over the trie, and the nodes visited.
    fn by_walk(&mut self, language: LangId) -> (Summary, usize) {
        let (vocabulary, indexed, trie) = (self.walk.vocabulary, self.walk.trie, self.walk.tokens());
        let mut result = WalkResult::default();
        let slice = self.walk.slice_of(language);
        self.walk.walk_all(language, slice, &mut result);
        let visited = result.visited;
        let inside = if slice.groups == 0 {
            Inside::of(std::mem::take(&mut result.inside), vocabulary.size())
        } else {
            let mut set = TokenSet::clone(&indexed.slice(vocabulary, slice.groups));
            if let Some((unit, most)) = slice.most {
                set.intersect_with(indexed.short_tokens(vocabulary, unit, most));
            }
            set.insert_all(&result.inside);
            Inside::Dense(Arc::new(set))
        };
        // A label says which literal was completed, and the ends of any string have none.
        let has_no_labels = result.ends.iter().all(|(label, _)| label.is_none());
        let any = match result.ends.len() > MAX_MERGED && has_no_labels {
            true => self.walk.languages.any_string_like(language),
            false => None,
        };
        let summary = match any {
            Some(any) if any != language => {
                let mut of = TokenSet::new(vocabulary.size());
                result.ends.iter().for_each(|&(_, node)| {
                    let own = trie.tokens(node).len();
                    of.insert_all(&trie.subtree_tokens(node)[own..]);
                });
                let base = Base { summary: self.summary(any), part: BasePart::ExitsOf(of) };
                Summary::new(Some(base), inside, Box::default())
            }
            _ => Summary::new(None, inside, result.exits(trie)),
        };
        (summary, visited)
    }
}
