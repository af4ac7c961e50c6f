//! Schemas as they are written in the wild: closed objects, envelopes, drafts, patterns, lenient mode and warnings.
//!
//! `HEDGEROW_CASES` (default 300) and `HEDGEROW_SEED` (default 1) choose the random schemas.

use hedgerow::engine::Constraint;
use hedgerow::grammar::KeyOrder;
use hedgerow::schema::{compile, AdditionalProperties, EscapePolicy, Numbers, SchemaOptions, Whitespace};
use hedgerow::vocab::{TokenId, Vocabulary};
use walk::Random;

mod closed;
mod random_schema;
mod walk;

fn bytes() -> Vocabulary {
    Vocabulary::from_byte_list((0..=255u8).map(|b| vec![b]).collect()).unwrap()
}

fn constraint(schema: &str, options: &SchemaOptions) -> Constraint {
    let grammar = compile(schema, options).unwrap_or_else(|e| panic!("{schema}: {e}"));
    Constraint::new(&grammar, &bytes()).unwrap()
}

fn accepts(constraint: &Constraint, text: &str) -> bool {
    let mut matcher = constraint.matcher();
    matcher.advance_bytes(text.as_bytes()).unwrap() && matcher.is_accepting()
}

fn check_with(options: &SchemaOptions, schema: &str, valid: &[&str], invalid: &[&str]) {
    let constraint = constraint(schema, options);
    valid.iter().for_each(|text| assert!(accepts(&constraint, text), "{schema} refuses {text}"));
    invalid.iter().for_each(|text| assert!(!accepts(&constraint, text), "{schema} accepts {text}"));
}

fn any_order() -> SchemaOptions {
    SchemaOptions::default().key_order(KeyOrder::Any)
}

/// Closed objects have the keys that some subschema names, and satisfy the schema as it stands.
#[test]
fn closed_objects() {
    let forbid = any_order().additional_properties(AdditionalProperties::Forbid);
    let table: &[(&str, &[&str], &[&str])] = &[
        (r#"{"properties":{"a":{}}}"#, &["{}", r#"{"a":1}"#, "[1]"], &[r#"{"b":1}"#]),
        (
            r#"{"properties":{"k":{"enum":["x","y"]},"z":{"type":"integer"}},"required":["k","z"],
                "if":{"properties":{"k":{"const":"x"}}},"then":{"properties":{"z":{"minimum":5}}}}"#,
            &[r#"{"k":"x","z":5}"#, r#"{"k":"y","z":1}"#],
            &[r#"{"k":"x","z":1}"#, r#"{"k":"y","z":1,"w":1}"#],
        ),
        (
            r#"{"properties":{"k":{"enum":["x","y"]},"z":{}},"not":{"properties":{"k":{"const":"x"}}}}"#,
            &[r#"{"k":"y","z":1}"#, r#"{"k":"y"}"#],
            &[r#"{"k":"x","z":1}"#, r#"{"z":1}"#, "{}"],
        ),
        (
            r#"{"allOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}"#,
            &["{}", r#"{"a":1,"b":2}"#, r#"{"b":2}"#],
            &[r#"{"c":1}"#],
        ),
        (
            r#"{"oneOf":[{"properties":{"a":{"type":"null"}},"required":["a"]},{"properties":{"b":{}},"required":["b"]}]}"#,
            &[r#"{"a":null}"#, r#"{"b":1}"#],
            &[r#"{"a":null,"b":1}"#, r#"{"a":1,"b":1}"#, "{}"],
        ),
        (
            r#"{"anyOf":[{"properties":{"a":{}},"required":["a"]},{"properties":{"b":{}},"required":["b"]}]}"#,
            &[r#"{"a":1}"#, r#"{"b":1}"#, r#"{"a":1,"b":1}"#],
            &["{}", r#"{"a":1,"c":1}"#],
        ),
        // The schema's own word counts, where it speaks.
        (
            r#"{"properties":{"a":{}},"additionalProperties":{"type":"null"}}"#,
            &[r#"{"b":null}"#],
            &[r#"{"b":1}"#],
        ),
        (r#"{"properties":{"a":{}},"patternProperties":{"^x":{}}}"#, &[r#"{"x1":1}"#], &[r#"{"y":1}"#]),
        (r#"{"properties":{"a":{}},"unevaluatedProperties":true}"#, &[r#"{"b":1}"#], &[]),
        (r#"{"allOf":[{"properties":{"a":{}}}],"additionalProperties":true}"#, &[r#"{"a":1,"b":1}"#], &[]),
        // Every object, at every depth.
        (r#"{"type":"object"}"#, &["{}"], &[r#"{"a":1}"#]),
        ("{}", &["{}", "[{}]", "1"], &[r#"{"a":1}"#, r#"[{"a":1}]"#]),
        (
            r#"{"properties":{"a":{"properties":{"b":{}}}},"additionalProperties":true}"#,
            &[r#"{"a":{"b":1},"c":{}}"#],
            &[r#"{"a":{"c":1}}"#, r#"{"c":{"d":1}}"#],
        ),
        (
            r#"{"allOf":[{"properties":{"a":{"properties":{"b":{}}}}},{"properties":{"a":{"properties":{"c":{}}}}}]}"#,
            &[r#"{"a":{"b":1,"c":1}}"#],
            &[r#"{"a":{"d":1}}"#],
        ),
        (
            r#"{"anyOf":[{"items":{"properties":{"b":{}}}},{"items":{"properties":{"c":{}}}},{"items":{}}]}"#,
            &[r#"[{"b":1,"c":1}]"#, r#"[{"b":1},{"c":1}]"#],
            &[r#"[{"d":1}]"#],
        ),
        (
            r#"{"items":{"properties":{"a":{}}},"contains":{"properties":{"b":{"const":1}},"required":["b"]}}"#,
            &[r#"[{"a":1,"b":1},{"a":2}]"#],
            &[r#"[{"a":1}]"#, r#"[{"b":1},{"b":2}]"#],
        ),
        // Named without `properties`.
        (r#"{"required":["a"]}"#, &[r#"{"a":1}"#], &["{}", r#"{"a":1,"b":1}"#]),
        (r#"{"enum":[{"a":{"b":[{"c":1}]}},2]}"#, &[r#"{"a":{"b":[{"c":1}]}}"#, "2"], &["{}"]),
        (
            r#"{"properties":{"a":{}},"dependentRequired":{"a":["b"]}}"#,
            &[r#"{"a":1,"b":1}"#],
            &[r#"{"a":1}"#],
        ),
        (
            r#"{"properties":{"a":{}},"dependentSchemas":{"a":{"properties":{"b":{}}}}}"#,
            &[r#"{"a":1,"b":1}"#],
            &[r#"{"b":1}"#],
        ),
        // Used items name nothing.
        (
            r#"{"uniqueItems":true,"prefixItems":[{"items":{"properties":{"a":{}}}}],"items":{"items":{"properties":{"b":{}}}}}"#,
            &[r#"[[{"a":1}],[{"b":1}],[{}]]"#],
            &[r#"[[{"a":1}],[{"a":1},{}]]"#],
        ),
    ];
    for (schema, valid, invalid) in table {
        check_with(&forbid, schema, valid, invalid);
    }
}

/// The rows of the Markdown table in `docs/json-schema.md` whose header starts with `header`.
fn documented(header: &str) -> Vec<Vec<String>> {
    let page = include_str!("../docs/json-schema.md");
    let table = page.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Code spans of a cell, separated by `;`.
fn spans(cell: &str) -> Vec<&str> {
    cell.split("` ; `").map(|span| span.trim_matches('`')).collect()
}

#[test]
fn closed_objects_are_as_the_page_says() {
    let forbid = any_order().additional_properties(AdditionalProperties::Forbid);
    let rows = documented("| schema | allowed when closed |");
    assert_eq!(rows.len(), 5);
    for row in &rows {
        let [schema, allowed, refused] = &row[..] else { panic!("{row:?}") };
        check_with(&forbid, schema.trim_matches('`'), &spans(allowed), &spans(refused));
    }
}

/// Of random schemas, closed objects accept what is valid and has no key that nothing names, and nothing else.
#[test]
fn closed_objects_of_random_schemas() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let exact = any_order()
        .whitespace(Whitespace::Unlimited)
        .escapes(EscapePolicy::Any)
        .numbers(Numbers::Json)
        .additional_properties(AdditionalProperties::Forbid);
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).collect();
    tokens.extend(["\",\"", "\"a\":", "\":{\"", "],[", "true", "}]", ",\"b\":1"].map(|p| p.into()));
    tokens.push(b"</s>".to_vec());
    let eos = TokenId(tokens.len() as u32 - 1);
    let vocabulary = Vocabulary::from_byte_list(tokens).unwrap().with_eos(&[eos]).unwrap();
    let (mut judged, mut drawn, mut refused) = (0, 0, std::collections::BTreeMap::<String, usize>::new());
    let (seed, cases) = (number("HEDGEROW_SEED", 1), number("HEDGEROW_CASES", 300));
    for case in 0..cases {
        let random = &mut Random(seed << 32 | case);
        let schema = random_schema::document(random);
        let judge = closed::Judge::new(&schema);
        let instances: Vec<serde_json::Value> = (0..30).map(|_| random_schema::value(random, 3)).collect();
        let constraint = match compile(&schema.to_string(), &exact) {
            Ok(grammar) => Constraint::new(&grammar, &vocabulary).unwrap(),
            Err(error) => {
                let error = error.to_string();
                if error.contains("no JSON value satisfies") {
                    let allowed = |v: &&serde_json::Value| judge.is_valid(v) && judge.is_closed(v);
                    let instance = instances.iter().find(allowed);
                    assert_eq!(instance, None, "case {case}: {schema} is said to have no values");
                }
                *refused.entry(error.split(": ").last().unwrap_or_default().to_owned()).or_default() += 1;
                continue;
            }
        };
        for instance in &instances {
            let mut matcher = constraint.matcher();
            let Ok(read) = matcher.advance_bytes(instance.to_string().as_bytes()) else { continue };
            let accepted = read && matcher.is_accepting();
            let (valid, closed) =
                (judge.is_valid(instance), judge.is_valid(instance) && judge.is_closed(instance));
            assert_eq!(accepted, closed, "case {case}: {schema}: {instance}, valid: {valid}");
            judged += 1;
        }
        for _ in 0..5 {
            let Ok(Some(output)) = walk::walk(&mut constraint.matcher(), &vocabulary, random) else {
                continue;
            };
            let long = output.split(|c: char| !c.is_ascii_digit() && c != '.').any(|n| n.len() > 14);
            if long || output.contains(['e', 'E']) && output.contains(|c: char| c.is_ascii_digit()) {
                continue;
            }
            let value: serde_json::Value = serde_json::from_str(&output).unwrap();
            assert!(judge.is_valid(&value), "case {case}: {schema}: {output}");
            assert!(judge.is_closed(&value), "case {case}: {schema}: {output} has a key that nothing names");
            drawn += 1;
        }
    }
    println!("{cases} schemas, {judged} instances, {drawn} outputs; refused: {refused:?}");
    assert!(judged > 20 * cases as usize && drawn > 2 * cases as usize);
}
