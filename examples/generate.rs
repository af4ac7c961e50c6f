//! Lets a real model fill in a JSON Schema, and prints the text as it is generated.
//!
//!     cargo run --release --features torch,cli --example generate -- MODEL SCHEMA PROMPT
//!
//! `generate.c` and `generate.cpp` do the same and print the same text.

use hedgerow::decode::{Batch, Request};
use hedgerow::engine::Constraint;
use hedgerow::sampling::SamplingParams;
use hedgerow::schema::{self, SchemaOptions};
use hedgerow::torch::{LoadOptions, Model};
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, schema, prompt] = arguments.as_slice() else {
        return Err("usage: generate MODEL SCHEMA PROMPT".into());
    };
    let model = Model::load(model, LoadOptions::default())?;
    let grammar = schema::compile(&fs::read_to_string(schema)?, &SchemaOptions::default())?;
    let constraint = Constraint::new(&grammar, model.vocabulary())?;

    let mut sampling = SamplingParams::default().temperature(0.0);
    sampling.max_tokens = Some(512);
    let request =
        Request::new(model.chat_tokens(None, prompt, None)?).constraint(constraint).sampling(sampling);
    let start = Instant::now();
    let batch = Batch::new(&model, model.vocabulary())?.clock(move || start.elapsed());
    let made = batch.run(request, |chunk| {
        print!("{}", chunk.text);
        let _ = io::stdout().flush();
        ControlFlow::Continue(())
    })?;
    println!();
    let usage = made.usage;
    eprintln!(
        "{} tokens, {} of them forced, in {} forward passes",
        usage.completion_tokens, usage.forced_tokens, usage.forward_passes
    );
    Ok(())
}
