//! A set of byte strings, each with a label: the leaf behind enums, choices and keys of objects.
//!
//! The strings are sorted, so that the strings with a given beginning form a range. A state is
//! `(first, last, depth)` and a step is a binary search. A set of 10,000 strings needs no
//! automaton. A string that ends at `depth` is the first of its range, and gives the match its
//! label.

use super::byte_classes::{ByteClasses, ByteSet, Partitions};
use super::fingerprint::Fingerprinter;
use hashbrown::HashMap;
use std::sync::Arc;

/// The label of strings that need no label.
pub const UNLABELLED: u32 = u32::MAX;

/// Sorted, distinct byte strings, each with a label.
pub struct LiteralSet {
    items: Box<[(Box<[u8]>, u32)]>,
    fingerprint: u128,
    is_text: bool,
    is_ascii: bool,
    longest: usize,
}

impl LiteralSet {
    /// Sorts `items` and removes duplicates. The first of equal strings keeps its label.
    /// Takes O(n log n).
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
        let is_ascii = items.iter().all(|(bytes, _)| bytes.is_ascii());
        let longest = items.iter().map(|(bytes, _)| bytes.len()).max().unwrap_or(0);
        LiteralSet { items: items.into(), fingerprint: f.finish(), is_text, is_ascii, longest }
    }

    /// The number of strings.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if there is no string.
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

    /// The number of characters that begin in the `i`-th string from `depth` on.
    pub fn characters(&self, i: u32, depth: u32) -> u32 {
        let bytes = &self.items[i as usize].0[depth as usize..];
        if self.is_ascii {
            return bytes.len() as u32;
        }
        bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u32
    }

    /// True if the `i`-th string is text and a character begins, or the string ends, at `depth`.
    pub fn stands_between_characters(&self, i: u32, depth: u32) -> bool {
        self.is_text && self.items[i as usize].0.get(depth as usize).is_none_or(|b| b & 0xc0 != 0x80)
    }

    /// The number of bytes of the longest string.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// True if every string is UTF-8.
    pub fn is_text(&self) -> bool {
        self.is_text
    }

    /// True if the string `lo` ends at `depth`.
    pub fn accepts(&self, lo: u32, depth: u32) -> bool {
        self.items[lo as usize].0.len() == depth as usize
    }

    /// The part of the range `lo..hi` whose strings have `byte` at `depth`. `None` if it is empty.
    pub fn step(&self, lo: u32, hi: u32, depth: u32, byte: u8) -> Option<(u32, u32)> {
        let range = &self.items[lo as usize..hi as usize];
        let from = lo + range.partition_point(|s| s.0.get(depth as usize) < Some(&byte)) as u32;
        let to = self.end_of_run(from, hi, depth, byte);
        (from < to).then_some((from, to))
    }

    /// The bytes that the strings `lo..hi` have at `depth`, in ascending order, each with the range
    /// of the strings that have it.
    pub fn branches(&self, lo: u32, hi: u32, depth: u32) -> impl Iterator<Item = (u8, (u32, u32))> {
        // Only the first string can end here.
        let mut next = lo + u32::from(lo < hi && self.accepts(lo, depth));
        std::iter::from_fn(move || {
            let start = next;
            let byte = *self.items[..hi as usize].get(start as usize)?.0.get(depth as usize)?;
            next = self.end_of_run(start, hi, depth, byte);
            Some((byte, (start, next)))
        })
    }

    /// The bytes that the strings `lo..hi` have at `depth`.
    pub fn next_bytes(&self, lo: u32, hi: u32, depth: u32) -> ByteSet {
        let mut set = ByteSet::EMPTY;
        self.branches(lo, hi, depth).for_each(|(byte, _)| set.insert(byte));
        set
    }

    /// The end of the strings from `lo` on that have `byte` at `depth`. No string of `lo..hi` has a
    /// smaller byte there.
    ///
    /// Often these are all of the range, or few of many. So the last string is looked at first, and
    /// then beginnings of the range that are twice as long each time.
    fn end_of_run(&self, lo: u32, hi: u32, depth: u32, byte: u8) -> u32 {
        let range = &self.items[lo as usize..hi as usize];
        let has_byte = |s: &(Box<[u8]>, u32)| s.0.get(depth as usize) == Some(&byte);
        if range.last().is_some_and(has_byte) {
            return hi;
        }
        let mut most = 1;
        while range.get(most - 1).is_some_and(has_byte) {
            most *= 2;
        }
        let least = most / 2;
        let most = range.len().min(most);
        lo + (least + range[least..most].partition_point(has_byte)) as u32
    }

    /// The partition in which every byte that occurs is alone in its class.
    pub fn classes(&self) -> ByteClasses {
        let mut set = ByteSet::EMPTY;
        for (bytes, _) in &self.items {
            bytes.iter().for_each(|&b| set.insert(b));
        }
        ByteClasses::singletons(&set)
    }
}

/// The literal sets of a pool, by their numbers.
#[derive(Clone, Default)]
pub(super) struct LiteralSets {
    sets: Vec<Arc<LiteralSet>>,
    /// The numbers of sets by their fingerprints.
    index: HashMap<u128, u32>,
    /// The partitions of sets, as far as they are known.
    partitions: Vec<Option<u32>>,
}

impl LiteralSets {
    #[inline]
    pub fn get(&self, set: u32) -> &Arc<LiteralSet> {
        &self.sets[set as usize]
    }

    /// The number of the set with this fingerprint.
    pub fn find(&self, fingerprint: u128) -> Option<u32> {
        self.index.get(&fingerprint).copied()
    }

    /// The number of a set, which is added if there is none like it.
    pub fn intern(&mut self, set: &Arc<LiteralSet>) -> u32 {
        *self.index.entry(set.fingerprint()).or_insert_with(|| {
            self.sets.push(set.clone());
            self.partitions.push(None);
            self.sets.len() as u32 - 1
        })
    }

    /// The partition of the bytes that a set tells apart.
    pub fn partition(&mut self, set: u32, partitions: &mut Partitions) -> u32 {
        let literals = &self.sets[set as usize];
        *self.partitions[set as usize].get_or_insert_with(|| partitions.intern(literals.classes()))
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

    /// Compares each range of the set with a filter of all strings.
    #[test]
    fn branches_are_the_strings_with_each_byte() {
        let numbers = (0..300u32).map(|n| (n * n * 7919 % 4099).to_string().into_bytes());
        let others = ["", "1", "10", "é", "éa", "z"].map(|word| word.as_bytes().to_vec());
        let set = LiteralSet::new(numbers.chain(others).map(|word| (word, UNLABELLED)));
        let mut ranges = vec![(0, set.len() as u32, 0)];
        let mut seen = 0;
        while let Some((lo, hi, depth)) = ranges.pop() {
            let byte_of = |i: u32| set.get(i).0.get(depth as usize).copied();
            let mut branches = set.branches(lo, hi, depth);
            let bytes = set.next_bytes(lo, hi, depth);
            for byte in 0..=u8::MAX {
                let own: Vec<u32> = (lo..hi).filter(|&i| byte_of(i) == Some(byte)).collect();
                let range = own.first().map(|&first| (first, own[own.len() - 1] + 1));
                assert_eq!(set.step(lo, hi, depth, byte), range);
                assert_eq!(bytes.contains(byte), range.is_some());
                if let Some((lo, hi)) = range {
                    assert_eq!(branches.next(), Some((byte, (lo, hi))));
                    ranges.push((lo, hi, depth + 1));
                    seen += 1;
                }
            }
            assert_eq!(branches.next(), None);
        }
        assert!(seen > set.len());
    }
}
