//! The vocabulary of all bytes, and functions that test texts with it.

use hedgerow::Constraint;
use hedgerow::schema::{SchemaOptions, compile};
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};

/// All 256 bytes as tokens, each with its own number, and then `longer` tokens.
pub fn byte_tokens<T: AsRef<[u8]>>(longer: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    let longer = longer.into_iter().map(|token| token.as_ref().to_vec());
    (0..=255).map(|byte| vec![byte]).chain(longer).collect()
}

/// All 256 bytes as tokens.
pub fn single_bytes() -> Vec<Vec<u8>> {
    byte_tokens::<&str>([])
}

/// A vocabulary of all 256 bytes, then `longer` tokens, then the end of sequence `</s>`.
pub fn byte_vocabulary(longer: &[&str]) -> Vocabulary {
    let mut tokens = byte_tokens(longer);
    tokens.push(b"</s>".to_vec());
    let end = TokenId(tokens.len() as u32 - 1);
    Vocabulary::from_byte_list(tokens).unwrap().with_eos(&[end]).unwrap()
}

/// A vocabulary of all 256 bytes, the tokens `first`, `special` tokens, the tokens `last`, and a
/// token that ends the sequence.
pub fn special_vocabulary(first: &[&str], special: &[&str], last: &[&str]) -> Vocabulary {
    let mut tokens = byte_tokens(first);
    let ids = (tokens.len() as u32..).map(TokenId);
    let special: Vec<(String, TokenId)> = special.iter().map(|name| (*name).to_owned()).zip(ids).collect();
    tokens.extend(special.iter().map(|_| Vec::new()));
    tokens.extend(last.iter().map(|text| text.as_bytes().to_vec()));
    let eos = vec![TokenId(tokens.len() as u32)];
    tokens.push(Vec::new());
    Vocabulary::from_tokens(VocabularyParts { tokens, special, eos, model_size: None }).unwrap()
}

/// True if `text` is a whole output of the constraint.
pub fn accepts(constraint: &Constraint, text: &str) -> bool {
    let mut matcher = constraint.matcher();
    matcher.advance_bytes(text.as_bytes()).unwrap() && matcher.is_accepting()
}

/// The constraint of a schema over the vocabulary of all bytes.
pub fn constraint(schema: &str, options: &SchemaOptions) -> Constraint {
    let grammar = compile(schema, options).unwrap_or_else(|error| panic!("{schema}: {error}"));
    Constraint::new(&grammar, &byte_vocabulary(&[])).unwrap()
}

/// Asserts that a schema accepts the `valid` texts and none of the `invalid` ones.
#[track_caller]
pub fn check_with(options: &SchemaOptions, schema: &str, valid: &[&str], invalid: &[&str]) {
    let constraint = constraint(schema, options);
    check_texts(schema, valid, invalid, |text| accepts(&constraint, text));
}

/// Asserts that `accepts` holds for the first texts and for none of the second. `what` accepts
/// them.
#[track_caller]
pub fn check_texts<T: AsRef<str>>(what: &str, accepted: &[T], refused: &[T], accepts: impl Fn(&str) -> bool) {
    for (texts, expected) in [(accepted, true), (refused, false)] {
        for text in texts {
            let text = text.as_ref();
            assert!(
                accepts(text) == expected,
                "{what} {} {text:?}",
                if expected { "refuses" } else { "accepts" }
            );
        }
    }
}

/// Each schema with the error of compiling it by default, for snapshots.
pub fn refusals(schemas: &[&str]) -> String {
    let shown =
        schemas.iter().map(|schema| match hedgerow::schema::compile(schema, &SchemaOptions::default()) {
            Ok(_) => format!("{schema}\n  compiles"),
            Err(error) => format!("{schema}\n  {error}"),
        });
    shown.collect::<Vec<_>>().join("\n")
}
