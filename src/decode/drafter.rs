//! The sources of guesses: n-grams of earlier text, a smaller model, or heads on the model itself.
//!
//! Guesses are made for one request at a time. A draft model takes one pass for each further token
//! that it guesses ahead, over all outputs of the request. It first reads the tokens that it has
//! not read, then its own guesses. Guesses that were not accepted are cut from its cache when it is
//! asked again. The constraint and the sampling parameters of the output apply to it, so its
//! guesses are allowed tokens. All outputs of a request start from a fork of the first draft cache.
//!
//! Draft heads (Medusa: Cai et al. 2024) read the hidden state of the last token read, so they cost
//! no pass. Head i scores the token i + 2 positions ahead. The heads do not know each other's
//! choices.

use super::draft::{self, Draft, DraftChoice, DraftToken};
use super::dyn_model::{DynCache, DynModel};
use super::error::DecodeError;
use super::logits::{Logits, ModelError};
use super::model::{ForwardInput, LanguageModel, LogitRows};
use super::pending_input::DraftCache;
use super::request::Usage;
use super::sequence::Sequence;
use super::settings::DecodeSettings;
use super::token_scores::top;
use crate::sampling::logprobs;
use crate::vocab::TokenId;
use std::sync::Arc;

/// Number of a head's most probable tokens that are considered.
const HEAD_CHOICES: usize = 10;

/// Heads that score tokens further ahead, from the model's last hidden state.
pub trait DraftHeads {
    /// The heads' logits, `[heads, vocab]`, as one input. Row i scores the token i + 2 positions
    /// after the token of `hidden`. Row 0 scores the token after the one that the model itself
    /// scores.
    ///
    /// # Errors
    /// A [`ModelError`], for example for a hidden state of another model.
    fn logits(&self, hidden: &[f32]) -> Result<Logits, ModelError>;
}

impl<H: DraftHeads + ?Sized> DraftHeads for Arc<H> {
    fn logits(&self, hidden: &[f32]) -> Result<Logits, ModelError> {
        (**self).logits(hidden)
    }
}

/// The sources of guesses in a batch.
#[derive(Default)]
pub(crate) struct Drafters {
    pub model: Option<DynModel>,
    pub heads: Option<Box<dyn DraftHeads>>,
}

impl Drafters {
    /// Checks that the batch has the source that a request's guesses need.
    pub fn check(&self, draft: Draft) -> Result<(), DecodeError> {
        let missing = |reason| Err(DecodeError::Strategy { reason });
        match draft {
            Draft::Model { .. } if self.model.is_none() => {
                missing("the batch has no draft model; give it one by `Batch::draft_model`")
            }
            Draft::Heads { .. } if self.heads.is_none() => {
                missing("the batch has no draft heads; give it some by `Batch::draft_heads`")
            }
            _ => Ok(()),
        }
    }

    /// Adds guesses to the pending tokens of a request's outputs.
    pub fn draft<C>(
        &self,
        sequences: &mut [Sequence<C>],
        settings: &DecodeSettings,
        most_pending: usize,
        usage: &mut Usage,
    ) -> Result<(), DecodeError> {
        match (settings.draft, &self.model, &self.heads) {
            (Draft::Ngram { longest, tokens }, ..) => {
                for sequence in in_progress(sequences) {
                    let most = tokens.min(sequence.draft_room(settings, most_pending).0);
                    let guess = draft::ngram(sequence.tokens(), longest, most).to_vec();
                    let allowed = sequence.count_allowed(&guess)?;
                    sequence.input.push_draft(draft::chain(&guess[..allowed]));
                }
            }
            (Draft::Model { tokens, choice }, Some(model), _) => {
                let mut run = DraftModelRun { model, choice, settings };
                run.run(sequences, tokens, most_pending, usage)?;
            }
            (Draft::Heads { tokens }, _, Some(heads)) => {
                for sequence in in_progress(sequences) {
                    draft_by_heads(&**heads, sequence, settings, tokens, most_pending)?;
                }
            }
            _ => {}
        }
        usage.drafted_tokens += sequences.iter().map(|sequence| sequence.input.drafts.len()).sum::<usize>();
        Ok(())
    }
}

/// The outputs that have not ended.
fn in_progress<C>(sequences: &mut [Sequence<C>]) -> impl Iterator<Item = &mut Sequence<C>> {
    sequences.iter_mut().filter(|sequence| sequence.end.is_none())
}

/// A draft model, with the settings of the request for which it guesses.
struct DraftModelRun<'a> {
    model: &'a DynModel,
    choice: DraftChoice,
    settings: &'a DecodeSettings,
}

/// The guesses for one output, in progress.
struct Guesses {
    sequence: usize,
    /// The tokens that the draft model reads next.
    unread: Vec<TokenId>,
    guesses: Vec<DraftToken>,
    most: usize,
}

impl DraftModelRun<'_> {
    fn run<C>(
        &mut self,
        sequences: &mut [Sequence<C>],
        tokens: usize,
        most_pending: usize,
        usage: &mut Usage,
    ) -> Result<(), DecodeError> {
        let mut in_progress = Vec::new();
        for number in 0..sequences.len() {
            if sequences[number].end.is_some() {
                continue;
            }
            let most = tokens.min(sequences[number].draft_room(self.settings, most_pending).0);
            if most == 0 || sequences[number].tokens().len() + most > self.model.context_length() {
                continue;
            }
            if let Some(mut unread) = self.catch_up(sequences, number)? {
                // A long prompt is read in parts, and guesses begin only after it.
                let is_part = unread.len() > most_pending;
                unread.truncate(most_pending);
                let most = if is_part { 0 } else { most };
                in_progress.push(Guesses { sequence: number, unread, guesses: Vec::new(), most });
            }
        }
        let mut done = Vec::new();
        while !in_progress.is_empty() {
            let logits = self.pass(sequences, &in_progress)?;
            usage.draft_passes += 1;
            let mut next = Vec::new();
            for (input, mut guesses) in in_progress.into_iter().enumerate() {
                if guesses.most == 0 {
                    continue;
                }
                let row = logits.last_model_row(input).unwrap_or_default();
                let guess = sequences[guesses.sequence].propose(row, self.choice, self.settings)?;
                // Nothing is guessed after an end token.
                let goes_on =
                    guess.as_ref().is_some_and(|guess| !self.settings.end_tokens.contains(&guess.0));
                if let Some((token, distribution)) = guess {
                    let parent = guesses.guesses.len().checked_sub(1);
                    guesses.guesses.push(DraftToken { token, parent, distribution });
                    guesses.unread = vec![token];
                }
                match goes_on
                    && guesses.guesses.len() < guesses.most
                    && token_fits(self.model, &guesses.unread)
                {
                    true => next.push(guesses),
                    false => done.push(guesses),
                }
            }
            in_progress = next;
        }
        for guesses in done {
            let sequence = &mut sequences[guesses.sequence];
            sequence.rollback(guesses.guesses.len())?;
            sequence.input.push_draft(guesses.guesses);
        }
        Ok(())
    }

    /// Cuts an output's draft cache back to a prefix of its tokens, and gives the tokens that it
    /// has not read; `None` if the draft model does not have one of them.
    fn catch_up<C>(
        &self,
        sequences: &mut [Sequence<C>],
        number: usize,
    ) -> Result<Option<Vec<TokenId>>, DecodeError> {
        if sequences[number].input.draft_cache.is_none() {
            let fork = |other: &DraftCache| -> Result<DraftCache, ModelError> {
                Ok(DraftCache { cache: self.model.fork(&other.cache)?, read: other.read.clone() })
            };
            let draft_cache = match sequences.iter().find_map(|sequence| sequence.input.draft_cache.as_ref())
            {
                Some(other) => fork(other)?,
                None => DraftCache { cache: self.model.new_cache()?, read: Vec::new() },
            };
            sequences[number].input.draft_cache = Some(draft_cache);
        }
        let tokens = sequences[number].tokens().to_vec();
        let Some(DraftCache { cache, read }) = &mut sequences[number].input.draft_cache else {
            return Ok(None);
        };
        let shared = read.iter().zip(&tokens).take_while(|(a, b)| a == b).count();
        // The last token is always read again, for the logits after it.
        let kept = shared.min(tokens.len() - 1).min(self.model.cache_len(cache));
        self.model.truncate(cache, kept)?;
        read.truncate(kept);
        let unread = tokens[kept..].to_vec();
        Ok(Some(unread).filter(|unread| token_fits(self.model, unread)))
    }

    /// Runs one pass of the draft model.
    fn pass<C>(&self, sequences: &mut [Sequence<C>], in_progress: &[Guesses]) -> Result<Logits, DecodeError> {
        let mut inputs: Vec<ForwardInput<'_, DynCache>> = Vec::new();
        let mut guesses = in_progress.iter().peekable();
        for (number, sequence) in sequences.iter_mut().enumerate() {
            let Some(of) = guesses.next_if(|guesses| guesses.sequence == number) else { continue };
            let Some(DraftCache { cache, read }) = &mut sequence.input.draft_cache else { continue };
            read.extend_from_slice(&of.unread);
            inputs.push(ForwardInput { tokens: &of.unread, cache, rows: LogitRows::Last });
        }
        Ok(self.model.forward(&mut inputs)?)
    }
}

/// True if a draft model has all these tokens: vocabularies of one family are padded to different
/// sizes.
fn token_fits(model: &DynModel, tokens: &[TokenId]) -> bool {
    tokens.iter().all(|token| token.index() < model.vocab_size())
}

/// Guesses a tree by draft heads.
fn draft_by_heads<C>(
    heads: &dyn DraftHeads,
    sequence: &mut Sequence<C>,
    settings: &DecodeSettings,
    tokens: usize,
    most_pending: usize,
) -> Result<(), DecodeError> {
    let (depth, width) = sequence.draft_room(settings, most_pending);
    let Some(hidden) = sequence.input.hidden.take().filter(|_| depth > 0) else { return Ok(()) };
    let logits = heads.logits(&hidden)?;
    // The first pending token is the model's own. Each forced token after it stands at a position
    // that a head would have guessed.
    let first = sequence.input.tokens.len().saturating_sub(1);
    let mut levels = Vec::new();
    for row in (first..logits.rows(0)).take(depth).filter_map(|row| logits.row(0, row)) {
        let row = &row[..settings.vocabulary.token_count().min(row.len())];
        let row = logprobs::log_softmax(row).map_err(DecodeError::DraftLogits)?;
        let scored = row.into_iter().enumerate().map(|(id, logprob)| (TokenId(id as u32), logprob));
        levels.push(top(scored.filter(|(token, _)| !settings.end_tokens.contains(token)), HEAD_CHOICES));
    }
    let mut constrained = sequence.draft_tree()?;
    let allowed = |parent, token| -> Result<bool, DecodeError> {
        let Some(tree) = &mut constrained else { return Ok(true) };
        let nodes = tree.len();
        let allowed = tree.push(parent, token)?;
        if !allowed {
            // A forbidden token is no node of the drafter's tree either.
            tree.truncate(nodes);
        }
        Ok(allowed)
    };
    let tree = draft::likeliest_tree(&levels, tokens.min(width), allowed)?;
    sequence.input.push_draft(tree);
    Ok(())
}
