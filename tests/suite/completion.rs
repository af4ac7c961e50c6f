//! Completions: a short way to the end of an output is found from every position, is valid, and is
//! no longer than necessary.
//!
//! `kinds_and_lengths` is a table of kinds of schemas by lengths. Each is completed from the start
//! and from random positions of random outputs, and an independent judge reads the result.
//! `maskbench` does the same with `HEDGEROW_SCHEMAS` (default 40) real schemas, in both orders of
//! keys, over the vocabulary in `HEDGEROW_VOCAB` (default: single bytes and some words), and prints
//! the time it took:
//! `HEDGEROW_SCHEMAS=1000 cargo test --release --test suite completion -- --nocapture`.

use hedgerow::engine::{Constraint, Matcher};
use hedgerow::grammar::{Grammar, KeyOrder};
use hedgerow::schema::{self, SchemaOptions};
use hedgerow::syntax::regex::{self, Dialect};
use hedgerow::syntax::{self, Notation};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::support::bytes::byte_vocabulary;
use crate::support::files::{self, Case, number};
use crate::support::walk::Random;

fn vocabulary() -> Vocabulary {
    byte_vocabulary(&[
        "{\"",
        "\":",
        "\",",
        "\"}",
        "aa",
        "aaaaaaaa",
        "name",
        "true",
        "null",
        "00",
        "2000-01-01",
        "],",
        "}}",
        ", ",
    ])
}

/// The text that completes a matcher's output, after checking that it is read to its end.
fn complete(matcher: &mut Matcher) -> Result<(Vec<u8>, Duration), String> {
    let begun = Instant::now();
    let way = matcher.completion().map_err(|e| e.to_string())?.ok_or("no way to the end")?;
    let time = begun.elapsed();
    let mut text = Vec::new();
    for &token in way.iter() {
        if !matcher.advance(token).map_err(|e| e.to_string())? {
            return Err(format!(
                "token {token} of the way is refused after {:?}",
                String::from_utf8_lossy(&text)
            ));
        }
        text.extend_from_slice(matcher.vocabulary().bytes(token));
    }
    if !matcher.is_accepting() {
        return Err(format!("{:?} is not the end", String::from_utf8_lossy(&text)));
    }
    Ok((text, time))
}

/// Reads at most `most` random allowed tokens other than the end of the sequence, and returns their
/// bytes.
fn begin(matcher: &mut Matcher, random: &mut Random, most: usize) -> Result<Vec<u8>, String> {
    let vocabulary = matcher.vocabulary().clone();
    let mut text = Vec::new();
    for _ in 0..random.below(most + 1) {
        let mask = matcher.mask().map_err(|e| e.to_string())?;
        let ids: Vec<TokenId> = mask.iter().filter(|id| !vocabulary.eos().contains(id)).collect();
        if ids.is_empty() {
            break;
        }
        let token = ids[random.below(ids.len())];
        assert!(matcher.advance(token).map_err(|e| e.to_string())?);
        text.extend_from_slice(vocabulary.bytes(token));
    }
    Ok(text)
}

fn required(keys: usize, value: &Value) -> Value {
    let names: Vec<String> = (0..keys).map(|key| format!("key{key}")).collect();
    let properties: serde_json::Map<String, Value> =
        names.iter().map(|n| (n.clone(), value.clone())).collect();
    json!({"type": "object", "properties": properties, "required": names})
}

fn nested(depth: usize, least: usize) -> Value {
    let inner = json!({"enum": [10, 200]});
    (0..depth).fold(inner, |items, _| json!({"type": "array", "items": items, "minItems": least}))
}

/// A name, the schema for a length, the lengths, and the bytes of the shortest instance for a
/// length if they are known.
type SchemaKind = (&'static str, Box<dyn Fn(usize) -> Value>, Vec<usize>, Option<fn(usize) -> usize>);

/// The kinds of schemas in the table. The bytes of the shortest instance are given where the
/// engine's estimate of lengths is exact.
fn kinds() -> Vec<SchemaKind> {
    [string_kinds(), object_kinds(), array_kinds(), number_and_choice_kinds(), fixed_kinds(), format_kinds()]
        .into_iter()
        .flatten()
        .collect()
}

/// Small and large lengths.
fn lengths() -> Vec<usize> {
    vec![0, 1, 4, 5, 6, 20, 100, 500]
}

fn string_kinds() -> Vec<SchemaKind> {
    vec![
        ("minLength", Box::new(|n| json!({"type": "string", "minLength": n})), lengths(), Some(|n| n + 2)),
        (
            "a property with minLength",
            Box::new(
                |n| json!({"type": "object", "properties": {"a": {"type": "string", "minLength": n}}, "required": ["a"]}),
            ),
            lengths(),
            Some(|n| n + 8),
        ),
        (
            "minLength and maxLength",
            Box::new(|n| json!({"type": "string", "minLength": n, "maxLength": n + 1})),
            lengths(),
            Some(|n| n + 2),
        ),
        (
            "a pattern and minLength",
            Box::new(|n| json!({"type": "string", "minLength": n, "pattern": "^[a-z]+(-[0-9]{2,})*$"})),
            vec![1, 5, 40],
            Some(|n| n + 2),
        ),
        (
            "a counted pattern",
            Box::new(|n| json!({"type": "string", "pattern": format!("^(ab|cde){{{n},}}$")})),
            lengths(),
            Some(|n| 2 * n + 2),
        ),
        (
            "a lookahead",
            Box::new(|n| json!({"type": "string", "pattern": format!("^(?=.*[0-9]).{{{n},}}$")})),
            vec![1, 8, 60],
            Some(|n| n + 2),
        ),
    ]
}

fn object_kinds() -> Vec<SchemaKind> {
    vec![
        (
            "required keys",
            Box::new(|n| required(n, &json!({"type": "null"}))),
            vec![0, 1, 10, 300, 1_000, 2_000],
            None,
        ),
        (
            "required strings",
            Box::new(|n| required(n, &json!({"type": "string", "minLength": 3}))),
            vec![1, 50],
            None,
        ),
        ("minProperties", Box::new(|n| json!({"type": "object", "minProperties": n})), vec![1, 3, 30], None),
        (
            "minProperties of declared ones",
            Box::new(|n| {
                let mut schema = required(40, &json!({"enum": [true, 12345]}));
                schema["required"] = json!(["key3"]);
                schema["minProperties"] = json!(n);
                schema["additionalProperties"] = json!(false);
                schema
            }),
            vec![1, 3, 30],
            None,
        ),
    ]
}

fn array_kinds() -> Vec<SchemaKind> {
    vec![
        (
            "minItems",
            Box::new(|n| json!({"type": "array", "minItems": n, "items": {"type": "boolean"}})),
            vec![0, 1, 50, 500],
            Some(|n| (5 * n + 1).max(2)),
        ),
        (
            "nested minItems",
            Box::new(|n| nested(n, 2)),
            vec![1, 3, 6],
            Some(|n| (0..n).fold(2, |bytes, _| 2 * bytes + 3)),
        ),
        (
            "prefixItems",
            Box::new(
                |n| json!({"type": "array", "prefixItems": vec![json!({"type": "string", "format": "date"}); n], "minItems": n + 1, "items": {"const": 7}}),
            ),
            vec![1, 20],
            Some(|n| 13 * n + 3),
        ),
        (
            "contains",
            Box::new(
                |n| json!({"allOf": (0..n).map(|i| json!({"contains": {"const": i}})).collect::<Vec<_>>(), "type": "array"}),
            ),
            vec![1, 2, 5, 10],
            Some(|n| 2 * n + 1),
        ),
        (
            "minContains",
            Box::new(
                |n| json!({"type": "array", "contains": {"type": "integer", "minimum": 10}, "minContains": n, "maxContains": n}),
            ),
            vec![1, 9],
            Some(|n| 3 * n + 1),
        ),
        (
            "uniqueItems",
            Box::new(
                |n| json!({"type": "array", "uniqueItems": true, "minItems": n, "items": {"type": "integer"}}),
            ),
            vec![1, 3, 12],
            None,
        ),
        (
            "unique items of few values",
            Box::new(
                |n| json!({"type": "array", "uniqueItems": true, "minItems": n, "items": {"enum": ["a", "b", "cc", 1, null, true]}}),
            ),
            vec![2, 6],
            None,
        ),
    ]
}

fn number_and_choice_kinds() -> Vec<SchemaKind> {
    vec![
        (
            "multipleOf",
            Box::new(|n| json!({"type": "integer", "multipleOf": n, "minimum": 1})),
            vec![1, 7, 64, 360],
            None,
        ),
        (
            "bounds",
            Box::new(|n| json!({"type": "number", "exclusiveMinimum": n, "maximum": n + 1})),
            lengths(),
            None,
        ),
        (
            "oneOf",
            Box::new(
                |n| json!({"oneOf": (0..n).map(|i| json!({"type": "object", "properties": {"kind": {"const": format!("{i:03}")}, "value": {"type": "string", "minLength": n - i}}, "required": ["kind", "value"]})).collect::<Vec<_>>()}),
            ),
            vec![1, 8, 40],
            None,
        ),
        (
            "oneOf of tagged objects with open keys",
            Box::new(|n| {
                let tagged = |i: usize| {
                    let suites = json!({"type": "array", "items": {"type": "object"}, "minItems": i % 3});
                    let own = json!({"kind": {"const": format!("{i:03}")}, "version": {"type": "string"}, format!("own{i}"): {"type": "object"}, "suites": suites});
                    let required: Vec<String> = ["kind", "suites"]
                        .map(str::to_owned)
                        .into_iter()
                        .chain(i.is_multiple_of(2).then(|| format!("own{i}")))
                        .collect();
                    json!({"type": "object", "properties": own, "required": required})
                };
                json!({"oneOf": (0..n).map(tagged).collect::<Vec<_>>(), "properties": {"env": {"type": "object"}, "sauce": {"type": "object"}}})
            }),
            vec![2, 8, 20],
            None,
        ),
        (
            "dependentRequired",
            Box::new(
                |n| json!({"type": "object", "required": ["a0"], "dependentRequired": (0..n).map(|i| (format!("a{i}"), json!([format!("a{}", i + 1)]))).collect::<serde_json::Map<_, _>>()}),
            ),
            vec![1, 6],
            None,
        ),
    ]
}

/// Schemas without a length.
fn fixed_kinds() -> Vec<SchemaKind> {
    let of = |text: &str| {
        let schema: Value = serde_json::from_str(text).unwrap();
        Box::new(move |_: usize| schema.clone()) as Box<dyn Fn(usize) -> Value>
    };
    let one = || vec![1];
    vec![
        (
            "one recursion",
            of(
                r##"{"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/t"}, {"enum": [12345678, "end"]}]}, "name": {"minLength": 2, "type": "string"}}, "required": ["next", "name"]}}}"##,
            ),
            one(),
            Some(|_| 26),
        ),
        (
            "mutual recursion",
            of(
                r##"{"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "minItems": 1, "items": {"anyOf": [{"$ref": "#/$defs/b"}]}}, "b": {"type": "object", "required": ["x"], "properties": {"x": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}, {"type": "string", "minLength": 30}]}}}}}"##,
            ),
            one(),
            Some(|_| 40),
        ),
        (
            "not and if",
            of(
                r#"{"type": "object", "required": ["a"], "not": {"required": ["b"]}, "if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["c"]}, "properties": {"a": {"enum": [1, 22]}}}"#,
            ),
            one(),
            None,
        ),
        (
            "oneOf of objects with open keys",
            of(
                r#"{"oneOf": [{"type": "object", "properties": {"table": {"type": "integer"}, "filters": {"type": "array"}, "actions": {"type": "array"}}, "required": ["table", "filters", "actions"]}, {"type": "object", "properties": {"group": {"type": "number"}, "kind": {"type": "string"}, "buckets": {"type": "array", "items": {"type": "object"}}}, "required": ["group", "bucket"]}]}"#,
            ),
            one(),
            None,
        ),
        (
            "names of keys",
            of(
                r#"{"type": "object", "propertyNames": {"minLength": 12}, "minProperties": 2, "additionalProperties": {"minLength": 3, "type": "string"}}"#,
            ),
            one(),
            None,
        ),
    ]
}

fn format_kinds() -> Vec<SchemaKind> {
    let formats = [
        "date-time",
        "date",
        "time",
        "duration",
        "email",
        "idn-email",
        "hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uri-reference",
        "iri",
        "uuid",
        "uri-template",
        "json-pointer",
        "relative-json-pointer",
        "regex",
    ];
    let kind = |format: &'static str| -> SchemaKind {
        let strings = json!({"type": "string", "format": format});
        let schema = move |n: usize| json!({"type": "array", "items": strings, "minItems": n});
        (format, Box::new(schema), vec![1, 3], None)
    };
    formats.into_iter().map(kind).collect()
}

/// Completes outputs of a schema from its start and from random positions, and returns the slowest
/// answer.
fn check(
    name: &str,
    schema: &Value,
    bytes: Option<usize>,
    order: KeyOrder,
) -> Result<(Duration, usize), String> {
    let judge =
        jsonschema::options().should_validate_formats(true).build(schema).map_err(|e| e.to_string())?;
    let options = SchemaOptions::default().key_order(order);
    let grammar = schema::compile(&schema.to_string(), &options).map_err(|e| e.to_string())?;
    let constraint = Constraint::new(&grammar, &vocabulary()).map_err(|e| e.to_string())?;
    let mut random = Random(name.len() as u64);
    let mut slowest = (Duration::ZERO, 0);
    for most in [0, 1, 3, 10, 40, 200] {
        let mut matcher = constraint.matcher();
        let begun = begin(&mut matcher, &mut random, most)?;
        let (rest, time) = complete(&mut matcher)
            .map_err(|e| format!("after {:?}: {e}", String::from_utf8_lossy(&begun)))?;
        slowest = slowest.max((time, begun.len()));
        if let (true, Some(bytes)) = (begun.is_empty(), bytes)
            && rest.len() != bytes
        {
            return Err(format!("{} bytes, not {bytes}: {}", rest.len(), rest.escape_ascii()));
        }
        let whole = String::from_utf8_lossy(&[begun, rest].concat()).into_owned();
        let value: Value = serde_json::from_str(&whole).map_err(|e| format!("{e}: {whole}"))?;
        if !judge.is_valid(&value) {
            return Err(format!("invalid: {whole}"));
        }
    }
    Ok(slowest)
}

#[test]
fn kinds_and_lengths() {
    let (mut slowest, mut failures) = (Vec::new(), Vec::new());
    for (name, schema, lengths, bytes) in kinds() {
        for length in lengths {
            let schema = schema(length);
            for order in [KeyOrder::Declared, KeyOrder::Any] {
                match check(name, &schema, bytes.map(|bytes| bytes(length)), order) {
                    Ok((time, begun)) => {
                        slowest.push((time, format!("{name} {length} {order:?} after {begun} bytes")))
                    }
                    Err(error) => failures.push(format!("{name} {length} {order:?}: {error:.300}")),
                }
            }
        }
    }
    slowest.sort();
    slowest.iter().rev().take(8).for_each(|slow| println!("{slow:?}"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// An ending of a billion parts is given up, in place of taking all memory.
#[test]
fn endings_beyond_use_are_given_up() {
    let part = r#"{"type": "tag", "begin": "a", "content": {"type": "any_text"}, "end": "b"}"#;
    let tag = format!(
        r#"{{"format": {{"type": "repeat", "min": 1000000000, "max": 1000000000, "content": {part}}}}}"#
    );
    let constraint = Constraint::structural_tag(&tag, &vocabulary()).unwrap();
    assert!(constraint.matcher().completion().unwrap().is_none());
}

#[test]
fn other_grammars() {
    let vocabulary = vocabulary();
    let rules = |text: &str, notation: Notation| -> Grammar { notation.compile(text).unwrap() };
    let cases: Vec<(&str, Grammar, usize)> = vec![
        ("pattern", regex::compile("(?=.*x)[a-z]{200}y?", Dialect::Ecma262).unwrap(), 200),
        ("count", rules("root ::= (\"ab\" | [0-9] \"x\"){300} \"end\"", Notation::Gbnf), 603),
        (
            "recursion",
            rules(
                "root ::= \"(\" root root \")\" | \"very long leaf\" | \"[\" leaf \"]\"\nleaf ::= \"<\" root \">\" | \"ab\"",
                Notation::Gbnf,
            ),
            4,
        ),
        ("nothing", rules("root ::= \"a\"*", Notation::Gbnf), 0),
        (
            "ebnf",
            rules(
                "list = \"[\", item, { \",\", item }, \"]\";\nitem = \"one\" | list | 'x', 'y';",
                Notation::Ebnf,
            ),
            4,
        ),
        (
            "lark",
            rules(
                "start: \"begin\" stmt+ \"end\"\nstmt: NAME \"=\" expr \";\"\nexpr: NAME | NUMBER | expr \"+\" expr\nNAME: /[a-z]+/\nNUMBER: /[0-9]+/\n%ignore \" \"",
                Notation::Lark,
            ),
            usize::MAX,
        ),
        ("choices", syntax::choice::compile(&["longest one", "long", "x longer"]).unwrap(), 4),
    ];
    for (name, grammar, bytes) in cases {
        let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
        let mut random = Random(7);
        for most in [0, 1, 2, 5, 20, 60, 200] {
            let mut matcher = constraint.matcher();
            let begun = begin(&mut matcher, &mut random, most).unwrap();
            let text = String::from_utf8_lossy(&begun).into_owned();
            let (rest, _) = complete(&mut matcher).unwrap_or_else(|e| panic!("{name} after {text:?}: {e}"));
            if begun.is_empty() && bytes != usize::MAX {
                assert_eq!(rest.len(), bytes, "{name}: {}", rest.escape_ascii());
            }
        }
    }
}

#[test]
fn real_schemas() {
    find_ends(&files::sample().collect::<Vec<_>>(), 5);
}

mod needs_maskbench {
    use super::*;

    #[test]
    #[ignore = "needs HEDGEROW_DATA; long: minutes in release builds"]
    fn long_maskbench() {
        let cases: Vec<Case> = files::maskbench().collect();
        let wanted = number("HEDGEROW_SCHEMAS", 1_000);
        let step = (cases.len() / wanted.max(1)).max(1);
        let some: Vec<Case> = cases.into_iter().step_by(step).take(wanted).collect();
        find_ends(&some, number("HEDGEROW_PLACES", 1_000));
    }
}

/// Checks that a way to the end is found at `places` random positions of each case, and that the
/// whole output is valid.
fn find_ends(cases: &[Case], places: usize) {
    let vocabulary = match std::env::var_os("HEDGEROW_VOCAB") {
        Some(path) => Vocabulary::from_tokenizer_json(&std::fs::read(path).unwrap()).unwrap(),
        None => vocabulary(),
    };
    let mut random = Random(number("HEDGEROW_SEED", 1) as u64);
    let (mut schemas, mut found, mut invalid, mut failures) = (0, 0, 0, Vec::new());
    let mut times: Vec<(Duration, String)> = Vec::new();
    for Case { id, schema: text, .. } in cases {
        let parsed: Value = serde_json::from_str(text).unwrap();
        let Ok(judge) = jsonschema::options().should_validate_formats(true).build(&parsed) else { continue };
        let constraint = |order| {
            let grammar = schema::compile(text, &SchemaOptions::default().key_order(order)).ok()?;
            Constraint::new(&grammar, &vocabulary).ok()
        };
        let (Some(declared), Some(any)) = (constraint(KeyOrder::Declared), constraint(KeyOrder::Any)) else {
            continue;
        };
        schemas += 1;
        // Each schema gets few outputs, and each output is completed from many positions.
        let outputs = (places / 50).max(2);
        for output in 0..outputs {
            let constraint = if output % 2 == 0 { &declared } else { &any };
            let mut matcher = constraint.matcher();
            let mut begun = Vec::new();
            for _ in 0..places / outputs {
                begun.extend(match begin(&mut matcher, &mut random, 6) {
                    Ok(more) => more,
                    Err(error) => {
                        failures.push(format!("{id}: {error}"));
                        break;
                    }
                });
                let mut end = matcher.fork();
                match complete(&mut end) {
                    Ok((rest, time)) => {
                        found += 1;
                        times.push((time, format!("{id} after {} bytes", begun.len())));
                        let whole = String::from_utf8_lossy(&[begun.as_slice(), &rest].concat()).into_owned();
                        let value: Result<Value, _> = serde_json::from_str(&whole);
                        let valid = value.is_ok_and(|value| judge.is_valid(&value));
                        if !valid && !is_imprecise(&whole, &judge) {
                            invalid += 1;
                            failures.push(format!("{id}: invalid: {whole}"));
                        }
                    }
                    Err(error) => {
                        failures.push(format!("{id} after {:?}: {error}", String::from_utf8_lossy(&begun)))
                    }
                }
            }
        }
    }
    times.sort();
    let quantile = |q: f64| times.get(((times.len() - 1) as f64 * q) as usize).map(|t| t.0);
    println!("{schemas} schemas, {found} ways found, {invalid} invalid, {} failures", failures.len());
    println!(
        "p50 {:?} p99 {:?} p99.9 {:?} max {:?}",
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        times.last()
    );
    failures
        .iter()
        .take(20)
        .for_each(|failure| println!("{}", failure.chars().take(600).collect::<String>()));
    assert!(failures.is_empty());
}

/// True if the judge may be wrong about an output, because the judge divides in double precision
/// and the output has a number of many digits.
fn is_imprecise(text: &str, judge: &jsonschema::Validator) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return false };
    let mut errors = judge.iter_errors(&value);

    errors.all(|error| {
        let multiple = matches!(error.kind(), jsonschema::error::ValidationErrorKind::MultipleOf { .. });
        multiple && error.instance().to_string().bytes().filter(u8::is_ascii_digit).count() > 15
    })
}
