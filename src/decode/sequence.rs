//! One output in progress: its tokens, its text, and its end.
//!
//! A sequence alternates between two operations. [`apply_forced`](Sequence::apply_forced) appends
//! tokens that need no logits, because the constraint forces them, and checks if the output has
//! ended. [`sample`](Sequence::sample) takes one row of logits and appends one token. Between the
//! two, a forward pass reads the [pending](Sequence::input) tokens, which the model has not read
//! yet. A run of forced tokens therefore costs one pass, however long it is.

use std::borrow::Cow;

use super::clock::Clock;
use super::constraint_state::{ConstraintState, KnownEnding, NextTokens, Rest};
use super::draft::{self, Acceptance, Distribution, DraftChoice, DraftToken};
use super::error::DecodeError;
use super::logits::ModelRow;
use super::pending_input::PendingInput;
use super::reasoning_budget::ReasoningState;
use super::reply::ReplyStream;
use super::request::{BudgetEnding, Completion, FinishReason, Request, Timings};
use super::settings::{DecodeSettings, Scoring};
use super::short_output::History;
use super::token_scores::{TokenScores, top_finite};
use crate::engine::DraftTree;
use crate::sampling::{Purpose, Sampled, Sampler, SamplingError, TopLogits, TopLogitsQuery, logprobs};
use crate::tags::Event;
use crate::vocab::TokenId;
use crate::vocab::{Stops, TextStream};

/// One output.
pub(crate) struct Sequence<C> {
    /// The tokens that the model reads next, and its cache.
    pub input: PendingInput<C>,
    pub end: Option<FinishReason>,
    /// The error that ended the output.
    pub error: Option<DecodeError>,
    /// The score that a search has given the output.
    pub search_score: Option<f64>,
    constraint: ConstraintState,
    sampler: Sampler,
    text: TextStream,
    reply: Option<ReplyStream>,
    /// The tokens of prompt and output.
    tokens: Vec<TokenId>,
    /// Number of tokens of the prompt.
    prompt_len: usize,
    /// Number of tokens of the output for which the model was not asked.
    forced_count: usize,
    /// Positions of the tokens of the output that were guessed.
    confirmed: Vec<usize>,
    healed_bytes: usize,
    budget_ending: Option<BudgetEnding>,
    reasoning: ReasoningState,
    /// For an output that ended with an end token or a stop string, which are no part of the text:
    /// true if the text satisfies the constraint.
    complete_before_end: Option<bool>,
    scores: TokenScores,
    reported: Reported,
}

/// The part of an output that has been reported.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    /// Number of tokens.
    tokens: usize,
    /// True if the end has been reported.
    end: bool,
}

/// The start of the tokens and of the text that are new since the last report.
pub(crate) struct Delta {
    first_token: usize,
    first_byte: usize,
}

impl<C> Sequence<C> {
    pub fn new(request: &Request, settings: &DecodeSettings, completion: usize) -> Result<Self, DecodeError> {
        let mut params = request.sampling.clone();
        params.completion = params.completion.wrapping_add(completion as u32);
        if params.end_tokens.is_empty() {
            params.end_tokens.clone_from(&settings.end_tokens);
        }
        let mut sampler = Sampler::new(params)?;
        sampler.with_prompt(&request.prompt);
        Ok(Self {
            input: PendingInput::new(request.prompt.clone()),
            end: None,
            error: None,
            search_score: None,
            constraint: ConstraintState::new(request, settings),
            sampler,
            text: TextStream::new(request.stop.iter().map(Vec::as_slice)),
            reply: ReplyStream::new(request)?,
            tokens: request.prompt.clone(),
            prompt_len: request.prompt.len(),
            forced_count: 0,
            confirmed: Vec::new(),
            healed_bytes: settings.healed_bytes.len(),
            budget_ending: None,
            reasoning: ReasoningState::new(settings.reasoning.as_ref()),
            complete_before_end: None,
            scores: TokenScores::default(),
            reported: Reported::default(),
        })
    }

    /// A second output with the same tokens. It has no cache yet.
    pub fn fork(&self) -> Self {
        Self {
            input: PendingInput::new(self.input.tokens.clone()),
            end: self.end,
            error: self.error.clone(),
            search_score: self.search_score,
            constraint: self.constraint.clone(),
            sampler: self.sampler.clone(),
            text: self.text.clone(),
            reply: self.reply.clone(),
            tokens: self.tokens.clone(),
            prompt_len: self.prompt_len,
            forced_count: self.forced_count,
            confirmed: self.confirmed.clone(),
            healed_bytes: self.healed_bytes,
            budget_ending: self.budget_ending,
            reasoning: self.reasoning.clone(),
            complete_before_end: self.complete_before_end,
            scores: self.scores.clone(),
            reported: self.reported,
        }
    }

    /// Refuses a constraint of which no output is known to fit into the largest number of tokens.
    /// If a search had to find an ending that fits, it is returned, so that the request's other
    /// outputs need not search again; see [`set_ending`](Self::set_ending).
    pub fn check_room(&mut self, settings: &DecodeSettings) -> Result<Option<KnownEnding>, DecodeError> {
        let history = History { tokens: &self.tokens, prompt: self.prompt_len };
        self.constraint.check_room(settings, self.sampler.params(), history)
    }

    /// Sets the ending that [`check_room`](Self::check_room) of another output has found.
    pub fn set_ending(&mut self, ending: KnownEnding) {
        self.constraint.set_ending(ending);
    }

    /// The tokens that the cache holds, between two passes.
    pub fn read_tokens(&self) -> &[TokenId] {
        &self.tokens[..self.tokens.len().saturating_sub(self.input.tokens.len())]
    }

    /// Notes that the first `count` pending tokens had been guessed.
    pub fn confirm(&mut self, count: usize) {
        let first = self.length() - self.input.tokens.len();
        self.confirmed.extend(first..first + count);
    }

    /// Number of tokens of the output.
    pub fn length(&self) -> usize {
        self.tokens.len() - self.prompt_len
    }

    /// True if the model has chosen a token.
    pub fn has_choices(&self) -> bool {
        self.length() > self.forced_count
    }

    /// The tokens of prompt and output.
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// The score by which the output is compared with others.
    pub fn score(&self) -> Option<f64> {
        self.search_score.or_else(|| self.scores.mean())
    }

    /// The rank of the output for a choice among outputs; a lower one is better. 0: the model has
    /// ended it, or a limit has ended it without a constraint. 1: its text does not satisfy the
    /// constraint, or a limit on tokens has ended it under a constraint. 2: it was cancelled or has
    /// not ended. 3: it failed.
    pub fn rank(&self) -> u8 {
        let is_constrained = self.constraint.is_complete().is_some();
        match self.end {
            Some(FinishReason::Failed) => 3,
            None | Some(FinishReason::Cancelled) => 2,
            Some(FinishReason::Length) if is_constrained => 1,
            Some(_) => u8::from(self.complete_before_end == Some(false)),
        }
    }

    /// Room for drafts: the largest number of tokens that may follow one another, and the largest
    /// number in the whole tree.
    pub fn draft_room(&self, settings: &DecodeSettings, most_pending: usize) -> (usize, usize) {
        if self.constraint.is_healing() {
            return (0, 0);
        }
        let width = (settings.context.saturating_sub(self.tokens.len()))
            .min(most_pending.saturating_sub(self.input.tokens.len()));
        (settings.max_tokens.saturating_sub(self.length() + 1).min(width), width)
    }

    /// Number of the first of these tokens that the constraint allows next, one after another.
    pub fn count_allowed(&mut self, tokens: &[TokenId]) -> Result<usize, DecodeError> {
        self.constraint.count_allowed(tokens)
    }

    /// A tree of drafts that the constraint checks, if there is a constraint.
    pub fn draft_tree(&mut self) -> Result<Option<DraftTree<'_>>, DecodeError> {
        self.constraint.draft_tree()
    }

    /// A draft model's token, from its logits, and the distribution from which it was drawn. The
    /// sequence then stands after the token, until [`rollback`](Self::rollback).
    ///
    /// `None` if the model proposes nothing. This must not depend on the drawn token. Otherwise the
    /// drafts would not have the returned distribution.
    pub fn propose(
        &mut self,
        row: ModelRow<'_>,
        choice: DraftChoice,
        settings: &DecodeSettings,
    ) -> Result<Option<(TokenId, Option<Distribution>)>, DecodeError> {
        let tokens = settings.token_count().min(row.len());
        let mask = self.constraint.draft_mask(tokens)?;
        let row = row.plausible(tokens, |row| self.sampler.process(row, mask.as_deref()));
        let row = row.map_err(DecodeError::DraftLogits)?;
        // A draft model proposes nothing if it has no allowed token, for example because its
        // vocabulary is smaller.
        let distribution = match self.sampler.distribution(&*row, mask.as_deref()) {
            Ok(distribution) => distribution,
            Err(SamplingError::EmptySupport { .. }) => return Ok(None),
            Err(error) => return Err(DecodeError::DraftLogits(error)),
        };
        let (token, distribution) = match choice {
            DraftChoice::Likeliest => (argmax(&distribution), None),
            DraftChoice::Drawn => {
                let u = self.sampler.rng().uniform(self.sampler.position() as u32, Purpose::Draft, 0);
                (draft::draw_from(&distribution, u), Some(distribution))
            }
        };
        let Some(token) = token else { return Ok(None) };
        if !self.constraint.advance_draft(token)? {
            return Ok(None);
        }
        self.sampler.accept(token);
        Ok(Some((token, distribution)))
    }

    /// Removes tokens that were added by [`propose`](Self::propose).
    pub fn rollback(&mut self, tokens: usize) -> Result<(), DecodeError> {
        self.constraint.rollback_draft(tokens)?;
        Ok(self.sampler.rollback_tokens(tokens)?)
    }

    /// Appends forced tokens, and checks if the output has ended.
    pub fn apply_forced(
        &mut self,
        settings: &DecodeSettings,
        clock: &Clock,
        times: &mut Timings,
    ) -> Result<(), DecodeError> {
        let start = clock.now();
        let result = self.apply_forced_untimed(settings);
        times.mask += clock.since(start);
        result
    }

    fn apply_forced_untimed(&mut self, settings: &DecodeSettings) -> Result<(), DecodeError> {
        self.end_reasoning(settings)?;
        while self.end.is_none() {
            let forced = match self.constraint.next_tokens(settings, self.length())? {
                NextTokens::Complete => {
                    self.end = Some(FinishReason::ConstraintComplete);
                    return Ok(());
                }
                NextTokens::Forced(tokens) => self.fit_forced(tokens, settings)?,
            };
            if self.length() >= settings.max_tokens {
                self.end = Some(match self.is_over(settings)? {
                    true => FinishReason::ConstraintComplete,
                    false => FinishReason::Length,
                });
                return Ok(());
            }
            let before = self.length();
            for token in forced {
                if self.end.is_some() || self.length() >= settings.max_tokens {
                    break;
                }
                // If the constraint refuses a token, the model chooses the next one.
                if !self.append(token, settings, Stops::Heeded)? {
                    break;
                }
                self.count_forced(settings);
            }
            if self.length() == before {
                return self.check_forced_last(settings);
            }
        }
        Ok(())
    }

    /// Leaves out `forced_last` at the last position if the output cannot end with it. The mask of
    /// this position has been computed.
    fn check_forced_last(&mut self, settings: &DecodeSettings) -> Result<(), DecodeError> {
        let params = self.sampler.params();
        let Some(token) = params.forced_last.filter(|token| !settings.end_tokens.contains(token)) else {
            return Ok(());
        };
        let is_last = params.max_tokens.is_some_and(|most| self.length() + 1 == most);
        if is_last && !self.constraint.may_end_with(token)? {
            self.sampler.leave_out_forced_last();
        }
        Ok(())
    }

    /// Returns the forced tokens. If they would leave too little room for the rest of the output,
    /// returns other tokens of the same text. For example, the engine spells the forced text
    /// `unclassified` with the longest token first: `unc`, `lass`, `ified`. The shortest ending
    /// spells it with the fewest tokens: `un`, `classified`.
    fn fit_forced(
        &mut self,
        forced: Vec<TokenId>,
        settings: &DecodeSettings,
    ) -> Result<Vec<TokenId>, DecodeError> {
        if forced.is_empty() {
            return Ok(forced);
        }
        let Rest::TooLong(ending) = self.rest_after(&forced, settings)? else { return Ok(forced) };
        let vocabulary = &settings.vocabulary;
        let mut left = vocabulary.decode(&forced).len();
        let is_forced = |token: &TokenId| {
            let length = vocabulary.bytes(*token).len();
            let fits = length > 0 && length <= left;
            left = left.saturating_sub(length);
            fits
        };
        Ok(ending.into_iter().take_while(is_forced).collect())
    }

    /// Ends reasoning if its budget is spent, once the constraint allows the whole ending. If the
    /// output could not be completed after this ending, the output itself ends here, with the
    /// shortest tokens that complete it.
    fn end_reasoning(&mut self, settings: &DecodeSettings) -> Result<(), DecodeError> {
        let Some(ending) = self.reasoning.ending(settings.reasoning.as_ref()) else { return Ok(()) };
        if self.end.is_some() || self.constraint.is_healing() {
            return Ok(());
        }
        if self.constraint.count_allowed(ending)? < ending.len() || self.bans_forbid(ending) {
            return Ok(());
        }
        let rest = self.rest_after(ending, settings)?;
        if let Rest::DeadEnd = rest {
            return Ok(());
        }
        self.reasoning = ReasoningState::Over { tokens: self.reasoning.tokens() };
        if let Rest::TooLong(shortest) = rest {
            return self.append_ending(&shortest, settings);
        }
        for &token in ending {
            let is_over = self.end.is_some() || self.length() >= settings.max_tokens;
            if is_over || !self.append(token, settings, Stops::Heeded)? {
                break;
            }
            self.count_forced(settings);
        }
        Ok(())
    }

    /// True if the request's bans forbid one of `tokens`, which are to follow the output.
    fn bans_forbid(&self, tokens: &[TokenId]) -> bool {
        let params = self.sampler.params();
        let mut history = self.tokens.clone();
        let mut is_banned = |&token: &TokenId| {
            let output = history.len() - self.prompt_len;
            let is_banned = params.forbids_after(&history, output, token);
            history.push(token);
            is_banned
        };
        params.names_bans() && tokens.iter().any(&mut is_banned)
    }

    /// True if the output satisfies the constraint, and the constraint and the request's bans leave
    /// nothing but an end token after it.
    fn is_over(&mut self, settings: &DecodeSettings) -> Result<bool, DecodeError> {
        self.is_complete_unless(|token| !settings.end_tokens.contains(&token), settings)
    }

    /// True if the output satisfies the constraint, and the constraint and the request's bans leave
    /// nothing after it, not even an end token.
    pub fn has_nothing_left(&mut self, settings: &DecodeSettings) -> Result<bool, DecodeError> {
        self.is_complete_unless(|_| true, settings)
    }

    /// True if the output satisfies the constraint, and none of the tokens that `counts` may come
    /// next, because the constraint or the request's bans forbid them.
    fn is_complete_unless(
        &mut self,
        counts: impl Fn(TokenId) -> bool,
        settings: &DecodeSettings,
    ) -> Result<bool, DecodeError> {
        let is_complete = self.constraint.is_complete() == Some(true) && !self.constraint.is_healing();
        if !is_complete || !self.sampler.params().names_bans() {
            return Ok(false);
        }
        let count = settings.token_count();
        let mut row = vec![0.0; count];
        self.sampler.process(&mut row, self.constraint.mask(count))?;
        for token in (0..count as u32).map(TokenId).filter(|token| row[token.index()].is_finite()) {
            if counts(token) && !self.is_dead_end(token, settings)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True if the request's bans forbid every complete output after `token`, as far as a search
    /// finds that out.
    fn is_dead_end(&mut self, token: TokenId, settings: &DecodeSettings) -> Result<bool, DecodeError> {
        let may_be = self.sampler.params().names_bans();
        Ok(may_be && matches!(self.rest_after(&[token], settings)?, Rest::DeadEnd))
    }

    /// Takes those of `tokens` out of the mask after which the request's bans forbid every complete
    /// output. Returns true if there was one. The scores must then be computed again, because end
    /// tokens that were held back may be allowed now.
    pub fn exclude_dead_ends(
        &mut self,
        tokens: impl IntoIterator<Item = TokenId>,
        settings: &DecodeSettings,
    ) -> Result<bool, DecodeError> {
        let excluded = self.constraint.excluded();
        for token in tokens {
            if self.is_dead_end(token, settings)? {
                self.constraint.exclude(token);
            }
        }
        Ok(self.constraint.excluded() > excluded)
    }

    /// Ends the output by an error, with the text that it has. If nothing is left to draw after a
    /// text that satisfies the constraint, because bans forbid the rest and the end token, the
    /// output is complete instead.
    pub fn fail(&mut self, error: DecodeError, settings: &DecodeSettings) {
        // The matcher may have read drafts as well, so the output is read from its beginning.
        let output = &self.tokens[self.prompt_len..];
        let complete = self.constraint.accepts(output, self.text.bytes().len(), settings);
        self.complete_before_end = complete.unwrap_or(Some(false));
        let is_empty = matches!(error, DecodeError::Sampling(SamplingError::EmptySupport { .. }));
        let is_healing = self.constraint.is_healing();
        if is_empty && self.complete_before_end == Some(true) && !is_healing {
            self.end = Some(FinishReason::ConstraintComplete);
        } else {
            self.end = Some(FinishReason::Failed);
            self.error.get_or_insert(if is_empty && is_healing { DecodeError::Healing } else { error });
        }
    }

    /// [Samples](Self::sample) a token and appends those that it forces. An error ends this output
    /// alone.
    pub fn advance(
        &mut self,
        row: ModelRow<'_>,
        drafts: &[&DraftToken],
        settings: &DecodeSettings,
        clock: &Clock,
        times: &mut Timings,
    ) {
        let sampled = self.sample(row, drafts, settings, clock, times);
        self.after_sample(sampled, settings, clock, times);
    }

    /// Appends the tokens that a sampled one forces. An error of either ends this output.
    fn after_sample(
        &mut self,
        sampled: Result<(), DecodeError>,
        settings: &DecodeSettings,
        clock: &Clock,
        times: &mut Timings,
    ) {
        if let Err(error) = sampled.and_then(|()| self.apply_forced(settings, clock, times)) {
            self.fail(error, settings);
        }
    }

    /// Samples the next token from a row of logits, under the mask that
    /// [`apply_forced`](Self::apply_forced) has computed. `drafts` are the drafts for this token.
    /// If the request's bans forbid every complete output after the drawn token, it is taken out of
    /// the mask, and another one is drawn.
    fn sample(
        &mut self,
        row: ModelRow<'_>,
        drafts: &[&DraftToken],
        settings: &DecodeSettings,
        clock: &Clock,
        times: &mut Timings,
    ) -> Result<(), DecodeError> {
        loop {
            let start = clock.now();
            let logits = self.plausible(row, settings.token_count(), settings)?;
            let mask = self.constraint.mask(settings.token_count());
            let sampled = match self.constraint.excluded() {
                0 => draw(&mut self.sampler, &logits, mask, drafts, settings.acceptance)?,
                tries => draw_again(&mut self.sampler, &logits, mask, tries)?,
            };
            let distribution = match settings.logprobs {
                Some(_) => self.sampler.distribution(&*logits, mask)?,
                None => Vec::new(),
            };
            let distribution = distribution.into_iter().map(|(token, p)| (token, p.ln()));
            let sampled_at = clock.now();
            times.sample += sampled_at.saturating_sub(start);
            let result = match self.rest_after(&[sampled.token], settings)? {
                Rest::Fits => {
                    self.record_logprobs(sampled.token, sampled.logprob, distribution, row, settings)?;
                    Some(self.append_allowed(sampled.token, settings))
                }
                Rest::TooLong(ending) => Some(self.append_ending(&ending, settings)),
                Rest::DeadEnd => {
                    self.constraint.exclude(sampled.token);
                    None
                }
            };
            times.mask += clock.since(sampled_at);
            if let Some(result) = result {
                return result;
            }
        }
    }

    /// The part of a row of logits that [`advance_among`](Self::advance_among) needs, with the
    /// mask; `None` if that is the whole row.
    pub fn top_logits_query(&self, settings: &DecodeSettings) -> Option<(Option<&[u32]>, TopLogitsQuery)> {
        let whole = settings.logprobs.is_some() || settings.scoring != Scoring::None;
        if whole || !self.input.drafts.is_empty() {
            return None;
        }
        let tokens = settings.vocabulary.token_count();
        let mask = self.constraint.mask(tokens);
        // A fault of the chain is reported when the sampler draws from the row.
        Some((mask, self.sampler.top_logits_query(tokens, mask).ok()??))
    }

    /// Does the same as [`advance`](Self::advance) without drafts, but from the result of a
    /// [`top_logits_query`](Self::top_logits_query). If the result is too small to draw from, `row`
    /// is asked for the whole row.
    ///
    /// # Errors
    /// Those of `row`.
    pub fn advance_among<'a>(
        &mut self,
        top_logits: &TopLogits,
        row: impl FnOnce() -> Result<ModelRow<'a>, DecodeError>,
        settings: &DecodeSettings,
        clock: &Clock,
        times: &mut Timings,
    ) -> Result<(), DecodeError> {
        match self.sample_among(top_logits, settings, clock, times) {
            Ok(false) => self.advance(row()?, &[], settings, clock, times),
            sampled => self.after_sample(sampled.map(|_| ()), settings, clock, times),
        }
        Ok(())
    }

    /// Samples from the result of a query. Returns `false`, and appends nothing, if the result is
    /// too small to draw from, or if the request's bans forbid every complete output after the
    /// token.
    fn sample_among(
        &mut self,
        top_logits: &TopLogits,
        settings: &DecodeSettings,
        clock: &Clock,
        times: &mut Timings,
    ) -> Result<bool, DecodeError> {
        let start = clock.now();
        let sampled = self.sampler.sample_among(top_logits, settings.vocabulary.token_count())?;
        let sampled_at = clock.now();
        times.sample += sampled_at.saturating_sub(start);
        let Some(Sampled { token, .. }) = sampled else { return Ok(false) };
        let is_appended = match self.rest_after(&[token], settings)? {
            Rest::Fits => self.append_allowed(token, settings).map(|()| true)?,
            Rest::TooLong(ending) => self.append_ending(&ending, settings).map(|()| true)?,
            Rest::DeadEnd => {
                self.constraint.exclude(token);
                false
            }
        };
        times.mask += clock.since(sampled_at);
        Ok(is_appended)
    }

    /// Tells if the output can be completed after the tokens `next`.
    fn rest_after(&mut self, next: &[TokenId], settings: &DecodeSettings) -> Result<Rest, DecodeError> {
        let room = settings.max_tokens.saturating_sub(self.length());
        let history = History { tokens: &self.tokens, prompt: self.prompt_len };
        self.constraint.rest_after(next, room, settings, self.sampler.params(), history)
    }

    /// Appends the tokens with which the budget ends the output. Stop strings and end tokens among
    /// them do not end it: they are not the model's, and the text would lack its end without the
    /// rest.
    fn append_ending(&mut self, ending: &[TokenId], settings: &DecodeSettings) -> Result<(), DecodeError> {
        let (first_token, first_byte) = (self.length(), self.text.bytes().len());
        for &token in ending {
            if !self.append(token, settings, Stops::Ignored)? {
                return Err(self.not_allowed(token));
            }
            self.scores.record_forced(settings);
        }
        let tokens = ending.len();
        self.budget_ending = (tokens > 0).then_some(BudgetEnding { first_token, tokens, first_byte });
        self.end = Some(FinishReason::Length);
        Ok(())
    }

    /// Counts a token for which the model was not asked.
    fn count_forced(&mut self, settings: &DecodeSettings) {
        self.forced_count += 1;
        self.scores.record_forced(settings);
    }

    /// The first `tokens` logits of a row, without those that are implausible beside the most
    /// plausible token that neither the constraint nor the request's bans forbid.
    pub fn plausible<'a>(
        &mut self,
        row: ModelRow<'a>,
        tokens: usize,
        settings: &DecodeSettings,
    ) -> Result<Cow<'a, [f32]>, SamplingError> {
        let count = settings.token_count();
        let mask = self.constraint.mask(count);
        row.plausible(tokens, |row| {
            let (own, padding) = row.split_at_mut(count.min(row.len()));
            padding.fill(f32::NEG_INFINITY);
            self.sampler.process(own, mask)
        })
    }

    /// The score of each token: ln softmax(row) with the constraint, biases and penalties applied.
    /// The result is not renormalised. Forbidden tokens have −∞.
    pub fn next_scores(
        &mut self,
        row: ModelRow<'_>,
        settings: &DecodeSettings,
    ) -> Result<Vec<f32>, DecodeError> {
        let mut scores = logprobs::log_softmax(&self.plausible(row, usize::MAX, settings)?)?;
        let mask = self.constraint.mask(settings.token_count());
        scores.truncate(settings.token_count());
        self.sampler.process(&mut scores, mask)?;
        Ok(scores)
    }

    /// The `count` most probable tokens with ln p, most probable first. Here p is softmax(row),
    /// with the constraint, biases and penalties applied to the row. The first `chosen` of the
    /// tokens are none after which bans leave nothing.
    pub fn most_probable_tokens(
        &mut self,
        row: ModelRow<'_>,
        count: usize,
        chosen: usize,
        settings: &DecodeSettings,
    ) -> Result<Vec<(TokenId, f32)>, DecodeError> {
        loop {
            let mut logits = self.plausible(row, settings.token_count(), settings)?.into_owned();
            let mask = self.constraint.mask(settings.token_count());
            self.sampler.process(&mut logits, mask)?;
            let scores = logprobs::log_softmax(&logits)?;
            let tokens = top_finite(&scores, count);
            let first: Vec<TokenId> = tokens.iter().take(chosen).map(|entry| entry.0).collect();
            if !self.exclude_dead_ends(first, settings)? {
                return Ok(tokens);
            }
        }
    }

    /// Records the log-probabilities of a token that is about to be appended; see
    /// [`TokenScores::record`].
    pub fn record_logprobs(
        &mut self,
        token: TokenId,
        processed: f32,
        distribution: impl Iterator<Item = (TokenId, f32)>,
        row: ModelRow<'_>,
        settings: &DecodeSettings,
    ) -> Result<(), DecodeError> {
        if settings.logprobs.is_none() && settings.scoring == Scoring::None {
            return Ok(());
        }
        let row = self.plausible(row, settings.token_count(), settings)?;
        self.scores.record(token, processed, distribution, &row, settings)
    }

    /// Appends a token that the mask allows.
    pub fn append_allowed(&mut self, token: TokenId, settings: &DecodeSettings) -> Result<(), DecodeError> {
        match self.append(token, settings, Stops::Heeded)? {
            true => Ok(()),
            false => Err(self.not_allowed(token)),
        }
    }

    fn not_allowed(&self, token: TokenId) -> DecodeError {
        DecodeError::NotAllowed { token, tokens: self.length() }
    }

    /// Appends a token; returns `false` if the constraint refuses it. `stops` says if an end token
    /// or a stop string ends the output.
    fn append(
        &mut self,
        token: TokenId,
        settings: &DecodeSettings,
        stops: Stops,
    ) -> Result<bool, DecodeError> {
        let ends = stops == Stops::Heeded && settings.end_tokens.contains(&token);
        let complete = self.constraint.is_complete().filter(|_| ends);
        let is_only_end = ends && self.constraint.allows_only_end(settings);
        let bytes = settings.vocabulary.bytes(token);
        let Some(own) = self.constraint.append(token, bytes, &settings.end_tokens)? else {
            return Ok(false);
        };
        // An end token without bytes is no text, but it may end a part of the reply.
        if let Some(reply) = self.reply.as_mut().filter(|_| !ends || bytes.is_empty()) {
            reply.push(token, bytes.len(), own.len());
        }
        self.sampler.accept(token);
        self.tokens.push(token);
        self.input.tokens.push(token);
        self.reasoning.read(token, &settings.vocabulary, settings.reasoning.as_ref());
        if ends {
            self.end = Some(match is_only_end {
                true => FinishReason::ConstraintComplete,
                false => FinishReason::Stop,
            });
            // The constraint may require the end token itself. This counts only for an end token
            // without bytes, because the bytes of an end token are no part of the output's text.
            let with_token = self.constraint.is_complete().filter(|_| bytes.is_empty());
            self.complete_before_end = complete.max(with_token);
            return Ok(true);
        }
        let stops = match self.length() > settings.min_tokens {
            true => stops,
            false => Stops::Ignored,
        };
        if self.text.push(own, stops) {
            self.end = Some(FinishReason::StopSequence);
            let output = &self.tokens[self.prompt_len..];
            self.complete_before_end = self.constraint.accepts(output, self.text.bytes().len(), settings)?;
        }
        Ok(true)
    }

    /// True if the end of the output has been reported.
    pub fn is_reported(&self) -> bool {
        self.reported.end
    }

    /// The start of the new tokens and text since the last call. If the parts of the constraint
    /// cannot be told apart in the output, the output ends with an error.
    pub fn take_delta(&mut self, settings: &DecodeSettings) -> Delta {
        let length = self.length();
        let first_token = std::mem::replace(&mut self.reported.tokens, length);
        let first_byte = match self.end {
            Some(_) => self.text.finish(),
            None => self.text.release(),
        };
        let is_over = self.end.is_some();
        if let Some(Err(error)) = self.reply.as_mut().map(|reply| reply.update(&self.text, is_over)) {
            self.fail(error, settings);
            self.text.finish();
        }
        self.reported.end = self.end.is_some();
        Delta { first_token, first_byte }
    }

    /// The events of the last call of [`take_delta`](Self::take_delta).
    pub fn new_events(&self) -> &[Event] {
        self.reply.as_ref().map_or(&[], ReplyStream::events)
    }

    /// The tokens that are new.
    pub fn new_tokens(&self, delta: &Delta) -> &[TokenId] {
        &self.tokens[self.prompt_len + delta.first_token..]
    }

    /// The text that is new.
    pub fn new_text(&self, delta: &Delta) -> &str {
        &self.text.text()[delta.first_byte..]
    }

    pub fn into_completion(mut self, settings: &DecodeSettings) -> Completion {
        self.end.get_or_insert(FinishReason::Cancelled);
        self.take_delta(settings);
        let score = self.score();
        Completion {
            reply: self.reply.map(ReplyStream::into_reply),
            finish: self.end.unwrap_or(FinishReason::Cancelled),
            error: self.error,
            stop_sequence: self.text.stop_string().map(|stop| String::from_utf8_lossy(stop).into_owned()),
            complete: self.complete_before_end.or_else(|| self.constraint.is_complete()),
            budget_ending: self.budget_ending,
            forced_tokens: self.forced_count,
            reasoning_tokens: settings.reasoning.is_some().then(|| self.reasoning.tokens()),
            confirmed: self.confirmed,
            healed_bytes: self.healed_bytes,
            score,
            logprobs: self.scores.into_entries(),
            bytes: self.text.bytes().to_vec(),
            text: self.text.text().to_owned(),
            tokens: self.tokens.split_off(self.prompt_len),
        }
    }
}

/// Draws a token, or takes one of the drafts for it.
fn draw(
    sampler: &mut Sampler,
    logits: &[f32],
    mask: Option<&[u32]>,
    drafts: &[&DraftToken],
    acceptance: Acceptance,
) -> Result<Sampled, SamplingError> {
    match (acceptance, drafts) {
        (_, []) => sampler.sample(logits, mask),
        (Acceptance::Typical { epsilon, delta }, drafts) => {
            let distribution = sampler.distribution(logits, mask)?;
            let typical =
                |draft: &&&DraftToken| draft::is_typical(&distribution, draft.token, epsilon, delta);
            match drafts.iter().find(typical) {
                Some(draft) => Ok(as_sampled(&distribution, draft.token)),
                None => sampler.sample(logits, mask),
            }
        }
        (Acceptance::Exact, [DraftToken { token, distribution: Some(q), .. }, ..]) => {
            let distribution = sampler.distribution(logits, mask)?;
            let position = sampler.position() as u32;
            let token = draft::verify(&distribution, q, *token, &sampler.rng(), position);
            Ok(as_sampled(&distribution, token))
        }
        (Acceptance::Exact, _) => sampler.sample(logits, mask),
    }
}

/// Draws a token after `tries` tokens were drawn at the same position and taken out of the mask.
/// The draw has a random number of its own, so it is independent of the earlier draws and has the
/// distribution that the smaller mask gives.
fn draw_again(
    sampler: &mut Sampler,
    logits: &[f32],
    mask: Option<&[u32]>,
    tries: u32,
) -> Result<Sampled, SamplingError> {
    let distribution = sampler.distribution(logits, mask)?;
    let u = sampler.rng().uniform(sampler.position() as u32, Purpose::Draw, tries);
    match draft::draw_from(&distribution, u) {
        Some(token) => Ok(as_sampled(&distribution, token)),
        // An empty distribution is an error already.
        None => sampler.sample(logits, mask),
    }
}

/// The most probable token of a distribution; the one with the lowest id among equals.
fn argmax(distribution: &Distribution) -> Option<TokenId> {
    let order = |a: &&(TokenId, f32), b: &&(TokenId, f32)| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0));
    distribution.iter().max_by(order).map(|entry| entry.0)
}

/// A token of a distribution, as if it had been sampled.
fn as_sampled(distribution: &Distribution, token: TokenId) -> Sampled {
    let p = distribution.iter().find(|entry| entry.0 == token).map_or(0.0, |entry| entry.1);
    Sampled { token, logprob: p.ln() }
}
