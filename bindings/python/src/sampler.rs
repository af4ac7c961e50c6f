//! Samplers: from a row of logits to a token.
//!
//! Options are those of the library's table of parameters, by name: a value becomes the text that
//! the table reads.

use super::array::{Array, Element, Rows};
use super::call::{lock, outside};
use super::error::CallError;
use super::masks::{lock_all, lock_order};
use super::token::{Whole, numbers, token, tokens};
use hedgerow::TokenId;
use hedgerow::sampling::logprobs::{self, Logprobs};
use hedgerow::sampling::presets::{PRESETS, Preset, RECIPES};
use hedgerow::sampling::{LogitRow, Parameter, Sampler as Inner, SamplingError, SamplingParams, Watermark};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use std::sync::Mutex;

/// A chain of sampling steps with its history and its random numbers.
///
/// The options are the library's, by name: `Sampler(temperature=0.7, top_p=0.9, seed=1)`.
/// `Sampler.parameters()` lists them with their meaning and defaults.
#[pyclass(frozen, weakref, module = "hedgerow")]
pub struct Sampler(Mutex<Inner>);

/// The most levels of lists in an option: sequences of tokens are lists in a list.
const LEVELS: usize = 2;

/// The text of an option, as the library's table reads it, with `separator` between the members of
/// a list; those of lists in it have colons.
fn spelled(value: &Bound<'_, PyAny>, separator: &str, levels: usize) -> PyResult<String> {
    if value.is_none() {
        return Ok("off".to_owned());
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_cow()?.into_owned());
    }
    if value.is_instance_of::<PyBool>() {
        return Err(PyTypeError::new_err("a sampling parameter is no bool"));
    }
    if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() {
        return Ok(value.str()?.to_cow()?.into_owned());
    }
    let Some(levels) = levels.checked_sub(1) else {
        return Err(PyTypeError::new_err("a sampling parameter is no list of lists of lists"));
    };
    if let Ok(pairs) = value.cast::<PyDict>() {
        let pairs = pairs.iter().map(|(key, value)| {
            Ok(format!("{}={}", spelled(&key, ":", levels)?, spelled(&value, ":", levels)?))
        });
        return Ok(pairs.collect::<PyResult<Vec<_>>>()?.join(","));
    }
    match value.try_iter() {
        Ok(members) => {
            let members = members.map(|member| spelled(&member?, ":", levels));
            Ok(members.collect::<PyResult<Vec<_>>>()?.join(separator))
        }
        // Numbers of other libraries.
        Err(_) => match value.extract::<Whole<'_>>() {
            Ok(number) => Ok(number.to_string()),
            Err(error) if error.is_instance_of::<PyTypeError>(value.py()) => {
                Ok(value.extract::<f64>()?.to_string())
            }
            Err(error) => Err(error),
        },
    }
}

fn params(options: Option<&Bound<'_, PyDict>>, mut params: SamplingParams) -> PyResult<SamplingParams> {
    for (name, value) in options.into_iter().flatten() {
        let name: String = name.extract()?;
        let Some(parameter) = Parameter::ALL.iter().find(|parameter| parameter.name == name) else {
            let said = format!("{name:?} is no sampling parameter; Sampler.parameters() lists them");
            return Err(PyTypeError::new_err(said));
        };
        // An order is a list of steps, though there is one for a sampler.
        let is_list = parameter.is_list || name == "order";
        let text = spelled(&value, if is_list { "," } else { ":" }, LEVELS)?;
        // Python's names have underscores, those of steps hyphens.
        let text = if name == "order" { text.replace('_', "-") } else { text };
        parameter.set(&mut params, &text).map_err(|error| {
            let failure = CallError::from(error);
            let failure = if value.is_none() { failure.renamed("`off`", "`None`") } else { failure };
            failure.raise(value.py())
        })?;
    }
    Ok(params)
}

/// Logits as the caller has them.
enum Logits<'py> {
    Array(Array<'py>),
    /// Rows of a list, or of 64-bit floats, as 32-bit floats; the rows follow each other.
    Narrowed {
        rows: usize,
        columns: usize,
        all: Vec<f32>,
    },
}

impl<'py> Logits<'py> {
    fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        match Array::readable(object, "logits") {
            Ok(array) if array.element == Element::F64 => {
                let given: Rows<&[f64]> = array.rows("logits", Element::F64)?;
                let rows = (0..given.rows).map(|row| &given.all[row * given.stride..][..given.columns]);
                let all = rows.flatten().map(|&logit| logit as f32).collect();
                Ok(Logits::Narrowed { rows: given.rows, columns: given.columns, all })
            }
            Ok(array) => Ok(Logits::Array(array)),
            Err(error)
                if error.is_instance_of::<PyTypeError>(object.py()) && !object.hasattr("__dlpack__")? =>
            {
                match object.extract::<Vec<f32>>() {
                    Ok(all) => Ok(Logits::Narrowed { rows: 1, columns: all.len(), all }),
                    Err(_) if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() => {
                        Err(PyTypeError::new_err("logits are a row of floats, which this list is not"))
                    }
                    Err(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Each row.
    fn rows(&self) -> PyResult<Vec<LogitRow<'_>>> {
        match self {
            Logits::Narrowed { rows, columns, all } => {
                Ok((0..*rows).map(|row| LogitRow::F32(&all[row * columns..][..*columns])).collect())
            }
            Logits::Array(array) => match array.element {
                Element::F32 => {
                    let rows: Rows<&[f32]> = array.rows("logits", Element::F32)?;
                    Ok((0..rows.rows)
                        .map(|row| LogitRow::F32(&rows.all[row * rows.stride..][..rows.columns]))
                        .collect())
                }
                Element::F16 | Element::Bf16 => {
                    let rows: Rows<&[u16]> = array.rows("logits", array.element)?;
                    let slices = (0..rows.rows).map(|row| &rows.all[row * rows.stride..][..rows.columns]);
                    Ok(match array.element {
                        Element::F16 => slices.map(LogitRow::F16).collect(),
                        _ => slices.map(LogitRow::Bf16).collect(),
                    })
                }
                _ => Err(PyTypeError::new_err(
                    "logits holds integers; it must hold floats of 16, 32 or 64 bits",
                )),
            },
        }
    }

    /// The one row.
    fn row(&self) -> PyResult<LogitRow<'_>> {
        match self.rows()?[..] {
            [row] => Ok(row),
            ref rows => {
                Err(PyValueError::new_err(format!("there are {} rows of logits; give one", rows.len())))
            }
        }
    }
}

/// The one row of a mask.
fn mask_of<'a>(array: Option<&'a Array<'_>>) -> PyResult<Option<&'a [u32]>> {
    let Some(array) = array else { return Ok(None) };
    let rows: Rows<&[u32]> = array.rows("mask", Element::Word)?;
    match rows.rows {
        1 => Ok(Some(&rows.all[..rows.columns])),
        count => Err(PyValueError::new_err(format!("there are {count} rows of masks; give one"))),
    }
}

/// The one row of logits, to be written.
fn one_row<T>(rows: Rows<&mut [T]>) -> PyResult<&mut [T]> {
    match rows.rows {
        1 => Ok(&mut rows.all[..rows.columns]),
        count => Err(PyValueError::new_err(format!("there are {count} rows of logits; give one"))),
    }
}

/// The `Logprobs` of Python.
fn logprobs_record(py: Python<'_>, found: Logprobs) -> PyResult<Bound<'_, PyAny>> {
    let class = py.import("hedgerow.errors")?.getattr("Logprobs")?;
    class.call1((found.chosen, distribution_list(found.top)))
}

/// The logarithms of probabilities in the softmax of a row as the model gave it, without mask,
/// penalties or temperature: of `token`, and of the `top` most probable tokens.
#[pyfunction(name = "logprobs")]
#[pyo3(signature = (logits, token, top=None), text_signature = "(logits, token, top=0)")]
pub fn raw_logprobs<'py>(
    logits: &Bound<'py, PyAny>,
    token: &Bound<'py, PyAny>,
    top: Option<Whole<'_>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (token, top) = (self::token(token)?, top.map_or(Ok(0), |top| top.count("top"))?);
    let held = Logits::of(logits)?;
    let row = held.row()?;
    logprobs_record(logits.py(), outside(logits.py(), move || Ok(logprobs::raw(row, token, top)?))?)
}

/// The evidence for a watermark in tokens: how many of them had a green list, how many were on
/// theirs, and the distance from chance in standard deviations.
///
/// `vocabulary_size` is the length of the rows of logits that the tokens were drawn from, and
/// `watermark` the option of the `Sampler` that drew them.
#[pyfunction]
#[pyo3(
    signature = (tokens, vocabulary_size, watermark=None),
    text_signature = "(tokens, vocabulary_size, watermark=(0.25, 2.0))"
)]
pub fn detect_watermark<'py>(
    py: Python<'py>,
    tokens: &Bound<'py, PyAny>,
    vocabulary_size: Whole<'_>,
    watermark: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let tokens = self::tokens(tokens)?;
    // A vocabulary is shuffled as a whole, so its size bounds the memory.
    let size = vocabulary_size.within("vocabulary_size", MAX_WATERMARKED)? as usize;
    let rule = match watermark {
        None => Watermark::default(),
        Some(given) => {
            let options = PyDict::new(py);
            options.set_item("watermark", given)?;
            let params = params(Some(&options), SamplingParams::default())?;
            params.validate().map_err(|error| CallError::from(error).raise(py))?;
            let off = || PyValueError::new_err("watermark is off; give the ratio and the bias");
            params.watermark.ok_or_else(off)?
        }
    };
    let found = outside(py, move || Ok(rule.detect(&tokens, size)))?;
    let class = py.import("hedgerow.errors")?.getattr("WatermarkEvidence")?;
    class.call1((found.scored, found.green, found.z_score))
}

/// The largest vocabulary whose green lists are made.
const MAX_WATERMARKED: u64 = 1 << 24;

impl Sampler {
    /// Does something with a row of logits and a mask.
    fn with_row<T: Send>(
        &self,
        logits: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
        work: impl FnOnce(&mut Inner, LogitRow<'_>, Option<&[u32]>) -> Result<T, SamplingError> + Send,
    ) -> PyResult<T> {
        let array = mask.map(|mask| Array::readable(mask, "mask")).transpose()?;
        let (held, mask) = (Logits::of(logits)?, mask_of(array.as_ref())?);
        let row = held.row()?;
        outside(logits.py(), move || Ok(work(&mut *lock(&self.0)?, row, mask)?))
    }

    fn ask<T: Send>(&self, py: Python<'_>, question: impl FnOnce(&mut Inner) -> T + Send) -> PyResult<T> {
        outside(py, || Ok(question(&mut *lock(&self.0)?)))
    }
}

/// A distribution: tokens with their probabilities.
type Distribution = Vec<(u32, f32)>;

fn distribution_list(tokens: Vec<(TokenId, f32)>) -> Distribution {
    tokens.into_iter().map(|(token, p)| (token.0, p)).collect()
}

#[pymethods]
impl Sampler {
    #[new]
    #[pyo3(signature = (**options))]
    fn new(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let params = params(options, SamplingParams::default())?;
        Ok(Sampler(Mutex::new(outside(py, || Ok(Inner::new(params)?))?)))
    }

    /// A sampler with the options of a named preset, and others on top.
    #[staticmethod]
    #[pyo3(signature = (name, **options))]
    fn preset(py: Python<'_>, name: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let preset = Preset::by_name(name).ok_or_else(|| {
            let known: Vec<&str> = PRESETS.iter().chain(&RECIPES).map(|preset| preset.name).collect();
            let said = format!("no preset is called {name:?}; there are {}", known.join(", "));
            PyValueError::new_err(said)
        })?;
        let params = params(options, preset.params())?;
        Ok(Sampler(Mutex::new(outside(py, || Ok(Inner::new(params)?))?)))
    }

    /// Every option: name, form of its text, default as text, and meaning.
    #[staticmethod]
    fn parameters<'py>(py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let class = py.import("hedgerow.errors")?.getattr("SamplingParameter")?;
        let plain = SamplingParams::default();
        let rows = Parameter::ALL.iter();
        rows.map(|row| class.call1((row.name, row.form, row.get(&plain), row.is_list, row.help()))).collect()
    }

    /// The options that are not the default's, as texts.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let changed = self.ask(py, |sampler| sampler.params().changed())?;
        let params = PyDict::new(py);
        for (name, text) in changed {
            params.set_item(name, text)?;
        }
        Ok(params)
    }

    /// Draws a token from a row of logits, among those that `mask` allows. Call `accept` with the
    /// token that is used.
    ///
    /// `logits` is a row of floats of 16, 32 or 64 bits: of NumPy, of torch on the CPU, or a list.
    #[pyo3(signature = (logits, mask=None))]
    fn sample(&self, logits: &Bound<'_, PyAny>, mask: Option<&Bound<'_, PyAny>>) -> PyResult<u32> {
        self.with_row(logits, mask, |sampler, row, mask| Ok(sampler.sample(row, mask)?.token.0))
    }

    /// Draws a token; with it, the logarithm of the probability that it was drawn with.
    #[pyo3(signature = (logits, mask=None))]
    fn sample_with_logprob(
        &self,
        logits: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(u32, f32)> {
        let drawn = self.with_row(logits, mask, |sampler, row, mask| sampler.sample(row, mask))?;
        Ok((drawn.token.0, drawn.logprob))
    }

    /// The distribution that `sample` draws from: the tokens that can be drawn with their
    /// probabilities.
    #[pyo3(signature = (logits, mask=None))]
    fn distribution(
        &self,
        logits: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Distribution> {
        self.with_row(logits, mask, |sampler, row, mask| {
            Ok(distribution_list(sampler.distribution(row, mask)?))
        })
    }

    /// The distribution after each step of the chain: the step's name, and the tokens that it kept.
    #[pyo3(signature = (logits, mask=None))]
    fn stages(
        &self,
        logits: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<(&'static str, Distribution)>> {
        self.with_row(logits, mask, |sampler, row, mask| {
            let stages = sampler.stages(row, mask)?;
            Ok(stages.into_iter().map(|stage| (stage.name, distribution_list(stage.kept))).collect())
        })
    }

    /// Applies to a row of 32- or 64-bit logits, in place, what the chain does to single tokens:
    /// biases, bans, penalties and the mask, which gives minus infinity. Temperature and
    /// truncations are left out. For loops that rank tokens.
    ///
    /// Sums and products are 32-bit floats. A 64-bit logit that nothing applies to stays as it is.
    #[pyo3(signature = (logits, mask=None))]
    fn process(
        &self,
        py: Python<'_>,
        logits: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let mut array = Array::writable(logits, "logits")?;
        let masks = mask.map(|mask| Array::readable(mask, "mask")).transpose()?;
        masks.as_ref().map_or(Ok(()), |masks| array.check_apart(masks))?;
        let mask = mask_of(masks.as_ref())?;
        match array.element {
            Element::F64 => {
                let row = one_row(array.rows_mut::<f64>("logits", Element::F64)?)?;
                outside(py, move || {
                    let given: Vec<f32> = row.iter().map(|&logit| logit as f32).collect();
                    let mut narrow = given.clone();
                    lock(&self.0)?.process(&mut narrow, mask)?;
                    for (logit, (before, after)) in row.iter_mut().zip(given.into_iter().zip(narrow)) {
                        if before != after {
                            *logit = f64::from(after);
                        }
                    }
                    Ok(())
                })
            }
            Element::F16 | Element::Bf16 => Err(PyTypeError::new_err(
                "logits holds 16-bit floats; process writes its results into floats of 32 or 64 bits",
            )),
            _ => {
                let row = one_row(array.rows_mut::<f32>("logits", Element::F32)?)?;
                outside(py, move || Ok(lock(&self.0)?.process(row, mask)?))
            }
        }
    }

    /// The logarithms of probabilities in the distribution that `sample` draws from: of `token`,
    /// and of the `top` most probable tokens. `hedgerow.logprobs` gives them as the model does.
    #[pyo3(signature = (logits, token, top=None, mask=None), text_signature = "($self, logits, token, top=0, mask=None)")]
    fn logprobs<'py>(
        &self,
        logits: &Bound<'py, PyAny>,
        token: &Bound<'py, PyAny>,
        top: Option<Whole<'_>>,
        mask: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (token, top) = (self::token(token)?, top.map_or(Ok(0), |top| top.count("top"))?);
        let found = self.with_row(logits, mask, |sampler, row, mask| {
            Ok(logprobs::processed(&sampler.distribution(row, mask)?, token, top))
        })?;
        logprobs_record(logits.py(), found)
    }

    /// Takes a token into the history.
    fn accept(&self, py: Python<'_>, token: &Bound<'_, PyAny>) -> PyResult<()> {
        let token = self::token(token)?;
        self.ask(py, |sampler| sampler.accept(token))
    }

    /// Takes back the last tokens of the output.
    #[pyo3(signature = (tokens=None), text_signature = "($self, tokens=1)")]
    fn rollback(&self, py: Python<'_>, tokens: Option<Whole<'_>>) -> PyResult<()> {
        let tokens = tokens.map_or(Ok(1), |tokens| tokens.count("tokens"))?;
        outside(py, || Ok(lock(&self.0)?.rollback_tokens(tokens)?))
    }

    /// Begins anew behind a prompt, which penalties look at.
    fn set_prompt(&self, py: Python<'_>, prompt: &Bound<'_, PyAny>) -> PyResult<()> {
        let prompt = tokens(prompt)?;
        self.ask(py, |sampler| sampler.with_prompt(&prompt))
    }

    /// Begins anew behind the same prompt.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, Inner::reset)
    }

    /// A sampler with the same options and history, which goes its own way.
    fn fork(&self, py: Python<'_>) -> PyResult<Self> {
        Ok(Sampler(Mutex::new(self.ask(py, |sampler| sampler.clone())?)))
    }

    /// The number of tokens of the output.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, |sampler| sampler.position())
    }

    /// The tokens of the output.
    #[getter]
    fn output(&self, py: Python<'_>) -> PyResult<Vec<u32>> {
        self.ask(py, |sampler| numbers(sampler.output()))
    }

    fn __copy__(&self, py: Python<'_>) -> PyResult<Self> {
        self.fork(py)
    }

    fn __deepcopy__(&self, py: Python<'_>, _memo: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.fork(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let changed = self.ask(py, |sampler| sampler.params().changed())?;
        let changed: Vec<String> =
            changed.into_iter().map(|(name, text)| format!("{name}={text:?}")).collect();
        Ok(format!("Sampler({})", changed.join(", ")))
    }
}

/// Draws a token for each sampler from its row of logits, in one call without the interpreter's
/// lock.
///
/// `masks` has a row for each, or is left out. No sampler may be given twice. At most `threads`
/// threads work at it, by default one for each processor; a few rows need one only.
#[pyfunction]
#[pyo3(signature = (samplers, logits, masks=None, *, threads=None))]
pub fn sample_batch(
    py: Python<'_>,
    samplers: &Bound<'_, PyAny>,
    logits: &Bound<'_, PyAny>,
    masks: Option<&Bound<'_, PyAny>>,
    threads: Option<Whole<'_>>,
) -> PyResult<Vec<u32>> {
    let threads = super::masks::threads(threads)?;
    let samplers: Vec<Bound<'_, Sampler>> =
        samplers.try_iter()?.map(|sampler| Ok(sampler?.cast_into()?)).collect::<PyResult<_>>()?;
    let samplers: Vec<&Sampler> = samplers.iter().map(|sampler| sampler.get()).collect();
    let held = Logits::of(logits)?;
    let logits = held.rows()?;
    let array = masks.map(|masks| Array::readable(masks, "masks")).transpose()?;
    let mask_rows: Option<Rows<&[u32]>> =
        array.as_ref().map(|array| array.rows("masks", Element::Word)).transpose()?;
    let mut counts = vec![(logits.len(), "rows of logits")];
    counts.extend(mask_rows.as_ref().map(|masks| (masks.rows, "rows of masks")));
    if let Some((count, what)) = counts.into_iter().find(|(count, _)| *count != samplers.len()) {
        let said = format!("there are {} samplers, but {count} {what}", samplers.len());
        return Err(PyValueError::new_err(said));
    }
    let Some(order) = lock_order(&samplers) else {
        return Err(PyValueError::new_err("a sampler is given twice; fork it"));
    };
    outside(py, move || {
        let mut guards = lock_all(&order, |at| &samplers[at].0)?;
        let mut inner: Vec<&mut Inner> = guards.iter_mut().map(|guard| &mut **guard).collect();
        let mask = |row| mask_rows.as_ref().map(|masks| masks.row(row));
        let rows: Vec<_> = logits.into_iter().enumerate().map(|(at, row)| (row, mask(at))).collect();
        let drawn = hedgerow::sampling::sample_batch(&mut inner, &rows, threads).into_iter();
        drawn.map(|drawn| Ok(drawn?.token.0)).collect()
    })
}
