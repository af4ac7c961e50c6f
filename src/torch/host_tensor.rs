//! Tensors copied to host memory and read in place.

use tch::Tensor;

use super::device::to_host;
use super::error::{Doing, TorchError};

/// A tensor of `f32` in host memory, read in place.
pub(super) struct HostTensor {
    tensor: Tensor,
    len: usize,
}

impl HostTensor {
    pub(super) fn new(tensor: &Tensor) -> Result<Self, TorchError> {
        // A tensor that is already contiguous `f32` in host memory, as logits on the CPU are, is
        // not copied.
        let tensor = to_host(tensor)
            .and_then(|tensor| tensor.f_to_kind(tch::Kind::Float)?.f_contiguous())
            .doing("copying logits")?;
        let len = tensor.numel();
        Ok(Self { tensor, len })
    }
}

impl AsRef<[f32]> for HostTensor {
    #[allow(unsafe_code)]
    fn as_ref(&self) -> &[f32] {
        let start = self.tensor.data_ptr().cast::<f32>();
        if start.is_null() {
            return &[];
        }
        // SAFETY: `new` made the tensor a contiguous one of f32 in host memory. There are therefore
        // `len` numbers from `start` on, aligned as libtorch allocates (64 bytes). The tensor is
        // owned by `self` and reachable through nothing else (the decoder returns a fresh one), so
        // the numbers are neither freed nor written while the slice lives.
        unsafe { std::slice::from_raw_parts(start, self.len) }
    }
}
