//! A schema document after reading: every reachable schema as a list of checked [`Keyword`]s.
//!
//! Schemas, keywords and values are ids into flat lists, so a keyword costs a few dozen bytes and
//! is never copied. [`reader`](super::reader) makes the document, and nothing changes it
//! afterwards.

use super::drafts::{self, Drafts};
use super::envelope::{self, Unwrapped};
use super::error::{self, SchemaWarning};
use super::format::Format;
use super::json::{Json, JsonKind, Value};
use super::reference::References;
use crate::automata::LangId;
use crate::grammar::CompileError;
use hashbrown::HashMap;

/// The greatest distance, in steps through `allOf` and `$ref`, at which alternatives are looked
/// for.
const MAX_LOOK: u32 = 4;

/// A set of JSON types, one bit each. `INTEGER` stands for the whole numbers, and `NUMBER` includes
/// them.
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
    /// A keyword that lenient mode dropped. It may have evaluated any property or item.
    Unknown,
    Types(Types),
    /// The keyword `enum` with its array of values.
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
    /// The keyword `prefixItems` with its array of schemas.
    PrefixItems(Value),
    /// The schema of the items after the prefix.
    Items(Value),
    UniqueItems,
    Contains {
        schema: Value,
        min: u32,
        max: u32,
    },
    /// The keyword `properties` with its object of schemas.
    Properties(Value),
    /// The keyword `patternProperties` with its object of schemas, by pattern.
    PatternProperties(Value),
    AdditionalProperties(Value),
    /// The keyword `required` with its array of strings.
    Required(Value),
    PropertyNames(Value),
    MinProperties(u32),
    MaxProperties(u32),
    /// The keyword `dependencies`, `dependentRequired` or `dependentSchemas`, with its object of
    /// arrays of strings or of schemas.
    Dependencies(Value),
    UnevaluatedItems(Value),
    UnevaluatedProperties(Value),
    Ref(Value),
    /// A reference that follows the dynamic scope, with its static target and the number of its
    /// anchor.
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

/// The result of reading one schema: its place in the list of keywords, and flags.
#[derive(Clone, Copy, Default)]
pub(super) struct Record {
    pub first: u32,
    pub len: u32,
    pub read: bool,
    /// Set if some value evidently satisfies the schema.
    pub inhabited: bool,
    /// The resource that the schema belongs to, as a [`Value`] id.
    pub resource: u32,
}

/// A document and everything that it refers to, checked.
pub(super) struct Document {
    pub json: Json,
    pub root: Value,
    pub records: Vec<Record>,
    pub keywords: Vec<Keyword>,
    pub references: References,
    pub patterns: HashMap<Box<str>, LangId>,
}

/// A warning about a member of a schema. Its text is made only if a caller asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Note {
    pub schema: Value,
    /// The index of the member in the schema.
    pub member: u32,
    pub what: What,
}

/// A reason why a member has no effect, or less effect than it seems to have.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Unknown,
    /// The keyword belongs to other drafts.
    OtherDraft(Drafts),
    /// The member holds definitions that `$ref` can reach by pointer in any draft, though this
    /// draft does not know the keyword.
    OtherDefinitions(Drafts),
    /// The keyword is of the validation vocabulary, which the meta-schema leaves out.
    OutsideVocabulary,
    /// The keyword stands beside `$ref`. Up to draft 7 such keywords have no effect.
    BesideRef,
    /// The keyword has an effect only beside the keyword named here.
    Alone(&'static str),
    UnknownFormat,
    Annotation,
    UnknownDialect,
    /// OpenAPI's `nullable` beside an `enum` without null.
    NotInEnum,
    /// The `u` flag forbids a pattern: that of `pattern`, or the one at this index of
    /// `patternProperties`.
    AnnexB(u32),
    /// Lenient mode dropped the keyword.
    Dropped,
    /// Lenient mode weakened `oneOf` to `anyOf`.
    AsAnyOf,
}

impl Document {
    /// Parses `text` and finds the schema in it, inside an envelope or not.
    pub fn parse(text: &str) -> Result<(Json, Unwrapped), CompileError> {
        let mut json = Json::default();
        let parsed = json.parse(text).map_err(|e| error::not_json(text, &e))?;
        let root = envelope::unwrap(&mut json, parsed)?;
        Ok((json, root))
    }

    /// The texts that a pattern of the document matches.
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

    /// Reports whether some value evidently satisfies the schema; false if that is not evident.
    pub fn obviously_inhabited(&self, schema: Value) -> bool {
        self.records.get(schema.0 as usize).is_some_and(|r| r.inhabited)
    }

    /// Reports whether a keyword has alternatives that must be told apart.
    ///
    /// The alternatives may be its own, or those of schemas that it applies at the same place.
    pub fn divides(&self, keyword: &Keyword) -> bool {
        self.divides_within(keyword, MAX_LOOK)
    }

    fn divides_within(&self, keyword: &Keyword, look: u32) -> bool {
        let below = |schema: Value| {
            look > 0 && self.keywords(schema).iter().any(|k| self.divides_within(k, look - 1))
        };
        match *keyword {
            Keyword::OneOf(_) | Keyword::Not(_) | Keyword::Condition { .. } => true,
            Keyword::AllOf(list) => self.json.items(list).iter().any(|&schema| below(schema)),
            Keyword::Ref(target) => below(target),
            _ => false,
        }
    }

    /// Calls `f` with every schema that the keyword applies.
    pub fn each_applied(&self, keyword: &Keyword, mut f: impl FnMut(Value)) {
        let json = &self.json;
        match *keyword {
            Keyword::PrefixItems(list)
            | Keyword::AllOf(list)
            | Keyword::AnyOf(list)
            | Keyword::OneOf(list) => {
                json.items(list).iter().for_each(|&v| f(v));
            }
            Keyword::Properties(map) | Keyword::PatternProperties(map) => {
                json.members(map).for_each(|(_, v)| f(v));
            }
            Keyword::Dependencies(map) => {
                let schemas = json.members(map).map(|m| m.1);
                schemas.filter(|&v| !matches!(json.kind(v), JsonKind::Array { .. })).for_each(f);
            }
            Keyword::Items(v)
            | Keyword::Contains { schema: v, .. }
            | Keyword::AdditionalProperties(v)
            | Keyword::PropertyNames(v)
            | Keyword::UnevaluatedItems(v)
            | Keyword::UnevaluatedProperties(v)
            | Keyword::Ref(v)
            | Keyword::Not(v) => f(v),
            Keyword::DynamicRef { initial, anchor } => {
                f(initial);
                self.references.anchored(anchor).into_iter().for_each(f);
            }
            Keyword::Condition { test, then, otherwise } => {
                [Some(test), then, otherwise].into_iter().flatten().for_each(f);
            }
            Keyword::Never
            | Keyword::Unknown
            | Keyword::Types(_)
            | Keyword::Enum(_)
            | Keyword::Const(_)
            | Keyword::Lower { .. }
            | Keyword::Upper { .. }
            | Keyword::MultipleOf(_)
            | Keyword::MinLength(_)
            | Keyword::MaxLength(_)
            | Keyword::Pattern(_)
            | Keyword::Format(_)
            | Keyword::MinItems(_)
            | Keyword::MaxItems(_)
            | Keyword::UniqueItems
            | Keyword::Required(_)
            | Keyword::MinProperties(_)
            | Keyword::MaxProperties(_) => {}
        }
    }

    /// The resource that a schema belongs to: the document's root, or a schema with an `$id`.
    pub fn resource(&self, schema: Value) -> Value {
        self.records.get(schema.0 as usize).map_or(self.root, |r| Value(r.resource))
    }

    /// The place of a value, for messages: a JSON pointer with `#`, after the document's URI unless
    /// the value is in the main document.
    pub fn place(&self, value: Value) -> String {
        place(&self.json, &self.references, self.root, value)
    }

    /// The text of a note.
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
