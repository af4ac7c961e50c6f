//! Language models on libtorch: weights from GGUF and safetensors files, on the CPU or a GPU, as a
//! [`LanguageModel`](crate::decode::LanguageModel) for the decoding loop.
//!
//! [`Model::load`] opens a file or folder and gives everything that belongs to it: the decoder, the vocabulary, the
//! text tokenizer and the chat template; [`ScriptModel`] is any TorchScript module. Below them, one file per concern: [`device`](DeviceName) names and threads;
//! `weights/` maps files and decodes them to plain floats; `architecture/` reads configurations, one small file per
//! family; `blocks` and `rope` are the mathematics that the families share, `cache` the keys and values of a
//! sequence, `layer` and `decoder` the forward pass; `device_rows` looks through logits where they were computed.
//!
//! Every operation of libtorch is called in its fallible form, so what libtorch refuses becomes a
//! [`TorchError`] that says what was being done.

mod architecture;
mod blocks;
mod cache;
mod chat;
mod decoder;
mod device;
mod device_rows;
mod error;
mod language_model;
mod layer;
mod medusa;
mod model;
mod rope;
mod script;
mod weights;

pub use cache::KvCache;
pub use chat::PromptError;
pub use device::{set_threads, DeviceName, Dtype};
pub use device_rows::LogitsPlace;
pub use error::TorchError;
pub use medusa::MedusaHeads;
pub use model::{LoadOptions, Model};
pub use script::ScriptModel;
pub use weights::LoadProgress;
