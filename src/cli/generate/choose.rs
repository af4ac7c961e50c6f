//! The sampling parameters of `hedgerow generate`, checked together with the other options.

use super::super::command_error::CommandError;
use super::super::effect::{self, GivenOptions, Need, option_name};
use super::super::sampling::{Chosen, check_tokens};
use super::super::{greedy, input};
use super::args::Args;
use hedgerow::decode::{ForcedTokens, Strategy};
use hedgerow::vocab::TokenId;

/// Chooses the parameters of the run and checks them together with the other options. Also gives
/// notes on options and settings that are not used.
pub(super) fn choose(args: &Args, given: &GivenOptions) -> Result<(Chosen, Vec<String>), CommandError> {
    let mut chosen =
        args.sampling.choose(Some(&args.model), args.min_tokens, args.max_tokens, DEFAULT_MAX_TOKENS)?;
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
    check_options(args, &mut chosen, &mut notes)?;
    Ok((chosen, notes))
}

/// Refuses options that exclude each other, and ids that the model does not have.
fn check_options(args: &Args, chosen: &mut Chosen, notes: &mut Vec<String>) -> Result<(), CommandError> {
    let strategy = chosen.strategy(args);
    let asking = if args.completions.is_some() { "--completions" } else { &chosen.source };
    args.strategy.check(&strategy, &chosen.source, output_count(args, chosen), asking)?;
    let drawn = match strategy {
        Strategy::Sample => output_count(args, chosen),
        Strategy::BestOf(made) => made,
        _ => 1,
    };
    match ranks_tokens(&strategy) {
        true => check_ranking(args, chosen, notes)?,
        false => {
            let others = args.strategy.without_effect_at_temperature_0();
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
    if args.stream && output_count(args, chosen) != 1 {
        return Err(CommandError::usage("--stream writes one output")
            .help("give --completions 1, or leave out --stream"));
    }
    if args.trace.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        return Err(CommandError::usage("--trace writes a page to a file, not to standard output")
            .help("name a file, such as trace.html"));
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
    let tokens = input::read_vocabulary(&args.model)?.token_count();
    args.sampling.leave_out_tokens(chosen, &mut named, tokens, notes);
    check_tokens(named, tokens, &format!("the model has {tokens} tokens, numbered from 0"))
}

/// Refuses options for drawing tokens beside a strategy that ranks them. A preset or a file may set
/// such parameters among others, so its parameters are only noted.
fn check_ranking(args: &Args, chosen: &Chosen, notes: &mut Vec<String>) -> Result<(), CommandError> {
    let refused = |option: String| {
        let strategy = match (args.strategy.is_given(), chosen.strategy(args)) {
            (true, _) => "this strategy".to_owned(),
            (false, strategy) => format!("the strategy {strategy} of {}", chosen.source),
        };
        CommandError::usage(format!("{option} has no effect on {strategy}")).help(
            "beam search and contrastive search rank tokens instead of drawing them; leave the option out, or \
             use --strategy sample",
        )
    };
    if let Some(name) = args.sampling.names().find(|name| !affects_ranking(name, chosen)) {
        return Err(refused(option_name(name)));
    }
    let of_source: Vec<&str> = args.sampling.names_of_source(chosen).collect();
    if let Some(preset) = args.sampling.preset()
        && !of_source.iter().any(|name| LOGIT_PARAMETERS.contains(name))
    {
        return Err(refused(format!("--preset {preset}")));
    }
    // A greedy file asks for the most probable tokens, as these strategies do.
    let is_greedy = chosen.params.temperature == 0.0;
    let is_void = |name: &&str| !LOGIT_PARAMETERS.contains(name) && (!is_greedy || *name == "watermark");
    let void: Vec<&str> = of_source.into_iter().filter(is_void).map(|name| chosen.field(name)).collect();
    if !void.is_empty() {
        let (source, void) = (&chosen.source, void.join(", "));
        notes.push(format!("not used of {source}: {void}, which concern strategies that draw tokens"));
    }
    Ok(())
}

/// True for strategies that rank tokens in place of drawing them.
fn ranks_tokens(strategy: &Strategy) -> bool {
    matches!(strategy, Strategy::Beam(_) | Strategy::Contrastive(_))
}

/// Prints the parameters of a run, each with its source.
pub(super) fn print_parameters(args: &Args, chosen: &Chosen) {
    let strategy = chosen.strategy(args);
    let is_ranked = ranks_tokens(&strategy);
    let is_length = |name: &str| matches!(name, "min_tokens" | "max_tokens" | "min_length" | "max_length");
    args.sampling
        .print_parameters(chosen, |name| !is_ranked || is_length(name) || affects_ranking(name, chosen));
    let line = |name: &str, text: String, given: bool| {
        let origin = if given { option_name(name) } else { chosen.source.clone() };
        write_stderr!("  {name} {text}  ({origin})");
    };
    if strategy != Strategy::Sample {
        line("strategy", strategy.to_string(), args.strategy.is_given());
    }
    let set = chosen.set.as_ref();
    if output_count(args, chosen) != 1 {
        line("completions", output_count(args, chosen).to_string(), args.completions.is_some());
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

/// Largest number of tokens of an output, if neither an option nor a file sets it.
const DEFAULT_MAX_TOKENS: usize = 512;

/// The sampling parameters that change single logits, which also affect strategies that rank
/// tokens.
const LOGIT_PARAMETERS: [&str; 15] = [
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
fn affects_ranking(name: &str, chosen: &Chosen) -> bool {
    LOGIT_PARAMETERS.contains(&name) || name == "order" && greedy::orders_several_edits(&chosen.params)
}

impl Chosen {
    /// The strategy: the option's, or else that of the file of parameters.
    pub(super) fn strategy(&self, args: &Args) -> Strategy {
        let beams = self.set.as_ref().and_then(|set| set.beams);
        args.strategy.strategy(beams.map(|beams| Strategy::Beam(beams.into()))).unwrap_or_default()
    }
}

/// The number of outputs to make: that of `--completions`, or else that of `--params`, or else 1.
pub(super) fn output_count(args: &Args, chosen: &Chosen) -> usize {
    args.completions.map_or(chosen.set.as_ref().map_or(1, |set| set.completions), |count| count as usize)
}
