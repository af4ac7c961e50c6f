//! Schemas as people write them: closed objects, envelopes, drafts, patterns, lenient mode and
//! warnings.
//!
//! `HEDGEROW_CASES` (default 300) and `HEDGEROW_SEED` (default 1) choose the random schemas.

use crate::support::bytes::{accepts, byte_vocabulary, check_texts, check_with, constraint, refusals};
use crate::support::closed;
use crate::support::documentation::{documented, spans};
use crate::support::files::number;
use crate::support::numbers::has_long_number;
use crate::support::random_schema;
use crate::support::walk;
use crate::support::walk::Random;
use hedgerow::engine::Constraint;
use hedgerow::grammar::{CompileErrorKind, KeyOrder};
use hedgerow::schema::{
    AdditionalProperties, Draft, EscapePolicy, Numbers, SchemaOptions, SchemaWarning, Strictness, Whitespace,
    compile, compile_with_warnings,
};
use hedgerow::vocab::Vocabulary;
use std::io::Read;

/// A vocabulary of all bytes, some longer pieces and an end.
fn pieces() -> Vocabulary {
    byte_vocabulary(&["\",\"", "\"a\":", "\":{\"", "],[", "true", "}]", ",\"b\":1"])
}

fn any_order() -> SchemaOptions {
    SchemaOptions::default().key_order(KeyOrder::Any)
}

/// Closed objects have only the keys that some subschema names, and they satisfy the schema itself.
#[test]
fn closed_objects_have_named_keys_only() {
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
        // A schema that speaks about other keys keeps its meaning.
        (
            r#"{"properties":{"a":{}},"additionalProperties":{"type":"null"}}"#,
            &[r#"{"b":null}"#],
            &[r#"{"b":1}"#],
        ),
        (r#"{"properties":{"a":{}},"patternProperties":{"^x":{}}}"#, &[r#"{"x1":1}"#], &[r#"{"y":1}"#]),
        (r#"{"properties":{"a":{}},"unevaluatedProperties":true}"#, &[r#"{"b":1}"#], &[]),
        (r#"{"allOf":[{"properties":{"a":{}}}],"additionalProperties":true}"#, &[r#"{"a":1,"b":1}"#], &[]),
        // Every object is closed, at every depth.
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
        // A key may be named without `properties`.
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
        // The earlier items that `uniqueItems` excludes name no keys.
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

#[test]
fn closed_objects_match_their_documentation() {
    let forbid = any_order().additional_properties(AdditionalProperties::Forbid);
    let rows = documented("| schema | allowed when closed |");
    assert_eq!(rows.len(), 5);
    for row in &rows {
        let [schema, allowed, refused] = &row[..] else { panic!("{row:?}") };
        check_with(&forbid, schema.trim_matches('`'), &spans(allowed), &spans(refused));
    }
}

/// Closed objects of random schemas accept exactly the values that are valid and whose every key is
/// named by a subschema.
#[test]
fn closed_objects_of_random_schemas_agree_with_the_judge() {
    let exact = any_order()
        .whitespace(Whitespace::Unlimited)
        .escapes(EscapePolicy::Any)
        .numbers(Numbers::Json)
        .additional_properties(AdditionalProperties::Forbid);
    let vocabulary = pieces();
    let (mut judged, mut drawn, mut refused) = (0, 0, std::collections::BTreeMap::<String, usize>::new());
    let (seed, cases) = (number("HEDGEROW_SEED", 1) as u64, number("HEDGEROW_CASES", 300) as u64);
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
                    assert_eq!(instance, None, "case {case}: {schema} was refused as without values");
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
            if has_long_number(&output) {
                continue;
            }
            let value: serde_json::Value = serde_json::from_str(&output).unwrap();
            assert!(judge.is_valid(&value), "case {case}: {schema}: {output}");
            assert!(
                judge.is_closed(&value),
                "case {case}: {schema}: {output} has a key that no subschema names"
            );
            drawn += 1;
        }
    }
    println!("{cases} schemas, {judged} instances, {drawn} outputs; refused: {refused:?}");
    assert!(judged > 20 * cases as usize && drawn > 2 * cases as usize);
}

/// The texts of the warnings, one a line.
fn warnings(schema: &str, options: &SchemaOptions) -> Vec<String> {
    let (_, warnings) = compile_with_warnings(schema, options).unwrap_or_else(|e| panic!("{schema}: {e}"));
    warnings.iter().map(ToString::to_string).collect()
}

/// An envelope is unwrapped and enforced, or refused, whatever schema it holds.
#[test]
fn envelopes() {
    let enforced: &[(&str, &[&str], &[&str])] = &[
        (r#"{"type":"json_object"}"#, &["{}", r#"{"a":[1]}"#], &["1", "[]"]),
        (
            r#"{"type":"json_object","schema":{"properties":{"a":{"type":"null"}},"required":["a"]}}"#,
            &[r#"{"a":null}"#],
            &["{}", r#"{"a":1}"#, "1"],
        ),
        (
            r##"{"type":"json_object","schema":{"$ref":"#/$defs/a","$defs":{"a":{"required":["b"],"properties":{"b":{"$ref":"#"}}}}}}"##,
            &[r#"{"b":{"b":1}}"#, r#"{"b":1}"#],
            &["1", "{}", r#"{"b":{}}"#],
        ),
        (
            r#"{"type":"json_schema","json_schema":{"name":"n","description":"d","strict":true,"schema":{"type":"integer"}}}"#,
            &["1"],
            &["null"],
        ),
        (r#"{"type":"json_schema","name":"n","strict":null,"schema":{"type":"null"}}"#, &["null"], &["1"]),
        // With a keyword that no tool definition has, the document is a schema, whatever else it
        // holds.
        (r#"{"type":"integer","parameters":{"type":"object"}}"#, &["1"], &["{}"]),
        (
            r##"{"$ref":"#/components/schemas/a","components":{"schemas":{"a":{"type":"null"}}}}"##,
            &["null"],
            &["1"],
        ),
        (r#"{"title":"parameters","description":"schema"}"#, &["1"], &[]),
    ];
    for (schema, valid, invalid) in enforced {
        check_with(&SchemaOptions::default(), schema, valid, invalid);
    }
    let refused = [
        r#"{"type":"text"}"#,
        r#"{"type":"json_object","properties":{"a":{}}}"#,
        r#"{"type":"json_object","schema":{"type":"object"},"strict":true}"#,
        r#"{"type":"json_object","schema":7}"#,
        r#"{"type":"json_schema","json_schema":{"name":"n","schema":{},"properties":{}}}"#,
        r#"{"type":"json_schema","json_schema":{"name":"n"}}"#,
        r#"{"type":"json_schema","json_schema":{"schema":{},"strict":"yes"}}"#,
        r#"{"type":"json_schema","json_schema":{"schema":{}},"schema":{}}"#,
        r#"{"type":"json_schema","json_schema":{"schema":{"properties":{"a/b":{"type":"strin"}}}}}"#,
        r#"{"type":"regex","pattern":"a"}"#,
        r#"{"name":"f","description":"d","inputSchema":{"type":"object"}}"#,
        r#"{"name":"f","input_schema":{"type":"object"}}"#,
        r#"{"name":"f","parameters":{"type":"object"}}"#,
        r#"{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}"#,
        r#"{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}"#,
        r#"{"type":"function","function":{"name":"f"}}"#,
        r#"{"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}}}"#,
        r#"{"guided_json":{"type":"object"}}"#,
        r#"{"guided_json":"{}"}"#,
        r#"{"structured_outputs":{"json":{"type":"object"}}}"#,
        r#"{"schema":{"type":"object"}}"#,
        r#"{"openapi":"3.1.0","components":{"schemas":{"a":{}}}}"#,
    ];
    insta::assert_snapshot!(refusals(&refused));
}

const DRAFTS: [Draft; 6] =
    [Draft::Four, Draft::Six, Draft::Seven, Draft::Y2019, Draft::Y2020, Draft::Unspecified];

/// Keywords that some drafts do not know, each with a schema and with a value that only this
/// keyword refuses.
const OF_SOME_DRAFTS: [(&str, &str, &str); 26] = [
    ("const", r#"{"const":1}"#, "2"),
    ("contains", r#"{"contains":{"type":"null"}}"#, "[1]"),
    ("propertyNames", r#"{"propertyNames":{"maxLength":1}}"#, r#"{"ab":1}"#),
    (
        "$id",
        r#"{"allOf":[{"$ref":"https://example.org/b"}],"properties":{"zz":{"$id":"https://example.org/b","type":"integer"}}}"#,
        "\"a\"",
    ),
    ("if", r#"{"if":{"type":"integer"},"then":{"minimum":3}}"#, "2"),
    ("then", r#"{"if":{"type":"integer"},"then":{"minimum":3}}"#, "2"),
    ("else", r#"{"if":{"type":"integer"},"else":{"type":"null"}}"#, "\"a\""),
    ("contentEncoding", r#"{"contentEncoding":"base64"}"#, "\"a\""),
    ("minContains", r#"{"contains":{"type":"null"},"minContains":2}"#, "[null]"),
    ("maxContains", r#"{"contains":{"type":"null"},"maxContains":1}"#, "[null,null]"),
    ("dependentRequired", r#"{"dependentRequired":{"a":["b"]}}"#, r#"{"a":1}"#),
    ("dependentSchemas", r#"{"dependentSchemas":{"a":{"maxProperties":1}}}"#, r#"{"a":1,"b":2}"#),
    ("unevaluatedProperties", r#"{"unevaluatedProperties":false}"#, r#"{"a":1}"#),
    ("unevaluatedItems", r#"{"unevaluatedItems":false}"#, "[1]"),
    (
        "$anchor",
        r##"{"allOf":[{"$ref":"#x"}],"properties":{"zz":{"$anchor":"x","type":"integer"}}}"##,
        "\"a\"",
    ),
    ("$defs", r##"{"allOf":[{"$ref":"#x"}],"$defs":{"a":{"$anchor":"x","type":"null"}}}"##, "1"),
    ("prefixItems", r#"{"prefixItems":[{"type":"null"}]}"#, "[1]"),
    ("$dynamicRef", r##"{"$dynamicRef":"#/properties/zz","properties":{"zz":{"type":"integer"}}}"##, "\"a\""),
    (
        "$dynamicAnchor",
        r##"{"allOf":[{"$ref":"#x"}],"properties":{"zz":{"$dynamicAnchor":"x","type":"integer"}}}"##,
        "\"a\"",
    ),
    ("$recursiveRef", r##"{"type":"array","items":{"$recursiveRef":"#"}}"##, "[1]"),
    ("additionalItems", r#"{"items":[{}],"additionalItems":{"type":"null"}}"#, "[1,1]"),
    ("a list under `items`", r#"{"items":[{"type":"null"}]}"#, "[1]"),
    ("dependencies", r#"{"dependencies":{"a":["b"]}}"#, r#"{"a":1}"#),
    (
        "definitions",
        r#"{"allOf":[{"$ref":"https://example.org/b"}],"definitions":{"x":{"$id":"https://example.org/b","id":"https://example.org/b","type":"null"}}}"#,
        "1",
    ),
    ("a boolean `exclusiveMinimum` or `exclusiveMaximum`", r#"{"minimum":3,"exclusiveMinimum":true}"#, "3"),
    ("nullable", r#"{"type":"string","nullable":true}"#, "null"),
];

/// A keyword that a draft does not know has no effect there, and a warning says so. The
/// documentation says which draft knows which keyword.
#[test]
fn keywords_of_other_drafts() {
    let rows = documented("| keyword | 4 |");
    let known_in = |keyword: &str| -> Vec<bool> {
        let quoted = format!("`{keyword}`");
        let is_it = |cell: &str| cell.split(", ").any(|name| name == quoted || name == keyword);
        let found: Vec<_> = rows.iter().filter(|row| is_it(&row[0])).collect();
        assert_eq!(found.len(), 1, "{keyword} is not in one row of the page");
        (1..7).map(|column| found[0].get(column).is_some_and(|cell| cell == "✓")).collect()
    };
    for (keyword, schema, refused) in OF_SOME_DRAFTS {
        for (draft, known) in DRAFTS.into_iter().zip(known_in(keyword)) {
            let of = format!("{keyword} in {draft:?}");
            let options = any_order().default_draft(draft);
            let compiled = compile_with_warnings(schema, &options);
            let mentioned =
                |warnings: &[SchemaWarning]| warnings.iter().any(|w| keyword.contains(&w.keyword));
            match (known, keyword) {
                (true, "nullable") => assert!(accepts(&constraint(schema, &options), "null"), "{of}"),
                (true, _) => {
                    let (_, warnings) = compiled.unwrap_or_else(|e| panic!("{of}: {e}"));
                    assert!(!mentioned(&warnings), "{of}: {warnings:?}");
                    assert!(!accepts(&constraint(schema, &options), refused), "{of}");
                }
                // A form of the keyword that the draft does not allow is an error.
                (
                    false,
                    "a boolean `exclusiveMinimum` or `exclusiveMaximum`"
                    | "a list under `items`"
                    | "additionalItems",
                ) => {
                    assert!(compiled.is_err_and(|error| error.kind() == CompileErrorKind::Syntax), "{of}");
                }
                // Without the keyword, the reference has no target.
                (false, "$id" | "$anchor" | "$defs" | "$dynamicAnchor" | "definitions") => {
                    assert!(compiled.is_err_and(|error| error.kind() == CompileErrorKind::Reference), "{of}");
                }
                (false, _) => {
                    let (_, warnings) = compiled.unwrap_or_else(|e| panic!("{of}: {e}"));
                    assert!(mentioned(&warnings), "{of}: {warnings:?}");
                    let accepted = accepts(&constraint(schema, &options), refused);
                    assert_eq!(accepted, keyword != "nullable", "{of}");
                }
            }
        }
    }
    let four = SchemaOptions::default().default_draft(Draft::Four);
    assert!(compile(r#"{"exclusiveMinimum":3}"#, &four).is_err());
    check_with(
        &four,
        r#"{"$ref":"https://example.org/b","definitions":{"x":{"id":"https://example.org/b","type":"null"}}}"#,
        &["null"],
        &["1"],
    );
}

/// A warning names each keyword that has no effect, or an unexpected one, once and with its place.
#[test]
fn warnings_name_what_has_no_effect() {
    let lenient = SchemaOptions::default().strictness(Strictness::Lenient);
    let table: &[(&str, &[&str])] = &[
        (r#"{"type":"integer","minimum":1}"#, &[]),
        (
            r#"{"properties":{"a":{"typ":"integer"}}}"#,
            &["#/properties/a: `typ` is not a JSON Schema keyword and has no effect"],
        ),
        (
            r#"{"format":"int32"}"#,
            &["#: `format` names `int32`, a format that is not known, and has no effect"],
        ),
        (
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","prefixItems":[true],"$defs":{"a":true},"id":"x"}"#,
            &[
                "#: `prefixItems` is a keyword of 2020-12 and has no effect in draft 7",
                "#: `$defs` is a keyword of 2019-09 and later: in draft 7 a `$ref` finds what it holds by pointer, but not by `$id` or anchor",
                "#: `id` is a keyword of draft 4 and has no effect in draft 7",
            ],
        ),
        (
            r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","dependencies":{"a":["b"]},"nullable":true}"#,
            &[
                "#: `dependencies` is a keyword of drafts up to 7 and has no effect in 2020-12",
                "#: `nullable` is a keyword of OpenAPI 3.0 and has no effect in 2020-12",
            ],
        ),
        (
            r##"{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/definitions/a","maximum":3,"title":"t","definitions":{"a":true}}"##,
            &["#: `maximum` stands beside `$ref` and has no effect up to draft 7"],
        ),
        (
            r#"{"$schema":"http://json-schema.org/draft-03/schema#"}"#,
            &[
                "#: `$schema` names no dialect that is known; the schema is read as 2020-12 with older spellings",
            ],
        ),
        (r#"{"then":false}"#, &["#: `then` has no effect without `if`"]),
        (r#"{"minContains":2}"#, &["#: `minContains` has no effect without `contains`"]),
        (
            r#"{"additionalItems":false}"#,
            &["#: `additionalItems` has no effect without a list under `items`"],
        ),
        (r#"{"exclusiveMaximum":true}"#, &["#: `exclusiveMaximum` has no effect without `maximum`"]),
        (
            r##"{"nullable":true,"allOf":[{"type":"string"}]}"##,
            &["#: `nullable` has no effect without `type`"],
        ),
        (
            r#"{"type":"string","nullable":true,"enum":["a"]}"#,
            &["#: `nullable` has no effect where `enum` does not hold null"],
        ),
        (r#"{"type":"string","nullable":true,"enum":["a",null]}"#, &[]),
        (
            r#"{"properties":{"a":{"pattern":"^\\d{3}\\-\\d$"}}}"#,
            &[
                "#/properties/a: `pattern` holds the pattern `^\\d{3}\\-\\d$`, which the `u` flag forbids: `\\-`, which is read as `-`",
            ],
        ),
        (
            r#"{"patternProperties":{"a":true,"x{,3}":true}}"#,
            &[
                "#: `patternProperties` holds the pattern `x{,3}`, which the `u` flag forbids: `{,3}`, which is read as these characters; write `{0,3}` for a count",
            ],
        ),
        (
            r#"{"pattern":"(a)\\1"}"#,
            &["#: `pattern` cannot be enforced and was dropped; the output may break it"],
        ),
    ];
    for (schema, expected) in table {
        assert_eq!(warnings(schema, &lenient), *expected, "{schema}");
    }
}

/// Patterns are read with the `u` flag. A pattern that the flag forbids is read by annex B of
/// ECMA-262.
#[test]
fn patterns_are_read_with_the_unicode_flag() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (r"^.$", &["😀"], &["ab"]),
        (r"^\u{61}$", &["a"], &["u"]),
        (r"^\p{L}$", &["é"], &["1", "p{L}"]),
        (r"^x{,3}$", &["x{,3}"], &["", "xxx"]),
        (r"^[[:alpha:]]+$", &["a]", ":]]"], &["b]", "ab", "a"]),
        (r"^\d\-\@\_$", &["1-@_"], &["1"]),
        (r"^[\w-.]$", &["-", ".", "a"], &["+"]),
        (r"^a{2$", &["a{2"], &["aa"]),
        (r"^\101$", &["A"], &["101"]),
    ];
    for (pattern, found, not_found) in table {
        let schema = serde_json::json!({ "type": "string", "pattern": pattern }).to_string();
        let quoted = |texts: &[&str]| -> Vec<String> {
            texts.iter().map(|text| serde_json::to_string(text).unwrap()).collect()
        };
        let (found, not_found) = (quoted(found), quoted(not_found));
        let constraint = constraint(&schema, &SchemaOptions::default());
        check_texts(pattern, &found, &not_found, |text| accepts(&constraint, text));
    }
    for pattern in [r"\A\d", r"\d\Z", r"\h", r"(?P<a>x)", r"(a)\1", r"(?x)a", "a++"] {
        let schema = serde_json::json!({ "items": { "pattern": pattern } }).to_string();
        let error = compile(&schema, &SchemaOptions::default()).unwrap_err();
        assert_eq!(error.pointer(), Some("#/items/pattern"), "{pattern}: {error}");
    }
}

/// A keyword dropped in lenient mode only widens the accepted values, wherever it is in the schema.
#[test]
fn lenient_mode_widens() {
    let lenient = any_order().strictness(Strictness::Lenient);
    // The pattern is an example of a keyword that cannot be enforced: it matches `aa` and `bb`.
    let table: &[(&str, &[&str], &[&str])] = &[
        (r#"{"pattern":PATTERN}"#, &[r#""ab""#, "1"], &[]),
        (r#"{"type":"string","pattern":PATTERN,"maxLength":2}"#, &[r#""ab""#], &["1", r#""abc""#]),
        (r#"{"not":{"pattern":PATTERN}}"#, &["1", r#""ab""#, r#""aa""#], &[]),
        (r#"{"type":"string","not":{"not":{"pattern":PATTERN}}}"#, &[r#""aa""#, r#""ab""#], &["1"]),
        (
            r#"{"if":{"properties":{"a":{"pattern":PATTERN}}},"then":{"required":["b"]},"else":{"required":["c"]},"type":"object"}"#,
            &["{}", r#"{"a":"ab"}"#],
            &["1"],
        ),
        (
            r#"{"if":{"type":"string"},"then":{"pattern":PATTERN,"maxLength":2}}"#,
            &[r#""ab""#, "1"],
            &[r#""abc""#],
        ),
        (
            r#"{"oneOf":[{"pattern":PATTERN,"type":"string"},{"type":"string","maxLength":2}]}"#,
            &[r#""aa""#, r#""abc""#],
            &["1"],
        ),
        (r#"{"contains":{"pattern":PATTERN},"maxContains":1,"minContains":0}"#, &[r#"["ab","ba"]"#], &[]),
        (
            r#"{"contains":{"type":"string","pattern":PATTERN},"minContains":2}"#,
            &[r#"["ab","ba"]"#],
            &[r#"["ab"]"#],
        ),
        (
            r#"{"patternProperties":{PATTERN:{"type":"null"}},"additionalProperties":false}"#,
            &[r#"{"aa":1,"b":1}"#],
            &[],
        ),
        (
            r#"{"properties":{"a":{"type":"null"}},"patternProperties":{PATTERN:{}},"unevaluatedProperties":false}"#,
            &[r#"{"aa":1}"#],
            &[r#"{"a":1}"#],
        ),
        (
            r#"{"if":{"required":["a"],"patternProperties":{PATTERN:{"type":"null"}}},"then":{"properties":{"b":{}}},"unevaluatedProperties":false}"#,
            &[r#"{"a":1,"b":1}"#],
            &[],
        ),
        (
            r##"{"not":{"$ref":"#/$defs/d"},"$defs":{"d":{"properties":{"a":{"$ref":"#/$defs/p"}}},"p":{"pattern":PATTERN}},"type":"object"}"##,
            &["{}", r#"{"a":"ab"}"#],
            &["1"],
        ),
        (
            r#"{"not":{"properties":{"a":{"$ref":"https://example.org/unknown"}}},"type":"object"}"#,
            &["{}"],
            &["1"],
        ),
        (r#"{"propertyNames":{"pattern":PATTERN,"maxLength":2}}"#, &[r#"{"ab":1}"#], &[r#"{"abc":1}"#]),
    ];
    for (schema, valid, invalid) in table {
        let schema = schema.replace("PATTERN", r#""^(a|b)\\1$""#);
        assert!(compile(&schema, &any_order()).is_err(), "{schema}");
        check_with(&lenient, &schema, valid, invalid);
        assert!(!warnings(&schema, &lenient).is_empty(), "{schema}");
    }
}

/// Replaces some of a schema's parts by a pattern that cannot be enforced.
fn with_back_references(schema: &mut serde_json::Value, random: &mut Random) {
    match schema {
        serde_json::Value::Object(members) => {
            for (key, member) in members.iter_mut() {
                match key.as_str() {
                    "pattern" | "enum" | "const" if random.below(2) == 0 && member.is_string() => {
                        *member = serde_json::json!(r"^([ab]?)b*\1$");
                    }
                    _ => with_back_references(member, random),
                }
            }
            if members.contains_key("minLength") && !members.contains_key("pattern") {
                members.insert("pattern".to_owned(), serde_json::json!(r"^([ab]?)\1$"));
            }
        }
        serde_json::Value::Array(items) => {
            items.iter_mut().for_each(|item| with_back_references(item, random))
        }
        _ => {}
    }
}

/// Lenient mode accepts every valid value.
#[test]
fn lenient_mode_refuses_nothing_that_is_valid() {
    let lenient = any_order().numbers(Numbers::Json).strictness(Strictness::Lenient);
    let (seed, cases) = (number("HEDGEROW_SEED", 1) as u64, number("HEDGEROW_CASES", 300) as u64);
    let (mut judged, mut dropped) = (0, 0);
    for case in 0..cases {
        let random = &mut Random(seed << 32 | case);
        let mut schema = random_schema::document(random);
        with_back_references(&mut schema, random);
        let Ok(judge) = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(&schema)
        else {
            continue;
        };
        let instances: Vec<serde_json::Value> = (0..30).map(|_| random_schema::value(random, 3)).collect();
        let valid: Vec<&serde_json::Value> = instances.iter().filter(|v| judge.is_valid(v)).collect();
        let (grammar, warnings) = match compile_with_warnings(&schema.to_string(), &lenient) {
            Ok(compiled) => compiled,
            Err(error) => {
                let is_empty = error.to_string().contains("no JSON value");
                assert!(!is_empty || valid.is_empty(), "case {case}: {schema}: {error}");
                continue;
            }
        };
        dropped += usize::from(!warnings.is_empty());
        let constraint = Constraint::new(&grammar, &byte_vocabulary(&[])).unwrap();
        for instance in valid {
            let mut matcher = constraint.matcher();
            let Ok(read) = matcher.advance_bytes(instance.to_string().as_bytes()) else { continue };
            assert!(read && matcher.is_accepting(), "case {case}: {schema}: {instance}");
            judged += 1;
        }
    }
    println!("{judged} instances, {dropped} schemas of which something was dropped");
    assert!(judged > cases as usize && dropped > cases as usize / 8);
}

/// In declared order, the keys that `properties` names come first, in the order of each schema. The
/// keys that only `required` and the lists of `dependentRequired` name come next, in their order.
/// All other keys follow in any order.
#[test]
fn keys_that_only_required_names_have_a_place() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            r#"{"properties":{"a":{},"b":{}},"required":["z","y","b"]}"#,
            &[r#"{"a":1,"b":1,"z":1,"y":1}"#, r#"{"b":1,"z":1,"y":1,"c":1}"#],
            &[r#"{"z":1,"b":1,"y":1}"#, r#"{"b":1,"y":1,"z":1}"#, r#"{"b":1,"c":1,"z":1,"y":1}"#],
        ),
        // A key that an applied schema declares has its place there.
        (
            r#"{"required":["c","b"],"allOf":[{"properties":{"a":{},"b":{}}},{"properties":{"c":{}}}]}"#,
            &[r#"{"a":1,"b":1,"c":1}"#],
            &[r#"{"c":1,"b":1}"#, r#"{"b":1,"a":1,"c":1}"#],
        ),
        (
            r#"{"allOf":[{"required":["b","z"]},{"properties":{"a":{},"b":{}}}]}"#,
            &[r#"{"a":1,"b":1,"z":1}"#],
            &[r#"{"b":1,"a":1,"z":1}"#, r#"{"b":1,"z":1,"a":1}"#],
        ),
        (
            r##"{"$ref":"#/$defs/base","required":["b"],"properties":{"own":{}},"$defs":{"base":{"properties":{"a":{},"b":{}}}}}"##,
            &[r#"{"own":1,"a":1,"b":1}"#],
            &[r#"{"a":1,"own":1,"b":1}"#, r#"{"b":1,"own":1}"#],
        ),
        (
            r#"{"required":["k"],"oneOf":[{"properties":{"a":{},"k":{"const":1}}},{"properties":{"k":{"const":2},"b":{}}}]}"#,
            &[r#"{"a":1,"k":1}"#, r#"{"k":2,"b":1}"#],
            &[r#"{"k":1,"a":1}"#, r#"{"b":1,"k":2}"#],
        ),
        (
            r#"{"properties":{"a":{}},"dependentRequired":{"a":["y","x"]}}"#,
            &[r#"{"a":1,"y":1,"x":1}"#, r#"{"x":1}"#],
            &[r#"{"a":1,"x":1,"y":1}"#, r#"{"y":1,"a":1,"x":1}"#],
        ),
    ];
    for (schema, valid, invalid) in table {
        check_with(&SchemaOptions::default(), schema, valid, invalid);
    }
}

/// Schemas as programs write them, with instances from an independent generator
/// (`tests/invented/record.py`). Valid instances are accepted, invalid ones are refused, and
/// outputs drawn from the masks are valid. `HEDGEROW_WALKS` sets the number of outputs for each
/// schema (default 2). They are written to the file `HEDGEROW_OUTPUTS` for another judge.
#[test]
fn invented_schemas_judge_their_instances() {
    let exact = any_order().numbers(Numbers::Json);
    let vocabulary = pieces();
    let (mut schemas, mut judged, mut drawn, mut differences) = (0, 0, 0, Vec::new());
    let mut written = String::new();
    let file = std::fs::File::open("tests/data/invented.jsonl.gz").unwrap();
    let mut records = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut records).unwrap();
    for (line, record) in records.lines().enumerate() {
        let record: serde_json::Value = serde_json::from_str(record).unwrap();
        let (name, schema) = (record["name"].as_str().unwrap(), record["schema"].to_string());
        let mut options = jsonschema::options().should_validate_formats(true);
        if record["schema"].get("$schema").is_none() {
            options = options.with_draft(jsonschema::Draft::Draft202012);
        }
        let judge = options.build(record.get("plain").unwrap_or(&record["schema"])).unwrap();
        let compiled = compile(&schema, &exact).map_err(|e| e.to_string());
        let everything = match compiled
            .and_then(|g| Constraint::new(&g, &vocabulary).map_err(|e| e.to_string()))
        {
            Ok(constraint) => constraint,
            Err(error) => {
                let is_empty = error.contains("no JSON value") && record["valid"] == serde_json::json!([]);
                if !is_empty {
                    differences.push(format!("{name}: {error}"));
                }
                continue;
            }
        };
        schemas += 1;
        for (list, expected) in [("valid", true), ("invalid", false)] {
            for instance in record[list].as_array().unwrap() {
                let accepted = accepts(&everything, &instance.to_string());
                judged += 1;
                if accepted != expected {
                    differences.push(format!("{name}: {instance}, {list}"));
                }
            }
        }
        let ordered =
            Constraint::new(&compile(&schema, &SchemaOptions::default()).unwrap(), &vocabulary).unwrap();
        let random = &mut Random((number("HEDGEROW_SEED", 1) as u64) << 32 | line as u64);
        for _ in 0..number("HEDGEROW_WALKS", 2) {
            for constraint in [&everything, &ordered] {
                let output = match walk::walk(&mut constraint.matcher(), &vocabulary, random) {
                    Ok(Some(output)) if !has_long_number(&output) => output,
                    Ok(_) => continue,
                    Err(error) => {
                        differences.push(format!("{name}: {error}"));
                        continue;
                    }
                };
                drawn += 1;
                if !judge.is_valid(&serde_json::from_str(&output).unwrap()) {
                    differences.push(format!("{name}: {schema}: output {output}"));
                }
                written += &format!("{}\n", serde_json::json!([name, output]));
            }
        }
    }
    if let Some(path) = std::env::var_os("HEDGEROW_OUTPUTS") {
        std::fs::write(path, written).unwrap();
    }
    println!("{schemas} schemas, {judged} instances, {drawn} outputs");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
