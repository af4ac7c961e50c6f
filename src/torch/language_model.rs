//! A loaded model as the decoding loop sees it: [`LanguageModel`] for [`Model`].

use tch::Tensor;

use super::cache::KvCache;
use super::error::{Doing, TorchError};
use super::model::Model;
use crate::decode::{ForwardInput, LanguageModel, Logits, ModelError};

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
        if let Some(input) = batch.iter().position(|input| input.tokens.is_empty()) {
            return Err(ModelError::NoTokens { input });
        }
        let logits = self.decoder().forward(batch)?;
        let rows = batch.iter().map(|input| input.rows.range(input.tokens.len()).len());
        Logits::new(HostTensor::new(logits)?, self.decoder().vocab_size(), rows)
    }
}

impl From<TorchError> for ModelError {
    fn from(error: TorchError) -> Self {
        match error {
            TorchError::TokenOutOfRange { token, vocab_size } => Self::TokenOutOfRange { token, vocab_size },
            TorchError::ContextFull { given, limit } => Self::ContextFull { given, limit },
            TorchError::Truncate { wanted, held } => Self::Truncate { wanted, held },
            TorchError::ForeignCache => Self::ForeignCache,
            other => Self::backend(other),
        }
    }
}

/// A tensor of `f32` in host memory, read where it lies.
struct HostTensor {
    tensor: Tensor,
    len: usize,
}

impl HostTensor {
    fn new(tensor: Tensor) -> Result<Self, TorchError> {
        // All three hold for what the decoder gives; where they do not hold, nothing is done here.
        let tensor = tensor
            .f_to_device(tch::Device::Cpu)
            .and_then(|tensor| tensor.f_to_kind(tch::Kind::Float)?.f_contiguous())
            .doing("copying logits")?;
        let len = tensor.numel();
        Ok(Self { tensor, len })
    }
}

impl AsRef<[f32]> for HostTensor {
    #[allow(unsafe_code)]
    fn as_ref(&self) -> &[f32] {
        let start = self.tensor.data_ptr().cast::<f32>();
        if start.is_null() {
            return &[];
        }
        // SAFETY: `new` made the tensor a contiguous one of f32 in host memory, so `len` numbers lie from `start`
        // on, aligned as libtorch allocates (64 bytes). The tensor is owned by `self` and reachable through
        // nothing else (the decoder hands out a fresh one), so they are neither freed nor written to while the slice
        // lives.
        unsafe { std::slice::from_raw_parts(start, self.len) }
    }
}
