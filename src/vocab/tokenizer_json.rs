//! Vocabularies from Hugging Face's `tokenizer.json`.
//!
//! The loader reads the parts that give ids their bytes: the model's vocabulary (BPE, Unigram,
//! WordPiece or WordLevel), the added tokens and the [decoder](super::decoder). It skips merges and
//! all else that only splits text, without storing it. It borrows strings from the file, so a 30 MB
//! file costs little more memory than its vocabulary.

use super::byte_order_mark::without_bom;
use super::decoder::{DecoderJson, Text, TokenDecoder};
use super::{TokenId, TokenSet, Vocabulary, VocabularyError, VocabularyParts, eos};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct TokenizerJson<'a> {
    #[serde(default)]
    added_tokens: Vec<AddedToken<'a>>,
    pre_tokenizer: Option<PreTokenizerJson<'a>>,
    decoder: Option<DecoderJson<'a>>,
    model: ModelJson<'a>,
}

#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct AddedToken<'a> {
    id: u32,
    content: Text<'a>,
    #[serde(default)]
    special: bool,
}

#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct PreTokenizerJson<'a> {
    #[serde(rename = "type")]
    kind: Text<'a>,
    #[serde(default)]
    pretokenizers: Vec<PreTokenizerJson<'a>>,
    replacement: Option<Text<'a>>,
}

impl PreTokenizerJson<'_> {
    fn find(&self, kind: &str) -> Option<&Self> {
        if self.kind.0 == kind {
            return Some(self);
        }
        self.pretokenizers.iter().find_map(|inner| inner.find(kind))
    }
}

#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct ModelJson<'a> {
    /// Absent in old files.
    #[serde(rename = "type", default)]
    kind: Option<Text<'a>>,
    vocab: VocabJson<'a>,
    unk_token: Option<Text<'a>>,
    unk_id: Option<u32>,
    #[serde(default)]
    byte_fallback: bool,
    continuing_subword_prefix: Option<Text<'a>>,
}

/// The vocabulary: `{"token": id, …}`, or Unigram's `[["token", score], …]`, in which the position
/// is the id.
struct VocabJson<'a>(Vec<(Text<'a>, u32)>);

impl<'de: 'a, 'a> Deserialize<'de> for VocabJson<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VocabVisitor;
        impl<'de> Visitor<'de> for VocabVisitor {
            type Value = VocabJson<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tokens to ids or a list of tokens with scores")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(VocabJson(entries))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(Text<'de>, u32)> = Vec::new();
                while let Some((token, IgnoredAny)) = list.next_element()? {
                    let id = u32::try_from(entries.len())
                        .map_err(|_| serde::de::Error::custom("more than 2^32 tokens"))?;
                    entries.push((token, id));
                }
                Ok(VocabJson(entries))
            }
        }
        deserializer.deserialize_any(VocabVisitor)
    }
}

impl Vocabulary {
    /// The vocabulary of a Hugging Face `tokenizer.json`, given as the file's bytes.
    ///
    /// - Tokens have the bytes that the file's decoder gives them in the middle of a text. For
    ///   example, a WordPiece token without the `##` prefix begins a word, so it stands for a space
    ///   and its letters.
    /// - An added token marked `special` is a special token of that name. Any other added token is
    ///   text: literal in a byte-level tokenizer, otherwise as the decoder reads it.
    /// - The unknown token is special: it stands for no text.
    /// - The file does not name the tokens that end a sequence. All special tokens with a
    ///   [well-known name](Self::WELL_KNOWN_EOS) are taken; change them with
    ///   [`with_eos`](Self::with_eos) or [`with_eos_from_config`](Self::with_eos_from_config).
    ///
    /// ```
    /// use hedgerow::vocab::{TokenId, Vocabulary};
    ///
    /// let json = r#"{
    ///     "added_tokens": [{"id": 2, "content": "</s>", "special": true}],
    ///     "decoder": {"type": "ByteLevel"},
    ///     "model": {"type": "BPE", "vocab": {"Ġhello": 0, "Ċ": 1}, "merges": []}
    /// }"#;
    /// let vocabulary = Vocabulary::from_tokenizer_json(json.as_bytes())?;
    /// assert_eq!(vocabulary.decode(&[TokenId(0), TokenId(1)]), b" hello\n");
    /// assert_eq!(vocabulary.eos(), [TokenId(2)]);
    /// # Ok::<(), hedgerow::vocab::VocabularyError>(())
    /// ```
    ///
    /// # Errors
    /// - [`VocabularyError::Json`] for text that is no such file.
    /// - [`VocabularyError::DuplicateId`] for an id given to two tokens.
    /// - [`VocabularyError::UnsupportedTokenizer`] for a decoder that cannot decode one token at a
    ///   time.
    /// - [`VocabularyError::TooManyTokens`] for an id past the largest supported.
    pub fn from_tokenizer_json(json: &[u8]) -> Result<Self, VocabularyError> {
        let file: TokenizerJson<'_> = serde_json::from_slice(without_bom(json))
            .map_err(|source| VocabularyError::Json { what: "tokenizer.json", source })?;
        let decoder = decoder_of(&file)?;
        let entries = &file.model.vocab.0;
        let ids = entries.iter().map(|entry| entry.1).chain(file.added_tokens.iter().map(|added| added.id));
        let count = ids.max().map_or(0, |id| id as u64 + 1);
        if count > Self::MAX_SIZE as u64 {
            return Err(VocabularyError::TooManyTokens { given: count, limit: Self::MAX_SIZE as u64 });
        }
        let mut parts = VocabularyParts::default();
        parts.tokens.resize(count as usize, Vec::new());
        let mut seen = TokenSet::new(count as usize);
        for (token, id) in entries {
            if !seen.insert(TokenId(*id)) {
                return Err(VocabularyError::DuplicateId { id: TokenId(*id), second: token.0.to_string() });
            }
            parts.tokens[*id as usize] = decoder.decode(&token.0);
        }
        let unknown = |(i, (token, _)): &(usize, &(Text<'_>, u32))| {
            file.model.unk_id == u32::try_from(*i).ok()
                || file.model.unk_token.as_ref().is_some_and(|unknown| unknown.0 == token.0)
        };
        for (_, (token, id)) in entries.iter().enumerate().filter(unknown) {
            parts.special.push((token.0.to_string(), TokenId(*id)));
        }
        for AddedToken { id, content, special } in &file.added_tokens {
            if *special {
                parts.special.push((content.0.to_string(), TokenId(*id)));
            } else if decoder.is_byte_level() {
                parts.tokens[*id as usize] = content.0.as_bytes().to_vec();
            } else {
                parts.tokens[*id as usize] = decoder.decode(&content.0);
            }
        }
        parts.eos = eos::well_known(&parts.special);
        Self::from_tokens(parts)
    }
}

fn decoder_of(file: &TokenizerJson<'_>) -> Result<TokenDecoder, VocabularyError> {
    let pre_tokenizer = |kind| file.pre_tokenizer.as_ref().and_then(|pre_tokenizer| pre_tokenizer.find(kind));
    let model = &file.model;
    let prefix = model.continuing_subword_prefix.as_ref().map(|prefix| &*prefix.0);
    let decoder = if let Some(json) = &file.decoder {
        TokenDecoder::from_json(json)?
    } else if pre_tokenizer("ByteLevel").is_some() {
        TokenDecoder::byte_level()
    } else if let Some(metaspace) = pre_tokenizer("Metaspace") {
        TokenDecoder::metaspace(metaspace.replacement.as_ref().map_or("", |text| &text.0))
    } else if model.kind.as_ref().is_some_and(|kind| kind.0 == "WordPiece") {
        TokenDecoder::word_piece(prefix.unwrap_or("##"))
    } else {
        TokenDecoder::words()
    };
    // A model with byte fallback has `<0xNN>` tokens that stand for bytes, even if the decoder has
    // no step for them.
    Ok(if model.byte_fallback { decoder.with_byte_fallback() } else { decoder })
}
