//! Two rules for alternatives: those that differ only in the rounds left of a repetition are
//! merged, and those whose words another alternative has are dropped.
//!
//! Let `y` in `y{1,200}` match texts of several lengths, such as `a|aa`. After `aaaa` it may have
//! been read two, three or four times. Each way is an alternative, `y{0,198} ∪ y{0,197} ∪
//! y{0,196}`, and together they are one: `y{0,198}`. In a repetition of repetitions, such as
//! `(y{0,200} x?){0,20}`, alternatives differ in two counts. The alternative with the most rounds
//! left has the words of most others.
//!
//! Both rules only keep states small. Without them a state has as many alternatives as there are
//! counts, or pairs of counts, and every byte makes new ones.

use super::UNBOUNDED;
use super::expr::{Expr, LangId};
use super::expr_pool::{ExprPool, Kind};

/// The alternative `body{min,max} rest`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rounds {
    body: LangId,
    rest: LangId,
    min: u32,
    max: u32,
}

/// The most alternatives that are compared with each other.
const MAX_COMPARED: usize = 64;

/// The most steps of one comparison.
const COMPARISON: u32 = 48;

/// The fewest steps of a comparison that is remembered. A shorter one is as soon made again.
const WORTH_KEEPING: u32 = 4;

impl ExprPool {
    fn rounds(&self, id: LangId) -> Option<Rounds> {
        let (head, rest) = match *self.expr(id) {
            Expr::Concat(head, rest) => (head, rest),
            _ => (id, LangId::EMPTY),
        };
        match *self.expr(head) {
            Expr::Repeat(body, min, max) => Some(Rounds { body, rest, min, max }),
            _ => None,
        }
    }

    /// Merges alternatives with adjoining counts: `r{1,3}x ∪ r{2,5}x = r{1,5}x`. Here `rx` counts
    /// as one round and `x` as none.
    pub(super) fn merge_rounds(&mut self, flat: &mut Vec<LangId>) {
        let mut rounds: Vec<Rounds> = flat.iter().filter_map(|&part| self.rounds(part)).collect();
        if rounds.is_empty() || flat.len() < 2 {
            return;
        }
        let counted = rounds.len();
        for at in 0..counted {
            let Rounds { body, rest, .. } = rounds[at];
            if flat.binary_search(&rest).is_ok() {
                rounds.push(Rounds { body, rest, min: 0, max: 0 });
            }
        }
        for &part in flat.iter() {
            let (body, rest) = match *self.expr(part) {
                Expr::Concat(head, rest) => (head, rest),
                _ => (part, LangId::EMPTY),
            };
            if rounds[..counted].iter().any(|known| (known.body, known.rest) == (body, rest)) {
                rounds.push(Rounds { body, rest, min: 1, max: 1 });
            }
        }
        rounds.sort_unstable();
        rounds.dedup();
        let mut merged: Vec<LangId> = Vec::new();
        let mut replaced: Vec<Rounds> = Vec::new();
        let mut at = 0;
        while at < rounds.len() {
            let Rounds { body, rest, min, mut max } = rounds[at];
            let mut end = at + 1;
            while let Some(next) = rounds.get(end).filter(|next| (next.body, next.rest) == (body, rest)) {
                if next.min > max.saturating_add(1) {
                    break;
                }
                max = max.max(next.max);
                end += 1;
            }
            if end - at > 1 {
                let repeated = self.repeat(body, min, max);
                merged.push(self.concat(repeated, rest));
                replaced.extend_from_slice(&rounds[at..end]);
            }
            at = end;
        }
        if merged.is_empty() {
            return;
        }
        let is_replaced = |pool: &Self, part: LangId| {
            let same = |old: &Rounds| match (old.min, old.max) {
                (0, 0) => part == old.rest,
                (1, 1) => match *pool.expr(part) {
                    Expr::Concat(head, rest) => (head, rest) == (old.body, old.rest),
                    _ => part == old.body && old.rest == LangId::EMPTY,
                },
                _ => pool.rounds(part) == Some(*old),
            };
            replaced.iter().any(same)
        };
        let mut again: Vec<LangId> = Vec::with_capacity(flat.len());
        again.extend(flat.iter().copied().filter(|&part| !is_replaced(self, part)));
        for part in merged {
            match self.expr(part) {
                Expr::Union(inner) => again.extend_from_slice(inner),
                _ => again.push(part),
            }
        }
        again.sort_unstable();
        again.dedup();
        *flat = again;
    }

    /// Leaves out an alternative with counts if another alternative has all its words.
    pub(super) fn drop_covered(&mut self, flat: &mut Vec<LangId>) {
        let is_counted = |pool: &Self, part: LangId| {
            let of = &pool.info[part.index()];
            of.largest_count > 1 || of.has_loops
        };
        let counted: Vec<LangId> = flat.iter().copied().filter(|&part| is_counted(self, part)).collect();
        if counted.len() < 2 || counted.len() > MAX_COMPARED {
            return;
        }
        let mut dropped: Vec<LangId> = Vec::new();
        for &part in &counted {
            let covered = counted.iter().any(|&other| {
                let mut left = COMPARISON;
                other != part && !dropped.contains(&other) && self.covers(other, part, &mut left)
            });
            if covered {
                dropped.push(part);
            }
        }
        if !dropped.is_empty() {
            flat.retain(|part| !dropped.contains(part));
        }
    }

    /// True if `a` is a loop, and its form shows that every word of `b` is one of its words.
    fn loop_covers(&mut self, a: LangId, b: LangId, left: &mut u32) -> bool {
        let Some(of_a) = self.loop_of(a).cloned() else { return false };
        if let Some(of_b) = self.loop_of(b).cloned()
            && of_a.name() == of_b.name()
            && of_a.min <= of_b.min
            && of_b.max <= of_a.max
            && of_a.after.iter().zip(&of_b.after).all(|(&a, &b)| self.covers(a, b, left))
        {
            return true;
        }
        let may_end = of_a.kind == Kind::Reading && of_a.min == 0;
        may_end && self.covers(of_a.after[of_a.context], b, left)
    }

    /// True if the form of `a` and `b` shows that every word of `b` is a word of `a`.
    ///
    /// Alternatives with counts have parts in common, so the same pairs are compared for many of
    /// them. A pair whose comparison ended before its steps did is remembered.
    fn covers(&mut self, a: LangId, b: LangId, left: &mut u32) -> bool {
        if a == b || b == LangId::NEVER {
            return true;
        }
        let (of_a, of_b) = (self.info[a.index()], self.info[b.index()]);
        if *left == 0 || (of_b.nullable && !of_a.nullable) {
            return false;
        }
        if let Some(&known) = self.covered.get(&(a, b)) {
            return known;
        }
        let before = *left;
        let covers = self.covers_by_form(a, b, left);
        if before - *left >= WORTH_KEEPING && (covers || *left > 0) && self.is_sound() {
            self.covered.insert((a, b), covers);
        }
        covers
    }

    /// Compares the forms of `a` and `b`, which differ.
    fn covers_by_form(&mut self, a: LangId, b: LangId, left: &mut u32) -> bool {
        let (of_a, of_b) = (self.info[a.index()], self.info[b.index()]);
        *left -= 1;
        if let Expr::Union(parts) = self.expr(b) {
            let parts = parts.clone();
            return parts.iter().all(|&part| self.covers(a, part, left));
        }
        if let Expr::Union(parts) = self.expr(a) {
            let parts = parts.clone();
            return parts.iter().any(|&part| self.covers(part, b, left));
        }
        if of_a.has_loops || of_b.has_loops {
            if self.loop_covers(a, b, left) {
                return true;
            }
            if let Expr::Inter(parts) = self.expr(b) {
                let parts = parts.clone();
                return parts.iter().any(|&part| self.covers(a, part, left));
            }
            if let Expr::Inter(parts) = self.expr(a) {
                let parts = parts.clone();
                return parts.iter().all(|&part| self.covers(part, b, left));
            }
        }
        if let Some(Rounds { body, rest, min, max }) = self.rounds(a) {
            if let Some(of) = self.rounds(b).filter(|of| of.body == body)
                && min <= of.min
                && of.max <= max
                && self.covers(rest, of.rest, left)
            {
                return true;
            }
            if min == 0 && self.covers(rest, b, left) {
                return true;
            }
            // `b` may be in the midst of a round, so one round is written out.
            if matches!(self.expr(body), Expr::Concat(..) | Expr::Repeat(..)) {
                let fewer = if max == UNBOUNDED { max } else { max - 1 };
                let others = self.repeat(body, min.saturating_sub(1), fewer);
                let others = self.concat(others, rest);
                let one = self.concat(body, others);
                return one != a && self.covers(one, b, left);
            }
            return false;
        }
        let Expr::Concat(head, rest) = *self.expr(a) else { return false };
        if let Expr::Concat(other, after) = *self.expr(b)
            && head == other
            && self.covers(rest, after, left)
        {
            return true;
        }
        self.is_nullable(head) && self.covers(rest, b, left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// States after many bytes have few alternatives, whatever the counts are.
    #[test]
    fn alternatives_do_not_multiply() {
        let mut pool = ExprPool::new();
        let (a, b) = (pool.char_class(&[(0x61, 0x7a)]), pool.char_class(&[(0x61, 0x66)]));
        let two = pool.concat(a, b);
        let y = pool.union(&[a, two, LangId::EMPTY]);
        let filled = pool.union(&[a, two]);
        let maybe = pool.repeat(b, 0, 1);
        // The body, counts around it, what follows it in a round, and counts around that.
        type Case = (LangId, (u32, u32), LangId, (u32, u32), usize);
        let table: &[Case] = &[
            (filled, (1, 200), LangId::EMPTY, (1, 1), 3),
            (filled, (50, 200), LangId::EMPTY, (1, 1), 3),
            (y, (1, 200), maybe, (1, 20), 8),
            (y, (1, 200), maybe, (1, 200), 8),
            (filled, (1, 200), maybe, (1, 20), 60),
        ];
        for &(body, (min, max), after, (least, most), alternatives) in table {
            let inner = pool.repeat(body, min, max);
            let round = pool.concat(inner, after);
            let mut state = pool.repeat(round, least, most);
            for i in 0..120 {
                state = pool.step(state, if i % 3 == 0 { b'z' } else { b'a' });
                let parts = match pool.expr(state) {
                    Expr::Union(parts) => parts.len(),
                    _ => 1,
                };
                assert!(parts <= alternatives, "{parts} alternatives after {i} bytes");
            }
            assert!(pool.len() < 200_000);
        }
    }
}
