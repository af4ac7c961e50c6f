//! A decoder-only transformer: embeddings, layers, and the output matrix.
//!
//! One forward pass takes the new tokens of any number of sequences. Their activations stand one
//! after another (`[tokens, width]`, no padding), so each matrix product, the dominant cost, has
//! one large operand. Only attention runs sequence by sequence, over each sequence's cache. The
//! output matrix is multiplied only with the rows whose logits are needed. The `layer` module
//! computes one layer.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::architecture::{Architecture, DecoderConfig, Format, PositionKind};
use super::blocks::{Linear, Norm, Tree, Visibility};
use super::cache::{CacheShape, KvCache};
use super::device::upload;
use super::error::{Doing, TorchError};
use super::layer::{Layer, Reach, View, norm};
use super::rope::{Rope, Scaling};
use super::weights::{Loader, Member, Role, WeightSource, shape};
use crate::decode::ModelError;
use crate::decode::TreeInput;

/// The weights and sizes of a loaded model.
#[derive(Debug)]
pub(crate) struct Decoder {
    config: DecoderConfig,
    positions: Positions,
    /// The embedding matrix: `[vocab, width]`.
    embedding: Tensor,
    layers: Vec<Arc<Layer>>,
    output_norm: Norm,
    /// The output matrix: `[vocab, width]`. It shares the embedding's memory if the model ties the
    /// two.
    output: Linear,
    vocab_size: usize,
    kind: Kind,
    device: Device,
}

/// The sizes of a model that its configuration may leave out. The shapes of its weights then give
/// them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModelSize {
    /// Number of logits of a row.
    pub vocabulary: usize,
    /// Largest number of tokens of a sequence.
    pub context: usize,
}

impl ModelSize {
    /// The sizes that the configuration gives; `None` if it does not give all of them.
    pub fn of_config(architecture: &Architecture, config: &DecoderConfig) -> Option<Self> {
        let is_whole = architecture.positions == PositionKind::Rotary;
        let vocabulary = config.vocab.filter(|_| is_whole)?;
        Some(Self { vocabulary, context: config.context })
    }

    /// The sizes that the configuration and the shapes of the weights give.
    pub fn of(
        architecture: &Architecture,
        config: &DecoderConfig,
        weights: &dyn WeightSource,
    ) -> Result<Self, TorchError> {
        let [rows, columns] = shape(weights, Role::Embedding)?;
        let vocabulary = config.vocab.unwrap_or(rows as usize);
        if vocabulary as i64 != rows {
            return Err(TorchError::TensorShape {
                name: weights.name(Role::Embedding, Member::Weight),
                found: vec![rows, columns],
                expected: vec![vocabulary as i64, config.width as i64],
            });
        }
        Ok(Self {
            vocabulary,
            context: match architecture.positions {
                PositionKind::Rotary => config.context,
                PositionKind::Learned => {
                    let [held, _] = shape(weights, Role::Positions)?;
                    config.context.min(held as usize)
                }
            },
        })
    }
}

/// The encoding of positions.
#[derive(Debug)]
enum Positions {
    /// Rotary positions; layers with a window have frequencies of their own.
    Rotary { global: Rope, local: Option<Rope> },
    /// Learned vectors, `[context, width]`.
    Learned(Tensor),
}

impl Positions {
    /// A second handle of the same values.
    fn share(&self) -> Self {
        match self {
            Self::Rotary { global, local } => Self::Rotary { global: global.clone(), local: local.clone() },
            Self::Learned(vectors) => Self::Learned(vectors.shallow_clone()),
        }
    }

    /// The rotary angles of a layer at some positions; `None` if positions are learned.
    fn angles(
        &self,
        reach: Reach,
        positions: &Tensor,
        kind: Kind,
    ) -> Result<Option<(Tensor, Tensor)>, TorchError> {
        match self {
            Self::Learned(_) => Ok(None),
            Self::Rotary { global, local } => {
                let rope = local.as_ref().filter(|_| reach == Reach::Local).unwrap_or(global);
                rope.at(positions, kind).map(Some)
            }
        }
    }
}

// SAFETY: `tch::Tensor` is `Send`. It is not `Sync` only because some of its methods write in place
// through `&self`. The tensors of a decoder are private to it and to the decoders that `skipping`
// makes from it. They are made in `load` and from then on only read: the forward pass calls
// operators that give new tensors, and writes only to the caches, which it borrows mutably.
// libtorch allows several threads to read a tensor at once, and its reference counts are atomic.
#[allow(unsafe_code)]
unsafe impl Sync for Decoder {}
impl Decoder {
    /// Reads the weights, which are stored in `format`.
    pub(crate) fn load(
        architecture: &Architecture,
        mut config: DecoderConfig,
        format: Format,
        kind: Kind,
        device: Device,
        loader: &mut Loader<'_>,
    ) -> Result<Self, TorchError> {
        let width = config.width as i64;
        let size = ModelSize::of(architecture, &config, loader.source())?;
        config.context = size.context;
        let vocab = size.vocabulary as i64;
        let embedding = loader.tensor(Role::Embedding, Member::Weight, &[vocab, width])?;
        let positions = match architecture.positions {
            PositionKind::Rotary => rotary(&mut config, loader)?,
            PositionKind::Learned => {
                let [held, _] = shape(loader.source(), Role::Positions)?;
                Positions::Learned(loader.tensor(Role::Positions, Member::Weight, &[held, width])?)
            }
        };
        let mut layers = Vec::new();
        for index in 0..config.layers {
            layers.push(Arc::new(Layer::load(architecture, &config, format, index, loader)?));
        }
        let output_norm = norm(architecture, format, loader, Role::OutputNorm, width, config.epsilon)?;
        let output = match (config.tied, loader.contains(Role::Output, Member::Weight)) {
            (Some(false), false) => {
                let reason = "is false, or its default is, but the weights have no output matrix \
                              (`lm_head.weight`)";
                return Err(TorchError::config("tie_word_embeddings", reason));
            }
            (Some(true) | None, false) => embedding.shallow_clone(),
            (Some(true), true) => {
                // A copy of the embedding need not be held twice.
                let output = loader.tensor(Role::Output, Member::Weight, &[vocab, width])?;
                if !output.f_equal(&embedding).doing("comparing the output matrix")? {
                    let reason = "is true, or its default is, but the weights have an output matrix \
                                  (`lm_head.weight`) that differs from the embedding; set it to false to \
                                  use the matrix, or remove the matrix to use the embedding";
                    return Err(TorchError::config("tie_word_embeddings", reason));
                }
                embedding.shallow_clone()
            }
            (Some(false) | None, true) => loader.tensor(Role::Output, Member::Weight, &[vocab, width])?,
        };
        loader.check_all_used()?;
        let output = Linear { weight: output, bias: None };
        let vocab_size = vocab as usize;
        Ok(Self { config, positions, embedding, layers, output_norm, output, vocab_size, kind, device })
    }

    /// The same model without some of its layers. Weights are shared; caches are not.
    pub(crate) fn skipping(&self, skipped: &[usize]) -> Result<Self, TorchError> {
        let count = self.layers.len();
        if let Some(&layer) = skipped.iter().find(|&&layer| layer >= count) {
            return Err(TorchError::SkippedLayer { layer, layers: count });
        }
        let kept = (0..count).filter(|layer| !skipped.contains(layer));
        let layers: Vec<_> = kept.map(|layer| Arc::clone(&self.layers[layer])).collect();
        Ok(Self {
            config: DecoderConfig { layers: layers.len(), ..self.config.clone() },
            positions: self.positions.share(),
            embedding: self.embedding.shallow_clone(),
            layers,
            output_norm: self.output_norm.share(),
            output: self.output.share(),
            vocab_size: self.vocab_size,
            kind: self.kind,
            device: self.device,
        })
    }

    pub(crate) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Width of the hidden states.
    pub(crate) fn width(&self) -> usize {
        self.config.width
    }

    pub(crate) fn context_length(&self) -> usize {
        self.config.context
    }

    pub(crate) fn cache_shape(&self) -> CacheShape {
        CacheShape {
            layers: self.config.layers,
            kv_heads: self.config.kv_heads,
            head_dim: self.config.head_dim,
            limit: self.config.context,
            kind: self.kind,
            device: self.device,
        }
    }

    /// Reads every sequence's tokens after its cache, and gives the last hidden state of each
    /// token, normalised: `[tokens, width]`, in the model's format and on its device. The first
    /// sequence's states come first. Every sequence has at least one token.
    ///
    /// On an error every cache keeps its positions as they were.
    pub(crate) fn hidden(&self, sequences: &mut [TreeInput<'_, KvCache>]) -> Result<Tensor, TorchError> {
        self.hidden_and_before(sequences, &[]).map(|(last, _)| last)
    }

    /// As [`hidden`](Self::hidden), with the states before the layers `exits`, which are not
    /// normalised.
    pub(crate) fn hidden_and_before(
        &self,
        sequences: &mut [TreeInput<'_, KvCache>],
        exits: &[usize],
    ) -> Result<(Tensor, Vec<Tensor>), TorchError> {
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        let mut global = Vec::new();
        let mut local = Vec::new();
        let window = self.config.local.as_ref().map(|local| local.window);
        for sequence in sequences.iter_mut() {
            if sequence.cache.shape() != self.cache_shape() {
                return Err(ModelError::ForeignCache.into());
            }
            for &token in sequence.tokens {
                if token.index() >= self.vocab_size {
                    return Err(ModelError::TokenOutOfRange { token, vocab_size: self.vocab_size }.into());
                }
                ids.push(i64::from(token.0));
            }
            sequence.cache.reserve(sequence.tokens.len())?;
            let (past, new) = (sequence.cache.len(), sequence.tokens.len());
            if sequence.parents.is_empty() {
                positions.extend(past as i64..(past + new) as i64);
                global.push(Visibility::causal(past, new, self.device)?);
                if let Some(window) = window {
                    local.push(Visibility::windowed(past, new, window, self.device)?);
                }
            } else {
                let parents: Vec<Option<usize>> = (0..new).map(|at| sequence.parent(at)).collect();
                let tree = Tree::new(&parents)?;
                positions.extend(tree.depths.iter().map(|depth| (past + depth) as i64));
                global.push(tree.visibility(past, usize::MAX, self.device)?);
                if let Some(window) = window {
                    local.push(tree.visibility(past, window, self.device)?);
                }
            }
        }
        let positions = upload(&positions, self.device).doing("copying positions")?;
        let view = |reach, visibilities| -> Result<View, TorchError> {
            Ok(View { angles: self.positions.angles(reach, &positions, self.kind)?, visibilities })
        };
        let global = view(Reach::Global, global)?;
        let local = match window {
            Some(_) => Some(view(Reach::Local, local)?),
            None => None,
        };
        let mut hidden = self.embed(&ids, &positions).doing("looking up embeddings")?;
        let mut before: Vec<Option<Tensor>> = exits.iter().map(|_| None).collect();
        for (index, layer) in self.layers.iter().enumerate() {
            for (exit, state) in exits.iter().zip(&mut before) {
                if *exit == index {
                    *state = Some(hidden.shallow_clone());
                }
            }
            let view = local.as_ref().filter(|_| layer.reach == Reach::Local).unwrap_or(&global);
            hidden = layer.forward(&self.config, index, &hidden, view, sequences)?;
        }
        for sequence in sequences.iter_mut() {
            sequence.cache.advance(sequence.tokens.len());
        }
        Ok((self.output_norm.forward(&hidden)?, before.into_iter().flatten().collect()))
    }

    /// The logits of the rows that the sequences ask for, from the result of
    /// [`hidden`](Self::hidden): `[rows, vocab]`, in the model's format and on its device.
    pub(crate) fn logits(
        &self,
        hidden: &Tensor,
        sequences: &[TreeInput<'_, KvCache>],
    ) -> Result<Tensor, TorchError> {
        let mut wanted = Vec::new();
        let mut first = 0;
        for sequence in sequences {
            wanted.extend(sequence.rows.range(sequence.tokens.len()).map(|row| (first + row) as i64));
            first += sequence.tokens.len();
        }
        if wanted.is_empty() {
            return Tensor::f_empty([0, self.vocab_size as i64], (self.kind, self.device))
                .doing("making an empty result");
        }
        let rows = match wanted.len() == first {
            true => hidden.shallow_clone(),
            false => upload(&wanted, self.device)
                .and_then(|wanted| hidden.f_index_select(0, &wanted))
                .doing("choosing the rows whose logits are wanted")?,
        };
        self.output.forward(&rows)
    }

    /// The input of the first layer.
    fn embed(&self, ids: &[i64], positions: &Tensor) -> Result<Tensor, tch::TchError> {
        let mut embedded = self.embedding.f_index_select(0, &upload(ids, self.device)?)?;
        if self.config.embedding_scale != 1.0 {
            embedded = embedded.f_mul_scalar(self.config.embedding_scale)?;
        }
        match &self.positions {
            Positions::Rotary { .. } => Ok(embedded),
            Positions::Learned(vectors) => embedded.f_add(&vectors.f_index_select(0, positions)?),
        }
    }
}

/// Rotary positions with the frequencies of the configuration. If the file has divisors, they
/// replace the configuration's scaling.
fn rotary(config: &mut DecoderConfig, loader: &mut Loader<'_>) -> Result<Positions, TorchError> {
    if loader.contains(Role::RopeDivisors, Member::Weight) {
        let pairs = config.head_dim as i64 / 2;
        let divisors = loader.read(Role::RopeDivisors, Member::Weight, &[pairs])?;
        let divisors = divisors.f_to_kind(Kind::Float).doing("reading rotary divisors")?;
        let divisors = Vec::<f32>::try_from(divisors).doing("reading rotary divisors")?;
        config.rope_scaling = Scaling::Divisors(divisors);
    }
    let global = Rope::new(config.head_dim, config.rope_theta, &config.rope_scaling)?;
    let local = config.local.as_ref().map(|local| Rope::new(config.head_dim, local.theta, &Scaling::None));
    Ok(Positions::Rotary { global, local: local.transpose()? })
}
