//! Regular languages that are hard to decide: patterns with assertions and counts, and schemas
//! whose strings and numbers meet several conditions at once.
//!
//! A pattern is read or refused with a limit, and an accepted schema never ends in an error midway.
//! No time is asserted: another order of growth shows as a test that does not end.

use crate::support::bytes::byte_vocabulary;
use crate::support::walk::{Random, walk};
use hedgerow::engine::Constraint;
use hedgerow::schema::{self, SchemaOptions};
use hedgerow::syntax::regex::{self, Dialect};

/// Assertions inside of counts and beside large counts. Each pattern is read like a plain one, or
/// matches nothing.
#[test]
fn assertions_beside_counts() {
    use Dialect::{Ecma262, Rust};
    let vocabulary = byte_vocabulary(&["aaaaaaaa", "ab", "x1"]);
    let many = |text: &str| text.repeat(100);
    let loop_of = |count: u32, body: &str| format!("^(?:{body}){{{count}}}$");
    type Case<'a> = (Dialect, String, Vec<String>, Vec<String>);
    let table: Vec<Case<'_>> = vec![
        (
            Ecma262,
            loop_of(100, r"[a-z]+1|(?!x)\p{L}*?"),
            vec![many("x1"), many("é") + "x1", String::new()],
            vec!["1".into()],
        ),
        (
            Ecma262,
            loop_of(100, r"[a-z]+\d{2,5}|(?!x)\p{L}*?"),
            vec!["x12345b".repeat(50)],
            vec!["x1".into(), "x".into()],
        ),
        (
            Ecma262,
            loop_of(1_000, r"[a-z]+1|(?!x)\p{L}*?"),
            vec![many("x1"), String::new()],
            vec!["1".into(), many("x1") + "x"],
        ),
        (Ecma262, loop_of(100, r"[z]+\d{2,5}|(?!x)\p{L}*?"), vec!["z77".into(), many("q")], vec!["x".into()]),
        (Ecma262, r"^(?:(?!\.\.)[\w.]){1,253}$".into(), vec![many("a.")[..200].into()], vec!["a..b".into()]),
        (
            Ecma262,
            loop_of(1_000, r"(?!ab)[a-z]"),
            vec![many("babbbccccc").replace("ab", "cb")],
            vec![many("b")],
        ),
        (
            Ecma262,
            loop_of(100, r"(?!ab)[a-z]"),
            vec![many("b"), many("c")],
            vec![many("b") + "b", "ab".into()],
        ),
        (
            Ecma262,
            loop_of(100_000, r"[a-z]+1|(?!x)\p{L}*?"),
            vec![many("x1"), String::new()],
            vec!["1".into(), many("x1") + "x"],
        ),
        (Ecma262, loop_of(4_000_000_000, r"[a-z]+1|(?!x)\p{L}*?"), vec![many("x1")], vec!["x".into()]),
        (
            Ecma262,
            r"^((\w+ab(?=[0-9]a|\w{3}))*[0-9]{2,2}1|[^/]{3,128}){0,20}é\w{1,3}$".into(),
            vec!["é1".into(), "xab121éa".into(), many("x") + "é1", "//é1".replace('/', "xab121")],
            vec!["//é1".into(), "xab12".into(), "xab121".into()],
        ),
        (
            Ecma262,
            r"^((a(?!b)|ba?){0,10}c(?=[ad]|$)){3,20}d?$".into(),
            vec!["acacac".into(), "bababcaacacd".into(), "ac".repeat(20)],
            vec!["ccc".into(), "acac".into(), "abcacac".into(), "ac".repeat(21)],
        ),
        (
            Ecma262,
            r"^(x?(?=y)|y){1000,1002}z$".into(),
            vec!["yyz".into(), "xyyz".into(), "y".repeat(1_002) + "z"],
            vec!["z".into(), "xz".into(), "y".repeat(1_003) + "z"],
        ),
        (Ecma262, loop_of(40, r"\b[a-z]+\b ?"), vec!["a bc ".repeat(20)], vec!["a b ".repeat(21)]),
        (
            Ecma262,
            r"(a|F{0,65535}600}?(?<n>x)\bfoob)*cnot{3z]-z]".into(),
            vec!["aacnot{3z]-z]".into()],
            vec!["F600}xfoob".into()],
        ),
        (
            Ecma262,
            r"a{0,65535}\b!b{0,65535}".into(),
            vec![many("a") + "!" + &many("b")],
            vec!["!".into(), "b!".into()],
        ),
        (Ecma262, r"[a ]{0,65535}\bc".into(), vec!["c".into(), many(" a ") + "c"], vec!["ac".into()]),
        (Rust, r"a{0,65535}\bb".into(), vec!["b".into()], vec!["ab".into(), "a".into()]),
        (
            Rust,
            r"(?i)I\wF600}?(?<n>x{00,65535})\bfo".into(),
            vec!["ixf600}fo".into()],
            vec!["ixf600xfo".into()],
        ),
        (
            Rust,
            r"(?:é|-){5,65535}\b(?:-b)?".into(),
            vec![many("é"), many("-é") + "-b"],
            vec![many("-"), "é".into()],
        ),
    ];
    for (dialect, pattern, words, others) in table {
        let grammar = match regex::compile(&pattern, dialect) {
            Ok(grammar) => grammar,
            Err(error) => {
                assert!(words.is_empty(), "{pattern}: {error}");
                continue;
            }
        };
        let constraint = Constraint::new(&grammar, &vocabulary).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        let accepts = |text: &str| {
            let mut matcher = constraint.matcher();
            matcher.mask().unwrap();
            let read = matcher.advance_bytes(text.as_bytes()).unwrap();
            matcher.mask().unwrap();
            read && matcher.is_accepting()
        };
        words.iter().for_each(|word| assert!(accepts(word), "{pattern} refuses {word}"));
        others.iter().for_each(|word| assert!(!accepts(word), "{pattern} accepts {word}"));
    }
    for pattern in
        [r"(tru?(true?x){0,65535}\b)b", r"7u{01000000000}?(?<n>x)\bfoo", r"\u{1F600}?{0,65535}(?<n>x)\bfoo"]
    {
        assert!(regex::compile(pattern, Rust).is_err(), "no text matches {pattern}");
    }
    // The class after the lookahead has words of any length, and none that begins as it demands.
    for pattern in [r"^\s{2,40}(?=foo|b)[c-d]+$", r"^[\s\x00]{2,99}(?=foo|b)[é-ü]+$"] {
        assert!(regex::compile(pattern, Ecma262).is_err(), "no text matches {pattern}");
    }
}

/// Intersections with many states. An accepted schema carries every output to its end.
#[test]
fn every_output_reaches_its_end() {
    let vocabulary = byte_vocabulary(&[
        "00", "123456", "aaaa", "foo", " bar", "\\u00", "((((", "(?<", "){1,", "[a-", "Z\"",
    ]);
    type Judge = fn(&serde_json::Value) -> bool;
    let words = ["foo", "bar", "baz", "qux", "word"];
    let word_patterns =
        |edge: &str| words.map(|word| format!(r#"{{"pattern":"{edge}{word}{edge}"}}"#)).join(",");
    let table: Vec<(String, Judge)> = vec![
        (r#"{"type":"integer","multipleOf":1009,"minimum":0,"maximum":1000000000000}"#.into(), |v| {
            v.as_i64().is_some_and(|n| n % 1009 == 0 && (0..=1_000_000_000_000).contains(&n))
        }),
        (
            r#"{"type":"integer","multipleOf":10007,"minimum":-12345678,"maximum":1000000000000}"#.into(),
            |v| v.as_i64().is_some_and(|n| n % 10007 == 0 && (-12_345_678..=1_000_000_000_000).contains(&n)),
        ),
        (
            r#"{"type":"integer","minimum":0,"maximum":99999999,"not":{"multipleOf":17},
                "allOf":[{"multipleOf":7},{"multipleOf":11},{"multipleOf":13}]}"#
                .into(),
            |v| v.as_i64().is_some_and(|n| n % 1001 == 0 && n % 17 != 0 && (0..=99_999_999).contains(&n)),
        ),
        (
            r#"{"type":"string","pattern":"^(?=.*a)(?=.*b)(?=.*c)(?=.*d)(?=.*e)(?=.*f).{8,64}$"}"#.into(),
            |v| {
                v.as_str().is_some_and(|s| "abcdef".chars().all(|c| s.contains(c)) && s.chars().count() <= 64)
            },
        ),
        (format!(r#"{{"type":"string","maxLength":200,"allOf":[{}]}}"#, word_patterns("")), |v| {
            v.as_str().is_some_and(|s| ["foo", "bar", "baz", "qux", "word"].iter().all(|w| s.contains(w)))
        }),
        (format!(r#"{{"type":"string","maxLength":60,"allOf":[{}]}}"#, word_patterns(r"\\b")), |v| {
            v.as_str().is_some_and(|s| s.chars().count() <= 60 && s.contains("word"))
        }),
        (
            r#"{"type":"array","items":{"type":"string","maxLength":64,"format":"regex"},"maxItems":3}"#
                .into(),
            |v| v.is_array(),
        ),
        (r#"{"type":"string","maxLength":20,"format":"regex"}"#.into(), |v| v.is_string()),
        (r#"{"type":"string","maxLength":200,"format":"regex"}"#.into(), |v| v.is_string()),
        (r#"{"type":"string","format":"hostname","not":{"pattern":"1"},"maxLength":60}"#.into(), |v| {
            v.as_str().is_some_and(|s| s.len() <= 60 && !s.contains('1'))
        }),
        (r#"{"type":"string","format":"email","minLength":12,"maxLength":30}"#.into(), |v| {
            v.as_str().is_some_and(|s| (12..=30).contains(&s.len()))
        }),
        (r#"{"type":"string","minLength":30,"format":"regex"}"#.into(), |v| v.is_string()),
        (r#"{"type":"string","format":"time","pattern":"\\S"}"#.into(), |v| v.is_string()),
        (r#"{"type":"string","format":"date-time","pattern":"Z$","maxLength":24}"#.into(), |v| {
            v.as_str().is_some_and(|s| s.ends_with('Z') && s.len() <= 24)
        }),
        (
            r#"{"type":"string","pattern":"^(..)*$","not":{"pattern":"a"},"minLength":7,"maxLength":9}"#
                .into(),
            |v| v.as_str().is_some_and(|s| s.chars().count() == 8 && !s.contains('a')),
        ),
    ];
    for (schema, judge) in table {
        let grammar =
            schema::compile(&schema, &SchemaOptions::default()).unwrap_or_else(|e| panic!("{schema}: {e}"));
        let constraint = Constraint::new(&grammar, &vocabulary).unwrap_or_else(|e| panic!("{schema}: {e}"));
        let mut random = Random(7);
        for _ in 0..12 {
            let mut matcher = constraint.matcher();
            match walk(&mut matcher, &vocabulary, &mut random) {
                Err(error) => panic!("{schema}: {error}"),
                Ok(Some(output)) => {
                    let value =
                        serde_json::from_str(&output).unwrap_or_else(|e| panic!("{schema}: {output}: {e}"));
                    assert!(judge(&value), "{schema}: {output}");
                }
                Ok(None) => {}
            }
        }
    }
}
