//! Qwen2 and Qwen2.5, and Qwen3 (dense).
//!
//! Their layers are those of Llama with one change each. Qwen2 has biases on queries, keys and
//! values. Qwen3 has none, and normalises each head of queries and keys before it is rotated. Their
//! GGUF files keep the row order of the original weights.
//!
//! Source: Yang et al. 2024, “Qwen2 Technical Report”; 2025, “Qwen3 Technical Report”.

use super::{Architecture, LLAMA_LIKE, Presence};

pub(super) const QWEN2: Architecture = Architecture {
    gguf: &["qwen2"],
    hugging_face: &["Qwen2ForCausalLM"],
    attention_bias: Presence::Required,
    ..LLAMA_LIKE
};

pub(super) const QWEN3: Architecture = Architecture {
    gguf: &["qwen3"],
    hugging_face: &["Qwen3ForCausalLM"],
    attention_bias: Presence::Optional,
    head_norm: Presence::Required,
    ..LLAMA_LIKE
};
