//! Language models: `hr_model`. Only with the feature `torch`.
//!
//! A handle is a counted reference to a loaded model, so a generation that runs on it keeps it
//! alive.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::error::hr_error;
use super::options::{self, Versioned};
use super::status::hr_status;
use super::vocab::{hr_text, hr_vocab};
use crate::decode::PromptError;
use crate::torch::{LoadOptions, MedusaHeads, Model, TorchError};
use std::ffi::c_char;
use std::sync::Arc;

/// A language model with its vocabulary and tokenizer. Made by hr_model_load(), freed by
/// hr_model_free().
///
/// Any number of threads may use it at once. Generations made with it do not need it any more.
pub struct hr_model(pub(super) Arc<Model>);

/// The options for loading a model. Initialise them with hr_model_options_init().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_model_options {
    /// Set by hr_model_options_init().
    pub struct_size: usize,
    /// Device: "cpu", "cuda", "cuda:N" or "auto". Empty, the default, is "cpu".
    pub device: hr_text,
    /// Number format: "f32", "bf16" or "f16". Empty, the default, is "f32".
    pub dtype: hr_text,
    /// Number of threads that compute, for the whole process; 0, the default, leaves it to
    /// libtorch.
    pub threads: usize,
    /// Largest number of tokens of prompt and output together; 0, the default, is the model's own
    /// limit.
    pub context_length: usize,
}

// The members are numbers and pointers only.
unsafe impl Versioned for hr_model_options {}

impl hr_model_options {
    /// The library's options. Relies on the promises of the texts.
    unsafe fn to_load_options(self) -> Result<LoadOptions, CallError> {
        let mut load = LoadOptions::default();
        let (device, dtype) = unsafe { (self.device.get("device")?, self.dtype.get("dtype")?) };
        if !device.is_empty() {
            load = load.device(device.parse()?);
        }
        if !dtype.is_empty() {
            load = load.dtype(dtype.parse()?);
        }
        if self.threads > 0 {
            load = load.threads(self.threads);
        }
        if self.context_length > 0 {
            load = load.context_length(self.context_length);
        }
        Ok(load)
    }
}

impl From<TorchError> for CallError {
    fn from(error: TorchError) -> Self {
        let status = match error {
            TorchError::Io { .. } => hr_status::HR_ERROR_IO,
            TorchError::UnknownDevice { .. }
            | TorchError::UnknownDtype { .. }
            | TorchError::Threads { .. } => hr_status::HR_ERROR_INVALID_ARGUMENT,
            _ => hr_status::HR_ERROR_MODEL,
        };
        CallError::from_error(status, &error)
    }
}

impl From<PromptError> for CallError {
    fn from(error: PromptError) -> Self {
        CallError::from_error(hr_status::HR_ERROR_MODEL, &error)
    }
}

/// Writes the defaults into a struct of struct_size bytes; NULL is ignored. hr_model_options_init()
/// passes the size that the struct has in this header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_model_options_init_sized(options: *mut hr_model_options, struct_size: usize) {
    unsafe { options::init(options, struct_size) }
}

/// Loads a model: a GGUF file, or a Hugging Face folder with config.json, tokenizer.json and
/// safetensors weights. options may be NULL for the defaults. The file stays mapped while the model
/// lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_model_load(
    path: *const c_char,
    path_len: usize,
    options: *const hr_model_options,
    out: *mut *mut hr_model,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let path = boundary::text(path, path_len, "path")?;
        let load = options::read(options, "options")?.to_load_options()?;
        Ok(hr_model(Arc::new(Model::load(path, load)?)))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// The model's vocabulary, as an object of its own: free it with hr_vocab_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_model_vocab(
    model: *const hr_model,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe { Ok(hr_vocab(boundary::object(model, "model")?.0.vocabulary().clone())) };
    unsafe { boundary::create_object(out, error, make) }
}

/// The tokens of a text, by the model's own tokenizer; special tokens are recognised by their
/// names. As many as fit are written to buffer (NULL with capacity 0 to ask), and len becomes the
/// number of all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_model_encode(
    model: *const hr_model,
    text: *const c_char,
    text_len: usize,
    buffer: *mut u32,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let list = || unsafe {
        let text = boundary::text(text, text_len, "text")?;
        let tokens = boundary::object(model, "model")?.0.tokenizer().encode(text)?;
        Ok(tokens.into_iter().map(|token| token.0).collect::<Vec<u32>>())
    };
    unsafe { boundary::write_list(buffer, capacity, len, error, list) }
}

/// Medusa heads, which guess tokens for one model. Made by hr_draft_heads_load(), freed by
/// hr_draft_heads_free().
///
/// Any number of threads may use them at once. They do not need the model any more.
pub struct hr_draft_heads(pub(super) Arc<MedusaHeads>);

/// Loads draft heads for a model: a safetensors file as the authors' training code writes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_draft_heads_load(
    model: *const hr_model,
    path: *const c_char,
    path_len: usize,
    out: *mut *mut hr_draft_heads,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let model = &*boundary::object(model, "model")?.0;
        let path = boundary::text(path, path_len, "path")?;
        Ok(hr_draft_heads(Arc::new(MedusaHeads::load(path, model)?)))
    };
    unsafe { boundary::create_object(out, error, make) }
}
