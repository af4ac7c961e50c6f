//! The engine compared with the slow reference (`tests/support/reference/`), on random grammars
//! over small vocabularies.
//!
//! Every case is made from a list of bytes. It follows a random walk and compares all answers of
//! the engine at every step. `HEDGEROW_CASES=10000` makes a long run with that many cases a family,
//! and `HEDGEROW_SEED=7` chooses other cases.

use crate::support::files::number;
use crate::support::reference;
use crate::support::reference::generate::{self, Family, Source};
use crate::support::reference::judge::{check, check_written, compare};
use crate::support::reference::written::Style;
use crate::support::reference::{Declared, Language, Node, Rest};
use hedgerow::automata::{Escapes, UNBOUNDED};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

fn run(family: Family) {
    run_cases(family as u8, &format!("{family:?}"), |bytes| check(family, bytes));
}

fn run_cases(number_of_run: u8, name: &str, check: impl Fn(&[u8]) -> Result<(), String>) {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(number("HEDGEROW_SEED", 1) as u64).to_le_bytes());
    seed[8] = number_of_run;
    let config = Config {
        cases: number("HEDGEROW_CASES", 100) as u32,
        max_shrink_iters: 4_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let cases = proptest::collection::vec(proptest::num::u8::ANY, 0..160);
    let result = runner.run(&cases, |bytes| check(&bytes).map_err(TestCaseError::fail));
    if let Err(error) = result {
        panic!("{name}: {error}");
    }
}

/// A test for each family of grammars.
macro_rules! families {
    ($($test:ident: $family:ident,)+) => {$(
        #[test]
        fn $test() {
            run(Family::$family);
        }
    )+};
}

families! {
    regular_languages_agree: Regular,
    context_free_grammars_agree: ContextFree,
    json_strings_agree: Strings,
    objects_and_arrays_agree: Containers,
    mixed_grammars_agree: Mixed,
}

#[test]
fn grammars_written_as_gbnf_agree() {
    run_cases(100, "GBNF", |bytes| check_written(Style::Gbnf, bytes));
}

#[test]
fn grammars_written_as_ebnf_agree() {
    run_cases(101, "the W3C's EBNF", |bytes| check_written(Style::W3c, bytes));
    run_cases(102, "ISO's EBNF", |bytes| check_written(Style::Iso, bytes));
}

/// A rule of objects that must hold such an object again, and so never end.
fn endless(g: &mut reference::Grammar) -> usize {
    let itself = g.add(Node::Rule(0));
    let object = object(g, &[("a", itself, true)], |_| {});
    g.rules.push(object);
    itself
}

/// Cases in which the engine was once wrong, each with the feature that it needs.
#[test]
fn cases_once_wrong_agree() {
    type Make = fn(&mut reference::Grammar) -> usize;
    let table: &[(&str, Make)] = &[
        ("two names for one special token, two tokens for one name", |g| {
            let x = g.add(Node::Special("<x>".into()));
            let y = g.add(Node::Special("<y>".into()));
            let y2 = g.add(Node::Special("<y2>".into()));
            let ys = g.add(Node::Alt(vec![y, y2]));
            g.add(Node::Seq(vec![x, ys, x]))
        }),
        ("labels under a spelling without \\u", |g| {
            let (a, slash) = (g.literal(b"1"), g.literal(b"2"));
            let spelt = |g: &mut reference::Grammar, word: &str| {
                let word = Language::word(word.as_bytes());
                g.language(Language::Json(Box::new(word), Escapes::NoUnicode))
            };
            let cases = vec![(spelt(g, "a"), a), (spelt(g, "/"), slash)];
            let literals = vec!["a".into(), "/".into()];
            g.add(Node::Switch { literals, escapes: Some(Escapes::NoUnicode), cases })
        }),
        ("a key no escape may spell", |g| {
            let one = g.literal(b"1");
            let optional = object(g, &[("/", one, true), ("\u{1}", one, false)], |_| {});
            let required = object(g, &[("/", one, true), ("\u{1}", one, true)], |_| {});
            g.add(Node::Alt(vec![optional, required]))
        }),
        ("a value that never ends, where it is required", |g| {
            let (endless, one) = (endless(g), g.literal(b"1"));
            g.add(Node::Alt(vec![one, endless]))
        }),
        ("a value that never ends, where it may be left out", |g| {
            let (endless, one) = (endless(g), g.literal(b"1"));
            object(g, &[("a", endless, false), ("b", one, false)], |_| {})
        }),
        ("fewer keys allowed than needed", |g| {
            let one = g.literal(b"1");
            let impossible = object(g, &[("a", one, false)], |o| {
                let others = Language::Not(Box::new(Language::word(b"a")));
                let keys = Language::Inter(vec![Language::Text, others]);
                o.rest.push(Rest { keys, spelling: 0, capacity: None, values: vec![(one, 0)] });
                (o.min, o.max) = (1, 0);
            });
            g.add(Node::Alt(vec![one, impossible]))
        }),
        ("a label that leads nowhere", |g| {
            let (one, never) = (g.literal(b"1"), g.add(Node::Never));
            let (a, b) = (g.language(Language::word(b"a")), g.language(Language::word(b"b")));
            let literals = vec!["a".into(), "b".into()];
            g.add(Node::Switch { literals, escapes: None, cases: vec![(a, one), (b, never)] })
        }),
        ("nothing, but not empty", |g| {
            let empty = g.add(Node::Empty);
            let nothing = g.add(Node::NonEmpty(empty));
            let (a, b) = (g.literal(b"a"), g.literal(b"b"));
            let dead = g.add(Node::Seq(vec![a, nothing]));
            g.add(Node::Alt(vec![dead, b]))
        }),
        ("what may be empty by a rule, but must not be", |g| {
            let rule = g.add(Node::Rule(0));
            let a = g.literal(b"a");
            let body = g.add(Node::Repeat { body: a, min: 0, max: 1 });
            g.rules.push(body);
            g.add(Node::NonEmpty(rule))
        }),
        ("a rule repeated within itself at its left edge", |g| {
            let itself = g.add(Node::Rule(0));
            let some = g.add(Node::Repeat { body: itself, min: 0, max: 5 });
            let x = g.literal(b"x");
            let body = g.add(Node::Alt(vec![some, x]));
            g.rules.push(body);
            itself
        }),
    ];
    for (name, make) in table {
        let mut described = reference::Grammar::default();
        described.root = make(&mut described);
        for seed in 0..12u8 {
            // Several random walks reach different parts of each grammar.
            let bytes: Vec<u8> =
                (0..200u8).map(|i| i.wrapping_mul(seed * 2 + 1).wrapping_add(i / 7)).collect();
            let vocabulary = generate::vocabulary(&mut Source::new(&bytes), Family::Mixed);
            if let Err(problem) = compare(&described, &vocabulary, &mut Source::new(&bytes)) {
                panic!("{name}: {problem}");
            }
        }
    }
}

/// An object with these keys (name, value, and true if it is required), spelt without `\u` escapes.
fn object(
    g: &mut reference::Grammar,
    keys: &[(&str, usize, bool)],
    change: impl FnOnce(&mut reference::Object),
) -> usize {
    let punctuation = ["{", "}", ",", ":", ""].map(|text| g.language(Language::word(text.as_bytes())));
    let mut spec = reference::Object {
        open: punctuation[0],
        close: punctuation[1],
        comma: punctuation[2],
        colon: punctuation[3],
        before_key: punctuation[4],
        key_escapes: Escapes::NoUnicode,
        rest_escapes: Escapes::Any,
        declared: vec![],
        rest: vec![],
        any_order: true,
        unique_rest: true,
        min: 0,
        max: UNBOUNDED,
        counters: vec![],
    };
    for &(key, value, required) in keys {
        let word = Language::Json(Box::new(Language::word(key.as_bytes())), Escapes::NoUnicode);
        let spelling = g.language(word);
        let key = key.to_owned();
        let (requires, values) = (vec![], vec![(value, 0)]);
        spec.declared.push(Declared { key, spelling, required, requires, values });
    }
    change(&mut spec);
    for rest in &mut spec.rest {
        rest.spelling = g.language(Language::Json(Box::new(rest.keys.clone()), spec.rest_escapes));
    }
    g.add(Node::Object(spec))
}
