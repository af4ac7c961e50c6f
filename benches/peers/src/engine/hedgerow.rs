//! hedgerow with its usual calls: `engine::prepare` once, `schema::compile`, one `Constraint` for
//! each schema, one `Matcher` for each output.

use super::{Engine, Session};
use crate::options::Options;
use anyhow::{Result, bail};
use hedgerow::engine::{Constraint, Matcher, prepare};
use hedgerow::schema::{self, SchemaOptions};
use hedgerow::syntax::lark;
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};
use std::time::Instant;

/// hedgerow with a vocabulary.
pub struct Hedgerow {
    vocabulary: Vocabulary,
    options: SchemaOptions,
}

impl Hedgerow {
    /// An engine with these options and this vocabulary, which is prepared as on a server.
    pub fn new(vocabulary: Vocabulary, options: &Options) -> Self {
        prepare(&vocabulary);
        Hedgerow { vocabulary, options: options.schema.clone() }
    }

    /// The constraint of a schema.
    pub fn constraint(&self, schema: &str) -> Result<Constraint> {
        let grammar = schema::compile(schema, &self.options)?;
        Ok(Constraint::new(&grammar, &self.vocabulary)?)
    }
}

impl Engine for Hedgerow {
    fn compile(&mut self, schema: &str) -> Result<Box<dyn Session>> {
        Ok(Box::new(HedgerowSession::new(self.constraint(schema)?)))
    }

    fn compile_lark(&mut self, grammar: &str) -> Result<Box<dyn Session>> {
        let constraint = Constraint::new(&lark::compile(grammar)?, &self.vocabulary)?;
        Ok(Box::new(HedgerowSession::new(constraint)))
    }

    fn trie_build_ms(&self) -> Result<f64> {
        let parts = parts(&self.vocabulary);
        let start = Instant::now();
        let vocabulary = Vocabulary::from_tokens(parts)?;
        prepare(&vocabulary);
        let built = Hedgerow { vocabulary, options: self.options.clone() };
        built.constraint(r#"{"type": "boolean"}"#)?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }
}

/// The parts from which a vocabulary can be built again.
pub fn parts(vocabulary: &Vocabulary) -> VocabularyParts {
    let ids = (0..vocabulary.token_count()).map(|id| TokenId(id as u32));
    VocabularyParts {
        tokens: ids.map(|id| vocabulary.bytes(id).to_vec()).collect(),
        special: vocabulary.special_tokens().map(|(name, id)| (name.to_owned(), id)).collect(),
        eos: vocabulary.eos().to_vec(),
        model_size: Some(vocabulary.size()),
    }
}

struct HedgerowSession {
    constraint: Constraint,
    matcher: Matcher,
}

impl HedgerowSession {
    fn new(constraint: Constraint) -> Self {
        HedgerowSession { matcher: constraint.matcher(), constraint }
    }
}

impl Session for HedgerowSession {
    fn fill_mask(&mut self, out: &mut [u32]) -> Result<()> {
        Ok(self.matcher.fill_mask(out)?)
    }

    fn advance(&mut self, token: u32) -> Result<bool> {
        Ok(self.matcher.advance(TokenId(token))?)
    }

    fn reset(&mut self) -> Result<()> {
        self.matcher.reset();
        Ok(())
    }

    fn fork(&self) -> Box<dyn Session> {
        Box::new(HedgerowSession { constraint: self.constraint.clone(), matcher: self.matcher.fork() })
    }

    fn stats(&self) -> String {
        let stats = self.constraint.stats();
        format!(
            "states {}, transitions {}, summaries {}, languages {}, nodes {}, KiB {}",
            stats.states,
            stats.transitions,
            stats.summaries,
            stats.languages,
            stats.nodes,
            stats.bytes >> 10
        )
    }
}

/// True if the constraint accepts the text, for commands that need more than a [`Session`].
pub fn accepts(constraint: &Constraint, text: &[u8]) -> Result<bool> {
    let mut matcher = constraint.matcher();
    if !matcher.advance_bytes(text)? {
        return Ok(false);
    }
    if text.is_empty() {
        bail!("an empty text is no JSON");
    }
    Ok(matcher.is_accepting())
}
