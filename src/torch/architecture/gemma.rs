//! Gemma 3, for text.
//!
//! Its layers are those of Qwen3, with these differences:
//!
//! - There are further norms after attention and after the feed-forward network.
//! - The feed-forward network is a GeGLU, and embeddings are multiplied by √width.
//! - There are two kinds of attention. Most layers attend to a window of the latest positions, with
//!   rotary frequencies of their own. Every sixth layer, or any that the configuration names,
//!   attends to all positions.
//! - Hugging Face's norm weights lie around 0, and 1 is added to them. GGUF files hold the sums.
//!
//! Source: Gemma Team 2025, “Gemma 3 Technical Report”.

use serde_json::{Map, Value};

use super::{
    Architecture, Biases, DecoderConfig, FeedForwardKind, LLAMA_NAMES, LocalAttention, MatrixLayout,
    NormKind, PositionKind, Presence, RowOrder, Settings, json_number,
};
use crate::torch::error::TorchError;
use crate::torch::weights::{Names, Part};

const NAMES: Names = Names {
    part: |part| match part {
        Part::AttentionPostNorm => Some("post_attention_layernorm"),
        Part::FeedForwardNorm => Some("pre_feedforward_layernorm"),
        Part::FeedForwardPostNorm => Some("post_feedforward_layernorm"),
        other => (LLAMA_NAMES.part)(other),
    },
    ..LLAMA_NAMES
};

pub(super) const GEMMA3: Architecture = Architecture {
    gguf: &["gemma3"],
    hugging_face: &["Gemma3ForCausalLM"],
    names: &NAMES,
    biases: Biases { inputs: Presence::Optional, output: Presence::Optional, ..Biases::NONE },
    tied: true,
    head_norm: Presence::Required,
    post_norms: Presence::Required,
    norm: NormKind::RmsAroundOne,
    feed_forward: FeedForwardKind::GeGlu,
    positions: PositionKind::Rotary,
    gguf_rows: RowOrder::Halves,
    hugging_face_matrices: MatrixLayout::OutIn,
    own_keys: &[
        "hidden_activation",
        "query_pre_attn_scalar",
        "rope_local_base_freq",
        "sliding_window_pattern",
    ],
    translate,
    refine,
};

/// Distance between two layers that attend to all positions, if the file does not give it.
const PATTERN: usize = 6;
/// Window of the layers that have one, if a `config.json` does not give it.
const WINDOW: usize = 4096;
/// Base of the rotary frequencies of layers with a window, if the file does not give it.
const LOCAL_THETA: f64 = 10_000.0;
/// Base of the rotary frequencies of layers that attend to all positions, if the file does not give
/// it.
const GLOBAL_THETA: f64 = 1_000_000.0;
/// Number of layers of the model with 27 billion parameters. Its attention is scaled by width /
/// heads, and that of all other sizes by the size of a head. GGUF files do not give the scale, so
/// this model is recognised by its number of layers.
const LAYERS_27B: usize = 62;

/// Translates the settings to the keys of Llama's `config.json`.
fn translate(json: &Map<String, Value>) -> Result<Map<String, Value>, TorchError> {
    let mut words = json.clone();
    match words.remove("hidden_activation").as_ref().map(|name| name.as_str().unwrap_or("?")) {
        None | Some("gelu_pytorch_tanh") => {}
        Some(other) => {
            let reason = format!("is `{other}`, which is not supported; supported: gelu_pytorch_tanh");
            return Err(TorchError::config("hidden_activation", reason));
        }
    }
    words.remove("hidden_act");
    for key in ["attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"] {
        if words.get(key).is_some_and(|value| !value.is_null() && value != &Value::Bool(false)) {
            return Err(TorchError::config(key, "is set, which is not supported"));
        }
    }
    words.entry("head_dim").or_insert(Value::from(256));
    // Newer files have both kinds of frequencies in one object.
    if let Some(Value::Object(mut both)) = words.remove("rope_parameters") {
        let local = both.get("sliding_attention");
        let local_type = local.and_then(|local| local.get("rope_type").or_else(|| local.get("type")));
        if let Some(other) = local_type.filter(|name| name.as_str() != Some("default")) {
            let reason = format!("is {other}, which is not supported; supported: default");
            return Err(TorchError::config("rope_parameters.sliding_attention.rope_type", reason));
        }
        if let Some(theta) = local.and_then(|local| local.get("rope_theta")) {
            words.insert("rope_local_base_freq".to_owned(), theta.clone());
        }
        if let Some(global) = both.remove("full_attention") {
            words.insert("rope_parameters".to_owned(), global);
        }
    }
    let nested = words.get("rope_parameters").and_then(|rope| rope.get("rope_theta")).is_some();
    if !nested {
        words.entry("rope_theta").or_insert(Value::from(GLOBAL_THETA));
    }
    Ok(words)
}

fn refine(settings: &Settings<'_>, config: &mut DecoderConfig) -> Result<(), TorchError> {
    config.embedding_scale = (config.width as f64).sqrt();
    let (window, theta) = match settings {
        Settings::Gguf { .. } => {
            if config.layers == LAYERS_27B {
                config.attention_scale = Some(((config.width / config.heads) as f64).powf(-0.5));
            }
            (settings.size(("attention.sliding_window", ""))?, settings.number(("rope.freq_base_swa", ""))?)
        }
        Settings::HuggingFace(json) => {
            let scalar = json_number(json, "query_pre_attn_scalar")?.unwrap_or(256.0);
            if scalar <= 0.0 {
                return Err(TorchError::config("query_pre_attn_scalar", "is not above 0"));
            }
            config.attention_scale = Some(scalar.powf(-0.5));
            let window = match json.contains_key("sliding_window") {
                true => settings.size(("", "sliding_window"))?,
                false => Some(WINDOW),
            };
            (window, json_number(json, "rope_local_base_freq")?)
        }
    };
    let Some(window) = window else { return Ok(()) };
    let layers = local_layers(settings, config.layers)?;
    config.local = Some(LocalAttention { window, theta: theta.unwrap_or(LOCAL_THETA), layers });
    Ok(())
}

/// True for each layer that has a window.
fn local_layers(settings: &Settings<'_>, layers: usize) -> Result<Vec<bool>, TorchError> {
    let mut pattern = PATTERN;
    if let Settings::HuggingFace(json) = settings {
        pattern = settings.size(("", "sliding_window_pattern"))?.unwrap_or(PATTERN);
        if let Some(kinds) = json.get("layer_types").and_then(Value::as_array) {
            let local = |kind: &Value| match kind.as_str() {
                Some("sliding_attention") => Some(true),
                Some("full_attention") => Some(false),
                _ => None,
            };
            let kinds: Option<Vec<bool>> = kinds.iter().map(local).collect();
            return kinds.filter(|kinds| kinds.len() == layers).ok_or_else(|| {
                let reason = "does not name `sliding_attention` or `full_attention` for every layer";
                TorchError::config("layer_types", reason)
            });
        }
    }
    Ok((1..=layers).map(|number| number % pattern != 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(changes: Value) -> Result<DecoderConfig, TorchError> {
        let mut json = json!({
            "hidden_size": 64, "num_hidden_layers": 7, "num_attention_heads": 4, "num_key_value_heads": 1,
            "head_dim": 16, "intermediate_size": 96, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
            "sliding_window": 32, "query_pre_attn_scalar": 64, "hidden_activation": "gelu_pytorch_tanh",
        });
        let object = json.as_object_mut().unwrap();
        object.extend(changes.as_object().unwrap().clone());
        object.retain(|_, value| value != "absent");
        GEMMA3.read_hugging_face(object)
    }

    #[test]
    fn windows_and_frequencies_are_read_from_old_and_new_files() {
        let plain = read(json!({})).unwrap();
        assert_eq!((plain.rope_theta, plain.embedding_scale, plain.attention_scale), (1e6, 8.0, Some(0.125)));
        // The window is that of some layers; it does not limit the context.
        assert_eq!(plain.context, 512);
        let local = plain.local.unwrap();
        assert_eq!((local.window, local.theta), (32, 1e4));
        assert_eq!(local.layers, [true, true, true, true, true, false, true]);

        // Without the key, the window is that of transformers; `null` is none.
        let mut json = json!({"sliding_window": null});
        assert!(read(json.clone()).unwrap().local.is_none());
        json["sliding_window"] = json!("absent");
        assert_eq!(read(json).unwrap().local.unwrap().window, 4096);

        let old = read(json!({"rope_theta": 5.0, "rope_local_base_freq": 3.0, "sliding_window_pattern": 2}))
            .unwrap();
        assert_eq!((old.rope_theta, old.local.as_ref().unwrap().theta), (5.0, 3.0));
        assert_eq!(old.local.unwrap().layers, [true, false, true, false, true, false, true]);

        let kinds = ["full_attention", "sliding_attention"].repeat(4)[..7].to_vec();
        let rope = json!({
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 7.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 9.0},
        });
        let new = read(json!({"rope_parameters": rope, "layer_types": kinds})).unwrap();
        assert_eq!((new.rope_theta, new.local.as_ref().unwrap().theta), (7.0, 9.0));
        assert!(matches!(new.rope_scaling, crate::torch::rope::Scaling::Linear { factor } if factor == 8.0));
        assert_eq!(new.local.unwrap().layers, [false, true, false, true, false, true, false]);
    }

    #[test]
    fn what_is_not_computed_is_refused() {
        for (changes, named) in [
            (json!({"hidden_activation": "relu"}), "hidden_activation"),
            (json!({"final_logit_softcapping": 30.0}), "final_logit_softcapping"),
            (json!({"layer_types": ["full_attention"]}), "layer_types"),
            (json!({"query_pre_attn_scalar": 0}), "query_pre_attn_scalar"),
            (
                json!({"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2}}}),
                "rope_parameters.sliding_attention.rope_type",
            ),
            (
                json!({"rope_parameters": {"full_attention": {"rope_type": "default", "shift": 2}}}),
                "rope_parameters.full_attention.shift",
            ),
        ] {
            let error = read(changes).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
