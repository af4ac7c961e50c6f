//! Random numbers by counting, not by state.
//!
//! Every number is a pure function of (seed, completion index, position, purpose, index):
//! Philox4x32 with 10 rounds, a keyed bijection of 128-bit counters. So a request gets the same
//! tokens alone, in any batch, on any thread, and after any number of rollbacks: the generator has
//! no state to rewind. The price is ten rounds of two multiplications for each number.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011;
//! constants and known answers from the authors' Random123 distribution.

/// The purpose of a random number. Two purposes at the same position never share a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Purpose {
    /// The draw of the next token.
    Draw = 0,
    /// The coin of XTC.
    Xtc = 1,
    /// The noise of the Gumbel-max selection (one number for each token id).
    Gumbel = 2,
    /// A drafter's own draw in speculative decoding.
    Draft = 3,
    /// The acceptance test of a drafted token.
    Accept = 4,
    /// The draw from the residual after a refused draft.
    Residual = 5,
}

/// The generator: a seed and a completion index, from which every number follows.
///
/// ```
/// use hedgerow::sampling::{Purpose, Rng};
/// let rng = Rng::new(7, 0);
/// assert_eq!(rng.uniform(3, Purpose::Draw, 0), Rng::new(7, 0).uniform(3, Purpose::Draw, 0));
/// assert_ne!(rng.uniform(3, Purpose::Draw, 0), rng.uniform(4, Purpose::Draw, 0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rng {
    seed: u64,
    completion: u32,
}

impl Rng {
    /// The generator of completion `completion` (0 for a single completion) under `seed`. Every
    /// seed is fine.
    pub fn new(seed: u64, completion: u32) -> Self {
        Rng { seed, completion }
    }

    /// A number in [0, 1) with 53 random bits, for the token at `position` (0 for the first
    /// generated token).
    ///
    /// `index` tells apart several numbers of one purpose at one position.
    pub fn uniform(&self, position: u32, purpose: Purpose, index: u32) -> f64 {
        self.bits(position, purpose, index) as f64 * STEP
    }

    /// A number of the standard Gumbel distribution, −ln(−ln u), always finite.
    pub fn gumbel(&self, position: u32, purpose: Purpose, index: u32) -> f64 {
        gumbel_of(self.bits(position, purpose, index))
    }

    /// 53 random bits.
    pub(crate) fn bits(&self, position: u32, purpose: Purpose, index: u32) -> u64 {
        let [a, b, _, _] = self.words(position, purpose, index);
        ((a as u64) << 32 | b as u64) >> 11
    }

    /// The 128 random bits from which the other methods make their numbers.
    pub fn words(&self, position: u32, purpose: Purpose, index: u32) -> [u32; 4] {
        philox4x32_10(
            [index, position, self.completion, purpose as u32],
            [self.seed as u32, (self.seed >> 32) as u32],
        )
    }
}

/// 2⁻⁵³.
const STEP: f64 = 1.0 / (1u64 << 53) as f64;

/// The Gumbel number of 53 random bits; it rises with them.
pub(crate) fn gumbel_of(bits: u64) -> f64 {
    // (bits + 1/2) / 2⁵³ lies strictly inside (0, 1), so both logarithms are finite.
    -(-((bits as f64 + 0.5) * STEP).ln()).ln()
}

/// Bits below this have a Gumbel number below `g`.
pub(crate) fn bits_below(g: f64) -> u64 {
    // g = −ln(−ln u); the allowances cover the rounding of both sides.
    let u = (-(-g).exp() * (1.0 + 1e-9)).exp() - 1e-15;
    // The cast cuts what is negative to 0.
    (u / STEP) as u64
}

/// Philox4x32 with 10 rounds.
fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        let p0 = 0xD251_1F53u64 * c0 as u64;
        let p1 = 0xCD9E_8D57u64 * c2 as u64;
        (c0, c1, c2, c3) = ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for (counter, key, expected) in [
            ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
            (
                [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
                [0xa4093822, 0x299f31d0],
                [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
            ),
        ] {
            assert_eq!(philox4x32_10(counter, key), expected);
        }
    }

    #[test]
    fn bits_below_a_gumbel_number() {
        for g in (-400..3700).map(|g| g as f64 / 100.0) {
            let bits = bits_below(g);
            assert!(bits == 0 || gumbel_of(bits - 1) < g, "{g}");
            // Not far from the truth, or the bound would spare nothing.
            let u = (bits as f64 * STEP).max(1e-300);
            assert!(!(-3.0..=25.0).contains(&g) || -(-u.ln()).ln() > g - 1e-2, "{g}");
        }
        assert_eq!((bits_below(f64::NEG_INFINITY), bits_below(-1e300)), (0, 0));
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let base = Rng::new(1, 2).words(3, Purpose::Draw, 4);
        for other in [
            Rng::new(1 << 40, 2).words(3, Purpose::Draw, 4),
            Rng::new(1, 3).words(3, Purpose::Draw, 4),
            Rng::new(1, 2).words(4, Purpose::Draw, 4),
            Rng::new(1, 2).words(3, Purpose::Xtc, 4),
            Rng::new(1, 2).words(3, Purpose::Draw, 5),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn uniform_is_uniform() {
        // Chi-square over 64 cells, 63 degrees of freedom: 99.99 % quantile 113.5.
        let rng = Rng::new(11, 0);
        let mut cells = [0f64; 64];
        let n = 64_000;
        for position in 0..n {
            cells[(rng.uniform(position, Purpose::Draw, 0) * 64.0) as usize] += 1.0;
        }
        let chi: f64 = cells.iter().map(|c| (c - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 113.5, "{chi}");
    }
}
