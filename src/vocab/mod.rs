//! What a model's token ids mean: bytes, names, a trie over them, and sets of them.
//!
//! A *token* is an id and a byte string. A *special* (control) token has a name instead: no text ever matches it, and
//! a grammar must name it to allow it. Several ids may carry the same bytes. This floor knows nothing of grammars;
//! everything above it asks only four things of it: the bytes of an id ([`Vocabulary::bytes`]), the ids that share a
//! prefix ([`TokenTrie`]), a set of ids ([`TokenSet`]), and the id of a name ([`Vocabulary::special`]).

mod byte_level;
mod decoder;
mod eos;
mod error;
mod extension;
mod fingerprint;
mod gguf;
mod spelling;
mod tiktoken;
mod token_set;
mod tokenizer_json;
mod trie;
mod vocabulary;

pub use error::VocabularyError;
pub use token_set::{TokenId, TokenSet, TokenSetIter};
pub use trie::{ByteSet256, ChildNodes, MatchingChildren, TokenTrie};
pub use vocabulary::{Vocabulary, VocabularyParts};
