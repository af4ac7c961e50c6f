//! Tensors by role, from a file of any supported format.
//!
//! An architecture asks for a role, for example the query projection of layer 3, and a shape. A
//! source knows the name in its format, checks the shape, and gives the tensor as plain floats.
//!
//! Files are memory-mapped: bytes are read as they are decoded, and the system drops them again
//! when memory is short. There is one risk: if another process truncates a file while it is loaded,
//! this process ends with a bus error.

pub(crate) mod dequantize;
pub(crate) mod gguf;
pub(crate) mod safetensors;

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::error::{Doing, TorchError};

/// The order of a matrix's dimensions in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatrixLayout {
    /// `[out, in]`.
    OutIn,
    /// `[in, out]`.
    InOut,
}

/// The role of a weight in a decoder, independent of its name in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Embedding,
    /// Vectors of positions, in models that learn them.
    Positions,
    OutputNorm,
    Output,
    /// Divisors of the rotary frequencies (GGUF only).
    RopeDivisors,
    /// A part of the layer with this index.
    Layer(usize, Part),
}

/// The role of a weight in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    AttentionNorm,
    Query,
    Key,
    Value,
    /// Queries, keys and values stacked, in files that store them so.
    QueryKeyValue,
    QueryNorm,
    KeyNorm,
    AttentionOutput,
    /// The norm of attention's output.
    AttentionPostNorm,
    FeedForwardNorm,
    Gate,
    Up,
    Down,
    /// The norm of the feed-forward network's output.
    FeedForwardPostNorm,
}

/// The names of tensors in Hugging Face checkpoints of one architecture.
#[derive(Debug)]
pub(crate) struct Names {
    /// Prefixes that names may have, such as `model.`. The name of the output matrix has none. The
    /// first prefix under which the file has an embedding counts.
    pub(crate) roots: &'static [&'static str],
    pub(crate) embedding: &'static str,
    pub(crate) positions: Option<&'static str>,
    pub(crate) output_norm: &'static str,
    /// The name of the list of layers, such as `layers`, without prefix.
    pub(crate) layers: &'static str,
    /// The name of a part of a layer; `None` for a part that does not exist.
    pub(crate) part: fn(Part) -> Option<&'static str>,
}

/// The matrix (or vector) of a role, or its bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Weight,
    Bias,
}

impl Role {
    /// The tensor's name in a GGUF file.
    pub(crate) fn gguf_name(self, member: Member) -> String {
        let stem = match self {
            Self::Embedding => "token_embd".to_owned(),
            Self::Positions => "position_embd".to_owned(),
            Self::OutputNorm => "output_norm".to_owned(),
            Self::Output => "output".to_owned(),
            Self::RopeDivisors => "rope_freqs".to_owned(),
            Self::Layer(layer, part) => {
                let part = match part {
                    Part::AttentionNorm => "attn_norm",
                    Part::Query => "attn_q",
                    Part::Key => "attn_k",
                    Part::Value => "attn_v",
                    Part::QueryKeyValue => "attn_qkv",
                    Part::QueryNorm => "attn_q_norm",
                    Part::KeyNorm => "attn_k_norm",
                    Part::AttentionOutput => "attn_output",
                    Part::AttentionPostNorm => "post_attention_norm",
                    Part::FeedForwardNorm => "ffn_norm",
                    Part::Gate => "ffn_gate",
                    Part::Up => "ffn_up",
                    Part::Down => "ffn_down",
                    Part::FeedForwardPostNorm => "post_ffw_norm",
                };
                format!("blk.{layer}.{part}")
            }
        };
        stem + member.suffix()
    }

    /// The tensor's name in a Hugging Face checkpoint whose modules are in `root`; `None` for a
    /// role that such checkpoints lack.
    pub(crate) fn hugging_face_name(self, member: Member, names: &Names, root: &str) -> Option<String> {
        let stem = match self {
            Self::Embedding => format!("{root}{}", names.embedding),
            Self::Positions => format!("{root}{}", names.positions?),
            Self::OutputNorm => format!("{root}{}", names.output_norm),
            Self::Output => "lm_head".to_owned(),
            Self::RopeDivisors => return None,
            Self::Layer(layer, part) => format!("{root}{}.{layer}.{}", names.layers, (names.part)(part)?),
        };
        Some(stem + member.suffix())
    }
}

impl Member {
    fn suffix(self) -> &'static str {
        match self {
            Self::Weight => ".weight",
            Self::Bias => ".bias",
        }
    }
}

/// A file, or several, with the weights of one model.
pub(crate) trait WeightSource {
    /// The tensor's name in the files, for messages.
    fn name(&self, role: Role, member: Member) -> String;

    /// The shape of a tensor, outermost dimension first; `None` if the files do not have it.
    fn shape(&self, role: Role, member: Member) -> Option<Vec<i64>>;

    /// A tensor's numbers on the CPU, of the shape that [`WeightSource::shape`] gives and of any
    /// float kind.
    fn read(&self, role: Role, member: Member) -> Result<Tensor, TorchError>;

    /// The names of all tensors in the files.
    fn names(&self) -> Vec<String>;

    /// Number of bytes of all tensors, for progress.
    fn total_bytes(&self) -> u64;

    /// Number of bytes of one tensor as stored.
    fn bytes(&self, role: Role, member: Member) -> u64;
}

/// The shape of a weight, which must exist and have this number of dimensions.
pub(crate) fn shape<const N: usize>(source: &dyn WeightSource, role: Role) -> Result<[i64; N], TorchError> {
    let name = || source.name(role, Member::Weight);
    let missing = || TorchError::MissingTensor { name: name() };
    let found = source.shape(role, Member::Weight).ok_or_else(missing)?;
    <[i64; N]>::try_from(found).map_err(|found| TorchError::TensorShape {
        name: name(),
        found,
        expected: vec![-1; N],
    })
}

/// Ends of the names of tensors that hold constants: rotary frequencies and causal masks.
const CONSTANTS: [&str; 3] = ["rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"];

/// A reader of weights. It converts them to the kind and puts them on the device with which the
/// model computes, and reports its progress.
pub(crate) struct Loader<'a> {
    source: &'a dyn WeightSource,
    kind: Kind,
    device: Device,
    layout: MatrixLayout,
    progress: &'a mut dyn FnMut(LoadProgress),
    done: u64,
    /// The names of the tensors that have been read.
    used: HashSet<String>,
}

/// The progress of loading a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    /// Number of bytes of weights read so far, as stored in the files.
    pub done: u64,
    /// Number of bytes of weights in the files. With tied or unused weights `done` may stay below
    /// it.
    pub total: u64,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(
        source: &'a dyn WeightSource,
        kind: Kind,
        device: Device,
        layout: MatrixLayout,
        progress: &'a mut dyn FnMut(LoadProgress),
    ) -> Self {
        Self { source, kind, device, layout, progress, done: 0, used: HashSet::new() }
    }

    pub(crate) fn source(&self) -> &dyn WeightSource {
        self.source
    }

    pub(crate) fn contains(&self, role: Role, member: Member) -> bool {
        self.source.shape(role, member).is_some()
    }

    /// A tensor on the CPU as stored, for weights that are transformed before they are placed.
    pub(crate) fn read(
        &mut self,
        role: Role,
        member: Member,
        expected: &[i64],
    ) -> Result<Tensor, TorchError> {
        let name = || self.source.name(role, member);
        match self.source.shape(role, member) {
            None => return Err(TorchError::MissingTensor { name: name() }),
            Some(found) if found != expected => {
                return Err(TorchError::TensorShape { name: name(), found, expected: expected.to_vec() });
            }
            Some(_) => {}
        }
        let tensor = self.source.read(role, member)?;
        self.done += self.source.bytes(role, member);
        self.used.insert(self.source.name(role, member));
        (self.progress)(LoadProgress { done: self.done, total: self.source.total_bytes() });
        Ok(tensor)
    }

    /// Refuses files with tensors that have not been read: a model that has them computes something
    /// else.
    pub(crate) fn check_all_used(&self) -> Result<(), TorchError> {
        let output = self.source.name(Role::Output, Member::Weight);
        let unused = |name: &String| {
            // An output matrix that is not read is tied to the embedding, and the others are
            // constants.
            let constant = CONSTANTS.iter().any(|suffix| name.ends_with(suffix));
            !self.used.contains(name) && !constant && *name != output
        };
        let mut unused: Vec<String> = self.source.names().into_iter().filter(unused).collect();
        unused.sort();
        match unused.into_iter().next() {
            None => Ok(()),
            Some(name) => Err(TorchError::UnusedTensor { name }),
        }
    }

    /// A layer's matrix with this number of rows and columns, on the CPU, transposed if the file
    /// stores it the other way round.
    pub(crate) fn read_matrix(&mut self, role: Role, rows: i64, columns: i64) -> Result<Tensor, TorchError> {
        match self.layout {
            MatrixLayout::OutIn => self.read(role, Member::Weight, &[rows, columns]),
            MatrixLayout::InOut => {
                let stored = self.read(role, Member::Weight, &[columns, rows])?;
                stored.f_transpose(0, 1).doing("transposing weights")
            }
        }
    }

    /// Converts a tensor to the model's kind and copies it to the model's device.
    pub(crate) fn place(&self, tensor: &Tensor) -> Result<Tensor, TorchError> {
        tensor
            .f_to_kind(self.kind)
            .and_then(|tensor| tensor.f_to_device(self.device)?.f_contiguous())
            .doing("placing weights on the device")
    }

    /// A tensor of this shape, ready for use.
    pub(crate) fn tensor(
        &mut self,
        role: Role,
        member: Member,
        expected: &[i64],
    ) -> Result<Tensor, TorchError> {
        let stored = self.read(role, member, expected)?;
        self.place(&stored)
    }
}

/// Maps a file into memory for reading.
#[allow(unsafe_code)]
pub(crate) fn map(path: &Path) -> Result<memmap2::Mmap, TorchError> {
    let file = File::open(path).map_err(TorchError::io(path))?;
    // SAFETY: the mapping is private and only read. Another process may still write to the file
    // meanwhile. Every byte is validated where it is used, after it was copied out or decoded, so
    // changed bytes can give wrong weights but no undefined lengths. (A truncated file is a bus
    // error, as the module's documentation says.)
    unsafe { memmap2::Mmap::map(&file) }.map_err(TorchError::io(path))
}
