//! Options of a sampler: `hr_sampler_options`. `sampler_params` converts them and has their
//! defaults.
//!
//! It is one flat struct. An option that is optional in Rust has a value here that means "off", and
//! that value is the default.
//!
//! Unsafe code: an entry point that takes a pointer; see [`options`].
#![allow(unsafe_code)]

use super::enumeration::enumeration;
use super::options;
use super::vocab::hr_text;
use crate::sampling::{MirostatVersion, PLess, Selection, TailFreeEnd, Ties};

enumeration! {
    /// Order of a sampler's steps.
    hr_chain_order {
        /// As Hugging Face: biases, bans, penalties, mask, temperature, top-k, top-p, min-p, the
        /// other truncations.
        HR_CHAIN_ORDER_HF = 0,
        /// As llama.cpp: biases, bans, penalties, mask, top-n-sigma, top-k, typical, top-p, min-p,
        /// XTC, temperature last.
        HR_CHAIN_ORDER_LLAMA = 1,
        /// The steps named in custom_order.
        HR_CHAIN_ORDER_CUSTOM = 2,
        /// As vLLM: as HR_CHAIN_ORDER_HF, but with min-p before top-k and top-p.
        HR_CHAIN_ORDER_VLLM = 3,
    }
}

enumeration! {
    /// The way to draw a token from the final distribution. Both draw from the same distribution.
    hr_selection for Selection {
        /// Inverse of the cumulative distribution function, at one random number.
        HR_SELECTION_INVERSE_CDF = 0,
        /// The largest sum of a logit and a Gumbel number: the choice between two tokens does not
        /// depend on the others.
        HR_SELECTION_GUMBEL_MAX = 1,
    }
}

enumeration! {
    /// The rule by which the temperature changes from token to token. T is the member temperature.
    hr_dynamic_temperature {
        /// The temperature is always T.
        HR_DYNAMIC_TEMPERATURE_OFF = 0,
        /// T * (1 + 0.3 * position / dynamic_temperature_total).
        HR_DYNAMIC_TEMPERATURE_POSITION = 1,
        /// T * (0.5 + H / H_max), H the entropy of the distribution.
        HR_DYNAMIC_TEMPERATURE_ENTROPY = 2,
        /// low + (high - low) * (H / H_max)^exponent, instead of T.
        HR_DYNAMIC_TEMPERATURE_RANGE = 3,
    }
}

enumeration! {
    /// The treatment of tokens whose logit equals the k-th largest.
    hr_top_k_ties for Ties {
        /// Keep exactly k, the lowest ids among equals.
        HR_TOP_K_TIES_LOWEST_ID = 0,
        /// Keep all that equal the k-th.
        HR_TOP_K_TIES_KEEP_ALL = 1,
    }
}

enumeration! {
    /// The place at which tail-free sampling cuts. Implementations differ in it by one token.
    hr_tail_free_end for TailFreeEnd {
        /// Keep the token at which the cumulative weight passes z.
        HR_TAIL_FREE_END_AFTER = 0,
        /// Drop the token at which the cumulative weight passes z, as llama.cpp did.
        HR_TAIL_FREE_END_BEFORE = 1,
    }
}

enumeration! {
    /// The forms of p-less, a truncation whose threshold follows from the distribution.
    hr_p_less for Option<PLess> {
        /// Off.
        HR_P_LESS_OFF = 0 => None,
        /// Keep p >= the sum of p squared.
        HR_P_LESS_PLAIN = 1 => Some(PLess::Plain),
        /// Keep p >= (V * that sum - 1) / (V - 1), V the number of candidates.
        HR_P_LESS_NORMALISED = 2 => Some(PLess::Normalised),
    }
}

enumeration! {
    /// The versions of Mirostat.
    hr_mirostat for Option<MirostatVersion> {
        /// Off.
        HR_MIROSTAT_OFF = 0 => None,
        /// Estimates Zipf's exponent from the top 100, then draws from a top-k.
        HR_MIROSTAT_V1 = 1 => Some(MirostatVersion::V1),
        /// Drops tokens whose surprise exceeds a threshold.
        HR_MIROSTAT_V2 = 2 => Some(MirostatVersion::V2),
    }
}

enumeration! {
    /// The tokens that decide a watermark's green list.
    hr_watermark {
        /// No watermark.
        HR_WATERMARK_OFF = 0,
        /// The last token before the candidate.
        HR_WATERMARK_LEFT_HASH = 1,
        /// The last watermark_context_width tokens, the candidate included.
        HR_WATERMARK_SELF_HASH = 2,
    }
}

/// A number to add to the logit of a token; -infinity bans the token.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_token_bias {
    /// The token.
    pub token: u32,
    /// The number that is added.
    pub bias: f32,
}

/// A sequence of at least one token, in the caller's memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_token_sequence {
    /// The tokens.
    pub tokens: *const u32,
    /// Number of tokens.
    pub count: usize,
    /// For sequence_bias: added to the logit of the last token where the tokens before it have just
    /// been generated.
    pub bias: f32,
}

/// The options of a sampler. Initialise them with hr_sampler_options_init(), which turns every
/// strategy off; then change members.
///
/// The steps of the chain run one after another, and the probabilities in the comments below are
/// those that the earlier steps have left. hr_sampler_new() checks the ranges. Pointers are needed
/// only until it returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_sampler_options {
    /// Set by hr_sampler_options_init().
    pub struct_size: usize,
    /// Seed of the random numbers. Default 0.
    pub seed: u64,
    /// Index of the completion, if a request has several: each draws its own numbers. Default 0.
    pub completion: u32,
    /// The way to draw a token. Default HR_SELECTION_INVERSE_CDF.
    pub selection: hr_selection,
    /// Order of the steps. Default HR_CHAIN_ORDER_HF.
    pub order: hr_chain_order,
    /// T of softmax(logits / T), at least 0. 0 takes the most probable token. Default 1.
    pub temperature: f32,
    /// For HR_CHAIN_ORDER_CUSTOM: names of steps, separated by commas, such as
    /// "repetition-penalty,mask,temperature,top-k". Every step that is switched on must be among
    /// them. Default empty.
    pub custom_order: hr_text,
    /// Keep the k most probable tokens; 0 is off (default).
    pub top_k: usize,
    /// The treatment of ties by top-k. Default HR_TOP_K_TIES_LOWEST_ID.
    pub top_k_ties: hr_top_k_ties,
    /// Keep the most probable tokens whose mass reaches p, in [0, 1]; 1 is off (default).
    pub top_p: f32,
    /// Keep p >= min_p * largest p, in [0, 1]; 0 is off (default).
    pub min_p: f32,
    /// Mass of the locally typical tokens, in [0, 1]; 1 is off (default).
    pub typical_p: f32,
    /// Tail-free z, in [0, 1]; 1 is off (default).
    pub tfs_z: f32,
    /// The place at which tail-free sampling cuts. Default HR_TAIL_FREE_END_AFTER.
    pub tfs_end: hr_tail_free_end,
    /// Epsilon cut-off, in [0, 1); 0 is off (default).
    pub epsilon_cutoff: f32,
    /// Eta cut-off, in [0, 1); 0 is off (default).
    pub eta_cutoff: f32,
    /// Keep p >= top_a * (largest p) squared, in [0, 1]; 0 is off (default).
    pub top_a: f32,
    /// Keep logits >= the largest - n standard deviations; 0 is off (default).
    pub top_n_sigma: f32,
    /// Keep tokens while their cumulative entropy is at most h of the whole, in (0, 1]; 0 is off
    /// (default).
    pub top_h: f32,
    /// The form of p-less, a truncation whose threshold follows from the distribution. Default
    /// HR_P_LESS_OFF.
    pub p_less: hr_p_less,
    /// XTC: the probability that all top choices except the least probable one are dropped, in [0,
    /// 1]; 0 is off (default).
    pub xtc_probability: f32,
    /// XTC: the least probability of a top choice, in [0, 1]; above 0.5 the step never acts.
    /// Default 0.1.
    pub xtc_threshold: f32,
    /// Quadratic smoothing of the logits, at least 0; 0 is off (default).
    pub smoothing_factor: f32,
    /// Curve of the smoothing; 1 is the plain quadratic (default).
    pub smoothing_curve: f32,
    /// The rule by which the temperature changes. Default HR_DYNAMIC_TEMPERATURE_OFF.
    pub dynamic_temperature: hr_dynamic_temperature,
    /// For HR_DYNAMIC_TEMPERATURE_RANGE: the temperature at entropy 0. Default 0.
    pub dynamic_temperature_low: f32,
    /// For HR_DYNAMIC_TEMPERATURE_RANGE: the temperature at the largest entropy. Default 1.
    pub dynamic_temperature_high: f32,
    /// For HR_DYNAMIC_TEMPERATURE_RANGE: the exponent. Default 1.
    pub dynamic_temperature_exponent: f32,
    /// For HR_DYNAMIC_TEMPERATURE_POSITION: expected length of the output in tokens; 0 leaves the
    /// temperature. Default 0.
    pub dynamic_temperature_total: usize,
    /// Version of Mirostat. Excludes adaptive-p. Default HR_MIROSTAT_OFF.
    pub mirostat: hr_mirostat,
    /// Mirostat: the surprise to keep to, in bits, above 0. Default 5.
    pub mirostat_tau: f32,
    /// Mirostat: the rate of learning, at least 0. Default 0.1.
    pub mirostat_eta: f32,
    /// Adaptive-p: the probability that chosen tokens should have on average, in [0, 1]; negative
    /// is off (default -1).
    pub adaptive_p_target: f32,
    /// Adaptive-p: decay of the moving average, in [0, 0.99]. Default 0.9.
    pub adaptive_p_decay: f32,
    /// Divides positive and multiplies negative logits of seen tokens, above 0; 1 is off (default).
    pub repetition_penalty: f32,
    /// Number of the last tokens, of prompt and output, that the repetition penalty looks at; 0 is
    /// all (default).
    pub repetition_window: usize,
    /// Subtracted from a logit for each time the token is in the output, in [-2, 2]; 0 is off
    /// (default).
    pub frequency_penalty: f32,
    /// Subtracted from the logit of every token in the output, in [-2, 2]; 0 is off (default).
    pub presence_penalty: f32,
    /// DRY: the multiplier, at least 0; 0 is off (default).
    pub dry_multiplier: f32,
    /// DRY: the base, at least 1. Default 1.75.
    pub dry_base: f32,
    /// DRY: length up to which repetitions are not penalised. Default 2.
    pub dry_allowed_length: usize,
    /// DRY: number of the last tokens that are searched; 0 is all (default).
    pub dry_window: usize,
    /// DRY: tokens that end every repetition. Default none.
    pub dry_breakers: *const u32,
    /// Number of entries in dry_breakers.
    pub dry_breaker_count: usize,
    /// Added to the logits of single tokens. Default none.
    pub logit_bias: *const hr_token_bias,
    /// Number of entries in logit_bias.
    pub logit_bias_count: usize,
    /// Biases on sequences. Default none.
    pub sequence_bias: *const hr_token_sequence,
    /// Number of entries in sequence_bias.
    pub sequence_bias_count: usize,
    /// Sequences that may not be completed; their bias is not used. Default none.
    pub bad_words: *const hr_token_sequence,
    /// Number of entries in bad_words.
    pub bad_word_count: usize,
    /// The only tokens that may be drawn; if empty, the default, all may.
    pub allowed_tokens: *const u32,
    /// Number of entries in allowed_tokens.
    pub allowed_token_count: usize,
    /// Tokens that may not be drawn. Default none.
    pub suppressed_tokens: *const u32,
    /// Number of entries in suppressed_tokens.
    pub suppressed_token_count: usize,
    /// Tokens that may not be drawn first. Default none.
    pub begin_suppressed_tokens: *const u32,
    /// Number of entries in begin_suppressed_tokens.
    pub begin_suppressed_token_count: usize,
    /// Tokens that end the output, with hr_generate() besides the vocabulary's. Default none.
    pub end_tokens: *const u32,
    /// Number of entries in end_tokens.
    pub end_token_count: usize,
    /// No sequence of this many tokens may occur twice in prompt and output; 0 is off (default).
    pub no_repeat_ngram: usize,
    /// Raises the logit l of each end token by abs(l) * (factor^(position - start) - 1); above 0; 0
    /// is off (default).
    pub exponential_decay_factor: f32,
    /// The first token of the output; HR_NO_TOKEN leaves it free (default).
    pub forced_first: u32,
    /// The token at position max_tokens - 1, if the mask allows it there; HR_NO_TOKEN leaves it
    /// free (default).
    pub forced_last: u32,
    /// The source of a watermark's green list. Default HR_WATERMARK_OFF.
    pub watermark: hr_watermark,
    /// Position from which the exponential decay acts. Default 0.
    pub exponential_decay_start: usize,
    /// No end token before this many tokens, unless the mask leaves nothing else. Default 0.
    pub min_tokens: usize,
    /// Length of the output in tokens, for forced_last; 0 is unknown (default).
    pub max_tokens: usize,
    /// Watermark: share of the vocabulary on the green list, in (0, 1). Default 0.25.
    pub watermark_ratio: f32,
    /// Watermark: added to green logits, above 0. Default 2.
    pub watermark_bias: f32,
    /// Watermark: the secret key. Default 15485863.
    pub watermark_key: u64,
    /// Watermark: tokens that HR_WATERMARK_SELF_HASH looks at, at least 1. Default 4.
    pub watermark_context_width: usize,
}

/// Writes the defaults into a struct of struct_size bytes; NULL is ignored.
/// hr_sampler_options_init() passes the size that the struct has in this header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_sampler_options_init_sized(options: *mut hr_sampler_options, struct_size: usize) {
    unsafe { options::init(options, struct_size) }
}
