//! The pool of expressions: interning, simplification while building, and the facts kept beside each one.

use super::byte_classes::{ByteClasses, ByteSet, Partitions};
use super::chars::CharGraph;
use super::equations::Equation;
use super::fingerprint::Fingerprinter;
use super::json_string::{self, CharTarget, Escapes, JsonMode};
use super::literals::{LiteralSet, UNLABELLED};
use super::machine::Machine;
use super::UNBOUNDED;
use hashbrown::HashMap;
use std::sync::{Arc, OnceLock};

/// A language in a [`Languages`] pool, and at the same time a state of its automaton.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LangId(pub u32);

impl LangId {
    /// ∅, the language without words: the dead state.
    pub const NEVER: LangId = LangId(0);
    /// {ε}, the language of the empty word.
    pub const EMPTY: LangId = LangId(1);
    /// Every byte string, UTF-8 or not.
    pub const ALL: LangId = LangId(2);

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an expression is made of. Constructed through [`Languages`], which keeps it simplified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// ∅.
    Never,
    /// {ε}.
    Empty,
    /// Every byte string.
    All,
    /// One character (or its remaining bytes): a node of the pool's character graph.
    Chars(u32),
    /// The rests of the strings `lo..hi` of a literal set from byte `depth` on.
    Literals {
        /// Which literal set.
        set: u32,
        /// First string.
        lo: u32,
        /// One past the last string.
        hi: u32,
        /// Bytes already read.
        depth: u32,
    },
    /// A word of the first, then one of the second. The first is never itself a `Concat`.
    Concat(LangId, LangId),
    /// A word of any; sorted.
    Union(Arc<[LangId]>),
    /// A word of all; sorted.
    Inter(Arc<[LangId]>),
    /// Every byte string that is not a word of it.
    Not(LangId),
    /// `min..=max` words of it, one after the other; [`UNBOUNDED`] for no maximum.
    Repeat(LangId, u32, u32),
    /// The JSON spellings of the words of a language of decoded text.
    Json {
        /// What may follow, decoded.
        inner: LangId,
        /// Where in the spelling we are.
        mode: JsonMode,
        /// Which spellings count.
        escapes: Escapes,
    },
    /// A state of a [`Machine`].
    Machine {
        /// Which machine.
        machine: u32,
        /// Its state.
        state: u64,
    },
    /// An unknown of an equation ([`Languages::unknown`]): the language its definition solves to.
    Unknown(u32),
}

/// What is known of one expression.
#[derive(Clone, Copy)]
pub(super) struct Info {
    pub fingerprint: u128,
    /// First entry of its transition row, or `u32::MAX` before the first step.
    pub row: u32,
    /// Partition of the bytes; resolved on the first step.
    pub partition: u32,
    pub nullable: bool,
    /// Every word is UTF-8 and the state stands between two characters.
    pub is_text: bool,
    pub liveness: Liveness,
    /// No word is shorter than this many bytes.
    pub at_least: u32,
    /// Some word is at most this many bytes long; `UNBOUNDED` if that is not known.
    pub at_most: u32,
    /// Every state that words of it lead to has a word left of at most this many bytes; `UNBOUNDED` if that is not known.
    pub completion: u32,
    /// The largest bound of a repetition in it, 1 if none counts.
    pub largest_count: u32,
}

/// Whether an expression has a word at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Liveness {
    Unknown,
    Live,
    Dead,
}

/// Bytes of the longest character.
const MAX_UTF8: u32 = 4;

/// Partition not computed yet.
pub(super) const UNRESOLVED: u32 = u32::MAX;
/// Transition not computed yet.
pub(super) const UNSTEPPED: u32 = u32::MAX;

/// A pool of interned expressions with their memoised transitions.
///
/// Cloning copies the pool; ids stay valid in both.
#[derive(Clone)]
pub struct Languages {
    pub(super) exprs: Vec<Expr>,
    pub(super) info: Vec<Info>,
    index: HashMap<u128, LangId>,
    pub(super) rows: Vec<u32>,
    pub(super) partitions: Partitions,
    pub(super) chars: CharGraph,
    pub(super) literals: Vec<Arc<LiteralSet>>,
    literal_index: HashMap<u128, u32>,
    /// The partitions of literal sets, where they are known.
    literal_partitions: Vec<u32>,
    pub(super) machines: Vec<(Arc<dyn Machine>, u128)>,
    machine_index: HashMap<u128, u32>,
    pub(super) json_chars: HashMap<LangId, Arc<[CharTarget]>>,
    first_bytes: HashMap<LangId, ByteSet>,
    pub(super) equations: Vec<Equation>,
    pub(super) free_groups: HashMap<LangId, u64>,
    pub(super) completions: HashMap<LangId, Option<u32>>,
    pub(super) clamps: HashMap<(LangId, u32), LangId>,
    /// Any UTF-8 text.
    text: LangId,
    any_byte: LangId,
    /// One byte of JSON whitespace.
    json_space: LangId,
    pub(super) search_budget: u64,
    pub(super) exhausted: bool,
}

impl Default for Languages {
    fn default() -> Self {
        Self::new()
    }
}

impl Languages {
    /// How many states one pool explores, over its life, to decide whether intersections and complements have a
    /// word. Past it, [`exhausted`](Self::exhausted) turns true and undecided states count as having one.
    pub const DEFAULT_SEARCH_BUDGET: u64 = 100_000;

    /// A pool with the standard languages only: a copy of one that has stepped through them before.
    pub fn new() -> Self {
        static STANDARD: OnceLock<Languages> = OnceLock::new();
        let standard = STANDARD.get_or_init(|| {
            let mut pool = Self::empty();
            let text = pool.any_text();
            for escapes in [Escapes::Any, Escapes::NoUnicode] {
                let string = pool.json_string(text, escapes);
                let body = pool.step(string, b'"');
                pool.first_bytes(body);
            }
            pool
        });
        standard.clone()
    }

    fn empty() -> Self {
        let mut pool = Languages {
            exprs: Vec::with_capacity(64),
            info: Vec::with_capacity(64),
            index: HashMap::with_capacity(64),
            rows: Vec::new(),
            partitions: Partitions::default(),
            chars: CharGraph::default(),
            literals: Vec::new(),
            literal_index: HashMap::new(),
            literal_partitions: Vec::new(),
            machines: Vec::new(),
            machine_index: HashMap::new(),
            json_chars: HashMap::new(),
            first_bytes: HashMap::new(),
            equations: Vec::new(),
            free_groups: HashMap::new(),
            completions: HashMap::new(),
            clamps: HashMap::new(),
            text: LangId::NEVER,
            any_byte: LangId::NEVER,
            json_space: LangId::NEVER,
            search_budget: Self::DEFAULT_SEARCH_BUDGET,
            exhausted: false,
        };
        for expr in [Expr::Never, Expr::Empty, Expr::All] {
            pool.intern(expr);
        }
        let any = pool.char_class(&[(0, 0x10_ffff)]);
        pool.text = pool.repeat(any, 0, UNBOUNDED);
        pool.any_byte = pool.byte(&ByteSet::FULL);
        let mut spaces = ByteSet::EMPTY;
        b" \t\n\r".iter().for_each(|&b| spaces.insert(b));
        pool.json_space = pool.byte(&spaces);
        pool
    }

    /// The number of expressions in the pool.
    pub fn len(&self) -> usize {
        self.exprs.len()
    }

    /// Never: the standard languages are always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// About how many bytes of memory the pool holds.
    pub fn memory(&self) -> usize {
        self.exprs.len() * (std::mem::size_of::<Expr>() + std::mem::size_of::<Info>() + 40)
            + self.rows.len() * 4
            + self.clamps.capacity() * std::mem::size_of::<((LangId, u32), LangId)>()
    }

    /// Sets the budget described at [`DEFAULT_SEARCH_BUDGET`](Self::DEFAULT_SEARCH_BUDGET).
    pub fn set_search_budget(&mut self, states: u64) {
        self.search_budget = states;
    }

    /// Whether the search budget ran out, so that liveness answers are no longer exact.
    pub fn exhausted(&self) -> bool {
        self.exhausted
    }

    /// The expression behind an id.
    pub fn expr(&self, id: LangId) -> &Expr {
        &self.exprs[id.index()]
    }

    /// Whether the empty word belongs to the language; as a state: whether it accepts.
    #[inline]
    pub fn is_nullable(&self, id: LangId) -> bool {
        self.info[id.index()].nullable
    }

    /// Whether every word is UTF-8 text (sufficient, not necessary).
    pub fn is_text(&self, id: LangId) -> bool {
        self.info[id.index()].is_text
    }

    /// What identifies the language among all pools of this process. Equal fingerprints mean equal languages.
    pub fn fingerprint(&self, id: LangId) -> u128 {
        self.info[id.index()].fingerprint
    }

    /// Any UTF-8 text, the empty one included.
    pub fn any_text(&self) -> LangId {
        self.text
    }

    /// Any one byte.
    pub(super) fn any_byte(&self) -> LangId {
        self.any_byte
    }

    /// The literal set of an [`Expr::Literals`].
    pub fn literal_set(&self, set: u32) -> &Arc<LiteralSet> {
        &self.literals[set as usize]
    }

    /// The label of the literal that a state has just completed, where the state is one of literals (plain or
    /// spelt as a JSON string).
    pub fn label(&self, id: LangId) -> Option<u32> {
        match *self.expr(id) {
            Expr::Literals { set, lo, depth, .. } => {
                let set = &self.literals[set as usize];
                set.accepts(lo, depth).then(|| set.get(lo).1).filter(|&label| label != UNLABELLED)
            }
            Expr::Json { inner, mode: JsonMode::Closed, .. } => self.label(inner),
            _ => None,
        }
    }

    pub(crate) fn chars_text(&self, node: u32) -> String {
        let edges: Vec<String> = self
            .chars
            .edges(node)
            .iter()
            .map(|e| {
                let (lo, hi) = ([e.lo], [e.hi]);
                let range = if e.lo == e.hi {
                    format!("{}", lo.escape_ascii())
                } else {
                    format!("{}-{}", lo.escape_ascii(), hi.escape_ascii())
                };
                if e.next == super::chars::DONE {
                    range
                } else {
                    format!("{range}…")
                }
            })
            .collect();
        format!("[{}]", edges.join(" "))
    }

    pub(crate) fn machine_text(&self, machine: u32, state: u64) -> String {
        format!("{}@{state}", self.machines[machine as usize].0.key())
    }

    /// If `id` is JSON whitespace of at most `n` bytes followed by something that starts otherwise: `n` and that.
    pub fn after_json_space(&mut self, id: LangId) -> Option<(u32, LangId)> {
        let Expr::Concat(head, tail) = *self.expr(id) else { return None };
        let Expr::Repeat(body, 0, most) = *self.expr(head) else { return None };
        if body != self.json_space || self.is_nullable(tail) {
            return None;
        }
        let (first, spaces) = (self.first_bytes(tail), self.first_bytes(body));
        first.0.iter().zip(spaces.0).all(|(a, b)| a & b == 0).then_some((most, tail))
    }

    /// Whether `id` is known to have words without a search, and so are its parts.
    fn liveness_is_known(&self, id: LangId) -> bool {
        self.info[id.index()].liveness == Liveness::Live
    }

    /// The bytes some word starts with, where no step is needed to tell.
    pub(super) fn first_bytes_of_leaf(&self, id: LangId) -> Option<ByteSet> {
        Some(match *self.expr(id) {
            Expr::Never | Expr::Empty => ByteSet::EMPTY,
            Expr::All => ByteSet::FULL,
            Expr::Literals { set, lo, hi, depth } => self.literals[set as usize].next_bytes(lo, hi, depth),
            Expr::Json { mode: JsonMode::Start, .. } => ByteSet::range(b'"', b'"'),
            _ => return None,
        })
    }

    /// The bytes some word starts with.
    pub fn first_bytes(&mut self, id: LangId) -> ByteSet {
        // What is as quick to find as to look up is not kept.
        if let Some(set) = self.first_bytes_of_leaf(id) {
            return set;
        }
        if let Some(set) = self.first_bytes.get(&id) {
            return *set;
        }
        let mut set = ByteSet::EMPTY;
        match *self.expr(id) {
            Expr::Chars(node) => {
                self.chars.edges(node).iter().for_each(|e| (e.lo..=e.hi).for_each(|b| set.insert(b)));
            }
            Expr::Repeat(body, ..) if self.liveness_is_known(id) => set = self.first_bytes(body),
            Expr::Union(ref parts) if parts.iter().all(|&p| self.liveness_is_known(p)) => {
                set = parts.clone().iter().fold(set, |set, &part| set.union(&self.first_bytes(part)));
            }
            Expr::Concat(head, tail) if self.liveness_is_known(id) => {
                set = self.first_bytes(head);
                // Chains may be long; only the heads that may be empty are followed.
                let mut at = (head, tail);
                while self.is_nullable(at.0) {
                    match *self.expr(at.1) {
                        Expr::Concat(head, tail) => {
                            at = (head, tail);
                            set = set.union(&self.first_bytes(head));
                        }
                        _ => {
                            set = set.union(&self.first_bytes(at.1));
                            break;
                        }
                    }
                }
            }
            _ => {
                let partition = self.partition(id);
                let live: Vec<bool> = {
                    let firsts = self.partitions.get(partition).representatives().to_vec();
                    firsts.into_iter().map(|b| self.step(id, b) != LangId::NEVER).collect()
                };
                let classes = self.partitions.get(partition);
                (0..=255u8).filter(|&b| live[classes.class(b)]).for_each(|b| set.insert(b));
            }
        }
        self.first_bytes.insert(id, set);
        set
    }

    /// Whether an intersection or complement comes down to the empty word; other languages that do are
    /// [`LangId::EMPTY`] by construction.
    pub fn has_only_the_empty_word(&mut self, id: LangId) -> bool {
        matches!(self.expr(id), Expr::Inter(_) | Expr::Not(_))
            && self.is_nullable(id)
            && self.first_bytes(id) == ByteSet::EMPTY
    }

    // --- construction -------------------------------------------------------------------------------------

    /// Exactly these bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> LangId {
        self.literal_set_language(LiteralSet::new([(bytes.to_vec(), UNLABELLED)]))
    }

    /// One byte out of `set`.
    pub fn byte(&mut self, set: &ByteSet) -> LangId {
        match self.chars.byte_set(set) {
            Some(node) => self.intern(Expr::Chars(node)),
            None => LangId::NEVER,
        }
    }

    /// One character out of `ranges` (inclusive; sorted and disjoint), in UTF-8.
    pub fn char_class(&mut self, ranges: &[(u32, u32)]) -> LangId {
        match self.chars.ranges(ranges) {
            Some(node) => self.intern(Expr::Chars(node)),
            None => LangId::NEVER,
        }
    }

    /// One of these byte strings; a completed one is found by [`label`](Self::label), unless its label is
    /// [`UNLABELLED`].
    pub fn literals(&mut self, items: impl IntoIterator<Item = (Vec<u8>, u32)>) -> LangId {
        self.literal_set_language(LiteralSet::new(items))
    }

    fn literal_set_language(&mut self, set: LiteralSet) -> LangId {
        if set.is_empty() {
            return LangId::NEVER;
        }
        if set.len() == 1 && set.get(0) == (&[], UNLABELLED) {
            return LangId::EMPTY;
        }
        let hi = set.len() as u32;
        let id = match self.literal_index.get(&set.fingerprint()) {
            Some(&id) => id,
            None => self.import_literals(&Arc::new(set)),
        };
        self.intern(Expr::Literals { set: id, lo: 0, hi, depth: 0 })
    }

    /// The number of a literal set in this pool.
    pub(super) fn import_literals(&mut self, set: &Arc<LiteralSet>) -> u32 {
        *self.literal_index.entry(set.fingerprint()).or_insert_with(|| {
            self.literals.push(set.clone());
            self.literals.len() as u32 - 1
        })
    }

    /// The number of a machine in this pool; `key` is the fingerprint of its key.
    pub(super) fn import_machine(&mut self, machine: Arc<dyn Machine>, key: u128) -> u32 {
        *self.machine_index.entry(key).or_insert_with(|| {
            self.machines.push((machine, key));
            self.machines.len() as u32 - 1
        })
    }

    /// The JSON spellings, quotes included, of these texts. Under [`Escapes::Minimal`] they are plain literals.
    pub fn json_literals<'a>(
        &mut self,
        items: impl IntoIterator<Item = (&'a str, u32)>,
        escapes: Escapes,
    ) -> LangId {
        match escapes {
            Escapes::Minimal => self.literals(
                items.into_iter().map(|(text, label)| (json_string::minimal_spelling(text), label)),
            ),
            _ => {
                // Unspellable texts are left out here: an intersection inside of the spelling would lose the labels.
                let items = items.into_iter().filter(|(text, _)| escapes.can_spell(text));
                let inner = self.literals(items.map(|(text, label)| (text.as_bytes().to_vec(), label)));
                self.json(inner, JsonMode::Start, escapes)
            }
        }
    }

    /// Only those literals of `id` (plain or spelt as JSON strings) whose label passes `keep`. Other languages are given
    /// back as they are.
    pub fn with_labels(&mut self, id: LangId, keep: impl Fn(u32) -> bool) -> LangId {
        match *self.expr(id) {
            Expr::Literals { set, lo, hi, depth } => {
                let set = self.literals[set as usize].clone();
                let kept = (lo..hi).map(|i| set.get(i)).filter(|item| keep(item.1));
                self.literals(kept.map(|(bytes, label)| (bytes[depth as usize..].to_vec(), label)))
            }
            Expr::Json { inner, mode, escapes } => {
                let inner = self.with_labels(inner, keep);
                self.json(inner, mode, escapes)
            }
            _ => id,
        }
    }

    /// Whether `id` is everything but some literals.
    pub(super) fn is_other_than_literals(&self, id: LangId) -> bool {
        matches!(*self.expr(id), Expr::Not(excluded) if matches!(self.expr(excluded), Expr::Literals { .. }))
    }

    /// Whether no byte can follow: the state is only there to accept.
    pub fn is_spent(&self, id: LangId) -> bool {
        match *self.expr(id) {
            Expr::Never | Expr::Empty => true,
            Expr::Literals { set, lo, hi, depth } => {
                hi - lo == 1 && self.literals[set as usize].accepts(lo, depth)
            }
            Expr::Json { mode, .. } => mode == JsonMode::Closed,
            _ => false,
        }
    }

    /// The language of a machine.
    pub fn machine(&mut self, machine: Arc<dyn Machine>) -> LangId {
        let Some(state) = machine.start() else { return LangId::NEVER };
        let key = Fingerprinter::new(0x3ac1).bytes(machine.key().as_bytes()).finish();
        let machine = self.import_machine(machine, key);
        self.intern(Expr::Machine { machine, state })
    }

    /// The JSON strings, quotes included, whose decoded text is a word of `inner`. `inner` is cut down to UTF-8
    /// text where it is not text already.
    pub fn json_string(&mut self, inner: LangId, escapes: Escapes) -> LangId {
        let mut inner = if self.is_text(inner) { inner } else { self.inter(&[self.text, inner]) };
        if escapes == Escapes::NoUnicode {
            let mut spellable = Vec::new();
            let mut from = 0;
            for (lo, hi) in json_string::CONTROLS_WITHOUT_SHORT_ESCAPE {
                if from < lo {
                    spellable.push((from, lo - 1));
                }
                from = hi + 1;
            }
            spellable.push((from, 0x10_ffff));
            let spellable = self.char_class(&spellable);
            let spellable = self.repeat(spellable, 0, UNBOUNDED);
            inner = self.inter(&[inner, spellable]);
        }
        if self.is_never(inner) {
            return LangId::NEVER;
        }
        self.json(inner, JsonMode::Start, escapes)
    }

    pub(super) fn json(&mut self, inner: LangId, mode: JsonMode, escapes: Escapes) -> LangId {
        if inner == LangId::NEVER {
            return LangId::NEVER;
        }
        if mode == JsonMode::Closed && self.label(inner).is_none() {
            return LangId::EMPTY;
        }
        self.intern(Expr::Json { inner, mode, escapes })
    }

    /// A word of `first`, then a word of `second`.
    pub fn concat(&mut self, first: LangId, second: LangId) -> LangId {
        if first == LangId::NEVER || second == LangId::NEVER {
            return LangId::NEVER;
        }
        if first == LangId::EMPTY {
            return second;
        }
        if second == LangId::EMPTY {
            return first;
        }
        // Right-nested, so that the head of a `Concat` is always its first factor.
        let mut heads = Vec::new();
        let mut last = first;
        while let Expr::Concat(head, tail) = *self.expr(last) {
            heads.push(head);
            last = tail;
        }
        let mut result = self.concat_head(last, second);
        while let Some(head) = heads.pop() {
            result = self.concat_head(head, result);
        }
        result
    }

    fn concat_head(&mut self, head: LangId, tail: LangId) -> LangId {
        // r{a,b} r{c,d} = r{a+c,b+d}, where a plain r is r{1,1}; with a tail behind as well.
        let (next, rest) = match *self.expr(tail) {
            Expr::Concat(next, rest) => (next, rest),
            _ => (tail, LangId::EMPTY),
        };
        let counted = |pool: &Self, id: LangId| match *pool.expr(id) {
            Expr::Repeat(body, min, max) => Some((body, min, max)),
            _ => None,
        };
        let merged = match (counted(self, head), counted(self, next)) {
            (Some((body, min, max)), Some((other, min2, max2))) if body == other => {
                Some((body, min.saturating_add(min2), max.saturating_add(max2)))
            }
            (Some((body, min, max)), _) if body == next => {
                Some((body, min.saturating_add(1), max.saturating_add(1)))
            }
            (_, Some((body, min, max))) if body == head => {
                Some((body, min.saturating_add(1), max.saturating_add(1)))
            }
            _ => None,
        };
        if let Some((body, min, max)) = merged {
            let repeat = self.repeat(body, min, max);
            return self.concat(repeat, rest);
        }
        self.intern(Expr::Concat(head, tail))
    }

    /// The concatenation of several languages.
    pub fn sequence(&mut self, parts: &[LangId]) -> LangId {
        parts.iter().rev().fold(LangId::EMPTY, |rest, &part| self.concat(part, rest))
    }

    /// `min..=max` words of `body` ([`UNBOUNDED`] for no maximum). `min > max` gives ∅.
    pub fn repeat(&mut self, body: LangId, min: u32, max: u32) -> LangId {
        if min > max {
            return LangId::NEVER;
        }
        if max == 0 || body == LangId::EMPTY {
            return LangId::EMPTY;
        }
        if body == LangId::NEVER {
            return if min == 0 { LangId::EMPTY } else { LangId::NEVER };
        }
        if body == LangId::ALL {
            return LangId::ALL;
        }
        let min = if self.is_nullable(body) { 0 } else { min };
        if (min, max) == (1, 1) || (max == 1 && self.is_nullable(body)) {
            return body;
        }
        if let Expr::Repeat(inner, low, high) = *self.expr(body) {
            if let Some((min, max)) = flatten_counts((low, high), (min, max)) {
                return self.repeat(inner, min, max);
            }
        }
        self.intern(Expr::Repeat(body, min, max))
    }

    /// A word of any of `parts`.
    pub fn union(&mut self, parts: &[LangId]) -> LangId {
        match parts {
            [] => return LangId::NEVER,
            [one] => return *one,
            [a, b] if a == b || *b == LangId::NEVER => return *a,
            [LangId::NEVER, b] => return *b,
            _ => {}
        }
        let mut flat: Vec<LangId> = Vec::with_capacity(parts.len());
        for &part in parts {
            match self.expr(part) {
                Expr::Never => {}
                Expr::All => return LangId::ALL,
                Expr::Union(inner) => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        self.merge_alternatives(&mut flat);
        if flat.contains(&LangId::ALL) {
            return LangId::ALL;
        }
        if flat.contains(&self.text) {
            let text = self.text;
            flat.retain(|&p| p == text || !self.is_text(p));
        }
        if flat.len() > 1
            && flat.contains(&LangId::EMPTY)
            && flat.iter().any(|&p| p != LangId::EMPTY && self.is_nullable(p))
        {
            flat.retain(|&p| p != LangId::EMPTY);
        }
        match flat.as_slice() {
            [] => LangId::NEVER,
            [one] => *one,
            _ => self.intern(Expr::Union(flat.into())),
        }
    }

    /// Replaces whole sets of unlabelled literals among `parts` by one set with all of them: an enumeration then costs a
    /// binary search a byte, however it was put together.
    pub fn merge_literals(&mut self, parts: &mut Vec<LangId>) {
        let set_of = |pool: &Self, id: LangId| match *pool.expr(id) {
            Expr::Literals { set, lo: 0, hi, depth: 0 } => {
                let set = &pool.literals[set as usize];
                let whole = hi as usize == set.len();
                (whole && (0..hi).all(|i| set.get(i).1 == UNLABELLED)).then(|| set.clone())
            }
            _ => None,
        };
        let mut sets: Vec<Arc<LiteralSet>> = Vec::new();
        let mut others: Vec<LangId> = Vec::new();
        for &part in parts.iter() {
            match set_of(self, part) {
                Some(set) => sets.push(set),
                None => others.push(part),
            }
        }
        if sets.len() < 2 {
            return;
        }
        let words = sets.iter().flat_map(|s| (0..s.len() as u32).map(|i| (s.get(i).0.to_vec(), UNLABELLED)));
        let merged = self.literals(words.collect::<Vec<_>>());
        others.push(merged);
        *parts = others;
    }

    /// Merges alternatives that share a head (`cx ∪ cy = c(x ∪ y)`), a body (`r{1,2} ∪ r{2,5} = r{1,5}`) or a
    /// spelling (`json(x) ∪ json(y) = json(x ∪ y)`), until nothing merges.
    fn merge_alternatives(&mut self, flat: &mut Vec<LangId>) {
        #[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
        enum Key {
            Head(LangId),
            Body(LangId, u32, u32),
            Spelling(JsonMode, Escapes),
        }
        loop {
            let mut keyed: Vec<(Key, LangId)> = Vec::new();
            for &part in flat.iter() {
                match *self.expr(part) {
                    Expr::Concat(head, _) => keyed.push((Key::Head(head), part)),
                    Expr::Repeat(body, min, max) => keyed.push((Key::Body(body, min, max), part)),
                    Expr::Json { mode, escapes, .. } if mode != JsonMode::Closed => {
                        keyed.push((Key::Spelling(mode, escapes), part))
                    }
                    _ => {}
                }
            }
            if keyed.len() < 2 {
                return;
            }
            keyed.sort_unstable();
            let mut changed = false;
            let mut i = 0;
            while i < keyed.len() {
                let mut j = i + 1;
                match keyed[i].0 {
                    Key::Head(head) => {
                        while j < keyed.len() && keyed[j].0 == keyed[i].0 {
                            j += 1;
                        }
                        if j - i > 1 {
                            // All heads the group shares are taken at once, so that long equal runs do not recurse.
                            let mut heads = vec![head];
                            let mut tails: Vec<LangId> = keyed[i..j].iter().map(|k| self.tail(k.1)).collect();
                            while let Expr::Concat(head, _) = *self.expr(tails[0]) {
                                let shared =
                                    |&t: &LangId| matches!(*self.expr(t), Expr::Concat(h, _) if h == head);
                                if !tails.iter().all(shared) {
                                    break;
                                }
                                heads.push(head);
                                tails.iter_mut().for_each(|t| *t = self.tail(*t));
                            }
                            let tail = self.union(&tails);
                            let merged = heads.iter().rev().fold(tail, |tail, &head| self.concat(head, tail));
                            replace(flat, &keyed[i..j].iter().map(|k| k.1).collect::<Vec<_>>(), merged);
                            changed = true;
                        }
                    }
                    Key::Spelling(mode, escapes) => {
                        while j < keyed.len() && keyed[j].0 == keyed[i].0 {
                            j += 1;
                        }
                        if j - i > 1 {
                            let inners: Vec<LangId> = keyed[i..j]
                                .iter()
                                .map(|k| match *self.expr(k.1) {
                                    Expr::Json { inner, .. } => inner,
                                    _ => LangId::NEVER,
                                })
                                .collect();
                            let inner = self.union(&inners);
                            let merged = self.json(inner, mode, escapes);
                            replace(flat, &keyed[i..j].iter().map(|k| k.1).collect::<Vec<_>>(), merged);
                            changed = true;
                        }
                    }
                    Key::Body(body, min, max) => {
                        let mut high = max;
                        while let Some(&(Key::Body(other, low, top), _)) = keyed.get(j) {
                            if other != body || low > high.saturating_add(1) {
                                break;
                            }
                            high = high.max(top);
                            j += 1;
                        }
                        if j - i > 1 {
                            let merged = self.repeat(body, min, high);
                            replace(flat, &keyed[i..j].iter().map(|k| k.1).collect::<Vec<_>>(), merged);
                            changed = true;
                        }
                    }
                }
                i = j;
            }
            if !changed {
                return;
            }
            let mut again: Vec<LangId> = Vec::with_capacity(flat.len());
            for &part in flat.iter() {
                match self.expr(part) {
                    Expr::Never => {}
                    Expr::Union(inner) => again.extend_from_slice(inner),
                    _ => again.push(part),
                }
            }
            again.sort_unstable();
            again.dedup();
            *flat = again;
        }
    }

    fn tail(&self, id: LangId) -> LangId {
        match *self.expr(id) {
            Expr::Concat(_, tail) => tail,
            _ => LangId::EMPTY,
        }
    }

    /// A word of every one of `parts`. May have no word without being [`LangId::NEVER`]; [`is_never`](Self::is_never)
    /// decides.
    pub fn inter(&mut self, parts: &[LangId]) -> LangId {
        let mut flat: Vec<LangId> = Vec::with_capacity(parts.len());
        for &part in parts {
            match self.expr(part) {
                Expr::Never => return LangId::NEVER,
                Expr::All => {}
                Expr::Inter(inner) => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        if flat.contains(&LangId::EMPTY) {
            return if flat.iter().all(|&p| self.is_nullable(p)) { LangId::EMPTY } else { LangId::NEVER };
        }
        if flat.contains(&self.text) && flat.iter().any(|&p| p != self.text && self.is_text(p)) {
            let text = self.text;
            flat.retain(|&p| p != text);
        }
        // Text that is no text: what `(?!x)` comes to once x has matched. Found here, it needs no search through
        // the product with all the other parts.
        let no_text = |&p: &LangId| matches!(*self.expr(p), Expr::Not(x) if x == self.text);
        if flat.iter().any(no_text) && flat.iter().any(|&p| self.is_text(p)) {
            return LangId::NEVER;
        }
        // json(x) ∩ json(y) = json(x ∩ y): a spelling decodes to one text only.
        let spelling = |pool: &Self, id: LangId| match *pool.expr(id) {
            Expr::Json { inner, mode, escapes } if mode != JsonMode::Closed => Some((mode, escapes, inner)),
            _ => None,
        };
        if flat.len() > 1 {
            if let Some((mode, escapes, _)) = flat.iter().find_map(|&p| spelling(self, p)) {
                let (same, mut rest): (Vec<LangId>, Vec<LangId>) = flat.iter().partition(
                    |&&p| matches!(spelling(self, p), Some((m, e, _)) if (m, e) == (mode, escapes)),
                );
                if same.len() > 1 {
                    let inners: Vec<LangId> =
                        same.iter().filter_map(|&p| spelling(self, p)).map(|s| s.2).collect();
                    let inner = self.inter(&inners);
                    if self.is_never(inner) {
                        return LangId::NEVER;
                    }
                    rest.push(self.json(inner, mode, escapes));
                    return self.inter(&rest);
                }
            }
        }
        match flat.as_slice() {
            [] => LangId::ALL,
            [one] => *one,
            _ if flat
                .iter()
                .any(|&p| matches!(*self.expr(p), Expr::Not(x) if flat.binary_search(&x).is_ok())) =>
            {
                LangId::NEVER
            }
            _ => self.intern(Expr::Inter(flat.into())),
        }
    }

    /// Every byte string that is not a word of `body`. Intersect with [`any_text`](Self::any_text) to stay UTF-8.
    pub fn not(&mut self, body: LangId) -> LangId {
        match *self.expr(body) {
            Expr::Never => LangId::ALL,
            Expr::All => LangId::NEVER,
            Expr::Not(inner) => inner,
            _ => self.intern(Expr::Not(body)),
        }
    }

    // --- interning ----------------------------------------------------------------------------------------

    pub(super) fn intern(&mut self, expr: Expr) -> LangId {
        let fingerprint = self.fingerprint_of(&expr);
        if let Some(&id) = self.index.get(&fingerprint) {
            return id;
        }
        let nullable = self.nullable_of(&expr);
        let is_text = self.is_text_of(&expr);
        let liveness = if nullable { Liveness::Live } else { self.liveness_of(&expr) };
        let at_least = if nullable { 0 } else { self.at_least_of(&expr).max(1) };
        let at_most = if nullable { 0 } else { self.at_most_of(&expr) };
        let completion = self.completion_of(&expr).max(at_most);
        let largest_count = self.largest_count_of(&expr);
        let info = Info {
            fingerprint,
            row: UNSTEPPED,
            partition: UNRESOLVED,
            nullable,
            is_text,
            liveness,
            at_least,
            at_most,
            completion,
            largest_count,
        };
        self.add(expr, info)
    }

    /// The expression with this fingerprint, if the pool has it.
    pub(super) fn with_fingerprint(&self, fingerprint: u128) -> Option<LangId> {
        self.index.get(&fingerprint).copied()
    }

    /// Adds an expression that the pool does not have.
    pub(super) fn add(&mut self, expr: Expr, info: Info) -> LangId {
        let id = LangId(self.exprs.len() as u32);
        self.index.insert(info.fingerprint, id);
        self.exprs.push(expr);
        self.info.push(info);
        id
    }

    fn fingerprint_of(&self, expr: &Expr) -> u128 {
        let of = |id: &LangId| self.info[id.index()].fingerprint;
        match expr {
            Expr::Never => Fingerprinter::new(0).finish(),
            Expr::Empty => Fingerprinter::new(1).finish(),
            Expr::All => Fingerprinter::new(2).finish(),
            Expr::Chars(node) => Fingerprinter::new(3).part(self.chars.fingerprint(*node)).finish(),
            Expr::Literals { set, lo, hi, depth } => Fingerprinter::new(4)
                .part(self.literals[*set as usize].fingerprint())
                .word(u64::from(*lo) << 32 | u64::from(*hi))
                .word(u64::from(*depth))
                .finish(),
            Expr::Concat(a, b) => Fingerprinter::new(5).part(of(a)).part(of(b)).finish(),
            Expr::Union(parts) | Expr::Inter(parts) => {
                // The order of ids differs between pools, so the parts are combined by a commutative sum.
                let tag = if matches!(expr, Expr::Union(_)) { 6 } else { 7 };
                let sum = parts.iter().fold(0u128, |sum, p| {
                    sum.wrapping_add(Fingerprinter::new(tag + 100).part(of(p)).finish())
                });
                Fingerprinter::new(tag).part(sum).word(parts.len() as u64).finish()
            }
            Expr::Not(a) => Fingerprinter::new(8).part(of(a)).finish(),
            Expr::Repeat(a, min, max) => {
                Fingerprinter::new(9).part(of(a)).word(u64::from(*min) << 32 | u64::from(*max)).finish()
            }
            Expr::Json { inner, mode, escapes } => {
                Fingerprinter::new(10).part(of(inner)).word(mode.code()).word(*escapes as u64).finish()
            }
            Expr::Machine { machine, state } => {
                Fingerprinter::new(11).part(self.machines[*machine as usize].1).word(*state).finish()
            }
            Expr::Unknown(equation) => {
                Fingerprinter::new(12).part(self.equations[*equation as usize].key).finish()
            }
        }
    }

    fn nullable_of(&self, expr: &Expr) -> bool {
        let of = |id: &LangId| self.info[id.index()].nullable;
        match expr {
            Expr::Never | Expr::Chars(_) => false,
            Expr::Empty | Expr::All => true,
            Expr::Literals { set, lo, depth, .. } => self.literals[*set as usize].accepts(*lo, *depth),
            Expr::Concat(a, b) => of(a) && of(b),
            Expr::Union(parts) => parts.iter().any(of),
            Expr::Inter(parts) => parts.iter().all(of),
            Expr::Not(a) => !of(a),
            Expr::Repeat(a, min, _) => *min == 0 || of(a),
            Expr::Json { mode, .. } => *mode == JsonMode::Closed,
            Expr::Machine { machine, state } => self.machines[*machine as usize].0.accepts(*state),
            Expr::Unknown(equation) => self.equations[*equation as usize].nullable,
        }
    }

    fn at_most_of(&self, expr: &Expr) -> u32 {
        let of = |id: &LangId| self.info[id.index()].at_most;
        match expr {
            Expr::Never | Expr::Empty | Expr::All => 0,
            Expr::Chars(_) => MAX_UTF8,
            Expr::Literals { set, lo, depth, .. } => {
                self.literals[*set as usize].get(*lo).0.len() as u32 - depth
            }
            Expr::Concat(a, b) => of(a).saturating_add(of(b)),
            Expr::Union(parts) => parts.iter().map(of).min().unwrap_or(0),
            Expr::Repeat(a, min, _) => of(a).saturating_mul(*min),
            Expr::Inter(_) | Expr::Not(_) | Expr::Json { .. } | Expr::Machine { .. } | Expr::Unknown(_) => {
                UNBOUNDED
            }
        }
    }

    /// See [`Info::completion`]. A derivative of an expression is made of its parts' derivatives, of which those that are
    /// left have a word; hence sums and maxima over the parts.
    fn completion_of(&self, expr: &Expr) -> u32 {
        let of = |id: &LangId| self.info[id.index()].completion;
        let at_most = |id: &LangId| self.info[id.index()].at_most;
        match expr {
            Expr::Never | Expr::Empty | Expr::All => 0,
            Expr::Chars(_) => MAX_UTF8,
            Expr::Literals { set, .. } => self.literals[*set as usize].longest() as u32,
            Expr::Concat(a, b) => of(a).saturating_add(at_most(b)).max(of(b)),
            Expr::Union(parts) => parts.iter().map(of).max().unwrap_or(0),
            Expr::Repeat(a, min, _) => of(a).saturating_add(at_most(a).saturating_mul(min.saturating_sub(1))),
            // No more can be left than the shortest of the maximum lengths.
            Expr::Inter(parts) => {
                let most = |&part: &LangId| match *self.expr(part) {
                    Expr::Repeat(body, _, max) if matches!(self.expr(body), Expr::Chars(_)) => {
                        max.saturating_mul(MAX_UTF8)
                    }
                    _ => UNBOUNDED,
                };
                parts.iter().map(most).min().unwrap_or(UNBOUNDED)
            }
            Expr::Not(_) | Expr::Json { .. } | Expr::Machine { .. } | Expr::Unknown(_) => UNBOUNDED,
        }
    }

    fn largest_count_of(&self, expr: &Expr) -> u32 {
        let of = |id: &LangId| self.info[id.index()].largest_count;
        match expr {
            Expr::Concat(a, b) => of(a).max(of(b)),
            Expr::Union(parts) | Expr::Inter(parts) => parts.iter().map(of).max().unwrap_or(1),
            Expr::Repeat(body, min, max) => {
                let max = if *max == UNBOUNDED { 1 } else { *max };
                max.max(*min).max(of(body))
            }
            Expr::Json { inner, .. } => of(inner),
            _ => 1,
        }
    }

    fn is_text_of(&self, expr: &Expr) -> bool {
        let of = |id: &LangId| self.info[id.index()].is_text;
        match expr {
            Expr::Never | Expr::Empty => true,
            Expr::All | Expr::Not(_) => false,
            Expr::Chars(node) => self.chars.starts_character(*node),
            Expr::Literals { set, lo, depth, .. } => {
                let set = &self.literals[*set as usize];
                // A literal of UTF-8 text stands between characters unless its next byte continues one.
                set.is_text() && set.get(*lo).0.get(*depth as usize).is_none_or(|b| b & 0xc0 != 0x80)
            }
            Expr::Concat(a, b) => of(a) && of(b),
            Expr::Union(parts) => parts.iter().all(of),
            Expr::Inter(parts) => parts.iter().any(of),
            Expr::Repeat(a, ..) => of(a),
            Expr::Json { inner, mode, .. } => *mode != JsonMode::Body || of(inner),
            Expr::Machine { machine, .. } => self.machines[*machine as usize].0.is_text(),
            Expr::Unknown(_) => true,
        }
    }

    fn liveness_of(&self, expr: &Expr) -> Liveness {
        let of = |id: &LangId| self.info[id.index()].liveness;
        let both = |a: &LangId, b: &LangId| match (of(a), of(b)) {
            (Liveness::Dead, _) | (_, Liveness::Dead) => Liveness::Dead,
            (Liveness::Live, Liveness::Live) => Liveness::Live,
            _ => Liveness::Unknown,
        };
        match expr {
            Expr::Never => Liveness::Dead,
            Expr::Empty | Expr::All | Expr::Chars(_) | Expr::Literals { .. } | Expr::Machine { .. } => {
                Liveness::Live
            }
            Expr::Concat(a, b) => both(a, b),
            Expr::Union(parts) => {
                if parts.iter().any(|p| of(p) == Liveness::Live) {
                    Liveness::Live
                } else if parts.iter().all(|p| of(p) == Liveness::Dead) {
                    Liveness::Dead
                } else {
                    Liveness::Unknown
                }
            }
            // Text has more words than any list of literals.
            Expr::Inter(parts) if parts.iter().all(|&p| p == self.text || self.is_other_than_literals(p)) => {
                Liveness::Live
            }
            Expr::Inter(_) | Expr::Not(_) | Expr::Unknown(_) => Liveness::Unknown,
            Expr::Repeat(a, ..) => of(a),
            // Steps into a spelling keep only decoded states with a word left.
            Expr::Json { .. } => Liveness::Live,
        }
    }

    fn at_least_of(&self, expr: &Expr) -> u32 {
        let of = |id: &LangId| self.info[id.index()].at_least;
        match expr {
            Expr::Never => u32::MAX,
            Expr::Empty | Expr::All | Expr::Not(_) => 0,
            Expr::Chars(_) | Expr::Machine { .. } | Expr::Unknown(_) => 1,
            Expr::Literals { set, lo, hi, depth } if hi - lo == 1 => {
                self.literals[*set as usize].get(*lo).0.len() as u32 - depth
            }
            Expr::Literals { .. } => 1,
            Expr::Concat(a, b) => of(a).saturating_add(of(b)),
            Expr::Union(parts) => parts.iter().map(of).min().unwrap_or(0),
            Expr::Inter(parts) => parts.iter().map(of).max().unwrap_or(0),
            Expr::Repeat(a, min, _) => of(a).saturating_mul(*min),
            Expr::Json { inner, mode, .. } => match mode {
                JsonMode::Closed => 0,
                JsonMode::Start => of(inner).saturating_add(2),
                // No spelling is shorter than the text.
                JsonMode::Body => of(inner).saturating_add(1),
                // In an escape: the decoded state has not read the character yet.
                _ => 1,
            },
        }
    }

    // --- byte classes -------------------------------------------------------------------------------------

    /// The partition of the bytes that `id` and all its derivatives respect.
    pub(super) fn partition(&mut self, id: LangId) -> u32 {
        let known = self.info[id.index()].partition;
        if known != UNRESOLVED {
            return known;
        }
        let partition = match self.exprs[id.index()].clone() {
            Expr::Never | Expr::Empty | Expr::All => 0,
            Expr::Chars(node) => self.partitions.intern(self.chars.classes(node)),
            Expr::Literals { set, .. } => {
                if self.literal_partitions.len() <= set as usize {
                    self.literal_partitions.resize(set as usize + 1, UNRESOLVED);
                }
                if self.literal_partitions[set as usize] == UNRESOLVED {
                    let classes = self.literals[set as usize].classes();
                    self.literal_partitions[set as usize] = self.partitions.intern(classes);
                }
                self.literal_partitions[set as usize]
            }
            Expr::Concat(..) => {
                // From the last factor forwards: a chain of a hundred thousand factors must not recurse.
                let mut chain = vec![id];
                while let Some(Expr::Concat(_, tail)) = chain.last().map(|&at| self.expr(at)) {
                    chain.push(*tail);
                }
                let mut joined = chain.pop().map_or(0, |last| self.partition(last));
                while let Some(at) = chain.pop() {
                    if let Expr::Concat(head, _) = *self.expr(at) {
                        let head = self.partition(head);
                        joined = self.partitions.join(head, joined);
                        self.info[at.index()].partition = joined;
                    }
                }
                joined
            }
            Expr::Union(parts) | Expr::Inter(parts) => parts.iter().fold(0, |joined, &p| {
                let p = self.partition(p);
                self.partitions.join(joined, p)
            }),
            Expr::Not(a) | Expr::Repeat(a, ..) => self.partition(a),
            Expr::Json { inner, .. } => {
                let inner = self.partition(inner);
                let spelling = self.partitions.intern_ref(json_string::classes());
                self.partitions.join(inner, spelling)
            }
            Expr::Machine { machine, .. } => {
                self.partitions.intern(self.machines[machine as usize].0.classes())
            }
            Expr::Unknown(_) => self.partition_of_unknown(id),
        };
        self.info[id.index()].partition = partition;
        partition
    }

    /// Bytes that neither `id` nor any of its derivatives tells apart.
    pub fn byte_classes(&mut self, id: LangId) -> &ByteClasses {
        let partition = self.partition(id);
        self.partitions.get(partition)
    }
}

/// The counts of `(r{low,high}){min,max}` as one pair, where `k·low..=k·high` for `k` in `min..=max` leave no gap.
fn flatten_counts((low, high): (u32, u32), (min, max): (u32, u32)) -> Option<(u32, u32)> {
    let gapless = if min == max {
        true
    } else if min == 0 {
        low <= 1
    } else {
        // The gap between `min` groups and one more is the widest.
        high == UNBOUNDED || u64::from(min) * u64::from(high - low) + 1 >= u64::from(low)
    };
    if !gapless {
        return None;
    }
    let bounded = |a: u32, b: u32| a.checked_mul(b).filter(|&n| n < UNBOUNDED);
    let least = bounded(low, min)?;
    let most = if high == UNBOUNDED || max == UNBOUNDED { UNBOUNDED } else { bounded(high, max)? };
    Some((least, most))
}

fn replace(flat: &mut Vec<LangId>, old: &[LangId], new: LangId) {
    flat.retain(|p| !old.contains(p));
    flat.push(new);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A language built by the table's function must hold and refuse the given words.
    #[test]
    fn words() {
        type Build = fn(&mut Languages) -> LangId;
        let digit: fn(&mut Languages) -> LangId = |p| p.byte(&ByteSet::range(b'0', b'9'));
        let table: &[(&str, Build, &[&str], &[&str])] = &[
            ("bytes", |p| p.bytes(b"abc"), &["abc"], &["", "ab", "abcd"]),
            (
                "union",
                |p| {
                    let (a, b) = (p.bytes(b"ab"), p.bytes(b"a"));
                    p.union(&[a, b])
                },
                &["a", "ab"],
                &["", "b"],
            ),
            (
                "counted",
                |p| {
                    let d = p.byte(&ByteSet::range(b'0', b'9'));
                    p.repeat(d, 2, 3)
                },
                &["12", "123"],
                &["1", "1234", "1a"],
            ),
            (
                "excluded keys, decoded",
                |p| {
                    let keys = p.literals([(b"a".to_vec(), 1), (b"ab".to_vec(), 2)]);
                    let other = p.not(keys);
                    let text = p.any_text();
                    let inner = p.inter(&[text, other]);
                    p.json_string(inner, Escapes::Any)
                },
                &[r#""""#, r#""b""#, r#""abc""#, r#""\u0062""#, r#""\ud83d\ude00""#, r#""a\n""#, "\"é\""],
                &[
                    r#""a""#,
                    r#""ab""#,
                    r#""\u0061""#,
                    r#""a\u0062""#,
                    r#""\ud83d""#,
                    "\"\n\"",
                    r#""\x""#,
                    r#"""#,
                ],
            ),
            (
                "a class through escapes",
                |p| {
                    let c = p.char_class(&[(0x61, 0x63), (0x1f600, 0x1f600)]);
                    let cs = p.repeat(c, 1, 2);
                    p.json_string(cs, Escapes::Any)
                },
                &[r#""a""#, r#""\u0061b""#, r#""\uD83D\uDE00""#, "\"😀c\""],
                &[r#""""#, r#""d""#, r#""\u0064""#, r#""\uD83D\uDE01""#, r#""abc""#, r#""\u00""#],
            ),
            (
                "minimal escapes",
                |p| {
                    let t = p.any_text();
                    p.json_string(t, Escapes::Minimal)
                },
                &[r#""\n""#, r#""\u001f""#, r#""/""#],
                &[r#""\u0061""#, r#""\/""#, r#""\u001F""#, r#""\u000a""#],
            ),
            (
                "no unicode escapes",
                |p| {
                    let t = p.any_text();
                    p.json_string(t, Escapes::NoUnicode)
                },
                &[r#""\n\/""#],
                &[r#""\u0061""#],
            ),
        ];
        for (name, build, yes, no) in table {
            let mut pool = Languages::new();
            let id = build(&mut pool);
            yes.iter().for_each(|w| assert!(pool.accepts(id, w.as_bytes()), "{name}: {w} refused"));
            no.iter().for_each(|w| assert!(!pool.accepts(id, w.as_bytes()), "{name}: {w} accepted"));
        }
        let mut pool = Languages::new();
        let d = digit(&mut pool);
        let (two, three) = (pool.repeat(d, 2, 2), pool.repeat(d, 3, 3));
        let both = pool.inter(&[two, three]);
        assert!(pool.is_never(both));
    }

    #[test]
    fn any_key_except_some_becomes_any_string() {
        let mut pool = Languages::new();
        let keys = pool.literals([(b"name".to_vec(), 1), (b"nose".to_vec(), 2)]);
        let other = pool.not(keys);
        let text = pool.any_text();
        let inner = pool.inter(&[text, other]);
        let any = pool.json_string(text, Escapes::Any);
        let except = pool.json_string(inner, Escapes::Any);
        assert_ne!(pool.step_bytes(except, b"\"n"), pool.step_bytes(any, b"\"n"));
        assert_eq!(pool.step_bytes(except, b"\"x"), pool.step_bytes(any, b"\"x"));
        assert_eq!(pool.step_bytes(except, b"\"names"), pool.step_bytes(any, b"\"x"));
        assert_eq!(pool.step_bytes(except, b"\"na\\u006de"), pool.step_bytes(except, b"\"name"));
        assert_eq!(pool.step_bytes(except, b"\"name\""), LangId::NEVER);
    }

    #[test]
    fn no_state_is_a_dead_end() {
        let mut pool = Languages::new();
        let c = pool.char_class(&[(0x61, 0x62)]);
        let long = pool.repeat(c, 5, UNBOUNDED);
        let short = pool.repeat(c, 0, 6);
        let b = pool.bytes(b"b");
        let text = pool.any_text();
        let with_b = pool.sequence(&[text, b, text]);
        let no_b = pool.not(with_b);
        let id = pool.inter(&[long, short, no_b]);
        assert_eq!(pool.step(id, b'b'), LangId::NEVER);
        assert!(pool.accepts(id, b"aaaaa") && pool.accepts(id, b"aaaaaa"));
        assert!(!pool.accepts(id, b"aaaa") && pool.step_bytes(id, b"aaaaaaa") == LangId::NEVER);
        let no_text = pool.not(text);
        assert_eq!(pool.inter(&[long, short, no_text]), LangId::NEVER);
        let seven = pool.repeat(c, 7, UNBOUNDED);
        let none = pool.inter(&[seven, short]);
        assert!(pool.is_never(none) && !pool.exhausted());
    }

    #[test]
    fn fingerprints_agree_between_pools() {
        let mut a = Languages::new();
        let mut b = Languages::new();
        b.bytes(b"something else first");
        let of = |p: &mut Languages| {
            let (x, y) = (p.bytes(b"x"), p.char_class(&[(0x100, 0x200)]));
            let u = p.union(&[x, y]);
            let u = p.repeat(u, 2, 9);
            (p.fingerprint(u), u)
        };
        let ((fa, ua), (fb, ub)) = (of(&mut a), of(&mut b));
        assert_eq!(fa, fb);
        let (ua, ub) = (a.step(ua, b'x'), b.step(ub, b'x'));
        assert_eq!(a.fingerprint(ua), b.fingerprint(ub));
    }
}
