//! Constraints: `hr_constraint`, a grammar tied to a vocabulary.
//!
//! What matchers find out about the grammar is kept here and shared by all of them, so that the second sequence under the same
//! constraint costs less than the first. It is therefore an object of its own, between grammar and matcher.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, Failure};
use super::error::hr_error;
use super::grammar::hr_grammar;
use super::interrupt::{self, hr_interrupt};
use super::options::{self, Versioned};
use super::status::hr_status;
use super::vocab::hr_vocab;
use crate::engine::{Constraint, EngineError, Limits};
use crate::grammar::GrammarError;

/// A grammar tied to a vocabulary, from which matchers are made. Made by hr_constraint_new(), freed by hr_constraint_free().
///
/// Any number of threads may use it at once. It keeps what it needs of grammar and vocabulary alive, and matchers keep it alive:
/// they may be freed in any order. Keep one for as long as more sequences may come: it remembers what earlier ones have
/// found out.
pub struct hr_constraint(pub(super) Constraint);

/// Bounds on the work and memory of one constraint. Set it up with hr_limits_init().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_limits {
    /// Set by hr_limits_init().
    pub struct_size: usize,
    /// Memory for what is remembered, in bytes, about; past it, it is dropped and found out anew. Default 64 MiB.
    pub graph_bytes: usize,
    /// How ambiguous the grammar may be at one position. Default 100,000.
    pub state_threads: usize,
    /// States explored to decide whether intersections and complements have a word. Default 100,000.
    pub search_states: u64,
    /// Nodes a grammar may have, those expanded later included. Default 4,000,000.
    pub nodes: usize,
}

// Numbers.
unsafe impl Versioned for hr_limits {
    fn defaults() -> Self {
        let limits = Limits::default();
        hr_limits {
            struct_size: size_of::<Self>(),
            graph_bytes: limits.graph_bytes,
            state_threads: limits.state_threads,
            search_states: limits.search_states,
            nodes: limits.nodes,
        }
    }
}

impl hr_limits {
    fn to_limits(self) -> Limits {
        Limits::default()
            .graph_bytes(self.graph_bytes)
            .state_threads(self.state_threads)
            .search_states(self.search_states)
            .nodes(self.nodes)
    }
}

impl From<GrammarError> for Failure {
    fn from(error: GrammarError) -> Self {
        let status = match error {
            GrammarError::Limit { .. } => hr_status::HR_ERROR_LIMIT,
            GrammarError::Interrupted(why) => return why.into(),
            _ => hr_status::HR_ERROR_GRAMMAR,
        };
        Failure::of(status, &error)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        use hr_status::*;
        let status = match error {
            EngineError::Grammar(error) => return error.into(),
            EngineError::UnknownSpecialToken(_) | EngineError::Unspellable => HR_ERROR_GRAMMAR,
            EngineError::EmptyVocabulary => HR_ERROR_VOCABULARY,
            EngineError::MaskLength { .. }
            | EngineError::MaskRows { .. }
            | EngineError::MaskStride { .. }
            | EngineError::DraftLength { .. }
            | EngineError::DraftParent { .. }
            | EngineError::DraftNode { .. }
            | EngineError::TokenFsmState { .. }
            | EngineError::TokenFsmBytes { .. }
            | EngineError::UnknownToken { .. }
            | EngineError::Rollback { .. } => HR_ERROR_INVALID_ARGUMENT,
            EngineError::TokenFsmStates { .. } | EngineError::Limit { .. } | EngineError::Deadline => {
                HR_ERROR_LIMIT
            }
            EngineError::Cancelled => HR_ERROR_CANCELLED,
        };
        Failure::of(status, &error)
    }
}

/// Figures about a constraint. All but the last two are of what is remembered now.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_constraint_stats {
    /// States found so far.
    pub states: usize,
    /// Transitions found so far.
    pub transitions: usize,
    /// States of terminals whose summaries over the vocabulary are used.
    pub summaries: usize,
    /// Expressions in the pool of regular languages.
    pub languages: usize,
    /// Nodes of the grammar, those expanded so far included.
    pub nodes: usize,
    /// About how many bytes are used.
    pub bytes: usize,
    /// How often what was remembered was dropped for want of memory.
    pub rebuilds: usize,
    /// Masks that matchers asked for. Counted in when a matcher is reset or freed.
    pub masks: u64,
    /// Those of them that were known.
    pub mask_hits: u64,
}

/// Sets limits to the defaults. NULL is ignored.
#[no_mangle]
pub unsafe extern "C" fn hr_limits_init(limits: *mut hr_limits) {
    unsafe { options::init(limits) }
}

/// Ties a grammar to a vocabulary. limits may be NULL for the defaults; interrupt may be NULL, and holds for this call alone.
///
/// Fails if the vocabulary cannot spell any output of the grammar, or lacks a special token that the grammar names.
#[no_mangle]
pub unsafe extern "C" fn hr_constraint_new(
    grammar: *const hr_grammar,
    vocab: *const hr_vocab,
    limits: *const hr_limits,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_constraint,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let out = boundary::out(out, "out")?;
        let grammar = boundary::object(grammar, "grammar")?;
        let vocab = boundary::object(vocab, "vocab")?;
        let limits = options::read(limits, "limits")?.to_limits();
        let interrupt = interrupt::read(interrupt)?;
        let constraint = interrupt.scope(|| Constraint::with_limits(&grammar.0, &vocab.0, limits))??;
        out.object(hr_constraint(constraint));
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// A second handle to the same constraint. Copies nothing; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_constraint_clone(constraint: *const hr_constraint) -> *mut hr_constraint {
    boundary::value(std::ptr::null_mut(), || {
        let constraint = unsafe { constraint.as_ref() }?;
        Some(Box::into_raw(Box::new(hr_constraint(constraint.0.clone()))))
    })
}

/// Frees a constraint. NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn hr_constraint_free(constraint: *mut hr_constraint) {
    unsafe { boundary::free(constraint) }
}

/// Figures about a constraint, for tuning.
#[no_mangle]
pub unsafe extern "C" fn hr_constraint_get_stats(
    constraint: *const hr_constraint,
    stats: *mut hr_constraint_stats,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let out = boundary::out(stats, "stats")?;
        let stats = boundary::object(constraint, "constraint")?.0.stats();
        out.set(hr_constraint_stats {
            states: stats.states,
            transitions: stats.transitions,
            summaries: stats.summaries,
            languages: stats.languages,
            nodes: stats.nodes,
            bytes: stats.bytes,
            rebuilds: stats.rebuilds as usize,
            masks: stats.masks,
            mask_hits: stats.mask_hits,
        });
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// A handle to the constraint's vocabulary, to be freed by the caller; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_constraint_vocab(constraint: *const hr_constraint) -> *mut hr_vocab {
    boundary::value(std::ptr::null_mut(), || {
        let constraint = unsafe { constraint.as_ref() }?;
        Some(Box::into_raw(Box::new(hr_vocab(constraint.0.vocabulary().clone()))))
    })
}
