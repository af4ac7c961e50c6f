//! A short way to the end: the least that must still be written before the output is complete.
//!
//! Every state that is reached can be completed; the question is how. What a continuation costs at least is known by its structure
//! ([`cost`](super::cost)): so each thread of a state has a price, that of the shortest word of its terminal and of what follows,
//! and the cheapest one leads to the next state, where the same is asked again. Where prices are exact this goes straight to the end,
//! one state for each terminal written, and what it writes has the fewest bytes there can be. Where they are too low, because parts
//! depend on each other, other ways are tried in the order of their prices (A*), at first carefully and then ever more greedily.
//!
//! The bytes are then spelt by the fewest tokens. So the way is the shortest in bytes where no items must differ, no keys require
//! others and nothing is counted, and short elsewhere; in tokens it is the shortest spelling of that text, not of all texts.
//!
//! Answers are kept for each state, since a state inside a long text is the same again and again.

use super::cost::{Costs, NextKey};
use super::error::EngineError;
use super::graph::{Core, Graph};
use super::recogniser::{Awaits, StateId, Thread};
use super::stack::{CaptureId, Frame};
use crate::automata::shortest::Labelled;
use crate::automata::{interrupt, json_string, LangId};
use crate::grammar::{SpecialId, MARK};
use crate::vocab::{TokenId, TokenTrie};
use hashbrown::{HashMap, HashSet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// How much what is to come weighs beside what was written, one attempt after the other.
const WEIGHTS: [u32; 3] = [1, 4, 1 << 12];
/// States looked at in an attempt for each terminal of its longest way, and beside.
const STATES_PER_STEP: usize = 4;
const MORE_STATES: [usize; 3] = [256, 2048, 1 << 16];
/// The most words of one terminal, of different labels, that are tried.
const MAX_WORDS: usize = 32;
/// The most first bytes of one lexeme that are tried.
const MAX_LEXEME_WORDS: usize = 12;

/// What is known of ways to the end.
#[derive(Default)]
pub(super) struct Completions {
    pub costs: Costs,
    /// By state; `None` where the search found none.
    found: HashMap<StateId, Option<Arc<[TokenId]>>>,
    tokens: usize,
}

impl Completions {
    /// About how many bytes this holds.
    pub fn memory(&self) -> usize {
        self.costs.memory() + self.found.len() * 32 + self.tokens * 4
    }
}

/// One step of a way: text, or a special token.
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

impl Graph {
    /// Tokens that complete an output in `state`: none if it is complete.
    pub fn completion(&self, state: StateId) -> Result<Option<Arc<[TokenId]>>, EngineError> {
        let mut core = self.lock_for_work()?;
        if let Some(known) = core.completions.found.get(&state) {
            return Ok(known.clone());
        }
        let found = match core.shortest_ending(state)? {
            None => None,
            Some(way) => self.spell(&core, &way)?,
        };
        interrupt::ended()?;
        core.completions.tokens += found.as_ref().map_or(0, |tokens| tokens.len());
        core.completions.found.insert(state, found.clone());
        self.publish_locked(&core, state);
        self.check_budget(&core);
        Ok(found)
    }

    /// The tokens of a way; `None` where the vocabulary cannot spell it.
    fn spell(&self, core: &Core, way: &[Segment]) -> Result<Option<Arc<[TokenId]>>, EngineError> {
        let mut tokens = Vec::new();
        let mut text = Vec::new();
        let trie = self.vocabulary.trie();
        for written in way {
            match written {
                Segment::Text(bytes) => text.extend_from_slice(bytes),
                Segment::Special(special) => {
                    if !fewest_tokens(trie, &std::mem::take(&mut text), &mut tokens) {
                        return Ok(None);
                    }
                    tokens.push(self.special_token(core, *special)?);
                }
            }
        }
        Ok(fewest_tokens(trie, &text, &mut tokens).then(|| tokens.into()))
    }
}

/// Adds the fewest tokens that spell `text`, the longest ones first; false where none do. O(bytes × longest token).
fn fewest_tokens(trie: &TokenTrie, text: &[u8], tokens: &mut Vec<TokenId>) -> bool {
    const NONE: u32 = u32::MAX;
    // For each place in the text how many tokens are left, and where the first of them ends.
    let mut left: Vec<(u32, u32, TokenId)> = vec![(NONE, 0, TokenId(0)); text.len() + 1];
    left[text.len()].0 = 0;
    for from in (0..text.len()).rev() {
        let mut node = 0;
        for (at, &byte) in text.iter().enumerate().skip(from) {
            let Some(child) = trie.child(node, byte) else { break };
            node = child;
            let (Some(&token), rest) = (trie.tokens(node).first(), left[at + 1].0) else { continue };
            if rest != NONE && rest < left[from].0 {
                left[from] = (rest + 1, at as u32 + 1, token);
            }
        }
    }
    let mut at = 0;
    while at < text.len() {
        let (count, end, token) = left[at];
        if count == NONE {
            return false;
        }
        tokens.push(token);
        at = end as usize;
    }
    true
}

/// A state that has been reached, and how.
struct SearchNode {
    cost: u32,
    steps: usize,
    from: Option<(usize, Segment)>,
}

/// A way on from a reached state that has not been followed yet.
struct OpenEdge {
    from: usize,
    way: Move,
    written: Segment,
}

/// How a way goes on.
#[derive(Clone, Copy)]
enum Move {
    /// The terminal of a thread ends with a label.
    After(Thread, Option<u32>),
    /// Byte by byte from a state: of a lexeme, what rivals say counts, too.
    From(StateId),
    Special(Thread),
}

/// Ways on by price, the newest first among equals.
type Queue = BinaryHeap<(Reverse<u32>, usize)>;

impl Core {
    /// The way from `state` to an accepting state.
    fn shortest_ending(&mut self, state: StateId) -> Result<Option<Vec<Segment>>, EngineError> {
        for (weight, more) in WEIGHTS.into_iter().zip(MORE_STATES) {
            if let Some(way) = self.attempt(state, weight, more)? {
                return Ok(Some(way));
            }
        }
        Ok(None)
    }

    fn attempt(
        &mut self,
        start: StateId,
        weight: u32,
        more: usize,
    ) -> Result<Option<Vec<Segment>>, EngineError> {
        let mut reached = vec![SearchNode { cost: 0, steps: 0, from: None }];
        let mut seen: HashSet<StateId> = [start].into_iter().collect();
        let mut ahead: Vec<Option<OpenEdge>> = Vec::new();
        let mut queue = Queue::new();
        let mut longest = 0;
        let mut here = Some((start, 0));
        loop {
            if let Some((state, at)) = here {
                if self.recogniser.is_accepting(state) {
                    return Ok(Some(way_to(&reached, at)));
                }
                longest = reached[at].steps.max(longest);
                if reached.len() > more + STATES_PER_STEP * longest {
                    return Ok(None);
                }
                for (written, way, to_come) in self.moves(state)? {
                    let cost = reached[at].cost.saturating_add(written.bytes());
                    let rank = cost.saturating_add(to_come.saturating_mul(weight));
                    queue.push((Reverse(rank), ahead.len()));
                    ahead.push(Some(OpenEdge { from: at, way, written }));
                }
            }
            interrupt::check()?;
            let Some((_, next)) = queue.pop() else { return Ok(None) };
            let Some(OpenEdge { from, way, written }) = ahead[next].take() else { continue };
            let state = self.follow(way, &written)?;
            here = (state != StateId::DEAD && seen.insert(state)).then(|| {
                let SearchNode { cost, steps, .. } = reached[from];
                let cost = cost.saturating_add(written.bytes());
                reached.push(SearchNode { cost, steps: steps + 1, from: Some((from, written)) });
                (state, reached.len() - 1)
            });
        }
    }

    /// The state to which a way on leads.
    fn follow(&mut self, way: Move, written: &Segment) -> Result<StateId, EngineError> {
        let text: &[u8] = match written {
            Segment::Text(bytes) => bytes,
            Segment::Special(_) => &[],
        };
        let recogniser = &mut self.recogniser;
        match way {
            Move::Special(thread) => recogniser.after_special(thread),
            Move::From(state) => text.iter().try_fold(state, |at, &byte| recogniser.step(at, byte)),
            Move::After(thread, label) => {
                let push = |capture: CaptureId, &byte: &u8| recogniser.captures.push(capture, byte);
                let capture = text.iter().fold(thread.capture, push);
                recogniser.after(thread.cont, capture, label)
            }
        }
    }

    /// Ways to finish each of a state's terminals, with the price of what follows.
    fn moves(&mut self, state: StateId) -> Result<Vec<(Segment, Move, u32)>, EngineError> {
        let mut ways = Vec::new();
        let is_lexed = self.recogniser.pool.is_lexed();
        for thread in self.recogniser.threads(state).to_vec() {
            match thread.awaits() {
                Awaits::Special(special) => {
                    let to_come = self.cont_cost(thread.cont);
                    ways.push((Segment::Special(special), Move::Special(thread), to_come));
                }
                Awaits::Language(language) if is_lexed => {
                    let to_come = self.cont_cost(thread.cont);
                    for word in self.lexeme_words(language) {
                        ways.push((Segment::Text(word), Move::From(state), to_come));
                    }
                }
                // What may follow where the terminal may end here has threads of its own.
                Awaits::Language(language) if self.recogniser.pool.languages.is_nullable(language) => {}
                Awaits::Language(language) => {
                    for Labelled { word, label } in self.words(thread, language) {
                        let to_come = self.cost_after(thread.cont, label);
                        ways.push((Segment::Text(word), Move::After(thread, label), to_come));
                    }
                }
            }
        }
        Ok(ways)
    }

    /// The words of a terminal that may be worth writing: the shortest ones, or the key that an object needs next.
    fn words(&mut self, thread: Thread, language: LangId) -> Vec<Labelled> {
        if let Some(key) = self.needed_key(thread, language) {
            return vec![key];
        }
        let languages = &mut self.recogniser.pool.languages;
        let all = self.completions.costs.words.labelled(languages, language);
        all[..all.len().min(MAX_WORDS)].to_vec()
    }

    /// Where a thread is about to begin a declared key of an object in which keys do not depend on each other: the one by
    /// which it is completed at the least price.
    fn needed_key(&mut self, thread: Thread, language: LangId) -> Option<Labelled> {
        let [(Frame::ObjectDeclared(object), _)] = *self.recogniser.stack.links(thread.cont) else {
            return None;
        };
        let (_, spec) = self.recogniser.object_spec(object)?;
        if !spec.is_plain() {
            return None;
        }
        let Some(NextKey::Declared(key)) = self.next_key(object) else { return None };
        let languages = &mut self.recogniser.pool.languages;
        let mut word = self.completions.costs.words.word(languages, spec.before_key)?;
        word.extend(json_string::minimal_spelling(&spec.declared.get(key as usize)?.key));
        let end = languages.step_bytes(language, &word);
        let is_key = languages.is_nullable(end) && languages.label(end) == Some(key);
        is_key.then(|| Labelled { word: word.into(), label: Some(key) })
    }

    /// Words of a lexeme, each with another beginning, since a rival may stand against one and not against another.
    fn lexeme_words(&mut self, language: LangId) -> Vec<Arc<[u8]>> {
        let languages = &mut self.recogniser.pool.languages;
        let first = languages.first_bytes(language);
        let classes = languages.byte_classes(language).clone();
        let mut tried = HashSet::new();
        let mut words: Vec<Arc<[u8]>> = Vec::new();
        let first = first.iter().filter(|&byte| byte != MARK);
        for byte in first.filter(|&byte| tried.insert(classes.class(byte))) {
            let next = languages.step(language, byte);
            if let Some(rest) = self.completions.costs.words.word(languages, next) {
                // Behind the mark is what is left to other lexemes.
                let end = rest.iter().position(|&byte| byte == MARK).unwrap_or(rest.len());
                words.push([&[byte], &rest[..end]].concat().into());
            }
        }
        words.sort_by_key(|word| word.len());
        words.truncate(MAX_LEXEME_WORDS);
        words
    }
}

/// What was written on the way to a reached state.
fn way_to(reached: &[SearchNode], mut at: usize) -> Vec<Segment> {
    let mut way = Vec::new();
    while let Some((before, written)) = reached[at].from.clone() {
        way.push(written);
        at = before;
    }
    way.reverse();
    way
}
