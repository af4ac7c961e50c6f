//! Keeps a model's output inside a JSON Schema. The logits are made up, since there is no model
//! here, but the loop around them is real: fill a mask, apply it, sample, advance, try a token on a
//! fork, roll back a step.
//!
//!     cargo run --example mask_logits -- examples/data/tiny.tokenizer.json \
//!         examples/data/recipe.schema.json
//!
//! `mask_logits.c`, `mask_logits.cpp` and `mask_logits.py` do the same and print the same text.

use hedgerow::engine::Constraint;
use hedgerow::sampling::{Sampler, SamplingParams};
use hedgerow::schema::{self, SchemaOptions, Whitespace};
use hedgerow::vocab::{TokenId, Vocabulary};
use std::error::Error;
use std::fs;

/// Fills in the logits that a model would give: numbers that depend on the position and the token.
fn make_up_logits(logits: &mut [f32], position: usize) {
    for (i, logit) in logits.iter_mut().enumerate() {
        *logit = ((i * 7919 + position * 104729) % 1000) as f32 / 100.0;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tokenizer, schema] = arguments.as_slice() else {
        return Err("usage: mask_logits TOKENIZER_JSON SCHEMA".into());
    };

    // A vocabulary and a grammar make a constraint.
    let vocabulary = Vocabulary::from_tokenizer_json(&fs::read(tokenizer)?)?;
    let options = SchemaOptions::default().whitespace(Whitespace::Compact);
    let grammar = schema::compile(&fs::read_to_string(schema)?, &options)?;
    let constraint = Constraint::new(&grammar, &vocabulary)?;

    let mut matcher = constraint.matcher();
    let mut sampler = Sampler::new(SamplingParams::default().temperature(0.8).top_k(5).seed(7))?;
    let mut logits = vec![0.0; vocabulary.size()];
    let mut tokens: Vec<TokenId> = Vec::new();
    let mut forced_in_all = 0;

    while !matcher.is_stopped() && tokens.len() < 900 {
        // If only one continuation is possible, the model need not be asked.
        let forced = matcher.forced_tokens()?;
        for &token in &forced {
            matcher.advance(token)?;
            sampler.accept(token);
        }
        tokens.extend(&forced);
        forced_in_all += forced.len();
        if !forced.is_empty() {
            continue;
        }

        make_up_logits(&mut logits, tokens.len());
        let mask = matcher.mask()?;
        let token = sampler.sample(&logits, Some(mask.words()))?.token;

        // A fork can be advanced without changing the matcher.
        assert!(matcher.fork().advance(token)?, "the mask allowed {token}, but the matcher does not");

        // A step can be rolled back.
        matcher.advance(token)?;
        matcher.rollback(1)?;
        matcher.advance(token)?;
        sampler.accept(token);
        tokens.push(token);
    }

    println!("{}", String::from_utf8(vocabulary.decode(&tokens))?);
    println!("{} tokens, {forced_in_all} of them forced", tokens.len());
    Ok(())
}
