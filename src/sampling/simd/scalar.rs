//! The inner loops in plain Rust: eight lanes, added in the order of the vector code.

use super::{BLOCK, Entries, Kept, RUN, WeightedRow, bound_lane, distance_lane, exp_lane, f16_to_f32};
use std::ops::Range;

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

pub(super) fn masked_maxima(x: &[f32], words: &[u32], out: &mut [f32]) {
    for ((block, words), out) in x.chunks(BLOCK).zip(words.chunks(BLOCK / 32)).zip(out) {
        let mut chosen = [f32::NEG_INFINITY; BLOCK];
        select(block, words, &mut chosen[..block.len()]);
        block_maxima(&chosen[..block.len()], std::slice::from_mut(out));
    }
}

/// Σ of a term of each entry, in the order of lanes and runs that all versions have.
#[inline(always)]
fn sum_of(x: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let mut total = [0f64; 8];
    for run in x.chunks(RUN) {
        let mut lanes = [0f32; 8];
        for v in run.chunks(8) {
            for (lane, &v) in lanes.iter_mut().zip(v) {
                *lane += term(v);
            }
        }
        add_lanes(&mut total, lanes);
    }
    sum_lanes(total)
}

pub(super) fn sum_exp(x: &[f32], max: f32, scale: f32) -> f64 {
    sum_of(x, |v| exp_lane((v - max) * scale))
}

pub(super) fn bound_exp(x: &[f32], max: f32, scale: f32) -> f64 {
    sum_of(x, |v| bound_lane(v, max, scale))
}

pub(super) fn exp_into(x: &[f32], max: f32, scale: f32, out: &mut Vec<f32>) -> f64 {
    let start = out.len();
    out.extend(x.iter().map(|&v| exp_lane((v - max) * scale)));
    sum(&out[start..])
}

pub(super) fn distances(x: &[f32], max: f32, scale: f32, offset: f32, out: &mut Vec<f32>) {
    out.extend(x.iter().map(|&v| -((max - v) * scale + offset).abs()));
}

pub(super) fn collect_at_least(x: &[f32], threshold: f32, base: u32, kept: (&mut Vec<u32>, &mut Vec<f32>)) {
    let (ids, values) = kept;
    for (i, &v) in x.iter().enumerate() {
        if v >= threshold {
            ids.push(base + i as u32);
            values.push(v);
        }
    }
}

pub(super) fn collect_by_key(keys: &[f32], threshold: f32, base: u32, row: WeightedRow<'_>, kept: Kept<'_>) {
    let ((x, weights), (ids, values, kept_weights)) = (row, kept);
    for (i, &key) in keys.iter().enumerate() {
        if key >= threshold {
            ids.push(base + i as u32);
            values.push(x[i]);
            kept_weights.push(weights[i]);
        }
    }
}

pub(super) fn keep_at_least(keys: &[f32], threshold: f32, entries: Entries<'_>) -> usize {
    keep_from(0, 0, keys, threshold, entries)
}

/// [`keep_at_least`] from place `start` on, with `kept` entries kept already.
pub(super) fn keep_from(
    start: usize,
    mut kept: usize,
    keys: &[f32],
    threshold: f32,
    (ids, values, mut weights): Entries<'_>,
) -> usize {
    for i in start..keys.len() {
        if keys[i] >= threshold {
            (ids[kept], values[kept]) = (ids[i], values[i]);
            if let Some(weights) = &mut weights {
                weights[kept] = weights[i];
            }
            kept += 1;
        }
    }
    kept
}

pub(super) fn split(keys: &[f32], weights: Option<&[f32]>, band: Range<f32>, places: &mut Vec<u32>) -> f64 {
    let mut total = [0f64; 8];
    for start in (0..keys.len()).step_by(RUN) {
        let mut lanes = [0f32; 8];
        for i in start..keys.len().min(start + RUN) {
            if keys[i] >= band.end {
                lanes[i % 8] += weights.map_or(1.0, |w| w[i]);
            } else if keys[i] >= band.start {
                places.push(i as u32);
            }
        }
        add_lanes(&mut total, lanes);
    }
    sum_lanes(total)
}

pub(super) fn moment(x: &[f32], max: f32, scale: f32, weights: &[f32]) -> f64 {
    let mut total = [0f64; 8];
    for (run, weights) in x.chunks(RUN).zip(weights.chunks(RUN)) {
        let mut lanes = [0f32; 8];
        for (v, weights) in run.chunks(8).zip(weights.chunks(8)) {
            for ((lane, &v), &weight) in lanes.iter_mut().zip(v).zip(weights) {
                *lane += distance_lane(v, max, scale) * weight;
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
    sum_of(x, |v| v)
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

pub(super) fn widen_f16(x: &[u16], out: &mut Vec<f32>) {
    out.extend(x.iter().map(|&bits| f16_to_f32(bits)));
}
