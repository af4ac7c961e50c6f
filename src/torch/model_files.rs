//! The files of a model except for its weights: configuration, vocabulary, tokenizer and chat
//! templates, from a GGUF file or a Hugging Face folder.

use std::path::{Path, PathBuf};

use super::architecture::{Architecture, DecoderConfig, Format};
use super::decoder::{Decoder, ModelSize};
use super::error::TorchError;
use super::load_options::LoadOptions;
use super::weights::gguf::GgufWeights;
use super::weights::safetensors::SafetensorsWeights;
use super::weights::{LoadProgress, Loader, WeightSource, map};
use crate::decode::{ChatTemplates, PromptEncoder};
use crate::gguf::{GgufError, GgufFile};
use crate::sampling::parameter_sets::ParameterSet;
use crate::sampling::{SamplingError, SamplingParams};
use crate::vocab::{TextTokenizer, TokenId, Vocabulary, VocabularyError, without_bom};
use serde_json::{Map, Value};

/// The files of a model except for its weights. They are read in a fraction of a second, and are
/// enough to make a prompt of messages and a constraint, and to
/// [check](crate::decode::check_request) a request. [`Model::from_files`](super::Model::from_files)
/// adds the weights.
///
/// ```no_run
/// use hedgerow::decode::{Prompt, PromptEncoder, Request, check_request};
/// use hedgerow::torch::{LoadOptions, Model, ModelFiles};
///
/// let files = ModelFiles::open("model.gguf")?;
/// let prompt = files.prompt_tokens(&Prompt::user("Name a colour."))?;
/// check_request(&Request::new(prompt), files.vocabulary(), files.context_length())?;
/// let model = Model::from_files(files, LoadOptions::default(), |_| {})?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ModelFiles {
    path: PathBuf,
    format: Format,
    architecture: &'static Architecture,
    config: DecoderConfig,
    size: ModelSize,
    name: String,
    vocabulary: Vocabulary,
    tokenizer: TextTokenizer,
    templates: ChatTemplates,
    template_variables: Map<String, Value>,
    generation_config: Option<String>,
}

impl ModelFiles {
    /// Opens a `.gguf` file, or a folder with `config.json`, `tokenizer.json` and safetensors
    /// weights. The weights are not read. Only their shapes are, if the configuration does not give
    /// the sizes of the model.
    ///
    /// # Errors
    ///
    /// A [`TorchError`] for files that cannot be read or are damaged, and an architecture or a
    /// tokenizer that is not supported.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TorchError> {
        let path = path.as_ref();
        match std::fs::metadata(path).map_err(TorchError::io(path))?.is_dir() {
            true => Self::open_folder(path),
            false => Self::open_gguf(path),
        }
    }

    fn open_gguf(path: &Path) -> Result<Self, TorchError> {
        let in_file = gguf_error(path);
        let bytes = map(path)?;
        let file = GgufFile::parse(&bytes).map_err(&in_file)?;
        let (architecture, config) = gguf_config(&file, &in_file)?;
        let vocabulary = Vocabulary::from_gguf(&file).map_err(tokenizer_error)?;
        let size = ModelSize::of(architecture, &config, &GgufWeights::new(&file))?;
        Ok(Self {
            path: path.to_path_buf(),
            format: Format::Gguf,
            name: match file.str("general.name").map_err(&in_file)? {
                Some(name) => name.to_owned(),
                None => file_stem(path),
            },
            templates: gguf_templates(&file).map_err(&in_file)?,
            template_variables: gguf_special_tokens(&file, &vocabulary).map_err(&in_file)?,
            vocabulary: vocabulary.with_model_size(size.vocabulary).map_err(tokenizer_error)?,
            tokenizer: TextTokenizer::from_gguf(&file).map_err(tokenizer_error)?,
            generation_config: None,
            architecture,
            config,
            size,
        })
    }

    fn open_folder(folder: &Path) -> Result<Self, TorchError> {
        let (architecture, config, json) = folder_config(folder)?;
        let tokenizer_path = folder.join("tokenizer.json");
        let tokenizer_json = std::fs::read(&tokenizer_path).map_err(TorchError::io(&tokenizer_path))?;
        let vocabulary = Vocabulary::from_tokenizer_json(&tokenizer_json).map_err(tokenizer_error)?;
        let vocabulary = with_eos_of(folder, vocabulary)?;
        let tokenizer = TextTokenizer::from_tokenizer_json(&tokenizer_json).map_err(tokenizer_error)?;
        let settings = object(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let weights = || SafetensorsWeights::open(folder, architecture.names);
        let size = match ModelSize::of_config(architecture, &config) {
            Some(size) => size,
            None => ModelSize::of(architecture, &config, &weights()?)?,
        };
        let vocabulary = match vocabulary.with_model_size(size.vocabulary) {
            Ok(vocabulary) => vocabulary,
            // If the configuration and the weights have different sizes, that is the error to
            // report.
            Err(error) => {
                ModelSize::of(architecture, &config, &weights()?)?;
                return Err(tokenizer_error(error));
            }
        };
        Ok(Self {
            path: folder.to_path_buf(),
            format: Format::HuggingFace,
            name: match json.get("_name_or_path").and_then(Value::as_str).filter(|name| !name.is_empty()) {
                Some(name) => name.to_owned(),
                None => file_stem(folder),
            },
            templates: folder_templates(folder, &settings)?,
            template_variables: special_tokens(&settings),
            vocabulary,
            tokenizer,
            generation_config: optional(&folder.join("generation_config.json"))?
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            architecture,
            config,
            size,
        })
    }

    /// Loads the weights.
    pub(super) fn load_decoder(
        &self,
        options: LoadOptions,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Decoder, TorchError> {
        match self.format {
            Format::Gguf => {
                let bytes = map(&self.path)?;
                let file = GgufFile::parse(&bytes).map_err(gguf_error(&self.path))?;
                self.decoder(&GgufWeights::new(&file), options, progress)
            }
            Format::HuggingFace => {
                let weights = SafetensorsWeights::open(&self.path, self.architecture.names)?;
                self.decoder(&weights, options, progress)
            }
        }
    }

    fn decoder(
        &self,
        weights: &dyn WeightSource,
        options: LoadOptions,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Decoder, TorchError> {
        let mut config = self.config.clone();
        if let Some(limit) = options.context_length {
            config.context = config.context.min(limit.max(1));
        }
        let device = options.device.resolve()?;
        let kind = options.dtype.kind();
        let layout = self.architecture.matrix_layout(self.format);
        let mut loader = Loader::new(weights, kind, device, layout, progress);
        Decoder::load(self.architecture, config, self.format, kind, device, &mut loader)
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model's name, as given in its files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of layers.
    pub fn layer_count(&self) -> usize {
        self.config.layers
    }

    /// Largest number of tokens of a sequence.
    pub fn context_length(&self) -> usize {
        self.size.context
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

    /// The variables of chat templates that the files set: the names of special tokens, such as
    /// `bos_token` and `eos_token`, and the list `additional_special_tokens`.
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
}

impl PromptEncoder for ModelFiles {
    fn vocabulary(&self) -> &Vocabulary {
        self.vocabulary()
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        self.tokenizer().encode(text)
    }

    fn encode_prompt(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        self.tokenizer().encode_prompt(text)
    }

    fn chat_templates(&self) -> &ChatTemplates {
        self.chat_templates()
    }

    fn template_variables(&self) -> Map<String, Value> {
        self.template_variables().clone()
    }
}

/// The error of a fault in a GGUF file.
fn gguf_error(path: &Path) -> impl Fn(GgufError) -> TorchError {
    |source| TorchError::Gguf { path: path.to_path_buf(), source: Box::new(source) }
}

/// The architecture and the configuration that a GGUF file gives.
fn gguf_config(
    file: &GgufFile<'_>,
    in_file: impl Fn(GgufError) -> TorchError,
) -> Result<(&'static Architecture, DecoderConfig), TorchError> {
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
        let files = std::fs::read_dir(folder).map_err(TorchError::io(folder))?;
        let paths = files.filter_map(|entry| Some(entry.ok()?.path()));
        let gguf = paths.filter(|path| path.extension().is_some_and(|end| end == "gguf")).min();
        let reason = match gguf.as_deref().and_then(Path::file_name) {
            Some(name) => format!("it holds no config.json; give its file {}", name.display()),
            None => "it holds no config.json; give a .gguf file or a Hugging Face folder".to_owned(),
        };
        return Err(TorchError::NotAModel { path: folder.to_path_buf(), reason });
    };
    let name = json.get("architectures").and_then(|names| names.get(0)).and_then(Value::as_str);
    let name = name.ok_or_else(|| TorchError::config("architectures", "names none"))?;
    let architecture = Architecture::from_hugging_face(name)?;
    let config = architecture.read_hugging_face(&json)?;
    Ok((architecture, config, json))
}

fn tokenizer_error(error: VocabularyError) -> TorchError {
    match error {
        VocabularyError::Tokenizer { reason } => TorchError::Tokenizer { reason },
        other => TorchError::Tokenizer { reason: other.to_string() },
    }
}

fn file_stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The object in a JSON file; `None` if there is no such file.
fn object(path: &Path) -> Result<Option<Map<String, Value>>, TorchError> {
    let wrong = |reason: String| TorchError::config(path.display().to_string(), reason);
    let Some(bytes) = optional(path)? else { return Ok(None) };
    match serde_json::from_slice(without_bom(&bytes)) {
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
            // A `generation_config.json` that cannot be read is no error here; `default_sampling`
            // reports it.
            Err(TorchError::Config { .. }) if name == "generation_config.json" => None,
            other => other?,
        };
        let Some(json) = json else { continue };
        // An empty list names no token, like `null`.
        let names_none = |eos: &Value| eos.is_null() || eos.as_array().is_some_and(Vec::is_empty);
        if json.get("eos_token_id").is_some_and(|eos| !names_none(eos)) {
            let bytes = optional(&path)?.unwrap_or_default();
            let wrong = |error: VocabularyError| {
                TorchError::config("eos_token_id", format!("of `{}` cannot be used: {error}", path.display()))
            };
            return vocabulary.with_eos_from_config(&[&bytes]).map_err(wrong);
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
