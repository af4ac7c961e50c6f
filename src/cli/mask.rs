//! `hedgerow mask`: the tokens that a constraint allows after a prefix.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use super::command_error::{CommandError, check_stdout};
use super::constraint::{PolicyArgs, VocabularyConstraintArgs};
use super::effect::GivenOptions;
use super::input;
use hedgerow::engine::{EngineError, Matcher};
use hedgerow::vocab::{TokenId, TokenSet, Vocabulary};

const AFTER_HELP: &str = "\
Without --list, four lines: how many tokens are allowed, whether the output may end here, the tokens that \
end it according to the vocabulary, and what must follow in any case. A special token that is allowed may \
stand in the prefix by its name, such as <|im_end|>, or by its number, such as <[2]>. With --list, one allowed token a line, `ID<tab>TEXT`: text as JSON writes \
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

pub(super) fn run(args: &Args, given: &GivenOptions) -> Result<ExitCode, CommandError> {
    let constraint = args.constraint.load(&args.policy, given)?;
    let vocabulary = constraint.vocabulary();
    let mut matcher = read_prefix(constraint.matcher(), &args.prefix)?;
    let failed = |error| CommandError::new("cannot compute the mask").because(&error);
    let mask = matcher.mask().map_err(failed)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.list {
        check_stdout(write_tokens(&mut out, vocabulary, &mask))?;
        return Ok(ExitCode::SUCCESS);
    }
    let forced = matcher.forced_bytes().map_err(failed)?;
    let forced = match forced.is_empty() {
        true => "nothing".to_owned(),
        false => quote_bytes(&forced),
    };
    let complete = match (matcher.is_stopped(), matcher.is_accepting()) {
        (true, _) => "yes, and ended",
        (false, true) => "yes",
        (false, false) => "no",
    };
    let (count, size) = (mask.count(), vocabulary.size());
    let ends: Vec<String> = vocabulary
        .eos()
        .iter()
        .map(|&id| format!("{} (id {})", describe_token(vocabulary, id), id.0))
        .collect();
    let ends = if ends.is_empty() { "no token of this vocabulary".to_owned() } else { ends.join(", ") };
    let text = format!(
        "allowed   {count} of {size} tokens\ncomplete  {complete}\nended by  {ends}\nforced    {forced}\n"
    );
    check_stdout(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

/// Moves a matcher over the output so far. A special token is read where its name stands and the
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
        for (length, token) in special_tokens_at(&vocabulary, &bytes[at..]) {
            let mut fork = matcher.fork();
            if fork.advance(token).map_err(failed)? {
                next.push((at + length, fork));
            }
        }
        if next.is_empty() && furthest.as_ref().is_none_or(|(furthest, _)| at > *furthest) {
            furthest = Some((at, describe_allowed(&mut matcher).map_err(failed)?));
        }
        waiting.extend(next.into_iter().filter(|(at, matcher)| seen.insert((*at, matcher.state_id()))));
    }
    let (at, allowed) = furthest.unwrap_or_default();
    let refused = format!("--prefix is not in the constraint's language: byte {at} is refused");
    Err(CommandError::new(refused).help(format!("after {} {allowed}", quote_bytes(&bytes[..at]))))
}

/// The tokens that may be written at the beginning of a text by their name, such as `<|im_end|>`,
/// or by their number, such as `<[2]>`; each with the length of what stands for it.
pub(super) fn special_tokens_at(vocabulary: &Vocabulary, text: &[u8]) -> Vec<(usize, TokenId)> {
    let named = vocabulary.special_tokens().filter(|(name, _)| !name.is_empty());
    let named = named.filter(|(name, _)| text.starts_with(name.as_bytes()));
    let mut found: Vec<(usize, TokenId)> = named.map(|(name, token)| (name.len(), token)).collect();
    let digits = text.strip_prefix(b"<[").unwrap_or_default();
    let digits = &digits[..digits.iter().take_while(|byte| byte.is_ascii_digit()).count()];
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).map(TokenId);
    let is_closed = text[digits.len().min(text.len())..].get(2..4) == Some(b"]>");
    if let Some(token) = number.filter(|token| is_closed && token.index() < vocabulary.token_count()) {
        found.push((digits.len() + 4, token));
    }
    found
}

/// Describes the bytes and the special tokens that a matcher allows next.
fn describe_allowed(matcher: &mut Matcher) -> Result<String, EngineError> {
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

/// Writes each allowed token in a line: its id and its text.
fn write_tokens(out: &mut impl Write, vocabulary: &Vocabulary, mask: &TokenSet) -> io::Result<()> {
    for id in mask.iter() {
        writeln!(out, "{}\t{}", id.0, describe_token(vocabulary, id))?;
    }
    out.flush()
}

/// Describes a token by its name, or by its text in quotes.
pub(super) fn describe_token(vocabulary: &Vocabulary, id: TokenId) -> String {
    match vocabulary.name(id) {
        Some(name) => name.to_owned(),
        None => quote_bytes(vocabulary.bytes(id)),
    }
}

/// Writes bytes as a JSON string, or with `\xNN` for bytes if they are no UTF-8 text.
fn quote_bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::Value::from(text).to_string(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_tokens_are_written_by_name_or_number() {
        let special = vec![("<|end|>".to_owned(), TokenId(1)), ("<|end|>s".to_owned(), TokenId(2))];
        let tokens = vec![b"<".to_vec(), Vec::new(), Vec::new()];
        let parts = hedgerow::vocab::VocabularyParts { tokens, special, ..Default::default() };
        let vocabulary = Vocabulary::from_tokens(parts).unwrap();
        for (text, expected) in [
            ("<|end|>!", &[(7, 1)][..]),
            ("<|end|>s", &[(7, 1), (8, 2)]),
            ("<[2]>x", &[(5, 2)]),
            ("<[02]>", &[(6, 2)]),
            ("<[3]>", &[]),
            ("<[99999999999]>", &[]),
            ("<[]>", &[]),
            ("<[2]", &[]),
            ("<[", &[]),
            ("", &[]),
        ] {
            let found = special_tokens_at(&vocabulary, text.as_bytes());
            let mut found: Vec<(usize, u32)> = found.iter().map(|&(length, id)| (length, id.0)).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn tokens_are_shown_on_one_line() {
        for (bytes, expected) in
            [(b" a\n".as_slice(), r#"" a\n""#), ("é\"".as_bytes(), r#""é\"""#), (b"\xc3a\t", r"\xc3a\t")]
        {
            assert_eq!(quote_bytes(bytes), expected);
        }
    }
}
