//! Decoding: from a prompt and a language model to text.
//!
//! [`LanguageModel`] is all that this floor asks of a model; nothing here knows a tensor library, and nothing reads a
//! clock. [`generate`] runs one [`Request`]; [`Batch`] runs many over the same forward passes. A step is: forward pass →
//! mask → sample → append, then whatever the constraint forces without asking the model. [`ChatTemplate`] makes
//! a prompt of messages.
//!
//! Below them, one file per concern: `active` is one request under way and what becomes of its logits, by its [`Strategy`];
//! `sequence` is one output under way, `text` decides what can be shown and where a stop string begins.

mod active;
mod batch;
mod beam;
mod chat_template;
mod clock;
mod contrast;
mod contrastive;
mod device_rows;
mod draft;
mod drafter;
mod erased;
mod error;
mod healing;
mod model;
mod prefix;
mod request;
mod rules;
mod sequence;
mod text;

pub use batch::{generate, Batch, RequestId};
pub use beam::{BeamSearch, EarlyStopping};
pub use chat_template::{Answer, ChatInput, ChatTemplate, ChatTemplateError, Message};
pub use contrast::{Contrasted, Dola, EarlyExit, Guided, GuidedCache};
pub use contrastive::ContrastiveSearch;
pub use device_rows::{DeviceRows, RowCut, Rows};
pub use draft::{Acceptance, Draft, DraftChoice};
pub use drafter::DraftHeads;
pub use erased::{Erase, ErasedCache, ErasedModel};
pub use error::DecodeError;
pub use model::{ForwardInput, LanguageModel, LogitRows, Logits, ModelError, TreeInput, TreeOutput};
pub use request::{
    Budget, Chunk, Completion, FinishReason, ForcedTokens, Generation, Request, Strategy, Timings,
    TokenHealing, TokenLogprobs, Usage,
};
