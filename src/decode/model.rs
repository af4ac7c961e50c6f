//! The interface of a language model for the decoding loop: logits after tokens, and a cache of the
//! tokens read.
//!
//! A *cache* stands for one sequence of tokens that the model has read: the keys and values of a
//! transformer, or the state of another kind of model. [`LanguageModel::forward`] appends tokens to
//! several caches in one pass and gives the logits after the requested positions. Caches can be cut
//! back ([`truncate`](LanguageModel::truncate)) and copied ([`fork`](LanguageModel::fork)). Shared
//! prompts, beams and speculative decoding depend on both.
//!
//! Some models can also read tokens that branch and give their hidden states
//! ([`LanguageModel::forward_tree`]), which some strategies need. [`DynModel`](super::DynModel)
//! hides the type of model and cache from code that chooses among models at run time.

use super::device_rows::Rows;
use super::logits::{Logits, ModelError};
use crate::vocab::TokenId;

/// A causal language model: it reads tokens and gives the logits of the next token.
///
/// A row of logits is `f32[vocab_size]`: unnormalised log-probabilities. A model must be
/// deterministic up to rounding: the same tokens give the same logits, read all at once or one by
/// one.
///
/// ```
/// use hedgerow::decode::{ForwardInput, LanguageModel, LogitRows, Logits, ModelError};
///
/// /// A model that expects token t + 1 after token t.
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
///                 let logit = |next: u32| if next == (token.0 + 1) % 8 { 1.0 } else { 0.0 };
///                 values.extend((0..8).map(logit));
///             }
///         }
///         Logits::new(values, 8, rows)
///     }
/// }
///
/// use hedgerow::vocab::TokenId;
/// let mut cache = Counter.new_cache()?;
/// let tokens = [TokenId(3), TokenId(4)];
/// let input = ForwardInput { tokens: &tokens, cache: &mut cache, rows: LogitRows::Last };
/// let logits = Counter.forward(&mut [input])?;
/// assert_eq!(logits.last(0), Some([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0].as_slice()));
/// # Ok::<(), ModelError>(())
/// ```
pub trait LanguageModel {
    /// The model's memory of one sequence, such as keys and values.
    type Cache: Send + 'static;

    /// Number of logits in a row.
    fn vocab_size(&self) -> usize;

    /// Largest number of tokens of a cache.
    fn context_length(&self) -> usize;

    /// A cache of the empty sequence.
    ///
    /// # Errors
    /// [`ModelError::Backend`] if the model cannot make one, for example for lack of device memory.
    fn new_cache(&self) -> Result<Self::Cache, ModelError>;

    /// Number of tokens in the cache.
    fn cache_len(&self, cache: &Self::Cache) -> usize;

    /// Removes all tokens from the cache but the first `len`.
    ///
    /// # Errors
    /// [`ModelError::Truncate`] if the cache holds fewer; it is then unchanged.
    fn truncate(&self, cache: &mut Self::Cache, len: usize) -> Result<(), ModelError>;

    /// A second cache of the same sequence. Both can then be extended independently.
    ///
    /// # Errors
    /// As [`new_cache`](Self::new_cache).
    fn fork(&self, cache: &Self::Cache) -> Result<Self::Cache, ModelError>;

    /// Appends each input's tokens to its cache, all in one pass, and gives the logits that each
    /// input asks for.
    ///
    /// Part `i` of the result belongs to `batch[i]`. The row of a token scores the token that
    /// follows it.
    ///
    /// # Errors
    /// [`ModelError::NoTokens`], [`ModelError::TokenOutOfRange`], [`ModelError::ContextFull`], or a
    /// failure of the backend. Caches may have grown by then; [`truncate`](Self::truncate) restores
    /// them.
    fn forward(&self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Logits, ModelError>;

    /// As [`forward`](Self::forward), but the rows may stay in the memory of the model's device.
    /// The provided method calls `forward`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    fn forward_rows(&self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Rows, ModelError> {
        self.forward(batch).map(Rows::Host)
    }

    /// As [`forward`](Self::forward) over trees of tokens, with the hidden states of all of them.
    ///
    /// A token attends to its ancestors and to the tokens that the cache held before. Its position
    /// is its depth after those. Its logits and hidden state are those that its path alone would
    /// give. All tokens are appended to the cache, in the order given; [`keep`](Self::keep) reduces
    /// them to one path.
    ///
    /// # Errors
    /// As [`forward`](Self::forward). The provided method always returns
    /// [`ModelError::Unsupported`].
    fn forward_tree(&self, _: &mut [TreeInput<'_, Self::Cache>]) -> Result<TreeOutput, ModelError> {
        Err(ModelError::Unsupported { what: "trees of tokens and hidden states" })
    }

    /// Reduces the tokens after the first `start` of the cache to those at the offsets `path`, in
    /// this order. For example, with `start` 5 and the path `[0, 2]` the cache keeps its tokens 0
    /// to 4, 5 and 7.
    ///
    /// # Errors
    /// [`ModelError::Truncate`] if the cache holds fewer. The provided method only calls
    /// [`truncate`](Self::truncate), and returns [`ModelError::Unsupported`] if that is not enough.
    fn keep(&self, cache: &mut Self::Cache, start: usize, path: &[usize]) -> Result<(), ModelError> {
        match path.iter().enumerate().all(|(at, &offset)| at == offset) {
            true => self.truncate(cache, start + path.len()),
            false => Err(ModelError::Unsupported { what: "trees of tokens" }),
        }
    }
}

/// Implements the methods of a [`LanguageModel`] by the same methods of another one, `$model`.
macro_rules! passed_on {
    ($self:ident => $model:expr) => {
        fn vocab_size(&$self) -> usize {
            $model.vocab_size()
        }

        fn context_length(&$self) -> usize {
            $model.context_length()
        }

        fn new_cache(&$self) -> Result<Self::Cache, ModelError> {
            $model.new_cache()
        }

        fn cache_len(&$self, cache: &Self::Cache) -> usize {
            $model.cache_len(cache)
        }

        fn truncate(&$self, cache: &mut Self::Cache, len: usize) -> Result<(), ModelError> {
            $model.truncate(cache, len)
        }

        fn fork(&$self, cache: &Self::Cache) -> Result<Self::Cache, ModelError> {
            $model.fork(cache)
        }

        fn forward(&$self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Logits, ModelError> {
            $model.forward(batch)
        }

        fn forward_rows(&$self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Rows, ModelError> {
            $model.forward_rows(batch)
        }

        fn forward_tree(&$self, batch: &mut [TreeInput<'_, Self::Cache>]) -> Result<TreeOutput, ModelError> {
            $model.forward_tree(batch)
        }

        fn keep(&$self, cache: &mut Self::Cache, start: usize, path: &[usize]) -> Result<(), ModelError> {
            $model.keep(cache, start, path)
        }
    };
}
pub(super) use passed_on;

impl<M: LanguageModel + ?Sized> LanguageModel for &M {
    type Cache = M::Cache;

    passed_on!(self => (**self));
}

/// The input of a forward pass for one sequence.
#[derive(Debug)]
pub struct ForwardInput<'a, C> {
    /// The tokens to read, at least one; they follow those that `cache` holds.
    pub tokens: &'a [TokenId],
    /// The sequence so far.
    pub cache: &'a mut C,
    /// The tokens after which logits are needed.
    pub rows: LogitRows,
}

impl<C> ForwardInput<'_, C> {
    /// The tokens after which logits are needed, in order.
    pub fn wanted_tokens(&self) -> &[TokenId] {
        &self.tokens[self.rows.range(self.tokens.len())]
    }
}

/// The input of a forward pass over branching tokens for one sequence.
#[derive(Debug)]
pub struct TreeInput<'a, C> {
    /// The tokens to read, at least one.
    pub tokens: &'a [TokenId],
    /// The parent of each token: the index in `tokens` of the token that it follows, which is a
    /// lower one. `None` stands for the last token in the cache. If there are fewer parents than
    /// tokens, the first tokens form a chain, and the parents are those of the remaining tokens.
    pub parents: &'a [Option<usize>],
    /// The sequence so far.
    pub cache: &'a mut C,
    /// The tokens after which logits are needed.
    pub rows: LogitRows,
}

impl<C> TreeInput<'_, C> {
    /// The index of the token that token `at` follows; `None` if it follows the cache.
    pub fn parent(&self, at: usize) -> Option<usize> {
        match at.checked_sub(self.tokens.len() - self.parents.len().min(self.tokens.len())) {
            Some(listed) => self.parents[listed],
            None => at.checked_sub(1),
        }
    }
}

/// The result of a pass over trees.
#[derive(Debug)]
pub struct TreeOutput {
    /// The logits that were asked for.
    pub logits: Logits,
    /// The last hidden state of every token that was read, `[tokens, width]`, in the same form as
    /// logits.
    pub hidden: Logits,
}

/// The rows of logits that a forward pass gives for one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogitRows {
    /// No row: the tokens are only put into the cache.
    None,
    /// The row of the last token.
    #[default]
    Last,
    /// One row for each token.
    All,
}

impl LogitRows {
    /// The positions that have a row, out of `tokens` that are read.
    pub fn range(self, tokens: usize) -> std::ops::Range<usize> {
        match self {
            LogitRows::None => tokens..tokens,
            LogitRows::Last => tokens.saturating_sub(1)..tokens,
            LogitRows::All => 0..tokens,
        }
    }
}
