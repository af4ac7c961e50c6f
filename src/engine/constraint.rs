//! A grammar tied to a vocabulary, shared by all sequences that follow it.

use super::error::EngineError;
use super::graph::Graph;
use super::limits::Limits;
use super::mask::summaries::SharedSummaries;
use super::matcher::Matcher;
use super::shared::{Shared, Stats};
use crate::grammar::Grammar;
use crate::vocab::Vocabulary;
use std::sync::Arc;

/// A [`Grammar`] over a [`Vocabulary`], with the graph of states that its matchers share. Cloning
/// shares it, and any number of threads may use it at once.
///
/// ```
/// use hedgerow::engine::Constraint;
/// use hedgerow::grammar::GrammarBuilder;
/// use hedgerow::vocab::{TokenId, Vocabulary};
///
/// let mut b = GrammarBuilder::new();
/// let word = b.nodes.literal(b"abc");
/// let grammar = b.build(word, None)?;
/// let tokens = ["a", "ab", "c", "d"].map(|token| token.as_bytes().to_vec());
/// let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
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

impl Constraint {
    /// Ties `grammar` to `vocabulary`, with default [`Limits`].
    ///
    /// # Errors
    /// [`EngineError::EmptyVocabulary`]; [`EngineError::Unspellable`] if no tokens are an output,
    /// as far as a bounded search finds out; [`EngineError::UnknownSpecialToken`].
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
        let has_start = !first.is_empty() || graph.is_accepting(graph.start);
        if !has_start || !graph.is_spellable()? {
            return Err(EngineError::Unspellable);
        }
        Ok(Constraint { shared: Arc::new(Shared::new(grammar, vocabulary, limits, graph)) })
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

    /// Bytes of the states and masks that are known now, approximately; see [`Stats::bytes`]. This
    /// never waits: while another thread finds something new, it is the last figure that was known.
    pub fn memory(&self) -> usize {
        self.shared.memory()
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constraint").field("stats", &self.stats()).finish()
    }
}

/// Prepares a vocabulary for masks: builds its tries, and the summaries that most constraints need.
/// This takes about as long as building the vocabulary. Without it, the first constraints and masks
/// over the vocabulary take that time.
///
/// ```
/// use hedgerow::vocab::Vocabulary;
///
/// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|b| vec![b]).collect())?;
/// hedgerow::engine::prepare(&vocabulary);
/// # Ok::<(), hedgerow::vocab::VocabularyError>(())
/// ```
pub fn prepare(vocabulary: &Vocabulary) {
    SharedSummaries::of(vocabulary).prepare(vocabulary);
}
