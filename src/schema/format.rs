//! The formats that are enforced, by name.

use crate::automata::{LangId, Languages};

/// A format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Format {}

impl Format {
    /// The format with this name.
    pub fn by_name(_name: &str) -> Option<Format> {
        None
    }

    /// The texts in the format.
    pub fn language(self, _pool: &mut Languages) -> LangId {
        match self {}
    }
}
