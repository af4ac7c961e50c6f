//! Hostile inputs: the engine answers them in bounded time and memory, or names the limit that they
//! exceed.
//!
//! No time is asserted: if the cost of an input grew too fast, the test would not end. The soak
//! test reads 20,000 tokens, or `HEDGEROW_SOAK` of them.

use crate::support::bytes::byte_vocabulary;
use crate::support::random_rules;
use crate::support::stepping::plain_object;
use hedgerow::automata::{ByteSet, Escapes, UNBOUNDED, UNLABELLED};
use hedgerow::engine::{Constraint, EngineError, Interrupt, Interrupted, Limits, Matcher};
use hedgerow::grammar::{
    ArraySpec, Choice, CompileError, CompileErrorKind, Expand, Grammar, GrammarBuilder, GrammarError,
    KeyOrder, Node, NodeId, NodePool, ObjectSpec, Property, Punctuation, RestKeys,
};
use hedgerow::schema::{self, SchemaOptions};
use hedgerow::syntax::regex::{self, Dialect};
use hedgerow::syntax::{self, Notation};
use hedgerow::vocab::{TokenId, Vocabulary};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::walk::Random;

/// Reads `text` and asks for a mask before every `every`-th byte.
#[track_caller]
fn read(matcher: &mut Matcher, text: &[u8], every: usize) {
    let mut words = vec![0; matcher.vocabulary().size().div_ceil(32)];
    for (i, &byte) in text.iter().enumerate() {
        if i % every == 0 {
            matcher.fill_mask(&mut words).unwrap();
            assert!(words[usize::from(byte) / 32] >> (byte % 32) & 1 == 1, "byte {i} is not in the mask");
        }
        assert!(matcher.advance(TokenId(u32::from(byte))).unwrap(), "byte {i} is refused");
    }
}

fn build(make: impl FnOnce(&mut GrammarBuilder) -> NodeId) -> Grammar {
    let mut builder = GrammarBuilder::new();
    let root = make(&mut builder);
    builder.build(root, None).unwrap()
}

fn punctuated(pool: &mut NodePool) -> ObjectSpec {
    let punctuation = ["{", "}", ",", ":"].map(|text| pool.languages.bytes(text.as_bytes()));
    plain_object(punctuation, Vec::new(), Vec::new(), KeyOrder::Declared)
}

fn list(pool: &mut NodePool, item: NodeId) -> NodeId {
    let punctuation = Punctuation::text([b"[", b"]", b","].map(|text| pool.languages.bytes(text)));
    pool.array(ArraySpec {
        punctuation,
        prefix: vec![],
        rest: [Choice::plain(item)].into(),
        min: 0,
        max: UNBOUNDED,
        counters: vec![],
        distinct: None,
    })
}

#[test]
fn a_hundred_thousand_brackets_cost_no_stack() {
    const DEPTH: usize = 100_000;
    let text = [vec![b'['; DEPTH], vec![b']'; DEPTH]].concat();
    let by_productions = build(|b| {
        let rule = b.declare("list");
        let item = b.rule_node(rule);
        let (open, close) = (b.nodes.literal(b"["), b.nodes.literal(b"]"));
        let items = b.nodes.repeat(item, 0, UNBOUNDED);
        let body = b.nodes.sequence(&[open, items, close]);
        b.define(rule, body).unwrap();
        item
    });
    let as_arrays = build(|b| {
        let rule = b.declare("list");
        let item = b.rule_node(rule);
        let body = list(&mut b.nodes, item);
        b.define(rule, body).unwrap();
        item
    });
    for grammar in [by_productions, as_arrays] {
        let constraint = Constraint::new(&grammar, &byte_vocabulary(&["[[[[", "]]]]"])).unwrap();
        let mut matcher = constraint.matcher();
        read(&mut matcher, &text, 7);
        assert!(matcher.is_accepting());
        let bytes = constraint.stats().bytes;
        assert!(bytes < 128 << 20, "{bytes} bytes");
        matcher.rollback(DEPTH).unwrap();
        assert!(!matcher.is_accepting());
    }
}

/// A body of rules, which stay nodes of the grammar: rules are not merged into one automaton.
fn with_rules(b: &mut GrammarBuilder, words: &[&str]) -> NodeId {
    let mut parts = Vec::new();
    for word in words {
        let rule = b.declare(&format!("word {word}"));
        let body = b.nodes.literal(word.as_bytes());
        b.define(rule, body).unwrap();
        parts.push(b.rule_node(rule));
    }
    b.nodes.alt(&parts)
}

#[test]
fn counted_alternatives_keep_their_counts() {
    for words in [["a", "ab"], ["a", "aa"]] {
        let grammar = build(|b| {
            let body = with_rules(b, &words);
            b.nodes.repeat(body, 1, 1_000)
        });
        let constraint = Constraint::new(&grammar, &byte_vocabulary(&["aaaa", "ab"])).unwrap();
        let mut matcher = constraint.matcher();
        read(&mut matcher, &[b'a'; 1_000], 10);
        assert!(matcher.is_accepting());
        let longer = matcher.advance_bytes(&[b'a'; 1_000]).unwrap();
        assert_eq!(longer, words[1] == "aa", "2,000 letters need two in each of a thousand rounds");
        assert!(!matcher.advance_bytes(&[b'a'; 1_001]).unwrap());
    }
}

#[test]
fn counts_of_a_million_are_read() {
    let grammar = build(|b| {
        let one = b.nodes.languages.byte(&ByteSet::range(b'a', b'z'));
        let letters = b.nodes.languages.repeat(one, 0, 1_000_000);
        b.nodes.terminal(letters)
    });
    let nodes = build(|b| {
        let body = with_rules(b, &["a", "b"]);
        b.nodes.repeat(body, 999_999, 1_000_000)
    });
    for grammar in [grammar, nodes] {
        let constraint = Constraint::new(&grammar, &byte_vocabulary(&["ab", "abab"])).unwrap();
        let mut matcher = constraint.matcher();
        read(&mut matcher, b"ab".repeat(25_000).as_slice(), 100);
        assert!(matcher.advance_bytes(&b"ab".repeat(475_000)).unwrap());
        assert!(matcher.is_accepting());
        assert!(!matcher.advance_bytes(b"a").unwrap());
    }
}

#[test]
fn an_enum_of_ten_thousand_is_read() {
    let words: Vec<String> = (0..10_000).map(|i| format!("value {:04}!", i * 7 % 10_000)).collect();
    let vocabulary = byte_vocabulary(&["value ", "00", "123"]);
    for merged in [true, false] {
        let constraint = {
            let grammar = build(|b| {
                if merged {
                    let words = words.iter().map(|w| (w.clone().into_bytes(), UNLABELLED));
                    let language = b.nodes.languages.literals(words);
                    b.nodes.terminal(language)
                } else {
                    let parts: Vec<NodeId> = words.iter().map(|w| b.nodes.literal(w.as_bytes())).collect();
                    b.nodes.alt(&parts)
                }
            });
            Constraint::new(&grammar, &vocabulary).unwrap()
        };
        let mut matcher = constraint.matcher();
        for word in words.iter().take(200) {
            matcher.reset();
            read(&mut matcher, word.as_bytes(), 1);
            assert!(matcher.is_accepting());
        }
    }
}

#[test]
fn five_thousand_optional_keys_come_once_each() {
    let vocabulary = byte_vocabulary(&["\"key ", "\":1", "\",\""]);
    for order in [KeyOrder::Declared, KeyOrder::Any] {
        let constraint = {
            let grammar = build(|b| {
                let one = b.nodes.literal(b"1");
                let mut spec = punctuated(&mut b.nodes);
                spec.order = order;
                spec.declared = (0..5_000)
                    .map(|i| Property {
                        key: format!("key {i:04}"),
                        required: false,
                        requires: [].into(),
                        values: [Choice::plain(one)].into(),
                    })
                    .collect();
                b.nodes.object(spec)
            });
            Constraint::new(&grammar, &vocabulary).unwrap()
        };
        let mut matcher = constraint.matcher();
        for i in 0..40 {
            let lead = if i == 0 { "{" } else { "," };
            read(&mut matcher, format!("{lead}\"key {:04}\":1", i * 120).as_bytes(), 1);
        }
        assert!(matcher.fork().advance_bytes(b"}").unwrap());
        let earlier = matcher.advance_bytes(b",\"key 0001\":1").unwrap();
        assert_eq!(earlier, order == KeyOrder::Any);
        assert!(!matcher.advance_bytes(b",\"key 0120\"").unwrap(), "a key came twice");
    }
}

#[test]
fn recursion_on_either_side_is_read() {
    for left in [true, false] {
        let grammar = build(|b| {
            let rule = b.declare("list");
            let more = b.rule_node(rule);
            let (a, b_) = (b.nodes.literal(b"a"), b.nodes.literal(b"b"));
            let more = if left { b.nodes.seq(more, a) } else { b.nodes.seq(a, more) };
            let body = b.nodes.alt(&[more, b_]);
            b.define(rule, body).unwrap();
            b.rule_node(rule)
        });
        let constraint = Constraint::new(&grammar, &byte_vocabulary(&["aaa"])).unwrap();
        let mut matcher = constraint.matcher();
        let text = if left {
            [vec![b'b'], vec![b'a'; 200_000]].concat()
        } else {
            [vec![b'a'; 200_000], vec![b'b']].concat()
        };
        read(&mut matcher, &text, 100);
        assert!(matcher.is_accepting());
        let states = constraint.stats().states;
        assert!(states < 20, "{states} states: recursion at the end must not grow the stack");
    }
}

#[test]
fn exponential_ambiguity_costs_no_time() {
    // S = S S | "a": a Catalan number of readings.
    let grammar = build(|b| {
        let rule = b.declare("S");
        let s = b.rule_node(rule);
        let two = b.nodes.seq(s, s);
        let a = b.nodes.literal(b"a");
        let body = b.nodes.alt(&[two, a]);
        b.define(rule, body).unwrap();
        s
    });
    let constraint = Constraint::new(&grammar, &byte_vocabulary(&["aa"])).unwrap();
    let mut matcher = constraint.matcher();
    read(&mut matcher, &[b'a'; 300], 1);
    assert!(matcher.is_accepting());
}

/// Grammars whose expansion never ends, one for each range of keys.
struct Endless;

impl Expand for Endless {
    fn expand(&self, key: u64, nodes: &mut NodePool) -> Result<NodeId, GrammarError> {
        let next = nodes.lazy(key + 1);
        let end = nodes.literal(format!("{key}").as_bytes());
        match key {
            // Brackets that nest deeper with each byte.
            0..1_000_000_000 => {
                let open = nodes.literal(b"(");
                let deeper = nodes.sequence(&[open, next, end]);
                Ok(nodes.alt(&[deeper, end]))
            }
            // Expansions that follow each other without reading anything.
            1_000_000_000..2_000_000_000 => Ok(nodes.seq(next, end)),
            // A rule that refers to itself at its left edge.
            2_000_000_000 => {
                let me = nodes.lazy(key);
                Ok(nodes.seq(me, end))
            }
            _ => Err(GrammarError::Expansion(CompileError::new(CompileErrorKind::Reference, "no such part"))),
        }
    }
}

fn endless(key: u64, limits: Limits) -> Result<Constraint, EngineError> {
    let mut builder = GrammarBuilder::new();
    let root = builder.nodes.lazy(key);
    let grammar = builder.build(root, Some(Arc::new(Endless))).unwrap();
    Constraint::with_limits(&grammar, &byte_vocabulary(&["(("]), limits)
}

#[track_caller]
fn limit(result: Result<impl Sized, EngineError>) -> &'static str {
    match result {
        Err(EngineError::Limit { field, .. }) => field,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("no error"),
    }
}

#[test]
fn every_limit_is_a_typed_error() {
    // Nodes: an expansion that never ends, with and without reading.
    let constraint = endless(0, Limits::default().nodes(1_000)).unwrap();
    let mut matcher = constraint.matcher();
    let result = (0..1_000).try_for_each(|_| matcher.advance(TokenId(u32::from(b'('))).map(|_| ()));
    assert_eq!(limit(result), "nodes");
    assert_eq!(limit(endless(1_000_000_000, Limits::default().nodes(10_000))), "nodes");
    assert_eq!(limit(endless(2_000_000_000, Limits::default())), "state_threads");

    // Threads: 500 rules begin with the same letter and end differently.
    let many = build(|b| {
        let words: Vec<String> = (0..500).map(|i| format!("a{i}")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        with_rules(b, &words)
    });
    let limits = Limits::default().state_threads(100);
    assert_eq!(limit(Constraint::with_limits(&many, &byte_vocabulary(&[]), limits)), "state_threads");

    // Search: words over two letters whose 40th letter from the end is fixed, and those in which it
    // is not.
    let search = || {
        build(|b| {
            let l = &mut b.nodes.languages;
            let letter = l.byte(&ByteSet::range(b'a', b'b'));
            let (any, a, b_) = (l.repeat(letter, 0, UNBOUNDED), l.bytes(b"a"), l.bytes(b"b"));
            let tail = l.repeat(letter, 40, 40);
            let (with_a, with_b) = (l.sequence(&[any, a, tail]), l.sequence(&[any, b_, tail]));
            let both = l.inter(&[with_a, with_b]);
            // Beside another word, these are only searched once an output comes to them.
            let (x, y) = (l.bytes(b"x"), l.bytes(b"y"));
            let both = l.concat(y, both);
            let either = l.union(&[x, both]);
            b.nodes.terminal(either)
        })
    };
    let result = (|| {
        let grammar = search();
        let constraint =
            Constraint::with_limits(&grammar, &byte_vocabulary(&[]), Limits::default().search_states(1_000))?;
        let mut matcher = constraint.matcher();
        matcher.mask().map(|_| ())
    })();
    assert_eq!(limit(result), "search_states");
}

/// Brackets that nest deeper with each byte, and raise a flag when they reach the given depth.
#[derive(Debug)]
struct Alarm {
    depth: u64,
    flag: Arc<AtomicBool>,
}

impl Expand for Alarm {
    fn expand(&self, key: u64, nodes: &mut NodePool) -> Result<NodeId, GrammarError> {
        if key == self.depth {
            self.flag.store(true, Ordering::Relaxed);
        }
        let (open, end, deeper) = (nodes.literal(b"("), nodes.literal(b"."), nodes.lazy(key + 1));
        let deeper = nodes.seq(open, deeper);
        Ok(nodes.alt(&[deeper, end]))
    }
}

#[test]
fn deadlines_and_cancellation() {
    // An interrupt ends work that would never end by itself.
    let unlimited = || Limits::default().nodes(usize::MAX).state_threads(usize::MAX);
    let soon = Instant::now() + Duration::from_millis(30);
    let within = |interrupt: &Interrupt, depth| interrupt.scope(|| endless(depth, unlimited()));
    let interrupt = Interrupt::default().deadline(soon);
    assert_eq!(within(&interrupt, 1_000_000_000).err(), Some(Interrupted::Deadline));
    // An interrupt that has already come prevents the work.
    assert_eq!(within(&interrupt, 0).err(), Some(Interrupted::Deadline));
    let brief = Interrupt::default().timeout(Duration::from_millis(30));
    assert_eq!(within(&brief, 1_000_000_000).err(), Some(Interrupted::Deadline));

    let cancel = Arc::new(AtomicBool::new(false));
    let interrupt = Interrupt::default().flag(cancel.clone());
    std::thread::scope(|scope| {
        let endless = scope.spawn(|| within(&interrupt, 1_000_000_000));
        std::thread::sleep(Duration::from_millis(30));
        cancel.store(true, Ordering::Relaxed);
        assert_eq!(endless.join().unwrap().err(), Some(Interrupted::Cancelled));
    });
    assert_eq!(within(&interrupt, 0).err(), Some(Interrupted::Cancelled));

    // An interrupt in the middle of each kind of call, which must then have changed nothing.
    const DEPTH: usize = 10_000;
    let long = "(".repeat(DEPTH);
    let vocabulary = byte_vocabulary(&[&long]);
    let long_token = TokenId(256);
    type Call<'a> = (&'a str, Box<dyn Fn(&mut Matcher) -> Result<(), EngineError> + 'a>);
    let calls: Vec<Call<'_>> = vec![
        ("mask", Box::new(|m| m.mask().map(drop))),
        ("fill_mask", Box::new(|m| m.fill_mask(&mut vec![0; m.vocabulary().size().div_ceil(32)]))),
        ("advance", Box::new(|m| m.advance(long_token).map(drop))),
        ("advance_bytes", Box::new(|m| m.advance_bytes(long.as_bytes()).map(drop))),
        ("allows", Box::new(|m| m.allows(long_token).map(drop))),
        ("validate", Box::new(|m| m.validate(&[long_token]).map(drop))),
    ];
    for (name, call) in &calls {
        let flag = Arc::new(AtomicBool::new(false));
        let mut builder = GrammarBuilder::new();
        let (x, brackets) = (builder.nodes.literal(b"x"), builder.nodes.lazy(0));
        let root = builder.nodes.seq(x, brackets);
        let alarm = Alarm { depth: DEPTH as u64 / 2, flag: flag.clone() };
        let grammar = builder.build(root, Some(Arc::new(alarm))).unwrap();
        let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
        let mut matcher = constraint.matcher();
        matcher.set_interrupt(Interrupt::default().flag(flag.clone()));
        assert!(matcher.advance(TokenId(u32::from(b'x'))).unwrap());
        assert_eq!(call(&mut matcher), Err(EngineError::Cancelled), "{name}");
        // Results found before the interrupt still hold.
        assert!(matcher.allows(TokenId(u32::from(b'('))).unwrap_or(true), "{name}");
        let fsm = Interrupt::default().flag(flag.clone()).scope(|| constraint.compile_token_fsm(9));
        assert_eq!(fsm.err(), Some(Interrupted::Cancelled), "{name}");
        // Other matchers of the constraint continue.
        let mut other = constraint.matcher();
        assert!(other.advance_bytes(b"x((((.").unwrap() && other.is_accepting(), "{name}");
        flag.store(false, Ordering::Relaxed);
        assert_eq!(matcher.output_len(), 1, "{name}");
        assert_eq!(call(&mut matcher), Ok(()), "{name}");
        assert!(matcher.mask().unwrap().contains(TokenId(u32::from(b'.'))), "{name}");
    }
}

/// Patterns whose automata would be enormous if they were built whole. Each is compiled and read,
/// or refused with a typed error.
#[test]
fn exploding_patterns_are_read_or_refused() {
    let vocabulary = byte_vocabulary(&["aaaa", "ab"]);
    let thousand = |one: &str| one.repeat(1_000);
    // A pattern, an output, true if the output is whole, and a text that may not follow it.
    let cases = [
        ("^(a{1000}){1000}$", "a".repeat(20_000), false, "b"),
        ("^(a{30}){30}$", "a".repeat(900), true, "a"),
        ("^((a{0,1000}){0,1000}){0,1000}$", "a".repeat(10_000), true, "b"),
        ("^(a|ab){1,1000}$", thousand("ab"), true, "a"),
        ("^(a?){500}a{500}$", "a".repeat(1_000), true, "a"),
        ("^(a*)*(a*)*(a*)*b$", thousand("a") + "b", true, "b"),
        ("^(x+x+)+y$", thousand("x") + "y", true, "y"),
        ("^[a-z]{0,65535}[0-9]{0,65535}$", thousand("q") + &thousand("7"), true, "q"),
        ("^(?!a{500}$)a*$", thousand("a"), true, "b"),
        (r"^(\p{L}|\p{N}|_){1,4000}$", "éß9_".repeat(1_000), true, "_"),
    ];
    for (pattern, output, whole, beyond) in &cases {
        let grammar = regex::compile(pattern, Dialect::Ecma262).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        let constraint = Constraint::new(&grammar, &vocabulary).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        let mut matcher = constraint.matcher();
        matcher.mask().unwrap();
        assert!(matcher.advance_bytes(output.as_bytes()).unwrap(), "{pattern}");
        assert_eq!(matcher.is_accepting(), *whole, "{pattern}");
        matcher.mask().unwrap();
        assert!(!matcher.advance_bytes(beyond.as_bytes()).unwrap(), "{pattern} accepts {beyond}");
        let bytes = constraint.stats().bytes;
        assert!(bytes < 32 << 20, "{pattern}: {bytes} bytes");
    }
    // Patterns that are too deep, too long, or have counts that are too large.
    for pattern in
        ["(".repeat(100_000) + &")".repeat(100_000), "a".repeat(2 << 20), "a{1,99999999999}".into()]
    {
        for dialect in [Dialect::Ecma262, Dialect::Rust] {
            let error = regex::compile(&pattern, dialect).map(drop).unwrap_err().to_string();
            assert!(error.len() < 1_000, "the error repeats the pattern");
        }
    }
}

/// References that lead in circles. A circle that reads something makes a grammar, and one that
/// reads nothing is an error.
#[test]
fn circular_references_are_read_or_refused() {
    let vocabulary = byte_vocabulary(&["{\"", "\":"]);
    let good = [
        r##"{"type": "array", "items": {"$ref": "#"}}"##,
        r##"{"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}}]}"##,
        r##"{"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/b"}}, "b": {"type": "array", "items": {"$ref": "#/$defs/a"}}},
            "$ref": "#/$defs/a"}"##,
        r##"{"$dynamicAnchor": "x", "type": "array", "items": {"$dynamicRef": "#x"}}"##,
    ];
    for schema in good {
        let grammar = schema::compile(schema, &SchemaOptions::default()).unwrap();
        let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
        let mut matcher = constraint.matcher();
        let depth = 2_000;
        read(&mut matcher, &[vec![b'['; depth], vec![b']'; depth]].concat(), 50);
        assert!(matcher.is_accepting(), "{schema}");
    }
    let bad = [
        r##"{"$ref": "#"}"##,
        r##"{"allOf": [{"$ref": "#"}]}"##,
        r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}"##,
        r##"{"not": {"$ref": "#"}}"##,
        r##"{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}"##,
    ];
    for schema in bad {
        let error = schema::compile(schema, &SchemaOptions::default())
            .map_err(|e| e.to_string())
            .and_then(|grammar| Constraint::new(&grammar, &vocabulary).map_err(|e| e.to_string()));
        assert!(error.is_err(), "{schema} compiles");
    }
}

/// Noise, and good text with noise in it, give an answer or an error, never a panic or a hang.
#[test]
fn random_bytes_cause_no_panic() {
    let vocabulary = byte_vocabulary(&["{\"", "\":"]);
    let mut random = Random(5);
    let schema = r##"{"$defs": {"a": {"type": "string", "pattern": "^[a-z]{2,5}(-|\\d)*$", "maxLength": 9}}, "type": "object",
        "properties": {"x": {"$ref": "#/$defs/a"}, "y": {"multipleOf": 0.5, "minimum": -3e2}}, "required": ["x"],
        "patternProperties": {"^z": {"enum": [1, "two", null]}}, "minProperties": 1, "oneOf": [true]}"##;
    let pattern = r"^(?:[^\d\w]|(?!ab)a{2,3}?|\u{1F600}|\p{Lu})*(?<=x)$|[\]a-f^]+";
    let mut compiled = [0; 2];
    for round in 0..600 {
        let noisy = |text: &str, random: &mut Random| {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..1 + random.below(3) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes[at] = random.below(128) as u8,
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"{}[]()\\\"^$*+?|,:#/"[random.below(18)]),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let noise: Vec<u8> = (0..random.below(40)).map(|_| random.below(256) as u8).collect();
        let noise = String::from_utf8_lossy(&noise).into_owned();
        let (schema, pattern) = match round % 4 {
            0 => (noise.clone(), noise),
            _ => (noisy(schema, &mut random), noisy(pattern, &mut random)),
        };
        let grammars = [
            schema::compile(&schema, &SchemaOptions::default()).ok(),
            regex::compile(&pattern, if round % 2 == 0 { Dialect::Ecma262 } else { Dialect::Rust }).ok(),
        ];
        for (count, grammar) in compiled.iter_mut().zip(grammars) {
            let Some(grammar) = grammar else { continue };
            let Ok(constraint) = Constraint::new(&grammar, &vocabulary) else { continue };
            *count += 1;
            let mut matcher = constraint.matcher();
            for _ in 0..30 {
                let byte = TokenId(random.below(256) as u32);
                let mask = matcher.mask().unwrap();
                assert_eq!(matcher.allows(byte).unwrap(), mask.contains(byte), "{schema} {pattern}");
                assert_eq!(matcher.advance(byte).unwrap(), mask.contains(byte));
                let allowed: Vec<TokenId> = mask.iter().collect();
                let Some(&token) = allowed.get(random.below(allowed.len().max(1))) else { break };
                if !matcher.advance(token).unwrap() && matcher.output_len() == 0 {
                    panic!("refuses {token} of the mask of {schema} {pattern}");
                }
            }
        }
    }
    assert!(compiled.iter().all(|&count| count > 50), "too few inputs compiled: {compiled:?}");
}

/// The documentation has a row for every limit, with its true default.
#[test]
fn limits_have_their_documented_defaults() {
    let page = include_str!("../../docs/limits.md");
    let limits = Limits::default();
    let given: Vec<(&str, u64)> = vec![
        ("Limits::graph_bytes", limits.graph_bytes as u64),
        ("Limits::state_threads", limits.state_threads as u64),
        ("Limits::search_states", limits.search_states),
        ("Limits::nodes", limits.nodes as u64),
        ("SchemaOptions::fuel", SchemaOptions::default().fuel),
        ("regex::LENGTH_LIMIT", hedgerow::automata::regex::LENGTH_LIMIT as u64),
        ("regex::NEST_LIMIT", u64::from(hedgerow::automata::regex::NEST_LIMIT)),
        ("syntax::LENGTH_LIMIT", syntax::LENGTH_LIMIT as u64),
        ("syntax::NEST_LIMIT", u64::from(syntax::NEST_LIMIT)),
        ("syntax::COUNT_LIMIT", u64::from(syntax::COUNT_LIMIT)),
        ("Vocabulary::MAX_SIZE", Vocabulary::MAX_SIZE as u64),
        ("TokenTrie::MAX_DEPTH", hedgerow::vocab::TokenTrie::MAX_DEPTH as u64),
    ];
    for (name, default) in given {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}`")));
        let row = row.unwrap_or_else(|| panic!("docs/limits.md has no row for {name}"));
        let cell: String = row.split('|').nth(2).unwrap_or("").replace(',', "");
        assert_eq!(cell.trim(), default.to_string(), "{name}");
    }
}

/// Texts of a megabyte, each long in another way. The grammar compiles, and its first mask is
/// computed or refused by a limit.
#[test]
fn long_grammars_are_read_or_refused() {
    const MANY: usize = 20_000;
    let chain = |last: &str| -> String {
        let links = (0..MANY).map(|i| format!("r{i} ::= r{}\n", i + 1));
        format!("root ::= r0\n{}r{MANY} ::= {last}", links.collect::<String>())
    };
    let backwards: String = (1..MANY).map(|i| format!("r{i} ::= r{} | \"(\" root \")\"\n", i - 1)).collect();
    let left: String = (0..MANY).map(|i| format!("l{i} ::= l{i} \"x\" root | \"y\"\n")).collect();
    let choices: String = (0..MANY).map(|i| format!("| \"word {i}\" ")).collect();
    let all: String = (0..MANY).map(|i| format!("l{i} ")).collect();
    let doubled: String = (0..1000).map(|i| format!("d{i} ::= d{0} \"x\" d{0} \"y\"\n", i + 1)).collect();
    let optional = "\"a\"? ".repeat(100_000);
    let table: Vec<String> = vec![
        chain("\"a\""),
        chain("\"a\" root | \"b\""),
        format!("root ::= r{} | \"r\"\n{backwards}r0 ::= \"0\"", MANY - 1),
        format!("root ::= {all}| \"z\"\n{left}"),
        format!("root ::= \"word\" {choices}"),
        format!("root ::= d0\n{doubled}d1000 ::= \"z\" | [a-w]"),
        format!("root ::= {optional}"),
        format!("root ::= {}\"a\"", "[a-z] | ".repeat(100_000)),
        format!("root ::= \"{}\"", "a".repeat(1_000_000)),
        format!("root ::= s*\ns ::= {}\"b\"", "([a-y] root)? ".repeat(5_000)),
    ];
    let vocabulary = byte_vocabulary(&["ab", "xy"]);
    for text in table {
        let started = Instant::now();
        let grammar = Notation::Gbnf.compile(&text).unwrap_or_else(|error| panic!("{error}"));
        let compiled = started.elapsed();
        match Constraint::new(&grammar, &vocabulary) {
            Ok(constraint) => assert!(constraint.matcher().mask().unwrap().count() > 0),
            // Thousands of alternatives at once exceed a limit, and the error names it.
            Err(error) => assert!(matches!(error, EngineError::Limit { .. }), "{error}"),
        }
        eprintln!("{:.40}: {compiled:?}, {:?}", text.replace('\n', " "), started.elapsed());
    }
}

/// Nested objects with any keys, strings and lists, so that no two outputs are alike.
fn json() -> Grammar {
    build(|b| {
        let rule = b.declare("value");
        let value = b.rule_node(rule);
        let text = b.nodes.languages.any_text();
        let string = b.nodes.languages.json_string(text, Escapes::Any);
        let string = b.nodes.terminal(string);
        let digits = b.nodes.languages.byte(&ByteSet::range(b'0', b'9'));
        let digits = b.nodes.languages.repeat(digits, 1, 1_000);
        let number = b.nodes.terminal(digits);
        let array = list(&mut b.nodes, value);
        let mut spec = punctuated(&mut b.nodes);
        spec.rest = vec![RestKeys { keys: text, capacity: None, values: [Choice::plain(value)].into() }];
        let object = b.nodes.object(spec);
        let body = b.nodes.alt(&[string, number, array, object]);
        b.define(rule, body).unwrap();
        assert!(matches!(b.nodes.node(value), Node::Rule(_)));
        value
    })
}

#[test]
fn a_soak_keeps_memory_flat() {
    const BUDGET: usize = 1 << 20;
    let tokens: u64 = std::env::var("HEDGEROW_SOAK").ok().and_then(|v| v.parse().ok()).unwrap_or(20_000);
    let pieces = ["\"", "\":", "\",\"", "{\"", "],[", "ab", "key", "\\u00", "12", "}}"];
    let constraint =
        Constraint::with_limits(&json(), &byte_vocabulary(&pieces), Limits::default().graph_bytes(BUDGET))
            .unwrap();
    let mut random = Random(1);
    let (mut matcher, mut read, mut most) = (constraint.matcher(), 0, 0);
    while read < tokens {
        matcher.reset();
        for _ in 0..120 {
            let allowed: Vec<TokenId> = matcher.mask().unwrap().iter().collect();
            let Some(&token) = allowed.get(random.below(allowed.len().max(1))) else { break };
            assert!(matcher.advance(token).unwrap());
            read += 1;
            if matcher.is_stopped() {
                break;
            }
        }
        most = most.max(constraint.stats().bytes);
    }
    println!("{read} tokens, at most {most} bytes, now {:?}", constraint.stats());
    assert!(constraint.stats().rebuilds > 0, "the budget was never reached");
    // One step may exceed the budget before the graph is renewed.
    assert!(most < 2 * BUDGET, "{most} bytes under a budget of {BUDGET}");
}

/// Grammars with counts and recursion that can be read in very many ways, and the largest number of
/// states that some dozens of tokens may make.
const AMBIGUOUS: &[(Notation, &str, usize)] = &[
    (Notation::Gbnf, "root ::= root{50} | \"a\" | \"\"", 50),
    (Notation::Gbnf, "root ::= root{1000} | .{2,3} | \"\"", 500),
    (Notation::Gbnf, "root ::= root root{2,3} | root{7} | \"ab\"", 500),
    (
        Notation::Gbnf,
        "root ::= z{1,20} [a-z]\nx ::= [^\"\\\\\\n] [^\"\\\\\\n] \"é\"* | [^\"\\\\\\n] [^\"\\\\\\n]*\n\
         y ::= [^\"\\\\\\n] \"a\"? x? | x | \"é\"\nz ::= y{1,200} x?",
        2_000,
    ),
    (
        Notation::Gbnf,
        "root ::= y+ | [0-9]\nx ::= \"é\"? \"end\"? \"if \" | \"end\"+ [0-9] | .+ x \"=\"{0,20}\n\
         y ::= y z{2,20} \"=\" | \", \" [^a-z] | \"a\"{0,200} [0-9] x\nz ::= z z | y z \"(\"+",
        20_000,
    ),
    (Notation::Gbnf, "root ::= \"(\" root{0,200} \")\" | [a-z]{1,3}\n", 5_000),
    (
        Notation::Gbnf,
        "root ::= [^\"\\\\\\n]? x [0-9] | [^a-z]+ y+ [ \\n]{0,20} | z \"end\"{1,3} x\nx ::= . z | [^a-z] | x\n\
         y ::= x{2,200} [^\"\\\\\\n] | \"(\" y+\nz ::= \"a\"+ | y+",
        20_000,
    ),
    (
        Notation::Gbnf,
        "root ::= z{1,200} | [0-9]{1,3} | [^a-z]?\nz ::= \"é\" | \", \" | [a-z] y{0,3} \"é\"\n\
         y ::= [^\"\\\\\\n] y y* | [^a-z] z*",
        20_000,
    ),
    (Notation::Gbnf, "root ::= \"é\"{2,2} ([^a-z] root{1,64} ([ab] root+ [a-zA-Z_]?)*)?", 5_000),
    (
        Notation::Lark,
        "start: [A+ two B] \"ab\"\none: (one~1..2 A A | \"b\"~1..2 one~2 two*)? A* | B*\n\
         two: (one | one?)+ | \"a\"? A\nA.2: /[^a]bb/\nB: \"a\"i\n%ignore \" \"",
        5_000,
    ),
];

#[test]
fn counts_of_ambiguous_rules_make_few_states() {
    let vocabulary = byte_vocabulary(&["aa", "ab", "aaaaaaaa", "end", "if ", ", ", "é", "12"]);
    for &(notation, text, most) in AMBIGUOUS {
        let grammar = notation.compile(text).unwrap();
        let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
        for seed in 0..4 {
            let mut matcher = constraint.matcher();
            let mut random = Random(seed);
            for _ in 0..40 {
                let allowed: Vec<TokenId> = matcher.mask().unwrap().iter().collect();
                let allowed: Vec<TokenId> =
                    allowed.into_iter().filter(|token| !vocabulary.eos().contains(token)).collect();
                if allowed.is_empty() {
                    break;
                }
                assert!(matcher.advance(allowed[random.below(allowed.len())]).unwrap());
            }
        }
        let states = constraint.stats().states;
        assert!(states < most, "{states} states of {text}");
    }
}

#[test]
fn powers_of_a_rule_are_repetitions() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("root ::= root{50} | \"a\" | \"\"", &["", "a", "aaaaa"], &["b"]),
        ("root ::= root{3} | \"a\"", &["a", "aaa", "aaaaa"], &["", "aa", "aaaa"]),
        ("root ::= root{3,4} | \"a\"", &["a", "aaa", "aaaa", "aaaaa", "aaaaaaa"], &["", "aa"]),
        ("root ::= root root | root | \"(\" root? \")\"", &["()", "()(())"], &["", "(", ")("]),
        ("root ::= root? root{4} | \"a\"", &["a", "aaaa", "aaaaa", "aaaaaaa"], &["aa", "aaa", "aaaaaa"]),
    ];
    let vocabulary = byte_vocabulary(&["aa"]);
    for (text, words, others) in table {
        let grammar = Notation::Gbnf.compile(text).unwrap();
        let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
        let accepts = |word: &&str| {
            let mut matcher = constraint.matcher();
            matcher.advance_bytes(word.as_bytes()).unwrap() && matcher.is_accepting()
        };
        assert!(words.iter().all(accepts), "{text}");
        assert!(!others.iter().any(accepts), "{text}");
    }
}

#[test]
fn a_constraint_names_missing_special_tokens() {
    let table = [
        ("root ::= \"a\" <nope>", Some("<nope>")),
        ("root ::= \"a\" x*\nx ::= \"b\" (\"c\" | root <nope>)", Some("<nope>")),
        ("root ::= \"a\"{0,3} <[9999999]>?", Some("<[9999999]>")),
        ("root ::= \"a\"\nx ::= <nope>", None),
        ("root ::= \"a\" <[97]>", None),
    ];
    for (text, missing) in table {
        let grammar = Notation::Gbnf.compile(text).unwrap();
        let tied = Constraint::new(&grammar, &byte_vocabulary(&[]));
        let found = match tied {
            Err(EngineError::UnknownSpecialToken(name)) => Some(name),
            Err(other) => panic!("{text}: {other}"),
            Ok(_) => None,
        };
        assert_eq!(found.as_deref(), missing, "{text}");
    }
}

#[test]
fn random_rules_have_no_error_midway() {
    let vocabulary = byte_vocabulary(&["aa", "ab", "end", "if ", ", ", "é"]);
    for seed in 0..150 {
        let Ok(grammar) = Notation::Gbnf.compile(&random_rules::gbnf(seed)) else { continue };
        let mut matcher = Constraint::new(&grammar, &vocabulary).unwrap().matcher();
        let mut random = Random(seed);
        for _ in 0..12 {
            let mask = matcher.mask().unwrap_or_else(|error| panic!("{seed}: {error}"));
            let allowed: Vec<TokenId> =
                mask.iter().filter(|token| !vocabulary.eos().contains(token)).collect();
            assert!(!allowed.is_empty() || matcher.is_accepting(), "a dead end of {seed}");
            if allowed.is_empty() {
                break;
            }
            assert!(matcher.advance(allowed[random.below(allowed.len())]).unwrap());
        }
    }
}

#[test]
fn a_vocabulary_that_cannot_spell_a_grammar_is_refused() {
    let table: &[(&str, &[&str], bool)] = &[
        ("root ::= \"abc\"", &["a", "b"], false),
        ("root ::= \"abc\"", &["a", "bc"], true),
        ("root ::= \"abc\" | \"ab\"", &["a", "b"], true),
        ("root ::= \"a\" root | \"abc\"", &["a", "b"], false),
        ("root ::= \"abc\"?", &["a"], true),
        ("root ::= ([a-b] [a-b])* \"é\"", &["a", "b", "ba"], false),
        ("root ::= ([a-b] [a-b])* \"é\"", &["a", "b", "é"], true),
        ("root ::= \"[\" root \"]\" | [0-9] \"é\"", &["[", "]", "0"], true),
    ];
    // The last grammar has infinitely many states, so that a bounded search does not decide.
    for &(text, tokens, spells) in table {
        let grammar = Notation::Gbnf.compile(text).unwrap();
        let tokens = tokens.iter().map(|token| token.as_bytes().to_vec()).collect();
        let vocabulary = Vocabulary::from_byte_list(tokens).unwrap();
        match Constraint::new(&grammar, &vocabulary) {
            Ok(_) => assert!(spells, "{text}"),
            Err(error) => assert!(!spells && error == EngineError::Unspellable, "{text}: {error}"),
        }
    }
}

/// Ambiguous grammars put several states on top of a stack, whose stacks below are shared.
#[test]
fn large_lark_stacks_take_bounded_work() {
    let vocabulary = byte_vocabulary(&[]);
    let sums = "start: sum\nsum: sum \"+\" sum | \"(\" sum \")\" | NAME\nNAME: /[a-z]+/";
    let rows = "start: row\nrow: row row | \"(\" row \")\" | \"a\" | \"a\" \"a\"";
    let pairs = "start: a\na: b \"+\" a | b \"-\" a | b\nb: c | d | c \"+\" d\nc: \"x\" | \"(\" a \")\"\nd: \"x\" | \"(\" a \")\"";
    for (text, input) in [
        (sums, "a+".repeat(120) + &"(".repeat(60) + "a"),
        (sums, "(a+".repeat(120) + "a" + &")".repeat(100)),
        (rows, "a".repeat(200) + &"(".repeat(40) + &"a".repeat(100) + &")".repeat(30)),
        (pairs, "x+(".repeat(80) + "x" + &"+x)".repeat(70)),
    ] {
        let constraint = Constraint::new(&Notation::Lark.compile(text).unwrap(), &vocabulary).unwrap();
        read(&mut constraint.matcher(), input.as_bytes(), 1);
    }
}

/// Regular rules that nest through each other, deeper than one of them may. Their derivatives must
/// not recurse as deeply: this thread has a quarter of the usual 2 MiB of stack.
#[test]
fn rules_nest_through_each_other() {
    let nest = |inner: &str, open: &str, close: &str| {
        format!("{}{inner} \"a\"{}", open.repeat(180), close.repeat(180))
    };
    let grammar = |define: &str, first: &str| {
        let rule = |k: usize| {
            let inner = if k == 8 { "\"x\"".to_owned() } else { format!("r{}", k + 1) };
            format!("r{k}{define}{}\n", nest(&inner, "(", " \"a\")*"))
        };
        format!("{first}{define}r0\n{}", (0..9).map(rule).collect::<String>())
    };
    let ends = |notation: Notation, text: String| {
        let thread = std::thread::Builder::new().stack_size(1 << 19);
        let run = move || {
            let grammar = notation.compile(&text)?;
            let constraint = Constraint::new(&grammar, &byte_vocabulary(&[])).unwrap();
            let mut matcher = constraint.matcher();
            for &byte in b"xaaaa" {
                assert!(matcher.mask().unwrap().contains(TokenId(u32::from(byte))), "{byte}");
                assert!(matcher.advance_bytes(&[byte]).unwrap());
            }
            Ok::<(), hedgerow::grammar::CompileError>(())
        };
        thread.spawn(run).unwrap().join().unwrap()
    };
    ends(Notation::Gbnf, grammar(" ::= ", "root")).unwrap();
    ends(Notation::Ebnf, grammar(" ::= ", "root")).unwrap();
}
