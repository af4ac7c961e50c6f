//! The `hedgerow` command. It is no part of the library, so users of the library do not compile it.

#![deny(unsafe_code)]
#![warn(rust_2018_idioms)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
