//! Summaries of the lexemes of a lexed grammar: the suffixes of tokens that they read, and those
//! with which tokens leave them. [`lexemes`](super::lexemes) finds and explains them.

use super::data::MaskData;
use super::summary::Inside;
use crate::automata::{ByteSet, LangId};
use crate::engine::recogniser::continuation::ContId;
use crate::engine::recogniser::cut::{ByTop, Successes};
use crate::engine::recogniser::interner::SliceInterner;
use crate::engine::recogniser::state::Thread;
use crate::grammar::lexed::Beginnings;
use crate::vocab::{TokenId, TokenSet, TokenTrie};
use hashbrown::HashMap;
use std::sync::Arc;

/// The largest size of what is kept about positions.
const MAX_POSITION_BYTES: usize = 16 << 20;

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
    /// The nodes of the vocabulary's trie with which the suffixes of each set begin, sorted by
    /// their bytes, and these bytes.
    pub(super) suffixes: Vec<(Arc<[u32]>, ByteSet)>,
    pub(super) numbers: HashMap<Arc<[u32]>, SuffixesId>,
    pub(super) summaries: HashMap<(LangId, SuffixesId), Arc<LexemeSummary>>,
    /// The lexemes that read some of the suffixes, by the lexer's state, the obligation and the set
    /// of suffixes.
    pub(super) readers: HashMap<(u32, LangId, SuffixesId), Beginnings>,
    /// The lexemes with all tokens before them that threads on cut stacks read.
    pub(super) threads: SliceInterner<Thread>,
    /// The tokens that these threads read.
    pub(super) by_threads: Vec<ByTop<Arc<ReadTokens>>>,
    /// The tokens read from each position by its own lexemes; `None` if they depend on the stack
    /// below a cut.
    pub(super) positions: HashMap<Position, Option<Arc<PositionTokens>>>,
    /// All tokens read from each position on a cut stack.
    pub(super) by_position: HashMap<Position, ByTop<Arc<ReadTokens>>>,
    pub(super) thread_successes: Successes,
    pub(super) position_successes: Successes,
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

/// All tokens that are read from some threads or positions on cut stacks.
pub(super) struct ReadTokens {
    pub tokens: MaskData,
    /// The positions whose tokens depend on the stacks below the cuts.
    pub left: Box<[Position]>,
}

impl LexemeSummaries {
    pub fn new() -> Self {
        LexemeSummaries {
            suffixes: Vec::new(),
            numbers: HashMap::new(),
            summaries: HashMap::new(),
            readers: HashMap::new(),
            threads: SliceInterner::new(),
            by_threads: Vec::new(),
            positions: HashMap::new(),
            by_position: HashMap::new(),
            thread_successes: Successes::default(),
            position_successes: Successes::default(),
            bytes: 0,
            position_bytes: 0,
        }
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        let by_threads = self.by_threads.capacity() * std::mem::size_of::<ByTop<Arc<ReadTokens>>>();
        self.bytes + self.position_bytes + self.threads.memory() + by_threads
    }

    /// Forgets the tokens read from positions, if they take much memory. There is no end to the
    /// parser's stacks, and one of long ago seldom comes again.
    pub fn forget_positions(&mut self) {
        if self.position_bytes + self.threads.memory() > MAX_POSITION_BYTES {
            self.positions.clear();
            self.by_position.clear();
            self.threads = SliceInterner::new();
            self.by_threads.clear();
            self.position_bytes = 0;
        }
    }

    /// The number of a set of suffixes, by the nodes with which they begin.
    pub fn number(&mut self, trie: &TokenTrie, mut roots: Vec<u32>) -> SuffixesId {
        roots.sort_unstable_by_key(|&root| (trie.byte(root), root));
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
