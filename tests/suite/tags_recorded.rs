//! Structural tags beside a naive reference, and beside XGrammar, whose verdicts on random formats
//! and outputs are recorded in `tests/structural_tags/`.

use super::tags_reference::Reference;
use crate::support::bytes::single_bytes;
use hedgerow::engine::Constraint;
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};
use serde_json::Value;
use std::cell::RefCell;

/// The special tokens, and the letters that stand for them in outputs.
const SPECIAL: [(char, &str); 2] = [('S', "<|s|>"), ('E', "<|e|>")];

/// All bytes, the end of sequence, and the special tokens, as the script numbers them.
fn vocabulary() -> Vocabulary {
    let mut tokens = single_bytes();
    let eos = TokenId(256);
    tokens.extend([const { Vec::new() }; 3]);
    let special = (257..).map(TokenId).zip(SPECIAL).map(|(id, (_, name))| (name.to_owned(), id)).collect();
    Vocabulary::from_tokens(VocabularyParts { tokens, special, eos: vec![eos], model_size: None }).unwrap()
}

/// The number of symbols read, and true if the output may end behind them.
fn reads(constraint: &Constraint, output: &str) -> (usize, bool) {
    let mut matcher = constraint.matcher();
    for (at, symbol) in output.chars().enumerate() {
        let special = SPECIAL.iter().position(|(letter, _)| *letter == symbol);
        let token = special.map_or(symbol as u32, |special| 257 + special as u32);
        if !matcher.advance(TokenId(token)).unwrap() {
            return (at, false);
        }
    }
    (output.chars().count(), matcher.is_accepting())
}

/// Every output is read as the naive reference reads it, and nearly all of them as XGrammar does.
/// `docs/tools.md` tells the differences.
#[test]
fn outputs_are_read_naively_and_mostly_as_xgrammar_reads_them() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/structural_tags/xgrammar.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let (vocabulary, parts) = (vocabulary(), RefCell::default());
    let (mut same, mut other, mut refused) = (0, 0, 0);
    for line in text.lines().skip(1) {
        let case: Value = serde_json::from_str(line).unwrap();
        let tag = serde_json::json!({"format": case["format"]}).to_string();
        let constraint = match Constraint::structural_tag(&tag, &vocabulary) {
            Ok(constraint) => constraint,
            Err(error) => {
                // A trigger that could never be read is an error here.
                assert!(error.to_string().contains("can never be read"), "{tag}: {error}");
                refused += 1;
                continue;
            }
        };
        let format = hedgerow::tags::parse(&tag).unwrap().format;
        for output in case["outputs"].as_array().into_iter().flatten() {
            let text = output[0].as_str().unwrap();
            let ours = reads(&constraint, text);
            let reference = Reference {
                special: &SPECIAL,
                vocabulary: &vocabulary,
                output: text.chars().collect(),
                parts: &parts,
            };
            assert_eq!(ours == (text.chars().count(), true), reference.accepts(&format), "{text:?} of {tag}");
            match ours == (output[1].as_u64().unwrap() as usize, output[2].as_bool().unwrap()) {
                true => same += 1,
                false => other += 1,
            }
        }
    }
    let outputs = text.lines().skip(1).map(|line| {
        let case: Value = serde_json::from_str(line).unwrap();
        case["outputs"].as_array().map_or(0, Vec::len)
    });
    let outputs: usize = outputs.sum();
    assert_eq!((same + other, refused), (outputs, 0));
    let number = |n: usize| if n < 1000 { n.to_string() } else { format!("{},{:03}", n / 1000, n % 1000) };
    let page = include_str!("../../docs/tools.md").split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        format!("have {} formats and {} outputs.", text.lines().count() - 1, number(outputs)),
        format!("and {} of them as XGrammar does.", number(same)),
        format!("Most of the other {other} "),
    ] {
        assert!(page.contains(&sentence), "docs/tools.md does not say: {sentence}");
    }
}
