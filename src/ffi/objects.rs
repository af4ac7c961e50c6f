//! The functions that every object of the C interface has: one row for each object that is freed,
//! shared or cloned.
//!
//! The generator of the header (`tests/header/`) reads these rows, too, and declares each function
//! after the other functions of its object.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, Poisonable, Stateful};
use super::cache::hr_cache;
use super::cancel_flag::hr_cancel_flag;
use super::constraint::hr_constraint;
use super::detokenizer::{DetokenizerState, hr_detokenizer};
use super::error::hr_error;
use super::events::{EventReaderState, hr_events};
#[cfg(feature = "torch")]
use super::generation::hr_generation;
use super::grammar::hr_grammar;
use super::matcher::hr_matcher;
#[cfg(feature = "torch")]
use super::model::{hr_draft_heads, hr_model};
use super::parameters::hr_parameters;
use super::sampler::hr_sampler;
use super::status::hr_status;
use super::token_fsm::hr_token_fsm;
#[cfg(feature = "tokenizers")]
use super::tokenizer::hr_tokenizer;
use super::vocab::hr_vocab;
use crate::engine::Matcher;
use crate::sampling::Sampler;

/// Declares functions that copy an object whose state changes.
macro_rules! clone {
    ($($(#[$attribute:meta])* $function:ident($name:ident: $object:ident of $state:ty);)+) => { $(
        impl Stateful<$state> for $object {
            const NAME: &'static str = stringify!($name);

            fn state(&mut self) -> &mut Poisonable<$state> {
                &mut self.0
            }
        }

        $(#[$attribute])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $function(
            $name: *const $object,
            out: *mut *mut $object,
            error: *mut *mut hr_error,
        ) -> hr_status {
            let copy = || unsafe {
                let state = boundary::object($name, stringify!($name))?.0.get()?.clone();
                Ok($object(Poisonable::new(state)))
            };
            unsafe { boundary::create_object(out, error, copy) }
        }
    )+ };
}

/// Declares functions that give a second handle to an object that does not change.
macro_rules! share {
    ($($(#[$attribute:meta])* $function:ident($name:ident: $object:ident);)+) => { $(
        $(#[$attribute])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $function($name: *const $object) -> *mut $object {
            boundary::return_new_object(|| unsafe { $name.as_ref() }.cloned())
        }
    )+ };
}

/// Declares functions that free an object.
macro_rules! free {
    ($($(#[$attribute:meta])* $function:ident($name:ident: $object:ident);)+) => { $(
        $(#[$attribute])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $function($name: *mut $object) {
            unsafe { boundary::free($name) }
        }
    )+ };
}

clone! {
    /// A second detokenizer with the same text. The two then read independently.
    hr_detokenizer_clone(detokenizer: hr_detokenizer of DetokenizerState);
    /// A second matcher at the same position, with the same history. The two then move
    /// independently.
    hr_matcher_clone(matcher: hr_matcher of Matcher);
    /// A second reader at the same position, with the same events.
    hr_events_clone(events: hr_events of EventReaderState);
    /// A second sampler with the same parameters and history. The two then change independently.
    hr_sampler_clone(sampler: hr_sampler of Sampler);
}

share! {
    /// A second handle to the same vocabulary. It copies nothing; NULL for NULL.
    hr_vocab_clone(vocab: hr_vocab);
    /// A second handle to the same flag; NULL for NULL.
    hr_cancel_flag_clone(flag: hr_cancel_flag);
    /// A second handle to the same grammar. It copies nothing; NULL for NULL.
    hr_grammar_clone(grammar: hr_grammar);
    /// A second handle to the same constraint. It copies nothing; NULL for NULL.
    hr_constraint_clone(constraint: hr_constraint);
}

free! {
    /// Frees an error. NULL is allowed.
    hr_error_free(error: hr_error);
    /// Frees a vocabulary. NULL is allowed.
    hr_vocab_free(vocab: hr_vocab);
    /// Frees a detokenizer. NULL is allowed.
    hr_detokenizer_free(detokenizer: hr_detokenizer);
    /// Frees a flag. NULL is allowed.
    hr_cancel_flag_free(flag: hr_cancel_flag);
    /// Frees a grammar. NULL is allowed.
    hr_grammar_free(grammar: hr_grammar);
    /// Frees a constraint. NULL is allowed.
    hr_constraint_free(constraint: hr_constraint);
    /// Frees a cache. NULL is allowed.
    hr_cache_free(cache: hr_cache);
    /// Frees a matcher. NULL is allowed.
    hr_matcher_free(matcher: hr_matcher);
    /// Frees a reader. NULL is allowed.
    hr_events_free(events: hr_events);
    /// Frees a state machine. NULL is allowed.
    hr_token_fsm_free(fsm: hr_token_fsm);
    /// Frees a sampler. NULL is allowed.
    hr_sampler_free(sampler: hr_sampler);
    /// Frees parameters. NULL is allowed.
    hr_parameters_free(parameters: hr_parameters);
}

#[cfg(feature = "tokenizers")]
free! {
    /// Frees a tokenizer. NULL is allowed.
    hr_tokenizer_free(tokenizer: hr_tokenizer);
}

#[cfg(feature = "torch")]
free! {
    /// Frees a model. NULL is allowed.
    hr_model_free(model: hr_model);
    /// Frees draft heads. NULL is allowed.
    hr_draft_heads_free(heads: hr_draft_heads);
    /// Frees a generation. NULL is allowed.
    hr_generation_free(generation: hr_generation);
}
