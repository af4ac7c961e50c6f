//! Tokenizer files of any kind, told apart by what they hold.

use super::byte_order_mark::without_bom;
use super::{Vocabulary, VocabularyError};
use crate::gguf::GgufFile;

/// The kind of a tokenizer file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TokenizerFile {
    /// A Hugging Face `tokenizer.json`.
    TokenizerJson,
    /// A `tekken.json` of Mistral's models.
    TekkenJson,
    /// A SentencePiece model.
    SentencePiece,
    /// A GGUF model.
    Gguf,
}

/// The most bytes of a JSON file that are searched for names that only a `tekken.json` has.
const MAX_SEARCHED_BYTES: usize = 1 << 20;

/// The names that only a `tekken.json` has. Its settings come first.
const OF_TEKKEN: [&[u8]; 3] =
    [b"\"token_bytes\"", b"\"default_num_special_tokens\"", b"\"default_vocab_size\""];

impl TokenizerFile {
    /// The kinds of files that are read, as words for messages.
    pub const KINDS: &'static str = "tokenizer.json, tekken.json, SentencePiece models and GGUF files";

    /// The kind that a file seems to be; `None` for bytes that begin like none of them.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let text = without_bom(bytes).trim_ascii_start();
        if bytes.starts_with(b"GGUF") {
            return Some(Self::Gguf);
        }
        if text.starts_with(b"{") {
            let start = &text[..text.len().min(MAX_SEARCHED_BYTES)];
            let has = |name: &&[u8]| start.windows(name.len()).any(|window| window == *name);
            let is_tekken = OF_TEKKEN.iter().any(has);
            return Some(if is_tekken { Self::TekkenJson } else { Self::TokenizerJson });
        }
        // Field 1, a message: the first piece. Its own first field is a text.
        match bytes {
            [0x0a, _, 0x0a, ..] => Some(Self::SentencePiece),
            _ => None,
        }
    }
}

impl Vocabulary {
    /// The vocabulary of a tokenizer file, given as the file's bytes. Its kind is found by what it
    /// holds: see [`TokenizerFile`].
    ///
    /// # Errors
    /// [`VocabularyError::UnsupportedTokenizer`] for another kind of file; otherwise those of
    /// [`from_tokenizer_json`](Self::from_tokenizer_json),
    /// [`from_tekken_json`](Self::from_tekken_json),
    /// [`from_sentence_piece`](Self::from_sentence_piece) and [`from_gguf`](Self::from_gguf).
    pub fn from_tokenizer_file(bytes: &[u8]) -> Result<Self, VocabularyError> {
        match TokenizerFile::of(bytes) {
            Some(TokenizerFile::TokenizerJson) => Self::from_tokenizer_json(bytes),
            Some(TokenizerFile::TekkenJson) => Self::from_tekken_json(bytes),
            Some(TokenizerFile::SentencePiece) => Self::from_sentence_piece(bytes),
            Some(TokenizerFile::Gguf) => Self::from_gguf(&GgufFile::parse(bytes)?),
            None => Err(VocabularyError::UnsupportedTokenizer {
                what: "a tokenizer file of this kind".to_owned(),
                supported: TokenizerFile::KINDS.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        for (bytes, expected) in [
            (&b"GGUF\x03"[..], Some(TokenizerFile::Gguf)),
            (b" {\"model\": {}}", Some(TokenizerFile::TokenizerJson)),
            (b"\xef\xbb\xbf{\"model\": {}}", Some(TokenizerFile::TokenizerJson)),
            (b"{\"vocab\": [{\"token_bytes\"", Some(TokenizerFile::TekkenJson)),
            (b"{\"config\": {\"default_vocab_size\": 9", Some(TokenizerFile::TekkenJson)),
            (b"\x0a\x09\x0a\x05<unk>", Some(TokenizerFile::SentencePiece)),
            (b"\nIQ== 0\n", None),
            (b"", None),
            (b"PK\x03\x04", None),
        ] {
            assert_eq!(TokenizerFile::of(bytes), expected, "{bytes:?}");
        }
        let error = Vocabulary::from_tokenizer_file(b"IQ== 0\n").err().map(|error| error.to_string());
        let expected = "a tokenizer file of this kind is not supported; supported are tokenizer.json, tekken.json, \
            SentencePiece models and GGUF files";
        assert_eq!(error.as_deref(), Some(expected));
    }
}
