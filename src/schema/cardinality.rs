//! Counts of a term's values, exact up to a limit or as a lower bound, for arrays of distinct
//! items.
//!
//! An array of distinct items depends on such counts in three ways:
//!
//! - The array cannot have more items than its items have values.
//! - A value must be left for each required item that is still to come. Giving every item a value
//!   is a bipartite matching, and Hall's marriage theorem (1935) tells from counts whether one
//!   exists. For example, `{"items": {"enum": [1, 2]}, "minItems": 3, "uniqueItems": true}` has no
//!   array.
//! - If a term surely has more values than the array has items so far, a next item exists. Its
//!   exact set of values can then be computed later, when the item begins.

use super::eval::Eval;
use super::shape::{ArrayShape, ObjectShape};
use super::term::{EvalError, TermId};
use super::text::Count;
use crate::automata::UNBOUNDED;

/// The limit up to which strings and numbers are counted.
const COUNTED: usize = 64;
/// The number of terms that may be looked at for an exact count.
const COUNT_LOOKS: u32 = 4096;
/// The number of terms that may be looked at for a lower bound.
const LEAST_LOOKS: u32 = 64;
/// The greatest depth to which one look leads to another, as from an array to its items.
const MAX_DEPTH: u32 = 32;

/// A budget of terms that may still be looked at, and of levels to descend.
#[derive(Clone, Copy)]
struct Looks {
    left: u32,
    depth: u32,
}

impl Looks {
    fn new(left: u32) -> Self {
        Looks { left, depth: MAX_DEPTH }
    }

    /// Runs `look` one level deeper; `None` if the budget is used up.
    fn inside<T>(&mut self, look: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        self.depth = self.depth.checked_sub(1)?;
        let found = look(self);
        self.depth += 1;
        Some(found)
    }
}

/// A class of values that belong to exactly the same sets.
struct Class {
    values: TermId,
    count: usize,
    within: Vec<usize>,
}

/// An assignment of values to items: how many values of each class go to each set of items.
struct Matching<'c> {
    classes: &'c [Class],
    /// The number of items without a value, by set.
    open: Vec<usize>,
    /// The number of values given, by class and set.
    given: Vec<Vec<usize>>,
    /// The number of values left, by class.
    left: Vec<usize>,
}

impl<'c> Matching<'c> {
    /// Gives a value to as many items as possible.
    fn of(sets: &[(TermId, usize)], classes: &'c [Class]) -> Self {
        let mut matching = Matching {
            classes,
            open: sets.iter().map(|set| set.1).collect(),
            given: vec![vec![0; sets.len()]; classes.len()],
            left: classes.iter().map(|class| class.count).collect(),
        };
        for set in 0..sets.len() {
            while matching.open[set] > 0 && matching.augment(set) {}
        }
        matching
    }

    /// Gives one more item of `set` a value and reports whether that was possible.
    ///
    /// The value is a free one, or one taken from an item that gets another value in turn. The
    /// search for such a chain is breadth first.
    fn augment(&mut self, set: usize) -> bool {
        // For each class, the set from which the search reached it. For each set, the class from
        // which the search reached it.
        let mut by_set: Vec<Option<usize>> = vec![None; self.classes.len()];
        let mut by_class: Vec<Option<usize>> = vec![None; self.open.len()];
        let mut queue = std::collections::VecDeque::from([set]);
        while let Some(at) = queue.pop_front() {
            for class in 0..self.classes.len() {
                if by_set[class].is_some() || !self.classes[class].within.contains(&at) {
                    continue;
                }
                by_set[class] = Some(at);
                if self.left[class] > 0 {
                    self.left[class] -= 1;
                    self.open[set] -= 1;
                    self.shift(class, &by_set, &by_class);
                    return true;
                }
                for (other, from) in by_class.iter_mut().enumerate() {
                    if other != set && from.is_none() && self.given[class][other] > 0 {
                        *from = Some(class);
                        queue.push_back(other);
                    }
                }
            }
        }
        false
    }

    /// Moves values along the chain that was found, from its end to its start.
    fn shift(&mut self, end: usize, by_set: &[Option<usize>], by_class: &[Option<usize>]) {
        let mut class = end;
        while let Some(set) = by_set[class] {
            self.given[class][set] += 1;
            let Some(before) = by_class[set] else { break };
            self.given[before][set] -= 1;
            class = before;
        }
    }

    /// The classes whose values are all needed by the items; `None` if some item has no value.
    fn reserved(&self) -> Option<Vec<usize>> {
        if self.open.iter().any(|&open| open > 0) {
            return None;
        }
        let mut free: Vec<bool> = self.left.iter().map(|&left| left > 0).collect();
        loop {
            let freed = (0..self.classes.len()).find(|&class| {
                !free[class]
                    && (0..self.open.len()).any(|set| {
                        let other = |c: usize| free[c] && self.classes[c].within.contains(&set);
                        self.given[class][set] > 0 && (0..self.classes.len()).any(other)
                    })
            });
            match freed {
                Some(class) => free[class] = true,
                None => return Some((0..free.len()).filter(|&class| !free[class]).collect()),
            }
        }
    }
}

impl Eval<'_> {
    /// The number of a term's values, if a cheap test finds it and it is at most `limit`.
    pub fn count_values(&mut self, id: TermId, limit: usize) -> Result<Option<u32>, EvalError> {
        self.count(id, limit, &mut Looks::new(COUNT_LOOKS))
    }

    fn count(&mut self, id: TermId, limit: usize, looks: &mut Looks) -> Result<Option<u32>, EvalError> {
        looks.inside(|looks| self.count_inside(id, limit, looks)).unwrap_or(Ok(None))
    }

    fn count_inside(
        &mut self,
        id: TermId,
        limit: usize,
        looks: &mut Looks,
    ) -> Result<Option<u32>, EvalError> {
        let shape = self.values(id)?;
        let mut total = usize::from(shape.null) + shape.booleans.count_ones() as usize;
        let Some(numbers) = shape.numbers.count(limit) else { return Ok(None) };
        let strings = self.algebra.texts.count(shape.strings, limit, &mut self.nodes.languages);
        let Some(strings) = strings.exactly() else { return Ok(None) };
        total += numbers + strings;
        for array in &shape.arrays {
            // Only arrays of fixed length are counted, such as those that `enum` gives.
            let mut product = 1usize;
            let fixed = array.rest == TermId::NEVER && array.min as usize == array.prefix.len();
            if !fixed || !array.differs.is_empty() {
                return Ok(None);
            }
            for &item in &array.prefix {
                let Some(n) = self.count(item, limit, looks)? else { return Ok(None) };
                product = product.saturating_mul(n as usize);
            }
            total = total.saturating_add(product);
        }
        for object in &shape.objects {
            let mut product = 1usize;
            if !object.clauses.is_empty()
                || !object.rest.is_empty()
                || !object.some.is_empty()
                || !object.differs.is_empty()
            {
                return Ok(None);
            }
            for declared in &object.declared {
                let Some(n) = self.count(declared.value, limit, looks)? else { return Ok(None) };
                product = product.saturating_mul(n as usize + usize::from(!declared.required));
            }
            total = total.saturating_add(product);
        }
        Ok((total <= limit).then_some(total as u32))
    }

    /// A lower bound on the number of a term's values: [`UNBOUNDED`] for infinitely many, 0 if
    /// nothing is known.
    pub fn least_values(&mut self, id: TermId) -> Result<u32, EvalError> {
        self.least(id, &mut Looks::new(LEAST_LOOKS))
    }

    fn least(&mut self, id: TermId, looks: &mut Looks) -> Result<u32, EvalError> {
        looks.inside(|looks| self.least_inside(id, looks)).unwrap_or(Ok(0))
    }

    fn least_inside(&mut self, id: TermId, looks: &mut Looks) -> Result<u32, EvalError> {
        let shape = self.values(id)?;
        let mut total = u32::from(shape.null) + shape.booleans.count_ones();
        if shape.numbers.is_evidently_infinite() {
            return Ok(UNBOUNDED);
        }
        total += shape.numbers.count(COUNTED).unwrap_or(0) as u32;
        total += match self.algebra.texts.count(shape.strings, COUNTED, &mut self.nodes.languages) {
            Count::Exactly(count) => count as u32,
            Count::More if self.algebra.texts.is_evidently_endless(shape.strings) => return Ok(UNBOUNDED),
            Count::More => COUNTED as u32 + 1,
            Count::Unknown => 0,
        };
        let mut containers = 0;
        for array in &shape.arrays {
            containers = self.least_arrays(array, looks)?.max(containers);
        }
        for object in &shape.objects {
            containers = self.least_objects(object, looks)?.max(containers);
        }
        Ok(total.saturating_add(containers))
    }

    /// A lower bound on the number of arrays in `array`: the most values that a single position
    /// has.
    fn least_arrays(&mut self, array: &ArrayShape, looks: &mut Looks) -> Result<u32, EvalError> {
        let plain = array.some.is_empty() && array.differs.is_empty() && !array.unique && !array.repeated;
        if !plain || array.max == 0 {
            return Ok(0);
        }
        let items = array.min.max(1);
        if items as usize > array.prefix.len() + 1 {
            return Ok(0);
        }
        let mut most = 0;
        for position in 0..items as usize {
            match self.least(array.item(position), looks)? {
                0 => return Ok(0),
                least => most = least.max(most),
            }
        }
        Ok(most)
    }

    /// A lower bound on the number of objects in `object`: the most values that a single property
    /// has.
    fn least_objects(&mut self, object: &ObjectShape, looks: &mut Looks) -> Result<u32, EvalError> {
        let plain = object.some.is_empty() && object.differs.is_empty() && object.clauses.is_empty();
        if !plain || !self.object_is_inhabited(object)? {
            return Ok(0);
        }
        // Without a maximum, one more property is allowed, and each other key makes another object.
        let open = object.max == UNBOUNDED;
        for &(keys, value) in &object.rest {
            if open && self.algebra.texts.is_evidently_endless(keys) && self.is_inhabited(value)? {
                return Ok(UNBOUNDED);
            }
        }
        let mut most = 0;
        for declared in &object.declared {
            let free = open && !object.requires.iter().any(|(key, _)| *key == declared.key);
            if declared.required || free {
                most = self.least(declared.value, looks)?.max(most);
            }
            if most == UNBOUNDED {
                break;
            }
        }
        Ok(most)
    }

    /// The values that no item before position `from` may still take: `used`, and the values that
    /// the required items from there on need. `None` if those items cannot differ from each other
    /// and from `used`.
    ///
    /// By Hall's theorem the items can differ if every group of positions has at least as many
    /// values as positions. A matching finds the values that must be kept. A value need not be kept
    /// if its item could take another value: a free one, or that of an item that could take another
    /// value in turn.
    pub fn reserved(
        &mut self,
        array: &ArrayShape,
        from: usize,
        used: TermId,
    ) -> Result<Option<TermId>, EvalError> {
        let required = array.min as usize;
        let open = required.saturating_sub(from);
        let unused = self.algebra.not(used);
        let start = from.min(array.prefix.len());
        let in_prefix = start..required.min(array.prefix.len()).max(start);
        let mut finite: Vec<(TermId, usize)> = Vec::new();
        let others = (array.rest, open - in_prefix.len());
        let positions = array.prefix[in_prefix].iter().map(|&item| (item, 1)).chain([others]);
        for (item, positions) in positions.filter(|&(_, positions)| positions > 0) {
            let values = self.algebra.and2(item, unused);
            if let Some(known) = finite.iter_mut().find(|set| set.0 == values) {
                known.1 += positions;
            } else if self.count_values(values, open)?.is_some() {
                finite.push((values, positions));
            }
        }
        let mut reserved = vec![used];
        if finite.is_empty() {
            return Ok(Some(used));
        }
        let classes = self.classes(&finite, open)?;
        self.algebra.spend((classes.len() * finite.len()) as u64 / 16)?;
        let Some(kept) = Matching::of(&finite, &classes).reserved() else { return Ok(None) };
        reserved.extend(kept.into_iter().map(|class| classes[class].values));
        Ok(Some(self.algebra.or(&reserved)))
    }

    /// The values of some sets, divided into classes that belong to the same sets.
    fn classes(&mut self, sets: &[(TermId, usize)], limit: usize) -> Result<Vec<Class>, EvalError> {
        let mut classes: Vec<(TermId, Vec<usize>)> = Vec::new();
        for (i, &(set, _)) in sets.iter().enumerate() {
            let mut left = set;
            let mut next = Vec::with_capacity(classes.len() + 1);
            for (values, within) in classes {
                self.algebra.spend(1)?;
                let common = self.algebra.and2(values, set);
                if common == TermId::NEVER || !self.is_inhabited(common)? {
                    next.push((values, within));
                    continue;
                }
                let [not_set, not_values] = [set, values].map(|term| self.algebra.not(term));
                let outside = self.algebra.and2(values, not_set);
                left = self.algebra.and2(left, not_values);
                let mut both = within.clone();
                both.push(i);
                next.push((common, both));
                if self.is_inhabited(outside)? {
                    next.push((outside, within));
                }
            }
            if self.is_inhabited(left)? {
                next.push((left, vec![i]));
            }
            classes = next;
        }
        let mut counted = Vec::with_capacity(classes.len());
        for (values, within) in classes {
            // A class that takes too long to count is taken to have enough values.
            let count = self.count_values(values, limit)?.map_or(limit, |count| count as usize);
            counted.push(Class { values, count, within });
        }
        Ok(counted)
    }

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
        Ok(true)
    }
}
