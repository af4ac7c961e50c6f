//! Errors of devices, weight files and forward passes. Each names a remedy if the user has one.

use std::path::{Path, PathBuf};

use crate::decode::ModelError;
use crate::gguf::GgufError;

/// An error of a model on libtorch: the operation, the fault, and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorchError {
    /// An unknown device name.
    #[error("unknown device `{name}`: use `cpu`, `cuda`, `cuda:N` or `auto`")]
    UnknownDevice {
        /// The name as given.
        name: String,
    },
    /// A device that this machine, or this libtorch, does not have.
    #[error("device `{name}` is not available: {reason}")]
    DeviceUnavailable {
        /// The device requested.
        name: String,
        /// The reason, and the remedy.
        reason: String,
    },
    /// An unknown number format.
    #[error("unknown dtype `{name}`: use `f32`, `bf16` or `f16`")]
    UnknownDtype {
        /// The name as given.
        name: String,
    },
    /// A thread count of zero, or above the largest that libtorch supports.
    #[error("{given} threads are not possible: give a number from 1 to {limit}")]
    Threads {
        /// The count as given.
        given: usize,
        /// The largest count.
        limit: usize,
    },
    /// A file or folder that could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A path that is neither a GGUF file nor a Hugging Face folder.
    #[error("{} is not a model: {reason}", path.display())]
    NotAModel {
        /// The path as given.
        path: PathBuf,
        /// The missing or unexpected part.
        reason: String,
    },
    /// A GGUF file whose container is damaged.
    #[error("{}: not a usable GGUF file: {source}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// The fault in the container.
        source: Box<GgufError>,
    },
    /// A safetensors file, or its index, that is damaged.
    #[error("{}: not a usable safetensors file: {reason}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// An architecture that hedgerow does not implement.
    #[error("the model's architecture is `{name}`, which is not supported; supported: {supported}")]
    UnsupportedArchitecture {
        /// The architecture's name in the file.
        name: String,
        /// The names of the architectures that it implements.
        supported: String,
    },
    /// A setting of the model's configuration that is missing or impossible.
    #[error("the model's configuration: `{key}` {reason}")]
    Config {
        /// The metadata or JSON key.
        key: String,
        /// The fault.
        reason: String,
    },
    /// A weight that the architecture needs and the file lacks.
    #[error("the model lacks the tensor `{name}`: the file is incomplete, or of another architecture")]
    MissingTensor {
        /// The tensor's name, in the file's own naming.
        name: String,
    },
    /// A weight that the computation would leave out.
    #[error(
        "the weights hold the tensor `{name}`, which this architecture does not use: the model computes something else"
    )]
    UnusedTensor {
        /// The tensor's name, in the file's own naming.
        name: String,
    },
    /// A weight with another shape than the configuration implies.
    #[error("tensor `{name}` has shape {found:?}, and the model's configuration calls for {expected:?}")]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// Its shape in the file, outermost dimension first.
        found: Vec<i64>,
        /// The shape that the configuration implies.
        expected: Vec<i64>,
    },
    /// A weight in a format that is not supported.
    #[error("tensor `{name}` is stored as {format}, which is not supported; supported: {supported}")]
    TensorFormat {
        /// The tensor's name.
        name: String,
        /// The format's name in the file.
        format: String,
        /// The supported formats.
        supported: &'static str,
    },
    /// A weight whose number of bytes differs from that of its shape and format.
    #[error(
        "tensor `{name}` has {found} bytes, and its shape and format take {expected}: the file is damaged"
    )]
    TensorBytes {
        /// The tensor's name.
        name: String,
        /// Number of bytes in the file.
        found: usize,
        /// Number of bytes expected.
        expected: usize,
    },
    /// A vocabulary or tokenizer that could not be built.
    #[error("the model's tokenizer: {reason}")]
    Tokenizer {
        /// The fault.
        reason: String,
    },
    /// An error that every kind of model may have, such as a sequence longer than the context.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A layer to skip that does not exist.
    #[error("layer {layer} cannot be skipped: the model has {layers} layers, numbered from 0")]
    SkippedLayer {
        /// The layer.
        layer: usize,
        /// Number of layers of the model.
        layers: usize,
    },
    /// A TorchScript module that is no language model.
    #[error(
        "the TorchScript module gave {found}; a language model gives logits, [1, n, vocab], for its n tokens"
    )]
    ScriptOutput {
        /// The output it gave.
        found: String,
    },
    /// A token of a tree that stands before its parent in the list of tokens.
    #[error("token {token} of a tree stands behind token {parent}, which must come before it")]
    TreeOrder {
        /// The token's index.
        token: usize,
        /// Its parent's index.
        parent: usize,
    },
    /// An operation that libtorch refused.
    #[error("libtorch failed while {doing}: {source}")]
    Libtorch {
        /// The operation, as a phrase that follows “while”.
        doing: &'static str,
        /// libtorch's error.
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

/// A conversion that names the operation in which libtorch failed.
pub(super) trait Doing<T> {
    /// Turns libtorch's error into one that reads “libtorch failed while `doing`”.
    fn doing(self, doing: &'static str) -> Result<T, TorchError>;
}

impl<T> Doing<T> for Result<T, tch::TchError> {
    fn doing(self, doing: &'static str) -> Result<T, TorchError> {
        self.map_err(|source| TorchError::Libtorch { doing, source })
    }
}
