//! Llama and what follows its design: Llama 2 and 3, SmolLM2, TinyLlama, Mistral.
//!
//! RMS normalisation before attention and before a SwiGLU feed-forward network, rotary positions, grouped
//! queries, no biases (some published variants have them, and they are used where they are). Converters to
//! GGUF reorder the rows of queries and keys for this architecture, so that rotary pairs lie next to each
//! other. Touvron et al. 2023, “LLaMA”; Jiang et al. 2023, “Mistral 7B”.

use super::{Architecture, Presence, RowOrder, LLAMA_LIKE};

pub(super) const LLAMA: Architecture = Architecture {
    gguf: &["llama"],
    hugging_face: &["LlamaForCausalLM", "MistralForCausalLM"],
    attention_bias: Presence::Optional,
    gguf_rows: RowOrder::Interleaved,
    ..LLAMA_LIKE
};
