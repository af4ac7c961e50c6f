//! Grammars as hash-consed nodes. Every front end builds them, and the engine runs them.
//!
//! A grammar is a graph of [`Node`]s over [regular languages](crate::automata). Nodes know bytes,
//! not tokens. A special token appears as a *name*, which is resolved when a vocabulary is at hand.
//! Beside the textbook operators there are three primitives for parts that would be slow or inexact
//! as productions:
//!
//! - [`Node::Repeat`] counts natively, so `x{0,10000}` is one node and a number.
//! - [`Node::Object`] is a JSON object with its keys, required sets and counts ([`object`]), in any
//!   key order and linear in the number of properties. [`Node::Array`] is its sibling
//!   ([`mod@array`]).
//! - [`Node::Lazy`] is expanded by the front end when it is first reached ([`Expand`]), so that a
//!   large schema costs only as much as the output visits.
//!
//! A compiled [`Grammar`] is immutable, `Send + Sync` and cheap to clone.
//!
//! [`GrammarBuilder::build`] guarantees two invariants: every node is productive (some finite byte
//! string completes it), and no rule is left-recursive.

pub mod array;
pub mod builder;
mod choice;
mod compile_error;
mod components;
pub mod display;
mod error;
mod fixed_point;
mod left_recursion;
pub mod lexed;
mod mark;
mod marker;
pub mod node;
mod node_id;
mod nullable;
pub mod object;
mod punctuation;

pub use array::{ArrayProgress, ArraySpec};
pub use builder::GrammarBuilder;
pub use choice::{Choice, Counter};
pub(crate) use choice::{SEARCH_STEPS, gave_up, take_gave_up};
pub(crate) use compile_error::line_column;
pub use compile_error::{CompileError, CompileErrorKind, Location};
pub(crate) use components::components;
pub use error::GrammarError;
pub use lexed::{Lexed, Lexeme, LexemeId, MARK};
pub use mark::{Mark, MarkId, Role, ValueSpelling};
pub use marker::Marker;
pub use node::{Expand, Grammar, Node, NodePool, Trigger, UntilSpec};
pub use node_id::{LazyKey, NodeId, RuleId, SpecialId, TokenNames};
pub use object::{KeyOrder, ObjectProgress, ObjectSpec, Property, RestKeys};
pub use punctuation::{Delimiter, Punctuation};
