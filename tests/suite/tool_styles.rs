//! Arguments whose arrays and objects are written in a format's own style, and arguments between
//! special tokens: what is read, what is refused, and the events.

use crate::support::bytes::special_vocabulary;
use crate::support::walk::Random;
use hedgerow::engine::Constraint;
use hedgerow::tags::{Preset, Reply, ToolChoice, ToolOptions, Tools, WrittenCall};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{Value, json};

/// The names of the special tokens of both formats.
const SPECIAL: [&str; 8] = [
    "<|tool_call>",
    "<tool_call|>",
    "<|\"|>",
    "<|channel>",
    "<channel|>",
    "<|open|>",
    "<|close|>",
    "<|sep|>",
];

/// Without the special tokens, and with them.
fn vocabularies() -> [Vocabulary; 2] {
    let longer = ["\"|>", "{a", ":[", "],", "argument", " key=\"", "null", "}}"];
    [&[][..], &SPECIAL].map(|special| special_vocabulary(&longer, special, &[]))
}

fn constraint(preset: &str, schema: &Value, vocabulary: &Vocabulary) -> Constraint {
    let tools = Tools::from_json(&json!([{"name": "f", "parameters": schema}]).to_string()).unwrap();
    let options = ToolOptions::default().choice(ToolChoice::Required).calls(1);
    let grammar = tools.grammar(&Preset::named(preset).unwrap(), &options);
    Constraint::new(&grammar.unwrap_or_else(|error| panic!("{preset}: {error}")), vocabulary).unwrap()
}

fn is_read(constraint: &Constraint, text: &str) -> bool {
    let mut matcher = constraint.matcher();
    matcher.advance_text(text.as_bytes()).unwrap() && matcher.is_accepting()
}

/// The arguments of the only call in a text that is read in parts.
fn arguments(constraint: &Constraint, text: &str, part: usize) -> Value {
    let mut reader = constraint.event_reader().unwrap();
    let (mut events, mut reply) = (Vec::new(), Reply::default());
    let mut rest = text;
    while !rest.is_empty() {
        // A part does not end within the name of a token.
        let mut end = rest.len().min(part);
        while end < rest.len()
            && (!rest.is_char_boundary(end)
                || SPECIAL.iter().any(|name| {
                    (1..name.len()).any(|in_name| {
                        end >= in_name && rest.get(end - in_name..).is_some_and(|rest| rest.starts_with(name))
                    })
                }))
        {
            end += 1;
        }
        assert!(reader.advance_text(&rest.as_bytes()[..end], &mut events).unwrap(), "{text}");
        rest = &rest[end..];
    }
    reader.finish(&mut events);
    events.iter().for_each(|event| reply.add(event));
    let [call] = reply.calls.as_slice() else { panic!("{text}: {reply:?}") };
    assert!(call.complete && call.name == "f", "{text}");
    serde_json::from_str(&call.arguments)
        .unwrap_or_else(|error| panic!("{text}: {error}: {}", call.arguments))
}

fn schema() -> Value {
    json!({"type": "object", "additionalProperties": false, "required": ["s"], "properties": {
        "s": {"type": "string", "maxLength": 12},
        "n": {"type": ["integer", "null", "boolean"]},
        "l": {"type": "array", "items": {"type": ["string", "integer", "array"],
            "items": {"type": "boolean"}}, "maxItems": 3},
        "o": {"type": "object", "properties": {"k": {"type": "string"}, "p": {"type": "object"}},
            "required": ["k"], "additionalProperties": {"type": "integer"}},
        "e": {"enum": ["x", 1, null, [1, "y"], {"z": "q"}]}}})
}

#[test]
fn nested_values_are_written_in_the_style() {
    let gemma = |arguments: &str| format!("<|tool_call>call:f{arguments}<tool_call|>");
    let kimi = |members: &[(&str, &str, &str)]| {
        let member = |(key, kind, value): &(&str, &str, &str)| {
            format!("<|open|>argument key=\"{key}\" type=\"{kind}\"<|sep|>{value}<|close|>argument<|sep|>")
        };
        let members: String = members.iter().map(member).collect();
        let call = format!("<|open|>call tool=\"f\" index=\"1\"<|sep|>{members}<|close|>call<|sep|>");
        format!("<|open|>tools<|sep|>{call}<|close|>tools<|sep|>")
    };
    let read = [
        ("gemma4", gemma(r#"{s:<|"|>a "b"\<|"|>}"#), json!({"s": "a \"b\"\\"})),
        ("gemma4", gemma(r#"{s:<|"|><|"|>,n:null}"#), json!({"s": "", "n": null})),
        (
            "gemma4",
            gemma(r#"{s:<|"|>{}[],:<|"|>,l:[<|"|>1<|"|>,1,[true,false]]}"#),
            json!({"s": "{}[],:", "l": ["1", 1, [true, false]]}),
        ),
        (
            "gemma4",
            gemma(r#"{s:<|"|>é<|"|>,l:[],o:{k:<|"|>v<|"|>,p:{a:[{b:<|"|>c<|"|>}]},x:3}}"#),
            json!({"s": "é", "l": [], "o": {"k": "v", "p": {"a": [{"b": "c"}]}, "x": 3}}),
        ),
        ("gemma4", gemma(r#"{s:<|"|>a<|"|>,e:[1,<|"|>y<|"|>]}"#), json!({"s": "a", "e": [1, "y"]})),
        ("gemma4", gemma(r#"{s:<|"|>a<|"|>,e:{z:<|"|>q<|"|>}}"#), json!({"s": "a", "e": {"z": "q"}})),
        ("kimi_k3", kimi(&[("s", "string", "a \"b\"\n")]), json!({"s": "a \"b\"\n"})),
        (
            "kimi_k3",
            kimi(&[("s", "string", ""), ("n", "null", "null"), ("l", "array", r#"["1", 1, [true]]"#)]),
            json!({"s": "", "n": null, "l": ["1", 1, [true]]}),
        ),
        (
            "kimi_k3",
            kimi(&[("s", "string", "1"), ("n", "number", "1"), ("o", "object", r#"{"k": "v"}"#)]),
            json!({"s": "1", "n": 1, "o": {"k": "v"}}),
        ),
        ("kimi_k3", kimi(&[("s", "string", "x"), ("n", "boolean", "true")]), json!({"s": "x", "n": true})),
    ];
    let refused = [
        ("gemma4", gemma("{}")),
        ("gemma4", gemma(r#"{s:"a"}"#)),
        ("gemma4", gemma(r#"{s:<|"|>a<|"|>b<|"|>}"#)),
        ("gemma4", gemma(r#"{s:<|"|>1234567890123<|"|>}"#)),
        ("gemma4", gemma(r#"{s:<|"|>a<|"|>,l:["b"]}"#)),
        ("gemma4", gemma(r#"{s:<|"|>a<|"|>,l:[1,2,3,4]}"#)),
        ("gemma4", gemma(r#"{s:<|"|>a<|"|>,o:{"k":<|"|>v<|"|>}}"#)),
        ("gemma4", gemma(r#"{s:<|"|>a<|"|>,o:{x:3}}"#)),
        ("gemma4", gemma(r#"{s:<|"|>a<|"|>, n:1}"#)),
        ("gemma4", gemma(r#"{s:<|"|>a<|"|>,e:[1,<|"|>x<|"|>]}"#)),
        ("kimi_k3", kimi(&[])),
        ("kimi_k3", kimi(&[("s", "number", "1")])),
        ("kimi_k3", kimi(&[("s", "string", "a"), ("n", "string", "1")])),
        ("kimi_k3", kimi(&[("s", "string", "a"), ("n", "number", "true")])),
        ("kimi_k3", kimi(&[("s", "string", "a<|sep|>b")])),
        ("kimi_k3", kimi(&[("s", "string", "a"), ("l", "array", "[\"<|close|>\"]")])),
    ];
    for vocabulary in vocabularies() {
        for (preset, text, expected) in &read {
            let constraint = constraint(preset, &schema(), &vocabulary);
            assert!(is_read(&constraint, text), "{preset}: {text}");
            for part in [1, 2, 5, 1000] {
                assert_eq!(arguments(&constraint, text, part), *expected, "{preset}: {text}");
            }
            let call = WrittenCall {
                name: "f".to_owned(),
                arguments: expected.as_object().unwrap().clone(),
                id: String::new(),
            };
            let written = Preset::named(preset).unwrap().write(&[call]);
            assert_eq!(written, *text);
        }
        for (preset, text) in &refused {
            assert!(!is_read(&constraint(preset, &schema(), &vocabulary), text), "{preset}: {text}");
        }
    }
}

/// Tokens of random outputs spell arguments that satisfy the schema, and masks agree with steps.
#[test]
fn random_calls_satisfy_their_schemas() {
    let judge = jsonschema::validator_for(&schema()).unwrap();
    let mut random = Random(23);
    for vocabulary in vocabularies() {
        for preset in ["gemma4", "kimi_k3"] {
            let constraint = constraint(preset, &schema(), &vocabulary);
            for round in 0..12 {
                let (mut matcher, mut text) = (constraint.matcher(), Vec::new());
                let mut push = |token: TokenId| match vocabulary.bytes(token) {
                    b"" => text.extend(vocabulary.name(token).unwrap_or_default().as_bytes()),
                    bytes => text.extend_from_slice(bytes),
                };
                for _ in 0..30 * round {
                    let mask = matcher.mask().unwrap();
                    assert!(matcher.is_accepting() || !mask.is_empty(), "a dead end");
                    let tokens: Vec<TokenId> =
                        mask.iter().filter(|token| !vocabulary.eos().contains(token)).collect();
                    // Braces and brackets are rare among all bytes, and are what there is to test.
                    let likely = |token: &TokenId| {
                        let bytes = vocabulary.bytes(*token);
                        bytes.is_empty() || bytes.iter().all(|byte| b"{}[],:klnopse<01\"".contains(byte))
                    };
                    let few: Vec<TokenId> = tokens.iter().copied().filter(likely).collect();
                    let from = if few.is_empty() || random.below(4) == 0 { &tokens } else { &few };
                    let Some(&token) = from.get(random.below(from.len().max(1))) else { break };
                    let other = TokenId(random.below(vocabulary.size()) as u32);
                    let takes = matcher.fork().advance(other).unwrap();
                    assert_eq!(
                        mask.contains(other),
                        takes || vocabulary.eos().contains(&other) && matcher.is_accepting()
                    );
                    assert!(matcher.advance(token).unwrap());
                    push(token);
                }
                for &token in matcher.completion().unwrap().unwrap().iter() {
                    assert!(matcher.advance(token).unwrap());
                    push(token);
                }
                assert!(matcher.is_accepting());
                let text = String::from_utf8(text).unwrap();
                let value = arguments(&constraint, &text, 1000);
                assert!(judge.is_valid(&value), "{preset}: {text}\n{value}");
            }
        }
    }
}

#[test]
fn what_a_style_cannot_write_is_an_error() {
    let distinct = json!({"properties": {"l": {"type": "array", "uniqueItems": true}}});
    let key = json!({"properties": {"o": {"properties": {"a:b": {}}, "required": ["a:b"]}}});
    for (preset, schema, fault) in [
        ("gemma4", &distinct, Some("do not write arrays as JSON")),
        ("kimi_k3", &distinct, None),
        ("gemma4", &key, Some("the key \"a:b\" holds \":\"")),
        ("kimi_k3", &key, None),
    ] {
        let tools = Tools::from_json(&json!([{"name": "f", "parameters": schema}]).to_string()).unwrap();
        let made = tools.grammar(&Preset::named(preset).unwrap(), &ToolOptions::default());
        let made = made.map_err(|error| error.to_string());
        match fault {
            None => assert!(made.is_ok(), "{preset}: {made:?}"),
            Some(fault) => assert!(made.as_ref().is_err_and(|error| error.contains(fault)), "{made:?}"),
        }
    }
}

/// Kimi K3 writes text between markers before its calls. The prompt may have begun the text.
#[test]
fn text_between_markers_comes_before_calls() {
    let preset = Preset::named("kimi_k3").unwrap();
    let tools = Tools::from_json(r#"[{"name": "f"}]"#).unwrap();
    let call = WrittenCall { name: "f".to_owned(), arguments: Default::default(), id: String::new() };
    let call = preset.write(&[call]);
    let text = |inner: &str| format!("<|open|>response<|sep|>{inner}<|close|>response<|sep|>");
    let end = "<|close|>message<|sep|>";
    let table = [
        (
            "",
            ToolChoice::Auto,
            vec![text("Hi"), text("Hi") + &call, call.clone(), text("") + end],
            vec!["Hi".to_owned()],
        ),
        ("", ToolChoice::Required, vec![text("Hi") + &call + end, call.clone()], vec![text("Hi")]),
        (
            "<|open|>response<|sep|>",
            ToolChoice::Auto,
            vec![format!("Hi<|close|>response<|sep|>{call}{end}"), "<|close|>response<|sep|>".to_owned()],
            vec![call.clone(), "Hi".to_owned()],
        ),
        (
            "<|open|>think<|sep|>",
            ToolChoice::Auto,
            vec![format!("Hm.<|close|>think<|sep|>{}{call}", text("Hi"))],
            vec![text("Hi")],
        ),
    ];
    for vocabulary in vocabularies() {
        for (prompt_end, choice, read, refused) in &table {
            let options = ToolOptions::default().choice(choice.clone()).prompt_end(*prompt_end);
            let grammar = tools.grammar(&preset, &options).unwrap();
            let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
            for output in read {
                assert!(is_read(&constraint, output), "{prompt_end} {choice:?}: {output}");
            }
            for output in refused {
                assert!(!is_read(&constraint, output), "{prompt_end} {choice:?}: {output}");
            }
        }
    }
}
