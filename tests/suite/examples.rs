//! Runs the examples in Rust and compares their output with that of the same examples in C and C++
//! (`tests/capi`).

use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of a built example, which is beside the folder of the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test program");
    let profile =
        test.parent().and_then(Path::parent).expect("the target folder, two folders above the tests");
    profile.join("examples").join(name)
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name)
}

#[test]
fn mask_logits_prints_the_same_in_every_language() {
    let output = Command::new(example("mask_logits"))
        .args([data("tiny.tokenizer.json"), data("recipe.schema.json")])
        .output()
        .expect("the example is not built: `cargo test` builds it, a run of this test alone needs `cargo build --examples`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, std::fs::read_to_string(data("mask_logits.expected")).unwrap());

    let json: serde_json::Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    let schema = std::fs::read_to_string(data("recipe.schema.json")).unwrap();
    let schema = serde_json::from_str(&schema).unwrap();
    assert!(jsonschema::is_valid(&schema, &json), "{json}");
}

#[cfg(feature = "torch")]
mod needs_model {
    #[test]
    #[ignore = "needs the demo model: make setup"]
    fn generate_fills_in_the_schema() {
        super::generate_fills_in_the_schema();
    }
}

#[cfg(feature = "torch")]
fn generate_fills_in_the_schema() {
    let model = crate::support::files::demo_model();
    let output = Command::new(example("generate"))
        .args([model, data("person.schema.json"), "Describe a person named Ada.".into()])
        .output()
        .expect("the example is not built: `cargo test` builds it, a run of this test alone needs `cargo build --examples`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = std::fs::read_to_string(data("person.schema.json")).unwrap();
    assert!(jsonschema::is_valid(&serde_json::from_str(&schema).unwrap(), &json), "{json}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("forward passes"), "{told}");
}
