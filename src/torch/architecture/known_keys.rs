//! The settings of a configuration that are read, and the refusal of all others.
//!
//! A configuration may hold settings that change what the model computes and that this module does
//! not know, such as a number of experts or a factor on the logits. A model that was computed
//! without them would give plausible but wrong text. Every setting must therefore be one that is
//! read, one that is known to have no effect on the logits, or one that is known to be switched off
//! by its value. `false` alone says nothing: `is_causal: false` changes the model, and
//! `use_qk_norm: false` does not.

use serde_json::{Map, Value};

use crate::gguf::{GgufFile, GgufValue};
use crate::torch::error::TorchError;

/// Keys of `config.json` that are read for every architecture.
const READ: &[&str] = &[
    "architectures",
    "attention_bias",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "max_window_layers",
    "mlp_bias",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "partial_rotary_factor",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "tie_word_embeddings",
    "use_sliding_window",
    "v_head_dim",
    "vocab_size",
];

/// Keys of `config.json` without effect on the logits: training, bookkeeping, and defaults of
/// generation.
const WITHOUT_EFFECT: &[&str] = &[
    "attn_implementation",
    "begin_suppress_tokens",
    "cache_implementation",
    "chunk_size_feed_forward",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "finetuning_task",
    "gradient_checkpointing",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_llama_config",
    "keys_to_ignore_at_inference",
    "label2id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "model_type",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pretraining_tp",
    "problem_type",
    "reorder_and_upcast_attn",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "use_bfloat16",
    "use_cache",
];

/// Beginnings and ends of further keys without effect.
const WITHOUT_EFFECT_PREFIXES: &[&str] = &["_", "summary_", "unsloth"];
const WITHOUT_EFFECT_SUFFIXES: &[&str] = &["_token_id", "dropout", "dropout_prob", "_pdrop"];

/// Keys that are switched off by `false`.
const OFF_IF_FALSE: &[&str] = &[
    "add_cross_attention",
    "alibi",
    "attention_out_bias",
    "attn_logit_softcapping",
    "bias",
    "final_logit_softcapping",
    "is_encoder_decoder",
    "lm_head_bias",
    "moe",
    "o_bias",
    "parallel_attn",
    "qk_layernorm",
    "quantized",
    "rope_interleaved",
    "scale_attn_by_inverse_layer_idx",
    "sparse_attention",
    "tie_encoder_decoder",
    "use_bidirectional_attention",
    "use_mrope",
    "use_parallel_residual",
    "use_qk_norm",
];

/// Keys that are switched off by `true`, which is the usual computation.
const OFF_IF_TRUE: &[&str] = &["is_causal", "scale_attn_weights", "use_rms_norm"];

/// Parts of the names of numbers that are switched off by 0: counts and bounds of something that is
/// not there.
const OFF_IF_ZERO: &[&str] = &[
    "attention_chunk_size",
    "attention_sink_size",
    "expert",
    "first_k_dense_replace",
    "lora_rank",
    "num_kv_shared_layers",
    "num_mtp_layers",
    "num_nextn_predict_layers",
    "softcapping",
];

/// Parts of the names of factors, which are switched off by 1.
const OFF_IF_ONE: &[&str] = &["multiplier", "num_experts_per_tok", "scale", "scaling"];

/// Keys of the object `rope_scaling` or `rope_parameters` that are read, or have no effect.
const ROPE: &[&str] = &[
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "factor",
    "finetuned",
    "high_freq_factor",
    "low_freq_factor",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rope_theta",
    "rope_type",
    "truncate",
    "type",
];

/// Keys of the same object that hold such an object for one kind of layer, in architectures with
/// two kinds.
const ROPE_OF_LAYERS: &[&str] = &["full_attention", "sliding_attention"];
/// A key that only architectures with two kinds of layers have.
const TWO_KINDS: &str = "rope_local_base_freq";

/// Flags of GGUF metadata, below the architecture's name, that are switched off by `false`.
const GGUF_OFF_IF_FALSE: &[&str] = &["use_parallel_residual", "rope.scaling.finetuned"];

/// Keys of GGUF metadata, below the architecture's name, that are read or have no effect.
const GGUF: &[&str] = &[
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.scaling.attn_factor",
    "rope.scaling.factor",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "tensor_data_layout",
    "vocab_size",
];

/// Refuses settings of a `config.json` that are not known. `own` are the keys that only this
/// architecture has.
pub(super) fn check_hugging_face(json: &Map<String, Value>, own: &[&str]) -> Result<(), TorchError> {
    for (key, value) in json {
        let name = key.as_str();
        let known = READ.contains(&name)
            || own.contains(&name)
            || WITHOUT_EFFECT.contains(&name)
            || WITHOUT_EFFECT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || WITHOUT_EFFECT_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        if !known && !is_off(name, value) {
            return Err(unknown(name, &value.to_string()));
        }
    }
    for name in ["rope_scaling", "rope_parameters"] {
        match json.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Object(rope)) => check_rope(name, rope, own.contains(&TWO_KINDS))?,
            Some(other) => return Err(TorchError::config(name, format!("is {other}, not an object"))),
        }
    }
    Ok(())
}

/// Refuses settings of rotary positions that are not known, and a factor without the kind of
/// scaling that it belongs to. `by_layer` is true if kinds of layers may have settings of their
/// own.
fn check_rope(name: &str, rope: &Map<String, Value>, by_layer: bool) -> Result<(), TorchError> {
    let is_given = |key: &str| rope.get(key).is_some_and(|value| !value.is_null());
    if is_given("factor") && !is_given("rope_type") && !is_given("type") {
        return Err(TorchError::config(format!("{name}.rope_type"), "is missing beside `factor`"));
    }
    for (key, value) in rope {
        let path = format!("{name}.{key}");
        match value {
            Value::Object(inner) if by_layer && ROPE_OF_LAYERS.contains(&key.as_str()) => {
                check_rope(&path, inner, false)?;
            }
            _ if ROPE.contains(&key.as_str()) || is_off(key, value) => {}
            _ => return Err(unknown(&path, &value.to_string())),
        }
    }
    Ok(())
}

/// Refuses settings in the metadata of a GGUF file that are not known. Keys outside `architecture`
/// describe the file and the tokenizer.
pub(super) fn check_gguf(file: &GgufFile<'_>, architecture: &str) -> Result<(), TorchError> {
    for (key, value) in file.metadata() {
        let own = key.strip_prefix(architecture).and_then(|key| key.strip_prefix('.'));
        let Some(own) = own.filter(|own| !GGUF.contains(own)) else { continue };
        let off = match value {
            GgufValue::Bool(true) => own == "attention.causal",
            GgufValue::Bool(false) => GGUF_OFF_IF_FALSE.contains(&own),
            value => value.as_integer() == Some(0) || value.as_float() == Some(0.0),
        };
        if !off {
            let shown = match value.as_integer() {
                Some(value) => value.to_string(),
                None => value.as_float().map_or_else(|| "set".to_owned(), |value| value.to_string()),
            };
            return Err(unknown(key, &shown));
        }
    }
    Ok(())
}

/// True if a setting that is not known is switched off by its value.
fn is_off(key: &str, value: &Value) -> bool {
    let names = |parts: &[&str]| parts.iter().any(|part| key.contains(part));
    match value {
        Value::Null => true,
        Value::Bool(false) => OFF_IF_FALSE.contains(&key),
        Value::Bool(true) => OFF_IF_TRUE.contains(&key),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => names(OFF_IF_ZERO),
            Some(1.0) => names(OFF_IF_ONE),
            _ => false,
        },
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}

fn unknown(key: &str, value: &str) -> TorchError {
    let shown: String = value.chars().take(60).collect();
    let reason = format!(
        "is {shown}, and may change what the model computes in a way that is not supported; remove \
         it from the model's configuration if it does not"
    );
    TorchError::config(key, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_that_change_the_logits_are_refused_by_name() {
        for (key, value, refused) in [
            ("num_local_experts", json!(8), true),
            ("num_local_experts", json!(0), false),
            ("num_experts_per_tok", json!(2), true),
            ("quantization_config", json!({"quant_method": "gptq"}), true),
            ("quantization_config", json!({}), false),
            ("logits_scaling", json!(8.0), true),
            ("logits_scaling", json!(1.0), false),
            ("logit_scale", json!(0.0), true),
            ("final_logit_softcapping", json!(30.0), true),
            ("final_logit_softcapping", json!(null), false),
            ("residual_multiplier", json!(0.22), true),
            ("use_qk_norm", json!(true), true),
            ("norm_type", json!("layernorm"), true),
            ("no_rope_layers", json!([0, 1]), true),
            ("auto_map", json!({"AutoModelForCausalLM": "modeling_x.X"}), true),
            ("rope_interleaved", json!(true), true),
            ("rope_interleaved", json!(false), false),
            // `false` is off only where it is known to be.
            ("is_causal", json!(false), true),
            ("is_causal", json!(true), false),
            ("use_rms_norm", json!(false), true),
            ("use_qkv_bias", json!(false), true),
            ("use_qk_norm", json!(false), false),
            ("foo_bar", json!(false), true),
            ("norm_eps", json!(0), true),
            ("clip_qkv", json!(0.0), true),
            ("clip_qkv", json!(null), false),
            ("rope_parameters", json!({"rope_type": "yarn", "factor": 4, "truncate": false}), false),
            ("rope_parameters", json!({"rope_type": "default", "untruncated": false}), true),
            ("rope_parameters", json!({"full_attention": {"rope_theta": 5.0}}), true),
            ("rope_scaling", json!({"rope_type": "yarn", "factor": 4, "mscale": 0.7}), true),
            ("rope_scaling", json!({"rope_type": "yarn", "factor": 4, "beta_fast": 32}), false),
            ("rope_scaling", json!({"factor": 2.0}), true),
            ("rope_scaling", json!([1]), true),
            ("rope_scaling", json!("linear"), true),
            ("rope_scaling", json!(null), false),
            ("rope_parameters", json!({"rope_theta": 5e5}), false),
            ("attention_dropout", json!(0.1), false),
            ("_name_or_path", json!("x/y"), false),
            ("unsloth_version", json!("2025.1"), false),
            ("pad_token_id", json!(2), false),
            ("own", json!(5), false),
        ] {
            let json = Map::from_iter([(key.to_owned(), value.clone())]);
            let result = check_hugging_face(&json, &["own"]);
            assert_eq!(result.is_err(), refused, "{key}: {value}");
            if let Err(error) = result {
                assert!(error.to_string().contains(&format!("`{key}")), "{error}");
            }
        }
    }
}
