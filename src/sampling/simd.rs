//! The inner loops over a row of logits: vectorised (AVX2, chosen at run time) and scalar, bit for bit equal.
//!
//! The scalar twin adds in the same eight lanes and in the same order as the vector code, and neither uses fused
//! multiply-add, so that the same logits and seed give the same token on every machine. The price is about a third of the
//! speed of the exponential.
//!
//! This is the only module of `sampling` with `unsafe` code. Two things make it necessary: calling a function compiled for
//! AVX2 (sound because [`avx2`] has asked the processor first), and loads and stores through pointers (each within the bounds of
//! a slice whose length is checked in the same function).
#![allow(unsafe_code)]

/// Logits in one block of [`block_maxima`].
pub(crate) const BLOCK: usize = 256;

/// Weights that are added in 32 bits before they go into a 64-bit sum: eight in each lane.
const RUN: usize = 64;

/// Weights are never below e^UNDERFLOW, about 10⁻³⁸ (smaller ones would be denormal, which is slow).
const UNDERFLOW: f32 = -87.0;
/// Distances in [`moment`] are cut here, where any weight is the least one, so that their product stays negligible.
const FAR: f32 = -1e6;
const LOG2_E: f32 = std::f32::consts::LOG2_E;
// ln 2 in two parts, the first with few enough bits that its product with an exponent is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
// e^r = 1 + r + r²(C2 + C3 r + …) on |r| ≤ ln2/2: Taylor's coefficients, truncation error 2e-8.
const C2: f32 = 0.5;
const C3: f32 = 1.0 / 6.0;
const C4: f32 = 1.0 / 24.0;
const C5: f32 = 1.0 / 120.0;
const C6: f32 = 1.0 / 720.0;
/// Adding and subtracting 1.5·2²³ rounds to the nearest integer.
const ROUND: f32 = 12_582_912.0;

/// Whether the AVX2 versions run on this processor.
fn avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("popcnt")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

macro_rules! dispatch {
    ($name:ident ( $($argument:expr),* )) => {{
        #[cfg(target_arch = "x86_64")]
        if avx2() {
            // SAFETY: the processor has AVX2 and POPCNT.
            return unsafe { x86::$name($($argument),*) };
        }
        scalar::$name($($argument),*)
    }};
}

/// The maximum of every block of [`BLOCK`] logits (the last block may be short); NaN for a block that holds a NaN.
/// `out` has one place for each block.
pub(crate) fn block_maxima(x: &[f32], out: &mut [f32]) {
    assert_eq!(out.len(), x.len().div_ceil(BLOCK));
    dispatch!(block_maxima(x, out))
}

/// Σ e^((x − max)·scale); −∞ counts 10⁻³⁸.
pub(crate) fn sum_exp(x: &[f32], max: f32, scale: f32) -> f64 {
    dispatch!(sum_exp(x, max, scale))
}

/// Writes the weights e^((x − max)·scale) to `out` and gives their sum.
pub(crate) fn exp_into(x: &[f32], max: f32, scale: f32, out: &mut [f32]) -> f64 {
    assert_eq!(x.len(), out.len());
    dispatch!(exp_into(x, max, scale, out))
}

/// Appends the indices (plus `base`) and values of the entries ≥ `threshold`, in order.
pub(crate) fn collect_at_least(
    x: &[f32],
    threshold: f32,
    base: u32,
    ids: &mut Vec<u32>,
    values: &mut Vec<f32>,
) {
    dispatch!(collect_at_least(x, threshold, base, ids, values))
}

/// Moves the entries of `ids`, `values` and `weights` whose key is ≥ `threshold` to the front, in order; gives their number.
pub(crate) fn keep_at_least(
    keys: &[f32],
    threshold: f32,
    ids: &mut [u32],
    values: &mut [f32],
    weights: &mut [f32],
) -> usize {
    assert!(keys.len() == ids.len() && keys.len() == values.len() && keys.len() == weights.len());
    dispatch!(keep_at_least(keys, threshold, ids, values, weights))
}

/// The smallest and the largest entry; +∞ and −∞ of nothing.
pub(crate) fn extent(x: &[f32]) -> (f32, f32) {
    dispatch!(extent(x))
}

/// Σ of the entries.
pub(crate) fn sum(x: &[f32]) -> f64 {
    dispatch!(sum(x))
}

/// Appends the places of the keys in [low, high) to `places`, in order, and gives the sum of the weights (1 each if there are none) of
/// the keys ≥ `high`.
pub(crate) fn split(
    keys: &[f32],
    weights: Option<&[f32]>,
    low: f32,
    high: f32,
    places: &mut Vec<u32>,
) -> f64 {
    assert!(weights.is_none_or(|w| w.len() == keys.len()));
    dispatch!(split(keys, weights, low, high, places))
}

/// Σ (x − max) · weight, for weights from [`exp_into`].
pub(crate) fn moment(x: &[f32], max: f32, weights: &[f32]) -> f64 {
    assert_eq!(x.len(), weights.len());
    dispatch!(moment(x, max, weights))
}

/// Copies the entries whose bit is set in `words` (32 a word) to `out`, and −∞ for the others.
pub(crate) fn select(x: &[f32], words: &[u32], out: &mut [f32]) {
    assert!(x.len() == out.len() && words.len() * 32 >= x.len());
    dispatch!(select(x, words, out))
}

/// Number of set bits.
pub(crate) fn count_ones(words: &[u32]) -> usize {
    dispatch!(count_ones(words))
}

/// e^d for d ≤ 0, but at least e^[`UNDERFLOW`]: the scalar form of what the vector code computes in each lane.
#[inline(always)]
fn exp_lane(d: f32) -> f32 {
    // Also for −∞, and for the NaN of 0 · ∞.
    let d = if d > UNDERFLOW { d } else { UNDERFLOW };
    let n = (d * LOG2_E + ROUND) - ROUND;
    let r = (d - n * LN2_HIGH) - n * LN2_LOW;
    let tail = (((C6 * r + C5) * r + C4) * r + C3) * r + C2;
    let power = f32::from_bits((((n as i32) + 127) << 23) as u32);
    ((tail * r) * r + r + 1.0) * power
}

mod scalar {
    use super::{exp_lane, BLOCK, FAR, RUN};

    pub(super) fn block_maxima(x: &[f32], out: &mut [f32]) {
        for (block, out) in x.chunks(BLOCK).zip(out) {
            let mut max = f32::NEG_INFINITY;
            let mut nan = false;
            for &v in block {
                nan |= v.is_nan();
                max = if v > max { v } else { max };
            }
            *out = if nan { f32::NAN } else { max };
        }
    }

    pub(super) fn sum_exp(x: &[f32], max: f32, scale: f32) -> f64 {
        let mut total = [0f64; 8];
        for run in x.chunks(RUN) {
            let mut lanes = [0f32; 8];
            for v in run.chunks(8) {
                for (lane, &v) in lanes.iter_mut().zip(v) {
                    *lane += exp_lane((v - max) * scale);
                }
            }
            add_lanes(&mut total, lanes);
        }
        sum_lanes(total)
    }

    pub(super) fn exp_into(x: &[f32], max: f32, scale: f32, out: &mut [f32]) -> f64 {
        let mut total = [0f64; 8];
        for (run, out) in x.chunks(RUN).zip(out.chunks_mut(RUN)) {
            let mut lanes = [0f32; 8];
            for (v, out) in run.chunks(8).zip(out.chunks_mut(8)) {
                for ((lane, &v), out) in lanes.iter_mut().zip(v).zip(out) {
                    *out = exp_lane((v - max) * scale);
                    *lane += *out;
                }
            }
            add_lanes(&mut total, lanes);
        }
        sum_lanes(total)
    }

    pub(super) fn collect_at_least(
        x: &[f32],
        threshold: f32,
        base: u32,
        ids: &mut Vec<u32>,
        values: &mut Vec<f32>,
    ) {
        for (i, &v) in x.iter().enumerate() {
            if v >= threshold {
                ids.push(base + i as u32);
                values.push(v);
            }
        }
    }

    pub(super) fn keep_at_least(
        keys: &[f32],
        threshold: f32,
        ids: &mut [u32],
        values: &mut [f32],
        weights: &mut [f32],
    ) -> usize {
        let mut kept = 0;
        for (i, &key) in keys.iter().enumerate() {
            if key >= threshold {
                (ids[kept], values[kept], weights[kept]) = (ids[i], values[i], weights[i]);
                kept += 1;
            }
        }
        kept
    }

    pub(super) fn split(
        keys: &[f32],
        weights: Option<&[f32]>,
        low: f32,
        high: f32,
        places: &mut Vec<u32>,
    ) -> f64 {
        let mut total = [0f64; 8];
        for start in (0..keys.len()).step_by(RUN) {
            let mut lanes = [0f32; 8];
            for i in start..keys.len().min(start + RUN) {
                if keys[i] >= high {
                    lanes[i % 8] += weights.map_or(1.0, |w| w[i]);
                } else if keys[i] >= low {
                    places.push(i as u32);
                }
            }
            add_lanes(&mut total, lanes);
        }
        sum_lanes(total)
    }

    pub(super) fn moment(x: &[f32], max: f32, weights: &[f32]) -> f64 {
        let mut total = [0f64; 8];
        for (run, weights) in x.chunks(RUN).zip(weights.chunks(RUN)) {
            let mut lanes = [0f32; 8];
            for (v, weights) in run.chunks(8).zip(weights.chunks(8)) {
                for ((lane, &v), &weight) in lanes.iter_mut().zip(v).zip(weights) {
                    *lane += (v - max).max(FAR) * weight;
                }
            }
            add_lanes(&mut total, lanes);
        }
        sum_lanes(total)
    }

    pub(super) fn extent(x: &[f32]) -> (f32, f32) {
        x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
    }

    pub(super) fn sum(x: &[f32]) -> f64 {
        let mut total = [0f64; 8];
        for run in x.chunks(RUN) {
            let mut lanes = [0f32; 8];
            for v in run.chunks(8) {
                for (lane, &v) in lanes.iter_mut().zip(v) {
                    *lane += v;
                }
            }
            add_lanes(&mut total, lanes);
        }
        sum_lanes(total)
    }

    pub(super) fn select(x: &[f32], words: &[u32], out: &mut [f32]) {
        select_from(0, x, words, out);
    }

    pub(super) fn select_from(start: usize, x: &[f32], words: &[u32], out: &mut [f32]) {
        for i in start..x.len() {
            out[i] = if words[i / 32] >> (i % 32) & 1 != 0 { x[i] } else { f32::NEG_INFINITY };
        }
    }

    pub(super) fn count_ones(words: &[u32]) -> usize {
        words.iter().map(|w| w.count_ones() as usize).sum()
    }

    pub(super) fn add_lanes(total: &mut [f64; 8], lanes: [f32; 8]) {
        for (total, lane) in total.iter_mut().zip(lanes) {
            *total += lane as f64;
        }
    }

    pub(super) fn sum_lanes(l: [f64; 8]) -> f64 {
        let pair = |i: usize| l[i] + l[i + 4];
        (pair(0) + pair(2)) + (pair(1) + pair(3))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn exp8(d: __m256) -> __m256 {
        // The second operand is the result where the first is NaN.
        let d = _mm256_max_ps(d, _mm256_set1_ps(UNDERFLOW));
        let round = _mm256_set1_ps(ROUND);
        let n = _mm256_sub_ps(_mm256_add_ps(_mm256_mul_ps(d, _mm256_set1_ps(LOG2_E)), round), round);
        let r = _mm256_sub_ps(d, _mm256_mul_ps(n, _mm256_set1_ps(LN2_HIGH)));
        let r = _mm256_sub_ps(r, _mm256_mul_ps(n, _mm256_set1_ps(LN2_LOW)));
        let tail = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(C6), r), _mm256_set1_ps(C5));
        let tail = _mm256_add_ps(_mm256_mul_ps(tail, r), _mm256_set1_ps(C4));
        let tail = _mm256_add_ps(_mm256_mul_ps(tail, r), _mm256_set1_ps(C3));
        let tail = _mm256_add_ps(_mm256_mul_ps(tail, r), _mm256_set1_ps(C2));
        let e = _mm256_mul_ps(_mm256_mul_ps(tail, r), r);
        let e = _mm256_add_ps(_mm256_add_ps(e, r), _mm256_set1_ps(1.0));
        let power = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
        _mm256_mul_ps(e, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(power)))
    }

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn block_maxima(x: &[f32], out: &mut [f32]) {
        for (block, out) in x.chunks(BLOCK).zip(out) {
            if block.len() < BLOCK {
                scalar::block_maxima(block, std::slice::from_mut(out));
                continue;
            }
            let p = block.as_ptr();
            let mut max = [_mm256_set1_ps(f32::NEG_INFINITY); 4];
            let mut nan = [_mm256_setzero_ps(); 4];
            for i in (0..BLOCK).step_by(32) {
                for j in 0..4 {
                    // SAFETY: i + 8j + 8 ≤ BLOCK = block.len().
                    let v = _mm256_loadu_ps(p.add(i + 8 * j));
                    nan[j] = _mm256_or_ps(nan[j], _mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
                    max[j] = _mm256_max_ps(v, max[j]);
                }
            }
            let nan = _mm256_or_ps(_mm256_or_ps(nan[0], nan[1]), _mm256_or_ps(nan[2], nan[3]));
            let max = _mm256_max_ps(_mm256_max_ps(max[0], max[1]), _mm256_max_ps(max[2], max[3]));
            *out = if _mm256_movemask_ps(nan) != 0 {
                f32::NAN
            } else {
                let half = _mm_max_ps(_mm256_castps256_ps128(max), _mm256_extractf128_ps::<1>(max));
                let pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
                _mm_cvtss_f32(_mm_max_ss(pair, _mm_shuffle_ps::<1>(pair, pair)))
            };
        }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn add_lanes(total: &mut [__m256d; 2], sum: __m256) {
        total[0] = _mm256_add_pd(total[0], _mm256_cvtps_pd(_mm256_castps256_ps128(sum)));
        total[1] = _mm256_add_pd(total[1], _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(sum)));
    }

    #[target_feature(enable = "avx2")]
    unsafe fn wide_lanes(total: [__m256d; 2]) -> [f64; 8] {
        let mut out = [0f64; 8];
        _mm256_storeu_pd(out.as_mut_ptr(), total[0]);
        // SAFETY: 4 + 4 ≤ 8.
        _mm256_storeu_pd(out.as_mut_ptr().add(4), total[1]);
        out
    }

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn sum_exp(x: &[f32], max: f32, scale: f32) -> f64 {
        let (m, s) = (_mm256_set1_ps(max), _mm256_set1_ps(scale));
        let mut total = [_mm256_setzero_pd(); 2];
        let mut runs = x.chunks_exact(RUN);
        for run in &mut runs {
            let mut sum = _mm256_setzero_ps();
            for i in (0..RUN).step_by(8) {
                // SAFETY: i + 8 ≤ RUN = run.len().
                let v = _mm256_loadu_ps(run.as_ptr().add(i));
                sum = _mm256_add_ps(sum, exp8(_mm256_mul_ps(_mm256_sub_ps(v, m), s)));
            }
            add_lanes(&mut total, sum);
        }
        let mut total = wide_lanes(total);
        let mut lanes = [0f32; 8];
        for v in runs.remainder().chunks(8) {
            for (lane, &v) in lanes.iter_mut().zip(v) {
                *lane += exp_lane((v - max) * scale);
            }
        }
        scalar::add_lanes(&mut total, lanes);
        scalar::sum_lanes(total)
    }

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn exp_into(x: &[f32], max: f32, scale: f32, out: &mut [f32]) -> f64 {
        let (m, s) = (_mm256_set1_ps(max), _mm256_set1_ps(scale));
        let mut total = [_mm256_setzero_pd(); 2];
        let mut runs = x.chunks_exact(RUN);
        let mut outs = out.chunks_exact_mut(RUN);
        for (run, out) in (&mut runs).zip(&mut outs) {
            let mut sum = _mm256_setzero_ps();
            for i in (0..RUN).step_by(8) {
                // SAFETY: i + 8 ≤ RUN = run.len() = out.len().
                let v = _mm256_loadu_ps(run.as_ptr().add(i));
                let e = exp8(_mm256_mul_ps(_mm256_sub_ps(v, m), s));
                _mm256_storeu_ps(out.as_mut_ptr().add(i), e);
                sum = _mm256_add_ps(sum, e);
            }
            add_lanes(&mut total, sum);
        }
        let mut total = wide_lanes(total);
        let mut lanes = [0f32; 8];
        for (v, out) in runs.remainder().chunks(8).zip(outs.into_remainder().chunks_mut(8)) {
            for ((lane, &v), out) in lanes.iter_mut().zip(v).zip(out) {
                *out = exp_lane((v - max) * scale);
                *lane += *out;
            }
        }
        scalar::add_lanes(&mut total, lanes);
        scalar::sum_lanes(total)
    }

    /// For every set of lanes, the places of its members, first ones first.
    static COMPRESS: [[u32; 8]; 256] = compress_table();

    const fn compress_table() -> [[u32; 8]; 256] {
        let mut table = [[0; 8]; 256];
        let mut set = 0;
        while set < 256 {
            let (mut lane, mut at) = (0, 0);
            while lane < 8 {
                if set >> lane & 1 != 0 {
                    table[set][at] = lane;
                    at += 1;
                }
                lane += 1;
            }
            set += 1;
        }
        table
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) unsafe fn collect_at_least(
        x: &[f32],
        threshold: f32,
        base: u32,
        ids: &mut Vec<u32>,
        values: &mut Vec<f32>,
    ) {
        let t = _mm256_set1_ps(threshold);
        let whole = x.len() / 8 * 8;
        // Room for what is kept, and for the eight lanes that every store writes.
        ids.reserve(x.len() + 8);
        values.reserve(x.len() + 8);
        let mut kept = ids.len();
        debug_assert_eq!(kept, values.len());
        let mut lanes =
            _mm256_add_epi32(_mm256_set1_epi32(base as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        for i in (0..whole).step_by(8) {
            // SAFETY: i + 8 ≤ whole ≤ x.len().
            let v = _mm256_loadu_ps(x.as_ptr().add(i));
            let hits = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(v, t)) as usize;
            if hits != 0 {
                // SAFETY: hits < 256; kept is at most the old length plus i, and 8 more places are reserved.
                let order = _mm256_loadu_si256(COMPRESS[hits].as_ptr().cast());
                _mm256_storeu_ps(values.as_mut_ptr().add(kept), _mm256_permutevar8x32_ps(v, order));
                let id = _mm256_permutevar8x32_epi32(lanes, order);
                _mm256_storeu_si256(ids.as_mut_ptr().add(kept).cast(), id);
                kept += (hits as u32).count_ones() as usize;
            }
            lanes = _mm256_add_epi32(lanes, _mm256_set1_epi32(8));
        }
        // SAFETY: the first `kept` places of both are written, within the reserved capacity.
        ids.set_len(kept);
        values.set_len(kept);
        scalar::collect_at_least(&x[whole..], threshold, base + whole as u32, ids, values);
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) unsafe fn keep_at_least(
        keys: &[f32],
        threshold: f32,
        ids: &mut [u32],
        values: &mut [f32],
        weights: &mut [f32],
    ) -> usize {
        let t = _mm256_set1_ps(threshold);
        let whole = keys.len() / 8 * 8;
        let mut kept = 0;
        for i in (0..whole).step_by(8) {
            // SAFETY: i + 8 ≤ whole ≤ the length of all four; kept ≤ i, so the stores stay below i + 8, and the entries
            // they overwrite have been loaded before.
            let key = _mm256_loadu_ps(keys.as_ptr().add(i));
            let hits = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(key, t)) as usize;
            if hits != 0 {
                let order = _mm256_loadu_si256(COMPRESS[hits].as_ptr().cast());
                let v = _mm256_loadu_ps(values.as_ptr().add(i));
                let w = _mm256_loadu_ps(weights.as_ptr().add(i));
                let id = _mm256_loadu_si256(ids.as_ptr().add(i).cast());
                _mm256_storeu_ps(values.as_mut_ptr().add(kept), _mm256_permutevar8x32_ps(v, order));
                _mm256_storeu_ps(weights.as_mut_ptr().add(kept), _mm256_permutevar8x32_ps(w, order));
                let id = _mm256_permutevar8x32_epi32(id, order);
                _mm256_storeu_si256(ids.as_mut_ptr().add(kept).cast(), id);
                kept += (hits as u32).count_ones() as usize;
            }
        }
        for i in whole..keys.len() {
            if keys[i] >= threshold {
                (ids[kept], values[kept], weights[kept]) = (ids[i], values[i], weights[i]);
                kept += 1;
            }
        }
        kept
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) unsafe fn split(
        keys: &[f32],
        weights: Option<&[f32]>,
        low: f32,
        high: f32,
        places: &mut Vec<u32>,
    ) -> f64 {
        let (l, h) = (_mm256_set1_ps(low), _mm256_set1_ps(high));
        let one = _mm256_set1_ps(1.0);
        let mut total = [_mm256_setzero_pd(); 2];
        let whole = keys.len() / RUN * RUN;
        let mut at = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        for start in (0..whole).step_by(RUN) {
            let mut sum = _mm256_setzero_ps();
            // Room for a whole run, and for the eight lanes that every store writes.
            places.reserve(RUN + 8);
            let mut kept = places.len();
            for i in (start..start + RUN).step_by(8) {
                // SAFETY: i + 8 ≤ whole ≤ the length of the keys, which is that of the weights.
                let key = _mm256_loadu_ps(keys.as_ptr().add(i));
                let weight = match weights {
                    Some(weights) => _mm256_loadu_ps(weights.as_ptr().add(i)),
                    None => one,
                };
                let above = _mm256_cmp_ps::<_CMP_GE_OQ>(key, h);
                sum = _mm256_add_ps(sum, _mm256_and_ps(weight, above));
                let within = _mm256_andnot_ps(above, _mm256_cmp_ps::<_CMP_GE_OQ>(key, l));
                let hits = _mm256_movemask_ps(within) as usize;
                if hits != 0 {
                    // SAFETY: hits < 256; at most RUN places are added before the next reservation.
                    let order = _mm256_loadu_si256(COMPRESS[hits].as_ptr().cast());
                    let place = _mm256_permutevar8x32_epi32(at, order);
                    _mm256_storeu_si256(places.as_mut_ptr().add(kept).cast(), place);
                    kept += (hits as u32).count_ones() as usize;
                }
                at = _mm256_add_epi32(at, _mm256_set1_epi32(8));
            }
            // SAFETY: the first `kept` places are written, within the reserved capacity.
            places.set_len(kept);
            add_lanes(&mut total, sum);
        }
        let mut total = wide_lanes(total);
        let mut lanes = [0f32; 8];
        for i in whole..keys.len() {
            if keys[i] >= high {
                lanes[i % 8] += weights.map_or(1.0, |w| w[i]);
            } else if keys[i] >= low {
                places.push(i as u32);
            }
        }
        scalar::add_lanes(&mut total, lanes);
        scalar::sum_lanes(total)
    }

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn moment(x: &[f32], max: f32, weights: &[f32]) -> f64 {
        let m = _mm256_set1_ps(max);
        let mut total = [_mm256_setzero_pd(); 2];
        let mut runs = x.chunks_exact(RUN);
        let mut others = weights.chunks_exact(RUN);
        for (run, weights) in (&mut runs).zip(&mut others) {
            let mut sum = _mm256_setzero_ps();
            for i in (0..RUN).step_by(8) {
                // SAFETY: i + 8 ≤ RUN = run.len() = weights.len().
                let v = _mm256_sub_ps(_mm256_loadu_ps(run.as_ptr().add(i)), m);
                let v = _mm256_max_ps(v, _mm256_set1_ps(FAR));
                sum = _mm256_add_ps(sum, _mm256_mul_ps(v, _mm256_loadu_ps(weights.as_ptr().add(i))));
            }
            add_lanes(&mut total, sum);
        }
        scalar::sum_lanes(wide_lanes(total)) + scalar::moment(runs.remainder(), max, others.remainder())
    }

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn select(x: &[f32], words: &[u32], out: &mut [f32]) {
        let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        let none = _mm256_set1_ps(f32::NEG_INFINITY);
        let whole = x.len() / 8 * 8;
        for i in (0..whole).step_by(8) {
            let byte = _mm256_set1_epi32((words[i / 32] >> (i % 32) & 0xff) as i32);
            let chosen = _mm256_cmpeq_epi32(_mm256_and_si256(byte, bits), bits);
            // SAFETY: i + 8 ≤ whole ≤ x.len() = out.len().
            let v = _mm256_blendv_ps(none, _mm256_loadu_ps(x.as_ptr().add(i)), _mm256_castsi256_ps(chosen));
            _mm256_storeu_ps(out.as_mut_ptr().add(i), v);
        }
        scalar::select_from(whole, x, words, out);
    }

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn extent(x: &[f32]) -> (f32, f32) {
        let mut low = [_mm256_set1_ps(f32::INFINITY); 2];
        let mut high = [_mm256_set1_ps(f32::NEG_INFINITY); 2];
        let whole = x.len() / 16 * 16;
        for i in (0..whole).step_by(16) {
            for j in 0..2 {
                // SAFETY: i + 8j + 8 ≤ whole ≤ x.len().
                let v = _mm256_loadu_ps(x.as_ptr().add(i + 8 * j));
                low[j] = _mm256_min_ps(v, low[j]);
                high[j] = _mm256_max_ps(v, high[j]);
            }
        }
        let mut out = [0f32; 16];
        _mm256_storeu_ps(out.as_mut_ptr(), _mm256_min_ps(low[0], low[1]));
        // SAFETY: 8 + 8 ≤ 16.
        _mm256_storeu_ps(out.as_mut_ptr().add(8), _mm256_max_ps(high[0], high[1]));
        let rest = scalar::extent(&x[whole..]);
        (scalar::extent(&out[..8]).0.min(rest.0), scalar::extent(&out[8..]).1.max(rest.1))
    }

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn sum(x: &[f32]) -> f64 {
        let mut total = [_mm256_setzero_pd(); 2];
        let mut runs = x.chunks_exact(RUN);
        for run in &mut runs {
            let mut sum = _mm256_setzero_ps();
            for i in (0..RUN).step_by(8) {
                // SAFETY: i + 8 ≤ RUN = run.len().
                sum = _mm256_add_ps(sum, _mm256_loadu_ps(run.as_ptr().add(i)));
            }
            add_lanes(&mut total, sum);
        }
        let mut total = wide_lanes(total);
        let mut lanes = [0f32; 8];
        for v in runs.remainder().chunks(8) {
            for (lane, &v) in lanes.iter_mut().zip(v) {
                *lane += v;
            }
        }
        scalar::add_lanes(&mut total, lanes);
        scalar::sum_lanes(total)
    }

    #[target_feature(enable = "popcnt")]
    pub(super) unsafe fn count_ones(words: &[u32]) -> usize {
        words.iter().map(|w| w.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<f32>> {
        let mut state = 1u32;
        let mut next = move || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        let mut rows: Vec<Vec<f32>> = [1usize, 7, 8, 9, 255, 256, 257, 1000, 4096]
            .iter()
            .map(|&n| (0..n).map(|_| (next() - 0.5) * 60.0).collect())
            .collect();
        let mut holes = rows[7].clone();
        for i in (0..holes.len()).step_by(3) {
            holes[i] = f32::NEG_INFINITY;
        }
        rows.push(holes);
        rows.push(vec![f32::NEG_INFINITY; 300]);
        rows
    }

    #[test]
    fn vector_code_equals_its_scalar_twin() {
        for x in rows() {
            let blocks = x.len().div_ceil(BLOCK);
            let (mut a, mut b) = (vec![0.0; blocks], vec![0.0; blocks]);
            block_maxima(&x, &mut a);
            scalar::block_maxima(&x, &mut b);
            assert_eq!(a, b);
            let max = a.iter().copied().fold(f32::MIN, f32::max);
            assert_eq!(sum_exp(&x, max, 1.25), scalar::sum_exp(&x, max, 1.25));
            let (mut a, mut b) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            let (s, t) = (exp_into(&x, max, 0.5, &mut a), scalar::exp_into(&x, max, 0.5, &mut b));
            assert_eq!((s, &a), (t, &b));
            assert_eq!(s, sum_exp(&x, max, 0.5));
            let (mut i, mut v, mut j, mut w) = (vec![], vec![], vec![], vec![]);
            collect_at_least(&x, 3.0, 10, &mut i, &mut v);
            scalar::collect_at_least(&x, 3.0, 10, &mut j, &mut w);
            assert_eq!((&i, &v), (&j, &w));
            let (mut r, mut q) = (vec![0.5; v.len()], vec![0.5; v.len()]);
            let n = keep_at_least(&v.clone(), 9.0, &mut i, &mut v, &mut r);
            let m = scalar::keep_at_least(&w.clone(), 9.0, &mut j, &mut w, &mut q);
            assert_eq!((n, &i[..n], &v[..n]), (m, &j[..m], &w[..m]));
            assert_eq!(extent(&x), scalar::extent(&x));
            assert_eq!(sum(&a), scalar::sum(&a));
            assert_eq!(moment(&b, 0.5, &a), scalar::moment(&b, 0.5, &a));
            let words: Vec<u32> =
                (0..x.len().div_ceil(32) as u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
            select(&x, &words, &mut a);
            scalar::select(&x, &words, &mut b);
            assert_eq!(a, b);
            assert_eq!(count_ones(&words), scalar::count_ones(&words));
        }
    }

    #[test]
    fn exponential_is_accurate() {
        let mut worst = 0f64;
        for i in 0..870_000 {
            let d = -(i as f32) / 10_000.0;
            let exact = (d as f64).exp();
            worst = worst.max((exp_lane(d) as f64 - exact).abs() / exact);
        }
        assert!(worst < 3e-7, "{worst}");
        assert_eq!(exp_lane(0.0), 1.0);
        assert!(exp_lane(f32::NEG_INFINITY) < 2e-38 && exp_lane(f32::NAN) < 2e-38);
    }

    #[test]
    fn a_nan_anywhere_is_seen() {
        for at in [0, 5, 63, 255, 256, 299] {
            let mut x = vec![1.0; 300];
            x[at] = f32::NAN;
            let mut out = vec![0.0; 2];
            block_maxima(&x, &mut out);
            assert!(out[at / BLOCK].is_nan());
            assert_eq!(out[1 - at / BLOCK], 1.0);
        }
    }
}
