//! The Python package of hedgerow: `hedgerow._core`, an extension module over the library's front
//! door.
//!
//! # Rules that every file keeps
//!
//! - Work runs in [`outside`](call::outside): without the interpreter's lock, and with panics
//!   caught and raised as `hedgerow.InternalError`.
//! - Objects are frozen. What changes (a matcher, a sampler) sits behind a mutex that is only
//!   locked outside of the interpreter's lock, so that threads may share everything, on
//!   free-threaded builds too.
//! - Memory of other libraries comes through the buffer protocol or DLPack ([`array`]); neither
//!   NumPy nor torch is imported.
//! - Errors become exceptions in one place ([`error`]).
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod array;
mod call;
mod constraint;
mod detokenizer;
mod error;
mod events;
mod grammar;
mod interrupt;
mod limits;
mod masks;
mod matcher;
mod names;
mod parameter_set;
mod sampler;
mod schema_options;
mod token;
mod token_fsm;
mod vocabulary;

use pyo3::prelude::*;

/// The extension module.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<vocabulary::Vocabulary>()?;
    module.add_class::<grammar::Grammar>()?;
    module.add_class::<limits::Limits>()?;
    module.add_class::<interrupt::CancelFlag>()?;
    module.add_class::<constraint::Constraint>()?;
    module.add_class::<matcher::Matcher>()?;
    module.add_class::<events::Events>()?;
    module.add_class::<detokenizer::Detokenizer>()?;
    module.add_class::<token_fsm::TokenFsm>()?;
    module.add_class::<sampler::Sampler>()?;
    module.add_function(wrap_pyfunction!(constraint::compile, module)?)?;
    module.add_function(wrap_pyfunction!(grammar::restore_grammar, module)?)?;
    module.add_function(wrap_pyfunction!(masks::fill_masks, module)?)?;
    module.add_function(wrap_pyfunction!(masks::mask_logits, module)?)?;
    module.add_function(wrap_pyfunction!(sampler::sample_batch, module)?)?;
    module.add_function(wrap_pyfunction!(sampler::raw_logprobs, module)?)?;
    module.add_function(wrap_pyfunction!(sampler::detect_watermark, module)?)?;
    module.add_function(wrap_pyfunction!(parameter_set::read_parameters, module)?)?;
    Ok(())
}
