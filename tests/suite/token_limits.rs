//! Free text of at most so many tokens, beside the same text without a limit and a count of its
//! tokens.

use crate::support::bytes::{byte_tokens, special_vocabulary};
use crate::support::walk::Random;
use hedgerow::engine::{Constraint, Matcher, TokenFsm};
use hedgerow::vocab::{TokenId, Vocabulary};

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
            // What may come is the rest of an end, cut into tokens in any way.
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
