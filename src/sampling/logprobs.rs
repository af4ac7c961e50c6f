//! Log probabilities to report with a token: under the model's own distribution (*raw*), and under
//! the distribution that the token was drawn from (*processed*).

use super::block_maxima::Index;
use super::candidates::Candidates;
use super::error::SamplingError;
use super::row::{LogitRow, MaskedRow, check_lengths};
use crate::vocab::TokenId;

/// Log probabilities at one position.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Logprobs {
    /// ln p of the chosen token; −∞ if the distribution excludes it.
    pub chosen: f32,
    /// The most probable tokens with ln p, most probable first, ties by lowest id.
    pub top: Vec<(TokenId, f32)>,
}

/// Log probabilities under softmax of the row as the model gave it: no mask, penalties or
/// temperature.
///
/// About two passes over the row.
///
/// # Errors
/// NaN or +∞ among the logits, no finite logit, an unusable row length, a token beyond the row.
///
/// ```
/// use hedgerow::sampling::logprobs;
/// use hedgerow::vocab::TokenId;
/// let all = logprobs::raw(&[0.0, 1.0, 0.0], TokenId(0), 2)?;
/// assert_eq!(all.top[0].0, TokenId(1));
/// assert!((all.chosen - -1.551_444_7).abs() < 1e-6);
/// # Ok::<(), hedgerow::sampling::SamplingError>(())
/// ```
pub fn raw<'a>(
    logits: impl Into<LogitRow<'a>>,
    token: TokenId,
    top: usize,
) -> Result<Logprobs, SamplingError> {
    let logits = logits.into();
    check_lengths(logits.len(), None)?;
    let chosen = logits.get(token.0 as usize).ok_or(SamplingError::TokenOutOfRange {
        name: "token",
        token,
        logits: logits.len(),
    })?;
    let mut widened = Vec::new();
    let row = MaskedRow { logits: logits.widen(&mut widened), mask: None, edits: &[] };
    let mut index = Index::default();
    index.build(&row)?;
    let log_total = index.mass(&row, 1.0, &mut Vec::new()).ln();
    let logprob = |logit: f32| ((logit - index.max) as f64 - log_total) as f32;
    let mut best = Candidates::default();
    if top > 0 {
        index.top_k(&row, top, &mut best);
        best.sort_descending();
    }
    let top = best.ids().iter().zip(best.logits()).map(|(&id, &l)| (TokenId(id), logprob(l))).collect();
    Ok(Logprobs { chosen: logprob(chosen), top })
}

/// ln softmax of a row: the logarithm of every token's probability. Two passes over the row.
///
/// # Errors
/// NaN or +∞ among the logits, no finite logit, an unusable row length.
pub fn log_softmax(logits: &[f32]) -> Result<Vec<f32>, SamplingError> {
    check_lengths(logits.len(), None)?;
    let row = MaskedRow { logits, mask: None, edits: &[] };
    let mut index = Index::default();
    index.build(&row)?;
    let log_total = index.mass(&row, 1.0, &mut Vec::new()).ln();
    Ok(logits.iter().map(|&l| ((l - index.max) as f64 - log_total) as f32).collect())
}

/// Log probabilities under a distribution, such as that of
/// [`Sampler::distribution`](crate::sampling::Sampler::distribution). O(n log n).
pub fn processed(distribution: &[(TokenId, f32)], token: TokenId, top: usize) -> Logprobs {
    let chosen =
        distribution.iter().find(|entry| entry.0 == token).map_or(f32::NEG_INFINITY, |entry| entry.1.ln());
    let mut sorted = distribution.to_vec();
    sorted.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    sorted.truncate(top);
    Logprobs { chosen, top: sorted.into_iter().map(|(token, p)| (token, p.ln())).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_and_processed_agree_on_a_plain_distribution() {
        let row: Vec<f32> = (0..700).map(|i| ((i * 37) % 100) as f32 / 10.0).collect();
        let a = raw(&row, TokenId(5), 20).unwrap();
        let distribution = Candidates::from_logits(&row).unwrap().distribution();
        let b = processed(&distribution, TokenId(5), 20);
        assert!((a.chosen - b.chosen).abs() < 1e-5);
        assert_eq!(a.top.len(), 20);
        for (x, y) in a.top.iter().zip(&b.top) {
            assert_eq!(x.0, y.0);
            assert!((x.1 - y.1).abs() < 1e-5);
        }
        assert_eq!(processed(&distribution[1..3], TokenId(0), 5).chosen, f32::NEG_INFINITY);
        assert_eq!(raw(&[0.0, f32::NEG_INFINITY], TokenId(1), 5).unwrap().chosen, f32::NEG_INFINITY);
        let all = log_softmax(&row).unwrap();
        assert!((all[5] - a.chosen).abs() < 1e-6);
        assert!((all.iter().map(|l| f64::from(*l).exp()).sum::<f64>() - 1.0).abs() < 1e-5);
        assert!(log_softmax(&[0.0, f32::NAN]).is_err() && log_softmax(&[f32::NEG_INFINITY; 2]).is_err());
        assert!(raw(&[0.0], TokenId(1), 5).is_err());
        assert!(raw(&[0.0, f32::NAN], TokenId(0), 0).is_err());
    }
}
