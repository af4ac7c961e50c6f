//! Logits that stay where a model computed them.
//!
//! Copying rows out of a GPU costs more than looking through them there, so a model may keep them ([`Rows::Device`]) and give the
//! loop only what its samplers ask for: [`DeviceRows::survivors`] answers all cuts of a step in one exchange, masks on the way
//! in, a few tokens with their logits on the way out. Whatever needs a whole row (beams, log-probabilities, guesses, chains
//! that can draw any token) gets it by [`DeviceRows::copy`], at the price of the copy.

use super::model::{Logits, ModelError};
use crate::sampling::{Cut, Survivors};

/// What a forward pass gives: rows in the processor's memory, or somewhere else.
#[derive(Debug)]
pub enum Rows {
    /// Rows that can be read.
    Host(Logits),
    /// Rows that have to be asked for.
    Device(Box<dyn DeviceRows>),
}

impl Rows {
    /// The rows in the processor's memory, copied there if need be.
    ///
    /// # Errors
    /// As [`DeviceRows::copy`].
    pub fn into_host(self) -> Result<Logits, ModelError> {
        match self {
            Rows::Host(logits) => Ok(logits),
            Rows::Device(rows) => rows.copy(),
        }
    }
}

/// The logits of one forward pass, `[rows, vocab]`, in memory that the processor does not read.
pub trait DeviceRows: std::fmt::Debug + Send {
    /// What the cuts leave of rows, of which only the first `tokens` logits count; one answer for each cut, in order.
    ///
    /// # Errors
    /// [`ModelError::NoRow`] for an input without a row; a failure of the backend.
    fn survivors(&self, cuts: &[RowCut<'_>], tokens: usize) -> Result<Vec<Survivors>, ModelError>;

    /// All rows, as [`LanguageModel::forward`](super::LanguageModel::forward) gives them.
    ///
    /// # Errors
    /// A failure of the backend.
    fn copy(&self) -> Result<Logits, ModelError>;
}

/// What is wanted of a row.
#[derive(Clone, Debug)]
pub struct RowCut<'a> {
    /// The input whose last row it is.
    pub input: usize,
    /// The allowed tokens, packed, 32 a word, lowest bit first; none means all, and tokens beyond its end are forbidden.
    pub mask: Option<&'a [u32]>,
    /// What the sampler needs.
    pub cut: Cut,
}
