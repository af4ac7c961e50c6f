//! Rows of logits for measuring samplers, and the plain scan with which they are compared.
//!
//! `benches/sampling.rs` and `benches/peers` share this file, so their figures are for the same
//! rows. Logits come from an integer hash and are the same on every machine.

/// The kinds of rows; see [`row`].
pub const KINDS: [&str; 3] = ["peaked", "normal", "flat"];

/// A row of logits: `peaked` as of a confident model (40 tokens stand out), `normal` from a normal
/// distribution with σ = 2.5, or `flat`, nearly uniform.
pub fn row(kind: &str, size: usize) -> Vec<f32> {
    let mix = |mut x: u32| {
        x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
        x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
        x ^ (x >> 16)
    };
    // The sum of four uniform numbers, scaled to mean 0 and variance 1.
    let normal = |i: usize| {
        let (a, b) = (mix(2 * i as u32), mix(2 * i as u32 + 1));
        let sum = (a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16);
        (sum as f32 - 131_070.0) / 37_837.0
    };
    match kind {
        "peaked" => {
            let mut row: Vec<f32> = (0..size).map(|i| 2.0 * normal(i)).collect();
            for i in 0..40 {
                row[(i * 7_919 + 13) % size] = 20.0 - 0.4 * i as f32;
            }
            row
        }
        "normal" => (0..size).map(|i| 2.5 * normal(i)).collect(),
        _ => (0..size).map(|i| 0.01 * normal(i)).collect(),
    }
}

/// A mask, one bit a token, of `count` tokens spread evenly over `size`.
pub fn mask(size: usize, count: usize) -> Vec<u32> {
    let mut mask = vec![0; size.div_ceil(32)];
    for i in 0..count {
        let id = i * size / count;
        mask[id / 32] |= 1 << (id % 32);
    }
    mask
}

/// The maximum of a row, found in one pass over it.
pub fn scan(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 32];
    let chunks = row.chunks_exact(32);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, f32::max)
}
