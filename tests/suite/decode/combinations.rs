//! Every strategy combined with every kind of constraint, drafter and mixture of models.

use std::ops::ControlFlow;

use super::fake::*;
use hedgerow::decode::{
    Batch, BeamSearch, ContrastiveDecoding, ContrastiveSearch, DecodeError, Dola, Draft, DraftChoice,
    FinishReason, Generation, Guided, LanguageModel, ModelError, ReasoningBudget, Request, Strategy,
};
use hedgerow::engine::Constraint;
use hedgerow::sampling::SamplingParams;
use hedgerow::syntax::Notation;
use hedgerow::tags::{Event, Reply};
use hedgerow::vocab::TokenId;

const DRAFTS: [Draft; 5] = [
    Draft::None,
    Draft::Ngram { longest: 3, tokens: 5 },
    Draft::Model { tokens: 3, choice: DraftChoice::Likeliest },
    Draft::Model { tokens: 3, choice: DraftChoice::Drawn },
    Draft::Heads { tokens: 6 },
];

/// A constraint of each kind, and no constraint.
fn constraints() -> Vec<(&'static str, Option<Constraint>)> {
    let vocabulary = vocabulary();
    let schema = r#"{"type": "object", "properties": {"name": {"type": "boolean"}, "b": {"enum": [1, "ab"]}},
        "required": ["name"], "additionalProperties": false}"#;
    let list = "root ::= \"[\" (item (\",\" item)*)? \"]\"\nitem ::= root | [a-d]+";
    let statement = "start: NAME \"=\" (NAME | NUMBER)\nNAME: /[a-d]+/\nNUMBER: /[0-9]+/\n%ignore \" \"";
    vec![
        ("none", None),
        ("regex", Some(Constraint::regex("[a-f]{2,4}( [a-f]+)?", &vocabulary).unwrap())),
        ("choice", Some(Constraint::choice(&["hello world", "hello", "false"], &vocabulary).unwrap())),
        ("schema", Some(Constraint::json_schema(schema, &vocabulary).unwrap())),
        ("gbnf", Some(Constraint::grammar_text(Notation::Gbnf, list, &vocabulary).unwrap())),
        ("lark", Some(Constraint::grammar_text(Notation::Lark, statement, &vocabulary).unwrap())),
    ]
}

fn strategies() -> Vec<(&'static str, Strategy, f32)> {
    let contrastive = ContrastiveSearch::default().candidates(3).penalty(0.5);
    vec![
        ("greedy", Strategy::Sample, 0.0),
        ("sample", Strategy::Sample, 1.2),
        ("best of", Strategy::BestOf(3), 1.2),
        ("beam", Strategy::Beam(BeamSearch::new(3)), 1.0),
        ("diverse beam", Strategy::Beam(BeamSearch::new(4).diverse(2, 0.5)), 1.0),
        ("contrastive search", Strategy::Contrastive(contrastive), 1.0),
    ]
}

fn run_with(model: impl LanguageModel, request: Request) -> Result<Generation, DecodeError> {
    let drafter = || Fake::new(Scores::Hash { eos: 2.0 });
    Batch::new(model, &vocabulary())?
        .draft_model(drafter())
        .draft_heads(Box::new(Heads(drafter())))
        .run(request, |_| ControlFlow::Continue(()))
}

/// A model, or a mixture of its logits with others.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mixture {
    Plain,
    Guided,
    ContrastiveDecoding,
    Dola,
}

impl Mixture {
    fn run(self, request: Request) -> Result<Generation, DecodeError> {
        let model = Fake::new(Scores::Hash { eos: 0.5 });
        let amateur = Fake::new(Scores::Hash { eos: 3.0 });
        match self {
            Mixture::Plain => run_with(model, request),
            Mixture::Guided => {
                let prompt = request.prompt.len();
                run_with(Guided::new(model, prompt, tokens(b"no"), 1.5), request)
            }
            Mixture::ContrastiveDecoding => {
                run_with(ContrastiveDecoding::new(model, amateur, 0.1, 0.5), request)
            }
            Mixture::Dola => run_with(Dola::new(model, vec![1, 4]), request),
        }
    }
}

/// Checks that every output is a word of the constraint, or is reported as unfinished and is the
/// beginning of one.
fn check(name: &str, constraint: Option<&Constraint>, strategy: &Strategy, generation: &Generation) {
    let completes = matches!(strategy, Strategy::Sample | Strategy::BestOf(_));
    for completion in &generation.completions {
        let accepting = constraint.map(|constraint| {
            let mut matcher = constraint.matcher();
            let read = completion.tokens.iter().all(|&token| matcher.advance(token).unwrap());
            assert!(read, "{name}: {:?}", completion.text);
            matcher.is_accepting()
        });
        assert_eq!(completion.complete, accepting, "{name}: {:?}", completion.text);
        assert!(!completes || accepting != Some(false), "{name}: {:?}", completion.text);
    }
}

#[test]
fn every_strategy_goes_with_every_constraint_drafter_and_mixture() {
    for mixture in [Mixture::Plain, Mixture::Guided, Mixture::ContrastiveDecoding, Mixture::Dola] {
        for (strategy_name, strategy, temperature) in strategies() {
            for (constraint_name, constraint) in constraints() {
                let mut plain = None;
                for draft in DRAFTS {
                    let name = format!("{mixture:?}, {strategy_name}, {constraint_name}, {draft:?}");
                    let sampling = SamplingParams::default().temperature(temperature).seed(7);
                    let mut request = Request::new(tokens(b"hello"))
                        .sampling(sampling.max_tokens(24))
                        .strategy(strategy.clone())
                        .draft(draft);
                    request.constraint = constraint.clone();
                    if !matches!(strategy, Strategy::Contrastive(_)) {
                        request.completions = 2;
                    }
                    let draws = matches!(strategy, Strategy::Sample | Strategy::BestOf(_));
                    let result = mixture.run(request);
                    if !draws && draft != Draft::None {
                        assert!(matches!(result, Err(DecodeError::Strategy { .. })), "{name}: {result:?}");
                        continue;
                    }
                    let needs_hidden =
                        matches!(strategy, Strategy::Contrastive(_)) || matches!(draft, Draft::Heads { .. });
                    if mixture != Mixture::Plain && needs_hidden {
                        // A mixture of logits has no hidden states.
                        let error = result.expect_err(&name);
                        assert!(
                            matches!(&error, DecodeError::Model(e) if matches!(**e, ModelError::Unsupported { .. })),
                            "{name}: {error}"
                        );
                        continue;
                    }
                    let generation = result.unwrap_or_else(|error| panic!("{name}: {error}"));
                    check(&name, constraint.as_ref(), &strategy, &generation);
                    let plain = plain.get_or_insert_with(|| generation.completions.clone());
                    let drawn = matches!(draft, Draft::Model { choice: DraftChoice::Drawn, .. });
                    if temperature == 0.0 || !drawn {
                        let tokens = |list: &[hedgerow::decode::Completion]| {
                            list.iter().map(|completion| completion.tokens.clone()).collect::<Vec<_>>()
                        };
                        assert_eq!(tokens(&generation.completions), tokens(plain), "{name}");
                    }
                }
            }
        }
    }
}

/// The kinds of bans, with a test that an output obeys one. Each bans the tokens that the model
/// would choose most often, or ends.
type Ban =
    (&'static str, fn(SamplingParams, &[TokenId]) -> SamplingParams, fn(&[TokenId], &[TokenId]) -> bool);

const BANS: [Ban; 6] = [
    (
        "suppressed",
        |params, best| params.suppressed_tokens(best.to_vec()),
        |made, best| !contains(made, best),
    ),
    (
        "bias",
        |params, best| {
            params.logit_bias(best.iter().map(|&token| (token, f32::NEG_INFINITY)).collect::<Vec<_>>())
        },
        |made, best| !contains(made, best),
    ),
    (
        "bad words",
        |params, best| params.bad_words(best.iter().map(|&token| vec![token]).collect::<Vec<_>>()),
        |made, best| !contains(made, best),
    ),
    ("end", |params, _| params.suppressed_tokens(vec![eos()]), |made, _| !contains(made, &[eos()])),
    (
        "min tokens",
        |params, _| params.min_tokens(12),
        |made, _| made.iter().position(|&token| token == eos()).is_none_or(|at| at >= 12),
    ),
    ("forced last", |params, best| params.forced_last(best[0]), |_, _| true),
];

fn contains(made: &[TokenId], banned: &[TokenId]) -> bool {
    made.iter().any(|token| banned.contains(token))
}

/// Bans hold under every strategy, and an output that obeys them is found: bans are heeded before
/// the tokens that a mixture takes for implausible are left out.
#[test]
fn bans_leave_outputs_to_every_strategy_constraint_and_mixture() {
    for mixture in [Mixture::Plain, Mixture::Guided, Mixture::ContrastiveDecoding, Mixture::Dola] {
        for (strategy_name, strategy, temperature) in strategies() {
            if mixture != Mixture::Plain && matches!(strategy, Strategy::Contrastive(_)) {
                continue;
            }
            for (constraint_name, constraint) in constraints() {
                let request = |params: SamplingParams| {
                    let params = params.temperature(temperature).seed(7).max_tokens(24);
                    let mut request = Request::new(tokens(b"hello")).sampling(params);
                    request = request.strategy(strategy.clone());
                    request.constraint = constraint.clone();
                    request
                };
                let plain = mixture.run(request(SamplingParams::default())).unwrap();
                // The tokens of the output without bans that its constraint can do without.
                let can_do_without: &[u8] = match constraint_name {
                    "none" => b"abcdefghijklmnopqrstuvwxyz",
                    "regex" | "gbnf" | "lark" => b"bcd",
                    _ => b"",
                };
                let chosen = plain.completions[0].tokens.iter().copied();
                let best: Vec<TokenId> =
                    chosen.filter(|t| t.0 < 256 && can_do_without.contains(&(t.0 as u8))).take(2).collect();
                for (ban, set, holds) in BANS {
                    if best.is_empty() && !matches!(ban, "end" | "min tokens") {
                        continue;
                    }
                    let name = format!("{mixture:?}, {strategy_name}, {constraint_name}, {ban} {best:?}");
                    let made = mixture.run(request(set(SamplingParams::default(), &best)));
                    let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
                    check(&name, constraint.as_ref(), &strategy, &made);
                    for output in &made.completions {
                        assert_ne!(output.finish, FinishReason::Failed, "{name}: {:?}", output.error);
                        let is_short = constraint.is_some() && ban == "min tokens";
                        assert!(is_short || holds(&output.tokens, &best), "{name}: {:?}", output.tokens);
                    }
                }
            }
        }
    }
}

/// The model reads the end of reasoning that the budget appends, whatever the strategy: each token
/// behind it comes from the logits of the whole text before it.
#[test]
fn the_appended_end_of_reasoning_is_read() {
    let prompt = tokens(b"hello");
    for (name, strategy, temperature) in strategies() {
        for (draft, width) in [(Draft::None, 64), (Draft::None, 2), (DRAFTS[1], 64)] {
            if draft != Draft::None && !matches!(strategy, Strategy::Sample | Strategy::BestOf(_)) {
                continue;
            }
            let name = format!("{name}, {draft:?}, {width}");
            let ending = tokens(b" wordy.</t>");
            let sampling = SamplingParams::default().temperature(temperature).seed(7).max_tokens(20);
            let mut request = Request::new(prompt.clone()).sampling(sampling).strategy(strategy.clone());
            request = request.draft(draft).logprobs(1);
            request.reasoning = Some(ReasoningBudget::new(3, "</t>", ending.clone()));
            let model = Fake::new(Scores::Hash { eos: -9.0 });
            let batch = Batch::new(&model, &vocabulary()).unwrap().pass_tokens(width);
            let made = batch.run(request, |_| ControlFlow::Continue(())).unwrap();
            let made = made.completions.first().unwrap_or_else(|| panic!("{name}: no output"));
            let at = made.tokens.windows(ending.len()).position(|part| part == ending);
            assert!(matches!(at, Some(3..8)), "{name}: {:?}", made.text);
            for (at, (&token, entry)) in made.tokens.iter().zip(&made.logprobs).enumerate() {
                let Some(raw) = entry.raw else { continue };
                let mut row = model.row(&[&prompt[..], &made.tokens[..at]].concat());
                row.truncate(model.vocabulary.token_count());
                let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
                let expected = row[token.index()] - sum.ln();
                assert!((raw - expected).abs() < 1e-3, "{name}, token {at}: {raw} {expected}");
            }
        }
    }
}

/// The chunks' events, the reply, and the events of the output's text are the same, for every
/// strategy; and no event tells of text behind a stop string.
#[test]
fn events_are_those_of_the_output() {
    let tag = r#"{"format": {"type": "triggered_tags", "triggers": ["ab"], "tags": [
        {"begin": "ab", "end": "ld", "role": "call", "name": "f",
         "content": {"type": "regex", "pattern": "[a-f]{0,4}"}}]}}"#;
    let tagged = Constraint::structural_tag(tag, &vocabulary()).unwrap();
    for constraint in [Some(tagged), None] {
        for (name, strategy, temperature) in strategies() {
            for stop in [None, Some("e"), Some("ll")] {
                for seed in 0..4 {
                    let sampling = SamplingParams::default().temperature(temperature).seed(seed);
                    let mut request = Request::new(tokens(b"hello")).sampling(sampling.max_tokens(40));
                    request = request.strategy(strategy.clone()).stop(stop).reply();
                    request.constraint = constraint.clone();
                    let mut streamed = Reply::default();
                    let batch = Batch::new(Fake::new(Scores::Hash { eos: -1.0 }), &vocabulary()).unwrap();
                    let made = batch.run(request, |chunk| {
                        chunk.events.iter().for_each(|event| streamed.add(event));
                        ControlFlow::Continue(())
                    });
                    let completion = &made.unwrap().completions[0];
                    let case = format!("{name}, {stop:?}, {:?}", completion.text);
                    assert_eq!(completion.reply.as_ref(), Some(&streamed), "{case}");
                    let mut expected = Reply::default();
                    match &constraint {
                        None => expected.add(&Event::Text(completion.text.clone())),
                        Some(constraint) => {
                            let (mut reader, mut events) = (constraint.event_reader().unwrap(), Vec::new());
                            assert!(reader.advance_bytes(&completion.bytes, &mut events).unwrap(), "{case}");
                            reader.finish(&mut events);
                            events.iter().for_each(|event| expected.add(event));
                        }
                    }
                    assert_eq!(expected, streamed, "{case}");
                }
            }
        }
    }
}
