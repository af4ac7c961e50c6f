//! Outputs that fail, and options without effect, with a small random model.

use serde_json::json;

use super::random_model::{PLAIN, file, hi, model, run, scratch};

/// No token may come twice, which leaves nothing after the letters `a` to `f`. Outputs that begin
/// with others are made all the same, and the text, the error and the trace of the failed ones are
/// written.
#[test]
fn an_output_that_fails_leaves_the_others() {
    let trace = scratch("failed-output.html");
    let options = "--regex aa|bb|cc|dd|ee|ff|[n-z]q --no-repeat-ngram 1 --forced sample --temperature 9";
    let options = format!("{options} --completions 12 --max-tokens 200 --seed 4");
    let said = hi(&PLAIN, &format!("{options} --json --trace {}", trace.display()));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let (mut failed, mut whole) = (Vec::new(), 0);
    for (index, line) in said.lines().iter().enumerate() {
        match line["finish_reason"].as_str().unwrap() {
            "failed" => {
                failed.push((index + 1).to_string());
                assert_eq!((line["text"].as_str().unwrap().len(), &line["complete"]), (1, &json!(false)));
                assert!(line["error"].as_str().unwrap().contains("no token can be drawn"), "{line}");
            }
            _ => {
                whole += 1;
                assert_eq!((line["text"].as_str().unwrap().len(), &line["complete"]), (2, &json!(true)));
                assert!(line.get("error").is_none());
            }
        }
    }
    assert!(!failed.is_empty() && whole > 0, "{}", said.stdout);
    let first = if failed.len() == 1 { "output ".to_owned() } else { "outputs ".to_owned() } + &failed[0];
    assert!(said.stderr.contains(&format!("error: generation of {first}")), "{}", said.stderr);
    assert!(said.stderr.contains("--no-repeat-ngram"), "{}", said.stderr);
    let page = std::fs::read_to_string(trace).unwrap();
    assert!(page.contains("no token can be drawn"), "{page}");
    // Nothing was made here, so there is nothing to write.
    let said = hi(&PLAIN, "--regex 0 --suppressed-tokens 15 --json");
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{}", said.stderr);
}

/// A letter behind which a ban leaves nothing is not drawn.
#[test]
fn bans_keep_out_what_leads_nowhere() {
    let options =
        "--regex [a-m]0|[n-z]q --suppressed-tokens 15 --temperature 9 --completions 20 --max-tokens 9";
    let said = hi(&PLAIN, &format!("{options} --json"));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.lines().iter().all(|line| line["finish_reason"] == "constraint_complete"));
    let said = hi(&PLAIN, "--choice a --suppressed-tokens 64 --forced-first 64");
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    assert!(said.stderr.contains("prescribed and forbidden"), "{}", said.stderr);
}

/// The assistant's message is continued where it ends, and a template that changes it is refused.
#[test]
fn continued_messages_stay_as_they_are() {
    let marked = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<|end|>{% endfor %}";
    let thinks = "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</t>')[-1] }}<|end|>{% endfor %}";
    let trims = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}<|end|>{% endfor %}";
    let page = scratch("continued.html");
    for (number, (template, answer, expected)) in [
        (marked, "|", Some("<user>Hi<|end|><assistant>|")),
        (marked, "end", Some("<user>Hi<|end|><assistant>end")),
        (trims, "x ", Some("<user>Hi<|end|><assistant>x")),
        (thinks, "a</t>b", None),
        (thinks, "b", Some("<user>Hi<|end|><assistant>b")),
    ]
    .into_iter()
    .enumerate()
    {
        let config = json!({"chat_template": template}).to_string();
        let folder = model(&format!("continued-{number}"), &[("tokenizer_config.json", config)]);
        let messages = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": answer}]);
        let messages = file("continued.json", messages.to_string());
        let options = ["--max-tokens", "1", "--trace", page.to_str().unwrap(), "--messages"];
        let said = run(&folder, &[&options[..], &[messages.to_str().unwrap()]].concat());
        match expected {
            None => {
                assert_eq!(said.code, Some(1), "{answer}: {}", said.stderr);
                assert!(said.stderr.contains("continue the assistant's last message"), "{}", said.stderr);
            }
            Some(expected) => {
                assert_eq!(said.code, Some(0), "{answer}: {}", said.stderr);
                let page = std::fs::read_to_string(&page).unwrap();
                let expected = expected.replace('<', "&lt;").replace('>', "&gt;");
                let shown = format!("{expected}</pre>");
                assert!(page.contains(&shown) || page.contains(&expected), "{answer}: {page}");
                let is_told = said.stderr.contains("removes whitespace around");
                assert_eq!(is_told, answer == "x ", "{answer}: {}", said.stderr);
            }
        }
    }
}

#[test]
fn options_that_cannot_have_an_effect_are_refused() {
    for (options, expected) in [
        (
            "--reasoning-budget 5 --max-tokens 5 --tool-format qwen3_coder",
            "--reasoning-budget 5 has no effect: an output has at most 5 tokens",
        ),
        (
            "--reasoning-budget 2:</think> --tool-format qwen3_coder",
            "has the end of reasoning in it, `</think>`",
        ),
        ("--dola 0-7", "--dola names layer 7, but the model has 3 layers"),
        ("--dola 2,1-0", "1-0 counts down; write 0-1"),
        ("--draft skip:2-1", "2-1 counts down; write 1-2"),
    ] {
        let said = hi(&PLAIN, options);
        assert_eq!(said.code, Some(2), "{options}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{options}: {}", said.stderr);
    }
}

#[test]
fn tools_that_a_template_does_not_show_are_told() {
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let tools = file("unseen-tools.json", tools.to_string());
    let options = ["--prompt", "Hi", "--tool-format", "hermes", "--max-tokens", "30", "--tools"];
    let template = json!({"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"});
    let folder = model("unseen-tools", &[("tokenizer_config.json", template.to_string())]);
    let said = run(&folder, &[&options[..], &[tools.to_str().unwrap()]].concat());
    let note = "note: the model's chat template does not show the tools to the model";
    assert!(said.stderr.contains(note), "{}", said.stderr);
}
