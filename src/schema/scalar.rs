//! Scalar terms: sets of scalars, beside all arrays or none and all objects or none.
//!
//! They are evaluated as soon as they are made. Types, constants and short enumerations usually
//! distinguish the alternatives of a schema, and their Boolean combinations are cheap. Equal sets
//! have the same term, however they arose. So a comparison of terms shows that two alternatives
//! contradict each other, or that one is part of the other.

use super::algebra::{Algebra, Term};
use super::document::{ARRAY, BOOLEAN, Keyword, NULL, NUMBER, OBJECT, STRING, Types};
use super::json::{JsonKind, Value};
use super::number::{NumberSet, Point};
use super::shape::{ArrayShape, ObjectShape, Shape};
use super::term::TermId;
use super::text::{Text, TextId};
use crate::automata::Decimal;
use std::fmt::Write;
use std::sync::Arc;

/// The most values of an enumeration that is a scalar term. Longer ones are evaluated on demand.
const MAX_VALUES: usize = 512;
/// The most intervals of numbers in a scalar term. Sets with more are evaluated on demand.
const MAX_INTERVALS: usize = 4;

/// The values that `find` gives for at least two of the terms, and all other terms. `None` if it
/// gives fewer.
fn several<T>(parts: &[TermId], mut find: impl FnMut(TermId) -> Option<T>) -> Option<(Vec<T>, Vec<TermId>)> {
    let (mut found, mut others) = (Vec::new(), Vec::with_capacity(parts.len()));
    for &part in parts {
        match find(part) {
            Some(value) => found.push(value),
            None => others.push(part),
        }
    }
    (found.len() > 1).then_some((found, others))
}

impl Algebra {
    /// The keywords of a schema as a text that is the same for schemas with the same keywords;
    /// `None` if there are others than conditions on types, numbers and strings.
    pub(super) fn conditions(&self, keywords: &[Keyword]) -> Option<String> {
        let json = &self.doc.json;
        let mut text = String::new();
        for keyword in keywords {
            // Writing to a string does not fail.
            let _ = match *keyword {
                Keyword::Types(types) => write!(text, "types {types} "),
                Keyword::MinLength(least) => write!(text, "minLength {least} "),
                Keyword::MaxLength(most) => write!(text, "maxLength {most} "),
                Keyword::Format(format) => write!(text, "format {format:?} "),
                Keyword::Pattern(value) => write!(text, "pattern {:?} ", json.as_str(value)),
                Keyword::MultipleOf(value) => write!(text, "multipleOf {:?} ", json.as_number(value)),
                Keyword::Lower { value, exclusive } => {
                    write!(text, "lower {exclusive} {:?} ", json.as_number(value))
                }
                Keyword::Upper { value, exclusive } => {
                    write!(text, "upper {exclusive} {:?} ", json.as_number(value))
                }
                _ => return None,
            };
        }
        Some(text)
    }

    /// The schema with these keywords, if it is scalar.
    pub(super) fn scalar_schema(&mut self, keywords: &[Keyword]) -> Option<TermId> {
        if let [Keyword::Types(types)] = *keywords {
            return Some(self.of_types(types));
        }
        let doc = self.doc.clone();
        let mut types: Types = NULL | BOOLEAN | NUMBER | STRING | ARRAY | OBJECT;
        let mut values: Option<&[Value]> = None;
        for keyword in keywords {
            match keyword {
                Keyword::Types(t) => types = *t,
                Keyword::Const(value) if values.is_none() => values = Some(std::slice::from_ref(value)),
                Keyword::Enum(list) if values.is_none() => values = Some(doc.json.items(*list)),
                _ => return None,
            }
        }
        let values = values.filter(|values| values.len() <= MAX_VALUES)?;
        let mut shape = Shape::never();
        let (mut points, mut texts) = (Vec::new(), Vec::new());
        for &value in values {
            match doc.json.kind(value) {
                JsonKind::Null => shape.null = true,
                JsonKind::Bool(b) => shape.booleans |= 1 << u8::from(b),
                JsonKind::Number(span) => {
                    let spelling = doc.json.text(span);
                    points.push(Point { value: Decimal::parse(spelling)?, spelling: spelling.into() });
                }
                JsonKind::String(span) => texts.push(doc.json.text(span).into()),
                JsonKind::Array { .. } | JsonKind::Object { .. } => return None,
            }
        }
        shape.numbers = NumberSet::of_points(points);
        shape.strings = self.texts.literals(texts);
        let both = self.both(&shape, &Shape::of_types(types));
        Some(self.shape_term(both))
    }

    /// Reports whether the term is scalar.
    pub(super) fn is_scalar(&self, term: TermId) -> bool {
        self.scalar(term).is_some()
    }

    /// The shape of a scalar term; `None` for other terms.
    fn scalar(&self, term: TermId) -> Option<Arc<Shape>> {
        let Term::Shape(shape) = self.term(term) else { return None };
        let strings = match self.texts.get(shape.strings) {
            Text::Never | Text::Any | Text::Literals(_) => true,
            Text::Not(inner) => matches!(self.texts.get(*inner), Text::Literals(_)),
            _ => false,
        };
        let divisible =
            shape.numbers.parts.iter().any(|p| !p.multiples.is_empty() || !p.not_multiples.is_empty());
        let numbers = !divisible
            && shape.numbers.parts.len() <= MAX_INTERVALS
            && shape.numbers.points.len() <= MAX_VALUES;
        let arrays = shape.arrays.iter().all(|a| **a == ArrayShape::any());
        let objects = shape.objects.iter().all(|o| **o == ObjectShape::any());
        (strings && numbers && arrays && objects).then(|| shape.clone())
    }

    /// Replaces the scalar terms among `parts` by their intersection. If they contradict each
    /// other, [`TermId::NEVER`] alone is left.
    pub(super) fn intersect_scalars(&mut self, parts: &mut Vec<TermId>) {
        let Some((found, others)) = several(parts, |part| self.scalar(part)) else { return };
        let first = (*found[0]).clone();
        let all = found[1..].iter().fold(first, |all, shape| self.both(&all, shape));
        *parts = others;
        match self.shape_term(all) {
            TermId::NEVER => *parts = vec![TermId::NEVER],
            TermId::ANY => {}
            term => parts.push(term),
        }
    }

    /// Replaces the scalar terms among these alternatives by their union, computed from their
    /// complements.
    pub(super) fn unite_scalars(&mut self, parts: &mut Vec<TermId>) {
        let Some((found, mut others)) = several(parts, |part| self.not_scalar(part)) else { return };
        let neither = self.and(&found);
        others.push(self.not(neither));
        *parts = others;
    }

    /// The complement of a scalar term; `None` for other terms.
    pub(super) fn not_scalar(&mut self, term: TermId) -> Option<TermId> {
        let shape = self.scalar(term)?;
        let any = self.any.clone();
        let complement = Shape {
            null: !shape.null,
            booleans: 3 & !shape.booleans,
            numbers: shape.numbers.complement(),
            strings: self.texts.not(shape.strings),
            arrays: if shape.arrays.is_empty() { any.arrays.clone() } else { Vec::new() },
            objects: if shape.objects.is_empty() { any.objects.clone() } else { Vec::new() },
        };
        Some(self.shape_term(complement))
    }

    /// The values in both of two scalar shapes.
    fn both(&mut self, a: &Shape, b: &Shape) -> Shape {
        Shape {
            null: a.null && b.null,
            booleans: a.booleans & b.booleans,
            numbers: a.numbers.and(&b.numbers),
            strings: self.texts.and_literals(a.strings, b.strings).unwrap_or(TextId::NEVER),
            arrays: if a.arrays.is_empty() { Vec::new() } else { b.arrays.clone() },
            objects: if a.objects.is_empty() { Vec::new() } else { b.objects.clone() },
        }
    }
}
