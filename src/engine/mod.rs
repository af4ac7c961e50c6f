//! The engine: a grammar and a vocabulary become a graph of states with exact token masks.
//!
//! # The idea
//!
//! A pushdown automaton for the grammar reads bytes. It is determinised as far as outputs visit it:
//! all ways to read the output so far together are one *state*, and states with equal parts are the
//! same state. So each result about a state, such as its transitions and its mask, is computed
//! once. The tokens that a terminal reads are summarised once, for all grammars. The mask of a new
//! state is then made by a few unions and a walk over a few suffixes of tokens.
//!
//! A [`Constraint`] is a grammar tied to a vocabulary. It owns the graph of states and is shared
//! between threads. A [`Matcher`] is one sequence's position in the graph: a state number and a
//! history, cheap to fork and to roll back. If a grammar has finitely many states over tokens, all
//! of them can be written down as a [`TokenFsm`], for loops that run without this library.
//!
//! # Exactness
//!
//! Token `t` is allowed after output `p` exactly if `p · bytes(t)` is a prefix of some word of the
//! grammar. The end of sequence is allowed exactly if `p` is a word. `mask`, `advance`, `validate`
//! and `forced_bytes` read the same graph, so they cannot disagree. `docs/limits.md` lists the
//! limits.
//!
//! # The parts, from the bottom up
//!
//! A file imports only files below it, in this order:
//!
//! - `error`, `limits`, `ablation`, `special_tokens`, `text_reading`, `chunked_slots`: used by all
//!   others.
//! - `recogniser`: states, and the step from state to state.
//! - `transitions`, `published_states`: what is read without a lock.
//! - `mask`: from states to masks.
//! - `cost`, `completion`: a short text that completes an output.
//! - `graph`, `event_graph`, `shared`: the tables that matchers share, and those of readers of
//!   events.
//! - `matcher`, `event_reader`, `constraint`, `cache`, `from_text`, `batch`, `draft_tree`,
//!   `token_fsm`: what users see.

#[cfg(feature = "ablation")]
#[doc(hidden)]
pub mod ablation;
#[cfg(not(feature = "ablation"))]
mod ablation;
mod batch;
mod cache;
mod chunked_slots;
mod completion;
mod constraint;
mod cost;
mod draft_tree;
mod error;
mod event_graph;
mod event_reader;
mod from_text;
mod graph;
mod limits;
mod mask;
mod matcher;
mod published_states;
mod recogniser;
mod shared;
mod special_tokens;
mod spelling;
mod text_reading;
mod token_fsm;
mod transitions;

pub use crate::automata::{Interrupt, Interrupted};
pub use batch::{fill_mask_rows, fill_masks};
pub use cache::{CacheStats, ConstraintCache};
pub use constraint::{Constraint, prepare};
pub use draft_tree::DraftTree;
pub use error::EngineError;
pub use event_reader::EventReader;
pub use from_text::ConstraintError;
pub use limits::Limits;
pub use matcher::Matcher;
pub use shared::Stats;
pub use token_fsm::TokenFsm;
