//! Searches for short endings that complete an output, besides the engine's own
//! [completion](Matcher::completion).
//!
//! The engine's completion has few bytes, spelt with the fewest tokens. A request may need another:
//!
//! - Another text may have fewer tokens. Of the choices `Zq` and `excellent` the second one has
//!   more bytes, but may be one token. [`shortest_ending`] searches for such a text.
//! - The request may ban tokens. [`respelled`] spells the same text without them. If that fails,
//!   [`shortest_ending`] looks for another text whose tokens the bans allow.

use std::collections::HashSet;

use crate::engine::{EngineError, Matcher};
use crate::sampling::SamplingParams;
use crate::vocab::{TokenId, Vocabulary, fewest_tokens};

/// Largest number of tokens that a search tries before the first pass.
pub(super) const MAX_TRIED_AT_START: usize = 100_000;
/// Largest number of tokens that a search tries for each token of an output.
pub(super) const MAX_TRIED_PER_TOKEN: usize = 10_000;
/// Largest number of spellings of a text that are tried.
const MAX_SPELLINGS: usize = 8;

/// A position of the search: the matcher there, and the step that led to it.
struct SearchState {
    matcher: Matcher,
    before: Option<(usize, TokenId)>,
}

/// The result of a search for an output.
pub(super) enum Found {
    /// Tokens that complete the output.
    Ending(Vec<TokenId>),
    /// The search has tried everything: nothing completes the output.
    DeadEnd,
    /// The search was given up, or every ending that it found has too many tokens.
    Unknown,
}

/// The fewest tokens that complete the output of `matcher` and that `bans` does not forbid after
/// `history`.
///
/// The search is breadth-first over the states of the constraint, and is given up after `max_tried`
/// tokens. A ban of several tokens in a row looks at the tokens before, so the last of these belong
/// to the state of the search.
pub(super) fn shortest_ending(
    matcher: &Matcher,
    bans: &SamplingParams,
    history: History<'_>,
    max_tried: usize,
) -> Result<Found, EngineError> {
    if matcher.is_accepting() {
        return Ok(Found::Ending(Vec::new()));
    }
    let memory = bans.longest_ban().saturating_sub(1);
    let last = |tokens: &[TokenId]| tokens[tokens.len().saturating_sub(memory)..].to_vec();
    let before = last(history.tokens);
    let output = history.tokens.len() - history.prompt;
    // Bans of the first token do not hold where the start is reached again.
    let mut seen = HashSet::new();
    if output > 0 {
        seen.insert((matcher.state_id(), before.clone()));
    }
    let mut states = vec![SearchState { matcher: matcher.fork_here(), before: None }];
    let mut tried = 0;
    let mut level = 0..1;
    for depth in 0.. {
        let next = states.len();
        for from in level {
            let mut here = states[from].matcher.fork_here();
            let mut read = match memory {
                0 => Vec::new(),
                _ => last(&[&before[..], &path(&states[..=from])].concat()),
            };
            for token in here.mask()?.iter() {
                if bans.forbids_after(&read, output + depth, token) {
                    continue;
                }
                tried += 1;
                if tried > max_tried {
                    return Ok(Found::Unknown);
                }
                if !here.advance(token)? {
                    continue;
                }
                read.push(token);
                if !here.is_stopped() && seen.insert((here.state_id(), last(&read))) {
                    let is_end = here.is_accepting();
                    states.push(SearchState { matcher: here.fork_here(), before: Some((from, token)) });
                    if is_end {
                        return Ok(Found::Ending(path(&states)));
                    }
                }
                read.pop();
                here.rollback(1)?;
            }
        }
        level = next..states.len();
        if level.is_empty() {
            break;
        }
    }
    Ok(Found::DeadEnd)
}

/// The tokens that lead to the last state.
fn path(states: &[SearchState]) -> Vec<TokenId> {
    let mut tokens = Vec::new();
    let mut before = states.last().and_then(|state| state.before);
    while let Some((from, token)) = before {
        tokens.push(token);
        before = states[from].before;
    }
    tokens.reverse();
    tokens
}

/// Spells the text of `tokens` with tokens that `bans` does not forbid after `history`, and that
/// `matcher` allows. Special tokens stay as they are. Returns `None` if no such tokens are found.
pub(super) fn respelled(
    tokens: &[TokenId],
    history: History<'_>,
    bans: &SamplingParams,
    vocabulary: &Vocabulary,
    matcher: &mut Matcher,
) -> Result<Option<Vec<TokenId>>, EngineError> {
    // Tokens that would complete a banned sequence at their position. They are then left out at
    // every position.
    let mut left_out = Vec::new();
    for _ in 0..MAX_SPELLINGS {
        let may_occur = |token: TokenId| !bans.forbids(token) && !left_out.contains(&token);
        let Some(spelled) = spell(tokens, vocabulary, may_occur) else { return Ok(None) };
        let mut all = history.tokens.to_vec();
        let banned = spelled.iter().copied().find(|&token| {
            let is_banned = bans.forbids_after(&all, all.len() - history.prompt, token);
            all.push(token);
            is_banned
        });
        match banned {
            Some(token) => left_out.push(token),
            None => return Ok((matcher.validate(&spelled)? == spelled.len()).then_some(spelled)),
        }
    }
    Ok(None)
}

/// Spells the text of `tokens` with tokens that `may_occur`. A run of text whose tokens all may
/// occur stays as it is. Returns `None` if there is no such spelling.
fn spell(
    tokens: &[TokenId],
    vocabulary: &Vocabulary,
    may_occur: impl Fn(TokenId) -> bool,
) -> Option<Vec<TokenId>> {
    let is_text = |token: TokenId| !vocabulary.bytes(token).is_empty();
    let mut spelled = Vec::new();
    for run in tokens.chunk_by(|a, b| is_text(*a) && is_text(*b)) {
        if run.iter().all(|token| may_occur(*token)) {
            spelled.extend(run);
        } else if is_text(run[0]) {
            spelled.extend(fewest_tokens(vocabulary.trie(), &vocabulary.decode(run), &may_occur)?);
        } else {
            return None;
        }
    }
    Some(spelled)
}

/// The tokens of prompt and output, and the number of those of the prompt.
#[derive(Clone, Copy)]
pub(super) struct History<'a> {
    pub tokens: &'a [TokenId],
    pub prompt: usize,
}
