//! Sets of bytes, and partitions of the 256 bytes into classes that an expression cannot tell
//! apart.
//!
//! The transitions of a state are kept by class and not by byte. The pattern `[a-z]+` has two
//! classes, the small letters and all other bytes, so its rows have two entries. The partition of
//! an expression is the common refinement of the partitions of its leaves. Partitions are interned,
//! and the refinement of each pair is remembered. So the partition of a new expression is nearly
//! always found in a table.

use hashbrown::HashMap;
use std::sync::Arc;

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByteSet(pub [u64; 4]);

impl ByteSet {
    /// No byte.
    pub const EMPTY: ByteSet = ByteSet([0; 4]);
    /// Every byte.
    pub const FULL: ByteSet = ByteSet([!0; 4]);

    /// The bytes `lo..=hi`, such as the digits: `ByteSet::range(b'0', b'9')`.
    pub fn range(lo: u8, hi: u8) -> Self {
        let mut set = ByteSet::EMPTY;
        for b in lo..=hi {
            set.insert(b);
        }
        set
    }

    /// Adds `byte`.
    pub fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    /// Removes `byte`.
    pub fn remove(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] &= !(1 << (byte & 63));
    }

    /// True if some byte is in both sets.
    #[inline]
    pub fn intersects(&self, other: &ByteSet) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    /// The bytes of either set.
    pub fn union(&self, other: &ByteSet) -> Self {
        ByteSet(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// True if `byte` is in the set.
    #[inline]
    pub fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// The number of bytes in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// True if no byte is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// The bytes of the set in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=255u8).filter(|&b| self.contains(b))
    }
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes: Vec<u8> = self.iter().collect();
        write!(f, "[{}]", bytes.escape_ascii())
    }
}

/// One partition of the bytes: `class[b]` is the class of byte `b`.
///
/// Classes are numbered from 0 in the order of their first bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ByteClasses {
    class: [u8; 256],
    /// The first byte of each class.
    first: Vec<u8>,
}

impl ByteClasses {
    /// The partition in which two bytes share a class if `key` maps them to the same value.
    pub fn by_key<K: Eq + std::hash::Hash>(key: impl Fn(u8) -> K) -> Self {
        let mut seen: HashMap<K, u8> = HashMap::new();
        let mut class = [0u8; 256];
        let mut first = Vec::new();
        for b in 0..=255u8 {
            let next = first.len();
            let id = *seen.entry(key(b)).or_insert_with(|| {
                first.push(b);
                next as u8
            });
            class[usize::from(b)] = id;
        }
        ByteClasses { class, first }
    }

    /// The same partition as [`by_key`](Self::by_key), for a `key` that only changes at bytes of
    /// `cuts`, so that it is called once for each interval and not once for each byte.
    pub fn by_interval<K: Eq>(cuts: &ByteSet, key: impl Fn(u8) -> K) -> Self {
        let mut class = [0u8; 256];
        let mut first: Vec<u8> = Vec::new();
        let mut keys: Vec<K> = Vec::new();
        let mut current = 0;
        for (b, slot) in (0..=255u8).zip(class.iter_mut()) {
            if b == 0 || cuts.contains(b) {
                let at = key(b);
                current = keys.iter().position(|known| *known == at).unwrap_or_else(|| {
                    keys.push(at);
                    first.push(b);
                    keys.len() - 1
                });
            }
            *slot = current as u8;
        }
        ByteClasses { class, first }
    }

    /// The partition in which every byte of `set` is alone and all other bytes share one class.
    pub fn singletons(set: &ByteSet) -> Self {
        let mut class = [0u8; 256];
        let mut first: Vec<u8> = Vec::new();
        let mut others = None;
        for (b, slot) in (0..=255u8).zip(class.iter_mut()) {
            *slot = match others {
                Some(others) if !set.contains(b) => others,
                _ => {
                    first.push(b);
                    let id = (first.len() - 1) as u8;
                    if !set.contains(b) {
                        others = Some(id);
                    }
                    id
                }
            };
        }
        ByteClasses { class, first }
    }

    /// The class of `byte`.
    #[inline]
    pub fn class(&self, byte: u8) -> usize {
        usize::from(self.class[usize::from(byte)])
    }

    /// The number of classes, 1 to 256.
    pub fn len(&self) -> usize {
        self.first.len()
    }

    /// Always false: there is at least one class.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// One byte of each class.
    pub fn representatives(&self) -> &[u8] {
        &self.first
    }

    fn refine(&self, other: &ByteClasses) -> ByteClasses {
        // A table of all pairs would take 64 KB. Partitions are small, so a short list is faster.
        let mut class = [0u8; 256];
        let mut first: Vec<u8> = Vec::new();
        let mut pairs: Vec<(u8, u8)> = Vec::new();
        let mut last = ((0, 0), usize::MAX);
        for (b, slot) in class.iter_mut().enumerate() {
            let pair = (self.class[b], other.class[b]);
            if last.1 == usize::MAX || last.0 != pair {
                let id = pairs.iter().position(|p| *p == pair).unwrap_or_else(|| {
                    pairs.push(pair);
                    first.push(b as u8);
                    pairs.len() - 1
                });
                last = (pair, id);
            }
            *slot = last.1 as u8;
        }
        ByteClasses { class, first }
    }
}

/// Interned partitions. Number 0 is the partition with one class.
#[derive(Clone)]
pub struct Partitions {
    all: Vec<Arc<ByteClasses>>,
    index: HashMap<Arc<ByteClasses>, u32>,
    joined: HashMap<(u32, u32), u32>,
}

impl Default for Partitions {
    fn default() -> Self {
        let mut p = Partitions { all: Vec::new(), index: HashMap::new(), joined: HashMap::new() };
        p.intern(ByteClasses::by_key(|_| ()));
        p
    }
}

impl Partitions {
    /// The number of `classes`, which are added if they are new.
    pub fn intern(&mut self, classes: ByteClasses) -> u32 {
        if let Some(&id) = self.index.get(&classes) {
            return id;
        }
        let id = self.all.len() as u32;
        let classes = Arc::new(classes);
        self.all.push(classes.clone());
        self.index.insert(classes, id);
        id
    }

    /// The number of `classes`, which are copied only if they are new.
    pub fn intern_ref(&mut self, classes: &ByteClasses) -> u32 {
        match self.index.get(classes) {
            Some(&id) => id,
            None => self.intern(classes.clone()),
        }
    }

    /// The number of the common refinement of two partitions.
    pub fn join(&mut self, a: u32, b: u32) -> u32 {
        if a == b || b == 0 {
            return a;
        }
        if a == 0 {
            return b;
        }
        let key = (a.min(b), a.max(b));
        if let Some(&id) = self.joined.get(&key) {
            return id;
        }
        let refined = self.all[a as usize].refine(&self.all[b as usize]);
        let id = self.intern(refined);
        self.joined.insert(key, id);
        id
    }

    /// The partition with this number.
    #[inline]
    pub fn get(&self, id: u32) -> &ByteClasses {
        &self.all[id as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_separates_exactly_what_either_side_separates() {
        let mut p = Partitions::default();
        let a = ByteClasses::by_key(|b| b.is_ascii_digit());
        let b = ByteClasses::by_key(|b| b % 3);
        let (ia, ib) = (p.intern(a.clone()), p.intern(b.clone()));
        let joined = p.join(ia, ib);
        assert_eq!(joined, p.join(ib, ia));
        let j = p.get(joined).clone();
        for x in 0..=255u8 {
            for y in 0..=255u8 {
                let same = a.class(x) == a.class(y) && b.class(x) == b.class(y);
                assert_eq!(same, j.class(x) == j.class(y), "{x} {y}");
            }
        }
        assert_eq!(j.representatives().len(), j.len());
        assert_eq!(p.join(0, ia), ia);
    }

    #[test]
    fn sets() {
        let s = ByteSet::range(b'a', b'f');
        assert_eq!(s.len(), 6);
        assert!(s.contains(b'c') && !s.contains(b'g'));
        assert_eq!(s.iter().collect::<Vec<_>>(), b"abcdef");
        assert_eq!(format!("{s:?}"), "[abcdef]");
    }
}
