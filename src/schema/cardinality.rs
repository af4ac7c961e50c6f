//! How many values a term has, no more than so many or no fewer, and what arrays of distinct items conclude from it.
//!
//! An array that can have no more items than there are values must not promise more. Items that have to come must be left
//! a value each, by those before them: that they can be is a marriage problem, and Hall's theorem (1935) solves it by
//! counting. And where there surely are more values than items so far there is a next item, and which values it may have
//! need not be found out before it begins.

use super::shape::{ArrayShape, Eval, ObjectShape};
use super::term::{Failure, TermId};
use super::text::Count;
use crate::automata::UNBOUNDED;

/// Strings and numbers are counted up to here.
const COUNTED: usize = 64;
/// How many terms are looked at to count all values, and to find many.
const COUNT_LOOKS: u32 = 4096;
const LEAST_LOOKS: u32 = 64;
/// How deep these may be nested in each other.
const MAX_DEPTH: u32 = 32;

/// What is left to look at.
#[derive(Clone, Copy)]
struct Looks {
    left: u32,
    depth: u32,
}

impl Looks {
    fn new(left: u32) -> Self {
        Looks { left, depth: MAX_DEPTH }
    }

    /// Looks inside, if that is not too much.
    fn inside<T>(&mut self, look: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        self.depth = self.depth.checked_sub(1)?;
        let found = look(self);
        self.depth += 1;
        Some(found)
    }
}
/// How many finite sets of items are looked at together, and how many there may be in all.
const MAX_RIVALS: usize = 10;
const MAX_FINITE: usize = 64;

impl Eval<'_> {
    /// How many values a term has, if obviously no more than `limit`.
    pub fn count_values(&mut self, id: TermId, limit: usize) -> Result<Option<u32>, Failure> {
        self.count(id, limit, &mut Looks::new(COUNT_LOOKS))
    }

    fn count(&mut self, id: TermId, limit: usize, looks: &mut Looks) -> Result<Option<u32>, Failure> {
        looks.inside(|looks| self.count_inside(id, limit, looks)).unwrap_or(Ok(None))
    }

    fn count_inside(&mut self, id: TermId, limit: usize, looks: &mut Looks) -> Result<Option<u32>, Failure> {
        let shape = self.values(id)?;
        let mut total = usize::from(shape.null) + shape.booleans.count_ones() as usize;
        let Some(numbers) = shape.numbers.count(limit) else { return Ok(None) };
        let strings = self.algebra.texts.count(shape.strings, limit, &mut self.nodes.languages);
        let Some(strings) = strings.exactly() else { return Ok(None) };
        total += numbers + strings;
        for array in &shape.arrays {
            // Only arrays of fixed values, as `enum` has them.
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
            if !object.rest.is_empty() || !object.some.is_empty() || !object.differs.is_empty() {
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

    /// At least so many values a term has; [`UNBOUNDED`] for infinitely many. 0 says nothing.
    pub fn least_values(&mut self, id: TermId) -> Result<u32, Failure> {
        self.least(id, &mut Looks::new(LEAST_LOOKS))
    }

    fn least(&mut self, id: TermId, looks: &mut Looks) -> Result<u32, Failure> {
        looks.inside(|looks| self.least_inside(id, looks)).unwrap_or(Ok(0))
    }

    fn least_inside(&mut self, id: TermId, looks: &mut Looks) -> Result<u32, Failure> {
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

    /// As many as one position has values, if arrays with any of them are arrays of `array`.
    fn least_arrays(&mut self, array: &ArrayShape, looks: &mut Looks) -> Result<u32, Failure> {
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

    /// As many as one property has values, if objects with any of them are objects of `object`.
    fn least_objects(&mut self, object: &ObjectShape, looks: &mut Looks) -> Result<u32, Failure> {
        let plain = object.some.is_empty() && object.differs.is_empty();
        if !plain || !self.object_is_inhabited(object)? {
            return Ok(0);
        }
        // One more property is no harm, and another key leads to another object.
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

    /// The values that must be left to the required items from position `from` on if these are to differ from each other and
    /// from `used`; `None` where they cannot.
    ///
    /// Hall: they can if any positions together have as many values as they are. Those that have no more need them all.
    pub fn reserved(
        &mut self,
        array: &ArrayShape,
        from: usize,
        used: TermId,
    ) -> Result<Option<TermId>, Failure> {
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
        let too_many = Failure::Unsupported {
            at: None,
            keyword: "uniqueItems",
            reason: "too many of the required items have only few values",
        };
        if finite.len() > MAX_FINITE {
            return Err(too_many);
        }
        let mut reserved = vec![used];
        while let Some(first) = finite.pop() {
            // What has no value in common does not compete.
            let mut rivals = vec![first];
            let mut at = 0;
            while at < rivals.len() {
                let mut apart = Vec::with_capacity(finite.len());
                for other in finite {
                    let common = self.algebra.and2(rivals[at].0, other.0);
                    match self.is_inhabited(common)? {
                        true => rivals.push(other),
                        false => apart.push(other),
                    }
                }
                finite = apart;
                at += 1;
            }
            if rivals.len() > MAX_RIVALS {
                return Err(too_many);
            }
            for chosen in 1u32..1 << rivals.len() {
                self.algebra.spend(1)?;
                let chosen =
                    rivals.iter().enumerate().filter(|(i, _)| chosen >> i & 1 != 0).map(|(_, set)| set);
                let positions: usize = chosen.clone().map(|set| set.1).sum();
                let values: Vec<TermId> = chosen.map(|set| set.0).collect();
                let values = self.algebra.or(&values);
                match self.count_values(values, positions)? {
                    Some(count) if (count as usize) < positions => return Ok(None),
                    Some(_) => reserved.push(values),
                    None => {}
                }
            }
        }
        Ok(Some(self.algebra.or(&reserved)))
    }

    /// Whether counted items of an array of distinct ones can be as many as they must.
    pub fn counted_can_differ(&mut self, array: &ArrayShape) -> Result<bool, Failure> {
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
