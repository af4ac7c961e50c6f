//! Draws for many samplers at once.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError, Poisonable, RowErrors};
use super::error::hr_error;
use super::mask::Shape;
use super::sampler::hr_sampler;
use super::status::hr_status;
use super::vocab::HR_NO_TOKEN;
use crate::sampling::{LogitRow, sample_batch};
use std::num::NonZeroUsize;

/// Draws a token for each of many samplers from its row of 32-bit logits, as
/// hr_sampler_sample_f32() does. No sampler may occur twice.
///
/// The row of samplers[i] begins at logits + i * row_stride and has columns logits. Its mask begins
/// at masks + i * mask_stride and has mask_words words; mask_stride 0 gives all rows the same mask,
/// and NULL with mask_words 0 allows all tokens. Strides count elements. At most threads threads
/// draw, without influence on the result; 0 and 1 start none.
///
/// tokens[i] becomes the token of samplers[i], and logprobs[i] the natural logarithm of the
/// probability with which it was drawn; logprobs may be NULL.
///
/// If single rows fail, because of a NaN for example, all others are still drawn. A row that failed
/// has the token HR_NO_TOKEN. The call then returns the status of the first that failed, and error
/// receives its error. row_errors may be NULL; otherwise it has count places, and the place i
/// receives the error of row i, which the caller frees, or NULL. Impossible arguments leave all
/// results unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_samplers_sample_f32(
    samplers: *const *mut hr_sampler,
    count: usize,
    logits: *const f32,
    columns: usize,
    row_stride: usize,
    masks: *const u32,
    mask_words: usize,
    mask_stride: usize,
    threads: usize,
    tokens: *mut u32,
    logprobs: *mut f32,
    row_errors: *mut *mut hr_error,
    error: *mut *mut hr_error,
) -> hr_status {
    let shape = Shape { rows: count, columns, row_stride, mask_words, mask_stride };
    let results = ResultPlaces { tokens, logprobs, row_errors };
    unsafe {
        boundary::return_status(error, || {
            sample_rows(samplers, logits, LogitRow::F32, masks, shape, threads, results)
        })
    }
}

/// As hr_samplers_sample_f32(), for IEEE 754 half precision given by its bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_samplers_sample_f16(
    samplers: *const *mut hr_sampler,
    count: usize,
    logits: *const u16,
    columns: usize,
    row_stride: usize,
    masks: *const u32,
    mask_words: usize,
    mask_stride: usize,
    threads: usize,
    tokens: *mut u32,
    logprobs: *mut f32,
    row_errors: *mut *mut hr_error,
    error: *mut *mut hr_error,
) -> hr_status {
    let shape = Shape { rows: count, columns, row_stride, mask_words, mask_stride };
    let results = ResultPlaces { tokens, logprobs, row_errors };
    unsafe {
        boundary::return_status(error, || {
            sample_rows(samplers, logits, LogitRow::F16, masks, shape, threads, results)
        })
    }
}

/// As hr_samplers_sample_f32(), for bfloat16 given by its bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_samplers_sample_bf16(
    samplers: *const *mut hr_sampler,
    count: usize,
    logits: *const u16,
    columns: usize,
    row_stride: usize,
    masks: *const u32,
    mask_words: usize,
    mask_stride: usize,
    threads: usize,
    tokens: *mut u32,
    logprobs: *mut f32,
    row_errors: *mut *mut hr_error,
    error: *mut *mut hr_error,
) -> hr_status {
    let shape = Shape { rows: count, columns, row_stride, mask_words, mask_stride };
    let results = ResultPlaces { tokens, logprobs, row_errors };
    unsafe {
        boundary::return_status(error, || {
            sample_rows(samplers, logits, LogitRow::Bf16, masks, shape, threads, results)
        })
    }
}

/// The out-parameters of a batch.
struct ResultPlaces {
    tokens: *mut u32,
    logprobs: *mut f32,
    row_errors: *mut *mut hr_error,
}

/// Draws a token for each row. `as_row` gives the logits their number format. Relies on the
/// promises of the functions above.
unsafe fn sample_rows<'a, T: Copy + 'a>(
    samplers: *const *mut hr_sampler,
    logits: *const T,
    as_row: fn(&'a [T]) -> LogitRow<'a>,
    masks: *const u32,
    shape: Shape,
    threads: usize,
    results: ResultPlaces,
) -> Result<(), CallError> {
    let samplers = unsafe { boundary::objects_mut(samplers, shape.rows, "samplers")? };
    let mut guarded: Vec<_> = samplers.into_iter().map(|sampler| &mut sampler.0).collect();
    let logits = unsafe { shape.logit_rows(logits)? };
    let rows: Vec<(LogitRow<'a>, Option<&[u32]>)> = match masks.is_null() && shape.mask_words == 0 {
        true => logits.into_iter().map(|row| (as_row(row), None)).collect(),
        false => {
            let masks = unsafe { shape.mask_rows(masks)? };
            logits.into_iter().zip(masks).map(|(row, mask)| (as_row(row), Some(mask))).collect()
        }
    };
    let tokens = unsafe { boundary::slice_mut(results.tokens, shape.rows, "tokens")? };
    let logprobs = unsafe { boundary::optional_slice_mut(results.logprobs, shape.rows, "logprobs")? };
    let row_errors = unsafe { RowErrors::new(results.row_errors, shape.rows)? };
    let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
    let drawn = Poisonable::change_all(&mut guarded, |samplers| Ok(sample_batch(samplers, &rows, threads)))?;
    let mut failures = Vec::new();
    for (row, drawn) in drawn.into_iter().enumerate() {
        let (token, logprob) = match drawn {
            Ok(drawn) => (drawn.token.0, drawn.logprob),
            Err(error) => {
                failures.push((row, CallError::from(error)));
                (HR_NO_TOKEN, f32::NEG_INFINITY)
            }
        };
        tokens[row] = token;
        if let Some(place) = logprobs.get_mut(row) {
            *place = logprob;
        }
    }
    row_errors.write(failures)
}
