//! Complements and differences of shapes.
//!
//! The complement of a conjunction is a union of its violations, in the manner of not-elimination in Attouche,
//! Baazizi, Colazzo, Ghelli, Sartiani and Scherzinger, *Witness Generation for JSON Schema* (2022): a required key
//! is missing, a declared key has a wrong value, some other key has a wrong value (a counter), a count is off.
//!
//! A single array or object is kept whole instead, in the list of what a shape differs from: arrays of distinct items leave
//! out everything used before, and the violations of each would multiply. [`distinct`](super::distinct) resolves the list
//! when the grammar is made.

use super::shape::{ArrayShape, Declared, Eval, Members, ObjectShape, Shape, SomeItems, SomeProperties};
use super::term::{Failure, Term, TermId};
use super::text::{Text, TextId};
use crate::automata::UNBOUNDED;
use std::sync::Arc;

impl Eval<'_> {
    /// Values not in the shape.
    pub fn complement(&mut self, shape: &Shape) -> Result<Shape, Failure> {
        let any = self.algebra.any.clone();
        self.subtract(&any, shape)
    }

    /// Values of `a` that are not in `b`. What is disjoint from a conjunction of `b` stays whole: that keeps the
    /// result small where the alternatives of a schema hardly overlap, as they are meant to.
    pub fn subtract(&mut self, a: &Shape, b: &Shape) -> Result<Shape, Failure> {
        self.algebra.spend((a.numbers.work(&b.numbers) + b.numbers.work(&b.numbers)) / 8)?;
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
                    self.add_array(&mut rest, x);
                    continue;
                }
                if violations.is_none() {
                    violations = Some(self.array_violations(array)?);
                }
                for y in violations.iter().flatten() {
                    self.algebra.spend(1)?;
                    if let Some(both) = self.intersect_arrays(&x, y)? {
                        self.add_array(&mut rest, both);
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
                    self.add_object(&mut rest, x);
                    continue;
                }
                if violations.is_none() {
                    violations = Some(self.object_violations(object)?);
                }
                for y in violations.iter().flatten() {
                    self.algebra.spend(1 + rest.objects.len() as u64 / 8)?;
                    let Some(both) = self.intersect_objects(&x, y)? else { continue };
                    // Breaking one condition often implies breaking another: what adds nothing is left out.
                    if !rest.objects.iter().any(|known| self.is_within(&both, known)) {
                        rest.objects.retain(|known| !self.is_within(known, &both));
                        self.add_object(&mut rest, both);
                    }
                }
            }
            left.objects = rest.objects;
        }
        Ok(left)
    }

    /// The arrays that break at least one condition of `a`.
    fn array_violations(&mut self, a: &ArrayShape) -> Result<Vec<Arc<ArrayShape>>, Failure> {
        if let Some(items) = self.single_array(a) {
            return Ok(vec![Arc::new(ArrayShape { differs: vec![items], ..ArrayShape::any() })]);
        }
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
        found.extend(a.differs.iter().map(|items| ArrayShape::of_items(items.to_vec())));
        let mut violations = Vec::with_capacity(found.len());
        for array in found {
            violations.extend(self.finish_array(array)?);
        }
        Ok(violations)
    }

    /// The objects that break at least one condition of `o`.
    fn object_violations(&mut self, o: &ObjectShape) -> Result<Vec<Arc<ObjectShape>>, Failure> {
        if let Some(pairs) = self.single_object(o) {
            return Ok(vec![Arc::new(ObjectShape { differs: vec![pairs], ..ObjectShape::any() })]);
        }
        let with = |key: &Arc<str>, value, required| ObjectShape {
            declared: vec![Declared { key: key.clone(), value, required, listed: false }],
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
            let (key, value) = (then_there.clone(), TermId::NEVER);
            object.declared.push(Declared { key, value, required: false, listed: false });
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
        found.extend(o.differs.iter().map(|pairs| ObjectShape::of_properties(pairs.iter().cloned())));
        let mut violations = Vec::with_capacity(found.len());
        for object in found {
            violations.extend(self.finish_object(object)?);
        }
        Ok(violations)
    }

    /// The items, if exactly one array is in the shape and obviously so.
    fn single_array(&self, a: &ArrayShape) -> Option<Arc<[TermId]>> {
        let fixed = ArrayShape::of_items(a.prefix.clone()) == *a;
        (fixed && a.prefix.iter().all(|&item| self.is_single(item))).then(|| a.prefix.clone().into())
    }

    /// The properties, if exactly one object is in the shape and obviously so.
    fn single_object(&self, o: &ObjectShape) -> Option<Members> {
        let rest = [!o.rest.is_empty(), !o.requires.is_empty(), !o.some.is_empty(), !o.differs.is_empty()];
        let fixed = rest == [false; 4] && o.declared.iter().all(|d| d.required && self.is_single(d.value));
        fixed.then(|| {
            let mut pairs: Vec<_> = o.declared.iter().map(|d| (d.key.clone(), d.value)).collect();
            pairs.sort_unstable();
            pairs.into()
        })
    }

    /// Whether exactly one value is in the term, and obviously so: a value of `enum`, `const` or an earlier item.
    fn is_single(&self, term: TermId) -> bool {
        let Term::Shape(shape) = self.algebra.term(term) else { return false };
        let strings = match self.algebra.texts.get(shape.strings) {
            Text::Never => 0,
            Text::Literals(texts) => texts.len(),
            _ => return false,
        };
        let Some(numbers) = shape.numbers.count(1) else { return false };
        let scalars = usize::from(shape.null) + shape.booleans.count_ones() as usize + numbers + strings;
        match (scalars, shape.arrays.as_slice(), shape.objects.as_slice()) {
            (1, [], []) => true,
            (0, [array], []) => self.single_array(array).is_some(),
            (0, [], [object]) => self.single_object(object).is_some(),
            _ => false,
        }
    }

    /// Whether everything in `a` obviously is in `b`: every condition of `b` is one of `a`.
    fn is_within(&self, a: &ObjectShape, b: &ObjectShape) -> bool {
        let implied = |x: TermId, y: TermId| self.algebra.implies(x, y);
        let size = |o: &ObjectShape| o.min.max(o.declared.iter().filter(|d| d.required).count() as u32);
        let open = [(TextId::ANY, TermId::ANY)];
        let rest = b.rest == open
            || a.rest == b.rest
                && a.declared.iter().all(|d| d.value == TermId::NEVER || b.position(&d.key).is_some());
        let declared = |y: &Declared| match a.position(&y.key) {
            Some(i) => implied(a.declared[i].value, y.value) && (a.declared[i].required || !y.required),
            None => {
                !y.required
                    && match a.rest[..] {
                        [] => true,
                        [(TextId::ANY, value)] => implied(value, y.value),
                        _ => y.value == TermId::ANY,
                    }
            }
        };
        rest && size(a) >= size(b)
            && a.max <= b.max
            && b.declared.iter().all(declared)
            && b.requires.iter().all(|r| a.requires.contains(r))
            && b.some.iter().all(|s| a.some.contains(s))
            && b.differs.iter().all(|d| a.differs.contains(d))
    }
}
