//! Devices and number formats by name, transfers to a device and back, and libtorch's threads.
//!
//! One binary serves both builds of libtorch. The CPU build has no CUDA library. In a CUDA build it
//! is a separate file, `libtorch_cuda.so`, which registers its kernels when it is loaded, and
//! hedgerow is not linked against it. It is therefore loaded by name before the first question
//! about devices. If it is absent, there is no CUDA.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use tch::kind::Element;
use tch::{Device, TchError, Tensor};

use super::error::TorchError;

/// The device on which a model computes, by name: `cpu`, `cuda` (the first GPU), `cuda:N`, or
/// `auto` (the first GPU if there is one, otherwise the CPU).
///
/// ```
/// use hedgerow::torch::DeviceName;
///
/// assert_eq!("cuda:1".parse::<DeviceName>().unwrap(), DeviceName::Cuda(1));
/// assert_eq!("cpu".parse::<DeviceName>().unwrap().to_string(), "cpu");
/// assert!("gpu".parse::<DeviceName>().unwrap_err().to_string().contains("`cuda:N`"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceName {
    /// The CPU.
    #[default]
    Cpu,
    /// The GPU with this index.
    Cuda(usize),
    /// The first GPU if there is one, otherwise the CPU.
    Auto,
}

impl DeviceName {
    /// The libtorch device of this name.
    ///
    /// The first call in a process loads the CUDA library of libtorch if one is installed.
    ///
    /// # Errors
    ///
    /// [`TorchError::DeviceUnavailable`] for a GPU that does not exist.
    pub fn resolve(self) -> Result<tch::Device, TorchError> {
        let unavailable = |reason: String| TorchError::DeviceUnavailable { name: self.to_string(), reason };
        match self {
            Self::Cpu => Ok(tch::Device::Cpu),
            Self::Auto if cuda_devices() > 0 => Ok(tch::Device::Cuda(0)),
            Self::Auto => Ok(tch::Device::Cpu),
            Self::Cuda(index) => match cuda_devices() {
                0 if !cuda_library() => Err(unavailable(
                    "this libtorch is built for the CPU only; build hedgerow with LIBTORCH set to a CUDA \
                     build of libtorch, or use `cpu`"
                        .to_owned(),
                )),
                0 => Err(unavailable(
                    "no CUDA device answers; check the driver (nvidia-smi), or use `cpu`".to_owned(),
                )),
                count if index >= count => Err(unavailable(format!(
                    "there are {count} CUDA devices, numbered from 0 to {}",
                    count - 1
                ))),
                _ => Ok(tch::Device::Cuda(index)),
            },
        }
    }
}

impl FromStr for DeviceName {
    type Err = TorchError;

    fn from_str(name: &str) -> Result<Self, TorchError> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "auto" => Ok(Self::Auto),
            _ => name
                .strip_prefix("cuda:")
                .filter(|digits| digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| TorchError::UnknownDevice { name: name.to_owned() }),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
            Self::Auto => formatter.write_str("auto"),
        }
    }
}

/// The number format of weights, activations and the cache. Logits are always handed out as `f32`.
///
/// On a processor with AVX2 and without bf16 instructions, `f32` reads prompts faster. There `bf16`
/// decodes faster, and it takes half the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// bfloat16: the exponent of `f32` with 8 bits of precision.
    Bf16,
    /// IEEE half precision; meant for GPUs.
    F16,
}

impl Dtype {
    pub(super) fn kind(self) -> tch::Kind {
        match self {
            Self::F32 => tch::Kind::Float,
            Self::Bf16 => tch::Kind::BFloat16,
            Self::F16 => tch::Kind::Half,
        }
    }
}

impl FromStr for Dtype {
    type Err = TorchError;

    fn from_str(name: &str) -> Result<Self, TorchError> {
        match name {
            "f32" | "float32" => Ok(Self::F32),
            "bf16" | "bfloat16" => Ok(Self::Bf16),
            "f16" | "float16" => Ok(Self::F16),
            _ => Err(TorchError::UnknownDtype { name: name.to_owned() }),
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}

/// Sets the number of threads with which libtorch computes, for the whole process.
///
/// By default libtorch takes one thread per physical core. Between kernels its OpenMP workers spin,
/// unless the environment variable `OMP_WAIT_POLICY` is `passive` when the process starts. Spinning
/// is expensive beside another busy process. A single thread never spins. The command `hedgerow`
/// starts itself with `passive` unless the variable is set.
///
/// # Errors
///
/// [`TorchError::Threads`] for 0 or more than 1024.
pub fn set_threads(count: usize) -> Result<(), TorchError> {
    const LIMIT: usize = 1024;
    match i32::try_from(count) {
        Ok(threads) if (1..=LIMIT).contains(&count) => {
            tch::set_num_threads(threads);
            Ok(())
        }
        _ => Err(TorchError::Threads { given: count, limit: LIMIT }),
    }
}

/// Copies numbers to a device. A copy to a GPU goes through pinned memory, and the host does not
/// wait for it.
pub(super) fn upload<T: Element>(numbers: &[T], device: Device) -> Result<Tensor, TchError> {
    let host = Tensor::f_from_slice(numbers)?;
    match device {
        Device::Cuda(_) => {
            // libtorch keeps the pinned block until the copy is done.
            host.f_pin_memory(device)?.f_to_device_(device, host.kind(), true, false)
        }
        _ => host.f_to_device(device),
    }
}

/// Copies a tensor to host memory, through a pinned block if it comes from a GPU. The host waits
/// for it.
pub(super) fn to_host(tensor: &Tensor) -> Result<Tensor, TchError> {
    match tensor.device() {
        Device::Cpu => Ok(tensor.shallow_clone()),
        device => {
            let block = Tensor::f_empty(tensor.size(), (tensor.kind(), Device::Cpu))?;
            let mut block = block.f_pin_memory(device)?;
            block.f_copy_(tensor)?;
            Ok(block)
        }
    }
}

/// Number of available CUDA devices; 0 without the CUDA library of libtorch.
fn cuda_devices() -> usize {
    // libtorch's device count asks the driver, and is 0 if the CUDA library is missing.
    if cuda_library() && tch::utils::has_cuda() {
        usize::try_from(tch::Cuda::device_count()).unwrap_or(0)
    } else {
        0
    }
}

/// Loads the CUDA library of libtorch, once; returns false if there is none.
fn cuda_library() -> bool {
    static LOADED: OnceLock<bool> = OnceLock::new();
    *LOADED.get_or_init(load_cuda_library)
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn load_cuda_library() -> bool {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: loading a library runs its initialisers. This library belongs to the libtorch with
    // which the process is linked (it is looked up in the same folders). Its initialisers register
    // kernels. They are written to run at any time after those of libtorch_cpu, which has been
    // loaded before `main`. The handle is leaked, so nothing that the initialisers registered is
    // ever unloaded.
    match unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            std::mem::forget(library);
            true
        }
        Err(_) => false,
    }
}

#[cfg(not(unix))]
fn load_cuda_library() -> bool {
    // On other systems the CUDA library is linked like any other, or there is none.
    tch::utils::has_cuda()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["cpu", "cuda:0", "cuda:15", "auto"] {
            assert_eq!(name.parse::<DeviceName>().unwrap().to_string(), name);
        }
        for name in ["f32", "bf16", "f16"] {
            assert_eq!(name.parse::<Dtype>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse::<DeviceName>().unwrap(), DeviceName::Cuda(0));
    }

    #[test]
    fn strange_names_are_refused() {
        for name in ["", "CPU", "cuda:", "cuda:-1", "cuda:+1", "cuda:99999999999999999999", "mps"] {
            assert!(matches!(name.parse::<DeviceName>(), Err(TorchError::UnknownDevice { .. })), "{name}");
        }
        for name in ["", "int8", "F32"] {
            assert!(matches!(name.parse::<Dtype>(), Err(TorchError::UnknownDtype { .. })), "{name}");
        }
    }

    #[test]
    fn a_missing_gpu_is_an_error_and_not_a_crash() {
        assert_eq!(DeviceName::Cpu.resolve().unwrap(), tch::Device::Cpu);
        let message = DeviceName::Cuda(9999).resolve().unwrap_err().to_string();
        assert!(message.starts_with("device `cuda:9999` is not available: "), "{message}");
        DeviceName::Auto.resolve().unwrap();
    }

    #[test]
    fn thread_counts_are_checked() {
        assert!(matches!(set_threads(0), Err(TorchError::Threads { given: 0, .. })));
        assert!(matches!(set_threads(usize::MAX), Err(TorchError::Threads { .. })));
    }
}
