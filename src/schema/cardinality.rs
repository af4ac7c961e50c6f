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
use super::text::{Count, TextId};
use crate::automata::UNBOUNDED;
use std::sync::Arc;

/// The limit up to which strings and numbers are counted.
const COUNTED: usize = 64;
/// The number of terms that may be looked at for an exact count.
const COUNT_LOOKS: u32 = 4096;
/// The number of pairs of arrays or objects that may be compared for an exact count.
const COUNT_PAIRS: u32 = 16_384;
/// The number of terms that may be looked at for a lower bound.
const LEAST_LOOKS: u32 = 64;
/// The greatest depth to which one look leads to another, as from an array to its items.
const MAX_DEPTH: u32 = 32;

/// A budget of terms that may still be looked at, of pairs to compare, and of levels to descend.
#[derive(Clone, Copy)]
struct Looks {
    left: u32,
    pairs: u32,
    depth: u32,
}

impl Looks {
    fn new(left: u32) -> Self {
        Looks { left, pairs: COUNT_PAIRS, depth: MAX_DEPTH }
    }

    /// Takes `pairs` from the budget and reports whether so many were left.
    fn compare(&mut self, pairs: u32) -> bool {
        let left = self.pairs.checked_sub(pairs);
        self.pairs = left.unwrap_or(0);
        left.is_some()
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

/// The intersection of two containers (`None` if it evidently has no value), and the count of a
/// container's values up to a limit.
type Operations<'e, S> = (
    fn(&mut Eval<'e>, &Arc<S>, &Arc<S>) -> Result<Option<Arc<S>>, EvalError>,
    fn(&mut Eval<'e>, &S, usize, &mut Looks) -> Result<Option<usize>, EvalError>,
);

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

    /// Gives more items of `set` a value and reports whether that was possible.
    ///
    /// The values are free ones of one class, or taken from items that get other values in turn.
    /// The search for such a chain is breadth first, and as many values move along it as can
    /// (Edmonds and Karp 1972). So the work depends on the number of classes and sets alone.
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

    /// Moves values along the chain that was found, which is given from its end to its start.
    fn shift(&mut self, end: usize, by_set: &[Option<usize>], by_class: &[Option<usize>]) {
        // The chain as pairs of a class and the set that takes values of it.
        let mut chain = Vec::new();
        let mut class = Some(end);
        while let Some(of) = class {
            let Some(set) = by_set[of] else { break };
            chain.push((of, set));
            class = by_class[set];
        }
        let Some(&(_, first)) = chain.last() else { return };
        let taken = chain.windows(2).map(|pair| self.given[pair[1].0][pair[0].1]);
        let amount = taken.fold(self.left[end].min(self.open[first]), usize::min);
        for pair in chain.windows(2) {
            self.given[pair[1].0][pair[0].1] -= amount;
        }
        for &(class, set) in &chain {
            self.given[class][set] += amount;
        }
        self.left[end] -= amount;
        self.open[first] -= amount;
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

impl<'e> Eval<'e> {
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
        let Some(strings) = self.count_strings(shape.strings, limit).exactly() else { return Ok(None) };
        total = total.saturating_add(numbers).saturating_add(strings);
        let by_length: Operations<'e, ArrayShape> = (Self::intersect_arrays, Self::count_array);
        let Some(arrays) = self.count_union(&shape.arrays, by_length, limit, looks)? else { return Ok(None) };
        let by_keys: Operations<'e, ObjectShape> = (Self::intersect_objects, Self::count_object);
        let Some(objects) = self.count_union(&shape.objects, by_keys, limit, looks)? else { return Ok(None) };
        let total = total.saturating_add(arrays).saturating_add(objects);
        Ok((total <= limit).then_some(total as u32))
    }

    /// The number of strings in a set that have a spelling.
    fn count_strings(&mut self, strings: TextId, limit: usize) -> Count {
        let endless = self.algebra.texts.is_evidently_endless(strings);
        if endless || self.algebra.spells_all() {
            return self.algebra.texts.count(strings, limit, &mut self.nodes.languages);
        }
        let texts = self.algebra.texts.language(strings, &mut self.nodes.languages);
        let escapes = self.algebra.options.escapes.free();
        let spellable = self.pool().spellable(texts, escapes);
        super::text::count_words(self.pool(), spellable, limit)
    }

    /// The number of values in a union of containers, which may overlap.
    ///
    /// Of each shape, the values are counted that are in none of the shapes before it: all of its
    /// values less those in the union of its intersections with the shapes before it.
    fn count_union<S>(
        &mut self,
        shapes: &[Arc<S>],
        (intersect, count): Operations<'e, S>,
        limit: usize,
        looks: &mut Looks,
    ) -> Result<Option<usize>, EvalError> {
        let mut total = 0usize;
        for (i, shape) in shapes.iter().enumerate() {
            let Some(own) = count(self, shape, limit, looks)? else { return Ok(None) };
            if !looks.compare(i as u32) {
                return Ok(None);
            }
            let mut shared = Vec::new();
            for before in &shapes[..i] {
                self.algebra.spend(1)?;
                shared.extend(intersect(self, before, shape)?);
            }
            let union = |looks: &mut Looks| self.count_union(&shared, (intersect, count), limit, looks);
            let counted_before = match shared.is_empty() {
                true => Some(0),
                false => looks.inside(union).unwrap_or(Ok(None))?,
            };
            let Some(counted_before) = counted_before else { return Ok(None) };
            total = total.saturating_add(own.saturating_sub(counted_before));
            if total > limit {
                return Ok(None);
            }
        }
        Ok(Some(total))
    }

    /// The number of arrays of a shape. Only arrays of fixed length are counted, such as those that
    /// `enum` gives.
    fn count_array(
        &mut self,
        array: &ArrayShape,
        limit: usize,
        looks: &mut Looks,
    ) -> Result<Option<usize>, EvalError> {
        let items = array.prefix.len();
        let fixed =
            array.min as usize == items && (array.max as usize == items || array.rest == TermId::NEVER);
        let distinct = array.unique && items > 1;
        if !fixed || distinct || array.repeated || !array.some.is_empty() || !array.differs.is_empty() {
            return Ok(None);
        }
        let mut product = 1usize;
        for &item in &array.prefix {
            match self.count(item, limit, looks)? {
                Some(0) => return Ok(Some(0)),
                Some(count) => product = product.saturating_mul(count as usize),
                None => return Ok(None),
            }
        }
        Ok((product <= limit).then_some(product))
    }

    /// The number of objects of a shape. Only objects with declared keys alone are counted.
    fn count_object(
        &mut self,
        object: &ObjectShape,
        limit: usize,
        looks: &mut Looks,
    ) -> Result<Option<usize>, EvalError> {
        let open = !object.rest.is_empty() || !object.requires.is_empty();
        if open || !object.clauses.is_empty() || !object.some.is_empty() || !object.differs.is_empty() {
            return Ok(None);
        }
        // The number of objects by the number of their keys, for the declared keys so far.
        let mut by_size = vec![1usize];
        for declared in &object.declared {
            let Some(values) = self.count(declared.value, limit, looks)? else { return Ok(None) };
            let absent = usize::from(!declared.required);
            self.algebra.spend(by_size.len() as u64 / 16)?;
            by_size.push(0);
            for size in (0..by_size.len()).rev() {
                let longer = if size == 0 { 0 } else { by_size[size - 1].saturating_mul(values as usize) };
                by_size[size] = by_size[size].saturating_mul(absent).saturating_add(longer);
            }
        }
        let sizes = object.min as usize..by_size.len().min((object.max as usize).saturating_add(1));
        let total = by_size.get(sizes).unwrap_or(&[]).iter().fold(0, |sum: usize, &n| sum.saturating_add(n));
        Ok((total <= limit).then_some(total))
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
        total += match self.count_strings(shape.strings, COUNTED) {
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
        let terms: Vec<TermId> = sets.iter().map(|set| set.0).collect();
        let mut counted = Vec::new();
        for (values, within) in self.partition(&terms)? {
            // A class that takes too long to count is taken to have enough values.
            let count = self.count_values(values, limit)?.map_or(limit, |count| count as usize);
            counted.push(Class { values, count, within });
        }
        Ok(counted)
    }

    /// The values of some sets, divided by the sets to which they belong. Each part has a value.
    pub fn partition(&mut self, sets: &[TermId]) -> Result<Vec<(TermId, Vec<usize>)>, EvalError> {
        let mut parts: Vec<(TermId, Vec<usize>)> = Vec::new();
        for (i, &set) in sets.iter().enumerate() {
            let mut left = set;
            let mut next = Vec::with_capacity(parts.len() + 1);
            for (values, within) in parts {
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
            parts = next;
        }
        Ok(parts)
    }
}
