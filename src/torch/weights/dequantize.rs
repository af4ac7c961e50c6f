//! The block formats of ggml, decoded to `f32`.
//!
//! A quantised tensor is a sequence of blocks of 32 or 256 weights of one row. A block holds small
//! integers and the scale (and minimum) that turn them back into numbers. Decoding happens once, at
//! load. It costs the memory of plain floats, and lets libtorch's own matrix products run on them.
//! The layouts are those of ggml's `block_*` structures; all numbers are little-endian.
//!
//! | format | weights | bytes | layout |
//! |---|---|---|---|
//! | F32, F16, BF16 | 1 | 4, 2, 2 | the number |
//! | Q8_0 | 32 | 34 | f16 scale · 32 × i8 |
//! | Q4_0 | 32 | 18 | f16 scale · 16 bytes of nibbles, offset 8 |
//! | Q4_1 | 32 | 20 | f16 scale · f16 minimum · 16 bytes of nibbles |
//! | Q4_K | 256 | 144 | two f16 scales · 12 bytes of sub-scales · 128 bytes of nibbles |
//! | Q5_K | 256 | 176 | as Q4_K, with 32 bytes of fifth bits before the nibbles |
//! | Q6_K | 256 | 210 | 128 bytes of nibbles · 64 of bit pairs · 16 × i8 scale · f16 scale |
//!
//! The two f16 scales of Q4_K and Q5_K are those of the scales and of the minimums. Their 12 bytes
//! of sub-scales are 8 × (6-bit scale, 6-bit minimum). The bit pairs of Q6_K are the high bits of
//! its weights, which have the offset 32.

use half::{bf16, f16};

/// The storage format of a tensor's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BlockFormat {
    F32,
    F16,
    Bf16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q4K,
    Q5K,
    Q6K,
}

/// The names of the formats that are decoded, for error messages.
pub(crate) const SUPPORTED: &str = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q5_K, Q6_K";

impl BlockFormat {
    /// The format with this number in ggml's `ggml_type`; `None` if it is not supported.
    pub(crate) fn from_ggml_type(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            _ => return None,
        })
    }

    /// Number of weights in a block.
    pub(crate) const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Number of bytes of a block.
    pub(crate) const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Decodes whole blocks, as many as both slices hold.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        let decode_block = match self {
            Self::F32 => decode_f32,
            Self::F16 => decode_f16,
            Self::Bf16 => decode_bf16,
            Self::Q8_0 => decode_q8_0,
            Self::Q4_0 => decode_q4_0,
            Self::Q4_1 => decode_q4_1,
            Self::Q4K => decode_q4_k,
            Self::Q5K => decode_q5_k,
            Self::Q6K => decode_q6_k,
        };
        let blocks = bytes.chunks_exact(self.block_bytes());
        for (block, weights) in blocks.zip(out.chunks_exact_mut(self.block_len())) {
            decode_block(block, weights);
        }
    }

    /// Decodes a whole tensor on all processors. `out` has `block_len` weights per block of
    /// `bytes`.
    pub(crate) fn decode_parallel(self, bytes: &[u8], out: &mut [f32]) {
        // With fewer weights a thread costs more than it saves.
        const WEIGHTS_PER_THREAD: usize = 1 << 18;
        let blocks = out.len() / self.block_len();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = blocks.div_ceil(threads).max(WEIGHTS_PER_THREAD / self.block_len());
        std::thread::scope(|scope| {
            let parts = bytes.chunks(share * self.block_bytes());
            for (bytes, out) in parts.zip(out.chunks_mut(share * self.block_len())) {
                scope.spawn(move || self.decode(bytes, out));
            }
        });
    }
}

fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

fn decode_f32(block: &[u8], out: &mut [f32]) {
    out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
}

fn decode_f16(block: &[u8], out: &mut [f32]) {
    out[0] = half_at(block, 0);
}

fn decode_bf16(block: &[u8], out: &mut [f32]) {
    out[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32();
}

fn decode_q8_0(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    for (weight, &byte) in out.iter_mut().zip(&block[2..]) {
        *weight = scale * f32::from(byte as i8);
    }
}

fn decode_q4_0(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    let (low, high) = out.split_at_mut(16);
    for ((low, high), &byte) in low.iter_mut().zip(high).zip(&block[2..]) {
        *low = scale * (f32::from(byte & 15) - 8.0);
        *high = scale * (f32::from(byte >> 4) - 8.0);
    }
}

fn decode_q4_1(block: &[u8], out: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (low, high) = out.split_at_mut(16);
    for ((low, high), &byte) in low.iter_mut().zip(high).zip(&block[4..]) {
        *low = scale * f32::from(byte & 15) + minimum;
        *high = scale * f32::from(byte >> 4) + minimum;
    }
}

/// The 6-bit scale and minimum of one of the eight sub-blocks. The first four are stored whole in
/// bytes 0–7. The last four have their low bits in bytes 8–11 and their high bits in the top bits
/// of bytes 0–7.
fn scale_and_minimum(packed: &[u8], sub_block: usize) -> (f32, f32) {
    let (scale, minimum) = if sub_block < 4 {
        (packed[sub_block] & 63, packed[sub_block + 4] & 63)
    } else {
        (
            packed[sub_block + 4] & 15 | (packed[sub_block - 4] >> 6) << 4,
            packed[sub_block + 4] >> 4 | (packed[sub_block] >> 6) << 4,
        )
    };
    (f32::from(scale), f32::from(minimum))
}

fn decode_q4_k(block: &[u8], out: &mut [f32]) {
    let (scale, minimum_scale) = (half_at(block, 0), half_at(block, 2));
    let packed = &block[4..16];
    // 32 bytes hold two sub-blocks: the first in their low nibbles, the second in the high ones.
    for (pair, (bytes, out)) in block[16..].chunks_exact(32).zip(out.chunks_exact_mut(64)).enumerate() {
        for (half, out) in out.chunks_exact_mut(32).enumerate() {
            let (sub_scale, sub_minimum) = scale_and_minimum(packed, 2 * pair + half);
            let (scale, minimum) = (scale * sub_scale, minimum_scale * sub_minimum);
            for (weight, &byte) in out.iter_mut().zip(bytes) {
                *weight = scale * f32::from(byte >> (4 * half) & 15) - minimum;
            }
        }
    }
}

fn decode_q5_k(block: &[u8], out: &mut [f32]) {
    let (scale, minimum_scale) = (half_at(block, 0), half_at(block, 2));
    let (packed, fifth_bits) = (&block[4..16], &block[16..48]);
    for (pair, (bytes, out)) in block[48..].chunks_exact(32).zip(out.chunks_exact_mut(64)).enumerate() {
        for (half, out) in out.chunks_exact_mut(32).enumerate() {
            let sub_block = 2 * pair + half;
            let (sub_scale, sub_minimum) = scale_and_minimum(packed, sub_block);
            let (scale, minimum) = (scale * sub_scale, minimum_scale * sub_minimum);
            for ((weight, &byte), &bits) in out.iter_mut().zip(bytes).zip(fifth_bits) {
                let fifth = (bits >> sub_block & 1) << 4;
                *weight = scale * f32::from(byte >> (4 * half) & 15 | fifth) - minimum;
            }
        }
    }
}

fn decode_q6_k(block: &[u8], out: &mut [f32]) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, scale) = (&rest[..16], half_at(rest, 16));
    // Each half of the block has 64 bytes of nibbles and 32 bytes of bit pairs, which give four
    // runs of 32 weights.
    for (half, out) in out.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&low[64 * half..64 * half + 64], &high[32 * half..32 * half + 32]);
        for (run, out) in out.chunks_exact_mut(32).enumerate() {
            let low = &low[32 * (run % 2)..];
            for (index, weight) in out.iter_mut().enumerate() {
                let nibble = low[index] >> (4 * (run / 2)) & 15;
                let pair = high[index] >> (2 * run) & 3;
                let sub_scale = f32::from(scales[8 * half + 2 * run + index / 16] as i8);
                *weight = scale * sub_scale * (f32::from(nibble | pair << 4) - 32.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(u32, BlockFormat); 9] = [
        (0, BlockFormat::F32),
        (1, BlockFormat::F16),
        (2, BlockFormat::Q4_0),
        (3, BlockFormat::Q4_1),
        (8, BlockFormat::Q8_0),
        (12, BlockFormat::Q4K),
        (13, BlockFormat::Q5K),
        (14, BlockFormat::Q6K),
        (30, BlockFormat::Bf16),
    ];

    /// Bits `count` from bit `at` of a byte string, least significant first.
    fn bits(bytes: &[u8], at: usize, count: usize) -> i32 {
        (0..count).map(|bit| i32::from(bytes[(at + bit) / 8] >> ((at + bit) % 8) & 1) << bit).sum()
    }

    /// One weight by its bit positions: an independent statement of the formats, without loops over
    /// blocks.
    fn reference(format: BlockFormat, block: &[u8], index: usize) -> f64 {
        let scale = |at: usize| f64::from(half_at(block, at));
        let nibble = |base: usize, byte: usize, high: usize| bits(block, 8 * (base + byte) + 4 * high, 4);
        let six_bits = |sub: usize, minimum: bool| {
            let column = sub % 4 + if minimum { 4 } else { 0 };
            if sub < 4 {
                bits(block, 8 * (4 + column), 6)
            } else {
                bits(block, 8 * (4 + 8 + sub % 4) + if minimum { 4 } else { 0 }, 4)
                    + 16 * bits(block, 8 * (4 + column) + 6, 2)
            }
        };
        match format {
            BlockFormat::F32 => f64::from(f32::from_bits(bits(block, 0, 32) as u32)),
            BlockFormat::F16 => scale(0),
            BlockFormat::Bf16 => f64::from(f32::from_bits((bits(block, 0, 16) as u32) << 16)),
            BlockFormat::Q8_0 => scale(0) * f64::from(block[2 + index] as i8),
            BlockFormat::Q4_0 => scale(0) * f64::from(nibble(2, index % 16, index / 16) - 8),
            BlockFormat::Q4_1 => scale(0) * f64::from(nibble(4, index % 16, index / 16)) + scale(2),
            BlockFormat::Q4K | BlockFormat::Q5K => {
                let sub = index / 32;
                let (base, fifth) = match format {
                    BlockFormat::Q5K => (48, 16 * bits(block, 8 * (16 + index % 32) + sub, 1)),
                    _ => (16, 0),
                };
                let number = nibble(base, index / 64 * 32 + index % 32, sub % 2) + fifth;
                scale(0) * f64::from(six_bits(sub, false) * number)
                    - scale(2) * f64::from(six_bits(sub, true))
            }
            BlockFormat::Q6K => {
                let (half, run, column) = (index / 128, index % 128 / 32, index % 32);
                let low = nibble(0, 64 * half + 32 * (run % 2) + column, run / 2);
                let high = bits(block, 8 * (128 + 32 * half + column) + 2 * run, 2);
                let sub_scale = f64::from(block[192 + index / 16] as i8);
                scale(208) * sub_scale * f64::from(low + 16 * high - 32)
            }
        }
    }

    /// Bytes of a linear congruential generator; the half-precision scales are kept small and
    /// finite.
    fn blocks(format: BlockFormat, count: usize) -> Vec<u8> {
        let mut state = 0x2545_F491_u32;
        let mut bytes: Vec<u8> = (0..count * format.block_bytes())
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let halves: &[usize] = match format {
            BlockFormat::F32 => &[2],
            BlockFormat::F16 | BlockFormat::Bf16 | BlockFormat::Q8_0 | BlockFormat::Q4_0 => &[0],
            BlockFormat::Q4_1 | BlockFormat::Q4K | BlockFormat::Q5K => &[0, 2],
            BlockFormat::Q6K => &[208],
        };
        for block in bytes.chunks_exact_mut(format.block_bytes()) {
            for &at in halves {
                block[at + 1] = block[at + 1] & 0x83 | 0x28;
            }
        }
        bytes
    }

    #[test]
    fn decoding_matches_the_bitwise_reference() {
        for (_, format) in ALL {
            let bytes = blocks(format, 50);
            let mut weights = vec![f32::NAN; 50 * format.block_len()];
            format.decode(&bytes, &mut weights);
            for (at, &weight) in weights.iter().enumerate() {
                let block = &bytes[at / format.block_len() * format.block_bytes()..];
                let expected = reference(format, block, at % format.block_len());
                let error = (f64::from(weight) - expected).abs();
                assert!(error <= 2e-6 * expected.abs().max(1.0), "{format:?} {at}: {weight} {expected}");
            }
        }
    }

    #[test]
    fn decoding_matches_the_gguf_package() {
        let reference = include_str!("../../../tests/data/torch/reference.json");
        let reference: serde_json::Value = serde_json::from_str(reference).unwrap();
        for case in reference["blocks"].as_array().unwrap() {
            let format = BlockFormat::from_ggml_type(case["type"].as_u64().unwrap() as u32).unwrap();
            let mut weights = vec![f32::NAN; 2 * format.block_len()];
            format.decode(&blocks(format, 2), &mut weights);
            let expected = case["numbers"].as_array().unwrap();
            assert_eq!(expected.len(), weights.len().div_ceil(3));
            // Every third number, rounded to seven digits.
            for (weight, expected) in weights.iter().step_by(3).zip(expected) {
                let expected = expected.as_f64().unwrap();
                let error = (f64::from(*weight) - expected).abs();
                assert!(error <= 1e-6 * expected.abs().max(0.1), "{format:?}: {weight} {expected}");
            }
        }
    }

    #[test]
    fn parallel_decoding_equals_serial() {
        for (_, format) in ALL {
            let count = (1 << 20) / format.block_len() + 3;
            let bytes = blocks(format, count);
            let mut serial = vec![0.0; count * format.block_len()];
            let mut parallel = serial.clone();
            format.decode(&bytes, &mut serial);
            format.decode_parallel(&bytes, &mut parallel);
            assert!(serial == parallel, "{format:?}");
        }
    }

    #[test]
    fn numbers_name_the_formats_of_ggml() {
        for (number, format) in ALL {
            assert_eq!(BlockFormat::from_ggml_type(number), Some(format));
        }
        for number in [4, 6, 7, 9, 10, 11, 15, 16, 29, 31, u32::MAX] {
            assert_eq!(BlockFormat::from_ggml_type(number), None);
        }
    }
}
