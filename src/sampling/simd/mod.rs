//! The inner loops over a row of logits: vectorised (AVX2, chosen at run time) and scalar, bit for
//! bit equal.
//!
//! The scalar code adds in the same eight lanes and in the same order as the vector code, and
//! neither uses fused multiply-add. So the same logits and seed give the same token on every
//! machine. The price is a slower exponential than one with fused multiply-add.
//!
//! This is the only module of `sampling` with `unsafe` code. Two things make it necessary: calling
//! a function compiled for AVX2 (sound because [`avx2`] has asked the processor first), and loads
//! and stores through pointers (each within the bounds of a slice whose length is checked in the
//! same function).
#![allow(unsafe_code)]

/// Logits in one block of [`block_maxima`].
pub(crate) const BLOCK: usize = 256;

/// Weights that are added in 32 bits before they go into a 64-bit sum: eight in each lane.
const RUN: usize = 64;

/// Weights are never below e^UNDERFLOW, about 10⁻³⁸ (smaller ones would be denormal, which is
/// slow).
const UNDERFLOW: f32 = -87.0;
/// e^d = 2^(n/8) · e^r with n = round(8·d/ln 2): the eighths of an octave come from a table, the
/// octaves from the exponent.
const EIGHTHS: [f32; 8] = [
    1.0,
    1.090_507_7,
    1.189_207_1,
    1.296_839_6,
    std::f32::consts::SQRT_2,
    1.542_210_8,
    1.681_792_9,
    1.834_008_1,
];
const EIGHTHS_E: f32 = 8.0 * std::f32::consts::LOG2_E;
// ln 2 / 8 in two parts, the first with few enough bits that its product with n is exact.
const LN2_HIGH: f32 = 0.693_359_4 / 8.0;
const LN2_LOW: f32 = -2.121_944_4e-4 / 8.0;
// e^r = 1 + r + r²(C2 + C3 r) on |r| ≤ ln2/16. C3 is Taylor's 1/6. C2 is slightly above 1/2, to
// make up for the missing term r⁴/24. The error is 2.5e-8.
const C2: f32 = 0.500_064_76;
const C3: f32 = 1.0 / 6.0;
/// Adding and subtracting 1.5·2²³ rounds to the nearest integer.
const ROUND: f32 = 12_582_912.0;

#[cfg(test)]
thread_local! {
    /// True if this thread runs the scalar versions whatever the processor can do.
    static SCALAR: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// The result of `f` where the scalar versions run.
#[cfg(test)]
pub(crate) fn on_scalar<T>(f: impl FnOnce() -> T) -> T {
    SCALAR.set(true);
    let result = f();
    SCALAR.set(false);
    result
}

/// True if the AVX2 versions run on this processor.
fn avx2() -> bool {
    #[cfg(test)]
    if SCALAR.get() {
        return false;
    }
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("popcnt")
            && std::arch::is_x86_feature_detected!("f16c")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

macro_rules! dispatch {
    ($name:ident ( $($argument:expr_2021),* )) => {{
        #[cfg(target_arch = "x86_64")]
        if avx2() {
            // SAFETY: the processor has AVX2, POPCNT and F16C.
            return unsafe { x86::$name($($argument),*) };
        }
        scalar::$name($($argument),*)
    }};
}

/// The maximum of every block of [`BLOCK`] logits (the last block may be short); NaN for a block
/// that holds a NaN. `out` has one place for each block.
pub(crate) fn block_maxima(x: &[f32], out: &mut [f32]) {
    assert_eq!(out.len(), x.len().div_ceil(BLOCK));
    dispatch!(block_maxima(x, out))
}

/// Σ e^((x − max)·scale); −∞ counts 10⁻³⁸.
pub(crate) fn sum_exp(x: &[f32], max: f32, scale: f32) -> f64 {
    dispatch!(sum_exp(x, max, scale))
}

/// The factor by which [`bound_exp`] exceeds [`sum_exp`] at most: (1 + f)/2^f has its largest
/// value at f = 1/ln 2 − 1. The last digit covers rounding.
pub(crate) const BOUND_EXCESS: f64 = 1.0616;

/// An upper bound of Σ e^((x − max)·scale), at most [`BOUND_EXCESS`] times as large, at a quarter
/// of the price. Entries below e^−86 count as that.
pub(crate) fn bound_exp(x: &[f32], max: f32, scale: f32) -> f64 {
    // The factor covers rounding.
    1.000_01 * bound_octaves(x, max, scale * (OCTAVE * std::f32::consts::LOG2_E))
}

/// [`bound_exp`] without allowance for rounding, with a scale in units of the last place of a float
/// between 1 and 2.
fn bound_octaves(x: &[f32], max: f32, scale: f32) -> f64 {
    dispatch!(bound_exp(x, max, scale))
}

/// Appends the weights e^((x − max)·scale) to `out` and gives their sum.
pub(crate) fn exp_into(x: &[f32], max: f32, scale: f32, out: &mut Vec<f32>) -> f64 {
    dispatch!(exp_into(x, max, scale, out))
}

/// Appends the negated distances −|(max − x)·scale + offset| to `out`. The largest of them, at most
/// 0, is that of the most typical entry.
pub(crate) fn distances(x: &[f32], max: f32, scale: f32, offset: f32, out: &mut Vec<f32>) {
    dispatch!(distances(x, max, scale, offset, out))
}

/// Appends the indices (plus `base`) and values of the entries ≥ `threshold`, in order.
pub(crate) fn collect_at_least(x: &[f32], threshold: f32, base: u32, kept: (&mut Vec<u32>, &mut Vec<f32>)) {
    dispatch!(collect_at_least(x, threshold, base, kept))
}

/// The values and the weights of a row's entries.
pub(crate) type WeightedRow<'a> = (&'a [f32], &'a [f32]);

/// The lists to which the ids, values and weights of entries are appended.
pub(crate) type Kept<'a> = (&'a mut Vec<u32>, &'a mut Vec<f32>, &'a mut Vec<f32>);

/// Appends the indices (plus `base`), values and weights of the entries whose key is ≥ `threshold`,
/// in order.
pub(crate) fn collect_by_key(keys: &[f32], threshold: f32, base: u32, row: WeightedRow<'_>, kept: Kept<'_>) {
    let ((x, weights), (ids, values, kept_weights)) = (row, kept);
    assert!(keys.len() == x.len() && keys.len() == weights.len());
    assert!(ids.len() == values.len() && ids.len() == kept_weights.len());
    dispatch!(collect_by_key(keys, threshold, base, (x, weights), (ids, values, kept_weights)))
}

/// The ids, the values and, if given, the weights of entries.
pub(crate) type Entries<'a> = (&'a mut [u32], &'a mut [f32], Option<&'a mut [f32]>);

/// Moves the entries whose key is ≥ `threshold` to the front, in order; gives their number.
pub(crate) fn keep_at_least(keys: &[f32], threshold: f32, entries: Entries<'_>) -> usize {
    let (ids, values, weights) = &entries;
    assert!(keys.len() == ids.len() && keys.len() == values.len());
    assert!(weights.as_ref().is_none_or(|weights| keys.len() == weights.len()));
    dispatch!(keep_at_least(keys, threshold, entries))
}

/// The smallest and the largest entry; +∞ and −∞ of nothing.
pub(crate) fn extent(x: &[f32]) -> (f32, f32) {
    dispatch!(extent(x))
}

/// Σ of the entries.
pub(crate) fn sum(x: &[f32]) -> f64 {
    dispatch!(sum(x))
}

/// Appends to `places` the places of the keys in the band, in order. Returns the sum of the weights
/// of the keys above the band. Without weights, each key weighs 1.
pub(crate) fn split(keys: &[f32], weights: Option<&[f32]>, band: Range<f32>, places: &mut Vec<u32>) -> f64 {
    assert!(weights.is_none_or(|w| w.len() == keys.len()));
    dispatch!(split(keys, weights, band, places))
}

/// Σ (x − max)·scale · weight, for weights from [`exp_into`]. Distances below [`UNDERFLOW`], as
/// those of −∞, are left out. On a row whose spread is 10⁻³⁷ even a weight of 10⁻³⁸ would be too
/// much.
pub(crate) fn moment(x: &[f32], max: f32, scale: f32, weights: &[f32]) -> f64 {
    assert_eq!(x.len(), weights.len());
    dispatch!(moment(x, max, scale, weights))
}

/// As [`block_maxima`], of the entries whose bit is set in `words` (32 a word, [`BLOCK`] / 32 words
/// a block); −∞ for a block without any. Entries whose bit is not set are never read, so a NaN
/// among them does no harm.
pub(crate) fn masked_maxima(x: &[f32], words: &[u32], out: &mut [f32]) {
    assert!(out.len() == x.len().div_ceil(BLOCK) && words.len() >= x.len().div_ceil(32));
    dispatch!(masked_maxima(x, words, out))
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

/// Appends IEEE 754 half-precision numbers, given by their bits, as 32-bit floats.
pub(crate) fn widen_f16(x: &[u16], out: &mut Vec<f32>) {
    dispatch!(widen_f16(x, out))
}

/// A half-precision number as a 32-bit float, exactly.
pub(crate) fn f16_to_f32(h: u16) -> f32 {
    let sign = ((h as u32) & 0x8000) << 16;
    let magnitude = (h as u32) & 0x7fff;
    // Moving exponent and mantissa into place leaves the exponent 112 too small; a multiplication
    // puts that right for normal and subnormal numbers alike. Infinities and NaNs keep the largest
    // exponent.
    let value = if magnitude >= 0x7c00 {
        f32::from_bits(0x7f80_0000 | (magnitude & 0x3ff) << 13)
    } else {
        f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23)
    };
    f32::from_bits(value.to_bits() | sign)
}

/// e^d for d ≤ 0, but at least e^[`UNDERFLOW`]: the scalar form of what the vector code computes in
/// each lane.
#[inline(always)]
fn exp_lane(d: f32) -> f32 {
    // The comparison is also false for −∞ and for the NaN of 0 · ∞.
    let d = if d > UNDERFLOW { d } else { UNDERFLOW };
    let shifted = d * EIGHTHS_E + ROUND;
    let n = shifted - ROUND;
    let r = (d - n * LN2_HIGH) - n * LN2_LOW;
    // The lowest bits of `shifted` are n in two's complement.
    let bits = shifted.to_bits();
    let eighth = EIGHTHS[(bits & 7) as usize];
    let e = eighth * ((C3 * r + C2) * (r * r) + r) + eighth;
    f32::from_bits(e.to_bits().wrapping_add((bits & !7) << 20))
}

/// The scalar form of a distance in [`moment`]'s lanes.
#[inline(always)]
fn distance_lane(x: f32, max: f32, scale: f32) -> f32 {
    let d = (x - max) * scale;
    // The comparison is also false for −∞ and for the NaN of 0 · ∞.
    if d > UNDERFLOW { d } else { 0.0 }
}

/// 2²³: one more in the exponent of a float, as an integer.
const OCTAVE: f32 = 8_388_608.0;

/// The scalar form of [`bound_exp`]'s lanes. It computes 2^(n + f), with a whole number n and 0 ≤ f
/// < 1, as 2^n · (1 + f), which is never less. This is the float whose exponent bits hold n and
/// whose mantissa bits hold f.
#[inline(always)]
fn bound_lane(x: f32, max: f32, scale: f32) -> f32 {
    let y = (x - max) * scale;
    let y = if y > -125.0 * OCTAVE { y } else { -125.0 * OCTAVE };
    f32::from_bits((y + 127.0 * OCTAVE) as i32 as u32)
}

use std::ops::Range;

mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

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
        // Spreads of a few units in the last place, and of nearly all floats.
        for (centre, spread) in [(100.0, 1e-4), (-1e6, 0.25), (0.0, 1e-30), (0.0, 1e30), (1e38, 2e38)] {
            rows.push((0..777).map(|_| centre + (next() - 0.5) * spread).collect());
        }
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
            let octaves = 1.25 * (OCTAVE * std::f32::consts::LOG2_E);
            assert_eq!(bound_octaves(&x, max, octaves), scalar::bound_exp(&x, max, octaves));
            let (mut a, mut b) = (vec![], vec![]);
            let (s, t) = (exp_into(&x, max, 0.5, &mut a), scalar::exp_into(&x, max, 0.5, &mut b));
            assert_eq!((s, &a), (t, &b));
            assert_eq!(s, sum_exp(&x, max, 0.5));
            let (mut i, mut v, mut r) = (vec![7], vec![0.0], vec![1.0]);
            let (mut j, mut w, mut q) = (vec![7], vec![0.0], vec![1.0]);
            collect_by_key(&x, 3.0, 10, (&x, &a), (&mut i, &mut v, &mut r));
            scalar::collect_by_key(&x, 3.0, 10, (&x, &a), (&mut j, &mut w, &mut q));
            assert_eq!((i, v, r), (j, w, q));
            let (mut i, mut v, mut j, mut w) = (vec![], vec![], vec![], vec![]);
            collect_at_least(&x, 3.0, 10, (&mut i, &mut v));
            scalar::collect_at_least(&x, 3.0, 10, (&mut j, &mut w));
            assert_eq!((&i, &v), (&j, &w));
            let (mut r, mut q) = (v.clone(), v.clone());
            let keys = v.clone();
            let n = keep_at_least(&keys, 9.0, (&mut i, &mut v, Some(&mut r)));
            let m = scalar::keep_at_least(&keys, 9.0, (&mut j, &mut w, Some(&mut q)));
            assert_eq!((n, &i[..n], &v[..n], &r[..n]), (m, &j[..m], &w[..m], &q[..m]));
            let n = keep_at_least(&keys[..n], 12.0, (&mut i[..n], &mut v[..n], None));
            let m = scalar::keep_at_least(&keys[..m], 12.0, (&mut j[..m], &mut w[..m], None));
            assert_eq!((n, &i[..n], &v[..n]), (m, &j[..m], &w[..m]));
            let (mut c, mut d) = (vec![], vec![]);
            distances(&x, max, 1.5, 3.25, &mut c);
            scalar::distances(&x, max, 1.5, 3.25, &mut d);
            assert_eq!(c, d);
            assert_eq!(extent(&x), scalar::extent(&x));
            assert_eq!(sum(&a), scalar::sum(&a));
            assert_eq!(moment(&b, 0.5, 1.25, &a), scalar::moment(&b, 0.5, 1.25, &a));
            let words: Vec<u32> =
                (0..x.len().div_ceil(32) as u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
            let (mut c, mut d) = (vec![0.0; blocks], vec![0.0; blocks]);
            masked_maxima(&x, &words, &mut c);
            scalar::masked_maxima(&x, &words, &mut d);
            assert_eq!(c, d);
            select(&x, &words, &mut a);
            scalar::select(&x, &words, &mut b);
            assert_eq!(a, b);
            assert_eq!(count_ones(&words), scalar::count_ones(&words));
        }
    }

    #[test]
    fn half_precision_is_exact() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x83ff, -1023.0 * 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
            (0x3555, 0.333_251_95),
            (0xfc00, f32::NEG_INFINITY),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(f16_to_f32(bits).to_bits(), f32::to_bits(value), "{bits:04x}");
        }
        assert!(f16_to_f32(0x7e01).is_nan());
    }

    #[test]
    fn all_half_precision_numbers_are_widened_alike() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let (mut a, mut b) = (vec![0.5], vec![0.5]);
        widen_f16(&all[3..], &mut a);
        scalar::widen_f16(&all[3..], &mut b);
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(&b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())));
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
        for (j, eighth) in EIGHTHS.into_iter().enumerate() {
            assert_eq!(eighth, (j as f64 / 8.0).exp2() as f32);
        }
        assert_eq!(exp_lane(0.0), 1.0);
        assert!(exp_lane(f32::NEG_INFINITY) < 2e-38 && exp_lane(f32::NAN) < 2e-38);
    }

    #[test]
    fn bounds_hold() {
        for (i, scale) in (0..170_000).flat_map(|i| [0.3, 1.0, 1.0 / 0.7].map(|scale| (i, scale))) {
            let x = 30.0 - i as f32 / 3_000.0;
            let exact = f64::from(scale * (x - 30.0)).exp();
            let bound = bound_exp(&[x], 30.0, scale);
            assert!((exact..=exact * BOUND_EXCESS).contains(&bound), "{x} {scale}: {bound} for {exact}");
        }
        assert!(bound_exp(&[f32::NEG_INFINITY; 9], 0.0, 1.0) < 1e-36);
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
            let mut words = vec![u32::MAX; 10];
            masked_maxima(&x, &words, &mut out);
            assert!(out[at / BLOCK].is_nan());
            words[at / 32] &= !(1 << (at % 32));
            masked_maxima(&x, &words, &mut out);
            assert_eq!(out, [1.0, 1.0]);
            masked_maxima(&x, &[0; 10], &mut out);
            assert_eq!(out, [f32::NEG_INFINITY; 2]);
        }
    }
}
