//! Lark grammars without a lexer: schemas, runs of pieces and special tokens in them, and grammars
//! as parts of structural tags.

use crate::support::bytes::special_vocabulary;
use hedgerow::Constraint;
use hedgerow::schema::{SchemaOptions, Whitespace};
use hedgerow::syntax::lark::{self, Lexer, Options};
use hedgerow::tags::{self, TagOptions};
use hedgerow::vocab::Vocabulary;

fn vocabulary() -> Vocabulary {
    special_vocabulary(&["{\"", "ab", " 1"], &["<|s|>", "<|e|>"], &[])
}

fn constraint(text: &str, options: &Options) -> Constraint {
    let constraint = Constraint::lark_with(text, &vocabulary(), options);
    constraint.unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// True if the text is an output. On the way no mask is empty.
fn reads(constraint: &Constraint, text: &str) -> bool {
    let mut matcher = constraint.matcher();
    assert!(matcher.is_accepting() || !matcher.mask().unwrap().is_empty());
    matcher.advance_text(text.as_bytes()).unwrap() && matcher.is_accepting()
}

/// A grammar, outputs of it, and texts that are none.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

const TABLE: &[Row] = &[
    (
        r#"start: "call" %json {"type": "object", "properties": {"a": {"type": "integer"}},
            "required": ["a"], "additionalProperties": false} "."
           %ignore " ""#,
        &["call{\"a\":1}.", " call  {\"a\": 1} . "],
        &["call", "call{\"a\":\"x\"}.", "call{}.", "call{\"a\":1}", ".call{\"a\":1}"],
    ),
    // Each schema is a document of its own.
    (
        r##"start: (a | b)+
            a: "a" %json {"$ref": "#/$defs/x", "$defs": {"x": {"const": 1}}}
            b: "b" %json {"$ref": "#/$defs/x", "$defs": {"x": {"const": 2}}}"##,
        &["a1", "a1b2b2a1"],
        &["a2", "b1", "a1b", ""],
    ),
    // A text in a string of the schema that looks like a comment is none.
    (
        "start: %json {\n\n \"enum\": [\"# // :\", -1.5e3, true, {\"a\": [null]}]}\n  | \"no\" # not\n",
        &["\"# // :\"", "true", "{\"a\": [null]}", "no"],
        &["not", "false"],
    ),
    // A repetition may follow at once.
    ("start: \"(\" %json true* \")\"", &["()", "(1)", "(1[2]{})"], &["(", "(1,2)"]),
    ("start: \"(\" (%json true)~2 %json true? \")\"", &["(1[])", "([][])"], &["(1)", "([][][][])"]),
    ("start: \"(\" start \")\" | %json true", &["(([1]))", "{}", "(\"(\")"], &["(([1])", "()"]),
    (
        "start: list{%json {\"type\": \"integer\"}} \";\" list{\"x\"}\nlist{item}: item (\",\" item)*",
        &["1;x", "1,-2;x,x"],
        &["1,;x", "x;1"],
    ),
    // As the documentation of llguidance has them.
    (
        "start: TEXT | fun_call\nTEXT: /[^{](.|\\n)*/\nfun_call: %json {\"properties\": {\"name\": {\"const\": \"f\"}}, \"required\": [\"name\"]}",
        &["There is none\n{", "{\"name\": \"f\"}"],
        &["{\"name\": \"g\"}", "{"],
    ),
    (
        r#"start: "<" %regex {"substring_chunks": ["abc", "de", "fg"]} ">""#,
        &["<>", "<abc>", "<abcde>", "<defg>", "<fg>", "<abcdefg>"],
        &["<ab>", "<cde>", "<abcfg>", "<deabc>"],
    ),
    (
        r#"start: %regex {"substring_words": "foo bar. baz_1 é"} "!""#,
        &["!", "foo bar!", " bar!", "bar.!", ". baz_1 é!"],
        &["oo!", "foobar!", "fo!", "baz!"],
    ),
    (
        "start: RUN \",\" RUN \"i\"\nRUN: %regex {\"substring_chars\": \"ab é\"}\n",
        &[",i", "b é,ai", "ab, éi"],
        &["ba,i", "aé,i"],
    ),
    (
        "start: <|s|> %json {\"type\": \"integer\"} <|e|> | \"<|s|>\" \"x\"",
        &["<|s|>12<|e|>", "<|s|>x"],
        &["<|s|>12", "12<|e|>", "<|s|>"],
    ),
    // Nothing chooses among terminals.
    (
        "start: \"let\" NAME %json {\"type\": \"integer\"}?\nNAME: /[a-z]+/\n%ignore \" \"",
        &["letx", "let x 1", "letletx1"],
        &["let", "let 1", "le tx"],
    ),
];

#[test]
fn parts_that_no_lexer_finds_are_read() {
    for (text, outputs, others) in TABLE {
        let constraint = constraint(text, &Options::default());
        for output in *outputs {
            assert!(reads(&constraint, output), "{output:?} of {text}");
        }
        for other in *others {
            assert!(!reads(&constraint, other), "{other:?} of {text}");
        }
    }
}

#[test]
fn options_hold_for_schemas_and_modules() {
    let text = "sum: number (\"+\" number)*\n%import numbers.number";
    let compact = SchemaOptions::default().whitespace(Whitespace::Compact);
    let options = Options::default()
        .start("sum")
        .module("numbers", "number: %json {\"type\": \"array\", \"items\": {\"type\": \"integer\"}}")
        .schema(compact);
    let constraint = constraint(text, &options);
    assert!(reads(&constraint, "[1,2]+[]"));
    assert!(!reads(&constraint, "[1, 2]") && !reads(&constraint, "[1,2]+"));
}

#[test]
fn faults_are_told_with_their_places() {
    let table = [
        ("start: %json {\"type\": \"nothing\"}", "in the schema of `%json`: #/type: `type`"),
        (
            "start: %json",
            "`%json` is followed by no JSON: the text ends before the value does (line 1, column 13)",
        ),
        (
            "start: \"a\"\n  | %json {\"a\":\n \"é\", \"b\": }",
            "`%json` is followed by no JSON: expected value (line 3, column 12)",
        ),
        (
            "start: %json {\"const\": 1 // one\n}",
            "`%json` is followed by no JSON: expected `,` or `}` (line 1, column 26)",
        ),
        (
            "start: \"a\"\n  | %json {\"a\": \"\\ud800\"}",
            "is not JSON: surrogates must come in pairs (line 2, column 24)",
        ),
        (
            "start: \"a\"\n  | %json truely",
            "`%json` is followed by no JSON: trailing characters (line 2, column 15)",
        ),
        ("start: A\nA: \"a\" %json {}", "a terminal cannot be made of `%json` or a special token"),
        ("start: A\nA: %regex {\"substring_chars\": \"a\"} \"b\"", "or of `%regex` with other parts"),
        ("start: %regex {\"type\": \"number\"}", "this `%regex` is not known"),
        ("start: B %json {}\nB: /a(?=b)/", "the pattern asks what stands before or behind its text"),
        ("start: %json {} other", "rule `other` is not defined"),
        ("start: %json {} | start start\nb: c", "rule `c` is not defined"),
        ("start: %json {} start", "the grammar matches nothing: rule `start` never ends"),
        ("start: %json false", "in the schema of `%json`"),
        ("start: \"a\" %other {}", "expected the end of the line, found a statement"),
        ("start: %json {} <[1-3]>", "`<[1-3]>` is not the number of one token"),
        ("start: %json {} ignored_text", "rule `ignored_text` is not defined (line"),
        ("start: p{%json {}, \"a\"}\np{x}: x", "`p` takes 1 arguments, not 2"),
        (
            "start: p{\"x\"} %json {}\np{a}: \".\" | p{q{a, a}}\nq{a, b}: a b",
            "parts and bytes of instances of templates",
        ),
        ("start: p{\"x\"}\np{a}: \".\" | p{q{a, a}}\nq{a, b}: a b", "instances of templates"),
    ];
    let pieces = format!("start: %regex {{\"substring_chars\": \"{}\"}}", "a".repeat(10_001));
    let table = table.into_iter().chain([(pieces.as_str(), "has more than 10000 pieces")]);
    for (text, fault) in table {
        let error = lark::compile(text).expect_err(text).to_string();
        assert!(error.contains(fault), "{text}\n{error}");
    }
}

/// Keywords without effect in a schema are told, with the schema's place.
#[test]
fn warnings_of_schemas_are_told() {
    let options = Options::default().module("words", "word: %json {\"maxlength\": 3}");
    let text = "start: %json {\"type\": \"string\"} again | word\n%import words.word\n\
                again: %json {\"items\": {\"typo\": 1}} | %json {\"items\": {\"typo\": 1}}";
    let (_, warnings) = lark::compile_with_warnings(text, &options).unwrap();
    let mut told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    told.sort_unstable();
    let unknown = "is not a JSON Schema keyword and has no effect";
    let expected = [
        format!("#/items: `typo` {unknown}, in the `%json` on line 3"),
        format!("#: `maxlength` {unknown}, in a `%json` that line 2 imports"),
    ];
    assert_eq!(told, expected);
    let grammar = r#""type": "grammar", "notation": "lark", "lexer": "dynamic", "grammar": "start: %json {\"items\": {\"typo\": 1}}""#;
    let tag = format!("{{\"type\": \"tag\", \"begin\": \"<\", \"end\": \">\", \"content\": {{{grammar}}}}}");
    for (format, at) in [
        (format!("{{{grammar}}}"), "#/format/grammar"),
        (format!("{{\"type\": \"star\", \"content\": {tag}}}"), "#/format/content/content/grammar"),
    ] {
        let tag = tags::parse(&format!("{{\"format\": {format}}}")).unwrap();
        let (_, warnings) = tags::compile_with_warnings(&tag, &TagOptions::default()).unwrap();
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(told, [format!("{at}: `typo` {unknown}, in the `%json` on line 1, at #/items")]);
    }
}

/// Extensions are alternatives beside each other, however many they are.
#[test]
fn many_extensions_do_not_nest() {
    let mut text = "start: \"a\" | A\nA: \"b\"\n%ignore \" \"\n".to_owned();
    (0..1_000).for_each(|i| text.push_str(&format!("%extend A:\"d{}\"\n", i % 100)));
    text.push_str(&"%extend start:\"c\"\n".repeat(50_000));
    for lexer in [Lexer::Contextual, Lexer::Dynamic] {
        let constraint = constraint(&text, &Options::default().lexer(lexer));
        for output in ["a", "b", "c", "d7", "d99"] {
            assert!(reads(&constraint, output), "{output} {lexer:?}");
        }
        assert!(!reads(&constraint, "e"));
    }
    // An override leaves out the extensions before it.
    let text = "start: \"a\"\n%extend start: \"b\"\n%override start: \"c\"\n%extend start: \"d\"";
    let constraint = constraint(text, &Options::default());
    for (output, is_read) in [("a", false), ("b", false), ("c", true), ("d", true)] {
        assert_eq!(reads(&constraint, output), is_read, "{output}");
    }
}

/// A Lark grammar is a part of a structural tag if its lexer is the dynamic one.
#[test]
fn grammars_are_parts_of_tags() {
    let tag = |lexer: &str| {
        let grammar =
            serde_json::Value::from("start: NAME \"(\" %json {\"type\": \"integer\"} \")\"\nNAME: /[a-z]+/");
        format!(
            r#"{{"format": {{"type": "sequence", "elements": [
                {{"type": "tag", "begin": "<", "end": ">", "content": {{"type": "grammar", "notation": "lark"{lexer}, "grammar": {grammar}}}}},
                {{"type": "grammar", "notation": "lark"{lexer}, "grammar": "start: \"a\" start?"}}]}}}}"#
        )
    };
    let made = Constraint::structural_tag(&tag(r#", "lexer": "dynamic""#), &vocabulary()).unwrap();
    assert!(reads(&made, "<f(12)>aa") && !reads(&made, "<f(x)>a") && !reads(&made, "<f(12)>"));
    let error = Constraint::structural_tag(&tag(""), &vocabulary()).unwrap_err().to_string();
    assert!(error.contains("let the part have the dynamic lexer"), "{error}");
    let error =
        Constraint::structural_tag(&tag(r#", "lexer": "basic""#), &vocabulary()).unwrap_err().to_string();
    assert!(error.ends_with("there is no lexer \"basic\"; lexers are contextual, dynamic"), "{error}");
    for (fields, read) in [("", "{\"b\":1}"), (", \"compat\": \"xgrammar\"", "{\"a\":1}")] {
        let open = "start: %json {\\\"type\\\": \\\"object\\\", \\\"properties\\\": {\\\"a\\\": {}}}";
        let tag = format!(
            r#"{{"format": {{"type": "grammar", "notation": "lark", "grammar": "{open}"}}{fields}}}"#
        );
        let made = Constraint::structural_tag(&tag, &vocabulary()).unwrap();
        assert!(reads(&made, read) && reads(&made, "{\"b\":1}") == fields.is_empty(), "{tag}");
    }
    let other = r#"{"format": {"type": "grammar", "notation": "gbnf", "lexer": "dynamic", "grammar": "root ::= [a]"}}"#;
    let error = Constraint::structural_tag(other, &vocabulary()).unwrap_err().to_string();
    assert!(error.contains("only grammars in Lark's notation have a lexer"), "{error}");
}

/// The dynamic lexer reads all texts that the contextual one reads.
#[test]
fn the_dynamic_lexer_reads_more() {
    let dynamic = Options::default().lexer(Lexer::Dynamic);
    let table = [
        (
            "start: \"let\" NAME | NAME \"!\"\nNAME: /[a-z]+/\n%ignore \" \"",
            &["let x", "letx", "letx !"][..],
            [true, false, true],
        ),
        ("start: A B | A \"c\"\nA: /a+/\nB: \"ab\"", &["aab", "aaab", "aac"], [false, false, true]),
        ("start: /a+?/ \"b\" /[^c]+/", &["aabx", "abx", "ababb"], [false, true, true]),
    ];
    for (text, outputs, by_lexer) in table {
        let (lexer, all) = (constraint(text, &Options::default()), constraint(text, &dynamic));
        for (output, read) in outputs.iter().zip(by_lexer) {
            assert_eq!(reads(&lexer, output), read, "{output:?} of {text}");
            assert!(reads(&all, output), "{output:?} of {text}");
        }
    }
}
