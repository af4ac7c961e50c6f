//! Masks compared with stepping: a vocabulary with tokens for every shortcut that masks take,
//! objects of JSON strings, and the comparison token by token.

use super::bytes::single_bytes;
use hedgerow::automata::{Escapes, LangId, UNLABELLED};
use hedgerow::engine::Constraint;
use hedgerow::grammar::{
    Choice, GrammarBuilder, KeyOrder, NodeId, NodePool, ObjectSpec, Property, Punctuation, RestKeys,
};
use hedgerow::vocab::{TokenId, Vocabulary};
use std::collections::BTreeSet;

/// Texts whose pieces become tokens.
const TEXTS: [&str; 7] = [
    "{\"name\": \"Ann\\u00e9 \\\"x\\\"\", \"names\": [1, 22.5, -3e7, true, null], \"n\": {}}",
    "{\n  \"name\" : \"a\\nb\",\n\t\"other\":\"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\" , \"na\":\"\"}",
    "{\"name\":\"foo bar foobar fo\",\"nam\":\"été 日本語 😀\",\"x\":\"/usr/bin\"}",
    "    \n\n        \"\\ud83d\\ude00\" :        \"  lead\",\"k\":\"v\",\"k2\":\"v\"}}}]],",
    "\"abcdefghijklmnopqrstuvwxyz0123456789-_ABC\",\"a\":\"b\",\"c\":",
    "{\"a\\/b\": \"q\\\"x\", \"t\\tb\" : \"f\\u006fo\",\"\\u00e9\":1}",
    "[\"one\",\"two\",\"three\"],[[],{}],{\"a\":{\"b\":{\"c\":1}}}",
];

/// Single bytes, pieces of texts, and runs of whitespace.
pub fn vocabulary() -> Vocabulary {
    let mut tokens = BTreeSet::from_iter(single_bytes());
    for text in TEXTS {
        let bytes = text.as_bytes();
        for start in 0..bytes.len() {
            for len in [2, 3, 4, 5, 7, 9, 13, 20, 33, 41, 47] {
                if let Some(piece) = bytes.get(start..start + len) {
                    tokens.insert(piece.to_vec());
                }
            }
        }
    }
    for n in 2..80 {
        tokens.insert(vec![b' '; n]);
        tokens.insert([vec![b' '; n], b"\"na".to_vec()].concat());
    }
    let mut tokens: Vec<Vec<u8>> = tokens.into_iter().collect();
    tokens.push(b"\"name".to_vec());
    Vocabulary::from_byte_list(tokens).unwrap()
}

/// An object with this punctuation, in which no key comes twice.
pub fn plain_object(
    [open, close, comma, colon]: [LangId; 4],
    declared: Vec<Property>,
    rest: Vec<RestKeys>,
    order: KeyOrder,
) -> ObjectSpec {
    let plain = ObjectSpec::new(Punctuation::text([open, close, comma]), colon);
    ObjectSpec { rest_escapes: Escapes::Any, declared, rest, order, unique_rest: true, ..plain }
}

/// Builds nodes for JSON with whitespace before each terminal.
pub struct Json<'a> {
    pub pool: &'a mut NodePool,
    space: LangId,
}

impl<'a> Json<'a> {
    pub fn new(pool: &'a mut NodePool) -> Self {
        let mut set = hedgerow::automata::ByteSet::EMPTY;
        b" \t\n\r".iter().for_each(|&b| set.insert(b));
        let one = pool.languages.byte(&set);
        let space = pool.languages.repeat(one, 0, 64);
        Json { pool, space }
    }

    pub fn spaced(&mut self, language: LangId) -> LangId {
        self.pool.languages.concat(self.space, language)
    }

    pub fn punctuation(&mut self, text: &str) -> LangId {
        let language = self.pool.languages.bytes(text.as_bytes());
        self.spaced(language)
    }

    pub fn string(&mut self, inner: LangId) -> NodeId {
        let language = self.pool.languages.json_string(inner, Escapes::Any);
        let language = self.spaced(language);
        self.pool.terminal(language)
    }

    pub fn object(&mut self, declared: &[(&str, NodeId)], rest: NodeId, order: KeyOrder) -> NodeId {
        let l = &mut self.pool.languages;
        let keys = l.literals(declared.iter().map(|d| (d.0.as_bytes().to_vec(), UNLABELLED)));
        let other = l.not(keys);
        let text = l.any_text();
        let keys = l.inter(&[text, other]);
        let property = |(i, d): (usize, &(&str, NodeId))| Property {
            key: d.0.to_owned(),
            required: i == 0,
            requires: Box::new([]),
            values: Box::new([Choice::plain(d.1)]),
        };
        let declared = declared.iter().enumerate().map(property).collect();
        let rest = vec![RestKeys { keys, capacity: None, values: Box::new([Choice::plain(rest)]) }];
        let punctuation = ["{", "}", ",", ":"].map(|text| self.punctuation(text));
        let spec = ObjectSpec { before_key: self.space, ..plain_object(punctuation, declared, rest, order) };
        self.pool.object(spec)
    }
}

/// Compares the mask before each byte of `text` with stepping, for every token.
pub fn check(constraint: &Constraint, text: &str) {
    let mut m = constraint.matcher();
    let size = constraint.vocabulary().size();
    for (i, &b) in text.as_bytes().iter().enumerate() {
        let mask = m.mask().unwrap();
        let mut words = vec![0u32; size.div_ceil(32)];
        m.fill_mask(&mut words).unwrap();
        assert_eq!(words, mask.words());
        for t in (0..size as u32).map(TokenId) {
            let allowed = m.fork().advance(t).unwrap();
            let bytes = String::from_utf8_lossy(constraint.vocabulary().bytes(t)).into_owned();
            assert_eq!(
                mask.contains(t),
                allowed,
                "token {bytes:?} after {}",
                text.as_bytes()[..i].escape_ascii()
            );
        }
        assert!(m.advance_bytes(&[b]).unwrap(), "{text} refused at {i}");
    }
    assert!(m.is_accepting(), "{text} is not complete");
}

/// Checks objects whose values belong to this language; `sample` is one such value.
pub fn check_values(
    vocabulary: &Vocabulary,
    name: &str,
    inner: impl Fn(&mut NodePool) -> LangId,
    sample: &str,
) {
    let mut b = GrammarBuilder::new();
    let language = inner(&mut b.nodes);
    let mut json = Json::new(&mut b.nodes);
    let value = json.string(language);
    let text = json.pool.languages.any_text();
    let any = json.string(text);
    let inner_object = json.object(&[("k", any)], value, KeyOrder::Any);
    let root = json.object(&[("name", value), ("names", any), ("n", inner_object)], any, KeyOrder::Declared);
    let grammar = b.build(root, None).unwrap();
    let constraint = Constraint::new(&grammar, vocabulary).unwrap();
    let text = format!(
        "{{ \"name\":\"{sample}\",\n  \"n\":{{\"nam\" : \"{sample}\",\"k\":\"\"}} , \"na\":\"x\",\"\\u006e\\u0061me2\":\"\"}}"
    );
    println!("{name}: {text}");
    check(&constraint, &text);
}
