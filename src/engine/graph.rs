//! The graph of states that all matchers of a constraint share and grow.
//!
//! Growth happens under one lock around the [`Recogniser`] and the results that are kept with it.
//! New results are published in append-only tables that are read without the lock: transitions and
//! accepting states ([`PublishedStates`]), and masks. So a matcher takes the lock only for a result
//! that no matcher of the constraint has needed before.
//!
//! # The budget
//!
//! A graph has a budget of bytes ([`Limits::graph_bytes`]). A graph that has outgrown its budget
//! still works. But at its next call, each matcher moves to a fresh graph, by reading its output
//! again.

use super::chunked_slots::ChunkedSlots;
use super::completion::{self, Completions};
use super::error::EngineError;
use super::limits::Limits;
use super::mask::build::{MaskBuilder, MaskMemo, PublishedMasks};
use super::mask::data::MaskData;
use super::mask::summaries::SharedSummaries;
use super::published_states::PublishedStates;
use super::recogniser::Recogniser;
use super::recogniser::state::StateId;
use super::special_tokens::special_token;
use crate::automata::interrupt;
use crate::grammar::Grammar;
use crate::vocab::{TokenId, Vocabulary};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The part of a graph that only the holder of its lock touches.
pub(super) struct Core {
    pub recogniser: Recogniser,
    pub masks: MaskMemo,
    completions: Completions,
}

/// The states found so far, with their transitions and masks.
pub(super) struct Graph {
    core: Mutex<Core>,
    pub vocabulary: Vocabulary,
    shared: Arc<SharedSummaries>,
    states: PublishedStates,
    masks: PublishedMasks,
    pub start: StateId,
    /// True if the grammar also reads whole tokens; see [`step_token`](Self::step_token).
    pub reads_token_sets: bool,
    /// True once a text is reached whose tokens the grammar limits, so that tokens are counted.
    counts_tokens: Arc<AtomicBool>,
    /// The states after whole inputs, one more than their numbers: after bytes, and after a token.
    /// 0 is a state that is not known yet.
    after_inputs: ChunkedSlots<[AtomicU32; 2]>,
    /// The number of graphs that the constraint had before.
    pub generation: u32,
    budget: AtomicUsize,
    full: AtomicBool,
}

impl Graph {
    /// A graph of the start state alone.
    ///
    /// # Errors
    /// [`EngineError::UnknownSpecialToken`], those of the limits, and the caller's interrupt.
    pub fn new(grammar: &Grammar, vocabulary: &Vocabulary, limits: &Limits) -> Result<Self, EngineError> {
        let mut recogniser = Recogniser::new(grammar, limits);
        recogniser.begin_call();
        recogniser.machine.set_tokens(grammar, vocabulary)?;
        let counts_tokens = recogniser.machine.count_tokens();
        interrupt::ended()?;
        for special in recogniser.machine.reachable_specials(grammar.root()) {
            special_token(vocabulary, recogniser.machine.pool.special_name(special))?;
        }
        let start = recogniser.start(grammar.root())?;
        let start = recogniser.after_input(start, false)?;
        let states = PublishedStates::new();
        states.publish(&recogniser, StateId::DEAD);
        states.publish(&recogniser, start);
        let reads_token_sets = recogniser.machine.reads_token_sets();
        Ok(Graph {
            reads_token_sets,
            counts_tokens,
            after_inputs: ChunkedSlots::new(),
            core: Mutex::new(Core {
                recogniser,
                masks: MaskMemo::new(),
                completions: Completions::default(),
            }),
            vocabulary: vocabulary.clone(),
            shared: SharedSummaries::of(vocabulary),
            states,
            masks: ChunkedSlots::new(),
            start,
            generation: 0,
            budget: AtomicUsize::new(limits.graph_bytes),
            full: AtomicBool::new(false),
        })
    }

    /// The lock, to look at what was found.
    pub fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, to find something new: see [`Recogniser::lock_for_call`].
    fn lock_for_work(&self) -> Result<MutexGuard<'_, Core>, EngineError> {
        Recogniser::lock_for_call(&self.core, |core| &mut core.recogniser)
    }

    /// True if a token may lead elsewhere than its bytes.
    pub fn reads_tokens(&self) -> bool {
        self.reads_token_sets || self.counts_tokens()
    }

    /// True if some state has a text whose tokens are counted. This is known before the first such
    /// state is published.
    fn counts_tokens(&self) -> bool {
        self.counts_tokens.load(Ordering::Acquire)
    }

    /// True if the output may end in `state`.
    pub fn is_accepting(&self, state: StateId) -> bool {
        self.states.is_accepting(state)
    }

    /// The state after `bytes`.
    pub fn step_bytes(&self, mut state: StateId, bytes: &[u8]) -> Result<StateId, EngineError> {
        for (i, &byte) in bytes.iter().enumerate() {
            if state == StateId::DEAD {
                return Ok(state);
            }
            match self.states.get(state, byte) {
                Some(next) => state = next,
                None => {
                    let mut core = self.lock_for_work()?;
                    for &byte in &bytes[i..] {
                        core.recogniser.machine.begin_call();
                        state = self.states.step(&mut core.recogniser, state, byte)?;
                    }
                    self.check_budget(&core);
                    return Ok(state);
                }
            }
        }
        Ok(state)
    }

    /// The state after the longest beginning of `bytes` that is allowed, and its length.
    pub fn step_allowed(&self, state: StateId, bytes: &[u8]) -> Result<(StateId, usize), EngineError> {
        let whole = self.step_bytes(state, bytes)?;
        if whole != StateId::DEAD {
            return Ok((whole, bytes.len()));
        }
        let mut state = state;
        for (i, &byte) in bytes.iter().enumerate() {
            match self.step_bytes(state, &[byte])? {
                StateId::DEAD => return Ok((state, i)),
                next => state = next,
            }
        }
        Ok((state, bytes.len()))
    }

    /// The state after a special token, by any name that the grammar has for it.
    pub fn step_special(&self, state: StateId, token: TokenId) -> Result<StateId, EngineError> {
        let mut core = self.lock_for_work()?;
        let recogniser = &mut core.recogniser;
        let names = recogniser.awaited(&self.vocabulary, state, token)?;
        if names.is_empty() {
            return Ok(StateId::DEAD);
        }
        let next = recogniser.step_special(state, &names)?;
        self.states.publish(recogniser, next);
        Ok(next)
    }

    /// The state after all of an input that led to `state`. It differs from `state` in a grammar
    /// that limits the tokens of a text.
    pub fn after_input(&self, state: StateId, is_token: bool) -> Result<StateId, EngineError> {
        if !self.counts_tokens() || state == StateId::DEAD {
            return Ok(state);
        }
        let slot = |slots: &[AtomicU32; 2]| slots[usize::from(is_token)].load(Ordering::Acquire);
        if let Some(known @ 1..) = self.after_inputs.get(state.0).map(slot) {
            return Ok(StateId(known - 1));
        }
        let mut core = self.lock_for_work()?;
        let next = core.recogniser.after_input(state, is_token)?;
        self.states.publish(&core.recogniser, next);
        if let Some(slots) = self.after_inputs.get_or_grow(state.0) {
            slots[usize::from(is_token)].store(next.0 + 1, Ordering::Release);
        }
        self.check_budget(&core);
        Ok(next)
    }

    /// The state after a token with bytes, in a grammar that also reads whole tokens.
    pub fn step_token(&self, state: StateId, token: TokenId, bytes: &[u8]) -> Result<StateId, EngineError> {
        let by_bytes = self.step_bytes(state, bytes)?;
        let whole = self.step_special(state, token)?;
        if whole == StateId::DEAD || by_bytes == whole {
            return Ok(by_bytes);
        }
        let mut core = self.lock_for_work()?;
        let next = core.recogniser.union(by_bytes, whole)?;
        self.states.publish(&core.recogniser, next);
        Ok(next)
    }

    /// The bytes that must come next in `state`, up to the first choice; at most `most` bytes.
    pub fn forced_bytes(&self, mut state: StateId, most: usize) -> Result<Vec<u8>, EngineError> {
        let mut bytes = Vec::new();
        let mut core = self.lock_for_work()?;
        while bytes.len() < most {
            let Some(byte) = core.recogniser.forced_byte(state) else { break };
            state = self.states.step(&mut core.recogniser, state, byte)?;
            bytes.push(byte);
        }
        core.recogniser.machine.check_sound()?;
        Ok(bytes)
    }

    /// The mask of `state`, computed on first use.
    pub fn mask(&self, state: StateId) -> Result<Arc<MaskData>, EngineError> {
        if let Some(known) = self.masks.get(state.0).and_then(OnceLock::get) {
            return Ok(known.clone());
        }
        let mut guard = self.lock_for_work()?;
        let core = &mut *guard;
        let mut builder = MaskBuilder {
            recogniser: &mut core.recogniser,
            memo: &mut core.masks,
            states: &self.states,
            masks: &self.masks,
            vocabulary: &self.vocabulary,
            shared: &self.shared,
        };
        let plain = builder.recogniser.without_counts(state)?;
        let mask = builder.mask(plain)?;
        if plain != state
            && let Some(slot) = self.masks.get_or_grow(state.0)
        {
            let _ = slot.set(mask.clone());
        }
        self.check_budget(core);
        Ok(mask)
    }

    /// The published mask of `state`, if there is one.
    #[inline]
    pub fn known_mask(&self, state: StateId) -> Option<&MaskData> {
        self.masks.get(state.0).and_then(OnceLock::get).map(|mask| &**mask)
    }

    /// Tokens that complete an output in `state`: none if it is complete. `None` if none were
    /// found.
    pub fn completion(&self, state: StateId) -> Result<Option<Arc<[TokenId]>>, EngineError> {
        let mut guard = self.lock_for_work()?;
        let core = &mut *guard;
        let found =
            completion::complete(&mut core.recogniser, &mut core.completions, &self.vocabulary, state)?;
        self.states.publish(&core.recogniser, state);
        self.check_budget(core);
        Ok(found)
    }

    /// Notes that the graph is full once it has outgrown its budget.
    fn check_budget(&self, core: &Core) {
        if self.memory(core) > self.budget.load(Ordering::Relaxed) {
            self.full.store(true, Ordering::Relaxed);
        }
    }

    /// Raises the budget to twice the present size, after a matcher has moved here by reading its
    /// output again. Without this, an output whose own states exceed the budget would be read again
    /// for every token.
    pub fn raise_budget(&self) {
        let core = self.lock();
        self.budget.fetch_max(self.memory(&core).saturating_mul(2), Ordering::Relaxed);
        self.full.store(false, Ordering::Relaxed);
    }

    /// True if the graph has outgrown its budget.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Bytes held, approximately.
    pub fn memory(&self, core: &Core) -> usize {
        let states = core.recogniser.state_count();
        core.recogniser.memory()
            + self.states.memory(states)
            + states * std::mem::size_of::<OnceLock<Arc<MaskData>>>()
            + states * if self.counts_tokens() { std::mem::size_of::<[AtomicU32; 2]>() } else { 0 }
            + core.masks.memory(self.vocabulary.size())
            + core.completions.memory()
    }

    /// Bytes held, approximately, unless a thread holds the lock.
    pub fn memory_if_idle(&self) -> Option<usize> {
        self.core.try_lock().ok().map(|core| self.memory(&core))
    }

    /// The number of transitions found so far.
    pub fn transition_count(&self) -> usize {
        self.states.transition_count()
    }
}
