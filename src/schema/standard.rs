//! The languages that every schema's grammar uses: whitespace, punctuation, and free scalars.

use super::argument_style::{ArgumentStyle, Words};
use super::error::{SchemaWarning, unused_document};
use super::number;
use super::options::{EscapePolicy, SchemaOptions, Whitespace};
use crate::automata::regex::{self, Anchoring, Dialect};
use crate::automata::until::text_without;
use crate::automata::{ByteSet, ExprPool, LangId, UNBOUNDED, UNLABELLED};
use crate::grammar::NodePool;
use std::sync::Arc;

/// The languages that all grammars of one set of policies share.
#[derive(Clone, Copy)]
pub(super) struct Standard {
    /// The whitespace between tokens.
    pub space: LangId,
    pub open_object: [LangId; 2],
    pub open_array: [LangId; 2],
    pub close_object: LangId,
    pub close_array: LangId,
    pub comma: LangId,
    pub colon: LangId,
    pub before_key: LangId,
    pub string: LangId,
    pub number: LangId,
    pub integer: LangId,
    /// Any scalar, after whitespace.
    pub any_scalar: LangId,
    /// The texts without those that strings must not hold; `None` if strings may hold any text.
    pub kept: Option<LangId>,
}

/// The most bytes of whitespace in a row under [`Whitespace::Flexible`].
pub(super) const MAX_SPACE: u32 = 64;

/// At most `max` bytes of JSON whitespace.
pub(super) fn json_space(pool: &mut ExprPool, max: u32) -> LangId {
    let mut set = ByteSet::EMPTY;
    b" \t\n\r".iter().for_each(|&b| set.insert(b));
    let byte = pool.byte(&set);
    pool.repeat(byte, 0, max)
}

impl Standard {
    pub fn new(options: &SchemaOptions, pool: &mut ExprPool) -> Standard {
        let space = match &options.whitespace {
            Whitespace::Flexible => json_space(pool, MAX_SPACE),
            Whitespace::AtMost(most) => json_space(pool, *most),
            Whitespace::Unlimited => json_space(pool, UNBOUNDED),
            // The pattern was checked with the other options, so it compiles.
            Whitespace::Pattern(pattern) => {
                regex::compile(pool, pattern, Dialect::Rust, Anchoring::Full).unwrap_or(LangId::EMPTY)
            }
            Whitespace::Compact | Whitespace::Exact { .. } | Whitespace::Pretty(_) => LangId::EMPTY,
        };
        let mut spaced = |text: &[u8]| {
            let text = pool.bytes(text);
            [text, pool.concat(space, text)]
        };
        let (open_object, open_array) = (spaced(b"{"), spaced(b"["));
        let (close_object, close_array) = (spaced(b"}")[1], spaced(b"]")[1]);
        let (comma, colon) = match &options.whitespace {
            Whitespace::Exact { item, key } => (pool.bytes(item.as_bytes()), pool.bytes(key.as_bytes())),
            Whitespace::Pretty(_) => (pool.bytes(b","), pool.bytes(b": ")),
            _ => (spaced(b",")[1], spaced(b":")[1]),
        };
        let text = pool.any_text();
        let string = pool.json_string(text, options.escapes.free());
        let (number, integer) = (number::any_number(pool), number::any_integer(pool));
        let words = pool.literals(options.words().all().map(|w| (w.to_vec(), UNLABELLED)));
        let scalar = pool.union(&[words, string, number]);
        let any_scalar = pool.concat(space, scalar);
        let excludes = options.excludes.iter().map(|text| text.to_string());
        let forbidden = options.arguments.iter().flat_map(|style| style.forbidden(None));
        let excludes: Vec<String> = excludes.chain(forbidden).filter(|text| !text.is_empty()).collect();
        let kept = match excludes.is_empty() {
            true => None,
            false => Some(text_without(excludes, pool)),
        };
        Standard {
            space,
            open_object,
            open_array,
            close_object,
            close_array,
            comma,
            colon,
            before_key: space,
            string,
            number,
            integer,
            any_scalar,
            kept,
        }
    }
}

/// The things that the schemas of one grammar share. The schemas of a list of tools have the same
/// options, so their standard languages are built once.
#[derive(Default)]
pub(crate) struct Standards {
    /// The standard languages of the grammar's pool, by the options that they depend on.
    languages: Vec<(LanguageOptions, Standard)>,
    /// The URIs of the caller's documents that no schema has read so far; `None` before the first
    /// schema.
    unread: Option<Vec<String>>,
}

/// The options that standard languages depend on.
type LanguageOptions = (Whitespace, EscapePolicy, Words, Vec<Arc<str>>, Option<Arc<ArgumentStyle>>);

impl Standards {
    /// Notes the URIs of the documents that a schema has not read.
    pub(super) fn note_unread(&mut self, unread: &[&str]) {
        match &mut self.unread {
            Some(all) => all.retain(|uri| unread.contains(&uri.as_str())),
            None => self.unread = Some(unread.iter().map(|&uri| uri.to_owned()).collect()),
        }
    }

    /// Warnings about the documents that no schema has read.
    pub(crate) fn unused_documents(&self) -> impl Iterator<Item = SchemaWarning> + '_ {
        self.unread.iter().flatten().map(|uri| unused_document(uri))
    }

    /// The standard languages of `options` in `pool`, which is always the same one.
    pub(super) fn of(&mut self, options: &SchemaOptions, pool: &mut ExprPool) -> Standard {
        let known = self.languages.iter().find(|(known, _)| {
            let (whitespace, escapes, words, excludes, arguments) = known;
            *whitespace == options.whitespace
                && *escapes == options.escapes
                && *words == options.words()
                && *excludes == options.excludes
                && *arguments == options.arguments
        });
        if let Some((_, standard)) = known {
            return *standard;
        }
        let standard = Standard::new(options, pool);
        let SchemaOptions { whitespace, escapes, excludes, arguments, .. } = options.clone();
        self.languages.push(((whitespace, escapes, options.words(), excludes, arguments), standard));
        standard
    }
}

/// A pool with the standard languages of `options`.
pub(super) fn prototype(options: &SchemaOptions) -> (NodePool, Standard) {
    let mut nodes = NodePool::default();
    let standard = Standard::new(options, &mut nodes.languages);
    (nodes, standard)
}
