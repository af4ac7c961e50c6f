//! The parts that decoder-only transformers share: linear layers, RMS normalisation, grouped-query attention
//! and the gated feed-forward network.
//!
//! Activations are `[tokens, width]`: the tokens of all sequences of a batch lie one behind the other, with no
//! padding, so everything but attention is one operation over all of them; attention runs per sequence, over
//! its own cache.

use tch::{Kind, Tensor};

use super::error::{Doing, TorchError};

/// `x Wᵀ + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    /// `[out, in]`.
    pub(crate) weight: Tensor,
    /// `[out]`.
    pub(crate) bias: Option<Tensor>,
}

impl Linear {
    /// The same weights once more.
    pub(crate) fn share(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.as_ref().map(Tensor::shallow_clone) }
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TorchError> {
        input.f_linear(&self.weight, self.bias.as_ref()).doing("multiplying with a weight matrix")
    }
}

/// `x / sqrt(mean(x²) + ε) · g` over the last dimension (Zhang and Sennrich 2019).
#[derive(Debug)]
pub(crate) struct RmsNorm {
    /// `[width]`.
    pub(crate) weight: Tensor,
    pub(crate) epsilon: f64,
}

impl RmsNorm {
    /// The same weights once more.
    pub(crate) fn share(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), epsilon: self.epsilon }
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TorchError> {
        input
            .f_rms_norm(self.weight.size(), Some(&self.weight), self.epsilon)
            .doing("normalising activations")
    }
}

/// `W_down (silu(W_gate x) ⊙ W_up x)` (Shazeer 2020), with gate and up stacked into one matrix.
#[derive(Debug)]
pub(crate) struct SwiGlu {
    /// `[2 · inner, width]`: the rows of the gate, then those of up.
    pub(crate) gate_up: Linear,
    /// `[width, inner]`.
    pub(crate) down: Linear,
}

impl SwiGlu {
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TorchError> {
        let stacked = self.gate_up.forward(input)?;
        let halves = stacked.f_chunk(2, -1).doing("splitting the feed-forward activations")?;
        let inner = halves[0]
            .f_silu()
            .and_then(|gate| gate.f_mul(&halves[1]))
            .doing("gating the feed-forward activations")?;
        self.down.forward(&inner)
    }
}

/// Which earlier positions the new positions of one sequence see.
#[derive(Debug)]
pub(crate) enum Visibility {
    /// One new position, which sees everything.
    All,
    /// Several new positions of an empty cache.
    Causal,
    /// Several new positions behind others, or positions that branch: `[new, all]`, true where a new position sees another.
    Mask(Tensor),
}

impl Visibility {
    /// Every position sees itself and those before it; `new` of them follow `past`.
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

/// New tokens that branch: who sees whom.
pub(crate) struct Tree {
    /// For each token itself and its ancestors.
    seen: Vec<Vec<usize>>,
    /// How many ancestors each token has.
    pub(crate) depths: Vec<usize>,
}

impl Tree {
    /// A tree of as many tokens as there are parents, each of which comes before its children.
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

    /// Every token sees its path and the `past` positions before the tree.
    pub(crate) fn visibility(&self, past: usize, device: tch::Device) -> Result<Visibility, TorchError> {
        let (new, all) = (self.seen.len(), past + self.seen.len());
        let mut bits = vec![false; new * all];
        for (token, path) in self.seen.iter().enumerate() {
            let row = &mut bits[token * all..(token + 1) * all];
            row[..past].fill(true);
            path.iter().for_each(|&ancestor| row[past + ancestor] = true);
        }
        Tensor::f_from_slice(&bits)
            .and_then(|bits| bits.f_view([new as i64, all as i64])?.f_to_device(device))
            .map(Visibility::Mask)
            .doing("building an attention mask")
    }
}

/// `softmax(q kᵀ / sqrt(head_dim)) v`, several query heads to one key–value head (Ainslie et al. 2023).
///
/// `queries` is `[new, heads, head_dim]`, `keys` and `values` are `[1, kv_heads, all, head_dim]`; the result is
/// `[new, heads · head_dim]`.
pub(crate) fn attention(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    visibility: &Visibility,
) -> Result<Tensor, TorchError> {
    let attend = || {
        let size = queries.size();
        let (new, heads, head_dim) = (size[0], size[1], size[2]);
        let kv_heads = keys.size()[1];
        let attended = match visibility {
            // The heads that share keys take the place of positions, so that nothing is repeated in memory.
            Visibility::All => {
                let grouped = queries.f_reshape([1, kv_heads, new * heads / kv_heads, head_dim])?;
                Tensor::f_scaled_dot_product_attention(
                    &grouped,
                    keys,
                    values,
                    None::<&Tensor>,
                    0.0,
                    false,
                    None,
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
                    None,
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
    fn reference(queries: &Tensor, keys: &Tensor, values: &Tensor) -> Tensor {
        let (new, heads) = (queries.size()[0], queries.size()[1]);
        let (kv_heads, all, head_dim) = (keys.size()[1], keys.size()[2], keys.size()[3]);
        let mut rows = Vec::new();
        for position in 0..new {
            for head in 0..heads {
                let seen = all - new + position + 1;
                let keys = keys.get(0).get(head / (heads / kv_heads)).narrow(0, 0, seen);
                let values = values.get(0).get(head / (heads / kv_heads)).narrow(0, 0, seen);
                let query = queries.get(position).get(head);
                let scores = keys.mv(&query) / (head_dim as f64).sqrt();
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
            let visibility = Visibility::causal(past as usize, new as usize, Device::Cpu).unwrap();
            let found = attention(&queries, &keys, &values, &visibility).unwrap();
            let error = (found - reference(&queries, &keys, &values)).abs().max().double_value(&[]);
            assert!(error < 1e-5, "past {past} new {new} heads {heads}/{kv_heads}: {error}");
        }
    }

    #[test]
    fn norm_and_feed_forward_follow_their_formulas() {
        tch::manual_seed(8);
        let input = random(&[3, 6]);
        let norm = RmsNorm { weight: random(&[6]), epsilon: 1e-5 };
        let scale = (input.square().mean_dim(1, true, Kind::Float) + 1e-5).rsqrt();
        let error = (norm.forward(&input).unwrap() - &input * scale * &norm.weight).abs().max();
        assert!(error.double_value(&[]) < 1e-5);

        let (gate, up, down) = (random(&[4, 6]), random(&[4, 6]), random(&[6, 4]));
        let expected = (input.matmul(&gate.tr()).silu() * input.matmul(&up.tr())).matmul(&down.tr());
        let block = SwiGlu {
            gate_up: Linear { weight: Tensor::cat(&[gate, up], 0), bias: None },
            down: Linear { weight: down, bias: None },
        };
        assert!((block.forward(&input).unwrap() - expected).abs().max().double_value(&[]) < 1e-4);
    }

    #[test]
    fn wrong_shapes_are_errors() {
        let block = Linear { weight: random(&[4, 6]), bias: None };
        let message = block.forward(&random(&[2, 5])).unwrap_err().to_string();
        assert!(message.starts_with("libtorch failed while multiplying with a weight matrix: "), "{message}");
    }
}
