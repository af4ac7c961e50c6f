//! llguidance with its recommended settings: one `ParserFactory` with the slices for JSON, its
//! `Matcher`, and the tokenizer through `toktrie_hf_tokenizers`. With the tokenizer it can force
//! the canonical tokens of a text that has no alternative.

use super::{Engine, Session};
use crate::options::Options;
use anyhow::{Context, Result, anyhow, bail};
use hedgerow::vocab::{TokenId, Vocabulary};
use llguidance::api::TopLevelGrammar;
use llguidance::earley::SlicedBiasComputer;
use llguidance::{Matcher, ParserFactory};
use std::sync::Arc;
use std::time::Instant;
use toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};
use toktrie_hf_tokenizers::ByteTokenizer;

/// A directive that allows ignored terminals before the first terminal, as Lark does.
const INITIAL_SKIP: &str = "%llguidance {\"allow_initial_skip\": true}\n";

/// llguidance with a vocabulary.
pub struct LlGuidance {
    factory: ParserFactory,
    is_compact: bool,
}

impl LlGuidance {
    /// An engine built from a `tokenizer.json`, as its documentation recommends.
    pub fn from_tokenizer_json(json: &[u8], options: &Options) -> Result<Self> {
        Self::new(&ByteTokenizer::from_json_bytes(json)?.into_tok_env(None)?, options)
    }

    /// An engine built from the tokens' bytes alone. Without a tokenizer it forces no tokens, and
    /// its masks hold every spelling of a text.
    pub fn from_vocabulary(vocabulary: &Vocabulary, options: &Options) -> Result<Self> {
        let eos = *vocabulary.eos().first().context("llguidance needs an end-of-sequence token")?;
        let words: Vec<Vec<u8>> = (0..vocabulary.size())
            .map(|id| {
                let id = TokenId(id as u32);
                match vocabulary.name(id).filter(|_| vocabulary.is_special(id)) {
                    Some(name) => [&[TokTrie::SPECIAL_TOKEN_MARKER], name.as_bytes()].concat(),
                    None if (id.0 as usize) < vocabulary.token_count() => vocabulary.bytes(id).to_vec(),
                    None => Vec::new(),
                }
            })
            .collect();
        let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, eos.0), &words);
        let eos: Vec<u32> = vocabulary.eos().iter().map(|id| id.0).collect();
        let trie = trie.with_eos_tokens(&eos);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        Self::new(&env, options)
    }

    fn new(env: &TokEnv, options: &Options) -> Result<Self> {
        let capabilities = InferenceCapabilities::default();
        let mut factory = ParserFactory::new(env, capabilities, &SlicedBiasComputer::json_slices())?;
        factory.quiet();
        Ok(LlGuidance { factory, is_compact: options.is_compact() })
    }

    /// The matcher of a schema.
    pub fn matcher(&self, schema: &str) -> Result<Matcher> {
        let mut schema: serde_json::Value = serde_json::from_str(schema)?;
        if let Some(schema) = schema.as_object_mut().filter(|_| self.is_compact) {
            let guidance = schema.entry("x-guidance").or_insert_with(|| serde_json::json!({}));
            let guidance = guidance.as_object_mut().context("`x-guidance` is not an object")?;
            guidance.insert("whitespace_flexible".to_owned(), false.into());
        }
        self.grammar_matcher(TopLevelGrammar::from_json_schema(schema))
    }

    /// The matcher of a grammar in Lark's notation with llguidance's own header.
    pub fn tagged_matcher(&self, lark: &str) -> Result<Matcher> {
        self.grammar_matcher(TopLevelGrammar::from_lark(lark.to_owned()))
    }

    fn grammar_matcher(&self, grammar: TopLevelGrammar) -> Result<Matcher> {
        let matcher = Matcher::new(self.factory.create_parser(grammar));
        match matcher.get_error() {
            Some(error) => Err(anyhow!(error)),
            None => Ok(matcher),
        }
    }
}

impl Engine for LlGuidance {
    fn compile(&mut self, schema: &str) -> Result<Box<dyn Session>> {
        Ok(Box::new(LlGuidanceSession { matcher: self.matcher(schema)?, fresh: None }))
    }

    fn compile_lark(&mut self, grammar: &str) -> Result<Box<dyn Session>> {
        let grammar = TopLevelGrammar::from_lark(format!("{INITIAL_SKIP}{grammar}"));
        Ok(Box::new(LlGuidanceSession { matcher: self.grammar_matcher(grammar)?, fresh: None }))
    }

    fn trie_build_ms(&self) -> Result<f64> {
        let trie = self.factory.tok_env().tok_trie();
        let words: Vec<Vec<u8>> = (0..trie.vocab_size()).map(|id| trie.token(id as u32).to_vec()).collect();
        let start = Instant::now();
        let trie = TokTrie::from(trie.info(), &words);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let built = LlGuidance::new(&env, &"".parse()?)?;
        built.matcher(r#"{"type": "boolean"}"#)?.compute_mask()?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }
}

struct LlGuidanceSession {
    matcher: Matcher,
    /// The matcher at the beginning, made by the first reset.
    fresh: Option<Matcher>,
}

impl Session for LlGuidanceSession {
    fn fill_mask(&mut self, out: &mut [u32]) -> Result<()> {
        let mask = self.matcher.compute_mask_or_eos()?;
        match mask.as_slice().get(..out.len()) {
            Some(words) => out.copy_from_slice(words),
            None => bail!("a mask of {} words, not {}", mask.as_slice().len(), out.len()),
        }
        Ok(())
    }

    fn advance(&mut self, token: u32) -> Result<bool> {
        self.matcher.consume_token(token)?;
        Ok(true)
    }

    fn reset(&mut self) -> Result<()> {
        if let Some(fresh) = &self.fresh {
            // `Matcher::reset` does not clear an error.
            self.matcher = fresh.clone();
        } else {
            self.matcher.reset()?;
            self.fresh = Some(self.matcher.clone());
        }
        Ok(())
    }

    fn fork(&self) -> Box<dyn Session> {
        Box::new(LlGuidanceSession { matcher: self.matcher.clone(), fresh: self.fresh.clone() })
    }
}
