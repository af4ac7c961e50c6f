//! Structural tags beside XGrammar, whose verdicts on random formats and outputs are recorded in
//! `tests/structural_tags/`. Every difference must be one that `docs/tools.md` explains.

use hedgerow::engine::Constraint;
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};
use serde_json::Value;
use std::collections::BTreeMap;

/// The special tokens, and the letters that stand for them in outputs.
const SPECIAL: [(char, &str); 2] = [('S', "<|s|>"), ('E', "<|e|>")];

/// All bytes, the end of sequence, and the special tokens, as the script numbers them.
fn vocabulary() -> Vocabulary {
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
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

#[test]
fn differences_from_xgrammar_are_known() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/structural_tags/xgrammar.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let vocabulary = vocabulary();
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut same = 0;
    for line in text.lines().skip(1) {
        let case: Value = serde_json::from_str(line).unwrap();
        let tag = serde_json::json!({"format": case["format"]}).to_string();
        let constraint = match (Constraint::structural_tag(&tag, &vocabulary), case["outputs"].as_array()) {
            (Err(_), None) => continue,
            (Err(error), Some(_)) => {
                let message = error.to_string();
                let kind =
                    message.split("; ").next().unwrap_or_default().split(": ").nth(1).unwrap_or(&message);
                kinds.entry(format!("refused: {kind}")).or_default().push(format!("{error} in {tag}"));
                continue;
            }
            (Ok(constraint), _) => constraint,
        };
        let Some(outputs) = case["outputs"].as_array() else {
            kinds.entry(format!("xgrammar {}", case["error"])).or_default().push(tag);
            continue;
        };
        for output in outputs {
            let text = output[0].as_str().unwrap();
            let theirs = (output[1].as_u64().unwrap() as usize, output[2].as_bool().unwrap());
            let ours = reads(&constraint, text);
            if ours == theirs {
                same += 1;
                continue;
            }
            let kind = if ours.0 < theirs.0 || ours.0 == theirs.0 && theirs.1 {
                "we are stricter"
            } else {
                "we are looser"
            };
            kinds
                .entry(kind.to_owned())
                .or_default()
                .push(format!("{text:?} ours {ours:?} theirs {theirs:?} {tag}"));
        }
    }
    for (kind, cases) in &kinds {
        println!("{kind}: {}", cases.len());
        for case in cases.iter().take(std::env::var("SHOWN").map_or(5, |n| n.parse().unwrap())) {
            println!("    {case}");
        }
    }
    println!("{same} the same");
}

#[test]
#[ignore]
fn speed() {
    use std::time::Instant;
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".deps/tokenizers/llama-3.1/tokenizer.json");
    let vocabulary = Vocabulary::from_tokenizer_json(&std::fs::read(path).unwrap()).unwrap();
    let object = r#"{"type": "json_schema", "json_schema": {"type": "object"}}"#;
    for count in [1, 20, 500] {
        let tags: Vec<String> = (0..count).map(|i| format!(r#"{{"begin": "<function=tool{i}>", "end": "</function>", "role": "call", "name": "t{i}", "content": {object}}}"#)).collect();
        let tag = format!(
            r#"{{"format": {{"type": "triggered_tags", "triggers": ["<function="], "tags": [{}]}}}}"#,
            tags.join(",")
        );
        let start = Instant::now();
        let constraint = Constraint::structural_tag(&tag, &vocabulary).unwrap();
        println!("{count} tags: constraint {:?}", start.elapsed());
        let text = "I will look this up for you, with the tools that I have: < and <fun. <function=tool0>{\"city\": \"Oslo and elsewhere\", \"days\": [1, 2, 3]}</function> There it is, as you wished; is there more? ".repeat(5);
        let tokens = vocabulary.greedy_tokenize(text.as_bytes()).unwrap();
        let mut words = vec![0; vocabulary.size().div_ceil(32)];
        for round in 0..3 {
            let mut matcher = constraint.matcher();
            let (mut masks, mut steps) = (0, 0);
            for &token in &tokens {
                let start = Instant::now();
                matcher.fill_mask(&mut words).unwrap();
                masks += start.elapsed().as_nanos();
                let start = Instant::now();
                assert!(matcher.advance(token).unwrap());
                steps += start.elapsed().as_nanos();
            }
            let mut reader = constraint.event_reader().unwrap();
            let mut events = Vec::new();
            let start = Instant::now();
            for &token in &tokens {
                events.clear();
                assert!(reader.advance(token, &mut events).unwrap());
            }
            let n = tokens.len() as u128;
            println!(
                "round {round}: mask {} ns, advance {} ns, events {} ns, over {n} tokens; {:?}",
                masks / n,
                steps / n,
                start.elapsed().as_nanos() / n,
                constraint.stats()
            );
        }
    }
    let constraint = Constraint::json_schema(r#"{"type": "string"}"#, &vocabulary).unwrap();
    let text = format!("\"{}", "I will look this up for you, with the tools that I have. ".repeat(9));
    let tokens = vocabulary.greedy_tokenize(text.as_bytes()).unwrap();
    let mut words = vec![0; vocabulary.size().div_ceil(32)];
    for round in 0..3 {
        let mut matcher = constraint.matcher();
        let mut masks = 0;
        for &token in &tokens {
            let start = Instant::now();
            matcher.fill_mask(&mut words).unwrap();
            masks += start.elapsed().as_nanos();
            assert!(matcher.advance(token).unwrap());
        }
        println!("string {round}: mask {} ns; {:?}", masks / tokens.len() as u128, constraint.stats());
    }
}
