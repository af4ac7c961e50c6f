//! Single values: those of `enum` and `const`, and the earlier items of an array of distinct items.
//!
//! A value is a shape whose parts are terms of one value each. Values are compared as JSON, so `1`
//! and `1.0` are the same. Nested values are built from the inside outwards, so nesting costs
//! memory and no stack.

use super::algebra::Algebra;
use super::eval::Eval;
use super::json::{Json, JsonKind, Value};
use super::number::{NumberSet, Part, Point};
use super::shape::{ArrayShape, ObjectShape, Shape};
use super::term::{EvalError, TermId};
use super::text::{Text, TextId};
use crate::automata::Decimal;
use crate::automata::number::Bound;
use hashbrown::HashMap;
use std::sync::Arc;

/// The most digits before and after the point, written without exponent, of numbers that are told
/// apart.
const MAX_DIGITS: usize = 399;

impl Algebra {
    /// Reports whether the shape evidently has exactly one value.
    pub(super) fn shape_is_single(&self, shape: &Shape) -> bool {
        let strings = match self.texts.get(shape.strings) {
            Text::Never => 0,
            Text::Literals(texts) => texts.len(),
            _ => return false,
        };
        if shape.numbers.points.len() > 1 || !shape.numbers.parts.is_empty() {
            return false;
        }
        let numbers = shape.numbers.points.len();
        let scalars = usize::from(shape.null) + shape.booleans.count_ones() as usize + numbers + strings;
        match (scalars, shape.arrays.as_slice(), shape.objects.as_slice()) {
            (1, [], []) => true,
            (0, [array], []) => self.array_is_single(array),
            (0, [], [object]) => self.object_is_single(object),
            _ => false,
        }
    }

    pub(super) fn array_is_single(&self, a: &ArrayShape) -> bool {
        ArrayShape::of_items(a.prefix.clone()) == *a && a.prefix.iter().all(|&item| self.is_single(item))
    }

    pub(super) fn object_is_single(&self, o: &ObjectShape) -> bool {
        let open = !o.rest.is_empty() || !o.requires.is_empty() || !o.some.is_empty();
        let plain = !open && o.differs.is_empty() && o.clauses.is_empty();
        plain && o.declared.iter().all(|d| d.required && self.is_single(d.value))
    }
}

impl Eval<'_> {
    /// The shape of exactly these values.
    pub fn values_shape(&mut self, json: &Json, values: &[Value]) -> Result<Shape, EvalError> {
        self.values_within(json, values, usize::MAX)
    }

    /// The shape of these values, in which a number with too many digits stands for all such
    /// numbers.
    pub fn items_shape(&mut self, json: &Json, values: &[Value]) -> Result<Shape, EvalError> {
        self.values_within(json, values, MAX_DIGITS)
    }

    fn values_within(&mut self, json: &Json, values: &[Value], digits: usize) -> Result<Shape, EvalError> {
        // The list has each container before the values inside it.
        let mut order: Vec<Value> = values.to_vec();
        let mut at = 0;
        while let Some(&value) = order.get(at) {
            order.extend(children(json, value));
            at += 1;
        }
        self.algebra.spend(order.len() as u64 / 64)?;
        let mut terms: HashMap<Value, TermId> = HashMap::new();
        for &value in order[values.len()..].iter().rev() {
            let shape = self.one_level(json, &[value], &terms, digits)?;
            let term = self.algebra.shape_term(shape);
            terms.insert(value, term);
        }
        self.one_level(json, values, &terms, digits)
    }

    fn one_level(
        &mut self,
        json: &Json,
        values: &[Value],
        terms: &HashMap<Value, TermId>,
        digits: usize,
    ) -> Result<Shape, EvalError> {
        let mut shape = Shape::never();
        let mut points: Vec<Point> = Vec::new();
        let mut literals: Vec<Arc<str>> = Vec::new();
        let mut beyond = false;
        for &value in values {
            match json.kind(value) {
                JsonKind::Null => shape.null = true,
                JsonKind::Bool(b) => shape.booleans |= 1 << u8::from(b),
                JsonKind::Number(span) => {
                    let point = point(json.text(span), digits)?;
                    beyond |= point.is_none();
                    points.extend(point);
                }
                JsonKind::String(span) => literals.push(json.text(span).into()),
                JsonKind::Array { .. } => {
                    let items = json.items(value).iter().map(|item| terms[item]).collect();
                    let array = self.finish_array(ArrayShape::of_items(items))?;
                    shape.arrays.extend(array.filter(|a| !shape.arrays.contains(a)));
                }
                JsonKind::Object { .. } => {
                    let members = json.members(value).map(|(key, value)| (key.into(), terms[&value]));
                    let object = self.finish_object(ObjectShape::of_properties(members))?;
                    shape.objects.extend(object.filter(|o| !shape.objects.contains(o)));
                }
            }
        }
        shape.numbers = NumberSet::of_points(points);
        if beyond {
            shape.numbers = shape.numbers.or(&beyond_digits());
        }
        shape.strings = match literals.is_empty() {
            true => TextId::NEVER,
            false => self.algebra.texts.literals(literals),
        };
        Ok(shape)
    }
}

/// The number as a point. `None` if it has more than `digits` digits; without a limit, an error if
/// its exponent is too long to be compared.
fn point(spelling: &str, digits: usize) -> Result<Option<Point>, EvalError> {
    let point = |value| Point { value, spelling: spelling.into() };
    match Decimal::parse(spelling) {
        None if digits == usize::MAX => Err(EvalError::Unsupported {
            at: None,
            keyword: "enum",
            reason: "it holds a number whose exponent has more than nine digits".into(),
        }),
        Some(value) if digits == usize::MAX => Ok(Some(point(value))),
        value => Ok(value.filter(|value| value.plain_digits(digits).is_some()).map(point)),
    }
}

fn children(json: &Json, value: Value) -> Vec<Value> {
    match json.kind(value) {
        JsonKind::Array { .. } => json.items(value).to_vec(),
        JsonKind::Object { .. } => json.members(value).map(|(_, value)| value).collect(),
        _ => Vec::new(),
    }
}

/// The numbers other than 0 that are too large or too small to be compared.
///
/// All of them are treated as one number, so an array of distinct items has at most one of them.
fn beyond_digits() -> NumberSet {
    let bound = |text: String| Decimal::parse(&text).map(|value| Bound { value, exclusive: true });
    let mut beyond = NumberSet::default();
    for sign in ["", "-"] {
        let large = bound(format!("{sign}1e{}", MAX_DIGITS - 1));
        let small = bound(format!("{sign}1e-{}", MAX_DIGITS - 1));
        let zero = bound("0".to_owned());
        let parts = match sign {
            "" => [(large, None), (zero, small)],
            _ => [(None, large), (small, zero)],
        };
        for (lower, upper) in parts {
            beyond = beyond.or(&NumberSet::part(Part { lower, upper, ..Part::default() }));
        }
    }
    beyond
}
