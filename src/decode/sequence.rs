//! One output in the making: what it holds, what it may go on with, and when it ends.
//!
//! A sequence alternates between two things. *Settling* appends whatever needs no logits (tokens that the constraint
//! forces) and finds out whether the output has ended; *drawing* takes one row of logits and appends one token. Between
//! the two lies a forward pass over [`pending`](Sequence::pending), the tokens the model has not read yet: a forced
//! stretch therefore costs one pass, however long it is.

use super::clock::Clock;
use super::draft::Draft;
use super::error::DecodeError;
use super::request::{Completion, FinishReason, ForcedTokens, Request, Timings, TokenLogprobs};
use super::text::{StopStrings, TextStream};
use crate::engine::Matcher;
use crate::sampling::Sampler;
use crate::vocab::{TokenId, TokenSet, Vocabulary};

/// What all outputs of a request go by.
#[derive(Debug)]
pub(crate) struct Rules {
    pub vocabulary: Vocabulary,
    /// Tokens that end an output.
    pub end_tokens: Vec<TokenId>,
    pub min_tokens: usize,
    pub max_tokens: usize,
    pub context: usize,
    pub forced: ForcedTokens,
    pub draft: Draft,
    pub logprobs: Option<usize>,
}

/// One output.
pub(crate) struct Sequence<C> {
    /// What the model has read; absent until the prompt, which outputs share, has been read.
    pub cache: Option<C>,
    /// The tokens to be read next, guesses at the end included.
    pub pending: Vec<TokenId>,
    /// How many of the pending tokens are guesses.
    pub guesses: usize,
    pub end: Option<FinishReason>,
    matcher: Option<Matcher>,
    /// The tokens allowed next, packed, if there is a matcher.
    mask: Vec<u32>,
    sampler: Sampler,
    text: TextStream,
    /// The prompt and the output.
    tokens: Vec<TokenId>,
    prompt: usize,
    forced: usize,
    logprobs: Vec<TokenLogprobs>,
    /// How many tokens have been reported.
    reported: usize,
    /// Whether its end has been reported.
    end_reported: bool,
}

/// What has become known of an output since it was last asked.
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
        let words = matcher.as_ref().map_or(0, |_| TokenSet::word_count(rules.vocabulary.size()));
        Ok(Self {
            cache: None,
            pending: request.prompt.clone(),
            guesses: 0,
            end: None,
            matcher,
            mask: vec![0; words],
            sampler,
            text: TextStream::new(request.stop.iter().map(Vec::as_slice)),
            tokens: request.prompt.clone(),
            prompt: request.prompt.len(),
            forced: 0,
            logprobs: Vec::new(),
            reported: 0,
            end_reported: false,
        })
    }

    fn output(&self) -> &[TokenId] {
        &self.tokens[self.prompt..]
    }

    /// Number of tokens of output.
    fn length(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    /// Adds guesses to what is pending: no more than can be of use, none that the constraint refuses.
    pub fn guess(&mut self, rules: &Rules, most_pending: usize) -> Result<(), DecodeError> {
        let room = (rules.max_tokens.saturating_sub(self.length() + 1))
            .min(rules.context.saturating_sub(self.tokens.len()))
            .min(most_pending.saturating_sub(self.pending.len()));
        let guess = rules.draft.guess(&self.tokens);
        let mut guess = &guess[..guess.len().min(room)];
        if let (Some(matcher), false) = (&mut self.matcher, guess.is_empty()) {
            guess = &guess[..matcher.validate(guess)?];
        }
        self.guesses = guess.len();
        self.pending.extend_from_slice(guess);
        Ok(())
    }

    /// Appends what is forced, and finds out whether the output has ended.
    pub fn settle(&mut self, rules: &Rules, clock: &Clock, times: &mut Timings) -> Result<(), DecodeError> {
        let start = clock.now();
        let result = self.settle_untimed(rules);
        times.mask += clock.since(start);
        result
    }

    fn settle_untimed(&mut self, rules: &Rules) -> Result<(), DecodeError> {
        while self.end.is_none() {
            let forced = match &mut self.matcher {
                None => Vec::new(),
                Some(matcher) => {
                    matcher.fill_mask(&mut self.mask)?;
                    let ends = rules.vocabulary.eos();
                    let first = first_ids(&self.mask, ends.len().max(1) + 1);
                    if first.iter().all(|id| ends.contains(id)) {
                        // Nothing but an end is left, or nothing at all.
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
                self.end = Some(FinishReason::Length);
                return Ok(());
            }
            let before = self.length();
            for token in forced {
                if self.end.is_some() || self.length() >= rules.max_tokens {
                    break;
                }
                // A token that is refused leaves the choice to the model.
                if !self.append(token, rules)? {
                    break;
                }
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
            if self.length() == before {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Draws the next token from a row of logits, under the mask that settling has left.
    pub fn draw(
        &mut self,
        row: &[f32],
        rules: &Rules,
        clock: &Clock,
        times: &mut Timings,
    ) -> Result<(), DecodeError> {
        let start = clock.now();
        // What lies beyond the tokenizer is padding, which an unconstrained output must not hold either.
        let count = rules.vocabulary.token_count().min(row.len());
        let row = &row[..count];
        let words = TokenSet::word_count(count).min(self.mask.len());
        let mask = self.matcher.as_ref().map(|_| &self.mask[..words]);
        let sampled = self.sampler.sample(row, mask)?;
        if let Some(others) = rules.logprobs {
            let law = self.sampler.distribution(row, mask)?;
            let law = law.into_iter().map(|(token, p)| (token, p.ln()));
            let (raw, top_raw) = raw_logprobs(row, sampled.token, others);
            self.logprobs.push(TokenLogprobs {
                processed: sampled.logprob,
                top_processed: top(law, others),
                raw: Some(raw),
                top_raw,
            });
        }
        let drawn = clock.now();
        times.sample += drawn.saturating_sub(start);
        let allowed = self.append(sampled.token, rules)?;
        times.mask += clock.since(drawn);
        match allowed {
            true => Ok(()),
            false => Err(DecodeError::NotAllowed { token: sampled.token, tokens: self.length() }),
        }
    }

    /// Appends a token; `false` if the constraint refuses it.
    fn append(&mut self, token: TokenId, rules: &Rules) -> Result<bool, DecodeError> {
        if let Some(matcher) = &mut self.matcher {
            if !matcher.advance(token)? {
                return Ok(false);
            }
        }
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
        if self.text.push(rules.vocabulary.bytes(token), stops) {
            self.end = Some(FinishReason::StopSequence);
        }
        Ok(true)
    }

    /// Whether the last news was that the output has ended.
    pub fn is_reported(&self) -> bool {
        self.end_reported
    }

    /// What is new since the last call.
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

    /// The tokens of some news.
    pub fn new_tokens(&self, news: &News) -> &[TokenId] {
        &self.output()[news.first_token..]
    }

    /// The text of some news.
    pub fn new_text(&self, news: &News) -> &str {
        &self.text.text()[news.first_byte..]
    }

    pub fn into_completion(mut self) -> Completion {
        self.text.finish();
        Completion {
            finish: self.end.unwrap_or(FinishReason::Cancelled),
            stop_sequence: self.text.stop_string().map(|stop| String::from_utf8_lossy(stop).into_owned()),
            forced_tokens: self.forced,
            logprobs: self.logprobs,
            bytes: self.text.bytes().to_vec(),
            text: self.text.text().to_owned(),
            tokens: self.tokens.split_off(self.prompt),
        }
    }
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

/// The `count` largest, largest first; the lowest ids among equals.
fn top(law: impl Iterator<Item = (TokenId, f32)>, count: usize) -> Vec<(TokenId, f32)> {
    let mut all: Vec<(TokenId, f32)> = law.collect();
    let order = |a: &(TokenId, f32), b: &(TokenId, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if count < all.len() {
        all.select_nth_unstable_by(count, order);
        all.truncate(count);
    }
    all.sort_unstable_by(order);
    all
}

/// ln softmax(row): of one token, and the largest. One pass for the sum, one for the selection.
fn raw_logprobs(row: &[f32], token: TokenId, others: usize) -> (f32, Vec<(TokenId, f32)>) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&l| f64::from(l - max).exp()).sum();
    let shift = f64::from(max) + sum.ln();
    let logprob = |l: f32| (f64::from(l) - shift) as f32;
    let all = row.iter().enumerate().map(|(id, &l)| (TokenId(id as u32), logprob(l)));
    let own = row.get(token.index()).map_or(f32::NEG_INFINITY, |&l| logprob(l));
    (own, top(all, others))
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

    #[test]
    fn logprobs_are_those_of_softmax() {
        let row = [0.0, 2f32.ln(), f32::NEG_INFINITY, 2f32.ln()];
        let (own, top) = raw_logprobs(&row, TokenId(0), 3);
        assert!((own - 0.2f32.ln()).abs() < 1e-6);
        assert_eq!(top.iter().map(|t| t.0 .0).collect::<Vec<_>>(), [1, 3, 0]);
        assert!((top[0].1 - 0.4f32.ln()).abs() < 1e-6);
        assert_eq!(raw_logprobs(&row, TokenId(9), 0), (f32::NEG_INFINITY, vec![]));
    }
}
