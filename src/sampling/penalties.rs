//! Penalties for tokens that were already used, and the interface through which single logits are
//! changed.

use super::candidates::Candidates;
use crate::vocab::TokenId;
use hashbrown::HashMap;

/// Logits that can be changed one token at a time: a row in place (`[f32]`), or [`Candidates`]
/// through [`CandidateLogits`].
pub trait EditLogits {
    /// Applies `change` to the logit of `token`; false if there is no such token. A result above
    /// the largest float becomes the largest float, and NaN becomes −∞. A logit of −∞ is never
    /// changed, so no edit brings back a token that cannot be drawn.
    fn edit(&mut self, token: TokenId, change: impl FnOnce(f32) -> f32) -> bool;
}

/// The changed logit, within what a row may hold: finite numbers and −∞.
pub(crate) fn changed(logit: f32, change: impl FnOnce(f32) -> f32) -> f32 {
    if logit == f32::NEG_INFINITY {
        return logit;
    }
    let new = change(logit);
    if new.is_nan() { f32::NEG_INFINITY } else { new.min(f32::MAX) }
}

impl EditLogits for [f32] {
    fn edit(&mut self, token: TokenId, change: impl FnOnce(f32) -> f32) -> bool {
        match self.get_mut(token.0 as usize) {
            Some(logit) => {
                *logit = changed(*logit, change);
                true
            }
            None => false,
        }
    }
}

/// Edits of candidates, found by id through an index that is built once.
/// [`CandidateLogits::finish`] drops the candidates whose logits became −∞.
pub struct CandidateLogits<'a> {
    candidates: &'a mut Candidates,
    places: HashMap<u32, usize>,
    logits: Vec<f32>,
}

impl<'a> CandidateLogits<'a> {
    /// Indexes `candidates`. O(n).
    pub fn new(candidates: &'a mut Candidates) -> Self {
        let places = candidates.ids().iter().enumerate().map(|(at, &id)| (id, at)).collect();
        let logits = candidates.logits().to_vec();
        CandidateLogits { candidates, places, logits }
    }

    /// Writes the changed logits back. O(n).
    pub fn finish(self) {
        let mut logits = self.logits.into_iter();
        self.candidates.map_logits(|_, old| logits.next().unwrap_or(old));
    }
}

impl EditLogits for CandidateLogits<'_> {
    fn edit(&mut self, token: TokenId, change: impl FnOnce(f32) -> f32) -> bool {
        match self.places.get(&token.0) {
            Some(&at) => {
                self.logits[at] = changed(self.logits[at], change);
                true
            }
            None => false,
        }
    }
}

/// Repetition penalty: l > 0 becomes l / r, any other l becomes l · r, once for each token of
/// `seen` (which names each once).
///
/// Source: Keskar et al., "CTRL", 2019; the case of negative logits as in Hugging Face transformers
/// and llama.cpp.
pub fn repetition(logits: &mut (impl EditLogits + ?Sized), seen: impl IntoIterator<Item = TokenId>, r: f32) {
    for token in seen {
        logits.edit(token, |l| if l > 0.0 { l / r } else { l * r });
    }
}

/// Frequency and presence penalties: l −= frequency · count + presence, for tokens with a count
/// above 0.
///
/// Source: OpenAI's API reference ("frequency and presence penalties").
pub fn frequency_presence(
    logits: &mut (impl EditLogits + ?Sized),
    counts: impl IntoIterator<Item = (TokenId, u32)>,
    frequency: f32,
    presence: f32,
) {
    for (token, count) in counts {
        if count > 0 {
            logits.edit(token, |l| l - frequency * count as f32 - presence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_drawn_stays_so() {
        let mut row = [f32::NEG_INFINITY, 1.0];
        for token in [TokenId(0), TokenId(1)] {
            row[..].edit(token, |l| l.max(-5.0));
        }
        assert_eq!(row, [f32::NEG_INFINITY, 1.0]);
    }

    #[test]
    fn penalties_by_hand() {
        let mut row = [2.0, -2.0, 0.0, 1.0];
        repetition(&mut row[..], [TokenId(0), TokenId(1), TokenId(2), TokenId(9)], 2.0);
        assert_eq!(row, [1.0, -4.0, 0.0, 1.0]);
        frequency_presence(&mut row[..], [(TokenId(0), 3), (TokenId(3), 0), (TokenId(1), 1)], 0.5, 0.25);
        assert_eq!(row, [-0.75, -4.75, 0.0, 1.0]);
    }

    #[test]
    fn extremes_stay_in_range() {
        let mut row = [f32::MAX, f32::NEG_INFINITY, -3e38];
        repetition(&mut row[..], (0..3).map(TokenId), 0.5);
        assert_eq!(row, [f32::MAX, f32::NEG_INFINITY, -1.5e38]);
        assert_eq!(changed(0.0, |_| f32::NAN), f32::NEG_INFINITY);
    }

    #[test]
    fn candidates_are_edited_like_rows() {
        let logits = [0.5, 3.0, -1.0, 2.0];
        let mut row = logits;
        let mut c = Candidates::from_logits(&logits).unwrap();
        crate::sampling::truncation::top_k(&mut c, 3);
        let mut edits = CandidateLogits::new(&mut c);
        for target in [TokenId(1), TokenId(2)] {
            row[..].edit(target, |l| l - 10.0);
        }
        assert!(edits.edit(TokenId(1), |l| l - 10.0));
        assert!(!edits.edit(TokenId(2), |l| l - 10.0));
        edits.edit(TokenId(0), |_| f32::NEG_INFINITY);
        edits.finish();
        assert_eq!((c.ids(), c.logits()), (&[1, 3][..], &[row[1], row[3]][..]));
    }
}
