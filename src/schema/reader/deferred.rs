//! Keywords that have a meaning only together: the record kept while a schema's members are read,
//! and the keywords that result from it.

use super::super::document::{Keyword, NULL, Types, What};
use super::super::json::{JsonKind, Value};
use super::super::options::Draft;
use super::state::{SchemaMember, SchemaReader};
use crate::automata::UNBOUNDED;
use crate::grammar::CompileError;

/// A lower or upper bound of numbers as it is written.
#[derive(Clone, Copy, Default)]
pub(super) struct Limit {
    /// `minimum` or `maximum`.
    pub inclusive: Option<SchemaMember>,
    /// `exclusiveMinimum` or `exclusiveMaximum`: a number, or draft 4's boolean.
    pub exclusive: Option<SchemaMember>,
}

/// The part that a keyword may leave of the values that the rest of its schema allows.
///
/// If a value is evidently left, the schema can be satisfied, and its shape need not be computed to
/// know that. For example, `maxItems` leaves the empty array, but `enum` may leave nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Satisfiability {
    /// Some value is left.
    Something,
    /// Perhaps nothing is left.
    PerhapsNothing,
    /// Some strings are left, but two such keywords together may leave none.
    SomeStrings,
}

/// The members of one schema that were read so far.
#[derive(Default)]
pub(super) struct DeferredKeywords {
    pub types: Types,
    /// OpenAPI's `nullable: true`.
    pub nullable: Option<SchemaMember>,
    /// The values of `enum`.
    pub values: Option<Value>,
    pub lower: Limit,
    pub upper: Limit,
    pub prefix_items: Option<SchemaMember>,
    pub items: Option<SchemaMember>,
    pub additional_items: Option<SchemaMember>,
    pub contains: Option<SchemaMember>,
    pub min_contains: Option<SchemaMember>,
    pub max_contains: Option<SchemaMember>,
    pub test: Option<SchemaMember>,
    pub then: Option<SchemaMember>,
    pub otherwise: Option<SchemaMember>,
    strings: u32,
    perhaps_nothing: bool,
}

impl DeferredKeywords {
    /// Records that a keyword leaves these values.
    pub fn leaves(&mut self, leaves: Satisfiability) {
        match leaves {
            Satisfiability::Something => {}
            Satisfiability::PerhapsNothing => self.perhaps_nothing = true,
            Satisfiability::SomeStrings => self.strings += 1,
        }
    }

    /// Reports whether some value evidently satisfies the schema.
    pub fn is_inhabited(&self) -> bool {
        !self.perhaps_nothing && self.strings < 2
    }
}

impl SchemaReader<'_> {
    /// Adds the keywords that result from several members together.
    pub(super) fn finish(&mut self, deferred: &DeferredKeywords) -> Result<(), CompileError> {
        self.note_what_stands_alone(deferred);
        if deferred.types != 0 {
            let null = if deferred.nullable.is_some() { NULL } else { 0 };
            self.doc.keywords.push(Keyword::Types(deferred.types | null));
        }
        self.finish_limit(deferred.lower, |value, exclusive| Keyword::Lower { value, exclusive })?;
        self.finish_limit(deferred.upper, |value, exclusive| Keyword::Upper { value, exclusive })?;
        self.finish_items(deferred)?;
        self.finish_contains(deferred)?;
        if let Some(test) = deferred.test {
            let test = self.subschema(test)?;
            let then = deferred.then.map(|branch| self.subschema(branch)).transpose()?;
            let otherwise = deferred.otherwise.map(|branch| self.subschema(branch)).transpose()?;
            self.doc.keywords.push(Keyword::Condition { test, then, otherwise });
        }
        Ok(())
    }

    /// Warns of keywords that have no effect without another one.
    fn note_what_stands_alone(&mut self, deferred: &DeferredKeywords) {
        let is_list = |m: SchemaMember| matches!(self.doc.json.kind(m.value), JsonKind::Array { .. });
        let flag = |m: &SchemaMember| self.doc.json.kind(m.value) == JsonKind::Bool(true);
        let holds_null = |list: Value| {
            self.doc.json.items(list).iter().any(|&value| self.doc.json.kind(value) == JsonKind::Null)
        };
        let alone = |member: Option<SchemaMember>, is_alone: bool, what| {
            member.filter(|_| is_alone).map(|m| (m, what))
        };
        let untyped = deferred.types == 0;
        let no_list = deferred.prefix_items.is_none() && !deferred.items.is_some_and(is_list);
        let notes = [
            alone(deferred.then, deferred.test.is_none(), What::Alone("`if`")),
            alone(deferred.otherwise, deferred.test.is_none(), What::Alone("`if`")),
            alone(deferred.min_contains, deferred.contains.is_none(), What::Alone("`contains`")),
            alone(deferred.max_contains, deferred.contains.is_none(), What::Alone("`contains`")),
            alone(deferred.additional_items, no_list, What::Alone("a list under `items`")),
            alone(
                deferred.lower.exclusive.filter(flag),
                deferred.lower.inclusive.is_none(),
                What::Alone("`minimum`"),
            ),
            alone(
                deferred.upper.exclusive.filter(flag),
                deferred.upper.inclusive.is_none(),
                What::Alone("`maximum`"),
            ),
            alone(deferred.nullable, untyped, What::Alone("`type`")),
            alone(
                deferred.nullable,
                !untyped && deferred.values.is_some_and(|list| !holds_null(list)),
                What::NotInEnum,
            ),
        ];
        for (member, what) in notes.into_iter().flatten() {
            self.note(member, what);
        }
    }

    fn finish_limit(&mut self, limit: Limit, make: fn(Value, bool) -> Keyword) -> Result<(), CompileError> {
        // The boolean `true` of draft 4 excludes the bound itself.
        let flag = match limit.exclusive.map(|m| self.doc.json.kind(m.value)) {
            Some(JsonKind::Bool(flag)) => Some(flag),
            _ => None,
        };
        if let Some(exclusive) = limit.exclusive {
            match (exclusive.draft, flag) {
                (Draft::Four, None) => {
                    return Err(self.malformed(exclusive, "must be `true` or `false` in draft 4"));
                }
                (Draft::Four | Draft::Unspecified, _) | (_, None) => {}
                (_, Some(_)) => {
                    let reason = "must be a number; `true` and `false` are of draft 4";
                    return Err(self.malformed(exclusive, reason));
                }
            }
        }
        if let Some(inclusive) = limit.inclusive {
            self.number(inclusive)?;
            self.doc.keywords.push(make(inclusive.value, flag == Some(true)));
        }
        if let (Some(exclusive), None) = (limit.exclusive, flag) {
            self.number(exclusive)?;
            self.doc.keywords.push(make(exclusive.value, true));
        }
        Ok(())
    }

    fn finish_items(&mut self, deferred: &DeferredKeywords) -> Result<(), CompileError> {
        let (mut prefix, mut rest) = (deferred.prefix_items, deferred.items);
        if let Some(items) = rest.filter(|m| matches!(self.doc.json.kind(m.value), JsonKind::Array { .. })) {
            if items.draft == Draft::Y2020 || prefix.is_some() {
                return Err(self.malformed(items, "must be a schema; a list of schemas is `prefixItems`"));
            }
            (prefix, rest) = (Some(items), deferred.additional_items);
        }
        if let Some(prefix) = prefix {
            self.subschema_list(prefix)?;
            self.doc.keywords.push(Keyword::PrefixItems(prefix.value));
        }
        if let Some(rest) = rest {
            let rest = self.subschema(rest)?;
            self.doc.keywords.push(Keyword::Items(rest));
        }
        Ok(())
    }

    fn finish_contains(&mut self, deferred: &DeferredKeywords) -> Result<(), CompileError> {
        let min = deferred.min_contains.map_or(Ok(1), |m| self.count(m))?;
        let max = deferred.max_contains.map_or(Ok(UNBOUNDED), |m| self.count(m))?;
        if let Some(contained) = deferred.contains {
            let schema = self.subschema(contained)?;
            self.doc.keywords.push(Keyword::Contains { schema, min, max });
        }
        Ok(())
    }
}
