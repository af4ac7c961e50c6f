//! The part of a constraint that its matchers share: grammar, vocabulary, limits, and the graph.
//!
//! A graph that has outgrown its budget is replaced here by a fresh one. Matchers keep the graph
//! that they are in until their next call, so a graph lives as long as some matcher uses it.

use super::error::EngineError;
use super::event_graph::EventGraph;
use super::graph::Graph;
use super::limits::Limits;
use crate::grammar::Grammar;
use crate::vocab::Vocabulary;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Statistics of a constraint, for tuning and tests. All but the last two are about the graph in
/// use now.
///
/// ```
/// # use hedgerow::{engine::Constraint, grammar::GrammarBuilder, vocab::Vocabulary};
/// # let mut builder = GrammarBuilder::new();
/// # let word = builder.nodes.literal(b"abab");
/// # let tokens = ["a", "b", "ab"].map(|token| token.as_bytes().to_vec());
/// # let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
/// # let constraint = Constraint::new(&builder.build(word, None)?, &vocabulary)?;
/// for _ in 0..10 {
///     constraint.matcher().mask()?;
/// }
/// let stats = constraint.stats();
/// // The first mask was computed when the constraint was made.
/// assert_eq!((stats.masks, stats.mask_hits), (10, 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// States found so far.
    pub states: usize,
    /// Transitions found so far.
    pub transitions: usize,
    /// Terminal states whose summaries over the vocabulary this constraint uses. Some of these were
    /// made for other constraints.
    pub summaries: usize,
    /// Expressions in the language pool.
    pub languages: usize,
    /// Grammar nodes, those of expanded lazy nodes among them.
    pub nodes: usize,
    /// Bytes that the graph holds, approximately; see
    /// [`Limits::graph_bytes`](super::Limits::graph_bytes).
    pub bytes: usize,
    /// The number of times that the graph was dropped and built again for want of memory.
    pub rebuilds: u32,
    /// Masks that matchers asked for. A matcher's masks are added when it is reset or dropped.
    pub masks: u64,
    /// The masks among these that were known already.
    pub mask_hits: u64,
}

/// Everything that the matchers of one constraint share.
pub(super) struct Shared {
    pub grammar: Grammar,
    pub vocabulary: Vocabulary,
    pub limits: Limits,
    graph: Mutex<Arc<Graph>>,
    /// The graph of readers of events, once there is one.
    events: Mutex<Option<Arc<EventGraph>>>,
    /// The number of masks that dropped matchers have asked for.
    masks: AtomicU64,
    /// The number of these masks that were known already.
    mask_hits: AtomicU64,
    /// The bytes of the graph when they were last asked for.
    memory: AtomicUsize,
}

impl Shared {
    pub fn new(grammar: &Grammar, vocabulary: &Vocabulary, limits: Limits, graph: Graph) -> Self {
        Shared {
            grammar: grammar.clone(),
            vocabulary: vocabulary.clone(),
            limits,
            graph: Mutex::new(Arc::new(graph)),
            events: Mutex::new(None),
            masks: AtomicU64::new(0),
            mask_hits: AtomicU64::new(0),
            memory: AtomicUsize::new(0),
        }
    }

    /// The graph in use now.
    pub fn current(&self) -> Arc<Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A graph within its budget, for a matcher that leaves the full graph `old`. It is a fresh
    /// graph if `old` is still the one in use, and otherwise the graph in use.
    pub fn replace_full_graph(&self, old: &Arc<Graph>) -> Result<Arc<Graph>, EngineError> {
        let mut current = self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, old) {
            let mut fresh = Graph::new(&self.grammar, &self.vocabulary, &self.limits)?;
            fresh.generation = old.generation.wrapping_add(1);
            *current = Arc::new(fresh);
        }
        Ok(current.clone())
    }

    /// The graph of readers of events, made for the first of them, and again when it is full.
    pub fn event_graph(&self) -> Result<Arc<EventGraph>, EngineError> {
        let mut current = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(graph) = current.as_ref().filter(|graph| !graph.is_full()) {
            return Ok(graph.clone());
        }
        let graph = Arc::new(EventGraph::new(&self.grammar, &self.vocabulary, &self.limits)?);
        Ok(current.insert(graph).clone())
    }

    /// Bytes that the graph in use holds, or held when last asked while nobody worked on it.
    pub fn memory(&self) -> usize {
        let graph = self.graph.try_lock().ok().map(|graph| graph.clone());
        if let Some(bytes) = graph.and_then(|graph| graph.memory_if_idle()) {
            self.memory.store(bytes, Ordering::Relaxed);
        }
        self.memory.load(Ordering::Relaxed)
    }

    /// Adds a matcher's masks to the figures.
    pub fn count_masks(&self, masks: u64, hits: u64) {
        self.masks.fetch_add(masks, Ordering::Relaxed);
        self.mask_hits.fetch_add(hits, Ordering::Relaxed);
    }

    /// The figures, with those of `graph`.
    pub fn stats(&self, graph: &Graph) -> Stats {
        let core = graph.lock();
        let pool = &core.recogniser.machine.pool;
        Stats {
            states: core.recogniser.state_count(),
            transitions: graph.transition_count(),
            summaries: core.masks.summary_count(),
            languages: pool.languages.len(),
            nodes: pool.len(),
            bytes: graph.memory(&core),
            rebuilds: graph.generation,
            masks: self.masks.load(Ordering::Relaxed),
            mask_hits: self.mask_hits.load(Ordering::Relaxed),
        }
    }
}
