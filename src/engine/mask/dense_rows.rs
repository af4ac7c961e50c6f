//! Terminal states as rows of 256 entries, for walks over a large part of the trie.
//!
//! A step of [`ExprPool`] finds its way through byte classes and expressions. A long walk meets few
//! states, and takes many steps from each. It copies their transitions into rows as it meets them,
//! and then a step is one load.
//!
//! Price: 1 KB a state, for at most [`MAX_STATES`] states between two walks.

use super::vocabulary_index::MAX_SLICED_LEN;
use crate::automata::{ExprPool, LangId};
use crate::engine::recogniser::truncate::coarse_height;
use hashbrown::HashMap;

/// A terminal state, by the number of its row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct RowId(u32);

impl RowId {
    /// The row of the language without words.
    pub const DEAD: RowId = RowId(0);
}

/// States kept between walks.
const MAX_STATES: usize = 1024;

/// The entry of a transition that was not looked up yet.
const UNKNOWN: u32 = u32::MAX;

/// A search for self-loops costs as much as a walk of about this many nodes.
const NODES_PER_SEARCH: u32 = 1024;

/// The largest number of such searches in one walk. They are worth their cost only for the few
/// states that read many subtrees.
const MAX_SEARCHES: u32 = 8;

/// Facts about the state of a row.
struct RowState {
    language: LangId,
    is_accepting: bool,
    is_spent: bool,
    /// The largest count in the language.
    count: u32,
    /// The groups that the state reads in any order, if they were searched for.
    self_loop_classes: Option<u64>,
}

/// Rows of transitions, filled on demand.
pub(in crate::engine) struct DenseRows {
    /// 256 entries a row.
    entries: Vec<u32>,
    states: Vec<RowState>,
    index: HashMap<LangId, u32>,
    /// The clamped row, by row and height; see `clamped`.
    clamped: HashMap<(u32, u32), RowId>,
    /// The number of searches for self-loop classes that this walk may still make.
    searches: u32,
}

impl DenseRows {
    pub fn new() -> Self {
        let dead = RowState {
            language: LangId::NEVER,
            is_accepting: false,
            is_spent: true,
            count: 1,
            self_loop_classes: Some(0),
        };
        DenseRows {
            entries: vec![0; 256],
            states: vec![dead],
            index: HashMap::from_iter([(LangId::NEVER, 0)]),
            clamped: HashMap::new(),
            searches: 0,
        }
    }

    /// Begins a walk of `nodes` trie nodes: makes room, and grants searches in proportion.
    pub fn begin_walk(&mut self, nodes: u32) {
        if self.states.len() > MAX_STATES {
            *self = DenseRows::new();
        }
        self.searches = (nodes / NODES_PER_SEARCH).min(MAX_SEARCHES);
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.entries.len() * 4 + self.states.len() * 48 + self.clamped.capacity() * 16
    }

    /// The row of a language.
    pub fn row(&mut self, languages: &ExprPool, language: LangId) -> RowId {
        if let Some(&known) = self.index.get(&language) {
            return RowId(known);
        }
        let row = self.states.len() as u32;
        self.states.push(RowState {
            language,
            is_accepting: languages.is_nullable(language),
            is_spent: languages.is_spent(language),
            count: languages.largest_count(language),
            self_loop_classes: None,
        });
        self.entries.resize(self.entries.len() + 256, UNKNOWN);
        self.index.insert(language, row);
        RowId(row)
    }

    /// The row after `byte`.
    #[inline]
    pub fn step(&mut self, languages: &mut ExprPool, from: RowId, byte: u8) -> RowId {
        let at = (from.0 as usize) << 8 | usize::from(byte);
        match self.entries[at] {
            UNKNOWN => {
                let next = languages.step(self.states[from.0 as usize].language, byte);
                let next = self.row(languages, next);
                if languages.is_sound() {
                    self.entries[at] = next.0;
                }
                next
            }
            known => RowId(known),
        }
    }

    /// A row that agrees with `row` on all texts of at most `height` more bytes. Counts that such
    /// texts do not reach are dropped. So the rest of a count of 200 is one state, and not one
    /// state for each byte.
    #[inline]
    pub fn clamped(&mut self, languages: &mut ExprPool, row: RowId, height: u16) -> RowId {
        let RowState { count, language, .. } = self.states[row.0 as usize];
        let height = coarse_height(height.into());
        if count <= height {
            return row;
        }
        if let Some(&known) = self.clamped.get(&(row.0, height)) {
            return known;
        }
        let clamped = languages.clamped(language, height);
        let clamped = self.row(languages, clamped);
        if languages.is_sound() {
            self.clamped.insert((row.0, height), clamped);
        }
        clamped
    }

    /// The language of a row.
    pub fn language(&self, row: RowId) -> LangId {
        self.states[row.0 as usize].language
    }

    /// True if a word ends here.
    #[inline]
    pub fn is_accepting(&self, row: RowId) -> bool {
        self.states[row.0 as usize].is_accepting
    }

    /// True if nothing can follow.
    #[inline]
    pub fn is_spent(&self, row: RowId) -> bool {
        self.states[row.0 as usize].is_spent
    }

    /// The groups that the state reads in any order ([`ExprPool::self_loop_classes`]), within
    /// tokens of at most [`MAX_SLICED_LEN`] bytes. No groups once this walk's searches are used up.
    #[inline]
    pub fn self_loop_classes(&mut self, languages: &mut ExprPool, row: RowId) -> u64 {
        let state = &mut self.states[row.0 as usize];
        match state.self_loop_classes {
            Some(groups) => groups,
            None if self.searches == 0 => 0,
            None => {
                self.searches -= 1;
                let clamped = languages.clamped(state.language, MAX_SLICED_LEN.into());
                let groups = languages.self_loop_classes(clamped);
                state.self_loop_classes = languages.is_sound().then_some(groups);
                groups
            }
        }
    }
}
