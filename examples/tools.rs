//! Tools from text to a call: a list of tools, a model's format, and a reply taken apart.
//!
//! Usage: tools TOOLS.json FORMAT REPLY
//!
//! For example: `cargo run --example tools examples/data/tools.json mistral
//! '[TOOL_CALLS]add[ARGS]{"terms": [1, 2]}'`

use std::process::ExitCode;

use hedgerow::tags::{Preset, Reply, ToolOptions, Tools};
use hedgerow::{Constraint, Vocabulary};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tools, format, reply] = arguments.as_slice() else {
        return Err("usage: tools TOOLS.json FORMAT REPLY".into());
    };
    let tools = Tools::from_json(&std::fs::read_to_string(tools)?)?;

    // A real program takes the vocabulary of its model; this one has the 256 bytes.
    let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    let preset = Preset::named(format)?;
    let constraint = Constraint::tools_with(&tools, &preset, &vocabulary, &ToolOptions::default())?;

    // Events come while the reply is read. Here they are only added up.
    let (mut reader, mut events, mut read) = (constraint.event_reader()?, Vec::new(), Reply::default());
    if !reader.advance_bytes(reply.as_bytes(), &mut events)? {
        return Err("this is no reply with these tools".into());
    }
    reader.finish(&mut events);
    events.iter().for_each(|event| read.add(event));
    println!("text: {}", read.text.trim());
    for call in &read.calls {
        println!("call: {} {} complete: {}", call.name, call.arguments, call.complete);
    }
    Ok(())
}
