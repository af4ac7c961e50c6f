//! Terms: schemas and their combinations, hash-consed and evaluated on demand.
//!
//! A term is a schema at a place (in a dynamic scope), a Boolean combination of terms, or a shape.
//! Its shape is computed on the first request and kept. So `A ∧ B` costs one intersection even if
//! it occurs often, and a recursive schema is a cycle of terms and not an infinite shape.

use super::argument_keys::{ArgumentKeys, KeyId};
use super::document::{Document, Keyword, Types};
use super::json::Value;
use super::options::{EscapePolicy, SchemaOptions};
use super::outcome::Outcome;
use super::shape::{ArrayShape, Clause, ObjectShape, Shape};
use super::standard::Standard;
use super::term::{EvalError, ScopeId, TermId};
use super::text::Texts;
use super::work::Work;
use hashbrown::HashMap;
use std::sync::Arc;

/// The definition of a term.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Term {
    Never,
    Any,
    Schema(Value, ScopeId),
    Shape(Arc<Shape>),
    Not(TermId),
    And(Box<[TermId]>),
    Or(Box<[TermId]>),
    /// The values of another term, with everything in them counted as named. This is the term of
    /// values from `enum` and `const`.
    Named(TermId),
}

/// A term and the answers about it that were computed so far.
pub(super) struct State {
    pub term: Term,
    pub shape: Option<Arc<Shape>>,
    /// Set while the shape is being computed.
    pub open: bool,
    pub inhabited: Option<bool>,
    /// Set if the term evidently has exactly one value.
    pub single: bool,
}

/// The terms being decided, outermost first, and the index of the outermost term that some answer
/// assumed to be empty.
#[derive(Default)]
pub(super) struct Deciding {
    pub path: Vec<TermId>,
    pub leaned_on: Option<usize>,
}

impl Deciding {
    pub fn lean(&mut self, on: Option<usize>) {
        self.leaned_on = match (self.leaned_on, on) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// The terms of one grammar, shared by everything that expands it.
pub(super) struct Algebra {
    pub doc: Arc<Document>,
    pub options: SchemaOptions,
    pub texts: Texts,
    states: Vec<State>,
    index: HashMap<Term, TermId>,
    /// Schemas whose keywords hold no subschema, by their [conditions](Self::conditions).
    by_conditions: HashMap<String, TermId>,
    /// The terms of all values of some types, by the types' bits.
    of_types: [Option<TermId>; 1 << 7],
    /// The dynamic scopes, as sorted pairs of anchor and place.
    scopes: Vec<Vec<(u32, Value)>>,
    /// The arrays of distinct items and their depths, by the number that the grammar's keys give
    /// them.
    pub distinct: Vec<(ArrayShape, u32)>,
    pub standard: Standard,
    /// The key of the object of arguments that is emitted, or of one in it that is written in the
    /// style of the arguments; `None` while no such object is emitted.
    pub in_arguments: Option<KeyId>,
    pub keys: ArgumentKeys,
    pub deciding: Deciding,
    clauses: HashMap<Box<[Arc<ObjectShape>]>, Clause>,
    /// The violations of an object: shapes of the objects that break one of its conditions.
    pub violations: HashMap<Arc<ObjectShape>, Arc<[Arc<ObjectShape>]>>,
    /// The outcomes of terms, for `unevaluatedProperties`, `unevaluatedItems` and closed objects.
    pub outcomes: HashMap<TermId, Arc<[Outcome]>>,
    /// The values of terms with closed objects.
    pub closed: HashMap<TermId, Arc<Shape>>,
    /// The terms whose outcomes are being computed.
    pub open_outcomes: Vec<TermId>,
    pub work: Work,
    pub any: Arc<Shape>,
}

/// The most references in a row that are followed to the schema that they stand for. Circles of
/// references are found elsewhere.
const MAX_ALIASES: u32 = 16;

impl Algebra {
    pub fn new(doc: Arc<Document>, options: SchemaOptions, standard: Standard) -> Self {
        let at = doc.root;
        let mut algebra = Algebra {
            doc,
            work: Work::new(options.fuel, at),
            options,
            texts: Texts::default(),
            states: Vec::with_capacity(32),
            index: HashMap::with_capacity(32),
            by_conditions: HashMap::new(),
            of_types: [None; 1 << 7],
            scopes: vec![Vec::new()],
            distinct: Vec::new(),
            standard,
            in_arguments: None,
            keys: ArgumentKeys::default(),
            deciding: Deciding::default(),
            clauses: HashMap::new(),
            violations: HashMap::new(),
            outcomes: HashMap::new(),
            closed: HashMap::new(),
            open_outcomes: Vec::new(),
            any: Arc::new(Shape::any()),
        };
        algebra.intern(Term::Never);
        algebra.intern(Term::Any);
        algebra
    }

    /// Starts a piece of work with full fuel.
    pub fn refuel(&mut self) {
        self.work.refuel();
        self.open_outcomes.clear();
    }

    /// Starts a piece of work on a term with full fuel. An error names the first schema of the term
    /// unless it arises inside another one.
    pub fn begin(&mut self, term: TermId) {
        self.refuel();
        let mut open = vec![term];
        while let Some(term) = open.pop() {
            match self.term(term) {
                Term::Schema(schema, _) => {
                    self.work.at = *schema;
                    return;
                }
                Term::Not(inner) | Term::Named(inner) => open.push(*inner),
                Term::And(parts) | Term::Or(parts) => open.extend(parts.iter().rev()),
                Term::Never | Term::Any | Term::Shape(_) => {}
            }
        }
        self.work.at = self.doc.root;
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

    /// The fuel that was spent since the last [`refuel`](Self::refuel).
    pub fn spent(&self) -> u64 {
        self.work.spent()
    }

    pub fn spend(&mut self, steps: u64) -> Result<(), EvalError> {
        self.work.spend(steps)
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
        // If some texts have no spelling, a single value may have none either.
        let inhabited = (single && self.spells_all()).then_some(true);
        self.states.push(State { term: term.clone(), shape: None, open: false, inhabited, single });
        self.index.insert(term, id);
        id
    }

    pub fn state(&self, id: TermId) -> &State {
        &self.states[id.0 as usize]
    }

    pub fn state_mut(&mut self, id: TermId) -> &mut State {
        &mut self.states[id.0 as usize]
    }

    pub fn term(&self, id: TermId) -> &Term {
        &self.state(id).term
    }

    /// Reports whether every text has a spelling.
    pub fn spells_all(&self) -> bool {
        self.options.escapes != EscapePolicy::NoUnicode
    }

    /// Reports whether the term evidently has exactly one value. Examples are a value of `enum` or
    /// `const`, and an earlier item of an array.
    pub fn is_single(&self, id: TermId) -> bool {
        self.state(id).single
    }

    pub fn known_inhabited(&self, id: TermId) -> Option<bool> {
        self.state(id).inhabited
    }

    pub fn set_inhabited(&mut self, id: TermId, inhabited: bool) {
        self.state_mut(id).inhabited = Some(inhabited);
    }

    /// The term of the schema at `schema`, reached from `scope`. Schemas that evidently have the
    /// same values share a term.
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
                ref keywords => match self.scalar_schema(keywords) {
                    Some(plain) => return plain,
                    None => break,
                },
            }
        }
        let scope = if is_dynamic { self.enter(scope, doc.resource(schema)) } else { 0 };
        let term = Term::Schema(schema, scope);
        if let Some(&known) = self.index.get(&term) {
            return known;
        }
        let Some(conditions) = self.conditions(doc.keywords(schema)) else { return self.intern(term) };
        if let Some(&same) = self.by_conditions.get(&conditions) {
            self.index.insert(term, same);
            return same;
        }
        let id = self.intern(term);
        self.by_conditions.insert(conditions, id);
        id
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

    /// Reports whether the term is a schema with alternatives that must be told apart. Such a
    /// schema is evaluated after the others, because their conditions exclude some alternatives.
    pub fn divides(&self, term: TermId) -> bool {
        let Term::Schema(schema, _) = *self.term(term) else { return false };
        let keywords = self.doc.keywords(schema);
        let unevaluated =
            |k: &Keyword| matches!(k, Keyword::UnevaluatedProperties(_) | Keyword::UnevaluatedItems(_));
        !keywords.iter().any(unevaluated) && keywords.iter().any(|k| self.doc.divides(k))
    }

    /// The scope after entering a resource. Anchors that already lead to a place keep leading
    /// there.
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

    /// The place that a dynamic anchor leads to in a scope.
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
            // A schema under `not` names no keys, and neither does one under two `not`s. So two
            // `not`s cancel out only if no names are hidden by them.
            Term::Not(inner) if !self.is_closing() || self.names_nothing(inner) => inner,
            _ => self.not_scalar(a).unwrap_or_else(|| self.intern(Term::Not(a))),
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
        self.joined(parts, Join::And)
    }

    /// Reports whether every value of `a` evidently is one of `b`.
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
        self.joined(parts, Join::Or)
    }

    /// The conjunction or disjunction of terms, in normal form.
    fn joined(&mut self, parts: &[TermId], join: Join) -> TermId {
        // The neutral term changes nothing. The absorbing term replaces all others.
        let (neutral, absorbing) = match join {
            Join::And => (TermId::ANY, TermId::NEVER),
            Join::Or => (TermId::NEVER, TermId::ANY),
        };
        if parts.contains(&absorbing) {
            return absorbing;
        }
        let mut flat = Vec::with_capacity(parts.len());
        for &part in parts.iter().filter(|part| **part != neutral) {
            match (join, self.term(part)) {
                (Join::And, Term::And(inner)) | (Join::Or, Term::Or(inner)) => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        match join {
            Join::And => self.intersect_scalars(&mut flat),
            Join::Or => self.unite_scalars(&mut flat),
        }
        flat.sort_unstable();
        flat.dedup();
        let negated = |p: &TermId| matches!(*self.term(*p), Term::Not(x) if flat.binary_search(&x).is_ok());
        if flat.contains(&absorbing) || flat.iter().any(negated) {
            return absorbing;
        }
        match (flat.as_slice(), join) {
            ([], _) => neutral,
            ([one], _) => *one,
            (_, Join::And) => self.intern(Term::And(flat.into())),
            (_, Join::Or) => self.intern(Term::Or(flat.into())),
        }
    }
}

/// The two ways to join terms.
#[derive(Clone, Copy)]
enum Join {
    And,
    Or,
}
