//! Terminal states as rows of 256 entries, for walks over much of the trie.
//!
//! A step of [`Languages`] finds its way through byte classes and expressions, tens of nanoseconds each time. A walk of
//! ten thousand steps that meets a dozen states copies their transitions here as it meets them and pays a load a step.
//!
//! Price: 1 KB a state, up to [`MAX_STATES`] of them between two walks.

use super::vocabulary_index::MAX_SLICED_LEN;
use crate::automata::{interrupt, LangId, Languages};
use hashbrown::HashMap;

/// A state by its row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Row(u32);

impl Row {
    /// No word goes on like this.
    pub const DEAD: Row = Row(0);
}

/// States kept between walks.
const MAX_STATES: usize = 1024;

const UNKNOWN: u32 = u32::MAX;

struct State {
    language: LangId,
    is_end: bool,
    is_spent: bool,
    /// The largest count in it.
    count: u32,
    /// See [`Languages::free_groups`].
    free: Option<u64>,
}

/// See the module's documentation.
pub(super) struct DenseRows {
    rows: Vec<u32>,
    states: Vec<State>,
    index: HashMap<LangId, u32>,
    /// Rows of what cannot be told from a row's state by so many bytes.
    near: HashMap<(u32, u32), Row>,
    /// How many more states may be searched for what they read freely, in this walk.
    searches: u32,
}

/// A search costs as much as a walk of about so many nodes.
const WORTH_A_SEARCH: u32 = 1024;

/// Such searches in one walk: the few states that the many subtrees are read in.
const MAX_SEARCHES: u32 = 8;

impl DenseRows {
    pub fn new() -> Self {
        let never = State { language: LangId::NEVER, is_end: false, is_spent: true, count: 1, free: Some(0) };
        DenseRows {
            rows: vec![0; 256],
            states: vec![never],
            index: HashMap::from_iter([(LangId::NEVER, 0)]),
            near: HashMap::new(),
            searches: 0,
        }
    }

    /// Makes room before a walk of `nodes` trie nodes.
    pub fn begin_walk(&mut self, nodes: u32) {
        if self.states.len() > MAX_STATES {
            *self = DenseRows::new();
        }
        self.searches = (nodes / WORTH_A_SEARCH).min(MAX_SEARCHES);
    }

    pub fn memory(&self) -> usize {
        self.rows.len() * 4 + self.states.len() * 48 + self.near.capacity() * 16
    }

    pub fn row(&mut self, languages: &Languages, language: LangId) -> Row {
        if let Some(&known) = self.index.get(&language) {
            return Row(known);
        }
        let row = self.states.len() as u32;
        self.states.push(State {
            language,
            is_end: languages.is_nullable(language),
            is_spent: languages.is_spent(language),
            count: languages.largest_count(language),
            free: None,
        });
        self.rows.resize(self.rows.len() + 256, UNKNOWN);
        self.index.insert(language, row);
        Row(row)
    }

    #[inline]
    pub fn step(&mut self, languages: &mut Languages, from: Row, byte: u8) -> Row {
        let at = (from.0 as usize) << 8 | usize::from(byte);
        match self.rows[at] {
            UNKNOWN => {
                let next = languages.step(self.states[from.0 as usize].language, byte);
                let next = self.row(languages, next);
                if !interrupt::is_over() {
                    self.rows[at] = next.0;
                }
                next
            }
            known => Row(known),
        }
    }

    /// A state that the tokens of at most `height` more bytes cannot tell from that of `row`: counts that they do not reach
    /// are left out, so that what is left of a count of 200 is one state and not a state for each byte.
    #[inline]
    pub fn near(&mut self, languages: &mut Languages, row: Row, height: u16) -> Row {
        let State { count, language, .. } = self.states[row.0 as usize];
        // Rounded up, so that few lengths are asked about.
        let height = u32::from(height).next_power_of_two();
        if count <= height {
            return row;
        }
        if let Some(&known) = self.near.get(&(row.0, height)) {
            return known;
        }
        let near = languages.clamped(language, height);
        let near = self.row(languages, near);
        self.near.insert((row.0, height), near);
        near
    }

    pub fn language(&self, row: Row) -> LangId {
        self.states[row.0 as usize].language
    }

    /// Whether a word ends here.
    #[inline]
    pub fn is_end(&self, row: Row) -> bool {
        self.states[row.0 as usize].is_end
    }

    /// Whether nothing can follow.
    #[inline]
    pub fn is_spent(&self, row: Row) -> bool {
        self.states[row.0 as usize].is_spent
    }

    /// What the state reads in any order ([`Languages::free_groups`]), as far as sliced tokens go.
    #[inline]
    pub fn free(&mut self, languages: &mut Languages, row: Row) -> u64 {
        let state = &mut self.states[row.0 as usize];
        match state.free {
            Some(free) => free,
            None if self.searches == 0 => 0,
            None => {
                self.searches -= 1;
                let near = languages.clamped(state.language, MAX_SLICED_LEN.into());
                let free = languages.free_groups(near);
                state.free = (!interrupt::is_over()).then_some(free);
                free
            }
        }
    }
}
