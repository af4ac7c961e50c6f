//! Sets of drafts, and their names.

use super::options::Draft;
use std::fmt;

/// A set of drafts, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Drafts(u8);

impl Drafts {
    pub const ALL: Drafts = Drafts::since(Draft::Four);

    /// The draft `first` and all later ones, including the rules for schemas that name no draft.
    pub const fn since(first: Draft) -> Self {
        Drafts(!0 << first as u8)
    }

    pub const fn only(draft: Draft) -> Self {
        Drafts(1 << draft as u8)
    }

    pub const fn or(self, other: Drafts) -> Self {
        Drafts(self.0 | other.0)
    }

    pub const fn without(self, draft: Draft) -> Self {
        Drafts(self.0 & !(1 << draft as u8))
    }

    pub const fn contains(self, draft: Draft) -> bool {
        self.0 >> draft as u8 & 1 == 1
    }
}

const NAMED: [Draft; 5] = [Draft::Four, Draft::Six, Draft::Seven, Draft::Y2019, Draft::Y2020];

/// The name of a draft in a sentence.
pub(super) fn name(draft: Draft) -> &'static str {
    match draft {
        Draft::Four => "draft 4",
        Draft::Six => "draft 6",
        Draft::Seven => "draft 7",
        Draft::Y2019 => "2019-09",
        Draft::Y2020 => "2020-12",
        Draft::Unspecified => "2020-12 with older spellings",
    }
}

impl fmt::Display for Drafts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = || NAMED.into_iter().filter(|&draft| self.contains(draft));
        match (known().next(), known().next_back()) {
            (Some(first), Some(last)) if first == last => f.write_str(name(first)),
            (Some(Draft::Four), Some(last)) => {
                write!(f, "drafts up to {}", name(last).trim_start_matches("draft "))
            }
            (Some(first), _) => write!(f, "{} and later", name(first)),
            (None, _) => f.write_str("OpenAPI 3.0"),
        }
    }
}
