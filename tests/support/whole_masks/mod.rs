//! Whole masks compared with `advance`, token by token, over a vocabulary with real tokens and with
//! very long ones.
//!
//! The engine takes short cuts to a mask: it clamps counts, prepares sets of tokens, computes
//! differences to simpler languages, and passes over whitespace. A short cut only shows its faults
//! on long tokens and on the tokens that a mask leaves out. Random walks try neither. The
//! generators in the table reach each short cut:
//!
//! - Counts that no token can reach count as unbounded: `schemas` (`maxLength` and `minLength`
//!   around the longest token), `texts` (`{0,200}`).
//! - A far maximum length is left out of an intersection: `schemas` (a maximum beside `pattern`,
//!   `not`, `format`, keys).
//! - Prepared sets of tokens for permissive strings (slices): `schemas` (patterns), `texts`
//!   (classes, lexemes).
//! - Slices cut to a number of characters: `schemas` (`^[a-z]{3,200}$`), `texts` (counted classes).
//! - Differences to a simpler language: `schemas` (`not`, `enum`, excluded keys).
//! - Keys walked beside the trie: `schemas` (`properties` beside other keys).
//! - Whitespace looked past, and idle whitespace: `schemas` (all whitespace options), `texts`
//!   (`ws`, `%ignore`).
//! - First bytes asked before stepping: `schemas` and `texts`, after every closing quote or name.
//! - Recordings of keys and items forgotten: `schemas` (`uniqueItems`, `unique_keys`).
//! - Values counted instead of listed: `schemas` (`uniqueItems` over ranges that overlap).
//! - Keys counted instead of recorded: `schemas` (few possible keys, beside conditions and counts).
//! - Slices of lexemes that outlive their rivals: `texts` (Lark).

#![allow(dead_code)] // The fuzz targets use a part.

pub mod schemas;
pub mod texts;

use super::bytes::single_bytes;
use super::reference::generate::Source;
use hedgerow::engine::{Constraint, EngineError, Matcher};
use hedgerow::gguf::GgufFile;
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Figures of one comparison or of many.
#[derive(Clone, Copy, Default, Debug)]
pub struct Compared {
    /// Masks compared.
    pub masks: u64,
    /// Tokens compared, over all masks.
    pub tokens: u64,
    /// Tokens that the masks allow, over all masks.
    pub allowed: u64,
}

impl Compared {
    /// Adds the figures of another comparison.
    pub fn add(&mut self, other: Compared) {
        self.masks += other.masks;
        self.tokens += other.tokens;
        self.allowed += other.allowed;
    }
}

/// The reason why a comparison failed.
#[derive(Debug)]
pub enum Problem {
    /// An answer is wrong, as the text says.
    Wrong(String),
    /// The engine gave this error after this output.
    Midway(EngineError, String),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::Wrong(text) => f.write_str(text),
            Problem::Midway(error, output) => write!(f, "error after {output}: {error}"),
        }
    }
}

/// A vocabulary with its tokens in the order of their bytes.
pub struct Tokens {
    /// The vocabulary.
    pub vocabulary: Vocabulary,
    /// All tokens that have bytes, sorted by them.
    sorted: Vec<TokenId>,
}

impl Tokens {
    fn new(vocabulary: Vocabulary) -> Self {
        let mut sorted: Vec<TokenId> = (0..vocabulary.size() as u32).map(TokenId).collect();
        sorted.retain(|&token| !vocabulary.bytes(token).is_empty());
        sorted.sort_by_key(|&token| vocabulary.bytes(token));
        Tokens { vocabulary, sorted }
    }

    /// A vocabulary of bytes and long tokens alone, with which a mask takes little time.
    pub fn small() -> &'static Self {
        static TOKENS: OnceLock<Tokens> = OnceLock::new();
        TOKENS.get_or_init(|| Tokens::new(with_long_tokens(Vec::new())))
    }

    /// All bytes, tokens of up to 128 bytes, and the tokens of a real vocabulary: the one that
    /// `HEDGEROW_VOCAB` names (a `tokenizer.json`), else the demo model's if it has been fetched,
    /// else none.
    pub fn shared() -> &'static Self {
        static TOKENS: OnceLock<Tokens> = OnceLock::new();
        TOKENS.get_or_init(|| {
            let (tokens, name) = match (std::env::var_os("HEDGEROW_VOCAB"), demo_model()) {
                (Some(path), _) => {
                    let bytes = std::fs::read(&path).expect("HEDGEROW_VOCAB names a file");
                    (plain_tokens(&Vocabulary::from_tokenizer_json(&bytes).unwrap()), "the given tokenizer")
                }
                (None, Some(bytes)) => {
                    let file = GgufFile::parse(&bytes).unwrap();
                    (plain_tokens(&Vocabulary::from_gguf(&file).unwrap()), "the demo model")
                }
                (None, None) => (Vec::new(), "no file"),
            };
            let given = tokens.len();
            let tokens = Tokens::new(with_long_tokens(tokens));
            println!("{given} tokens of {name}, {} with long ones", tokens.vocabulary.size());
            tokens
        })
    }
}

/// The demo model's file, if `make setup` has fetched it.
fn demo_model() -> Option<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = ".deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf";
    [root.join(path), root.join("..").join(path)].iter().find_map(|path| std::fs::read(path).ok())
}

fn plain_tokens(vocabulary: &Vocabulary) -> Vec<Vec<u8>> {
    let ids = (0..vocabulary.size() as u32).map(TokenId);
    ids.map(|id| vocabulary.bytes(id).to_vec()).filter(|bytes| !bytes.is_empty()).collect()
}

/// A vocabulary of `tokens`, runs of all lengths up to 128, pieces of JSON that span several parts,
/// pieces of characters, and an end-of-sequence token.
fn with_long_tokens(mut tokens: Vec<Vec<u8>>) -> Vocabulary {
    for n in [3, 5, 17, 31, 32, 33, 63, 64, 65, 90, 127, 128] {
        for unit in ["a", "1", " ", "\n", "\t", "é", "=", "-", "ab", "\\n"] {
            let run = unit.repeat(n / unit.len());
            tokens.extend(
                [run.clone(), format!("{run}\""), format!("\"{run}"), format!("{run}b")]
                    .map(String::into_bytes),
            );
        }
    }
    for piece in [
        "\",\"a\":\"b\"}",
        "\":{\"a\":[1,2,{\"b\":",
        "\"]}],\"",
        "\", \"id\": ",
        "{\"a\":\"a\",\"b\":1}",
        "\",\n  \"",
        "\\u0061b\\u0062\"",
        "\\ud83d\\ude00",
        "\\ud83d",
        "<script>alert",
        "\"foo\",\"foo\"",
        "1,1",
        "true,false",
        "foo bar=foo;",
        "\"a\",\"a\",\"b\"",
        "  \"a\": 1,\n",
        "2024-02-29T12:00:00Z\"",
        "foo@bar.com\"}",
        "if(foo){bar",
        "1,",
        "\",",
        ",\"",
        ",\"a",
        "1,\"",
        "\":1,",
        "\":1,\"b",
        "\",\"+",
    ] {
        tokens.push(piece.as_bytes().to_vec());
    }
    tokens.extend([
        b"\xc3".to_vec(),
        b"\xa9\"".to_vec(),
        b"\x9f\x98".to_vec(),
        b"\xf0\x9f".to_vec(),
        b"a\xed\xa0\x80".to_vec(),
    ]);
    tokens.extend(single_bytes());
    let eos = TokenId(tokens.len() as u32);
    tokens.push(Vec::new());
    let special = vec![("</s>".to_owned(), eos)];
    Vocabulary::from_tokens(VocabularyParts { tokens, special, eos: vec![eos], ..Default::default() })
        .unwrap()
}

/// Draws tokens through `constraint` and compares the whole mask with `advance` at most `steps`
/// times, and begins no comparison after `time`. Some walks begin with a part of one of the
/// `hints`, so that masks in the middle of these texts are compared, too.
///
/// # Errors A message that names the first tokens about which mask and `advance` disagree, or the
/// error that came midway.
pub fn check(
    tokens: &Tokens,
    constraint: &Constraint,
    source: &mut Source<'_>,
    hints: &[&str],
    steps: usize,
    time: Duration,
) -> Result<Compared, Problem> {
    let begun = Instant::now();
    let mut matcher = constraint.matcher();
    let mut compared = Compared::default();
    let mut output = Vec::new();
    for step in 0..steps {
        compared.add(compare(tokens, &mut matcher, &output)?);
        let mask = matcher.mask().map_err(|e| midway(e, &output))?;
        let allowed: Vec<TokenId> = mask.iter().collect();
        // `advance` itself, for some allowed and some forbidden tokens.
        for turn in 0..8 {
            let any = source.below(256) << 16 | source.below(256) << 8 | source.below(256);
            let token = match turn % 2 {
                0 if !allowed.is_empty() => allowed[any % allowed.len()],
                _ => TokenId((any % tokens.vocabulary.size()) as u32),
            };
            let read = matcher.fork().advance(token).map_err(|e| midway(e, &output))?;
            if read != mask.contains(token) {
                return Err(Problem::Wrong(format!(
                    "advance reads {token}: {read}; the mask says otherwise after {}",
                    output.escape_ascii()
                )));
            }
        }
        let open: Vec<TokenId> =
            allowed.iter().copied().filter(|token| !tokens.vocabulary.bytes(*token).is_empty()).collect();
        if open.is_empty() {
            if !matcher.is_accepting() {
                return Err(Problem::Wrong(format!("dead end after {}", output.escape_ascii())));
            }
            break;
        }
        if !hints.is_empty() && source.below(3) == 1 {
            let hint = hints[source.below(hints.len())].as_bytes();
            let part = &hint[..source.below(hint.len() + 1)];
            if !part.is_empty() && matcher.advance_bytes(part).map_err(|e| midway(e, &output))? {
                output.extend_from_slice(part);
                continue;
            }
        }
        // Two draws in three prefer short tokens, which open and close things.
        let draws: Vec<TokenId> = (0..4)
            .map(|_| {
                open[(source.below(256) << 16 | source.below(256) << 8 | source.below(256)) % open.len()]
            })
            .collect();
        let length = |token: &TokenId| tokens.vocabulary.bytes(*token).len();
        let token = match source.below(3) {
            0 => draws[0],
            _ => *draws.iter().min_by_key(|token| length(token)).unwrap_or(&draws[0]),
        };
        if !matcher.advance(token).map_err(|e| midway(e, &output))? {
            return Err(Problem::Wrong(format!(
                "{token} is allowed and refused after {}",
                output.escape_ascii()
            )));
        }
        output.extend_from_slice(tokens.vocabulary.bytes(token));
        if step + 1 < steps && (source.is_spent() || begun.elapsed() > time) {
            break;
        }
    }
    Ok(compared)
}

fn midway(error: EngineError, output: &[u8]) -> Problem {
    Problem::Midway(error, output.escape_ascii().to_string())
}

/// Compares the whole mask of a matcher that has read `output`.
///
/// # Errors
/// As [`check`].
pub fn compare(tokens: &Tokens, matcher: &mut Matcher, output: &[u8]) -> Result<Compared, Problem> {
    let mask = matcher.mask().map_err(|e| midway(e, output))?;
    let stepped = stepped(tokens, matcher).map_err(|e| midway(e, output))?;
    let vocabulary = &tokens.vocabulary;
    let wrong: Vec<String> = (0..vocabulary.size() as u32)
        .map(TokenId)
        .filter(|&token| {
            let is_end = vocabulary.eos().contains(&token);
            let is_read = if is_end { matcher.is_accepting() } else { stepped[token.0 as usize] };
            mask.contains(token) != is_read
        })
        .map(|token| vocabulary.bytes(token).escape_ascii().to_string())
        .collect();
    let allowed = mask.iter().count();
    if !wrong.is_empty() {
        return Err(Problem::Wrong(format!(
            "mask and advance disagree about {} tokens after {}: {:?}; allowed by the mask: {allowed}",
            wrong.len(),
            output.escape_ascii(),
            &wrong[..wrong.len().min(6)],
        )));
    }
    Ok(Compared { masks: 1, tokens: vocabulary.size() as u64, allowed: allowed as u64 })
}

/// For each token, true if its bytes are read. Tokens are tried in the order of their bytes, so
/// that a common beginning of two is read once.
fn stepped(tokens: &Tokens, matcher: &mut Matcher) -> Result<Vec<bool>, EngineError> {
    let vocabulary = &tokens.vocabulary;
    let mut read = vec![false; vocabulary.size()];
    // The bytes of `before` that have been read, and how many of them lead on.
    let mut before: &[u8] = &[];
    let mut depth = 0;
    for &token in &tokens.sorted {
        let bytes = vocabulary.bytes(token);
        let common = before.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        if common > depth {
            // The refused byte is part of the common beginning.
            before = bytes;
            continue;
        }
        matcher.rollback(depth - common)?;
        depth = common;
        while depth < bytes.len() && matcher.advance_bytes(&bytes[depth..=depth])? {
            depth += 1;
        }
        read[token.0 as usize] = depth == bytes.len();
        before = bytes;
    }
    matcher.rollback(depth)?;
    Ok(read)
}
