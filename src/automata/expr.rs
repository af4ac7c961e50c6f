//! The types of expressions: their parts, and the properties that are kept of each.
//!
//! [`ExprPool`](super::ExprPool) makes expressions and answers questions about them. The files
//! beside this one add to it.

use smallvec::SmallVec;
use std::sync::Arc;

/// The number of an expression in an [`ExprPool`](super::ExprPool): a language, and at the same
/// time a state of its automaton.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LangId(pub u32);

impl LangId {
    /// ∅, the language without words: the dead state.
    pub const NEVER: LangId = LangId(0);
    /// {ε}, the language of the empty word.
    pub const EMPTY: LangId = LangId(1);
    /// Every byte string, UTF-8 or not.
    pub const ALL: LangId = LangId(2);

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An expression, by its parts. [`ExprPool`](super::ExprPool) constructs expressions and keeps them
/// simplified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// The empty language ∅.
    Never,
    /// The language of the empty word, {ε}.
    Empty,
    /// Every byte string.
    All,
    /// One character, or the rest of its bytes: a node of the pool's character graph.
    Chars(u32),
    /// The strings `lo..hi` of a literal set from byte `depth` on.
    Literals {
        /// The number of the literal set.
        set: u32,
        /// The first string.
        lo: u32,
        /// One past the last string.
        hi: u32,
        /// The number of bytes that were read.
        depth: u32,
    },
    /// A word of the first, then a word of the second. The first is never itself a `Concat`.
    Concat(LangId, LangId),
    /// A word of any part. The parts are sorted.
    Union(Arc<[LangId]>),
    /// A word of all parts. The parts are sorted.
    Inter(Arc<[LangId]>),
    /// Every byte string that is no word of the body.
    Not(LangId),
    /// At least `min` and at most `max` words of the body, one after the other. The maximum may be
    /// [`UNBOUNDED`](super::UNBOUNDED).
    Repeat(LangId, u32, u32),
    /// The JSON spellings of the words of a language of decoded text.
    Json {
        /// The decoded text that may follow.
        inner: LangId,
        /// The place within the spelling.
        mode: JsonMode,
        /// The spellings that are allowed.
        escapes: Escapes,
    },
    /// A state of a [`Machine`](super::Machine).
    Machine {
        /// The number of the machine.
        machine: u32,
        /// The state of the machine.
        state: u64,
    },
    /// An unknown of an equation ([`ExprPool::unknown`](super::ExprPool)): the solution of its
    /// definition.
    Unknown(u32),
}

/// A partition that is not known yet.
pub(super) const UNRESOLVED: u32 = u32::MAX;
/// A transition that is not known yet.
pub(super) const UNSTEPPED: u32 = u32::MAX;

/// The place of a state within a JSON string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum JsonMode {
    /// Before the opening quote.
    Start,
    /// Between two characters, or within one.
    Body,
    /// After a backslash.
    Escape,
    /// After `\u` and `digits` hexadecimal digits of value `value`.
    Hex {
        /// The number of digits that were read, 0 to 3.
        digits: u8,
        /// The value of these digits.
        value: u16,
    },
    /// After a complete high surrogate: `\` must follow.
    LowBackslash(u16),
    /// After a high surrogate and `\`: `u` must follow.
    LowU(u16),
    /// Within the digits of a low surrogate.
    LowHex {
        /// The high surrogate.
        high: u16,
        /// The number of digits that were read, 0 to 3.
        digits: u8,
        /// The value of these digits.
        value: u16,
    },
    /// After the closing quote.
    Closed,
}

impl JsonMode {
    pub(crate) fn text(self) -> String {
        match self {
            JsonMode::Start => String::new(),
            other => format!("@{other:?}"),
        }
    }

    pub(super) fn code(self) -> u64 {
        match self {
            JsonMode::Start => 0,
            JsonMode::Body => 1,
            JsonMode::Escape => 2,
            JsonMode::Closed => 3,
            JsonMode::Hex { digits, value } => 4 | u64::from(digits) << 8 | u64::from(value) << 16,
            JsonMode::LowBackslash(high) => 5 | u64::from(high) << 16,
            JsonMode::LowU(high) => 6 | u64::from(high) << 16,
            JsonMode::LowHex { high, digits, value } => {
                7 | u64::from(digits) << 8 | u64::from(value) << 16 | u64::from(high) << 32
            }
        }
    }
}

/// An edge between decoded states: the characters `lo..=hi` lead to the state `next`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CharTarget {
    pub lo: u32,
    pub hi: u32,
    pub next: LangId,
}

/// The spellings of characters that are allowed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Escapes {
    /// Every escape of JSON, and the plain character if JSON allows it.
    #[default]
    Any,
    /// Plain characters and two-character escapes (`\n`, `\"`, `\/`, …), no `\uXXXX`.
    NoUnicode,
    /// One spelling for each character: the plain character if JSON allows it, else the
    /// two-character escape if there is one, else `\u00xx` in small letters.
    Minimal,
}

/// The properties of one expression.
#[derive(Clone, Copy)]
pub(super) struct ExprInfo {
    pub fingerprint: u128,
    /// The first entry of its transition row, or `u32::MAX` before the first step.
    pub row: u32,
    /// The partition of the bytes, found on the first step.
    pub partition: u32,
    /// True if the empty word belongs to it.
    pub nullable: bool,
    /// True if every word is UTF-8 and the state stands between two characters.
    pub is_text: bool,
    /// True for a union that has an intersection among its members.
    pub has_intersections: bool,
    /// True if a loop is a part of it.
    pub has_loops: bool,
    /// See `ExprPool::is_condition`.
    pub is_condition: bool,
    pub liveness: Liveness,
    /// A lower bound on the characters of a word, and so on its bytes.
    pub at_least: u32,
    /// An upper bound on the bytes of a shortest word. `UNBOUNDED` if none is known.
    pub at_most: u32,
    /// An upper bound on the bytes that any state reached from here still needs. `UNBOUNDED` if
    /// none is known.
    pub completion: u32,
    /// The largest bound of a repetition in it, and 1 if there is none.
    pub largest_count: u32,
    /// The depth to which computing a derivative recurses. The recursion follows all parts that the
    /// next byte can belong to.
    pub depth: u32,
    /// The least and the greatest length of a word in characters, if words of every length between
    /// exist. `ExprPool::lengths_of` finds them.
    pub lengths: Option<(u32, u32)>,
}

/// The answer to the question if an expression has a word, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Liveness {
    Unknown,
    Live,
    Dead,
}

/// The languages that may follow a position, one for each context of the text before it.
pub(super) type Row = SmallVec<[LangId; 2]>;
