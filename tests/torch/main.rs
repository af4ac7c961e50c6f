//! Tests of models on libtorch.
#![cfg(feature = "torch")]

#[path = "../support/small_model.rs"]
mod small_model;
#[path = "../support/mod.rs"]
mod support;

mod devices;
mod files;
mod reference;
mod soundness;
mod strategies;
