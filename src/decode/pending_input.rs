//! The tokens of one output that its model reads next, with the cache of those it has read.

use super::draft::DraftToken;
use super::dyn_model::DynCache;
use crate::vocab::TokenId;

/// The cache of an output, and the tokens that the next forward passes read.
pub(crate) struct PendingInput<C> {
    /// The tokens that the model has read; `None` until the prompt, which all outputs share, has
    /// been read.
    pub cache: Option<C>,
    /// The tokens to read next, drafts at the end included.
    pub tokens: Vec<TokenId>,
    /// The draft tokens, which are the last of the pending tokens.
    pub drafts: Vec<DraftToken>,
    /// The parents of pending tokens, if drafts branch: as
    /// [`TreeInput::parents`](super::TreeInput::parents).
    pub parents: Vec<Option<usize>>,
    /// The hidden state of the last token read, for draft heads.
    pub hidden: Option<Vec<f32>>,
    /// The draft model's cache.
    pub draft_cache: Option<DraftCache>,
}

/// The tokens of a sequence that a draft model has read, with its cache.
pub(crate) struct DraftCache {
    pub cache: DynCache,
    pub read: Vec<TokenId>,
}

impl<C> PendingInput<C> {
    /// These tokens, none of which has been read.
    pub fn new(tokens: Vec<TokenId>) -> Self {
        Self { cache: None, tokens, drafts: Vec::new(), parents: Vec::new(), hidden: None, draft_cache: None }
    }

    /// Adds drafts to the pending tokens.
    pub fn push_draft(&mut self, drafts: Vec<DraftToken>) {
        let certain = self.tokens.len();
        let branches = drafts.iter().enumerate().any(|(at, draft)| draft.parent != at.checked_sub(1));
        self.parents = match branches {
            true => drafts.iter().map(|draft| draft.parent.map(|parent| certain + parent)).collect(),
            false => Vec::new(),
        };
        // A draft without a parent follows the last certain token.
        for parent in &mut self.parents {
            *parent = parent.or(certain.checked_sub(1));
        }
        self.tokens.extend(drafts.iter().map(|draft| draft.token));
        self.drafts = drafts;
    }
}
