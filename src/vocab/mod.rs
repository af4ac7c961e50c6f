//! The vocabulary of a model: the bytes and names of its token ids, a trie over them, and sets of
//! them.
//!
//! A *token* is an id with a byte string, such as id 257 with the bytes `the`. A *special*
//! (control) token has a name instead, such as `</s>`: text never matches it, and a grammar must
//! name it to allow it. Several ids may have the same bytes.
//!
//! This module knows nothing of grammars. The modules above it use four things: the bytes of an id
//! ([`Vocabulary::bytes`]), the ids that share a prefix ([`TokenTrie`]), a set of ids
//! ([`TokenSet`]), and the id of a name ([`Vocabulary::special`]).

mod byte_level;
mod byte_order_mark;
mod decoder;
mod detokenizer;
mod eos;
mod error;
mod extension;
mod fingerprint;
mod gguf;
mod mask_logits;
mod sentence_piece;
mod spelling;
mod tekken;
// Only the feature `decode` uses all of it.
#[cfg_attr(not(feature = "decode"), allow(dead_code))]
mod text_stream;
#[cfg(feature = "tokenizers")]
mod text_tokenizer;
mod tiktoken;
mod token_id;
mod token_set;
mod tokenizer_file;
mod tokenizer_json;
mod trie;
mod vocabulary;

#[cfg(feature = "torch")]
pub(crate) use byte_order_mark::without_bom;
pub use detokenizer::{Detokenizer, TextEnd};
pub use error::VocabularyError;
pub use mask_logits::mask_logits;
pub(crate) use spelling::fewest_tokens;
#[cfg(feature = "decode")]
pub(crate) use text_stream::{Stops, TextStream};
#[cfg(feature = "tokenizers")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokenizers")))]
pub use text_tokenizer::TextTokenizer;
pub use token_id::TokenId;
pub use token_set::{TokenSet, TokenSetIter};
pub use tokenizer_file::TokenizerFile;
pub use trie::{ByteSet256, ChildNodes, MatchingChildren, TokenTrie};
pub use vocabulary::{Vocabulary, VocabularyParts};
