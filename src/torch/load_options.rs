//! The options for loading a model.

use super::device::{DeviceName, Dtype};
use super::device_rows::LogitsPlace;

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
