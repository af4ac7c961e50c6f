//! JSON objects as one node, which knows the possible next keys and when the object may close.
//!
//! Written out as productions, an object with *n* optional keys needs n² nodes or more, in a fixed
//! order. Here it is a specification and a small progress record: the keys seen, their number, and
//! the counters. A key is offered only if the object can be completed after it. For example, a key
//! is not offered if a required key could no longer come after it, because of the declared order or
//! of `maxProperties`.
//!
//! To find out if an object can be completed costs O(properties). Objects with counters or
//! dependencies need a search, which [`SEARCH_STEPS`] bounds.

use super::choice::{Choice, Counter, SEARCH_STEPS, count, counts_missing, give_up, map_values};
use super::node_id::NodeId;
use super::punctuation::Punctuation;
use crate::automata::{Escapes, ExprPool, LangId, UNBOUNDED};
use hashbrown::HashSet;
use smallvec::SmallVec;

policy! {
    /// The order of an object's declared keys.
    enum KeyOrder {
        /// The declared keys in their order, then all others in any order.
        Declared = "declared",
        /// All keys in any order.
        Any = "any",
    }
}

/// The most keys of a rest that are always counted.
const ALWAYS_COUNTED: u32 = 32;

/// A declared key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Property {
    /// The decoded text of the key.
    pub key: String,
    /// True if every object has the key.
    pub required: bool,
    /// The declared keys (by index) that must be there too if this one is.
    pub requires: Box<[u32]>,
    /// The choices for its value; empty when the key must not occur.
    pub values: Box<[Choice]>,
}

/// Keys that are not declared: additional and pattern properties.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RestKeys {
    /// The language of the decoded keys, without the declared ones. The languages of one object's
    /// rests must not overlap.
    pub keys: LangId,
    /// The number of different keys. `None` if there are infinitely many, or more than can be
    /// counted.
    pub capacity: Option<u32>,
    /// The choices for their values; not empty.
    pub values: Box<[Choice]>,
}

/// A JSON object.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ObjectSpec {
    /// The texts around and between members.
    pub punctuation: Punctuation,
    /// The text between a key and its value: `:` with leading whitespace.
    pub colon: LangId,
    /// The whitespace before a key.
    pub before_key: LangId,
    /// The spelling of declared keys.
    pub key_escapes: Escapes,
    /// The spelling of all other keys.
    pub rest_escapes: Escapes,
    /// True if keys are written without quotes and escapes. Then no key, followed by the text of
    /// `colon`, may be the beginning of another key. Keys that are not declared may repeat.
    pub bare_keys: bool,
    /// The declared keys.
    pub declared: Vec<Property>,
    /// All other keys.
    pub rest: Vec<RestKeys>,
    /// The order of the declared keys.
    pub order: KeyOrder,
    /// True if a key that is not declared must not come twice.
    pub unique_rest: bool,
    /// The smallest number of keys.
    pub min: u32,
    /// The largest number of keys, or [`UNBOUNDED`].
    pub max: u32,
    /// The counters that the choices refer to.
    pub counters: Vec<Counter>,
    /// True if the object may close only after a choice has led to another object
    /// ([`Choice::then`]). A key whose value offers such a choice must always be able to come.
    pub must_go_on: bool,
}

/// The progress through one object. Equal records have equal futures.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct ObjectProgress {
    /// The first declared key that may still come, in declared order; `declared.len()` once other
    /// keys have come.
    pub next: u32,
    /// The declared keys that were seen, as bit `i % 64` of word `i / 64`. Kept only where it
    /// matters: in any order, or with dependencies.
    pub seen: SmallVec<[u64; 2]>,
    /// The number of keys so far, counted up to the largest number that makes a difference.
    pub count: u32,
    /// The number of undeclared keys so far for each rest with a limited capacity.
    pub rest_counts: SmallVec<[u32; 2]>,
    /// The counters. A counter without a maximum stops at its minimum.
    pub counters: SmallVec<[u32; 2]>,
}

impl ObjectSpec {
    /// An object without keys.
    pub fn new(punctuation: Punctuation, colon: LangId) -> Self {
        ObjectSpec {
            punctuation,
            colon,
            before_key: LangId::EMPTY,
            key_escapes: Escapes::Minimal,
            rest_escapes: Escapes::Minimal,
            bare_keys: false,
            declared: Vec::new(),
            rest: Vec::new(),
            order: KeyOrder::Declared,
            unique_rest: false,
            min: 0,
            max: UNBOUNDED,
            counters: Vec::new(),
            must_go_on: false,
        }
    }

    /// The spellings of a language of undeclared keys.
    pub(crate) fn spelt_rest(&self, keys: LangId, languages: &mut ExprPool) -> LangId {
        match self.bare_keys {
            true => keys,
            false => languages.json_string(keys, self.rest_escapes),
        }
    }

    /// The spellings of some declared keys, by index; each is labelled with the index.
    pub(crate) fn spelt_declared(&self, keys: &[u32], languages: &mut ExprPool) -> LangId {
        let named = keys.iter().map(|&i| (self.declared[i as usize].key.as_str(), i));
        match self.bare_keys {
            true => languages.literals(named.map(|(key, i)| (key.as_bytes().to_vec(), i))),
            false => languages.json_literals(named, self.key_escapes),
        }
    }

    /// The same object with each value replaced by `f` of it. A value is left out if `f` gives
    /// `None` or [`NodeId::NEVER`], or if its key cannot be spelt.
    pub(super) fn with_values(&self, f: impl Fn(NodeId) -> Option<NodeId>) -> ObjectSpec {
        let mut spec = self.clone();
        for p in &mut spec.declared {
            let spellable = self.key_escapes.can_spell(&p.key);
            p.values = if spellable { map_values(&p.values, &f) } else { [].into() };
        }
        spec.rest.iter_mut().for_each(|r| r.values = map_values(&r.values, &f));
        spec.rest.retain(|r| !r.values.is_empty());
        spec
    }

    /// True if some value matches nothing or some key cannot be spelt.
    pub(super) fn has_impossible_choices(&self) -> bool {
        let impossible = |choices: &[Choice]| choices.iter().any(|c| c.value == NodeId::NEVER);
        self.declared
            .iter()
            .any(|p| impossible(&p.values) || (!p.values.is_empty() && !self.key_escapes.can_spell(&p.key)))
            || self.rest.iter().any(|r| impossible(&r.values))
    }

    /// The number of keys of `rest[r]`, if the progress counts them. They are counted if they are
    /// few, or if they could run out before the object has all that it needs. Where there are more,
    /// an object can be completed with keys of this rest however many of them it has: it lacks
    /// fewer keys than `needed` less those it has.
    pub(crate) fn counted_capacity(&self, r: usize) -> Option<u32> {
        let counted = self.counters.iter().fold(self.min, |sum, counter| sum.saturating_add(counter.min));
        let needed = counted.saturating_add(1);
        self.rest[r].capacity.filter(|&capacity| capacity <= needed.max(ALWAYS_COUNTED))
    }

    /// The number of undeclared keys, if they must not repeat. `None` if there are too many to run
    /// out.
    pub(crate) fn number_of_keys(&self) -> Option<u32> {
        let sum = |sum: u32, rest: &RestKeys| Some(sum.saturating_add(rest.capacity?));
        self.rest.iter().try_fold(0u32, sum).filter(|_| self.unique_rest)
    }

    /// True if the progress counts the undeclared keys of every rest.
    pub(crate) fn counts_all_keys(&self) -> bool {
        (0..self.rest.len()).all(|r| self.counted_capacity(r).is_some())
    }

    fn tracks_seen(&self) -> bool {
        self.order == KeyOrder::Any || self.declared.iter().any(|p| !p.requires.is_empty())
    }

    /// True if keys neither require each other nor are counted.
    pub(crate) fn is_plain(&self) -> bool {
        self.counters.is_empty() && self.declared.iter().all(|p| p.requires.is_empty())
    }

    fn has_seen(progress: &ObjectProgress, i: usize) -> bool {
        progress.seen.get(i / 64).is_some_and(|w| w >> (i % 64) & 1 == 1)
    }

    /// The empty object's progress; `None` when no object satisfies the specification.
    pub fn start(&self) -> Option<ObjectProgress> {
        let mut progress = ObjectProgress::default();
        if self.tracks_seen() {
            progress.seen = SmallVec::from_elem(0, self.declared.len().div_ceil(64));
        }
        progress.rest_counts = self.rest.iter().map(|_| 0).collect();
        progress.counters = self.counters.iter().map(|_| 0).collect();
        self.completable(&progress).then_some(progress)
    }

    fn is_open(&self, progress: &ObjectProgress, i: usize) -> bool {
        match self.order {
            KeyOrder::Declared => i >= progress.next as usize,
            KeyOrder::Any => !Self::has_seen(progress, i),
        }
    }

    /// The declared keys, as indices, that order and repetition still allow.
    pub(crate) fn open_keys<'a>(&'a self, progress: &'a ObjectProgress) -> impl Iterator<Item = usize> + 'a {
        let first = if self.order == KeyOrder::Declared { progress.next as usize } else { 0 };
        (first..self.declared.len()).filter(move |&i| self.is_open(progress, i))
    }

    /// The number of keys and counts that are missing before the object may close. It is 0 exactly
    /// when the object may close.
    pub(crate) fn distance(&self, progress: &ObjectProgress) -> u32 {
        let keys = self.min.saturating_sub(progress.count);
        let missing = self.missing(progress).map_or(u32::MAX, |missing| missing.len() as u32);
        keys.saturating_add(missing).saturating_add(counts_missing(&self.counters, &progress.counters))
    }

    /// The declared keys that may come next, as indices.
    pub fn next_declared(&self, progress: &ObjectProgress) -> Vec<u32> {
        if progress.count >= self.max {
            return Vec::new();
        }
        let first = if self.order == KeyOrder::Declared { progress.next as usize } else { 0 };
        if self.is_plain() && self.min <= progress.count {
            return self.next_unconditional(progress, first);
        }
        let mut keys = Vec::new();
        for (i, property) in self.declared.iter().enumerate().skip(first) {
            if self.is_open(progress, i)
                && !property.values.is_empty()
                && !self.after_declared(progress, i as u32).is_empty()
            {
                keys.push(i as u32);
            }
            // In declared order, nothing after a missing required key can come before it.
            if self.order == KeyOrder::Declared && property.required {
                break;
            }
        }
        keys
    }

    /// [`next_declared`](Self::next_declared) in one pass, for objects in which only required keys
    /// and the maximum matter.
    fn next_unconditional(&self, progress: &ObjectProgress, first: usize) -> Vec<u32> {
        let required = || {
            let open = (first..self.declared.len()).filter(|&i| self.is_open(progress, i));
            open.filter(|&i| self.declared[i].required)
        };
        let missing = required().count() as u32;
        if progress.count.saturating_add(missing) > self.max
            || required().any(|i| self.declared[i].values.is_empty())
        {
            return Vec::new();
        }
        let room = progress.count.saturating_add(missing) < self.max;
        let mut keys = Vec::new();
        for (i, property) in self.declared.iter().enumerate().skip(first) {
            if self.is_open(progress, i) && !property.values.is_empty() && (room || property.required) {
                keys.push(i as u32);
            }
            if self.order == KeyOrder::Declared && property.required {
                break;
            }
        }
        keys
    }

    /// The values that the declared key `i` may have next, each with the progress after it.
    pub fn after_declared(&self, progress: &ObjectProgress, i: u32) -> Vec<(Choice, ObjectProgress)> {
        let Some(property) = self.declared.get(i as usize) else { return Vec::new() };
        self.after(progress, &property.values, |next| self.record_declared(next, i as usize))
    }

    /// The values that a key of `rest[r]` may have next, each with the progress after it; empty
    /// when no such key may come.
    pub fn after_rest(&self, progress: &ObjectProgress, r: u32) -> Vec<(Choice, ObjectProgress)> {
        let Some(rest) = self.rest.get(r as usize) else { return Vec::new() };
        let capacity = self.counted_capacity(r as usize);
        if capacity.is_some_and(|c| progress.rest_counts[r as usize] >= c) {
            return Vec::new();
        }
        if self.order == KeyOrder::Declared
            && self.declared.iter().skip(progress.next as usize).any(|property| property.required)
        {
            return Vec::new();
        }
        self.after(progress, &rest.values, |next| self.record_rest(next, r as usize, capacity.is_some()))
    }

    fn after(
        &self,
        progress: &ObjectProgress,
        values: &[Choice],
        record: impl Fn(&mut ObjectProgress),
    ) -> Vec<(Choice, ObjectProgress)> {
        if progress.count >= self.max {
            return Vec::new();
        }
        let mut results = Vec::with_capacity(values.len());
        for &choice in values {
            let mut next = progress.clone();
            record(&mut next);
            next.count = self.clamp_count(next.count + 1);
            if self.count_choice(&mut next.counters, choice) && self.completable(&next) {
                results.push((choice, next));
            }
        }
        results
    }

    fn clamp_count(&self, count: u32) -> u32 {
        if self.max == UNBOUNDED { count.min(self.min) } else { count }
    }

    fn count_choice(&self, counters: &mut [u32], choice: Choice) -> bool {
        count(&self.counters, counters, choice)
    }

    /// True if the object may close here.
    pub fn may_close(&self, progress: &ObjectProgress) -> bool {
        !self.must_go_on
            && progress.count >= self.min
            && self.counters.iter().zip(&progress.counters).all(|(c, &n)| n >= c.min)
            && self.missing(progress).is_some_and(|m| m.is_empty())
    }

    /// The declared keys that must still come; `None` when one of them no longer can.
    fn missing(&self, progress: &ObjectProgress) -> Option<Vec<u32>> {
        let mut needed: Vec<u32> = Vec::new();
        let mut stack: Vec<u32> = Vec::new();
        let is_there = |i: usize| {
            if progress.seen.is_empty() {
                i < progress.next as usize && self.declared[i].required
            } else {
                Self::has_seen(progress, i)
            }
        };
        if progress.seen.is_empty() {
            // In declared order a required key is never passed over, so only keys ahead are
            // missing.
            needed.extend(
                (progress.next as usize..self.declared.len())
                    .filter(|&i| self.declared[i].required)
                    .map(|i| i as u32),
            );
        } else {
            for (i, property) in self.declared.iter().enumerate() {
                if property.required && !is_there(i) {
                    stack.push(i as u32);
                }
                if is_there(i) {
                    stack.extend(property.requires.iter().filter(|&&r| !is_there(r as usize)));
                }
            }
            let mut is_needed = vec![false; self.declared.len()];
            while let Some(i) = stack.pop() {
                if std::mem::replace(&mut is_needed[i as usize], true) {
                    continue;
                }
                needed.push(i);
                stack.extend(self.declared[i as usize].requires.iter().filter(|&&r| !is_there(r as usize)));
            }
        }
        needed
            .iter()
            .all(|&i| self.is_open(progress, i as usize) && !self.declared[i as usize].values.is_empty())
            .then_some(needed)
    }

    /// True if some continuation leads to a closing brace.
    fn completable(&self, progress: &ObjectProgress) -> bool {
        let Some(missing) = self.missing(progress) else { return false };
        let count = progress.count.saturating_add(missing.len() as u32);
        if count > self.max || self.min > self.max {
            return false;
        }
        if self.is_plain() {
            if count >= self.min {
                return true;
            }
            let mut extra: u32 = 0;
            for r in 0..self.rest.len() {
                match self.counted_capacity(r) {
                    None => return true,
                    Some(c) => extra = extra.saturating_add(c - progress.rest_counts[r].min(c)),
                }
            }
            let first = if self.order == KeyOrder::Declared { progress.next as usize } else { 0 };
            let optional = (first..self.declared.len()).filter(|&i| {
                let p = &self.declared[i];
                !p.required && !p.values.is_empty() && self.is_open(progress, i)
            });
            return count.saturating_add(extra).saturating_add(optional.count() as u32) >= self.min;
        }
        self.is_evidently_completable(progress, count) || self.search(progress)
    }

    /// True if undeclared keys evidently complete an object that has `count` keys with those that
    /// it must still have. There is room for the keys and counts that are then missing, no counter
    /// has a maximum, and keys that do not run out count for each counter below its minimum.
    /// `false` decides nothing.
    fn is_evidently_completable(&self, progress: &ObjectProgress, count: u32) -> bool {
        let endless: Vec<&RestKeys> = self
            .rest
            .iter()
            .enumerate()
            .filter_map(|(r, rest)| self.counted_capacity(r).is_none().then_some(rest))
            .collect();
        let counted = endless.iter().flat_map(|rest| &rest.values).fold(0, |all, choice| all | choice.counts);
        let mut counters = self.counters.iter().zip(&progress.counters).enumerate();
        let more = self.min.saturating_sub(count).max(counts_missing(&self.counters, &progress.counters));
        !endless.is_empty()
            && count.saturating_add(more) <= self.max
            && counters.all(|(i, (counter, &n))| {
                counter.max == UNBOUNDED && (n >= counter.min || counted >> i & 1 == 1)
            })
    }

    /// Searches depth-first for a continuation that ends, the closest end first.
    ///
    /// The way to the present record is a list and not a recursion, because it has a record for
    /// each key that is missing, which can be thousands.
    fn search(&self, progress: &ObjectProgress) -> bool {
        // The records from which no continuation was found, and those on the way to the present
        // one.
        let mut seen: HashSet<ObjectProgress> = HashSet::new();
        let mut way: Vec<Continuations> = Vec::new();
        let mut next = Some(progress.clone());
        loop {
            if let Some(at) = next {
                if self.may_close(&at) {
                    return true;
                }
                if seen.insert(at.clone()) {
                    if seen.len() > SEARCH_STEPS {
                        give_up();
                        return true;
                    }
                    way.extend(self.continuations(at));
                }
            }
            let Some(last) = way.last_mut() else { return false };
            next = self.next_continuation(last);
            if next.is_none() {
                way.pop();
            }
        }
    }

    /// The members that may follow `progress` on the way to an end; `None` if there is no end.
    fn continuations(&self, progress: ObjectProgress) -> Option<Continuations> {
        let missing = self.missing(&progress)?;
        if progress.count.saturating_add(missing.len() as u32) > self.max || progress.count >= self.max {
            return None;
        }
        let declared = self.declared.len();
        let keys = match (self.order, missing.iter().min()) {
            // Missing keys must come anyway, so the first of them is tried in every way and
            // optional keys are not.
            (KeyOrder::Any, Some(&first)) => first as usize..first as usize + 1,
            (KeyOrder::Any, None) => 0..declared + self.rest.len(),
            // Nothing after a required key can come before it.
            (KeyOrder::Declared, _) => {
                let next = (progress.next as usize).min(declared);
                let required = self.declared[next..].iter().position(|property| property.required);
                next..required.map_or(declared + self.rest.len(), |i| next + i + 1)
            }
        };
        Some(Continuations { progress, keys, choice: 0 })
    }

    /// The progress after the next member among `open`; `None` after the last one.
    fn next_continuation(&self, open: &mut Continuations) -> Option<ObjectProgress> {
        while !open.keys.is_empty() {
            let key = open.keys.start;
            let rest = key.checked_sub(self.declared.len());
            let (values, capacity) = match rest {
                None => (&self.declared[key].values, None),
                Some(r) => (&self.rest[r].values, self.counted_capacity(r)),
            };
            let is_left = match rest {
                None => self.is_open(&open.progress, key),
                Some(r) => capacity.is_none_or(|capacity| open.progress.rest_counts[r] < capacity),
            };
            let Some(&choice) = values.get(open.choice).filter(|_| is_left) else {
                (open.keys.start, open.choice) = (key + 1, 0);
                continue;
            };
            open.choice += 1;
            let mut next = open.progress.clone();
            match rest {
                None => self.record_declared(&mut next, key),
                Some(r) => self.record_rest(&mut next, r, capacity.is_some()),
            }
            next.count = self.clamp_count(next.count + 1);
            if self.count_choice(&mut next.counters, choice) {
                return Some(next);
            }
        }
        None
    }

    fn record_declared(&self, next: &mut ObjectProgress, i: usize) {
        if self.order == KeyOrder::Declared {
            next.next = i as u32 + 1;
        }
        if let Some(word) = next.seen.get_mut(i / 64) {
            *word |= 1 << (i % 64);
        }
    }

    fn record_rest(&self, next: &mut ObjectProgress, r: usize, is_counted: bool) {
        if self.order == KeyOrder::Declared {
            next.next = self.declared.len() as u32;
        }
        if is_counted {
            next.rest_counts[r] += 1;
        }
    }
}

/// The members that may follow a record and have not been looked at yet: those of `keys`, from a
/// choice of the first one on. Keys are numbered, the declared ones before the others.
struct Continuations {
    progress: ObjectProgress,
    keys: std::ops::Range<usize>,
    choice: usize,
}
