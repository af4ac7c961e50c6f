//! What can go wrong with devices, weight files and forward passes, said for the person who can act on it.

use std::path::{Path, PathBuf};

use crate::gguf::GgufError;
use crate::vocab::TokenId;

/// An error of the torch floor: what was being done, what was found, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorchError {
    /// A device name that is not understood.
    #[error("unknown device `{name}`: use `cpu`, `cuda`, `cuda:N` or `auto`")]
    UnknownDevice {
        /// The name as given.
        name: String,
    },
    /// A device that this machine, or this libtorch, does not have.
    #[error("device `{name}` is not available: {reason}")]
    DeviceUnavailable {
        /// The device asked for.
        name: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A number format that is not understood.
    #[error("unknown dtype `{name}`: use `f32`, `bf16` or `f16`")]
    UnknownDtype {
        /// The name as given.
        name: String,
    },
    /// A thread count of zero, or past what libtorch counts with.
    #[error("{given} threads are not possible: give a number from 1 to {limit}")]
    Threads {
        /// The count as given.
        given: usize,
        /// The largest count.
        limit: usize,
    },
    /// A file or folder could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither a GGUF file nor a Hugging Face folder.
    #[error("{} is not a model: {reason}", path.display())]
    NotAModel {
        /// The path as given.
        path: PathBuf,
        /// What is missing or different.
        reason: String,
    },
    /// The container of a GGUF file is damaged.
    #[error("{}: not a usable GGUF file: {source}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        source: Box<GgufError>,
    },
    /// A safetensors file or its index is damaged.
    #[error("{}: not a usable safetensors file: {reason}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        reason: String,
    },
    /// An architecture that hedgerow has no code for.
    #[error("the model's architecture is `{name}`, which is not supported; supported: {supported}")]
    UnsupportedArchitecture {
        /// The architecture's name in the file.
        name: String,
        /// The names that are.
        supported: String,
    },
    /// A setting of the model's configuration that is missing or impossible.
    #[error("the model's configuration: `{key}` {reason}")]
    Config {
        /// The metadata or JSON key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A weight that the architecture needs is not in the file.
    #[error("the model lacks the tensor `{name}`: the file is incomplete, or of another architecture")]
    MissingTensor {
        /// The tensor's name in the file's own naming.
        name: String,
    },
    /// A weight has another shape than the configuration implies.
    #[error("tensor `{name}` has shape {found:?}, and the model's configuration calls for {expected:?}")]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// Its shape in the file, outermost dimension first.
        found: Vec<i64>,
        /// The shape that the configuration implies.
        expected: Vec<i64>,
    },
    /// A weight is stored in a format that is not read.
    #[error("tensor `{name}` is stored as {format}, which is not supported; supported: {supported}")]
    TensorFormat {
        /// The tensor's name.
        name: String,
        /// The format's name in the file.
        format: String,
        /// The formats that are.
        supported: &'static str,
    },
    /// A weight's bytes are not as many as its shape and format take.
    #[error(
        "tensor `{name}` has {found} bytes, and its shape and format take {expected}: the file is damaged"
    )]
    TensorBytes {
        /// The tensor's name.
        name: String,
        /// Bytes in the file.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// The model's vocabulary or tokenizer could not be built.
    #[error("the model's tokenizer: {reason}")]
    Tokenizer {
        /// What is wrong with it.
        reason: String,
    },
    /// A token that the model has no embedding for.
    #[error("token {} is outside the model's vocabulary of {vocab_size} tokens", token.0)]
    TokenOutOfRange {
        /// The token.
        token: TokenId,
        /// Rows of the embedding.
        vocab_size: usize,
    },
    /// More positions than the model can address.
    #[error("the sequence would have {given} tokens, and the model's context holds {limit}")]
    ContextFull {
        /// Tokens in the cache and in the input together.
        given: usize,
        /// The model's context length.
        limit: usize,
    },
    /// A cache was to be cut back to more than it holds.
    #[error("the cache cannot be cut to {wanted} tokens: it holds {held}")]
    Truncate {
        /// Length asked for.
        wanted: usize,
        /// Length there is.
        held: usize,
    },
    /// A layer to be skipped that there is not.
    #[error("layer {layer} cannot be skipped: the model has {layers} layers, numbered from 0")]
    SkippedLayer {
        /// The layer.
        layer: usize,
        /// Layers of the model.
        layers: usize,
    },
    /// A TorchScript module that is no language model.
    #[error(
        "the TorchScript module gave {found}; a language model gives logits, [1, n, vocab], for its n tokens"
    )]
    ScriptOutput {
        /// What it gave.
        found: String,
    },
    /// A token of a tree that comes before the one it stands behind.
    #[error("token {token} of a tree stands behind token {parent}, which must come before it")]
    TreeOrder {
        /// The token's place.
        token: usize,
        /// Its parent's place.
        parent: usize,
    },
    /// A cache that another model made.
    #[error("the cache was made by another model")]
    ForeignCache,
    /// libtorch refused an operation.
    #[error("libtorch failed while {doing}: {source}")]
    Libtorch {
        /// The operation, as a phrase that follows “while”.
        doing: &'static str,
        /// libtorch's own words.
        source: tch::TchError,
    },
}

impl TorchError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }

    pub(super) fn config(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config { key: key.into(), reason: reason.into() }
    }
}

/// Names the operation in which libtorch failed.
pub(super) trait Doing<T> {
    /// Turns libtorch's error into one that reads “libtorch failed while `doing`”.
    fn doing(self, doing: &'static str) -> Result<T, TorchError>;
}

impl<T> Doing<T> for Result<T, tch::TchError> {
    fn doing(self, doing: &'static str) -> Result<T, TorchError> {
        self.map_err(|source| TorchError::Libtorch { doing, source })
    }
}
