//! A limit on the tokens of reasoning: when it is reached, a message and the end of reasoning are
//! appended, and the model goes on with its answer.
//!
//! A grammar does not count tokens, so they are counted here. The message is never appended inside
//! a character of several bytes. For the grammar it is a part of the free text of reasoning, like
//! the text that the model has written before it.

use crate::vocab::{TokenId, Vocabulary};

/// A limit on the tokens of reasoning at the beginning of an output.
///
/// ```
/// use hedgerow::decode::ReasoningBudget;
/// use hedgerow::vocab::TokenId;
/// // The tokens spell " Time is up.</think>".
/// let ending = [TokenId(7), TokenId(8), TokenId(9)];
/// let budget = ReasoningBudget::new(256, "</think>", ending).begins_with("<think>");
/// assert_eq!(budget.tokens, 256);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReasoningBudget {
    /// The largest number of tokens of reasoning. Reasoning goes on beyond it until the last
    /// character is whole, and neither the constraint nor a ban of the request forbids `ending`.
    pub tokens: usize,
    /// The text that begins reasoning; empty if the prompt has begun it.
    pub begin: Vec<u8>,
    /// The text, or the name of the special token, that ends reasoning.
    pub end: Vec<u8>,
    /// The tokens that are appended when the limit is reached: a message, and the end of reasoning.
    pub ending: Vec<TokenId>,
}

impl ReasoningBudget {
    /// A limit of `tokens` tokens on reasoning that the prompt has begun and that the text `end`
    /// ends.
    pub fn new(tokens: usize, end: impl Into<Vec<u8>>, ending: impl Into<Vec<TokenId>>) -> Self {
        Self { tokens, begin: Vec::new(), end: end.into(), ending: ending.into() }
    }

    /// Sets the text or special token with which the output itself begins its reasoning. An output
    /// that begins with other text has no reasoning.
    #[must_use]
    pub fn begins_with(mut self, begin: impl Into<Vec<u8>>) -> Self {
        self.begin = begin.into();
        self
    }
}

/// The reasoning of one output.
#[derive(Clone, Debug)]
pub(crate) enum ReasoningState {
    /// Reasoning has not begun, but may. Holds the text of the output so far, with special tokens
    /// by their names.
    Before(Vec<u8>),
    /// Reasoning goes on. Holds the number of its tokens, and the last bytes of its text.
    Inside { tokens: usize, text: Vec<u8> },
    /// Reasoning is over, after this number of tokens, or there is none.
    Over { tokens: usize },
}

impl ReasoningState {
    pub fn new(budget: Option<&ReasoningBudget>) -> Self {
        match budget {
            None => Self::Over { tokens: 0 },
            Some(budget) if budget.begin.is_empty() => Self::Inside { tokens: 0, text: Vec::new() },
            Some(_) => Self::Before(Vec::new()),
        }
    }

    /// Counts a token of the output.
    pub fn read(&mut self, token: TokenId, vocabulary: &Vocabulary, budget: Option<&ReasoningBudget>) {
        let Some(budget) = budget else { return };
        let name = vocabulary.name(token).filter(|_| vocabulary.bytes(token).is_empty());
        let bytes = name.map_or(vocabulary.bytes(token), str::as_bytes);
        match self {
            Self::Over { .. } => {}
            Self::Before(text) => {
                text.extend_from_slice(bytes);
                let found = text.windows(budget.begin.len()).any(|window| window == budget.begin);
                let blank = |text: &[u8]| text.iter().all(u8::is_ascii_whitespace);
                if found {
                    *self = Self::Inside { tokens: 0, text: Vec::new() };
                } else if text.len() > budget.begin.len() && !blank(text) && !begins(text, &budget.begin) {
                    *self = Self::Over { tokens: 0 };
                }
            }
            Self::Inside { tokens, text } => {
                *tokens += 1;
                text.extend_from_slice(bytes);
                if text.windows(budget.end.len().max(1)).any(|window| window == budget.end) {
                    *self = Self::Over { tokens: *tokens };
                    return;
                }
                let kept = budget.end.len().max(4);
                text.drain(..text.len().saturating_sub(kept));
            }
        }
    }

    /// Number of tokens that have been read within reasoning.
    pub fn tokens(&self) -> usize {
        match self {
            Self::Before(_) => 0,
            Self::Inside { tokens, .. } | Self::Over { tokens } => *tokens,
        }
    }

    /// The tokens that must end reasoning now: if its limit is reached, and the text does not end
    /// within a character.
    pub fn ending<'b>(&self, budget: Option<&'b ReasoningBudget>) -> Option<&'b [TokenId]> {
        let (Self::Inside { tokens, text }, Some(budget)) = (self, budget) else { return None };
        let is_due = *tokens >= budget.tokens && !is_cut(text);
        is_due.then_some(&budget.ending)
    }
}

/// True if `text`, without leading whitespace, agrees with `marker` up to the end of the shorter
/// one.
fn begins(text: &[u8], marker: &[u8]) -> bool {
    let rest = text.trim_ascii_start();
    marker.starts_with(rest) || rest.starts_with(marker)
}

/// True if the text ends within a character.
fn is_cut(text: &[u8]) -> bool {
    let Some(back) = text.iter().rev().take(4).position(|byte| byte & 0xc0 != 0x80) else { return false };
    let length = match text[text.len() - 1 - back] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    back + 1 < length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_between_markers() {
        let tokens: Vec<Vec<u8>> =
            ["<t>", "a", "</", "t>", "é", "\u{e9}"].map(|t| t.as_bytes().to_vec()).to_vec();
        let mut tokens = tokens;
        tokens[4] = vec![0xc3];
        tokens[5] = vec![0xa9];
        let vocabulary = Vocabulary::from_byte_list(tokens).unwrap();
        let budget = ReasoningBudget::new(2, "</t>", [TokenId(2), TokenId(3)]);
        // The tokens, and the number after which the ending comes.
        let table: [(&[u32], Option<usize>); 5] = [
            (&[1, 1, 1], Some(2)),
            (&[1, 4, 5], Some(3)),
            (&[2, 3, 1, 1], None),
            (&[1, 2, 3], Some(2)),
            (&[1], None),
        ];
        for (tokens, expected) in table {
            for begun in [true, false] {
                let budget = if begun { budget.clone() } else { budget.clone().begins_with("<t>") };
                let mut state = ReasoningState::new(Some(&budget));
                if !begun {
                    state.read(TokenId(0), &vocabulary, Some(&budget));
                }
                let found = tokens.iter().position(|&token| {
                    state.read(TokenId(token), &vocabulary, Some(&budget));
                    state.ending(Some(&budget)).is_some()
                });
                assert_eq!(found.map(|at| at + 1), expected, "{tokens:?}");
            }
        }
        let budget = budget.begins_with("<t>");
        let mut state = ReasoningState::new(Some(&budget));
        (0..9).for_each(|_| state.read(TokenId(1), &vocabulary, Some(&budget)));
        assert!(state.ending(Some(&budget)).is_none());
    }
}
