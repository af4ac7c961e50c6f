//! Logits reduced, on the device that computed them, to the tokens that can be drawn.
//!
//! One exchange serves all outputs of a step:
//!
//! - To the device go the packed masks, the ids of the touched tokens and the numbers of the rows,
//!   through pinned memory and without waiting. *Touched* tokens are those whose logits a bias, ban
//!   or penalty changes; see [`TopLogitsQuery`](crate::sampling::TopLogitsQuery).
//! - On the device the masks are expanded, and forbidden tokens get the lowest key. Every other
//!   token gets a 64-bit key: its logit, mapped to an integer of the same order, in the high half,
//!   and its inverted id in the low half. The largest keys are then the largest logits, with the
//!   lowest ids first among equals, and they contain their ids.
//! - From the device comes one block: the largest keys, the logits of the touched tokens, and
//!   masses. The *mass* of a query is ln Σ e^(logit / t) over the allowed tokens that are not
//!   touched. That copy is the only point of a step at which the host waits for the device.
//!
//! Every operation is one of libtorch's, so the same code runs on the CPU. There the tests compare
//! it with sampling from whole rows. On the CPU it costs more than it saves, so it is off by
//! default ([`LogitsPlace`]).

use std::fmt;

use tch::{Device, Kind, Tensor};

use super::device::{to_host, upload};
use super::error::Doing;
use super::host_tensor::HostTensor;
use crate::decode::{DeviceRows, Logits, ModelError, RowQuery};
use crate::sampling::TopLogits;

/// The place at which rows of logits are reduced to the tokens that can be drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogitsPlace {
    /// On a GPU if the model computes on one, otherwise on the host.
    #[default]
    Auto,
    /// On the host, which gets every row.
    Host,
    /// On the model's device, the CPU included.
    Device,
}

impl LogitsPlace {
    /// True if rows stay on `device`.
    pub(super) fn keeps_rows(self, device: Device) -> bool {
        match self {
            Self::Auto => device != Device::Cpu,
            Self::Host => false,
            Self::Device => true,
        }
    }
}

/// The logits of a pass, on the device.
pub(super) struct TensorRows {
    /// The logits: `[rows, vocab]`, in the model's format.
    logits: Tensor,
    /// Number of rows of each input.
    rows: Vec<usize>,
}

impl fmt::Debug for TensorRows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TensorRows").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// The key of a token that must not be drawn, or that is touched and therefore sent separately. No
/// logit has this key.
const FORBIDDEN_KEY: i64 = i64::MIN;
/// Number of low bits of a key that hold the id.
const ID_BITS: u32 = 32;

impl TensorRows {
    pub(super) fn new(logits: Tensor, rows: Vec<usize>) -> Self {
        Self { logits, rows }
    }

    /// The number of an input's last row.
    fn last_row(&self, input: usize) -> Option<i64> {
        let before = self.rows.get(..=input)?;
        let rows_to_end: usize = before.iter().sum();
        (self.rows[input] > 0).then(|| rows_to_end as i64 - 1)
    }

    /// The results of some queries, in one block: `[queries, most]` keys, then the logits of all
    /// touched tokens as bits, then a mass for each query as the bits of an `f64`.
    fn exchange(
        &self,
        queries: &[RowQuery<'_>],
        numbers: &[i64],
        tokens: i64,
    ) -> Result<Vec<i64>, tch::TchError> {
        let device = self.logits.device();
        let rows = self.logits.f_index_select(0, &upload(numbers, device)?)?;
        // The sum with 0 turns −0 into +0: as logits they are equal.
        let rows = rows.f_narrow(1, 0, tokens)?.f_to_kind(Kind::Float)?.f_add_scalar(0.0)?;
        let forbidden = forbidden(queries, tokens, device)?;
        let touched = queries.iter().enumerate().flat_map(|(query, of)| {
            of.wanted.touched().iter().map(move |&id| query as i64 * tokens + i64::from(id))
        });
        let touched = touched.collect::<Vec<i64>>();
        let mut parts = Vec::with_capacity(3);
        let mut logits_of_touched = None;
        if !touched.is_empty() {
            let places = upload(&touched, device)?;
            let logits = rows.f_reshape([-1])?.f_index_select(0, &places)?;
            logits_of_touched = Some(logits.f_view_dtype(Kind::Int)?.f_to_kind(Kind::Int64)?);
            let _ = forbidden.f_view([-1])?.f_index_fill_(0, &places, 1)?;
        }
        let most = queries.iter().map(|query| query.wanted.count() as i64).max().unwrap_or(0).min(tokens);
        let keys = keys(&rows)?.f_masked_fill(&forbidden, FORBIDDEN_KEY)?;
        parts.push(keys.f_topk(most, 1, true, false)?.0.f_reshape([-1])?);
        parts.extend(logits_of_touched);
        if queries.iter().any(|query| query.wanted.temperature().is_some()) {
            let scales: Vec<f64> = queries
                .iter()
                .map(|query| 1.0 / f64::from(query.wanted.temperature().unwrap_or(1.0)))
                .collect();
            let scales = upload(&scales, device)?.f_unsqueeze(1)?;
            let scaled = rows.f_to_kind(Kind::Double)?.f_mul(&scales)?;
            let scaled = scaled.f_masked_fill(&forbidden, f64::NEG_INFINITY)?;
            parts.push(scaled.f_logsumexp([1].as_slice(), false)?.f_view_dtype(Kind::Int64)?);
        }
        Vec::<i64>::try_from(to_host(&Tensor::f_cat(&parts, 0)?)?)
    }
}

impl DeviceRows for TensorRows {
    fn top_logits(&self, queries: &[RowQuery<'_>], tokens: usize) -> Result<Vec<TopLogits>, ModelError> {
        let numbers: Option<Vec<i64>> = queries.iter().map(|query| self.last_row(query.input)).collect();
        let numbers = numbers.ok_or(ModelError::NoRow)?;
        let tokens = tokens.min(self.logits.size()[1] as usize);
        let found = self.exchange(queries, &numbers, tokens as i64).doing("choosing tokens on the device")?;
        let most = queries.iter().map(|query| query.wanted.count()).max().unwrap_or(0).min(tokens);
        let (keys, rest) = found.split_at(queries.len() * most);
        let touched: usize = queries.iter().map(|query| query.wanted.touched().len()).sum();
        let (mut logits, masses) = rest.split_at(touched);
        let mut top_logits = Vec::with_capacity(queries.len());
        for (number, RowQuery { wanted, .. }) in queries.iter().enumerate() {
            let own = keys[number * most..][..most].iter().filter(|&&key| key != FORBIDDEN_KEY);
            let mut left: Vec<(u32, f32)> = own.map(|&key| of_key(key)).collect();
            let (own, others) = logits.split_at(wanted.touched().len());
            logits = others;
            left.extend(
                wanted.touched().iter().zip(own).map(|(&id, &bits)| (id, f32::from_bits(bits as u32))),
            );
            let mass = masses.get(number).map_or(f64::NAN, |&bits| f64::from_bits(bits as u64));
            top_logits.push(TopLogits::new(wanted.clone(), left, mass));
        }
        Ok(top_logits)
    }

    fn copy(&self) -> Result<Logits, ModelError> {
        let vocab = self.logits.size()[1] as usize;
        let host = HostTensor::new(&self.logits)?;
        Logits::new(host, vocab, self.rows.iter().copied())
    }
}

/// The expanded masks, `[queries, tokens]`: true if the mask forbids the token.
fn forbidden(queries: &[RowQuery<'_>], tokens: i64, device: Device) -> Result<Tensor, tch::TchError> {
    if queries.iter().all(|query| query.mask.is_none()) {
        return Tensor::f_zeros([queries.len() as i64, tokens], (Kind::Bool, device));
    }
    let width = (tokens as usize).div_ceil(32);
    let mut words: Vec<i32> = Vec::with_capacity(queries.len() * width);
    for query in queries {
        let end = words.len() + width;
        match query.mask {
            None => words.resize(end, -1),
            Some(mask) => {
                words.extend(mask.iter().take(width).map(|&word| word as i32));
                words.resize(end, 0);
            }
        }
    }
    let words = upload(&words, device)?.f_view([-1, 1])?;
    let places = Tensor::f_arange(32, (Kind::Int, device))?;
    // The shift repeats the sign bit, but the lowest bit is right.
    let bits = words.f_bitwise_right_shift(&places)?.f_bitwise_and(1)?;
    let bits = bits.f_view([queries.len() as i64, -1])?.f_narrow(1, 0, tokens)?;
    bits.f_eq(0)?.f_contiguous()
}

/// A key for every logit: it rises with the logit and, for equal logits, falls with the id. NaN has
/// the largest key, so that it is found.
fn keys(rows: &Tensor) -> Result<Tensor, tch::TchError> {
    let bits = rows.f_view_dtype(Kind::Int)?;
    // The bits of negative floats have the reverse order, so they are inverted.
    let turn = bits.f_bitwise_right_shift_tensor_scalar(31)?.f_bitwise_and(i64::from(i32::MAX))?;
    let ordered = bits.f_bitwise_xor_tensor(&turn)?.f_to_kind(Kind::Int64)?;
    let ordered = ordered.f_masked_fill(&rows.f_isnan()?, i64::from(i32::MAX))?;
    let ids = Tensor::f_arange(rows.size()[1], (Kind::Int64, rows.device()))?;
    let inverted = ids.f_neg()?.f_add_scalar(i64::from(u32::MAX))?;
    ordered.f_bitwise_left_shift_tensor_scalar(i64::from(ID_BITS))?.f_add(&inverted)
}

/// The token and the logit of a key.
fn of_key(key: i64) -> (u32, f32) {
    let ordered = (key >> ID_BITS) as i32;
    (!(key as u32), f32::from_bits((ordered ^ ((ordered >> 31) & i32::MAX)) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{Sampler, SamplingError, SamplingParams};
    use crate::torch::DeviceName;
    use crate::vocab::TokenId;

    const VOCAB: i64 = 3000;
    /// Number of the tokenizer's tokens; the rest is padding.
    const TOKENS: usize = 2950;

    /// The CPU, and the first GPU if there is one.
    fn devices() -> Vec<Device> {
        [DeviceName::Cpu, DeviceName::Cuda(0)].iter().filter_map(|name| name.resolve().ok()).collect()
    }

    /// Logits of three inputs with 1, 0 and 2 rows. In half precision many logits are equal.
    fn rows(kind: Kind, device: Device) -> TensorRows {
        tch::manual_seed(5);
        let logits = Tensor::randn([3, VOCAB], (Kind::Float, Device::Cpu)) * 3.0;
        // The padding has the largest logits of all.
        let _ = logits.narrow(1, TOKENS as i64, VOCAB - TOKENS as i64).fill_(99.0);
        let _ = logits.narrow(1, 40, 7).fill_(f64::NEG_INFINITY);
        let _ = logits.narrow(1, 50, 2).fill_(-0.0);
        TensorRows::new(logits.to_kind(kind).to_device(device), vec![1, 0, 2])
    }

    #[test]
    fn top_logits_give_the_tokens_of_whole_rows() {
        let p = SamplingParams::default;
        let table = [
            p().temperature(0.0),
            p().temperature(0.0).repetition_penalty(1.5),
            p().temperature(1.3).top_k(1),
            p().top_k(30).top_p(0.8).presence_penalty(1.0),
            p().top_k(1000).min_p(0.02),
            p().temperature(0.6).top_p(0.7),
            p().top_p(0.9).frequency_penalty(0.5),
            p().temperature(0.9).min_p(0.2),
            p().logit_bias(vec![(TokenId(12), 20.0), (TokenId(44), 50.0)]).top_k(4),
            // With the following chains only narrow masks leave few enough tokens.
            p(),
            p().typical_p(0.9),
            p().top_n_sigma(1.0),
        ];
        let width = TOKENS.div_ceil(32);
        let narrow: Vec<u32> = (0..width).map(|word| u32::from(word % 2 == 1) * 0x8000_4001).collect();
        let wide: Vec<u32> = (0..width).map(|word| if word % 9 == 0 { 0 } else { 0x7fff_fffe }).collect();
        let masks = [None, Some(&narrow[..]), Some(&wide[..]), Some(&wide[..5])];
        for device in devices() {
            for kind in [Kind::Float, Kind::BFloat16, Kind::Half] {
                let rows = rows(kind, device);
                let host = rows.copy().unwrap();
                let mut samplers = Vec::new();
                for (number, params) in table.iter().enumerate() {
                    for (at, mask) in masks.into_iter().enumerate() {
                        let input = [0, 2][(number + at) % 2];
                        let mut sampler = Sampler::new(params.clone().seed(number as u64)).unwrap();
                        sampler.with_prompt(&[3, 12, 12, 70].map(TokenId));
                        sampler.accept(TokenId(13));
                        samplers.push((sampler, input, mask));
                    }
                }
                // All queries go into one exchange.
                let queries: Vec<Option<RowQuery<'_>>> = samplers
                    .iter()
                    .map(|(sampler, input, mask)| {
                        let wanted = sampler.top_logits_query(TOKENS, *mask).unwrap()?;
                        Some(RowQuery { input: *input, mask: *mask, wanted })
                    })
                    .collect();
                let asked: Vec<RowQuery<'_>> = queries.iter().flatten().cloned().collect();
                let mut left = rows.top_logits(&asked, TOKENS).unwrap().into_iter();
                let mut without = 0;
                for ((sampler, input, mask), query) in samplers.iter_mut().zip(&queries) {
                    if query.is_none() {
                        continue;
                    }
                    let row = &host.last(*input).unwrap()[..TOKENS];
                    let expected = sampler.sample(row, *mask).unwrap();
                    let Some(found) = sampler.sample_among(&left.next().unwrap(), TOKENS).unwrap() else {
                        continue;
                    };
                    without += 1;
                    let params = sampler.params();
                    assert_eq!(found.token, expected.token, "{device:?} {kind:?} {params:?}");
                    let error = (found.logprob - expected.logprob).abs();
                    assert!(error < 1e-4, "{device:?} {kind:?} {params:?}: {error}");
                }
                assert!(without >= 38, "{device:?} {kind:?}: only {without} of {} queries", samplers.len());
            }
        }
    }

    #[test]
    fn strange_logits_are_found_and_missing_rows_refused() {
        for device in devices() {
            let rows = rows(Kind::Float, device);
            for (value, error) in [
                (f64::NAN, SamplingError::NotANumber(TokenId(1234))),
                (-f64::NAN, SamplingError::NotANumber(TokenId(1234))),
                (f64::INFINITY, SamplingError::Infinite(TokenId(1234))),
            ] {
                let _ = rows.logits.narrow(0, 2, 1).narrow(1, 1234, 1).fill_(value);
                let mut sampler = Sampler::new(SamplingParams::default().top_k(3)).unwrap();
                let wanted = sampler.top_logits_query(TOKENS, None).unwrap().unwrap();
                let query = |input| [RowQuery { input, mask: None, wanted: wanted.clone() }];
                let left = rows.top_logits(&query(2), TOKENS).unwrap();
                assert_eq!(sampler.sample_among(&left[0], TOKENS).unwrap_err(), error);
                assert!(
                    sampler.sample_among(&rows.top_logits(&query(0), TOKENS).unwrap()[0], TOKENS).is_ok()
                );
                assert!(matches!(rows.top_logits(&query(1), TOKENS), Err(ModelError::NoRow)));
                assert!(matches!(rows.top_logits(&query(3), TOKENS), Err(ModelError::NoRow)));
            }
        }
    }

    #[test]
    fn keys_keep_order_and_logits() {
        let logits = [f32::NEG_INFINITY, f32::MIN, -1.5, -1e-40, 0.0, 1e-40, 1.5, f32::MAX, f32::INFINITY];
        let rows = Tensor::from_slice(&logits).view([1, -1]);
        let keys = Vec::<i64>::try_from(keys(&rows).unwrap().view([-1])).unwrap();
        assert!(keys.is_sorted() && keys[0] > FORBIDDEN_KEY);
        for (id, key) in keys.into_iter().enumerate() {
            assert_eq!(of_key(key), (id as u32, logits[id]));
        }
    }
}
