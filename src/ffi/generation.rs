//! Generation: `hr_generate` and its result, `hr_generation`. Only with the feature `torch`.
//!
//! One call runs the whole loop; text is handed to a callback as soon as it is certain, and the callback may end it. The result
//! keeps everything that was found, so that a caller who wants no callback needs none.
//!
//! Unsafe code: entry points that take pointers, and the caller's callback; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, Failure};
use super::constraint::hr_constraint;
use super::error::hr_error;
use super::model::{hr_model, NO_TEXT};
use super::options::{self, Versioned};
use super::sampler_options::hr_sampler_options;
use super::status::hr_status;
use super::vocab::hr_text;
use crate::decode::{Batch, DecodeError, FinishReason, Generation, Request};
use std::ffi::{c_char, c_void};
use std::ops::ControlFlow;
use std::ptr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Why an output ended.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum hr_finish_reason {
    /// The model ended it, or a stop token.
    HR_FINISH_STOP = 0,
    /// max_tokens, or the model's context, was reached.
    HR_FINISH_LENGTH = 1,
    /// A stop text came; it is not part of the output.
    HR_FINISH_STOP_SEQUENCE = 2,
    /// The callback ended it.
    HR_FINISH_CANCELLED = 3,
    /// The constraint's output is complete and nothing could follow.
    HR_FINISH_CONSTRAINT_COMPLETE = 4,
    /// Something a later version of the library knows.
    HR_FINISH_OTHER = 5,
}

/// Receives text while it is generated: UTF-8, not NUL-terminated, valid during the call. Returns 0 to go on and anything else to
/// end the generation. Called on the thread that called hr_generate(). Must not unwind (no C++ exception, no longjmp).
pub type hr_on_text =
    Option<unsafe extern "C" fn(user_data: *mut c_void, text: *const c_char, len: usize) -> i32>;

/// What is asked of hr_generate(). Set it up with hr_generation_options_init(). Pointers are needed during the call only.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_generation_options {
    /// Set by hr_generation_options_init().
    pub struct_size: usize,
    /// The most tokens of output. Default 512.
    pub max_tokens: usize,
    /// What the output must be; NULL, the default, for anything. Over the model's vocabulary: see hr_model_vocab().
    pub constraint: *const hr_constraint,
    /// How tokens are drawn; NULL, the default, draws from softmax(logits) with seed 0.
    pub sampler: *const hr_sampler_options,
    /// Texts that end the output where they first appear.
    pub stop: *const hr_text,
    /// How many. Default 0.
    pub stop_count: usize,
    /// The system message of the model's chat template; empty, the default, for the template's own.
    pub system: hr_text,
    /// 0, the default, puts the prompt into the model's chat template as a message of the user; 1 continues it as it is.
    pub raw_prompt: usize,
    /// Receives text as it comes; NULL, the default, for nobody.
    pub on_text: hr_on_text,
    /// The first argument of on_text. Not looked at.
    pub user_data: *mut c_void,
}

// Numbers, pointers and an optional function pointer.
unsafe impl Versioned for hr_generation_options {
    fn defaults() -> Self {
        hr_generation_options {
            struct_size: size_of::<Self>(),
            max_tokens: 512,
            constraint: ptr::null(),
            sampler: ptr::null(),
            stop: ptr::null(),
            stop_count: 0,
            system: NO_TEXT,
            raw_prompt: 0,
            on_text: None,
            user_data: ptr::null_mut(),
        }
    }
}

/// Figures about a generation. Times are in seconds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_generation_stats {
    /// Tokens of the prompt, as the model saw it.
    pub prompt_tokens: usize,
    /// Tokens of the output.
    pub completion_tokens: usize,
    /// Those of them that the constraint forced, without sampling.
    pub forced_tokens: usize,
    /// Forward passes of the model, that over the prompt included.
    pub forward_passes: usize,
    /// The forward pass over the prompt.
    pub prefill: f64,
    /// All other forward passes.
    pub forward: f64,
    /// Finding masks.
    pub mask: f64,
    /// Drawing tokens.
    pub sample: f64,
    /// Everything.
    pub total: f64,
}

/// What hr_generate() made. Freed by hr_generation_free().
///
/// It does not change: any number of threads may read it at once. It depends on no other object.
pub struct hr_generation(Generation);

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Failure::of(hr_status::HR_ERROR_MODEL, &error)
    }
}

/// Writes the defaults.
#[no_mangle]
pub unsafe extern "C" fn hr_generation_options_init(options: *mut hr_generation_options) {
    unsafe { options::init(options) }
}

/// Lets the model continue a prompt. options may be NULL for the defaults. Blocks until the output is complete.
///
/// Being ended by the callback is a result (HR_FINISH_CANCELLED), not an error.
#[no_mangle]
pub unsafe extern "C" fn hr_generate(
    model: *const hr_model,
    prompt: *const c_char,
    prompt_len: usize,
    options: *const hr_generation_options,
    out: *mut *mut hr_generation,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let out = boundary::out(out, "out")?;
        let model = &*boundary::object(model, "model")?.0;
        let prompt = boundary::text(prompt, prompt_len, "prompt")?;
        let options = options::read(options, "options")?;
        let tokens = prompt_tokens(model, prompt, &options)?;
        let mut sampling = options::read(options.sampler, "sampler")?.to_params()?;
        sampling.max_tokens = Some(options.max_tokens);
        let mut request = Request::new(tokens).sampling(sampling);
        if !options.constraint.is_null() {
            request = request.constraint(boundary::object(options.constraint, "constraint")?.0.clone());
        }
        for stop in boundary::slice(options.stop, options.stop_count, "stop")? {
            request.stop.push(stop.get("stop")?.as_bytes().to_vec());
        }
        let start = Instant::now();
        let batch = Batch::new(model, model.vocabulary())?.clock(move || start.elapsed());
        let made = batch.run(request, |chunk| {
            let go_on = match options.on_text {
                Some(on_text) if !chunk.text.is_empty() => {
                    on_text(options.user_data, chunk.text.as_ptr().cast(), chunk.text.len()) == 0
                }
                _ => true,
            };
            if go_on {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        out.object(hr_generation(made));
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// Relies on the promise of the texts.
unsafe fn prompt_tokens(
    model: &crate::torch::Model,
    prompt: &str,
    options: &hr_generation_options,
) -> Result<Vec<crate::vocab::TokenId>, Failure> {
    match options.raw_prompt {
        0 => {
            let system = unsafe { options.system.get("system")? };
            let system = Some(system).filter(|text| !text.is_empty());
            let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
            let now = now.and_then(|now| i64::try_from(now.as_secs()).ok());
            Ok(model.chat_tokens(system, prompt, now)?)
        }
        1 => Ok(model.tokenizer().encode_prompt(prompt)?),
        other => Err(Failure::argument(format!("raw_prompt is {other}; 0 and 1 have a meaning"))),
    }
}

/// Frees a generation. NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn hr_generation_free(generation: *mut hr_generation) {
    unsafe { boundary::free(generation) }
}

/// The output's text: UTF-8, len bytes, not NUL-terminated. Lives as long as the generation. NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_generation_text(
    generation: *const hr_generation,
    len: *mut usize,
) -> *const c_char {
    boundary::value(ptr::null(), || unsafe {
        let text = &generation.as_ref()?.0.completions.first()?.text;
        boundary::set_if_wanted(len, text.len());
        Some(text.as_ptr().cast())
    })
}

/// The output's tokens. As many as fit go to buffer (NULL with capacity 0 to ask), and len becomes how many there are.
#[no_mangle]
pub unsafe extern "C" fn hr_generation_tokens(
    generation: *const hr_generation,
    buffer: *mut u32,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let made = boundary::object(generation, "generation")?;
        let ids: Vec<u32> = made.0.completions.iter().flat_map(|c| c.tokens.iter().map(|t| t.0)).collect();
        boundary::copy_out(&ids, buffer, capacity, len)
    };
    unsafe { boundary::guard(error, body) }
}

/// Why the output ended; HR_FINISH_OTHER for NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_generation_finish_reason(generation: *const hr_generation) -> hr_finish_reason {
    boundary::value(hr_finish_reason::HR_FINISH_OTHER, || unsafe {
        let finish = generation.as_ref()?.0.completions.first()?.finish;
        Some(match finish {
            FinishReason::Stop => hr_finish_reason::HR_FINISH_STOP,
            FinishReason::Length => hr_finish_reason::HR_FINISH_LENGTH,
            FinishReason::StopSequence => hr_finish_reason::HR_FINISH_STOP_SEQUENCE,
            FinishReason::Cancelled => hr_finish_reason::HR_FINISH_CANCELLED,
            FinishReason::ConstraintComplete => hr_finish_reason::HR_FINISH_CONSTRAINT_COMPLETE,
            #[allow(unreachable_patterns)]
            _ => hr_finish_reason::HR_FINISH_OTHER,
        })
    })
}

/// Figures about the generation.
#[no_mangle]
pub unsafe extern "C" fn hr_generation_get_stats(
    generation: *const hr_generation,
    stats: *mut hr_generation_stats,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let out = boundary::out(stats, "stats")?;
        let Generation { usage, timings, .. } = &boundary::object(generation, "generation")?.0;
        out.set(hr_generation_stats {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            forced_tokens: usage.forced_tokens,
            forward_passes: usage.forward_passes,
            prefill: timings.prefill.as_secs_f64(),
            forward: timings.forward.as_secs_f64(),
            mask: timings.mask.as_secs_f64(),
            sample: timings.sample.as_secs_f64(),
            total: timings.total.as_secs_f64(),
        });
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}
