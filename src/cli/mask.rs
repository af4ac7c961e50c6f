//! `hedgerow mask`: the tokens that a constraint allows after a prefix.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use super::command_error::{CommandError, written};
use super::constraint::{PolicyArgs, VocabularyConstraintArgs};
use super::effect::Given;
use super::input;
use hedgerow::engine::{EngineError, Matcher};
use hedgerow::vocab::{TokenId, TokenSet, Vocabulary};

const AFTER_HELP: &str = "\
Without --list, four lines: how many tokens are allowed, whether the output may end here, the tokens that \
end it according to the vocabulary, and what must follow in any case. A special token that is allowed may \
stand in the prefix by its name, such as <|im_end|>. With --list, one allowed token a line, `ID<tab>TEXT`: text as JSON writes \
strings, or as \\xNN where it is no whole character; special tokens by name.

Exit codes:
  0  done
  1  it failed, or the prefix is not in the constraint's language
  2  the command line makes no sense

Examples:
  hedgerow mask --vocab tokenizer.json --schema person.schema.json --prefix '{\"name\": \"A'
  hedgerow mask --vocab model.gguf --regex '[0-9]{4}-[0-9]{2}' --prefix 20 --list
  hedgerow mask --vocab tokenizer.json --choice yes --choice no --list | cut -f2";

const USAGE: &str = "\
hedgerow mask [OPTIONS] --vocab <PATH> <--schema <FILE>|--regex <PATTERN>|--grammar <FILE>|
                                               --choice <TEXT>|--structural-tag <FILE>>";

/// Shows which tokens a constraint allows after a prefix
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, override_usage = USAGE)]
pub(super) struct Args {
    #[command(flatten)]
    constraint: VocabularyConstraintArgs,
    /// The output so far
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    /// List the allowed tokens
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    policy: PolicyArgs,
}

pub(super) fn run(args: &Args, given: &Given) -> Result<ExitCode, CommandError> {
    let constraint = args.constraint.load(&args.policy, given)?;
    let vocabulary = constraint.vocabulary();
    let mut matcher = read_prefix(constraint.matcher(), &args.prefix)?;
    let failed = |error| CommandError::new("cannot compute the mask").because(&error);
    let mask = matcher.mask().map_err(failed)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.list {
        written(list(&mut out, vocabulary, &mask))?;
        return Ok(ExitCode::SUCCESS);
    }
    let forced = matcher.forced_bytes().map_err(failed)?;
    let forced = match forced.is_empty() {
        true => "nothing".to_owned(),
        false => shown(&forced),
    };
    let complete = match (matcher.is_stopped(), matcher.is_accepting()) {
        (true, _) => "yes, and ended",
        (false, true) => "yes",
        (false, false) => "no",
    };
    let (count, size) = (mask.count(), vocabulary.size());
    let ends: Vec<String> =
        vocabulary.eos().iter().map(|&id| format!("{} (id {})", shown_token(vocabulary, id), id.0)).collect();
    let ends = if ends.is_empty() { "no token of this vocabulary".to_owned() } else { ends.join(", ") };
    let text = format!(
        "allowed   {count} of {size} tokens\ncomplete  {complete}\nended by  {ends}\nforced    {forced}\n"
    );
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

/// The matcher after the output so far. A special token is read where its name stands and the
/// constraint allows it; where the name may also be plain text, both readings are followed.
pub(super) fn read_prefix(start: Matcher, prefix: &str) -> Result<Matcher, CommandError> {
    let failed = |error| CommandError::new("cannot read the prefix").because(&error);
    let bytes = prefix.as_bytes();
    let vocabulary = start.vocabulary().clone();
    // The last of the waiting readings is followed first: the one with a special token.
    let mut seen = HashSet::from([(0, start.state_id())]);
    let mut waiting = vec![(0, start)];
    let mut furthest = None;
    while let Some((at, mut matcher)) = waiting.pop() {
        if at == bytes.len() {
            return Ok(matcher);
        }
        let mut next = Vec::new();
        let mut fork = matcher.fork();
        if fork.advance_bytes(&bytes[at..=at]).map_err(failed)? {
            next.push((at + 1, fork));
        }
        for (name, token) in vocabulary.special_tokens() {
            let mut fork = matcher.fork();
            let stands_here = !name.is_empty() && bytes[at..].starts_with(name.as_bytes());
            if stands_here && fork.advance(token).map_err(failed)? {
                next.push((at + name.len(), fork));
            }
        }
        if next.is_empty() && furthest.as_ref().is_none_or(|(furthest, _)| at > *furthest) {
            furthest = Some((at, allowed(&mut matcher).map_err(failed)?));
        }
        waiting.extend(next.into_iter().filter(|(at, matcher)| seen.insert((*at, matcher.state_id()))));
    }
    let (at, allowed) = furthest.unwrap_or_default();
    let refused = format!("--prefix is not in the constraint's language: byte {at} is refused");
    Err(CommandError::new(refused).help(format!("after {} {allowed}", shown(&bytes[..at]))))
}

/// The bytes and the special tokens that a matcher allows next, in words.
fn allowed(matcher: &mut Matcher) -> Result<String, EngineError> {
    let mask = matcher.mask()?;
    let vocabulary = matcher.vocabulary();
    let mut bytes: Vec<u8> = mask.iter().filter_map(|id| vocabulary.bytes(id).first().copied()).collect();
    bytes.sort_unstable();
    bytes.dedup();
    let names = vocabulary.special_tokens().filter(|(_, id)| mask.contains(*id));
    let described = Some(input::describe_bytes(&bytes)).filter(|_| !bytes.is_empty());
    let all: Vec<String> = described.into_iter().chain(names.map(|(name, _)| name.to_owned())).collect();
    Ok(match all.is_empty() {
        true => "nothing can follow".to_owned(),
        false => format!("allowed is {}", all.join(", ")),
    })
}

fn list(out: &mut impl Write, vocabulary: &Vocabulary, mask: &TokenSet) -> io::Result<()> {
    for id in mask.iter() {
        writeln!(out, "{}\t{}", id.0, shown_token(vocabulary, id))?;
    }
    out.flush()
}

/// A token by name or text.
pub(super) fn shown_token(vocabulary: &Vocabulary, id: TokenId) -> String {
    match vocabulary.name(id) {
        Some(name) => name.to_owned(),
        None => shown(vocabulary.bytes(id)),
    }
}

/// Bytes as a JSON string, with `\xNN` for each byte that is not part of a UTF-8 text.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::Value::from(text).to_string(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_shown_on_one_line() {
        for (bytes, expected) in
            [(b" a\n".as_slice(), r#"" a\n""#), ("é\"".as_bytes(), r#""é\"""#), (b"\xc3a\t", r"\xc3a\t")]
        {
            assert_eq!(shown(bytes), expected);
        }
    }
}
