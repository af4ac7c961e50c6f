//! The summary of a terminal's state: what the state alone says about the whole vocabulary.
//!
//! For a state `q` of a terminal's automaton, a summary holds
//!
//! - *inside*: the tokens read wholly within the terminal, with `q` still alive after them;
//! - *exits*: the suffixes `v` of tokens `u·v`, both parts not empty, such that `u` completes the
//!   terminal.
//!
//! For example, at the beginning of a JSON string's text the token `abc` is inside, and the token
//! `a",` exits with the suffix `,`. Nothing about the grammar around the terminal is in a summary,
//! so it belongs to the vocabulary and is shared by all grammars.
//!
//! # Why a summary is exact
//!
//! A thread reads a token wholly inside its terminal, or it reads a first part inside and the rest
//! by what follows the terminal. In both cases nothing behind the token has to be looked at:
//! automata are trim and rules are productive, so every state that is alive can be completed. This
//! assumes that what follows a terminal does not depend on the terminal's text. Keys and items that
//! must differ break the assumption, and [`build`](super::build) tries their tokens one by one.
//!
//! # Summaries by difference
//!
//! A summary may be based on another one ([`Base`]): "any string but the keys `a` and `b`" is "any
//! string" without a few tokens and with a few others. Then only the difference is kept.

use super::suffix_trie::Suffixes;
use super::vocabulary_index::IndexedTrie;
use crate::vocab::{TokenId, TokenSet, Vocabulary};
use std::sync::{Arc, OnceLock};

/// The largest number of tokens that is kept as a list of ids and not as a set.
const MAX_SPARSE: usize = 512;

/// Tokens read wholly inside a terminal.
pub(in crate::engine) enum Inside {
    /// A few tokens, sorted.
    Sparse(Box<[TokenId]>),
    Dense(Arc<TokenSet>),
}

impl Inside {
    pub fn of(mut ids: Vec<TokenId>, size: usize) -> Self {
        if ids.len() <= MAX_SPARSE {
            ids.sort_unstable();
            Inside::Sparse(ids.into())
        } else {
            Inside::Dense(Arc::new(TokenSet::from_ids(size, ids)))
        }
    }
}

/// The part of a base summary that also belongs to the summary based on it.
pub(in crate::engine) enum BasePart {
    /// Everything except these tokens (sorted), which only the summary itself can allow.
    AllExcept(Arc<[TokenId]>),
    /// The exits, except those of these tokens (sorted).
    ExitsExcept(Arc<[TokenId]>),
    /// The exits of these tokens alone.
    ExitsOf(TokenSet),
}

/// Another summary, a part of which also belongs to this one.
pub(in crate::engine) struct Base {
    pub summary: Arc<Summary>,
    pub part: BasePart,
}

/// The tokens inside a terminal and the suffixes with which tokens leave it.
pub(in crate::engine) struct Summary {
    /// A summary to which this one adds: part of it belongs to this summary, beside the fields
    /// below.
    pub base: Option<Base>,
    pub inside: Inside,
    /// The suffixes by the label of the completed literal, where literals have labels.
    pub exits: Box<[(Option<u32>, Suffixes)]>,
    /// The tokens with an exit here, made once another summary is based on this one.
    exit_tokens: OnceLock<TokenSet>,
}

impl Summary {
    pub fn new(base: Option<Base>, inside: Inside, exits: Box<[(Option<u32>, Suffixes)]>) -> Self {
        Summary { base, inside, exits, exit_tokens: OnceLock::new() }
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        let inside = match &self.inside {
            Inside::Sparse(ids) => ids.len() * 4,
            Inside::Dense(set) => set.words().len() * 4,
        };
        let base = self.base.as_ref().map_or(0, |base| match &base.part {
            BasePart::AllExcept(ids) | BasePart::ExitsExcept(ids) => ids.len() * 4,
            BasePart::ExitsOf(set) => set.words().len() * 4,
        });
        128 + inside + base + self.exits.iter().map(|exit| 48 + exit.1.memory()).sum::<usize>()
    }

    /// True if `token` is read inside.
    pub fn has_inside(&self, token: TokenId) -> bool {
        let own = match &self.inside {
            Inside::Sparse(ids) => ids.binary_search(&token).is_ok(),
            Inside::Dense(set) => set.contains(token),
        };
        own || match &self.base {
            Some(Base { summary, part: BasePart::AllExcept(except) }) => {
                except.binary_search(&token).is_err() && summary.has_inside(token)
            }
            _ => false,
        }
    }

    /// True if `token` has an exit.
    pub fn has_exit(&self, token: TokenId, vocabulary: &Vocabulary, trie: &IndexedTrie) -> bool {
        self.own_exit_tokens(vocabulary, trie).contains(token)
            || match &self.base {
                Some(Base { summary, part: BasePart::AllExcept(except) | BasePart::ExitsExcept(except) }) => {
                    except.binary_search(&token).is_err() && summary.has_exit(token, vocabulary, trie)
                }
                Some(Base { part: BasePart::ExitsOf(of), .. }) => of.contains(token),
                None => false,
            }
    }

    /// The tokens with an exit that is not the base's.
    pub fn own_exit_tokens(&self, vocabulary: &Vocabulary, trie: &IndexedTrie) -> &TokenSet {
        self.exit_tokens.get_or_init(|| {
            let tokens = trie.trie(vocabulary);
            let mut set = TokenSet::new(vocabulary.size());
            for root in self.exits.iter().flat_map(|(_, suffixes)| suffixes.roots()) {
                set.insert_all(tokens.subtree_tokens(*root));
            }
            trie.note_growth(set.words().len() * 4);
            set
        })
    }

    /// The tokens read inside, the base's among them.
    pub fn inside_set(&self, size: usize) -> TokenSet {
        let mut set = match &self.base {
            Some(Base { summary, part: BasePart::AllExcept(except) }) => {
                let mut set = summary.inside_set(size);
                set.remove_all(except);
                set
            }
            _ => TokenSet::new(size),
        };
        match &self.inside {
            Inside::Sparse(ids) => set.insert_all(ids),
            Inside::Dense(dense) => set.union_with(dense),
        }
        set
    }
}
