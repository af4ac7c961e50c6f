//! State machines over tokens: in a loop they allow what the matcher allows, they are the smallest
//! of their language, and damaged files are refused.

use hedgerow::engine::{Constraint, EngineError, Limits, TokenFsm};
use hedgerow::grammar::{Grammar, GrammarBuilder};
use hedgerow::schema::{self, EscapePolicy, SchemaOptions, Whitespace};
use hedgerow::syntax::regex::Dialect;
use hedgerow::syntax::{choice, regex};
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};

use crate::support::bytes::byte_tokens;
use crate::support::walk::Random;

/// A vocabulary of all bytes, some longer tokens (one of them twice), a special token, an end, and
/// padding.
fn vocabulary() -> Vocabulary {
    let longer =
        ["ab", "ab", "abb", "aa", "\"a", "\":", "\": ", "{\"", "12", "true", "null", "é", "re", "red", "\"}"];
    let mut tokens = byte_tokens(longer);
    let special = TokenId(tokens.len() as u32);
    tokens.extend([vec![], vec![]]);
    let end = TokenId(special.0 + 1);
    Vocabulary::from_tokens(VocabularyParts {
        tokens,
        special: vec![("<tool>".into(), special), ("</s>".into(), end)],
        eos: vec![end],
        model_size: Some(300),
    })
    .unwrap()
}

fn pattern(pattern: &str) -> Grammar {
    regex::compile(pattern, Dialect::Ecma262).unwrap()
}

fn json_schema(text: &str) -> Grammar {
    // The escapes are minimal, because every half-read `\u` escape would be another state.
    let options = SchemaOptions::default().whitespace(Whitespace::Compact).escapes(EscapePolicy::Minimal);
    schema::compile(text, &options).unwrap()
}

fn fsm(grammar: &Grammar) -> Result<TokenFsm, EngineError> {
    Constraint::new(grammar, &vocabulary()).unwrap().compile_token_fsm(5_000)
}

/// Checks random walks with the machine as the loop beside a matcher, and returns the machine.
fn check(name: &str, grammar: &Grammar) -> TokenFsm {
    let vocabulary = vocabulary();
    let constraint = Constraint::new(grammar, &vocabulary).unwrap();
    let compiled = constraint.compile_token_fsm(5_000).unwrap_or_else(|e| panic!("{name}: {e}"));
    let read = TokenFsm::from_bytes(&compiled.to_bytes()).unwrap();
    assert_eq!(read, compiled);
    assert_eq!(compiled.vocabulary_fingerprint(), vocabulary.fingerprint());
    let table = compiled.to_table();
    let (mut random, mut matcher) = (Random(1), constraint.matcher());
    let words = vocabulary.size().div_ceil(32);
    for walk in 0..60 {
        matcher.reset();
        let mut state = TokenFsm::START;
        for _ in 0..40 {
            let (mut expected, mut found) = (vec![7; words], vec![7; words]);
            matcher.fill_mask(&mut expected).unwrap();
            // Some masks are asked for before they are shared, and some after.
            let machine = if walk % 2 == 0 { &compiled } else { &read };
            machine.fill_mask(state, &mut found).unwrap();
            assert_eq!(found, expected, "state {state}");
            let mask = machine.mask(state).unwrap();
            assert_eq!(mask.words(), expected);
            assert_eq!(machine.is_accepting(state), matcher.is_accepting());
            assert_eq!(machine.is_stopped(state), matcher.is_stopped());
            for id in (0..vocabulary.size() as u32).map(TokenId) {
                let next = machine.next(state, id);
                assert_eq!(next.is_some(), mask.contains(id), "state {state}, token {id}");
                let class = machine.token_classes()[id.index()] as usize;
                let entry = table[state as usize * machine.class_count() + class];
                assert_eq!(entry, next.unwrap_or(u32::MAX));
            }
            let allowed: Vec<TokenId> = mask.iter().collect();
            let token = allowed[random.below(allowed.len())];
            assert!(matcher.advance(token).unwrap());
            state = machine.next(state, token).unwrap();
        }
    }
    compiled
}

#[test]
fn machines_allow_what_matchers_allow() {
    let cases: Vec<(&str, Grammar)> = vec![
        ("regex", pattern("^(a|b)*abb$")),
        ("counted", pattern("^[a-z]{3,9}(é|1{2,5})$")),
        ("enum", choice::compile(&["red", "green", "blue", "rare", "reddish"]).unwrap()),
        ("number", json_schema(r#"{"type": "integer", "minimum": 5, "maximum": 1200}"#)),
        (
            "schema",
            json_schema(
                r#"{"type": "object", "additionalProperties": false, "required": ["b"], "properties": {
                    "a": {"enum": ["red", null, 12]}, "b": {"type": "boolean"},
                    "c": {"type": "array", "items": {"const": "ab"}, "maxItems": 3},
                    "d": {"type": "string", "maxLength": 4}}}"#,
            ),
        ),
        ("special", {
            let mut builder = GrammarBuilder::new();
            let tool = builder.nodes.special("<tool>");
            let name = builder.nodes.literal(b"abb");
            let call = builder.nodes.seq(tool, name);
            let root = builder.nodes.repeat(call, 0, 3);
            builder.build(root, None).unwrap()
        }),
    ];
    let mut figures = String::new();
    for (name, grammar) in cases {
        let fsm = check(name, &grammar);
        figures += &format!(
            "{name}: {} states, {} classes, {} edges, {} masks, {} bytes\n",
            fsm.state_count(),
            fsm.class_count(),
            fsm.edge_classes().len(),
            fsm.mask_count(),
            fsm.to_bytes().len()
        );
    }
    insta::assert_snapshot!(figures);
}

#[test]
fn machines_are_the_smallest() {
    // The textbook's four states, and the end.
    assert_eq!(fsm(&pattern("^(a|b)*abb$")).unwrap().state_count(), 5);
    // One language has one machine, for every way to write its pattern.
    let spellings = ["^(a|b)(a|b){2}c*$", "^[ab]{3}c*$", "^(a[ab]|b[ab])(a|b)(|cc*)$"];
    let machines: Vec<TokenFsm> = spellings.iter().map(|spelling| fsm(&pattern(spelling)).unwrap()).collect();
    assert!(machines.iter().all(|machine| *machine == machines[0]));
    assert!(machines[0] != fsm(&pattern("^[ab]{3}c+$")).unwrap());
    // Tokens with the same bytes are in one class, and tokens that are allowed nowhere are in class
    // 0.
    let classes = machines[0].token_classes();
    assert_eq!(classes[256], classes[257]);
    // The grammar counts letters and does not tell them apart, so that letters share a class.
    assert!(classes[97] == classes[98] && classes[256] == classes[259] && classes[256] != classes[258]);
    assert!(["z", "true"].iter().all(|text| {
        let token = vocabulary().greedy_tokenize(text.as_bytes()).unwrap()[0];
        classes[token.index()] == 0
    }));
    // A state that does not exist.
    let machine = &machines[0];
    let none = machine.state_count() as u32;
    assert!(machine.next(none, TokenId(97)).is_none() && machine.next(u32::MAX, TokenId(97)).is_none());
    assert!(machine.next(0, TokenId(300)).is_none() && machine.mask(none).is_none());
    assert!(!machine.is_accepting(none) && !machine.is_stopped(u32::MAX));
    let error = machine.fill_mask(none, &mut [0; 10]).unwrap_err().to_string();
    assert_eq!(error, format!("the state machine has {none} states, none of them is number {none}"));
    assert!(matches!(machine.fill_mask(0, &mut [0; 9]), Err(EngineError::MaskLength { given: 9, .. })));
}

#[test]
fn grammars_without_a_machine_are_refused() {
    for grammar in [json_schema("true"), json_schema(r##"{"items": {"$ref": "#"}, "type": "array"}"##)] {
        let error = fsm(&grammar).unwrap_err();
        assert_eq!(error, EngineError::TokenFsmStates { limit: 5_000 });
    }
    let hundred = pattern("^a{100}$");
    let constraint = Constraint::new(&hundred, &vocabulary()).unwrap();
    assert_eq!(constraint.compile_token_fsm(102).unwrap().state_count(), 102);
    let error = constraint.compile_token_fsm(101).unwrap_err();
    insta::assert_snapshot!(error, @"the grammar has more than 101 states over tokens; raise `max_states`, or use a matcher, which finds states as outputs come to them");
    assert!(constraint.compile_token_fsm(0).is_err());
    let small = Limits::default().graph_bytes(10_000);
    let small = Constraint::with_limits(&hundred, &vocabulary(), small).unwrap();
    let refused = small.compile_token_fsm(102).unwrap_err();
    assert!(matches!(refused, EngineError::Limit { field: "graph_bytes", .. }), "{refused}");
}

fn hash(content: &[u8]) -> [u8; 8] {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    content.iter().fold(0xcbf2_9ce4_8422_2325, step).to_le_bytes()
}

#[test]
fn bytes_are_checked() {
    let tokens = [&b"a"[..], b"b", b"ab", b"</s>"].map(|token| token.to_vec()).to_vec();
    let vocabulary = Vocabulary::from_byte_list(tokens).unwrap().with_eos(&[TokenId(3)]).unwrap();
    let machine = Constraint::new(&pattern("^(ab)*$"), &vocabulary).unwrap().compile_token_fsm(9).unwrap();
    let bytes = machine.to_bytes();
    // The format is fixed: a file written today must be readable tomorrow.
    let words: Vec<String> =
        bytes.chunks(4).map(|word| word.iter().map(|b| format!("{b:02x}")).collect()).collect();
    insta::assert_snapshot!(words.join(" "));

    for len in 0..bytes.len() {
        assert!(TokenFsm::from_bytes(&bytes[..len]).is_err(), "the first {len} bytes are accepted");
    }
    let longer = [bytes.clone(), vec![0]].concat();
    assert!(TokenFsm::from_bytes(&longer).is_err());
    let mut errors = std::collections::BTreeSet::new();
    for at in 0..bytes.len() {
        for value in [0, 1, 2, 3, 4, 5, 7, 127, 255] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            if damaged != bytes {
                assert!(TokenFsm::from_bytes(&damaged).is_err(), "byte {at} became {value}");
            }
            // A forged file has the right hash for its damaged content. If it is read, it must be a
            // machine that can be used.
            let content = damaged.len() - 8;
            let right = hash(&damaged[..content]);
            damaged[content..].copy_from_slice(&right);
            match TokenFsm::from_bytes(&damaged) {
                Ok(read) => {
                    for state in 0..read.state_count() as u32 {
                        let mask = read.mask(state).unwrap();
                        assert!(
                            read.is_accepting(state)
                                || read.is_stopped(state)
                                || !read.row_starts().is_empty()
                        );
                        for id in (0..read.token_count() as u32).map(TokenId) {
                            assert_eq!(read.next(state, id).is_some(), mask.contains(id));
                        }
                    }
                    assert_eq!(read.to_table().len(), read.state_count() * read.class_count());
                }
                Err(EngineError::TokenFsmBytes { reason, .. }) => {
                    errors.insert(reason);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    insta::assert_snapshot!(errors.into_iter().collect::<Vec<_>>().join("\n"));
    let mut random = Random(3);
    for len in 0..400 {
        let mut noise: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
        assert!(TokenFsm::from_bytes(&noise).is_err());
        let start = len.min(12);
        noise[..start].copy_from_slice(&bytes[..start]);
        assert!(TokenFsm::from_bytes(&noise).is_err());
    }
}
