//! GPT-2.
//!
//! It has learned positions and layer normalisation with biases. Its feed-forward network has no
//! gate. Queries, keys and values have one projection, and the output matrix is the embedding. Its
//! Hugging Face checkpoints hold the projections transposed, and its `config.json` uses other keys
//! than Llama's throughout.
//!
//! Source: Radford et al. 2019, “Language Models are Unsupervised Multitask Learners”.

use serde_json::{Map, Value};

use super::{
    Architecture, Biases, FeedForwardKind, MatrixLayout, NormKind, PositionKind, Presence, RowOrder,
};
use crate::torch::error::TorchError;
use crate::torch::weights::{Names, Part};

const NAMES: Names = Names {
    // Checkpoints exist with and without the name of the outer module.
    roots: &["transformer.", ""],
    embedding: "wte",
    positions: Some("wpe"),
    output_norm: "ln_f",
    layers: "h",
    part: |part| match part {
        Part::AttentionNorm => Some("ln_1"),
        Part::QueryKeyValue => Some("attn.c_attn"),
        Part::AttentionOutput => Some("attn.c_proj"),
        Part::FeedForwardNorm => Some("ln_2"),
        Part::Up => Some("mlp.c_fc"),
        Part::Down => Some("mlp.c_proj"),
        _ => None,
    },
};

pub(super) const GPT2: Architecture = Architecture {
    gguf: &["gpt2"],
    hugging_face: &["GPT2LMHeadModel"],
    names: &NAMES,
    biases: Biases {
        inputs: Presence::Required,
        output: Presence::Required,
        feed_forward: Presence::Required,
    },
    tied: true,
    head_norm: Presence::Absent,
    post_norms: Presence::Absent,
    norm: NormKind::Layer,
    feed_forward: FeedForwardKind::Gelu,
    positions: PositionKind::Learned,
    gguf_rows: RowOrder::Halves,
    hugging_face_matrices: MatrixLayout::InOut,
    own_keys: &[
        "activation_function",
        "layer_norm_epsilon",
        "n_ctx",
        "n_embd",
        "n_head",
        "n_inner",
        "n_layer",
        "n_positions",
    ],
    translate,
    refine: |_, _| Ok(()),
};

/// Translates the settings to the keys of Llama's `config.json`.
fn translate(json: &Map<String, Value>) -> Result<Map<String, Value>, TorchError> {
    match json.get("activation_function").map(|name| name.as_str().unwrap_or("?")) {
        None | Some("gelu_new" | "gelu_pytorch_tanh") => {}
        Some(other) => {
            let reason =
                format!("is `{other}`, which is not supported; supported: gelu_new, gelu_pytorch_tanh");
            return Err(TorchError::config("activation_function", reason));
        }
    }
    for (key, plain) in [
        ("scale_attn_weights", true),
        ("scale_attn_by_inverse_layer_idx", false),
        ("add_cross_attention", false),
    ] {
        if json.get(key).is_some_and(|value| value != &Value::Bool(plain)) {
            return Err(TorchError::config(key, format!("is not {plain}, which is not supported")));
        }
    }
    let mut words = Map::new();
    for (own, common) in [
        ("n_embd", "hidden_size"),
        ("n_layer", "num_hidden_layers"),
        ("n_head", "num_attention_heads"),
        ("n_ctx", "max_position_embeddings"),
        ("n_positions", "max_position_embeddings"),
        ("n_inner", "intermediate_size"),
        ("layer_norm_epsilon", "rms_norm_eps"),
    ] {
        if let Some(value) = json.get(own).filter(|value| !value.is_null()) {
            words.insert(common.to_owned(), value.clone());
        }
    }
    words.entry("rms_norm_eps").or_insert(Value::from(1e-5));
    if let (None, Some(width)) = (words.get("intermediate_size"), json.get("n_embd").and_then(Value::as_u64))
    {
        words.insert("intermediate_size".to_owned(), Value::from(width.saturating_mul(4)));
    }
    Ok(words)
}
