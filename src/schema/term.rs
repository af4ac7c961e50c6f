//! Terms: schemas, and what the algebra makes of them, hash-consed and evaluated on demand.
//!
//! A term is a schema at a place (in a dynamic scope), a Boolean combination of terms, or a shape. Its shape is
//! computed when somebody asks and kept, so that `A ∧ B` costs one intersection however often it turns up, and a
//! recursive schema is a cycle of terms, not an infinite shape.

use super::document::{Document, Keyword, Types};
use super::emit::Standard;
use super::inhabited::Deciding;
use super::json::Value;
use super::options::{EscapePolicy, SchemaOptions};
use super::shape::{ArrayShape, Clause, Eval, ObjectShape, Shape};
use super::text::Texts;
use super::unevaluated::Outcome;
use super::unfold::MAX_LOOK;
use crate::automata::interrupt::{self, Interrupted};
use hashbrown::HashMap;
use std::sync::Arc;

/// A set of JSON values, perhaps not evaluated yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct TermId(pub u32);

impl TermId {
    pub const NEVER: TermId = TermId(0);
    pub const ANY: TermId = TermId(1);
}

/// A dynamic scope: which dynamic anchors lead where. 0 is the empty one.
pub(super) type ScopeId = u32;

/// What a term is made of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Term {
    Never,
    Any,
    Schema(Value, ScopeId),
    Shape(Arc<Shape>),
    Not(TermId),
    And(Box<[TermId]>),
    Or(Box<[TermId]>),
    /// The same values, of which everything counts as named: those of `enum` and `const`.
    Named(TermId),
}

/// Why a term could not be evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    Fuel,
    Interrupted(Interrupted),
    /// Schemas are nested too deeply to be looked at as a whole.
    Depth,
    /// This must be found out first, since it lies too deep to be found out on the way.
    Deep(Goal),
    /// A schema that refers to itself without anything in between.
    Loop(Value),
    Unsupported {
        at: Option<Value>,
        keyword: &'static str,
        reason: &'static str,
    },
}

/// What is to be found out of a term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    Shape(TermId),
    Inhabited(TermId),
}

/// What is known of a term.
struct State {
    term: Term,
    shape: Option<Arc<Shape>>,
    /// The shape is being computed.
    open: bool,
    pub inhabited: Option<bool>,
    /// Exactly one value is in it, and obviously so.
    single: bool,
}

/// The terms of one grammar, shared by everything that expands it.
pub(super) struct Algebra {
    pub doc: Arc<Document>,
    pub options: SchemaOptions,
    pub texts: Texts,
    states: Vec<State>,
    index: HashMap<Term, TermId>,
    /// All values of some types.
    of_types: [Option<TermId>; 1 << 7],
    /// Dynamic scopes: sorted pairs of anchor and place.
    scopes: Vec<Vec<(u32, Value)>>,
    /// Arrays of distinct items, as the grammar's keys name them.
    pub distinct: Vec<(ArrayShape, u32)>,
    pub standard: Standard,
    pub deciding: Deciding,
    clauses: HashMap<Box<[Arc<ObjectShape>]>, Clause>,
    /// In which ways an object may break its conditions.
    pub violations: HashMap<Arc<ObjectShape>, Arc<[Arc<ObjectShape>]>>,
    /// The outcomes of schemas below `unevaluatedProperties` and `unevaluatedItems`.
    pub outcomes: HashMap<TermId, Arc<[Outcome]>>,
    /// The values of terms whose objects are closed.
    pub closed: HashMap<TermId, Arc<Shape>>,
    /// The terms whose outcomes are being found.
    pub open_outcomes: Vec<TermId>,
    fuel: u64,
    /// States of languages that have been charged for.
    states_charged: usize,
    /// How deep evaluation is nested.
    pub depth: u32,
    /// How deep evaluation is nested inside attempts to find a contradiction early.
    probing: u32,
    /// The schema being evaluated, for errors.
    pub at: Value,
    pub any: Arc<Shape>,
}

/// How deep terms are evaluated inside each other. What lies deeper is evaluated first, by itself.
pub(super) const MAX_DEPTH: u32 = 300;
/// From here on an evaluation does without knowing its surroundings, so that what it finds can be
/// kept.
pub(super) const MAX_WITHIN: u32 = MAX_DEPTH / 2;
/// How many references in a row are followed to find out what a schema is called. Circles are found elsewhere.
const MAX_ALIASES: u32 = 16;
/// How deep to look for a contradiction before it matters.
const MAX_PROBE: u32 = 3;

impl Algebra {
    pub fn new(doc: Arc<Document>, options: SchemaOptions, standard: Standard) -> Self {
        let at = doc.root;
        let mut algebra = Algebra {
            doc,
            fuel: options.fuel,
            options,
            texts: Texts::default(),
            states: Vec::with_capacity(32),
            index: HashMap::with_capacity(32),
            of_types: [None; 1 << 7],
            scopes: vec![Vec::new()],
            distinct: Vec::new(),
            standard,
            deciding: Deciding::default(),
            clauses: HashMap::new(),
            violations: HashMap::new(),
            outcomes: HashMap::new(),
            closed: HashMap::new(),
            open_outcomes: Vec::new(),
            states_charged: 0,
            depth: 0,
            probing: 0,
            at,
            any: Arc::new(Shape::any()),
        };
        algebra.intern(Term::Never);
        algebra.intern(Term::Any);
        algebra
    }

    /// Starts a piece of work with a full tank.
    pub fn refuel(&mut self) {
        self.fuel = self.options.fuel;
        self.depth = 0;
        self.probing = 0;
        self.open_outcomes.clear();
    }

    /// The number under which the grammar asks for the items of an array of distinct items.
    pub fn distinct_key(&mut self, array: &ArrayShape, depth: u32) -> u64 {
        match self.distinct.iter().position(|(a, d)| a == array && *d == depth) {
            Some(i) => i as u64,
            None => {
                self.distinct.push((array.clone(), depth));
                self.distinct.len() as u64 - 1
            }
        }
    }

    /// How much was spent since the tank was full.
    pub fn spent(&self) -> u64 {
        self.options.fuel - self.fuel
    }

    pub fn spend(&mut self, steps: u64) -> Result<(), Failure> {
        self.fuel = self.fuel.checked_sub(steps).ok_or(Failure::Fuel)?;
        interrupt::check().map_err(Failure::Interrupted)
    }

    /// The clause of these alternatives.
    pub fn clause(&mut self, alternatives: &[Arc<ObjectShape>]) -> Clause {
        if let Some(known) = self.clauses.get(alternatives) {
            return known.clone();
        }
        let clause = Clause::new(self.clauses.len() as u32, alternatives);
        self.clauses.insert(alternatives.into(), clause.clone());
        clause
    }

    pub fn intern(&mut self, term: Term) -> TermId {
        if let Some(&id) = self.index.get(&term) {
            return id;
        }
        let id = TermId(self.states.len() as u32);
        let single = matches!(&term, Term::Shape(shape) if self.shape_is_single(shape));
        // Where some texts have no spelling, that must be looked at.
        let inhabited = (single && self.spells_all()).then_some(true);
        self.states.push(State { term: term.clone(), shape: None, open: false, inhabited, single });
        self.index.insert(term, id);
        id
    }

    pub fn term(&self, id: TermId) -> &Term {
        &self.states[id.0 as usize].term
    }

    /// Whether every text has a spelling.
    pub fn spells_all(&self) -> bool {
        self.options.escapes != EscapePolicy::NoUnicode
    }

    /// Whether exactly one value is in the term, and obviously so: a value of `enum`, `const` or an
    /// earlier item.
    pub fn is_single(&self, id: TermId) -> bool {
        self.states[id.0 as usize].single
    }

    pub fn known_inhabited(&self, id: TermId) -> Option<bool> {
        self.states[id.0 as usize].inhabited
    }

    pub fn set_inhabited(&mut self, id: TermId, inhabited: bool) {
        self.states[id.0 as usize].inhabited = Some(inhabited);
    }

    /// The schema at `schema`, reached from `scope`. What obviously are the same values is the same term.
    pub fn schema(&mut self, mut schema: Value, mut scope: ScopeId) -> TermId {
        let doc = self.doc.clone();
        let is_dynamic = doc.references.is_dynamic();
        for _ in 0..MAX_ALIASES {
            match *doc.keywords(schema) {
                [] => return TermId::ANY,
                [Keyword::Never] => return TermId::NEVER,
                [Keyword::Ref(target)] => {
                    scope = if is_dynamic { self.enter(scope, doc.resource(schema)) } else { 0 };
                    schema = target;
                }
                ref keywords => match self.plain_schema(keywords) {
                    Some(plain) => return plain,
                    None => break,
                },
            }
        }
        let scope = if is_dynamic { self.enter(scope, doc.resource(schema)) } else { 0 };
        self.intern(Term::Schema(schema, scope))
    }

    pub fn of_types(&mut self, types: Types) -> TermId {
        match self.of_types[types as usize] {
            Some(known) => known,
            None => {
                let term = self.shape_term(Shape::of_types(types));
                self.of_types[types as usize] = Some(term);
                term
            }
        }
    }

    /// Whether a term is a schema with alternatives that must be told apart, which is better done where more is known.
    pub fn divides(&self, term: TermId) -> bool {
        let Term::Schema(schema, _) = *self.term(term) else { return false };
        let keywords = self.doc.keywords(schema);
        let unevaluated =
            |k: &Keyword| matches!(k, Keyword::UnevaluatedProperties(_) | Keyword::UnevaluatedItems(_));
        !keywords.iter().any(unevaluated) && keywords.iter().any(|k| self.doc.divides(k, MAX_LOOK))
    }

    /// The scope after entering a resource: anchors that lead somewhere already keep leading there.
    fn enter(&mut self, scope: ScopeId, resource: Value) -> ScopeId {
        let anchors = self.doc.references.dynamic_anchors(resource);
        let mut entered = self.scopes[scope as usize].clone();
        for (anchor, place) in anchors {
            if let Err(at) = entered.binary_search_by_key(&anchor, |e| e.0) {
                entered.insert(at, (anchor, place));
            }
        }
        match self.scopes.iter().position(|s| *s == entered) {
            Some(i) => i as ScopeId,
            None => {
                self.scopes.push(entered);
                self.scopes.len() as ScopeId - 1
            }
        }
    }

    /// Where a dynamic anchor leads in a scope.
    pub fn dynamic_target(&self, scope: ScopeId, anchor: u32) -> Option<Value> {
        let scope = &self.scopes[scope as usize];
        scope.binary_search_by_key(&anchor, |e| e.0).ok().map(|i| scope[i].1)
    }

    pub fn shape_term(&mut self, shape: Shape) -> TermId {
        if shape.is_never() {
            return TermId::NEVER;
        }
        if shape == *self.any {
            return TermId::ANY;
        }
        self.intern(Term::Shape(Arc::new(shape)))
    }

    pub fn not(&mut self, a: TermId) -> TermId {
        match *self.term(a) {
            Term::Never => TermId::ANY,
            Term::Any => TermId::NEVER,
            // What closed objects may have is not named by schemas under `not`, however often.
            Term::Not(inner) if !self.is_closing() || self.names_nothing(inner) => inner,
            _ => self.not_plain(a).unwrap_or_else(|| self.intern(Term::Not(a))),
        }
    }

    pub fn and2(&mut self, a: TermId, b: TermId) -> TermId {
        match (a, b) {
            (TermId::NEVER, _) | (_, TermId::NEVER) => TermId::NEVER,
            (TermId::ANY, other) | (other, TermId::ANY) => other,
            _ if a == b => a,
            _ => self.and(&[a, b]),
        }
    }

    pub fn and(&mut self, parts: &[TermId]) -> TermId {
        let mut flat = Vec::with_capacity(parts.len());
        for &part in parts {
            match self.term(part) {
                Term::Never => return TermId::NEVER,
                Term::Any => {}
                Term::And(inner) => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        self.gather_plain(&mut flat);
        flat.sort_unstable();
        flat.dedup();
        let negated = |p: &TermId| matches!(*self.term(*p), Term::Not(x) if flat.binary_search(&x).is_ok());
        if flat.first() == Some(&TermId::NEVER) || flat.iter().any(negated) {
            return TermId::NEVER;
        }
        match flat.as_slice() {
            [] => TermId::ANY,
            [one] => *one,
            _ => self.intern(Term::And(flat.into())),
        }
    }

    /// Whether every value of `a` obviously is one of `b`.
    pub fn implies(&self, a: TermId, b: TermId) -> bool {
        if a == b || a == TermId::NEVER || b == TermId::ANY {
            return true;
        }
        match (self.term(a), self.term(b)) {
            (Term::And(a), Term::And(b)) => b.iter().all(|part| a.binary_search(part).is_ok()),
            (Term::And(a), _) => a.binary_search(&b).is_ok(),
            (_, Term::Or(b)) => b.binary_search(&a).is_ok(),
            _ => false,
        }
    }

    pub fn or(&mut self, parts: &[TermId]) -> TermId {
        let mut flat = Vec::with_capacity(parts.len());
        for &part in parts {
            match self.term(part) {
                Term::Any => return TermId::ANY,
                Term::Never => {}
                Term::Or(inner) => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        self.gather_plain_alternatives(&mut flat);
        flat.sort_unstable();
        flat.dedup();
        let negated = |p: &TermId| matches!(*self.term(*p), Term::Not(x) if flat.binary_search(&x).is_ok());
        if flat.contains(&TermId::ANY) || flat.iter().any(negated) {
            return TermId::ANY;
        }
        match flat.as_slice() {
            [] => TermId::NEVER,
            [one] => *one,
            _ => self.intern(Term::Or(flat.into())),
        }
    }
}

impl Eval<'_> {
    /// The result of some work that may ask for what lies too deep for one evaluation. That is
    /// found out first, from the inside outwards, and the work begun again: nesting costs memory
    /// and not stack.
    pub fn deeply<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        self.algebra.states_charged = self.nodes.languages.len();
        let mut goals: Vec<Goal> = Vec::new();
        loop {
            let result = match goals.last() {
                None => match work(self) {
                    Err(Failure::Deep(goal)) => Err(Failure::Deep(goal)),
                    done => return done,
                },
                Some(Goal::Shape(id)) => self.shape(*id).map(drop),
                Some(Goal::Inhabited(id)) => self.is_inhabited(*id).map(drop),
            };
            match result {
                Ok(()) => drop(goals.pop()),
                // It waits for itself, in a circle that is longer than one evaluation is deep.
                Err(Failure::Deep(goal)) if goals.contains(&goal) => return Err(Failure::Depth),
                Err(Failure::Deep(goal)) => goals.push(goal),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Spends fuel for the states of languages that were found since this was last asked: each is
    /// about a step's work.
    pub fn charge(&mut self) -> Result<(), Failure> {
        let states = self.nodes.languages.len();
        let found = states.saturating_sub(self.algebra.states_charged);
        self.algebra.states_charged = states;
        self.algebra.spend(found as u64 / 2)
    }

    /// The shape of a term.
    pub fn shape(&mut self, id: TermId) -> Result<Arc<Shape>, Failure> {
        let state = &self.algebra.states[id.0 as usize];
        if let Some(shape) = &state.shape {
            return Ok(shape.clone());
        }
        let term = state.term.clone();
        if let Term::Shape(shape) = term {
            return Ok(shape);
        }
        if self.algebra.depth >= MAX_DEPTH && !state.open {
            return Err(Failure::Deep(Goal::Shape(id)));
        }
        let shape = self.nested(id, |eval| eval.evaluate(&term))?;
        self.algebra.states[id.0 as usize].shape = Some(shape.clone());
        Ok(shape)
    }

    /// Work on a term, unless it is being worked on already.
    pub fn nested<T>(
        &mut self,
        id: TermId,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.algebra.states[id.0 as usize].open {
            return Err(Failure::Loop(self.algebra.at));
        }
        if self.algebra.depth >= MAX_DEPTH {
            return Err(Failure::Depth);
        }
        self.algebra.states[id.0 as usize].open = true;
        self.algebra.depth += 1;
        let outer = self.algebra.at;
        let result = self.algebra.spend(1).and_then(|()| work(self));
        let result = result.and_then(|result| self.charge().map(|()| result));
        self.algebra.depth -= 1;
        self.algebra.states[id.0 as usize].open = false;
        // An error keeps naming the innermost schema. What was found when the work was over may be wrong.
        let result = interrupt::check().map_err(Failure::Interrupted).and(result)?;
        self.algebra.at = outer;
        Ok(result)
    }

    fn evaluate(&mut self, term: &Term) -> Result<Arc<Shape>, Failure> {
        Ok(match term {
            Term::Never => Arc::new(Shape::never()),
            Term::Any => self.algebra.any.clone(),
            Term::Shape(shape) => shape.clone(),
            Term::Named(inner) => self.shape(*inner)?,
            Term::Schema(schema, scope) => {
                self.algebra.at = *schema;
                Arc::new(self.unfold(*schema, *scope)?)
            }
            Term::Not(inner) => {
                let inner = self.shape(*inner)?;
                Arc::new(self.complement(&inner)?)
            }
            Term::And(parts) => {
                // What is left out is taken from what the others leave.
                let negated = |eval: &Self, part: TermId| match *eval.algebra.term(part) {
                    Term::Not(inner) => Some(inner),
                    _ => None,
                };
                let mut shape = self.algebra.any.clone();
                // What divides is looked at in the light of the others.
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

    /// Whether the term obviously has no value: sufficient, not necessary, and cheap enough to ask in passing.
    pub fn is_evidently_never(&mut self, id: TermId) -> Result<bool, Failure> {
        let state = &self.algebra.states[id.0 as usize];
        if let Some(shape) = &state.shape {
            return Ok(shape.is_never());
        }
        // Only combinations can contradict themselves; and a term that is being evaluated cannot be asked.
        let worth = matches!(state.term, Term::And(_)) && !state.open;
        if !worth || self.algebra.probing >= MAX_PROBE || self.algebra.depth + 8 >= MAX_DEPTH {
            return Ok(false);
        }
        let Term::And(parts) = state.term.clone() else { return Ok(false) };
        if parts.iter().any(|p| self.is_open(*p)) {
            return Ok(false);
        }
        self.algebra.probing += 1;
        let at = self.algebra.at;
        let result = self.shape(id);
        self.algebra.probing -= 1;
        self.algebra.at = at;
        match result {
            Ok(shape) => Ok(shape.is_never()),
            // Something inside is being evaluated further out: nothing is evident.
            Err(Failure::Loop(_) | Failure::Depth | Failure::Deep(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    fn is_open(&self, id: TermId) -> bool {
        self.algebra.states[id.0 as usize].open
    }
}
