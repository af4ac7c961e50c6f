//! The pushdown automaton: states as sets of threads, and how one byte leads from state to state.
//!
//! A thread is a state of a terminal's automaton, the continuation after that terminal, and the text being recorded,
//! if any. Threads at the same place in the same terminal are one thread with merged continuations, so ambiguity is
//! shared and not multiplied. When a terminal accepts, the threads of what follows are added at once (and the terminal
//! goes on beside them: all ways to split the output are kept).
//!
//! Everything here runs under the graph's lock.

use super::error::EngineError;
use super::lexed::LexedMemo;
use super::limits::Limits;
use super::links::one_less;
use super::stack::{
    ArrayState, CaptureId, CaptureKind, Captures, ContId, Frame, ItemKnowledge, Link, ObjectState,
    SliceInterner, Stack,
};
use crate::automata::{interrupt, ByteSet, LangId};
use crate::grammar::{
    Choice, Expand, Grammar, GrammarError, LazyKey, Node, NodeId, NodePool, SpecialId, MARK,
};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// A state of the graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct StateId(pub u32);

impl StateId {
    /// Nothing can follow and nothing was completed.
    pub const DEAD: StateId = StateId(0);
}

/// Set in a thread's language number when it waits for a special token instead.
const SPECIAL: u32 = 1 << 31;

/// What a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Awaits {
    Language(LangId),
    Special(SpecialId),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Thread {
    awaits: u32,
    pub capture: CaptureId,
    pub cont: ContId,
}

impl Thread {
    pub(super) fn new(language: LangId, cont: ContId, capture: CaptureId) -> Self {
        Thread { awaits: language.0, capture, cont }
    }

    /// The same with another continuation.
    pub fn with_cont(self, cont: ContId) -> Self {
        Thread { cont, ..self }
    }

    pub fn awaits(self) -> Awaits {
        if self.awaits & SPECIAL != 0 {
            Awaits::Special(SpecialId(self.awaits & !SPECIAL))
        } else {
            Awaits::Language(LangId(self.awaits))
        }
    }
}

/// One element of a state's stored form: the first says whether the output may end here, the others are threads.
const ACCEPTING: Thread = Thread { awaits: u32::MAX, capture: CaptureId(1), cont: ContId(u32::MAX) };
const NOT_ACCEPTING: Thread = Thread { awaits: u32::MAX, capture: CaptureId(0), cont: ContId(u32::MAX) };

/// A state being put together.
#[derive(Default)]
pub(super) struct StateBuilder {
    pub threads: Vec<Thread>,
    pub accepting: bool,
    entered: HashSet<(NodeId, ContId, CaptureId)>,
    /// Nodes still to be entered, and the level of them being entered.
    work: Vec<(NodeId, ContId, CaptureId)>,
    level: Vec<(NodeId, ContId, CaptureId)>,
}

impl StateBuilder {
    pub fn clear(&mut self) {
        self.threads.clear();
        self.accepting = false;
        self.entered.clear();
        self.work.clear();
        self.level.clear();
    }
}

/// How many nodes may be entered on the way to each of the threads a state may have.
const ENTERED_PER_THREAD: usize = 16;

pub(super) struct Recogniser {
    pub pool: NodePool,
    /// The grammar's front ends, by their numbers.
    expanders: Vec<Option<Arc<dyn Expand>>>,
    pub stack: Stack,
    pub captures: Captures,
    pub objects: Vec<ObjectState>,
    pub object_index: HashMap<ObjectState, u32>,
    pub arrays: Vec<ArrayState>,
    pub array_index: HashMap<ArrayState, u32>,
    /// Lists of texts: keys used in one object, items used in one array.
    pub used: Vec<Arc<[Box<[u8]>]>>,
    pub used_index: HashMap<Arc<[Box<[u8]>]>, u32>,
    pub offers: HashMap<u32, Arc<super::containers::KeyOffer>>,
    /// What [`Expand::distinct_items`] answered, by its key, the position and the list of used items.
    pub distinct_choices: HashMap<(LazyKey, u32, u32), Vec<Choice>>,
    /// What [`Expand::least_values`] answered.
    pub least_values: HashMap<LazyKey, u32>,
    states: SliceInterner<Thread>,
    /// Of lexed grammars.
    pub lexed_memo: LexedMemo,
    expanded: HashMap<LazyKey, NodeId>,
    /// What the grammar names as special tokens but is text in the vocabulary.
    special_texts: HashMap<SpecialId, LangId>,
    pub builder: StateBuilder,
    canonical_conts: HashMap<ContId, ContId>,
    /// What [`truncate`](Self::truncate) found.
    pub truncated_states: HashMap<(StateId, u32), StateId>,
    pub truncated_conts: HashMap<(ContId, u32), ContId>,
    pub limits: Limits,
}

impl Recogniser {
    pub fn new(grammar: &Grammar, limits: &Limits) -> Self {
        let mut pool = grammar.pool().clone();
        pool.languages.set_search_budget(limits.search_states);
        let nothing: Arc<[Box<[u8]>]> = Arc::new([]);
        let mut recogniser = Recogniser {
            pool,
            expanders: grammar.expanders().to_vec(),
            stack: Stack::new(),
            captures: Captures::new(),
            objects: Vec::new(),
            object_index: HashMap::new(),
            arrays: Vec::new(),
            array_index: HashMap::new(),
            used: vec![nothing.clone()],
            used_index: HashMap::from_iter([(nothing, 0)]),
            offers: HashMap::new(),
            distinct_choices: HashMap::new(),
            least_values: HashMap::new(),
            states: SliceInterner::new(),
            lexed_memo: LexedMemo::new(limits.search_states),
            expanded: HashMap::new(),
            special_texts: HashMap::new(),
            builder: StateBuilder::default(),
            canonical_conts: HashMap::new(),
            truncated_states: HashMap::new(),
            truncated_conts: HashMap::new(),
            limits: limits.clone(),
        };
        recogniser.states.intern(&[NOT_ACCEPTING]);
        recogniser
    }

    /// From now on, `special` is this text.
    pub fn spell(&mut self, special: SpecialId, text: &[u8]) {
        let language = self.pool.languages.bytes(text);
        self.special_texts.insert(special, language);
    }

    /// The special tokens that outputs of `root` may have, but for those that are text in the vocabulary, and those in parts
    /// that are only expanded when they are reached.
    pub fn reachable_specials(&self, root: NodeId) -> Vec<SpecialId> {
        let mut found = Vec::new();
        if self.pool.specials().len() == self.special_texts.len() {
            return found;
        }
        let mut seen = vec![false; self.pool.len()];
        let mut work = vec![root];
        while let Some(id) = work.pop() {
            if std::mem::replace(&mut seen[id.0 as usize], true) {
                continue;
            }
            match self.pool.node(id) {
                Node::Special(special) if !self.special_texts.contains_key(special) => found.push(*special),
                Node::Rule(rule) => work.push(self.pool.rule(*rule)),
                node => node.children(|child| work.push(child)),
            }
        }
        found.sort_unstable();
        found
    }

    /// The state in which nothing has been read.
    pub fn start(&mut self, root: NodeId) -> Result<StateId, EngineError> {
        self.builder.clear();
        self.builder.accepting = self.pool.is_nullable(root);
        self.enter(root, ContId::END, CaptureId::NONE);
        self.finish()
    }

    pub fn threads(&self, state: StateId) -> &[Thread] {
        &self.states.get(state.0)[1..]
    }

    pub fn is_accepting(&self, state: StateId) -> bool {
        self.states.get(state.0)[0] == ACCEPTING
    }

    pub fn state_count(&self) -> usize {
        self.states.len()
    }

    /// The state after `byte`.
    pub fn step(&mut self, state: StateId, byte: u8) -> Result<StateId, EngineError> {
        self.work(self.threads(state).len())?;
        self.builder.clear();
        if self.pool.is_lexed() {
            return self.step_lexed(state, byte);
        }
        for i in 0..self.threads(state).len() {
            let thread = self.threads(state)[i];
            let Awaits::Language(language) = thread.awaits() else { continue };
            let next = self.pool.languages.step(language, byte);
            if next == LangId::NEVER {
                continue;
            }
            let capture = self.captures.push(thread.capture, byte);
            if !self.pool.languages.is_spent(next) {
                self.builder.threads.push(Thread::new(next, thread.cont, capture));
            }
            if self.pool.languages.is_nullable(next) {
                let label = self.pool.languages.label(next);
                self.resume(thread.cont, capture, label)?;
            }
        }
        self.finish()
    }

    /// The state after a special token that bears any of the names `named`.
    pub fn step_special(&mut self, state: StateId, named: &[SpecialId]) -> Result<StateId, EngineError> {
        self.work(self.threads(state).len())?;
        self.builder.clear();
        for i in 0..self.threads(state).len() {
            let thread = self.threads(state)[i];
            if matches!(thread.awaits(), Awaits::Special(special) if named.contains(&special)) {
                self.resume(thread.cont, thread.capture, None)?;
            }
        }
        self.finish()
    }

    /// The state of only what follows the special token that `thread` waits for.
    pub fn after_special(&mut self, thread: Thread) -> Result<StateId, EngineError> {
        self.after(thread.cont, thread.capture, None)
    }

    /// The state of only what follows `thread` when its terminal ends here with `label`.
    pub fn after(
        &mut self,
        cont: ContId,
        capture: CaptureId,
        label: Option<u32>,
    ) -> Result<StateId, EngineError> {
        self.work(1)?;
        self.builder.clear();
        self.resume(cont, capture, label)?;
        self.finish()
    }

    /// The bytes that can come next.
    pub fn first_bytes(&mut self, state: StateId) -> ByteSet {
        let mut bytes = ByteSet::EMPTY;
        for i in 0..self.threads(state).len() {
            if let Awaits::Language(language) = self.threads(state)[i].awaits() {
                bytes = bytes.union(&self.pool.languages.first_bytes(language));
            }
        }
        if self.pool.is_lexed() {
            bytes.remove(MARK);
        }
        bytes
    }

    /// How many bytes of JSON whitespace can come next that change nothing but how many more can: what follows them is what
    /// follows `state`. 0 where that is not so of every thread.
    pub fn idle_whitespace(&mut self, state: StateId) -> u32 {
        let mut most = if self.threads(state).is_empty() { 0 } else { u32::MAX };
        for i in 0..self.threads(state).len() {
            let thread = self.threads(state)[i];
            let (Awaits::Language(language), CaptureKind::Nothing) =
                (thread.awaits(), self.captures.of(thread.capture))
            else {
                return 0;
            };
            most = most.min(self.pool.languages.after_json_space(language).map_or(0, |(spaces, _)| spaces));
            if most == 0 {
                break;
            }
        }
        most
    }

    /// The only byte that can come next, where there is only one and the output may not end.
    pub fn forced_byte(&mut self, state: StateId) -> Option<u8> {
        if self.is_accepting(state) {
            return None;
        }
        let mut bytes = ByteSet::EMPTY;
        for i in 0..self.threads(state).len() {
            match self.threads(state)[i].awaits() {
                Awaits::Special(_) => return None,
                Awaits::Language(language) => {
                    let first = self.pool.languages.first_bytes(language);
                    bytes = bytes.union(&first);
                    if self.pool.is_lexed() {
                        bytes.remove(MARK);
                    }
                    if bytes.len() > 1 {
                        return None;
                    }
                }
            }
        }
        let only = bytes.iter().next();
        only
    }

    /// Counts work that is about to be done: a thread stepped, a node entered.
    pub(super) fn work(&mut self, amount: usize) -> Result<(), EngineError> {
        interrupt::spend(u32::try_from(amount).unwrap_or(u32::MAX));
        Ok(interrupt::ended()?)
    }

    /// Interns the state being built: threads sorted, those at the same place merged.
    pub fn finish(&mut self) -> Result<StateId, EngineError> {
        self.enter_all()?;
        interrupt::ended()?;
        if self.pool.languages.exhausted() {
            return Err(EngineError::Limit {
                what: "states searched for a word of an intersection or complement",
                limit: self.limits.search_states,
                field: "search_states",
            });
        }
        let threads = &mut self.builder.threads;
        threads.sort_unstable();
        let mut merged: Vec<Thread> = Vec::with_capacity(threads.len() + 1);
        merged.push(if self.builder.accepting { ACCEPTING } else { NOT_ACCEPTING });
        let mut i = 0;
        while i < threads.len() {
            let first = threads[i];
            let mut j = i + 1;
            while j < threads.len()
                && (threads[j].awaits, threads[j].capture) == (first.awaits, first.capture)
            {
                j += 1;
            }
            let mut cont = first.cont;
            if j - i > 1 {
                let mut conts: Vec<ContId> = threads[i..j].iter().map(|thread| thread.cont).collect();
                cont = self.stack.union_of(&mut conts);
            }
            merged.push(Thread { cont, ..first });
            i = j;
        }
        let id = self.states.intern(&merged);
        if id >= super::transitions::MAX_STATES {
            let limit = u64::from(super::transitions::MAX_STATES);
            return Err(EngineError::Limit { what: "states of one graph", limit, field: "graph_bytes" });
        }
        Ok(StateId(id))
    }

    /// Every non-empty way to read `node`, followed by `cont`, is to be added to the state being built.
    pub fn enter(&mut self, node: NodeId, cont: ContId, capture: CaptureId) {
        self.builder.work.push((node, cont, capture));
    }

    /// Turns the nodes to be entered into threads, one level after the other. A node that is entered from several
    /// places at once is entered once, with their continuations merged: else each ambiguous level would multiply the
    /// stacks of the one above, and their number would grow exponentially with the output.
    pub fn enter_all(&mut self) -> Result<(), EngineError> {
        let most = self.limits.state_threads.saturating_mul(ENTERED_PER_THREAD);
        let mut total = 0usize;
        let mut level = std::mem::take(&mut self.builder.level);
        while !self.builder.work.is_empty() {
            std::mem::swap(&mut level, &mut self.builder.work);
            self.work(level.len())?;
            if level.len() > 1 {
                level.sort_unstable_by_key(|&(node, cont, capture)| (node, capture, cont));
                let mut kept = 0;
                let mut i = 0;
                while i < level.len() {
                    let (node, mut cont, capture) = level[i];
                    let same = |at: &(NodeId, ContId, CaptureId)| (at.0, at.2) == (node, capture);
                    let run = level[i..].iter().take_while(|at| same(at)).count();
                    if run > 1 {
                        let mut conts: Vec<ContId> = level[i..i + run].iter().map(|at| at.1).collect();
                        cont = self.stack.union_of(&mut conts);
                    }
                    level[kept] = (node, cont, capture);
                    kept += 1;
                    i += run;
                }
                level.truncate(kept);
            }
            total += level.len();
            if total > most {
                return Err(EngineError::Limit {
                    what: "grammar nodes entered between two bytes",
                    limit: most as u64,
                    field: "state_threads",
                });
            }
            for (node, cont, capture) in level.drain(..) {
                self.enter_one(node, cont, capture)?;
            }
        }
        self.builder.level = level;
        Ok(())
    }

    fn enter_one(&mut self, node: NodeId, cont: ContId, capture: CaptureId) -> Result<(), EngineError> {
        // Only rules can lead back to where we are; everything else gets smaller.
        match self.pool.node(node).clone() {
            Node::Never | Node::Empty => {}
            Node::Terminal(language) => self.add(language, cont, capture)?,
            Node::Switch { language, .. } => {
                let cont = self.stack.push(Frame::Switch(node), cont);
                self.add(language, cont, capture)?;
            }
            Node::Seq(first, second) => {
                let after = self.push_then(second, cont);
                self.builder.work.push((first, after, capture));
                if self.pool.is_nullable(first) {
                    self.builder.work.push((second, cont, capture));
                }
            }
            Node::Alt(parts) => self.builder.work.extend(parts.iter().map(|&p| (p, cont, capture))),
            Node::NonEmpty(body) => self.builder.work.push((body, cont, capture)),
            Node::Repeat { body, min, max } => {
                let least = if self.pool.is_nullable(body) { 0 } else { min.saturating_sub(1) };
                let after = self.push_loop(node, least, one_less(max), cont);
                self.builder.work.push((body, after, capture));
            }
            Node::Rule(rule) => {
                if self.builder.entered.insert((node, cont, capture)) {
                    let body = self.pool.rule(rule);
                    self.builder.work.push((body, cont, capture));
                }
            }
            Node::Lexed => self.begin_lexed()?,
            Node::Special(special) if self.special_texts.contains_key(&special) => {
                self.add(self.special_texts[&special], cont, capture)?;
            }
            Node::Special(special) => {
                self.builder.threads.push(Thread { awaits: SPECIAL | special.0, capture, cont });
            }
            Node::Object(spec) => {
                if let Some(progress) = spec.start() {
                    let object = self.object(ObjectState { node, progress, used: 0 });
                    let cont = self.stack.push(Frame::ObjectOpened(object), cont);
                    self.add(spec.open, cont, capture)?;
                }
            }
            Node::Array(spec) => {
                if let Some(progress) = spec.start() {
                    let array = self.array(ArrayState { node, progress, used: 0 });
                    let cont = self.stack.push(Frame::ArrayOpened(array), cont);
                    self.add(spec.open, cont, capture)?;
                }
            }
            Node::Lazy(key) => {
                let body = self.expand_lazy(key)?;
                if body == node {
                    return Err(
                        GrammarError::Expansion(format!("lazy node {} expands to itself", key.key)).into()
                    );
                }
                // A chain of lazy nodes must not lead back here without reading anything.
                if self.builder.entered.insert((node, cont, capture)) {
                    self.builder.work.push((body, cont, capture));
                }
            }
        }
        Ok(())
    }

    pub fn add(&mut self, language: LangId, cont: ContId, capture: CaptureId) -> Result<(), EngineError> {
        if language == LangId::NEVER {
            return Ok(());
        }
        if self.builder.threads.len() >= self.limits.state_threads {
            let limit = self.limits.state_threads as u64;
            return Err(EngineError::Limit { what: "threads in one state", limit, field: "state_threads" });
        }
        if !self.pool.languages.is_spent(language) {
            self.builder.threads.push(Thread::new(language, cont, capture));
        }
        Ok(())
    }

    pub fn expand_lazy(&mut self, key: LazyKey) -> Result<NodeId, EngineError> {
        if let Some(&node) = self.expanded.get(&key) {
            return Ok(node);
        }
        let Some(expand) = self.expander(key) else {
            return Err(GrammarError::Expansion(
                "the grammar has lazy nodes but nothing that expands them".into(),
            )
            .into());
        };
        let node = self.pool.in_part(key.part, |pool| expand.expand(key.key, pool))?;
        self.expanded.insert(key, node);
        if self.pool.len() > self.limits.nodes {
            return Err(EngineError::Limit {
                what: "grammar nodes",
                limit: self.limits.nodes as u64,
                field: "nodes",
            });
        }
        Ok(node)
    }

    /// What a lazy node was expanded to.
    pub fn expanded(&self, key: LazyKey) -> Option<NodeId> {
        self.expanded.get(&key).copied()
    }

    /// The front end that a key belongs to.
    pub fn expander(&self, key: LazyKey) -> Option<Arc<dyn Expand>> {
        self.expanders.get(key.part as usize)?.clone()
    }

    /// Then `node`, then `cont`; where `node` may be empty, `cont` at once as well.
    pub fn push_then(&mut self, node: NodeId, cont: ContId) -> ContId {
        if self.pool.is_nullable(node) {
            self.stack.push_optional(Frame::Then(node), cont)
        } else {
            self.stack.push(Frame::Then(node), cont)
        }
    }

    /// What follows one round of the repetition `node`: at least `least` and at most `most` others, then `cont`.
    fn push_loop(&mut self, node: NodeId, least: u32, most: u32, cont: ContId) -> ContId {
        let frame = Frame::Loop { node, least, most };
        match (least, most) {
            (_, 0) => cont,
            (0, _) => self.stack.push_optional(frame, cont),
            _ => self.stack.push(frame, cont),
        }
    }

    /// Adds the threads of what follows a completed terminal.
    pub fn resume(
        &mut self,
        cont: ContId,
        capture: CaptureId,
        label: Option<u32>,
    ) -> Result<(), EngineError> {
        for i in 0..self.stack.links(cont).len() {
            let (frame, below) = self.stack.links(cont)[i];
            match frame {
                Frame::End => self.builder.accepting = true,
                Frame::Then(node) => self.enter(node, below, capture),
                Frame::Loop { node, least, most } => {
                    if let Node::Repeat { body, .. } = *self.pool.node(node) {
                        let after = self.push_loop(node, least.saturating_sub(1), one_less(most), below);
                        self.enter(body, after, capture);
                    }
                }
                Frame::Switch(node) => {
                    if let Node::Switch { targets, .. } = self.pool.node(node).clone() {
                        if let Some(&target) = label.and_then(|l| targets.get(l as usize)) {
                            self.enter(target, below, capture);
                            if self.pool.is_nullable(target) {
                                self.resume(below, capture, None)?;
                            }
                        }
                    }
                }
                _ => self.resume_container(frame, below, capture, label)?,
            }
        }
        Ok(())
    }

    /// The same state as far as masks see it, but for tokens that complete a recorded text: recordings are
    /// emptied and objects forget their undeclared keys. Every token allowed in `state` is allowed in the result.
    pub fn canonical(&mut self, state: StateId) -> Result<StateId, EngineError> {
        if self.used.len() == 1 && self.captures.is_unused() {
            return Ok(state);
        }
        self.builder.clear();
        self.builder.accepting = self.is_accepting(state);
        for i in 0..self.threads(state).len() {
            let mut thread = self.threads(state)[i];
            thread.cont = self.canonical_cont(thread.cont);
            thread.capture = self.captures.root(self.captures.of(thread.capture), ItemKnowledge::Whole);
            self.builder.threads.push(thread);
        }
        self.finish()
    }

    fn canonical_cont(&mut self, cont: ContId) -> ContId {
        // Iterative, children first: stacks may be as deep as the output is nested.
        let mut work = vec![cont];
        while let Some(&top) = work.last() {
            if self.canonical_conts.contains_key(&top) {
                work.pop();
                continue;
            }
            let links = self.stack.links(top).to_vec();
            let missing: Vec<ContId> = links
                .iter()
                .filter(|(frame, below)| *frame != Frame::End && !self.canonical_conts.contains_key(below))
                .map(|l| l.1)
                .collect();
            if !missing.is_empty() {
                work.extend(missing);
                continue;
            }
            let mut canonical: Vec<Link> = links
                .iter()
                .map(|&(frame, below)| {
                    if frame == Frame::End {
                        return (frame, below);
                    }
                    (self.canonical_frame(frame), self.canonical_conts[&below])
                })
                .collect();
            let id = self.stack.of(&mut canonical);
            self.canonical_conts.insert(top, id);
            work.pop();
        }
        self.canonical_conts[&cont]
    }

    pub fn memory(&self) -> usize {
        self.pool.languages.memory()
            + self.pool.len() * 96
            + self.stack.memory()
            + self.captures.memory()
            + self.states.memory()
            + self.lexed_memo.memory()
            + (self.truncated_states.capacity() + self.truncated_conts.capacity()) * 16
            + (self.objects.len() + self.arrays.len() + self.offers.len() + self.distinct_choices.len()) * 200
            + self.used.len() * 64
    }
}
