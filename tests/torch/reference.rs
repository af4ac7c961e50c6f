//! Models on libtorch compared with transformers: the logits of small random models of every
//! architecture, and the logits, tokens and greedy text of the demo model.
//!
//! `tests/data/torch/reference.py` and `strategies.py` wrote the expected values. The small models'
//! weights are generated twice, there and in `small_model`. `make setup` fetches the demo model.

use std::ops::ControlFlow;

use super::small_model::*;
use crate::support::bytes::byte_tokens;

use hedgerow::decode::{
    Batch, BeamSearch, ContrastiveSearch, Draft, DraftChoice, ForwardInput, LanguageModel, LogitRows,
    ModelError, Request, Strategy, generate,
};
use hedgerow::engine::Constraint;
use hedgerow::sampling::SamplingParams;
use hedgerow::torch::{DeviceName, Dtype, KvCache, LoadOptions, Model, ScriptModel};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{Value, json};

/// The largest difference allowed between two runtimes that compute the same in `f32`.
const TINY_TOLERANCE: f64 = 1e-4;
/// The largest difference for the demo model, whose logits are sums of hundreds of products in
/// thirty layers.
const DEMO_TOLERANCE: f64 = 4e-3;

/// The text of tokens, with special tokens by their names.
fn spelled(vocabulary: &Vocabulary, tokens: &[TokenId]) -> Vec<u8> {
    let spell = |&token: &TokenId| match vocabulary.is_special(token) {
        true => vocabulary.name(token).unwrap().as_bytes().to_vec(),
        false => vocabulary.bytes(token).to_vec(),
    };
    tokens.iter().flat_map(spell).collect()
}

fn largest_difference(case: &Value, logits: &[Vec<f32>]) -> f64 {
    let columns: Vec<usize> =
        case["columns"].as_array().unwrap().iter().map(|column| column.as_u64().unwrap() as usize).collect();
    let rows = case["logits"].as_array().unwrap();
    assert_eq!(rows.len(), logits.len());
    let mut largest = 0.0_f64;
    for (expected, found) in rows.iter().zip(logits) {
        assert_eq!(found.len(), 97);
        for (column, expected) in columns.iter().zip(expected.as_array().unwrap()) {
            largest = largest.max((f64::from(found[*column]) - expected.as_f64().unwrap()).abs());
        }
    }
    largest
}

#[test]
fn small_models_give_the_logits_of_transformers() {
    let scratch = Scratch::new("small-models");
    for case in reference()["tiny"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let folder = scratch.0.join(name);
        write_folder(&folder, case, 1 + name.len() % 3);
        let model =
            Model::load(&folder, LoadOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let difference = largest_difference(case, &model.logits(&ids(&case["tokens"])).unwrap());
        println!("{name}: largest difference of logits {difference:.2e}");
        assert!(difference <= TINY_TOLERANCE, "{name}: {difference}");
    }
}

/// The inner base of rotary frequencies comes before the outer one, as in transformers 5.
#[test]
fn the_inner_base_of_frequencies_counts() {
    let scratch = Scratch::new("bases");
    let reference = reference();
    let mut case = tiny(&reference, "llama llama3").clone();
    case["config"]["rope_scaling"].as_object_mut().unwrap().insert("rope_theta".to_owned(), json!(10_000.0));
    case["config"]["rope_theta"] = json!(7.0);
    write_folder(&scratch.0, &case, 1);
    let model = Model::load(&scratch.0, LoadOptions::default()).unwrap();
    let difference = largest_difference(&case, &model.logits(&ids(&case["tokens"])).unwrap());
    assert!(difference <= TINY_TOLERANCE, "{difference}");
}

/// Versions 4 and 5 of transformers compute different things with such files.
#[test]
fn an_output_matrix_beside_a_tied_embedding_must_be_its_copy() {
    let scratch = Scratch::new("tied");
    let reference = reference();
    let mut case = tiny(&reference, "llama").clone();
    case["config"]["tie_word_embeddings"] = json!(true);
    write_folder(&scratch.0, &case, 1);
    let error = Model::load(&scratch.0, LoadOptions::default()).err().unwrap().to_string();
    assert!(
        error.contains("`tie_word_embeddings` is true, or its default is, but the weights have an output"),
        "{error}"
    );
}

#[test]
fn checkpoints_without_the_outer_module_load() {
    let (scratch, case) = tiny_folder("bare", "gpt2");
    let bare = |(name, shape, numbers): (String, _, _)| (name.replace("transformer.", ""), shape, numbers);
    let tensors: Vec<_> = weights(&case["weights"]).into_iter().map(bare).collect();
    std::fs::write(scratch.0.join("model.safetensors"), safetensors(&tensors)).unwrap();
    let model = Model::load(&scratch.0, LoadOptions::default()).unwrap();
    assert!(largest_difference(&case, &model.logits(&ids(&case["tokens"])).unwrap()) <= TINY_TOLERANCE);
}

#[test]
fn gguf_files_give_the_logits_of_folders() {
    let scratch = Scratch::new("both-formats");
    let reference = reference();
    let gemma: &[(&str, Value)] = &[
        ("general.architecture", json!("gemma3")),
        ("gemma3.context_length", json!(256)),
        ("gemma3.embedding_length", json!(48)),
        ("gemma3.block_count", json!(3)),
        ("gemma3.feed_forward_length", json!(80)),
        ("gemma3.attention.head_count", json!(6)),
        ("gemma3.attention.head_count_kv", json!(2)),
        ("gemma3.attention.key_length", json!(16)),
        ("gemma3.attention.value_length", json!(16)),
        ("gemma3.attention.layer_norm_rms_epsilon", json!(1e-5)),
        ("gemma3.attention.sliding_window", json!(16)),
        ("gemma3.rope.freq_base", json!(1e6)),
    ];
    let gpt2: &[(&str, Value)] = &[
        ("general.architecture", json!("gpt2")),
        ("gpt2.context_length", json!(256)),
        ("gpt2.embedding_length", json!(48)),
        ("gpt2.block_count", json!(3)),
        ("gpt2.feed_forward_length", json!(192)),
        ("gpt2.attention.head_count", json!(6)),
        ("gpt2.attention.layer_norm_epsilon", json!(1e-5)),
    ];
    for (name, metadata) in [("gemma3", gemma), ("gpt2", gpt2)] {
        let mut case = tiny(&reference, name).clone();
        if name == "gemma3" {
            // A value that GGUF files of this architecture leave out.
            case["config"]["query_pre_attn_scalar"] = json!(16);
            case["config"]["sliding_window_pattern"] = json!(6);
        }
        write_folder(&scratch.0, &case, 1);
        let file = scratch.0.join("model.gguf");
        std::fs::write(&file, gguf(metadata, &weights(&case["weights"]))).unwrap();
        let [folder, file] =
            [&scratch.0, &file].map(|path| Model::load(path, LoadOptions::default()).unwrap());
        let tokens = ids(&case["tokens"]);
        assert_eq!(folder.logits(&tokens).unwrap(), file.logits(&tokens).unwrap(), "{name}");
    }
}

#[test]
fn half_precision_stays_near() {
    let scratch = Scratch::new("half-precision");
    let reference = reference();
    let case = &reference["tiny"][0];
    write_folder(&scratch.0, case, 2);
    for dtype in [Dtype::Bf16, Dtype::F16] {
        let model = Model::load(&scratch.0, LoadOptions::default().dtype(dtype)).unwrap();
        let difference = largest_difference(case, &model.logits(&ids(&case["tokens"])).unwrap());
        assert!(difference < 0.15, "{dtype}: {difference}");
    }
}

mod needs_model {
    #[test]
    #[ignore = "needs the demo model: make setup"]
    fn the_demo_model_gives_the_logits_tokens_and_text_of_transformers() {
        super::the_demo_model_gives_the_logits_tokens_and_text_of_transformers();
    }
}

fn the_demo_model_gives_the_logits_tokens_and_text_of_transformers() {
    let path = crate::support::files::demo_model();
    let model = Model::load(path, LoadOptions::default()).unwrap();
    let reference = reference();
    let mut largest = 0.0_f64;
    for case in reference["model"]["cases"].as_array().unwrap() {
        let prompt = case["prompt"].as_str().unwrap();
        let tokens = model.tokenizer().encode(prompt).unwrap();
        assert_eq!(tokens, ids(&case["tokens"]), "{prompt:?}");
        assert_eq!(spelled(model.vocabulary(), &tokens), prompt.as_bytes(), "{prompt:?}");

        // One pass reads the prompt and its expected continuation. At every step the largest logit
        // must belong to the token that transformers chose.
        let greedy = ids(&case["greedy"]);
        let sequence: Vec<TokenId> = tokens.iter().chain(&greedy).copied().collect();
        let logits = model.logits(&sequence).unwrap();
        let last = &logits[tokens.len() - 1];
        for top in case["top"].as_array().unwrap() {
            let found = f64::from(last[top[0].as_u64().unwrap() as usize]);
            largest = largest.max((found - top[1].as_f64().unwrap()).abs());
        }
        for (step, &token) in greedy.iter().enumerate() {
            let row = &logits[tokens.len() - 1 + step];
            let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
            assert_eq!(TokenId(best as u32), token, "{prompt:?}, step {step}");
        }
    }
    println!("demo model: largest difference of the top five logits {largest:.2e}");
    assert!(largest <= DEMO_TOLERANCE, "{largest}");
    assert!(model.vocabulary().eos().contains(&TokenId(2)));
    assert!(
        model.chat_templates().default.as_ref().is_some_and(|template| template.contains("<|im_start|>"))
    );
    assert_eq!(model.context_length(), 8192);
    assert_eq!(model.vocabulary().size(), 49_152);
}

/// The same models, batches, trees and outputs on the first GPU.
#[test]
#[ignore = "needs a GPU"]
fn needs_gpu_computes_what_the_cpu_computes() {
    DeviceName::Cuda(0).resolve().unwrap();
    let scratch = Scratch::new("gpu");
    for case in reference()["tiny"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let folder = scratch.0.join(name);
        write_folder(&folder, case, 1);
        let load = |device: &str| {
            Model::load(&folder, LoadOptions::default().device(device.parse().unwrap())).unwrap()
        };
        let [host, gpu] = ["cpu", "cuda:0"].map(load);
        let difference = largest_difference(case, &gpu.logits(&ids(&case["tokens"])).unwrap());
        assert!(difference <= TINY_TOLERANCE, "{name}: {difference}");
        let run = |model: &Model, strategy: &Strategy, draft| {
            let sampling = SamplingParams::default().temperature(0.0).max_tokens(20);
            let request = Request::new(ids(&case["tokens"])).sampling(sampling);
            let batch = Batch::new(model, model.vocabulary()).unwrap();
            let batch = batch.draft_model(model.skipping_layers(&[1]).unwrap());
            let request = request.strategy(strategy.clone()).draft(draft);
            let made = batch.run(request, |_| ControlFlow::Continue(())).unwrap();
            made.completions.into_iter().map(|completion| completion.tokens).collect::<Vec<_>>()
        };
        let contrastive = Strategy::Contrastive(ContrastiveSearch::default().candidates(3).penalty(0.4));
        for strategy in [Strategy::Sample, Strategy::Beam(BeamSearch::new(3)), contrastive] {
            for draft in [Draft::None, Draft::Model { tokens: 3, choice: DraftChoice::Likeliest }] {
                let expected = run(&host, &strategy, draft);
                assert_eq!(run(&gpu, &strategy, draft), expected, "{name} {strategy:?} {draft:?}");
            }
        }
    }
}

#[test]
fn a_cache_gives_the_logits_of_the_whole() {
    let reference = reference();
    // These models have rotary positions, windows of 16 positions in some layers, and learned
    // positions.
    for name in ["llama linear", "gemma3", "gpt2"] {
        check_cache(name, tiny(&reference, name));
    }
}

fn check_cache(name: &str, case: &Value) {
    let scratch = Scratch::new(&format!("caches {name}"));
    write_folder(&scratch.0, case, 1);
    let model = Model::load(&scratch.0, LoadOptions::default()).unwrap();
    let tokens = ids(&case["tokens"]);
    let whole = model.logits(&tokens).unwrap();
    let near = |found: &[f32], expected: &[f32]| {
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-4)
    };
    let feed = |cache: &mut KvCache, tokens: &[TokenId], rows: LogitRows| {
        model.forward(&mut [ForwardInput { tokens, cache, rows }]).unwrap()
    };

    // The tokens are read in pieces of different sizes, with logits for different rows.
    let mut cache = model.new_cache().unwrap();
    assert_eq!(feed(&mut cache, &tokens[..10], LogitRows::None).rows(0), 0);
    for (row, token) in tokens.iter().enumerate().take(14).skip(10) {
        let logits = feed(&mut cache, &[*token], LogitRows::Last);
        assert!(near(logits.last(0).unwrap(), &whole[row]), "row {row}");
    }
    let logits = feed(&mut cache, &tokens[14..30], LogitRows::All);
    for (row, expected) in whole[14..30].iter().enumerate() {
        assert!(near(logits.row(0, row).unwrap(), expected), "row {row}");
    }
    assert_eq!(model.cache_len(&cache), 30);

    // The sequence is cut back, forked, and continued in one batch with a new sequence.
    model.truncate(&mut cache, 20).unwrap();
    let mut branch = model.fork(&cache).unwrap();
    feed(&mut branch, &[TokenId(5)], LogitRows::None);
    let mut fresh = model.new_cache().unwrap();
    let mut batch = [
        ForwardInput { tokens: &tokens[20..26], cache: &mut cache, rows: LogitRows::Last },
        ForwardInput { tokens: &tokens[..3], cache: &mut fresh, rows: LogitRows::All },
        ForwardInput { tokens: &[TokenId(6)], cache: &mut branch, rows: LogitRows::Last },
    ];
    let logits = model.forward(&mut batch).unwrap();
    assert_eq!((logits.rows(0), logits.rows(1), logits.rows(2)), (1, 3, 1));
    assert!(near(logits.last(0).unwrap(), &whole[25]));
    assert!(near(logits.row(1, 0).unwrap(), &whole[0]) && near(logits.last(1).unwrap(), &whole[2]));
    let mut branched = tokens[..20].to_vec();
    branched.extend([TokenId(5), TokenId(6)]);
    assert!(near(logits.last(2).unwrap(), &model.logits(&branched).unwrap()[21]));
    assert!(cache.bytes() > 0);

    // A refused call leaves the cache unchanged.
    let refuse = |tokens: &[TokenId], cache: &mut KvCache| {
        model.forward(&mut [ForwardInput { tokens, cache, rows: LogitRows::Last }]).unwrap_err()
    };
    assert!(matches!(refuse(&[], &mut cache), ModelError::NoTokens { input: 0 }));
    assert!(matches!(refuse(&[TokenId(97)], &mut cache), ModelError::TokenOutOfRange { vocab_size: 97, .. }));
    let full = refuse(&[TokenId(1); 231], &mut cache);
    assert!(matches!(full, ModelError::ContextFull { given: 257, limit: 256 }), "{full}");
    assert!(matches!(model.truncate(&mut cache, 27), Err(ModelError::Truncate { wanted: 27, held: 26 })));
    let small = LoadOptions::default().context_length(40);
    let other = Model::load(&scratch.0, small).unwrap();
    assert_eq!(other.context_length(), 40);
    let mut foreign = other.new_cache().unwrap();
    assert!(matches!(refuse(&[TokenId(1)], &mut foreign), ModelError::ForeignCache));
    assert_eq!(model.cache_len(&cache), 26);
}

#[test]
fn threads_share_a_model() {
    let (scratch, case) = tiny_folder("threads", "llama");
    let model = Model::load(&scratch.0, LoadOptions::default()).unwrap();
    let tokens = ids(&case["tokens"]);
    let expected = model.logits(&tokens).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert!(model.logits(&tokens).unwrap() == expected);
                }
            });
        }
    });
}

#[test]
fn torchscript_modules_are_models() {
    use tch::{CModule, Device, IndexOp, Kind, Tensor};
    let scratch = Scratch::new("script");
    let path = scratch.0.join("model.pt");
    // The scores depend on all tokens so far: they are running sums of embeddings, times a matrix.
    tch::manual_seed(3);
    let random = |size: [i64; 2]| Tensor::randn(size, (Kind::Float, Device::Cpu));
    let (embedding, output) = (random([268, 8]), random([8, 268]));
    let mut scores = |inputs: &[Tensor]| {
        let rows = embedding.index_select(0, &inputs[0].view([-1])).cumsum(0, Kind::Float);
        vec![rows.matmul(&output).unsqueeze(0)]
    };
    let example = [Tensor::from_slice(&[1_i64, 2, 3]).view([1, 3])];
    let traced = |scores: &mut dyn FnMut(&[Tensor]) -> Vec<Tensor>| {
        CModule::create_by_tracing("Model", "forward", &example, &mut |inputs| scores(inputs)).unwrap()
    };
    traced(&mut scores).save(&path).unwrap();
    let model = ScriptModel::load(&path, DeviceName::Cpu, 32).unwrap();
    assert_eq!((model.vocab_size(), model.context_length()), (268, 32));

    let tokens = [5, 6, 7, 8].map(TokenId);
    let expected = scores(&[Tensor::from_slice(&[5_i64, 6, 7, 8]).view([1, 4])]).remove(0);
    let mut cache = model.new_cache().unwrap();
    model
        .forward(&mut [ForwardInput { tokens: &tokens[..2], cache: &mut cache, rows: LogitRows::None }])
        .unwrap();
    let mut other = model.fork(&cache).unwrap();
    model.truncate(&mut other, 0).unwrap();
    let logits = model
        .forward(&mut [
            ForwardInput { tokens: &tokens[2..], cache: &mut cache, rows: LogitRows::All },
            ForwardInput { tokens: &tokens[..1], cache: &mut other, rows: LogitRows::Last },
        ])
        .unwrap();
    for (input, row, at) in [(0, 0, 2), (0, 1, 3), (1, 0, 0)] {
        let expected = Vec::<f32>::try_from(expected.i((0, at))).unwrap();
        let found = logits.row(input, row).unwrap();
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4), "{input} {row}");
    }
    assert_eq!((model.cache_len(&cache), logits.rows(1)), (4, 1));
    let full = model.forward(&mut [ForwardInput {
        tokens: &[TokenId(1); 29],
        cache: &mut cache,
        rows: LogitRows::Last,
    }]);
    assert!(matches!(full, Err(ModelError::ContextFull { given: 33, limit: 32 })));

    // The decoding loop runs on the module, with a constraint and with drafts.
    let vocabulary = Vocabulary::from_byte_list(byte_tokens(["ab"; 12])).unwrap();
    let grammar = hedgerow::syntax::choice::compile(&["abba", "baba"]).unwrap();
    let request = Request::new([TokenId(5)]).constraint(Constraint::new(&grammar, &vocabulary).unwrap());
    let run =
        |request| generate(&model, &vocabulary, request, |_| ControlFlow::Continue(())).unwrap().completions;
    let plain = run(request.clone());
    assert!(["abba", "baba"].contains(&plain[0].text.as_str()));
    assert_eq!(plain, run(request.draft(Draft::Ngram { longest: 2, tokens: 3 })));

    // A module that is no language model is refused, and so is a file that is no module.
    traced(&mut |inputs| vec![inputs[0].to_kind(Kind::Float)]).save(&path).unwrap();
    let error = ScriptModel::load(&path, DeviceName::Cpu, 32).unwrap_err().to_string();
    assert!(error.starts_with("the TorchScript module gave [1, 1] for 1 tokens"), "{error}");
    std::fs::write(&path, b"not a module").unwrap();
    let error = ScriptModel::load(&path, DeviceName::Cpu, 32).unwrap_err().to_string();
    assert!(error.starts_with("libtorch failed while loading a TorchScript module"), "{error}");
    assert!(ScriptModel::load(scratch.0.join("absent.pt"), DeviceName::Cpu, 32).is_err());
}
