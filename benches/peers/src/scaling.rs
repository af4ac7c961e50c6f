//! Growth curves of the cost: with the number of properties, the size of an enum, `maxLength`,
//! nesting, the vocabulary, and the number of sequences and threads.
//!
//! Each point starts with a newly prepared engine, so no results of the previous point are known.
//! The instances visit about the same part of the schema at every size. A rising curve therefore
//! shows a cost of the schema's size.

use crate::clock::Stopwatch;
use crate::engine::{self, Hedgerow, LlGuidance, Session, allows};
use crate::options::Options;
use crate::statistics::{Summary, Table, rounded, shown};
use anyhow::{Context, Result, bail};
use hedgerow::engine::{Matcher, fill_masks};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::BufWriter;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

const ENGINES: [&str; 2] = ["hedgerow", "llguidance-bytes"];

struct Point {
    size: usize,
    schema: String,
    instance: String,
}

fn properties(size: usize) -> Point {
    let name = |i: usize| format!("property_{i:05}");
    let properties: Map<String, Value> = (0..size).map(|i| (name(i), json!({"type": "string"}))).collect();
    let schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    let used: Map<String, Value> = (0..20).map(|i| (name(i * size / 20), json!("some text"))).collect();
    Point { size, schema: schema.to_string(), instance: Value::from(used).to_string() }
}

fn enumeration(size: usize) -> Point {
    let value = |i: usize| format!("{:04x} value {i:05}", i * 40_503 % 65_536);
    let values: Vec<String> = (0..size).map(value).collect();
    let used: Vec<String> = (0..20).map(|i| value(i * size / 20)).collect();
    let schema = json!({"type": "array", "items": {"enum": values}});
    Point { size, schema: schema.to_string(), instance: json!(used).to_string() }
}

fn max_length(size: usize) -> Point {
    let schema = json!({"type": "array", "items": {"type": "string", "maxLength": size}});
    let used = vec!["abc def g"; 30];
    Point { size, schema: schema.to_string(), instance: json!(used).to_string() }
}

fn long_string(size: usize) -> Point {
    let schema = json!({"type": "string", "maxLength": 1_000_000});
    let instance = json!("the quick brown fox jumps over it ".repeat(size / 34 + 1));
    Point { size, schema: schema.to_string(), instance: instance.to_string() }
}

fn nesting(size: usize) -> Point {
    let schema = json!({"$ref": "#/$defs/list", "$defs": {"list": {"type": "array", "items": {"$ref": "#/$defs/list"}}}});
    Point { size, schema: schema.to_string(), instance: "[".repeat(size) + &"]".repeat(size) }
}

fn person() -> Point {
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string", "maxLength": 40}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "email": {"type": "string", "pattern": "^[a-z.]+@[a-z]+\\.(com|org)$"},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}}},
        "required": ["name", "age"]});
    let instance = json!({"name": "Ada Lovelace of Ockham", "age": 36, "email": "ada.l@example.org",
        "tags": ["red", "blue"], "more": {"x": [1.5, null, "text"]}});
    Point { size: 1, schema: schema.to_string(), instance: instance.to_string() }
}

/// The `scaling` command.
pub fn run(vocabularies: &[PathBuf], only: Option<&str>, json: Option<&Path>) -> Result<()> {
    let first = vocabularies.first().context("there is no vocabulary")?;
    let first = Vocabulary::from_tokenizer_json(&engine::read(first)?)?;
    let options: Options = "".parse()?;
    let clock = Stopwatch::new();
    let is_wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    let mut all = Map::new();
    type Sized<'a> = (&'a str, fn(usize) -> Point, &'a [usize]);
    let curves: [Sized<'_>; 5] = [
        ("optional properties", properties, &[100, 1_000, 5_000]),
        ("enum values", enumeration, &[100, 1_000, 10_000]),
        ("maxLength", max_length, &[10, 10_000, 1_000_000]),
        ("characters of one string", long_string, &[100, 1_000, 10_000]),
        ("nesting", nesting, &[10, 100, 1_000]),
    ];
    for (name, point, sizes) in curves.into_iter().filter(|(name, ..)| is_wanted(name)) {
        let mut curve = Curve::new(name);
        for &size in sizes {
            curve.measure(&clock, &first, &point(size), &options);
        }
        all.insert(name.to_owned(), curve.finish());
    }
    if is_wanted("vocabulary") {
        let mut curve = Curve::new("vocabulary");
        for path in vocabularies {
            let vocabulary = Vocabulary::from_tokenizer_json(&engine::read(path)?)?;
            let point = Point { size: vocabulary.size(), ..person() };
            curve.measure(&clock, &vocabulary, &point, &options);
        }
        all.insert("vocabulary".to_owned(), curve.finish());
    }
    if is_wanted("batch") {
        all.insert("batch".to_owned(), batches(&clock, &first, &options)?);
    }
    if let Some(path) = json {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), &all)?;
    }
    Ok(())
}

struct Curve {
    name: String,
    table: Table,
    points: Vec<Value>,
}

impl Curve {
    fn new(name: &str) -> Self {
        let head = [
            "size",
            "engine",
            "build ms",
            "TTFM µs",
            "tokens",
            "mask avg µs",
            "mask p50",
            "mask max",
            "advance avg",
            "advance max",
            "again avg",
        ];
        Curve { name: name.to_owned(), table: Table::new(head), points: Vec::new() }
    }

    fn measure(&mut self, clock: &Stopwatch, vocabulary: &Vocabulary, point: &Point, options: &Options) {
        for name in ENGINES {
            match measure(clock, name, vocabulary, point, options) {
                Ok(of) => {
                    let figures = [
                        of.build_ms,
                        of.ttfm,
                        of.mask.count as f64,
                        of.mask.avg,
                        of.mask.percentiles[1],
                        of.mask.percentiles[7],
                        of.commit.avg,
                        of.commit.percentiles[7],
                        of.again.avg,
                    ];
                    let head = [point.size.to_string(), name.to_owned()];
                    self.table.row(head.into_iter().chain(figures.map(shown)));
                    self.points.push(
                        json!({"size": point.size, "engine": name, "build_ms": rounded(of.build_ms),
                        "ttfm_us": rounded(of.ttfm), "mask": of.mask.to_json(), "commit": of.commit.to_json(),
                        "again": of.again.to_json()}),
                    );
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    self.table.row([point.size.to_string(), name.to_owned(), format!("{error:.90}")]);
                    self.points.push(json!({"size": point.size, "engine": name, "error": error}));
                }
            }
        }
    }

    fn finish(self) -> Value {
        println!("\n== {}", self.name);
        self.table.print();
        self.points.into()
    }
}

struct Measured {
    build_ms: f64,
    ttfm: f64,
    mask: Summary,
    commit: Summary,
    again: Summary,
}

fn measure(
    clock: &Stopwatch,
    name: &str,
    vocabulary: &Vocabulary,
    point: &Point,
    options: &Options,
) -> Result<Measured> {
    let mut engine = engine::prepare_anew(name, vocabulary, options)?;
    let build_ms = engine.trie_build_ms()?;
    let mut mask = vec![0; vocabulary.size().div_ceil(32)];
    let lap = clock.start();
    let mut session = engine.compile(&point.schema)?;
    session.fill_mask(&mut mask)?;
    let ttfm = clock.stop(&lap) as f64 / 1e3;
    let tokens: Vec<u32> =
        vocabulary.greedy_tokenize(point.instance.as_bytes())?.into_iter().map(|id| id.0).collect();
    let mut follow = |session: &mut dyn Session| -> Result<(Vec<u64>, Vec<u64>)> {
        session.reset()?;
        let (mut masks, mut commits) = (Vec::new(), Vec::new());
        for (i, &token) in tokens.iter().enumerate() {
            let lap = clock.start();
            session.fill_mask(&mut mask)?;
            masks.push(clock.stop(&lap));
            let lap = clock.start();
            if !allows(&mask, token) || !session.advance(token)? {
                bail!("token {i} of the instance is refused");
            }
            commits.push(clock.stop(&lap));
        }
        Ok((masks, commits))
    };
    let (masks, commits) = follow(&mut *session)?;
    let (again, _) = follow(&mut *session)?;
    Ok(Measured {
        build_ms,
        ttfm,
        mask: Summary::of(masks),
        commit: Summary::of(commits),
        again: Summary::of(again),
    })
}

/// Computes masks for many sequences at once, each at another position of the same output.
fn batches(clock: &Stopwatch, vocabulary: &Vocabulary, options: &Options) -> Result<Value> {
    let point = person();
    let tokens: Vec<TokenId> = vocabulary.greedy_tokenize(point.instance.as_bytes())?;
    let words = vocabulary.size().div_ceil(32);
    let anew = Vocabulary::from_tokens(engine::parts(vocabulary))?;
    let hedgerow = Hedgerow::new(anew, options).constraint(&point.schema)?;
    let llguidance = LlGuidance::from_vocabulary(vocabulary, options)?;
    let mut table = Table::new(["sequences", "threads", "engine", "µs a batch: avg", "p50", "p99", "max"]);
    let mut points = Vec::new();
    let mut record = |sequences: usize, threads: usize, engine: &str, times: Vec<u64>| {
        let of = Summary::of(times);
        let head = [sequences.to_string(), threads.to_string(), engine.to_owned()];
        let figures = [of.avg, of.percentiles[1], of.percentiles[5], of.percentiles[7]];
        table.row(head.into_iter().chain(figures.map(shown)));
        points.push(
            json!({"sequences": sequences, "threads": threads, "engine": engine, "fill": of.to_json()}),
        );
    };
    for sequences in [1, 64, 512] {
        for threads in [1, 2] {
            let mut rows = vec![0u32; words * sequences];
            let count = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
            let mut matchers: Vec<Matcher> = (0..sequences).map(|_| hedgerow.matcher()).collect();
            let mut times = Vec::new();
            for step in 0..tokens.len() {
                let start = clock.now();
                fill_masks(&mut matchers, &mut rows, count)?;
                times.push(clock.now().since(start));
                for (i, matcher) in matchers.iter_mut().enumerate().filter(|(i, _)| step >= i % 8) {
                    if !matcher.advance(tokens[step - i % 8])? {
                        bail!("hedgerow refuses token {step}");
                    }
                }
            }
            record(sequences, threads, "hedgerow", times);
            let matcher = llguidance.matcher(&point.schema)?;
            let mut matchers: Vec<llguidance::Matcher> =
                (0..sequences).map(|_| matcher.deep_clone()).collect();
            let mut times = Vec::new();
            for step in 0..tokens.len() {
                let start = clock.now();
                fill_llguidance(&mut matchers, &mut rows, words, threads)?;
                times.push(clock.now().since(start));
                for (i, matcher) in matchers.iter_mut().enumerate().filter(|(i, _)| step >= i % 8) {
                    matcher.consume_token(tokens[step - i % 8].0)?;
                }
            }
            record(sequences, threads, "llguidance-bytes", times);
        }
    }
    println!("\n== batch");
    table.print();
    Ok(points.into())
}

fn fill_llguidance(
    matchers: &mut [llguidance::Matcher],
    rows: &mut [u32],
    words: usize,
    threads: usize,
) -> Result<()> {
    let fill = |matchers: &mut [llguidance::Matcher], rows: &mut [u32]| -> Result<()> {
        for (matcher, row) in matchers.iter_mut().zip(rows.chunks_mut(words)) {
            row.copy_from_slice(&matcher.compute_mask_or_eos()?.as_slice()[..words]);
        }
        Ok(())
    };
    let share = matchers.len().div_ceil(threads);
    if share == matchers.len() {
        return fill(matchers, rows);
    }
    std::thread::scope(|scope| {
        let work: Vec<_> = matchers
            .chunks_mut(share)
            .zip(rows.chunks_mut(share * words))
            .map(|(matchers, rows)| scope.spawn(move || fill(matchers, rows)))
            .collect();
        work.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")))
    })
}
