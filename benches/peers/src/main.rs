//! Benchmarks of hedgerow beside its peers, on the same cases, in one run.
//!
//! - `maskbench` follows MaskBench's protocol: compile and first mask for every schema, then mask
//!   and advance for every token of its instances; one process per engine, engines in turn.
//! - `slowest` shows an engine's slowest compilations and masks.
//! - `diff` compares masks token by token with llguidance's, and finds out which engine is right.
//! - `scaling` measures the growth of cost with the schema, the vocabulary and the batch.
//! - `grammars` compares and measures masks as `maskbench` does, for grammars as text in Lark's
//!   notation.
//! - `schema-suite` runs the official JSON Schema test suite.
//! - `tools` compiles replies that call many tools, and measures free text and events.
//! - `samplers` runs the same sampler chains as llama.cpp on the same logits.
//!
//! `maskbench` and `slowest` also know XGrammar, which is published as a Python package:
//! `--engines …,xgrammar` with `--python PROGRAM`, a Python that has the package. Its process is
//! `xgrammar_worker.py`.
//!
//! Protocol and cases: MaskBench, github.com/guidance-ai/jsonschemabench, folder `maskbench`.

mod cases;
mod clock;
mod diff;
mod driver;
mod engine;
mod grammars;
mod llama;
mod maskbench;
mod options;
mod random;
mod samplers;
mod scaling;
mod schema_suite;
mod slowest;
mod statistics;
mod tools;
mod walks;
mod worker;

use clap::{Args, Parser, Subcommand};
use options::Options;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "peers", about = "hedgerow measured beside its peers")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The cases that a command runs.
#[derive(Args, Clone)]
struct Selection {
    /// MaskBench cases: one JSON object a line (`id`, `split`, `schema`, `tests`), plain or
    /// gzipped.
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,
    /// The vocabulary: a Hugging Face `tokenizer.json`.
    #[arg(long, value_name = "TOKENIZER_JSON")]
    vocab: PathBuf,
    /// Number of cases to draw at random; without it all cases run.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Seed of the draw.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the case of this id.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only the cases of this split.
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// hedgerow's options (the peers follow those that they know): `key_order=declared|any`,
    /// `whitespace=flexible|unlimited|compact`, `numbers=canonical|json`,
    /// `escapes=free|any|minimal`, `unique_keys=enforced|ignored`, `format=assert|annotate`,
    /// `unknown_format=warn|refuse`.
    #[arg(long, default_value = "key_order=declared,whitespace=flexible")]
    options: Options,
}

/// The settings of the engines' processes.
#[derive(Args, Clone)]
struct Processes {
    /// Seconds for compiling a schema, first mask included.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    compile_timeout: u64,
    /// Seconds for one mask, or for one advance.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    mask_timeout: u64,
    /// The Python that runs the engine `xgrammar`: `PROGRAM -m pip install xgrammar` prepares it.
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// MaskBench: time to first mask, time between masks, and correct and wrong results.
    Maskbench {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        processes: Processes,
        /// The engines: hedgerow, llguidance, llguidance-bytes (without its tokenizer: no forced
        /// tokens), outlines-core, xgrammar (through its Python package: see `--python`).
        #[arg(long, value_delimiter = ',', default_value = "hedgerow,llguidance")]
        engines: Vec<String>,
        /// Number of schemas that an engine runs before the next engine runs the same ones.
        #[arg(long, default_value_t = 50)]
        turn: usize,
        /// Print the tables of every split as well.
        #[arg(long)]
        splits: bool,
        /// Print this many of the slowest compilations, first masks, masks and advances of every
        /// engine as well.
        #[arg(long, value_name = "N", default_value_t = 0)]
        slowest: usize,
        /// Write the figures to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Write a line for every schema that an engine did not handle correctly: status, reason,
        /// token, output before it.
        #[arg(long, value_name = "FILE")]
        failures: Option<PathBuf>,
    },
    /// The slowest compilations, first masks, masks and advances of one engine.
    Slowest {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        processes: Processes,
        /// The engine.
        #[arg(long, default_value = "hedgerow")]
        engine: String,
        /// Number of operations of each kind.
        #[arg(long, default_value_t = 20)]
        top: usize,
    },
    /// Masks compared with llguidance's, token by token, at sampled positions, with the differences
    /// sorted into causes.
    Diff {
        #[command(flatten)]
        selection: Selection,
        /// Number of positions to compare in each instance.
        #[arg(long, default_value_t = 8)]
        positions: usize,
        /// Number of tokens to judge at each position and side.
        #[arg(long, default_value_t = 2)]
        tokens: usize,
        /// Number of examples to print for each cause.
        #[arg(long, default_value_t = 3)]
        examples: usize,
        /// Write the figures to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Growth curves: properties, enum size, maxLength, nesting, vocabulary, batch and threads.
    Scaling {
        /// The vocabularies: Hugging Face `tokenizer.json` files. The first one serves all curves
        /// but the vocabulary curve.
        #[arg(long, value_name = "TOKENIZER_JSON", required = true)]
        vocab: Vec<PathBuf>,
        /// Only curves whose name contains this.
        #[arg(long)]
        only: Option<String>,
        /// Write the figures to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Grammars as text, beside llguidance: time to first mask, time between masks, and number of
    /// differing masks.
    Grammars {
        /// Grammars in Lark's notation; without any, those of `benches/peers/grammars` and the
        /// repository's calculator.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The vocabulary: a Hugging Face `tokenizer.json`.
        #[arg(long, value_name = "TOKENIZER_JSON")]
        vocab: PathBuf,
        /// Number of random texts of each grammar.
        #[arg(long, value_name = "N", default_value_t = 40)]
        walks: usize,
        /// Largest number of tokens of a text.
        #[arg(long, value_name = "N", default_value_t = 200)]
        steps: usize,
        /// Seed of the texts.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print the texts.
        #[arg(long)]
        texts: bool,
        /// Write the figures to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// The official JSON Schema test suite: passed, refused and wrong tests, per draft and file.
    SchemaSuite {
        /// The suite: a folder with `tests/` and `remotes/`.
        #[arg(long)]
        dir: PathBuf,
        /// The engines: hedgerow, llguidance.
        #[arg(long, value_delimiter = ',', default_value = "hedgerow,llguidance")]
        engines: Vec<String>,
        /// hedgerow's options.
        #[arg(
            long,
            default_value = "key_order=any,whitespace=unlimited,numbers=json,escapes=any,unique_keys=ignored"
        )]
        options: Options,
        /// Only drafts whose name contains this.
        #[arg(long)]
        draft: Option<String>,
        /// Print the outcome of every file.
        #[arg(long)]
        files: bool,
        /// Write the figures to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Replies that call tools: time to compile many tools and to the first mask, masks of free
    /// text, and events.
    Tools {
        /// The vocabulary: a Hugging Face `tokenizer.json`.
        #[arg(long, value_name = "TOKENIZER_JSON")]
        vocab: PathBuf,
        /// Number of tools.
        #[arg(long, value_name = "N", default_value_t = 500)]
        tools: usize,
        /// A Python with the packages xgrammar and transformers; without it XGrammar is left out.
        #[arg(long, value_name = "PROGRAM")]
        python: Option<PathBuf>,
    },
    /// Sampler chains beside llama.cpp's on identical logits.
    Samplers {
        /// llama.cpp's samplers, as `make bench-deps` builds them, or a complete `libllama.so`.
        #[arg(long, value_name = "FILE", default_value = ".deps/llama/libllama-samplers.so")]
        llama: PathBuf,
        /// Vocabulary sizes.
        #[arg(long, value_delimiter = ',', default_value = "32000,128256,151936,262144")]
        sizes: Vec<usize>,
        /// Number of rounds of each measurement; the median counts.
        #[arg(long, default_value_t = 41)]
        rounds: usize,
        /// Only chains whose name contains this.
        #[arg(long)]
        only: Option<String>,
        /// Write the figures to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// One engine's process; started by the other commands.
    #[command(hide = true)]
    Worker(worker::Arguments),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Maskbench { selection, processes, engines, turn, splits, slowest, json, failures } => {
            let plan = maskbench::Plan { engines, turn, processes };
            let prints = maskbench::Prints { splits, slowest };
            maskbench::run(&selection, &plan, prints, json.as_deref(), failures.as_deref())
        }
        Command::Slowest { selection, processes, engine, top } => {
            slowest::run(&selection, processes, engine, top)
        }
        Command::Diff { selection, positions, tokens, examples, json } => {
            diff::run(&selection, &diff::Plan { positions, tokens, examples }, json.as_deref())
        }
        Command::Scaling { vocab, only, json } => scaling::run(&vocab, only.as_deref(), json.as_deref()),
        Command::Grammars { files, vocab, walks, steps, seed, texts, json } => {
            grammars::run(&vocab, &files, &grammars::Plan { walks, steps, seed, texts }, json.as_deref())
        }
        Command::SchemaSuite { dir, engines, options, draft, files, json } => {
            schema_suite::run(&dir, &engines, &options, draft.as_deref(), files, json.as_deref())
        }
        Command::Tools { vocab, tools, python } => tools::run(&vocab, &tools::Plan { tools, python }),
        Command::Samplers { llama, sizes, rounds, only, json } => {
            samplers::run(&llama, &samplers::Plan { sizes, rounds }, only.as_deref(), json.as_deref())
        }
        Command::Worker(arguments) => worker::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
