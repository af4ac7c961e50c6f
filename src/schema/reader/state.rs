//! The state of a reader of schemas, and the parts of reading that all keywords share: values of
//! one kind, schemas inside schemas, errors and warnings.

use super::super::document::{Document, Note, Record, What};
use super::super::error;
use super::super::json::{JsonKind, Value};
use super::super::options::{Draft, SchemaOptions, Strictness};
use crate::automata::{Decimal, ExprPool, UNBOUNDED};
use crate::grammar::CompileError;
use hashbrown::HashSet;

/// The most warnings that are kept.
const MAX_NOTES: usize = 10_000;

pub(super) struct SchemaReader<'o> {
    pub(super) doc: Document,
    pub(super) options: &'o SchemaOptions,
    pub(super) pool: &'o mut ExprPool,
    pub(super) queue: Vec<(Value, Value)>,
    pub(super) notes: Vec<Note>,
    /// The schemas of which lenient mode dropped a keyword, and those that lost
    /// `patternProperties`.
    pub(super) dropped: Vec<Value>,
    pub(super) without_patterns: HashSet<Value>,
}

/// A member of a schema object, with its place.
#[derive(Clone, Copy)]
pub(super) struct SchemaMember {
    pub(super) schema: Value,
    /// The index of the member in the schema.
    pub(super) index: u32,
    pub(super) name: &'static str,
    pub(super) value: Value,
    /// The resource that the schema belongs to (a document, or a schema with an `$id`), and its
    /// draft.
    pub(super) resource: Value,
    pub(super) draft: Draft,
}

impl SchemaReader<'_> {
    pub(super) fn enqueue(&mut self, schema: Value, resource: Value) {
        let at = schema.0 as usize;
        if self.doc.records.len() <= at {
            self.doc.records.resize(self.doc.json.len().max(at + 1), Record::default());
        }
        if !self.doc.records[at].read {
            self.doc.records[at].read = true;
            self.doc.records[at].resource = resource.0;
            self.queue.push((schema, resource));
        }
    }

    pub(super) fn subschema(&mut self, member: SchemaMember) -> Result<Value, CompileError> {
        self.subschema_at(member, member.value)
    }

    /// Queues a schema that is the member's value or stands inside it.
    pub(super) fn subschema_at(&mut self, member: SchemaMember, value: Value) -> Result<Value, CompileError> {
        match self.doc.json.kind(value) {
            JsonKind::Object { .. } | JsonKind::Bool(_) => {
                self.enqueue(value, member.resource);
                Ok(value)
            }
            _ if value == member.value => {
                Err(self.malformed(member, "must be a schema (an object, `true` or `false`)"))
            }
            _ => {
                let reason = "must hold schemas (each an object, `true` or `false`)";
                Err(error::malformed(self.doc.place(value), member.name, reason))
            }
        }
    }

    /// Reads the list and returns the number of schemas in it.
    pub(super) fn subschema_list(&mut self, member: SchemaMember) -> Result<u32, CompileError> {
        let JsonKind::Array { len, .. } = self.doc.json.kind(member.value) else {
            return Err(self.malformed(member, "must be an array of schemas"));
        };
        for i in 0..len as usize {
            let item = self.doc.json.items(member.value)[i];
            self.subschema_at(member, item)?;
        }
        Ok(len)
    }

    pub(super) fn subschema_map(&mut self, member: SchemaMember) -> Result<(), CompileError> {
        let JsonKind::Object { len, .. } = self.doc.json.kind(member.value) else {
            return Err(self.malformed(member, "must be an object of schemas"));
        };
        for i in 0..len {
            let item = self.doc.json.member(member.value, i).1;
            self.subschema_at(member, item)?;
        }
        Ok(())
    }

    pub(super) fn count(&self, member: SchemaMember) -> Result<u32, CompileError> {
        let decimal = self.doc.json.as_number(member.value).and_then(Decimal::parse);
        match decimal {
            Some(d) if d.is_integer() && !d.is_negative() => Ok(d.to_u32().unwrap_or(UNBOUNDED)),
            _ => Err(self.malformed(member, "must be a whole number, 0 or more")),
        }
    }

    pub(super) fn number(&self, member: SchemaMember) -> Result<Decimal, CompileError> {
        let decimal = self.doc.json.as_number(member.value).and_then(Decimal::parse);
        decimal.ok_or_else(|| self.malformed(member, "must be a number"))
    }

    // --- errors and warnings ---

    pub(super) fn error_place(&self, member: SchemaMember) -> String {
        format!("{}/{}", self.doc.place(member.schema), member.name)
    }

    pub(super) fn malformed(&self, member: SchemaMember, reason: &str) -> CompileError {
        error::malformed(self.error_place(member), member.name, reason)
    }

    /// Returns the error, or adds a note instead in lenient mode.
    pub(super) fn unless_lenient(
        &mut self,
        member: SchemaMember,
        error: CompileError,
    ) -> Result<(), CompileError> {
        if self.options.strictness == Strictness::Lenient {
            self.note(member, What::Dropped);
            self.dropped.push(member.schema);
            return Ok(());
        }
        Err(error)
    }

    pub(super) fn unsupported(&mut self, member: SchemaMember, reason: &str) -> Result<(), CompileError> {
        let error = error::unsupported(self.error_place(member), member.name, reason);
        self.unless_lenient(member, error)
    }

    pub(super) fn note(&mut self, member: SchemaMember, what: What) {
        self.notes_on(member.schema, member.index, what);
    }

    /// Adds a warning about the member of this name.
    pub(super) fn note_on(&mut self, schema: Value, name: &str, what: What) {
        let found =
            (0..self.doc.json.member_count(schema)).find(|&i| self.doc.json.member_key(schema, i) == name);
        self.notes_on(schema, found.unwrap_or(0), what);
    }

    pub(super) fn notes_on(&mut self, schema: Value, member: u32, what: What) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(Note { schema, member, what });
        }
    }
}
