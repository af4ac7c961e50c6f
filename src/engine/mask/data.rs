//! The stored form of masks, and the union of the parts that threads contribute.
//!
//! A mask over 128,000 tokens has 16 KB of bits, but most masks are a few tokens, or one of a few
//! large sets with a few tokens more or less. A mask is kept as just that: inside a string, the
//! large set is the one that belongs to "any string" and is shared by all masks that need it.
//!
//! Price: to read one bit of a mask that is a list or a difference takes a binary search.

use crate::vocab::{TokenId, TokenSet};
use hashbrown::HashMap;
use std::sync::Arc;

/// The largest number of single tokens that is kept as a list.
const MAX_LISTED: usize = 256;

/// The largest number of single tokens that are sorted. More of them are put into a set at once.
const MAX_SORTED: usize = 2048;

/// A set of allowed tokens.
pub(in crate::engine) enum MaskData {
    /// A few tokens, sorted.
    Sparse(Box<[TokenId]>),
    /// A set of its own, or one shared with a summary.
    Dense(Arc<TokenSet>),
    /// A shared set without some of its tokens and with some others, both sorted.
    Delta { base: Arc<TokenSet>, extra: Box<[TokenId]>, removed: Box<[TokenId]> },
}

impl MaskData {
    pub fn contains(&self, token: TokenId) -> bool {
        match self {
            MaskData::Sparse(ids) => ids.binary_search(&token).is_ok(),
            MaskData::Dense(set) => set.contains(token),
            MaskData::Delta { base, extra, removed } => {
                (base.contains(token) && removed.binary_search(&token).is_err())
                    || extra.binary_search(&token).is_ok()
            }
        }
    }

    /// True if no token is allowed.
    pub fn is_empty(&self) -> bool {
        match self {
            MaskData::Sparse(ids) => ids.is_empty(),
            MaskData::Dense(set) => set.is_empty(),
            // Every removed token is in the base.
            MaskData::Delta { base, extra, removed } => extra.is_empty() && base.count() == removed.len(),
        }
    }

    /// Writes the mask as bits: token `i` is bit `i % 32` of word `i / 32`. `out` has exactly as
    /// many words as the vocabulary needs.
    #[inline]
    pub fn write(&self, out: &mut [u32]) {
        let extra = match self {
            MaskData::Sparse(ids) => {
                out.fill(0);
                ids
            }
            MaskData::Dense(set) => {
                out.copy_from_slice(set.words());
                return;
            }
            MaskData::Delta { base, extra, removed } => {
                out.copy_from_slice(base.words());
                for id in removed.iter() {
                    out[(id.0 >> 5) as usize] &= !(1 << (id.0 & 31));
                }
                extra
            }
        };
        for id in extra.iter() {
            out[(id.0 >> 5) as usize] |= 1 << (id.0 & 31);
        }
    }

    /// The mask as a set of a vocabulary of `size` tokens.
    pub fn to_set(&self, size: usize) -> Arc<TokenSet> {
        match self {
            MaskData::Sparse(ids) => Arc::new(TokenSet::from_ids(size, ids.iter().copied())),
            MaskData::Dense(set) => set.clone(),
            MaskData::Delta { base, extra, removed } => {
                let mut set = TokenSet::clone(base);
                set.remove_all(removed);
                set.insert_all(extra);
                Arc::new(set)
            }
        }
    }

    /// Bytes held, approximately, without sets that may be shared.
    pub fn memory(&self) -> usize {
        match self {
            MaskData::Sparse(ids) => 64 + ids.len() * 4,
            MaskData::Delta { extra, removed, .. } => 64 + (extra.len() + removed.len()) * 4,
            MaskData::Dense(_) => 64,
        }
    }
}

/// A union of large sets, with the sets that it joins.
type Union = (Arc<TokenSet>, Vec<Arc<TokenSet>>);

/// The unions of large sets that were made so far. The key holds the addresses of the united sets,
/// which are kept beside the union, so that no other set can get one of these addresses.
#[derive(Default)]
pub(in crate::engine) struct UnionCache {
    unions: HashMap<Vec<usize>, Union>,
}

impl UnionCache {
    /// The number of unions kept.
    pub fn len(&self) -> usize {
        self.unions.len()
    }

    /// The union of several sets, in ascending order of their addresses.
    fn union(&mut self, sets: &[(Arc<TokenSet>, Arc<[TokenId]>)]) -> Arc<TokenSet> {
        let key: Vec<usize> = sets.iter().map(|(set, _)| Arc::as_ptr(set) as usize).collect();
        let (union, _) = self.unions.entry(key).or_insert_with(|| {
            let mut union = TokenSet::clone(&sets[0].0);
            sets[1..].iter().for_each(|(set, _)| union.union_with(set));
            (Arc::new(union), sets.iter().map(|(set, _)| set.clone()).collect())
        });
        union.clone()
    }
}

/// The parts of a mask, as threads contribute them.
#[derive(Default)]
pub(in crate::engine) struct PartialMask {
    /// Large sets, each without some of its tokens (sorted).
    pub large: Vec<(Arc<TokenSet>, Arc<[TokenId]>)>,
    /// Single tokens.
    pub extra: Vec<TokenId>,
}

impl PartialMask {
    /// Adds a whole set.
    pub fn add_set(&mut self, set: Arc<TokenSet>) {
        self.large.push((set, Arc::new([])));
    }

    /// Adds the tokens of a mask.
    pub fn add(&mut self, mask: &MaskData) {
        match mask {
            MaskData::Sparse(ids) => self.extra.extend_from_slice(ids),
            MaskData::Dense(set) => self.add_set(set.clone()),
            MaskData::Delta { base, extra, removed } => {
                self.extra.extend_from_slice(extra);
                self.large.push((base.clone(), removed.as_ref().into()));
            }
        }
    }

    /// The union of all parts over a vocabulary of `size` tokens, and true if a new large set was
    /// made for it.
    pub fn into_mask(self, size: usize, unions: &mut UnionCache) -> (MaskData, bool) {
        let PartialMask { mut large, mut extra } = self;
        if extra.len() > MAX_SORTED {
            return (MaskData::Dense(Arc::new(union_of_all(size, large, extra))), true);
        }
        extra.sort_unstable();
        extra.dedup();
        merge_equal_sets(&mut large);
        let mut removed = missing_everywhere(&large, &extra);
        let base = match large.as_slice() {
            [] if extra.len() <= MAX_LISTED => return (MaskData::Sparse(extra.into()), false),
            [] => return (MaskData::Dense(Arc::new(TokenSet::from_ids(size, extra))), true),
            [(one, _)] => one.clone(),
            several => unions.union(several),
        };
        extra.retain(|&id| !base.contains(id));
        removed.retain(|&id| base.contains(id));
        removed.sort_unstable();
        removed.dedup();
        if extra.is_empty() && removed.is_empty() {
            (MaskData::Dense(base), false)
        } else if extra.len() + removed.len() <= MAX_LISTED {
            (MaskData::Delta { base, extra: extra.into(), removed: removed.into() }, false)
        } else {
            let mut set = TokenSet::clone(&base);
            set.remove_all(&removed);
            set.insert_all(&extra);
            (MaskData::Dense(Arc::new(set)), true)
        }
    }
}

fn union_of_all(size: usize, large: Vec<(Arc<TokenSet>, Arc<[TokenId]>)>, extra: Vec<TokenId>) -> TokenSet {
    let mut all = TokenSet::from_ids(size, extra);
    for (set, missing) in large {
        if missing.is_empty() {
            all.union_with(&set);
        } else {
            let mut set = TokenSet::clone(&set);
            set.remove_all(&missing);
            all.union_with(&set);
        }
    }
    all
}

/// Sorts sets by address, and makes one part of those that are the same set. A token is missing
/// from it only where it was missing from each.
fn merge_equal_sets(large: &mut Vec<(Arc<TokenSet>, Arc<[TokenId]>)>) {
    large.sort_by_key(|part| Arc::as_ptr(&part.0) as usize);
    large.dedup_by(|later, first| {
        let same = Arc::ptr_eq(&later.0, &first.0);
        if same && later.1 != first.1 {
            first.1 = first.1.iter().copied().filter(|id| later.1.binary_search(id).is_ok()).collect();
        }
        same
    });
}

/// The tokens that are missing from a large set and that no other part has.
fn missing_everywhere(large: &[(Arc<TokenSet>, Arc<[TokenId]>)], extra: &[TokenId]) -> Vec<TokenId> {
    let mut missing_everywhere: Vec<TokenId> = Vec::new();
    for (i, (_, missing)) in large.iter().enumerate() {
        let in_another = |id: &TokenId| {
            let mut others = large.iter().enumerate().filter(|&(j, _)| j != i);
            others.any(|(_, (set, missing))| set.contains(*id) && missing.binary_search(id).is_err())
        };
        let is_missing = |id: &TokenId| extra.binary_search(id).is_err() && !in_another(id);
        missing_everywhere.extend(missing.iter().copied().filter(is_missing));
    }
    missing_everywhere
}

/// The tokens of either of two sorted lists.
pub(in crate::engine) fn merged(a: &Arc<[TokenId]>, b: &Arc<[TokenId]>) -> Arc<[TokenId]> {
    if b.is_empty() {
        return a.clone();
    }
    let mut all: Vec<TokenId> = a.iter().chain(b.iter()).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}
