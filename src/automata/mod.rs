//! Regular languages over bytes: hash-consed, lazily determinised, trim.
//!
//! # The idea
//!
//! A language is an *expression* ([`Expr`]), and so is a state of its automaton. The byte `b` leads
//! from the language `L` to the state `{ w | b·w ∈ L }`, which is called the derivative of `L` by
//! `b`: from `abc|ax` the byte `a` leads to `bc|x`. Expressions live in a pool ([`ExprPool`]). The
//! pool interns them, simplifies them while they are built, and memoises their derivatives. So only
//! the states that are visited are ever built. Union, intersection and complement cost one node
//! each. States with the same words are mostly the same expression: "any key except `a` and `b`"
//! becomes "any string" as soon as `a` and `b` are ruled out.
//!
//! Each leaf has its file: [`chars`] has one character of a set, in UTF-8; [`literals`] has sorted
//! literals with labels; [`json_string`] has the JSON spellings of a decoded language; [`until`]
//! has free text up to a trigger; [`machine`] has languages that are easier to give as a transition
//! function, such as the multiples of 7; [`char_table`] has such functions over classes of
//! characters, as tables.
//!
//! # Trim
//!
//! A word can be completed from every state: for a byte after which no word is left,
//! [`ExprPool::step`] returns [`LangId::NEVER`]. Without `∩` and `¬` this holds by construction.
//! With them the pool searches for a word, within a budget ([`emptiness`]).
//!
//! # The price
//!
//! Derivatives have more states than a minimal automaton, and a counted group has a state for each
//! count. The engine treats counts as the same if no token is long enough to tell them apart.
//!
//! Sources: J. Brzozowski, *Derivatives of Regular Expressions* (1964); S. Owens, J. Reppy, A.
//! Turon, *Regular-expression derivatives re-examined* (2009), for byte classes.

pub mod approximate;
mod budget;
pub mod byte_classes;
pub mod char_table;
pub mod chars;
mod construct;
pub mod decimal;
pub mod emptiness;
mod endless;
pub mod equations;
pub mod expr;
pub mod expr_pool;
pub mod fingerprint;
mod first_bytes;
mod import;
pub mod interrupt;
pub mod json_string;
mod leading;
mod lengths;
pub mod literals;
mod loops;
pub mod machine;
mod memos;
pub mod multiples;
pub mod number;
mod properties;
pub mod regex;
mod rounds;
pub mod shortest;
mod spectrum;
mod step;
pub mod until;

pub use approximate::Excluded;
pub use byte_classes::ByteSet;
pub(crate) use construct::flatten_counts;
pub use decimal::Decimal;
pub use expr::{Escapes, Expr, JsonMode, LangId};
pub use expr_pool::ExprPool;
pub use interrupt::{Interrupt, Interrupted};
pub use literals::{LiteralSet, UNLABELLED};
pub use machine::{DigitRuns, Machine, TextSearch};

/// The maximum of a repetition without a maximum.
pub const UNBOUNDED: u32 = u32::MAX;
