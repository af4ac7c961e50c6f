//! Masks: the union of what each thread allows.
//!
//! `mask(state) = ⋃ threads [ inside(q) ∪ tokens of exits(q) whose suffix the continuation reads ]`.
//!
//! A mask is kept as what it mostly is: a few ids, one large set shared with the summary it came from, or that set and a
//! few ids more. Only where several large sets meet is a new one made.
//!
//! Objects that must not repeat a key would give every output its own states and hence its own masks. Which keys were
//! used only matters to tokens that complete one, so the mask is computed for the *canonical* state that has forgotten
//! them, and the rare tokens that could tell the difference are tried one by one.

use super::error::EngineError;
use super::graph::{Core, Graph};
use super::recogniser::{Awaits, StateId};
use super::stack::CaptureId;
use super::summary::{Inside, SuffixTrie};
use crate::vocab::{TokenId, TokenSet};
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// More single ids than this become a set of their own.
const MAX_EXTRA: usize = 256;

/// A set of allowed tokens.
pub(super) enum MaskData {
    Sparse(Box<[TokenId]>),
    Dense(Arc<TokenSet>),
    Delta(Arc<TokenSet>, Box<[TokenId]>),
}

impl MaskData {
    pub fn contains(&self, token: TokenId) -> bool {
        match self {
            MaskData::Sparse(ids) => ids.binary_search(&token).is_ok(),
            MaskData::Dense(set) => set.contains(token),
            MaskData::Delta(set, extra) => set.contains(token) || extra.binary_search(&token).is_ok(),
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
            MaskData::Delta(set, extra) => {
                out.copy_from_slice(set.words());
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
            MaskData::Delta(set, extra) => {
                let mut set = TokenSet::clone(set);
                set.insert_all(extra);
                Arc::new(set)
            }
        }
    }

    fn memory(&self) -> usize {
        match self {
            MaskData::Sparse(ids) | MaskData::Delta(_, ids) => 64 + ids.len() * 4,
            MaskData::Dense(_) => 64,
        }
    }
}

/// A state's mask, and the tokens in it that another state with the same canonical form must try again.
pub(super) struct MaskEntry {
    pub data: MaskData,
    retry: Box<[TokenId]>,
}

impl Graph {
    pub(super) fn mask_locked(&self, core: &mut Core, state: StateId) -> Result<Arc<MaskEntry>, EngineError> {
        if let Some(known) = self.slot(state).and_then(|s| s.mask.get()) {
            return Ok(known.clone());
        }
        let canonical = core.recogniser.canonical(state)?;
        let entry = if canonical == state {
            Arc::new(self.compute(core, state)?)
        } else {
            self.publish_locked(core, canonical);
            let general = self.mask_locked(core, canonical)?;
            self.narrow(core, state, general)?
        };
        self.mask_bytes.fetch_add(entry.data.memory(), Ordering::Relaxed);
        if let Some(slot) = self.slot(state) {
            return Ok(slot.mask.get_or_init(|| entry).clone());
        }
        Ok(entry)
    }

    /// The canonical state's mask without the tokens this state does not read.
    fn narrow(
        &self,
        core: &mut Core,
        state: StateId,
        general: Arc<MaskEntry>,
    ) -> Result<Arc<MaskEntry>, EngineError> {
        let mut wrong: Vec<TokenId> = Vec::new();
        let completing = self.key_completing.clone();
        for &token in general.retry.iter().chain(completing.0.iter()) {
            if !general.data.contains(token) {
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
            return Ok(general);
        }
        let mut set = TokenSet::clone(&general.data.to_set(self.vocabulary.size()));
        set.remove_all(&wrong);
        self.mask_bytes.fetch_add(set.words().len() * 4, Ordering::Relaxed);
        Ok(Arc::new(MaskEntry { data: MaskData::Dense(Arc::new(set)), retry: Box::new([]) }))
    }

    fn compute(&self, core: &mut Core, state: StateId) -> Result<MaskEntry, EngineError> {
        let mut large: Vec<Arc<TokenSet>> = Vec::new();
        let mut extra: Vec<TokenId> = Vec::new();
        let mut retry: Vec<TokenId> = Vec::new();
        if core.recogniser.is_accepting(state) {
            extra.extend_from_slice(self.vocabulary.eos());
        }
        for i in 0..core.recogniser.threads(state).len() {
            let thread = core.recogniser.threads(state)[i];
            let language = match thread.awaits() {
                Awaits::Language(language) => language,
                Awaits::Special(special) => {
                    extra.push(self.special_token(core, special)?);
                    continue;
                }
            };
            let summary = self.summary(core, language);
            match &summary.inside {
                Inside::Sparse(ids) => extra.extend_from_slice(ids),
                Inside::Dense(set) => large.push(set.clone()),
            }
            for (label, suffixes) in summary.exits.iter() {
                let before = extra.len();
                let after = core.recogniser.after(thread.cont, thread.capture, *label)?;
                self.publish_locked(core, after);
                self.read_suffixes(core, after, suffixes, &mut extra)?;
                if core.recogniser.captures.root(thread.capture) == CaptureId::ITEM {
                    retry.extend_from_slice(&extra[before..]);
                }
            }
        }
        Ok(MaskEntry { data: self.combine(core, large, extra), retry: retry.into() })
    }

    fn read_suffixes(
        &self,
        core: &mut Core,
        start: StateId,
        suffixes: &SuffixTrie,
        out: &mut Vec<TokenId>,
    ) -> Result<(), EngineError> {
        let mut states = vec![start];
        let mut i = 0;
        while let Some(node) = suffixes.nodes.get(i) {
            let depth = usize::from(node.depth);
            let next = self.step_locked(core, states[depth - 1], node.byte)?;
            if next == StateId::DEAD {
                i = node.end as usize;
                continue;
            }
            states.truncate(depth);
            states.push(next);
            out.extend_from_slice(suffixes.ids(i));
            i += 1;
        }
        Ok(())
    }

    fn combine(&self, core: &mut Core, mut large: Vec<Arc<TokenSet>>, mut extra: Vec<TokenId>) -> MaskData {
        let size = self.vocabulary.size();
        large.sort_unstable_by_key(|set| Arc::as_ptr(set) as usize);
        large.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let base = match large.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => {
                let key: Vec<usize> = several.iter().map(|s| Arc::as_ptr(s) as usize).collect();
                let union = core.unions.entry(key).or_insert_with(|| {
                    let mut union = TokenSet::clone(&several[0]);
                    several[1..].iter().for_each(|s| union.union_with(s));
                    Arc::new(union)
                });
                Some(union.clone())
            }
        };
        extra.sort_unstable();
        extra.dedup();
        match base {
            None if extra.len() <= MAX_EXTRA => MaskData::Sparse(extra.into()),
            None => {
                self.mask_bytes.fetch_add(size / 8, Ordering::Relaxed);
                MaskData::Dense(Arc::new(TokenSet::from_ids(size, extra)))
            }
            Some(base) => {
                extra.retain(|&id| !base.contains(id));
                if extra.is_empty() {
                    MaskData::Dense(base)
                } else if extra.len() <= MAX_EXTRA {
                    MaskData::Delta(base, extra.into())
                } else {
                    self.mask_bytes.fetch_add(size / 8, Ordering::Relaxed);
                    let mut set = TokenSet::clone(&base);
                    set.insert_all(&extra);
                    MaskData::Dense(Arc::new(set))
                }
            }
        }
    }
}
