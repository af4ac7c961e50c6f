//! The `hedgerow` command. It is no part of the library, whose users then neither compile nor see it.

#![deny(unsafe_code)]
#![warn(rust_2018_idioms)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
