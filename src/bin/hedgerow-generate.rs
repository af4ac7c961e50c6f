//! The part of the `hedgerow` command that runs models, which `hedgerow generate` starts.
//!
//! It is a program of its own because the system loads libtorch (half a second) with every program
//! that is linked to it, also for `hedgerow check` and `hedgerow --version`.

#![deny(unsafe_code)]
#![warn(rust_2018_idioms)]

// `hedgerow` uses the other part of it.
#[allow(dead_code)]
#[path = "../cli/mod.rs"]
mod cli;

fn main() -> std::process::ExitCode {
    cli::main(cli::generate::run)
}
