//! The options of a generation: `hr_generation_options`, and its conversion to a [`Request`]. Only
//! with the feature `torch`.
//!
//! It is one flat struct. An option that is optional in Rust has a value here that means "off", and
//! that value is the default. Enumerations are read as numbers, as in the options of a sampler.
//!
//! Unsafe code: the struct promises [`Versioned`], and its pointers are the caller's; see
//! [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::constraint::hr_constraint;
use super::enumeration::enumeration;
use super::error::hr_error;
use super::interrupt::hr_interrupt;
use super::model::{hr_draft_heads, hr_model};
use super::options::{self, Versioned, read_flag, unknown_enumerator};
use super::parameters::hr_parameters;
use super::sampler_options::hr_sampler_options;
use super::status::hr_status;
use super::vocab::hr_text;
use crate::decode::{
    Acceptance, BeamSearch, Budget, ContrastiveSearch, Draft, DraftChoice, EarlyStopping, ForcedTokens,
    Request, Strategy, TokenHealing,
};
use crate::vocab::TokenId;
use std::ffi::{c_char, c_void};

enumeration! {
    /// The strategy that finds outputs.
    hr_strategy {
        /// Token by token, drawn by the sampler; greedy at temperature 0.
        HR_STRATEGY_SAMPLE = 0,
        /// The most probable of width outputs.
        HR_STRATEGY_BEST_OF = 1,
        /// Beam search with width beams.
        HR_STRATEGY_BEAM = 2,
        /// Contrastive search among the width most probable tokens.
        HR_STRATEGY_CONTRASTIVE = 3,
    }
}

enumeration! {
    /// The rule that ends beam search, once as many outputs have ended as there are beams.
    hr_early_stopping for EarlyStopping {
        /// Stops when the best beam, at its present length, scores no more than the worst ended
        /// output.
        HR_EARLY_STOPPING_HEURISTIC = 0,
        /// Stops at once.
        HR_EARLY_STOPPING_FULL = 1,
        /// Stops when no beam can reach a higher score.
        HR_EARLY_STOPPING_NEVER = 2,
    }
}

enumeration! {
    /// The source of guesses. Guesses save forward passes and leave the distribution of outputs
    /// unchanged.
    hr_drafter {
        /// No guesses.
        HR_DRAFTER_NONE = 0,
        /// The tokens that followed the latest tokens at their last earlier occurrence. At most
        /// draft_ngram of the latest tokens are looked for.
        HR_DRAFTER_NGRAM = 1,
        /// draft_model, a smaller model over the same tokens.
        HR_DRAFTER_MODEL = 2,
        /// The model without its layers draft_skipped_layers.
        HR_DRAFTER_SKIP_LAYERS = 3,
        /// draft_heads: a tree of guesses, read in one pass.
        HR_DRAFTER_HEADS = 4,
    }
}

enumeration! {
    /// The token that a draft model guesses.
    hr_draft_choice for DraftChoice {
        /// The most probable token. Outputs have the tokens that they would have without guesses.
        HR_DRAFT_CHOICE_LIKELIEST = 0,
        /// A token drawn from its distribution. Outputs have the distribution that they would have
        /// without guesses.
        HR_DRAFT_CHOICE_DRAWN = 1,
    }
}

/// Receives text while it is generated: UTF-8, not NUL-terminated, valid during the call. Returns 0
/// to continue and any other value to end the generation. Of several outputs, only the first one's
/// text is given. It is called after a forward pass that made new text certain; not while the
/// prompt is read, and under HR_STRATEGY_BEST_OF and HR_STRATEGY_BEAM only at the end. The member
/// interrupt ends a generation at any time. Called on the thread that called hr_generate(). Must
/// not unwind (no C++ exception, no longjmp).
pub type hr_on_text =
    Option<unsafe extern "C" fn(user_data: *mut c_void, text: *const c_char, len: usize) -> i32>;

/// The options of hr_generate(). Initialise them with hr_generation_options_init(). Pointers must
/// be valid during the call only.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_generation_options {
    /// Set by hr_generation_options_init().
    pub struct_size: usize,
    /// Largest number of tokens of an output. Default 512. If the sampler's options have a
    /// max_tokens too, the smaller one holds.
    pub max_tokens: usize,
    /// The constraint of the output, over the model's vocabulary (see hr_model_vocab()); NULL, the
    /// default, for none.
    pub constraint: *const hr_constraint,
    /// The options of the sampler; NULL, the default, draws from softmax(logits) with seed 0.
    pub sampler: *const hr_sampler_options,
    /// Texts that end the output at their first occurrence.
    pub stop: *const hr_text,
    /// Number of stop texts. Default 0.
    pub stop_count: usize,
    /// The system message of the model's chat template; empty, the default, for the template's own.
    pub system: hr_text,
    /// 0, the default, puts the prompt into the model's chat template as a message of the user; 1
    /// continues it as it is.
    pub raw_prompt: usize,
    /// A callback that receives text as it is generated; NULL, the default, for none.
    pub on_text: hr_on_text,
    /// The first argument of on_text. The library does not read it.
    pub user_data: *mut c_void,
    /// Number of outputs for the prompt, which is read once. Default 1.
    pub completions: usize,
    /// 0, the default, appends forced tokens without the model; 1 draws them like all others.
    pub sample_forced: usize,
    /// 0, the default, completes a constrained output within max_tokens: if the model does not, an
    /// end that the model has not chosen is written (see hr_generation_budget_ending()). 1 cuts the
    /// output at max_tokens.
    pub cut_at_limit: usize,
    /// 1 lets the output spell the end of the prompt with other tokens (token healing), for prompts
    /// that end within a word. Default 0.
    pub healing: usize,
    /// The strategy that finds outputs. Default HR_STRATEGY_SAMPLE.
    pub strategy: hr_strategy,
    /// The rule that ends beam search. Default HR_EARLY_STOPPING_HEURISTIC.
    pub early_stopping: hr_early_stopping,
    /// Number of outputs, beams or tokens from which the strategy chooses. Default 4.
    pub width: usize,
    /// For beam search: the exponent in an output's score, log-probability / length^length_penalty.
    /// Default 1.
    pub length_penalty: f64,
    /// For beam search: number of groups that choose one after another; divides width. Default 1.
    pub beam_groups: usize,
    /// For beam search: reduction of a token's score for each time that an earlier group has chosen
    /// it. Default 0.
    pub diversity_penalty: f64,
    /// For contrastive search: weight of a token's similarity to the tokens before it, from 0 to 1.
    /// Default 0.6.
    pub contrastive_penalty: f64,
    /// The source of guesses; for HR_STRATEGY_SAMPLE and HR_STRATEGY_BEST_OF. Default
    /// HR_DRAFTER_NONE.
    pub drafter: hr_drafter,
    /// The token that a draft model guesses. Default HR_DRAFT_CHOICE_LIKELIEST.
    pub draft_choice: hr_draft_choice,
    /// Largest number of tokens to guess, for a tree in all its branches. Default 5.
    pub draft_tokens: usize,
    /// For HR_DRAFTER_NGRAM: largest number of the latest tokens to look for. Default 3.
    pub draft_ngram: usize,
    /// For HR_DRAFTER_MODEL: the draft model.
    pub draft_model: *const hr_model,
    /// For HR_DRAFTER_SKIP_LAYERS: numbers of layers, from 0.
    pub draft_skipped_layers: *const usize,
    /// Number of skipped layers. Default 0.
    pub draft_skipped_count: usize,
    /// For HR_DRAFTER_HEADS: the draft heads.
    pub draft_heads: *const hr_draft_heads,
    /// A value above 0 accepts every guess x whose probability p(x) is above the smaller of
    /// accept_epsilon and accept_delta times exp(-H(p)), where H is the entropy. This is lossy:
    /// outputs lean towards the guesses. Usual: 0.09. Default 0: outputs keep their distribution.
    pub accept_epsilon: f64,
    /// The factor in the rule of accept_epsilon. Usual: 0.3. Default 0.
    pub accept_delta: f64,
    /// Scale of classifier-free guidance: increases the effect of the prompt over that of
    /// negative_prompt. Default 1: none.
    pub guidance: f64,
    /// The prompt whose likely tokens guidance makes less likely; empty, the default, for the
    /// prompt's last token alone.
    pub negative_prompt: hr_text,
    /// Contrastive decoding: a weaker model over the same tokens. Tokens that it finds less likely
    /// than the model does are favoured. NULL, the default, for none.
    pub amateur: *const hr_model,
    /// DoLa: numbers of layers, from 0. Tokens that these layers find less likely than the last
    /// layer does are favoured.
    pub dola_layers: *const usize,
    /// Number of these layers. Default 0: no DoLa.
    pub dola_count: usize,
    /// A conversation in JSON, in place of the prompt, which must then be empty: an array of
    /// messages such as {"role": "user", "content": "Hi"}, or an object with messages and tools. An
    /// assistant's message at its end is continued. Empty, the default, for none.
    pub messages: hr_text,
    /// Further variables of the chat template, as a JSON object such as
    /// {"enable_thinking": false}. Empty, the default, for none.
    pub template_variables: hr_text,
    /// A time limit and a flag, looked at after each forward pass of the model. They end the
    /// generation as on_text does: its outputs so far are the result, and they finish by
    /// HR_FINISH_REASON_CANCELLED. NULL, the default, for none.
    pub interrupt: *const hr_interrupt,
    /// Largest number of tokens of prompt and output together; 0, the default, for none but the
    /// model's context. A prompt of as many tokens or more is an error.
    pub max_length: usize,
    /// Smallest number of tokens of prompt and output together. Default 0.
    pub min_length: usize,
}

// The members are numbers, pointers and an optional function pointer.
unsafe impl Versioned for hr_generation_options {
    fn set_defaults(&mut self) {
        self.max_tokens = 512;
        self.completions = 1;
        self.width = 4;
        self.length_penalty = 1.0;
        self.beam_groups = 1;
        self.contrastive_penalty = 0.6;
        self.draft_tokens = 5;
        self.draft_ngram = 3;
        self.guidance = 1.0;
    }
}

/// Writes the defaults into a struct of struct_size bytes; NULL is ignored.
/// hr_generation_options_init() passes the size that the struct has in this header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_generation_options_init_sized(
    options: *mut hr_generation_options,
    struct_size: usize,
) {
    unsafe { options::init(options, struct_size) }
}

/// Writes parameters into a struct that hr_generation_options_init() initialised. The members
/// sampler, stop, stop_count, completions, max_length and min_length are written always, max_tokens
/// if the parameters limit an output's length, and the members of beam search if they ask for that.
/// Other members are unchanged. Pointers in the struct lead into the parameters.
///
/// Three things are not written: log-probabilities, which a generation does not report; the texts
/// of bad_words, which hr_parameters_text() gives; and the response_format, which
/// hr_parameters_response_format() gives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_parameters_get_generation_options(
    parameters: *const hr_parameters,
    options: *mut hr_generation_options,
    error: *mut *mut hr_error,
) -> hr_status {
    let results = || unsafe {
        let parameters = boundary::object(parameters, "parameters")?;
        let mut filled = options::read(boundary::object(options, "options")?, "options")?;
        filled.set_parameters(parameters);
        Ok(filled)
    };
    unsafe { options::write_results(options, "options", error, results) }
}

impl hr_generation_options {
    /// Sets the members that follow from parameters. Pointers in them lead into the parameters.
    fn set_parameters(&mut self, parameters: &hr_parameters) {
        self.sampler = &raw const parameters.options;
        self.stop = parameters.stop.as_ptr();
        self.stop_count = parameters.stop.len();
        self.completions = parameters.set.completions;
        if let Some(limit) = parameters.set.sampling.max_tokens {
            self.max_tokens = limit;
        } else if parameters.set.max_length.is_some() {
            self.max_tokens = usize::MAX;
        }
        self.max_length = parameters.set.max_length.unwrap_or(0);
        self.min_length = parameters.set.min_length.unwrap_or(0);
        if let Some(search) = &parameters.set.beams {
            self.strategy = hr_strategy::HR_STRATEGY_BEAM;
            self.width = search.beams;
            self.beam_groups = search.groups;
            self.diversity_penalty = f64::from(search.diversity_penalty);
            self.length_penalty = f64::from(search.length_penalty);
            self.early_stopping = hr_early_stopping::from_rust(search.early_stopping);
        }
    }

    /// The request to continue `prompt`. Relies on the promises of the pointers.
    pub(super) unsafe fn to_request(self, prompt: Vec<TokenId>) -> Result<Request, CallError> {
        let mut sampling = unsafe { options::read(self.sampler, "sampler")?.to_params()? };
        let limit = sampling.max_tokens.unwrap_or(usize::MAX).min(self.max_tokens);
        sampling.max_tokens = Some(limit.min(self.max_output_tokens(prompt.len())?));
        sampling.min_tokens = sampling.min_tokens.max(self.min_length.saturating_sub(prompt.len()));
        let stop_tokens = std::mem::take(&mut sampling.end_tokens);
        let mut request = Request::new(prompt)
            .sampling(sampling)
            .stop_tokens(stop_tokens)
            .completions(self.completions)
            .strategy(self.to_strategy()?)
            .draft(self.to_draft()?)
            .forced(read_flag(
                self.sample_forced as u64,
                "sample_forced",
                ForcedTokens::Append,
                ForcedTokens::Sample,
            )?)
            .budget(read_flag(self.cut_at_limit as u64, "cut_at_limit", Budget::Complete, Budget::Cut)?)
            .healing(read_flag(self.healing as u64, "healing", TokenHealing::Off, TokenHealing::On)?);
        if self.accept_epsilon != 0.0 || self.accept_delta != 0.0 {
            let (epsilon, delta) = (self.accept_epsilon as f32, self.accept_delta as f32);
            request = request.acceptance(Acceptance::Typical { epsilon, delta });
        }
        if !self.constraint.is_null() {
            let constraint = unsafe { boundary::object(self.constraint, "constraint")? };
            request = request.constraint(constraint.0.clone());
        }
        for stop in unsafe { boundary::slice(self.stop, self.stop_count, "stop")? } {
            request.stop.push(unsafe { stop.get("stop")? }.as_bytes().to_vec());
        }
        Ok(request)
    }

    /// Number of tokens that `max_length` leaves for an output after a prompt of `prompt` tokens.
    fn max_output_tokens(&self, prompt: usize) -> Result<usize, CallError> {
        match self.max_length {
            0 => Ok(usize::MAX),
            length => length.checked_sub(prompt).filter(|&left| left > 0).ok_or_else(|| {
                let reason = format!(
                    "max_length is {length} tokens of prompt and output together, but the prompt has \
                     {prompt}; raise it, or set max_tokens, which counts the output alone"
                );
                CallError::new(hr_status::HR_ERROR_LIMIT, reason)
            }),
        }
    }

    /// The strategy with its settings.
    fn to_strategy(self) -> Result<Strategy, CallError> {
        let early_stopping = self.early_stopping.get("early_stopping")?;
        Ok(match self.strategy {
            hr_strategy::HR_STRATEGY_SAMPLE => Strategy::Sample,
            hr_strategy::HR_STRATEGY_BEST_OF => Strategy::BestOf(self.width),
            hr_strategy::HR_STRATEGY_BEAM => Strategy::Beam(
                BeamSearch::new(self.width)
                    .length_penalty(self.length_penalty)
                    .early_stopping(early_stopping)
                    .diverse(self.beam_groups, self.diversity_penalty),
            ),
            hr_strategy::HR_STRATEGY_CONTRASTIVE => Strategy::Contrastive(ContrastiveSearch {
                candidates: self.width,
                penalty: self.contrastive_penalty as f32,
            }),
            other => return unknown_enumerator(other.0, "strategy", hr_strategy::MEMBERS.len()),
        })
    }

    /// The source of guesses with its settings.
    fn to_draft(self) -> Result<Draft, CallError> {
        let choice = self.draft_choice.get("draft_choice")?;
        let tokens = self.draft_tokens;
        Ok(match self.drafter {
            hr_drafter::HR_DRAFTER_NONE => Draft::None,
            hr_drafter::HR_DRAFTER_NGRAM => Draft::Ngram { longest: self.draft_ngram, tokens },
            hr_drafter::HR_DRAFTER_MODEL | hr_drafter::HR_DRAFTER_SKIP_LAYERS => {
                Draft::Model { tokens, choice }
            }
            hr_drafter::HR_DRAFTER_HEADS => Draft::Heads { tokens },
            other => return unknown_enumerator(other.0, "drafter", hr_drafter::MEMBERS.len()),
        })
    }
}
