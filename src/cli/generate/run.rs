//! One run of a model: it generates, and its outputs, its summary and its trace are written.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use super::super::command_error::{CommandError, StdoutState, check_stdout};
use super::super::ctrl_c::{CtrlC, EXIT_INTERRUPTED};
use super::super::model::{Drafters, token_progress_bar};
use super::super::outcome::{Ends, Judged, Report, Room, generation_failed, print_summary};
use super::super::trace::{Trace, TraceFile, TracedRun};
use super::args::{Args, JsonForm};
use super::prepare::Prepared;
use hedgerow::decode::{Batch, Generation, LanguageModel};
use hedgerow::vocab::Vocabulary;

/// The parts of one run except the model.
pub(super) struct Run<'a> {
    pub args: &'a Args,
    pub name: &'a str,
    pub vocabulary: &'a Vocabulary,
    pub drafters: Drafters,
    pub prepared: Prepared,
    pub trace: Option<TraceFile>,
    pub ctrl_c: CtrlC,
}

impl Run<'_> {
    /// Generates with a model, and writes the outputs, the summary and the trace.
    pub fn generate(self, model: impl LanguageModel) -> Result<ExitCode, CommandError> {
        let Run { args, name, vocabulary, drafters, prepared, trace, ctrl_c } = self;
        let Prepared { request, constraint, source, bans, top_logprobs, limit } = prepared;
        let outputs = request.completions;
        let prompt_text =
            trace.as_ref().map_or_else(String::new, |_| vocabulary.decode_with_names(&request.prompt));
        let token_constraint = request.constraint.clone();
        let mut passes = Trace::new(&request.strategy, outputs);
        let strategy = request.strategy.clone();
        ctrl_c.begin_generation();
        let start = Instant::now();
        let failed = |error| generation_failed(&error, &limit, bans.clone());
        let longest = request.sampling.max_tokens;
        let context = model.context_length();
        let room = Room { tokens: longest, context, prompt: request.prompt.len(), limit: limit.clone() };
        let batch = Batch::new(model, vocabulary).map_err(failed)?.clock(move || start.elapsed());
        let batch = drafters.add_to(batch);
        let mut out = io::stdout().lock();
        let (mut outcome, mut streamed) = (Ok(StdoutState::Open), 0);
        let length = (longest.unwrap_or(0) as u64).saturating_mul(outputs as u64);
        let progress = token_progress_bar(length, args.stream);
        let generation = batch
            .run(request, |chunk| {
                progress.inc(chunk.tokens.len() as u64);
                passes.record_pass(&chunk);
                if args.stream && !chunk.text.is_empty() {
                    streamed += chunk.text.len();
                    outcome = check_stdout(out.write_all(chunk.text.as_bytes()).and_then(|()| out.flush()));
                }
                match outcome {
                    Ok(StdoutState::Open) if !ctrl_c.was_pressed() => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            })
            .inspect_err(|_| {
                // The error begins on a line of its own.
                let _ = if streamed > 0 { writeln!(out) } else { Ok(()) };
            })
            .map_err(failed)?;
        progress.finish_and_clear();
        // The trace is written even if nobody reads the texts, and the texts if it cannot be.
        let traced_run = TracedRun {
            model: name,
            prompt: &prompt_text,
            vocabulary,
            constraint: token_constraint.as_ref(),
            generation: &generation,
        };
        let traced = trace.map_or(Ok(()), |file| write_trace(args, file, &passes.render_page(&traced_run)?));
        if outcome? == StdoutState::Closed {
            return traced.map(|()| ExitCode::SUCCESS);
        }
        let ends = Ends {
            has_stop: !args.stop.is_empty(),
            tokens: &args.stop_tokens,
            vocabulary,
            source: &source,
            limits_reasoning: args.reasoning_budget.is_some(),
        };
        let judged = Judged::of(&generation, constraint.as_ref(), room, ends);
        let report = || Report::new(top_logprobs, name, vocabulary, &generation, &judged);
        check_stdout(write_outputs(args, &mut out, &generation, streamed, report))?;
        drop(out);
        if !args.quiet && args.prompt.healing && generation.completions.iter().all(|c| c.healed_bytes == 0) {
            note_on_vain_healing(&generation);
        }
        if !args.quiet {
            print_summary(&generation, &strategy, args.strategy.draft.is_some());
            args.reasoning_budget.iter().for_each(|(most, _)| note_on_long_reasoning(&generation, *most));
        }
        traced?;
        if ctrl_c.was_pressed() {
            write_stderr!("note: stopped by Ctrl-C");
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        }
        judged.report(outputs, bans, args.quiet)
    }
}

/// Prints a note that healing had no effect, and why.
fn note_on_vain_healing(generation: &Generation) {
    let reason = match generation.usage.prompt_tokens {
        ..=1 => "the prompt is a single token, which stays",
        _ => "no other token begins with the end of the prompt",
    };
    write_stderr!("note: --healing changed nothing: {reason}");
}

/// Prints a note if the limit of `most` tokens did not end the reasoning. Reasoning may pass the
/// limit by up to three tokens, which end a character.
fn note_on_long_reasoning(generation: &Generation, most: usize) {
    let longest = generation.completions.iter().filter_map(|output| output.reasoning_tokens).max();
    if let Some(longest) = longest.filter(|&longest| longest > most + 3) {
        write_stderr!(
            "note: reasoning went on for {longest} tokens, as the constraint did not allow the end that \
             --reasoning-budget appends"
        );
    }
}

/// Writes the outputs in the form that the options ask for. The first `streamed` bytes of a
/// streamed text have been written already. After Ctrl-C more may be left: bytes that were held
/// back because a stop string might begin with them.
fn write_outputs(
    args: &Args,
    out: &mut impl Write,
    generation: &Generation,
    streamed: usize,
    report: impl FnOnce() -> Report,
) -> io::Result<()> {
    match args.json {
        Some(JsonForm::Lines) => report().json_lines().iter().try_for_each(|line| writeln!(out, "{line}"))?,
        Some(JsonForm::Pretty) => writeln!(out, "{:#}", report().json_object())?,
        None if args.stream => writeln!(out, "{}", generation.text().get(streamed..).unwrap_or_default())?,
        None => write_texts(out, generation)?,
    }
    out.flush()
}

/// Writes the texts of outputs, with a line before each if there are several.
fn write_texts(out: &mut impl Write, generation: &Generation) -> io::Result<()> {
    let count = generation.completions.len();
    for (number, completion) in generation.completions.iter().enumerate() {
        if count > 1 {
            writeln!(out, "--- {} of {count}: {}", number + 1, completion.finish)?;
        }
        writeln!(out, "{}", completion.text)?;
    }
    Ok(())
}

/// Writes the page of `--trace`.
fn write_trace(args: &Args, file: TraceFile, page: &str) -> Result<(), CommandError> {
    file.write(page).map_err(|error| trace_error(args, &error))
}

/// The error of a file of `--trace` that cannot be written.
pub(super) fn trace_error(args: &Args, error: &io::Error) -> CommandError {
    let path = args.trace.as_deref().unwrap_or(Path::new("")).display();
    CommandError::new(format!("cannot write the file of --trace, `{path}`")).because(error)
}
