//! `hedgerow generate` as a black box, with a small random model that the tests write.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::program::{Said, hedgerow};
use super::random_model::{CHAT, PLAIN, command, file, hi, model, notes, run, scratch};
use super::small_model::tokenizer_json;

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
        ("--regex [a-z]{5} --max-tokens 5 --strategy beam:2", 0, "finished: constraint_complete"),
        (
            "--regex [a-z]{5} --max-tokens 5 --strategy diverse-beam:4:2:0.5",
            0,
            "finished: constraint_complete",
        ),
        // The budget wrote the ends.
        (&format!("{schema} --max-tokens 30"), 1, "the model did not complete the output within 30 tokens"),
        (&format!("{schema} --max-tokens 30"), 1, "--budget complete wrote the last "),
        (&format!("{schema} --max-tokens 30"), 1, " by the budget) in "),
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
            "takes 300 tokens, but the model's context of 256 tokens has room for 255",
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

/// Free text of a structural tag may end anywhere, as beside tools.
#[test]
fn a_limit_may_end_free_text() {
    for (format, code, expected) in [
        (json!({"type": "any_text"}), 0, "finished: length"),
        (
            json!({"type": "triggered_tags", "triggers": ["<f"], "tags": [
                {"type": "tag", "begin": "<f>", "content": {"type": "any_text"}, "end": "</f>"}]}),
            0,
            "finished: length",
        ),
        (json!({"type": "regex", "pattern": "[a-z]+"}), 1, "that the constraint is satisfied is chance"),
    ] {
        let tag = json!({"type": "structural_tag", "format": format});
        let path = file("free-text.json", tag.to_string());
        let said = hi(&PLAIN, &format!("--structural-tag {} --max-tokens 3", path.display()));
        assert_eq!(said.code, Some(code), "{tag}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{tag}: {}", said.stderr);
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
        let valid = if line["budget_ending"].is_null() { json!(true) } else { Value::Null };
        assert_eq!(
            (&line["index"], &line["complete"], &line["valid"]),
            (&json!(index), &json!(true), &valid)
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
        let endings = lines.iter().filter_map(|line| line["budget_ending"]["tokens"].as_u64());
        assert_eq!(usage["budget_tokens"], endings.sum::<u64>(), "{line}");
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
        // The budget writes a token in place of the only one that a pass after the prompt gives.
        ("--regex [ab]+c --max-tokens 2 --logit-bias 66=-50", true, false),
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
            let option = ban.split(' ').next().unwrap();
            let remedy = format!("help: {option} forbids what the constraint allows; leave it out");
            assert!(said.stderr.contains(&remedy), "{ban} {forced}: {}", said.stderr);
        }
    }
    // Strategies that rank tokens are refused as well.
    for strategy in ["beam:2", "diverse-beam:4:2:0.5"] {
        let options = format!("--choice a --strategy {strategy} --suppressed-tokens 64");
        for form in ["--json --quiet", "--json=pretty", "--completions 2"] {
            let said = hi(&PLAIN, &format!("{options} {form}"));
            assert_eq!(said.code, Some(1), "{strategy} {form}: {}", said.stdout);
            assert!(said.stderr.contains("no token can be drawn"), "{form}: {}", said.stderr);
            assert!(said.stderr.contains("help: --suppressed-tokens forbids what"), "{}", said.stderr);
        }
    }
    let said = hi(&PLAIN, "--choice aaaa --no-repeat-ngram 1");
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "aaaa\n"), "{}", said.stderr);
}

/// The budget's ending does not stop, and its tokens are told.
#[test]
fn stops_do_not_end_what_the_budget_writes() {
    // Token 88 is `y`.
    for stop in
        ["--stop y", "--stop xyz", "--stop-tokens 88", "--stop z --completions 2", "--stop y --healing --raw"]
    {
        let said = hi(&PLAIN, &format!("--regex [0-9]+xyz --max-tokens 6 {stop} --json"));
        assert_eq!(said.code, Some(1), "{stop}: {}", said.stderr);
        for line in said.lines() {
            assert_eq!(line["finish_reason"], "length", "{line}");
            assert!(line["text"].as_str().unwrap().ends_with("xyz"), "{line}");
            assert_eq!((&line["complete"], &line["stop_sequence"]), (&json!(true), &Value::Null), "{line}");
            assert_eq!(
                line["budget_ending"],
                json!({"first_token": 3, "tokens": 3, "first_byte": 3}),
                "{line}"
            );
        }
        assert!(said.stderr.contains("within 6 tokens; --budget complete wrote"), "{}", said.stderr);
        assert!(said.stderr.contains("help: raise --max-tokens"), "{}", said.stderr);
    }
}

/// A template leaves out in silence what it does not know.
#[test]
fn what_a_chat_template_leaves_out_is_told() {
    let template = "{% for m in messages if m.role in ['user', 'assistant'] %}<{{ m.role }}>{{ m.content }}\
        {% endfor %}{% if tone is defined %}({{ tone }}){% endif %}<assistant>";
    let config = json!({"chat_template": template}).to_string();
    let folder = model("deaf", &[("tokenizer_config.json", config)]);
    let chat = json!({"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "chat_template_kwargs": {"tune": 1}});
    let chat = file("deaf.json", chat.to_string());
    let chat = chat.to_str().unwrap();
    let options = ["--messages", chat, "--max-tokens", "1"];
    let tones = ["--template-variables", "tone=\"dry\"", "--template-variables", "tome=1"];
    let told = [
        "note: `tune` of chat_template_kwargs changes nothing: the model's chat template does not read it",
        "note: `tome` of --template-variables changes nothing: the model's chat template does not read it",
        "note: the model's chat template leaves out message 1, of the role `developer`",
    ];
    assert_eq!(notes(&run(&folder, &[&options[..], &tones].concat())), told);
    assert!(notes(&run(&folder, &["--prompt", "Hi", "--max-tokens", "1"])).is_empty());
    let said = run(&folder, &["--prompt", "Hi", "--healing"]);
    assert!(
        said.code == Some(2) && said.stderr.contains("ends with the chat template's own"),
        "{}",
        said.stderr
    );
    let said = run(&folder, &["--prompt", "H", "--raw", "--healing", "--max-tokens", "1"]);
    assert!(
        said.stderr.contains("--healing changed nothing: the prompt is a single token, which stays"),
        "{}",
        said.stderr
    );
    let said = run(&folder, &["--messages", "turn.gbnf"]);
    assert!(said.code == Some(1) && said.stderr.contains("help: it is JSON, such as ["), "{}", said.stderr);
    let said = run(&folder, &["--raw", "--prompt", ""]);
    assert!(
        said.stderr.contains("the model's tokenizer makes no tokens of the prompt; give it a text"),
        "{}",
        said.stderr
    );
}

/// A context that another option fills is told by its name.
#[test]
fn the_context_that_is_full_is_named() {
    let long = "a".repeat(200);
    let said = run(
        &PLAIN,
        &["--prompt", "Hi", "--guidance", "1.5", "--negative-prompt", &long, "--suppressed-tokens", "5"],
    );
    let expected = "note: the model's context of 256 tokens beside --negative-prompt with 200 is full";
    assert!(said.code == Some(0) && said.stderr.contains(expected), "{}", said.stderr);
    let longest = "a".repeat(300);
    let said = run(&PLAIN, &["--prompt", "Hi", "--guidance", "1.5", "--negative-prompt", &longest]);
    assert!(
        said.code == Some(1) && said.stderr.contains("help: shorten --negative-prompt"),
        "{}",
        said.stderr
    );
    let said = hi(&PLAIN, "--strategy contrastive --max-tokens 300 --suppressed-tokens 5 --json");
    assert_eq!(
        (said.code, &said.lines()[0]["finish_reason"]),
        (Some(0), &json!("length")),
        "{}",
        said.stderr
    );
}

/// Faults in a file of parameters name the field of the file.
#[test]
fn faults_of_parameters_name_the_field() {
    for (api, text, code, expected) in [
        ("vllm", r#"{"stop_token_ids": [999]}"#, 2, "`stop_token_ids` of --params vllm:"),
        ("vllm", r#"{"bad_words": [""]}"#, 2, "/bad_words: an empty string"),
        (
            "vllm",
            r#"{"bad_words": ["\u00e9"], "max_tokens": 1}"#,
            0,
            "note: left out of `bad_words` of --params vllm:",
        ),
        (
            "openai",
            r#"{"response_format": {"type": "foo"}, "max_tokens": 1}"#,
            2,
            "has no `type` that is known: foo",
        ),
        ("openai", r#"{"response_format": {"type": "text"}, "max_tokens": 1}"#, 0, "finished: length"),
    ] {
        let path = file("faulty.json", text);
        let said = run(&PLAIN, &["--prompt", "Hi", "--params", &format!("{api}:{}", path.display())]);
        assert_eq!(said.code, Some(code), "{text}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{text}: {}", said.stderr);
    }
}

/// A standard input loses the line feed that `echo` writes, and is read for one purpose.
#[test]
fn a_prompt_may_be_standard_input() {
    let answer = |options: &[&str], input| Said::after(&mut command(&PLAIN, options), input);
    let options = ["--raw", "--prompt", "-", "--max-tokens", "1", "--json"];
    for (input, tokens) in [("Hi\n", 2), ("Hi", 2), ("Hi\n\n", 3)] {
        let said = answer(&options, input);
        assert_eq!(said.lines()[0]["request"]["usage"]["prompt_tokens"], tokens, "{}", said.stderr);
    }
    let said = answer(&[&options[..], &["--guidance", "2", "--negative-prompt", "-"]].concat(), "Hi");
    assert!(
        said.stderr.contains("--prompt and --negative-prompt cannot both read standard input"),
        "{}",
        said.stderr
    );
}

/// A grammar may have an end token inside an output. The output ends there, and is not complete.
#[test]
fn an_end_token_inside_a_grammar_ends_the_output() {
    let grammar = file("end-inside.gbnf", "root ::= \"a\" <[5]> \"b\"");
    for (options, finish, tokens) in [
        ("--max-tokens 1 --budget cut", "length", 1),
        ("--max-tokens 1 --budget cut --strategy beam:2", "length", 1),
        ("--max-tokens 1 --budget cut --strategy contrastive", "length", 1),
        ("--max-tokens 5", "stop", 2),
        ("--max-tokens 5 --forced sample", "stop", 2),
        ("--max-tokens 5 --strategy beam:2", "stop", 2),
    ] {
        let said = hi(&PLAIN, &format!("--grammar {} {options} --json", grammar.display()));
        assert_eq!(said.code, Some(1), "{options}: {}", said.stderr);
        let line = &said.lines()[0];
        assert_eq!((&line["finish_reason"], &line["complete"]), (&json!(finish), &json!(false)), "{line}");
        assert_eq!(line["tokens"].as_array().unwrap().len(), tokens, "{line}");
        assert!(said.stderr.contains("was cut off before it was complete"), "{}", said.stderr);
        let is_named = said.stderr.contains("an end token of the model ended it");
        assert_eq!(is_named, finish == "stop", "{options}: {}", said.stderr);
    }
}

/// The text that ends an output too early is that of an option or of a file.
#[test]
fn the_source_of_an_early_end_is_named() {
    let stop = r#"{"stop_strings": ["a"], "max_new_tokens": 50}"#;
    let folder = model("stops", &[("generation_config.json", stop.to_owned())]);
    let tokens = file("stop-tokens.json", r#"{"stop_token_ids": [64], "max_tokens": 50}"#);
    let tokens = format!("--params vllm:{}", tokens.display());
    for (model, options, expected) in [
        (&folder, "", "a stop string of "),
        (&folder, "", "generation_config.json ended it; give another one with --stop, as the constraint"),
        (&folder, "--stop aa", "a text of --stop ended it; leave out --stop, as the constraint ends"),
        (&PLAIN, "--stop-tokens 64", "a token of --stop-tokens ended it; leave it out, as the constraint"),
        (&PLAIN, &tokens, "an end token of --params vllm:"),
    ] {
        let said = hi(model, &format!("--regex a{{9}} --forced sample {options}"));
        assert_eq!(said.code, Some(1), "{options}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{options}: {}", said.stderr);
    }
}

/// A list with one tool, `f`, whose arguments are `{"a": 1}`.
fn tool() -> Value {
    json!({"type": "function", "function": {"name": "f", "parameters": {
        "type": "object", "properties": {"a": {"enum": [1]}}, "required": ["a"], "additionalProperties": false}}})
}

#[test]
fn replies_with_tools_follow_options_of_schemas_and_lengths() {
    let list = file("tools-beside.json", json!([tool()]).to_string());
    let list = list.to_str().unwrap();
    // Without a chat template, nothing says in which format a model writes calls.
    let missing = "the model has no chat template that would prove a format of calls";
    for (options, expected) in [
        (&["--tools", list][..], missing.to_owned()),
        (&["--reasoning-budget", "2"], format!("how the model marks its reasoning, and {missing}")),
    ] {
        let said = run(&PLAIN, &[&["--prompt", "Hi", "--raw"], options].concat());
        assert_eq!(said.code, Some(2), "{options:?}: {}", said.stderr);
        assert!(said.stderr.contains(&expected), "{options:?}: {}", said.stderr);
        assert!(said.stderr.contains("help: name the format with --tool-format"), "{options:?}");
    }
    // A limit may end a text that need not be a call, as it may end any free text.
    for (choice, limit, code, expected) in [
        ("none", "3", 0, "finished: length"),
        ("auto", "3", 0, "finished: length"),
        ("required", "60", 1, "the model did not complete the output within 60 tokens"),
    ] {
        let options = ["--prompt", "Hi", "--tools", list, "--tool-format", "hermes", "--tool-choice", choice];
        let said = run(&CHAT, &[&options[..], &["--max-tokens", limit, "--suppressed-tokens", "5"]].concat());
        assert_eq!(said.code, Some(code), "{choice}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{choice}: {}", said.stderr);
        let bounds = said.stderr.contains("or by --max-string-length, --max-items and --max-digits");
        assert_eq!(bounds, code == 1, "{choice}: {}", said.stderr);
    }
    // Options of schemas are about the arguments of calls.
    let required = ["--tool-format", "llama3_json", "--tool-choice", "required", "--max-tokens", "120"];
    let several = json!([{"name": "f", "input_schema": {"type": "object", "required": ["b", "a"],
        "properties": {"a": {"enum": [1]}, "b": {"enum": [2]}}, "additionalProperties": false}}]);
    let several = file("tools-several.json", several.to_string());
    for (order, expected) in [("declared", "{\"a\":1,\"b\":2}"), ("any", "{\"b\":2,\"a\":1}")] {
        let options = [&["--prompt", "Hi", "--tools", several.to_str().unwrap(), "--key-order", order]];
        // Token 66 is `c`, and token 65 is `b`, which comes first where it may.
        let bias = ["--whitespace", "compact", "--logit-bias", "65=50", "--one-call"];
        let said = run(&CHAT, &[options[0], &required[..], &bias].concat());
        assert!(said.stdout.contains(expected), "{order}: {} {}", said.stdout, said.stderr);
    }
}

#[test]
fn tools_inside_a_conversation_count() {
    let tool = tool();
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
    assert!(said.code == Some(2) && said.stderr.contains("--messages and --tools need"), "{}", said.stderr);
    let none = file("no-tools.json", "[]");
    let said = run(&CHAT, &["--prompt", "Hi", "--tool-format", "hermes", "--tools", none.to_str().unwrap()]);
    assert!(said.code == Some(1) && said.stderr.contains("no-tools.json`, has no tool"), "{}", said.stderr);
    let said = run(&CHAT, &["--prompt", "Hi", "--reasoning-budget", "2"]);
    assert!(said.code == Some(1), "{}", said.stderr);
    assert!(
        said.stderr.starts_with("error: --reasoning-budget needs the format of calls"),
        "{}",
        said.stderr
    );
    // A constraint of the whole output leaves no room for reasoning.
    for options in [&["--schema", "person.schema.json"][..], &["--choice", "a"]] {
        let budget = ["--prompt", "Hi", "--reasoning-budget", "2", "--tool-format", "qwen3_coder"];
        let said = run(&CHAT, &[&budget[..], options].concat());
        assert_eq!(said.code, Some(2), "{options:?}: {}", said.stderr);
        assert!(said.stderr.contains("leaves no room for reasoning"), "{options:?}: {}", said.stderr);
    }
    // The format of calls says how a model marks reasoning, too.
    let reasons = "--prompt Hi --reasoning-budget 2 --tool-format qwen3_coder --max-tokens 4";
    let said = run(&CHAT, &reasons.split(' ').collect::<Vec<_>>());
    assert!(!said.stderr.contains("--tool-format has no effect"), "{}", said.stderr);
}

#[test]
fn layers_and_partners_are_checked_before_the_weights_are_read() {
    let folder = model("no-weights", &[]);
    // The file lacks a tensor, which is found when all of them are read.
    let mut weights = std::fs::read(PLAIN.join("model.safetensors")).unwrap();
    let name = b"model.norm.weight";
    let at = weights.windows(name.len()).position(|part| part == name).unwrap();
    weights[at..at + name.len()].copy_from_slice(b"model.form.weight");
    std::fs::write(folder.join("model.safetensors"), weights).unwrap();
    for (options, code, expected) in [
        ("--dola 3", 2, "--dola names layer 3, but the model has 3 layers, numbered from 0"),
        ("--dola 0-2", 1, "cannot load the model"),
        ("--draft skip:1,7", 2, "--draft skip names layer 7, but the model has 3 layers"),
        ("--draft skip:1", 1, "cannot load the model"),
        ("--draft model:absent", 1, "cannot load the draft model `absent`"),
        ("--draft medusa:absent", 1, "cannot read the file of draft heads `absent`"),
        ("--amateur absent", 1, "cannot load the amateur model `absent`"),
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
    for options in [format!("--draft model:{}", other.display()), format!("--amateur {}", other.display())] {
        let said = hi(&folder, &options);
        assert!(said.code == Some(1) && said.stderr.contains("has another vocabulary"), "{}", said.stderr);
    }
    let weights = PLAIN.join("model.safetensors");
    for (option, path, code, expected) in [
        ("--draft", format!("model:{}", other.display()), 1, "--draft model `"),
        ("--draft", format!("model:{}", other.display()), 1, "other-tokens` is not usable"),
        ("--amateur", other.display().to_string(), 1, "other-tokens` is not usable"),
        ("--draft", "model:ada.json".to_owned(), 1, "cannot load the draft model `ada.json`"),
        ("--draft", format!("medusa:{}", weights.display()), 1, "cannot load the draft heads `"),
    ] {
        let said = run(&PLAIN, &["--prompt", "Hi", option, &path]);
        assert_eq!(said.code, Some(code), "{option} {path}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{option} {path}: {}", said.stderr);
    }
}

/// Folders name templates in a list of `tokenizer_config.json`, or have a file for each. The file
/// for tools serves `generate` and `tools detect` alike.
#[test]
fn a_template_named_for_tools_renders_them() {
    let calls = "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}[TOOL_CALLS]{{ c.function.name \
        }}[ARGS]{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}({{ tools | length }}){{ eos_token }}";
    let named = |name: &str, template: &str| json!({"name": name, "template": template});
    let list = json!([named("default", "plain"), named("tool_use", calls)]);
    let config = json!({"chat_template": list, "eos_token": {"content": "%"}}).to_string();
    let listed = model("named-templates", &[("tokenizer_config.json", config)]);
    std::fs::create_dir_all(scratch("filed-templates/additional_chat_templates")).unwrap();
    let filed = model(
        "filed-templates",
        &[
            ("tokenizer_config.json", json!({"chat_template": "old", "eos_token": "%"}).to_string()),
            ("chat_template.jinja", "plain".to_owned()),
            ("additional_chat_templates/tool_use.jinja", calls.to_owned()),
        ],
    );
    let tools = file("tools-of-template.json", json!([tool()]).to_string());
    let trace = scratch("named-templates.html");
    for model in [listed, filed] {
        let said = Said::after(hedgerow().args(["tools", "detect"]).arg(&model), "");
        assert_eq!(said.stdout, "mistral\n");
        for (options, prompt) in [(&["--tools", tools.to_str().unwrap()][..], "Hi(1)%"), (&[], "plain")] {
            let page = ["--prompt", "Hi", "--max-tokens", "2", "--quiet", "--trace", trace.to_str().unwrap()];
            let said = run(&model, &[&page[..], options].concat());
            assert_ne!(said.code, Some(2), "{}", said.stderr);
            let page = std::fs::read_to_string(&trace).unwrap();
            assert!(page.contains(prompt), "{options:?}: {} {page}", said.stderr);
        }
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
    for (options, expected) in [
        (
            "--template-variables tone=1",
            "--template-variables has no effect on this model, which has no chat",
        ),
        ("--system S", "this model has no chat template, which --system, --messages and --tools need"),
    ] {
        let said = hi(&PLAIN, options);
        assert_eq!(said.code, Some(2), "{options}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{options}: {}", said.stderr);
    }
    // Without a template, a conversation is one text of the user.
    for (chat, code, expected) in [
        (r#"[{"role": "user", "content": "Hi"}]"#, 0, "it continues the prompt as it is"),
        (r#"[{"role": "system", "content": "Hi"}]"#, 2, "this model has no chat template, which --system"),
        (r#"[{"role": "user", "tool_calls": []}]"#, 2, "this model has no chat template, which --system"),
        (
            r#"{"messages": [{"role": "user", "content": "Hi"}], "chat_template_kwargs": {"a": 1}}"#,
            2,
            "the chat_template_kwargs of --messages have no effect on this model",
        ),
    ] {
        let path = file("plain-chat.json", chat);
        let said = run(&PLAIN, &["--messages", path.to_str().unwrap(), "--max-tokens", "2"]);
        assert_eq!(said.code, Some(code), "{chat}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{chat}: {}", said.stderr);
        assert_eq!(code == 0, said.stderr.contains("it continues"), "{chat}: {}", said.stderr);
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
                let is_made_up = !line["budget_ending"].is_null();
                let is_valid =
                    line.get("valid").is_none_or(|valid| valid == true || is_made_up && valid.is_null());
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
    std::fs::remove_file(&trace).unwrap();
    let said = run(&PLAIN, &["--prompt", "Hi", "--trace", path, "--choice", "abc", "--max-tokens", "1"]);
    assert!(said.code == Some(1) && !trace.exists(), "{}", said.stderr);
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
        let mut detect = hedgerow();
        detect.args(["detect", "--watermark", mark, "--vocab"]).arg(PLAIN.join("tokenizer.json"));
        let said = Said::after(detect.arg("--text").arg(text), "");
        assert_eq!(said.code, Some(code), "{} {}", said.stdout, said.stderr);
        assert!(said.stdout.starts_with(expected), "{}", said.stdout);
    }
}

/// Sends SIGINT to a process once it has a handler for it, and `wait` after that.
#[cfg(target_os = "linux")]
fn interrupt(process: &std::process::Child, wait: std::time::Duration) {
    let id = process.id();
    let has_handler = || {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0
    };
    while !has_handler() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(wait);
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
        // A busy machine takes long to load the model.
        let said = (0..8).map(|doubled| std::time::Duration::from_millis(100 << doubled)).find_map(|wait| {
            let mut command = command(&folder, &[&endless[..], more].concat());
            let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            interrupt(&process, wait);
            let said = Said::of(process.wait_with_output().unwrap());
            Some(said).filter(|said| !said.stderr.contains("before anything was made"))
        });
        let said = said.unwrap();
        assert_eq!(said.code, Some(130), "{more:?}: {}", said.stderr);
        assert!(said.stdout.contains(expected), "{more:?}: {}", said.stdout);
        assert!(
            said.stderr.contains("finished: ") && said.stderr.contains("stopped by Ctrl-C"),
            "{}",
            said.stderr
        );
    }
    assert!(std::fs::read_to_string(&trace).unwrap().ends_with("</body></html>\n"));
    // The command waits for its prompt, and has made nothing.
    let _ = std::fs::remove_file(&trace);
    let mut command = command(&folder, &["--prompt", "-", "--trace", path]);
    let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut process = process.unwrap();
    let input = process.stdin.take();
    interrupt(&process, std::time::Duration::ZERO);
    let said = Said::of(process.wait_with_output().unwrap());
    drop(input);
    assert_eq!((said.code, said.stdout.as_str()), (Some(130), ""));
    assert_eq!(said.stderr, "note: stopped by Ctrl-C before anything was made\n");
    assert!(!trace.exists());
}
