//! Models made of models: two opinions on the next token become one.
//!
//! Each of these is a [`LanguageModel`] itself, with a cache for each opinion, so every strategy, constraint and sampler
//! works on top of it. Rows are mixed on the host, two passes over each. The price beside that is the second opinion: a
//! second sequence in the same pass ([`Guided`]), a smaller model's pass ([`Contrasted`]), or the output matrix once for
//! each layer looked at ([`Dola`]).

use super::model::{ForwardInput, LanguageModel, Logits, ModelError};
use crate::sampling::logprobs;
use crate::vocab::TokenId;

/// ln of the probability of what a model has no token for: about that of the rarest.
const UNEXPECTED: f32 = -30.0;

/// Classifier-free guidance: away from what the model would say behind another prompt.
///
/// A row is log p₋ + s·(log p − log p₋), where p stands behind the prompt and p₋ behind the negative prompt, both with the
/// output so far; s = 1 is the model as it is. Rows inside the prompt are the model's own. Sanchez et al. 2023; as Hugging Face's
/// `guidance_scale`.
///
/// ```
/// use hedgerow::decode::{Guided, LanguageModel};
/// use hedgerow::vocab::TokenId;
///
/// fn guided<M: LanguageModel>(model: M, prompt: &[TokenId]) -> Guided<M> {
///     // Without a negative prompt of one's own, the prompt's last token alone is usual.
///     Guided::new(model, prompt.len(), prompt[prompt.len() - 1..].to_vec(), 1.5)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Guided<M> {
    model: M,
    prompt: usize,
    negative: Vec<TokenId>,
    scale: f32,
}

/// The caches of a [`Guided`] model.
#[derive(Debug)]
pub struct GuidedCache<C> {
    positive: C,
    /// Empty until the prompt has been read.
    negative: C,
}

impl<M: LanguageModel> Guided<M> {
    /// Guidance of strength `scale` behind prompts of `prompt` tokens (at least 1), away from `negative` (at least one token).
    pub fn new(model: M, prompt: usize, negative: Vec<TokenId>, scale: f32) -> Self {
        Self { model, prompt: prompt.max(1), negative, scale }
    }
}

impl<M: LanguageModel> LanguageModel for Guided<M> {
    type Cache = GuidedCache<M::Cache>;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn context_length(&self) -> usize {
        self.model.context_length().saturating_sub(self.negative.len().saturating_sub(self.prompt))
    }

    fn new_cache(&self) -> Result<Self::Cache, ModelError> {
        Ok(GuidedCache { positive: self.model.new_cache()?, negative: self.model.new_cache()? })
    }

    fn cache_len(&self, cache: &Self::Cache) -> usize {
        self.model.cache_len(&cache.positive)
    }

    fn truncate(&self, cache: &mut Self::Cache, len: usize) -> Result<(), ModelError> {
        self.model.truncate(&mut cache.positive, len)?;
        let output = len.checked_sub(self.prompt).map_or(0, |output| self.negative.len() + output);
        let held = self.model.cache_len(&cache.negative);
        self.model.truncate(&mut cache.negative, output.min(held))
    }

    fn fork(&self, cache: &Self::Cache) -> Result<Self::Cache, ModelError> {
        Ok(GuidedCache {
            positive: self.model.fork(&cache.positive)?,
            negative: self.model.fork(&cache.negative)?,
        })
    }

    fn forward(&self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Logits, ModelError> {
        // Where each input's output begins among its tokens, and what is read behind the negative prompt.
        let mut shares = Vec::with_capacity(batch.len());
        for input in batch.iter() {
            let past = self.model.cache_len(&input.cache.positive);
            let reaches = past + input.tokens.len() >= self.prompt;
            let output = self.prompt.saturating_sub(past).min(input.tokens.len());
            let mut tokens = match self.model.cache_len(&input.cache.negative) {
                0 if reaches => self.negative.clone(),
                _ => Vec::new(),
            };
            tokens.extend_from_slice(&input.tokens[output..]);
            shares.push((output, tokens));
        }
        let mut inputs = Vec::with_capacity(2 * batch.len());
        let mut rows = Vec::with_capacity(batch.len());
        for (input, (_, tokens)) in batch.iter_mut().zip(&shares) {
            let GuidedCache { positive, negative } = &mut *input.cache;
            rows.push(input.rows.range(input.tokens.len()));
            inputs.push(ForwardInput { tokens: input.tokens, cache: positive, rows: input.rows });
            if !tokens.is_empty() {
                inputs.push(ForwardInput { tokens, cache: negative, rows: input.rows });
            }
        }
        let logits = self.model.forward(&mut inputs)?;
        let mut values = Vec::new();
        let mut at = 0;
        for (rows, (output, tokens)) in rows.iter().zip(&shares) {
            let (positive, negative) = (at, at + 1);
            at += 1 + usize::from(!tokens.is_empty());
            for (number, token) in rows.clone().enumerate() {
                let row = logits.row(positive, number).ok_or(ModelError::NoRow)?;
                if token + 1 < *output || tokens.is_empty() {
                    values.extend_from_slice(row);
                    continue;
                }
                // The last rows of both stand behind the same token.
                let from_end = rows.end - token;
                let other =
                    logits.rows(negative).checked_sub(from_end).and_then(|row| logits.row(negative, row));
                let (with, without) = (normalised(row)?, normalised(other.ok_or(ModelError::NoRow)?)?);
                values.extend(with.iter().zip(without).map(|(with, without)| {
                    if *with == f32::NEG_INFINITY {
                        return f32::NEG_INFINITY;
                    }
                    (without + self.scale * (with - without)).max(f32::MIN)
                }));
            }
        }
        Logits::new(values, self.vocab_size(), rows.into_iter().map(|rows| rows.len()))
    }
}

/// Contrastive decoding: what an expert says more than an amateur.
///
/// Tokens with p(x) ≥ α·max p keep (1 + β)·log p(x) − β·log p₋(x), where p is the expert's and p₋ the amateur's law; the others
/// get −∞. Li et al. 2023, in the form of O'Brien & Lewis 2023; usual: α 0.1, β 0.5. The amateur must have the expert's tokens.
#[derive(Clone, Debug)]
pub struct Contrasted<E, A> {
    expert: E,
    amateur: A,
    plausibility: f32,
    strength: f32,
}

impl<E: LanguageModel, A: LanguageModel> Contrasted<E, A> {
    /// The expert against the amateur, with α = `plausibility` in (0, 1] and β = `strength` ≥ 0.
    pub fn new(expert: E, amateur: A, plausibility: f32, strength: f32) -> Self {
        Self { expert, amateur, plausibility, strength }
    }
}

impl<E: LanguageModel, A: LanguageModel> LanguageModel for Contrasted<E, A> {
    type Cache = (E::Cache, A::Cache);

    fn vocab_size(&self) -> usize {
        self.expert.vocab_size()
    }

    fn context_length(&self) -> usize {
        self.expert.context_length().min(self.amateur.context_length())
    }

    fn new_cache(&self) -> Result<Self::Cache, ModelError> {
        Ok((self.expert.new_cache()?, self.amateur.new_cache()?))
    }

    fn cache_len(&self, cache: &Self::Cache) -> usize {
        self.expert.cache_len(&cache.0)
    }

    fn truncate(&self, cache: &mut Self::Cache, len: usize) -> Result<(), ModelError> {
        self.expert.truncate(&mut cache.0, len)?;
        self.amateur.truncate(&mut cache.1, len)
    }

    fn fork(&self, cache: &Self::Cache) -> Result<Self::Cache, ModelError> {
        Ok((self.expert.fork(&cache.0)?, self.amateur.fork(&cache.1)?))
    }

    fn forward(&self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Logits, ModelError> {
        let mut experts = Vec::with_capacity(batch.len());
        let mut amateurs = Vec::with_capacity(batch.len());
        for ForwardInput { tokens, cache, rows } in batch.iter_mut() {
            let (expert, amateur) = &mut **cache;
            experts.push(ForwardInput { tokens, cache: expert, rows: *rows });
            amateurs.push(ForwardInput { tokens, cache: amateur, rows: *rows });
        }
        let expert = self.expert.forward(&mut experts)?;
        let amateur = self.amateur.forward(&mut amateurs)?;
        let (size, floor) = (self.vocab_size(), self.plausibility.ln());
        let counts: Vec<usize> = (0..expert.inputs()).map(|input| expert.rows(input)).collect();
        let mut values = Vec::new();
        for (input, &count) in counts.iter().enumerate() {
            for row in 0..count {
                let of = |logits: &Logits| normalised(logits.row(input, row).ok_or(ModelError::NoRow)?);
                let (expert, mut amateur) = (of(&expert)?, of(&amateur)?);
                // What an amateur with a narrower output does not know, it does not expect.
                amateur.resize(size, UNEXPECTED);
                values.extend(subtracted(&expert, &amateur, floor, 1.0 + self.strength, self.strength));
            }
        }
        Logits::new(values, size, counts)
    }
}

/// A model whose layers can be asked for logits of their own.
pub trait EarlyExit: LanguageModel {
    /// Number of layers.
    fn layers(&self) -> usize;

    /// As [`forward`](LanguageModel::forward): the model's logits, then for each of `exits` those of the output matrix on the
    /// hidden state as it is before the layer of this number (0 is the embedding), not normalised.
    ///
    /// # Errors
    /// As `forward`; [`ModelError::Unsupported`] for a layer that there is not.
    fn forward_exits(
        &self,
        batch: &mut [ForwardInput<'_, Self::Cache>],
        exits: &[usize],
    ) -> Result<Vec<Logits>, ModelError>;
}

impl<M: EarlyExit + ?Sized> EarlyExit for &M {
    fn layers(&self) -> usize {
        (**self).layers()
    }

    fn forward_exits(
        &self,
        batch: &mut [ForwardInput<'_, Self::Cache>],
        exits: &[usize],
    ) -> Result<Vec<Logits>, ModelError> {
        (**self).forward_exits(batch, exits)
    }
}

/// Decoding by contrasting layers: what the whole model says more than the layer it has changed its mind since most.
///
/// Of the layers given, the one whose law differs most from the final one (by the Jensen–Shannon divergence) is premature.
/// Tokens with p(x) ≥ 0.1·max p keep log p(x) − log p_premature(x), the others get −∞. Chuang et al. 2024, as their code and Hugging
/// Face transformers 4.50 (`dola_layers`) have it; a repetition penalty of 1.2 is usual beside it.
#[derive(Clone, Debug)]
pub struct Dola<M> {
    model: M,
    layers: Vec<usize>,
}

impl<M: EarlyExit> Dola<M> {
    /// Contrasts the model with its own layers, at least one, each below the number of layers.
    pub fn new(model: M, layers: Vec<usize>) -> Self {
        Self { model, layers }
    }
}

impl<M: EarlyExit> LanguageModel for Dola<M> {
    type Cache = M::Cache;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn context_length(&self) -> usize {
        self.model.context_length()
    }

    fn new_cache(&self) -> Result<Self::Cache, ModelError> {
        self.model.new_cache()
    }

    fn cache_len(&self, cache: &Self::Cache) -> usize {
        self.model.cache_len(cache)
    }

    fn truncate(&self, cache: &mut Self::Cache, len: usize) -> Result<(), ModelError> {
        self.model.truncate(cache, len)
    }

    fn fork(&self, cache: &Self::Cache) -> Result<Self::Cache, ModelError> {
        self.model.fork(cache)
    }

    fn forward(&self, batch: &mut [ForwardInput<'_, Self::Cache>]) -> Result<Logits, ModelError> {
        let all = self.model.forward_exits(batch, &self.layers)?;
        let Some((last, exits)) = all.split_first() else { return Err(ModelError::NoRow) };
        let counts: Vec<usize> = (0..last.inputs()).map(|input| last.rows(input)).collect();
        let mut values = Vec::new();
        for (input, &count) in counts.iter().enumerate() {
            for row in 0..count {
                let of = |logits: &Logits| normalised(logits.row(input, row).ok_or(ModelError::NoRow)?);
                let last = of(last)?;
                let mut premature: Option<(f64, Vec<f32>)> = None;
                for exit in exits {
                    let exit = of(exit)?;
                    let divergence = divergence(&last, &exit);
                    if premature.as_ref().is_none_or(|(most, _)| divergence > *most) {
                        premature = Some((divergence, exit));
                    }
                }
                let (_, premature) = premature.ok_or(ModelError::NoRow)?;
                values.extend(subtracted(&last, &premature, 0.1f32.ln(), 1.0, 1.0));
            }
        }
        Logits::new(values, self.vocab_size(), counts)
    }
}

/// ln softmax of a row of some model.
fn normalised(row: &[f32]) -> Result<Vec<f32>, ModelError> {
    logprobs::log_softmax(row).map_err(ModelError::backend)
}

/// `a · with − b · without` for tokens within `floor` of the likeliest; −∞ for the others.
fn subtracted<'a>(
    with: &'a [f32],
    without: &'a [f32],
    floor: f32,
    a: f32,
    b: f32,
) -> impl Iterator<Item = f32> + 'a {
    let least = with.iter().copied().fold(f32::NEG_INFINITY, f32::max) + floor.min(0.0);
    with.iter().zip(without).map(move |(&with, &without)| match with >= least {
        true => (a * with - b * without).clamp(f32::MIN, f32::MAX),
        false => f32::NEG_INFINITY,
    })
}

/// Σ m·(2 ln m − ln p − ln q) / 2 with m = (p + q) / 2, up to a constant factor.
fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let both = p.iter().zip(q).map(|(&p, &q)| (f64::from(p), f64::from(q)));
    both.filter(|(p, q)| p.is_finite() && q.is_finite())
        .map(|(p, q)| {
            let mean = 0.5 * (p.exp() + q.exp());
            if mean > 0.0 {
                mean * (2.0 * mean.ln() - p - q)
            } else {
                0.0
            }
        })
        .sum()
}
