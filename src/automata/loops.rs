//! Loops whose rounds depend on the text around them, such as `(\w+(?=;);){0,20}`.
//!
//! A repetition `r{2,9}` needs a language `r` for its rounds. A round that looks ahead has none:
//! the texts that it matches depend on what follows. It has a function instead, from the texts that
//! may follow the round to the texts that are a round and one of these ([`Round`]). The `n` rounds
//! of a loop are this function applied `n` times. Writing them out takes time and memory in
//! proportion to `n`, and states then have an alternative for each count.
//!
//! So a loop is an unknown ([`equations`](super::equations)) that is defined when it is first asked
//! for. `Z{2,9}` is a round and then `Z{1,8}`, and the definition of `Z{1,8}` can wait. The names
//! of loops hold their counts, so that counts are merged like those of repetitions: a round before
//! `x ∪ y` is a round before `x` or a round before `y`. It follows that
//!
//! - `Z{1,3} ∪ Z{2,5} = Z{1,5}`, if both go on alike;
//! - two loops with equal counts that go on with `x` and with `y` are one loop that goes on with
//!   `x ∪ y`. A loop within a loop has these.
//!
//! # Rounds that read nothing
//!
//! A definition must read a byte before it comes to another loop. So all rounds that a loop counts
//! read something. Rounds that read nothing need no count: they can be repeated at their place.
//! `Z{0,n}` leaves them out. `Z{m,n}` with fewer than `m` rounds that read something must have a
//! place with a round that reads nothing, and rounds that are missing are made up there
//! ([`Kind::Padded`]).
//!
//! # The price
//!
//! Each count that is met has a definition. Counts of loops are exact: they are never treated as
//! alike, since lookahead may see the end of the text however far away it is.

use super::UNBOUNDED;
use super::expr::{Expr, LangId, Row};
use super::expr_pool::{Equation, ExprPool, Kind, Loop, Round};
use super::fingerprint::Fingerprinter;
use smallvec::SmallVec;
use std::sync::Arc;

impl Loop {
    /// The name of the loop without what follows it. Loops of one name that begin in one context
    /// differ by their counts and by what follows.
    pub(super) fn name(&self) -> u128 {
        let f = Fingerprinter::new(0x57a4).part(self.body.key());
        f.word(self.kind as u64).word(self.context as u64).finish()
    }
}

fn fewer(count: u32) -> u32 {
    if count == UNBOUNDED { count } else { count.saturating_sub(1) }
}

impl ExprPool {
    /// The texts that are at least `min` and at most `max` rounds and then a word of `after`, in
    /// each context.
    pub(super) fn rounds_before(
        &mut self,
        body: &Arc<dyn Round>,
        (mut min, max): (u32, u32),
        after: &Row,
    ) -> Option<Row> {
        let padding = match min > 0 && body.may_read_nothing() {
            true => Some(body.nothing(self, after)?),
            false => None,
        };
        if padding.as_ref() == Some(after) {
            min = 0;
        }
        let all = self.loop_row(body, Kind::Reading, (min, max), after)?;
        if min == 0 || padding.is_none() {
            return Some(all);
        }
        let padded = self.padded_row(body, fewer(max), after)?;
        Some(self.union_of_rows(&all, &padded))
    }

    fn union_of_rows(&mut self, a: &Row, b: &Row) -> Row {
        a.iter().zip(b).map(|(&a, &b)| self.union(&[a, b])).collect()
    }

    fn loop_row(
        &mut self,
        body: &Arc<dyn Round>,
        kind: Kind,
        (min, max): (u32, u32),
        after: &Row,
    ) -> Option<Row> {
        if max == 0 {
            return match kind {
                Kind::Reading => Some(after.clone()),
                Kind::Padded => body.nothing(self, after),
            };
        }
        if after.iter().all(|&after| after == LangId::NEVER) {
            return Some(after.clone());
        }
        let ends: SmallVec<[bool; 2]> = match kind {
            Kind::Reading => after.iter().map(|&after| min == 0 && self.is_nullable(after)).collect(),
            Kind::Padded => {
                let empty = self.empty_at_end(body, after.len())?;
                after.iter().zip(&*empty).map(|(&after, &empty)| empty && self.is_nullable(after)).collect()
            }
        };
        let mut f = Fingerprinter::new(0x57a2).part(body.key()).word(kind as u64);
        for &after in after {
            f = f.part(self.fingerprint(after));
        }
        let family = f.finish();
        let row = ends.into_iter().enumerate().map(|(context, nullable)| {
            let (body, after) = (body.clone(), after.clone());
            self.loop_language(Loop { body, kind, min, max, after, context, family }, nullable)
        });
        Some(row.collect())
    }

    /// The loop `of` with other counts and with `after` behind it. `None` if the work took too
    /// long.
    fn loop_like(&mut self, of: &Loop, counts: (u32, u32), after: &Row) -> Option<LangId> {
        Some(self.loop_row(&of.body, of.kind, counts, after)?[of.context])
    }

    /// A loop with all words of `of`, in which no count is above `small`, and with `after` behind
    /// it.
    pub(super) fn loop_without_counts(&mut self, of: &Loop, small: u32, after: &Row) -> Option<LangId> {
        let is_large = |count| count != UNBOUNDED && count > small;
        let counts = match is_large(of.min) || is_large(of.max) {
            true => (of.min.min(1), UNBOUNDED),
            false => (of.min, of.max),
        };
        let body = of.body.without_counts(small).unwrap_or_else(|| of.body.clone());
        Some(self.loop_row(&body, of.kind, counts, after)?[of.context])
    }

    /// The texts that are at most `max` rounds, at one place of which a round reads nothing, and
    /// then a word of `after`. Contexts that lead to no such place have none.
    fn padded_row(&mut self, body: &Arc<dyn Round>, max: u32, after: &Row) -> Option<Row> {
        let row = self.loop_row(body, Kind::Padded, (0, max), after)?;
        if max == UNBOUNDED && after.iter().all(|&after| after == self.text) {
            return Some(row);
        }
        let places = self.leads_to_padding(body, after.len())?;
        let kept =
            row.iter().zip(&*places).map(|(&padded, &leads)| if leads { padded } else { LangId::NEVER });
        Some(kept.collect())
    }

    /// True for each context from which rounds may lead to a place where a round reads nothing.
    fn leads_to_padding(&mut self, body: &Arc<dyn Round>, contexts: usize) -> Option<Arc<[bool]>> {
        if let Some(known) = self.mergers.leads_to_padding.get(&body.key()) {
            return Some(known.clone());
        }
        // Without counts it is quickly found, and at worst a context too many.
        let text = SmallVec::from_elem(self.text, contexts);
        let free = body.without_counts(1).unwrap_or_else(|| body.clone());
        let row = self.loop_row(&free, Kind::Padded, (0, UNBOUNDED), &text)?;
        let leads: Arc<[bool]> = row.iter().map(|&padded| !self.is_never(padded)).collect();
        if !self.is_sound() {
            return None;
        }
        self.mergers.leads_to_padding.insert(body.key(), leads.clone());
        Some(leads)
    }

    /// True for each context in which a round may read nothing at the end of the text.
    fn empty_at_end(&mut self, body: &Arc<dyn Round>, contexts: usize) -> Option<Arc<[bool]>> {
        if let Some(known) = self.mergers.empty_at_end.get(&body.key()) {
            return Some(known.clone());
        }
        let row = body.nothing(self, &SmallVec::from_elem(LangId::EMPTY, contexts))?;
        let empty: Arc<[bool]> = row.iter().map(|&end| self.is_nullable(end)).collect();
        if self.is_sound() {
            self.mergers.empty_at_end.insert(body.key(), empty.clone());
        }
        Some(empty)
    }

    /// The unknown of a loop, which is defined later.
    pub(super) fn loop_language(&mut self, of: Loop, nullable: bool) -> LangId {
        let counts = u64::from(of.min) << 32 | u64::from(of.max);
        let key = Fingerprinter::new(0x57a3).part(of.family).word(counts).word(of.context as u64).finish();
        let rounds = Some(Arc::new(of));
        self.unknown_of(Equation { key, nullable, definition: LangId::NEVER, defined: false, rounds })
    }

    /// The loop that an expression is.
    pub(super) fn loop_of(&self, id: LangId) -> Option<&Arc<Loop>> {
        match *self.expr(id) {
            Expr::Unknown(equation) => self.equations[equation as usize].rounds.as_ref(),
            _ => None,
        }
    }

    /// The definition of an unknown. That of a loop is made when it is first asked for. `None`, and
    /// the pool is no longer sound, if that took too long.
    pub(super) fn definition(&mut self, equation: u32) -> Option<LangId> {
        let known = &self.equations[equation as usize];
        if known.defined {
            return Some(known.definition);
        }
        let Some(of) = known.rounds.clone() else { return Some(known.definition) };
        let defined = self.define_loops(&of);
        if defined.is_none() && self.is_sound() {
            self.budget.exhaust();
        }
        defined
    }

    /// Defines a loop in all contexts, and returns the definition in its own.
    fn define_loops(&mut self, of: &Loop) -> Option<LangId> {
        let Loop { body, kind, min, max, after, context, .. } = of;
        let next = match kind {
            Kind::Reading => self.loop_row(body, *kind, (min.saturating_sub(1), fewer(*max)), after)?,
            Kind::Padded => self.padded_row(body, fewer(*max), after)?,
        };
        let more = body.reading(self, &next)?;
        let now = match kind {
            Kind::Reading if *min == 0 => after.clone(),
            Kind::Reading => SmallVec::from_elem(LangId::NEVER, after.len()),
            Kind::Padded => {
                let rest = self.loop_row(body, Kind::Reading, (0, *max), after)?;
                body.nothing(self, &rest)?
            }
        };
        let definitions = self.union_of_rows(&now, &more);
        let loops = self.loop_row(body, *kind, (*min, *max), after)?;
        if !self.is_sound() {
            return None;
        }
        for (&unknown, &definition) in loops.iter().zip(&definitions) {
            self.define(unknown, definition);
        }
        Some(definitions[*context])
    }

    /// Loops that differ only by adjoining counts, as one.
    pub(super) fn merge_counts(&mut self, same: &[LangId]) -> Option<LangId> {
        let first = self.loop_of(*same.first()?)?.clone();
        let max = same.iter().filter_map(|&part| Some(self.loop_of(part)?.max)).max()?;
        self.loop_like(&first, (first.min, max), &first.after)
    }

    /// Loops that differ only by what follows them, as one.
    pub(super) fn merge_followers(&mut self, same: &[LangId]) -> Option<LangId> {
        let first = self.loop_of(*same.first()?)?.clone();
        let mut loops: Vec<Arc<Loop>> = same.iter().filter_map(|&part| self.loop_of(part).cloned()).collect();
        loops.sort_unstable_by_key(|of| of.family);
        let key = loops.iter().fold(Fingerprinter::new(0x57a6), |f, of| f.part(of.family)).finish();
        let after = match self.mergers.rows.get(&key) {
            Some(known) => known.clone(),
            None => {
                let after = (0..first.after.len()).map(|context| {
                    let parts: Vec<LangId> = loops.iter().map(|of| of.after[context]).collect();
                    self.union(&parts)
                });
                let after: Row = after.collect();
                if self.is_sound() {
                    self.mergers.rows.insert(key, after.clone());
                }
                after
            }
        };
        self.loop_like(&first, (first.min, first.max), &after)
    }

    /// The parts of an intersection: conditions on the beginning of a text, as lookahead makes
    /// them, and the others.
    pub(super) fn conditions(&self, id: LangId) -> (SmallVec<[LangId; 4]>, SmallVec<[LangId; 4]>) {
        let Expr::Inter(parts) = self.expr(id) else { return Default::default() };
        parts.iter().copied().partition(|&part| self.is_condition(part))
    }

    /// Intersections with the same conditions, as one: `(c ∩ x) ∪ (c ∩ y) = c ∩ (x ∪ y)`.
    pub(super) fn merge_conditioned(&mut self, same: &[LangId]) -> LangId {
        let mut parts: Vec<LangId> = Vec::new();
        let mut alternatives: Vec<LangId> = Vec::with_capacity(same.len());
        for &part in same {
            let (conditions, others) = self.conditions(part);
            parts = conditions.to_vec();
            alternatives.push(self.inter(&others));
        }
        parts.push(self.union(&alternatives));
        self.inter(&parts)
    }

    /// True if `id` is a condition on how a text begins: it is a complement, or any text may follow
    /// its words.
    pub(super) fn is_condition(&self, id: LangId) -> bool {
        id == self.text || self.info[id.index()].is_condition
    }

    pub(super) fn is_condition_of(&self, expr: &Expr) -> bool {
        let of = |id: &LangId| self.is_condition(*id);
        match expr {
            Expr::All | Expr::Not(_) => true,
            Expr::Concat(_, tail) => of(tail),
            Expr::Union(parts) | Expr::Inter(parts) => parts.iter().all(of),
            Expr::Unknown(equation) => {
                let of_loop = self.equations[*equation as usize].rounds.as_ref();
                of_loop.is_some_and(|of_loop| of_loop.after.iter().all(of))
            }
            _ => false,
        }
    }

    /// The partition of the bytes that a loop and its derivatives tell apart, if what follows it
    /// has its own.
    pub(super) fn partition_of_loop(&mut self, of: &Loop) -> u32 {
        let key = of.body.key();
        let mut joined = match self.loop_partitions.get(&key) {
            Some(&known) => known,
            None => {
                let mut joined = self.partition(self.text);
                for leaf in of.body.leaves(self) {
                    let leaf = self.partition(leaf);
                    joined = self.partitions.join(joined, leaf);
                }
                self.loop_partitions.insert(key, joined);
                joined
            }
        };
        for &after in &of.after {
            let after = self.info[after.index()].partition;
            joined = self.partitions.join(joined, after);
        }
        joined
    }
}
