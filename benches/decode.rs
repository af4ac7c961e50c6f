//! Benchmarks of the decoding loop on a real model:
//!
//! ```console
//! $ cargo bench --features torch --bench decode -- speed --python python3
//! $ cargo bench --features torch --bench decode -- speculation
//! $ cargo bench --features torch --bench decode -- schemas --outputs 200 --schemas 50
//! ```
//!
//! - `speed` measures prefill and decoding beside transformers, which runs in a process of its own
//!   (`benches/transformers_speed.py`) with the same weights, number format and threads. The two
//!   take turns.
//! - `speculation` compares the drafters that need no further weights, on text that repeats its
//!   prompt, on prose, and under a schema.
//! - `schemas` generates outputs under MaskBench's schemas of moderate size, with a small budget of
//!   tokens. The jsonschema crate judges each, formats on; the command fails if one is wrong.
//!
//! Options:
//!
//! - `--model PATH` (default: the demo model), `--threads N` (2), `--rounds N` (5), `--python
//!   PROGRAM`;
//! - `--max-tokens N` (512; 96 for `speculation`);
//! - `--data FILE` (MaskBench's `dev.jsonl.gz`);
//! - `--task NAME` (one of speculation's);
//! - `--prompt-chars N` (number of characters of a schema in the prompt; 3000);
//! - `--together N` (number of schemas in one batch; 8);
//! - `--from N` and `--until N` (range of the schemas; all).

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use hedgerow::decode::{
    Batch, Draft, DraftChoice, Generation, Prompt, PromptEncoder, Request, RequestId, Usage,
};
use hedgerow::engine::Constraint;
use hedgerow::sampling::SamplingParams;
use hedgerow::schema::{SchemaOptions, compile};
use hedgerow::torch::{LoadOptions, Model};
use hedgerow::vocab::TokenId;
use serde_json::Value;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The command line.
struct Options {
    what: String,
    given: Vec<(String, String)>,
}

impl Options {
    fn read() -> Outcome<Self> {
        // Cargo adds `--bench`.
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        let what = words.next().unwrap_or_default();
        let mut given = Vec::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("`{word}` is no option"))?;
            given.push((name.to_owned(), words.next().ok_or_else(|| format!("--{name} needs a value"))?));
        }
        Ok(Self { what, given })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|option| option.0 == name).map(|option| option.1.as_str())
    }

    fn number(&self, name: &str, default: usize) -> Outcome<usize> {
        Ok(self.text(name).map_or(Ok(default), str::parse)?)
    }

    fn model(&self) -> PathBuf {
        let demo = ".deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf";
        self.text("model").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(demo), PathBuf::from)
    }

    fn load(&self) -> Outcome<Model> {
        let options = LoadOptions::default().threads(self.number("threads", 2)?);
        Ok(Model::load(self.model(), options)?)
    }
}

fn main() -> Outcome<()> {
    let options = Options::read()?;
    match options.what.as_str() {
        "speed" => speed(&options),
        "speculation" => speculation(&options),
        "schemas" => schemas(&options),
        // `cargo bench` without a name runs every bench.
        _ => {
            println!("decode: give one of speed, speculation, schemas");
            Ok(())
        }
    }
}

fn run(model: &Model, request: Request, skipped: &[usize]) -> Outcome<Generation> {
    let start = Instant::now();
    let mut batch = Batch::new(model, model.vocabulary())?.clock(move || start.elapsed());
    if !skipped.is_empty() {
        batch = batch.draft_model(model.skipping_layers(skipped)?);
    }
    Ok(batch.run(request, |_| ControlFlow::Continue(()))?)
}

/// Number of passes per token. Each token needed one unless it was forced or a confirmed guess.
fn passes_a_token(usage: &Usage) -> f64 {
    let saved = usage.forced_tokens + usage.confirmed_tokens;
    usage.completion_tokens.saturating_sub(saved) as f64 / usage.completion_tokens.max(1) as f64
}

fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

const PROMPT: usize = 512;
const DECODED: usize = 64;

/// transformers in a process of its own.
struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    fn start(options: &Options) -> Outcome<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/transformers_speed.py");
        let mut child = Command::new(options.text("python").unwrap_or("python3"))
            .arg(script)
            .arg(options.model())
            .arg(options.number("threads", 2)?.to_string())
            // Cargo sets this variable to the build's libtorch, and Python has its own.
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else { return Err("no pipes".into()) };
        let mut peer = Self { child, to, from: BufReader::new(from) };
        println!("{}", peer.line()?);
        Ok(peer)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Err("transformers has ended; see its message above".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// The seconds for the prompt and this many tokens, and the tokens.
    fn generate(&mut self, prompt: &[TokenId], tokens: usize) -> Outcome<(f64, Vec<u32>)> {
        let ids: Vec<String> = prompt.iter().map(|id| id.0.to_string()).collect();
        writeln!(self.to, "{tokens} {}", ids.join(" "))?;
        self.to.flush()?;
        let line = self.line()?;
        let mut words = line.split(' ');
        let seconds = words.next().unwrap_or_default().parse()?;
        Ok((seconds, words.map(str::parse).collect::<Result<_, _>>()?))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn speed(options: &Options) -> Outcome<()> {
    let model = options.load()?;
    let mut peer = Peer::start(options)?;
    // Arbitrary tokens: all take the same time.
    let prompt: Vec<TokenId> = (0..PROMPT as u32).map(|at| TokenId(1000 + at * 37 % 40_000)).collect();
    let ours = |tokens| -> Outcome<(f64, Vec<u32>)> {
        let sampling = SamplingParams::default().temperature(0.0).max_tokens(tokens).min_tokens(tokens);
        let start = Instant::now();
        let made = run(&model, Request::new(prompt.clone()).sampling(sampling), &[])?;
        let seconds = start.elapsed().as_secs_f64();
        Ok((seconds, made.completions[0].tokens.iter().map(|token| token.0).collect()))
    };
    let (mut hedgerow, mut transformers) = (Rates::default(), Rates::default());
    let mut same = true;
    for _ in 0..options.number("rounds", 5)? {
        let (first, (all, tokens)) = (ours(1)?.0, ours(1 + DECODED)?);
        hedgerow.add(first, all);
        let (first, (all, peers)) = (peer.generate(&prompt, 1)?.0, peer.generate(&prompt, 1 + DECODED)?);
        transformers.add(first, all);
        same &= tokens == peers;
    }
    println!(
        "{:14} {:>20} {:>20}",
        "tokens/s",
        format!("prefill of {PROMPT}"),
        format!("decode of {DECODED}")
    );
    for (name, rates) in [("hedgerow", &hedgerow), ("transformers", &transformers)] {
        println!("{name:14} {:>20.1} {:>20.1}", median(&rates.prefill), median(&rates.decode));
    }
    println!("same greedy tokens: {}", if same { "yes" } else { "no" });
    overhead(&model)
}

/// Prints the cost of constraint and sampling beside that of the passes, for one output under a
/// schema.
fn overhead(model: &Model) -> Outcome<()> {
    let (task, prompt, schema) = TASKS[2];
    let grammar = compile(schema.unwrap_or("{}"), &SchemaOptions::default())?;
    let constraint = Constraint::new(&grammar, model.vocabulary())?;
    let sampling = SamplingParams::default().temperature(0.8).top_p(0.95).seed(1).max_tokens(96);
    let request = Request::new(model.prompt_tokens(&Prompt::user(prompt))?).sampling(sampling);
    let Generation { usage, timings, .. } = run(model, request.constraint(constraint), &[])?;
    println!(
        "{task}: {} tokens, {:.2} passes a token; a pass {:.1?}, constraint {:.1?} and sampling {:.1?} beside it: {:.2} %",
        usage.completion_tokens,
        passes_a_token(&usage),
        timings.forward / (usage.forward_passes - usage.prefill_passes).max(1) as u32,
        timings.mask / usage.forward_passes.max(1) as u32,
        timings.sample / usage.forward_passes.max(1) as u32,
        100.0 * (timings.mask + timings.sample).as_secs_f64() / timings.forward.as_secs_f64()
    );
    Ok(())
}

/// Tokens a second, one figure for each round.
#[derive(Default)]
struct Rates {
    prefill: Vec<f64>,
    decode: Vec<f64>,
}

impl Rates {
    /// Adds the rates from the seconds for the prompt and one token, and for the prompt and all
    /// tokens.
    fn add(&mut self, first: f64, all: f64) {
        self.prefill.push(PROMPT as f64 / first);
        self.decode.push(DECODED as f64 / (all - first));
    }
}

/// The tasks: a name, a prompt, and a schema if there is one.
const TASKS: [(&str, &str, Option<&str>); 3] = [
    (
        "repeat",
        "Repeat this list word for word: Anna Berg, 31, Oslo; Bela Kiss, 45, Budapest; Carla Rossi, 27, Milan; \
         David Stone, 52, Leeds; Elif Kaya, 38, Izmir; Farid Amin, 29, Cairo.",
        None,
    ),
    ("prose", "Tell a short story about a lighthouse keeper and a gull.", None),
    (
        "schema",
        "Describe three fictional employees.",
        Some(
            r#"{"type":"array","minItems":3,"maxItems":3,"items":{"type":"object","properties":{
            "name":{"type":"string","maxLength":40},"department":{"enum":["research","sales","production"]},
            "years":{"type":"integer","minimum":0,"maximum":60},"remote":{"type":"boolean"}},
            "required":["name","department","years","remote"],"additionalProperties":false}}"#,
        ),
    ),
];

fn speculation(options: &Options) -> Outcome<()> {
    let model = options.load()?;
    let layers = model.layer_count();
    // The middle layers of a model matter least.
    let skipped: Vec<usize> = (layers / 3..layers / 3 + layers / 5).collect();
    let drawn = Draft::Model { tokens: 3, choice: DraftChoice::Drawn };
    let likeliest = Draft::Model { tokens: 3, choice: DraftChoice::Likeliest };
    let drafters = [
        ("none", Draft::None),
        ("ngram", Draft::Ngram { longest: 3, tokens: 5 }),
        ("skip", likeliest),
        ("skip, drawn", drawn),
    ];
    println!(
        "skip: without layers {skipped:?} of {layers}; at most {} tokens each",
        options.number("max-tokens", 96)?
    );
    println!(
        "{:8} {:>5} {:12} {:>7} {:>11} {:>13} {:>13} {:>9}",
        "task", "T", "drafter", "tokens", "acceptance", "passes/token", "draft passes", "tokens/s"
    );
    for (task, prompt, schema) in TASKS {
        if options.text("task").is_some_and(|only| only != task) {
            continue;
        }
        for temperature in [0.0, 0.8] {
            let mut greedy: Option<Vec<TokenId>> = None;
            for (name, draft) in drafters {
                let sampling = SamplingParams::default().temperature(temperature).seed(1);
                let sampling = sampling.max_tokens(options.number("max-tokens", 96)?);
                let prompt = model.prompt_tokens(&Prompt::user(prompt))?;
                let mut request = Request::new(prompt).sampling(sampling).draft(draft);
                if let Some(schema) = schema {
                    let grammar = compile(schema, &SchemaOptions::default())?;
                    request = request.constraint(Constraint::new(&grammar, model.vocabulary())?);
                }
                let Generation { completions, usage, timings } = run(&model, request, &skipped)?;
                let accepted = match usage.drafted_tokens {
                    0 => "-".to_owned(),
                    drafted => format!("{:.0} %", 100.0 * usage.confirmed_tokens as f64 / drafted as f64),
                };
                let seconds = timings.total.saturating_sub(timings.prefill).as_secs_f64();
                println!(
                    "{task:8} {temperature:>5} {name:12} {:>7} {accepted:>11} {:>13.2} {:>13} {:>9.1}",
                    usage.completion_tokens,
                    passes_a_token(&usage),
                    usage.draft_passes,
                    usage.completion_tokens as f64 / seconds
                );
                let tokens = &completions[0].tokens;
                let expected = greedy.get_or_insert_with(|| tokens.clone());
                // Passes of another width round differently, and this can change a draw from the
                // tail of a distribution.
                if temperature == 0.0 && tokens != expected {
                    return Err(format!("{task}: {name} has changed the greedy output").into());
                }
            }
        }
    }
    Ok(())
}

/// A schema of moderate size that compiles.
struct Case {
    id: String,
    schema: String,
    constraint: Constraint,
    judge: jsonschema::Validator,
}

/// The given number of schemas of 300 to 3,000 bytes, spread evenly over the file, of which every
/// part is enforced.
fn cases(options: &Options, model: &Model) -> Outcome<Vec<Case>> {
    let path = options.text("data").unwrap_or("../shared/data/maskbench/dev.jsonl.gz");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let file = std::fs::File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut schemas = Vec::new();
    for line in BufReader::new(flate2::read::GzDecoder::new(file)).lines() {
        let case: Value = serde_json::from_str(&line?)?;
        if let (Some(id), Some(schema)) = (case["id"].as_str(), case["schema"].as_str())
            && (300..=3_000).contains(&schema.len())
        {
            schemas.push((id.to_owned(), schema.to_owned()));
        }
    }
    let wanted = options.number("schemas", 50)?;
    let mut cases = Vec::new();
    let mut left_out = 0;
    // The file is divided into this many parts. From each comes the first schema that compiles and
    // that the judge understands.
    for stretch in 0..wanted {
        let bound = |number: usize| number * schemas.len() / wanted.max(1);
        let found = schemas[bound(stretch)..bound(stretch + 1)].iter().find_map(|(id, schema)| {
            let judged = serde_json::from_str(schema).ok().and_then(|schema: Value| {
                jsonschema::options().should_validate_formats(true).build(&schema).ok()
            });
            let constraint = compile(schema, &SchemaOptions::default())
                .ok()
                .and_then(|grammar| Constraint::new(&grammar, model.vocabulary()).ok());
            if constraint.is_none() {
                left_out += 1;
            }
            let (id, schema) = (id.clone(), schema.clone());
            Some(Case { id, schema, constraint: constraint?, judge: judged? })
        });
        cases.extend(found);
    }
    println!(
        "{} schemas of {} with 300 to 3,000 bytes; {left_out} did not compile",
        cases.len(),
        schemas.len()
    );
    Ok(cases)
}

/// The request for a document that satisfies the schema of a case.
fn case_request(options: &Options, model: &Model, case: &Case, seed: u64) -> Outcome<Request> {
    let shown: String = case.schema.chars().take(options.number("prompt-chars", 3_000)?).collect();
    let prompt = format!("Make up a short JSON document that satisfies this JSON Schema.\n{shown}");
    let sampling = SamplingParams::default().temperature(0.8).top_p(0.95).seed(seed);
    Ok(Request::new(model.prompt_tokens(&Prompt::user(prompt))?)
        .sampling(sampling.max_tokens(options.number("max-tokens", 512)?))
        .constraint(case.constraint.clone()))
}

fn schemas(options: &Options) -> Outcome<()> {
    let model = options.load()?;
    let cases = cases(options, &model)?;
    let outputs = options.number("outputs", 200)?;
    let most = options.number("max-tokens", 512)?;
    let together = options.number("together", 8)?.max(1);
    let (mut made, mut wrong, mut ended) = (0, 0, 0);
    let (mut usage, mut ours, mut passes) = (Usage::default(), 0.0, 0.0);
    let start = Instant::now();
    let mut batch = Batch::new(&model, model.vocabulary())?.clock(move || start.elapsed());
    let part = options.number("from", 0)?..options.number("until", cases.len())?;
    let mut waiting = cases.iter().enumerate().filter(|(number, _)| part.contains(number));
    let mut under_way: Vec<(RequestId, usize)> = Vec::new();
    loop {
        while under_way.len() < together {
            let Some((number, case)) = waiting.next() else { break };
            let count = (number + 1) * outputs / cases.len() - number * outputs / cases.len();
            if count == 0 {
                continue;
            }
            let seed = number as u64;
            let request = case_request(options, &model, case, seed)?.completions(count);
            under_way.push((batch.join(request)?, number));
        }
        if under_way.is_empty() {
            break;
        }
        for (id, result) in batch.step(|_, _| ControlFlow::Continue(())) {
            let place = under_way.iter().position(|of| of.0 == id).ok_or("an unknown request has ended")?;
            let case = &cases[under_way.remove(place).1];
            let Generation { completions, usage: of_case, timings } = result?;
            for completion in &completions {
                let complete = completion.complete == Some(true);
                let valid = serde_json::from_str(&completion.text)
                    .is_ok_and(|value: Value| case.judge.is_valid(&value));
                if !complete || !valid {
                    wrong += 1;
                    println!("WRONG: {}, {}: {}", case.id, completion.finish, completion.text);
                }
                made += 1;
                ended += usize::from(completion.budget_ending.is_some());
            }
            usage.completion_tokens += of_case.completion_tokens;
            usage.forced_tokens += of_case.forced_tokens;
            ours += (timings.mask + timings.sample).as_secs_f64();
            passes += timings.forward.as_secs_f64();
            println!(
                "{made:>3} {:40} {:>4} tokens, {:>3} forced; mask {:.1?}, sampling {:.1?}; {:.0} s so far",
                case.id.chars().take(40).collect::<String>(),
                of_case.completion_tokens,
                of_case.forced_tokens,
                timings.mask,
                timings.sample,
                start.elapsed().as_secs_f64()
            );
            std::io::stdout().flush()?;
        }
    }
    println!("{made} outputs over {} schemas: {} complete and valid, {wrong} not", cases.len(), made - wrong);
    println!("the model completed {} of them, the budget of {most} tokens {ended}", made - ended);
    println!(
        "{} tokens, {} forced: {:.3} passes a token",
        usage.completion_tokens,
        usage.forced_tokens,
        passes_a_token(&usage)
    );
    if together == 1 {
        // With several schemas in one batch each pass is counted several times.
        println!("constraint and sampling: {:.2} % of decoding passes", 100.0 * ours / passes);
    }
    match wrong {
        0 => Ok(()),
        _ => Err("an output was wrong".into()),
    }
}
