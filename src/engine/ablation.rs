//! A switch for each of the engine's optimisations, to measure its effect.
//!
//! An optimisation makes masks faster and changes none of them. With the feature `ablation`, each
//! can be turned off in a process: the benchmarks measure the difference, and a test compares the
//! masks. Without the feature every switch is the constant `true`, which costs nothing at run time.
//!
//! A switch affects the whole process, so nothing else may use the library in a process that turns
//! one.

#[cfg(feature = "ablation")]
use std::sync::atomic::{AtomicU32, Ordering};

/// An optimisation: it makes masks faster and changes none of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Optimisation {
    /// Masks are kept by state.
    Memo,
    /// Masks are made of summaries of terminals, and not by stepping through the trie of all
    /// tokens.
    Summaries,
    /// Summaries are kept with the vocabulary, for all grammars.
    Sharing,
    /// Permissive strings read prepared sets of tokens.
    Slices,
    /// A summary is found by its difference to the summary of a more permissive language.
    Differences,
    /// Counts that no token can reach are taken for unbounded.
    Clamping,
    /// Summaries of terminals leave out the whitespace in front of them.
    Stripping,
    /// Suffixes are told apart by their first byte before they are stepped through.
    FirstBytes,
    /// Whitespace that only changes how much more of it may follow is counted and not stepped
    /// through.
    IdleWhitespace,
}

/// All optimisations, by the names that the benchmarks' command line gives them.
#[cfg(feature = "ablation")]
pub const OPTIMISATIONS: [(&str, Optimisation); 9] = [
    ("memo", Optimisation::Memo),
    ("summaries", Optimisation::Summaries),
    ("sharing", Optimisation::Sharing),
    ("slices", Optimisation::Slices),
    ("differences", Optimisation::Differences),
    ("clamping", Optimisation::Clamping),
    ("stripping", Optimisation::Stripping),
    ("first-bytes", Optimisation::FirstBytes),
    ("idle-whitespace", Optimisation::IdleWhitespace),
];

/// One bit for each optimisation that is left out.
#[cfg(feature = "ablation")]
static DISABLED: AtomicU32 = AtomicU32::new(0);

/// Leaves `optimisation` out from now on, in the whole process.
#[cfg(feature = "ablation")]
pub fn disable(optimisation: Optimisation) {
    DISABLED.fetch_or(1 << optimisation as u32, Ordering::Relaxed);
}

/// Uses all optimisations again.
#[cfg(feature = "ablation")]
pub fn enable_all() {
    DISABLED.store(0, Ordering::Relaxed);
}

/// True unless `optimisation` was left out.
#[cfg(feature = "ablation")]
#[inline]
pub(super) fn enabled(optimisation: Optimisation) -> bool {
    DISABLED.load(Ordering::Relaxed) >> (optimisation as u32) & 1 == 0
}

/// True: without the feature `ablation` nothing can be left out.
#[cfg(not(feature = "ablation"))]
#[inline(always)]
pub(super) const fn enabled(_: Optimisation) -> bool {
    true
}
