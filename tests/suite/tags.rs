//! Structural tags: the texts that each format accepts and refuses, and the messages of errors.

use crate::support::bytes::{check_texts, special_vocabulary};
use hedgerow::engine::Constraint;
use hedgerow::vocab::{TokenId, Vocabulary};

const PIECES: [&str; 10] = ["<a>", "</a>", "<f=", ">{\"", "x<", "</", "12", "\":", "b>1</b>", "ab"];

/// All bytes, some longer tokens, and the special tokens `<|s|>` and `<|e|>`.
fn vocabulary() -> Vocabulary {
    special_vocabulary(&PIECES, &["<|s|>", "<|e|>"], &[])
}

fn constraint(format: &str) -> Constraint {
    let tag = format!(r#"{{"type": "structural_tag", "format": {format}}}"#);
    Constraint::structural_tag(&tag, &vocabulary()).unwrap_or_else(|error| panic!("{format}: {error}"))
}

/// True when `text` is read to its end, where `<|s|>` and `<|e|>` are tokens. On the way each mask
/// must hold the tokens that `advance` takes, and none may be empty.
fn reads(constraint: &Constraint, text: &str) -> bool {
    let vocabulary = constraint.vocabulary();
    let mut matcher = constraint.matcher();
    let mut rest = text.as_bytes();
    while let Some(&byte) = rest.first() {
        let mask = matcher.mask().unwrap();
        assert!(!mask.is_empty(), "a dead end in {text}");
        for token in (0..vocabulary.size() as u32).map(TokenId) {
            let takes = matcher.fork().advance(token).unwrap();
            assert_eq!(takes, mask.contains(token), "{token:?} before {rest:?} in {text}");
        }
        let name = ["<|s|>", "<|e|>"].into_iter().find(|name| rest.starts_with(name.as_bytes()));
        let (token, read) = match name {
            Some(name) => (vocabulary.special(name).unwrap(), name.len()),
            None => (TokenId(u32::from(byte)), 1),
        };
        if !matcher.advance(token).unwrap() {
            return false;
        }
        rest = &rest[read..];
    }
    matcher.is_accepting()
}

const INTEGER: &str = r#"{"type": "json_schema", "json_schema": {"type": "integer"}}"#;

#[test]
fn formats_accept_and_refuse() {
    let tags = format!(
        r#""tags": [{{"begin": "<f=a>", "content": {INTEGER}, "end": "</f>"}},
        {{"begin": "<f=b>", "content": {{"type": "any_text"}}, "end": "</f>"}}]"#
    );
    let triggered =
        |flags: &str| format!(r#"{{"type": "triggered_tags", "triggers": ["<f="], {tags}{flags}}}"#);
    let separated =
        |flags: &str| format!(r#"{{"type": "tags_with_separator", "separator": ", ", {tags}{flags}}}"#);
    let table: Vec<(String, &[&str], &[&str])> = vec![
        (r#"{"type": "const_string", "value": "a<|s|>"}"#.into(), &["a<|s|>"], &["a", "a<|e|>", ""]),
        (INTEGER.into(), &["1", "-20"], &["", "1.5", "1 "]),
        (r#"{"type": "regex", "pattern": "[a-c]{2}"}"#.into(), &["ab", "cc"], &["a", "abc", "ad"]),
        (
            r#"{"type": "json_schema", "json_schema": {"type": ["string", "array"]}, "excludes": ["ab", "</"]}"#.into(),
            &[r#""a""#, r#"["b", "a"]"#, r#""<\/""#],
            &[r#""xab""#, r#"["ab"]"#, r#""</""#],
        ),
        (
            r#"{"type": "json_schema", "style": "qwen_xml", "json_schema": {"properties": {"a": {"type": "string"}}}, "excludes": ["b"]}"#.into(),
            &["<parameter=a>x</parameter>"],
            &["<parameter=a>b</parameter>"],
        ),
        (
            r#"{"type": "grammar", "grammar": "root ::= \"(\" root \")\" | \"x\""}"#.into(),
            &["x", "((x))"],
            &["(x", "y"],
        ),
        (r#"{"type": "any_text"}"#.into(), &["", "<a>é", "</"], &["a<|s|>"]),
        (r#"{"type": "any_text", "excludes": ["ab"]}"#.into(), &["", "a", "ba"], &["ab", "xaab"]),
        (r#"{"type": "any_text", "max_chars": 2}"#.into(), &["", "éa"], &["éab"]),
        (
            r#"{"type": "tag", "begin": "<a>", "content": {"type": "any_text"}, "end": "</a>"}"#.into(),
            &["<a></a>", "<a>x</</a>", "<a><a></a>"],
            &["<a></a>x", "<a></a></a>", "<a>"],
        ),
        (
            r#"{"type": "tag", "begin": "<a>", "content": {"type": "any_text"}, "end": ["</a>", "<|e|>"]}"#.into(),
            &["<a>x</a>", "<a>x<|e|>"],
            &["<a>x<|s|>", "<a></a><|e|>"],
        ),
        (
            r#"{"type": "tag", "begin": {"type": "token", "token": "<|s|>"}, "content": {"type": "any_text"},
                "end": {"token": "<|e|>"}}"#
                .into(),
            &["<|s|><|e|>", "<|s|>ab<|e|>"],
            &["<|s|>ab", "<a><|e|>"],
        ),
        (
            r#"{"type": "tag", "begin": "a", "content": {"type": "sequence", "elements": [
                {"type": "any_text"}, {"type": "const_string", "value": "!"}, {"type": "any_text"}]}, "end": "b"}"#
                .into(),
            &["a!b", "ax!!yb"],
            &["ab", "ax!yb!b", "ab!b"],
        ),
        (
            r#"{"type": "tag", "begin": "<a>", "content": {"type": "any_text", "excludes": ["<"]},
                "end": ["</a>", ""]}"#
                .into(),
            &["<a>", "<a>xy", "<a>x</a>"],
            &["<a>x<", "<a>x</b"],
        ),
        (
            triggered(""),
            &["", "text", "x<f=a>12</f>y<f=b>z</f>", "<f=a>1</f><f=a>2</f>", "<f"],
            &["<f=c", "<f=a>x", "<f=a>1</f", "<f="],
        ),
        (
            triggered(r#", "at_least_one": true"#),
            &["<f=a>1</f>", "<f=b></f>text<f=a>1</f>x"],
            &["", "x", "x<f=a>1</f>"],
        ),
        (
            triggered(r#", "stop_after_first": true"#),
            &["", "text", "x<f=a>1</f>"],
            &["<f=a>1</f>x", "<f=a>1</f><f=a>1</f>"],
        ),
        (
            triggered(r#", "at_least_one": true, "stop_after_first": true"#),
            &["<f=a>1</f>", "<f=b>x</f>"],
            &["", "x<f=a>1</f>", "<f=a>1</f>x"],
        ),
        (triggered(r#", "excludes": ["ab"]"#), &["a<f=b>ab</f>b"], &["ab", "<f=a>1</f>ab"]),
        (separated(""), &["", "<f=a>1</f>", "<f=a>1</f>, <f=b>x</f>"], &[", ", "<f=a>1</f>, ", "x"]),
        (separated(r#", "at_least_one": true"#), &["<f=a>1</f>, <f=a>1</f>"], &[""]),
        (separated(r#", "stop_after_first": true"#), &["", "<f=a>1</f>"], &["<f=a>1</f>, <f=a>1</f>"]),
        (
            format!(
                r#"{{"type": "tag", "begin": "<a>", "content": {}, "end": "</a>"}}"#,
                triggered("")
            ),
            &["<a></a>", "<a>x<f=a>1</f>y</a>"],
            &["<a>x<f=a>1</f>y", "<a></a>x"],
        ),
        (
            format!(r#"{{"type": "dispatch", "rules": [["n:", {INTEGER}], ["n:n:", {INTEGER}]]}}"#),
            &["", "text", "an:1", "an:1n:2 x", "n:n:3"],
            &["n:x", "n:"],
        ),
        (
            format!(r#"{{"type": "dispatch", "loop": false, "rules": [["n:", {INTEGER}]], "excludes": ["!"]}}"#),
            &["x", "n:1"],
            &["!", "n:1 x", "x!n:1"],
        ),
        (
            r#"{"type": "token_triggered_tags", "trigger_tokens": ["<|s|>"], "tags": [{"begin": {"token":
                "<|s|>"}, "content": {"type": "const_string", "value": "x"}, "end": {"token": "<|e|>"}}]}"#
                .into(),
            &["", "ab<|s|>x<|e|>c<|s|>x<|e|>"],
            &["<|e|>", "<|s|>y", "<|s|>x"],
        ),
        (
            r#"{"type": "repeat", "min": 2, "max": 3, "content": {"type": "token", "token": "<|s|>"}}"#.into(),
            &["<|s|><|s|>", "<|s|><|s|><|s|>"],
            &["<|s|>", "<|s|><|s|><|s|><|s|>", "xx"],
        ),
        (
            r#"{"type": "sequence", "elements": [{"type": "optional", "content": {"value": "a"}},
                {"type": "plus", "content": {"value": "b"}}, {"type": "star", "content": {"value": "c"}}]}"#
                .into(),
            &["ab", "bbcc", "b"],
            &["a", "aab", "abca"],
        ),
        (
            r#"{"type": "or", "elements": [{"value": "a"}, {"type": "any_text", "excludes": ["<"]}]}"#.into(),
            &["a", "", "x"],
            &["<"],
        ),
        // Tokens by their numbers: 266 is `<|s|>`, 267 is `<|e|>`, 256 is the text `<a>`.
        (
            r#"{"type": "token_triggered_tags", "trigger_tokens": [266, 256], "tags": [
                {"begin": {"token": 266}, "content": {"value": "1"}, "end": {"token": 267}},
                {"begin": {"token": 256}, "content": {"value": "2"}, "end": ""}]}"#
                .into(),
            &["", "x<|s|>1<|e|>y<a>2z", "<[266]>1"],
            &["x<|e|>", "<|s|>1<[267]>", "<a>1"],
        ),
        (
            r#"{"type": "token_dispatch", "rules": [[266, {"value": "1"}], ["<|e|>", {"value": "2"}]],
                "exclude_tokens": [256]}"#
                .into(),
            &["", "<|s|>1a<|e|>2", "<[266]>", "<a"],
            &["<|s|>2", "<a>", "<|e|>1"],
        ),
        (
            r#"{"type": "tag", "begin": "b", "content": {"type": "any_text"}, "end": {"token": 256}}"#.into(),
            &["b<a>", "bx<<a>"],
            &["b<a><a>", "b<[256]>"],
        ),
        // Of triggers that end in one token, the longest is read.
        (
            r#"{"type": "triggered_tags", "triggers": ["<|s|>", "b<|s|>", "ab<|s|>"], "tags": [
                {"begin": "<|s|>", "content": {"value": "1"}, "end": "."},
                {"begin": "b<|s|>", "content": {"value": "2"}, "end": "."},
                {"begin": "ab<|s|>", "content": {"value": "3"}, "end": "."}]}"#
                .into(),
            &["<|s|>1.", "a<|s|>1.", "b<|s|>2.", "bb<|s|>2.", "ab<|s|>3.", "xab<|s|>3.<|s|>1."],
            &["b<|s|>1.", "ab<|s|>2.", "ab<|s|>1.", "cb<|s|>3."],
        ),
        // A tag's end wins over a trigger of the same text.
        (
            r#"{"type": "tag", "begin": "(", "end": "<f=", "content": {"type": "triggered_tags",
                "triggers": ["<f=", "<g="], "tags": [
                {"begin": "<f=a>", "content": {"value": "1"}, "end": "."},
                {"begin": "<g=", "content": {"value": "2"}, "end": "."}]}}"#
                .into(),
            &["(<f=", "(x<f=", "(x<g=2.<f="],
            &["(<f=a>1.<f=", "(x", "(<g=2."],
        ),
        (
            r#"{"type": "tag", "begin": "(", "end": "<|e|>", "content": {"type": "triggered_tags",
                "triggers": ["<|e|>"], "tags": [{"begin": "<|e|>", "content": {"value": "1"}, "end": "."}],
                "at_least_one": true}}"#
                .into(),
            &["(<|e|>1.<|e|>", "(<|e|>1.x<|e|>"],
            &["(<|e|>", "(<|e|>1.<|e|>1.<|e|>"],
        ),
        // An end that holds a trigger is read behind text without either.
        (
            r#"{"type": "tag", "begin": "(", "end": "<f=a>", "content": {"type": "triggered_tags",
                "triggers": ["<f="], "tags": [{"begin": "<f=a>", "content": {"value": "1"}, "end": "."}]}}"#
                .into(),
            &["(<f=a>", "(x<f=a>1.<f=a>"],
            &["(<f=", "(x<f=a>1."],
        ),
    ];
    for (format, accepted, refused) in table {
        let constraint = constraint(&format);
        check_texts(&format, accepted, refused, |text| reads(&constraint, text));
    }
}

/// A tag ends at the first occurrence of its end, whatever its free text stands in.
#[test]
fn free_text_ends_at_the_first_end() {
    let wrappers = [
        "TEXT",
        r#"{"type": "or", "elements": [TEXT, {"value": "q"}]}"#,
        r#"{"type": "optional", "content": TEXT}"#,
        r#"{"type": "repeat", "min": 1, "max": 1, "content": TEXT}"#,
        r#"{"type": "sequence", "elements": [TEXT, {"type": "optional", "content": {"value": "q"}}]}"#,
        r#"{"type": "sequence", "elements": [TEXT, {"type": "tags_with_separator", "separator": ",",
            "tags": [{"begin": "{", "content": {"value": ""}, "end": "}"}]}]}"#,
        r#"{"type": "or", "elements": [{"type": "optional", "content": {"type": "or", "elements": [TEXT]}}]}"#,
        r#"{"type": "triggered_tags", "triggers": ["{"], "stop_after_first": true, "excludes": EXCLUDES,
            "tags": [{"begin": "{", "content": {"value": ""}, "end": "}"}]}"#,
    ];
    type Texts = &'static [&'static str];
    // The fields of the text, its excludes, the tag's end, and the texts behind the tag's beginning
    // that are accepted and refused.
    type Row = (&'static str, &'static str, &'static str, Texts, Texts);
    let table: &[Row] = &[
        ("", "[]", r#"">>""#, &[">>", "x>>", "x>y>>"], &["x>>>", ">>>", "x>>y>>"]),
        (r#", "max_chars": 3"#, "[]", r#"">>""#, &[">>", "x>>", "x>y>>"], &["x>>>", ">>>"]),
        (r#", "excludes": ["xa"]"#, r#"["xa"]"#, r#""ab""#, &["ab", "yab"], &["xab", "yxab", "xaab"]),
        (r#", "excludes": ["<"]"#, r#"["<"]"#, r#"["<|e|>", "</t>"]"#, &["x</t>", "<|e|>"], &["<</t>"]),
        (r#", "excludes": ["x<|e|>"]"#, r#"["x<|e|>"]"#, r#""<|e|>""#, &["<|e|>", "xy<|e|>"], &["x<|e|>"]),
    ];
    for (fields, excludes, end, accepted, refused) in table {
        for wrapper in wrappers {
            if fields.contains("max_chars") && wrapper.contains("EXCLUDES") {
                continue;
            }
            let text = format!(r#"{{"type": "any_text"{fields}}}"#);
            let content = wrapper.replace("TEXT", &text).replace("EXCLUDES", excludes);
            let tag = format!(r#"{{"type": "tag", "begin": "(", "content": {content}, "end": {end}}}"#);
            let constraint = constraint(&tag);
            check_texts(&tag, accepted, refused, |text| reads(&constraint, &format!("({text}")));
        }
    }
}

/// Plain free text in a row, or several times, is free text.
#[test]
fn plain_free_text_is_one_text() {
    let tag =
        |content: &str| format!(r#"{{"type": "tag", "begin": "(", "content": {content}, "end": ">>"}}"#);
    let sequence = r#"{"type": "sequence", "elements": [{"type": "any_text", "max_chars": 1},
        {"type": "star", "content": {"type": "any_text", "max_chars": 1}}, {"type": "any_text"}]}"#;
    let counted =
        r#"{"type": "repeat", "min": 1, "max": 2, "content": {"type": "any_text", "max_chars": 2}}"#;
    let table: &[(String, &[&str], &[&str])] = &[
        (tag(sequence), &["(>>", "(abc>>"], &["(a>>>", "(a>>b>>"]),
        (counted.into(), &["", "abcd"], &["abcde"]),
        (tag(counted), &["(abcd>>", "(>>"], &["(abcde>>", "(>>>"]),
    ];
    for (format, accepted, refused) in table {
        let constraint = constraint(format);
        check_texts(format, accepted, refused, |text| reads(&constraint, text));
    }
}

#[test]
fn warnings_say_where() {
    let table: &[(&str, &[&str])] = &[
        (
            r#"{"json_schema": {"properties": {"a": {"maxlength": 3}}}}"#,
            &["#/format/json_schema/properties/a: `maxlength`"],
        ),
        (
            r#"{"begin": "a", "end": "b", "content": {"type": "sequence", "elements": [{"value": "x"},
                {"json_schema": {"then": true}}]}}"#,
            &["#/format/content/elements/1/json_schema: `then`"],
        ),
        (
            r#"{"begin": "a", "end": "<", "content": {"triggers": [">", "<"], "tags": [
                {"begin": ">", "content": {"value": ""}, "end": "."},
                {"begin": "<b", "content": {"json_schema": true}, "end": "."}]}}"#,
            &["#/format/content/triggers/1: `triggers` has \"<\", which is also an end of the tag around it"],
        ),
        (r#"{"value": "a"}"#, &[]),
    ];
    for (format, expected) in table {
        let tag = hedgerow::tags::parse(&format!(r#"{{"format": {format}}}"#)).unwrap();
        let (_, warnings) = hedgerow::tags::compile_with_warnings(&tag, &Default::default()).unwrap();
        let lines: Vec<String> = warnings.iter().map(|warning| warning.to_string()).collect();
        assert_eq!(lines.len(), expected.len(), "{format}: {lines:?}");
        for (line, expected) in lines.iter().zip(*expected) {
            assert!(line.starts_with(expected), "{line}\n{expected}");
        }
    }
}

#[test]
fn tokens_that_no_text_can_hold_are_errors() {
    let table = [
        ("300", "the grammar names the special token `<[300]>`, which the vocabulary does not have"),
        ("\"<|x|>\"", "the grammar names the special token `<|x|>`, which the vocabulary does not have"),
        ("200", "the grammar looks for the token `<[200]>` in text, but it is only a part of a character"),
    ];
    for (token, message) in table {
        let tag =
            format!(r#"{{"format": {{"type": "token_dispatch", "rules": [[{token}, {{"value": "x"}}]]}}}}"#);
        let error = Constraint::structural_tag(&tag, &vocabulary()).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(message));
    }
}

/// Rows of parts that may be empty lead from each part to all later ones. Formats nested in each
/// other are compiled once each.
#[test]
fn large_formats_take_bounded_work() {
    let any = r#"{"type": "any_text", "excludes": ["<"]}"#;
    let row = format!(r#"{{"type": "sequence", "elements": [{}]}}"#, vec![any; 1000].join(","));
    let mut nested = any.to_owned();
    for _ in 0..12 {
        nested = format!(
            r#"{{"type": "star", "content": {{"type": "sequence", "elements": [
                {{"begin": "<t>", "end": "</t>", "content": {nested}}}, {any}]}}}}"#
        );
    }
    let nested = format!(r#"{{"begin": "<t>", "end": "</t>", "content": {nested}}}"#);
    for (format, text) in [(row, "Hello there"), (nested, "<t><t></t>a</t>")] {
        let constraint = constraint(&format);
        let mut matcher = constraint.matcher();
        for byte in text.bytes() {
            assert!(matcher.mask().unwrap().contains(TokenId(byte.into())), "{text}");
            assert!(matcher.advance(TokenId(byte.into())).unwrap(), "{text}");
        }
        assert!(matcher.is_accepting());
    }
}

#[test]
fn envelopes_are_opened() {
    let older = r#"{"structures": [{"begin": "<f=a>", "schema": {"type": "integer"}, "end": "</f>"}],
        "triggers": ["<f="]}"#;
    let table: &[(String, &str, &str)] = &[
        (older.to_owned(), "x<f=a>1</f>", "<f=a>x"),
        (format!(r#"{{"response_format": {older}}}"#), "x<f=a>1</f>", "<f=a>x"),
        (serde_json::json!({"structural_tag": older}).to_string(), "x<f=a>1</f>", "<f=a>x"),
        (older.replace("\"triggers\"", "\"at_least_one\": true, \"triggers\""), "<f=a>1</f>", "x"),
        (r#"{"type": "json_object"}"#.to_owned(), "{}", "[]"),
        (r#"{"type": "text"}"#.to_owned(), "a", "<|s|>"),
        (
            r#"{"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}}"#
                .to_owned(),
            "1",
            "x",
        ),
        (r#"{"type": "const_string", "value": "x"}"#.to_owned(), "x", "y"),
        (
            r#"{"compat": "xgrammar", "unknown": 1, "format": {"value": "x", "other": 2}}"#.to_owned(),
            "x",
            "y",
        ),
    ];
    for (text, accepted, refused) in table {
        let constraint = Constraint::structural_tag(text, &vocabulary()).unwrap();
        assert!(reads(&constraint, accepted) && !reads(&constraint, refused), "{text}");
    }
}

#[test]
fn errors_say_where_and_what_to_do() {
    let table: &[(&str, &str)] = &[
        ("{", "#: this is not JSON: line 1, column 1: EOF while parsing an object"),
        ("[]", "#: a structural tag must be an object, and not a list"),
        ("{}", "#: `format` is missing; a structural tag has a `format`, or `structures` and `triggers`"),
        (
            r#"{"format": {"type": "any_txt"}}"#,
            "#/format/type: there is no format `any_txt`; did you mean `any_text`?",
        ),
        (
            r#"{"format": {"type": "tag", "begin": "a", "contents": {}, "content": {"value": "x"}, "end": "b"}}"#,
            "#/format: `contents` is no field here; did you mean `content`?",
        ),
        (
            r#"{"format": {"type": "sequence", "elements": [{"value": "a"}, {"type": "regex", "pattern": "("}]}}"#,
            "#/format/elements/1/pattern: pattern is not closed",
        ),
        (
            r#"{"format": {"type": "json_schema", "json_schema": {"type": "x"}}}"#,
            "#/format/json_schema: #/type: `type`",
        ),
        (
            r#"{"format": {"triggers": ["<"], "tags": [{"begin": "[", "content": {"value": ""}, "end": "]"}]}}"#,
            "#/format/tags/0: this tag begins with \"[\", which no trigger begins; add a trigger that its `begin` starts with",
        ),
        (
            r#"{"format": {"triggers": ["<", "["], "tags": [{"begin": "[", "content": {"value": ""}, "end": ""}]}}"#,
            "#/format/triggers: no tag begins with the trigger \"<\"",
        ),
        (
            r#"{"format": {"type": "tag", "begin": "a", "content": {"type": "any_text"}, "end": ""}}"#,
            "#/format: this tag has free text without an end",
        ),
        (
            r#"{"format": {"type": "regex", "pattern": "a", "role": "arguments"}}"#,
            "#/format: this part has the role \"arguments\" and stands in no call; put it into a part with the role \"call\"",
        ),
        (
            r#"{"format": {"elements": [{"begin": "a", "end": "b", "role": "name", "content": {"value": "x"}}]}}"#,
            "#/format/elements/0: this part has the role \"name\" and stands in no call",
        ),
        (
            r#"{"format": {"begin": "a", "end": "b", "role": "call", "name": "f", "content": {"type": "optional",
                "content": {"begin": "c", "end": "d", "role": "call", "name": "g", "content": {"value": "x"}}}}}"#,
            "#/format/content/content: this call stands in another call",
        ),
        (
            r#"{"format": {"begin": "a", "end": "b", "role": "call", "content": {"value": "{}", "role": "arguments"}}}"#,
            "#/format: this call has no name",
        ),
        (
            r#"{"format": {"type": "repeat", "min": 3, "max": 1, "content": {"value": "a"}}}"#,
            "#/format: `max` is 1, which is less than `min`, 3",
        ),
    ];
    for (text, message) in table {
        let error = Constraint::structural_tag(text, &vocabulary()).unwrap_err().to_string();
        assert!(error.starts_with(message.trim_end_matches("pattern is not closed")), "{error}\n{message}");
    }
}

#[test]
fn styles_write_objects_between_markers() {
    let schema = r#"{"type": "object", "properties": {"s": {"type": "string"}, "n": {"type": "integer"},
        "e": {"enum": ["a<b", "c"]}, "z": {"type": ["string", "null"]},
        "l": {"type": "array", "items": {"type": "string"}}}, "required": ["s"], "additionalProperties": false}"#;
    let p = |key: &str, value: &str| format!("<parameter={key}>{value}</parameter>");
    let m = |key: &str, value: &str| format!("<parameter name=\"{key}\">{value}</parameter>");
    let g = |key: &str, value: &str| format!("<arg_key>{key}</arg_key><arg_value>{value}</arg_value>");
    let d = |gap: &str, key: &str, is_text: bool, value: &str| {
        let mark = format!("｜DSML｜{gap}parameter");
        format!("<{mark} name=\"{key}\" string=\"{is_text}\">{value}</{mark}>")
    };
    let c = |key: &str, kind: &str, value: &str| {
        format!("<cofl:value name=\"{key}\" type=\"{kind}\">{value}</cofl:value>")
    };
    let k = |key: &str, kind: &str, value: &str| {
        format!("<|open|>argument key=\"{key}\" type=\"{kind}\"<|sep|>{value}<|close|>argument<|sep|>")
    };
    let x = |members: &str| members.replace('~', "]<]minimax[>[");
    let table: Vec<(&str, String, Option<&str>)> = vec![
        ("qwen_xml", p("s", "Oslo"), Some(r#"{"s": "Oslo"}"#)),
        ("qwen_xml", format!("\n{}\n", p("s", "\nOslo\n")), Some(r#"{"s": "\nOslo\n"}"#)),
        ("qwen_xml", p("s", "") + " " + &p("n", "\n-3\n"), Some("{\"s\": \"\", \"n\": \n-3\n}")),
        ("qwen_xml", p("s", "&lt;<\"") + &p("e", "\na<b\n"), Some(r#"{"s": "&lt;<\"", "e": "a<b"}"#)),
        (
            "qwen_xml",
            p("s", "x") + &p("z", "\nnull") + &p("l", "[\"a\"]"),
            Some("{\"s\": \"x\", \"z\": \nnull, \"l\": [\"a\"]}"),
        ),
        ("qwen_xml", p("n", "1"), None),
        ("qwen_xml", String::new(), None),
        ("qwen_xml", p("s", "x") + &p("e", "a&lt;b"), None),
        ("qwen_xml", p("s", "x") + &p("s", "x"), None),
        ("qwen_xml", p("s", "x") + &p("u", "x"), None),
        ("qwen_xml", p("s", "x") + &p("n", "x"), None),
        ("minimax_xml", m("s", "a") + "\n" + &m("n", "1"), Some(r#"{"s": "a", "n": 1}"#)),
        ("minimax_xml", p("s", "a"), None),
        ("glm_xml", g("s", "a") + &g("n", " 1"), Some(r#"{"s": "a", "n":  1}"#)),
        ("deepseek_xml", d("", "s", true, "1") + &d("", "n", false, "2"), Some(r#"{"s": "1", "n": 2}"#)),
        (
            "deepseek_xml",
            d("", "s", true, "a") + &d("", "z", true, "null"),
            Some(r#"{"s": "a", "z": "null"}"#),
        ),
        ("deepseek_xml", d("", "s", true, "a") + &d("", "n", true, "2"), None),
        ("deepseek_xml", d(" ", "s", true, "a"), None),
        ("deepseek_v4_1_xml", d(" ", "s", true, "a"), Some(r#"{"s": "a"}"#)),
        (
            "cohere_xml",
            c("s", "raw", "1\"") + "\n" + &c("n", "json", "2") + &c("l", "json", "[\"b\"]"),
            Some(r#"{"s": "1\"", "n": 2, "l": ["b"]}"#),
        ),
        ("cohere_xml", c("s", "json", "a"), None),
        ("minimax_m3_xml", x("\n~<s>a b~</s>\n ~<n>1~</n>\n"), Some(r#"{"s": "a b", "n": 1}"#)),
        (
            "minimax_m3_xml",
            x("~<s>~</s>~<z>null~</z>~<l> ~<item>b~</item>\n~<item>~</item> ~</l>"),
            Some(r#"{"s": "", "z": null, "l": ["b", ""]}"#),
        ),
        ("minimax_m3_xml", x("~<s>a~</s>~<l>~</l>"), Some(r#"{"s": "a", "l": []}"#)),
        ("minimax_m3_xml", x("~<s>a~</s>~<n> 1~</n>"), None),
        ("minimax_m3_xml", x("~<s>a~</n>"), None),
        ("minimax_m3_xml", x("~<s>a~~</s>"), None),
        (
            "kimi_k3_xml",
            k("s", "string", " a") + " " + &k("n", "number", "\n1 ") + "\n",
            Some("{\"s\": \" a\", \"n\": \n1 }"),
        ),
        (
            "kimi_k3_xml",
            k("s", "string", "") + &k("z", "null", "null") + &k("l", "array", "[\"b\"]"),
            Some(r#"{"s": "", "z": null, "l": ["b"]}"#),
        ),
        ("kimi_k3_xml", k("s", "object", "a"), None),
        ("kimi_k3_xml", k("s", "string", "a") + &k("n", "integer", "1"), None),
        ("gemma4", r#"{s:<|"|>a<|"|>,n:1}"#.into(), Some(r#"{"s": "a", "n": 1}"#)),
        (
            "gemma4",
            r#"{s:<|"|>a"<|"|>,l:[<|"|>b<|"|>,<|"|><|"|>]}"#.into(),
            Some(r#"{"s": "a\"", "l": ["b", ""]}"#),
        ),
        ("gemma4", r#"{s:<|"|>a<|"|>, n:1}"#.into(), None),
        ("gemma4", "{}".into(), None),
        ("cohere_xml", c("s", "raw", "a") + &c("n", "raw", "2"), None),
    ];
    for (style, members, expected) in &table {
        let content = format!(r#"{{"type": "json_schema", "style": "{style}", "json_schema": {schema}}}"#);
        let tag = |more: &str| {
            format!(r#"{{"type": "tag", "begin": "<f>", "end": ["</f>"], "content": {content}{more}}}"#)
        };
        let text = format!("<f>{members}</f>");
        let called = constraint(&tag(r#", "role": "call", "name": "f""#));
        assert_eq!(reads(&called, &text), expected.is_some(), "{style}: {text}");
        let Some(expected) = expected else { continue };
        for (constraint, is_call) in [(called, true), (constraint(&tag("")), false)] {
            let (mut reader, mut events) = (constraint.event_reader().unwrap(), Vec::new());
            let (mut all, mut reply) = (Vec::new(), hedgerow::tags::Reply::default());
            for byte in text.as_bytes() {
                assert!(reader.advance_bytes(&[*byte], &mut events).unwrap(), "{text}");
                all.append(&mut events);
            }
            reader.finish(&mut all);
            all.iter().for_each(|event| reply.add(event));
            match is_call {
                true => assert_eq!(&reply.calls[0].arguments, expected, "{style}: {text}"),
                false => assert_eq!(&reply.tags[0].1, members, "{style}: {text}"),
            }
        }
    }
    let optional = r#"{"type": "object", "properties": {"s": {"type": "string"}}}"#;
    let deprecated = format!(r#"{{"type": "qwen_xml_parameter", "json_schema": {optional}}}"#);
    let deprecated = constraint(&deprecated);
    for (text, is_read) in
        [(String::new(), true), ("\n".into(), true), (p("s", "x"), true), ("{}".into(), false)]
    {
        assert_eq!(reads(&deprecated, &text), is_read, "{text}");
    }
    let faults = [
        (
            "gemma",
            "there is no style \"gemma\"; did you mean \"gemma4\"? styles are json, qwen_xml, minimax_xml, minimax_m3_xml, deepseek_xml, deepseek_v4_1_xml, glm_xml, cohere_xml, kimi_k3_xml, gemma4",
        ),
        (
            "qwen_xm",
            "there is no style \"qwen_xm\"; did you mean \"qwen_xml\"? styles are json, qwen_xml, minimax_xml, minimax_m3_xml, deepseek_xml, deepseek_v4_1_xml, glm_xml, cohere_xml, kimi_k3_xml, gemma4",
        ),
    ];
    for (style, expected) in faults {
        let text =
            format!(r#"{{"format": {{"type": "json_schema", "style": "{style}", "json_schema": true}}}}"#);
        let error = hedgerow::tags::parse(&text).unwrap_err().to_string();
        assert_eq!(error, format!("#/format/style: {expected}"));
    }
}

#[test]
fn older_forms_and_envelopes_say_where_a_schema_is_wrong() {
    let compile = |text: &str| {
        Constraint::structural_tag(text, &vocabulary()).map(|_| ()).map_err(|error| error.to_string())
    };
    let older = |schema: &str| {
        format!(
            r#"{{"triggers": ["<f"], "structures": [{{"begin": "<f>", "schema": {schema}, "end": "</f>"}}]}}"#
        )
    };
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let table = [
        (older(r#"{"type": "integer"}"#), ""),
        (older(r#""{\"type\": \"integer\"}""#), ""),
        (older(r#"{"type": "nothing"}"#), "#/structures/0/schema: "),
        (older(r#""{""#), "#/structures/0/schema: this is not JSON"),
        (older("3"), "#/structures/0/schema: a schema must be an object, true or false, and not a number"),
        (r#"{"type": "json_schema", "name": "n", "schema": {"type": "integer"}, "strict": true}"#.into(), ""),
        (r#"{"type": "json_schema", "schema": {"type": "nothing"}}"#.into(), "#/schema: "),
        (deep, "#: values are nested more than 127 levels deep: line 1, column 128"),
    ];
    for (text, expected) in table {
        match compile(&text) {
            Ok(()) => assert_eq!(expected, "", "{text}"),
            Err(error) => assert!(!expected.is_empty() && error.starts_with(expected), "{text}: {error}"),
        }
    }
}
