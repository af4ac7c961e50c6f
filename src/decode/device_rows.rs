//! Logits that stay on the device where the model computed them.
//!
//! A copy of whole rows from a GPU costs more than a search through them there. A model may
//! therefore keep its rows on the device ([`Rows::Device`]) and give the loop only the part that
//! its samplers need. [`DeviceRows::top_logits`] answers all queries of a step in one exchange:
//! masks go to the device, a few tokens with their logits come back.
//!
//! Beams, log-probabilities, guesses and sampling chains that can draw any token need whole rows.
//! They get them by [`DeviceRows::copy`], at the cost of the copy.

use super::logits::{Logits, ModelError};
use crate::sampling::{TopLogits, TopLogitsQuery};

/// The logits of a forward pass: rows in host memory, or rows on a device.
#[derive(Debug)]
pub enum Rows {
    /// Rows in host memory.
    Host(Logits),
    /// Rows on a device, which must be asked for.
    Device(Box<dyn DeviceRows>),
}

impl Rows {
    /// The rows in host memory, copied there if necessary.
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

/// The logits of one forward pass, `[rows, vocab]`, in memory that the host does not read.
pub trait DeviceRows: std::fmt::Debug + Send {
    /// The results of queries, one for each, in order. Only the first `tokens` logits of a row are
    /// used.
    ///
    /// # Errors
    /// [`ModelError::NoRow`] for an input without a row; [`ModelError::Backend`] if the backend
    /// fails.
    fn top_logits(&self, queries: &[RowQuery<'_>], tokens: usize) -> Result<Vec<TopLogits>, ModelError>;

    /// All rows, as [`LanguageModel::forward`](super::LanguageModel::forward) gives them.
    ///
    /// # Errors
    /// [`ModelError::Backend`] if the backend fails.
    fn copy(&self) -> Result<Logits, ModelError>;
}

/// The part of a row that is needed.
#[derive(Clone, Debug)]
pub struct RowQuery<'a> {
    /// The input whose last row is meant.
    pub input: usize,
    /// The allowed tokens, packed, 32 a word, lowest bit first. `None` allows all; tokens beyond
    /// the mask's end are forbidden.
    pub mask: Option<&'a [u32]>,
    /// The part that the sampler needs.
    pub wanted: TopLogitsQuery,
}
