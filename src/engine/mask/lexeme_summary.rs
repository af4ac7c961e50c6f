//! Summaries of the lexemes of a lexed grammar: the suffixes of tokens that they read, and those
//! with which tokens leave them. [`lexemes`](super::lexemes) finds and explains them.

use super::summary::Inside;
use crate::automata::{ByteSet, LangId};
use crate::engine::recogniser::continuation::ContId;
use crate::grammar::lexed::Beginnings;
use crate::vocab::{TokenId, TokenSet, TokenTrie};
use hashbrown::HashMap;
use std::sync::Arc;

/// The largest size of what is kept about positions.
const MAX_POSITION_BYTES: usize = 4 << 20;

/// A set of suffixes of tokens, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SuffixesId(pub u32);

impl SuffixesId {
    /// All tokens, as suffixes of themselves.
    pub const WHOLE: SuffixesId = SuffixesId(0);
}

/// The tokens inside a lexeme and the suffixes with which tokens leave it.
pub(super) struct LexemeSummary {
    /// A slice of the vocabulary that is inside.
    pub slice: Option<Arc<TokenSet>>,
    /// The other tokens inside.
    pub inside: Inside,
    /// The suffixes behind the ends, by obligation.
    pub exits: Box<[(LangId, SuffixesId)]>,
}

impl LexemeSummary {
    pub fn is_empty(&self) -> bool {
        self.slice.is_none()
            && self.exits.is_empty()
            && matches!(&self.inside, Inside::Sparse(ids) if ids.is_empty())
    }
}

/// The summaries found for one graph.
pub(in crate::engine) struct LexemeSummaries {
    /// The nodes of the vocabulary's trie with which the suffixes of each set begin, and the bytes
    /// of these nodes.
    pub(super) suffixes: Vec<(Arc<[u32]>, ByteSet)>,
    pub(super) numbers: HashMap<Arc<[u32]>, SuffixesId>,
    pub(super) summaries: HashMap<(LangId, SuffixesId), Arc<LexemeSummary>>,
    /// The lexemes that read some of the suffixes, by the lexer's state, the obligation and the set
    /// of suffixes.
    pub(super) readers: HashMap<(u32, LangId, SuffixesId), Beginnings>,
    /// The tokens read from each position; `None` if there is none.
    pub(super) positions: HashMap<Position, Option<Arc<PositionTokens>>>,
    pub(super) bytes: usize,
    /// Bytes of `positions`.
    pub(super) position_bytes: usize,
}

/// A position between two lexemes: the parser's stack, the obligation, and the suffixes of tokens
/// that are still to be read.
pub(super) type Position = (ContId, LangId, SuffixesId);

/// The reading of tokens from a position: by its own lexemes, and behind them.
pub(super) struct PositionTokens {
    /// The tokens that end in a lexeme which begins here.
    pub tokens: Box<[TokenId]>,
    pub sets: Box<[Arc<TokenSet>]>,
    /// The positions behind these lexemes from which tokens are read.
    pub behind: Box<[Position]>,
}

impl LexemeSummaries {
    pub fn new() -> Self {
        LexemeSummaries {
            suffixes: Vec::new(),
            numbers: HashMap::new(),
            summaries: HashMap::new(),
            readers: HashMap::new(),
            positions: HashMap::new(),
            bytes: 0,
            position_bytes: 0,
        }
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.bytes + self.position_bytes
    }

    /// Forgets the tokens read from positions, if they take much memory. There is no end to the
    /// parser's stacks, and one of long ago seldom comes again.
    pub fn forget_positions(&mut self) {
        if self.position_bytes > MAX_POSITION_BYTES {
            self.positions.clear();
            self.position_bytes = 0;
        }
    }

    /// The number of a set of suffixes. The nodes are sorted.
    pub fn number(&mut self, trie: &TokenTrie, roots: Vec<u32>) -> SuffixesId {
        let roots: Arc<[u32]> = roots.into();
        if let Some(&known) = self.numbers.get(&roots) {
            return known;
        }
        let number = SuffixesId(self.suffixes.len() as u32);
        self.bytes += roots.len() * 4 + 96;
        let mut bytes = ByteSet::EMPTY;
        roots.iter().for_each(|&root| bytes.insert(trie.byte(root)));
        self.suffixes.push((roots.clone(), bytes));
        self.numbers.insert(roots, number);
        number
    }
}
