//! Samplers: `hr_sampler`.
//!
//! A sampler keeps the tokens accepted so far, on which penalties and feedback rules depend.
//! Sampling does not change them and accepting does, so sampling the same row twice gives the same
//! token.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError, Poisonable};
use super::error::hr_error;
use super::options;
use super::sampler_options::hr_sampler_options;
use super::status::hr_status;
use super::vocab;
use crate::sampling::{LogitRow, Sampler, SamplingError, bf16_from_f32, f16_from_f32};
use crate::vocab::TokenId;

/// A sampler, which draws tokens from rows of logits. Made by hr_sampler_new(), freed by
/// hr_sampler_free().
///
/// One thread at a time may use it; it may move between threads. It depends on no other object.
pub struct hr_sampler(pub(super) Poisonable<Sampler>);

impl From<SamplingError> for CallError {
    fn from(error: SamplingError) -> Self {
        let mut failure = CallError::from_error(hr_status::HR_ERROR_SAMPLING, &error);
        if let SamplingError::ParameterSet { pointer, .. } = &error
            && pointer.starts_with('/')
        {
            failure.pointer = Some(pointer.clone());
        }
        failure
    }
}

/// Makes a sampler. options may be NULL for the defaults: draw from softmax(logits), seed 0. The
/// options are not needed afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_new(
    options: *const hr_sampler_options,
    out: *mut *mut hr_sampler,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let params = options::read(options, "options")?.to_params()?;
        Ok(hr_sampler(Poisonable::new(Sampler::new(params)?)))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Starts again with a prompt, whose tokens count for repetition penalties, DRY, n-grams and
/// sequences.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_set_prompt(
    sampler: *mut hr_sampler,
    tokens: *const u32,
    count: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |sampler: &mut Sampler| {
        sampler.with_prompt(unsafe { vocab::token_slice(tokens, count, "tokens")? });
        Ok(())
    };
    unsafe { boundary::change_state(sampler, error, work) }
}

/// Draws the token of the sampler's current position from a row of 32-bit logits, under a mask.
///
/// The mask may be NULL with mask_words 0: all tokens are then allowed. Token i is bit i % 32 of
/// word i / 32. Tokens beyond the mask's end are forbidden, and forbidden logits are not read.
/// logprob, which may be NULL, becomes the natural logarithm of the probability with which the
/// token was drawn. The row and the sampler's position do not change: see hr_sampler_accept().
///
/// Fails if no token is left to draw, or if a logit that is read is NaN or +infinity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_sample_f32(
    sampler: *mut hr_sampler,
    logits: *const f32,
    count: usize,
    mask: *const u32,
    mask_words: usize,
    token: *mut u32,
    logprob: *mut f32,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe { sample(sampler, logits, count, LogitRow::F32, mask, mask_words, token, logprob) };
    unsafe { boundary::return_status(error, body) }
}

/// As hr_sampler_sample_f32(), for IEEE 754 half precision given by its bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_sample_f16(
    sampler: *mut hr_sampler,
    logits: *const u16,
    count: usize,
    mask: *const u32,
    mask_words: usize,
    token: *mut u32,
    logprob: *mut f32,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe { sample(sampler, logits, count, LogitRow::F16, mask, mask_words, token, logprob) };
    unsafe { boundary::return_status(error, body) }
}

/// As hr_sampler_sample_f32(), for bfloat16 given by its bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_sample_bf16(
    sampler: *mut hr_sampler,
    logits: *const u16,
    count: usize,
    mask: *const u32,
    mask_words: usize,
    token: *mut u32,
    logprob: *mut f32,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe { sample(sampler, logits, count, LogitRow::Bf16, mask, mask_words, token, logprob) };
    unsafe { boundary::return_status(error, body) }
}

/// Draws a token. `as_row` gives the logits their number format. Relies on the promises of the
/// functions above.
#[allow(clippy::too_many_arguments)] // They are those of the exported functions.
unsafe fn sample<'a, T: Copy + 'a>(
    sampler: *mut hr_sampler,
    logits: *const T,
    count: usize,
    as_row: fn(&'a [T]) -> LogitRow<'a>,
    mask: *const u32,
    mask_words: usize,
    token: *mut u32,
    logprob: *mut f32,
) -> Result<(), CallError> {
    let row = as_row(unsafe { boundary::slice(logits, count, "logits")? });
    let sampler = unsafe { boundary::object_mut(sampler, "sampler")? };
    let token = unsafe { boundary::out_parameter(token, "token")? };
    let mask = unsafe { optional_mask(mask, mask_words)? };
    let sampled = sampler.0.change(|sampler| Ok(sampler.sample(row, mask)?))?;
    token.set(sampled.token.0);
    unsafe { boundary::write_if_not_null(logprob, sampled.logprob) };
    Ok(())
}

/// The mask, or `None` for NULL. Relies on the promises of [`boundary::slice`].
unsafe fn optional_mask<'a>(mask: *const u32, words: usize) -> Result<Option<&'a [u32]>, CallError> {
    if mask.is_null() && words == 0 {
        return Ok(None);
    }
    Ok(Some(unsafe { boundary::slice(mask, words, "mask")? }))
}

/// One of the most probable tokens.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_token_logprob {
    /// The token.
    pub token: u32,
    /// The natural logarithm of its probability.
    pub logprob: f32,
}

/// The natural logarithm of a token's probability in softmax of the row, as the model gave it: no
/// mask, penalty or temperature. APIs report it with each token.
///
/// The top_count most probable tokens are written to top, the most probable first, ties by the
/// lowest id; top may be NULL if top_count is 0. written, which may be NULL, becomes their number:
/// it is less than top_count if the row is shorter. logprob may be NULL, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_logprobs_f32(
    logits: *const f32,
    count: usize,
    token: u32,
    logprob: *mut f32,
    top: *mut hr_token_logprob,
    top_count: usize,
    written: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body =
        || unsafe { write_logprobs(logits, count, LogitRow::F32, token, logprob, top, top_count, written) };
    unsafe { boundary::return_status(error, body) }
}

/// As hr_logprobs_f32(), for IEEE 754 half precision given by its bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_logprobs_f16(
    logits: *const u16,
    count: usize,
    token: u32,
    logprob: *mut f32,
    top: *mut hr_token_logprob,
    top_count: usize,
    written: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body =
        || unsafe { write_logprobs(logits, count, LogitRow::F16, token, logprob, top, top_count, written) };
    unsafe { boundary::return_status(error, body) }
}

/// As hr_logprobs_f32(), for bfloat16 given by its bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_logprobs_bf16(
    logits: *const u16,
    count: usize,
    token: u32,
    logprob: *mut f32,
    top: *mut hr_token_logprob,
    top_count: usize,
    written: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body =
        || unsafe { write_logprobs(logits, count, LogitRow::Bf16, token, logprob, top, top_count, written) };
    unsafe { boundary::return_status(error, body) }
}

/// Writes the log-probabilities of a row. `as_row` gives the logits their number format. Relies on
/// the promises of the functions above.
#[allow(clippy::too_many_arguments)] // They are those of the exported functions.
unsafe fn write_logprobs<'a, T: Copy + 'a>(
    logits: *const T,
    count: usize,
    as_row: fn(&'a [T]) -> LogitRow<'a>,
    token: u32,
    logprob: *mut f32,
    top: *mut hr_token_logprob,
    top_count: usize,
    written: *mut usize,
) -> Result<(), CallError> {
    let row = as_row(unsafe { boundary::slice(logits, count, "logits")? });
    let place = unsafe { boundary::slice_mut(top, top_count, "top")? };
    let found = crate::sampling::logprobs::raw(row, TokenId(token), top_count.min(row.len()))?;
    for (place, &(token, logprob)) in place.iter_mut().zip(&found.top) {
        *place = hr_token_logprob { token: token.0, logprob };
    }
    unsafe {
        boundary::write_if_not_null(logprob, found.chosen);
        boundary::write_if_not_null(written, found.top.len().min(top_count));
    }
    Ok(())
}

/// Replaces a row of logits by the result of the chain: the natural logarithm of each token's
/// probability, and -infinity for tokens that cannot be drawn. It is meant for callers who draw by
/// themselves. The mask is as for hr_sampler_sample_f32().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_apply_f32(
    sampler: *mut hr_sampler,
    logits: *mut f32,
    count: usize,
    mask: *const u32,
    mask_words: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe { apply_chain(sampler, logits, count, LogitRow::F32, |x| x, mask, mask_words) };
    unsafe { boundary::return_status(error, body) }
}

/// As hr_sampler_apply_f32(), for IEEE 754 half precision given by its bits. Results are rounded to
/// the nearest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_apply_f16(
    sampler: *mut hr_sampler,
    logits: *mut u16,
    count: usize,
    mask: *const u32,
    mask_words: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body =
        || unsafe { apply_chain(sampler, logits, count, LogitRow::F16, f16_from_f32, mask, mask_words) };
    unsafe { boundary::return_status(error, body) }
}

/// As hr_sampler_apply_f32(), for bfloat16 given by its bits. Results are rounded to the nearest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_apply_bf16(
    sampler: *mut hr_sampler,
    logits: *mut u16,
    count: usize,
    mask: *const u32,
    mask_words: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body =
        || unsafe { apply_chain(sampler, logits, count, LogitRow::Bf16, bf16_from_f32, mask, mask_words) };
    unsafe { boundary::return_status(error, body) }
}

/// Replaces a row by the result of the chain. `as_row` gives the logits their number format, and
/// `narrow` rounds a result to it. Relies on the promises of the functions above.
unsafe fn apply_chain<'a, T: Copy + 'a>(
    sampler: *mut hr_sampler,
    logits: *mut T,
    count: usize,
    as_row: fn(&'a [T]) -> LogitRow<'a>,
    narrow: fn(f32) -> T,
    mask: *const u32,
    mask_words: usize,
) -> Result<(), CallError> {
    let sampler = unsafe { boundary::object_mut(sampler, "sampler")? };
    let row = as_row(unsafe { boundary::slice(logits, count, "logits")? });
    let mask = unsafe { optional_mask(mask, mask_words)? };
    let distribution = sampler.0.change(|sampler| Ok(sampler.distribution(row, mask)?))?;
    let logits = unsafe { boundary::slice_mut(logits, count, "logits")? };
    logits.fill(narrow(f32::NEG_INFINITY));
    for (token, probability) in distribution {
        if let Some(logit) = logits.get_mut(token.index()) {
            *logit = narrow(probability.ln());
        }
    }
    Ok(())
}

/// Moves to the next position: token is the output's next token, whether it was drawn here or not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_accept(
    sampler: *mut hr_sampler,
    token: u32,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |sampler: &mut Sampler| {
        sampler.accept(TokenId(token));
        Ok(())
    };
    unsafe { boundary::change_state(sampler, error, work) }
}

/// Removes the last accepted tokens. Fails, and removes none, if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_rollback(
    sampler: *mut hr_sampler,
    tokens: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    unsafe { boundary::change_state(sampler, error, |sampler| Ok(sampler.rollback_tokens(tokens)?)) }
}

/// Starts again with the same parameters, seed and prompt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_reset(sampler: *mut hr_sampler, error: *mut *mut hr_error) -> hr_status {
    let work = |sampler: &mut Sampler| {
        sampler.reset();
        Ok(())
    };
    unsafe { boundary::change_state(sampler, error, work) }
}

/// Number of tokens accepted since the prompt. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_position(sampler: *const hr_sampler) -> usize {
    boundary::return_value_or(0, || Some(unsafe { sampler.as_ref() }?.0.get().ok()?.position()))
}
