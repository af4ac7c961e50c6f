//! Errors of single outputs, which leave the others and the text so far.

use std::ops::ControlFlow;

use super::fake::*;
use crate::support::bytes::byte_tokens;
use hedgerow::decode::{
    Batch, BeamSearch, Budget, Completion, ContrastiveSearch, DecodeError, FinishReason, Generation, Request,
    Strategy, check_request,
};
use hedgerow::engine::Constraint;
use hedgerow::sampling::SamplingError;
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};

/// A request for `ax` or `bq` in which a ban leaves nothing behind `a`. The loop does not foresee
/// bans of several tokens.
fn half_banned() -> Request {
    let constraint = Constraint::choice(&["ax", "bq"], &vocabulary()).unwrap();
    let sampling =
        greedy().temperature(1.0).seed(3).max_tokens(400).bad_words(vec![vec![token(b'a'), token(b'x')]]);
    Request::new(tokens(b"hello")).constraint(constraint).sampling(sampling)
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
    for prompt in [b"hello", b"world", b"names", b"falsy"] {
        let search = Strategy::Contrastive(ContrastiveSearch::default());
        let mut request = half_banned().strategy(search);
        request.prompt = tokens(prompt);
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
