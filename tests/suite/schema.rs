//! Schemas compared with texts, byte by byte through the engine, and the error messages of schemas
//! that cannot be compiled.
//!
//! The `jsonschema` crate judges random instances and random outputs of random schemas:
//! `HEDGEROW_CASES` schemas (default 300) from `HEDGEROW_SEED` (default 1) on.

use crate::support::bytes::{accepts, byte_vocabulary, check_with, constraint, refusals};
use crate::support::documentation::{documented, spans};
use crate::support::files::number;
use crate::support::numbers::has_long_number;
use crate::support::random_schema;
use crate::support::stress;
use crate::support::walk;
use crate::support::walk::Random;
use hedgerow::engine::Constraint;
use hedgerow::grammar::KeyOrder;
use hedgerow::schema::{
    AdditionalProperties, ContentEncoding, Draft, EscapePolicy, FormatPolicy, Numbers, SchemaOptions,
    Strictness, UniqueKeys, UnknownFormat, Whitespace, compile, compile_with_warnings,
};

fn check(schema: &str, valid: &[&str], invalid: &[&str]) {
    check_with(&SchemaOptions::default(), schema, valid, invalid);
}

#[test]
fn scalars() {
    check(
        "true",
        &["null", "1e5", "-0.5", r#""x""#, "[1, {\"a\":[]}]", "{\"a\" : 1}"],
        &["", " 1", "1 ", "nul", "[1,]"],
    );
    check(r#"{"type":"integer"}"#, &["0", "-12"], &["1.0", "1e2", "01", "\"1\""]);
    // Zero may have a sign where negative numbers are allowed.
    for (schema, allows_sign) in [
        (r#"{"type":"integer"}"#, true),
        (r#"{"type":"integer","minimum":-7,"maximum":0}"#, true),
        (r#"{"type":"integer","multipleOf":5}"#, true),
        (r#"{"type":"integer","minimum":-9,"maximum":9,"multipleOf":5}"#, true),
        (r#"{"type":"number","not":{"const":1}}"#, true),
        (r#"{"type":"number","minimum":-1}"#, true),
        (r#"{"type":"integer","minimum":0}"#, false),
        (r#"{"type":"integer","minimum":0,"multipleOf":5}"#, false),
        (r#"{"type":"integer","minimum":0,"maximum":9,"multipleOf":5}"#, false),
        (r#"{"type":"number","minimum":0,"maximum":7}"#, false),
        (r#"{"enum":[0]}"#, false),
    ] {
        let (zero, signed) =
            if allows_sign { (vec!["0", "-0"], vec![]) } else { (vec!["0"], vec!["-0", "-"]) };
        check(schema, &zero, &[&["-00", "00"], &signed[..]].concat());
        let json = SchemaOptions::default().numbers(Numbers::Json);
        check_with(&json, schema, &["0", "-0"], &["-00"]);
    }
    check(r#"{"type":"number","minimum":-1}"#, &["-0.0", "0.0", "-0.50"], &["-1.01"]);
    check(r#"{"type":"integer","not":{"const":0}}"#, &["-1", "10"], &["-0", "0"]);
    check(r#"{"type":"number","exclusiveMinimum":0}"#, &["0.1"], &["-0", "-0.0", "0"]);
    check(r#"{"type":["boolean","null"]}"#, &["true", "null"], &["0"]);
    check(
        r#"{"enum":[1.0,"a\n",null,{"b":[2]},"é"]}"#,
        &["1", "1.0", r#""a\n""#, "null", r#"{"b":[2]}"#, r#""é""#],
        &["1.00", "2", r#""\u0061\n""#],
    );
    check(r#"{"const":{"b":1,"a":2}}"#, &[r#"{"b":1,"a":2}"#], &[r#"{"a":2,"b":1}"#, r#"{"b":1}"#, "{}"]);
    check(
        r#"{"type":"integer","minimum":5,"exclusiveMaximum":17}"#,
        &["5", "16", "9"],
        &["4", "17", "1", "2"],
    );
    check(
        r#"{"minimum":-1.5}"#,
        &["-1.5", "-1.4999", "0", "1000.25", "\"a\"", "1e3", "-1.5e+00", "2.5E-07"],
        &["-1.51", "-2", "-1.6e0", "-1e1"],
    );
    check(
        r#"{"type":"integer","minimum":1,"multipleOf":123456789}"#,
        &["246913578"],
        &["0", "-123456789", "1"],
    );
    check(
        r#"{"type":"number","multipleOf":0.25,"maximum":1}"#,
        &["0.25", "-3.5", "1", "0.250"],
        &["0.3", "1.25"],
    );
    check(r#"{"minimum":3,"exclusiveMinimum":true}"#, &["4"], &["3"]);
    check(
        r#"{"minLength":2,"maxLength":3}"#,
        &[r#""ab""#, r#""\u0061é😀""#, r#""\ud83d\ude00a""#],
        &[r#""a""#, r#""abcd""#, r#""\ud83d\ude00""#],
    );
    check(
        r#"{"type":"string","pattern":"^a+$","maxLength":3}"#,
        &[r#""aaa""#, r#""\u0061""#],
        &[r#""""#, r#""aaaa""#, r#""ab""#],
    );
    check(r#"{"type":"string","nullable":true}"#, &["null", r#""""#], &["1"]);
}

#[test]
fn objects() {
    let person = r#"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["age"],"additionalProperties":false}"#;
    check(
        person,
        &[r#"{"name":"x","age":3}"#, "{ \"age\" :\n1 }"],
        &[r#"{"name":"x"}"#, r#"{"age":3,"name":"x"}"#, r#"{"age":3,"b":1}"#, "{}"],
    );
    check_with(
        &SchemaOptions::default().key_order(KeyOrder::Any),
        person,
        &[r#"{"age":3,"name":"x"}"#],
        &[r#"{"age":3,"age":3}"#],
    );
    check(
        r#"{"properties":{"a":{"type":"null"}},"additionalProperties":{"type":"integer"}}"#,
        &[r#"{"a":null,"b":1,"c":2}"#, "3"],
        &[r#"{"b":null}"#, r#"{"b":1,"b":1}"#, r#"{"b":1,"a":null}"#],
    );
    check(
        r#"{"type":"object","required":["x"]}"#,
        &[r#"{"x":1}"#, r#"{"x":1,"y":{}}"#],
        &["{}", r#"{"y":1}"#],
    );
    check(
        r#"{"type":"object","patternProperties":{"^a":{"type":"integer"},"b$":{"maximum":3}},"additionalProperties":false}"#,
        &[r#"{"a":9,"ab":3,"cb":"x","cab":null}"#],
        &[r#"{"ab":4}"#, r#"{"ab":"x"}"#, r#"{"c":1}"#],
    );
    check(
        r#"{"type":"object","propertyNames":{"maxLength":2},"minProperties":1,"maxProperties":2}"#,
        &[r#"{"ab":1}"#, r#"{"a":1,"b":2}"#],
        &["{}", r#"{"abc":1}"#, r#"{"a":1,"b":2,"c":3}"#],
    );
    check(
        r#"{"type":"object","dependencies":{"a":["b"],"c":{"required":["d"]}}}"#,
        &["{}", r#"{"b":1}"#, r#"{"a":1,"b":2}"#, r#"{"c":1,"d":2}"#],
        &[r#"{"a":1}"#, r#"{"c":1}"#],
    );
}

#[test]
fn arrays() {
    check(
        r#"{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2}"#,
        &["[1]", "[1, 2]", "[ 1,2 ]"],
        &["[]", "[1,2,3]", "[null]"],
    );
    check(
        r#"{"prefixItems":[{"type":"null"},{"const":1}],"items":false}"#,
        &["[]", "[null]", "[null,1]", "{}"],
        &["[1]", "[null,1,2]"],
    );
    check(
        r#"{"items":[{"type":"null"}],"additionalItems":{"type":"integer"}}"#,
        &["[null,1,2]", "[]"],
        &["[null,null]"],
    );
    check(
        r#"{"type":"array","contains":{"type":"integer"},"maxContains":2}"#,
        &["[1]", "[null,1,\"a\",2]"],
        &["[]", "[null]", "[1,2,3]"],
    );
    check(
        r#"{"type":"array","items":{"enum":[1,"a",true]},"uniqueItems":true}"#,
        &["[]", "[1,true,\"a\"]"],
        &["[1,1]", "[1,true,\"a\",1]"],
    );
}

/// Every value used before is left out of later items, for any number of values and after any
/// beginning of an item.
#[test]
fn many_distinct_items_exclude_each_other() {
    let any_order = SchemaOptions::default().key_order(KeyOrder::Any);
    let list = |items: &[String]| format!("[{}]", items.join(","));
    let object = |i: usize| {
        format!(
            r#"{{"id":{},"name":"n{}","of":[{},{}],"on":{}}}"#,
            i / 2,
            i % 7,
            i % 3,
            i % 5,
            i.is_multiple_of(2)
        )
    };
    let turned = |i: usize| {
        format!(
            r#"{{"on":{},"of":[{},{}],"name":"n{}","id":{}.0}}"#,
            i.is_multiple_of(2),
            i % 3,
            i % 5,
            i % 7,
            i / 2
        )
    };
    let with = |items: Vec<String>, last: &str| list(&[items, vec![last.to_owned()]].concat());
    let objects: Vec<String> = (0..40).map(object).collect();
    let pairs: Vec<String> = (0..40).map(|i| format!("[{},{}]", i % 8, i / 8)).collect();
    for schema in [
        r#"{"type":"array","uniqueItems":true}"#,
        r#"{"type":"array","uniqueItems":true,"items":{"anyOf":[{"type":"array","items":{"type":"number"}},{"type":
            "object","properties":{"id":{"type":"number"},"name":{"type":"string"}},"required":["id","name"]}]}}"#,
    ] {
        let new = object(3).replace("n3", "n4");
        check_with(
            &any_order,
            schema,
            &[
                &list(&objects),
                &with(objects.clone(), &new),
                &with(objects.clone(), &object(7).replace("}", ",\"more\":1}")),
                &with(objects.clone(), r#"{"id":0,"name":"n0"}"#),
                &list(&pairs),
                &with(pairs.clone(), "[0,0,0]"),
                "[[],[1],[1,2],[1,2,3],[2,2,3]]",
            ],
            &[
                &with(objects.clone(), &object(17)),
                &with(objects.clone(), &turned(17)),
                &with(objects.clone(), &turned(39)),
                &with(pairs.clone(), "[3, 4]"),
                &with(pairs.clone(), "[0.0,0e0]"),
                "[[],[1],[1,2],[1,2,3],[1,2]]",
                "[[],[1],[]]",
            ],
        );
    }
}

#[test]
fn distinct_items_leave_the_values_that_later_ones_need() {
    check(
        r#"{"type":"array","uniqueItems":true}"#,
        &["[{},[],{\"a\":{}}]"],
        &["[{},{}]", r#"[{"a":{}},{"a":{}}]"#],
    );
    // An early item leaves the values that later items need.
    check(
        r#"{"type":"array","uniqueItems":true,"prefixItems":[{"type":"integer"},{"enum":[1,2]},{"enum":[2,1]}],"minItems":3}"#,
        &["[3,1,2]", "[0,2,1,null]"],
        &["[1", "[2", "[3,1,1"],
    );
    check(
        r#"{"type":"array","uniqueItems":true,"prefixItems":[{"enum":["a","b"]},{"enum":["a"]},{"const":"c"}],"minItems":2}"#,
        &["[\"b\",\"a\"]", "[\"b\",\"a\",\"c\",\"d\"]"],
        &["[\"a"],
    );
    check(
        r#"{"anyOf":[{"type":"null"},{"type":"array","uniqueItems":true,"prefixItems":[{"const":1},{"const":1.0}],"minItems":2},
            {"type":"array","uniqueItems":true,"items":{"type":["integer","boolean"]},"contains":{"type":"boolean"},"minContains":3}]}"#,
        &["null"],
        &["["],
    );
    // An array ends when all values are used.
    check(
        r#"{"type":"array","uniqueItems":true,"items":{"enum":[[1,2],[1],{"a":[1]}]}}"#,
        &["[[1],{\"a\":[1]},[1,2]]"],
        &["[[1],{\"a\":[1]},[1,2],[1]]", "[[1],[1,2],{\"a\":[1]},"],
    );
}

/// An object of finitely many keys cannot have more of them, however many they are.
#[test]
fn keys_run_out() {
    let object = |keys: &str, least: u32| {
        format!(
            r#"{{"type":"object","propertyNames":{{"pattern":"{keys}"}},"additionalProperties":{{"const":1}},"minProperties":{least}}}"#
        )
    };
    for (keys, count) in
        [("^[0-9]{3}$", 1000), ("^[0-9]{2}[ab]{2}$", 400), ("^[ab]?$", 3), ("^(?:a|bc|d{0,3})$", 6)]
    {
        let compile = |least| hedgerow::schema::compile(&object(keys, least), &SchemaOptions::default());
        assert!(compile(count).is_ok(), "{keys} has {count} words");
        assert!(compile(count + 1).is_err(), "{keys} has no more than {count} words");
    }
}

/// An array of distinct items continues while there is another value, and no longer.
#[test]
fn distinct_items_run_out() {
    let table: [(&str, &[&str]); 14] = [
        (r#"{"type":["boolean","null"]}"#, &["true", "null", "false"]),
        (r#"{"type":"integer","minimum":1,"maximum":3}"#, &["2", "3", "1"]),
        (r#"{"type":"number","minimum":0,"maximum":1,"multipleOf":0.5}"#, &["0", "1", "0.5"]),
        (r#"{"type":"number","minimum":2,"maximum":2}"#, &["2"]),
        (r#"{"multipleOf":3,"not":{"multipleOf":6},"type":"number","minimum":1,"maximum":10}"#, &["9", "3"]),
        (r#"{"type":"string","pattern":"^[ab]?$"}"#, &["\"a\"", "\"\"", "\"b\""]),
        (r#"{"type":"string","maxLength":0}"#, &["\"\""]),
        (r#"{"type":"array","items":{"type":"null"},"maxItems":2}"#, &["[]", "[null,null]", "[null]"]),
        (
            r#"{"type":"array","prefixItems":[{"type":"boolean"},{"type":"null"}],"items":false,"minItems":1}"#,
            &["[true]", "[false,null]", "[false]", "[true,null]"],
        ),
        (
            r#"{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":2,"uniqueItems":true}"#,
            &["[true,false]", "[false,true]"],
        ),
        (
            r#"{"type":"object","properties":{"a":{"type":"boolean"},"b":{"const":1}},"additionalProperties":false}"#,
            &[
                "{}",
                r#"{"a":true}"#,
                r#"{"a":false}"#,
                r#"{"b":1}"#,
                r#"{"a":true,"b":1}"#,
                r#"{"a":false,"b":1}"#,
            ],
        ),
        (
            r#"{"type":"object","properties":{"a":{"type":"boolean"},"b":{"const":1}},"additionalProperties":false,
                "maxProperties":1,"dependentRequired":{"a":["b"]}}"#,
            &["{}", r#"{"b":1}"#],
        ),
        (
            r#"{"type":"object","propertyNames":{"enum":["a","b"]},"additionalProperties":{"const":0}}"#,
            &["{}", r#"{"b":0}"#, r#"{"a":0}"#, r#"{"a":0,"b":0}"#],
        ),
        (
            r#"{"anyOf":[{"type":"boolean"},{"type":"array","maxItems":0},{"enum":[true,"x"]}]}"#,
            &["true", "[]", "false", "\"x\""],
        ),
    ];
    for (item, values) in table {
        let plain = format!(r#"{{"type":"array","uniqueItems":true,"items":{item}}}"#);
        let second_is_any =
            format!(r#"{{"type":"array","uniqueItems":true,"items":{item},"prefixItems":[{item},true]}}"#);
        let with_17 = [&values[..1], &["17"], &values[1..]].concat();
        for (schema, values) in [(plain, values.to_vec()), (second_is_any, with_17)] {
            let constraint = constraint(&schema, &SchemaOptions::default());
            let mut matcher = constraint.matcher();
            assert!(matcher.advance_bytes(b"[").unwrap());
            for (i, value) in values.iter().enumerate() {
                assert!(matcher.advance_bytes(value.as_bytes()).unwrap(), "{schema} refuses {value}");
                let goes_on = matcher.advance_bytes(b",").unwrap();
                assert_eq!(goes_on, i + 1 < values.len(), "{schema} after {value}");
            }
        }
    }
}

#[test]
fn combinations() {
    check(
        r#"{"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]}"#,
        &["1", r#""a""#],
        &["null", r#""ab""#],
    );
    check(
        r#"{"allOf":[{"required":["a"]},{"properties":{"a":{"type":"integer"}}}],"type":"object","properties":{"a":{"minimum":3}}}"#,
        &[r#"{"a":3}"#],
        &[r#"{"a":2}"#, "{}", r#"{"a":null}"#],
    );
    check(r#"{"oneOf":[{"type":"integer"},{"minimum":2}]}"#, &["1", "2.5", "\"a\""], &["3", "1.5"]);
    check(r#"{"not":{"type":"object","required":["a"]}}"#, &["1", "{}", r#"{"b":1}"#], &[r#"{"a":1}"#]);
    check(
        r#"{"type":"object","not":{"additionalProperties":{"type":"integer"}}}"#,
        &[r#"{"a":null}"#, r#"{"a":1,"b":"x"}"#],
        &["{}", r#"{"a":1}"#],
    );
    check(
        r#"{"type":"array","not":{"items":{"type":"integer"}}}"#,
        &["[null]", "[1,null,2]"],
        &["[]", "[1,2]"],
    );
    check(
        r#"{"type":"object","properties":{"k":{"enum":["a","b"]}},"required":["k"],"if":{"properties":{"k":{"const":"a"}}},"then":{"required":["x"]},"else":{"required":["y"]}}"#,
        &[r#"{"k":"a","x":1}"#, r#"{"k":"b","y":1}"#],
        &[r#"{"k":"a","y":1}"#, r#"{"k":"b","x":1}"#],
    );
    check(
        r#"{"oneOf":[{"properties":{"t":{"const":1},"x":{"type":"null"}},"required":["t"]},{"properties":{"t":{"const":2},"x":{"type":"integer"}},"required":["t"]}],"type":"object"}"#,
        &[r#"{"t":1,"x":null}"#, r#"{"t":2,"x":5}"#],
        &[r#"{"t":1,"x":5}"#, r#"{"t":3}"#, "{}"],
    );
}

#[test]
fn references() {
    let tree = r##"{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v"],"additionalProperties":false}}}"##;
    check(tree, &[r#"{"v":1}"#, r#"{"v":1,"next":{"v":2,"next":null}}"#], &[r#"{"v":1,"next":{}}"#]);
    let options = SchemaOptions::default()
        .document("http://x/y.json", r#"{"$defs":{"i":{"$anchor":"z","type":"integer"}}}"#);
    check_with(&options, r#"{"$ref":"http://x/y.json#z"}"#, &["1"], &["null"]);
    check(
        r#"{"$id":"http://a/b","$ref":"c#/x","$defs":{"q":{"$id":"c","x":{"type":"null"}}}}"#,
        &["null"],
        &["1"],
    );
}

#[test]
fn policies() {
    let schema =
        r#"{"properties":{"a":{"items":{"type":"integer"}},"é":{}},"required":["a"],"type":"object"}"#;
    let of = |w| SchemaOptions::default().whitespace(w);
    check_with(&of(Whitespace::Compact), schema, &[r#"{"a":[1,2],"b":{}}"#], &[r#"{"a": [1]}"#]);
    check_with(
        &of(Whitespace::Exact { item: ", ".into(), key: ": ".into() }),
        schema,
        &[r#"{"a": [1, 2], "b": {}}"#],
        &[r#"{"a":[1]}"#, r#"{ "a": [1]}"#],
    );
    check_with(
        &of(Whitespace::Pretty(2)),
        schema,
        &["{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}", "{\n  \"a\": []\n}"],
        &[r#"{"a": []}"#, "{\n  \"a\": [\n  ]\n}"],
    );
    check_with(&of(Whitespace::Unlimited), schema, &[&format!("{{{}\"a\":1}}", " ".repeat(500))], &[]);
    check(
        schema,
        &[&format!("{{{}\"a\":1}}", " ".repeat(64))],
        &[&format!("{{{}\"a\":1}}", " ".repeat(65)), r#"{"\u0061":1}"#],
    );
    let any = SchemaOptions::default().escapes(EscapePolicy::Any);
    check_with(&any, schema, &[r#"{"\u0061":1,"\u00e9":2}"#], &[r#"{"\u0061":1,"a":2}"#]);
    let strict = SchemaOptions::default().additional_properties(AdditionalProperties::Forbid);
    check_with(&strict, schema, &[r#"{"a":1}"#], &[r#"{"a":1,"b":2}"#]);
    let json = SchemaOptions::default().numbers(Numbers::Json);
    check_with(&json, r#"{"type":"integer"}"#, &["1.0", "-0", "3"], &["1.5"]);
    check_with(&json, r#"{"const":2}"#, &["2", "2.00"], &["2.01"]);
}

#[test]
fn formats_and_encodings() {
    let date = r#"{"format":"date"}"#;
    check(date, &[r#""2024-02-29""#, "3", r#""\u0032024-02-29""#], &[r#""2023-02-29""#]);
    check_with(&SchemaOptions::default().format(FormatPolicy::Annotate), date, &[r#""x""#], &[]);
    check(r#"{"format":"of our own"}"#, &[r#""x""#], &[]);
    let refuse = SchemaOptions::default().unknown_format(UnknownFormat::Refuse);
    for options in [&refuse, &refuse.clone().strictness(Strictness::Lenient)] {
        assert!(compile(r#"{"format":"of our own"}"#, options).is_err());
    }
    check(
        r#"{"type":"string","format":"ipv4","maxLength":8,"not":{"pattern":"^1\\."}}"#,
        &[r#""10.0.0.1""#],
        &[r#""1.0.0.1""#, r#""10.0.0.10""#, r#""10.0.0""#],
    );
    let base64 = r#"{"type":"string","contentEncoding":"base64"}"#;
    check(base64, &[r#""""#, r#""aGk=""#, r#""aGkh""#], &[r#""aGk""#, r#""aGl=""#, r#""a""#]);
    let annotate = SchemaOptions::default().content_encoding(ContentEncoding::Annotate);
    check_with(&annotate, base64, &[r#""aGk""#], &[]);
}

#[test]
fn drafts() {
    let of = |draft| SchemaOptions::default().default_draft(draft);
    let exclusive = r#"{"type":"integer","minimum":3,"exclusiveMinimum":true,"const":4}"#;
    check_with(&of(Draft::Four), exclusive, &["4", "5"], &["3"]);
    check(exclusive, &["4"], &["3", "5"]);
    let siblings = r##"{"$ref":"#/definitions/a","maximum":3,"definitions":{"a":{"type":"integer"}}}"##;
    check_with(&of(Draft::Seven), siblings, &["5"], &["null"]);
    check_with(&of(Draft::Y2019), siblings, &["3"], &["5"]);
    let named = r#"{"$schema":"http://json-schema.org/draft-06/schema#","if":true,"then":false}"#;
    check_with(&of(Draft::Y2020), named, &["1"], &[]);
    let list = r#"{"items":[{"type":"null"}],"additionalItems":false}"#;
    check_with(&of(Draft::Y2019), list, &["[null]"], &["[null,1]"]);
    assert!(compile(list, &of(Draft::Y2020)).is_err());
    check_with(
        &SchemaOptions::default().key_order(KeyOrder::Any),
        r#"{"$ref":"https://json-schema.org/draft/2020-12/schema"}"#,
        &[r#"{"minLength":3,"properties":{"a":{"type":"string"}}}"#, "true"],
        &[r#"{"minLength":-3}"#, r#"{"properties":{"a":{"type":"text"}}}"#],
    );
}

#[test]
fn envelopes_of_other_systems_are_unwrapped() {
    check(
        r#"{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"integer"}}}"#,
        &["1"],
        &["null"],
    );
    let inner =
        r##"{"type":"json_schema","name":"n","schema":{"$ref":"#/$defs/a","$defs":{"a":{"type":"null"}}}}"##;
    check(inner, &["null"], &["1"]);
    check(r#"{"type":"json_object"}"#, &["{}", r#"{"a":[1]}"#], &["1", "[]"]);
    let guided = |guidance: &str| {
        format!(r#"{{"x-guidance":{guidance},"type":"array","items":{{"properties":{{"a":{{}}}}}}}}"#)
    };
    check(&guided("{}"), &["[1 , 2]"], &[]);
    check(&guided(r#"{"whitespace_flexible":false}"#), &["[1,2]"], &["[1, 2]"]);
    check(
        &guided(r#"{"whitespace_flexible":false,"item_separator":", ","key_separator":": "}"#),
        &[r#"[1, {"a": 2}]"#],
        &["[1,2]", r#"[{"a":2}]"#, "[1 , 2]"],
    );
    check(&guided(r#"{"whitespace_pattern":" +|\n"}"#), &["[1,  2]", "[\n1,2]"], &["[1,\n 2]"]);
    check(&guided(r#"{"coerce_one_of":true,"lenient":false,"whitespace_pattern":null}"#), &["[]"], &[]);
    let lenient = r#"{"x-guidance":{"lenient":true},"pattern":"(a)\\1"}"#;
    check(lenient, &[r#""b""#], &[]);
}

#[test]
fn unevaluated() {
    let any_order = SchemaOptions::default().key_order(KeyOrder::Any);
    check_with(
        &any_order,
        r#"{"type":"object","properties":{"k":{}},"anyOf":[{"properties":{"a":{"type":"null"}},"required":["a"]},{"properties":{"b":{"type":"null"}},"required":["b"]}],"unevaluatedProperties":false}"#,
        &[r#"{"a":null}"#, r#"{"b":null,"k":1}"#, r#"{"b":null,"a":null}"#],
        &["{}", r#"{"a":null,"b":1}"#, r#"{"a":null,"c":1}"#],
    );
    check_with(
        &any_order,
        r#"{"type":"object","if":{"properties":{"t":{"const":1}},"required":["t"]},"then":{"properties":{"x":{}}},"else":{"patternProperties":{"^y":{}}},"unevaluatedProperties":{"type":"boolean"}}"#,
        &[r#"{"t":1,"x":2,"z":true}"#, r#"{"y1":2,"t":false}"#, "{}"],
        &[r#"{"t":1,"y":2}"#, r#"{"x":2}"#, r#"{"t":2}"#],
    );
    check(
        r#"{"type":"array","prefixItems":[true],"contains":{"type":"integer"},"unevaluatedItems":{"type":"null"}}"#,
        &["[true,1,null]", "[1]"],
        &["[true,null]", "[1,true]"],
    );
}

#[test]
fn errors_say_what_and_where() {
    let table = [
        "{",
        "{\"type\":\n  \"strin\"}",
        r#"{"properties":{"a/b":{"minLength":-1}}}"#,
        r#"{"items":{"pattern":"(a)\\1"}}"#,
        r#"{"items":{"pattern":"("}}"#,
        r##"{"properties":{"x":{"$ref":"#/nowhere"}}}"##,
        r#"{"$ref":"http://example.com/schema.json"}"#,
        r##"{"anyOf":[{"$ref":"#"}]}"##,
        r#"{"type":"object","properties":{"a":false},"required":["a"]}"#,
        r##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##,
        r#"{"type":"array","items":{"type":"integer"},"not":{"uniqueItems":true}}"#,
        r#"{"multipleOf":0}"#,
        r#"{"x-guidance":{"whitespace_flexible":1}}"#,
        r#"{"x-guidance":{"spaces":1}}"#,
        r#"{"x-guidance":{"whitespace_pattern":"a"}}"#,
        r#"{"type":"json_schema"}"#,
        r#"{"allOf":[]}"#,
        "[]",
        "7",
    ];
    insta::assert_snapshot!(refusals(&table));
    let lenient = SchemaOptions::default().strictness(Strictness::Lenient);
    assert!(compile(r#"{"items":{"pattern":"(a)\\1"}}"#, &lenient).is_ok());
}

/// Large and hard schemas compile within the default fuel, and keep their meaning.
#[test]
fn stress_schemas_compile_and_keep_their_meaning() {
    for case in stress::all() {
        let start = std::time::Instant::now();
        let constraint = constraint(&case.schema, &SchemaOptions::default());
        assert!(accepts(&constraint, &case.valid), "{} refuses {}", case.name, case.valid);
        assert!(!accepts(&constraint, &case.invalid), "{} accepts {}", case.name, case.invalid);
        println!("{}: {:?}", case.name, start.elapsed());
    }
}

#[test]
fn the_documented_keywords_have_their_documented_effect() {
    let any_order = SchemaOptions::default().key_order(KeyOrder::Any);
    let rows = documented("| keyword |");
    let mut known: Vec<String> = Vec::new();
    for row in &rows {
        let [keyword, schema, allowed, refused] = &row[..] else { panic!("{row:?}") };
        let (keyword, schema) = (keyword.trim_matches('`'), schema.trim_matches('`'));
        assert!(schema.contains(&format!("{keyword:?}")), "{keyword} is not in its schema");
        check_with(&any_order, schema, &spans(allowed), &spans(refused));
        known.push(keyword.to_owned());
    }
    // Every keyword of every draft is in the table or named as an annotation.
    let page = include_str!("../../docs/json-schema.md");
    let annotations = page.split("Annotations have no effect:").nth(1).unwrap().split('.').next().unwrap();
    known.extend(annotations.split('`').skip(1).step_by(2).map(str::to_owned));
    let mut drafts = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/schema/metaschema")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let draft: serde_json::Value = serde_json::from_str(&text).unwrap();
        for keyword in draft["properties"].as_object().unwrap().keys() {
            assert!(known.contains(keyword), "{keyword} is not documented");
        }
        drafts += 1;
    }
    assert_eq!(drafts, 19);
}

#[test]
fn members_that_are_no_schemas_are_named() {
    for (schema, pointer) in [
        (r#"{"properties":{"a":"string"}}"#, "#/properties/a"),
        (r#"{"properties":{"a":{"properties":{"b/c":3}}}}"#, "#/properties/a/properties/b~1c"),
        (r#"{"anyOf":[{},"string"]}"#, "#/anyOf/1"),
        (r#"{"not":"string"}"#, "#/not"),
    ] {
        let error = compile(schema, &SchemaOptions::default()).unwrap_err();
        assert_eq!(error.pointer(), Some(pointer), "{schema}: {error}");
    }
}

/// A reference to another document is told with the URI that it resolves to; warnings come in the
/// order of the text.
#[test]
fn references_and_warnings_say_where() {
    let schema = r#"{"$id":"https://example.com/a/root","properties":{"a":{"$ref":"../other.json#/x"}}}"#;
    let error = compile(schema, &SchemaOptions::default()).unwrap_err().to_string();
    let expected =
        "names `../other.json#/x`, whose document is `https://example.com/other.json`, which is not among";
    assert!(error.contains(expected), "{error}");
    let schema = r#"{"properties":{"a":{"x":1},"b":{"y":1,"x":[{"x":1}]}},"items":{"then":{"z":1}},"z":{}}"#;
    let (_, warnings) = compile_with_warnings(schema, &SchemaOptions::default()).unwrap();
    let places: Vec<(&str, &str)> =
        warnings.iter().map(|warning| (warning.pointer.as_str(), warning.keyword.as_str())).collect();
    let expected = [
        ("#", "z"),
        ("#/properties/a", "x"),
        ("#/properties/b", "y"),
        ("#/properties/b", "x"),
        ("#/items", "then"),
    ];
    assert_eq!(places, expected);
}

/// A document that no reference leads to is told, since its name may be misspelt. The dialect of a
/// schema and documents behind other documents are in use.
#[test]
fn unused_documents_are_told() {
    let documents = [
        ("https://a.example/used#", r#"{"$ref":"behind"}"#),
        ("https://a.example/behind", "{}"),
        ("https://a.example/dialect", r#"{"$schema":"https://json-schema.org/draft/2020-12/schema"}"#),
        ("https://a.example/Used", "{}"),
        ("file:///a", "{}"),
    ];
    let options =
        documents.iter().fold(SchemaOptions::default(), |options, (uri, text)| options.document(*uri, *text));
    let schema =
        r#"{"$schema":"https://a.example/dialect","properties":{"a":{"$ref":"https://a.example/used"}}}"#;
    let (_, warnings) = compile_with_warnings(schema, &options).unwrap();
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let unused = "`$ref` does not lead to this document anywhere, which has no effect";
    assert_eq!(warnings, [format!("file:///a#: {unused}"), format!("https://a.example/Used#: {unused}")]);
}

/// Caps hold for what the schema leaves without a limit, and give way to what it demands.
#[test]
fn caps() {
    let plain = SchemaOptions::default;
    let strings = plain().max_string_length(3);
    for (schema, allowed, refused) in [
        (r#"{"type":"string"}"#, &[r#""""#, r#""abc""#, r#""\u0061\n\"""#][..], &[r#""abcd""#][..]),
        ("true", &[r#"["abc",1e99,{"longer":"a"}]"#], &[r#""abcd""#, r#"["abcd"]"#, r#"{"a":"abcd"}"#]),
        (r#"{"type":"string","minLength":5}"#, &[r#""abcde""#], &[r#""abcdef""#, r#""abcd""#]),
        (r#"{"type":"string","maxLength":6}"#, &[r#""abcdef""#], &[r#""abcdefg""#]),
        (r#"{"enum":["long enough"]}"#, &[r#""long enough""#], &[]),
        (r#"{"type":"string","pattern":"^a+$"}"#, &[r#""aaa""#], &[r#""aaaa""#]),
        (r#"{"type":"string","pattern":"^a{9,}$"}"#, &[r#""aaaaaaaaaaa""#], &[r#""aaa""#]),
        (r#"{"type":"string","format":"date"}"#, &[r#""2026-01-31""#], &[]),
        (
            r#"{"anyOf":[{"enum":["a long one"]},{"pattern":"b","type":"string"}]}"#,
            &[r#""a long one""#, r#""abb""#],
            &[r#""aabb""#],
        ),
        (r#"{"type":"string","not":{"const":"abc"}}"#, &[r#""ab""#], &[r#""abc""#, r#""abcd""#]),
        (r#"{"type":"array","items":{"type":"string"},"uniqueItems":true}"#, &[r#"["abcd","abcde"]"#], &[]),
    ] {
        check_with(&strings, schema, allowed, refused);
    }
    let items = plain().max_items(2);
    for (schema, allowed, refused) in [
        (r#"{"type":"array"}"#, &["[]", "[1,[2,3]]"][..], &["[1,2,3]", "[[1,2,3]]"][..]),
        (r#"{"type":"array","minItems":3}"#, &["[1,2,3]"], &["[1,2]", "[1,2,3,4]"]),
        (r#"{"type":"array","maxItems":3}"#, &["[1,2,3]"], &["[1,2,3,4]"]),
        (
            r#"{"type":"array","prefixItems":[{"const":1},true,{"const":3}]}"#,
            &["[1,2,3]", "[]"],
            &["[1,2,3,4]"],
        ),
        (r#"{"type":"array","contains":{"const":1},"minContains":3}"#, &["[1,1,1]"], &["[1,1]", "[2,1,1,1]"]),
        (
            r#"{"type":"array","prefixItems":[{"const":2},{"const":2},{"const":2}],"contains":{"const":1}}"#,
            &["[2,2,2,1]"],
            &["[2,2]"],
        ),
        (
            r#"{"type":"array","uniqueItems":true,"items":{"type":"array"}}"#,
            &["[[1,2,3],[1]]"],
            &["[[],[1],[2]]"],
        ),
    ] {
        check_with(&items, schema, allowed, refused);
    }
    let digits = plain().max_digits(2);
    for (schema, allowed, refused) in [
        (r#"{"type":"number"}"#, &["0", "-12.34e-56", "1e+9"][..], &["123", "0.123", "1e100", "00"][..]),
        (r#"{"type":"integer"}"#, &["0", "-99"], &["100", "1.0"]),
        (r#"{"type":"integer","minimum":1000}"#, &["1000", "9999"], &["10000", "99"]),
        (r#"{"type":"integer","maximum":5}"#, &["5", "-99"], &["-100"]),
        (r#"{"multipleOf":0.001,"type":"number"}"#, &["0.125", "12"], &["0.1250", "123"]),
        (r#"{"const":12345}"#, &["12345"], &[]),
        (r#"{"minimum":0.00001,"maximum":0.00002,"type":"number"}"#, &["0.00001"], &["0.000011"]),
        (r#"{"type":"array","uniqueItems":true,"items":{"type":"integer"}}"#, &["[1000,1001]"], &[]),
    ] {
        check_with(&digits, schema, allowed, refused);
    }
    assert!(compile("true", &plain().max_digits(0)).is_err());
    let around = plain().surrounding_whitespace(true);
    check_with(&around, "true", &["1", " 1", "[]\n", "\t {} \r\n"], &["1 2", " "]);
    check_with(&around.whitespace(Whitespace::Compact), r#"{"type":"array"}"#, &[" [] "], &[" [ ] "]);
}

/// No cap leaves an output without an end.
#[test]
fn capped_outputs_come_to_an_end() {
    let vocabulary = byte_vocabulary(&["\",\"", "[1,", "true", ",2", "}]", "\"ab\"", "000", "1.5"]);
    let options = SchemaOptions::default().max_string_length(1).max_items(1).max_digits(1);
    for schema in [
        r#"{"type":"array","uniqueItems":true,"minItems":30,"items":{"type":"integer"}}"#,
        r#"{"type":"array","uniqueItems":true,"minItems":3,"items":{"type":"object",
            "properties":{"a":{"type":"string","pattern":"^[ab]+$"}},"required":["a"],"additionalProperties":false}}"#,
        r#"{"type":"array","contains":{"type":"string","minLength":4},"minContains":2,"maxContains":2,"minItems":4}"#,
        r#"{"type":"object","minProperties":3,"additionalProperties":{"type":"number","minimum":99.5}}"#,
        r#"{"type":"number","multipleOf":0.125,"exclusiveMinimum":0}"#,
    ] {
        let constraint = Constraint::new(&compile(schema, &options).unwrap(), &vocabulary).unwrap();
        let judge = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
        for seed in 1..6 {
            let mut matcher = constraint.matcher();
            let mut random = Random(seed);
            let mut text = Vec::new();
            for _ in 0..20 {
                let mask = matcher.mask().unwrap();
                let allowed: Vec<_> = mask.iter().filter(|&id| !vocabulary.bytes(id).is_empty()).collect();
                let Some(&token) = allowed.get(random.below(allowed.len().max(1))) else { break };
                assert!(matcher.advance(token).unwrap());
                text.extend_from_slice(vocabulary.bytes(token));
            }
            let rest = matcher.completion().unwrap();
            assert!(rest.is_some(), "{schema}: {} has no end", String::from_utf8_lossy(&text));
            text.extend(rest.unwrap_or_default().iter().flat_map(|&token| vocabulary.bytes(token)));
            let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert!(judge.is_valid(&value), "{schema}: {value}");
        }
    }
}

#[test]
fn the_documented_options_have_their_documented_effect() {
    let rows = documented("| option | schema |");
    assert_eq!(rows.len(), 9);
    for row in &rows {
        let [option, schema, refused] = &row[..] else { panic!("{row:?}") };
        let defaults = SchemaOptions::default();
        let relaxed = match option.trim_matches('`') {
            "key_order: any" => defaults.key_order(KeyOrder::Any),
            "whitespace: unlimited" => defaults.whitespace(Whitespace::Unlimited),
            "surrounding_whitespace: true" => defaults.surrounding_whitespace(true),
            "escapes: any" => defaults.escapes(EscapePolicy::Any),
            "numbers: json" => defaults.numbers(Numbers::Json),
            "unique_keys: ignored" => defaults.unique_keys(UniqueKeys::Ignored),
            "format: annotate" => defaults.format(FormatPolicy::Annotate),
            "content_encoding: annotate" => defaults.content_encoding(ContentEncoding::Annotate),
            other => panic!("{other}"),
        };
        let schema = schema.trim_matches('`');
        check(schema, &[], &spans(refused));
        check_with(&relaxed, schema, &spans(refused), &[]);
    }
}

#[test]
fn recursive_distinct_items_differ() {
    check(
        r##"{"type":"array","uniqueItems":true,"minItems":2,"items":{"$ref":"#/$defs/n"},"$defs":{"n":{"type":"object",
            "properties":{"next":{"$ref":"#/$defs/n"}},"additionalProperties":false}}}"##,
        &[r#"[{},{"next":{}}]"#, r#"[{"next":{"next":{}}},{"next":{}},{}]"#],
        &["[{},{}]", r#"[{},{"next":{"next":{}}},{"next":{"next":{}}}"#],
    );
}

/// Random schemas accept exactly the valid instances, and outputs drawn from the masks come to an
/// end and are valid.
#[test]
fn random_schemas_agree_with_the_judge() {
    let exact = SchemaOptions::default()
        .key_order(KeyOrder::Any)
        .whitespace(Whitespace::Unlimited)
        .escapes(EscapePolicy::Any)
        .numbers(Numbers::Json);
    let pieces =
        ["\",\"", "\"a\":", "\":{\"", "[1,", "],[", "true", ",2", "}]", "\"ab\"", ",\"b\":1", "null,null"];
    let vocabulary = byte_vocabulary(&pieces);
    let (mut refused, mut judged, mut drawn) = (std::collections::BTreeMap::<String, usize>::new(), 0, 0);
    let (seed, cases) = (number("HEDGEROW_SEED", 1) as u64, number("HEDGEROW_CASES", 300) as u64);
    for case in 0..cases {
        let random = &mut Random(seed << 32 | case);
        let schema = random_schema::document(random);
        let judge = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(&schema).unwrap();
        let instances: Vec<serde_json::Value> = (0..30).map(|_| random_schema::value(random, 3)).collect();
        let mut judge_all = || -> Result<(), String> {
            let constraint = |options| {
                let grammar = compile(&schema.to_string(), options).map_err(|e| e.to_string())?;
                Constraint::new(&grammar, &vocabulary).map_err(|e| e.to_string())
            };
            let everything = constraint(&exact);
            if everything.as_ref().is_err_and(|e| e.contains("no JSON value satisfies")) {
                let valid = instances.iter().find(|instance| judge.is_valid(instance));
                assert_eq!(valid, None, "case {case}: {schema} was refused as without values");
            }
            let everything = everything?;
            for instance in &instances {
                let mut matcher = everything.matcher();
                let read =
                    matcher.advance_bytes(instance.to_string().as_bytes()).map_err(|e| e.to_string())?;
                let accepted = read && matcher.is_accepting();
                assert_eq!(accepted, judge.is_valid(instance), "case {case}: {schema}: {instance}");
                judged += 1;
            }
            for constraint in [everything, constraint(&SchemaOptions::default())?] {
                for _ in 0..5 {
                    let output = walk::walk(&mut constraint.matcher(), &vocabulary, random)?;
                    let Some(output) = output.filter(|output| !has_long_number(output)) else { continue };
                    let value: serde_json::Value = serde_json::from_str(&output).unwrap();
                    assert!(judge.is_valid(&value), "case {case}: {schema}: {output}");
                    drawn += 1;
                }
            }
            Ok(())
        };
        if let Err(error) = judge_all() {
            let is_typed =
                ["no JSON value", "cannot be enforced", "steps"].iter().any(|part| error.contains(part));
            assert!(is_typed, "case {case}: {schema}: {error}");
            *refused.entry(error.split(": ").last().unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    println!("{cases} schemas, {judged} instances, {drawn} outputs; refused: {refused:?}");
    assert!(judged > 20 * cases as usize && drawn > 5 * cases as usize);
}
