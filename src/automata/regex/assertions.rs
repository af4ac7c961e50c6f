//! From the syntax tree to a language. Assertions become intersections or plain expressions.
//!
//! # The idea
//!
//! A node is compiled together with the language `K` of everything that follows it, up to the end
//! of the text. This is called continuation passing. It makes lookahead simple: `(?=X)` before `K`
//! is `K ∩ X·Σ*`, `(?!X)` is `K ∩ ¬(X·Σ*)`, and `$` is `K ∩ ε`. A star whose body asserts something
//! solves the equation `Z = K ∪ body·Z` ([`equations`](crate::automata::equations)).
//!
//! The text *before* a node is not at hand in this direction. A finite *context* stands for it. For
//! every lookbehind `X` of the pattern it holds a state of `Σ*·X` after the text so far. `^` is the
//! lookbehind whose language is `ε`. The contexts and their transitions by characters are explored
//! first. A continuation is then a row with one language for each context, and `(?<=X)` keeps the
//! entries of the contexts in which `X` has just matched. A part without assertions may lead from
//! one context to several. If the row differs among them, the part is split by the context that it
//! leads to. For `^` and `\b` its last character alone decides that, so that `[a-z]{2,9}` is split
//! into `[a-z]{1,8}` and a last letter. Otherwise it is split by intersections with the texts that
//! lead from one context to another.
//!
//! Lookahead of one character, as in `\b` and `(?!x)`, needs no intersection either. The first
//! factors of `K` are cut down to that character (`automata/leading.rs`).
//!
//! # The price
//!
//! Patterns without assertions pay nothing. `^` makes two contexts, and a lookbehind makes as many
//! as its automaton has states, at most [`CONTEXT_LIMIT`]. A counted group with assertions inside
//! is a loop of the pool ([`loops`](crate::automata::loops)). One round of it is rewritten for each
//! count that is met, when it is met.
//!
//! Sources: O. Danvy and L. Nielsen, *Defunctionalization at work* (2001), on regular expressions
//! in continuation-passing style; T. Miyazaki and Y. Minamide, *Derivatives of regular expressions
//! with lookahead* (2019), on lookahead as an intersection with the rest.

use super::ast::{Node, Side, Sign};
use super::error::RegexErrorKind;
use super::{Anchoring, PatternFault};
use crate::automata::expr_pool::Round;
use crate::automata::fingerprint::Fingerprinter;
use crate::automata::{ExprPool, LangId, UNBOUNDED, UNLABELLED};
use hashbrown::{HashMap, HashSet};
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// The most contexts that the lookbehinds of a pattern may have together.
pub(super) const CONTEXT_LIMIT: usize = 64;
/// The most steps that the rewriting of assertions may take.
pub(super) const WORK_LIMIT: usize = 50_000;
/// The depth to which derivatives may recurse. Each counted group within another adds to it, since
/// the next byte can belong to all of them. A level takes about 1 KB of the stack, and threads have
/// 2 MB.
const DEPTH_LIMIT: usize = 500;
/// The most parts of expressions that the rewriting may look at.
const PARTS_LIMIT: usize = 8_000_000;

/// The code points that no text has.
const SURROGATES: (u32, u32) = (0xd800, 0xdfff);

/// The languages that may follow, one for each context.
type ContextRow = SmallVec<[LangId; 2]>;

/// The language of the texts in which `node` matches.
pub(super) fn compile(
    pool: &mut ExprPool,
    node: &Node,
    anchoring: Anchoring,
) -> Result<LangId, PatternFault> {
    let mut work = Allowance { steps: WORK_LIMIT, spent: pool.spent() + PARTS_LIMIT as u64 };
    let text = pool.any_text();
    match anchoring {
        Anchoring::Search => Scope::new(pool, node, &mut work, Lookahead::Allowed)?.texts(node, text, text),
        Anchoring::Full => {
            Scope::new(pool, node, &mut work, Lookahead::Allowed)?.texts(node, LangId::EMPTY, LangId::EMPTY)
        }
    }
}

/// The work that is left within the limits.
struct Allowance {
    steps: usize,
    /// The work that the pool may have done in the end.
    spent: u64,
}

/// The right of assertions to look past the end of the text that is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lookahead {
    Allowed,
    /// Refused within lookbehind, whose text ends at the position that looks back.
    Refused,
}

/// An edge between contexts: the characters of `class` lead to `next`.
#[derive(Clone)]
struct Edge {
    class: ClassUnicode,
    next: usize,
}

/// A node by its place in memory. It is the key of what is known about the nodes of one tree.
fn place(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

/// The assertions of a text with its own start, and the contexts of its lookbehinds.
struct Survey {
    /// Nodes that hold an assertion.
    asserting: HashSet<usize>,
    /// The number of the lookbehind that a node asks for, for `^` and lookbehind nodes.
    behind: HashMap<usize, usize>,
    /// True for each context and lookbehind if it matches there. Context 0 is the start of the
    /// text.
    holds: Vec<Vec<bool>>,
    edges: Vec<Vec<Edge>>,
    /// True if a character alone decides which context it leads to, whatever the context before it
    /// is. This holds if lookbehind sees no further back than one character, as with `^` and `\b`.
    definite: bool,
    /// The name of the contexts in keys of unknowns.
    fingerprint: u128,
}

/// A text with its own start: that of the pattern, or that of a lookbehind.
struct Scope<'p> {
    pool: &'p mut ExprPool,
    work: &'p mut Allowance,
    survey: Arc<Survey>,
    plain: HashMap<usize, LangId>,
    /// True while a pattern is compiled, and false while a loop is defined.
    compiles: bool,
}

impl<'p> Scope<'p> {
    fn new(
        pool: &'p mut ExprPool,
        node: &Node,
        work: &'p mut Allowance,
        lookahead: Lookahead,
    ) -> Result<Self, PatternFault> {
        let mut survey = Survey {
            asserting: HashSet::new(),
            behind: HashMap::new(),
            holds: Vec::new(),
            edges: Vec::new(),
            definite: true,
            fingerprint: 0,
        };
        let mut languages = Vec::new();
        survey.find(pool, work, node, lookahead, &mut languages)?;
        survey.explore(pool, &languages)?;
        Ok(Scope { pool, work, survey: Arc::new(survey), plain: HashMap::new(), compiles: true })
    }
}

impl Survey {
    /// Finds the assertions below `node` and compiles the languages of lookbehinds. True if there
    /// are any assertions.
    fn find(
        &mut self,
        pool: &mut ExprPool,
        work: &mut Allowance,
        node: &Node,
        lookahead: Lookahead,
        languages: &mut Vec<LangId>,
    ) -> Result<bool, PatternFault> {
        let asserts = match node {
            Node::Empty | Node::Literal(_) | Node::Class(_) => false,
            Node::Concat(parts) | Node::Alt(parts) => {
                let mut any = false;
                for part in parts {
                    any |= self.find(pool, work, part, lookahead, languages)?;
                }
                any
            }
            Node::Repeat(body, ..) => self.find(pool, work, body, lookahead, languages)?,
            Node::Start => {
                self.ask(node, LangId::EMPTY, languages);
                true
            }
            Node::End if lookahead == Lookahead::Refused => {
                return Err((0..0, RegexErrorKind::AheadInsideBehind));
            }
            Node::End => true,
            Node::Look { side: Side::Ahead, span, .. } if lookahead == Lookahead::Refused => {
                return Err((span.clone(), RegexErrorKind::AheadInsideBehind));
            }
            Node::Look { side: Side::Ahead, body, .. } => {
                self.find(pool, work, body, lookahead, languages)?;
                true
            }
            Node::Look { side: Side::Behind, body, span, .. } => {
                let text = pool.any_text();
                let inner = Scope::new(pool, body, work, Lookahead::Refused);
                let language = inner.and_then(|mut scope| scope.texts(body, text, LangId::EMPTY));
                let language = language.map_err(|(at, kind)| {
                    // `$` has no place of its own.
                    (if at == (0..0) { span.clone() } else { at }, kind)
                })?;
                self.ask(node, language, languages);
                true
            }
        };
        if asserts {
            self.asserting.insert(place(node));
        }
        Ok(asserts)
    }

    fn ask(&mut self, node: &Node, language: LangId, languages: &mut Vec<LangId>) {
        let index = languages.iter().position(|&l| l == language).unwrap_or_else(|| {
            languages.push(language);
            languages.len() - 1
        });
        self.behind.insert(place(node), index);
    }

    /// Finds all contexts that can be reached from the start of the text.
    fn explore(&mut self, pool: &mut ExprPool, languages: &[LangId]) -> Result<(), PatternFault> {
        let mut f = Fingerprinter::new(0xc0);
        for &language in languages {
            f = f.part(pool.fingerprint(language));
        }
        self.fingerprint = f.finish();
        let start: Vec<LangId> = languages.to_vec();
        let mut ids: HashMap<Vec<LangId>, usize> = HashMap::from([(start.clone(), 0)]);
        let mut contexts = vec![start];
        while let Some(context) = contexts.get(self.edges.len()).cloned() {
            self.holds.push(context.iter().map(|&l| pool.is_nullable(l)).collect());
            // Between two cuts, all characters lead to the same context.
            let targets: Vec<_> = context.iter().map(|&l| pool.char_targets(l)).collect();
            let mut cuts: Vec<u32> = vec![0, SURROGATES.0, SURROGATES.1 + 1];
            targets.iter().flat_map(|t| t.iter()).for_each(|t| cuts.extend([t.lo, t.hi + 1]));
            cuts.sort_unstable();
            cuts.dedup();
            cuts.retain(|&c| c <= 0x10_ffff);
            let mut edges: Vec<(usize, Vec<(u32, u32)>)> = Vec::new();
            for (i, &lo) in cuts.iter().enumerate() {
                let hi = cuts.get(i + 1).map_or(0x10_ffff, |next| next - 1);
                // Surrogates are no characters, and so lead nowhere.
                if lo == SURROGATES.0 {
                    continue;
                }
                let next: Vec<LangId> = targets
                    .iter()
                    .map(|t| {
                        let at = t.partition_point(|t| t.hi < lo);
                        t.get(at).filter(|t| t.lo <= lo).map_or(LangId::NEVER, |t| t.next)
                    })
                    .collect();
                let known = ids.len();
                let next = *ids.entry(next).or_insert_with_key(|key| {
                    contexts.push(key.clone());
                    known
                });
                match edges.iter_mut().find(|e| e.0 == next) {
                    Some(edge) => edge.1.push((lo, hi)),
                    None => edges.push((next, vec![(lo, hi)])),
                }
            }
            if contexts.len() > CONTEXT_LIMIT {
                return Err(expansion("lookbehind states", CONTEXT_LIMIT));
            }
            let edge = |(next, ranges): (usize, Vec<(u32, u32)>)| Edge {
                class: super::ecma_class::class_of(&ranges),
                next,
            };
            self.edges.push(edges.into_iter().map(edge).collect());
        }
        self.definite = self.edges.iter().all(|edges| edges.iter().all(|edge| self.is_definite(edge)));
        Ok(())
    }

    /// True if all edges of the first context that share a character with `edge` lead to the same
    /// context as `edge`.
    fn is_definite(&self, edge: &Edge) -> bool {
        self.edges[0].iter().filter(|first| first.next != edge.next).all(|first| {
            let mut both = first.class.clone();
            both.intersect(&edge.class);
            both.ranges().is_empty()
        })
    }
}

impl Scope<'_> {
    /// The texts that are a word of `before`, a match of `node` and a word of `after`.
    fn texts(&mut self, node: &Node, before: LangId, after: LangId) -> Result<LangId, PatternFault> {
        let after: ContextRow = smallvec![after; self.survey.edges.len()];
        let mut found = Vec::new();
        // Each alternative is compiled alone, so that assertions of one do not make others larger.
        let alternatives = match node {
            Node::Alt(parts) if self.survey.asserting.contains(&place(node)) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        for alternative in alternatives {
            let row = self.follow(alternative, &after)?;
            let row = self.apply(before, &row);
            found.extend(row.first());
        }
        Ok(self.pool.union(&found))
    }

    fn spend(&mut self, amount: usize) -> Result<(), PatternFault> {
        match self.work.steps.checked_sub(amount) {
            Some(left) if self.pool.work(amount) => self.work.steps = left,
            _ => return Err(expansion("rewriting steps", WORK_LIMIT)),
        }
        if self.pool.spent() > self.work.spent {
            return Err(expansion("parts of expressions looked at", PARTS_LIMIT));
        }
        Ok(())
    }

    /// Fails if derivatives of the languages would recurse too deeply.
    fn check_depth(&self, row: &ContextRow) -> Result<(), PatternFault> {
        if row.iter().any(|&k| self.pool.depth(k) as usize > DEPTH_LIMIT) {
            return Err(expansion("nested rounds that a byte can belong to", DEPTH_LIMIT));
        }
        Ok(())
    }

    /// The texts that are a match of `node` and then a word of `k`.
    fn follow(&mut self, node: &Node, k: &ContextRow) -> Result<ContextRow, PatternFault> {
        if !self.survey.asserting.contains(&place(node)) {
            return self.follow_plain(node, k);
        }
        self.spend(k.len())?;
        Ok(match node {
            Node::Concat(parts) => {
                parts.iter().rev().try_fold(k.clone(), |row, part| self.follow(part, &row))?
            }
            Node::Alt(parts) => {
                let rows = parts.iter().map(|p| self.follow(p, k)).collect::<Result<Vec<_>, _>>()?;
                self.union_rows(k.len(), &rows)
            }
            // An assertion that is made twice at one position is made once.
            Node::Repeat(body, min, _) if body.reads_nothing() => match min {
                0 => k.clone(),
                _ => self.follow(body, k)?,
            },
            Node::Repeat(body, min, max) => self.rounds(body, (*min, *max), k)?,
            Node::Start | Node::Look { side: Side::Behind, .. } => self.where_behind(node, k),
            Node::End => k.iter().map(|&k| self.pool.inter(&[k, LangId::EMPTY])).collect(),
            Node::Look { side: Side::Ahead, sign, body, .. } if body.one_character().is_some() => {
                let mut class = body.one_character().unwrap_or_else(ClassUnicode::empty);
                if *sign == Sign::Forbids {
                    class.negate();
                }
                let class = class_language(self.pool, &class);
                let end = |pool: &ExprPool, k| *sign == Sign::Forbids && pool.is_nullable(k);
                k.iter()
                    .map(|&k| {
                        let led = self.pool.led_by(k, class);
                        if end(self.pool, k) { self.pool.union(&[LangId::EMPTY, led]) } else { led }
                    })
                    .collect()
            }
            Node::Look { side: Side::Ahead, sign, body, .. } => {
                let text = self.pool.any_text();
                let ahead = self.follow(body, &smallvec![text; k.len()])?;
                let both = k.iter().zip(&ahead);
                both.map(|(&k, &ahead)| {
                    let ahead = match sign {
                        Sign::Demands => ahead,
                        Sign::Forbids => self.pool.not(ahead),
                    };
                    self.pool.inter(&[k, ahead])
                })
                .collect()
            }
            Node::Empty | Node::Literal(_) | Node::Class(_) => self.follow_plain(node, k)?,
        })
    }

    /// The same if `node` reads at least one character, which keeps equations guarded.
    fn follow_some(&mut self, node: &Node, k: &ContextRow) -> Result<ContextRow, PatternFault> {
        let nothing: ContextRow = smallvec![LangId::NEVER; k.len()];
        if !self.survey.asserting.contains(&place(node)) {
            let language = self.plain(node);
            if !self.pool.is_nullable(language) {
                return self.follow_plain(node, k);
            }
            if self.survey.definite || k.iter().all(|&other| other == k[0]) {
                let some = self.follow_ending(node, k)?;
                return Ok(smallvec![some; k.len()]);
            }
            let not_empty = self.pool.not(LangId::EMPTY);
            let language = self.pool.inter(&[language, not_empty]);
            return Ok(self.apply(language, k));
        }
        self.spend(k.len())?;
        match node {
            Node::Concat(parts) => {
                let (mut all, mut some) = (k.clone(), nothing);
                for part in parts.iter().rev() {
                    (all, some) = self.prepend_some(part, &all, &some)?;
                }
                Ok(some)
            }
            Node::Alt(parts) => {
                let rows = parts.iter().map(|p| self.follow_some(p, k)).collect::<Result<Vec<_>, _>>()?;
                Ok(self.union_rows(k.len(), &rows))
            }
            Node::Repeat(body, ..) if body.reads_nothing() => Ok(nothing),
            Node::Repeat(body, min, max) => {
                if *max == 0 {
                    return Ok(nothing);
                }
                // The first round that reads something. Rounds before it read nothing. If there
                // are any, they may be as many as are needed.
                let fewer = |count: u32| if count == UNBOUNDED { count } else { count.saturating_sub(1) };
                let rest = self.rounds(body, (fewer(*min), fewer(*max)), k)?;
                let first = self.follow_some(body, &rest)?;
                if *min < 2 || !body.may_be_empty() {
                    return Ok(first);
                }
                let rest = self.rounds(body, (0, fewer(fewer(*max))), k)?;
                let later = self.follow_some(body, &rest)?;
                let later = self.follow_nothing(body, &later)?;
                Ok(self.union_rows(k.len(), &[first, later]))
            }
            _ => Ok(nothing),
        }
    }

    /// Puts `part` in front of two rows: one for any reading of the parts behind it (`all`), and
    /// one for readings of at least one character (`some`).
    fn prepend_some(
        &mut self,
        part: &Node,
        all: &ContextRow,
        some: &ContextRow,
    ) -> Result<(ContextRow, ContextRow), PatternFault> {
        let here = self.follow_some(part, all)?;
        let later = self.follow_nothing(part, some)?;
        let all = self.follow(part, all)?;
        Ok((all, self.union_rows(here.len(), &[here, later])))
    }

    /// The texts of `k` before which `node` matches the empty text, so that only its assertions
    /// count.
    fn follow_nothing(&mut self, node: &Node, k: &ContextRow) -> Result<ContextRow, PatternFault> {
        if !self.survey.asserting.contains(&place(node)) {
            let language = self.plain(node);
            let empty = self.pool.is_nullable(language);
            return Ok(if empty { k.clone() } else { smallvec![LangId::NEVER; k.len()] });
        }
        self.spend(k.len())?;
        match node {
            Node::Concat(parts) => {
                let mut row = k.clone();
                for part in parts.iter().rev() {
                    row = self.follow_nothing(part, &row)?;
                }
                Ok(row)
            }
            Node::Alt(parts) => {
                let rows = parts.iter().map(|p| self.follow_nothing(p, k)).collect::<Result<Vec<_>, _>>()?;
                Ok(self.union_rows(k.len(), &rows))
            }
            Node::Repeat(_, 0, _) => Ok(k.clone()),
            // An assertion that is made twice at one position is made once.
            Node::Repeat(body, ..) => self.follow_nothing(body, k),
            assertion => self.follow(assertion, k),
        }
    }

    /// The texts that are at least `min` and at most `max` matches of `body` and then a word of
    /// `k`.
    fn rounds(
        &mut self,
        body: &Arc<Node>,
        (min, max): (u32, u32),
        k: &ContextRow,
    ) -> Result<ContextRow, PatternFault> {
        match (min, max) {
            (_, 0) => return Ok(k.clone()),
            (1, 1) => return self.follow(body, k),
            (0, 1) => {
                let one = self.follow_some(body, k)?;
                return Ok(self.union_rows(k.len(), &[k.clone(), one]));
            }
            _ => {}
        }
        let mut after = k.clone();
        if self.compiles {
            // What follows a part is decided before the part, so that the search for a word of the
            // part ends where the part does.
            after.iter_mut().filter(|k| self.pool.is_never(**k)).for_each(|k| *k = LangId::NEVER);
        }
        let round: Arc<dyn Round> = Arc::new(Body::new(body, &self.survey));
        let row = self.pool.rounds_before(&round, (min, max), &after);
        self.spend(0)?;
        let row = row.ok_or_else(|| expansion("rewriting steps", WORK_LIMIT))?;
        self.check_depth(&row)?;
        Ok(row)
    }

    /// The row `k` in the contexts in which `^` or a lookbehind holds, and nothing in the others.
    fn where_behind(&mut self, node: &Node, k: &ContextRow) -> ContextRow {
        let demanded = !matches!(node, Node::Look { sign: Sign::Forbids, .. });
        let index = self.survey.behind.get(&place(node)).copied().unwrap_or(0);
        let here =
            |context: usize| self.survey.holds[context].get(index).copied().unwrap_or(false) == demanded;
        k.iter().enumerate().map(|(c, &k)| if here(c) { k } else { LangId::NEVER }).collect()
    }

    fn union_rows(&mut self, len: usize, rows: &[ContextRow]) -> ContextRow {
        (0..len)
            .map(|c| {
                let parts: Vec<LangId> = rows.iter().map(|row| row[c]).collect();
                self.pool.union(&parts)
            })
            .collect()
    }

    // Parts without assertions.

    fn follow_plain(&mut self, node: &Node, k: &ContextRow) -> Result<ContextRow, PatternFault> {
        if k.iter().all(|&other| other == k[0]) {
            let language = self.plain(node);
            let language = self.pool.concat(language, k[0]);
            return Ok(smallvec![language; k.len()]);
        }
        self.spend(k.len())?;
        if self.survey.definite {
            let some = self.follow_ending(node, k)?;
            let language = self.plain(node);
            if !self.pool.is_nullable(language) {
                return Ok(smallvec![some; k.len()]);
            }
            return Ok(k.iter().map(|&k| self.pool.union(&[some, k])).collect());
        }
        Ok(match node {
            Node::Literal(text) => {
                let contexts = 0..k.len();
                contexts
                    .map(|context| {
                        let end = text.chars().fold(context, |context, c| self.next_context(context, c));
                        let language = self.pool.bytes(text.as_bytes());
                        self.pool.concat(language, k[end])
                    })
                    .collect()
            }
            Node::Class(class) => (0..k.len()).map(|context| self.follow_class(context, class, k)).collect(),
            Node::Concat(parts) => {
                parts.iter().rev().try_fold(k.clone(), |row, part| self.follow_plain(part, &row))?
            }
            Node::Alt(parts) => {
                let rows = parts.iter().map(|p| self.follow_plain(p, k)).collect::<Result<Vec<_>, _>>()?;
                self.union_rows(k.len(), &rows)
            }
            other => {
                let language = self.plain(other);
                self.apply(language, k)
            }
        })
    }

    /// The texts that are a character of `class`, read in `context`, and then a word of `k`.
    fn follow_class(&mut self, context: usize, class: &ClassUnicode, k: &ContextRow) -> LangId {
        let mut parts: Vec<(LangId, ClassUnicode)> = Vec::new();
        for edge in &self.survey.edges[context] {
            let mut both = class.clone();
            both.intersect(&edge.class);
            match parts.iter_mut().find(|part| part.0 == k[edge.next]) {
                Some(part) => part.1.union(&both),
                None => parts.push((k[edge.next], both)),
            }
        }
        let pool = &mut *self.pool;
        let parts: Vec<LangId> = parts
            .into_iter()
            .map(|(rest, class)| {
                let class = class_language(pool, &class);
                pool.concat(class, rest)
            })
            .collect();
        pool.union(&parts)
    }

    /// The texts that are a match of `node` with at least one character and then a word of `k`, for
    /// a `node` without assertions. The last character decides which entry of `k` counts, so
    /// contexts must be definite, or the entries all the same.
    fn follow_ending(&mut self, node: &Node, k: &ContextRow) -> Result<LangId, PatternFault> {
        self.spend(1)?;
        Ok(match node {
            Node::Literal(text) => match text.chars().last() {
                Some(last) => {
                    let end = self.next_context(0, last);
                    let language = self.pool.bytes(text.as_bytes());
                    self.pool.concat(language, k[end])
                }
                None => LangId::NEVER,
            },
            Node::Class(class) => self.follow_class(0, class, k),
            Node::Concat(parts) => {
                // The loop goes from the last part forwards. Parts behind the one with the last
                // character read nothing.
                let (mut ending, mut rest_may_be_empty) = (LangId::NEVER, true);
                for part in parts.iter().rev() {
                    let language = self.plain(part);
                    ending = self.pool.concat(language, ending);
                    if rest_may_be_empty {
                        let here = self.follow_ending(part, k)?;
                        ending = self.pool.union(&[ending, here]);
                        rest_may_be_empty = self.pool.is_nullable(language);
                    }
                }
                ending
            }
            Node::Alt(parts) => {
                // Literal alternatives with the same rest are one sorted set, however many there
                // are.
                let mut literals: Vec<Vec<(Vec<u8>, u32)>> = vec![Vec::new(); k.len()];
                let mut others: Vec<LangId> = Vec::new();
                for part in parts {
                    match part {
                        Node::Literal(text) => {
                            let end = text.chars().last().map_or(0, |c| self.next_context(0, c));
                            literals[end].push((text.clone().into_bytes(), UNLABELLED));
                        }
                        other => others.push(self.follow_ending(other, k)?),
                    }
                }
                for (&rest, literals) in k.iter().zip(literals) {
                    let literals = self.pool.literals(literals);
                    others.push(self.pool.concat(literals, rest));
                }
                self.pool.union(&others)
            }
            Node::Repeat(_, _, 0) => LangId::NEVER,
            Node::Repeat(body, min, max) => {
                let last = self.follow_ending(body, k)?;
                let body = self.plain(body);
                let max = if *max == UNBOUNDED { UNBOUNDED } else { max - 1 };
                let before = self.pool.repeat(body, min.saturating_sub(1), max);
                self.pool.concat(before, last)
            }
            Node::Empty | Node::Start | Node::End | Node::Look { .. } => LangId::NEVER,
        })
    }

    fn next_context(&self, context: usize, c: char) -> usize {
        let holds = |e: &&Edge| {
            let ranges = e.class.ranges();
            let at = ranges.partition_point(|r| r.end() < c);
            ranges.get(at).is_some_and(|r| r.start() <= c)
        };
        self.survey.edges[context].iter().find(holds).map_or(context, |edge| edge.next)
    }

    /// The texts that are a word of `language` and then a word of `k`.
    fn apply(&mut self, language: LangId, k: &ContextRow) -> ContextRow {
        if language == LangId::EMPTY {
            return k.clone();
        }
        let mut rests: Vec<LangId> = k.iter().copied().filter(|&k| k != LangId::NEVER).collect();
        rests.sort_unstable();
        rests.dedup();
        if rests.is_empty() || k.iter().all(|&other| other == k[0]) {
            let all = self.pool.concat(language, k[0]);
            return smallvec![all; k.len()];
        }
        let mut parts: Vec<ContextRow> = Vec::new();
        for rest in rests {
            let accepting: Vec<bool> = k.iter().map(|&k| k == rest).collect();
            let paths = self.paths(&accepting);
            let row = paths.into_iter().map(|path| {
                let part = self.pool.inter(&[language, path]);
                self.pool.concat(part, rest)
            });
            parts.push(row.collect());
        }
        self.union_rows(k.len(), &parts)
    }

    /// The texts that lead from each context to one of the `accepting` contexts.
    fn paths(&mut self, accepting: &[bool]) -> Vec<LangId> {
        let n = accepting.len();
        // Bit b of reach[a] says that one character or more lead from a to b. There are at most 64.
        let mut reach: Vec<u64> = (0..n)
            .map(|c| self.survey.edges[c].iter().fold(0, |set, edge| set | 1u64 << edge.next))
            .collect();
        for via in 0..n {
            for from in 0..n {
                if reach[from] >> via & 1 == 1 {
                    reach[from] |= reach[via];
                }
            }
        }
        let goal = (0..n).filter(|&c| accepting[c]).fold(0u64, |set, c| set | 1 << c);
        let name = Fingerprinter::new(0xd1).part(self.survey.fingerprint).word(goal);
        let mut paths: Vec<Option<LangId>> = vec![None; n];
        let mut open: Vec<usize> = Vec::new();
        for c in 0..n {
            let through_others = (0..n).any(|d| d != c && reach[c] >> d & 1 == 1 && reach[d] >> c & 1 == 1);
            if reach[c] & goal == 0 {
                paths[c] = Some(if accepting[c] { LangId::EMPTY } else { LangId::NEVER });
            } else if (0..n).all(|d| accepting[d] || (d != c && reach[c] >> d & 1 == 0)) {
                paths[c] = Some(self.pool.any_text());
            } else if through_others {
                let (id, new) = self.pool.unknown(name.word(c as u64).finish(), accepting[c]);
                paths[c] = Some(id);
                if new {
                    open.push(c);
                }
            }
        }
        // The rest is on no cycle but its own loop. Contexts that others lead to come first.
        let mut rest: Vec<usize> = (0..n).filter(|&c| paths[c].is_none()).collect();
        rest.sort_by_key(|&c| reach[c].count_ones());
        while !rest.is_empty() {
            let ready =
                |&c: &usize| self.survey.edges[c].iter().all(|e| e.next == c || paths[e.next].is_some());
            let Some(at) = rest.iter().position(ready) else { break };
            let c = rest.remove(at);
            paths[c] = Some(self.path_from(c, accepting, &paths));
        }
        for c in open {
            let definition = self.path_from(c, accepting, &paths);
            if let Some(unknown) = paths[c] {
                self.pool.define(unknown, definition);
            }
        }
        paths.into_iter().map(|path| path.unwrap_or(LangId::NEVER)).collect()
    }

    /// The texts that lead from the context `c` to an accepting one, given those of the contexts
    /// that its characters lead to.
    fn path_from(&mut self, c: usize, accepting: &[bool], paths: &[Option<LangId>]) -> LangId {
        let mut parts = Vec::new();
        let mut stay = LangId::EMPTY;
        if accepting[c] {
            parts.push(LangId::EMPTY);
        }
        for edge in &self.survey.edges[c] {
            let class = class_language(self.pool, &edge.class);
            if edge.next == c {
                stay = self.pool.repeat(class, 0, UNBOUNDED);
            } else if let Some(path) = paths[edge.next] {
                parts.push(self.pool.concat(class, path));
            }
        }
        let leave = self.pool.union(&parts);
        self.pool.concat(stay, leave)
    }

    /// The language of a node without assertions.
    fn plain(&mut self, node: &Node) -> LangId {
        match node {
            Node::Empty | Node::Start | Node::End | Node::Look { .. } => LangId::EMPTY,
            Node::Literal(text) => self.pool.bytes(text.as_bytes()),
            Node::Class(class) => class_language(self.pool, class),
            Node::Concat(_) | Node::Alt(_) | Node::Repeat(..) => {
                let key = place(node);
                if let Some(&known) = self.plain.get(&key) {
                    return known;
                }
                let language = self.plain_compound(node);
                self.plain.insert(key, language);
                language
            }
        }
    }

    fn plain_compound(&mut self, node: &Node) -> LangId {
        match node {
            Node::Concat(parts) => {
                let parts: Vec<LangId> = parts.iter().map(|p| self.plain(p)).collect();
                self.pool.sequence(&parts)
            }
            Node::Alt(parts) => {
                // Literal alternatives are one sorted set, however many there are.
                let mut literals: Vec<(Vec<u8>, u32)> = Vec::new();
                let mut others: Vec<LangId> = Vec::new();
                for part in parts {
                    match part {
                        Node::Literal(text) => literals.push((text.clone().into_bytes(), UNLABELLED)),
                        other => others.push(self.plain(other)),
                    }
                }
                if !literals.is_empty() {
                    others.push(self.pool.literals(literals));
                }
                self.pool.union(&others)
            }
            Node::Repeat(body, min, max) => {
                let body = self.plain(body);
                self.pool.repeat(body, *min, *max)
            }
            leaf => self.plain(leaf),
        }
    }
}

fn class_language(pool: &mut ExprPool, class: &ClassUnicode) -> LangId {
    let range = |r: &ClassUnicodeRange| (u32::from(r.start()), u32::from(r.end()));
    let ranges: Vec<(u32, u32)> = class.ranges().iter().map(range).collect();
    pool.char_class(&ranges)
}

fn expansion(what: &'static str, limit: usize) -> PatternFault {
    (0..0, RegexErrorKind::Expansion { what, limit })
}

/// The body of a counted group with assertions, as a round of a loop of the pool.
struct Body {
    node: Arc<Node>,
    survey: Arc<Survey>,
    key: u128,
}

impl Body {
    fn new(node: &Arc<Node>, survey: &Arc<Survey>) -> Self {
        let key = node.fingerprint(Fingerprinter::new(0x57a5)).part(survey.fingerprint).finish();
        Body { node: node.clone(), survey: survey.clone(), key }
    }

    /// Rewrites the body in front of `after` in the way of `rewrite`.
    fn rewritten(
        &self,
        pool: &mut ExprPool,
        rewrite: impl FnOnce(&mut Scope<'_>) -> Result<ContextRow, PatternFault>,
    ) -> Option<ContextRow> {
        let mut work = Allowance { steps: WORK_LIMIT, spent: pool.spent() + PARTS_LIMIT as u64 };
        let survey = self.survey.clone();
        rewrite(&mut Scope { pool, work: &mut work, survey, plain: HashMap::new(), compiles: false }).ok()
    }
}

impl Round for Body {
    fn key(&self) -> u128 {
        self.key
    }

    fn fewest_characters(&self) -> u32 {
        self.node.fewest_characters().max(1)
    }

    fn may_read_nothing(&self) -> bool {
        self.node.may_be_empty()
    }

    fn depth(&self) -> u32 {
        // A derivative goes through the loop, its alternatives and their factors.
        4 * self.node.nested_repeats() + 4
    }

    fn without_counts(&self, small: u32) -> Option<Arc<dyn Round>> {
        if self.node.largest_count() <= small {
            return None;
        }
        let node = Arc::new(self.node.without_counts(small));
        let known = &self.survey;
        let mut survey = Survey {
            asserting: HashSet::new(),
            behind: HashMap::new(),
            holds: known.holds.clone(),
            edges: known.edges.clone(),
            definite: known.definite,
            fingerprint: known.fingerprint,
        };
        self.node.visit_pairs(&node, &mut |old, new| {
            if known.asserting.contains(&place(old)) {
                survey.asserting.insert(place(new));
            }
            if let Some(&index) = known.behind.get(&place(old)) {
                survey.behind.insert(place(new), index);
            }
        });
        Some(Arc::new(Body::new(&node, &Arc::new(survey))))
    }

    fn leaves(&self, pool: &mut ExprPool) -> Vec<LangId> {
        let edges = self.survey.edges.iter().flatten();
        let mut leaves: Vec<LangId> = edges.map(|edge| class_language(pool, &edge.class)).collect();
        let mut open: Vec<&Node> = vec![&self.node];
        while let Some(node) = open.pop() {
            match node {
                Node::Empty | Node::Start | Node::End => {}
                Node::Literal(text) => leaves.push(pool.bytes(text.as_bytes())),
                Node::Class(class) => leaves.push(class_language(pool, class)),
                Node::Concat(parts) | Node::Alt(parts) => open.extend(parts),
                Node::Repeat(body, ..) => open.push(body),
                Node::Look { body, .. } => open.push(body),
            }
        }
        leaves
    }

    fn reading(&self, pool: &mut ExprPool, after: &ContextRow) -> Option<ContextRow> {
        self.rewritten(pool, |scope| scope.follow_some(&self.node, after))
    }

    fn nothing(&self, pool: &mut ExprPool, after: &ContextRow) -> Option<ContextRow> {
        self.rewritten(pool, |scope| scope.follow_nothing(&self.node, after))
    }
}
