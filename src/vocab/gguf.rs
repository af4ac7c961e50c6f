//! The vocabulary inside a GGUF file.
//!
//! `tokenizer.ggml.model` names the way tokens are written:
//!
//! - `gpt2`: in the byte-level alphabet.
//! - `llama` and `t5`: as SentencePiece does. `▁` is a space, and byte tokens are written `<0xNN>`.
//! - `bert`: as SentencePiece does, after the converter turned `##piece` into `piece` and `piece`
//!   into `▁piece`.
//!
//! `tokenizer.ggml.token_type` marks the tokens that are text.
//!
//! Source: llama.cpp's `llama-vocab.cpp` and `convert_hf_to_gguf.py`.

use super::{TokenId, TokenSet, Vocabulary, VocabularyError, VocabularyParts, byte_level, eos};
use crate::gguf::{GgufArray, GgufError, GgufFile, GgufValue};
use std::io::{self, Read};

const MODEL: &str = "tokenizer.ggml.model";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";

/// Metadata keys of the ids that end a sequence, a turn or a message.
const EOS_KEYS: [&str; 3] =
    ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
/// Metadata keys of further ids that stand for no text, for files without token types.
const CONTROL_KEYS: [&str; 6] = [
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.unknown_token_id",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.seperator_token_id",
    "tokenizer.ggml.cls_token_id",
    "tokenizer.ggml.mask_token_id",
];

#[derive(Copy, Clone, PartialEq)]
enum TokenKind {
    Text,
    UserDefined,
    Special,
    Unused,
    Byte,
}

#[derive(Copy, Clone, PartialEq)]
enum Spelling {
    ByteLevel,
    SentencePiece,
}

impl Vocabulary {
    /// Reads the vocabulary of a GGUF model file. It reads at most about twice as many bytes as the
    /// file has up to the end of the vocabulary. So the weights of a large model are not read.
    ///
    /// # Errors
    /// The outer error is one of reading `source`, the inner one an error of
    /// [`from_gguf`](Self::from_gguf).
    ///
    /// ```no_run
    /// # use hedgerow::Vocabulary;
    /// let vocabulary = Vocabulary::read_gguf(std::fs::File::open("model.gguf")?)??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_gguf(mut source: impl Read) -> io::Result<Result<Self, VocabularyError>> {
        let mut bytes = Vec::new();
        let mut wanted: u64 = 8 << 20;
        loop {
            let missing = wanted - bytes.len() as u64;
            source.by_ref().take(missing).read_to_end(&mut bytes)?;
            let is_whole = (bytes.len() as u64) < wanted;
            match GgufFile::parse(&bytes) {
                Err(GgufError::Truncated { .. }) if !is_whole => wanted *= 2,
                parsed => {
                    return Ok(parsed.map_err(VocabularyError::from).and_then(|file| Self::from_gguf(&file)));
                }
            }
        }
    }

    /// The vocabulary of a GGUF model file.
    ///
    /// - Control and unknown tokens are special.
    /// - Unused tokens stand for no text.
    /// - User-defined tokens are literal text.
    /// - The end-of-sequence tokens are the ones that the metadata names (eos, eot, eom) and the
    ///   special tokens with a [well-known name](Self::WELL_KNOWN_EOS), as in llama.cpp. Change
    ///   them with [`with_eos`](Self::with_eos).
    ///
    /// # Errors
    /// - [`VocabularyError::Gguf`] for metadata that is absent or of a wrong type.
    /// - [`VocabularyError::UnsupportedTokenizer`] for an unknown kind of tokenizer, which it
    ///   names.
    /// - [`VocabularyError::GgufToken`] for a token that contradicts its type.
    pub fn from_gguf(file: &GgufFile<'_>) -> Result<Self, VocabularyError> {
        let model = file.str(MODEL)?.ok_or_else(|| GgufError::missing(MODEL))?;
        let spelling = match model {
            "gpt2" => Spelling::ByteLevel,
            "llama" | "t5" | "bert" => Spelling::SentencePiece,
            _ => {
                return Err(VocabularyError::UnsupportedTokenizer {
                    what: format!("the GGUF tokenizer {model:?}"),
                    supported: "gpt2, llama, t5 and bert".to_owned(),
                });
            }
        };
        let texts = file.array(TOKENS)?.ok_or_else(|| GgufError::missing(TOKENS))?;
        if texts.len() > Self::MAX_SIZE {
            let limit = Self::MAX_SIZE as u64;
            return Err(VocabularyError::TooManyTokens { given: texts.len() as u64, limit });
        }
        let id_of = |key: &str| -> Result<Option<TokenId>, VocabularyError> {
            let id = file.u32(key)?.map(TokenId);
            if let Some(id) = id.filter(|id| id.index() >= texts.len()) {
                return Err(VocabularyError::NoSuchToken { id, count: texts.len(), role: key.to_owned() });
            }
            Ok(id)
        };
        let mut eos = Vec::new();
        for key in EOS_KEYS {
            eos.extend(id_of(key)?);
        }
        let kinds = match file.array(TOKEN_TYPE)? {
            Some(types) => Some(token_kinds(types, texts.len())?),
            None => None,
        };
        let mut control = TokenSet::from_ids(texts.len(), eos.iter().copied());
        if kinds.is_none() {
            for key in CONTROL_KEYS {
                control.extend(id_of(key)?);
            }
        }

        let mut parts = VocabularyParts::default();
        parts.tokens.reserve(texts.len());
        for (i, value) in texts.iter().enumerate() {
            let id = TokenId(i as u32);
            let text = value.as_bytes().ok_or_else(|| GgufError::WrongType {
                key: TOKENS.to_owned(),
                found: format!("an array of {}", texts.element_type()),
                expected: "an array of strings",
            })?;
            let kind = match &kinds {
                _ if control.contains(id) => TokenKind::Special,
                Some(kinds) => kinds[i],
                None if spelling == Spelling::SentencePiece && as_fallback_byte(text).is_some() => {
                    TokenKind::Byte
                }
                None => TokenKind::Text,
            };
            if kind == TokenKind::Special {
                parts.special.push((String::from_utf8_lossy(text).into_owned(), id));
            }
            parts.tokens.push(bytes_of(id, text, kind, spelling)?);
        }
        eos.extend(eos::well_known(&parts.special));
        parts.eos = eos;
        Self::from_tokens(parts)
    }
}

fn token_kinds(types: GgufArray<'_>, count: usize) -> Result<Vec<TokenKind>, VocabularyError> {
    if types.len() != count {
        return Err(GgufError::WrongType {
            key: TOKEN_TYPE.to_owned(),
            found: format!("an array of {}", types.len()),
            expected: "an array with one type for each token",
        }
        .into());
    }
    let kind = |(i, value): (usize, GgufValue<'_>)| match value.as_integer() {
        Some(1) => Ok(TokenKind::Text),
        Some(2 | 3) => Ok(TokenKind::Special),
        Some(4) => Ok(TokenKind::UserDefined),
        // Type 0 is "undefined": such an entry stands for no text either.
        Some(0 | 5) => Ok(TokenKind::Unused),
        Some(6) => Ok(TokenKind::Byte),
        _ => Err(VocabularyError::GgufToken {
            id: TokenId(i as u32),
            problem: format!("has type {value:?}, but token types are 0 to 6"),
        }),
    };
    types.iter().enumerate().map(kind).collect()
}

fn as_fallback_byte(text: &[u8]) -> Option<u8> {
    byte_level::fallback_byte(std::str::from_utf8(text).ok()?)
}

fn bytes_of(
    id: TokenId,
    text: &[u8],
    kind: TokenKind,
    spelling: Spelling,
) -> Result<Vec<u8>, VocabularyError> {
    Ok(match (kind, spelling) {
        (TokenKind::Special | TokenKind::Unused, _) => Vec::new(),
        (TokenKind::Byte, _) => {
            let byte = as_fallback_byte(text).ok_or_else(|| VocabularyError::GgufToken {
                id,
                problem: format!(
                    "is a byte, but {:?} is not of the form <0x0A>",
                    String::from_utf8_lossy(text)
                ),
            })?;
            vec![byte]
        }
        (TokenKind::UserDefined, Spelling::ByteLevel) => text.to_vec(),
        (TokenKind::Text, Spelling::ByteLevel) => {
            // A token with a character outside the alphabet is literal, as in the `tokenizers`
            // crate.
            std::str::from_utf8(text).ok().and_then(byte_level::decode).unwrap_or_else(|| text.to_vec())
        }
        (TokenKind::Text | TokenKind::UserDefined, Spelling::SentencePiece) => {
            match std::str::from_utf8(text) {
                Ok(text) => text.replace('\u{2581}', " ").into_bytes(),
                Err(_) => text.to_vec(),
            }
        }
    })
}
