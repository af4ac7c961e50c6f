//! The tokens that end a sequence: by well-known names, and by the model's configuration files.

use super::byte_order_mark::without_bom;
use super::{TokenId, Vocabulary, VocabularyError, VocabularyParts};
use serde_json::Value;

impl Vocabulary {
    /// Names of special tokens that end a sequence or a turn. They serve for tokenizer files that
    /// do not name their end-of-sequence tokens: Llama, Qwen, Gemma, Mistral, Phi, gpt-oss,
    /// DeepSeek, Command R, Granite and others.
    ///
    /// `<|end|>` ends a turn for Phi but only a message for gpt-oss, so it is not taken if the
    /// vocabulary also has `<|return|>`.
    pub const WELL_KNOWN_EOS: &'static [&'static str] = &[
        "</s>",
        "<eos>",
        "[EOS]",
        "<|eos|>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|im_end|>",
        "<end_of_turn>",
        "<|end_of_turn|>",
        "<|END_OF_TURN_TOKEN|>",
        "<｜end▁of▁sentence｜>",
        "<|return|>",
        "<|call|>",
        "<|end|>",
    ];

    /// The vocabulary of these tokens. Special ones with well-known names end a sequence.
    pub(super) fn with_well_known_eos(
        tokens: Vec<Vec<u8>>,
        special: Vec<(String, TokenId)>,
    ) -> Result<Self, VocabularyError> {
        let eos = well_known(&special);
        Self::from_tokens(VocabularyParts { tokens, special, eos, model_size: None })
    }

    /// The same tokens with the end-of-sequence tokens that the model's own files name.
    ///
    /// The files are `generation_config.json` and `config.json` (`eos_token_id`, a number or a
    /// list) and `tokenizer_config.json` (`eos_token`, a name). The result has the tokens of all
    /// the given files together. A chat model's `generation_config.json` alone usually names them
    /// all.
    ///
    /// ```
    /// use hedgerow::vocab::{TokenId, Vocabulary};
    ///
    /// let tokens = ["a", "<end>", "<stop>"].map(|text| text.as_bytes().to_vec());
    /// let list = Vocabulary::from_byte_list(tokens.to_vec())?;
    /// let files: [&[u8]; 2] =
    ///     [br#"{"eos_token_id": [1], "top_p": 0.9}"#, br#"{"eos_token": "<stop>"}"#];
    /// assert_eq!(list.with_eos_from_config(&files)?.eos(), [TokenId(1), TokenId(2)]);
    /// # Ok::<(), hedgerow::vocab::VocabularyError>(())
    /// ```
    ///
    /// # Errors
    /// - [`VocabularyError::Json`] for text that is no JSON object.
    /// - [`VocabularyError::NoEos`] if none of the files names a token, or an entry is neither id
    ///   nor name.
    /// - [`VocabularyError::NoSuchToken`] and [`VocabularyError::NoSuchName`] for tokens that the
    ///   vocabulary does not have.
    pub fn with_eos_from_config(&self, files: &[&[u8]]) -> Result<Self, VocabularyError> {
        let mut eos = Vec::new();
        for json in files {
            let config: Config = serde_json::from_slice(without_bom(json))
                .map_err(|source| VocabularyError::Json { what: "the model's configuration", source })?;
            self.collect_eos(&config, &mut eos)?;
            // Models of text and images keep the language model's settings in an object of their
            // own.
            if let Some(inner) = &config.text_config {
                self.collect_eos(inner, &mut eos)?;
            }
        }
        if eos.is_empty() {
            return Err(VocabularyError::NoEos {
                problem: "no eos_token_id and no eos_token is given".to_owned(),
            });
        }
        self.with_eos(&eos)
    }

    fn collect_eos(&self, config: &Config, eos: &mut Vec<TokenId>) -> Result<(), VocabularyError> {
        let not_an_id = |value: &Value| VocabularyError::NoEos {
            problem: format!("eos_token_id has {value}, which is no token id"),
        };
        let id_of = |value: &Value| {
            let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
            id.map(TokenId).ok_or_else(|| not_an_id(value))
        };
        match &config.eos_token_id {
            Value::Null => {}
            Value::Array(list) => {
                for value in list {
                    eos.push(id_of(value)?);
                }
            }
            value => eos.push(id_of(value)?),
        }
        let name = match &config.eos_token {
            Value::Object(token) => token.get("content").unwrap_or(&Value::Null),
            value => value,
        };
        match name {
            Value::Null => {}
            Value::String(name) => eos.push(self.token_called(name)?),
            value => {
                return Err(VocabularyError::NoEos {
                    problem: format!("eos_token is {value}, which is no name"),
                });
            }
        }
        Ok(())
    }

    /// The special token of that name, or the text token with those bytes.
    fn token_called(&self, name: &str) -> Result<TokenId, VocabularyError> {
        let spelt_so = || {
            let node = self.trie().descend(0, name.as_bytes())?;
            self.trie().tokens(node).first().copied()
        };
        self.special(name)
            .or_else(spelt_so)
            .ok_or_else(|| VocabularyError::NoSuchName { name: name.to_owned() })
    }
}

#[derive(serde::Deserialize)]
struct Config {
    #[serde(default)]
    eos_token_id: Value,
    #[serde(default)]
    eos_token: Value,
    #[serde(default)]
    text_config: Option<Box<Config>>,
}

/// The ids of the special tokens whose name is well known to end a sequence.
pub(super) fn well_known(special: &[(String, TokenId)]) -> Vec<TokenId> {
    let harmony = special.iter().any(|(name, _)| name == "<|return|>");
    let ends = |name: &str| Vocabulary::WELL_KNOWN_EOS.contains(&name) && !(harmony && name == "<|end|>");
    special.iter().filter(|(name, _)| ends(name)).map(|&(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::super::VocabularyParts;
    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary::from_tokens(VocabularyParts {
            tokens: ["a", "b", "<end>", ""].map(|t| t.as_bytes().to_vec()).to_vec(),
            special: vec![("<eos>".to_owned(), TokenId(3))],
            ..VocabularyParts::default()
        })
        .unwrap()
    }

    #[test]
    fn configurations_name_the_tokens() {
        type Case<'a> = (&'a [&'a str], Result<&'a [u32], &'a str>);
        let cases: &[Case<'_>] = &[
            (&[r#"{"eos_token_id": 3, "temperature": 0.6}"#], Ok(&[3])),
            (&[r#"{"eos_token_id": [3, 2]}"#], Ok(&[2, 3])),
            (&[r#"{"eos_token": "<eos>"}"#], Ok(&[3])),
            (&[r#"{"eos_token": {"content": "<end>", "lstrip": false}}"#], Ok(&[2])),
            (&[r#"{"text_config": {"eos_token_id": 2}}"#, r#"{"eos_token": "<eos>"}"#], Ok(&[2, 3])),
            (&["{}", r#"{"eos_token_id": null}"#], Err("no eos_token_id and no eos_token is given")),
            (
                &[r#"{"eos_token_id": 4}"#],
                Err("the end-of-sequence token has id 4, but the vocabulary has 4 tokens"),
            ),
            (&[r#"{"eos_token_id": -1}"#], Err("eos_token_id has -1, which is no token id")),
            (&[r#"{"eos_token_id": [1.5]}"#], Err("eos_token_id has 1.5, which is no token id")),
            (&[r#"{"eos_token": 3}"#], Err("eos_token is 3, which is no name")),
            (&[r#"{"eos_token": "</s>"}"#], Err("no token is called \"</s>\"")),
            (&["7"], Err("the model's configuration is not")),
        ];
        for (files, expected) in cases {
            let files: Vec<&[u8]> = files.iter().map(|file| file.as_bytes()).collect();
            let found = vocabulary().with_eos_from_config(&files);
            match expected {
                Ok(ids) => {
                    assert_eq!(found.unwrap().eos().iter().map(|id| id.0).collect::<Vec<_>>(), *ids)
                }
                Err(message) => {
                    let error = found.unwrap_err().to_string();
                    assert!(error.contains(message), "{error}");
                }
            }
        }
    }

    #[test]
    fn well_known_names_are_found() {
        let named = |names: &[&str]| {
            names.iter().enumerate().map(|(i, n)| (n.to_string(), TokenId(i as u32))).collect::<Vec<_>>()
        };
        assert_eq!(well_known(&named(&["<s>", "</s>", "<|end|>"])), [TokenId(1), TokenId(2)]);
        assert_eq!(well_known(&named(&["<|return|>", "<|end|>", "<|call|>"])), [TokenId(0), TokenId(2)]);
    }
}
