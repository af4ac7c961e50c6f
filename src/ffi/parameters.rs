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
use super::options;
use super::sampler_options::hr_sampler_options;
use super::sampler_params::ListsForC;
use super::status::hr_status;
use super::vocab::hr_text;
use crate::sampling::parameter_sets::{Api, ParameterSet};
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
    /// The lists that `options` points to and that `set` has in another form.
    _lists: ListsForC,
    #[cfg_attr(not(feature = "torch"), allow(dead_code))]
    pub(super) stop: Vec<hr_text>,
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
        /// Names of members that are not read, such as "model".
        HR_PARAMETER_TEXTS_PASSED_OVER = 2,
        /// Names among HR_PARAMETER_TEXTS_PASSED_OVER whose members would change the output if they
        /// were read, such as "temperature" where "do_sample" is false. A caller warns of them.
        HR_PARAMETER_TEXTS_UNUSED = 3,
    }
}

impl hr_parameters {
    /// Converts parameters to their C form.
    fn new(set: ParameterSet) -> Self {
        let lists = ListsForC::new(&set.sampling);
        hr_parameters {
            options: hr_sampler_options::from_params(&set.sampling, &lists),
            response_format: set.response_format.as_ref().map(|value| value.to_string()),
            stop: set.stop.iter().map(|text| hr_text::lend(text)).collect(),
            _lists: lists,
            set,
        }
    }

    /// The texts of a list; `None` for a number that stands for no list.
    fn texts(&self, which: hr_parameter_texts) -> Option<&[String]> {
        match which {
            hr_parameter_texts::HR_PARAMETER_TEXTS_STOP => Some(&self.set.stop),
            hr_parameter_texts::HR_PARAMETER_TEXTS_BAD_WORDS => Some(&self.set.bad_words),
            hr_parameter_texts::HR_PARAMETER_TEXTS_PASSED_OVER => Some(&self.set.passed_over),
            hr_parameter_texts::HR_PARAMETER_TEXTS_UNUSED => Some(&self.set.unused),
            _ => None,
        }
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
    unsafe { boundary::create_object(out, error, make) }
}

/// Writes the parameters into a struct that hr_sampler_options_init() initialised, whatever it
/// holds. ListsForC in it point into the parameters. The caller may change members before using it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_get_sampler_options(
    parameters: *const hr_parameters,
    options: *mut hr_sampler_options,
    error: *mut *mut hr_error,
) -> hr_status {
    let results = || unsafe { Ok(boundary::object(parameters, "parameters")?.options) };
    unsafe { options::write_results(options, "options", error, results) }
}

/// True if the parameters set a seed. If they do not, the caller may choose one. False for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_has_seed(parameters: *const hr_parameters) -> bool {
    boundary::return_value_or(false, || Some(unsafe { parameters.as_ref() }?.set.seed.is_some()))
}

/// Number of outputs that the parameters ask for. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_completions(parameters: *const hr_parameters) -> usize {
    boundary::return_value_or(0, || Some(unsafe { parameters.as_ref() }?.set.completions))
}

/// True if the parameters limit the tokens of prompt and output together, as max_length and
/// min_length of Hugging Face do. min and max, which may be NULL, then become these numbers; 0
/// stands for no limit. hr_parameters_get_generation_options() writes them into members of the same
/// names. For a sampler, subtract the prompt's tokens to get min_tokens and max_tokens of
/// hr_sampler_options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_lengths(
    parameters: *const hr_parameters,
    min: *mut usize,
    max: *mut usize,
) -> bool {
    boundary::return_value_or(false, || {
        let ParameterSet { min_length, max_length, .. } = unsafe { parameters.as_ref() }?.set;
        min_length.or(max_length)?;
        unsafe { boundary::write_if_not_null(min, min_length.unwrap_or(0)) };
        unsafe { boundary::write_if_not_null(max, max_length.unwrap_or(0)) };
        Some(true)
    })
}

/// True if the parameters ask for log-probabilities; count, which may be NULL, then becomes the
/// number of the most probable tokens to report with each token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_logprobs(parameters: *const hr_parameters, count: *mut usize) -> bool {
    boundary::return_value_or(false, || {
        let logprobs = unsafe { parameters.as_ref() }?.set.logprobs?;
        unsafe { boundary::write_if_not_null(count, logprobs) };
        Some(true)
    })
}

/// Number of texts in a list. 0 for NULL, and for a list that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_text_count(
    parameters: *const hr_parameters,
    which: hr_parameter_texts,
) -> usize {
    boundary::return_value_or(0, || Some(unsafe { parameters.as_ref() }?.texts(which)?.len()))
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
    boundary::return_value_or(false, || {
        let found = unsafe { parameters.as_ref() }?.texts(which)?.get(index)?;
        unsafe { boundary::write_if_not_null(text, hr_text::lend(found)) };
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
    boundary::return_value_or(false, || {
        let found = unsafe { parameters.as_ref() }?.response_format.as_ref()?;
        unsafe { boundary::write_if_not_null(json, hr_text::lend(found)) };
        Some(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_the_values_of_the_parameters() {
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
