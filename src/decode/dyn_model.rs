//! A model without its type, for code that chooses among models at run time.
//!
//! [`DynModel`] holds any [`LanguageModel`], whose caches become boxes. It costs one allocation for
//! the batch of each forward pass and one check of each cache's type, which is negligible compared
//! with the pass itself.

use std::any::Any;
use std::fmt;

use super::device_rows::Rows;
use super::logits::{Logits, ModelError};
use super::model::{ForwardInput, LanguageModel, TreeInput, TreeOutput, passed_on};

/// The cache of a [`DynModel`].
pub struct DynCache(Box<dyn Any + Send>);

impl fmt::Debug for DynCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynCache")
    }
}

/// A model of any type.
///
/// ```no_run
/// use hedgerow::decode::{DynModel, LanguageModel};
///
/// fn either(
///     small: impl LanguageModel + 'static,
///     large: impl LanguageModel + 'static,
///     fast: bool,
/// ) -> DynModel {
///     if fast { DynModel::new(small) } else { DynModel::new(large) }
/// }
/// ```
pub struct DynModel(Box<dyn LanguageModel<Cache = DynCache>>);

impl DynModel {
    /// Hides the type of a model.
    pub fn new(model: impl LanguageModel + 'static) -> Self {
        Self(Box::new(BoxedCaches(model)))
    }
}

impl fmt::Debug for DynModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynModel")
    }
}

impl LanguageModel for DynModel {
    type Cache = DynCache;

    passed_on!(self => self.0);
}

/// A model whose caches are boxed.
struct BoxedCaches<M>(M);

impl<M: LanguageModel> LanguageModel for BoxedCaches<M> {
    type Cache = DynCache;

    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn context_length(&self) -> usize {
        self.0.context_length()
    }

    fn new_cache(&self) -> Result<DynCache, ModelError> {
        Ok(DynCache(Box::new(self.0.new_cache()?)))
    }

    fn cache_len(&self, cache: &DynCache) -> usize {
        cache.0.downcast_ref().map_or(0, |cache| self.0.cache_len(cache))
    }

    fn truncate(&self, cache: &mut DynCache, len: usize) -> Result<(), ModelError> {
        self.0.truncate(cache.0.downcast_mut().ok_or(ModelError::ForeignCache)?, len)
    }

    fn fork(&self, cache: &DynCache) -> Result<DynCache, ModelError> {
        let cache = cache.0.downcast_ref().ok_or(ModelError::ForeignCache)?;
        Ok(DynCache(Box::new(self.0.fork(cache)?)))
    }

    fn forward(&self, batch: &mut [ForwardInput<'_, DynCache>]) -> Result<Logits, ModelError> {
        self.0.forward(&mut unboxed::<M::Cache>(batch)?)
    }

    fn forward_rows(&self, batch: &mut [ForwardInput<'_, DynCache>]) -> Result<Rows, ModelError> {
        self.0.forward_rows(&mut unboxed::<M::Cache>(batch)?)
    }

    fn forward_tree(&self, batch: &mut [TreeInput<'_, DynCache>]) -> Result<TreeOutput, ModelError> {
        let unboxed: Option<Vec<_>> = batch
            .iter_mut()
            .map(|TreeInput { tokens, parents, cache, rows }| {
                let cache = cache.0.downcast_mut()?;
                Some(TreeInput { tokens, parents, cache, rows: *rows })
            })
            .collect();
        self.0.forward_tree(&mut unboxed.ok_or(ModelError::ForeignCache)?)
    }

    fn keep(&self, cache: &mut DynCache, start: usize, path: &[usize]) -> Result<(), ModelError> {
        self.0.keep(cache.0.downcast_mut().ok_or(ModelError::ForeignCache)?, start, path)
    }
}

/// The inputs with caches of their own type.
fn unboxed<'a, C: 'static>(
    batch: &'a mut [ForwardInput<'_, DynCache>],
) -> Result<Vec<ForwardInput<'a, C>>, ModelError> {
    let of = |ForwardInput { tokens, cache, rows }: &'a mut ForwardInput<'_, DynCache>| {
        let cache = cache.0.downcast_mut()?;
        Some(ForwardInput { tokens, cache, rows: *rows })
    };
    batch.iter_mut().map(of).collect::<Option<_>>().ok_or(ModelError::ForeignCache)
}
