//! A language given by its transition function: the leaf for languages that are awkward as
//! expressions, such as the multiples of 7.

use super::UNBOUNDED;
use super::byte_classes::ByteClasses;
use hashbrown::HashMap;
use std::sync::Arc;

/// A deterministic automaton written by hand, such as "decimal integers divisible by 7" or "numbers
/// between two bounds".
///
/// States are plain numbers that the implementor chooses. An implementation promises this:
///
/// - [`step`](Machine::step) is *trim*: an accepting state can be reached from every state that it
///   returns.
/// - `step` is total: it does not panic for any byte and any state that it has returned.
/// - `step` is a pure function.
/// - Two machines with equal [`key`](Machine::key) have the same language from equal states.
pub trait Machine: Send + Sync {
    /// The name of the language: its kind and its parameters, spelt out.
    fn key(&self) -> String;
    /// The first state. `None` when the language is empty.
    fn start(&self) -> Option<u64>;
    /// The state after `byte`, or `None` when no word goes on like this.
    fn step(&self, state: u64, byte: u8) -> Option<u64>;
    /// True if a word may end in this state.
    fn accepts(&self, state: u64) -> bool;
    /// The partition of the bytes that states tell apart.
    fn classes(&self) -> ByteClasses;
    /// A lower bound on the number of characters that every word still needs from `state`, which
    /// does not accept. Searches for a word look first where the bound is smallest.
    fn at_least(&self, _state: u64) -> u32 {
        1
    }
    /// An upper bound on the bytes of a shortest word of `state`. [`UNBOUNDED`] if none is known.
    fn at_most(&self, _state: u64) -> u32 {
        UNBOUNDED
    }
    /// An upper bound on the bytes that any state reached from `state` still needs. [`UNBOUNDED`]
    /// if none is known.
    fn completion(&self, _state: u64) -> u32 {
        UNBOUNDED
    }
    /// The least and the greatest length of a word in characters, if `state` stands between two
    /// characters and has words of every length between. `None` if that is not known.
    fn lengths(&self, _state: u64) -> Option<(u32, u32)> {
        None
    }
    /// A state that has all words of `state` and perhaps more, and that stands for many states.
    /// `None` when `state` is such a state itself. Neither it nor the states after it need be
    /// reachable from the first state.
    fn wider(&self, _state: u64) -> Option<u64> {
        None
    }
    /// A state all of whose words are words of `state`, and that stands for many states. `None`
    /// when there is no such state. If it has a word, so has `state`.
    fn narrower(&self, _state: u64) -> Option<u64> {
        None
    }
    /// The runs of digits that complete `state`. They decide some intersections without a search.
    fn digit_runs(&self, _state: u64) -> DigitRuns {
        DigitRuns::Unknown
    }
    /// The label of the word that ends at an accepting state, if words have labels.
    fn label(&self, _state: u64) -> Option<u32> {
        None
    }
    /// The number of bytes before `state` that may belong to the marker at the end of a word, in
    /// languages whose words end with one. For free text up to `<call>` it is 3 after `<ca`.
    fn held(&self, _state: u64) -> u32 {
        0
    }
    /// True if no byte can follow `state`. Such a state accepts.
    fn is_spent(&self, _state: u64) -> bool {
        false
    }
    /// A machine whose words are those of this one with a label that `keep` accepts; `None` if
    /// words have no labels.
    fn with_labels(&self, _keep: &dyn Fn(u32) -> bool) -> Option<Arc<dyn Machine>> {
        None
    }
    /// A short word of each label that can be reached from `state`, or of the nearest ones.
    fn labelled_words(&self, _state: u64) -> Vec<(Vec<u8>, u32)> {
        Vec::new()
    }
    /// The search that the machine makes, if it is free text in which texts are looked for.
    fn text_search(&self) -> Option<&dyn TextSearch> {
        None
    }
    /// True if every word is UTF-8 and `state` stands between two characters, as every state of a
    /// language of ASCII characters does.
    fn is_text(&self, state: u64) -> bool;
}

/// A search for texts in free text. The texts are a trie, whose node 0 is the root.
///
/// Free text goes on alike after every byte that completes none of the texts. After one that does,
/// it has ended, or is dead.
pub trait TextSearch {
    /// The children of a node, by their bytes.
    fn children(&self, node: u32) -> &[(u8, u32)];
    /// True if one of the texts ends at `node`.
    fn is_found(&self, node: u32) -> bool;
    /// The nodes of the beginnings of texts with which the text read up to `state` ends, without
    /// the root. After `a<` in a search for `<b>` this is the node of `<`.
    fn begun(&self, state: u64) -> Vec<u32>;
    /// Free text at the place of `state` in which none of the next `longest` bytes completes a text
    /// that is looked for: a machine and its state. `None` if there is none of this length.
    fn without_texts(&self, state: u64, longest: usize) -> Option<(Arc<dyn Machine>, u64)>;
}

/// The runs of decimal digits that complete a state, see [`Machine::digit_runs`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigitRuns {
    /// After some digits, all runs that are long enough.
    All,
    /// Some runs of every length that is long enough, whatever digits come first.
    Some,
    /// Finitely many runs.
    Few,
    /// Not known.
    Unknown,
}

/// The machines of a pool, by their numbers.
#[derive(Clone, Default)]
pub(super) struct Machines {
    /// The machines with the fingerprints of their keys.
    all: Vec<(Arc<dyn Machine>, u128)>,
    /// The numbers of machines by the fingerprints of their keys.
    index: HashMap<u128, u32>,
}

impl Machines {
    #[inline]
    pub fn get(&self, machine: u32) -> &Arc<dyn Machine> {
        &self.all[machine as usize].0
    }

    /// The fingerprint of a machine's key.
    pub fn key(&self, machine: u32) -> u128 {
        self.all[machine as usize].1
    }

    /// The number of the machine whose key has this fingerprint.
    pub fn find(&self, key: u128) -> Option<u32> {
        self.index.get(&key).copied()
    }

    /// The number of a machine, which is added if there is none with the key of this fingerprint.
    pub fn intern(&mut self, machine: Arc<dyn Machine>, key: u128) -> u32 {
        *self.index.entry(key).or_insert_with(|| {
            self.all.push((machine, key));
            self.all.len() as u32 - 1
        })
    }
}
