//! `unevaluatedProperties` and `unevaluatedItems`: restrictions on the parts of a value that no
//! other keyword at the same place has evaluated.
//!
//! The evaluated properties depend on the way in which a value satisfies the schema: through which
//! branches of `anyOf`, and by `then` or by `else`. So a schema with such a keyword is divided into
//! *outcomes*. An outcome is a set of values, together with the keys and items that are evaluated
//! in all of them. The keyword restricts each outcome by itself, and the schema is the union of the
//! outcomes. For example, `anyOf` with a branch that names `a` and a branch that names `b` has
//! three outcomes for objects, with the evaluated keys `a`, `b`, and both.
//!
//! Outcomes may overlap. A value may also be in an outcome that evaluates fewer keys than the
//! value's branches do. That does no harm, because a value with more evaluated keys is only allowed
//! more. So a set of branches stands for "at least these branches", and no complements are needed
//! for "exactly these". The price is one outcome for every set of branches that can hold together
//! and evaluate different keys.
//!
//! Source: JSON Schema 2020-12 core, §11; for `contains` in 2019-09, core §9.3.1.

use super::algebra::Term;
use super::document::Keyword;
use super::eval::Eval;
use super::json::{JsonKind, Value};
use super::options::Draft;
use super::outcome::{Evaluated, Outcome};
use super::shape::{ArrayShape, Declared, ObjectShape, Shape};
use super::term::{EvalError, MAX_DEPTH, ScopeId, TermId};
use super::text::TextId;
use crate::automata::UNBOUNDED;
use std::sync::Arc;

impl Eval<'_> {
    /// The shape of a schema with `unevaluatedProperties` or `unevaluatedItems`.
    pub fn shape_by_outcome(&mut self, schema: Value, scope: ScopeId) -> Result<Shape, EvalError> {
        let mut shape = Shape::never();
        for outcome in self.outcomes_at(schema, scope)? {
            shape = self.union(&shape, &outcome.shape);
        }
        Ok(shape)
    }

    pub fn outcomes(&mut self, term: TermId) -> Result<Arc<[Outcome]>, EvalError> {
        if let Some(known) = self.algebra.outcomes.get(&term) {
            return Ok(known.clone());
        }
        if self.algebra.open_outcomes.contains(&term) {
            return Err(EvalError::Loop(self.algebra.work.at));
        }
        if self.algebra.work.depth >= MAX_DEPTH {
            return Err(EvalError::Depth);
        }
        self.algebra.open_outcomes.push(term);
        self.algebra.work.depth += 1;
        let result = match *self.algebra.term(term) {
            Term::Schema(schema, scope) => self.outcomes_at(schema, scope),
            Term::And(ref parts) => {
                let parts = parts.clone();
                self.outcomes_of_all(&parts)
            }
            Term::Or(ref parts) => {
                let parts = parts.clone();
                self.outcomes_of_any(&parts)
            }
            Term::Named(inner) => {
                let shape = self.shape(inner)?;
                Ok(vec![self.named_outcome(&shape)])
            }
            _ => self.shape(term).map(|shape| vec![Outcome { shape, evaluated: Evaluated::NOTHING }]),
        };
        self.algebra.work.depth -= 1;
        self.algebra.open_outcomes.pop();
        let outcomes: Arc<[Outcome]> = result?.into();
        self.check_sound()?;
        self.algebra.outcomes.insert(term, outcomes.clone());
        Ok(outcomes)
    }

    fn outcomes_at(&mut self, schema: Value, scope: ScopeId) -> Result<Vec<Outcome>, EvalError> {
        let doc = self.algebra.doc.clone();
        let keywords = doc.keywords(schema);
        let own = Outcome {
            shape: Arc::new(self.assertions(keywords, scope)?.0),
            evaluated: self.evaluated_here(schema, scope),
        };
        let mut outcomes = Vec::new();
        self.add(&mut outcomes, own);
        for keyword in keywords {
            let other = match *keyword {
                Keyword::UnevaluatedProperties(_) | Keyword::UnevaluatedItems(_) => continue,
                ref other => self.outcomes_of(other, scope)?,
            };
            if let Some(other) = other {
                outcomes = self.product(&outcomes, &other)?;
            }
        }
        for keyword in keywords {
            match *keyword {
                Keyword::UnevaluatedProperties(value) => {
                    let value = self.algebra.schema(value, scope);
                    self.restrict_properties(&mut outcomes, value)?;
                }
                Keyword::UnevaluatedItems(value) => {
                    let value = self.algebra.schema(value, scope);
                    self.restrict_items(&mut outcomes, value)?;
                }
                _ => {}
            }
        }
        Ok(outcomes)
    }

    /// The keys and items that a schema's own keywords evaluate.
    fn evaluated_here(&mut self, schema: Value, scope: ScopeId) -> Evaluated {
        let doc = self.algebra.doc.clone();
        let mut evaluated = Evaluated::NOTHING;
        let mut required: Vec<Value> = Vec::new();
        for keyword in doc.keywords(schema) {
            let keys = match *keyword {
                Keyword::Properties(map) => {
                    let names = doc.json.members(map).map(|(key, _)| key.into()).collect();
                    self.algebra.texts.literals(names)
                }
                Keyword::PatternProperties(map) => {
                    let mut keys = TextId::NEVER;
                    for (pattern, _) in doc.json.members(map) {
                        let matched = self.algebra.texts.of_language(doc.pattern(pattern));
                        keys = self.algebra.texts.or(keys, matched);
                    }
                    keys
                }
                Keyword::AdditionalProperties(_) => TextId::ANY,
                Keyword::Unknown => {
                    evaluated.items = UNBOUNDED;
                    TextId::ANY
                }
                Keyword::Required(list) if self.is_closing() => {
                    required.extend(doc.json.items(list));
                    continue;
                }
                Keyword::Dependencies(map) if self.is_closing() => {
                    let lists = doc.json.members(map).map(|(_, value)| value);
                    let lists = lists.filter(|&v| matches!(doc.json.kind(v), JsonKind::Array { .. }));
                    lists.for_each(|list| required.extend(doc.json.items(list)));
                    continue;
                }
                Keyword::PrefixItems(list) => {
                    evaluated.items = evaluated.items.max(doc.json.items(list).len() as u32);
                    continue;
                }
                Keyword::Items(_) => {
                    evaluated.items = UNBOUNDED;
                    continue;
                }
                Keyword::Contains { schema: contained, .. } => {
                    // `contains` evaluates nothing before 2020-12.
                    if doc.references.draft(doc.resource(schema)) >= Draft::Y2020 {
                        let value = self.algebra.schema(contained, scope);
                        evaluated.containing.push(value);
                    }
                    continue;
                }
                _ => continue,
            };
            evaluated.keys = self.algebra.texts.or(evaluated.keys, keys);
        }
        if self.is_closing() {
            let required = required.into_iter().filter_map(|key| doc.json.as_str(key)).map(Arc::from);
            let required = self.algebra.texts.literals(required.collect());
            evaluated.named = self.algebra.texts.or(evaluated.keys, required);
        }
        evaluated
    }

    /// The outcomes of an applicator; `None` for keywords that were handled already.
    fn outcomes_of(&mut self, keyword: &Keyword, scope: ScopeId) -> Result<Option<Vec<Outcome>>, EvalError> {
        let doc = self.algebra.doc.clone();
        Ok(Some(match *keyword {
            Keyword::Ref(target) => {
                let target = self.algebra.schema(target, scope);
                self.outcomes(target)?.to_vec()
            }
            Keyword::DynamicRef { initial, anchor } => {
                let target = self.algebra.dynamic_target(scope, anchor).unwrap_or(initial);
                let target = self.algebra.schema(target, scope);
                self.outcomes(target)?.to_vec()
            }
            Keyword::AllOf(list) => {
                let mut all = vec![self.everything()];
                for &part in doc.json.items(list) {
                    let part = self.algebra.schema(part, scope);
                    let part = self.outcomes(part)?;
                    all = self.product(&all, &part)?;
                }
                all
            }
            Keyword::AnyOf(list) => {
                let mut any: Vec<Outcome> = Vec::new();
                for &part in doc.json.items(list) {
                    let part = self.algebra.schema(part, scope);
                    let part = self.outcomes(part)?;
                    let both = self.product_where(&any, &part, Self::allow_more_together)?;
                    for outcome in part.iter().cloned().chain(both) {
                        self.add(&mut any, outcome);
                    }
                }
                any
            }
            Keyword::OneOf(list) => self.outcomes_of_one(doc.json.items(list), scope)?,
            Keyword::Condition { test, then, otherwise } => {
                self.outcomes_of_condition(test, then, otherwise, scope)?
            }
            Keyword::Dependencies(map) => {
                let mut all = vec![self.everything()];
                for (key, value) in doc.json.members(map) {
                    if let JsonKind::Array { .. } = doc.json.kind(value) {
                        let shape = self.dependency(key, value, scope)?;
                        let required = Outcome { shape: Arc::new(shape), evaluated: Evaluated::NOTHING };
                        all = self.product(&all, &[required])?;
                        continue;
                    }
                    let (without, with) = self.with_and_without(key);
                    let dependent = self.algebra.schema(value, scope);
                    let dependent = self.outcomes(dependent)?;
                    let mut either = self.product(&[with], &dependent)?;
                    self.add(&mut either, without);
                    all = self.product(&all, &either)?;
                }
                all
            }
            Keyword::Enum(_) | Keyword::Const(_) if self.is_closing() => {
                let Some(shape) = self.applicator(*keyword, scope)? else { return Ok(None) };
                vec![self.named_outcome(&shape)]
            }
            ref other => {
                let Some(shape) = self.applicator(*other, scope)? else { return Ok(None) };
                vec![Outcome { shape, evaluated: Evaluated::NOTHING }]
            }
        }))
    }

    /// The outcomes of `oneOf`: those of each schema, without the values of the others.
    fn outcomes_of_one(&mut self, schemas: &[Value], scope: ScopeId) -> Result<Vec<Outcome>, EvalError> {
        let parts: Vec<TermId> = schemas.iter().map(|&v| self.algebra.schema(v, scope)).collect();
        let mut one = Vec::new();
        for (i, &part) in parts.iter().enumerate() {
            for mut outcome in self.outcomes(part)?.to_vec() {
                for (_, &other) in parts.iter().enumerate().filter(|&(j, _)| j != i) {
                    let other = self.shape(other)?;
                    outcome.shape = Arc::new(self.subtract(&outcome.shape, &other)?);
                }
                self.add(&mut one, outcome);
            }
        }
        Ok(one)
    }

    fn outcomes_of_condition(
        &mut self,
        test: Value,
        then: Option<Value>,
        otherwise: Option<Value>,
        scope: ScopeId,
    ) -> Result<Vec<Outcome>, EvalError> {
        let test = self.algebra.schema(test, scope);
        let mut either = self.outcomes(test)?.to_vec();
        if let Some(then) = then {
            let then = self.algebra.schema(then, scope);
            let then = self.outcomes(then)?;
            either = self.product(&either, &then)?;
        }
        let not = match then.or(otherwise) {
            Some(_) => self.algebra.not(test),
            None => TermId::ANY,
        };
        let shape = self.shape(not)?;
        let mut no = vec![Outcome { shape, evaluated: Evaluated::NOTHING }];
        if let Some(otherwise) = otherwise {
            let otherwise = self.algebra.schema(otherwise, scope);
            let otherwise = self.outcomes(otherwise)?;
            no = self.product(&no, &otherwise)?;
        }
        for outcome in no {
            self.add(&mut either, outcome);
        }
        Ok(either)
    }

    pub fn everything(&self) -> Outcome {
        Outcome { shape: self.algebra.any.clone(), evaluated: Evaluated::NOTHING }
    }

    /// The values that are no objects or lack the key, and the objects that have it.
    fn with_and_without(&mut self, key: &str) -> (Outcome, Outcome) {
        let declared = |value, required| {
            let declared = vec![Declared { key: key.into(), value, required, listed: false }];
            vec![Arc::new(ObjectShape { declared, ..ObjectShape::any() })]
        };
        let without = Shape { objects: declared(TermId::NEVER, false), ..Shape::any() };
        let with = Shape { objects: declared(TermId::ANY, true), ..Shape::never() };
        let outcome = |shape| Outcome { shape: Arc::new(shape), evaluated: Evaluated::NOTHING };
        (outcome(without), outcome(with))
    }

    pub fn product(&mut self, a: &[Outcome], b: &[Outcome]) -> Result<Vec<Outcome>, EvalError> {
        self.product_where(a, b, |_, _, _| true)
    }

    /// The outcomes of values that satisfy both, for the pairs that `worth` accepts.
    fn product_where(
        &mut self,
        a: &[Outcome],
        b: &[Outcome],
        worth: impl Fn(&mut Self, &Outcome, &Outcome) -> bool,
    ) -> Result<Vec<Outcome>, EvalError> {
        let mut product = Vec::new();
        for x in a {
            for y in b {
                self.algebra.spend(1)?;
                if worth(self, x, y) {
                    let evaluated = self.evaluated_by_both(&x.evaluated, &y.evaluated);
                    let shape = Arc::new(self.intersect(&x.shape, &y.shape)?);
                    self.add(&mut product, Outcome { shape, evaluated });
                }
            }
        }
        Ok(product)
    }

    fn evaluated_by_both(&mut self, a: &Evaluated, b: &Evaluated) -> Evaluated {
        let mut containing = [&a.containing[..], &b.containing].concat();
        containing.sort_unstable();
        containing.dedup();
        Evaluated {
            keys: self.algebra.texts.or(a.keys, b.keys),
            named: self.algebra.texts.or(a.named, b.named),
            items: a.items.max(b.items),
            containing,
        }
    }

    /// Reports whether values in both outcomes may be allowed more than values in one. That is so
    /// if each outcome evaluates a key or item that the other does not.
    fn allow_more_together(&mut self, a: &Outcome, b: &Outcome) -> bool {
        let both = self.evaluated_by_both(&a.evaluated, &b.evaluated);
        match self.is_closing() {
            false => both != a.evaluated && both != b.evaluated,
            true => {
                (both != a.evaluated || self.names_more_below(&b.shape, &a.shape))
                    && (both != b.evaluated || self.names_more_below(&a.shape, &b.shape))
            }
        }
    }

    /// Adds an outcome, divided by type, since only objects have keys and only arrays have items.
    ///
    /// Outcomes with the same evaluated keys and items are joined.
    pub fn add(&mut self, outcomes: &mut Vec<Outcome>, outcome: Outcome) {
        let Outcome { shape, evaluated } = outcome;
        let Evaluated { keys, named, items, containing } = evaluated;
        let (objects, arrays) = (shape.objects.clone(), shape.arrays.clone());
        let scalars = Shape { objects: Vec::new(), arrays: Vec::new(), ..(*shape).clone() };
        let parts = [
            (Shape { objects, ..Shape::never() }, Evaluated { keys, named, ..Evaluated::NOTHING }),
            (Shape { arrays, ..Shape::never() }, Evaluated { items, containing, ..Evaluated::NOTHING }),
            (scalars, Evaluated::NOTHING),
        ];
        for (shape, evaluated) in parts {
            if shape.is_never() {
                continue;
            }
            match outcomes.iter_mut().find(|o| o.evaluated == evaluated) {
                Some(same) => same.shape = Arc::new(self.union(&same.shape, &shape)),
                None => outcomes.push(Outcome { shape: Arc::new(shape), evaluated }),
            }
        }
    }

    /// Restricts the values of unevaluated keys to `value`. After that, all keys are evaluated.
    fn restrict_properties(&mut self, outcomes: &mut Vec<Outcome>, value: TermId) -> Result<(), EvalError> {
        for mut outcome in std::mem::take(outcomes) {
            if outcome.evaluated.keys != TextId::ANY {
                let others = self.algebra.texts.not(outcome.evaluated.keys);
                let rest = [(outcome.evaluated.keys, TermId::ANY), (others, value)];
                let rest =
                    rest.into_iter().filter(|r| r.0 != TextId::NEVER && r.1 != TermId::NEVER).collect();
                let objects = vec![Arc::new(ObjectShape { rest, ..ObjectShape::any() })];
                let restriction = Shape { objects, ..Shape::any() };
                outcome.shape = Arc::new(self.intersect(&outcome.shape, &restriction)?);
                outcome.evaluated.keys = TextId::ANY;
                outcome.evaluated.named = if self.is_closing() { TextId::ANY } else { TextId::NEVER };
            }
            self.add(outcomes, outcome);
        }
        Ok(())
    }

    /// Restricts the unevaluated items to `value`. After that, all items are evaluated.
    fn restrict_items(&mut self, outcomes: &mut Vec<Outcome>, value: TermId) -> Result<(), EvalError> {
        for mut outcome in std::mem::take(outcomes) {
            if outcome.evaluated.items != UNBOUNDED {
                let mut allowed = outcome.evaluated.containing.clone();
                allowed.push(value);
                let rest = self.algebra.or(&allowed);
                let prefix = vec![TermId::ANY; outcome.evaluated.items as usize];
                let restriction = ArrayShape { prefix, rest, ..ArrayShape::any() };
                let arrays = self.finish_array(restriction)?.into_iter().collect();
                let restriction = Shape { arrays, ..Shape::any() };
                outcome.shape = Arc::new(self.intersect(&outcome.shape, &restriction)?);
                outcome.evaluated.items = UNBOUNDED;
            }
            self.add(outcomes, outcome);
        }
        Ok(())
    }
}
