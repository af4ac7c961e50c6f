//! Token masks: the tokens that may come next in a state.
//!
//! # The idea
//!
//! A mask is the union of what the threads of a state allow. Most of what a thread allows depends
//! on the state of its terminal alone: the tokens read wholly inside the terminal, and the suffixes
//! with which tokens leave it. This is the terminal's *summary*. It is found once for a vocabulary
//! and shared by all grammars. The continuation of the thread then has to read only the suffixes.
//! For example, within a JSON string nearly all tokens are inside. The exits are the suffixes
//! behind a closing quote, of which the continuation can read only a few.
//!
//! # The parts, from the bottom up
//!
//! - [`data`]: how a mask is stored, and the union of the parts of a mask.
//! - [`vocabulary_index`]: what is known about a vocabulary's tries; slices.
//! - [`suffix_trie`]: suffixes, merged. [`summary`]: the summary of a terminal's state.
//! - [`subtree_walk`]: the frame of every walk over a trie.
//! - [`dense_rows`], [`trie_walk`]: finding a summary by a walk over the trie.
//! - [`difference`]: finding a summary by its difference to another one.
//! - [`summaries`]: choosing between the two, and sharing among grammars.
//! - [`always_read`]: the characters that a state reads in any order.
//! - [`build`]: from summaries to the mask of a state.
//! - [`lexeme_summary`], [`lexemes`]: the same for grammars with a lexer and a parser.
//!
//! Each file argues why its part is exact.

mod always_read;
pub(super) mod build;
pub(super) mod data;
mod dense_rows;
mod difference;
mod lexeme_summary;
mod lexemes;
mod subtree_walk;
mod suffix_trie;
pub(super) mod summaries;
mod summary;
mod trie_walk;
mod vocabulary_index;
