//! The command as a process.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The `hedgerow` command, in the folder of test data.
pub fn hedgerow() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hedgerow"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cli"));
    command
}

/// The answer of a run of the command.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The objects of `--json`.
    #[cfg(feature = "torch")]
    pub fn lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The answer of a command that reads `input`.
    pub fn after(command: &mut Command, input: &str) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that refuses its options does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Self::of(child.wait_with_output().unwrap())
    }
}
