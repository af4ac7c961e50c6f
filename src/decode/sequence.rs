//! One output in progress: its tokens, the tokens allowed next, and its end.
//!
//! A sequence alternates between two operations. *Settling* appends tokens that need no logits,
//! because the constraint forces them, and checks if the output has ended. *Drawing* takes one row
//! of logits and appends one token. Between the two, a forward pass reads the
//! [`pending`](Sequence::pending) tokens, which the model has not read yet. A run of forced tokens
//! therefore costs one pass, however long it is.

use super::clock::Clock;
use super::draft::{self, Acceptance, Distribution, DraftChoice, Guessed};
use super::erased::ErasedCache;
use super::error::DecodeError;
use super::healing::Healing;
use super::request::{Budget, Completion, FinishReason, ForcedTokens, Request, Timings, TokenLogprobs};
use super::rules::{real_tokens, Ending, Rules, Scoring};
use super::text::{StopStrings, TextStream};
use crate::engine::{DraftTree, Matcher};
use crate::sampling::{logprobs, Cut, Purpose, Sampled, Sampler, Survivors};
use crate::vocab::{TokenId, TokenSet};
use std::sync::Arc;

/// Number of remaining tokens above which the check for a way to the end is skipped.
const ENDLESS: usize = 1 << 20;
/// Factor and summand for a token after which no way to the end is known: the remaining tokens are
/// taken to be enough if they exceed the factor times the way before the token, plus the summand.
const UNKNOWN_FACTOR: usize = 4;
const UNKNOWN_TOKENS: usize = 64;

/// One output.
pub(crate) struct Sequence<C> {
    /// The tokens that the model has read; `None` until the prompt, which all outputs share, has
    /// been read.
    pub cache: Option<C>,
    /// The tokens to read next, guesses at the end included.
    pub pending: Vec<TokenId>,
    /// The guesses, which are the last of the pending tokens.
    pub guesses: Vec<Guessed>,
    /// The parents of pending tokens, if guesses branch: as
    /// [`TreeInput::parents`](super::TreeInput::parents).
    pub parents: Vec<Option<usize>>,
    /// The draft model's cache.
    pub drafted: Option<Drafted>,
    /// The hidden state of the last token read, for draft heads.
    pub hidden: Option<Vec<f32>>,
    pub end: Option<FinishReason>,
    matcher: Option<Matcher>,
    /// A known way to a complete output and the number of its tokens already appended, if the
    /// output must end within its budget.
    way: Option<(Arc<[TokenId]>, usize)>,
    /// The bytes that the output must spell first, for token healing.
    healing: Healing,
    /// The tokens allowed next, packed, if the sequence [is masked](Self::is_masked).
    mask: Vec<u32>,
    sampler: Sampler,
    text: TextStream,
    /// The tokens of prompt and output.
    tokens: Vec<TokenId>,
    prompt: usize,
    forced: usize,
    logprobs: Vec<TokenLogprobs>,
    /// Σ ln p of the drawn tokens and their number, if outputs are scored.
    drawn: (f64, usize),
    /// The score that a strategy has given the output.
    pub score: Option<f64>,
    /// Number of tokens that have been reported.
    reported: usize,
    /// True if the end has been reported.
    end_reported: bool,
}

/// The tokens of a sequence that a draft model has read, with its cache.
pub(crate) struct Drafted {
    pub cache: ErasedCache,
    pub read: Vec<TokenId>,
}

/// The start of the tokens and of the text that are new since the last report.
pub(crate) struct News {
    first_token: usize,
    first_byte: usize,
}

impl<C> Sequence<C> {
    pub fn new(request: &Request, rules: &Rules, completion: usize) -> Result<Self, DecodeError> {
        let mut params = request.sampling.clone();
        params.completion = params.completion.wrapping_add(completion as u32);
        if params.end_tokens.is_empty() {
            params.end_tokens.clone_from(&rules.end_tokens);
        }
        let mut sampler = Sampler::new(params)?;
        sampler.with_prompt(&request.prompt);
        let matcher = request.constraint.as_ref().map(|constraint| constraint.matcher());
        let healing = Healing::new(rules.healed.clone());
        let words = match matcher.is_some() || !healing.is_over() {
            true => TokenSet::word_count(rules.vocabulary.size()),
            false => 0,
        };
        Ok(Self {
            cache: None,
            pending: request.prompt.clone(),
            guesses: Vec::new(),
            parents: Vec::new(),
            drafted: None,
            hidden: None,
            end: None,
            matcher,
            way: None,
            healing,
            mask: vec![0; words],
            sampler,
            text: TextStream::new(request.stop.iter().map(Vec::as_slice)),
            tokens: request.prompt.clone(),
            prompt: request.prompt.len(),
            forced: 0,
            logprobs: Vec::new(),
            drawn: (0.0, 0),
            score: None,
            reported: 0,
            end_reported: false,
        })
    }

    /// A second output with the same tokens. It has no cache yet.
    pub fn fork(&self) -> Self {
        Self {
            cache: None,
            pending: self.pending.clone(),
            guesses: Vec::new(),
            parents: Vec::new(),
            drafted: None,
            hidden: None,
            end: self.end,
            matcher: self.matcher.clone(),
            way: self.way.clone(),
            healing: self.healing.clone(),
            mask: self.mask.clone(),
            sampler: self.sampler.clone(),
            text: self.text.clone(),
            tokens: self.tokens.clone(),
            prompt: self.prompt,
            forced: self.forced,
            logprobs: self.logprobs.clone(),
            drawn: self.drawn,
            score: self.score,
            reported: self.reported,
            end_reported: self.end_reported,
        }
    }

    /// The tokens that the cache holds, between two passes.
    pub fn read_tokens(&self) -> &[TokenId] {
        &self.tokens[..self.tokens.len().saturating_sub(self.pending.len())]
    }

    fn output(&self) -> &[TokenId] {
        &self.tokens[self.prompt..]
    }

    /// True if some tokens are forbidden next.
    fn is_masked(&self) -> bool {
        self.matcher.is_some() || !self.healing.is_over()
    }

    /// Number of tokens of the output.
    pub fn length(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    /// The tokens of prompt and output.
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Number of guesses that can be used: the depth, and the number in all.
    pub fn room(&self, rules: &Rules, most_pending: usize) -> (usize, usize) {
        if !self.healing.is_over() {
            return (0, 0);
        }
        let width = (rules.context.saturating_sub(self.tokens.len()))
            .min(most_pending.saturating_sub(self.pending.len()));
        (rules.max_tokens.saturating_sub(self.length() + 1).min(width), width)
    }

    /// Adds guesses to the pending tokens.
    pub fn expect(&mut self, guesses: Vec<Guessed>) {
        let certain = self.pending.len();
        let branches = guesses.iter().enumerate().any(|(at, guess)| guess.parent != at.checked_sub(1));
        self.parents = match branches {
            true => guesses.iter().map(|guess| guess.parent.map(|parent| certain + parent)).collect(),
            false => Vec::new(),
        };
        // A guess without a parent follows the last certain token.
        for parent in &mut self.parents {
            *parent = parent.or(certain.checked_sub(1));
        }
        self.pending.extend(guesses.iter().map(|guess| guess.token));
        self.guesses = guesses;
    }

    /// Number of the first of these tokens that the constraint allows next, one after another.
    pub fn allowed(&mut self, tokens: &[TokenId]) -> Result<usize, DecodeError> {
        match &mut self.matcher {
            Some(matcher) if !tokens.is_empty() => Ok(matcher.validate(tokens)?),
            _ => Ok(tokens.len()),
        }
    }

    /// A tree of guesses that the constraint checks, if there is a constraint.
    pub fn draft_tree(&mut self) -> Result<Option<DraftTree<'_>>, DecodeError> {
        Ok(self.matcher.as_mut().map(Matcher::draft_tree).transpose()?)
    }

    /// A draft model's guess, from its logits, and the distribution from which it was drawn. The
    /// sequence then stands after the guess, until [`take_back`](Self::take_back).
    ///
    /// `None` if the model has no guess. This must not depend on the draw: otherwise the guesses
    /// would have another distribution than the one returned.
    pub fn imagine(
        &mut self,
        row: &[f32],
        choice: DraftChoice,
        rules: &Rules,
    ) -> Result<Option<(TokenId, Option<Distribution>)>, DecodeError> {
        let row = real_tokens(row, rules);
        let mut mask = vec![0; self.mask.len()];
        if let Some(matcher) = &mut self.matcher {
            matcher.fill_mask(&mut mask)?;
        }
        let words = TokenSet::word_count(row.len()).min(mask.len());
        let mask = self.matcher.as_ref().map(|_| &mask[..words]);
        // A draft model makes no guess if it has no allowed token, for example because its
        // vocabulary is smaller.
        let Ok(distribution) = self.sampler.distribution(row, mask) else { return Ok(None) };
        let likeliest = |distribution: &Distribution| {
            let order = |a: &&(TokenId, f32), b: &&(TokenId, f32)| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0));
            distribution.iter().max_by(order).map(|entry| entry.0)
        };
        let (guess, distribution) = match choice {
            DraftChoice::Likeliest => (likeliest(&distribution), None),
            DraftChoice::Drawn => {
                let u = self.sampler.rng().uniform(self.sampler.position() as u32, Purpose::Draft, 0);
                (draft::draw_from(&distribution, u), Some(distribution))
            }
        };
        let Some(token) = guess else { return Ok(None) };
        if let Some(matcher) = &mut self.matcher {
            if !matcher.advance(token)? {
                return Ok(None);
            }
        }
        self.sampler.accept(token);
        Ok(Some((token, distribution)))
    }

    /// Removes guesses made by [`imagine`](Self::imagine).
    pub fn take_back(&mut self, tokens: usize) -> Result<(), DecodeError> {
        if let Some(matcher) = &mut self.matcher {
            matcher.rollback(tokens)?;
        }
        Ok(self.sampler.rollback_tokens(tokens)?)
    }

    /// Appends forced tokens, and checks if the output has ended.
    pub fn settle(&mut self, rules: &Rules, clock: &Clock, times: &mut Timings) -> Result<(), DecodeError> {
        let start = clock.now();
        let result = self.settle_untimed(rules);
        times.mask += clock.since(start);
        result
    }

    fn settle_untimed(&mut self, rules: &Rules) -> Result<(), DecodeError> {
        while self.end.is_none() {
            let forced = match &mut self.matcher {
                matcher if !self.healing.is_over() => {
                    self.healing.fill_mask(&rules.vocabulary, matcher.as_mut(), &mut self.mask)?;
                    if self.mask.iter().all(|word| *word == 0) {
                        return Err(DecodeError::DeadEnd { tokens: self.length() });
                    }
                    Vec::new()
                }
                None => Vec::new(),
                Some(matcher) => {
                    matcher.fill_mask(&mut self.mask)?;
                    let ends = rules.vocabulary.eos();
                    let first = first_ids(&self.mask, ends.len().max(1) + 1);
                    let over = match rules.ending {
                        Ending::Implied => first.iter().all(|id| ends.contains(id)),
                        Ending::Drawn => first.is_empty(),
                    };
                    if over {
                        // The constraint allows no token but an end, or no token at all.
                        if !matcher.is_accepting() {
                            return Err(DecodeError::DeadEnd { tokens: self.length() });
                        }
                        self.end = Some(FinishReason::ConstraintComplete);
                        return Ok(());
                    }
                    match (rules.forced, first.as_slice()) {
                        (ForcedTokens::Sample, _) => Vec::new(),
                        (ForcedTokens::Append, &[only]) => vec![only],
                        (ForcedTokens::Append, _) => matcher.forced_tokens()?,
                    }
                }
            };
            if self.length() >= rules.max_tokens {
                self.end = Some(match self.matcher.as_ref().is_some_and(Matcher::is_accepting) {
                    true => FinishReason::ConstraintComplete,
                    false => FinishReason::Length,
                });
                return Ok(());
            }
            let before = self.length();
            for token in forced {
                if self.end.is_some() || self.length() >= rules.max_tokens {
                    break;
                }
                // If the constraint refuses a token, the model chooses the next one.
                if !self.append(token, rules)? {
                    break;
                }
                self.count_forced(rules);
            }
            if self.length() == before {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Draws the next token from a row of logits, under the mask that settling has computed.
    /// `guesses` are the guesses for this token.
    pub fn draw(
        &mut self,
        row: &[f32],
        guesses: &[&Guessed],
        rules: &Rules,
        clock: &Clock,
        times: &mut Timings,
    ) -> Result<(), DecodeError> {
        let start = clock.now();
        let row = real_tokens(row, rules);
        let words = TokenSet::word_count(row.len()).min(self.mask.len());
        let mask = self.is_masked().then_some(&self.mask[..words]);
        let sampled = match (rules.acceptance, guesses) {
            (_, []) => self.sampler.sample(row, mask)?,
            (Acceptance::Typical { epsilon, delta }, guesses) => {
                let distribution = self.sampler.distribution(row, mask)?;
                let typical =
                    |guess: &&&Guessed| draft::is_typical(&distribution, guess.token, epsilon, delta);
                match guesses.iter().find(typical) {
                    Some(guess) => as_drawn(&distribution, guess.token),
                    None => self.sampler.sample(row, mask)?,
                }
            }
            (Acceptance::Exact, [Guessed { token, distribution: Some(q), .. }, ..]) => {
                let distribution = self.sampler.distribution(row, mask)?;
                let position = self.sampler.position() as u32;
                as_drawn(
                    &distribution,
                    draft::verify(&distribution, q, *token, &self.sampler.rng(), position),
                )
            }
            (Acceptance::Exact, _) => self.sampler.sample(row, mask)?,
        };
        let distribution = match rules.logprobs {
            Some(_) => self.sampler.distribution(row, mask)?,
            None => Vec::new(),
        };
        let distribution = distribution.into_iter().map(|(token, p)| (token, p.ln()));
        let drawn = clock.now();
        times.sample += drawn.saturating_sub(start);
        let result = match self.last_way(sampled.token, rules)? {
            None => {
                self.note(sampled.token, sampled.logprob, distribution, row, rules)?;
                self.take(sampled.token, rules)
            }
            Some(way) => self.finish_by(&way, rules),
        };
        times.mask += clock.since(drawn);
        result
    }

    /// The part of a row of logits that [`draw_among`](Self::draw_among) needs, with the mask;
    /// `None` if that is the whole row.
    pub fn cut(&self, rules: &Rules) -> Option<(Option<&[u32]>, Cut)> {
        if rules.logprobs.is_some() || rules.scoring != Scoring::None || !self.guesses.is_empty() {
            return None;
        }
        let tokens = rules.vocabulary.token_count();
        let words = TokenSet::word_count(tokens).min(self.mask.len());
        let mask = self.is_masked().then_some(&self.mask[..words]);
        // A fault of the chain is reported when the sampler draws from the row.
        Some((mask, self.sampler.cut(tokens, mask).ok()??))
    }

    /// Draws as [`draw`](Self::draw) does without guesses, from the result of a [`cut`](Self::cut).
    /// Returns `false`, and draws nothing, if that is too little.
    pub fn draw_among(
        &mut self,
        survivors: &Survivors,
        rules: &Rules,
        clock: &Clock,
        times: &mut Timings,
    ) -> Result<bool, DecodeError> {
        let start = clock.now();
        let sampled = self.sampler.sample_among(survivors, rules.vocabulary.token_count())?;
        let drawn = clock.now();
        times.sample += drawn.saturating_sub(start);
        let Some(Sampled { token, .. }) = sampled else { return Ok(false) };
        match self.last_way(token, rules)? {
            None => self.take(token, rules)?,
            Some(way) => self.finish_by(&way, rules)?,
        }
        times.mask += clock.since(drawn);
        Ok(true)
    }

    /// The tokens that end the output, if too few tokens would remain for an end after `token`.
    fn last_way(&mut self, token: TokenId, rules: &Rules) -> Result<Option<Vec<TokenId>>, DecodeError> {
        let room = rules.max_tokens.saturating_sub(self.length());
        let heeded = rules.budget == Budget::Complete && self.healing.is_over();
        let Some(matcher) = self.matcher.as_mut().filter(|_| heeded) else {
            return Ok(None);
        };
        if rules.end_tokens.contains(&token) || room > ENDLESS || !matcher.advance(token)? {
            return Ok(None);
        }
        let behind = matcher.completion()?;
        matcher.rollback(1)?;
        // A known way may be shorter than the result of a search that starts in its middle.
        let way = match &self.way {
            Some((way, gone)) => Some(way[*gone..].to_vec()),
            None => matcher.completion()?.map(|way| way.to_vec()),
        };
        let enough = match (&behind, &way) {
            (Some(behind), _) => behind.len() < room,
            (None, Some(way)) => way.len() * UNKNOWN_FACTOR + UNKNOWN_TOKENS < room,
            (None, None) => true,
        };
        if enough {
            // The new way begins with `token`, which the known way need not do.
            self.way = behind.map(|behind| ([&[token], &*behind].concat().into(), 0));
            return Ok(None);
        }
        Ok(way.filter(|way| way.len() <= room))
    }

    /// Appends the tokens that end the output.
    fn finish_by(&mut self, way: &[TokenId], rules: &Rules) -> Result<(), DecodeError> {
        for &token in way {
            if self.end.is_some() {
                return Ok(());
            }
            self.take(token, rules)?;
            self.count_forced(rules);
        }
        self.end.get_or_insert(FinishReason::ConstraintComplete);
        Ok(())
    }

    /// Counts a token for which the model was not asked.
    fn count_forced(&mut self, rules: &Rules) {
        self.forced += 1;
        if rules.logprobs.is_some() {
            self.logprobs.push(TokenLogprobs {
                processed: 0.0,
                top_processed: Vec::new(),
                raw: None,
                top_raw: Vec::new(),
            });
        }
    }

    /// The score of each token: ln softmax(row) with the constraint, biases and penalties applied.
    /// The result is not renormalised. Forbidden tokens have −∞.
    pub fn scores(&mut self, row: &[f32], rules: &Rules) -> Result<Vec<f32>, DecodeError> {
        let mut scores = logprobs::log_softmax(row)?;
        scores.truncate(real_tokens(row, rules).len());
        let words = TokenSet::word_count(scores.len()).min(self.mask.len());
        let mask = self.is_masked().then_some(&self.mask[..words]);
        self.sampler.process(&mut scores, mask)?;
        Ok(scores)
    }

    /// The `count` most probable tokens with ln p, most probable first. Here p is softmax(row),
    /// with the constraint, biases and penalties applied to the row.
    pub fn likeliest(
        &mut self,
        row: &[f32],
        count: usize,
        rules: &Rules,
    ) -> Result<Vec<(TokenId, f32)>, DecodeError> {
        let mut logits = real_tokens(row, rules).to_vec();
        let words = TokenSet::word_count(logits.len()).min(self.mask.len());
        let mask = self.is_masked().then_some(&self.mask[..words]);
        self.sampler.process(&mut logits, mask)?;
        let scores = logprobs::log_softmax(&logits)?;
        let finite = scores.iter().enumerate().filter(|(_, logprob)| logprob.is_finite());
        Ok(top(finite.map(|(id, &logprob)| (TokenId(id as u32), logprob)), count))
    }

    /// Records the log-probabilities of a token that is about to be appended, if they are
    /// requested. `distribution` is the one from which it was chosen.
    pub fn note(
        &mut self,
        token: TokenId,
        processed: f32,
        distribution: impl Iterator<Item = (TokenId, f32)>,
        row: &[f32],
        rules: &Rules,
    ) -> Result<(), DecodeError> {
        if rules.logprobs.is_none() && rules.scoring == Scoring::None {
            return Ok(());
        }
        let others = rules.logprobs.unwrap_or(0);
        let raw = logprobs::raw(real_tokens(row, rules), token, others)?;
        if rules.scoring == Scoring::Mean {
            self.drawn = (self.drawn.0 + f64::from(raw.chosen), self.drawn.1 + 1);
            self.score = Some(self.drawn.0 / self.drawn.1 as f64);
        }
        if rules.logprobs.is_some() {
            self.logprobs.push(TokenLogprobs {
                processed,
                top_processed: top(distribution, others),
                raw: Some(raw.chosen),
                top_raw: raw.top,
            });
        }
        Ok(())
    }

    /// Appends a token that the mask allows.
    pub fn take(&mut self, token: TokenId, rules: &Rules) -> Result<(), DecodeError> {
        match self.append(token, rules)? {
            true => Ok(()),
            false => Err(DecodeError::NotAllowed { token, tokens: self.length() }),
        }
    }

    /// Appends a token; returns `false` if the constraint refuses it.
    fn append(&mut self, token: TokenId, rules: &Rules) -> Result<bool, DecodeError> {
        let bytes = rules.vocabulary.bytes(token);
        let Some(own) = self.healing.beyond(bytes) else { return Ok(false) };
        let allowed = match &mut self.matcher {
            Some(matcher) if self.healing.is_over() => matcher.advance(token)?,
            Some(matcher) if !own.is_empty() => matcher.advance_bytes(own)?,
            _ => true,
        };
        if !allowed {
            return Ok(false);
        }
        self.healing.spell(bytes.len());
        self.way = match self.way.take() {
            Some((way, gone)) if way.get(gone) == Some(&token) => Some((way, gone + 1)),
            _ => None,
        };
        self.sampler.accept(token);
        self.tokens.push(token);
        self.pending.push(token);
        if rules.end_tokens.contains(&token) {
            self.end = Some(FinishReason::Stop);
            return Ok(true);
        }
        let stops = match self.length() >= rules.min_tokens {
            true => StopStrings::Heeded,
            false => StopStrings::Ignored,
        };
        if self.text.push(own, stops) {
            self.end = Some(FinishReason::StopSequence);
        }
        Ok(true)
    }

    /// True if the end of the output has been reported.
    pub fn is_reported(&self) -> bool {
        self.end_reported
    }

    /// The start of the new tokens and text since the last call.
    pub fn news(&mut self) -> News {
        self.end_reported = self.end.is_some();
        let length = self.length();
        let first_token = std::mem::replace(&mut self.reported, length);
        let first_byte = match self.end {
            Some(_) => self.text.finish(),
            None => self.text.release(),
        };
        News { first_token, first_byte }
    }

    /// The tokens that are new.
    pub fn new_tokens(&self, news: &News) -> &[TokenId] {
        &self.output()[news.first_token..]
    }

    /// The text that is new.
    pub fn new_text(&self, news: &News) -> &str {
        &self.text.text()[news.first_byte..]
    }

    pub fn into_completion(mut self) -> Completion {
        self.text.finish();
        Completion {
            finish: self.end.unwrap_or(FinishReason::Cancelled),
            stop_sequence: self.text.stop_string().map(|stop| String::from_utf8_lossy(stop).into_owned()),
            forced_tokens: self.forced,
            score: self.score,
            logprobs: self.logprobs,
            bytes: self.text.bytes().to_vec(),
            text: self.text.text().to_owned(),
            tokens: self.tokens.split_off(self.prompt),
        }
    }
}

/// A token of a distribution, as if it had been drawn.
fn as_drawn(distribution: &Distribution, token: TokenId) -> Sampled {
    let p = distribution.iter().find(|entry| entry.0 == token).map_or(0.0, |entry| entry.1);
    Sampled { token, logprob: p.ln() }
}

/// The first members of a packed set, `most` at most.
fn first_ids(words: &[u32], most: usize) -> Vec<TokenId> {
    let mut ids = Vec::new();
    for (index, &word) in words.iter().enumerate() {
        let mut bits = word;
        while bits != 0 {
            ids.push(TokenId(index as u32 * 32 + bits.trailing_zeros()));
            if ids.len() == most {
                return ids;
            }
            bits &= bits - 1;
        }
    }
    ids
}

/// The `count` entries with the largest values, largest first; among equals the lowest ids.
pub(crate) fn top(entries: impl Iterator<Item = (TokenId, f32)>, count: usize) -> Vec<(TokenId, f32)> {
    let mut all: Vec<(TokenId, f32)> = entries.collect();
    let order = |a: &(TokenId, f32), b: &(TokenId, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if count < all.len() {
        all.select_nth_unstable_by(count, order);
        all.truncate(count);
    }
    all.sort_unstable_by(order);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_packed_sets() {
        let words = [0b101, 0, 1 << 31];
        let ids = |most| first_ids(&words, most).iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!((ids(5), ids(2)), (vec![0, 2, 95], vec![0, 2]));
    }
}
