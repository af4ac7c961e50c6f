//! Decoding: from a prompt and a language model to text.
//!
//! [`LanguageModel`] is all that this floor asks of a model; nothing here knows a tensor library, and nothing reads a
//! clock. [`generate`] runs one [`Request`]; [`Batch`] runs many over the same forward passes. A step is: forward pass →
//! mask → sample → append, then whatever the constraint forces without asking the model. [`ChatTemplate`] makes
//! a prompt of messages.
//!
//! Below them, one file per concern: `sequence` is one output under way, `text` decides what can be shown and where a
//! stop string begins.

mod batch;
mod chat_template;
mod clock;
mod draft;
mod erased;
mod error;
mod model;
mod request;
mod sequence;
mod text;

pub use batch::{generate, Batch, RequestId};
pub use chat_template::{Answer, ChatInput, ChatTemplate, ChatTemplateError, Message};
pub use draft::Draft;
pub use erased::{Erase, ErasedCache, ErasedModel};
pub use error::DecodeError;
pub use model::{ForwardInput, LanguageModel, LogitRows, Logits, ModelError};
pub use request::{
    Chunk, Completion, FinishReason, ForcedTokens, Generation, Request, Timings, TokenLogprobs, Usage,
};
