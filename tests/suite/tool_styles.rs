//! Arguments whose arrays and objects are written in a format's own style, and arguments between
//! special tokens: what is read, what is refused, and the events.

use crate::support::bytes::special_vocabulary;
use crate::support::walk::Random;
use hedgerow::engine::Constraint;
use hedgerow::tags::{Preset, Reply, ToolChoice, ToolOptions, Tools, WrittenCall};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{Value, json};

/// The names of the special tokens of these formats.
const SPECIAL: [&str; 9] = [
    "]<]minimax[>[",
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

fn in_gemma(arguments: &str) -> String {
    format!("<|tool_call>call:f{arguments}<tool_call|>")
}

/// A call in the style of Kimi K3: the key, type and text of each member.
fn in_kimi(members: &[(&str, &str, &str)]) -> String {
    let member = |(key, kind, value): &(&str, &str, &str)| {
        format!("<|open|>argument key=\"{key}\" type=\"{kind}\"<|sep|>{value}<|close|>argument<|sep|>")
    };
    let members: String = members.iter().map(member).collect();
    let call = format!("<|open|>call tool=\"f\" index=\"1\"<|sep|>{members}<|close|>call<|sep|>");
    format!("<|open|>tools<|sep|>{call}<|close|>tools<|sep|>")
}

/// Texts of calls, with their formats and arguments.
fn written() -> Vec<(&'static str, String, Value)> {
    let (gemma, kimi, minimax) = (in_gemma, in_kimi, |members: &str| in_minimax("f", members));
    vec![
        ("minimax_m3", minimax(r#"~<s>a "b"\~</s>"#), json!({"s": "a \"b\"\\"})),
        ("minimax_m3", minimax("~<s>~</s>~<n>null~</n>"), json!({"s": "", "n": null})),
        (
            "minimax_m3",
            minimax(
                "~<s>]</s>~</s>~<l>~<item>x~</item>~<item>1~</item>~<item>~<item>true~</item>~</item>~</l>",
            ),
            json!({"s": "]</s>", "l": ["x", 1, [true]]}),
        ),
        (
            "minimax_m3",
            minimax("~<s>é~</s>~<l>~</l>~<o>~<k>v~</k>~<p>~</p>~</o>"),
            json!({"s": "é", "l": [], "o": {"k": "v", "p": {}}}),
        ),
        (
            "minimax_m3",
            minimax("~<s>a~</s>~<e>~<item>1~</item>~<item>y~</item>~</e>"),
            json!({"s": "a", "e": [1, "y"]}),
        ),
        ("minimax_m3", minimax("~<s>a~</s>~<e>~<z>q~</z>~</e>"), json!({"s": "a", "e": {"z": "q"}})),
        ("minimax_m3", minimax("~<s>a~</s>~<n>true~</n>~<e>1~</e>"), json!({"s": "a", "n": true, "e": 1})),
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
    ]
}

/// Texts that are no calls in their formats.
fn refused() -> Vec<(&'static str, String)> {
    let (gemma, kimi, minimax) = (in_gemma, in_kimi, |members: &str| in_minimax("f", members));
    vec![
        ("minimax_m3", minimax("")),
        ("minimax_m3", minimax("~<s>a~</n>")),
        ("minimax_m3", minimax("~<s>a~<b~</s>")),
        ("minimax_m3", minimax("~<s>1234567890123~</s>")),
        ("minimax_m3", minimax("~<s>a~</s>\n~<n>1~</n>")),
        ("minimax_m3", minimax("~<s>a~</s>~<n>x~</n>")),
        ("minimax_m3", minimax("~<s>a~</s>~<l>1~</l>")),
        ("minimax_m3", minimax("~<s>a~</s>~<l>~<item>1~</l>~</item>")),
        ("minimax_m3", minimax("~<s>a~</s>~<l>~<x>1~</x>~</l>")),
        ("minimax_m3", minimax("~<s>a~</s>~<o>~</o>")),
        ("minimax_m3", minimax("~<s>a~</s>~<o>~<k>v~</k>~<x>3~</x>~</o>")),
        ("minimax_m3", minimax("~<s>a~</s>~<e>~<z>x~</z>~</e>")),
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
    ]
}

#[test]
fn nested_values_are_written_in_the_style() {
    let (read, refused) = (written(), refused());
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
        for preset in ["gemma4", "kimi_k3", "minimax_m3", "functiongemma"] {
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
                        bytes.is_empty() || bytes.iter().all(|byte| b"{}[],:klnopse<01\">/".contains(byte))
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
        ("minimax_m3", &distinct, Some("do not write arrays as JSON")),
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

/// A call of MiniMax M3. `~` stands for the text that begins all of its markers.
fn in_minimax(name: &str, members: &str) -> String {
    let call = format!("~<tool_call>\n~<invoke name=\"{name}\">{members}~</invoke>\n~</tool_call>");
    call.replace('~', "]<]minimax[>[")
}

/// Ends of values repeat their keys, whatever the keys are.
#[test]
fn ends_of_values_repeat_any_key() {
    let nested = |key: &str| {
        let inner = json!({"type": "object", "properties": {key: {"type": "string"}}});
        let list = json!({"type": "array", "items": {"type": ["object", "string"], "properties": {key: {}}}});
        json!({"type": "object", "required": [key], "additionalProperties": false,
            "properties": {key: {"type": "object", "properties": {key: inner, "list": list}}}})
    };
    let [vocabulary, _] = vocabularies();
    for key in ["item", "invoke", "tool_call", "a b", "é", "</", "]", "[", "k\"", "]<", "$KEY", "list"] {
        let constraint = constraint("minimax_m3", &nested(key), &vocabulary);
        for inner in [json!({}), json!({key: "x"}), json!({key: "]<]minimax[>"}), json!({key: ""})] {
            let list = json!(["y", {key: 1}, "]<"]);
            let value = json!({key: {key: inner, "list": list}});
            let value = if key == "list" { json!({key: {key: ["y"]}}) } else { value };
            let arguments = value.as_object().unwrap().clone();
            let call = WrittenCall { name: "f".to_owned(), arguments, id: String::new() };
            let text = Preset::named("minimax_m3").unwrap().write(&[call]);
            for part in [1, 3, 1000] {
                assert_eq!(self::arguments(&constraint, &text, part), value, "{text}");
            }
        }
    }
    for (key, fault) in [
        ("", "is empty"),
        ("a>b", "holds \">\", which ends keys"),
        ("/invoke", "makes \"]<]minimax[>[</\" of a member, which ends values"),
        ("x]<]minimax[", "the end of a value, which overlaps itself"),
    ] {
        let tools = json!([{"name": "f", "parameters": {"properties": {key: {"type": "string"}}}}]);
        let tools = Tools::from_json(&tools.to_string()).unwrap();
        let grammar = tools.grammar(&Preset::named("minimax_m3").unwrap(), &ToolOptions::default());
        let error = grammar.unwrap_err().to_string();
        assert!(error.contains(&format!("the key {key:?} ")) && error.contains(fault), "{error}");
    }
}

/// Without excluded texts, a string ends at the end with its own key and at no other.
#[test]
fn a_string_ends_at_its_own_key() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/presets/minimax_m3.json");
    let mut preset: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    preset["calls"]["arguments"]["excludes"] = json!([]);
    let preset = Preset::from_json(&preset.to_string()).unwrap();
    let tools = json!([{"name": "f", "parameters": {"properties": {
        "s": {"type": "string"}, "t": {"type": "string", "maxLength": 18},
        "u": {"type": ["string", "array", "null"], "items": {"type": "string"}}}}}]);
    let tools = Tools::from_json(&tools.to_string()).unwrap();
    let options = ToolOptions::default().choice(ToolChoice::Required);
    let [vocabulary, _] = vocabularies();
    let constraint = Constraint::new(&tools.grammar(&preset, &options).unwrap(), &vocabulary).unwrap();
    let end = |key: &str| format!("]<]minimax[>[</{key}>");
    for (members, expected) in [
        ("~<s>a~</t>b~</s>", Some(json!({"s": format!("a{}b", end("t"))}))),
        ("~<s>a~</s>b~</s>", None),
        ("~<s>a~<s>~</~</s>", Some(json!({"s": "a]<]minimax[>[<s>]<]minimax[>[</"}))),
        ("~<t>~</s>x~</t>", Some(json!({"t": format!("{}x", end("s"))}))),
        ("~<t>~</s>xx~</t>", None),
        ("~<u>~<item>~</u>~</item>~</u>", Some(json!({"u": [end("u")]}))),
        ("~<u>~<x>~</u>", None),
        ("~<u>~</u>", Some(json!({"u": []}))),
        ("~<u>null~</u>", Some(json!({"u": null}))),
        ("~<u>nul~</u>", Some(json!({"u": "nul"}))),
    ] {
        let text = in_minimax("f", members);
        assert_eq!(is_read(&constraint, &text), expected.is_some(), "{text}");
        if let Some(expected) = expected {
            assert_eq!(arguments(&constraint, &text, 1), expected, "{text}");
        }
    }
}

/// Objects of a format that repeats keys have only keys that the schema names. An object that needs
/// others has no value.
#[test]
fn undeclared_keys_are_not_repeated() {
    let [vocabulary, _] = vocabularies();
    let schema = json!({"type": "object", "properties": {"a": {"type": "object", "minProperties": 1},
        "b": {"type": "object"}, "c": {"type": "object", "dependentRequired": {"x": ["y"]}},
        "d": {"type": "object", "properties": {"x": {}}, "if": {"required": ["x"]}, "then": {"required": ["y"]}}}});
    let constraint = constraint("minimax_m3", &schema, &vocabulary);
    for (members, allowed) in [
        ("~<a>", false),
        ("~<b>~</b>", true),
        ("~<b>~<x>", false),
        ("~<c>~</c>", true),
        ("~<c>~<x>1~</x>~<y>2~</y>~</c>", true),
        ("~<c>~<x>1~</x>~</c>", false),
        ("~<d>~<x>1~</x>~<y>2~</y>~</d>", true),
        ("~<d>~<x>1~</x>~</d>", false),
        ("~<d>~</d>", true),
    ] {
        let text = in_minimax("f", members);
        assert_eq!(is_read(&constraint, &text), allowed, "{text}");
    }
    let needs = json!({"type": "object", "minProperties": 1});
    let tools = Tools::from_json(&json!([{"name": "f", "parameters": needs}]).to_string()).unwrap();
    assert!(tools.grammar(&Preset::named("minimax_m3").unwrap(), &ToolOptions::default()).is_err());
    // A tool that is not strict takes the arguments that it declares.
    let tools =
        json!([{"name": "f", "strict": false, "parameters": {"properties": {"n": {"type": "integer"}}}}]);
    let tools = Tools::from_json(&tools.to_string()).unwrap();
    let options = ToolOptions::default().choice(ToolChoice::Required);
    let grammar = tools.grammar(&Preset::named("minimax_m3").unwrap(), &options).unwrap();
    let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
    for (members, allowed) in [("~<n>1~</n>", true), ("~<n>x~</n>", false), ("~<m>1~</m>", false)] {
        assert_eq!(is_read(&constraint, &in_minimax("f", members)), allowed, "{members}");
    }
}

/// MiniMax M3 may write the end of reasoning where it does not reason.
#[test]
fn the_end_of_reasoning_stands_for_none() {
    let preset = Preset::named("minimax_m3").unwrap();
    let tools = Tools::from_json(r#"[{"name": "f"}]"#).unwrap();
    let call = in_minimax("f", "");
    for (prompt_end, text, allowed) in [
        ("", format!("</mm:think>{call}"), true),
        ("", format!("</mm:think>Hi.{call}"), true),
        ("", format!("<mm:think>Hm.</mm:think>Hi.{call}"), true),
        ("", format!("Hi.{call}"), true),
        ("", format!("</mm:think></mm:think>{call}"), false),
        ("<mm:think>", format!("Hm.</mm:think>{call}"), true),
        ("</mm:think>", call.clone(), true),
        ("</mm:think>", format!("</mm:think>{call}"), false),
    ] {
        let options = ToolOptions::default().prompt_end(prompt_end);
        let grammar = tools.grammar(&preset, &options).unwrap();
        for vocabulary in vocabularies() {
            let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
            assert_eq!(is_read(&constraint, &text), allowed, "{prompt_end}: {text}");
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
