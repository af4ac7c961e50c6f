//! The pool of expressions: interning, and simple questions about an expression. Equations and
//! loops are defined here as well, since each needs the other.

use super::UNBOUNDED;
use super::budget::Budget;
use super::byte_classes::{ByteSet, Partitions};
use super::chars::CharGraph;
use super::expr::{CharTarget, Escapes, Expr, ExprInfo, JsonMode, LangId, Liveness, Row};
use super::expr::{UNRESOLVED, UNSTEPPED};
use super::interrupt;
use super::literals::{LiteralSet, LiteralSets, UNLABELLED};
use super::machine::Machines;
use super::memos::{Approximations, Mergers};
use super::spectrum::Spectra;
use hashbrown::HashMap;
use std::sync::{Arc, OnceLock};

/// A pool of interned expressions with their memoised transitions.
///
/// Cloning copies the pool. Ids are valid in both pools.
#[derive(Clone)]
pub struct ExprPool {
    pub(super) exprs: Vec<Expr>,
    pub(super) info: Vec<ExprInfo>,
    index: HashMap<u128, LangId>,
    pub(super) rows: Vec<u32>,
    pub(super) partitions: Partitions,
    pub(super) chars: CharGraph,
    pub(super) literals: LiteralSets,
    pub(super) machines: Machines,
    pub(super) json_chars: HashMap<LangId, Arc<[CharTarget]>>,
    pub(super) first_bytes: HashMap<LangId, ByteSet>,
    pub(super) equations: Vec<Equation>,
    /// The partitions of the rounds of loops, by their names.
    pub(super) loop_partitions: HashMap<u128, u32>,
    pub(super) approximations: Approximations,
    pub(super) spectra: Spectra,
    pub(super) mergers: Mergers,
    pub(super) led: HashMap<(LangId, LangId), LangId>,
    /// True for the pairs of which the first has the words of the second, as far as
    /// [`rounds`](super::rounds) sees that.
    pub(super) covered: HashMap<(LangId, LangId), bool>,
    /// Any UTF-8 text.
    pub(super) text: LangId,
    any_byte: LangId,
    /// One byte of JSON whitespace.
    pub(super) json_space: LangId,
    pub(super) budget: Budget,
}

impl Default for ExprPool {
    fn default() -> Self {
        Self::new()
    }
}

/// One equation `unknown = definition`.
#[derive(Clone)]
pub(super) struct Equation {
    /// The name of the solution in all pools of the process.
    pub key: u128,
    /// True if the empty word belongs to the solution.
    pub nullable: bool,
    /// The definition, which is ∅ until [`ExprPool::define`](super::ExprPool::define) is called.
    pub definition: LangId,
    /// True once [`ExprPool::define`](super::ExprPool::define) has been called.
    pub defined: bool,
    /// The loop that the solution is. It has its definition once that is asked for.
    pub rounds: Option<Arc<Loop>>,
}

/// One round of a loop: a function from the texts that may follow it to those that it may begin.
///
/// Both functions keep unions: applied to `x ∪ y` they give what they give for `x` and for `y`.
pub(super) trait Round: Send + Sync {
    /// The name of the function. It is the same in all pools of the process.
    fn key(&self) -> u128;
    /// The fewest characters of a round that reads something. It is at least 1.
    fn fewest_characters(&self) -> u32;
    /// True if a round may read nothing, at least where its assertions hold.
    fn may_read_nothing(&self) -> bool;
    /// A bound on the depth to which derivatives of a round recurse.
    fn depth(&self) -> u32;
    /// A round with all texts of this one, in which a repetition with a count above `small` has any
    /// number of rounds. `None` if there is no such count.
    fn without_counts(&self, small: u32) -> Option<Arc<dyn Round>>;
    /// The languages whose byte classes tell apart what a round tells apart.
    fn leaves(&self, pool: &mut ExprPool) -> Vec<LangId>;
    /// The texts that are a round of at least one character and then a word of `after`. `None` if
    /// the work took too long.
    fn reading(&self, pool: &mut ExprPool, after: &Row) -> Option<Row>;
    /// The words of `after` before which a round may read nothing. `None` if the work took too
    /// long.
    fn nothing(&self, pool: &mut ExprPool, after: &Row) -> Option<Row>;
}

/// The rounds that a loop counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    /// Rounds that read something.
    Reading,
    /// The same, with at least one place among them where a round reads nothing.
    Padded,
}

/// A loop in one context: at least `min` and at most `max` rounds, and then a word of `after`.
pub(super) struct Loop {
    pub(super) body: Arc<dyn Round>,
    pub(super) kind: Kind,
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) after: Row,
    pub(super) context: usize,
    /// The name of the loop without its counts.
    pub(super) family: u128,
}

/// Levels of two expressions that are compared to find that one covers the other.
const COMPARED: u32 = 4;

impl ExprPool {
    /// The most states that a pool searches from one [`refill`](Self::refill) to the next, to
    /// decide if intersections and complements have a word. Past that it is
    /// [exhausted](Self::exhausted).
    pub const DEFAULT_SEARCH_BUDGET: u64 = 100_000;

    /// A pool with only the standard languages. It is a copy of a pool that already has their
    /// transitions.
    pub fn new() -> Self {
        static STANDARD: OnceLock<ExprPool> = OnceLock::new();
        let standard = STANDARD.get_or_init(|| {
            interrupt::suspended(|| {
                let mut pool = Self::empty();
                let text = pool.any_text();
                for escapes in [Escapes::Any, Escapes::NoUnicode] {
                    let string = pool.json_string(text, escapes);
                    let body = pool.step(string, b'"');
                    pool.first_bytes(body);
                }
                pool
            })
        });
        standard.clone()
    }

    fn empty() -> Self {
        let mut pool = ExprPool {
            exprs: Vec::with_capacity(64),
            info: Vec::with_capacity(64),
            index: HashMap::with_capacity(64),
            rows: Vec::new(),
            partitions: Partitions::default(),
            chars: CharGraph::default(),
            literals: LiteralSets::default(),
            machines: Machines::default(),
            json_chars: HashMap::new(),
            first_bytes: HashMap::new(),
            equations: Vec::new(),
            loop_partitions: HashMap::new(),
            approximations: Approximations::default(),
            spectra: Spectra::default(),
            mergers: Mergers::default(),
            led: HashMap::new(),
            covered: HashMap::new(),
            text: LangId::NEVER,
            any_byte: LangId::NEVER,
            json_space: LangId::NEVER,
            budget: Budget::default(),
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
        pool.set_search_budget(Self::DEFAULT_SEARCH_BUDGET);
        pool
    }

    /// The number of expressions in the pool.
    pub fn len(&self) -> usize {
        self.exprs.len()
    }

    /// Always false: the standard languages are always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The memory that the pool holds, in bytes, approximately.
    pub fn memory(&self) -> usize {
        self.exprs.len() * (std::mem::size_of::<Expr>() + std::mem::size_of::<ExprInfo>() + 40)
            + self.rows.len() * 4
            + self.equations.len() * (size_of::<Equation>() + size_of::<Loop>())
            + self.spectra.memory()
            + self.mergers.memory()
            + self.approximations.memory()
            + self.covered.capacity() * size_of::<((LangId, LangId), bool)>()
    }

    /// Sets the budget described at [`DEFAULT_SEARCH_BUDGET`](Self::DEFAULT_SEARCH_BUDGET).
    pub fn set_search_budget(&mut self, states: u64) {
        self.budget.allow(states);
    }

    /// Begins a new piece of work with the whole search budget.
    pub fn refill(&mut self) {
        self.budget.refill();
    }

    /// True if the search budget has run out. Answers given since then mean nothing.
    #[inline]
    pub fn exhausted(&self) -> bool {
        self.budget.exhausted()
    }

    /// True if answers can be relied on: the budget has lasted, and no interrupt has ended the
    /// work.
    #[inline]
    pub fn is_sound(&self) -> bool {
        self.budget.is_sound()
    }

    /// Counts work that is about to be done. False if no more may be done.
    #[inline]
    pub(super) fn work(&mut self, units: usize) -> bool {
        self.budget.work(units)
    }

    /// The work since the pool was made.
    pub(super) fn spent(&self) -> u64 {
        self.budget.spent()
    }

    /// Pays for the state `id`. `spent` is the work before it was looked at. False if no more may
    /// be done.
    pub(super) fn pay_for_state(&mut self, id: LangId, spent: u64) -> bool {
        self.budget.pay_for_state(spent, self.info[id.index()].has_loops)
    }

    /// The expression behind an id.
    pub fn expr(&self, id: LangId) -> &Expr {
        &self.exprs[id.index()]
    }

    /// True if the empty word belongs to the language. Such a state accepts.
    #[inline]
    pub fn is_nullable(&self, id: LangId) -> bool {
        self.info[id.index()].nullable
    }

    /// A lower bound on the characters of a word, and so on its bytes.
    pub(super) fn at_least(&self, id: LangId) -> u32 {
        self.info[id.index()].at_least
    }

    /// True if every word is known to be UTF-8 text.
    pub fn is_text(&self, id: LangId) -> bool {
        self.info[id.index()].is_text
    }

    /// The fingerprint of the language, which is the same in all pools of this process. Equal
    /// fingerprints mean equal languages.
    pub fn fingerprint(&self, id: LangId) -> u128 {
        self.info[id.index()].fingerprint
    }

    /// The language of any UTF-8 text, the empty one included.
    pub fn any_text(&self) -> LangId {
        self.text
    }

    /// The language of any one byte.
    pub(super) fn any_byte(&self) -> LangId {
        self.any_byte
    }

    /// The literal set of an [`Expr::Literals`].
    pub fn literal_set(&self, set: u32) -> &Arc<LiteralSet> {
        self.literals.get(set)
    }

    /// The label of the literal that has just been completed, for a state of literals, plain or
    /// spelt as JSON strings.
    pub fn label(&self, id: LangId) -> Option<u32> {
        match *self.expr(id) {
            Expr::Literals { set, lo, depth, .. } => {
                let set = &self.literals.get(set);
                set.accepts(lo, depth).then(|| set.get(lo).1).filter(|&label| label != UNLABELLED)
            }
            Expr::Json { inner, mode: JsonMode::Closed, .. } => self.label(inner),
            Expr::Machine { machine, state } => self.machines.get(machine).label(state),
            _ => None,
        }
    }

    /// True if every word of `part` is known to be a word of `whole`: the two differ by a count, as
    /// `x{0,3}` and `x{0,5}` do. False says nothing.
    pub(crate) fn covers_by_count(&self, whole: LangId, part: LangId) -> bool {
        self.differs_by_count(whole, part, COMPARED)
    }

    fn differs_by_count(&self, whole: LangId, part: LangId, depth: u32) -> bool {
        if whole == part {
            return true;
        }
        if depth == 0 {
            return false;
        }
        match (self.expr(whole), self.expr(part)) {
            (Expr::Repeat(a, low, high), Expr::Repeat(b, least, most)) => {
                a == b && low <= least && most <= high
            }
            (Expr::Concat(a, rest), Expr::Concat(b, others)) => {
                a == b && self.differs_by_count(*rest, *others, depth - 1)
            }
            (Expr::Unknown(_), Expr::Unknown(_)) => match (self.loop_of(whole), self.loop_of(part)) {
                (Some(a), Some(b)) => {
                    (a.family, a.context) == (b.family, b.context) && a.min <= b.min && b.max <= a.max
                }
                _ => false,
            },
            (Expr::Inter(a), Expr::Inter(b)) => {
                let mut only_a = a.iter().filter(|part| !b.contains(part));
                let mut only_b = b.iter().filter(|part| !a.contains(part));
                match (only_a.next(), only_b.next(), only_a.next(), only_b.next()) {
                    (Some(a), Some(b), None, None) => self.differs_by_count(*a, *b, depth - 1),
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// The number of bytes read last that may belong to the marker at the end of a word, see
    /// [`Machine::held`](super::machine::Machine::held).
    pub(crate) fn held(&self, id: LangId) -> u32 {
        match *self.expr(id) {
            Expr::Machine { machine, state } => self.machines.get(machine).held(state),
            _ => 0,
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
                if e.next == super::chars::DONE { range } else { format!("{range}…") }
            })
            .collect();
        format!("[{}]", edges.join(" "))
    }

    pub(crate) fn machine_text(&self, machine: u32, state: u64) -> String {
        format!("{}@{state}", self.machines.get(machine).key())
    }

    /// Short words of a machine's labels.
    pub(super) fn machine_words(&self, machine: u32, state: u64) -> Vec<(Vec<u8>, u32)> {
        self.machines.get(machine).labelled_words(state)
    }

    /// The parts of an expression that is at most `n` bytes of JSON whitespace and then a language
    /// whose words begin otherwise: `n` and that language.
    pub fn after_json_space(&mut self, id: LangId) -> Option<(u32, LangId)> {
        let Expr::Concat(head, tail) = *self.expr(id) else { return None };
        let Expr::Repeat(body, 0, most) = *self.expr(head) else { return None };
        if body != self.json_space || self.is_nullable(tail) {
            return None;
        }
        let (first, spaces) = (self.first_bytes(tail), self.first_bytes(body));
        first.0.iter().zip(spaces.0).all(|(a, b)| a & b == 0).then_some((most, tail))
    }

    pub(super) fn intern(&mut self, expr: Expr) -> LangId {
        let fingerprint = self.fingerprint_of(&expr);
        if let Some(&id) = self.index.get(&fingerprint) {
            return id;
        }
        let nullable = self.nullable_of(&expr);
        let is_text = self.is_text_of(&expr);
        let has_intersections = match &expr {
            Expr::Union(members) => members.iter().any(|&member| matches!(self.expr(member), Expr::Inter(_))),
            _ => false,
        };
        let has_loops = self.has_loops_of(&expr);
        let is_condition = self.is_condition_of(&expr);
        let liveness = if nullable { Liveness::Live } else { self.liveness_of(&expr) };
        let at_least = if nullable { 0 } else { self.at_least_of(&expr).max(1) };
        let at_most = if nullable { 0 } else { self.at_most_of(&expr) };
        let completion = self.completion_of(&expr).max(at_most);
        let largest_count = self.largest_count_of(&expr);
        let lengths = self.lengths_of(&expr);
        let depth = self.depth_of(&expr);
        let info = ExprInfo {
            fingerprint,
            row: UNSTEPPED,
            partition: UNRESOLVED,
            nullable,
            is_text,
            has_intersections,
            has_loops,
            is_condition,
            liveness,
            at_least,
            at_most,
            completion,
            largest_count,
            depth,
            lengths,
        };
        self.add(expr, info)
    }

    /// The expression with this fingerprint, if the pool has it.
    pub(super) fn with_fingerprint(&self, fingerprint: u128) -> Option<LangId> {
        self.index.get(&fingerprint).copied()
    }

    /// Adds an expression that the pool does not have.
    pub(super) fn add(&mut self, expr: Expr, info: ExprInfo) -> LangId {
        let id = LangId(self.exprs.len() as u32);
        self.index.insert(info.fingerprint, id);
        self.exprs.push(expr);
        self.info.push(info);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each language has and lacks the words that the table says.
    #[test]
    fn words() {
        type Build = fn(&mut ExprPool) -> LangId;
        let digit: fn(&mut ExprPool) -> LangId = |p| p.byte(&ByteSet::range(b'0', b'9'));
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
            let mut pool = ExprPool::new();
            let id = build(&mut pool);
            yes.iter().for_each(|w| assert!(pool.accepts(id, w.as_bytes()), "{name}: {w} refused"));
            no.iter().for_each(|w| assert!(!pool.accepts(id, w.as_bytes()), "{name}: {w} accepted"));
        }
        let mut pool = ExprPool::new();
        let d = digit(&mut pool);
        let (two, three) = (pool.repeat(d, 2, 2), pool.repeat(d, 3, 3));
        let both = pool.inter(&[two, three]);
        assert!(pool.is_never(both));
    }

    #[test]
    fn any_key_except_some_becomes_any_string() {
        let mut pool = ExprPool::new();
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
    fn a_run_in_any_text_is_one_counter() {
        let mut pool = ExprPool::new();
        let letter = pool.char_class(&[(0x61, 0x7a)]);
        let (text, run) = (pool.any_text(), pool.repeat(letter, 5, 9));
        let id = pool.sequence(&[text, run, text]);
        assert_eq!(pool.step_bytes(id, b"abc1abc"), pool.step_bytes(id, b"abc"));
        assert_eq!(pool.step_bytes(id, b"1abcde"), text);
        assert!(pool.accepts(id, b"1abc1abcdef") && !pool.accepts(id, b"abc1abcd"));
    }

    #[test]
    fn no_state_is_a_dead_end() {
        let mut pool = ExprPool::new();
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
        let mut a = ExprPool::new();
        let mut b = ExprPool::new();
        b.bytes(b"something else first");
        let of = |p: &mut ExprPool| {
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
