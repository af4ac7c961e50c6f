//! outlines-core: it turns the schema into a regular expression, and that into a token-level
//! automaton before the first mask.
//!
//! Its default whitespace pattern (at most one space) is the one that its documentation recommends;
//! `whitespace=compact` asks for none.

use super::{Engine, Session};
use crate::options::Options;
use anyhow::{Context, Result};
use hedgerow::vocab::{TokenId, Vocabulary};
use outlines_core::index::Index;
use outlines_core::json_schema;
use std::rc::Rc;
use std::time::Instant;

/// outlines-core with a vocabulary.
pub struct Outlines {
    tokens: Vec<(Vec<u8>, u32)>,
    vocabulary: outlines_core::vocabulary::Vocabulary,
    whitespace: Option<&'static str>,
}

impl Outlines {
    /// An engine built from the tokens' bytes.
    pub fn new(vocabulary: &Vocabulary, options: &Options) -> Result<Self> {
        let eos = vocabulary.eos().first().context("outlines-core needs an end-of-sequence token")?.0;
        let tokens: Vec<(Vec<u8>, u32)> = (0..vocabulary.token_count() as u32)
            .map(|id| (vocabulary.bytes(TokenId(id)).to_vec(), id))
            .filter(|(bytes, _)| !bytes.is_empty())
            .collect();
        let whitespace = options.is_compact().then_some("");
        Ok(Outlines { vocabulary: build(&tokens, eos)?, tokens, whitespace })
    }
}

fn build(tokens: &[(Vec<u8>, u32)], eos: u32) -> Result<outlines_core::vocabulary::Vocabulary> {
    let mut vocabulary = outlines_core::vocabulary::Vocabulary::new(eos);
    for (bytes, id) in tokens.iter().filter(|(_, id)| *id != eos) {
        vocabulary.try_insert(bytes.clone(), *id)?;
    }
    Ok(vocabulary)
}

impl Engine for Outlines {
    fn compile(&mut self, schema: &str) -> Result<Box<dyn Session>> {
        let regex = json_schema::regex_from_str(schema, self.whitespace, None)?;
        let index = Rc::new(Index::new(&regex, &self.vocabulary)?);
        Ok(Box::new(OutlinesSession {
            state: index.initial_state(),
            index,
            eos: self.vocabulary.eos_token_id(),
        }))
    }

    fn trie_build_ms(&self) -> Result<f64> {
        let start = Instant::now();
        build(&self.tokens, self.vocabulary.eos_token_id())?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }
}

struct OutlinesSession {
    index: Rc<Index>,
    state: u32,
    eos: u32,
}

impl Session for OutlinesSession {
    fn fill_mask(&mut self, out: &mut [u32]) -> Result<()> {
        out.fill(0);
        if let Some(tokens) = self.index.allowed_tokens_iter(&self.state) {
            for &token in tokens {
                if let Some(word) = out.get_mut((token >> 5) as usize) {
                    *word |= 1 << (token & 31);
                }
            }
        }
        if self.index.is_final_state(&self.state) {
            if let Some(word) = out.get_mut((self.eos >> 5) as usize) {
                *word |= 1 << (self.eos & 31);
            }
        }
        Ok(())
    }

    fn advance(&mut self, token: u32) -> Result<bool> {
        match self.index.next_state(&self.state, &token) {
            Some(state) => self.state = state,
            None => return Ok(false),
        }
        Ok(true)
    }

    fn reset(&mut self) -> Result<()> {
        self.state = self.index.initial_state();
        Ok(())
    }

    fn fork(&self) -> Box<dyn Session> {
        Box::new(OutlinesSession { index: self.index.clone(), state: self.state, eos: self.eos })
    }

    fn stats(&self) -> String {
        format!("states {}", self.index.transitions().len())
    }
}
