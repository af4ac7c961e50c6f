//! Contrastive search: prefers likely tokens whose hidden states differ from those of earlier
//! tokens.
//!
//! Each step considers the k most probable tokens v and takes the one with the largest (1 − α)·p(v)
//! − α·max cos(h_v, h_x). Here h are the tokens' hidden states, and x ranges over the prompt and
//! the output. Every candidate must therefore be read before one is chosen. Biases, bans, penalties
//! and the constraint apply to p; temperature and truncations do not.
//!
//! Source: Su et al. 2022; the semantics are those of Hugging Face transformers 4.50
//! (`penalty_alpha`, `top_k`).
//!
//! The last token for which the context has room is the most probable one, as no candidate can be
//! read.
//!
//! A token costs one pass over k sequences, k − 1 forks of the cache, and k products with all
//! hidden states so far.

use super::error::DecodeError;
use super::logits::{Logits, ModelRow};
use super::model::LanguageModel;
use super::request::FinishReason;
use super::search_step::SearchStep;
use super::sequence::Sequence;
use super::settings::DecodeSettings;
use super::strategy::ContrastiveSearch;
use crate::vocab::TokenId;

/// A contrastive search in progress. Each of its request's sequences reads one candidate; the
/// output itself is in `output`.
pub(crate) struct ContrastiveState<C> {
    search: ContrastiveSearch,
    /// The output so far, without a cache; `None` before the first step, after the last, and while
    /// tokens are read that are no candidates.
    pub output: Option<Box<Sequence<C>>>,
    /// Hidden states of prompt and output, scaled to length 1.
    context: Vec<Vec<f32>>,
    /// The most probable tokens, with their log-probabilities: the candidates, which are being
    /// read, and others to report.
    candidates: Vec<(TokenId, f32)>,
    /// The logits from which the candidates come, if the request asks for log-probabilities.
    row: Vec<f32>,
}

impl<C: Send + 'static> ContrastiveState<C> {
    pub fn new(search: ContrastiveSearch) -> Self {
        Self { search, output: None, context: Vec::new(), candidates: Vec::new(), row: Vec::new() }
    }

    /// Adds the hidden states of tokens of the output or of the prompt.
    pub fn add_hidden(&mut self, hidden: Option<&Logits>, input: usize) {
        let Some(hidden) = hidden else { return };
        self.context.extend((0..hidden.rows(input)).filter_map(|row| hidden.row(input, row)).map(unit));
    }

    /// Takes one step: chooses among the candidates that have been read, if any, and proposes the
    /// next ones. When the output has ended, the sequences hold it alone.
    pub fn step<M: LanguageModel<Cache = C>>(&mut self, model: &M, mut step: SearchStep<'_, C>) {
        let chosen = self.choose(step.hidden, step.first_input);
        let cache = step.sequences.get_mut(chosen).and_then(|sequence| sequence.input.cache.take());
        let (mut output, chosen) = match (self.output.take(), step.sequences.pop()) {
            (Some(output), _) => (output, Some(chosen)),
            // The pass has read no candidates, but the prompt or the end of reasoning.
            (None, Some(sequence)) => (Box::new(sequence), None),
            (None, None) => return,
        };
        step.sequences.clear();
        match self.readers(model, &mut output, chosen, cache, &mut step) {
            Ok(readers) if !readers.is_empty() => {
                step.sequences.extend(readers);
                self.output = Some(output);
                return;
            }
            Ok(_) => {}
            Err(error) => output.fail(error, step.settings),
        }
        step.sequences.push(*output);
    }

    /// Appends the chosen candidate, if there is one, and makes a sequence for each of the next
    /// candidates. Makes no sequences if the output has ended, or if the model must first read
    /// tokens that end the reasoning.
    fn readers<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        output: &mut Sequence<C>,
        chosen: Option<usize>,
        cache: Option<C>,
        step: &mut SearchStep<'_, C>,
    ) -> Result<Vec<Sequence<C>>, DecodeError> {
        let SearchStep { logits, hidden, first_input, settings, clock, times, .. } = step;
        let input = *first_input + chosen.unwrap_or_default();
        if let Some(chosen) = chosen {
            let (token, logprob) = self.candidates[chosen];
            let candidates = self.candidates.iter().copied();
            output.record_logprobs(token, logprob, candidates, self.row.as_slice().into(), settings)?;
            output.append_allowed(token, settings)?;
            output.input.tokens.clear();
            output.apply_forced(settings, clock, times)?;
            self.add_hidden(hidden.filter(|_| output.end.is_none()), input);
            if output.end.is_none() && !output.input.tokens.is_empty() {
                // The model reads the end of reasoning before it is asked for candidates.
                output.input.cache = cache;
                self.candidates.clear();
                return Ok(Vec::new());
            }
        }
        let row = logits.last_model_row(input).unwrap_or_default();
        if output.end.is_none() && output.tokens().len() >= settings.context {
            // The context has no room to read candidates, so the most probable token is the last.
            self.candidates = output.most_probable_tokens(row, self.most_listed(settings), 1, settings)?;
            if let Some(&(token, logprob)) = self.candidates.first() {
                output.record_logprobs(token, logprob, self.candidates.iter().copied(), row, settings)?;
                output.append_allowed(token, settings)?;
                output.apply_forced(settings, clock, times)?;
            }
            output.end.get_or_insert(FinishReason::Length);
        }
        match output.end {
            Some(_) => Ok(Vec::new()),
            None => self.read_candidates(model, output, row, cache, settings),
        }
    }

    /// Index of the candidate with the highest score; the more probable one among equals.
    fn choose(&self, hidden: Option<&Logits>, first_input: usize) -> usize {
        let alpha = f64::from(self.search.penalty);
        let worth = |(number, &(_, logprob)): (usize, &(TokenId, f32))| {
            let state =
                hidden.and_then(|hidden| hidden.last(first_input + number)).map(unit).unwrap_or_default();
            let likeness = self.context.iter().map(|earlier| product(earlier, &state));
            let most_alike = likeness.fold(f64::NEG_INFINITY, f64::max).max(-1.0);
            (1.0 - alpha) * f64::from(logprob).exp() - alpha * most_alike
        };
        let mut best = (f64::NEG_INFINITY, 0);
        let candidates = self.candidates.iter().take(self.search.candidates).enumerate();
        for (number, worth) in candidates.map(|entry| (entry.0, worth(entry))) {
            if worth > best.0 {
                best = (worth, number);
            }
        }
        best.1
    }

    /// Number of most probable tokens that are listed: the candidates, and those to report.
    fn most_listed(&self, settings: &DecodeSettings) -> usize {
        self.search.candidates.max(settings.logprobs.unwrap_or(0))
    }

    /// A sequence for each of the next candidates.
    fn read_candidates<M: LanguageModel<Cache = C>>(
        &mut self,
        model: &M,
        output: &mut Sequence<C>,
        row: ModelRow<'_>,
        mut cache: Option<C>,
        settings: &DecodeSettings,
    ) -> Result<Vec<Sequence<C>>, DecodeError> {
        let chosen = self.search.candidates;
        self.candidates = output.most_probable_tokens(row, self.most_listed(settings), chosen, settings)?;
        self.row.clear();
        if settings.logprobs.is_some() {
            self.row.extend_from_slice(&output.plausible(row, usize::MAX, settings)?);
        }
        let count = self.candidates.len().min(self.search.candidates);
        let mut readers = Vec::with_capacity(count);
        for (number, &(token, _)) in self.candidates[..count].iter().enumerate() {
            let mut reader = output.fork();
            reader.input.tokens = vec![token];
            reader.input.cache = match &cache {
                Some(cache) if number + 1 < count => Some(model.fork(cache)?),
                _ => cache.take(),
            };
            readers.push(reader);
        }
        Ok(readers)
    }
}

/// A vector of length 1 in the same direction.
fn unit(vector: &[f32]) -> Vec<f32> {
    let length = product(vector, vector).sqrt().max(f64::MIN_POSITIVE);
    vector.iter().map(|&x| (f64::from(x) / length) as f32).collect()
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}
