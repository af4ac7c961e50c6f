//! MaskBench's real-world schemas: what compiles, and whether instances are judged rightly.
//!
//! Every case's valid instances must be accepted and its invalid ones refused, byte by byte. The known exceptions are
//! counted by cause; run `cargo test --release --features cli --test suite schema_maskbench -- --ignored --nocapture
//! all_cases` for the figures over all cases. `walks` draws random outputs and has the `jsonschema` crate judge them, formats on:
//! `HEDGEROW_WALKS` outputs (default 20) for each of `HEDGEROW_SCHEMAS` schemas (default 2,000), over the vocabulary in
//! `HEDGEROW_VOCAB` (a `tokenizer.json` or GGUF file; default: the demo model's). `soak` reads 1,000,000 tokens under changing schemas and
//! prints what memory does meanwhile: `cargo test --release --features cli --test suite schema_maskbench::soak -- --ignored --nocapture`.

use hedgerow::engine::{Constraint, Limits, Matcher};
use hedgerow::grammar::KeyOrder;
use hedgerow::schema::{compile, SchemaOptions};
use hedgerow::vocab::Vocabulary;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::PathBuf;

use crate::support::walk::{walk, Random};

fn data() -> Option<PathBuf> {
    let root =
        std::env::var_os("HEDGEROW_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let path = root.join("maskbench/dev.jsonl.gz");
    if !path.exists() {
        eprintln!("skipped: {} is not there (set HEDGEROW_DATA)", path.display());
        return None;
    }
    Some(path)
}

fn accepts(constraint: &Constraint, text: &str) -> Result<bool, String> {
    let mut matcher = constraint.matcher();
    Ok(matcher.advance_bytes(text.as_bytes()).map_err(|e| e.to_string())? && matcher.is_accepting())
}

#[derive(Default, Debug)]
struct Score {
    schemas: usize,
    compile_errors: usize,
    /// Errors while an instance was read.
    errors_midway: usize,
    valid_refused: usize,
    valid_refused_for_order: usize,
    invalid_accepted: usize,
    reasons: BTreeMap<String, usize>,
    failures: Vec<String>,
}

fn run(every: usize) -> Option<Score> {
    let file = std::fs::File::open(data()?).unwrap();
    let lines = std::io::BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    let vocabulary = Vocabulary::from_byte_list((0..=255u8).map(|b| vec![b]).collect()).unwrap();
    let mut score = Score::default();
    for line in lines.step_by(every) {
        let case: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let id = case["id"].as_str().unwrap();
        let schema = case["schema"].as_str().unwrap();
        if let Ok(only) = std::env::var("HEDGEROW_CASE") {
            if !id.contains(&only) {
                continue;
            }
        }
        score.schemas += 1;
        let start = std::time::Instant::now();
        let options = SchemaOptions::default();
        let constraint = compile(schema, &options)
            .map_err(|e| e.to_string())
            .and_then(|g| Constraint::new(&g, &vocabulary).map_err(|e| e.to_string()));
        let constraint = match constraint {
            Ok(constraint) => constraint,
            Err(text) => {
                score.compile_errors += 1;
                let reason = text.split_once(": ").map_or(text.as_str(), |p| p.1).to_owned();
                *score.reasons.entry(reason).or_default() += 1;
                score.failures.push(format!("{id}: {text}"));
                continue;
            }
        };
        let mut any_order = None;
        for test in case["tests"].as_array().unwrap() {
            let text = test["text"].as_str().unwrap();
            let valid = test["valid"].as_bool().unwrap();
            match accepts(&constraint, text) {
                Ok(accepted) if accepted == valid => {}
                Ok(false) => {
                    let other = any_order.get_or_insert_with(|| {
                        let grammar = compile(schema, &options.clone().key_order(KeyOrder::Any)).unwrap();
                        Constraint::new(&grammar, &vocabulary).unwrap()
                    });
                    match accepts(other, text) {
                        Ok(true) => score.valid_refused_for_order += 1,
                        other => {
                            score.valid_refused += 1;
                            let text: String = text.chars().take(300).collect();
                            score.failures.push(format!("{id}: refused ({other:?}) {text}"));
                        }
                    }
                }
                Ok(true) => {
                    score.invalid_accepted += 1;
                    score
                        .failures
                        .push(format!("{id}: accepted {}", text.chars().take(300).collect::<String>()));
                }
                Err(error) => {
                    score.errors_midway += 1;
                    score.failures.push(format!("{id}: {error}"));
                    break;
                }
            }
        }
        if start.elapsed().as_millis() > 1000 {
            eprintln!("{id}: {:?}", start.elapsed());
        }
    }
    Some(score)
}

#[test]
#[ignore = "minutes in debug builds"]
fn all_cases() {
    report();
}

pub fn report() {
    let Some(score) = run(number("HEDGEROW_EVERY", 1)) else { return };
    for failure in &score.failures {
        println!("{failure}");
    }
    println!(
        "{} schemas, {} compile errors, {} errors midway, {} valid refused, {} valid refused for key order only, {} invalid accepted",
        score.schemas,
        score.compile_errors,
        score.errors_midway,
        score.valid_refused,
        score.valid_refused_for_order,
        score.invalid_accepted
    );
    let mut reasons: Vec<_> = score.reasons.iter().collect();
    reasons.sort_by_key(|r| std::cmp::Reverse(r.1));
    for (reason, count) in reasons.iter().take(40) {
        println!("{count:6} {reason}");
    }
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn vocabulary() -> Option<Vocabulary> {
    let default = ".deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf";
    let path = std::env::var_os("HEDGEROW_VOCAB").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: {} is not there (make setup, or set HEDGEROW_VOCAB)", path.display());
        return None;
    };
    Some(match bytes.starts_with(b"GGUF") {
        true => Vocabulary::from_gguf(&hedgerow::gguf::GgufFile::parse(&bytes).unwrap()).unwrap(),
        false => Vocabulary::from_tokenizer_json(&bytes).unwrap(),
    })
}

#[test]
#[ignore = "minutes in debug builds"]
fn walks() {
    walk_all();
}

/// Whether the judge calls a number no multiple that is one: it divides in double precision, where a number of twenty
/// digits is no longer itself.
fn is_rounding(error: &jsonschema::ValidationError) -> bool {
    match error.kind() {
        jsonschema::error::ValidationErrorKind::MultipleOf { multiple_of } => {
            is_multiple(&error.instance().to_string(), &multiple_of.to_string())
        }
        _ => false,
    }
}

/// Whether a number in `value` has more digits than a double tells apart.
fn has_long_number(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => {
            number.to_string().bytes().filter(u8::is_ascii_digit).count() > 15
        }
        serde_json::Value::Array(items) => items.iter().any(has_long_number),
        serde_json::Value::Object(entries) => entries.values().any(has_long_number),
        _ => false,
    }
}

/// Whether one decimal number is a whole multiple of another, by long division.
fn is_multiple(number: &str, divisor: &str) -> bool {
    let parts = |text: &str| {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = digits.trim_start_matches('-').split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let places = fraction.len() as i64 - exponent.parse::<i64>().unwrap();
        (format!("{}{fraction}", whole.trim_start_matches('-')), places)
    };
    let ((number, places), (divisor, divisor_places)) = (parts(number), parts(divisor));
    // Both as whole numbers of the smaller unit.
    let zeros = |n: i64| "0".repeat(n.max(0) as usize);
    let number = number + &zeros(divisor_places - places);
    // So many more places than the divisor has are none of a multiple.
    let Ok(divisor) = (divisor + &zeros((places - divisor_places).min(40))).parse::<u64>() else {
        return false;
    };
    let divisor = u128::from(divisor);
    number.bytes().fold(0u128, |rest, digit| (rest * 10 + u128::from(digit - b'0')) % divisor) == 0
}

#[test]
fn long_division() {
    for (number, divisor, expected) in [
        ("123456789012345678901234567890.12", "0.01", true),
        ("123456789012345678901234567890.125", "0.01", false),
        ("-7.5e3", "2.5", true),
        ("9007199254740993", "3", true),
        ("9007199254740994", "3", false),
        ("0", "0.1", true),
        ("3.0", "3", true),
    ] {
        assert_eq!(is_multiple(number, divisor), expected, "{number} {divisor}");
    }
}

pub fn walk_all() {
    let (Some(path), Some(vocabulary)) = (data(), vocabulary()) else { return };
    let (walks, schemas) = (number("HEDGEROW_WALKS", 20), number("HEDGEROW_SCHEMAS", 2000));
    let file = std::fs::File::open(path).unwrap();
    let lines = std::io::BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    let (mut used, mut outputs, mut given_up, mut undecided) = (0, 0, 0, 0);
    let mut failures: Vec<String> = Vec::new();
    let mut passed_over: Vec<String> = Vec::new();
    let mut short: Vec<String> = Vec::new();
    // Every third case, so that the schemas come from all of MaskBench's collections.
    for line in lines.step_by(3) {
        if used == schemas {
            break;
        }
        let case: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let (id, text) = (case["id"].as_str().unwrap(), case["schema"].as_str().unwrap());
        if std::env::var("HEDGEROW_CASE").is_ok_and(|only| !id.contains(&only)) {
            continue;
        }
        let schema: serde_json::Value = serde_json::from_str(text).unwrap();
        let judge = match jsonschema::options().should_validate_formats(true).build(&schema) {
            Ok(judge) => judge,
            Err(error) => {
                passed_over.push(format!("{id}: the judge cannot read it: {error}"));
                continue;
            }
        };
        let constraint = compile(text, &SchemaOptions::default())
            .map_err(|e| e.to_string())
            .and_then(|g| Constraint::new(&g, &vocabulary).map_err(|e| e.to_string()));
        let mut matcher = match constraint {
            Ok(constraint) => constraint.matcher(),
            Err(error) => {
                passed_over.push(format!("{id}: {error}"));
                continue;
            }
        };
        let mut random = Random(used as u64);
        used += 1;
        let mut found = 0;
        // Some walks go on for too long; others are tried in their place.
        for _ in 0..3 * walks {
            if found == walks {
                break;
            }
            matcher.reset();
            match walk(&mut matcher, &vocabulary, &mut random) {
                Ok(None) => given_up += 1,
                Ok(Some(output)) => {
                    found += 1;
                    match serde_json::from_str(&output) {
                        Ok(value) => {
                            match judge.iter_errors(&value).find(|error| !is_rounding(error)) {
                                // An alternative or negation does not say why.
                                Some(error) if has_long_number(error.instance()) => {
                                    found -= 1;
                                    undecided += 1;
                                }
                                Some(error) => {
                                    failures.push(format!("{id}: {output} is not valid: {error}"));
                                }
                                None => {}
                            }
                        }
                        // Nested deeper than the judge reads.
                        Err(error) if error.to_string().starts_with("recursion limit") => {
                            found -= 1;
                            undecided += 1;
                        }
                        Err(error) => failures.push(format!("{id}: {output} is not JSON: {error}")),
                    }
                }
                Err(error) if error.contains("dead end") => failures.push(format!("{id}: {error}")),
                Err(error) => {
                    short.push(format!("{id}: {error}"));
                    break;
                }
            }
        }
        if found < walks {
            short.push(format!("{id}: only {found} outputs"));
        }
        outputs += found;
    }
    for (what, list) in [("wrong", &failures), ("passed over", &passed_over), ("short", &short)] {
        for entry in list {
            println!("{what}: {}", entry.chars().take(600).collect::<String>());
        }
    }
    println!(
        "{used} schemas, {outputs} outputs judged, {} wrong or dead ends; {} schemas with fewer than {walks} outputs, \
         {given_up} walks given up as too long, {undecided} outputs that the judge cannot decide, {} schemas passed over",
        failures.len(),
        short.len(),
        passed_over.len()
    );
}

/// Resident memory of this process in MiB, where the system tells.
fn resident() -> Option<usize> {
    let pages: usize = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((pages * 4096) >> 20)
}

/// Schemas come and go, sixteen at a time, beside one that stays: what the vocabulary and the long-lived constraint remember must
/// not grow for ever. `HEDGEROW_SOAK` tokens.
#[test]
#[ignore = "minutes"]
fn soak() {
    let (Some(path), Some(vocabulary)) = (data(), vocabulary()) else { return };
    let tokens = number("HEDGEROW_SOAK", 1_000_000);
    let any = compile("true", &SchemaOptions::default()).unwrap();
    let any = Constraint::with_limits(&any, &vocabulary, Limits::default().graph_bytes(16 << 20)).unwrap();
    let mut alive: Vec<Constraint> = Vec::new();
    let (mut read, mut schemas, mut next_report) = (0, 0, 0);
    let mut early = None;
    let mut random = Random(11);
    'soak: loop {
        let file = std::fs::File::open(&path).unwrap();
        let lines = std::io::BufReader::new(flate2::read::GzDecoder::new(file)).lines();
        // Some of all of MaskBench's collections, about 300, again and again: what the vocabulary remembers of them is bounded, but
        // by more than it needs for these.
        for line in lines.step_by(25) {
            let case: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            let grammar = compile(case["schema"].as_str().unwrap(), &SchemaOptions::default());
            let Ok(Ok(constraint)) = grammar.map(|grammar| Constraint::new(&grammar, &vocabulary)) else {
                continue;
            };
            schemas += 1;
            alive.push(constraint);
            if alive.len() > 16 {
                alive.remove(0);
            }
            for constraint in [alive.last(), alive.first(), Some(&any)].into_iter().flatten() {
                let mut matcher: Matcher = constraint.matcher();
                // What a schema cannot go on with within its limits is another test's business.
                let _ = walk(&mut matcher, &vocabulary, &mut random);
                read += matcher.output_len();
            }
            if read >= next_report {
                let held: usize = alive.iter().map(|constraint| constraint.stats().bytes).sum();
                let stats = any.stats();
                println!(
                    "{read} tokens, {schemas} schemas: {:?} MiB resident, {} MiB in {} constraints, {} MiB in one that stays \
                     (rebuilt {} times)",
                    resident(),
                    held >> 20,
                    alive.len(),
                    stats.bytes >> 20,
                    stats.rebuilds
                );
                next_report += tokens / 20;
                if read >= tokens / 2 {
                    early = early.or(resident());
                }
            }
            if read >= tokens {
                break 'soak;
            }
        }
    }
    if let (Some(early), Some(now)) = (early, resident()) {
        assert!(
            now < early + early / 4 + 64,
            "{now} MiB are resident, {early} were after half of the tokens"
        );
    }
}
