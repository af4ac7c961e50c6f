//! `hedgerow-torch`: the `hedgerow` command with libtorch, which `hedgerow generate` starts.

#![deny(unsafe_code)]
#![warn(rust_2018_idioms)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main(|| Ok(None))
}
