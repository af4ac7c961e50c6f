//! Completions: a short text that completes an output.
//!
//! # The idea
//!
//! Every state that is reached can be completed, and the search finds a short text that does so.
//! Each thread of a state has a cost: the length of the shortest word of its terminal, plus the
//! cost of its continuation ([`cost`](super::cost)). The search follows the cheapest thread to the
//! next state, and so on. If costs are exact, this goes straight to the end, with one state for
//! each terminal written. Costs are too low if parts of the grammar depend on each other. Then
//! other threads are tried in the order of their costs (A*), in attempts that are more and more
//! greedy.
//!
//! The bytes are then spelt with the fewest tokens. For example, after `{"on": "2026-1` the text
//! `0-10"}` completes a date, and one token may spell several of its bytes.
//!
//! # Exactness
//!
//! The text that is found always completes the output. It has the fewest bytes unless items must
//! differ, keys require other keys, or something is counted; then it is short. It has the fewest
//! tokens among the spellings of the found text, not of all texts.
//!
//! # The price
//!
//! About one state for each terminal written. Answers are kept for each state, since a state inside
//! a long text is the same again and again.

use super::cost::{CostFinder, Costs, NextKey};
use super::error::EngineError;
use super::recogniser::Recogniser;
use super::recogniser::captures::CaptureId;
use super::recogniser::continuation::Frame;
use super::recogniser::state::{Awaits, StateId, Thread};
use super::special_tokens::special_token;
use crate::automata::shortest::Labelled;
use crate::automata::{LangId, interrupt, json_string};
use crate::grammar::{MARK, SpecialId};
use crate::vocab::{TokenId, Vocabulary, fewest_tokens};
use hashbrown::{HashMap, HashSet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// The weight of the cost still to come against the bytes already written, for each attempt.
const WEIGHTS: [u32; 3] = [1, 4, 1 << 12];
/// The number of states that an attempt may reach for each terminal on its longest way.
const STATES_PER_STEP: usize = 4;
/// The number of states that each attempt may reach besides.
const MORE_STATES: [usize; 3] = [256, 2048, 1 << 16];
/// The largest number of states that an attempt reaches in all. Without this limit, a count of a
/// billion would take all memory.
const MAX_STATES: usize = 1 << 17;
/// An addition to the cost of a move that seldom leads to an end, so that it is tried last.
const DETOUR: u32 = 1 << 16;
/// The largest number of words of one terminal, with different labels, that are tried.
const MAX_WORDS: usize = 32;
/// The largest number of words of one lexeme, with different first bytes, that are tried.
const MAX_LEXEME_WORDS: usize = 12;

/// The completions found so far.
#[derive(Default)]
pub(super) struct Completions {
    costs: Costs,
    /// The tokens by state; `None` if the search found none.
    found: HashMap<StateId, Option<Arc<[TokenId]>>>,
    /// The number of tokens in all of these.
    tokens: usize,
}

impl Completions {
    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.costs.memory() + self.found.len() * 32 + self.tokens * 4
    }
}

/// One segment of an ending: text, or a special token.
#[derive(Clone)]
enum Segment {
    Text(Arc<[u8]>),
    Special(SpecialId),
}

impl Segment {
    fn bytes(&self) -> u32 {
        match self {
            Segment::Text(bytes) => bytes.len() as u32,
            Segment::Special(_) => 1,
        }
    }
}

/// Tokens that complete an output in `state`: none if it is complete. `None` if the vocabulary
/// cannot spell the text, or if a bounded search found no text.
///
/// # Errors
/// The caller's interrupt, and those of the limits.
pub(super) fn complete(
    recogniser: &mut Recogniser,
    completions: &mut Completions,
    vocabulary: &Vocabulary,
    state: StateId,
) -> Result<Option<Arc<[TokenId]>>, EngineError> {
    if let Some(known) = completions.found.get(&state) {
        return Ok(known.clone());
    }
    let mut search =
        EndingSearch { finder: CostFinder { recogniser: &mut *recogniser, costs: &mut completions.costs } };
    let found = match search.shortest_ending(state)? {
        None => None,
        Some(segments) => tokenize(vocabulary, recogniser, &segments)?,
    };
    interrupt::ended()?;
    recogniser.machine.check_answers()?;
    completions.tokens += found.as_ref().map_or(0, |tokens| tokens.len());
    completions.found.insert(state, found.clone());
    Ok(found)
}

/// The tokens of some segments; `None` if the vocabulary cannot spell them.
fn tokenize(
    vocabulary: &Vocabulary,
    recogniser: &Recogniser,
    segments: &[Segment],
) -> Result<Option<Arc<[TokenId]>>, EngineError> {
    let mut tokens = Vec::new();
    let mut text = Vec::new();
    let spell = |text: &[u8]| fewest_tokens(vocabulary.trie(), text, |_| true);
    for segment in segments {
        match segment {
            Segment::Text(bytes) => text.extend_from_slice(bytes),
            Segment::Special(special) => {
                let Some(before) = spell(&std::mem::take(&mut text)) else { return Ok(None) };
                tokens.extend(before);
                let machine = &recogniser.machine;
                match machine.token_set(*special) {
                    Some(set) => match set.first() {
                        Some(token) => tokens.push(token),
                        None => return Ok(None),
                    },
                    None => tokens.push(special_token(vocabulary, machine.pool.special_name(*special))?),
                }
            }
        }
    }
    Ok(spell(&text).map(|last| {
        tokens.extend(last);
        tokens.into()
    }))
}

/// A state that was reached: the bytes written, the segments written, and the last of these with
/// the state before it.
struct SearchNode {
    cost: u32,
    steps: usize,
    from: Option<(usize, Segment)>,
}

/// A move from a reached state that was not followed yet.
struct OpenEdge {
    from: usize,
    step: Move,
    written: Segment,
}

/// A move from a state to a later one.
#[derive(Clone, Copy)]
enum Move {
    /// The terminal of a thread is completed with a label.
    Terminal(Thread, Option<u32>),
    /// The bytes are read from the state one by one, since other lexemes may win a part of the
    /// text.
    Bytes(StateId),
    /// The special token that a thread waits for is read.
    Special(Thread),
}

/// Moves by cost. The newest comes first among equals.
type Queue = BinaryHeap<(Reverse<u32>, usize)>;

/// A search for a short ending.
struct EndingSearch<'a> {
    finder: CostFinder<'a>,
}

impl EndingSearch<'_> {
    /// The segments that lead from `state` to an accepting state.
    fn shortest_ending(&mut self, state: StateId) -> Result<Option<Vec<Segment>>, EngineError> {
        for (weight, more) in WEIGHTS.into_iter().zip(MORE_STATES) {
            self.finder.recogniser.machine.begin_call();
            match self.attempt(state, weight, more) {
                Ok(None) => {}
                // This search was too long. The next one goes more directly.
                Err(EngineError::Limit { .. }) if self.finder.recogniser.machine.is_worked_out() => {}
                found => return found,
            }
        }
        Ok(None)
    }

    /// A search in which the cost still to come counts `weight` times. With weight 1 it finds the
    /// shortest ending where costs are exact. With a larger weight it finds some ending sooner.
    fn attempt(
        &mut self,
        start: StateId,
        weight: u32,
        more: usize,
    ) -> Result<Option<Vec<Segment>>, EngineError> {
        let mut reached = vec![SearchNode { cost: 0, steps: 0, from: None }];
        let mut seen: HashSet<StateId> = [start].into_iter().collect();
        let mut open: Vec<Option<OpenEdge>> = Vec::new();
        let mut queue = Queue::new();
        let mut longest = 0;
        let mut here = Some((start, 0));
        loop {
            if let Some((state, at)) = here {
                if self.finder.recogniser.is_accepting(state) {
                    return Ok(Some(segments_to(&reached, at)));
                }
                longest = reached[at].steps.max(longest);
                if reached.len() > MAX_STATES.min(more + STATES_PER_STEP * longest) {
                    return Ok(None);
                }
                for (written, step, to_come) in self.moves(state)? {
                    let cost = reached[at].cost.saturating_add(written.bytes());
                    let rank = cost.saturating_add(to_come.saturating_mul(weight));
                    queue.push((Reverse(rank), open.len()));
                    open.push(Some(OpenEdge { from: at, step, written }));
                }
            }
            interrupt::check()?;
            let Some((_, next)) = queue.pop() else { return Ok(None) };
            let Some(OpenEdge { from, step, written }) = open[next].take() else { continue };
            let state = self.follow(step, &written)?;
            here = (state != StateId::DEAD && seen.insert(state)).then(|| {
                let SearchNode { cost, steps, .. } = reached[from];
                let cost = cost.saturating_add(written.bytes());
                reached.push(SearchNode { cost, steps: steps + 1, from: Some((from, written)) });
                (state, reached.len() - 1)
            });
        }
    }

    /// The state to which a move leads.
    fn follow(&mut self, step: Move, written: &Segment) -> Result<StateId, EngineError> {
        let text: &[u8] = match written {
            Segment::Text(bytes) => bytes,
            Segment::Special(_) => &[],
        };
        let recogniser = &mut *self.finder.recogniser;
        match step {
            Move::Special(thread) => recogniser.after_terminal(thread.cont, thread.capture, None),
            Move::Bytes(state) => text.iter().try_fold(state, |at, &byte| recogniser.step(at, byte)),
            Move::Terminal(thread, label) => {
                let push = |capture: CaptureId, &byte: &u8| recogniser.machine.captures.push(capture, byte);
                let capture = text.iter().fold(thread.capture, push);
                recogniser.after_terminal(thread.cont, capture, label)
            }
        }
    }

    /// The moves that complete a terminal of `state`, each with the cost of what follows.
    fn moves(&mut self, state: StateId) -> Result<Vec<(Segment, Move, u32)>, EngineError> {
        let mut moves = Vec::new();
        let is_lexed = self.finder.recogniser.machine.pool.is_lexed();
        for thread in self.finder.recogniser.threads(state).to_vec() {
            match thread.awaits() {
                Awaits::Special(special) => {
                    let to_come = self.finder.cont_cost(thread.cont);
                    moves.push((Segment::Special(special), Move::Special(thread), to_come));
                }
                Awaits::Language(language) if is_lexed => {
                    let to_come = self.finder.cont_cost(thread.cont);
                    for word in self.lexeme_words(language) {
                        moves.push((Segment::Text(word), Move::Bytes(state), to_come));
                    }
                }
                Awaits::Language(language) => {
                    // A terminal that may end here has threads for what may follow already.
                    if self.finder.recogniser.machine.pool.languages.is_nullable(language) {
                        continue;
                    }
                    let detour = if self.is_detour(thread) { DETOUR } else { 0 };
                    for Labelled { word, label } in self.words(thread, language) {
                        let to_come = self.finder.cost_after(thread.cont, label).saturating_add(detour);
                        moves.push((Segment::Text(word), Move::Terminal(thread, label), to_come));
                    }
                }
            }
        }
        Ok(moves)
    }

    /// True if `thread` reads an undeclared key of an object that must become another one before it
    /// may close. Such keys seldom lead there, and there is no end of them.
    fn is_detour(&self, thread: Thread) -> bool {
        let [(Frame::ObjectRest { object, .. }, _)] =
            *self.finder.recogniser.machine.conts.links(thread.cont)
        else {
            return false;
        };
        self.finder.object_spec(object).is_some_and(|(_, spec)| spec.must_go_on)
    }

    /// The words of a terminal that are worth trying: the shortest ones, or the key that an object
    /// needs next.
    fn words(&mut self, thread: Thread, language: LangId) -> Vec<Labelled> {
        if let Some(key) = self.needed_key(thread, language) {
            return vec![key];
        }
        let languages = &mut self.finder.recogniser.machine.pool.languages;
        let all = self.finder.costs.words.labelled(languages, language);
        all[..all.len().min(MAX_WORDS)].to_vec()
    }

    /// The key that completes an object at the least cost, if `thread` is about to begin a declared
    /// key of an object whose keys do not depend on each other.
    fn needed_key(&mut self, thread: Thread, language: LangId) -> Option<Labelled> {
        let [(Frame::ObjectDeclared(object), _)] = *self.finder.recogniser.machine.conts.links(thread.cont)
        else {
            return None;
        };
        let (_, spec) = self.finder.object_spec(object)?;
        if !spec.is_plain() {
            return None;
        }
        let Some(NextKey::Declared(key)) = self.finder.next_key(object) else { return None };
        // An optional key need not be the one that leads to an object that may close.
        if spec.must_go_on && !spec.declared.get(key as usize)?.required {
            return None;
        }
        let languages = &mut self.finder.recogniser.machine.pool.languages;
        let mut word = self.finder.costs.words.word(languages, spec.before_key)?;
        let text = &spec.declared.get(key as usize)?.key;
        match spec.bare_keys {
            true => word.extend(text.as_bytes()),
            false => word.extend(json_string::minimal_spelling(text)),
        }
        let end = languages.step_bytes(language, &word);
        let is_key = languages.is_nullable(end) && languages.label(end) == Some(key);
        is_key.then(|| Labelled { word: word.into(), label: Some(key) })
    }

    /// Words of a lexeme with different first bytes, since another lexeme may win some of them.
    fn lexeme_words(&mut self, language: LangId) -> Vec<Arc<[u8]>> {
        let languages = &mut self.finder.recogniser.machine.pool.languages;
        let first = languages.first_bytes(language);
        let classes = languages.byte_classes(language).clone();
        let mut tried = HashSet::new();
        let mut words: Vec<Arc<[u8]>> = Vec::new();
        let first = first.iter().filter(|&byte| byte != MARK);
        for byte in first.filter(|&byte| tried.insert(classes.class(byte))) {
            let next = languages.step(language, byte);
            if let Some(rest) = self.finder.costs.words.word(languages, next) {
                // The text behind the mark belongs to other lexemes.
                let end = rest.iter().position(|&byte| byte == MARK).unwrap_or(rest.len());
                words.push([&[byte], &rest[..end]].concat().into());
            }
        }
        words.sort_by_key(|word| word.len());
        words.truncate(MAX_LEXEME_WORDS);
        words
    }
}

/// The segments written on the way to a reached state.
fn segments_to(reached: &[SearchNode], mut at: usize) -> Vec<Segment> {
    let mut segments = Vec::new();
    while let Some((before, written)) = reached[at].from.clone() {
        segments.push(written);
        at = before;
    }
    segments.reverse();
    segments
}
