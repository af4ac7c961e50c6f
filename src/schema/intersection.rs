//! Unions and intersections of shapes, and the normal form of shapes.
//!
//! An intersection of unions is the union of the intersections of their parts. Parts that evidently
//! have no value are dropped at once. That keeps the result small, because most parts contradict
//! each other in a key that tells them apart.
//!
//! Objects are not multiplied out. The objects of the first union keep those of the second as a
//! clause: a list of shapes of which at least one must hold. For example, `allOf` of ten `anyOf`s
//! of two objects each becomes two objects with nine clauses each, and not 2^10 objects.
//!
//! Clauses are simplified by comparing names (unit propagation). An alternative that contradicts
//! its object is left out. A clause with a single alternative left is intersected with its object.
//! A clause with an alternative that holds for the whole object is dropped.

use super::eval::Eval;
use super::shape::{ArrayShape, Clause, Declared, ObjectShape, Shape, SomeProperties};
use super::term::{EvalError, TermId};
use super::text::TextId;
use crate::automata::UNBOUNDED;
use std::sync::Arc;

/// A shape, or `None` if it evidently has no value.
type Evident<S> = Result<Option<Arc<S>>, EvalError>;

/// The intersection of two shapes where it is one of them, because they are equal or the other one
/// is `any`.
fn narrower<'s, S: PartialEq>(a: &'s Arc<S>, b: &'s Arc<S>, any: &S) -> Option<&'s Arc<S>> {
    if a == b || **b == *any { Some(a) } else { (**a == *any).then_some(b) }
}

impl Eval<'_> {
    /// The union of two shapes, which may overlap.
    pub fn union(&mut self, a: &Shape, b: &Shape) -> Shape {
        let mut union = a.clone();
        self.unite(&mut union, b);
        union
    }

    /// Adds the values of `other` to `union`.
    pub fn unite(&mut self, union: &mut Shape, other: &Shape) {
        union.null |= other.null;
        union.booleans |= other.booleans;
        if !other.numbers.is_empty() {
            union.numbers = union.numbers.or(&other.numbers);
        }
        union.strings = self.algebra.texts.or(union.strings, other.strings);
        other.arrays.iter().for_each(|x| self.add_array(union, x.clone()));
        other.objects.iter().for_each(|x| self.add_object(union, x.clone()));
    }

    /// The values in both shapes.
    pub fn intersect(&mut self, a: &Shape, b: &Shape) -> Result<Shape, EvalError> {
        self.algebra.spend(a.numbers.work(&b.numbers) / 8)?;
        let mut both = Shape {
            null: a.null && b.null,
            booleans: a.booleans & b.booleans,
            numbers: a.numbers.and(&b.numbers),
            strings: self.and_text(a.strings, b.strings),
            arrays: Vec::new(),
            objects: Vec::new(),
        };
        for x in &a.arrays {
            for y in &b.arrays {
                self.algebra.spend(1)?;
                if let Some(array) = self.intersect_arrays(x, y)? {
                    self.add_array(&mut both, array);
                }
            }
        }
        for x in &a.objects {
            let found = match (a.objects.len(), b.objects.as_slice()) {
                (1, several) => self.each_of(x, several)?,
                (_, several) => self.with_one_of(x, several)?,
            };
            found.into_iter().for_each(|object| self.add_object(&mut both, object));
        }
        Ok(both)
    }

    /// The intersections of `x` with each of `alternatives`.
    fn each_of(
        &mut self,
        x: &Arc<ObjectShape>,
        alternatives: &[Arc<ObjectShape>],
    ) -> Result<Vec<Arc<ObjectShape>>, EvalError> {
        let mut found = Vec::with_capacity(alternatives.len());
        for y in alternatives {
            self.algebra.spend(1)?;
            found.extend(self.intersect_objects(x, y)?);
        }
        Ok(found)
    }

    /// The objects of `x` that are in one of `alternatives`.
    ///
    /// With closed objects, the alternatives are multiplied out. An alternative is then kept for
    /// the keys that it names, even if it adds no values.
    pub fn with_one_of(
        &mut self,
        x: &Arc<ObjectShape>,
        alternatives: &[Arc<ObjectShape>],
    ) -> Result<Vec<Arc<ObjectShape>>, EvalError> {
        match self.is_closing() {
            true => self.each_of(x, alternatives),
            false => Ok(self.with_clause(x, alternatives)?.into_iter().collect()),
        }
    }

    /// The objects of `x` that are in one of `alternatives`, with the alternatives as a clause.
    fn with_clause(
        &mut self,
        x: &Arc<ObjectShape>,
        alternatives: &[Arc<ObjectShape>],
    ) -> Result<Option<Arc<ObjectShape>>, EvalError> {
        let Some(left) = self.clause_within(x, alternatives)? else { return Ok(Some(x.clone())) };
        match left.as_slice() {
            [] => Ok(None),
            [one] => self.intersect_objects(x, one),
            _ => {
                let clause = self.algebra.clause(&left);
                let mut object = (**x).clone();
                if !object.clauses.contains(&clause) {
                    object.clauses.push(clause);
                }
                Ok(Some(Arc::new(object)))
            }
        }
    }

    /// The alternatives that `x` does not contradict; `None` if one of them holds for every object
    /// of `x`.
    fn clause_within(
        &mut self,
        x: &ObjectShape,
        alternatives: &[Arc<ObjectShape>],
    ) -> Result<Option<Vec<Arc<ObjectShape>>>, EvalError> {
        self.algebra.spend(1 + alternatives.len() as u64 / 16)?;
        self.charge()?;
        if alternatives.iter().any(|y| self.is_within(x, y)) {
            return Ok(None);
        }
        let mut left = Vec::with_capacity(alternatives.len());
        for y in alternatives {
            if self.contradict(x, y)? {
                continue;
            }
            if self.scalars_imply(x, y) {
                return Ok(None);
            }
            left.push(y.clone());
        }
        Ok(Some(left))
    }

    /// Reports whether every object of `x` evidently is in `y`, which restricts only declared keys,
    /// because the scalars that `x` allows there are among those of `y`.
    fn scalars_imply(&mut self, x: &ObjectShape, y: &ObjectShape) -> bool {
        y.restricts_only_declared()
            && y.declared.iter().all(|d| {
                let Some(own) = x.position(&d.key).map(|i| &x.declared[i]) else { return false };
                let is_scalar = |term| self.algebra.is_scalar(term);
                (own.required || !d.required)
                    && (self.algebra.implies(own.value, d.value)
                        || is_scalar(own.value)
                            && is_scalar(d.value)
                            && self.algebra.and2(own.value, d.value) == own.value)
            })
    }

    /// Reports whether evidently no object is in both.
    pub fn contradict(&mut self, a: &ObjectShape, b: &ObjectShape) -> Result<bool, EvalError> {
        let max = a.max.min(b.max);
        // The keys of `a` alone matter only if `b` restricts or counts them.
        let only_shared = max == UNBOUNDED && b.rest == [(TextId::ANY, TermId::ANY)];
        let compared = b.declared.len() + if only_shared { 0 } else { a.declared.len() };
        self.algebra.spend(compared as u64 / 16)?;
        let mut required = 0u32;
        for (x, y, first) in [(b, a, true), (a, b, false)] {
            if only_shared && !first {
                continue;
            }
            for d in &x.declared {
                let other = y.position(&d.key).map(|i| &y.declared[i]);
                if !first && other.is_some() {
                    continue;
                }
                if !d.required && !other.is_some_and(|other| other.required) {
                    continue;
                }
                required += 1;
                let value = match other {
                    Some(other) => other.value,
                    None => self.rest_value(y, &d.key),
                };
                let both = self.algebra.and2(d.value, value);
                if both == TermId::NEVER || self.is_evidently_never(both)? {
                    return Ok(true);
                }
            }
        }
        if a.min.max(b.min) > max || required > max {
            return Ok(true);
        }
        for (x, y) in [(a, b), (b, a)] {
            if x.some.iter().any(|s| s.min > 0 && !self.has_place(y, s)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The arrays in both; `None` if there evidently are none.
    pub fn intersect_arrays(&mut self, a: &Arc<ArrayShape>, b: &Arc<ArrayShape>) -> Evident<ArrayShape> {
        if let Some(narrower) = narrower(a, b, &ArrayShape::any()) {
            return Ok(Some(narrower.clone()));
        }
        let len = a.prefix.len().max(b.prefix.len());
        let mut both = ArrayShape {
            prefix: (0..len).map(|i| self.algebra.and2(a.item(i), b.item(i))).collect(),
            rest: self.algebra.and2(a.rest, b.rest),
            min: a.min.max(b.min),
            max: a.max.min(b.max),
            some: a.some.clone(),
            unique: a.unique || b.unique,
            repeated: a.repeated || b.repeated,
            differs: a.differs.clone(),
        };
        both.some.extend(b.some.iter().filter(|s| !a.some.contains(s)).cloned());
        both.differs.extend(b.differs.iter().filter(|d| !a.differs.contains(d)).cloned());
        self.finish_array(both)
    }

    /// The array in normal form; `None` if there evidently is none.
    pub fn finish_array(&mut self, mut array: ArrayShape) -> Evident<ArrayShape> {
        if !array.tidy() {
            return Ok(None);
        }
        for i in 0..array.prefix.len().min(array.min as usize) {
            if self.is_evidently_never(array.prefix[i])? {
                return Ok(None);
            }
        }
        if array.min as usize > array.prefix.len() && self.is_evidently_never(array.rest)? {
            return Ok(None);
        }
        // No array is left if a required item finds no position that allows its values.
        for s in array.some.iter().filter(|s| s.min > 0) {
            let from = array.prefix.len().min(s.from as usize);
            let mut places = array.prefix[from..].iter().chain([&array.rest]);
            if places.all(|&item| self.algebra.and2(item, s.value) == TermId::NEVER) {
                return Ok(None);
            }
        }
        let mut differs = std::mem::take(&mut array.differs);
        differs.retain(|items| {
            let len = items.len() as u32;
            array.min <= len
                && len <= array.max
                && (0..items.len()).all(|i| self.algebra.and2(array.item(i), items[i]) != TermId::NEVER)
        });
        array.differs = differs;
        Ok(Some(Arc::new(array)))
    }

    /// The objects in both; `None` if there evidently are none.
    pub fn intersect_objects(&mut self, a: &Arc<ObjectShape>, b: &Arc<ObjectShape>) -> Evident<ObjectShape> {
        if let Some(narrower) = narrower(a, b, &ObjectShape::any()) {
            return Ok(Some(narrower.clone()));
        }
        self.algebra.spend((a.declared.len() + b.declared.len()) as u64 / 8)?;
        let declared = self.declared_in_either(a, b);
        let mut rest = Vec::new();
        for &(keys_a, value_a) in &a.rest {
            for &(keys_b, value_b) in &b.rest {
                let keys = self.and_text(keys_a, keys_b);
                let value = self.algebra.and2(value_a, value_b);
                if keys != TextId::NEVER && value != TermId::NEVER {
                    rest.push((keys, value));
                }
            }
        }
        let mut both = ObjectShape {
            declared,
            rest,
            min: a.min.max(b.min),
            max: a.max.min(b.max),
            requires: a.requires.clone(),
            some: a.some.clone(),
            differs: a.differs.clone(),
            clauses: a.clauses.clone(),
        };
        both.clauses.extend(b.clauses.iter().filter(|c| !a.clauses.contains(c)).cloned());
        both.requires.extend(b.requires.iter().filter(|r| !a.requires.contains(r)).cloned());
        both.some.extend(b.some.iter().filter(|s| !a.some.contains(s)).cloned());
        both.differs.extend(b.differs.iter().filter(|d| !a.differs.contains(d)).cloned());
        self.finish_object(both)
    }

    /// The declared keys of two objects, with the terms that both require of their values.
    fn declared_in_either(&mut self, a: &ObjectShape, b: &ObjectShape) -> Vec<Declared> {
        let index = |o: &ObjectShape| -> hashbrown::HashMap<Arc<str>, usize> {
            o.declared.iter().enumerate().map(|(i, d)| (d.key.clone(), i)).collect()
        };
        // Among few keys, a linear search is faster than a hash table.
        let (in_a, in_b) = if a.declared.len() * b.declared.len() > 64 {
            (Some(index(a)), Some(index(b)))
        } else {
            (None, None)
        };
        let find =
            |o: &ObjectShape, index: &Option<hashbrown::HashMap<Arc<str>, usize>>, key: &str| match index {
                Some(index) => index.get(key).copied(),
                None => o.position(key),
            };
        let mut declared = Vec::with_capacity(a.declared.len() + b.declared.len());
        for x in &a.declared {
            let other = find(b, &in_b, &x.key);
            let (value, required, listed) = match other {
                Some(i) => (b.declared[i].value, b.declared[i].required, b.declared[i].listed),
                None => (self.rest_value(b, &x.key), false, false),
            };
            let value = self.algebra.and2(x.value, value);
            declared.push(Declared {
                key: x.key.clone(),
                value,
                required: x.required || required,
                listed: x.listed || listed,
            });
        }
        for y in &b.declared {
            if find(a, &in_a, &y.key).is_none() {
                let value = self.rest_value(a, &y.key);
                let value = self.algebra.and2(value, y.value);
                declared.push(Declared { value, ..y.clone() });
            }
        }
        // Keys have the order of the first `properties` that names them. Keys that no `properties`
        // names come last.
        if a.declared.iter().any(|d| !d.listed) {
            let listed =
                |o: &ObjectShape, index, key: &str| find(o, index, key).filter(|&i| o.declared[i].listed);
            declared.sort_by_cached_key(|d| match listed(a, &in_a, &d.key) {
                Some(i) => (0, i),
                None => listed(b, &in_b, &d.key).map_or((2, 0), |i| (1, i)),
            });
        }
        declared
    }

    /// The object in normal form; `None` if there evidently is none.
    pub fn finish_object(&mut self, mut object: ObjectShape) -> Result<Option<Arc<ObjectShape>>, EvalError> {
        if !object.tidy() {
            return Ok(None);
        }
        for i in 0..object.declared.len() {
            // Contradicting tag values make most branches of `oneOf` disjoint.
            if object.declared[i].required && self.is_evidently_never(object.declared[i].value)? {
                return Ok(None);
            }
        }
        for i in 0..object.some.len() {
            let some = object.some[i].clone();
            if some.min > 0 && !self.has_place(&object, &some) {
                return Ok(None);
            }
        }
        let mut differs = std::mem::take(&mut object.differs);
        differs.retain(|pairs| self.may_be(&object, pairs));
        object.differs = differs;
        self.settle_clauses(object)
    }

    /// The object with its clauses simplified against its other conditions; `None` if no object is
    /// left.
    pub fn settle_clauses(&mut self, mut object: ObjectShape) -> Result<Option<Arc<ObjectShape>>, EvalError> {
        loop {
            let clauses = std::mem::take(&mut object.clauses);
            let mut only = Vec::new();
            let mut kept: Vec<Clause> = Vec::with_capacity(clauses.len());
            for clause in clauses {
                let Some(left) = self.clause_within(&object, &clause)? else { continue };
                match left.as_slice() {
                    [] => return Ok(None),
                    [one] => only.push(one.clone()),
                    _ => {
                        let same = left.len() == clause.len();
                        let clause = if same { clause } else { self.algebra.clause(&left) };
                        kept.extend((!kept.contains(&clause)).then_some(clause));
                    }
                }
            }
            if only.is_empty() {
                object.clauses = kept;
                return Ok(Some(Arc::new(object)));
            }
            let mut both = Arc::new(object);
            for one in &only {
                match self.intersect_objects(&both, one)? {
                    Some(narrower) => both = narrower,
                    None => return Ok(None),
                }
            }
            object = Arc::unwrap_or_clone(both);
            object.clauses.extend(kept);
        }
    }

    /// Reports whether some property of `object` may be one that the condition counts.
    fn has_place(&mut self, object: &ObjectShape, some: &SomeProperties) -> bool {
        let (keys, value) = (some.keys, some.value);
        let declared = object.declared.iter().any(|d| {
            self.algebra.and2(d.value, value) != TermId::NEVER
                && (keys == TextId::ANY || self.has_text(keys, &d.key))
        });
        declared
            || object.rest.iter().any(|&(others, allowed)| {
                self.algebra.and2(allowed, value) != TermId::NEVER
                    && (others == TextId::ANY || self.and_text(others, keys) != TextId::NEVER)
            })
    }

    /// Reports whether the object with exactly these properties may be one of `object`. A wrong
    /// "yes" is possible; a "no" is certain.
    fn may_be(&mut self, object: &ObjectShape, pairs: &[(Arc<str>, TermId)]) -> bool {
        let size = pairs.len() as u32;
        object.min <= size
            && size <= object.max
            && object.declared.iter().all(|d| !d.required || ObjectShape::value_in(pairs, &d.key).is_some())
            && pairs.iter().all(|(key, value)| {
                let allowed = match object.position(key) {
                    Some(i) => object.declared[i].value,
                    None => self.rest_value(object, key),
                };
                self.algebra.and2(allowed, *value) != TermId::NEVER
            })
    }
}
