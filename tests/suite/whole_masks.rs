//! Whole masks beside `advance` over a real vocabulary, on random schemas, patterns and grammars
//! (`tests/support/whole_masks/`).
//!
//! `HEDGEROW_CASES` sets the number of cases of each kind (by default a few dozen), `HEDGEROW_SEED`
//! chooses them, and `HEDGEROW_VOCAB=tokenizer.json` sets the vocabulary. A long run sets them for
//! a command in a release build:
//!
//! | ```sh
//! | export HEDGEROW_CASES=4000 HEDGEROW_VOCAB=…
//! | cargo test --release --test suite whole_masks -- --nocapture
//! | ```

use crate::support::files::number;
use crate::support::reference::generate::Source;
use crate::support::walk::Random;
use crate::support::whole_masks;
use crate::support::whole_masks::texts::Style;
use crate::support::whole_masks::{Compared, Tokens, schemas, texts};
use hedgerow::engine::Constraint;
use hedgerow::grammar::Grammar;
use hedgerow::schema;
use hedgerow::syntax::Notation;
use hedgerow::syntax::regex::{self, Dialect};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The number of masks compared in each case.
const STEPS: usize = 5;

/// A maker of cases: it returns the text of the grammar, and the grammar or the reason why there is
/// none.
type Make = fn(&mut Source<'_>) -> (String, Result<Grammar, String>);

fn run(kind: &str, hints: &[&str], usual: usize, make: Make) {
    let tokens = Tokens::shared();
    let (seed, cases) = (number("HEDGEROW_SEED", 1) as u64, number("HEDGEROW_CASES", usual) as u64);
    let mut compared = Compared::default();
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    let mut failures = Vec::new();
    for case in number("HEDGEROW_FROM", 0) as u64..cases {
        let random = &mut Random(seed << 40 | case);
        let bytes: Vec<u8> = (0..2048).map(|_| random.below(256) as u8).collect();
        let source = &mut Source::new(&bytes);
        let (text, grammar) = make(source);
        let start = Instant::now();
        let constraint = grammar
            .and_then(|grammar| Constraint::new(&grammar, &tokens.vocabulary).map_err(|e| e.to_string()));
        match constraint {
            Ok(constraint) => {
                match whole_masks::check(tokens, &constraint, source, hints, STEPS, Duration::MAX) {
                    Ok(figures) => compared.add(figures),
                    Err(problem) => {
                        println!("{kind} {case}: {problem}\n{text}");
                        failures.push(format!("{case}: {problem}\n{text}"));
                    }
                }
            }
            Err(error) => {
                *refused.entry(error.split(": ").last().unwrap_or_default().to_owned()).or_default() += 1
            }
        }
        if number("HEDGEROW_SLOW_MS", usize::MAX) < start.elapsed().as_millis() as usize {
            println!("{kind} {case} took {} ms\n{text}", start.elapsed().as_millis());
        }
    }
    println!("{kind}: {cases} cases, {compared:?}; refused: {refused:?}");
    assert!(failures.is_empty(), "{} of {cases} cases fail:\n{}", failures.len(), failures.join("\n"));
}

/// Compares the masks of a schema behind each prefix.
fn compare_behind(tokens: &Tokens, schema: &str, prefixes: &[impl AsRef<str>]) {
    let grammar = schema::compile(schema, &schema::SchemaOptions::default()).unwrap();
    let constraint = Constraint::new(&grammar, &tokens.vocabulary).unwrap();
    for prefix in prefixes.iter().map(AsRef::as_ref) {
        let mut matcher = constraint.matcher();
        assert!(matcher.advance_bytes(prefix.as_bytes()).unwrap(), "{schema} refuses {prefix}");
        let compared = whole_masks::compare(tokens, &mut matcher, prefix.as_bytes());
        compared.unwrap_or_else(|problem| panic!("{schema}: {problem}"));
    }
}

/// Lengths above the longest token beside complements. The engine may leave the length out, but an
/// allowed token must still lead to a text.
#[test]
fn masks_of_far_lengths_beside_complements() {
    let table: &[(&str, &[&str])] = &[
        (r#"{"type":"string","maxLength":200,"not":{"pattern":"b"}}"#, &["", "\"", "\"a"]),
        (r#"{"type":"string","maxLength":500,"not":{"pattern":"<script"}}"#, &["\"", "\"a <scrip"]),
        (r#"{"type":"string","maxLength":200,"pattern":"^(?!foo)"}"#, &["\"", "\"fo", "\"foa"]),
        (
            r#"{"type":"object","properties":{"id":{"type":"integer"}},"propertyNames":{"maxLength":200},
                "patternProperties":{"^_":false}}"#,
            &["{\"", "{\"i", "{\"a"],
        ),
        (r#"{"type":"string","maxLength":200,"not":{"const":"a"}}"#, &["\"", "\"a", "\"b"]),
        (r#"{"oneOf":[{"const":"auto"},{"type":"string","maxLength":200}]}"#, &["\"", "\"aut", "\"b"]),
        (r#"{"type":"object","properties":{"a":{}},"propertyNames":{"maxLength":200}}"#, &["{\"", "{\"b"]),
        (
            r#"{"allOf":[{"if":{"type":"string","pattern":"\\S","not":{"enum":["none","n/a"]}},
                "then":{"enum":["_x",1,null]},"else":{"type":"string","maxLength":500,"not":{"const":"name"}}}],
                "not":{"const":"b"}}"#,
            &["", "\"", "\"n"],
        ),
        (r#"{"type":"string","maxLength":129,"not":{"pattern":"\\S"}}"#, &["", "\"", "\" "]),
        (
            r#"{"type":"object","propertyNames":{"type":"string","maxLength":500},
                "patternProperties":{"\\d{3}":false}}"#,
            &["{\"|", "{\"12"],
        ),
    ];
    let tokens = Tokens::shared();
    for (schema, prefixes) in table {
        compare_behind(tokens, schema, prefixes);
    }
}

/// Objects of which a token may use up the last keys, or every key that begins as the token ends.
#[test]
fn masks_where_keys_run_out() {
    let all: String = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let object = |keys: &str| {
        let members: Vec<String> = keys.chars().map(|key| format!("\"{key}\":1")).collect();
        format!("{{{}", members.join(","))
    };
    let (full, but_one) = (object(&all), object(&all[..all.len() - 1]));
    let letters = |keys: &str| {
        format!(r#"{{"type":"object","propertyNames":{keys},"additionalProperties":{{"type":"integer"}}}}"#)
    };
    let (two, many) = (letters(r#"{"pattern":"^[ab]$"}"#), letters(r#"{"pattern":"^[0-9a-zA-Z]$"}"#));
    let signs =
        r#"{"type":"object","propertyNames":{"enum":["+1","-1"]},"additionalProperties":{"type":"string"}}"#;
    let table: &[(String, Vec<String>)] = &[
        (two.clone(), [r#"{"a":1"#, r#"{"a":"#, r#"{"b":1"#, r#"{"a":1,"b":1"#].map(String::from).to_vec()),
        (
            r#"{"type":"object","patternProperties":{"^[ab]$":{"type":"integer"}},"additionalProperties":false}"#
                .to_owned(),
            [r#"{"a":1"#, r#"{"b":1,"a"#].map(String::from).to_vec(),
        ),
        (letters(r#"{"maxLength":1}"#), vec![r#"{"a":1"#.to_owned()]),
        (signs.to_owned(), [r#"{"+1":"x"#, r#"{"+1":"x""#, r#"{"-"#].map(String::from).to_vec()),
        (
            many.clone(),
            vec![
                full.clone(),
                full[..full.len() - 1].to_owned(),
                full[..full.len() - 4].to_owned(),
                but_one.clone(),
                format!("{but_one},"),
            ],
        ),
        (
            format!(r#"{{"type":"array","items":{many}}}"#),
            vec![format!("[{full}"), format!("[{full}}},{{\"a\":1")],
        ),
    ];
    let tokens = Tokens::small();
    for (schema, prefixes) in table {
        compare_behind(tokens, schema, prefixes);
    }
}

/// Values that belong to several ranges, and keys that were counted before a condition was decided.
/// Values that are counted twice, or from 0 again, seem never to run out.
#[test]
fn masks_where_values_are_counted() {
    let ranges = |ranges: &[[u32; 2]]| {
        let parts: Vec<String> = ranges
            .iter()
            .map(|[low, high]| format!(r#"{{"type":"integer","minimum":{low},"maximum":{high}}}"#))
            .collect();
        format!(r#"{{"anyOf":[{}]}}"#, parts.join(","))
    };
    let types = |keyword: &str| {
        let all = ["integer", "string", "boolean", "null", "array"];
        all.map(|name| format!(r#"{{"{keyword}":{{"type":"{name}"}}}}"#)).join(",")
    };
    let table: &[(String, &[&str])] = &[
        (
            format!(r#"{{"type":"array","items":{},"uniqueItems":true}}"#, ranges(&[[1, 3], [2, 4]])),
            &["[1", "[1,2,3", "[1,2,3,4"],
        ),
        (
            format!(
                r#"{{"type":"array","prefixItems":[{},{s},{s},{s}],"minItems":4,"uniqueItems":true}}"#,
                ranges(&[[1, 9]]),
                s = ranges(&[[1, 2], [2, 3]])
            ),
            &["[", "[4,", "[4,1,", "[9,1,2"],
        ),
        (
            format!(
                r#"{{"type":"object","propertyNames":{{"enum":["g","h"]}},
                    "allOf":[{{"anyOf":[{{"maxProperties":5}},{{"maxProperties":6}}]}},{{"anyOf":[{}]}}]}}"#,
                types("additionalProperties")
            ),
            &[r#"{"g":"a"#, r#"{"g":"a","h":"b"#, r#"{"g":"a","h":"b""#, r#"{"h":1,"g":2"#],
        ),
        (
            format!(
                r#"{{"type":"object","propertyNames":{{"pattern":"^[gh]$"}},"allOf":[{{"anyOf":[{}]}},
                    {{"anyOf":[{{"maxProperties":5}},{{"maxProperties":6}}]}}]}}"#,
                types("additionalProperties")
            ),
            &[r#"{"g":"a"#, r#"{"g":"a","h":"b"#],
        ),
    ];
    for (schema, prefixes) in table {
        compare_behind(Tokens::small(), schema, prefixes);
    }
}

/// Texts that nest, read one after the other by one constraint. Their stacks are new, but results
/// for the tops of their stacks are known from the texts before. In the second grammar the end of a
/// list takes the whole stack. The third is ambiguous.
#[test]
fn masks_of_nested_lark_texts() {
    let lists = "start: \"(\" list \")\"\nlist: item \",\" list | item\nitem: NAME | start\nNAME: /[a-z]+/\n%ignore \" \"";
    let sums =
        "start: sum\nsum: sum \"+\" sum | \"(\" sum \")\" | NAME\nNAME: /[a-z]+/\n%ignore /#[^\\n]*\\n/";
    let long = format!("({}", "a,".repeat(50));
    let table: &[(&str, &[&str])] = &[
        (
            include_str!("../../benches/peers/grammars/code.lark"),
            &[
                "",
                "a",
                "f(",
                "f(a",
                "f(a, [b",
                "f(a, [b], c",
                "f((((a",
                "f((((a)",
                "f(a)\n",
                "if a {",
                "if a {\n  b",
                "if a { if b { c = [(d",
                "if a { if b { c\n} ",
                "x = [1, {\"a\": (b",
                "def f(a) { return (a",
                "a #",
                "a # b\n",
                "f(a #",
            ],
        ),
        (lists, &["", "(", "(a", "(a,b", "((a", "((a),b", "(a,(b,(c", &long[..9], &long]),
        (sums, &["", "a", "a+b", "(a", "((a+b", "((a+b)", "((a+b)+c", "(a+(b+(c+d", "a#", "(a#b\n"]),
    ];
    let tokens = Tokens::shared();
    for (text, prefixes) in table {
        let constraint = Constraint::new(&Notation::Lark.compile(text).unwrap(), &tokens.vocabulary).unwrap();
        for prefix in *prefixes {
            let mut matcher = constraint.matcher();
            let is_read = matcher.advance_bytes(prefix.as_bytes()).unwrap();
            // A comment up to the end of a line leads to no end within brackets.
            assert_eq!(is_read, *prefix != "f(a #", "{prefix:?}: {text}");
            if !is_read {
                continue;
            }
            let compared = whole_masks::compare(tokens, &mut matcher, prefix.as_bytes());
            compared.unwrap_or_else(|problem| panic!("{prefix}: {problem}"));
        }
    }
}

/// At most nine items, among which is an end of each edge of a graph: a vertex cover. Either the
/// masks are right, or a limit says that the search was given up.
#[test]
fn masks_where_counted_items_need_a_search() {
    let edges = [
        [2, 4],
        [13, 16],
        [0, 17],
        [4, 8],
        [1, 15],
        [10, 12],
        [8, 16],
        [9, 13],
        [6, 17],
        [3, 9],
        [1, 9],
        [9, 17],
        [0, 8],
        [7, 9],
        [8, 11],
        [0, 1],
        [8, 15],
        [4, 11],
        [3, 14],
        [1, 11],
        [5, 12],
        [12, 15],
        [0, 6],
        [0, 7],
        [0, 3],
        [13, 15],
        [6, 7],
        [1, 12],
        [12, 16],
        [3, 10],
        [6, 12],
        [0, 4],
    ];
    let contains: Vec<String> =
        edges.iter().map(|[a, b]| format!(r#"{{"contains":{{"enum":[{a},{b}]}}}}"#)).collect();
    let items: Vec<String> = (0..18).map(|item| item.to_string()).collect();
    let schema = format!(
        r#"{{"type":"array","maxItems":9,"items":{{"enum":[{}]}},"allOf":[{}]}}"#,
        items.join(","),
        contains.join(",")
    );
    let tokens = Tokens::small();
    let grammar = schema::compile(&schema, &schema::SchemaOptions::default()).unwrap();
    let constraint = Constraint::new(&grammar, &tokens.vocabulary).unwrap();
    for prefix in ["[1", "[10", "[10,"] {
        let mut matcher = constraint.matcher();
        match matcher.advance_bytes(prefix.as_bytes()) {
            Ok(is_read) => assert!(is_read, "{prefix}"),
            Err(error) => {
                assert!(error.to_string().contains("combinations of"), "{error}");
                continue;
            }
        }
        if let Err(problem) = whole_masks::compare(tokens, &mut matcher, prefix.as_bytes()) {
            assert!(problem.to_string().contains("combinations of"), "{problem}");
        }
    }
}

#[test]
fn masks_of_schemas() {
    run("schema", schemas::HINTS, 150, |source| {
        let options = schemas::options(source);
        let schema = schemas::document(source).to_string();
        let grammar = schema::compile(&schema, &options).map_err(|error| error.to_string());
        (format!("{schema}\n{options:?}"), grammar)
    });
}

/// Values and keys that run out while they are counted.
#[test]
fn masks_of_scarce_values() {
    run("scarce", schemas::HINTS, 150, |source| {
        let options = schemas::options(source);
        let schema = schemas::scarce(source).to_string();
        let grammar = schema::compile(&schema, &options).map_err(|error| error.to_string());
        (format!("{schema}\n{options:?}"), grammar)
    });
}

/// Formats beside lengths, each of which has states of its own for every count.
#[test]
fn masks_of_formats_beside_lengths() {
    run("format", &["(a|b", "(?<ab", "a@b", "x.y/", "2024-"], 40, |source| {
        let format = FORMATS[source.below(FORMATS.len())];
        let [min, max] = [[0, 40], [40, 40], [63, 64], [20, 200], [100, 250]][source.below(5)];
        let schema =
            format!(r#"{{"type":"string","format":"{format}","minLength":{min},"maxLength":{max}}}"#);
        let options = schema::SchemaOptions::default();
        let grammar = schema::compile(&schema, &options).map_err(|error| error.to_string());
        (schema, grammar)
    });
}

const FORMATS: [&str; 12] = [
    "regex",
    "email",
    "hostname",
    "uri",
    "uri-reference",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "duration",
    "iri",
    "idn-hostname",
    "date-time",
];

#[test]
fn masks_of_patterns() {
    run("pattern", texts::HINTS, 60, |source| {
        let pattern = texts::pattern(source);
        let grammar = regex::compile(&pattern, Dialect::Ecma262).map_err(|error| error.to_string());
        (pattern, grammar)
    });
}

fn text(source: &mut Source<'_>, style: Style, notation: Notation) -> (String, Result<Grammar, String>) {
    let text = texts::grammar(source, style);
    let grammar = notation.compile(&text).map_err(|error| error.to_string());
    (text, grammar)
}

#[test]
fn masks_of_gbnf() {
    run("GBNF", texts::HINTS, 60, |source| text(source, Style::Gbnf, Notation::Gbnf));
}

#[test]
fn masks_of_ebnf() {
    run("EBNF (W3C)", texts::HINTS, 60, |source| text(source, Style::W3c, Notation::Ebnf));
    run("EBNF (ISO)", texts::HINTS, 20, |source| text(source, Style::Iso, Notation::Ebnf));
}

#[test]
fn masks_of_lark() {
    run("Lark", texts::HINTS, 60, |source| text(source, Style::Lark, Notation::Lark));
}
