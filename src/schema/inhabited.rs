//! The decision whether a term has a value. With it the grammar never offers a part that cannot be
//! completed.
//!
//! The decision is made on shapes, and uses only the parts that *must* be there: required
//! properties and the first `minItems` items. The answer is a least fixed point, since a schema
//! that needs itself inside itself has no finite value. For example, `{"type": "object",
//! "properties": {"a": {"$ref": "#"}}, "required": ["a"]}` has none.
//!
//! If the decision about a term comes back to the same term, that term is assumed to be empty. A
//! "no" that depends on such an assumption about another term is not kept. A "yes" is always final.

use super::algebra::Term;
use super::eval::Eval;
use super::shape::{ArrayShape, ObjectShape, Shape};
use super::term::{EvalError, Goal, MAX_DEPTH, TermId};
use super::text::TextId;
use crate::automata::UNBOUNDED;

impl Eval<'_> {
    /// Reports whether some JSON value satisfies the term.
    pub fn is_inhabited(&mut self, id: TermId) -> Result<bool, EvalError> {
        match id {
            TermId::NEVER => return Ok(false),
            TermId::ANY => return Ok(true),
            _ => {}
        }
        if let Some(known) = self.algebra.known_inhabited(id) {
            return Ok(known);
        }
        if let Term::Schema(schema, _) = *self.algebra.term(id)
            && self.algebra.doc.obviously_inhabited(schema)
            && self.algebra.spells_all()
        {
            self.algebra.set_inhabited(id, true);
            return Ok(true);
        }
        if let Some(at) = self.algebra.deciding.path.iter().position(|&t| t == id) {
            self.algebra.deciding.lean(Some(at));
            return Ok(false);
        }
        let index = self.algebra.deciding.path.len();
        if index >= MAX_DEPTH as usize {
            return Err(EvalError::Deep(Goal::Inhabited(id)));
        }
        self.algebra.deciding.path.push(id);
        let outer = self.algebra.deciding.leaned_on.take();
        let result = self.decide(id);
        self.algebra.deciding.path.pop();
        let leaned_on = std::mem::replace(&mut self.algebra.deciding.leaned_on, outer);
        let inhabited = self.check_sound().and(result)?;
        if inhabited || leaned_on.is_none_or(|on| on >= index) {
            self.algebra.set_inhabited(id, inhabited);
        } else {
            self.algebra.deciding.lean(leaned_on);
        }
        Ok(inhabited)
    }

    fn decide(&mut self, id: TermId) -> Result<bool, EvalError> {
        let shape = self.values(id)?;
        self.shape_is_inhabited(&shape)
    }

    /// Reports whether the shape has a value.
    pub fn shape_is_inhabited(&mut self, shape: &Shape) -> Result<bool, EvalError> {
        if shape.null || shape.booleans != 0 {
            return Ok(true);
        }
        if self.has_strings(shape.strings) {
            return Ok(true);
        }
        let policy = self.algebra.options.numbers;
        if !shape.numbers.is_empty() && shape.numbers.is_inhabited(policy, &mut self.nodes.languages) {
            return Ok(true);
        }
        for array in &shape.arrays {
            for part in self.divide_array(array)? {
                self.algebra.spend(1)?;
                if self.array_is_inhabited(&part)? {
                    return Ok(true);
                }
            }
        }
        for object in &shape.objects {
            for part in self.divide_object(object)? {
                self.algebra.spend(1)?;
                if self.object_is_inhabited(&part)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Reports whether some text of the set has a JSON spelling.
    fn has_strings(&mut self, strings: TextId) -> bool {
        if strings == TextId::ANY || self.algebra.texts.is_never(strings, &mut self.nodes.languages) {
            return strings == TextId::ANY;
        }
        self.algebra.spells_all() || self.algebra.texts.has_printable(strings) || {
            let texts = self.algebra.texts.language(strings, &mut self.nodes.languages);
            let spelt = self.nodes.languages.json_string(texts, self.algebra.options.escapes.free());
            !self.nodes.languages.is_never(spelt)
        }
    }

    pub fn array_is_inhabited(&mut self, array: &ArrayShape) -> Result<bool, EvalError> {
        if array.min == 0 && array.some.iter().all(|s| s.min == 0) && !array.repeated {
            return Ok(true);
        }
        for i in 0..array.prefix.len().min(array.min as usize) {
            if !self.is_inhabited(array.prefix[i])? {
                return Ok(false);
            }
        }
        if array.min as usize > array.prefix.len() && !self.is_inhabited(array.rest)? {
            return Ok(false);
        }
        if array.unique
            && (self.reserved(array, 0, TermId::NEVER)?.is_none() || !self.counted_can_differ(array)?)
        {
            return Ok(false);
        }
        if array.some.is_empty() && !array.repeated {
            return Ok(true);
        }
        Ok(self.array_spec(array, 0)?.start().is_some())
    }

    pub fn object_is_inhabited(&mut self, object: &ObjectShape) -> Result<bool, EvalError> {
        if !self.required_are_inhabited(object)? {
            return Ok(false);
        }
        if !object.clauses.is_empty() {
            return self.clauses_can_hold(object);
        }
        let simple = object.min == 0
            && object.some.iter().all(|s| s.min == 0 && s.max == UNBOUNDED)
            && object.differs.is_empty()
            && object.requires.is_empty();
        if simple {
            return Ok(true);
        }
        Ok(self.object_spec(object, 0)?.start().is_some())
    }
}
