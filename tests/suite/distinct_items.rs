//! Arrays of distinct items beside counters, compared with all arrays that there are.
//!
//! The items are a few integers, so that another validator can judge every array of them.
//! `HEDGEROW_CASES` sets the number of schemas, and `HEDGEROW_SEED` chooses them.

use crate::support::bytes::byte_vocabulary;
use crate::support::files::number;
use crate::support::walk::Random;
use hedgerow::engine::Constraint;
use hedgerow::schema::{SchemaOptions, compile};
use serde_json::{Value, json};
use std::collections::HashSet;

/// The integers from 0 on that may be items.
const VALUES: u32 = 5;

fn some_values(random: &mut Random) -> Value {
    let mut values: Vec<usize> = (0..VALUES as usize).filter(|_| random.below(2) == 0).collect();
    values.push(random.below(VALUES as usize));
    values.sort_unstable();
    values.dedup();
    json!({ "enum": values })
}

/// A schema of arrays of distinct items, with counters and with schemas of single positions.
fn schema(random: &mut Random) -> Value {
    let mut schema = json!({
        "type": "array", "uniqueItems": true, "items": some_values(random), "minItems": random.below(4)
    });
    if random.below(3) > 0 {
        schema["prefixItems"] = (0..=random.below(3)).map(|_| some_values(random)).collect();
    }
    if random.below(2) == 0 {
        schema["maxItems"] = json!(2 + random.below(3));
    }
    let conditions = (0..=random.below(3)).map(|_| {
        if random.below(4) == 0 {
            // Some item from a later position on is none of these values.
            let before: Vec<Value> = (0..random.below(3)).map(|_| json!(true)).collect();
            return match before.is_empty() {
                true => json!({ "not": { "items": some_values(random) } }),
                false => json!({ "not": { "prefixItems": before, "items": some_values(random) } }),
            };
        }
        let least = random.below(3);
        let mut contains = json!({ "contains": some_values(random), "minContains": least });
        if random.below(3) == 0 {
            contains["maxContains"] = json!(least + random.below(3));
        }
        contains
    });
    schema["allOf"] = conditions.collect();
    schema
}

/// All lists of distinct values.
fn all_arrays() -> Vec<Vec<u32>> {
    let mut all = vec![Vec::new()];
    let mut at = 0;
    while at < all.len() {
        let array = all[at].clone();
        let longer = (0..VALUES).filter(|value| !array.contains(value));
        all.extend(longer.map(|value| [&array[..], &[value]].concat()));
        at += 1;
    }
    all
}

/// Compares the engine with the arrays that are valid, at every beginning of an array.
fn compare(schema: &Value, arrays: &[Vec<u32>]) -> Result<(), String> {
    let judge = jsonschema::validator_for(schema).unwrap();
    let valid: HashSet<&[u32]> =
        arrays.iter().map(Vec::as_slice).filter(|array| judge.is_valid(&json!(array))).collect();
    let begun: HashSet<&[u32]> =
        valid.iter().flat_map(|array| (0..=array.len()).map(|len| &array[..len])).collect();
    let grammar = match compile(&schema.to_string(), &SchemaOptions::default()) {
        Ok(grammar) => grammar,
        Err(error) if valid.is_empty() && error.to_string().contains("no JSON value satisfies") => {
            return Ok(());
        }
        Err(error) => return Err(format!("{} arrays are valid: {error}", valid.len())),
    };
    let constraint = Constraint::new(&grammar, &byte_vocabulary(&[])).map_err(|error| error.to_string())?;
    for array in arrays {
        if array.split_last().is_some_and(|(_, before)| !begun.contains(before)) {
            continue;
        }
        let items: Vec<String> = array.iter().map(u32::to_string).collect();
        let text = format!("[{}", items.join(","));
        let goes_on = begun.iter().any(|other| other.len() > array.len() && other.starts_with(array));
        let comma = if array.is_empty() { "" } else { "," };
        for (text, expected) in [
            (text.clone(), begun.contains(&array[..])),
            (format!("{text}{comma}"), if array.is_empty() { !begun.is_empty() } else { goes_on }),
            (format!("{text}]"), valid.contains(&array[..])),
        ] {
            let read =
                constraint.matcher().advance_bytes(text.as_bytes()).map_err(|e| format!("{text}: {e}"))?;
            if read != expected {
                return Err(format!("{text} is {}", if read { "allowed" } else { "refused" }));
            }
        }
    }
    Ok(())
}

#[test]
fn distinct_items_beside_counters_agree_with_all_arrays() {
    let arrays = all_arrays();
    let (seed, cases) = (number("HEDGEROW_SEED", 1) as u64, number("HEDGEROW_CASES", 400) as u64);
    let mut failures = Vec::new();
    for case in 0..cases {
        let schema = schema(&mut Random(seed << 40 | case));
        if let Err(problem) = compare(&schema, &arrays) {
            failures.push(format!("{case}: {problem}\n{schema}"));
        }
    }
    assert!(failures.is_empty(), "{} of {cases} fail:\n{}", failures.len(), failures.join("\n"));
}
