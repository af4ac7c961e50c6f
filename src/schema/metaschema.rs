//! The meta-schemas of the drafts, so that a schema may refer to them.
//!
//! The texts are those published at json-schema.org, without annotations (titles, defaults,
//! comments). They describe the form of a schema, by the organisation that defines the language.

/// The path of a meta-schema at json-schema.org, and its text.
const ALL: [(&str, &str); 19] = [
    ("draft-04/schema", include_str!("metaschema/draft4.json")),
    ("draft-06/schema", include_str!("metaschema/draft6.json")),
    ("draft-07/schema", include_str!("metaschema/draft7.json")),
    ("draft/2019-09/schema", include_str!("metaschema/2019-09.json")),
    ("draft/2019-09/meta/applicator", include_str!("metaschema/2019-09-applicator.json")),
    ("draft/2019-09/meta/content", include_str!("metaschema/2019-09-content.json")),
    ("draft/2019-09/meta/core", include_str!("metaschema/2019-09-core.json")),
    ("draft/2019-09/meta/format", include_str!("metaschema/2019-09-format.json")),
    ("draft/2019-09/meta/meta-data", include_str!("metaschema/2019-09-meta-data.json")),
    ("draft/2019-09/meta/validation", include_str!("metaschema/2019-09-validation.json")),
    ("draft/2020-12/schema", include_str!("metaschema/2020-12.json")),
    ("draft/2020-12/meta/applicator", include_str!("metaschema/2020-12-applicator.json")),
    ("draft/2020-12/meta/content", include_str!("metaschema/2020-12-content.json")),
    ("draft/2020-12/meta/core", include_str!("metaschema/2020-12-core.json")),
    ("draft/2020-12/meta/format-annotation", include_str!("metaschema/2020-12-format-annotation.json")),
    ("draft/2020-12/meta/format-assertion", include_str!("metaschema/2020-12-format-assertion.json")),
    ("draft/2020-12/meta/meta-data", include_str!("metaschema/2020-12-meta-data.json")),
    ("draft/2020-12/meta/unevaluated", include_str!("metaschema/2020-12-unevaluated.json")),
    ("draft/2020-12/meta/validation", include_str!("metaschema/2020-12-validation.json")),
];

/// The text of the meta-schema with this URI, which is given without an empty fragment.
pub(super) fn text(uri: &str) -> Option<&'static str> {
    let name = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"))?;
    let path = name.strip_prefix("json-schema.org/")?;
    ALL.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}

/// The texts of all meta-schemas that `$ref` may name, from draft 4 to 2020-12. Each has its URI in
/// `$id`, or `id` in draft 4.
///
/// ```
/// assert!(hedgerow::schema::meta_schemas().any(|text| text.contains("draft/2020-12/schema")));
/// ```
pub fn meta_schemas() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(_, text)| *text)
}
