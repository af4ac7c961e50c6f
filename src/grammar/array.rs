//! JSON arrays as one node, which knows the possible next items and when the array may close.
//!
//! An array is described like an [`object`](super::object): by a specification, and by a progress
//! record with the position and the counters (`contains`). As there, a node offers only items after
//! which the array can still be completed.

use super::choice::{Choice, Counter, SEARCH_STEPS, count, counts_missing, give_up, map_values};
use super::node_id::{LazyKey, NodeId};
use super::punctuation::Punctuation;
use crate::automata::UNBOUNDED;
use hashbrown::HashSet;
use smallvec::SmallVec;

/// A JSON array.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ArraySpec {
    /// The texts around and between items.
    pub punctuation: Punctuation,
    /// The choices for each of the first positions. An empty list ends the array before that
    /// position.
    pub prefix: Vec<Box<[Choice]>>,
    /// The choices for every position after the prefix; empty when the array ends there.
    pub rest: Box<[Choice]>,
    /// The smallest number of items.
    pub min: u32,
    /// The largest number of items, or [`UNBOUNDED`].
    pub max: u32,
    /// The counters that the choices refer to.
    pub counters: Vec<Counter>,
    /// The key for [`Expand::distinct_items`](super::Expand::distinct_items), in an array of
    /// distinct items. That function then gives the choices instead of `prefix` and `rest`, which
    /// still decide whether the array can be completed.
    pub distinct: Option<LazyKey>,
}

/// The progress through one array.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct ArrayProgress {
    /// The number of items so far, counted up to the last position that makes a difference.
    pub count: u32,
    /// The counters. A counter without a maximum stops at its minimum.
    pub counters: SmallVec<[u32; 2]>,
}

impl ArraySpec {
    /// The same array with each value replaced by `f` of it. A value is left out if `f` gives
    /// `None` or [`NodeId::NEVER`].
    pub(super) fn with_values(&self, f: impl Fn(NodeId) -> Option<NodeId>) -> ArraySpec {
        let mut spec = self.clone();
        spec.prefix.iter_mut().for_each(|p| *p = map_values(p, &f));
        spec.rest = map_values(&spec.rest, &f);
        spec
    }

    /// The empty array's progress; `None` when no array satisfies the specification.
    pub fn start(&self) -> Option<ArrayProgress> {
        let progress = ArrayProgress { count: 0, counters: self.counters.iter().map(|_| 0).collect() };
        self.completable(&progress).then_some(progress)
    }

    /// The choices at `position`.
    pub fn choices(&self, position: u32) -> &[Choice] {
        self.prefix.get(position as usize).unwrap_or(&self.rest)
    }

    /// The items that may come next, each with the progress after it.
    pub fn next_items(&self, progress: &ArrayProgress) -> Vec<(Choice, ArrayProgress)> {
        self.after(progress, self.choices(progress.count))
    }

    /// The choices among `choices` that may come next, each with the progress after it.
    pub fn after(&self, progress: &ArrayProgress, choices: &[Choice]) -> Vec<(Choice, ArrayProgress)> {
        choices
            .iter()
            .filter_map(|&choice| {
                let next = self.advance(progress, choice)?;
                self.completable(&next).then_some((choice, next))
            })
            .collect()
    }

    /// The number of items and counts that are missing before the array may close. It is 0 exactly
    /// when the array may close.
    pub(crate) fn distance(&self, progress: &ArrayProgress) -> u32 {
        let items = self.min.saturating_sub(progress.count);
        items.saturating_add(counts_missing(&self.counters, &progress.counters))
    }

    /// The progress after `choice`, even if the array cannot be completed from there.
    pub(crate) fn advance(&self, progress: &ArrayProgress, choice: Choice) -> Option<ArrayProgress> {
        if progress.count >= self.max {
            return None;
        }
        let mut next = progress.clone();
        next.count += 1;
        if self.max == UNBOUNDED {
            next.count = next.count.min(self.min.max(self.prefix.len() as u32));
        }
        count(&self.counters, &mut next.counters, choice).then_some(next)
    }

    /// True if the array may close here.
    pub fn may_close(&self, progress: &ArrayProgress) -> bool {
        progress.count >= self.min && self.counters.iter().zip(&progress.counters).all(|(c, &n)| n >= c.min)
    }

    /// True if the array can obviously be completed: neither items nor counts have a maximum, every
    /// position ahead has a choice, and some choice of `rest` counts for each counter below its
    /// minimum. `false` decides nothing.
    fn is_evidently_completable(&self, progress: &ArrayProgress) -> bool {
        let endless = self.max == UNBOUNDED && self.counters.iter().all(|counter| counter.max == UNBOUNDED);
        let ahead = self.prefix.get(progress.count as usize..).unwrap_or(&[]);
        let counted = self.rest.iter().fold(0, |counted, choice| counted | choice.counts);
        let mut counters = self.counters.iter().zip(&progress.counters).enumerate();
        endless
            && !self.rest.is_empty()
            && ahead.iter().all(|choices| !choices.is_empty())
            && counters.all(|(i, (counter, &n))| n >= counter.min || counted >> i & 1 == 1)
    }

    fn completable(&self, progress: &ArrayProgress) -> bool {
        if self.may_close(progress) {
            return true;
        }
        if self.counters.is_empty() {
            if self.min > self.max {
                return false;
            }
            let first_gap = (progress.count as usize..self.prefix.len()).find(|&i| self.prefix[i].is_empty());
            let longest = match first_gap {
                Some(gap) => gap as u32,
                None if self.rest.is_empty() => self.prefix.len() as u32,
                None => UNBOUNDED,
            };
            return self.min <= longest;
        }
        if self.is_evidently_completable(progress) {
            return true;
        }
        // Counters have few combinations, so the search walks the progress graph.
        let mut seen: HashSet<ArrayProgress> = HashSet::new();
        let mut stack = vec![progress.clone()];
        let mut steps = 0;
        while let Some(at) = stack.pop() {
            if self.may_close(&at) {
                return true;
            }
            if steps == SEARCH_STEPS {
                give_up();
                return true;
            }
            steps += 1;
            let pushed = stack.len();
            for &choice in self.choices(at.count) {
                if let Some(next) = self.advance(&at, choice)
                    && seen.insert(next.clone())
                {
                    stack.push(next);
                }
            }
            // The choice that has counted most goes on top of the stack, since it is nearer to the
            // end.
            stack[pushed..].sort_by_key(|next| next.counters.iter().map(|&n| u64::from(n)).sum::<u64>());
        }
        false
    }
}
