//! Reading of a document: every keyword is checked, once.
//!
//! One pass visits the schemas that are reachable from the root, through applicators and references
//! and across documents. It finds everything that is malformed, unsupported or unresolvable before
//! anything is compiled. The form that it leaves contains no bad input, so no later step meets any.
//! A schema that nothing refers to has no effect and is not read. The pass uses a work list, so
//! nesting costs no stack, and it looks once at each member of a schema.
//!
//! Keywords are read by the rules of the draft that `$schema` names. A keyword that the draft does
//! not know is an annotation, with a warning if another draft gives it a meaning. Without `$schema`
//! the rules are those of 2020-12, and the older spellings keep their meaning: `definitions`,
//! `dependencies`, `additionalItems`, array `items`, boolean `exclusiveMinimum` and OpenAPI's
//! `nullable`.
//!
//! [`table`] tells for every keyword which drafts know it and how it is read. [`keywords`] holds
//! the readers of the keywords that need one of their own. [`deferred`] holds the keywords that
//! have a meaning only together.

mod deferred;
mod keywords;
mod lenient;
mod table;

use super::document::{Document, Keyword, Note, Record, What};
use super::envelope;
use super::error;
use super::json::{Json, Kind, Value};
use super::options::{Draft, SchemaOptions, Strictness};
use super::reference::References;
use crate::automata::{Decimal, ExprPool, UNBOUNDED};
use crate::grammar::CompileError;
use deferred::{DeferredKeywords, Leaves};
use hashbrown::{HashMap, HashSet};
use table::{KeywordRow, Role};

/// The most warnings that are kept.
const MAX_NOTES: usize = 10_000;

/// Reads a parsed document and everything it refers to. Patterns are compiled into `pool`.
pub(super) fn read(
    mut json: Json,
    root: Value,
    text: &str,
    options: &SchemaOptions,
    pool: &mut ExprPool,
) -> Result<(Document, Vec<Note>), CompileError> {
    if !matches!(json.kind(root), Kind::Object { .. } | Kind::Bool(_)) {
        let pointer = format!("#{}", json.pointer(root));
        return Err(error::malformed(pointer, "schema", "must be an object, `true` or `false`"));
    }
    let has_effect = |(name, _): (&str, Value)| table::find(name).is_some_and(KeywordRow::has_effect);
    envelope::refuse_holders(&json, root, json.members(root).any(has_effect))?;
    let known = |name: &str, draft| table::find(name).is_some_and(|row| row.drafts.contains(draft));
    let references = References::new(&mut json, root, text, options, known);
    let mut reader = Reader {
        doc: Document {
            json,
            root,
            records: Vec::new(),
            keywords: Vec::new(),
            references,
            patterns: HashMap::new(),
        },
        options,
        pool,
        queue: Vec::new(),
        notes: Vec::new(),
        dropped: Vec::new(),
        without_patterns: HashSet::new(),
    };
    reader.doc.keywords.reserve(64);
    reader.enqueue(root, root);
    while let Some((schema, resource)) = reader.queue.pop() {
        reader.schema(schema, resource)?;
    }
    reader.widen();
    Ok((reader.doc, reader.notes))
}

struct Reader<'o> {
    doc: Document,
    options: &'o SchemaOptions,
    pool: &'o mut ExprPool,
    queue: Vec<(Value, Value)>,
    notes: Vec<Note>,
    /// The schemas of which lenient mode dropped a keyword, and those that lost
    /// `patternProperties`.
    dropped: Vec<Value>,
    without_patterns: HashSet<Value>,
}

/// A member of a schema object, with its place.
#[derive(Clone, Copy)]
struct Member {
    schema: Value,
    /// The index of the member in the schema.
    index: u32,
    name: &'static str,
    value: Value,
    /// The resource that the schema belongs to (a document, or a schema with an `$id`), and its
    /// draft.
    resource: Value,
    draft: Draft,
}

impl Reader<'_> {
    fn enqueue(&mut self, schema: Value, resource: Value) {
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

    fn schema(&mut self, schema: Value, outer: Value) -> Result<(), CompileError> {
        let first = self.doc.keywords.len() as u32;
        let mut inhabited = true;
        match self.doc.json.kind(schema) {
            Kind::Bool(true) => {}
            Kind::Object { len, .. } => inhabited = self.object_schema(schema, outer, len)?,
            _ => {
                self.doc.keywords.push(Keyword::Never);
                inhabited = false;
            }
        }
        let record = &mut self.doc.records[schema.0 as usize];
        record.first = first;
        record.len = self.doc.keywords.len() as u32 - first;
        record.inhabited = inhabited;
        Ok(())
    }

    /// Reads the members and reports whether some value evidently satisfies the schema.
    fn object_schema(&mut self, schema: Value, outer: Value, len: u32) -> Result<bool, CompileError> {
        let resource = self.doc.references.resource_at(schema).unwrap_or(outer);
        self.doc.records[schema.0 as usize].resource = resource.0;
        let draft = self.doc.references.draft(resource);
        // Up to draft 7, nothing beside `$ref` counts.
        let only = match draft <= Draft::Seven {
            true => (0..len).find(|&i| self.doc.json.member_key(schema, i) == "$ref"),
            false => None,
        };
        let validates = self.doc.references.validates(resource);
        let mut deferred = DeferredKeywords::default();
        for index in 0..len {
            let (key, value) = self.doc.json.member(schema, index);
            let what = match table::find(key) {
                None => Some(What::Unknown),
                Some(row) if only.is_some_and(|only| only != index) => {
                    row.has_effect().then_some(What::BesideRef)
                }
                Some(row) if !row.drafts.contains(draft) => match row.name {
                    "definitions" | "$defs" => Some(What::OtherDefinitions(row.drafts)),
                    _ => Some(What::OtherDraft(row.drafts)),
                },
                Some(row) if row.validation && !validates => Some(What::OutsideVocabulary),
                Some(row) if row.name == "$schema" && schema == resource => {
                    (!self.doc.references.knows_dialect(resource)).then_some(What::UnknownDialect)
                }
                Some(_) => None,
            };
            if let Some(what) = what {
                self.notes_on(schema, index, what);
                continue;
            }
            let Some(row) = table::find(key) else { continue };
            let member = Member { schema, index, name: row.name, value, resource, draft };
            self.member(member, row.leaves, row.role, &mut deferred)?;
        }
        self.finish(&deferred)?;
        Ok(deferred.is_inhabited())
    }

    fn member(
        &mut self,
        member: Member,
        leaves: Leaves,
        role: Role,
        deferred: &mut DeferredKeywords,
    ) -> Result<(), CompileError> {
        let keyword = match role {
            Role::Annotation => return Ok(()),
            Role::Own(read) => match read(self, member, deferred)? {
                Some(keyword) => keyword,
                None => return Ok(()),
            },
            Role::Deferred(slot) => {
                *slot(deferred) = Some(member);
                deferred.leaves(leaves);
                return Ok(());
            }
            Role::Schema(make) => make(self.subschema(member)?),
            Role::Schemas(make) => {
                if self.subschema_list(member)? == 0 {
                    return Err(self.malformed(member, "must not be empty"));
                }
                make(member.value)
            }
            Role::SchemaMap(make) => {
                self.subschema_map(member)?;
                make(member.value)
            }
            Role::Least(make) => {
                let count = self.count(member)?;
                if count > 0 {
                    deferred.leaves(leaves);
                }
                self.doc.keywords.push(make(count));
                return Ok(());
            }
            Role::Most(make) => make(self.count(member)?),
        };
        deferred.leaves(leaves);
        self.doc.keywords.push(keyword);
        Ok(())
    }

    // --- checks of values ---

    fn subschema(&mut self, member: Member) -> Result<Value, CompileError> {
        self.subschema_at(member, member.value)
    }

    /// Queues a schema that is the member's value or stands inside it.
    fn subschema_at(&mut self, member: Member, value: Value) -> Result<Value, CompileError> {
        match self.doc.json.kind(value) {
            Kind::Object { .. } | Kind::Bool(_) => {
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
    fn subschema_list(&mut self, member: Member) -> Result<u32, CompileError> {
        let Kind::Array { len, .. } = self.doc.json.kind(member.value) else {
            return Err(self.malformed(member, "must be an array of schemas"));
        };
        for i in 0..len as usize {
            let item = self.doc.json.items(member.value)[i];
            self.subschema_at(member, item)?;
        }
        Ok(len)
    }

    fn subschema_map(&mut self, member: Member) -> Result<(), CompileError> {
        let Kind::Object { len, .. } = self.doc.json.kind(member.value) else {
            return Err(self.malformed(member, "must be an object of schemas"));
        };
        for i in 0..len {
            let item = self.doc.json.member(member.value, i).1;
            self.subschema_at(member, item)?;
        }
        Ok(())
    }

    fn count(&self, member: Member) -> Result<u32, CompileError> {
        let decimal = self.doc.json.as_number(member.value).and_then(Decimal::parse);
        match decimal {
            Some(d) if d.is_integer() && !d.is_negative() => Ok(d.to_u32().unwrap_or(UNBOUNDED)),
            _ => Err(self.malformed(member, "must be a whole number, 0 or more")),
        }
    }

    fn number(&self, member: Member) -> Result<Decimal, CompileError> {
        let decimal = self.doc.json.as_number(member.value).and_then(Decimal::parse);
        decimal.ok_or_else(|| self.malformed(member, "must be a number"))
    }

    // --- errors and warnings ---

    fn error_place(&self, member: Member) -> String {
        format!("{}/{}", self.doc.place(member.schema), member.name)
    }

    fn malformed(&self, member: Member, reason: &str) -> CompileError {
        error::malformed(self.error_place(member), member.name, reason)
    }

    /// Returns the error, or adds a note instead in lenient mode.
    fn unless_lenient(&mut self, member: Member, error: CompileError) -> Result<(), CompileError> {
        if self.options.strictness == Strictness::Lenient {
            self.note(member, What::Dropped);
            self.dropped.push(member.schema);
            return Ok(());
        }
        Err(error)
    }

    fn unsupported(&mut self, member: Member, reason: &str) -> Result<(), CompileError> {
        let error = error::unsupported(self.error_place(member), member.name, reason);
        self.unless_lenient(member, error)
    }

    fn note(&mut self, member: Member, what: What) {
        self.notes_on(member.schema, member.index, what);
    }

    /// Adds a warning about the member of this name.
    fn note_on(&mut self, schema: Value, name: &str, what: What) {
        let found =
            (0..self.doc.json.member_count(schema)).find(|&i| self.doc.json.member_key(schema, i) == name);
        self.notes_on(schema, found.unwrap_or(0), what);
    }

    fn notes_on(&mut self, schema: Value, member: u32, what: What) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(Note { schema, member, what });
        }
    }
}
