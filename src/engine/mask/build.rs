//! Building the mask of a state: the union of what its threads allow.
//!
//! ```text
//! mask(state) = ⋃ threads [ inside(q) ∪ tokens of exits(q) whose suffix the continuation reads ]
//! ```
//!
//! Here `q` is the state of a thread's terminal; [`summary`](super::summary) explains inside and
//! exits.
//!
//! # Walks beside states
//!
//! A terminal may end after every byte, and anything may follow, as in `x ::= .+ x | "="`. Then
//! every part of every token is a suffix. The sum over the threads takes longer than one walk over
//! the trie of all tokens, beside the states that their bytes lead to. So the mask is found by such
//! a walk. It skips all tokens of characters that a state reads in any order ([`AlwaysRead`]).
//!
//! # Canonical masks
//!
//! If an object must not repeat a key, its state depends on the keys so far, so nearly every output
//! has states of its own. But used keys matter only to tokens that go on into another key. So the
//! mask is computed for the *canonical* state, which has no used keys. It is then
//! [refined](MaskBuilder::refine): the few tokens for which used keys may matter are tried one by
//! one. For items that must differ, these are the tokens that complete an item and begin another;
//! [`ItemKnowledge`] marks the states on the way.
//!
//! # Why it is exact
//!
//! - *Forgetting.* The canonical state allows every token that its states allow, since a record of
//!   used keys or items only forbids. A token that a record forbids is of one of three kinds. It
//!   goes on into another key, so it has a comma, a quote behind it, and more behind the quote:
//!   perhaps every key that begins with these bytes is used. Where endlessly many keys have every
//!   beginning, it completes the key, and so has another quote. Or it has a comma that another key
//!   must follow, where all keys may be used ([`Recogniser::canonical`] tells). Or it goes on past
//!   the end of an item, and then it is on the list `recheck`. All these tokens are stepped through
//!   from the state itself.
//! - *First bytes.* A byte with which a state cannot begin leads to the dead state, so skipping it
//!   changes nothing.
//! - *Last bytes and truncated states.* Frames are resumed after a byte or more, and everything but
//!   objects and arrays is productive. So a byte with which a state can begin can be completed, and
//!   the last byte of a token needs no step. This holds until a step begins the graph's first
//!   object or array. [`Recogniser::truncate`] argues for truncated states.
//! - *Idle whitespace.* Some bytes of whitespace only change how many more bytes of whitespace may
//!   follow. The state says how many; that many bytes are counted and not stepped through. The next
//!   other byte is read from the state before the whitespace, which leads to the same state: the
//!   two differ only in the count of whitespace, and the other byte ends the count.
//!
//! # The price
//!
//! A new state costs a lookup for each of its threads, and a step for each byte of the suffixes
//! that its continuations read. A new terminal state costs a summary.

use super::always_read::AlwaysRead;
use super::data::{MaskData, PartialMask, UnionCache, merged};
use super::dense_rows::DenseRows;
use super::lexeme_summary::LexemeSummaries;
use super::subtree_walk::{Subtree, WORTH_SKIPPING};
use super::suffix_trie::{Branch, PreorderTrie, Suffixes, VocabularyTrie};
use super::summaries::{SharedSummaries, TerminalSummary};
use super::summary::{Base, BasePart, Inside, Summary};
use super::vocabulary_index::{IndexedTrie, MAX_SLICED_LEN, SubtreeInfo};
use crate::automata::approximate::byte_group;
use crate::automata::{ByteSet, LangId, interrupt};
use crate::engine::ablation::{Optimisation, enabled};
use crate::engine::chunked_slots::ChunkedSlots;
use crate::engine::error::EngineError;
use crate::engine::published_states::PublishedStates;
use crate::engine::recogniser::Recogniser;
use crate::engine::recogniser::captures::{CaptureKind, ItemKnowledge};
use crate::engine::recogniser::containers::{KeySupply, depends_on_items, is_json_space, records_key};
use crate::engine::recogniser::state::{Awaits, StateId, Thread};
use crate::engine::recogniser::truncate::coarse_height;
use crate::engine::special_tokens::special_token;
use crate::vocab::{TokenId, TokenSet, Vocabulary};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// A walk beside states is considered if the suffixes that may follow are more than one in this
/// many of the trie's nodes.
const FEW_SUFFIXES: usize = 8;

/// The largest subtrees whose long tokens are looked at one by one.
const LONG_SUBTREE: u32 = 512;

/// The largest number of trie nodes for which suffixes are stepped through without looking up first
/// bytes.
const WORTH_ASKING: usize = 16;

/// The masks that readers see without a lock, by state.
pub(in crate::engine) type PublishedMasks = ChunkedSlots<OnceLock<Arc<MaskData>>>;

/// The tokens that a canonical state allows, and those among them that each of its states has to
/// try again.
#[derive(Clone)]
struct CanonicalMask {
    mask: Arc<MaskData>,
    recheck: Arc<[TokenId]>,
}

/// Findings about one graph's masks. Used under the graph's lock.
pub(in crate::engine) struct MaskMemo {
    summaries: HashMap<LangId, Arc<TerminalSummary>>,
    pub(super) unions: UnionCache,
    /// Masks of canonical states, of which some tokens have to be tried again in each state.
    canonical_masks: HashMap<StateId, CanonicalMask>,
    pub(super) rows: DenseRows,
    /// For lexed grammars, in place of `summaries`.
    pub(super) lexemes: LexemeSummaries,
    always_read: AlwaysRead,
    /// Bytes of all masks.
    mask_bytes: usize,
}

impl MaskMemo {
    pub fn new() -> Self {
        MaskMemo {
            summaries: HashMap::new(),
            unions: UnionCache::default(),
            canonical_masks: HashMap::new(),
            rows: DenseRows::new(),
            lexemes: LexemeSummaries::new(),
            always_read: AlwaysRead::default(),
            mask_bytes: 0,
        }
    }

    /// The number of terminal states whose summaries are in use.
    pub fn summary_count(&self) -> usize {
        self.summaries.len()
    }

    /// Bytes held, approximately, for a vocabulary of `size` tokens.
    pub fn memory(&self, size: usize) -> usize {
        let sets = self.mask_bytes + self.unions.len() * size / 8;
        sets + self.rows.memory() + self.lexemes.memory() + self.always_read.memory()
    }
}

/// The part of a summary that is added to a mask.
struct TokenFilter<'a> {
    /// Tokens that are not added; sorted.
    rejected: Arc<[TokenId]>,
    /// True if the tokens inside are added.
    inside: bool,
    /// The tokens whose exits are added; `None` for all tokens.
    exits_of: Option<&'a TokenSet>,
}

/// The position after one byte of the path to the current trie node.
struct PathEntry {
    state: StateId,
    /// Bytes of idle whitespace read since `state`.
    spaces: u32,
    /// The largest number of these, if it was asked for.
    idle: Option<u32>,
    /// The bytes that can come next; all bytes if that was not asked for.
    next: ByteSet,
    /// True if tokens that come here are tried again in states that know more about items.
    recheck: bool,
}

type Path = SmallVec<[PathEntry; 16]>;

/// Tokens found, and those of them to be tried again; `None` if no item is being recorded.
struct Found<'a> {
    tokens: &'a mut Vec<TokenId>,
    recheck: Option<&'a mut Vec<TokenId>>,
}

impl Found<'_> {
    fn add(&mut self, tokens: &[TokenId], recheck: bool) {
        self.tokens.extend_from_slice(tokens);
        if let (Some(list), true) = (&mut self.recheck, recheck) {
            list.extend_from_slice(tokens);
        }
    }
}

/// Builds masks of one graph. Made for a single mask by the holder of the graph's lock.
pub(in crate::engine) struct MaskBuilder<'a> {
    pub recogniser: &'a mut Recogniser,
    pub memo: &'a mut MaskMemo,
    pub states: &'a PublishedStates,
    pub masks: &'a PublishedMasks,
    pub vocabulary: &'a Vocabulary,
    pub shared: &'a SharedSummaries,
}

impl MaskBuilder<'_> {
    /// The mask of `state`, found if need be.
    pub fn mask(&mut self, state: StateId) -> Result<Arc<MaskData>, EngineError> {
        if let Some(known) = self.published(state) {
            return Ok(known);
        }
        // Without summaries, the walk begins at the state itself, with its used keys.
        let longest = self.vocabulary.max_token_len();
        let (canonical, keys) = match enabled(Optimisation::Summaries) {
            true => self.recogniser.canonical(state, longest)?,
            false => (state, KeySupply::Endless),
        };
        self.states.publish(self.recogniser, canonical);
        let bound = self.canonical_mask(canonical)?;
        let has_keys = state != canonical || records_key(&self.recogniser.machine, state);
        let index = &self.shared.index;
        let keys: &[TokenId] = match keys {
            KeySupply::MayRunOut => &index.with_comma,
            KeySupply::Enough if has_keys => &index.key_beginning,
            KeySupply::Endless if has_keys => &index.key_completing,
            _ => &[],
        };
        let mask = self.refine(state, bound, keys)?;
        interrupt::ended()?;
        match self.masks.get_or_grow(state.0).filter(|_| enabled(Optimisation::Memo)) {
            Some(slot) => Ok(slot.get_or_init(|| mask).clone()),
            None => Ok(mask),
        }
    }

    fn published(&self, state: StateId) -> Option<Arc<MaskData>> {
        self.masks.get(state.0).and_then(OnceLock::get).cloned()
    }

    fn canonical_mask(&mut self, canonical: StateId) -> Result<CanonicalMask, EngineError> {
        if let Some(known) = self.memo.canonical_masks.get(&canonical) {
            return Ok(known.clone());
        }
        let slot = self.masks.get_or_grow(canonical.0).filter(|_| enabled(Optimisation::Memo));
        if let Some(known) = slot.and_then(OnceLock::get) {
            return Ok(CanonicalMask { mask: known.clone(), recheck: Arc::new([]) });
        }
        let found = self.compute(canonical)?;
        interrupt::ended()?;
        self.memo.mask_bytes += found.mask.memory() + found.recheck.len() * 4;
        if let Some(slot) = slot {
            if found.recheck.is_empty() && !records_key(&self.recogniser.machine, canonical) {
                let _ = slot.set(found.mask.clone());
            } else {
                self.memo.canonical_masks.insert(canonical, found.clone());
            }
        }
        Ok(found)
    }

    /// The canonical mask without the tokens that `state` does not read. The tokens of `keys` may
    /// need a key that the object has, or that was begun.
    fn refine(
        &mut self,
        state: StateId,
        bound: CanonicalMask,
        keys: &[TokenId],
    ) -> Result<Arc<MaskData>, EngineError> {
        let CanonicalMask { mask, recheck } = bound;
        let mut wrong: Vec<TokenId> = Vec::new();
        for &token in recheck.iter().chain(keys) {
            if !mask.contains(token) {
                continue;
            }
            let mut at = state;
            for &byte in self.vocabulary.bytes(token) {
                at = self.states.step(self.recogniser, at, byte)?;
            }
            if at == StateId::DEAD {
                wrong.push(token);
            }
        }
        if wrong.is_empty() {
            return Ok(mask);
        }
        let mut set = TokenSet::clone(&mask.to_set(self.vocabulary.size()));
        set.remove_all(&wrong);
        self.memo.mask_bytes += set.words().len() * 4;
        Ok(Arc::new(MaskData::Dense(Arc::new(set))))
    }

    /// The union over the threads of a canonical state.
    fn compute(&mut self, state: StateId) -> Result<CanonicalMask, EngineError> {
        let mut parts = PartialMask::default();
        let mut recheck: Vec<TokenId> = Vec::new();
        if self.recogniser.is_accepting(state) {
            parts.extra.extend_from_slice(self.vocabulary.eos());
        }
        let has_summaries = enabled(Optimisation::Summaries) && !self.has_many_suffixes(state)?;
        let is_lexed = self.recogniser.is_lexed();
        if !has_summaries {
            self.walk_states(state, &mut parts)?;
        } else if is_lexed {
            self.add_lexemes(state, &mut parts)?;
        }
        for i in 0..self.recogniser.threads(state).len() {
            let thread = self.recogniser.threads(state)[i];
            match thread.awaits() {
                Awaits::Language(language) if has_summaries && !is_lexed => {
                    self.add_thread(thread, language, &mut parts, &mut recheck)?;
                }
                Awaits::Language(_) => {}
                Awaits::Special(special) => {
                    if let Some(set) = self.recogniser.machine.token_set(special) {
                        parts.add_set(set.clone());
                        continue;
                    }
                    let name = self.recogniser.machine.pool.special_name(special);
                    parts.extra.push(special_token(self.vocabulary, name)?);
                }
            }
        }
        self.recogniser.machine.check_answers()?;
        let size = self.vocabulary.size();
        let (mask, is_new_set) = parts.into_mask(size, &mut self.memo.unions);
        if is_new_set {
            self.memo.mask_bytes += size / 8;
        }
        Ok(CanonicalMask { mask: Arc::new(mask), recheck: recheck.into() })
    }

    /// True if a walk beside states is likely to be shorter than reading the suffixes of the tokens
    /// that leave the terminals of `state`.
    fn has_many_suffixes(&mut self, state: StateId) -> Result<bool, EngineError> {
        if !self.truncates() || !enabled(Optimisation::Slices) {
            return Ok(false);
        }
        let all = self.vocabulary.trie().node_count();
        let mut nodes = 0;
        for i in 0..self.recogniser.threads(state).len() {
            let thread = self.recogniser.threads(state)[i];
            let Awaits::Language(language) = thread.awaits() else { continue };
            interrupt::check()?;
            let found = self.terminal_summary(language)?;
            let trie = self.shared.trie_of(self.vocabulary, &found).trie(self.vocabulary);
            let mut summary: Option<&Summary> = Some(&found.summary);
            while let Some(Summary { exits, base, .. }) = summary {
                for (label, suffixes) in exits.iter() {
                    if suffixes.nodes() > all / (4 * FEW_SUFFIXES) {
                        let after = self.recogniser.after_terminal(thread.cont, thread.capture, *label)?;
                        self.states.publish(self.recogniser, after);
                        nodes += suffixes.nodes_from(trie, &self.recogniser.first_bytes(after));
                    }
                }
                summary = base.as_ref().map(|base| &*base.summary);
            }
        }
        Ok(nodes > all
            || (nodes > all / FEW_SUFFIXES && self.always_read(state, MAX_SLICED_LEN.into())? != 0))
    }

    fn always_read(&mut self, state: StateId, longest: u32) -> Result<u64, EngineError> {
        self.memo.always_read.groups(self.recogniser, state, longest)
    }

    /// True if all tokens below `node` are nothing but characters of `groups` from byte `from` on,
    /// though some are too long to be in a slice.
    fn are_long(&self, node: u32, info: SubtreeInfo, groups: u64, from: usize) -> bool {
        let trie = self.vocabulary.trie();
        let is_small = trie.end(node) - node <= LONG_SUBTREE;
        if !is_small || !info.is_boundary() || !info.has_only_long(groups) {
            return false;
        }
        let groups = groups | byte_group(0x80);
        trie.subtree_tokens(node).iter().all(|&id| {
            let rest = &self.vocabulary.bytes(id)[from..];
            std::str::from_utf8(rest).is_ok() && rest.iter().all(|&byte| byte_group(byte) & groups != 0)
        })
    }

    /// The tokens with text that a walk over the trie of all tokens finds, beside the states that
    /// their bytes lead to.
    ///
    /// Subtrees are skipped where the state above them reads all their characters in any order:
    /// then all their tokens are allowed.
    pub(super) fn walk_states(&mut self, start: StateId, parts: &mut PartialMask) -> Result<(), EngineError> {
        let (trie, indexed) = (self.vocabulary.trie(), &self.shared.index.plain);
        let subtrees = indexed.subtrees(self.vocabulary);
        let is_lexed = self.recogniser.is_lexed();
        let has_summaries = enabled(Optimisation::Summaries);
        let skips = enabled(Optimisation::Slices) && (is_lexed || has_summaries);
        let truncates = has_summaries && self.truncates();
        let worth_skipping = if is_lexed { 2 } else { WORTH_SKIPPING };
        let groups = if skips { self.always_read(start, MAX_SLICED_LEN.into())? } else { 0 };
        // A count may last for the tokens of slices and not for longer ones.
        let long_groups = match groups {
            0 => 0,
            _ if is_lexed => 0,
            _ => self.always_read(start, subtrees[0].height.into())?,
        };
        if groups != 0 {
            parts.add_set(indexed.slice(self.vocabulary, groups));
        }
        // Each state on the path has the bytes that can come next with it.
        let next_bytes = |recogniser: &mut Recogniser, state: StateId| match truncates {
            true => recogniser.first_bytes(state),
            false => ByteSet::FULL,
        };
        let first = next_bytes(&mut *self.recogniser, start);
        let subtree = Subtree::below(trie, subtrees, 0).without_slice(groups, None);
        subtree.walk((start, first), |visit| {
            let (from, ref next) = *visit.from;
            let (node, info) = (visit.node, visit.info);
            let byte = trie.byte(node);
            if !next.contains(byte) {
                return Ok(None);
            }
            if visit.is_sliced && long_groups != 0 && self.are_long(node, info, long_groups, 0) {
                parts.extra.extend_from_slice(trie.subtree_tokens(node));
                return Ok(None);
            }
            if truncates && info.height == 0 && self.truncates() {
                if !visit.is_sliced {
                    parts.extra.extend_from_slice(trie.tokens(node));
                }
                return Ok(None);
            }
            let mut next = self.states.step(self.recogniser, from, byte)?;
            if next == StateId::DEAD {
                return Ok(None);
            }
            if truncates {
                next = self.recogniser.truncate(next, info.height.into())?;
            }
            if !visit.is_sliced {
                if visit.after - node >= worth_skipping && info.is_boundary() {
                    let height = if is_lexed { MAX_SLICED_LEN } else { info.height };
                    let longest = coarse_height(height.into());
                    let groups = if skips { self.always_read(next, longest)? } else { 0 };
                    let depth = trie.depth(node).into();
                    let are_long = |node| !is_lexed && self.are_long(node, info, groups, depth);
                    if groups != 0 && (info.all_in(groups) || are_long(node)) {
                        parts.extra.extend_from_slice(trie.subtree_tokens(node));
                        return Ok(None);
                    }
                }
                parts.extra.extend_from_slice(trie.tokens(node));
            }
            Ok(Some((next, next_bytes(&mut *self.recogniser, next))))
        })
    }

    /// Adds what one thread allows.
    fn add_thread(
        &mut self,
        mut thread: Thread,
        language: LangId,
        parts: &mut PartialMask,
        recheck: &mut Vec<TokenId>,
    ) -> Result<(), EngineError> {
        // A new summary may take milliseconds.
        interrupt::check()?;
        let found = self.terminal_summary(language)?;
        if let Some(whitespace) = &found.whitespace {
            parts.add_set(whitespace.clone());
        }
        let captures = &self.recogniser.machine.captures;
        let is_item = captures.kind(thread.capture) == CaptureKind::Item;
        if is_item {
            thread.capture = captures.root(CaptureKind::Item, ItemKnowledge::Tail);
        }
        let filter = TokenFilter { rejected: found.rejected.clone(), inside: true, exits_of: None };
        let trie = self.shared.trie_of(self.vocabulary, &found);
        self.add_summary(thread, &found.summary, trie, filter, parts, is_item.then_some(recheck))
    }

    fn terminal_summary(&mut self, language: LangId) -> Result<Arc<TerminalSummary>, EngineError> {
        if let Some(known) = self.memo.summaries.get(&language) {
            return Ok(known.clone());
        }
        let languages = &mut self.recogniser.machine.pool.languages;
        let summary = self.shared.terminal(languages, &mut self.memo.rows, self.vocabulary, language);
        let summary = Arc::new(summary);
        if !self.recogniser.machine.pool.languages.is_sound() {
            // Transitions that were found after the work was over may be wrong, so no row is kept.
            self.memo.rows = DenseRows::new();
            self.recogniser.machine.check_answers()?;
            return Ok(summary);
        }
        self.memo.summaries.insert(language, summary.clone());
        Ok(summary)
    }

    /// Adds the tokens inside, and the tokens that leave by an exit with a suffix that the thread's
    /// continuation reads. `filter` may exclude some of both.
    fn add_summary(
        &mut self,
        thread: Thread,
        summary: &Summary,
        trie: &IndexedTrie,
        filter: TokenFilter<'_>,
        parts: &mut PartialMask,
        mut recheck: Option<&mut Vec<TokenId>>,
    ) -> Result<(), EngineError> {
        if let Some(Base { summary: base, part }) = &summary.base {
            let rejected = &filter.rejected;
            let narrower = match part {
                BasePart::AllExcept(except) => TokenFilter { rejected: merged(rejected, except), ..filter },
                BasePart::ExitsExcept(except) => {
                    TokenFilter { rejected: merged(rejected, except), inside: false, ..filter }
                }
                BasePart::ExitsOf(of) => {
                    TokenFilter { rejected: rejected.clone(), inside: false, exits_of: Some(of) }
                }
            };
            self.add_summary(thread, base, trie, narrower, parts, recheck.as_deref_mut())?;
        }
        let TokenFilter { rejected, inside, exits_of } = filter;
        if inside {
            match &summary.inside {
                Inside::Sparse(ids) => {
                    parts.extra.reserve(ids.len());
                    parts.extra.extend(ids.iter().copied().filter(|id| rejected.binary_search(id).is_err()));
                }
                Inside::Dense(set) => parts.large.push((set.clone(), rejected.clone())),
            }
        }
        let before = parts.extra.len();
        for (label, suffixes) in summary.exits.iter() {
            let after = self.recogniser.after_terminal(thread.cont, thread.capture, *label)?;
            self.states.publish(self.recogniser, after);
            let found = Found { tokens: &mut parts.extra, recheck: recheck.as_deref_mut() };
            self.read_suffixes(after, suffixes, trie, found)?;
        }
        if exits_of.is_some() || !rejected.is_empty() {
            let mut kept = before;
            for at in before..parts.extra.len() {
                let id = parts.extra[at];
                let counts = exits_of.is_none_or(|tokens| tokens.contains(id));
                if counts && rejected.binary_search(&id).is_err() {
                    parts.extra[kept] = id;
                    kept += 1;
                }
            }
            parts.extra.truncate(kept);
        }
        Ok(())
    }

    /// Finds the tokens whose suffix can be read from `start`.
    fn read_suffixes(
        &mut self,
        start: StateId,
        suffixes: &Suffixes,
        indexed: &IndexedTrie,
        mut found: Found<'_>,
    ) -> Result<(), EngineError> {
        let trie = indexed.trie(self.vocabulary);
        let whole = VocabularyTrie { trie, subtrees: indexed.subtrees(self.vocabulary) };
        let mut path: Path = SmallVec::new();
        let mut first = self.path_entry(start, suffixes.nodes(), self.truncates());
        first.recheck = found.recheck.is_some() && depends_on_items(&self.recogniser.machine, start);
        path.push(first);
        for i in 0..suffixes.len() {
            path.truncate(1);
            if !path[0].next.contains(suffixes.byte(i)) {
                continue;
            }
            match suffixes.branch(trie, i, |bytes| indexed.note_growth(bytes)) {
                Branch::InVocabulary(root) => self.read_branch(&whole, root, &mut path, &mut found)?,
                Branch::Merged(merged) => self.read_branch(merged, 0, &mut path, &mut found)?,
            }
        }
        Ok(())
    }

    /// True if the last bytes of tokens need no step, and states may be truncated.
    fn truncates(&self) -> bool {
        self.recogniser.is_truncatable() && enabled(Optimisation::Clamping)
    }

    /// The entry for `state`, from which up to `nodes` trie nodes are read. If last bytes are taken
    /// without a step (`truncates`), the bytes that can come next have to be known.
    fn path_entry(&mut self, state: StateId, nodes: usize, truncates: bool) -> PathEntry {
        let asks = truncates || (nodes > WORTH_ASKING && enabled(Optimisation::FirstBytes));
        let next = if asks { self.recogniser.first_bytes(state) } else { ByteSet::FULL };
        PathEntry { state, spaces: 0, idle: None, next, recheck: false }
    }

    /// Reads the subtree of `root`. The last entry of `path` is the position after the parent of
    /// `root`.
    fn read_branch(
        &mut self,
        trie: &impl PreorderTrie,
        root: u32,
        path: &mut Path,
        found: &mut Found<'_>,
    ) -> Result<(), EngineError> {
        // From the step on that begins the first object, every byte is stepped through. Until then
        // each entry knows its next bytes.
        let truncates = self.truncates();
        let top = trie.depth(root) - 1;
        let (mut node, end) = (root, trie.end(root));
        while node < end {
            let depth = usize::from(trie.depth(node) - top);
            let byte = trie.byte(node);
            path.truncate(depth);
            let at = &mut path[depth - 1];
            if !at.next.contains(byte) {
                node = trie.end(node);
                continue;
            }
            let is_space = is_json_space(byte);
            if is_space && enabled(Optimisation::IdleWhitespace) {
                let idle = match at.idle {
                    Some(idle) => idle,
                    None => *at.idle.insert(self.recogniser.idle_whitespace(at.state)),
                };
                if at.spaces < idle {
                    let PathEntry { state, spaces, next, recheck, .. } = *at;
                    path.push(PathEntry { state, spaces: spaces + 1, idle: Some(idle), next, recheck });
                    found.add(trie.tokens(node), recheck);
                    node += 1;
                    continue;
                }
            }
            let height = trie.height(node);
            if height == 0 && !is_space && truncates && self.truncates() {
                found.add(trie.tokens(node), false);
                node += 1;
                continue;
            }
            let mut from = at.state;
            if is_space {
                // More whitespace follows than is idle, so the counted bytes have to be stepped
                // through now.
                for _ in 0..at.spaces {
                    from = self.states.step(self.recogniser, from, b' ')?;
                }
            }
            let recheck = at.recheck;
            let next = self.states.step(self.recogniser, from, byte)?;
            if next == StateId::DEAD {
                node = trie.end(node);
                continue;
            }
            let items = found.recheck.is_some() && depends_on_items(&self.recogniser.machine, next);
            let recheck = recheck || items;
            found.add(trie.tokens(node), recheck);
            if height > 0 {
                let next = self.recogniser.truncate(next, height.into())?;
                let nodes = (trie.end(node) - node) as usize;
                path.push(PathEntry { recheck, ..self.path_entry(next, nodes, truncates) });
            }
            node += 1;
        }
        Ok(())
    }
}
