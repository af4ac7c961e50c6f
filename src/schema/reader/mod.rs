//! Reading of a document: every keyword is checked, once.
//!
//! One pass visits the schemas that are reachable from the root, through applicators and references
//! and across documents. It finds every malformed, unsupported or unresolvable part before anything
//! is compiled. Its result contains only valid keywords, so no later step has to check its input. A
//! schema that nothing refers to has no effect and is not read. The pass uses a work list, so
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
mod state;
mod table;

use super::document::{Document, Keyword, Note, What};
use super::envelope;
use super::error;
use super::json::{Json, JsonKind, Value};
use super::options::{Draft, SchemaOptions};
use super::reference::References;
use crate::automata::ExprPool;
use crate::grammar::CompileError;
use deferred::{DeferredKeywords, Satisfiability};
use hashbrown::{HashMap, HashSet};
use state::{SchemaMember, SchemaReader};
use table::{KeywordRow, Role};

/// Reads a parsed document and everything it refers to. Patterns are compiled into `pool`.
pub(super) fn read(
    mut json: Json,
    root: Value,
    text: &str,
    options: &SchemaOptions,
    pool: &mut ExprPool,
) -> Result<(Document, Vec<Note>), CompileError> {
    if !matches!(json.kind(root), JsonKind::Object { .. } | JsonKind::Bool(_)) {
        let pointer = format!("#{}", json.pointer(root));
        return Err(error::malformed(pointer, "schema", "must be an object, `true` or `false`"));
    }
    let has_effect = |(name, _): (&str, Value)| table::find(name).is_some_and(KeywordRow::has_effect);
    envelope::refuse_holders(&json, root, json.members(root).any(has_effect))?;
    let known = |name: &str, draft| table::find(name).is_some_and(|row| row.drafts.contains(draft));
    let references = References::new(&mut json, root, text, options, known);
    let mut reader = SchemaReader {
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
        let first = reader.queue.len();
        reader.schema(schema, resource)?;
        // The next is the first in the text, so that the first fault is reported.
        reader.queue[first..].reverse();
    }
    reader.widen();
    Ok((reader.doc, reader.notes))
}

impl SchemaReader<'_> {
    fn schema(&mut self, schema: Value, outer: Value) -> Result<(), CompileError> {
        let first = self.doc.keywords.len() as u32;
        let mut inhabited = true;
        match self.doc.json.kind(schema) {
            JsonKind::Bool(true) => {}
            JsonKind::Object { len, .. } => inhabited = self.object_schema(schema, outer, len)?,
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
        // Up to draft 7, keywords beside `$ref` have no effect.
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
            let member = SchemaMember { schema, index, name: row.name, value, resource, draft };
            self.member(member, row.leaves, row.role, &mut deferred)?;
        }
        self.finish(&deferred)?;
        Ok(deferred.is_inhabited())
    }

    fn member(
        &mut self,
        member: SchemaMember,
        leaves: Satisfiability,
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
}
