//! The ways in which outputs are found, with their settings.
//!
//! The searches themselves are in `beam` and `contrastive_search`.

use super::error::DecodeError;
use crate::sampling::parameter_sets::Beams;
pub use crate::sampling::parameter_sets::EarlyStopping;
use std::fmt;
use std::str::FromStr;

/// Largest number of outputs, beams or candidates of one request.
pub const MAX_COMPLETIONS: usize = 4096;

/// The way in which outputs are found.
///
/// A strategy is also read from a text, and written as one:
///
/// - [`Sample`](Self::Sample): `sample`
/// - [`BestOf`](Self::BestOf): `best-of:N`
/// - [`Beam`](Self::Beam): `beam:BEAMS[:LENGTH_PENALTY[:EARLY_STOPPING]]`, with several groups
///   `diverse-beam:BEAMS:GROUPS:PENALTY[:LENGTH_PENALTY[:EARLY_STOPPING]]`
/// - [`Contrastive`](Self::Contrastive): `contrastive[:CANDIDATES[:PENALTY]]`
///
/// ```
/// use hedgerow::decode::{BeamSearch, EarlyStopping, Strategy};
///
/// let search = BeamSearch::new(4).length_penalty(0.8);
/// assert_eq!("beam:4:0.8".parse::<Strategy>()?, Strategy::Beam(search));
/// let patient = Strategy::Beam(search.early_stopping(EarlyStopping::Never));
/// assert_eq!(patient.to_string(), "beam:4:0.8:never");
/// assert!("beam".parse::<Strategy>().is_err());
/// # Ok::<(), hedgerow::decode::DecodeError>(())
/// ```
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
    /// Contrastive search: likely tokens whose hidden states differ from those of earlier tokens,
    /// which avoids repetition.
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
            &Strategy::BestOf(made) if made == 0 || made > limit => {
                let reason = "the number of outputs of which best-of keeps the best is not from 1 to 4096";
                Err(DecodeError::Strategy { reason })
            }
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

/// The forms that a strategy's text has.
const FORMS: &str = "expected sample, best-of:N, beam:BEAMS[:LENGTH_PENALTY[:EARLY_STOPPING]], \
    diverse-beam:BEAMS:GROUPS:PENALTY[:LENGTH_PENALTY[:EARLY_STOPPING]] or \
    contrastive[:CANDIDATES[:PENALTY]]";

impl FromStr for Strategy {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let strategy = Strategy::read(name, &mut parts).filter(|_| parts.next().is_none());
        strategy.ok_or(DecodeError::Strategy { reason: FORMS })
    }
}

impl Strategy {
    /// Reads the strategy from its name and the settings after it.
    fn read<'a>(name: &str, settings: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        match name {
            "sample" => Some(Strategy::Sample),
            "best-of" => Some(Strategy::BestOf(settings.next()?.parse().ok()?)),
            "beam" | "diverse-beam" => {
                let mut search = BeamSearch::new(settings.next()?.parse().ok()?);
                if name == "diverse-beam" {
                    search.groups = settings.next()?.parse().ok()?;
                    search.diversity_penalty = settings.next()?.parse().ok()?;
                }
                set_if_given(&mut search.length_penalty, settings.next())?;
                set_if_given(&mut search.early_stopping, settings.next())?;
                Some(Strategy::Beam(search))
            }
            "contrastive" => {
                let mut search = ContrastiveSearch::default();
                set_if_given(&mut search.candidates, settings.next())?;
                set_if_given(&mut search.penalty, settings.next())?;
                Some(Strategy::Contrastive(search))
            }
            _ => None,
        }
    }
}

/// Sets a setting to its text, if there is one; `None` for a text that cannot be read.
fn set_if_given<T: FromStr>(setting: &mut T, text: Option<&str>) -> Option<()> {
    if let Some(text) = text {
        *setting = text.parse().ok()?;
    }
    Some(())
}

/// The shortest text that [`FromStr`] reads as this strategy.
impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let search = match self {
            Strategy::Sample => return f.write_str("sample"),
            Strategy::BestOf(count) => return write!(f, "best-of:{count}"),
            Strategy::Contrastive(search) => {
                return write!(f, "contrastive:{}:{}", search.candidates, search.penalty);
            }
            Strategy::Beam(search) => search,
        };
        let plain = BeamSearch::new(search.beams);
        match (search.groups, search.diversity_penalty) == (plain.groups, plain.diversity_penalty) {
            true => write!(f, "beam:{}", search.beams)?,
            false => {
                write!(f, "diverse-beam:{}:{}:{}", search.beams, search.groups, search.diversity_penalty)?;
            }
        }
        if search.early_stopping != plain.early_stopping {
            write!(f, ":{}:{}", search.length_penalty, search.early_stopping)
        } else if search.length_penalty != plain.length_penalty {
            write!(f, ":{}", search.length_penalty)
        } else {
            Ok(())
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
    /// The exponent α in the score Σ log p / lengthᵅ of an output. Values above 0 favour longer
    /// outputs. Default 1.
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

impl From<Beams> for BeamSearch {
    /// The search that a parameter set asks for.
    fn from(beams: Beams) -> Self {
        Self::new(beams.beams)
            .length_penalty(f64::from(beams.length_penalty))
            .diverse(beams.groups, f64::from(beams.diversity_penalty))
            .early_stopping(beams.early_stopping)
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
