//! Weights from a GGUF file, decoded to `f32` as they are read.

use tch::Tensor;

use super::dequantize::{BlockFormat, SUPPORTED};
use super::{Member, Role, WeightSource};
use crate::gguf::{GgufFile, GgufTensor};
use crate::torch::error::{Doing, TorchError};

/// The tensors of a parsed file.
pub(crate) struct GgufWeights<'a> {
    file: &'a GgufFile<'a>,
}

impl<'a> GgufWeights<'a> {
    pub(crate) fn new(file: &'a GgufFile<'a>) -> Self {
        Self { file }
    }

    fn find(&self, role: Role, member: Member) -> Option<&GgufTensor<'a>> {
        self.file.tensor(&role.gguf_name(member))
    }
}

impl WeightSource for GgufWeights<'_> {
    fn name(&self, role: Role, member: Member) -> String {
        role.gguf_name(member)
    }

    fn shape(&self, role: Role, member: Member) -> Option<Vec<i64>> {
        let dims = self.find(role, member)?.dims();
        // ggml lists dimensions from the innermost. A size past i64 becomes −1, which matches no
        // expected size.
        Some(dims.iter().rev().map(|&size| i64::try_from(size).unwrap_or(-1)).collect())
    }

    fn read(&self, role: Role, member: Member) -> Result<Tensor, TorchError> {
        let name = self.name(role, member);
        let Some(tensor) = self.find(role, member) else {
            return Err(TorchError::MissingTensor { name });
        };
        let Some(format) = BlockFormat::from_ggml_type(tensor.ggml_type().0) else {
            let format = tensor.ggml_type().to_string();
            return Err(TorchError::TensorFormat { name, format, supported: SUPPORTED });
        };
        let wrong_bytes = |found, expected| TorchError::TensorBytes { name: name.clone(), found, expected };
        let bytes = self.file.tensor_bytes(tensor).map_err(|_| wrong_bytes(0, usize::MAX))?;
        let blocks = bytes.len() / format.block_bytes();
        let count = blocks * format.block_len();
        if bytes.len() % format.block_bytes() != 0 || count as u64 != tensor.element_count() {
            let expected = tensor.element_count() as usize / format.block_len() * format.block_bytes();
            return Err(wrong_bytes(bytes.len(), expected));
        }
        let mut numbers = vec![0.0_f32; count];
        format.decode_parallel(bytes, &mut numbers);
        let shape = self.shape(role, member).unwrap_or_default();
        Tensor::f_from_slice(&numbers).and_then(|flat| flat.f_reshape(shape)).doing("copying weights")
    }

    fn names(&self) -> Vec<String> {
        self.file.tensors().iter().map(|tensor| tensor.name().to_owned()).collect()
    }

    fn total_bytes(&self) -> u64 {
        self.file
            .tensors()
            .iter()
            .filter_map(|tensor| tensor.byte_range())
            .map(|range| range.len() as u64)
            .sum()
    }

    fn bytes(&self, role: Role, member: Member) -> u64 {
        self.find(role, member).and_then(GgufTensor::byte_range).map_or(0, |range| range.len() as u64)
    }
}
