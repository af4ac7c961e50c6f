//! Generation: `hr_generate` and its result, `hr_generation`. Only with the feature `torch`.
//!
//! One call runs the whole loop. Text is given to a callback as soon as it is certain, and the
//! callback may end the generation. The result holds all outputs, so a callback is optional.
//!
//! Unsafe code: entry points that take pointers, and the caller's callback; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::enumeration::enumeration;
use super::error::hr_error;
use super::generation_options::{hr_drafter, hr_generation_options};
use super::interrupt;
use super::model::hr_model;
use super::options::{self, Versioned};
use super::status::hr_status;
use super::vocab::hr_text;
use crate::decode::{
    Answer, Batch, ChatInput, Completion, ContrastiveDecoding, DecodeError, Dola, FinishReason, Generation,
    Guided, LanguageModel, Message, ModelError, Prompt, PromptEncoder, Request, check_partner,
};
use crate::torch::Model;
use crate::vocab::TokenId;
use std::ffi::c_char;
use std::ops::ControlFlow;
use std::ptr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

enumeration! {
    /// The reason why an output ended.
    hr_finish_reason {
        /// The model ended it, or a stop token did.
        HR_FINISH_REASON_STOP = 0,
        /// max_tokens, or the end of the model's context, was reached. The output was cut, or its
        /// end was written without the model: see hr_generation_budget_ending().
        HR_FINISH_REASON_LENGTH = 1,
        /// A stop text appeared; it is not part of the output.
        HR_FINISH_REASON_STOP_SEQUENCE = 2,
        /// The callback ended it, or the interrupt of the options did.
        HR_FINISH_REASON_CANCELLED = 3,
        /// The constraint's output is complete and no token can follow.
        HR_FINISH_REASON_CONSTRAINT_COMPLETE = 4,
        /// A reason that only a later version of the library knows.
        HR_FINISH_REASON_OTHER = 5,
        /// An error ended it; hr_generation_error() gives it. The text up to there is the output.
        HR_FINISH_REASON_FAILED = 6,
    }
}

/// Statistics of a generation. Times are in seconds. Initialise it with hr_generation_stats_init().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_generation_stats {
    /// Set by hr_generation_stats_init().
    pub struct_size: usize,
    /// Tokens of the prompt, as the model read it.
    pub prompt_tokens: usize,
    /// Tokens of all outputs.
    pub completion_tokens: usize,
    /// Tokens of the outputs that the constraint forced, without sampling. Those of the budget are
    /// not among them.
    pub forced_tokens: usize,
    /// Tokens that a drafter guessed.
    pub drafted_tokens: usize,
    /// Guesses that were accepted.
    pub confirmed_tokens: usize,
    /// Forward passes of a draft model.
    pub draft_passes: usize,
    /// Forward passes of the model, including the one over the prompt.
    pub forward_passes: usize,
    /// Time of the forward pass over the prompt.
    pub prefill: f64,
    /// Time of all other forward passes.
    pub forward: f64,
    /// Time of computing masks.
    pub mask: f64,
    /// Time of drawing tokens.
    pub sample: f64,
    /// Time of guessing tokens.
    pub draft: f64,
    /// Time of the whole call.
    pub total: f64,
    /// Tokens of the outputs that the budget has written: see hr_generation_budget_ending().
    pub budget_tokens: usize,
}

// The members are numbers.
unsafe impl Versioned for hr_generation_stats {}

impl From<&Generation> for hr_generation_stats {
    fn from(Generation { usage, timings, .. }: &Generation) -> Self {
        hr_generation_stats {
            struct_size: 0,
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            forced_tokens: usage.forced_tokens,
            drafted_tokens: usage.drafted_tokens,
            confirmed_tokens: usage.confirmed_tokens,
            draft_passes: usage.draft_passes,
            forward_passes: usage.forward_passes,
            prefill: timings.prefill.as_secs_f64(),
            forward: timings.forward.as_secs_f64(),
            mask: timings.mask.as_secs_f64(),
            sample: timings.sample.as_secs_f64(),
            draft: timings.draft.as_secs_f64(),
            total: timings.total.as_secs_f64(),
            budget_tokens: usage.budget_tokens,
        }
    }
}

/// Writes zeros into a struct of struct_size bytes; NULL is ignored. hr_generation_stats_init()
/// passes the size that the struct has in this header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_stats_init_sized(stats: *mut hr_generation_stats, struct_size: usize) {
    unsafe { options::init(stats, struct_size) }
}

/// The result of hr_generate(). Freed by hr_generation_free().
///
/// It never changes: any number of threads may read it at once. It depends on no other object.
pub struct hr_generation(Generation);

impl From<DecodeError> for CallError {
    // Every variant is named, so that the compiler asks for the status of a new one.
    fn from(error: DecodeError) -> Self {
        use hr_status::*;
        let status = match &error {
            DecodeError::ConstraintVocabulary
            | DecodeError::EmptyPrompt
            | DecodeError::PromptToken { .. }
            | DecodeError::Healing
            | DecodeError::Strategy { .. } => HR_ERROR_INVALID_ARGUMENT,
            DecodeError::PromptTooLong { .. }
            | DecodeError::ShortestOutput { .. }
            | DecodeError::Completions { .. } => HR_ERROR_LIMIT,
            DecodeError::VocabularySize { .. } | DecodeError::PartnerVocabulary { .. } => HR_ERROR_VOCABULARY,
            DecodeError::NotAllowed { .. } => HR_ERROR_INTERNAL,
            DecodeError::DeadEnd { .. } => HR_ERROR_GRAMMAR,
            DecodeError::Model(cause) => match **cause {
                ModelError::ContextFull { .. } => HR_ERROR_LIMIT,
                _ => HR_ERROR_MODEL,
            },
            DecodeError::Constraint(cause) => return cause.clone().into(),
            DecodeError::Sampling(cause) => return cause.clone().into(),
            DecodeError::DraftLogits(_) => HR_ERROR_MODEL,
        };
        CallError::from_error(status, &error)
    }
}

/// Lets the model continue a prompt. options may be NULL for the defaults. Blocks until the output
/// is complete.
///
/// A generation that the callback or the interrupt of the options ends is a result
/// (HR_FINISH_REASON_CANCELLED), not an error. So is one in which an output fails after the model
/// has chosen a token (HR_FINISH_REASON_FAILED): the other outputs, and its text up to there, are
/// in the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generate(
    model: *const hr_model,
    prompt: *const c_char,
    prompt_len: usize,
    options: *const hr_generation_options,
    out: *mut *mut hr_generation,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let model = &*boundary::object(model, "model")?.0;
        let prompt = boundary::text(prompt, prompt_len, "prompt")?;
        let options = options::read(options, "options")?;
        let request = options.to_request(encode_prompt(model, prompt, &options)?)?;
        Ok(hr_generation(generate(model, request, &options)?))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Largest scale of guidance. A larger one could turn logits into infinities.
const MAX_GUIDANCE: f64 = 1e6;

/// Runs a request on the model, or on one of the mixtures of distributions that options ask for:
/// guidance, contrastive decoding with an amateur, or DoLa. Relies on the promises of the pointers.
unsafe fn generate(
    model: &Model,
    request: Request,
    options: &hr_generation_options,
) -> Result<Generation, CallError> {
    let layers = unsafe { boundary::slice(options.dola_layers, options.dola_count, "dola_layers")? };
    let guided = options.guidance != 1.0;
    if !options.guidance.is_finite() || options.guidance.abs() > MAX_GUIDANCE {
        return Err(CallError::invalid_argument(format!(
            "guidance is {}; it is a number from -{MAX_GUIDANCE} to {MAX_GUIDANCE}",
            options.guidance
        )));
    }
    if !guided && !unsafe { options.negative_prompt.get("negative_prompt")? }.is_empty() {
        return Err(CallError::invalid_argument(
            "negative_prompt has no effect without guidance; set both or none",
        ));
    }
    if usize::from(guided) + usize::from(!options.amateur.is_null()) + usize::from(!layers.is_empty()) > 1 {
        return Err(CallError::invalid_argument(
            "guidance, amateur and dola_layers do not go together; set one of them",
        ));
    }
    if guided && options.healing != 0 {
        return Err(CallError::invalid_argument("guidance and healing do not go together; set one of them"));
    }
    if guided {
        let negative = match unsafe { options.negative_prompt.get("negative_prompt")? } {
            "" => request.prompt[request.prompt.len().saturating_sub(1)..].to_vec(),
            text => unsafe {
                let alone = hr_generation_options { messages: hr_text::lend(""), ..*options };
                encode_prompt(model, text, &alone)?
            },
        };
        let guided = Guided::new(model, request.prompt.len(), negative, options.guidance as f32);
        unsafe { run_batch(guided, model, request, options) }
    } else if !options.amateur.is_null() {
        let amateur = &*unsafe { boundary::object(options.amateur, "amateur")? }.0;
        check_partner("amateur model", model.vocabulary(), amateur.vocabulary())?;
        unsafe { run_batch(ContrastiveDecoding::new(model, amateur, 0.1, 0.5), model, request, options) }
    } else if !layers.is_empty() {
        unsafe { run_batch(Dola::new(model, layers.to_vec()), model, request, options) }
    } else {
        unsafe { run_batch(model, model, request, options) }
    }
}

/// Runs a request on `target`: the model itself, or a mixture over the same tokens. Relies on the
/// promises of the pointers.
unsafe fn run_batch(
    target: impl LanguageModel,
    model: &Model,
    request: Request,
    options: &hr_generation_options,
) -> Result<Generation, CallError> {
    let start = Instant::now();
    let interrupt = unsafe { interrupt::read_with_deadline(options.interrupt)? };
    let mut batch = Batch::new(target, model.vocabulary())?.clock(move || start.elapsed());
    if options.drafter == hr_drafter::HR_DRAFTER_MODEL {
        // The weights are shared, so this copies little.
        let drafter = unsafe { boundary::object(options.draft_model, "draft_model")? };
        check_partner("draft model", model.vocabulary(), drafter.0.vocabulary())?;
        batch = batch.draft_model(drafter.0.skipping_layers(&[])?);
    } else if options.drafter == hr_drafter::HR_DRAFTER_SKIP_LAYERS {
        let (layers, count) = (options.draft_skipped_layers, options.draft_skipped_count);
        let skipped = unsafe { boundary::slice(layers, count, "draft_skipped_layers")? };
        batch = batch.draft_model(model.skipping_layers(skipped)?);
    } else if options.drafter == hr_drafter::HR_DRAFTER_HEADS {
        let heads = unsafe { boundary::object(options.draft_heads, "draft_heads")? };
        batch = batch.draft_heads(Box::new(Arc::clone(&heads.0)));
    }
    Ok(batch.run(request, |chunk| {
        let text = Some(chunk.text).filter(|text| chunk.completion == 0 && !text.is_empty());
        let go_on = match (options.on_text, text) {
            (Some(on_text), Some(text)) => unsafe {
                on_text(options.user_data, text.as_ptr().cast(), text.len()) == 0
            },
            _ => true,
        };
        let is_interrupted = interrupt.scope(|| ()).is_err();
        if go_on && !is_interrupted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?)
}

/// Encodes a prompt, or the conversation in the options. Relies on the promises of the texts.
unsafe fn encode_prompt(
    model: &Model,
    prompt: &str,
    options: &hr_generation_options,
) -> Result<Vec<TokenId>, CallError> {
    let [messages, variables, system] = unsafe {
        [
            options.messages.get("messages")?,
            options.template_variables.get("template_variables")?,
            options.system.get("system")?,
        ]
    };
    let raw = options::read_flag(options.raw_prompt as u64, "raw_prompt", false, true)?;
    if !messages.is_empty() && (!prompt.is_empty() || !system.is_empty() || raw) {
        let reason = "messages does not go with a prompt, system or raw_prompt; put all text into messages";
        return Err(CallError::invalid_argument(reason));
    }
    if raw && !(system.is_empty() && variables.is_empty()) {
        let reason = "system and template_variables have no effect on a raw_prompt; put all text into it";
        return Err(CallError::invalid_argument(reason));
    }
    if raw {
        return Ok(model.tokenizer().encode_prompt(prompt)?);
    }
    let json = |name: &str, text: &str| -> Result<serde_json::Value, CallError> {
        serde_json::from_str(text)
            .map_err(|error| CallError::invalid_argument(format!("{name} is not JSON: {error}")))
    };
    let mut input = match messages {
        "" => {
            let system = Some(system).filter(|text| !text.is_empty());
            let system = system.map(|text| Message::new("system", text));
            ChatInput::new(system.into_iter().chain([Message::new("user", prompt)]))
        }
        text => ChatInput::from_json(json("messages", text)?)
            .map_err(|error| CallError::invalid_argument(error.to_string()))?,
    };
    match variables {
        "" => {}
        text => match json("template_variables", text)? {
            serde_json::Value::Object(variables) => input.variables.extend(variables),
            _ => return Err(CallError::invalid_argument("template_variables is not a JSON object")),
        },
    }
    if options.healing != 0
        && input.answer == Answer::Opened
        && model.chat_templates().for_input(&input).is_some()
    {
        let reason = "healing has no effect on this prompt, which ends with the chat template's own text; set \
                      raw_prompt, or give messages that end with the assistant's";
        return Err(CallError::invalid_argument(reason));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    input.now = now.and_then(|now| i64::try_from(now.as_secs()).ok());
    Ok(model.prompt_tokens(&Prompt::Chat(input))?)
}

/// Number of outputs: as many as requested, or fewer if a search found fewer. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_count(generation: *const hr_generation) -> usize {
    boundary::return_value_or(0, || unsafe { Some(generation.as_ref()?.0.completions.len()) })
}

/// The output with this index; `None` if there is none. Relies on `generation` being NULL or live.
unsafe fn completion_at<'a>(generation: *const hr_generation, index: usize) -> Option<&'a Completion> {
    unsafe { generation.as_ref() }?.0.completions.get(index)
}

/// The text of the output index, from 0: UTF-8, len bytes, not NUL-terminated. It lives as long as
/// the generation. NULL if there is no such output.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_text(
    generation: *const hr_generation,
    index: usize,
    len: *mut usize,
) -> *const c_char {
    boundary::return_value_or(ptr::null(), || unsafe {
        let text = &completion_at(generation, index)?.text;
        boundary::write_if_not_null(len, text.len());
        Some(text.as_ptr().cast())
    })
}

/// The tokens of the output index. As many as fit are written to buffer (NULL with capacity 0 to
/// ask), and len becomes the number of all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_tokens(
    generation: *const hr_generation,
    index: usize,
    buffer: *mut u32,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let list = || unsafe {
        let outputs = &boundary::object(generation, "generation")?.0.completions;
        let output = outputs.get(index).ok_or_else(|| {
            CallError::invalid_argument(format!("index is {index}, but there are {} outputs", outputs.len()))
        })?;
        Ok(&output.tokens)
    };
    unsafe { boundary::write_list(buffer.cast::<TokenId>(), capacity, len, error, list) }
}

/// The reason why the output index ended; HR_FINISH_REASON_OTHER if there is no such output.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_finish_reason(
    generation: *const hr_generation,
    index: usize,
) -> hr_finish_reason {
    boundary::return_value_or(hr_finish_reason::HR_FINISH_REASON_OTHER, || unsafe {
        Some(match completion_at(generation, index)?.finish {
            FinishReason::Stop => hr_finish_reason::HR_FINISH_REASON_STOP,
            FinishReason::Length => hr_finish_reason::HR_FINISH_REASON_LENGTH,
            FinishReason::StopSequence => hr_finish_reason::HR_FINISH_REASON_STOP_SEQUENCE,
            FinishReason::Cancelled => hr_finish_reason::HR_FINISH_REASON_CANCELLED,
            FinishReason::ConstraintComplete => hr_finish_reason::HR_FINISH_REASON_CONSTRAINT_COMPLETE,
            FinishReason::Failed => hr_finish_reason::HR_FINISH_REASON_FAILED,
            #[allow(unreachable_patterns)]
            _ => hr_finish_reason::HR_FINISH_REASON_OTHER,
        })
    })
}

/// The error that ended the output index, for HR_FINISH_REASON_FAILED. Returns the error's status,
/// and writes the error itself to error, which may be NULL. Returns HR_OK, and writes no error, if
/// the output did not fail or does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_error(
    generation: *const hr_generation,
    index: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let failure = || unsafe { completion_at(generation, index) }.and_then(|output| output.error.clone());
    unsafe { boundary::return_status(error, || failure().map_or(Ok(()), |failure| Err(failure.into()))) }
}

/// True if the constraint's language contains the text of the output index. False if it was cut,
/// and if there is no constraint or no such output.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_is_complete(generation: *const hr_generation, index: usize) -> bool {
    boundary::return_value_or(false, || unsafe { completion_at(generation, index)?.complete })
}

/// The end of the output index, if it was written without the model to complete the output within
/// max_tokens. It is valid under the constraint, but its content has no meaning. first_token
/// becomes the position of its first token, tokens the number of its tokens, and first_byte its
/// offset in the text of hr_generation_text(); each may be NULL. Returns false, and writes nothing,
/// if the model wrote the whole output.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_budget_ending(
    generation: *const hr_generation,
    index: usize,
    first_token: *mut usize,
    tokens: *mut usize,
    first_byte: *mut usize,
) -> bool {
    boundary::return_value_or(false, || unsafe {
        let output = completion_at(generation, index)?;
        let ending = output.budget_ending?;
        let first = String::from_utf8_lossy(&output.bytes[..ending.first_byte]).len();
        boundary::write_if_not_null(first_token, ending.first_token);
        boundary::write_if_not_null(tokens, ending.tokens);
        boundary::write_if_not_null(first_byte, first);
        Some(true)
    })
}

/// The score that the strategy gave the output index: for beam search the log-probability /
/// length^length_penalty, for best-of the mean log-probability. Returns false, and leaves score
/// unchanged, if there is no such output or the strategy gives no scores.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_score(
    generation: *const hr_generation,
    index: usize,
    score: *mut f64,
) -> bool {
    boundary::return_value_or(false, || unsafe {
        let found = completion_at(generation, index)?.score?;
        boundary::write_if_not_null(score, found);
        Some(true)
    })
}

/// Writes the statistics of the generation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_get_stats(
    generation: *const hr_generation,
    stats: *mut hr_generation_stats,
    error: *mut *mut hr_error,
) -> hr_status {
    let results = || unsafe { Ok((&boundary::object(generation, "generation")?.0).into()) };
    unsafe { options::write_results(stats, "stats", error, results) }
}
