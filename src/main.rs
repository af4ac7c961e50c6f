//! The `hedgerow` command. It is no part of the library, so users of the library do not compile it.
//!
//! Loading libtorch takes half a second, and most subcommands have no use for it. With the feature
//! `torch`, models are therefore run by a second program beside this one, `hedgerow-torch`, which
//! `generate` becomes (`start`). It is the same command, linked with libtorch.

#![deny(unsafe_code)]
#![warn(rust_2018_idioms)]

mod cli;
#[cfg(feature = "torch")]
mod start;
#[cfg(feature = "torch")]
mod start_version;

#[cfg(feature = "torch")]
fn main() -> std::process::ExitCode {
    cli::main(Some(start::hedgerow_torch))
}

#[cfg(not(feature = "torch"))]
fn main() -> std::process::ExitCode {
    cli::main(None)
}
