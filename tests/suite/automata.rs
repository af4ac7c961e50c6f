//! Regular languages compared with judges that share no code with them.
//!
//! Random expressions are compared, state by state, with a naive matcher over sets of positions.
//! Plain patterns are compared with the dense automata of `regex-automata`, and JSON spellings with
//! `serde_json`. A state must be dead exactly when no word is left. Therefore each word that the
//! pool finds is judged, and the prefixes of every short word that a judge accepts must be alive.
//!
//! `HEDGEROW_CASES` sets the number of random cases (default 256); the seed is fixed.

use hedgerow::automata::regex::{Anchoring, Dialect, compile};
use hedgerow::automata::{Escapes, ExprPool, LangId, UNBOUNDED};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Instant;

use crate::support::files;

const ALPHABET: [char; 5] = ['a', 'b', '1', 'é', '😀'];

/// A random expression.
#[derive(Clone, Debug)]
enum Tree {
    Char(char),
    /// A set of characters: bit `i` is for `ALPHABET[i]`.
    Class(u8),
    /// All characters but those of the set.
    NotClass(u8),
    Concat(Vec<Tree>),
    Alt(Vec<Tree>),
    Repeat(Box<Tree>, u32, u32),
    And(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
    Start,
    End,
    /// `\b` if true, `\B` if false.
    Boundary(bool),
    /// `(?=…)` if true, `(?!…)` if false.
    Ahead(bool, Box<Tree>),
    Behind(bool, Box<Tree>),
}

fn class_chars(bits: u8) -> impl Iterator<Item = char> {
    ALPHABET.into_iter().enumerate().filter(move |(i, _)| bits >> i & 1 == 1).map(|(_, c)| c)
}

// The naive judge.

/// The positions at which a match that starts at `at` may end.
fn ends(tree: &Tree, text: &[char], at: usize) -> BTreeSet<usize> {
    let one = |holds: bool| if holds { BTreeSet::from([at + 1]) } else { BTreeSet::new() };
    let here = |holds: bool| if holds { BTreeSet::from([at]) } else { BTreeSet::new() };
    let word = |i: Option<usize>| {
        i.and_then(|i| text.get(i)).is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_')
    };
    match tree {
        Tree::Char(c) => one(text.get(at) == Some(c)),
        Tree::Class(bits) => one(text.get(at).is_some_and(|c| class_chars(*bits).any(|x| x == *c))),
        Tree::NotClass(bits) => one(text.get(at).is_some_and(|c| class_chars(*bits).all(|x| x != *c))),
        Tree::Concat(parts) => parts.iter().fold(BTreeSet::from([at]), |from, part| {
            from.into_iter().flat_map(|at| ends(part, text, at)).collect()
        }),
        Tree::Alt(parts) => parts.iter().flat_map(|part| ends(part, text, at)).collect(),
        Tree::Repeat(body, min, max) => {
            let step = |from: &BTreeSet<usize>| -> BTreeSet<usize> {
                from.iter().flat_map(|&at| ends(body, text, at)).collect()
            };
            let mut now = BTreeSet::from([at]);
            for _ in 0..*min {
                now = step(&now);
            }
            let mut all = now.clone();
            // More rounds than there are characters left add nothing.
            for _ in *min..(*max).min(*min + text.len() as u32 + 1) {
                now = step(&now);
                all.extend(&now);
            }
            all
        }
        Tree::And(a, b) => ends(a, text, at).intersection(&ends(b, text, at)).copied().collect(),
        Tree::Not(a) => {
            let not = ends(a, text, at);
            (at..=text.len()).filter(|end| !not.contains(end)).collect()
        }
        Tree::Start => here(at == 0),
        Tree::End => here(at == text.len()),
        Tree::Boundary(sign) => here((word(at.checked_sub(1)) != word(Some(at))) == *sign),
        Tree::Ahead(sign, body) => here(ends(body, text, at).is_empty() != *sign),
        Tree::Behind(sign, body) => {
            // A lookbehind sees only the text before `at`.
            here((0..=at).any(|from| ends(body, &text[..at], from).contains(&at)) == *sign)
        }
    }
}

fn matches(tree: &Tree, text: &str, anchoring: Anchoring) -> bool {
    let text: Vec<char> = text.chars().collect();
    match anchoring {
        Anchoring::Full => ends(tree, &text, 0).contains(&text.len()),
        Anchoring::Search => (0..=text.len()).any(|at| !ends(tree, &text, at).is_empty()),
    }
}

// The same expression as a language and as a pattern.

fn language(pool: &mut ExprPool, tree: &Tree) -> LangId {
    match tree {
        Tree::Char(c) => pool.bytes(c.to_string().as_bytes()),
        Tree::Class(bits) => {
            let ranges: Vec<(u32, u32)> = class_chars(*bits).map(|c| (c as u32, c as u32)).collect();
            let mut ranges = ranges;
            ranges.sort_unstable();
            pool.char_class(&ranges)
        }
        Tree::NotClass(bits) => {
            let mut excluded: Vec<u32> = class_chars(*bits).map(u32::from).collect();
            excluded.sort_unstable();
            let mut ranges = Vec::new();
            let mut from = 0;
            for c in excluded {
                if from < c {
                    ranges.push((from, c - 1));
                }
                from = c + 1;
            }
            ranges.push((from, 0x10_ffff));
            pool.char_class(&ranges)
        }
        Tree::Concat(parts) => {
            let parts: Vec<LangId> = parts.iter().map(|p| language(pool, p)).collect();
            pool.sequence(&parts)
        }
        Tree::Alt(parts) => {
            let parts: Vec<LangId> = parts.iter().map(|p| language(pool, p)).collect();
            pool.union(&parts)
        }
        Tree::Repeat(body, min, max) => {
            let body = language(pool, body);
            pool.repeat(body, *min, *max)
        }
        Tree::And(a, b) => {
            let (a, b) = (language(pool, a), language(pool, b));
            pool.inter(&[a, b])
        }
        Tree::Not(a) => {
            let (a, text) = (language(pool, a), pool.any_text());
            let not = pool.not(a);
            pool.inter(&[text, not])
        }
        assertion => unreachable!("{assertion:?} is no language"),
    }
}

fn pattern(tree: &Tree) -> String {
    match tree {
        Tree::Char(c) => c.to_string(),
        Tree::Class(bits) => format!("[{}]", class_chars(*bits).collect::<String>()),
        Tree::NotClass(bits) => format!("[^{}]", class_chars(*bits).collect::<String>()),
        Tree::Concat(parts) => parts.iter().map(pattern).collect(),
        Tree::Alt(parts) => format!("(?:{})", parts.iter().map(pattern).collect::<Vec<_>>().join("|")),
        Tree::Repeat(body, min, UNBOUNDED) => format!("(?:{}){{{min},}}", pattern(body)),
        Tree::Repeat(body, min, max) => format!("(?:{}){{{min},{max}}}", pattern(body)),
        Tree::And(..) | Tree::Not(_) => unreachable!("no pattern says {tree:?}"),
        Tree::Start => "^".to_owned(),
        Tree::End => "$".to_owned(),
        Tree::Boundary(sign) => if *sign { r"\b" } else { r"\B" }.to_owned(),
        Tree::Ahead(sign, body) => format!("(?{}{})", if *sign { '=' } else { '!' }, pattern(body)),
        Tree::Behind(sign, body) => format!("(?<{}{})", if *sign { '=' } else { '!' }, pattern(body)),
    }
}

// Strategies.

#[derive(Clone, Copy)]
enum Kind {
    /// The syntax that every regex engine knows.
    Plain,
    /// Intersection and complement, too.
    Boolean,
    /// Anchors, boundaries and lookaround, too.
    Assertions,
}

fn trees(kind: Kind) -> BoxedStrategy<Tree> {
    let leaf = prop_oneof![
        6 => prop::sample::select(&ALPHABET[..]).prop_map(Tree::Char),
        2 => (1u8..32).prop_map(Tree::Class),
        1 => (1u8..32).prop_map(Tree::NotClass),
    ];
    let leaf = match kind {
        Kind::Assertions => prop_oneof![
            6 => leaf,
            1 => Just(Tree::Start),
            1 => Just(Tree::End),
            1 => any::<bool>().prop_map(Tree::Boundary),
        ]
        .boxed(),
        _ => leaf.boxed(),
    };
    let looks_back = trees_behind();
    leaf.prop_recursive(4, 14, 3, move |inner| {
        let counts = prop_oneof![
            Just((0, UNBOUNDED)),
            Just((1, UNBOUNDED)),
            Just((0, 1)),
            (0u32..3, 0u32..4).prop_map(|(a, b)| (a.min(b), a.max(b))),
            (1u32..3).prop_map(|n| (n, UNBOUNDED)),
        ];
        let common = prop_oneof![
            3 => prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::Concat),
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::Alt),
            3 => (inner.clone(), counts).prop_map(|(t, (min, max))| Tree::Repeat(Box::new(t), min, max)),
        ];
        match kind {
            Kind::Plain => common.boxed(),
            Kind::Boolean => prop_oneof![
                4 => common,
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| Tree::And(Box::new(a), Box::new(b))),
                1 => inner.prop_map(|t| Tree::Not(Box::new(t))),
            ]
            .boxed(),
            Kind::Assertions => prop_oneof![
                5 => common,
                1 => (any::<bool>(), inner).prop_map(|(s, t)| Tree::Ahead(s, Box::new(t))),
                1 => (any::<bool>(), looks_back.clone()).prop_map(|(s, t)| Tree::Behind(s, Box::new(t))),
            ]
            .boxed(),
        }
    })
    .boxed()
}

/// Expressions for the inside of a lookbehind, which may hold no lookahead.
fn trees_behind() -> BoxedStrategy<Tree> {
    let leaf = prop_oneof![
        5 => prop::sample::select(&ALPHABET[..]).prop_map(Tree::Char),
        2 => (1u8..32).prop_map(Tree::Class),
        1 => Just(Tree::Start),
    ];
    leaf.prop_recursive(2, 5, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Tree::Concat),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Tree::Alt),
            inner.clone().prop_map(|t| Tree::Repeat(Box::new(t), 0, UNBOUNDED)),
            (any::<bool>(), inner).prop_map(|(s, t)| Tree::Behind(s, Box::new(t))),
        ]
    })
    .boxed()
}

fn words() -> impl Strategy<Value = Vec<String>> {
    let word = prop::collection::vec(prop::sample::select(&ALPHABET[..]), 0..8)
        .prop_map(|chars| chars.into_iter().collect::<String>());
    prop::collection::vec(word, 30)
}

fn short_words() -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..3 {
        last = last.iter().flat_map(|w| ALPHABET.iter().map(move |c| format!("{w}{c}"))).collect();
        all.extend(last.iter().cloned());
    }
    all
}

fn check<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let cases = std::env::var("HEDGEROW_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng).run(&strategy, test).unwrap_or_else(|e| panic!("{e}"));
}

// Judging.

/// The rest of some word from `id` on, found by breadth-first search over all bytes. `\u` escapes
/// come last, because there are very many of them.
fn completion(pool: &mut ExprPool, id: LangId) -> Option<Vec<u8>> {
    search(pool, id, false).or_else(|| search(pool, id, true))
}

fn search(pool: &mut ExprPool, id: LangId, unicode_escapes: bool) -> Option<Vec<u8>> {
    let mut seen = HashSet::from([id]);
    let mut queue = VecDeque::from([(id, Vec::new())]);
    while let Some((state, word)) = queue.pop_front() {
        if pool.is_nullable(state) {
            return Some(word);
        }
        if seen.len() > 20_000 {
            return None;
        }
        let bytes = pool.byte_classes(state).representatives().to_vec();
        for byte in bytes {
            if !unicode_escapes && byte == b'u' && word.last() == Some(&b'\\') {
                continue;
            }
            let next = pool.step(state, byte);
            if next != LangId::NEVER && seen.insert(next) {
                let mut word = word.clone();
                word.push(byte);
                queue.push_back((next, word));
            }
        }
    }
    None
}

/// Checks that the language agrees with the judge on `words`, and that each of their prefixes is
/// alive exactly when the rest of a word can be found.
fn agrees(
    pool: &mut ExprPool,
    id: LangId,
    words: &[String],
    judge: &dyn Fn(&str) -> bool,
) -> Result<(), TestCaseError> {
    for word in words {
        let expected = judge(word);
        prop_assert_eq!(pool.accepts(id, word.as_bytes()), expected, "{:?}", word);
        let mut state = if pool.is_never(id) { LangId::NEVER } else { id };
        for (i, &byte) in word.as_bytes().iter().enumerate() {
            let next = pool.step(state, byte);
            prop_assert!(!expected || next != LangId::NEVER, "{:?} dies after {} bytes", word, i + 1);
            state = next;
        }
        if state != LangId::NEVER && !expected {
            let rest = completion(pool, state);
            prop_assert!(rest.is_some(), "a dead end after {:?}", word);
            let whole = [word.as_bytes(), &rest.unwrap_or_default()].concat();
            let whole = String::from_utf8(whole);
            prop_assert!(whole.as_ref().is_ok_and(|w| judge(w)), "{:?} is no word", whole);
        }
    }
    prop_assert!(!pool.exhausted());
    Ok(())
}

#[test]
fn boolean_expressions_agree_with_the_naive_matcher() {
    check((trees(Kind::Boolean), words()), |(tree, words)| {
        let mut pool = ExprPool::new();
        let id = language(&mut pool, &tree);
        agrees(&mut pool, id, &short_words(), &|w| matches(&tree, w, Anchoring::Full))?;
        agrees(&mut pool, id, &words, &|w| matches(&tree, w, Anchoring::Full))
    });
}

#[test]
fn assertions_agree_with_the_naive_matcher() {
    check((trees(Kind::Assertions), words()), |(tree, words)| {
        for anchoring in [Anchoring::Full, Anchoring::Search] {
            let mut pool = ExprPool::new();
            let text = pattern(&tree);
            let id = match compile(&mut pool, &text, Dialect::Ecma262, anchoring) {
                Ok(id) => id,
                Err(error) => {
                    prop_assert!(error.to_string().contains("need more than"), "{}", error);
                    continue;
                }
            };
            agrees(&mut pool, id, &short_words(), &|w| matches(&tree, w, anchoring))
                .and_then(|()| agrees(&mut pool, id, &words, &|w| matches(&tree, w, anchoring)))
                .map_err(|e| TestCaseError::fail(format!("{text} {anchoring:?}: {e}")))?;
        }
        Ok(())
    });
}

#[test]
fn plain_patterns_step_like_a_dense_automaton() {
    use regex_automata::dfa::{Automaton, StartKind, dense};
    use regex_automata::{Anchored, Input};
    let bytes = prop::collection::vec(prop_oneof![4 => Just(0u8), 1 => any::<u8>()], 0..10);
    let bytes = prop::collection::vec(bytes, 10);
    check((trees(Kind::Plain), words(), bytes), |(tree, words, noise)| {
        let text = pattern(&tree);
        let dfa = dense::Builder::new()
            .configure(dense::Config::new().start_kind(StartKind::Anchored).minimize(true))
            .configure(dense::Config::new().match_kind(regex_automata::MatchKind::All))
            .build(&format!("^(?:{text})$"))
            .map_err(|e| TestCaseError::fail(e.to_string()))?;
        for dialect in [Dialect::Ecma262, Dialect::Rust] {
            let mut pool = ExprPool::new();
            let id = compile(&mut pool, &text, dialect, Anchoring::Full)
                .map_err(|e| TestCaseError::fail(e.to_string()))?;
            // Words of the alphabet, some with arbitrary bytes in place of their own.
            let mixed = words.iter().zip(noise.iter().cycle()).map(|(word, noise)| {
                let mut bytes = word.clone().into_bytes();
                for (b, n) in bytes.iter_mut().zip(noise) {
                    *b = if *n == 0 { *b } else { *n };
                }
                bytes
            });
            let mixed: Vec<Vec<u8>> = mixed.collect();
            for bytes in mixed.iter().map(Vec::as_slice).chain(words.iter().map(|w| w.as_bytes())) {
                let mut ours = id;
                let input = Input::new(bytes).anchored(Anchored::Yes);
                let mut theirs = dfa.start_state_forward(&input).expect("no quit bytes");
                for i in 0..=bytes.len() {
                    let dead = dfa.is_dead_state(theirs);
                    prop_assert_eq!(ours == LangId::NEVER, dead, "{} after {:?}", text, &bytes[..i]);
                    let accepts = dfa.is_match_state(dfa.next_eoi_state(theirs));
                    prop_assert_eq!(pool.is_nullable(ours), accepts, "{} at {:?}", text, &bytes[..i]);
                    if let Some(&byte) = bytes.get(i) {
                        ours = pool.step(ours, byte);
                        theirs = dfa.next_state(theirs, byte);
                    }
                }
            }
        }
        Ok(())
    });
}

/// Spells `text` as a JSON string. Each character takes its spelling from `choices`.
fn spell(text: &str, choices: &[u8]) -> String {
    let mut out = String::from('"');
    for (i, c) in text.chars().enumerate() {
        let choice = choices.get(i % choices.len().max(1)).copied().unwrap_or(0);
        let mut units = [0u16; 2];
        match (choice % 3, c) {
            (0, _) => out.push(c),
            (n, _) => {
                for unit in c.encode_utf16(&mut units) {
                    let hex = if n == 1 { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
                    out.push_str(&hex);
                }
            }
        }
    }
    out.push('"');
    out
}

#[test]
fn json_spellings_agree_with_serde_json() {
    let damage = prop::option::weighted(0.5, (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()));
    let spelt = prop::collection::vec((prop::collection::vec(any::<u8>(), 1..8), damage), 30);
    check((trees(Kind::Boolean), words(), spelt), |(tree, words, spelt)| {
        let mut pool = ExprPool::new();
        let inner = language(&mut pool, &tree);
        let id = pool.json_string(inner, Escapes::Any);
        let judge = |bytes: &[u8]| {
            let quoted = bytes.len() >= 2 && bytes.starts_with(b"\"") && bytes.ends_with(b"\"");
            quoted
                && serde_json::from_slice::<String>(bytes)
                    .is_ok_and(|text| matches(&tree, &text, Anchoring::Full))
        };
        for (word, (choices, damage)) in words.iter().zip(&spelt) {
            let mut bytes = spell(word, choices).into_bytes();
            if let Some((at, byte, insert)) = damage {
                let at = at.index(bytes.len());
                let specials = b"\"\\u09afAFdDnrt/\x00\x1f\x7f";
                let byte = if *byte < 128 { specials[usize::from(*byte) % specials.len()] } else { *byte };
                if *insert {
                    bytes.insert(at, byte);
                } else {
                    bytes[at] = byte;
                }
            }
            let expected = judge(&bytes);
            prop_assert_eq!(pool.accepts(id, &bytes), expected, "{}", bytes.escape_ascii());
            let state = pool.step_bytes(id, &bytes);
            if state != LangId::NEVER && !expected {
                let rest = completion(&mut pool, state);
                prop_assert!(rest.is_some(), "a dead end after {}", bytes.escape_ascii());
                let whole = [bytes, rest.unwrap_or_default()].concat();
                prop_assert!(judge(&whole), "{} is no word", whole.escape_ascii());
            }
        }
        Ok(())
    });
}

// Sizes.

/// A run of one class and bounds on its length together are one counted run.
#[test]
fn bounded_runs_are_counted_runs() {
    let table = [
        ("[a-z]*", 0, 8, "[a-z]{0,8}"),
        ("[a-z]+", 3, 8, "[a-z]{3,8}"),
        ("[a-z]{2,5}", 0, 8, "[a-z]{2,5}"),
        ("[\u{e9}a]{2,}", 1, 2, "[\u{e9}a]{2}"),
        ("[a-z]{6,}", 0, 5, "[]"),
        ("[a-z]{2,}", 0, 1, "[]"),
        ("[a-z]*", 0, 0, ""),
    ];
    for (pattern, least, most, expected) in table {
        let mut pool = ExprPool::new();
        let mut full = |pattern| compile(&mut pool, pattern, Dialect::Ecma262, Anchoring::Full).unwrap();
        let (run, expected) = (full(pattern), full(expected));
        let character = pool.char_class(&[(0, 0x10_ffff)]);
        let length = pool.repeat(character, least, most);
        assert_eq!(pool.inter(&[run, length]), expected, "{pattern} of {least} to {most}");
    }
}

#[test]
fn hostile_patterns_stay_small() {
    let words: String = (0..100).map(|i| format!("word{}", i * 7919 % 1000)).collect::<Vec<_>>().join("|");
    let nested = format!("{}a{}", "(?:".repeat(249), "b)*".repeat(249));
    let stacked = format!("{}a{}", "(?:".repeat(200), "?){1,9}".repeat(200));
    let optional = format!("^{}{}$", "a?".repeat(3000), "a".repeat(3000));
    let classes = "[ab][cd]".repeat(50_000);
    let alternatives = format!("^(?:{classes}x|{classes}y)$");
    let table: &[(&str, &str, usize)] = &[
        ("^(a|ab){1,1000}$", "a", 2_000),
        ("^(a|ab|b){1,1000}$", "ab", 3_000),
        ("^(a{1000}){1000}$", "a", 700),
        ("^(a{1,1000}){1,1000}$", "a", 700),
        ("^(a{2,3}b?){0,1000}$", "aaab", 9_000),
        ("^(a*)*b", "a", 100),
        ("^(x+x+)+y", "x", 100),
        ("^.*.*.*=.*", "k=v", 100),
        (".*.*=.*", "k", 100),
        (r#"^"[^"]{0,10000}"$"#, "\"x", 1_500),
        ("^(.*,){11}x", "a,", 500),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", "aA", 400),
        ("(a|aa)+$", "a", 100),
        ("^(?:a|b|ab)*c", "ab", 100),
        ("^[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*!", "a", 100),
        ("(.*a){12}", "ab", 1_000),
        ("^(.{0,20},){3}$", "abc,", 3_000),
        (&words, "xword1", 6_000),
        ("^(?!.*foo).*$", "fo", 200),
        ("(?=.*[A-Z])(?=.*[0-9])^.{8,}$", "aA", 800),
        ("^(?=.*[A-Z])(?=.*[0-9]).{8,10000}$", "a", 30_000),
        ("^(?!.*(.)(.)(.)x)(?!.*y.{3}z).{3,99}$", "ab", 3_000),
        (r"\bfoo\b.*\bbar\b", "foo ", 800),
        ("(?<=a.{3})b", "ab", 3_000),
        ("^((?!foo|bar|baz).)*$", "fob", 400),
        (r"^(foobar|(?![^a]*\S|\w+[ab]*c)(\s?)|foobar){3,128}[^c]{3,128}\w{1,3}", " ", 30_000),
        (&nested, "ab", 200_000),
        (&stacked, "a", 20_000),
        (&optional, "a", 60_000),
        (&alternatives, "ac", 400_000),
    ];
    let mut too_large = Vec::new();
    for &(pattern, food, limit) in table {
        let shown: String = pattern.chars().take(40).collect();
        let mut pool = ExprPool::new();
        let started = Instant::now();
        let id = match compile(&mut pool, pattern, Dialect::Ecma262, Anchoring::Search) {
            Ok(id) => id,
            Err(error) => panic!("{shown}: {error}"),
        };
        let compiled = started.elapsed();
        let empty = pool.is_never(id);
        assert!(!empty, "{shown} matches nothing");
        let bytes: Vec<u8> = food.bytes().cycle().take(200).collect();
        pool.step_bytes(id, &bytes);
        println!(
            "{shown:42} {:8} expressions, compiled in {compiled:?}, all in {:?}",
            pool.len(),
            started.elapsed()
        );
        if pool.len() > limit || pool.exhausted() {
            too_large.push(format!("{shown}: {} expressions, more than {limit}", pool.len()));
        }
    }
    assert!(too_large.is_empty(), "{}", too_large.join("\n"));
}

/// Any text is a pattern or an error, never a panic or a stack overflow.
#[test]
fn random_text_never_panics() {
    let pieces = prop::sample::select(
        &[
            "(", ")", "[", "]", "{", "}", "(?=", "(?!", "(?<=", "(?<!", "(?:", "(?i:", "(?<n>", "\\", "\\u",
            "\\u{", "\\x", "\\p{", "L}", "\\c", "\\b", "\\B", "\\k<n>", "\\1", "^", "$", "|", "*", "+", "?",
            ",", "-", "1", "99", ".", "a", "é", "\u{0}", "😀", "d", "D83D", "{2,3}", "[^",
        ][..],
    );
    check(prop::collection::vec(pieces, 0..24), |pieces| {
        let text = pieces.concat();
        for dialect in [Dialect::Ecma262, Dialect::Rust] {
            for anchoring in [Anchoring::Search, Anchoring::Full] {
                let mut pool = ExprPool::new();
                pool.set_search_budget(10_000);
                match compile(&mut pool, &text, dialect, anchoring) {
                    Ok(id) => {
                        pool.step_bytes(id, "aé1-\n".as_bytes());
                    }
                    Err(error) => prop_assert!(!error.to_string().is_empty()),
                }
            }
        }
        Ok(())
    });
}

#[test]
fn patterns_of_real_schemas_compile() {
    patterns_compile(files::sample());
}

mod needs_maskbench {
    use super::*;

    #[test]
    #[ignore = "needs HEDGEROW_DATA"]
    fn patterns_compile() {
        super::patterns_compile(files::maskbench());
    }
}

/// Checks that every pattern of the schemas compiles, except those listed.
fn patterns_compile(cases: impl Iterator<Item = files::Case>) {
    let refused = [
        // A backreference: the closing tag repeats the opening one.
        r"^\s*<([A-Za-z]+).+?(\/>|\/\1>)\s*$",
    ];
    fn collect(value: &serde_json::Value, out: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(serde_json::Value::String(pattern)) = map.get("pattern") {
                    out.insert(pattern.clone());
                }
                if let Some(serde_json::Value::Object(patterns)) = map.get("patternProperties") {
                    out.extend(patterns.keys().cloned());
                }
                map.values().for_each(|v| collect(v, out));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|v| collect(v, out)),
            _ => {}
        }
    }
    let mut patterns = BTreeSet::new();
    for case in cases {
        let schema = serde_json::from_str(&case.schema).unwrap();
        collect(&schema, &mut patterns);
    }
    let mut failures = Vec::new();
    let mut times = Vec::new();
    let mut expressions = 0;
    // These patterns have the slashes of a JavaScript literal. They match nothing, because a slash
    // would have to come before the start of the text.
    let empty = ["/^[0-9]{4}$/", "/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/"];
    for pattern in &patterns {
        let mut pool = ExprPool::new();
        let started = Instant::now();
        let result = compile(&mut pool, pattern, Dialect::Ecma262, Anchoring::Search);
        times.push((started.elapsed(), pattern));
        expressions = expressions.max(pool.len());
        match result {
            Ok(id) if pool.is_never(id) == empty.contains(&pattern.as_str()) => {}
            Ok(_) => failures.push(format!("{pattern}: matches nothing, or no longer nothing")),
            Err(_) if refused.contains(&pattern.as_str()) => {}
            Err(error) => failures.push(error.to_string()),
        }
    }
    times.sort();
    println!(
        "{} patterns, {} refused, {} match nothing; compile p50 {:?}, p99 {:?}, max {:?} ({}); largest pool {expressions}",
        patterns.len(),
        refused.len(),
        empty.len(),
        times[times.len() / 2].0,
        times[times.len() * 99 / 100].0,
        times[times.len() - 1].0,
        times[times.len() - 1].1,
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
