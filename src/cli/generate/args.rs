//! The options of `hedgerow generate`.

use std::path::PathBuf;

use super::super::constraint::{ConstraintArgs, PolicyArgs};
use super::super::number::{parse_positive_number, parse_whole_number, range_parser};
use super::super::policy::policy_parser;
use super::super::prompt::PromptArgs;
use super::super::sampling::SamplingArgs;
use super::super::strategy::StrategyArgs;
use super::super::tools::ToolArgs;
use hedgerow::decode::{Budget, ForcedTokens, MAX_COMPLETIONS};

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
pub(in super::super) struct Args {
    /// The model: a GGUF file, or a folder with config.json, tokenizer.json and safetensors weights
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub constraint: ConstraintArgs,
    /// Largest number of tokens of an output [default: the one in --params or in the model's
    /// generation_config.json, or else 512]
    #[arg(long, value_name = "N", value_parser = parse_positive_number::<usize>)]
    pub max_tokens: Option<usize>,
    /// Smallest number of tokens of an output, unless the constraint and bans leave nothing but an
    /// end before. A text of --stop does not end an output before, and stays in it
    /// [default: the one in --params or in the model's generation_config.json, or else 0]
    #[arg(long, value_name = "N", value_parser = parse_whole_number::<usize>)]
    pub min_tokens: Option<usize>,
    /// End before this text (repeat the option)
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub stop: Vec<String>,
    /// End at the token with this id, too, beside the end tokens of the model (repeat the option)
    #[arg(long, value_name = "ID", value_parser = parse_whole_number::<u32>)]
    pub stop_tokens: Vec<u32>,
    /// Treatment of a constrained output that reaches --max-tokens: a short ending that the model
    /// has not chosen completes it in time, or it is cut. Either way it finishes by `length`, and
    /// the exit code is 1 [default: complete]
    #[arg(long, value_parser = policy_parser(Budget::ALL, Budget::name))]
    pub budget: Option<Budget>,
    /// Make N outputs, 1 to 4096 [default: the number in --params or in the model's
    /// generation_config.json, or else 1]
    #[arg(long, value_name = "N", value_parser = range_parser(1..=MAX_COMPLETIONS as u64))]
    pub completions: Option<u64>,
    /// Append text at once where the constraint allows only one continuation, or ask the model for
    /// every token [default: append, unless the strategy ranks tokens or an option forbids some]
    #[arg(long, value_parser = policy_parser(ForcedTokens::ALL, ForcedTokens::name))]
    pub forced: Option<ForcedTokens>,
    /// Write the output as it comes
    #[arg(long, conflicts_with = "json")]
    pub stream: bool,
    /// Write JSON: one line for each output (`lines`), or one indented object (`pretty`)
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "lines", value_enum)]
    pub json: Option<JsonForm>,
    /// With --json or --trace: log-probabilities of the tokens, and of the N most probable ones
    /// beside each
    #[arg(long, value_name = "N", value_parser = parse_whole_number::<usize>)]
    pub logprobs: Option<usize>,
    /// Write a page that shows every step: candidates before and after the mask, forced stretches,
    /// guesses that came true, tokens that the budget wrote
    #[arg(long, value_name = "FILE.html")]
    pub trace: Option<PathBuf>,
    /// Write no summary and no verdict to stderr
    #[arg(long, short)]
    pub quiet: bool,
    /// Compute on this device: cpu, cuda, cuda:N, or auto
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Number format to compute with: f32, bf16 or f16
    #[arg(long, default_value = "f32")]
    pub dtype: String,
    /// Threads to compute with, 1 to 1024 [default: one for each core]
    #[arg(long, value_name = "N", value_parser = range_parser(1..=1024_u64))]
    pub threads: Option<u64>,
    #[command(flatten)]
    pub strategy: StrategyArgs,
    #[command(flatten)]
    pub tools: ToolArgs,
    /// At most N tokens of reasoning; then MESSAGE and the end of reasoning are appended [default:
    /// no limit]
    #[arg(long, value_name = "N[:MESSAGE]", value_parser = reasoning_budget, help_heading = "Tools")]
    pub reasoning_budget: Option<(usize, String)>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// A number of tokens, and a message behind a colon.
fn reasoning_budget(text: &str) -> Result<(usize, String), String> {
    let (tokens, message) = text.split_once(':').unwrap_or((text, ""));
    Ok((parse_whole_number(tokens)?, message.to_owned()))
}

/// The layout of `--json`: one line for each output, or one indented object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in super::super) enum JsonForm {
    Lines,
    Pretty,
}
