//! Options that have no effect beside the others.
//!
//! Such an option is refused where it can only be a mistake, such as `--budget` without a
//! constraint. It is told in a note where scripts may well give it, such as `--seed` at temperature
//! 0.

use hedgerow::decode::{Budget, Strategy};
use hedgerow::sampling::{DynamicTemperature, SamplingParams};

use super::command_error::CommandError;

/// A parameter, the one that it belongs to, and the test whether that one is switched on.
type Companion = (&'static str, &'static str, fn(&SamplingParams) -> bool);

const COMPANIONS: [Companion; 3] = [
    ("repetition_window", "repetition_penalty", |params| params.repetition_penalty != 1.0),
    ("top_k_ties", "top_k", |params| params.top_k > 0),
    ("tfs_end", "tfs_z", |params| params.tfs_z < 1.0),
];

/// Refuses a parameter whose companion is off. `given` are the names of the parameters that have an
/// option on the command line.
pub(super) fn check_companions(
    given: impl Iterator<Item = &'static str>,
    params: &SamplingParams,
) -> Result<(), CommandError> {
    for name in given {
        let companion = COMPANIONS.iter().find(|(parameter, _, is_on)| *parameter == name && !is_on(params));
        if let Some((_, other, _)) = companion {
            let (name, other) = (option_of(name), option_of(other));
            return Err(CommandError::usage(format!("{name} has no effect without {other}"))
                .help(format!("give {other}, or leave {name} out")));
        }
    }
    Ok(())
}

/// The parameters that leave the most probable token as it is. Others may remove it or change the
/// order of tokens: `typical_p`, for example, may drop it.
const KEEP_THE_FIRST: [&str; 14] = [
    "epsilon_cutoff",
    "eta_cutoff",
    "min_p",
    "p_less",
    "seed",
    "selection",
    "smoothing",
    "tfs_end",
    "tfs_z",
    "top_a",
    "top_h",
    "top_k",
    "top_n_sigma",
    "top_p",
];

/// Notes about what temperature 0 makes void: options of drawing, and all outputs but one.
/// `outputs` is the number of outputs that are drawn.
pub(super) fn notes_at_temperature_0(
    given: impl Iterator<Item = &'static str>,
    params: &SamplingParams,
    outputs: usize,
) -> Vec<String> {
    let is_drawn = params.temperature != 0.0
        || matches!(params.dynamic_temperature, Some(DynamicTemperature::Range { .. }))
        || params.xtc.is_some()
        || params.mirostat.is_some()
        || params.adaptive_p.is_some();
    if is_drawn {
        return Vec::new();
    }
    let void: Vec<String> = given.filter(|name| KEEP_THE_FIRST.contains(name)).map(option_of).collect();
    let mut notes = Vec::new();
    if !void.is_empty() {
        notes.push(format!(
            "at temperature 0 the most probable token is taken, and {} changes nothing",
            void.join(", ")
        ));
    }
    if outputs > 1 {
        notes.push(format!("at temperature 0 all {outputs} outputs that are drawn are alike"));
    }
    notes
}

/// Refuses a budget that nothing obeys.
pub(super) fn check_budget(
    budget: Option<Budget>,
    is_constrained: bool,
    strategy: &Strategy,
) -> Result<(), CommandError> {
    match budget {
        Some(_) if !is_constrained => Err(CommandError::usage("--budget has no effect without a constraint")
            .help(
                "give --schema, --regex, --grammar, --choice, --structural-tag or --tools, or leave it out",
            )),
        Some(Budget::Complete) if !matches!(strategy, Strategy::Sample | Strategy::BestOf(_)) => {
            Err(CommandError::usage("--budget complete has no effect on this strategy")
                .help("only --strategy sample and best-of complete outputs; others cut them at the limit"))
        }
        _ => Ok(()),
    }
}

/// The option of a parameter.
pub(super) fn option_of(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}
