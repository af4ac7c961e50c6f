//! Tests of the `hedgerow` command as a black box.
#![cfg(feature = "cli")]

mod commands;
#[cfg(feature = "torch")]
mod failures;
#[cfg(feature = "torch")]
mod generation;
#[cfg(feature = "torch")]
mod needs_model;
mod options;
#[cfg(feature = "torch")]
mod parameters;
mod program;
#[cfg(feature = "torch")]
mod random_model;
#[cfg(feature = "torch")]
#[path = "../support/small_model.rs"]
mod small_model;
