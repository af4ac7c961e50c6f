//! DRY, "don't repeat yourself": penalises the token that would continue a repetition of the text's
//! end.
//!
//! If the last tokens also occur earlier in the text, the token that followed them there would
//! extend the repetition. It gets a penalty that grows exponentially with the length of the match.
//! One run of the Z-algorithm over the reversed text finds all match lengths in O(n). A comparison
//! at every place would take O(n²).
//!
//! Source: p-e-w, text-generation-webui pull request 5677, 2024; Gusfield, "Algorithms on strings,
//! trees and sequences", 1997 (Z).

use super::penalties::EditLogits;
use super::step_settings::Dry;
use crate::vocab::TokenId;
use hashbrown::HashMap;

/// l −= multiplier · base^(length − allowed) for every token that would extend a repetition of at
/// least `allowed` tokens.
///
/// `history` is prompt and output, oldest first. A repetition does not reach across a breaker, and
/// a breaker is never penalised. If a token would extend several repetitions, the longest decides.
/// A power that would overflow is replaced by the largest number.
pub fn dry(logits: &mut (impl EditLogits + ?Sized), history: &[TokenId], rule: &Dry) {
    for (token, length) in extensions(history, rule) {
        let exponent = (length - rule.allowed_length) as f64;
        let penalty = (rule.multiplier as f64 * (rule.base as f64).powf(exponent)).min(f32::MAX as f64);
        logits.edit(token, |l| (l as f64 - penalty).max(-f32::MAX as f64) as f32);
    }
}

/// Tokens that would extend a repetition, with the length of the longest one.
fn extensions(history: &[TokenId], rule: &Dry) -> HashMap<TokenId, usize> {
    let mut longest = HashMap::new();
    let start = rule.window.map_or(0, |w| history.len().saturating_sub(w));
    let text: Vec<TokenId> = history[start..].iter().rev().copied().collect();
    let limit = text.iter().position(|t| rule.breakers.contains(t)).unwrap_or(text.len());
    // A match of length 0 is no repetition, even if `allowed_length` is 0.
    let least = rule.allowed_length.max(1);
    if limit < least {
        return longest;
    }
    let z = z_lengths(&text);
    for at in 1..text.len() {
        let length = z[at].min(limit);
        let next = text[at - 1];
        if length >= least && !rule.breakers.contains(&next) {
            let best = longest.entry(next).or_insert(0);
            *best = length.max(*best);
        }
    }
    longest
}

/// For every place, the length of the longest common prefix of the text and the text from that
/// place on.
fn z_lengths(text: &[TokenId]) -> Vec<usize> {
    let mut z = vec![0; text.len()];
    let (mut left, mut right) = (0, 0);
    for at in 1..text.len() {
        let mut length = if at < right { z[at - left].min(right - at) } else { 0 };
        while at + length < text.len() && text[length] == text[at + length] {
            length += 1;
        }
        z[at] = length;
        if at + length > right {
            (left, right) = (at, at + length);
        }
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u32]) -> Vec<TokenId> {
        ids.iter().copied().map(TokenId).collect()
    }

    /// Match lengths by comparison at every place.
    fn slow(history: &[TokenId], rule: &Dry) -> HashMap<TokenId, usize> {
        let mut out = HashMap::new();
        let n = history.len();
        for end in 1..n {
            // history[..end] is compared backwards with the whole history; history[end] is what
            // followed.
            let mut length = 0;
            while length < end
                && history[end - 1 - length] == history[n - 1 - length]
                && !rule.breakers.contains(&history[n - 1 - length])
            {
                length += 1;
            }
            if length >= rule.allowed_length.max(1) && !rule.breakers.contains(&history[end]) {
                let best = out.entry(history[end]).or_insert(0);
                *best = length.max(*best);
            }
        }
        out
    }

    #[test]
    fn agrees_with_comparison_at_every_place() {
        let mut state = 9u32;
        for case in 0..400 {
            let mut next = || {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                state >> 16
            };
            let length = next() % 40;
            let letters = 2 + next() % 3;
            let history: Vec<TokenId> = (0..length).map(|_| TokenId(next() % letters)).collect();
            let breakers = if case % 2 == 0 { vec![] } else { ids(&[1]) };
            let rule = Dry { allowed_length: (case % 4) as usize, breakers, ..Dry::default() };
            assert_eq!(extensions(&history, &rule), slow(&history, &rule), "{history:?}");
        }
    }

    #[test]
    fn penalty_by_hand() {
        // "1 2 3 4 … 1 2 3": 4 would extend a repetition of 3.
        let rule = Dry { multiplier: 0.8, base: 2.0, allowed_length: 2, window: None, breakers: vec![] };
        let mut row = [0.0; 8];
        dry(&mut row[..], &ids(&[1, 2, 3, 4, 7, 1, 2, 3]), &rule);
        assert_eq!(row, [0.0, 0.0, 0.0, 0.0, -1.6, 0.0, 0.0, 0.0]);
        let mut row = [0.0; 8];
        dry(&mut row[..], &ids(&[1, 2, 3, 4, 7, 1, 2, 3]), &Dry { window: Some(6), ..rule.clone() });
        assert_eq!(row, [0.0; 8]);
        let mut row = [0.0; 8];
        dry(&mut row[..], &ids(&[5; 3000]), &rule);
        assert_eq!(row[5], -f32::MAX);
    }
}
