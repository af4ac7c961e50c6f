//! From keywords to shapes: what one schema says about the value at its place.
//!
//! Assertions about one type are gathered into that type's part of the shape; applicators at the same place
//! (`allOf`, `$ref`, `if` …) are intersected with it. Nothing below the place is looked at.

use super::document::{Keyword, Types, ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING};
use super::json::{Json, Kind, Value};
use super::number::{NumberSet, Part, Point};
use super::shape::{ArrayShape, Declared, Eval, ObjectShape, Shape, SomeItems};
use super::term::{Failure, ScopeId, Term, TermId};
use super::text::TextId;
use crate::automata::number::Bound;
use crate::automata::{Decimal, UNBOUNDED};
use std::sync::Arc;

/// How deep a value in `enum` or `const` may be nested.
const MAX_VALUE_DEPTH: u32 = 200;
/// How far to look for alternatives through `allOf` and `$ref`.
pub(super) const MAX_LOOK: u32 = 4;

/// What the object keywords of one schema say.
#[derive(Default)]
struct ObjectKeywords {
    properties: Option<Value>,
    patterns: Option<Value>,
    additional: Option<TermId>,
    required: Option<Value>,
    names: Option<Value>,
    min: u32,
    max: Option<u32>,
    present: bool,
}

impl Eval<'_> {
    /// The shape of a schema.
    pub fn unfold(&mut self, schema: Value, scope: ScopeId) -> Result<Shape, Failure> {
        let doc = self.algebra.doc.clone();
        let keywords = doc.keywords(schema);
        let unevaluated =
            |k: &Keyword| matches!(k, Keyword::UnevaluatedProperties(_) | Keyword::UnevaluatedItems(_));
        if keywords.iter().any(unevaluated) {
            return self.unfold_by_outcome(schema, scope);
        }
        let any = self.algebra.any.clone();
        self.unfold_within(schema, scope, &any)
    }

    /// The part of `context` that is in a schema.
    fn unfold_within(&mut self, schema: Value, scope: ScopeId, context: &Shape) -> Result<Shape, Failure> {
        let doc = self.algebra.doc.clone();
        let keywords = doc.keywords(schema);
        let (mut shape, applicators) = self.assertions(keywords, scope)?;
        if *context != *self.algebra.any {
            shape = self.intersect(context, &shape)?;
        }
        if !applicators {
            return Ok(shape);
        }
        // What divides comes last: the more is known by then, the fewer of its alternatives overlap.
        let divides = |keyword: &Keyword| doc.divides(keyword, MAX_LOOK);
        let (last, first): (Vec<Keyword>, Vec<Keyword>) = keywords.iter().partition(|k| divides(k));
        for keyword in first.into_iter().chain(last) {
            if shape.is_never() {
                break;
            }
            shape = match keyword {
                Keyword::AllOf(list) => self.all_within(doc.json.items(list), scope, shape)?,
                Keyword::Ref(target) => self.all_within(&[target], scope, shape)?,
                _ => match self.applicator(keyword, scope, &shape)? {
                    Some(other) => self.intersect(&shape, &other)?,
                    None => shape,
                },
            };
        }
        Ok(shape)
    }

    /// The part of `shape` that is in all of these schemas.
    fn all_within(&mut self, schemas: &[Value], scope: ScopeId, mut shape: Shape) -> Result<Shape, Failure> {
        let mut terms: Vec<TermId> = schemas.iter().map(|&v| self.algebra.schema(v, scope)).collect();
        terms.sort_by_cached_key(|&term| self.algebra.divides(term));
        for term in terms {
            shape = self.within(term, shape)?;
        }
        Ok(shape)
    }

    /// The part of `shape` that is in the term. A schema that divides is looked at again in this light.
    pub fn within(&mut self, term: TermId, shape: Shape) -> Result<Shape, Failure> {
        match *self.algebra.term(term) {
            Term::Schema(schema, scope) if shape != *self.algebra.any && self.algebra.divides(term) => self
                .nested(term, |eval| {
                    eval.algebra.at = schema;
                    eval.unfold_within(schema, scope, &shape)
                }),
            _ => {
                let other = self.shape(term)?;
                self.intersect(&shape, &other)
            }
        }
    }

    /// What the keywords say that assert something by themselves, and whether there are others.
    pub fn assertions(&mut self, keywords: &[Keyword], scope: ScopeId) -> Result<(Shape, bool), Failure> {
        let doc = self.algebra.doc.clone();
        let mut types: Types = NULL | BOOLEAN | NUMBER | STRING | ARRAY | OBJECT;
        let mut text = TextId::ANY;
        let mut number = Part::default();
        let mut array = ArrayShape::any();
        let mut object = ObjectKeywords::default();
        let mut applicators = false;
        let mut optional: Vec<TermId> = Vec::new();
        for keyword in keywords {
            match *keyword {
                Keyword::Never => return Ok((Shape::never(), false)),
                Keyword::Types(t) => types = t,
                Keyword::Lower { value, exclusive } => {
                    if let Some(value) = doc.json.as_number(value).and_then(Decimal::parse) {
                        number.raise(Bound { value, exclusive });
                    }
                }
                Keyword::Upper { value, exclusive } => {
                    if let Some(value) = doc.json.as_number(value).and_then(Decimal::parse) {
                        number.cap(Bound { value, exclusive });
                    }
                }
                Keyword::MultipleOf(value) => {
                    number.multiples.extend(doc.json.as_number(value).and_then(Decimal::parse));
                }
                Keyword::MinLength(min) => {
                    let length = self.algebra.texts.length(min, UNBOUNDED);
                    text = self.algebra.texts.and(text, length, &mut self.nodes.languages);
                }
                Keyword::MaxLength(max) => {
                    let length = self.algebra.texts.length(0, max);
                    text = self.algebra.texts.and(text, length, &mut self.nodes.languages);
                }
                Keyword::Pattern(value) => {
                    let pattern = doc.pattern(doc.json.as_str(value).unwrap_or(""));
                    let pattern = self.algebra.texts.of_language(pattern);
                    text = self.algebra.texts.and(text, pattern, &mut self.nodes.languages);
                }
                Keyword::Format(format) => {
                    let format = self.algebra.texts.format(format);
                    text = self.algebra.texts.and(text, format, &mut self.nodes.languages);
                }
                Keyword::MinItems(min) => array.min = min,
                Keyword::MaxItems(max) => array.max = max,
                Keyword::PrefixItems(list) => {
                    array.prefix =
                        doc.json.items(list).iter().map(|&v| self.algebra.schema(v, scope)).collect();
                }
                Keyword::Items(rest) => array.rest = self.algebra.schema(rest, scope),
                Keyword::UniqueItems => array.unique = true,
                Keyword::Contains { schema, min, max } => {
                    let value = self.algebra.schema(schema, scope);
                    array.some.push(SomeItems { from: 0, value, min, max });
                    if min == 0 {
                        optional.push(value);
                    }
                }
                Keyword::Properties(map) => (object.properties, object.present) = (Some(map), true),
                Keyword::PatternProperties(map) => (object.patterns, object.present) = (Some(map), true),
                Keyword::AdditionalProperties(rest) => {
                    object.additional = Some(self.algebra.schema(rest, scope));
                    object.present = true;
                }
                Keyword::Required(list) => (object.required, object.present) = (Some(list), true),
                Keyword::PropertyNames(names) => (object.names, object.present) = (Some(names), true),
                Keyword::MinProperties(min) => (object.min, object.present) = (min, true),
                Keyword::MaxProperties(max) => (object.max, object.present) = (Some(max), true),
                _ => applicators = true,
            }
        }
        self.name_where_contained(&mut array, &optional);
        let mut shape = Shape::never();
        shape.null = types & NULL != 0;
        shape.booleans = if types & BOOLEAN != 0 { 3 } else { 0 };
        if types & (NUMBER | INTEGER) != 0 {
            if types & NUMBER == 0 {
                number.integer = Some(true);
            }
            shape.numbers = NumberSet::part(number);
        }
        if types & STRING != 0 {
            shape.strings = text;
        }
        if types & ARRAY != 0 {
            shape.arrays.extend(self.finish_array(array)?);
        }
        if types & OBJECT != 0 {
            if object.present {
                shape.objects.extend(self.object_shape(&object, scope)?);
            } else {
                shape.objects.push(Arc::new(ObjectShape::any()));
            }
        }
        Ok((shape, applicators))
    }

    /// What an applicator (or `enum`, `const`) says; `None` for keywords dealt with already.
    pub fn applicator(
        &mut self,
        keyword: Keyword,
        scope: ScopeId,
        so_far: &Shape,
    ) -> Result<Option<Arc<Shape>>, Failure> {
        let doc = self.algebra.doc.clone();
        Ok(Some(match keyword {
            Keyword::Enum(list) => Arc::new(self.values_shape(&doc.json, doc.json.items(list), 0)?),
            Keyword::Const(value) => Arc::new(self.values_shape(&doc.json, &[value], 0)?),
            Keyword::Ref(target) => {
                let target = self.algebra.schema(target, scope);
                self.shape(target)?
            }
            Keyword::DynamicRef { initial, anchor } => {
                let target = self.algebra.dynamic_target(scope, anchor).unwrap_or(initial);
                let target = self.algebra.schema(target, scope);
                self.shape(target)?
            }
            Keyword::AllOf(list) => {
                let mut shape = self.algebra.any.clone();
                for &part in doc.json.items(list) {
                    let part = self.algebra.schema(part, scope);
                    let part = self.shape(part)?;
                    shape = Arc::new(self.intersect(&shape, &part)?);
                }
                shape
            }
            Keyword::AnyOf(list) => {
                let mut shape = Shape::never();
                for &part in doc.json.items(list) {
                    let part = self.algebra.schema(part, scope);
                    let part = self.shape(part)?;
                    shape = self.union(&shape, &part);
                }
                Arc::new(shape)
            }
            Keyword::OneOf(list) => {
                let parts: Vec<TermId> =
                    doc.json.items(list).iter().map(|&v| self.algebra.schema(v, scope)).collect();
                Arc::new(self.one_of(&parts, so_far)?)
            }
            Keyword::Not(inner) => {
                let inner = self.algebra.schema(inner, scope);
                let inner = self.shape(inner)?;
                Arc::new(self.subtract(so_far, &inner)?)
            }
            Keyword::Condition { test, then, otherwise } => {
                let test = self.algebra.schema(test, scope);
                let then = then.map_or(TermId::ANY, |v| self.algebra.schema(v, scope));
                let otherwise = otherwise.map_or(TermId::ANY, |v| self.algebra.schema(v, scope));
                let not = self.algebra.not(test);
                let (yes, no) = (self.algebra.and2(test, then), self.algebra.and2(not, otherwise));
                let either = if then == otherwise { then } else { self.algebra.or(&[yes, no]) };
                self.shape(either)?
            }
            Keyword::Dependencies(map) => {
                let mut shape = self.algebra.any.clone();
                for (key, value) in doc.json.members(map) {
                    let dependency = self.dependency(key, value, scope)?;
                    shape = Arc::new(self.intersect(&shape, &dependency)?);
                }
                shape
            }
            _ => return Ok(None),
        }))
    }

    /// Exactly one of `parts`: each without the others that overlap it.
    fn one_of(&mut self, parts: &[TermId], so_far: &Shape) -> Result<Shape, Failure> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(parts.len());
        for &part in parts {
            let part = self.shape(part)?;
            shapes.push(self.intersect(&part, so_far)?);
        }
        let mut result = Shape::never();
        let mut overlaps: Vec<Vec<usize>> = vec![Vec::new(); shapes.len()];
        for i in 0..shapes.len() {
            for j in i + 1..shapes.len() {
                self.algebra.spend(1)?;
                if !self.intersect(&shapes[i], &shapes[j])?.is_never() {
                    overlaps[i].push(j);
                    overlaps[j].push(i);
                }
            }
        }
        for (i, others) in overlaps.iter().enumerate() {
            let others: Vec<&Shape> = others.iter().map(|&j| &shapes[j]).collect();
            let alone = self.without(&shapes[i], &others)?;
            result = self.union(&result, &alone);
        }
        Ok(result)
    }

    /// What is in `shape` and in none of `others`. Where a key tells the others apart, `shape` is divided by its value first:
    /// then each part has but one of them to lose, and their violations do not multiply.
    fn without(&mut self, shape: &Shape, others: &[&Shape]) -> Result<Shape, Failure> {
        let Some(key) = (others.len() > 2).then(|| self.telling_key(others)).flatten() else {
            let mut left = shape.clone();
            for other in others {
                if !left.is_never() {
                    left = self.subtract(&left, other)?;
                }
            }
            return Ok(left);
        };
        let with = |value, required| {
            let object = ObjectShape {
                declared: vec![Declared { key: key.clone(), value, required, listed: false }],
                ..ObjectShape::any()
            };
            Shape { objects: vec![Arc::new(object)], ..Shape::never() }
        };
        let value_of = |other: &Shape| {
            other
                .objects
                .first()
                .map_or(TermId::ANY, |o| o.position(&key).map_or(TermId::ANY, |i| o.declared[i].value))
        };
        let values: Vec<TermId> = others.iter().map(|other| value_of(other)).collect();
        // Where the key has one of the others' values, none of them, or is absent; and what is no object.
        let mut left = Shape::never();
        for (&value, other) in values.iter().zip(others) {
            let part = self.intersect(shape, &with(value, true))?;
            let part = self.subtract(&part, other)?;
            left = self.union(&left, &part);
        }
        let among = self.algebra.or(&values);
        let none = self.algebra.not(among);
        let part = self.intersect(shape, &with(none, true))?;
        left = self.union(&left, &part);
        let no_objects = Shape { objects: Vec::new(), ..Shape::any() };
        for part in [with(TermId::NEVER, false), no_objects] {
            let mut part = self.intersect(shape, &part)?;
            for other in others {
                if !part.is_never() {
                    part = self.subtract(&part, other)?;
                }
            }
            left = self.union(&left, &part);
        }
        Ok(left)
    }

    /// A key that all these shapes, of one object each, declare with plain values that contradict each other.
    fn telling_key(&mut self, shapes: &[&Shape]) -> Option<Arc<str>> {
        let objects: Option<Vec<&ObjectShape>> = shapes
            .iter()
            .map(|shape| match shape.objects.as_slice() {
                [object] => Some(&**object),
                _ => None,
            })
            .collect();
        let objects = objects?;
        let found = objects[0].declared.iter().find(|d| {
            let values: Option<Vec<TermId>> = objects
                .iter()
                .map(|o| o.position(&d.key).map(|i| o.declared[i].value))
                .map(|value| value.filter(|&value| self.algebra.is_plain(value)))
                .collect();
            values.is_some_and(|values| {
                let mut pairs =
                    values.iter().enumerate().flat_map(|(i, &a)| values[..i].iter().map(move |&b| (a, b)));
                pairs.all(|(a, b)| self.algebra.and2(a, b) == TermId::NEVER)
            })
        });
        found.map(|d| d.key.clone())
    }

    /// Objects with the key satisfy the dependency.
    pub fn dependency(&mut self, key: &str, value: Value, scope: ScopeId) -> Result<Shape, Failure> {
        let doc = self.algebra.doc.clone();
        let key: Arc<str> = key.into();
        let mut shape = (*self.algebra.any).clone();
        if let Kind::Array { .. } = doc.json.kind(value) {
            let mut object = ObjectShape::any();
            for &other in doc.json.items(value) {
                let other: Arc<str> = doc.json.as_str(other).unwrap_or("").into();
                if other != key {
                    object.requires.push((key.clone(), other));
                }
            }
            // Keys that depend on each other must be declared, so that the grammar can track them.
            shape.objects = vec![Arc::new(object)];
            return Ok(shape);
        }
        let declared = |value, required| ObjectShape {
            declared: vec![Declared { key: key.clone(), value, required, listed: false }],
            ..ObjectShape::any()
        };
        shape.objects = vec![Arc::new(declared(TermId::NEVER, false))];
        let dependent = self.algebra.schema(value, scope);
        let dependent = self.shape(dependent)?;
        let mut with = Shape::never();
        with.objects = vec![Arc::new(declared(TermId::ANY, true))];
        let with = self.intersect(&with, &dependent)?;
        Ok(self.union(&shape, &with))
    }

    fn object_shape(
        &mut self,
        keywords: &ObjectKeywords,
        scope: ScopeId,
    ) -> Result<Option<Arc<ObjectShape>>, Failure> {
        let doc = self.algebra.doc.clone();
        let additional = keywords.additional.unwrap_or(TermId::ANY);
        let mut patterns: Vec<(TextId, TermId)> = Vec::new();
        if let Some(map) = keywords.patterns {
            for (pattern, value) in doc.json.members(map) {
                let keys = self.algebra.texts.of_language(doc.pattern(pattern));
                patterns.push((keys, self.algebra.schema(value, scope)));
            }
        }
        // Keys by the set of patterns that match them; the sets are disjoint.
        let mut classes: Vec<(TextId, Option<TermId>)> = vec![(TextId::ANY, None)];
        for &(keys, value) in &patterns {
            let others = self.algebra.texts.not(keys);
            let mut split = Vec::with_capacity(classes.len() + 1);
            for (class, so_far) in classes {
                self.algebra.spend(1)?;
                let inside = self.and_text(class, keys);
                let outside = self.and_text(class, others);
                if inside != TextId::NEVER {
                    let both = self.algebra.and2(so_far.unwrap_or(TermId::ANY), value);
                    split.push((inside, Some(both)));
                }
                if outside != TextId::NEVER {
                    split.push((outside, so_far));
                }
            }
            classes = split;
        }
        let mut object = ObjectShape {
            declared: Vec::new(),
            rest: classes
                .into_iter()
                .map(|(keys, value)| (keys, value.unwrap_or(additional)))
                .filter(|r| r.1 != TermId::NEVER)
                .collect(),
            min: keywords.min,
            max: keywords.max.unwrap_or(UNBOUNDED),
            ..ObjectShape::any()
        };
        if let Some(map) = keywords.properties {
            let members = doc.json.members(map);
            object.declared.reserve(members.len());
            for (key, value) in members {
                let mut value = self.algebra.schema(value, scope);
                for &(keys, pattern) in &patterns {
                    if self.has_text(keys, key) {
                        value = self.algebra.and2(value, pattern);
                    }
                }
                object.declared.push(Declared { key: key.into(), value, required: false, listed: true });
            }
        }
        if let Some(list) = keywords.required {
            let index: Option<hashbrown::HashMap<Arc<str>, usize>> = (object.declared.len() > 32)
                .then(|| object.declared.iter().enumerate().map(|(i, d)| (d.key.clone(), i)).collect());
            let known = object.declared.len();
            for &key in doc.json.items(list) {
                let key = doc.json.as_str(key).unwrap_or("");
                let found = match &index {
                    Some(index) => index.get(key).copied().or_else(|| {
                        (known..object.declared.len()).find(|&i| *object.declared[i].key == *key)
                    }),
                    None => object.position(key),
                };
                match found {
                    Some(i) => object.declared[i].required = true,
                    None => {
                        let value = self.rest_value(&object, key);
                        object.declared.push(Declared {
                            key: key.into(),
                            value,
                            required: true,
                            listed: false,
                        });
                    }
                }
            }
        }
        if let Some(names) = keywords.names {
            let names = self.algebra.schema(names, scope);
            let names = self.shape(names)?.strings;
            for i in 0..object.declared.len() {
                let key = object.declared[i].key.clone();
                if !self.has_text(names, &key) {
                    object.declared[i].value = TermId::NEVER;
                }
            }
            let mut rest = Vec::with_capacity(object.rest.len());
            for (keys, value) in object.rest {
                let keys = self.and_text(keys, names);
                if keys != TextId::NEVER {
                    rest.push((keys, value));
                }
            }
            object.rest = rest;
        }
        self.finish_object(object)
    }

    /// Exactly these values, compared as JSON.
    pub fn values_shape(&mut self, json: &Json, values: &[Value], depth: u32) -> Result<Shape, Failure> {
        if depth > MAX_VALUE_DEPTH {
            return Err(Failure::Depth);
        }
        let mut shape = Shape::never();
        let mut points: Vec<Point> = Vec::new();
        let mut literals: Vec<Arc<str>> = Vec::new();
        for &value in values {
            match json.kind(value) {
                Kind::Null => shape.null = true,
                Kind::Bool(b) => shape.booleans |= 1 << u8::from(b),
                Kind::Number(span) => {
                    let spelling = json.text(span);
                    let value = Decimal::parse(spelling).ok_or(Failure::Unsupported {
                        at: None,
                        keyword: "enum",
                        reason: "it holds a number whose exponent has more than nine digits",
                    })?;
                    points.push(Point { value, spelling: spelling.into() });
                }
                Kind::String(span) => literals.push(json.text(span).into()),
                Kind::Array { len, .. } => {
                    let mut prefix = Vec::with_capacity(len as usize);
                    for &item in json.items(value) {
                        let item = self.values_shape(json, &[item], depth + 1)?;
                        prefix.push(self.algebra.shape_term(item));
                    }
                    let array = self.finish_array(ArrayShape::of_items(prefix))?;
                    shape.arrays.extend(array.filter(|a| !shape.arrays.contains(a)));
                }
                Kind::Object { len, .. } => {
                    let mut properties = Vec::with_capacity(len as usize);
                    for (key, value) in json.members(value) {
                        let value = self.values_shape(json, &[value], depth + 1)?;
                        properties.push((key.into(), self.algebra.shape_term(value)));
                    }
                    let object = self.finish_object(ObjectShape::of_properties(properties))?;
                    shape.objects.extend(object.filter(|o| !shape.objects.contains(o)));
                }
            }
        }
        shape.numbers = NumberSet::of_points(points);
        shape.strings = self.algebra.texts.literals(literals);
        Ok(shape)
    }
}
