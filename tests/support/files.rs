//! Files that tests read: a sample of real schemas, which is in the repository, and larger ones.
//!
//! Tests that need a larger file are ignored by default. Their modules are named after the file:
//! `needs_model`, `needs_suite`, `needs_maskbench`, `needs_lark`. `make test` fetches the files
//! that can be fetched and then runs these modules by name. A test whose file is missing fails and
//! names the file.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A real schema with instances: one line of `tests/data/schemas/real.jsonl` or of MaskBench.
pub struct Case {
    pub id: String,
    /// The schema's text, with the order of keys that its author wrote.
    pub schema: String,
    /// The texts of instances, each with the verdict that it is valid.
    pub instances: Vec<(bool, String)>,
}

fn cases(lines: impl Iterator<Item = std::io::Result<String>>) -> impl Iterator<Item = Case> {
    lines.map(|line| {
        let case: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        Case {
            id: text(&case["id"]),
            schema: text(&case["schema"]),
            instances: case["tests"]
                .as_array()
                .unwrap()
                .iter()
                .map(|test| (test["valid"].as_bool().unwrap(), text(&test["text"])))
                .collect(),
        }
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sample of real schemas in the repository: 88 cases.
pub fn sample() -> impl Iterator<Item = Case> {
    let path = root().join("tests/data/schemas/real.jsonl");
    cases(BufReader::new(std::fs::File::open(path).unwrap()).lines())
}

/// MaskBench's development cases, `maskbench/dev.jsonl.gz` in the folder `HEDGEROW_DATA`.
pub fn maskbench() -> impl Iterator<Item = Case> {
    let path = data().join("maskbench/dev.jsonl.gz");
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    cases(BufReader::new(flate2::read::GzDecoder::new(file)).lines())
}

/// The folder of large collections of schemas.
pub fn data() -> PathBuf {
    std::env::var_os("HEDGEROW_DATA").map(PathBuf::from).expect("HEDGEROW_DATA names no folder")
}

/// The official JSON-Schema-Test-Suite: the folder `HEDGEROW_SUITE`, else what `make data` fetches.
pub fn official_suite() -> PathBuf {
    if let Some(folder) = std::env::var_os("HEDGEROW_SUITE") {
        return folder.into();
    }
    expect(root().join(".deps/json-schema-test-suite"), "make data")
}

/// The demo model's file, which `make setup` fetches.
pub fn demo_model() -> PathBuf {
    let path = ".deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf";
    expect(root().join(path), "make setup")
}

/// Python with the parser generator Lark, which `make data` fetches.
pub fn python_with_lark() -> std::process::Command {
    let folder = expect(root().join(".deps/lark"), "make data");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = std::process::Command::new(python);
    command.env("PYTHONPATH", folder);
    command
}

fn expect(path: PathBuf, task: &str) -> PathBuf {
    assert!(path.exists(), "{} is not there; `{task}` fetches it", path.display());
    path
}

/// The number in an environment variable, such as how many cases a long run takes.
pub fn number(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
        Err(_) => default,
    }
}
