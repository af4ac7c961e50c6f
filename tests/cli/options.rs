//! `hedgerow generate` refuses options that have no effect or no meaning before it loads a model.

use std::process::Command;

/// Runs `generate` with a model that has a tokenizer and no weights; exit code and stderr.
fn generate(options: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hedgerow"))
        .args(["generate", "--model", "."])
        .args(options.split_whitespace())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cli"))
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn options_without_effect_or_meaning_are_refused() {
    for (options, expected) in [
        ("--strategy beam:3 --temperature 0.5", "--temperature has no effect on this strategy"),
        ("--strategy beam:3 --top-p 0.5", "--top-p has no effect on this strategy"),
        ("--strategy beam:3 --seed 1", "--seed has no effect on this strategy"),
        ("--strategy contrastive --min-p 0.1", "--min-p has no effect on this strategy"),
        ("--strategy beam:3 --draft ngram", "--draft has no effect on this strategy"),
        ("--strategy beam:0", "the number of beams is not from 1 to 4096"),
        ("--strategy beam:2 --completions 3", "raise the number of beams"),
        ("--strategy diverse-beam:4:3:0.5", "does not divide the number of beams"),
        ("--strategy best-of:2 --completions 3", "make more, or ask for fewer"),
        ("--strategy contrastive --completions 2", "contrastive search finds one output"),
        ("--strategy contrastive:0", "the number of candidates is not from 1 to 4096"),
        ("--early-stopping full", "--strategy <STRATEGY>"),
        ("--strategy sample --early-stopping full", "--early-stopping has no effect without beams"),
        ("--completions 0", "0 is not in 1..=4096"),
        ("--completions 5000", "5000 is not in 1..=4096"),
        ("--guidance nan", "expected a number"),
        ("--guidance inf", "expected a number"),
        ("--draft ngram --draft-tokens 900", "900 is not in 1..=64"),
        ("--draft ngram --draft-tokens 0", "0 is not in 1..=64"),
        ("--draft ngram:3:900", "LONGEST and TOKENS are from 1 to 64"),
        ("--draft-tokens 3", "--draft <DRAFTER>"),
        ("--draft ngram --accept-typical 2:0.3", "EPSILON between 0 and 1"),
        ("--stop-tokens 999999", "--stop-tokens names token 999999, but the model has"),
        ("--logit-bias 99999999=3", "--logit-bias names token 99999999, but the model has"),
        ("--suppressed-tokens 77777777", "--suppressed-tokens names token 77777777"),
        ("--strictness lenient", "--schema <FILE>"),
        ("--fuel 3", "--schema <FILE>"),
        ("--key-order any", "--schema <FILE>"),
        ("--grammar list.gbnf --whitespace compact", "cannot be used with"),
        ("--grammar-notation gbnf", "--grammar <FILE>"),
        ("--structural-tag calls.json --regex-dialect rust", "cannot be used with"),
        ("--schema person.schema.json --start x", "cannot be used with"),
        ("--messages ada.json", "cannot be used with"),
        ("--template-variables a=b", "is not JSON; a text stands in quotes"),
        ("--template-variables a=1 --raw", "cannot be used with"),
        ("--logprobs 3", "--json"),
        ("--order mask,temperature", "`top-p` is set by the parameters but not listed"),
        ("--order mask,temperature", "parameters without an option are those of --preset balanced"),
        ("--max-digits 0 --schema person.schema.json", "0 is not in 1.."),
        ("--max-items 3", "--schema <FILE>"),
        ("--budget cut", "--budget has no effect without a constraint"),
        (
            "--budget complete --strategy beam:2 --choice a",
            "--budget complete has no effect on this strategy",
        ),
        ("--repetition-window 5", "--repetition-window has no effect without --repetition-penalty"),
        ("--top-k-ties keep-all --preset chat", "--top-k-ties has no effect without --top-k"),
        ("--tfs-end before", "--tfs-end has no effect without --tfs-z"),
        ("--draft ngram --draft-choice drawn", "--draft-choice has no effect on this drafter"),
        ("--draft medusa:x --draft-choice likeliest", "--draft-choice has no effect on this drafter"),
        ("--schema person.schema.json --indent 4", "--indent has no effect without --whitespace pretty"),
        ("--schema person.schema.json --whitespace compact --indent 4", "--indent has no effect"),
        ("--completions -1", "-1 is not in 1..=4096"),
        ("--stop-tokens -1", "invalid value '-1'"),
        ("--guidance x", "expected a number"),
        ("--strategy contrastive:4:nan", "--strategy is not usable"),
    ] {
        let (code, stderr) = generate(&format!("--prompt x {options}"));
        assert_eq!(code, Some(2), "{options}: {stderr}");
        assert!(stderr.contains(expected), "{options}: {stderr}");
    }
    for (option, value) in [("--stop", ""), ("--bad-words", "")] {
        let output = Command::new(env!("CARGO_BIN_EXE_hedgerow"))
            .args(["generate", "--model", ".", "--prompt", "x", option, value])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{option}");
    }
    // A conversation that is none.
    let (code, stderr) = generate("--messages ada.json");
    assert!(code == Some(2) && stderr.contains("cannot use the conversation `ada.json`"), "{stderr}");
    assert!(stderr.contains("is no part of a conversation"), "{stderr}");
}

#[test]
fn a_text_without_watermark_has_none() {
    let output = Command::new(env!("CARGO_BIN_EXE_hedgerow"))
        .args(["detect", "--vocab", "tokenizer.json", "--watermark", "0.25:2", "--text", "ada.json"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cli"))
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stdout}");
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
        "--structural-tag calls.json --strictness lenient --key-order any --max-items 3",
        "--draft ngram:4:9 --draft-tokens 64",
        "--guidance -1",
        "--guidance 1",
        "--draft skip:1 --draft-choice drawn",
        "--schema person.schema.json --whitespace pretty --indent 4",
        "--budget cut --choice a",
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
        ("--temperature 0 --top-p 0.9 --seed 3", Some("and --top-p, --seed changes nothing")),
        ("--temperature 0 --completions 2", Some("all 2 outputs are alike")),
        ("--temperature 0 --typical-p 0.5", None),
        ("--temperature 0.1 --top-p 0.9 --seed 3 --completions 2", None),
        ("--temperature 0 --xtc 0.5:0.1 --seed 3", None),
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
