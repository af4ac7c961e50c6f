//! The input of one step of a search over several sequences.

use super::clock::Clock;
use super::logits::Logits;
use super::request::Timings;
use super::sequence::Sequence;
use super::settings::DecodeSettings;

/// The result of a forward pass, from which a search takes its next step.
pub(crate) struct SearchStep<'a, C> {
    /// The sequences that were read. When the search ends, they become the outputs.
    pub sequences: &'a mut Vec<Sequence<C>>,
    pub logits: &'a Logits,
    /// The hidden states of the tokens read, if they were asked for.
    pub hidden: Option<&'a Logits>,
    /// The input of the first sequence. The logits of `sequences[i]` are those of input
    /// `first_input + i`.
    pub first_input: usize,
    pub settings: &'a DecodeSettings,
    pub clock: &'a Clock,
    pub times: &'a mut Timings,
}
