//! A grammar tied to a vocabulary, shared by all sequences that follow it.

use super::error::EngineError;
use super::graph::Graph;
use super::lexicon::Lexicon;
use super::limits::Limits;
use super::matcher::Matcher;
use super::recogniser::StateId;
use crate::grammar::Grammar;
use crate::vocab::Vocabulary;
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
    limits: Limits,
    graph: Mutex<Arc<Graph>>,
}

impl Shared {
    /// The graph matchers use now.
    pub fn current(&self) -> Arc<Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A graph within its budget: the current one, or a fresh one if `old` is still current and full.
    pub fn renewed(&self, old: &Arc<Graph>) -> Result<Arc<Graph>, EngineError> {
        let mut current = self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, old) {
            *current = Arc::new(Graph::new(&self.grammar, &self.vocabulary, &self.limits)?);
        }
        Ok(current.clone())
    }
}

/// Figures about a constraint's graph, for tuning and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// States found so far.
    pub states: usize,
    /// Transitions found so far.
    pub transitions: usize,
    /// Terminal states summarised over the vocabulary for this constraint.
    pub summaries: usize,
    /// Expressions in the language pool.
    pub languages: usize,
    /// Grammar nodes, lazily expanded ones included.
    pub nodes: usize,
    /// About how many bytes the graph holds.
    pub bytes: usize,
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
        if first.data.is_empty() && !graph.is_accepting(graph.start) {
            return Err(EngineError::Unspellable);
        }
        debug_assert_ne!(graph.start, StateId::DEAD);
        let shared = Shared {
            grammar: grammar.clone(),
            vocabulary: vocabulary.clone(),
            limits,
            graph: Mutex::new(Arc::new(graph)),
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
        let graph = self.shared.current();
        let core = graph.lock();
        Stats {
            states: core.recogniser.state_count(),
            transitions: graph.transition_count(),
            summaries: core.summaries.len(),
            languages: core.recogniser.pool.languages.len(),
            nodes: core.recogniser.pool.len(),
            bytes: graph.memory(&core),
        }
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
    vocabulary.extension(|| Lexicon::of(vocabulary)).prepare(vocabulary);
}
