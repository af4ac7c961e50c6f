//! The decoding loop over models with fixed logits: stop rules, streaming, forced tokens, batching
//! and errors.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

mod chat_lists;
mod combinations;
mod failures;
mod fake;
mod strategies;
mod text_model;
mod tool_formats;

use fake::*;
use hedgerow::decode::{
    Batch, Budget, Chunk, DecodeError, Draft, DynModel, FinishReason, ForcedTokens, ForwardInput, Generation,
    LanguageModel, Logits, ModelError, Request, generate,
};
use hedgerow::engine::Constraint;
use hedgerow::grammar::GrammarBuilder;
use hedgerow::sampling::{SamplingError, SamplingParams};
use hedgerow::vocab::TokenId;

#[test]
fn outputs_end_by_their_stop_rules() {
    let text = |words: &str| tokens(words.as_bytes());
    let request = || Request::new(text("hello")).sampling(greedy());
    let script = "hello world, hello";
    for (name, request, expected, finish, count) in [
        ("end of sequence", request(), script, FinishReason::Stop, 7),
        ("stop string inside a token", request().stop(["rl"]), "hello wo", FinishReason::StopSequence, 3),
        ("across tokens", request().stop(["zzz", "d, h"]), "hello worl", FinishReason::StopSequence, 6),
        ("at once", request().stop(["h"]), "", FinishReason::StopSequence, 1),
        ("empty stop strings are none", request().stop([""]), script, FinishReason::Stop, 7),
        ("not a whole stop string", request().stop(["hello!"]), script, FinishReason::Stop, 7),
        (
            "stop token",
            request().stop_tokens([TokenId(u32::from(b','))]),
            "hello world",
            FinishReason::Stop,
            4,
        ),
        ("length", request().sampling(greedy().max_tokens(2)), "hello wor", FinishReason::Length, 2),
        ("nothing", request().sampling(greedy().max_tokens(0)), "", FinishReason::Length, 0),
    ] {
        let model = Fake::script(1, script.as_bytes());
        let generation = run(&model, request).unwrap();
        let completion = &generation.completions[0];
        assert_eq!((completion.text.as_str(), completion.finish), (expected, finish), "{name}");
        assert_eq!(completion.tokens.len(), count, "{name}");
        assert_eq!(generation.usage.completion_tokens, count, "{name}");
        assert_eq!(generation.usage.forward_passes, count, "{name}");
        assert_eq!(completion.bytes, expected.as_bytes(), "{name}");
    }
    let stopped = run(&Fake::script(1, script.as_bytes()), request().stop(["x", "o w"])).unwrap();
    assert_eq!(stopped.completions[0].stop_sequence.as_deref(), Some("o w"));
}

#[test]
fn minimum_lengths_hold_back_every_end() {
    let prompt = || tokens(b"hello");
    // The model scores the end of sequence highest from the start.
    let model = Fake::new(Scores::Hash { eos: 100.0 });
    let completion = |request: Request| run(&model, request).unwrap().completions.remove(0);
    assert_eq!(completion(Request::new(prompt()).sampling(greedy())).tokens, [eos()]);
    let held = completion(Request::new(prompt()).sampling(greedy().min_tokens(5)));
    assert_eq!((held.tokens.len(), held.tokens.last()), (6, Some(&eos())));
    assert!(!held.tokens[..5].contains(&eos()));

    let script = Fake::script(1, b"hello world hello");
    let held = |min| {
        let request = Request::new(prompt()).sampling(greedy().min_tokens(min)).stop(["o"]);
        run(&script, request).unwrap().completions.remove(0).text
    };
    assert_eq!(
        (held(0).as_str(), held(1).as_str(), held(2).as_str(), held(4).as_str()),
        ("hell", "hello w", "hello world hell", "hello world hell")
    );
}

#[test]
fn a_complete_grammar_overrules_the_minimum_length() {
    let model = Fake::new(Scores::Hash { eos: 0.0 });
    let request = Request::new(tokens(b"x")).sampling(greedy().min_tokens(30)).constraint(boolean_object());
    let completion = run(&model, request).unwrap().completions.remove(0);
    assert_eq!(completion.finish, FinishReason::ConstraintComplete);
}

#[test]
fn forced_tokens_save_passes_and_change_nothing() {
    for prompt in ["a", "hello", "b", "xyz", "{", "true", " "] {
        let model = Fake::new(Scores::Hash { eos: 0.0 });
        let request =
            || Request::new(tokens(prompt.as_bytes())).sampling(greedy()).constraint(boolean_object());
        let fast = run(&model, request()).unwrap();
        let slow = run(&model, request().forced(ForcedTokens::Sample)).unwrap();
        assert_eq!(fast.completions[0].text, slow.completions[0].text, "{prompt}");
        let finish = (fast.completions[0].finish, slow.completions[0].finish);
        assert_eq!(finish, (FinishReason::ConstraintComplete, FinishReason::ConstraintComplete), "{prompt}");
        assert_eq!(slow.usage.forward_passes, slow.usage.completion_tokens);
        assert_eq!((slow.usage.forced_tokens, slow.completions[0].forced_tokens), (0, 0));
        assert_eq!(fast.usage.forward_passes, fast.usage.completion_tokens - fast.usage.forced_tokens);
        assert!(
            fast.usage.forward_passes * 2 < slow.usage.forward_passes,
            "{:?} {:?}",
            fast.usage,
            slow.usage
        );
    }
}

#[test]
fn wholly_forced_outputs_need_no_pass() {
    let model = Fake::new(Scores::Hash { eos: 0.0 });
    let fixed = constraint(|b| b.nodes.literal(b"hello world"));
    let request = Request::new(tokens(b"x")).constraint(fixed).logprobs(2);
    let mut chunks = Vec::new();
    let generation = generate(&model, &vocabulary(), request, |chunk| {
        chunks.push((chunk.text.to_owned(), chunk.finish));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(chunks, [("hello world".to_owned(), Some(FinishReason::ConstraintComplete))]);
    assert_eq!((generation.usage.forward_passes, model.passes.load(Ordering::Relaxed)), (0, 0));
    let completion = &generation.completions[0];
    assert_eq!((completion.tokens.len(), completion.forced_tokens), (3, 3));
    assert!(
        completion.logprobs.len() == 3
            && completion.logprobs.iter().all(|l| l.processed == 0.0 && l.raw.is_none())
    );
}

#[test]
fn forced_tokens_obey_lengths_and_stop_strings() {
    let model = Fake::new(Scores::Hash { eos: 0.0 });
    let fixed = || constraint(|b| b.nodes.literal(b"hello world hello world"));
    let request = || Request::new(tokens(b"x")).constraint(fixed()).sampling(greedy());
    let completion = |request| run(&model, request).unwrap().completions.remove(0);
    let short = completion(request().sampling(greedy().max_tokens(2)).budget(Budget::Cut));
    assert_eq!((short.text.as_str(), short.finish), ("hello wor", FinishReason::Length));
    assert_eq!((short.complete, short.budget_ending), (Some(false), None));
    let stopped = completion(request().stop(["orld h"]));
    assert_eq!(
        (stopped.text.as_str(), stopped.finish, stopped.tokens.len()),
        ("hello w", FinishReason::StopSequence, 5)
    );
    assert_eq!(stopped.complete, Some(false));
    let exact = completion(request().sampling(greedy().max_tokens(7)));
    assert_eq!((exact.tokens.len(), exact.finish), (7, FinishReason::ConstraintComplete));
}

/// A ban of a token by its id holds for forced text, too. Other parameters leave it as it is.
#[test]
fn bans_hold_for_forced_text() {
    let (q, other) = (TokenId(u32::from(b'q')), TokenId(u32::from(b'r')));
    let run = |sampling: SamplingParams| {
        let only = constraint(|b| b.nodes.literal(b"qqq"));
        let request = Request::new(tokens(b"x")).constraint(only).sampling(sampling);
        run(&Fake::new(Scores::Hash { eos: 0.0 }), request)
    };
    for ban in [
        greedy().suppressed_tokens(vec![q]),
        greedy().begin_suppressed_tokens(vec![q]),
        greedy().allowed_tokens(vec![other]),
        greedy().bad_words(vec![vec![q]]),
        greedy().bad_words(vec![vec![q, q]]),
        greedy().logit_bias(vec![(q, f32::NEG_INFINITY)]),
        greedy().sequence_bias(vec![(vec![q], f32::NEG_INFINITY)]),
        greedy().forced_first(other),
    ] {
        let error = match run(ban.clone()) {
            Ok(made) => made.completions[0].error.clone(),
            Err(error) => Some(error),
        };
        assert!(matches!(error, Some(DecodeError::Sampling(_))), "{ban:?}: {error:?}");
    }
    for other in
        [greedy(), greedy().no_repeat_ngram(1), greedy().logit_bias(vec![(q, -5.0)]), greedy().min_p(0.9)]
    {
        let made = run(other.clone()).unwrap();
        assert_eq!((made.text(), made.usage.forward_passes), ("qqq", 0), "{other:?}");
    }
    // A ban of what the text does not need costs passes and changes nothing.
    let made = run(greedy().suppressed_tokens(vec![other])).unwrap();
    assert_eq!((made.text(), made.usage.forward_passes), ("qqq", 3));
}

#[test]
fn streaming_gives_the_text_piece_by_piece() {
    let output = "hello €uro \u{1f600}! hello wor".as_bytes();
    let bytes_alone: Vec<TokenId> = output.iter().map(|&byte| TokenId(u32::from(byte))).collect();
    let model = Fake::new(Scores::Script { prompt: 1, tokens: bytes_alone });
    let request = Request::new(tokens(b"x")).sampling(greedy()).stop(["hello world"]);
    let (mut text, mut pieces, mut all) = (String::new(), Vec::new(), Vec::new());
    let generation = generate(&model, &vocabulary(), request, |chunk| {
        text.push_str(chunk.text);
        pieces.push(chunk.text.to_owned());
        all.extend_from_slice(chunk.tokens);
        ControlFlow::Continue(())
    })
    .unwrap();
    let completion = &generation.completions[0];
    assert_eq!((text.as_str(), text.as_bytes()), (completion.text.as_str(), output));
    assert_eq!(all, completion.tokens);
    // Each pass gives one chunk. "hello " is held back until the `€` rules out the stop string, and
    // the `€` until all its bytes have come.
    assert_eq!(pieces.len(), generation.usage.forward_passes);
    assert_eq!(&pieces[..10], ["", "", "", "", "", "", "hello ", "", "€", "u"]);
    assert_eq!(pieces.last().unwrap(), "hello wor");
}

#[test]
fn bytes_that_are_no_text_are_replaced_at_the_end() {
    let model = Fake::new(Scores::Script { prompt: 1, tokens: vec![TokenId(0xe2), TokenId(0x82)] });
    let generation = run(&model, Request::new(tokens(b"x")).sampling(greedy())).unwrap();
    assert_eq!(generation.completions[0].text, "\u{fffd}");
    assert_eq!(generation.completions[0].bytes, [0xe2, 0x82]);
}

#[test]
fn cancelling_takes_effect_within_the_step() {
    let model = Fake::new(Scores::Hash { eos: -100.0 });
    for after in 1..4 {
        let mut calls = 0;
        let generation =
            generate(&model, &vocabulary(), Request::new(tokens(b"x")).sampling(greedy()), |_| {
                calls += 1;
                if calls == after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!(generation.completions[0].finish, FinishReason::Cancelled);
        assert_eq!((generation.usage.forward_passes, generation.completions[0].tokens.len()), (after, after));
    }
    // A cancellation takes effect between the parts of a long prompt, too.
    let batch = Batch::new(&model, &vocabulary()).unwrap().pass_tokens(10);
    let generation = batch.run(Request::new(vec![TokenId(65); 95]), |_| ControlFlow::Break(())).unwrap();
    assert_eq!((generation.usage.forward_passes, generation.completions[0].tokens.len()), (1, 0));

    let mut batch = Batch::new(&model, &vocabulary()).unwrap();
    let id = batch.join(Request::new(tokens(b"x"))).unwrap();
    assert!(batch.step(|_, _| ControlFlow::Continue(())).is_empty());
    assert!(batch.cancel(id));
    let ended = batch.step(|_, _| ControlFlow::Continue(()));
    assert_eq!(ended[0].1.as_ref().unwrap().completions[0].tokens.len(), 1);
    assert!(batch.is_empty() && !batch.cancel(id));
}

#[test]
fn long_prompts_are_read_in_parts() {
    let model = Fake::new(Scores::Hash { eos: 0.0 });
    let request =
        || Request::new(vec![TokenId(65); 95]).sampling(greedy()).constraint(boolean_object()).completions(2);
    let whole = run(&model, request()).unwrap();
    let parts = Batch::new(&model, &vocabulary()).unwrap().pass_tokens(10);
    let parts = parts.run(request(), |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(parts.completions, whole.completions);
    // The forced beginning of the output is read with the prompt.
    assert_eq!((whole.usage.prefill_passes, parts.usage.prefill_passes), (1, 10));
}

#[test]
fn seeds_decide_the_outputs() {
    let model = Fake::new(Scores::Hash { eos: -2.0 });
    let texts = |params: SamplingParams, completions| {
        let request = Request::new(tokens(b"x")).sampling(params.max_tokens(12)).completions(completions);
        let generation = run(&model, request).unwrap();
        assert_eq!(generation.usage.prefill_passes, 1);
        generation.completions.into_iter().map(|c| c.tokens).collect::<Vec<_>>()
    };
    let params = SamplingParams::default;
    let three = texts(params().seed(7), 3);
    assert_eq!(three, texts(params().seed(7), 3));
    assert!(three[0] != three[1] && three[1] != three[2]);
    assert_ne!(three[0], texts(params().seed(8), 1)[0]);
    // Completion i of a request is completion 0 of a request that begins at completion i.
    assert_eq!(three[2], texts(params().seed(7).completion(2), 1)[0]);
    let same = texts(greedy(), 2);
    assert_eq!(same[0], same[1]);
}

#[test]
fn other_requests_in_a_batch_change_nothing() {
    let model = Fake::new(Scores::Hash { eos: 3.0 });
    let request = |n: u64| {
        let sampling = SamplingParams::default().seed(n).max_tokens(5 + n as usize).repetition_penalty(1.3);
        let request = Request::new(tokens(format!("prompt {n}").as_bytes())).sampling(sampling);
        let request = request.completions(1 + n as usize % 3).stop(["ab"]);
        if n.is_multiple_of(2) { request.constraint(boolean_object()) } else { request }
    };
    let alone: Vec<_> = (0..6).map(|n| run(&model, request(n)).unwrap().completions).collect();
    for order in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]] {
        for gap in 0..4 {
            let mut batch = Batch::new(&model, &vocabulary()).unwrap().pass_tokens(3);
            let mut ids = Vec::new();
            let mut results = Vec::new();
            for n in order {
                ids.push((batch.join(request(n)).unwrap(), n));
                for _ in 0..gap {
                    results.extend(batch.step(|_, _| ControlFlow::Continue(())));
                }
            }
            while !batch.is_empty() {
                results.extend(batch.step(|_, _| ControlFlow::Continue(())));
            }
            assert_eq!(results.len(), 6);
            for (id, result) in results {
                let (_, n) = ids.iter().find(|(of, _)| *of == id).unwrap();
                assert_eq!(
                    result.unwrap().completions,
                    alone[*n as usize],
                    "request {n} of {order:?}, gap {gap}"
                );
            }
        }
    }
}

#[test]
fn drafts_change_nothing_but_the_number_of_passes() {
    let draft = Draft::Ngram { longest: 3, tokens: 5 };
    let output = b"hello world, hello world, hello world, abababababab";
    let script = || Fake::script(2, output);
    let request = |sampling: SamplingParams| Request::new(tokens(b"xy")).sampling(sampling);
    let plain = run(&script(), request(greedy())).unwrap();
    let guessed = run(&script(), request(greedy()).draft(draft)).unwrap();
    assert_eq!(plain.completions, without_guesses(&guessed));
    assert_eq!(guessed.completions[0].confirmed.len(), guessed.usage.confirmed_tokens);
    assert_eq!(guessed.completions[0].text.as_bytes(), output);
    let usage = guessed.usage;
    assert_eq!(usage.forward_passes, plain.usage.forward_passes - usage.confirmed_tokens);
    assert!(usage.confirmed_tokens * 3 > usage.completion_tokens, "{usage:?}");
    assert!(usage.drafted_tokens > usage.confirmed_tokens, "{usage:?}");
}

#[test]
fn padding_is_never_drawn() {
    let model = Fake::new(Scores::Flat(0.0));
    let sampling = SamplingParams::default().max_tokens(300).min_tokens(300);
    let generation = run(&model, Request::new(tokens(b"x")).sampling(sampling).completions(8)).unwrap();
    let count = vocabulary().token_count();
    assert!(generation.completions.iter().all(|c| c.tokens.len() == 300));
    assert!(generation.completions.iter().flat_map(|c| &c.tokens).all(|token| token.index() < count));
}

#[test]
fn contexts_end_outputs() {
    let mut model = Fake::new(Scores::Hash { eos: -100.0 });
    model.context = 10;
    let generation = run(&model, Request::new(vec![TokenId(65); 7])).unwrap();
    // Three tokens fill the context, and a fourth is drawn after it.
    assert_eq!(generation.completions[0].tokens.len(), 4);
    assert_eq!(generation.completions[0].finish, FinishReason::Length);
    assert_eq!(run(&model, Request::new(vec![TokenId(65); 10])).unwrap().usage.completion_tokens, 1);
    let error = run(&model, Request::new(vec![TokenId(65); 11])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the prompt has 11 tokens, but the model's context holds 10; shorten the prompt"
    );
}

#[test]
fn logprobs_are_those_of_the_distribution_and_of_the_model() {
    let model = Fake::script(1, b"hello");
    let request = |temperature| {
        let sampling = SamplingParams::default().temperature(temperature).top_k(5);
        Request::new(tokens(b"x")).sampling(sampling).logprobs(3)
    };
    let generation = run(&model, request(0.001)).unwrap();
    let completion = &generation.completions[0];
    assert_eq!(completion.logprobs.len(), completion.tokens.len());
    let first = &completion.logprobs[0];
    // Padding is no token and has no probability.
    let others = (vocabulary().token_count() - 1) as f32;
    let expected = 10.0 - (10f32.exp() + others).ln();
    assert!((first.raw.unwrap() - expected).abs() < 1e-5, "{first:?}");
    assert!(first.processed.abs() < 1e-6 && first.top_processed[0].0 == completion.tokens[0]);
    assert_eq!((first.top_raw.len(), first.top_raw[0].0), (3, completion.tokens[0]));
    let flat = run(&Fake::new(Scores::Flat(1.0)), request(1.0)).unwrap();
    assert!((flat.completions[0].logprobs[0].processed - 0.2f32.ln()).abs() < 1e-5);
}

#[test]
fn faults_of_the_model_are_errors() {
    let size = vocabulary().size();
    for (scores, expected) in [
        (Scores::Flat(f32::NAN), "is NaN"),
        (Scores::Flat(f32::INFINITY), "is +inf"),
        (Scores::Flat(f32::NEG_INFINITY), "no token can be drawn"),
        (Scores::Width(size - 1), "gave 271 logits where 272 were expected"),
        (Scores::Width(0), "gave 0 logits where 272 were expected"),
        (Scores::Width(2 * size), "gave 544 logits where 272 were expected"),
    ] {
        for constrained in [None, Some(boolean_object())] {
            let mut request = Request::new(tokens(b"x"));
            request.constraint = constrained;
            let error = run(&Fake::new(scores.clone()), request).unwrap_err();
            let source = std::error::Error::source(&error).map(|e| e.to_string()).unwrap_or_default();
            let text = format!("{error}: {source}");
            assert!(text.contains(expected), "{text}");
        }
    }
}

#[test]
fn a_failing_pass_ends_the_requests_in_it() {
    let mut model = Fake::new(Scores::Hash { eos: -100.0 });
    model.fails_at = 3;
    let mut batch = Batch::new(&model, &vocabulary()).unwrap();
    let short = batch.join(Request::new(tokens(b"x")).sampling(greedy().max_tokens(2))).unwrap();
    let long = batch.join(Request::new(tokens(b"y"))).unwrap();
    let mut results = Vec::new();
    while !batch.is_empty() {
        results.extend(batch.step(|_, _| ControlFlow::Continue(())));
    }
    assert!(results[0].0 == short && results[0].1.is_ok());
    let made = results[1].1.as_ref().unwrap();
    let [output] = made.completions.as_slice() else { panic!("{made:?}") };
    assert!(results[1].0 == long && matches!(output.error, Some(DecodeError::Model(_))));
    assert_eq!((output.finish, output.tokens.len()), (FinishReason::Failed, 3));
}

#[test]
fn requests_that_cannot_be_served_are_refused() {
    let model = Fake::new(Scores::Flat(0.0));
    let other = vocabulary().with_model_size(vocabulary().size() + 1).unwrap();
    assert!(matches!(Batch::new(&model, &other), Err(DecodeError::VocabularySize { .. })));
    let foreign = {
        let mut b = GrammarBuilder::new();
        let root = b.nodes.literal(b"a");
        Constraint::new(&b.build(root, None).unwrap(), &vocabulary().with_eos(&[]).unwrap()).unwrap()
    };
    let x = || Request::new(tokens(b"x"));
    for (request, expected) in [
        (Request::new([]), "the prompt has no tokens"),
        (
            Request::new([TokenId(65), TokenId(272)]),
            "token 1 of the prompt has id 272, but the model has 272 tokens",
        ),
        (x().completions(0), "the request asks for 0 completions; ask for 1 to 4096"),
        (x().completions(5000), "the request asks for 5000 completions"),
        (x().sampling(SamplingParams::default().temperature(-1.0)), "`temperature` is -1"),
        (x().constraint(foreign), "made for another vocabulary"),
    ] {
        let error = run(&model, request).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let none_left = x()
        .sampling(SamplingParams::default().allowed_tokens(vec![TokenId(65)]))
        .constraint(boolean_object());
    let error = run(&model, none_left.forced(ForcedTokens::Sample)).unwrap_err();
    assert!(matches!(error, DecodeError::Sampling(SamplingError::EmptySupport { .. })), "{error}");
}

#[test]
fn erased_models_decode_the_same() {
    let model = DynModel::new(Fake::new(Scores::Hash { eos: 0.0 }));
    let request = || Request::new(tokens(b"x")).sampling(greedy()).completions(2);
    let erased = generate(&model, &vocabulary(), request(), |_| ControlFlow::Continue(())).unwrap();
    let plain = run(&Fake::new(Scores::Hash { eos: 0.0 }), request()).unwrap();
    assert_eq!(erased.completions, plain.completions);
    struct Alien;
    impl LanguageModel for Alien {
        type Cache = u8;
        fn vocab_size(&self) -> usize {
            1
        }
        fn context_length(&self) -> usize {
            1
        }
        fn new_cache(&self) -> Result<u8, ModelError> {
            Ok(0)
        }
        fn cache_len(&self, _: &u8) -> usize {
            0
        }
        fn truncate(&self, _: &mut u8, _: usize) -> Result<(), ModelError> {
            Ok(())
        }
        fn fork(&self, cache: &u8) -> Result<u8, ModelError> {
            Ok(*cache)
        }
        fn forward(&self, _: &mut [ForwardInput<'_, u8>]) -> Result<Logits, ModelError> {
            Logits::new(vec![], 1, [])
        }
    }
    let mut alien = DynModel::new(Alien).new_cache().unwrap();
    assert!(matches!(model.fork(&alien), Err(ModelError::ForeignCache)));
    assert!(matches!(model.truncate(&mut alien, 0), Err(ModelError::ForeignCache)));
}

#[test]
fn times_are_those_of_the_clock() {
    use std::time::Duration;
    let model = Fake::new(Scores::Hash { eos: 0.0 });
    let ticks = AtomicUsize::new(0);
    let clock = move || Duration::from_millis(ticks.fetch_add(1, Ordering::Relaxed) as u64);
    let batch = Batch::new(&model, &vocabulary()).unwrap().clock(clock);
    let request = Request::new(tokens(b"x")).sampling(greedy()).constraint(boolean_object());
    let Generation { timings, usage, .. } =
        batch.run(request, |_: Chunk<'_>| ControlFlow::Continue(())).unwrap();
    // One tick passes between any two readings of the clock. A pass takes one tick, and so does a
    // draw.
    assert_eq!(timings.prefill, Duration::from_millis(1));
    assert_eq!(timings.forward, Duration::from_millis(usage.forward_passes as u64 - 1));
    assert_eq!(timings.sample, Duration::from_millis(usage.forward_passes as u64));
    assert!(timings.mask > timings.sample && timings.total > timings.mask + timings.forward);
    assert_eq!(
        timings.overhead() + timings.prefill + timings.forward + timings.mask + timings.sample,
        timings.total
    );
}
