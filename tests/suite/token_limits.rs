//! Free text of at most so many tokens, beside the same text without a limit and a count of its
//! tokens.

use crate::support::bytes::{byte_tokens, special_vocabulary};
use crate::support::walk::Random;
use hedgerow::engine::{Constraint, Limits, Matcher, TokenFsm};
use hedgerow::grammar::{Expand, GrammarBuilder, GrammarError, NodeId, NodePool, UntilSpec};
use hedgerow::tags::{self, TagOptions};
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};
use std::sync::Arc;

/// Bytes, longer tokens with pieces of ends and characters, and special tokens.
fn vocabulary() -> Vocabulary {
    let longer = ["ab", "a<", "</", "/t>", "</t>", "x</t>", "\u{e9}", "</t", " \u{e9}a", "<t>", "<t>a"];
    special_vocabulary(&longer, &["<|e|>", "<|s|>"], &[])
}

fn constraint(format: &str) -> Constraint {
    let tag = format!(r#"{{"format": {format}}}"#);
    Constraint::structural_tag(&tag, &vocabulary()).unwrap_or_else(|error| panic!("{format}: {error}"))
}

/// The format with a limit in place of `LIMIT`, or without one.
fn with_limit(format: &str, limit: Option<u32>) -> Constraint {
    let field = limit.map_or(String::new(), |limit| format!(r#", "max_tokens": {limit}"#));
    constraint(&format.replace("LIMIT", &field))
}

/// The text of a token, with special tokens by their names.
fn text(vocabulary: &Vocabulary, token: TokenId) -> Vec<u8> {
    match vocabulary.bytes(token) {
        b"" => vocabulary.name(token).unwrap_or_default().as_bytes().to_vec(),
        bytes => bytes.to_vec(),
    }
}

/// A format, the text before its free text, and the ends of it; none if the output may end.
type Row = (&'static str, &'static str, &'static [&'static str]);

const TABLE: &[Row] = &[
    (r#"{"begin": "<t>", "end": "</t>", "content": {"type": "any_text"LIMIT}}"#, "<t>", &["</t>"]),
    (
        r#"{"begin": "<t>", "end": ["</t>", "\n\n"], "content": {"type": "any_text"LIMIT, "role": "reasoning"}}"#,
        "<t>",
        &["</t>", "\n\n"],
    ),
    (
        r#"{"begin": "<t>", "end": "<|e|>", "content": {"type": "any_text"LIMIT, "excludes": ["ba"]}}"#,
        "<t>",
        &["<|e|>"],
    ),
    (r#"{"begin": "<|s|>", "end": "a<|e|>", "content": {"type": "any_text"LIMIT}}"#, "<|s|>", &["a<|e|>"]),
    (r#"{"type": "any_text"LIMIT}"#, "", &[]),
    (
        r#"{"begin": "<t>", "end": "</t>", "content": {"type": "any_text", "max_chars": 9LIMIT}}"#,
        "<t>",
        &["</t>"],
    ),
];

/// The place at which the free text of an output has ended: that of the first end.
fn end_of(output: &[u8], start: usize, ends: &[&str]) -> Option<usize> {
    (start..output.len()).find(|&at| ends.iter().any(|end| output[at..].starts_with(end.as_bytes())))
}

/// Compares the masks of a matcher with its steps.
fn check_mask(matcher: &mut Matcher, vocabulary: &Vocabulary, what: &str) {
    let mask = matcher.mask().unwrap();
    assert!(matcher.is_accepting() || !mask.is_empty(), "a dead end: {what}");
    for token in (0..vocabulary.size() as u32).map(TokenId) {
        let takes = matcher.fork().advance(token).unwrap();
        let ends = vocabulary.eos().contains(&token);
        assert_eq!(mask.contains(token), takes || (ends && matcher.is_accepting()), "{token:?}: {what}");
    }
}

/// A walk by random tokens. Until the limit is reached, the masks are those without a limit. Then
/// only the end may come, once the last character is whole.
fn walk(format: &str, begin: &str, ends: &[&str], limit: u32, random: &mut Random) {
    let vocabulary = vocabulary();
    let (limited, free) = (with_limit(format, Some(limit)), with_limit(format, None));
    let (mut matcher, mut other) = (limited.matcher(), free.matcher());
    let (mut output, mut begun): (Vec<u8>, u32) = Default::default();
    for _ in 0..24 {
        let what = format!("{format}, {limit}: {:?}", String::from_utf8_lossy(&output));
        let in_text = output.len() >= begin.len() && end_of(&output, begin.len(), ends).is_none();
        let is_whole = std::str::from_utf8(&output).is_ok();
        check_mask(&mut matcher, &vocabulary, &what);
        let (mask, all) = (matcher.mask().unwrap(), other.mask().unwrap());
        if !in_text || begun < limit {
            assert!(mask.iter().eq(all.iter()), "{what}");
            assert_eq!(matcher.is_accepting(), other.is_accepting(), "{what}");
        } else if is_whole {
            // The rest of an end may come, cut into tokens in any way.
            for token in mask.iter().filter(|token| !vocabulary.eos().contains(token)) {
                let mut next = output.clone();
                next.extend(text(&vocabulary, token));
                let is_end = |end: &&str| {
                    let from = begin.len()..=output.len();
                    from.rev().any(|at| {
                        let rest = &next[at..];
                        end.as_bytes().starts_with(rest) || rest.starts_with(end.as_bytes())
                    })
                };
                assert!(ends.iter().any(is_end), "{token:?}: {what}");
            }
            assert_eq!(matcher.is_accepting(), ends.is_empty(), "{what}");
        }
        let tokens: Vec<TokenId> = mask.iter().collect();
        let Some(&token) = tokens.get(random.below(tokens.len().max(1))) else { break };
        // A step that is taken back counts no token.
        if random.below(3) == 0 {
            let other = tokens[random.below(tokens.len())];
            assert!(matcher.advance(other).unwrap());
            matcher.rollback(1).unwrap();
        }
        if !matcher.advance(token).unwrap() || vocabulary.eos().contains(&token) {
            break;
        }
        assert!(other.advance(token).unwrap(), "{what}");
        begun += u32::from(in_text);
        output.extend(text(&vocabulary, token));
    }
    let rest = matcher.completion().unwrap().unwrap();
    for token in rest.iter() {
        assert!(matcher.advance(*token).unwrap() && other.advance(*token).unwrap(), "{format}, {limit}");
    }
    assert!(matcher.is_accepting() && other.is_accepting());
}

#[test]
fn texts_end_after_so_many_tokens() {
    let mut random = Random(5);
    for &(format, begin, ends) in TABLE {
        for limit in [1, 2, 3, 5, 8] {
            for _ in 0..4 {
                walk(format, begin, ends, limit, &mut random);
            }
        }
    }
}

/// Outputs of special lengths.
#[test]
fn limits_are_exact() {
    let vocabulary = vocabulary();
    let token = |text: &str| {
        let found = (0..vocabulary.size() as u32).map(TokenId).find(|&token| {
            vocabulary.bytes(token) == text.as_bytes() || vocabulary.name(token) == Some(text)
        });
        found.unwrap_or_else(|| panic!("{text:?} is no token"))
    };
    let reads = |constraint: &Constraint, tokens: &[&str]| {
        let mut matcher = constraint.matcher();
        let read = tokens.iter().take_while(|text| matcher.advance(token(text)).unwrap()).count();
        (read == tokens.len(), read == tokens.len() && matcher.is_accepting())
    };
    let think = with_limit(TABLE[0].0, Some(2));
    let table: [(&[&str], (bool, bool)); 10] = [
        (&["<t>", "</t>"], (true, true)),
        (&["<t>", "ab", "ab", "</t>"], (true, true)),
        (&["<t>", "ab", "ab", "a"], (false, false)),
        (&["<t>", "ab", "a<", "/t>"], (true, true)),
        (&["<t>", "ab", "a<", "</t>"], (false, false)),
        // The first bytes of the text may come with the end of its beginning, and do not count.
        (&["<t>a", "ab", "ab", "</t>"], (true, true)),
        // A token that ends the text may have bytes of it.
        (&["<t>", "ab", "x</t>"], (true, true)),
        (&["<t>", "ab", "ab", "x</t>"], (false, false)),
        (&["<t>", "</", "</", "t", ">"], (true, true)),
        (&["<t>", "</", "a", "t"], (false, false)),
    ];
    for (tokens, expected) in table {
        assert_eq!(reads(&think, tokens), expected, "{tokens:?}");
    }
    let none = with_limit(TABLE[0].0, Some(0));
    assert_eq!(reads(&none, &["<t>", "</t>"]), (true, true));
    assert_eq!(reads(&none, &["<t>", "a"]), (false, false));
    // A limit holds for each text.
    let twice = constraint(
        r#"{"type": "tags_with_separator", "separator": "", "tags": [
            {"begin": "<t>", "end": "</t>", "content": {"type": "any_text", "max_tokens": 1}}]}"#,
    );
    assert_eq!(reads(&twice, &["<t>", "ab", "</t>", "<t>", "ab", "</t>"]), (true, true));
    assert_eq!(reads(&twice, &["<t>", "</t>", "<t>", "ab", "a"]), (false, false));
    // A text may begin at every byte of the one before it.
    let two = constraint(
        r#"{"type": "sequence", "elements": [
            {"type": "any_text", "max_tokens": 2}, {"type": "any_text", "max_tokens": 1}]}"#,
    );
    assert_eq!(reads(&two, &["ab", "ab", "ab"]), (true, true));
    assert_eq!(reads(&two, &["ab", "ab", "ab", "ab"]), (false, false));
    // Bytes that are read without tokens are not counted.
    let mut matcher = think.matcher();
    assert!(matcher.advance_bytes(b"<t>xyz").unwrap());
    assert!(matcher.advance(token("ab")).unwrap() && matcher.advance(token("ab")).unwrap());
    assert!(!matcher.advance(token("ab")).unwrap() && matcher.advance(token("</t>")).unwrap());
    assert!(think.matcher().advance_bytes(b"<t>abcdefg</t>").unwrap());
    let mut reader = think.event_reader().unwrap();
    assert!(reader.advance_bytes(b"<t>abcdefg</t>", &mut Vec::new()).unwrap());
}

/// A state machine over tokens counts as a matcher does.
#[test]
fn state_machines_count_tokens() {
    let constraint = with_limit(TABLE[0].0, Some(3));
    let machine = constraint.compile_token_fsm(100_000).unwrap();
    let vocabulary = vocabulary();
    let mut random = Random(3);
    for _ in 0..20 {
        let (mut matcher, mut state) = (constraint.matcher(), TokenFsm::START);
        for _ in 0..12 {
            let allowed: Vec<TokenId> = matcher.mask().unwrap().iter().collect();
            for token in (0..vocabulary.size() as u32).map(TokenId) {
                assert_eq!(machine.next(state, token).is_some(), allowed.contains(&token));
            }
            let Some(&token) = allowed.get(random.below(allowed.len().max(1))) else { break };
            assert!(matcher.advance(token).unwrap());
            state = machine.next(state, token).unwrap();
        }
    }
}

/// A token may end within a character. The next one then finishes it, and may only go on with the
/// end of the text.
#[test]
fn a_limit_reached_within_a_character_holds() {
    let longer: [&[u8]; 4] = [b"\xa9\xc3", b"\xa9a", b"\xa9<", b"\xa9</t>"];
    let mut tokens = byte_tokens(longer);
    tokens.push(b"</s>".to_vec());
    let end = TokenId(tokens.len() as u32 - 1);
    let vocabulary = Vocabulary::from_byte_list(tokens).unwrap().with_eos(&[end]).unwrap();
    let tag =
        r#"{"format": {"begin": "<t>", "end": "</t>", "content": {"type": "any_text", "max_tokens": 1}}}"#;
    let mut matcher = Constraint::structural_tag(tag, &vocabulary).unwrap().matcher();
    assert!(matcher.advance_bytes(b"<t>").unwrap() && matcher.advance(TokenId(0xc3)).unwrap());
    let mask = matcher.mask().unwrap();
    let allowed: Vec<u32> = mask.iter().map(|token| token.0).collect();
    let expected: Vec<u32> = (0x80..0xc0).chain([258, 259]).collect();
    assert_eq!(allowed, expected);
    check_mask(&mut matcher, &vocabulary, "within a character");
    assert!(matcher.advance(TokenId(0xa9)).unwrap());
    let allowed: Vec<u32> = matcher.mask().unwrap().iter().map(|token| token.0).collect();
    assert_eq!(allowed, [u32::from(b'<')]);
}

/// A text that may begin at every byte has one count, and not one for each token that it may have
/// begun with.
#[test]
fn texts_in_a_row_have_one_count_each() {
    let bytes_after = |tokens: usize| {
        let two = constraint(
            r#"{"type": "sequence", "elements": [
                {"type": "any_text", "max_tokens": 5000},
                {"type": "any_text", "max_tokens": 4000, "excludes": ["no"]}]}"#,
        );
        let mut matcher = two.matcher();
        for _ in 0..tokens {
            assert!(matcher.advance(TokenId(u32::from(b'n'))).unwrap());
        }
        two.stats().bytes
    };
    let (none, few, many) = (bytes_after(0), bytes_after(500), bytes_after(2_000));
    assert!(many - none < 6 * (few - none), "{none}, {few}, {many}");
}

/// Two texts in a row, with one count each, read what two texts read: some first tokens are in the
/// first one.
#[test]
fn counts_that_are_left_out_read_nothing_more() {
    let vocabulary = vocabulary();
    let mut random = Random(11);
    // The second text must not hold `b`, so it is seen where it may have begun.
    let format = |first: u32, second: u32| {
        format!(
            r#"{{"type": "sequence", "elements": [
                {{"type": "any_text", "max_tokens": {first}, "excludes": ["<"]}},
                {{"type": "any_text", "max_tokens": {second}, "excludes": ["b"]}},
                {{"type": "const_string", "value": "!"}}]}}"#
        )
    };
    for _ in 0..200 {
        let (first, second) = (1 + random.below(3), 1 + random.below(3));
        let limited = constraint(&format(first as u32, second as u32));
        let mut matcher = limited.matcher();
        let (mut texts, mut ids): (Vec<Vec<u8>>, Vec<TokenId>) = Default::default();
        for _ in 0..first + second + 2 {
            // A second text of `second` tokens from `begin` on, which may begin within a token. The
            // token in which it begins is one of the first text, unless that is full.
            let splits = (0..=texts.len()).any(|begin| {
                let (before, after) = texts.split_at(begin);
                let holds = |texts: &[Vec<u8>], byte: u8| texts.concat().contains(&byte);
                let inner = |at: usize, text: &[u8]| {
                    let rest = text.len() - at;
                    !text[..at].contains(&b'<') && !text[text.len() - rest..].contains(&b'b')
                };
                let whole = before.len() <= first
                    && after.len() <= second
                    && !holds(before, b'<')
                    && !holds(after, b'b');
                let within = before.len() <= first
                    && after.len() <= second
                    && !holds(after, b'b')
                    && before.split_last().is_some_and(|(last, rest)| {
                        !holds(rest, b'<') && (1..last.len()).any(|at| inner(at, last))
                    });
                whole || within
            });
            let mut end = limited.matcher();
            let read = ids.iter().all(|&id| end.advance(id).unwrap());
            let ends = read && end.advance(TokenId(u32::from(b'!'))).unwrap() && end.is_accepting();
            assert_eq!(ends, splits, "{first}, {second}: {texts:?}");
            let tokens: Vec<TokenId> = matcher
                .mask()
                .unwrap()
                .iter()
                .filter(|&id| {
                    let bytes = vocabulary.bytes(id);
                    !bytes.is_empty() && bytes.iter().all(|byte| b"ab</t> x".contains(byte))
                })
                .collect();
            let Some(&token) = tokens.get(random.below(tokens.len().max(1))) else { break };
            assert!(matcher.advance(token).unwrap());
            ids.push(token);
            texts.push(vocabulary.bytes(token).to_vec());
        }
    }
}

/// A character that must come before the end is one that people read, and that is a token.
#[test]
fn ends_are_texts_that_a_vocabulary_can_spell() {
    let tag = r#"{"format": {"begin": "<", "end": "<|e|>", "content":
        {"type": "any_text", "max_tokens": 1, "excludes": ["x<|e|>"]}}}"#;
    for (without, filler) in [(None, b' '), (Some(b' '), b'\n')] {
        let mut tokens = byte_tokens::<&[u8]>([]);
        if let Some(byte) = without {
            tokens[usize::from(byte)] = b"xyz ".to_vec();
        }
        tokens.push(Vec::new());
        let special = vec![("<|e|>".to_owned(), TokenId(256))];
        let parts = VocabularyParts { tokens, special, ..Default::default() };
        let vocabulary = Vocabulary::from_tokens(parts).unwrap();
        let mut matcher = Constraint::structural_tag(tag, &vocabulary).unwrap().matcher();
        assert!(matcher.advance(TokenId(u32::from(b'<'))).unwrap());
        assert!(matcher.advance(TokenId(u32::from(b'x'))).unwrap());
        let allowed: Vec<u32> = matcher.mask().unwrap().iter().map(|token| token.0).collect();
        assert_eq!(allowed, [u32::from(filler)]);
        assert!(matcher.advance(TokenId(u32::from(filler))).unwrap());
        assert!(matcher.advance(TokenId(256)).unwrap() && matcher.is_accepting());
    }
}

/// A limit may leave only outputs that the vocabulary cannot spell.
#[test]
fn a_limit_may_leave_nothing_to_spell() {
    let tokens = ["<t>", "a", "x</t>"].map(|text| text.as_bytes().to_vec());
    let vocabulary = Vocabulary::from_byte_list(tokens.to_vec()).unwrap();
    let tag = |limit: u32| {
        format!(
            r#"{{"format": {{"begin": "<t>", "end": "</t>", "content": {{"type": "any_text", "max_tokens": {limit}}}}}}}"#
        )
    };
    assert!(Constraint::structural_tag(&tag(1), &vocabulary).is_ok());
    let error = Constraint::structural_tag(&tag(0), &vocabulary).unwrap_err().to_string();
    assert!(error.contains("vocabulary"), "{error}");
}

/// A text is read without a count of tokens, also where the grammar reads whole tokens.
#[test]
fn the_tokens_of_a_text_are_not_counted() {
    let made = constraint(
        r#"{"type": "sequence", "elements": [
            {"begin": "<t>", "end": "</t>", "content": {"type": "any_text", "max_tokens": 1}},
            {"type": "token", "token": "ab"}]}"#,
    );
    let mut matcher = made.matcher();
    assert!(matcher.advance_text(b"<t>abcdefabcdef</t>ab").unwrap() && matcher.is_accepting());
    let steps = matcher.output_len();
    matcher.rollback(steps).unwrap();
    assert!(!matcher.advance_text(b"<t>abcdefabcdef</t>ac").unwrap());
    assert!(matcher.advance_text(b"<t>abab").unwrap());
    // The tokens that follow are counted.
    assert!(matcher.advance(TokenId(u32::from(b'a'))).unwrap());
    assert!(!matcher.fork().advance(TokenId(u32::from(b'a'))).unwrap());
    let mut limits = Limits::default();
    limits.graph_bytes = 1;
    let tag = r#"{"format": {"type": "sequence", "elements": [
        {"begin": "<t>", "end": "</t>", "content": {"type": "any_text", "max_tokens": 1}},
        {"type": "token", "token": "ab"}]}}"#;
    let grammar = tags::compile(&tags::parse(tag).unwrap(), &TagOptions::default()).unwrap();
    // An output that is read again, in another graph, keeps its counts.
    let small = Constraint::with_limits(&grammar, &vocabulary(), limits).unwrap();
    let mut matcher = small.matcher();
    assert!(matcher.advance_text(b"<t>ababab").unwrap());
    assert!(matcher.advance(TokenId(u32::from(b'a'))).unwrap());
    assert!(!matcher.advance(TokenId(u32::from(b'a'))).unwrap());
    assert!(matcher.advance_text(b"</t>ab").unwrap() && matcher.is_accepting());
}

/// A part that is expanded while an output is read.
struct Late;

impl Expand for Late {
    fn expand(&self, _: u64, nodes: &mut NodePool) -> Result<NodeId, GrammarError> {
        let mut spec = UntilSpec { may_end: false, ..UntilSpec::text() }.trigger("</t>", NodeId::EMPTY);
        spec.max_tokens = 2;
        Ok(nodes.until(spec).unwrap_or(NodeId::NEVER))
    }
}

/// A limit holds in a part that is expanded while an output is read.
#[test]
fn limits_of_late_parts_hold() {
    let mut builder = GrammarBuilder::new();
    let (open, late) = (builder.nodes.literal(b"<t>"), builder.nodes.lazy(0));
    let root = builder.nodes.seq(open, late);
    let grammar = builder.build(root, Some(Arc::new(Late))).unwrap();
    let made = Constraint::new(&grammar, &vocabulary()).unwrap();
    let direct = with_limit(TABLE[0].0, Some(2));
    let machine = made.compile_token_fsm(1_000).unwrap();
    let mut random = Random(17);
    for _ in 0..50 {
        let (mut a, mut b, mut state) = (made.matcher(), direct.matcher(), TokenFsm::START);
        for _ in 0..10 {
            let allowed: Vec<TokenId> = b.mask().unwrap().iter().collect();
            assert!(a.mask().unwrap().iter().eq(allowed.iter().copied()));
            let Some(&token) = allowed.get(random.below(allowed.len().max(1))) else { break };
            assert!(a.advance(token).unwrap() && b.advance(token).unwrap());
            state = machine.next(state, token).unwrap();
        }
    }
}
