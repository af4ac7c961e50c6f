//! The recogniser: a grammar and a vocabulary become a lazily grown graph of states with exact token masks.
//!
//! # The idea
//!
//! A grammar over bytes is run by a pushdown automaton that is determinised as far as outputs visit it. A
//! *state* is a set of threads, each a position in a terminal's automaton with what follows it (a *continuation*,
//! [`stack`]); equal states are one state, so everything computed for it (its transitions, its mask) is computed
//! once ([`graph`]). What a terminal alone says about the vocabulary is summarised once and shared by every grammar
//! ([`summary`]), so that a new state's mask is a few unions and a walk over a handful of token suffixes ([`mask`]).
//!
//! A [`Constraint`] is a grammar tied to a vocabulary: it owns the graph and is shared between threads. A
//! [`Matcher`] is one sequence's position in it: a state number and a history, cheap to fork and to roll back.
//!
//! Where a grammar has finitely many states over tokens, all of them can be written down as a [`TokenFsm`], for loops that run
//! without this library. What is bounded, and how, is told in `docs/limits.md`.
//!
//! # Exactness
//!
//! Token `t` is allowed after output `p` exactly when `p · bytes(t)` is a prefix of some word of the grammar, and the end
//! of sequence exactly when `p` is a word. `mask`, `advance`, `validate` and `forced_bytes` read one same graph.

#[doc(hidden)]
pub mod ablation;
mod batch;
mod completion;
mod constraint;
mod containers;
mod cost;
mod dense_rows;
mod difference;
mod draft_tree;
mod error;
mod from_text;
mod graph;
mod lexed;
mod limits;
mod links;
mod mask;
mod matcher;
mod recogniser;
mod stack;
mod suffix_trie;
mod summary;
mod token_fsm;
mod transitions;
mod truncate;
mod vocabulary_index;

pub use crate::automata::{Interrupt, Interrupted};
pub use batch::fill_masks;
pub use constraint::{prepare, Constraint, Stats};
pub use draft_tree::DraftTree;
pub use error::EngineError;
pub use from_text::ConstraintError;
pub use limits::Limits;
pub use matcher::Matcher;
pub use token_fsm::TokenFsm;
