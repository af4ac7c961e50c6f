//! The output of a generation: the JSON report, the check by an independent validator, and the
//! summary on stderr.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::command_error::CommandError;
use super::constraint::LoadedConstraint;
use super::judge::{Verdict, judge};
use hedgerow::decode::{
    BudgetEnding, Completion, DecodeError, FinishReason, Generation, Strategy, TokenLogprobs,
};
use hedgerow::sampling::SamplingError;
use hedgerow::vocab::{TokenId, Vocabulary};

/// The judgement on the outputs.
pub(super) struct Judged {
    /// The verdict on each completion, if there is a schema.
    verdicts: Vec<Verdict>,
    schema: String,
    /// Outputs that failed, and the error of the first of them.
    failed: Vec<Unfinished>,
    error: Option<DecodeError>,
    /// Constrained outputs that are not complete.
    cut: Vec<Unfinished>,
    /// The cause of the first early end of them, and a remedy, if no limit on tokens is the cause.
    cause: Option<String>,
    /// Outputs that end with tokens that the budget has written.
    budget: Vec<Unfinished>,
    /// Constrained outputs that happen to be complete where the limit on tokens ended them.
    limited: Vec<Unfinished>,
    outputs: usize,
    /// True if the constraint has schemas in it.
    has_schemas: bool,
    /// The largest number of tokens of an output.
    room: usize,
    /// The context that limits outputs.
    limit: Context,
    /// True if the context ended an output before the largest number of tokens did.
    is_full: bool,
    /// True if the constraint is a list of texts, in which nothing repeats.
    is_list: bool,
    /// True if a limit ended an output before the end of its reasoning.
    still_reasons: bool,
    /// True if the reasoning has a limit of its own.
    limits_reasoning: bool,
}

/// The context that limits the length of an output.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// Its name: "the model's context of 256 tokens".
    pub name: String,
    /// The remedy if it is full: "shorten the prompt".
    pub remedy: &'static str,
    /// Number of its tokens.
    pub tokens: usize,
}

/// The limits on the length of an output.
#[derive(Clone)]
pub(super) struct Room {
    /// The largest number of tokens that the request allows.
    pub tokens: Option<usize>,
    /// The length of the model's context.
    pub context: usize,
    /// The number of tokens of the prompt.
    pub prompt: usize,
    pub limit: Context,
}

impl Room {
    /// True if the model's context has less room than the request allows. The last token of an
    /// output is drawn behind a full context.
    fn is_set_by_context(&self) -> bool {
        self.tokens.is_none_or(|tokens| tokens > self.of_context())
    }

    /// The largest number of tokens that the context has room for.
    fn of_context(&self) -> usize {
        (self.context + 1).saturating_sub(self.prompt)
    }

    /// The largest number of tokens of an output.
    fn length(&self) -> usize {
        self.tokens.unwrap_or(usize::MAX).min(self.of_context())
    }
}

/// The stops that may end an output before the constraint does, such as `--stop`.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    /// True if the stop strings are those of `--stop`.
    pub has_stop: bool,
    /// The tokens of `--stop-tokens`.
    pub tokens: &'a [u32],
    /// The vocabulary, which has end tokens of its own.
    pub vocabulary: &'a Vocabulary,
    /// The name of the source of all parameters without an option.
    pub source: &'a str,
    /// True if the reasoning has a limit of its own.
    pub limits_reasoning: bool,
}

impl Ends<'_> {
    /// The cause of an early end and a remedy, if no limit on tokens is the cause.
    fn early_end_cause(&self, completion: &Completion) -> Option<String> {
        let source = self.source;
        let last = completion.tokens.last();
        let is_own = last.is_some_and(|token| self.vocabulary.eos().contains(token));
        let cause = match completion.finish {
            FinishReason::StopSequence if self.has_stop => "a text of --stop ended it; leave out --stop",
            FinishReason::StopSequence => {
                &format!("a stop string of {source} ended it; give another one with --stop")
            }
            FinishReason::Stop if last.is_some_and(|token| self.tokens.contains(&token.0)) => {
                "a token of --stop-tokens ended it; leave it out"
            }
            FinishReason::Stop if is_own => {
                let cause = "an end token of the model ended it, which the constraint has inside its outputs; \
                             let it come last there";
                return Some(cause.to_owned());
            }
            FinishReason::Stop => &format!("an end token of {source} ended it; leave it out there"),
            _ => return None,
        };
        Some(format!("{cause}, as the constraint ends the output"))
    }
}

/// An output whose end the model has not chosen.
struct Unfinished {
    /// Its number, from 1.
    number: usize,
    finish: FinishReason,
    ending: Option<BudgetEnding>,
}

/// True for a constrained output that a limit or a stop ended before it was complete.
fn is_cut(completion: &Completion) -> bool {
    completion.complete == Some(false) && completion.finish != FinishReason::Failed
}

/// The remedy for outputs that need fewer tokens.
const SHORTER: &str = "bound what the constraint lets repeat";

/// The remedy for JSON texts that need fewer tokens.
const SHORTER_JSON: &str = "bound strings, arrays and numbers: in the schema (`maxLength`, `maxItems`, `maximum`), or by \
     --max-string-length, --max-items and --max-digits; --whitespace compact allows no whitespace";

impl Judged {
    /// Outputs, in words: "the output", "output 2", "outputs 1, 3 and 4".
    fn names(&self, outputs: &[Unfinished]) -> String {
        let numbers: Vec<String> = outputs.iter().map(|output| output.number.to_string()).collect();
        match numbers.split_last() {
            _ if self.outputs == 1 => "the output".to_owned(),
            Some((last, [])) => format!("output {last}"),
            Some((last, others)) => format!("outputs {} and {last}", others.join(", ")),
            None => "no output".to_owned(),
        }
    }

    /// Judges the outputs of a request.
    pub fn of(
        generation: &Generation,
        constraint: Option<&LoadedConstraint>,
        room: Room,
        ends: Ends<'_>,
    ) -> Self {
        let schema = constraint.and_then(|constraint| constraint.schema.as_ref());
        let completions = &generation.completions;
        let outputs_that = |which: fn(&Completion) -> bool| {
            let found = completions.iter().enumerate().filter(|(_, completion)| which(completion));
            found
                .map(|(at, c)| Unfinished { number: at + 1, finish: c.finish, ending: c.budget_ending })
                .collect()
        };
        Self {
            verdicts: schema
                .map_or_else(Vec::new, |schema| completions.iter().map(|c| judge(schema, &c.text)).collect()),
            schema: schema.map_or_else(String::new, |schema| schema.path.display().to_string()),
            failed: outputs_that(|completion| completion.finish == FinishReason::Failed),
            error: completions.iter().find_map(|completion| completion.error.clone()),
            cut: outputs_that(is_cut),
            cause: completions.iter().find(|c| is_cut(c)).and_then(|c| ends.early_end_cause(c)),
            budget: outputs_that(|completion| completion.budget_ending.is_some()),
            limited: match constraint.is_some_and(|constraint| constraint.allows_free_text) {
                true => Vec::new(),
                false => outputs_that(|completion| {
                    completion.finish == FinishReason::Length
                        && completion.complete == Some(true)
                        && completion.budget_ending.is_none()
                }),
            },
            outputs: completions.len(),
            has_schemas: constraint.is_some_and(|constraint| constraint.has_schemas),
            room: room.length(),
            is_full: room.is_set_by_context()
                && completions.iter().any(|completion| completion.finish == FinishReason::Length),
            limit: room.limit,
            is_list: constraint.is_some_and(|constraint| constraint.is_list),
            limits_reasoning: ends.limits_reasoning,
            still_reasons: completions.iter().any(|c| {
                let own = c.budget_ending.map_or(c.tokens.len(), |ending| ending.first_token);
                let text = ends.vocabulary.decode_with_names(&c.tokens[..own]);
                let marks = constraint.and_then(|constraint| constraint.reasoning.as_ref());
                c.finish == FinishReason::Length && marks.is_some_and(|marks| marks.is_reasoning_open(&text))
            }),
        }
    }

    /// The remedy for outputs that a limit on tokens ended.
    fn remedy_for_length(&self) -> String {
        let longer = match (self.is_full, &self.limit) {
            (true, Context { name, remedy, .. }) => format!("{name} is full: {remedy}"),
            (false, _) => "raise --max-tokens".to_owned(),
        };
        match (self.has_schemas, self.is_list) {
            _ if self.still_reasons && self.limits_reasoning => {
                format!("{longer}, or lower --reasoning-budget")
            }
            _ if self.still_reasons => format!("{longer}, or limit the reasoning with --reasoning-budget"),
            (true, _) => format!("{longer}, or {SHORTER_JSON}"),
            (false, false) => format!("{longer}, or {SHORTER}"),
            (false, true) => longer,
        }
    }

    /// Reports the judgement on stderr. `wanted` is the number of outputs that were asked for, and
    /// `bans` the remedy if options forbid all of them.
    pub fn report(&self, wanted: usize, bans: Option<String>, quiet: bool) -> Result<ExitCode, CommandError> {
        if self.outputs < wanted && !quiet {
            write_stderr!("note: {} of {wanted} outputs were found; there are no others", self.outputs);
        }
        if let Some(error) = &self.error {
            let failure = generation_failed(error, &self.limit, bans);
            return Err(match self.outputs {
                1 => failure,
                _ => failure.with_message(format!("generation of {} failed", self.names(&self.failed))),
            });
        }
        let invalid = self.verdicts.iter().enumerate().find_map(|(index, verdict)| match verdict {
            Verdict::Invalid(reason) => Some((index, reason)),
            _ => None,
        });
        let longer = match bans {
            Some(_) => format!("{}, or allow tokens that options forbid", self.remedy_for_length()),
            None => self.remedy_for_length(),
        };
        if let Some(cut) = self.cut.first() {
            let names = self.names(&self.cut);
            let failure = CommandError::new(match self.cut.len() {
                1 => format!("{names} was cut off before it was complete"),
                _ => format!("{names} were cut off before they were complete"),
            });
            return Err(match (cut.finish, &self.cause) {
                (FinishReason::Length, _) => failure.help(longer),
                (_, Some(cause)) => failure.help(cause.clone()),
                (_, None) => failure,
            });
        }
        if let Some((index, reason)) = invalid {
            let name = match self.outputs {
                1 => "the output".to_owned(),
                _ => format!("output {}", index + 1),
            };
            return Err(CommandError::new(format!("{name} does not satisfy `{}`: {reason}", self.schema)));
        }
        if let [Unfinished { ending: Some(ending), .. }, others @ ..] = self.budget.as_slice() {
            let written = match others.len() {
                0 => format!("the last {} (from byte {})", ending.tokens, ending.first_byte),
                _ => "their ends".to_owned(),
            };
            let what = format!(
                "the model did not complete {} within {}; --budget complete wrote {written}, which are not \
                 the model's",
                self.names(&self.budget),
                match self.room {
                    1 => "1 token".to_owned(),
                    room => format!("{room} tokens"),
                },
            );
            return Err(CommandError::new(what).help(longer));
        }
        if !self.limited.is_empty() {
            let what = format!(
                "the limit on tokens ended {}, which the model might have continued; that the constraint \
                 is satisfied is chance",
                self.names(&self.limited),
            );
            return Err(CommandError::new(what).help(longer));
        }
        if !quiet {
            self.print_verdict();
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints the verdict on outputs without a fault.
    fn print_verdict(&self) {
        match self.verdicts.first() {
            Some(Verdict::Unchecked(reason)) => {
                write_stderr!("note: no second opinion on the output: {reason}")
            }
            Some(_) if self.outputs == 1 => write_stderr!("valid: the output satisfies `{}`", self.schema),
            Some(_) => write_stderr!("valid: all {} outputs satisfy `{}`", self.outputs, self.schema),
            None => {}
        }
        if self.is_full {
            write_stderr!("note: {} is full", self.limit.name);
        }
    }
}

/// The error of a generation that failed. `bans` is the remedy if options forbid all tokens.
pub(super) fn generation_failed(
    error: &DecodeError,
    context: &Context,
    bans: Option<String>,
) -> CommandError {
    let failure = CommandError::new("generation failed").because(error);
    match (error, bans) {
        (DecodeError::PromptTooLong { given, .. }, _) => {
            let what = format!("the prompt has {given} tokens, too many for {}", context.name);
            CommandError::new(what).help(context.remedy)
        }
        (DecodeError::ShortestOutput { by_context: true, needs, room }, _) => {
            let what = format!(
                "the shortest known output of the constraint takes {needs} tokens, but {} has room for {room}",
                context.name
            );
            // Even a prompt of one token leaves too little room.
            let remedy = match *needs > context.tokens {
                true => "bound what the constraint asks for",
                false => context.remedy,
            };
            CommandError::new(what).help(format!("{remedy}, or let outputs be cut with --budget cut"))
        }
        (DecodeError::Sampling(SamplingError::EmptySupport { .. }), Some(bans)) => failure.help(bans),
        (DecodeError::ShortestOutput { .. }, Some(_)) => {
            failure.help("options forbid tokens, which may leave longer outputs only, or none")
        }
        _ => failure,
    }
}

/// The machine-readable result.
pub(super) struct Report {
    model: String,
    completions: Vec<Value>,
    usage: Value,
    timings: Value,
}

impl Report {
    /// Makes the report on a generation. `top_logprobs` is the number of likely tokens to list
    /// beside each token.
    pub fn new(
        top_logprobs: Option<usize>,
        name: &str,
        vocabulary: &Vocabulary,
        generation: &Generation,
        judged: &Judged,
    ) -> Self {
        let milliseconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let completions = generation.completions.iter().enumerate();
        let completions = completions.map(|(index, completion)| {
            let mut object = completion_to_json(completion, judged.verdicts.get(index));
            if let Some(most) = top_logprobs {
                let tokens = completion.tokens.iter().zip(&completion.logprobs);
                object["logprobs"] =
                    tokens.map(|(&token, entry)| logprobs_to_json(vocabulary, token, entry, most)).collect();
            }
            object
        });
        let (usage, timings) = (generation.usage, generation.timings);
        Self {
            model: name.to_owned(),
            completions: completions.collect(),
            usage: json!({
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "forced_tokens": usage.forced_tokens,
                "budget_tokens": usage.budget_tokens,
                "drafted_tokens": usage.drafted_tokens,
                "confirmed_tokens": usage.confirmed_tokens,
                "forward_passes": usage.forward_passes,
                "prefill_passes": usage.prefill_passes,
                "draft_passes": usage.draft_passes,
            }),
            timings: json!({
                "prefill": milliseconds(timings.prefill),
                "forward": milliseconds(timings.forward),
                "mask": milliseconds(timings.mask),
                "sample": milliseconds(timings.sample),
                "draft": milliseconds(timings.draft),
                "overhead": milliseconds(timings.overhead()),
                "total": milliseconds(timings.total),
            }),
        }
    }

    /// One object for each output, with its number and the figures of the whole request.
    pub fn json_lines(self) -> Vec<Value> {
        let Self { model, completions, usage, timings } = self;
        let request = json!({"model": model, "usage": usage, "timings_ms": timings});
        let line = |(index, mut completion): (usize, Value)| {
            completion["index"] = index.into();
            completion["request"] = request.clone();
            completion
        };
        completions.into_iter().enumerate().map(line).collect()
    }

    /// One object for the whole request.
    pub fn json_object(self) -> Value {
        let Self { model, completions, usage, timings } = self;
        json!({"model": model, "completions": completions, "usage": usage, "timings_ms": timings})
    }
}

/// An output as JSON.
fn completion_to_json(completion: &Completion, verdict: Option<&Verdict>) -> Value {
    let mut object = json!({
        "text": completion.text,
        "finish_reason": completion.finish.as_str(),
        "stop_sequence": completion.stop_sequence,
        "tokens": completion.tokens.iter().map(|token| token.0).collect::<Vec<_>>(),
        "forced_tokens": completion.forced_tokens,
    });
    if std::str::from_utf8(&completion.bytes).is_err() {
        object["bytes"] = completion.bytes.as_slice().into();
    }
    if let Some(complete) = completion.complete {
        object["complete"] = complete.into();
        object["budget_ending"] = completion.budget_ending.map_or(Value::Null, |ending| {
            json!({
                "first_token": ending.first_token,
                "tokens": ending.tokens,
                "first_byte": ending.first_byte,
            })
        });
    }
    if let Some(error) = &completion.error {
        object["error"] = CommandError::new("").because(error).causes_line().into();
    }
    if let Some(tokens) = completion.reasoning_tokens {
        object["reasoning_tokens"] = tokens.into();
    }
    if let Some(score) = completion.score {
        object["score"] = score.into();
    }
    if let Some(verdict) = verdict {
        // A value that the budget has made up is none of the model's.
        let value = match completion.budget_ending {
            None => serde_json::from_str(&completion.text).ok(),
            Some(_) => None,
        };
        object["valid"] = match verdict {
            Verdict::Invalid(_) => false.into(),
            Verdict::Valid if completion.budget_ending.is_none() => true.into(),
            Verdict::Valid | Verdict::Unchecked(_) => Value::Null,
        };
        object["value"] = value.unwrap_or_default();
    }
    object
}

/// A token with the `most` likeliest beside it. One whose text is no whole character has its bytes,
/// too.
fn logprobs_to_json(vocabulary: &Vocabulary, token: TokenId, entry: &TokenLogprobs, most: usize) -> Value {
    let described = |id: TokenId, logprob: f32| {
        let bytes = vocabulary.bytes(id);
        let text = match vocabulary.name(id) {
            Some(name) => name.into(),
            None => String::from_utf8_lossy(bytes),
        };
        let mut object = json!({"id": id.0, "text": text, "logprob": logprob});
        if std::str::from_utf8(bytes).is_err() {
            object["bytes"] = bytes.into();
        }
        object
    };
    let list = |top: &[(TokenId, f32)]| -> Value {
        top.iter().take(most).map(|&(id, logprob)| described(id, logprob)).collect()
    };
    let mut object = described(token, entry.processed);
    object["raw_logprob"] = entry.raw.into();
    object["top"] = list(&entry.top_processed);
    object["top_raw"] = list(&entry.top_raw);
    object
}

/// The finish reasons of the outputs, each with its number: "length, 2 × stop".
fn describe_finish_reasons(generation: &Generation) -> String {
    let mut ends: Vec<(&str, usize)> = Vec::new();
    for finish in generation.completions.iter().map(|completion| completion.finish.as_str()) {
        match ends.iter_mut().find(|(name, _)| *name == finish) {
            Some((_, count)) => *count += 1,
            None => ends.push((finish, 1)),
        }
    }
    let ends = ends.into_iter().map(|(name, count)| match count {
        1 => name.to_owned(),
        _ => format!("{count} × {name}"),
    });
    let mut ends: Vec<String> = ends.collect();
    if ends.is_empty() {
        ends.push("nothing".to_owned());
    }
    ends.join(", ")
}

/// Writes the counts of tokens and the times of a run to stderr, in two lines, and a third one
/// about drafts if `drafts` were asked for.
pub(super) fn print_summary(generation: &Generation, strategy: &Strategy, drafts: bool) {
    let (usage, timings) = (generation.usage, generation.timings);
    // Without a forward pass, or without a token that it gives, there is no rate.
    let rate = |tokens: usize, passes: usize, time: Duration| match tokens.min(passes) == 0 || time.is_zero()
    {
        true => String::new(),
        false => format!(" ({:.1} tokens/s)", tokens as f64 / time.as_secs_f64()),
    };
    let milliseconds = |time: Duration| match time.as_secs_f64() * 1e3 {
        short if short < 100.0 => format!("{short:.2} ms"),
        long => format!("{long:.0} ms"),
    };
    // The prefill gives each output its first token. No pass gives the forced ones and those of the
    // budget.
    let written = |completion: &Completion| completion.budget_ending.map_or(0, |ending| ending.tokens);
    let drawn = |c: &&Completion| c.tokens.len() > c.forced_tokens + written(c);
    let first = generation.completions.iter().filter(drawn).count();
    let decoded = usage.completion_tokens.saturating_sub(usage.forced_tokens + usage.budget_tokens + first);
    let by_budget = match usage.budget_tokens {
        0 => String::new(),
        tokens => format!(", {tokens} by the budget"),
    };
    let counted = |count: usize, what: &str, whats: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {whats}"),
    };
    write_stderr!(
        "{} of prompt, {} of output ({} forced{by_budget}) in {}; finished: {}",
        counted(usage.prompt_tokens, "token", "tokens"),
        usage.completion_tokens,
        usage.forced_tokens,
        counted(usage.forward_passes, "forward pass", "forward passes"),
        describe_finish_reasons(generation)
    );
    // These strategies made more tokens than those of the outputs that they chose.
    let drops_outputs = *strategy != Strategy::Sample;
    let passes = usage.forward_passes.saturating_sub(usage.prefill_passes);
    let passes = passes as f64 / usage.completion_tokens.saturating_sub(first).max(1) as f64;
    match (usage.drafted_tokens, drops_outputs) {
        (0, _) if drafts => write_stderr!("no guess was made"),
        (0, _) => {}
        (drafted, drops_outputs) => write_stderr!(
            "{} of {drafted} guesses came true ({:.0} %){}",
            usage.confirmed_tokens,
            100.0 * usage.confirmed_tokens as f64 / drafted as f64,
            match drops_outputs || generation.completions.len() > 1 {
                true => String::new(),
                false => format!(", {passes:.2} passes a token"),
            },
        ),
    }
    write_stderr!(
        "prefill {}{}, decode {}{}, {}mask {}, sampling {}, other {}",
        milliseconds(timings.prefill),
        rate(usage.prompt_tokens - usage.reused_tokens, usage.prefill_passes, timings.prefill),
        milliseconds(timings.forward),
        match drops_outputs {
            true => String::new(),
            false => rate(decoded, usage.forward_passes - usage.prefill_passes, timings.forward),
        },
        if usage.drafted_tokens > 0 || usage.draft_passes > 0 {
            format!("drafts {}, ", milliseconds(timings.draft))
        } else {
            String::new()
        },
        milliseconds(timings.mask),
        milliseconds(timings.sample),
        milliseconds(timings.overhead()),
    );
}
