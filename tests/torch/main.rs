//! Tests of models on libtorch.
#![cfg(feature = "torch")]

#[path = "../support/mod.rs"]
mod support;

mod devices;
mod files;
mod reference;
mod small;
mod soundness;
mod strategies;
