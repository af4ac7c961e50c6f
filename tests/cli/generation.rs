//! `hedgerow generate` as a black box, with a small random model that the tests write.
//!
//! The model has a tokenizer with a token for each printable ASCII character, the space and the
//! line feed. It ends an output with `&`, token 5. Its outputs are noise, but they follow options
//! and constraints as those of any other model.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::small_model::{safetensors, tokenizer_json, weights};

/// A chat template that writes the parts of a conversation one after another.
const TEMPLATE: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}\
    {% if tools %}[{{ tools | length }}]{% endif %}{% if tone %}({{ tone }}){% endif %}\
    {% if add_generation_prompt %}<assistant>{% endif %}";

/// The folder of the model, without a chat template.
static PLAIN: LazyLock<PathBuf> = LazyLock::new(|| model("plain", &[]));

/// The folder of the model with a chat template.
static CHAT: LazyLock<PathBuf> = LazyLock::new(|| {
    model("chat", &[("tokenizer_config.json", json!({"chat_template": TEMPLATE}).to_string())])
});

/// A path in the folder of this program's files.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generation");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// A file with this text.
fn file(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = scratch(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The folder of a model, with more files in it, or with others in place of the usual ones.
fn model(name: &str, files: &[(&str, String)]) -> PathBuf {
    let folder = scratch(name);
    std::fs::create_dir_all(&folder).unwrap();
    let case: Value = serde_json::from_str(include_str!("../data/torch/strategies.json")).unwrap();
    let mut tokenizer = tokenizer_json();
    let vocab = tokenizer["model"]["vocab"].as_object_mut().unwrap();
    vocab.retain(|_, id| id.as_u64().unwrap() < 94);
    vocab.extend([("Ġ".to_owned(), json!(94)), ("Ċ".to_owned(), json!(95)), ("¡".to_owned(), json!(96))]);
    std::fs::write(folder.join("config.json"), case["config"].to_string()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(folder.join("model.safetensors"), safetensors(&weights(&case["weights"]))).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder
}

/// The command with a model, in the folder of test data.
fn command(model: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hedgerow"));
    command
        .args(["generate", "--threads", "1", "--model"])
        .arg(model)
        .args(options)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cli"))
        .stdin(Stdio::null());
    command
}

/// The answer of a run of the command.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The objects of `--json`.
    fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn run(model: &Path, options: &[&str]) -> Said {
    Said::of(command(model, options).output().unwrap())
}

/// Runs the command with options that have no spaces in them, after the prompt `Hi`.
fn hi(model: &Path, options: &str) -> Said {
    let options: Vec<&str> = ["--prompt", "Hi"].into_iter().chain(options.split_whitespace()).collect();
    run(model, &options)
}

/// The notes and warnings among the lines of stderr.
fn notes(said: &Said) -> Vec<&str> {
    let is_note = |line: &&str| line.starts_with("note: ") || line.starts_with("warning: ");
    said.stderr.lines().filter(is_note).filter(|line| !line.contains("has no chat template")).collect()
}

#[test]
fn an_output_that_a_limit_ended_is_told() {
    let schema = "--schema person.schema.json";
    for (options, code, expected) in [
        // The text happens to satisfy the constraint where the limit ends it.
        (
            "--regex [a-z]+ --max-tokens 5",
            1,
            "the limit on tokens ended the output, which the model might have",
        ),
        ("--regex [a-z]+ --max-tokens 5 --completions 2", 1, "the limit on tokens ended outputs 1 and 2"),
        ("--regex [a-z]+ --max-tokens 5 --budget cut", 1, "that the constraint is satisfied is chance"),
        ("--regex [a-z]+ --max-tokens 5 --strategy beam:2", 1, "that the constraint is satisfied is chance"),
        ("--regex [a-z]{5} --max-tokens 5", 0, "finished: constraint_complete"),
        // The budget wrote the ends.
        (&format!("{schema} --max-tokens 30"), 1, "the model did not complete the output within its tokens"),
        (&format!("{schema} --max-tokens 30"), 1, "--budget complete wrote the last "),
        (
            &format!("{schema} --max-tokens 30 --completions 3"),
            1,
            "the model did not complete outputs 1, 2 and 3 within",
        ),
        (
            &format!("{schema} --max-tokens 30 --completions 3"),
            1,
            "wrote their ends, which are not the model's",
        ),
        (&format!("{schema} --max-tokens 30"), 1, "--max-string-length, --max-items and --max-digits"),
        // The output is cut, or nothing fits.
        (
            &format!("{schema} --max-tokens 30 --budget cut"),
            1,
            "the output was cut off before it was complete",
        ),
        (
            &format!("{schema} --max-tokens 30 --budget cut --completions 2"),
            1,
            "outputs 1 and 2 were cut off before they",
        ),
        (&format!("{schema} --max-tokens 30 --strategy beam:2"), 1, "was cut off before it was complete"),
        (
            &format!("{schema} --max-tokens 3"),
            1,
            "takes 19 tokens, but there is room for 3; raise --max-tokens",
        ),
        (&format!("{schema} --max-tokens 3"), 1, "let outputs be cut with --budget cut"),
        ("--regex [a-z]{40}1 --stop a --temperature 1.5", 1, "a text of --stop ended it"),
        // A larger --max-tokens does not help where the model's context is full.
        (
            "--regex [ab]{300} --max-tokens 1000",
            1,
            "room for 255; the model's context is full then: shorten the",
        ),
        (
            "--regex a{300} --max-tokens 1000 --budget cut",
            1,
            "help: the model's context of 256 tokens is full: shorten the prompt",
        ),
        (
            "--regex [ab]+ --min-tokens 255 --max-tokens 1000",
            1,
            "help: the model's context of 256 tokens is full: shorten the prompt, or bound",
        ),
        // Without a constraint, a limit is an end like others.
        ("--max-tokens 3", 0, "finished: length"),
    ] {
        let said = hi(&PLAIN, options);
        assert_eq!(said.code, Some(code), "{options}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{options}: {}", said.stderr);
    }
}

/// The remedy is that of the limit that ended the output.
#[test]
fn a_full_context_is_told_from_a_reached_limit() {
    let full = "the model's context of 256 tokens is full";
    for (options, code, is_full) in [
        // The budget may end an output some tokens before the limit.
        ("--regex .* --max-tokens 1", 1, false),
        ("--regex (ab)* --min-tokens 7 --max-tokens 7", 1, false),
        ("--regex (ab)* --min-tokens 7 --max-tokens 7 --budget cut", 1, false),
        ("--schema person.schema.json --max-tokens 25", 1, false),
        ("--regex [ab]* --min-tokens 255 --max-tokens 255", 1, false),
        ("--regex [ab]* --min-tokens 255 --max-tokens 256", 1, true),
        // Without a constraint it is no failure.
        ("--max-tokens 255 --suppressed-tokens 5", 0, false),
        ("--max-tokens 256 --suppressed-tokens 5", 0, true),
        ("--max-tokens 300 --suppressed-tokens 5 --strategy beam:2", 0, true),
        ("--max-tokens 300 --suppressed-tokens 5 --quiet", 0, false),
    ] {
        let said = hi(&PLAIN, options);
        assert_eq!(said.code, Some(code), "{options}: {}", said.stderr);
        assert_eq!(said.stderr.contains(full), is_full, "{options}: {}", said.stderr);
        let raises = said.stderr.contains("help: raise --max-tokens");
        assert_eq!(raises, code == 1 && !is_full, "{options}: {}", said.stderr);
    }
}

#[test]
fn json_tells_each_end_that_the_budget_wrote() {
    let said = hi(&PLAIN, "--schema person.schema.json --max-tokens 33 --completions 4 --seed 5 --json");
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let lines = said.lines();
    let mut written = 0;
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(
            (&line["index"], &line["complete"], &line["valid"]),
            (&json!(index), &json!(true), &json!(true))
        );
        let text = line["text"].as_str().unwrap();
        let tokens = line["tokens"].as_array().unwrap().len() as u64;
        match &line["budget_ending"] {
            Value::Null => assert_eq!(line["finish_reason"], "constraint_complete", "{line}"),
            ending => {
                written += 1;
                let at = ending["first_byte"].as_u64().unwrap() as usize;
                let first = ending["first_token"].as_u64().unwrap();
                assert_eq!(line["finish_reason"], "length", "{line}");
                assert_eq!(first + ending["tokens"].as_u64().unwrap(), tokens, "{line}");
                // Every token of this model has one byte.
                assert!(at as u64 == first && text.is_char_boundary(at), "{line}");
            }
        }
        let usage = &line["request"]["usage"];
        assert_eq!(usage["prompt_tokens"], 2, "{line}");
    }
    assert!(lines.len() == 4 && written > 0, "{}", said.stdout);
    // The trace gives these tokens a colour, and none to an output of the model's own.
    let page = scratch("budget.html");
    for (options, is_coloured) in [("--max-tokens 30", true), ("--max-tokens 90", false)] {
        let options = format!("--schema person.schema.json {options} --trace {}", page.display());
        hi(&PLAIN, &options);
        let page = std::fs::read_to_string(&page).unwrap();
        assert_eq!(page.contains("<code class=\"budget\">"), is_coloured, "{options}");
    }
    // The same outputs in one object, and as texts with a line before each.
    let whole =
        hi(&PLAIN, "--schema person.schema.json --max-tokens 33 --completions 4 --seed 5 --json=pretty");
    let whole: Value = serde_json::from_str(&whole.stdout).unwrap();
    let texts: Vec<&Value> = whole["completions"].as_array().unwrap().iter().map(|c| &c["text"]).collect();
    assert_eq!(texts, lines.iter().map(|line| &line["text"]).collect::<Vec<_>>());
    let plain = hi(&PLAIN, "--schema person.schema.json --max-tokens 33 --completions 4 --seed 5");
    let expected: String = lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let finish = line["finish_reason"].as_str().unwrap();
            format!("--- {} of 4: {finish}\n{}\n", index + 1, line["text"].as_str().unwrap())
        })
        .collect();
    assert_eq!(plain.stdout, expected);
}

#[test]
fn rates_are_those_of_passes() {
    for (options, prefill, decode) in [
        // Every token is forced, so there is no pass.
        ("--choice abc", false, false),
        // The pass that reads the prompt gives the only token.
        ("--max-tokens 1", true, false),
        ("--max-tokens 4 --suppressed-tokens 5", true, true),
    ] {
        let said = hi(&PLAIN, options);
        let line = said.stderr.lines().find(|line| line.starts_with("prefill ")).unwrap();
        let (before, after) = line.split_once(", decode ").unwrap();
        let (after, _) = after.split_once(", mask ").unwrap();
        let found = (before.contains("tokens/s"), after.contains("tokens/s"));
        assert_eq!(found, (prefill, decode), "{options}: {line}");
        assert!(!line.contains("drafts"), "{line}");
    }
    let said = hi(&PLAIN, "--max-tokens 40 --draft ngram --temperature 0 --suppressed-tokens 5");
    assert!(
        said.stderr.contains(", drafts ") && said.stderr.contains("guesses came true"),
        "{}",
        said.stderr
    );
    let said = hi(&PLAIN, "--max-tokens 2 --completions 5 --suppressed-tokens 5");
    assert!(said.stderr.contains("in 2 forward passes; finished: 5 × length"), "{}", said.stderr);
}

#[test]
fn options_take_precedence_over_files_and_files_over_presets() {
    let drawing =
        r#"{"do_sample": true, "temperature": 0.6, "top_k": 7, "max_new_tokens": 4, "stop_strings": ["zz"]}"#;
    let folder = model("verbose", &[("generation_config.json", drawing.to_owned())]);
    let greedy = r#"{"num_beams": 3, "max_new_tokens": 2, "num_return_sequences": 2}"#;
    let beams = model("beams", &[("generation_config.json", greedy.to_owned())]);
    let lengths = r#"{"max_length": 9, "min_length": 4}"#;
    let lengths = model("lengths", &[("generation_config.json", lengths.to_owned())]);
    let set = file(
        "openai.json",
        r#"{"temperature": 0.25, "max_tokens": 3, "n": 2, "stop": "q", "logprobs": true}"#,
    );
    let set = format!("--params openai:{}", set.display());
    let mut all = String::new();
    for (model, options) in [
        (&*PLAIN, "--max-tokens 1".to_owned()),
        (&*PLAIN, "--max-tokens 1 --preset chat --top-p 0.5 --seed 3".to_owned()),
        (&folder, String::new()),
        (&folder, "--temperature 0.5 --max-tokens 2 --stop y --completions 2 --min-tokens 1".to_owned()),
        (&folder, "--preset creative --max-tokens 2".to_owned()),
        (&folder, set.clone()),
        (&folder, format!("{set} --temperature 1 --max-tokens 2 --completions 1 --json --logprobs 2")),
        (&beams, String::new()),
        (&beams, "--strategy sample --completions 1".to_owned()),
        (&beams, "--strategy best-of:3 --temperature 0.5".to_owned()),
        (&lengths, String::new()),
        (&lengths, "--max-tokens 3".to_owned()),
        (&lengths, "--max-tokens 3 --min-tokens 2".to_owned()),
    ] {
        let said = hi(model, &format!("{options} --quiet --verbose"));
        assert_eq!(said.code, Some(0), "{options}: {}", said.stderr);
        let told = said.stderr.replace(&format!("{}/", scratch("").display()), "");
        let told = told.replace(&scratch("").display().to_string(), "");
        let options = options.replace(&scratch("").display().to_string(), "");
        let name = model.file_name().unwrap().to_str().unwrap();
        all += &format!("$ hedgerow generate --model {name} {options} --verbose\n{told}\n");
    }
    insta::assert_snapshot!("verbose", all);
}

#[test]
fn members_of_generation_config_are_honoured_or_named() {
    let eos = r#""eos_token_id": 5"#;
    for (config, options, tokens, note) in [
        (format!(r#"{{"max_new_tokens": 3, "suppress_tokens": [5], {eos}}}"#), "", 3, None),
        (format!(r#"{{"max_length": 8, "suppress_tokens": [5], {eos}}}"#), "", 6, None),
        (r#"{"max_length": 8, "suppress_tokens": [5]}"#.to_owned(), "--max-tokens 4", 4, None),
        (r#"{"max_length": 8, "max_new_tokens": 2}"#.to_owned(), "", 2, Some("max_length")),
        // An empty list names no token; `config.json` names one.
        (r#"{"max_new_tokens": 2, "eos_token_id": [], "bos_token_id": []}"#.to_owned(), "", 2, None),
        (
            r#"{"max_new_tokens": 2, "max_time": 3.5, "temperature": 0.5, "use_cache": true}"#.to_owned(),
            "",
            2,
            Some("temperature, max_time"),
        ),
        (r#"{"max_new_tokens": 2, "frobnicate": 1}"#.to_owned(), "", 2, Some("/frobnicate: unknown")),
        // What cannot be used is left out, and the rest is used.
        (
            r#"{"max_new_tokens": 2, "forced_eos_token_id": []}"#.to_owned(),
            "",
            2,
            Some("/forced_eos_token_id: [] is not a token id"),
        ),
        (
            r#"{"max_new_tokens": 2, "watermarking_config": {"bias": "x"}}"#.to_owned(),
            "",
            2,
            Some("/watermarking_config/bias: "),
        ),
        ("[".to_owned(), "--max-tokens 3", 3, Some("is not used: ")),
    ] {
        let folder = model("members", &[("generation_config.json", config.clone())]);
        let said = hi(&folder, &format!("{options} --json"));
        assert_eq!(said.code, Some(0), "{config}: {}", said.stderr);
        let found = said.lines()[0]["tokens"].as_array().unwrap().len();
        assert_eq!(found, tokens, "{config}: {}", said.stdout);
        match note {
            None => assert!(notes(&said).is_empty(), "{config}: {}", said.stderr),
            Some(note) => {
                let order = |text: &str| {
                    let mut words: Vec<&str> = text.split(", ").collect();
                    words.sort_unstable();
                    words.join(", ")
                };
                let found = notes(&said).concat();
                let listed = found.split(": ").last().map(order).unwrap_or_default();
                assert!(found.contains(note) || listed == order(note), "{config}: {found}");
            }
        }
    }
    // The prompt is as long as the length that counts it.
    let folder = model("members-full", &[("generation_config.json", r#"{"max_length": 2}"#.to_owned())]);
    let said = hi(&folder, "");
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    assert!(said.stderr.contains("/max_length: 2 tokens of prompt and output together"), "{}", said.stderr);
    assert_eq!(hi(&folder, "--max-tokens 3").code, Some(0));
}

#[test]
fn a_file_of_parameters_sets_what_its_api_sets() {
    let number = r#"{"response_format": {"type": "json_schema", "json_schema": {"name": "n",
        "schema": {"enum": [12, 345]}}}, "temperature": 0}"#;
    for (api, set, options, code, expected) in [
        ("openai", number, "", 0, "valid: the output satisfies `response_format of --params"),
        ("openai", number, "--choice abc", 0, "is not used: another constraint is given"),
        (
            "openai",
            r#"{"response_format": {"type": "json_object"}}"#,
            "--max-tokens 9 --max-items 1",
            2,
            "--schema",
        ),
        ("openai", r#"{"n": 3, "max_tokens": 2}"#, "", 0, "finished: 3 × length"),
        ("openai", r#"{"n": 3, "max_tokens": 2}"#, "--stream", 2, "--stream writes one output"),
        (
            "openai",
            r#"{"max_tokens": 2, "messages": [{}], "tools": [{}]}"#,
            "",
            0,
            "(see --messages, --tools)",
        ),
        ("openai", r#"{"max_tokens": 0}"#, "", 2, "/max_tokens: 0 is not"),
        (
            "vllm",
            r#"{"max_tokens": 2, "stop_token_ids": [900]}"#,
            "",
            2,
            "names token 900, but the model has 97",
        ),
        (
            "vllm",
            r#"{"max_tokens": 2, "n": 5000}"#,
            "",
            2,
            "the strategy and the number of outputs are not usable",
        ),
        ("anthropic", r#"{"temperature": 0.5}"#, "", 2, "/max_tokens: missing"),
        (
            "hugging-face",
            r#"{"num_beams": 2}"#,
            "--temperature 0.5",
            2,
            "--temperature has no effect on this strategy",
        ),
        ("hugging-face", r#"{"num_beams": 2}"#, "--draft ngram", 2, "--draft has no effect on this strategy"),
        (
            "openai",
            r#"{"temperature": 0.5, "top_p": 0.5, "frequency_penalty": 0.5, "max_tokens": 2}"#,
            "--strategy beam:2",
            0,
            ": temperature, top_p, which concern strategies that draw tokens",
        ),
        (
            "hugging-face",
            r#"{"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 2}"#,
            "",
            0,
            "finished: 2 × length",
        ),
    ] {
        let path = file(&format!("set-{api}.json"), set);
        let said = hi(&PLAIN, &format!("--params {api}:{} {options}", path.display()));
        assert_eq!(said.code, Some(code), "{set} {options}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{set} {options}: {}", said.stderr);
        assert!(!said.stderr.contains("are alike"), "{set}: {}", said.stderr);
    }
    // vLLM's forbidden texts become tokens of the model.
    let path = file("words.json", r#"{"bad_words": ["a", "bc"], "max_tokens": 9, "temperature": 0}"#);
    for (pattern, expected) in [("[ab]{4}", Some("bbbb\n")), ("bc|bd", Some("bd\n")), ("a", None)] {
        let params = format!("vllm:{}", path.display());
        let said = run(&PLAIN, &["--prompt", "Hi", "--quiet", "--params", &params, "--regex", pattern]);
        assert_eq!(said.code, Some(if expected.is_some() { 0 } else { 1 }), "{pattern}: {}", said.stderr);
        assert_eq!(said.stdout, expected.unwrap_or_default(), "{pattern}: {}", said.stderr);
    }
}

#[test]
fn bans_hold_for_what_a_constraint_forces() {
    // Token 64 is `a`.
    for ban in [
        "--suppressed-tokens 64",
        "--begin-suppressed-tokens 64",
        "--allowed-tokens 65",
        "--bad-words 64",
        "--logit-bias 64=-inf",
        "--sequence-bias 64=-inf",
        "--forced-first 65",
    ] {
        for forced in ["append", "sample"] {
            let said = hi(&PLAIN, &format!("--choice a --forced {forced} {ban}"));
            assert_eq!(said.code, Some(1), "{ban} {forced}: {}", said.stdout);
            assert!(said.stderr.contains("no token can be drawn"), "{ban} {forced}: {}", said.stderr);
        }
    }
    let said = hi(&PLAIN, "--choice aaaa --no-repeat-ngram 1");
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "aaaa\n"), "{}", said.stderr);
}

#[test]
fn tools_inside_a_conversation_count() {
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {
        "type": "object", "properties": {"a": {"enum": [1]}}, "required": ["a"], "additionalProperties": false}}});
    let chat = json!({"messages": [{"role": "user", "content": "Hi"}], "tools": [tool]});
    let chat = file("tools-inside.json", chat.to_string());
    let list = file("tools-beside.json", json!([tool]).to_string());
    let (chat, list) = (chat.to_str().unwrap(), list.to_str().unwrap());
    let call = "{\"name\": \"f\", \"parameters\": {\"a\":1}}";
    let required = ["--tool-format", "llama3_json", "--tool-choice", "required", "--max-tokens", "120"];
    // Spaces and line feeds, which JSON may have anywhere, are made unlikely.
    let dense = ["--one-call", "--logit-bias", "94=-50,95=-50"];
    for tools in [&["--messages", chat][..], &["--prompt", "Hi", "--tools", list]] {
        let said = run(&CHAT, &[tools, &required, &dense].concat());
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert_eq!(said.stdout.trim(), call, "{}", said.stderr);
        // The template knows of the tools: `[1]` stands in the prompt.
        assert!(said.stderr.starts_with("22 tokens of prompt, "), "{}", said.stderr);
    }
    let messages = |options: &str| {
        let options: Vec<&str> = ["--messages", chat].into_iter().chain(options.split_whitespace()).collect();
        run(&CHAT, &options)
    };
    for (options, code, expected) in [
        // The model's template proves no format, so calls are possible but not constrained.
        (
            "--max-tokens 2",
            0,
            "do not constrain the output: the model's chat template proves no format of calls",
        ),
        ("--max-tokens 2 --tool-choice required", 1, "proves no format of calls"),
        ("--max-tokens 2 --one-call", 1, "proves no format of calls"),
        (
            "--tool-choice g --tool-format hermes",
            2,
            "the tool choice names \"g\", which is no tool; tools are f",
        ),
        ("--tool-format herms", 2, "there is no format of calls named \"herms\""),
        ("--regex [a-c]", 0, "do not constrain the output: another constraint does"),
        ("--regex [a-c] --tool-choice auto", 2, "--tool-choice has no effect without tools"),
        ("--regex [a-c] --tool-format hermes", 2, "--tool-format has no effect without tools"),
    ] {
        let said = messages(options);
        assert_eq!(said.code, Some(code), "{options}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{options}: {}", said.stderr);
    }
    let said = run(&CHAT, &["--messages", chat, "--tools", list]);
    assert!(said.code == Some(2) && said.stderr.contains("has tools of its own"), "{}", said.stderr);
    let said = run(&PLAIN, &["--prompt", "Hi", "--tools", list, "--tool-format", "hermes"]);
    assert!(said.code == Some(1) && said.stderr.contains("--messages and --tools need"), "{}", said.stderr);
    let none = file("no-tools.json", "[]");
    let said = run(&CHAT, &["--prompt", "Hi", "--tool-format", "hermes", "--tools", none.to_str().unwrap()]);
    assert!(said.code == Some(2) && said.stderr.contains("no-tools.json`, has no tool"), "{}", said.stderr);
    let said = run(&CHAT, &["--prompt", "Hi", "--reasoning-budget", "2"]);
    assert!(said.code == Some(1), "{}", said.stderr);
    assert!(
        said.stderr.starts_with("error: --reasoning-budget needs the format of calls"),
        "{}",
        said.stderr
    );
    // The format of calls says how a model marks reasoning, too.
    let reasons = "--prompt Hi --reasoning-budget 2 --tool-format qwen3_coder --max-tokens 4";
    let said = run(&CHAT, &reasons.split(' ').collect::<Vec<_>>());
    assert!(!said.stderr.contains("--tool-format has no effect"), "{}", said.stderr);
}

#[test]
fn layers_and_partners_are_checked_before_the_weights_are_read() {
    let folder = model("no-weights", &[]);
    std::fs::write(folder.join("model.safetensors"), "no weights").unwrap();
    for (options, code, expected) in [
        ("--dola 3", 2, "--dola names layer 3, but the model has 3 layers, numbered from 0"),
        ("--dola 0-2", 1, "cannot load the model"),
        ("--draft skip:1,7", 2, "--draft skip names layer 7, but the model has 3 layers"),
        ("--draft skip:1", 1, "cannot load the model"),
        ("--draft model:absent", 1, "cannot read the draft model `absent`"),
        ("--draft medusa:absent", 1, "cannot read the file of draft heads `absent`"),
        ("--amateur absent", 1, "cannot read the amateur model `absent`"),
    ] {
        let said = hi(&folder, options);
        assert_eq!(said.code, Some(code), "{options}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{options}: {}", said.stderr);
    }
    // A partner with other tokens, and files that hold no partner.
    let mut other = tokenizer_json();
    other["model"]["vocab"] = other["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(text, id)| (text.clone(), json!((id.as_u64().unwrap() + 1) % 97)))
        .collect();
    let other = model("other-tokens", &[("tokenizer.json", other.to_string())]);
    let weights = PLAIN.join("model.safetensors");
    for (option, path, code, expected) in [
        ("--draft", format!("model:{}", other.display()), 2, "--draft model `"),
        ("--draft", format!("model:{}", other.display()), 2, "other-tokens` is not usable"),
        ("--amateur", other.display().to_string(), 2, "other-tokens` is not usable"),
        ("--draft", "model:ada.json".to_owned(), 1, "cannot load the model `ada.json`"),
        ("--draft", format!("medusa:{}", weights.display()), 1, "cannot load the draft heads `"),
    ] {
        let said = run(&PLAIN, &["--prompt", "Hi", option, &path]);
        assert_eq!(said.code, Some(code), "{option} {path}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{option} {path}: {}", said.stderr);
    }
}

#[test]
fn conversations_and_variables_reach_the_template() {
    let chat = r#"[{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"},
        {"role": "tool", "content": "42"}, {"role": "assistant", "content": "So "}]"#;
    let chat = file("chat.json", chat);
    let chat = chat.to_str().unwrap();
    for (options, expected) in [
        (&["--prompt", "Hi"][..], "&lt;user&gt;Hi&lt;assistant&gt;"),
        (&["--prompt", "Hi", "--system", "S"], "&lt;system&gt;S&lt;user&gt;Hi&lt;assistant&gt;"),
        (&["--prompt", "Hi", "--raw"], "Hi"),
        (&["--prompt", "Hi", "--template-variables", "tone=\"low\""], "&lt;user&gt;Hi(low)&lt;assistant&gt;"),
        (&["--messages", chat], "&lt;system&gt;S&lt;user&gt;Hi&lt;tool&gt;42&lt;assistant&gt;So "),
    ] {
        let trace = scratch("chat.html");
        let page = trace.to_str().unwrap();
        let said = run(&CHAT, &[options, &["--max-tokens", "2", "--quiet", "--trace", page]].concat());
        assert_eq!(said.code, Some(0), "{options:?}: {}", said.stderr);
        let page = std::fs::read_to_string(&trace).unwrap();
        assert!(page.contains(expected), "{options:?}: {page}");
    }
}

#[test]
fn every_strategy_goes_with_every_kind_of_constraint_in_the_command() {
    let constraints = [
        "--regex [a-f]{2,4}",
        "--choice hello --choice help",
        "--schema person.schema.json --max-string-length 4 --max-digits 2",
        "--grammar list.gbnf",
        "--structural-tag calls.json",
    ];
    let strategies = [
        "--temperature 0 --draft ngram",
        "--draft skip:1 --draft-choice drawn",
        "--strategy best-of:3 --draft model:MODEL",
        "--strategy beam:3 --completions 2",
        "--strategy diverse-beam:4:2:0.5",
        "--strategy contrastive",
        "--guidance 1.5 --negative-prompt no",
        "--amateur MODEL --strategy beam:2",
        "--dola 0-1 --draft ngram",
    ];
    let path = PLAIN.to_str().unwrap();
    for (number, strategy) in strategies.into_iter().enumerate() {
        // Each strategy with two of the kinds; tests/suite/decode/combinations.rs has them all.
        for constraint in [constraints[number % 5], constraints[(number + 2) % 5]] {
            let options = format!("{strategy} {constraint} --json --max-tokens 60").replace("MODEL", path);
            let said = hi(&PLAIN, &options);
            assert!(matches!(said.code, Some(0 | 1)), "{options}: {}", said.stderr);
            for line in said.lines() {
                let is_valid = line.get("valid").is_none_or(|valid| valid == true);
                let is_cut = line["complete"] == false && line["finish_reason"] == "length";
                assert!(is_cut || (line["complete"] == true && is_valid), "{options}: {line}");
                assert!(said.code == Some(1) || !is_cut, "{options}: {}", said.stderr);
            }
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn streams_that_cannot_be_written_lose_nothing_else() {
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let options = ["--prompt", "Hi", "--max-tokens", "3"];
    // Lines that stderr does not take are lost.
    let output = command(&PLAIN, &options).stderr(full()).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 4));
    let output = command(&PLAIN, &["--prompt", "Hi", "--completions", "0"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    // A trace that cannot be written is an error, after the text has been.
    let said = run(&PLAIN, &[&options[..], &["--trace", "/dev/full"]].concat());
    assert!(said.code == Some(1) && said.stdout.len() == 4, "{}", said.stderr);
    assert!(said.stderr.contains("cannot write the file of --trace, `/dev/full`"), "{}", said.stderr);
    for form in [&["--json"][..], &["--stream"], &[]] {
        let output = command(&PLAIN, &[&options[..], form].concat()).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{form:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write to stdout"), "{form:?}");
    }
    // A file of an earlier trace stays as it is while there is nothing to write.
    let trace = file("trace.html", "earlier");
    let path = trace.to_str().unwrap();
    let said = run(
        &PLAIN,
        &["--prompt", "Hi", "--trace", path, "--schema", "person.schema.json", "--max-tokens", "3"],
    );
    assert_eq!((said.code, std::fs::read_to_string(&trace).unwrap().as_str()), (Some(1), "earlier"));
}

/// Threads of libtorch sleep while they wait, unless the environment says otherwise.
#[test]
#[cfg(target_os = "linux")]
fn threads_sleep_by_default() {
    for (given, expected) in [(None, "OMP_WAIT_POLICY=passive"), (Some("active"), "OMP_WAIT_POLICY=active")] {
        // The command waits for its prompt until the test has looked at it.
        let mut command = command(&PLAIN, &["--prompt", "-", "--max-tokens", "1"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env_remove("OMP_WAIT_POLICY");
        command.envs(given.map(|policy| ("OMP_WAIT_POLICY", policy)));
        let mut process = command.spawn().unwrap();
        let folder = PathBuf::from(format!("/proc/{}", process.id()));
        while !std::fs::read_link(folder.join("exe")).is_ok_and(|program| program.ends_with("hedgerow-torch"))
        {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // A program that has just been started has no environment yet.
        let environment = loop {
            let environment = std::fs::read(folder.join("environ")).unwrap();
            if !environment.is_empty() {
                break environment;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        let found = environment.split(|byte| *byte == 0).any(|entry| entry == expected.as_bytes());
        drop(process.stdin.take());
        process.wait().unwrap();
        assert!(found, "{expected}");
    }
}

#[test]
fn a_watermark_is_detected_in_the_text_that_has_it() {
    let mark = "0.25:6";
    for (options, code, expected) in
        [(&["--watermark", mark][..], 0, "watermark found: "), (&[], 1, "no watermark found: ")]
    {
        let usual =
            ["--prompt", "Hi", "--raw", "--suppressed-tokens", "5", "--max-tokens", "200", "--top-p", "1"];
        let made = run(&PLAIN, &[&usual[..], &["--quiet", "--temperature", "1.5"], options].concat());
        let text = file("watermark.txt", made.stdout.trim_end_matches('\n'));
        let output = Command::new(env!("CARGO_BIN_EXE_hedgerow"))
            .args(["detect", "--watermark", mark, "--vocab"])
            .arg(PLAIN.join("tokenizer.json"))
            .arg("--text")
            .arg(text)
            .output();
        let said = Said::of(output.unwrap());
        assert_eq!(said.code, Some(code), "{} {}", said.stdout, said.stderr);
        assert!(said.stdout.starts_with(expected), "{}", said.stdout);
    }
}

/// Waits until a process has a handler for SIGINT, then sends it.
#[cfg(target_os = "linux")]
fn interrupt(process: &std::process::Child) {
    let id = process.id();
    let has_handler = || {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0
    };
    while !has_handler() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &id.to_string()]).status().unwrap().success());
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_writes_what_was_made() {
    // A model that could write for hours.
    let mut config: Value = serde_json::from_str::<Value>(include_str!("../data/torch/strategies.json"))
        .unwrap()["config"]
        .take();
    config["max_position_embeddings"] = json!(1_000_000);
    let folder = model("long", &[("config.json", config.to_string())]);
    let trace = scratch("stopped.html");
    let path = trace.to_str().unwrap();
    let endless = ["--prompt", "Hi", "--suppressed-tokens", "5", "--max-tokens", "900000"];
    for (more, expected) in [
        (&["--json", "--trace", path][..], "\"finish_reason\":\"cancelled\""),
        (&["--json=pretty", "--completions", "2"], "\"finish_reason\": \"cancelled\""),
        (&["--stream"], ""),
        (&["--strategy", "beam:2", "--json"], "\"finish_reason\":\"cancelled\""),
        (&["--regex", "[a-z]*", "--json", "--draft", "ngram"], "\"complete\":true"),
    ] {
        let mut command = command(&folder, &[&endless[..], more].concat());
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        interrupt(&process);
        let said = Said::of(process.wait_with_output().unwrap());
        assert_eq!(said.code, Some(130), "{more:?}: {}", said.stderr);
        assert!(said.stdout.contains(expected), "{more:?}: {}", said.stdout);
        assert!(
            said.stderr.contains("finished: ") && said.stderr.contains("stopped by Ctrl-C"),
            "{}",
            said.stderr
        );
    }
    assert!(std::fs::read_to_string(&trace).unwrap().ends_with("</body></html>\n"));
}
