//! `hedgerow detect`: the evidence for a watermark in a text.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::command_error::{CommandError, check_stdout};
use super::input;
use super::number::parse_finite_number;
use hedgerow::gguf::GgufFile;
use hedgerow::sampling::{Parameter, SamplingError, SamplingParams, Watermark};
use hedgerow::vocab::{TextTokenizer, TokenizerFile};

const AFTER_HELP: &str = "\
The text is divided into tokens and each token is looked up in the green list that the tokens before it \
give. A text that was generated with this watermark has more green tokens than the share of the list. \
z is the excess in standard deviations. A token counts once behind the same tokens before it, so a text \
that repeats itself has few. The tokenizer must be that of the model which wrote the text.

Exit codes:
  0  the text has the watermark: z is at least --threshold
  1  it has not, or the command failed
  2  the command line makes no sense

Example:
  hedgerow detect --vocab tokenizer.json --watermark 0.25:2 --text answer.txt";

/// Finds out whether a text has the watermark of `generate --watermark`
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// The model's tokenizer: a tokenizer.json or GGUF file, or a folder with a tokenizer.json
    #[arg(long, value_name = "PATH")]
    vocab: PathBuf,
    /// The watermark with which the text was generated: the value of its option there
    #[arg(long, value_name = "RATIO:BIAS[:KEY[:WIDTH]]", value_parser = parse_watermark)]
    watermark: Watermark,
    /// The text (`-` is standard input)
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// The smallest z of a text that has the watermark; of texts without it, one in about 30,000
    /// reaches 4
    #[arg(long, value_name = "Z", default_value_t = 4.0, value_parser = parse_finite_number::<f64>)]
    threshold: f64,
}

/// Parses the value of `--watermark` as `hedgerow generate` does.
fn parse_watermark(text: &str) -> Result<Watermark, String> {
    let mut params = SamplingParams::default();
    let parameter = Parameter::ALL.iter().find(|parameter| parameter.name == "watermark");
    let parameter = parameter.ok_or("there is no such parameter")?;
    let read = parameter.set(&mut params, text).and_then(|()| params.validate());
    read.map_err(|error| match error {
        SamplingError::Text { expected, .. } => expected,
        SamplingError::InvalidParameter { expected, .. } => format!("expected {expected}"),
        error => error.to_string(),
    })?;
    params.watermark.ok_or_else(|| "expected a watermark".to_owned())
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CommandError> {
    let file = input::find_tokenizer_file(&args.vocab)?;
    let bytes = input::read(&file, "vocabulary")?;
    let failed = || CommandError::new(format!("cannot read a tokenizer from `{}`", file.display()));
    let tokenizer = match TokenizerFile::of(&bytes) {
        Some(TokenizerFile::Gguf) => {
            let file = GgufFile::parse(&bytes).map_err(|error| failed().because(&error))?;
            TextTokenizer::from_gguf(&file)
        }
        Some(TokenizerFile::TokenizerJson) => TextTokenizer::from_tokenizer_json(&bytes),
        _ => {
            return Err(failed().help(
                "only a tokenizer.json or a GGUF file cuts text into tokens; a tekken.json and a SentencePiece \
                 model do for other commands",
            ));
        }
    };
    let tokenizer = tokenizer.map_err(|error| failed().because(&error))?;
    let vocab = input::parse_vocabulary(&file, &bytes)?.token_count();
    let text = input::read_text(&args.text, "text")?;
    let tokens = tokenizer.encode(&text);
    let tokens =
        tokens.map_err(|error| CommandError::new("cannot make tokens of the text").because(&error))?;
    let evidence = args.watermark.detect(&tokens, vocab);
    if evidence.scored == 0 {
        return Err(CommandError::new("the text is too short: it has no token with enough tokens before it"));
    }
    let found = evidence.z_score >= args.threshold;
    let verdict = if found { "watermark found" } else { "no watermark found" };
    check_stdout(writeln!(
        std::io::stdout(),
        "{verdict}: {} of {} tokens are green, z = {:.2}",
        evidence.green,
        evidence.scored,
        evidence.z_score
    ))?;
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_NEGATIVE) })
}
