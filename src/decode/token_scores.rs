//! Log-probabilities of one output's tokens: those to report, and their mean to compare outputs by.

use super::error::DecodeError;
use super::request::TokenLogprobs;
use super::settings::{DecodeSettings, Scoring};
use crate::sampling::logprobs;
use crate::vocab::TokenId;

/// The log-probabilities recorded for one output.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenScores {
    /// One entry for each token, if the request asks for them.
    entries: Vec<TokenLogprobs>,
    /// Σ ln p of the tokens that the model was asked for, if outputs are compared.
    sum: f64,
    /// Number of these tokens.
    count: usize,
}

impl TokenScores {
    /// Records a token that the model was asked for. `row` holds the logits that it was
    /// chosen from.
    pub fn record(
        &mut self,
        token: TokenId,
        processed: f32,
        distribution: impl Iterator<Item = (TokenId, f32)>,
        row: &[f32],
        settings: &DecodeSettings,
    ) -> Result<(), DecodeError> {
        let others = settings.logprobs.unwrap_or(0);
        let raw = logprobs::raw(row, token, others)?;
        if settings.scoring == Scoring::Mean {
            self.sum += f64::from(raw.chosen);
            self.count += 1;
        }
        if settings.logprobs.is_some() {
            self.entries.push(TokenLogprobs {
                processed,
                top_processed: top(distribution, others),
                raw: Some(raw.chosen),
                top_raw: raw.top,
            });
        }
        Ok(())
    }

    /// Records a token for which the model was not asked.
    pub fn record_forced(&mut self, settings: &DecodeSettings) {
        if settings.logprobs.is_some() {
            self.entries.push(TokenLogprobs {
                processed: 0.0,
                top_processed: Vec::new(),
                raw: None,
                top_raw: Vec::new(),
            });
        }
    }

    /// The mean of ln p over the tokens that the model was asked for, if outputs are compared.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The entries, one for each token.
    pub fn into_entries(self) -> Vec<TokenLogprobs> {
        self.entries
    }
}

/// The `count` tokens with the largest finite scores, as [`top`] gives them. A token's score is at
/// the index of its id.
pub(crate) fn top_finite(scores: &[f32], count: usize) -> Vec<(TokenId, f32)> {
    let scored = scores.iter().enumerate().map(|(id, &score)| (TokenId(id as u32), score));
    top(scored.filter(|(_, score)| score.is_finite()), count)
}

/// The `count` entries with the largest values, largest first; among equals the lowest ids.
pub(crate) fn top(entries: impl Iterator<Item = (TokenId, f32)>, count: usize) -> Vec<(TokenId, f32)> {
    let mut all: Vec<(TokenId, f32)> = entries.collect();
    let order = |a: &(TokenId, f32), b: &(TokenId, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if count < all.len() {
        all.select_nth_unstable_by(count, order);
        all.truncate(count);
    }
    all.sort_unstable_by(order);
    all
}
