//! A judge of closed objects: it finds out if every key of a value is named by a subschema that
//! applies to the key's object.
//!
//! The judge collects the subschemas that apply to a value as a validator collects annotations: it
//! asks the `jsonschema` crate which branches hold. It knows draft 2020-12 without dynamic
//! references.

use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::HashMap;

/// A schema document.
pub struct Judge {
    root: Value,
    validators: RefCell<HashMap<String, jsonschema::Validator>>,
}

/// The subschemas that apply to one value.
type Applied = Vec<Value>;

impl Judge {
    pub fn new(root: &Value) -> Judge {
        Judge { root: root.clone(), validators: RefCell::default() }
    }

    /// True if the value satisfies the document.
    pub fn is_valid(&self, value: &Value) -> bool {
        self.holds(&self.root, value)
    }

    /// True if some subschema names each key of a valid value, at every depth.
    pub fn is_closed(&self, value: &Value) -> bool {
        self.all_named(std::slice::from_ref(&self.root), value)
    }

    fn holds(&self, schema: &Value, value: &Value) -> bool {
        let mut document = Map::new();
        document.insert("allOf".to_owned(), json!([schema]));
        if let Some(definitions) = self.root.get("$defs") {
            document.insert("$defs".to_owned(), definitions.clone());
        }
        let document = Value::Object(document);
        let mut validators = self.validators.borrow_mut();
        let validator = validators.entry(document.to_string()).or_insert_with(|| {
            let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
            options.build(&document).unwrap()
        });
        validator.is_valid(value)
    }

    fn all_named(&self, schemas: &[Value], value: &Value) -> bool {
        let mut applied = Applied::new();
        schemas.iter().for_each(|schema| self.expand(schema, value, &mut applied));
        if applied.iter().any(|s| s.get("const").is_some() || s.get("enum").is_some()) {
            return true;
        }
        match value {
            Value::Object(members) => members.iter().all(|(key, member)| {
                let below = applied.iter().flat_map(|schema| self.property(schema, value, key));
                let below: Vec<Value> = below.collect();
                (!below.is_empty() || applied.iter().any(|schema| requires(schema, key)))
                    && self.all_named(&below, member)
            }),
            Value::Array(items) => items.iter().enumerate().all(|(i, item)| {
                let below = applied.iter().flat_map(|schema| self.item(schema, value, i));
                self.all_named(&below.collect::<Vec<Value>>(), item)
            }),
            _ => true,
        }
    }

    /// Adds the schema, and every schema that applies to the same value through it, to `applied`.
    fn expand(&self, schema: &Value, value: &Value, applied: &mut Applied) {
        let Value::Object(_) = schema else { return };
        applied.push(schema.clone());
        let list = |name: &str| schema.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut below = list("allOf");
        for name in ["anyOf", "oneOf"] {
            below.extend(list(name).into_iter().filter(|branch| self.holds(branch, value)));
        }
        if let Some(test) = schema.get("if") {
            let holds = self.holds(test, value);
            below.extend(holds.then(|| test.clone()));
            below.extend(schema.get(if holds { "then" } else { "else" }).cloned());
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            below.extend(self.root.pointer(target.trim_start_matches('#')).cloned());
        }
        if let (Some(Value::Object(dependent)), Value::Object(members)) =
            (schema.get("dependentSchemas"), value)
        {
            below.extend(dependent.iter().filter(|(key, _)| members.contains_key(*key)).map(|d| d.1.clone()));
        }
        below.iter().for_each(|schema| self.expand(schema, value, applied));
    }

    /// The schemas that a schema's own keywords apply to a property.
    fn property(&self, schema: &Value, value: &Value, key: &str) -> Vec<Value> {
        let mut found: Vec<Value> =
            schema.get("properties").and_then(|p| p.get(key)).cloned().into_iter().collect();
        if let Some(Value::Object(patterns)) = schema.get("patternProperties") {
            let matching = patterns.iter().filter(|(pattern, _)| {
                let names = json!({ "type": "string", "pattern": pattern });
                self.holds(&names, &json!(key))
            });
            found.extend(matching.map(|(_, schema)| schema.clone()));
        }
        if found.is_empty() {
            found.extend(schema.get("additionalProperties").cloned());
        }
        self.with_unevaluated(found, schema, value, "unevaluatedProperties", |other| {
            !self.property(other, value, key).is_empty()
        })
    }

    /// The schemas found, or the one under `keyword` if none was found here or by schemas that
    /// apply to the same value.
    fn with_unevaluated(
        &self,
        mut found: Vec<Value>,
        schema: &Value,
        value: &Value,
        keyword: &str,
        finds: impl Fn(&Value) -> bool,
    ) -> Vec<Value> {
        if let (true, Some(rest)) = (found.is_empty(), schema.get(keyword)) {
            let mut others = Applied::new();
            self.expand(schema, value, &mut others);
            if !others.iter().skip(1).any(finds) {
                found.push(rest.clone());
            }
        }
        found
    }

    /// The schemas that a schema's own keywords apply to an item.
    fn item(&self, schema: &Value, value: &Value, index: usize) -> Vec<Value> {
        let prefix = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], |p| &p[..]);
        let mut found: Vec<Value> = prefix.get(index).cloned().into_iter().collect();
        if index >= prefix.len() {
            found.extend(schema.get("items").cloned());
        }
        if let Some(contained) = schema.get("contains") {
            found.extend(self.holds(contained, &value[index]).then(|| contained.clone()));
        }
        self.with_unevaluated(found, schema, value, "unevaluatedItems", |other| {
            !self.item(other, value, index).is_empty()
        })
    }
}

/// True if `required` or a list of `dependentRequired` has the key.
fn requires(schema: &Value, key: &str) -> bool {
    let has = |list: &Value| list.as_array().is_some_and(|list| list.iter().any(|k| k == key));
    let mut lists: Vec<&Value> = schema.get("required").into_iter().collect();
    if let Some(Value::Object(dependent)) = schema.get("dependentRequired") {
        lists.extend(dependent.values());
    }
    lists.into_iter().any(has)
}
