//! The cost of large and hard schemas: compile time, and the first mask.
//!
//! `cargo bench --bench schema` prints, for each schema of `tests/support/stress.rs`, its size and
//! the best times of four operations: `compile`, building a constraint from the grammar and a
//! vocabulary, the first mask, and reading a valid instance byte by byte. It then prints the same
//! for one string of each format, and for an ordinary schema. An argument filters by name. The
//! vocabulary is the one in `HEDGEROW_VOCAB` (a `tokenizer.json` or GGUF file); without it, 256
//! single bytes.

use hedgerow::engine::Constraint;
use hedgerow::schema::{SchemaOptions, compile};
use hedgerow::vocab::Vocabulary;
use std::time::Instant;

#[path = "../tests/support/stress.rs"]
mod stress;

const ORDINARY: &str = r#"{"type":"object","properties":{"name":{"type":"string","minLength":1},"age":{"type":"integer","minimum":0},"email":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},"role":{"enum":["admin","user"]}},"required":["name","age"],"additionalProperties":false}"#;

fn vocabulary() -> Vocabulary {
    let Some(path) = std::env::var_os("HEDGEROW_VOCAB") else {
        return Vocabulary::from_byte_list((0..=255u8).map(|b| vec![b]).collect()).unwrap();
    };
    let bytes = std::fs::read(path).unwrap();
    match bytes.starts_with(b"GGUF") {
        true => Vocabulary::from_gguf(&hedgerow::gguf::GgufFile::parse(&bytes).unwrap()).unwrap(),
        false => Vocabulary::from_tokenizer_json(&bytes).unwrap(),
    }
}

fn measure(name: &str, schema: &str, valid: &str, vocabulary: &Vocabulary) {
    let options = SchemaOptions::default();
    let mut best = [f64::MAX; 4];
    let begin = Instant::now();
    for round in 0.. {
        let start = Instant::now();
        let grammar = compile(schema, &options).unwrap();
        let compiled = Instant::now();
        let constraint = Constraint::new(&grammar, vocabulary).unwrap();
        let mut matcher = constraint.matcher();
        let tied = Instant::now();
        matcher.mask().unwrap();
        let masked = Instant::now();
        assert!(matcher.advance_bytes(valid.as_bytes()).unwrap(), "{name}");
        let read = Instant::now();
        let times = [compiled - start, tied - compiled, masked - tied, read - masked];
        for (best, time) in best.iter_mut().zip(times) {
            *best = best.min(time.as_secs_f64() * 1e6);
        }
        if round >= 2 && begin.elapsed().as_secs_f64() > 0.3 {
            break;
        }
    }
    let [compiled, tied, masked, read] = best;
    println!("{name:42} {:9} {compiled:12.1} {tied:10.1} {masked:10.1} {read:10.1}", schema.len());
}

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let vocabulary = vocabulary();
    println!("{} tokens; best times in µs", vocabulary.size());
    println!(
        "{:42} {:>9} {:>12} {:>10} {:>10} {:>10}",
        "schema", "bytes", "compile", "tie", "first mask", "instance"
    );
    let of_format = |format: &str| format!(r#"{{"type":"string","format":"{format}"}}"#);
    let mut cases =
        vec![("an ordinary object".to_owned(), ORDINARY.to_owned(), r#"{"name":"a","age":3}"#.to_owned())];
    for (format, valid) in [
        ("date-time", "2024-02-29T23:59:60Z"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000"),
        ("email", "a.b@example.org"),
        ("ipv6", "2001:db8::1"),
        ("uri", "https://example.org/a?b#c"),
        ("hostname", "www.example.org"),
        ("idn-hostname", "www.example.org"),
        ("regex", "^a+(b|c)$"),
    ] {
        cases.push((format!("format {format}"), of_format(format), format!("\"{valid}\"")));
    }
    for stress in stress::all() {
        let grammar = compile(&stress.schema, &SchemaOptions::default()).unwrap();
        let mut matcher = Constraint::new(&grammar, &vocabulary).unwrap().matcher();
        let accepted = matcher.advance_bytes(stress.invalid.as_bytes()).unwrap() && matcher.is_accepting();
        assert!(!accepted, "{} accepts {}", stress.name, stress.invalid);
        cases.push((stress.name.to_owned(), stress.schema, stress.valid));
    }
    for (name, schema, valid) in cases.iter().filter(|c| c.0.contains(&filter)) {
        measure(name, schema, valid, &vocabulary);
    }
}
