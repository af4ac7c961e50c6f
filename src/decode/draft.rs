//! Guessing tokens ahead, so that one forward pass can confirm several.
//!
//! A draft is a guess at the next tokens. The model reads it together with what is pending, and its rows of logits are
//! drawn from in turn, as if there were no draft; while the drawn token is the guessed one, the next row is already there. So
//! drafts never change an output, only the number of passes: random numbers are counted by position, and each token is drawn
//! from its own law ("sample the target, follow the matching child").
//!
//! [`Draft::Ngram`] is prompt lookup decoding (Saxena 2023; also in Hugging Face transformers and vLLM): where the last
//! tokens have occurred before, guess what followed them then. It pays on text that repeats itself or its prompt. The
//! price is one search through the tokens a pass, and the width of the pass: on a CPU, some four tokens cost twice as much as one.

use crate::vocab::TokenId;

/// Where guesses come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Draft {
    /// No guesses: one token a pass, besides forced ones.
    #[default]
    None,
    /// What followed the last time that the latest tokens occurred in prompt or output.
    Ngram {
        /// How many of the latest tokens to look for, at most; fewer are looked for if these are not found.
        longest: usize,
        /// How many tokens to guess, at most.
        tokens: usize,
    },
}

impl Draft {
    /// Guesses the tokens after `tokens`. O(longest · tokens).
    pub(crate) fn guess(self, tokens: &[TokenId]) -> &[TokenId] {
        let Draft::Ngram { longest, tokens: most } = self else { return &[] };
        for length in (1..=longest.min(tokens.len().saturating_sub(1))).rev() {
            let (_, suffix) = tokens.split_at(tokens.len() - length);
            let earlier = &tokens[..tokens.len() - 1];
            if let Some(at) = earlier.windows(length).rposition(|window| window == suffix) {
                let start = at + length;
                return &tokens[start..tokens.len().min(start.saturating_add(most))];
            }
        }
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_what_followed_before() {
        for (text, longest, most, expected) in [
            ("abcdab", 2, 10, "cdab"),
            ("abcdab", 2, 1, "c"),
            ("abxaby ab", 3, 2, "y "),
            // The longest match wins over a later one.
            ("abcxbdyab", 2, 1, "c"),
            ("abcxbdyab", 1, 1, "d"),
            ("aaaa", 3, 9, "a"),
            ("abcd", 3, 9, ""),
            ("abab", 0, 9, ""),
            ("abab", 2, 0, ""),
            ("a", 2, 2, ""),
            ("", 2, 2, ""),
        ] {
            let tokens: Vec<_> = text.bytes().map(|b| TokenId(b.into())).collect();
            let draft = Draft::Ngram { longest, tokens: most };
            let guess: Vec<u8> = draft.guess(&tokens).iter().map(|t| t.0 as u8).collect();
            assert_eq!(String::from_utf8(guess).unwrap(), expected, "{text} {longest} {most}");
        }
        assert!(Draft::None.guess(&[TokenId(1); 9]).is_empty());
    }
}
