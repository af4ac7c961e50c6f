//! Complements and differences of shapes.
//!
//! The complement of a conjunction is the union of its violations: a required key is missing, a
//! declared key has a wrong value, some other key has a wrong value (a counter finds it), or a
//! count is out of range. The method follows not-elimination in Attouche, Baazizi, Colazzo, Ghelli,
//! Sartiani and Scherzinger, *Witness Generation for JSON Schema* (2022).
//!
//! A shape of a single array or object is not turned into violations. The result keeps it whole in
//! its list of values to differ from. Arrays of distinct items leave out every item used before,
//! and the violations of each would multiply. [`distinct`](super::distinct) resolves the list when
//! the grammar is made.

use super::eval::Eval;
use super::shape::{ArrayShape, Declared, Members, ObjectShape, Shape, SomeItems, SomeProperties};
use super::term::{EvalError, TermId};
use super::text::TextId;
use crate::automata::UNBOUNDED;
use std::sync::Arc;

/// The greatest nesting of clauses in clauses.
const MAX_HEIGHT: usize = 32;

/// The counts below `min` and above `max`, as ranges.
fn other_counts(min: u32, max: u32) -> impl Iterator<Item = (u32, u32)> {
    let below = (min > 0).then(|| (0, min - 1));
    let above = (max != UNBOUNDED).then(|| (max.saturating_add(1), UNBOUNDED));
    below.into_iter().chain(above)
}

/// The nesting of clauses in clauses: 0 for an object without clauses.
fn height(o: &ObjectShape) -> usize {
    let alternatives = o.clauses.iter().flat_map(|clause| clause.iter());
    alternatives.map(|alternative| 1 + height(alternative)).max().unwrap_or(0)
}

impl Eval<'_> {
    /// The values that are not in the shape.
    pub fn complement(&mut self, shape: &Shape) -> Result<Shape, EvalError> {
        let any = self.algebra.any.clone();
        self.subtract(&any, shape)
    }

    /// The values of `a` that are not in `b`.
    ///
    /// A part of `a` that is disjoint from a part of `b` stays whole. That keeps the result small
    /// if the alternatives of a schema hardly overlap, as their authors intend.
    pub fn subtract(&mut self, a: &Shape, b: &Shape) -> Result<Shape, EvalError> {
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
                self.algebra.spend(1 + rest.objects.len() as u64 / 64)?;
                // An object with clauses gets the cheaper test, which does not intersect the
                // clauses.
                let disjoint = match x.clauses.is_empty() && object.clauses.is_empty() {
                    true => self.intersect_objects(&x, object)?.is_none(),
                    false => self.contradict(&x, object)?,
                };
                if disjoint {
                    self.add_object(&mut rest, x);
                    continue;
                }
                if violations.is_none() {
                    violations = Some(self.violations(object)?);
                }
                let violations = violations.clone().unwrap_or_default();
                for left in self.with_one_of(&x, &violations)? {
                    // Breaking one condition often implies breaking another. A violation that adds
                    // no values is left out.
                    if !self.is_closing() {
                        rest.add_object(left);
                    } else if !rest.objects.iter().any(|known| self.is_within(&left, known)) {
                        rest.objects.retain(|known| !self.is_within(known, &left));
                        self.add_object(&mut rest, left);
                    }
                }
            }
            left.objects = rest.objects;
        }
        Ok(left)
    }

    /// The arrays that break at least one condition of `a`.
    fn array_violations(&mut self, a: &ArrayShape) -> Result<Vec<Arc<ArrayShape>>, EvalError> {
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
        // A rest of `never` behind the prefix only sets the maximum, which was handled above.
        if rest != TermId::NEVER && !(a.rest == TermId::NEVER && a.max as usize <= a.prefix.len()) {
            let from = a.prefix.len() as u32;
            let some = vec![SomeItems { from, value: rest, min: 1, max: UNBOUNDED }];
            found.push(ArrayShape { some, ..ArrayShape::any() });
        }
        for s in &a.some {
            found.extend(other_counts(s.min, s.max).map(|(min, max)| {
                let some = vec![SomeItems { min, max, ..s.clone() }];
                ArrayShape { some, ..ArrayShape::any() }
            }));
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

    /// The objects that break at least one condition of `o`, computed once and kept.
    fn violations(&mut self, o: &Arc<ObjectShape>) -> Result<Arc<[Arc<ObjectShape>]>, EvalError> {
        if let Some(known) = self.algebra.violations.get(o) {
            return Ok(known.clone());
        }
        let violations: Arc<[Arc<ObjectShape>]> = self.object_violations(o)?.into();
        self.check_sound()?;
        self.algebra.violations.insert(o.clone(), violations.clone());
        Ok(violations)
    }

    /// The objects that break at least one condition of `o`.
    fn object_violations(&mut self, o: &ObjectShape) -> Result<Vec<Arc<ObjectShape>>, EvalError> {
        match self.single_object(o) {
            Some(pairs) => Ok(vec![Arc::new(ObjectShape { differs: vec![pairs], ..ObjectShape::any() })]),
            None => self.each_violation(o),
        }
    }

    /// The objects that break one condition of `o`, one shape for each.
    pub fn each_violation(&mut self, o: &ObjectShape) -> Result<Vec<Arc<ObjectShape>>, EvalError> {
        let with = |key: &Arc<str>, value, required| ObjectShape {
            declared: vec![Declared { key: key.clone(), value, required, listed: false }],
            ..ObjectShape::any()
        };
        let mut found = Vec::new();
        for d in &o.declared {
            let not = self.algebra.not(d.value);
            // A required key may be missing or have a wrong value, and one shape says both. An
            // optional key can only have a wrong value.
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
        // A key outside every class of `rest` must not occur.
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
            found.extend(other_counts(s.min, s.max).map(|(min, max)| {
                let some = vec![SomeProperties { min, max, ..s.clone() }];
                ObjectShape { some, ..ObjectShape::any() }
            }));
        }
        found.extend(o.differs.iter().map(|pairs| ObjectShape::of_properties(pairs.iter().cloned())));
        for clause in &o.clauses {
            // No alternative holds, so each of them is broken in some way.
            let mut clauses = Vec::with_capacity(clause.len());
            if height(o) > MAX_HEIGHT {
                return Err(EvalError::Depth);
            }
            for alternative in clause.iter() {
                let violations = self.object_violations(alternative)?;
                clauses.push(self.algebra.clause(&violations));
            }
            found.push(ObjectShape { clauses, ..ObjectShape::any() });
        }
        self.largest(found)
    }

    /// The shapes that add values to the others. Breaking one condition may imply breaking another.
    fn largest(&mut self, found: Vec<ObjectShape>) -> Result<Vec<Arc<ObjectShape>>, EvalError> {
        let mut largest: Vec<Arc<ObjectShape>> = Vec::with_capacity(found.len());
        for object in found {
            let Some(object) = self.finish_object(object)? else { continue };
            self.algebra.spend(1 + largest.len() as u64 / 8)?;
            if !largest.iter().any(|known| self.is_within(&object, known)) {
                largest.retain(|known| !self.is_within(known, &object));
                largest.push(object);
            }
        }
        Ok(largest)
    }

    /// The items of the only array in the shape; `None` unless a cheap test finds a single array.
    fn single_array(&self, a: &ArrayShape) -> Option<Arc<[TermId]>> {
        self.algebra.array_is_single(a).then(|| a.prefix.clone().into())
    }

    /// The properties of the only object in the shape; `None` unless a cheap test finds a single
    /// object.
    fn single_object(&self, o: &ObjectShape) -> Option<Members> {
        self.algebra.object_is_single(o).then(|| {
            let mut pairs: Vec<_> = o.declared.iter().map(|d| (d.key.clone(), d.value)).collect();
            pairs.sort_unstable();
            pairs.into()
        })
    }

    /// Reports whether every object of `a` evidently is in `b`, because every condition of `b` is
    /// one of `a`.
    pub fn is_within(&self, a: &ObjectShape, b: &ObjectShape) -> bool {
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
            && b.clauses.iter().all(|clause| {
                a.clauses.contains(clause) || clause.iter().any(|alternative| self.is_within(a, alternative))
            })
    }
}
