//! `hedgerow sample`: what each step of a chain does to a row of logits, as a table, as JSON, and
//! as a picture.
//!
//! The steps run one by one ([`Sampler::stages`]), and the command shows the whole distribution
//! after each. The token that the seed draws comes last. The module `logits` reads the row, and
//! `plot` draws the picture.

mod logits;
mod plot;

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::command_error::{CommandError, check_stdout};
use super::constraint::{CONSTRAINT_OPTIONS, ConstraintArgs, PolicyArgs, fit_to_vocabulary};
use super::effect::{GivenOptions, option_name};
use super::greedy;
use super::input;
use super::mask::{describe_token, read_prefix};
use super::number::parse_whole_number;
use super::sampling::{Chosen, NoTokenLeft, SamplingArgs, check_tokens};
use hedgerow::sampling::parameter_sets::ParameterSet;
use hedgerow::sampling::{Sampled, Sampler, SamplingError, Stage, Step, WatermarkSeeding};
use hedgerow::vocab::{TokenId, TokenSet, Vocabulary};

const AFTER_HELP: &str = "\
The first table has one line for each step of the chain: how many tokens are left, how much probability \
they had before the step (mass), and the entropy of what is left. The second follows the most probable \
tokens through the chain: one column for each step, `-` where a token is dropped. The last line is the \
token that the seed draws. Steps that the options leave off are not shown.

Logits come from a NumPy file (float16, float32 or float64) or a JSON array in which null stands for \
-inf; one row, or several of which --row chooses one.

Exit codes:
  0  done
  1  it failed: the logits cannot be read, or no token is left to draw
  2  the command line makes no sense

Examples:
  hedgerow sample --logits row.npy --temperature 0.8 --top-k 40 --plot chain.svg
  hedgerow sample --logits logits.npy --row 3 --vocab tokenizer.json --regex '[0-9]+' --prefix 20
  echo '[1, 2.5, null, 0.5]' | hedgerow sample --logits - --top-p 1 --typical-p 0.9 --json";

/// Shows what each step of a sampling chain does to a row of logits
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// The logits: a `.npy` file or JSON (`-` is standard input)
    #[arg(long, value_name = "FILE")]
    logits: PathBuf,
    /// The row to sample from, counted from 0, in a file of several
    #[arg(long, value_name = "N", value_parser = parse_whole_number::<usize>)]
    row: Option<usize>,
    /// Show the text of tokens: a tokenizer.json, tekken.json, SentencePiece model or GGUF file, or
    /// a model's folder with one of them
    #[arg(long, value_name = "PATH")]
    vocab: Option<PathBuf>,
    /// Follow the N most probable tokens
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = parse_whole_number::<usize>)]
    top: usize,
    /// Write one JSON object in place of the tables
    #[arg(long)]
    json: bool,
    /// Draw the distribution before and after each step into FILE
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Ids of the prompt's tokens, for penalties (commas between them)
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = parse_whole_number::<u32>)]
    prompt_ids: Vec<u32>,
    /// Ids of the tokens generated so far, for penalties and the position (commas between them)
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = parse_whole_number::<u32>)]
    output_ids: Vec<u32>,
    /// Smallest number of tokens of an output; end tokens are held back before
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_whole_number::<usize>)]
    min_tokens: usize,
    /// A token that ends the output, beside those of the vocabulary (repeat the option)
    #[arg(long, value_name = "ID", value_parser = parse_whole_number::<u32>)]
    stop_tokens: Vec<u32>,
    #[command(flatten)]
    constraint: ConstraintArgs,
    /// The output so far as the constraint sees it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

pub(super) fn run(args: &Args, given: &GivenOptions) -> Result<ExitCode, CommandError> {
    given.check(|need| args.constraint.meets(need) && args.policy.meets(need))?;
    let chosen = args.sampling.choose(None, Some(args.min_tokens), None, usize::MAX)?;
    chosen.notes.iter().for_each(|note| write_stderr!("note: {note}"));
    check_row_options(args, &chosen)?;
    if args.sampling.is_verbose() {
        // A row has no greatest length.
        args.sampling.print_parameters(&chosen, |name| name != "max_tokens");
    }
    let loaded = args.constraint.load(&args.policy)?;
    given.check_schema_options(loaded.as_ref().is_some_and(|loaded| loaded.has_schemas))?;
    let grammar = loaded.map(|loaded| loaded.grammar);
    if grammar.is_none() && !args.prefix.is_empty() {
        return Err(CommandError::usage(
            "--prefix is the output so far under a constraint, but none is given",
        )
        .help(format!("give one of {CONSTRAINT_OPTIONS}")));
    }
    if grammar.is_some() && args.vocab.is_none() {
        return Err(CommandError::usage("a constraint needs a vocabulary").help("give it with --vocab FILE"));
    }
    let row = read_row(&args.logits, args.row)?;
    let mut named = args.sampling.named_tokens(&chosen);
    for (option, ids) in [
        ("--prompt-ids", &args.prompt_ids),
        ("--output-ids", &args.output_ids),
        ("--stop-tokens", &args.stop_tokens),
    ] {
        named.extend(ids.iter().map(|&id| (option.to_owned(), TokenId(id))));
    }
    check_tokens(named, row.len(), &format!("the row has {} logits", row.len()))?;
    let what = if grammar.is_some() { "the constraint" } else { "the row" };
    let bans = args.sampling.remedy_of_bans(&chosen, what, NoTokenLeft::AtSomeToken);
    let mut params = chosen.params.clone();
    let vocabulary =
        args.vocab.as_deref().map(|path| read_fitting_vocabulary(path, row.len())).transpose()?;
    params.end_tokens = args.stop_tokens.iter().copied().map(TokenId).collect();
    params.end_tokens.extend(vocabulary.iter().flat_map(|vocabulary| vocabulary.eos()));
    if args.min_tokens > 0 && params.end_tokens.is_empty() {
        return Err(CommandError::usage("--min-tokens holds back end tokens, but none are known")
            .help("name them with --stop-tokens, or give a vocabulary that has them with --vocab"));
    }
    let mut mask = None;
    if let (Some(grammar), Some(vocabulary)) = (&grammar, &vocabulary) {
        let constraint = fit_to_vocabulary(grammar, vocabulary, "the vocabulary")?;
        let mut matcher = read_prefix(constraint.matcher(), &args.prefix)?;
        mask = Some(
            matcher.mask().map_err(|error| CommandError::new("cannot compute the mask").because(&error))?,
        );
    }
    let mut sampler = Sampler::new(params)
        .map_err(|error| args.sampling.parameter_error(&error, &chosen.source, chosen.set.as_ref()))?;
    sampler.with_prompt(&args.prompt_ids.iter().copied().map(TokenId).collect::<Vec<_>>());
    args.output_ids.iter().for_each(|&id| sampler.accept(TokenId(id)));
    let report = Report::new(&mut sampler, &row, mask.as_deref()).map_err(|error| {
        let failure = CommandError::new("the row cannot be sampled").because(&error);
        match (error, bans) {
            (SamplingError::EmptySupport { .. }, Some(bans)) => failure.help(bans),
            _ => failure,
        }
    })?;
    if let Some(path) = &args.plot {
        let title = match args.row {
            Some(row) => format!("{}, row {row}", args.logits.display()),
            None => args.logits.display().to_string(),
        };
        std::fs::write(path, plot::draw_chain(&title, &report.stages)).map_err(|error| {
            CommandError::new(format!("cannot write the plot `{}`", path.display())).because(&error)
        })?;
    }
    let text = match args.json {
        true => format!("{:#}\n", report.to_json(args.top, vocabulary.as_ref())),
        false => report.to_tables(args.top, vocabulary.as_ref()),
    };
    check_stdout(io::stdout().write_all(text.as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}

/// The steps that look at the tokens of the prompt.
const PROMPT_STEPS: [Step; 6] = [
    Step::SequenceBias,
    Step::BadWords,
    Step::NoRepeatNgram,
    Step::RepetitionPenalty,
    Step::Dry,
    Step::Watermark,
];

/// Refuses parameters and options that have no effect on a single row, or prints notes on them.
fn check_row_options(args: &Args, chosen: &Chosen) -> Result<(), CommandError> {
    let mut names = args.sampling.names();
    if names.any(|name| name == "forced_last") {
        let what = "--forced-last has no effect on a single row, which may not be the last of an output";
        return Err(CommandError::usage(what).help("--forced-first ID forces a token here"));
    }
    for note in greedy::notes_at_temperature_0(&args.sampling, chosen, &[], 1)? {
        write_stderr!("note: {note}");
    }
    if !args.prompt_ids.is_empty() && !PROMPT_STEPS.iter().any(|step| step.is_active(&chosen.params)) {
        write_stderr!("note: --prompt-ids changes nothing, as no step looks at the prompt");
    }
    let params = &chosen.params;
    if !args.stop_tokens.is_empty() && args.min_tokens == 0 && params.exponential_decay.is_none() {
        write_stderr!("note: --stop-tokens changes nothing without --min-tokens or --exponential-decay");
    }
    let of_first =
        args.sampling.names().find(|name| matches!(*name, "forced_first" | "begin_suppressed_tokens"));
    if let (Some(name), false) = (of_first, args.output_ids.is_empty()) {
        write_stderr!("note: {} changes nothing behind the first token of an output", option_name(name));
    }
    let width = params.watermark.as_ref().map_or(0, |watermark| match watermark.seeding {
        WatermarkSeeding::SelfHash { context_width } => context_width,
        _ => 1,
    });
    if args.prompt_ids.len() + args.output_ids.len() < width {
        write_stderr!(
            "note: --watermark changes nothing behind fewer than {width} tokens of prompt and output"
        );
    }
    let loop_settings = chosen.set.as_ref().map_or_else(Vec::new, loop_settings);
    if !loop_settings.is_empty() {
        write_stderr!(
            "note: not used of {}: {}, which concern whole outputs",
            chosen.source,
            loop_settings.join(", ")
        );
    }
    Ok(())
}

/// Names the settings of a file of parameters that concern whole outputs, not a single row.
fn loop_settings(set: &ParameterSet) -> Vec<&'static str> {
    let all = [
        ("stop strings", !set.stop.is_empty()),
        ("forbidden texts", !set.bad_words.is_empty()),
        ("the number of outputs", set.completions != 1),
        ("the number of log-probabilities", set.logprobs.is_some()),
        ("the response format", set.response_format.is_some()),
        ("beams", set.beams.is_some()),
        ("the greatest length", set.sampling.max_tokens.or(set.max_length).is_some()),
        ("the least length", set.sampling.min_tokens > 0 || set.min_length.is_some()),
    ];
    all.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
}

/// Reads a row of logits from a file.
fn read_row(path: &Path, row: Option<usize>) -> Result<Vec<f32>, CommandError> {
    let bytes = input::read(path, "logits")?;
    match logits::read(&bytes, row) {
        Ok(rows) => Ok(rows.logits),
        Err(logits::LogitsError { what, help }) => {
            Err(CommandError::new(format!("cannot use the logits `{}`: {what}", path.display())).help(help))
        }
    }
}

/// Reads a vocabulary and fits it to the number of logits in the row. A row may have more logits
/// than the tokenizer has tokens, since models pad their output layers.
fn read_fitting_vocabulary(path: &Path, logits: usize) -> Result<Vocabulary, CommandError> {
    input::read_vocabulary(path)?.with_model_size(logits).map_err(|error| {
        let what = format!("the row's {logits} logits are not those of the vocabulary `{}`", path.display());
        CommandError::new(what)
            .because(&error)
            .help("give the vocabulary of the model that the logits come from")
    })
}

/// The result of the command: the distribution after each step, and the token drawn at the end.
struct Report {
    stages: Vec<StageResult>,
    drawn: Sampled,
}

/// The distribution that a step leaves.
struct StageResult {
    name: &'static str,
    /// The tokens that are left with their probabilities, the most probable first.
    kept: Vec<(TokenId, f32)>,
    /// The probability that the kept tokens had before the step.
    mass: f64,
}

impl StageResult {
    /// The entropy in bits: −Σ p log₂ p.
    fn entropy(&self) -> f64 {
        let terms = self.kept.iter().filter(|entry| entry.1 > 0.0);
        // Adding zero makes a negative zero positive.
        terms.map(|&(_, p)| -f64::from(p) * f64::from(p).log2()).sum::<f64>().max(0.0) + 0.0
    }

    /// The distribution as a map.
    fn distribution(&self) -> HashMap<TokenId, f32> {
        self.kept.iter().copied().collect()
    }
}

/// Adds up the probabilities that the tokens of one distribution have in another.
fn mass_in(kept: &[(TokenId, f32)], distribution: &HashMap<TokenId, f32>) -> f64 {
    // Rounding may take the sum of all a little above 1.
    kept.iter().filter_map(|entry| distribution.get(&entry.0)).map(|&p| f64::from(p)).sum::<f64>().min(1.0)
}

impl Report {
    /// Runs the chain on a row, and then draws a token.
    fn new(sampler: &mut Sampler, row: &[f32], mask: Option<&TokenSet>) -> Result<Report, SamplingError> {
        let words = mask.map(TokenSet::words);
        let stages = sampler.stages(row, words)?;
        let mut before: Option<HashMap<TokenId, f32>> = None;
        let mut seen = Vec::with_capacity(stages.len());
        for Stage { name, kept, .. } in stages {
            let mass = before.map_or(1.0, |before| mass_in(&kept, &before));
            let stage = StageResult { name, kept, mass };
            before = Some(stage.distribution());
            seen.push(stage);
        }
        Ok(Report { stages: seen, drawn: sampler.sample(row, words)? })
    }

    /// The tokens that the report follows through the chain: those among the `top` most probable
    /// ones before or after some step, in the order of the first such step.
    fn followed_tokens(&self, top: usize) -> Vec<TokenId> {
        let mut known = HashSet::new();
        let heads = self.stages.iter().flat_map(|stage| stage.kept.iter().take(top));
        heads.map(|entry| entry.0).filter(|&token| known.insert(token)).collect()
    }

    /// Lays the report out as tables.
    fn to_tables(&self, top: usize, vocabulary: Option<&Vocabulary>) -> String {
        let mut steps = vec![["step", "kept", "mass", "bits"].map(str::to_owned).to_vec()];
        for stage in &self.stages {
            steps.push(vec![
                stage.name.to_owned(),
                stage.kept.len().to_string(),
                format!("{:.4}", stage.mass),
                format!("{:.2}", stage.entropy()),
            ]);
        }
        let distributions: Vec<_> = self.stages.iter().map(StageResult::distribution).collect();
        let mut tokens = vec![vec!["token".to_owned()]];
        tokens[0].extend(self.stages.iter().map(|stage| stage.name.to_owned()));
        for token in self.followed_tokens(top) {
            let mut line = vec![token_label(token, vocabulary)];
            line.extend(distributions.iter().map(|distribution| {
                distribution.get(&token).map_or("-".to_owned(), |&p| format_probability(p))
            }));
            tokens.push(line);
        }
        let drawn = format!(
            "drawn  {}  with probability {}\n",
            token_label(self.drawn.token, vocabulary),
            format_probability(self.drawn.logprob.exp())
        );
        let tokens = if top > 0 { align_columns(&tokens) + "\n" } else { String::new() };
        format!("{}\n{tokens}{drawn}", align_columns(&steps))
    }

    /// Converts the report to JSON.
    fn to_json(&self, top: usize, vocabulary: Option<&Vocabulary>) -> Value {
        let with_text = |token: TokenId, mut value: Value| {
            if let Some(text) = token_text(token, vocabulary) {
                value["text"] = text.into();
            }
            value
        };
        let distributions: Vec<_> = self.stages.iter().map(StageResult::distribution).collect();
        let tokens = self.followed_tokens(top);
        let stages = self.stages.iter().enumerate().map(|(at, stage)| {
            let before = at.checked_sub(1).map(|at| &distributions[at]);
            let entry = |&token: &TokenId| {
                let p =
                    |distribution: &HashMap<TokenId, f32>| distribution.get(&token).copied().unwrap_or(0.0);
                let before = before.map_or(Value::Null, |before| p(before).into());
                with_text(token, json!({"token": token.0, "before": before, "after": p(&distributions[at])}))
            };
            json!({
                "step": stage.name,
                "kept": stage.kept.len(),
                "mass": round_to_six_decimals(stage.mass),
                "entropy_bits": round_to_six_decimals(stage.entropy()),
                "tokens": tokens.iter().map(entry).collect::<Vec<_>>(),
            })
        });
        let drawn = json!({"token": self.drawn.token.0, "logprob": self.drawn.logprob});
        json!({"steps": stages.collect::<Vec<_>>(), "drawn": with_text(self.drawn.token, drawn)})
    }
}

/// The text of a token, if there is a vocabulary that has the token.
fn token_text(token: TokenId, vocabulary: Option<&Vocabulary>) -> Option<String> {
    vocabulary.filter(|v| token.index() < v.size()).map(|vocabulary| describe_token(vocabulary, token))
}

/// Labels a token in a table: its id, and its text if that is known.
fn token_label(token: TokenId, vocabulary: Option<&Vocabulary>) -> String {
    /// The largest number of characters shown. Longer texts are cut, so that the table's columns
    /// stay narrow.
    const LONGEST: usize = 24;
    match token_text(token, vocabulary) {
        None => token.0.to_string(),
        Some(text) if text.chars().count() <= LONGEST => format!("{} {text}", token.0),
        Some(text) => format!("{} {}…", token.0, text.chars().take(LONGEST - 1).collect::<String>()),
    }
}

/// Rounds to six decimals, the precision of sums of 32-bit probabilities.
fn round_to_six_decimals(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Writes a probability with four decimals, or a smaller one with two digits.
fn format_probability(p: f32) -> String {
    match p {
        0.001.. => format!("{p:.4}"),
        _ => format!("{p:.1e}"),
    }
}

/// Lays out lines in columns: the first is aligned to the left, the others to the right.
fn align_columns(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in lines {
        for (at, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            out += &match at {
                0 => format!("{cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}
