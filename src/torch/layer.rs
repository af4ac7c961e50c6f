//! One layer of a decoder: attention and a feed-forward network, each added to its input.
//!
//! All architectures use this layer; a part that an architecture does not have is `None`.
//! Projections with the same input are stacked into one matrix at load, which gives fewer and
//! larger products.

use tch::{Device, Kind, Tensor};

use super::architecture::{
    Architecture, DecoderConfig, FeedForwardKind, Format, NormKind, Presence, RowOrder,
};
use super::blocks::{FeedForward, Linear, Norm, Visibility, attention};
use super::cache::KvCache;
use super::error::{Doing, TorchError};
use super::rope::rotate;
use super::weights::{Loader, Member, Part, Role};
use crate::decode::TreeInput;

/// The range of a layer's attention: all earlier positions, or a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All earlier positions.
    Global,
    /// A window of the latest positions.
    Local,
}

/// The positional data of a pass for all layers of one reach.
pub(crate) struct View {
    /// The rotary angles; `None` if positions are learned.
    pub(crate) angles: Option<(Tensor, Tensor)>,
    /// The visibility of positions, for each sequence.
    pub(crate) visibilities: Vec<Visibility>,
}

#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) reach: Reach,
    attention_norm: Norm,
    /// The stacked projections: rows of the queries, then of the keys, then of the values.
    query_key_value: Linear,
    query_norm: Option<Norm>,
    key_norm: Option<Norm>,
    attention_output: Linear,
    attention_post_norm: Option<Norm>,
    feed_forward_norm: Norm,
    feed_forward: FeedForward,
    feed_forward_post_norm: Option<Norm>,
}

// SAFETY: as for `Decoder`: private tensors that are only read once they are loaded.
#[allow(unsafe_code)]
unsafe impl Sync for Layer {}

impl Layer {
    pub(crate) fn load(
        architecture: &Architecture,
        config: &DecoderConfig,
        format: Format,
        index: usize,
        loader: &mut Loader<'_>,
    ) -> Result<Self, TorchError> {
        let role = |part| Role::Layer(index, part);
        let (width, inner) = (config.width as i64, config.inner as i64);
        let attended = (config.heads * config.head_dim) as i64;
        let norm = |loader: &mut Loader<'_>, part, size| {
            norm(architecture, format, loader, role(part), size, config.epsilon)
        };
        let optional = |loader: &mut Loader<'_>, presence, part, size| match presence {
            Presence::Absent => Ok(None),
            Presence::Optional if !loader.contains(role(part), Member::Weight) => Ok(None),
            _ => norm(loader, part, size).map(Some),
        };
        let head_norm = |loader: &mut Loader<'_>, part| {
            optional(loader, architecture.head_norm, part, config.head_dim as i64)
        };
        let post_norm =
            |loader: &mut Loader<'_>, part| optional(loader, architecture.post_norms, part, width);
        let biases = config.biases;
        let rows_of = |part, rows| StackedPart::new(role(part), rows);
        let up: &[_] = match architecture.feed_forward {
            FeedForwardKind::Gelu => &[rows_of(Part::Up, inner)],
            _ => &[rows_of(Part::Gate, inner), rows_of(Part::Up, inner)],
        };
        let local = config.local.as_ref().and_then(|local| local.layers.get(index));
        Ok(Self {
            reach: if local == Some(&true) { Reach::Local } else { Reach::Global },
            attention_norm: norm(loader, Part::AttentionNorm, width)?,
            query_key_value: query_key_value(config, architecture.row_order(format), index, loader)?,
            query_norm: head_norm(loader, Part::QueryNorm)?,
            key_norm: head_norm(loader, Part::KeyNorm)?,
            attention_output: stacked(
                loader,
                &[rows_of(Part::AttentionOutput, width)],
                attended,
                biases.output,
            )?,
            attention_post_norm: post_norm(loader, Part::AttentionPostNorm)?,
            feed_forward_norm: norm(loader, Part::FeedForwardNorm, width)?,
            feed_forward: FeedForward {
                kind: architecture.feed_forward,
                up: stacked(loader, up, width, biases.feed_forward)?,
                down: stacked(loader, &[rows_of(Part::Down, width)], inner, biases.feed_forward)?,
            },
            feed_forward_post_norm: post_norm(loader, Part::FeedForwardPostNorm)?,
        })
    }

    /// Computes the layer: `[tokens, width]` to `[tokens, width]`. Keys and values are appended to
    /// each sequence's cache, as those of layer `index`.
    pub(crate) fn forward(
        &self,
        config: &DecoderConfig,
        index: usize,
        hidden: &Tensor,
        view: &View,
        sequences: &mut [TreeInput<'_, KvCache>],
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
        let turned = match &view.angles {
            Some(angles) => rotate(&turning, angles)?,
            None => turning,
        };
        let values = part(&projected, heads + kv_heads, kv_heads)?;
        let mut attended = Vec::with_capacity(sequences.len());
        let mut first = 0;
        for (sequence, visibility) in sequences.iter_mut().zip(&view.visibilities) {
            let new = sequence.tokens.len() as i64;
            let rows = |tensor: &Tensor| tensor.f_narrow(0, first, new).doing("splitting sequences");
            let turned = rows(&turned)?;
            let (keys, values) =
                sequence.cache.append(index, &part(&turned, heads, kv_heads)?, &rows(&values)?)?;
            let queries = part(&turned, 0, heads)?;
            attended.push(attention(&queries, &keys, &values, visibility, config.attention_scale)?);
            first += new;
        }
        let attended = match <[Tensor; 1]>::try_from(attended) {
            Ok([only]) => only,
            Err(several) => Tensor::f_cat(&several, 0).doing("joining sequences")?,
        };
        let add = |left: &Tensor, right: Tensor, norm: &Option<Norm>| {
            let right = match norm {
                Some(norm) => norm.forward(&right)?,
                None => right,
            };
            left.f_add(&right).doing("adding a residual")
        };
        let hidden = add(hidden, self.attention_output.forward(&attended)?, &self.attention_post_norm)?;
        let inner = self.feed_forward.forward(&self.feed_forward_norm.forward(&hidden)?)?;
        add(&hidden, inner, &self.feed_forward_post_norm)
    }
}

/// A normalisation of vectors of `size` numbers.
pub(crate) fn norm(
    architecture: &Architecture,
    format: Format,
    loader: &mut Loader<'_>,
    role: Role,
    size: i64,
    epsilon: f64,
) -> Result<Norm, TorchError> {
    let (mut weight, mut bias) = (loader.read(role, Member::Weight, &[size])?, None);
    match architecture.norm {
        NormKind::Rms => {}
        NormKind::Layer => bias = Some(loader.tensor(role, Member::Bias, &[size])?),
        NormKind::RmsAroundOne => {
            if format == Format::HuggingFace {
                let sum = weight.f_to_kind(Kind::Float).and_then(|weight| weight.f_add_scalar(1.0));
                weight = sum.doing("reading the weights of a norm")?;
            }
        }
    }
    Ok(Norm { kind: architecture.norm, weight: loader.place(&weight)?, bias, epsilon })
}

/// A part of a stacked matrix: its role and its number of rows, and the heads whose rows the file
/// has in another order than `rope` expects.
struct StackedPart {
    role: Role,
    rows: i64,
    reordered: Option<(usize, RowOrder)>,
}

impl StackedPart {
    fn new(role: Role, rows: i64) -> Self {
        Self { role, rows, reordered: None }
    }

    fn arrange(&self, rows: Tensor) -> Result<Tensor, TorchError> {
        match self.reordered {
            Some((heads, order)) => in_halves(rows, heads, order),
            None => Ok(rows),
        }
    }
}

/// The matrices of several parts over the same `columns`, stacked. If only some parts have an
/// optional bias, the others get zeros.
fn stacked(
    loader: &mut Loader<'_>,
    parts: &[StackedPart],
    columns: i64,
    bias: Presence,
) -> Result<Linear, TorchError> {
    let biased = match bias {
        Presence::Absent => false,
        Presence::Required => true,
        Presence::Optional => parts.iter().any(|part| loader.contains(part.role, Member::Bias)),
    };
    let (mut weights, mut biases) = (Vec::new(), Vec::new());
    for part in parts {
        let weight = loader.read_matrix(part.role, part.rows, columns)?;
        weights.push(loader.place(&part.arrange(weight)?)?);
        if biased {
            let bias = match bias == Presence::Required || loader.contains(part.role, Member::Bias) {
                true => part.arrange(loader.read(part.role, Member::Bias, &[part.rows])?)?,
                false => Tensor::f_zeros([part.rows], (Kind::Float, Device::Cpu)).doing("making a bias")?,
            };
            biases.push(loader.place(&bias)?);
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

/// The stacked projections of queries, keys and values of one layer, with the rows of queries and
/// keys in the order that `rope` expects. `order` is the order of the rows in the file.
fn query_key_value(
    config: &DecoderConfig,
    order: RowOrder,
    index: usize,
    loader: &mut Loader<'_>,
) -> Result<Linear, TorchError> {
    let (columns, bias) = (config.width as i64, config.biases.inputs);
    let together = Role::Layer(index, Part::QueryKeyValue);
    if loader.contains(together, Member::Weight) {
        let rows = ((config.heads + 2 * config.kv_heads) * config.head_dim) as i64;
        return stacked(loader, &[StackedPart::new(together, rows)], columns, bias);
    }
    let part = |part, heads: usize, reordered| {
        let rows = (heads * config.head_dim) as i64;
        StackedPart { role: Role::Layer(index, part), rows, reordered }
    };
    let (heads, kv_heads) = (config.heads, config.kv_heads);
    let parts = [
        part(Part::Query, heads, Some((heads, order))),
        part(Part::Key, kv_heads, Some((kv_heads, order))),
        part(Part::Value, kv_heads, None),
    ];
    stacked(loader, &parts, columns, bias)
}

/// Reorders the rows of each head from adjacent pairs to pairs half a head apart: 0, 1, 2, 3
/// becomes 0, 2, 1, 3.
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
