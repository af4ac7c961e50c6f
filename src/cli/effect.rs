//! Checks of the command line as a whole: options that have no effect beside the others, and
//! options that would all read standard input.
//!
//! An option without effect is refused where it can only be a mistake, such as `--budget` without a
//! constraint. It is named in a note where scripts may well give it, such as `--seed` at
//! temperature 0: see `greedy`.

use clap::parser::ValueSource;
use clap::{ArgMatches, Id};
use hedgerow::decode::{Budget, ForcedTokens, Strategy};
use hedgerow::sampling::SamplingParams;

use super::command_error::CommandError;

/// The thing that an option needs to have an effect: `--budget` needs a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Constraint,
    Schema,
    Pretty,
    Regex,
    Grammar,
    Beams,
    Draft,
    Guidance,
    Json,
    Instance,
    Explain,
    Assertion,
}

/// Options with the thing that each needs. An option may stand here several times.
const NEEDS: [(&str, Need); 34] = [
    ("budget", Need::Constraint),
    ("forced", Need::Constraint),
    ("key_order", Need::Schema),
    ("whitespace", Need::Schema),
    ("indent", Need::Schema),
    ("indent", Need::Pretty),
    ("separators", Need::Schema),
    ("whitespace_pattern", Need::Schema),
    ("additional_properties", Need::Schema),
    ("escapes", Need::Schema),
    ("unique_keys", Need::Schema),
    ("numbers", Need::Schema),
    ("format", Need::Schema),
    ("content_encoding", Need::Schema),
    ("unknown_format", Need::Schema),
    ("unknown_format", Need::Assertion),
    ("default_draft", Need::Schema),
    ("documents", Need::Schema),
    ("fuel", Need::Schema),
    ("surrounding_whitespace", Need::Schema),
    ("max_string_length", Need::Schema),
    ("max_items", Need::Schema),
    ("max_digits", Need::Schema),
    ("strictness", Need::Schema),
    ("regex_dialect", Need::Regex),
    ("grammar_notation", Need::Grammar),
    ("start", Need::Grammar),
    ("import_dir", Need::Grammar),
    ("early_stopping", Need::Beams),
    ("draft_tokens", Need::Draft),
    ("draft_choice", Need::Draft),
    ("accept_typical", Need::Draft),
    ("negative_prompt", Need::Guidance),
    ("logprobs", Need::Json),
];

/// Options of `check` with the thing that each needs. They are apart, because other subcommands
/// have options of the same names without these needs.
const NEEDS_OF_CHECK: [(&str, Need); 3] =
    [("explain", Need::Instance), ("vocab", Need::Explain), ("events", Need::Instance)];

impl Need {
    /// Describes the thing, and says how to give it.
    fn description_and_remedy(self) -> (&'static str, &'static str) {
        match self {
            Need::Constraint => ("a constraint", "give one, such as by --schema FILE or --regex PATTERN"),
            Need::Schema => ("a schema", "give one, such as by --schema FILE"),
            Need::Pretty => ("--whitespace pretty", "give it"),
            Need::Regex => ("--regex", "give --regex PATTERN"),
            Need::Grammar => ("--grammar", "give --grammar FILE"),
            Need::Beams => ("beams", "give --strategy beam:BEAMS"),
            Need::Draft => ("--draft", "give --draft DRAFTER"),
            Need::Guidance => ("--guidance", "give --guidance SCALE"),
            Need::Json => ("--json or --trace", "give --json"),
            Need::Assertion => ("--format assert", "give it"),
            Need::Instance => ("--instance", "give --instance FILE"),
            Need::Explain => ("--explain", "give --explain"),
        }
    }
}

/// The options whose value may be `-`, which is standard input. If more stands before the `-`, as
/// in `--documents URI=-`, the second member is the sign between the two.
const STDIN_OPTIONS: [(&str, &str); 13] = [
    ("params", ":"),
    ("schema", ""),
    ("documents", "="),
    ("structural_tag", ""),
    ("grammar", ""),
    ("tools", ""),
    ("messages", ""),
    ("prompt", ""),
    ("negative_prompt", ""),
    ("instance", ""),
    ("vocab", ""),
    ("text", ""),
    ("logits", ""),
];

/// The options that the command line gives, by name.
#[derive(Debug)]
pub(super) struct GivenOptions {
    names: Vec<String>,
    is_check: bool,
    /// The options that read standard input.
    stdin_options: Vec<&'static str>,
}

impl GivenOptions {
    /// The options of a subcommand.
    pub fn of(matches: &ArgMatches) -> Self {
        let Some((command, options)) = matches.subcommand() else {
            return Self { names: Vec::new(), is_check: false, stdin_options: Vec::new() };
        };
        let is_given = |id: &&Id| options.value_source(id.as_str()) == Some(ValueSource::CommandLine);
        let names = options.ids().filter(is_given).map(|id| id.as_str().to_owned()).collect();
        let reads = |(name, before): &&(&str, &str)| {
            let values = options.try_get_raw(name).ok().flatten().into_iter().flatten();
            let mut values = values.filter_map(|value| value.to_str()?.strip_suffix('-'));
            values.any(|start| start.ends_with(before) && start.is_empty() == before.is_empty())
        };
        let stdin_options = STDIN_OPTIONS.iter().filter(reads).map(|(name, _)| *name).collect();
        Self { names, is_check: command == "check", stdin_options }
    }

    /// Refuses two options that read standard input.
    pub fn check_standard_input(&self) -> Result<(), CommandError> {
        match self.stdin_options.as_slice() {
            [first, second, ..] => {
                let (first, second) = (option_name(first), option_name(second));
                Err(CommandError::usage(format!("{first} and {second} cannot both read standard input"))
                    .help("give one of them as a file or as text"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses options of schemas if the constraint has no schemas in it.
    pub fn check_schema_options(&self, has_schemas: bool) -> Result<(), CommandError> {
        self.check(|need| need != Need::Schema || has_schemas)
    }

    /// Refuses an option whose need is not met. `meets` decides whether a need is met.
    pub fn check(&self, meets: impl Fn(Need) -> bool) -> Result<(), CommandError> {
        let of_check = NEEDS_OF_CHECK.iter().filter(|_| self.is_check);
        let unmet = NEEDS
            .iter()
            .chain(of_check)
            .find(|(name, need)| self.names.iter().any(|given| given == name) && !meets(*need));
        let Some((name, need)) = unmet else { return Ok(()) };
        let (what, remedy) = need.description_and_remedy();
        Err(CommandError::usage(format!("{} has no effect without {what}", option_name(name)))
            .help(format!("{remedy}, or leave {} out", option_name(name))))
    }
}

/// A parameter that refines another one, that other one, and a test that the other one is switched
/// on. `top_k_ties` refines `top_k`.
type Companion = (&'static str, &'static str, fn(&SamplingParams) -> bool);

/// All parameters that refine another one.
const COMPANIONS: [Companion; 3] = [
    ("repetition_window", "repetition_penalty", |params| params.repetition_penalty != 1.0),
    ("top_k_ties", "top_k", |params| params.top_k > 0),
    ("tfs_end", "tfs_z", |params| params.tfs_z < 1.0),
];

/// Refuses a parameter if the one that it refines is off. `given` are the names of the parameters
/// that have an option on the command line.
pub(super) fn check_companions(
    given: impl Iterator<Item = &'static str>,
    params: &SamplingParams,
) -> Result<(), CommandError> {
    for name in given {
        let companion = COMPANIONS.iter().find(|(parameter, _, is_on)| *parameter == name && !is_on(params));
        if let Some((_, other, _)) = companion {
            let (name, other) = (option_name(name), option_name(other));
            return Err(CommandError::usage(format!("{name} has no effect without {other}"))
                .help(format!("give {other}, or leave {name} out")));
        }
    }
    Ok(())
}

/// Refuses a budget that the strategy does not obey.
pub(super) fn check_budget(budget: Option<Budget>, strategy: &Strategy) -> Result<(), CommandError> {
    match budget {
        Some(Budget::Complete) if !matches!(strategy, Strategy::Sample | Strategy::BestOf(_)) => {
            Err(CommandError::usage("--budget complete has no effect on this strategy")
                .help("only --strategy sample and best-of complete outputs; others cut them at the limit"))
        }
        _ => Ok(()),
    }
}

/// Refuses to append forced tokens under a strategy that asks the model for every token.
pub(super) fn check_forced(forced: Option<ForcedTokens>, strategy: &Strategy) -> Result<(), CommandError> {
    match forced {
        Some(ForcedTokens::Append) if matches!(strategy, Strategy::Beam(_) | Strategy::Contrastive(_)) => {
            Err(CommandError::usage("--forced append has no effect on this strategy")
                .help("only --strategy sample and best-of append text; others ask the model for every token"))
        }
        _ => Ok(()),
    }
}

/// The name of the option of a parameter: `--top-k` for `top_k`.
pub(super) fn option_name(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::super::constraint::PolicyArgs;
    use super::*;
    use clap::{CommandFactory, ValueHint};

    /// Every option that names a file reads it with `input`, which allows standard input. The
    /// others name files that are written to, or files of models.
    #[test]
    fn every_option_that_reads_a_file_is_listed() {
        const OTHERS: [&str; 8] =
            ["model", "amateur", "import_dir", "trace", "plot", "fsm", "template", "tool_format"];
        for command in Cli::command().get_subcommands() {
            let files = command.get_arguments().filter(|a| a.get_value_hint() == ValueHint::AnyPath);
            for name in files.map(|argument| argument.get_id().as_str()) {
                let is_listed = STDIN_OPTIONS.iter().any(|(reader, _)| *reader == name);
                assert!(is_listed != OTHERS.contains(&name), "{name}");
            }
        }
    }

    /// Every option of schemas, patterns and grammars has a row in `NEEDS`.
    #[test]
    fn every_option_of_constraints_has_a_need() {
        let command = <PolicyArgs as clap::Args>::augment_args(clap::Command::new("x"));
        for option in command.get_arguments().map(|argument| argument.get_id().as_str()) {
            assert!(NEEDS.iter().any(|(name, _)| *name == option), "{option}");
        }
    }
}
