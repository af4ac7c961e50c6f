//! Tensors by role, from whichever file a model comes in.
//!
//! An architecture asks for “the query projection of layer 3, of this shape”; a source knows what its format
//! calls it, checks the shape, and gives it as plain floats. Files are memory-mapped: bytes are read as
//! they are decoded, and the system drops them again when memory is short. The price of mapping is that a file
//! that is truncated by another process while it loads ends this one with a bus error.

pub(crate) mod dequantize;
pub(crate) mod gguf;
pub(crate) mod safetensors;

use std::fs::File;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::architecture::MatrixLayout;
use super::error::{Doing, TorchError};

/// A weight's place in a decoder, whatever its file calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Embedding,
    /// Vectors of positions, where these are learned.
    Positions,
    OutputNorm,
    Output,
    /// Divisors of the rotary frequencies (GGUF only).
    RopeDivisors,
    /// Something in the layer with this index.
    Layer(usize, Part),
}

/// A weight's place in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    AttentionNorm,
    Query,
    Key,
    Value,
    /// Queries, keys and values stacked, where the files hold them so.
    QueryKeyValue,
    QueryNorm,
    KeyNorm,
    AttentionOutput,
    /// On what attention gives.
    AttentionPostNorm,
    FeedForwardNorm,
    Gate,
    Up,
    Down,
    /// On what the feed-forward network gives.
    FeedForwardPostNorm,
}

/// What Hugging Face checkpoints of one architecture call their tensors.
#[derive(Debug)]
pub(crate) struct Names {
    /// The modules that may hold everything but the output matrix, as they begin names.
    pub(crate) roots: &'static [&'static str],
    pub(crate) embedding: &'static str,
    pub(crate) positions: Option<&'static str>,
    pub(crate) output_norm: &'static str,
    /// The list of layers.
    pub(crate) layers: &'static str,
    /// A part of a layer; `None` for what there is not.
    pub(crate) part: fn(Part) -> Option<&'static str>,
}

/// The matrix (or vector) of a role, or the bias beside it.
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

    /// The tensor's name in a Hugging Face checkpoint whose modules are in `root`; `None` for what those do not hold.
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
    /// What the files call a tensor, for messages.
    fn name(&self, role: Role, member: Member) -> String;

    /// The shape of a tensor, outermost dimension first; `None` where the files have none.
    fn shape(&self, role: Role, member: Member) -> Option<Vec<i64>>;

    /// A tensor's numbers on the CPU, of the shape that [`WeightSource::shape`] gives and of any float kind.
    fn read(&self, role: Role, member: Member) -> Result<Tensor, TorchError>;

    /// Bytes of all tensors, for progress.
    fn total_bytes(&self) -> u64;

    /// Bytes of one tensor as stored.
    fn bytes(&self, role: Role, member: Member) -> u64;
}

/// Reads weights in the kind and on the device that a model computes with, and reports how far it is.
pub(crate) struct Loader<'a> {
    source: &'a dyn WeightSource,
    kind: Kind,
    device: Device,
    layout: MatrixLayout,
    progress: &'a mut dyn FnMut(LoadProgress),
    done: u64,
}

/// How far the loading of a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    /// Bytes of weights read so far, as stored in the files.
    pub done: u64,
    /// Bytes of weights in the files. Tied or unused weights may leave `done` below it at the end.
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
        Self { source, kind, device, layout, progress, done: 0 }
    }

    pub(crate) fn contains(&self, role: Role, member: Member) -> bool {
        self.source.shape(role, member).is_some()
    }

    /// The shape of a tensor that must be there and have this many dimensions.
    pub(crate) fn shape<const N: usize>(&self, role: Role, member: Member) -> Result<[i64; N], TorchError> {
        let missing = || TorchError::MissingTensor { name: self.source.name(role, member) };
        let found = self.source.shape(role, member).ok_or_else(missing)?;
        <[i64; N]>::try_from(found).map_err(|found| TorchError::TensorShape {
            name: self.source.name(role, member),
            found,
            expected: vec![-1; N],
        })
    }

    /// A tensor on the CPU as stored, for what needs work before it is put in place.
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
        (self.progress)(LoadProgress { done: self.done, total: self.source.total_bytes() });
        Ok(tensor)
    }

    /// A layer's matrix with so many rows and columns, on the CPU as stored but this way round.
    pub(crate) fn read_matrix(&mut self, role: Role, rows: i64, columns: i64) -> Result<Tensor, TorchError> {
        match self.layout {
            MatrixLayout::OutIn => self.read(role, Member::Weight, &[rows, columns]),
            MatrixLayout::InOut => {
                let stored = self.read(role, Member::Weight, &[columns, rows])?;
                stored.f_transpose(0, 1).doing("transposing weights")
            }
        }
    }

    /// Puts a tensor into the model's kind, on its device.
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
    // SAFETY: the mapping is private and only read. What cannot be ruled out is another process writing to the
    // file meanwhile; every byte is validated where it is used, after having been copied out or decoded, so
    // changed bytes can give wrong weights but no undefined lengths. (A truncated file is a bus error,
    // as the module's documentation says.)
    unsafe { memmap2::Mmap::map(&file) }.map_err(TorchError::io(path))
}
