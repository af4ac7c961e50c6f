//! Grammars from JSON Schemas: `hr_schema_options`, its conversion to [`SchemaOptions`], and the
//! function that takes it.
//!
//! Unsafe code: the struct promises [`Versioned`], and its lists are the caller's pointers; see
//! [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::enumeration::enumeration;
use super::error::hr_error;
use super::grammar::{self, SourceText, hr_grammar};
use super::interrupt::hr_interrupt;
use super::options::{self, Versioned, read_flag, unknown_enumerator};
use super::status::hr_status;
use super::vocab::hr_text;
use crate::grammar::KeyOrder;
use crate::schema::{
    self, AdditionalProperties, ContentEncoding, Draft, EscapePolicy, FormatPolicy, Numbers, SchemaOptions,
    Strictness, UniqueKeys, UnknownFormat, Whitespace,
};
use std::ffi::c_char;

enumeration! {
    /// The order of the declared keys of an object.
    hr_key_order for KeyOrder {
        /// As declared, then all others in any order.
        HR_KEY_ORDER_DECLARED = 0,
        /// Any order at all.
        HR_KEY_ORDER_ANY = 1,
    }
}

enumeration! {
    /// The whitespace between the tokens of the JSON text. There is none before the value or after
    /// it.
    hr_whitespace {
        /// Wherever JSON allows it, each run at most 64 bytes, so that a model cannot produce
        /// blanks for ever.
        HR_WHITESPACE_FLEXIBLE = 0,
        /// Wherever JSON allows it, without limit.
        HR_WHITESPACE_UNLIMITED = 1,
        /// None at all.
        HR_WHITESPACE_COMPACT = 2,
        /// Exactly item_separator between items and key_separator between a key and its value,
        /// nothing elsewhere.
        HR_WHITESPACE_EXACT = 3,
        /// One item a line, indented by indent spaces a level.
        HR_WHITESPACE_PRETTY = 4,
        /// Whatever whitespace_pattern matches, wherever JSON allows whitespace.
        HR_WHITESPACE_PATTERN = 5,
    }
}

enumeration! {
    /// The keys that an object may have besides the declared ones, if the schema does not restrict
    /// them.
    hr_additional_properties for AdditionalProperties {
        /// Any, as JSON Schema says.
        HR_ADDITIONAL_PROPERTIES_AS_SCHEMA = 0,
        /// Only the keys that are named by a subschema that applies to the object, as with
        /// "unevaluatedProperties": false at every object.
        HR_ADDITIONAL_PROPERTIES_FORBID = 1,
    }
}

enumeration! {
    /// The spelling of strings.
    hr_escapes for EscapePolicy {
        /// Every escape that JSON has in free strings; only the escapes that JSON requires in
        /// declared keys, enum and const.
        HR_ESCAPES_FREE_STRINGS = 0,
        /// Every escape everywhere.
        HR_ESCAPES_ANY = 1,
        /// Only the escapes JSON requires, everywhere.
        HR_ESCAPES_MINIMAL = 2,
        /// No \uXXXX; the short escapes everywhere.
        HR_ESCAPES_NO_UNICODE = 3,
    }
}

enumeration! {
    /// The treatment of undeclared keys that come twice in one object.
    hr_unique_keys for UniqueKeys {
        /// No key may come twice.
        HR_UNIQUE_KEYS_ENFORCED = 0,
        /// Undeclared keys may repeat, which is cheaper; readers keep the last value.
        HR_UNIQUE_KEYS_IGNORED = 1,
    }
}

enumeration! {
    /// The spelling of numbers.
    hr_numbers for Numbers {
        /// A number that the schema does not restrict may have any JSON spelling. With bounds, an
        /// exponent is allowed only in scientific notation, such as 1.5e3. With multipleOf, no
        /// exponent is allowed. Whole numbers are written without ".0".
        HR_NUMBERS_CANONICAL = 0,
        /// The spellings of HR_NUMBERS_CANONICAL, and every other one without an exponent. For
        /// example, 1.0 is then an integer.
        HR_NUMBERS_JSON = 1,
    }
}

enumeration! {
    /// The effect of "format".
    hr_format for FormatPolicy {
        /// Known formats are enforced.
        HR_FORMAT_ASSERT = 0,
        /// It is an annotation, which restricts nothing.
        HR_FORMAT_ANNOTATE = 1,
    }
}

enumeration! {
    /// The effect of "contentEncoding".
    hr_content_encoding for ContentEncoding {
        /// "base64" is enforced.
        HR_CONTENT_ENCODING_ASSERT = 0,
        /// It is an annotation, which restricts nothing.
        HR_CONTENT_ENCODING_ANNOTATE = 1,
    }
}

enumeration! {
    /// The draft of JSON Schema by which a schema without "$schema" is read.
    hr_draft for Draft {
        /// 2020-12, with older spellings where they are unambiguous.
        HR_DRAFT_UNSPECIFIED = 0 => Draft::Unspecified,
        /// Draft 4.
        HR_DRAFT_4 = 4 => Draft::Four,
        /// Draft 6.
        HR_DRAFT_6 = 6 => Draft::Six,
        /// Draft 7.
        HR_DRAFT_7 = 7 => Draft::Seven,
        /// 2019-09.
        HR_DRAFT_2019_09 = 2019 => Draft::Y2019,
        /// 2020-12.
        HR_DRAFT_2020_12 = 2020 => Draft::Y2020,
    }
}

enumeration! {
    /// The effect of a "format" that is not known.
    hr_unknown_format for UnknownFormat {
        /// It is ignored, as the specification says.
        HR_UNKNOWN_FORMAT_WARN = 0,
        /// It is an error.
        HR_UNKNOWN_FORMAT_REFUSE = 1,
    }
}

enumeration! {
    /// The treatment of a keyword that cannot be enforced.
    hr_strictness for Strictness {
        /// It is an error.
        HR_STRICTNESS_STRICT = 0,
        /// It is ignored: the output may then violate the schema.
        HR_STRICTNESS_LENIENT = 1,
    }
}

/// A document that "$ref" may name.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_document {
    /// Its absolute URI.
    pub uri: hr_text,
    /// Its JSON text.
    pub text: hr_text,
}

/// Options for compiling a JSON Schema. Initialise them with hr_schema_options_init(), then change
/// some of them. Pointers are needed only until the schema is compiled.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_schema_options {
    /// Set by hr_schema_options_init().
    pub struct_size: usize,
    /// The order of an object's declared keys. Default HR_KEY_ORDER_DECLARED.
    pub key_order: hr_key_order,
    /// The whitespace between the tokens of the JSON text. Default HR_WHITESPACE_FLEXIBLE.
    pub whitespace: hr_whitespace,
    /// For HR_WHITESPACE_EXACT: a comma with JSON whitespace around. Default ", ".
    pub item_separator: hr_text,
    /// For HR_WHITESPACE_EXACT: a colon with JSON whitespace around. Default ": ".
    pub key_separator: hr_text,
    /// For HR_WHITESPACE_PATTERN: a regular expression in Rust's syntax that matches JSON
    /// whitespace only. Default " ?".
    pub whitespace_pattern: hr_text,
    /// For HR_WHITESPACE_PRETTY: spaces a level, at most 16. Default 2.
    pub indent: u32,
    /// The keys that an object may have besides the declared ones. Default
    /// HR_ADDITIONAL_PROPERTIES_AS_SCHEMA.
    pub additional_properties: hr_additional_properties,
    /// The spelling of strings. Default HR_ESCAPES_FREE_STRINGS.
    pub escapes: hr_escapes,
    /// The treatment of repeated keys. Default HR_UNIQUE_KEYS_ENFORCED.
    pub unique_keys: hr_unique_keys,
    /// The spelling of numbers. Default HR_NUMBERS_CANONICAL.
    pub numbers: hr_numbers,
    /// The effect of "format". Default HR_FORMAT_ASSERT.
    pub format: hr_format,
    /// The effect of an unknown "format". Default HR_UNKNOWN_FORMAT_WARN.
    pub unknown_format: hr_unknown_format,
    /// The treatment of a keyword that cannot be enforced. Default HR_STRICTNESS_STRICT.
    pub strictness: hr_strictness,
    /// The effect of "contentEncoding". Default HR_CONTENT_ENCODING_ASSERT.
    pub content_encoding: hr_content_encoding,
    /// The draft of schemas without "$schema". Default HR_DRAFT_UNSPECIFIED.
    pub default_draft: hr_draft,
    /// Documents that "$ref" may name; nothing is ever fetched. Default none.
    pub documents: *const hr_document,
    /// Number of documents.
    pub document_count: usize,
    /// Largest number of steps for combining the schema's parts. Default 250,000.
    pub fuel: u64,
    /// 1 allows JSON whitespace around the whole text, at most 64 bytes before and after. 0, the
    /// default, does not.
    pub surrounding_whitespace: u32,
    /// Largest number of characters of a string for which the schema sets no greatest length. The
    /// schema takes precedence: a larger "minLength" raises the cap. Default UINT32_MAX: no cap.
    pub max_string_length: u32,
    /// Largest number of items of an array for which the schema sets no greatest number. A larger
    /// "minItems" raises the cap. Default UINT32_MAX: no cap.
    pub max_items: u32,
    /// Largest number of digits of a number before the point, after it and in the exponent. Longer
    /// bounds and divisors raise the cap. Default UINT32_MAX: no cap.
    pub max_digits: u32,
}

// The members are numbers, raw pointers and structs of them.
unsafe impl Versioned for hr_schema_options {
    fn set_defaults(&mut self) {
        self.item_separator = hr_text::lend(", ");
        self.key_separator = hr_text::lend(": ");
        self.whitespace_pattern = hr_text::lend(" ?");
        self.indent = 2;
        self.fuel = SchemaOptions::DEFAULT_FUEL;
        self.max_string_length = u32::MAX;
        self.max_items = u32::MAX;
        self.max_digits = u32::MAX;
    }
}

/// Writes the defaults into a struct of struct_size bytes; NULL is ignored.
/// hr_schema_options_init() passes the size that the struct has in this header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_schema_options_init_sized(options: *mut hr_schema_options, struct_size: usize) {
    unsafe { options::init(options, struct_size) }
}

/// Compiles a JSON Schema: the output is a JSON text that satisfies it. options may be NULL for the
/// defaults. interrupt may be NULL.
///
/// The draft is the one that "$schema" names; without "$schema" it is the one of the options.
/// Errors name the keyword and have a location: line and column for text that is not JSON, a JSON
/// pointer for everything else. hr_grammar_warning() gives the parts of the schema that have no
/// effect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_grammar_from_json_schema(
    schema: *const c_char,
    schema_len: usize,
    options: *const hr_schema_options,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
) -> hr_status {
    let source = SourceText { name: "schema", text: schema, len: schema_len };
    let compile = |schema: &str| unsafe {
        let options = options::read(options, "options")?.to_options()?;
        Ok(schema::compile_with_warnings(schema, &options)?)
    };
    unsafe { grammar::create_from_text(source, interrupt, out, error, compile) }
}

impl hr_schema_options {
    /// The library's options. Relies on each text and list being as long as its length says.
    pub(super) unsafe fn to_options(self) -> Result<SchemaOptions, CallError> {
        let cap = |cap: u32| (cap != u32::MAX).then_some(cap);
        let mut options = SchemaOptions::default()
            .key_order(self.key_order.get("key_order")?)
            .whitespace(unsafe { self.whitespace()? })
            .additional_properties(self.additional_properties.get("additional_properties")?)
            .escapes(self.escapes.get("escapes")?)
            .unique_keys(self.unique_keys.get("unique_keys")?)
            .numbers(self.numbers.get("numbers")?)
            .format(self.format.get("format")?)
            .unknown_format(self.unknown_format.get("unknown_format")?)
            .strictness(self.strictness.get("strictness")?)
            .content_encoding(self.content_encoding.get("content_encoding")?)
            .default_draft(self.default_draft.get("default_draft")?)
            .fuel(self.fuel)
            .surrounding_whitespace(read_flag(
                u64::from(self.surrounding_whitespace),
                "surrounding_whitespace",
                false,
                true,
            )?);
        options.max_string_length = cap(self.max_string_length);
        options.max_items = cap(self.max_items);
        options.max_digits = cap(self.max_digits);
        let documents = unsafe { boundary::slice(self.documents, self.document_count, "documents")? };
        documents.iter().try_fold(options, |options, document| {
            let (uri, text) =
                unsafe { (document.uri.get("a document's uri")?, document.text.get("a document")?) };
            Ok(options.document(uri, text))
        })
    }

    /// The whitespace with its settings. Relies on the texts being as long as their lengths say.
    unsafe fn whitespace(&self) -> Result<Whitespace, CallError> {
        Ok(match self.whitespace {
            hr_whitespace::HR_WHITESPACE_FLEXIBLE => Whitespace::Flexible,
            hr_whitespace::HR_WHITESPACE_UNLIMITED => Whitespace::Unlimited,
            hr_whitespace::HR_WHITESPACE_COMPACT => Whitespace::Compact,
            hr_whitespace::HR_WHITESPACE_EXACT => Whitespace::Exact {
                item: unsafe { self.item_separator.get("item_separator")? }.to_owned(),
                key: unsafe { self.key_separator.get("key_separator")? }.to_owned(),
            },
            // A number beyond 255 becomes 255, which the schema compiler refuses as too large.
            hr_whitespace::HR_WHITESPACE_PRETTY => {
                Whitespace::Pretty(u8::try_from(self.indent).unwrap_or(u8::MAX))
            }
            hr_whitespace::HR_WHITESPACE_PATTERN => {
                Whitespace::Pattern(unsafe { self.whitespace_pattern.get("whitespace_pattern")? }.to_owned())
            }
            other => return unknown_enumerator(other.0, "whitespace", hr_whitespace::MEMBERS.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_librarys() {
        let options = unsafe { hr_schema_options::defaults().to_options() }.unwrap();
        assert_eq!(options, SchemaOptions::default());
    }

    #[test]
    fn every_option_reaches_the_library() {
        let text = |text: &'static str| hr_text { data: text.as_ptr().cast(), len: text.len() };
        let document = hr_document { uri: text("https://example.com/a"), text: text("{}") };
        let given = hr_schema_options {
            key_order: hr_key_order(1),
            whitespace: hr_whitespace(3),
            item_separator: text(","),
            key_separator: text(" : "),
            additional_properties: hr_additional_properties(1),
            escapes: hr_escapes(2),
            unique_keys: hr_unique_keys(1),
            numbers: hr_numbers(1),
            format: hr_format(1),
            unknown_format: hr_unknown_format(1),
            strictness: hr_strictness(1),
            content_encoding: hr_content_encoding(1),
            default_draft: hr_draft(7),
            documents: &document,
            document_count: 1,
            fuel: 7,
            surrounding_whitespace: 1,
            max_string_length: 8,
            max_items: 9,
            max_digits: 10,
            ..hr_schema_options::defaults()
        };
        let expected = SchemaOptions::default()
            .key_order(KeyOrder::Any)
            .whitespace(Whitespace::Exact { item: ",".to_owned(), key: " : ".to_owned() })
            .additional_properties(AdditionalProperties::Forbid)
            .escapes(EscapePolicy::Minimal)
            .unique_keys(UniqueKeys::Ignored)
            .numbers(Numbers::Json)
            .format(FormatPolicy::Annotate)
            .unknown_format(UnknownFormat::Refuse)
            .strictness(Strictness::Lenient)
            .content_encoding(ContentEncoding::Annotate)
            .default_draft(Draft::Seven)
            .fuel(7)
            .surrounding_whitespace(true)
            .max_string_length(8)
            .max_items(9)
            .max_digits(10)
            .document("https://example.com/a", "{}");
        assert_eq!(unsafe { given.to_options() }.unwrap(), expected);
        let pretty =
            hr_schema_options { whitespace: hr_whitespace(4), indent: 3, ..hr_schema_options::defaults() };
        assert_eq!(unsafe { pretty.to_options() }.unwrap().whitespace, Whitespace::Pretty(3));
        let pattern = hr_schema_options { whitespace: hr_whitespace(5), ..hr_schema_options::defaults() };
        assert_eq!(unsafe { pattern.to_options() }.unwrap().whitespace, Whitespace::Pattern(" ?".to_owned()));
    }

    #[test]
    fn meaningless_values_are_refused() {
        let bad = hr_schema_options { escapes: hr_escapes(4), ..hr_schema_options::defaults() };
        let failure = unsafe { bad.to_options() }.unwrap_err();
        assert_eq!(failure.message, "escapes is 4, which is none of its 4 values");
        let bad = hr_schema_options { surrounding_whitespace: 2, ..hr_schema_options::defaults() };
        let failure = unsafe { bad.to_options() }.unwrap_err();
        assert_eq!(failure.message, "surrounding_whitespace is 2; 0 and 1 have a meaning");
        let bad = hr_schema_options { document_count: 1, ..hr_schema_options::defaults() };
        assert!(unsafe { bad.to_options() }.is_err());
    }
}
