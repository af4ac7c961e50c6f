//! Masks: the union of what each thread allows.
//!
//! `mask(state) = ⋃ threads [ inside(q) ∪ tokens of exits(q) whose suffix the continuation reads ]`.
//!
//! A mask is kept as what it mostly is: a few ids, one large set shared with the summary it came from, or that set and a
//! few ids more. Only where several large sets meet is a new one made.
//!
//! Objects that must not repeat a key would give every output its own states and hence its own masks. Which keys were
//! used only matters to tokens that complete one, so the mask is computed for the *canonical* state that has forgotten
//! them, and the rare tokens that could tell the difference are tried one by one. Of items that must differ it is those that
//! complete one and begin another; [`ItemKnowledge`] marks the states on the way.
//!
//! # Why it is exact
//!
//! - *Forgetting.* The canonical state allows all that its states allow: a record of used keys or items only forbids. A
//!   token that a record forbids completes a second key within itself, so it has a comma and two quotes behind it; or it
//!   was read past an item's end, where `retry` lists it. All of these are stepped through from the state itself.
//! - *First bytes.* A byte that the state cannot begin with leads to the dead state, so leaving it out changes nothing.
//! - *Last bytes, and cut states.* See [`truncate`](super::truncate): frames are resumed after a byte or more, everything but objects and
//!   arrays is productive, so a byte that a state can begin with can be completed.
//! - *Idle whitespace.* The state says how many more whitespace bytes change nothing but how many may still follow.
//!   Fewer than these are counted and not stepped through. The next other byte is read from the state before them:
//!   what it leads to is the same, since only the count of whitespace differs, and this byte ends the count.

use super::ablation::{enabled, Optimisation};
use super::error::EngineError;
use super::graph::{Core, Graph};
use super::recogniser::{Awaits, StateId, Thread};
use super::stack::{CaptureKind, ItemKnowledge};
use super::suffix_trie::{Branch, PreorderTrie, Suffixes, VocabularyTrie};
use super::summary::{Base, BasePart, Inside, Summary};
use super::vocabulary_index::{is_json_space, IndexedTrie};
use crate::automata::{interrupt, ByteSet};
use crate::vocab::{TokenId, TokenSet};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// Up to this many suffixes are stepped through without asking what can come next.
const FEW: usize = 16;

/// More single ids than this become a set of their own.
const MAX_EXTRA: usize = 256;

/// More single ids than this are not sorted but put into a set.
const UNSORTED: usize = 2048;

/// A set of allowed tokens.
pub(super) enum MaskData {
    Sparse(Box<[TokenId]>),
    Dense(Arc<TokenSet>),
    /// A large set without some tokens and with some others (both sorted).
    Delta {
        base: Arc<TokenSet>,
        extra: Box<[TokenId]>,
        removed: Box<[TokenId]>,
    },
}

impl MaskData {
    pub fn contains(&self, token: TokenId) -> bool {
        match self {
            MaskData::Sparse(ids) => ids.binary_search(&token).is_ok(),
            MaskData::Dense(set) => set.contains(token),
            MaskData::Delta { base, extra, removed } => {
                (base.contains(token) && removed.binary_search(&token).is_err())
                    || extra.binary_search(&token).is_ok()
            }
        }
    }

    /// Whether no token is allowed.
    pub fn is_empty(&self) -> bool {
        match self {
            MaskData::Sparse(ids) => ids.is_empty(),
            MaskData::Dense(set) => set.is_empty(),
            // What is removed is in the base.
            MaskData::Delta { base, extra, removed } => extra.is_empty() && base.count() == removed.len(),
        }
    }

    /// Writes the mask as words; `out` has the right length.
    #[inline]
    pub fn write(&self, out: &mut [u32]) {
        let extra = match self {
            MaskData::Sparse(ids) => {
                out.fill(0);
                ids
            }
            MaskData::Dense(set) => {
                out.copy_from_slice(set.words());
                return;
            }
            MaskData::Delta { base, extra, removed } => {
                out.copy_from_slice(base.words());
                for id in removed.iter() {
                    out[(id.0 >> 5) as usize] &= !(1 << (id.0 & 31));
                }
                extra
            }
        };
        for id in extra.iter() {
            out[(id.0 >> 5) as usize] |= 1 << (id.0 & 31);
        }
    }

    pub fn to_set(&self, size: usize) -> Arc<TokenSet> {
        match self {
            MaskData::Sparse(ids) => Arc::new(TokenSet::from_ids(size, ids.iter().copied())),
            MaskData::Dense(set) => set.clone(),
            MaskData::Delta { base, extra, removed } => {
                let mut set = TokenSet::clone(base);
                set.remove_all(removed);
                set.insert_all(extra);
                Arc::new(set)
            }
        }
    }

    fn memory(&self) -> usize {
        match self {
            MaskData::Sparse(ids) => 64 + ids.len() * 4,
            MaskData::Delta { extra, removed, .. } => 64 + (extra.len() + removed.len()) * 4,
            MaskData::Dense(_) => 64,
        }
    }
}

/// What counts of a summary.
struct TokenFilter<'a> {
    /// Tokens that do not; sorted.
    rejected: Arc<[TokenId]>,
    /// Whether the tokens inside do.
    inside: bool,
    /// Of those with an exit only these do.
    only: Option<&'a TokenSet>,
}

/// What threads allow, before it is put together.
#[derive(Default)]
struct PartialMask {
    /// Large sets, each without some tokens (sorted).
    large: Vec<(Arc<TokenSet>, Arc<[TokenId]>)>,
    /// Single tokens.
    extra: Vec<TokenId>,
}

/// What all states of one canonical form allow at most, and the tokens in it that each of them must try again.
#[derive(Clone)]
pub(super) struct CanonicalMask {
    mask: Arc<MaskData>,
    retry: Arc<[TokenId]>,
}

/// What follows one byte of the path to the current node.
struct PathEntry {
    state: StateId,
    /// Spaces read since `state` that change nothing, and how many of them may be.
    spaces: u32,
    idle: Option<u32>,
    /// What can come next, where that is asked before stepping.
    next: ByteSet,
    /// The tokens that come here are to be tried again in states that know more.
    retried: bool,
}

type Path = SmallVec<[PathEntry; 16]>;

impl PathEntry {
    /// `nodes` may have to be read from `state`; `leaves` says that the last bytes of tokens need no step.
    fn enter(core: &mut Core, state: StateId, nodes: usize, leaves: bool) -> Self {
        let next = if leaves || (nodes > FEW && enabled(Optimisation::FirstBytes)) {
            core.recogniser.first_bytes(state)
        } else {
            ByteSet::FULL
        };
        PathEntry { state, spaces: 0, idle: None, next, retried: false }
    }
}

impl Graph {
    pub(super) fn mask_locked(&self, core: &mut Core, state: StateId) -> Result<Arc<MaskData>, EngineError> {
        if let Some(known) = self.slot(state).and_then(|s| s.mask.get()) {
            return Ok(known.clone());
        }
        // Stepping through tokens tells all states apart.
        let canonical =
            if enabled(Optimisation::Summaries) { core.recogniser.canonical(state)? } else { state };
        self.publish_locked(core, canonical);
        let general = self.canonical_mask(core, canonical)?;
        let has_keys = state != canonical || core.recogniser.records_key(state);
        let mask = self.refine(core, state, general, has_keys)?;
        interrupt::ended()?;
        match self.slot(state).filter(|_| enabled(Optimisation::Memo)) {
            Some(slot) => Ok(slot.mask.get_or_init(|| mask).clone()),
            None => Ok(mask),
        }
    }

    fn canonical_mask(&self, core: &mut Core, canonical: StateId) -> Result<CanonicalMask, EngineError> {
        if let Some(known) = core.canonical_masks.get(&canonical) {
            return Ok(known.clone());
        }
        let slot = self.slot(canonical).filter(|_| enabled(Optimisation::Memo));
        if let Some(known) = slot.and_then(|slot| slot.mask.get()) {
            return Ok(CanonicalMask { mask: known.clone(), retry: Arc::new([]) });
        }
        let general = self.compute(core, canonical)?;
        interrupt::ended()?;
        self.mask_bytes.fetch_add(general.mask.memory() + general.retry.len() * 4, Ordering::Relaxed);
        if let Some(slot) = slot {
            if general.retry.is_empty() && !core.recogniser.records_key(canonical) {
                let _ = slot.mask.set(general.mask.clone());
            } else {
                core.canonical_masks.insert(canonical, general.clone());
            }
        }
        Ok(general)
    }

    /// What the canonical state allows at most without the tokens that this state does not read. With `has_keys`, a key that
    /// it had or has begun may be among those that a token begins anew.
    fn refine(
        &self,
        core: &mut Core,
        state: StateId,
        general: CanonicalMask,
        has_keys: bool,
    ) -> Result<Arc<MaskData>, EngineError> {
        let CanonicalMask { mask, retry } = general;
        let index = self.index.clone();
        let keys: &[TokenId] = if has_keys { &index.key_completing } else { &[] };
        let mut wrong: Vec<TokenId> = Vec::new();
        for &token in retry.iter().chain(keys) {
            if !mask.contains(token) {
                continue;
            }
            let mut at = state;
            for &byte in self.vocabulary.bytes(token) {
                at = self.step_locked(core, at, byte)?;
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
        self.mask_bytes.fetch_add(set.words().len() * 4, Ordering::Relaxed);
        Ok(Arc::new(MaskData::Dense(Arc::new(set))))
    }

    fn compute(&self, core: &mut Core, state: StateId) -> Result<CanonicalMask, EngineError> {
        let mut parts = PartialMask::default();
        let mut retry: Vec<TokenId> = Vec::new();
        if core.recogniser.is_accepting(state) {
            parts.extra.extend_from_slice(self.vocabulary.eos());
        }
        let summarised = !core.recogniser.pool.is_lexed() && enabled(Optimisation::Summaries);
        if !summarised {
            self.walk_states(core, state, &mut parts)?;
        }
        for i in 0..core.recogniser.threads(state).len() {
            let mut thread = core.recogniser.threads(state)[i];
            let language = match thread.awaits() {
                Awaits::Language(_) if !summarised => continue,
                Awaits::Language(language) => language,
                Awaits::Special(special) => {
                    parts.extra.push(self.special_token(core, special)?);
                    continue;
                }
            };
            // A new one may take milliseconds.
            interrupt::check()?;
            let found = self.summary(core, language);
            if let Some(whitespace) = &found.whitespace {
                parts.large.push((whitespace.clone(), Arc::new([])));
            }
            let is_item = core.recogniser.captures.of(thread.capture) == CaptureKind::Item;
            if is_item {
                thread.capture = core.recogniser.captures.root(CaptureKind::Item, ItemKnowledge::Tail);
            }
            let retry = is_item.then_some(&mut retry);
            let counted = TokenFilter { rejected: found.rejected.clone(), inside: true, only: None };
            let indexed = match &found.whitespace {
                Some(_) => &self.index.stripped(&self.vocabulary).indexed,
                None => &self.index.plain,
            };
            self.add_summary(core, thread, (&found.summary, indexed), counted, &mut parts, retry)?;
        }
        Ok(CanonicalMask { mask: Arc::new(self.combine(core, parts)), retry: retry.into() })
    }

    /// The text tokens that stepping through the trie of all finds.
    fn walk_states(
        &self,
        core: &mut Core,
        start: StateId,
        parts: &mut PartialMask,
    ) -> Result<(), EngineError> {
        let (trie, indexed) = (self.vocabulary.trie(), &self.index.plain);
        let below = indexed.below(&self.vocabulary);
        let skips = core.recogniser.pool.is_lexed() && enabled(Optimisation::Slices);
        // What a state is sure to read, by state: as many as subtrees are met in.
        let mut sure: HashMap<StateId, u64> = HashMap::new();
        let mut sure_groups = |core: &mut Core, state: StateId| match skips {
            true => *sure.entry(state).or_insert_with(|| core.recogniser.sure_groups(state)),
            false => 0,
        };
        let groups = sure_groups(core, start);
        if groups != 0 {
            parts.large.push((indexed.slice(&self.vocabulary, groups), Arc::new([])));
        }
        // The states on the path to the current node, and whether the path is nothing but `groups`.
        let mut path = vec![(start, groups != 0)];
        let mut node = 1;
        while (node as usize) < trie.node_count() {
            path.truncate(trie.depth(node).into());
            let (from, from_sliced) = path[path.len() - 1];
            let at = below[node as usize];
            let is_sliced = from_sliced && at.is_in(groups);
            let after = trie.end(node);
            if is_sliced && at.all_in(groups) {
                node = after;
                continue;
            }
            let next = self.step_locked(core, from, trie.byte(node))?;
            if next == StateId::DEAD {
                node = after;
                continue;
            }
            if !is_sliced {
                if after > node + 1 && at.is_boundary() {
                    let sure = sure_groups(core, next);
                    if sure != 0 && at.all_in(sure) {
                        parts.extra.extend_from_slice(trie.subtree_tokens(node));
                        node = after;
                        continue;
                    }
                }
                parts.extra.extend_from_slice(trie.tokens(node));
            }
            path.push((next, is_sliced));
            node += 1;
        }
        Ok(())
    }

    /// What counts of the tokens inside, and of those that leave by an exit and whose suffix `thread`'s continuation reads.
    fn add_summary(
        &self,
        core: &mut Core,
        thread: Thread,
        (summary, indexed): (&Summary, &IndexedTrie),
        counted: TokenFilter<'_>,
        parts: &mut PartialMask,
        mut retry: Option<&mut Vec<TokenId>>,
    ) -> Result<(), EngineError> {
        if let Some(Base { summary: base, part }) = &summary.base {
            let rejected = &counted.rejected;
            let narrower = match part {
                BasePart::AllExcept(but) => TokenFilter { rejected: merged(rejected, but), ..counted },
                BasePart::ExitsExcept(but) => {
                    TokenFilter { rejected: merged(rejected, but), inside: false, ..counted }
                }
                BasePart::ExitsOf(of) => {
                    TokenFilter { rejected: rejected.clone(), inside: false, only: Some(of) }
                }
            };
            self.add_summary(core, thread, (base, indexed), narrower, parts, retry.as_deref_mut())?;
        }
        let TokenFilter { rejected, inside, only } = counted;
        if inside {
            match &summary.inside {
                Inside::Sparse(ids) => {
                    parts.extra.extend(ids.iter().copied().filter(|id| rejected.binary_search(id).is_err()));
                }
                Inside::Dense(set) => parts.large.push((set.clone(), rejected.clone())),
            }
        }
        let before = parts.extra.len();
        for (label, suffixes) in summary.exits.iter() {
            let after = core.recogniser.after(thread.cont, thread.capture, *label)?;
            self.publish_locked(core, after);
            self.read_suffixes(core, after, suffixes, indexed, &mut parts.extra, &mut retry)?;
        }
        if only.is_some() || !rejected.is_empty() {
            let mut kept = before;
            for at in before..parts.extra.len() {
                let id = parts.extra[at];
                if only.is_none_or(|only| only.contains(id)) && rejected.binary_search(&id).is_err() {
                    parts.extra[kept] = id;
                    kept += 1;
                }
            }
            parts.extra.truncate(kept);
        }
        Ok(())
    }

    fn read_suffixes(
        &self,
        core: &mut Core,
        start: StateId,
        suffixes: &Suffixes,
        indexed: &IndexedTrie,
        out: &mut Vec<TokenId>,
        retry: &mut Option<&mut Vec<TokenId>>,
    ) -> Result<(), EngineError> {
        let trie = indexed.trie(&self.vocabulary);
        let known = VocabularyTrie { trie, below: indexed.below(&self.vocabulary) };
        let mut path: Path = SmallVec::new();
        let truncates = core.recogniser.is_truncatable() && enabled(Optimisation::Clamping);
        let mut first = PathEntry::enter(core, start, suffixes.nodes(), truncates);
        first.retried = retry.is_some() && core.recogniser.depends_on_items(start);
        path.push(first);
        for i in 0..suffixes.len() {
            path.truncate(1);
            if !path[0].next.contains(suffixes.byte(i)) {
                continue;
            }
            match suffixes.branch(trie, i, |bytes| indexed.grown(bytes)) {
                Branch::Whole(root) => self.read_branch(core, &known, root, &mut path, out, retry)?,
                Branch::Merged(merged) => self.read_branch(core, merged, 0, &mut path, out, retry)?,
            }
        }
        Ok(())
    }

    /// Reads the subtree of `root`; `path` holds where its parent is read.
    fn read_branch(
        &self,
        core: &mut Core,
        trie: &impl PreorderTrie,
        root: u32,
        path: &mut Path,
        out: &mut Vec<TokenId>,
        retry: &mut Option<&mut Vec<TokenId>>,
    ) -> Result<(), EngineError> {
        let has_items = retry.is_some();
        let mut take = |tokens: &[TokenId], retried: bool| {
            out.extend_from_slice(tokens);
            if let (Some(retry), true) = (&mut *retry, retried) {
                retry.extend_from_slice(tokens);
            }
        };
        // Whatever a state can begin with leads somewhere, so that the last byte of a token needs no step.
        let truncates = core.recogniser.is_truncatable() && enabled(Optimisation::Clamping);
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
            if is_json_space(byte) {
                let idle = match at.idle {
                    Some(idle) => idle,
                    None if !enabled(Optimisation::IdleWhitespace) => 0,
                    None => *at.idle.insert(core.recogniser.idle_whitespace(at.state)),
                };
                if at.spaces < idle {
                    let PathEntry { state, spaces, next, retried, .. } = *at;
                    path.push(PathEntry { state, spaces: spaces + 1, idle: Some(idle), next, retried });
                    take(trie.tokens(node), retried);
                    node += 1;
                    continue;
                }
            }
            let height = trie.height(node);
            if height == 0 && truncates && !is_json_space(byte) {
                take(trie.tokens(node), false);
                node += 1;
                continue;
            }
            let mut from = at.state;
            if is_json_space(byte) {
                // Too many.
                for _ in 0..at.spaces {
                    from = self.step_locked(core, from, b' ')?;
                }
            }
            let next = self.step_locked(core, from, byte)?;
            if next == StateId::DEAD {
                node = trie.end(node);
                continue;
            }
            let retried = at.retried || has_items && core.recogniser.depends_on_items(next);
            take(trie.tokens(node), retried);
            if height > 0 {
                let next = core.recogniser.truncate(next, height.into())?;
                let nodes = (trie.end(node) - node) as usize;
                path.push(PathEntry { retried, ..PathEntry::enter(core, next, nodes, truncates) });
            }
            node += 1;
        }
        Ok(())
    }

    fn combine(&self, core: &mut Core, parts: PartialMask) -> MaskData {
        let PartialMask { mut large, mut extra } = parts;
        let size = self.vocabulary.size();
        let dense = |set: TokenSet| {
            self.mask_bytes.fetch_add(size / 8, Ordering::Relaxed);
            MaskData::Dense(Arc::new(set))
        };
        if extra.len() > UNSORTED {
            let mut all = TokenSet::from_ids(size, extra);
            for (set, missing) in large {
                match missing.is_empty() {
                    true => all.union_with(&set),
                    false => {
                        let mut set = TokenSet::clone(&set);
                        set.remove_all(&missing);
                        all.union_with(&set);
                    }
                }
            }
            return dense(all);
        }
        extra.sort_unstable();
        extra.dedup();
        large.sort_by_key(|part| Arc::as_ptr(&part.0) as usize);
        // Of two threads with the same set, a token is missing only where both miss it.
        large.dedup_by(|later, first| {
            let same = Arc::ptr_eq(&later.0, &first.0);
            if same && later.1 != first.1 {
                first.1 = first.1.iter().copied().filter(|id| later.1.binary_search(id).is_ok()).collect();
            }
            same
        });
        let mut removed: Vec<TokenId> = Vec::new();
        for (i, (_, missing)) in large.iter().enumerate() {
            removed.extend(missing.iter().copied().filter(|id| {
                extra.binary_search(id).is_err()
                    && !large.iter().enumerate().any(|(j, (other, but))| {
                        j != i && other.contains(*id) && but.binary_search(id).is_err()
                    })
            }));
        }
        let base = match large.as_slice() {
            [] if extra.len() <= MAX_EXTRA => return MaskData::Sparse(extra.into()),
            [] => return dense(TokenSet::from_ids(size, extra)),
            [(one, _)] => one.clone(),
            several => {
                let key: Vec<usize> = several.iter().map(|part| Arc::as_ptr(&part.0) as usize).collect();
                let (union, _) = core.unions.entry(key).or_insert_with(|| {
                    let mut union = TokenSet::clone(&several[0].0);
                    several[1..].iter().for_each(|part| union.union_with(&part.0));
                    (Arc::new(union), several.iter().map(|part| part.0.clone()).collect())
                });
                union.clone()
            }
        };
        extra.retain(|&id| !base.contains(id));
        removed.retain(|&id| base.contains(id));
        removed.sort_unstable();
        removed.dedup();
        if extra.is_empty() && removed.is_empty() {
            MaskData::Dense(base)
        } else if extra.len() + removed.len() <= MAX_EXTRA {
            MaskData::Delta { base, extra: extra.into(), removed: removed.into() }
        } else {
            let mut set = TokenSet::clone(&base);
            set.remove_all(&removed);
            set.insert_all(&extra);
            dense(set)
        }
    }
}

/// The elements of either of two sorted lists.
fn merged(a: &Arc<[TokenId]>, b: &Arc<[TokenId]>) -> Arc<[TokenId]> {
    if b.is_empty() {
        return a.clone();
    }
    let mut all: Vec<TokenId> = a.iter().chain(b.iter()).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}
