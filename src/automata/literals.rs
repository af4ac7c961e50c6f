//! A set of byte strings, each with a label: the leaf behind enums, choices and the keys of objects.
//!
//! The strings are sorted, so that "those that start with what was read" is a range: a state is
//! `(first, last, depth)`, a step is a binary search, and a set of 10,000 strings costs no automaton at all.
//! A string that ends at `depth` is the first of the range, which is how a match finds its label.

use super::byte_classes::{ByteClasses, ByteSet};
use super::fingerprint::Fingerprinter;

/// The label of strings nobody tells apart.
pub const UNLABELLED: u32 = u32::MAX;

/// Sorted, distinct byte strings with a label each.
pub struct LiteralSet {
    items: Box<[(Box<[u8]>, u32)]>,
    fingerprint: u128,
    is_text: bool,
    longest: usize,
}

impl LiteralSet {
    /// Sorts `items` and removes duplicates (the first of equal strings keeps its label). O(n log n).
    pub fn new(items: impl IntoIterator<Item = (Vec<u8>, u32)>) -> Self {
        let mut items: Vec<(Box<[u8]>, u32)> =
            items.into_iter().map(|(bytes, label)| (bytes.into_boxed_slice(), label)).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        items.dedup_by(|later, first| later.0 == first.0);
        let mut f = Fingerprinter::new(0x117e).word(items.len() as u64);
        for (bytes, label) in &items {
            f = f.bytes(bytes).word(u64::from(*label));
        }
        let is_text = items.iter().all(|(bytes, _)| std::str::from_utf8(bytes).is_ok());
        let longest = items.iter().map(|(bytes, _)| bytes.len()).max().unwrap_or(0);
        LiteralSet { items: items.into(), fingerprint: f.finish(), is_text, longest }
    }

    /// The number of strings.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no string.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The `i`-th string in byte order, and its label.
    pub fn get(&self, i: u32) -> (&[u8], u32) {
        let (bytes, label) = &self.items[i as usize];
        (bytes, *label)
    }

    /// The fingerprint of the strings and labels.
    pub fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// Bytes of the longest string.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Whether every string is UTF-8.
    pub fn is_text(&self) -> bool {
        self.is_text
    }

    /// Whether the first of the strings `lo..hi` ends at `depth`.
    pub fn accepts(&self, lo: u32, depth: u32) -> bool {
        self.items[lo as usize].0.len() == depth as usize
    }

    /// The range left of `lo..hi` after reading `byte` at `depth`.
    pub fn step(&self, lo: u32, hi: u32, depth: u32, byte: u8) -> Option<(u32, u32)> {
        let range = &self.items[lo as usize..hi as usize];
        let at = |s: &(Box<[u8]>, u32)| s.0.get(depth as usize).copied();
        let from = range.partition_point(|s| at(s) < Some(byte));
        let to = from + range[from..].partition_point(|s| at(s) <= Some(byte));
        (from < to).then_some((lo + from as u32, lo + to as u32))
    }

    /// The bytes at `depth` of the strings `lo..hi`, by a binary search for each.
    pub fn next_bytes(&self, lo: u32, hi: u32, depth: u32) -> ByteSet {
        let mut set = ByteSet::EMPTY;
        let mut range = &self.items[lo as usize..hi as usize];
        while let Some((first, rest)) = range.split_first() {
            range = match first.0.get(depth as usize) {
                None => rest,
                Some(&byte) => {
                    set.insert(byte);
                    &rest[rest.partition_point(|s| s.0.get(depth as usize) == Some(&byte))..]
                }
            };
        }
        set
    }

    /// Every byte that occurs is alone in its class.
    pub fn classes(&self) -> ByteClasses {
        let mut set = ByteSet::EMPTY;
        for (bytes, _) in &self.items {
            bytes.iter().for_each(|&b| set.insert(b));
        }
        ByteClasses::singletons(&set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_narrow_byte_by_byte() {
        let words = ["b", "abc", "ab", "abd", "b", "", "z"];
        let set = LiteralSet::new(words.iter().enumerate().map(|(i, w)| (w.as_bytes().to_vec(), i as u32)));
        assert_eq!(set.len(), 6);
        assert!(set.accepts(0, 0));
        let (lo, hi) = set.step(0, 6, 0, b'a').unwrap();
        assert_eq!((lo, hi), (1, 4));
        let (lo, hi) = set.step(lo, hi, 1, b'b').unwrap();
        assert!(set.accepts(lo, 2));
        assert_eq!(set.get(lo), (&b"ab"[..], 2));
        assert_eq!(set.step(lo, hi, 2, b'd'), Some((3, 4)));
        assert_eq!(set.step(lo, hi, 2, b'e'), None);
        assert_eq!(set.get(4), (&b"b"[..], 0));
    }
}
