//! A model without the type of its cache, for code that chooses among models at run time.
//!
//! [`ErasedModel`] is a `dyn` [`LanguageModel`] whose caches are boxes. It costs one allocation for
//! the batch of each forward pass and one check of each cache's type, which is negligible beside
//! the pass itself.

use std::any::Any;
use std::fmt;

use super::device_rows::Rows;
use super::model::{ForwardInput, LanguageModel, Logits, ModelError, TreeInput, TreeOutput};

/// A cache of a model whose type is erased.
pub struct ErasedCache(Box<dyn Any + Send>);

impl fmt::Debug for ErasedCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasedCache")
    }
}

/// A model of any type, as a trait object.
pub type ErasedModel = dyn LanguageModel<Cache = ErasedCache>;

/// A wrapper that makes a model an [`ErasedModel`].
///
/// ```no_run
/// use hedgerow::decode::{Erase, ErasedModel, LanguageModel};
///
/// fn either(
///     first: impl LanguageModel + 'static,
///     second: impl LanguageModel + 'static,
///     n: u8,
/// ) -> Box<ErasedModel> {
///     if n == 0 { Box::new(Erase(first)) } else { Box::new(Erase(second)) }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Erase<M>(pub M);

impl<M: LanguageModel> LanguageModel for Erase<M> {
    type Cache = ErasedCache;

    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn context_length(&self) -> usize {
        self.0.context_length()
    }

    fn new_cache(&self) -> Result<ErasedCache, ModelError> {
        Ok(ErasedCache(Box::new(self.0.new_cache()?)))
    }

    /// Number of tokens in the cache; 0 for a cache of another model.
    fn cache_len(&self, cache: &ErasedCache) -> usize {
        cache.0.downcast_ref().map_or(0, |cache| self.0.cache_len(cache))
    }

    fn truncate(&self, cache: &mut ErasedCache, len: usize) -> Result<(), ModelError> {
        self.0.truncate(cache.0.downcast_mut().ok_or(ModelError::ForeignCache)?, len)
    }

    fn fork(&self, cache: &ErasedCache) -> Result<ErasedCache, ModelError> {
        let cache = cache.0.downcast_ref().ok_or(ModelError::ForeignCache)?;
        Ok(ErasedCache(Box::new(self.0.fork(cache)?)))
    }

    fn forward(&self, batch: &mut [ForwardInput<'_, ErasedCache>]) -> Result<Logits, ModelError> {
        self.0.forward(&mut inner::<M::Cache>(batch)?)
    }

    fn forward_rows(&self, batch: &mut [ForwardInput<'_, ErasedCache>]) -> Result<Rows, ModelError> {
        self.0.forward_rows(&mut inner::<M::Cache>(batch)?)
    }

    fn forward_tree(&self, batch: &mut [TreeInput<'_, ErasedCache>]) -> Result<TreeOutput, ModelError> {
        let inner: Option<Vec<_>> = batch
            .iter_mut()
            .map(|TreeInput { tokens, parents, cache, rows }| {
                let cache = cache.0.downcast_mut()?;
                Some(TreeInput { tokens, parents, cache, rows: *rows })
            })
            .collect();
        self.0.forward_tree(&mut inner.ok_or(ModelError::ForeignCache)?)
    }

    fn keep(&self, cache: &mut ErasedCache, start: usize, path: &[usize]) -> Result<(), ModelError> {
        self.0.keep(cache.0.downcast_mut().ok_or(ModelError::ForeignCache)?, start, path)
    }
}

/// The inputs with caches of their own type.
fn inner<'a, C: 'static>(
    batch: &'a mut [ForwardInput<'_, ErasedCache>],
) -> Result<Vec<ForwardInput<'a, C>>, ModelError> {
    let of = |ForwardInput { tokens, cache, rows }: &'a mut ForwardInput<'_, ErasedCache>| {
        let cache = cache.0.downcast_mut()?;
        Some(ForwardInput { tokens, cache, rows: *rows })
    };
    batch.iter_mut().map(of).collect::<Option<_>>().ok_or(ModelError::ForeignCache)
}
