//! Vocabularies from `tekken.json`, the tokenizer files of Mistral's models.
//!
//! `vocab` lists tokens with their rank and their bytes in base64. The first ids belong to special
//! tokens, `default_num_special_tokens` of them, and a text token's id is its rank behind these.
//! `default_vocab_size` counts both kinds; tokens of higher ranks are left out, as the models have
//! no ids for them. `special_tokens` names the special tokens by rank. Files without this list have
//! the names of the first version. An id without a name is `<SPECIAL_n>`.
//!
//! Source: `tokens/tokenizers/tekken.py` of the mistral-common project.

use super::byte_order_mark::without_bom;
use super::{TokenId, Vocabulary, VocabularyError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The special tokens of files that do not name theirs.
const FIRST_NAMES: [&str; 20] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
];

#[derive(serde::Deserialize)]
struct TekkenJson {
    config: ConfigJson,
    vocab: Vec<TokenJson>,
    #[serde(default)]
    special_tokens: Option<Vec<SpecialJson>>,
}

#[derive(serde::Deserialize)]
struct ConfigJson {
    default_vocab_size: usize,
    default_num_special_tokens: usize,
}

#[derive(serde::Deserialize)]
struct TokenJson {
    rank: usize,
    token_bytes: String,
}

#[derive(serde::Deserialize)]
struct SpecialJson {
    rank: usize,
    token_str: String,
}

impl Vocabulary {
    /// The vocabulary of a `tekken.json`, given as the file's bytes.
    ///
    /// All special tokens with a [well-known name](Self::WELL_KNOWN_EOS) end a sequence; change
    /// them with [`with_eos`](Self::with_eos).
    ///
    /// ```
    /// use hedgerow::vocab::{TokenId, Vocabulary};
    ///
    /// let json = br#"{
    ///     "config": {"default_vocab_size": 5, "default_num_special_tokens": 3},
    ///     "vocab": [{"rank": 0, "token_bytes": "IQ=="}, {"rank": 1, "token_bytes": "IGE="}]
    /// }"#;
    /// let vocabulary = Vocabulary::from_tekken_json(json)?;
    /// assert_eq!(vocabulary.decode(&[TokenId(4), TokenId(3)]), b" a!");
    /// assert_eq!(vocabulary.eos(), [TokenId(2)]); // </s>
    /// # Ok::<(), hedgerow::vocab::VocabularyError>(())
    /// ```
    ///
    /// # Errors
    /// - [`VocabularyError::Json`] for text that is no such JSON.
    /// - [`VocabularyError::Tekken`] for numbers that contradict each other, and for a token that
    ///   is not base64.
    /// - [`VocabularyError::DuplicateId`] for a rank given twice.
    /// - [`VocabularyError::TooManyTokens`] for more tokens than supported.
    pub fn from_tekken_json(json: &[u8]) -> Result<Self, VocabularyError> {
        let file: TekkenJson = serde_json::from_slice(without_bom(json))
            .map_err(|source| VocabularyError::Json { what: "the tekken.json", source })?;
        let fault = |problem: String| VocabularyError::Tekken { problem };
        let ConfigJson { default_vocab_size: size, default_num_special_tokens: special } = file.config;
        if size > Self::MAX_SIZE {
            let (given, limit) = (size as u64, Self::MAX_SIZE as u64);
            return Err(VocabularyError::TooManyTokens { given, limit });
        }
        if special > size {
            return Err(fault(format!(
                "default_num_special_tokens is {special}, but default_vocab_size is {size}"
            )));
        }
        let mut tokens = vec![Vec::new(); size];
        let mut seen = vec![false; size];
        for token in file.vocab {
            let Some(id) = token.rank.checked_add(special).filter(|&id| id < size) else { continue };
            if std::mem::replace(&mut seen[id], true) {
                return Err(VocabularyError::DuplicateId {
                    id: TokenId(id as u32),
                    second: token.token_bytes,
                });
            }
            tokens[id] = STANDARD
                .decode(&token.token_bytes)
                .map_err(|error| fault(format!("the token of rank {} is not base64: {error}", token.rank)))?;
        }
        let mut names: Vec<Option<String>> = vec![None; special];
        match file.special_tokens {
            Some(given) => {
                for token in given {
                    let place = names.get_mut(token.rank).ok_or_else(|| {
                        fault(format!(
                            "the special token {:?} has rank {}, but there are {special}",
                            token.token_str, token.rank
                        ))
                    })?;
                    if place.is_some() {
                        let id = TokenId(token.rank as u32);
                        return Err(VocabularyError::DuplicateId { id, second: token.token_str });
                    }
                    *place = Some(token.token_str);
                }
            }
            None => {
                names.iter_mut().zip(FIRST_NAMES).for_each(|(place, name)| *place = Some(name.to_owned()))
            }
        }
        let named = names.into_iter().enumerate();
        let named: Vec<(String, TokenId)> = named
            .map(|(id, name)| (name.unwrap_or_else(|| format!("<SPECIAL_{id}>")), TokenId(id as u32)))
            .collect();
        Self::with_well_known_eos(tokens, named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_file_or_from_the_first_version() {
        let file = |more: &str, size: usize| {
            format!(
                r#"{{"config": {{"pattern": "x", "num_vocab_tokens": 9, "default_vocab_size": {size},
                    "default_num_special_tokens": 4, "version": "v7"}}, "vocab": [
                    {{"rank": 0, "token_bytes": "4oI=", "token_str": null}},
                    {{"rank": 1, "token_bytes": "IQ==", "token_str": "!"}},
                    {{"rank": 2, "token_bytes": "Yg==", "token_str": "b"}}]{more}}}"#
            )
        };
        let first = Vocabulary::from_tekken_json(file("", 6).as_bytes()).unwrap();
        assert_eq!((first.token_count(), first.eos()), (6, &[TokenId(2)][..]));
        assert_eq!(first.special("[INST]"), Some(TokenId(3)));
        assert_eq!((first.bytes(TokenId(4)), first.bytes(TokenId(5))), (&b"\xe2\x82"[..], &b"!"[..]));
        let more = r#", "special_tokens": [{"rank": 1, "token_str": "</s>", "is_control": true},
            {"rank": 0, "token_str": "<a>", "is_control": true}]"#;
        let named = Vocabulary::from_tekken_json(file(more, 7).as_bytes()).unwrap();
        assert_eq!((named.eos(), named.special("<SPECIAL_3>")), (&[TokenId(1)][..], Some(TokenId(3))));
        assert_eq!((named.bytes(TokenId(6)), named.special("[INST]")), (&b"b"[..], None));
    }

    #[test]
    fn faults_are_told() {
        let file = |config: &str, rest: &str| format!(r#"{{"config": {{{config}}}, {rest}}}"#);
        let config = r#""default_vocab_size": 3, "default_num_special_tokens": 1"#;
        for (file, expected) in [
            ("{}".to_owned(), "the tekken.json is not as expected: missing field `config`"),
            (
                file(r#""default_vocab_size": 3, "default_num_special_tokens": 5"#, r#""vocab": []"#),
                "default_num_special_tokens is 5, but default_vocab_size is 3",
            ),
            (
                file(r#""default_vocab_size": 99999999, "default_num_special_tokens": 5"#, r#""vocab": []"#),
                "99999999 token ids",
            ),
            (
                file(config, r#""vocab": [{"rank": 1, "token_bytes": "?"}]"#),
                "the token of rank 1 is not base64",
            ),
            (
                file(config, r#""vocab": [{"rank": 1, "token_bytes": ""}, {"rank": 1, "token_bytes": ""}]"#),
                "token id 2 is given twice",
            ),
            (
                file(config, r#""vocab": [], "special_tokens": [{"rank": 1, "token_str": "a"}]"#),
                "the special token \"a\" has rank 1, but there are 1",
            ),
        ] {
            let error = Vocabulary::from_tekken_json(file.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{file}: {error}");
        }
    }
}
