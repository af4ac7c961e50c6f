//! A short way to the end: what must still be written, at least about, before the output is complete.
//!
//! States are searched at the grain of terminals: a thread is finished by the shortest word of its language (where labels
//! select what follows, by the shortest word of each label), and what follows it is a state again. The search goes best
//! first by bytes written plus an estimate of bytes to come (open brackets, missing keys and items with the least that their
//! values can be), which is too high at times: so what is found is short, and seldom not the shortest. What the estimate left
//! out would look cheap until it is begun, and every longer way around it would be tried before. The search is bounded by [`MAX_STATES`]; answers
//! are kept for each state, since a state inside a long text is the same again and again.

use super::error::EngineError;
use super::graph::{Core, Graph};
use super::recogniser::{Awaits, StateId};
use super::stack::{CaptureId, ContId, Frame};
use crate::automata::LangId;
use crate::grammar::{ArraySpec, Choice, Node, NodeId, ObjectSpec, SpecialId};
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
/// Quotes, colon and comma of a key.
const KEY_BYTES: u32 = 4;
/// What a value is taken to need that lies too deep to be looked at.
const DEEP_BYTES: u32 = 2;
/// How deep values are looked at, and how many of them.
const MAX_DEPTH: u32 = 32;
const MAX_SIZES: usize = 4096;
/// What cannot be written; sums of it stay far from overflow.
const ENDLESS: u32 = 1 << 24;

/// A word of a terminal and the label it completes.
type Word = (Arc<[u8]>, Option<u32>);

/// What is known of ways to the end.
#[derive(Default)]
pub(super) struct Completions {
    words: HashMap<LangId, Arc<[Word]>>,
    /// About how many bytes a node needs.
    sizes: HashMap<NodeId, u32>,
    /// By state; `None` where the search found none.
    found: HashMap<StateId, Option<Arc<[TokenId]>>>,
}

impl Completions {
    /// About how many bytes this holds.
    pub fn memory(&self) -> usize {
        self.words.len() * 64 + self.sizes.len() * 16 + self.found.len() * 128
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
        core.recogniser.check()?;
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
            let to_come = estimate(core, &mut estimates, next);
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
fn estimate(core: &mut Core, known: &mut HashMap<ContId, u32>, state: StateId) -> u32 {
    if core.recogniser.is_accepting(state) {
        return 0;
    }
    let threads = core.recogniser.threads(state).to_vec();
    threads.iter().map(|thread| estimate_of(core, known, thread.cont).saturating_add(1)).min().unwrap_or(0)
}

/// About how many bytes a continuation needs. Iterative: stacks may be as deep as the output is nested.
fn estimate_of(core: &mut Core, known: &mut HashMap<ContId, u32>, cont: ContId) -> u32 {
    let mut work = vec![cont];
    while let Some(&top) = work.last() {
        if known.contains_key(&top) {
            work.pop();
            continue;
        }
        let links: Vec<(Frame, ContId)> = core.recogniser.stack.links(top).to_vec();
        let below = links.iter().filter(|(frame, below)| *frame != Frame::End && !known.contains_key(below));
        let missing: Vec<ContId> = below.map(|link| link.1).collect();
        if !missing.is_empty() {
            work.extend(missing);
            continue;
        }
        let needs = links.iter().map(|(frame, below)| match frame {
            Frame::End => 0,
            frame => frame_bytes(core, *frame).saturating_add(known[below]),
        });
        let least = needs.min().unwrap_or(0);
        known.insert(top, least);
        work.pop();
    }
    known[&cont]
}

/// About how many bytes are needed to get past a frame.
fn frame_bytes(core: &mut Core, frame: Frame) -> u32 {
    match frame {
        Frame::Loop { node, done } => match core.recogniser.pool.node(node) {
            Node::Repeat { min, .. } => FRAME_BYTES.saturating_mul(1 + min.saturating_sub(done)),
            _ => FRAME_BYTES,
        },
        Frame::ObjectOpened(object)
        | Frame::ObjectDeclared(object)
        | Frame::ObjectRest { object, .. }
        | Frame::ObjectValue(object)
        | Frame::ObjectComma(object) => {
            let state = &core.recogniser.objects[object.0 as usize];
            let Node::Object(spec) = core.recogniser.pool.node(state.node) else { return FRAME_BYTES };
            let (spec, progress) = (spec.clone(), state.progress.clone());
            let missing: Vec<&str> = spec.missing_required(&progress).collect();
            let others = spec.min.saturating_sub(progress.count);
            FRAME_BYTES.saturating_add(object_bytes(core, &spec, &missing, others, 0))
        }
        Frame::ArrayOpened(array) | Frame::ArrayItem { array, .. } | Frame::ArrayComma(array) => {
            let state = &core.recogniser.arrays[array.0 as usize];
            let Node::Array(spec) = core.recogniser.pool.node(state.node) else { return FRAME_BYTES };
            let (spec, done) = (spec.clone(), state.progress.count);
            FRAME_BYTES.saturating_add(array_bytes(core, &spec, done, 0))
        }
        Frame::Then(node) => size(core, node, 0),
        Frame::End | Frame::Switch(_) => FRAME_BYTES,
    }
}

/// About how many bytes the missing keys of an object need, of which there are at least `others`.
fn object_bytes(core: &mut Core, spec: &ObjectSpec, missing: &[&str], others: u32, depth: u32) -> u32 {
    let mut named = 0u32;
    for property in spec.declared.iter().filter(|property| missing.contains(&property.key.as_str())) {
        let value = least(core, &property.values, depth);
        named = named.saturating_add((property.key.len() as u32).saturating_add(KEY_BYTES + value));
    }
    named.max(others.saturating_mul(KEY_BYTES + FRAME_BYTES)).min(ENDLESS)
}

/// About how many bytes the items that are missing behind `done` need.
fn array_bytes(core: &mut Core, spec: &ArraySpec, done: u32, depth: u32) -> u32 {
    let mut bytes = 0u32;
    let places = spec.prefix.len() as u32;
    for place in done..spec.min.min(places) {
        bytes = bytes.saturating_add(1 + least(core, &spec.prefix[place as usize], depth));
    }
    let others = spec.min.saturating_sub(done.max(places));
    if others > 0 {
        bytes = bytes.saturating_add(others.saturating_mul(1 + least(core, &spec.rest, depth)));
    }
    bytes.min(ENDLESS)
}

/// The least of some values.
fn least(core: &mut Core, choices: &[Choice], depth: u32) -> u32 {
    choices.iter().map(|choice| size(core, choice.value, depth + 1)).min().unwrap_or(DEEP_BYTES)
}

/// About the least number of bytes that a node can be. What contains itself counts as endless inside itself.
fn size(core: &mut Core, node: NodeId, depth: u32) -> u32 {
    if let Some(&known) = core.completions.sizes.get(&node) {
        return known;
    }
    if depth > MAX_DEPTH || core.completions.sizes.len() >= MAX_SIZES {
        return DEEP_BYTES;
    }
    core.completions.sizes.insert(node, ENDLESS);
    let depth = depth + 1;
    let bytes = match core.recogniser.pool.node(node).clone() {
        Node::Never => return ENDLESS,
        _ if core.recogniser.pool.is_nullable(node) => 0,
        Node::Empty => 0,
        Node::Special(_) => 1,
        Node::Terminal(language) => {
            shortest_words(core, language).first().map_or(FRAME_BYTES, |word| word.0.len() as u32)
        }
        Node::Lexeme(lexeme) => {
            let language = core.recogniser.pool.lexeme(lexeme).language;
            shortest_words(core, language).first().map_or(FRAME_BYTES, |word| word.0.len() as u32)
        }
        Node::Switch { language, targets } => {
            let words = shortest_words(core, language);
            let ways = words.iter().map(|(word, label)| {
                let target = label.and_then(|label| targets.get(label as usize));
                (word.len() as u32).saturating_add(target.map_or(0, |&target| size(core, target, depth)))
            });
            ways.min().unwrap_or(FRAME_BYTES)
        }
        Node::Seq(first, second) => size(core, first, depth).saturating_add(size(core, second, depth)),
        Node::Alt(nodes) => nodes.iter().map(|&node| size(core, node, depth)).min().unwrap_or(ENDLESS),
        Node::Repeat { body, min, .. } => size(core, body, depth).saturating_mul(min),
        Node::NonEmpty(body) => size(core, body, depth).max(1),
        Node::Rule(rule) => {
            let body = core.recogniser.pool.rule(rule);
            size(core, body, depth)
        }
        // What cannot be expanded says so when it is reached.
        Node::Lazy(key) => match core.recogniser.expand_lazy(key) {
            Ok(body) => size(core, body, depth),
            Err(_) => DEEP_BYTES,
        },
        Node::Object(spec) => {
            let missing: Vec<&str> =
                spec.declared.iter().filter(|property| property.required).map(|p| p.key.as_str()).collect();
            FRAME_BYTES.saturating_add(object_bytes(core, &spec, &missing, spec.min, depth))
        }
        Node::Array(spec) => FRAME_BYTES.saturating_add(array_bytes(core, &spec, 0, depth)),
    };
    // Endless may only mean that it was met inside itself.
    let bytes = if bytes < ENDLESS { bytes } else { DEEP_BYTES };
    core.completions.sizes.insert(node, bytes);
    bytes
}
