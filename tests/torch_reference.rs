//! Models on libtorch against transformers: logits of small random models of every architecture, and logits,
//! tokens and greedy text of the demo model.
//!
//! `tests/data/torch/reference.py` and `strategies.py` wrote what is expected here. The small models' weights are generated twice, there
//! and in [`weights`]; the demo model is the one that `make setup` fetches, and its test says that it did
//! nothing where there is none.
#![cfg(feature = "torch")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use hedgerow::decode::{
    generate, Batch, BeamSearch, Completion, Contrasted, ContrastiveSearch, Dola, Draft, DraftChoice,
    EarlyStopping, Erase, ForwardInput, Guided, LanguageModel, LogitRows, ModelError, Request, Strategy,
    TreeInput, TreeOutput,
};
use hedgerow::engine::Constraint;
use hedgerow::grammar::GrammarBuilder;
use hedgerow::sampling::SamplingParams;
use hedgerow::torch::{DeviceName, Dtype, KvCache, LoadOptions, MedusaHeads, Model, ScriptModel};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{json, Value};

/// Largest difference between two runtimes that compute the same in `f32`.
const TINY_TOLERANCE: f64 = 1e-4;
/// The same for the demo model, whose logits are sums of hundreds of products in thirty layers.
const DEMO_TOLERANCE: f64 = 4e-3;

/// The small model of this name.
fn tiny<'a>(reference: &'a Value, name: &str) -> &'a Value {
    reference["tiny"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap()
}

fn reference() -> Value {
    serde_json::from_str(include_str!("data/torch/reference.json")).unwrap()
}

fn ids(value: &Value) -> Vec<TokenId> {
    value.as_array().unwrap().iter().map(|id| TokenId(id.as_u64().unwrap() as u32)).collect()
}

fn demo_model() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(".deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf");
    if path.is_file() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there; `make setup` fetches it", path.display());
    None
}

/// The generator of `reference.py`: tensors in order of name, numbers in ±0.25, norms around 1.
fn weights(shapes: &Value) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let mut state = 12_345_u64;
    let mut tensors = Vec::new();
    for entry in shapes.as_array().unwrap() {
        let name = entry[0].as_str().unwrap();
        let shape: Vec<usize> =
            entry[1].as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect();
        let offset = if name.contains("norm") { 1.0 } else { 0.0 };
        let numbers = (0..shape.iter().product())
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 40) as f64 / f64::from(1 << 24) * 0.5 - 0.25) as f32 + offset
            })
            .collect();
        tensors.push((name.to_owned(), shape, numbers));
    }
    tensors
}

/// A safetensors file: the length of a JSON header, the header, the numbers.
fn safetensors(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, shape, numbers) in tensors {
        let start = data.len();
        data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        header.insert(
            name.clone(),
            json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}),
        );
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// Byte-level BPE with the first 97 printable characters of its alphabet and no merges.
fn tokenizer_json() -> Value {
    let alphabet = ('!'..='~').chain('¡'..='¬').take(97);
    let vocab: serde_json::Map<String, Value> =
        alphabet.enumerate().map(|(id, char)| (char.to_string(), json!(id))).collect();
    json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    })
}

/// A Hugging Face folder of a small model, its tensors spread over `shards` files.
fn write_folder(folder: &Path, case: &Value, shards: usize) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("config.json"), case["config"].to_string()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer_json().to_string()).unwrap();
    let tensors = weights(&case["weights"]);
    if shards == 1 {
        std::fs::write(folder.join("model.safetensors"), safetensors(&tensors)).unwrap();
        return;
    }
    let mut map = serde_json::Map::new();
    for (shard, part) in tensors.chunks(tensors.len().div_ceil(shards)).enumerate() {
        let name = format!("model-{shard}.safetensors");
        std::fs::write(folder.join(&name), safetensors(part)).unwrap();
        map.extend(part.iter().map(|(tensor, ..)| (tensor.clone(), json!(name))));
    }
    let index = json!({"weight_map": map});
    std::fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

/// A folder of this test's own, removed when it goes out of scope.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The text of tokens, special ones by their names.
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

#[test]
fn checkpoints_without_the_outer_module_load() {
    let scratch = Scratch::new("bare");
    let reference = reference();
    let case = tiny(&reference, "gpt2");
    write_folder(&scratch.0, case, 1);
    let bare = |(name, shape, numbers): (String, _, _)| (name.replace("transformer.", ""), shape, numbers);
    let tensors: Vec<_> = weights(&case["weights"]).into_iter().map(bare).collect();
    std::fs::write(scratch.0.join("model.safetensors"), safetensors(&tensors)).unwrap();
    let model = Model::load(&scratch.0, LoadOptions::default()).unwrap();
    assert!(largest_difference(case, &model.logits(&ids(&case["tokens"])).unwrap()) <= TINY_TOLERANCE);
}

/// What GGUF files call a tensor of a Hugging Face checkpoint, and whether they hold it transposed or plus 1.
fn gguf_form(name: &str) -> (String, Change) {
    let (stem, member) = name.rsplit_once('.').unwrap();
    let path: Vec<&str> = stem.split('.').collect();
    let (part, change) = match *path.last().unwrap() {
        "wte" | "embed_tokens" => ("token_embd", Change::None),
        "wpe" => ("position_embd", Change::None),
        "ln_f" => ("output_norm", Change::None),
        "norm" => ("output_norm", Change::PlusOne),
        "ln_1" => ("attn_norm", Change::None),
        "ln_2" => ("ffn_norm", Change::None),
        "c_attn" => ("attn_qkv", Change::Transposed),
        "c_proj" if path.contains(&"attn") => ("attn_output", Change::Transposed),
        "c_fc" => ("ffn_up", Change::Transposed),
        "c_proj" => ("ffn_down", Change::Transposed),
        "input_layernorm" => ("attn_norm", Change::PlusOne),
        "q_proj" => ("attn_q", Change::None),
        "k_proj" => ("attn_k", Change::None),
        "v_proj" => ("attn_v", Change::None),
        "o_proj" => ("attn_output", Change::None),
        "q_norm" => ("attn_q_norm", Change::PlusOne),
        "k_norm" => ("attn_k_norm", Change::PlusOne),
        "post_attention_layernorm" => ("post_attention_norm", Change::PlusOne),
        "pre_feedforward_layernorm" => ("ffn_norm", Change::PlusOne),
        "post_feedforward_layernorm" => ("post_ffw_norm", Change::PlusOne),
        "gate_proj" => ("ffn_gate", Change::None),
        "up_proj" => ("ffn_up", Change::None),
        "down_proj" => ("ffn_down", Change::None),
        other => panic!("{other}"),
    };
    match path.iter().find_map(|word| word.parse::<usize>().ok()) {
        Some(layer) => (format!("blk.{layer}.{part}.{member}"), change),
        None => (format!("{part}.{member}"), change),
    }
}

enum Change {
    None,
    Transposed,
    PlusOne,
}

/// A GGUF file of `f32` tensors, with the tokens of [`tokenizer_json`].
fn gguf(metadata: &[(&str, Value)], tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }
    fn value(out: &mut Vec<u8>, given: &Value, tagged: bool) {
        let tag = match given {
            Value::String(_) => 8_u32,
            Value::Array(_) => 9,
            number => {
                if number.is_f64() {
                    6
                } else {
                    4
                }
            }
        };
        if tagged {
            out.extend(tag.to_le_bytes());
        }
        match given {
            Value::String(string) => text(out, string),
            Value::Array(items) => {
                out.extend(8_u32.to_le_bytes());
                out.extend((items.len() as u64).to_le_bytes());
                items.iter().for_each(|item| value(out, item, false));
            }
            number if number.is_f64() => out.extend((number.as_f64().unwrap() as f32).to_le_bytes()),
            number => out.extend((number.as_u64().unwrap() as u32).to_le_bytes()),
        }
    }
    let vocab = tokenizer_json()["model"]["vocab"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut metadata: Vec<(&str, Value)> = metadata.to_vec();
    metadata.extend([
        ("tokenizer.ggml.model", json!("gpt2")),
        ("tokenizer.ggml.pre", json!("smollm")),
        ("tokenizer.ggml.tokens", json!(vocab)),
        ("tokenizer.ggml.merges", json!([])),
        ("tokenizer.ggml.eos_token_id", json!(96)),
    ]);
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, given) in &metadata {
        text(&mut out, key);
        value(&mut out, given, true);
    }
    let mut data: Vec<u8> = Vec::new();
    for (name, shape, numbers) in tensors {
        let name = gguf_form(name);
        text(&mut out, &name.0);
        out.extend((shape.len() as u32).to_le_bytes());
        let innermost_first: Vec<usize> = match (&name.1, shape.as_slice()) {
            (Change::Transposed, &[rows, columns]) => vec![rows, columns],
            (_, shape) => shape.iter().rev().copied().collect(),
        };
        innermost_first.iter().for_each(|&size| out.extend((size as u64).to_le_bytes()));
        out.extend(0_u32.to_le_bytes());
        out.extend((data.len() as u64).to_le_bytes());
        match (&name.1, shape.as_slice()) {
            (Change::Transposed, &[rows, columns]) => {
                let at = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
                data.extend(at.flat_map(|at| numbers[at].to_le_bytes()));
            }
            (Change::PlusOne, _) => {
                data.extend(numbers.iter().flat_map(|number| (number + 1.0).to_le_bytes()))
            }
            _ => data.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
        }
        data.resize(data.len().next_multiple_of(32), 0);
    }
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(data);
    out
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
            // What GGUF files of this architecture mean without saying.
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

#[test]
fn the_demo_model_gives_the_logits_tokens_and_text_of_transformers() {
    let Some(path) = demo_model() else { return };
    let model = Model::load(path, LoadOptions::default()).unwrap();
    let reference = reference();
    let mut largest = 0.0_f64;
    for case in reference["model"]["cases"].as_array().unwrap() {
        let prompt = case["prompt"].as_str().unwrap();
        let tokens = model.tokenizer().encode(prompt).unwrap();
        assert_eq!(tokens, ids(&case["tokens"]), "{prompt:?}");
        assert_eq!(spelled(model.vocabulary(), &tokens), prompt.as_bytes(), "{prompt:?}");

        // One pass over the prompt and its expected continuation: at every step the largest logit is the
        // token that transformers chose.
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
    assert!(model.chat_template().is_some_and(|template| template.contains("<|im_start|>")));
    assert_eq!(model.context_length(), 8192);
    assert_eq!(model.vocabulary().size(), 49_152);
}

#[test]
fn a_cache_gives_the_logits_of_the_whole() {
    let reference = reference();
    // Rotary positions, windows of 16 positions in some layers, learned positions.
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

    // In pieces of different sizes, asking for different rows.
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

    // Cut back, branch, and go on in one batch with a new sequence.
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

    // Refusals leave the cache as it was.
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
    let scratch = Scratch::new("threads");
    let reference = reference();
    let case = &reference["tiny"][0];
    write_folder(&scratch.0, case, 1);
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

/// What `strategies.py` wrote, and the model it is about.
fn strategies(scratch: &Scratch) -> (Value, Model) {
    let reference: Value = serde_json::from_str(include_str!("data/torch/strategies.json")).unwrap();
    write_folder(&scratch.0, &reference, 1);
    let model = Model::load(&scratch.0, LoadOptions::default()).unwrap();
    (reference, model)
}

/// The outputs of one case: transformers' settings, by the names it gives them.
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
    let sampling = SamplingParams::default()
        .temperature(0.0)
        .min_tokens(count("min_new_tokens", 0))
        .max_tokens(settings["max_new_tokens"].as_u64().map(|most| most as usize))
        .repetition_penalty(number("repetition_penalty").unwrap_or(1.0) as f32);
    let mut request = Request::new(ids(&case["prompt"])).completions(count("num_return_sequences", 1));
    request.sampling = SamplingParams { no_repeat_ngram: count("no_repeat_ngram_size", 0), ..sampling };
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

/// The expected outputs and scores, without those that stand for nothing found.
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
fn strategies_that_look_inside_choose_as_those_of_transformers() {
    let scratch = Scratch::new("inside");
    let (reference, model) = strategies(&scratch);
    for case in reference["older"]["contrastive"].as_array().unwrap() {
        let settings = &case["settings"];
        let search = ContrastiveSearch {
            candidates: settings["top_k"].as_u64().unwrap() as usize,
            penalty: settings["penalty_alpha"].as_f64().unwrap() as f32,
        };
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
        // Reading ahead and cutting back goes through both caches.
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
    let laws = [&expert, &amateur].map(|model| {
        let row = model.logits(&tokens).unwrap().pop().unwrap();
        let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
        row.iter().map(|&logit| f64::from(logit) - sum.ln()).collect::<Vec<_>>()
    });
    let best = laws[0].iter().copied().fold(f64::MIN, f64::max);
    let contrasted = Contrasted::new(&expert, &amateur, 0.1, 0.5);
    let mut cache = contrasted.new_cache().unwrap();
    let input = ForwardInput { tokens: &tokens, cache: &mut cache, rows: LogitRows::Last };
    let logits = contrasted.forward(&mut [input]).unwrap();
    for (token, &found) in logits.last(0).unwrap().iter().enumerate() {
        let expected = 1.5 * laws[0][token] - 0.5 * laws[1][token];
        match laws[0][token] >= best + 0.1f64.ln() {
            true => assert!((f64::from(found) - expected).abs() < 1e-4, "{token}: {found} for {expected}"),
            false => assert_eq!(found, f32::NEG_INFINITY),
        }
    }
}

#[test]
fn trees_give_the_logits_of_their_paths() {
    let scratch = Scratch::new("trees");
    let (_, model) = strategies(&scratch);
    let past = [5, 6, 7].map(TokenId);
    // Two tokens in a row, then branches: 10–11–(20–(30, 31), 21).
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
    // Of the tree, one path is kept, and the model goes on behind it.
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
fn torchscript_modules_are_models() {
    use tch::{CModule, Device, IndexOp, Kind, Tensor};
    let scratch = Scratch::new("script");
    let path = scratch.0.join("model.pt");
    // Scores depend on all tokens so far: running sums of embeddings, times a matrix.
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

    // The loop runs on it, with the constraint and with guesses.
    let bytes = (0..=255_u8).map(|byte| vec![byte]).chain((0..12).map(|_| b"ab".to_vec())).collect();
    let vocabulary = Vocabulary::from_byte_list(bytes).unwrap();
    let grammar = hedgerow::syntax::choice::compile(&["abba", "baba"]).unwrap();
    let request = Request::new([TokenId(5)]).constraint(Constraint::new(&grammar, &vocabulary).unwrap());
    let run =
        |request| generate(&model, &vocabulary, request, |_| ControlFlow::Continue(())).unwrap().completions;
    let plain = run(request.clone());
    assert!(["abba", "baba"].contains(&plain[0].text.as_str()));
    assert_eq!(plain, run(request.draft(Draft::Ngram { longest: 2, tokens: 3 })));

    // Not every module is a language model, and not every file a module.
    traced(&mut |inputs| vec![inputs[0].to_kind(Kind::Float)]).save(&path).unwrap();
    let error = ScriptModel::load(&path, DeviceName::Cpu, 32).unwrap_err().to_string();
    assert!(error.starts_with("the TorchScript module gave [1, 1] for 1 tokens"), "{error}");
    std::fs::write(&path, b"not a module").unwrap();
    let error = ScriptModel::load(&path, DeviceName::Cpu, 32).unwrap_err().to_string();
    assert!(error.starts_with("libtorch failed while loading a TorchScript module"), "{error}");
    assert!(ScriptModel::load(scratch.0.join("absent.pt"), DeviceName::Cpu, 32).is_err());
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
    // Heads of the published form, and a first one that is the model's own output matrix, which is often right.
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
                let sampling = SamplingParams::default().temperature(temperature).max_tokens(Some(40));
                let request = Request::new(prompt).sampling(sampling).completions(2).draft(draft);
                let skipping = model.skipping_layers(&[1]).unwrap();
                let batch = Batch::new(&model, model.vocabulary()).unwrap();
                let batch = batch.draft_model(Box::new(Erase(skipping))).draft_heads(Box::new(heads()));
                batch.run(request, |_| ControlFlow::Continue(())).unwrap()
            };
            let plain = run(Draft::None);
            let drafts =
                [Draft::Model { tokens: 4, choice: DraftChoice::Likeliest }, Draft::Heads { tokens: 12 }];
            for (draft, confirmed) in drafts.into_iter().zip(&mut confirmed) {
                let guessed = run(draft);
                assert_eq!(plain.completions, guessed.completions, "{draft:?}");
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
