//! `hedgerow generate`: a prompt in, constrained text out.
//!
//! Everything that can be wrong with the command line is found before the model is loaded, which takes its time.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::constraint::{ConstraintArgs, Loaded, PolicyArgs};
use super::failure::{written, Failure, Written};
use super::judge::{judge, Verdict};
use super::sampling::{policy, Chosen, SamplingArgs};
use super::strategy::StrategyArgs;
use super::trace::{Subject, Trace, CANDIDATES};
use hedgerow::decode::{
    Batch, Budget, BudgetEnding, Completion, DraftHeads, DynModel, FinishReason, ForcedTokens, Generation,
    LanguageModel, Request, TokenHealing, TokenLogprobs,
};
use hedgerow::engine::Constraint;
use hedgerow::vocab::{TokenId, Vocabulary};

const AFTER_HELP: &str = "\
The prompt is put into the model's own chat template, as a message of the user; --raw gives it to \
the model as it is. With --schema the output is checked by an independent validator as well. A \
summary goes to stderr: tokens, forward passes, and where the time went.

Exit codes:
  0  done
  1  it failed, or a constrained output was not completed by the model itself
  2  the command line makes no sense

Examples:
  hedgerow generate --model model.gguf --prompt 'Describe Ada.' --schema person.schema.json --stream
  hedgerow generate --model model.gguf --prompt 'Is rain wet?' --choice yes --choice no
  hedgerow generate --model folder/ --raw --prompt 'Once upon' --max-tokens 50 --n 3 --seed 7 --json
  hedgerow generate --model model.gguf --prompt 'Count.' --draft ngram --trace steps.html";

/// Generates text with a model, inside a constraint
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// The model: a GGUF file, or a folder with config.json, tokenizer.json and safetensors weights
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// What to say to the model (`-` reads standard input)
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// The system message, in place of the template's own
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    system: Option<String>,
    /// Continue the prompt as it is, without the chat template
    #[arg(long)]
    raw: bool,
    /// Let the output cut the end of the prompt into other tokens (token healing), where the prompt ends within a word
    #[arg(long, conflicts_with = "guidance")]
    heal: bool,
    #[command(flatten)]
    constraint: ConstraintArgs,
    /// Most tokens of output [default: that of --params, or else 512]
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Least tokens of output, unless the constraint is complete before
    #[arg(long, value_name = "N")]
    min_tokens: Option<usize>,
    /// End before this text (repeat the option)
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// End at the token with this id (repeat the option)
    #[arg(long, value_name = "ID")]
    stop_token: Vec<u32>,
    /// A constrained output that reaches --max-tokens is completed in time, by a short ending that the model has not
    /// chosen, or cut. Either way it finishes by `length`, and the exit code is 1
    #[arg(long, default_value_t, value_parser = policy::<Budget>(Budget::ALL.iter().map(|b| b.name())))]
    budget: Budget,
    /// How many outputs to make [default: that of --params, or else 1]
    #[arg(long, value_name = "N")]
    n: Option<usize>,
    /// What to do where only one way on is allowed: append it at once, or ask the model for every token
    #[arg(long, default_value_t, value_parser = policy::<ForcedTokens>(ForcedTokens::ALL.iter().map(|f| f.name())))]
    forced: ForcedTokens,
    /// Write the output as it comes
    #[arg(long, conflicts_with = "json")]
    stream: bool,
    /// Write one JSON object: outputs, usage, timings
    #[arg(long)]
    json: bool,
    /// With --json: log-probabilities of the tokens, and of the N most probable ones beside each
    #[arg(long, value_name = "N", requires = "json")]
    logprobs: Option<usize>,
    /// Write a page that shows every step: candidates before and after the mask, forced stretches, guesses that came true
    #[arg(long, value_name = "FILE.html")]
    trace: Option<PathBuf>,
    /// No summary on stderr
    #[arg(long, short)]
    quiet: bool,
    /// Where to compute: cpu, cuda, cuda:N, or auto
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Number format to compute with: f32, bf16 or f16
    #[arg(long, default_value = "f32")]
    dtype: String,
    /// Threads to compute with; the default is one for each core
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    strategy: StrategyArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    args.strategy.check()?;
    let mut chosen = args.sampling.choose(Some(&args.model), args.min_tokens, args.max_tokens)?;
    chosen.params.max_tokens.get_or_insert(512);
    if args.stream && outputs(args, &chosen) != 1 {
        return Err(
            Failure::usage("--stream writes one output").help("leave --n at 1, or leave out --stream")
        );
    }
    let constraint = args.constraint.load(&args.policy)?;
    let prompt = match args.prompt.as_str() {
        "-" => super::input::read_text("-".as_ref(), "prompt")?,
        prompt => prompt.to_owned(),
    };
    let trace = args.trace.as_ref().map(File::create).transpose();
    let trace = trace.map_err(|error| Failure::new("cannot write the file of --trace").because(&error))?;
    with_model(args, &prompt, chosen, constraint, trace)
}

/// How many outputs are asked for.
fn outputs(args: &Args, chosen: &Chosen) -> usize {
    args.n.unwrap_or(chosen.set.as_ref().map_or(1, |set| set.n))
}

#[cfg(not(feature = "torch"))]
fn with_model(
    _args: &Args,
    _prompt: &str,
    _chosen: Chosen,
    _constraint: Option<Loaded>,
    _trace: Option<File>,
) -> Result<ExitCode, Failure> {
    Err(Failure::new("this build of hedgerow cannot run models").help(
        "build it with the feature `torch`: `make setup`, then `cargo build --release --features torch,cli`",
    ))
}

#[cfg(feature = "torch")]
fn with_model(
    args: &Args,
    prompt: &str,
    chosen: Chosen,
    constraint: Option<Loaded>,
    trace: Option<File>,
) -> Result<ExitCode, Failure> {
    use super::strategy::Drafter;
    use hedgerow::decode::{check_partner, ContrastiveDecoding, Dola, Guided};
    use hedgerow::torch::{LoadOptions, MedusaHeads};

    let usage = |error| Failure::usage("the options are not usable").because(&error);
    let mut options = LoadOptions::default()
        .device(args.device.parse().map_err(usage)?)
        .dtype(args.dtype.parse().map_err(usage)?);
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    let model = load(&args.model, options)?;
    let tokens = prompt_tokens(args, &model, prompt)?;
    let mut drafters = Drafters::default();
    match &args.strategy.draft {
        None | Some(Drafter::Ngram { .. }) => {}
        Some(Drafter::Model(path)) => {
            let drafter = load(path, options)?;
            let checked = check_partner("draft model", model.vocabulary(), drafter.vocabulary());
            checked.map_err(|error| Failure::usage("--draft is not usable").because(&error))?;
            drafters.model = Some(DynModel::new(drafter));
        }
        Some(Drafter::Skip(layers)) => {
            let skipping = model.skipping_layers(&layers.0);
            let skipping =
                skipping.map_err(|error| Failure::usage("--draft is not usable").because(&error))?;
            drafters.model = Some(DynModel::new(skipping));
        }
        Some(Drafter::Medusa(path)) => {
            let heads = MedusaHeads::load(path, &model);
            let heads = heads.map_err(|error| Failure::new("cannot load the draft heads").because(&error))?;
            drafters.heads = Some(Box::new(heads));
        }
    }
    let (name, vocabulary) = (model.name(), model.vocabulary());
    let run = Run { args, name, vocabulary, drafters, chosen, constraint, trace };
    let strategy = &args.strategy;
    if let Some(scale) = strategy.guidance {
        let negative = match &strategy.negative_prompt {
            Some(text) => prompt_tokens(args, &model, text)?,
            None => tokens[tokens.len().saturating_sub(1)..].to_vec(),
        };
        run.generate(Guided::new(&model, tokens.len(), negative, scale), tokens)
    } else if let Some(path) = &strategy.amateur {
        let amateur = load(path, options)?;
        let checked = check_partner("amateur model", model.vocabulary(), amateur.vocabulary());
        checked.map_err(|error| Failure::usage("--amateur is not usable").because(&error))?;
        run.generate(ContrastiveDecoding::new(&model, amateur, 0.1, 0.5), tokens)
    } else if let Some(layers) = &strategy.dola {
        run.generate(Dola::new(&model, layers.0.clone()), tokens)
    } else {
        run.generate(&model, tokens)
    }
}

/// Loads a model with a progress bar.
#[cfg(feature = "torch")]
fn load(
    path: &std::path::Path,
    options: hedgerow::torch::LoadOptions,
) -> Result<hedgerow::torch::Model, Failure> {
    let bar = bar(0, "loading {bar:30} {bytes} of {total_bytes}");
    let model = hedgerow::torch::Model::load_with_progress(path, options, |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    model.map_err(|error| Failure::new(format!("cannot load the model `{}`", path.display())).because(&error))
}

/// The prompt's tokens, through the chat template unless there is none or it is not wanted.
#[cfg(feature = "torch")]
fn prompt_tokens(args: &Args, model: &hedgerow::torch::Model, prompt: &str) -> Result<Vec<TokenId>, Failure> {
    use hedgerow::torch::PromptError;

    if args.raw {
        let encoded = model.tokenizer().encode_prompt(prompt);
        return encoded.map_err(|error| Failure::new("cannot make tokens of the prompt").because(&error));
    }
    if model.chat_template().is_none() && args.system.is_none() && !args.quiet {
        eprintln!("note: this model has no chat template; it continues the prompt as it is");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.ok().and_then(|now| i64::try_from(now.as_secs()).ok());
    model.chat_tokens(args.system.as_deref(), prompt, now).map_err(|error| match error {
        PromptError::NoTemplate => {
            Failure::new("this model has no chat template, which --system needs").help("leave out --system")
        }
        error => Failure::new("cannot prepare the prompt").because(&error),
    })
}

/// A prompt as the model reads it, special tokens by their names.
fn spelled(vocabulary: &Vocabulary, prompt: &[TokenId]) -> String {
    let spell = |&token: &TokenId| match vocabulary.name(token) {
        Some(name) => name.as_bytes().to_vec(),
        None => vocabulary.bytes(token).to_vec(),
    };
    let bytes: Vec<u8> = prompt.iter().flat_map(spell).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A progress bar on stderr, or nothing where that is no terminal.
fn bar(length: u64, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// Who guesses ahead, beside the model.
#[derive(Default)]
struct Drafters {
    model: Option<DynModel>,
    heads: Option<Box<dyn DraftHeads>>,
}

/// Everything about one run but the model.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
struct Run<'a> {
    args: &'a Args,
    name: &'a str,
    vocabulary: &'a Vocabulary,
    drafters: Drafters,
    chosen: Chosen,
    constraint: Option<Loaded>,
    trace: Option<File>,
}

#[cfg_attr(not(feature = "torch"), allow(dead_code))]
impl Run<'_> {
    fn generate(self, model: impl LanguageModel, prompt: Vec<TokenId>) -> Result<ExitCode, Failure> {
        let Run { args, name, vocabulary, drafters, chosen, constraint, trace } = self;
        let outputs = outputs(args, &chosen);
        let spelled = trace.as_ref().map_or_else(String::new, |_| spelled(vocabulary, &prompt));
        let mut request = request(args, chosen, prompt)?.completions(outputs);
        request.logprobs = match (args.logprobs.or(request.logprobs), &trace) {
            (wanted, Some(_)) => Some(wanted.unwrap_or(0).max(CANDIDATES)),
            (wanted, None) => wanted,
        };
        if let Some(Loaded { grammar, .. }) = &constraint {
            let constraint = Constraint::new(grammar, vocabulary).map_err(|error| {
                Failure::new("the constraint does not fit the model's vocabulary").because(&error)
            })?;
            request = request.constraint(constraint);
        }
        let constrained = request.constraint.clone();
        let mut steps = Trace::new(&request.strategy, outputs);
        let start = Instant::now();
        let failed = |error| Failure::new("generation failed").because(&error);
        let mut batch = Batch::new(model, vocabulary).map_err(failed)?.clock(move || start.elapsed());
        if let Some(model) = drafters.model {
            batch = batch.draft_model(model);
        }
        if let Some(heads) = drafters.heads {
            batch = batch.draft_heads(heads);
        }

        let mut out = io::stdout().lock();
        let mut outcome = Ok(Written::Whole);
        let longest = request.sampling.max_tokens.unwrap_or(0);
        let length = (longest as u64).saturating_mul(outputs as u64);
        let progress = match args.stream {
            true => ProgressBar::hidden(),
            false => bar(length, "{pos} tokens of at most {len}, {per_sec}"),
        };
        let generation = batch
            .run(request, |chunk| {
                progress.inc(chunk.tokens.len() as u64);
                steps.note(&chunk);
                if args.stream && !chunk.text.is_empty() {
                    outcome = written(out.write_all(chunk.text.as_bytes()).and_then(|()| out.flush()));
                }
                match outcome {
                    Ok(Written::Whole) => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            })
            .map_err(failed)?;
        progress.finish_and_clear();
        if let Some(mut file) = trace {
            let subject = Subject {
                model: name,
                prompt: &spelled,
                vocabulary,
                constraint: constrained.as_ref(),
                generation: &generation,
            };
            let written = file.write_all(steps.page(&subject)?.as_bytes());
            written.map_err(|error| Failure::new("cannot write the file of --trace").because(&error))?;
        }
        if outcome? == Written::ReaderGone {
            return Ok(ExitCode::SUCCESS);
        }
        let judged = Judged::of(&generation, constraint.as_ref());
        let result = if args.json {
            writeln!(out, "{:#}", report(args, name, vocabulary, &generation, &judged))
        } else if args.stream {
            writeln!(out)
        } else {
            generation.completions.iter().try_for_each(|completion| writeln!(out, "{}", completion.text))
        };
        written(result.and_then(|()| out.flush()))?;
        drop(out);
        if !args.quiet {
            summarise(&generation);
        }
        judged.conclude(args.quiet)
    }
}

/// What is asked of the model: what the file of parameters says, and over it what the options say.
fn request(args: &Args, chosen: Chosen, prompt: Vec<TokenId>) -> Result<Request, Failure> {
    let Chosen { mut params, set } = chosen;
    let mut request = match set {
        Some(set) => Request::from_parameters(prompt, set)
            .map_err(|error| Failure::usage("cannot use the parameters of --params").because(&error))?,
        None => Request::new(prompt),
    };
    // They end outputs besides the vocabulary's: the request has them.
    params.end_tokens.clear();
    request.stop_tokens.extend(args.stop_token.iter().map(|&id| TokenId(id)));
    if !args.stop.is_empty() {
        request = request.stop(args.stop.iter().map(String::as_str));
    }
    if let Some(strategy) = args.strategy.strategy() {
        request = request.strategy(strategy);
    }
    Ok(request
        .sampling(params)
        .draft(args.strategy.draft())
        .acceptance(args.strategy.acceptance())
        .healing(if args.heal { TokenHealing::On } else { TokenHealing::Off })
        .forced(args.forced)
        .budget(args.budget))
}

/// What the outputs are worth.
struct Judged {
    /// One for each completion, if there is a schema.
    verdicts: Vec<Verdict>,
    schema: String,
    /// Constrained outputs that are not complete.
    cut: Vec<Unfinished>,
    /// Ends that the budget has written.
    budget: Vec<Unfinished>,
    outputs: usize,
}

/// An output that the model has not completed.
struct Unfinished {
    /// Its number, from 1.
    number: usize,
    finish: FinishReason,
    ending: Option<BudgetEnding>,
}

/// The remedy for outputs that need more tokens.
const LONGER: &str =
    "raise --max-tokens, or bound the strings and arrays of the schema (`maxLength`, `maxItems`)";

impl Judged {
    /// An output, in words.
    fn name(&self, number: usize) -> String {
        match self.outputs {
            1 => "the output".to_owned(),
            _ => format!("output {number}"),
        }
    }

    fn of(generation: &Generation, constraint: Option<&Loaded>) -> Self {
        let schema = constraint.and_then(|constraint| constraint.schema.as_ref());
        let completions = &generation.completions;
        let those = |which: fn(&Completion) -> bool| {
            let found = completions.iter().enumerate().filter(|(_, completion)| which(completion));
            found
                .map(|(at, c)| Unfinished { number: at + 1, finish: c.finish, ending: c.budget_ending })
                .collect()
        };
        Self {
            verdicts: schema
                .map_or_else(Vec::new, |schema| completions.iter().map(|c| judge(schema, &c.text)).collect()),
            schema: schema.map_or_else(String::new, |schema| schema.path.display().to_string()),
            cut: those(|completion| completion.complete == Some(false)),
            budget: those(|completion| completion.budget_ending.is_some()),
            outputs: completions.len(),
        }
    }

    /// Says it on stderr.
    fn conclude(&self, quiet: bool) -> Result<ExitCode, Failure> {
        let invalid = self.verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Invalid(reason) => Some(reason),
            _ => None,
        });
        if let Some(cut) = self.cut.first() {
            let failure =
                Failure::new(format!("{} was cut off before it was complete", self.name(cut.number)));
            return Err(match cut.finish {
                FinishReason::Length => failure.help(LONGER),
                FinishReason::StopSequence => failure
                    .help("a text of --stop ended it; leave out --stop, as the constraint ends the output"),
                FinishReason::Stop => failure.help(
                    "a token of --stop-token ended it; leave it out, as the constraint ends the output",
                ),
                _ => failure,
            });
        }
        if let Some(reason) = invalid {
            return Err(Failure::new(format!("the output does not satisfy `{}`: {reason}", self.schema)));
        }
        if let Some(Unfinished { number, ending: Some(ending), .. }) = self.budget.first() {
            let what = format!(
                "the model did not complete {} within its tokens; --budget complete wrote the last {} \
                 (from byte {}), which are not the model's",
                self.name(*number),
                ending.tokens,
                ending.first_byte,
            );
            return Err(Failure::new(what).help(LONGER));
        }
        if !quiet {
            match self.verdicts.first() {
                Some(Verdict::NoJudge(reason)) => {
                    eprintln!("note: no second opinion on the output: {reason}")
                }
                Some(_) => eprintln!("valid: the output satisfies `{}`", self.schema),
                None => {}
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The machine-readable result.
fn report(
    args: &Args,
    name: &str,
    vocabulary: &Vocabulary,
    generation: &Generation,
    judged: &Judged,
) -> serde_json::Value {
    let milliseconds = |time: std::time::Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let completions: Vec<_> = generation
        .completions
        .iter()
        .enumerate()
        .map(|(index, completion)| {
            let mut object = json!({
                "text": completion.text,
                "finish_reason": completion.finish.as_str(),
                "stop_sequence": completion.stop_sequence,
                "tokens": completion.tokens.iter().map(|token| token.0).collect::<Vec<_>>(),
                "forced_tokens": completion.forced_tokens,
            });
            if let Some(complete) = completion.complete {
                object["complete"] = complete.into();
                object["budget_ending"] =
                    completion.budget_ending.map_or(serde_json::Value::Null, |ending| {
                        json!({
                            "first_token": ending.first_token,
                            "tokens": ending.tokens,
                            "first_byte": ending.first_byte,
                        })
                    });
            }
            if let Some(score) = completion.score {
                object["score"] = score.into();
            }
            if let Some(verdict) = judged.verdicts.get(index) {
                object["value"] = serde_json::from_str(&completion.text).unwrap_or_default();
                object["valid"] = match verdict {
                    Verdict::Valid => true.into(),
                    Verdict::Invalid(_) => false.into(),
                    Verdict::NoJudge(_) => serde_json::Value::Null,
                };
            }
            if let Some(most) = args.logprobs {
                let tokens = completion.tokens.iter().zip(&completion.logprobs);
                object["logprobs"] =
                    tokens.map(|(&token, entry)| logprobs(vocabulary, token, entry, most)).collect();
            }
            object
        })
        .collect();
    let (usage, timings) = (generation.usage, generation.timings);
    json!({
        "model": name,
        "completions": completions,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "forced_tokens": usage.forced_tokens,
            "drafted_tokens": usage.drafted_tokens,
            "confirmed_tokens": usage.confirmed_tokens,
            "forward_passes": usage.forward_passes,
            "prefill_passes": usage.prefill_passes,
            "draft_passes": usage.draft_passes,
        },
        "timings_ms": {
            "prefill": milliseconds(timings.prefill),
            "forward": milliseconds(timings.forward),
            "mask": milliseconds(timings.mask),
            "sample": milliseconds(timings.sample),
            "draft": milliseconds(timings.draft),
            "overhead": milliseconds(timings.overhead()),
            "total": milliseconds(timings.total),
        },
    })
}

/// A token with the `most` likeliest beside it.
fn logprobs(
    vocabulary: &Vocabulary,
    token: TokenId,
    entry: &TokenLogprobs,
    most: usize,
) -> serde_json::Value {
    let text = |token: TokenId| match vocabulary.name(token) {
        Some(name) => name.to_owned(),
        None => String::from_utf8_lossy(vocabulary.bytes(token)).into_owned(),
    };
    let list = |top: &[(TokenId, f32)]| -> serde_json::Value {
        let top = top.iter().take(most);
        top.map(|&(id, logprob)| json!({"id": id.0, "text": text(id), "logprob": logprob})).collect()
    };
    json!({
        "id": token.0,
        "text": text(token),
        "logprob": entry.processed,
        "raw_logprob": entry.raw,
        "top": list(&entry.top_processed),
        "top_raw": list(&entry.top_raw),
    })
}

/// Where tokens and time went, in two lines.
fn summarise(generation: &Generation) {
    let (usage, timings) = (generation.usage, generation.timings);
    let rate = |tokens: usize, time: std::time::Duration| match time.is_zero() {
        true => String::new(),
        false => format!(" ({:.1} tokens/s)", tokens as f64 / time.as_secs_f64()),
    };
    let milliseconds = |time: std::time::Duration| match time.as_secs_f64() * 1e3 {
        short if short < 100.0 => format!("{short:.2} ms"),
        long => format!("{long:.0} ms"),
    };
    let ends: Vec<_> = generation.completions.iter().map(|completion| completion.finish.as_str()).collect();
    eprintln!(
        "{} tokens of prompt, {} of output ({} forced) in {} forward passes; finished: {}",
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.forced_tokens,
        usage.forward_passes,
        ends.join(", ")
    );
    if usage.drafted_tokens > 0 {
        eprintln!(
            "{} of {} guesses came true ({:.0} %), {:.2} passes a token",
            usage.confirmed_tokens,
            usage.drafted_tokens,
            100.0 * usage.confirmed_tokens as f64 / usage.drafted_tokens as f64,
            usage.forward_passes.saturating_sub(usage.prefill_passes) as f64
                / usage.completion_tokens.max(1) as f64,
        );
    }
    eprintln!(
        "prefill {}{}, decode {}{}, mask {}, sampling {}, other {}",
        milliseconds(timings.prefill),
        rate(usage.prompt_tokens, timings.prefill),
        milliseconds(timings.forward),
        rate(usage.completion_tokens, timings.total.saturating_sub(timings.prefill)),
        milliseconds(timings.mask),
        milliseconds(timings.sample),
        milliseconds(timings.overhead()),
    );
}
