//! Tests of the `hedgerow` command as a black box.
#![cfg(feature = "cli")]

mod commands;
#[cfg(feature = "torch")]
mod needs_model;
mod options;
