//! Sampling: from a row of logits to a token.
//!
//! [`Sampler`] runs a chain of steps over one row of logits, under an optional grammar mask, and
//! draws a token. [`SamplingParams`] says which steps, [`ChainOrder`] in what order. Every strategy
//! is also a function of its own on [`Candidates`], in the module of its family.
//!
//! - **Distribution.** P(token) = the chain applied to the masked logits, each step on the
//!   renormalised distribution that the step before left. Shortcuts have the same distribution as
//!   the steps they replace.
//! - **State** changes in [`Sampler::accept`] only; [`Sampler::checkpoint`] and
//!   [`Sampler::rollback`] serve beams and speculation.
//! - **Random numbers** are counted, not generated in turn ([`Rng`]): the same seed gives the same
//!   tokens in any batch.
//! - **Errors, never NaN** ([`SamplingError`]).
//!
//! ```
//! use hedgerow::sampling::{Sampler, SamplingParams};
//! let params = SamplingParams::default().temperature(0.8).top_k(40).top_p(0.95).seed(3);
//! let mut sampler = Sampler::new(params)?;
//! sampler.with_prompt(&[]);
//! let logits = vec![0.0; 1000];
//! let checkpoint = sampler.checkpoint();
//! let first = sampler.sample(&logits, None)?;
//! sampler.accept(first.token);
//! sampler.rollback(&checkpoint)?;
//! assert_eq!(sampler.sample(&logits, None)?, first);
//! # Ok::<(), hedgerow::sampling::SamplingError>(())
//! ```

pub mod adaptive;
mod batch;
pub mod bias;
mod block_maxima;
mod candidates;
mod chain;
pub mod dry;
mod error;
mod history;
pub mod logprobs;
pub mod mirostat;
pub mod parameter_sets;
mod params;
pub mod penalties;
mod prefix;
pub mod presets;
mod rank;
mod rng;
mod row;
mod sampler;
mod simd;
pub mod smoothing;
mod step_settings;
mod steps;
pub mod temperature;
pub mod truncation;
mod value;
pub mod watermark;

pub use batch::sample_batch;
pub use candidates::Candidates;
pub use chain::ChainOrder;
pub use error::SamplingError;
pub use params::{Group, Parameter, SamplingParams};
pub use rng::{Purpose, Rng};
pub use row::LogitRow;
pub(crate) use row::{bf16_from_f32, f16_from_f32};
pub use sampler::{Sampled, Sampler, SamplerCheckpoint, Stage, TopLogits, TopLogitsQuery};
pub use step_settings::{
    AdaptiveP, Dry, DynamicTemperature, ExponentialDecay, Mirostat, MirostatVersion, PLess, Selection,
    Smoothing, TailFreeEnd, Ties, Watermark, WatermarkSeeding, Xtc,
};
pub use steps::Step;
