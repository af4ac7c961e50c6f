//! The interface of a loaded model for the decoding loop: [`LanguageModel`] and [`EarlyExit`] for
//! [`Model`].

use tch::Tensor;

use super::cache::KvCache;
use super::device_rows::TensorRows;
use super::error::TorchError;
use super::host_tensor::HostTensor;
use super::model::Model;
use crate::decode::{
    EarlyExit, ForwardInput, LanguageModel, Logits, ModelError, Rows, TreeInput, TreeOutput,
};

impl LanguageModel for Model {
    type Cache = KvCache;

    fn vocab_size(&self) -> usize {
        self.decoder().vocab_size()
    }

    fn context_length(&self) -> usize {
        self.decoder().context_length()
    }

    fn new_cache(&self) -> Result<KvCache, ModelError> {
        Ok(KvCache::new(self.decoder().cache_shape()))
    }

    fn cache_len(&self, cache: &KvCache) -> usize {
        cache.len()
    }

    fn truncate(&self, cache: &mut KvCache, len: usize) -> Result<(), ModelError> {
        Ok(cache.truncate(len)?)
    }

    fn fork(&self, cache: &KvCache) -> Result<KvCache, ModelError> {
        Ok(cache.fork()?)
    }

    fn forward(&self, batch: &mut [ForwardInput<'_, KvCache>]) -> Result<Logits, ModelError> {
        let mut chains = chains(batch)?;
        let hidden = self.decoder().hidden(&mut chains)?;
        self.rows(&hidden, &chains)
    }

    fn forward_rows(&self, batch: &mut [ForwardInput<'_, KvCache>]) -> Result<Rows, ModelError> {
        if !self.keeps_rows() {
            return self.forward(batch).map(Rows::Host);
        }
        let mut chains = chains(batch)?;
        let hidden = self.decoder().hidden(&mut chains)?;
        let logits = self.decoder().logits(&hidden, &chains)?;
        let rows = chains.iter().map(|input| input.rows.range(input.tokens.len()).len());
        Ok(Rows::Device(Box::new(TensorRows::new(logits, rows.collect()))))
    }

    fn forward_tree(&self, batch: &mut [TreeInput<'_, KvCache>]) -> Result<TreeOutput, ModelError> {
        if let Some(input) = batch.iter().position(|input| input.tokens.is_empty()) {
            return Err(ModelError::NoTokens { input });
        }
        let hidden = self.decoder().hidden(batch)?;
        let logits = self.rows(&hidden, batch)?;
        let width = self.decoder().width();
        let tokens = batch.iter().map(|input| input.tokens.len());
        Ok(TreeOutput { logits, hidden: Logits::new(HostTensor::new(&hidden)?, width, tokens)? })
    }

    fn keep(&self, cache: &mut KvCache, start: usize, path: &[usize]) -> Result<(), ModelError> {
        Ok(cache.keep(start, path)?)
    }
}

impl EarlyExit for Model {
    fn layers(&self) -> usize {
        self.layer_count()
    }

    fn forward_exits(
        &self,
        batch: &mut [ForwardInput<'_, KvCache>],
        exits: &[usize],
    ) -> Result<Vec<Logits>, ModelError> {
        if exits.iter().any(|&exit| exit >= self.layer_count()) {
            return Err(ModelError::Unsupported { what: "logits of a layer that it does not have" });
        }
        let mut chains = chains(batch)?;
        let (hidden, before) = self.decoder().hidden_and_before(&mut chains, exits)?;
        [hidden].iter().chain(&before).map(|hidden| self.rows(hidden, &chains)).collect()
    }
}

/// Plain inputs as trees without branches.
fn chains<'a>(batch: &'a mut [ForwardInput<'_, KvCache>]) -> Result<Vec<TreeInput<'a, KvCache>>, ModelError> {
    if let Some(input) = batch.iter().position(|input| input.tokens.is_empty()) {
        return Err(ModelError::NoTokens { input });
    }
    let chain = |ForwardInput { tokens, cache, rows }: &'a mut ForwardInput<'_, KvCache>| TreeInput {
        tokens,
        parents: &[],
        cache: &mut **cache,
        rows: *rows,
    };
    Ok(batch.iter_mut().map(chain).collect())
}

impl Model {
    fn rows(&self, hidden: &Tensor, batch: &[TreeInput<'_, KvCache>]) -> Result<Logits, ModelError> {
        let logits = self.decoder().logits(hidden, batch)?;
        let rows = batch.iter().map(|input| input.rows.range(input.tokens.len()).len());
        Logits::new(HostTensor::new(&logits)?, self.decoder().vocab_size(), rows)
    }
}

impl From<TorchError> for ModelError {
    fn from(error: TorchError) -> Self {
        match error {
            TorchError::Model(error) => error,
            other => Self::backend(other),
        }
    }
}
