//! The driver of the engines' processes. It runs a few cases with one engine, then the same cases
//! with the next, and so on, so that other load on the machine affects all engines alike.

use crate::Selection;
use crate::engine::{self, XGRAMMAR, XGRAMMAR_WORKER};
use crate::maskbench::Plan;
use crate::worker::{Outcome, Report};
use anyhow::{Context, Result, bail};
use hedgerow::vocab::Vocabulary;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Address space of a worker, in KiB. An engine that needs more for one schema has failed on it.
const MAX_KIB: u64 = 12 << 20;

/// The results of one engine.
#[derive(Default)]
pub struct Run {
    /// The engine's name.
    pub engine: String,
    /// The outcome of every case.
    pub outcomes: Vec<Outcome>,
    /// Milliseconds from the tokenizer's text to a prepared engine: the median over the processes
    /// started.
    pub vocab_build_ms: f64,
    /// Milliseconds from the tokens' bytes to a prepared engine.
    pub trie_build_ms: f64,
    /// Largest memory of a process during preparation, in MiB.
    pub prepare_rss_mb: f64,
    /// Largest memory of a process while it ran cases, in MiB.
    pub peak_rss_mb: f64,
    /// Cost of reading the clock, in nanoseconds.
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
        let processes = &self.plan.processes;
        let list = |tokens: Vec<u32>| tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let eos = list(self.vocabulary.eos().iter().map(|id| id.0).collect());
        let output = list(engine::output(self.vocabulary));
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {MAX_KIB}; exec \"$0\" \"$@\"")]);
        if self.name == XGRAMMAR {
            command.arg(&processes.python).args(["-c", XGRAMMAR_WORKER]);
        } else {
            command.arg(std::env::current_exe()?).arg("worker");
        }
        command
            .args(["--engine", self.name, "--options", &self.selection.options.to_string()])
            .arg("--vocab")
            .arg(&self.selection.vocab)
            .arg("--cases")
            .arg(self.prepared)
            .args(["--tokens", &self.vocabulary.size().to_string()])
            .args(["--eos", &eos])
            .args(["--compile-timeout", &processes.compile_timeout.to_string()])
            .args(["--mask-timeout", &processes.mask_timeout.to_string()]);
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
            _ => bail!("{} could not be prepared; its process said above why", self.name),
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
        // The process may have ended on its own.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Processes;
    use crate::cases::{Case, Prepared, Test};
    use crate::engine::tests::TOKENIZER;
    use crate::worker::Wrong;
    use std::path::PathBuf;

    /// Runs XGrammar's process on `true` and `false` under a few schemas.
    fn run_xgrammar(name: &str, python: &str) -> Result<Run> {
        let vocab = std::env::temp_dir().join(format!("peers-{name}-{}.json", std::process::id()));
        std::fs::write(&vocab, TOKENIZER)?;
        let test =
            |valid, text: &str, tokens: &[u32]| Test { valid, text: text.into(), tokens: tokens.into() };
        let tests = [test(true, "true", &[8, 2, 3]), test(false, "false", &[4, 5, 6, 7, 3])];
        let cases = [r#"{"const": true}"#, "{", r#"{"type": "boolean"}"#].map(|schema| {
            let (id, split) = (schema.to_owned(), String::new());
            Case { id, split, schema: schema.to_owned(), tests: tests.to_vec() }
        });
        let options = "whitespace=compact".parse()?;
        let (id, split) = (None, None);
        let selection = Selection { cases: PathBuf::new(), vocab, sample: None, seed: 0, id, split, options };
        let processes = Processes { compile_timeout: 60, mask_timeout: 60, python: python.into() };
        let plan = Plan { engines: vec![XGRAMMAR.to_owned()], turn: 2, processes };
        let vocabulary = Vocabulary::from_tokenizer_json(TOKENIZER.as_bytes())?;
        let prepared = Prepared::new(&cases)?;
        let runs = drive(&selection, &plan, &prepared.path, &vocabulary, cases.len());
        std::fs::remove_file(&selection.vocab)?;
        Ok(runs?.swap_remove(0))
    }

    #[test]
    fn a_process_that_does_not_start_is_an_error() {
        let error = run_xgrammar("absent", "/nowhere/python3").err().expect("there is no such program");
        assert!(error.to_string().starts_with("xgrammar could not be prepared"), "{error:#}");
    }

    #[test]
    #[ignore = "needs a Python with the package xgrammar; PEERS_PYTHON names it, python3 without"]
    fn xgrammar_follows_a_boolean() {
        let python = std::env::var("PEERS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let run = run_xgrammar("boolean", &python).expect("XGrammar's process");
        let [Outcome::Compiled(constant), Outcome::CompileError(error), Outcome::Compiled(boolean)] =
            &run.outcomes[..]
        else {
            panic!("{:?}", run.outcomes);
        };
        assert!(error.contains("Failed to parse JSON"), "{error}");
        assert_eq!((constant.lengths.as_slice(), constant.wrong.len()), (&[3, 1][..], 0), "{constant:?}");
        assert_eq!(boolean.lengths, [3, 5]);
        assert!(boolean.masks.iter().chain(&boolean.commits).all(|&took| took > 0), "{boolean:?}");
        // `false` is a boolean, but the case calls it invalid, so accepting it at its end is wrong.
        assert!(matches!(boolean.wrong[..], [Wrong { test: 1, valid: false, token: 5, .. }]), "{boolean:?}");
        assert!(run.vocab_build_ms > 0.0 && run.trie_build_ms > 0.0 && run.clock_ns > 0.0);
        assert!(run.peak_rss_mb > 0.0);
    }
}
