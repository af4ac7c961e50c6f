//! Shapes: sets of JSON values in normal form, with one part for each type and no negation.
//!
//! A [`Shape`] is a union over the six types. The parts for null, booleans, numbers and strings are
//! each closed under all Boolean operations. The parts for arrays and objects are unions of
//! [`ArrayShape`]s and [`ObjectShape`]s. Each of these is a conjunction whose nested values are
//! [terms](super::algebra) that are not evaluated yet. That makes the algebra lazy: the
//! intersection of two objects costs as much as their keys, and nothing for the values below them.
//!
//! [`intersection`](super::intersection) and [`complement`](super::complement) hold the operations.

use super::document::{ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING, Types};
use super::number::{NumberSet, Part};
use super::term::TermId;
use super::text::TextId;
use crate::automata::UNBOUNDED;
use std::sync::Arc;

/// A set of JSON values.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Shape {
    pub null: bool,
    /// The bits of `false` (bit 0) and `true` (bit 1).
    pub booleans: u8,
    pub numbers: NumberSet,
    pub strings: TextId,
    /// Array shapes, of which a value must be in one.
    pub arrays: Vec<Arc<ArrayShape>>,
    /// Object shapes, of which a value must be in one.
    pub objects: Vec<Arc<ObjectShape>>,
}

/// A counter: at least `min` and at most `max` of the items at position `from` or later satisfy
/// `value`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct SomeItems {
    pub from: u32,
    pub value: TermId,
    pub min: u32,
    pub max: u32,
}

/// A set of arrays: those that satisfy every condition in the fields.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ArrayShape {
    pub prefix: Vec<TermId>,
    pub rest: TermId,
    pub min: u32,
    pub max: u32,
    pub some: Vec<SomeItems>,
    /// Set if no two items are equal.
    pub unique: bool,
    /// Set if some two items are equal.
    pub repeated: bool,
    /// Arrays that are left out, each given by its items: terms of one value each.
    pub differs: Vec<Arc<[TermId]>>,
}

/// A property with a given key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Declared {
    pub key: Arc<str>,
    pub value: TermId,
    pub required: bool,
    /// Set if some `properties` names the key, or a value of `enum` or `const`. Listed keys come
    /// before the others in declared order.
    pub listed: bool,
}

/// A counter: at least `min` and at most `max` of the properties with a key in `keys` have a value
/// that satisfies `value`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct SomeProperties {
    pub keys: TextId,
    pub value: TermId,
    pub min: u32,
    pub max: u32,
}

/// A set of objects: those that satisfy every condition in the fields.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ObjectShape {
    pub declared: Vec<Declared>,
    /// Disjoint classes of keys, each with the term that the values of its undeclared keys satisfy.
    ///
    /// A key outside all classes must not occur. A declared key may belong to a class, but only its
    /// own entry is used.
    pub rest: Vec<(TextId, TermId)>,
    pub min: u32,
    pub max: u32,
    /// Pairs of keys: if the first is in the object, the second must be in it too.
    pub requires: Vec<(Arc<str>, Arc<str>)>,
    pub some: Vec<SomeProperties>,
    /// Objects that are left out, each given by its members: sorted keys, and terms of one value
    /// each.
    pub differs: Vec<Members>,
    /// Clauses, each of which must have an alternative that holds.
    ///
    /// They keep the conditions of unions and complements as they are. Multiplied out, a hundred
    /// such conditions of two alternatives each would be 2^100 shapes.
    pub clauses: Vec<Clause>,
}

/// Shapes of which an object must be in one at least, with answers to frequent questions about
/// them.
///
/// Equal clauses have the same number.
#[derive(Clone)]
pub(super) struct Clause(Arc<Alternatives>);

struct Alternatives {
    number: u32,
    shapes: Box<[Arc<ObjectShape>]>,
    /// The keys that the alternatives name, sorted.
    names: Box<[Arc<str>]>,
    /// Set if the alternatives restrict only the keys that they name.
    only_named: bool,
    closes: bool,
}

impl Clause {
    pub fn new(number: u32, shapes: &[Arc<ObjectShape>]) -> Self {
        let mut names: Vec<Arc<str>> = Vec::new();
        for shape in shapes {
            names.extend(shape.declared.iter().map(|d| d.key.clone()));
            names.extend(shape.requires.iter().flat_map(|(when, then)| [when.clone(), then.clone()]));
        }
        names.sort_unstable();
        names.dedup();
        let only_named = |o: &Arc<ObjectShape>| {
            let rest = ObjectShape { declared: Vec::new(), requires: Vec::new(), ..(**o).clone() };
            rest == ObjectShape::any()
        };
        Clause(Arc::new(Alternatives {
            number,
            names: names.into(),
            only_named: shapes.iter().all(only_named),
            closes: shapes.iter().any(|o| o.closes()),
            shapes: shapes.into(),
        }))
    }

    /// Reports whether a member with this key, or its absence, may decide an alternative.
    pub fn concerns(&self, key: &str) -> bool {
        !self.0.only_named || self.0.names.binary_search_by(|name| (**name).cmp(key)).is_ok()
    }

    /// Reports whether members with undeclared keys may decide an alternative.
    pub fn concerns_others(&self) -> bool {
        !self.0.only_named
    }

    /// Reports whether some alternative holds if no more members come.
    pub fn closes(&self) -> bool {
        self.0.closes
    }
}

impl std::ops::Deref for Clause {
    type Target = [Arc<ObjectShape>];

    fn deref(&self) -> &Self::Target {
        &self.0.shapes
    }
}

impl PartialEq for Clause {
    fn eq(&self, other: &Self) -> bool {
        self.0.number == other.0.number
    }
}

impl Eq for Clause {}

impl std::hash::Hash for Clause {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.number.hash(state);
    }
}

impl std::fmt::Debug for Clause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The members of an object, sorted by key.
pub(super) type Members = Arc<[(Arc<str>, TermId)]>;

impl ArrayShape {
    pub fn any() -> Self {
        ArrayShape {
            prefix: Vec::new(),
            rest: TermId::ANY,
            min: 0,
            max: UNBOUNDED,
            some: Vec::new(),
            unique: false,
            repeated: false,
            differs: Vec::new(),
        }
    }

    /// The array of exactly these items.
    pub fn of_items(prefix: Vec<TermId>) -> Self {
        let len = prefix.len() as u32;
        ArrayShape { prefix, rest: TermId::NEVER, min: len, max: len, ..Self::any() }
    }

    /// The term that the item at `position` must satisfy.
    pub fn item(&self, position: usize) -> TermId {
        self.prefix.get(position).copied().unwrap_or(self.rest)
    }

    /// Drops conditions that have no effect; false if evidently no array is left.
    pub fn tidy(&mut self) -> bool {
        if let Some(gap) = self.prefix.iter().position(|&t| t == TermId::NEVER) {
            self.max = self.max.min(gap as u32);
        }
        if self.rest == TermId::NEVER {
            self.max = self.max.min(self.prefix.len() as u32);
        }
        if (self.max as usize) < self.prefix.len() {
            self.prefix.truncate(self.max as usize);
        }
        while self.prefix.last().is_some_and(|&t| t == self.rest) {
            self.prefix.pop();
        }
        if self.max as usize <= self.prefix.len() {
            self.rest = TermId::NEVER;
        }
        let max = self.max;
        self.some.retain_mut(|s| {
            if s.value == TermId::NEVER && s.min == 0 {
                return false;
            }
            s.max = if s.max >= max { UNBOUNDED } else { s.max };
            s.min > 0 || s.max != UNBOUNDED
        });
        self.min <= self.max
            && !(self.repeated && (self.unique || self.max < 2))
            && self.some.iter().all(|s| s.min <= s.max && s.value != TermId::NEVER)
            && self.some.iter().all(|s| s.min == 0 || s.from.saturating_add(s.min) <= self.max)
    }
}

impl ObjectShape {
    /// Reports whether the object is restricted by nothing but the values of its declared keys.
    pub fn restricts_only_declared(&self) -> bool {
        self.rest == [(TextId::ANY, TermId::ANY)]
            && (self.min, self.max) == (0, UNBOUNDED)
            && self.requires.is_empty()
            && self.some.is_empty()
            && self.differs.is_empty()
            && self.clauses.is_empty()
    }

    pub fn any() -> Self {
        ObjectShape {
            declared: Vec::new(),
            rest: vec![(TextId::ANY, TermId::ANY)],
            min: 0,
            max: UNBOUNDED,
            requires: Vec::new(),
            some: Vec::new(),
            differs: Vec::new(),
            clauses: Vec::new(),
        }
    }

    /// The object of exactly these properties.
    pub fn of_properties(properties: impl IntoIterator<Item = (Arc<str>, TermId)>) -> Self {
        let declared =
            properties.into_iter().map(|(key, value)| Declared { key, value, required: true, listed: true });
        ObjectShape { declared: declared.collect(), rest: Vec::new(), ..Self::any() }
    }

    /// Reports whether the object may end here, without more members.
    pub fn closes(&self) -> bool {
        self.min == 0
            && self.some.iter().all(|some| some.min == 0)
            && self.declared.iter().all(|d| !d.required)
            && self.differs.is_empty()
            && self.clauses.iter().all(Clause::closes)
    }

    pub fn position(&self, key: &str) -> Option<usize> {
        self.declared.iter().position(|d| *d.key == *key)
    }

    /// Drops conditions that have no effect; false if evidently no object is left.
    pub fn tidy(&mut self) -> bool {
        let required = self.declared.iter().filter(|d| d.required).count() as u64;
        if self.rest.is_empty() {
            let possible = self.declared.iter().filter(|d| d.value != TermId::NEVER).count() as u32;
            self.max = if self.max >= possible { UNBOUNDED } else { self.max };
            if self.min > possible {
                return false;
            }
        }
        if u64::from(self.min) <= required {
            self.min = 0;
        }
        self.min <= self.max
            && required <= u64::from(self.max)
            && self.declared.iter().all(|d| !d.required || d.value != TermId::NEVER)
            && self.some.iter().all(|s| s.min <= s.max && (s.min == 0 || s.value != TermId::NEVER))
    }
}

impl ObjectShape {
    /// The value that the member `key` has in `pairs`.
    pub fn value_in(pairs: &[(Arc<str>, TermId)], key: &str) -> Option<TermId> {
        pairs.binary_search_by(|(k, _)| (**k).cmp(key)).ok().map(|i| pairs[i].1)
    }
}

impl Shape {
    pub fn never() -> Self {
        Shape {
            null: false,
            booleans: 0,
            numbers: NumberSet::default(),
            strings: TextId::NEVER,
            arrays: Vec::new(),
            objects: Vec::new(),
        }
    }

    pub fn any() -> Self {
        Shape {
            null: true,
            booleans: 3,
            numbers: NumberSet::any(),
            strings: TextId::ANY,
            arrays: vec![Arc::new(ArrayShape::any())],
            objects: vec![Arc::new(ObjectShape::any())],
        }
    }

    /// All values of these types.
    pub fn of_types(types: Types) -> Self {
        let any = Shape::any();
        Shape {
            null: types & NULL != 0,
            booleans: if types & BOOLEAN != 0 { any.booleans } else { 0 },
            numbers: match types & (NUMBER | INTEGER) {
                0 => NumberSet::default(),
                INTEGER => NumberSet::part(Part { integer: Some(true), ..Part::default() }),
                _ => any.numbers,
            },
            strings: if types & STRING != 0 { any.strings } else { TextId::NEVER },
            arrays: if types & ARRAY != 0 { any.arrays } else { Vec::new() },
            objects: if types & OBJECT != 0 { any.objects } else { Vec::new() },
        }
    }

    /// Reports whether the shape evidently has no value. "No" does not mean that it has one.
    pub fn is_never(&self) -> bool {
        !self.null
            && self.booleans == 0
            && self.numbers.is_empty()
            && self.strings == TextId::NEVER
            && self.arrays.is_empty()
            && self.objects.is_empty()
    }

    pub fn add_array(&mut self, array: Arc<ArrayShape>) {
        add(&mut self.arrays, array, &ArrayShape::any());
    }

    pub fn add_object(&mut self, object: Arc<ObjectShape>) {
        add(&mut self.objects, object, &ObjectShape::any());
    }
}

/// Adds an alternative, unless it is among them already. The alternative `any` replaces all others.
fn add<S: PartialEq>(alternatives: &mut Vec<Arc<S>>, new: Arc<S>, any: &S) {
    if alternatives.first().is_some_and(|first| **first == *any) || alternatives.contains(&new) {
        return;
    }
    if *new == *any {
        alternatives.clear();
    }
    alternatives.push(new);
}
