//! JSON arrays as one node: which items may come next, and when the array may close.
//!
//! The sibling of [`object`](super::object): a specification, and a progress record with the position and the
//! counters (`contains`). As there, only what can still be completed is offered.

use super::node::{Choice, Counter, LazyKey, NodeId};
use super::object::{count, counts_missing, map_values, SEARCH_STEPS};
use crate::automata::{LangId, UNBOUNDED};
use hashbrown::HashSet;
use smallvec::SmallVec;

/// A JSON array. The punctuation languages include the whitespace allowed before them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ArraySpec {
    /// `[` with leading whitespace.
    pub open: LangId,
    /// `]` with leading whitespace.
    pub close: LangId,
    /// `,` with leading whitespace.
    pub comma: LangId,
    /// What may stand at each of the first positions; an empty list ends the array before it.
    pub prefix: Vec<Box<[Choice]>>,
    /// What may stand at every position after those; empty when nothing may.
    pub rest: Box<[Choice]>,
    /// At least this many items.
    pub min: u32,
    /// At most this many items, or [`UNBOUNDED`].
    pub max: u32,
    /// Counters the choices refer to.
    pub counters: Vec<Counter>,
    /// For arrays of distinct items: the key for [`Expand::distinct_items`](super::Expand::distinct_items), which
    /// then gives the choices instead of `prefix` and `rest` (these still decide what can be completed).
    pub distinct: Option<LazyKey>,
}

/// How far one array has come.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ArrayProgress {
    /// Items so far, clamped where more makes no difference.
    pub count: u32,
    /// The counters, clamped where more makes no difference.
    pub counters: SmallVec<[u32; 2]>,
}

impl ArraySpec {
    /// The same array with other values; those that become `None` or [`NodeId::NEVER`] are left out.
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

    /// What may stand at position `count`.
    pub fn choices(&self, position: u32) -> &[Choice] {
        self.prefix.get(position as usize).unwrap_or(&self.rest)
    }

    /// The items that may come next, each with the progress after it.
    pub fn next_items(&self, progress: &ArrayProgress) -> Vec<(Choice, ArrayProgress)> {
        self.after(progress, self.choices(progress.count))
    }

    /// Those of `choices` that may come next, each with the progress after it.
    pub fn after(&self, progress: &ArrayProgress, choices: &[Choice]) -> Vec<(Choice, ArrayProgress)> {
        choices
            .iter()
            .filter_map(|&choice| {
                let next = self.advance(progress, choice)?;
                self.completable(&next).then_some((choice, next))
            })
            .collect()
    }

    /// How many items and counts are missing before the array may close: 0 exactly where it may.
    pub(crate) fn distance(&self, progress: &ArrayProgress) -> u32 {
        let items = self.min.saturating_sub(progress.count);
        items.saturating_add(counts_missing(&self.counters, &progress.counters))
    }

    /// The progress after `choice`, whether or not the array can be completed from there.
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

    /// Whether the array may close here.
    pub fn may_close(&self, progress: &ArrayProgress) -> bool {
        progress.count >= self.min && self.counters.iter().zip(&progress.counters).all(|(c, &n)| n >= c.min)
    }

    /// Whether more items can come without end, any of them, and each counter that must go on is
    /// counted by one.
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
        // Breadth of counters is small; walk the progress graph.
        let mut seen: HashSet<ArrayProgress> = HashSet::new();
        let mut stack = vec![progress.clone()];
        let mut steps = SEARCH_STEPS;
        while let Some(at) = stack.pop() {
            if self.may_close(&at) || steps == 0 {
                return true;
            }
            steps -= 1;
            let pushed = stack.len();
            for &choice in self.choices(at.count) {
                if let Some(next) = self.advance(&at, choice) {
                    if seen.insert(next.clone()) {
                        stack.push(next);
                    }
                }
            }
            // What counts most comes first: it is nearer to the end.
            stack[pushed..].sort_by_key(|next| next.counters.iter().map(|&n| u64::from(n)).sum::<u64>());
        }
        false
    }
}
