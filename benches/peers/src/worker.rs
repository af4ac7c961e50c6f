//! One engine's process: it reads commands on its standard input and answers on its standard
//! output, one JSON object a line.
//!
//! With a process of its own, every engine has its own memory figures, and a crash or a timeout
//! costs only one schema. There are two commands: `run A B` runs the prepared cases `A .. B`;
//! `finish` reports memory and ends.
//!
//! MaskBench's protocol for a case: compile the schema from its text and compute the first mask
//! (together the time to first mask, TTFM). Then for every instance: return to the beginning (not
//! timed), and for every token compute the mask into a buffer of the caller and, if it allows the
//! token, advance (together the time between masks, TBM). At the end of an instance the mask must
//! allow the end of sequence.

use crate::cases::{Case, Reader, Test};
use crate::clock::Stopwatch;
use crate::engine::{self, Engine, Session, allows};
use crate::options::Options;
use anyhow::{Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The arguments of a worker.
#[derive(Args, Clone)]
pub struct Arguments {
    /// The engine.
    #[arg(long)]
    pub engine: String,
    /// The vocabulary.
    #[arg(long)]
    pub vocab: PathBuf,
    /// The prepared cases.
    #[arg(long)]
    pub cases: PathBuf,
    /// hedgerow's options.
    #[arg(long)]
    pub options: Options,
    /// The size of the vocabulary.
    #[arg(long)]
    pub tokens: usize,
    /// The tokens that end a sequence.
    #[arg(long, value_delimiter = ',')]
    pub eos: Vec<u32>,
    /// The tokens of the output that engines warm up with.
    #[arg(long, value_delimiter = ',')]
    pub output: Vec<u32>,
    /// Seconds for compiling a schema.
    #[arg(long)]
    pub compile_timeout: u64,
    /// Seconds for a mask or an advance.
    #[arg(long)]
    pub mask_timeout: u64,
}

/// A message of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// The vocabulary is prepared.
    Ready {
        /// Milliseconds from the tokenizer's text to an engine that has compiled a first, trivial
        /// schema.
        vocab_build_ms: f64,
        /// Cost of reading the clock, in nanoseconds.
        clock_ns: f64,
    },
    /// A case is about to run.
    Started(usize),
    /// A case is done.
    Done(usize, Box<Outcome>),
    /// A case took too long, and the process ends.
    TimedOut(usize, Phase),
    /// The last `run` is done.
    TurnOver,
    /// The process ends.
    Finished {
        /// Largest memory of the process during preparation, in MiB.
        prepare_rss_mb: f64,
        /// Largest memory of the process while it ran cases, in MiB. If the system cannot tell the
        /// two apart, they are equal.
        peak_rss_mb: f64,
        /// Milliseconds from the tokens' bytes to an engine that has compiled a first, trivial
        /// schema.
        trie_build_ms: f64,
    },
}

/// The phase in which a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// No timed operation.
    Idle,
    /// Compiling a schema or computing its first mask.
    Compile,
    /// Following an instance.
    Follow,
}

/// The outcome of a case.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// A schema that the engine does not take.
    CompileError(String),
    /// A panic of the engine, or the death of its process.
    Crash(String),
    /// A timeout of the engine.
    Timeout(Phase),
    /// A schema that the engine compiled.
    Compiled(Followed),
}

/// The results of a compiled case.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Followed {
    /// Nanoseconds of the compilation.
    pub compile: u64,
    /// Nanoseconds of the first mask.
    pub first_mask: u64,
    /// Nanoseconds of every mask, over all instances.
    pub masks: Vec<u64>,
    /// Nanoseconds of the advance after every mask; 0 if the mask did not allow the token.
    pub commits: Vec<u64>,
    /// Number of masks of each instance.
    pub lengths: Vec<u32>,
    /// The instances that were judged wrongly.
    pub wrong: Vec<Wrong>,
    /// The engine's own counters.
    pub stats: String,
}

impl Followed {
    /// The number of the instance, and of the token in it, of a step that is counted over all
    /// instances.
    pub fn locate(&self, step: usize) -> (usize, usize) {
        let mut left = step;
        for (test, &length) in self.lengths.iter().enumerate() {
            if left < length as usize {
                return (test, left);
            }
            left -= length as usize;
        }
        (self.lengths.len(), 0)
    }
}

/// An instance that was judged wrongly.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wrong {
    /// The number of the instance.
    pub test: usize,
    /// True if the instance satisfies the schema.
    pub valid: bool,
    /// The number of the refused token; the number of tokens for the end of sequence.
    pub token: usize,
    /// The engine's error, if it failed.
    pub error: String,
}

/// The state that the watchdog reads. It must add no cost to timed operations.
struct Progress {
    phase: AtomicU8,
    case: AtomicU64,
    steps: AtomicU64,
}

static PROGRESS: Progress =
    Progress { phase: AtomicU8::new(0), case: AtomicU64::new(0), steps: AtomicU64::new(0) };

fn enter(phase: Phase) {
    PROGRESS.steps.fetch_add(1, Ordering::Relaxed);
    PROGRESS.phase.store(phase as u8, Ordering::Release);
}

/// Ends the process when it makes no progress for too long.
fn watch(compile: Duration, mask: Duration) {
    let mut seen = u64::MAX;
    let mut since = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let steps = PROGRESS.steps.load(Ordering::Relaxed);
        if steps != seen {
            (seen, since) = (steps, Instant::now());
            continue;
        }
        let (phase, limit) = match PROGRESS.phase.load(Ordering::Acquire) {
            1 => (Phase::Compile, compile),
            2 => (Phase::Follow, mask),
            _ => continue,
        };
        if since.elapsed() > limit {
            let case = PROGRESS.case.load(Ordering::Relaxed) as usize;
            // If the parent process is gone, nobody needs the report.
            let _ = say(&Report::TimedOut(case, phase));
            std::process::exit(3);
        }
    }
}

fn say(report: &Report) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, report)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Serves commands until `finish` or the end of input.
pub fn run(arguments: &Arguments) -> Result<()> {
    let clock = Stopwatch::new();
    let clock_ns = clock.cost();
    let json = engine::read(&arguments.vocab)?;
    let start = Instant::now();
    let (tokens, output) = (arguments.tokens, &arguments.output);
    let mut engine = engine::prepare(&arguments.engine, &json, tokens, output, &arguments.options)?;
    let vocab_build_ms = start.elapsed().as_secs_f64() * 1e3;
    drop(json);
    let mut follower =
        Follower { clock, mask: vec![0; arguments.tokens.div_ceil(32)], eos: arguments.eos.clone() };
    let prepare_rss_mb = take_peak_rss_mb();
    let (compile, mask) = (arguments.compile_timeout, arguments.mask_timeout);
    std::thread::spawn(move || watch(Duration::from_secs(compile), Duration::from_secs(mask)));
    std::panic::set_hook(Box::new(|_| {}));
    say(&Report::Ready { vocab_build_ms, clock_ns })?;
    let mut cases = Reader::open(&arguments.cases)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["run", from, to] => {
                for index in from.parse::<usize>()?..to.parse()? {
                    let case = cases.get(index)?;
                    PROGRESS.case.store(index as u64, Ordering::Relaxed);
                    say(&Report::Started(index))?;
                    let outcome = follower.follow(&mut *engine, &case);
                    enter(Phase::Idle);
                    say(&Report::Done(index, Box::new(outcome)))?;
                }
                say(&Report::TurnOver)?;
            }
            ["finish"] => {
                let peak_rss_mb = peak_rss_mb();
                let trie_build_ms = engine.trie_build_ms()?;
                return say(&Report::Finished { prepare_rss_mb, peak_rss_mb, trie_build_ms });
            }
            _ => bail!("unknown command `{line}`"),
        }
    }
    Ok(())
}

struct Follower {
    clock: Stopwatch,
    mask: Vec<u32>,
    eos: Vec<u32>,
}

impl Follower {
    fn follow(&mut self, engine: &mut dyn Engine, case: &Case) -> Outcome {
        let caught = catch_unwind(AssertUnwindSafe(|| self.follow_unguarded(engine, case)));
        let outcome = caught.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Outcome::Crash(format!("panic: {}", text.unwrap_or("?")))
        });
        match outcome {
            // llguidance catches its own panics.
            Outcome::CompileError(text) if text.starts_with("panic: ") => Outcome::Crash(text),
            outcome => outcome,
        }
    }

    fn follow_unguarded(&mut self, engine: &mut dyn Engine, case: &Case) -> Outcome {
        enter(Phase::Compile);
        let lap = self.clock.start();
        let compiled = engine.compile(&case.schema);
        let compile = self.clock.stop(&lap);
        let mut session = match compiled {
            Ok(session) => session,
            Err(error) => return Outcome::CompileError(format!("{error:#}")),
        };
        let lap = self.clock.start();
        let first = session.fill_mask(&mut self.mask);
        let first_mask = self.clock.stop(&lap);
        if let Err(error) = first {
            return Outcome::CompileError(format!("first mask: {error:#}"));
        }
        enter(Phase::Follow);
        let mut followed = Followed { compile, first_mask, ..Followed::default() };
        for (number, test) in case.tests.iter().enumerate() {
            let steps = followed.masks.len();
            let accepted = self.follow_test(&mut *session, test, &mut followed);
            followed.lengths.push((followed.masks.len() - steps) as u32);
            enter(Phase::Idle);
            let (token, error) = match accepted {
                Ok(None) if test.valid => continue,
                Ok(Some(_)) if !test.valid => continue,
                Ok(None) => (test.tokens.len(), String::new()),
                Ok(Some(token)) => (token, String::new()),
                Err((token, error)) => (token, format!("{error:#}")),
            };
            followed.wrong.push(Wrong { test: number, valid: test.valid, token, error });
        }
        followed.stats = session.stats();
        Outcome::Compiled(followed)
    }

    /// Follows an instance. The result is the number of the refused token, or `None` if the
    /// instance was accepted.
    fn follow_test(
        &mut self,
        session: &mut dyn Session,
        test: &Test,
        followed: &mut Followed,
    ) -> Result<Option<usize>, (usize, anyhow::Error)> {
        enter(Phase::Follow);
        session.reset().map_err(|error| (0, error))?;
        for (i, &token) in test.tokens.iter().enumerate() {
            PROGRESS.steps.fetch_add(1, Ordering::Relaxed);
            let lap = self.clock.start();
            let filled = session.fill_mask(&mut self.mask);
            let mask = self.clock.stop(&lap);
            filled.map_err(|error| (i, error))?;
            followed.masks.push(mask);
            if !allows(&self.mask, token) {
                followed.commits.push(0);
                return Ok(Some(i));
            }
            let lap = self.clock.start();
            let advanced = session.advance(token);
            followed.commits.push(self.clock.stop(&lap));
            if !advanced.map_err(|error| (i, error))? {
                return Err((i, anyhow::anyhow!("the mask allows the token, but advance does not take it")));
            }
        }
        let end = test.tokens.len();
        session.fill_mask(&mut self.mask).map_err(|error| (end, error))?;
        Ok((!self.eos.iter().any(|&eos| allows(&self.mask, eos))).then_some(end))
    }
}

/// Largest memory of this process since it began or since [`take_peak_rss_mb`], in MiB; 0 if the
/// system does not report it.
fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// As [`peak_rss_mb`]; on Linux it also starts a new count.
fn take_peak_rss_mb() -> f64 {
    let peak = peak_rss_mb();
    // Writing 5 sets the high-water mark to the present memory (man proc_pid_clear_refs).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    peak
}
