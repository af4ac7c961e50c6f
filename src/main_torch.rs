//! `hedgerow-torch`: the `hedgerow` command with libtorch, which `hedgerow generate` starts.

#![deny(unsafe_code)]
#![warn(rust_2018_idioms)]

mod cli;
mod start_version;

use std::io::Write;

fn main() -> std::process::ExitCode {
    if let Some(refusal) = refusal() {
        let _ = writeln!(std::io::stderr(), "error: {refusal}");
        return std::process::ExitCode::FAILURE;
    }
    cli::main(None)
}

/// An explanation if another version of `hedgerow` started this program.
fn refusal() -> Option<String> {
    let starter = std::env::var(start_version::VARIABLE).ok()?;
    (starter != start_version::OWN).then(|| {
        format!(
            "this `hedgerow-torch` is of version {}, and the `hedgerow` that started it of {starter}; \
             install both at once: `cargo install --path . --features torch,cli`",
            start_version::OWN
        )
    })
}
