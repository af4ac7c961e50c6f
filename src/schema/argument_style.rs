//! The punctuation of arguments that are written between markers.

use super::python;
use crate::automata::until::text_without;
use crate::automata::{ExprPool, LangId};
use crate::grammar::{Role, ValueSpelling};
use std::sync::Arc;

/// The spelling of strings in an [`ArgumentStyle`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum StringSpelling {
    /// The characters themselves, without quotes or escapes.
    #[default]
    Raw,
    /// JSON strings.
    Json,
}

/// The spelling of `null`, `false` and `true`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Words {
    /// `null`, `false`, `true`.
    #[default]
    Json,
    /// `None`, `False`, `True`.
    Python,
}

impl Words {
    /// Null, false and true.
    pub(super) fn all(self) -> [&'static [u8]; 3] {
        match self {
            Words::Json => [b"null", b"false", b"true"],
            Words::Python => [b"None", b"False", b"True"],
        }
    }
}

/// A kind of values that are no strings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum ValueKind {
    /// Null.
    Null,
    /// True and false.
    Boolean,
    /// Numbers.
    Number,
    /// Arrays.
    Array,
    /// Objects.
    Object,
}

impl ValueKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [ValueKind; 5] =
        [ValueKind::Null, ValueKind::Boolean, ValueKind::Number, ValueKind::Array, ValueKind::Object];

    /// The name in JSON Schema.
    pub fn name(self) -> &'static str {
        match self {
            ValueKind::Null => "null",
            ValueKind::Boolean => "boolean",
            ValueKind::Number => "number",
            ValueKind::Array => "array",
            ValueKind::Object => "object",
        }
    }
}

/// Elements: values whose ends repeat their keys, and which stand in each other.
///
/// For example, in `<tags><item>a</item></tags>` the text after each value is `</`, the key, and
/// `>`. The array is an element, and so is its item, whose key is `item`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Elements {
    /// The text behind a key that is repeated; never empty.
    pub after_key: Arc<str>,
    /// The key of all items of arrays.
    pub item_key: Arc<str>,
}

/// The punctuation of an object whose members stand between markers.
///
/// The object is `open`, the members with `between` between them, `close`. A member is
/// `before_key`, the bare key, `after_key`, the value, `after_value`. For example, the member
/// `<parameter=city>Oslo</parameter>` has `<parameter=` before its key, `>` after it, and
/// `</parameter>` after its value.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct ArgumentStyle {
    /// The text before the first member.
    pub open: Arc<str>,
    /// The text after the last member. It may be empty if `after_value` is not; then `after_value`
    /// delimits members and is no part of the values.
    pub close: Arc<str>,
    /// The text between two members. It and `before_key` are not both empty.
    pub between: Arc<str>,
    /// The text before a key.
    pub before_key: Arc<str>,
    /// The text after a key; never empty.
    pub after_key: Arc<str>,
    /// The text after a value. It is not empty if strings are raw.
    pub after_value: Arc<str>,
    /// The values' ends, if these repeat the keys: then `after_value`, the key and
    /// [`after_key`](Elements::after_key) follow each value. Arrays and objects inside the
    /// arguments are members without `open` and `close`, because the end of their own value closes
    /// them. Objects have only the keys that the schema declares.
    pub elements: Option<Elements>,
    /// The spelling of strings that are values of members.
    pub strings: StringSpelling,
    /// The texts before and after a string, inside `after_key` and `after_value`.
    pub around_strings: [Arc<str>; 2],
    /// The texts before and after a value that is no string.
    pub around_others: [Arc<str>; 2],
    /// The texts before and after values of some kinds, in place of `around_others`.
    pub around_kinds: Vec<(ValueKind, [Arc<str>; 2])>,
    /// The texts before, between and after the items of an array. With them, arrays and objects
    /// inside the arguments are written in this style, too, and otherwise as JSON.
    pub arrays: Option<[Arc<str>; 3]>,
    /// True if names of special tokens in the texts mean these tokens. The text after a key has
    /// none.
    pub special_tokens: bool,
    /// Texts that must not occur in strings at any depth, in addition to the texts that end raw
    /// strings.
    pub excludes: Vec<Arc<str>>,
    /// The words for null, false and true, at every depth.
    pub words: Words,
    /// True if whitespace may stand before each member, behind the last one, and around each value
    /// that is not a free string. [`SchemaOptions::whitespace`](super::SchemaOptions::whitespace)
    /// says how much.
    pub whitespace: bool,
}

impl ArgumentStyle {
    /// The reason why the style is not usable, if there is one.
    pub fn fault(&self) -> Option<&'static str> {
        let raw = self.strings == StringSpelling::Raw;
        let end = format!("{}{}", self.around_strings[1], self.after_value);
        if self.is_json() {
            return None;
        }
        let kinds = self.around_kinds.iter().map(|own| &own.1);
        let mut arounds = kinds.chain([&self.around_strings, &self.around_others]);
        if let Some(fault) = self.fault_of_elements() {
            Some(fault)
        } else if self.close.is_empty() && self.after_value.is_empty() {
            Some("`close` and `after_value` are both empty")
        } else if self.close.is_empty() && overlaps_itself(&end) {
            Some("`after_value` ends as it begins, and there is no `close`")
        } else if self.between.is_empty() && self.before_key.is_empty() {
            Some("`between` and `before_key` are both empty")
        } else if self.after_key.is_empty() {
            Some("`after_key` is empty")
        } else if raw && end.is_empty() {
            Some("nothing ends a raw string: `after_value` is empty")
        } else if self.special_tokens
            && self.close.is_empty()
            && self.elements.is_none()
            && arounds.any(|around| around[0].is_empty())
        {
            Some("`close` and a text before values are empty, and the texts name special tokens")
        } else if self.arrays.as_ref().is_some_and(|texts| texts.iter().any(|text| text.is_empty())) {
            Some("one of the texts of `arrays` is empty")
        } else if self.arrays.is_some() && (self.open.is_empty() || self.close.is_empty()) {
            Some("`open` or `close` is empty, and objects inside arguments are written in the style")
        } else if raw && self.words == Words::Python {
            Some("Python has no raw strings: `strings` must be \"json\" where `words` are \"python\"")
        } else {
            None
        }
    }

    /// The reason why the ends of elements are not usable.
    fn fault_of_elements(&self) -> Option<&'static str> {
        let elements = self.elements.as_ref()?;
        if elements.after_key.is_empty() {
            Some("the text behind a repeated key is empty")
        } else if self.after_value.is_empty() || self.before_key.is_empty() {
            Some("`before_key`, or the text before a repeated key, is empty")
        } else if self.arrays.is_some() || !self.open.is_empty() {
            Some("`arrays` or `open` is given, and the ends of values repeat keys")
        } else {
            self.fault_of_key(&elements.item_key).map(|_| "the key of items is not usable")
        }
    }

    /// The reason why a key cannot be written bare, if there is one.
    pub(super) fn fault_of_key(&self, key: &str) -> Option<String> {
        let end = &*self.after_key;
        if key.is_empty() {
            return Some("is empty, and calls of this format need a name".to_owned());
        }
        if format!("{key}{end}").find(end) < Some(key.len()) {
            return Some(format!("holds {end:?}, which ends keys in calls of this format"));
        }
        if self.words == Words::Python && !python::is_identifier(key) {
            return Some("is no name of a parameter in Python, as calls of this format need it".to_owned());
        }
        self.elements.as_ref()?;
        let (behind, begin) = (self.behind_value(key), format!("{}{}", self.between, self.before_key));
        if format!("{behind}{begin}").find(&begin) < Some(behind.len()) {
            return Some(format!("holds {begin:?}, which begins members in calls of this format"));
        }
        let after_value = &*self.after_value;
        if format!("{}{key}{end}", self.before_key).starts_with(after_value) {
            return Some(format!("makes {after_value:?} of a member, which ends values in this format"));
        }
        let end = self.end_of_strings(key);
        overlaps_itself(&end).then(|| format!("makes {end:?} the end of a value, which overlaps itself"))
    }

    /// The text behind a value that repeats its key; empty if the key is not repeated.
    fn behind_value(&self, key: &str) -> String {
        self.elements.as_ref().map_or_else(String::new, |elements| format!("{key}{}", elements.after_key))
    }

    /// True for JSON, which the style only restricts by [`excludes`](Self::excludes).
    pub fn is_json(&self) -> bool {
        *self == ArgumentStyle { excludes: self.excludes.clone(), ..ArgumentStyle::default() }
    }

    /// The role of arguments in this style.
    pub fn role(&self) -> Role {
        if self.is_json() {
            return Role::Arguments;
        }
        let (open, between) = match (self.whitespace, &self.elements) {
            (true, _) => ("", String::new()),
            (false, None) => (&*self.open, format!("{}{}", self.after_member(), self.between)),
            (false, Some(_)) => (&*self.open, self.between.to_string()),
        };
        Role::Members {
            first: format!("{open}{}", self.before_key).into(),
            next: format!("{between}{}", self.before_key).into(),
            after_key: self.after_key.clone(),
        }
    }

    /// The texts before and after values of a kind.
    pub fn around(&self, kind: ValueKind) -> &[Arc<str>; 2] {
        let own = self.around_kinds.iter().find(|own| own.0 == kind);
        own.map_or(&self.around_others, |own| &own.1)
    }

    /// True if values of different kinds are written in different ways.
    pub(super) fn tells_kinds_apart(&self) -> bool {
        self.nests() || !self.around_kinds.is_empty()
    }

    /// True if arrays and objects inside the arguments are written in the style, too.
    pub(super) fn nests(&self) -> bool {
        self.arrays.is_some() || self.elements.is_some()
    }

    /// True if whitespace may stand around values.
    pub(super) fn spaces_values(&self) -> bool {
        self.whitespace && self.elements.is_none()
    }

    /// The roles of values that are free strings, and that are other strings.
    pub(super) fn string_roles(&self) -> [Role; 2] {
        let strings = match self.strings {
            StringSpelling::Raw => ValueSpelling::Raw,
            StringSpelling::Json => ValueSpelling::Json,
        };
        let texts = match strings {
            ValueSpelling::Raw if self.spaces_values() => ValueSpelling::Trimmed,
            spelling => spelling,
        };
        [strings, texts].map(|spelling| self.value_role(&self.around_strings, spelling))
    }

    /// The role of values of a kind.
    pub(super) fn kind_role(&self, kind: ValueKind) -> Role {
        let spelling = match self.words {
            Words::Json => ValueSpelling::Json,
            Words::Python => ValueSpelling::Python,
        };
        self.value_role(self.around(kind), spelling)
    }

    fn value_role(&self, around: &[Arc<str>; 2], spelling: ValueSpelling) -> Role {
        Role::Value { before: around[0].clone(), after: self.end_inside(around).into(), spelling }
    }

    /// All roles that parts of the arguments may have.
    pub(super) fn inner_roles(&self) -> Vec<Role> {
        let mut roles = self.string_roles().to_vec();
        roles.extend(ValueKind::ALL.map(|kind| self.kind_role(kind)));
        if self.nests() {
            roles.extend([self.role(), Role::Items]);
        }
        roles
    }

    /// The end of a value that belongs to the value's part of the output, for a value with these
    /// texts around it. It does not depend on the key.
    pub(super) fn end_inside(&self, around: &[Arc<str>; 2]) -> String {
        let after_value = match self.elements {
            Some(_) => &*self.after_value,
            None => self.divided(&self.after_value).0,
        };
        format!("{}{after_value}", around[1])
    }

    /// The end of a value that stands behind the value's part and repeats the key; without the text
    /// before `between` or the end.
    pub(super) fn key_end(&self, key: &str) -> String {
        match &self.elements {
            Some(elements) => format!("{key}{}", self.divided(&elements.after_key).0),
            None => String::new(),
        }
    }

    /// The text after a value that stands before `between` or the end.
    pub(super) fn after_member(&self) -> &str {
        self.divided(self.elements.as_ref().map_or(&self.after_value, |elements| &elements.after_key)).1
    }

    /// The last text after a value, divided where the value ends. Where nothing else delimits
    /// members, its last character does, or all of it if it may name tokens. So neither a value nor
    /// a delimiter is ever empty.
    fn divided<'t>(&self, text: &'t str) -> (&'t str, &'t str) {
        let last = match (self.close.is_empty(), self.special_tokens) {
            (false, _) => text.len(),
            (true, true) => 0,
            (true, false) => text.char_indices().next_back().map_or(0, |(at, _)| at),
        };
        text.split_at(last)
    }

    /// The text behind which a string with this key has ended.
    pub(super) fn end_of_strings(&self, key: &str) -> String {
        format!("{}{}{}", self.around_strings[1], self.after_value, self.behind_value(key))
    }

    /// The texts that must not occur in strings with this key. Without a key, they are those that
    /// no string may hold.
    pub(super) fn forbidden(&self, key: Option<&str>) -> Vec<String> {
        let mut texts: Vec<String> = self.excludes.iter().map(|text| text.to_string()).collect();
        let end = match (key, &self.elements) {
            (None, Some(_)) => String::new(),
            (key, _) => self.end_of_strings(key.unwrap_or_default()),
        };
        if !end.is_empty() && !texts.iter().any(|text| end.contains(text.as_str())) {
            texts.push(end);
        }
        texts
    }

    /// The decoded texts that a raw string with this key may have.
    pub(super) fn raw_texts(&self, key: &str, pool: &mut ExprPool) -> LangId {
        // `fault` has made sure that no text is empty.
        text_without(self.forbidden(Some(key)), pool)
    }
}

/// True if the text ends as it begins.
fn overlaps_itself(text: &str) -> bool {
    (1..text.len()).any(|n| text.as_bytes().ends_with(&text.as_bytes()[..n]))
}
