//! A decoder-only transformer: the shared blocks in the order of Llama and its kin.
//!
//! One forward pass takes the new tokens of any number of sequences. Their activations lie one behind the other
//! (`[tokens, width]`, no padding), so the matrix products, which dominate, see one large operand; attention
//! is the only part that goes sequence by sequence, over each one's cache. The output matrix is multiplied only
//! with the rows whose logits are asked for. Projections with the same input are stacked into one matrix at
//! load: fewer, larger products.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::architecture::{Architecture, DecoderConfig, Presence, RowOrder};
use super::blocks::{attention, Linear, RmsNorm, SwiGlu, Tree, Visibility};
use super::cache::{CacheShape, KvCache};
use super::error::{Doing, TorchError};
use super::rope::{rotate, Rope, Scaling};
use super::weights::{Loader, Member, Part, Role};
use crate::decode::TreeInput;

#[derive(Debug)]
struct Layer {
    attention_norm: RmsNorm,
    /// Rows of the queries, then of the keys, then of the values.
    query_key_value: Linear,
    query_norm: Option<RmsNorm>,
    key_norm: Option<RmsNorm>,
    attention_output: Linear,
    feed_forward_norm: RmsNorm,
    feed_forward: SwiGlu,
}

/// A loaded model's weights and sizes.
#[derive(Debug)]
pub(crate) struct Decoder {
    config: DecoderConfig,
    rope: Rope,
    /// `[vocab, width]`.
    embedding: Tensor,
    layers: Vec<Arc<Layer>>,
    output_norm: RmsNorm,
    /// `[vocab, width]`; shares the embedding's memory where the model ties them.
    output: Linear,
    vocab_size: usize,
    kind: Kind,
    device: Device,
}

// SAFETY: `tch::Tensor` is `Send`, and not `Sync` only because some of its methods write in place through `&self`. The
// tensors of a decoder are private to it and to those made from it by `skipping`; they are made in `load` and from then on
// only read: the forward pass calls operators that give new tensors, and writes to the caches alone, which it borrows
// mutably. Reading a tensor from several threads at once is what libtorch promises; its reference counts are atomic.
#[allow(unsafe_code)]
unsafe impl Sync for Decoder {}
// SAFETY: as for `Decoder`.
#[allow(unsafe_code)]
unsafe impl Sync for Layer {}

impl Decoder {
    /// Reads the weights. `order` is the row order of queries and keys in the source.
    pub(crate) fn load(
        architecture: &Architecture,
        mut config: DecoderConfig,
        order: RowOrder,
        kind: Kind,
        device: Device,
        loader: &mut Loader<'_>,
    ) -> Result<Self, TorchError> {
        let width = config.width as i64;
        let [vocab, _] = loader.shape(Role::Embedding, Member::Weight)?;
        let embedding = loader.tensor(Role::Embedding, Member::Weight, &[vocab, width])?;
        if loader.contains(Role::RopeDivisors, Member::Weight) {
            let pairs = config.head_dim as i64 / 2;
            let divisors = loader.read(Role::RopeDivisors, Member::Weight, &[pairs])?;
            let divisors = divisors.f_to_kind(Kind::Float).doing("reading rotary divisors")?;
            let divisors = Vec::<f32>::try_from(divisors).doing("reading rotary divisors")?;
            config.rope_scaling = Scaling::Divisors(divisors);
        }
        let rope = Rope::new(config.head_dim, config.rope_theta, &config.rope_scaling)?;
        let mut layers = Vec::new();
        for index in 0..config.layers {
            layers.push(Arc::new(Layer::load(architecture, &config, order, index, loader)?));
        }
        let output_norm = norm(loader, Role::OutputNorm, width, config.epsilon)?;
        let output = if loader.contains(Role::Output, Member::Weight) {
            loader.tensor(Role::Output, Member::Weight, &[vocab, width])?
        } else {
            embedding.shallow_clone()
        };
        let output = Linear { weight: output, bias: None };
        let vocab_size = vocab as usize;
        Ok(Self { config, rope, embedding, layers, output_norm, output, vocab_size, kind, device })
    }

    /// The same model without some of its layers. Their weights are shared; caches are not.
    pub(crate) fn skipping(&self, skipped: &[usize]) -> Result<Self, TorchError> {
        let count = self.layers.len();
        if let Some(&layer) = skipped.iter().find(|&&layer| layer >= count) {
            return Err(TorchError::SkippedLayer { layer, layers: count });
        }
        let kept = (0..count).filter(|layer| !skipped.contains(layer));
        let layers: Vec<_> = kept.map(|layer| Arc::clone(&self.layers[layer])).collect();
        Ok(Self {
            config: DecoderConfig { layers: layers.len(), ..self.config.clone() },
            rope: self.rope.clone(),
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

    /// Feeds every sequence's tokens behind its cache and gives the last hidden state behind each, normalised, those of the
    /// first sequence first: `[tokens, width]`, in the model's format and on its device. Every sequence has at least one
    /// token.
    ///
    /// On an error every cache holds what it held before.
    pub(crate) fn hidden(&self, sequences: &mut [TreeInput<'_, KvCache>]) -> Result<Tensor, TorchError> {
        self.hidden_and_before(sequences, &[]).map(|(last, _)| last)
    }

    /// As [`hidden`](Self::hidden), with the states as they are before the layers `exits`, not normalised.
    pub(crate) fn hidden_and_before(
        &self,
        sequences: &mut [TreeInput<'_, KvCache>],
        exits: &[usize],
    ) -> Result<(Tensor, Vec<Tensor>), TorchError> {
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        let mut visibilities = Vec::new();
        for sequence in sequences.iter_mut() {
            if sequence.cache.shape() != self.cache_shape() {
                return Err(TorchError::ForeignCache);
            }
            for &token in sequence.tokens {
                if token.index() >= self.vocab_size {
                    return Err(TorchError::TokenOutOfRange { token, vocab_size: self.vocab_size });
                }
                ids.push(i64::from(token.0));
            }
            sequence.cache.reserve(sequence.tokens.len())?;
            let (past, new) = (sequence.cache.len(), sequence.tokens.len());
            if sequence.parents.is_empty() {
                positions.extend(past as i64..(past + new) as i64);
                visibilities.push(Visibility::causal(past, new, self.device)?);
            } else {
                let parents: Vec<Option<usize>> = (0..new).map(|at| sequence.parent(at)).collect();
                let tree = Tree::new(&parents)?;
                positions.extend(tree.depths.iter().map(|depth| (past + depth) as i64));
                visibilities.push(tree.visibility(past, self.device)?);
            }
        }
        let angles = self.rope.at(&self.upload(&positions).doing("copying positions")?, self.kind)?;
        let mut hidden = self
            .upload(&ids)
            .and_then(|ids| self.embedding.f_index_select(0, &ids))
            .doing("looking up embeddings")?;
        let mut before: Vec<Option<Tensor>> = exits.iter().map(|_| None).collect();
        for (index, layer) in self.layers.iter().enumerate() {
            for (exit, state) in exits.iter().zip(&mut before) {
                if *exit == index {
                    *state = Some(hidden.shallow_clone());
                }
            }
            hidden = layer.forward(&self.config, index, &hidden, &angles, sequences, &visibilities)?;
        }
        for sequence in sequences.iter_mut() {
            sequence.cache.advance(sequence.tokens.len());
        }
        Ok((self.output_norm.forward(&hidden)?, before.into_iter().flatten().collect()))
    }

    /// The logits of the wanted rows of what [`hidden`](Self::hidden) gave: `[rows, vocab]`, `f32`, contiguous, on the CPU.
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
            return Tensor::f_empty([0, self.vocab_size as i64], (Kind::Float, Device::Cpu))
                .doing("making an empty result");
        }
        let rows = match wanted.len() == first {
            true => hidden.shallow_clone(),
            false => self
                .upload(&wanted)
                .and_then(|wanted| hidden.f_index_select(0, &wanted))
                .doing("choosing the rows whose logits are wanted")?,
        };
        self.output
            .forward(&rows)?
            .f_to_device(Device::Cpu)
            .and_then(|logits| logits.f_to_kind(Kind::Float)?.f_contiguous())
            .doing("copying logits")
    }

    fn upload(&self, numbers: &[i64]) -> Result<Tensor, tch::TchError> {
        Tensor::f_from_slice(numbers).and_then(|list| list.f_to_device(self.device))
    }
}

impl Layer {
    fn load(
        architecture: &Architecture,
        config: &DecoderConfig,
        order: RowOrder,
        index: usize,
        loader: &mut Loader<'_>,
    ) -> Result<Self, TorchError> {
        let role = |part| Role::Layer(index, part);
        let (width, inner) = (config.width as i64, config.inner as i64);
        let attended = (config.heads * config.head_dim) as i64;
        let head_norm = |loader: &mut Loader<'_>, part| match architecture.head_norm {
            Presence::Absent => Ok(None),
            Presence::Optional if !loader.contains(role(part), Member::Weight) => Ok(None),
            _ => norm(loader, role(part), config.head_dim as i64, config.epsilon).map(Some),
        };
        Ok(Self {
            attention_norm: norm(loader, role(Part::AttentionNorm), width, config.epsilon)?,
            query_key_value: query_key_value(architecture, config, order, index, loader)?,
            query_norm: head_norm(loader, Part::QueryNorm)?,
            key_norm: head_norm(loader, Part::KeyNorm)?,
            attention_output: stacked(loader, &[(role(Part::AttentionOutput), width)], attended)?,
            feed_forward_norm: norm(loader, role(Part::FeedForwardNorm), width, config.epsilon)?,
            feed_forward: SwiGlu {
                gate_up: stacked(loader, &[(role(Part::Gate), inner), (role(Part::Up), inner)], width)?,
                down: stacked(loader, &[(role(Part::Down), width)], inner)?,
            },
        })
    }

    fn forward(
        &self,
        config: &DecoderConfig,
        index: usize,
        hidden: &Tensor,
        angles: &(Tensor, Tensor),
        sequences: &mut [TreeInput<'_, KvCache>],
        visibilities: &[Visibility],
    ) -> Result<Tensor, TorchError> {
        let (heads, kv_heads, head_dim) =
            (config.heads as i64, config.kv_heads as i64, config.head_dim as i64);
        let tokens = hidden.size()[0];
        // [tokens, heads + 2 · kv_heads, head_dim]
        let projected = self
            .query_key_value
            .forward(&self.attention_norm.forward(hidden)?)?
            .f_view([tokens, heads + 2 * kv_heads, head_dim])
            .doing("splitting heads")?;
        let part = |tensor: &Tensor, from, count| tensor.f_narrow(1, from, count).doing("splitting heads");
        let mut turning = part(&projected, 0, heads + kv_heads)?;
        if let (Some(query_norm), Some(key_norm)) = (&self.query_norm, &self.key_norm) {
            let queries = query_norm.forward(&part(&turning, 0, heads)?)?;
            let keys = key_norm.forward(&part(&turning, heads, kv_heads)?)?;
            turning = Tensor::f_cat(&[queries, keys], 1).doing("joining heads")?;
        }
        let turned = rotate(&turning, angles)?;
        let values = part(&projected, heads + kv_heads, kv_heads)?;
        let mut attended = Vec::with_capacity(sequences.len());
        let mut first = 0;
        for (sequence, visibility) in sequences.iter_mut().zip(visibilities) {
            let new = sequence.tokens.len() as i64;
            let rows = |tensor: &Tensor| tensor.f_narrow(0, first, new).doing("splitting sequences");
            let turned = rows(&turned)?;
            let (keys, values) =
                sequence.cache.append(index, &part(&turned, heads, kv_heads)?, &rows(&values)?)?;
            attended.push(attention(&part(&turned, 0, heads)?, &keys, &values, visibility)?);
            first += new;
        }
        let attended = match <[Tensor; 1]>::try_from(attended) {
            Ok([only]) => only,
            Err(several) => Tensor::f_cat(&several, 0).doing("joining sequences")?,
        };
        let add = |left: &Tensor, right: Tensor| left.f_add(&right).doing("adding a residual");
        let hidden = add(hidden, self.attention_output.forward(&attended)?)?;
        let inner = self.feed_forward.forward(&self.feed_forward_norm.forward(&hidden)?)?;
        add(&hidden, inner)
    }
}

fn norm(loader: &mut Loader<'_>, role: Role, width: i64, epsilon: f64) -> Result<RmsNorm, TorchError> {
    Ok(RmsNorm { weight: loader.tensor(role, Member::Weight, &[width])?, epsilon })
}

/// The matrices of several roles (each with its number of rows) over the same `columns`, stacked; biases are
/// taken where the file has them, and are zero where only some roles do.
fn stacked(loader: &mut Loader<'_>, roles: &[(Role, i64)], columns: i64) -> Result<Linear, TorchError> {
    let biased = roles.iter().any(|&(role, _)| loader.contains(role, Member::Bias));
    let (mut weights, mut biases) = (Vec::new(), Vec::new());
    for &(role, rows) in roles {
        weights.push(loader.tensor(role, Member::Weight, &[rows, columns])?);
        if biased {
            biases.push(if loader.contains(role, Member::Bias) {
                loader.tensor(role, Member::Bias, &[rows])?
            } else {
                let zeros = Tensor::f_zeros([rows], (Kind::Float, Device::Cpu)).doing("making a bias")?;
                loader.place(&zeros)?
            });
        }
    }
    Ok(Linear { weight: stack(weights)?, bias: if biased { Some(stack(biases)?) } else { None } })
}

fn stack(parts: Vec<Tensor>) -> Result<Tensor, TorchError> {
    match <[Tensor; 1]>::try_from(parts) {
        Ok([only]) => Ok(only),
        Err(several) => Tensor::f_cat(&several, 0).doing("stacking weights"),
    }
}

/// Queries, keys and values of one layer, with the rows of queries and keys in the order that is computed with.
fn query_key_value(
    architecture: &Architecture,
    config: &DecoderConfig,
    order: RowOrder,
    index: usize,
    loader: &mut Loader<'_>,
) -> Result<Linear, TorchError> {
    let parts = [(Part::Query, config.heads), (Part::Key, config.kv_heads), (Part::Value, config.kv_heads)];
    let biased = match architecture.attention_bias {
        Presence::Absent => false,
        Presence::Required => true,
        Presence::Optional => loader.contains(Role::Layer(index, Part::Query), Member::Bias),
    };
    let (mut weights, mut biases) = (Vec::new(), Vec::new());
    for (part, heads) in parts {
        let rows = (heads * config.head_dim) as i64;
        let order = if part == Part::Value { RowOrder::Halves } else { order };
        let role = Role::Layer(index, part);
        let weight = loader.read(role, Member::Weight, &[rows, config.width as i64])?;
        weights.push(loader.place(&in_halves(weight, heads, order)?)?);
        if biased {
            let bias = loader.read(role, Member::Bias, &[rows])?;
            biases.push(loader.place(&in_halves(bias, heads, order)?)?);
        }
    }
    Ok(Linear { weight: stack(weights)?, bias: if biased { Some(stack(biases)?) } else { None } })
}

/// Brings the rows of each head from pairs lying next to each other to pairs lying half a head apart.
fn in_halves(rows: Tensor, heads: usize, order: RowOrder) -> Result<Tensor, TorchError> {
    if order == RowOrder::Halves {
        return Ok(rows);
    }
    let size = rows.size();
    let columns = size.get(1).copied().unwrap_or(1);
    rows.f_reshape([heads as i64, -1, 2, columns])
        .and_then(|pairs| pairs.f_transpose(1, 2)?.f_reshape(&size))
        .doing("reordering the rows of queries and keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_rows_come_into_halves() {
        // Two heads of four rows, one column each.
        let rows = Tensor::from_slice(&[0_i64, 1, 2, 3, 4, 5, 6, 7]).view([8, 1]);
        let turned = in_halves(rows.shallow_clone(), 2, RowOrder::Interleaved).unwrap();
        assert_eq!(Vec::<i64>::try_from(turned.view([-1])).unwrap(), [0, 2, 1, 3, 4, 6, 5, 7]);
        let kept = in_halves(rows, 2, RowOrder::Halves).unwrap();
        assert_eq!(Vec::<i64>::try_from(kept.view([-1])).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
