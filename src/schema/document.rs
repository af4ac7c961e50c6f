//! A schema document read once: every reachable schema as a list of checked [`Keyword`]s.
//!
//! Schemas, keywords and values are ids into flat lists, so that the form costs a few dozen bytes a keyword and is never
//! copied. [`reader`](super::reader) makes it; nothing changes it afterwards.

use super::drafts::{self, Drafts};
use super::envelope::{self, Unwrapped};
use super::error::{self, SchemaWarning};
use super::format::Format;
use super::json::{Json, Value};
use super::reference::References;
use crate::automata::LangId;
use crate::grammar::CompileError;
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
    /// A keyword that lenient mode dropped, which may have evaluated any property or item.
    Unknown,
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

/// A warning about a schema's member, put into words only if somebody asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Note {
    pub schema: Value,
    /// Which of its members.
    pub member: u32,
    pub what: What,
}

/// Why a member has no effect, or less than it may seem.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Unknown,
    /// A keyword of other drafts.
    OtherDraft(Drafts),
    /// What `$ref` may name in any draft, though the draft does not know the keyword.
    OtherDefinitions(Drafts),
    /// A keyword of the validation vocabulary, which the meta-schema leaves out.
    OutsideVocabulary,
    /// Up to draft 7 nothing beside `$ref` counts.
    BesideRef,
    /// It says something only beside the keyword that is named here.
    Alone(&'static str),
    UnknownFormat,
    Annotation,
    UnknownDialect,
    /// OpenAPI's `nullable` beside an `enum` without null.
    NotInEnum,
    /// A pattern that the `u` flag forbids, at this place of `patternProperties` or in `pattern`.
    AnnexB(u32),
    /// Lenient mode dropped it.
    Dropped,
    /// Lenient mode weakened it to `anyOf`.
    AsAnyOf,
}

impl Document {
    /// Parses `text`; gives the schema, inside an envelope or not.
    pub fn parse(text: &str) -> Result<(Json, Unwrapped), CompileError> {
        let mut json = Json::default();
        let parsed = json.parse(text).map_err(|e| error::not_json(text, &e))?;
        let root = envelope::unwrap(&mut json, parsed)?;
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
        let (keyword, value) = match note.member < self.json.member_count(note.schema) {
            true => self.json.member(note.schema, note.member),
            false => ("", note.schema),
        };
        let draft = drafts::name(self.references.draft(self.resource(note.schema)));
        let message: String = match note.what {
            What::Unknown => "is not a JSON Schema keyword and has no effect".into(),
            What::OtherDraft(drafts) => format!("is a keyword of {drafts} and has no effect in {draft}"),
            What::OtherDefinitions(drafts) => format!(
                "is a keyword of {drafts}: in {draft} a `$ref` finds what it holds by pointer, but not by \
                 `$id` or anchor"
            ),
            What::OutsideVocabulary => {
                "is of a vocabulary that the meta-schema in `$schema` leaves out, and has no effect".into()
            }
            What::BesideRef => "stands beside `$ref` and has no effect up to draft 7".into(),
            What::Alone(other) => format!("has no effect without {other}"),
            What::UnknownFormat => {
                let format = self.json.as_str(value).unwrap_or("");
                format!("names `{format}`, a format that is not known, and has no effect")
            }
            What::Annotation => "is treated as an annotation".into(),
            What::UnknownDialect => {
                format!("names no dialect that is known; the schema is read as {draft}")
            }
            What::NotInEnum => "has no effect where `enum` does not hold null".into(),
            What::AnnexB(entry) => {
                let pattern = match keyword {
                    "patternProperties" => self.json.member_key(value, entry),
                    _ => self.json.as_str(value).unwrap_or(""),
                };
                let what = super::pattern::leniency(pattern).unwrap_or_default();
                format!("holds the pattern `{pattern}`, which the `u` flag forbids: {what}")
            }
            What::Dropped => "cannot be enforced and was dropped; the output may break it".into(),
            What::AsAnyOf => {
                "is enforced as `anyOf`, since something in it was dropped; the output may break it".into()
            }
        };
        SchemaWarning { pointer: self.place(note.schema), keyword: keyword.to_owned(), message }
    }
}

pub(super) fn place(json: &Json, references: &References, root: Value, value: Value) -> String {
    let document = json.root_of(value);
    let uri = if document == json.root_of(root) { "" } else { references.uri_of(document).unwrap_or("") };
    format!("{uri}#{}", json.pointer(value))
}
