//! The constraint on one output: the tokens allowed next, and a known ending that completes it.

use std::sync::Arc;

use super::error::DecodeError;
use super::healing::Healing;
use super::request::{Budget, ForcedTokens, Request};
use super::settings::{DecodeSettings, EndToken};
use super::short_output::{self, Found, History};
use crate::engine::{DraftTree, Matcher};
use crate::sampling::{SamplingError, SamplingParams};
use crate::vocab::{TokenId, TokenSet};

/// If more tokens than this remain, the output is assumed to have room for its end, and no ending
/// is looked for.
const MAX_CHECKED_ROOM: usize = 1 << 20;
/// A token may lead to a state from which no ending is known. Let n be the length of the ending
/// that was known before the token. The remaining tokens are then assumed to be enough if they are
/// more than `UNKNOWN_FACTOR · n + UNKNOWN_TOKENS`.
const UNKNOWN_FACTOR: usize = 4;
const UNKNOWN_TOKENS: usize = 64;

/// Largest number of tokens that a search tries for the rest of a prompt's end.
const MAX_HEALING_TOKENS: usize = 1_000;

/// The state of a request's constraint and of token healing after one output's tokens.
#[derive(Clone)]
pub(crate) struct ConstraintState {
    matcher: Option<Matcher>,
    /// The bytes that the output must spell first, for token healing.
    healing: Healing,
    /// The tokens allowed next, packed; empty if nothing is ever forbidden.
    mask: Vec<u32>,
    /// Number of tokens that were taken out of the mask, because the request's bans forbid every
    /// complete output after them.
    excluded: u32,
    /// Tokens that complete the output, if they are known and it must end within its budget.
    ending: Option<KnownEnding>,
}

/// Tokens that complete the output, and the number of them that have been appended.
#[derive(Clone)]
pub(crate) struct KnownEnding {
    tokens: Arc<[TokenId]>,
    appended: usize,
}

/// The result of [`ConstraintState::rest_after`], which tells if an output can be completed after
/// some next tokens.
pub(crate) enum Rest {
    /// The output can be completed within its budget, as far as is known.
    Fits,
    /// Too few tokens would remain. The tokens given here must end the output in place of the next
    /// tokens.
    TooLong(Vec<TokenId>),
    /// The request's bans forbid every complete output after the next tokens.
    DeadEnd,
}

/// The tokens that may come next, as the constraint says.
pub(crate) enum NextTokens {
    /// The output is complete, and nothing may follow but an end token.
    Complete,
    /// These tokens must follow, if any; after them the model chooses.
    Forced(Vec<TokenId>),
}

impl ConstraintState {
    pub fn new(request: &Request, settings: &DecodeSettings) -> Self {
        let matcher = request.constraint.as_ref().map(|constraint| constraint.matcher());
        let healing = Healing::new(settings.healed_bytes.clone());
        let words = match matcher.is_some() || !healing.is_over() {
            true => TokenSet::word_count(settings.vocabulary.size()),
            false => 0,
        };
        Self { matcher, healing, mask: vec![0; words], excluded: 0, ending: None }
    }

    /// True while the output still spells the end of its prompt.
    pub fn is_healing(&self) -> bool {
        !self.healing.is_over()
    }

    /// True if the constraint's language contains the tokens read so far, and the end of the prompt
    /// is spelt; `None` without a constraint.
    pub fn is_complete(&self) -> Option<bool> {
        self.matcher.as_ref().map(|matcher| matcher.is_accepting() && self.healing.is_over())
    }

    /// True if the constraint's language contains the first `bytes` bytes of the text of these
    /// tokens, all of the output; `None` without a constraint.
    pub fn accepts(
        &self,
        output: &[TokenId],
        mut bytes: usize,
        settings: &DecodeSettings,
    ) -> Result<Option<bool>, DecodeError> {
        let Some(matcher) = &self.matcher else { return Ok(None) };
        let healing = Healing::new(settings.healed_bytes.clone());
        let mask = Vec::new();
        let mut start = Self { matcher: Some(matcher.fork()), healing, mask, excluded: 0, ending: None };
        start.matcher.iter_mut().for_each(Matcher::reset);
        for &token in output {
            let spelled = settings.vocabulary.bytes(token);
            let own = start.healing.output_part(spelled).map_or(0, <[u8]>::len);
            if own > bytes {
                let part = &spelled[spelled.len() - own..][..bytes];
                let Some(matcher) = &mut start.matcher else { break };
                return Ok(Some(matcher.advance_bytes(part)? && matcher.is_accepting()));
            }
            bytes -= own;
            if start.append(token, spelled, &settings.end_tokens)?.is_none() {
                return Ok(Some(false));
            }
        }
        Ok(start.is_complete())
    }

    /// Checks that some complete output is known to fit into `max_tokens`. If the engine's own
    /// [completion](Matcher::completion) fits, the result is `None`. Otherwise a search looks for
    /// another ending, which is kept as the known ending and returned. `bans` are the sampling
    /// parameters of the request, which may ban tokens. Outputs that may be cut are only checked
    /// for bans that leave none.
    ///
    /// Fails with [`DecodeError::ShortestOutput`] if no ending is known to fit, and with
    /// [`SamplingError::EmptySupport`] if the bans forbid every output.
    pub fn check_room(
        &mut self,
        settings: &DecodeSettings,
        bans: &SamplingParams,
        history: History<'_>,
    ) -> Result<Option<KnownEnding>, DecodeError> {
        let (room, by_context) = (settings.max_tokens, settings.by_context);
        let Some(matcher) =
            self.matcher.as_mut().filter(|_| self.healing.is_over() && room <= MAX_CHECKED_ROOM)
        else {
            return Ok(None);
        };
        let Some(shortest) = matcher.completion()? else { return Ok(None) };
        let unbanned = match bans.names_bans() {
            true => short_output::respelled(&shortest, history, bans, &settings.vocabulary, matcher)?,
            false => Some(shortest.to_vec()),
        };
        if unbanned.as_ref().is_some_and(|ending| ending.len() <= room) {
            return Ok(None);
        }
        let completes = settings.budget == Budget::Complete;
        if !completes && (unbanned.is_some() || !bans.names_bans()) {
            return Ok(None);
        }
        let needs = unbanned.map_or(shortest.len(), |ending| ending.len());
        let found = searched_completion(matcher, bans, history, short_output::MAX_TRIED_AT_START)?;
        if let Completion::DeadEnd = found {
            let reason = "bans leave no output of the constraint; loosen them, or change the constraint";
            return Err(SamplingError::EmptySupport { reason }.into());
        }
        let found = found.known().filter(|_| completes);
        let needs = found.as_ref().map_or(needs, |ending| ending.len());
        if completes && needs > room {
            return Err(DecodeError::ShortestOutput { needs, room, by_context });
        }
        // Without a known ending, one fits that the bans forbid.
        self.ending = found.map(KnownEnding::new);
        Ok(self.ending.clone())
    }

    /// Sets the known ending, which another output of the same request has found.
    pub fn set_ending(&mut self, ending: KnownEnding) {
        self.ending = Some(ending);
    }

    /// True if the output is complete and the constraint allows nothing but end tokens, as far as
    /// the mask of the next token has been computed.
    pub fn allows_only_end(&self, settings: &DecodeSettings) -> bool {
        let ends = &settings.end_tokens;
        let first = first_ids(&self.mask, ends.len() + 1);
        let only_ends = self.excluded == 0 && first.iter().all(|id| ends.contains(id));
        self.is_complete() == Some(true) && self.healing.is_over() && only_ends
    }

    /// True if the output satisfies the constraint after `token`, as far as there is one.
    pub fn may_end_with(&mut self, token: TokenId) -> Result<bool, DecodeError> {
        let Some(matcher) = self.matcher.as_mut().filter(|_| self.healing.is_over()) else {
            return Ok(true);
        };
        if !matcher.advance(token)? {
            return Ok(false);
        }
        let is_end = matcher.is_accepting();
        matcher.rollback(1)?;
        Ok(is_end)
    }

    /// The tokens allowed next among the first `tokens`, packed; `None` if all are.
    pub fn mask(&self, tokens: usize) -> Option<&[u32]> {
        let masked = self.matcher.is_some() || !self.healing.is_over();
        masked.then(|| &self.mask[..TokenSet::word_count(tokens).min(self.mask.len())])
    }

    /// Takes a token out of the mask of the next token.
    pub fn exclude(&mut self, token: TokenId) {
        if let Some(word) = self.mask.get_mut(token.index() / 32) {
            *word &= !(1 << (token.index() % 32));
        }
        self.excluded += 1;
    }

    /// Number of tokens that were [taken out](Self::exclude) of the mask of the next token.
    pub fn excluded(&self) -> u32 {
        self.excluded
    }

    /// Computes the mask of the next token, and the tokens that must come next. `length` is the
    /// number of tokens of the output.
    pub fn next_tokens(
        &mut self,
        settings: &DecodeSettings,
        length: usize,
    ) -> Result<NextTokens, DecodeError> {
        self.excluded = 0;
        if !self.healing.is_over() {
            self.healing.fill_mask(&settings.vocabulary, self.matcher.as_mut(), &mut self.mask)?;
            if self.mask.iter().all(|word| *word == 0) {
                return Err(DecodeError::DeadEnd { tokens: length });
            }
            return Ok(NextTokens::Forced(Vec::new()));
        }
        let Some(matcher) = &mut self.matcher else { return Ok(NextTokens::Forced(Vec::new())) };
        matcher.fill_mask(&mut self.mask)?;
        let ends = &settings.end_tokens;
        if matcher.is_accepting() {
            // Those of the request may come wherever those of the vocabulary may.
            ends.iter().for_each(|&token| allow(&mut self.mask, token));
        }
        let first = first_ids(&self.mask, ends.len().max(1) + 1);
        // An output of the largest length has no room for an end token.
        let ends_by_itself = settings.end_token == EndToken::Implied || length >= settings.max_tokens;
        match matcher.is_accepting() {
            // A grammar may have an end token inside an output, which is not complete then.
            true if ends_by_itself && first.iter().all(|id| ends.contains(id)) => {
                return Ok(NextTokens::Complete);
            }
            true if first.is_empty() => return Ok(NextTokens::Complete),
            false if first.is_empty() => return Err(DecodeError::DeadEnd { tokens: length }),
            _ => {}
        }
        Ok(NextTokens::Forced(match (settings.forced, first.as_slice()) {
            (ForcedTokens::Sample, _) => Vec::new(),
            (ForcedTokens::Append, &[only]) => vec![only],
            (ForcedTokens::Append, _) => matcher.forced_tokens()?,
        }))
    }

    /// Reads a token with these bytes. Returns those bytes that belong to the output; bytes that
    /// spell the end of a healed prompt do not. Returns `None`, and changes nothing, if the token
    /// is refused. One of `end_tokens` that the constraint does not know ends a complete output.
    pub fn append<'a>(
        &mut self,
        token: TokenId,
        bytes: &'a [u8],
        end_tokens: &[TokenId],
    ) -> Result<Option<&'a [u8]>, DecodeError> {
        let Some(own) = self.healing.output_part(bytes) else { return Ok(None) };
        let allowed = match &mut self.matcher {
            Some(matcher) if self.healing.is_over() => {
                matcher.advance(token)? || matcher.is_accepting() && end_tokens.contains(&token)
            }
            Some(matcher) if !own.is_empty() => matcher.advance_bytes(own)?,
            _ => true,
        };
        if !allowed {
            return Ok(None);
        }
        self.healing.spell(bytes.len());
        self.ending = self.ending.take().and_then(|ending| ending.after(token));
        Ok(Some(own))
    }

    /// Number of the first of these tokens that the constraint allows next, one after another.
    pub fn count_allowed(&mut self, tokens: &[TokenId]) -> Result<usize, DecodeError> {
        match &mut self.matcher {
            Some(matcher) if !tokens.is_empty() => Ok(matcher.validate(tokens)?),
            _ => Ok(tokens.len()),
        }
    }

    /// A tree of drafts that the constraint checks, if there is a constraint.
    pub fn draft_tree(&mut self) -> Result<Option<DraftTree<'_>>, DecodeError> {
        Ok(self.matcher.as_mut().map(Matcher::draft_tree).transpose()?)
    }

    /// The mask after drafts that have been [read](Self::advance_draft) but are not certain.
    pub fn draft_mask(&mut self, tokens: usize) -> Result<Option<Vec<u32>>, DecodeError> {
        let Some(matcher) = &mut self.matcher else { return Ok(None) };
        let mut mask = vec![0; self.mask.len()];
        matcher.fill_mask(&mut mask)?;
        mask.truncate(TokenSet::word_count(tokens));
        Ok(Some(mask))
    }

    /// Reads a draft; returns `false` if the constraint refuses it.
    pub fn advance_draft(&mut self, token: TokenId) -> Result<bool, DecodeError> {
        match &mut self.matcher {
            Some(matcher) => Ok(matcher.advance(token)?),
            None => Ok(true),
        }
    }

    /// Removes drafts that have been [read](Self::advance_draft).
    pub fn rollback_draft(&mut self, tokens: usize) -> Result<(), DecodeError> {
        match &mut self.matcher {
            Some(matcher) => Ok(matcher.rollback(tokens)?),
            None => Ok(()),
        }
    }

    /// Tells if the output can be completed after the tokens `next`. `room` is the number of tokens
    /// that remain, `next` included. The request's bans may forbid every complete output after a
    /// token that the constraint allows.
    pub fn rest_after(
        &mut self,
        next: &[TokenId],
        room: usize,
        settings: &DecodeSettings,
        bans: &SamplingParams,
        history: History<'_>,
    ) -> Result<Rest, DecodeError> {
        if !self.healing.is_over() {
            return self.rest_after_healing(next, settings, bans, history);
        }
        let completes = settings.budget == Budget::Complete && room <= MAX_CHECKED_ROOM;
        let heeded = completes || bans.names_bans();
        let Some(matcher) = self.matcher.as_mut().filter(|_| heeded) else {
            return Ok(Rest::Fits);
        };
        if next.iter().any(|token| settings.end_tokens.contains(token)) {
            return Ok(Rest::Fits);
        }
        for (read, &token) in next.iter().enumerate() {
            if !matcher.advance(token)? {
                matcher.rollback(read)?;
                return Ok(Rest::Fits);
            }
        }
        let tokens = match bans.names_bans() {
            true => &[history.tokens, next].concat(),
            false => history.tokens,
        };
        let after_next = History { tokens, ..history };
        let mut rest = unbanned_completion(matcher, settings, bans, after_next)?;
        if let (Completion::Known(own), true) = (&rest, completes)
            && next.len() + own.len() > room
        {
            // The engine's completion has few bytes. Another one may have fewer tokens.
            let known = self.ending.as_ref().and_then(|ending| ending.rest().strip_prefix(next));
            rest = match known.filter(|rest| next.len() + rest.len() <= room) {
                Some(rest) => Completion::Known(rest.into()),
                None => {
                    match searched_completion(matcher, bans, after_next, short_output::MAX_TRIED_PER_TOKEN)? {
                        found @ Completion::Known(_) => found,
                        Completion::DeadEnd | Completion::Unknown => rest,
                    }
                }
            };
        }
        matcher.rollback(next.len())?;
        let rest = match rest {
            Completion::DeadEnd => return Ok(Rest::DeadEnd),
            _ if !completes => return Ok(Rest::Fits),
            rest => rest.known(),
        };
        // The rest of a known ending may be shorter than an ending that a new search finds from
        // here.
        let ending = match &self.ending {
            Some(known) => Some(known.rest().to_vec()),
            None => {
                unbanned_completion(matcher, settings, bans, history)?.known().map(|ending| ending.to_vec())
            }
        };
        let enough = match (&rest, &ending) {
            (Some(rest), _) => next.len() + rest.len() <= room,
            (None, Some(ending)) => ending.len() * UNKNOWN_FACTOR + UNKNOWN_TOKENS < room,
            (None, None) => true,
        };
        if enough {
            // The new ending begins with `next`, and the known one may not.
            self.ending = rest.map(|rest| KnownEnding::new([next, &*rest].concat()));
            return Ok(Rest::Fits);
        }
        Ok(ending.filter(|ending| ending.len() <= room).map_or(Rest::Fits, Rest::TooLong))
    }

    /// Tells if the request's bans leave an output after a token that spells a part of the prompt's
    /// end, or the rest of it.
    fn rest_after_healing(
        &self,
        next: &[TokenId],
        settings: &DecodeSettings,
        bans: &SamplingParams,
        history: History<'_>,
    ) -> Result<Rest, DecodeError> {
        let (&[token], true) = (next, bans.names_bans()) else { return Ok(Rest::Fits) };
        let mut search = HealingSearch { settings, bans, left: MAX_HEALING_TOKENS };
        let matcher = self.matcher.as_ref().map(Matcher::fork);
        Ok(match search.is_dead_end(&self.healing, matcher, token, history)? {
            true => Rest::DeadEnd,
            false => Rest::Fits,
        })
    }
}

/// A search for tokens that spell the end of a prompt and that the request does not ban.
struct HealingSearch<'a> {
    settings: &'a DecodeSettings,
    bans: &'a SamplingParams,
    /// Number of tokens that may still be tried.
    left: usize,
}

impl HealingSearch<'_> {
    /// True if nothing is left after `token`: the bans forbid every spelling of the rest of the
    /// prompt's end, or every complete output after it. False if the search was given up.
    fn is_dead_end(
        &mut self,
        healing: &Healing,
        mut matcher: Option<Matcher>,
        token: TokenId,
        history: History<'_>,
    ) -> Result<bool, DecodeError> {
        let vocabulary = &self.settings.vocabulary;
        let bytes = vocabulary.bytes(token);
        let Some(own) = healing.output_part(bytes) else { return Ok(true) };
        if let Some(matcher) = &mut matcher
            && !own.is_empty()
            && !matcher.advance_bytes(own)?
        {
            return Ok(true);
        }
        let mut healing = healing.clone();
        healing.spell(bytes.len());
        let tokens = &[history.tokens, &[token]].concat();
        let history = History { tokens, ..history };
        if healing.is_over() {
            let Some(mut matcher) = matcher else { return Ok(false) };
            let rest = unbanned_completion(&mut matcher, self.settings, self.bans, history)?;
            return Ok(matches!(rest, Completion::DeadEnd));
        }
        let mut mask = vec![0; TokenSet::word_count(vocabulary.size())];
        healing.fill_mask(vocabulary, matcher.as_mut(), &mut mask)?;
        for token in first_ids(&mask, usize::MAX) {
            if self.bans.forbids_after(tokens, tokens.len() - history.prompt, token) {
                continue;
            }
            let Some(left) = self.left.checked_sub(1) else { return Ok(false) };
            self.left = left;
            let fork = matcher.as_ref().map(Matcher::fork);
            if !self.is_dead_end(&healing, fork, token, history)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The tokens that complete an output, as far as they are known.
enum Completion {
    Known(Arc<[TokenId]>),
    /// The request's bans forbid every complete output.
    DeadEnd,
    Unknown,
}

impl Completion {
    fn of(known: Option<Arc<[TokenId]>>) -> Self {
        known.map_or(Self::Unknown, Self::Known)
    }

    fn known(self) -> Option<Arc<[TokenId]>> {
        match self {
            Self::Known(tokens) => Some(tokens),
            Self::DeadEnd | Self::Unknown => None,
        }
    }
}

/// The engine's [completion](Matcher::completion), in tokens that the request does not ban, or
/// another one that a search finds.
fn unbanned_completion(
    matcher: &mut Matcher,
    settings: &DecodeSettings,
    bans: &SamplingParams,
    history: History<'_>,
) -> Result<Completion, DecodeError> {
    match matcher.completion()? {
        Some(own) if bans.names_bans() => {
            match short_output::respelled(&own, history, bans, &settings.vocabulary, matcher)? {
                None => searched_completion(matcher, bans, history, short_output::MAX_TRIED_PER_TOKEN),
                Some(found) => Ok(Completion::Known(found.into())),
            }
        }
        own => Ok(Completion::of(own)),
    }
}

/// The completion of the fewest tokens that the request does not ban, by a search.
fn searched_completion(
    matcher: &Matcher,
    bans: &SamplingParams,
    history: History<'_>,
    max_tried: usize,
) -> Result<Completion, DecodeError> {
    Ok(match short_output::shortest_ending(matcher, bans, history, max_tried)? {
        Found::Ending(ending) => Completion::Known(ending.into()),
        Found::DeadEnd => Completion::DeadEnd,
        Found::Unknown => Completion::Unknown,
    })
}

impl KnownEnding {
    fn new(tokens: impl Into<Arc<[TokenId]>>) -> Self {
        Self { tokens: tokens.into(), appended: 0 }
    }

    /// The tokens that have not been appended.
    fn rest(&self) -> &[TokenId] {
        &self.tokens[self.appended..]
    }

    /// The same ending after `token`, if it is the next of its tokens.
    fn after(self, token: TokenId) -> Option<Self> {
        let Self { tokens, appended } = self;
        (tokens.get(appended) == Some(&token)).then_some(Self { tokens, appended: appended + 1 })
    }
}

/// Adds a token to a packed set, if the set has room for it.
fn allow(words: &mut [u32], token: TokenId) {
    if let Some(word) = words.get_mut(token.index() / 32) {
        *word |= 1 << (token.index() % 32);
    }
}

/// The lowest ids in a packed set, at most `most` of them.
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
