//! Masks of many matchers at once, and masks applied to logits.

use super::array::{Array, Element, Number, Rows, check_words};
use super::call::{lock, outside};
use super::error::CallError;
use super::matcher::Matcher;
use super::token::{self, Whole};
use hedgerow::engine;
use hedgerow::vocab;
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, OnceLock};

/// Fills one mask row for each matcher, in one call without the interpreter's lock.
///
/// Matcher `i` writes row `rows[i]` of `out`, or row `i`. The matchers may be of different
/// constraints, over vocabularies of one size; none may be given twice. At most `threads` threads
/// work at it, by default as many as there are processors; they are only started where masks of
/// several constraints are unknown.
#[pyfunction]
#[pyo3(signature = (matchers, out, *, rows=None, threads=None))]
pub fn fill_masks(
    py: Python<'_>,
    matchers: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    rows: Option<&Bound<'_, PyAny>>,
    threads: Option<Whole<'_>>,
) -> PyResult<()> {
    let matchers: Vec<Bound<'_, Matcher>> =
        matchers.try_iter()?.map(|matcher| Ok(matcher?.cast_into()?)).collect::<PyResult<_>>()?;
    let chosen = rows.map(|rows| token::rows(rows)).transpose()?;
    let threads = self::threads(threads)?;
    let mut array = Array::writable(out, "out")?;
    let target: Rows<&mut [u32]> = array.rows_mut("out", Element::Word)?;
    let matchers: Vec<&Matcher> = matchers.iter().map(|matcher| matcher.get()).collect();
    let chosen = chosen_rows(chosen, &matchers, &target)?;
    let order = check(&matchers, &target)?;
    let Some(first) = matchers.first() else { return Ok(()) };
    let words = first.words();
    outside(py, move || {
        let mut guards = lock_all(&order, |at| matchers[at].inner())?;
        let mut inner: Vec<&mut hedgerow::Matcher> = guards.iter_mut().map(|guard| &mut **guard).collect();
        let mut all: Vec<Option<&mut [u32]>> = target.all.chunks_mut(target.stride).map(Some).collect();
        let (mut masks, mut behind) = (Vec::new(), Vec::new());
        for at in 0..inner.len() {
            let row = all[chosen[at]].take();
            let row = row.ok_or_else(|| CallError::argument("a row is given twice".to_owned()))?;
            let (mask, rest) = row[..target.columns].split_at_mut(words);
            masks.push(mask);
            behind.push(rest);
        }
        let failures = engine::fill_mask_rows(&mut inner, masks, threads);
        if let Some((_, error)) = failures.into_iter().next() {
            return Err(error.into());
        }
        behind.into_iter().for_each(|rest| rest.fill(0));
        Ok(())
    })
}

/// The number of processors. The system is asked once: the answer takes it longer than known masks
/// take us.
fn processors() -> NonZeroUsize {
    static KNOWN: OnceLock<NonZeroUsize> = OnceLock::new();
    *KNOWN.get_or_init(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

/// The row of each matcher.
fn chosen_rows(
    chosen: Option<Vec<Whole<'_>>>,
    matchers: &[&Matcher],
    out: &Rows<&mut [u32]>,
) -> PyResult<Vec<usize>> {
    match chosen {
        Some(rows) if rows.len() != matchers.len() => {
            let said = format!("there are {} matchers, but {} rows", matchers.len(), rows.len());
            Err(PyValueError::new_err(said))
        }
        Some(rows) => rows.iter().map(|row| row.row(out.rows, "a mask array")).collect(),
        None if matchers.len() > out.rows => {
            let said = format!("{} matchers in a mask array of {} rows", matchers.len(), out.rows);
            Err(PyIndexError::new_err(said))
        }
        None => Ok((0..matchers.len()).collect()),
    }
}

/// Refuses arguments that do not go together; gives the order in which matchers are locked.
fn check(matchers: &[&Matcher], out: &Rows<&mut [u32]>) -> PyResult<Vec<usize>> {
    for matcher in matchers {
        check_words(out.columns, matcher.words())?;
        if matcher.words() != matchers[0].words() {
            return Err(PyValueError::new_err("the matchers' vocabularies differ in size"));
        }
    }
    lock_order(matchers).ok_or_else(|| PyValueError::new_err("a matcher is given twice; fork it"))
}

/// One order for all threads in which objects are locked: that of their addresses. None if one is
/// given twice.
pub fn lock_order<T>(objects: &[&T]) -> Option<Vec<usize>> {
    let address = |at: usize| std::ptr::from_ref(objects[at]) as usize;
    let mut order: Vec<usize> = (0..objects.len()).collect();
    order.sort_unstable_by_key(|&at| address(at));
    let is_twice = order.windows(2).any(|pair| address(pair[0]) == address(pair[1]));
    (!is_twice).then_some(order)
}

/// The locks of objects, taken in the order of [`lock_order`] and returned in the order of the
/// objects. All threads take locks in this one order, so that none waits for another that waits for
/// it.
pub fn lock_all<'a, T>(
    order: &[usize],
    object: impl Fn(usize) -> &'a Mutex<T>,
) -> Result<Vec<MutexGuard<'a, T>>, CallError> {
    let mut guards = Vec::with_capacity(order.len());
    for &at in order {
        guards.push((at, lock(object(at))?));
    }
    guards.sort_unstable_by_key(|(at, _)| *at);
    Ok(guards.into_iter().map(|(_, guard)| guard).collect())
}

/// The number of threads that a caller wants, by default that of the processors.
pub fn threads(wanted: Option<Whole<'_>>) -> PyResult<NonZeroUsize> {
    let Some(wanted) = wanted else { return Ok(processors()) };
    NonZeroUsize::new(wanted.count("threads")?)
        .ok_or_else(|| PyValueError::new_err("threads is 0; at least one must do the work"))
}

/// Sets the logits of all tokens that the masks do not allow to minus infinity, in place.
///
/// `logits` are 32- or 64-bit floats, halves or bfloat16 on the CPU, a row or rows. `masks` has a
/// row for each of them, or one for all. Logits past the mask's end become minus infinity too. With
/// `rows`, only these rows of both arrays are touched.
#[pyfunction]
#[pyo3(signature = (logits, masks, *, rows=None))]
pub fn mask_logits(
    py: Python<'_>,
    logits: &Bound<'_, PyAny>,
    masks: &Bound<'_, PyAny>,
    rows: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let mut logits = Array::writable(logits, "logits")?;
    let masks = Array::readable(masks, "masks")?;
    logits.check_apart(&masks)?;
    let masks: Rows<&[u32]> = masks.rows("masks", Element::Word)?;
    let chosen = rows.map(|rows| token::rows(rows)).transpose()?;
    if masks.rows != 1 && masks.rows != logits.rows {
        let said = format!("there are {} rows of logits, but {} of masks", logits.rows, masks.rows);
        return Err(PyValueError::new_err(said));
    }
    let chosen: Vec<usize> = match chosen {
        None => (0..logits.rows).collect(),
        Some(rows) => {
            rows.iter().map(|row| row.row(logits.rows, "an array of logits")).collect::<PyResult<_>>()?
        }
    };
    let element = logits.element;
    match element {
        Element::F32 => apply(py, &mut logits, &masks, &chosen, f32::NEG_INFINITY),
        Element::F64 => apply(py, &mut logits, &masks, &chosen, f64::NEG_INFINITY),
        Element::F16 => apply(py, &mut logits, &masks, &chosen, 0xfc00_u16),
        Element::Bf16 => apply(py, &mut logits, &masks, &chosen, 0xff80_u16),
        Element::Word => Err(PyTypeError::new_err("logits holds 32-bit integers; it must hold floats")),
    }
}

fn apply<T: Number + Send + Sync>(
    py: Python<'_>,
    logits: &mut Array<'_>,
    masks: &Rows<&[u32]>,
    chosen: &[usize],
    forbidden: T,
) -> PyResult<()> {
    let element = logits.element;
    let mut logits: Rows<&mut [T]> = logits.rows_mut("logits", element)?;
    if logits.rows == 0 || masks.rows == 0 {
        return Ok(());
    }
    outside(py, move || {
        for &row in chosen {
            let mask = masks.row(if masks.rows == 1 { 0 } else { row });
            vocab::mask_logits(logits.row_mut(row), mask, forbidden);
        }
        Ok(())
    })
}
