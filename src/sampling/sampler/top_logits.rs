//! Sampling from the largest logits of a row, which a device has selected.
//!
//! Copying a row of logits from a GPU is slow, and searching the row on the GPU is fast. So the
//! sampler says beforehand which logits it needs ([`TopLogitsQuery`]): those of the tokens that
//! biases, bans and penalties touch, and a number of the largest others. The device answers with
//! these logits ([`TopLogits`]), and the sampler runs its chain on them. The distribution is the
//! same as for the whole row:
//!
//! - at temperature 0 and for top-k nothing else can be drawn;
//! - top-p also asks for the total mass of all tokens. Of the mass of the top logits it keeps the
//!   share p · (mass of all tokens) / (mass of the top logits);
//! - min-p needs the smallest top logit to lie below its bound;
//! - under a mask with few tokens, every allowed token is among the top logits, whatever the chain.
//!
//! Every other chain may draw any token, so it asks for the whole row. So do top-p and min-p if too
//! few logits were asked for. The cost on the host is that of a row with as many logits as the
//! device sends.

use super::run::{EndTokens, Outcome, Support, edits_and_filters};
use super::{Sampled, Sampler, Scratch};
use crate::sampling::error::SamplingError;
use crate::sampling::penalties::{EditLogits, changed};
use crate::sampling::row::{MaskedRow, allows, check_lengths, check_logit};
use crate::sampling::simd;
use crate::sampling::step_settings::Ties;
use crate::sampling::steps::Step;
use crate::vocab::TokenId;
use std::sync::Arc;

/// The most logits that a query asks for besides those of touched tokens.
const MAX_REQUESTED_LOGITS: usize = 1024;
/// The largest share of the whole mass that the top logits may have for top-p to use them. Nearer
/// to the whole, rounding errors would decide which tokens are kept.
const MAX_SHARE_OF_MASS: f64 = 1.0 - 1e-6;

/// The part of a row that a sampler needs.
#[derive(Debug, Clone, PartialEq)]
pub struct TopLogitsQuery {
    touched: Vec<u32>,
    count: usize,
    temperature: Option<f32>,
    complete: bool,
}

impl TopLogitsQuery {
    /// The tokens whose logits are needed in any case, all of them allowed, by ascending id.
    pub fn touched(&self) -> &[u32] {
        &self.touched
    }

    /// Number of logits needed besides the touched ones: the largest among the allowed tokens.
    /// Among equal logits, those of the lowest ids are taken.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The temperature t, if the sampler also needs ln Σ e^(logit / t) over all allowed tokens that
    /// are not touched.
    pub fn temperature(&self) -> Option<f32> {
        self.temperature
    }
}

/// The top logits of a row: some tokens with their logits.
///
/// ```
/// use hedgerow::sampling::{Sampler, SamplingParams, TopLogits};
/// let mut sampler = Sampler::new(SamplingParams::default().top_k(2).seed(1))?;
/// let row = [1.0, 4.0, 2.0, 3.0];
/// if let Some(query) = sampler.top_logits_query(row.len(), None)? {
///     assert_eq!((query.count(), query.touched().len()), (2, 0));
///     // What a device would find.
///     let top_logits = TopLogits::new(query, vec![(1, 4.0), (3, 3.0)], f64::NAN);
///     let token = sampler.sample_among(&top_logits, row.len())?;
///     assert_eq!(token, Some(sampler.sample(&row, None)?));
/// }
/// # Ok::<(), hedgerow::sampling::SamplingError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TopLogits {
    query: TopLogitsQuery,
    /// By ascending id.
    ids: Vec<u32>,
    logits: Vec<f32>,
    /// ln Σ e^(logit / t) over all allowed tokens that are not touched, if the query has a
    /// temperature t.
    log_mass: f64,
}

impl TopLogits {
    /// The answer to a query. `tokens` holds the touched tokens and the largest others, in any
    /// order, with the logits that the row has. `log_mass` is ln Σ e^(logit / t) over all allowed
    /// tokens that are not touched, if the query has a [temperature](TopLogitsQuery::temperature)
    /// t; otherwise it is not used.
    pub fn new(query: TopLogitsQuery, mut tokens: Vec<(u32, f32)>, log_mass: f64) -> Self {
        tokens.sort_unstable_by_key(|token| token.0);
        let (ids, logits) = tokens.into_iter().unzip();
        Self { query, ids, logits, log_mass }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True if there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Logits of the tokens that no edit touches.
    fn untouched(&self) -> impl Iterator<Item = f32> + '_ {
        let touched = |id: &u32| self.query.touched.binary_search(id).is_ok();
        self.ids.iter().zip(&self.logits).filter(move |(id, _)| !touched(id)).map(|(_, &logit)| logit)
    }
}

impl Sampler {
    /// The input that [`sample_among`](Self::sample_among) needs at the current position of a row
    /// of `vocab` logits under a packed mask; `None` if that is the whole row.
    ///
    /// # Errors
    /// The errors of [`sample`](Self::sample) that are found before a logit is read.
    pub fn top_logits_query(
        &self,
        vocab: usize,
        mask: Option<&[u32]>,
    ) -> Result<Option<TopLogitsQuery>, SamplingError> {
        check_lengths(vocab, mask)?;
        if self.forced(vocab, mask)?.is_some() || self.steps.contains(&Step::AllowedTokens) {
            return Ok(None);
        }
        let (edits, filters) = edits_and_filters(&self.steps);
        let mut record = Record { vocab, touched: Vec::new() };
        self.edit_all(edits, EndTokens::HeldBack, vocab, &mut record)?;
        let mut touched = record.touched;
        touched.sort_unstable();
        touched.dedup();
        touched.retain(|&id| mask.is_none_or(|mask| allows(mask, id)));
        let allowed = mask.map_or(vocab, simd::count_ones);
        let (t, filters) = self.leading_temperature(filters);
        let (count, temperature) = match filters.first() {
            _ if t == 0.0 => (1, None),
            Some(Step::TopK) if self.params.top_k_ties == Ties::LowestId => (self.params.top_k, None),
            Some(Step::TopP) => (MAX_REQUESTED_LOGITS, Some(t)),
            Some(Step::MinP) => (MAX_REQUESTED_LOGITS, None),
            _ => (usize::MAX, None),
        };
        let complete = allowed <= count;
        let (count, temperature) = if complete { (allowed, None) } else { (count, temperature) };
        Ok((count <= MAX_REQUESTED_LOGITS).then_some(TopLogitsQuery {
            touched,
            count,
            temperature,
            complete,
        }))
    }

    /// Draws a token as [`sample`](Self::sample) does on the whole row. `None` if the whole row is
    /// needed after all.
    ///
    /// The sampler must be in the state in which it [made](Self::top_logits_query) the query. The
    /// token is the one that the whole row would give, except for the rounding of sums of
    /// probabilities.
    ///
    /// # Errors
    /// As [`sample`](Self::sample), for the logits that are there.
    pub fn sample_among(
        &mut self,
        top_logits: &TopLogits,
        vocab: usize,
    ) -> Result<Option<Sampled>, SamplingError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.holding_back(|sampler, ends| sampler.among(top_logits, vocab, ends, &mut scratch));
        let result = result.map(|found| found.map(|found| self.drawn(found, &mut scratch.work.candidates)));
        self.scratch = scratch;
        result
    }

    /// The chain on the top logits.
    fn among(
        &mut self,
        top_logits: &TopLogits,
        vocab: usize,
        end_tokens: EndTokens,
        scratch: &mut Scratch,
    ) -> Result<Option<Outcome>, SamplingError> {
        let steps = Arc::clone(&self.steps);
        let (edits, filters) = edits_and_filters(&steps);
        let Scratch { gathered, work, .. } = scratch;
        gathered.clear();
        gathered.extend_from_slice(&top_logits.logits);
        for (&id, &logit) in top_logits.ids.iter().zip(gathered.iter()) {
            check_logit(id, logit)?;
        }
        let mut row = ShortRow { vocab, ids: &top_logits.ids, logits: gathered };
        self.edit_all(edits, end_tokens, vocab, &mut row)?;
        let Some(top_p) = self.share(top_logits, gathered, filters) else { return Ok(None) };
        let row = MaskedRow { logits: gathered, mask: None, edits: &[] };
        let support = Support { row, names: Some(&top_logits.ids), vocab, top_p };
        self.filter(support, filters, self.whole_row(), work).map(Some)
    }

    /// The share of the top logits' mass that top-p keeps, if top-p is the first filter; `None` if
    /// top-p might also keep tokens that are not among the top logits. `edited` are the top logits
    /// after the edits.
    fn share(&self, top_logits: &TopLogits, edited: &[f32], filters: &[Step]) -> Option<f32> {
        let all_there = top_logits.query.complete || top_logits.untouched().count() < top_logits.query.count;
        let (t, filters) = self.leading_temperature(filters);
        let top_p = self.params.top_p;
        if all_there || t == 0.0 {
            return Some(top_p);
        }
        let max = edited.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: f32| f64::from((logit - max) / t).exp();
        match filters.first() {
            Some(Step::TopP) => {
                let kept: f64 = edited.iter().copied().map(weight).sum();
                let unedited: f64 = top_logits.untouched().map(weight).sum();
                let others = (top_logits.log_mass - f64::from(max / t)).exp();
                let share = f64::from(top_p) * (kept + (others - unedited).max(0.0)) / kept;
                // NaN is not certain either.
                (share < MAX_SHARE_OF_MASS).then_some(share as f32)
            }
            Some(Step::MinP) => {
                let least = top_logits.untouched().fold(f32::INFINITY, f32::min);
                (weight(least) < MAX_SHARE_OF_MASS * f64::from(self.params.min_p)).then_some(top_p)
            }
            _ => Some(top_p),
        }
    }
}

/// Notes which tokens are edited.
struct Record {
    vocab: usize,
    touched: Vec<u32>,
}

impl EditLogits for Record {
    fn edit(&mut self, token: TokenId, _: impl FnOnce(f32) -> f32) -> bool {
        let known = token.index() < self.vocab;
        if known {
            self.touched.push(token.0);
        }
        known
    }
}

/// Some tokens of a row, in place.
struct ShortRow<'a> {
    vocab: usize,
    ids: &'a [u32],
    logits: &'a mut [f32],
}

impl EditLogits for ShortRow<'_> {
    fn edit(&mut self, token: TokenId, change: impl FnOnce(f32) -> f32) -> bool {
        // A token that the mask forbids is not among the top logits.
        if let Ok(at) = self.ids.binary_search(&token.0) {
            self.logits[at] = changed(self.logits[at], change);
        }
        token.index() < self.vocab
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{ChainOrder, Dry, Mirostat, SamplingParams, Selection};

    const VOCAB: usize = 5000;

    /// Rows with few values, so that many are equal, or with a long tail.
    fn row(number: u32) -> Vec<f32> {
        let hash = |id: u32| (id ^ number.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b) >> 8;
        let value = |id: u32| match number % 3 {
            0 => (hash(id) % 41) as f32 / 4.0,
            1 => ((hash(id) % 99_991) as f32 / 99_991.0).powi(9) * 30.0 - 15.0,
            _ if hash(id) % 7 == 0 => f32::NEG_INFINITY,
            _ => (hash(id) % 99_991) as f32 / 9_999.0,
        };
        (0..VOCAB as u32).map(value).collect()
    }

    /// The work of a device.
    fn top_logits(row: &[f32], mask: Option<&[u32]>, query: TopLogitsQuery) -> TopLogits {
        let allowed = |id: &u32| mask.is_none_or(|mask| allows(mask, *id));
        let others = (0..row.len() as u32).filter(allowed);
        let mut others: Vec<(u32, f32)> = others
            .filter(|id| query.touched.binary_search(id).is_err())
            .map(|id| (id, row[id as usize]))
            .collect();
        let mass: f64 =
            others.iter().map(|other| f64::from(other.1 / query.temperature.unwrap_or(1.0)).exp()).sum();
        others.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        others.truncate(query.count);
        others.extend(query.touched.iter().map(|&id| (id, row[id as usize])));
        TopLogits::new(query, others, mass.ln())
    }

    #[test]
    fn top_logits_give_the_token_of_the_row() {
        let p = SamplingParams::default;
        let penalised = || p().repetition_penalty(1.3).presence_penalty(0.7).frequency_penalty(0.2);
        // Each chain has the smallest share of draws, in percent, that must not need the whole row.
        let table = [
            (p().temperature(0.0), 100),
            (penalised().temperature(0.0), 100),
            (p().top_k(1), 100),
            (p().temperature(0.7).top_k(40), 100),
            (penalised().temperature(1.4).top_k(700).top_p(0.9).min_p(0.01), 100),
            (p().order(ChainOrder::Llama).top_k(40).top_p(0.9).min_p(0.05).temperature(0.8), 100),
            (p().top_k(50).typical_p(0.8).selection(Selection::GumbelMax), 100),
            (p().temperature(0.8).top_p(0.9), 40),
            (penalised().temperature(0.5).top_p(0.6), 60),
            (p().order(ChainOrder::Llama).top_p(0.5).temperature(0.8), 60),
            (p().order(ChainOrder::Vllm).top_k(40).top_p(0.9).min_p(0.05).temperature(0.8), 60),
            (p().temperature(0.8).min_p(0.1), 60),
            (p().logit_bias(vec![(TokenId(7), 30.0), (TokenId(9), f32::NEG_INFINITY)]).top_k(5), 100),
            (p().min_tokens(4).end_tokens(vec![TokenId(3)]).top_k(9), 100),
            (p().no_repeat_ngram(2).dry(Dry::default()).top_k(30), 100),
            // Any token can be drawn, but for narrow masks.
            (p(), 30),
            (p().top_k_ties(Ties::KeepAll).top_k(20), 30),
            (p().typical_p(0.9), 30),
            (p().mirostat(Mirostat::default()), 30),
        ];
        let narrow: Vec<u32> =
            (0..VOCAB.div_ceil(32)).map(|word| u32::from(word % 3 == 1) * 0x8001).collect();
        let wide = vec![0xffff_7ffe; VOCAB.div_ceil(32)];
        for (params, least) in table {
            let (mut without, mut all) = (0, 0);
            for mask in [None, Some(&narrow[..]), Some(&wide[..])] {
                let mut sampler = Sampler::new(params.clone().seed(11)).unwrap();
                sampler.with_prompt(&[5, 6, 7, 5, 6].map(TokenId));
                for number in 0..12 {
                    let row = row(number);
                    let expected = sampler.sample(&row, mask).unwrap();
                    let query = sampler.top_logits_query(VOCAB, mask).unwrap();
                    let found = query.and_then(|query| {
                        let left = top_logits(&row, mask, query);
                        sampler.sample_among(&left, VOCAB).unwrap()
                    });
                    if let Some(found) = found {
                        assert_eq!(found.token, expected.token, "{params:?}, row {number}");
                        assert!((found.logprob - expected.logprob).abs() < 1e-4, "{params:?}, row {number}");
                        without += 1;
                    }
                    all += 1;
                    sampler.accept(expected.token);
                }
            }
            assert!(without * 100 >= least * all, "{params:?}: {without} of {all} without the row");
        }
    }

    #[test]
    fn errors_are_those_of_the_row() {
        let params = SamplingParams::default().top_k(3).logit_bias(vec![(TokenId(1), 1.0)]);
        let mut sampler = Sampler::new(params).unwrap();
        let mut row = row(1);
        row[1] = f32::NAN;
        let query = sampler.top_logits_query(VOCAB, None).unwrap().unwrap();
        let error = sampler.sample_among(&top_logits(&row, None, query), VOCAB).unwrap_err();
        assert_eq!(error, SamplingError::NotANumber(TokenId(1)));
        assert_eq!(error, sampler.sample(&row, None).unwrap_err());
        let nothing = vec![0; 4];
        let query = sampler.top_logits_query(VOCAB, Some(&nothing)).unwrap().unwrap();
        let error = sampler.sample_among(&top_logits(&row, Some(&nothing), query), VOCAB).unwrap_err();
        assert_eq!(error, sampler.sample(&row, Some(&nothing)).unwrap_err());
        assert!(sampler.top_logits_query(VOCAB, Some(&[0; 500])).is_err());
        assert!(sampler.top_logits_query(1, None).is_err(), "a bias for a token that there is not");
    }
}
