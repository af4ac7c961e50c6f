//! `hedgerow compile`: all states of a constraint over a model's tokens, as a file.

use std::path::PathBuf;
use std::process::ExitCode;

use super::command_error::{CommandError, check_stdout};
use super::constraint::{PolicyArgs, VocabularyConstraintArgs};
use super::effect::GivenOptions;
use super::number::parse_whole_number;
use std::io::{self, Write};

const AFTER_HELP: &str = "\
For loops that run without this library, such as on a GPU: which tokens each state allows, and where they \
lead. Only constraints with finitely many states have such a file: regular expressions, choices, schemas \
without recursion or free keys. Equal states are merged. hr_token_fsm_from_bytes() and \
TokenFsm::from_bytes() read the file; src/engine/token_fsm/format.rs lays its format down.

Exit codes:
  0  done
  1  it failed, or there are more than --max-states states
  2  the command line makes no sense

Examples:
  hedgerow compile --vocab tokenizer.json --regex '[0-9]{4}-[0-9]{2}' --fsm date.fsm
  hedgerow compile --vocab model.gguf --choice yes --choice no --fsm answer.fsm";

const USAGE: &str = "\
hedgerow compile [OPTIONS] --vocab <PATH> --fsm <FILE> <--schema <FILE>|--regex <PATTERN>|
                            --grammar <FILE>|--choice <TEXT>|--structural-tag <FILE>>";

/// Writes a constraint as a finished state machine over tokens
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, override_usage = USAGE)]
pub(super) struct Args {
    #[command(flatten)]
    constraint: VocabularyConstraintArgs,
    /// Write the state machine to FILE
    #[arg(long, value_name = "FILE")]
    fsm: PathBuf,
    /// Give up beyond this many states, counted before equal ones are merged
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = parse_whole_number::<usize>)]
    max_states: usize,
    #[command(flatten)]
    policy: PolicyArgs,
}

pub(super) fn run(args: &Args, given: &GivenOptions) -> Result<ExitCode, CommandError> {
    let constraint = args.constraint.load(&args.policy, given)?;
    let fsm = constraint
        .compile_token_fsm(args.max_states)
        .map_err(|error| CommandError::new("the constraint has no state machine").because(&error))?;
    let bytes = fsm.to_bytes();
    std::fs::write(&args.fsm, &bytes).map_err(|error| {
        CommandError::new(format!("cannot write the state machine `{}`", args.fsm.display())).because(&error)
    })?;
    let text = format!(
        "states   {}\nclasses  {}\nedges    {}\nbytes    {}\n",
        fsm.state_count(),
        fsm.class_count(),
        fsm.edge_classes().len(),
        bytes.len()
    );
    check_stdout(io::stdout().lock().write_all(text.as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}
