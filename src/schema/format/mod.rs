//! `format`: languages of decoded text, one file per format.
//!
//! Most are the grammar of their RFC written as one regular expression, so that the file can be read beside it. Where
//! a format is not regular, its language is cut down to a regular part of it, and the file says so:
//! what is accepted is always valid.
//!
//! | format | not accepted although valid |
//! |---|---|
//! | `hostname`, `idn-hostname`, `idn-email` | A-labels (`xn--…`): whether Punycode decodes to a valid label is not regular |
//! | `regex` | backreferences by number and before the group, a second named group, names of ten characters or more, groups nested deeper than [`regex::DEPTH`] levels, ranges other than `a-z`, `A-Z` and `0-9` |
//!
//! Source of the list: JSON Schema validation, 2020-12, §7.3.

mod base64;
mod date;
mod date_time;
mod duration;
mod email;
mod group_name;
mod hostname;
mod idn_email;
mod idn_hostname;
mod idna_tables;
mod ipv4;
mod ipv6;
mod iri;
mod iri_reference;
mod json_pointer;
mod regex;
mod relative_json_pointer;
mod time;
mod uri;
mod uri_reference;
mod uri_template;
mod uuid;

use crate::automata::regex::{compile, Anchoring, Dialect};
use crate::automata::{LangId, Languages};

/// A format that is enforced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Format {
    /// Of `contentEncoding`, not of `format`.
    Base64,
    Date,
    DateTime,
    Duration,
    Email,
    Hostname,
    IdnEmail,
    IdnHostname,
    Ipv4,
    Ipv6,
    Iri,
    IriReference,
    JsonPointer,
    Regex,
    RelativeJsonPointer,
    Time,
    Uri,
    UriReference,
    UriTemplate,
    Uuid,
}

impl Format {
    /// Every format with its name.
    pub const ALL: [(&'static str, Format); 19] = [
        ("date", Format::Date),
        ("date-time", Format::DateTime),
        ("duration", Format::Duration),
        ("email", Format::Email),
        ("hostname", Format::Hostname),
        ("idn-email", Format::IdnEmail),
        ("idn-hostname", Format::IdnHostname),
        ("ipv4", Format::Ipv4),
        ("ipv6", Format::Ipv6),
        ("iri", Format::Iri),
        ("iri-reference", Format::IriReference),
        ("json-pointer", Format::JsonPointer),
        ("regex", Format::Regex),
        ("relative-json-pointer", Format::RelativeJsonPointer),
        ("time", Format::Time),
        ("uri", Format::Uri),
        ("uri-reference", Format::UriReference),
        ("uri-template", Format::UriTemplate),
        ("uuid", Format::Uuid),
    ];

    /// The format with this name.
    pub fn by_name(name: &str) -> Option<Format> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, format)| format)
    }

    /// The texts in the format.
    pub fn language(self, pool: &mut Languages) -> LangId {
        match self {
            Format::Base64 => pool.named("contentEncoding base64", base64::language),
            Format::Date => pool.named("format date", date::language),
            Format::DateTime => pool.named("format date-time", date_time::language),
            Format::Duration => pool.named("format duration", duration::language),
            Format::Email => pool.named("format email", email::language),
            Format::Hostname => pool.named("format hostname", hostname::language),
            Format::IdnEmail => pool.named("format idn-email", idn_email::language),
            Format::IdnHostname => pool.named("format idn-hostname", idn_hostname::language),
            Format::Ipv4 => pool.named("format ipv4", ipv4::language),
            Format::Ipv6 => pool.named("format ipv6", ipv6::language),
            Format::Iri => pool.named("format iri", iri::language),
            Format::IriReference => pool.named("format iri-reference", iri_reference::language),
            Format::JsonPointer => pool.named("format json-pointer", json_pointer::language),
            Format::Regex => pool.named("format regex", regex::language),
            Format::RelativeJsonPointer => {
                pool.named("format relative-json-pointer", relative_json_pointer::language)
            }
            Format::Time => pool.named("format time", time::language),
            Format::Uri => pool.named("format uri", uri::language),
            Format::UriReference => pool.named("format uri-reference", uri_reference::language),
            Format::UriTemplate => pool.named("format uri-template", uri_template::language),
            Format::Uuid => pool.named("format uuid", uuid::language),
        }
    }
}

/// The texts in the format `name`, decoded (not spelt as JSON); `None` where no such format is enforced.
pub fn language(pool: &mut Languages, name: &str) -> Option<LangId> {
    Format::by_name(name).map(|format| format.language(pool))
}

/// The texts that match a pattern of this folder from start to end.
fn rust(pool: &mut Languages, pattern: &str) -> LangId {
    of_pattern(pool, pattern, Dialect::Rust)
}

/// The same in the dialect that has lookaround.
fn ecma(pool: &mut Languages, pattern: &str) -> LangId {
    of_pattern(pool, pattern, Dialect::Ecma262)
}

fn of_pattern(pool: &mut Languages, pattern: &str, dialect: Dialect) -> LangId {
    // The patterns are constants; the tests build every one of them.
    let language = compile(pool, pattern, dialect, Anchoring::Full);
    debug_assert!(language.is_ok(), "{pattern}");
    language.unwrap_or(LangId::NEVER)
}

#[cfg(test)]
mod tests;
