//! Llama and the models that share its design: Llama 2 and 3, SmolLM2, TinyLlama, Mistral.
//!
//! A layer has RMS normalisation before attention and before a SwiGLU feed-forward network, rotary
//! positions and grouped queries. There are no biases, except in some published variants, whose
//! biases are used. Converters to GGUF reorder the rows of queries and keys of this architecture,
//! so that rotary pairs are adjacent.
//!
//! Source: Touvron et al. 2023, “LLaMA”; Jiang et al. 2023, “Mistral 7B”.

use super::{Architecture, Biases, LLAMA_LIKE, Presence, RowOrder};

pub(super) const LLAMA: Architecture = Architecture {
    gguf: &["llama"],
    hugging_face: &["LlamaForCausalLM", "MistralForCausalLM"],
    biases: Biases {
        inputs: Presence::Optional,
        output: Presence::Optional,
        feed_forward: Presence::Optional,
    },
    gguf_rows: RowOrder::Interleaved,
    ..LLAMA_LIKE
};
