//! Grammars as hash-consed nodes: what every front end builds and the engine runs.
//!
//! A grammar is a graph of [`Node`]s over [regular languages](crate::automata). Nodes know bytes, not tokens:
//! special tokens appear as *names* and are resolved where a vocabulary is at hand. Beside the textbook operators
//! there are three primitives, because writing them out as productions is what makes other engines slow or wrong:
//!
//! - [`Node::Repeat`] counts natively, so `x{0,10000}` is one node and a number;
//! - [`Node::Object`] is a JSON object with its keys, required sets and counts ([`object`]), in any key order,
//!   linear in the number of properties; [`Node::Array`] is its sibling ([`mod@array`]);
//! - [`Node::Lazy`] is expanded by the front end when it is first reached ([`Expand`]), so that a large schema
//!   costs what the output visits.
//!
//! A compiled [`Grammar`] is immutable, `Send + Sync` and cheap to clone.
//!
//! Invariants, held by [`GrammarBuilder::build`]: every node is productive (some finite byte string completes it),
//! and no rule is left-recursive.

pub mod array;
pub mod builder;
mod compile_error;
pub mod display;
mod fixed_point;
mod left_recursion;
pub mod lexed;
pub mod node;
pub mod object;

pub use array::{ArrayProgress, ArraySpec};
pub use builder::{GrammarBuilder, GrammarError};
pub(crate) use compile_error::line_column;
pub use compile_error::{CompileError, CompileErrorKind, Location};
pub use lexed::{Lexed, Lexeme, LexemeId, MARK};
pub use node::{
    Choice, Counter, Expand, Grammar, LazyKey, Node, NodeId, NodePool, RuleId, SpecialId, Trigger, UntilSpec,
};
pub use object::{KeyOrder, ObjectProgress, ObjectSpec, Property, RestKeys};
