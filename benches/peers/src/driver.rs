//! Drives the engines' processes: a few cases with one engine, the same cases with the next, and so on, so that whatever
//! else the machine does falls on all of them alike.

use crate::engine;
use crate::maskbench::Plan;
use crate::worker::{Outcome, Report};
use crate::Selection;
use anyhow::{bail, Context, Result};
use hedgerow::vocab::Vocabulary;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Address space a worker may use, in KiB: an engine that needs more than this for one schema has failed on it.
const MAX_KIB: u64 = 12 << 20;

/// What an engine did.
#[derive(Default)]
pub struct Run {
    /// The engine's name.
    pub engine: String,
    /// What came of every case.
    pub outcomes: Vec<Outcome>,
    /// Milliseconds from the tokenizer's text to a prepared engine; the median over the processes started.
    pub vocab_build_ms: f64,
    /// Milliseconds from the tokens' bytes to a prepared engine.
    pub trie_build_ms: f64,
    /// The most memory a process held while preparing, in MiB.
    pub prepare_rss_mb: f64,
    /// The most memory a process held while running cases, in MiB.
    pub peak_rss_mb: f64,
    /// What reading the clock costs, in nanoseconds.
    pub clock_ns: f64,
}

struct Worker<'a> {
    name: &'a str,
    selection: &'a Selection,
    plan: &'a Plan,
    prepared: &'a Path,
    vocabulary: &'a Vocabulary,
    process: Option<Process>,
    vocab_builds: Vec<f64>,
    run: Run,
}

struct Process {
    child: Child,
    commands: ChildStdin,
    reports: BufReader<ChildStdout>,
}

impl Process {
    fn report(&mut self) -> Result<Option<Report>> {
        let mut line = String::new();
        if self.reports.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line).with_context(|| format!("not a report: {line:.200}"))?))
    }
}

impl Worker<'_> {
    /// The process at work, or a new one with its vocabulary prepared.
    fn start(&mut self) -> Result<Process> {
        if let Some(process) = self.process.take() {
            return Ok(process);
        }
        let program = std::env::current_exe()?;
        let timeouts = self.plan.timeouts;
        let list = |tokens: Vec<u32>| tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let eos = list(self.vocabulary.eos().iter().map(|id| id.0).collect());
        let output = list(engine::output(self.vocabulary));
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -v {MAX_KIB}; exec \"$0\" \"$@\"")])
            .arg(program)
            .args(["worker", "--engine", self.name, "--options", &self.selection.options.to_string()])
            .arg("--vocab")
            .arg(&self.selection.vocab)
            .arg("--cases")
            .arg(self.prepared)
            .args(["--tokens", &self.vocabulary.size().to_string()])
            .args(["--eos", &eos])
            .args(["--compile-timeout", &timeouts.compile_timeout.to_string()])
            .args(["--mask-timeout", &timeouts.mask_timeout.to_string()]);
        if !output.is_empty() {
            command.args(["--output", &output]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the process of {}", self.name))?;
        let (Some(commands), Some(reports)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the process of {} has no pipes", self.name);
        };
        let mut process = Process { child, commands, reports: BufReader::new(reports) };
        match process.report()? {
            Some(Report::Ready { vocab_build_ms, clock_ns }) => {
                self.vocab_builds.push(vocab_build_ms);
                self.run.clock_ns = clock_ns;
            }
            _ => bail!("{} could not be prepared", self.name),
        }
        Ok(process)
    }

    fn turn(&mut self, from: usize, to: usize, progress: &ProgressBar) -> Result<()> {
        while self.run.outcomes.len() < to {
            let from = from.max(self.run.outcomes.len());
            let mut process = self.start()?;
            writeln!(process.commands, "run {from} {to}")?;
            let ended = loop {
                match process.report()? {
                    Some(Report::TurnOver) => {
                        self.process = Some(process);
                        return Ok(());
                    }
                    Some(Report::Done(_, outcome)) => {
                        self.run.outcomes.push(*outcome);
                        progress.inc(1);
                    }
                    Some(Report::TimedOut(_, phase)) => break Some(Outcome::Timeout(phase)),
                    Some(_) => {}
                    None => break None,
                }
            };
            let status = process.child.wait()?;
            let outcome = ended.unwrap_or_else(|| Outcome::Crash(format!("the process died: {status}")));
            self.run.outcomes.push(outcome);
            progress.inc(1);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Run> {
        let mut process = self.start()?;
        writeln!(process.commands, "finish")?;
        let Some(Report::Finished { prepare_rss_mb, peak_rss_mb, trie_build_ms }) = process.report()? else {
            bail!("the process of {} did not finish", self.name);
        };
        process.child.wait()?;
        self.vocab_builds.sort_by(f64::total_cmp);
        self.run.vocab_build_ms = self.vocab_builds[self.vocab_builds.len() / 2];
        Ok(Run { prepare_rss_mb, peak_rss_mb, trie_build_ms, ..std::mem::take(&mut self.run) })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `cases` prepared cases with every engine of the plan.
pub fn drive(
    selection: &Selection,
    plan: &Plan,
    prepared: &Path,
    vocabulary: &Vocabulary,
    cases: usize,
) -> Result<Vec<Run>> {
    let progress = ProgressBar::new((cases * plan.engines.len()) as u64);
    progress.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} schemas, {eta} left, {msg}")?);
    let mut workers: Vec<Worker> = Vec::new();
    for name in &plan.engines {
        let run = Run { engine: name.clone(), ..Run::default() };
        workers.push(Worker {
            name,
            selection,
            plan,
            prepared,
            vocabulary,
            process: None,
            vocab_builds: Vec::new(),
            run,
        });
    }
    let mut from = 0;
    while from < cases {
        let to = (from + plan.turn.max(1)).min(cases);
        for worker in &mut workers {
            progress.set_message(worker.name.to_owned());
            worker.turn(from, to, &progress)?;
        }
        from = to;
    }
    progress.finish_and_clear();
    workers.into_iter().map(Worker::finish).collect()
}
