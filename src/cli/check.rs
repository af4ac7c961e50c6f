//! `hedgerow check`: compiles a constraint, and decides whether an instance is in its language.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::command_error::{CommandError, check_stdout};
use super::constraint::{CONSTRAINT_OPTIONS, ConstraintArgs, LoadedConstraint, PolicyArgs, UnusedDocuments};
use super::effect::{GivenOptions, Need};
use super::explain::explain;
use super::input;
use super::judge::{ROUNDED, Verdict, judge, rounds_numbers};
use super::mask::{describe_token, special_tokens_at};
use super::tools::ToolArgs;
use hedgerow::engine::{Constraint, EngineError, Matcher};
use hedgerow::grammar::Grammar;
use hedgerow::schema::{self, SchemaOptions};
use hedgerow::tags::{Event, Tools};
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};

const AFTER_HELP: &str = "\
The instance is read as a constrained model would have to write it: a text that satisfies the schema \
is still refused if its keys come in another order than --key-order says, or its whitespace is not \
that of --whitespace. A second opinion by an ordinary validator is printed with every refusal by \
--schema, without --tools. \
Whitespace around the instance is ignored. Under any other constraint every character counts, except for \
a line feed at the end that the constraint does not know. A special token is written as the grammar does: \
by its name, such as <|im_end|>, or by its number, such as <[2]>.

--explain says more about a refusal: the keyword of the schema that is responsible, as a JSON pointer, the \
option that refuses the spelling, or the text after which the constraint allows nothing else; with --vocab \
also the first token that is not allowed, and how many are.

Exit codes:
  0  the constraint compiles, and the instance is accepted
  1  it does not, or the instance is refused
  2  the command line makes no sense

Examples:
  hedgerow check --schema person.schema.json
  hedgerow check --schema person.schema.json --instance ada.json
  hedgerow check --schema person.schema.json --instance ada.json --explain --vocab tokenizer.json
  hedgerow check --grammar list.gbnf --instance list.txt
  hedgerow check --structural-tag tools.json --instance reply.txt --events
  hedgerow check --tools tools.json --tool-format hermes --instance reply.txt
  echo 2026-02-30 | hedgerow check --regex '[0-9]{4}-[0-9]{2}-[0-9]{2}' --instance -
  echo '{\"name\": 3}' | hedgerow check --schema person.schema.json --instance - --key-order any";

const USAGE: &str = "\
hedgerow check [OPTIONS] <--schema <FILE>|--regex <PATTERN>|--grammar <FILE>|--choice <TEXT>|
                                 --structural-tag <FILE>|--tools <FILE>>";

/// Checks that a schema, pattern or grammar compiles, and whether an instance is in its language
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, override_usage = USAGE)]
pub(super) struct Args {
    #[command(flatten)]
    constraint: ConstraintArgs,
    /// A text to check against it (`-` is standard input)
    #[arg(long, value_name = "FILE")]
    instance: Option<PathBuf>,
    /// Say which keyword or option is responsible for a refusal
    #[arg(long)]
    explain: bool,
    /// With --explain, the tokens: a tokenizer.json, tekken.json, SentencePiece model or GGUF file,
    /// or a model's folder with one of them
    #[arg(long, value_name = "PATH")]
    vocab: Option<PathBuf>,
    /// Print what the parts of the instance are, an event a line as JSON: text, reasoning, calls
    #[arg(long, conflicts_with = "explain")]
    events: bool,
    #[command(flatten)]
    tools: ToolArgs,
    #[command(flatten)]
    policy: PolicyArgs,
}

pub(super) fn run(args: &Args, given: &GivenOptions) -> Result<ExitCode, CommandError> {
    given.check(|need| match need {
        Need::Schema => args.tools.tools.is_some() && args.tools.may_call() || args.constraint.meets(need),
        Need::Instance => args.instance.is_some(),
        Need::Explain => args.explain,
        need => args.constraint.meets(need) && args.policy.meets(need),
    })?;
    let loaded = match args.tools.load(false)? {
        None if !args.constraint.is_given() => {
            return Err(CommandError::usage("no constraint given")
                .help(format!("give one of {CONSTRAINT_OPTIONS}, --tools FILE")));
        }
        None => args.constraint.require(&args.policy)?,
        Some(tools) => {
            args.tools.check_choice(Some(&tools))?;
            compile_replies(args, &tools)?
        }
    };
    given.check_schema_options(loaded.has_schemas || args.tools.tools.is_some())?;
    let Some(path) = &args.instance else {
        check_stdout(writeln!(std::io::stdout(), "{}: compiles", describe_constraint(args)))?;
        return Ok(ExitCode::SUCCESS);
    };
    let whole = input::read_text(path, "instance")?;
    let space = [' ', '\t', '\r', '\n'];
    let (text, offset) = match loaded.schema {
        Some(_) => (whole.trim_matches(space), whole.len() - whole.trim_start_matches(space).len()),
        // The line feed at the end of a file is read only if the constraint allows it there.
        None => match (whole.strip_suffix('\n'), find_refusal(&loaded.grammar, &whole)?) {
            (Some(line), Some(refusal)) if refusal.at <= line.len() => (line, 0),
            _ => (whole.as_str(), 0),
        },
    };
    let Some(refusal) = find_refusal(&loaded.grammar, text)? else {
        match args.events {
            true => {
                check_stdout(std::io::stdout().write_all(event_lines(&loaded.grammar, text)?.as_bytes()))?
            }
            false => check_stdout(writeln!(std::io::stdout(), "{}: accepted", path.display()))?,
        };
        return Ok(ExitCode::SUCCESS);
    };
    let (line, column) = input::line_column(&whole, offset + refusal.at);
    let mut out = format!("{}:{line}:{column}: refused: {}\n", path.display(), refusal.reason);
    if let Some(schema) = &loaded.schema {
        out += &match judge(schema, text) {
            Verdict::Valid if rounds_numbers(schema, text) => {
                format!("  a validator cannot tell: {ROUNDED}\n")
            }
            Verdict::Valid => format!(
                "  the value satisfies the schema; an option refuses its spelling, its order of keys or its size{}\n",
                if args.explain { "" } else { " (--explain names it)" }
            ),
            Verdict::Invalid(reason) => format!("  a validator agrees: {reason}\n"),
            Verdict::Unchecked(reason) if reason == ROUNDED => {
                format!("  a validator cannot tell: {reason}\n")
            }
            Verdict::Unchecked(reason) => format!("  the validator cannot read the schema: {reason}\n"),
        };
    }
    if args.explain {
        out += &explain_refusal(args, &loaded, text, refusal.at)?;
    }
    check_stdout(std::io::stdout().write_all(out.as_bytes()))?;
    Ok(ExitCode::from(super::EXIT_NEGATIVE))
}

/// Describes the constraint in words: "`tools.json`", or "the regular expression".
fn describe_constraint(args: &Args) -> String {
    match (&args.tools.tools, args.constraint.is_given()) {
        (Some(path), true) => format!("{} or {}", path.display(), args.constraint.describe()),
        (Some(path), false) => path.display().to_string(),
        (None, _) => args.constraint.describe(),
    }
}

/// Compiles the grammar of replies that call tools.
fn compile_replies(args: &Args, tools: &Tools) -> Result<LoadedConstraint, CommandError> {
    let Some(preset) = args.tools.named_format()? else {
        return Err(CommandError::usage("there is no model here whose format of calls could be found")
            .help("name the format with --tool-format; `hedgerow tools list` shows all"));
    };
    let schema = args
        .constraint
        .load_with(&args.policy, UnusedDocuments::LeftToTools)?
        .and_then(|loaded| loaded.schema);
    args.tools.compile_replies(tools, &preset, schema, &args.policy, String::new())
}

/// Explains a refusal at byte `at`, in the lines that `--explain` adds.
fn explain_refusal(
    args: &Args,
    loaded: &LoadedConstraint,
    text: &str,
    at: usize,
) -> Result<String, CommandError> {
    let mut lines = Vec::new();
    if let Some(path) = &args.vocab {
        let vocabulary = input::read_vocabulary(path)?;
        lines.push(match describe_refused_token(&loaded.grammar, &vocabulary, text) {
            Ok(line) => line,
            Err(failure) => format!("no token is named: {}", failure.causes_line()),
        });
    }
    if let Some(schema) = &loaded.schema {
        let accepts = |options: &SchemaOptions| match schema::compile(&schema.text, options) {
            Ok(grammar) => matches!(find_refusal(&grammar, text), Ok(None)),
            Err(_) => false,
        };
        lines.extend(explain(schema, text, at, accepts));
    } else {
        lines.push(format!("responsible: {}, {}", describe_constraint(args), describe_place(text, at)));
    }
    Ok(lines.iter().map(|line| format!("  {line}\n")).collect())
}

/// Describes the place of a refusal by the last characters before it: "after \"name\"".
fn describe_place(text: &str, at: usize) -> String {
    /// Largest number of characters that are shown.
    const MAX_CHARACTERS: usize = 30;
    let read = String::from_utf8_lossy(&text.as_bytes()[..at.min(text.len())]);
    let start = read.char_indices().rev().nth(MAX_CHARACTERS - 1).map_or(0, |(start, _)| start);
    match (read.is_empty(), start) {
        (true, _) => "at the beginning".to_owned(),
        (false, 0) => format!("after {}", serde_json::Value::from(read)),
        (false, _) => format!("after …{}", serde_json::Value::from(&read[start..])),
    }
}

/// Describes the first token of the text that is not allowed, and the tokens that are allowed
/// there. The text is cut into the longest tokens that fit.
fn describe_refused_token(
    grammar: &Grammar,
    vocabulary: &Vocabulary,
    text: &str,
) -> Result<String, CommandError> {
    /// The largest number of allowed tokens to name.
    const MAX_NAMED: usize = 8;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        CommandError::new("cannot check the instance").because(error)
    };
    let mut matcher = Constraint::new(grammar, vocabulary).map_err(|error| failed(&error))?.matcher();
    let mut rest = text.as_bytes();
    'tokens: for number in 1.. {
        let special = special_tokens_at(vocabulary, rest);
        for &(length, token) in &special {
            if matcher.advance(token).map_err(|error| failed(&error))? {
                rest = &rest[length..];
                continue 'tokens;
            }
        }
        let longest = (1..=rest.len().min(64)).rev().find_map(|len| {
            let node = vocabulary.trie().descend(0, &rest[..len])?;
            Some((*vocabulary.trie().tokens(node).first()?, len))
        });
        if let Some((token, length)) = longest
            && matcher.advance(token).map_err(|error| failed(&error))?
        {
            rest = &rest[length..];
            continue;
        }
        let before = match number {
            2 => "1 token".to_owned(),
            _ => format!("{} tokens", number - 1),
        };
        if rest.is_empty() && matcher.is_accepting() {
            return Ok(format!(
                "{before} of this vocabulary are allowed, but the text spells a token in another way than the \
                 constraint: by number where it has a name, or by name where it has a number"
            ));
        }
        // A special token that is refused is the one that is meant.
        let refused = special.first().map(|(_, token)| *token).or(longest.map(|(token, _)| token));
        let found = match refused {
            Some(token) => format!("token {number}, {} (id {}),", describe_token(vocabulary, token), token.0),
            None if rest.is_empty() => format!("the end after {before}"),
            None => format!("token {number}, which the vocabulary does not have,"),
        };
        let mask = matcher.mask().map_err(|error| failed(&error))?;
        let names: Vec<String> =
            mask.iter().take(MAX_NAMED).map(|id| describe_token(vocabulary, id)).collect();
        let more = if mask.count() > names.len() { " …" } else { "" };
        let are = match mask.count() {
            0 if matcher.is_accepting() => "only the end is".to_owned(),
            0 => "no token is".to_owned(),
            1 => format!("1 token is: {}", names.join(" ")),
            count => format!("{count} tokens are: {}{more}", names.join(" ")),
        };
        return Ok(format!("{found} is not allowed; {are}"));
    }
    Ok(String::new())
}

/// Reads the events of an accepted text, and writes each as a line of JSON.
fn event_lines(grammar: &Grammar, text: &str) -> Result<String, CommandError> {
    let failed =
        |error: EngineError| CommandError::new("cannot tell the parts of the instance").because(&error);
    let vocabulary = byte_vocabulary(grammar)?;
    let constraint = Constraint::new(grammar, &vocabulary).map_err(failed)?;
    let mut reader = constraint.event_reader().map_err(failed)?;
    let mut events = Vec::new();
    reader.advance_text(text.as_bytes(), &mut events).map_err(failed)?;
    reader.finish(&mut events);
    Ok(events.iter().map(|event| format!("{}\n", event_to_json(event))).collect())
}

/// Converts an event to JSON: `{"event": "text", "delta": "Hello"}`.
fn event_to_json(event: &Event) -> serde_json::Value {
    let mut line = serde_json::json!({"event": event.kind()});
    let mut set = |key: &str, value: serde_json::Value| line[key] = value;
    match event {
        Event::Text(delta) | Event::Reasoning(delta) | Event::Content(delta) => {
            set("delta", delta.as_str().into());
        }
        Event::CallBegin { index, name, id } => {
            set("call", (*index).into());
            set("name", name.as_str().into());
            if let Some(id) = id {
                set("id", id.as_str().into());
            }
        }
        Event::CallId { index, id } => {
            set("call", (*index).into());
            set("id", id.as_str().into());
        }
        Event::Arguments { index, delta } => {
            set("call", (*index).into());
            set("delta", delta.as_str().into());
        }
        Event::CallEnd { index } => set("call", (*index).into()),
        Event::TagBegin { name } | Event::TagEnd { name } => set("name", name.as_str().into()),
        _ => {}
    }
    line
}

/// The place and the reason of a refusal: "expected `0` to `9`, found `x`".
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    /// Number of the bytes before the refused one.
    at: usize,
    reason: String,
}

/// Makes the vocabulary of the 256 bytes and of the special tokens that the grammar names. The id
/// of a byte's token is the byte; special tokens have ids from 256 on.
fn byte_vocabulary(grammar: &Grammar) -> Result<Vocabulary, CommandError> {
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    let mut special = Vec::new();
    let exact = grammar.pool().token_sets().flat_map(|(_, set)| set.names.iter().map(|name| &**name));
    let exact = exact.filter(|name| name.len() != 1);
    let mut names: Vec<&str> = grammar.pool().specials().map(|(_, name)| name).chain(exact).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        special.push((name.to_owned(), TokenId(tokens.len() as u32)));
        tokens.push(Vec::new());
    }
    Vocabulary::from_tokens(VocabularyParts { tokens, special, ..VocabularyParts::default() })
        .map_err(|error| CommandError::new("cannot check the instance").because(&error))
}

/// Finds the place where the grammar refuses a text; `None` if the text is accepted.
fn find_refusal(grammar: &Grammar, text: &str) -> Result<Option<Refusal>, CommandError> {
    let failed = |error: EngineError| CommandError::new("cannot check the instance").because(&error);
    let vocabulary = byte_vocabulary(grammar)?;
    let mut matcher = Constraint::new(grammar, &vocabulary).map_err(failed)?.matcher();
    let at = matcher.advance_text_prefix(text.as_bytes()).map_err(failed)?;
    if at == text.len() && matcher.is_accepting() {
        return Ok(None);
    }
    Ok(Some(Refusal { at, reason: describe_refusal(&mut matcher, text, at).map_err(failed)? }))
}

/// Describes what the matcher expects at byte `at`, and what the text has there.
fn describe_refusal(matcher: &mut Matcher, text: &str, at: usize) -> Result<String, EngineError> {
    let mask = matcher.mask()?;
    let bytes: Vec<u8> = mask.iter().filter_map(|token| u8::try_from(token.0).ok()).collect();
    let names = mask.iter().filter_map(|token| matcher.vocabulary().name(token)).map(str::to_owned);
    let described = Some(input::describe_bytes(&bytes)).filter(|_| !bytes.is_empty());
    let expected: Vec<String> = described.into_iter().chain(names).collect();
    let expected = match (expected.is_empty(), matcher.is_accepting()) {
        (true, _) => "the end".to_owned(),
        (false, true) => format!("the end or {}", expected.join(", ")),
        (false, false) => expected.join(", "),
    };
    let special = matcher.vocabulary().special_tokens().map(|(name, _)| name);
    let rest = text.get(at..).unwrap_or_default();
    let special =
        special.filter(|name| !name.is_empty() && rest.starts_with(name)).max_by_key(|name| name.len());
    let found = match (text.get(at..).and_then(|rest| rest.chars().next()), text.as_bytes().get(at)) {
        (Some(c), _) if c.is_ascii() => input::describe_bytes(&[c as u8]),
        (Some('\u{feff}'), _) => "a byte order mark (U+FEFF)".to_owned(),
        (Some(c), _) if c.is_control() => format!("`{}`", c.escape_unicode()),
        (Some(c), _) => format!("`{c}`"),
        (None, Some(byte)) => format!("byte 0x{byte:02x}"),
        (None, None) => "the end".to_owned(),
    };
    let found = special.map_or(found, str::to_owned);
    Ok(format!("expected {expected}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use hedgerow::syntax::regex::{Dialect, compile};

    /// Checks the place and the reason of a refusal; `None` stands for a text that is accepted.
    fn assert_refusal(grammar: &Grammar, text: &str, expected: Option<(usize, &str)>) {
        let expected = expected.map(|(at, reason)| Refusal { at, reason: reason.to_owned() });
        assert_eq!(find_refusal(grammar, text).unwrap(), expected, "{text}");
    }

    #[test]
    fn refusals_say_where_and_what_was_expected() {
        let grammar = compile("[0-9]{2}(é|-)?", Dialect::Ecma262).unwrap();
        for (text, expected) in [
            ("12", None),
            ("12é", None),
            ("1", Some((1, "expected `0` to `9`, found the end"))),
            ("1x", Some((1, "expected `0` to `9`, found `x`"))),
            ("12ü", Some((3, "expected 0xa9, found byte 0xbc"))),
            ("12\n", Some((2, "expected the end or `-`, 0xc3, found line feed"))),
            ("12\"", Some((2, "expected the end or `-`, 0xc3, found `\"`"))),
            ("12--", Some((3, "expected the end, found `-`"))),
        ] {
            assert_refusal(&grammar, text, expected);
        }
    }

    #[test]
    fn special_tokens_are_written_by_name() {
        let rules = "root ::= <|a|> [<|>a-z]* <|end|>";
        let grammar = hedgerow::syntax::Notation::Gbnf.compile(rules).unwrap();
        for (text, expected) in [
            ("<|a|>xy<|end|>", None),
            ("<|a|><|end|>", None),
            ("<|a|><|end|><|end|>", None),
            ("x", Some((0, "expected <|a|>, found `x`"))),
            ("<|a|>x", Some((6, "expected `<`, `>`, `a` to `z`, `|`, <|end|>, found the end"))),
        ] {
            assert_refusal(&grammar, text, expected);
        }
        let letters = hedgerow::syntax::Notation::Gbnf.compile("root ::= <|a|> [a-z]* <|end|>").unwrap();
        let expected = "expected `a` to `z`, <|end|>, found <|a|>";
        assert_refusal(&letters, "<|a|>x<|a|>", Some((6, expected)));
    }

    #[test]
    fn places_are_shown_by_the_text_before_them() {
        let long = "0123456789".repeat(5);
        for (text, at, expected) in [
            ("abc", 0, "at the beginning".to_owned()),
            ("a\"bc", 3, "after \"a\\\"b\"".to_owned()),
            (&long, 40, format!("after …\"{}\"", &long[10..40])),
        ] {
            assert_eq!(describe_place(text, at), expected);
        }
    }
}
