//! Medusa heads: small networks that guess later tokens from a model's last hidden state (Cai et
//! al. 2024, “Medusa”).
//!
//! A head is a chain of blocks `x + silu(W x + b)`, possibly none, and an output matrix. The file
//! has the published form: a safetensors file with `{head}.{block}.linear.weight`,
//! `{head}.{block}.linear.bias` and `{head}.{blocks}.weight`, as the authors' training code writes
//! it.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::blocks::Linear;
use super::device::upload;
use super::error::{Doing, TorchError};
use super::host_tensor::HostTensor;
use super::model::Model;
use super::weights::safetensors::SafetensorsFiles;
use crate::decode::{DraftHeads, Logits, ModelError};

/// Heads that guess ahead for one model, for
/// [`Batch::draft_heads`](crate::decode::Batch::draft_heads).
#[derive(Debug)]
pub struct MedusaHeads {
    heads: Vec<Head>,
    width: usize,
    vocab_size: usize,
    kind: Kind,
    device: Device,
}

#[derive(Debug)]
struct Head {
    blocks: Vec<Linear>,
    /// The output matrix: `[vocab, width]`.
    output: Linear,
}

// SAFETY: as for `Decoder`: the tensors are private and made in `load`. From then on they are only
// read, by operators that give new tensors.
#[allow(unsafe_code)]
unsafe impl Sync for MedusaHeads {}

impl MedusaHeads {
    /// Reads the heads in `path`, a safetensors file, for `model`: in its number format and on its
    /// device.
    ///
    /// # Errors
    /// A [`TorchError`] for a file that cannot be read or holds no heads, and for heads of another
    /// width or vocabulary.
    pub fn load(path: impl AsRef<Path>, model: &Model) -> Result<Self, TorchError> {
        let path = path.as_ref();
        let weights = SafetensorsFiles::open(vec![path.to_path_buf()])?;
        let (width, vocab) = (model.decoder().width() as i64, model.decoder().vocab_size() as i64);
        let shape = model.decoder().cache_shape();
        let (kind, device) = (shape.kind, shape.device);
        let place = |name: String, expected: &[i64]| -> Result<Tensor, TorchError> {
            match weights.shape(&name) {
                Some(found) if found != expected => {
                    Err(TorchError::TensorShape { name, found, expected: expected.to_vec() })
                }
                _ => weights
                    .read(&name)?
                    .f_to_kind(kind)
                    .and_then(|tensor| tensor.f_to_device(device))
                    .doing("placing weights on the device"),
            }
        };
        let mut heads = Vec::new();
        loop {
            let number = heads.len();
            let mut blocks = Vec::new();
            while weights.shape(&format!("{number}.{}.linear.weight", blocks.len())).is_some() {
                let name = |part: &str| format!("{number}.{}.linear.{part}", blocks.len());
                let weight = place(name("weight"), &[width, width])?;
                blocks.push(Linear { weight, bias: Some(place(name("bias"), &[width])?) });
            }
            let name = format!("{number}.{}.weight", blocks.len());
            if blocks.is_empty() && weights.shape(&name).is_none() {
                break;
            }
            let output = Linear { weight: place(name, &[vocab, width])?, bias: None };
            heads.push(Head { blocks, output });
        }
        if heads.is_empty() {
            let reason = "it holds no Medusa heads (tensors such as `0.0.linear.weight`)".to_owned();
            return Err(TorchError::NotAModel { path: path.to_path_buf(), reason });
        }
        Ok(Self { heads, width: width as usize, vocab_size: vocab as usize, kind, device })
    }

    /// Number of heads.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// True if there is no head.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    fn rows(&self, hidden: &[f32]) -> Result<Tensor, TorchError> {
        let state = upload(hidden, self.device)
            .and_then(|state| state.f_view([1, -1])?.f_to_kind(self.kind))
            .doing("copying a hidden state")?;
        let mut rows = Vec::with_capacity(self.heads.len());
        for head in &self.heads {
            let mut state = state.shallow_clone();
            for block in &head.blocks {
                let inner = block.forward(&state)?;
                state = inner.f_silu().and_then(|inner| inner.f_add(&state)).doing("asking a draft head")?;
            }
            rows.push(head.output.forward(&state)?);
        }
        Tensor::f_cat(&rows, 0).doing("joining the rows of draft heads")
    }
}

impl DraftHeads for MedusaHeads {
    fn logits(&self, hidden: &[f32]) -> Result<Logits, ModelError> {
        if hidden.len() != self.width {
            return Err(ModelError::LogitsLength { given: hidden.len(), expected: self.width });
        }
        Logits::new(HostTensor::new(&self.rows(hidden)?)?, self.vocab_size, [self.heads.len()])
    }
}
