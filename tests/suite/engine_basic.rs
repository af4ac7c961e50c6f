//! The functions of the engine on small grammars.

use crate::support::bytes::byte_vocabulary;
use crate::support::stepping::plain_object;
use hedgerow::automata::{ByteSet, UNBOUNDED, UNLABELLED};
use hedgerow::engine::Constraint;
use hedgerow::grammar::{
    ArraySpec, Choice, Counter, Grammar, GrammarBuilder, KeyOrder, NodeId, Property, Punctuation, RestKeys,
};
use hedgerow::vocab::{TokenId, Vocabulary};

fn constraint(grammar: &Grammar, tokens: &[&str]) -> Constraint {
    Constraint::new(grammar, &byte_vocabulary(tokens)).unwrap()
}

/// Checks that the mask after every prefix of `word` allows exactly the tokens that `advance`
/// accepts.
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
fn nested_lists_are_read() {
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
fn left_recursion_is_read() {
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
fn objects_keep_their_order_and_unique_keys() {
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
        let punctuation = ["{", "}", ",", ":"].map(|text| p.languages.bytes(text.as_bytes()));
        let spec = plain_object(punctuation, declared, rest, order);
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
fn arrays_keep_their_bounds_and_counters() {
    let mut b = GrammarBuilder::new();
    let p = &mut b.nodes;
    let one = p.literal(b"1");
    let two = p.literal(b"22");
    let spec = ArraySpec {
        punctuation: Punctuation::text([b"[", b"]", b","].map(|text| p.languages.bytes(text))),
        prefix: vec![Box::new([Choice::plain(one)])],
        rest: Box::new([Choice::plain(two), Choice { counts: 1, ..Choice::plain(one) }]),
        min: 2,
        max: 5,
        counters: vec![Counter { min: 1, max: 1 }],
        distinct: None,
    };
    let node = p.array(spec);
    assert_ne!(node, NodeId::NEVER);
    let grammar = b.build(node, None).unwrap();
    let c = constraint(&grammar, &["1,", ",22", "22]", "[1", "2,1]"]);
    for word in ["[1,22,1]", "[1,1]", "[1,1,22,22,22]"] {
        check(&c, word, true);
    }
    for word in ["[1,22]", "[1,1,1]", "[1,22,22,22,22]", "[1]"] {
        check(&c, word, false);
    }
}

#[test]
fn rollback_fork_and_reset_return_to_the_same_masks() {
    let mut b = GrammarBuilder::new();
    let a = b.nodes.literal(b"a");
    let body = b.nodes.repeat(a, 1, 3);
    let grammar = b.build(body, None).unwrap();
    let eos = TokenId(257);
    let vocabulary = byte_vocabulary(&["aa"]);
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

/// Lists of `a` with `bc` between them, such as `aaa` and `abca`. The tokens are a, b, c, ab, bca
/// and the end, then padding.
fn letters() -> (Constraint, Vocabulary) {
    let mut b = GrammarBuilder::new();
    let a = b.nodes.literal(b"a");
    let between = b.nodes.literal(b"bc");
    let between = b.nodes.repeat(between, 0, 1);
    let more = b.nodes.seq(between, a);
    let more = b.nodes.repeat(more, 0, UNBOUNDED);
    let root = b.nodes.seq(a, more);
    let grammar = b.build(root, None).unwrap();
    let tokens = ["a", "b", "c", "ab", "bca", "</s>"].map(|t| t.as_bytes().to_vec()).to_vec();
    let vocabulary = Vocabulary::from_byte_list(tokens).unwrap();
    let vocabulary = vocabulary.with_eos(&[TokenId(5)]).unwrap().with_model_size(70).unwrap();
    (Constraint::new(&grammar, &vocabulary).unwrap(), vocabulary)
}

#[test]
fn draft_trees_have_the_masks_of_their_paths() {
    let (constraint, vocabulary) = letters();
    let mut matcher = constraint.matcher();
    let [a, b, c, ab, bca, end] = [0, 1, 2, 3, 4, 5].map(TokenId);
    let tokens = [a, b, c, ab, c, bca, a, end, end, a];
    let parents = [None, Some(0), Some(1), None, Some(3), Some(0), Some(1), Some(0), Some(7), Some(7)];
    let (words, stride) = (3, 5);
    let mut rows = vec![9; 9 * stride + words];
    let allowed = matcher.mask_draft_tree(&tokens, &parents, &mut rows, stride).unwrap();
    assert_eq!(allowed, [true, true, true, true, true, true, false, true, true, false]);
    for (node, allowed) in allowed.iter().enumerate() {
        let mut path = vec![tokens[node]];
        let mut at = parents[node];
        while let Some(parent) = at {
            path.insert(0, tokens[parent]);
            at = parents[parent];
        }
        let mut fork = matcher.fork();
        let read = path.iter().all(|&token| fork.advance(token).unwrap());
        assert_eq!(read, *allowed);
        let mut row = [0; 3];
        if read {
            fork.fill_mask(&mut row).unwrap();
        }
        assert_eq!(rows[node * stride..][..words], row, "node {node}");
    }
    assert_eq!((rows[3], rows[4], rows[stride + 4]), (9, 9, 9), "words between the rows were written");
    assert_eq!((matcher.output_len(), matcher.state_id()), (0, constraint.matcher().state_id()));

    // After the end of a sequence, only ends may come.
    matcher.advance(a).unwrap();
    matcher.advance(end).unwrap();
    let ends = matcher.mask_draft_tree(&[end, a], &[None, None], &mut rows, words).unwrap();
    assert_eq!((ends, rows[..2 * words].to_vec()), (vec![true, false], vec![1 << 5, 0, 0, 0, 0, 0]));
    assert!(matcher.mask_draft_tree(&[], &[], &mut [], 0).unwrap().is_empty());
    assert_eq!(vocabulary.size(), 70);
}

#[test]
fn draft_trees_check_their_arguments() {
    let (constraint, _) = letters();
    let mut matcher = constraint.matcher();
    let (a, end) = (TokenId(0), TokenId(5));
    matcher.advance(a).unwrap();
    matcher.advance(end).unwrap();
    let mut errors = String::new();
    let mut fail = |tokens: &[TokenId], parents: &[Option<usize>], len, stride| {
        let mut rows = vec![9; len];
        let error = matcher.mask_draft_tree(tokens, parents, &mut rows, stride).unwrap_err();
        errors += &format!("{error}\n");
        assert!(rows.iter().all(|&word| word == 9), "a mask was written in spite of: {error}");
    };
    fail(&[a, a], &[None], 9, 3);
    fail(&[a, a], &[None, Some(1)], 9, 3);
    fail(&[a, a], &[Some(usize::MAX), None], 9, 3);
    fail(&[a, a], &[None, None], 9, 2);
    fail(&[a, a], &[None, None], 5, 3);
    fail(&[a, a, a], &[None, None, None], 9, usize::MAX);
    fail(&[end, TokenId(70)], &[None, None], 9, 3);
    // The children of a forbidden node are forbidden, too, but they must still be tokens.
    fail(&[a, TokenId(70)], &[None, Some(0)], 9, 3);
    assert_eq!(
        errors,
        "the draft tree has 2 tokens but 1 parents\n\
         node 1 of the draft tree has parent 1; parents come before their children\n\
         node 0 of the draft tree has parent 18446744073709551615; parents come before their children\n\
         a stride of 2 words makes mask rows of 3 words overlap\n\
         the mask buffer has 5 words, but 2 rows of 3 words at a stride of 3 need 6\n\
         the mask buffer has 9 words, but 3 rows of 3 words at a stride of 18446744073709551615 need \
         18446744073709551615\n\
         token 70 is not in the vocabulary of 70 tokens\n\
         token 70 is not in the vocabulary of 70 tokens\n"
    );
}

#[test]
fn a_draft_tree_grows_node_by_node() {
    let (constraint, _) = letters();
    let [a, c, ab] = [0, 2, 3].map(TokenId);
    let mut matcher = constraint.matcher();
    let mut tree = matcher.draft_tree().unwrap();
    assert!(tree.is_empty() && tree.push(None, ab).unwrap() && !tree.push(Some(0), a).unwrap());
    assert!(tree.push(Some(2), a).is_err() && tree.push(None, TokenId(70)).is_err());
    assert_eq!((tree.len(), tree.is_allowed(0), tree.is_allowed(1)), (2, Ok(true), Ok(false)));
    assert_eq!(
        tree.is_allowed(2).unwrap_err().to_string(),
        "the draft tree has 2 nodes, none of them is number 2"
    );
    assert_eq!(tree.mask(0).unwrap().unwrap().iter().collect::<Vec<_>>(), [c]);
    let mut row = [9; 3];
    assert!(!tree.fill_mask(1, &mut row).unwrap() && row == [0; 3]);
    assert!(tree.fill_mask(0, &mut row).unwrap() && row == [1 << 2, 0, 0]);
    assert!(tree.fill_mask(0, &mut [0; 2]).is_err());
    tree.truncate(1);
    assert!(tree.push(Some(0), c).unwrap() && tree.len() == 2);
}

#[test]
fn states_have_numbers_and_statistics() {
    let (constraint, _) = letters();
    let [a, b, c, ab, end] = [0, 1, 2, 3, 5].map(TokenId);
    let id = |tokens: &[TokenId]| {
        let mut matcher = constraint.matcher();
        assert!(tokens.iter().all(|&token| matcher.advance(token).unwrap()));
        matcher.state_id()
    };
    // The same continuations have the same number, whichever tokens led there.
    assert_eq!(id(&[a]), id(&[ab, c, a]));
    assert_eq!(id(&[a, b]), id(&[ab]));
    let ids = [id(&[]), id(&[a]), id(&[ab]), id(&[ab, c]), id(&[a, end])];
    for (i, one) in ids.iter().enumerate() {
        assert!(ids[i + 1..].iter().all(|other| one != other), "{ids:?}");
    }
    assert_eq!(id(&[a, end]), id(&[ab, c, a, end, end]));

    // A graph that is rebuilt gives no number a second time.
    let small = hedgerow::engine::Limits::default().graph_bytes(1);
    let small = Constraint::with_limits(constraint.grammar(), constraint.vocabulary(), small).unwrap();
    let mut matcher = small.matcher();
    let first = matcher.state_id();
    assert!(matcher.advance(a).unwrap());
    let mut seen = vec![first, matcher.state_id()];
    while matcher.stats().rebuilds < 1 {
        matcher.mask().unwrap();
        matcher.advance_bytes(b"bca").unwrap();
        assert!(seen.len() < 50, "the graph is never rebuilt");
        seen.push(matcher.state_id());
    }
    let generation = matcher.state_id() >> 32;
    assert!(generation >= 1 && !seen[..seen.len() - 1].contains(&matcher.state_id()));
    matcher.rollback(matcher.output_len()).unwrap();
    assert_eq!(matcher.state_id() >> 32, generation);
    assert_ne!(matcher.state_id(), first);

    // A mask is counted when it is asked for, and reported when its matcher is dropped.
    let (constraint, _) = letters();
    let mut matcher = constraint.matcher();
    let mut row = [0; 3];
    matcher.fill_mask(&mut row).unwrap();
    matcher.advance(ab).unwrap();
    matcher.mask().unwrap();
    matcher.mask().unwrap();
    let figures = |stats: hedgerow::engine::Stats| (stats.masks, stats.mask_hits);
    // The first mask was computed when the constraint was made.
    assert_eq!(figures(matcher.stats()), (3, 2));
    let fork = matcher.fork();
    assert_eq!((figures(fork.stats()), figures(constraint.stats())), ((0, 0), (0, 0)));
    matcher.reset();
    assert_eq!((figures(fork.stats()), figures(constraint.stats())), ((3, 2), (3, 2)));
    matcher.mask_draft_tree(&[a, b, b], &[None, Some(0), None], &mut [0; 9], 3).unwrap();
    drop((matcher, fork));
    assert_eq!(figures(constraint.stats()), (5, 3));
    let stats = constraint.stats();
    assert!(stats.states > 2 && stats.transitions > 2 && stats.summaries > 1 && stats.bytes > 1000);
    assert!(stats.nodes > 2 && stats.languages > 2 && stats.rebuilds == 0);
}

#[test]
fn batches_check_their_buffers() {
    use hedgerow::engine::{EngineError, fill_masks};
    use std::num::NonZeroUsize;
    let (constraint, _) = letters();
    let mut matchers = vec![constraint.matcher(), constraint.matcher()];
    for threads in [1, 2, 3] {
        let threads = NonZeroUsize::new(threads).unwrap();
        let wrong = fill_masks(&mut matchers, &mut [0; 5], threads);
        assert_eq!(wrong, Err(EngineError::MaskLength { given: 5, needed: 6, tokens: 70 }));
        assert!(fill_masks::<hedgerow::engine::Matcher>(&mut [], &mut [], threads).is_ok());
        assert!(fill_masks::<hedgerow::engine::Matcher>(&mut [], &mut [0], threads).is_err());
        let mut borrowed: Vec<_> = matchers.iter_mut().collect();
        let mut rows = [9; 6];
        fill_masks(&mut borrowed, &mut rows, threads).unwrap();
        assert_eq!(rows, [1 << 0 | 1 << 3, 0, 0, 1 << 0 | 1 << 3, 0, 0]);
    }
}

#[test]
fn completions_count_the_values_still_missing() {
    // The way to the end has a value that needs many bytes, beside objects that can take any number
    // of cheap keys.
    let keys: Vec<String> = (0..11).map(|key| format!("setting number {key}")).collect();
    let settings: Vec<String> = keys.iter().map(|key| format!(r#""{key}":{{"type":"boolean"}}"#)).collect();
    let schema = format!(
        r#"{{"type":"object","required":["config","inputs"],"properties":{{
            "inputs":{{"type":"object","required":["a"],"properties":{{"a":{{"type":"object"}}}}}},
            "config":{{"type":"object","required":{keys:?},"properties":{{{}}}}}}}}}"#,
        settings.join(",")
    );
    let grammar = hedgerow::schema::compile(&schema, &hedgerow::schema::SchemaOptions::default()).unwrap();
    let constraint = constraint(&grammar, &[]);
    for begun in [r#""#, r#"{"inputs":{"a":{"ty"#, "{\n  \"inputs\": {\n    \"a\": {\"b\": [1, {\"c\":"] {
        let mut matcher = constraint.matcher();
        assert!(matcher.advance_bytes(begun.as_bytes()).unwrap(), "{begun}");
        let way = matcher.completion().unwrap().unwrap_or_else(|| panic!("no completion after {begun:?}"));
        assert!(way.len() < 400, "{begun:?}: {}", way.len());
        for &token in way.iter() {
            assert!(matcher.advance(token).unwrap(), "{begun:?}");
        }
        assert!(matcher.is_accepting(), "{begun:?}");
    }
}
