//! The conversion of `hr_sampler_options` to the library's [`SamplingParams`].
//!
//! Numbers are taken over as they are; [`SamplingParams::validate`] checks their ranges. This file
//! checks only what a C caller alone can get wrong: enumerators out of range, and lists that are
//! NULL but not empty.
//!
//! Unsafe code: the lists are the caller's pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::options::unknown;
use super::sampler_options::*;
use super::vocab::{HR_NO_TOKEN, tokens};
use crate::sampling::{
    AdaptiveP, ChainOrder, Dry, DynamicTemperature, ExponentialDecay, Mirostat, SamplingParams, Smoothing,
    Step, Watermark, WatermarkSeeding, Xtc,
};
use crate::vocab::TokenId;

impl hr_sampler_options {
    /// The parameters. Relies on the lists being as long as they say.
    pub(super) unsafe fn to_params(self) -> Result<SamplingParams, CallError> {
        let list = |ids, count, name| Ok::<_, CallError>(unsafe { tokens(ids, count, name)? }.to_vec());
        let allowed = list(self.allowed_tokens, self.allowed_token_count, "allowed_tokens")?;
        let biases = unsafe { boundary::slice(self.logit_bias, self.logit_bias_count, "logit_bias")? };
        let sequence_bias =
            unsafe { sequences(self.sequence_bias, self.sequence_bias_count, "sequence_bias")? };
        let bad_words = unsafe { sequences(self.bad_words, self.bad_word_count, "bad_words")? };
        let above_zero = |number: f32| (number != 0.0).then_some(number);
        let count = |number: usize| (number > 0).then_some(number);
        let token = |id: u32| (id != HR_NO_TOKEN).then_some(TokenId(id));
        Ok(SamplingParams {
            temperature: self.temperature,
            dynamic_temperature: self.dynamic_temperature()?,
            top_k: self.top_k,
            top_k_ties: self.top_k_ties.get("top_k_ties")?,
            top_p: self.top_p,
            min_p: self.min_p,
            typical_p: self.typical_p,
            tfs_z: self.tfs_z,
            tfs_end: self.tfs_end.get("tfs_end")?,
            epsilon_cutoff: self.epsilon_cutoff,
            eta_cutoff: self.eta_cutoff,
            top_a: self.top_a,
            top_n_sigma: above_zero(self.top_n_sigma),
            top_h: above_zero(self.top_h),
            p_less: self.p_less.get("p_less")?,
            xtc: above_zero(self.xtc_probability)
                .map(|probability| Xtc { probability, threshold: self.xtc_threshold }),
            smoothing: above_zero(self.smoothing_factor)
                .map(|factor| Smoothing { factor, curve: self.smoothing_curve }),
            mirostat: self.mirostat.get("mirostat")?.map(|version| Mirostat {
                version,
                tau: self.mirostat_tau,
                eta: self.mirostat_eta,
            }),
            // NaN does not mean "off": it is kept, and validation refuses it.
            adaptive_p: (self.adaptive_p_target >= 0.0 || self.adaptive_p_target.is_nan())
                .then_some(AdaptiveP { target: self.adaptive_p_target, decay: self.adaptive_p_decay }),
            repetition_penalty: self.repetition_penalty,
            repetition_window: count(self.repetition_window),
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            dry: match above_zero(self.dry_multiplier) {
                None => None,
                Some(multiplier) => Some(Dry {
                    multiplier,
                    base: self.dry_base,
                    allowed_length: self.dry_allowed_length,
                    window: count(self.dry_window),
                    breakers: list(self.dry_breakers, self.dry_breaker_count, "dry_breakers")?,
                }),
            },
            logit_bias: biases.iter().map(|b| (TokenId(b.token), b.bias)).collect(),
            sequence_bias,
            bad_words: bad_words.into_iter().map(|(tokens, _)| tokens).collect(),
            allowed_tokens: (!allowed.is_empty()).then_some(allowed),
            suppressed_tokens: list(
                self.suppressed_tokens,
                self.suppressed_token_count,
                "suppressed_tokens",
            )?,
            begin_suppressed_tokens: list(
                self.begin_suppressed_tokens,
                self.begin_suppressed_token_count,
                "begin_suppressed_tokens",
            )?,
            no_repeat_ngram: self.no_repeat_ngram,
            exponential_decay: above_zero(self.exponential_decay_factor)
                .map(|factor| ExponentialDecay { start: self.exponential_decay_start, factor }),
            forced_first: token(self.forced_first),
            forced_last: token(self.forced_last),
            end_tokens: list(self.end_tokens, self.end_token_count, "end_tokens")?,
            min_tokens: self.min_tokens,
            max_tokens: count(self.max_tokens),
            watermark: self.watermark()?,
            order: unsafe { self.order()? },
            selection: self.selection.get("selection")?,
            seed: self.seed,
            completion: self.completion,
        })
    }

    fn dynamic_temperature(&self) -> Result<Option<DynamicTemperature>, CallError> {
        Ok(match self.dynamic_temperature {
            hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_OFF => None,
            hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_POSITION => {
                Some(DynamicTemperature::Position { total: self.dynamic_temperature_total })
            }
            hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_ENTROPY => Some(DynamicTemperature::Entropy),
            hr_dynamic_temperature::HR_DYNAMIC_TEMPERATURE_RANGE => Some(DynamicTemperature::Range {
                low: self.dynamic_temperature_low,
                high: self.dynamic_temperature_high,
                exponent: self.dynamic_temperature_exponent,
            }),
            other => return unknown(other.0, "dynamic_temperature", hr_dynamic_temperature::MEMBERS.len()),
        })
    }

    fn watermark(&self) -> Result<Option<Watermark>, CallError> {
        let seeding = match self.watermark {
            hr_watermark::HR_WATERMARK_OFF => return Ok(None),
            hr_watermark::HR_WATERMARK_LEFT_HASH => WatermarkSeeding::LeftHash,
            hr_watermark::HR_WATERMARK_SELF_HASH => {
                WatermarkSeeding::SelfHash { context_width: self.watermark_context_width }
            }
            other => return unknown(other.0, "watermark", hr_watermark::MEMBERS.len()),
        };
        Ok(Some(Watermark {
            greenlist_ratio: self.watermark_ratio,
            bias: self.watermark_bias,
            hashing_key: self.watermark_key,
            seeding,
        }))
    }

    /// The order of the steps. Relies on the list of names being text of its length.
    unsafe fn order(&self) -> Result<ChainOrder, CallError> {
        let names = unsafe { self.custom_order.get("custom_order")? };
        match self.order {
            hr_chain_order::HR_CHAIN_ORDER_HF => return Ok(ChainOrder::Hf),
            hr_chain_order::HR_CHAIN_ORDER_LLAMA => return Ok(ChainOrder::Llama),
            hr_chain_order::HR_CHAIN_ORDER_CUSTOM => {}
            other => return unknown(other.0, "order", hr_chain_order::MEMBERS.len()),
        }
        let steps: Result<Vec<Step>, CallError> = names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| name.parse().map_err(|error| CallError::argument(format!("custom_order: {error}"))))
            .collect();
        Ok(ChainOrder::Custom(steps?))
    }
}

/// The sequences and their biases. Relies on the lists being as long as they say.
unsafe fn sequences(
    given: *const hr_token_sequence,
    count: usize,
    name: &str,
) -> Result<Vec<(Vec<TokenId>, f32)>, CallError> {
    let given = unsafe { boundary::slice(given, count, name)? };
    given.iter().map(|s| Ok((unsafe { tokens(s.tokens, s.count, name)? }.to_vec(), s.bias))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::options::Versioned;
    use super::super::parameters::{Lists, lend};
    use super::super::vocab::hr_text;
    use super::*;
    use crate::sampling::{MirostatVersion, PLess, Selection, TailFreeEnd, Ties};

    #[test]
    fn defaults_are_the_librarys() {
        assert_eq!(unsafe { hr_sampler_options::defaults().to_params() }.unwrap(), SamplingParams::default());
    }

    #[test]
    fn every_option_arrives() {
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
        let lists = Lists::of(&expected);
        assert_eq!(unsafe { lend(&expected, &lists).to_params() }.unwrap(), expected);
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        let refused = |change: fn(&mut hr_sampler_options)| {
            let mut options = hr_sampler_options::defaults();
            change(&mut options);
            let failure = unsafe { options.to_params() }.err();
            failure.map(|failure| failure.message).unwrap_or_default()
        };
        assert_eq!(refused(|o| o.order = hr_chain_order(3)), "order is 3, which is none of its 3 values");
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
