//! Small random schemas and instances. A schema has few keywords of many, so that every combination
//! of keywords comes up.

use super::walk::Random;
use serde_json::{Map, Value, json};

const KEYS: [&str; 4] = ["a", "b", "ab", "x"];
const TEXTS: [&str; 6] = ["", "a", "b", "ab", "x\n", "é"];
const NUMBERS: [&str; 8] = ["0", "1", "2", "3", "-1", "0.5", "6", "10"];
const PATTERNS: [&str; 6] = ["^a", "b$", "^[ab]*$", "^.$", "", "^x"];

fn pick<'t>(random: &mut Random, from: &[&'t str]) -> &'t str {
    from[random.below(from.len())]
}

/// A value that is nested no deeper than `depth`.
pub fn value(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0 => Value::Null,
        1 => Value::Bool(random.below(2) == 0),
        2 | 3 => serde_json::from_str(pick(random, &NUMBERS)).unwrap(),
        4 => Value::from(pick(random, &TEXTS)),
        5 | 6 => (0..random.below(4)).map(|_| value(random, depth - 1)).collect(),
        _ => {
            let members =
                (0..random.below(4)).map(|_| (pick(random, &KEYS).to_owned(), value(random, depth - 1)));
            Value::Object(members.collect())
        }
    }
}

/// A schema that is nested no deeper than `depth`, with references to `#/$defs/p` and `#/$defs/q`.
pub fn schema(random: &mut Random, depth: u32) -> Value {
    if random.below(12) == 0 {
        return Value::Bool(random.below(4) != 0);
    }
    let mut all = Map::new();
    for _ in 0..=random.below(3) {
        let (key, value) = keyword(random, depth);
        all.insert(key.to_owned(), value);
        // Some keywords mean something only beside another one.
        let beside = match key {
            "contains" if random.below(2) == 0 => "minContains",
            "contains" => "maxContains",
            "if" if random.below(2) == 0 => "then",
            "if" => "else",
            "items" if random.below(3) == 0 => "uniqueItems",
            _ => continue,
        };
        let value = match beside {
            "minContains" | "maxContains" => json!(random.below(3)),
            "uniqueItems" => json!(true),
            _ => schema(random, depth.saturating_sub(1)),
        };
        all.insert(beside.to_owned(), value);
    }
    Value::Object(all)
}

fn keyword(random: &mut Random, depth: u32) -> (&'static str, Value) {
    let number = |random: &mut Random| serde_json::from_str(pick(random, &NUMBERS)).unwrap();
    let size = |random: &mut Random| json!(random.below(4));
    let scalars = 18;
    let choice = random.below(if depth == 0 { scalars } else { scalars + 17 });
    let inner = |random: &mut Random| schema(random, depth.saturating_sub(1));
    let several = |random: &mut Random| -> Value { (0..=random.below(2)).map(|_| inner(random)).collect() };
    match choice {
        0..=3 => {
            let types = ["null", "boolean", "integer", "number", "string", "array", "object"];
            let some: Vec<&str> = types.into_iter().filter(|_| random.below(3) == 0).collect();
            match some.is_empty() {
                true => ("type", json!(pick(random, &types))),
                false => ("type", json!(some)),
            }
        }
        4 => ("enum", (0..=random.below(4)).map(|_| value(random, 1)).collect()),
        5 => ("const", value(random, 2)),
        6 => ("minimum", number(random)),
        7 => ("exclusiveMaximum", number(random)),
        8 => ("multipleOf", json!([1, 2, 3][random.below(3)])),
        9 => ("minLength", size(random)),
        10 => ("maxLength", size(random)),
        11 => ("pattern", json!(pick(random, &PATTERNS))),
        12 => ("minItems", size(random)),
        13 => ("maxItems", size(random)),
        14 => ("uniqueItems", json!(random.below(4) != 0)),
        15 => ("minProperties", size(random)),
        16 => ("maxProperties", size(random)),
        17 => ("$ref", json!(pick(random, &["#/$defs/p", "#/$defs/q"]))),
        18 | 19 => {
            let some: Vec<&str> = KEYS.into_iter().filter(|_| random.below(2) == 0).collect();
            (
                "properties",
                Value::Object(some.into_iter().map(|key| (key.to_owned(), inner(random))).collect()),
            )
        }
        20 => ("required", json!([pick(random, &KEYS)])),
        21 => ("additionalProperties", inner(random)),
        22 => ("patternProperties", json!({ pick(random, &PATTERNS): inner(random) })),
        23 => ("propertyNames", inner(random)),
        24 => ("dependentRequired", json!({ pick(random, &KEYS): [pick(random, &KEYS)] })),
        25 => ("dependentSchemas", json!({ pick(random, &KEYS): inner(random) })),
        26 | 27 => ("items", inner(random)),
        28 => ("prefixItems", several(random)),
        29 => ("contains", inner(random)),
        30 => ("allOf", several(random)),
        31 => ("anyOf", several(random)),
        32 => ("oneOf", several(random)),
        33 => ("not", inner(random)),
        _ => match random.below(3) {
            0 => ("if", inner(random)),
            1 => ("unevaluatedProperties", inner(random)),
            _ => ("unevaluatedItems", inner(random)),
        },
    }
}

/// A schema with definitions that may refer to themselves and each other.
pub fn document(random: &mut Random) -> Value {
    let mut root = match schema(random, 3) {
        Value::Object(all) => all,
        other => Map::from_iter([("allOf".to_owned(), json!([other]))]),
    };
    let definitions = json!({ "p": schema(random, 2), "q": schema(random, 2) });
    root.insert("$defs".to_owned(), definitions);
    Value::Object(root)
}
