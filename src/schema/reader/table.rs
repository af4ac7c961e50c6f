//! The keywords, one row each: the drafts that know them, the values that they may leave of a
//! schema, and how they are read.
//!
//! Sources: the meta-schemas of drafts 4, 6, 7, 2019-09 and 2020-12; OpenAPI 3.0 for `nullable`.

use super::super::document::Keyword;
use super::super::drafts::Drafts;
use super::super::json::Value;
use super::super::options::Draft;
use super::deferred::{DeferredKeywords, Satisfiability};
use super::keywords;
use super::state::{SchemaMember, SchemaReader};
use crate::grammar::CompileError;
use hashbrown::HashMap;
use std::sync::LazyLock;

/// The way in which a keyword's value is read.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// The value is not read.
    Annotation,
    /// The value is a schema.
    Schema(fn(Value) -> Keyword),
    /// The value is a list of schemas that is not empty.
    Schemas(fn(Value) -> Keyword),
    /// The value is an object of schemas.
    SchemaMap(fn(Value) -> Keyword),
    /// The value is a whole number, 0 or more, that is a minimum. 0 restricts nothing.
    Least(fn(u32) -> Keyword),
    /// The value is a whole number, 0 or more, that is a maximum.
    Most(fn(u32) -> Keyword),
    /// The member is kept until all members have been seen, since its meaning depends on others.
    Deferred(fn(&mut DeferredKeywords) -> &mut Option<SchemaMember>),
    /// The value is read by a rule of its own.
    Own(
        fn(
            &mut SchemaReader<'_>,
            SchemaMember,
            &mut DeferredKeywords,
        ) -> Result<Option<Keyword>, CompileError>,
    ),
}

/// The row of one keyword.
pub(super) struct KeywordRow {
    pub name: &'static str,
    pub drafts: Drafts,
    pub leaves: Satisfiability,
    /// Set if the keyword is of the validation vocabulary, which a meta-schema may leave out. The
    /// others are of the core, the applicators and the annotations.
    pub validation: bool,
    pub role: Role,
}

impl KeywordRow {
    /// Reports whether the keyword asserts or applies something.
    pub fn has_effect(&self) -> bool {
        !matches!(self.role, Role::Annotation)
    }
}

const fn row(name: &'static str, drafts: Drafts, leaves: Satisfiability, role: Role) -> KeywordRow {
    KeywordRow { name, drafts, leaves, validation: false, role }
}

const fn validation(name: &'static str, drafts: Drafts, leaves: Satisfiability, role: Role) -> KeywordRow {
    KeywordRow { name, drafts, leaves, validation: true, role }
}

const SINCE_6: Drafts = Drafts::since(Draft::Six);
const SINCE_7: Drafts = Drafts::since(Draft::Seven);
const SINCE_2019: Drafts = Drafts::since(Draft::Y2019);
const SINCE_2020: Drafts = Drafts::since(Draft::Y2020);
const UNNAMED: Drafts = Drafts::only(Draft::Unspecified);
const ONLY_2019: Drafts = Drafts::only(Draft::Y2019).or(UNNAMED);
const UNTIL_2019: Drafts = Drafts::ALL.without(Draft::Y2020);
const UNTIL_7: Drafts = UNTIL_2019.without(Draft::Y2019);
const ONLY_4: Drafts = Drafts::only(Draft::Four);

#[rustfmt::skip]
const ROWS: &[KeywordRow] = {
    use Satisfiability::{PerhapsNothing, SomeStrings, Something};
    use Role::{Annotation, Deferred, Least, Most, Own, Schema, SchemaMap, Schemas};
    const ALL: Drafts = Drafts::ALL;
    &[
        // Keywords for any value.
        validation("type", ALL, Something, Own(keywords::types)),
        validation("enum", ALL, PerhapsNothing, Own(keywords::enumeration)),
        validation("const", SINCE_6, PerhapsNothing, Own(keywords::constant)),
        row("nullable", UNNAMED, Something, Own(keywords::nullable)),
        // Keywords for numbers.
        validation("minimum", ALL, PerhapsNothing, Deferred(|d| &mut d.lower.inclusive)),
        validation("exclusiveMinimum", ALL, PerhapsNothing, Deferred(|d| &mut d.lower.exclusive)),
        validation("maximum", ALL, PerhapsNothing, Deferred(|d| &mut d.upper.inclusive)),
        validation("exclusiveMaximum", ALL, PerhapsNothing, Deferred(|d| &mut d.upper.exclusive)),
        validation("multipleOf", ALL, PerhapsNothing, Own(keywords::multiple)),
        // Keywords for strings.
        validation("minLength", ALL, SomeStrings, Least(Keyword::MinLength)),
        validation("maxLength", ALL, SomeStrings, Most(Keyword::MaxLength)),
        validation("pattern", ALL, SomeStrings, Own(keywords::string_pattern)),
        row("format", ALL, SomeStrings, Own(keywords::format)),
        row("contentEncoding", SINCE_7, SomeStrings, Own(keywords::encoding)),
        // Keywords for arrays.
        row("items", ALL, Something, Deferred(|d| &mut d.items)),
        row("prefixItems", SINCE_2020, Something, Deferred(|d| &mut d.prefix_items)),
        row("additionalItems", UNTIL_2019, Something, Deferred(|d| &mut d.additional_items)),
        validation("minItems", ALL, PerhapsNothing, Least(Keyword::MinItems)),
        validation("maxItems", ALL, Something, Most(Keyword::MaxItems)),
        validation("uniqueItems", ALL, Something, Own(keywords::unique)),
        row("contains", SINCE_6, PerhapsNothing, Deferred(|d| &mut d.contains)),
        validation("minContains", SINCE_2019, PerhapsNothing, Deferred(|d| &mut d.min_contains)),
        validation("maxContains", SINCE_2019, PerhapsNothing, Deferred(|d| &mut d.max_contains)),
        row("unevaluatedItems", SINCE_2019, PerhapsNothing, Schema(Keyword::UnevaluatedItems)),
        // Keywords for objects.
        row("properties", ALL, Something, SchemaMap(Keyword::Properties)),
        row("patternProperties", ALL, PerhapsNothing, Own(keywords::pattern_properties)),
        row("additionalProperties", ALL, Something, Schema(Keyword::AdditionalProperties)),
        validation("required", ALL, PerhapsNothing, Own(keywords::required)),
        row("propertyNames", SINCE_6, Something, Schema(Keyword::PropertyNames)),
        validation("minProperties", ALL, PerhapsNothing, Least(Keyword::MinProperties)),
        validation("maxProperties", ALL, Something, Most(Keyword::MaxProperties)),
        row("dependencies", UNTIL_7, PerhapsNothing, Own(keywords::dependencies)),
        row("dependentSchemas", SINCE_2019, PerhapsNothing, SchemaMap(Keyword::Dependencies)),
        validation("dependentRequired", SINCE_2019, PerhapsNothing, Own(keywords::dependent_required)),
        row("unevaluatedProperties", SINCE_2019, PerhapsNothing, Schema(Keyword::UnevaluatedProperties)),
        // Applicators at the same place.
        row("allOf", ALL, PerhapsNothing, Schemas(Keyword::AllOf)),
        row("anyOf", ALL, PerhapsNothing, Schemas(Keyword::AnyOf)),
        row("oneOf", ALL, PerhapsNothing, Schemas(Keyword::OneOf)),
        row("not", ALL, PerhapsNothing, Schema(Keyword::Not)),
        row("if", SINCE_7, PerhapsNothing, Deferred(|d| &mut d.test)),
        row("then", SINCE_7, Something, Deferred(|d| &mut d.then)),
        row("else", SINCE_7, Something, Deferred(|d| &mut d.otherwise)),
        row("$ref", ALL, PerhapsNothing, Own(keywords::reference)),
        row("$dynamicRef", SINCE_2020, PerhapsNothing, Own(keywords::reference)),
        row("$recursiveRef", ONLY_2019, PerhapsNothing, Own(keywords::reference)),
        // Keywords for resolving references; `References` reads them.
        row("$schema", ALL, Something, Annotation),
        row("$id", SINCE_6, Something, Annotation),
        row("id", ONLY_4, Something, Annotation),
        row("$anchor", SINCE_2019, Something, Annotation),
        row("$dynamicAnchor", SINCE_2020, Something, Annotation),
        row("$recursiveAnchor", ONLY_2019, Something, Annotation),
        row("$vocabulary", SINCE_2019, Something, Annotation),
        row("$defs", SINCE_2019, Something, Annotation),
        row("definitions", UNTIL_7, Something, Annotation),
        // Annotations for people and other tools.
        row("$comment", ALL, Something, Annotation),
        row("title", ALL, Something, Annotation),
        row("description", ALL, Something, Annotation),
        row("default", ALL, Something, Annotation),
        row("examples", ALL, Something, Annotation),
        row("deprecated", ALL, Something, Annotation),
        row("readOnly", ALL, Something, Annotation),
        row("writeOnly", ALL, Something, Annotation),
        row("contentMediaType", ALL, Something, Annotation),
        row("contentSchema", ALL, Something, Annotation),
        row("x-guidance", ALL, Something, Annotation),
    ]
};

/// The row of a keyword; `None` if no draft knows it.
pub(super) fn find(name: &str) -> Option<&'static KeywordRow> {
    static INDEX: LazyLock<HashMap<&str, &KeywordRow>> =
        LazyLock::new(|| ROWS.iter().map(|r| (r.name, r)).collect());
    INDEX.get(name).copied()
}
