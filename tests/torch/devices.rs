//! Outputs whose logits stay on the device, compared with outputs from whole rows of logits. The
//! CPU is always tested, and the first GPU if there is one.

use std::ops::ControlFlow;

use super::small_model::*;
use hedgerow::decode::{Batch, Draft, DraftChoice, Generation, Request, Strategy};
use hedgerow::engine::Constraint;
use hedgerow::sampling::{ChainOrder, Dry, Mirostat, SamplingParams, Selection};
use hedgerow::syntax::regex::{self, Dialect};
use hedgerow::torch::{DeviceName, LoadOptions, LogitsPlace, Model};
use hedgerow::vocab::TokenId;

/// The sampling parameters of the outputs.
fn chains() -> Vec<SamplingParams> {
    let p = SamplingParams::default;
    vec![
        p().temperature(0.0),
        p().temperature(0.0).repetition_penalty(1.4),
        p().temperature(1.5).top_k(5),
        p().temperature(0.9).top_k(20).top_p(0.8).min_p(0.01),
        p().order(ChainOrder::Llama).top_k(12).min_p(0.05).temperature(1.2),
        p().top_p(0.7).frequency_penalty(0.8).presence_penalty(0.3),
        p().min_p(0.2).selection(Selection::GumbelMax),
        p().top_k(9).dry(Dry::default()).no_repeat_ngram(3),
        p().top_k(4).logit_bias(vec![(TokenId(20), 4.0), (TokenId(21), f32::NEG_INFINITY)]),
        p().min_tokens(6).top_k(30),
        p().mirostat(Mirostat::default()),
        p(),
    ]
}

/// Runs all requests in one batch, in which a new one starts at every other step.
fn run(model: &Model, requests: &[Request]) -> Vec<Vec<Vec<TokenId>>> {
    let draft = model.skipping_layers(&[1]).unwrap();
    let batch = Batch::new(model, model.vocabulary()).unwrap().pass_tokens(16);
    let mut batch = batch.draft_model(draft);
    let mut waiting = requests.iter().rev().collect::<Vec<_>>();
    let (mut joined, mut ended) = (Vec::new(), Vec::new());
    for step in 0.. {
        if step % 2 == 0 {
            joined.extend(waiting.pop().map(|request| batch.join(request.clone()).unwrap()));
        }
        ended.extend(batch.step(|_, _| ControlFlow::Continue(())));
        if batch.is_empty() && waiting.is_empty() {
            break;
        }
    }
    let tokens = |made: Generation| made.completions.into_iter().map(|made| made.tokens).collect();
    let mut outputs: Vec<Option<Vec<Vec<TokenId>>>> = vec![None; requests.len()];
    for (id, result) in ended {
        let at = joined.iter().position(|of| *of == id).unwrap();
        outputs[at] = Some(tokens(result.unwrap()));
    }
    outputs.into_iter().map(Option::unwrap).collect()
}

#[test]
fn outputs_are_the_same_wherever_logits_are_cut() {
    let (scratch, case) = tiny_folder("devices", "llama linear");
    for device in [DeviceName::Cpu, DeviceName::Cuda(0)] {
        if let Err(error) = device.resolve() {
            eprintln!("{device}: skipped: {error}");
            continue;
        }
        let load =
            |place| Model::load(&scratch.0, LoadOptions::default().device(device).logits(place)).unwrap();
        let [whole, cut] = [LogitsPlace::Host, LogitsPlace::Device].map(load);
        let grammar = regex::compile("([a-f]{2}[0-9]|xyz[A-Z]{3}){4,9}", Dialect::Rust).unwrap();
        let constraint = Constraint::new(&grammar, whole.vocabulary()).unwrap();
        let mut requests = Vec::new();
        for (number, sampling) in chains().into_iter().enumerate() {
            let sampling = sampling.seed(number as u64).max_tokens(24);
            let plain = Request::new(ids(&case["tokens"])).sampling(sampling).completions(1 + number % 3);
            requests.extend([plain.clone(), plain.constraint(constraint.clone())]);
        }
        // Each request runs alone, so that no other request asks for rows.
        let mut expected = Vec::new();
        for request in &requests {
            let request = std::slice::from_ref(request);
            let whole = run(&whole, request);
            assert_eq!(run(&cut, request), whole, "{device} {:?}", request[0].sampling);
            expected.extend(whole);
        }
        // All run together, some of them beside requests that ask for rows.
        assert_eq!(run(&cut, &requests), expected, "{device}");
        let likeliest = Draft::Model { tokens: 2, choice: DraftChoice::Likeliest };
        let mut mixed = requests.clone();
        mixed.push(requests[0].clone().logprobs(2));
        mixed.push(requests[2].clone().strategy(Strategy::BestOf(3)));
        mixed.push(requests[1].clone().draft(likeliest));
        assert_eq!(run(&cut, &mixed), run(&whole, &mixed), "{device}");
    }
}
