//! Reading a document: every keyword checked, once.
//!
//! One pass over the schemas reachable from the root (through applicators and references, across documents) finds
//! everything that is malformed, unsupported or unresolvable before anything is compiled, and leaves a form in
//! which no later step can meet bad input. Schemas nobody refers to have no effect and are not read. The pass is a
//! work list, so nesting costs no stack; per schema it is one look at each member.
//!
//! Keywords are read by the rules of the draft that `$schema` names: keywords a draft does not know are annotations
//! there (with a warning where another draft gives them a meaning). Without `$schema` the rules are those of
//! 2020-12, and the older spellings (`definitions`, `dependencies`, `additionalItems`, array `items`, boolean
//! `exclusiveMinimum`, OpenAPI's `nullable`) mean what they meant.

use super::document::{
    Document, Keyword, Note, Record, Types, ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING,
};
use super::error::SchemaError;
use super::format::Format;
use super::json::{Json, Kind, Value};
use super::options::{
    AdditionalProperties, ContentEncoding, Draft, FormatPolicy, SchemaOptions, Strictness, UnknownFormat,
};
use super::reference::References;
use crate::automata::{Decimal, Languages, UNBOUNDED};
use hashbrown::HashMap;

/// At most this many warnings are kept.
const MAX_NOTES: usize = 10_000;

/// Reads a parsed document and what it refers to. Patterns are compiled into `pool`.
pub(super) fn read(
    mut json: Json,
    root: Value,
    text: &str,
    options: &SchemaOptions,
    pool: &mut Languages,
) -> Result<(Document, Vec<Note>), SchemaError> {
    if !matches!(json.kind(root), Kind::Object { .. } | Kind::Bool(_)) {
        return Err(SchemaError::Malformed {
            pointer: "#".to_owned(),
            keyword: "schema".to_owned(),
            reason: "must be an object, `true` or `false`".to_owned(),
        });
    }
    let references = References::new(&mut json, root, text, options);
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
    };
    reader.doc.keywords.reserve(64);
    reader.enqueue(root, root);
    while let Some((schema, resource)) = reader.queue.pop() {
        reader.schema(schema, resource)?;
    }
    Ok((reader.doc, reader.notes))
}

struct Reader<'o> {
    doc: Document,
    options: &'o SchemaOptions,
    pool: &'o mut Languages,
    queue: Vec<(Value, Value)>,
    notes: Vec<Note>,
}

/// Members that say several keywords' worth together.
#[derive(Default)]
struct Gathered {
    types: Types,
    nullable: bool,
    minimum: Option<Value>,
    maximum: Option<Value>,
    exclusive_minimum: Option<Value>,
    exclusive_maximum: Option<Value>,
    prefix_items: Option<Value>,
    items: Option<Value>,
    additional_items: Option<Value>,
    contains: Option<Value>,
    min_contains: Option<u32>,
    max_contains: Option<u32>,
    properties: bool,
    additional: bool,
    unevaluated: bool,
    test: Option<Value>,
    then: Option<Value>,
    otherwise: Option<Value>,
    /// How many keywords restrict strings.
    text_conditions: u32,
    /// Some keyword may leave nothing.
    restricted: bool,
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

    fn error_place(&self, schema: Value, keyword: &str) -> String {
        let mut place = self.doc.place(schema);
        place.push('/');
        place.push_str(&keyword.replace('~', "~0").replace('/', "~1"));
        place
    }

    fn malformed(&self, schema: Value, keyword: &str, reason: impl Into<String>) -> SchemaError {
        SchemaError::Malformed {
            pointer: self.error_place(schema, keyword),
            keyword: keyword.to_owned(),
            reason: reason.into(),
        }
    }

    /// An error, or a note in lenient mode.
    fn unsupported(
        &mut self,
        schema: Value,
        member: u32,
        keyword: &str,
        reason: impl Into<String>,
    ) -> Result<(), SchemaError> {
        if self.options.strictness == Strictness::Lenient {
            self.note(Note::Dropped { schema, member });
            return Ok(());
        }
        Err(SchemaError::Unsupported {
            pointer: self.error_place(schema, keyword),
            keyword: keyword.to_owned(),
            reason: reason.into(),
        })
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }

    fn count(&self, schema: Value, keyword: &str, value: Value) -> Result<u32, SchemaError> {
        let decimal = self.doc.json.as_number(value).and_then(Decimal::parse);
        match decimal {
            Some(d) if d.is_integer() && !d.is_negative() => Ok(d.to_u32().unwrap_or(UNBOUNDED)),
            _ => Err(self.malformed(schema, keyword, "must be a whole number, 0 or more")),
        }
    }

    fn number(&self, schema: Value, keyword: &str, value: Value) -> Result<Decimal, SchemaError> {
        self.doc
            .json
            .as_number(value)
            .and_then(Decimal::parse)
            .ok_or_else(|| self.malformed(schema, keyword, "must be a number"))
    }

    fn subschema(
        &mut self,
        schema: Value,
        keyword: &str,
        value: Value,
        resource: Value,
    ) -> Result<Value, SchemaError> {
        match self.doc.json.kind(value) {
            Kind::Object { .. } | Kind::Bool(_) => {
                self.enqueue(value, resource);
                Ok(value)
            }
            _ => Err(self.malformed(schema, keyword, "must be a schema (an object, `true` or `false`)")),
        }
    }

    fn subschema_list(
        &mut self,
        schema: Value,
        keyword: &str,
        value: Value,
        resource: Value,
    ) -> Result<Value, SchemaError> {
        let Kind::Array { len, .. } = self.doc.json.kind(value) else {
            return Err(self.malformed(schema, keyword, "must be an array of schemas"));
        };
        for i in 0..len as usize {
            let item = self.doc.json.items(value)[i];
            self.subschema(schema, keyword, item, resource)?;
        }
        Ok(value)
    }

    fn subschema_map(
        &mut self,
        schema: Value,
        keyword: &str,
        value: Value,
        resource: Value,
    ) -> Result<Value, SchemaError> {
        let Kind::Object { len, .. } = self.doc.json.kind(value) else {
            return Err(self.malformed(schema, keyword, "must be an object of schemas"));
        };
        for i in 0..len {
            let item = self.doc.json.member(value, i).1;
            self.subschema(schema, keyword, item, resource)?;
        }
        Ok(value)
    }

    /// Compiles a pattern; says whether any text matches it.
    fn pattern(&mut self, pattern: &str) -> Result<bool, String> {
        let language = match self.doc.patterns.get(pattern) {
            Some(&language) => language,
            None => {
                let language = super::pattern::language(self.pool, pattern)?;
                self.doc.patterns.insert(pattern.into(), language);
                language
            }
        };
        Ok(!self.pool.is_never(language))
    }

    fn is_string_list(&self, value: Value) -> bool {
        matches!(self.doc.json.kind(value), Kind::Array { .. })
            && self.doc.json.items(value).iter().all(|&v| self.doc.json.as_str(v).is_some())
    }

    fn type_bit(&self, value: Value) -> Option<Types> {
        Some(match self.doc.json.as_str(value)? {
            "null" => NULL,
            "boolean" => BOOLEAN,
            "integer" => INTEGER,
            "number" => NUMBER,
            "string" => STRING,
            "array" => ARRAY,
            "object" => OBJECT,
            _ => return None,
        })
    }

    fn types(&self, schema: Value, value: Value) -> Result<Types, SchemaError> {
        let bits = match self.doc.json.kind(value) {
            Kind::String(_) => self.type_bit(value),
            Kind::Array { .. } => {
                self.doc.json.items(value).iter().try_fold(0, |bits, &v| Some(bits | self.type_bit(v)?))
            }
            _ => None,
        };
        bits.filter(|&bits| bits != 0).ok_or_else(|| {
            self.malformed(
                schema,
                "type",
                "must be one of `null`, `boolean`, `integer`, `number`, `string`, `array`, `object`, or a list of them",
            )
        })
    }

    fn schema(&mut self, schema: Value, outer: Value) -> Result<(), SchemaError> {
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

    fn object_schema(&mut self, schema: Value, outer: Value, len: u32) -> Result<bool, SchemaError> {
        let resource = self.doc.references.resource_at(schema).unwrap_or(outer);
        self.doc.records[schema.0 as usize].resource = resource.0;
        let draft = self.doc.references.draft(resource);
        // Up to draft 7 nothing beside `$ref` counts.
        if draft <= Draft::Seven {
            if let Some(member) = (0..len).find(|&i| self.doc.json.member_key(schema, i) == "$ref") {
                let (_, value) = self.doc.json.member(schema, member);
                self.reference(schema, "$ref", value, resource)?;
                return Ok(false);
            }
        }
        let validates = self.doc.references.validates(resource);
        let mut g = Gathered::default();
        for member in 0..len {
            if !validates && is_validation(self.doc.json.member_key(schema, member)) {
                self.note(Note::OtherDraft { schema, member });
                continue;
            }
            self.member(schema, member, resource, draft, &mut g)?;
        }
        self.finish(schema, resource, draft, g)
    }

    /// One member of a schema object.
    fn member(
        &mut self,
        schema: Value,
        member: u32,
        resource: Value,
        draft: Draft,
        g: &mut Gathered,
    ) -> Result<(), SchemaError> {
        use Draft::{Four, Seven, Six, Unspecified, Y2019, Y2020};
        let (key, value) = self.doc.json.member(schema, member);
        let since = |first: Draft| draft >= first;
        let push = match key {
            "type" => {
                let types = self.types(schema, value)?;
                g.types = types;
                None
            }
            "properties" => {
                g.properties = true;
                Some(Keyword::Properties(self.subschema_map(schema, "properties", value, resource)?))
            }
            "required" => {
                if !self.is_string_list(value) {
                    return Err(self.malformed(schema, "required", "must be an array of strings"));
                }
                g.restricted |= !self.doc.json.items(value).is_empty();
                Some(Keyword::Required(value))
            }
            "additionalProperties" => {
                g.additional = true;
                Some(Keyword::AdditionalProperties(self.subschema(
                    schema,
                    "additionalProperties",
                    value,
                    resource,
                )?))
            }
            "description" | "title" | "default" | "examples" | "$comment" | "definitions" | "$defs"
            | "$schema" | "readOnly" | "writeOnly" | "deprecated" | "$vocabulary" | "$id" | "id"
            | "x-guidance" | "contentMediaType" | "contentSchema" | "$anchor" | "$dynamicAnchor"
            | "$recursiveAnchor" => None,
            "enum" => {
                if !matches!(self.doc.json.kind(value), Kind::Array { .. }) {
                    return Err(self.malformed(schema, "enum", "must be an array of values"));
                }
                g.restricted = true;
                Some(Keyword::Enum(value))
            }
            "const" if since(Six) => {
                g.restricted = true;
                Some(Keyword::Const(value))
            }
            "items" => {
                g.items = Some(value);
                None
            }
            "$ref" => {
                g.restricted = true;
                return self.reference(schema, "$ref", value, resource);
            }
            "$dynamicRef" if since(Y2020) => {
                g.restricted = true;
                return self.reference(schema, "$dynamicRef", value, resource);
            }
            "$recursiveRef" if draft == Y2019 || draft == Unspecified => {
                g.restricted = true;
                return self.reference(schema, "$recursiveRef", value, resource);
            }
            "minLength" => {
                let n = self.count(schema, "minLength", value)?;
                g.text_conditions += 1;
                Some(Keyword::MinLength(n))
            }
            "maxLength" => {
                let n = self.count(schema, "maxLength", value)?;
                g.text_conditions += 1;
                Some(Keyword::MaxLength(n))
            }
            "pattern" => {
                g.text_conditions += 1;
                let Some(pattern) = self.doc.json.as_str(value) else {
                    return Err(self.malformed(schema, "pattern", "must be a string"));
                };
                let pattern = pattern.to_owned();
                match self.pattern(&pattern) {
                    Ok(inhabited) => {
                        g.restricted |= !inhabited;
                        Some(Keyword::Pattern(value))
                    }
                    Err(reason) => return self.unsupported(schema, member, "pattern", reason),
                }
            }
            "format" => {
                let Some(name) = self.doc.json.as_str(value) else {
                    return Err(self.malformed(schema, "format", "must be a string"));
                };
                let format = Format::by_name(name);
                if self.options.format == FormatPolicy::Annotate {
                    self.note(Note::IgnoredFormat { schema, member });
                    return Ok(());
                }
                match format {
                    Some(format) => {
                        g.text_conditions += 1;
                        Some(Keyword::Format(format))
                    }
                    None if self.options.unknown_format == UnknownFormat::Refuse => {
                        let reason = format!("the format `{name}` is not known");
                        return self.unsupported(schema, member, "format", reason);
                    }
                    None => {
                        self.note(Note::UnknownFormat { schema, member });
                        None
                    }
                }
            }
            "contentEncoding" if since(Seven) => {
                let Some(name) = self.doc.json.as_str(value) else {
                    return Err(self.malformed(schema, "contentEncoding", "must be a string"));
                };
                let is_base64 = name.eq_ignore_ascii_case("base64");
                if !is_base64 || self.options.content_encoding == ContentEncoding::Annotate {
                    self.note(Note::IgnoredEncoding { schema, member });
                    return Ok(());
                }
                g.text_conditions += 1;
                Some(Keyword::Format(Format::Base64))
            }
            "minimum" => {
                g.minimum = Some(value);
                None
            }
            "maximum" => {
                g.maximum = Some(value);
                None
            }
            "exclusiveMinimum" => {
                g.exclusive_minimum = Some(value);
                None
            }
            "exclusiveMaximum" => {
                g.exclusive_maximum = Some(value);
                None
            }
            "multipleOf" => {
                let divisor = self.number(schema, "multipleOf", value)?;
                if divisor.is_zero() || divisor.is_negative() {
                    return Err(self.malformed(schema, "multipleOf", "must be greater than 0"));
                }
                g.restricted = true;
                if divisor.scaled().is_none_or(|(d, places)| d >= 1_000_000_000_000_000 || places > 15) {
                    let reason = "the divisor has more than 15 digits";
                    return self.unsupported(schema, member, "multipleOf", reason);
                }
                Some(Keyword::MultipleOf(value))
            }
            "prefixItems" if since(Y2020) => {
                g.prefix_items = Some(value);
                None
            }
            "additionalItems" if draft != Y2020 => {
                g.additional_items = Some(value);
                None
            }
            "minItems" => {
                let n = self.count(schema, "minItems", value)?;
                g.restricted |= n > 0;
                Some(Keyword::MinItems(n))
            }
            "maxItems" => Some(Keyword::MaxItems(self.count(schema, "maxItems", value)?)),
            "uniqueItems" => match self.doc.json.kind(value) {
                Kind::Bool(true) => Some(Keyword::UniqueItems),
                Kind::Bool(false) => None,
                _ => return Err(self.malformed(schema, "uniqueItems", "must be `true` or `false`")),
            },
            "contains" if since(Six) => {
                g.restricted = true;
                g.contains = Some(self.subschema(schema, "contains", value, resource)?);
                None
            }
            "minContains" if since(Y2019) => {
                g.min_contains = Some(self.count(schema, "minContains", value)?);
                None
            }
            "maxContains" if since(Y2019) => {
                g.max_contains = Some(self.count(schema, "maxContains", value)?);
                None
            }
            "patternProperties" => {
                for i in 0..self.doc.json.member_count(value) {
                    let pattern = self.doc.json.member_key(value, i).to_owned();
                    if let Err(reason) = self.pattern(&pattern) {
                        return self.unsupported(schema, member, "patternProperties", reason);
                    }
                }
                g.restricted = true;
                Some(Keyword::PatternProperties(self.subschema_map(
                    schema,
                    "patternProperties",
                    value,
                    resource,
                )?))
            }
            "propertyNames" if since(Six) => {
                Some(Keyword::PropertyNames(self.subschema(schema, "propertyNames", value, resource)?))
            }
            "minProperties" => {
                let n = self.count(schema, "minProperties", value)?;
                g.restricted |= n > 0;
                Some(Keyword::MinProperties(n))
            }
            "maxProperties" => Some(Keyword::MaxProperties(self.count(schema, "maxProperties", value)?)),
            "dependencies" | "dependentSchemas" | "dependentRequired" => {
                if key != "dependencies" && !since(Y2019) {
                    self.note(Note::OtherDraft { schema, member });
                    return Ok(());
                }
                let keyword = match key {
                    "dependencies" => "dependencies",
                    "dependentSchemas" => "dependentSchemas",
                    _ => "dependentRequired",
                };
                if !self.doc.json.is_object(value) {
                    return Err(self.malformed(schema, keyword, "must be an object"));
                }
                g.restricted = true;
                for i in 0..self.doc.json.member_count(value) {
                    let (_, item) = self.doc.json.member(value, i);
                    let is_list = self.is_string_list(item);
                    match keyword {
                        "dependentRequired" if !is_list => {
                            return Err(self.malformed(schema, keyword, "must hold arrays of strings"));
                        }
                        "dependentSchemas" => {
                            self.subschema(schema, keyword, item, resource)?;
                        }
                        "dependencies" if !is_list => {
                            self.subschema(schema, keyword, item, resource)?;
                        }
                        _ => {}
                    }
                }
                Some(Keyword::Dependencies(value))
            }
            "unevaluatedProperties" if since(Y2019) => {
                g.unevaluated = true;
                g.restricted = true;
                Some(Keyword::UnevaluatedProperties(self.subschema(
                    schema,
                    "unevaluatedProperties",
                    value,
                    resource,
                )?))
            }
            "unevaluatedItems" if since(Y2019) => {
                g.unevaluated = true;
                g.restricted = true;
                Some(Keyword::UnevaluatedItems(self.subschema(
                    schema,
                    "unevaluatedItems",
                    value,
                    resource,
                )?))
            }
            "allOf" | "anyOf" | "oneOf" => {
                g.restricted = true;
                let (keyword, make): (_, fn(Value) -> Keyword) = match key {
                    "allOf" => ("allOf", Keyword::AllOf),
                    "anyOf" => ("anyOf", Keyword::AnyOf),
                    _ => ("oneOf", Keyword::OneOf),
                };
                let list = self.subschema_list(schema, keyword, value, resource)?;
                if self.doc.json.items(list).is_empty() {
                    return Err(self.malformed(schema, keyword, "must not be empty"));
                }
                Some(make(list))
            }
            "not" => {
                g.restricted = true;
                Some(Keyword::Not(self.subschema(schema, "not", value, resource)?))
            }
            "if" if since(Seven) => {
                g.test = Some(value);
                None
            }
            "then" if since(Seven) => {
                g.then = Some(value);
                None
            }
            "else" if since(Seven) => {
                g.otherwise = Some(value);
                None
            }
            "nullable" if draft == Unspecified => {
                g.nullable = self.doc.json.kind(value) == Kind::Bool(true);
                None
            }
            "const"
            | "contains"
            | "propertyNames"
            | "if"
            | "then"
            | "else"
            | "minContains"
            | "maxContains"
            | "prefixItems"
            | "$dynamicRef"
            | "$recursiveRef"
            | "unevaluatedProperties"
            | "unevaluatedItems"
            | "contentEncoding"
            | "additionalItems" => {
                debug_assert!(draft >= Four);
                self.note(Note::OtherDraft { schema, member });
                None
            }
            _ => {
                self.note(Note::Unknown { schema, member });
                None
            }
        };
        self.doc.keywords.extend(push);
        Ok(())
    }

    /// The keywords that several members say together.
    fn finish(
        &mut self,
        schema: Value,
        resource: Value,
        draft: Draft,
        mut g: Gathered,
    ) -> Result<bool, SchemaError> {
        if g.nullable && g.types != 0 {
            g.types |= NULL;
        }
        if g.types != 0 {
            self.doc.keywords.push(Keyword::Types(g.types));
        }
        for (plain, exclusive, name, exclusive_name, lower) in [
            (g.minimum, g.exclusive_minimum, "minimum", "exclusiveMinimum", true),
            (g.maximum, g.exclusive_maximum, "maximum", "exclusiveMaximum", false),
        ] {
            let mut bound = |value, exclusive| {
                g.restricted = true;
                self.doc.keywords.push(if lower {
                    Keyword::Lower { value, exclusive }
                } else {
                    Keyword::Upper { value, exclusive }
                });
            };
            // Draft 4's boolean says that `minimum` itself is outside.
            let flag = match exclusive.map(|v| self.doc.json.kind(v)) {
                Some(Kind::Bool(flag)) => Some(flag),
                _ => None,
            };
            if let Some(value) = plain {
                bound(value, flag == Some(true));
            }
            if let (Some(value), None) = (exclusive, flag) {
                bound(value, true);
            }
            if let Some(value) = plain {
                self.number(schema, name, value)?;
            }
            if let (Some(value), None) = (exclusive, flag) {
                self.number(schema, exclusive_name, value)?;
            }
        }
        self.finish_items(schema, resource, draft, &g)?;
        if let Some(contained) = g.contains {
            self.doc.keywords.push(Keyword::Contains {
                schema: contained,
                min: g.min_contains.unwrap_or(1),
                max: g.max_contains.unwrap_or(UNBOUNDED),
            });
        }
        if let Some(test) = g.test {
            g.restricted = true;
            let test = self.subschema(schema, "if", test, resource)?;
            let then = match g.then {
                Some(then) => Some(self.subschema(schema, "then", then, resource)?),
                None => None,
            };
            let otherwise = match g.otherwise {
                Some(otherwise) => Some(self.subschema(schema, "else", otherwise, resource)?),
                None => None,
            };
            self.doc.keywords.push(Keyword::Condition { test, then, otherwise });
        }
        let forbid = self.options.additional_properties == AdditionalProperties::Forbid;
        if forbid && g.properties && !g.additional && !g.unevaluated {
            self.doc.keywords.push(Keyword::NoAdditionalProperties);
        }
        Ok(!g.restricted && g.text_conditions < 2)
    }

    fn finish_items(
        &mut self,
        schema: Value,
        resource: Value,
        draft: Draft,
        g: &Gathered,
    ) -> Result<(), SchemaError> {
        let is_list = |v: Value, json: &Json| matches!(json.kind(v), Kind::Array { .. });
        if let Some(prefix) = g.prefix_items {
            let prefix = self.subschema_list(schema, "prefixItems", prefix, resource)?;
            self.doc.keywords.push(Keyword::PrefixItems(prefix));
        }
        let rest = match g.items {
            Some(items) if is_list(items, &self.doc.json) => {
                if draft == Draft::Y2020 || g.prefix_items.is_some() {
                    return Err(self.malformed(
                        schema,
                        "items",
                        "must be a schema; a list of schemas is `prefixItems`",
                    ));
                }
                let prefix = self.subschema_list(schema, "items", items, resource)?;
                self.doc.keywords.push(Keyword::PrefixItems(prefix));
                g.additional_items.map(|v| ("additionalItems", v))
            }
            Some(items) => Some(("items", items)),
            None => None,
        };
        if let Some((keyword, rest)) = rest {
            let rest = self.subschema(schema, keyword, rest, resource)?;
            self.doc.keywords.push(Keyword::Items(rest));
        }
        Ok(())
    }

    fn reference(
        &mut self,
        schema: Value,
        keyword: &str,
        value: Value,
        resource: Value,
    ) -> Result<(), SchemaError> {
        let Some(target) = self.doc.json.as_str(value).map(str::to_owned) else {
            return Err(self.malformed(schema, keyword, "must be a string"));
        };
        let found = match self.doc.references.resolve(&mut self.doc.json, resource, &target) {
            Ok(found) => found,
            Err(reason) => {
                if self.options.strictness == Strictness::Lenient {
                    let member =
                        self.doc.json.members(schema).position(|m| m.0 == keyword).unwrap_or(0) as u32;
                    self.note(Note::Dropped { schema, member });
                    return Ok(());
                }
                return Err(SchemaError::Reference {
                    pointer: self.error_place(schema, keyword),
                    keyword: keyword.to_owned(),
                    target,
                    reason,
                });
            }
        };
        if !matches!(self.doc.json.kind(found), Kind::Object { .. } | Kind::Bool(_)) {
            return Err(SchemaError::Reference {
                pointer: self.error_place(schema, keyword),
                keyword: keyword.to_owned(),
                target,
                reason: "which is not a schema (an object, `true` or `false`)".to_owned(),
            });
        }
        let home = self.doc.references.enclosing_resource(&self.doc.json, found);
        self.enqueue(found, home);
        let anchor = match keyword {
            "$dynamicRef" => self.doc.references.dynamic_anchor(home, found, &target),
            "$recursiveRef" => self.doc.references.recursive_anchor(home),
            _ => None,
        };
        let push = match anchor {
            Some(anchor) => {
                // Whichever resource is entered first decides, so every candidate must be read.
                for candidate in self.doc.references.anchored(anchor) {
                    let home = self.doc.references.enclosing_resource(&self.doc.json, candidate);
                    self.enqueue(candidate, home);
                }
                Keyword::DynamicRef { initial: found, anchor }
            }
            None => Keyword::Ref(found),
        };
        self.doc.keywords.push(push);
        Ok(())
    }
}

/// Whether a keyword belongs to the validation vocabulary (as opposed to core and applicators).
fn is_validation(keyword: &str) -> bool {
    matches!(
        keyword,
        "type"
            | "enum"
            | "const"
            | "multipleOf"
            | "maximum"
            | "exclusiveMaximum"
            | "minimum"
            | "exclusiveMinimum"
            | "maxLength"
            | "minLength"
            | "pattern"
            | "maxItems"
            | "minItems"
            | "uniqueItems"
            | "maxContains"
            | "minContains"
            | "maxProperties"
            | "minProperties"
            | "required"
            | "dependentRequired"
    )
}
