//! `hedgerow check`: whether a schema or grammar compiles, and whether an instance is in its language.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::constraint::{Loaded, PolicyArgs};
use super::explain::explain;
use super::failure::{written, Failure};
use super::input;
use super::judge::{judge, Verdict};
use super::mask::shown_token;
use hedgerow::engine::Constraint;
use hedgerow::grammar::Grammar;
use hedgerow::schema::{self, SchemaOptions};
use hedgerow::vocab::Vocabulary;

const AFTER_HELP: &str = "\
The instance is read as a constrained model would have to write it: a text that satisfies the schema \
is still refused if its keys come in another order than --key-order says, or its whitespace is not \
that of --whitespace. A second opinion by an ordinary validator is printed with every refusal. \
Whitespace around the instance is ignored. Under a grammar every character counts, except for a line feed \
at the end that the grammar does not know.

--explain says more about a refusal: the keyword of the schema that is responsible, as a JSON pointer, or the \
option that refuses the spelling; with --vocab also the first token that is not allowed, and how many are.

Exit codes:
  0  the schema or grammar compiles, and the instance is accepted
  1  it does not, or the instance is refused
  2  the command line makes no sense

Examples:
  hedgerow check --schema person.schema.json
  hedgerow check --schema person.schema.json --instance ada.json
  hedgerow check --schema person.schema.json --instance ada.json --explain --vocab tokenizer.json
  hedgerow check --grammar list.gbnf --instance list.txt
  echo '{\"name\": 3}' | hedgerow check --schema person.schema.json --instance - --key-order any";

/// Checks that a JSON Schema or a grammar compiles, and whether an instance is in its language
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// A text to check against it (`-` is standard input)
    #[arg(long, value_name = "FILE")]
    instance: Option<PathBuf>,
    /// Say which keyword or option is responsible for a refusal
    #[arg(long, requires = "instance")]
    explain: bool,
    /// With --explain, the tokens: a `tokenizer.json` or a GGUF file
    #[arg(long, value_name = "FILE", requires = "explain")]
    vocab: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyArgs,
}

/// What is checked.
#[derive(Debug, clap::Args)]
#[group(id = "subject", multiple = false, required = true)]
struct Subject {
    /// The JSON Schema (`-` is standard input)
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The grammar (`-` is standard input); its extension says the notation
    #[arg(long, value_name = "FILE")]
    grammar: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let is_stdin = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str() == "-");
    if (is_stdin(&args.subject.schema) || is_stdin(&args.subject.grammar)) && is_stdin(&args.instance) {
        return Err(Failure::usage(
            "--instance and what it is checked against cannot both be standard input",
        ));
    }
    let (subject, loaded) = match (&args.subject.schema, &args.subject.grammar) {
        (Some(path), _) => (path, args.policy.load_schema(path)?),
        (_, Some(path)) => (path, args.policy.load_grammar(path)?),
        (None, None) => {
            return Err(Failure::usage("nothing to check").help("give --schema FILE or --grammar FILE"))
        }
    };
    let Some(path) = &args.instance else {
        written(writeln!(std::io::stdout(), "{}: compiles", subject.display()))?;
        return Ok(ExitCode::SUCCESS);
    };
    let whole = input::read_text(path, "instance")?;
    let space = [' ', '\t', '\r', '\n'];
    let (text, offset) = match loaded.schema {
        Some(_) => (whole.trim_matches(space), whole.len() - whole.trim_start_matches(space).len()),
        None => match whole.strip_suffix('\n') {
            Some(line) if refusal(&loaded.grammar, &whole)?.is_some() => (line, 0),
            _ => (whole.as_str(), 0),
        },
    };
    let Some(refusal) = refusal(&loaded.grammar, text)? else {
        written(writeln!(std::io::stdout(), "{}: accepted", path.display()))?;
        return Ok(ExitCode::SUCCESS);
    };
    let (line, column) = input::line_column(&whole, offset + refusal.at);
    let mut out = format!("{}:{line}:{column}: refused: {}\n", path.display(), refusal.reason);
    if let Some(schema) = &loaded.schema {
        out += &match judge(schema, text) {
            Verdict::Valid => "  the value satisfies the schema; only its spelling or key order is refused (see --key-order and --whitespace)\n".to_owned(),
            Verdict::Invalid(reason) => format!("  a validator agrees: {reason}\n"),
            Verdict::NoJudge(reason) => format!("  the validator cannot read the schema: {reason}\n"),
        };
    }
    if args.explain {
        out += &explanation(args, &loaded, text, refusal.at)?;
    }
    written(std::io::stdout().write_all(out.as_bytes()))?;
    Ok(ExitCode::from(super::NO))
}

/// The lines that `--explain` adds.
fn explanation(args: &Args, loaded: &Loaded, text: &str, at: usize) -> Result<String, Failure> {
    let mut lines = Vec::new();
    if let Some(path) = &args.vocab {
        lines.push(refused_token(&loaded.grammar, &input::vocabulary(path)?, text)?);
    }
    if let Some(schema) = &loaded.schema {
        let options = args.policy.options()?;
        let accepts = |options: &SchemaOptions| match schema::compile(&schema.text, options) {
            Ok(grammar) => matches!(refusal(&grammar, text), Ok(None)),
            Err(_) => false,
        };
        lines.extend(explain(&schema.text, &options, text, at, accepts));
    }
    Ok(lines.iter().map(|line| format!("  {line}\n")).collect())
}

/// The first token of the text that is not allowed, and what is. The text is cut into the longest tokens that fit.
fn refused_token(grammar: &Grammar, vocabulary: &Vocabulary, text: &str) -> Result<String, Failure> {
    /// At most so many allowed tokens are named.
    const MOST: usize = 8;
    let failed =
        |error: &(dyn std::error::Error + 'static)| Failure::new("cannot check the instance").because(error);
    let mut matcher = Constraint::new(grammar, vocabulary).map_err(|error| failed(&error))?.matcher();
    let mut rest = text.as_bytes();
    for number in 1.. {
        let longest = (1..=rest.len().min(64)).rev().find_map(|len| {
            let node = vocabulary.trie().descend(0, &rest[..len])?;
            Some((*vocabulary.trie().tokens(node).first()?, len))
        });
        let found = match longest {
            Some((token, len)) if matcher.advance(token).map_err(|error| failed(&error))? => {
                rest = &rest[len..];
                continue;
            }
            Some((token, _)) => {
                format!("token {number}, {} (id {}),", shown_token(vocabulary, token), token.0)
            }
            None if rest.is_empty() => format!("the end after {} tokens", number - 1),
            None => format!("token {number}, which the vocabulary does not have,"),
        };
        let mask = matcher.mask().map_err(|error| failed(&error))?;
        let names: Vec<String> = mask.iter().take(MOST).map(|id| shown_token(vocabulary, id)).collect();
        let more = if mask.count() > names.len() { " …" } else { "" };
        return Ok(format!("{found} is not allowed; {} tokens are: {}{more}", mask.count(), names.join(" ")));
    }
    Ok(String::new())
}

/// Where and why a text is not in a grammar's language.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    at: usize,
    reason: String,
}

/// Walks the text byte by byte: the tokens are the 256 bytes.
fn refusal(grammar: &Grammar, text: &str) -> Result<Option<Refusal>, Failure> {
    let failed =
        |error: &(dyn std::error::Error + 'static)| Failure::new("cannot check the instance").because(error);
    let bytes = (0..=255u8).map(|byte| vec![byte]).collect();
    let vocabulary = Vocabulary::from_byte_list(bytes).map_err(|error| failed(&error))?;
    let constraint = Constraint::new(grammar, &vocabulary).map_err(|error| failed(&error))?;
    let mut matcher = constraint.matcher();
    for (at, byte) in text.bytes().enumerate() {
        if matcher.advance_bytes(&[byte]).map_err(|error| failed(&error))? {
            continue;
        }
        let allowed = matcher.mask().map_err(|error| failed(&error))?;
        let allowed: Vec<u8> = allowed.iter().map(|token| token.0 as u8).collect();
        let found = text.get(at..).and_then(|rest| rest.chars().next());
        let found = found.map_or_else(|| format!("byte 0x{byte:02x}"), |c| format!("`{}`", c.escape_debug()));
        let reason = match (allowed.is_empty(), matcher.is_accepting()) {
            (true, _) => format!("expected the end, found {found}"),
            (false, true) => {
                format!("expected the end or {}, found {found}", input::describe_bytes(&allowed))
            }
            (false, false) => format!("expected {}, found {found}", input::describe_bytes(&allowed)),
        };
        return Ok(Some(Refusal { at, reason }));
    }
    if matcher.is_accepting() {
        return Ok(None);
    }
    let allowed = matcher.mask().map_err(|error| failed(&error))?;
    let allowed: Vec<u8> = allowed.iter().map(|token| token.0 as u8).collect();
    let reason = format!("expected {}, found the end", input::describe_bytes(&allowed));
    Ok(Some(Refusal { at: text.len(), reason }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow::syntax::regex::{compile, Dialect};

    #[test]
    fn refusals_say_where_and_what_was_expected() {
        let grammar = compile("[0-9]{2}(é|-)?", Dialect::Ecma262).unwrap();
        for (text, expected) in [
            ("12", None),
            ("12é", None),
            ("1", Some((1, "expected `0` to `9`, found the end"))),
            ("1x", Some((1, "expected `0` to `9`, found `x`"))),
            ("12ü", Some((3, "expected 0xa9, found byte 0xbc"))),
            ("12\n", Some((2, "expected the end or `-`, 0xc3, found `\\n`"))),
            ("12--", Some((3, "expected the end, found `-`"))),
        ] {
            let expected = expected.map(|(at, reason)| Refusal { at, reason: reason.to_owned() });
            assert_eq!(refusal(&grammar, text).unwrap(), expected, "{text}");
        }
    }
}
