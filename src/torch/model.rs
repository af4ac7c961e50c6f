//! A model and its loading: weights, vocabulary, tokenizer and chat template, from a GGUF file or a
//! Hugging Face folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::architecture::{Architecture, DecoderConfig, Format};
use super::cache::KvCache;
use super::decoder::Decoder;
use super::device::{DeviceName, Dtype, set_threads, to_host};
use super::device_rows::LogitsPlace;
use super::error::{Doing, TorchError};
use super::weights::gguf::GgufWeights;
use super::weights::safetensors::SafetensorsWeights;
use super::weights::{LoadProgress, Loader, WeightSource, map};
use crate::decode::{ChatTemplates, LogitRows, TreeInput};
use crate::gguf::{GgufError, GgufFile};
use crate::sampling::parameter_sets::ParameterSet;
use crate::sampling::{SamplingError, SamplingParams};
use crate::vocab::{TextTokenizer, TokenId, Vocabulary, VocabularyError};
use serde_json::{Map, Value};

/// The options for loading a model.
///
/// ```
/// use hedgerow::torch::{DeviceName, Dtype, LoadOptions};
///
/// let options = LoadOptions::default().device(DeviceName::Auto).dtype(Dtype::Bf16).threads(2);
/// assert_eq!(options.dtype, Dtype::Bf16);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The device that computes. Default: [`DeviceName::Cpu`].
    pub device: DeviceName,
    /// The number format of the computation. Default: [`Dtype::F32`].
    pub dtype: Dtype,
    /// The number of threads with which libtorch computes, for the whole process; see
    /// [`set_threads`](super::set_threads). Default: unchanged.
    pub threads: Option<usize>,
    /// The largest number of tokens of a sequence, if that is less than the model's own context
    /// length. Default: the model's own.
    pub context_length: Option<usize>,
    /// The place at which logits are reduced to the tokens that can be drawn. Default:
    /// [`LogitsPlace::Auto`].
    pub logits: LogitsPlace,
}

impl LoadOptions {
    setter! { device, DeviceName }
    setter! { dtype, Dtype }
    setter! { threads, Option<usize> }
    setter! { context_length, Option<usize> }
    setter! { logits, LogitsPlace }
}

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
    name: String,
    decoder: Decoder,
    vocabulary: Vocabulary,
    tokenizer: Arc<TextTokenizer>,
    templates: ChatTemplates,
    template_variables: Map<String, Value>,
    generation_config: Option<String>,
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
        mut progress: impl FnMut(LoadProgress),
    ) -> Result<Self, TorchError> {
        let path = path.as_ref();
        if let Some(threads) = options.threads {
            set_threads(threads)?;
        }
        let metadata = std::fs::metadata(path).map_err(TorchError::io(path))?;
        if metadata.is_dir() {
            Self::load_folder(path, options, &mut progress)
        } else {
            Self::load_gguf(path, options, &mut progress)
        }
    }

    fn load_gguf(
        path: &Path,
        options: LoadOptions,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, TorchError> {
        let in_file = |source| TorchError::Gguf { path: path.to_path_buf(), source: Box::new(source) };
        let bytes = map(path)?;
        let file = GgufFile::parse(&bytes).map_err(in_file)?;
        let (architecture, config) = gguf_config(path, &file)?;
        let vocabulary = Vocabulary::from_gguf(&file).map_err(tokenizer_error)?;
        let tokenizer = TextTokenizer::from_gguf(&file).map_err(tokenizer_error)?;
        let weights = GgufWeights::new(&file);
        let decoder = decoder(architecture, config, Format::Gguf, &weights, options, progress)?;
        Ok(Self {
            name: match file.str("general.name").map_err(in_file)? {
                Some(name) => name.to_owned(),
                None => file_stem(path),
            },
            templates: gguf_templates(&file).map_err(in_file)?,
            template_variables: gguf_special_tokens(&file, &vocabulary).map_err(in_file)?,
            vocabulary: sized(vocabulary, &decoder)?,
            decoder,
            tokenizer: Arc::new(tokenizer),
            generation_config: None,
            logits: options.logits,
        })
    }

    fn load_folder(
        folder: &Path,
        options: LoadOptions,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, TorchError> {
        let (architecture, config, json) = folder_config(folder)?;
        let tokenizer_path = folder.join("tokenizer.json");
        let tokenizer_json = std::fs::read(&tokenizer_path).map_err(TorchError::io(&tokenizer_path))?;
        let vocabulary = Vocabulary::from_tokenizer_json(&tokenizer_json).map_err(tokenizer_error)?;
        let vocabulary = with_eos_of(folder, vocabulary)?;
        let tokenizer = TextTokenizer::from_tokenizer_json(&tokenizer_json).map_err(tokenizer_error)?;
        let settings = object(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let weights = SafetensorsWeights::open(folder, architecture.names)?;
        let decoder = decoder(architecture, config, Format::HuggingFace, &weights, options, progress)?;
        Ok(Self {
            name: match json.get("_name_or_path").and_then(Value::as_str).filter(|name| !name.is_empty()) {
                Some(name) => name.to_owned(),
                None => file_stem(folder),
            },
            templates: folder_templates(folder, &settings)?,
            template_variables: special_tokens(&settings),
            vocabulary: sized(vocabulary, &decoder)?,
            decoder,
            tokenizer: Arc::new(tokenizer),
            generation_config: optional(&folder.join("generation_config.json"))?
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            logits: options.logits,
        })
    }

    /// The same model without the layers numbered in `layers`, from 0. It can serve as a draft
    /// model that needs no weights of its own (Zhang et al. 2024). Weights, vocabulary and
    /// tokenizer are shared.
    ///
    /// # Errors
    /// [`TorchError::SkippedLayer`] for a layer that the model does not have.
    pub fn skipping_layers(&self, layers: &[usize]) -> Result<Self, TorchError> {
        Ok(Self {
            name: self.name.clone(),
            decoder: self.decoder.skipping(layers)?,
            vocabulary: self.vocabulary.clone(),
            tokenizer: Arc::clone(&self.tokenizer),
            templates: self.templates.clone(),
            template_variables: self.template_variables.clone(),
            generation_config: self.generation_config.clone(),
            logits: self.logits,
        })
    }

    /// The chat templates of the model in `path`. Its weights are not read.
    ///
    /// # Errors
    /// A [`TorchError`] as [`load`](Self::load) for a file that cannot be read.
    pub fn chat_templates_of(path: impl AsRef<Path>) -> Result<ChatTemplates, TorchError> {
        let of_folder = |folder: &Path| {
            let settings = object(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
            folder_templates(folder, &settings)
        };
        of_folder_or_file(path.as_ref(), of_folder, |file, in_file| gguf_templates(file).map_err(in_file))
    }

    /// Number of layers of the model in `path`, by its configuration. Its weights are not read.
    ///
    /// # Errors
    /// A [`TorchError`] as [`load`](Self::load) for a configuration that cannot be read.
    pub fn layers_of(path: impl AsRef<Path>) -> Result<usize, TorchError> {
        let path = path.as_ref();
        let of_folder = |folder: &Path| Ok(folder_config(folder)?.1.layers);
        of_folder_or_file(path, of_folder, |file, _| Ok(gguf_config(path, file)?.1.layers))
    }

    /// Number of layers.
    pub fn layer_count(&self) -> usize {
        self.decoder.cache_shape().layers
    }

    /// The model's name, as given in its files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The vocabulary, padded to the width of the logits. Its [`eos`](Vocabulary::eos) tokens end a
    /// sequence.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The tokenizer, which turns text into tokens.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// The Jinja templates that render messages into a prompt, if the model has any.
    pub fn chat_templates(&self) -> &ChatTemplates {
        &self.templates
    }

    /// The variables of chat templates that the model's files set: the names of its special tokens,
    /// such as `bos_token` and `eos_token`, and the list `additional_special_tokens`.
    pub fn template_variables(&self) -> &Map<String, Value> {
        &self.template_variables
    }

    /// The sampling parameters that the folder's `generation_config.json` recommends. Defaults if
    /// there is no such file.
    ///
    /// # Errors
    /// A [`SamplingError`] for a file that is not read whole, such as one with a parameter out of
    /// range.
    pub fn default_sampling(&self) -> Result<SamplingParams, SamplingError> {
        self.generation_config.as_deref().map_or(Ok(SamplingParams::default()), ParameterSet::recommended)
    }

    /// True if logits stay on the device until the needed ones are known.
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

/// Reads a model's folder by `of_folder`, or a GGUF file by `of_file`. The second argument of
/// `of_file` makes the error of a fault in the file.
fn of_folder_or_file<T>(
    path: &Path,
    of_folder: impl FnOnce(&Path) -> Result<T, TorchError>,
    of_file: impl FnOnce(&GgufFile<'_>, &dyn Fn(GgufError) -> TorchError) -> Result<T, TorchError>,
) -> Result<T, TorchError> {
    if std::fs::metadata(path).map_err(TorchError::io(path))?.is_dir() {
        return of_folder(path);
    }
    let in_file = |source| TorchError::Gguf { path: path.to_path_buf(), source: Box::new(source) };
    let bytes = map(path)?;
    of_file(&GgufFile::parse(&bytes).map_err(in_file)?, &in_file)
}

/// The architecture and the configuration that a GGUF file gives.
fn gguf_config(
    path: &Path,
    file: &GgufFile<'_>,
) -> Result<(&'static Architecture, DecoderConfig), TorchError> {
    let in_file = |source| TorchError::Gguf { path: path.to_path_buf(), source: Box::new(source) };
    let key = "general.architecture";
    let name = file.str(key).map_err(in_file)?.ok_or_else(|| TorchError::config(key, "is missing"))?;
    let architecture = Architecture::from_gguf(name)?;
    Ok((architecture, architecture.read_gguf(file, name)?))
}

/// The architecture and the configuration that a folder's `config.json` gives, and the file's
/// members.
fn folder_config(
    folder: &Path,
) -> Result<(&'static Architecture, DecoderConfig, Map<String, Value>), TorchError> {
    let Some(json) = object(&folder.join("config.json"))? else {
        let reason = "it holds no config.json; give a .gguf file or a Hugging Face folder".to_owned();
        return Err(TorchError::NotAModel { path: folder.to_path_buf(), reason });
    };
    let name = json.get("architectures").and_then(|names| names.get(0)).and_then(Value::as_str);
    let name = name.ok_or_else(|| TorchError::config("architectures", "names none"))?;
    let architecture = Architecture::from_hugging_face(name)?;
    let config = architecture.read_hugging_face(&json)?;
    Ok((architecture, config, json))
}

fn decoder(
    architecture: &Architecture,
    mut config: DecoderConfig,
    format: Format,
    weights: &dyn WeightSource,
    options: LoadOptions,
    progress: &mut dyn FnMut(LoadProgress),
) -> Result<Decoder, TorchError> {
    if let Some(limit) = options.context_length {
        config.context = config.context.min(limit.max(1));
    }
    let device = options.device.resolve()?;
    let kind = options.dtype.kind();
    let layout = architecture.matrix_layout(format);
    let mut loader = Loader::new(weights, kind, device, layout, progress);
    Decoder::load(architecture, config, format, kind, device, &mut loader)
}

fn tokenizer_error(error: VocabularyError) -> TorchError {
    match error {
        VocabularyError::Tokenizer { reason } => TorchError::Tokenizer { reason },
        other => TorchError::Tokenizer { reason: other.to_string() },
    }
}

/// The vocabulary with as many ids as the model gives logits.
fn sized(vocabulary: Vocabulary, decoder: &Decoder) -> Result<Vocabulary, TorchError> {
    vocabulary.with_model_size(decoder.vocab_size()).map_err(tokenizer_error)
}

fn file_stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The object in a JSON file; `None` if there is no such file.
fn object(path: &Path) -> Result<Option<Map<String, Value>>, TorchError> {
    let wrong = |reason: String| TorchError::config(path.display().to_string(), reason);
    let Some(bytes) = optional(path)? else { return Ok(None) };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => Err(wrong("is not a JSON object".to_owned())),
        Err(error) => Err(wrong(format!("is not JSON: {error}"))),
    }
}

/// The bytes of a file; `None` if there is no such file.
fn optional(path: &Path) -> Result<Option<Vec<u8>>, TorchError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TorchError::io(path)(error)),
    }
}

/// The vocabulary with the end-of-sequence tokens of `generation_config.json`, or otherwise of
/// `config.json`.
fn with_eos_of(folder: &Path, vocabulary: Vocabulary) -> Result<Vocabulary, TorchError> {
    for name in ["generation_config.json", "config.json"] {
        let path: PathBuf = folder.join(name);
        let json = match object(&path) {
            // A file of defaults that cannot be read is a fault of `default_sampling` alone.
            Err(TorchError::Config { .. }) if name == "generation_config.json" => None,
            other => other?,
        };
        let Some(json) = json else { continue };
        // An empty list names no token, like `null`.
        let names_none = |eos: &Value| eos.is_null() || eos.as_array().is_some_and(Vec::is_empty);
        if json.get("eos_token_id").is_some_and(|eos| !names_none(eos)) {
            let bytes = optional(&path)?.unwrap_or_default();
            return vocabulary.with_eos_from_config(&[&bytes]).map_err(tokenizer_error);
        }
    }
    Ok(vocabulary)
}

/// The special tokens that a `tokenizer_config.json` names, as variables of chat templates. A token
/// is a string, or an object with `content`.
fn special_tokens(settings: &Map<String, Value>) -> Map<String, Value> {
    let text = |token: &Value| token.as_str().or_else(|| token.get("content")?.as_str()).map(Value::from);
    let value = |(name, value): (&String, &Value)| {
        let token = match name.as_str() {
            "additional_special_tokens" => Some(value.as_array()?.iter().filter_map(text).collect()),
            name => text(value).filter(|_| name.ends_with("_token")),
        };
        Some((name.clone(), token?))
    };
    settings.iter().filter_map(value).collect()
}

/// The special tokens that a GGUF file names, as variables of chat templates.
fn gguf_special_tokens(
    file: &GgufFile<'_>,
    vocabulary: &Vocabulary,
) -> Result<Map<String, Value>, GgufError> {
    let mut variables = Map::new();
    for (key, variable) in [
        ("bos", "bos_token"),
        ("eos", "eos_token"),
        ("unknown", "unk_token"),
        ("seperator", "sep_token"),
        ("padding", "pad_token"),
        ("cls", "cls_token"),
        ("mask", "mask_token"),
    ] {
        let id = file.u32(&format!("tokenizer.ggml.{key}_token_id"))?;
        if let Some(name) = id.and_then(|id| vocabulary.name(TokenId(id))) {
            variables.insert(variable.to_owned(), name.into());
        }
    }
    Ok(variables)
}

fn folder_templates(folder: &Path, settings: &Map<String, Value>) -> Result<ChatTemplates, TorchError> {
    ChatTemplates::from_folder(settings, |name| {
        let text = optional(&folder.join(name))?.map(String::from_utf8).transpose();
        text.map_err(|_| TorchError::config(name, "is not UTF-8"))
    })
}

fn gguf_templates(file: &GgufFile<'_>) -> Result<ChatTemplates, GgufError> {
    ChatTemplates::from_gguf(|key| Ok(file.str(key)?.map(str::to_owned)))
}
