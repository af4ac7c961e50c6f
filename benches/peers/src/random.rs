//! Small reproducible random numbers: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom
//! number generators").

/// A generator; equal seeds give equal sequences on every machine.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0; the bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// `count` different numbers below `bound` (all of them if there are fewer), ascending.
    pub fn choose(&mut self, bound: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..bound).collect();
        let count = count.min(bound);
        for i in 0..count {
            let j = i + self.below(bound - i);
            all.swap(i, j);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_without_repetition_and_the_same_every_time() {
        let drawn = Random::new(7).choose(1_000, 100);
        assert_eq!(drawn, Random::new(7).choose(1_000, 100));
        assert_ne!(drawn, Random::new(8).choose(1_000, 100));
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((drawn.len(), Random::new(7).choose(3, 100)), (100, vec![0, 1, 2]));
    }
}
