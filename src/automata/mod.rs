//! Regular languages over bytes: hash-consed, lazily determinised, trim.
//!
//! # The idea
//!
//! A language is an *expression* ([`Expr`]) and an automaton state is nothing else than an expression too:
//! the state reached by byte `b` from the language `L` is the derivative `{ w | b·w ∈ L }` (Brzozowski, 1964).
//! Expressions live in a pool ([`Languages`]) that interns them, simplifies them while they are built and
//! memoises their derivatives, so that a language is determinised exactly as far as somebody walks it. Union,
//! intersection and complement cost one node each, and states that mean the same mostly *are* the same: "any key
//! except `a`, `b`" becomes "any string" as soon as `a` and `b` are ruled out.
//!
//! The leaves are one file each: [`chars`] (one character of a set, in UTF-8), [`literals`] (sorted literals
//! with labels), [`json_string`] (the JSON spelling of a decoded language) and [`machine`] (anything that is
//! easier to say as a transition function, such as "multiples of 7").
//!
//! # Trim
//!
//! No state exists from which no word is left: [`Languages::step`] returns [`LangId::NEVER`] instead. Without
//! `∩` and `¬` this holds by construction; with them the pool searches for a word, within a budget ([`emptiness`]).
//!
//! # The price
//!
//! Derivatives find the same state less often than a minimal automaton would, and a counted group is one state
//! per count (the engine above clamps counts no token can tell apart).
//!
//! Source: J. Brzozowski, *Derivatives of Regular Expressions* (1964); S. Owens, J. Reppy, A. Turon,
//! *Regular-expression derivatives re-examined* (2009), for byte classes.

pub mod byte_classes;
pub mod chars;
pub mod compare;
mod construct;
pub mod decimal;
pub mod emptiness;
pub mod equations;
mod facts;
pub mod fingerprint;
mod first_bytes;
mod import;
pub mod interrupt;
pub mod json_string;
pub mod languages;
pub mod literals;
pub mod machine;
pub mod number;
pub mod regex;
mod rounds;
pub mod shortest;
mod step;

pub use byte_classes::ByteSet;
pub use compare::Excluded;
pub use decimal::Decimal;
pub use interrupt::{Interrupt, Interrupted};
pub use json_string::Escapes;
pub use languages::{Expr, LangId, Languages};
pub use literals::{LiteralSet, UNLABELLED};
pub use machine::{DigitRuns, Machine};

/// `max` of an unbounded repetition.
pub const UNBOUNDED: u32 = u32::MAX;
