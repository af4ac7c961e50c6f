//! One row of logits as a sampler sees it: the caller's numbers, a mask over them, and a few
//! changed entries.
//!
//! The caller's logits are never written. A mask is packed, 32 tokens a word; changed entries
//! (penalties, biases, bans) are a sparse sorted list. Readers go through the row in blocks small
//! enough for the first-level cache. A block without a mask or an edit is the caller's own memory.
//! Any other block is put together in a scratch block. So a whole row is never copied.

use super::error::SamplingError;
use super::simd::{self, BLOCK};
use crate::vocab::TokenId;

/// One row of logits, of shape `[vocab]`, in the number format the model left it in.
///
/// Half-precision rows are given by their bits. Entries are finite or −∞ (a token that cannot be
/// drawn).
///
/// ```
/// use hedgerow::sampling::LogitRow;
/// assert_eq!(LogitRow::from(&[1.0, 2.0]).len(), 2);
/// assert_eq!(LogitRow::Bf16(&[0x3f80]).get(0), Some(1.0));
/// ```
#[derive(Debug, Clone, Copy)]
pub enum LogitRow<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// IEEE 754 half precision, as bits.
    F16(&'a [u16]),
    /// bfloat16, as bits.
    Bf16(&'a [u16]),
}

impl LogitRow<'_> {
    /// Number of logits.
    pub fn len(&self) -> usize {
        match self {
            LogitRow::F32(x) => x.len(),
            LogitRow::F16(x) | LogitRow::Bf16(x) => x.len(),
        }
    }

    /// True if the row has no logits at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The logit of token `index`, exactly, as a 32-bit float.
    pub fn get(&self, index: usize) -> Option<f32> {
        match self {
            LogitRow::F32(x) => x.get(index).copied(),
            LogitRow::F16(x) => x.get(index).map(|&h| simd::f16_to_f32(h)),
            LogitRow::Bf16(x) => x.get(index).map(|&h| bf16_to_f32(h)),
        }
    }

    /// All logits as 32-bit floats: the caller's own memory where it is that already, else a
    /// conversion into `scratch`.
    pub(crate) fn widen<'s>(&'s self, scratch: &'s mut Vec<f32>) -> &'s [f32] {
        scratch.clear();
        match self {
            LogitRow::F32(x) => return x,
            LogitRow::F16(x) => simd::widen_f16(x, scratch),
            LogitRow::Bf16(x) => scratch.extend(x.iter().map(|&h| bf16_to_f32(h))),
        }
        scratch
    }
}

impl<'a> From<&'a [f32]> for LogitRow<'a> {
    fn from(x: &'a [f32]) -> Self {
        LogitRow::F32(x)
    }
}

impl<'a> From<&'a Vec<f32>> for LogitRow<'a> {
    fn from(x: &'a Vec<f32>) -> Self {
        LogitRow::F32(x)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for LogitRow<'a> {
    fn from(x: &'a [f32; N]) -> Self {
        LogitRow::F32(x)
    }
}

/// A 32-bit float as half precision, rounded to the nearest, ties to even: by its bits.
pub(crate) fn f16_from_f32(value: f32) -> u16 {
    let (sign, magnitude) = ((value.to_bits() >> 16 & 0x8000) as u16, value.to_bits() & 0x7fff_ffff);
    let bits = if value.is_nan() {
        0x7e00
    } else if magnitude >= 0x3880_0000 {
        // Normal: the exponent is 112 smaller, and 13 bits of the mantissa are rounded away. A
        // carry goes into the exponent, and what is too large becomes infinite.
        let moved = magnitude - (112 << 23);
        ((moved + 0xfff + (moved >> 13 & 1)) >> 13).min(0x7c00)
    } else {
        // Subnormal: a multiple of 2^-24, which addition of 0.5 rounds to by the rule for floats.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits()
    };
    sign | bits as u16
}

/// A 32-bit float as bfloat16, rounded to the nearest, ties to even: by its bits.
pub(crate) fn bf16_from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    match value.is_nan() {
        true => (bits >> 16) as u16 | 0x40,
        false => ((u64::from(bits) + 0x7fff + u64::from(bits >> 16 & 1)) >> 16) as u16,
    }
}

fn bf16_to_f32(h: u16) -> f32 {
    f32::from_bits((h as u32) << 16)
}

/// Checks that a row can be indexed and that a mask belongs to it.
pub(crate) fn check_lengths(logits: usize, mask: Option<&[u32]>) -> Result<(), SamplingError> {
    if logits == 0 || logits > i32::MAX as usize {
        return Err(SamplingError::RowLength { given: logits });
    }
    let limit = logits.div_ceil(32);
    match mask {
        Some(mask) if mask.len() > limit => {
            Err(SamplingError::MaskLength { given: mask.len(), limit, logits })
        }
        _ => Ok(()),
    }
}

/// True if the mask allows token `id`; tokens beyond the mask's end are not allowed.
pub(crate) fn allows(mask: &[u32], id: u32) -> bool {
    mask.get(id as usize / 32).is_some_and(|word| word >> (id % 32) & 1 != 0)
}

/// Checks that a logit is finite or −∞.
pub(crate) fn check_logit(id: u32, logit: f32) -> Result<(), SamplingError> {
    if logit < f32::INFINITY {
        Ok(())
    } else if logit.is_nan() {
        Err(SamplingError::NotANumber(TokenId(id)))
    } else {
        Err(SamplingError::Infinite(TokenId(id)))
    }
}

/// A row under a mask and edits.
#[derive(Clone, Copy)]
pub(crate) struct MaskedRow<'a> {
    /// The caller's logits.
    pub logits: &'a [f32],
    /// Packed mask; tokens beyond its end are not allowed. Bits beyond the row are ignored.
    pub mask: Option<&'a [u32]>,
    /// Changed entries, by ascending id, all below the row's length.
    pub edits: &'a [(u32, f32)],
}

impl<'a> MaskedRow<'a> {
    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.logits.len().div_ceil(BLOCK)
    }

    /// True if every block is the caller's own memory.
    pub fn is_plain(&self) -> bool {
        self.mask.is_none() && self.edits.is_empty()
    }

    /// The entries of block `index`, put together in `scratch` if need be. `None` if the mask
    /// forbids all of them.
    pub fn block<'s>(&self, index: usize, scratch: &'s mut [f32; BLOCK]) -> Option<&'s [f32]>
    where
        'a: 's,
    {
        let start = index * BLOCK;
        let raw = &self.logits[start..self.logits.len().min(start + BLOCK)];
        let mut edits = self.edits;
        if !edits.is_empty() {
            edits = &edits[edits.partition_point(|e| (e.0 as usize) < start)..];
            edits = &edits[..edits.partition_point(|e| (e.0 as usize) < start + raw.len())];
        }
        let mut words = [u32::MAX; BLOCK / 32];
        if let Some(mask) = self.mask {
            let first = (start / 32).min(mask.len());
            let some = &mask[first..mask.len().min(first + BLOCK / 32)];
            words.fill(0);
            words[..some.len()].copy_from_slice(some);
        }
        if words.iter().all(|&w| w == 0) {
            return None;
        }
        let all = words.iter().all(|&w| w == u32::MAX);
        if all && edits.is_empty() {
            return Some(raw);
        }
        let out = &mut scratch[..raw.len()];
        simd::select(raw, &words, out);
        for &(id, logit) in edits {
            let at = id as usize - start;
            if words[at / 32] >> (at % 32) & 1 != 0 {
                out[at] = logit;
            }
        }
        Some(out)
    }

    /// Calls `visit(block index, entries)` for every block with an allowed token.
    pub fn for_each_block(&self, mut visit: impl FnMut(usize, &[f32])) {
        if self.is_plain() {
            for (index, block) in self.logits.chunks(BLOCK).enumerate() {
                visit(index, block);
            }
            return;
        }
        let mut scratch = [0.0; BLOCK];
        for index in 0..self.blocks() {
            if let Some(block) = self.block(index, &mut scratch) {
                visit(index, block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloat16_is_exact() {
        assert!(bf16_to_f32(0x7fc1).is_nan());
        assert_eq!(bf16_to_f32(0xc040), -3.0);
    }

    #[test]
    fn blocks_show_mask_and_edits() {
        let n = 600;
        let logits: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let mask: Vec<u32> = (0..19).map(|w| if w < 8 { 0 } else { 0xffff_fffe }).collect();
        let edits = [(3, 9.0), (257, -1.0), (288, 5.0), (599, 7.0)];
        for mask in [None, Some(&mask[..]), Some(&mask[..12])] {
            for edits in [&[][..], &edits[..]] {
                let row = MaskedRow { logits: &logits, mask, edits };
                let mut seen = vec![f32::NEG_INFINITY; n];
                row.for_each_block(|b, x| seen[b * BLOCK..][..x.len()].copy_from_slice(x));
                for id in 0..n {
                    let allowed = mask.is_none_or(|m| allows(m, id as u32));
                    let edited = edits.iter().find(|e| e.0 as usize == id).map_or(logits[id], |e| e.1);
                    let expected = if allowed { edited } else { f32::NEG_INFINITY };
                    assert_eq!(seen[id], expected, "{id}");
                }
            }
        }
    }

    #[test]
    fn lengths_are_checked() {
        assert!(check_lengths(0, None).is_err());
        assert!(check_lengths(33, Some(&[0; 2])).is_ok());
        assert!(check_lengths(33, Some(&[])).is_ok());
        assert!(check_lengths(32, Some(&[0; 2])).is_err());
    }

    #[test]
    fn halves_are_the_nearest() {
        for bits in 0..=u16::MAX {
            let (half, brain) = (simd::f16_to_f32(bits), bf16_to_f32(bits));
            if half.is_nan() {
                assert!(simd::f16_to_f32(f16_from_f32(half)).is_nan());
            } else {
                assert_eq!(f16_from_f32(half), bits);
            }
            match brain.is_nan() {
                true => assert!(bf16_to_f32(bf16_from_f32(brain)).is_nan()),
                false => assert_eq!(bf16_from_f32(brain), bits),
            }
        }
        // Between two neighbours, the nearer one; in the middle, the even one.
        for low in (0..0x7bffu16).chain(0x8000..0xfbff) {
            let (a, b) = (simd::f16_to_f32(low), simd::f16_to_f32(low + 1));
            let middle = (a + b) / 2.0;
            assert_eq!(f16_from_f32(middle), low + (low & 1), "{low:04x}");
            assert_eq!(f16_from_f32(a + (b - a) / 4.0), low, "{low:04x}");
            assert_eq!(f16_from_f32(b - (b - a) / 4.0), low + 1, "{low:04x}");
        }
        for low in (0x0001..0x7f7fu16).step_by(7) {
            let middle = f32::from_bits(u32::from(low) << 16 | 0x8000);
            assert_eq!(bf16_from_f32(middle), low + (low & 1), "{low:04x}");
        }
        let cases =
            [(65519.0, 0x7bff), (65520.0, 0x7c00), (1e9, 0x7c00), (-1e9, 0xfc00), (1e-9, 0), (-1e-9, 0x8000)];
        for (value, bits) in cases {
            assert_eq!(f16_from_f32(value), bits, "{value}");
        }
        assert_eq!(bf16_from_f32(f32::MAX), 0x7f80);
    }
}
