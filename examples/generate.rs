//! Lets a real model fill in a JSON Schema, and prints the text as it is generated.
//!
//!     cargo run --release --features torch,cli --example generate -- MODEL SCHEMA PROMPT
//!
//! `generate.c` and `generate.cpp` do the same and print the same text.

use hedgerow::Constraint;
use hedgerow::decode::Prompt;
use hedgerow::torch::{LoadOptions, Model};
use std::io::{self, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, schema, prompt] = arguments.as_slice() else {
        return Err("usage: generate MODEL SCHEMA PROMPT".into());
    };
    let model = Model::load(model, LoadOptions::default())?;
    let constraint = Constraint::json_schema(&std::fs::read_to_string(schema)?, model.vocabulary())?;

    let request = model.generate(Prompt::user(prompt)).constraint(constraint);
    let made = request.max_tokens(512).temperature(0.0).stream(|chunk| {
        print!("{}", chunk.text);
        let _ = io::stdout().flush();
    });
    let usage = made.run()?.usage;
    println!();
    eprintln!(
        "{} tokens, {} of them forced, in {} forward passes",
        usage.completion_tokens, usage.forced_tokens, usage.forward_passes
    );
    Ok(())
}
