//! Logits of a forward pass in host memory, and the errors of a model.
//!
//! Logits come as one block of rows whose storage belongs to the model, so a tensor in host memory
//! is read in place. [`DeviceRows`](super::DeviceRows) are logits that stay on another device.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::vocab::TokenId;

/// The logits of one forward pass: `[rows, vocab]`, the rows of the first sequence first.
///
/// The model keeps the storage: any type that gives a `&[f32]` can hold the numbers.
pub struct Logits {
    values: Box<dyn AsRef<[f32]> + Send>,
    vocab_size: usize,
    /// The index of each input's first row, then the number of rows.
    starts: Vec<usize>,
    plausibility: Option<Plausibility>,
}

/// A reference for each logit, and the floor (≤ 0): a token is implausible if its reference is
/// below the row's largest reference plus the floor.
struct Plausibility {
    references: Vec<f32>,
    floor: f32,
}

/// One row of logits, as a model gave it.
#[derive(Clone, Copy, Default)]
pub(crate) struct ModelRow<'a> {
    logits: &'a [f32],
    /// The references and the floor of [`Logits::with_plausibility`].
    plausibility: Option<(&'a [f32], f32)>,
}

impl<'a> ModelRow<'a> {
    /// Number of logits.
    pub fn len(self) -> usize {
        self.logits.len()
    }

    /// The logits of the first `tokens` tokens, with −∞ for implausible ones. Only tokens that
    /// `edit` leaves above −∞ count when the most plausible one is looked for: `edit` applies the
    /// constraint and the request's bans to a row of as many logits.
    pub fn plausible<E>(
        self,
        tokens: usize,
        edit: impl FnOnce(&mut [f32]) -> Result<(), E>,
    ) -> Result<Cow<'a, [f32]>, E> {
        let logits = &self.logits[..tokens.min(self.logits.len())];
        let Some((references, floor)) = self.plausibility else { return Ok(Cow::Borrowed(logits)) };
        let mut edited = references[..logits.len()].to_vec();
        edit(&mut edited)?;
        let allowed = edited.iter().zip(references).filter(|(edited, _)| **edited > f32::NEG_INFINITY);
        let best = allowed.fold(f32::NEG_INFINITY, |best, (_, &reference)| best.max(reference));
        let cut = |(&logit, &reference)| match reference >= best + floor {
            true => logit,
            false => f32::NEG_INFINITY,
        };
        Ok(Cow::Owned(logits.iter().zip(references).map(cut).collect()))
    }
}

impl<'a> From<&'a [f32]> for ModelRow<'a> {
    fn from(logits: &'a [f32]) -> Self {
        Self { logits, plausibility: None }
    }
}

impl Logits {
    /// Logits of `rows[i]` rows for input `i`, each `vocab_size` long, one after another.
    ///
    /// # Errors
    /// [`ModelError::LogitsLength`] if there are not `vocab_size · Σ rows` numbers.
    pub fn new(
        values: impl AsRef<[f32]> + Send + 'static,
        vocab_size: usize,
        rows: impl IntoIterator<Item = usize>,
    ) -> Result<Self, ModelError> {
        let mut starts = vec![0];
        let mut total = 0usize;
        for count in rows {
            total = total.saturating_add(count);
            starts.push(total);
        }
        let given = values.as_ref().len();
        let expected = total.saturating_mul(vocab_size);
        if given != expected {
            return Err(ModelError::LogitsLength { given, expected });
        }
        Ok(Self { values: Box::new(values), vocab_size, starts, plausibility: None })
    }

    /// Adds a reference for each logit, by which the loop forbids implausible tokens.
    ///
    /// A token is implausible if its reference is more than `−floor` below the largest reference in
    /// its row among the tokens that the constraint allows. For example, with the ln p of a model
    /// as references and a floor of ln 0.1, a token must have a tenth of the probability of the
    /// most probable allowed token. [`row`](Self::row) gives the logits of implausible tokens, too.
    ///
    /// # Errors
    /// [`ModelError::LogitsLength`] if there are not as many references as logits.
    pub fn with_plausibility(self, references: Vec<f32>, floor: f32) -> Result<Self, ModelError> {
        let (given, expected) = (references.len(), (*self.values).as_ref().len());
        if given != expected {
            return Err(ModelError::LogitsLength { given, expected });
        }
        let plausibility = Some(Plausibility { references, floor: floor.min(0.0) });
        Ok(Self { plausibility, ..self })
    }

    /// Length of a row.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of rows of one input; 0 if there is no such input.
    pub fn rows(&self, input: usize) -> usize {
        match (self.starts.get(input), self.starts.get(input.saturating_add(1))) {
            (Some(start), Some(end)) => end - start,
            _ => 0,
        }
    }

    /// Row `row` of input `input`, if there is one. Implausible tokens have their logits, too.
    pub fn row(&self, input: usize, row: usize) -> Option<&[f32]> {
        (*self.values).as_ref().get(self.range(input, row)?)
    }

    /// The same row with its references.
    pub(crate) fn model_row(&self, input: usize, row: usize) -> Option<ModelRow<'_>> {
        let plausibility = match &self.plausibility {
            Some(Plausibility { references, floor }) => {
                Some((references.get(self.range(input, row)?)?, *floor))
            }
            None => None,
        };
        Some(ModelRow { logits: self.row(input, row)?, plausibility })
    }

    /// The last row of input `input` with its references, if there is one.
    pub(crate) fn last_model_row(&self, input: usize) -> Option<ModelRow<'_>> {
        self.model_row(input, self.rows(input).checked_sub(1)?)
    }

    /// The indices of a row's numbers in the values.
    fn range(&self, input: usize, row: usize) -> Option<std::ops::Range<usize>> {
        if row >= self.rows(input) {
            return None;
        }
        let start = (self.starts[input] + row) * self.vocab_size;
        Some(start..start + self.vocab_size)
    }

    /// The last row of input `input`, if there is one.
    pub fn last(&self, input: usize) -> Option<&[f32]> {
        self.row(input, self.rows(input).checked_sub(1)?)
    }
}

impl fmt::Debug for Logits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logits").field("starts", &self.starts).field("vocab_size", &self.vocab_size).finish()
    }
}

/// The reason why a model failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A forward pass over an input without tokens.
    #[error("a forward pass needs at least one token for every sequence; input {input} has none")]
    NoTokens {
        /// Index of the input, from 0.
        input: usize,
    },
    /// A token that the model does not have.
    #[error("token {} is out of range: the model has {vocab_size} tokens, numbered from 0", token.0)]
    TokenOutOfRange {
        /// The token.
        token: TokenId,
        /// Number of tokens the model has.
        vocab_size: usize,
    },
    /// More tokens than a cache can hold.
    #[error("the sequence would be {given} tokens long, but the model's context holds {limit}")]
    ContextFull {
        /// Length that the sequence would have.
        given: usize,
        /// Largest length.
        limit: usize,
    },
    /// A cache that holds fewer tokens than it was to be cut to.
    #[error("the cache cannot be cut to {wanted} tokens: it holds {held}")]
    Truncate {
        /// Length requested.
        wanted: usize,
        /// Length of the cache.
        held: usize,
    },
    /// A model that gave another number of logits than expected.
    #[error("the model gave {given} logits where {expected} were expected")]
    LogitsLength {
        /// Number of logits given.
        given: usize,
        /// Number of logits expected.
        expected: usize,
    },
    /// A model that gave no logits after a token for which they were requested.
    #[error("the model gave no row of logits where one was asked for")]
    NoRow,
    /// An operation that this model does not support.
    #[error("this model does not support {what}")]
    Unsupported {
        /// The operation.
        what: &'static str,
    },
    /// A cache that another model made.
    #[error("the cache was made by another model")]
    ForeignCache,
    /// A failure of the library that runs the model; the source gives the reason.
    #[error("the model's backend failed")]
    Backend(#[source] Box<dyn Error + Send + Sync>),
}

/// Errors are equal if their messages are.
impl PartialEq for ModelError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl ModelError {
    /// The error for a failure of the library that runs the model.
    pub fn backend(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Backend(source.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_input() {
        let values: Vec<f32> = (0..8).map(|x| x as f32).collect();
        let logits = Logits::new(values, 2, [0, 1, 3]).unwrap();
        assert_eq!((logits.inputs(), logits.rows(0), logits.rows(2), logits.rows(3)), (3, 0, 3, 0));
        assert_eq!(logits.last(0), None);
        assert_eq!(logits.row(1, 0), Some([0.0, 1.0].as_slice()));
        assert_eq!(logits.row(1, 1), None);
        assert_eq!(logits.row(2, 1), Some([4.0, 5.0].as_slice()));
        assert_eq!(logits.last(2), Some([6.0, 7.0].as_slice()));
        assert_eq!(logits.row(usize::MAX, 0), None);
    }

    #[test]
    fn implausible_tokens_are_those_far_below_the_best_allowed_one() {
        const NONE: f32 = f32::NEG_INFINITY;
        let logits = Logits::new(vec![9.0, 8.0, 7.0, 6.0], 4, [1]).unwrap();
        let logits = logits.with_plausibility(vec![0.0, -1.0, -2.0, -4.0], -1.5).unwrap();
        let row = logits.last_model_row(0).unwrap();
        for (tokens, banned, expected) in [
            (4, &[][..], vec![9.0, 8.0, NONE, NONE]),
            (2, &[], vec![9.0, 8.0]),
            (9, &[], vec![9.0, 8.0, NONE, NONE]),
            // If the best token is banned, the bound is lower. Whether banned tokens are cut does
            // not matter.
            (4, &[0], vec![9.0, 8.0, 7.0, NONE]),
            (4, &[0, 1, 2], vec![9.0, 8.0, 7.0, 6.0]),
        ] {
            let ban = |row: &mut [f32]| {
                banned.iter().for_each(|&id: &usize| row[id] = NONE);
                Ok::<(), ()>(())
            };
            assert_eq!(row.plausible(tokens, ban).unwrap().as_ref(), expected, "{tokens} {banned:?}");
        }
        assert_eq!(logits.row(0, 0), Some([9.0, 8.0, 7.0, 6.0].as_slice()));
        let few = Logits::new(vec![0.0; 4], 4, [1]).unwrap().with_plausibility(vec![0.0; 3], -1.0);
        assert!(few.is_err());
    }

    #[test]
    fn a_wrong_number_of_logits_is_an_error() {
        let error = Logits::new(vec![0.0; 7], 2, [1, 3]).unwrap_err().to_string();
        assert_eq!(error, "the model gave 7 logits where 8 were expected");
        assert!(Logits::new(vec![0.0; 7], usize::MAX, [usize::MAX, 3]).is_err());
    }
}
