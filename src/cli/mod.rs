//! The `hedgerow` command: constrained generation, and looking at constraints and sampling chains,
//! from a terminal.
//!
//! Each subcommand has a file of its own. The other files hold what several subcommands share:
//! options (`constraint`, `tools`, `sampling`, `strategy`), reading files (`input`), the prompt
//! (`prompt`), options without effect (`effect`, `greedy`), Ctrl-C (`ctrl_c`), results
//! (`outcome`), the check of outputs by an independent validator (`judge`), the page about a run
//! (`trace`), the reason why an instance is refused (`explain`) and error messages
//! (`command_error`).
//!
//! Results go to stdout, and everything else goes to stderr. Exit codes: 0 for success, 1 for a
//! failure or a negative answer, 2 for a command line that cannot be used.

// Without models, `generate` checks its options and does nothing else.
#![cfg_attr(not(feature = "torch"), allow(dead_code))]

/// Writes a line to stderr. If stderr cannot be written to, the line is lost, and the command goes
/// on.
macro_rules! write_stderr {
    ($($line:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($line)*)));
    }};
}

mod check;
mod command_error;
mod compile;
mod constraint;
mod ctrl_c;
mod detect;
mod effect;
mod explain;
mod generate;
mod greedy;
mod input;
mod judge;
mod mask;
#[cfg(feature = "torch")]
mod model;
mod number;
#[cfg(feature = "torch")]
mod outcome;
mod policy;
mod prompt;
mod sample;
mod sampling;
mod strategy;
mod tools;
#[cfg(feature = "torch")]
mod trace;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

const AFTER_HELP: &str = "\
Exit codes:
  0  done; for `check`, the instance is accepted
  1  it failed, or the answer is no: the instance is refused, the output is cut off, there is no
     watermark
  2  the command line makes no sense
  130  Ctrl-C stopped `generate`

Results go to stdout, everything else to stderr.

Examples:
  hedgerow generate --model model.gguf --prompt 'Name a city.' --choice Paris --choice Rome
  hedgerow check --schema person.schema.json --instance ada.json
  hedgerow check --grammar list.gbnf --instance list.txt
  hedgerow mask --vocab tokenizer.json --regex '[0-9]{4}-[0-9]{2}' --prefix 20 --list
  hedgerow sample --logits row.npy --temperature 0.8 --top-k 40 --plot chain.svg";

/// Keeps a language model's output inside a grammar.
#[derive(Debug, Parser)]
#[command(name = "hedgerow", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(Box<generate::Args>),
    Check(check::Args),
    Mask(mask::Args),
    Sample(Box<sample::Args>),
    Compile(compile::Args),
    Detect(detect::Args),
    Tools(tools::Args),
}

/// Runs the command that the process was started with, and gives its exit code.
///
/// `program_with_libtorch` starts the program that runs models, if this one cannot.
pub(crate) fn main(program_with_libtorch: Option<fn() -> std::io::Result<ExitCode>>) -> ExitCode {
    let matches = with_negative_numbers(Cli::command()).get_matches();
    let given = effect::GivenOptions::of(&matches);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = given.check_standard_input().and_then(|()| match cli.command {
        Command::Generate(args) => generate::run(&args, &given, program_with_libtorch),
        Command::Check(args) => check::run(&args, &given),
        Command::Mask(args) => mask::run(&args, &given),
        Command::Sample(args) => sample::run(&args, &given),
        Command::Compile(args) => compile::run(&args, &given),
        Command::Detect(args) => detect::run(&args),
        Command::Tools(args) => tools::run(&args),
    });
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// The command with options that take negative numbers as values, so that `--completions -1` is
/// refused as a number and not as an unknown option.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|option| match option.get_action().takes_values() {
        true => option.allow_negative_numbers(true),
        false => option,
    });
    command.mut_subcommands(with_negative_numbers)
}

/// The exit code for a negative answer, such as that of `check` for an invalid instance.
const EXIT_NEGATIVE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        with_negative_numbers(Cli::command()).debug_assert();
    }
}
