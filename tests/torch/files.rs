//! Model files that are incomplete, damaged or of another kind: each gives an error that names its
//! fault, and none a crash.
//!
//! Each test starts from a small GGUF file or Hugging Face folder that loads, and breaks one thing.

use std::path::Path;

use super::small_model::Scratch;
use hedgerow::decode::{ChatTemplates, LanguageModel};
use hedgerow::torch::{LoadOptions, Model, TorchError};
use hedgerow::vocab::TokenId;
use serde_json::{Value, json};

const WIDTH: u64 = 64;
const VOCAB: u64 = 40;

/// A metadata value of a GGUF file.
#[derive(Clone, Debug)]
enum Meta {
    U32(u32),
    F32(f32),
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<i32>),
    Scores(Vec<f32>),
    Flag(u8),
}

/// A tensor of a GGUF file: name, dimensions from the innermost, ggml type, bytes.
type Entry = (String, Vec<u64>, u32, Vec<u8>);

/// The parts of a GGUF file, which a test changes before they are written.
#[derive(Clone, Debug)]
struct Gguf {
    metadata: Vec<(String, Meta)>,
    tensors: Vec<Entry>,
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl Gguf {
    /// A llama model of two layers, with 4 heads of width 16 and 2 key-value heads.
    fn new() -> Self {
        let number = |key: &str, value| (format!("llama.{key}"), Meta::U32(value));
        let printable = (b'!'..).take(VOCAB as usize - 1).map(|byte| (byte as char).to_string());
        let mut kinds = vec![1; VOCAB as usize];
        kinds[VOCAB as usize - 1] = 3;
        let metadata = vec![
            ("general.architecture".to_owned(), Meta::Text("llama".to_owned())),
            number("context_length", 64),
            number("embedding_length", WIDTH as u32),
            number("block_count", 2),
            number("feed_forward_length", 96),
            number("attention.head_count", 4),
            number("attention.head_count_kv", 2),
            ("llama.attention.layer_norm_rms_epsilon".to_owned(), Meta::F32(1e-5)),
            ("tokenizer.ggml.model".to_owned(), Meta::Text("gpt2".to_owned())),
            ("tokenizer.ggml.pre".to_owned(), Meta::Text("smollm".to_owned())),
            (
                "tokenizer.ggml.tokens".to_owned(),
                Meta::Texts(printable.chain(["<end>".to_owned()]).collect()),
            ),
            ("tokenizer.ggml.token_type".to_owned(), Meta::Numbers(kinds)),
            ("tokenizer.ggml.merges".to_owned(), Meta::Texts(Vec::new())),
            ("tokenizer.ggml.eos_token_id".to_owned(), Meta::U32(VOCAB as u32 - 1)),
        ];
        let mut tensors =
            vec![floats("token_embd.weight", &[WIDTH, VOCAB]), floats("output_norm.weight", &[WIDTH])];
        for layer in 0..2 {
            for (name, dims) in [
                ("attn_norm", vec![WIDTH]),
                ("attn_q", vec![WIDTH, WIDTH]),
                ("attn_k", vec![WIDTH, 32]),
                ("attn_v", vec![WIDTH, 32]),
                ("attn_output", vec![WIDTH, WIDTH]),
                ("ffn_norm", vec![WIDTH]),
                ("ffn_gate", vec![WIDTH, 96]),
                ("ffn_up", vec![WIDTH, 96]),
                ("ffn_down", vec![96, WIDTH]),
            ] {
                tensors.push(floats(&format!("blk.{layer}.{name}.weight"), &dims));
            }
        }
        Self { metadata, tensors }
    }

    fn set(mut self, key: &str, value: Meta) -> Self {
        self.metadata.retain(|(name, _)| name != key);
        self.metadata.push((key.to_owned(), value));
        self
    }

    fn without(mut self, key: &str) -> Self {
        self.metadata.retain(|(name, _)| name != key);
        self.tensors.retain(|(name, ..)| name != key);
        self
    }

    /// Replaces a tensor by `bytes` zero bytes of another type and shape.
    fn tensor(mut self, name: &str, dims: &[u64], ggml_type: u32, bytes: usize) -> Self {
        for entry in self.tensors.iter_mut().filter(|entry| entry.0 == name) {
            *entry = (name.to_owned(), dims.to_vec(), ggml_type, vec![0; bytes]);
        }
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            put_text(&mut out, key);
            match value {
                Meta::U32(number) => {
                    out.extend(4_u32.to_le_bytes());
                    out.extend(number.to_le_bytes());
                }
                Meta::F32(number) => {
                    out.extend(6_u32.to_le_bytes());
                    out.extend(number.to_le_bytes());
                }
                Meta::Text(text) => {
                    out.extend(8_u32.to_le_bytes());
                    put_text(&mut out, text);
                }
                Meta::Texts(texts) => {
                    out.extend(9_u32.to_le_bytes());
                    out.extend(8_u32.to_le_bytes());
                    out.extend((texts.len() as u64).to_le_bytes());
                    texts.iter().for_each(|text| put_text(&mut out, text));
                }
                Meta::Numbers(numbers) => {
                    out.extend(9_u32.to_le_bytes());
                    out.extend(5_u32.to_le_bytes());
                    out.extend((numbers.len() as u64).to_le_bytes());
                    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
                }
                Meta::Scores(scores) => {
                    out.extend(9_u32.to_le_bytes());
                    out.extend(6_u32.to_le_bytes());
                    out.extend((scores.len() as u64).to_le_bytes());
                    scores.iter().for_each(|score| out.extend(score.to_le_bytes()));
                }
                Meta::Flag(flag) => {
                    out.extend(7_u32.to_le_bytes());
                    out.push(*flag);
                }
            }
        }
        let mut data = Vec::new();
        for (name, dims, ggml_type, bytes) in &self.tensors {
            put_text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
            out.extend(ggml_type.to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            data.extend(bytes);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }
}

fn floats(name: &str, dims: &[u64]) -> Entry {
    let count: u64 = dims.iter().product();
    let numbers = (0..count).map(|index| ((index * 7919 % 1000) as f32 / 1000.0 - 0.5) * 0.2);
    (name.to_owned(), dims.to_vec(), 0, numbers.flat_map(f32::to_le_bytes).collect())
}

impl Scratch {
    fn load(&self, bytes: &[u8]) -> Result<Model, TorchError> {
        let path = self.0.join("model.gguf");
        std::fs::write(&path, bytes).unwrap();
        Model::load(&path, LoadOptions::default())
    }
}

#[test]
fn the_unbroken_file_loads() {
    let scratch = Scratch::new("unbroken");
    let model = scratch.load(&Gguf::new().bytes()).unwrap();
    assert_eq!((model.context_length(), model.vocabulary().size()), (64, VOCAB as usize));
    assert_eq!(model.name(), "model");
    let tokens = model.tokenizer().encode("(1)<end>").unwrap();
    assert_eq!(tokens, [TokenId(7), TokenId(16), TokenId(8), TokenId(39)]);
    assert_eq!(model.logits(&tokens).unwrap().len(), 4);
    assert!(model.logits(&[]).unwrap().is_empty());
    let error = model.logits(&[TokenId(40)]).unwrap_err().to_string();
    assert_eq!(error, "token 40 is out of range: the model has 40 tokens, numbered from 0");
    let error = model.logits(&[TokenId(0); 65]).unwrap_err().to_string();
    assert_eq!(error, "the sequence would be 65 tokens long, but the model's context holds 64");
}

#[test]
fn quantised_tensors_of_every_format_load() {
    let scratch = Scratch::new("formats");
    // 96 is no multiple of 256. The formats with large blocks are therefore tested in the embedding
    // of a wider model.
    for (ggml_type, row_bytes) in [(1, 128), (30, 128), (8, 68), (2, 36), (3, 40)] {
        let file = Gguf::new().tensor("token_embd.weight", &[WIDTH, VOCAB], ggml_type, 40 * row_bytes);
        assert!(scratch.load(&file.bytes()).is_ok(), "type {ggml_type}");
    }
}

#[test]
fn each_broken_gguf_file_names_its_fault() {
    let base = Gguf::new;
    let text = |text: &str| Meta::Text(text.to_owned());
    let cases: Vec<(Gguf, &str)> = vec![
        (
            base().without("general.architecture"),
            "the model's configuration: `general.architecture` is missing",
        ),
        (
            base().set("general.architecture", text("mamba")),
            "the model's architecture is `mamba`, which is not supported; supported: llama, qwen2, qwen3, gemma3, \
             gpt2",
        ),
        (
            base().without("llama.embedding_length"),
            "the model's configuration: `llama.embedding_length` is missing",
        ),
        (
            base().set("llama.block_count", Meta::U32(0)),
            "the model's configuration: `llama.block_count` is not a whole number from 1 to 2^31",
        ),
        (
            base().set("llama.block_count", Meta::U32(u32::MAX)),
            "the model's configuration: `llama.block_count` is not a whole number from 1 to 2^31",
        ),
        (
            base().set("llama.block_count", Meta::U32(1 << 30)),
            "the model lacks the tensor `blk.2.attn_norm.weight`: the file is incomplete, or of another \
             architecture",
        ),
        (
            base().set("llama.block_count", text("two")),
            "the model's configuration: `llama.block_count` is not a whole number from 1 to 2^31",
        ),
        (
            base().set("llama.attention.head_count_kv", Meta::U32(3)),
            "the model's configuration: `number of key-value heads` is 3, which does not divide the 4 query heads",
        ),
        (
            base().set("llama.attention.head_count", Meta::U32(100)),
            "the model's configuration: `size of a head` is 0; rotary positions need an even number above 0",
        ),
        (
            base().set("llama.rope.dimension_count", Meta::U32(8)),
            "the model's configuration: `size of a head` is 16, with 16 for values and 8 rotary dimensions; only \
             equal sizes are supported",
        ),
        (
            base().set("llama.attention.layer_norm_rms_epsilon", Meta::F32(f32::NAN)),
            "the model's configuration: `llama.attention.layer_norm_rms_epsilon` is not a finite number",
        ),
        (
            base().set("llama.rope.freq_base", Meta::F32(0.0)),
            "the model's configuration: `rope` has the base 0; a number above 1 is needed",
        ),
        (
            base().set("llama.rope.scaling.type", text("spiral")),
            "the model's configuration: `llama.rope.scaling.type` is `spiral`, which is not supported; supported: \
             none, linear, yarn",
        ),
        (
            base().without("blk.1.ffn_up.weight"),
            "the model lacks the tensor `blk.1.ffn_up.weight`: the file is incomplete, or of another architecture",
        ),
        (
            base().tensor("blk.0.attn_k.weight", &[WIDTH, WIDTH], 0, 64 * 64 * 4),
            "tensor `blk.0.attn_k.weight` has shape [64, 64], and the model's configuration calls for [32, 64]",
        ),
        (
            base().tensor("token_embd.weight", &[WIDTH], 0, 64 * 4),
            "tensor `token_embd.weight` has shape [64], and the model's configuration calls for [-1, -1]",
        ),
        (
            base().tensor("blk.0.attn_q.weight", &[WIDTH, WIDTH], 6, 64 * 44),
            "tensor `blk.0.attn_q.weight` is stored as Q5_0, which is not supported; supported: F32, F16, BF16, \
             Q8_0, Q4_0, Q4_1, Q4_K, Q5_K, Q6_K",
        ),
        (
            base().tensor("blk.0.attn_q.weight", &[WIDTH, WIDTH], 9999, 64),
            "tensor `blk.0.attn_q.weight` is stored as type 9999, which is not supported; supported: F32, F16, \
             BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q5_K, Q6_K",
        ),
        (
            base().without("tokenizer.ggml.merges"),
            "the model's tokenizer: `tokenizer.ggml.merges` is missing",
        ),
        (
            base().set("tokenizer.ggml.merges", Meta::Texts(vec!["ab".to_owned()])),
            "the model's tokenizer: `ab` is not a merge of two tokens",
        ),
        (
            base().set("tokenizer.ggml.pre", text("klingon")),
            "the model's tokenizer: its pre-tokenizer `klingon` is not known; known: default, gpt-2, smollm, \
             starcoder, refact, command-r, llama-bpe, qwen2 and their aliases. Use the model's Hugging Face folder, \
             whose tokenizer.json says it in full",
        ),
    ];
    let scratch = Scratch::new("broken");
    for (file, expected) in cases {
        let error = scratch.load(&file.bytes()).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn truncated_and_corrupted_files_never_crash() {
    let scratch = Scratch::new("corrupt");
    let whole = Gguf::new().bytes();
    for cut in (0..whole.len()).step_by(997).chain([1, 4, 8, 24, whole.len() - 40]) {
        assert!(scratch.load(&whole[..cut]).is_err(), "cut at {cut}");
    }
    let header =
        Gguf::new().bytes().len() - Gguf::new().tensors.iter().map(|entry| entry.3.len()).sum::<usize>();
    let mut state = 99_u32;
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes[(state >> 8) as usize % header] ^= (state >> 3) as u8 | 1;
        }
        if let Ok(model) = scratch.load(&bytes) {
            let _ = model.logits(&[TokenId(1), TokenId(2)]);
        }
    }
}

fn folder_files() -> Vec<(&'static str, Value)> {
    let vocab: serde_json::Map<String, Value> = (b'!'..)
        .take(VOCAB as usize)
        .enumerate()
        .map(|(id, byte)| ((byte as char).to_string(), json!(id)))
        .collect();
    vec![
        (
            "config.json",
            json!({
                "architectures": ["LlamaForCausalLM"], "hidden_size": 16, "num_hidden_layers": 1,
                "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 24,
                "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
                "eos_token_id": 3, "tie_word_embeddings": true,
            }),
        ),
        (
            "tokenizer.json",
            json!({
                "version": "1.0", "added_tokens": [], "normalizer": null,
                "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
                "post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
                "model": {"type": "BPE", "vocab": vocab, "merges": []},
            }),
        ),
    ]
}

/// The name and shape of each tensor of that folder's model.
fn folder_tensors() -> Vec<(&'static str, Vec<usize>)> {
    vec![
        ("model.embed_tokens.weight", vec![VOCAB as usize, 16]),
        ("model.norm.weight", vec![16]),
        ("model.layers.0.input_layernorm.weight", vec![16]),
        ("model.layers.0.post_attention_layernorm.weight", vec![16]),
        ("model.layers.0.self_attn.q_proj.weight", vec![16, 16]),
        ("model.layers.0.self_attn.k_proj.weight", vec![8, 16]),
        ("model.layers.0.self_attn.v_proj.weight", vec![8, 16]),
        ("model.layers.0.self_attn.o_proj.weight", vec![16, 16]),
        ("model.layers.0.mlp.gate_proj.weight", vec![24, 16]),
        ("model.layers.0.mlp.up_proj.weight", vec![24, 16]),
        ("model.layers.0.mlp.down_proj.weight", vec![16, 24]),
    ]
}

fn safetensors(tensors: &[(&str, Vec<usize>)], dtype: &str, size: usize) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += shape.iter().product::<usize>() * size;
        header.insert(
            (*name).to_owned(),
            json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]}),
        );
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + end, 0);
    file
}

#[test]
fn each_broken_folder_names_its_fault() {
    let scratch = Scratch::new("folder");
    let folder = &scratch.0;
    let reset = || {
        for (name, value) in folder_files() {
            std::fs::write(folder.join(name), value.to_string()).unwrap();
        }
        std::fs::write(folder.join("model.safetensors"), safetensors(&folder_tensors(), "F32", 4)).unwrap();
        let _ = std::fs::remove_file(folder.join("model.safetensors.index.json"));
    };
    let config = |key: &str, value: Value| {
        let mut json = folder_files()[0].1.clone();
        json[key] = value;
        ("config.json", json.to_string().into_bytes())
    };
    let weights = |bytes: Vec<u8>| ("model.safetensors", bytes);
    let index = |value: Value| ("model.safetensors.index.json", value.to_string().into_bytes());
    reset();
    let model = Model::load(folder, LoadOptions::default()).unwrap();
    assert_eq!((model.context_length(), model.vocabulary().eos()), (32, &[TokenId(3)][..]));

    let mut reshaped = folder_tensors();
    reshaped[4].1 = vec![8, 16];
    let mut more = folder_tensors();
    let mut biased = folder_tensors();
    biased.push(("model.layers.0.self_attn.o_proj.bias", vec![16]));
    more.push(("model.layers.0.mlp.experts.0.up_proj.weight", vec![2, 2]));
    let cases: Vec<((&str, Vec<u8>), &str)> = vec![
        (("config.json", b"[]".to_vec()), "config.json` is not a JSON object"),
        (("config.json", b"{".to_vec()), "config.json` is not JSON: EOF"),
        (config("architectures", json!([])), "configuration: `architectures` names none"),
        (
            config("architectures", json!(["BertModel"])),
            "architecture is `BertModel`, which is not supported; supported: LlamaForCausalLM, ",
        ),
        (config("hidden_size", json!(-3)), "`hidden_size` is not a whole number"),
        (config("hidden_size", json!(1e300)), "`hidden_size` is not a whole number"),
        (config("hidden_act", json!("gelu")), "`hidden_act` is \"gelu\"; only \"silu\" is supported"),
        (config("rms_norm_eps", json!("small")), "`rms_norm_eps` is not a finite number"),
        (config("rms_norm_eps", json!(-1)), "`rms_norm_eps` is negative"),
        (config("rope_scaling", json!({"rope_type": "dynamic"})), "`rope_scaling.rope_type` is `dynamic`"),
        (config("rope_scaling", json!({"type": "linear"})), "`rope_scaling.factor` is missing"),
        (
            config("rope_parameters", json!({"rope_type": "linear", "rope_theta": 5.0})),
            "`rope_parameters.factor` is missing",
        ),
        (config("partial_rotary_factor", json!(0.5)), "4 rotary dimensions; only equal sizes are supported"),
        (
            config("num_local_experts", json!(8)),
            "`num_local_experts` is 8, and may change what the model computes",
        ),
        (
            config("quantization_config", json!({"quant_method": "awq"})),
            "`quantization_config` is {\"quant_method\":\"awq\"}, and may change",
        ),
        (config("layer_types", json!(["linear_attention"])), "`layer_types` holds \"linear_attention\""),
        (
            config("tie_word_embeddings", json!(false)),
            "`tie_word_embeddings` is false, or its default is, but the weights have no",
        ),
        (config("tie_word_embeddings", json!("yes")), "`tie_word_embeddings` is not true or false"),
        (config("is_causal", json!(false)), "`is_causal` is false, and may change what the model computes"),
        (config("vocab_size", json!(3)), "and the model's configuration calls for [3, 16]"),
        (config("attention_bias", json!(true)), "lacks the tensor `model.layers.0.self_attn.q_proj.bias`"),
        (config("mlp_bias", json!(true)), "lacks the tensor `model.layers.0.mlp.gate_proj.bias`"),
        (
            config("rope_parameters", json!({"sliding_attention": {"rope_theta": 5.0}})),
            "`rope_parameters.sliding_attention` is {",
        ),
        (
            weights(safetensors(&biased, "F32", 4)),
            "tensor `model.layers.0.self_attn.o_proj.bias`, which this architecture does not use",
        ),
        (
            weights(safetensors(&more, "F32", 4)),
            "tensor `model.layers.0.mlp.experts.0.up_proj.weight`, which this architecture does not use",
        ),
        (("tokenizer.json", b"{}".to_vec()), "the model's tokenizer: "),
        (weights(Vec::new()), "model.safetensors"),
        (weights(vec![255; 64]), "not a usable safetensors file: "),
        (
            weights(safetensors(&folder_tensors(), "F32", 4)[..999].to_vec()),
            "not a usable safetensors file: ",
        ),
        (
            weights(safetensors(&folder_tensors()[..10], "F32", 4)),
            "lacks the tensor `model.layers.0.mlp.down_proj",
        ),
        (
            weights(safetensors(&reshaped, "F32", 4)),
            "`model.layers.0.self_attn.q_proj.weight` has shape [8, 16], and the model's configuration calls for \
             [16, 16]",
        ),
        (weights(safetensors(&folder_tensors(), "I8", 1)), "is stored as I8, which is not supported"),
        (index(json!({})), "it has no object `weight_map`"),
        (index(json!({"weight_map": {"a": 1}})), "holds something other than file names"),
        (index(json!({"weight_map": {"a": "../x"}})), "names a file outside the folder: ../x"),
        (index(json!({"weight_map": {"a": "/etc/passwd"}})), "names a file outside the folder: /etc/passwd"),
        (index(json!({"weight_map": {"a": "missing"}})), "cannot read "),
    ];
    for ((file, bytes), expected) in cases {
        reset();
        std::fs::write(folder.join(file), bytes).unwrap();
        let error = Model::load(folder, LoadOptions::default()).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
}

/// A file with other tokens, and with rows for them in the embedding.
fn with_tokens(tokens: &[(&str, i32)], model: &str) -> Gguf {
    let texts = tokens.iter().map(|(text, _)| (*text).to_owned()).collect();
    let mut file = Gguf::new()
        .without("token_embd.weight")
        .set("tokenizer.ggml.model", Meta::Text(model.to_owned()))
        .set("tokenizer.ggml.tokens", Meta::Texts(texts))
        .set("tokenizer.ggml.token_type", Meta::Numbers(tokens.iter().map(|(_, kind)| *kind).collect()))
        .set("tokenizer.ggml.eos_token_id", Meta::U32(0));
    file.tensors.push(floats("token_embd.weight", &[WIDTH, tokens.len() as u64]));
    file
}

fn ids(tokens: Vec<TokenId>) -> Vec<u32> {
    tokens.into_iter().map(|token| token.0).collect()
}

#[test]
fn sentence_piece_tokenizers_join_by_score() {
    let tokens = [
        ("<unk>", 2),
        ("<s>", 3),
        ("<0x0A>", 6),
        ("\u{2581}", 1),
        ("a", 1),
        ("b", 1),
        ("c", 1),
        ("ab", 1),
        ("bc", 1),
        ("\u{2581}a", 1),
        ("<0xC3>", 6),
        ("<0xA9>", 6),
    ];
    // `bc` has the best score, then `▁a`, then `ab`.
    let scores = vec![0.0, 0.0, 0.0, -9.0, -9.0, -9.0, -9.0, -3.0, -1.0, -2.0, 0.0, 0.0];
    let file = with_tokens(&tokens, "llama")
        .set("tokenizer.ggml.scores", Meta::Scores(scores))
        .set("tokenizer.ggml.bos_token_id", Meta::U32(1))
        .set("tokenizer.ggml.unknown_token_id", Meta::U32(0));
    let scratch = Scratch::new("sentence-piece");
    let model = scratch.load(&file.bytes()).unwrap();
    let encode = |text| ids(model.tokenizer().encode(text).unwrap());
    assert_eq!(encode("abc"), [9, 8]);
    assert_eq!(encode("ab"), [9, 5]);
    assert_eq!(encode("b ab\n"), [3, 5, 9, 5, 2]);
    assert_eq!(encode("\u{e9}"), [3, 10, 11]);
    assert_eq!(ids(model.tokenizer().encode_prompt("a").unwrap()), [1, 9]);
    let variables = Value::Object(model.template_variables().clone());
    assert_eq!(variables, json!({"bos_token": "<s>", "eos_token": "<unk>", "unk_token": "<unk>"}));
    assert_eq!(model.chat_templates(), &ChatTemplates::default());
    let named = file
        .clone()
        .set("tokenizer.chat_template", Meta::Text("a".to_owned()))
        .set("tokenizer.chat_template.tool_use", Meta::Text("b".to_owned()));
    let model = scratch.load(&named.bytes()).unwrap();
    assert_eq!(model.chat_templates(), &ChatTemplates::new("a").tool_use("b"));

    let file = file
        .set("tokenizer.ggml.add_space_prefix", Meta::Flag(0))
        .set("tokenizer.ggml.add_bos_token", Meta::Flag(0));
    let model = scratch.load(&file.bytes()).unwrap();
    assert_eq!(ids(model.tokenizer().encode_prompt("abc").unwrap()), [4, 8]);
    let ended = file.clone().set("tokenizer.ggml.add_eos_token", Meta::Flag(1));
    let model = scratch.load(&ended.bytes()).unwrap();
    assert_eq!(ids(model.tokenizer().encode_prompt("abc").unwrap()), [4, 8, 0]);
    let error = scratch.load(&file.without("tokenizer.ggml.scores").bytes()).unwrap_err().to_string();
    assert_eq!(error, "the model's tokenizer: `tokenizer.ggml.scores` is missing");
}

#[test]
fn pre_tokenizers_cut_numbers_as_their_models_do() {
    let tokens: Vec<(&str, i32)> =
        ["<end>", "1", "2", "12", "123", "3", "4"].into_iter().map(|text| (text, 1)).collect();
    let merges = ["1 2", "12 3"].map(str::to_owned).to_vec();
    let scratch = Scratch::new("pre-tokenizers");
    for (pre, expected) in [
        ("default", vec![4, 6]),
        ("smollm", vec![1, 2, 5, 6]),
        ("qwen2", vec![1, 2, 5, 6]),
        ("llama-bpe", vec![4, 6]),
    ] {
        let file = with_tokens(&tokens, "gpt2")
            .set("tokenizer.ggml.merges", Meta::Texts(merges.clone()))
            .set("tokenizer.ggml.pre", Meta::Text(pre.to_owned()));
        let model = scratch.load(&file.bytes()).unwrap();
        assert_eq!(ids(model.tokenizer().encode("1234").unwrap()), expected, "{pre}");
        // As in llama.cpp, prompts of Llama 3 begin with the token if the file says nothing.
        let file = file.set("tokenizer.ggml.bos_token_id", Meta::U32(0));
        for (said, begins) in [(None, pre == "llama-bpe"), (Some(0), false), (Some(1), true)] {
            let file = match said {
                None => file.clone(),
                Some(flag) => file.clone().set("tokenizer.ggml.add_bos_token", Meta::Flag(flag)),
            };
            let prompt = ids(scratch.load(&file.bytes()).unwrap().tokenizer().encode_prompt("1").unwrap());
            assert_eq!(prompt.first() == Some(&0), begins, "{pre} {said:?}");
        }
    }
}

#[test]
fn paths_that_are_no_models_are_refused() {
    let scratch = Scratch::new("no-model");
    let load = |path: &Path| Model::load(path, LoadOptions::default()).unwrap_err().to_string();
    assert!(load(&scratch.0.join("absent.gguf")).starts_with("cannot read "));
    assert!(
        load(&scratch.0).ends_with("it holds no config.json; give a .gguf file or a Hugging Face folder")
    );
    let text = scratch.0.join("notes.txt");
    std::fs::write(&text, "hello").unwrap();
    assert!(load(&text).contains("not a usable GGUF file: not a GGUF file"));
    std::fs::write(&text, "").unwrap();
    assert!(load(&text).contains("notes.txt"));
}
