//! What the engine does to be fast, one by one: each can be left out of a process, to measure what it is worth
//! (`benches/peers`) and to test that masks are the same without it. Not for other uses: it is process-wide.

use std::sync::atomic::{AtomicU32, Ordering};

/// One thing that makes masks faster and changes none of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idea {
    /// Masks are kept by state.
    Memo,
    /// Masks are put together from summaries of terminals, not by stepping through the trie of all tokens.
    Summaries,
    /// Summaries are kept by the vocabulary for all grammars.
    Sharing,
    /// Permissive strings read prepared sets of tokens.
    Slices,
    /// Summaries are found by their difference to a plainer one.
    Differences,
    /// Counts that no token can reach are taken for unbounded.
    Clamping,
    /// Terminals are looked up without the whitespace in front of them.
    Stripping,
    /// Suffixes are told apart by their first byte before they are stepped through.
    FirstBytes,
    /// Whitespace that changes nothing is not stepped through.
    IdleSpaces,
}

/// All of them, by the name that the command line gives them.
pub const IDEAS: [(&str, Idea); 9] = [
    ("memo", Idea::Memo),
    ("summaries", Idea::Summaries),
    ("sharing", Idea::Sharing),
    ("slices", Idea::Slices),
    ("differences", Idea::Differences),
    ("clamping", Idea::Clamping),
    ("stripping", Idea::Stripping),
    ("first-bytes", Idea::FirstBytes),
    ("idle-spaces", Idea::IdleSpaces),
];

static LEFT_OUT: AtomicU32 = AtomicU32::new(0);

/// Does without `idea` from now on, in the whole process.
pub fn leave_out(idea: Idea) {
    LEFT_OUT.fetch_or(1 << idea as u32, Ordering::Relaxed);
}

/// Makes use of all ideas again.
pub fn use_all() {
    LEFT_OUT.store(0, Ordering::Relaxed);
}

/// Whether `idea` is made use of.
pub(super) fn uses(idea: Idea) -> bool {
    LEFT_OUT.load(Ordering::Relaxed) >> (idea as u32) & 1 == 0
}
