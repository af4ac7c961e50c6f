//! Shapes: sets of JSON values, one part for each type, positive and in normal form.
//!
//! A [`Shape`] is a union over the six types. Null, booleans, numbers and strings are closed under all Boolean
//! operations by themselves; arrays and objects are unions of [`ArrayShape`]s and [`ObjectShape`]s, each a
//! conjunction whose nested values are [terms](super::term) that nobody has evaluated yet. That is what makes the
//! algebra lazy: intersecting two objects costs their keys, not what lies below.
//!
//! The complement of a conjunction is a union of its violations, in the manner of not-elimination in Attouche,
//! Baazizi, Colazzo, Ghelli, Sartiani and Scherzinger, *Witness Generation for JSON Schema* (2022): a required key
//! is missing, a declared key has a wrong value, some other key has a wrong value (a counter), a count is off.

use super::number::NumberSet;
use super::term::{Algebra, Failure, TermId};
use super::text::TextId;
use crate::automata::{Languages, UNBOUNDED};
use std::sync::Arc;

/// A set of JSON values.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Shape {
    pub null: bool,
    /// Bit 0: `false`; bit 1: `true`.
    pub booleans: u8,
    pub numbers: NumberSet,
    pub strings: TextId,
    /// A union.
    pub arrays: Vec<Arc<ArrayShape>>,
    /// A union.
    pub objects: Vec<Arc<ObjectShape>>,
}

/// At least `min` and at most `max` of the items at position `from` or later satisfy `value`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct SomeItems {
    pub from: u32,
    pub value: TermId,
    pub min: u32,
    pub max: u32,
}

/// Arrays that satisfy every condition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ArrayShape {
    pub prefix: Vec<TermId>,
    pub rest: TermId,
    pub min: u32,
    pub max: u32,
    pub some: Vec<SomeItems>,
    /// No two items are equal.
    pub unique: bool,
    /// Some two items are equal.
    pub repeated: bool,
}

/// A key with a name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Declared {
    pub key: Arc<str>,
    pub value: TermId,
    pub required: bool,
}

/// At least `min` and at most `max` of the properties whose key is in `keys` have a value that satisfies `value`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct SomeProperties {
    pub keys: TextId,
    pub value: TermId,
    pub min: u32,
    pub max: u32,
}

/// Objects that satisfy every condition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ObjectShape {
    pub declared: Vec<Declared>,
    /// What the values of all other keys must satisfy. Disjoint; a key in none of them must not occur. (Declared
    /// keys may belong to one; their own entry counts.)
    pub rest: Vec<(TextId, TermId)>,
    pub min: u32,
    pub max: u32,
    /// The second key is there if the first is.
    pub requires: Vec<(Arc<str>, Arc<str>)>,
    pub some: Vec<SomeProperties>,
}

impl ArrayShape {
    pub fn any() -> Self {
        ArrayShape {
            prefix: Vec::new(),
            rest: TermId::ANY,
            min: 0,
            max: UNBOUNDED,
            some: Vec::new(),
            unique: false,
            repeated: false,
        }
    }

    /// What the item at `position` must satisfy.
    pub fn item(&self, position: usize) -> TermId {
        self.prefix.get(position).copied().unwrap_or(self.rest)
    }

    /// Leaves out what has no effect; false when obviously no array is left.
    fn tidy(&mut self) -> bool {
        if let Some(gap) = self.prefix.iter().position(|&t| t == TermId::NEVER) {
            self.max = self.max.min(gap as u32);
        }
        if self.rest == TermId::NEVER {
            self.max = self.max.min(self.prefix.len() as u32);
        }
        if (self.max as usize) < self.prefix.len() {
            self.prefix.truncate(self.max as usize);
        }
        while self.prefix.last().is_some_and(|&t| t == self.rest) {
            self.prefix.pop();
        }
        if self.max as usize <= self.prefix.len() {
            self.rest = TermId::NEVER;
        }
        let max = self.max;
        self.some.retain_mut(|s| {
            if s.value == TermId::NEVER && s.min == 0 {
                return false;
            }
            s.max = if s.max >= max { UNBOUNDED } else { s.max };
            s.min > 0 || s.max != UNBOUNDED
        });
        self.min <= self.max
            && !(self.repeated && (self.unique || self.max < 2))
            && self.some.iter().all(|s| s.min <= s.max && s.value != TermId::NEVER)
            && self.some.iter().all(|s| s.min == 0 || s.from.saturating_add(s.min) <= self.max)
    }
}

impl ObjectShape {
    pub fn any() -> Self {
        ObjectShape {
            declared: Vec::new(),
            rest: vec![(TextId::ANY, TermId::ANY)],
            min: 0,
            max: UNBOUNDED,
            requires: Vec::new(),
            some: Vec::new(),
        }
    }

    pub fn position(&self, key: &str) -> Option<usize> {
        self.declared.iter().position(|d| *d.key == *key)
    }

    /// Leaves out what has no effect; false when obviously no object is left.
    fn tidy(&mut self) -> bool {
        let required = self.declared.iter().filter(|d| d.required).count() as u64;
        if self.rest.is_empty() {
            let possible = self.declared.iter().filter(|d| d.value != TermId::NEVER).count() as u32;
            self.max = if self.max >= possible { UNBOUNDED } else { self.max };
            if self.min > possible {
                return false;
            }
        }
        if u64::from(self.min) <= required {
            self.min = 0;
        }
        self.min <= self.max
            && required <= u64::from(self.max)
            && self.declared.iter().all(|d| !d.required || d.value != TermId::NEVER)
            && self.some.iter().all(|s| s.min <= s.max && (s.min == 0 || s.value != TermId::NEVER))
    }
}

impl Shape {
    pub fn never() -> Self {
        Shape {
            null: false,
            booleans: 0,
            numbers: NumberSet::default(),
            strings: TextId::NEVER,
            arrays: Vec::new(),
            objects: Vec::new(),
        }
    }

    pub fn any() -> Self {
        Shape {
            null: true,
            booleans: 3,
            numbers: NumberSet::any(),
            strings: TextId::ANY,
            arrays: vec![Arc::new(ArrayShape::any())],
            objects: vec![Arc::new(ObjectShape::any())],
        }
    }

    /// Whether there is obviously no value (sufficient, not necessary).
    pub fn is_never(&self) -> bool {
        !self.null
            && self.booleans == 0
            && self.numbers.is_empty()
            && self.strings == TextId::NEVER
            && self.arrays.is_empty()
            && self.objects.is_empty()
    }

    fn add_array(&mut self, array: Arc<ArrayShape>) {
        if self.arrays.first().is_some_and(|a| **a == ArrayShape::any()) || self.arrays.contains(&array) {
            return;
        }
        if *array == ArrayShape::any() {
            self.arrays.clear();
        }
        self.arrays.push(array);
    }

    fn add_object(&mut self, object: Arc<ObjectShape>) {
        if self.objects.first().is_some_and(|o| **o == ObjectShape::any()) || self.objects.contains(&object) {
            return;
        }
        if *object == ObjectShape::any() {
            self.objects.clear();
        }
        self.objects.push(object);
    }
}

/// Operations on shapes: the algebra, and the languages that decide what needs automata.
pub(super) struct Eval<'a> {
    pub algebra: &'a mut Algebra,
    pub nodes: &'a mut crate::grammar::NodePool,
}

impl Eval<'_> {
    pub fn pool(&mut self) -> &mut Languages {
        &mut self.nodes.languages
    }

    pub fn and_text(&mut self, a: TextId, b: TextId) -> TextId {
        let both = self.algebra.texts.and(a, b, &mut self.nodes.languages);
        if self.algebra.texts.is_never(both, &mut self.nodes.languages) {
            TextId::NEVER
        } else {
            both
        }
    }

    pub fn has_text(&mut self, set: TextId, text: &str) -> bool {
        self.algebra.texts.contains(set, text, &mut self.nodes.languages)
    }

    /// What the value of `key`, which is not declared, must satisfy.
    pub fn rest_value(&mut self, object: &ObjectShape, key: &str) -> TermId {
        if let [(TextId::ANY, value)] = object.rest[..] {
            return value;
        }
        for &(keys, value) in &object.rest {
            if self.has_text(keys, key) {
                return value;
            }
        }
        TermId::NEVER
    }

    /// A union of disjoint or overlapping shapes.
    pub fn union(&mut self, a: &Shape, b: &Shape) -> Shape {
        let mut union = Shape {
            null: a.null || b.null,
            booleans: a.booleans | b.booleans,
            numbers: a.numbers.or(&b.numbers),
            strings: self.algebra.texts.or(a.strings, b.strings),
            arrays: a.arrays.clone(),
            objects: a.objects.clone(),
        };
        b.arrays.iter().for_each(|x| union.add_array(x.clone()));
        b.objects.iter().for_each(|x| union.add_object(x.clone()));
        union
    }

    /// Values in both.
    pub fn intersect(&mut self, a: &Shape, b: &Shape) -> Result<Shape, Failure> {
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
                    both.add_array(array);
                }
            }
        }
        for x in &a.objects {
            for y in &b.objects {
                self.algebra.spend(1)?;
                if let Some(object) = self.intersect_objects(x, y)? {
                    both.add_object(object);
                }
            }
        }
        Ok(both)
    }

    fn intersect_arrays(
        &mut self,
        a: &Arc<ArrayShape>,
        b: &Arc<ArrayShape>,
    ) -> Result<Option<Arc<ArrayShape>>, Failure> {
        if a == b || **b == ArrayShape::any() {
            return Ok(Some(a.clone()));
        }
        if **a == ArrayShape::any() {
            return Ok(Some(b.clone()));
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
        };
        for s in &b.some {
            if !both.some.contains(s) {
                both.some.push(s.clone());
            }
        }
        self.finish_array(both)
    }

    /// The array in normal form; `None` when there is obviously none.
    pub fn finish_array(&mut self, mut array: ArrayShape) -> Result<Option<Arc<ArrayShape>>, Failure> {
        if !array.tidy() {
            return Ok(None);
        }
        for i in 0..array.prefix.len().min(array.min as usize) {
            if self.is_evidently_never(array.prefix[i])? {
                return Ok(None);
            }
        }
        Ok(Some(Arc::new(array)))
    }

    fn intersect_objects(
        &mut self,
        a: &Arc<ObjectShape>,
        b: &Arc<ObjectShape>,
    ) -> Result<Option<Arc<ObjectShape>>, Failure> {
        if a == b || **b == ObjectShape::any() {
            return Ok(Some(a.clone()));
        }
        if **a == ObjectShape::any() {
            return Ok(Some(b.clone()));
        }
        self.algebra.spend((a.declared.len() + b.declared.len()) as u64 / 8)?;
        let index = |o: &ObjectShape| -> hashbrown::HashMap<Arc<str>, usize> {
            o.declared.iter().enumerate().map(|(i, d)| (d.key.clone(), i)).collect()
        };
        // Few keys are found faster by looking than by hashing.
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
            let (value, required) = match other {
                Some(i) => (b.declared[i].value, b.declared[i].required),
                None => (self.rest_value(b, &x.key), false),
            };
            let value = self.algebra.and2(x.value, value);
            declared.push(Declared { key: x.key.clone(), value, required: x.required || required });
        }
        for y in &b.declared {
            if find(a, &in_a, &y.key).is_none() {
                let value = self.rest_value(a, &y.key);
                let value = self.algebra.and2(value, y.value);
                declared.push(Declared { key: y.key.clone(), value, required: y.required });
            }
        }
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
        };
        both.requires.extend(b.requires.iter().filter(|r| !a.requires.contains(r)).cloned());
        both.some.extend(b.some.iter().filter(|s| !a.some.contains(s)).cloned());
        self.finish_object(both)
    }

    /// The object in normal form; `None` when there is obviously none.
    pub fn finish_object(&mut self, mut object: ObjectShape) -> Result<Option<Arc<ObjectShape>>, Failure> {
        if !object.tidy() {
            return Ok(None);
        }
        for i in 0..object.declared.len() {
            // Contradicting discriminators are what makes most branches of `oneOf` disjoint.
            if object.declared[i].required && self.is_evidently_never(object.declared[i].value)? {
                return Ok(None);
            }
        }
        Ok(Some(Arc::new(object)))
    }

    /// Values not in the shape.
    pub fn complement(&mut self, shape: &Shape) -> Result<Shape, Failure> {
        let any = self.algebra.any.clone();
        self.subtract(&any, shape)
    }

    /// Values of `a` that are not in `b`. What is disjoint from a conjunction of `b` stays whole: that keeps the
    /// result small where the alternatives of a schema hardly overlap, as they are meant to.
    pub fn subtract(&mut self, a: &Shape, b: &Shape) -> Result<Shape, Failure> {
        let not_strings = self.algebra.texts.not(b.strings);
        let mut left = Shape {
            null: a.null && !b.null,
            booleans: a.booleans & !b.booleans,
            numbers: if a.numbers.is_empty() || b.numbers.is_empty() {
                a.numbers.clone()
            } else {
                a.numbers.and(&b.numbers.complement())
            },
            strings: self.and_text(a.strings, not_strings),
            arrays: a.arrays.clone(),
            objects: a.objects.clone(),
        };
        for array in &b.arrays {
            let mut violations = None;
            let mut rest = Shape::never();
            for x in std::mem::take(&mut left.arrays) {
                self.algebra.spend(1 + rest.arrays.len() as u64 / 4)?;
                if self.intersect_arrays(&x, array)?.is_none() {
                    rest.add_array(x);
                    continue;
                }
                if violations.is_none() {
                    violations = Some(self.array_violations(array)?);
                }
                for y in violations.iter().flatten() {
                    self.algebra.spend(1)?;
                    if let Some(both) = self.intersect_arrays(&x, y)? {
                        rest.add_array(both);
                    }
                }
            }
            left.arrays = rest.arrays;
        }
        for object in &b.objects {
            let mut violations = None;
            let mut rest = Shape::never();
            for x in std::mem::take(&mut left.objects) {
                self.algebra.spend(1 + rest.objects.len() as u64 / 4)?;
                if self.intersect_objects(&x, object)?.is_none() {
                    rest.add_object(x);
                    continue;
                }
                if violations.is_none() {
                    violations = Some(self.object_violations(object)?);
                }
                for y in violations.iter().flatten() {
                    self.algebra.spend(1)?;
                    if let Some(both) = self.intersect_objects(&x, y)? {
                        rest.add_object(both);
                    }
                }
            }
            left.objects = rest.objects;
        }
        Ok(left)
    }

    /// The arrays that break at least one condition of `a`.
    fn array_violations(&mut self, a: &ArrayShape) -> Result<Vec<Arc<ArrayShape>>, Failure> {
        let mut found = Vec::new();
        if a.min > 0 {
            found.push(ArrayShape { max: a.min - 1, ..ArrayShape::any() });
        }
        if a.max != UNBOUNDED {
            found.push(ArrayShape { min: a.max.saturating_add(1), ..ArrayShape::any() });
        }
        for (i, &item) in a.prefix.iter().enumerate() {
            let not = self.algebra.not(item);
            if not != TermId::NEVER {
                let mut prefix = vec![TermId::ANY; i];
                prefix.push(not);
                found.push(ArrayShape { prefix, min: i as u32 + 1, ..ArrayShape::any() });
            }
        }
        let rest = self.algebra.not(a.rest);
        // A rest of `never` behind the prefix is the maximum, which was dealt with.
        if rest != TermId::NEVER && !(a.rest == TermId::NEVER && a.max as usize <= a.prefix.len()) {
            let from = a.prefix.len() as u32;
            let some = vec![SomeItems { from, value: rest, min: 1, max: UNBOUNDED }];
            found.push(ArrayShape { some, ..ArrayShape::any() });
        }
        for s in &a.some {
            if s.min > 0 {
                let some = vec![SomeItems { min: 0, max: s.min - 1, ..s.clone() }];
                found.push(ArrayShape { some, ..ArrayShape::any() });
            }
            if s.max != UNBOUNDED {
                let some = vec![SomeItems { min: s.max.saturating_add(1), max: UNBOUNDED, ..s.clone() }];
                found.push(ArrayShape { some, ..ArrayShape::any() });
            }
        }
        if a.unique {
            found.push(ArrayShape { repeated: true, ..ArrayShape::any() });
        }
        if a.repeated {
            found.push(ArrayShape { unique: true, ..ArrayShape::any() });
        }
        let mut violations = Vec::with_capacity(found.len());
        for array in found {
            violations.extend(self.finish_array(array)?);
        }
        Ok(violations)
    }

    /// The objects that break at least one condition of `o`.
    fn object_violations(&mut self, o: &ObjectShape) -> Result<Vec<Arc<ObjectShape>>, Failure> {
        let with = |key: &Arc<str>, value, required| ObjectShape {
            declared: vec![Declared { key: key.clone(), value, required }],
            ..ObjectShape::any()
        };
        let mut found = Vec::new();
        for d in &o.declared {
            let not = self.algebra.not(d.value);
            // A required key is missing or wrong, which one shape says; another key can only be wrong.
            if d.required || not != TermId::NEVER {
                found.push(with(&d.key, not, !d.required));
            }
        }
        let declared: Vec<Arc<str>> = o.declared.iter().map(|d| d.key.clone()).collect();
        let declared = self.algebra.texts.literals(declared);
        let undeclared = self.algebra.texts.not(declared);
        let mut covered = TextId::NEVER;
        for &(keys, value) in &o.rest {
            covered = self.algebra.texts.or(covered, keys);
            let not = self.algebra.not(value);
            if not != TermId::NEVER {
                let keys = self.and_text(keys, undeclared);
                if keys != TextId::NEVER {
                    let some = vec![SomeProperties { keys, value: not, min: 1, max: UNBOUNDED }];
                    found.push(ObjectShape { some, ..ObjectShape::any() });
                }
            }
        }
        // Keys that are in no rest must not occur.
        let forbidden = self.algebra.texts.not(covered);
        let forbidden = self.and_text(forbidden, undeclared);
        if forbidden != TextId::NEVER {
            let some = vec![SomeProperties { keys: forbidden, value: TermId::ANY, min: 1, max: UNBOUNDED }];
            found.push(ObjectShape { some, ..ObjectShape::any() });
        }
        if o.min > 0 {
            found.push(ObjectShape { max: o.min - 1, ..ObjectShape::any() });
        }
        if o.max != UNBOUNDED {
            found.push(ObjectShape { min: o.max.saturating_add(1), ..ObjectShape::any() });
        }
        for (if_there, then_there) in &o.requires {
            let mut object = with(if_there, TermId::ANY, true);
            object.declared.push(Declared { key: then_there.clone(), value: TermId::NEVER, required: false });
            found.push(object);
        }
        for s in &o.some {
            if s.min > 0 {
                let some = vec![SomeProperties { min: 0, max: s.min - 1, ..s.clone() }];
                found.push(ObjectShape { some, ..ObjectShape::any() });
            }
            if s.max != UNBOUNDED {
                let some = vec![SomeProperties { min: s.max.saturating_add(1), max: UNBOUNDED, ..s.clone() }];
                found.push(ObjectShape { some, ..ObjectShape::any() });
            }
        }
        let mut violations = Vec::with_capacity(found.len());
        for object in found {
            violations.extend(self.finish_object(object)?);
        }
        Ok(violations)
    }
}
