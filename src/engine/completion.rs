//! A short way to the end: what must still be written, at least about, before the output is complete.
//!
//! States are searched at the grain of terminals: a thread is finished by the shortest word of its language (where labels
//! select what follows, by the shortest word of each label), and what follows it is a state again. The search goes best
//! first by bytes written plus an estimate of bytes to come (open brackets, missing keys and items), which is
//! too high at times: so what is found is short, and seldom not the shortest. It is bounded by [`MAX_STATES`]; answers
//! are kept for each state, since a state inside a long text is the same again and again.

use super::error::EngineError;
use super::graph::{Core, Graph};
use super::recogniser::{Awaits, Recogniser, StateId};
use super::stack::{CaptureId, ContId, Frame};
use crate::automata::LangId;
use crate::grammar::{Node, SpecialId};
use crate::vocab::TokenId;
use hashbrown::{HashMap, HashSet};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

/// The most states one search may look at.
const MAX_STATES: usize = 4096;
/// The most states of one terminal that are looked at for its shortest words.
const MAX_TERMINAL_STATES: usize = 4096;
/// The most labels of one terminal that are told apart.
const MAX_LABELS: usize = 256;
/// What an open continuation is taken to need, in bytes; a missing key needs its text beside.
const FRAME_BYTES: u32 = 2;
const KEY_BYTES: u32 = 6;

/// A word of a terminal and the label it completes.
type Word = (Arc<[u8]>, Option<u32>);

/// What is known of ways to the end.
#[derive(Default)]
pub(super) struct Completions {
    words: HashMap<LangId, Arc<[Word]>>,
    /// By state; `None` where the search found none.
    found: HashMap<StateId, Option<Arc<[TokenId]>>>,
}

impl Completions {
    /// About how many bytes this holds.
    pub fn memory(&self) -> usize {
        self.words.len() * 64 + self.found.len() * 128
    }
}

/// One step of a way: text, or a special token.
#[derive(Clone)]
enum Written {
    Text(Arc<[u8]>),
    Special(SpecialId),
}

impl Graph {
    /// Tokens that complete an output in `state`: none if it is complete.
    pub fn completion(&self, state: StateId) -> Result<Option<Arc<[TokenId]>>, EngineError> {
        let mut core = self.lock();
        if let Some(known) = core.completions.found.get(&state) {
            return Ok(known.clone());
        }
        let way = search(&mut core, state)?;
        let found = match way {
            None => None,
            Some(way) => self.spell(&core, &way)?,
        };
        core.completions.found.insert(state, found.clone());
        self.publish_locked(&core, state);
        Ok(found)
    }

    /// The tokens of a way; `None` where the vocabulary cannot spell it.
    fn spell(&self, core: &Core, way: &[Written]) -> Result<Option<Arc<[TokenId]>>, EngineError> {
        let mut tokens = Vec::new();
        let mut text = Vec::new();
        let flush = |text: &mut Vec<u8>, tokens: &mut Vec<TokenId>| {
            let spelt = self.vocabulary.greedy_tokenize(text);
            text.clear();
            spelt.map(|more| tokens.extend(more)).is_ok()
        };
        for written in way {
            match written {
                Written::Text(bytes) => text.extend_from_slice(bytes),
                Written::Special(special) => {
                    if !flush(&mut text, &mut tokens) {
                        return Ok(None);
                    }
                    tokens.push(self.special_token(core, *special)?);
                }
            }
        }
        Ok(flush(&mut text, &mut tokens).then(|| tokens.into()))
    }
}

/// One state that has been reached, and how.
struct Reached {
    state: StateId,
    cost: u32,
    from: Option<(usize, Written)>,
}

/// The way from `state` to an accepting state.
fn search(core: &mut Core, state: StateId) -> Result<Option<Vec<Written>>, EngineError> {
    let mut reached = vec![Reached { state, cost: 0, from: None }];
    let mut seen: HashSet<StateId> = [state].into_iter().collect();
    let mut estimates = HashMap::new();
    let mut open = BinaryHeap::from([(Reverse(0u32), 0usize)]);
    while let Some((_, at)) = open.pop() {
        let Reached { state, cost, .. } = reached[at];
        if core.recogniser.is_accepting(state) {
            let mut way = Vec::new();
            let mut at = Some(at);
            while let Some((before, written)) = at.and_then(|at| reached[at].from.clone()) {
                way.push(written);
                at = Some(before);
            }
            way.reverse();
            return Ok(Some(way));
        }
        if reached.len() > MAX_STATES {
            return Ok(None);
        }
        for (written, next) in ways_on(core, state)? {
            if !seen.insert(next) {
                continue;
            }
            let length = match &written {
                Written::Text(bytes) => bytes.len() as u32,
                Written::Special(_) => 1,
            };
            let to_come = estimate(&core.recogniser, &mut estimates, next);
            let cost = cost.saturating_add(length);
            // The older one first among equals, which keeps the search in one direction.
            open.push((Reverse(cost.saturating_add(to_come)), reached.len()));
            reached.push(Reached { state: next, cost, from: Some((at, written)) });
        }
    }
    Ok(None)
}

/// Every thread finished in the shortest way, and where that leads.
fn ways_on(core: &mut Core, state: StateId) -> Result<Vec<(Written, StateId)>, EngineError> {
    let mut ways = Vec::new();
    for thread in core.recogniser.threads(state).to_vec() {
        match thread.awaits() {
            Awaits::Special(special) => {
                let next = core.recogniser.after_special(thread)?;
                ways.push((Written::Special(special), next));
            }
            Awaits::Language(language) => {
                for (word, label) in shortest_words(core, language).iter() {
                    let recogniser = &mut core.recogniser;
                    if recogniser.pool.is_lexed() {
                        // What rivals say counts, too.
                        let next = word.iter().try_fold(state, |at, &byte| recogniser.step(at, byte))?;
                        ways.push((Written::Text(word.clone()), next));
                        continue;
                    }
                    let push = |capture: CaptureId, &byte: &u8| recogniser.captures.push(capture, byte);
                    let capture = word.iter().fold(thread.capture, push);
                    let next = core.recogniser.after(thread.cont, capture, *label)?;
                    ways.push((Written::Text(word.clone()), next));
                }
            }
        }
    }
    ways.retain(|(_, next)| *next != StateId::DEAD);
    Ok(ways)
}

/// The shortest words of a terminal that are not empty, one for each label, shortest first.
fn shortest_words(core: &mut Core, language: LangId) -> Arc<[Word]> {
    if let Some(known) = core.completions.words.get(&language) {
        return known.clone();
    }
    let languages = &mut core.recogniser.pool.languages;
    let mut words: Vec<Word> = Vec::new();
    let mut seen: HashSet<LangId> = [language].into_iter().collect();
    let mut open = VecDeque::from([(language, Vec::new())]);
    while let Some((state, word)) = open.pop_front() {
        if seen.len() > MAX_TERMINAL_STATES || words.len() >= MAX_LABELS {
            break;
        }
        let classes = languages.byte_classes(state).clone();
        let first = languages.first_bytes(state);
        let mut tried = HashSet::new();
        for byte in first.iter().filter(|&byte| tried.insert(classes.class(byte))) {
            let next = languages.step(state, byte);
            let mut longer = word.clone();
            longer.push(byte);
            if languages.is_nullable(next) {
                let label = languages.label(next);
                if words.iter().all(|known| known.1 != label) {
                    words.push((longer.as_slice().into(), label));
                }
                // A word without a label is any word: there is nothing more to be found.
                if label.is_none() {
                    open.clear();
                    break;
                }
            }
            if !languages.is_spent(next) && seen.insert(next) {
                open.push_back((next, longer));
            }
        }
    }
    let words: Arc<[Word]> = words.into();
    core.completions.words.insert(language, words.clone());
    words
}

/// About how many bytes must come after a state's threads have ended: the least over its threads.
fn estimate(recogniser: &Recogniser, known: &mut HashMap<ContId, u32>, state: StateId) -> u32 {
    if recogniser.is_accepting(state) {
        return 0;
    }
    let threads = recogniser.threads(state).iter();
    threads.map(|thread| estimate_of(recogniser, known, thread.cont).saturating_add(1)).min().unwrap_or(0)
}

/// About how many bytes a continuation needs. Iterative: stacks may be as deep as the output is nested.
fn estimate_of(recogniser: &Recogniser, known: &mut HashMap<ContId, u32>, cont: ContId) -> u32 {
    let mut work = vec![cont];
    while let Some(&top) = work.last() {
        if known.contains_key(&top) {
            work.pop();
            continue;
        }
        let links = recogniser.stack.links(top);
        let below = links.iter().filter(|(frame, below)| *frame != Frame::End && !known.contains_key(below));
        let missing: Vec<ContId> = below.map(|link| link.1).collect();
        if !missing.is_empty() {
            work.extend(missing);
            continue;
        }
        let needs = links.iter().map(|(frame, below)| match frame {
            Frame::End => 0,
            frame => frame_bytes(recogniser, *frame).saturating_add(known[below]),
        });
        let least = needs.min().unwrap_or(0);
        known.insert(top, least);
        work.pop();
    }
    known[&cont]
}

/// About how many bytes are needed to get past a frame.
fn frame_bytes(recogniser: &Recogniser, frame: Frame) -> u32 {
    match frame {
        Frame::Loop { node, done } => match recogniser.pool.node(node) {
            Node::Repeat { min, .. } => FRAME_BYTES.saturating_mul(1 + min.saturating_sub(done)),
            _ => FRAME_BYTES,
        },
        Frame::ObjectOpened(object)
        | Frame::ObjectDeclared(object)
        | Frame::ObjectRest { object, .. }
        | Frame::ObjectValue(object)
        | Frame::ObjectComma(object) => {
            let state = &recogniser.objects[object.0 as usize];
            let Node::Object(spec) = recogniser.pool.node(state.node) else { return FRAME_BYTES };
            let missing = spec.missing_required(&state.progress);
            let bytes = missing.map(|key| (key.len() as u32).saturating_add(KEY_BYTES));
            let named: u32 = bytes.fold(0, u32::saturating_add);
            let others = spec.min.saturating_sub(state.progress.count).saturating_mul(KEY_BYTES);
            FRAME_BYTES.saturating_add(named.max(others))
        }
        Frame::ArrayOpened(array) | Frame::ArrayItem { array, .. } | Frame::ArrayComma(array) => {
            let state = &recogniser.arrays[array.0 as usize];
            let Node::Array(spec) = recogniser.pool.node(state.node) else { return FRAME_BYTES };
            FRAME_BYTES.saturating_mul(1 + spec.min.saturating_sub(state.progress.count))
        }
        Frame::End | Frame::Then(_) | Frame::Switch(_) => FRAME_BYTES,
    }
}
