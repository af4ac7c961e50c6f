//! Answers that a pool keeps, one type for each family of questions.

use super::expr::{LangId, Row};
use hashbrown::HashMap;
use std::sync::Arc;

/// Results of merging alternatives that begin alike. Without them, nested alternatives would be
/// merged again and again.
#[derive(Clone, Default)]
pub(super) struct Mergers {
    /// By the alternatives.
    pub known: HashMap<u128, LangId>,
    /// The languages that follow merged loops, by the names of the loops.
    pub rows: HashMap<u128, Row>,
    /// True for each context in which a round may read nothing at the end of the text, by the names
    /// of the rounds.
    pub empty_at_end: HashMap<u128, Arc<[bool]>>,
    /// True for each context from which rounds may lead to a place where a round reads nothing.
    pub leads_to_padding: HashMap<u128, Arc<[bool]>>,
    /// The number of mergers that are under way, each within the one before.
    pub nested: u32,
}

impl Mergers {
    /// The memory that they hold, in bytes, approximately.
    pub fn memory(&self) -> usize {
        self.known.capacity() * size_of::<(u128, LangId)>() + self.rows.capacity() * size_of::<(u128, Row)>()
    }
}

/// Answers of [`approximate`](super::approximate).
#[derive(Clone, Default)]
pub(super) struct Approximations {
    pub self_loop_classes: HashMap<LangId, u64>,
    pub read_groups: HashMap<LangId, u64>,
    /// Upper bounds on the bytes that complete a word.
    pub completions: HashMap<LangId, Option<u32>>,
    /// Number of searches for such a bound that found none.
    pub unbounded_completions: u32,
    /// Languages in which no count exceeds a length, by the language and the length.
    pub clamps: HashMap<(LangId, u32), LangId>,
}

impl Approximations {
    /// The memory of the largest table, in bytes, approximately.
    pub fn memory(&self) -> usize {
        self.clamps.capacity() * size_of::<((LangId, u32), LangId)>()
    }
}
