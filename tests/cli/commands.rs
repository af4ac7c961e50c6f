//! The `hedgerow` command as a black box: snapshots of exit codes, stdout and stderr.

use super::program::{Said, hedgerow};

/// Runs the command in the folder of test data and returns its whole answer as text.
fn answer(arguments: &[&str], input: &str) -> String {
    let said = Said::after(hedgerow().args(arguments).env_remove("COLUMNS"), input);
    let quoted: Vec<_> = arguments
        .iter()
        .map(|a| if a.contains([' ', '"', '[']) { format!("'{a}'") } else { a.to_string() })
        .collect();
    format!(
        "$ hedgerow {}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        quoted.join(" "),
        said.code.unwrap(),
        said.stdout,
        said.stderr
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
    check("help_compile", &[&["compile", "--help"]]);
    check("help_detect", &[&["detect", "--help"]]);
    check("help_generate", &[&["generate", "--help"]]);
    check("help_sample", &[&["sample", "--help"]]);
    check("help_tools", &[&["tools", "--help"], &["tools", "detect", "--help"]]);
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
    let list: &[&str] = &["check", "--grammar", "list.gbnf"];
    check(
        "check_grammar",
        &[
            list,
            &[list, &["--instance", "list.txt"]].concat(),
            &[list, &["--instance", "ada.json"]].concat(),
            &[list, &["--instance", "ada.json", "--explain", "--vocab", "tokenizer.json"]].concat(),
            &["check", "--grammar", "list.rules"],
            &["check", "--grammar", "list.rules", "--grammar-notation", "gbnf"],
            &["check", "--grammar", "broken.gbnf"],
            &["check", "--grammar", "list.gbnf", "--schema", "person.schema.json"],
        ],
    );
    let patterns: Vec<String> = [
        (&["check", "--regex", "[0-9]{4}"][..], ""),
        (&["check", "--regex", "[0-9]{4}", "--instance", "-"], "2026\n"),
        (&["check", "--regex", "[0-9]{4}", "--instance", "-", "--explain"], "20x6"),
        (&["check", "--regex", "("], ""),
        (&["check", "--choice", "yes", "--choice", "no", "--instance", "-", "--explain"], "nein"),
        (&["check"], ""),
        (&["check", "--regex", "x", "--strictness", "lenient"], ""),
        (&["check", "--schema", "person.schema.json", "--grammar-notation", "gbnf"], ""),
        (&["check", "--regex", "x", "--explain"], ""),
        (&["check", "--regex", "x", "--events"], ""),
        (&["check", "--regex", "x", "--instance", "-", "--vocab", "tokenizer.json"], "x"),
        (&["mask", "--vocab", "tokenizer.json", "--regex", "x", "--key-order", "any"], ""),
    ]
    .iter()
    .map(|(arguments, input)| answer(arguments, input))
    .collect();
    insta::assert_snapshot!("check_patterns", patterns.join("\n"));
    let piped = answer(&with(&["--instance", "-"]), r#"{"name": 3}"#);
    insta::assert_snapshot!("check_stdin", piped);
}

#[test]
fn tools() {
    let check: &[&str] = &["check", "--tools", "../../../examples/data/tools.json"];
    let with = |more: &[&'static str]| [check, more].concat();
    let runs: Vec<String> = [
        (with(&["--tool-format", "mistral"]), ""),
        (with(&["--tool-format", "mistral", "--instance", "-"]), "[TOOL_CALLS]add[ARGS]{\"terms\": [1, 2.5]}"),
        (with(&["--tool-format", "mistral", "--instance", "-"]), "Well: [TOOL_CALLS]add[ARGS]{\"terms\": [1]}"),
        (with(&["--tool-format", "mistral", "--tool-choice", "none", "--instance", "-"]), "Hello"),
        (with(&["--tool-format", "mistral", "--tool-choice", "send_mail", "--instance", "-"]), "Hello"),
        (with(&["--tool-format", "mistal"]), ""),
        (with(&[]), ""),
        (with(&["--tool-format", "hermes", "--tool-choice", "rain"]), ""),
        (vec!["check", "--tools", "ada.json", "--tool-format", "hermes"], ""),
        (vec!["tools", "detect", "-"], "{{ messages }}"),
        (
            vec!["tools", "detect", "-"],
            "{% for m in messages %}{% for c in m.tool_calls %}[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}",
        ),
    ]
    .iter()
    .map(|(arguments, input)| answer(arguments, input))
    .collect();
    insta::assert_snapshot!("tools", runs.join("\n"));
}

/// The example of events in `docs/tools.md` prints what the page says.
#[test]
fn events_of_the_page_about_tools() {
    let page = include_str!("../../docs/tools.md");
    let after = |text: &'static str, begin: &str| text.split_once(begin).unwrap().1;
    let example = after(page, "let `weather.json` be\n\n```json\n");
    let (tag, rest) = example.split_once("```").unwrap();
    let console = after(rest, "```console\n").split_once("```").unwrap().0;
    let mut lines = console.lines();
    let reply =
        lines.next().unwrap().strip_prefix("$ printf '").unwrap().strip_suffix("' >reply.txt").unwrap();
    let folder = std::env::temp_dir().join(format!("hedgerow-events-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("weather.json"), tag).unwrap();
    std::fs::write(folder.join("reply.txt"), reply).unwrap();
    let command = lines.next().unwrap().strip_prefix("$ hedgerow ").unwrap();
    let said = Said::after(hedgerow().args(command.split(' ')).current_dir(&folder), "");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(said.stdout.lines().collect::<Vec<_>>(), lines.collect::<Vec<_>>());
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
            &["mask", "--vocab", "tokenizer.json", "--grammar", "list.gbnf", "--prefix=- A"],
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
            // A special token is read by its name, or the name is plain text.
            &["mask", "--vocab", "tokenizer.json", "--regex", "ab", "--prefix", "ab</s>"],
            &["mask", "--vocab", "tokenizer.json", "--regex", "a.*", "--prefix", "a</s>b"],
            &["mask", "--vocab", "tokenizer.json", "--grammar", "turn.gbnf", "--prefix", "a</s>"],
            &["mask", "--vocab", "tokenizer.json", "--grammar", "turn.gbnf", "--prefix", "ax"],
        ],
    );
}

#[test]
fn samples() {
    let two = &["sample", "--logits", "logits.npy", "--vocab", "tokenizer.json", "--top", "5"][..];
    let with = |more: &[&'static str]| [two, more].concat();
    check(
        "sample",
        &[
            &["sample", "--logits", "logits.json"],
            &[
                "sample",
                "--logits",
                "logits.json",
                "--temperature",
                "1.5",
                "--top-p",
                "1",
                "--frequency-penalty",
                "1",
                "--output-ids",
                "2,2,5",
                "--logit-bias",
                "7=-inf",
                "--top-k",
                "6",
                "--top",
                "3",
            ],
            &["sample", "--logits", "logits.json", "--temperature", "0", "--top-p", "1", "--top", "0"],
            &with(&["--row", "0", "--order", "llama", "--typical-p", "0.9", "--min-p", "0.05"]),
            &with(&["--row", "1", "--regex", "[0-9]{4}-[0-9]{2}", "--prefix", "20", "--min-tokens", "3"]),
        ],
    );
    let json = &["sample", "--logits", "logits.npy", "--vocab", "tokenizer.json", "--row", "0", "--json"][..];
    check("sample_json", &[&[json, &["--top-k", "3", "--top", "2"]].concat()]);
    let piped = answer(&["sample", "--logits", "-", "--top-p", "1"], "[[0.5, 1.5]]");
    insta::assert_snapshot!("sample_stdin", piped);
}

#[test]
fn every_chain_has_a_picture() {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/chain.svg");
    let chain = ["--temperature", "1.5", "--top-k", "8", "--xtc", "1:0.1", "--top-p", "1", "--plot", path];
    let said = answer(&[&["sample", "--logits", "logits.json"], &chain[..]].concat(), "");
    assert!(said.contains("exit code 0"), "{said}");
    insta::assert_snapshot!("sample_plot", std::fs::read_to_string(path).unwrap());
}

#[test]
fn machines() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("year.fsm");
    let path = file.to_str().unwrap();
    let said =
        answer(&["compile", "--vocab", "tokenizer.json", "--regex", "^20[0-9]{2}$", "--fsm", path], "");
    let bytes = std::fs::read(&file).unwrap();
    let fsm = hedgerow::engine::TokenFsm::from_bytes(&bytes).unwrap();
    let states = format!("exit code 0\n--- stdout\nstates   {}\n", fsm.state_count());
    assert!(said.contains(&states) && said.contains(&format!("bytes    {}\n", bytes.len())), "{said}");
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
            &["check", "--schema", "person.schema.json", "--documents", "x"],
            &["check", "--schema", "person.schema.json", "--whitespace-pattern", "x"],
            &["check"],
            &["mask", "--vocab", "tokenizer.json"],
            &["mask", "--vocab", "tokenizer.json", "--regex", "a", "--choice", "a"],
            &["mask", "--vocab", "tokenizer.json", "--regex", "[a-"],
            &["mask", "--vocab", "ada.json", "--regex", "a"],
            &["mask", "--vocab", "latin.json", "--regex", "a"],
            &["mask", "--vocab", "tokenizer.json", "--regex", "20[0-9]+", "--prefix", "2x"],
            &["mask", "--vocab", "tokenizer.json", "--choice", "a", "--prefix", "ab"],
            &[
                "compile",
                "--vocab",
                "tokenizer.json",
                "--regex",
                "20{9}",
                "--fsm",
                "absent/x",
                "--max-states",
                "5",
            ],
            &["compile", "--vocab", "tokenizer.json", "--regex", "20{9}", "--fsm", "absent/x"],
            &["compile", "--vocab", "tokenizer.json", "--regex", "20{9}"],
            &["generate", "--model", "m", "--prompt", "x", "--stream", "--completions", "2"],
            &["generate", "--model", "m", "--prompt", "x", "--temperature", "-1"],
            &["generate", "--model", "m", "--prompt", "x", "--mirostat", "2", "--adaptive-p", "0.5"],
            &["generate", "--model", "m", "--prompt", "x", "--logprobs", "2"],
            &["generate", "--model", "m", "--prompt", "x", "--xtc", "3"],
            &["generate", "--model", "m", "--prompt", "x", "--preset", "merry"],
            &["generate", "--model", "m", "--prompt", "x", "--healing", "--guidance", "2"],
            &["generate", "--model", "m", "--prompt", "x", "--trace", "absent/steps.html"],
            &["generate", "--model", "m", "--prompt", "x", "--schema", "misspelt.schema.json"],
            &["sample", "--logits", "absent.npy"],
            &["sample", "--logits", "logits.npy"],
            &["sample", "--logits", "logits.npy", "--row", "2"],
            &["sample", "--logits", "logits.json", "--row", "0"],
            &["sample", "--logits", "ada.json"],
            &["sample", "--logits", "latin.json"],
            &["sample", "--logits", "logits.json", "--vocab", "tokenizer.json"],
            &["sample", "--logits", "logits.json", "--regex", "a"],
            &["sample", "--logits", "logits.json", "--prefix", "a"],
            &["sample", "--logits", "logits.json", "--top-p", "2"],
            &["sample", "--logits", "logits.json", "--min-tokens", "2"],
            &["sample", "--logits", "logits.json", "--exponential-decay", "1:1.1"],
            &["sample", "--logits", "logits.json", "--suppressed-tokens", "99"],
            &["sample", "--logits", "logits.json", "--prompt-ids", "1,x"],
            &["sample", "--logits", "logits.json", "--plot", "absent/chain.svg"],
            &["sample", "--logits", "-", "--vocab", "-"],
            &["sing"],
        ],
    );
}

#[test]
#[cfg(not(feature = "torch"))]
fn generation_needs_the_feature_torch() {
    check("no_torch", &[&["generate", "--model", "m", "--prompt", "x", "--schema", "person.schema.json"]]);
}
