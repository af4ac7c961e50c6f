//! The finished state machine and its queries.

use super::tables::{ACCEPTING, STOPPED, Tables};
use crate::engine::error::EngineError;
use crate::vocab::{TokenId, TokenSet};
use hashbrown::HashMap;
use std::sync::{Arc, OnceLock};

/// The members of a class.
enum Members {
    /// A list of a few tokens.
    Few(Box<[TokenId]>),
    Many(TokenSet),
}

/// A finished state machine over the tokens of a vocabulary, made by
/// [`Constraint::compile_token_fsm`](crate::engine::Constraint::compile_token_fsm) or
/// [`from_bytes`](Self::from_bytes). It is immutable, and independent of the constraint it was made
/// from.
///
/// States are numbered from [`START`](Self::START) up to [`state_count`](Self::state_count), in the
/// order in which they are first reached. An end-of-sequence token leads to a state of its own, in
/// which only such tokens are allowed.
///
/// ```
/// use hedgerow::engine::{Constraint, TokenFsm};
/// use hedgerow::grammar::GrammarBuilder;
/// use hedgerow::vocab::{TokenId, Vocabulary};
///
/// let mut builder = GrammarBuilder::new();
/// let word = builder.nodes.literal(b"abab");
/// let tokens = [&b"a"[..], b"b", b"ab", b"</s>"].map(|token| token.to_vec());
/// let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?.with_eos(&[TokenId(3)])?;
/// let constraint = Constraint::new(&builder.build(word, None)?, &vocabulary)?;
/// let fsm = constraint.compile_token_fsm(100)?;
/// // Nothing, a, ab, aba, abab, and the end.
/// assert_eq!(fsm.state_count(), 6);
/// let [a, b, ab, end] = [0, 1, 2, 3].map(TokenId);
/// assert_eq!(fsm.mask(TokenFsm::START).unwrap().iter().collect::<Vec<_>>(), [a, ab]);
/// let mut state = TokenFsm::START;
/// for token in [ab, a, b, end] {
///     state = fsm.next(state, token).unwrap();
/// }
/// assert!(fsm.is_stopped(state) && fsm.next(state, a).is_none());
/// assert_eq!(TokenFsm::from_bytes(&fsm.to_bytes())?, fsm);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TokenFsm {
    pub(super) tables: Tables,
    members: Box<[Members]>,
    /// The number of each state's mask among the distinct ones.
    mask_of: Box<[u32]>,
    masks: Box<[OnceLock<Arc<TokenSet>>]>,
}

impl TokenFsm {
    /// The state before the first token.
    pub const START: u32 = 0;

    /// The machine of these tables.
    pub(super) fn of(tables: Tables) -> Self {
        let size = tables.token_classes.len();
        let mut members = vec![Vec::new(); tables.classes as usize];
        for (id, &class) in tables.token_classes.iter().enumerate() {
            // Class 0 is in no row.
            if class > 0 {
                members[class as usize].push(TokenId(id as u32));
            }
        }
        let words = TokenSet::word_count(size);
        let members = members.into_iter().map(|ids| match ids.len() < words {
            true => Members::Few(ids.into()),
            false => Members::Many(TokenSet::from_ids(size, ids)),
        });
        let members = members.collect();
        let mut distinct = HashMap::new();
        let mut mask_of = Vec::with_capacity(tables.flags.len());
        for row in tables.row_starts.windows(2) {
            let classes = &tables.edge_classes[row[0] as usize..row[1] as usize];
            let next = distinct.len() as u32;
            mask_of.push(*distinct.entry(classes).or_insert(next));
        }
        let masks = (0..distinct.len()).map(|_| OnceLock::new()).collect();
        drop(distinct);
        TokenFsm { members, mask_of: mask_of.into(), masks, tables }
    }

    /// The number of states.
    pub fn state_count(&self) -> usize {
        self.tables.flags.len()
    }

    /// The number of tokens over which masks range, the padding of the model's output included.
    pub fn token_count(&self) -> usize {
        self.tables.token_classes.len()
    }

    /// The number of classes of tokens. Class 0 holds the tokens that are allowed nowhere, and may
    /// be empty.
    pub fn class_count(&self) -> usize {
        self.tables.classes as usize
    }

    /// The number of different masks.
    pub fn mask_count(&self) -> usize {
        self.masks.len()
    }

    /// The [fingerprint](crate::vocab::Vocabulary::fingerprint) of the vocabulary that the machine
    /// is for.
    pub fn vocabulary_fingerprint(&self) -> u64 {
        self.tables.vocabulary
    }

    /// The class of each token.
    pub fn token_classes(&self) -> &[u32] {
        &self.tables.token_classes
    }

    /// The start of each state's row in [`edge_classes`](Self::edge_classes) and
    /// [`edge_targets`](Self::edge_targets), and the end of the last row:
    /// [`state_count`](Self::state_count) + 1 numbers.
    pub fn row_starts(&self) -> &[u32] {
        &self.tables.row_starts
    }

    /// The classes allowed in each state, in ascending order within a row.
    pub fn edge_classes(&self) -> &[u32] {
        &self.tables.edge_classes
    }

    /// The states that these classes lead to.
    pub fn edge_targets(&self) -> &[u32] {
        &self.tables.edge_targets
    }

    /// The transitions as one table `[state_count, class_count]`, row by row, with `u32::MAX` for
    /// transitions that do not exist. A token then takes two lookups, and the table states ×
    /// classes × 4 bytes.
    pub fn to_table(&self) -> Vec<u32> {
        let classes = self.class_count();
        let mut table = vec![u32::MAX; self.state_count() * classes];
        for (state, row) in table.chunks_mut(classes).enumerate() {
            for (class, target) in self.row(state as u32) {
                row[class as usize] = target;
            }
        }
        table
    }

    /// The state after `token`; `None` if the token is not allowed, or there is no such state or
    /// token. O(log classes).
    pub fn next(&self, state: u32, token: TokenId) -> Option<u32> {
        let class = *self.tables.token_classes.get(token.index())?;
        let (start, end) = self.bounds(state)?;
        let at = self.tables.edge_classes[start..end].binary_search(&class).ok()?;
        Some(self.tables.edge_targets[start + at])
    }

    /// The tokens allowed in a state, shared by all states that allow the same; `None` if there is
    /// no such state.
    pub fn mask(&self, state: u32) -> Option<Arc<TokenSet>> {
        let mask = &self.masks[*self.mask_of.get(state as usize)? as usize];
        let find = || {
            let mut set = TokenSet::new(self.token_count());
            self.write(state, set.words_mut());
            Arc::new(set)
        };
        Some(mask.get_or_init(find).clone())
    }

    /// Writes the tokens allowed in a state as bits: token `i` is bit `i % 32` of word `i / 32`.
    /// `out` has exactly `token_count.div_ceil(32)` words. O(words) for each large class,
    /// O(members) for each small one.
    ///
    /// # Errors
    /// [`EngineError::MaskLength`], [`EngineError::TokenFsmState`].
    pub fn fill_mask(&self, state: u32, out: &mut [u32]) -> Result<(), EngineError> {
        let tokens = self.token_count();
        let (given, needed) = (out.len(), TokenSet::word_count(tokens));
        if given != needed {
            return Err(EngineError::MaskLength { given, needed, tokens });
        }
        let states = self.state_count();
        let Some(mask) = self.mask_of.get(state as usize) else {
            return Err(EngineError::TokenFsmState { state, states });
        };
        match self.masks[*mask as usize].get() {
            Some(known) => out.copy_from_slice(known.words()),
            None => {
                out.fill(0);
                self.write(state, out);
            }
        }
        Ok(())
    }

    /// True if an output may end in a state; false if there is no such state.
    pub fn is_accepting(&self, state: u32) -> bool {
        self.tables.flags.get(state as usize).is_some_and(|flags| flags & ACCEPTING != 0)
    }

    /// True if a state is behind an end-of-sequence token; false if there is no such state.
    pub fn is_stopped(&self, state: u32) -> bool {
        self.tables.flags.get(state as usize).is_some_and(|flags| flags & STOPPED != 0)
    }

    /// Bytes that the machine holds, approximately.
    pub fn memory(&self) -> usize {
        let members = self.members.iter().map(|members| match members {
            Members::Few(ids) => ids.len() * 4,
            Members::Many(set) => set.words().len() * 4,
        });
        let masks = self.masks.iter().filter_map(OnceLock::get).map(|mask| mask.words().len() * 4);
        let states = self.tables.row_starts.len() * 12;
        let edges = self.tables.edge_classes.len() * 8;
        states + edges + self.tables.token_classes.len() * 4 + members.chain(masks).sum::<usize>()
    }

    fn bounds(&self, state: u32) -> Option<(usize, usize)> {
        let starts = self.tables.row_starts.get(state as usize..)?.get(..2)?;
        Some((starts[0] as usize, starts[1] as usize))
    }

    /// The classes and targets of a state's row.
    fn row(&self, state: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let (start, end) = self.bounds(state).unwrap_or_default();
        let (classes, targets) =
            (&self.tables.edge_classes[start..end], &self.tables.edge_targets[start..end]);
        classes.iter().copied().zip(targets.iter().copied())
    }

    /// Adds a state's tokens to words.
    fn write(&self, state: u32, out: &mut [u32]) {
        for (class, _) in self.row(state) {
            match &self.members[class as usize] {
                Members::Few(ids) => {
                    for id in ids {
                        out[id.index() >> 5] |= 1 << (id.0 & 31);
                    }
                }
                Members::Many(set) => out.iter_mut().zip(set.words()).for_each(|(word, more)| *word |= more),
            }
        }
    }
}

/// Machines are equal if their tables are, since everything else follows from these.
impl PartialEq for TokenFsm {
    fn eq(&self, other: &Self) -> bool {
        self.tables == other.tables
    }
}

impl Eq for TokenFsm {}

impl std::fmt::Debug for TokenFsm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenFsm")
            .field("states", &self.state_count())
            .field("classes", &self.class_count())
            .field("edges", &self.tables.edge_classes.len())
            .field("masks", &self.mask_count())
            .finish()
    }
}
