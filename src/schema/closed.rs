//! Closed objects: the option that forbids every key that the schema does not name.
//!
//! The named keys depend on the subschemas that apply to an object, which is the question that
//! [`unevaluated`](super::unevaluated) answers. So a schema is divided into outcomes, and the
//! objects of each outcome are limited to its named keys. For example, under `anyOf` each branch
//! allows the keys that it names.
//!
//! The option only narrows the output, so the algebra does not know of it: `not`, `if` and `oneOf`
//! keep the meaning that the schema gives them. Only the *values* of a term, which the grammar asks
//! for, are closed. An object inside an object is a term of its own and is closed in turn. That
//! term holds all schemas that apply to the inner object, and each names its keys.
//!
//! These keywords name keys: those that evaluate them in the sense of `unevaluatedProperties`,
//! `required`, the lists of `dependentRequired`, and the values of `enum` and `const`.

use super::algebra::{Algebra, Term};
use super::document::{ARRAY, Keyword, OBJECT};
use super::eval::Eval;
use super::options::AdditionalProperties;
use super::outcome::{Evaluated, Outcome};
use super::shape::{ArrayShape, Declared, ObjectShape, Shape};
use super::term::{EvalError, TermId};
use super::text::TextId;
use std::sync::Arc;

/// A place directly inside an object or array, in a form that can be compared between two shapes.
#[derive(PartialEq, Eq)]
enum ChildPlace<'s> {
    Key(&'s str),
    Keys(TextId),
    Item(usize),
    Items,
    Some,
}

impl Algebra {
    /// Reports whether objects are closed.
    pub fn is_closing(&self) -> bool {
        self.options.additional_properties == AdditionalProperties::Forbid
    }

    /// Reports whether values repeat their keys. Then objects have only the keys that the schema
    /// names, because the grammar must know a key to repeat it.
    pub fn writes_elements(&self) -> bool {
        self.options.arguments.as_ref().is_some_and(|style| style.elements.is_some())
    }

    /// Reports whether the term evidently names no key, neither at its own place nor deeper.
    pub fn names_nothing(&self, term: TermId) -> bool {
        match self.term(term) {
            Term::Never | Term::Any | Term::Shape(_) | Term::Not(_) => true,
            Term::And(parts) | Term::Or(parts) => parts.iter().all(|&part| self.names_nothing(part)),
            Term::Named(_) => false,
            Term::Schema(schema, _) => {
                let is_scalar = |k: &Keyword| matches!(k, Keyword::Types(t) if t & (ARRAY | OBJECT) == 0);
                self.doc.keywords(*schema).iter().any(is_scalar)
            }
        }
    }
}

impl Eval<'_> {
    /// Reports whether objects are closed.
    pub fn is_closing(&self) -> bool {
        self.algebra.is_closing()
    }

    /// The values of a term that an output may have, with closed objects if the option asks for it.
    pub fn values(&mut self, id: TermId) -> Result<Arc<Shape>, EvalError> {
        let open = self.shape(id)?;
        let declared_only = self.algebra.writes_elements();
        if !self.is_closing() && !declared_only || open.objects.is_empty() && open.arrays.is_empty() {
            return Ok(open);
        }
        if let Some(known) = self.algebra.closed.get(&id) {
            return Ok(known.clone());
        }
        let mut closed = if self.is_closing() { self.closed(id)? } else { (*open).clone() };
        if declared_only {
            for object in &mut closed.objects {
                *object = Arc::new(self.only_declared(object));
            }
        }
        let closed = Arc::new(closed);
        self.check_sound()?;
        self.algebra.closed.insert(id, closed.clone());
        Ok(closed)
    }

    /// The object without the keys that its schema does not name. Values that repeat their keys
    /// cannot have other keys.
    fn only_declared(&mut self, object: &ObjectShape) -> ObjectShape {
        let mut closed = object.clone();
        let required = object.requires.iter().flat_map(|(a, b)| [a, b]);
        let told_apart = object.differs.iter().flat_map(|pairs| pairs.iter().map(|pair| &pair.0));
        let alternatives = object.clauses.iter().flat_map(|clause| clause.iter());
        let concerned = alternatives.flat_map(|object| object.declared.iter().map(|d| &d.key));
        for key in required.chain(told_apart).chain(concerned) {
            if closed.position(key).is_none() {
                let value = self.rest_value(object, key);
                closed.declared.push(Declared { key: key.clone(), value, required: false, listed: false });
            }
        }
        closed.rest.clear();
        closed
    }

    /// The values of a term with closed objects.
    fn closed(&mut self, id: TermId) -> Result<Shape, EvalError> {
        let mut closed = Shape::never();
        for outcome in self.outcomes(id)?.iter() {
            let named = outcome.evaluated.named;
            let shape = match named == TextId::ANY || outcome.shape.objects.is_empty() {
                true => outcome.shape.clone(),
                false => {
                    let rest = [(named, TermId::ANY)].into_iter().filter(|r| r.0 != TextId::NEVER).collect();
                    let objects = vec![Arc::new(ObjectShape { rest, ..ObjectShape::any() })];
                    Arc::new(self.intersect(&outcome.shape, &Shape { objects, ..Shape::any() })?)
                }
            };
            closed = self.union(&closed, &shape);
        }
        Ok(closed)
    }

    /// The outcomes of values that satisfy all of these terms.
    pub fn outcomes_of_all(&mut self, parts: &[TermId]) -> Result<Vec<Outcome>, EvalError> {
        let mut all = vec![self.everything()];
        let mut left_out = Vec::new();
        for &part in parts {
            match *self.algebra.term(part) {
                Term::Not(inner) => left_out.push(inner),
                _ => {
                    let part = self.outcomes(part)?;
                    all = self.product(&all, &part)?;
                }
            }
        }
        for inner in left_out {
            let inner = self.shape(inner)?;
            for outcome in &mut all {
                outcome.shape = Arc::new(self.subtract(&outcome.shape, &inner)?);
            }
        }
        all.retain(|outcome| !outcome.shape.is_never());
        Ok(all)
    }

    /// The outcomes of values that satisfy one of these terms, each term by itself.
    pub fn outcomes_of_any(&mut self, parts: &[TermId]) -> Result<Vec<Outcome>, EvalError> {
        let mut any = Vec::new();
        for &part in parts {
            for outcome in self.outcomes(part)?.iter().cloned() {
                self.add(&mut any, outcome);
            }
        }
        Ok(any)
    }

    /// The outcome in which every key is named, at any depth.
    pub fn named_outcome(&mut self, shape: &Shape) -> Outcome {
        let mut shape = shape.clone();
        for object in &mut shape.objects {
            let mut named = (**object).clone();
            named.declared.iter_mut().for_each(|d| d.value = self.named(d.value));
            *object = Arc::new(named);
        }
        for array in &mut shape.arrays {
            let mut named = (**array).clone();
            named.prefix.iter_mut().for_each(|item| *item = self.named(*item));
            *array = Arc::new(named);
        }
        let evaluated = Evaluated { named: TextId::ANY, ..Evaluated::NOTHING };
        Outcome { shape: Arc::new(shape), evaluated }
    }

    fn named(&mut self, term: TermId) -> TermId {
        match self.algebra.term(term) {
            Term::Shape(shape) if !shape.arrays.is_empty() || !shape.objects.is_empty() => {
                self.algebra.intern(Term::Named(term))
            }
            _ => term,
        }
    }

    /// Reports whether `a` may name a key below its place that `b` does not name there.
    pub fn names_more_below(&self, a: &Shape, b: &Shape) -> bool {
        let known: Vec<(ChildPlace<'_>, TermId)> = children(b).collect();
        children(a).any(|place| !self.algebra.names_nothing(place.1) && !known.contains(&place))
    }

    /// Lets the items of an array name the keys that these schemas name, for items that satisfy one
    /// of them.
    ///
    /// The schemas come from `contains` with `minContains: 0`. Such a count restricts no value and
    /// is left out of shapes, but its schema still names keys.
    pub fn name_where_contained(&mut self, array: &mut ArrayShape, contained: &[TermId]) {
        for &value in contained {
            if !self.is_closing() || self.algebra.names_nothing(value) {
                continue;
            }
            let not = self.algebra.not(value);
            let mut either = [value, not];
            either.sort_unstable();
            let either = self.algebra.intern(Term::Or(either.into()));
            let items = array.prefix.iter_mut().chain([&mut array.rest]);
            items.for_each(|item| *item = self.algebra.and2(*item, either));
        }
    }

    /// Adds an array to a union.
    ///
    /// With closed objects, an array is added even if another one includes its values, because it
    /// may name keys that the other does not name.
    pub fn add_array(&self, union: &mut Shape, array: Arc<ArrayShape>) {
        match self.is_closing() {
            false => union.add_array(array),
            true if union.arrays.contains(&array) => {}
            true => union.arrays.push(array),
        }
    }

    /// Adds an object to a union by the rule of [`add_array`](Self::add_array).
    pub fn add_object(&self, union: &mut Shape, object: Arc<ObjectShape>) {
        match self.is_closing() {
            false => union.add_object(object),
            true if union.objects.contains(&object) => {}
            true => union.objects.push(object),
        }
    }
}

/// The terms directly inside the arrays and objects of a shape, with their places.
fn children(shape: &Shape) -> impl Iterator<Item = (ChildPlace<'_>, TermId)> {
    let objects = shape.objects.iter().flat_map(|object| {
        let declared = object.declared.iter().map(|d: &Declared| (ChildPlace::Key(&d.key), d.value));
        let rest = object.rest.iter().map(|&(keys, value)| (ChildPlace::Keys(keys), value));
        declared.chain(rest).chain(object.some.iter().map(|s| (ChildPlace::Some, s.value)))
    });
    let arrays = shape.arrays.iter().flat_map(|array| {
        let prefix = array.prefix.iter().enumerate().map(|(i, &item)| (ChildPlace::Item(i), item));
        let some = array.some.iter().map(|s| (ChildPlace::Some, s.value));
        prefix.chain([(ChildPlace::Items, array.rest)]).chain(some)
    });
    objects.chain(arrays)
}
