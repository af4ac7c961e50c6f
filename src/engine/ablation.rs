//! What the engine does to be fast, one by one: each can be left out of a process, to measure what it is worth
//! (`benches/peers`) and to test that masks are the same without it. Not for other uses: it is process-wide.

use std::sync::atomic::{AtomicU32, Ordering};

/// One thing that makes masks faster and changes none of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Optimisation {
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
    IdleWhitespace,
}

/// All of them, by the name that the command line gives them.
pub const OPTIMISATIONS: [(&str, Optimisation); 9] = [
    ("memo", Optimisation::Memo),
    ("summaries", Optimisation::Summaries),
    ("sharing", Optimisation::Sharing),
    ("slices", Optimisation::Slices),
    ("differences", Optimisation::Differences),
    ("clamping", Optimisation::Clamping),
    ("stripping", Optimisation::Stripping),
    ("first-bytes", Optimisation::FirstBytes),
    ("idle-spaces", Optimisation::IdleWhitespace),
];

static DISABLED: AtomicU32 = AtomicU32::new(0);

/// Does without `optimisation` from now on, in the whole process.
pub fn disable(optimisation: Optimisation) {
    DISABLED.fetch_or(1 << optimisation as u32, Ordering::Relaxed);
}

/// Makes use of all optimisations again.
pub fn enable_all() {
    DISABLED.store(0, Ordering::Relaxed);
}

/// Whether `optimisation` is made use of.
pub(super) fn enabled(optimisation: Optimisation) -> bool {
    DISABLED.load(Ordering::Relaxed) >> (optimisation as u32) & 1 == 0
}
