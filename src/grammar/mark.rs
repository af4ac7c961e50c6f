//! Marks: the beginnings and ends of the parts of an output, such as reasoning and calls.
//!
//! A mark is a place in a grammar. It reads no text and changes nothing about what may follow; it
//! only tells a reader of events that a part begins or ends there. For example, in
//! `<think>Well.</think>Yes`, `Well.` stands between the marks `Begin(Reasoning)` and `End`.
//!
//! A mark may lie some bytes *back*. Free text goes on until a trigger is complete, and only then
//! is it known that the trigger's bytes were no text.

use std::sync::Arc;

/// A mark of a grammar, by its number in the pool.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MarkId(pub u32);

/// The beginning or the end of a part of an output.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Mark {
    /// A part with this role begins. It stands in the part around it.
    Begin(Role),
    /// The part that began last ends, and the part around it goes on.
    End,
}

/// The spelling of a [`Role::Value`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ValueSpelling {
    /// A string without quotes and escapes.
    Raw,
    /// A string without quotes and escapes, with JSON whitespace around it that is no part of it.
    Trimmed,
    /// JSON.
    Json,
    /// JSON with Python's words `None`, `False` and `True`.
    Python,
}

/// The use of a part of an output. Bytes outside of all parts are [text](Role::Text).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Role {
    /// Text for the user.
    Text,
    /// Text that the model writes for itself before it answers.
    Reasoning,
    /// A call of a tool. Its name, its id and its arguments are parts inside it. Its other bytes
    /// have no meaning.
    Call {
        /// The tool's name, if the grammar knows it. Otherwise a part with [`Role::Name`] stands in
        /// the call, before the arguments.
        name: Option<Arc<str>>,
    },
    /// The name of the tool that is called.
    Name,
    /// The id of the call. An id that stands in no call belongs to the call that begins next.
    Id,
    /// The end of the id of the call. The output has said the beginning of the id elsewhere, as in
    /// `functions.weather:7`, where the grammar knows all but the number.
    IdEnd {
        /// The beginning of the id.
        before: Arc<str>,
    },
    /// The arguments of the call, as JSON.
    Arguments,
    /// The arguments of the call, or an object in them, with markers between the members: the bytes
    /// outside of its [values](Role::Value), objects and arrays are keys and the texts around them.
    Members {
        /// The text before the first key.
        first: Arc<str>,
        /// The text before every other key.
        next: Arc<str>,
        /// The text after a key.
        after_key: Arc<str>,
    },
    /// An array in a call's arguments with markers between its items. The bytes outside of its
    /// [values](Role::Value), objects ([members](Role::Members)) and arrays are these markers.
    Items,
    /// The value of a member or item, with the texts around it.
    Value {
        /// The text before the value.
        before: Arc<str>,
        /// The text after the value.
        after: Arc<str>,
        /// The spelling of the value.
        spelling: ValueSpelling,
    },
    /// The content of a tag that has no other role.
    Tag {
        /// The tag's name: its `name`, or else its beginning.
        name: Arc<str>,
    },
    /// Text that only delimits other parts, such as `<think>`.
    Marker,
}
