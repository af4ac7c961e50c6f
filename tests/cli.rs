//! The `hedgerow` command as a black box: exit codes, stdout and stderr, as snapshots.
#![cfg(feature = "cli")]

use std::io::Write;
use std::process::{Command, Stdio};

/// Runs the command in the folder of test data and writes down all that it answers.
fn answer(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hedgerow"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cli"))
        .env_remove("COLUMNS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let quoted: Vec<_> = arguments
        .iter()
        .map(|a| if a.contains([' ', '"', '[']) { format!("'{a}'") } else { a.to_string() })
        .collect();
    format!(
        "$ hedgerow {}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        quoted.join(" "),
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap()
    )
}

#[track_caller]
fn check(name: &str, runs: &[&[&str]]) {
    let answers: Vec<_> = runs.iter().map(|arguments| answer(arguments, "")).collect();
    insta::assert_snapshot!(name, answers.join("\n"));
}

#[test]
fn help() {
    check("help", &[&["--help"]]);
    check("help_check", &[&["check", "--help"]]);
    check("help_mask", &[&["mask", "--help"]]);
    check("help_generate", &[&["generate", "--help"]]);
}

#[test]
fn checks() {
    let person: &[&str] = &["check", "--schema", "person.schema.json"];
    let with = |more: &[&'static str]| [person, more].concat();
    check(
        "check",
        &[
            person,
            &with(&["--instance", "ada.json"]),
            &with(&["--instance", "ada.json", "--whitespace", "compact"]),
            &with(&["--instance", "negative.json"]),
            &with(&["--instance", "other-order.json"]),
            &with(&["--instance", "other-order.json", "--key-order", "any"]),
            &with(&["--instance", "cut.json"]),
        ],
    );
    let explain = |more: &[&'static str]| with(&[&["--explain", "--instance"], more].concat());
    check(
        "explain",
        &[
            &explain(&["negative.json"]),
            &explain(&["negative.json", "--vocab", "tokenizer.json"]),
            &explain(&["other-order.json"]),
            &explain(&["ada.json", "--whitespace", "compact", "--escapes", "minimal"]),
            &explain(&["cut.json", "--vocab", "tokenizer.json"]),
            &with(&["--explain"]),
        ],
    );
    let piped = answer(&with(&["--instance", "-"]), r#"{"name": 3}"#);
    insta::assert_snapshot!("check_stdin", piped);
}

#[test]
fn masks() {
    let person: &[&str] = &["mask", "--vocab", "tokenizer.json", "--schema", "person.schema.json"];
    let with = |more: &[&'static str]| [person, more].concat();
    check(
        "mask",
        &[
            &with(&["--whitespace", "compact"]),
            &with(&["--prefix", r#"{"name": "A"#]),
            &with(&["--prefix", r#"{"name": "Ada", "age": 36}"#]),
            &with(&["--prefix", r#"{"name": "Ada", "age": 36}"#, "--list"]),
            &[
                "mask",
                "--vocab",
                "tokenizer.json",
                "--regex",
                "[0-9]{4}(é|-)[0-9]{2}",
                "--prefix",
                "202",
                "--list",
            ],
            &["mask", "--vocab", "tokenizer.json", "--regex", "20+", "--prefix", "20", "--list"],
            &[
                "mask",
                "--vocab",
                "tokenizer.json",
                "--choice",
                "name",
                "--choice",
                "nail",
                "--choice",
                "é",
                "--list",
            ],
        ],
    );
}

#[test]
fn failures() {
    check(
        "failures",
        &[
            &["check", "--schema", "absent.json"],
            &["check", "--schema", "broken.schema.json"],
            &["check", "--schema", "misspelt.schema.json"],
            &["check", "--schema", "latin.json"],
            &["check", "--schema", "-", "--instance", "-"],
            &["check", "--schema", "person.schema.json", "--document", "x"],
            &["check", "--schema", "person.schema.json", "--whitespace-pattern", "x"],
            &["check"],
            &["mask", "--vocab", "tokenizer.json"],
            &["mask", "--vocab", "tokenizer.json", "--regex", "a", "--choice", "a"],
            &["mask", "--vocab", "tokenizer.json", "--regex", "[a-"],
            &["mask", "--vocab", "ada.json", "--regex", "a"],
            &["mask", "--vocab", "latin.json", "--regex", "a"],
            &["mask", "--vocab", "tokenizer.json", "--regex", "20[0-9]+", "--prefix", "2x"],
            &["mask", "--vocab", "tokenizer.json", "--choice", "a", "--prefix", "ab"],
            &["generate", "--model", "m", "--prompt", "x", "--stream", "--n", "2"],
            &["generate", "--model", "m", "--prompt", "x", "--temperature", "-1"],
            &["generate", "--model", "m", "--prompt", "x", "--mirostat", "2", "--adaptive-p", "0.5"],
            &["generate", "--model", "m", "--prompt", "x", "--logprobs", "2"],
            &["generate", "--model", "m", "--prompt", "x", "--xtc", "3"],
            &["generate", "--model", "m", "--prompt", "x", "--preset", "merry"],
            &["generate", "--model", "m", "--prompt", "x", "--trace", "absent/steps.html"],
            &["generate", "--model", "m", "--prompt", "x", "--schema", "misspelt.schema.json"],
            &["sing"],
        ],
    );
}

#[test]
#[cfg(not(feature = "torch"))]
fn generation_needs_the_feature_torch() {
    check("no_torch", &[&["generate", "--model", "m", "--prompt", "x", "--schema", "person.schema.json"]]);
}
