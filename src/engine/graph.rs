//! The shared, growing graph of states: what is memoised, and how threads read it.
//!
//! Growth happens under one lock around the [`Recogniser`]. What was found is published in append-only tables that are
//! read without it: transitions, each state's accepting bit, each state's mask.

use super::ablation::{enabled, Optimisation};
use super::completion::Completions;
use super::dense_rows::DenseRows;
use super::error::EngineError;
use super::limits::Limits;
use super::mask::{CanonicalMask, MaskData};
use super::recogniser::{Awaits, Recogniser, StateId};
use super::summary::{Summariser, Summary};
use super::transitions::Transitions;
use super::vocabulary_index::VocabularyIndex;
use crate::automata::{interrupt, LangId};
use crate::grammar::{Grammar, SpecialId};
use crate::vocab::{TokenId, TokenSet, Vocabulary};
use hashbrown::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What is published of one state.
#[derive(Default)]
pub(super) struct Slot {
    accepting: AtomicU8,
    pub mask: OnceLock<Arc<MaskData>>,
}

const FIRST_CHUNK_BITS: u32 = 5;

/// Append-only storage of slots in chunks of doubling size.
struct Slots {
    chunks: [OnceLock<Box<[Slot]>>; 24],
}

impl Slots {
    fn place(id: StateId) -> (usize, usize) {
        let n = id.0 as usize + (1 << FIRST_CHUNK_BITS);
        let chunk = (n.ilog2() - FIRST_CHUNK_BITS) as usize;
        (chunk, n - (1 << (chunk as u32 + FIRST_CHUNK_BITS)))
    }

    fn get(&self, id: StateId) -> Option<&Slot> {
        let (chunk, at) = Self::place(id);
        self.chunks.get(chunk)?.get()?.get(at)
    }

    fn get_or_grow(&self, id: StateId) -> Option<&Slot> {
        let (chunk, at) = Self::place(id);
        let slots = self.chunks.get(chunk)?.get_or_init(|| {
            (0..1usize << (chunk as u32 + FIRST_CHUNK_BITS)).map(|_| Slot::default()).collect()
        });
        slots.get(at)
    }
}

/// The summary of a terminal state, its leading whitespace taken apart.
pub(super) struct ThreadSummary {
    /// Over the tokens as they are, or over the stripped ones if there is whitespace in front.
    pub summary: Arc<Summary>,
    /// The tokens that are only whitespace, where that is allowed in front.
    pub whitespace: Option<Arc<TokenSet>>,
    /// Tokens the summary must not allow: more whitespace than is left; sorted.
    pub rejected: Arc<[TokenId]>,
}

/// The union of some large sets, and these sets.
pub(super) type Union = (Arc<TokenSet>, Vec<Arc<TokenSet>>);

/// What only the lock's holder touches.
pub(super) struct Core {
    pub recogniser: Recogniser,
    pub summaries: HashMap<LangId, Arc<ThreadSummary>>,
    /// Unions of large token sets, by the addresses of their parts, which are kept so that addresses stay theirs.
    pub unions: HashMap<Vec<usize>, Union>,
    /// Masks of canonical states that do not hold as they are for any state.
    pub canonical_masks: HashMap<StateId, CanonicalMask>,
    rows: DenseRows,
    pub completions: Completions,
}

pub(super) struct Graph {
    core: Mutex<Core>,
    pub vocabulary: Vocabulary,
    pub index: Arc<VocabularyIndex>,
    transitions: Transitions,
    slots: Slots,
    pub start: StateId,
    /// How many graphs of the constraint came before.
    pub generation: u32,
    pub mask_bytes: AtomicUsize,
    budget: AtomicUsize,
    full: AtomicBool,
}

impl Graph {
    pub fn new(grammar: &Grammar, vocabulary: &Vocabulary, limits: &Limits) -> Result<Self, EngineError> {
        let mut recogniser = Recogniser::new(grammar, limits);
        for (special, name) in grammar.pool().specials() {
            if let Some(text) = spelling(vocabulary, name) {
                recogniser.spell(special, text);
            }
        }
        interrupt::ended()?;
        for special in recogniser.reachable_specials(grammar.root()) {
            named(vocabulary, recogniser.pool.special_name(special))?;
        }
        let start = recogniser.start(grammar.root())?;
        let graph = Graph {
            core: Mutex::new(Core {
                recogniser,
                summaries: HashMap::new(),
                unions: HashMap::new(),
                canonical_masks: HashMap::new(),
                rows: DenseRows::new(),
                completions: Completions::default(),
            }),
            vocabulary: vocabulary.clone(),
            index: vocabulary.extension(|| VocabularyIndex::of(vocabulary)),
            transitions: Transitions::new(),
            slots: Slots { chunks: std::array::from_fn(|_| OnceLock::new()) },
            start,
            generation: 0,
            mask_bytes: AtomicUsize::new(0),
            budget: AtomicUsize::new(limits.graph_bytes),
            full: AtomicBool::new(false),
        };
        let core = graph.lock();
        graph.publish(&core, StateId::DEAD);
        graph.publish(&core, start);
        drop(core);
        Ok(graph)
    }

    pub fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, for who is about to find out something new; fails where nothing new is wanted any more.
    pub fn lock_for_work(&self) -> Result<MutexGuard<'_, Core>, EngineError> {
        Ok(interrupt::lock(&self.core)?)
    }

    fn publish(&self, core: &Core, state: StateId) {
        if let Some(slot) = self.slots.get_or_grow(state) {
            let accepting = core.recogniser.is_accepting(state);
            slot.accepting.store(1 + u8::from(accepting), Ordering::Release);
        }
    }

    pub fn is_accepting(&self, state: StateId) -> bool {
        self.slots.get(state).is_some_and(|s| s.accepting.load(Ordering::Acquire) == 2)
    }

    pub fn slot(&self, state: StateId) -> Option<&Slot> {
        self.slots.get_or_grow(state)
    }

    /// The state after `bytes`.
    pub fn step_bytes(&self, mut state: StateId, bytes: &[u8]) -> Result<StateId, EngineError> {
        for (i, &byte) in bytes.iter().enumerate() {
            if state == StateId::DEAD {
                return Ok(state);
            }
            match self.transitions.get(state.0, byte) {
                Some(next) => state = StateId(next),
                None => {
                    let mut core = self.lock_for_work()?;
                    for &byte in &bytes[i..] {
                        state = self.step_locked(&mut core, state, byte)?;
                    }
                    self.check_budget(&core);
                    return Ok(state);
                }
            }
        }
        Ok(state)
    }

    /// The state after `byte`, for the lock's holder.
    pub fn step_locked(&self, core: &mut Core, state: StateId, byte: u8) -> Result<StateId, EngineError> {
        if state == StateId::DEAD {
            return Ok(state);
        }
        if let Some(next) = self.transitions.get(state.0, byte) {
            return Ok(StateId(next));
        }
        let next = core.recogniser.step(state, byte)?;
        self.publish(core, next);
        self.transitions.insert(state.0, byte, next.0);
        Ok(next)
    }

    /// The state after a special token: by any name the grammar has for it, as [`special_token`](Self::special_token)
    /// resolves them.
    pub fn step_special(&self, state: StateId, token: TokenId) -> Result<StateId, EngineError> {
        let mut core = self.lock_for_work()?;
        let mut named = Vec::new();
        for thread in core.recogniser.threads(state) {
            if let Awaits::Special(special) = thread.awaits() {
                if self.special_token(&core, special)? == token {
                    named.push(special);
                }
            }
        }
        if named.is_empty() {
            return Ok(StateId::DEAD);
        }
        let next = core.recogniser.step_special(state, &named)?;
        self.publish(&core, next);
        Ok(next)
    }

    /// Publishes a state made outside of stepping.
    pub fn publish_locked(&self, core: &Core, state: StateId) {
        self.publish(core, state);
    }

    /// What the terminal state `language` says about the vocabulary.
    pub fn summary(&self, core: &mut Core, language: LangId) -> Arc<ThreadSummary> {
        if let Some(known) = core.summaries.get(&language) {
            return known.clone();
        }
        let (languages, rows) = (&mut core.recogniser.pool.languages, &mut core.rows);
        let vocabulary = &self.vocabulary;
        let spaced =
            if enabled(Optimisation::Stripping) { languages.after_json_space(language) } else { None };
        let summary = match spaced {
            None => {
                let indexed = &self.index.plain;
                let summary = Summariser { languages, rows, vocabulary, indexed }.summary(language);
                ThreadSummary { summary, whitespace: None, rejected: Arc::new([]) }
            }
            Some((most, text)) => {
                let stripped = self.index.stripped(vocabulary);
                let summary =
                    Summariser { languages, rows, vocabulary, indexed: &stripped.indexed }.summary(text);
                let mut rejected: Vec<TokenId> = stripped.too_indented(most).collect();
                rejected.sort_unstable();
                let whitespace = Some(stripped.whitespace_tokens(vocabulary, most));
                ThreadSummary { summary, whitespace, rejected: rejected.into() }
            }
        };
        let summary = Arc::new(summary);
        if !interrupt::is_over() {
            core.summaries.insert(language, summary.clone());
        }
        summary
    }

    /// The id of a special token the grammar names.
    pub fn special_token(&self, core: &Core, special: SpecialId) -> Result<TokenId, EngineError> {
        named(&self.vocabulary, core.recogniser.pool.special_name(special))
    }

    /// The mask of `state`, computed on first use.
    pub fn mask(&self, state: StateId) -> Result<Arc<MaskData>, EngineError> {
        if let Some(known) = self.slots.get(state).and_then(|s| s.mask.get()) {
            return Ok(known.clone());
        }
        let mut core = self.lock_for_work()?;
        let mask = self.mask_locked(&mut core, state)?;
        self.check_budget(&core);
        Ok(mask)
    }

    /// The published mask of `state`, if there is one.
    #[inline]
    pub fn known_mask(&self, state: StateId) -> Option<&MaskData> {
        self.slots.get(state).and_then(|s| s.mask.get()).map(|mask| &**mask)
    }

    pub fn check_budget(&self, core: &Core) {
        if self.memory(core) > self.budget.load(Ordering::Relaxed) {
            self.full.store(true, Ordering::Relaxed);
        }
    }

    /// Called when a matcher has moved to this graph: what its output needs may stay, and as much again. Without this,
    /// an output whose states alone are more than the budget would be read again for every token.
    pub fn raise_budget(&self) {
        let core = self.lock();
        self.budget.fetch_max(self.memory(&core).saturating_mul(2), Ordering::Relaxed);
        self.full.store(false, Ordering::Relaxed);
    }

    /// Whether the graph has outgrown its budget.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    pub fn memory(&self, core: &Core) -> usize {
        core.recogniser.memory()
            + self.transitions.memory()
            + core.recogniser.state_count() * std::mem::size_of::<Slot>()
            + self.mask_bytes.load(Ordering::Relaxed)
            + core.unions.len() * self.vocabulary.size() / 8
            + core.rows.memory()
            + core.completions.memory()
    }

    pub fn transition_count(&self) -> usize {
        self.transitions.len()
    }
}

/// The special token that a grammar names so.
fn named(vocabulary: &Vocabulary, name: &str) -> Result<TokenId, EngineError> {
    let token = vocabulary.special(name);
    let token = token.or_else(|| by_id(name).filter(|&token| vocabulary.is_special(token)));
    token.ok_or_else(|| EngineError::UnknownSpecialToken(name.to_owned()))
}

/// The token that `<[7]>` names.
fn by_id(name: &str) -> Option<TokenId> {
    name.strip_prefix("<[")?.strip_suffix("]>")?.parse().ok().map(TokenId)
}

/// The text of a token that a grammar names as a special one, where it is no special one.
fn spelling<'v>(vocabulary: &'v Vocabulary, name: &str) -> Option<&'v [u8]> {
    if vocabulary.special(name).is_some() {
        return None;
    }
    let token = by_id(name).filter(|token| (token.0 as usize) < vocabulary.size()).or_else(|| {
        let trie = vocabulary.trie();
        trie.tokens(trie.descend(0, name.as_bytes())?).first().copied()
    })?;
    Some(vocabulary.bytes(token)).filter(|bytes| !bytes.is_empty())
}
