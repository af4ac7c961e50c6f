//! The ids by which the parts of a grammar refer to each other.

use std::sync::Arc;

/// A node of a grammar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The node that matches nothing at all.
    pub const NEVER: NodeId = NodeId(0);
    /// The node that matches the empty string only.
    pub const EMPTY: NodeId = NodeId(1);
}

/// A named production, for recursion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleId(pub u32);

/// A special token's name, interned in the grammar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpecialId(pub u32);

/// A set of tokens by their names, before a vocabulary is known.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TokenNames {
    /// Names of special tokens, texts of ordinary ones, or ids as in `<[7]>`.
    pub names: Vec<Arc<str>>,
    /// True for all tokens except these and the end-of-sequence tokens.
    pub all_but: bool,
}

/// The name of a part that is expanded late: a key of one of the front ends that serve a grammar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LazyKey {
    /// The front end, by the number that [`GrammarBuilder::part`](super::GrammarBuilder::part) gave
    /// it; 0 for the one given to [`GrammarBuilder::build`](super::GrammarBuilder::build).
    pub part: u32,
    /// A number that the front end chooses as it likes.
    pub key: u64,
}
