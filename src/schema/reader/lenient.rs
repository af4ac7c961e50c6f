//! Lenient mode: dropping a keyword must only widen the values that a schema accepts.
//!
//! A schema with a dropped keyword accepts more values than before. A schema around it may then
//! accept fewer: `not` takes away the values that its schema accepts. So a keyword that would
//! accept fewer values is dropped as well or weakened, each with a warning. These are dropped:
//! `not`, `if` with its branches, `maxContains`, and `additionalProperties` beside a dropped
//! `patternProperties`. `oneOf` is weakened to `anyOf`.

use super::super::document::{Keyword, What};
use super::super::json::Value;
use super::state::SchemaReader;
use crate::automata::UNBOUNDED;
use hashbrown::{HashMap, HashSet};

impl SchemaReader<'_> {
    /// Widens the keywords that depend on dropped ones, after everything has been read.
    pub(super) fn widen(&mut self) {
        if self.dropped.is_empty() {
            return;
        }
        let wide = self.wider_schemas();
        let mut schemas: Vec<Value> = wide.iter().copied().collect();
        schemas.sort_unstable();
        for schema in schemas {
            self.widen_schema(schema, &wide);
        }
    }

    /// The schemas that accept more values than before. They have lost a keyword, or they apply
    /// such a schema, directly or not.
    fn wider_schemas(&self) -> HashSet<Value> {
        let mut applied_by: HashMap<Value, Vec<Value>> = HashMap::new();
        for (at, _) in self.doc.records.iter().enumerate().filter(|(_, record)| record.read) {
            let schema = Value(at as u32);
            for keyword in self.doc.keywords(schema) {
                self.doc.each_applied(keyword, |applied| applied_by.entry(applied).or_default().push(schema));
            }
        }
        let mut wide: HashSet<Value> = self.dropped.iter().copied().collect();
        let mut open = self.dropped.clone();
        while let Some(schema) = open.pop() {
            let users = applied_by.get(&schema).map_or(&[][..], Vec::as_slice);
            open.extend(users.iter().filter(|&&user| wide.insert(user)));
        }
        wide
    }

    fn widen_schema(&mut self, schema: Value, wide: &HashSet<Value>) {
        let mut kept = Vec::new();
        for keyword in self.doc.keywords(schema).to_vec() {
            let (keyword, changed) = match keyword {
                Keyword::Not(inner) if wide.contains(&inner) => (None, Some(("not", What::Dropped))),
                Keyword::Condition { test, .. } if wide.contains(&test) => {
                    (Some(Keyword::Unknown), Some(("if", What::Dropped)))
                }
                Keyword::OneOf(list) if self.doc.json.items(list).iter().any(|v| wide.contains(v)) => {
                    (Some(Keyword::AnyOf(list)), Some(("oneOf", What::AsAnyOf)))
                }
                Keyword::Contains { schema, min, max } if max != UNBOUNDED && wide.contains(&schema) => {
                    let keyword = Keyword::Contains { schema, min, max: UNBOUNDED };
                    (Some(keyword), Some(("maxContains", What::Dropped)))
                }
                Keyword::AdditionalProperties(_) if self.without_patterns.contains(&schema) => {
                    (None, Some(("additionalProperties", What::Dropped)))
                }
                other => (Some(other), None),
            };
            kept.extend(keyword);
            if let Some((name, what)) = changed {
                self.note_on(schema, name, what);
            }
        }
        let record = &mut self.doc.records[schema.0 as usize];
        let first = record.first as usize;
        record.len = kept.len() as u32;
        self.doc.keywords[first..first + kept.len()].copy_from_slice(&kept);
    }
}
