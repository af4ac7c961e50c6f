//! The options of compilation. Each one changes the language on purpose, and its documentation says
//! how.

use super::argument_style::{ArgumentStyle, Words};
use crate::automata::Escapes;
use crate::grammar::KeyOrder;
use std::collections::HashMap;
use std::sync::Arc;

/// The whitespace between the tokens of the JSON text. [`SchemaOptions::surrounding_whitespace`] is
/// about the whitespace around the whole text.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Whitespace {
    /// Whitespace wherever JSON allows it, at most 64 bytes in a row. The limit keeps a model from
    /// producing blanks for ever.
    #[default]
    Flexible,
    /// Whitespace wherever JSON allows it, with a limit on the bytes in a row: `AtMost(1)` allows
    /// one blank behind a comma.
    AtMost(u32),
    /// Whitespace wherever JSON allows it, without limit.
    Unlimited,
    /// No whitespace at all.
    Compact,
    /// Exactly `item` between items, exactly `key` between a key and its value, and no whitespace
    /// elsewhere.
    ///
    /// For example, Python's `json.dumps` writes `", "` and `": "`. `item` must be a comma and
    /// `key` a colon, each with nothing but JSON whitespace around it.
    Exact {
        /// The text between items, with the comma.
        item: String,
        /// The text between a key and its value, with the colon.
        key: String,
    },
    /// Text that a pattern matches, wherever JSON allows whitespace. The pattern is in Rust's regex
    /// syntax and must match nothing but JSON whitespace.
    Pattern(String),
    /// One item a line, indented by this many spaces a level (at most 16), with `": "` after keys.
    /// Empty arrays and objects are `[]` and `{}`.
    Pretty(u8),
}

policy! {
    /// The keys that an object may have if the schema does not restrict them.
    enum AdditionalProperties {
        /// Any key, as JSON Schema says.
        AsSchema = "as-schema",
        /// Only the keys that are named by a subschema that applies to the object.
        ///
        /// The option acts like `unevaluatedProperties: false` at every object, at every depth,
        /// except that `required`, `enum` and `const` name keys as well. It only narrows the
        /// output: `not`, `if` and `oneOf` keep their meaning.
        Forbid = "forbid",
    }
}

policy! {
    /// The spelling of strings.
    enum EscapePolicy {
        /// Free strings have every escape that JSON knows, and literals have only the required
        /// escapes.
        ///
        /// Literals are declared keys and the values of `enum` and `const`. Each has one spelling:
        /// the key `a` cannot be spelt `\u0061`. So an engine can write a literal without asking
        /// the model.
        FreeStrings = "free-strings",
        /// Every escape in all strings.
        Any = "any",
        /// Only the escapes that JSON requires, in all strings.
        Minimal = "minimal",
        /// No `\uXXXX` in any string, and the short escapes such as `\n` in all strings.
        NoUnicode = "no-unicode",
    }
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

policy! {
    /// The treatment of undeclared keys that come twice in one object.
    enum UniqueKeys {
        /// No key comes twice.
        Enforced = "enforced",
        /// Undeclared keys may repeat. This is cheaper to track, and readers keep the last value.
        Ignored = "ignored",
    }
}

policy! {
    /// The spelling of numbers.
    ///
    /// If only bounds restrict a number, it may be in scientific notation: one digit before the
    /// point, and an exponent between -300 and 300. For example, `1.5e10` is allowed under
    /// `"minimum": 0`. Other spellings with exponents are not allowed, because those of numbers
    /// within a bound are not a regular language.
    enum Numbers {
        /// Full JSON syntax for a number without conditions. Whole numbers have no `.0`, and
        /// multiples have no exponent. If no negative number is allowed, 0 is not spelt `-0`.
        Canonical = "canonical",
        /// Every plain spelling of the value as well. For example, `1.0` is an integer.
        Json = "json",
    }
}

policy! {
    /// The effect of `format`.
    enum FormatPolicy {
        /// Known formats are enforced.
        Assert = "assert",
        /// `format` is an annotation.
        Annotate = "annotate",
    }
}

policy! {
    /// The effect of `contentEncoding`.
    enum ContentEncoding {
        /// `base64` is enforced (RFC 4648 §4, with padding). Other encodings have no effect.
        Assert = "assert",
        /// `contentEncoding` is an annotation.
        Annotate = "annotate",
    }
}

policy! {
    /// The effect of a `format` with an unknown name.
    enum UnknownFormat {
        /// The format is ignored with a warning, as the specification says.
        Warn = "warn",
        /// The format is an error, also under [`Strictness::Lenient`].
        Refuse = "refuse",
    }
}

policy! {
    /// The effect of a keyword that cannot be enforced.
    enum Strictness {
        /// The keyword is an error.
        Strict = "strict",
        /// The keyword is ignored with a warning. The grammar may then allow values that the schema
        /// refuses.
        Lenient = "lenient",
    }
}

policy! {
    /// The rules by which a schema is read if it does not name them with `$schema`.
    #[derive(PartialOrd, Ord)]
    enum Draft default Unspecified {
        /// The rules of draft 4.
        Four = "4",
        /// The rules of draft 6.
        Six = "6",
        /// The rules of draft 7.
        Seven = "7",
        /// The rules of 2019-09.
        Y2019 = "2019-09",
        /// The rules of 2020-12.
        Y2020 = "2020-12",
        /// The rules of 2020-12 together with the older spellings.
        ///
        /// `definitions`, `dependencies`, `additionalItems`, a list under `items`, boolean
        /// `exclusiveMinimum` and OpenAPI's `nullable` have the meaning that they had.
        Unspecified = "unspecified",
    }
}

/// The options with which a schema is compiled. They are plain data, and each default is that of
/// its type.
///
/// ```
/// use hedgerow::schema::{SchemaOptions, Whitespace};
/// let options = SchemaOptions::default().whitespace(Whitespace::Compact);
/// assert_eq!(options.whitespace, Whitespace::Compact);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SchemaOptions {
    /// The order of keys: declared (the default) or any.
    pub key_order: KeyOrder,
    /// The whitespace between JSON tokens.
    pub whitespace: Whitespace,
    /// True if JSON whitespace may stand before the value and after it, at most 64 bytes each.
    /// Default false.
    pub surrounding_whitespace: bool,
    /// The keys that an object may have if the schema does not restrict them.
    pub additional_properties: AdditionalProperties,
    /// The spelling of strings.
    pub escapes: EscapePolicy,
    /// The treatment of undeclared keys that come twice in one object.
    pub unique_keys: UniqueKeys,
    /// The spelling of numbers.
    pub numbers: Numbers,
    /// The effect of `format`.
    pub format: FormatPolicy,
    /// The effect of `contentEncoding`.
    pub content_encoding: ContentEncoding,
    /// The effect of a `format` with an unknown name.
    pub unknown_format: UnknownFormat,
    /// The effect of a keyword that cannot be enforced.
    pub strictness: Strictness,
    /// The draft of schemas that do not name theirs with `$schema`.
    pub default_draft: Draft,
    /// The documents that `$ref` may name: their texts by absolute URI. No document is fetched from
    /// anywhere else.
    pub documents: HashMap<String, String>,
    /// The most steps that the schema algebra may take before it gives up with an error. The limit
    /// holds for compilation, and again for every part that is expanded later. The default is
    /// 250,000.
    pub fuel: u64,
    /// The most characters of a string for which the schema sets no greatest length; `None` (the
    /// default) sets no cap.
    ///
    /// The schema takes precedence over all three caps, so a cap never leaves a set without values.
    /// A greater `minLength` raises the cap, and a `pattern` or `format` without a string within
    /// the cap is not capped. Keys, the values of `enum` and `const`, and the items of arrays with
    /// `uniqueItems` have no cap.
    pub max_string_length: Option<u32>,
    /// The most items of an array for which the schema sets no greatest number; `None` (the
    /// default) sets no cap.
    ///
    /// The cap is raised to the items that `minItems` and `contains` demand, and to the last item
    /// to which `prefixItems` gives a schema of its own.
    pub max_items: Option<u32>,
    /// The most digits of a number before the point, after it and in the exponent; `None` (the
    /// default) sets no cap.
    ///
    /// The cap is raised to the digits of bounds and divisors.
    pub max_digits: Option<u32>,
    /// Texts that strings and undeclared keys do not hold in the spelling of the output, such as a
    /// marker that a reader of the output searches for.
    ///
    /// The schema takes precedence: a set without a string that fits is not restricted. The items
    /// of arrays with `uniqueItems` are not restricted.
    pub excludes: Vec<Arc<str>>,
    /// The punctuation of the outermost value, if it is not JSON's. The value is then an object.
    pub arguments: Option<Arc<ArgumentStyle>>,
}

impl Default for SchemaOptions {
    fn default() -> Self {
        SchemaOptions {
            key_order: KeyOrder::default(),
            whitespace: Whitespace::default(),
            surrounding_whitespace: false,
            additional_properties: AdditionalProperties::default(),
            escapes: EscapePolicy::default(),
            unique_keys: UniqueKeys::default(),
            numbers: Numbers::default(),
            format: FormatPolicy::default(),
            content_encoding: ContentEncoding::default(),
            unknown_format: UnknownFormat::default(),
            strictness: Strictness::default(),
            default_draft: Draft::default(),
            documents: HashMap::new(),
            fuel: Self::DEFAULT_FUEL,
            max_string_length: None,
            max_items: None,
            max_digits: None,
            excludes: Vec::new(),
            arguments: None,
        }
    }
}

impl SchemaOptions {
    /// The default of [`fuel`](Self::fuel).
    pub const DEFAULT_FUEL: u64 = 250_000;

    setter! { key_order, KeyOrder }
    setter! { whitespace, Whitespace }
    setter! { surrounding_whitespace, bool }
    setter! { additional_properties, AdditionalProperties }
    setter! { escapes, EscapePolicy }
    setter! { unique_keys, UniqueKeys }
    setter! { numbers, Numbers }
    setter! { format, FormatPolicy }
    setter! { content_encoding, ContentEncoding }
    setter! { unknown_format, UnknownFormat }
    setter! { strictness, Strictness }
    setter! { default_draft, Draft }
    setter! { fuel, u64 }
    setter! { max_string_length, Option<u32> }
    setter! { max_items, Option<u32> }
    setter! { max_digits, Option<u32> }
    setter! { excludes, Vec<Arc<str>> }

    /// Writes the outermost value, which is an object, as the arguments of a call.
    #[must_use]
    pub fn arguments(mut self, style: Arc<ArgumentStyle>) -> Self {
        self.arguments = Some(style);
        self
    }

    pub(super) fn words(&self) -> Words {
        self.arguments.as_ref().map_or(Words::Json, |style| style.words)
    }

    /// Adds a document that `$ref` may name by `uri`. An empty fragment, as in `http://x/a#`, is no
    /// part of the URI. Of two documents with one URI the last counts.
    #[must_use]
    pub fn document(mut self, uri: impl Into<String>, text: impl Into<String>) -> Self {
        let mut uri = uri.into();
        if uri.ends_with('#') {
            uri.pop();
        }
        self.documents.insert(uri, text.into());
        self
    }
}
