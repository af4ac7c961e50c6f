//! The ways in which outputs are found, with their settings.
//!
//! The searches themselves are in `beam` and `contrastive_search`.

use super::error::DecodeError;
pub use crate::sampling::parameter_sets::EarlyStopping;

/// Largest number of outputs, beams or candidates of one request.
pub const MAX_COMPLETIONS: usize = 4096;

/// The way in which outputs are found.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Strategy {
    /// Sampling token by token, as [`Request::sampling`](super::Request#structfield.sampling) says;
    /// greedy at temperature 0.
    #[default]
    Sample,
    /// Sampling of more outputs than asked for, of which the most probable are kept.
    ///
    /// The measure is the mean of ln softmax(logits) over the tokens that the model was asked for.
    /// The outputs are streamed when all of them have ended.
    BestOf(
        /// Number of outputs to make, at least
        /// [`Request::completions`](super::Request#structfield.completions).
        usize,
    ),
    /// Beam search for the most probable outputs.
    ///
    /// Temperature and truncations have no effect. Biases, bans, penalties and the constraint are
    /// applied. The outputs are streamed when the search has ended.
    Beam(BeamSearch),
    /// Contrastive search: likely tokens whose meaning differs from that of earlier ones.
    ///
    /// The model must give its hidden states
    /// ([`LanguageModel::forward_tree`](super::LanguageModel::forward_tree)).
    Contrastive(ContrastiveSearch),
}

impl Strategy {
    /// Checks the settings, alone and against the number of outputs that a request asks for.
    ///
    /// # Errors
    /// [`DecodeError::Completions`] for a number of outputs that is not from 1 to
    /// [`MAX_COMPLETIONS`]; [`DecodeError::Strategy`] for settings that cannot be carried out.
    pub fn check(&self, completions: usize) -> Result<(), DecodeError> {
        let limit = MAX_COMPLETIONS;
        if completions == 0 || completions > limit {
            return Err(DecodeError::Completions { given: completions, limit });
        }
        match self {
            Strategy::Sample => Ok(()),
            &Strategy::BestOf(made) if made > limit => Err(DecodeError::Completions { given: made, limit }),
            &Strategy::BestOf(made) if made < completions => {
                let reason = "best-of makes fewer outputs than are asked for; make more, or ask for fewer";
                Err(DecodeError::Strategy { reason })
            }
            Strategy::BestOf(_) => Ok(()),
            Strategy::Beam(search) => search.check(completions, limit),
            Strategy::Contrastive(search) => search.check(completions, limit),
        }
    }
}

/// The settings of beam search.
///
/// ```
/// use hedgerow::decode::{BeamSearch, EarlyStopping, Request, Strategy};
/// use hedgerow::vocab::TokenId;
///
/// let search = BeamSearch::new(4).length_penalty(0.8).early_stopping(EarlyStopping::Full);
/// let request = Request::new(vec![TokenId(1)]).strategy(Strategy::Beam(search)).completions(2);
/// assert_eq!(search.beams, 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BeamSearch {
    /// Number of beams in all groups together, at least 1.
    pub beams: usize,
    /// The exponent α of Σ log p / lengthᵅ. Values above 0 favour longer outputs. Default 1.
    pub length_penalty: f64,
    /// The rule that ends the search. Default [`EarlyStopping::Heuristic`].
    pub early_stopping: EarlyStopping,
    /// Number of groups that choose one after another; it divides `beams`. Default 1.
    pub groups: usize,
    /// The reduction of a token's score for each time that an earlier group has chosen it at this
    /// step, ≥ 0. Default 0.
    pub diversity_penalty: f64,
}

impl BeamSearch {
    /// Beam search with this number of beams, and defaults for all other settings.
    pub fn new(beams: usize) -> Self {
        Self {
            beams,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::default(),
            groups: 1,
            diversity_penalty: 0.0,
        }
    }

    /// Sets [`length_penalty`](Self#structfield.length_penalty).
    #[must_use]
    pub fn length_penalty(self, length_penalty: f64) -> Self {
        Self { length_penalty, ..self }
    }

    /// Sets [`early_stopping`](Self#structfield.early_stopping).
    #[must_use]
    pub fn early_stopping(self, early_stopping: EarlyStopping) -> Self {
        Self { early_stopping, ..self }
    }

    /// Sets [`groups`](Self#structfield.groups) and
    /// [`diversity_penalty`](Self#structfield.diversity_penalty).
    #[must_use]
    pub fn diverse(self, groups: usize, diversity_penalty: f64) -> Self {
        Self { groups, diversity_penalty, ..self }
    }

    /// Refuses settings that have no meaning.
    fn check(&self, completions: usize, limit: usize) -> Result<(), DecodeError> {
        let refuse = |reason| Err(DecodeError::Strategy { reason });
        if self.beams == 0 || self.beams > limit {
            return refuse("the number of beams is not from 1 to 4096");
        }
        if completions > self.beams {
            return refuse("more outputs are asked for than there are beams; raise the number of beams");
        }
        if self.groups == 0 || !self.beams.is_multiple_of(self.groups) {
            return refuse("the number of groups does not divide the number of beams");
        }
        if !self.length_penalty.is_finite() {
            return refuse("the length penalty is not a finite number");
        }
        if !(0.0..f64::INFINITY).contains(&self.diversity_penalty) {
            return refuse("the diversity penalty is not a finite number ≥ 0");
        }
        Ok(())
    }
}

/// The settings of contrastive search.
///
/// ```
/// use hedgerow::decode::{ContrastiveSearch, Request, Strategy};
/// use hedgerow::vocab::TokenId;
///
/// let search = ContrastiveSearch::default().candidates(8);
/// let request = Request::new(vec![TokenId(1)]).strategy(Strategy::Contrastive(search));
/// # let _ = request;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ContrastiveSearch {
    /// Number k of candidates for each token, at least 1. Default 4.
    pub candidates: usize,
    /// Weight α of the similarity, in [0, 1]; 0 is greedy. Default 0.6.
    pub penalty: f32,
}

impl Default for ContrastiveSearch {
    /// Four candidates and a penalty of 0.6, as Hugging Face's examples have it.
    fn default() -> Self {
        ContrastiveSearch { candidates: 4, penalty: 0.6 }
    }
}

impl ContrastiveSearch {
    setter! { candidates, usize }
    setter! { penalty, f32 }

    /// Refuses settings that have no meaning.
    fn check(&self, completions: usize, limit: usize) -> Result<(), DecodeError> {
        let refuse = |reason| Err(DecodeError::Strategy { reason });
        if self.candidates == 0 || self.candidates > limit {
            return refuse("the number of candidates is not from 1 to 4096");
        }
        if !(0.0..=1.0).contains(&self.penalty) {
            return refuse("the penalty is not from 0 to 1");
        }
        if completions > 1 {
            return refuse("contrastive search finds one output; ask for one");
        }
        Ok(())
    }
}
