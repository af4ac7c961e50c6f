//! Errors of single outputs, which leave the others and the text so far.

use std::ops::ControlFlow;

use super::fake::*;
use crate::support::bytes::byte_tokens;
use hedgerow::decode::{
    Batch, BeamSearch, Budget, Completion, ContrastiveSearch, DecodeError, FinishReason, ForcedTokens,
    Generation, ReasoningBudget, Request, Strategy, TokenHealing, check_request,
};
use hedgerow::engine::Constraint;
use hedgerow::sampling::SamplingError;
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};

/// A request for `aa` or `bq` in which no token may come twice. The loop does not foresee that this
/// leaves nothing after `a`.
fn half_banned() -> Request {
    let constraint = Constraint::choice(&["aa", "bq"], &vocabulary()).unwrap();
    let sampling = greedy().temperature(1.0).seed(3).max_tokens(400).no_repeat_ngram(1);
    let request = Request::new(tokens(b"hello")).constraint(constraint).sampling(sampling);
    request.forced(ForcedTokens::Sample)
}

fn token(byte: u8) -> TokenId {
    TokenId(u32::from(byte))
}

/// The text, end and error of an output.
fn end(output: &Completion) -> (&str, FinishReason, bool) {
    let is_empty = matches!(output.error, Some(DecodeError::Sampling(SamplingError::EmptySupport { .. })));
    assert_eq!(is_empty, output.error.is_some(), "{:?}", output.error);
    (&output.text, output.finish, is_empty)
}

const FAILED: (&str, FinishReason, bool) = ("a", FinishReason::Failed, true);
const WHOLE: (&str, FinishReason, bool) = ("bq", FinishReason::ConstraintComplete, false);

#[test]
fn an_output_that_fails_leaves_the_others() {
    let model = Fake::new(Scores::Hash { eos: 0.0 });
    let mut ends = Vec::new();
    let mut batch = Batch::new(&model, &vocabulary()).unwrap();
    batch.join(half_banned().completions(8).logprobs(2)).unwrap();
    let mut results = Vec::new();
    while !batch.is_empty() {
        results.extend(batch.step(|_, chunk| {
            ends.extend(chunk.finish.map(|finish| (chunk.completion, finish)));
            ControlFlow::Continue(())
        }));
    }
    let made: Generation = results.remove(0).1.unwrap();
    let outputs: Vec<_> = made.completions.iter().map(end).collect();
    assert!(outputs.contains(&FAILED) && outputs.contains(&WHOLE), "{outputs:?}");
    assert!(outputs.iter().all(|output| [FAILED, WHOLE].contains(output)), "{outputs:?}");
    for (number, output) in made.completions.iter().enumerate() {
        assert_eq!(output.complete, Some(output.error.is_none()));
        assert_eq!(output.logprobs.len(), output.tokens.len());
        assert!(ends.contains(&(number, output.finish)));
    }
    assert_eq!(ends.len(), 8);
}

#[test]
fn strategies_that_choose_outputs_leave_failed_ones_out() {
    let model = Fake::new(Scores::Hash { eos: 0.0 });
    for strategy in [Strategy::BestOf(8), Strategy::Beam(BeamSearch::new(3))] {
        let made = run(&model, half_banned().strategy(strategy.clone())).unwrap();
        assert_eq!(made.completions.iter().map(end).collect::<Vec<_>>(), [WHOLE], "{strategy}");
    }
    // Contrastive search has one output, which fails or not.
    let mut ends = Vec::new();
    for prompt in ["hello", "world", "names", "true"] {
        let search = Strategy::Contrastive(ContrastiveSearch::default());
        let mut request = half_banned().strategy(search);
        request.prompt = tokens(prompt.as_bytes());
        let made = run(&model, request).unwrap();
        let [output] = made.completions.as_slice() else { panic!("{made:?}") };
        ends.push((output.text.clone(), output.finish));
        assert!([FAILED, WHOLE].contains(&end(output)), "{output:?}");
    }
    assert!(ends.iter().any(|(_, finish)| *finish == FinishReason::Failed), "{ends:?}");
}

/// A request that has drawn nothing has no output that is worth keeping.
#[test]
fn a_failure_before_the_first_choice_is_an_error() {
    let none = Constraint::choice(&["x"], &vocabulary()).unwrap();
    let sampling = greedy().suppressed_tokens(vec![token(b'x')]);
    for strategy in [Strategy::Sample, Strategy::Contrastive(ContrastiveSearch::default())] {
        let request = half_banned().constraint(none.clone()).sampling(sampling.clone()).strategy(strategy);
        let error = run(&Fake::new(Scores::Hash { eos: 0.0 }), request).unwrap_err();
        assert!(matches!(error, DecodeError::Sampling(SamplingError::EmptySupport { .. })), "{error}");
    }
}

/// A token behind which a ban leaves nothing is not drawn. The others keep their probabilities,
/// relative to each other.
#[test]
fn tokens_that_lead_nowhere_are_not_drawn() {
    let constraint = Constraint::choice(&["ax", "bq", "cq", "dx", "exx"], &vocabulary()).unwrap();
    let model = Fake::new(Scores::Hash { eos: 0.0 });
    let row = model.row(&tokens(b"hello"));
    let weight = |byte: u8| f64::from(row[token(byte).index()]).exp();
    let expected = weight(b'b') / (weight(b'b') + weight(b'c'));
    for (budget, max_tokens) in [(Budget::Complete, 40), (Budget::Cut, 40), (Budget::Complete, 4000)] {
        let sampling = greedy().temperature(1.0).seed(5).max_tokens(max_tokens);
        let request = Request::new(tokens(b"hello"))
            .constraint(constraint.clone())
            .sampling(sampling.suppressed_tokens(vec![token(b'x')]))
            .budget(budget)
            .completions(2000);
        let made = run(&model, request).unwrap();
        let texts: Vec<&str> = made.completions.iter().map(|output| output.text.as_str()).collect();
        assert!(texts.iter().all(|text| ["bq", "cq"].contains(text)), "{texts:?}");
        assert!(made.completions.iter().all(|o| o.finish == FinishReason::ConstraintComplete));
        let share = texts.iter().filter(|text| **text == "bq").count() as f64 / 2000.0;
        assert!((share - expected).abs() < 0.04, "{share} {expected}");
    }
}

/// Bans of several tokens in a row are foreseen as well, under every budget.
#[test]
fn sequences_that_lead_nowhere_are_not_begun() {
    let constraint = Constraint::regex("(a|b|c)(ac|bd)", &vocabulary()).unwrap();
    let ab = TokenId(tokens(b"ab")[0].0);
    let [a, b, c] = [b'a', b'b', b'c'].map(token);
    let banned = vec![vec![b, a], vec![b, b], vec![b, ab], vec![a, b, token(b'd')], vec![c]];
    for (budget, max_tokens) in [(Budget::Complete, 48), (Budget::Complete, 3), (Budget::Cut, 48)] {
        let sampling = greedy().logit_bias(vec![(b, 30.0)]).bad_words(banned.clone()).max_tokens(max_tokens);
        let request = Request::new(tokens(b"hello")).sampling(sampling).budget(budget);
        // `c` is banned, so `ac` cannot be written, and `abd` is banned after `a`, but not as `ab`
        // and `d`.
        let made = run(&Fake::new(Scores::Hash { eos: 0.0 }), request.clone().constraint(constraint.clone()));
        let output = &made.unwrap().completions[0];
        assert_eq!((output.text.as_str(), output.finish), ("abd", FinishReason::ConstraintComplete));
        assert_eq!(output.tokens, [ab, token(b'd')]);
        // Nothing is left of `b(ac|bd)`, which is refused before a pass.
        let none = Constraint::regex("b(ac|bd)", &vocabulary()).unwrap();
        for strategy in [Strategy::Sample, Strategy::Beam(BeamSearch::new(3))] {
            let request = request.clone().constraint(none.clone()).strategy(strategy);
            let error = check_request(&request, &vocabulary(), 100).unwrap_err();
            assert!(matches!(error, DecodeError::Sampling(SamplingError::EmptySupport { .. })), "{error}");
        }
    }
}

/// Searches choose no token after which bans leave nothing, neither among few candidates nor where
/// only the end token is left, which the least length holds back.
#[test]
fn searches_do_not_lead_to_dead_ends() {
    let contrastive = ContrastiveSearch::default().candidates(2);
    let searches = [
        Strategy::Beam(BeamSearch::new(1)),
        Strategy::Beam(BeamSearch::new(3)),
        Strategy::Beam(BeamSearch::new(4).diverse(2, 0.5)),
        Strategy::Contrastive(contrastive),
    ];
    let cases: [(&str, &[&str]); 3] = [
        ("(a|d|ex|fx)x|bq", &["bq"]),
        ("(a|bxx|cx)(ax|bxx|cq)|d(x|a+x)", &["acq"]),
        ("a(bx|dx|ex)?", &["a"]),
    ];
    for strategy in searches {
        for (pattern, texts) in cases {
            let constraint = Constraint::regex(pattern, &vocabulary()).unwrap();
            let likely = [b'a', b'd', b'e', b'f'].map(|byte| (token(byte), 30.0));
            let sampling = greedy().suppressed_tokens(vec![token(b'x')]).logit_bias(likely.to_vec());
            let request = Request::new(tokens(b"hello")).constraint(constraint).strategy(strategy.clone());
            let request = request.sampling(sampling.min_tokens(3).max_tokens(9));
            let made = run(&Fake::new(Scores::Hash { eos: 0.0 }), request).unwrap();
            let output = &made.completions[0];
            assert!(texts.contains(&output.text.as_str()), "{strategy} {pattern}: {output:?}");
            assert_eq!(
                (output.complete, output.error.is_some()),
                (Some(true), false),
                "{strategy} {pattern}"
            );
        }
    }
}

/// An output of the largest length is whole if bans leave nothing but an end after it.
#[test]
fn bans_may_end_an_output_of_the_largest_length() {
    let cases = [
        ("c(bc)?", FinishReason::ConstraintComplete),
        ("c(bc|c)?", FinishReason::Length),
        ("c(cbc|cca)?", FinishReason::ConstraintComplete),
        ("c(cbc|cc)?", FinishReason::Length),
    ];
    let search = Strategy::Contrastive(ContrastiveSearch::default());
    for strategy in [Strategy::Sample, Strategy::Beam(BeamSearch::new(2)), search] {
        for (pattern, finish) in cases {
            for allowed in [vec![token(b'c')], vec![token(b'c'), eos()]] {
                let constraint = Constraint::regex(pattern, &vocabulary()).unwrap();
                let sampling = greedy().allowed_tokens(allowed).max_tokens(1);
                let request = Request::new(tokens(b"hello")).constraint(constraint).sampling(sampling);
                let made = run(&Fake::new(Scores::Hash { eos: 0.0 }), request.strategy(strategy.clone()));
                let output = &made.unwrap().completions[0];
                assert_eq!((output.text.as_str(), output.finish), ("c", finish), "{strategy} {pattern}");
            }
        }
    }
}

/// A prescribed first token may lead back to the state before it, in which others are allowed then.
#[test]
fn a_forced_first_token_is_forced_once() {
    let constraint = Constraint::regex("c*b", &vocabulary()).unwrap();
    for sampling in [greedy().forced_first(token(b'c')), greedy().begin_suppressed_tokens(vec![token(b'b')])]
    {
        let sampling = sampling.logit_bias(vec![(token(b'b'), 30.0)]).max_tokens(9);
        let request = Request::new(tokens(b"hello")).constraint(constraint.clone()).sampling(sampling);
        let made = run(&Fake::new(Scores::Hash { eos: 0.0 }), request).unwrap();
        assert_eq!(made.text(), "cb");
    }
}

/// A prescribed first token that the constraint excludes leaves only the empty text, also where the
/// first token is the last one.
#[test]
fn a_forced_first_token_is_never_dropped() {
    let search = Strategy::Contrastive(ContrastiveSearch::default());
    for strategy in [Strategy::Sample, Strategy::Beam(BeamSearch::new(2)), search] {
        for (pattern, max_tokens, text) in [("a{0,7}", 1, ""), ("a{0,7}", 2, ""), ("c?a{0,7}", 1, "c")] {
            let constraint = Constraint::regex(pattern, &vocabulary()).unwrap();
            let sampling = greedy().forced_first(token(b'c')).max_tokens(max_tokens);
            let request = Request::new(tokens(b"hello")).constraint(constraint).sampling(sampling);
            let made =
                run(&Fake::new(Scores::Hash { eos: 0.0 }), request.strategy(strategy.clone())).unwrap();
            assert_eq!(made.text(), text, "{strategy} {pattern} {max_tokens}");
        }
    }
}

/// The stop tokens of a request end an output wherever the constraint may end, and nowhere else,
/// whether the constraint knows them or not.
#[test]
fn stop_tokens_wait_until_the_constraint_may_end() {
    let search = Strategy::Contrastive(ContrastiveSearch::default());
    for strategy in [Strategy::Sample, Strategy::BestOf(2), Strategy::Beam(BeamSearch::new(2)), search] {
        for (pattern, text) in [("c{1,20}", "c"), ("c{3,20}", "ccc"), ("(c{4})+", "cccc")] {
            let constraint = Constraint::regex(pattern, &vocabulary()).unwrap();
            let likely = vec![(token(b'c'), 20.0), (token(b'#'), 40.0)];
            let sampling = greedy().logit_bias(likely).max_tokens(9);
            let mut request = Request::new(tokens(b"hello")).constraint(constraint).sampling(sampling);
            request.stop_tokens = vec![token(b'#')];
            let made =
                run(&Fake::new(Scores::Hash { eos: 0.0 }), request.strategy(strategy.clone())).unwrap();
            let output = &made.completions[0];
            let end = (output.text.as_str(), output.finish, output.complete);
            assert_eq!(end, (text, FinishReason::Stop, Some(true)), "{strategy} {pattern}");
        }
    }
}

/// An output that has not spelt the end of its prompt is not complete, even if the constraint holds
/// the empty text, and its first token is none after which bans leave no spelling.
#[test]
fn a_prompt_is_healed_before_an_output_is_complete() {
    // A token that begins with the prompt's end is longer than it, or nothing is healed.
    let mut list = byte_tokens(["ab", "abx"]);
    list.push(Vec::new());
    let [a, b, ab, abx, eos] = [u32::from(b'a'), u32::from(b'b'), 256, 257, 258].map(TokenId);
    let special = vec![("</s>".to_owned(), eos)];
    let parts = VocabularyParts { tokens: list, special, eos: vec![eos], model_size: None };
    let vocabulary = Vocabulary::from_tokens(parts).unwrap();
    let mut model = Fake::new(Scores::Flat(0.0));
    model.vocabulary = vocabulary.clone();
    let search = Strategy::Contrastive(ContrastiveSearch::default());
    for strategy in [Strategy::Sample, Strategy::Beam(BeamSearch::new(2)), search] {
        let run = |bans: &[TokenId], max_tokens| {
            let constraint = Constraint::regex("c{0,4}", &vocabulary).unwrap();
            let sampling = greedy().suppressed_tokens(bans.to_vec()).logit_bias(vec![(a, 30.0)]);
            let request =
                Request::new(vec![token(b'c'), ab]).constraint(constraint).healing(TokenHealing::On);
            let request = request.sampling(sampling.max_tokens(max_tokens)).strategy(strategy.clone());
            Batch::new(&model, &vocabulary).unwrap().run(request, |_| ControlFlow::Continue(()))
        };
        // `a` would have to be followed by `b`.
        let made = run(&[b], 9).unwrap();
        assert_eq!(
            (made.completions[0].tokens[0], made.completions[0].complete),
            (ab, Some(true)),
            "{strategy}"
        );
        // No token spells the end of the prompt, or its last byte.
        for bans in [[a, ab], [b, ab]] {
            let error = run(&[bans[0], bans[1], abx], 9).unwrap_err();
            assert_eq!(error, DecodeError::Healing, "{strategy} {bans:?}");
        }
        // There is room for a part of the prompt's end alone.
        let made = run(&[ab, abx], 1).unwrap();
        let output = &made.completions[0];
        assert_eq!((output.tokens.as_slice(), output.complete), (&[a][..], Some(false)), "{strategy}");
    }
}

/// Prescribed tokens do not complete banned sequences. A prescribed last token gives way to them,
/// and to a prescribed first one.
#[test]
fn forced_tokens_obey_bans() {
    let [a, b, c] = [b'a', b'b', b'c'].map(token);
    let ab = TokenId(tokens(b"ab")[0].0);
    let params = || greedy().suppressed_tokens(vec![ab]).logit_bias(vec![(a, 20.0)]);
    let first = params().forced_first(c).max_tokens(3);
    let last = params().forced_last(a).max_tokens(2);
    let only = params().forced_last(a).max_tokens(1);
    for (sampling, pattern, text) in [
        (first.clone().bad_words(vec![vec![c, c]]), "ca|b{0,3}", Some("")),
        (first.clone().bad_words(vec![vec![c, c]]), "ca|cc", None),
        (first.no_repeat_ngram(1), "ca|b{0,3}", Some("")),
        (last.clone().bad_words(vec![vec![b, a]]), "ba|bb", Some("bb")),
        (last.clone().sequence_bias(vec![(vec![b, a], f32::NEG_INFINITY)]), "ba|bb", Some("bb")),
        (last, "ba|bb", Some("ba")),
        (only.clone().begin_suppressed_tokens(vec![a]), "a|b", Some("b")),
        (only.clone().forced_first(b), "a|b", Some("b")),
        (only, "a|b", Some("a")),
        // An end token comes no earlier than any other.
        (params().forced_first(eos()).min_tokens(2).max_tokens(3), "a{0,3}", None),
        (params().forced_last(eos()).min_tokens(3).max_tokens(3), "a{0,3}", Some("aaa")),
        (params().forced_first(a).min_tokens(2).max_tokens(3), "a{0,3}", Some("aaa")),
        (params().forced_last(eos()).min_tokens(2).max_tokens(3), "a{0,3}", Some("aa")),
    ] {
        let constraint = Constraint::regex(pattern, &vocabulary()).unwrap();
        let request = Request::new(tokens(b"c")).constraint(constraint).sampling(sampling);
        let made = run(&Fake::new(Scores::Hash { eos: 0.0 }), request);
        assert_eq!(made.as_ref().ok().map(|made| made.text()), text, "{pattern}: {made:?}");
    }
}

/// A prompt whose end bans leave no token to spell fails for that reason.
#[test]
fn healing_that_bans_prevent_says_so() {
    let constraint = Constraint::regex("c{2,4}", &vocabulary()).unwrap();
    let bans = vec![token(b'a'), TokenId(tokens(b"ab")[0].0), TokenId(tokens(b"a\"}")[0].0)];
    let request = Request::new(tokens(b"ca")).constraint(constraint).healing(TokenHealing::On);
    let request = request.sampling(greedy().suppressed_tokens(bans).max_tokens(5));
    let error = run(&Fake::new(Scores::Hash { eos: 0.0 }), request).unwrap_err();
    assert_eq!(error, DecodeError::Healing);
}

/// A token that bans lead into a dead end is no reason to end by the budget: another one is drawn,
/// here the end token, which the constraint would not demand.
#[test]
fn a_dead_end_of_bans_is_not_one_of_the_budget() {
    let constraint = Constraint::regex("d(llb)?", &vocabulary()).unwrap();
    let ll = TokenId(tokens(b"ll")[0].0);
    for max_tokens in [2, 3, 48] {
        let sampling =
            greedy().suppressed_tokens(vec![token(b'b'), token(b'l')]).logit_bias(vec![(ll, 30.0)]);
        let request = Request::new(tokens(b"hello")).sampling(sampling.max_tokens(max_tokens));
        let made =
            run(&Fake::new(Scores::Hash { eos: 0.0 }), request.constraint(constraint.clone())).unwrap();
        let output = &made.completions[0];
        assert_eq!((output.text.as_str(), output.finish), ("d", FinishReason::Stop), "{max_tokens}");
        assert_eq!(output.tokens, [token(b'd'), eos()]);
    }
}

/// A text that satisfies the constraint is complete if bans forbid the rest and the end token.
#[test]
fn a_complete_text_needs_no_end_token() {
    let constraint = Constraint::regex("d|c(bc)?", &vocabulary()).unwrap();
    let search = Strategy::Contrastive(ContrastiveSearch::default());
    for strategy in [Strategy::Sample, Strategy::Beam(BeamSearch::new(2)), search] {
        let sampling = greedy().allowed_tokens(vec![token(b'c')]).max_tokens(9);
        let request = Request::new(tokens(b"hello")).constraint(constraint.clone()).sampling(sampling);
        let made = run(&Fake::new(Scores::Hash { eos: 0.0 }), request.strategy(strategy.clone())).unwrap();
        let [output] = made.completions.as_slice() else { panic!("{made:?}") };
        let end = (output.text.as_str(), output.finish, output.complete);
        assert_eq!(end, ("c", FinishReason::ConstraintComplete, Some(true)), "{strategy}");
    }
}

/// The token that heals a prompt is not one after which bans leave nothing.
#[test]
fn healing_does_not_lead_to_dead_ends() {
    // The healed `a` may be `a`, after which `b` and `c` are banned, or `ab`.
    let constraint = Constraint::regex("b|c", &vocabulary()).unwrap();
    let sampling = greedy().suppressed_tokens(vec![token(b'b'), token(b'c')]).max_tokens(5);
    let sampling = sampling.logit_bias(vec![(token(b'a'), 30.0)]);
    let request = Request::new(tokens(b"za")).constraint(constraint).sampling(sampling);
    let made = run(&Fake::new(Scores::Hash { eos: 0.0 }), request.healing(TokenHealing::On)).unwrap();
    assert_eq!((made.text(), made.completions[0].finish), ("b", FinishReason::ConstraintComplete));
}

/// Beams that all end where nothing is left keep their text.
#[test]
fn beams_that_fail_after_a_choice_keep_their_text() {
    let constraint = Constraint::choice(&["aba", "bab"], &vocabulary()).unwrap();
    let sampling = greedy().no_repeat_ngram(1).suppressed_tokens(vec![TokenId(tokens(b"ab")[0].0)]);
    let request = Request::new(tokens(b"hello")).constraint(constraint).sampling(sampling.max_tokens(9));
    let request = request.strategy(Strategy::Beam(BeamSearch::new(2))).completions(2);
    let made = run(&Fake::new(Scores::Hash { eos: 0.0 }), request).unwrap();
    let mut ends: Vec<_> = made.completions.iter().map(end).collect();
    ends.sort_unstable_by_key(|end| end.0);
    assert_eq!(ends, [("ab", FinishReason::Failed, true), ("ba", FinishReason::Failed, true)]);
}

/// An output that only an end token could follow is complete, also if bans forbid the end token.
#[test]
fn beams_end_without_a_banned_end_token() {
    let constraint = Constraint::regex("c|b", &vocabulary()).unwrap();
    let sampling = greedy().suppressed_tokens(vec![eos()]).max_tokens(6);
    let request = Request::new(tokens(b"hello")).constraint(constraint).sampling(sampling);
    let made =
        run(&Fake::new(Scores::Hash { eos: 0.0 }), request.strategy(Strategy::Beam(BeamSearch::new(3))));
    let made = made.unwrap();
    assert!(["b", "c"].contains(&made.text()), "{}", made.text());
    assert_eq!(made.completions[0].finish, FinishReason::ConstraintComplete);
}

/// The same holds if sequences forbid the end token after the best output only.
#[test]
fn beams_end_where_sequences_leave_nothing() {
    let constraint = Constraint::regex("c|bb", &vocabulary()).unwrap();
    let sampling = greedy().bad_words(vec![vec![token(b'c'), eos()]]).logit_bias(vec![(token(b'c'), 30.0)]);
    let request = Request::new(tokens(b"hello")).constraint(constraint).sampling(sampling.max_tokens(6));
    let search = BeamSearch::new(2);
    let made =
        run(&Fake::new(Scores::Hash { eos: 0.0 }), request.strategy(Strategy::Beam(search)).completions(2));
    let made = made.unwrap();
    let mut ends: Vec<_> = made.completions.iter().map(end).collect();
    ends.sort_unstable_by_key(|end| end.0);
    let complete = |text| (text, FinishReason::ConstraintComplete, false);
    assert_eq!(ends, [complete("bb"), complete("c")]);
    assert_eq!(made.text(), "c");
}

/// A limit on reasoning appends no token that the request bans.
#[test]
fn a_banned_end_of_reasoning_is_refused() {
    let ending = tokens(b"wordy</t>");
    let mut request = Request::new(tokens(b"hello"));
    request.reasoning = Some(ReasoningBudget::new(3, "</t>", ending.clone()));
    check_request(&request, &vocabulary(), 100).unwrap();
    let sampling = greedy().suppressed_tokens(vec![ending[0]]);
    let error = check_request(&request.clone().sampling(sampling), &vocabulary(), 100).unwrap_err();
    // A banned sequence delays the end.
    let words = vec![vec![token(b'z'), ending[0]]];
    let sampling = greedy().bad_words(words).logit_bias(vec![(token(b'z'), 30.0)]).max_tokens(9);
    let mut delayed = request.clone().sampling(sampling);
    delayed.reasoning = Some(ReasoningBudget::new(3, "</t>", ending.clone()));
    let made = run(&Fake::new(Scores::Hash { eos: -9.0 }), delayed).unwrap();
    assert!(made.text().starts_with("zzzzz") && !made.text().contains("</t>"), "{}", made.text());
    assert!(
        error.to_string().contains("the tokens that end reasoning at its limit have a banned one"),
        "{error}"
    );
}

/// A forced last token comes if the constraint allows it there.
#[test]
fn a_forced_last_token_follows_the_constraint() {
    let search = Strategy::Contrastive(ContrastiveSearch::default());
    for (pattern, expected) in [
        ("ccc", "ccc"),
        ("c{2}[ab]", "cca"),
        ("c{1,5}", "ccc"),
        ("cc?", "cc"),
        // The token may come there, but the output cannot end with it.
        ("ccab|ccc", "ccc"),
    ] {
        for budget in [Budget::Complete, Budget::Cut] {
            for strategy in [Strategy::Sample, Strategy::Beam(BeamSearch::new(2)), search.clone()] {
                let constraint = Constraint::regex(pattern, &vocabulary()).unwrap();
                let likely = vec![(token(b'c'), 30.0)];
                let sampling = greedy().forced_last(token(b'a')).logit_bias(likely).max_tokens(3);
                let request = Request::new(tokens(b"hello")).constraint(constraint).sampling(sampling);
                let request = request.strategy(strategy.clone()).budget(budget);
                let made = run(&Fake::new(Scores::Hash { eos: 0.0 }), request).unwrap();
                let end = (made.text(), made.completions[0].complete);
                assert_eq!(end, (expected, Some(true)), "{pattern} {strategy} {budget:?}");
            }
        }
    }
}

/// Requests are checked without a model.
#[test]
fn requests_are_checked_without_a_model() {
    let long = Constraint::choice(&["hello hello"], &vocabulary()).unwrap();
    let request = Request::new(tokens(b"x")).constraint(long).sampling(greedy().max_tokens(2));
    let error = check_request(&request, &vocabulary(), 100).unwrap_err();
    assert!(matches!(error, DecodeError::ShortestOutput { needs: 3, room: 2, .. }), "{error}");
    let error = check_request(&Request::new(tokens(b"abcde")), &vocabulary(), 2).unwrap_err();
    assert!(matches!(error, DecodeError::PromptTooLong { given: 4, limit: 2 }), "{error}");
    check_request(&request.sampling(greedy().max_tokens(3)), &vocabulary(), 100).unwrap();
}

/// Forced text has the fewest tokens where room is short, as the number has in the refusal of a
/// request that does not fit.
#[test]
fn forced_text_fits_where_the_shortest_output_does() {
    let mut tokens = byte_tokens(["unc", "lass", "ified", "un", "classified"]);
    tokens.push(Vec::new());
    let eos = TokenId(tokens.len() as u32 - 1);
    let special = vec![("</s>".to_owned(), eos)];
    let parts = VocabularyParts { tokens, special, eos: vec![eos], model_size: None };
    let vocabulary = Vocabulary::from_tokens(parts).unwrap();
    let mut model = Fake::new(Scores::Flat(0.0));
    model.vocabulary = vocabulary.clone();
    for (pattern, room, expected, forced) in [
        ("unclassified", 2, "unclassified", 2),
        ("unclassified", 9, "unclassified", 3),
        ("unclassified!?", 2, "unclassified", 2),
        ("[-+]unclassified", 3, "unclassified", 2),
    ] {
        let constraint = Constraint::regex(pattern, &vocabulary).unwrap();
        let request = Request::new(vec![TokenId(65)]).constraint(constraint);
        let made = Batch::new(&model, &vocabulary)
            .unwrap()
            .run(request.sampling(greedy().max_tokens(room)), |_| ControlFlow::Continue(()))
            .unwrap();
        let [output] = made.completions.as_slice() else { panic!("{made:?}") };
        assert!(output.text.contains(expected), "{pattern}: {output:?}");
        assert_eq!(output.complete, Some(true), "{pattern}: {output:?}");
        assert_eq!((output.forced_tokens, output.budget_ending), (forced, None), "{pattern}: {output:?}");
    }
}
