//! A model with its weights.

use std::path::Path;
use std::sync::Arc;

use super::cache::KvCache;
use super::decoder::Decoder;
use super::device::{set_threads, to_host};
use super::device_rows::LogitsPlace;
use super::error::{Doing, TorchError};
use super::load_options::LoadOptions;
use super::model_files::ModelFiles;
use super::weights::LoadProgress;
use crate::decode::{ChatTemplates, LogitRows, TreeInput};
use crate::sampling::{SamplingError, SamplingParams};
use crate::vocab::{TextTokenizer, TokenId, Vocabulary};
use serde_json::{Map, Value};

/// A language model on libtorch, with its vocabulary, tokenizer and chat template. `Send` and
/// `Sync`: threads may share a model, each with its own caches.
///
/// ```no_run
/// use hedgerow::torch::{LoadOptions, Model};
///
/// let model = Model::load("SmolLM2-135M-Instruct.Q4_1.gguf", LoadOptions::default())?;
/// let prompt = model.tokenizer().encode_prompt("The capital of France is")?;
/// println!("{}: {} tokens", model.name(), prompt.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Model {
    files: Arc<ModelFiles>,
    decoder: Decoder,
    logits: LogitsPlace,
}

impl Model {
    /// Opens a `.gguf` file, or a folder with `config.json`, `tokenizer.json` and safetensors
    /// weights.
    ///
    /// # Errors
    ///
    /// A [`TorchError`] for a device that does not exist, files that cannot be read or are damaged,
    /// an architecture, number format or tokenizer that is not supported, and weights that are
    /// missing or of the wrong shape.
    pub fn load(path: impl AsRef<Path>, options: LoadOptions) -> Result<Self, TorchError> {
        Self::load_with_progress(path, options, |_| {})
    }

    /// Loads as [`load`](Self::load) does, and calls `progress` after every tensor.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_with_progress(
        path: impl AsRef<Path>,
        options: LoadOptions,
        progress: impl FnMut(LoadProgress),
    ) -> Result<Self, TorchError> {
        Self::from_files(ModelFiles::open(path)?, options, progress)
    }

    /// Loads the weights of a model whose other files have been read, and calls `progress` after
    /// every tensor.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn from_files(
        files: ModelFiles,
        options: LoadOptions,
        mut progress: impl FnMut(LoadProgress),
    ) -> Result<Self, TorchError> {
        if let Some(threads) = options.threads {
            set_threads(threads)?;
        }
        let decoder = files.load_decoder(options, &mut progress)?;
        Ok(Self { files: Arc::new(files), decoder, logits: options.logits })
    }

    /// The same model without the layers numbered in `layers`, from 0. It can serve as a draft
    /// model that needs no weights of its own (Zhang et al. 2024). Weights, vocabulary and
    /// tokenizer are shared.
    ///
    /// # Errors
    /// [`TorchError::SkippedLayer`] for a layer that the model does not have.
    pub fn skipping_layers(&self, layers: &[usize]) -> Result<Self, TorchError> {
        Ok(Self {
            files: Arc::clone(&self.files),
            decoder: self.decoder.skipping(layers)?,
            logits: self.logits,
        })
    }

    /// The files of the model except for its weights.
    pub fn files(&self) -> &ModelFiles {
        &self.files
    }

    /// Number of layers.
    pub fn layer_count(&self) -> usize {
        self.decoder.cache_shape().layers
    }

    /// The model's name, as given in its files.
    pub fn name(&self) -> &str {
        self.files.name()
    }

    /// The vocabulary, padded to the width of the logits. Its [`eos`](Vocabulary::eos) tokens end a
    /// sequence.
    pub fn vocabulary(&self) -> &Vocabulary {
        self.files.vocabulary()
    }

    /// The tokenizer, which turns text into tokens.
    pub fn tokenizer(&self) -> &TextTokenizer {
        self.files.tokenizer()
    }

    /// The Jinja templates that render messages into a prompt, if the model has any.
    pub fn chat_templates(&self) -> &ChatTemplates {
        self.files.chat_templates()
    }

    /// The variables of chat templates that the model's files set: the names of its special tokens,
    /// such as `bos_token` and `eos_token`, and the list `additional_special_tokens`.
    pub fn template_variables(&self) -> &Map<String, Value> {
        self.files.template_variables()
    }

    /// The sampling parameters that the folder's `generation_config.json` recommends. Defaults if
    /// there is no such file.
    ///
    /// # Errors
    /// A [`SamplingError`] for a file that is not read whole, such as one with a parameter out of
    /// range.
    pub fn default_sampling(&self) -> Result<SamplingParams, SamplingError> {
        self.files.default_sampling()
    }

    /// True if rows of logits stay on the device, where the largest ones are then searched.
    pub(super) fn keeps_rows(&self) -> bool {
        self.logits.keeps_rows(self.decoder.cache_shape().device)
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The logits of `tokens`, one row per token: `[tokens, vocab]`, computed without a cache.
    ///
    /// This method is for inspection of a model. A decoding loop keeps a cache instead.
    ///
    /// # Errors
    ///
    /// [`TorchError::Model`] or [`TorchError::Libtorch`].
    pub fn logits(&self, tokens: &[TokenId]) -> Result<Vec<Vec<f32>>, TorchError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let mut cache = KvCache::new(self.decoder.cache_shape());
        let mut input = [TreeInput { tokens, parents: &[], cache: &mut cache, rows: LogitRows::All }];
        let hidden = self.decoder.hidden(&mut input)?;
        let logits = self.decoder.logits(&hidden, &input)?;
        let logits = to_host(&logits).and_then(|logits| logits.f_to_kind(tch::Kind::Float));
        logits.and_then(Vec::<Vec<f32>>::try_from).doing("copying logits")
    }
}
