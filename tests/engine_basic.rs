//! The engine's surface on small grammars.

use hedgerow::automata::{ByteSet, Escapes, LangId, UNBOUNDED, UNLABELLED};
use hedgerow::engine::Constraint;
use hedgerow::grammar::{
    ArraySpec, Choice, Counter, Grammar, GrammarBuilder, KeyOrder, NodeId, NodePool, ObjectSpec, Property,
    RestKeys,
};
use hedgerow::vocab::{TokenId, Vocabulary};

fn bytes_vocabulary(extra: &[&str]) -> Vocabulary {
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).collect();
    tokens.extend(extra.iter().map(|t| t.as_bytes().to_vec()));
    Vocabulary::from_byte_list(tokens).unwrap()
}

fn object(p: &mut NodePool, declared: Vec<Property>, rest: Vec<RestKeys>, order: KeyOrder) -> ObjectSpec {
    let lang = |p: &mut NodePool, s: &str| p.languages.bytes(s.as_bytes());
    ObjectSpec {
        open: lang(p, "{"),
        close: lang(p, "}"),
        comma: lang(p, ","),
        colon: lang(p, ":"),
        before_key: LangId::EMPTY,
        key_escapes: Escapes::Minimal,
        rest_escapes: Escapes::Any,
        declared,
        rest,
        order,
        unique_rest: true,
        min: 0,
        max: UNBOUNDED,
        counters: vec![],
    }
}

fn constraint(grammar: &Grammar, tokens: &[&str]) -> Constraint {
    Constraint::new(grammar, &bytes_vocabulary(tokens)).unwrap()
}

/// For every prefix of `word`, the mask must allow exactly the tokens `advance` accepts.
fn check(constraint: &Constraint, word: &str, accepted: bool) {
    let mut m = constraint.matcher();
    let size = constraint.vocabulary().size();
    for (i, &b) in word.as_bytes().iter().enumerate() {
        let mask = m.mask().unwrap();
        for t in (0..size as u32).map(TokenId) {
            let mut f = m.fork();
            assert_eq!(
                f.advance(t).unwrap(),
                mask.contains(t),
                "token {:?} after {:?}",
                String::from_utf8_lossy(constraint.vocabulary().bytes(t)),
                &word[..i]
            );
        }
        if !m.advance_bytes(&[b]).unwrap() {
            assert!(!accepted, "{word} refused at {i}");
            return;
        }
    }
    assert_eq!(m.is_accepting(), accepted, "{word}");
}

#[test]
fn nested_lists() {
    let mut b = GrammarBuilder::new();
    let list = b.declare("list");
    let (open, comma, close) = (b.nodes.literal(b"["), b.nodes.literal(b","), b.nodes.literal(b"]"));
    let item = b.rule_node(list);
    let more = b.nodes.seq(comma, item);
    let more = b.nodes.repeat(more, 0, UNBOUNDED);
    let items = b.nodes.seq(item, more);
    let items = b.nodes.repeat(items, 0, 1);
    let body = b.nodes.sequence(&[open, items, close]);
    b.define(list, body).unwrap();
    let grammar = b.build(item, None).unwrap();
    let c = constraint(&grammar, &["[[", "]]", "],[", "[]", "]]]]"]);
    check(&c, "[[],[[],[]]]", true);
    check(&c, "[[],[[],[]]", false);
    check(&c, "[,]", false);
}

#[test]
fn left_recursion() {
    // e = e "+" t | t ; t = t "*" "x" | "x" | "(" e ")"
    let mut b = GrammarBuilder::new();
    let (e, t) = (b.declare("e"), b.declare("t"));
    let (en, tn) = (b.rule_node(e), b.rule_node(t));
    let [plus, times, x, open, close] = ["+", "*", "x", "(", ")"].map(|s| b.nodes.literal(s.as_bytes()));
    let sum = b.nodes.sequence(&[en, plus, tn]);
    let e_body = b.nodes.alt(&[sum, tn]);
    b.define(e, e_body).unwrap();
    let product = b.nodes.sequence(&[tn, times, x]);
    let paren = b.nodes.sequence(&[open, en, close]);
    let t_body = b.nodes.alt(&[product, x, paren]);
    b.define(t, t_body).unwrap();
    let grammar = b.build(en, None).unwrap();
    let c = constraint(&grammar, &["x+", "+x", "*x", "((", "))", ")+("]);
    check(&c, "x+x*x+(x+x)*x", true);
    check(&c, "x+", false);
    check(&c, "x++x", false);
}

#[test]
fn objects_in_both_orders_with_unique_additional_keys() {
    for order in [KeyOrder::Declared, KeyOrder::Any] {
        let mut b = GrammarBuilder::new();
        let p = &mut b.nodes;
        let digit = p.languages.byte(&ByteSet::range(b'0', b'9'));
        let number = p.languages.repeat(digit, 1, 3);
        let number = p.terminal(number);
        let property = |key: &str, required: bool| Property {
            key: key.to_owned(),
            required,
            requires: Box::new([]),
            values: Box::new([Choice::plain(number)]),
        };
        let declared = vec![property("a", false), property("ab", true), property("c", false)];
        let keys = p.languages.literals(["a", "ab", "c"].map(|k| (k.as_bytes().to_vec(), UNLABELLED)));
        let other = p.languages.not(keys);
        let text = p.languages.any_text();
        let keys = p.languages.inter(&[text, other]);
        let rest = vec![RestKeys { keys, capacity: None, values: Box::new([Choice::plain(number)]) }];
        let spec = object(p, declared, rest, order);
        let node = p.object(spec);
        let grammar = b.build(node, None).unwrap();
        let tokens =
            ["{\"", "\":", "\":1", "\",\"", "1,\"", "2,\"x\":", "\"ab\"", "ab", "x\":7,\"x", "\"}", "1}"];
        let c = constraint(&grammar, &tokens);
        check(&c, r#"{"a":1,"ab":22,"x":3,"y":444}"#, true);
        check(&c, r#"{"ab":22}"#, true);
        check(&c, r#"{"a":1}"#, false);
        check(&c, r#"{"ab":1,"x":2,"x":3}"#, false);
        check(&c, r#"{"ab":1,"x":2,"\u0078":3}"#, false);
        check(&c, r#"{"ab":1,"x":2,"xx":3}"#, true);
        check(&c, r#"{"c":1,"x":2,"ab":3}"#, order == KeyOrder::Any);
        check(&c, r#"{"ab":1,"a":2}"#, order == KeyOrder::Any);
        check(&c, r#"{"ab":1,"ab":2}"#, false);
    }
}

#[test]
fn arrays_with_bounds_and_counters() {
    let mut b = GrammarBuilder::new();
    let p = &mut b.nodes;
    let one = p.literal(b"1");
    let two = p.literal(b"22");
    let spec = ArraySpec {
        open: p.languages.bytes(b"["),
        close: p.languages.bytes(b"]"),
        comma: p.languages.bytes(b","),
        prefix: vec![Box::new([Choice::plain(one)])],
        rest: Box::new([Choice::plain(two), Choice { value: one, counts: 1 }]),
        min: 2,
        max: 5,
        counters: vec![Counter { min: 1, max: 1 }],
        distinct: None,
    };
    let node = p.array(spec);
    assert_ne!(node, NodeId::NEVER);
    let grammar = b.build(node, None).unwrap();
    let c = constraint(&grammar, &["1,", ",22", "22]", "[1", "2,1]"]);
    check(&c, "[1,22,1]", true);
    check(&c, "[1,1]", true);
    check(&c, "[1,22]", false);
    check(&c, "[1,1,1]", false);
    check(&c, "[1,1,22,22,22]", true);
    check(&c, "[1,22,22,22,22]", false);
    check(&c, "[1]", false);
}

#[test]
fn rollback_fork_reset_and_end_of_sequence() {
    let mut b = GrammarBuilder::new();
    let a = b.nodes.literal(b"a");
    let body = b.nodes.repeat(a, 1, 3);
    let grammar = b.build(body, None).unwrap();
    let eos = TokenId(257);
    let vocabulary = bytes_vocabulary(&["aa", "</s>"]).with_eos(&[eos]).unwrap();
    let c = Constraint::new(&grammar, &vocabulary).unwrap();
    let mut m = c.matcher();
    let first = m.mask().unwrap();
    assert!(!m.advance(eos).unwrap() && !first.contains(eos));
    assert_eq!(m.forced_bytes().unwrap(), b"a");
    assert!(m.advance(TokenId(256)).unwrap() && m.is_accepting() && m.mask().unwrap().contains(eos));
    let mut other = m.fork();
    assert!(other.advance(eos).unwrap() && other.is_stopped());
    assert_eq!(other.mask().unwrap().iter().collect::<Vec<_>>(), [eos]);
    assert!(!other.advance(TokenId(97)).unwrap());
    other.rollback(2).unwrap();
    assert_eq!(other.mask().unwrap(), first);
    assert!(other.rollback(1).is_err());
    assert_eq!(m.validate(&[TokenId(97), eos, eos]).unwrap(), 3);
    assert_eq!(m.validate(&[TokenId(97), TokenId(97)]).unwrap(), 1);
    assert_eq!(m.output_len(), 1);
    m.reset();
    assert_eq!(m.mask().unwrap(), first);
}
