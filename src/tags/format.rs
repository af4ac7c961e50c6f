//! Formats: the parts that a structural tag is made of, as data.

use crate::automata::UNBOUNDED;
use crate::grammar::{Marker, Role, TokenNames, UntilSpec};
use crate::schema::ArgumentStyle;
use crate::syntax::Notation;
use crate::syntax::lark::Lexer;
use std::sync::Arc;

/// A part of an output.
///
/// Texts in markers, constants and separators may name special tokens of the vocabulary, as in
/// `<|im_end|>`. If the vocabulary has such a token, the token is read, otherwise the bytes of the
/// text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Format {
    /// Free text.
    Text(TextFormat),
    /// Exactly this text.
    Const(Arc<str>),
    /// A JSON value that satisfies a schema.
    Schema(SchemaFormat),
    /// A text of a grammar.
    Grammar {
        /// The notation; guessed where it is not given.
        notation: Option<Notation>,
        /// The grammar's text.
        text: String,
        /// The lexer of a grammar in Lark's notation. A grammar that is not all of the output needs
        /// the dynamic one.
        lexer: Lexer,
    },
    /// A text that a pattern matches from its start to its end, in ECMA-262's syntax.
    Regex(String),
    /// These formats, one after the other.
    Sequence(Vec<Format>),
    /// One of these formats.
    Or(Vec<Format>),
    /// The body, repeated.
    Repeat {
        /// The body.
        body: Box<Format>,
        /// The least number of repetitions.
        min: u32,
        /// The greatest number of repetitions, or [`UNBOUNDED`](crate::automata::UNBOUNDED).
        max: u32,
    },
    /// A tag: a marker, the content, another marker.
    Tag(Tag),
    /// Free text with tags in it.
    Triggered(TriggeredTags),
    /// Tags with a text between them and no other text.
    Separated(SeparatedTags),
    /// Free text in which each occurrence of a pattern is followed by a format.
    Dispatch(Dispatch),
    /// Tokens of a set, one after the other.
    Tokens {
        /// The set.
        tokens: TokenNames,
        /// The least number of tokens.
        min: u32,
        /// The greatest number of tokens, or [`UNBOUNDED`](crate::automata::UNBOUNDED).
        max: u32,
    },
    /// A part of the output with a role, for readers of events.
    Marked {
        /// The role.
        role: Role,
        /// The part.
        content: Box<Format>,
    },
}

impl Format {
    /// This format as a part with a role.
    ///
    /// ```
    /// use hedgerow::tags::{Format, Role, TextFormat};
    /// let thoughts = Format::Text(TextFormat::default()).marked(Role::Reasoning);
    /// assert!(matches!(thoughts, Format::Marked { role: Role::Reasoning, .. }));
    /// ```
    ///
    /// A schema whose [style](SchemaFormat::arguments) is not JSON, and that is marked as
    /// [`Role::Arguments`], gets the role of its style, [`ArgumentStyle::role`]. Readers of events
    /// then give its members as JSON. This is so for the schema itself only, and not for a sequence
    /// that has it as a part.
    #[must_use]
    pub fn marked(self, role: Role) -> Self {
        let role = match (&self, role) {
            (Format::Schema(SchemaFormat { arguments: Some(style), .. }), Role::Arguments) => style.role(),
            (_, role) => role,
        };
        Format::Marked { role, content: Box::new(self) }
    }

    /// Free text of at most `max_chars` characters.
    pub(super) fn plain(max_chars: u32) -> Self {
        let max_chars = (max_chars != UNBOUNDED).then_some(max_chars);
        Format::Text(TextFormat { max_chars, ..TextFormat::default() })
    }

    /// The most characters of a format that is free text and nothing else, however it is written:
    /// `star` of free text is free text. [`UNBOUNDED`] where there is no limit.
    pub(super) fn plain_text(&self) -> Option<u32> {
        match self {
            Format::Text(text) if text.excludes.is_empty() && text.max_tokens.is_none() => {
                Some(text.max_chars.unwrap_or(UNBOUNDED))
            }
            Format::Repeat { body, max, .. } if *max > 0 => Some(body.plain_text()?.saturating_mul(*max)),
            Format::Or(parts) if !parts.is_empty() => {
                parts.iter().try_fold(0, |most, part| Some(part.plain_text()?.max(most)))
            }
            Format::Sequence(parts) => {
                parts.iter().try_fold(0u32, |sum, part| Some(sum.saturating_add(part.plain_text()?)))
            }
            _ => None,
        }
    }

    /// True where free text may be the last thing in the format.
    pub(super) fn ends_in_text(&self) -> bool {
        match self {
            Format::Text(_) | Format::Triggered(_) => true,
            Format::Marked { content, .. } => content.ends_in_text(),
            Format::Or(parts) => parts.iter().any(Format::ends_in_text),
            Format::Repeat { body, max, .. } => *max > 0 && body.ends_in_text(),
            Format::Sequence(parts) => {
                let missing = parts.iter().rev().take_while(|part| part.may_be_missing());
                let last = parts.iter().rev().nth(missing.clone().count());
                missing.chain(last).any(Format::ends_in_text)
            }
            _ => false,
        }
    }

    /// True for a part of a sequence that may be left out and is not free text.
    pub(super) fn may_be_missing(&self) -> bool {
        match self {
            Format::Repeat { min: 0, max, .. } => *max > 0 && self.plain_text().is_none(),
            Format::Separated(tags) => !tags.at_least_one,
            _ => false,
        }
    }

    /// True if a part of the format says its role.
    pub(super) fn has_marks(&self) -> bool {
        match self {
            Format::Marked { .. } => true,
            Format::Sequence(parts) | Format::Or(parts) => parts.iter().any(Format::has_marks),
            Format::Repeat { body, .. } => body.has_marks(),
            Format::Tag(tag) => tag.content.has_marks(),
            Format::Triggered(TriggeredTags { tags, .. }) | Format::Separated(SeparatedTags { tags, .. }) => {
                tags.iter().any(|tag| tag.content.has_marks())
            }
            Format::Dispatch(dispatch) => dispatch.rules.iter().any(|rule| rule.1.has_marks()),
            Format::Text(_)
            | Format::Const(_)
            | Format::Schema(_)
            | Format::Grammar { .. }
            | Format::Regex(_)
            | Format::Tokens { .. } => false,
        }
    }
}

/// Free text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TextFormat {
    /// Texts that must not occur.
    pub excludes: Vec<Arc<str>>,
    /// The greatest number of characters.
    pub max_chars: Option<u32>,
    /// The greatest number of tokens that begin in the text. When they are written, the text ends
    /// behind its last whole character, and the end of the tag around it follows. Tokens are
    /// counted where an output is read as tokens, and not where it is read as bytes or text.
    pub max_tokens: Option<u32>,
}

impl TextFormat {
    /// The text as a description for grammars.
    pub(super) fn spec(&self) -> UntilSpec {
        let forbidden = self.excludes.iter().cloned().map(Marker::Text).collect();
        let (max_chars, max_tokens) = match self.max_tokens {
            Some(0) => (0, UNBOUNDED),
            most => (self.max_chars.unwrap_or(UNBOUNDED), most.unwrap_or(UNBOUNDED)),
        };
        UntilSpec { forbidden, max_chars, max_tokens, ..UntilSpec::text() }
    }
}

/// A JSON value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SchemaFormat {
    /// The schema's text.
    pub schema: Arc<str>,
    /// True if keys may come in any order.
    pub any_order: bool,
    /// The greatest number of bytes of whitespace in a row.
    pub max_whitespace: Option<u32>,
    /// The punctuation of the outermost object, if it is not JSON's.
    pub arguments: Option<Arc<ArgumentStyle>>,
    /// Texts that no string of the value holds, at any depth.
    pub excludes: Vec<Arc<str>>,
    /// The schema's place in the input, as a JSON pointer.
    pub pointer: Arc<str>,
}

/// A tag: for example `<think>`, free text, `</think>`.
///
/// For readers of events its beginning and its end are [markers](Role::Marker). Its content is a
/// part with the role that it is [marked](Format::Marked) with, and else a [`Role::Tag`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag {
    /// Its beginning.
    pub begin: Marker,
    /// The part between its beginning and its end.
    pub content: Box<Format>,
    /// Its possible ends; an empty text where it may end without one.
    pub ends: Vec<Marker>,
    /// The tag's place in the input, as a JSON pointer.
    pub pointer: String,
}

/// Free text in which a tag begins wherever a trigger occurs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TriggeredTags {
    /// Texts or tokens that begin a tag: after one, one of the tags that begin with it must follow.
    pub triggers: Vec<Marker>,
    /// The tags. Each begins with a trigger.
    pub tags: Vec<Tag>,
    /// Texts or tokens that the free text must not hold.
    pub excludes: Vec<Marker>,
    /// True if a tag must come first, before any text.
    pub at_least_one: bool,
    /// True if nothing may follow the first tag.
    pub stop_after_first: bool,
}

/// Tags with a text between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeparatedTags {
    /// The tags.
    pub tags: Vec<Tag>,
    /// The text between two tags.
    pub separator: Arc<str>,
    /// True if there must be a tag.
    pub at_least_one: bool,
    /// True if there may be no second tag.
    pub stop_after_first: bool,
}

/// Free text in which a format follows each occurrence of a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dispatch {
    /// The patterns, each with what follows it.
    pub rules: Vec<(Marker, Format)>,
    /// Texts or tokens that the free text must not hold.
    pub excludes: Vec<Marker>,
    /// True if free text goes on after the format that followed a pattern.
    pub looped: bool,
}
