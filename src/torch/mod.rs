//! Language models on libtorch: weights from GGUF and safetensors files, on the CPU or a GPU, as a
//! [`LanguageModel`](crate::decode::LanguageModel) for the decoding loop.
//!
//! [`Model::load`] opens a file or folder and gives all that belongs to it: the decoder, the
//! vocabulary, the text tokenizer and the chat template. [`ScriptModel`] loads any TorchScript
//! module. Each internal file has one concern:
//!
//! - `device`: [devices](DeviceName) by name, and threads.
//! - `model_files`: everything in a model's files except for the weights.
//! - `weights/`: maps files into memory and decodes them to plain floats.
//! - `architecture/`: reads configurations, with one small file per family.
//! - `blocks` and `rope`: the mathematics that the families share.
//! - `cache`: the keys and values of a sequence.
//! - `layer` and `decoder`: the forward pass.
//! - `device_rows`: finds the largest logits on the device that computed them.
//!
//! Every operation of libtorch is called in its fallible form, so a failure in libtorch becomes a
//! [`TorchError`] that names the operation.

mod architecture;
mod blocks;
mod cache;
mod decoder;
mod device;
mod device_rows;
mod error;
mod host_tensor;
mod language_model;
mod layer;
mod load_options;
mod medusa;
mod model;
mod model_files;
mod rope;
mod script;
mod text_model;
mod weights;

pub use cache::KvCache;
pub use device::{DeviceName, Dtype, set_threads};
pub use device_rows::LogitsPlace;
pub use error::TorchError;
pub use load_options::LoadOptions;
pub use medusa::MedusaHeads;
pub use model::Model;
pub use model_files::ModelFiles;
pub use script::ScriptModel;
pub use weights::LoadProgress;
