//! A language given by its transition function: the leaf for what is awkward as an expression.

use super::byte_classes::ByteClasses;

/// A deterministic automaton written by hand, such as "decimal integers divisible by 7" or "numbers between
/// two bounds".
///
/// States are plain numbers of the implementor's choosing. The contract: [`step`](Machine::step) is *trim* (from
/// every state it returns, acceptance can be reached), total (never panics, for any state it returned and any
/// byte) and a pure function; and two machines with equal [`key`](Machine::key) are the same language from
/// equal states.
pub trait Machine: Send + Sync {
    /// What identifies the language: kind and parameters, spelt out.
    fn key(&self) -> String;
    /// The first state; `None` when the language is empty.
    fn start(&self) -> Option<u64>;
    /// The state after `byte`, or `None` when no word goes on like this.
    fn step(&self, state: u64, byte: u8) -> Option<u64>;
    /// Whether a word may end here.
    fn accepts(&self, state: u64) -> bool;
    /// Bytes no state tells apart.
    fn classes(&self) -> ByteClasses;
    /// A lower bound on the bytes left to the end of a word, where `state` does not accept. The search for a word looks
    /// where it is smallest first.
    fn at_least(&self, _state: u64) -> u32 {
        1
    }
    /// A state that reads all that `state` does and maybe more, where many states have the same one; `None` where `state` is
    /// such a state itself. Reading on from it may lead through states that [`step`](Self::step) alone never leads to.
    fn wider(&self, _state: u64) -> Option<u64> {
        None
    }
    /// What is known of the words that are digits alone from `state` on; it decides intersections without a search.
    fn digit_runs(&self, _state: u64) -> DigitRuns {
        DigitRuns::Unknown
    }
    /// Whether every word is UTF-8 and every state stands between two characters (true of ASCII languages).
    fn is_text(&self) -> bool;
}

/// Which runs of decimal digits complete a state, see [`Machine::digit_runs`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigitRuns {
    /// After some digits, all that are long enough.
    All,
    /// Some of every length that is long enough, whatever digits come first.
    Some,
    /// Finitely many.
    Few,
    /// Not known.
    Unknown,
}
