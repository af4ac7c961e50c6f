//! Sampling parameters in another API's JSON: `hr_parameters`.
//!
//! The parameters are lent to C as [`hr_sampler_options`] and, with language models, as
//! `hr_generation_options`, whose lists point into the handle.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary;
use super::enumeration::enumeration;
use super::error::hr_error;
use super::options::{self, Versioned};
use super::sampler_options::*;
use super::status::hr_status;
use super::vocab::{HR_NO_TOKEN, hr_text};
use crate::sampling::parameter_sets::{Api, ParameterSet};
use crate::sampling::{ChainOrder, DynamicTemperature, SamplingParams, WatermarkSeeding};
use crate::vocab::TokenId;
use std::ffi::c_char;

/// Sampling parameters that were read from another API's JSON. Made by hr_parameters_from_json(),
/// freed by hr_parameters_free().
///
/// They never change: any number of threads may read them at once. Options that were filled from
/// them point into them, so they must live until those options were used.
pub struct hr_parameters {
    pub(super) set: ParameterSet,
    pub(super) options: hr_sampler_options,
    response_format: Option<String>,
    /// The lists that `options` points to, where the library keeps them in another form.
    _lists: Lists,
    #[cfg_attr(not(feature = "torch"), allow(dead_code))]
    pub(super) stop: Vec<hr_text>,
}

/// Lists and texts of `hr_sampler_options`.
pub(super) struct Lists {
    logit_bias: Vec<hr_token_bias>,
    sequence_bias: Vec<hr_token_sequence>,
    bad_words: Vec<hr_token_sequence>,
    order: String,
}

enumeration! {
    /// An API whose sampling parameters can be read.
    hr_parameter_api for Api {
        /// OpenAI's chat completions.
        HR_PARAMETER_API_OPEN_AI = 0,
        /// Anthropic's messages.
        HR_PARAMETER_API_ANTHROPIC = 1,
        /// The file generation_config.json of Hugging Face transformers.
        HR_PARAMETER_API_HUGGING_FACE = 2,
        /// vLLM's SamplingParams.
        HR_PARAMETER_API_VLLM = 3,
    }
}

enumeration! {
    /// A list of texts among parameters.
    hr_parameter_texts {
        /// Texts that end the output.
        HR_PARAMETER_TEXTS_STOP = 0,
        /// Texts that may not occur. The caller turns them into tokens, for the member bad_words
        /// of hr_sampler_options.
        HR_PARAMETER_TEXTS_BAD_WORDS = 1,
        /// Names of members that do not concern sampling, such as "model".
        HR_PARAMETER_TEXTS_PASSED_OVER = 2,
    }
}

impl Lists {
    pub(super) fn of(sampling: &SamplingParams) -> Self {
        let sequence = |tokens: &Vec<TokenId>, bias| hr_token_sequence {
            tokens: ids(tokens),
            count: tokens.len(),
            bias,
        };
        Lists {
            logit_bias: sampling
                .logit_bias
                .iter()
                .map(|&(token, bias)| hr_token_bias { token: token.0, bias })
                .collect(),
            sequence_bias: sampling
                .sequence_bias
                .iter()
                .map(|(tokens, bias)| sequence(tokens, *bias))
                .collect(),
            bad_words: sampling.bad_words.iter().map(|tokens| sequence(tokens, 0.0)).collect(),
            order: match &sampling.order {
                ChainOrder::Custom(steps) => {
                    steps.iter().map(|step| step.name()).collect::<Vec<_>>().join(",")
                }
                ChainOrder::Hf | ChainOrder::Llama => String::new(),
            },
        }
    }
}

impl hr_parameters {
    fn new(set: ParameterSet) -> Self {
        let lists = Lists::of(&set.sampling);
        hr_parameters {
            options: lend(&set.sampling, &lists),
            response_format: set.response_format.as_ref().map(|value| value.to_string()),
            stop: set.stop.iter().map(|text| hr_text::lend(text)).collect(),
            _lists: lists,
            set,
        }
    }

    fn texts(&self, which: hr_parameter_texts) -> Option<&[String]> {
        match which {
            hr_parameter_texts::HR_PARAMETER_TEXTS_STOP => Some(&self.set.stop),
            hr_parameter_texts::HR_PARAMETER_TEXTS_BAD_WORDS => Some(&self.set.bad_words),
            hr_parameter_texts::HR_PARAMETER_TEXTS_PASSED_OVER => Some(&self.set.passed_over),
            _ => None,
        }
    }
}

/// The ids of a list for C. A `TokenId` is a `u32` in memory.
fn ids(tokens: &[TokenId]) -> *const u32 {
    tokens.as_ptr().cast()
}

/// The parameters as the struct of C, whose lists point into the arguments.
pub(super) fn lend(params: &SamplingParams, lists: &Lists) -> hr_sampler_options {
    let plain = hr_sampler_options::defaults();
    let token = |id: &Option<TokenId>| id.map_or(HR_NO_TOKEN, |id| id.0);
    let allowed = params.allowed_tokens.as_deref().unwrap_or_default();
    let mut options = hr_sampler_options {
        seed: params.seed,
        completion: params.completion,
        selection: hr_selection::of(params.selection),
        order: match &params.order {
            ChainOrder::Hf => hr_chain_order::HR_CHAIN_ORDER_HF,
            ChainOrder::Llama => hr_chain_order::HR_CHAIN_ORDER_LLAMA,
            ChainOrder::Custom(_) => hr_chain_order::HR_CHAIN_ORDER_CUSTOM,
        },
        temperature: params.temperature,
        custom_order: hr_text::lend(&lists.order),
        top_k: params.top_k,
        top_k_ties: hr_top_k_ties::of(params.top_k_ties),
        top_p: params.top_p,
        min_p: params.min_p,
        typical_p: params.typical_p,
        tfs_z: params.tfs_z,
        tfs_end: hr_tail_free_end::of(params.tfs_end),
        epsilon_cutoff: params.epsilon_cutoff,
        eta_cutoff: params.eta_cutoff,
        top_a: params.top_a,
        top_n_sigma: params.top_n_sigma.unwrap_or(0.0),
        top_h: params.top_h.unwrap_or(0.0),
        p_less: hr_p_less::of(params.p_less),
        xtc_probability: params.xtc.map_or(plain.xtc_probability, |xtc| xtc.probability),
        xtc_threshold: params.xtc.map_or(plain.xtc_threshold, |xtc| xtc.threshold),
        smoothing_factor: params.smoothing.map_or(plain.smoothing_factor, |smoothing| smoothing.factor),
        smoothing_curve: params.smoothing.map_or(plain.smoothing_curve, |smoothing| smoothing.curve),
        mirostat: hr_mirostat::of(params.mirostat.map(|mirostat| mirostat.version)),
        mirostat_tau: params.mirostat.map_or(plain.mirostat_tau, |mirostat| mirostat.tau),
        mirostat_eta: params.mirostat.map_or(plain.mirostat_eta, |mirostat| mirostat.eta),
        adaptive_p_target: params.adaptive_p.map_or(plain.adaptive_p_target, |adaptive| adaptive.target),
        adaptive_p_decay: params.adaptive_p.map_or(plain.adaptive_p_decay, |adaptive| adaptive.decay),
        repetition_penalty: params.repetition_penalty,
        repetition_window: params.repetition_window.unwrap_or(0),
        frequency_penalty: params.frequency_penalty,
        presence_penalty: params.presence_penalty,
        logit_bias: lists.logit_bias.as_ptr(),
        logit_bias_count: lists.logit_bias.len(),
        sequence_bias: lists.sequence_bias.as_ptr(),
        sequence_bias_count: lists.sequence_bias.len(),
        bad_words: lists.bad_words.as_ptr(),
        bad_word_count: lists.bad_words.len(),
        allowed_tokens: ids(allowed),
        allowed_token_count: allowed.len(),
        suppressed_tokens: ids(&params.suppressed_tokens),
        suppressed_token_count: params.suppressed_tokens.len(),
        begin_suppressed_tokens: ids(&params.begin_suppressed_tokens),
        begin_suppressed_token_count: params.begin_suppressed_tokens.len(),
        end_tokens: ids(&params.end_tokens),
        end_token_count: params.end_tokens.len(),
        no_repeat_ngram: params.no_repeat_ngram,
        exponential_decay_factor: params.exponential_decay.map_or(0.0, |decay| decay.factor),
        exponential_decay_start: params.exponential_decay.map_or(0, |decay| decay.start),
        forced_first: token(&params.forced_first),
        forced_last: token(&params.forced_last),
        min_tokens: params.min_tokens,
        max_tokens: params.max_tokens.unwrap_or(0),
        ..plain
    };
    lend_dynamic_temperature(params, &mut options);
    lend_dry(params, &mut options);
    lend_watermark(params, &mut options);
    options
}

fn lend_dynamic_temperature(params: &SamplingParams, options: &mut hr_sampler_options) {
    match params.dynamic_temperature {
        None => {}
        Some(DynamicTemperature::Position { total }) => {
            options.dynamic_temperature = hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_POSITION;
            options.dynamic_temperature_total = total;
        }
        Some(DynamicTemperature::Entropy) => {
            options.dynamic_temperature = hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_ENTROPY;
        }
        Some(DynamicTemperature::Range { low, high, exponent }) => {
            options.dynamic_temperature = hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_RANGE;
            options.dynamic_temperature_low = low;
            options.dynamic_temperature_high = high;
            options.dynamic_temperature_exponent = exponent;
        }
    }
}

fn lend_dry(params: &SamplingParams, options: &mut hr_sampler_options) {
    if let Some(dry) = &params.dry {
        options.dry_multiplier = dry.multiplier;
        options.dry_base = dry.base;
        options.dry_allowed_length = dry.allowed_length;
        options.dry_window = dry.window.unwrap_or(0);
        options.dry_breakers = ids(&dry.breakers);
        options.dry_breaker_count = dry.breakers.len();
    }
}

fn lend_watermark(params: &SamplingParams, options: &mut hr_sampler_options) {
    if let Some(watermark) = &params.watermark {
        options.watermark_ratio = watermark.greenlist_ratio;
        options.watermark_bias = watermark.bias;
        options.watermark_key = watermark.hashing_key;
        options.watermark = match watermark.seeding {
            WatermarkSeeding::LeftHash => hr_watermark::HR_WATERMARK_LEFT_HASH,
            WatermarkSeeding::SelfHash { context_width } => {
                options.watermark_context_width = context_width;
                hr_watermark::HR_WATERMARK_SELF_HASH
            }
        };
    }
}

/// Reads sampling parameters as an API spells them: a JSON object, such as
/// {"temperature": 0.2, "stop": ["END"], "max_completion_tokens": 64} for OpenAI's.
///
/// Members of the API that do not concern sampling are passed over. An error has a JSON pointer as
/// its location. It reports a member that the API does not have, a value of the wrong type or out
/// of range, or two members that contradict each other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_from_json(
    api: hr_parameter_api,
    json: *const c_char,
    json_len: usize,
    out: *mut *mut hr_parameters,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let json = boundary::text(json, json_len, "json")?;
        Ok(hr_parameters::new(ParameterSet::from_text(api.get("api")?, json)?))
    };
    unsafe { boundary::create(out, error, make) }
}

/// Frees parameters. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_free(parameters: *mut hr_parameters) {
    unsafe { boundary::free(parameters) }
}

/// Writes the parameters into a struct that hr_sampler_options_init() initialised, whatever it
/// holds. Lists in it point into the parameters. The caller may change members before using it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_get_sampler_options(
    parameters: *const hr_parameters,
    options: *mut hr_sampler_options,
    error: *mut *mut hr_error,
) -> hr_status {
    let results = || unsafe { Ok(boundary::object(parameters, "parameters")?.options) };
    unsafe { options::give(options, "options", error, results) }
}

/// True if the parameters name a seed; a caller may choose one if not. False for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_has_seed(parameters: *const hr_parameters) -> bool {
    boundary::value(false, || Some(unsafe { parameters.as_ref() }?.set.seed.is_some()))
}

/// Number of outputs that the parameters ask for. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_outputs(parameters: *const hr_parameters) -> usize {
    boundary::value(0, || Some(unsafe { parameters.as_ref() }?.set.n))
}

/// True if the parameters ask for log-probabilities; count, which may be NULL, then becomes the
/// number of the most probable tokens to report beside each token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_logprobs(parameters: *const hr_parameters, count: *mut usize) -> bool {
    boundary::value(false, || {
        let logprobs = unsafe { parameters.as_ref() }?.set.logprobs?;
        unsafe { boundary::set_if_wanted(count, logprobs) };
        Some(true)
    })
}

/// Number of texts in a list. 0 for NULL, and for a list that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_text_count(
    parameters: *const hr_parameters,
    which: hr_parameter_texts,
) -> usize {
    boundary::value(0, || Some(unsafe { parameters.as_ref() }?.texts(which)?.len()))
}

/// The text index of a list, counted from 0. Returns false, and changes nothing, if there is none.
/// The text is not NUL-terminated, and lives as long as the parameters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_text(
    parameters: *const hr_parameters,
    which: hr_parameter_texts,
    index: usize,
    text: *mut hr_text,
) -> bool {
    boundary::value(false, || {
        let found = unsafe { parameters.as_ref() }?.texts(which)?.get(index)?;
        unsafe { boundary::set_if_wanted(text, hr_text::lend(found)) };
        Some(true)
    })
}

/// The JSON text of OpenAI's response_format, from which hr_grammar_from_structural_tag() makes a
/// grammar. Returns false, and changes nothing, if there is none. The text is not NUL-terminated,
/// and lives as long as the parameters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_response_format(
    parameters: *const hr_parameters,
    json: *mut hr_text,
) -> bool {
    boundary::value(false, || {
        let found = unsafe { parameters.as_ref() }?.response_format.as_ref()?;
        unsafe { boundary::set_if_wanted(json, hr_text::lend(found)) };
        Some(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_say_what_the_parameters_say() {
        let texts = [
            (
                Api::OpenAi,
                r#"{"temperature": 0.2, "top_p": 0.9, "n": 3, "seed": 7, "logit_bias": {"5": -100},
                "presence_penalty": 0.5, "frequency_penalty": -1, "stop": ["a", "b"], "max_tokens": 9}"#,
            ),
            (
                Api::Anthropic,
                r#"{"temperature": 0.5, "top_k": 40, "max_tokens": 64, "stop_sequences": ["x"]}"#,
            ),
            (
                Api::HuggingFace,
                r#"{"do_sample": true, "temperature": 0.7, "typical_p": 0.9, "epsilon_cutoff": 0.01,
                "eta_cutoff": 0.02, "repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "min_new_tokens": 2,
                "eos_token_id": [1, 2], "suppress_tokens": [4], "begin_suppress_tokens": [5, 6],
                "bad_words_ids": [[7, 8], [9]], "forced_bos_token_id": 3, "max_new_tokens": 20,
                "forced_eos_token_id": 2, "exponential_decay_length_penalty": [5, 1.1], "min_p": 0.1}"#,
            ),
            (
                Api::Vllm,
                r#"{"min_p": 0.05, "top_k": 5, "repetition_penalty": 1.1, "min_tokens": 1,
                "stop_token_ids": [3], "allowed_token_ids": [1, 2, 3], "ignore_eos": false}"#,
            ),
        ];
        for (api, text) in texts {
            let set = ParameterSet::from_text(api, text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let expected = set.sampling.clone();
            let parameters = hr_parameters::new(set);
            assert_eq!(unsafe { parameters.options.to_params() }.unwrap(), expected, "{text}");
        }
    }
}
