//! Fingerprints of 128 bits, by which expressions are recognised within one pool and between pools.
//!
//! Interning compares fingerprints and not trees. Summaries of a language over a vocabulary are
//! shared between grammars by fingerprint, too. Both halves are keyed with randomness that is drawn
//! once for each process, so that nobody can write a grammar that collides on purpose. By chance,
//! two of a billion expressions collide with a probability below 2⁻⁶⁸. A fingerprint means nothing
//! outside the process that made it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::OnceLock;

static SEEDS: OnceLock<[u64; 4]> = OnceLock::new();

fn seeds() -> &'static [u64; 4] {
    SEEDS.get_or_init(|| {
        let state = RandomState::new();
        std::array::from_fn(|i| state.hash_one(i) | 1)
    })
}

/// Folds values into a fingerprint, in order.
#[derive(Clone, Copy)]
pub struct Fingerprinter {
    low: u64,
    high: u64,
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

impl Fingerprinter {
    /// Starts a fingerprint of the kind `tag`. Fingerprints with different tags are unrelated.
    pub fn new(tag: u64) -> Self {
        let s = seeds();
        Fingerprinter { low: fold(tag ^ s[0], s[1]), high: fold(tag ^ s[2], s[3]) }
    }

    /// Adds one word.
    #[inline]
    pub fn word(mut self, value: u64) -> Self {
        let s = seeds();
        self.low = fold(self.low.rotate_left(23) ^ value, s[1]).wrapping_add(s[2]);
        self.high = fold(self.high.rotate_left(41) ^ value, s[3]).wrapping_add(s[0]);
        self
    }

    /// Adds a fingerprint.
    #[inline]
    pub fn part(self, value: u128) -> Self {
        self.word(value as u64).word((value >> 64) as u64)
    }

    /// Adds bytes and their length.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self = self.word(u64::from_le_bytes(chunk.try_into().unwrap_or([0; 8])));
        }
        let mut tail = [0u8; 8];
        tail[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        self.word(u64::from_le_bytes(tail)).word(bytes.len() as u64)
    }

    /// The fingerprint of everything added.
    pub fn finish(self) -> u128 {
        u128::from(self.low) | (u128::from(self.high) << 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_length_count() {
        let of = |b: &[u8]| Fingerprinter::new(1).bytes(b).finish();
        assert_eq!(of(b"abc"), of(b"abc"));
        assert_ne!(of(b"abc"), of(b"acb"));
        assert_ne!(of(b"abc"), of(b"abc\0"));
        assert_ne!(of(b""), of(b"\0\0\0\0\0\0\0\0"));
        assert_ne!(Fingerprinter::new(1).word(5).finish(), Fingerprinter::new(2).word(5).finish());
    }
}
