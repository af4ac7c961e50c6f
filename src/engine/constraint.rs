//! A grammar tied to a vocabulary, shared by all sequences that follow it.

use super::error::EngineError;
use super::graph::Graph;
use super::limits::Limits;
use super::matcher::Matcher;
use super::recogniser::StateId;
use super::vocabulary_index::VocabularyIndex;
use crate::grammar::Grammar;
use crate::vocab::Vocabulary;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A [`Grammar`] over a [`Vocabulary`]: the state graph its matchers share. Cloning shares it; any number of threads may
/// use it at once.
///
/// ```
/// use hedgerow::engine::Constraint;
/// use hedgerow::grammar::GrammarBuilder;
/// use hedgerow::vocab::{TokenId, Vocabulary};
///
/// let mut b = GrammarBuilder::new();
/// let word = b.nodes.literal(b"abc");
/// let grammar = b.build(word, None)?;
/// let vocabulary = Vocabulary::from_byte_list(vec![b"a".to_vec(), b"ab".to_vec(), b"c".to_vec(), b"d".to_vec()])?;
/// let constraint = Constraint::new(&grammar, &vocabulary)?;
/// let mut matcher = constraint.matcher();
/// assert_eq!(matcher.mask()?.iter().collect::<Vec<_>>(), [TokenId(0), TokenId(1)]);
/// assert!(matcher.advance(TokenId(1))?);
/// assert!(matcher.advance(TokenId(2))? && matcher.is_accepting());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Constraint {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub grammar: Grammar,
    pub vocabulary: Vocabulary,
    pub limits: Limits,
    graph: Mutex<Arc<Graph>>,
    /// Masks that finished matchers have asked for, and those of them that were known.
    pub masks: AtomicU64,
    pub mask_hits: AtomicU64,
}

impl Shared {
    /// The graph matchers use now.
    pub fn current(&self) -> Arc<Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A graph within its budget: the current one, or a fresh one if `old` is still current and full.
    pub fn replace_full_graph(&self, old: &Arc<Graph>) -> Result<Arc<Graph>, EngineError> {
        let mut current = self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, old) {
            let mut fresh = Graph::new(&self.grammar, &self.vocabulary, &self.limits)?;
            fresh.generation = old.generation.wrapping_add(1);
            *current = Arc::new(fresh);
        }
        Ok(current.clone())
    }

    pub fn stats(&self, graph: &Graph) -> Stats {
        let core = graph.lock();
        Stats {
            states: core.recogniser.state_count(),
            transitions: graph.transition_count(),
            summaries: core.summaries.len(),
            languages: core.recogniser.pool.languages.len(),
            nodes: core.recogniser.pool.len(),
            bytes: graph.memory(&core),
            rebuilds: graph.generation,
            masks: self.masks.load(Ordering::Relaxed),
            mask_hits: self.mask_hits.load(Ordering::Relaxed),
        }
    }
}

/// Figures about a constraint, for tuning and tests. All but the last two are of the graph in use now.
///
/// ```
/// # use hedgerow::{engine::Constraint, grammar::GrammarBuilder, vocab::Vocabulary};
/// # let mut builder = GrammarBuilder::new();
/// # let word = builder.nodes.literal(b"abab");
/// # let vocabulary = Vocabulary::from_byte_list(vec![b"a".to_vec(), b"b".to_vec(), b"ab".to_vec()])?;
/// # let constraint = Constraint::new(&builder.build(word, None)?, &vocabulary)?;
/// for _ in 0..10 {
///     constraint.matcher().mask()?;
/// }
/// let stats = constraint.stats();
/// // The first mask was found out when the constraint was made.
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
    /// Terminal states whose summaries over the vocabulary this constraint uses; some were made for others.
    pub summaries: usize,
    /// Expressions in the language pool.
    pub languages: usize,
    /// Grammar nodes, lazily expanded ones included.
    pub nodes: usize,
    /// About how many bytes the graph holds; see [`Limits::graph_bytes`](super::Limits::graph_bytes).
    pub bytes: usize,
    /// How often the graph was dropped and built again for want of memory.
    pub rebuilds: u32,
    /// Masks that matchers asked for. Counted in when a matcher is reset or dropped.
    pub masks: u64,
    /// Those of them that were known.
    pub mask_hits: u64,
}

impl Constraint {
    /// Ties `grammar` to `vocabulary`, with default [`Limits`].
    ///
    /// # Errors
    /// [`EngineError::EmptyVocabulary`]; [`EngineError::Unspellable`] when no token can come first;
    /// [`EngineError::UnknownSpecialToken`].
    pub fn new(grammar: &Grammar, vocabulary: &Vocabulary) -> Result<Self, EngineError> {
        Self::with_limits(grammar, vocabulary, Limits::default())
    }

    /// Ties `grammar` to `vocabulary`.
    ///
    /// # Errors
    /// As [`new`](Self::new), and those of the limits.
    pub fn with_limits(
        grammar: &Grammar,
        vocabulary: &Vocabulary,
        limits: Limits,
    ) -> Result<Self, EngineError> {
        if vocabulary.token_count() == 0 {
            return Err(EngineError::EmptyVocabulary);
        }
        let graph = Graph::new(grammar, vocabulary, &limits)?;
        let first = graph.mask(graph.start)?;
        if first.is_empty() && !graph.is_accepting(graph.start) {
            return Err(EngineError::Unspellable);
        }
        debug_assert_ne!(graph.start, StateId::DEAD);
        let shared = Shared {
            grammar: grammar.clone(),
            vocabulary: vocabulary.clone(),
            limits,
            graph: Mutex::new(Arc::new(graph)),
            masks: AtomicU64::new(0),
            mask_hits: AtomicU64::new(0),
        };
        Ok(Constraint { shared: Arc::new(shared) })
    }

    /// A matcher at the beginning of an output.
    pub fn matcher(&self) -> Matcher {
        Matcher::new(self.shared.clone())
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.shared.vocabulary
    }

    /// The grammar.
    pub fn grammar(&self) -> &Grammar {
        &self.shared.grammar
    }

    /// Figures about the state graph.
    pub fn stats(&self) -> Stats {
        self.shared.stats(&self.shared.current())
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constraint").field("stats", &self.stats()).finish()
    }
}

/// Does everything a vocabulary needs before it is used for masks, once: about as much work again as building it. Without
/// this, the first constraints over it do it as they come to it.
///
/// ```
/// use hedgerow::vocab::Vocabulary;
///
/// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|b| vec![b]).collect())?;
/// hedgerow::engine::prepare(&vocabulary);
/// # Ok::<(), hedgerow::vocab::VocabularyError>(())
/// ```
pub fn prepare(vocabulary: &Vocabulary) {
    vocabulary.extension(|| VocabularyIndex::of(vocabulary)).prepare(vocabulary);
}
