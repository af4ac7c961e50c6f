//! The green-list watermark: raises the logits of a secret share of the vocabulary, which depends
//! on the preceding tokens, so that a detector with the key can recognise the text.
//!
//! Bit-compatible with Hugging Face transformers on CPU: the green list is the head of
//! `torch.randperm` (a Fisher–Yates shuffle on the 32-bit Mersenne Twister), seeded from the key
//! and the preceding tokens. The price is one shuffle of the vocabulary for each token, and 40 with
//! self-hash.
//!
//! Source: Kirchenbauer et al., "A watermark for large language models", 2023; Matsumoto,
//! Nishimura, "Mersenne Twister", 1998.

use super::candidates::Candidates;
use super::step_settings::{Watermark, WatermarkSeeding};
use crate::vocab::TokenId;

/// Size of the table that self-hash looks tokens up in.
const TABLE: usize = 1_000_003;
/// Number of the best candidates that self-hash tries.
const MAX_TRIED_CANDIDATES: usize = 40;

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
                let tried = &candidates.ids()[..candidates.len().min(MAX_TRIED_CANDIDATES)];
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

    /// True if `token` is on the green list of a row of `vocab` logits after `history`; `None` if
    /// the history is too short for a list.
    fn is_green(&self, history: &[TokenId], token: TokenId, vocab: usize) -> Option<bool> {
        let green = (vocab as f64 * f64::from(self.rule.greenlist_ratio)) as usize;
        let seed = match self.rule.seeding {
            WatermarkSeeding::LeftHash => modulo(self.rule.hashing_key as i128 * history.last()?.0 as i128),
            WatermarkSeeding::SelfHash { context_width } => {
                (history.len() >= context_width).then(|| self.self_hash(history, token.0, context_width))?
            }
        };
        Some(permutation_head(seed, vocab, green).contains(&token.0))
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

/// The evidence for a watermark in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct WatermarkEvidence {
    /// Number of tokens that had a green list.
    pub scored: usize,
    /// Number of these tokens that were on their green list.
    pub green: usize,
    /// Distance of `green` from the number expected without a watermark, in standard deviations:
    /// (green − γ·scored) / √(scored·γ·(1 − γ)), where γ is the ratio; 0 without scored tokens.
    /// Texts without the watermark exceed 4 about once in 30,000.
    pub z_score: f64,
}

impl Watermark {
    /// Counts the tokens of a text that are on their green lists. `vocab` is the number of tokens
    /// of the tokenizer; the rule must be the one with which the text was generated.
    ///
    /// The cost is one shuffle of the vocabulary for each token. Tokens that repeat the tokens on
    /// which their list depends count once, because repetitions are no further evidence.
    ///
    /// Source: Kirchenbauer et al. 2023, section 3.
    ///
    /// ```
    /// use hedgerow::sampling::{Sampler, SamplingParams, Watermark};
    ///
    /// let rule = Watermark::default().bias(20.0);
    /// let mut sampler = Sampler::new(SamplingParams::default().watermark(rule.clone()))?;
    /// for _ in 0..60 {
    ///     let token = sampler.sample(&[0.0; 500], None)?.token;
    ///     sampler.accept(token);
    /// }
    /// assert!(rule.detect(sampler.output(), 500).z_score > 4.0);
    /// let other = rule.hashing_key(7);
    /// assert!(other.detect(sampler.output(), 500).z_score < 4.0);
    /// # Ok::<(), hedgerow::sampling::SamplingError>(())
    /// ```
    pub fn detect(&self, tokens: &[TokenId], vocab: usize) -> WatermarkEvidence {
        let marker = Watermarker::new(self.clone());
        let context = match self.seeding {
            WatermarkSeeding::LeftHash => 1,
            WatermarkSeeding::SelfHash { context_width } => context_width.saturating_sub(1),
        };
        let mut seen = hashbrown::HashSet::new();
        let (mut scored, mut green) = (0, 0);
        for (at, &token) in tokens.iter().enumerate() {
            let Some(is_green) = marker.is_green(&tokens[..at], token, vocab) else { continue };
            if seen.insert(&tokens[at.saturating_sub(context)..=at]) {
                scored += 1;
                green += usize::from(is_green);
            }
        }
        let ratio = f64::from(self.greenlist_ratio);
        let deviation = (scored as f64 * ratio * (1.0 - ratio)).sqrt();
        let z_score = match deviation > 0.0 {
            true => (green as f64 - ratio * scored as f64) / deviation,
            false => 0.0,
        };
        WatermarkEvidence { scored, green, z_score }
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
