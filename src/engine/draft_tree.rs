//! Draft trees: guessed tokens after a matcher's position, and the mask after each of them.
//!
//! A speculative decoder guesses a tree of continuations and lets the model score all of its nodes
//! in one pass. Before it samples after a node it needs that node's mask. A node's position in the
//! graph is one step from its parent's. So a tree costs one step a node, whatever its depth, and
//! nodes at the same position share one mask. The matcher itself does not move.

use super::error::EngineError;
use super::matcher::{Matcher, Position};
use crate::vocab::{TokenId, TokenSet};
use std::sync::Arc;

/// A tree of tokens after a matcher's position, made by [`Matcher::draft_tree`] and grown by
/// [`push`](Self::push). Nodes are numbered in the order in which they are added.
///
/// It is for drafters that choose the children of a node under the node's mask. For a tree that is
/// already complete, [`Matcher::mask_draft_tree`] gives all masks in one call.
///
/// ```
/// use hedgerow::engine::Constraint;
/// use hedgerow::grammar::GrammarBuilder;
/// use hedgerow::vocab::{TokenId, Vocabulary};
///
/// let mut builder = GrammarBuilder::new();
/// let word = builder.nodes.literal(b"abab");
/// let tokens = ["a", "b", "ab"].map(|token| token.as_bytes().to_vec());
/// let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
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
    /// The position after each node; `None` for nodes that are not allowed.
    nodes: Vec<Option<Position>>,
}

impl DraftTree<'_> {
    /// Adds a node: `token` after node `parent`, or after the matcher's position for `None`. Gives
    /// true if the path to the node is allowed. A node after one that is not allowed is not allowed
    /// either. O(bytes of the token) if it was read here before.
    ///
    /// # Errors
    /// [`EngineError::DraftParent`] for a parent that was not added yet;
    /// [`EngineError::UnknownToken`]; those of [`Matcher::mask`]. Then no node is added.
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

    /// Removes all nodes but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.nodes.truncate(len);
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True if there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// True if the path to a node is allowed.
    ///
    /// # Errors
    /// [`EngineError::DraftNode`].
    pub fn is_allowed(&self, node: usize) -> Result<bool, EngineError> {
        Ok(self.position(node)?.is_some())
    }

    /// The tokens allowed after a node; `None` if the path to the node is not allowed.
    ///
    /// # Errors
    /// [`EngineError::DraftNode`], and those of [`Matcher::mask`].
    pub fn mask(&mut self, node: usize) -> Result<Option<Arc<TokenSet>>, EngineError> {
        match self.position(node)? {
            Some(position) => self.matcher.interruptible(|matcher| matcher.mask_at(position)).map(Some),
            None => Ok(None),
        }
    }

    /// Writes the tokens allowed after a node as [`Matcher::fill_mask`] does: none, if the path to
    /// the node is not allowed. Gives true if it is.
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
    /// An empty draft tree after this position.
    ///
    /// # Errors
    /// As [`mask`](Self::mask).
    pub fn draft_tree(&mut self) -> Result<DraftTree<'_>, EngineError> {
        if !self.is_stopped() {
            self.interruptible(Matcher::leave_full_graph)?;
        }
        Ok(DraftTree { root: self.position(), matcher: self, nodes: Vec::new() })
    }

    /// Fills the mask after every node of a draft tree. Node `i` is `tokens[i]` after node
    /// `parents[i]`, which comes earlier in the list, or after this position for `None`. A chain of
    /// guesses is a tree in which each node follows the one before it.
    ///
    /// Row `i` is `out[i * stride ..][.. words]` with `words = size.div_ceil(32)`. It receives the
    /// tokens allowed after the path to node `i`, as [`fill_mask`](Self::fill_mask) writes them, or
    /// zeros if the path is not allowed. Words between rows stay as they are. The mask before all
    /// nodes is that of [`fill_mask`](Self::fill_mask).
    ///
    /// Gives true for each node whose path is allowed. The matcher does not move. Once states and
    /// masks are known, the cost is one step a node and one copy of a mask a row.
    ///
    /// # Errors
    /// [`EngineError::DraftLength`], [`EngineError::DraftParent`], [`EngineError::MaskStride`],
    /// [`EngineError::MaskRows`], [`EngineError::UnknownToken`], and those of [`mask`](Self::mask).
    /// Then nothing is written.
    ///
    /// ```
    /// # use hedgerow::{engine::Constraint, grammar::GrammarBuilder, vocab::{TokenId, Vocabulary}};
    /// # let mut builder = GrammarBuilder::new();
    /// # let word = builder.nodes.literal(b"abab");
    /// # let tokens = ["a", "b", "ab"].map(|token| token.as_bytes().to_vec());
    /// # let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
    /// # let mut matcher = Constraint::new(&builder.build(word, None)?, &vocabulary)?.matcher();
    /// let [a, b, ab] = [0, 1, 2].map(TokenId);
    /// // a, then b or ab after it; and ab.
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
        // Everything that can fail is done before the first row is written.
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

/// Fails unless `rows` rows of `words` words do not overlap and lie within `out`.
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
