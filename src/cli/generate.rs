//! `hedgerow generate`: reads a prompt and writes constrained text.
//!
//! Loading a model takes long, so the command line is checked as a whole before it begins.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use super::command_error::{CommandError, Written, written};
use super::constraint::{ConstraintArgs, Loaded, PolicyArgs};
use super::effect::{self, Given, Need, option_of};
use super::greedy;
use super::interrupt::{INTERRUPTED, Interrupt};
use super::model::{Drafters, bar_of_tokens};
#[cfg(feature = "torch")]
use super::model::{
    check_drafts, detected_format, drafters, forbid_words, load, no_template, open, open_partner,
    over_vocabulary, unreadable_template, unusable_prompt, without_format,
};
use super::number::{at_least_one, whole, within};
use super::outcome::{Context, Ends, Judged, Report, Room, generation_failed, summarise};
use super::policy::policy;
use super::prompt::PromptArgs;
use super::sampling::{Chosen, SamplingArgs, check_tokens, leave_out_length};
use super::strategy::StrategyArgs;
use super::tools::ToolArgs;
#[cfg(feature = "torch")]
use super::trace::CANDIDATES;
use super::trace::{Subject, Trace, TraceFile};
#[cfg(feature = "torch")]
use hedgerow::decode::ReasoningBudget;
use hedgerow::decode::{
    Batch, Budget, ForcedTokens, Generation, LanguageModel, MAX_COMPLETIONS, Prompt, Request, Strategy,
    TokenHealing,
};
use hedgerow::tags::Tools;
use hedgerow::vocab::{TokenId, Vocabulary};

const AFTER_HELP: &str = "\
The prompt is put into the model's own chat template, as a message of the user; --raw gives it to \
the model as it is. With --schema, and no tools, the output is checked by an independent validator as well. A \
summary goes to stderr: tokens, forward passes, and where the time went.

Exit codes:
  0  done
  1  it failed, or a constrained output was not completed by the model itself
  2  the options make no sense, those in the file of --params included
  130  Ctrl-C stopped it; what was made is written

Examples:
  hedgerow generate --model model.gguf --prompt 'Describe Ada.' --schema person.schema.json --stream
  hedgerow generate --model model.gguf --prompt 'Is rain wet?' --choice yes --choice no
  hedgerow generate --model folder/ --raw --prompt 'Once upon' --max-tokens 50 --completions 3 --seed 7 --json
  hedgerow generate --model model.gguf --prompt 'Weather in Oslo?' --tools tools.json --tool-choice required
  hedgerow generate --model model.gguf --prompt 'Count.' --draft ngram --trace steps.html";

const USAGE: &str = "hedgerow generate [OPTIONS] --model <PATH> <--prompt <TEXT>|--messages <FILE>>";

/// Generates text with a model, inside a constraint
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, override_usage = USAGE)]
pub(super) struct Args {
    /// The model: a GGUF file, or a folder with config.json, tokenizer.json and safetensors weights
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(flatten)]
    constraint: ConstraintArgs,
    /// Largest number of tokens of an output [default: the one in --params or in the model's
    /// generation_config.json, or else 512]
    #[arg(long, value_name = "N", value_parser = at_least_one::<usize>)]
    max_tokens: Option<usize>,
    /// Smallest number of tokens of an output, unless the constraint is complete before. A text of
    /// --stop does not end an output before, and stays in it
    /// [default: the one in --params or in the model's generation_config.json, or else 0]
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    min_tokens: Option<usize>,
    /// End before this text (repeat the option)
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    stop: Vec<String>,
    /// End at the token with this id, too, beside the end tokens of the model (repeat the option)
    #[arg(long, value_name = "ID", value_parser = whole::<u32>)]
    stop_tokens: Vec<u32>,
    /// Treatment of a constrained output that reaches --max-tokens: a short ending that the model
    /// has not chosen completes it in time, or it is cut. Either way it finishes by `length`, and
    /// the exit code is 1 [default: complete]
    #[arg(long, value_parser = policy(Budget::ALL, Budget::name))]
    budget: Option<Budget>,
    /// Make N outputs, 1 to 4096 [default: the number in --params or in the model's
    /// generation_config.json, or else 1]
    #[arg(long, value_name = "N", value_parser = within(1..=MAX_COMPLETIONS as u64))]
    completions: Option<u64>,
    /// Append text at once where the constraint allows only one continuation, or ask the model for
    /// every token [default: append, unless the strategy ranks tokens or an option forbids some]
    #[arg(long, value_parser = policy(ForcedTokens::ALL, ForcedTokens::name))]
    forced: Option<ForcedTokens>,
    /// Write the output as it comes
    #[arg(long, conflicts_with = "json")]
    stream: bool,
    /// Write JSON: one line for each output (`lines`), or one indented object (`pretty`)
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "lines", value_enum)]
    json: Option<JsonForm>,
    /// With --json or --trace: log-probabilities of the tokens, and of the N most probable ones
    /// beside each
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    logprobs: Option<usize>,
    /// Write a page that shows every step: candidates before and after the mask, forced stretches,
    /// guesses that came true, tokens that the budget wrote
    #[arg(long, value_name = "FILE.html")]
    trace: Option<PathBuf>,
    /// Write no summary and no verdict to stderr
    #[arg(long, short)]
    quiet: bool,
    /// Compute on this device: cpu, cuda, cuda:N, or auto
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Number format to compute with: f32, bf16 or f16
    #[arg(long, default_value = "f32")]
    dtype: String,
    /// Threads to compute with, 1 to 1024 [default: one for each core]
    #[arg(long, value_name = "N", value_parser = within(1..=1024_u64))]
    threads: Option<u64>,
    #[command(flatten)]
    strategy: StrategyArgs,
    #[command(flatten)]
    tools: ToolArgs,
    /// At most N tokens of reasoning; then MESSAGE and the end of reasoning are appended [default:
    /// no limit]
    #[arg(long, value_name = "N[:MESSAGE]", value_parser = reasoning_budget, help_heading = "Tools")]
    reasoning_budget: Option<(usize, String)>,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// A number of tokens, and a message behind a colon.
fn reasoning_budget(text: &str) -> Result<(usize, String), String> {
    let (tokens, message) = text.split_once(':').unwrap_or((text, ""));
    Ok((whole(tokens)?, message.to_owned()))
}

pub(super) fn run(
    args: &Args,
    given: &Given,
    program_with_libtorch: Option<fn() -> io::Result<ExitCode>>,
) -> Result<ExitCode, CommandError> {
    if let Some(start) = program_with_libtorch {
        // Loading libtorch takes time (docs/decoding.md, "Start"), so options are checked before.
        // The other program checks them again, and writes the notes.
        if args.sampling.are_rereadable() {
            choose(args, given)?;
        }
        return start().map_err(|error| {
            CommandError::new("cannot start the program that runs models").because(&error).help(
                "it lies beside this one, and both are built by `cargo build --release --features torch,cli`",
            )
        });
    }
    let interrupt = Interrupt::catch();
    let (mut chosen, notes) = choose(args, given)?;
    notes.iter().for_each(|note| say!("note: {note}"));
    if args.sampling.is_verbose() {
        tell(args, &chosen);
    }
    let constraint = constraint(args, &mut chosen)?;
    let mut prompt = args.prompt.load()?;
    let negative = args.strategy.negative_prompt.as_deref();
    let negative = negative.map(|text| args.prompt.prompt_of(text, "negative prompt"));
    let negative = negative.transpose()?;
    let reasons = args.reasoning_budget.is_some();
    let tools = args.tools.of_prompt(&mut prompt, args.constraint.is_given_but_schema(), reasons)?;
    args.tools.named_format()?;
    args.tools.check_choice(tools.as_ref())?;
    let is_value = constraint.as_ref().is_some_and(|constraint| constraint.schema.is_some());
    if reasons && tools.is_none() && (is_value || !args.constraint.choice.is_empty()) {
        let what = "--reasoning-budget has no effect on a constraint that leaves no room for reasoning";
        return Err(CommandError::usage(what).help("leave it out, or give tools with --tools FILE"));
    }
    let has_schema = constraint.as_ref().is_some_and(|constraint| constraint.schema.is_some());
    let has_schema = has_schema || args.constraint.meets(Need::Schema);
    let has_schema = has_schema || tools.is_some() && args.tools.may_call();
    given.check(|need| match need {
        Need::Constraint => constraint.is_some() || tools.is_some(),
        need => need != Need::Schema || has_schema,
    })?;
    with_model(args, Inputs { prompt, negative, chosen, constraint, tools, interrupt })
}

/// The parts of a run that do not need the model.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
struct Inputs {
    prompt: Prompt,
    /// The prompt of `--negative-prompt`.
    negative: Option<Prompt>,
    chosen: Chosen,
    constraint: Option<Loaded>,
    tools: Option<Tools>,
    interrupt: Interrupt,
}

/// The constraint of the options, or else the response format of `--params`.
fn constraint(args: &Args, chosen: &mut Chosen) -> Result<Option<Loaded>, CommandError> {
    let constraint = args.constraint.load(&args.policy)?;
    let Some(format) = chosen.set.as_mut().and_then(|set| set.response_format.take()) else {
        return Ok(constraint);
    };
    let name = format!("response_format of {}", chosen.source);
    let kind = format.get("type").and_then(serde_json::Value::as_str);
    if !matches!(kind, Some("json_object" | "json_schema")) {
        let what = format!("the {name} has no `type` that is known: {}", kind.unwrap_or("it has none"));
        return Err(CommandError::usage(what).help("known are text, json_object and json_schema"));
    }
    if constraint.is_some() {
        say!("note: the {name} is not used: another constraint is given");
        return Ok(constraint);
    }
    args.policy.schema_of(Path::new(&name), format.to_string()).map(Some)
}

/// The parameters of the run, checked together with the other options, and notes on what is not
/// used.
fn choose(args: &Args, given: &Given) -> Result<(Chosen, Vec<String>), CommandError> {
    let mut chosen =
        args.sampling.choose(Some(&args.model), args.min_tokens, args.max_tokens, DEFAULT_LENGTH)?;
    let mut notes = std::mem::take(&mut chosen.notes);
    let strategy = chosen.strategy(args);
    given.check(|need| match need {
        // A conversation is read later and may have tools, so its needs count as met.
        Need::Constraint | Need::Schema => {
            let has_format = chosen.set.as_ref().is_some_and(|set| set.response_format.is_some());
            args.constraint.meets(need)
                || args.tools.tools.is_some() && (need == Need::Constraint || args.tools.may_call())
                || !args.constraint.is_given() && (has_format || args.prompt.is_conversation())
        }
        Need::Json => args.json.is_some() || args.trace.is_some(),
        need => {
            args.constraint.meets(need) && args.policy.meets(need) && args.strategy.meets(need, &strategy)
        }
    })?;
    effect::check_budget(args.budget, &strategy)?;
    effect::check_forced(args.forced, &strategy)?;
    check(args, &mut chosen, &mut notes)?;
    Ok((chosen, notes))
}

/// Refuses options that exclude each other, and ids that the model does not have.
fn check(args: &Args, chosen: &mut Chosen, notes: &mut Vec<String>) -> Result<(), CommandError> {
    let strategy = chosen.strategy(args);
    let asking = if args.completions.is_some() { "--completions" } else { &chosen.source };
    args.strategy.check(&strategy, &chosen.source, outputs(args, chosen), asking)?;
    let drawn = match strategy {
        Strategy::Sample => outputs(args, chosen),
        Strategy::BestOf(made) => made,
        _ => 1,
    };
    match ranks(&strategy) {
        true => check_ranking(args, chosen, notes)?,
        false => {
            let others = args.strategy.void_at_temperature_0();
            notes.extend(greedy::notes_at_temperature_0(&args.sampling, chosen, &others, drawn)?);
        }
    }
    if args.stream && !matches!(strategy, Strategy::Sample | Strategy::Contrastive(_)) {
        notes.push("--stream writes the output at its end: the strategy chooses it then".to_owned());
    }
    let has_words = chosen.set.as_ref().is_some_and(|set| !set.bad_words.is_empty());
    if args.forced == Some(ForcedTokens::Append) && (has_words || chosen.params.names_bans()) {
        notes.push("--forced append changes nothing beside what forbids or prescribes tokens".to_owned());
    }
    if args.strategy.guidance == Some(1.0) {
        notes.push("--guidance 1 changes nothing".to_owned());
    }
    if args.stream && outputs(args, chosen) != 1 {
        return Err(CommandError::usage("--stream writes one output")
            .help("give --completions 1, or leave out --stream"));
    }
    let shows_logprobs = args.json.is_some() || args.trace.is_some();
    if !shows_logprobs && chosen.set.as_ref().is_some_and(|set| set.logprobs.is_some()) {
        let source = &chosen.source;
        notes.push(format!("{source} asks for log-probabilities, which only --json and --trace write"));
    }
    let mut named = args.sampling.named_tokens(chosen);
    named.extend(args.stop_tokens.iter().map(|&id| ("--stop-tokens".to_owned(), TokenId(id))));
    if named.is_empty() {
        return Ok(());
    }
    let tokens = super::input::vocabulary(&args.model)?.token_count();
    args.sampling.leave_out_tokens(chosen, &mut named, tokens, notes);
    check_tokens(named, tokens, &format!("the model has {tokens} tokens, numbered from 0"))
}

/// Refuses options for drawing tokens beside a strategy that ranks them. A preset or a file may set
/// such parameters among others, so these are told.
fn check_ranking(args: &Args, chosen: &Chosen, notes: &mut Vec<String>) -> Result<(), CommandError> {
    let refused = |option: String| {
        CommandError::usage(format!("{option} has no effect on this strategy")).help(
            "beam search and contrastive search rank tokens instead of drawing them; leave the option out, or \
             use --strategy sample",
        )
    };
    if let Some(name) = args.sampling.names().find(|name| !affects_ranks(name, chosen)) {
        return Err(refused(option_of(name)));
    }
    let of_source: Vec<&str> = args.sampling.names_of_source(chosen).collect();
    if let Some(preset) = args.sampling.preset()
        && !of_source.iter().any(|name| RANKED.contains(name))
    {
        return Err(refused(format!("--preset {preset}")));
    }
    // A greedy file asks for the most probable tokens, as these strategies do.
    let is_greedy = chosen.params.temperature == 0.0;
    let is_void = |name: &&str| !RANKED.contains(name) && (!is_greedy || *name == "watermark");
    let void: Vec<&str> = of_source.into_iter().filter(is_void).map(|name| chosen.field(name)).collect();
    if !void.is_empty() {
        let (source, void) = (&chosen.source, void.join(", "));
        notes.push(format!("not used of {source}: {void}, which concern strategies that draw tokens"));
    }
    Ok(())
}

/// True for strategies that rank tokens in place of drawing them.
fn ranks(strategy: &Strategy) -> bool {
    matches!(strategy, Strategy::Beam(_) | Strategy::Contrastive(_))
}

/// Writes the parameters of a run to stderr, each with its source.
fn tell(args: &Args, chosen: &Chosen) {
    let strategy = chosen.strategy(args);
    let ranks = ranks(&strategy);
    let is_length = |name: &str| matches!(name, "min_tokens" | "max_tokens" | "min_length" | "max_length");
    args.sampling.tell(chosen, |name| !ranks || is_length(name) || affects_ranks(name, chosen));
    let line = |name: &str, text: String, given: bool| {
        let origin = if given { option_of(name) } else { chosen.source.clone() };
        say!("  {name} {text}  ({origin})");
    };
    if strategy != Strategy::Sample {
        line("strategy", strategy.to_string(), args.strategy.is_given());
    }
    let set = chosen.set.as_ref();
    if outputs(args, chosen) != 1 {
        line("completions", outputs(args, chosen).to_string(), args.completions.is_some());
    }
    let stop = match (args.stop.as_slice(), set) {
        ([], Some(set)) => &set.stop,
        (given, _) => given,
    };
    if !stop.is_empty() {
        line("stop", format!("{stop:?}"), !args.stop.is_empty());
    }
    if !args.stop_tokens.is_empty() {
        line("stop_tokens", format!("{:?}", args.stop_tokens), true);
    }
    if let Some(logprobs) = args.logprobs.or(set.and_then(|set| set.logprobs)) {
        line("logprobs", logprobs.to_string(), args.logprobs.is_some());
    }
}

/// Most tokens of output, if nothing says otherwise.
const DEFAULT_LENGTH: usize = 512;

/// The sampling parameters that change single logits, which also affect strategies that rank
/// tokens.
const RANKED: [&str; 15] = [
    "allowed_tokens",
    "bad_words",
    "begin_suppressed_tokens",
    "dry",
    "exponential_decay",
    "forced_first",
    "forced_last",
    "frequency_penalty",
    "logit_bias",
    "no_repeat_ngram",
    "presence_penalty",
    "repetition_penalty",
    "repetition_window",
    "sequence_bias",
    "suppressed_tokens",
];

/// True for a sampling parameter that affects strategies that rank tokens.
fn affects_ranks(name: &str, chosen: &Chosen) -> bool {
    RANKED.contains(&name) || name == "order" && greedy::has_order_of_edits(&chosen.params)
}

impl Chosen {
    /// The strategy: the option's, or else that of the file of parameters.
    fn strategy(&self, args: &Args) -> Strategy {
        let beams = self.set.as_ref().and_then(|set| set.beams);
        args.strategy.strategy(beams.map(|beams| Strategy::Beam(beams.into()))).unwrap_or_default()
    }
}

/// The number of outputs to make: that of `--completions`, or else that of `--params`, or else 1.
fn outputs(args: &Args, chosen: &Chosen) -> usize {
    args.completions.map_or(chosen.set.as_ref().map_or(1, |set| set.completions), |count| count as usize)
}

#[cfg(not(feature = "torch"))]
fn with_model(_args: &Args, _inputs: Inputs) -> Result<ExitCode, CommandError> {
    Err(CommandError::new("this build of hedgerow cannot run models").help(
        "build it with the feature `torch`: `make setup`, then `cargo build --release --features torch,cli`",
    ))
}

#[cfg(feature = "torch")]
fn with_model(args: &Args, inputs: Inputs) -> Result<ExitCode, CommandError> {
    use super::strategy::Drafter;
    use hedgerow::decode::{ContrastiveDecoding, Dola, Guided};
    use hedgerow::torch::LoadOptions;

    let usage = |error| CommandError::usage("the options are not usable").because(&error);
    let mut options = LoadOptions::default()
        .device(args.device.parse().map_err(usage)?)
        .dtype(args.dtype.parse().map_err(usage)?);
    if let Some(threads) = args.threads {
        options = options.threads(threads as usize);
    }
    // Whatever does not need the weights comes before them.
    let trace = args.trace.as_deref().map(TraceFile::open).transpose();
    let trace = trace.map_err(|error| unwritten_trace(args, &error))?;
    let strategy = &args.strategy;
    let files = open("model", &args.model)?;
    check_drafts(strategy, &files)?;
    let drafter = match &strategy.draft {
        Some(Drafter::Model(path)) => Some(open_partner("draft model", "--draft model", path, &files)?),
        _ => None,
    };
    let amateur = strategy.amateur.as_deref();
    let amateur = amateur.map(|path| open_partner("amateur model", "--amateur", path, &files)).transpose()?;
    let interrupt = inputs.interrupt.clone();
    let (prepared, negative) = prepare(args, inputs, &files, amateur.as_ref(), trace.is_some())?;
    if !args.quiet {
        drafter.iter().for_each(|drafter| tell_of_context(drafter, prepared.request.prompt.len()));
    }

    let model = load("model", files, options)?;
    let drafters = drafters(strategy, &model, drafter, options)?;
    let amateur = amateur.map(|files| load("amateur model", files, options)).transpose()?;
    let (name, vocabulary, prompt) = (model.name(), model.vocabulary(), prepared.request.prompt.len());
    let run = Run { args, name, vocabulary, drafters, prepared, trace, interrupt };
    match (strategy.guidance, negative, amateur, &strategy.dola) {
        (Some(scale), Some(negative), ..) => run.generate(Guided::new(&model, prompt, negative, scale)),
        (_, _, Some(amateur), _) => run.generate(ContrastiveDecoding::new(&model, amateur, 0.1, 0.5)),
        (.., Some(layers)) => run.generate(Dola::new(&model, layers.0.clone())),
        _ => run.generate(&model),
    }
}

/// The request, and what its results are reported with.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
struct Prepared {
    request: Request,
    constraint: Option<Loaded>,
    /// The source of what no option gives.
    source: String,
    /// The remedy if options forbid all tokens.
    bans: Option<String>,
    /// Number of tokens whose log-probabilities are listed beside each token.
    beside: Option<usize>,
    /// The context that limits outputs.
    limit: Context,
}

/// Makes the request and checks it. Also gives the tokens of the negative prompt.
#[cfg(feature = "torch")]
fn prepare(
    args: &Args,
    inputs: Inputs,
    files: &hedgerow::torch::ModelFiles,
    amateur: Option<&hedgerow::torch::ModelFiles>,
    is_traced: bool,
) -> Result<(Prepared, Option<Vec<TokenId>>), CommandError> {
    use hedgerow::decode::{PromptEncoder, check_request};

    let Inputs { prompt, negative, mut chosen, constraint, tools, .. } = inputs;
    check_template(args, files, &prompt, tools.is_some())?;
    forbid_words(files, &mut chosen)?;
    let tokens = prompt_tokens(args, files, &prompt)?;
    let negative = match (&negative, args.strategy.guidance) {
        (Some(prompt), _) => Some(files.prompt_tokens(prompt).map_err(unusable_prompt)?),
        (None, guidance) => guidance.map(|_| tokens[tokens.len().saturating_sub(1)..].to_vec()),
    };
    let (constraint, reasoning) = replies(args, files, &prompt, constraint, tools)?;
    let limit = limit(files, amateur, negative.as_deref(), tokens.len());
    let source = chosen.source.clone();
    let what = if constraint.is_some() { "the constraint" } else { "the model" };
    let bans = args.sampling.remedy_of_bans(&chosen, what);
    let outputs = outputs(args, &chosen);
    let mut request = request(args, chosen, tokens)?.completions(outputs);
    request.reasoning = reasoning;
    let beside = args.logprobs.or(request.logprobs);
    request.logprobs = match is_traced {
        true => Some(beside.unwrap_or(0).max(CANDIDATES)),
        false => beside,
    };
    let over = |loaded| over_vocabulary(loaded, files.vocabulary());
    request.constraint = constraint.as_ref().map(over).transpose()?;
    check_reasoning(&request)?;
    check_request(&request, files.vocabulary(), files.context_length())
        .map_err(|error| generation_failed(&error, &limit, bans.clone()))?;
    Ok((Prepared { request, constraint, source, bans, beside, limit }, negative))
}

/// Tells that a draft model cannot read a prompt.
#[cfg(feature = "torch")]
fn tell_of_context(drafter: &hedgerow::torch::ModelFiles, prompt: usize) {
    let context = drafter.context_length();
    if context <= prompt {
        say!(
            "note: --draft model guesses nothing: the prompt has {prompt} tokens, and the draft model's \
             context {context}"
        );
    }
}

/// Refuses a limit on reasoning that the limit on the whole output comes before.
#[cfg(feature = "torch")]
fn check_reasoning(request: &Request) -> Result<(), CommandError> {
    match (&request.reasoning, request.sampling.max_tokens) {
        (Some(reasoning), Some(longest)) if reasoning.tokens >= longest => {
            let what = format!(
                "--reasoning-budget {} has no effect: an output has at most {longest} tokens",
                reasoning.tokens
            );
            Err(CommandError::usage(what).help("lower it, or raise --max-tokens"))
        }
        _ => Ok(()),
    }
}

/// The context that limits outputs, and the remedy if it is full.
#[cfg(feature = "torch")]
fn limit(
    files: &hedgerow::torch::ModelFiles,
    amateur: Option<&hedgerow::torch::ModelFiles>,
    negative: Option<&[TokenId]>,
    prompt: usize,
) -> Context {
    let tokens = files.context_length();
    let of_model = format!("the model's context of {tokens} tokens");
    let shortest = amateur.map(|amateur| amateur.context_length()).filter(|&length| length < tokens);
    let longest = negative.map(<[TokenId]>::len).filter(|&length| length > prompt);
    match (shortest, longest) {
        (Some(tokens), _) => {
            let name = format!("the context of --amateur with {tokens} tokens");
            Context { name, remedy: "shorten the prompt", tokens }
        }
        (_, Some(count)) => {
            let name = format!("{of_model} beside --negative-prompt with {count}");
            Context { name, remedy: "shorten --negative-prompt", tokens }
        }
        (None, None) => Context { name: of_model, remedy: "shorten the prompt", tokens },
    }
}

/// Refuses what needs a chat template, if the model has none.
#[cfg(feature = "torch")]
fn check_template(
    args: &Args,
    files: &hedgerow::torch::ModelFiles,
    prompt: &Prompt,
    has_tools: bool,
) -> Result<(), CommandError> {
    let templates = files.chat_templates();
    if let Prompt::Chat(input) = prompt {
        match templates.for_input(input) {
            Some(_) => args.prompt.check_healing(prompt)?,
            None => args.prompt.check_without_template(prompt)?,
        }
    }
    let needs_format = (has_tools || args.reasoning_budget.is_some()) && templates.for_tools().is_none();
    match needs_format && args.tools.named_format()?.is_none() {
        true => Err(without_format(no_template(), has_tools)),
        false => Ok(()),
    }
}

/// The constraint of replies that call tools, and the limit on reasoning. Both follow the format in
/// which the model writes them.
#[cfg(feature = "torch")]
fn replies(
    args: &Args,
    model: &hedgerow::torch::ModelFiles,
    prompt: &Prompt,
    constraint: Option<Loaded>,
    tools: Option<Tools>,
) -> Result<(Option<Loaded>, Option<ReasoningBudget>), CommandError> {
    use hedgerow::decode::PromptEncoder;

    if tools.is_none() && args.reasoning_budget.is_none() {
        return Ok((constraint, None));
    }
    let preset = match args.tools.named_format()? {
        Some(preset) => preset,
        None => match detected_format(model) {
            Ok(preset) => preset,
            Err(failure) if args.tools.are_optional() && args.reasoning_budget.is_none() => {
                say!(
                    "note: the tools of --messages do not constrain the output: {}; name the format \
                     with --tool-format",
                    failure.what()
                );
                return Ok((constraint, None));
            }
            Err(failure) => return Err(without_format(failure, tools.is_some())),
        },
    };
    let prompt_end = model.prompt_end(prompt).map_err(unusable_prompt)?;
    let reasoning = match (&args.reasoning_budget, preset.reasoning()) {
        (None, _) => None,
        (Some(_), None) => {
            return Err(CommandError::usage(format!("models of the format {preset} do not reason"))
                .help("leave out --reasoning-budget"));
        }
        (Some((_, message)), Some((_, end))) if message.contains(end) => {
            let what = format!("the MESSAGE of --reasoning-budget has the end of reasoning in it, `{end}`");
            return Err(CommandError::usage(what).help("leave it out there; it is appended to the message"));
        }
        (Some((tokens, message)), Some((begin, end))) => {
            let ending = model.encode(&format!("{message}{end}")).map_err(|error| {
                CommandError::new("cannot make tokens of --reasoning-budget").because(&error)
            })?;
            let budget = ReasoningBudget::new(*tokens, end, ending);
            let is_begun = prompt_end.rfind(begin).is_some_and(|at| !prompt_end[at..].contains(end));
            Some(if is_begun { budget } else { budget.begins_with(begin) })
        }
    };
    let Some(tools) = tools else { return Ok((constraint, reasoning)) };
    let schema = constraint.and_then(|loaded| loaded.schema);
    Ok((Some(args.tools.replies(&tools, &preset, schema, &args.policy, prompt_end)?), reasoning))
}

/// The prompt's tokens. The chat template is applied if the model has one, unless `--raw` is given.
#[cfg(feature = "torch")]
fn prompt_tokens(
    args: &Args,
    model: &hedgerow::torch::ModelFiles,
    prompt: &Prompt,
) -> Result<Vec<TokenId>, CommandError> {
    use hedgerow::decode::{ChatTemplate, PromptEncoder, PromptError};

    let chat = match prompt {
        Prompt::Chat(input) if !args.quiet => Some((input, model.chat_templates().for_input(input))),
        _ => None,
    };
    if let Some((input, Some(source))) = chat {
        let template = ChatTemplate::new(source);
        let template = template.map_err(|error| unreadable_template(PromptError::Template(error)))?;
        let text = template.render(&model.template_input(input));
        let text = text.map_err(|error| unusable_prompt(PromptError::Template(error)))?;
        args.prompt.notes_on_template(input, &template, &text).iter().for_each(|note| say!("note: {note}"));
    }
    if matches!(chat, Some((_, None))) && super::prompt::is_plain(prompt) {
        say!("note: this model has no chat template; it continues the prompt as it is");
    }
    model.prompt_tokens(prompt).map_err(unusable_prompt)
}

/// The parts of one run except the model.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
struct Run<'a> {
    args: &'a Args,
    name: &'a str,
    vocabulary: &'a Vocabulary,
    drafters: Drafters,
    prepared: Prepared,
    trace: Option<TraceFile>,
    interrupt: Interrupt,
}

#[cfg_attr(not(feature = "torch"), allow(dead_code))]
impl Run<'_> {
    fn generate(self, model: impl LanguageModel) -> Result<ExitCode, CommandError> {
        let Run { args, name, vocabulary, drafters, prepared, trace, interrupt } = self;
        let Prepared { request, constraint, source, bans, beside, limit } = prepared;
        let outputs = request.completions;
        let spelled =
            trace.as_ref().map_or_else(String::new, |_| vocabulary.decode_with_names(&request.prompt));
        let constrained = request.constraint.clone();
        let mut steps = Trace::new(&request.strategy, outputs);
        let strategy = request.strategy.clone();
        interrupt.begin();
        let start = Instant::now();
        let failed = |error| generation_failed(&error, &limit, bans.clone());
        let longest = request.sampling.max_tokens;
        let context = model.context_length();
        let room = Room { tokens: longest, context, prompt: request.prompt.len(), limit: limit.clone() };
        let batch = Batch::new(model, vocabulary).map_err(failed)?.clock(move || start.elapsed());
        let batch = drafters.beside(batch);
        let mut out = io::stdout().lock();
        let (mut outcome, mut streamed) = (Ok(Written::Whole), 0);
        let length = (longest.unwrap_or(0) as u64).saturating_mul(outputs as u64);
        let progress = bar_of_tokens(length, args.stream);
        let generation = batch
            .run(request, |chunk| {
                progress.inc(chunk.tokens.len() as u64);
                steps.note(&chunk);
                if args.stream && !chunk.text.is_empty() {
                    streamed += chunk.text.len();
                    outcome = written(out.write_all(chunk.text.as_bytes()).and_then(|()| out.flush()));
                }
                match outcome {
                    Ok(Written::Whole) if !interrupt.came() => ControlFlow::Continue(()),
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
        let (constraint_of_page, prompt) = (constrained.as_ref(), &spelled);
        let subject = Subject {
            model: name,
            prompt,
            vocabulary,
            constraint: constraint_of_page,
            generation: &generation,
        };
        let traced = trace.map_or(Ok(()), |file| write_trace(args, file, &steps.page(&subject)?));
        if outcome? == Written::ReaderGone {
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
        let report = || Report::new(beside, name, vocabulary, &generation, &judged);
        written(write_outputs(args, &mut out, &generation, streamed, report))?;
        drop(out);
        if !args.quiet && args.prompt.healing && generation.completions.iter().all(|c| c.healed_bytes == 0) {
            say!("note: --healing changed nothing: no other token begins with the end of the prompt");
        }
        if !args.quiet {
            summarise(&generation, &strategy, args.strategy.draft.is_some());
            args.reasoning_budget.iter().for_each(|(most, _)| tell_of_reasoning(&generation, *most));
        }
        traced?;
        if interrupt.came() {
            say!("note: stopped by Ctrl-C");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        judged.conclude(outputs, bans, args.quiet)
    }
}

/// Tells of reasoning that the limit of `most` tokens did not end. Up to three tokens may follow
/// that end a character.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
fn tell_of_reasoning(generation: &Generation, most: usize) {
    let longest = generation.completions.iter().filter_map(|output| output.reasoning_tokens).max();
    if let Some(longest) = longest.filter(|&longest| longest > most + 3) {
        say!(
            "note: reasoning went on for {longest} tokens, as the constraint did not allow the end that \
             --reasoning-budget appends"
        );
    }
}

/// Writes the outputs in the form that the options ask for. The first `streamed` bytes of a
/// streamed text have been written already. Ctrl-C may leave others, which might have begun a stop
/// string.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
fn write_outputs(
    args: &Args,
    out: &mut impl Write,
    generation: &Generation,
    streamed: usize,
    report: impl FnOnce() -> Report,
) -> io::Result<()> {
    match args.json {
        Some(JsonForm::Lines) => report().lines().iter().try_for_each(|line| writeln!(out, "{line}"))?,
        Some(JsonForm::Pretty) => writeln!(out, "{:#}", report().whole())?,
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

#[cfg_attr(not(feature = "torch"), allow(dead_code))]
fn write_trace(args: &Args, file: TraceFile, page: &str) -> Result<(), CommandError> {
    file.write(page).map_err(|error| unwritten_trace(args, &error))
}

fn unwritten_trace(args: &Args, error: &io::Error) -> CommandError {
    let path = args.trace.as_deref().unwrap_or(Path::new("")).display();
    CommandError::new(format!("cannot write the file of --trace, `{path}`")).because(error)
}

/// The layout of `--json`: one line for each output, or one indented object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum JsonForm {
    Lines,
    Pretty,
}

/// Builds the request. Options of the command line take precedence over the file of parameters.
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
fn request(args: &Args, chosen: Chosen, prompt: Vec<TokenId>) -> Result<Request, CommandError> {
    let strategy = chosen.strategy(args);
    let has_file_of_model = args.sampling.has_file_of_model(&chosen);
    let Chosen { mut params, set, source, .. } = chosen;
    let mut request = match set {
        // An option takes precedence over a length that counts the prompt.
        Some(mut set) => {
            set.max_length = set.max_length.filter(|_| args.max_tokens.is_none());
            set.min_length = set.min_length.filter(|_| args.min_tokens.is_none());
            (set.sampling.max_tokens, set.sampling.min_tokens) = (params.max_tokens, params.min_tokens);
            if has_file_of_model {
                leave_out_length(&mut set, prompt.len(), &params, &source);
            }
            let (counts_most, counts_least) = (set.max_length.is_some(), set.min_length.is_some());
            let request = Request::from_parameters(prompt, set).map_err(|error| {
                let failure =
                    CommandError::usage(format!("cannot use the parameters of {source}")).because(&error);
                match (counts_most, counts_least) {
                    (true, _) => failure.help("--max-tokens counts the output alone"),
                    (false, true) => failure.help("--min-tokens counts the output alone"),
                    (false, false) => failure,
                }
            })?;
            if counts_most {
                params.max_tokens = request.sampling.max_tokens;
            }
            if counts_least {
                params.min_tokens = request.sampling.min_tokens;
            }
            super::sampling::check_lengths(&params)?;
            request
        }
        None => Request::new(prompt),
    };
    // The request already has these end tokens, which end outputs in addition to the vocabulary's.
    params.end_tokens.clear();
    request.stop_tokens.extend(args.stop_tokens.iter().map(|&id| TokenId(id)));
    if !args.stop.is_empty() {
        request = request.stop(args.stop.iter().map(String::as_str));
    }
    Ok(request
        .strategy(strategy)
        .sampling(params)
        .draft(args.strategy.draft())
        .acceptance(args.strategy.acceptance())
        .healing(if args.prompt.healing { TokenHealing::On } else { TokenHealing::Off })
        .forced(args.forced.unwrap_or_default())
        .budget(args.budget.unwrap_or_default()))
}
