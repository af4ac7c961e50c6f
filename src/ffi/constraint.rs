//! Constraints: `hr_constraint`, a grammar tied to a vocabulary.
//!
//! Matchers keep the states and masks that they compute in their constraint, and share them. The
//! second sequence under a constraint therefore costs less than the first.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::error::hr_error;
use super::grammar::hr_grammar;
use super::interrupt::{self, hr_interrupt};
use super::options::{self, Versioned};
use super::status::hr_status;
use super::vocab::hr_vocab;
use crate::engine::{Constraint, EngineError, Limits, Stats};
use crate::grammar::GrammarError;

/// A grammar tied to a vocabulary, from which matchers are made. Made by hr_constraint_new(), freed
/// by hr_constraint_free().
///
/// Any number of threads may use it at once. It keeps the parts of grammar and vocabulary that it
/// needs alive, and matchers keep it alive: they may be freed in any order. Keep a constraint for
/// as long as more sequences may come, because it remembers the masks that earlier ones computed.
#[derive(Clone)]
pub struct hr_constraint(pub(super) Constraint);

/// Bounds on the work and memory of one constraint. A call that would exceed a bound fails with
/// HR_ERROR_LIMIT; for graph_bytes, only a call that alone adds more bytes than that. Initialise it
/// with hr_limits_init().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_limits {
    /// Set by hr_limits_init().
    pub struct_size: usize,
    /// Approximate number of bytes of states and masks to remember. If they take more, they are
    /// dropped, and computed again when needed. Default 64 MiB.
    pub graph_bytes: usize,
    /// Largest number of ways to read the output at one position. Default 100,000.
    pub state_threads: usize,
    /// Largest number of states that are searched to decide whether an intersection or a complement
    /// of languages is empty. Default 100,000.
    pub search_states: u64,
    /// Largest number of nodes of the grammar, including those expanded later. Default 4,000,000.
    pub nodes: usize,
}

// The members are numbers.
unsafe impl Versioned for hr_limits {
    fn set_defaults(&mut self) {
        let limits = Limits::default();
        self.graph_bytes = limits.graph_bytes;
        self.state_threads = limits.state_threads;
        self.search_states = limits.search_states;
        self.nodes = limits.nodes;
    }
}

impl hr_limits {
    /// The library's limits.
    fn to_limits(self) -> Limits {
        Limits::default()
            .graph_bytes(self.graph_bytes)
            .state_threads(self.state_threads)
            .search_states(self.search_states)
            .nodes(self.nodes)
    }
}

impl From<GrammarError> for CallError {
    fn from(error: GrammarError) -> Self {
        let status = match error {
            GrammarError::Limit { .. } => hr_status::HR_ERROR_LIMIT,
            GrammarError::Interrupted(why) => return why.into(),
            GrammarError::Expansion(error) => return error.into(),
            _ => hr_status::HR_ERROR_GRAMMAR,
        };
        CallError::from_error(status, &error)
    }
}

impl From<EngineError> for CallError {
    fn from(error: EngineError) -> Self {
        use hr_status::*;
        let status = match error {
            EngineError::Grammar(error) => return error.into(),
            EngineError::UnknownSpecialToken(_)
            | EngineError::PartialCharacter(_)
            | EngineError::Unspellable
            | EngineError::Ambiguous { .. } => HR_ERROR_GRAMMAR,
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
            EngineError::TokenFsmStates { .. }
            | EngineError::Limit { .. }
            | EngineError::AmbiguousText { .. }
            | EngineError::Deadline => HR_ERROR_LIMIT,
            EngineError::Cancelled => HR_ERROR_CANCELLED,
        };
        CallError::from_error(status, &error)
    }
}

/// Statistics of a constraint. All but the last three members describe the states and masks that
/// are remembered now. Initialise it with hr_constraint_stats_init().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_constraint_stats {
    /// Set by hr_constraint_stats_init().
    pub struct_size: usize,
    /// States found so far.
    pub states: usize,
    /// Transitions found so far.
    pub transitions: usize,
    /// States of terminals for which a summary over the vocabulary is used.
    pub summaries: usize,
    /// Expressions in the pool of regular languages.
    pub languages: usize,
    /// Nodes of the grammar, including those expanded so far.
    pub nodes: usize,
    /// Approximate number of bytes used.
    pub bytes: usize,
    /// Number of times that states and masks were dropped because they exceeded graph_bytes.
    pub rebuilds: usize,
    /// Masks that matchers asked for. A matcher's masks are added when it is reset or freed.
    pub masks: u64,
    /// Masks among these that were remembered already.
    pub mask_hits: u64,
}

// The members are numbers.
unsafe impl Versioned for hr_constraint_stats {}

impl From<Stats> for hr_constraint_stats {
    fn from(found: Stats) -> Self {
        hr_constraint_stats {
            struct_size: 0,
            states: found.states,
            transitions: found.transitions,
            summaries: found.summaries,
            languages: found.languages,
            nodes: found.nodes,
            bytes: found.bytes,
            rebuilds: found.rebuilds as usize,
            masks: found.masks,
            mask_hits: found.mask_hits,
        }
    }
}

/// Writes zeros into a struct of struct_size bytes; NULL is ignored. hr_constraint_stats_init()
/// passes the size that the struct has in this header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_constraint_stats_init_sized(stats: *mut hr_constraint_stats, struct_size: usize) {
    unsafe { options::init(stats, struct_size) }
}

/// Writes the defaults into a struct of struct_size bytes; NULL is ignored. hr_limits_init() passes
/// the size that the struct has in this header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_limits_init_sized(limits: *mut hr_limits, struct_size: usize) {
    unsafe { options::init(limits, struct_size) }
}

/// Ties a grammar to a vocabulary. limits may be NULL for the defaults. interrupt may be NULL; it
/// ends this call only, not those of matchers of the constraint.
///
/// The output ends with the vocabulary's end-of-sequence tokens. For other end tokens, such as the
/// stop tokens of one request, give a vocabulary made by hr_vocab_with_eos(): it shares the tokens
/// and costs little.
///
/// Fails if the vocabulary cannot spell any output of the grammar, or lacks a special token that
/// the grammar names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_constraint_new(
    grammar: *const hr_grammar,
    vocab: *const hr_vocab,
    limits: *const hr_limits,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_constraint,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let grammar = boundary::object(grammar, "grammar")?;
        let vocab = boundary::object(vocab, "vocab")?;
        let limits = options::read(limits, "limits")?.to_limits();
        let compile = || Constraint::with_limits(&grammar.grammar, &vocab.0, limits);
        Ok(hr_constraint(interrupt::read(interrupt)?.scope(compile)??))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Writes the statistics of a constraint into a struct that hr_constraint_stats_init() initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_constraint_get_stats(
    constraint: *const hr_constraint,
    stats: *mut hr_constraint_stats,
    error: *mut *mut hr_error,
) -> hr_status {
    let results = || unsafe { Ok(boundary::object(constraint, "constraint")?.0.stats().into()) };
    unsafe { options::write_results(stats, "stats", error, results) }
}

/// A handle to the constraint's vocabulary, to be freed by the caller; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_constraint_vocab(constraint: *const hr_constraint) -> *mut hr_vocab {
    boundary::return_new_object(|| Some(hr_vocab(unsafe { constraint.as_ref() }?.0.vocabulary().clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_statuses() {
        use hr_status::*;
        let table = [
            (EngineError::AmbiguousText { limit: 1 }, HR_ERROR_LIMIT),
            (EngineError::Limit { what: "states", limit: 1, field: "graph_bytes" }, HR_ERROR_LIMIT),
            (EngineError::Ambiguous { limit: 1 }, HR_ERROR_GRAMMAR),
            (EngineError::EmptyVocabulary, HR_ERROR_VOCABULARY),
            (EngineError::Rollback { asked: 2, available: 1 }, HR_ERROR_INVALID_ARGUMENT),
        ];
        for (error, status) in table {
            assert_eq!(CallError::from(error).status, status);
        }
    }
}
