//! Schemas against texts, byte by byte through the engine; and the messages of what cannot be compiled.

use hedgerow::engine::Constraint;
use hedgerow::grammar::KeyOrder;
use hedgerow::schema::{
    compile, AdditionalProperties, EscapePolicy, Numbers, SchemaOptions, Strictness, Whitespace,
};
use hedgerow::vocab::Vocabulary;

fn constraint(schema: &str, options: &SchemaOptions) -> Constraint {
    let grammar = compile(schema, options).unwrap_or_else(|e| panic!("{schema}: {e}"));
    let vocabulary = Vocabulary::from_byte_list((0..=255u8).map(|b| vec![b]).collect()).unwrap();
    Constraint::new(&grammar, &vocabulary).unwrap()
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
    check(r#"{"minimum":-1.5}"#, &["-1.5", "-1.4999", "0", "1000.25", "\"a\""], &["-1.51", "-2", "1e3"]);
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
        r#"{"allOf":[]}"#,
        "[]",
        "7",
    ];
    let text: Vec<String> = table
        .iter()
        .map(|schema| match compile(schema, &SchemaOptions::default()) {
            Ok(_) => format!("{schema}\n  compiles"),
            Err(error) => format!("{schema}\n  {error}"),
        })
        .collect();
    insta::assert_snapshot!(text.join("\n"));
    let lenient = SchemaOptions::default().strictness(Strictness::Lenient);
    assert!(compile(r#"{"items":{"pattern":"(a)\\1"}}"#, &lenient).is_ok());
}
