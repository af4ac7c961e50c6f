//! Translation of keywords into shapes: the condition that one schema puts on the value at its
//! place.
//!
//! Assertions about one type are gathered into that type's part of the shape. Applicators at the
//! same place (`allOf`, `$ref`, `if` …) are intersected with it. Schemas of nested values become
//! terms and are not evaluated here.

use super::algebra::Term;
use super::document::{ARRAY, BOOLEAN, INTEGER, Keyword, NULL, NUMBER, OBJECT, STRING, Types};
use super::eval::Eval;
use super::json::{JsonKind, Value};
use super::number::{NumberSet, Part};
use super::shape::{ArrayShape, Declared, ObjectShape, Shape, SomeItems};
use super::term::{EvalError, MAX_WITHIN, ScopeId, TermId};
use super::text::{Text, TextId};
use crate::automata::number::Bound;
use crate::automata::{Decimal, UNBOUNDED};
use std::sync::Arc;

/// The object keywords of one schema.
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

/// The conditions of one schema on the values of each type.
struct TypeParts {
    types: Types,
    text: TextId,
    number: Part,
    array: ArrayShape,
    object: ObjectKeywords,
}

impl Eval<'_> {
    /// The shape of a schema.
    pub fn keyword_shape(&mut self, schema: Value, scope: ScopeId) -> Result<Shape, EvalError> {
        let doc = self.algebra.doc.clone();
        let keywords = doc.keywords(schema);
        let unevaluated =
            |k: &Keyword| matches!(k, Keyword::UnevaluatedProperties(_) | Keyword::UnevaluatedItems(_));
        if keywords.iter().any(unevaluated) {
            return self.shape_by_outcome(schema, scope);
        }
        let any = self.algebra.any.clone();
        self.keyword_shape_within(schema, scope, &any)
    }

    /// The part of `context` that satisfies a schema.
    fn keyword_shape_within(
        &mut self,
        schema: Value,
        scope: ScopeId,
        context: &Shape,
    ) -> Result<Shape, EvalError> {
        let doc = self.algebra.doc.clone();
        let keywords = doc.keywords(schema);
        let (mut shape, applicators) = self.assertions(keywords, scope)?;
        if *context != *self.algebra.any {
            shape = self.intersect(context, &shape)?;
        }
        if !applicators {
            return Ok(shape);
        }
        // Keywords with alternatives come last, because the conditions of the others make fewer
        // alternatives overlap.
        let divides = |keyword: &Keyword| doc.divides(keyword);
        let (last, first): (Vec<Keyword>, Vec<Keyword>) = keywords.iter().partition(|k| divides(k));
        for keyword in first.into_iter().chain(last) {
            if shape.is_never() {
                break;
            }
            shape = match keyword {
                Keyword::AllOf(list) => self.all_within(doc.json.items(list), scope, shape)?,
                Keyword::Ref(target) => self.all_within(&[target], scope, shape)?,
                Keyword::OneOf(list) => {
                    let parts: Vec<TermId> =
                        doc.json.items(list).iter().map(|&v| self.algebra.schema(v, scope)).collect();
                    self.one_of(&parts, &shape)?
                }
                Keyword::Not(inner) => {
                    let inner = self.algebra.schema(inner, scope);
                    let inner = self.shape(inner)?;
                    self.subtract(&shape, &inner)?
                }
                _ => match self.applicator(keyword, scope)? {
                    Some(other) => self.intersect(&shape, &other)?,
                    None => shape,
                },
            };
        }
        Ok(shape)
    }

    /// The part of `shape` that satisfies all of these schemas.
    fn all_within(
        &mut self,
        schemas: &[Value],
        scope: ScopeId,
        mut shape: Shape,
    ) -> Result<Shape, EvalError> {
        let mut terms: Vec<TermId> = schemas.iter().map(|&v| self.algebra.schema(v, scope)).collect();
        terms.sort_by_cached_key(|&term| self.algebra.divides(term));
        for term in terms {
            shape = self.within(term, shape)?;
        }
        Ok(shape)
    }

    /// The part of `shape` that satisfies the term. A schema with alternatives is evaluated again,
    /// only for values in `shape`.
    pub fn within(&mut self, term: TermId, shape: Shape) -> Result<Shape, EvalError> {
        match *self.algebra.term(term) {
            Term::Schema(schema, scope)
                if shape != *self.algebra.any
                    && self.algebra.work.depth < MAX_WITHIN
                    && self.algebra.divides(term) =>
            {
                self.nested(term, |eval| {
                    eval.algebra.work.at = schema;
                    eval.keyword_shape_within(schema, scope, &shape)
                })
            }
            _ => {
                let other = self.shape(term)?;
                self.intersect(&shape, &other)
            }
        }
    }

    /// The shape of the keywords that assert something by themselves, and whether there are other
    /// keywords.
    pub fn assertions(&mut self, keywords: &[Keyword], scope: ScopeId) -> Result<(Shape, bool), EvalError> {
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
        let parts = TypeParts { types, text, number, array, object };
        Ok((self.shape_of_parts(parts, scope)?, applicators))
    }

    fn shape_of_parts(&mut self, parts: TypeParts, scope: ScopeId) -> Result<Shape, EvalError> {
        let TypeParts { types, text, mut number, array, object } = parts;
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
        Ok(shape)
    }

    /// The shape of an applicator, of `enum` or of `const`, by itself; `None` for keywords that
    /// were handled already.
    pub fn applicator(&mut self, keyword: Keyword, scope: ScopeId) -> Result<Option<Arc<Shape>>, EvalError> {
        let doc = self.algebra.doc.clone();
        Ok(Some(match keyword {
            Keyword::Enum(list) => Arc::new(self.values_shape(&doc.json, doc.json.items(list))?),
            Keyword::Const(value) => Arc::new(self.values_shape(&doc.json, &[value])?),
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
                    self.unite(&mut shape, &part);
                }
                Arc::new(shape)
            }
            Keyword::Not(inner) => {
                let inner = self.algebra.schema(inner, scope);
                let inner = self.shape(inner)?;
                Arc::new(self.complement(&inner)?)
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

    /// The part of `so_far` that is in exactly one of `parts`. From each of `parts`, the others
    /// that overlap it are subtracted.
    fn one_of(&mut self, parts: &[TermId], so_far: &Shape) -> Result<Shape, EvalError> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(parts.len());
        for &part in parts {
            let part = self.shape(part)?;
            shapes.push(self.intersect(so_far, &part)?);
        }
        let mut result = Shape::never();
        let mut overlaps: Vec<Vec<usize>> = vec![Vec::new(); shapes.len()];
        let tags = self.tags(&shapes);
        let mut by_tag: hashbrown::HashMap<&str, Vec<usize>> = hashbrown::HashMap::new();
        for i in 0..shapes.len() {
            // The earlier parts that may have values in common with this one.
            let mut rivals: Vec<usize> = Vec::new();
            match &tags {
                None => rivals.extend(0..i),
                Some(tags) => {
                    for tag in tags[i].iter() {
                        let same = by_tag.entry(tag).or_default();
                        rivals.extend_from_slice(same);
                        same.push(i);
                    }
                    rivals.sort_unstable();
                    rivals.dedup();
                }
            }
            for j in rivals {
                self.algebra.spend(1)?;
                if !self.intersect(&shapes[i], &shapes[j])?.is_never() {
                    overlaps[i].push(j);
                    overlaps[j].push(i);
                }
            }
        }
        overlaps.iter_mut().for_each(|others| others.sort_unstable());
        for (i, others) in overlaps.iter().enumerate() {
            let mut alone = shapes[i].clone();
            for &other in others {
                if !alone.is_never() {
                    alone = self.subtract(&alone, &shapes[other])?;
                }
            }
            self.unite(&mut result, &alone);
        }
        Ok(result)
    }

    /// The texts that one key has in each of these shapes, if every shape is a single object and
    /// the key is required to be one of certain texts in all of them.
    fn tags(&self, shapes: &[Shape]) -> Option<Vec<Arc<[Arc<str>]>>> {
        let only_object = |shape: &Shape| match shape.objects.as_slice() {
            [object] if (Shape { objects: Vec::new(), ..shape.clone() }).is_never() => Some(object.clone()),
            _ => None,
        };
        let objects: Option<Vec<Arc<ObjectShape>>> = shapes.iter().map(only_object).collect();
        let objects = objects?;
        let texts = |object: &ObjectShape, key: &str| {
            let declared = &object.declared[object.position(key)?];
            let Term::Shape(shape) = self.algebra.term(declared.value) else { return None };
            match self.algebra.texts.get(shape.strings) {
                Text::Literals(texts) if declared.required => {
                    let others = Shape { strings: TextId::NEVER, ..(**shape).clone() };
                    others.is_never().then(|| texts.clone())
                }
                _ => None,
            }
        };
        objects.first()?.declared.iter().find_map(|d| objects.iter().map(|o| texts(o, &d.key)).collect())
    }

    /// The shape of the values that satisfy a dependency. An object that has `key` also has the
    /// keys listed in `value`, or satisfies the schema `value`. All other values satisfy it as
    /// well.
    pub fn dependency(&mut self, key: &str, value: Value, scope: ScopeId) -> Result<Shape, EvalError> {
        let doc = self.algebra.doc.clone();
        let key: Arc<str> = key.into();
        let mut shape = (*self.algebra.any).clone();
        if let JsonKind::Array { .. } = doc.json.kind(value) {
            let mut object = ObjectShape::any();
            for &other in doc.json.items(value) {
                let other: Arc<str> = doc.json.as_str(other).unwrap_or("").into();
                if other != key {
                    object.requires.push((key.clone(), other));
                }
            }
            // The pairs in `requires` become declared keys of the grammar, which tracks them.
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
    ) -> Result<Option<Arc<ObjectShape>>, EvalError> {
        let doc = self.algebra.doc.clone();
        let additional = keywords.additional.unwrap_or(TermId::ANY);
        let mut patterns: Vec<(TextId, TermId)> = Vec::new();
        if let Some(map) = keywords.patterns {
            for (pattern, value) in doc.json.members(map) {
                let keys = self.algebra.texts.of_language(doc.pattern(pattern));
                patterns.push((keys, self.algebra.schema(value, scope)));
            }
        }
        let classes = self.key_classes(&patterns)?;
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
            self.require(&mut object, doc.json.items(list));
        }
        if let Some(names) = keywords.names {
            let names = self.algebra.schema(names, scope);
            let names = self.shape(names)?.strings;
            self.restrict_names(&mut object, names);
        }
        self.finish_object(object)
    }

    /// The keys in disjoint classes, one for each set of patterns that match them, with the term
    /// that these patterns require of a value.
    fn key_classes(
        &mut self,
        patterns: &[(TextId, TermId)],
    ) -> Result<Vec<(TextId, Option<TermId>)>, EvalError> {
        let mut classes: Vec<(TextId, Option<TermId>)> = vec![(TextId::ANY, None)];
        for &(keys, value) in patterns {
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
        Ok(classes)
    }

    /// Makes keys required. Those without a declaration get one.
    fn require(&mut self, object: &mut ObjectShape, keys: &[Value]) {
        let doc = self.algebra.doc.clone();
        let index: Option<hashbrown::HashMap<Arc<str>, usize>> = (object.declared.len() > 32)
            .then(|| object.declared.iter().enumerate().map(|(i, d)| (d.key.clone(), i)).collect());
        let known = object.declared.len();
        for &key in keys {
            let key = doc.json.as_str(key).unwrap_or("");
            let found = match &index {
                Some(index) => index
                    .get(key)
                    .copied()
                    .or_else(|| (known..object.declared.len()).find(|&i| *object.declared[i].key == *key)),
                None => object.position(key),
            };
            match found {
                Some(i) => object.declared[i].required = true,
                None => {
                    let value = self.rest_value(object, key);
                    object.declared.push(Declared { key: key.into(), value, required: true, listed: false });
                }
            }
        }
    }

    /// Leaves only the keys in `names`.
    fn restrict_names(&mut self, object: &mut ObjectShape, names: TextId) {
        for i in 0..object.declared.len() {
            let key = object.declared[i].key.clone();
            if !self.has_text(names, &key) {
                object.declared[i].value = TermId::NEVER;
            }
        }
        let mut rest = Vec::with_capacity(object.rest.len());
        for (keys, value) in std::mem::take(&mut object.rest) {
            let keys = self.and_text(keys, names);
            if keys != TextId::NEVER {
                rest.push((keys, value));
            }
        }
        object.rest = rest;
    }
}
