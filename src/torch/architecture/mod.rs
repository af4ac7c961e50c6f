//! The architectures, one file each, and the parts that their configurations share.
//!
//! An architecture is data: the names that files give it, the optional parts of its layers, and the
//! order in which its GGUF files store the rows of queries and keys. [`DecoderConfig`] is read from
//! GGUF metadata or from `config.json`, which hold the same settings under different keys. The
//! `decoder` module assembles the blocks.

mod gemma;
mod gpt2;
mod known_keys;
mod llama;
mod qwen;

use serde_json::{Map, Value};

use super::error::TorchError;
use super::rope::{RampEnds, Scaling};
use super::weights::{MatrixLayout, Names, Part};
use crate::gguf::GgufFile;

/// A translation of one `config.json` to another.
pub(crate) type Translate = fn(&Map<String, Value>) -> Result<Map<String, Value>, TorchError>;

/// The properties that distinguish one architecture.
#[derive(Debug)]
pub(crate) struct Architecture {
    /// Names in `general.architecture` of GGUF files.
    pub(crate) gguf: &'static [&'static str],
    /// Names in `architectures` of `config.json`.
    pub(crate) hugging_face: &'static [&'static str],
    /// The names of weights in Hugging Face checkpoints.
    pub(crate) names: &'static Names,
    /// The presence of biases.
    pub(crate) biases: Biases,
    /// True if the output matrix is the embedding where `config.json` does not say so.
    pub(crate) tied: bool,
    /// The presence of normalisation of queries and keys per head.
    pub(crate) head_norm: Presence,
    /// The presence of normalisation of the outputs of attention and feed-forward network, before
    /// they are added.
    pub(crate) post_norms: Presence,
    pub(crate) norm: NormKind,
    pub(crate) feed_forward: FeedForwardKind,
    pub(crate) positions: PositionKind,
    /// The order in which GGUF files store the rows of a head of the query and key projections.
    pub(crate) gguf_rows: RowOrder,
    /// The layout of a layer's matrices in Hugging Face checkpoints.
    pub(crate) hugging_face_matrices: MatrixLayout,
    /// The keys of `config.json` that only this architecture has.
    pub(crate) own_keys: &'static [&'static str],
    /// Translates a `config.json` to the keys of Llama's.
    pub(crate) translate: Translate,
    /// Adds the settings that only this architecture has to a configuration.
    pub(crate) refine: fn(&Settings<'_>, &mut DecoderConfig) -> Result<(), TorchError>,
}

const LLAMA_NAMES: Names = Names {
    roots: &["model."],
    embedding: "embed_tokens",
    positions: None,
    output_norm: "norm",
    layers: "layers",
    part: |part| match part {
        Part::AttentionNorm => Some("input_layernorm"),
        Part::Query => Some("self_attn.q_proj"),
        Part::Key => Some("self_attn.k_proj"),
        Part::Value => Some("self_attn.v_proj"),
        Part::QueryNorm => Some("self_attn.q_norm"),
        Part::KeyNorm => Some("self_attn.k_norm"),
        Part::AttentionOutput => Some("self_attn.o_proj"),
        Part::FeedForwardNorm => Some("post_attention_layernorm"),
        Part::Gate => Some("mlp.gate_proj"),
        Part::Up => Some("mlp.up_proj"),
        Part::Down => Some("mlp.down_proj"),
        Part::QueryKeyValue | Part::AttentionPostNorm | Part::FeedForwardPostNorm => None,
    },
};

/// The properties that most architectures share.
const LLAMA_LIKE: Architecture = Architecture {
    gguf: &[],
    hugging_face: &[],
    names: &LLAMA_NAMES,
    biases: Biases::NONE,
    tied: false,
    head_norm: Presence::Absent,
    post_norms: Presence::Absent,
    norm: NormKind::Rms,
    feed_forward: FeedForwardKind::SwiGlu,
    positions: PositionKind::Rotary,
    gguf_rows: RowOrder::Halves,
    hugging_face_matrices: MatrixLayout::OutIn,
    own_keys: &[],
    translate: |json| Ok(json.clone()),
    refine: |_, _| Ok(()),
};

/// The normalisation of activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// Division by the root mean square.
    Rms,
    /// The same, with weights from which Hugging Face checkpoints subtract 1.
    RmsAroundOne,
    /// Mean and variance, with a bias.
    Layer,
}

/// The feed-forward network of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedForwardKind {
    /// Gated by SiLU.
    SwiGlu,
    /// Gated by GELU, in its form with tanh.
    GeGlu,
    /// GELU, in its form with tanh, and no gate.
    Gelu,
}

/// The encoding of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PositionKind {
    /// Rotated heads.
    Rotary,
    /// A vector for each position, added to the embedding.
    Learned,
}

/// The format of a model's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Gguf,
    HuggingFace,
}

/// The presence of a part in the layers of an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Absent from every layer.
    Absent,
    /// Present in every layer.
    Required,
    /// Present if the file has it: some published variants do.
    Optional,
}

/// The presence of biases in the layers of an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Biases {
    /// On queries, keys and values.
    pub(crate) inputs: Presence,
    /// On the output of attention.
    pub(crate) output: Presence,
    /// On the matrices of the feed-forward network.
    pub(crate) feed_forward: Presence,
}

impl Biases {
    const NONE: Self =
        Self { inputs: Presence::Absent, output: Presence::Absent, feed_forward: Presence::Absent };

    /// Decides the optional biases by the flags `attention_bias` and `mlp_bias` of a `config.json`.
    fn of_config(self, json: &Map<String, Value>) -> Result<Self, TorchError> {
        let named = |presence: Presence, key: &str| match (presence, json.get(key)) {
            (Presence::Optional, None | Some(Value::Null | Value::Bool(false))) => Ok(Presence::Absent),
            (Presence::Optional, Some(Value::Bool(true))) => Ok(Presence::Required),
            (Presence::Optional, Some(_)) => Err(TorchError::config(key, "is not true or false")),
            (fixed, _) => Ok(fixed),
        };
        Ok(Self {
            inputs: named(self.inputs, "attention_bias")?,
            output: named(self.output, "attention_bias")?,
            feed_forward: named(self.feed_forward, "mlp_bias")?,
        })
    }
}

/// The places, in a head, of the two dimensions that are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowOrder {
    /// Half a head apart: (0, 2) and (1, 3) in a head of size 4. Hugging Face's weights and
    /// hedgerow's computation have this order.
    Halves,
    /// Adjacent: (0, 1) and (2, 3).
    Interleaved,
}

const ALL: [&Architecture; 5] = [&llama::LLAMA, &qwen::QWEN2, &qwen::QWEN3, &gemma::GEMMA3, &gpt2::GPT2];

impl Architecture {
    /// The architecture that GGUF files call `name`.
    pub(crate) fn from_gguf(name: &str) -> Result<&'static Self, TorchError> {
        find(name, |architecture| architecture.gguf)
    }

    /// The architecture that `config.json` files call `name`.
    pub(crate) fn from_hugging_face(name: &str) -> Result<&'static Self, TorchError> {
        find(name, |architecture| architecture.hugging_face)
    }

    /// The configuration in the metadata of a GGUF file, under keys that begin with `name`.
    pub(crate) fn read_gguf(&self, file: &GgufFile<'_>, name: &str) -> Result<DecoderConfig, TorchError> {
        known_keys::check_gguf(file, name)?;
        DecoderConfig::read(self, &Settings::Gguf { file, architecture: name })
    }

    /// The configuration in a `config.json`.
    pub(crate) fn read_hugging_face(&self, json: &Map<String, Value>) -> Result<DecoderConfig, TorchError> {
        let mut config = DecoderConfig::read(self, &Settings::HuggingFace(&(self.translate)(json)?))?;
        // The settings were read first, so that an error in a known one is reported before an
        // unknown one.
        known_keys::check_hugging_face(json, self.own_keys)?;
        config.biases = self.biases.of_config(json)?;
        config.tied = Some(match json.get("tie_word_embeddings") {
            None => self.tied,
            Some(Value::Null) => false,
            Some(Value::Bool(tied)) => *tied,
            Some(_) => return Err(TorchError::config("tie_word_embeddings", "is not true or false")),
        });
        config.vocab = Settings::HuggingFace(json).size(("", "vocab_size"))?;
        Ok(config)
    }

    /// The order of the rows of queries and keys in files of a format.
    pub(crate) fn row_order(&self, format: Format) -> RowOrder {
        match format {
            Format::Gguf => self.gguf_rows,
            Format::HuggingFace => RowOrder::Halves,
        }
    }

    /// The layout of the layers' matrices in files of a format.
    pub(crate) fn matrix_layout(&self, format: Format) -> MatrixLayout {
        match format {
            Format::Gguf => MatrixLayout::OutIn,
            Format::HuggingFace => self.hugging_face_matrices,
        }
    }
}

fn find(
    name: &str,
    names: fn(&Architecture) -> &'static [&'static str],
) -> Result<&'static Architecture, TorchError> {
    ALL.into_iter().find(|&architecture| names(architecture).contains(&name)).ok_or_else(|| {
        let supported: Vec<&str> = ALL.into_iter().flat_map(names).copied().collect();
        TorchError::UnsupportedArchitecture { name: name.to_owned(), supported: supported.join(", ") }
    })
}

/// The sizes of a decoder-only transformer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DecoderConfig {
    /// Width of the activations between layers.
    pub(crate) width: usize,
    pub(crate) layers: usize,
    /// Number of query heads.
    pub(crate) heads: usize,
    /// Number of key and value heads; divides `heads`.
    pub(crate) kv_heads: usize,
    /// Size of a head; even.
    pub(crate) head_dim: usize,
    /// Inner width of the feed-forward network.
    pub(crate) inner: usize,
    /// Largest number of positions of a sequence.
    pub(crate) context: usize,
    /// The number ε that normalisation adds to the mean square or to the variance.
    pub(crate) epsilon: f64,
    /// Base of the rotary frequencies.
    pub(crate) rope_theta: f64,
    pub(crate) rope_scaling: Scaling,
    /// Factor on the embeddings.
    pub(crate) embedding_scale: f64,
    /// Factor on the products of queries and keys; `None` for 1 / √head_dim.
    pub(crate) attention_scale: Option<f64>,
    /// Layers that attend to the latest positions only.
    pub(crate) local: Option<LocalAttention>,
    /// The presence of biases; an optional one is there if the file has it.
    pub(crate) biases: Biases,
    /// True if the output matrix is the embedding, false if it is not; `None` if the file does not
    /// say so.
    pub(crate) tied: Option<bool>,
    /// Number of tokens, if the file gives it.
    pub(crate) vocab: Option<usize>,
}

/// Layers that attend to the latest positions only.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LocalAttention {
    /// Number of positions to which a position attends, itself included.
    pub(crate) window: usize,
    /// Base of the rotary frequencies in these layers, which are not scaled.
    pub(crate) theta: f64,
    /// True for each layer that is one of them.
    pub(crate) layers: Vec<bool>,
}

/// The source of a configuration.
pub(crate) enum Settings<'a> {
    /// The metadata of a GGUF file, under keys that begin with the architecture's name.
    Gguf { file: &'a GgufFile<'a>, architecture: &'a str },
    /// The object of a `config.json`.
    HuggingFace(&'a Map<String, Value>),
}

/// The key of one setting in the two formats.
type Key = (&'static str, &'static str);

impl Settings<'_> {
    fn name(&self, key: Key) -> String {
        match self {
            Self::Gguf { architecture, .. } => format!("{architecture}.{}", key.0),
            Self::HuggingFace(_) => key.1.to_owned(),
        }
    }

    /// A positive whole number; `None` if the file does not have it.
    fn size(&self, key: Key) -> Result<Option<usize>, TorchError> {
        let name = self.name(key);
        let found = match self {
            Self::Gguf { file, .. } => match file.get(&name) {
                None => return Ok(None),
                Some(value) => value.as_integer().and_then(|size| u64::try_from(size).ok()),
            },
            Self::HuggingFace(json) => match json.get(&name) {
                None | Some(Value::Null) => return Ok(None),
                Some(value) => value.as_u64(),
            },
        };
        // No model has larger sizes, and products of sizes must not overflow.
        match found.filter(|&size| (1..=1 << 31).contains(&size)).and_then(|size| usize::try_from(size).ok())
        {
            Some(size) => Ok(Some(size)),
            None => Err(TorchError::config(name, "is not a whole number from 1 to 2^31")),
        }
    }

    fn required_size(&self, key: Key) -> Result<usize, TorchError> {
        self.size(key)?.ok_or_else(|| TorchError::config(self.name(key), "is missing"))
    }

    /// A finite number; `None` if the file does not have it.
    fn number(&self, key: Key) -> Result<Option<f64>, TorchError> {
        let name = self.name(key);
        let found = match self {
            Self::Gguf { file, .. } => match file.get(&name) {
                None => return Ok(None),
                Some(value) => value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64)),
            },
            Self::HuggingFace(json) => return json_number(json, &name),
        };
        match found.filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(TorchError::config(name, "is not a finite number")),
        }
    }
}

fn json_number(json: &Map<String, Value>, key: &str) -> Result<Option<f64>, TorchError> {
    match json.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64().filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(TorchError::config(key, "is not a finite number")),
        },
    }
}

impl DecoderConfig {
    /// Reads and checks the configuration.
    fn read(architecture: &Architecture, settings: &Settings<'_>) -> Result<Self, TorchError> {
        let width = settings.required_size(("embedding_length", "hidden_size"))?;
        let (heads, kv_heads, head_dim) = read_heads(architecture, settings, width)?;
        let epsilon = read_epsilon(architecture, settings)?;
        let context = settings.required_size(("context_length", "max_position_embeddings"))?;
        let (rope_theta, rope_scaling) = match settings {
            Settings::Gguf { file, architecture } => gguf_rope(settings, file, architecture, context)?,
            Settings::HuggingFace(json) => {
                if let Some(other) = json.get("hidden_act").filter(|name| name.as_str() != Some("silu")) {
                    return Err(TorchError::config(
                        "hidden_act",
                        format!("is {other}; only \"silu\" is supported"),
                    ));
                }
                hugging_face_rope(json, context)?
            }
        };
        let mut config = Self {
            width,
            layers: settings.required_size(("block_count", "num_hidden_layers"))?,
            heads,
            kv_heads,
            head_dim,
            inner: settings.required_size(("feed_forward_length", "intermediate_size"))?,
            context,
            epsilon,
            rope_theta,
            rope_scaling,
            embedding_scale: 1.0,
            attention_scale: None,
            local: None,
            biases: architecture.biases,
            tied: None,
            vocab: None,
        };
        (architecture.refine)(settings, &mut config)?;
        if config.local.is_some() {
            return Ok(config);
        }
        if let Settings::HuggingFace(json) = settings {
            check_layer_types(json)?;
        }
        // Within its window, windowed attention equals full attention. The window therefore limits
        // the context.
        let window = match settings {
            Settings::HuggingFace(json) if !has_window(json) => None,
            Settings::HuggingFace(json) if is_mistral(json) && !json.contains_key("sliding_window") => {
                Some(MISTRAL_WINDOW)
            }
            _ => settings.size(("attention.sliding_window", "sliding_window"))?,
        };
        config.context = config.context.min(window.unwrap_or(usize::MAX));
        Ok(config)
    }
}

/// The window of Mistral's attention in transformers if a `config.json` does not have the key;
/// `null` is no window.
const MISTRAL_WINDOW: usize = 4096;

/// True if transformers heeds the `sliding_window` of this `config.json`: for Llama never, for Qwen
/// if `use_sliding_window` is true, and for other models unless it is false.
fn has_window(json: &Map<String, Value>) -> bool {
    let asked = json.get("use_sliding_window").and_then(Value::as_bool);
    match class_name(json) {
        Some("LlamaForCausalLM") => false,
        Some("Qwen2ForCausalLM" | "Qwen3ForCausalLM") => asked == Some(true),
        _ => asked != Some(false),
    }
}

fn is_mistral(json: &Map<String, Value>) -> bool {
    class_name(json) == Some("MistralForCausalLM")
}

/// The name of the model's class in transformers.
fn class_name(json: &Map<String, Value>) -> Option<&str> {
    json.get("architectures")?.get(0)?.as_str()
}

/// The numbers of query heads and of key-value heads, and the size of a head.
fn read_heads(
    architecture: &Architecture,
    settings: &Settings<'_>,
    width: usize,
) -> Result<(usize, usize, usize), TorchError> {
    let heads = settings.required_size(("attention.head_count", "num_attention_heads"))?;
    let kv_heads = settings.size(("attention.head_count_kv", "num_key_value_heads"))?.unwrap_or(heads);
    let head_dim = settings.size(("attention.key_length", "head_dim"))?.unwrap_or(width / heads);
    if heads % kv_heads != 0 {
        let reason = format!("is {kv_heads}, which does not divide the {heads} query heads");
        return Err(TorchError::config("number of key-value heads", reason));
    }
    let rotary_positions = architecture.positions == PositionKind::Rotary;
    if head_dim == 0 || (rotary_positions && head_dim % 2 != 0) {
        let reason = format!("is {head_dim}; rotary positions need an even number above 0");
        return Err(TorchError::config("size of a head", reason));
    }
    if heads.saturating_mul(head_dim) > 1 << 31 {
        return Err(TorchError::config("size of a head", "times the number of heads is beyond 2^31"));
    }
    let value_dim = settings.size(("attention.value_length", "v_head_dim"))?.unwrap_or(head_dim);
    let rotary = match settings {
        Settings::Gguf { .. } => settings.size(("rope.dimension_count", ""))?.unwrap_or(head_dim),
        Settings::HuggingFace(json) => {
            let inner = rope_object(json).map(|rope| json_number(rope, "partial_rotary_factor"));
            let outer = json_number(json, "partial_rotary_factor")?;
            let share = inner.transpose()?.flatten().or(outer).unwrap_or(1.0);
            (head_dim as f64 * share) as usize
        }
    };
    if value_dim != head_dim || rotary != head_dim {
        let reason = format!(
            "is {head_dim}, with {value_dim} for values and {rotary} rotary dimensions; only equal sizes are \
             supported"
        );
        return Err(TorchError::config("size of a head", reason));
    }
    Ok((heads, kv_heads, head_dim))
}

fn read_epsilon(architecture: &Architecture, settings: &Settings<'_>) -> Result<f64, TorchError> {
    let epsilon = match architecture.norm {
        NormKind::Layer => ("attention.layer_norm_epsilon", "rms_norm_eps"),
        NormKind::Rms | NormKind::RmsAroundOne => ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    };
    let epsilon_name = settings.name(epsilon);
    let epsilon = settings.number(epsilon)?.ok_or_else(|| TorchError::config(&epsilon_name, "is missing"))?;
    if epsilon < 0.0 {
        return Err(TorchError::config(epsilon_name, "is negative"));
    }
    Ok(epsilon)
}

/// Refuses layers of another kind than full or windowed attention.
fn check_layer_types(json: &Map<String, Value>) -> Result<(), TorchError> {
    let kinds = json.get("layer_types").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let supported = |kind: &&Value| matches!(kind.as_str(), Some("full_attention" | "sliding_attention"));
    match kinds.iter().find(|kind| !supported(kind)) {
        None => Ok(()),
        Some(kind) => {
            let reason =
                format!("holds {kind}, which is not supported; supported: full_attention, sliding_attention");
            Err(TorchError::config("layer_types", reason))
        }
    }
}

/// Base and scaling from GGUF metadata. (Divisors per pair are a tensor, read with the weights.)
fn gguf_rope(
    settings: &Settings<'_>,
    file: &GgufFile<'_>,
    architecture: &str,
    context: usize,
) -> Result<(f64, Scaling), TorchError> {
    let theta = settings.number(("rope.freq_base", ""))?.unwrap_or(10_000.0);
    let key = format!("{architecture}.rope.scaling.type");
    let factor =
        |default: f64| Ok::<_, TorchError>(settings.number(("rope.scaling.factor", ""))?.unwrap_or(default));
    let scaling = match file.get(&key).map(|value| value.as_str().unwrap_or("?")) {
        None | Some("none") => Scaling::None,
        Some("linear") => Scaling::Linear { factor: factor(1.0)? },
        Some("yarn") => {
            let factor = factor(1.0)?;
            Scaling::Yarn {
                factor,
                fast: settings.number(("rope.scaling.yarn_beta_fast", ""))?.unwrap_or(32.0),
                slow: settings.number(("rope.scaling.yarn_beta_slow", ""))?.unwrap_or(1.0),
                original: settings
                    .number(("rope.scaling.original_context_length", ""))?
                    .unwrap_or(context as f64),
                // GGUF files give a factor on the usual amplitude; `config.json` gives the
                // amplitude itself.
                attention: settings
                    .number(("rope.scaling.attn_factor", ""))?
                    .map(|share| share * (0.1 * factor.ln() + 1.0)),
                ends: RampEnds::Whole,
            }
        }
        Some(other) => {
            let reason = format!("is `{other}`, which is not supported; supported: none, linear, yarn");
            return Err(TorchError::config(key, reason));
        }
    };
    Ok((theta, scaling))
}

/// The object in `config.json` with the settings of rotary positions. As in transformers, the
/// older of its two names comes first.
fn rope_object(json: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let object = |key: &str| json.get(key).filter(|value| is_filled(value)).and_then(Value::as_object);
    object("rope_scaling").or_else(|| object("rope_parameters"))
}

/// True for an object with members.
fn is_filled(value: &Value) -> bool {
    value.as_object().is_some_and(|object| !object.is_empty())
}

/// Base and scaling from `config.json`: `rope_theta` and `rope_scaling`, or both in
/// `rope_parameters`. A base inside the object takes precedence over one outside it, as in
/// transformers.
fn hugging_face_rope(json: &Map<String, Value>, context: usize) -> Result<(f64, Scaling), TorchError> {
    let scaling = rope_object(json);
    let nested_theta = scaling.map(|scaling| json_number(scaling, "rope_theta")).transpose()?.flatten();
    let theta = nested_theta.or(json_number(json, "rope_theta")?).unwrap_or(10_000.0);
    let Some(scaling) = scaling else { return Ok((theta, Scaling::None)) };
    let name = scaling.get("rope_type").or_else(|| scaling.get("type"));
    let object =
        if json.get("rope_scaling").is_some_and(is_filled) { "rope_scaling" } else { "rope_parameters" };
    let optional = |key: &str| json_number(scaling, key);
    let required =
        |key: &str| optional(key)?.ok_or_else(|| TorchError::config(format!("{object}.{key}"), "is missing"));
    let original =
        || Ok::<_, TorchError>(optional("original_max_position_embeddings")?.unwrap_or(context as f64));
    let scaling = match name.map(|name| name.as_str().unwrap_or("?")) {
        None | Some("default") => Scaling::None,
        Some("linear") => Scaling::Linear { factor: required("factor")? },
        Some("llama3") => Scaling::Llama3 {
            factor: required("factor")?,
            low: required("low_freq_factor")?,
            high: required("high_freq_factor")?,
            original: original()?,
        },
        Some("yarn") => Scaling::Yarn {
            factor: required("factor")?,
            fast: optional("beta_fast")?.unwrap_or(32.0),
            slow: optional("beta_slow")?.unwrap_or(1.0),
            original: original()?,
            attention: optional("attention_factor")?,
            ends: match scaling.get("truncate") {
                None | Some(Value::Bool(true)) => RampEnds::Whole,
                Some(Value::Bool(false) | Value::Null) => RampEnds::Exact,
                Some(_) => {
                    return Err(TorchError::config(format!("{object}.truncate"), "is not true or false"));
                }
            },
        },
        Some(other) => {
            let reason =
                format!("is `{other}`, which is not supported; supported: default, linear, llama3, yarn");
            return Err(TorchError::config(format!("{object}.rope_type"), reason));
        }
    };
    Ok((theta, scaling))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn windows_are_those_of_transformers() {
        for (class, window, expected) in [
            ("LlamaForCausalLM", json!({"sliding_window": 64}), 8192),
            ("MistralForCausalLM", json!({"sliding_window": 64}), 64),
            ("MistralForCausalLM", json!({"sliding_window": null}), 8192),
            ("MistralForCausalLM", json!({}), 4096),
            ("Qwen2ForCausalLM", json!({"sliding_window": 64}), 8192),
            ("Qwen3ForCausalLM", json!({"sliding_window": 64, "use_sliding_window": false}), 8192),
            ("Qwen3ForCausalLM", json!({"sliding_window": 64, "use_sliding_window": true}), 64),
        ] {
            let mut json = json!({
                "architectures": [class], "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                "intermediate_size": 96, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
            });
            json.as_object_mut().unwrap().extend(window.as_object().unwrap().clone());
            let architecture = Architecture::from_hugging_face(class).unwrap();
            let config = architecture.read_hugging_face(json.as_object().unwrap()).unwrap();
            assert_eq!(config.context, expected, "{class} {window}");
        }
    }
}
