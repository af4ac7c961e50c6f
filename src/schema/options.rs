//! The policies of compilation: each one changes the language on purpose, and says how.

use crate::automata::Escapes;
use crate::grammar::KeyOrder;
use std::collections::HashMap;

/// The whitespace between the tokens of the JSON text. There is none before the value or after it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Whitespace {
    /// Wherever JSON allows it, each run at most 64 bytes (so that a model cannot produce blanks for ever).
    #[default]
    Flexible,
    /// Wherever JSON allows it, without limit.
    Unlimited,
    /// None at all.
    Compact,
    /// Exactly `separators.0` between items and `separators.1` between a key and its value, nothing elsewhere
    /// (Python's `json.dumps` writes `", "` and `": "`). Both must be their character with JSON whitespace around.
    Exact {
        /// Between items, with the comma.
        item: String,
        /// Between a key and its value, with the colon.
        key: String,
    },
    /// Wherever JSON allows it, what a pattern matches (Rust's regex syntax; it must match JSON whitespace only).
    Pattern(String),
    /// One item a line, indented by this many spaces a level (at most 16), `": "` behind keys; empty arrays and
    /// objects as `[]` and `{}`.
    Pretty(u8),
}

/// Which keys an object may have where the schema does not say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum AdditionalProperties {
    /// As JSON Schema says: any.
    #[default]
    AsSchema,
    /// Only keys that some subschema which applies to the object names: `unevaluatedProperties: false` at every object, at every
    /// depth, where `required`, `enum` and `const` name keys as well. It only narrows: `not`, `if` and `oneOf` keep their
    /// meaning.
    Forbid,
}

/// How strings are spelt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EscapePolicy {
    /// Free strings with every escape JSON knows; literals (declared keys, `enum`, `const`) only with the escapes
    /// JSON requires, so that they stay forced.
    #[default]
    FreeStrings,
    /// Every escape everywhere.
    Any,
    /// Only the escapes JSON requires, everywhere.
    Minimal,
    /// No `\uXXXX`; the short escapes everywhere.
    NoUnicode,
}

impl EscapePolicy {
    pub(super) fn free(self) -> Escapes {
        match self {
            EscapePolicy::FreeStrings | EscapePolicy::Any => Escapes::Any,
            EscapePolicy::Minimal => Escapes::Minimal,
            EscapePolicy::NoUnicode => Escapes::NoUnicode,
        }
    }

    pub(super) fn literal(self) -> Escapes {
        match self {
            EscapePolicy::FreeStrings | EscapePolicy::Minimal => Escapes::Minimal,
            EscapePolicy::Any => Escapes::Any,
            EscapePolicy::NoUnicode => Escapes::NoUnicode,
        }
    }
}

/// Whether an undeclared key may come twice in one object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum UniqueKeys {
    /// No key comes twice.
    #[default]
    Enforced,
    /// Undeclared keys may repeat (cheaper to track; readers keep the last value).
    Ignored,
}

/// How numbers are spelt.
///
/// Where only bounds restrict a number, exponents are allowed in scientific notation: one digit before the point, and
/// an exponent between -300 and 300. Which of all other spellings with exponents keep a bound is not regular.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Numbers {
    /// An unconstrained number in full JSON syntax; whole numbers without `.0`; multiples without exponent.
    #[default]
    Canonical,
    /// Every plain spelling of the value as well: `1.0` is an integer.
    Json,
}

/// What `format` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum FormatPolicy {
    /// Known formats are enforced.
    #[default]
    Assert,
    /// `format` is an annotation.
    Annotate,
}

/// What `contentEncoding` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ContentEncoding {
    /// `base64` is enforced (RFC 4648 §4, with padding); other encodings have no effect.
    #[default]
    Assert,
    /// It is an annotation.
    Annotate,
}

/// What a `format` nobody knows does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum UnknownFormat {
    /// Ignored with a warning, as the specification says.
    #[default]
    Warn,
    /// An error.
    Refuse,
}

/// What a keyword that cannot be enforced does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Strictness {
    /// An error.
    #[default]
    Strict,
    /// Ignored with a warning: the grammar may then allow values the schema refuses.
    Lenient,
}

/// The rules a schema is read by, where it does not name them with `$schema`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Draft {
    /// Draft 4.
    Four,
    /// Draft 6.
    Six,
    /// Draft 7.
    Seven,
    /// 2019-09.
    Y2019,
    /// 2020-12.
    Y2020,
    /// 2020-12 with the older spellings: `definitions`, `dependencies`, `additionalItems`, a list under `items`,
    /// boolean `exclusiveMinimum` and OpenAPI's `nullable` mean what they meant.
    #[default]
    Unspecified,
}

/// How a schema is compiled. Plain data; the defaults are those of each type.
///
/// ```
/// use hedgerow::schema::{SchemaOptions, Whitespace};
/// let options = SchemaOptions::default().whitespace(Whitespace::Compact);
/// assert_eq!(options.whitespace, Whitespace::Compact);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SchemaOptions {
    /// In which order keys come: declared (default) or any.
    pub key_order: KeyOrder,
    /// The whitespace between JSON tokens.
    pub whitespace: Whitespace,
    /// Whether objects are open where the schema does not say.
    pub additional_properties: AdditionalProperties,
    /// How strings are spelt.
    pub escapes: EscapePolicy,
    /// Whether undeclared keys may repeat.
    pub unique_keys: UniqueKeys,
    /// How numbers are spelt.
    pub numbers: Numbers,
    /// What `format` does.
    pub format: FormatPolicy,
    /// What `contentEncoding` does.
    pub content_encoding: ContentEncoding,
    /// What an unknown `format` does.
    pub unknown_format: UnknownFormat,
    /// What a keyword that cannot be enforced does.
    pub strictness: Strictness,
    /// The draft of schemas that do not name theirs with `$schema`.
    pub draft: Draft,
    /// Documents that `$ref` may name: their text by absolute URI. Never fetched from anywhere else.
    pub documents: HashMap<String, String>,
    /// How many steps the schema algebra may take, at compile time and again for every part that is expanded
    /// later, before it gives up with an error. Default 250,000, some tenths of a second.
    pub fuel: u64,
}

impl Default for SchemaOptions {
    fn default() -> Self {
        SchemaOptions {
            key_order: KeyOrder::default(),
            whitespace: Whitespace::default(),
            additional_properties: AdditionalProperties::default(),
            escapes: EscapePolicy::default(),
            unique_keys: UniqueKeys::default(),
            numbers: Numbers::default(),
            format: FormatPolicy::default(),
            content_encoding: ContentEncoding::default(),
            unknown_format: UnknownFormat::default(),
            strictness: Strictness::default(),
            draft: Draft::default(),
            documents: HashMap::new(),
            fuel: Self::DEFAULT_FUEL,
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty),* $(,)?) => {
        impl SchemaOptions {
            $($(#[$doc])* pub fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            })*
        }
    };
}

setters! {
    /// Sets the order of keys.
    key_order: KeyOrder,
    /// Sets the whitespace policy.
    whitespace: Whitespace,
    /// Sets whether objects are open where the schema does not say.
    additional_properties: AdditionalProperties,
    /// Sets how strings are spelt.
    escapes: EscapePolicy,
    /// Sets whether undeclared keys may repeat.
    unique_keys: UniqueKeys,
    /// Sets how numbers are spelt.
    numbers: Numbers,
    /// Sets what `format` does.
    format: FormatPolicy,
    /// Sets what `contentEncoding` does.
    content_encoding: ContentEncoding,
    /// Sets what an unknown `format` does.
    unknown_format: UnknownFormat,
    /// Sets what a keyword that cannot be enforced does.
    strictness: Strictness,
    /// Sets the draft of schemas that do not name theirs.
    draft: Draft,
    /// Sets the fuel of the schema algebra.
    fuel: u64,
}

impl SchemaOptions {
    /// The default of [`fuel`](Self::fuel).
    pub const DEFAULT_FUEL: u64 = 250_000;

    /// Adds a document that `$ref` may name by `uri`.
    pub fn document(mut self, uri: impl Into<String>, text: impl Into<String>) -> Self {
        self.documents.insert(uri.into(), text.into());
        self
    }
}
