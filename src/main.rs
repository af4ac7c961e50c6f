//! The `hedgerow` command. It is no part of the library, whose users then neither compile nor see it.

#![deny(unsafe_code)]
#![warn(rust_2018_idioms)]

// `hedgerow-generate` uses the other part of it.
#[cfg_attr(feature = "torch", allow(dead_code))]
mod cli;

#[cfg(feature = "torch")]
use cli::generate::launch as generate;
#[cfg(not(feature = "torch"))]
use cli::generate::run as generate;

fn main() -> std::process::ExitCode {
    cli::main(generate)
}
