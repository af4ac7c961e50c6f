//! The pushdown machine's tables, and the moves from which all others are made.
//!
//! The machine holds the nodes of the grammar that were expanded so far, the interned
//! continuations, captures and states, and the state that is being built. A state is built in three
//! moves: nodes are [entered](Machine::enter), [threads](Machine::add_thread) are added, and the
//! result is [interned](Machine::intern_built). The move between the first two, from a node to its
//! threads, needs objects, arrays and lexemes, and is made by the
//! [`Recogniser`](super::Recogniser).
//!
//! Every move is metered: it counts against the caller's interrupt and the [`Limits`].

use super::captures::{CaptureId, Captures};
use super::continuation::{ContId, Continuations, Frame};
use super::markers::Markers;
use super::state::{Awaits, StateBuilder, StateId, StateTable, Thread};
use crate::automata::{ByteSet, LangId, interrupt};
use crate::engine::error::EngineError;
use crate::engine::limits::Limits;
use crate::engine::special_tokens::{ordinary_text, single_bytes, token_set};

use crate::grammar::{
    Delimiter, Expand, Grammar, GrammarError, LazyKey, MARK, Node, NodeId, NodePool, SpecialId,
};
use crate::grammar::{SEARCH_STEPS, take_gave_up};
use crate::vocab::{TokenSet, Vocabulary};
use hashbrown::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The largest number of threads of a state, its header among them, that are kept without a search
/// for covered threads.
const MAX_THREADS_UNPRUNED: usize = 8;
/// The largest number of threads with one continuation that are compared with each other.
const MAX_THREADS_COMPARED: usize = 64;

/// The machine's tables. All of it is used under the graph's lock.
pub(in crate::engine) struct Machine {
    /// The grammar's nodes and languages, those of expanded lazy nodes among them.
    pub pool: NodePool,
    /// The grammar's front ends, by their numbers.
    expanders: Vec<Option<Arc<dyn Expand>>>,
    /// The nodes to which lazy nodes were expanded, by key.
    expanded: HashMap<LazyKey, NodeId>,
    /// Special tokens of the grammar that are ordinary text in the vocabulary.
    special_texts: HashMap<SpecialId, LangId>,
    /// The sets of tokens of which the grammar reads one.
    token_sets: HashMap<SpecialId, Arc<TokenSet>>,
    /// The special tokens that markers may name, and the nodes that were bound to them.
    markers: Markers,
    /// True if the tokens of free text are counted where the grammar limits them.
    may_count: bool,
    /// True once a text with such a limit was reached.
    counts_tokens: Arc<AtomicBool>,
    /// The bytes that are tokens of the vocabulary.
    pub single_bytes: ByteSet,
    pub conts: Continuations,
    pub captures: Captures,
    pub states: StateTable,
    pub builder: StateBuilder,
    pub limits: Limits,
    /// The threads and nodes that the present call may still come to.
    work_left: u64,
    /// The bytes up to which the present call may grow the tables.
    most_bytes: usize,
    /// True if the computation on [cut stacks](super::cut) came to a cut.
    reached_cut: bool,
}

/// Threads and nodes that one call may come to, for each of the threads that a state may have. A
/// link of a stack that is merged or compared counts as one of them: it takes as long.
const WORK_PER_THREAD: u64 = 32;

/// Bytes by which every call may grow the tables, however small the graph is to be.
const MIN_GROWTH: usize = 8 << 20;

impl Machine {
    pub fn new(grammar: &Grammar, limits: &Limits) -> Self {
        take_gave_up();
        let mut pool = grammar.pool().clone();
        pool.languages.set_search_budget(limits.search_states);
        Machine {
            pool,
            expanders: grammar.expanders().to_vec(),
            expanded: HashMap::new(),
            special_texts: HashMap::new(),
            token_sets: HashMap::new(),
            markers: Markers::default(),
            may_count: false,
            counts_tokens: Arc::default(),
            single_bytes: ByteSet::EMPTY,
            conts: Continuations::new(),
            captures: Captures::new(),
            states: StateTable::new(),
            builder: StateBuilder::default(),
            limits: limits.clone(),
            work_left: u64::MAX,
            most_bytes: usize::MAX,
            reached_cut: false,
        }
    }

    /// Begins a call, which may do a bounded amount of work and take [`Limits::graph_bytes`] more
    /// than there is now.
    pub fn begin_call(&mut self) {
        take_gave_up();
        self.work_left = (self.limits.state_threads as u64).saturating_mul(WORK_PER_THREAD);
        self.most_bytes = self.table_bytes().saturating_add(self.limits.graph_bytes.max(MIN_GROWTH));
    }

    /// Counts work that is about to be done, such as a thread stepped or a node entered, and the
    /// work on stacks that was done since.
    ///
    /// # Errors
    /// The caller's interrupt; [`Limits::state_threads`], if the call's work is done;
    /// [`Limits::graph_bytes`], if the call has taken too much memory.
    pub fn meter(&mut self, amount: usize) -> Result<(), EngineError> {
        interrupt::spend(u32::try_from(amount).unwrap_or(u32::MAX));
        interrupt::ended()?;
        let amount = amount as u64 + self.conts.take_work();
        let left = self.work_left.checked_sub(amount);
        self.work_left = left.unwrap_or(0);
        if left.is_none() {
            let limit = (self.limits.state_threads as u64).saturating_mul(WORK_PER_THREAD);
            let what = "ways to read the output that were followed in one call";
            return Err(EngineError::Limit { what, limit, field: "state_threads" });
        }
        if self.table_bytes() > self.most_bytes {
            self.work_left = 0;
            let limit = self.limits.graph_bytes.max(MIN_GROWTH) as u64;
            let what = "bytes of new states in one call";
            return Err(EngineError::Limit { what, limit, field: "graph_bytes" });
        }
        Ok(())
    }

    /// The error that ends a computation which comes to the cut of a stack. It is never seen
    /// outside of the search for a top that is enough.
    pub fn reach_cut(&mut self) -> EngineError {
        self.reached_cut = true;
        EngineError::Limit { what: "states on top of a parser's stack", limit: 0, field: "state_threads" }
    }

    /// The result of a computation on cut stacks, or `None` if it came to a cut.
    pub fn unless_cut<T>(&mut self, result: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
        if std::mem::take(&mut self.reached_cut) { Ok(None) } else { result.map(Some) }
    }

    /// True if the present call has done all the work that it may do.
    pub fn is_worked_out(&self) -> bool {
        self.work_left == 0
    }

    /// Bytes of the tables that grow with the ways to read an output.
    fn table_bytes(&self) -> usize {
        self.conts.used() + self.states.used()
    }

    /// Reads `special` as this text from now on.
    fn set_special_text(&mut self, special: SpecialId, text: &[u8]) {
        let language = self.pool.languages.bytes(text);
        self.special_texts.insert(special, language);
    }

    /// The language of `special`, if it is ordinary text in the vocabulary.
    pub fn special_text(&self, special: SpecialId) -> Option<LangId> {
        self.special_texts.get(&special).copied()
    }

    /// The set of tokens for which `special` stands, if it is not one named token.
    pub fn token_set(&self, special: SpecialId) -> Option<&Arc<TokenSet>> {
        self.token_sets.get(&special)
    }

    /// True if the grammar reads tokens of sets, ordinary ones among them.
    pub fn reads_token_sets(&self) -> bool {
        !self.token_sets.is_empty()
    }

    /// Looks up the names of tokens that the grammar reads, in this vocabulary.
    ///
    /// # Errors
    /// [`EngineError::UnknownSpecialToken`], [`EngineError::PartialCharacter`].
    pub fn set_tokens(&mut self, grammar: &Grammar, vocabulary: &Vocabulary) -> Result<(), EngineError> {
        for (special, name) in grammar.pool().specials() {
            if let Some(text) = ordinary_text(vocabulary, name) {
                self.set_special_text(special, text);
            }
        }
        for (special, tokens) in grammar.pool().token_sets() {
            self.token_sets.insert(special, Arc::new(token_set(vocabulary, tokens)?));
        }
        self.markers = Markers::of(grammar, vocabulary)?;
        self.single_bytes = single_bytes(vocabulary);
        Ok(())
    }

    /// The node that takes the place of a spelled text, or of free text up to markers, with the
    /// vocabulary. Other nodes stay as they are.
    pub fn bind(&mut self, node: NodeId) -> NodeId {
        self.markers.bind(node, &mut self.pool)
    }

    /// Counts the tokens of free text from now on, where the grammar limits them. The flag becomes
    /// true once a text with a limit is reached.
    pub fn count_tokens(&mut self) -> Arc<AtomicBool> {
        self.may_count = true;
        self.counts_tokens.clone()
    }

    /// True if some state has a text whose tokens are counted.
    pub fn counts_tokens(&self) -> bool {
        self.counts_tokens.load(Ordering::Relaxed)
    }

    /// The node that [`bind`](Self::bind) has made of this one.
    pub fn bound(&self, node: NodeId) -> Option<NodeId> {
        self.markers.bound(node)
    }

    /// The special tokens that outputs of `root` may contain, sorted. Left out are those that are
    /// ordinary text, and those in lazy nodes that were not expanded yet.
    pub fn reachable_specials(&self, root: NodeId) -> Vec<SpecialId> {
        let mut found = Vec::new();
        if self.pool.specials().count() == self.special_texts.len() {
            return found;
        }
        let mut seen = vec![false; self.pool.len()];
        let mut work = vec![root];
        while let Some(id) = work.pop() {
            if std::mem::replace(&mut seen[id.0 as usize], true) {
                continue;
            }
            match self.pool.node(id) {
                Node::Special(special)
                    if !self.special_texts.contains_key(special)
                        && !self.token_sets.contains_key(special) =>
                {
                    found.push(*special);
                }
                Node::Rule(rule) => work.push(self.pool.rule(*rule)),
                node => node.children(|child| work.push(child)),
            }
        }
        found.sort_unstable();
        found
    }

    /// The node to which the lazy node of `key` expands.
    ///
    /// # Errors
    /// Those of the grammar's expander, and [`Limits::nodes`].
    pub fn expand_lazy(&mut self, key: LazyKey) -> Result<NodeId, EngineError> {
        if let Some(&node) = self.expanded.get(&key) {
            return Ok(node);
        }
        let Some(expand) = self.expander(key) else {
            let reason = "the grammar has lazy nodes but nothing that expands them";
            return Err(GrammarError::unexpandable(reason).into());
        };
        let node = self.pool.in_part(key.part, |pool| expand.expand(key.key, pool))?;
        self.expanded.insert(key, node);
        if self.pool.len() > self.limits.nodes {
            let limit = self.limits.nodes as u64;
            return Err(EngineError::Limit { what: "grammar nodes", limit, field: "nodes" });
        }
        Ok(node)
    }

    /// The node to which the lazy node of `key` was expanded before.
    pub fn expanded(&self, key: LazyKey) -> Option<NodeId> {
        self.expanded.get(&key).copied()
    }

    /// The front end that expands the lazy node of `key`.
    pub fn expander(&self, key: LazyKey) -> Option<Arc<dyn Expand>> {
        self.expanders.get(key.part as usize)?.clone()
    }

    /// The continuation of `node` and then `cont`. If `node` may be empty, `cont` may also come at
    /// once.
    pub fn push_then(&mut self, node: NodeId, cont: ContId) -> ContId {
        if self.pool.is_nullable(node) {
            if matches!(self.pool.node(node), Node::Mark { .. }) {
                return cont;
            }
            self.conts.push_optional(Frame::Then(node), cont)
        } else {
            self.conts.push(Frame::Then(node), cont)
        }
    }

    /// The continuation after one round of the repetition `node`: from `least` to `most` rounds
    /// more, and then `cont`.
    pub fn push_loop(&mut self, node: NodeId, least: u32, most: u32, cont: ContId) -> ContId {
        let frame = Frame::Loop { node, least, most };
        match (least, most) {
            (_, 0) => cont,
            (0, _) => self.conts.push_optional(frame, cont),
            _ => self.conts.push(frame, cont),
        }
    }

    /// Adds to the state being built every non-empty way to read `node`, followed by `cont`.
    pub fn enter(&mut self, node: NodeId, cont: ContId, capture: CaptureId) {
        self.builder.pending.push((node, cont, capture));
    }

    /// Adds the thread of free text, a terminal or a switch, whose tokens are counted.
    ///
    /// # Errors
    /// As [`add_thread`](Self::add_thread).
    pub fn enter_metered(
        &mut self,
        body: NodeId,
        most: u32,
        mut cont: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        let language = match *self.pool.node(body) {
            Node::Switch { language, .. } => {
                cont = self.conts.push(Frame::Switch(body), cont);
                language
            }
            Node::Terminal(language) => language,
            _ => LangId::NEVER,
        };
        if self.may_count {
            self.counts_tokens.store(true, Ordering::Release);
            cont = self.conts.push(Frame::Tokens { left: most, is_new: true }, cont);
        }
        self.add_thread(language, cont, capture)
    }

    /// Adds the ways to read the delimiter of an object or array.
    ///
    /// # Errors
    /// As [`add_thread`](Self::add_thread).
    pub fn enter_delimiter(
        &mut self,
        delimiter: Delimiter,
        cont: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        match delimiter {
            Delimiter::Text(language) => self.add_thread(language, cont, capture),
            Delimiter::Spelled(node) => {
                self.enter(node, cont, capture);
                Ok(())
            }
        }
    }

    /// Adds a thread to the state being built. Nothing is added for a language without a word, or
    /// with the empty word alone.
    ///
    /// # Errors
    /// [`Limits::state_threads`].
    pub fn add_thread(
        &mut self,
        language: LangId,
        cont: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        if language == LangId::NEVER {
            return Ok(());
        }
        if self.builder.threads.len() >= self.limits.state_threads {
            let limit = self.limits.state_threads as u64;
            return Err(EngineError::Limit { what: "threads in one state", limit, field: "state_threads" });
        }
        if !self.pool.languages.is_spent(language) {
            self.builder.threads.push(Thread::reading(language, cont, capture));
        }
        Ok(())
    }

    /// Checks that the search budget of the languages has not run out, and that no search for a
    /// completion of an object or array was given up, so that their answers are right.
    ///
    /// # Errors
    /// [`Limits::search_states`], [`GrammarError::Limit`].
    pub fn check_answers(&self) -> Result<(), EngineError> {
        if take_gave_up() {
            let what = "combinations of counted items or keys in one array or object";
            return Err(GrammarError::Limit { what, limit: SEARCH_STEPS as u64 }.into());
        }
        if self.pool.languages.exhausted() {
            return Err(EngineError::Limit {
                what: "states searched for a word of an intersection or complement",
                limit: self.limits.search_states,
                field: "search_states",
            });
        }
        Ok(())
    }

    /// Checks that what was found so far is right: the work is not over, and the
    /// [answers](Self::check_answers) are those of whole searches. A result is remembered only
    /// after this check, because functions that cannot fail answer anything once the work is over.
    ///
    /// # Errors
    /// The caller's interrupt, [`Limits::search_states`], [`GrammarError::Limit`].
    pub fn check_sound(&self) -> Result<(), EngineError> {
        interrupt::ended()?;
        self.check_answers()
    }

    /// Interns the state being built, once no node is left to be entered. Threads at the same place
    /// become one thread whose continuation is the union of theirs.
    ///
    /// # Errors
    /// The caller's interrupt, [`Limits::search_states`], and too many states.
    pub fn intern_built(&mut self) -> Result<StateId, EngineError> {
        let threads = &mut self.builder.threads;
        threads.sort_unstable();
        let mut merged: Vec<Thread> = Vec::with_capacity(threads.len() + 1);
        merged.push(StateTable::header(self.builder.accepting));
        let mut i = 0;
        while i < threads.len() {
            let first = threads[i];
            let run = threads[i..].iter().take_while(|thread| thread.is_alongside(first)).count();
            let mut cont = first.cont;
            if run > 1 {
                let mut conts: Vec<ContId> = threads[i..i + run].iter().map(|thread| thread.cont).collect();
                cont = self.conts.union_of(&mut conts);
            }
            merged.push(first.with_cont(cont));
            i += run;
        }
        if !self.pool.stops_at_marks() {
            self.drop_covered(&mut merged);
        }
        self.check_sound()?;
        let id = self.states.intern(&merged);
        if id.0 >= StateId::LIMIT {
            let limit = u64::from(StateId::LIMIT);
            return Err(EngineError::Limit { what: "states of one graph", limit, field: "graph_bytes" });
        }
        Ok(id)
    }

    /// Drops threads that read no more than another one with the same continuation. For example, in
    /// a row of texts with a limit on their characters, each text may have begun at every byte, and
    /// the one that began last may go on for longest. Readers of events need all of them.
    ///
    /// The outputs of the state stay the same: what a dropped thread reads, followed by what its
    /// continuation reads, the other thread reads as well. Two threads never drop each other, since
    /// languages that cover each other by counts have equal counts, and so are one expression. So
    /// each dropped thread is covered by one that stays.
    fn drop_covered(&self, threads: &mut Vec<Thread>) {
        if threads.len() <= MAX_THREADS_UNPRUNED {
            return;
        }
        let languages = &self.pool.languages;
        let read = |thread: &Thread| match thread.awaits() {
            Awaits::Language(language) => Some(language),
            Awaits::Special(_) => None,
        };
        let mut sorted: Vec<Thread> = threads[1..].to_vec();
        sorted.sort_unstable_by_key(|thread| (thread.cont, thread.capture));
        let mut covered: Vec<Thread> = Vec::new();
        for same in sorted.chunk_by(|a, b| (a.cont, a.capture) == (b.cont, b.capture)) {
            if same.len() < 2 || same.len() > MAX_THREADS_COMPARED {
                continue;
            }
            for (i, thread) in same.iter().enumerate() {
                let is_covered = |(j, other): (usize, &Thread)| match (read(other), read(thread)) {
                    // Of two equal ones, which are never here, the first would stay.
                    (Some(whole), Some(part)) => i != j && languages.covers_by_count(whole, part),
                    _ => false,
                };
                if same.iter().enumerate().any(is_covered) {
                    covered.push(*thread);
                }
            }
        }
        if !covered.is_empty() {
            covered.sort_unstable();
            threads.retain(|thread| covered.binary_search(thread).is_err());
        }
    }

    /// The bytes that can come next in `state`.
    pub fn first_bytes(&mut self, state: StateId) -> ByteSet {
        let mut bytes = ByteSet::EMPTY;
        for i in 0..self.states.threads(state).len() {
            if let Awaits::Language(language) = self.states.threads(state)[i].awaits() {
                bytes = bytes.union(&self.pool.languages.first_bytes(language));
            }
        }
        if self.pool.is_lexed() {
            bytes.remove(MARK);
        }
        bytes
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.pool.languages.memory()
            + self.pool.len() * 96
            + self.conts.memory()
            + self.captures.memory()
            + self.states.memory()
    }
}
