//! Qwen2 and Qwen2.5, and Qwen3 (dense).
//!
//! Their layers are those of Llama with one change each. Qwen2 has biases on queries, keys and
//! values. Qwen3 has none, and normalises each head of queries and keys before it is rotated. Their
//! GGUF files keep the row order of the original weights.
//!
//! Source: Yang et al. 2024, “Qwen2 Technical Report”; 2025, “Qwen3 Technical Report”.

use super::{Architecture, Biases, LLAMA_LIKE, Presence};

pub(super) const QWEN2: Architecture = Architecture {
    gguf: &["qwen2"],
    hugging_face: &["Qwen2ForCausalLM"],
    biases: Biases { inputs: Presence::Required, ..Biases::NONE },
    ..LLAMA_LIKE
};

pub(super) const QWEN3: Architecture = Architecture {
    gguf: &["qwen3"],
    hugging_face: &["Qwen3ForCausalLM"],
    biases: Biases { inputs: Presence::Optional, output: Presence::Optional, ..Biases::NONE },
    head_norm: Presence::Required,
    ..LLAMA_LIKE
};
