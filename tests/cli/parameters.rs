//! `hedgerow generate` with parameters from files: `--params`, and the `generation_config.json` of
//! a model's folder.

use serde_json::json;

use super::random_model::{PLAIN, file, hi, model, notes, run, scratch};

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

/// A `generation_config.json`, options, the number of tokens of the output, and a part of the
/// notes.
const CONFIGS: &[(&str, &str, usize, Option<&str>)] = &[
    (r#"{"max_new_tokens": 3, "suppress_tokens": [5], "eos_token_id": 5}"#, "", 3, None),
    (r#"{"max_length": 8, "suppress_tokens": [5], "eos_token_id": 5}"#, "", 6, None),
    (r#"{"max_length": 8, "suppress_tokens": [5]}"#, "--max-tokens 4", 4, None),
    (r#"{"max_length": 8, "max_new_tokens": 2}"#, "", 2, Some("max_length")),
    // An empty list names no token; `config.json` names one.
    (r#"{"max_new_tokens": 2, "eos_token_id": [], "bos_token_id": []}"#, "", 2, None),
    (
        r#"{"max_new_tokens": 2, "max_time": 3.5, "temperature": 0.5, "use_cache": true}"#,
        "",
        2,
        Some("temperature, max_time"),
    ),
    (
        r#"{"max_new_tokens": 2, "assistant_early_exit": 3}"#,
        "",
        2,
        Some("assistant_early_exit (see --draft skip:LAYERS)"),
    ),
    (r#"{"max_new_tokens": 2, "guidance_scale": 3}"#, "", 2, Some("give --guidance SCALE and")),
    (
        r#"{"max_new_tokens": 2, "penalty_alpha": 0.5}"#,
        "",
        2,
        Some("give --strategy contrastive:CANDIDATES:PENALTY and"),
    ),
    // Parameters that conflict, or that have no meaning.
    (
        r#"{"max_new_tokens": 2, "min_new_tokens": 9}"#,
        "",
        2,
        Some("/min_new_tokens: conflicts with `max_new_tokens`"),
    ),
    (
        r#"{"max_new_tokens": 2, "repetition_penalty": 0}"#,
        "",
        2,
        Some("/repetition_penalty: 0 is not usable"),
    ),
    // The model names an end token, and the command a length.
    (
        r#"{"exponential_decay_length_penalty": [1, 1.5], "forced_eos_token_id": 5}"#,
        "--max-tokens 1",
        1,
        None,
    ),
    (
        r#"{"max_new_tokens": 2, "watermarking_config": {"bias": 2.0}}"#,
        "",
        2,
        Some("watermarking_config of "),
    ),
    (r#"{"max_new_tokens": 2, "frobnicate": 1}"#, "", 2, Some("/frobnicate: unknown")),
    // Fields that cannot be used are left out, and the rest is used.
    (
        r#"{"max_new_tokens": 2, "forced_eos_token_id": []}"#,
        "",
        2,
        Some("/forced_eos_token_id: [] is not a token id"),
    ),
    (
        r#"{"max_new_tokens": 2, "watermarking_config": {"bias": "x"}}"#,
        "",
        2,
        Some("/watermarking_config/bias: "),
    ),
    ("[", "--max-tokens 3", 3, Some("is not used: ")),
    (
        r#"{"max_new_tokens": 2, "watermarking_config": {"greenlist_ratio": 1.0}}"#,
        "",
        2,
        Some("/watermarking_config: 1 is not usable"),
    ),
    (
        r#"{"max_new_tokens": 2, "exponential_decay_length_penalty": [1, 0]}"#,
        "",
        2,
        Some("/exponential_decay_length_penalty: 0 is not usable"),
    ),
    (
        r#"{"max_new_tokens": 3, "min_length": 20}"#,
        "",
        3,
        Some("min_length asks for 18 tokens of output, but it has at most 3"),
    ),
    (r#"{"max_length": 20, "min_length": 19}"#, "--max-tokens 4", 4, Some("min_length asks for 17 tokens")),
    (r#"{"max_length": 20, "max_new_tokens": 8, "min_length": 9}"#, "", 8, Some("max_length")),
    (
        r#"{"max_length": 20, "max_new_tokens": 50, "min_length": 52, "suppress_tokens": [5]}"#,
        "",
        50,
        Some("max_length"),
    ),
    (
        r#"{"max_new_tokens": 3, "num_beams": 2, "num_return_sequences": 4}"#,
        "",
        3,
        Some("/num_return_sequences: 4 is above `num_beams`, 2"),
    ),
    // Fields about tokens that the model does not have have no effect on it.
    (
        r#"{"max_new_tokens": 3, "suppress_tokens": [5, 999999], "bad_words_ids": [[64, 999999]]}"#,
        "",
        3,
        Some("names token 999999, but the model has 97 tokens"),
    ),
    (r#"{"max_new_tokens": 2, "forced_eos_token_id": 97}"#, "", 2, Some("`forced_eos_token_id` of ")),
    (r#"{"max_new_tokens": 2, "forced_bos_token_id": 9}"#, "", 2, Some("forced_bos_token_id")),
];

#[test]
fn members_of_generation_config_are_honoured_or_named() {
    for &(config, options, tokens, note) in CONFIGS {
        let folder = model("members", &[("generation_config.json", config.to_owned())]);
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
    // Options are refused all the same, and say who asks.
    let config = r#"{"num_return_sequences": 3, "do_sample": true, "suppress_tokens": [99]}"#;
    let folder = model("members-asked", &[("generation_config.json", config.to_owned())]);
    for (options, expected) in [
        ("--strategy beam:2", "3 outputs are asked for by "),
        ("--strategy beam:2 --completions 4", "4 outputs are asked for by --completions"),
        ("--logit-bias 98=1", "--logit-bias names token 98, but the model has 97 tokens"),
        ("--suppressed-tokens 98", "--suppressed-tokens names token 98, but the model has 97 tokens"),
    ] {
        let said = hi(&folder, options);
        assert_eq!(said.code, Some(2), "{options}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{options}: {}", said.stderr);
    }
}

/// Parameters with a response format.
const NUMBER: &str = r#"{"response_format": {"type": "json_schema", "json_schema": {"name": "n",
        "schema": {"enum": [12, 345]}}}, "temperature": 0}"#;

/// An API, a file of its parameters, options, the exit code, and a part of stderr.
const SETS: &[(&str, &str, &str, i32, &str)] = &[
    ("openai", NUMBER, "", 0, "valid: the output satisfies `response_format of --params"),
    ("openai", NUMBER, "--choice abc", 0, "is not used: another constraint is given"),
    (
        "openai",
        r#"{"temperature": 0.5, "max_tokens": 2}"#,
        "--max-items 1",
        2,
        "--max-items has no effect without a schema",
    ),
    // Options of schemas are about the schema of the file.
    ("openai", NUMBER, "--max-digits 2 --regex 12", 2, "--max-digits has no effect without a schema"),
    ("openai", NUMBER, "--strictness lenient --max-digits 4", 0, "valid: the output satisfies"),
    (
        "hugging-face",
        r#"{"num_beams": 2, "max_new_tokens": 2}"#,
        "--early-stopping full --verbose",
        0,
        "strategy beam:2:1:full",
    ),
    (
        "hugging-face",
        r#"{"num_beams": 2, "max_new_tokens": 2, "watermarking_config": {"bias": 2.0}}"#,
        "",
        0,
        ": watermarking_config, which concern strategies that draw tokens",
    ),
    ("openai", r#"{"max_tokens": 2, "stream": true}"#, "", 0, "(see --stream)"),
    (
        "openai",
        r#"{"max_tokens": 2, "temperature": 0, "top_p": 0.5}"#,
        "--seed 3",
        0,
        "; --seed and top_p of ",
    ),
    (
        "vllm",
        r#"{"structured_outputs": {"regex": "a"}}"#,
        "",
        2,
        "/structured_outputs: not supported; give it by --regex and remove the field",
    ),
    (
        "vllm",
        r#"{"ignore_eos": true}"#,
        "",
        2,
        "/ignore_eos: not supported; give the end tokens to --suppressed-tokens instead",
    ),
    ("openai", r#"{"n": 3, "max_tokens": 2}"#, "", 0, "finished: 3 × length"),
    ("openai", r#"{"n": 3, "max_tokens": 2}"#, "--stream", 2, "--stream writes one output"),
    ("openai", r#"{"max_tokens": 2, "messages": [{}], "tools": [{}]}"#, "", 0, "(see --messages, --tools)"),
    ("openai", r#"{"max_tokens": 0}"#, "", 2, "/max_tokens: 0 is not"),
    ("vllm", r#"{"max_tokens": 2, "stop_token_ids": [900]}"#, "", 2, "names token 900, but the model has 97"),
    (
        "vllm",
        r#"{"max_tokens": 2, "n": 5000}"#,
        "",
        2,
        "the strategy and the number of outputs are not usable",
    ),
    ("hugging-face", r#"{"num_beams": 5000}"#, "", 2, "the strategy of --params hugging-face:"),
    ("anthropic", r#"{"temperature": 0.5}"#, "", 2, "/max_tokens: missing"),
    (
        "hugging-face",
        r#"{"max_new_tokens": 2, "min_length": 9}"#,
        "",
        2,
        "/min_length: 9 tokens of prompt and output together",
    ),
    (
        "hugging-face",
        r#"{"max_new_tokens": 2, "min_length": 9}"#,
        "",
        2,
        "help: --min-tokens counts the output alone",
    ),
    ("hugging-face", r#"{"max_new_tokens": 2, "min_length": 9}"#, "--min-tokens 1", 0, ""),
    (
        "hugging-face",
        r#"{"encoder_no_repeat_ngram_size": 2}"#,
        "",
        2,
        "/encoder_no_repeat_ngram_size: not supported; remove the field",
    ),
    (
        "hugging-face",
        r#"{"num_beams": 2}"#,
        "--temperature 0.5",
        2,
        "--temperature has no effect on the strategy beam:2 of --params hugging-face:",
    ),
    (
        "hugging-face",
        r#"{"num_beams": 2}"#,
        "--draft ngram",
        2,
        "--draft has no effect on the strategy beam:2 of --params",
    ),
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
];

#[test]
fn a_file_of_parameters_sets_what_its_api_sets() {
    for &(api, set, options, code, expected) in SETS {
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

/// A byte order mark in front of a model's files changes nothing.
#[test]
fn byte_order_marks_of_a_model_are_skipped() {
    let marked = |name: &'static str| {
        let text = std::fs::read_to_string(PLAIN.join(name)).unwrap();
        (name, format!("\u{feff}{text}"))
    };
    let settings = "\u{feff}{\"max_new_tokens\": 2, \"do_sample\": false}".to_owned();
    let files = [marked("config.json"), marked("tokenizer.json"), ("generation_config.json", settings)];
    let said = hi(&model("marked", &files), "--raw --quiet");
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    assert_eq!(said.stdout, hi(&PLAIN, "--raw --quiet --max-tokens 2 --temperature 0").stdout);
}

/// A watermark that leaves no trace is refused.
#[test]
fn a_watermark_without_an_effect_is_refused() {
    for (mark, expected) in [
        ("0.25:0", "expected a finite number > 0"),
        ("0.25:-3", "expected a finite number > 0"),
        ("0.001:3", "--watermark has no effect: its list is empty, since its share of 97 tokens"),
        ("0.25:3:7:9", "--watermark has no effect: its list needs 9 tokens before the token that is drawn"),
    ] {
        let said = hi(&PLAIN, &format!("--raw --max-tokens 2 --watermark {mark}"));
        assert_eq!(said.code, Some(2), "{}", said.stderr);
        assert!(said.stderr.contains(expected), "{}", said.stderr);
    }
    // That of the model's folder, for which nobody asked, is left out.
    for (settings, reason) in [
        (json!({"bias": 0.0}), "/watermarking_config: 0 is not usable"),
        (json!({"greenlist_ratio": 0.001}), "its list is empty"),
    ] {
        let settings = json!({"watermarking_config": settings, "do_sample": true}).to_string();
        let folder = model("void-watermark", &[("generation_config.json", settings.clone())]);
        let said = hi(&folder, "--raw --max-tokens 2");
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert!(said.stderr.contains("left out") && said.stderr.contains(reason), "{}", said.stderr);
        let params = file("void-watermark.json", &settings);
        let said = hi(&PLAIN, &format!("--raw --max-tokens 2 --params hugging-face:{}", params.display()));
        assert_eq!(said.code, Some(2), "{}", said.stderr);
        assert!(said.stderr.contains("watermarking_config"), "{}", said.stderr);
    }
}

/// An end token is not forced where the smallest length allows none. That of the model's folder is
/// left out.
#[test]
fn forced_end_tokens_obey_the_smallest_length() {
    let end = serde_json::from_str::<serde_json::Value>(
        &std::fs::read_to_string(PLAIN.join("config.json")).unwrap(),
    );
    let end = end.unwrap()["eos_token_id"][0].as_u64().unwrap();
    let both = json!({"forced_eos_token_id": end, "min_new_tokens": 3, "max_new_tokens": 3}).to_string();
    let params = format!("--params hugging-face:{}", file("forced-end.json", &both).display());
    for (options, code, expected) in [
        (format!("--forced-first {end} --min-tokens 1"), 2, "--forced-first has no effect: token"),
        (format!("--forced-last {end} --min-tokens 3"), 2, "--forced-last has no effect: token"),
        (format!("--forced-last {end} --min-tokens 2"), 0, ""),
        ("--forced-first 3 --stop-tokens 3 --min-tokens 2".to_owned(), 2, "--forced-first has no effect"),
        ("--forced-first 0 --min-tokens 2".to_owned(), 0, ""),
        ("--forced-first 3 --forced-last 4 --max-tokens 1".to_owned(), 2, "--forced-last has no effect"),
        (params, 2, "`forced_eos_token_id` of --params"),
    ] {
        let length = if options.contains("--max-tokens") { "" } else { "--max-tokens 3" };
        let said = hi(&PLAIN, &format!("--raw --quiet {length} {options}"));
        assert_eq!(said.code, Some(code), "{options}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{options}: {}", said.stderr);
    }
    let folder = model("forced-end", &[("generation_config.json", both)]);
    let said = hi(&folder, "--raw --quiet");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("left out: `forced_eos_token_id` of "), "{}", said.stderr);
}

/// A wrong end token of a model's folder is an error that names the file, and no note says that it
/// is left out.
#[test]
fn a_wrong_end_token_is_an_error() {
    for end in [json!(9999), json!("x"), json!(-1), json!(1.5), json!([null]), json!(1_u64 << 32)] {
        let end = json!({"eos_token_id": end}).to_string();
        let folder = model("unknown-end", &[("generation_config.json", end.clone())]);
        let said = hi(&folder, "--raw --max-tokens 2");
        let names = |text| said.stderr.contains(text);
        assert!(
            said.code == Some(1)
                && names("`eos_token_id` of `")
                && names("generation_config.json")
                && !names("left out"),
            "{end}: {}",
            said.stderr
        );
    }
}
