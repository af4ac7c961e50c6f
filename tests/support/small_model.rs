//! Small random models as files: the generator of their weights, and writers of the file formats.
#![allow(dead_code)] // Each program that includes this uses a part.

use std::path::{Path, PathBuf};

use hedgerow::vocab::TokenId;
use serde_json::{Value, json};

/// The small model of this name in the reference data.
pub fn tiny<'a>(reference: &'a Value, name: &str) -> &'a Value {
    reference["tiny"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap()
}

pub fn reference() -> Value {
    serde_json::from_str(include_str!("../data/torch/reference.json")).unwrap()
}

/// The folder of a small model, with the case of the reference from which it was made.
pub fn tiny_folder(scratch: &str, name: &str) -> (Scratch, Value) {
    let scratch = Scratch::new(scratch);
    let case = tiny(&reference(), name).clone();
    write_folder(&scratch.0, &case, 1);
    (scratch, case)
}

pub fn ids(value: &Value) -> Vec<TokenId> {
    value.as_array().unwrap().iter().map(|id| TokenId(id.as_u64().unwrap() as u32)).collect()
}

/// The weights of the generator in `reference.py`: tensors in order of name, with numbers in ±0.25,
/// and norms around 1.
pub fn weights(shapes: &Value) -> Vec<(String, Vec<usize>, Vec<f32>)> {
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
pub fn safetensors(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
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

/// A byte-level BPE tokenizer with the first 97 printable characters of its alphabet and no merges.
pub fn tokenizer_json() -> Value {
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
pub fn write_folder(folder: &Path, case: &Value, shards: usize) {
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

/// A folder of one test, which is removed on drop.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
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

/// The name that GGUF files give to a tensor of a Hugging Face checkpoint, and the change that they
/// make to its numbers.
pub fn gguf_form(name: &str) -> (String, Change) {
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

pub enum Change {
    None,
    Transposed,
    PlusOne,
}

/// A GGUF file of `f32` tensors, with the tokens of [`tokenizer_json`].
pub fn gguf(metadata: &[(&str, Value)], tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
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
