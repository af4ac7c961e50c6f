//! The decision if an array of distinct items can be completed beside counters, as for `contains`.
//!
//! The values that no item has yet are divided into kinds. Values of one kind may stand at the same
//! positions, and the same counters count them. So only the number of values of each kind that are
//! taken matters. For example, of the numbers from 1 to 4, three must include two of 1 and 2, and
//! two of 2 and 3. The kinds are 1, 2, 3 and 4 by themselves, and 4 cannot be among the three.
//!
//! A search fills the positions that have schemas of their own (`prefixItems`) one by one. All
//! later positions are alike, so the order of their items does not matter. There the search passes
//! through the kinds in turn, and takes some values of each.

use super::eval::Eval;
use super::shape::ArrayShape;
use super::term::{EvalError, TermId};
use crate::automata::{UNBOUNDED, interrupt};
use crate::grammar::ArrayProgress;
use smallvec::SmallVec;
use std::cmp::Reverse;

/// The most kinds of values of which a supply consists.
const MAX_KINDS: usize = 256;
/// The number of combinations that the searches through one supply look at.
const STEPS: usize = 60_000;

/// Values that no item has yet, of which one is as good as another.
struct Kind {
    values: TermId,
    /// The number of values; [`UNBOUNDED`] if there are enough.
    count: u32,
    /// The sets of positions at which the values may stand.
    within: Vec<usize>,
    /// The counters that count them.
    counters: Vec<usize>,
}

/// The unused values of an array of distinct items, and what the array needs of them.
struct Supply {
    kinds: Vec<Kind>,
    /// The set of values of each position from the next one on. The last entry is that of all later
    /// positions, too.
    positions: Vec<usize>,
    /// The number of the next position.
    next: u32,
    /// The smallest and the largest number of items.
    items: (u32, u32),
    /// The first position, and the smallest and the largest count, of each counter.
    counters: Vec<(u32, u32, u32)>,
    start: Place,
}

/// A place in the search through a supply.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    /// The number of items.
    items: u32,
    /// The index into [`Supply::positions`].
    position: usize,
    /// The counters. A counter without a maximum stops at its minimum.
    counted: SmallVec<[u32; 4]>,
    /// The number of values that are taken of each kind.
    taken: SmallVec<[u32; 8]>,
    /// The kind that is the next in turn, at positions that are alike.
    turn: usize,
}

impl Eval<'_> {
    /// Reports whether the items that `contains` counts can differ from each other in an array of
    /// distinct items.
    pub fn counted_can_differ(&mut self, array: &ArrayShape) -> Result<bool, EvalError> {
        let mut items = array.prefix.clone();
        items.push(array.rest);
        let item = self.algebra.or(&items);
        for some in &array.some {
            let counted = self.algebra.and2(item, some.value);
            if self.count_values(counted, some.min as usize)?.is_some_and(|count| count < some.min) {
                return Ok(false);
            }
        }
        let start = ArrayProgress { count: 0, counters: array.some.iter().map(|_| 0).collect() };
        match self.supply(array, &start, &[])? {
            Some(supply) => supply.completes(None, &mut 0),
            None => Ok(true),
        }
    }

    /// The values of a next item after which an array of distinct items lacks values for its
    /// counters, given its items so far: terms of one value each, in any order.
    pub fn uncompletable(
        &mut self,
        array: &ArrayShape,
        progress: &ArrayProgress,
        used: &[TermId],
    ) -> Result<TermId, EvalError> {
        let Some(supply) = self.supply(array, progress, used)? else { return Ok(TermId::NEVER) };
        let (mut dead, mut steps) = (Vec::new(), 0);
        for (number, kind) in supply.kinds.iter().enumerate() {
            if kind.within.contains(&supply.positions[0]) && !supply.completes(Some(number), &mut steps)? {
                dead.push(kind.values);
            }
        }
        Ok(self.algebra.or(&dead))
    }

    /// The values that an array of distinct items still has, and what it needs of them; `None` if
    /// counters have no effect on the items that may come next.
    fn supply(
        &mut self,
        array: &ArrayShape,
        progress: &ArrayProgress,
        used: &[TermId],
    ) -> Result<Option<Supply>, EvalError> {
        let latest = array.some.iter().map(|some| some.from as usize).max().unwrap_or(0);
        let (next, last) = (progress.count as usize, latest.max(array.prefix.len()));
        // Without maxima, an item at positions that are alike takes nothing from a counter: what it
        // takes, it also counts.
        let is_endless = array.max == UNBOUNDED && array.some.iter().all(|some| some.max == UNBOUNDED);
        if array.some.is_empty() || (is_endless && next >= last) {
            return Ok(None);
        }
        let taken = self.algebra.or(used);
        let free = self.algebra.not(taken);
        let (mut sets, mut positions) = (Vec::new(), Vec::new());
        for position in next.min(last)..=last {
            self.algebra.spend(1)?;
            let set = self.algebra.and2(array.item(position), free);
            let known = sets.iter().position(|&known| known == set);
            positions.push(known.unwrap_or(sets.len()));
            if known.is_none() {
                sets.push(set);
            }
        }
        let least = array.some.iter().fold(array.min, |sum, some| sum.saturating_add(some.min));
        let enough = (least as usize).saturating_add(positions.len());
        let kinds = self.kinds(array, &sets, enough)?;
        let mut counted: SmallVec<[u32; 4]> = SmallVec::new();
        for (some, &count) in array.some.iter().zip(&progress.counters) {
            let mut exact = 0;
            for &item in used.iter().filter(|_| some.from == 0) {
                let both = self.algebra.and2(item, some.value);
                exact += u32::from(self.is_inhabited(both)?);
            }
            // An item may have been read in a way that leaves it uncounted.
            let exact = if some.max == UNBOUNDED { exact.min(some.min) } else { exact };
            counted.push(count.max(exact));
        }
        let taken = SmallVec::from_elem(0, kinds.len());
        Ok(Some(Supply {
            kinds,
            positions,
            next: next as u32,
            items: (array.min, array.max),
            counters: array.some.iter().map(|some| (some.from, some.min, some.max)).collect(),
            start: Place { items: used.len() as u32, position: 0, counted, taken, turn: 0 },
        }))
    }

    /// The values of some sets, divided by the sets and the counters of `array` to which they
    /// belong. Counts above `enough` are not needed.
    fn kinds(&mut self, array: &ArrayShape, sets: &[TermId], enough: usize) -> Result<Vec<Kind>, EvalError> {
        let parts = self.partition(sets)?.into_iter();
        let mut parts: Vec<(TermId, Vec<usize>, Vec<usize>)> =
            parts.map(|(values, within)| (values, within, Vec::new())).collect();
        for (number, some) in array.some.iter().enumerate() {
            let other = self.algebra.not(some.value);
            let mut divided = Vec::with_capacity(2 * parts.len());
            for (values, within, counters) in parts {
                self.algebra.spend(1)?;
                let [outside, inside] = [other, some.value].map(|set| self.algebra.and2(values, set));
                if self.is_inhabited(outside)? {
                    divided.push((outside, within.clone(), counters.clone()));
                }
                if self.is_inhabited(inside)? {
                    divided.push((inside, within, [&counters[..], &[number]].concat()));
                }
            }
            parts = divided;
            if parts.len() > MAX_KINDS {
                return Err(EvalError::GaveUp);
            }
        }
        let mut kinds = Vec::with_capacity(parts.len());
        for (values, within, counters) in parts {
            // A kind that takes too long to count is taken to have enough values.
            let count = self.count_values(values, enough)?.unwrap_or(UNBOUNDED);
            kinds.push(Kind { values, count, within, counters });
        }
        Ok(kinds)
    }
}

impl Supply {
    /// Reports whether the array can be completed, with an item of the kind `first` next if one is
    /// given.
    fn completes(&self, first: Option<usize>, steps: &mut usize) -> Result<bool, EvalError> {
        let start = match first {
            Some(first) => self.with(&self.start, first, 1),
            None => Some(self.start.clone()),
        };
        let mut open = Vec::from_iter(start);
        let mut seen = hashbrown::HashSet::new();
        while let Some(at) = open.pop() {
            let (lacks, _) = self.lacks(&at);
            if lacks == 0 {
                return Ok(true);
            }
            if lacks > self.items.1.saturating_sub(at.items) {
                continue;
            }
            let pushed = open.len();
            for next in self.after(&at, lacks) {
                *steps += 1;
                if *steps > STEPS {
                    return Err(EvalError::GaveUp);
                }
                interrupt::spend(1);
                interrupt::check().map_err(EvalError::Interrupted)?;
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
            // The place that lacks the least goes on top of the stack.
            open[pushed..].sort_by_key(|next| Reverse(self.lacks(next).1));
        }
        Ok(false)
    }

    /// The most items that a counter, or the array, still needs, and the sum of these numbers.
    fn lacks(&self, at: &Place) -> (u32, u64) {
        let counts = self.counters.iter().zip(&at.counted).map(|(of, &count)| of.1.saturating_sub(count));
        let missing = counts.chain([self.items.0.saturating_sub(at.items)]);
        missing.fold((0, 0), |(most, sum), n| (n.max(most), sum + u64::from(n)))
    }

    /// The places that follow, if the array lacks so many items.
    fn after(&self, at: &Place, lacks: u32) -> Vec<Place> {
        if at.position + 1 < self.positions.len() {
            return (0..self.kinds.len()).filter_map(|kind| self.with(at, kind, 1)).collect();
        }
        if at.turn == self.kinds.len() {
            return Vec::new();
        }
        let pass = |mut next: Place| {
            next.taken[at.turn] = 0;
            next.turn += 1;
            next
        };
        (0..=lacks).map_while(|n| self.with(at, at.turn, n)).map(pass).collect()
    }

    /// The place with `n` more items of a kind; `None` if it does not exist.
    fn with(&self, at: &Place, kind: usize, n: u32) -> Option<Place> {
        let of = &self.kinds[kind];
        let mut next = at.clone();
        if n == 0 {
            return Some(next);
        }
        if !of.within.contains(&self.positions[at.position]) {
            return None;
        }
        if of.count != UNBOUNDED {
            next.taken[kind] += n;
            if next.taken[kind] > of.count {
                return None;
            }
        }
        next.items = next.items.checked_add(n).filter(|&items| items <= self.items.1)?;
        for &counter in &of.counters {
            let (from, min, max) = self.counters[counter];
            if from > self.next.saturating_add(at.position as u32) {
                continue;
            }
            let count = &mut next.counted[counter];
            *count = count.checked_add(n)?;
            if max == UNBOUNDED {
                *count = (*count).min(min);
            } else if *count > max {
                return None;
            }
        }
        next.position = (next.position + 1).min(self.positions.len() - 1);
        Some(next)
    }
}
