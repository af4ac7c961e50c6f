//! The punctuation of arguments that are written between markers.

use crate::automata::until::Until;
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
    /// The text after the last member; never empty.
    pub close: Arc<str>,
    /// The text between two members. It and `before_key` are not both empty.
    pub between: Arc<str>,
    /// The text before a key.
    pub before_key: Arc<str>,
    /// The text after a key; never empty.
    pub after_key: Arc<str>,
    /// The text after a value. It is not empty if strings are raw.
    pub after_value: Arc<str>,
    /// The spelling of strings that are values of members.
    pub strings: StringSpelling,
    /// The texts before and after a string, inside `after_key` and `after_value`.
    pub around_strings: [Arc<str>; 2],
    /// The texts before and after a value that is no string.
    pub around_others: [Arc<str>; 2],
    /// Texts that must not occur in raw strings, in addition to the texts that end them.
    pub excludes: Vec<Arc<str>>,
    /// The words for null, false and true, at every depth.
    pub words: Words,
}

impl ArgumentStyle {
    /// The reason why the style is not usable, if there is one.
    pub fn fault(&self) -> Option<&'static str> {
        let raw = self.strings == StringSpelling::Raw;
        if self.close.is_empty() {
            Some("`close` is empty")
        } else if self.between.is_empty() && self.before_key.is_empty() {
            Some("`between` and `before_key` are both empty")
        } else if self.after_key.is_empty() {
            Some("`after_key` is empty")
        } else if raw && self.end_of_strings().is_empty() {
            Some("nothing ends a raw string: `after_value` is empty")
        } else {
            None
        }
    }

    /// The role of arguments in this style.
    pub fn role(&self) -> Role {
        Role::Members {
            first: format!("{}{}", self.open, self.before_key).into(),
            next: format!("{}{}", self.between, self.before_key).into(),
            after_key: self.after_key.clone(),
        }
    }

    /// The roles of values that are strings, and of all others.
    pub(super) fn value_roles(&self) -> [Role; 2] {
        let strings = match self.strings {
            StringSpelling::Raw => ValueSpelling::Raw,
            StringSpelling::Json => ValueSpelling::Json,
        };
        let others = match self.words {
            Words::Json => ValueSpelling::Json,
            Words::Python => ValueSpelling::Python,
        };
        let role = |around: &[Arc<str>; 2], spelling| Role::Value {
            before: around[0].clone(),
            after: format!("{}{}", around[1], self.after_value).into(),
            spelling,
        };
        [role(&self.around_strings, strings), role(&self.around_others, others)]
    }

    pub(super) fn end_of_strings(&self) -> String {
        format!("{}{}", self.around_strings[1], self.after_value)
    }

    /// The texts that must not occur in a raw string.
    fn forbidden(&self) -> Vec<String> {
        let mut texts: Vec<String> = self.excludes.iter().map(|text| text.to_string()).collect();
        let end = self.end_of_strings();
        if !texts.iter().any(|text| end.contains(text.as_str())) {
            texts.push(end);
        }
        texts
    }

    /// The decoded texts that a raw string may have.
    pub(super) fn raw_texts(&self, pool: &mut ExprPool) -> LangId {
        // `fault` has made sure that no text is empty. If the texts exceed the limit of length, no
        // raw string is allowed.
        match Until::text(self.forbidden()) {
            Ok(text) => pool.machine(Arc::new(text)),
            Err(_) => LangId::NEVER,
        }
    }
}
