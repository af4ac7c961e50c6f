//! Evaluation of terms: their shapes, computed on demand, and the limits of that work.
//!
//! The operations themselves are one file each, as methods of [`Eval`]:
//! [`intersection`](super::intersection), [`complement`](super::complement), and so on.

use super::algebra::{Algebra, Term};
use super::shape::{ObjectShape, Shape};
use super::term::{EvalError, Goal, MAX_DEPTH, TermId};
use super::text::TextId;
use crate::automata::{ExprPool, interrupt};
use crate::grammar::gave_up;
use std::sync::Arc;

/// The greatest nesting of attempts to find a contradiction early.
const MAX_PROBE: u32 = 3;

/// The operations on shapes: the algebra, together with the automata that decide questions about
/// texts.
pub(super) struct Eval<'a> {
    pub algebra: &'a mut Algebra,
    pub nodes: &'a mut crate::grammar::NodePool,
}

impl Eval<'_> {
    /// The result of some work that may reach goals too deep for one evaluation.
    ///
    /// Goals that lie too deep are reached first, the innermost of them before all others. Then the
    /// work begins again. So nesting costs memory and no stack.
    pub fn deeply<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        self.algebra.work.skip_states(self.nodes.languages.len());
        let mut goals: Vec<Goal> = Vec::new();
        loop {
            let result = match goals.last() {
                None => match work(self) {
                    Err(EvalError::Deep(goal)) => Err(EvalError::Deep(goal)),
                    done => return done,
                },
                Some(Goal::Shape(id)) => self.shape(*id).map(drop),
                Some(Goal::Inhabited(id)) => self.is_inhabited(*id).map(drop),
            };
            match result {
                Ok(()) => drop(goals.pop()),
                // The goal depends on itself, in a circle longer than the greatest nesting.
                Err(EvalError::Deep(goal)) if goals.contains(&goal) => return Err(EvalError::Depth),
                Err(EvalError::Deep(goal)) => goals.push(goal),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Spends fuel for the states of languages that were made since the last call: half a step
    /// each.
    pub fn charge(&mut self) -> Result<(), EvalError> {
        self.algebra.work.charge_states(self.nodes.languages.len())
    }

    /// Fails if the work is over, because a result that was found since then may be wrong.
    pub fn check_sound(&self) -> Result<(), EvalError> {
        interrupt::check().map_err(EvalError::Interrupted)?;
        if gave_up() {
            return Err(EvalError::GaveUp);
        }
        if self.nodes.languages.exhausted() { Err(EvalError::Exhausted) } else { Ok(()) }
    }

    /// The shape of a term.
    pub fn shape(&mut self, id: TermId) -> Result<Arc<Shape>, EvalError> {
        let state = self.algebra.state(id);
        if let Some(shape) = &state.shape {
            return Ok(shape.clone());
        }
        let term = state.term.clone();
        if let Term::Shape(shape) = term {
            return Ok(shape);
        }
        if self.algebra.work.depth >= MAX_DEPTH && !state.open {
            return Err(EvalError::Deep(Goal::Shape(id)));
        }
        let shape = self.nested(id, |eval| eval.evaluate(&term))?;
        self.algebra.state_mut(id).shape = Some(shape.clone());
        Ok(shape)
    }

    /// Runs some work on a term, unless work on it is already going on.
    pub fn nested<T>(
        &mut self,
        id: TermId,
        work: impl FnOnce(&mut Self) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        if self.algebra.state(id).open {
            return Err(EvalError::Loop(self.algebra.work.at));
        }
        if self.algebra.work.depth >= MAX_DEPTH {
            return Err(EvalError::Depth);
        }
        self.algebra.state_mut(id).open = true;
        self.algebra.work.depth += 1;
        let outer = self.algebra.work.at;
        let result = self.algebra.spend(1).and_then(|()| work(self));
        let result = result.and_then(|result| self.charge().map(|()| result));
        self.algebra.work.depth -= 1;
        self.algebra.state_mut(id).open = false;
        // An error keeps naming the innermost schema.
        let result = self.check_sound().and(result)?;
        self.algebra.work.at = outer;
        Ok(result)
    }

    fn evaluate(&mut self, term: &Term) -> Result<Arc<Shape>, EvalError> {
        Ok(match term {
            Term::Never => Arc::new(Shape::never()),
            Term::Any => self.algebra.any.clone(),
            Term::Shape(shape) => shape.clone(),
            Term::Named(inner) => self.shape(*inner)?,
            Term::Schema(schema, scope) => {
                self.algebra.work.at = *schema;
                Arc::new(self.keyword_shape(*schema, *scope)?)
            }
            Term::Not(inner) => {
                let inner = self.shape(*inner)?;
                Arc::new(self.complement(&inner)?)
            }
            Term::And(parts) => {
                // Negated parts come last: their values are subtracted from what the other parts
                // leave.
                let negated = |eval: &Self, part: TermId| match *eval.algebra.term(part) {
                    Term::Not(inner) => Some(inner),
                    _ => None,
                };
                let mut shape = self.algebra.any.clone();
                // Parts with alternatives come after the others, whose conditions exclude some
                // alternatives.
                for dividing in [false, true] {
                    for &part in parts.iter() {
                        if negated(self, part).is_some()
                            || self.algebra.divides(part) != dividing
                            || shape.is_never()
                        {
                            continue;
                        }
                        shape = match (*shape == *self.algebra.any, dividing) {
                            (true, _) => self.shape(part)?,
                            (false, true) => Arc::new(self.within(part, (*shape).clone())?),
                            (false, false) => {
                                let part = self.shape(part)?;
                                Arc::new(self.intersect(&shape, &part)?)
                            }
                        };
                    }
                }
                for &part in parts.iter() {
                    if let (Some(inner), false) = (negated(self, part), shape.is_never()) {
                        let inner = self.shape(inner)?;
                        shape = Arc::new(self.subtract(&shape, &inner)?);
                    }
                }
                shape
            }
            Term::Or(parts) => {
                let mut shape = Shape::never();
                for &part in parts.iter() {
                    let part = self.shape(part)?;
                    self.unite(&mut shape, &part);
                }
                Arc::new(shape)
            }
        })
    }

    /// Reports whether the term evidently has no value. The test is cheap, and "no" does not mean
    /// that there is a value.
    pub fn is_evidently_never(&mut self, id: TermId) -> Result<bool, EvalError> {
        let state = self.algebra.state(id);
        if let Some(shape) = &state.shape {
            return Ok(shape.is_never());
        }
        // Only combinations can contradict themselves. A term that is being evaluated has no answer
        // yet.
        let worth = matches!(state.term, Term::And(_)) && !state.open;
        if !worth || self.algebra.work.probing >= MAX_PROBE || self.algebra.work.depth + 8 >= MAX_DEPTH {
            return Ok(false);
        }
        let Term::And(parts) = state.term.clone() else { return Ok(false) };
        if parts.iter().any(|p| self.is_open(*p)) {
            return Ok(false);
        }
        self.algebra.work.probing += 1;
        let at = self.algebra.work.at;
        let result = self.shape(id);
        self.algebra.work.probing -= 1;
        self.algebra.work.at = at;
        match result {
            Ok(shape) => Ok(shape.is_never()),
            // Evaluation of an inner term is already going on further out, so nothing is evident.
            Err(EvalError::Loop(_) | EvalError::Depth | EvalError::Deep(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    fn is_open(&self, id: TermId) -> bool {
        self.algebra.state(id).open
    }

    pub fn pool(&mut self) -> &mut ExprPool {
        &mut self.nodes.languages
    }

    pub fn and_text(&mut self, a: TextId, b: TextId) -> TextId {
        let both = self.algebra.texts.and(a, b, &mut self.nodes.languages);
        if self.algebra.texts.is_certainly_never(both, &mut self.nodes.languages) {
            TextId::NEVER
        } else {
            both
        }
    }

    pub fn has_text(&mut self, set: TextId, text: &str) -> bool {
        self.algebra.texts.contains(set, text, &mut self.nodes.languages)
    }

    /// The term that the value of `key`, which is not declared, must satisfy.
    pub fn rest_value(&mut self, object: &ObjectShape, key: &str) -> TermId {
        if let [(TextId::ANY, value)] = object.rest[..] {
            return value;
        }
        for &(keys, value) in &object.rest {
            if self.has_text(keys, key) {
                return value;
            }
        }
        TermId::NEVER
    }
}
