//! The conversion of `hr_sampler_options` to the library's [`SamplingParams`], and back.
//!
//! Each parameter stands here once. Most are members of the same name, whose types say how they are
//! converted ([`Member`]): they are named in one list. The others have a pair of functions, one for
//! each direction. The members' defaults are the conversion of the library's defaults.
//!
//! Numbers are taken over as they are; [`SamplingParams::validate`] checks their ranges. This file
//! checks only what a C caller alone can get wrong: enumerators out of range, and lists that are
//! NULL but not empty.
//!
//! Unsafe code: the lists are the caller's pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::options::{Versioned, unknown_enumerator};
use super::sampler_options::*;
use super::vocab::{HR_NO_TOKEN, hr_text, token_slice};
use crate::sampling::{
    AdaptiveP, ChainOrder, Dry, DynamicTemperature, ExponentialDecay, Mirostat, PLess, SamplingParams,
    Selection, Smoothing, Step, TailFreeEnd, Ties, Watermark, WatermarkSeeding, Xtc,
};
use crate::vocab::TokenId;
use std::ptr;

/// A type of members of the C struct, with its conversion from and to a type `T` of the library's
/// parameters.
trait Member<T> {
    /// The value of the parameter; `name` is the member's name for errors.
    fn to_parameter(self, name: &str) -> Result<T, CallError>;

    /// The value of the member.
    fn from_parameter(value: &T) -> Self;
}

/// Implements [`Member`] for types that are the same on both sides.
macro_rules! impl_member_by_copy {
    ($($type:ty),*) => {$(
        impl Member<$type> for $type {
            fn to_parameter(self, _: &str) -> Result<$type, CallError> {
                Ok(self)
            }

            fn from_parameter(value: &$type) -> Self {
                *value
            }
        }
    )*};
}
impl_member_by_copy!(f32, usize, u32, u64);

/// In C 0 stands for `None`.
impl Member<Option<f32>> for f32 {
    fn to_parameter(self, _: &str) -> Result<Option<f32>, CallError> {
        Ok(none_if_zero(self))
    }

    fn from_parameter(value: &Option<f32>) -> Self {
        value.unwrap_or(0.0)
    }
}

/// In C 0 stands for `None`.
impl Member<Option<usize>> for usize {
    fn to_parameter(self, _: &str) -> Result<Option<usize>, CallError> {
        Ok((self > 0).then_some(self))
    }

    fn from_parameter(value: &Option<usize>) -> Self {
        value.unwrap_or(0)
    }
}

/// In C [`HR_NO_TOKEN`] stands for `None`.
impl Member<Option<TokenId>> for u32 {
    fn to_parameter(self, _: &str) -> Result<Option<TokenId>, CallError> {
        Ok((self != HR_NO_TOKEN).then_some(TokenId(self)))
    }

    fn from_parameter(value: &Option<TokenId>) -> Self {
        value.map_or(HR_NO_TOKEN, |id| id.0)
    }
}

/// Implements [`Member`] for C enumerations that stand for a Rust type.
macro_rules! impl_member_by_enumerator {
    ($($c:ty: $rust:ty),*) => {$(
        impl Member<$rust> for $c {
            fn to_parameter(self, name: &str) -> Result<$rust, CallError> {
                self.get(name)
            }

            fn from_parameter(value: &$rust) -> Self {
                <$c>::from_rust(*value)
            }
        }
    )*};
}
impl_member_by_enumerator!(hr_selection: Selection, hr_top_k_ties: Ties, hr_tail_free_end: TailFreeEnd);
impl_member_by_enumerator!(hr_p_less: Option<PLess>);

/// Declares the members of the C struct that have the name of their parameter.
macro_rules! members {
    ($($name:ident),*) => {
        fn read_members(options: &hr_sampler_options, params: &mut SamplingParams) -> Result<(), CallError> {
            $(params.$name = options.$name.to_parameter(stringify!($name))?;)*
            Ok(())
        }

        fn write_members(options: &mut hr_sampler_options, params: &SamplingParams) {
            $(options.$name = Member::from_parameter(&params.$name);)*
        }
    };
}

members! {
    temperature, top_k, top_k_ties, top_p, min_p, typical_p, tfs_z, tfs_end, epsilon_cutoff, eta_cutoff,
    top_a, top_n_sigma, top_h, p_less, repetition_penalty, repetition_window, frequency_penalty,
    presence_penalty, no_repeat_ngram, forced_first, forced_last, min_tokens, max_tokens, selection, seed,
    completion
}

/// Declares the lists of tokens that have the name of their parameter, each with the member that
/// holds its length.
macro_rules! token_lists {
    ($($name:ident: $count:ident),*) => {
        /// Copies the lists. Relies on each being as long as its length says.
        unsafe fn read_token_lists(
            options: &hr_sampler_options,
            params: &mut SamplingParams,
        ) -> Result<(), CallError> {
            $(params.$name = unsafe { token_slice(options.$name, options.$count, stringify!($name))? }.to_vec();)*
            Ok(())
        }

        fn write_token_lists(options: &mut hr_sampler_options, params: &SamplingParams) {
            $((options.$name, options.$count) = token_list_for_c(&params.$name);)*
        }
    };
}

token_lists! {
    suppressed_tokens: suppressed_token_count,
    begin_suppressed_tokens: begin_suppressed_token_count,
    end_tokens: end_token_count
}

/// The pointer and the length of a list as C gets them; NULL for an empty list.
fn list_for_c<T>(items: &[T]) -> (*const T, usize) {
    (if items.is_empty() { ptr::null() } else { items.as_ptr() }, items.len())
}

/// The pointer and the length of a list of tokens. A `TokenId` is a `u32` in memory.
fn token_list_for_c(tokens: &[TokenId]) -> (*const u32, usize) {
    let (tokens, count) = list_for_c(tokens);
    (tokens.cast(), count)
}

/// The number; `None` for 0, which stands for an absent parameter in C.
fn none_if_zero(number: f32) -> Option<f32> {
    (number != 0.0).then_some(number)
}

/// The conversion of a parameter that takes up several members of the C struct, such as `xtc` with
/// `xtc_probability` and `xtc_threshold`.
struct Group {
    /// Reads the members into the parameter.
    read: unsafe fn(&hr_sampler_options, &mut SamplingParams) -> Result<(), CallError>,
    /// Writes the parameter to the members.
    write: fn(&mut hr_sampler_options, &SamplingParams, &ListsForC),
}

/// Every parameter that is not among `members!` and `token_lists!`.
const GROUPS: &[Group] = &[
    Group {
        read: |c, params| {
            params.xtc = none_if_zero(c.xtc_probability)
                .map(|probability| Xtc { probability, threshold: c.xtc_threshold });
            Ok(())
        },
        write: |c, params, _| {
            let xtc = params.xtc.unwrap_or(Xtc { probability: 0.0, threshold: 0.1 });
            (c.xtc_probability, c.xtc_threshold) = (xtc.probability, xtc.threshold);
        },
    },
    Group {
        read: |c, params| {
            params.smoothing =
                none_if_zero(c.smoothing_factor).map(|factor| Smoothing { factor, curve: c.smoothing_curve });
            Ok(())
        },
        write: |c, params, _| {
            let smoothing = params.smoothing.unwrap_or_default();
            (c.smoothing_factor, c.smoothing_curve) = (smoothing.factor, smoothing.curve);
        },
    },
    Group {
        read: |c, params| {
            params.mirostat = c.mirostat.get("mirostat")?.map(|version| Mirostat {
                version,
                tau: c.mirostat_tau,
                eta: c.mirostat_eta,
            });
            Ok(())
        },
        write: |c, params, _| {
            let mirostat = params.mirostat.unwrap_or_default();
            c.mirostat = hr_mirostat::from_rust(params.mirostat.map(|mirostat| mirostat.version));
            (c.mirostat_tau, c.mirostat_eta) = (mirostat.tau, mirostat.eta);
        },
    },
    Group {
        // NaN does not mean "off": it is kept, and validation refuses it.
        read: |c, params| {
            params.adaptive_p = (c.adaptive_p_target >= 0.0 || c.adaptive_p_target.is_nan())
                .then_some(AdaptiveP { target: c.adaptive_p_target, decay: c.adaptive_p_decay });
            Ok(())
        },
        write: |c, params, _| {
            let adaptive = params.adaptive_p.unwrap_or(AdaptiveP { target: -1.0, ..AdaptiveP::default() });
            (c.adaptive_p_target, c.adaptive_p_decay) = (adaptive.target, adaptive.decay);
        },
    },
    Group {
        read: |c, params| {
            params.exponential_decay = none_if_zero(c.exponential_decay_factor)
                .map(|factor| ExponentialDecay { start: c.exponential_decay_start, factor });
            Ok(())
        },
        write: |c, params, _| {
            let decay = params.exponential_decay.unwrap_or(ExponentialDecay { start: 0, factor: 0.0 });
            (c.exponential_decay_start, c.exponential_decay_factor) = (decay.start, decay.factor);
        },
    },
    Group { read: read_dry, write: write_dry },
    Group {
        read: |c, params| {
            let allowed = unsafe { token_slice(c.allowed_tokens, c.allowed_token_count, "allowed_tokens")? };
            params.allowed_tokens = (!allowed.is_empty()).then(|| allowed.to_vec());
            Ok(())
        },
        write: |c, params, _| {
            (c.allowed_tokens, c.allowed_token_count) =
                token_list_for_c(params.allowed_tokens.as_deref().unwrap_or_default());
        },
    },
    Group {
        read: |c, params| {
            let biases = unsafe { boundary::slice(c.logit_bias, c.logit_bias_count, "logit_bias")? };
            params.logit_bias = biases.iter().map(|bias| (TokenId(bias.token), bias.bias)).collect();
            Ok(())
        },
        write: |c, _, lists| {
            (c.logit_bias, c.logit_bias_count) = list_for_c(&lists.logit_bias);
        },
    },
    Group {
        read: |c, params| {
            params.sequence_bias =
                unsafe { read_sequences(c.sequence_bias, c.sequence_bias_count, "sequence_bias")? };
            Ok(())
        },
        write: |c, _, lists| {
            (c.sequence_bias, c.sequence_bias_count) = list_for_c(&lists.sequence_bias);
        },
    },
    Group {
        read: |c, params| {
            let words = unsafe { read_sequences(c.bad_words, c.bad_word_count, "bad_words")? };
            params.bad_words = words.into_iter().map(|(tokens, _)| tokens).collect();
            Ok(())
        },
        write: |c, _, lists| {
            (c.bad_words, c.bad_word_count) = list_for_c(&lists.bad_words);
        },
    },
    Group { read: read_dynamic_temperature, write: write_dynamic_temperature },
    Group { read: read_watermark, write: write_watermark },
    Group { read: read_order, write: write_order },
];

/// The lists and texts that C needs in another form than the library's. The members of an
/// `hr_sampler_options` point into them.
pub(super) struct ListsForC {
    logit_bias: Vec<hr_token_bias>,
    sequence_bias: Vec<hr_token_sequence>,
    bad_words: Vec<hr_token_sequence>,
    order: String,
}

impl ListsForC {
    /// Converts the lists of the parameters.
    pub(super) fn new(params: &SamplingParams) -> Self {
        let sequence = |list: &Vec<TokenId>, bias| {
            let (tokens, count) = token_list_for_c(list);
            hr_token_sequence { tokens, count, bias }
        };
        let biases = params.logit_bias.iter();
        let sequences = params.sequence_bias.iter();
        ListsForC {
            logit_bias: biases.map(|&(token, bias)| hr_token_bias { token: token.0, bias }).collect(),
            sequence_bias: sequences.map(|(tokens, bias)| sequence(tokens, *bias)).collect(),
            bad_words: params.bad_words.iter().map(|tokens| sequence(tokens, 0.0)).collect(),
            order: match &params.order {
                ChainOrder::Custom(steps) => {
                    steps.iter().map(|step| step.name()).collect::<Vec<_>>().join(",")
                }
                ChainOrder::Hf | ChainOrder::Vllm | ChainOrder::Llama => String::new(),
            },
        }
    }
}

// The members are numbers, raw pointers and structs of them.
unsafe impl Versioned for hr_sampler_options {
    fn set_defaults(&mut self) {
        // All lists are empty, and so NULL: nothing points to what this function drops.
        let params = SamplingParams::default();
        self.write_params(&params, &ListsForC::new(&params));
    }
}

impl hr_sampler_options {
    /// The library's parameters. Relies on each list being as long as its length says.
    pub(super) unsafe fn to_params(self) -> Result<SamplingParams, CallError> {
        let mut params = SamplingParams::default();
        read_members(&self, &mut params)?;
        unsafe { read_token_lists(&self, &mut params)? };
        for group in GROUPS {
            unsafe { (group.read)(&self, &mut params)? };
        }
        Ok(params)
    }

    /// The C struct of the parameters. Its lists point into the arguments.
    pub(super) fn from_params(params: &SamplingParams, lists: &ListsForC) -> Self {
        let mut options = Self::defaults();
        options.write_params(params, lists);
        options
    }

    /// Writes all parameters to the members. Lists point into the arguments.
    fn write_params(&mut self, params: &SamplingParams, lists: &ListsForC) {
        write_members(self, params);
        write_token_lists(self, params);
        GROUPS.iter().for_each(|group| (group.write)(self, params, lists));
    }
}

/// Reads the members of DRY. Relies on the list of breakers being as long as its length says.
unsafe fn read_dry(c: &hr_sampler_options, params: &mut SamplingParams) -> Result<(), CallError> {
    let Some(multiplier) = none_if_zero(c.dry_multiplier) else { return Ok(()) };
    let breakers = unsafe { token_slice(c.dry_breakers, c.dry_breaker_count, "dry_breakers")? }.to_vec();
    let window = c.dry_window.to_parameter("dry_window")?;
    let (base, allowed_length) = (c.dry_base, c.dry_allowed_length);
    params.dry = Some(Dry { multiplier, base, allowed_length, window, breakers });
    Ok(())
}

fn write_dry(c: &mut hr_sampler_options, params: &SamplingParams, _: &ListsForC) {
    let Dry { multiplier, base, allowed_length, window, .. } = params.dry.clone().unwrap_or_default();
    c.dry_multiplier = if params.dry.is_some() { multiplier } else { 0.0 };
    (c.dry_base, c.dry_allowed_length, c.dry_window) =
        (base, allowed_length, Member::from_parameter(&window));
    (c.dry_breakers, c.dry_breaker_count) =
        token_list_for_c(params.dry.as_ref().map_or(&[], |dry| &dry.breakers));
}

unsafe fn read_dynamic_temperature(
    c: &hr_sampler_options,
    params: &mut SamplingParams,
) -> Result<(), CallError> {
    params.dynamic_temperature = match c.dynamic_temperature {
        hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_OFF => None,
        hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_POSITION => {
            Some(DynamicTemperature::Position { total: c.dynamic_temperature_total })
        }
        hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_ENTROPY => Some(DynamicTemperature::Entropy),
        hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_RANGE => Some(DynamicTemperature::Range {
            low: c.dynamic_temperature_low,
            high: c.dynamic_temperature_high,
            exponent: c.dynamic_temperature_exponent,
        }),
        other => {
            return unknown_enumerator(other.0, "dynamic_temperature", hr_dynamic_temperature::MEMBERS.len());
        }
    };
    Ok(())
}

fn write_dynamic_temperature(c: &mut hr_sampler_options, params: &SamplingParams, _: &ListsForC) {
    (c.dynamic_temperature_low, c.dynamic_temperature_high, c.dynamic_temperature_exponent) = (0.0, 1.0, 1.0);
    c.dynamic_temperature = match params.dynamic_temperature {
        None => hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_OFF,
        Some(DynamicTemperature::Position { total }) => {
            c.dynamic_temperature_total = total;
            hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_POSITION
        }
        Some(DynamicTemperature::Entropy) => hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_ENTROPY,
        Some(DynamicTemperature::Range { low, high, exponent }) => {
            (c.dynamic_temperature_low, c.dynamic_temperature_high) = (low, high);
            c.dynamic_temperature_exponent = exponent;
            hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_RANGE
        }
    };
}

unsafe fn read_watermark(c: &hr_sampler_options, params: &mut SamplingParams) -> Result<(), CallError> {
    let seeding = match c.watermark {
        hr_watermark::HR_WATERMARK_OFF => return Ok(()),
        hr_watermark::HR_WATERMARK_LEFT_HASH => WatermarkSeeding::LeftHash,
        hr_watermark::HR_WATERMARK_SELF_HASH => {
            WatermarkSeeding::SelfHash { context_width: c.watermark_context_width }
        }
        other => return unknown_enumerator(other.0, "watermark", hr_watermark::MEMBERS.len()),
    };
    params.watermark = Some(Watermark {
        greenlist_ratio: c.watermark_ratio,
        bias: c.watermark_bias,
        hashing_key: c.watermark_key,
        seeding,
    });
    Ok(())
}

fn write_watermark(c: &mut hr_sampler_options, params: &SamplingParams, _: &ListsForC) {
    let watermark = params.watermark.clone().unwrap_or_default();
    (c.watermark_ratio, c.watermark_bias) = (watermark.greenlist_ratio, watermark.bias);
    c.watermark_key = watermark.hashing_key;
    c.watermark_context_width = match watermark.seeding {
        WatermarkSeeding::LeftHash => 4,
        WatermarkSeeding::SelfHash { context_width } => context_width,
    };
    c.watermark = match params.watermark.as_ref().map(|watermark| watermark.seeding) {
        None => hr_watermark::HR_WATERMARK_OFF,
        Some(WatermarkSeeding::LeftHash) => hr_watermark::HR_WATERMARK_LEFT_HASH,
        Some(WatermarkSeeding::SelfHash { .. }) => hr_watermark::HR_WATERMARK_SELF_HASH,
    };
}

/// Reads the order of the steps. Relies on `custom_order` being text of its length.
unsafe fn read_order(c: &hr_sampler_options, params: &mut SamplingParams) -> Result<(), CallError> {
    let names = unsafe { c.custom_order.get("custom_order")? };
    params.order = match c.order {
        hr_chain_order::HR_CHAIN_ORDER_HF => ChainOrder::Hf,
        hr_chain_order::HR_CHAIN_ORDER_LLAMA => ChainOrder::Llama,
        hr_chain_order::HR_CHAIN_ORDER_VLLM => ChainOrder::Vllm,
        hr_chain_order::HR_CHAIN_ORDER_CUSTOM => {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            let steps: Result<Vec<Step>, String> = names.map(str::parse).collect();
            let steps = steps.map_err(|error| CallError::invalid_argument(format!("custom_order: {error}")));
            ChainOrder::Custom(steps?)
        }
        other => return unknown_enumerator(other.0, "order", hr_chain_order::MEMBERS.len()),
    };
    Ok(())
}

fn write_order(c: &mut hr_sampler_options, params: &SamplingParams, lists: &ListsForC) {
    let (data, len) = list_for_c(lists.order.as_bytes());
    c.custom_order = hr_text { data: data.cast(), len };
    c.order = match params.order {
        ChainOrder::Hf => hr_chain_order::HR_CHAIN_ORDER_HF,
        ChainOrder::Llama => hr_chain_order::HR_CHAIN_ORDER_LLAMA,
        ChainOrder::Vllm => hr_chain_order::HR_CHAIN_ORDER_VLLM,
        ChainOrder::Custom(_) => hr_chain_order::HR_CHAIN_ORDER_CUSTOM,
    };
}

/// Reads sequences of tokens with their biases. Relies on each list being as long as its length
/// says.
unsafe fn read_sequences(
    given: *const hr_token_sequence,
    count: usize,
    name: &str,
) -> Result<Vec<(Vec<TokenId>, f32)>, CallError> {
    let given = unsafe { boundary::slice(given, count, name)? };
    given.iter().map(|s| Ok((unsafe { token_slice(s.tokens, s.count, name)? }.to_vec(), s.bias))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::MirostatVersion;

    #[test]
    fn defaults_are_the_librarys() {
        assert_eq!(unsafe { hr_sampler_options::defaults().to_params() }.unwrap(), SamplingParams::default());
    }

    #[test]
    fn every_option_reaches_its_parameter() {
        let ids = [7u32, 8];
        let bias = [hr_token_bias { token: 3, bias: -1.0 }];
        let sequence = [hr_token_sequence { tokens: ids.as_ptr(), count: 2, bias: 0.5 }];
        let order = "mask, top-k";
        let options = hr_sampler_options {
            seed: 1,
            completion: 2,
            selection: hr_selection(1),
            order: hr_chain_order(2),
            temperature: 0.5,
            custom_order: hr_text { data: order.as_ptr().cast(), len: order.len() },
            top_k: 3,
            top_k_ties: hr_top_k_ties(1),
            top_p: 0.9,
            min_p: 0.1,
            typical_p: 0.8,
            tfs_z: 0.7,
            tfs_end: hr_tail_free_end(1),
            epsilon_cutoff: 0.01,
            eta_cutoff: 0.02,
            top_a: 0.3,
            top_n_sigma: 2.0,
            top_h: 0.4,
            p_less: hr_p_less(2),
            xtc_probability: 0.5,
            xtc_threshold: 0.2,
            smoothing_factor: 0.6,
            smoothing_curve: 1.5,
            dynamic_temperature: hr_dynamic_temperature(3),
            dynamic_temperature_low: 0.1,
            dynamic_temperature_high: 1.2,
            dynamic_temperature_exponent: 2.0,
            mirostat: hr_mirostat(1),
            mirostat_tau: 4.0,
            mirostat_eta: 0.2,
            adaptive_p_target: 0.3,
            adaptive_p_decay: 0.8,
            repetition_penalty: 1.1,
            repetition_window: 64,
            frequency_penalty: 0.2,
            presence_penalty: 0.3,
            dry_multiplier: 0.8,
            dry_base: 1.5,
            dry_allowed_length: 3,
            dry_window: 100,
            dry_breakers: ids.as_ptr(),
            dry_breaker_count: 1,
            logit_bias: bias.as_ptr(),
            logit_bias_count: 1,
            sequence_bias: sequence.as_ptr(),
            sequence_bias_count: 1,
            bad_words: sequence.as_ptr(),
            bad_word_count: 1,
            allowed_tokens: ids.as_ptr(),
            allowed_token_count: 2,
            suppressed_tokens: ids.as_ptr(),
            suppressed_token_count: 1,
            begin_suppressed_tokens: ids.as_ptr(),
            begin_suppressed_token_count: 2,
            end_tokens: ids[1..].as_ptr(),
            end_token_count: 1,
            no_repeat_ngram: 4,
            exponential_decay_factor: 1.1,
            exponential_decay_start: 9,
            forced_first: 5,
            forced_last: 6,
            watermark: hr_watermark(2),
            min_tokens: 1,
            max_tokens: 10,
            watermark_ratio: 0.5,
            watermark_bias: 1.0,
            watermark_key: 99,
            watermark_context_width: 3,
            ..hr_sampler_options::defaults()
        };
        let two = vec![TokenId(7), TokenId(8)];
        let expected = SamplingParams {
            temperature: 0.5,
            dynamic_temperature: Some(DynamicTemperature::Range { low: 0.1, high: 1.2, exponent: 2.0 }),
            top_k: 3,
            top_k_ties: Ties::KeepAll,
            top_p: 0.9,
            min_p: 0.1,
            typical_p: 0.8,
            tfs_z: 0.7,
            tfs_end: TailFreeEnd::Before,
            epsilon_cutoff: 0.01,
            eta_cutoff: 0.02,
            top_a: 0.3,
            top_n_sigma: Some(2.0),
            top_h: Some(0.4),
            p_less: Some(PLess::Normalised),
            xtc: Some(Xtc { probability: 0.5, threshold: 0.2 }),
            smoothing: Some(Smoothing { factor: 0.6, curve: 1.5 }),
            mirostat: Some(Mirostat { version: MirostatVersion::V1, tau: 4.0, eta: 0.2 }),
            adaptive_p: Some(AdaptiveP { target: 0.3, decay: 0.8 }),
            repetition_penalty: 1.1,
            repetition_window: Some(64),
            frequency_penalty: 0.2,
            presence_penalty: 0.3,
            dry: Some(Dry {
                multiplier: 0.8,
                base: 1.5,
                allowed_length: 3,
                window: Some(100),
                breakers: vec![TokenId(7)],
            }),
            logit_bias: vec![(TokenId(3), -1.0)],
            sequence_bias: vec![(two.clone(), 0.5)],
            bad_words: vec![two.clone()],
            allowed_tokens: Some(two.clone()),
            suppressed_tokens: vec![TokenId(7)],
            begin_suppressed_tokens: two,
            no_repeat_ngram: 4,
            exponential_decay: Some(ExponentialDecay { start: 9, factor: 1.1 }),
            forced_first: Some(TokenId(5)),
            forced_last: Some(TokenId(6)),
            end_tokens: vec![TokenId(8)],
            min_tokens: 1,
            max_tokens: Some(10),
            watermark: Some(Watermark {
                greenlist_ratio: 0.5,
                bias: 1.0,
                hashing_key: 99,
                seeding: WatermarkSeeding::SelfHash { context_width: 3 },
            }),
            order: ChainOrder::Custom(vec![Step::Mask, Step::TopK]),
            selection: Selection::GumbelMax,
            seed: 1,
            completion: 2,
        };
        assert_eq!(unsafe { options.to_params() }.unwrap(), expected);
        let lists = ListsForC::new(&expected);
        assert_eq!(
            unsafe { hr_sampler_options::from_params(&expected, &lists).to_params() }.unwrap(),
            expected
        );
    }

    #[test]
    fn meaningless_values_are_refused() {
        let refused = |change: fn(&mut hr_sampler_options)| {
            let mut options = hr_sampler_options::defaults();
            change(&mut options);
            let failure = unsafe { options.to_params() }.err();
            failure.map(|failure| failure.message).unwrap_or_default()
        };
        assert_eq!(refused(|o| o.order = hr_chain_order(4)), "order is 4, which is none of its 4 values");
        assert_eq!(
            refused(|o| o.selection = hr_selection(u32::MAX)),
            "selection is 4294967295, which is none of its 2 values"
        );
        assert_eq!(refused(|o| o.end_token_count = 2), "end_tokens is NULL, but its length is 2");
        let step = refused(|o| {
            o.order = hr_chain_order(2);
            o.custom_order = hr_text { data: "mask,warp".as_ptr().cast(), len: 9 };
        });
        assert!(step.starts_with("custom_order: `warp` is no step; the steps are "), "{step}");
    }
}
