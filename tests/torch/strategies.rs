//! Strategies and drafts on a small model, compared with the results of transformers' `generate`.

use std::ops::ControlFlow;

use hedgerow::decode::{
    Batch, BeamSearch, Completion, ContrastiveDecoding, ContrastiveSearch, Dola, Draft, DraftChoice,
    EarlyStopping, ForwardInput, Guided, LanguageModel, LogitRows, Request, Strategy, TreeInput, TreeOutput,
    generate,
};
use hedgerow::engine::Constraint;
use hedgerow::grammar::GrammarBuilder;
use hedgerow::sampling::SamplingParams;
use hedgerow::torch::{LoadOptions, MedusaHeads, Model};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::Value;

use super::small_model::*;

/// The results that `strategies.py` wrote, and the model that they are for.
fn strategies(scratch: &Scratch) -> (Value, Model) {
    let reference: Value = serde_json::from_str(include_str!("../data/torch/strategies.json")).unwrap();
    write_folder(&scratch.0, &reference, 1);
    let model = Model::load(&scratch.0, LoadOptions::default()).unwrap();
    (reference, model)
}

/// The outputs of one case, whose settings have the names that transformers gives them.
fn outputs(
    model: impl LanguageModel,
    vocabulary: &Vocabulary,
    case: &Value,
    change: impl FnOnce(Request) -> Request,
) -> Vec<Completion> {
    let settings = &case["settings"];
    let number = |name: &str| settings.get(name).map(|number| number.as_f64().unwrap());
    let count = |name: &str, default: usize| number(name).map_or(default, |number| number as usize);
    let ends = settings.get("eos_token_id").map_or_else(|| [75, 9, 61].map(TokenId).to_vec(), ids);
    let vocabulary = vocabulary.clone().with_eos(&ends).unwrap();
    let mut sampling = SamplingParams::default()
        .temperature(0.0)
        .min_tokens(count("min_new_tokens", 0))
        .no_repeat_ngram(count("no_repeat_ngram_size", 0))
        .repetition_penalty(number("repetition_penalty").unwrap_or(1.0) as f32);
    sampling.max_tokens = settings["max_new_tokens"].as_u64().map(|most| most as usize);
    let mut request = Request::new(ids(&case["prompt"])).completions(count("num_return_sequences", 1));
    request.sampling = sampling;
    if settings.get("num_beams").is_some() {
        let search = BeamSearch::new(count("num_beams", 1))
            .length_penalty(number("length_penalty").unwrap_or(1.0))
            .diverse(count("num_beam_groups", 1), number("diversity_penalty").unwrap_or(0.0))
            .early_stopping(match settings.get("early_stopping") {
                Some(Value::Bool(true)) => EarlyStopping::Full,
                Some(Value::String(_)) => EarlyStopping::Never,
                _ => EarlyStopping::Heuristic,
            });
        request = request.strategy(Strategy::Beam(search));
    }
    let request = change(request);
    generate(model, &vocabulary, request, |_| ControlFlow::Continue(())).unwrap().completions
}

/// The expected outputs and scores, without those that mean that nothing was found.
fn expected(case: &Value) -> (Vec<Vec<TokenId>>, Vec<f64>) {
    let outputs = case["outputs"].as_array().unwrap().iter().map(ids);
    let Some(scores) = case["scores"].as_array() else { return (outputs.collect(), Vec::new()) };
    let scores = scores.iter().map(|score| score.as_f64().unwrap());
    outputs.zip(scores).filter(|(_, score)| *score > -1e8).unzip()
}

#[track_caller]
fn check_outputs(case: &Value, found: &[Completion]) {
    let (tokens, scores) = expected(case);
    let found_tokens: Vec<_> = found.iter().map(|completion| completion.tokens.clone()).collect();
    assert_eq!(found_tokens, tokens, "{} {}", case["prompt"], case["settings"]);
    for (completion, score) in found.iter().zip(scores) {
        let difference = (completion.score.unwrap() - score).abs();
        assert!(difference < 1e-4, "{}: {:?} for {score}", case["settings"], completion.score);
    }
}

#[test]
fn beams_find_what_those_of_transformers_find() {
    let scratch = Scratch::new("beams");
    let (reference, model) = strategies(&scratch);
    for case in reference["newer"]["beams"].as_array().unwrap() {
        check_outputs(case, &outputs(&model, model.vocabulary(), case, |request| request));
    }
    for case in reference["older"]["groups"].as_array().unwrap() {
        check_outputs(case, &outputs(&model, model.vocabulary(), case, |request| request));
    }
}

#[test]
fn beams_stay_in_a_constraint_as_those_of_transformers_do() {
    let scratch = Scratch::new("constrained-beams");
    let (reference, model) = strategies(&scratch);
    let vocabulary = model.vocabulary().clone().with_eos(&[TokenId(5)]).unwrap();
    let words: Vec<Vec<u8>> =
        reference["words"].as_array().unwrap().iter().map(|word| vocabulary.decode(&ids(word))).collect();
    let mut builder = GrammarBuilder::new();
    let words: Vec<_> = words.iter().map(|word| builder.nodes.literal(word)).collect();
    let root = builder.nodes.alt(&words);
    let constraint = Constraint::new(&builder.build(root, None).unwrap(), &vocabulary).unwrap();
    for case in reference["newer"]["constrained"].as_array().unwrap() {
        let constrained = |request: Request| request.constraint(constraint.clone());
        check_outputs(case, &outputs(&model, &vocabulary, case, constrained));
    }
}

#[test]
fn strategies_with_hidden_states_choose_as_those_of_transformers() {
    let scratch = Scratch::new("inside");
    let (reference, model) = strategies(&scratch);
    for case in reference["older"]["contrastive"].as_array().unwrap() {
        let settings = &case["settings"];
        let search = ContrastiveSearch::default()
            .candidates(settings["top_k"].as_u64().unwrap() as usize)
            .penalty(settings["penalty_alpha"].as_f64().unwrap() as f32);
        let contrastive = |request: Request| request.strategy(Strategy::Contrastive(search));
        check_outputs(case, &outputs(&model, model.vocabulary(), case, contrastive));
    }
    for case in reference["older"]["dola"].as_array().unwrap() {
        let layers = case["settings"]["dola_layers"].as_array().unwrap();
        let layers = layers.iter().map(|layer| layer.as_u64().unwrap() as usize).collect();
        check_outputs(case, &outputs(Dola::new(&model, layers), model.vocabulary(), case, |request| request));
    }
    for case in reference["newer"]["guidance"].as_array().unwrap() {
        let prompt = ids(&case["prompt"]);
        let negative = match &case["negative"] {
            Value::Null => prompt[prompt.len() - 1..].to_vec(),
            negative => ids(negative),
        };
        let scale = case["settings"]["guidance_scale"].as_f64().unwrap() as f32;
        let guided = Guided::new(&model, prompt.len(), negative, scale);
        check_outputs(case, &outputs(&guided, model.vocabulary(), case, |request| request));
        // Drafted tokens are read ahead and cut back in both caches.
        let draft = Draft::Ngram { longest: 2, tokens: 4 };
        check_outputs(case, &outputs(&guided, model.vocabulary(), case, |request| request.draft(draft)));
    }
}

#[test]
fn an_amateur_is_contrasted_by_the_formula() {
    let scratch = Scratch::new("amateur");
    let (_, expert) = strategies(&scratch);
    let amateur = expert.skipping_layers(&[1]).unwrap();
    let tokens = [3, 9, 27, 81].map(TokenId);
    let log_probabilities = [&expert, &amateur].map(|model| {
        let row = model.logits(&tokens).unwrap().pop().unwrap();
        let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
        row.iter().map(|&logit| f64::from(logit) - sum.ln()).collect::<Vec<_>>()
    });
    let best = log_probabilities[0].iter().copied().fold(f64::MIN, f64::max);
    let contrasted = ContrastiveDecoding::new(&expert, &amateur, 0.1, 0.5);
    let mut cache = contrasted.new_cache().unwrap();
    let input = ForwardInput { tokens: &tokens, cache: &mut cache, rows: LogitRows::Last };
    let logits = contrasted.forward(&mut [input]).unwrap();
    for (token, &found) in logits.last(0).unwrap().iter().enumerate() {
        let expected = 1.5 * log_probabilities[0][token] - 0.5 * log_probabilities[1][token];
        assert!((f64::from(found) - expected).abs() < 1e-4, "{token}: {found} for {expected}");
    }
    // A token with less than a tenth of the largest probability is never generated.
    let sampling = SamplingParams::default().temperature(1000.0).max_tokens(1);
    for seed in 0..50 {
        let request = Request::new(tokens.to_vec()).sampling(sampling.clone().seed(seed));
        let made =
            generate(&contrasted, expert.vocabulary(), request, |_| ControlFlow::Continue(())).unwrap();
        let token = made.completions[0].tokens[0];
        assert!(log_probabilities[0][token.index()] >= best + 0.1f64.ln(), "{token:?}");
    }
}

#[test]
fn trees_give_the_logits_of_their_paths() {
    let scratch = Scratch::new("trees");
    let (_, model) = strategies(&scratch);
    let past = [5, 6, 7].map(TokenId);
    // The tree has two tokens in a row, then branches: 10–11–(20–(30, 31), 21).
    let tokens = [10, 11, 20, 21, 30, 31].map(TokenId);
    let parents = [Some(1), Some(1), Some(2), Some(2)];
    let paths: [&[u32]; 6] =
        [&[10], &[10, 11], &[10, 11, 20], &[10, 11, 21], &[10, 11, 20, 30], &[10, 11, 20, 31]];
    let of_path = |path: &[u32]| {
        let whole: Vec<TokenId> = past.into_iter().chain(path.iter().map(|&id| TokenId(id))).collect();
        model.logits(&whole).unwrap().pop().unwrap()
    };
    let mut cache = model.new_cache().unwrap();
    model.forward(&mut [ForwardInput { tokens: &past, cache: &mut cache, rows: LogitRows::None }]).unwrap();
    let mut other = model.new_cache().unwrap();
    let output = model.forward_tree(&mut [
        TreeInput { tokens: &[TokenId(9)], parents: &[], cache: &mut other, rows: LogitRows::None },
        TreeInput { tokens: &tokens, parents: &parents, cache: &mut cache, rows: LogitRows::All },
    ]);
    let TreeOutput { logits, hidden } = output.unwrap();
    let near = |found: &[f32], expected: &[f32]| {
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-4)
    };
    for (row, path) in paths.iter().enumerate() {
        assert!(near(logits.row(1, row).unwrap(), &of_path(path)), "{path:?}");
    }
    assert_eq!((logits.rows(0), hidden.rows(0), hidden.rows(1), hidden.vocab_size()), (0, 1, 6, 48));
    // One path of the tree is kept, and the model continues after it.
    model.keep(&mut cache, 3, &[0, 1, 2, 5]).unwrap();
    assert_eq!(model.cache_len(&cache), 7);
    let next = ForwardInput { tokens: &[TokenId(40)], cache: &mut cache, rows: LogitRows::Last };
    let logits = model.forward(&mut [next]).unwrap();
    assert!(near(logits.last(0).unwrap(), &of_path(&[10, 11, 20, 31, 40])));
    let backwards = TreeInput {
        tokens: &tokens[..2],
        parents: &[Some(1), None],
        cache: &mut cache,
        rows: LogitRows::All,
    };
    assert!(model.forward_tree(&mut [backwards]).unwrap_err().to_string().contains("backend failed"));
}

#[test]
fn drafters_on_a_model_change_no_token() {
    let scratch = Scratch::new("drafters");
    let (reference, model) = strategies(&scratch);
    let mut state = 99_u64;
    let mut tensor = |name: String, shape: Vec<usize>| {
        let numbers = (0..shape.iter().product())
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 40) as f64 / f64::from(1 << 24) * 0.5 - 0.25) as f32
            })
            .collect();
        (name, shape, numbers)
    };
    // Draft heads of the published form. The first one is the model's own output matrix, which is
    // often right.
    let mut file: Vec<_> = (0..3)
        .flat_map(|head| {
            [
                tensor(format!("{head}.0.linear.weight"), vec![48, 48]),
                tensor(format!("{head}.0.linear.bias"), vec![48]),
            ]
        })
        .collect();
    let output =
        weights(&reference["weights"]).into_iter().find(|tensor| tensor.0 == "lm_head.weight").unwrap();
    file.extend((0..3).map(|head| (format!("{head}.1.weight"), output.1.clone(), output.2.clone())));
    let path = scratch.0.join("medusa.safetensors");
    std::fs::write(&path, safetensors(&file)).unwrap();
    let heads = || MedusaHeads::load(&path, &model).unwrap();
    assert_eq!(heads().len(), 3);
    let mut confirmed = [0; 2];
    for temperature in [0.0, 0.7] {
        for prompt in [vec![1, 2, 3], vec![40; 9], vec![77]] {
            let run = |draft| {
                let prompt: Vec<TokenId> = prompt.iter().map(|&id| TokenId(id)).collect();
                let sampling = SamplingParams::default().temperature(temperature).max_tokens(40);
                let request = Request::new(prompt).sampling(sampling).completions(2).draft(draft);
                let skipping = model.skipping_layers(&[1]).unwrap();
                let batch = Batch::new(&model, model.vocabulary()).unwrap();
                let batch = batch.draft_model(skipping).draft_heads(Box::new(heads()));
                batch.run(request, |_| ControlFlow::Continue(())).unwrap()
            };
            let plain = run(Draft::None);
            let drafts =
                [Draft::Model { tokens: 4, choice: DraftChoice::Likeliest }, Draft::Heads { tokens: 12 }];
            for (draft, confirmed) in drafts.into_iter().zip(&mut confirmed) {
                let guessed = run(draft);
                let without_guesses = guessed.completions.iter().cloned().map(|mut output| {
                    output.confirmed.clear();
                    output
                });
                assert_eq!(plain.completions, without_guesses.collect::<Vec<_>>(), "{draft:?}");
                assert_eq!(guessed.usage.reused_tokens, 0);
                *confirmed += guessed.usage.confirmed_tokens;
            }
        }
    }
    assert!(confirmed.iter().all(|confirmed| *confirmed > 10), "{confirmed:?}");
    let error = MedusaHeads::load(scratch.0.join("model.safetensors"), &model).unwrap_err().to_string();
    assert!(error.contains("holds no Medusa heads"), "{error}");
    let error = model.skipping_layers(&[3]).unwrap_err().to_string();
    assert_eq!(error, "layer 3 cannot be skipped: the model has 3 layers, numbered from 0");
}
