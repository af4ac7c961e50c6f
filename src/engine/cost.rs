//! Costs: the least number of bytes that an output needs for a node or a continuation.
//!
//! # The idea
//!
//! The cost of a grammar node is that of its cheapest derivation. For example, `"[" item* "]"`
//! costs two bytes. Rules and lazy nodes lead back to themselves, so costs are a least fixed point:
//! all nodes that a cheapest derivation may need are collected, begin as [`INFINITE`], and fall
//! until nothing changes. Optional keys and items are collected only if something requires them. So
//! the work for a large schema grows with its required parts.
//!
//! Each link of a continuation costs its frame's cost, plus the cost of the continuation below. The
//! cost of the continuation is that of its cheapest link. The cost of a half-written object is that
//! of its missing keys.
//!
//! # Exactness
//!
//! Costs are exact unless parts depend on each other: items that must differ, keys that require
//! other keys, counters of several kinds of items, lexemes that win each other's texts. For such
//! parts the cost is what each part costs alone, or what a greedy choice costs.
//!
//! Source: D. Knuth, *A generalization of Dijkstra's algorithm*, 1977, here in rounds.

use super::error::EngineError;
use super::recogniser::Recogniser;
use super::recogniser::containers::{ArrayState, ObjectState};
use super::recogniser::continuation::{ArrayId, ContId, Frame, ObjectId};
use crate::automata::shortest::ShortestWords;
use crate::automata::{LangId, interrupt};
use crate::grammar::{
    ArrayProgress, ArraySpec, Choice, Delimiter, KeyOrder, Node, NodeId, ObjectProgress, ObjectSpec,
};
use hashbrown::HashMap;
use std::sync::Arc;

/// The cost of a node without any text. A few of these can be added without overflow.
pub(super) const INFINITE: u32 = 1 << 28;
/// The cost that is assumed of a node whose parts are not looked at.
const ESTIMATE: u32 = 8;
/// The largest number of lazy nodes that are expanded for one question.
const MAX_EXPANDED: usize = 4096;
/// Rounds of the fixed point. The costs of every round are those of real derivations.
const MAX_ROUNDS: usize = 1000;
/// The largest number of items or keys that a greedy choice puts together.
const MAX_GREEDY: usize = 4096;

/// The costs found so far.
#[derive(Default)]
pub(super) struct Costs {
    pub words: ShortestWords,
    nodes: HashMap<NodeId, u32>,
    conts: HashMap<ContId, u32>,
    /// For objects in declared order: the required keys from each declared key on.
    tails: HashMap<NodeId, Arc<[Required]>>,
}

/// Some required keys of an object: their cost, their number, and the first of them.
#[derive(Clone, Copy, Default)]
struct Required {
    bytes: u32,
    count: u32,
    first: Option<u32>,
}

impl Costs {
    pub fn memory(&self) -> usize {
        self.words.memory()
            + (self.nodes.len() + self.conts.len()) * 16
            + self.tails.values().map(|tail| 16 * tail.len()).sum::<usize>()
    }
}

/// A key that may come next in an object: the index of a declared one, or of a group of undeclared
/// ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NextKey {
    Declared(u32),
    Rest(u32),
}

/// The keys that complete an object: their cost with the closing brace, and the first of them.
#[derive(Clone, Copy)]
struct KeyPlan {
    bytes: u32,
    first: Option<NextKey>,
}

fn total(parts: impl IntoIterator<Item = u32>) -> u32 {
    parts.into_iter().fold(0u32, |sum, part| sum.saturating_add(part)).min(INFINITE)
}

/// Finds costs, and remembers them.
pub(super) struct CostFinder<'a> {
    pub recogniser: &'a mut Recogniser,
    pub costs: &'a mut Costs,
}

impl CostFinder<'_> {
    /// The state of an object and the specification of its node.
    pub(super) fn object_spec(&self, object: ObjectId) -> Option<(ObjectState, Arc<ObjectSpec>)> {
        self.recogniser.containers.object_spec(&self.recogniser.machine, object)
    }

    fn array_spec(&self, array: ArrayId) -> Option<(ArrayState, Arc<ArraySpec>)> {
        self.recogniser.containers.array_spec(&self.recogniser.machine, array)
    }

    /// True if answers can be relied on, and so may be remembered.
    fn is_sound(&self) -> bool {
        self.recogniser.machine.pool.languages.is_sound()
    }

    /// The length of the shortest word of a terminal.
    pub(super) fn word_bytes(&mut self, language: LangId) -> u32 {
        let languages = &mut self.recogniser.machine.pool.languages;
        let length = self.costs.words.length(languages, language);
        length.map_or(INFINITE, |length| (length as u32).min(INFINITE))
    }

    /// The length of the shortest text of a delimiter.
    fn delimiter_bytes(
        &mut self,
        delimiter: Delimiter,
        cost_of: impl FnOnce(&mut Self, NodeId) -> u32,
    ) -> u32 {
        match delimiter {
            Delimiter::Text(language) => self.word_bytes(language),
            Delimiter::Spelled(node) => cost_of(self, node),
        }
    }

    /// The cost of a node.
    pub(super) fn cost(&mut self, node: NodeId) -> u32 {
        if let Some(&known) = self.costs.nodes.get(&node) {
            return known;
        }
        if !self.is_sound() {
            return INFINITE;
        }
        let gathered = self.dependencies_of(node);
        let mut now: HashMap<NodeId, u32> = gathered.iter().map(|&node| (node, INFINITE)).collect();
        for _ in 0..MAX_ROUNDS {
            let mut changed = false;
            for &node in gathered.iter().rev() {
                let cost = self.derived_cost(node, &now);
                if cost < now[&node] {
                    now.insert(node, cost);
                    changed = true;
                }
            }
            if !changed || !self.is_sound() {
                break;
            }
        }
        let cost = now[&node];
        if self.is_sound() {
            self.costs.nodes.extend(now);
        }
        cost
    }

    /// The nodes that a cheapest derivation of `root` may need and whose cost is not known.
    fn dependencies_of(&mut self, root: NodeId) -> Vec<NodeId> {
        let mut gathered = vec![root];
        let mut seen: hashbrown::HashSet<NodeId> = [root].into_iter().collect();
        let (mut at, mut expanded) = (0, 0);
        while let Some(&node) = gathered.get(at) {
            at += 1;
            if interrupt::check().is_err() {
                break;
            }
            if matches!(self.recogniser.machine.pool.node(node), Node::Lazy(_)) {
                expanded += 1;
                if expanded > MAX_EXPANDED {
                    continue;
                }
            }
            for part in direct_dependencies(self.recogniser, node) {
                if !self.costs.nodes.contains_key(&part) && seen.insert(part) {
                    gathered.push(part);
                }
            }
        }
        gathered
    }

    /// The cost of a node, from the costs of its parts: those in `now`, or those that are known.
    fn derived_cost(&mut self, node: NodeId, now: &HashMap<NodeId, u32>) -> u32 {
        interrupt::spend(1);
        let known = self.costs.nodes.get(&node).copied();
        if let Some(known) = known {
            return known;
        }
        if self.recogniser.machine.pool.is_nullable(node) {
            return 0;
        }
        let of = |core: &Self, node: NodeId| {
            let known = now.get(&node).or_else(|| core.costs.nodes.get(&node));
            known.copied().unwrap_or(ESTIMATE)
        };
        let cost = match self.recogniser.machine.pool.node(node) {
            Node::Never => INFINITE,
            Node::Empty | Node::Mark { .. } => 0,
            Node::Special(_) => 1,
            &Node::Terminal(language) => self.word_bytes(language),
            Node::Lexed => ESTIMATE,
            &Node::Seq(first, second) => total([of(self, first), of(self, second)]),
            Node::Alt(parts) => parts.iter().map(|&part| of(self, part)).min().unwrap_or(INFINITE),
            &Node::Repeat { body, min, .. } => of(self, body).saturating_mul(min),
            &Node::NonEmpty(body) => of(self, body).max(1),
            &Node::Metered { body, .. } => of(self, body),
            &Node::Rule(rule) => of(self, self.recogniser.machine.pool.rule(rule)),
            &Node::Lazy(key) => match self.recogniser.machine.expanded(key) {
                Some(body) => of(self, body),
                None => ESTIMATE,
            },
            Node::Spelled(_) | Node::Until(_) => match self.recogniser.machine.bound(node) {
                Some(body) => of(self, body),
                None => ESTIMATE,
            },
            Node::Switch { language, targets } => {
                let (language, targets) = (*language, targets.clone());
                let languages = &mut self.recogniser.machine.pool.languages;
                let words = self.costs.words.labelled(languages, language);
                let ways = words.iter().map(|word| {
                    let target = word.label.and_then(|label| targets.get(label as usize));
                    total([word.word.len() as u32, target.map_or(0, |&target| of(self, target))])
                });
                ways.min().unwrap_or(INFINITE)
            }
            Node::Object(spec) => {
                let spec = spec.clone();
                let Some(start) = spec.start() else { return INFINITE };
                let open = self.delimiter_bytes(spec.punctuation.open, |core, node| of(core, node));
                let cost_of = |core: &mut Self, node| of(core, node);
                let keys = self.object_keys(&spec, &start, ContainerPosition::Opened, None, &cost_of);
                total([open, keys.bytes])
            }
            Node::Array(spec) => {
                let spec = spec.clone();
                let Some(start) = spec.start() else { return INFINITE };
                let open = self.delimiter_bytes(spec.punctuation.open, |core, node| of(core, node));
                let cost_of = |core: &mut Self, node| of(core, node);
                total([open, self.array_items(&spec, &start, ContainerPosition::Opened, &cost_of)])
            }
        };
        cost.min(INFINITE)
    }

    /// The cost of a continuation. No call recurses, since stacks may be as deep as the output is
    /// nested.
    pub(super) fn cont_cost(&mut self, cont: ContId) -> u32 {
        let mut work = vec![cont];
        while let Some(&top) = work.last() {
            if self.costs.conts.contains_key(&top) || !self.is_sound() {
                work.pop();
                continue;
            }
            let links = self.recogniser.machine.conts.links(top).to_vec();
            let known = &self.costs.conts;
            let missing: Vec<ContId> = links
                .iter()
                .filter(|(frame, below)| *frame != Frame::End && !known.contains_key(below))
                .map(|link| link.1)
                .collect();
            if !missing.is_empty() {
                work.extend(missing);
                continue;
            }
            let cost = links.iter().map(|&(frame, below)| self.link_cost(frame, below, None)).min();
            if self.is_sound() {
                self.costs.conts.insert(top, cost.unwrap_or(INFINITE));
            }
            work.pop();
        }
        self.costs.conts.get(&cont).copied().unwrap_or(INFINITE)
    }

    /// The cost of the continuation `cont` after a terminal that was completed with `label`.
    pub(super) fn cost_after(&mut self, cont: ContId, label: Option<u32>) -> u32 {
        self.cont_cost(cont);
        let links = self.recogniser.machine.conts.links(cont).to_vec();
        let costs = links.iter().map(|&(frame, below)| match frame {
            // `Frame::Tokens` reads nothing, so the label belongs to the frame below it.
            Frame::Tokens { .. } => self.cost_after(below, label),
            _ => self.link_cost(frame, below, label),
        });
        costs.min().unwrap_or(INFINITE)
    }

    /// The cost of a link. That of the continuation below is known.
    fn link_cost(&mut self, frame: Frame, below: ContId, label: Option<u32>) -> u32 {
        if frame == Frame::End {
            return 0;
        }
        let below = self.costs.conts.get(&below).copied().unwrap_or(INFINITE);
        total([self.frame_cost(frame, label), below])
    }

    fn frame_cost(&mut self, frame: Frame, label: Option<u32>) -> u32 {
        match frame {
            Frame::End | Frame::Cut(_) | Frame::Tokens { .. } => 0,
            Frame::Then(node) => self.cost(node),
            Frame::Parser(state) => {
                self.recogniser.machine.pool.lexed().map_or(ESTIMATE, |lexed| lexed.parser.state(state).least)
            }
            Frame::Loop { node, least, .. } => match *self.recogniser.machine.pool.node(node) {
                Node::Repeat { body, .. } => self.cost(body).saturating_mul(least.max(1)).min(INFINITE),
                _ => 0,
            },
            Frame::Switch(node) => match self.recogniser.machine.pool.node(node) {
                Node::Switch { targets, .. } => match label.and_then(|label| targets.get(label as usize)) {
                    Some(&target) => self.cost(target),
                    // The label is not known yet; any target serves as an estimate.
                    None => targets.first().copied().map_or(0, |target| self.cost(target)),
                },
                _ => 0,
            },
            Frame::ObjectOpened(object) => self.object_cost(object, ContainerPosition::Opened),
            Frame::ObjectComma(object) => self.object_cost(object, ContainerPosition::Comma),
            Frame::ObjectValue(object) => {
                let node = self.recogniser.containers.object_node(object);
                match *self.recogniser.machine.pool.node(node) {
                    Node::Lazy(_) => self.next_object_cost(node),
                    _ => self.object_cost(object, ContainerPosition::Between),
                }
            }
            Frame::ObjectDeclared(object) => {
                let Some((state, spec)) = self.object_spec(object) else { return INFINITE };
                match label {
                    Some(label) => {
                        self.value_cost(state.node, &spec, spec.after_declared(&state.progress, label))
                    }
                    None => self.object_cost(object, ContainerPosition::Comma),
                }
            }
            Frame::ObjectRest { object, rest, .. } => {
                let Some((state, spec)) = self.object_spec(object) else { return INFINITE };
                self.value_cost(state.node, &spec, spec.after_rest(&state.progress, rest))
            }
            Frame::ArrayOpened(array) | Frame::ArrayItem { array, .. } | Frame::ArrayComma(array) => {
                let Some((state, spec)) = self.array_spec(array) else { return INFINITE };
                let at = match frame {
                    Frame::ArrayOpened(_) => ContainerPosition::Opened,
                    Frame::ArrayComma(_) => ContainerPosition::Comma,
                    _ => ContainerPosition::Between,
                };
                self.array_items(&spec, &state.progress, at, &Self::cost)
            }
        }
    }

    fn object_cost(&mut self, object: ObjectId, at: ContainerPosition) -> u32 {
        let Some((state, spec)) = self.object_spec(object) else { return INFINITE };
        self.object_keys(&spec, &state.progress, at, Some(state.node), &Self::cost).bytes
    }

    /// The cost of completing the object that takes the place of another after a value
    /// ([`Choice::then`]).
    fn next_object_cost(&mut self, node: NodeId) -> u32 {
        let node = match *self.recogniser.machine.pool.node(node) {
            Node::Lazy(key) => match self.recogniser.machine.expand_lazy(key) {
                Ok(node) => node,
                // The error shows when an output reaches the object.
                Err(_) => return ESTIMATE,
            },
            _ => node,
        };
        let Node::Object(spec) = self.recogniser.machine.pool.node(node) else { return INFINITE };
        let spec = spec.clone();
        let Some(start) = spec.start() else { return INFINITE };
        self.object_keys(&spec, &start, ContainerPosition::Between, Some(node), &Self::cost).bytes
    }

    /// The next key of the cheapest way to complete an object.
    pub(super) fn next_key(&mut self, object: ObjectId) -> Option<NextKey> {
        let (state, spec) = self.object_spec(object)?;
        self.object_keys(&spec, &state.progress, ContainerPosition::Comma, Some(state.node), &Self::cost)
            .first
    }

    /// The cost of a colon, one of these values, and what completes the object after it.
    fn value_cost(&mut self, node: NodeId, spec: &ObjectSpec, values: Vec<(Choice, ObjectProgress)>) -> u32 {
        let colon = self.word_bytes(spec.colon);
        let mut least = INFINITE;
        for (choice, progress) in values {
            let rest = match choice.then {
                NodeId::NEVER => {
                    self.object_keys(spec, &progress, ContainerPosition::Between, Some(node), &Self::cost)
                        .bytes
                }
                then => self.next_object_cost(then),
            };
            least = least.min(total([colon, self.cost(choice.value), rest]));
        }
        least
    }

    /// The cost of the cheapest of some values.
    fn least(&mut self, choices: &[Choice], cost_of: &dyn Fn(&mut Self, NodeId) -> u32) -> u32 {
        choices.iter().map(|choice| cost_of(self, choice.value)).min().unwrap_or(INFINITE)
    }

    /// The keys that complete an object at the least cost. If it needs more keys than are required,
    /// the cheapest optional ones are taken.
    fn object_keys(
        &mut self,
        spec: &ObjectSpec,
        progress: &ObjectProgress,
        at: ContainerPosition,
        node: Option<NodeId>,
        cost_of: &dyn Fn(&mut Self, NodeId) -> u32,
    ) -> KeyPlan {
        let comma = self.delimiter_bytes(spec.punctuation.comma, cost_of);
        let close = self.delimiter_bytes(spec.punctuation.close, cost_of);
        let around = total([self.word_bytes(spec.before_key), self.word_bytes(spec.colon), comma]);
        let whole = |keys: u32, bytes: u32| {
            let first_comma = if keys > 0 && at != ContainerPosition::Between { comma } else { 0 };
            total([bytes, close]).saturating_sub(first_comma)
        };
        if !spec.is_plain() {
            return self.greedy_keys(spec, progress, at, cost_of, around, &whole);
        }
        let Required { mut bytes, count, mut first } = self.required(spec, progress, node, cost_of, around);
        let missing = spec.min.saturating_sub(progress.count.saturating_add(count));
        let goes_on = at == ContainerPosition::Comma || spec.must_go_on;
        let extra = missing.max(u32::from(goes_on && count == 0));
        if extra == 0 {
            return KeyPlan { bytes: whole(count, bytes), first: first.map(NextKey::Declared) };
        }
        let mut others: Vec<(u32, u32)> = Vec::new();
        for i in spec.open_keys(progress) {
            let property = &spec.declared[i];
            if !property.required && !property.values.is_empty() {
                let value = self.least(&property.values, cost_of);
                others.push((total([key_bytes(spec, &property.key), around, value]), i as u32));
            }
        }
        others.sort_unstable();
        let rest = self.cheapest_rest(spec, progress, around, cost_of);
        let (mut taken, mut rests) = (0u32, 0u32);
        for &(cost, i) in others.iter().take(extra as usize) {
            if rest.is_some_and(|(_, least)| least < cost) {
                break;
            }
            bytes = total([bytes, cost]);
            first = Some(first.map_or(i, |first| first.min(i)));
            taken += 1;
        }
        if let Some((_, least)) = rest {
            rests = extra - taken;
            bytes = total([bytes, least.saturating_mul(rests)]);
        } else {
            for &(cost, i) in others.iter().take(extra as usize).skip(taken as usize) {
                bytes = total([bytes, cost]);
                first = Some(first.map_or(i, |first| first.min(i)));
                taken += 1;
            }
        }
        if taken + rests < extra {
            bytes = INFINITE;
        }
        let key = first.map(NextKey::Declared).or(rest.map(|(r, _)| NextKey::Rest(r)));
        KeyPlan { bytes: whole(count + extra, bytes), first: key }
    }

    /// The required keys that are missing from an object. `node` is the object's node once costs
    /// are final, and `None` during the fixed point.
    fn required(
        &mut self,
        spec: &ObjectSpec,
        progress: &ObjectProgress,
        node: Option<NodeId>,
        cost_of: &dyn Fn(&mut Self, NodeId) -> u32,
        around: u32,
    ) -> Required {
        let before = |core: &mut Self, i: usize, after: Required| {
            let property = &spec.declared[i];
            let value = core.least(&property.values, cost_of);
            let bytes = total([after.bytes, key_bytes(spec, &property.key), around, value]);
            Required { bytes, count: after.count + 1, first: Some(i as u32) }
        };
        let Some(node) = node.filter(|_| spec.order == KeyOrder::Declared) else {
            let open: Vec<usize> = spec.open_keys(progress).filter(|&i| spec.declared[i].required).collect();
            return open.into_iter().rev().fold(Required::default(), |after, i| before(self, i, after));
        };
        let tails = match self.costs.tails.get(&node) {
            Some(known) => known.clone(),
            None => {
                let mut tails = vec![Required::default(); spec.declared.len() + 1];
                for i in (0..spec.declared.len()).rev() {
                    let after = tails[i + 1];
                    tails[i] = if spec.declared[i].required { before(self, i, after) } else { after };
                }
                let tails: Arc<[Required]> = tails.into();
                if self.is_sound() {
                    self.costs.tails.insert(node, tails.clone());
                }
                tails
            }
        };
        tails[(progress.next as usize).min(spec.declared.len())]
    }

    /// The group of undeclared keys that costs the least, and its cost.
    fn cheapest_rest(
        &mut self,
        spec: &ObjectSpec,
        progress: &ObjectProgress,
        around: u32,
        cost_of: &dyn Fn(&mut Self, NodeId) -> u32,
    ) -> Option<(u32, u32)> {
        let mut best: Option<(u32, u32)> = None;
        for (r, rest) in spec.rest.iter().enumerate() {
            let used = progress.rest_counts.get(r).copied().unwrap_or(0);
            if spec.counted_capacity(r).is_some_and(|capacity| used >= capacity) {
                continue;
            }
            let spelt = spec.spelt_rest(rest.keys, &mut self.recogniser.machine.pool.languages);
            let key = self.word_bytes(spelt);
            let cost = total([key, around, self.least(&rest.values, cost_of)]);
            if best.is_none_or(|(_, least)| cost < least) {
                best = Some((r as u32, cost));
            }
        }
        best.filter(|&(_, cost)| cost < INFINITE)
    }

    /// The keys of an object with counters or dependencies, chosen greedily: the next key is always
    /// the one with the best ratio of progress to cost.
    fn greedy_keys(
        &mut self,
        spec: &ObjectSpec,
        progress: &ObjectProgress,
        at: ContainerPosition,
        cost_of: &dyn Fn(&mut Self, NodeId) -> u32,
        around: u32,
        whole: &dyn Fn(u32, u32) -> u32,
    ) -> KeyPlan {
        let mut here = progress.clone();
        let (mut bytes, mut count, mut first) = (0u32, 0u32, None);
        let least_keys = u32::from(at == ContainerPosition::Comma);
        while (count < least_keys || !spec.may_close(&here)) && (count as usize) < MAX_GREEDY {
            if interrupt::check().is_err() || !self.is_sound() {
                break;
            }
            let far = spec.distance(&here);
            let mut best: Option<(u64, u32, NextKey, ObjectProgress)> = None;
            let declared = spec.next_declared(&here).into_iter().map(NextKey::Declared);
            let keys: Vec<NextKey> = declared.chain((0..spec.rest.len() as u32).map(NextKey::Rest)).collect();
            for key in keys {
                let (written, values) = match key {
                    NextKey::Declared(i) => {
                        (key_bytes(spec, &spec.declared[i as usize].key), spec.after_declared(&here, i))
                    }
                    NextKey::Rest(r) => {
                        let keys = spec.rest[r as usize].keys;
                        let spelt = spec.spelt_rest(keys, &mut self.recogniser.machine.pool.languages);
                        (self.word_bytes(spelt), spec.after_rest(&here, r))
                    }
                };
                for (choice, next) in values {
                    let cost = total([written, around, cost_of(self, choice.value)]);
                    let gain = far.saturating_sub(spec.distance(&next));
                    let rank = rank(cost, gain);
                    if best.as_ref().is_none_or(|best| rank < best.0) {
                        best = Some((rank, cost, key, next));
                    }
                }
            }
            let Some((_, cost, key, next)) = best else { return KeyPlan { bytes: INFINITE, first } };
            first = first.or(Some(key));
            bytes = total([bytes, cost]);
            count += 1;
            here = next;
        }
        KeyPlan { bytes: whole(count, bytes), first }
    }

    /// The cost of the items that complete an array, with the closing bracket.
    fn array_items(
        &mut self,
        spec: &ArraySpec,
        progress: &ArrayProgress,
        at: ContainerPosition,
        cost_of: &dyn Fn(&mut Self, NodeId) -> u32,
    ) -> u32 {
        let comma = self.delimiter_bytes(spec.punctuation.comma, cost_of);
        let close = self.delimiter_bytes(spec.punctuation.close, cost_of);
        let (bytes, count) = if spec.counters.is_empty() {
            let least =
                progress.count.saturating_add(u32::from(at == ContainerPosition::Comma)).max(spec.min);
            let places = spec.prefix.len() as u32;
            let mut bytes = 0;
            for place in progress.count..least.min(places) {
                bytes = total([bytes, comma, self.least(&spec.prefix[place as usize], cost_of)]);
            }
            let others = least.saturating_sub(progress.count.max(places));
            if others > 0 {
                let each = total([comma, self.least(&spec.rest, cost_of)]);
                bytes = total([bytes, each.saturating_mul(others)]);
            }
            (bytes, least.saturating_sub(progress.count))
        } else {
            self.greedy_items(spec, progress, at, cost_of, comma)
        };
        let first_comma = if count > 0 && at != ContainerPosition::Between { comma } else { 0 };
        total([bytes, close]).saturating_sub(first_comma)
    }

    /// The cost and number of the items of an array with counters, chosen greedily: the next item
    /// is always the one with the best ratio of counts to cost.
    fn greedy_items(
        &mut self,
        spec: &ArraySpec,
        progress: &ArrayProgress,
        at: ContainerPosition,
        cost_of: &dyn Fn(&mut Self, NodeId) -> u32,
        comma: u32,
    ) -> (u32, u32) {
        let mut here = progress.clone();
        let (mut bytes, mut count) = (0u32, 0u32);
        let least_items = u32::from(at == ContainerPosition::Comma);
        while (count < least_items || !spec.may_close(&here)) && (count as usize) < MAX_GREEDY {
            if interrupt::check().is_err() || !self.is_sound() {
                break;
            }
            let far = spec.distance(&here);
            let mut ranked: Vec<(u64, u32, Choice)> = Vec::new();
            for &choice in spec.choices(here.count) {
                let Some(next) = spec.advance(&here, choice) else { continue };
                let cost = total([comma, cost_of(self, choice.value)]);
                let gain = far.saturating_sub(spec.distance(&next));
                ranked.push((rank(cost, gain), cost, choice));
            }
            ranked.sort_by_key(|&(rank, ..)| rank);
            let next = ranked.iter().find_map(|&(_, cost, choice)| {
                spec.after(&here, &[choice]).pop().map(|(_, next)| (cost, next))
            });
            let Some((cost, next)) = next else { return (INFINITE, count) };
            bytes = total([bytes, cost]);
            count += 1;
            here = next;
        }
        (bytes, count)
    }
}

/// A position in an object or array from which it is completed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ContainerPosition {
    /// After the opening bracket: the first part has no comma before it.
    Opened,
    /// After a part.
    Between,
    /// After a comma, where one more part must come.
    Comma,
}

/// The rank of a choice: its cost divided by its gain. A smaller rank is better. Choices without
/// gain rank behind all others.
fn rank(cost: u32, gain: u32) -> u64 {
    match gain {
        0 => 1 << 60 | u64::from(cost),
        gain => (u64::from(cost) << 16) / u64::from(gain),
    }
}

/// The length of a declared key in quotes.
fn key_bytes(spec: &ObjectSpec, key: &str) -> u32 {
    key.len() as u32 + if spec.bare_keys { 0 } else { 2 }
}

/// The parts of a node that its cheapest derivation may need. A lazy node that cannot be expanded
/// has none; the error shows when an output reaches it.
fn direct_dependencies(recogniser: &mut Recogniser, node: NodeId) -> Vec<NodeId> {
    if recogniser.machine.pool.is_nullable(node) {
        return Vec::new();
    }
    let values = |choices: &[Choice]| choices.iter().map(|choice| choice.value).collect::<Vec<_>>();
    match recogniser.machine.pool.node(node) {
        Node::Never
        | Node::Empty
        | Node::Mark { .. }
        | Node::Special(_)
        | Node::Terminal(_)
        | Node::Lexed => Vec::new(),
        Node::Switch { targets, .. } => targets.to_vec(),
        &Node::Seq(first, second) => vec![first, second],
        Node::Alt(parts) => parts.to_vec(),
        &Node::Repeat { body, .. } | &Node::NonEmpty(body) | &Node::Metered { body, .. } => vec![body],
        &Node::Rule(rule) => vec![recogniser.machine.pool.rule(rule)],
        Node::Spelled(_) | Node::Until(_) => vec![recogniser.machine.bind(node)],
        &Node::Lazy(key) => {
            let expanded: Result<NodeId, EngineError> = recogniser.machine.expand_lazy(key);
            expanded.into_iter().collect()
        }
        Node::Object(spec) => {
            let required = spec.declared.iter().filter(|property| property.required).count() as u32;
            let all = !spec.is_plain() || spec.min > required;
            let declared = spec.declared.iter().filter(|property| all || property.required);
            let mut parts: Vec<NodeId> = declared.flat_map(|property| values(&property.values)).collect();
            parts.extend(spec.punctuation.nodes());
            if all {
                parts.extend(spec.rest.iter().flat_map(|rest| values(&rest.values)));
            }
            parts
        }
        Node::Array(spec) => {
            let counted = !spec.counters.is_empty();
            let places = if counted { spec.prefix.len() } else { spec.prefix.len().min(spec.min as usize) };
            let mut parts: Vec<NodeId> = spec.prefix[..places].iter().flat_map(|c| values(c)).collect();
            parts.extend(spec.punctuation.nodes());
            if counted || spec.min as usize > places {
                parts.extend(values(&spec.rest));
            }
            parts
        }
    }
}
