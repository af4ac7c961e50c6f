//! The recogniser: J. Earley's chart (1970) over single bytes, with one column for each input
//! symbol. It shares nothing with the engine.
//!
//! The most obvious recogniser keeps a set of stacks, and it never ends on a left-recursive
//! grammar. A chart is the same set with equal stacks stored once, and it takes every grammar as it
//! was written. An item is a node, the column in which it began, and the parts of it that are still
//! to be read, as a plain list. Objects and arrays are interpreted from the list of members that
//! they hold so far, by trying every way to complete it.

// Long types are spelt out where they are used once.
#![allow(clippy::type_complexity)]

use super::budget;
use super::language::{Language, Words};
use super::{Array, Grammar, Node, Object};
use hedgerow::automata::UNBOUNDED;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The work of an item of the chart, as [`budget`] counts it.
const ITEM: usize = 64;

/// A part of an item that is still to be read; the next one is the last of the list.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Part {
    /// A word of a language, with the bytes `read` so far.
    Text {
        language: usize,
        read: Vec<u8>,
    },
    Node(usize),
    Special(String),
    Loop {
        body: usize,
        min: u32,
        max: u32,
        done: u32,
    },
    /// The rest of an object, after `{` (if `first`) or after a value.
    Object {
        node: usize,
        first: bool,
        held: Vec<Held>,
    },
    /// A key of undeclared keys, with the bytes `read` so far.
    RestKey {
        node: usize,
        held: Vec<Held>,
        rest: usize,
        choice: usize,
        language: usize,
        read: Vec<u8>,
    },
    /// The rest of an array, after `[` (if `first`) or after an item.
    Array {
        node: usize,
        first: bool,
        held: Vec<usize>,
    },
}

/// A key in an object, and which of its values was chosen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Held {
    Declared(usize, usize),
    Rest(usize, usize, Vec<u8>),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Item {
    node: usize,
    origin: usize,
    todo: Vec<Part>,
}

#[derive(Default)]
struct Column {
    items: Vec<Item>,
    accepting: bool,
}

/// A grammar with its languages made ready for tests and its productive nodes known.
pub struct Chart<'g> {
    grammar: &'g Grammar,
    words: RefCell<Vec<Rc<Words>>>,
    /// The languages of undeclared keys without those already used.
    unused: RefCell<HashMap<(usize, Vec<Vec<u8>>), usize>>,
    /// For each node, true if it has a word.
    productive: Vec<bool>,
    /// For each node, true if it has a word that is not empty.
    filled: Vec<bool>,
}

impl<'g> Chart<'g> {
    pub fn new(grammar: &'g Grammar) -> Self {
        let words = grammar.languages.iter().map(|l| Rc::new(Words::new(l))).collect();
        let mut chart = Chart {
            grammar,
            words: RefCell::new(words),
            unused: RefCell::default(),
            productive: vec![false; grammar.nodes.len()],
            filled: vec![false; grammar.nodes.len()],
        };
        loop {
            let nodes = 0..grammar.nodes.len();
            let productive: Vec<bool> =
                nodes.clone().map(|n| chart.productive[n] || chart.produces(n)).collect();
            let filled: Vec<bool> = nodes.map(|n| chart.filled[n] || chart.fills(n)).collect();
            if (&productive, &filled) == (&chart.productive, &chart.filled) {
                return chart;
            }
            (chart.productive, chart.filled) = (productive, filled);
        }
    }

    /// True if the grammar has a word.
    pub fn is_productive(&self) -> bool {
        self.productive[self.grammar.root]
    }

    /// True if everything that is expanded on demand has a word.
    pub fn lazies_are_productive(&self) -> bool {
        self.grammar.lazies.iter().all(|&node| self.productive[node])
    }

    /// The position before anything is read. The grammar must be [productive](Self::is_productive).
    pub fn start(&self) -> Position<'_> {
        let root = self.grammar.root;
        let seeds = self.alternatives(root).into_iter().map(|todo| Item { node: root, origin: 0, todo });
        let first = self.close(&[], seeds.collect());
        Position { chart: self, columns: vec![Rc::new(first)] }
    }

    fn words(&self, language: usize) -> Rc<Words> {
        self.words.borrow()[language].clone()
    }

    fn has_words(&self, languages: &[usize]) -> bool {
        languages.iter().all(|&l| self.words(l).begins(b""))
    }

    fn produces(&self, node: usize) -> bool {
        match &self.grammar.nodes[node] {
            Node::Never => false,
            Node::Empty | Node::Special(_) => true,
            Node::Terminal(language) => self.has_words(&[*language]),
            Node::Switch { cases, .. } => cases.iter().any(|c| self.productive[c.1]),
            Node::Seq(parts) => parts.iter().all(|&p| self.productive[p]),
            Node::Alt(parts) => parts.iter().any(|&p| self.productive[p]),
            Node::Repeat { body, min, max } => min <= max && (*min == 0 || self.productive[*body]),
            Node::NonEmpty(body) => self.filled[*body],
            Node::Rule(rule) => self.productive[self.grammar.rules[*rule]],
            Node::Lazy(key) => self.productive[self.grammar.lazies[*key]],
            Node::Object(spec) => {
                self.has_words(&[spec.open, spec.close, spec.comma, spec.colon, spec.before_key])
                    && self.object_completable(spec, &[])
            }
            Node::Array(spec) => {
                self.has_words(&[spec.open, spec.close, spec.comma]) && self.array_completable(spec, &[])
            }
        }
    }

    fn fills(&self, node: usize) -> bool {
        match &self.grammar.nodes[node] {
            Node::Never | Node::Empty => false,
            Node::Terminal(language) => (0..=255).any(|b| self.words(*language).begins(&[b])),
            Node::Seq(parts) => {
                parts.iter().all(|&p| self.productive[p]) && parts.iter().any(|&p| self.filled[p])
            }
            Node::Alt(parts) => parts.iter().any(|&p| self.filled[p]),
            Node::Repeat { body, min, max } => min <= max && *max > 0 && self.filled[*body],
            Node::NonEmpty(body) => self.filled[*body],
            Node::Rule(rule) => self.filled[self.grammar.rules[*rule]],
            Node::Lazy(key) => self.filled[self.grammar.lazies[*key]],
            Node::Special(_) | Node::Switch { .. } | Node::Object(_) | Node::Array(_) => self.produces(node),
        }
    }

    /// The ways to read a node, each as a list of parts to read.
    fn alternatives(&self, node: usize) -> Vec<Vec<Part>> {
        let text = |language: usize| Part::Text { language, read: Vec::new() };
        match &self.grammar.nodes[node] {
            Node::Never => vec![],
            Node::Empty => vec![vec![]],
            Node::Terminal(language) => vec![vec![text(*language)]],
            Node::Special(name) => vec![vec![Part::Special(name.clone())]],
            Node::Switch { cases, .. } => {
                let fine = cases.iter().filter(|c| self.productive[c.1]);
                fine.map(|&(language, target)| vec![Part::Node(target), text(language)]).collect()
            }
            Node::Seq(parts) => vec![parts.iter().rev().map(|&p| Part::Node(p)).collect()],
            Node::Alt(parts) => parts.iter().map(|&p| vec![Part::Node(p)]).collect(),
            Node::Repeat { body, min, max } => {
                vec![vec![Part::Loop { body: *body, min: *min, max: *max, done: 0 }]]
            }
            Node::NonEmpty(body) => vec![vec![Part::Node(*body)]],
            Node::Rule(rule) => vec![vec![Part::Node(self.grammar.rules[*rule])]],
            Node::Lazy(key) => vec![vec![Part::Node(self.grammar.lazies[*key])]],
            Node::Object(spec) => {
                vec![vec![Part::Object { node, first: true, held: vec![] }, text(spec.open)]]
            }
            Node::Array(spec) => {
                vec![vec![Part::Array { node, first: true, held: vec![] }, text(spec.open)]]
            }
        }
    }

    /// Everything that follows from `seeds` without reading anything.
    fn close(&self, columns: &[Rc<Column>], seeds: Vec<Item>) -> Column {
        let now = columns.len();
        let mut seen: HashSet<Item> = HashSet::new();
        let mut column = Column::default();
        let mut empty: HashSet<usize> = HashSet::new();
        let mut work = seeds;
        while let Some(item) = work.pop() {
            if !budget::spend(ITEM) {
                break;
            }
            if !seen.insert(item.clone()) {
                continue;
            }
            column.items.push(item.clone());
            let mut rest = item.clone();
            let Some(part) = rest.todo.pop() else {
                let must_read = matches!(self.grammar.nodes[item.node], Node::NonEmpty(_));
                if must_read && item.origin == now {
                    continue;
                }
                column.accepting |= item.node == self.grammar.root && item.origin == 0;
                let waiting = if item.origin == now {
                    empty.insert(item.node);
                    &column.items
                } else {
                    &columns[item.origin].items
                };
                for other in waiting {
                    if other.todo.last() == Some(&Part::Node(item.node)) {
                        let mut next = other.clone();
                        next.todo.pop();
                        work.push(next);
                    }
                }
                continue;
            };
            let mut next = |parts: Vec<Part>| {
                let mut next = rest.clone();
                next.todo.extend(parts);
                work.push(next);
            };
            let Part::Node(node) = part else {
                self.ways(part).into_iter().for_each(&mut next);
                continue;
            };
            if !self.productive[node] {
                continue;
            }
            if empty.contains(&node) {
                next(vec![]);
            }
            let items = self.alternatives(node).into_iter();
            work.extend(items.map(|todo| Item { node, origin: now, todo }));
        }
        column
    }

    /// The ways to replace a part that is no node by the parts that are left to read.
    fn ways(&self, part: Part) -> Vec<Vec<Part>> {
        match part {
            Part::Node(_) | Part::Special(_) => vec![],
            Part::Text { language, read } if self.words(language).accepts(&read) => vec![vec![]],
            Part::Text { .. } => vec![],
            Part::Loop { body, min, max, done } => {
                let mut ways = Vec::new();
                if done >= min {
                    ways.push(vec![]);
                }
                if done < max {
                    let done = if max == UNBOUNDED { (done + 1).min(min) } else { done + 1 };
                    ways.push(vec![Part::Loop { body, min, max, done }, Part::Node(body)]);
                }
                ways
            }
            Part::Object { node, first, held } => match &self.grammar.nodes[node] {
                Node::Object(spec) => self.object_ways(node, spec, first, &held),
                _ => vec![],
            },
            Part::RestKey { node, mut held, rest, choice, language, read } => {
                match &self.grammar.nodes[node] {
                    Node::Object(spec) if self.words(language).accepts(&read) => {
                        held.push(Held::Rest(rest, choice, read));
                        let value = spec.rest[rest].values[choice].0;
                        vec![after_key(node, spec, held, value)]
                    }
                    _ => vec![],
                }
            }
            Part::Array { node, first, held } => match &self.grammar.nodes[node] {
                Node::Array(spec) => self.array_ways(node, spec, first, &held),
                _ => vec![],
            },
        }
    }

    // Objects.

    /// The ways to continue after `{` or a value: the closing brace, or one more key in every way
    /// that can be completed.
    fn object_ways(&self, node: usize, spec: &Object, first: bool, held: &[Held]) -> Vec<Vec<Part>> {
        let text = |language: usize| Part::Text { language, read: Vec::new() };
        let mut ways = Vec::new();
        if spec.is_complete(held) {
            ways.push(vec![text(spec.close)]);
        }
        let mut lead = |mut parts: Vec<Part>| {
            parts.push(text(spec.before_key));
            if !first {
                parts.push(text(spec.comma));
            }
            ways.push(parts);
        };
        for (i, property) in spec.declared.iter().enumerate() {
            for (choice, &(value, _)) in property.values.iter().enumerate() {
                let mut held = held.to_vec();
                held.push(Held::Declared(i, choice));
                if self.productive[value]
                    && self.has_words(&[property.spelling])
                    && self.object_completable(spec, &held)
                {
                    let mut parts = after_key(node, spec, held, value);
                    parts.push(text(property.spelling));
                    lead(parts);
                }
            }
        }
        for (r, rest) in spec.rest.iter().enumerate() {
            let language = if spec.unique_rest { self.without_used(spec, r, held) } else { rest.spelling };
            if !self.has_words(&[language]) {
                continue;
            }
            for (choice, &(value, _)) in rest.values.iter().enumerate() {
                let mut more = held.to_vec();
                more.push(Held::Rest(r, choice, Vec::new()));
                if self.productive[value] && self.object_completable(spec, &more) {
                    lead(vec![Part::RestKey {
                        node,
                        held: held.to_vec(),
                        rest: r,
                        choice,
                        language,
                        read: Vec::new(),
                    }]);
                }
            }
        }
        ways
    }

    /// The spellings of the keys of `rest` that `held` does not have yet.
    fn without_used(&self, spec: &Object, rest: usize, held: &[Held]) -> usize {
        let mut used: Vec<Vec<u8>> = held
            .iter()
            .filter_map(|h| match h {
                Held::Rest(_, _, raw) => serde_json::from_slice::<String>(raw).ok().map(String::into_bytes),
                Held::Declared(..) => None,
            })
            .collect();
        used.sort();
        used.dedup();
        if used.is_empty() {
            return spec.rest[rest].spelling;
        }
        *self.unused.borrow_mut().entry((spec.rest[rest].spelling, used.clone())).or_insert_with(|| {
            let free = Language::Not(Box::new(Language::Literals(used)));
            let keys = Language::Inter(vec![spec.rest[rest].keys.clone(), free]);
            let spelt = Language::Json(Box::new(keys), spec.rest_escapes);
            let mut words = self.words.borrow_mut();
            words.push(Rc::new(Words::new(&spelt)));
            words.len() - 1
        })
    }

    /// True if some list of further keys makes the object complete. Every complete object has a
    /// shortest form with at most this many keys. Each of them is there for the minimum, for a
    /// counter, or because it is declared.
    fn object_completable(&self, spec: &Object, held: &[Held]) -> bool {
        let needed: u32 = spec.counters.iter().map(|c| c.0).sum();
        let longest = held.len() + spec.declared.len() + (spec.min + needed) as usize;
        let mut seen = HashSet::new();
        let mut work = vec![held.to_vec()];
        while let Some(held) = work.pop() {
            if !spec.is_possible(&held) || !seen.insert(spec.outline(&held)) {
                continue;
            }
            if spec.is_complete(&held) {
                return true;
            }
            if held.len() >= longest {
                continue;
            }
            let productive = |v: &&(usize, &(usize, u32))| self.productive[v.1.0];
            for (i, property) in spec.declared.iter().enumerate() {
                if !self.has_words(&[property.spelling]) {
                    continue;
                }
                for (choice, _) in property.values.iter().enumerate().filter(|v| productive(&v)) {
                    work.push([&held[..], &[Held::Declared(i, choice)]].concat());
                }
            }
            for (r, rest) in spec.rest.iter().enumerate() {
                for (choice, _) in rest.values.iter().enumerate().filter(|v| productive(&v)) {
                    work.push([&held[..], &[Held::Rest(r, choice, Vec::new())]].concat());
                }
            }
        }
        false
    }

    // Arrays.

    fn array_ways(&self, node: usize, spec: &Array, first: bool, held: &[usize]) -> Vec<Vec<Part>> {
        let text = |language: usize| Part::Text { language, read: Vec::new() };
        let mut ways = Vec::new();
        if spec.is_complete(held) {
            ways.push(vec![text(spec.close)]);
        }
        for (choice, &(value, _)) in spec.choices(held.len()).iter().enumerate() {
            let mut held = held.to_vec();
            held.push(choice);
            if self.productive[value] && self.array_completable(spec, &held) {
                let mut parts = vec![Part::Array { node, first: false, held }, Part::Node(value)];
                if !first {
                    parts.push(text(spec.comma));
                }
                ways.push(parts);
            }
        }
        ways
    }

    fn array_completable(&self, spec: &Array, held: &[usize]) -> bool {
        let needed: u32 = spec.counters.iter().map(|c| c.0).sum();
        let longest = held.len().max(spec.prefix.len()) + (spec.min + needed) as usize;
        let mut seen = HashSet::new();
        let mut work = vec![held.to_vec()];
        while let Some(held) = work.pop() {
            let counts = spec.counts(&held);
            if !spec.is_possible(&held) || !seen.insert((held.len(), counts)) {
                continue;
            }
            if spec.is_complete(&held) {
                return true;
            }
            if held.len() >= longest {
                continue;
            }
            for (choice, &(value, _)) in spec.choices(held.len()).iter().enumerate() {
                if self.productive[value] {
                    work.push([&held[..], &[choice]].concat());
                }
            }
        }
        false
    }
}

/// The parts after a key: `:`, the value, and the rest of the object.
fn after_key(node: usize, spec: &Object, held: Vec<Held>, value: usize) -> Vec<Part> {
    vec![
        Part::Object { node, first: false, held },
        Part::Node(value),
        Part::Text { language: spec.colon, read: Vec::new() },
    ]
}

impl Object {
    fn counts(&self, held: &[Held]) -> Vec<u32> {
        let bits = held.iter().map(|h| match h {
            Held::Declared(i, choice) => self.declared[*i].values[*choice].1,
            Held::Rest(r, choice, _) => self.rest[*r].values[*choice].1,
        });
        let bits: Vec<u32> = bits.collect();
        (0..self.counters.len()).map(|c| bits.iter().filter(|b| **b >> c & 1 == 1).count() as u32).collect()
    }

    /// True if no number has passed its maximum: such numbers only grow.
    fn is_possible(&self, held: &[Held]) -> bool {
        let declared: Vec<usize> = held
            .iter()
            .filter_map(|h| match h {
                Held::Declared(i, _) => Some(*i),
                Held::Rest(..) => None,
            })
            .collect();
        let once = declared.iter().collect::<HashSet<_>>().len() == declared.len();
        let ordered = self.any_order
            || (declared.is_sorted()
                && held[..declared.len()].iter().all(|h| matches!(h, Held::Declared(..))));
        let capacity = self.rest.iter().enumerate().all(|(r, rest)| {
            let there = held.iter().filter(|h| matches!(h, Held::Rest(x, ..) if *x == r)).count();
            rest.capacity.is_none_or(|c| there <= c as usize)
        });
        let counted = self.counters.iter().zip(self.counts(held)).all(|(c, n)| n <= c.1);
        once && ordered && capacity && counted && held.len() <= self.max as usize
    }

    /// True if the object may close.
    fn is_complete(&self, held: &[Held]) -> bool {
        let has = |i: usize| held.iter().any(|h| matches!(h, Held::Declared(x, _) if *x == i));
        self.is_possible(held)
            && held.len() >= self.min as usize
            && self.counters.iter().zip(self.counts(held)).all(|(c, n)| n >= c.0)
            && self.declared.iter().enumerate().all(|(i, p)| {
                (!p.required || has(i)) && (!has(i) || p.requires.iter().all(|&needed| has(needed)))
            })
    }

    /// The facts about an object's members on which its continuations depend.
    fn outline(&self, held: &[Held]) -> (Vec<usize>, Vec<usize>, Vec<u32>) {
        let mut declared = Vec::new();
        let mut rests = vec![0; self.rest.len()];
        for h in held {
            match h {
                Held::Declared(i, _) => declared.push(*i),
                Held::Rest(r, ..) => rests[*r] += 1,
            }
        }
        declared.sort_unstable();
        (declared, rests, self.counts(held))
    }
}

impl Array {
    fn choices(&self, position: usize) -> &[(usize, u32)] {
        self.prefix.get(position).unwrap_or(&self.rest)
    }

    fn counts(&self, held: &[usize]) -> Vec<u32> {
        let bits: Vec<u32> = held.iter().enumerate().map(|(i, &c)| self.choices(i)[c].1).collect();
        (0..self.counters.len()).map(|c| bits.iter().filter(|b| **b >> c & 1 == 1).count() as u32).collect()
    }

    fn is_possible(&self, held: &[usize]) -> bool {
        held.len() <= self.max as usize && self.counters.iter().zip(self.counts(held)).all(|(c, n)| n <= c.1)
    }

    fn is_complete(&self, held: &[usize]) -> bool {
        self.is_possible(held)
            && held.len() >= self.min as usize
            && self.counters.iter().zip(self.counts(held)).all(|(c, n)| n >= c.0)
    }
}

/// A position in an output: everything that the chart knows after the bytes read so far.
#[derive(Clone)]
pub struct Position<'c> {
    chart: &'c Chart<'c>,
    columns: Vec<Rc<Column>>,
}

impl Position<'_> {
    fn last(&self) -> &Column {
        &self.columns[self.columns.len() - 1]
    }

    /// True if the output so far is a word.
    pub fn is_accepting(&self) -> bool {
        self.last().accepting
    }

    /// Reads `byte` if some word continues with it.
    pub fn read(&mut self, byte: u8) -> bool {
        let mut seeds = Vec::new();
        for item in &self.last().items {
            let mut next = item.clone();
            if let Some(Part::Text { language, read } | Part::RestKey { language, read, .. }) =
                next.todo.last_mut()
            {
                read.push(byte);
                if self.chart.words(*language).begins(read) {
                    seeds.push(next);
                }
            }
        }
        self.add(seeds)
    }

    /// Reads a special token if some word continues with it.
    pub fn read_special(&mut self, name: &str) -> bool {
        let mut seeds = Vec::new();
        for item in &self.last().items {
            if matches!(item.todo.last(), Some(Part::Special(s)) if s == name) {
                let mut next = item.clone();
                next.todo.pop();
                seeds.push(next);
            }
        }
        self.add(seeds)
    }

    fn add(&mut self, seeds: Vec<Item>) -> bool {
        if seeds.is_empty() {
            return false;
        }
        let column = self.chart.close(&self.columns, seeds);
        self.columns.push(Rc::new(column));
        true
    }

    /// Reads all of `bytes`, or nothing.
    pub fn read_all(&mut self, bytes: &[u8]) -> bool {
        let before = self.columns.len();
        for &byte in bytes {
            if !self.read(byte) {
                self.columns.truncate(before);
                return false;
            }
        }
        true
    }

    /// The bytes that may come next.
    pub fn next_bytes(&self) -> Vec<u8> {
        let fits = |byte: u8| {
            self.last().items.iter().any(|item| match item.todo.last() {
                Some(Part::Text { language, read } | Part::RestKey { language, read, .. }) => {
                    self.chart.words(*language).begins(&[&read[..], &[byte]].concat())
                }
                _ => false,
            })
        };
        (0..=255).filter(|&b| fits(b)).collect()
    }

    /// True if some special token may come next.
    pub fn awaits_special(&self) -> bool {
        self.last().items.iter().any(|item| matches!(item.todo.last(), Some(Part::Special(_))))
    }
}
