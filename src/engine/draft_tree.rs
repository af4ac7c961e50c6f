//! Trees of guessed tokens behind a matcher's position: which of them may come, and what may come behind each.
//!
//! A speculative decoder guesses a tree of continuations and lets the model score all of its nodes in one pass; before it
//! samples behind a node it needs that node's mask. A node's place in the graph is one step from its parent's, so a tree costs one
//! step a node, whatever its depth, and nodes at the same place share one mask. The matcher itself does not move.

use super::error::EngineError;
use super::matcher::{Matcher, Position};
use crate::vocab::{TokenId, TokenSet};
use std::sync::Arc;

/// A growing tree of tokens behind a matcher's position. Made by [`Matcher::draft_tree`]; nodes are numbered in the order in which
/// they are added.
///
/// For drafters that choose a node's children under its mask. A tree that is there already is answered in one call by
/// [`Matcher::mask_draft_tree`].
///
/// ```
/// use hedgerow::engine::Constraint;
/// use hedgerow::grammar::GrammarBuilder;
/// use hedgerow::vocab::{TokenId, Vocabulary};
///
/// let mut builder = GrammarBuilder::new();
/// let word = builder.nodes.literal(b"abab");
/// let vocabulary = Vocabulary::from_byte_list(vec![b"a".to_vec(), b"b".to_vec(), b"ab".to_vec()])?;
/// let mut matcher = Constraint::new(&builder.build(word, None)?, &vocabulary)?.matcher();
/// let [a, b, ab] = [0, 1, 2].map(TokenId);
///
/// let mut tree = matcher.draft_tree()?;
/// assert!(tree.push(None, a)? && tree.push(Some(0), b)?);
/// assert!(!tree.push(Some(0), ab)?, "aab is no beginning of abab");
/// let allowed = tree.mask(1)?.unwrap();
/// assert_eq!(allowed.iter().collect::<Vec<_>>(), [a, ab]);
/// assert!(tree.mask(2)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DraftTree<'m> {
    matcher: &'m mut Matcher,
    root: Position,
    /// `None` for nodes that may not come.
    nodes: Vec<Option<Position>>,
}

impl DraftTree<'_> {
    /// Adds a node: `token` behind node `parent`, or behind the matcher's position. Gives whether the path to it may come; what
    /// stands behind a node that may not come may not come either. O(bytes of the token) where it has been read before.
    ///
    /// # Errors
    /// [`EngineError::DraftParent`] for a parent that is not there yet; [`EngineError::UnknownToken`]; those of
    /// [`Matcher::mask`]. No node is added then.
    pub fn push(&mut self, parent: Option<usize>, token: TokenId) -> Result<bool, EngineError> {
        let from = match parent {
            None => Some(self.root),
            Some(parent) => {
                *self.nodes.get(parent).ok_or(EngineError::DraftParent { node: self.nodes.len(), parent })?
            }
        };
        self.matcher.check_token(token)?;
        let position = match from {
            Some(from) => self.matcher.interruptible(|matcher| matcher.follow(from, token))?,
            None => None,
        };
        self.nodes.push(position);
        Ok(position.is_some())
    }

    /// Forgets all nodes but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.nodes.truncate(len);
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether the path to a node may come.
    ///
    /// # Errors
    /// [`EngineError::DraftNode`].
    pub fn is_allowed(&self, node: usize) -> Result<bool, EngineError> {
        Ok(self.position(node)?.is_some())
    }

    /// The tokens allowed behind a node; `None` if the path to it may not come.
    ///
    /// # Errors
    /// [`EngineError::DraftNode`], and those of [`Matcher::mask`].
    pub fn mask(&mut self, node: usize) -> Result<Option<Arc<TokenSet>>, EngineError> {
        match self.position(node)? {
            Some(position) => self.matcher.interruptible(|matcher| matcher.mask_at(position)).map(Some),
            None => Ok(None),
        }
    }

    /// Writes the tokens allowed behind a node as [`Matcher::fill_mask`] does, none if the path to it may not come. Gives
    /// whether it may.
    ///
    /// # Errors
    /// [`EngineError::DraftNode`], and those of [`Matcher::fill_mask`].
    pub fn fill_mask(&mut self, node: usize, out: &mut [u32]) -> Result<bool, EngineError> {
        let tokens = self.matcher.vocabulary().size();
        let (given, needed) = (out.len(), TokenSet::word_count(tokens));
        if given != needed {
            return Err(EngineError::MaskLength { given, needed, tokens });
        }
        let position = self.position(node)?;
        match position {
            Some(position) => {
                let data = self.matcher.interruptible(|matcher| matcher.data_at(position))?;
                self.matcher.write(data.as_deref(), out);
            }
            None => out.fill(0),
        }
        Ok(position.is_some())
    }

    fn position(&self, node: usize) -> Result<Option<Position>, EngineError> {
        let nodes = self.nodes.len();
        self.nodes.get(node).copied().ok_or(EngineError::DraftNode { node, nodes })
    }
}

impl std::fmt::Debug for DraftTree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let allowed = self.nodes.iter().flatten().count();
        f.debug_struct("DraftTree").field("nodes", &self.nodes.len()).field("allowed", &allowed).finish()
    }
}

impl Matcher {
    /// An empty tree of guesses behind this position.
    ///
    /// # Errors
    /// As [`mask`](Self::mask).
    pub fn draft_tree(&mut self) -> Result<DraftTree<'_>, EngineError> {
        if !self.is_stopped() {
            self.interruptible(Matcher::leave_full_graph)?;
        }
        Ok(DraftTree { root: self.position(), matcher: self, nodes: Vec::new() })
    }

    /// Fills the mask behind every node of a tree of guesses. Node `i` is `tokens[i]` behind node `parents[i]`, which comes
    /// before it, or behind this position where that is `None`. Row `i`, `out[i * stride ..][.. words]` with
    /// `words = size.div_ceil(32)`, receives what may come once the path to node `i` has been read, as
    /// [`fill_mask`](Self::fill_mask) writes it; words between rows stay as they are. The mask before all nodes is
    /// [`fill_mask`](Self::fill_mask)'s.
    ///
    /// Gives for each node whether the path to it may come; where it may not, its row is all zeros. The matcher does not move. One step
    /// a node and one copy of a mask a row, once these are known; a chain of guesses is a tree whose nodes stand behind each other.
    ///
    /// # Errors
    /// [`EngineError::DraftLength`], [`EngineError::DraftParent`], [`EngineError::MaskStride`], [`EngineError::MaskRows`],
    /// [`EngineError::UnknownToken`], and those of [`mask`](Self::mask). Nothing is written then.
    ///
    /// ```
    /// # use hedgerow::{engine::Constraint, grammar::GrammarBuilder, vocab::{TokenId, Vocabulary}};
    /// # let mut builder = GrammarBuilder::new();
    /// # let word = builder.nodes.literal(b"abab");
    /// # let vocabulary = Vocabulary::from_byte_list(vec![b"a".to_vec(), b"b".to_vec(), b"ab".to_vec()])?;
    /// # let mut matcher = Constraint::new(&builder.build(word, None)?, &vocabulary)?.matcher();
    /// let [a, b, ab] = [0, 1, 2].map(TokenId);
    /// // a, then b or ab behind it; and ab.
    /// let (tokens, parents) = ([a, b, ab, ab], [None, Some(0), Some(0), None]);
    /// let mut rows = vec![0; 4];
    /// let allowed = matcher.mask_draft_tree(&tokens, &parents, &mut rows, 1)?;
    /// assert_eq!(allowed, [true, true, false, true]);
    /// assert_eq!(rows, [1 << b.0, 1 << a.0 | 1 << ab.0, 0, 1 << a.0 | 1 << ab.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mask_draft_tree(
        &mut self,
        tokens: &[TokenId],
        parents: &[Option<usize>],
        out: &mut [u32],
        stride: usize,
    ) -> Result<Vec<bool>, EngineError> {
        if tokens.len() != parents.len() {
            return Err(EngineError::DraftLength { tokens: tokens.len(), parents: parents.len() });
        }
        for (node, parent) in parents.iter().enumerate() {
            if let Some(parent) = parent.filter(|&parent| parent >= node) {
                return Err(EngineError::DraftParent { node, parent });
            }
        }
        let words = TokenSet::word_count(self.vocabulary().size());
        check_rows(out, tokens.len(), words, stride)?;
        // Whatever can fail comes before the first row is written.
        let (masks, allowed) = self.interruptible(|matcher| {
            let mut tree = matcher.draft_tree()?;
            for (&token, &parent) in tokens.iter().zip(parents) {
                tree.push(parent, token)?;
            }
            let DraftTree { matcher, nodes, .. } = tree;
            let masks =
                nodes.iter().map(|position| position.map(|position| matcher.data_at(position)).transpose());
            let masks: Result<Vec<_>, EngineError> = masks.collect();
            Ok((masks?, nodes.iter().map(Option::is_some).collect()))
        })?;
        for (node, data) in masks.into_iter().enumerate() {
            let row = &mut out[node * stride..][..words];
            match data {
                Some(data) => self.write(data.as_deref(), row),
                None => row.fill(0),
            }
        }
        Ok(allowed)
    }
}

/// Whether `rows` rows of `words` words lie apart, and in `out`.
pub(super) fn check_rows(out: &[u32], rows: usize, words: usize, stride: usize) -> Result<(), EngineError> {
    if rows == 0 {
        return Ok(());
    }
    if stride < words && rows > 1 {
        return Err(EngineError::MaskStride { stride, words });
    }
    let needed = stride.checked_mul(rows - 1).and_then(|before| before.checked_add(words));
    let (given, needed) = (out.len(), needed.unwrap_or(usize::MAX));
    if given < needed {
        return Err(EngineError::MaskRows { given, needed, rows, words, stride });
    }
    Ok(())
}
