//! The parts that decoder-only transformers share: linear layers, normalisation, grouped-query
//! attention and the feed-forward network.
//!
//! Activations are `[tokens, width]`: the tokens of all sequences of a batch stand one after
//! another, without padding. Everything but attention is therefore one operation over all of them.
//! Attention runs once per sequence, over the sequence's own cache.

use tch::{Kind, Tensor};

use super::architecture::{FeedForwardKind, NormKind};
use super::device::upload;
use super::error::{Doing, TorchError};

/// A linear layer: `x Wᵀ + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    /// The matrix W: `[out, in]`.
    pub(crate) weight: Tensor,
    /// The bias b: `[out]`.
    pub(crate) bias: Option<Tensor>,
}

impl Linear {
    /// A second handle of the same weights.
    pub(crate) fn share(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.as_ref().map(Tensor::shallow_clone) }
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TorchError> {
        input.f_linear(&self.weight, self.bias.as_ref()).doing("multiplying with a weight matrix")
    }
}

/// A normalisation over the last dimension: `x / sqrt(mean(x²) + ε) · g` (Zhang and Sennrich 2019),
/// or `(x − mean(x)) / sqrt(var(x) + ε) · g + b` (Ba et al. 2016).
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) kind: NormKind,
    /// The factor g: `[width]`.
    pub(crate) weight: Tensor,
    /// The summand b of the second form.
    pub(crate) bias: Option<Tensor>,
    pub(crate) epsilon: f64,
}

impl Norm {
    /// A second handle of the same weights.
    pub(crate) fn share(&self) -> Self {
        let bias = self.bias.as_ref().map(Tensor::shallow_clone);
        Self { kind: self.kind, weight: self.weight.shallow_clone(), bias, epsilon: self.epsilon }
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TorchError> {
        let (size, weight) = (self.weight.size(), Some(&self.weight));
        match self.kind {
            NormKind::Layer => input.f_layer_norm(size, weight, self.bias.as_ref(), self.epsilon, false),
            NormKind::Rms | NormKind::RmsAroundOne => input.f_rms_norm(size, weight, self.epsilon),
        }
        .doing("normalising activations")
    }
}

/// A feed-forward network: `W_down (f(W_gate x) ⊙ W_up x)` (Shazeer 2020), with gate and up stacked
/// into one matrix; or `W_down f(W_up x)`.
#[derive(Debug)]
pub(crate) struct FeedForward {
    pub(crate) kind: FeedForwardKind,
    /// The stacked matrix, `[2 · inner, width]`: the rows of the gate, then those of up. Without a
    /// gate, `[inner, width]`.
    pub(crate) up: Linear,
    /// The matrix W_down: `[width, inner]`.
    pub(crate) down: Linear,
}

impl FeedForward {
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TorchError> {
        let stacked = self.up.forward(input)?;
        let gated = || -> Result<Tensor, tch::TchError> {
            if self.kind == FeedForwardKind::Gelu {
                return stacked.f_gelu("tanh");
            }
            let halves = stacked.f_chunk(2, -1)?;
            let gate = match self.kind {
                FeedForwardKind::SwiGlu => halves[0].f_silu()?,
                _ => halves[0].f_gelu("tanh")?,
            };
            gate.f_mul(&halves[1])
        };
        self.down.forward(&gated().doing("gating the feed-forward activations")?)
    }
}

/// The positions to which the new positions of one sequence attend.
#[derive(Debug)]
pub(crate) enum Visibility {
    /// One new position, which attends to all positions.
    All,
    /// One new position, which attends to this number of the latest positions, itself included.
    Latest(i64),
    /// Several new positions of an empty cache, each of which attends to itself and the earlier
    /// ones.
    Causal,
    /// Several new positions after others, or positions that branch: `[new, all]`, true if the new
    /// position attends to the other.
    Mask(Tensor),
}

impl Visibility {
    /// As [`causal`](Self::causal), but no position attends to more than the latest `window`
    /// positions.
    pub(crate) fn windowed(
        past: usize,
        new: usize,
        window: usize,
        device: tch::Device,
    ) -> Result<Self, TorchError> {
        if past + new <= window {
            return Self::causal(past, new, device);
        }
        if new == 1 {
            return Ok(Self::Latest(window as i64));
        }
        let (size, past) = ([new as i64, (past + new) as i64], past as i64);
        Tensor::f_ones(size, (Kind::Bool, device))
            .and_then(|ones| ones.f_tril(past)?.f_triu(past + 1 - window as i64))
            .map(Self::Mask)
            .doing("building an attention mask")
    }

    /// Causal attention: every position attends to itself and those before it. `new` positions
    /// follow `past` others.
    pub(crate) fn causal(past: usize, new: usize, device: tch::Device) -> Result<Self, TorchError> {
        Ok(match (past, new) {
            (_, 0 | 1) => Self::All,
            (0, _) => Self::Causal,
            _ => {
                let size = [new as i64, (past + new) as i64];
                let mask =
                    Tensor::f_ones(size, (Kind::Bool, device)).and_then(|ones| ones.f_tril(past as i64));
                Self::Mask(mask.doing("building an attention mask")?)
            }
        })
    }
}

/// New tokens that branch, with their ancestors.
pub(crate) struct Tree {
    /// For each token, the indices of its ancestors, the oldest first, and then its own.
    seen: Vec<Vec<usize>>,
    /// Number of ancestors of each token.
    pub(crate) depths: Vec<usize>,
}

impl Tree {
    /// A tree of as many tokens as there are parents. Each token comes before its children.
    pub(crate) fn new(parents: &[Option<usize>]) -> Result<Self, TorchError> {
        let mut seen: Vec<Vec<usize>> = Vec::with_capacity(parents.len());
        for (token, parent) in parents.iter().enumerate() {
            let mut path = match parent {
                None => Vec::new(),
                Some(parent) if *parent < token => seen[*parent].clone(),
                Some(parent) => return Err(TorchError::TreeOrder { token, parent: *parent }),
            };
            path.push(token);
            seen.push(path);
        }
        let depths = seen.iter().map(|path| path.len() - 1).collect();
        Ok(Self { seen, depths })
    }

    /// The visibility of a tree: every token attends to its path and to the `past` positions before
    /// the tree, but at most to the latest `window` of these.
    pub(crate) fn visibility(
        &self,
        past: usize,
        window: usize,
        device: tch::Device,
    ) -> Result<Visibility, TorchError> {
        let (new, all) = (self.seen.len(), past + self.seen.len());
        let mut bits = vec![false; new * all];
        for (token, path) in self.seen.iter().enumerate() {
            let row = &mut bits[token * all..(token + 1) * all];
            let first = (past + path.len()).saturating_sub(window);
            row[first.min(past)..past].fill(true);
            let before_path = first.saturating_sub(past);
            path[before_path..].iter().for_each(|&ancestor| row[past + ancestor] = true);
        }
        upload(&bits, device)
            .and_then(|bits| bits.f_view([new as i64, all as i64]))
            .map(Visibility::Mask)
            .doing("building an attention mask")
    }
}

/// Grouped-query attention: `softmax(s · q kᵀ) v` with s = `scale`, or 1 / √head_dim if that is
/// `None`. Several query heads share one key–value head (Ainslie et al. 2023).
///
/// `queries` is `[new, heads, head_dim]`; `keys` and `values` are `[1, kv_heads, all, head_dim]`.
/// The result is `[new, heads · head_dim]`.
pub(crate) fn attention(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    visibility: &Visibility,
    scale: Option<f64>,
) -> Result<Tensor, TorchError> {
    let attend = || {
        let size = queries.size();
        let (new, heads, head_dim) = (size[0], size[1], size[2]);
        let kv_heads = keys.size()[1];
        let attended = match visibility {
            // The query heads that share a key head are passed as if they were further positions,
            // so that no key is repeated in memory.
            Visibility::All | Visibility::Latest(_) => {
                let latest = |all: &Tensor| match visibility {
                    Visibility::Latest(count) => all.f_narrow(2, all.size()[2] - count, *count),
                    _ => Ok(all.shallow_clone()),
                };
                let grouped = queries.f_reshape([1, kv_heads, new * heads / kv_heads, head_dim])?;
                Tensor::f_scaled_dot_product_attention(
                    &grouped,
                    &latest(keys)?,
                    &latest(values)?,
                    None::<&Tensor>,
                    0.0,
                    false,
                    scale,
                    false,
                )?
            }
            _ => {
                let (mask, causal) = match visibility {
                    Visibility::Mask(mask) => (Some(mask), false),
                    _ => (None, true),
                };
                Tensor::f_scaled_dot_product_attention(
                    &queries.f_transpose(0, 1)?.f_unsqueeze(0)?,
                    keys,
                    values,
                    mask,
                    0.0,
                    causal,
                    scale,
                    heads != kv_heads,
                )?
                .f_transpose(1, 2)?
            }
        };
        attended.f_reshape([new, heads * head_dim])
    };
    attend().doing("computing attention")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn random(size: &[i64]) -> Tensor {
        Tensor::randn(size, (Kind::Float, Device::Cpu))
    }

    /// Attention by its formula, one head and one position at a time.
    fn reference(queries: &Tensor, keys: &Tensor, values: &Tensor, window: i64, scale: f64) -> Tensor {
        let (new, heads) = (queries.size()[0], queries.size()[1]);
        let (kv_heads, all, head_dim) = (keys.size()[1], keys.size()[2], keys.size()[3]);
        let mut rows = Vec::new();
        for position in 0..new {
            for head in 0..heads {
                let end = all - new + position + 1;
                let seen = end.min(window);
                let keys = keys.get(0).get(head / (heads / kv_heads)).narrow(0, end - seen, seen);
                let values = values.get(0).get(head / (heads / kv_heads)).narrow(0, end - seen, seen);
                let query = queries.get(position).get(head);
                let scores = keys.mv(&query) * scale;
                rows.push(values.tr().mv(&scores.softmax(0, Kind::Float)));
            }
        }
        Tensor::stack(&rows, 0).view([new, heads * head_dim])
    }

    #[test]
    fn attention_follows_its_formula() {
        tch::manual_seed(7);
        for (past, new, heads, kv_heads) in
            [(0, 1, 4, 2), (5, 1, 6, 2), (0, 4, 6, 3), (3, 4, 6, 3), (7, 2, 3, 3), (2, 3, 4, 1)]
        {
            let queries = random(&[new, heads, 8]);
            let (keys, values) =
                (random(&[1, kv_heads, past + new, 8]), random(&[1, kv_heads, past + new, 8]));
            let all = i64::MAX as usize;
            for (window, scale) in
                [(all, None), (1, Some(0.7)), (3, None), (5, None), (past as usize + 1, None)]
            {
                let visibility =
                    Visibility::windowed(past as usize, new as usize, window, Device::Cpu).unwrap();
                let found = attention(&queries, &keys, &values, &visibility, scale).unwrap();
                let scale = scale.unwrap_or(8.0_f64.powf(-0.5));
                let expected = reference(&queries, &keys, &values, window as i64, scale);
                let error = (found - expected).abs().max().double_value(&[]);
                assert!(
                    error < 1e-5,
                    "past {past} new {new} heads {heads}/{kv_heads} window {window}: {error}"
                );
            }
        }
    }

    #[test]
    fn norm_and_feed_forward_follow_their_formulas() {
        tch::manual_seed(8);
        let input = random(&[3, 6]);
        let error = |found: Tensor, expected: Tensor| (found - expected).abs().max().double_value(&[]);
        let (weight, bias) = (random(&[6]), random(&[6]));
        let norm = |kind, bias: Option<&Tensor>| {
            let bias = bias.map(Tensor::shallow_clone);
            Norm { kind, weight: weight.shallow_clone(), bias, epsilon: 1e-5 }.forward(&input).unwrap()
        };
        let scale = |of: &Tensor| (of.square().mean_dim(1, true, Kind::Float) + 1e-5).rsqrt();
        assert!(error(norm(NormKind::Rms, None), &input * scale(&input) * &weight) < 1e-5);
        let centred = &input - input.mean_dim(1, true, Kind::Float);
        let expected = &centred * scale(&centred) * &weight + &bias;
        assert!(error(norm(NormKind::Layer, Some(&bias)), expected) < 1e-5);

        let (gate, up, down) = (random(&[4, 6]), random(&[4, 6]), random(&[6, 4]));
        let gelu = |x: Tensor| {
            let inner = (&x + x.pow_tensor_scalar(3) * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
            x * (inner.tanh() + 1.0) * 0.5
        };
        let (gated, plain) = (input.matmul(&gate.tr()), input.matmul(&up.tr()));
        let both = || Tensor::cat(&[&gate, &up], 0);
        for (kind, up, expected) in [
            (FeedForwardKind::SwiGlu, both(), gated.silu() * &plain),
            (FeedForwardKind::GeGlu, both(), gelu(gated.shallow_clone()) * &plain),
            (FeedForwardKind::Gelu, up.shallow_clone(), gelu(plain.shallow_clone())),
        ] {
            let (up, down) = (Linear { weight: up, bias: None }, down.shallow_clone());
            let expected = expected.matmul(&down.tr());
            let block = FeedForward { kind, up, down: Linear { weight: down, bias: None } };
            assert!(error(block.forward(&input).unwrap(), expected) < 1e-4, "{kind:?}");
        }
    }

    #[test]
    fn trees_see_their_path_and_a_window_of_the_past() {
        let tree = Tree::new(&[None, Some(0), Some(0), Some(2)]).unwrap();
        let rows = |window| {
            let Visibility::Mask(mask) = tree.visibility(3, window, Device::Cpu).unwrap() else { panic!() };
            let rows: Vec<Vec<i64>> =
                (0..4).map(|row| Vec::try_from(mask.get(row).to_kind(Kind::Int64)).unwrap()).collect();
            rows
        };
        let whole =
            [[1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 1, 0], [1, 1, 1, 1, 0, 1, 1]];
        assert_eq!(rows(99), whole);
        let three =
            [[0, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 0, 1, 0], [0, 0, 0, 1, 0, 1, 1]];
        assert_eq!(rows(3), three);
        let two =
            [[0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 0, 1, 0], [0, 0, 0, 0, 0, 1, 1]];
        assert_eq!(rows(2), two);
    }

    #[test]
    fn wrong_shapes_are_errors() {
        let block = Linear { weight: random(&[4, 6]), bias: None };
        let message = block.forward(&random(&[2, 5])).unwrap_err().to_string();
        assert!(message.starts_with("libtorch failed while multiplying with a weight matrix: "), "{message}");
    }
}
