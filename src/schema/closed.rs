//! Closed objects: the option under which no object has a key that nothing names.
//!
//! Which keys are named depends on which subschemas apply, so it is what
//! [`unevaluated`](super::unevaluated) finds out: a schema is divided into outcomes, and the
//! objects of each are cut to its keys. The option may only narrow, so the algebra below knows
//! nothing of it. `not`, `if` and `oneOf` mean what the schema says, and only the *values* of a
//! term, as the grammar asks for them, are closed. An object in an object is another term, closed
//! when its turn comes; all schemas that apply to it are in that term, and each names its keys.
//!
//! Keys are named by what evaluates them in the sense of `unevaluatedProperties`, by `required` and
//! the lists of
//! `dependentRequired`, and by the values of `enum` and `const`.

use super::document::{Keyword, ARRAY, OBJECT};
use super::options::AdditionalProperties;
use super::shape::{ArrayShape, Declared, Eval, ObjectShape, Shape};
use super::term::{Algebra, Failure, Term, TermId};
use super::text::TextId;
use super::unevaluated::{Evaluated, Outcome};
use std::sync::Arc;

/// A place directly below an object or array, as far as two shapes may have it in common.
#[derive(PartialEq, Eq)]
enum Below<'s> {
    Key(&'s str),
    Keys(TextId),
    Item(usize),
    Items,
    Some,
}

impl Algebra {
    /// Whether objects are closed.
    pub fn is_closing(&self) -> bool {
        self.options.additional_properties == AdditionalProperties::Forbid
    }

    /// Whether the term obviously names no key at its place, nor further down.
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
    /// Whether objects are closed.
    pub fn is_closing(&self) -> bool {
        self.algebra.is_closing()
    }

    /// The values of a term that an output may have. Its objects are closed if the option says so.
    pub fn values(&mut self, id: TermId) -> Result<Arc<Shape>, Failure> {
        let open = self.shape(id)?;
        if !self.is_closing() || open.objects.is_empty() && open.arrays.is_empty() {
            return Ok(open);
        }
        if let Some(known) = self.algebra.closed.get(&id) {
            return Ok(known.clone());
        }
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
        let closed = Arc::new(closed);
        self.algebra.closed.insert(id, closed.clone());
        Ok(closed)
    }

    /// The outcomes of what satisfies all of these.
    pub fn outcomes_of_all(&mut self, parts: &[TermId]) -> Result<Vec<Outcome>, Failure> {
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

    /// The outcomes of what satisfies one of these, each by itself.
    pub fn outcomes_of_any(&mut self, parts: &[TermId]) -> Result<Vec<Outcome>, Failure> {
        let mut any = Vec::new();
        for &part in parts {
            for outcome in self.outcomes(part)?.iter().cloned() {
                self.add(&mut any, outcome);
            }
        }
        Ok(any)
    }

    /// The outcome in which everything is named, at any depth.
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

    /// Whether perhaps `a` names something below its place that `b` does not name there.
    pub fn names_more_below(&self, a: &Shape, b: &Shape) -> bool {
        let known: Vec<(Below<'_>, TermId)> = below(b).collect();
        below(a).any(|place| !self.algebra.names_nothing(place.1) && !known.contains(&place))
    }

    /// Lets items name what these schemas name wherever they hold, though none must hold. A count
    /// from 0 up, which says nothing about values, is left out of shapes.
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

    /// Adds to a union. Where objects are closed, arrays that are among others stay, since what is
    /// below may be named by them alone.
    pub fn add_array(&self, union: &mut Shape, array: Arc<ArrayShape>) {
        match self.is_closing() {
            false => union.add_array(array),
            true if union.arrays.contains(&array) => {}
            true => union.arrays.push(array),
        }
    }

    /// Adds to a union, likewise.
    pub fn add_object(&self, union: &mut Shape, object: Arc<ObjectShape>) {
        match self.is_closing() {
            false => union.add_object(object),
            true if union.objects.contains(&object) => {}
            true => union.objects.push(object),
        }
    }
}

/// What is directly below the arrays and objects of a shape.
fn below(shape: &Shape) -> impl Iterator<Item = (Below<'_>, TermId)> {
    let objects = shape.objects.iter().flat_map(|object| {
        let declared = object.declared.iter().map(|d: &Declared| (Below::Key(&d.key), d.value));
        let rest = object.rest.iter().map(|&(keys, value)| (Below::Keys(keys), value));
        declared.chain(rest).chain(object.some.iter().map(|s| (Below::Some, s.value)))
    });
    let arrays = shape.arrays.iter().flat_map(|array| {
        let prefix = array.prefix.iter().enumerate().map(|(i, &item)| (Below::Item(i), item));
        let some = array.some.iter().map(|s| (Below::Some, s.value));
        prefix.chain([(Below::Items, array.rest)]).chain(some)
    });
    objects.chain(arrays)
}
