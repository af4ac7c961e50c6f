//! Biases and bans: changes of single logits that the caller or the text so far asks for.
//!
//! A ban sets a logit to −∞. In all functions `history` holds the tokens of prompt and output so
//! far, oldest first.

use super::penalties::EditLogits;
use crate::vocab::TokenId;

/// Adds each bias to its token's logit (−∞ bans). Fails with the first token that the logits do not
/// have.
///
/// Source: OpenAI's API reference (`logit_bias`).
pub fn logit_bias(logits: &mut (impl EditLogits + ?Sized), biases: &[(TokenId, f32)]) -> Result<(), TokenId> {
    for &(token, bias) in biases {
        if !logits.edit(token, |l| l + bias) {
            return Err(token);
        }
    }
    Ok(())
}

/// Adds a bias to the last token of a sequence if `history` ends with the tokens before it. The
/// bias of a sequence of one token is always added.
///
/// Source: `SequenceBiasLogitsProcessor` of Hugging Face transformers. (Difference: transformers
/// needs a history as long as the whole sequence; here the tokens before the last suffice.)
pub fn sequence_bias(
    logits: &mut (impl EditLogits + ?Sized),
    sequences: &[(Vec<TokenId>, f32)],
    history: &[TokenId],
) -> Result<(), TokenId> {
    for (sequence, bias) in sequences {
        if let Some((&last, before)) = sequence.split_last()
            && history.ends_with(before)
            && !logits.edit(last, |l| l + bias)
        {
            return Err(last);
        }
    }
    Ok(())
}

/// Bans the token that would complete one of `words`.
///
/// Source: `NoBadWordsLogitsProcessor` of Hugging Face transformers.
pub fn bad_words(
    logits: &mut (impl EditLogits + ?Sized),
    words: &[Vec<TokenId>],
    history: &[TokenId],
) -> Result<(), TokenId> {
    for word in words {
        if let Some((&last, before)) = word.split_last()
            && history.ends_with(before)
            && !logits.edit(last, |_| f32::NEG_INFINITY)
        {
            return Err(last);
        }
    }
    Ok(())
}

/// Bans every token of `tokens`.
pub fn suppress(logits: &mut (impl EditLogits + ?Sized), tokens: &[TokenId]) -> Result<(), TokenId> {
    for &token in tokens {
        if !logits.edit(token, |_| f32::NEG_INFINITY) {
            return Err(token);
        }
    }
    Ok(())
}

/// Bans every token that would repeat an n-gram of `history`; n = 0 bans nothing. O(len(history) ·
/// n).
///
/// Source: Paulus, Xiong, Socher, 2017; as in Hugging Face transformers.
pub fn no_repeat_ngram(logits: &mut (impl EditLogits + ?Sized), n: usize, history: &[TokenId]) {
    let Some(before) = n.checked_sub(1).and_then(|before| history.len().checked_sub(before)) else { return };
    let suffix = &history[before..];
    for gram in history.windows(n) {
        if let Some((&last, start)) = gram.split_last()
            && start == suffix
        {
            logits.edit(last, |_| f32::NEG_INFINITY);
        }
    }
}

/// True if `token` would repeat an n-gram of `history`.
pub(crate) fn repeats_ngram(n: usize, history: &[TokenId], token: TokenId) -> bool {
    let Some(before) = n.checked_sub(1).and_then(|before| history.len().checked_sub(before)) else {
        return false;
    };
    let repeated = [&history[before..], &[token]].concat();
    history.windows(n).any(|gram| gram == repeated)
}

/// Exponential length decay: after position `start`, l += abs(l) · (factor^(position − start) − 1)
/// for the end tokens.
///
/// Source: `ExponentialDecayLengthPenalty` of Hugging Face transformers.
pub fn exponential_decay(
    logits: &mut (impl EditLogits + ?Sized),
    end_tokens: &[TokenId],
    start: usize,
    factor: f32,
    position: usize,
) -> Result<(), TokenId> {
    if position <= start {
        return Ok(());
    }
    let gain = (factor as f64).powf((position - start) as f64) - 1.0;
    for &token in end_tokens {
        if !logits.edit(token, |l| (l as f64 + l.abs() as f64 * gain) as f32) {
            return Err(token);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u32]) -> Vec<TokenId> {
        ids.iter().copied().map(TokenId).collect()
    }

    fn banned(row: &[f32]) -> Vec<usize> {
        (0..row.len()).filter(|&i| row[i] == f32::NEG_INFINITY).collect()
    }

    #[test]
    fn biases() {
        let mut row = [0.0; 4];
        assert_eq!(logit_bias(&mut row[..], &[(TokenId(1), 2.0), (TokenId(1), 1.0)]), Ok(()));
        assert_eq!(logit_bias(&mut row[..], &[(TokenId(4), 2.0)]), Err(TokenId(4)));
        let sequences = [(ids(&[7, 8, 2]), 1.5), (ids(&[3]), 0.5), (ids(&[9, 0]), 9.0)];
        assert_eq!(sequence_bias(&mut row[..], &sequences, &ids(&[7, 8])), Ok(()));
        assert_eq!(row, [0.0, 3.0, 1.5, 0.5]);
    }

    #[test]
    fn words_are_banned_at_their_last_token() {
        for (history, expected) in [(&[5, 1][..], vec![2]), (&[1, 5], vec![3]), (&[], vec![])] {
            let mut row = [0.0; 4];
            bad_words(&mut row[..], &[ids(&[1, 2]), ids(&[1, 5, 3])], &ids(history)).unwrap();
            assert_eq!(banned(&row), expected, "{history:?}");
        }
    }

    #[test]
    fn ngrams() {
        for (n, history, expected) in [
            (2, &[1, 2, 3, 1][..], vec![2]),
            (2, &[1, 1], vec![1]),
            (3, &[1, 2, 3, 1, 2, 0, 1, 2], vec![0, 3]),
            (1, &[2, 0], vec![0, 2]),
            (3, &[1, 1], vec![]),
            (5, &[1, 1], vec![]),
            (0, &[1, 1], vec![]),
        ] {
            let mut row = [0.0; 4];
            no_repeat_ngram(&mut row[..], n, &ids(history));
            assert_eq!(banned(&row), expected, "{n} {history:?}");
        }
    }

    #[test]
    fn decay_pulls_towards_the_end() {
        let mut row = [2.0, -2.0, f32::NEG_INFINITY];
        exponential_decay(&mut row[..], &ids(&[0, 1, 2]), 3, 2.0, 3).unwrap();
        assert_eq!(row, [2.0, -2.0, f32::NEG_INFINITY]);
        exponential_decay(&mut row[..], &ids(&[0, 1]), 3, 2.0, 5).unwrap();
        assert_eq!(row[..2], [8.0, 4.0]);
        exponential_decay(&mut row[..], &ids(&[0]), 0, 9.0, usize::MAX).unwrap();
        assert_eq!(row[0], f32::MAX);
    }
}
