//! Sampling parameters as other APIs spell them.

use super::call::outside;
use super::schema_options::policy;
use hedgerow::sampling::parameter_sets::{Api, Beams, ParameterSet};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// Reads the sampling parameters of a request or a configuration of another API: JSON text, or a
/// dict. `api` is "openai", "anthropic", "hugging-face" (a `generation_config.json`) or "vllm".
///
/// `Sampler(**read.options)` makes the sampler. The other attributes are for the loop around it:
/// stop strings, the number of outputs, log probabilities, beams. Fields that the API does not
/// have, and values out of range, raise `SamplingError`.
#[pyfunction]
pub fn read_parameters<'py>(
    py: Python<'py>,
    api: &str,
    parameters: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let api: Api = policy("api", api).map_err(|failure| failure.raise(py))?;
    let json = py.import("json")?;
    let is_text = parameters.cast::<PyString>().is_ok() || parameters.extract::<&[u8]>().is_ok();
    let text: Vec<u8> = match is_text {
        true => super::token::text(parameters)?,
        false => json.call_method1("dumps", (parameters,))?.extract::<String>()?.into_bytes(),
    };
    let text = String::from_utf8(text)
        .map_err(|_| pyo3::exceptions::PyValueError::new_err("the parameters are not UTF-8"))?;
    let set = outside(py, move || Ok(ParameterSet::from_text(api, &text)?))?;
    let options = PyDict::new(py);
    for (name, value) in set.sampling.changed() {
        options.set_item(name, value)?;
    }
    let format = match &set.response_format {
        Some(format) => json.call_method1("loads", (format.to_string(),))?,
        None => py.None().into_bound(py),
    };
    let records = py.import("hedgerow.errors")?;
    let beams = match &set.beams {
        Some(beams) => beams_record(&records, beams)?,
        None => py.None().into_bound(py),
    };
    let ParameterSet { api, seed, stop, bad_words, completions, logprobs, .. } = set;
    let ParameterSet { max_length, min_length, passed_over, unused, .. } = set;
    let head = (api.name(), options, seed, stop, bad_words, completions, logprobs, format, beams);
    let tail = (max_length, min_length, passed_over, unused);
    let parts = head.into_pyobject(py)?.as_sequence().concat(tail.into_pyobject(py)?.as_sequence())?;
    records.getattr("ParameterSet")?.call1(parts.to_tuple()?)
}

/// The `Beams` of Python.
fn beams_record<'py>(records: &Bound<'py, PyModule>, beams: &Beams) -> PyResult<Bound<'py, PyAny>> {
    let Beams { beams, groups, diversity_penalty, length_penalty, early_stopping, .. } = *beams;
    let parts = (beams, groups, diversity_penalty, length_penalty, early_stopping.name());
    records.getattr("Beams")?.call1(parts)
}
