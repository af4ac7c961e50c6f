//! The transition table `(state, byte) → state`, readable without a lock.
//!
//! The whole graph has one open-addressing table of 64-bit words: 28 bits of target below 36 bits
//! of state and byte. Outputs leave most states by only one or two different bytes. So the table is
//! much smaller than one with a row of 256 entries for each state, and a new state needs no memory
//! to be cleared. Writers hold the graph's lock; readers load single words.
//!
//! Price: when the table fills, one of twice the size takes over, and the old one stays for readers
//! that are still in it. This doubles the memory at most.

use super::recogniser::state::StateId;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The bits of a word that hold the target.
const TARGET_BITS: u32 = 28;
const _: () = assert!(StateId::LIMIT == 1 << TARGET_BITS);

const FIRST_BITS: u32 = 9;
const LEVELS: usize = 28;

pub(super) struct Transitions {
    levels: [OnceLock<Box<[AtomicU64]>>; LEVELS],
    current: AtomicUsize,
    len: AtomicUsize,
}

fn key(state: u32, byte: u8) -> u64 {
    u64::from(state) << 8 | u64::from(byte)
}

fn table(bits: u32) -> Box<[AtomicU64]> {
    (0..1usize << bits).map(|_| AtomicU64::new(0)).collect()
}

#[inline]
fn slot(key: u64, len: usize) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (len - 1)
}

impl Transitions {
    pub fn new() -> Self {
        let t = Transitions {
            levels: std::array::from_fn(|_| OnceLock::new()),
            current: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
        };
        let _ = t.levels[0].set(table(FIRST_BITS));
        t
    }

    fn active(&self) -> &[AtomicU64] {
        self.levels[self.current.load(Ordering::Acquire)].get().map_or(&[], |t| t)
    }

    /// The known target of `state` on `byte`. State 0 is dead and never looked up.
    #[inline]
    pub fn get(&self, state: u32, byte: u8) -> Option<u32> {
        let table = self.active();
        let key = key(state, byte);
        let mut at = slot(key, table.len());
        loop {
            let word = table[at].load(Ordering::Acquire);
            if word >> TARGET_BITS == key {
                return Some((word & u64::from(StateId::LIMIT - 1)) as u32);
            }
            if word == 0 {
                return None;
            }
            at = (at + 1) & (table.len() - 1);
        }
    }

    /// Records a target. Only under the graph's lock.
    pub fn insert(&self, state: u32, byte: u8, target: u32) {
        let len = self.len.load(Ordering::Relaxed) + 1;
        let level = self.current.load(Ordering::Relaxed);
        if len * 2 > self.active().len() && level + 1 < LEVELS {
            let bigger = table(FIRST_BITS + level as u32 + 1);
            for word in self.active() {
                let word = word.load(Ordering::Relaxed);
                if word != 0 {
                    place(&bigger, word);
                }
            }
            let _ = self.levels[level + 1].set(bigger);
            self.current.store(level + 1, Ordering::Release);
        }
        if self.get(state, byte).is_none() {
            place(self.active(), key(state, byte) << TARGET_BITS | u64::from(target));
            self.len.store(len, Ordering::Relaxed);
        }
    }

    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub fn memory(&self) -> usize {
        self.active().len() * 16
    }
}

fn place(table: &[AtomicU64], word: u64) {
    let mut at = slot(word >> TARGET_BITS, table.len());
    while table[at].load(Ordering::Relaxed) != 0 {
        at = (at + 1) & (table.len() - 1);
    }
    table[at].store(word, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_inserted_is_found_while_the_table_grows() {
        let t = Transitions::new();
        for i in 1..20_000u32 {
            t.insert(i, (i % 251) as u8, i / 2);
            t.insert(i, (i % 251) as u8, 77);
        }
        assert_eq!(t.len(), 19_999);
        for i in 1..20_000u32 {
            assert_eq!(t.get(i, (i % 251) as u8), Some(i / 2));
            assert_eq!(t.get(i, (i % 251) as u8 ^ 0xff), None);
        }
    }
}
