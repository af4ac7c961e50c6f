//! Models that combine the logits of two models, prompts or layers.
//!
//! Each of them is a [`LanguageModel`] itself, with a cache for each part, so every strategy,
//! constraint and sampler works with it. Rows are mixed on the host, with two passes over each. The
//! further cost is the second row of logits: a second sequence in the same pass ([`Guided`]), a
//! smaller model's pass ([`ContrastiveDecoding`]), or one product with the output matrix for each
//! layer considered ([`Dola`]).

use super::logits::{Logits, ModelError};
use super::model::{ForwardInput, LanguageModel};
use crate::sampling::logprobs;
use crate::vocab::TokenId;

/// Log-probability of a token that the amateur model does not have: about that of the rarest
/// tokens.
const MISSING_LOGPROB: f32 = -30.0;

/// Classifier-free guidance: moves the logits away from those after another, negative prompt.
///
/// A row is log p₋ + s·(log p − log p₋). Here p is the distribution after the prompt and the output
/// so far, and p₋ the one after the negative prompt and the output so far. With s = 1 the model is
/// unchanged. Rows inside the prompt are the model's own.
///
/// Source: Sanchez et al. 2023; the same as Hugging Face's `guidance_scale`.
///
/// ```
/// use hedgerow::decode::{Guided, LanguageModel};
/// use hedgerow::vocab::TokenId;
///
/// fn guided<M: LanguageModel>(model: M, prompt: &[TokenId]) -> Guided<M> {
///     // Without a separate negative prompt, the prompt's last token alone is usual.
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
    /// The cache of the negative prompt; empty until the prompt has been read.
    negative: C,
}

impl<M: LanguageModel> Guided<M> {
    /// Guidance of strength `scale`, away from the negative prompt `negative` (at least one token).
    /// All requests must have prompts of `prompt` tokens (at least 1).
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
        // For each input: the index in its tokens at which the output begins, and the tokens to
        // read after the negative prompt.
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
                // The last rows of both sequences belong to the same token, so rows are counted
                // from the end.
                let from_end = rows.end - token;
                let other =
                    logits.rows(negative).checked_sub(from_end).and_then(|row| logits.row(negative, row));
                let (with, without) = (normalised(row)?, normalised(other.ok_or(ModelError::NoRow)?)?);
                values.extend(with.iter().zip(without).map(|(with, without)| {
                    if *with == f32::NEG_INFINITY {
                        return f32::NEG_INFINITY;
                    }
                    let mixed = without + self.scale * (with - without);
                    // A sampler refuses logits that are no numbers.
                    if mixed.is_nan() { mixed } else { mixed.max(f32::MIN) }
                }));
            }
        }
        Logits::new(values, self.vocab_size(), rows.into_iter().map(|rows| rows.len()))
    }
}

/// Contrastive decoding: raises the tokens that an expert model prefers more than an amateur model
/// does.
///
/// Tokens with p(x) ≥ α·max p get the logit (1 + β)·log p(x) − β·log p₋(x), where p is the expert's
/// distribution and p₋ the amateur's. All others get −∞. The maximum is that over the tokens that
/// the constraint allows. Usual values are α = 0.1 and β = 0.5. The amateur must have the expert's
/// tokens; see [`check_partner`](super::check_partner).
///
/// Source: Li et al. 2023, in the form of O'Brien & Lewis 2023.
#[derive(Clone, Debug)]
pub struct ContrastiveDecoding<E, A> {
    expert: E,
    amateur: A,
    plausibility: f32,
    strength: f32,
}

impl<E: LanguageModel, A: LanguageModel> ContrastiveDecoding<E, A> {
    /// Contrasts the expert with the amateur, with α = `plausibility` in (0, 1] and β = `strength`
    /// ≥ 0.
    pub fn new(expert: E, amateur: A, plausibility: f32, strength: f32) -> Self {
        Self { expert, amateur, plausibility, strength }
    }
}

impl<E: LanguageModel, A: LanguageModel> LanguageModel for ContrastiveDecoding<E, A> {
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
        contrasted(&expert, self.plausibility, |at, expert| {
            let mut amateur = at.logprobs(&amateur)?;
            // An amateur with a narrower output gives the tokens that it lacks a very low
            // probability.
            amateur.resize(expert.len(), MISSING_LOGPROB);
            Ok(subtracted(expert, &amateur, 1.0 + self.strength, self.strength))
        })
    }
}

/// A model that can give the logits of its inner layers.
pub trait EarlyExit: LanguageModel {
    /// Number of layers.
    fn layers(&self) -> usize;

    /// As [`forward`](LanguageModel::forward): first the model's logits, then one [`Logits`] for
    /// each of `exits`.
    ///
    /// The logits of an exit are the product of the output matrix with the hidden state before the
    /// layer of this number, where 0 is the embedding. The hidden state is not normalised.
    ///
    /// # Errors
    /// As `forward`; [`ModelError::Unsupported`] for a layer that does not exist.
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

/// Decoding by contrasting layers (DoLa): contrasts the model's output with that of an inner layer.
///
/// The contrasted layer is the one of the given layers whose distribution differs most from the
/// final one, by the Jensen–Shannon divergence. Tokens with p(x) ≥ 0.1·max p, the maximum over the
/// tokens that the constraint allows, get the logit log p(x) − log p_layer(x); all others get −∞. A
/// repetition penalty of 1.2 is usual with it.
///
/// Source: Chuang et al. 2024, as in their code and in Hugging Face transformers 4.50
/// (`dola_layers`).
#[derive(Clone, Debug)]
pub struct Dola<M> {
    model: M,
    layers: Vec<usize>,
}

impl<M: EarlyExit> Dola<M> {
    /// Contrasts the model with its own layers: at least one, each below the number of layers.
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
        contrasted(last, 0.1, |at, last| {
            let mut premature: Option<(f64, Vec<f32>)> = None;
            for exit in exits {
                let exit = at.logprobs(exit)?;
                let divergence = divergence(last, &exit);
                if premature.as_ref().is_none_or(|(most, _)| divergence > *most) {
                    premature = Some((divergence, exit));
                }
            }
            let (_, premature) = premature.ok_or(ModelError::NoRow)?;
            Ok(subtracted(last, &premature, 1.0, 1.0))
        })
    }
}

/// The place of a row among logits.
#[derive(Clone, Copy)]
struct RowPlace {
    input: usize,
    row: usize,
}

impl RowPlace {
    /// The log-softmax of the row at this place.
    fn logprobs(self, logits: &Logits) -> Result<Vec<f32>, ModelError> {
        normalised(logits.row(self.input, self.row).ok_or(ModelError::NoRow)?)
    }
}

/// Logits that `contrast` makes of each row of `model`, given its place and its log-softmax. A
/// token is plausible if `model` gives it at least the share `plausibility` of the probability of
/// the most probable one.
fn contrasted(
    model: &Logits,
    plausibility: f32,
    contrast: impl Fn(RowPlace, &[f32]) -> Result<Vec<f32>, ModelError>,
) -> Result<Logits, ModelError> {
    let counts: Vec<usize> = (0..model.inputs()).map(|input| model.rows(input)).collect();
    let (mut values, mut references) = (Vec::new(), Vec::new());
    for (input, &count) in counts.iter().enumerate() {
        for row in 0..count {
            let at = RowPlace { input, row };
            let logprobs = at.logprobs(model)?;
            values.extend(contrast(at, &logprobs)?);
            references.extend(logprobs);
        }
    }
    Logits::new(values, model.vocab_size(), counts)?.with_plausibility(references, plausibility.ln())
}

/// The log-softmax of a row.
fn normalised(row: &[f32]) -> Result<Vec<f32>, ModelError> {
    logprobs::log_softmax(row).map_err(ModelError::backend)
}

/// The logits `a · with − b · without`; −∞ where `with` is.
fn subtracted(with: &[f32], without: &[f32], a: f32, b: f32) -> Vec<f32> {
    let difference = |(&with, &without): (&f32, &f32)| match with > f32::NEG_INFINITY {
        true => (a * with - b * without).clamp(f32::MIN, f32::MAX),
        false => f32::NEG_INFINITY,
    };
    with.iter().zip(without).map(difference).collect()
}

/// The Jensen–Shannon divergence of two distributions, up to a constant factor: Σ m·(2 ln m − ln p
/// − ln q) / 2 with m = (p + q) / 2.
fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let both = p.iter().zip(q).map(|(&p, &q)| (f64::from(p), f64::from(q)));
    both.filter(|(p, q)| p.is_finite() && q.is_finite())
        .map(|(p, q)| {
            let mean = 0.5 * (p.exp() + q.exp());
            if mean > 0.0 { mean * (2.0 * mean.ln() - p - q) } else { 0.0 }
        })
        .sum()
}
