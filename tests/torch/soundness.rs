//! Random walks over the masks, with the demo model's tokens: every output must be valid, and every
//! valid instance must be allowed.
//!
//! A walk takes random allowed tokens from the start of an output to its end. Every output must be
//! JSON that satisfies its schema, as the `jsonschema` crate judges, and no walk may reach a state
//! in which nothing is allowed. Valid instances must be accepted token by token, in the model's own
//! tokenisation and byte by byte, and invalid ones refused.
//!
//! The schemas are those of MaskBench that use only the basic keywords. `HEDGEROW_WALKS` sets the
//! number of walks for each schema (default 5). A long run has 100: `HEDGEROW_WALKS=100 cargo test
//! --release --features torch,cli --test torch soundness`.

use hedgerow::engine::{Constraint, Matcher};
use hedgerow::schema::{SchemaOptions, compile};
use hedgerow::torch::{LoadOptions, Model};
use hedgerow::vocab::TokenId;
use serde_json::Value;

use crate::support::files::{self, Case};
use crate::support::walk::{Random, walk};

/// Keywords of the basic group that constrain, and keywords that only describe.
const KEYWORDS: &[&str] = &[
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "additionalItems",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "$ref",
    "$defs",
    "definitions",
    "anyOf",
    "allOf",
    "$schema",
    "$id",
    "id",
    "title",
    "description",
    "default",
    "examples",
    "$comment",
];
/// The number of MaskBench's schemas that are tried.
const SCHEMAS: usize = 100;

fn is_basic(schema: &Value) -> bool {
    let all = |mut values: &mut dyn Iterator<Item = &Value>| Iterator::all(&mut values, is_basic);
    match schema {
        Value::Object(map) => map.iter().all(|(key, value)| {
            KEYWORDS.contains(&key.as_str())
                && match (key.as_str(), value) {
                    ("properties" | "$defs" | "definitions", Value::Object(map)) => all(&mut map.values()),
                    ("anyOf" | "allOf" | "prefixItems", Value::Array(list)) => all(&mut list.iter()),
                    ("items" | "additionalItems" | "additionalProperties", value) => is_basic(value),
                    // The judge and ECMA-262 differ in the meaning of some classes. Other tests
                    // hold patterns.
                    ("pattern", Value::String(p)) => !p.contains('\\') && !p.contains("(?"),
                    _ => true,
                }
        }),
        Value::Array(list) => all(&mut list.iter()),
        _ => true,
    }
}

fn accepts(matcher: &mut Matcher, tokens: &[TokenId]) -> bool {
    matcher.reset();
    matcher.validate(tokens).unwrap() == tokens.len()
        && tokens.iter().all(|&t| matcher.advance(t).unwrap())
        && matcher.is_accepting()
}

mod needs_model {
    use super::*;

    #[test]
    #[ignore = "needs the demo model: make setup"]
    fn walks_over_the_sample() {
        walks_end_valid_and_instances_are_judged_rightly(files::sample(), usize::MAX);
    }
}

mod needs_maskbench {
    use super::*;

    #[test]
    #[ignore = "needs the demo model and HEDGEROW_DATA"]
    fn walks_over_maskbench() {
        // Every seventh case, so that the hundred come from all of MaskBench's collections.
        walks_end_valid_and_instances_are_judged_rightly(files::maskbench().step_by(7), SCHEMAS);
    }
}

fn walks_end_valid_and_instances_are_judged_rightly(cases: impl Iterator<Item = Case>, schemas: usize) {
    let walks = files::number("HEDGEROW_WALKS", 5);
    let model = Model::load(files::demo_model(), LoadOptions::default()).unwrap();
    let vocabulary = model.vocabulary();
    let byte_tokens: Vec<TokenId> = (0..=255u8)
        .filter_map(|b| Some(*vocabulary.trie().tokens(vocabulary.trie().child(0, b)?).first()?))
        .collect();
    let byte_of: std::collections::HashMap<u8, TokenId> =
        byte_tokens.iter().map(|&t| (vocabulary.bytes(t)[0], t)).collect();
    let (mut used, mut outputs, mut long, mut instances, mut order_only) = (0, 0, 0, 0, 0);
    let mut failures: Vec<String> = Vec::new();
    for Case { id, schema: text, instances: texts } in cases {
        let text = text.as_str();
        let schema: Value = serde_json::from_str(text).unwrap();
        if !is_basic(&schema) {
            continue;
        }
        let judge = jsonschema::validator_for(&schema).unwrap();
        let grammar = match compile(text, &SchemaOptions::default()) {
            Ok(grammar) => grammar,
            Err(error) => {
                failures.push(format!("{id}: {error}"));
                continue;
            }
        };
        let any_order = SchemaOptions::default().key_order(hedgerow::grammar::KeyOrder::Any);
        let any_order = Constraint::new(&compile(text, &any_order).unwrap(), vocabulary).unwrap();
        let mut matcher = Constraint::new(&grammar, vocabulary).unwrap().matcher();
        let mut random = Random(used as u64);
        for _ in 0..walks {
            matcher.reset();
            match walk(&mut matcher, vocabulary, &mut random) {
                Ok(None) => long += 1,
                Ok(Some(output)) => {
                    outputs += 1;
                    match serde_json::from_str::<Value>(&output) {
                        Ok(value) if judge.is_valid(&value) => {}
                        Ok(value) => {
                            let why = judge.iter_errors(&value).next().map(|e| e.to_string());
                            failures.push(format!("{id}: {output} is not valid: {why:?}"));
                        }
                        Err(error) => failures.push(format!("{id}: {output} is not JSON: {error}")),
                    }
                }
                Err(error) => failures.push(format!("{id}: {error}")),
            }
        }
        for (valid, text) in texts {
            instances += 1;
            let canonical = model.tokenizer().encode(&text).unwrap();
            let bytes: Vec<TokenId> = text.bytes().map(|b| byte_of[&b]).collect();
            let (a, b) = (accepts(&mut matcher, &canonical), accepts(&mut matcher, &bytes));
            if a != b {
                failures.push(format!("{id}: tokenisations disagree on {text}"));
            } else if a != valid {
                if valid && accepts(&mut any_order.matcher(), &canonical) {
                    order_only += 1;
                } else {
                    failures.push(format!(
                        "{id}: {text} should be {}",
                        if valid { "accepted" } else { "refused" }
                    ));
                }
            }
        }
        used += 1;
        if used == schemas {
            break;
        }
    }
    println!(
        "{used} schemas, {outputs} outputs judged, {long} walks given up as too long; {instances} instances, \
         {order_only} valid ones in another key order than declared"
    );
    assert!(used >= schemas.min(20), "only {used} schemas keep to the basic keywords");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(long * 20 <= outputs, "too many walks did not end");
}
