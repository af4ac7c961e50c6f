//! Decoding: from a prompt and a language model to text.
//!
//! [`LanguageModel`] is all that this floor asks of a model; nothing here knows a tensor library.

mod erased;
mod model;

pub use erased::{Erase, ErasedCache, ErasedModel};
pub use model::{ForwardInput, LanguageModel, LogitRows, Logits, ModelError};
