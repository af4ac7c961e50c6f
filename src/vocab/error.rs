//! Errors of vocabularies, their files and their token sets.

use super::token_id::TokenId;
use crate::gguf::GgufError;

/// The reason for which a vocabulary could not be built, changed or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VocabularyError {
    /// More token ids than the library numbers.
    #[error("the vocabulary has {given} token ids, but at most {limit} are supported")]
    TooManyTokens {
        /// Number of ids asked for.
        given: u64,
        /// Largest number of ids supported.
        limit: u64,
    },
    /// One token is longer than the trie can hold.
    #[error("token {} has {given} bytes, but at most {limit} are supported", id.0)]
    TokenTooLong {
        /// The token.
        id: TokenId,
        /// Its length in bytes.
        given: usize,
        /// Largest length supported.
        limit: usize,
    },
    /// All tokens together are longer than the library can address.
    #[error("the tokens hold {given} bytes in all, but at most {limit} are supported")]
    TooManyBytes {
        /// Bytes of all tokens together.
        given: u64,
        /// Largest total supported.
        limit: u64,
    },
    /// An id was named that the vocabulary does not have.
    #[error("{role} has id {}, but the vocabulary has {count} tokens, numbered from 0", id.0)]
    NoSuchToken {
        /// The id.
        id: TokenId,
        /// Number of tokens of the vocabulary.
        count: usize,
        /// The role that the id was meant for, such as "the end-of-sequence token".
        role: String,
    },
    /// The model's output is too narrow for the vocabulary's text tokens.
    #[error(
        "the model has {given} logits, but text token {} needs at least {}; is this the model's own tokenizer?",
        id.0, id.0 as u64 + 1
    )]
    ModelTooSmall {
        /// Number of logits given.
        given: usize,
        /// A text token whose id the model cannot produce.
        id: TokenId,
    },
    /// A text tokenizer that could not be built, or failed on a text.
    #[error("the text tokenizer: {reason}")]
    Tokenizer {
        /// The fault.
        reason: String,
    },
    /// Some bytes that no sequence of text tokens spells.
    #[error("no sequence of tokens spells the text: nothing continues it past byte {offset} (0x{byte:02x})")]
    Unspellable {
        /// The furthest byte that a sequence of tokens reaches, counted from 0.
        offset: usize,
        /// The byte there.
        byte: u8,
    },
    /// A file that is not JSON or lacks a required field.
    #[error("{what} is not as expected: {source}")]
    Json {
        /// The name of the file.
        what: &'static str,
        /// The fault, with line and column.
        source: serde_json::Error,
    },
    /// An id that is given to two tokens.
    #[error("token id {} is given twice, the second time to {second:?}", id.0)]
    DuplicateId {
        /// The id.
        id: TokenId,
        /// The second token with this id.
        second: String,
    },
    /// A kind of tokenizer whose tokens cannot be decoded one by one.
    #[error("{what} is not supported; supported are {supported}")]
    UnsupportedTokenizer {
        /// The kind that was found.
        what: String,
        /// The kinds that are supported.
        supported: String,
    },
    /// A configuration names no end-of-sequence token.
    #[error("the configuration does not say which token ends a sequence: {problem}")]
    NoEos {
        /// The fault.
        problem: String,
    },
    /// A name that no token has.
    #[error("no token is called {name:?}")]
    NoSuchName {
        /// The name.
        name: String,
    },
    /// A line of a tiktoken file that cannot be read.
    #[error("line {line} of the tiktoken file: {problem}")]
    TiktokenLine {
        /// Number of the line, counted from 1.
        line: usize,
        /// The fault.
        problem: String,
    },
    /// A SentencePiece model that cannot be read.
    #[error("the SentencePiece model cannot be read: {problem}")]
    SentencePiece {
        /// The fault.
        problem: String,
    },
    /// A `tekken.json` that contradicts itself.
    #[error("the tekken.json cannot be read: {problem}")]
    Tekken {
        /// The fault.
        problem: String,
    },
    /// A token of a GGUF file that contradicts its type.
    #[error("token {} of the GGUF file {problem}", id.0)]
    GgufToken {
        /// The token.
        id: TokenId,
        /// The fault.
        problem: String,
    },
    /// The metadata of a GGUF file is absent or of a wrong type.
    #[error("the GGUF file's vocabulary cannot be read: {0}")]
    Gguf(#[from] GgufError),
    /// A buffer of mask words does not fit the set.
    #[error("a set of {len} tokens takes {expected} words of 32 bits, but the buffer has {given}")]
    WordCount {
        /// Number of tokens the set ranges over.
        len: usize,
        /// Number of words it takes.
        expected: usize,
        /// Number of words given.
        given: usize,
    },
}
