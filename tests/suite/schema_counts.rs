//! Schemas whose values or keys are counted, and complements of formats that leave texts out.

use crate::support::bytes::{check_with, constraint};
use hedgerow::schema::{EscapePolicy, SchemaOptions, compile};

#[track_caller]
fn check(schema: &str, valid: &[&str], invalid: &[&str]) {
    check_with(&SchemaOptions::default(), schema, valid, invalid);
}

/// Schemas of which no value exists, because values or keys run out. Counting them takes no longer
/// than their number of digits.
#[test]
fn counts_that_leave_no_value() {
    let digits = r#"{"type":"integer","minimum":0,"maximum":9}"#;
    let overlapping = r#"{"anyOf":[{"type":"integer","minimum":1,"maximum":3},{"type":"integer","minimum":2,"maximum":4}]}"#;
    let pairs = r#"{"anyOf":[{"type":"array","prefixItems":[{"enum":[1,2]}],"minItems":1,"items":false},
        {"type":"array","prefixItems":[{"enum":[2,3]}],"minItems":1,"items":false}]}"#;
    let objects = r#"{"type":"object","properties":{"a":{"const":1},"b":{"const":1}},
        "additionalProperties":false,"maxProperties":1}"#;
    let tenths = r#"{"type":"number","minimum":0,"maximum":1,"multipleOf":0.1}"#;
    let millions = r#"{"type":"integer","minimum":1,"maximum":4000000}"#;
    for (items, most) in
        [(digits, 10), (overlapping, 4), (pairs, 3), (objects, 3), (tenths, 11), (millions, 4_000_000)]
    {
        for (count, exists) in [(most, true), (most + 1, false), (4_000_000_000u32, false)] {
            let schema =
                format!(r#"{{"type":"array","items":{items},"uniqueItems":true,"minItems":{count}}}"#);
            let compiled = compile(&schema, &SchemaOptions::default());
            assert_eq!(compiled.is_ok(), exists, "{schema}: {:?}", compiled.err());
        }
    }
    // Without `\u`, four of the six keys and strings have no spelling.
    let no_unicode = SchemaOptions::default().escapes(EscapePolicy::NoUnicode);
    let class = r#"{"type":"string","pattern":"^[\\u0000-\\u0003ab]$"}"#;
    for count in [2, 3, 6] {
        let keys = format!(r#"{{"type":"object","propertyNames":{class},"minProperties":{count}}}"#);
        let items = format!(r#"{{"type":"array","items":{class},"uniqueItems":true,"minItems":{count}}}"#);
        for schema in [keys, items] {
            assert!(compile(&schema, &SchemaOptions::default()).is_ok(), "{schema}");
            assert_eq!(compile(&schema, &no_unicode).is_ok(), count == 2, "{schema}");
        }
    }
}

/// Objects whose smallest completion has thousands of keys beside conditions between keys. The
/// search for it must not nest as deeply.
#[test]
fn completions_of_many_keys() {
    let dependent = r#""type":"object","dependentRequired":{"a":["b"]}"#;
    for (schema, exists) in [
        (format!(r#"{{{dependent},"minProperties":15000}}"#), true),
        (format!(r#"{{{dependent},"minProperties":15000,"maxProperties":16000}}"#), true),
        (format!(r#"{{{dependent},"minProperties":4000000000}}"#), true),
        (
            format!(
                r#"{{{dependent},"minProperties":15000,"propertyNames":{{"pattern":"^[a-z]{{1,3}}$"}},
                    "not":{{"additionalProperties":{{"type":"integer"}}}}}}"#
            ),
            true,
        ),
        (
            format!(
                r#"{{{dependent},"minProperties":12000,"propertyNames":{{"pattern":"^[a-z][0-9]{{3}}$"}}}}"#
            ),
            true,
        ),
        (
            format!(r#"{{{dependent},"minProperties":703,"propertyNames":{{"pattern":"^[a-z]{{1,2}}$"}}}}"#),
            false,
        ),
    ] {
        let compiled = compile(&schema, &SchemaOptions::default());
        assert_eq!(compiled.is_ok(), exists, "{schema}: {:?}", compiled.err());
    }
}

/// Distinct items that several counters count. A value can be taken once only, so it counts once
/// for each of them.
#[test]
fn distinct_items_of_several_counters() {
    let schema = |most: u32, more: &str| {
        format!(
            r#"{{"type":"array","uniqueItems":true,"maxItems":{most},"items":{{"enum":[1,2,3,4]}},
                "allOf":[{{"contains":{{"enum":[1,2]}},"minContains":2}},
                    {{"contains":{{"enum":[2,3]}},"minContains":2}}]{more}}}"#
        )
    };
    check(
        &schema(3, ""),
        &["[1,2,3]", "[3,1,2]", "[2,3,1]"],
        &["[4", "[1,2,4", "[1,3,4", "[2,2", "[1,2]", "[]"],
    );
    check(&schema(4, ""), &["[4,1,2,3]", "[1,2,3]", "[1,4,3,2]"], &["[1,2,4]", "[4,4"]);
    // At most one of the items that must come is counted.
    check(
        r#"{"type":"array","uniqueItems":true,"items":{"enum":[1,2,3,4]},"minItems":3,
            "contains":{"enum":[1,2]},"minContains":0,"maxContains":1}"#,
        &["[1,3,4]", "[3,2,4]"],
        &["[3,4]", "[1,2", "[1,3]"],
    );
    for refused in [
        schema(2, ""),
        r#"{"type":"array","uniqueItems":true,"items":{"enum":[1,2,3,4]},"minItems":4,
            "contains":{"enum":[1,2]},"minContains":0,"maxContains":1}"#
            .to_owned(),
    ] {
        assert!(compile(&refused, &SchemaOptions::default()).is_err(), "{refused}");
    }
}

/// Beginnings of mail addresses with one `/` before the `@`, which another condition forbids. That
/// they have no end is found without a search through all lengths of the domain.
#[test]
fn beginnings_without_an_end_beside_lengths() {
    let constraint = constraint(
        r#"{"type":"string","maxLength":200,"format":"email","pattern":"^(?!.*foo).{2,80}$",
            "not":{"pattern":"^[^/]+/[^/]*$"}}"#,
        &SchemaOptions::default(),
    );
    for (begun, goes_on) in
        [("=/", true), ("=/@", false), ("=/*@", false), ("=//@", true), ("=/a/@a", true), ("=@a-", true)]
    {
        let text = format!("\"{}{begun}", "=".repeat(32));
        assert_eq!(constraint.matcher().advance_bytes(text.as_bytes()), Ok(goes_on), "{text}");
    }
}

/// A text that a format leaves out, because no regular language is exactly the format, is in no
/// complement of it.
#[test]
fn complements_of_formats() {
    check(
        r#"{"type":"string","not":{"format":"hostname"}}"#,
        &[r#""a_b""#, r#""""#],
        &[r#""xn--nxasmq6b""#, r#""a.b""#],
    );
    check(
        r#"{"oneOf":[{"type":"string","format":"hostname"},{"type":"string","pattern":"^xn--"}]}"#,
        &[r#""a.b""#, r#""xn--_""#],
        &[r#""xn--nxasmq6b""#],
    );
    check(
        r#"{"type":"string","if":{"format":"hostname"},"then":{"maxLength":3},"else":{"minLength":5}}"#,
        &[r#""a.b""#, r#""a_b_c""#],
        &[r#""xn--nxasmq6b""#, r#""abcd""#, r#""a_b""#],
    );
    check(
        r#"{"oneOf":[{"format":"hostname","type":"string"},{"enum":["xn--nxasmq6b","a_b",1]}]}"#,
        &[r#""a.b""#, r#""a_b""#, "1"],
        &[r#""xn--nxasmq6b""#],
    );
    let tagged =
        |value: &str| format!(r#"{{"type":"object","properties":{{"a":{value}}},"required":["a"]}}"#);
    check(
        &format!(
            r#"{{"oneOf":[{},{}]}}"#,
            tagged(r#"{"type":"string","format":"hostname"}"#),
            tagged(r#"{"type":"string","pattern":"^xn--"}"#)
        ),
        &[r#"{"a":"b"}"#, r#"{"a":"xn--_"}"#],
        &[r#"{"a":"xn--nxasmq6b"}"#],
    );
    assert!(compile(r#"{"const":"xn--nxasmq6b","format":"hostname"}"#, &SchemaOptions::default()).is_err());
    check(r#"{"type":"string","not":{"format":"regex"}}"#, &[r#""*""#], &[r#""[!-~]""#, r#""a""#]);
    check(
        r#"{"enum":["xn--nxasmq6b","a_b","a"],"not":{"format":"hostname"}}"#,
        &[r#""a_b""#],
        &[r#""xn--nxasmq6b""#, r#""a""#],
    );
}

/// Formats have many texts, but some have fewer than an array may ask for.
#[test]
fn formats_are_counted() {
    let dates = |count: u32| {
        format!(
            r#"{{"type":"array","items":{{"type":"string","format":"date"}},"uniqueItems":true,"minItems":{count}}}"#
        )
    };
    assert!(compile(&dates(3_652_425), &SchemaOptions::default()).is_ok());
    assert!(compile(&dates(3_652_426), &SchemaOptions::default()).is_err());
}

/// A condition on items that begins far into the array is refused and not moved to the front.
#[test]
fn conditions_on_late_items() {
    let schema = |items: usize| {
        let items = vec!["true"; items].join(",");
        format!(r#"{{"type":"array","not":{{"prefixItems":[{items}],"items":{{"type":"integer"}}}}}}"#)
    };
    let array = |count: usize| format!("[{}\"x\",1]", "1,".repeat(count));
    check(&schema(4096), &[&array(4096)], &[&array(4095)]);
    let error = compile(&schema(4097), &SchemaOptions::default()).unwrap_err().to_string();
    assert!(error.contains("begins at position 4097"), "{error}");
}
