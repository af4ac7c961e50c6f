//! The inner loops for AVX2. Every function needs AVX2, POPCNT and F16C, which [`dispatch`](super)
//! asks the processor for.

// Each function is unsafe because of the instructions that it needs. The bounds of every pointer
// are argued where it is read or written. So an `unsafe` block around every body would add nothing.
#![allow(unsafe_op_in_unsafe_fn)]

use super::*;
use std::arch::x86_64::*;

/// e^d in each lane, with the same operations as [`exp_lane`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn exp8(d: __m256) -> __m256 {
    // `max` gives its second operand where the first one is NaN.
    let d = _mm256_max_ps(d, _mm256_set1_ps(UNDERFLOW));
    let round = _mm256_set1_ps(ROUND);
    let shifted = _mm256_add_ps(_mm256_mul_ps(d, _mm256_set1_ps(EIGHTHS_E)), round);
    let n = _mm256_sub_ps(shifted, round);
    let r = _mm256_sub_ps(d, _mm256_mul_ps(n, _mm256_set1_ps(LN2_HIGH)));
    let r = _mm256_sub_ps(r, _mm256_mul_ps(n, _mm256_set1_ps(LN2_LOW)));
    let bits = _mm256_castps_si256(shifted);
    // The permutation looks at the lowest three bits of each lane only.
    // SAFETY: eight floats.
    let eighth = _mm256_permutevar8x32_ps(_mm256_loadu_ps(EIGHTHS.as_ptr()), bits);
    let tail = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(C3), r), _mm256_set1_ps(C2));
    let tail = _mm256_add_ps(_mm256_mul_ps(tail, _mm256_mul_ps(r, r)), r);
    let e = _mm256_add_ps(_mm256_mul_ps(eighth, tail), eighth);
    let octaves = _mm256_slli_epi32::<20>(_mm256_andnot_si256(_mm256_set1_epi32(7), bits));
    _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(e), octaves))
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
        let mut nan = [_mm256_setzero_ps(); 2];
        for i in (0..BLOCK).step_by(32) {
            // SAFETY: i + 8j + 8 ≤ BLOCK = block.len().
            let v: [__m256; 4] = std::array::from_fn(|j| unsafe { _mm256_loadu_ps(p.add(i + 8 * j)) });
            largest(v, &mut max, &mut nan);
        }
        *out = maximum(max, nan);
    }
}

/// Takes four times eight lanes into running maxima, and notes the NaNs among them.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn largest(v: [__m256; 4], max: &mut [__m256; 4], nan: &mut [__m256; 2]) {
    for (nan, pair) in nan.iter_mut().zip(v.chunks_exact(2)) {
        // Unordered if either is NaN.
        *nan = _mm256_or_ps(*nan, _mm256_cmp_ps::<_CMP_UNORD_Q>(pair[0], pair[1]));
    }
    for (max, v) in max.iter_mut().zip(v) {
        *max = _mm256_max_ps(v, *max);
    }
}

/// The largest of all lanes; NaN if any lane of `nan` is set.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn maximum(max: [__m256; 4], nan: [__m256; 2]) -> f32 {
    if _mm256_movemask_ps(_mm256_or_ps(nan[0], nan[1])) != 0 {
        return f32::NAN;
    }
    let max = _mm256_max_ps(_mm256_max_ps(max[0], max[1]), _mm256_max_ps(max[2], max[3]));
    let half = _mm_max_ps(_mm256_castps256_ps128(max), _mm256_extractf128_ps::<1>(max));
    let pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
    _mm_cvtss_f32(_mm_max_ss(pair, _mm_shuffle_ps::<1>(pair, pair)))
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn masked_maxima(x: &[f32], words: &[u32], out: &mut [f32]) {
    // Bit 8j + i of a word, moved to the sign of lane i, by which a blend selects.
    let shifts: [__m256i; 4] = std::array::from_fn(|j| {
        let first = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
        _mm256_sub_epi32(first, _mm256_set1_epi32(8 * j as i32))
    });
    let none = _mm256_set1_ps(f32::NEG_INFINITY);
    for ((block, words), out) in x.chunks(BLOCK).zip(words.chunks(BLOCK / 32)).zip(out) {
        if block.len() < BLOCK {
            scalar::masked_maxima(block, words, std::slice::from_mut(out));
            continue;
        }
        let p = block.as_ptr();
        let mut max = [none; 4];
        let mut nan = [_mm256_setzero_ps(); 2];
        for (w, &word) in words.iter().enumerate() {
            if word == 0 {
                continue;
            }
            let bits = _mm256_set1_epi32(word as i32);
            let v: [__m256; 4] = std::array::from_fn(|j| {
                // SAFETY: a whole block has BLOCK / 32 words, so 32w + 8j + 8 ≤ BLOCK =
                // block.len().
                unsafe {
                    let chosen = _mm256_castsi256_ps(_mm256_sllv_epi32(bits, shifts[j]));
                    _mm256_blendv_ps(none, _mm256_loadu_ps(p.add(32 * w + 8 * j)), chosen)
                }
            });
            largest(v, &mut max, &mut nan);
        }
        *out = maximum(max, nan);
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

/// Σ of a term of each entry: the term of eight entries `v`, and that of one entry for the rest. It
/// is a macro, because the terms must be compiled with the features of the function around them.
macro_rules! sum_of {
    ($x:ident, |$v:ident| $eight:expr, $one:expr) => {{
        let mut total = [_mm256_setzero_pd(); 2];
        let mut runs = $x.chunks_exact(RUN);
        for run in &mut runs {
            let mut sum = _mm256_setzero_ps();
            for i in (0..RUN).step_by(8) {
                // SAFETY: i + 8 ≤ RUN = run.len().
                let $v = _mm256_loadu_ps(run.as_ptr().add(i));
                sum = _mm256_add_ps(sum, $eight);
            }
            add_lanes(&mut total, sum);
        }
        let mut total = wide_lanes(total);
        let mut lanes = [0f32; 8];
        for v in runs.remainder().chunks(8) {
            for (lane, &$v) in lanes.iter_mut().zip(v) {
                *lane += $one;
            }
        }
        scalar::add_lanes(&mut total, lanes);
        scalar::sum_lanes(total)
    }};
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn sum_exp(x: &[f32], max: f32, scale: f32) -> f64 {
    let (m, s) = (_mm256_set1_ps(max), _mm256_set1_ps(scale));
    sum_of!(x, |v| exp8(_mm256_mul_ps(_mm256_sub_ps(v, m), s)), exp_lane((v - max) * scale))
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn bound_exp(x: &[f32], max: f32, scale: f32) -> f64 {
    let (m, s) = (_mm256_set1_ps(max), _mm256_set1_ps(scale));
    let (least, one) = (_mm256_set1_ps(-125.0 * OCTAVE), _mm256_set1_ps(127.0 * OCTAVE));
    sum_of!(
        x,
        |v| {
            // The second operand is the result where the first is NaN.
            let y = _mm256_max_ps(_mm256_mul_ps(_mm256_sub_ps(v, m), s), least);
            _mm256_castsi256_ps(_mm256_cvttps_epi32(_mm256_add_ps(y, one)))
        },
        bound_lane(v, max, scale)
    )
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn exp_into(x: &[f32], max: f32, scale: f32, out: &mut Vec<f32>) -> f64 {
    let (m, s) = (_mm256_set1_ps(max), _mm256_set1_ps(scale));
    let mut total = [_mm256_setzero_pd(); 2];
    let first = out.len();
    out.reserve(x.len());
    let whole = x.len() / RUN * RUN;
    for start in (0..whole).step_by(RUN) {
        let mut sum = _mm256_setzero_ps();
        for i in (start..start + RUN).step_by(8) {
            // SAFETY: i + 8 ≤ whole ≤ x.len(), for which there is room behind the `first` entries.
            let v = _mm256_loadu_ps(x.as_ptr().add(i));
            let e = exp8(_mm256_mul_ps(_mm256_sub_ps(v, m), s));
            _mm256_storeu_ps(out.as_mut_ptr().add(first + i), e);
            sum = _mm256_add_ps(sum, e);
        }
        add_lanes(&mut total, sum);
    }
    // SAFETY: that many places are written, within the reserved capacity.
    out.set_len(first + whole);
    let mut total = wide_lanes(total);
    let mut lanes = [0f32; 8];
    for v in x[whole..].chunks(8) {
        for (lane, &v) in lanes.iter_mut().zip(v) {
            let e = exp_lane((v - max) * scale);
            out.push(e);
            *lane += e;
        }
    }
    scalar::add_lanes(&mut total, lanes);
    scalar::sum_lanes(total)
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn distances(x: &[f32], max: f32, scale: f32, offset: f32, out: &mut Vec<f32>) {
    let (m, s) = (_mm256_set1_ps(max), _mm256_set1_ps(scale));
    let (o, sign) = (_mm256_set1_ps(offset), _mm256_set1_ps(-0.0));
    let first = out.len();
    out.reserve(x.len());
    let whole = x.len() / 8 * 8;
    for i in (0..whole).step_by(8) {
        // SAFETY: i + 8 ≤ whole ≤ x.len(), for which there is room behind the `first` entries.
        let v = _mm256_sub_ps(m, _mm256_loadu_ps(x.as_ptr().add(i)));
        let v = _mm256_add_ps(_mm256_mul_ps(v, s), o);
        _mm256_storeu_ps(out.as_mut_ptr().add(first + i), _mm256_or_ps(v, sign));
    }
    // SAFETY: that many places are written, within the reserved capacity.
    out.set_len(first + whole);
    scalar::distances(&x[whole..], max, scale, offset, out);
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
    (ids, values): (&mut Vec<u32>, &mut Vec<f32>),
) {
    let t = _mm256_set1_ps(threshold);
    let whole = x.len() / 8 * 8;
    // Room for what is kept, and for the eight lanes that every store writes.
    ids.reserve(x.len() + 8);
    values.reserve(x.len() + 8);
    let mut kept = ids.len();
    debug_assert_eq!(kept, values.len());
    let lanes = _mm256_add_epi32(_mm256_set1_epi32(base as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    for start in (0..whole).step_by(32) {
        let end = whole.min(start + 32);
        // Mostly nothing is found in four times eight lanes.
        let reach = |j: usize| {
            // SAFETY: asked only where start + 8j + 8 ≤ end ≤ x.len().
            unsafe { _mm256_cmp_ps::<_CMP_GE_OQ>(_mm256_loadu_ps(x.as_ptr().add(start + 8 * j)), t) }
        };
        if end == start + 32 {
            let any = _mm256_or_ps(_mm256_or_ps(reach(0), reach(1)), _mm256_or_ps(reach(2), reach(3)));
            if _mm256_movemask_ps(any) == 0 {
                continue;
            }
        }
        for i in (start..end).step_by(8) {
            // SAFETY: i + 8 ≤ whole ≤ x.len().
            let v = _mm256_loadu_ps(x.as_ptr().add(i));
            let hits = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(v, t)) as usize;
            if hits != 0 {
                // SAFETY: hits < 256; kept is at most the old length plus i, and 8 more places are
                // reserved.
                let order = _mm256_loadu_si256(COMPRESS[hits].as_ptr().cast());
                _mm256_storeu_ps(values.as_mut_ptr().add(kept), _mm256_permutevar8x32_ps(v, order));
                let id = _mm256_add_epi32(lanes, _mm256_set1_epi32(i as i32));
                _mm256_storeu_si256(
                    ids.as_mut_ptr().add(kept).cast(),
                    _mm256_permutevar8x32_epi32(id, order),
                );
                kept += (hits as u32).count_ones() as usize;
            }
        }
    }
    // SAFETY: the first `kept` places of both are written, within the reserved capacity.
    ids.set_len(kept);
    values.set_len(kept);
    scalar::collect_at_least(&x[whole..], threshold, base + whole as u32, (ids, values));
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) unsafe fn collect_by_key(
    keys: &[f32],
    threshold: f32,
    base: u32,
    row: WeightedRow<'_>,
    kept: Kept<'_>,
) {
    let ((x, weights), (ids, values, kept_weights)) = (row, kept);
    let t = _mm256_set1_ps(threshold);
    let whole = keys.len() / 8 * 8;
    // Room for what is kept, and for the eight lanes that every store writes.
    ids.reserve(keys.len() + 8);
    values.reserve(keys.len() + 8);
    kept_weights.reserve(keys.len() + 8);
    let mut kept = ids.len();
    let mut lanes =
        _mm256_add_epi32(_mm256_set1_epi32(base as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    for i in (0..whole).step_by(8) {
        // SAFETY: i + 8 ≤ whole ≤ the length of all three.
        let key = _mm256_loadu_ps(keys.as_ptr().add(i));
        let hits = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(key, t)) as usize;
        if hits != 0 {
            // SAFETY: hits < 256; kept is at most the old length plus i, and 8 more places are
            // reserved.
            let order = _mm256_loadu_si256(COMPRESS[hits].as_ptr().cast());
            let v = _mm256_permutevar8x32_ps(_mm256_loadu_ps(x.as_ptr().add(i)), order);
            let w = _mm256_permutevar8x32_ps(_mm256_loadu_ps(weights.as_ptr().add(i)), order);
            _mm256_storeu_ps(values.as_mut_ptr().add(kept), v);
            _mm256_storeu_ps(kept_weights.as_mut_ptr().add(kept), w);
            let id = _mm256_permutevar8x32_epi32(lanes, order);
            _mm256_storeu_si256(ids.as_mut_ptr().add(kept).cast(), id);
            kept += (hits as u32).count_ones() as usize;
        }
        lanes = _mm256_add_epi32(lanes, _mm256_set1_epi32(8));
    }
    // SAFETY: the first `kept` places of all three are written, within the reserved capacity.
    ids.set_len(kept);
    values.set_len(kept);
    kept_weights.set_len(kept);
    let rest = (&x[whole..], &weights[whole..]);
    scalar::collect_by_key(&keys[whole..], threshold, base + whole as u32, rest, (ids, values, kept_weights));
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) unsafe fn keep_at_least(keys: &[f32], threshold: f32, entries: Entries<'_>) -> usize {
    let (ids, values, mut weights) = entries;
    let t = _mm256_set1_ps(threshold);
    let whole = keys.len() / 8 * 8;
    let mut kept = 0;
    for i in (0..whole).step_by(8) {
        // SAFETY: i + 8 ≤ whole ≤ the length of all of them; kept ≤ i, so the stores stay below i +
        // 8, and the entries they overwrite have been loaded before.
        let key = _mm256_loadu_ps(keys.as_ptr().add(i));
        let hits = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(key, t)) as usize;
        if hits != 0 {
            let order = _mm256_loadu_si256(COMPRESS[hits].as_ptr().cast());
            let v = _mm256_loadu_ps(values.as_ptr().add(i));
            let id = _mm256_loadu_si256(ids.as_ptr().add(i).cast());
            _mm256_storeu_ps(values.as_mut_ptr().add(kept), _mm256_permutevar8x32_ps(v, order));
            let id = _mm256_permutevar8x32_epi32(id, order);
            _mm256_storeu_si256(ids.as_mut_ptr().add(kept).cast(), id);
            if let Some(weights) = &mut weights {
                let w = _mm256_loadu_ps(weights.as_ptr().add(i));
                _mm256_storeu_ps(weights.as_mut_ptr().add(kept), _mm256_permutevar8x32_ps(w, order));
            }
            kept += (hits as u32).count_ones() as usize;
        }
    }
    scalar::keep_from(whole, kept, keys, threshold, (ids, values, weights))
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) unsafe fn split(
    keys: &[f32],
    weights: Option<&[f32]>,
    band: Range<f32>,
    places: &mut Vec<u32>,
) -> f64 {
    let (l, h) = (_mm256_set1_ps(band.start), _mm256_set1_ps(band.end));
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
        if keys[i] >= band.end {
            lanes[i % 8] += weights.map_or(1.0, |w| w[i]);
        } else if keys[i] >= band.start {
            places.push(i as u32);
        }
    }
    scalar::add_lanes(&mut total, lanes);
    scalar::sum_lanes(total)
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn moment(x: &[f32], max: f32, scale: f32, weights: &[f32]) -> f64 {
    let (m, s) = (_mm256_set1_ps(max), _mm256_set1_ps(scale));
    let mut total = [_mm256_setzero_pd(); 2];
    let mut runs = x.chunks_exact(RUN);
    let mut others = weights.chunks_exact(RUN);
    for (run, weights) in (&mut runs).zip(&mut others) {
        let mut sum = _mm256_setzero_ps();
        for i in (0..RUN).step_by(8) {
            // SAFETY: i + 8 ≤ RUN = run.len() = weights.len().
            let d = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(run.as_ptr().add(i)), m), s);
            let d = _mm256_and_ps(d, _mm256_cmp_ps::<_CMP_GT_OQ>(d, _mm256_set1_ps(UNDERFLOW)));
            sum = _mm256_add_ps(sum, _mm256_mul_ps(d, _mm256_loadu_ps(weights.as_ptr().add(i))));
        }
        add_lanes(&mut total, sum);
    }
    let mut total = wide_lanes(total);
    let mut lanes = [0f32; 8];
    for (v, weights) in runs.remainder().chunks(8).zip(others.remainder().chunks(8)) {
        for ((lane, &v), &weight) in lanes.iter_mut().zip(v).zip(weights) {
            *lane += distance_lane(v, max, scale) * weight;
        }
    }
    scalar::add_lanes(&mut total, lanes);
    scalar::sum_lanes(total)
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
    sum_of!(x, |v| v, v)
}

#[target_feature(enable = "popcnt")]
pub(super) unsafe fn count_ones(words: &[u32]) -> usize {
    words.iter().map(|w| w.count_ones() as usize).sum()
}

#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn widen_f16(x: &[u16], out: &mut Vec<f32>) {
    let first = out.len();
    out.reserve(x.len());
    let whole = x.len() / 8 * 8;
    for i in (0..whole).step_by(8) {
        // SAFETY: i + 8 ≤ whole ≤ x.len(), for which there is room behind the `first` entries.
        let half = _mm_loadu_si128(x.as_ptr().add(i).cast());
        _mm256_storeu_ps(out.as_mut_ptr().add(first + i), _mm256_cvtph_ps(half));
    }
    // SAFETY: that many places are written, within the reserved capacity.
    out.set_len(first + whole);
    scalar::widen_f16(&x[whole..], out);
}
