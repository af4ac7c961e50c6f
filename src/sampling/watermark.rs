//! The green-list watermark: raises a secret, context-dependent share of the vocabulary, so that a
//! detector with the key can tell.
//!
//! Bit-compatible with Hugging Face transformers on CPU: the green list is the head of
//! `torch.randperm` (a Fisher–Yates shuffle on the 32-bit Mersenne Twister), seeded from the key
//! and the preceding tokens. The price is a shuffle of the vocabulary a token (40 of them with
//! self-hash).
//!
//! Source: Kirchenbauer et al., "A watermark for large language models", 2023; Matsumoto,
//! Nishimura, "Mersenne Twister", 1998.

use super::candidates::Candidates;
use super::rules::{Watermark, WatermarkSeeding};
use crate::vocab::TokenId;

/// Size of the table that self-hash looks tokens up in.
const TABLE: usize = 1_000_003;
/// Number of the best candidates that self-hash tries.
const TRIED: usize = 40;

/// A watermark with what it keeps between tokens.
#[derive(Debug, Clone)]
pub struct Watermarker {
    rule: Watermark,
    table: Vec<u32>,
}

impl Watermarker {
    /// Prepares the rule: self-hash shuffles a table of 10⁶ numbers once.
    pub fn new(rule: Watermark) -> Self {
        let table = match rule.seeding {
            WatermarkSeeding::LeftHash => Vec::new(),
            WatermarkSeeding::SelfHash { .. } => permutation_head(rule.hashing_key, TABLE, TABLE),
        };
        Watermarker { rule, table }
    }

    /// Adds the bias to the candidates on the green list of a row of `vocab` logits after `history`
    /// (prompt and output).
    ///
    /// Without enough history for the seed, nothing changes.
    pub fn apply(&self, candidates: &mut Candidates, history: &[TokenId], vocab: usize) {
        let green = (vocab as f64 * self.rule.greenlist_ratio as f64) as usize;
        match self.rule.seeding {
            WatermarkSeeding::LeftHash => {
                let Some(last) = history.last() else { return };
                let seed = modulo(self.rule.hashing_key as i128 * last.0 as i128);
                let mut is_green = vec![false; vocab];
                for id in permutation_head(seed, vocab, green) {
                    is_green[id as usize] = true;
                }
                self.raise(candidates, |id| is_green[id as usize]);
            }
            WatermarkSeeding::SelfHash { context_width } => {
                if history.len() < context_width {
                    return;
                }
                candidates.sort_descending();
                let tried = &candidates.ids()[..candidates.len().min(TRIED)];
                let raised: Vec<u32> = tried
                    .iter()
                    .copied()
                    .filter(|&id| {
                        permutation_head(self.self_hash(history, id, context_width), vocab, green)
                            .contains(&id)
                    })
                    .collect();
                self.raise(candidates, |id| raised.contains(&id));
            }
        }
    }

    fn raise(&self, candidates: &mut Candidates, green: impl Fn(u32) -> bool) {
        candidates.map_logits(|id, l| if green(id) { l + self.rule.bias } else { l });
    }

    /// The seed for a candidate: the least of key · a · b over the context, in wrapping 64-bit
    /// arithmetic.
    fn self_hash(&self, history: &[TokenId], candidate: u32, context_width: usize) -> u64 {
        let look_up = |id: u32| self.table[id as usize % TABLE] as i64 + 1;
        let own = look_up(candidate);
        let context =
            history[history.len() - (context_width - 1)..].iter().map(|t| look_up(t.0)).chain([own]);
        let key = self.rule.hashing_key as i64;
        let least = context.map(|other| key.wrapping_mul(other).wrapping_mul(own)).min().unwrap_or(0);
        modulo(least as i128)
    }
}

fn modulo(value: i128) -> u64 {
    value.rem_euclid(u64::MAX as i128) as u64
}

/// The first `head` entries of a random permutation of 0..n.
fn permutation_head(seed: u64, n: usize, head: usize) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..n as u32).collect();
    let mut twister = MersenneTwister::new(seed as u32);
    for i in 0..head.min(n.saturating_sub(1)) {
        let j = i + twister.next() as usize % (n - i);
        numbers.swap(i, j);
    }
    numbers.truncate(head);
    numbers
}

/// MT19937.
struct MersenneTwister {
    state: [u32; 624],
    at: usize,
}

impl MersenneTwister {
    fn new(seed: u32) -> Self {
        let mut state = [0; 624];
        state[0] = seed;
        for i in 1..624 {
            let before: u32 = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(i as u32);
        }
        MersenneTwister { state, at: 624 }
    }

    fn next(&mut self) -> u32 {
        if self.at == 624 {
            for i in 0..624 {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                let twist = if y & 1 == 0 { 0 } else { 0x9908_b0df };
                self.state[i] = self.state[(i + 397) % 624] ^ (y >> 1) ^ twist;
            }
            self.at = 0;
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mersenne_twister_known_answer() {
        // The C++ standard fixes the 10,000th number of the default-seeded mt19937.
        let mut twister = MersenneTwister::new(5489);
        let last = (0..10_000).map(|_| twister.next()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn a_permutation_is_one() {
        let mut all = permutation_head(42, 100, 100);
        assert_ne!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(permutation_head(42, 100, 10), all[..10]);
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert!(permutation_head(1, 0, 0).is_empty());
    }
}
