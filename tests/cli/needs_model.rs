//! `hedgerow generate` as a black box, with the demo model that `make setup` fetches.

use std::process::{Command, Output};

use super::program::hedgerow;
use serde_json::Value;

const MODEL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/.deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf"
);

fn generate(arguments: &[&str]) -> Output {
    hedgerow().args(["generate", "--model", MODEL]).args(arguments).output().unwrap()
}

#[track_caller]
fn text(output: &Output) -> (&str, &str) {
    let (stdout, stderr) =
        (std::str::from_utf8(&output.stdout).unwrap(), std::str::from_utf8(&output.stderr).unwrap());
    (stdout, stderr)
}

/// libtorch takes most of a second to load, so only the program that runs models is linked with it.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn only_one_of_the_programs_is_linked_with_libtorch() {
    let is_linked = |program: &str| {
        let (bytes, name) = (std::fs::read(program).unwrap(), b"\0libtorch_cpu.so\0");
        bytes.windows(name.len()).any(|window| window == name)
    };
    assert!(!is_linked(env!("CARGO_BIN_EXE_hedgerow")));
    assert!(is_linked(env!("CARGO_BIN_EXE_hedgerow-torch")));
}

/// Options without effect are refused before the program with libtorch is started: here there is
/// none beside the command.
#[test]
#[cfg(target_os = "linux")]
fn options_are_checked_before_libtorch_is_loaded() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("alone");
    std::fs::create_dir_all(&folder).unwrap();
    let alone = folder.join("hedgerow");
    let _ = std::fs::remove_file(&alone);
    std::fs::copy(env!("CARGO_BIN_EXE_hedgerow"), &alone).unwrap();
    for (options, expected) in [
        ("--strategy beam:3 --temperature 0.5", "--temperature has no effect on this strategy"),
        ("--stop-tokens 999999", "--stop-tokens names token 999999"),
        ("--stream --completions 2", "--stream writes one output"),
        // Notes are those of the program that runs the model.
        ("--temperature 0 --top-k 3", "error: cannot start the program that runs models"),
    ] {
        let mut command = Command::new(&alone);
        command.args(["generate", "--model", ".", "--prompt", "x"]).args(options.split(' '));
        let output =
            command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cli")).output().unwrap();
        let (_, stderr) = text(&output);
        assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{options}: {stderr}");
    }
}

#[test]
fn the_program_with_libtorch_serves_its_own_version_only() {
    let run = |version: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hedgerow-torch"));
        command.env("HEDGEROW_STARTED_BY", version).arg("--version").output().unwrap()
    };
    assert_eq!(run(env!("CARGO_PKG_VERSION")).status.code(), Some(0));
    let refused = run("0.0.9");
    assert_eq!(refused.status.code(), Some(1));
    let (_, stderr) = text(&refused);
    assert!(stderr.contains("started it of 0.0.9") && stderr.contains("cargo install"), "{stderr}");
}

#[test]
#[ignore = "needs the demo model: make setup"]
fn a_schema_is_kept_and_forced_tokens_cost_nothing() {
    let person = ["--prompt", "Describe a person named Ada, aged 36.", "--schema", "person.schema.json"];
    let plain = generate(&[&person[..], &["--temperature", "0", "--stream"]].concat());
    let (stdout, stderr) = text(&plain);
    assert_eq!(plain.status.code(), Some(0), "{stderr}");
    let value: Value = serde_json::from_str(stdout).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../data/cli/person.schema.json")).unwrap();
    assert!(jsonschema::is_valid(&schema, &value), "{stdout}");
    assert!(stderr.contains("valid: the output satisfies `person.schema.json`"), "{stderr}");
    assert!(stderr.contains("forward passes") && stderr.contains("tokens/s"), "{stderr}");

    let json = generate(&[&person[..], &["--temperature", "0", "--json=pretty", "--quiet"]].concat());
    let (stdout, stderr) = text(&json);
    assert_eq!((json.status.code(), stderr), (Some(0), ""));
    let report: Value = serde_json::from_str(stdout).unwrap();
    let completion = &report["completions"][0];
    assert_eq!((&completion["value"], &completion["valid"]), (&value, &Value::Bool(true)));
    assert_eq!(completion["finish_reason"], "constraint_complete");
    let usage = |name: &str| report["usage"][name].as_u64().unwrap();
    assert!(usage("forward_passes") < usage("completion_tokens"), "{}", report["usage"]);
    assert_eq!(usage("completion_tokens"), completion["tokens"].as_array().unwrap().len() as u64);
    assert!(report["timings_ms"]["forward"].as_f64().unwrap() > 0.0);
}

#[test]
#[ignore = "needs the demo model: make setup"]
fn answers_through_the_chat_template() {
    let capital = ["--prompt", "What is the capital of France?", "--temperature", "0"];
    let answer = |more: &[&str]| {
        let output = generate(&[&capital[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output).1);
        text(&output).0.to_owned()
    };
    let expected = "The capital of France is Paris.\n";
    assert_eq!(answer(&[]), expected);
    // Drafts, and a seed under greedy decoding, change nothing.
    assert_eq!(answer(&["--draft", "ngram", "--seed", "9"]), expected);
    assert_eq!(answer(&["--stop", " is"]), "The capital of France\n");
    assert_eq!(answer(&["--choice", "Rome", "--choice", "Paris"]), "Paris\n");
    let word = answer(&["--regex", "[A-Z][a-z]{4}"]);
    let shape: Vec<bool> = word.trim_end().chars().map(|c| c.is_ascii_uppercase()).collect();
    assert_eq!(shape, [true, false, false, false, false], "{word}");
}

#[test]
#[ignore = "needs the demo model: make setup"]
fn a_trace_shows_masks_forced_stretches_and_guesses() {
    let file = std::env::temp_dir().join(format!("hedgerow-trace-{}.html", std::process::id()));
    let path = file.to_str().unwrap();
    let person = ["--prompt", "Describe a person named Ada, aged 36.", "--schema", "person.schema.json"];
    let output =
        generate(&[&person[..], &["--preset", "factual", "--draft", "ngram", "--trace", path]].concat());
    let page = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("guesses came true"), "{stderr}");
    assert!(page.contains("&lt;|im_start|&gt;user") && page.contains("</body></html>"));
    assert!(page.contains("<s><code>") && page.contains(" of 49152<td>"), "{page}");
    assert!(page.contains("class=\"forced\">name</code>") && page.contains(" forced\n"), "{page}");
    assert!(page.contains(&stdout.trim_end().replace('"', "&quot;")), "{page}");
}

#[test]
#[ignore = "needs the demo model: make setup"]
fn several_outputs_share_the_prompt() {
    let output = generate(&[
        "--raw",
        "--prompt",
        "Once upon a time",
        "--max-tokens",
        "5",
        "--completions",
        "3",
        "--json=pretty",
    ]);
    let report: Value = serde_json::from_str(text(&output).0).unwrap();
    let completions = report["completions"].as_array().unwrap();
    assert_eq!((completions.len(), report["usage"]["prefill_passes"].as_u64()), (3, Some(1)));
    assert!(completions.iter().all(|c| c["finish_reason"] == "length"));
    assert_ne!(completions[0]["tokens"], completions[1]["tokens"]);
}

#[test]
#[ignore = "needs the demo model: make setup"]
fn an_output_that_is_cut_off_fails() {
    let person = ["--prompt", "x", "--schema", "person.schema.json", "--temperature", "0", "--quiet"];
    let output = generate(&[&person[..], &["--max-tokens", "3", "--budget", "cut"]].concat());
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.starts_with("error: the output was cut off before it was complete"), "{stderr}");

    // Nothing complete fits: refused, with the number of tokens that does.
    let output = generate(&[&person[..], &["--max-tokens", "3"]].concat());
    let (stdout, stderr) = text(&output);
    assert_eq!((output.status.code(), stdout), (Some(1), ""));
    let needs = stderr.split_once("takes ").unwrap().1.split_once(' ').unwrap().0;

    // Only the shortest output fits: the budget writes an end, and every channel says so.
    let output = generate(&[&person[..], &["--max-tokens", needs, "--json"]].concat());
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("--budget complete wrote the last"), "{stderr}");
    let line: Value = serde_json::from_str(stdout).unwrap();
    assert_eq!((&line["finish_reason"], &line["complete"]), (&"length".into(), &true.into()));
    let ending = |key: &str| line["budget_ending"][key].as_u64().unwrap() as usize;
    assert_eq!(ending("first_token") + ending("tokens"), line["tokens"].as_array().unwrap().len());
    assert!(ending("first_byte") <= line["text"].as_str().unwrap().len());
}

#[test]
#[ignore = "needs the demo model: make setup"]
fn an_answer_is_continued() {
    let chat = r#"{"messages": [{"role": "user", "content": "Count to five."},
        {"role": "assistant", "content": "One, two, three,"}]}"#;
    let path = std::env::temp_dir().join(format!("hedgerow-chat-{}.json", std::process::id()));
    std::fs::write(&path, chat).unwrap();
    let output = generate(&["--messages", path.to_str().unwrap(), "--temperature", "0", "--max-tokens", "6"]);
    let (stdout, stderr) = text(&output);
    let _ = std::fs::remove_file(&path);
    assert!(output.status.success() && stdout.starts_with(" four, five"), "{stdout} {stderr}");
}

/// The same binary on a CUDA build of libtorch, whose folder is in `HEDGEROW_CUDA_LIBTORCH`
/// (`…/torch/lib` of a Python environment). The binary links and loads the CUDA part. Then it runs
/// on the GPU, or reports that there is none.
#[test]
#[ignore = "needs HEDGEROW_CUDA_LIBTORCH"]
fn a_cuda_build_of_libtorch_is_loaded_without_a_gpu() {
    let folder = std::env::var_os("HEDGEROW_CUDA_LIBTORCH").expect("HEDGEROW_CUDA_LIBTORCH names no folder");
    let run = |device: &str| {
        hedgerow()
            .args(["generate", "--model", MODEL, "--raw", "--prompt", "One two three", "--max-tokens", "3"])
            .args(["--temperature", "0", "--quiet", "--device", device])
            .env("LD_LIBRARY_PATH", &folder)
            .output()
            .unwrap()
    };
    let (gpu, any, cpu) = (run("cuda:0"), run("auto"), run("cpu"));
    assert_eq!((any.status.code(), text(&any).0), (Some(0), text(&cpu).0), "{}", text(&any).1);
    match gpu.status.code() {
        Some(0) => assert_eq!(text(&gpu).0, text(&cpu).0),
        _ => assert!(text(&gpu).1.contains("no CUDA device answers"), "{}", text(&gpu).1),
    }
}
