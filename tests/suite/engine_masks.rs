//! Masks compared with `advance`, token by token, over a vocabulary large enough for every short
//! cut to a mask: shared sets, differences to simpler states, and whitespace that is passed over.

use crate::support::bytes::{byte_tokens, single_bytes};
use crate::support::stepping::{Json, check, check_values, vocabulary};
use hedgerow::automata::regex::{Anchoring, Dialect, compile};
use hedgerow::automata::{Escapes, LangId, UNBOUNDED, UNLABELLED};
use hedgerow::engine::Constraint;
use hedgerow::grammar::{GrammarBuilder, KeyOrder, Node, NodeId, NodePool, ObjectSpec};
use hedgerow::syntax::Notation;
use hedgerow::vocab::Vocabulary;
use std::collections::BTreeSet;

#[test]
fn masks_agree_with_advance() {
    let vocabulary = vocabulary();
    type Inner = fn(&mut NodePool) -> LangId;
    let inners: &[(&str, Inner, &str)] = &[
        ("any text", |p| p.languages.any_text(), "foo\\n \\u00e9é"),
        (
            "at most 12 characters",
            |p| {
                let c = p.languages.char_class(&[(0, 0x10_ffff)]);
                p.languages.repeat(c, 2, 12)
            },
            "foo b\\u0061r é",
        ),
        (
            "a counted class",
            |p| {
                let c = p.languages.char_class(&[(0x2d, 0x39), (0x61, 0x7a)]);
                p.languages.repeat(c, 3, 40)
            },
            "abc/def-01",
        ),
        (
            "contains foo",
            |p| {
                let (text, foo) = (p.languages.any_text(), p.languages.bytes(b"foo"));
                p.languages.sequence(&[text, foo, text])
            },
            "xfofoo\\\"",
        ),
        (
            "contains foo, at most 9 characters",
            |p| {
                let (text, foo) = (p.languages.any_text(), p.languages.bytes(b"foo"));
                let has = p.languages.sequence(&[text, foo, text]);
                let c = p.languages.char_class(&[(0, 0x10_ffff)]);
                let short = p.languages.repeat(c, 0, 9);
                p.languages.inter(&[has, short])
            },
            "a foobar",
        ),
        (
            "not a word",
            |p| {
                let words = p.languages.literals([(b"foo".to_vec(), 1), (b"one".to_vec(), 2)]);
                let other = p.languages.not(words);
                let text = p.languages.any_text();
                p.languages.inter(&[text, other])
            },
            "fooo",
        ),
        (
            "not a word, however it is spelt",
            |p| {
                let words = ["a/b", "a/bc", "q\"x", "t\tb", "foo", "é", "ée", ""];
                let words = p.languages.literals(words.map(|word| (word.as_bytes().to_vec(), UNLABELLED)));
                let other = p.languages.not(words);
                let text = p.languages.any_text();
                p.languages.inter(&[text, other])
            },
            "a\\/bb",
        ),
    ];
    for (name, inner, sample) in inners {
        check_values(&vocabulary, name, inner, sample);
    }
}

/// Patterns of every kind for which masks have a short cut, alone and with a maximum length.
#[test]
fn masks_of_patterns_agree_with_advance() {
    let vocabulary = vocabulary();
    let table = [
        ("[a-z0-9]+", "foo1bar"),
        ("[a-zA-Z0-9_ /-]{1,35}(-[a-z]{1,40})*", "usr/bin-foo-bar"),
        ("[0-9A-Za-z]{8}-[0-9]{4}", "foobar12-0123"),
        (r"(\S+\s+){0,5}\S+", "foo bar foobar"),
        ("[^/]+/[^/]+", "usr/bin"),
        (".{35,}", "abcdefghijklmnopqrstuvwxyz0123456789-_ABC"),
        (".{2,5}", "été."),
        (".{0,33}foo", "bar foobar foo"),
        ("(?!foo|one).*", "two foo"),
        ("((?!foo).)*", "bar fo obar"),
        (r"\w+(\.\w+)*@[^@\s]+", "foo@bar.x"),
        ("[\u{e9}t\u{65e5}\u{672c}\u{8a9e}]{2,6}", "été日本"),
        ("/(([a-z.~]|%[0-9a-f]{2})+(/([a-z.~]|%[0-9a-f]{2})*)*)?", "/usr/b%6fn/"),
        ("(a|b|foo|foobar|[x-z]{3})*", "foobarzzzab"),
        ("https?://[a-z]+/.*", "http://usr/bin?x"),
        (r".*[a-z]{3,50}\d.*", "foo bar1 x"),
        (r"\S{1,60} ([a-z]{0,50} ){2,45}", "foo bar bin "),
        (r"[a-z_][^<>*#.%&:\\+?/]*", "foo_bar 1"),
        (r"\w+([.-]?\w+)*@\w+([.-]?\w+)*(\.\w{2,})+", "foo.bar@foo-1.bar"),
        (".*[0-9a-f]+.*", "foo 12"),
    ];
    for (pattern, sample) in table {
        for most in [None, Some(sample.chars().count() as u32 + 2), Some(70)] {
            let inner = |pool: &mut NodePool| {
                let l = &mut pool.languages;
                let all = compile(l, pattern, Dialect::Ecma262, Anchoring::Full).unwrap();
                let c = l.char_class(&[(0, 0x10_ffff)]);
                let short = l.repeat(c, 0, most.unwrap_or(UNBOUNDED));
                l.inter(&[all, short])
            };
            check_values(&vocabulary, &format!("{pattern}, at most {most:?}"), inner, sample);
        }
    }
}

/// Grammars of text: terminals that may end anywhere, small and large counts, and competing
/// lexemes.
#[test]
fn masks_of_texts_agree_with_advance() {
    let vocabulary = vocabulary();
    let json = r#"
        start: value
        value: object | array | STRING | NUMBER | "true" | "false" | "null"
        object: "{" [pair ("," pair)*] "}"
        pair: STRING ":" value
        array: "[" [value ("," value)*] "]"
        STRING: /"([^"\\\x00-\x1f]|\\(["\\\/bfnrt]|u[0-9a-fA-F]{4}))*"/
        NUMBER: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/
        %ignore /[ \t\n\r]+/
    "#;
    let code = r##"
        start: (statement ";")+
        statement: NAME "=" sum | "if" sum "{" start "}" | KEY NAME
        sum: term ("+" term | "-" term)*
        term: NAME | NUMBER | STRING | "(" sum ")" | NAME "(" [sum ("," sum)*] ")" | term "." NAME
        KEY.2: "foo" | "bar"
        NAME: /[^\W\d]\w{0,44}/
        NUMBER: /[0-9]+(\.[0-9]+)?/
        STRING: /'[^']*'/ | /"[^"\n]{0,40}"/
        COMMENT: /#[^\n]*/
        %ignore /\s+/
        %ignore COMMENT
    "##;
    let words = "start: (WORD | REST)+\nWORD: /[a-z]{1,8}/\nREST: /[^a-z]+/";
    let names = r#"root ::= name (", " name)* ";"?
        name ::= [a-z_] [a-z0-9_]{0,44}"#;
    let runs = r#"root ::= ([a-z]{0,40} "/" | [a-d]{0,60} "x")* "!""#;
    let overrun = r#"root ::= [a-z0-9]{0,33} item
        item ::= [0-9A-C_-]+ ("(" item ")")?"#;
    let table = [
        (Notation::Gbnf, overrun, "abcdefghijklmnopqrstuvwxyz0123456789-_ABC(1)"),
        (Notation::Gbnf, names, "foo, bar_1, z;"),
        (Notation::Gbnf, runs, "usr/bax/!"),
        (
            Notation::Gbnf,
            r#"root ::= [a-z]{30,40} [a-z0-9]{0,40} "-""#,
            "abcdefghijklmnopqrstuvwxyzaaaa01234-",
        ),
        (Notation::Gbnf, include_str!("../../grammars/csv.gbnf"), "foo,\"b\"\"a\"\n/usr,\n"),
        (Notation::Gbnf, include_str!("../../grammars/email.gbnf"), "foo.bar@foo-1.bar"),
        (
            Notation::Gbnf,
            include_str!("../../grammars/json.gbnf"),
            "{ \"na\": [1, -2.5e7, \"\u{e9}\\u00e9\"] }",
        ),
        (
            Notation::Gbnf,
            include_str!("../../grammars/select.gbnf"),
            "SELECT foo FROM bar WHERE x = 'a' OR n < 1;",
        ),
        (Notation::Lark, json, " { \"na\\n\" : [1,true ,-2.5e3] }\n"),
        (Notation::Lark, code, "foo bar; # foo\nbaz = (x+12.5)-f('a', \"b\").y;"),
        (Notation::Lark, words, "foobarfoobar 1;foo/bar"),
        (
            Notation::Lark,
            include_str!("../../grammars/calculator.lark"),
            "x = 2 * (y_1 + 1.5); print x; # foo\n",
        ),
    ];
    for (notation, grammar, sample) in table {
        let grammar = notation.compile(grammar).unwrap();
        println!("{grammar}");
        check(&Constraint::new(&grammar, &vocabulary).unwrap(), sample);
    }
}

/// Tokens that complete one of many keys and begin its value are allowed only if that key's value
/// may begin so.
#[test]
fn completed_keys_are_told_apart() {
    let mut tokens = single_bytes();
    for i in 0..100 {
        tokens.extend(
            [format!("\"{i:02}\":{}", i % 10), format!("\"{i:02}\":{}", i / 10)].map(String::into_bytes),
        );
    }
    let vocabulary = Vocabulary::from_byte_list(tokens).unwrap();
    let mut b = GrammarBuilder::new();
    let values: Vec<NodeId> = (0..10).map(|i: u32| b.nodes.literal(i.to_string().as_bytes())).collect();
    let keys: Vec<String> = (0..100).map(|i| format!("{i:02}")).collect();
    let declared: Vec<(&str, NodeId)> =
        keys.iter().enumerate().map(|(i, key)| (key.as_str(), values[i % 10])).collect();
    let mut json = Json::new(&mut b.nodes);
    let root = json.object(&declared, NodeId::NEVER, KeyOrder::Any);
    let Node::Object(spec) = b.nodes.node(root).clone() else { panic!("not an object") };
    let root =
        b.nodes.object(ObjectSpec { key_escapes: Escapes::Any, rest: vec![], ..ObjectSpec::clone(&spec) });
    let grammar = b.build(root, None).unwrap();
    check(&Constraint::new(&grammar, &vocabulary).unwrap(), "{\"00\":0,\"37\":7,\"\\u0034\\u0032\":2}");
}

/// Tokens that reach the grammar's first object, before which the last byte of a token is taken
/// without a step.
#[test]
fn tokens_that_reach_the_first_object_agree_with_advance() {
    let tokens = byte_tokens(["a;b", "b;{", "a;{\"", "a;{\"k", "a;{}", "a; b", "a; {", ";b", ";{"]);
    let vocabulary = Vocabulary::from_byte_list(tokens).unwrap();
    let mut b = GrammarBuilder::new();
    let letters = compile(&mut b.nodes.languages, "[ab]+", Dialect::Rust, Anchoring::Full).unwrap();
    let (letters, semicolon) = (b.nodes.terminal(letters), b.nodes.literal(b";"));
    let mut json = Json::new(&mut b.nodes);
    let text = json.pool.languages.any_text();
    let value = json.string(text);
    let object = json.object(&[("k", value)], value, KeyOrder::Any);
    let root = b.nodes.sequence(&[letters, semicolon, object]);
    let grammar = b.build(root, None).unwrap();
    check(&Constraint::new(&grammar, &vocabulary).unwrap(), "ab; {\"k\":\"v\"}");
}

/// Items and keys that must differ, with tokens that complete one, begin the next, or hold several.
#[test]
fn masks_of_distinct_items_and_keys_agree_with_advance() {
    let table = [
        (r#"{"uniqueItems":true,"items":{"type":"string"}}"#, r#"["a","b" , "ab"]"#),
        (r#"{"uniqueItems":true,"items":{"type":"string","pattern":"^[ab]$"},"maxItems":9}"#, r#"["a","b"]"#),
        (
            r#"{"uniqueItems":true,"items":{"type":"string","pattern":"^[ab]+$"},"minItems":2}"#,
            r#"["a","ab"]"#,
        ),
        (r#"{"uniqueItems":true,"items":{"enum":[1,"a",true]}}"#, r#"[1,"a",true]"#),
        (r#"{"uniqueItems":true,"items":{"type":"boolean"},"minItems":2}"#, "[true,false]"),
        (r#"{"uniqueItems":true,"items":{"type":"integer","minimum":1,"maximum":3}}"#, "[1,2,3]"),
        (r#"{"uniqueItems":true,"items":{"type":"number"}}"#, "[1e1,1,2.0,1.5]"),
        (r#"{"uniqueItems":true}"#, r#"[1,"a",[1],{"a":1},[ ],true,{"b":[1,1]}]"#),
        (
            r#"{"uniqueItems":true,"items":{"uniqueItems":true,"type":"array","items":{"type":"string"}}}"#,
            r#"[["a"],["b","a"],[ ],["a","b"]]"#,
        ),
        (
            r#"{"uniqueItems":true,"items":{"type":"array","items":{"type":"boolean"},"maxItems":1}}"#,
            "[[true],[ ],[false]]",
        ),
        (
            r#"{"uniqueItems":true,"items":{"properties":{"a":{"type":"boolean"}},"required":["a"],
                "additionalProperties":false,"type":"object"}}"#,
            r#"[{"a":true},{ "a" : false}]"#,
        ),
        (
            r#"{"uniqueItems":true,"items":{"type":"object","additionalProperties":{"type":"integer"}}}"#,
            r#"[{"a":1},{"a":1,"b":1},{"b" : 1}, {"a":2}]"#,
        ),
        (
            r#"{"uniqueItems":true,"prefixItems":[{"type":"boolean"},{"type":"boolean"},{"type":"boolean"}]}"#,
            "[true,false]",
        ),
        (
            r#"{"type":"object","additionalProperties":{"uniqueItems":true,"items":{"enum":["a","b",1]}}}"#,
            r#"{"a":["a","b"],"b":[1],"ab":["a",1]}"#,
        ),
        (
            r#"{"uniqueItems":true,"items":{"type":"integer"},"contains":{"minimum":2},"maxContains":1}"#,
            "[1,2,0]",
        ),
        (r#"{"type":"object","additionalProperties":{"type":"integer"}}"#, r#"{"a":1,"b":1}"#),
    ];
    let repeated = [
        r#"["a","a"]"#,
        r#"["b" , "a" , "b"]"#,
        "[1,1,2,2]",
        "[true,true,false,false]",
        "[1.0,1,10]",
        "[[1],[1],[ ],[],[true],[true]]",
        r#"["a"],["a"],["b","b"]"#,
        r#"{"a":1},{"a":1},{"a":true},{"a":true}"#,
        r#"{"a":1,"b":1},{"b":1,"a":1},"a":["a","a"]"#,
        r#"{"a":1,"a":1}"#,
    ];
    let mut tokens = BTreeSet::from_iter(single_bytes());
    for text in table.iter().map(|row| row.1).chain(repeated) {
        let bytes = text.as_bytes();
        for start in 0..bytes.len() {
            let pieces = (2..=16).filter_map(|len| bytes.get(start..start + len));
            tokens.extend(pieces.map(<[u8]>::to_vec));
        }
    }
    let vocabulary = Vocabulary::from_byte_list(tokens.into_iter().collect()).unwrap();
    let options = hedgerow::schema::SchemaOptions::default();
    for (schema, sample) in table {
        println!("{schema}");
        let schema =
            schema.replacen('{', r#"{"type":"array","#, usize::from(!schema.contains("additionalP")));
        let grammar = hedgerow::schema::compile(&schema, &options).unwrap();
        check(&Constraint::new(&grammar, &vocabulary).unwrap(), sample);
    }
}
