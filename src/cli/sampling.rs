//! The options that say how tokens are drawn: one for each [`Parameter`], named as its field, and
//! options that set many parameters at once.
//!
//! A parameter has the value of its own option. The parameters without an option have the values of
//! one source: the file of `--params` or the setting of `--preset` if either is given, or else the
//! `generation_config.json` of the model's folder if there is one, or else the preset `balanced`.
//!
//! An option with several numbers takes them in one argument, separated by colons, such as `--xtc
//! 0.5:0.1`. An option for a list is repeated, or takes several members with commas between them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use super::command_error::{CommandError, with_option_names};
use super::effect::{self, option_name};
use super::input;
use hedgerow::UnknownName;
use hedgerow::sampling::parameter_sets::{Api, ParameterSet};
use hedgerow::sampling::presets::{PRESETS, Preset, RECIPES};
use hedgerow::sampling::{Group, Parameter, SamplingError, SamplingParams};
use hedgerow::vocab::TokenId;

/// The options for drawing tokens.
#[derive(Debug)]
pub(super) struct SamplingArgs {
    base: BaseArgs,
    given: Vec<(&'static Parameter, String)>,
}

/// Options that set many parameters at once. The options of single parameters override them.
#[derive(Debug, clap::Args)]
struct BaseArgs {
    /// Temperature, top-p and frequency penalty by mood (factual, code-gen, balanced, creative,
    /// brainstorm) or task (factual-qa, code-generation, code-review, chat, creative-writing,
    /// brainstorming, translation, summarisation, data-extraction, classification) [default:
    /// balanced, with temperature 0.7 and top-p 0.9, unless --params or the generation_config.json
    /// of the model's folder sets the parameters]
    #[arg(long, value_name = "NAME", value_parser = parse_preset)]
    preset: Option<Preset>,
    /// Parameters in JSON, as an API spells them: openai, anthropic, hugging-face
    /// (generation_config.json) or vllm
    #[arg(long, value_name = "API:FILE", value_parser = parse_parameter_file, conflicts_with = "preset")]
    params: Option<ParameterFile>,
    /// Say on stderr which parameters are used, and where each comes from
    #[arg(long, short)]
    verbose: bool,
}

/// A file of parameters, and the API whose names of parameters it uses.
#[derive(Clone, Debug, PartialEq)]
struct ParameterFile {
    api: Api,
    path: PathBuf,
}

/// The sampling parameters of a run, and the other settings of a file of parameters.
#[derive(Debug)]
pub(super) struct Chosen {
    /// The parameters, the limits of length included.
    pub params: SamplingParams,
    /// The other settings of the file.
    pub set: Option<ParameterSet>,
    /// The name of the source of all parameters without an option, such as `--preset creative`.
    pub source: String,
    /// The parameters of that source.
    base: SamplingParams,
    /// Notes on fields of the source that are not used.
    pub notes: Vec<String>,
    /// True if neither an option nor the source sets the largest number of tokens.
    has_default_length: bool,
}

impl Chosen {
    /// The name of a parameter in the file of parameters, or else its own name.
    pub fn field(&self, parameter: &'static str) -> &'static str {
        self.set.as_ref().and_then(|set| set.field(parameter)).unwrap_or(parameter)
    }

    /// The origin of the temperature: its option, or the source of all parameters.
    pub fn origin_of_temperature(&self, args: &SamplingArgs) -> String {
        match args.names().any(|name| name == "temperature") {
            true => "--temperature".to_owned(),
            false => self.source.clone(),
        }
    }
}

/// The parameters of the source, over which the options of single parameters apply.
struct BaseParameters {
    /// The name of their source, such as `--preset creative`.
    source: String,
    params: SamplingParams,
    set: Option<ParameterSet>,
    notes: Vec<String>,
}

impl BaseParameters {
    /// The parameters of a preset.
    fn of_preset(preset: Preset) -> Self {
        let source = format!("--preset {}", preset.name);
        Self { source, params: preset.params(), set: None, notes: Vec::new() }
    }
}

/// The parameters that have an option here, each with the option's name: all but those of the loop.
fn parameters_with_option() -> impl Iterator<Item = (&'static Parameter, &'static str)> {
    static FLAGS: LazyLock<Vec<String>> =
        LazyLock::new(|| Parameter::ALL.iter().map(|parameter| parameter.name.replace('_', "-")).collect());
    let all = Parameter::ALL.iter().zip(FLAGS.iter().map(String::as_str));
    all.filter(|(parameter, _)| parameter.group != Group::Loop)
}

/// Replaces a seed by the same number modulo 2^64, so that `-1` is a seed. The text of any other
/// parameter is returned unchanged.
fn unsigned_seed(parameter: &Parameter, text: &str) -> String {
    let seed = (parameter.name == "seed").then(|| parse_seed(text)).flatten();
    seed.map_or_else(|| text.to_owned(), |seed| seed.to_string())
}

/// Parses a whole number of any size, modulo 2^64.
fn parse_seed(text: &str) -> Option<u64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digit = |digit: char| digit.to_digit(10).map(u64::from);
    let size = digits
        .chars()
        .try_fold(0_u64, |size, next| Some(size.wrapping_mul(10).wrapping_add(digit(next)?)))
        .filter(|_| !digits.is_empty())?;
    Some(if text.starts_with('-') { size.wrapping_neg() } else { size })
}

/// Describes the default of a parameter for the help: " [default: 0]".
fn describe_default(parameter: &Parameter) -> String {
    match parameter.name {
        "temperature" | "top_p" | "frequency_penalty" => " [default: that of --preset]".to_owned(),
        // No member is the default of a list.
        _ if parameter.is_list => String::new(),
        _ => format!(" [default: {}]", parameter.get(&SamplingParams::default())),
    }
}

/// Adds an option for each parameter.
fn add_options(command: Command) -> Command {
    parameters_with_option().fold(command, |command, (parameter, flag)| {
        let check = move |text: &str| {
            let text = unsigned_seed(parameter, text);
            if parameter.is_list && text.trim().is_empty() {
                return Err("expected at least one".to_owned());
            }
            let mut params = SamplingParams::default();
            let read = parameter.set(&mut params, &text).and_then(|()| params.validate());
            match read {
                Err(SamplingError::Text { expected, .. }) => Err(expected),
                Err(SamplingError::InvalidParameter { expected, .. }) => Err(format!("expected {expected}")),
                // Conflicts between parameters are reported when all are known.
                _ => Ok(text),
            }
        };
        let (action, again) = match parameter.is_list {
            true => (ArgAction::Append, " (repeat the option)"),
            false => (ArgAction::Set, ""),
        };
        let heading = if parameter.group == Group::Common { "Sampling" } else { "More sampling" };
        let help = parameter.help().trim_end_matches('.');
        let default = describe_default(parameter);
        let argument = Arg::new(parameter.name).long(flag).value_name(parameter.form).action(action);
        let argument = argument.value_parser(check).allow_negative_numbers(true);
        command.arg(argument.help(format!("{help}{again}{default}")).help_heading(heading))
    })
}

impl clap::Args for SamplingArgs {
    fn augment_args(command: Command) -> Command {
        add_options(BaseArgs::augment_args(command.next_help_heading("Sampling")))
    }

    fn augment_args_for_update(command: Command) -> Command {
        add_options(BaseArgs::augment_args_for_update(command.next_help_heading("Sampling")))
    }
}

impl FromArgMatches for SamplingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = parameters_with_option().filter_map(|(parameter, _)| {
            let texts: Vec<&str> = matches.get_many::<String>(parameter.name)?.map(String::as_str).collect();
            Some((parameter, texts.join(",")))
        });
        Ok(SamplingArgs { base: BaseArgs::from_arg_matches(matches)?, given: given.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl SamplingArgs {
    /// The names of the parameters that have been given as options.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.given.iter().map(|(parameter, _)| parameter.name)
    }

    /// Chooses the parameters and checks them. The largest number of tokens is `max_tokens`, or
    /// else that of the source, or else `longest`.
    pub fn choose(
        &self,
        model: Option<&Path>,
        min_tokens: Option<usize>,
        max_tokens: Option<usize>,
        longest: usize,
    ) -> Result<Chosen, CommandError> {
        let BaseParameters { source, params: base, set, notes } = self.base_parameters(model)?;
        let mut params = base.clone();
        for (parameter, text) in &self.given {
            parameter.set(&mut params, text).map_err(|error| CommandError::usage(error.to_string()))?;
        }
        params.min_tokens = min_tokens.unwrap_or(params.min_tokens);
        params.max_tokens = max_tokens.or(params.max_tokens);
        // A length that counts the prompt is applied when the prompt is known.
        let counts_prompt = set.as_ref().is_some_and(|set| set.max_length.is_some());
        let has_default_length = params.max_tokens.is_none() && !counts_prompt;
        if has_default_length {
            params.max_tokens = Some(longest);
        }
        let of_source = max_tokens.is_none() && !has_default_length;
        check_lengths(&params, of_source.then_some(source.as_str()))?;
        // Exponential decay needs end tokens, which are only known with the model. The decoding
        // loop validates the parameters again with the model's end tokens.
        let mut checked = params.clone();
        checked.end_tokens.push(TokenId(0));
        checked.max_tokens.get_or_insert(usize::MAX);
        checked.validate().map_err(|error| {
            let failure = self.parameter_error(&error, &source, set.as_ref());
            match error {
                SamplingError::Order { .. } if !base.changed().is_empty() => failure.help(format!(
                    "parameters without an option are those of {source}; --verbose lists them, and --top-p 1 and the like \
                     switch a step off",
                )),
                _ => failure,
            }
        })?;
        effect::check_companions(self.names(), &params)?;
        Ok(Chosen { params, set, source, base, notes, has_default_length })
    }

    /// The error of parameters that cannot be used. Those without an option come from `source`.
    pub fn parameter_error(
        &self,
        error: &SamplingError,
        source: &str,
        set: Option<&ParameterSet>,
    ) -> CommandError {
        match error {
            SamplingError::Conflict { first, second, reason } => {
                let origin = |name| origin(name, self.names(), source, set);
                let reason = with_option_names(reason);
                CommandError::usage(match *second {
                    "end_tokens" => format!("{} is not usable: {reason}", origin(first)),
                    second => format!("{} conflicts with {}: {reason}", origin(first), origin(second)),
                })
            }
            error => CommandError::usage("the sampling options are not usable").because(error),
        }
    }

    /// Reads the parameters of the source.
    fn base_parameters(&self, model: Option<&Path>) -> Result<BaseParameters, CommandError> {
        if let Some(ParameterFile { api, path }) = &self.base.params {
            let text = input::read_source(path, "file of parameters")?;
            let set = ParameterSet::from_text(*api, &text).map_err(|error| {
                CommandError::usage(format!("cannot use the parameters `{}`", path.display())).because(&error)
            })?;
            let source = format!("--params {api}:{}", path.display());
            let notes = note_on_unused(&source, &set, model).into_iter().collect();
            return Ok(BaseParameters { source, params: set.sampling.clone(), set: Some(set), notes });
        }
        if let Some(preset) = self.base.preset {
            return Ok(BaseParameters::of_preset(preset));
        }
        let file = model.map(|folder| folder.join("generation_config.json")).filter(|file| file.is_file());
        if let Some(file) = file {
            let source = file.display().to_string();
            let read = std::fs::read_to_string(&file).map_err(|error| error.to_string());
            let read = read.and_then(|text| {
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
                ParameterSet::usable_fields(Api::HuggingFace, text).map_err(|error| error.to_string())
            });
            let (set, faults) = match read {
                Ok(read) => read,
                Err(error) => {
                    let mut base = BaseParameters::of_preset(default_preset());
                    base.notes.push(format!("`{source}` is not used: {error}"));
                    return Ok(base);
                }
            };
            let faults = faults
                .iter()
                // End tokens are the vocabulary's, whose error says more.
                .filter(|fault| match fault {
                    SamplingError::ParameterSet { pointer, .. } => !pointer.starts_with("/eos_token_id"),
                    _ => true,
                })
                .map(|fault| format!("left out of `{source}`: {}", with_option_names(&fault.to_string())));
            let notes = faults.chain(note_on_unused(&source, &set, model)).collect();
            return Ok(BaseParameters { source, params: set.sampling.clone(), set: Some(set), notes });
        }
        Ok(BaseParameters::of_preset(default_preset()))
    }

    /// True if the file of `--params` can be read twice, which a pipe and standard input cannot.
    pub fn can_be_read_twice(&self) -> bool {
        let is_rereadable = |file: &ParameterFile| file.path.as_os_str() != "-" && file.path.is_file();
        self.base.params.as_ref().is_none_or(is_rereadable)
    }

    /// True if parameters without an option are those of the file in the model's folder.
    pub fn has_file_of_model(&self, chosen: &Chosen) -> bool {
        self.base.params.is_none() && chosen.set.is_some()
    }

    /// Handles a parameter that can have no effect, for the reason `fault`. One that the user asks
    /// for is an error. One of the file in the model's folder is to be left out, as the note
    /// returned says.
    pub fn refuse_or_leave_out(
        &self,
        chosen: &Chosen,
        parameter: &'static str,
        fault: &str,
    ) -> Result<String, CommandError> {
        let origin = origin(parameter, self.names(), &chosen.source, chosen.set.as_ref());
        match self.has_file_of_model(chosen) && self.names().all(|name| name != parameter) {
            true => Ok(format!("left out: {origin} has no effect: {fault}")),
            false => Err(CommandError::usage(format!("{origin} has no effect: {fault}"))),
        }
    }

    /// Removes tokens that the model does not have, those from `count` on, from the parameters of
    /// the file in the model's folder. Adds a note about one of them. `named` are all tokens that
    /// parameters and options name, each with its origin.
    pub fn leave_out_tokens(
        &self,
        chosen: &mut Chosen,
        named: &mut Vec<(String, TokenId)>,
        count: usize,
        notes: &mut Vec<String>,
    ) {
        if !self.has_file_of_model(chosen) {
            return;
        }
        let source = format!(" of {}", chosen.source);
        let has = |token: &TokenId| token.index() < count;
        let is_left_out = |(origin, token): &(String, TokenId)| origin.ends_with(&source) && !has(token);
        let Some((origin, token)) = named.iter().find(|entry| is_left_out(entry)) else { return };
        notes.push(format!("left out: {origin} names token {}, but the model has {count} tokens", token.0));
        named.retain(|entry| !is_left_out(entry));
        // Options of single parameters name no such token, or they are refused.
        let params = &mut chosen.params;
        params.suppressed_tokens.retain(has);
        params.begin_suppressed_tokens.retain(has);
        params.bad_words.retain(|word| word.iter().all(has));
        params.sequence_bias.retain(|(tokens, _)| tokens.iter().all(has));
        params.forced_first = params.forced_first.filter(has);
        params.forced_last = params.forced_last.filter(has);
    }

    /// The preset that an option names.
    pub fn preset(&self) -> Option<&'static str> {
        self.base.preset.map(|preset| preset.name)
    }

    /// The names of the parameters that have no option and that `--preset` or `--params` changes.
    /// Of the file in a model's folder, for which nobody has asked, only the watermark is among
    /// them, because readers of the text may rely on it.
    pub fn names_of_source<'a>(&'a self, chosen: &'a Chosen) -> impl Iterator<Item = &'static str> + 'a {
        let is_explicit = self.base.preset.is_some() || self.base.params.is_some();
        let set = Parameter::ALL.iter().filter(move |parameter| {
            parameter.group != Group::Loop && (is_explicit || parameter.name == "watermark")
        });
        let changed = chosen.base.changed();
        set.map(|parameter| parameter.name)
            .filter(move |name| changed.iter().any(|(changed, _)| changed == name))
            .filter(|name| self.names().all(|given| given != *name))
    }

    /// True if `--verbose` asks for the parameters and their sources.
    pub fn is_verbose(&self) -> bool {
        self.base.verbose
    }

    /// Prints the parameters that differ from their defaults, each with its source. `has_effect`
    /// decides whether the strategy uses a parameter.
    pub fn print_parameters(&self, chosen: &Chosen, has_effect: impl Fn(&str) -> bool) {
        let Chosen { params, source, base, .. } = chosen;
        write_stderr!("sampling: parameters without an option are those of {source}");
        let of_base = base.changed();
        for (name, text) in params.changed().into_iter().filter(|(name, _)| has_effect(name)) {
            let given = self.given.iter().any(|(parameter, _)| parameter.name == name);
            let origin = match !given && of_base.iter().any(|entry| *entry == (name, text.clone())) {
                true => source.to_owned(),
                false if name == "max_tokens" && chosen.has_default_length => "default".to_owned(),
                // Limits of length have options of their own.
                false => option_name(name),
            };
            write_stderr!("  {name} {text}  ({origin})");
        }
        let lengths = chosen.set.iter().flat_map(|set| {
            let most = set.max_length.filter(|_| params.max_tokens.is_none());
            let least = set.min_length.filter(|_| params.min_tokens == base.min_tokens);
            [("max_length", most), ("min_length", least)]
        });
        for (name, length) in lengths {
            if let Some(length) = length.filter(|_| has_effect(name)) {
                write_stderr!("  {name} {length}, with the prompt  ({source})");
            }
        }
    }

    /// The remedy where no token is left: the options that may forbid what the constraint
    /// allows, if there are any. `what` names what allows tokens. `when` is the time at which no
    /// token was left.
    pub fn remedy_of_bans(&self, chosen: &Chosen, what: &str, when: NoTokenLeft) -> Option<String> {
        let names = chosen.params.changed().into_iter().map(|(name, _)| name);
        let is_ban = |bias: &f32| *bias == f32::NEG_INFINITY;
        let bans = names.filter(|name| match *name {
            "logit_bias" => chosen.params.logit_bias.iter().any(|(_, bias)| is_ban(bias)),
            "sequence_bias" => chosen.params.sequence_bias.iter().any(|(_, bias)| is_ban(bias)),
            // The search before the first pass does not look at repetitions.
            "no_repeat_ngram" => when == NoTokenLeft::AtSomeToken,
            name => BANS.contains(&name),
        });
        let origin = |name| origin(name, self.names(), &chosen.source, chosen.set.as_ref());
        let bans: Vec<String> = bans.map(origin).collect();
        match bans.as_slice() {
            [] => None,
            [only] => Some(format!("{only} forbids what {what} allows; leave it out or allow more")),
            several => {
                let all = several.join(", ");
                Some(format!("one of {all}, or several together, forbid what {what} allows; loosen them"))
            }
        }
    }

    /// The tokens that the parameters name, each with the option or the source that names it.
    pub fn named_tokens(&self, chosen: &Chosen) -> Vec<(String, TokenId)> {
        let origin = |name: &str| origin(name, self.names(), &chosen.source, chosen.set.as_ref());
        // The end tokens of the model's own file are the model's.
        let own = self.base.params.is_none();
        let tokens = chosen.params.tokens().into_iter();
        tokens
            .filter(|(name, _)| !(own && *name == "end_tokens"))
            .map(|(name, token)| (origin(name), token))
            .collect()
    }
}

/// Describes the origin of a parameter: `--top-k` if an option gives it, or else "`top_k` of" the
/// source, with the name that the source has for it. `given` are the names of the parameters that
/// have an option on the command line.
fn origin(
    name: &str,
    mut given: impl Iterator<Item = &'static str>,
    source: &str,
    set: Option<&ParameterSet>,
) -> String {
    match (given.any(|given| given == name), set.and_then(|set| set.field(name))) {
        (true, _) => option_name(name),
        (false, None) if name == "end_tokens" => "--stop-tokens".to_owned(),
        (false, field) => format!("`{}` of {source}", field.unwrap_or(name)),
    }
}

/// The time at which no token was left.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum NoTokenLeft {
    /// A search before the first pass has found no output.
    #[cfg_attr(not(feature = "torch"), allow(dead_code))]
    BeforeTheFirstPass,
    AtSomeToken,
}

/// The parameters that forbid tokens, whatever their values are, or prescribe them. A prescribed
/// last token is not among them: it gives way to the constraint.
const BANS: [&str; 5] =
    ["allowed_tokens", "bad_words", "begin_suppressed_tokens", "forced_first", "suppressed_tokens"];

/// Refuses a smallest number of tokens above the largest. `source` is the source of the largest, if
/// no option gives it.
pub(super) fn check_lengths(params: &SamplingParams, source: Option<&str>) -> Result<(), CommandError> {
    let least = params.min_tokens;
    match params.max_tokens.filter(|most| least > *most) {
        None => Ok(()),
        Some(most) => {
            let of = source.map_or_else(String::new, |source| format!(" ({source})"));
            let what = format!("at least {least} tokens are asked for, but at most {most}{of}");
            Err(CommandError::usage(what).help("raise --max-tokens, or lower --min-tokens"))
        }
    }
}

/// Removes the `min_length` of the file in the model's folder if it exceeds the largest number of
/// tokens of the output. `prompt` is the number of tokens of the prompt.
pub(super) fn leave_out_length(set: &mut ParameterSet, prompt: usize, params: &SamplingParams, source: &str) {
    let least = set.min_length.map_or(0, |length| length.saturating_sub(prompt));
    let most = set.max_length.map(|length| length.saturating_sub(prompt)).or(params.max_tokens);
    if let Some(most) = most.filter(|&most| least > most) {
        set.min_length = None;
        write_stderr!(
            "note: left out of `{source}`: min_length asks for {least} tokens of output, but it has at most {most}"
        );
    }
}

/// Refuses tokens that the model or the row does not have: those from `count` on. `limit` is the
/// reason in words: "the row has 4 logits".
pub(super) fn check_tokens(
    named: impl IntoIterator<Item = (String, TokenId)>,
    count: usize,
    limit: &str,
) -> Result<(), CommandError> {
    match named.into_iter().find(|(_, token)| token.index() >= count) {
        None => Ok(()),
        Some((origin, token)) => {
            Err(CommandError::usage(format!("{origin} names token {}, but {limit}", token.0)))
        }
    }
}

/// Makes a note of the fields of a file that are not used although they would change the output.
fn note_on_unused(source: &str, set: &ParameterSet, model: Option<&Path>) -> Option<String> {
    let names = set.unused.join(", ");
    // Without a model, nothing is generated, and the options of `generate` do not exist.
    let remedy = model.map(|_| options_for_unused(set)).unwrap_or_default();
    (!names.is_empty()).then(|| format!("not used of {source}: {names}{remedy}"))
}

/// Names the options of `generate` for fields that are not used: " (see --tools)".
fn options_for_unused(set: &ParameterSet) -> String {
    const OPTIONS: [(&str, &str); 14] = [
        ("messages", "--messages"),
        ("system", "--system"),
        ("tools", "--tools"),
        ("functions", "--tools"),
        ("tool_choice", "--tool-choice"),
        ("function_call", "--tool-choice"),
        ("parallel_tool_calls", "--one-call"),
        ("thinking", "--reasoning-budget"),
        ("output_config", "--schema"),
        ("output_format", "--schema"),
        ("stream", "--stream"),
        ("token_healing", "--healing"),
        ("prompt_lookup_num_tokens", "--draft ngram"),
        ("assistant_early_exit", "--draft skip:LAYERS"),
    ];
    let known = OPTIONS.iter().filter(|(field, _)| set.unused.iter().any(|name| name == field));
    let mut options: Vec<&str> = known.map(|(_, option)| *option).collect();
    options.dedup();
    match options.is_empty() {
        true => String::new(),
        false => format!(" (see {})", options.join(", ")),
    }
}

/// The preset that applies if nothing else sets the parameters: `balanced`.
fn default_preset() -> Preset {
    PRESETS[2]
}

/// Parses the value of `--preset`.
fn parse_preset(text: &str) -> Result<Preset, String> {
    Preset::by_name(text).ok_or_else(|| {
        let names: Vec<_> = PRESETS.iter().chain(&RECIPES).map(|preset| preset.name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// Parses the value of `--params`.
fn parse_parameter_file(text: &str) -> Result<ParameterFile, String> {
    let (api, path) = text.split_once(':').ok_or("expected API:FILE, such as openai:request.json")?;
    let api = api.parse().map_err(|error: UnknownName| error.to_string())?;
    if path.is_empty() {
        return Err("there is no file behind the `:`".to_owned());
    }
    Ok(ParameterFile { api, path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hedgerow::sampling::{
        AdaptiveP, ChainOrder, Dry, DynamicTemperature, ExponentialDecay, Mirostat, MirostatVersion, PLess,
        Selection, Smoothing, Step, Watermark, Xtc,
    };

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sampling: SamplingArgs,
    }

    fn parse(line: &str) -> Result<SamplingParams, String> {
        let words = std::iter::once("line").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let chosen = line.sampling.choose(None, Some(0), Some(9), 512);
        chosen.map(|chosen| chosen.params).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn every_option_reaches_its_parameter() {
        let line = "--temperature 0.5 --top-k 3 --top-p 0.8 --min-p 0.1 --seed 7 --repetition-penalty 1.1 \
            --repetition-window 64 --frequency-penalty -0.5 --presence-penalty 0.25 --logit-bias 5=-inf --logit-bias 6=1.5 \
            --dynamic-temperature range:0.5:1.5:2 --typical-p 0.9 --tfs-z 0.95 --epsilon-cutoff 0.01 --eta-cutoff 0.02 \
            --top-a 0.3 --top-n-sigma 2 --top-h 0.4 --p-less normalised --xtc 0.5:0.1 --smoothing 0.2:0.5 \
            --mirostat 1:4:0.2 --dry 0.8:1.5:3 --no-repeat-ngram 4 --exponential-decay 10:1.2 --suppressed-tokens 1 \
            --suppressed-tokens 2 --watermark 0.5:3 --selection gumbel-max";
        let dry = Dry::default().multiplier(0.8).base(1.5).allowed_length(3);
        let expected = SamplingParams::default()
            .temperature(0.5)
            .top_k(3)
            .top_p(0.8)
            .min_p(0.1)
            .seed(7)
            .repetition_penalty(1.1)
            .repetition_window(64)
            .frequency_penalty(-0.5)
            .presence_penalty(0.25)
            .logit_bias(vec![(TokenId(5), f32::NEG_INFINITY), (TokenId(6), 1.5)])
            .dynamic_temperature(DynamicTemperature::Range { low: 0.5, high: 1.5, exponent: 2.0 })
            .typical_p(0.9)
            .tfs_z(0.95)
            .epsilon_cutoff(0.01)
            .eta_cutoff(0.02)
            .top_a(0.3)
            .top_n_sigma(2.0)
            .top_h(0.4)
            .p_less(PLess::Normalised)
            .xtc(Xtc::new(0.5, 0.1))
            .smoothing(Smoothing::default().factor(0.2).curve(0.5))
            .mirostat(Mirostat::default().version(MirostatVersion::V1).tau(4.0).eta(0.2))
            .dry(dry)
            .no_repeat_ngram(4)
            .exponential_decay(ExponentialDecay::new(10, 1.2))
            .suppressed_tokens(vec![TokenId(1), TokenId(2)])
            .watermark(Watermark::default().greenlist_ratio(0.5).bias(3.0))
            .selection(Selection::GumbelMax)
            .max_tokens(9);
        assert_eq!(parse(line).unwrap(), expected);
        let other =
            "--adaptive-p 0.3 --dynamic-temperature position:40 --order mask,temperature,top-p,adaptive-p";
        let params = parse(other).unwrap();
        assert_eq!(params.adaptive_p, Some(AdaptiveP::default().target(0.3).decay(0.9)));
        assert_eq!(params.dynamic_temperature, Some(DynamicTemperature::Position { total: 40 }));
        assert_eq!(
            params.order,
            ChainOrder::Custom(vec![Step::Mask, Step::Temperature, Step::TopP, Step::AdaptiveP])
        );
    }

    #[test]
    fn the_help_names_the_defaults() {
        for (name, expected) in [
            ("temperature", " [default: that of --preset]"),
            ("top_k", " [default: 0]"),
            ("top_k_ties", " [default: lowest-id]"),
            ("xtc", " [default: off]"),
            ("order", " [default: hf]"),
            ("logit_bias", ""),
        ] {
            let parameter = Parameter::ALL.iter().find(|parameter| parameter.name == name).unwrap();
            assert_eq!(describe_default(parameter), expected);
        }
    }

    #[test]
    fn seeds_are_whole_numbers_of_any_size() {
        for (text, expected) in [
            ("7", Some(7)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551617", Some(1)),
            ("-18446744073709551617", Some(u64::MAX)),
            ("+3", Some(3)),
            ("", None),
            ("-", None),
            ("1.5", None),
            ("0x3", None),
        ] {
            assert_eq!(parse_seed(text), expected, "{text}");
        }
    }

    #[test]
    fn presets_give_way_to_options() {
        let expected = |temperature, top_p, penalty| {
            let params = SamplingParams::default().temperature(temperature).top_p(top_p);
            params.frequency_penalty(penalty).max_tokens(9)
        };
        for (line, temperature, top_p, penalty) in [
            ("", 0.7, 0.9, 0.0),
            ("--preset chat", 0.7, 0.9, 0.3),
            ("--preset creative_writing --top-p 1", 0.9, 1.0, 0.5),
            ("--preset factual --temperature 0.25 --frequency-penalty -1", 0.25, 1.0, -1.0),
        ] {
            assert_eq!(parse(line).unwrap(), expected(temperature, top_p, penalty), "{line}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "--temperature -1",
            "--top-p 1.5",
            "--xtc 0.5",
            "--xtc 0.5:0.1:3",
            "--mirostat 3",
            "--mirostat 2:x",
            "--logit-bias 5",
            "--logit-bias x=1",
            "--dynamic-temperature range:1",
            "--dynamic-temperature heat",
            "--exponential-decay 3:-1",
            "--dry x",
            "--order top-x",
            "--order top-k",
            "--mirostat 2 --adaptive-p 0.3",
            "--repetition-penalty nan",
            "--seed 1.5",
            "--preset nonesuch",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
