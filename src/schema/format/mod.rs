//! `format`: languages of decoded text, one file per format.
//!
//! Most formats are the grammar of their RFC, written as one regular expression, so the file can be
//! read beside the RFC. A format that is not regular is cut down to a regular part, and its file
//! says so. Every text that is accepted is valid, apart from the length and the normal form of
//! U-labels, which `idn_hostname.rs` explains. These valid texts are not accepted:
//!
//! - `hostname` from draft 7 on, `idn-hostname` and `idn-email`: A-labels (`xn--…`), because no
//!   regular language holds exactly the Punycode of valid labels;
//! - `regex`: backreferences by number or before the group, a second named group, names of ten
//!   characters or more, groups nested deeper than [`regex::DEPTH`] levels, and ranges other than
//!   those within `a-z`, `A-Z` and `0-9`.
//!
//! In a complement (`not`, `if`, `oneOf`) these texts count as valid, so they are not accepted
//! there either ([`Format::widest`]).
//!
//! Source of the list of formats: JSON Schema validation, 2020-12, §7.3.

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

use crate::automata::regex::{Anchoring, Dialect, compile};
use crate::automata::{ByteSet, ExprPool, LangId, interrupt};
use std::sync::OnceLock;

/// Declares the formats, each with the function that builds its language. A format that has no name
/// is no value of `format`.
macro_rules! formats {
    ($($(#[$doc:meta])* $format:ident $(= $name:literal)? => $language:path,)*) => {
        /// A format that is enforced.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        #[allow(missing_docs)]
        pub enum Format {
            $($(#[$doc])* $format,)*
        }

        impl Format {
            const COUNT: usize = [$(Format::$format),*].len();
            const NAMED: usize = [$($($name,)?)*].len();

            /// Every format with its name.
            pub const ALL: [(&'static str, Format); Format::NAMED] = [$($(($name, Format::$format),)?)*];

            fn build(self, pool: &mut ExprPool) -> LangId {
                match self {
                    $(Format::$format => $language(pool),)*
                }
            }
        }
    };
}

formats! {
    /// `hostname` in drafts 4 and 6, in which labels that start with `xn--` are labels like others.
    AsciiHostname => hostname::ascii,
    /// The value `base64` of `contentEncoding`, which is not a `format`.
    Base64 => base64::language,
    Date = "date" => date::language,
    DateTime = "date-time" => date_time::language,
    Duration = "duration" => duration::language,
    Email = "email" => email::language,
    Hostname = "hostname" => hostname::language,
    IdnEmail = "idn-email" => idn_email::language,
    IdnHostname = "idn-hostname" => idn_hostname::language,
    Ipv4 = "ipv4" => ipv4::language,
    Ipv6 = "ipv6" => ipv6::language,
    Iri = "iri" => iri::language,
    IriReference = "iri-reference" => iri_reference::language,
    JsonPointer = "json-pointer" => json_pointer::language,
    Regex = "regex" => regex::language,
    RelativeJsonPointer = "relative-json-pointer" => relative_json_pointer::language,
    Time = "time" => time::language,
    Uri = "uri" => uri::language,
    UriReference = "uri-reference" => uri_reference::language,
    UriTemplate = "uri-template" => uri_template::language,
    Uuid = "uuid" => uuid::language,
}

impl Format {
    /// The format with this name.
    pub fn by_name(name: &str) -> Option<Format> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, format)| format)
    }

    /// The texts in the format. The language is built once in the process and then copied into each
    /// pool.
    pub fn language(self, pool: &mut ExprPool) -> LangId {
        static BUILT: [OnceLock<(ExprPool, LangId)>; Format::COUNT] =
            [const { OnceLock::new() }; Format::COUNT];
        let (built, language) = BUILT[self as usize].get_or_init(|| {
            interrupt::suspended(|| {
                let mut pool = ExprPool::new();
                let language = self.build(&mut pool);
                // This call finds out, once for all copies, that the language is not empty and
                // which bytes it tells apart.
                pool.first_bytes(language);
                // The copy leaves out the intermediate expressions of the construction.
                let mut kept = ExprPool::new();
                let language = kept.import(&pool, language);
                (kept, language)
            })
        });
        pool.import(built, *language)
    }

    /// True if the format's language leaves out texts that are valid.
    pub(super) fn is_cut(self) -> bool {
        matches!(self, Format::Hostname | Format::IdnHostname | Format::IdnEmail | Format::Regex)
    }

    /// Texts that include every valid text outside the [language](Self::language). Some of them may
    /// be invalid. A complement allows none of them.
    pub(super) fn left_out(self, pool: &mut ExprPool) -> LangId {
        match self {
            Format::Hostname => Format::AsciiHostname.language(pool),
            Format::IdnHostname | Format::IdnEmail => rust(pool, hostname::WITH_A_LABEL),
            Format::Regex => {
                let invalid = rust(pool, regex::INVALID);
                let (text, other) = (pool.any_text(), pool.not(invalid));
                pool.inter(&[text, other])
            }
            _ => LangId::NEVER,
        }
    }

    /// The language with the texts that it leaves out.
    pub(super) fn widest(self, pool: &mut ExprPool) -> LangId {
        let parts = [self.language(pool), self.left_out(pool)];
        pool.union(&parts)
    }
}

/// The texts in the format `name`, decoded (not spelt as JSON); `None` if no such format is
/// enforced.
pub fn language(pool: &mut ExprPool, name: &str) -> Option<LangId> {
    Format::by_name(name).map(|format| format.language(pool))
}

/// The words of at most `most` octets.
fn of_octets(pool: &mut ExprPool, language: LangId, most: u32) -> LangId {
    let octet = pool.byte(&ByteSet::FULL);
    let length = pool.repeat(octet, 0, most);
    pool.inter(&[language, length])
}

/// The texts that match a pattern of this folder from start to end.
fn rust(pool: &mut ExprPool, pattern: &str) -> LangId {
    of_pattern(pool, pattern, Dialect::Rust)
}

/// The texts that match a pattern in the ECMA-262 dialect, which has lookaround.
fn ecma(pool: &mut ExprPool, pattern: &str) -> LangId {
    of_pattern(pool, pattern, Dialect::Ecma262)
}

fn of_pattern(pool: &mut ExprPool, pattern: &str, dialect: Dialect) -> LangId {
    // The patterns are constants; the tests build every one of them.
    let language = compile(pool, pattern, dialect, Anchoring::Full);
    debug_assert!(language.is_ok(), "{pattern}");
    language.unwrap_or(LangId::NEVER)
}

#[cfg(test)]
mod tests;
