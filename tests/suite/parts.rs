//! Several documents in one grammar, each with keys, rules and options of its own.

use crate::support::bytes::{byte_tokens, check_texts, single_bytes};
use hedgerow::engine::Constraint;
use hedgerow::grammar::{GrammarBuilder, NodeId};
use hedgerow::schema::{SchemaOptions, Whitespace, compile_into};
use hedgerow::syntax::Notation;
use hedgerow::syntax::regex::{self, Dialect};
use hedgerow::vocab::{TokenId, Vocabulary};

/// A part of the table: its notation and text.
enum Part {
    Schema(&'static str),
    Compact(&'static str),
    Text(Notation, &'static str),
    Regex(&'static str),
}

use Part::{Compact, Regex, Schema, Text};

fn compile(builder: &mut GrammarBuilder, at: usize, part: &Part) -> NodeId {
    match part {
        Schema(text) => compile_into(builder, text, &SchemaOptions::default()).unwrap(),
        Compact(text) => {
            let options = SchemaOptions::default().whitespace(Whitespace::Compact);
            compile_into(builder, text, &options).unwrap()
        }
        Text(notation, text) => notation.compile_into(builder, &format!("part{at}."), text).unwrap(),
        Regex(pattern) => regex::compile_into(builder, pattern, Dialect::Rust).unwrap(),
    }
}

/// The parts one after the other, with a `;` between them.
fn constraint(parts: &[Part]) -> Constraint {
    let mut builder = GrammarBuilder::new();
    let semicolon = builder.nodes.literal(b";");
    let mut nodes = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            nodes.push(semicolon);
        }
        nodes.push(compile(&mut builder, at, part));
    }
    let root = builder.nodes.sequence(&nodes);
    let grammar = builder.build(root, None).unwrap();
    let tokens = byte_tokens(["};{", "\"];[", "\",\"", "1;2", "{\"a", "\":", "a;b"]);
    Constraint::new(&grammar, &Vocabulary::from_byte_list(tokens).unwrap()).unwrap()
}

/// True if `text` is read to its end. On the way, each mask must hold exactly the tokens that
/// `advance` takes.
fn reads(constraint: &Constraint, text: &str) -> bool {
    let mut matcher = constraint.matcher();
    for &byte in text.as_bytes() {
        let mask = matcher.mask().unwrap();
        for token in (0..constraint.vocabulary().size() as u32).map(TokenId) {
            assert_eq!(mask.contains(token), matcher.fork().advance(token).unwrap(), "{token:?} in {text}");
        }
        if !matcher.advance_bytes(&[byte]).unwrap() {
            return false;
        }
    }
    matcher.is_accepting()
}

#[test]
fn parts_keep_to_themselves() {
    // The same `$ref` and the same rule names mean something else in each part.
    let number = r##"{"$ref": "#/$defs/x", "$defs": {"x": {"type": "object", "properties": {"a":
        {"$ref": "#/$defs/y"}}, "additionalProperties": false}, "y": {"type": "integer"}}}"##;
    let text = r##"{"$ref": "#/$defs/x", "$defs": {"x": {"type": "object", "properties": {"a":
        {"$ref": "#/$defs/y"}}, "additionalProperties": false}, "y": {"type": "boolean"}}}"##;
    let distinct = r#"{"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": true}"#;
    let others = r#"{"type": "array", "items": {"enum": ["b", "c"]}, "uniqueItems": true}"#;
    let round = r#"root ::= "(" root ")" | x
x ::= "1""#;
    let square = r#"root ::= "[" root "]" | x
x ::= "2""#;
    let left = "root = root, '+', x | x; x = '3';";
    let table: &[(&[Part], &[&str], &[&str])] = &[
        (
            &[Schema(number), Schema(text)],
            &[r#"{"a": 1};{"a": true}"#, "{};{}"],
            &[r#"{"a": true};{"a": true}"#, r#"{"a": 1};{"a": 1}"#, r#"{"a": 1}"#],
        ),
        (
            &[Schema(distinct), Compact(others), Schema(distinct)],
            &[r#"["a", "b"];["c","b"];["b"]"#, "[];[];[]"],
            &[r#"["a", "a"];[];[]"#, r#"[];["a"];[]"#, r#"[];["b", "c"];[]"#, r#"[];[];["c"]"#],
        ),
        (
            &[Text(Notation::Gbnf, round), Text(Notation::Gbnf, square), Text(Notation::Ebnf, left)],
            &["((1));[[2]];3+3+3", "1;2;3"],
            &["((2));2;3", "1;[1];3", "1;2;3+"],
        ),
        (
            &[Regex("[a-z]+"), Schema(number), Text(Notation::Gbnf, round)],
            &[r#"ab;{"a":2};(1)"#],
            &[";{};1", "A;{};1", r#"a;{"b":1};1"#],
        ),
    ];
    for (parts, read, refused) in table {
        let constraint = constraint(parts);
        check_texts("the grammar", read, refused, |text| reads(&constraint, text));
    }
}

#[test]
fn a_part_that_fails_leaves_the_builder_usable() {
    let mut builder = GrammarBuilder::new();
    let options = SchemaOptions::default();
    let first = compile_into(&mut builder, r#"{"type": "array", "items": {"const": 1}}"#, &options).unwrap();
    for bad in ["{", r#"{"type": "x"}"#, r#"{"type": "string", "minLength": 3, "maxLength": 2}"#] {
        assert!(compile_into(&mut builder, bad, &options).is_err(), "{bad}");
    }
    let endless = Notation::Gbnf.compile_into(&mut builder, "a.", "root ::= \"a\" root").unwrap_err();
    assert!(endless.to_string().contains("root"), "{endless}");
    assert!(Notation::Lark.compile_into(&mut builder, "b.", "start: \"a\"").is_err());
    let second = compile_into(&mut builder, r#"{"type": "array", "items": {"const": 2}}"#, &options).unwrap();
    let root = builder.nodes.seq(first, second);
    let grammar = builder.build(root, None).unwrap();
    let vocabulary = Vocabulary::from_byte_list(single_bytes()).unwrap();
    let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
    assert!(reads(&constraint, "[1][2, 2]"));
    assert!(!reads(&constraint, "[2][1]"));
}
