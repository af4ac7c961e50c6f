//! `hedgerow generate` refuses options that have no effect or no meaning before it loads a model.

use super::program::{Said, hedgerow};
use serde_json::json;

/// Runs `generate` with a model that has a tokenizer and no weights; exit code and stderr.
fn generate(options: &str) -> (Option<i32>, String) {
    let said =
        Said::after(hedgerow().args(["generate", "--model", "."]).args(options.split_whitespace()), "");
    (said.code, said.stderr)
}

/// Runs a subcommand with this standard input; exit code, stdout and stderr.
fn run(options: &str, input: &str) -> (Option<i32>, String, String) {
    let said = Said::after(hedgerow().args(options.split_whitespace()), input);
    (said.code, said.stdout, said.stderr)
}

/// The path of a file with this text.
fn scratch(name: &str, text: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Options, and a part of the error line that refuses them.
const REFUSED: &[(&str, &str)] = &[
    ("--strategy beam:3 --temperature 0.5", "--temperature has no effect on this strategy"),
    ("--strategy beam:3 --top-p 0.5", "--top-p has no effect on this strategy"),
    ("--strategy beam:3 --seed 1", "--seed has no effect on this strategy"),
    ("--strategy contrastive --min-p 0.1", "--min-p has no effect on this strategy"),
    ("--strategy beam:3 --draft ngram", "--draft has no effect on this strategy"),
    ("--strategy beam:0", "the number of beams is not from 1 to 4096"),
    ("--strategy best-of:0", "of which best-of keeps the best is not from 1 to 4096"),
    ("--strategy beam:3 --watermark 0.25:2", "--watermark has no effect on this strategy"),
    ("--strategy contrastive --watermark 0.25:2", "--watermark has no effect on this strategy"),
    ("--temperature 0 --watermark 0.25:2", "--watermark has no effect at temperature 0 (--temperature)"),
    ("--preset factual --watermark 0.25:2", "at temperature 0 (--preset factual)"),
    ("--temperature 0 --watermark 0.25:2", "give a --temperature above 0, or leave --watermark out"),
    ("--temperature 0 --watermark 0.25:2 --order llama", "--watermark has no effect at temperature 0"),
    ("--strategy beam:2 --completions 3", "raise the number of beams"),
    ("--strategy diverse-beam:4:3:0.5", "does not divide the number of beams"),
    ("--strategy best-of:2 --completions 3", "make more, or ask for fewer"),
    ("--strategy contrastive --completions 2", "contrastive search finds one output"),
    ("--strategy contrastive:0", "the number of candidates is not from 1 to 4096"),
    ("--early-stopping full", "--early-stopping has no effect without beams"),
    ("--strategy sample --early-stopping full", "--early-stopping has no effect without beams"),
    ("--completions 0", "expected a whole number from 1 to 4096"),
    ("--completions 5000", "expected a whole number from 1 to 4096"),
    ("--guidance 1e38", "expected a number from -1000000 to 1000000"),
    ("--guidance nan", "expected a number"),
    ("--guidance inf", "expected a number"),
    ("--draft ngram --draft-tokens 900", "expected a whole number from 1 to 64"),
    ("--draft ngram --draft-tokens 0", "expected a whole number from 1 to 64"),
    ("--draft ngram:3:900", "LONGEST and TOKENS are from 1 to 64"),
    ("--draft-tokens 3", "--draft-tokens has no effect without --draft"),
    ("--draft-choice drawn", "--draft-choice has no effect without --draft"),
    ("--accept-typical 0.09:0.3", "--accept-typical has no effect without --draft"),
    ("--negative-prompt x", "--negative-prompt has no effect without --guidance"),
    ("--draft ngram --accept-typical 2:0.3", "EPSILON between 0 and 1"),
    ("--stop-tokens 999999", "--stop-tokens names token 999999, but the model has"),
    ("--logit-bias 99999999=3", "--logit-bias names token 99999999, but the model has"),
    ("--suppressed-tokens 77777777", "--suppressed-tokens names token 77777777"),
    ("--strictness lenient", "--strictness has no effect without a schema"),
    ("--fuel 3", "--fuel has no effect without a schema"),
    ("--key-order any", "--key-order has no effect without a schema"),
    ("--key-order any", "give one, such as by --schema FILE, or leave --key-order out"),
    ("--choice a --documents x=y", "--documents has no effect without a schema"),
    ("--grammar list.gbnf --whitespace compact", "--whitespace has no effect without a schema"),
    ("--grammar-notation gbnf", "--grammar-notation has no effect without --grammar"),
    ("--structural-tag calls.json --regex-dialect rust", "--regex-dialect has no effect without --regex"),
    ("--schema person.schema.json --start x", "--start has no effect without --grammar"),
    ("--grammar list.gbnf --start x", "--start has no effect on a grammar in the notation gbnf"),
    ("--grammar list.gbnf --import-dir .", "--import-dir has no effect on a grammar in the notation gbnf"),
    ("--messages ada.json", "cannot be used with"),
    ("--template-variables a=b", "is not JSON; a text stands in quotes"),
    ("--template-variables a=1 --raw", "cannot be used with"),
    ("--logprobs 3", "--logprobs has no effect without --json"),
    ("--order mask,temperature", "`top-p` is set by the parameters but not listed"),
    ("--order gguf", "expected `hf`, `vllm`, `llama`, or steps with commas between them; `gguf` is no step"),
    ("--order mask,top_k", "`top_k` is no step; the steps are logit-bias, "),
    ("--order mask,temperature", "parameters without an option are those of --preset balanced"),
    ("--max-digits 0 --schema person.schema.json", "expected a whole number from 1 to"),
    ("--max-items 3", "--max-items has no effect without a schema"),
    ("--budget cut", "--budget has no effect without a constraint"),
    (
        "--schema person.schema.json --format annotate --unknown-format refuse",
        "--unknown-format has no effect without --format assert",
    ),
    ("--top-k 1 --watermark 0.25:2", "--watermark has no effect on a top-k of 1"),
    ("--strategy diverse-beam:4:1:0.5", "the PENALTY of diverse-beam has no effect on one group"),
    ("--strategy beam:4:0 --early-stopping never", "--early-stopping never is the same as heuristic"),
    ("--strategy beam:2 --order llama --repetition-penalty 1.1", "--order has no effect on this strategy"),
    ("--forced sample", "--forced has no effect without a constraint"),
    ("--forced append --strategy beam:2 --choice a", "--forced append has no effect on this strategy"),
    ("--forced append --strategy contrastive --choice a", "--forced append has no effect on this strategy"),
    (
        "--tools ../../../examples/data/tools.json --tool-format hermes --tool-choice none --one-call",
        "--one-call has no effect with --tool-choice none",
    ),
    (
        "--raw --tools ../../../examples/data/tools.json --tool-format hermes --tool-choice none --key-order any",
        "--key-order has no effect without a schema",
    ),
    ("--budget complete --strategy beam:2 --choice a", "--budget complete has no effect on this strategy"),
    ("--repetition-window 5", "--repetition-window has no effect without --repetition-penalty"),
    ("--top-k-ties keep-all --preset chat", "--top-k-ties has no effect without --top-k"),
    ("--tfs-end before", "--tfs-end has no effect without --tfs-z"),
    ("--draft ngram --draft-choice drawn", "--draft-choice has no effect on this drafter"),
    ("--draft medusa:x --draft-choice likeliest", "--draft-choice has no effect on this drafter"),
    ("--schema person.schema.json --indent 4", "--indent has no effect without --whitespace pretty"),
    ("--schema person.schema.json --whitespace compact --indent 4", "--indent has no effect"),
    ("--completions -1", "expected a whole number from 1 to 4096"),
    ("--max-tokens 0", "expected a whole number, 1 or more"),
    ("--min-tokens 600", "at least 600 tokens are asked for, but at most 512"),
    ("--min-tokens 6 --max-tokens 5", "raise --max-tokens, or lower --min-tokens"),
    ("--tool-choice auto", "--tool-choice has no effect without tools"),
    ("--tool-format auto", "--tool-format has no effect without tools"),
    ("--one-call", "--one-call has no effect without tools"),
    ("--regex a --tool-choice auto", "--tool-choice has no effect without tools"),
    (
        "--template-variables a=1 --template-variables b=2 --template-variables a=3",
        "--template-variables gives `a` twice",
    ),
    ("--draft ngram:3:9 --draft-tokens 3", "--draft ngram:LONGEST:TOKENS and --draft-tokens say the same"),
    ("--params openai:", "there is no file behind the `:`"),
    ("--schema person.schema.json --whitespace pretty --indent 17", "expected a whole number from 0 to 16"),
    ("--schema person.schema.json --whitespace-pattern .*", "--whitespace-pattern is not usable"),
    ("--schema person.schema.json --separators ; :", "--separators is not usable"),
    ("--schema - --structural-tag -", "cannot be used with"),
    ("--exponential-decay 3:1.1 --seed x", "expected a whole number"),
    ("--stop-tokens -1", "invalid value '-1'"),
    ("--guidance x", "expected a number"),
    ("--strategy contrastive:4:nan", "the strategy is not usable"),
    ("--strategy beam:3 --preset creative", "--preset creative has no effect on this strategy"),
    ("--strategy contrastive --preset factual", "--preset factual has no effect on this strategy"),
    (
        "--strategy beam:3:1:full --early-stopping never",
        "names the EARLY_STOPPING that --early-stopping gives",
    ),
    ("--min-tokens -3", "expected a whole number, 0 or more"),
    ("--stop-tokens 4294967296", "the number is too large"),
    ("--json --logprobs x", "expected a whole number, 0 or more"),
    ("--reasoning-budget x", "expected a whole number, 0 or more"),
    ("--schema person.schema.json --fuel 1.5", "expected a whole number, 0 or more"),
    ("--threads 0", "expected a whole number from 1 to 1024"),
    ("--stream --completions 2", "--stream writes one output"),
];

#[test]
fn options_without_effect_or_meaning_are_refused() {
    for (options, expected) in REFUSED {
        let (code, stderr) = generate(&format!("--prompt x {options}"));
        assert_eq!(code, Some(2), "{options}: {stderr}");
        assert!(stderr.contains(*expected), "{options}: {stderr}");
    }
    for (option, value) in [("--stop", ""), ("--bad-words", "")] {
        let options = ["generate", "--model", ".", "--prompt", "x", option, value];
        assert_eq!(Said::after(hedgerow().args(options), "").code, Some(2), "{option}");
    }
    let (code, stderr) = generate("--max-tokens 3");
    assert!(code == Some(2) && stderr.contains("  <--prompt <TEXT>|--messages <FILE>>\n"), "{stderr}");
    // A conversation that is none.
    let (code, stderr) = generate("--messages ada.json");
    assert!(code == Some(1) && stderr.contains("cannot use the conversation `ada.json`"), "{stderr}");
    assert!(stderr.contains("is no part of a conversation"), "{stderr}");
}

/// Standard input is read once, by whatever option names it.
#[test]
fn one_option_reads_standard_input() {
    for (options, both) in [
        ("check --schema - --instance -", "--schema and --instance"),
        ("check --structural-tag - --instance -", "--structural-tag and --instance"),
        ("check --tools - --tool-format hermes --instance -", "--tools and --instance"),
        ("mask --vocab - --schema -", "--schema and --vocab"),
        ("compile --vocab - --grammar - --grammar-notation gbnf --fsm x", "--grammar and --vocab"),
        ("detect --vocab - --text - --watermark 0.5:2", "--vocab and --text"),
        ("sample --logits - --params vllm:-", "--params and --logits"),
        ("generate --model . --prompt - --schema -", "--schema and --prompt"),
        ("generate --model . --prompt - --negative-prompt - --guidance 2", "--prompt and --negative-prompt"),
        ("generate --model . --prompt x --params vllm:- --schema -", "--params and --schema"),
        ("generate --model . --messages - --schema -", "--schema and --messages"),
        ("generate --model . --messages - --tools -", "--tools and --messages"),
    ] {
        // Nothing is read before, so the input may be anything.
        let (code, _, stderr) = run(options, "no JSON");
        assert_eq!(code, Some(2), "{options}: {stderr}");
        let expected = format!("{both} cannot both read standard input");
        assert!(stderr.contains(&expected), "{options}: {stderr}");
    }
    let (code, stdout, stderr) =
        run("check --schema person.schema.json --documents x:y=- --documents x:z=-", "{}");
    assert_eq!((code, stdout.as_str()), (Some(0), "person.schema.json: compiles\n"), "{stderr}");
    let unused = "`$ref` does not lead to this document anywhere, which has no effect (2 places: x:y#, x:z#)";
    assert!(stderr.contains(unused), "{stderr}");
}

/// `sample` refuses ids that the row does not have, and what has no effect on one row.
#[test]
fn parameters_of_a_row_are_checked() {
    let of_loop = r#"{"n": 2, "stop": ["a"], "max_tokens": 4, "logprobs": true, "temperature": 0.5,
        "response_format": {"type": "json_object"}}"#;
    for (options, code, expected) in [
        ("--output-ids 0,4", 2, "--output-ids names token 4, but the row has 4 logits"),
        ("--prompt-ids 4", 2, "--prompt-ids names token 4, but the row has 4 logits"),
        ("--stop-tokens 9", 2, "--stop-tokens names token 9, but the row has 4 logits"),
        ("--logit-bias 7=1", 2, "--logit-bias names token 7, but the row has 4 logits"),
        ("--suppressed-tokens 7", 2, "--suppressed-tokens names token 7"),
        ("--begin-suppressed-tokens 7", 2, "--begin-suppressed-tokens names token 7"),
        ("--allowed-tokens 7", 2, "--allowed-tokens names token 7"),
        ("--bad-words 1:7", 2, "--bad-words names token 7"),
        ("--sequence-bias 1:7=2", 2, "--sequence-bias names token 7"),
        ("--forced-first 7", 2, "--forced-first names token 7"),
        ("--dry 1:2:2:0/7", 2, "--dry names token 7"),
        ("--params vllm:-", 2, "`stop_token_ids` of --params vllm:- names token 7"),
        (
            "--output-ids 3 --prompt-ids 0 --stop-tokens 3 --min-tokens 1 --logit-bias 3=1 --no-repeat-ngram 4",
            0,
            "",
        ),
        ("--prompt-ids 0 --frequency-penalty 1", 0, "--prompt-ids changes nothing, as no step looks"),
        ("--forced-last 1", 2, "--forced-last has no effect on a single row"),
        ("--temperature 0 --seed 3 --top-p 0.5", 0, "; --top-p and --seed change nothing"),
        ("--temperature 0 --watermark 0.5:2", 2, "--watermark has no effect at temperature 0"),
        ("--key-order any", 2, "--key-order has no effect without a schema"),
        ("--exponential-decay 0:2", 2, "no end token is known; name one with --stop-tokens"),
        (
            "--params openai:-",
            0,
            "stop strings, the number of outputs, the number of log-probabilities, the response format, the greatest length",
        ),
    ] {
        let row = scratch("row.json", "[1, 2.5, null, 0.5]");
        let input = if options.contains("vllm") { r#"{"stop_token_ids": [7]}"# } else { of_loop };
        let (found, _, stderr) = run(&format!("sample --logits {row} {options}"), input);
        assert_eq!(found, Some(code), "{options}: {stderr}");
        assert!(stderr.contains(expected), "{options}: {stderr}");
        assert!(!expected.is_empty() || stderr.is_empty(), "{options}: {stderr}");
    }
}

/// One line for each kind of warning and of note: a count, and the first places.
#[test]
fn warnings_are_grouped() {
    let unknown = |names: &[&str]| {
        let member = |(number, name): (usize, &&str)| format!(r#""k{number}": {{"format": "{name}"}}"#);
        format!(
            r#"{{"properties": {{{}}}}}"#,
            names.iter().enumerate().map(member).collect::<Vec<_>>().join(", ")
        )
    };
    for (names, expected) in [
        (
            &["foo"][..],
            &["#/properties/k0: `format` names `foo`, a format that is not known, and has no effect"][..],
        ),
        (
            &["foo", "foo"],
            &[
                "`format` names `foo`, a format that is not known, and has no effect (2 places: #/properties/k0, #/properties/k1)",
            ],
        ),
        (
            &["foo", "bar", "foo", "foo", "bar", "foo", "foo"],
            &[
                "`format` names `foo`, a format that is not known, and has no effect (5 places: #/properties/k0, \
                 #/properties/k2, #/properties/k3, …)",
                "`format` names `bar`, a format that is not known, and has no effect (2 places: #/properties/k1, \
                 #/properties/k4)",
            ],
        ),
        (&[], &[]),
    ] {
        let (code, _, stderr) = run("check --schema -", &unknown(names));
        let expected: Vec<String> = expected.iter().map(|line| format!("warning: -: {line}")).collect();
        assert_eq!(
            (code, stderr.lines().collect::<Vec<_>>()),
            (Some(0), expected.iter().map(String::as_str).collect())
        );
    }
    let keywords = r#"{"aa": 1, "bb": 1, "cc": 1, "dd": 1}"#;
    let (_, _, stderr) = run("check --schema -", keywords);
    let expected = "warning: -: `aa`, `bb`, `cc`, … is not a JSON Schema keyword and has no effect (4 places: #, #, #, …)\n";
    assert_eq!(stderr, expected);
    let rules = "start: %json {\"items\": {\"typo\": 1}}";
    let (code, _, stderr) = run("check --grammar - --grammar-notation lark", rules);
    let expected = "warning: -: #/items: `typo` is not a JSON Schema keyword and has no effect, \
                    in the `%json` on line 1\n";
    assert_eq!((code, stderr.as_str()), (Some(0), expected));
}

/// Documents that tools or the schema of an answer use are used; others are named once.
#[test]
fn documents_of_tools_are_used() {
    let document = scratch("of_tools.json", r#"{"type": "integer"}"#);
    let with = |parameter| {
        let tool = json!({"name": "f", "parameters": {"type": "object", "properties": {"x": parameter}}});
        json!([{"type": "function", "function": tool}]).to_string()
    };
    let reference = json!({"$ref": "http://x/int"});
    for (number, (parameter, schema, warnings)) in [
        (reference.clone(), json!({"type": "null"}), 0),
        (json!({}), reference.clone(), 0),
        (json!({}), json!({"type": "null"}), 1),
        (reference.clone(), reference, 0),
    ]
    .into_iter()
    .enumerate()
    {
        let tools = scratch(&format!("tools_{number}.json"), &with(parameter));
        let command = format!(
            "check --tools {tools} --tool-format hermes --schema - --documents http://x/int={document}"
        );
        let (code, _, stderr) = run(&command, &schema.to_string());
        assert_eq!((code, stderr.matches("does not lead to").count()), (Some(0), warnings), "{stderr}");
    }
}

/// The options of schemas hold for schemas inside a Lark grammar, too.
#[test]
fn options_reach_the_schemas_in_a_grammar() {
    let document = scratch("in_grammar.json", r#"{"type": "integer"}"#);
    let reference = r#"start: "x" %json {"$ref": "u.json"}"#;
    let given = format!("--documents u.json={document}");
    let twice = format!("--documents http://x/a={document} --documents http://x/a#={document}");
    for (notation, grammar, options, code, expected) in [
        ("lark", reference, "", 1, "pass its text with --documents URI=FILE"),
        ("lark", reference, given.as_str(), 0, ""),
        ("lark", reference, twice.as_str(), 2, "--documents gives `http://x/a` twice"),
        // A document is used if any schema uses it.
        ("lark", r#"start: %json {"$ref": "u.json"} %json {"type": "null"}"#, given.as_str(), 0, ""),
        ("lark", r#"start: %json {"type": "null"}"#, given.as_str(), 0, "u.json#: `$ref` does not lead to"),
        ("lark", r#"start: %json {"type": "integer"}"#, "--max-digits 3 --whitespace compact", 0, ""),
        ("lark", r#"start: "x""#, "--max-digits 3", 2, "--max-digits has no effect without a schema"),
        ("gbnf", r#"root ::= "x""#, "--max-digits 3", 2, "--max-digits has no effect without a schema"),
    ] {
        let command = format!("check --grammar - --grammar-notation {notation} {options}");
        let (found, _, stderr) = run(&command, grammar);
        assert_eq!(found, Some(code), "{grammar} {options}: {stderr}");
        assert!(
            stderr.contains(expected) && stderr.is_empty() == expected.is_empty(),
            "{grammar} {options}: {stderr}"
        );
    }
    let instance = scratch("digits.txt", "1234");
    let grammar = scratch("digits.lark", r#"start: %json {"type": "integer"}"#);
    for (options, code) in [("", 0), ("--max-digits 4", 0), ("--max-digits 3", 1)] {
        let (found, ..) = run(&format!("check --grammar {grammar} --instance {instance} {options}"), "");
        assert_eq!(found, Some(code), "{options}");
    }
}

/// Refusals say no more than is known of numbers that a validator rounds, of the line feed at the
/// end of a file, and of tokens that a vocabulary lacks. A byte order mark in front of a schema is
/// no fault.
#[test]
fn refusals_say_no_more_than_is_known() {
    let (schema, text) = (scratch("exact.json", r#"{"maximum": 0.1}"#), "0.10000000000000000001");
    let two = r#"{"properties": {"a": {"maximum": 0.1}, "b": {"maxLength": 1}}}"#;
    let two = scratch("two.json", two);
    let marked = scratch("marked.json", "\u{feff}{\"type\": \"integer\"}");
    let feed = scratch("feed.gbnf", "root ::= \"\\nccb\"");
    let missing = scratch("missing.gbnf", "root ::= \"a\" <think>");
    for (options, input, code, expected) in [
        (format!("--schema {schema} --explain"), text, 1, "a validator cannot tell: it rounds numbers"),
        (format!("--schema {schema} --explain"), "0.2", 1, "a validator agrees"),
        (
            format!("--schema {two} --explain"),
            r#"{"a":0.10000000000000000001,"b":"xx"}"#,
            1,
            "perhaps a number",
        ),
        (format!("--schema {two} --explain"), r#"{"a":0.1,"b":"xx"}"#, 1, "/properties/b/maxLength"),
        (format!("--schema {marked}"), "3", 0, "accepted"),
        (format!("--schema {marked}"), "\u{feff}3", 1, "found a byte order mark"),
        (format!("--grammar {feed}"), "\n", 1, "-:2:1: refused: expected `c`, found the end"),
        (format!("--grammar {feed}"), "\nccb\n", 0, "accepted"),
        (format!("--grammar {feed}"), "\nccx\n", 1, "-:2:3: refused: expected `b`, found `x`"),
        (format!("--grammar {missing} --explain --vocab tokenizer.json"), "ab", 1, "responsible: "),
        (format!("--grammar {missing} --explain --vocab tokenizer.json"), "a<think>", 0, "accepted"),
    ] {
        let (found, stdout, stderr) = run(&format!("check {options} --instance -"), input);
        assert_eq!(found, Some(code), "{options} {input}: {stdout} {stderr}");
        assert!(stdout.contains(expected), "{options} {input}: {stdout} {stderr}");
    }
}

/// The error lines of schemas name the place, the resolved address, and the option of the command.
#[test]
fn errors_of_schemas_point_at_the_fault() {
    for (schema, options, code, expected) in [
        (r#"{"properties":{"a":"string"}}"#, "", 1, "cause: #/properties/a: `properties` must hold schemas"),
        (r#"{"$ref":"other.json"}"#, "", 1, "pass its text with --documents URI=FILE"),
        (r#"{"$id":"http://a/b","$ref":"c"}"#, "", 1, "names `c`, whose document is `http://a/c`"),
        (r##"{"$ref":"#/$defs/x"}"##, "", 1, "cause: #/$ref: `$ref` names `#/$defs/x`, which does not exist"),
        (r#"{"format":"foo"}"#, "--unknown-format refuse", 1, "the format `foo` is not known"),
        (r#"{"format":"foo"}"#, "--unknown-format refuse --strictness lenient", 1, "`foo` is not known"),
        // The first fault in the text is reported.
        (
            r#"{"properties":{"b":{"format":"foo"},"a":{"format":"bar"}}}"#,
            "--unknown-format refuse",
            1,
            "cause: #/properties/b/format: ",
        ),
        (r#"{"anyOf":[{"minimum":"x"},{"maximum":"y"}]}"#, "", 1, "cause: #/anyOf/0/minimum: "),
        ("", "", 1, "the schema is not JSON: line 1, column 1"),
        ("false", "", 1, "no JSON value satisfies the schema"),
        ("{}", "--fuel 0", 1, "raise --fuel"),
        ("{}", "--strictness lenient", 0, ""),
    ] {
        let (found, _, stderr) = run(&format!("check --schema - {options}"), schema);
        assert_eq!(found, Some(code), "{schema}: {stderr}");
        assert!(stderr.contains(expected), "{schema}: {stderr}");
    }
}

/// Instances are read as a model would have to write them, and the reason of a refusal is told.
#[test]
fn refusals_of_instances_are_explained() {
    let chat = r##"{"type": "json_schema", "json_schema": {"name": "n", "schema":
        {"$ref": "#/$defs/List<int>", "$defs": {"List<int>": {"type": "array", "items": {"type": "integer"}}}}}}"##;
    let chat = scratch("envelope.json", chat);
    let numbered = scratch("numbered.gbnf", "root ::= \"a\" <[271]> \"b\"");
    for (options, input, code, expected) in [
        // The second opinion unwraps envelopes and takes references that are no URIs.
        (format!("--schema {chat}"), "[1]", 0, "accepted"),
        (
            format!("--schema {chat}"),
            "[true]",
            1,
            "a validator agrees: `/0`: true is not of type \"integer\"",
        ),
        // Narrowings are named by their options.
        ("--schema any.json --max-digits 2".to_owned(), "123", 1, "--max-digits caps them"),
        ("--schema any.json --max-string-length 2".to_owned(), "\"abc\"", 1, "--max-string-length"),
        ("--schema any.json --max-items 1".to_owned(), "[1,2]", 1, "--max-items"),
        (
            "--schema any.json --max-digits 2 --max-items 2 --max-string-length 3".to_owned(),
            "[12,\"abc\"]",
            0,
            "",
        ),
        // Other constraints are explained, too.
        ("--regex [0-9]+".to_owned(), "12a", 1, "responsible: the regular expression, after \"12\""),
        ("--choice yes --choice no".to_owned(), "yo", 1, "responsible: the list of choices, after \"y\""),
        ("--grammar list.gbnf".to_owned(), "x", 1, "responsible: list.gbnf, at the beginning"),
        ("--regex a".to_owned(), "\"", 1, "refused: expected `a`, found `\"`\n"),
        ("--regex [\\x22]".to_owned(), "'", 1, "refused: expected `\"`, found `'`\n"),
        (
            format!("--schema {chat} --whitespace compact"),
            "[1, 2]",
            1,
            "refuses its spelling, its order of keys or its size\n",
        ),
        ("--grammar turn.gbnf".to_owned(), "a</s>b", 0, "accepted"),
        (
            format!("--grammar {numbered} --vocab ."),
            "a</s>b",
            1,
            "3 tokens of this vocabulary are allowed, but the text spells a token in another way",
        ),
        (
            format!("--grammar {numbered} --vocab ."),
            "a</s>",
            1,
            "the end after 2 tokens is not allowed; 1 token",
        ),
        (format!("--grammar {numbered}"), "a<[271]>b", 0, "accepted"),
    ] {
        let options = options.replace("any.json", &scratch("any.json", "{}"));
        let explain = if code == 1 { "--explain" } else { "" };
        let (found, stdout, stderr) = run(&format!("check {options} --instance - {explain}"), input);
        assert_eq!(found, Some(code), "{options} {input}: {stdout} {stderr}");
        assert!(stdout.contains(expected), "{options} {input}: {stdout} {stderr}");
    }
}

/// A vocabulary is read from a file of any kind, or from the folder of a model.
#[test]
fn vocabularies_are_found() {
    let broken = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("tekken.json"), "{}").unwrap();
    let tekken = scratch("of-mistral.json", r#"{"config": {"default_vocab_size": 3}, "vocab": []}"#);
    let broken = broken.display();
    for (options, code, expected) in [
        ("mask --vocab . --regex ab".to_owned(), 0, "complete  no"),
        ("check --regex ab --instance ada.json --explain --vocab .".to_owned(), 1, "is not allowed; "),
        ("mask --vocab .. --regex ab".to_owned(), 1, "the folder `..` has no tokenizer"),
        ("mask --vocab .. --regex ab".to_owned(), 1, "one of tokenizer.json, tekken.json, tokenizer.model"),
        (format!("mask --vocab {broken} --regex ab"), 1, "the tekken.json is not as expected: missing field"),
        (format!("mask --vocab {broken}/tekken.json --regex ab"), 1, "the tekken.json is not as expected"),
        (format!("mask --vocab {tekken} --regex ab"), 1, "the tekken.json is not as expected"),
        (
            format!("detect --vocab {tekken} --watermark 0.25:2 --text ada.json"),
            1,
            "only a tokenizer.json or a GGUF",
        ),
        ("detect --vocab . --watermark 0.25:2 --text ada.json".to_owned(), 1, "no watermark found: "),
    ] {
        let (found, stdout, stderr) = run(&options, "");
        assert_eq!(found, Some(code), "{options}: {stderr}");
        assert!(format!("{stdout}{stderr}").contains(expected), "{options}: {stdout}{stderr}");
    }
}

#[test]
fn a_text_without_watermark_has_none() {
    let options = "detect --vocab tokenizer.json --watermark 0.25:2 --text ada.json";
    let (code, stdout, _) = run(options, "");
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.starts_with("no watermark found: "), "{stdout}");
}

#[test]
fn options_that_go_together_reach_the_model() {
    for options in [
        "--strategy beam:3 --repetition-penalty 1.1 --completions 2",
        "--strategy beam:3 --early-stopping full",
        "--seed -1",
        "--seed 18446744073709551615",
        "--stop-tokens 3 --logit-bias 4=-inf",
        "--schema person.schema.json --strictness lenient --key-order any",
        "--raw --tools ../../../examples/data/tools.json --tool-format hermes --key-order declared --max-items 2",
        "--temperature 0 --top-p 1 --order mask,watermark,temperature --watermark 0.25:2",
        "--temperature 0.1 --watermark 0.25:2",
        "--strategy best-of:2 --watermark 0.25:2",
        "--structural-tag calls.json --strictness lenient --key-order any --max-items 3",
        "--draft ngram:4:9",
        "--draft ngram:4 --draft-tokens 64",
        "--guidance -1",
        "--guidance 1",
        "--draft skip:1 --draft-choice drawn",
        "--schema person.schema.json --whitespace pretty --indent 4",
        "--budget cut --choice a",
        "--forced sample --strategy beam:2 --choice a",
        "--strategy beam:2 --repetition-penalty 1.1 --logit-bias 4=2 --order \
         mask,repetition-penalty,logit-bias,temperature,top-p",
        "--trace /dev/null --logprobs 20",
        "--strategy beam:4:1 --early-stopping never",
        "--strategy diverse-beam:4:2:0.5",
        "--top-k 1 --top-k-ties keep-all --watermark 0.25:2",
        "--repetition-penalty 1.1 --repetition-window 5 --tfs-z 0.9 --tfs-end before",
    ] {
        let (code, stderr) = generate(&format!("--prompt x {options}"));
        assert_eq!(code, Some(1), "{options}: {stderr}");
        let reached = stderr.contains("cannot load the model") || stderr.contains("cannot run models");
        assert!(reached, "{options}: {stderr}");
    }
}

/// Options that scripts may well give are told in notes where they change nothing.
#[test]
fn options_without_effect_at_temperature_0_are_noted() {
    for (options, expected) in [
        ("--temperature 0 --top-p 0.9 --seed 3", Some("; --top-p and --seed change nothing")),
        ("--temperature 0 --seed 3", Some("the most probable token is taken; --seed changes nothing")),
        ("--temperature 0 --completions 2", Some("all 2 outputs that are drawn are alike")),
        ("--temperature 0 --strategy best-of:3", Some("all 3 outputs that are drawn are alike")),
        ("--temperature 0 --top-p 1", None),
        ("--temperature 0 --repetition-penalty 1.1", None),
        // Whatever follows temperature 0 is void, and does not hide the other notes.
        ("--temperature 0 --typical-p 0.5", Some("; --typical-p changes nothing")),
        ("--temperature 0 --typical-p 0.5 --order llama", None),
        // These outputs differ, as they are drawn before the temperature.
        ("--temperature 0 --top-p 1 --xtc 0.9:0.01 --order llama --completions 4", None),
        ("--temperature 0 --smoothing 0.2:0.5", None),
        ("--temperature 0 --smoothing 0.2:1.5", Some("; --smoothing changes nothing")),
        (
            "--temperature 0 --top-p 1 --top-k 1 --logit-bias 5=2 --order mask,top-k,logit-bias,temperature",
            None,
        ),
        (
            "--temperature 0 --top-p 1 --logit-bias 5=2 --order mask,temperature,logit-bias",
            Some("--logit-bias"),
        ),
        ("--choice a --forced append --suppressed-tokens 5", Some("--forced append changes nothing beside")),
        ("--choice a --forced append --bad-words 5:6", Some("--forced append changes nothing beside")),
        ("--choice a --forced sample --suppressed-tokens 5", None),
        ("--choice a --forced append", None),
        (
            "--temperature 0 --xtc 0.5:0.1 --dynamic-temperature entropy --seed 3 --completions 2",
            Some("; --dynamic-temperature, --xtc and --seed change nothing"),
        ),
        (
            "--temperature 0 --xtc 0.5:0.1 --seed 3 --completions 2",
            Some("all 2 outputs that are drawn are alike"),
        ),
        ("--temperature 0 --mirostat 2 --order llama", Some("; --mirostat and --order change nothing")),
        (
            "--temperature 0 --draft ngram --accept-typical 0.1:0.3",
            Some("; --accept-typical changes nothing"),
        ),
        ("--temperature 0 --adaptive-p 0.3", Some("; --adaptive-p changes nothing")),
        ("--temperature 0 --selection gumbel-max", Some("; --selection changes nothing")),
        ("--temperature 0 --preset creative", Some("; top_p of --preset creative changes nothing")),
        (
            "--temperature 0 --dynamic-temperature range:0.5:1 --seed 3",
            Some("--temperature changes nothing beside a --dynamic-temperature range"),
        ),
        ("--temperature 0.5 --dynamic-temperature entropy", None),
        ("--temperature 0 --xtc 0.5:0.1 --seed 3 --order llama", None),
        ("--temperature 0.1 --top-p 0.9 --seed 3 --completions 2", None),
        ("--guidance 1", Some("--guidance 1 changes nothing")),
    ] {
        let (code, stderr) = generate(&format!("--prompt x {options}"));
        assert_eq!(code, Some(1), "{options}: {stderr}");
        let notes: Vec<&str> = stderr.lines().filter(|line| line.starts_with("note: ")).collect();
        match expected {
            Some(expected) => assert!(notes.concat().contains(expected), "{options}: {stderr}"),
            None => assert!(notes.is_empty(), "{options}: {stderr}"),
        }
    }
}
