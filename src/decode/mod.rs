//! Decoding: from a prompt and a language model to text.
//!
//! [`LanguageModel`] is the interface of a model; nothing here knows a tensor library, and nothing
//! reads a clock. [`generate`] runs one [`Request`]; [`Batch`] runs many over the same forward
//! passes. A step is: forward pass → mask → sample → append. Tokens that the constraint forces are
//! then appended without asking the model. [`ChatTemplate`] makes a prompt of messages.
//!
//! Each concern has a file. `active_request` is one request in progress, and chooses by its
//! [`Strategy`] how its outputs continue. `sequence` is one output in progress, with its parts
//! `pending_input`, `constraint_state` and `token_scores`.

mod active_request;
mod batch;
mod beam;
mod chat_error;
mod chat_input;
mod chat_json;
mod chat_list;
mod chat_template;
mod chat_templates;
mod clock;
mod constraint_state;
mod contrastive_search;
mod device_rows;
mod draft;
mod drafter;
mod dyn_model;
mod error;
mod healing;
mod logit_mixture;
mod logits;
mod model;
mod partner;
mod pending_input;
mod prefix_cache;
mod prompt;
mod reasoning_budget;
mod reply;
mod request;
mod search_step;
mod sequence;
mod settings;
mod short_output;
mod strategy;
mod text_model;
mod token_scores;
#[cfg(feature = "tokenizers")]
mod tokenized;
mod tool_format;

pub use batch::{Batch, check_request, generate};
pub use chat_error::ChatTemplateError;
pub use chat_input::{Answer, ChatInput, Message};
pub use chat_template::ChatTemplate;
pub use chat_templates::ChatTemplates;
pub use device_rows::{DeviceRows, RowQuery, Rows};
pub use draft::{Acceptance, Draft, DraftChoice};
pub use drafter::DraftHeads;
pub use dyn_model::{DynCache, DynModel};
pub use error::DecodeError;
pub use logit_mixture::{ContrastiveDecoding, Dola, EarlyExit, Guided, GuidedCache};
pub use logits::{Logits, ModelError};
pub use model::{ForwardInput, LanguageModel, LogitRows, TreeInput, TreeOutput};
pub use partner::check_partner;
pub use prompt::{Prompt, PromptEncoder, PromptError};
pub use reasoning_budget::ReasoningBudget;
pub use request::{
    Budget, BudgetEnding, Chunk, Completion, FinishReason, ForcedTokens, Generation, Request, RequestId,
    Timings, TokenHealing, TokenLogprobs, Usage,
};
pub use strategy::{BeamSearch, ContrastiveSearch, EarlyStopping, MAX_COMPLETIONS, Strategy};
pub use text_model::{Generate, GenerateError, TextModel};
#[cfg(feature = "tokenizers")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokenizers")))]
pub use tokenized::Tokenized;
pub use tool_format::DetectedFormat;
