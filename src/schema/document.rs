//! A schema document read once: every reachable schema as a list of checked [`Keyword`]s.
//!
//! Schemas, keywords and values are ids into flat lists, so that the form costs a few dozen bytes a keyword and is never
//! copied. [`reader`](super::reader) makes it; nothing changes it afterwards.

use super::error::{SchemaError, SchemaWarning};
use super::format::Format;
use super::json::{Json, Value};
use super::reference::{self, References};
use crate::automata::LangId;
use hashbrown::HashMap;

/// A set of JSON types, one bit each. `INTEGER` is the whole numbers; `NUMBER` includes them.
pub(super) type Types = u8;
pub(super) const NULL: Types = 1;
pub(super) const BOOLEAN: Types = 2;
pub(super) const INTEGER: Types = 4;
pub(super) const NUMBER: Types = 8;
pub(super) const STRING: Types = 16;
pub(super) const ARRAY: Types = 32;
pub(super) const OBJECT: Types = 64;

/// One assertion or applicator of a schema, checked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keyword {
    /// The schema `false`.
    Never,
    Types(Types),
    /// An array of values.
    Enum(Value),
    Const(Value),
    Lower {
        value: Value,
        exclusive: bool,
    },
    Upper {
        value: Value,
        exclusive: bool,
    },
    MultipleOf(Value),
    MinLength(u32),
    MaxLength(u32),
    Pattern(Value),
    Format(Format),
    MinItems(u32),
    MaxItems(u32),
    /// An array of schemas.
    PrefixItems(Value),
    /// The schema of the items behind the prefix.
    Items(Value),
    UniqueItems,
    Contains {
        schema: Value,
        min: u32,
        max: u32,
    },
    /// An object of schemas.
    Properties(Value),
    /// An object of schemas, by pattern.
    PatternProperties(Value),
    AdditionalProperties(Value),
    /// An array of strings.
    Required(Value),
    PropertyNames(Value),
    MinProperties(u32),
    MaxProperties(u32),
    /// An object of arrays of strings, or of schemas.
    Dependencies(Value),
    UnevaluatedItems(Value),
    UnevaluatedProperties(Value),
    Ref(Value),
    /// A reference that follows the dynamic scope: its static target and the anchor's number.
    DynamicRef {
        initial: Value,
        anchor: u32,
    },
    AllOf(Value),
    AnyOf(Value),
    OneOf(Value),
    Not(Value),
    Condition {
        test: Value,
        then: Option<Value>,
        otherwise: Option<Value>,
    },
}

/// What is known of one schema.
#[derive(Clone, Copy, Default)]
pub(super) struct Record {
    pub first: u32,
    pub len: u32,
    pub read: bool,
    /// Some value obviously satisfies the schema.
    pub inhabited: bool,
    /// Place in `scopes` data: the resource the schema belongs to (only kept for dynamic documents).
    pub resource: u32,
}

/// A document and everything it refers to, checked.
pub(super) struct Document {
    pub json: Json,
    pub root: Value,
    pub records: Vec<Record>,
    pub keywords: Vec<Keyword>,
    pub references: References,
    pub patterns: HashMap<Box<str>, LangId>,
}

/// A warning that is put into words only if somebody asks.
#[derive(Clone, Copy)]
pub(super) enum Note {
    /// The member with this index has no effect.
    Unknown {
        schema: Value,
        member: u32,
    },
    /// A keyword of another draft.
    OtherDraft {
        schema: Value,
        member: u32,
    },
    UnknownFormat {
        schema: Value,
        member: u32,
    },
    IgnoredFormat {
        schema: Value,
        member: u32,
    },
    IgnoredEncoding {
        schema: Value,
        member: u32,
    },
    /// Lenient mode dropped it.
    Dropped {
        schema: Value,
        member: u32,
    },
}

impl Document {
    /// Parses `text`; gives the schema's root, inside an envelope or not.
    pub fn parse(text: &str) -> Result<(Json, Value), SchemaError> {
        let mut json = Json::default();
        let parsed = json.parse(text).map_err(|e| reference::not_json(text, &e))?;
        let root = super::envelope::unwrap(&mut json, parsed)?;
        Ok((json, root))
    }

    /// The texts in which a pattern of the document is found.
    pub fn pattern(&self, pattern: &str) -> LangId {
        self.patterns.get(pattern).copied().unwrap_or(LangId::NEVER)
    }

    /// The keywords of a schema.
    pub fn keywords(&self, schema: Value) -> &[Keyword] {
        match self.records.get(schema.0 as usize) {
            Some(r) => &self.keywords[r.first as usize..(r.first + r.len) as usize],
            None => &[],
        }
    }

    /// Whether some value obviously satisfies the schema (false: not obvious).
    pub fn obviously_inhabited(&self, schema: Value) -> bool {
        self.records.get(schema.0 as usize).is_some_and(|r| r.inhabited)
    }

    /// Whether a keyword has alternatives that must be told apart, itself or, no more than `look` steps off, in place.
    pub fn divides(&self, keyword: &Keyword, look: u32) -> bool {
        let below =
            |schema: Value| look > 0 && self.keywords(schema).iter().any(|k| self.divides(k, look - 1));
        match *keyword {
            Keyword::OneOf(_) | Keyword::Not(_) | Keyword::Condition { .. } => true,
            Keyword::AllOf(list) => self.json.items(list).iter().any(|&schema| below(schema)),
            Keyword::Ref(target) => below(target),
            _ => false,
        }
    }

    /// The resource (schema with an `$id`, or document root) a schema belongs to.
    pub fn resource(&self, schema: Value) -> Value {
        self.records.get(schema.0 as usize).map_or(self.root, |r| Value(r.resource))
    }

    /// The place of a value for people: a JSON pointer with `#`, and the document's URI where it is not the main one.
    pub fn place(&self, value: Value) -> String {
        place(&self.json, &self.references, self.root, value)
    }

    /// A note in words.
    pub fn warning(&self, note: Note) -> SchemaWarning {
        let (schema, member, message) = match note {
            Note::Unknown { schema, member } => {
                (schema, member, "is not a JSON Schema keyword and has no effect")
            }
            Note::OtherDraft { schema, member } => {
                (schema, member, "is not a keyword of the draft that `$schema` names and has no effect")
            }
            Note::UnknownFormat { schema, member } => {
                (schema, member, "names a format that is not known and has no effect")
            }
            Note::IgnoredFormat { schema, member } | Note::IgnoredEncoding { schema, member } => {
                (schema, member, "is treated as an annotation")
            }
            Note::Dropped { schema, member } => {
                (schema, member, "cannot be enforced and was dropped; the output may break it")
            }
        };
        let keyword = self.json.members(schema).nth(member as usize).map_or("", |m| m.0);
        SchemaWarning {
            pointer: self.place(schema),
            keyword: keyword.to_owned(),
            message: message.to_owned(),
        }
    }
}

pub(super) fn place(json: &Json, references: &References, root: Value, value: Value) -> String {
    let document = json.root_of(value);
    let uri = if document == json.root_of(root) { "" } else { references.uri_of(document).unwrap_or("") };
    format!("{uri}#{}", json.pointer(value))
}
