//! From the syntax tree to a language: assertions become intersections.
//!
//! # The idea
//!
//! A node is compiled together with the language `K` of everything that follows it up to the end of the text
//! (continuation passing). Then lookahead is nothing special: `(?=X)` before `K` is `K ∩ X·Σ*`, `(?!X)` is
//! `K ∩ ¬(X·Σ*)`, and `$` is `K ∩ ε`. A star whose body asserts something solves `Z = K ∪ body·Z`
//! ([`equations`](crate::automata::equations)).
//!
//! What *precedes* is not at hand going this way, so it is kept as a finite *context*: for every lookbehind `X` of the
//! pattern, how far `Σ*·X` has come on the text read so far, as a language of what is missing. `^` is the lookbehind
//! whose language is `ε`. Contexts and their transitions by characters are explored first; every continuation is
//! then a row, one language per context, and `(?<=X)` keeps the entries of the contexts where `X` has just matched.
//! A part without assertions takes one context to several; where the row differs among those, the part is split by
//! the context it leads to: one character by its ranges, anything longer by intersection with "the texts that lead
//! from here to there".
//!
//! # The price
//!
//! Nothing for patterns without assertions; two contexts for `^`; for lookbehind as many as its automaton has states,
//! at most [`CONTEXT_LIMIT`]. Counted groups with assertions inside are unrolled, at most [`WORK_LIMIT`] steps in all.
//!
//! Source: continuation-passing regular expressions are O. Danvy and L. Nielsen, *Defunctionalization at work* (2001);
//! that lookahead is intersection with the rest is T. Miyazaki and Y. Minamide, *Derivatives of regular expressions
//! with lookahead* (2019).

use super::ast::{Node, Side, Sign};
use super::error::RegexErrorKind;
use super::{Anchoring, Failure};
use crate::automata::fingerprint::Fingerprinter;
use crate::automata::{LangId, Languages, UNBOUNDED, UNLABELLED};
use hashbrown::{HashMap, HashSet};
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use smallvec::{smallvec, SmallVec};

/// How many contexts the lookbehinds of a pattern may have together.
pub(super) const CONTEXT_LIMIT: usize = 64;
/// How many steps the rewriting of assertions may take.
pub(super) const WORK_LIMIT: usize = 50_000;

/// What may follow, one language per context.
type Row = SmallVec<[LangId; 2]>;

/// The language of the texts in which `node` matches.
pub(super) fn compile(pool: &mut Languages, node: &Node, anchoring: Anchoring) -> Result<LangId, Failure> {
    let mut work = WORK_LIMIT;
    let text = pool.any_text();
    match anchoring {
        Anchoring::Search => Scope::new(pool, node, &mut work, Lookahead::Allowed)?.texts(node, text, text),
        Anchoring::Full => {
            Scope::new(pool, node, &mut work, Lookahead::Allowed)?.texts(node, LangId::EMPTY, LangId::EMPTY)
        }
    }
}

/// Whether assertions may look past the end of what is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lookahead {
    Allowed,
    /// Inside lookbehind, where the text ends at the position that looks back.
    Refused,
}

/// Characters of `class` lead from one context to `next`.
struct Edge {
    class: ClassUnicode,
    next: usize,
}

/// One text with its own start: the pattern, or what a lookbehind sees.
struct Scope<'p> {
    pool: &'p mut Languages,
    work: &'p mut usize,
    /// Nodes that hold an assertion.
    asserting: HashSet<*const Node>,
    /// For `^` and lookbehind nodes: which of the languages of a context they ask for.
    behind: HashMap<*const Node, usize>,
    /// Per context and lookbehind: whether it matches here. Context 0 is the start of the text.
    holds: Vec<Vec<bool>>,
    edges: Vec<Vec<Edge>>,
    /// Names the contexts in keys of unknowns.
    fingerprint: u128,
    plain: HashMap<*const Node, LangId>,
}

impl<'p> Scope<'p> {
    fn new(
        pool: &'p mut Languages,
        node: &Node,
        work: &'p mut usize,
        lookahead: Lookahead,
    ) -> Result<Self, Failure> {
        let mut scope = Scope {
            pool,
            work,
            asserting: HashSet::new(),
            behind: HashMap::new(),
            holds: Vec::new(),
            edges: Vec::new(),
            fingerprint: 0,
            plain: HashMap::new(),
        };
        let mut languages = Vec::new();
        scope.survey(node, lookahead, &mut languages)?;
        scope.explore(&languages)?;
        Ok(scope)
    }

    /// Finds the assertions below `node` and compiles what lookbehind asks for. Returns whether there are any.
    fn survey(
        &mut self,
        node: &Node,
        lookahead: Lookahead,
        languages: &mut Vec<LangId>,
    ) -> Result<bool, Failure> {
        let asserts = match node {
            Node::Empty | Node::Literal(_) | Node::Class(_) => false,
            Node::Concat(parts) | Node::Alt(parts) => {
                let mut any = false;
                for part in parts {
                    any |= self.survey(part, lookahead, languages)?;
                }
                any
            }
            Node::Repeat { body, .. } => self.survey(body, lookahead, languages)?,
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
                self.survey(body, lookahead, languages)?;
                true
            }
            Node::Look { side: Side::Behind, body, span, .. } => {
                let text = self.pool.any_text();
                let inner = Scope::new(self.pool, body, self.work, Lookahead::Refused);
                let language = inner.and_then(|mut scope| scope.texts(body, text, LangId::EMPTY));
                let language = language.map_err(|(at, kind)| {
                    // `$` knows no place of its own.
                    (if at == (0..0) { span.clone() } else { at }, kind)
                })?;
                self.ask(node, language, languages);
                true
            }
        };
        if asserts {
            self.asserting.insert(node);
        }
        Ok(asserts)
    }

    fn ask(&mut self, node: &Node, language: LangId, languages: &mut Vec<LangId>) {
        let index = languages.iter().position(|&l| l == language).unwrap_or_else(|| {
            languages.push(language);
            languages.len() - 1
        });
        self.behind.insert(node, index);
    }

    /// Finds all contexts reachable from the start of the text.
    fn explore(&mut self, languages: &[LangId]) -> Result<(), Failure> {
        let mut f = Fingerprinter::new(0xc0);
        for &language in languages {
            f = f.part(self.pool.fingerprint(language));
        }
        self.fingerprint = f.finish();
        let start: Vec<LangId> = languages.to_vec();
        let mut ids: HashMap<Vec<LangId>, usize> = HashMap::from([(start.clone(), 0)]);
        let mut contexts = vec![start];
        while let Some(context) = contexts.get(self.edges.len()).cloned() {
            self.holds.push(context.iter().map(|&l| self.pool.is_nullable(l)).collect());
            // Between two cuts, all characters lead to the same context.
            let targets: Vec<_> = context.iter().map(|&l| self.pool.char_targets(l)).collect();
            let mut cuts: Vec<u32> = vec![0];
            targets.iter().flat_map(|t| t.iter()).for_each(|t| cuts.extend([t.lo, t.hi + 1]));
            cuts.sort_unstable();
            cuts.dedup();
            cuts.retain(|&c| c <= 0x10_ffff);
            let mut edges: Vec<(usize, Vec<(u32, u32)>)> = Vec::new();
            for (i, &lo) in cuts.iter().enumerate() {
                let hi = cuts.get(i + 1).map_or(0x10_ffff, |next| next - 1);
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
                let kind = RegexErrorKind::Expansion { what: "lookbehind states", limit: CONTEXT_LIMIT };
                return Err((0..0, kind));
            }
            let edge = |(next, ranges): (usize, Vec<(u32, u32)>)| Edge {
                class: super::ecma_class::class_of(&ranges),
                next,
            };
            self.edges.push(edges.into_iter().map(edge).collect());
        }
        Ok(())
    }

    /// The texts with something of `before`, a match of `node`, and something of `after`.
    fn texts(&mut self, node: &Node, before: LangId, after: LangId) -> Result<LangId, Failure> {
        let after: Row = smallvec![after; self.edges.len()];
        let mut found = Vec::new();
        // Alternative by alternative, so that what one asserts does not make the others larger.
        let alternatives = match node {
            Node::Alt(parts) if self.asserting.contains(&std::ptr::from_ref(node)) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        for alternative in alternatives {
            let row = self.follow(alternative, &after)?;
            let row = self.apply(before, &row);
            found.extend(row.first());
        }
        Ok(self.pool.union(&found))
    }

    fn spend(&mut self, amount: usize) -> Result<(), Failure> {
        match self.work.checked_sub(amount) {
            Some(left) => {
                *self.work = left;
                Ok(())
            }
            None => Err((0..0, RegexErrorKind::Expansion { what: "rewriting steps", limit: WORK_LIMIT })),
        }
    }

    /// `node`, then `k`.
    fn follow(&mut self, node: &Node, k: &Row) -> Result<Row, Failure> {
        if !self.asserting.contains(&std::ptr::from_ref(node)) {
            return self.follow_plain(node, k);
        }
        self.spend(k.len())?;
        Ok(match node {
            Node::Concat(parts) => {
                let mut row = k.clone();
                for part in parts.iter().rev() {
                    row = self.follow(part, &row)?;
                }
                row
            }
            Node::Alt(parts) => {
                let rows = parts.iter().map(|p| self.follow(p, k)).collect::<Result<Vec<_>, _>>()?;
                self.union_rows(k.len(), &rows)
            }
            Node::Repeat { body, min, max } => {
                let mut row = self.optional(body, max_left(*min, *max), k)?;
                for _ in 0..*min {
                    row = self.follow(body, &row)?;
                }
                row
            }
            Node::Start | Node::Look { side: Side::Behind, .. } => self.where_behind(node, k),
            Node::End => k.iter().map(|&k| self.pool.inter(&[k, LangId::EMPTY])).collect(),
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

    /// `node` reading at least one character, then `k`: what keeps equations guarded.
    fn follow_some(&mut self, node: &Node, k: &Row) -> Result<Row, Failure> {
        let nothing: Row = smallvec![LangId::NEVER; k.len()];
        if !self.asserting.contains(&std::ptr::from_ref(node)) {
            let language = self.plain(node);
            if !self.pool.is_nullable(language) {
                return self.follow_plain(node, k);
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
            Node::Repeat { body, min, max } => {
                let left = max_left(*min, *max);
                let mut all = self.optional(body, left, k)?;
                // One of the optional rounds reads something; rounds before it that read nothing change nothing.
                let mut some = if left == 0 {
                    nothing
                } else {
                    let rest =
                        if left == UNBOUNDED { all.clone() } else { self.optional(body, left - 1, k)? };
                    self.follow_some(body, &rest)?
                };
                for _ in 0..*min {
                    (all, some) = self.prepend_some(body, &all, &some)?;
                }
                Ok(some)
            }
            _ => Ok(nothing),
        }
    }

    /// `part` before what reads anything (`all`) and what reads something (`some`).
    fn prepend_some(&mut self, part: &Node, all: &Row, some: &Row) -> Result<(Row, Row), Failure> {
        let here = self.follow_some(part, all)?;
        let later = self.follow_nothing(part, some)?;
        let all = self.follow(part, all)?;
        Ok((all, self.union_rows(here.len(), &[here, later])))
    }

    /// `node` matching the empty text, then `k`: only its assertions are left.
    fn follow_nothing(&mut self, node: &Node, k: &Row) -> Result<Row, Failure> {
        if !self.asserting.contains(&std::ptr::from_ref(node)) {
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
            Node::Repeat { min: 0, .. } => Ok(k.clone()),
            // At one position, asserting twice is asserting once.
            Node::Repeat { body, .. } => self.follow_nothing(body, k),
            assertion => self.follow(assertion, k),
        }
    }

    /// At most `max` times `body`, then `k`.
    fn optional(&mut self, body: &Node, max: u32, k: &Row) -> Result<Row, Failure> {
        if max == UNBOUNDED {
            return self.star(body, k);
        }
        let mut row = k.clone();
        for _ in 0..max {
            let more = self.follow_some(body, &row)?;
            let next = self.union_rows(k.len(), &[k.clone(), more]);
            if next == row {
                break;
            }
            row = next;
        }
        Ok(row)
    }

    /// Any number of `body`, then `k`: one equation per context.
    fn star(&mut self, body: &Node, k: &Row) -> Result<Row, Failure> {
        let mut f = body.fingerprint(Fingerprinter::new(0x57a2)).part(self.fingerprint);
        for &k in k {
            f = f.part(self.pool.fingerprint(k));
        }
        let mut unknowns = Row::new();
        let mut undefined = false;
        for (context, &k) in k.iter().enumerate() {
            let nullable = self.pool.is_nullable(k);
            let (id, new) = self.pool.unknown(f.word(context as u64).finish(), nullable);
            unknowns.push(id);
            undefined |= new;
        }
        if undefined {
            let more = self.follow_some(body, &unknowns)?;
            for ((&unknown, &k), &more) in unknowns.iter().zip(k).zip(&more) {
                let definition = self.pool.union(&[k, more]);
                self.pool.define(unknown, definition);
            }
        }
        Ok(unknowns)
    }

    /// Keeps `k` in the contexts where `^` or a lookbehind holds.
    fn where_behind(&mut self, node: &Node, k: &Row) -> Row {
        let demanded = !matches!(node, Node::Look { sign: Sign::Forbids, .. });
        let index = self.behind.get(&std::ptr::from_ref(node)).copied().unwrap_or(0);
        let here = |context: usize| self.holds[context].get(index).copied().unwrap_or(false) == demanded;
        k.iter().enumerate().map(|(c, &k)| if here(c) { k } else { LangId::NEVER }).collect()
    }

    fn union_rows(&mut self, len: usize, rows: &[Row]) -> Row {
        (0..len)
            .map(|c| {
                let parts: Vec<LangId> = rows.iter().map(|row| row[c]).collect();
                self.pool.union(&parts)
            })
            .collect()
    }

    // --- parts without assertions ---------------------------------------------------------------------------

    fn follow_plain(&mut self, node: &Node, k: &Row) -> Result<Row, Failure> {
        if k.iter().all(|&other| other == k[0]) {
            let language = self.plain(node);
            let language = self.pool.concat(language, k[0]);
            return Ok(smallvec![language; k.len()]);
        }
        self.spend(k.len())?;
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
            Node::Class(class) => (0..k.len())
                .map(|context| {
                    let mut parts: Vec<(LangId, ClassUnicode)> = Vec::new();
                    for edge in &self.edges[context] {
                        let mut both = class.clone();
                        both.intersect(&edge.class);
                        match parts.iter_mut().find(|part| part.0 == k[edge.next]) {
                            Some(part) => part.1.union(&both),
                            None => parts.push((k[edge.next], both)),
                        }
                    }
                    let parts: Vec<LangId> = parts
                        .into_iter()
                        .map(|(rest, class)| {
                            let class = class_language(self.pool, &class);
                            self.pool.concat(class, rest)
                        })
                        .collect();
                    self.pool.union(&parts)
                })
                .collect(),
            Node::Concat(parts) => {
                let mut row = k.clone();
                for part in parts.iter().rev() {
                    row = self.follow_plain(part, &row)?;
                }
                row
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

    fn next_context(&self, context: usize, c: char) -> usize {
        let holds = |e: &&Edge| {
            let ranges = e.class.ranges();
            let at = ranges.partition_point(|r| r.end() < c);
            ranges.get(at).is_some_and(|r| r.start() <= c)
        };
        self.edges[context].iter().find(holds).map_or(context, |edge| edge.next)
    }

    /// A word of `language`, then `k`.
    fn apply(&mut self, language: LangId, k: &Row) -> Row {
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
        let mut parts: Vec<Row> = Vec::new();
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

    /// Per context: the texts that lead from it to one of the `accepting` contexts.
    fn paths(&mut self, accepting: &[bool]) -> Vec<LangId> {
        let n = accepting.len();
        // reach[a] has bit b: b is reachable from a by one character or more. n ≤ 64.
        let mut reach: Vec<u64> =
            (0..n).map(|c| self.edges[c].iter().fold(0, |set, edge| set | 1u64 << edge.next)).collect();
        for via in 0..n {
            for from in 0..n {
                if reach[from] >> via & 1 == 1 {
                    reach[from] |= reach[via];
                }
            }
        }
        let goal = (0..n).filter(|&c| accepting[c]).fold(0u64, |set, c| set | 1 << c);
        let name = Fingerprinter::new(0xd1).part(self.fingerprint).word(goal);
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
        // What is left has no cycle but its own loop: those it leads to come first.
        let mut rest: Vec<usize> = (0..n).filter(|&c| paths[c].is_none()).collect();
        rest.sort_by_key(|&c| reach[c].count_ones());
        while !rest.is_empty() {
            let ready = |&c: &usize| self.edges[c].iter().all(|e| e.next == c || paths[e.next].is_some());
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

    /// The paths from `c`, given those from where its characters lead.
    fn path_from(&mut self, c: usize, accepting: &[bool], paths: &[Option<LangId>]) -> LangId {
        let mut parts = Vec::new();
        let mut stay = LangId::EMPTY;
        if accepting[c] {
            parts.push(LangId::EMPTY);
        }
        for edge in &self.edges[c] {
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
            Node::Concat(_) | Node::Alt(_) | Node::Repeat { .. } => {
                let key = std::ptr::from_ref(node);
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
            Node::Repeat { body, min, max } => {
                let body = self.plain(body);
                self.pool.repeat(body, *min, *max)
            }
            leaf => self.plain(leaf),
        }
    }
}

fn max_left(min: u32, max: u32) -> u32 {
    if max == UNBOUNDED {
        UNBOUNDED
    } else {
        max - min
    }
}

fn class_language(pool: &mut Languages, class: &ClassUnicode) -> LangId {
    let range = |r: &ClassUnicodeRange| (u32::from(r.start()), u32::from(r.end()));
    let ranges: Vec<(u32, u32)> = class.ranges().iter().map(range).collect();
    pool.char_class(&ranges)
}
