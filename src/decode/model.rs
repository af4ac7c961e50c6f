//! What the decoding loop asks of a language model: logits behind tokens, and a cache of what was read so far.
//!
//! A *cache* stands for one sequence of tokens that the model has read (the keys and values of a transformer, the
//! state of anything else). [`LanguageModel::forward`] appends tokens to several caches in one pass and gives the
//! logits behind the positions asked for. Caches can be cut back ([`truncate`](LanguageModel::truncate)) and copied
//! ([`fork`](LanguageModel::fork)), which is what shared prompts, beams and speculation live on.
//!
//! Logits come as one block of rows whose storage belongs to the model ([`Logits`]), so that a tensor in host memory
//! is read where it lies. Models may do more than the loop needs: read tokens that branch and show their hidden states
//! ([`LanguageModel::forward_tree`]), which some strategies live on. [`ErasedModel`](super::ErasedModel) hides the type of the cache where a `dyn` model is wanted.

use std::error::Error;
use std::fmt;

use super::device_rows::Rows;
use crate::vocab::TokenId;

/// A causal language model: tokens in, logits of the next token out.
///
/// Rows of logits are unnormalised log-probabilities, `f32[vocab_size]`. A model must be deterministic up to rounding:
/// the same tokens give the same logits whether they are read at once or one by one.
///
/// ```
/// use hedgerow::decode::{ForwardInput, LanguageModel, LogitRows, Logits, ModelError};
///
/// /// After token t comes token t + 1.
/// struct Counter;
///
/// impl LanguageModel for Counter {
///     type Cache = Vec<u32>;
///     fn vocab_size(&self) -> usize { 8 }
///     fn context_length(&self) -> usize { 100 }
///     fn new_cache(&self) -> Result<Vec<u32>, ModelError> { Ok(Vec::new()) }
///     fn cache_len(&self, cache: &Vec<u32>) -> usize { cache.len() }
///     fn truncate(&self, cache: &mut Vec<u32>, len: usize) -> Result<(), ModelError> {
///         cache.truncate(len);
///         Ok(())
///     }
///     fn fork(&self, cache: &Vec<u32>) -> Result<Vec<u32>, ModelError> { Ok(cache.clone()) }
///     fn forward(&self, batch: &mut [ForwardInput<'_, Vec<u32>>]) -> Result<Logits, ModelError> {
///         let (mut values, mut rows) = (Vec::new(), Vec::new());
///         for input in batch {
///             input.cache.extend(input.tokens.iter().map(|token| token.0));
///             let wanted = input.wanted_tokens();
///             rows.push(wanted.len());
///             for token in wanted {
///                 values.extend((0..8).map(|next| if next == (token.0 + 1) % 8 { 1.0 } else { 0.0 }));
///             }
///         }
///         Logits::new(values, 8, rows)
///     }
/// }
///
/// use hedgerow::vocab::TokenId;
/// let mut cache = Counter.new_cache()?;
/// let tokens = [TokenId(3), TokenId(4)];
/// let logits = Counter.forward(&mut [ForwardInput { tokens: &tokens, cache: &mut cache, rows: LogitRows::Last }])?;
/// assert_eq!(logits.last(0), Some([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0].as_slice()));
/// # Ok::<(), ModelError>(())
/// ```
pub trait LanguageModel {
    /// What the model keeps of one sequence.
    type Cache: Send + 'static;

    /// Number of logits in a row.
    fn vocab_size(&self) -> usize;

    /// The most tokens a cache can hold.
    fn context_length(&self) -> usize;

    /// A cache of the empty sequence.
    ///
    /// # Errors
    /// What keeps the model from making one, such as memory of its device.
    fn new_cache(&self) -> Result<Self::Cache, ModelError>;

    /// Number of tokens in the cache.
    fn cache_len(&self, cache: &Self::Cache) -> usize;

    /// Forgets all tokens of the cache but the first `len`.
    ///
    /// # Errors
    /// [`ModelError::Truncate`] if the cache holds fewer; it is unchanged then.
    fn truncate(&self, cache: &mut Self::Cache, len: usize) -> Result<(), ModelError>;

    /// A second cache of the same sequence; both go on independently.
    ///
    /// # Errors
    /// As [`new_cache`](Self::new_cache).
    fn fork(&self, cache: &Self::Cache) -> Result<Self::Cache, ModelError>;

    /// Appends each input's tokens to its cache, all in one pass, and gives the logits it asks for.
    ///
    /// Part `i` of the result belongs to `batch[i]`. A row stands behind a token: it scores what comes next.
    ///
    /// # Errors
    /// [`ModelError::NoTokens`], [`ModelError::TokenOutOfRange`], [`ModelError::ContextFull`], or a failure of the
    /// backend. Caches may have grown by then; [`truncate`](Self::truncate) puts them back.
    fn forward(&self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Logits, ModelError>;

    /// As [`forward`](Self::forward), but the rows may stay in the memory of the model's device. The provided method gives
    /// those of `forward`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    fn forward_rows(&self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Rows, ModelError> {
        self.forward(batch).map(Rows::Host)
    }

    /// As [`forward`](Self::forward) over trees of tokens, with the hidden states behind all of them.
    ///
    /// A token sees its ancestors and what the cache held before, and stands at its depth; logits and hidden states are those
    /// that its path alone would give. All tokens end up in the cache, in the order given; [`keep`](Self::keep) leaves one
    /// path of them.
    ///
    /// # Errors
    /// As [`forward`](Self::forward). [`ModelError::Unsupported`] is all that the provided method answers.
    fn forward_tree(&self, _: &mut [TreeInput<'_, Self::Cache>]) -> Result<TreeOutput, ModelError> {
        Err(ModelError::Unsupported { what: "trees of tokens and hidden states" })
    }

    /// Of the tokens behind the first `start` of the cache, keeps those at the offsets `path`, in this order, and forgets
    /// the others.
    ///
    /// # Errors
    /// [`ModelError::Truncate`] if the cache holds fewer. [`ModelError::Unsupported`] from the provided method, which can do no
    /// more than [`truncate`](Self::truncate), where that is not enough.
    fn keep(&self, cache: &mut Self::Cache, start: usize, path: &[usize]) -> Result<(), ModelError> {
        match path.iter().enumerate().all(|(at, &offset)| at == offset) {
            true => self.truncate(cache, start + path.len()),
            false => Err(ModelError::Unsupported { what: "trees of tokens" }),
        }
    }
}

impl<M: LanguageModel + ?Sized> LanguageModel for &M {
    type Cache = M::Cache;

    fn vocab_size(&self) -> usize {
        (**self).vocab_size()
    }

    fn context_length(&self) -> usize {
        (**self).context_length()
    }

    fn new_cache(&self) -> Result<Self::Cache, ModelError> {
        (**self).new_cache()
    }

    fn cache_len(&self, cache: &Self::Cache) -> usize {
        (**self).cache_len(cache)
    }

    fn truncate(&self, cache: &mut Self::Cache, len: usize) -> Result<(), ModelError> {
        (**self).truncate(cache, len)
    }

    fn fork(&self, cache: &Self::Cache) -> Result<Self::Cache, ModelError> {
        (**self).fork(cache)
    }

    fn forward(&self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Logits, ModelError> {
        (**self).forward(batch)
    }

    fn forward_rows(&self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Rows, ModelError> {
        (**self).forward_rows(batch)
    }

    fn forward_tree(&self, batch: &mut [TreeInput<'_, Self::Cache>]) -> Result<TreeOutput, ModelError> {
        (**self).forward_tree(batch)
    }

    fn keep(&self, cache: &mut Self::Cache, start: usize, path: &[usize]) -> Result<(), ModelError> {
        (**self).keep(cache, start, path)
    }
}

/// One sequence's part of a forward pass.
#[derive(Debug)]
pub struct ForwardInput<'a, C> {
    /// The tokens to read, at least one, behind those that `cache` holds.
    pub tokens: &'a [TokenId],
    /// The sequence so far.
    pub cache: &'a mut C,
    /// The tokens behind which logits are wanted.
    pub rows: LogitRows,
}

impl<C> ForwardInput<'_, C> {
    /// The tokens behind which logits are wanted, in order.
    pub fn wanted_tokens(&self) -> &[TokenId] {
        &self.tokens[self.rows.range(self.tokens.len())]
    }
}

/// One sequence's part of a forward pass over tokens that branch.
#[derive(Debug)]
pub struct TreeInput<'a, C> {
    /// The tokens to read, at least one.
    pub tokens: &'a [TokenId],
    /// The token that each stands behind, by its place in `tokens`, which is a lower one; `None` for what the cache holds. If
    /// there are fewer parents than tokens, the first tokens stand behind each other and the parents are those of the rest.
    pub parents: &'a [Option<usize>],
    /// The sequence so far.
    pub cache: &'a mut C,
    /// The tokens behind which logits are wanted.
    pub rows: LogitRows,
}

impl<C> TreeInput<'_, C> {
    /// The token that token `at` stands behind.
    pub fn parent(&self, at: usize) -> Option<usize> {
        match at.checked_sub(self.tokens.len() - self.parents.len().min(self.tokens.len())) {
            Some(listed) => self.parents[listed],
            None => at.checked_sub(1),
        }
    }
}

/// What a pass over trees gives.
#[derive(Debug)]
pub struct TreeOutput {
    /// The logits asked for.
    pub logits: Logits,
    /// The last hidden state behind every token that was read, asked for or not, in the same form: `[tokens, width]`.
    pub hidden: Logits,
}

/// Which rows of logits a forward pass gives for one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogitRows {
    /// None: the tokens are only put into the cache.
    None,
    /// The row behind the last token.
    #[default]
    Last,
    /// One row behind each token.
    All,
}

impl LogitRows {
    /// The positions meant, out of `tokens` that are read.
    pub fn range(self, tokens: usize) -> std::ops::Range<usize> {
        match self {
            LogitRows::None => tokens..tokens,
            LogitRows::Last => tokens.saturating_sub(1)..tokens,
            LogitRows::All => 0..tokens,
        }
    }
}

/// The logits of one forward pass: `[rows, vocab]`, the rows of the first sequence first.
///
/// The numbers stay where the model put them: anything that gives a `&[f32]` can hold them.
pub struct Logits {
    values: Box<dyn AsRef<[f32]> + Send>,
    vocab_size: usize,
    /// Where each input's rows begin, and the end of the last.
    starts: Vec<usize>,
}

impl Logits {
    /// Logits of `rows[i]` rows for input `i`, each `vocab_size` long, one after the other.
    ///
    /// # Errors
    /// [`ModelError::LogitsLength`] if there are not `vocab_size · Σ rows` numbers.
    pub fn new(
        values: impl AsRef<[f32]> + Send + 'static,
        vocab_size: usize,
        rows: impl IntoIterator<Item = usize>,
    ) -> Result<Self, ModelError> {
        let mut starts = vec![0];
        let mut total = 0usize;
        for count in rows {
            total = total.saturating_add(count);
            starts.push(total);
        }
        let given = values.as_ref().len();
        let expected = total.saturating_mul(vocab_size);
        if given != expected {
            return Err(ModelError::LogitsLength { given, expected });
        }
        Ok(Self { values: Box::new(values), vocab_size, starts })
    }

    /// Length of a row.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of rows of one input; 0 if there is no such input.
    pub fn rows(&self, input: usize) -> usize {
        match (self.starts.get(input), self.starts.get(input.saturating_add(1))) {
            (Some(start), Some(end)) => end - start,
            _ => 0,
        }
    }

    /// Row `row` of input `input`, if there is one.
    pub fn row(&self, input: usize, row: usize) -> Option<&[f32]> {
        if row >= self.rows(input) {
            return None;
        }
        let start = (self.starts[input] + row) * self.vocab_size;
        (*self.values).as_ref().get(start..start + self.vocab_size)
    }

    /// The last row of input `input`, if there is one.
    pub fn last(&self, input: usize) -> Option<&[f32]> {
        self.row(input, self.rows(input).checked_sub(1)?)
    }
}

impl fmt::Debug for Logits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logits").field("starts", &self.starts).field("vocab_size", &self.vocab_size).finish()
    }
}

/// Why a model could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A forward pass over nothing.
    #[error("a forward pass needs at least one token for every sequence; input {input} has none")]
    NoTokens {
        /// Number of the input, from 0.
        input: usize,
    },
    /// A token that the model does not have.
    #[error("token {} is out of range: the model has {vocab_size} tokens, numbered from 0", token.0)]
    TokenOutOfRange {
        /// The token.
        token: TokenId,
        /// Number of tokens the model has.
        vocab_size: usize,
    },
    /// More tokens than a cache can hold.
    #[error("the sequence would be {given} tokens long, but the model's context holds {limit}")]
    ContextFull {
        /// Length asked for.
        given: usize,
        /// Largest length.
        limit: usize,
    },
    /// A cache was to be cut back to more than it holds.
    #[error("the cache cannot be cut to {wanted} tokens: it holds {held}")]
    Truncate {
        /// Length asked for.
        wanted: usize,
        /// Length there is.
        held: usize,
    },
    /// A model gave another number of logits than it should have.
    #[error("the model gave {given} logits where {expected} were expected")]
    LogitsLength {
        /// Numbers given.
        given: usize,
        /// Numbers expected.
        expected: usize,
    },
    /// A model gave no logits where some were asked for.
    #[error("the model gave no row of logits where one was asked for")]
    NoRow,
    /// Something that not every model can do.
    #[error("this model does not support {what}")]
    Unsupported {
        /// What was asked.
        what: &'static str,
    },
    /// A cache that another model made.
    #[error("the cache was made by another model")]
    ForeignCache,
    /// The library below failed; the source says how.
    #[error("the model's backend failed")]
    Backend(#[source] Box<dyn Error + Send + Sync>),
}

impl ModelError {
    /// A failure of the library below.
    pub fn backend(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Backend(source.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_input() {
        let values: Vec<f32> = (0..8).map(|x| x as f32).collect();
        let logits = Logits::new(values, 2, [0, 1, 3]).unwrap();
        assert_eq!((logits.inputs(), logits.rows(0), logits.rows(2), logits.rows(3)), (3, 0, 3, 0));
        assert_eq!(logits.last(0), None);
        assert_eq!(logits.row(1, 0), Some([0.0, 1.0].as_slice()));
        assert_eq!(logits.row(1, 1), None);
        assert_eq!(logits.row(2, 1), Some([4.0, 5.0].as_slice()));
        assert_eq!(logits.last(2), Some([6.0, 7.0].as_slice()));
        assert_eq!(logits.row(usize::MAX, 0), None);
    }

    #[test]
    fn a_wrong_number_of_logits_is_an_error() {
        let error = Logits::new(vec![0.0; 7], 2, [1, 3]).unwrap_err().to_string();
        assert_eq!(error, "the model gave 7 logits where 8 were expected");
        assert!(Logits::new(vec![0.0; 7], usize::MAX, [usize::MAX, 3]).is_err());
    }
}
