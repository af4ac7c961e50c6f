//! Models on libtorch against transformers: logits of small random models of every architecture, and logits,
//! tokens and greedy text of the demo model.
//!
//! `tests/data/torch/reference.py` wrote what is expected here. The small models' weights are generated twice, there
//! and in [`weights`]; the demo model is the one that `make setup` fetches, and its test says that it did
//! nothing where there is none.
#![cfg(feature = "torch")]

use std::path::{Path, PathBuf};

use hedgerow::decode::{ForwardInput, LanguageModel, LogitRows, ModelError};
use hedgerow::torch::{Dtype, KvCache, LoadOptions, Model};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{json, Value};

/// Largest difference between two runtimes that compute the same in `f32`.
const TINY_TOLERANCE: f64 = 1e-4;
/// The same for the demo model, whose logits are sums of hundreds of products in thirty layers.
const DEMO_TOLERANCE: f64 = 4e-3;

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
    let scratch = Scratch::new("caches");
    let reference = reference();
    let case = &reference["tiny"][3];
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
