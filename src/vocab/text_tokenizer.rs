//! Text to tokens, with a model's own merges and pre-tokenizer, by the `tokenizers` crate.
//!
//! A Hugging Face folder has its `tokenizer.json`. A GGUF file has the parts: tokens, merges (or
//! scores), and the name of a pre-tokenizer. They are assembled into the description that
//! `tokenizer.json` would have held. This costs one conversion through JSON at load, and it lets
//! both kinds of model run the same code. Tokens are turned into text elsewhere, byte by byte: see
//! [`Vocabulary::decode`](crate::vocab::Vocabulary::decode).
//!
//! Pre-tokenizer names are those of llama.cpp's `tokenizer.ggml.pre`; the patterns are the models'
//! own.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use tokenizers::Tokenizer;

use super::TokenId;
use super::byte_order_mark::without_bom;
use super::error::VocabularyError;
use crate::gguf::{GgufArray, GgufFile};

/// A model's text tokenizer, which turns text into token ids.
///
/// ```no_run
/// use hedgerow::vocab::TextTokenizer;
///
/// let tokenizer = TextTokenizer::from_tokenizer_json(&std::fs::read("tokenizer.json")?)?;
/// println!("{:?}", tokenizer.encode("a prompt")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
}

/// The kinds of token in `tokenizer.ggml.token_type` that are matched in text before all others.
const UNKNOWN: i128 = 2;
const CONTROL: i128 = 3;
const USER_DEFINED: i128 = 4;

/// Llama 3's pattern: contractions, words with one leading character, numbers of up to three
/// digits, punctuation, line ends, spaces.
const LLAMA3_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2's pattern: the same with single digits.
const QWEN2_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl TextTokenizer {
    /// The tokenizer in the text of a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`VocabularyError::Tokenizer`] with the reason of the `tokenizers` crate.
    pub fn from_tokenizer_json(json: &[u8]) -> Result<Self, VocabularyError> {
        let tokenizer = Tokenizer::from_bytes(without_bom(json)).map_err(refused)?;
        Ok(Self { tokenizer })
    }

    /// The tokenizer in the metadata of a GGUF file: `gpt2` (byte-level BPE) or `llama`
    /// (SentencePiece BPE).
    ///
    /// # Errors
    ///
    /// [`VocabularyError::Tokenizer`] for metadata that is missing, damaged, or of another kind of
    /// tokenizer.
    pub fn from_gguf(file: &GgufFile<'_>) -> Result<Self, VocabularyError> {
        let parts = GgufParts::read(file)?;
        let value = match file.str("tokenizer.ggml.model").map_err(refused)? {
            Some("gpt2") => parts.byte_level(file)?,
            Some("llama") => parts.sentence_piece(file)?,
            other => {
                let other = other.unwrap_or("missing");
                return Err(refused(format!("its kind is {other}; supported in GGUF files: gpt2, llama")));
            }
        };
        Self::from_value(value)
    }

    fn from_value(value: Value) -> Result<Self, VocabularyError> {
        let tokenizer: Tokenizer = value.to_string().parse().map_err(refused)?;
        Ok(Self { tokenizer })
    }

    /// The tokens of `text` and no others. A special token written out in the text becomes that
    /// special token, as chat templates require.
    ///
    /// # Errors
    ///
    /// [`VocabularyError::Tokenizer`] if the tokenizer fails on the text. The supported kinds do
    /// not.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(refused)?;
        Ok(encoding.get_ids().iter().map(|&id| TokenId(id)).collect())
    }

    /// The tokens of a prompt that no chat template has rendered. It is [`encode`](Self::encode)
    /// with the beginning-of-sequence token, or any other tokens that the model's tokenizer adds
    /// around a prompt.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(refused)?;
        Ok(encoding.get_ids().iter().map(|&id| TokenId(id)).collect())
    }
}

fn refused(reason: impl ToString) -> VocabularyError {
    VocabularyError::Tokenizer { reason: reason.to_string() }
}

/// The tokens described in a GGUF file.
struct GgufParts<'a> {
    tokens: Vec<&'a str>,
    /// Ids of tokens that are matched in text as they are, with true for the special ones.
    added: Vec<(usize, bool)>,
    /// The tokens that are added before and behind a prompt.
    bos: Option<usize>,
    eos: Option<usize>,
}

/// The names of Llama 3's pre-tokenizer.
const LLAMA3_NAMES: [&str; 4] = ["llama3", "llama-v3", "llama-bpe", "falcon3"];

impl<'a> GgufParts<'a> {
    fn read(file: &GgufFile<'a>) -> Result<Self, VocabularyError> {
        let tokens = strings(file, "tokenizer.ggml.tokens")?
            .ok_or_else(|| refused("`tokenizer.ggml.tokens` is missing"))?;
        let mut added = Vec::new();
        if let Some(kinds) = array(file, "tokenizer.ggml.token_type")? {
            for (id, kind) in kinds.iter().take(tokens.len()).enumerate() {
                match kind.as_integer() {
                    Some(UNKNOWN | CONTROL) => added.push((id, true)),
                    Some(USER_DEFINED) => added.push((id, false)),
                    _ => {}
                }
            }
        }
        // As in llama.cpp, SentencePiece models and Llama 3 begin with this token unless the file
        // says otherwise; other models only if the file says so.
        let is_sentence_piece = file.str("tokenizer.ggml.model").map_err(refused)? == Some("llama");
        let pre = file.str("tokenizer.ggml.pre").map_err(refused)?;
        let default = is_sentence_piece || pre.is_some_and(|pre| LLAMA3_NAMES.contains(&pre));
        let around = |name: &str, what: &str, default: bool| {
            let key = format!("tokenizer.ggml.add_{name}_token");
            if !file.bool(&key).map_err(refused)?.unwrap_or(default) {
                return Ok(None);
            }
            let id = file.u32(&format!("tokenizer.ggml.{name}_token_id")).map_err(refused)?;
            match id.map(|id| id as usize) {
                Some(id) if id >= tokens.len() => {
                    Err(refused(format!("its {what} token is {id}, beyond its last token")))
                }
                id => Ok(id),
            }
        };
        let bos = around("bos", "beginning-of-sequence", default)?;
        let eos = around("eos", "end-of-sequence", false)?;
        Ok(Self { tokens, added, bos, eos })
    }

    /// The description of byte-level BPE, with merges in order of rank.
    fn byte_level(&self, file: &GgufFile<'_>) -> Result<Value, VocabularyError> {
        let merges = strings(file, "tokenizer.ggml.merges")?
            .ok_or_else(|| refused("`tokenizer.ggml.merges` is missing"))?;
        let mut pairs = Vec::with_capacity(merges.len());
        for merge in merges {
            let (left, right) = merge
                .split_once(' ')
                .ok_or_else(|| refused(format!("`{merge}` is not a merge of two tokens")))?;
            pairs.push(json!([left, right]));
        }
        let name = file.str("tokenizer.ggml.pre").map_err(refused)?.unwrap_or("default");
        let split = |pattern: &str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
        let bytes = |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex});
        let (steps, whole_words) = match name {
            "default" | "gpt-2" | "gpt2" | "roberta-bpe" | "olmo" | "jais" => (vec![bytes(true)], false),
            "smollm" | "starcoder" | "refact" | "codeshell" | "command-r" | "exaone" | "minerva-7b" => {
                (vec![json!({"type": "Digits", "individual_digits": true}), bytes(true)], false)
            }
            // With these, a word that is itself a token becomes that token, even if the merges
            // would give other tokens.
            name if LLAMA3_NAMES.contains(&name) => (vec![split(LLAMA3_PATTERN), bytes(false)], true),
            "qwen2" | "deepseek-r1-qwen" => (vec![split(QWEN2_PATTERN), bytes(false)], false),
            other => {
                return Err(refused(format!(
                    "its pre-tokenizer `{other}` is not known; known: default, gpt-2, smollm, starcoder, refact, \
                     command-r, llama-bpe, qwen2 and their aliases. Use the model's Hugging Face folder, whose \
                     tokenizer.json says it in full"
                )));
            }
        };
        let normalizer = if name.contains("qwen") { json!({"type": "NFC"}) } else { Value::Null };
        Ok(self.description(
            json!({
                "type": "BPE",
                "vocab": self.vocab(),
                "merges": pairs,
                "ignore_merges": whole_words,
            }),
            normalizer,
            json!({"type": "Sequence", "pretokenizers": steps}),
        ))
    }

    /// The description of SentencePiece BPE. Of all neighbouring tokens that join to a token, those
    /// whose joint token has the best score join first.
    ///
    /// BPE has ranks in place of scores. So every division of a token into two tokens is a merge,
    /// and the merges are ordered by the scores of the joint tokens, the best first.
    fn sentence_piece(&self, file: &GgufFile<'_>) -> Result<Value, VocabularyError> {
        let scores = array(file, "tokenizer.ggml.scores")?
            .ok_or_else(|| refused("`tokenizer.ggml.scores` is missing"))?;
        let ids: HashMap<&str, usize> =
            self.tokens.iter().enumerate().map(|(id, &token)| (token, id)).collect();
        let scores: Vec<f64> = scores.iter().map(|score| score.as_float().unwrap_or(0.0)).collect();
        let score = |id: usize| scores.get(id).copied().unwrap_or(0.0);
        let mut merges = Vec::new();
        for (id, token) in self.tokens.iter().enumerate() {
            for (cut, _) in token.char_indices().skip(1) {
                let (left, right) = token.split_at(cut);
                if let (Some(&left_id), Some(&right_id)) = (ids.get(left), ids.get(right)) {
                    merges.push((id, left_id, right_id, left, right));
                }
            }
        }
        merges.sort_by(|a, b| {
            score(b.0).total_cmp(&score(a.0)).then_with(|| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)))
        });
        let merges: Vec<Value> = merges.iter().map(|(_, _, _, left, right)| json!([left, right])).collect();
        let unknown = file.u32("tokenizer.ggml.unknown_token_id").map_err(refused)?;
        let unknown = unknown.and_then(|id| self.tokens.get(id as usize));
        let prefix = file.bool("tokenizer.ggml.add_space_prefix").map_err(refused)?.unwrap_or(true);
        let mut steps = vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})];
        if prefix {
            steps.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
        }
        Ok(self.description(
            json!({
                "type": "BPE",
                "vocab": self.vocab(),
                "merges": merges,
                "unk_token": unknown,
                "fuse_unk": true,
                "byte_fallback": true,
            }),
            json!({"type": "Sequence", "normalizers": steps}),
            Value::Null,
        ))
    }

    fn vocab(&self) -> Map<String, Value> {
        // If several ids have the same text, the text becomes the first of them.
        let mut vocab = Map::with_capacity(self.tokens.len());
        for (id, &token) in self.tokens.iter().enumerate() {
            vocab.entry(token).or_insert_with(|| id.into());
        }
        vocab
    }

    fn description(&self, model: Value, normalizer: Value, pre_tokenizer: Value) -> Value {
        let added: Vec<Value> = self
            .added
            .iter()
            .map(|&(id, special)| {
                json!({
                    "id": id, "content": self.tokens[id], "special": special,
                    "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                })
            })
            .collect();
        let special = |id: usize| json!({"SpecialToken": {"id": self.tokens[id], "type_id": 0}});
        let prompt = json!({"Sequence": {"id": "A", "type_id": 0}});
        let single = self.bos.map(special).into_iter().chain([prompt]).chain(self.eos.map(special));
        let added_around = self.bos.into_iter().chain(self.eos).map(|id| {
            let name = self.tokens[id];
            (name.to_owned(), json!({"id": name, "ids": [id], "tokens": [name]}))
        });
        let around = match self.bos.or(self.eos) {
            None => Value::Null,
            Some(_) => json!({
                "type": "TemplateProcessing",
                "single": single.collect::<Vec<_>>(),
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": added_around.collect::<Map<_, _>>(),
            }),
        };
        json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": around,
            "model": model,
        })
    }
}

fn array<'a>(file: &GgufFile<'a>, key: &str) -> Result<Option<GgufArray<'a>>, VocabularyError> {
    file.array(key).map_err(refused)
}

fn strings<'a>(file: &GgufFile<'a>, key: &str) -> Result<Option<Vec<&'a str>>, VocabularyError> {
    let Some(array) = array(file, key)? else { return Ok(None) };
    let strings = array.iter().map(|value| value.as_str());
    let strings: Option<Vec<&str>> = strings.collect();
    strings.map(Some).ok_or_else(|| refused(format!("`{key}` holds something other than text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of Llama 3's file: numbers in many places, one of them inside a template.
    #[test]
    fn a_tokenizer_file_with_a_template_adds_its_tokens_to_prompts_only() {
        let vocab: Map<String, Value> = ["a", "b", "ab", "Ġ"]
            .iter()
            .enumerate()
            .map(|(id, token)| ((*token).to_owned(), id.into()))
            .collect();
        let json = json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": [{"id": 4, "content": "<s>", "special": true, "single_word": false, "lstrip": false,
                              "rstrip": false, "normalized": false}],
            "normalizer": null,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            "post_processor": {"type": "Sequence", "processors": [
                {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
                {"type": "TemplateProcessing",
                 "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                 "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                 "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}}]},
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "vocab": vocab, "merges": [["a", "b"]]},
        });
        let tokenizer = TextTokenizer::from_tokenizer_json(json.to_string().as_bytes()).unwrap();
        let ids = |tokens: Vec<TokenId>| tokens.into_iter().map(|token| token.0).collect::<Vec<_>>();
        assert_eq!(ids(tokenizer.encode("ab a<s>").unwrap()), [2, 3, 0, 4]);
        assert_eq!(ids(tokenizer.encode_prompt("ab").unwrap()), [4, 2]);
    }
}
