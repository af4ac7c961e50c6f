//! Sets of token ids as bitsets.
//!
//! Token `i` is in the set if bit `i & 31` of word `i >> 5` is 1. llguidance, XGrammar and vLLM
//! exchange the same layout, so a set's words can be handed to a sampler or copied to a device as
//! they are.
//!
//! A set over `n` tokens takes `n / 8` bytes whatever it holds (16 KB for 128 k tokens). Union,
//! intersection and difference are one pass over the words, which the compiler turns into vector
//! instructions.

use super::error::VocabularyError;
use super::token_id::TokenId;
use std::fmt;
use std::ops::Range;

/// A set of the token ids `0 .. len`, as a bitset.
///
/// Ids at or past [`len`](Self::len) are never members: inserting one changes nothing.
///
/// ```
/// use hedgerow::vocab::{TokenId, TokenSet};
///
/// let mut set = TokenSet::new(40);
/// set.insert(TokenId(3));
/// set.insert(TokenId(33));
/// assert_eq!(set.words(), [1 << 3, 1 << 1]);
/// assert_eq!(set.iter().collect::<Vec<_>>(), [TokenId(3), TokenId(33)]);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenSet {
    /// `len.div_ceil(32)` words; bits at or past `len` are zero.
    words: Box<[u32]>,
    len: usize,
}

impl TokenSet {
    /// The empty set over `len` tokens.
    pub fn new(len: usize) -> Self {
        Self { words: vec![0; Self::word_count(len)].into(), len }
    }

    /// The set of all `len` tokens.
    pub fn full(len: usize) -> Self {
        let mut set = Self { words: vec![!0; Self::word_count(len)].into(), len };
        set.clear_past_end();
        set
    }

    /// The set of the given ids over `len` tokens; ids at or past `len` are left out.
    pub fn from_ids(len: usize, ids: impl IntoIterator<Item = TokenId>) -> Self {
        let mut set = Self::new(len);
        set.extend(ids);
        set
    }

    /// The set over `len` tokens whose bits are `words`. Bits at or past `len` are cleared.
    ///
    /// # Errors
    /// [`VocabularyError::WordCount`] unless there are exactly `len.div_ceil(32)` words.
    pub fn from_words(words: impl Into<Box<[u32]>>, len: usize) -> Result<Self, VocabularyError> {
        let words = words.into();
        let expected = Self::word_count(len);
        if words.len() != expected {
            return Err(VocabularyError::WordCount { len, expected, given: words.len() });
        }
        let mut set = Self { words, len };
        set.clear_past_end();
        Ok(set)
    }

    /// Number of 32-bit words of a set over `len` tokens.
    #[inline]
    pub const fn word_count(len: usize) -> usize {
        len.div_ceil(32)
    }

    /// Number of tokens the set ranges over, members or not.
    #[inline]
    #[allow(clippy::len_without_is_empty)] // `is_empty` asks about members, as for any set
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bits: token `i` is bit `i & 31` of word `i >> 5`. Bits at or past [`len`](Self::len) are
    /// zero.
    #[inline]
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The bits, for other modules to write in place. Bits at or past `len` must stay zero.
    #[inline]
    #[allow(dead_code)]
    pub(crate) fn words_mut(&mut self) -> &mut [u32] {
        &mut self.words
    }

    /// True if `id` is a member.
    #[inline]
    pub fn contains(&self, id: TokenId) -> bool {
        self.words.get(id.index() >> 5).is_some_and(|word| word >> (id.0 & 31) & 1 != 0)
    }

    /// Adds `id`; returns true if the set changed.
    #[inline]
    pub fn insert(&mut self, id: TokenId) -> bool {
        if id.index() >= self.len {
            return false;
        }
        let word = &mut self.words[id.index() >> 5];
        let before = *word;
        *word |= 1 << (id.0 & 31);
        *word != before
    }

    /// Removes `id`; returns true if the set changed.
    #[inline]
    pub fn remove(&mut self, id: TokenId) -> bool {
        let Some(word) = self.words.get_mut(id.index() >> 5) else { return false };
        let before = *word;
        *word &= !(1 << (id.0 & 31));
        *word != before
    }

    /// Adds every id of `range` that is below [`len`](Self::len). Time: one step per word.
    pub fn insert_range(&mut self, range: Range<u32>) {
        let (start, end) = (range.start as usize, (range.end as usize).min(self.len));
        if start >= end {
            return;
        }
        let (first, last) = (start >> 5, (end - 1) >> 5);
        let (low, high) = (!0u32 << (start & 31), !0u32 >> (31 - ((end - 1) & 31)));
        if first == last {
            self.words[first] |= low & high;
            return;
        }
        self.words[first] |= low;
        self.words[first + 1..last].fill(!0);
        self.words[last] |= high;
    }

    /// Adds every id of `ids`; ids at or past [`len`](Self::len) are left out.
    #[inline]
    pub fn insert_all(&mut self, ids: &[TokenId]) {
        for &id in ids {
            self.insert(id);
        }
    }

    /// Removes every id of `ids`.
    #[inline]
    pub fn remove_all(&mut self, ids: &[TokenId]) {
        for &id in ids {
            self.remove(id);
        }
    }

    /// Removes every id.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Number of members. One pass over the words.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True if the set has no member.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The smallest member.
    pub fn first(&self) -> Option<TokenId> {
        self.iter().next()
    }

    /// Adds the members of `other`; those at or past this set's [`len`](Self::len) are left out.
    pub fn union_with(&mut self, other: &TokenSet) {
        for (word, &others) in self.words.iter_mut().zip(&other.words) {
            *word |= others;
        }
        if other.len > self.len {
            self.clear_past_end();
        }
    }

    /// Keeps only the members that `other` has too. Ids past the end of `other` are removed.
    pub fn intersect_with(&mut self, other: &TokenSet) {
        for (word, &others) in self.words.iter_mut().zip(&other.words) {
            *word &= others;
        }
        if let Some(beyond) = self.words.get_mut(other.words.len()..) {
            beyond.fill(0);
        }
    }

    /// Removes the members of `other`.
    pub fn subtract(&mut self, other: &TokenSet) {
        for (word, &others) in self.words.iter_mut().zip(&other.words) {
            *word &= !others;
        }
    }

    /// True if the sets share a member.
    pub fn intersects(&self, other: &TokenSet) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// True if every member is a member of `other`.
    pub fn is_subset(&self, other: &TokenSet) -> bool {
        let beyond = self.words.get(other.words.len()..).unwrap_or(&[]);
        self.words.iter().zip(&other.words).all(|(a, b)| a & !b == 0) && beyond.iter().all(|&word| word == 0)
    }

    /// The members in ascending order.
    pub fn iter(&self) -> TokenSetIter<'_> {
        TokenSetIter { words: &self.words, next_word: 0, bits: 0 }
    }

    /// Copies the words to `out`.
    ///
    /// # Errors
    /// [`VocabularyError::WordCount`] unless `out` has exactly as many words as the set; `out` is
    /// then unchanged.
    pub fn copy_to(&self, out: &mut [u32]) -> Result<(), VocabularyError> {
        if out.len() != self.words.len() {
            return Err(VocabularyError::WordCount {
                len: self.len,
                expected: self.words.len(),
                given: out.len(),
            });
        }
        out.copy_from_slice(&self.words);
        Ok(())
    }

    fn clear_past_end(&mut self) {
        if let (Some(last), used @ 1..) = (self.words.last_mut(), self.len & 31) {
            *last &= !0 >> (32 - used);
        }
    }
}

impl Extend<TokenId> for TokenSet {
    fn extend<I: IntoIterator<Item = TokenId>>(&mut self, ids: I) {
        for id in ids {
            self.insert(id);
        }
    }
}

impl<'a> IntoIterator for &'a TokenSet {
    type Item = TokenId;
    type IntoIter = TokenSetIter<'a>;
    fn into_iter(self) -> TokenSetIter<'a> {
        self.iter()
    }
}

/// Shows the size and the first 16 members, so that a mask of 100,000 tokens does not fill a log.
impl fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 16;
        let count = self.count();
        write!(f, "TokenSet({count} of {}: {{", self.len)?;
        for (i, id) in self.iter().take(SHOWN).enumerate() {
            write!(f, "{}{id}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(if count > SHOWN { ", …})" } else { "})" })
    }
}

/// The members of a [`TokenSet`] in ascending order; see [`TokenSet::iter`].
#[derive(Clone, Debug)]
pub struct TokenSetIter<'a> {
    words: &'a [u32],
    next_word: usize,
    /// Bits of word `next_word - 1` that the iterator has yet to give.
    bits: u32,
}

impl Iterator for TokenSetIter<'_> {
    type Item = TokenId;

    #[inline]
    fn next(&mut self) -> Option<TokenId> {
        while self.bits == 0 {
            self.bits = *self.words.get(self.next_word)?;
            self.next_word += 1;
        }
        let bit = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some(TokenId((self.next_word as u32 - 1) << 5 | bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(len: usize, ids: &BTreeSet<u32>) -> TokenSet {
        TokenSet::from_ids(len, ids.iter().map(|&id| TokenId(id)))
    }

    fn ids(set: &TokenSet) -> BTreeSet<u32> {
        set.iter().map(|id| id.0).collect()
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_numbers(
            len in 0usize..140,
            other_len in 0usize..140,
            a in proptest::collection::btree_set(0u32..150, 0..60),
            b in proptest::collection::btree_set(0u32..150, 0..60),
            range in (0u32..150, 0u32..150),
        ) {
            let (sa, sb) = (set(len, &a), set(other_len, &b));
            let a: BTreeSet<u32> = a.into_iter().filter(|&id| (id as usize) < len).collect();
            let b: BTreeSet<u32> = b.into_iter().filter(|&id| (id as usize) < other_len).collect();
            prop_assert_eq!(&ids(&sa), &a);
            prop_assert_eq!(sa.count(), a.len());
            prop_assert_eq!(sa.is_empty(), a.is_empty());
            prop_assert_eq!(sa.first().map(|id| id.0), a.first().copied());
            for id in 0..150 {
                prop_assert_eq!(sa.contains(TokenId(id)), a.contains(&id));
            }
            prop_assert_eq!(sa.intersects(&sb), !a.is_disjoint(&b));
            prop_assert_eq!(sa.is_subset(&sb), a.is_subset(&b));

            let mut union = sa.clone();
            union.union_with(&sb);
            prop_assert_eq!(ids(&union), a.union(&b).copied().filter(|&id| (id as usize) < len).collect());
            let mut both = sa.clone();
            both.intersect_with(&sb);
            prop_assert_eq!(ids(&both), a.intersection(&b).copied().collect());
            let mut without = sa.clone();
            without.subtract(&sb);
            prop_assert_eq!(ids(&without), a.difference(&b).copied().collect());

            let mut ranged = sa.clone();
            ranged.insert_range(range.0..range.1);
            let expected: BTreeSet<u32> =
                a.iter().copied().chain((range.0..range.1).filter(|&id| (id as usize) < len)).collect();
            prop_assert_eq!(ids(&ranged), expected);

            let mut words = vec![7; TokenSet::word_count(len)];
            sa.copy_to(&mut words).unwrap();
            prop_assert_eq!(TokenSet::from_words(words, len).unwrap(), sa.clone());

            let mut changed = sa.clone();
            prop_assert_eq!(changed.insert(TokenId(range.0)), (range.0 as usize) < len && !a.contains(&range.0));
            let was_in = changed.contains(TokenId(range.1));
            prop_assert_eq!(changed.remove(TokenId(range.1)), was_in);
            prop_assert!(!changed.contains(TokenId(range.1)));
        }
    }

    #[test]
    fn full_sets_have_no_stray_bits() {
        for len in [0, 1, 31, 32, 33, 64, 100] {
            let full = TokenSet::full(len);
            assert_eq!(full.count(), len);
            let mut padded = TokenSet::new(len);
            padded.union_with(&TokenSet::full(len + 40));
            assert_eq!(padded, full);
            assert_eq!(TokenSet::from_words(vec![!0; len.div_ceil(32)], len).unwrap(), full);
        }
    }

    #[test]
    fn buffers_of_another_size_are_refused() {
        let set = TokenSet::full(33);
        let error = set.copy_to(&mut [0; 1]).unwrap_err().to_string();
        assert_eq!(error, "a set of 33 tokens takes 2 words of 32 bits, but the buffer has 1");
        assert!(TokenSet::from_words(vec![0; 3], 33).is_err());
    }

    #[test]
    fn debug_is_short() {
        assert_eq!(
            format!("{:?}", TokenSet::from_ids(9, [TokenId(8), TokenId(2)])),
            "TokenSet(2 of 9: {2, 8})"
        );
        assert!(format!("{:?}", TokenSet::full(100_000)).ends_with("14, 15, …})"));
    }
}
