//! Objects with clauses. A clause is a list of object shapes of which at least one must hold.
//! Unions and complements of objects leave such clauses.
//!
//! An object with few combinations is multiplied out into objects without clauses. For any other
//! object, the grammar follows the object from member to member. It knows the keys that may come
//! next, and for each value of such a key the object that remains after the member. The remaining
//! object is a shape again, a *derivative* in the sense of Brzozowski (1964). A clause disappears
//! from it once one of its alternatives is certain to hold. An alternative disappears once a member
//! breaks it. The next derivative is computed only when the output gets there. An object with a
//! hundred optional keys and conditions between them therefore costs as much as its actual members,
//! and not 2^100.
//!
//! A value that decides a condition is divided into parts. If scalars tell the alternatives apart,
//! the parts are the values that satisfy the condition and those that do not. Otherwise the parts
//! are the values that satisfy the condition and all values. Parts of the second kind overlap, but
//! they need no complement of a value's term, which could be large if the term is recursive.

use super::emit::{LeadingSpace, key};
use super::eval::Eval;
use super::shape::{Clause, Declared, ObjectShape, Shape, SomeProperties};
use super::term::{EvalError, TermId};
use super::text::TextId;
use crate::automata::UNBOUNDED;
use crate::grammar::{Choice, KeyOrder, NodeId, ObjectSpec, Property, RestKeys};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// The most objects without clauses that one object is multiplied out into.
const MAX_PARTS: usize = 4;
/// The most parts that an object is divided into by the values of tag keys.
const MAX_TAGS: usize = 64;
/// The most parts that a value is divided into by the conditions that it decides.
const MAX_CELLS: usize = 256;
/// The most classes that conditions on keys may divide the keys into.
const MAX_CLASSES: usize = 64;
/// The most keys of a class that are declared by name if members are counted.
const MAX_NAMED: usize = 256;

/// The key of the next member.
#[derive(Clone, Copy)]
enum Key<'k> {
    Named(&'k str),
    /// Any undeclared key of this set.
    Among(TextId),
}

/// The values that a member may have, and the object that remains after the member.
type Derivative = (TermId, ObjectShape);

impl Eval<'_> {
    /// Objects without clauses whose union is `object`; `None` if they are too many.
    pub fn expand_clauses(
        &mut self,
        object: &Arc<ObjectShape>,
    ) -> Result<Option<Vec<Arc<ObjectShape>>>, EvalError> {
        let mut parts = Vec::new();
        let mut open = vec![object.clone()];
        while let Some(object) = open.pop() {
            if object.clauses.is_empty() {
                parts.push(object);
            } else {
                let (rest, clause) = without_shortest(&object);
                for alternative in clause.iter().rev() {
                    self.algebra.spend(1)?;
                    open.extend(self.intersect_objects(&rest, alternative)?);
                }
            }
            if parts.len() + open.len() > MAX_PARTS {
                return Ok(None);
            }
        }
        Ok(Some(parts))
    }

    /// Objects whose union is `object`, divided by keys whose scalar values tell alternatives
    /// apart.
    ///
    /// That decides most clauses. For example, in objects with a tag such as `"type": "circle"`,
    /// the tag decides which alternative applies.
    pub fn split_by_tag(&mut self, object: &Arc<ObjectShape>) -> Result<Vec<Arc<ObjectShape>>, EvalError> {
        let mut parts = Vec::new();
        let mut open = vec![object.clone()];
        while let Some(object) = open.pop() {
            let room = MAX_TAGS.saturating_sub(parts.len() + open.len());
            match self.divided_by_tag(&object, room)? {
                Some(divided) => open.extend(divided.into_iter().rev()),
                None => parts.push(object),
            }
        }
        Ok(parts)
    }

    /// The object divided by the value of one key; `None` unless that leaves fewer clauses in each
    /// part.
    fn divided_by_tag(
        &mut self,
        object: &Arc<ObjectShape>,
        room: usize,
    ) -> Result<Option<Vec<Arc<ObjectShape>>>, EvalError> {
        if object.clauses.len() < 2 {
            return Ok(None);
        }
        let Some((key, conditions)) = self.tag(object) else { return Ok(None) };
        let (value, required) = match object.position(&key) {
            Some(i) => (object.declared[i].value, object.declared[i].required),
            None => (self.rest_value(object, &key), false),
        };
        let mut cells = vec![value];
        for condition in conditions {
            let not = self.algebra.not(condition);
            let mut next = Vec::with_capacity(cells.len() + 1);
            for cell in cells {
                self.algebra.spend(1)?;
                for part in [condition, not] {
                    let part = self.common(cell, part)?;
                    next.extend((part != TermId::NEVER).then_some(part));
                }
            }
            if next.len() + 1 > room {
                return Ok(None);
            }
            cells = next;
        }
        let absent = (!required).then_some(TermId::NEVER);
        let mut parts = Vec::with_capacity(cells.len() + 1);
        for value in cells.into_iter().chain(absent) {
            let declared =
                vec![Declared { key: key.clone(), value, required: value != TermId::NEVER, listed: false }];
            let only = Arc::new(ObjectShape { declared, ..ObjectShape::any() });
            if let Some(part) = self.intersect_objects(object, &only)? {
                // A part must lose half of the clauses at least. Otherwise it is better to look at
                // each value when it comes.
                if part.clauses.len() * 2 > object.clauses.len() {
                    return Ok(None);
                }
                parts.push(part);
            }
        }
        Ok(Some(parts))
    }

    /// The key that the most clauses name, of those keys that clauses restrict to scalars, and the
    /// conditions on it.
    fn tag(&self, object: &ObjectShape) -> Option<(Arc<str>, Vec<TermId>)> {
        let mut asked: HashMap<&Arc<str>, (usize, Vec<TermId>)> = HashMap::new();
        for clause in &object.clauses {
            let mut named: Vec<&Arc<str>> = Vec::new();
            for d in clause.iter().flat_map(|alternative| &alternative.declared) {
                let entry = asked.entry(&d.key).or_default();
                if !named.contains(&&d.key) {
                    named.push(&d.key);
                    entry.0 += 1;
                }
                if d.value != TermId::NEVER && d.value != TermId::ANY && !entry.1.contains(&d.value) {
                    entry.1.push(d.value);
                }
            }
        }
        // A key that fewer clauses name would leave most clauses undecided.
        let tells = |clauses: usize, conditions: &[TermId]| {
            clauses * 2 >= object.clauses.len() && conditions.iter().all(|&term| self.algebra.is_scalar(term))
        };
        let tags = asked.into_iter().filter(|(_, (clauses, conditions))| tells(*clauses, conditions));
        let (key, (_, conditions)) =
            tags.max_by_key(|(key, (clauses, _))| (*clauses, std::cmp::Reverse(*key)))?;
        Some((key.clone(), conditions))
    }

    /// Reports whether some value satisfies an object with clauses, by a depth-first search over
    /// the alternatives.
    pub fn clauses_can_hold(&mut self, object: &ObjectShape) -> Result<bool, EvalError> {
        if object.closes() || self.smallest_satisfies(object)? {
            return Ok(true);
        }
        let mut open: Vec<(Arc<ObjectShape>, Clause, usize)> = Vec::new();
        let (rest, clause) = without_shortest(object);
        open.push((rest, clause, 0));
        while let Some((rest, clause, next)) = open.pop() {
            let Some(alternative) = clause.get(next).cloned() else { continue };
            open.push((rest.clone(), clause, next + 1));
            self.algebra.spend(1)?;
            let Some(narrower) = self.intersect_objects(&rest, &alternative)? else { continue };
            if narrower.clauses.is_empty() {
                if self.object_is_inhabited(&narrower)? {
                    return Ok(true);
                }
            } else if self.smallest_satisfies(&narrower)? {
                return Ok(true);
            } else if self.required_are_inhabited(&narrower)? {
                let (rest, clause) = without_shortest(&narrower);
                open.push((rest, clause, 0));
            }
        }
        Ok(false)
    }

    /// Reports whether objects with only the required keys exist and satisfy every clause.
    fn smallest_satisfies(&mut self, object: &ObjectShape) -> Result<bool, EvalError> {
        let plain = object.min == 0
            && object.some.iter().all(|s| s.min == 0 && s.max == UNBOUNDED)
            && object.requires.is_empty()
            && object.differs.is_empty();
        if !plain || !self.required_are_inhabited(object)? {
            return Ok(false);
        }
        let declared = object.declared.iter().filter(|d| d.required).cloned().collect();
        let smallest = ObjectShape { declared, rest: Vec::new(), ..ObjectShape::any() };
        self.algebra.spend(1 + object.clauses.len() as u64 / 16)?;
        Ok(object.clauses.iter().all(|clause| clause.iter().any(|y| self.smallest_is_within(&smallest, y))))
    }

    fn smallest_is_within(&self, smallest: &ObjectShape, other: &ObjectShape) -> bool {
        let size = smallest.declared.len() as u32;
        let counts = other.some.iter().all(|s| s.min == 0 && s.max >= size);
        let keys = smallest.declared.iter().all(|d| match other.position(&d.key) {
            Some(i) => self.algebra.implies(d.value, other.declared[i].value),
            None => other.rest == [(TextId::ANY, TermId::ANY)],
        });
        let required = |key: &str| smallest.position(key).is_some();
        keys && counts
            && (other.min..=other.max).contains(&size)
            && other.declared.iter().all(|d| !d.required || required(&d.key))
            && other.requires.iter().all(|(a, b)| !required(a) || required(b))
            && other.differs.is_empty()
            && other.clauses.iter().all(|c| c.iter().any(|y| self.smallest_is_within(smallest, y)))
    }

    pub fn required_are_inhabited(&mut self, object: &ObjectShape) -> Result<bool, EvalError> {
        let escapes = self.algebra.options.escapes.literal();
        for declared in object.declared.iter().filter(|d| d.required) {
            if !escapes.can_spell(&declared.key) || !self.is_inhabited(declared.value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The grammar node of an object with clauses.
    pub fn emit_conditional(
        &mut self,
        object: &Arc<ObjectShape>,
        depth: u32,
        leading: LeadingSpace,
    ) -> Result<NodeId, EvalError> {
        let mut nodes = Vec::new();
        for part in self.split_by_tag(object)? {
            if let Some(parts) = self.expand_clauses(&part)? {
                for part in parts {
                    for part in self.divide_object(&part)? {
                        nodes.push(self.emit_object(&part, depth, leading)?);
                    }
                }
                continue;
            }
            let Some(object) = self.prepared(&part)? else { continue };
            if object.clauses.is_empty() {
                nodes.push(self.emit_object(&object, depth, leading)?);
                continue;
            }
            // An empty object that is pretty-printed, or has no arguments, is spelt apart. So the
            // grammar must know that the first member has come.
            let stays = self.is_pretty().is_none() && self.arguments().is_none();
            let spec = self.conditional_spec(&object, depth, stays)?;
            nodes.push(self.open_object(spec, depth, leading)?);
        }
        Ok(self.nodes.alt(&nodes))
    }

    /// The grammar node of the remaining members of an object that has begun.
    pub fn emit_members(&mut self, object: &Arc<ObjectShape>, depth: u32) -> Result<NodeId, EvalError> {
        let spec = match object.clauses.is_empty() {
            true => self.object_spec(object, depth)?,
            false => self.conditional_spec(object, depth, true)?,
        };
        Ok(self.nodes.object(spec))
    }

    /// The members that may come next in an object with clauses.
    ///
    /// If `stays` is true, a member after which the same object remains keeps the grammar at the
    /// same node.
    fn conditional_spec(
        &mut self,
        object: &Arc<ObjectShape>,
        depth: u32,
        stays: bool,
    ) -> Result<ObjectSpec, EvalError> {
        let ordered = self.algebra.options.key_order == KeyOrder::Declared;
        let mut spec = self.punctuated(depth);
        spec.order = KeyOrder::Any;
        spec.must_go_on = !object.closes();
        let required = keys_of_clauses(object);
        let mut at = Some(object.clone());
        for d in &object.declared {
            // In declared order, a key that was passed over cannot come any more.
            let Some(here) = at.clone() else { break };
            if d.value == TermId::NEVER {
                continue;
            }
            let found = self.derivatives(&here, Key::Named(&d.key), true)?;
            self.check_bare_key(&d.key)?;
            let leading = self.member_leading(Some(&d.key));
            let values = self.conditional_choices(object, found, (depth, leading), false)?;
            if !values.is_empty() {
                let (key, values) = (d.key.as_ref().to_owned(), values.into());
                let required = d.required || required.contains(&d.key);
                spec.declared.push(Property { key, required, requires: Box::new([]), values });
            }
            if ordered {
                at = self.without_key(&here, &d.key)?;
            }
        }
        let Some(here) = at else { return Ok(spec) };
        let names = self.other_than(object.declared.iter().map(|d| &*d.key));
        for &(keys, _) in &here.rest {
            let Some(language) = self.rest_language(keys, names) else { continue };
            let found = self.derivatives(&here, Key::Among(keys), true)?;
            let leading = self.member_leading(None);
            let values = self.conditional_choices(object, found, (depth, leading), stays)?;
            if !values.is_empty() {
                let capacity = self.number_of_keys(keys, language);
                spec.rest.push(RestKeys { keys: language, capacity, values: values.into() });
            }
        }
        Ok(spec)
    }

    /// The choices of the grammar for values and the objects that remain after them.
    fn conditional_choices(
        &mut self,
        object: &Arc<ObjectShape>,
        found: Vec<Derivative>,
        (depth, leading): (u32, LeadingSpace),
        stays: bool,
    ) -> Result<Vec<Choice>, EvalError> {
        let members = match self.algebra.in_arguments {
            Some(key) => LeadingSpace::ArgumentMembers(key),
            None => LeadingSpace::Members,
        };
        let mut choices = Vec::with_capacity(found.len());
        for (value, left) in found {
            self.algebra.spend(1)?;
            self.charge()?;
            if !self.is_inhabited(value)? {
                continue;
            }
            self.check_argument(value, leading)?;
            let same = left == **object;
            let left = self.algebra.shape_term(Shape { objects: vec![Arc::new(left)], ..Shape::never() });
            if !self.is_inhabited(left)? {
                continue;
            }
            let value = self.nodes.lazy(key(value, depth + 1, leading));
            let then = match same && stays {
                true => NodeId::NEVER,
                false => self.nodes.lazy(key(left, depth, members)),
            };
            choices.push(Choice { then, ..Choice::plain(value) });
        }
        Ok(choices)
    }

    /// The objects of `object` that do not have this key; `None` if there are none.
    fn without_key(
        &mut self,
        object: &ObjectShape,
        key: &Arc<str>,
    ) -> Result<Option<Arc<ObjectShape>>, EvalError> {
        let mut left = object.clone();
        if let Some(i) = left.position(key) {
            if left.declared[i].required {
                return Ok(None);
            }
            left.declared[i].value = TermId::NEVER;
        }
        let (concerned, others) =
            left.clauses.into_iter().partition::<Vec<_>, _>(|clause| clause.concerns(key));
        let left = ObjectShape { clauses: concerned, ..left };
        Ok(self.settled(object, left, &others)?.map(Arc::new))
    }

    /// The objects that remain after a member with this key, each with the values of the member
    /// after which it remains. Together these are all values that the member may have.
    ///
    /// In the object itself (`whole`) the key is marked as used. In the alternatives of clauses it
    /// is forgotten.
    fn derivatives(
        &mut self,
        o: &ObjectShape,
        key: Key<'_>,
        whole: bool,
    ) -> Result<Vec<Derivative>, EvalError> {
        let value = self.value_of(o, key);
        if value == TermId::NEVER || o.max == 0 {
            return Ok(Vec::new());
        }
        let mut left = ObjectShape { some: Vec::new(), clauses: Vec::new(), ..o.clone() };
        left.min = o.min.saturating_sub(1);
        left.max = if o.max == UNBOUNDED { UNBOUNDED } else { o.max - 1 };
        if let Key::Named(name) = key {
            match left.position(name) {
                Some(i) if whole => {
                    left.declared[i] =
                        Declared { value: TermId::NEVER, required: false, ..left.declared[i].clone() };
                }
                Some(i) => drop(left.declared.remove(i)),
                None => {}
            }
            for (_, then) in o.requires.iter().filter(|(when, then)| **when == *name && **then != *name) {
                match left.position(then) {
                    Some(i) => left.declared[i].required = true,
                    None => {
                        let value = self.rest_value(o, then);
                        left.declared.push(Declared {
                            key: then.clone(),
                            value,
                            required: true,
                            listed: false,
                        });
                    }
                }
            }
            left.requires.retain(|(when, then)| **when != *name && **then != *name);
        }
        let mut found = vec![(value, left)];
        for some in &o.some {
            found = self.divide_by_count(found, some, key)?;
            check_cells(found.len())?;
        }
        let (concerned, others): (Vec<Clause>, Vec<Clause>) =
            o.clauses.iter().cloned().partition(|clause| match key {
                Key::Named(name) => clause.concerns(name),
                Key::Among(_) => clause.concerns_others(),
            });
        for clause in &concerned {
            let mut alternatives: Vec<Derivative> = Vec::with_capacity(clause.len());
            for alternative in clause.iter() {
                self.algebra.spend(1)?;
                alternatives.extend(self.derivatives(alternative, key, false)?);
            }
            let mut divided = Vec::with_capacity(found.len());
            for (value, left) in found {
                self.divide_by_clause(value, &left, &alternatives, &mut divided)?;
                check_cells(divided.len())?;
            }
            found = divided;
        }
        let mut found = self.merged(found);
        if !whole {
            found.iter_mut().for_each(|(_, left)| left.clauses.extend(others.iter().cloned()));
            return Ok(found);
        }
        let mut settled = Vec::with_capacity(found.len());
        for (value, left) in found {
            settled.extend(self.settled(o, left, &others)?.map(|left| (value, left)));
        }
        Ok(settled)
    }

    /// The object in normal form, with `others` added: the clauses that do not concern the member.
    ///
    /// Those clauses are looked at again only if the rest of the object has changed.
    fn settled(
        &mut self,
        before: &ObjectShape,
        left: ObjectShape,
        others: &[Clause],
    ) -> Result<Option<ObjectShape>, EvalError> {
        let clauses = left.clauses.len();
        let Some(found) = self.finish_object(left)? else { return Ok(None) };
        let mut found = Arc::unwrap_or_clone(found);
        let unchanged = found.requires == before.requires && found.clauses.len() == clauses;
        found
            .clauses
            .extend(others.iter().filter(|c| !found.clauses.contains(c)).cloned().collect::<Vec<_>>());
        match unchanged || others.is_empty() {
            true => Ok(Some(found)),
            false => Ok(self.settle_clauses(found)?.map(Arc::unwrap_or_clone)),
        }
    }

    fn value_of(&mut self, o: &ObjectShape, key: Key<'_>) -> TermId {
        match key {
            Key::Named(name) => match o.position(name) {
                Some(i) => o.declared[i].value,
                None => self.rest_value(o, name),
            },
            Key::Among(keys) => {
                let same = o.rest.iter().find(|rest| rest.0 == keys || rest.0 == TextId::ANY).copied();
                let within = same.or_else(|| {
                    o.rest.iter().find(|rest| self.and_text(rest.0, keys) != TextId::NEVER).copied()
                });
                within.map_or(TermId::NEVER, |rest| rest.1)
            }
        }
    }

    /// Divides the values into those that `some` counts and those that it does not.
    fn divide_by_count(
        &mut self,
        found: Vec<Derivative>,
        some: &SomeProperties,
        key: Key<'_>,
    ) -> Result<Vec<Derivative>, EvalError> {
        let concerns = match key {
            _ if some.keys == TextId::ANY => true,
            Key::Named(name) => self.has_text(some.keys, name),
            Key::Among(keys) => self.and_text(some.keys, keys) != TextId::NEVER,
        };
        let mut divided = Vec::with_capacity(found.len() * 2);
        for (value, left) in found {
            self.algebra.spend(1)?;
            let inside = if concerns { self.common(value, some.value)? } else { TermId::NEVER };
            let with = |some: SomeProperties| {
                let mut left = left.clone();
                left.some.extend((some.min > 0 || some.max != UNBOUNDED).then_some(some));
                left
            };
            if inside != TermId::NEVER && some.max > 0 {
                let max = if some.max == UNBOUNDED { UNBOUNDED } else { some.max - 1 };
                divided.push((
                    inside,
                    with(SomeProperties { min: some.min.saturating_sub(1), max, ..some.clone() }),
                ));
            }
            let outside = match some.max {
                _ if inside == TermId::NEVER => value,
                _ if inside == value => TermId::NEVER,
                UNBOUNDED => match self.algebra.not_scalar(some.value) {
                    Some(not) => self.algebra.and2(value, not),
                    None => value,
                },
                _ => {
                    let not = self.algebra.not(some.value);
                    self.algebra.and2(value, not)
                }
            };
            if outside != TermId::NEVER {
                divided.push((outside, with(some.clone())));
            }
        }
        Ok(divided)
    }

    /// Divides a value by the alternatives that hold for it, on condition that at least one holds.
    fn divide_by_clause(
        &mut self,
        value: TermId,
        left: &ObjectShape,
        alternatives: &[Derivative],
        divided: &mut Vec<Derivative>,
    ) -> Result<(), EvalError> {
        // Conditions on scalars divide the value into parts that do not overlap.
        let mut cells: Vec<(TermId, Vec<Arc<ObjectShape>>)> = vec![(value, Vec::new())];
        let mut others: Vec<(TermId, Arc<ObjectShape>)> = Vec::new();
        for (condition, behind) in alternatives {
            let behind = Arc::new(behind.clone());
            let Some(not) = self.algebra.not_scalar(*condition).filter(|_| *condition != TermId::ANY) else {
                others.push((*condition, behind));
                continue;
            };
            let mut next = Vec::with_capacity(cells.len());
            for (value, mut holding) in cells {
                self.algebra.spend(1)?;
                let inside = if holding.contains(&behind) { value } else { self.common(value, *condition)? };
                let outside = if inside == value { TermId::NEVER } else { self.common(value, not)? };
                if outside != TermId::NEVER {
                    next.push((outside, holding.clone()));
                }
                if inside != TermId::NEVER {
                    holding.extend((!holding.contains(&behind)).then(|| behind.clone()));
                    next.push((inside, holding));
                }
            }
            check_cells(next.len())?;
            cells = next;
        }
        for (value, mut holding) in cells {
            // Another condition holds if every value of the part satisfies it. If only some values
            // do, they become a part of their own.
            let mut perhaps = Vec::new();
            for (condition, behind) in &others {
                self.algebra.spend(1)?;
                let inside = self.common(value, *condition)?;
                if inside == value {
                    holding.push(behind.clone());
                } else if inside != TermId::NEVER {
                    perhaps.push((inside, behind));
                }
            }
            if !holding.iter().any(|y| **y == ObjectShape::any()) {
                for (inside, behind) in perhaps {
                    let mut holding = holding.clone();
                    holding.push(behind.clone());
                    self.divided_by(inside, left, holding, divided);
                }
            }
            self.divided_by(value, left, holding, divided);
        }
        Ok(())
    }

    /// Adds the object that remains if one of the alternatives in `holding` must hold.
    fn divided_by(
        &mut self,
        value: TermId,
        left: &ObjectShape,
        mut holding: Vec<Arc<ObjectShape>>,
        divided: &mut Vec<Derivative>,
    ) {
        let mut left = left.clone();
        if !holding.iter().any(|y| **y == ObjectShape::any()) {
            holding.dedup();
            if holding.is_empty() {
                return;
            }
            let clause = self.algebra.clause(&holding);
            left.clauses.push(clause);
        }
        divided.push((value, left));
    }

    /// The values in both terms; `never` if there evidently are none.
    fn common(&mut self, a: TermId, b: TermId) -> Result<TermId, EvalError> {
        let both = self.algebra.and2(a, b);
        Ok(if self.is_evidently_never(both)? { TermId::NEVER } else { both })
    }

    /// Joins scalar values that leave the same object.
    fn merged(&mut self, found: Vec<Derivative>) -> Vec<Derivative> {
        let mut merged: Vec<Derivative> = Vec::with_capacity(found.len());
        for (value, left) in found {
            let same = merged.iter_mut().find(|(other, behind)| {
                *behind == left
                    && (*other == value || self.algebra.is_scalar(*other) && self.algebra.is_scalar(value))
            });
            match same {
                Some((other, _)) => *other = self.algebra.or(&[*other, value]),
                None => merged.push((value, left)),
            }
        }
        merged
    }

    /// The object with every key declared that a clause names, and with its other keys in classes
    /// that each clause treats alike. `None` if no object remains.
    fn prepared(&mut self, object: &Arc<ObjectShape>) -> Result<Option<Arc<ObjectShape>>, EvalError> {
        let mut o = self.without_differs(object)?;
        let (mut names, mut classes) = (Vec::new(), Vec::new());
        mentioned(&o, &mut names, &mut classes);
        classes.sort_unstable();
        classes.dedup();
        for keys in classes {
            let others = self.algebra.texts.not(keys);
            let mut split = Vec::with_capacity(o.rest.len() + 1);
            for (class, value) in std::mem::take(&mut o.rest) {
                for part in [keys, others] {
                    self.algebra.spend(1)?;
                    let part = self.and_text(class, part);
                    if part != TextId::NEVER {
                        split.push((part, value));
                    }
                }
            }
            if split.len() > MAX_CLASSES {
                return Err(too_many_ways());
            }
            o.rest = split;
        }
        if counts(&o) {
            self.name_few_keys(&o, &mut names);
        }
        for name in names {
            if o.position(&name).is_none() {
                let value = self.rest_value(&o, &name);
                o.declared.push(Declared { key: name, value, required: false, listed: false });
            }
        }
        let escapes = self.algebra.options.escapes.literal();
        for d in o.declared.iter_mut().filter(|d| !escapes.can_spell(&d.key)) {
            d.value = TermId::NEVER;
        }
        self.finish_object(o)
    }

    /// The object, and in turn each of its alternatives, with clauses in place of its list of
    /// objects to differ from.
    fn without_differs(&mut self, o: &ObjectShape) -> Result<ObjectShape, EvalError> {
        let mut plain = ObjectShape { differs: Vec::new(), clauses: Vec::new(), ..o.clone() };
        for pairs in &o.differs {
            let other = ObjectShape::of_properties(pairs.iter().cloned());
            let violations = self.each_violation(&other)?;
            plain.clauses.push(self.algebra.clause(&violations));
        }
        for clause in &o.clauses {
            let mut alternatives = Vec::with_capacity(clause.len());
            for alternative in clause.iter() {
                let is_plain = alternative.differs.is_empty() && alternative.clauses.is_empty();
                alternatives.push(match is_plain {
                    true => alternative.clone(),
                    false => Arc::new(self.without_differs(alternative)?),
                });
            }
            plain.clauses.push(self.algebra.clause(&alternatives));
        }
        Ok(plain)
    }

    /// Adds the keys of small classes to `names`. Only declared keys let the grammar know how many
    /// are left.
    fn name_few_keys(&mut self, o: &ObjectShape, names: &mut Vec<Arc<str>>) {
        for &(keys, _) in o.rest.iter().filter(|rest| rest.0 != TextId::ANY) {
            let language = self.algebra.texts.language(keys, &mut self.nodes.languages);
            names.extend(super::text::words(self.pool(), language, MAX_NAMED).into_iter().flatten());
        }
    }
}

/// The keys that every alternative of some clause requires, and so every object that satisfies the
/// clauses. For example, all objects of a `oneOf` may have to have a `kind`.
fn keys_of_clauses(object: &ObjectShape) -> HashSet<&Arc<str>> {
    let mut keys = HashSet::new();
    for clause in &object.clauses {
        let mut alternatives = clause.iter();
        let Some(first) = alternatives.next() else { continue };
        let mut common: Vec<_> = first.declared.iter().filter(|d| d.required).map(|d| &d.key).collect();
        for alternative in alternatives {
            let requires =
                |key: &Arc<str>| alternative.position(key).is_some_and(|i| alternative.declared[i].required);
            common.retain(|key| requires(key));
        }
        keys.extend(common);
    }
    keys
}

/// Adds the keys that the clauses and requirements of an object name to `names`, and the classes
/// that its conditions on other keys use to `classes`.
fn mentioned(o: &ObjectShape, names: &mut Vec<Arc<str>>, classes: &mut Vec<TextId>) {
    names.extend(o.requires.iter().flat_map(|(when, then)| [when.clone(), then.clone()]));
    classes.extend(o.some.iter().map(|some| some.keys).filter(|&keys| keys != TextId::ANY));
    for alternative in o.clauses.iter().flat_map(|clause| clause.iter()) {
        names.extend(alternative.declared.iter().map(|d| d.key.clone()));
        classes.extend(alternative.rest.iter().map(|rest| rest.0).filter(|&keys| keys != TextId::ANY));
        mentioned(alternative, names, classes);
    }
}

/// Reports whether the object, or one of its alternatives, counts members.
fn counts(o: &ObjectShape) -> bool {
    o.min > 0
        || o.some.iter().any(|some| some.min > 0)
        || o.clauses.iter().flat_map(|clause| clause.iter()).any(|alternative| counts(alternative))
}

/// The object without its shortest clause, and that clause.
fn without_shortest(object: &ObjectShape) -> (Arc<ObjectShape>, Clause) {
    let mut rest = object.clone();
    let shortest = (0..rest.clauses.len()).min_by_key(|&i| rest.clauses[i].len()).unwrap_or(0);
    let clause = rest.clauses.swap_remove(shortest);
    (Arc::new(rest), clause)
}

fn check_cells(count: usize) -> Result<(), EvalError> {
    if count > MAX_CELLS {
        return Err(too_many_ways());
    }
    Ok(())
}

fn too_many_ways() -> EvalError {
    EvalError::Unsupported {
        at: None,
        keyword: "properties",
        reason: "the value of one property decides other conditions of the object in too many ways".into(),
    }
}
