//! Strategies in the loop: drafts of every kind, beams, best-of-n and shared prefixes.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use super::fake::*;
use hedgerow::decode::{
    Acceptance, Batch, BeamSearch, Budget, BudgetEnding, Completion, ContrastiveSearch, DecodeError, Draft,
    DraftChoice, EarlyStopping, FinishReason, ForcedTokens, Generation, LanguageModel, ReasoningBudget,
    Request, Strategy, TokenHealing, check_request, generate,
};
use hedgerow::engine::Constraint;
use hedgerow::sampling::{Sampler, SamplingError, SamplingParams};
use hedgerow::vocab::TokenId;

/// The ids of the letters `a` and `b` and of the end.
fn letters() -> Vec<TokenId> {
    "ab".bytes().map(|byte| TokenId(byte.into())).chain([eos()]).collect()
}

/// A constraint whose outputs are made of `ab`, `bbaaa` and `b`.
fn binary() -> Constraint {
    constraint(|b| {
        let parts = [b.nodes.literal(b"ab"), b.nodes.literal(b"bbaaa"), b.nodes.literal(b"b")];
        let item = b.nodes.alt(&parts);
        b.nodes.repeat(item, 3, 60)
    })
}

/// The target model. Over few tokens its outputs repeat themselves by chance, so that right and
/// wrong drafts are mixed.
fn target(context: usize) -> Fake {
    let mut model = Fake::new(Scores::Hash { eos: -1.0 });
    model.context = context;
    model
}

/// Runs a request with a draft model and with draft heads. Both differ from the target in the end
/// of sequence.
fn run_drafted(model: &Fake, request: Request) -> Generation {
    let other = || Fake::new(Scores::Hash { eos: 2.0 });
    Batch::new(model, &vocabulary())
        .unwrap()
        .draft_model(other())
        .draft_heads(Box::new(Heads(other())))
        .run(request, |_| ControlFlow::Continue(()))
        .unwrap()
}

const NGRAM: Draft = Draft::Ngram { longest: 3, tokens: 5 };
const LIKELIEST: Draft = Draft::Model { tokens: 4, choice: DraftChoice::Likeliest };
const DRAWN: Draft = Draft::Model { tokens: 4, choice: DraftChoice::Drawn };
const HEADS: Draft = Draft::Heads { tokens: 7 };

#[test]
fn prompts_that_end_within_a_token_are_healed() {
    let all = |words: &'static [&'static str]| {
        constraint(move |b| {
            let words: Vec<_> = words.iter().map(|word| b.nodes.literal(word.as_bytes())).collect();
            b.nodes.alt(&words)
        })
    };
    // The prompt ends in `h`. The model would write it as the beginning of `hello`.
    let prompt = tokens(b"say: h");
    let model = Fake::script(prompt.len() - 1, b"hello world");
    let request = Request::new(prompt.clone()).sampling(greedy()).healing(TokenHealing::On);
    for (constraint, text, first) in [
        (None, "ello world", "hello"),
        (Some(all(&["ello world", "i"])), "ello world", "hello"),
        // `hello` would write a forbidden text, so that only the prompt's own token is left.
        (Some(all(&["i world", "a world"])), "a world", "h"),
        (Some(all(&["ello"])), "ello", "hello"),
    ] {
        for draft in [Draft::None, NGRAM] {
            let mut request = request.clone().draft(draft).completions(2);
            request.constraint = constraint.clone();
            let made = run(&model, request).unwrap();
            assert_eq!(made.usage.prompt_tokens, prompt.len() - 1);
            for completion in made.completions {
                assert_eq!(completion.text, text);
                assert_eq!(vocabulary().bytes(completion.tokens[0]), first.as_bytes());
            }
        }
    }
    let beam = request.clone().strategy(Strategy::Beam(BeamSearch::new(2))).constraint(all(&["ello", "ey"]));
    assert_eq!(run(&model, beam).unwrap().completions[0].text, "ello");

    // Several tokens may spell the bytes of one. When `name` is taken back, `n` and `a` continue it
    // as well.
    let whole = tokens(b"a{\"");
    assert_eq!(whole.len(), 2);
    let model = Fake::new(Scores::Hash { eos: 2.0 });
    let healed = |prompt: &[TokenId], seed| {
        let sampling = SamplingParams::default().seed(seed).max_tokens(4).temperature(3.0);
        let request = Request::new(prompt).sampling(sampling).healing(TokenHealing::On);
        run(&model, request).unwrap()
    };
    // No token continues `{"`, so nothing is healed. Neither is a prompt of one token, nor a
    // special token.
    for prompt in [&whole, &tokens(b"h"), &[tokens(b"h"), vec![eos()]].concat()] {
        assert_eq!(healed(prompt, 1).usage.prompt_tokens, prompt.len());
    }
    for seed in 0..40 {
        let made = healed(&tokens(b"xyzt"), seed);
        let completion = &made.completions[0];
        let spelled = vocabulary().decode(&completion.tokens);
        assert_eq!(spelled, [b"t".as_slice(), &completion.bytes].concat(), "{seed}");
    }
}

#[test]
fn drafts_that_are_not_drawn_change_no_token() {
    let mut confirmed = [0; 3];
    for seed in 0..30 {
        let sampling = SamplingParams::default()
            .seed(seed)
            .temperature(if seed % 5 == 0 { 0.0 } else { 2.0 })
            .allowed_tokens(letters())
            .frequency_penalty(0.1)
            .max_tokens(5 + seed as usize);
        for constraint in [None, Some(binary())] {
            for forced in [ForcedTokens::Append, ForcedTokens::Sample] {
                let request = |draft| {
                    let mut request = Request::new(tokens(b"xy")).sampling(sampling.clone()).completions(3);
                    request.constraint.clone_from(&constraint);
                    request.forced(forced).stop(["abba"]).draft(draft).logprobs(1)
                };
                let plain = run(&target(30), request(Draft::None)).unwrap();
                for (draft, confirmed) in [NGRAM, LIKELIEST, HEADS].into_iter().zip(&mut confirmed) {
                    let guessed = run_drafted(&target(30), request(draft));
                    assert_eq!(plain.completions, without_guesses(&guessed), "seed {seed}, {draft:?}");
                    assert!(guessed.usage.forward_passes <= plain.usage.forward_passes);
                    *confirmed += guessed.usage.confirmed_tokens;
                }
            }
        }
    }
    assert!(confirmed.iter().all(|confirmed| *confirmed > 300), "{confirmed:?}");
}

#[test]
fn drafts_of_a_model_are_cheap_where_it_is_right() {
    let request = |draft| Request::new(tokens(b"x")).sampling(greedy().min_tokens(40)).draft(draft);
    let plain = run(&target(4096), request(Draft::None)).unwrap();
    for (draft, passes) in [(LIKELIEST, 8), (DRAWN, 8), (HEADS, 24)] {
        let guessed = run_drafted(&target(4096), request(draft));
        // Greedy output is the same to the byte, with drawn and with likeliest drafts.
        assert_eq!(plain.completions, without_guesses(&guessed), "{draft:?}");
        let usage = guessed.usage;
        // The two models agree on all tokens but the end, which is held back here. The heads do not
        // know that the end is held back.
        assert!(usage.forward_passes <= passes + 1, "{draft:?} {usage:?}");
        assert_eq!(usage.forward_passes, 40 - usage.confirmed_tokens, "{draft:?} {usage:?}");
    }
}

/// The probabilities of all outputs of `length` tokens, computed with the sampler alone.
fn joint(
    model: &Fake,
    prompt: &[TokenId],
    params: &SamplingParams,
    constraint: &Option<Constraint>,
    length: usize,
) -> Vec<(Vec<TokenId>, f64)> {
    let mut done = Vec::new();
    let mut open = vec![(Vec::<TokenId>::new(), 1.0f64)];
    while let Some((output, probability)) = open.pop() {
        if output.len() == length || output.last() == Some(&eos()) {
            done.push((output, probability));
            continue;
        }
        let mut sampler = Sampler::new(params.clone()).unwrap();
        sampler.with_prompt(prompt);
        output.iter().for_each(|&token| sampler.accept(token));
        let mut mask = vec![u32::MAX; vocabulary().size().div_ceil(32)];
        if let Some(constraint) = constraint {
            let mut matcher = constraint.matcher();
            assert!(output.iter().all(|&token| matcher.advance(token).unwrap()));
            matcher.fill_mask(&mut mask).unwrap();
        }
        let row = model.row(&[prompt, &output].concat());
        let row = &row[..vocabulary().token_count()];
        for (token, p) in sampler.distribution(row, Some(&mask[..row.len().div_ceil(32)])).unwrap() {
            open.push(([output.as_slice(), &[token]].concat(), probability * f64::from(p)));
        }
    }
    done
}

#[test]
fn drawn_drafts_keep_the_joint_distribution() {
    const LENGTH: usize = 5;
    let prompt = tokens(b"xy");
    for constraint in [None, Some(binary())] {
        let params = SamplingParams::default()
            .temperature(1.5)
            .allowed_tokens(letters())
            .frequency_penalty(0.5)
            .max_tokens(LENGTH);
        let distribution = joint(&target(4096), &prompt, &params, &constraint, LENGTH);
        assert!((distribution.iter().map(|entry| entry.1).sum::<f64>() - 1.0).abs() < 1e-4);
        for draft in [DRAWN, HEADS] {
            let mut request = Request::new(prompt.clone())
                .sampling(params.clone().seed(11))
                .completions(4000)
                .draft(draft)
                .budget(Budget::Cut)
                .forced(ForcedTokens::Sample);
            request.constraint.clone_from(&constraint);
            let generation = run_drafted(&target(4096), request);
            assert!(generation.usage.confirmed_tokens > 2000, "{:?}", generation.usage);
            let count = generation.completions.len() as f64;
            let (mut chi_squared, mut cells, mut rest) = (0.0, 0, (count, count));
            for (output, probability) in &distribution {
                let expected = probability * count;
                if expected < 8.0 {
                    continue;
                }
                let found = generation.completions.iter().filter(|c| c.tokens == *output).count() as f64;
                chi_squared += (found - expected).powi(2) / expected;
                rest = (rest.0 - found, rest.1 - expected);
                cells += 1;
            }
            if rest.1 > 1.0 {
                chi_squared += (rest.0 - rest.1).powi(2) / rest.1;
            }
            // The bound is the mean plus four standard deviations.
            let bound = f64::from(cells) + 4.0 * (2.0 * f64::from(cells)).sqrt();
            assert!(cells > 8 && chi_squared < bound, "{draft:?}: χ² = {chi_squared} over {cells} cells");
        }
    }
}

#[test]
fn typical_acceptance_takes_more_drafts_and_keeps_the_grammar() {
    let request = |acceptance| {
        let sampling = SamplingParams::default().temperature(2.0).seed(3).max_tokens(60);
        let request = Request::new(tokens(b"xy")).sampling(sampling).completions(8).draft(LIKELIEST);
        request.constraint(binary()).forced(ForcedTokens::Sample).acceptance(acceptance)
    };
    let exact = run_drafted(&target(4096), request(Acceptance::Exact)).usage;
    let typical = Acceptance::Typical { epsilon: 0.09, delta: 0.3 };
    let lossy = run_drafted(&target(4096), request(typical));
    let rate = |usage: hedgerow::decode::Usage| usage.confirmed_tokens as f64 / usage.drafted_tokens as f64;
    assert!(rate(lossy.usage) > rate(exact), "{:?} {exact:?}", lossy.usage);
    for completion in &lossy.completions {
        let mut matcher = binary().matcher();
        assert!(completion.tokens.iter().all(|&token| matcher.advance(token).unwrap()));
    }
}

#[test]
fn drafters_that_are_missing_are_named() {
    for (draft, expected) in [(LIKELIEST, "Batch::draft_model"), (HEADS, "Batch::draft_heads")] {
        let error = run(&target(4096), Request::new(tokens(b"x")).draft(draft)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let typical = Acceptance::Typical { epsilon: 2.0, delta: 0.3 };
    let error = run(&target(4096), Request::new(tokens(b"x")).acceptance(typical)).unwrap_err();
    assert!(error.to_string().contains("ε between 0 and 1"), "{error}");
}

/// The logarithm of a token's probability under the softmax of a row.
fn logprob(row: &[f32], token: TokenId) -> f64 {
    let sum: f64 = row.iter().map(|&l| f64::from(l).exp()).sum();
    f64::from(row[token.index()]) - sum.ln()
}

#[test]
fn strategies_are_read_and_written() {
    let beam = BeamSearch::new(4);
    let contrastive = ContrastiveSearch::default();
    for (text, expected) in [
        ("sample", Strategy::Sample),
        ("best-of:5", Strategy::BestOf(5)),
        ("beam:4", Strategy::Beam(beam)),
        ("beam:4:0.5", Strategy::Beam(beam.length_penalty(0.5))),
        ("beam:4:1:never", Strategy::Beam(beam.early_stopping(EarlyStopping::Never))),
        ("diverse-beam:4:2:0.3", Strategy::Beam(beam.diverse(2, 0.3))),
        ("diverse-beam:4:2:0.3:2", Strategy::Beam(beam.diverse(2, 0.3).length_penalty(2.0))),
        ("contrastive:4:0.6", Strategy::Contrastive(contrastive)),
        ("contrastive:8:0.1", Strategy::Contrastive(contrastive.candidates(8).penalty(0.1))),
    ] {
        assert_eq!(text.parse::<Strategy>().unwrap(), expected, "{text}");
        assert_eq!(expected.to_string(), text);
    }
    assert_eq!("contrastive".parse::<Strategy>().unwrap(), Strategy::Contrastive(contrastive));
    for text in ["", "beam", "beam:", "beam:x", "beam:4:1:often", "beam:4:1:full:1", "sample:3", "best-of"] {
        let error = text.parse::<Strategy>().unwrap_err().to_string();
        assert!(error.contains("expected sample, best-of:N, beam:BEAMS"), "{text}: {error}");
    }
}

#[test]
fn wide_beams_find_the_best_of_all() {
    let model = Fake::new(Scores::Hash { eos: 0.0 });
    let prompt = tokens(b"hello");
    let values = || {
        constraint(|b| {
            let letters = ["a", "b", "c"].map(|letter| b.nodes.literal(letter.as_bytes()));
            let letter = b.nodes.alt(&letters);
            b.nodes.repeat(letter, 1, 3)
        })
    };
    // All 3 + 9 + 27 sequences of one to three tokens, scored without the loop.
    let mut matchers = vec![(Vec::<TokenId>::new(), 0.0)];
    let mut all = Vec::new();
    while let Some((output, sum)) = matchers.pop() {
        let constraint = values();
        let mut matcher = constraint.matcher();
        assert!(output.iter().all(|&token| matcher.advance(token).unwrap()));
        let row = model.row(&[prompt.as_slice(), &output].concat());
        for token in matcher.mask().unwrap().iter() {
            let more = ([output.as_slice(), &[token]].concat(), sum + logprob(&row, token));
            if token == eos() { all.push(more) } else { matchers.push(more) }
        }
    }
    for alpha in [0.5, 1.0] {
        let worth = |(output, sum): &(Vec<TokenId>, f64)| sum / (output.len() as f64).powf(alpha);
        all.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
        let search = BeamSearch::new(60).length_penalty(alpha).early_stopping(EarlyStopping::Never);
        let request = Request::new(prompt.clone())
            .sampling(greedy())
            .constraint(values())
            .strategy(Strategy::Beam(search))
            .completions(5)
            .logprobs(2);
        let found = run(&model, request).unwrap().completions;
        assert_eq!(found.len(), 5);
        for (found, expected) in found.iter().zip(&all) {
            assert_eq!(found.tokens, expected.0);
            assert!(matches!(found.finish, FinishReason::Stop | FinishReason::ConstraintComplete));
            assert!((found.score.unwrap() - worth(expected)).abs() < 1e-4);
            let sum: f64 = found.logprobs.iter().map(|entry| f64::from(entry.processed)).sum();
            assert!((sum - expected.1).abs() < 1e-4 && found.logprobs.len() == found.tokens.len());
        }
    }
}

#[test]
fn beams_stop_at_stop_strings_and_lengths_and_when_told() {
    let model = Fake::new(Scores::Hash { eos: -100.0 });
    let request = |search| {
        Request::new(tokens(b"x"))
            .sampling(greedy().max_tokens(6))
            .strategy(Strategy::Beam(search))
            .completions(2)
    };
    let found = run(&model, request(BeamSearch::new(3)).stop(["e"])).unwrap();
    for completion in &found.completions {
        assert!(
            completion.finish == FinishReason::Length && completion.tokens.len() == 6
                || completion.finish == FinishReason::StopSequence
        );
        assert!(!completion.text.contains('e'));
    }
    assert!(found.completions[0].score >= found.completions[1].score);
    let mut steps = 0;
    let cancelled = generate(&model, &vocabulary(), request(BeamSearch::new(3)), |chunk| {
        assert!(chunk.tokens.is_empty() || chunk.finish.is_some());
        steps += 1;
        if steps == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let cancelled = cancelled.unwrap().completions;
    assert_eq!(
        (cancelled.len(), cancelled[0].finish, cancelled[0].tokens.len()),
        (2, FinishReason::Cancelled, 3)
    );
    for (search, expected) in [
        (BeamSearch::new(0), "from 1 to 4096"),
        (BeamSearch::new(1), "more outputs are asked for than there are beams"),
        (BeamSearch::new(4).diverse(3, 1.0), "does not divide"),
        (BeamSearch::new(4).diverse(2, -1.0), "≥ 0"),
        (BeamSearch::new(4).length_penalty(f64::NAN), "finite"),
    ] {
        let error = run(&model, request(search)).unwrap_err();
        assert!(
            matches!(error, DecodeError::Strategy { .. }) && error.to_string().contains(expected),
            "{error}"
        );
    }
}

/// An output whose constraint ends at the largest length is complete, whatever found it.
#[test]
fn an_output_of_the_largest_length_may_be_complete() {
    let model = Fake::new(Scores::Hash { eos: -1.0 });
    let beam = BeamSearch::new(3);
    for (pattern, max_tokens, finish) in [
        // No token but an end can follow, and there is no room for it.
        ("[x-z]{4}", 4, FinishReason::ConstraintComplete),
        ("x{4}", 4, FinishReason::ConstraintComplete),
        // Another token could follow.
        ("[x-z]{4,5}", 4, FinishReason::Length),
        ("x{5}", 4, FinishReason::Length),
    ] {
        for strategy in [
            Strategy::Sample,
            Strategy::BestOf(3),
            Strategy::Beam(beam),
            Strategy::Beam(beam.early_stopping(EarlyStopping::Never)),
            Strategy::Beam(BeamSearch::new(4).diverse(2, 0.5)),
            Strategy::Contrastive(ContrastiveSearch::default().candidates(2)),
        ] {
            for forced in [ForcedTokens::Append, ForcedTokens::Sample] {
                let request = Request::new(tokens(b"u"))
                    .constraint(Constraint::regex(pattern, &vocabulary()).unwrap())
                    // No end token before the largest length.
                    .sampling(greedy().max_tokens(max_tokens).min_tokens(max_tokens))
                    .strategy(strategy.clone())
                    .forced(forced)
                    .budget(Budget::Cut);
                let made = &run(&model, request).unwrap().completions[0];
                let name = format!("{pattern} {strategy} {forced:?}: {:?}", made.text);
                assert_eq!((made.finish, made.tokens.len()), (finish, max_tokens), "{name}");
                assert_eq!(made.complete, Some(pattern != "x{5}"), "{name}");
            }
        }
    }
}

#[test]
fn beams_share_a_batch() {
    let model = Fake::new(Scores::Hash { eos: 3.0 });
    let beam = || {
        Request::new(tokens(b"one"))
            .sampling(greedy())
            .strategy(Strategy::Beam(BeamSearch::new(4)))
            .completions(4)
    };
    let sampled =
        || Request::new(tokens(b"two")).sampling(SamplingParams::default().max_tokens(20)).completions(2);
    let alone = [run(&model, beam()).unwrap().completions, run(&model, sampled()).unwrap().completions];
    let mut batch = Batch::new(&model, &vocabulary()).unwrap();
    batch.join(sampled()).unwrap();
    batch.step(|_, _| ControlFlow::Continue(()));
    let second = batch.join(beam()).unwrap();
    let mut found = Vec::new();
    while !batch.is_empty() {
        found.extend(batch.step(|_, _| ControlFlow::Continue(())));
    }
    for (id, result) in found {
        assert_eq!(result.unwrap().completions, alone[usize::from(id != second)]);
    }
}

#[test]
fn the_best_of_several_are_kept() {
    let model = Fake::new(Scores::Hash { eos: 0.0 });
    let request = |strategy| {
        let sampling = SamplingParams::default().temperature(1.5).seed(5).max_tokens(6);
        Request::new(tokens(b"x")).sampling(sampling).strategy(strategy).completions(2).logprobs(0)
    };
    let mut chunks = 0;
    let best = generate(&model, &vocabulary(), request(Strategy::BestOf(9)), |chunk| {
        chunks += usize::from(!chunk.tokens.is_empty());
        ControlFlow::Continue(())
    });
    let best = best.unwrap().completions;
    assert_eq!((best.len(), chunks), (2, 2));
    let all = run(&model, request(Strategy::Sample).completions(9)).unwrap().completions;
    let mean = |completion: &hedgerow::decode::Completion| {
        let sum: f64 = completion.logprobs.iter().map(|entry| f64::from(entry.raw.unwrap())).sum();
        sum / completion.logprobs.len() as f64
    };
    let mut means: Vec<f64> = all.iter().map(mean).collect();
    means.sort_by(|a, b| b.total_cmp(a));
    for (completion, expected) in best.iter().zip(means) {
        assert!(
            (completion.score.unwrap() - expected).abs() < 1e-5 && (mean(completion) - expected).abs() < 1e-5
        );
    }
    let error = run(&model, request(Strategy::BestOf(1))).unwrap_err();
    assert!(error.to_string().contains("best-of makes fewer outputs than are asked for"), "{error}");
}

#[test]
fn prompts_that_begin_alike_are_read_once() {
    let model = Fake::new(Scores::Hash { eos: -100.0 });
    let request = |prompt: &[u8]| Request::new(tokens(prompt)).sampling(greedy().max_tokens(4));
    let mut batch = Batch::new(&model, &vocabulary()).unwrap().keep_prefixes(2).pass_tokens(8);
    let mut reused = Vec::new();
    for prompt in [b"0123456789".as_slice(), b"0123456789", b"01234abc", b"zzz", b"0123456789 and more of it"]
    {
        let id = batch.join(request(prompt)).unwrap();
        let result = loop {
            if let Some((of, result)) = batch.step(|_, _| ControlFlow::Continue(())).pop() {
                assert_eq!(of, id);
                break result.unwrap();
            }
        };
        assert_eq!(result.completions, run(&model, request(prompt)).unwrap().completions);
        reused.push(result.usage.reused_tokens);
    }
    // The last token is read again. Of two stored prefixes, the longer is used.
    assert_eq!(reused, [0, 9, 5, 0, 5]);
    // A prefix can be shared while it is being read.
    batch.join(request(b"a rather long beginning")).unwrap();
    batch.step(|_, _| ControlFlow::Continue(()));
    let second = batch.join(request(b"a rather long beginning, too")).unwrap();
    let before = model.passes.load(Ordering::Relaxed);
    while !batch.is_empty() {
        for (id, result) in batch.step(|_, _| ControlFlow::Continue(())) {
            let result = result.unwrap();
            assert_eq!(result.usage.reused_tokens, if id == second { 8 } else { 0 });
        }
    }
    assert!(model.passes.load(Ordering::Relaxed) > before && model.vocab_size() > 0);
}

/// Nested objects with required names, in which everything that is open must be closed.
fn nested() -> Constraint {
    let schema = r##"{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"kind":{"enum":["leaf","branch"]},
        "note":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/node"},"minItems":1}},
        "required":["kind","note"],"additionalProperties":false}}}"##;
    let grammar = hedgerow::schema::compile(schema, &hedgerow::schema::SchemaOptions::default()).unwrap();
    Constraint::new(&grammar, &vocabulary()).unwrap()
}

#[test]
fn outputs_with_a_budget_end_complete() {
    // The end of sequence is never preferred, and some bytes lead deeper. Without a budget these
    // outputs would be cut off.
    let model = Fake::new(Scores::Hash { eos: -100.0 });
    let (mut cut, mut written) = (0, 0);
    for seed in 0..12 {
        for (constraint, shortest) in [(nested(), 40), (boolean_object(), 10), (binary(), 4)] {
            for room in [shortest, shortest + 1, shortest + 7, 90] {
                for forced in [ForcedTokens::Append, ForcedTokens::Sample] {
                    let request = |budget| {
                        let sampling = SamplingParams::default().temperature(1.3).seed(seed);
                        let request = Request::new(tokens(b"x")).sampling(sampling.max_tokens(room));
                        request.constraint(constraint.clone()).budget(budget).forced(forced).completions(2)
                    };
                    let draft = NGRAM;
                    for draft in [Draft::None, draft] {
                        for completion in
                            run(&model, request(Budget::Complete).draft(draft)).unwrap().completions
                        {
                            let mut matcher = constraint.matcher();
                            assert!(completion.tokens.iter().all(|&token| matcher.advance(token).unwrap()));
                            assert!(matcher.is_accepting(), "{room}: {}", completion.text);
                            assert_eq!(completion.complete, Some(true), "{}", completion.text);
                            written += check_ending(&completion, room);
                            assert!(
                                completion.tokens.len() <= room
                                    && completion.forced_tokens <= completion.tokens.len()
                            );
                        }
                    }
                    let outputs = run(&model, request(Budget::Cut)).unwrap().completions;
                    cut += outputs.iter().filter(|output| output.finish == FinishReason::Length).count();
                }
            }
        }
    }
    assert!(cut > 100 && written > 100, "{cut} {written}");
    // If no complete output fits, the request is refused before the first pass, or its output is
    // cut off.
    let request = Request::new(tokens(b"x")).sampling(greedy().max_tokens(5)).constraint(nested());
    let passes = model.passes.load(Ordering::Relaxed);
    let refused = run(&model, request.clone()).unwrap_err();
    // The number is that of an output, which may have fewer tokens than the engine's.
    let DecodeError::ShortestOutput { needs, room: 5, by_context: false } = refused else {
        panic!("{refused}")
    };
    let few = |tokens: usize| request.clone().sampling(greedy().max_tokens(tokens));
    assert!(needs <= nested().matcher().completion().unwrap().unwrap().len());
    assert!(check_request(&few(needs), &vocabulary(), 500).is_ok());
    assert!(check_request(&few(needs - 1), &vocabulary(), 500).is_err());
    assert!(refused.to_string().contains(&format!("takes {needs} tokens")), "{refused}");
    assert_eq!(model.passes.load(Ordering::Relaxed), passes);
    let cut = run(&model, request.budget(Budget::Cut)).unwrap().completions.remove(0);
    assert_eq!((cut.finish, cut.complete), (FinishReason::Length, Some(false)));
}

/// Stop strings and end tokens concern the model's tokens, not those that the budget writes.
#[test]
fn the_end_that_a_budget_writes_does_not_stop() {
    // The model would go on with digits.
    let model = Fake::script(1, b"1111111111");
    let token = |byte: u8| TokenId(u32::from(byte));
    for (pattern, stop, stop_tokens, first_byte) in [
        ("[0-9]+xyz", &["y"][..], &[][..], 3),
        ("[0-9]+xyz", &["1xyz"], &[], 3),
        ("[0-9]+xyz", &["z"], &[], 3),
        ("[0-9]+xyz", &[], b"y", 3),
        ("[0-9]+xyz", &[], b"z", 3),
        ("[0-9]+xyz", &["xy"], b"x", 3),
        // These stop strings are the model's.
        ("[0-9]+xyz", &["11"], &[], 0),
        ("[0-9]+xyz", &["y"], b"1", 0),
    ] {
        for (strategy, draft) in
            [(Strategy::Sample, Draft::None), (Strategy::Sample, NGRAM), (Strategy::BestOf(2), Draft::None)]
        {
            let stop_tokens: Vec<TokenId> = stop_tokens.iter().copied().map(token).collect();
            let request = Request::new(tokens(b"u"))
                .constraint(Constraint::regex(pattern, &vocabulary()).unwrap())
                .sampling(greedy().max_tokens(6))
                .stop(stop.iter().copied())
                .stop_tokens(stop_tokens)
                .strategy(strategy.clone())
                .draft(draft);
            let made = run(&model, request).unwrap().completions.remove(0);
            let name = format!("{pattern} {stop:?}: {made:?}");
            match first_byte {
                0 => {
                    assert!(matches!(made.finish, FinishReason::Stop | FinishReason::StopSequence), "{name}");
                    assert_eq!(made.budget_ending, None, "{name}");
                }
                _ => {
                    assert_eq!((made.text.as_str(), made.finish), ("111xyz", FinishReason::Length), "{name}");
                    assert_eq!((made.complete, made.stop_sequence), (Some(true), None), "{name}");
                    assert_eq!(
                        made.budget_ending,
                        Some(BudgetEnding { first_token: 3, tokens: 3, first_byte }),
                        "{name}"
                    );
                }
            }
        }
    }
}

/// The text with the fewest bytes may have more tokens than another.
#[test]
fn a_longer_text_of_fewer_tokens_fits() {
    let model = Fake::new(Scores::Hash { eos: -1.0 });
    let request = |words: &[&str], room| {
        let constraint = Constraint::choice(words, &vocabulary()).unwrap();
        Request::new(tokens(b"u")).constraint(constraint).sampling(greedy().max_tokens(room))
    };
    for (words, room, fits) in [
        (&["Zq", "hello"][..], 1, Some("hello")),
        (&["Zq", "name", "xyz"], 1, Some("name")),
        (&["Zqx", "hello world"], 2, None),
        (&["Zqx", "hello world", "true"], 2, Some("true")),
        (&["Zqx", "hellold"], 2, Some("hellold")),
        (&["Zq"], 1, None),
    ] {
        for strategy in [Strategy::Sample, Strategy::BestOf(3)] {
            let request = request(words, room).strategy(strategy).completions(1);
            match (run(&model, request), fits) {
                (Ok(made), Some(text)) => {
                    let made = &made.completions[0];
                    assert_eq!(
                        (made.text.as_str(), made.complete),
                        (text, Some(true)),
                        "{words:?}: {made:?}"
                    );
                }
                (Err(DecodeError::ShortestOutput { needs: 2 | 3, .. }), None) => {}
                (made, _) => panic!("{words:?} {room}: {made:?}"),
            }
        }
    }
    // Every output of a request knows the way.
    let made = run(&model, request(&["Zq", "hello"], 1).completions(3)).unwrap();
    assert!(made.completions.iter().all(|made| made.text == "hello"), "{made:?}");
}

/// A token is taken if the rest fits in fewer tokens than the engine's completion, which has few
/// bytes, would need.
#[test]
fn tokens_whose_rest_fits_are_the_models() {
    let model = Fake::script(1, b"abababab");
    let id = |text: &str| tokens(text.as_bytes())[0];
    for (max_tokens, bans, text, chosen) in [
        (8, vec![], "abababab", 4),
        (4, vec![], "abababab", 4),
        (3, vec![], "abab", 2),
        (2, vec![], "", 0),
        (3, vec![id("true")], "abab", 2),
        (3, vec![id("true"), id("name")], "ab", 1),
    ] {
        let constraint = Constraint::regex("[a-z]{8}", &vocabulary()).unwrap();
        let sampling = greedy().max_tokens(max_tokens).suppressed_tokens(bans.clone());
        let request = Request::new(tokens(b"u")).constraint(constraint).sampling(sampling);
        let made = run(&model, request);
        let output = match (made, chosen) {
            (Ok(made), _) => made.completions[0].clone(),
            (Err(DecodeError::ShortestOutput { .. }), 0) => continue,
            (Err(error), _) => panic!("{max_tokens} {bans:?}: {error}"),
        };
        assert!(output.text.starts_with(text) && output.text.len() == 8, "{max_tokens} {bans:?}: {output:?}");
        let own = output.budget_ending.map_or(output.tokens.len(), |ending| ending.first_token);
        assert_eq!((own, output.complete), (chosen, Some(true)), "{max_tokens} {bans:?}: {output:?}");
    }
}

/// The ending that a budget writes has no token that the request bans.
#[test]
fn the_end_that_a_budget_writes_keeps_the_bans() {
    let model = Fake::script(1, b"1111111111");
    let id = |text: &str| tokens(text.as_bytes())[0];
    let constraint = |pattern| Constraint::regex(pattern, &vocabulary()).unwrap();
    for (name, params, pattern, expected) in [
        ("no ban", greedy(), "[0-9]+(true|xyzvw)", "1111true"),
        ("suppressed", greedy().suppressed_tokens(vec![id("true")]), "[0-9]+(true|xyzvw)", "1true"),
        ("biased", greedy().logit_bias(vec![(id("true"), f32::NEG_INFINITY)]), "[0-9]+true", "1true"),
        ("a word", greedy().bad_words(vec![vec![id("1"), id("true")]]), "[0-9]+true", "1110true"),
        ("another text", greedy().suppressed_tokens(vec![id("x")]), "[0-9]+(x|yz)", "111yz"),
        ("another letter", greedy().suppressed_tokens(vec![id("a"), id("ab")]), "[0-9]*c[ab]{3}", "1cbbb"),
    ] {
        let request =
            Request::new(tokens(b"u")).constraint(constraint(pattern)).sampling(params.max_tokens(5));
        let made = run(&model, request.clone()).unwrap().completions.remove(0);
        assert_eq!((made.text.as_str(), made.finish), (expected, FinishReason::Length), "{name}: {made:?}");
        let is_whole = !expected.ends_with('1');
        assert_eq!((made.complete, made.budget_ending.is_some()), (Some(is_whole), is_whole), "{name}");
        let banned = |token: &TokenId| request.sampling.suppressed_tokens.contains(token);
        assert!(!made.tokens.iter().any(banned), "{name}: {made:?}");
    }
    // Nothing spells it.
    let sampling = greedy().suppressed_tokens(vec![id("x")]).max_tokens(5);
    let request = Request::new(tokens(b"u")).constraint(constraint("[0-9]+x")).sampling(sampling);
    let error = run(&model, request).unwrap_err();
    assert!(matches!(error, DecodeError::Sampling(SamplingError::EmptySupport { .. })), "{error}");
}

/// The end of reasoning that a budget appends leaves room for the rest of the output, and is
/// appended as a whole or not at all.
#[test]
fn the_end_of_reasoning_leaves_room_for_the_rest() {
    let model = Fake::script(1, b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    let late = |at| (FinishReason::Length, Some(at));
    let (whole, cut) = (FinishReason::ConstraintComplete, (FinishReason::Length, None));
    for (pattern, message, room, text, end) in [
        ("[a-z .]*</t>x{5}", " Zu.", 30, None, cut),
        ("[a-z .]*</t>x{5}", " zu.", 30, Some("aaa zu.</t>xxxxx"), (whole, None)),
        ("[a-z .]*</t>x{5}", " zu.", 16, Some("aaa zu.</t>xxxxx"), (whole, None)),
        ("[a-z .]*</t>x{5}", " zu.", 15, Some("aaa</t>xxxxx"), late(3)),
        ("([a-z ]{2})*\\.?</t>x{5}", " zup.", 30, Some("aaaa zup.</t>xxxxx"), (whole, None)),
    ] {
        let case = format!("{pattern} {message} {room}");
        let constraint = Constraint::regex(pattern, &vocabulary()).unwrap();
        let mut request = Request::new(tokens(b"u")).constraint(constraint);
        request = request.sampling(greedy().max_tokens(room));
        let ending = tokens(format!("{message}</t>").as_bytes());
        request.reasoning = Some(ReasoningBudget::new(3, "</t>", ending));
        let made = run(&model, request).unwrap().completions.remove(0);
        let budget = made.budget_ending.map(|ending| ending.first_token);
        if let Some(text) = text {
            assert_eq!((made.text.as_str(), (made.finish, budget)), (text, end), "{case}: {made:?}");
        } else {
            assert!(!made.text.contains(message.trim_end_matches('.')), "{case}: {made:?}");
        }
        assert_eq!(made.complete, Some(true), "{case}: {made:?}");
    }
}

/// A ban does not make a request possible that has no room.
#[test]
fn a_ban_makes_no_room() {
    let model = Fake::new(Scores::Hash { eos: -1.0 });
    let a = TokenId(u32::from(b'a'));
    for (params, fits) in [
        (greedy(), false),
        (greedy().suppressed_tokens(vec![a]), false),
        (greedy().begin_suppressed_tokens(vec![a]), false),
        (greedy().suppressed_tokens(vec![a]).max_tokens(4), true),
    ] {
        let params = if fits { params } else { params.max_tokens(2) };
        let request = Request::new(tokens(b"u"))
            .constraint(Constraint::regex("[ab]{3,20}c", &vocabulary()).unwrap())
            .sampling(params);
        match run(&model, request) {
            Ok(made) => assert!(fits && made.completions[0].complete == Some(true), "{made:?}"),
            Err(DecodeError::ShortestOutput { needs, room: 2, .. }) => assert!(!fits && needs >= 3),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Contrastive search, which reads candidates ahead, fills the context as other strategies do.
#[test]
fn contrastive_search_fills_the_context() {
    let contrastive = Strategy::Contrastive(ContrastiveSearch::default().candidates(3));
    for (pattern, context, max_tokens) in
        [(None, 12, None), (Some("[ab]+"), 12, None), (Some("[ab]+"), 12, Some(8))]
    {
        let mut ends = Vec::new();
        for strategy in [contrastive.clone(), Strategy::Sample] {
            let mut model = Fake::new(Scores::Hash { eos: -100.0 });
            model.context = context;
            let mut request = Request::new(tokens(b"uvwxyz")).strategy(strategy).budget(Budget::Cut);
            request.sampling = greedy();
            request.sampling.max_tokens = max_tokens;
            request.constraint = pattern.map(|pattern| Constraint::regex(pattern, &vocabulary()).unwrap());
            request.logprobs = Some(1);
            let made = run(&model, request).unwrap().completions.remove(0);
            assert_eq!(made.logprobs.len(), made.tokens.len());
            ends.push((made.finish, made.tokens.len()));
        }
        assert_eq!(ends[0], ends[1], "{pattern:?}");
        assert_eq!(ends[0], (FinishReason::Length, 7), "{pattern:?}");
    }
}

/// The best of several outputs is one that the model has ended, whatever the scores.
#[test]
fn the_best_output_is_a_whole_one() {
    let model = Fake::new(Scores::Hash { eos: 1.0 });
    let mut wholes = 0;
    for seed in 0..40 {
        let request = Request::new(tokens(b"x"))
            .constraint(Constraint::regex("[a-c]+(xyz)?", &vocabulary()).unwrap())
            .sampling(SamplingParams::default().temperature(1.5).seed(seed).max_tokens(6));
        let all = run(&model, request.clone().completions(4)).unwrap().completions;
        let best = run(&model, request.strategy(Strategy::BestOf(4))).unwrap().completions.remove(0);
        let is_whole = |made: &Completion| made.finish != FinishReason::Length;
        let mixed = all.iter().any(is_whole) && !all.iter().all(is_whole);
        wholes += usize::from(mixed);
        assert_eq!(is_whole(&best), all.iter().any(is_whole), "{seed}: {best:?} of {all:?}");
    }
    assert!(wholes > 5, "{wholes}");
}

/// A grammar may end with the end token, and special tokens are no text.
#[test]
fn outputs_with_special_tokens_are_complete() {
    let gbnf = |text: &str| {
        let grammar = hedgerow::syntax::Notation::Gbnf.compile(text).unwrap();
        Constraint::new(&grammar, &vocabulary()).unwrap()
    };
    let special = |text: &str| [tokens(text.as_bytes()), vec![eos()]].concat();
    for (grammar, script, stop, expected) in [
        // Behind the end token the grammar is complete, or it is not.
        (r#"root ::= "yes" </s>"#, special("yes"), "", Some(true)),
        (r#"root ::= "yes" (</s> "no")?"#, special("yes"), "", Some(true)),
        (r#"root ::= "yes" </s> "no""#, special("yes"), "", Some(false)),
        // The text of a stop token is no part of the output's.
        (r#"root ::= "yes!""#, tokens(b"yes!"), "", Some(false)),
        (r#"root ::= "yes" "!"?"#, tokens(b"yes!"), "", Some(true)),
        // A stop string ends a text with a special token before it.
        (r#"root ::= "a" "b" [a-z ]*"#, tokens(b"abc de"), " ", Some(true)),
        (r#"root ::= "a" "b" [a-z ]* "!""#, tokens(b"abc de"), " ", Some(false)),
    ] {
        let model = Fake::new(Scores::Script { prompt: 1, tokens: script });
        let request = Request::new(tokens(b"u")).constraint(gbnf(grammar)).sampling(greedy().max_tokens(9));
        let request = request.stop_tokens([TokenId(u32::from(b'!'))]);
        let made = run(&model, request.stop([stop])).unwrap().completions.remove(0);
        assert_eq!(made.complete, expected, "{grammar}: {made:?}");
    }
}

/// An output after which the constraint allows nothing but an end finishes alike under every
/// strategy.
#[test]
fn an_output_that_can_only_end_is_complete() {
    let model = Fake::new(Scores::Hash { eos: -1.0 });
    for (pattern, finish) in
        [("[x-z]{4}", FinishReason::ConstraintComplete), ("[x-z]{4}x?", FinishReason::Stop)]
    {
        for strategy in [
            Strategy::Sample,
            Strategy::BestOf(3),
            Strategy::Beam(BeamSearch::new(3)),
            Strategy::Beam(BeamSearch::new(4).diverse(2, 0.5)),
            Strategy::Contrastive(ContrastiveSearch::default().candidates(2)),
        ] {
            let bias = vec![(TokenId(u32::from(b'x')), -50.0)];
            let request = Request::new(tokens(b"u"))
                .constraint(Constraint::regex(pattern, &vocabulary()).unwrap())
                .sampling(greedy().max_tokens(9).logit_bias(bias))
                .strategy(strategy.clone());
            let made = &run(&model, request).unwrap().completions[0];
            assert_eq!((made.finish, made.complete), (finish, Some(true)), "{pattern} {strategy}: {made:?}");
        }
    }
}

/// Checks the reported end of a complete output, and returns 1 if the budget has written the end.
fn check_ending(completion: &Completion, room: usize) -> usize {
    match completion.budget_ending {
        None => 0,
        Some(BudgetEnding { first_token, tokens, first_byte }) => {
            assert_eq!(completion.finish, FinishReason::Length, "{}", completion.text);
            assert_eq!(first_token + tokens, completion.tokens.len());
            assert!(
                completion.tokens.len() <= room
                    && tokens + completion.forced_tokens <= completion.tokens.len()
            );
            let before = vocabulary().decode(&completion.tokens[..first_token]);
            assert_eq!(completion.bytes[..first_byte], before);
            1
        }
    }
}
