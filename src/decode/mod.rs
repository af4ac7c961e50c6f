//! Decoding: from a prompt and a language model to text.
//!
//! [`LanguageModel`] is all that this floor asks of a model; nothing here knows a tensor library.

mod chat_template;
mod erased;
mod model;
mod text;

pub use chat_template::{Answer, ChatInput, ChatTemplate, ChatTemplateError, Message};
pub use erased::{Erase, ErasedCache, ErasedModel};
pub use model::{ForwardInput, LanguageModel, LogitRows, Logits, ModelError};
