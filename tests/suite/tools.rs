//! Tools, presets and choices: the replies that each allows and refuses, and the messages of
//! errors.

use crate::support::bytes::single_bytes;
use hedgerow::engine::Constraint;
use hedgerow::tags::{Event, Preset, Reasoning, Reply, ToolChoice, ToolOptions, Tools, WrittenCall};
use hedgerow::vocab::{TokenId, Vocabulary};

const TOOLS: &str = r#"[
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
            "place": {"type": "object", "additionalProperties": {"type": "integer"}}},
        "required": ["city"]}}},
    {"name": "ping", "input_schema": {"type": "object", "properties": {}, "additionalProperties": false}},
    {"name": "any", "strict": false, "inputSchema": {"type": "object", "properties": {"x": false}}}]"#;

fn bytes() -> Vocabulary {
    Vocabulary::from_byte_list(single_bytes()).unwrap()
}

fn constraint(preset: &Preset, tools: &str, options: &ToolOptions) -> Constraint {
    let tools = Tools::from_json(tools).unwrap();
    let grammar = tools.grammar(preset, options);
    let grammar = grammar.unwrap_or_else(|error| panic!("{preset}: {error}"));
    Constraint::new(&grammar, &bytes()).unwrap()
}

/// The bytes of `text` that are read before one is refused, or `None` where all of it is an output.
/// On the way, each mask has the byte that follows, and none is empty.
fn refused_at(constraint: &Constraint, text: &str) -> Option<usize> {
    let mut matcher = constraint.matcher();
    for (at, &byte) in text.as_bytes().iter().enumerate() {
        let mask = matcher.mask().unwrap();
        let may_end = matcher.is_accepting();
        assert!(may_end || !mask.is_empty(), "a dead end before byte {at} of {text}");
        let takes = matcher.advance(TokenId(u32::from(byte))).unwrap();
        assert_eq!(takes, mask.contains(TokenId(u32::from(byte))), "byte {at} of {text}");
        if !takes {
            return Some(at);
        }
    }
    (!matcher.is_accepting()).then_some(text.len())
}

/// The sum of a text's events, and the events. The text is read in parts of some bytes.
fn read_events(constraint: &Constraint, text: &str, part: usize) -> (Reply, Vec<Event>) {
    let mut reader = constraint.event_reader().unwrap();
    let (mut events, mut all, mut reply) = (Vec::new(), Vec::new(), Reply::default());
    for bytes in text.as_bytes().chunks(part) {
        assert!(reader.advance_bytes(bytes, &mut events).unwrap(), "{text}");
        events.iter().for_each(|event| reply.add(event));
        all.append(&mut events);
    }
    reader.finish(&mut events);
    events.iter().for_each(|event| reply.add(event));
    all.append(&mut events);
    (reply, all)
}

fn call(name: &str, arguments: &str, id: &str) -> WrittenCall {
    let arguments = serde_json::from_str(arguments).unwrap();
    WrittenCall { name: name.to_owned(), arguments, id: id.to_owned() }
}

#[test]
fn every_preset_reads_what_it_writes() {
    for preset in Preset::all() {
        let mut calls = [
            call("weather", r#"{"city": "a \"b\"\nc <d", "days": -3, "place": {"x": 1}}"#, "abcdefgh1"),
            call("ping", "{}", "abcdefgh2"),
            call("any", r#"{"list": [1, {"a": "b"}], "none": null}"#, "abcdefgh3"),
        ];
        if preset.name() == "minimax_m3" {
            // Calls of this format have only keys that the schema declares.
            calls[0] = call("weather", r#"{"city": "a \"b\"\nc <d", "days": -3, "place": {}}"#, "");
            calls[2] = call("any", "{}", "");
        }
        let calls = &calls[..if preset.is_parallel() { 3 } else { 1 }];
        let written = preset.write(calls);
        for choice in [ToolChoice::Required, ToolChoice::Auto] {
            let options = ToolOptions::default().choice(choice.clone());
            let constraint = constraint(preset, TOOLS, &options);
            assert_eq!(refused_at(&constraint, &written), None, "{preset}: {written}");
            let cut = &written[..written.len() - 1];
            assert!(refused_at(&constraint, cut).is_some(), "{preset}: {cut}");
            let more = format!("{written} more");
            assert!(refused_at(&constraint, &more).is_some(), "{preset}: {more}");
            let unknown = written.replacen("weather", "whether", 1);
            assert!(refused_at(&constraint, &unknown).is_some(), "{preset}: {unknown}");
            let wrong = written.replacen("-3", "\"x\"", 1);
            assert!(refused_at(&constraint, &wrong).is_some(), "{preset}: {wrong}");
        }
        for parts in [written.len(), 7, 1] {
            let (reply, all) =
                read_events(&constraint(preset, TOOLS, &ToolOptions::default()), &written, parts);
            assert_eq!(reply.calls.len(), calls.len(), "{preset}: {all:?}");
            for (read, call) in reply.calls.iter().zip(calls) {
                assert_eq!((read.name.as_str(), read.complete), (call.name.as_str(), true), "{preset}");
                let arguments: serde_json::Value = serde_json::from_str(&read.arguments)
                    .unwrap_or_else(|error| panic!("{preset}: {error}: {}", read.arguments));
                assert_eq!(arguments, serde_json::Value::from(call.arguments.clone()), "{preset}");
            }
            assert_eq!((reply.text.as_str(), reply.reasoning.as_str()), ("", ""), "{preset}");
        }
        let one = constraint(preset, TOOLS, &ToolOptions::default().calls(1));
        let first = preset.write(&calls[..1]);
        assert_eq!(refused_at(&one, &first), None, "{preset}: {first}");
        assert_eq!(refused_at(&one, &written).is_some(), calls.len() > 1, "{preset}: {written}");
    }
}

#[test]
fn choices_allow_and_refuse() {
    let hermes = Preset::named("hermes").unwrap();
    let ping = hermes.write(&[call("ping", "{}", "")]);
    let weather = hermes.write(&[call("weather", r#"{"city": "Oslo"}"#, "")]);
    let both = format!("{ping}\n{weather}");
    let allowed = |required| ToolChoice::Allowed { names: vec!["ping".into()], required };
    let (auto, required) = (["text", "", &ping, &both], ["<think>x</think>\n\n<tool_call>", &ping, &both]);
    let (one, either): ([&str; 1], [&str; 2]) = ([&ping], [&ping, "text"]);
    let once = |choice| ToolChoice::Once(Box::new(choice));
    let table: [(ToolChoice, &[&str], &[&str]); 8] = [
        (once(ToolChoice::Auto), &["text", &ping], &[&both]),
        (once(ToolChoice::Required), &[&ping, &weather], &[&both, "text"]),
        (ToolChoice::Auto, &auto, &["<tool_call>x", "</tool_call>"]),
        (ToolChoice::None, &auto[..2], &[&ping, "<tool_call>"]),
        (ToolChoice::Required, &required, &["text", ""]),
        (ToolChoice::Named("ping".into()), &one, &[&weather, &both, "text"]),
        (allowed(false), &either, &[&weather, &both]),
        (allowed(true), &one, &[&weather, "text"]),
    ];
    for (choice, accepted, refused) in table {
        let constraint = constraint(&hermes, TOOLS, &ToolOptions::default().choice(choice.clone()));
        for text in accepted {
            let text = match text.ends_with("<tool_call>") {
                true => text.replace("<tool_call>", &ping),
                false => (*text).to_owned(),
            };
            assert_eq!(refused_at(&constraint, &text), None, "{choice:?}: {text}");
        }
        for text in refused {
            assert!(refused_at(&constraint, text).is_some(), "{choice:?}: {text}");
        }
    }
}

#[test]
fn choices_are_read() {
    let named = ToolChoice::Named("ping".into());
    let allowed = |required| ToolChoice::Allowed { names: vec!["ping".into()], required };
    let table = [
        (r#""auto""#, Some(ToolChoice::Auto)),
        ("null", Some(ToolChoice::Auto)),
        (r#""none""#, Some(ToolChoice::None)),
        (r#""required""#, Some(ToolChoice::Required)),
        (r#"{"type": "any"}"#, Some(ToolChoice::Required)),
        (r#"{"type": "auto"}"#, Some(ToolChoice::Auto)),
        (r#"{"type": "tool", "name": "ping"}"#, Some(named.clone())),
        (r#"{"type": "function", "name": "ping"}"#, Some(named.clone())),
        (r#"{"type": "function", "function": {"name": "ping"}}"#, Some(named.clone())),
        (
            r#"{"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "ping"}}]}}"#,
            Some(allowed(true)),
        ),
        (
            r#"{"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "ping"}]}"#,
            Some(allowed(false)),
        ),
        (r#""sometimes""#, None),
        ("3", None),
        (r#"{"type": "function"}"#, None),
        (r#"{"type": "x"}"#, None),
        (r#"{"type": "auto", "disable_parallel_tool_use": false}"#, Some(ToolChoice::Auto)),
        (
            r#"{"type": "auto", "disable_parallel_tool_use": true}"#,
            Some(ToolChoice::Once(Box::new(ToolChoice::Auto))),
        ),
        (
            r#"{"type": "tool", "name": "ping", "disable_parallel_tool_use": true}"#,
            Some(ToolChoice::Once(Box::new(named.clone()))),
        ),
        (r#"{"type": "auto", "disable_parallel_tool_use": 1}"#, None),
        (r#"{"type": "tool", "nme": "ping"}"#, None),
        (r#"{"type": "tool", "name": "ping", "more": 1}"#, None),
        (r#"{"type": "allowed_tools", "mode": "any", "tools": [{"name": "ping"}]}"#, None),
        (r#"{"type": "allowed_tools", "tools": [{"name": "ping"}]}"#, Some(allowed(false))),
    ];
    for (text, expected) in table {
        let choice = ToolChoice::from_value(&serde_json::from_str(text).unwrap());
        assert_eq!(choice.ok(), expected, "{text}");
    }
    assert_eq!("ping".parse(), Ok(named));
    assert_eq!("required".parse(), Ok(ToolChoice::Required));
}

#[test]
fn reasoning_follows_the_prompt() {
    let hermes = Preset::named("hermes").unwrap();
    let ping = hermes.write(&[call("ping", "{}", "")]);
    let thought = |text: &str| format!("<think>\n{text}\n</think>\n\n");
    let table = [
        (
            "",
            Reasoning::AsPrompt,
            vec![thought("I") + &ping, ping.clone(), thought("I") + "Yes"],
            vec!["</think>"],
        ),
        ("", Reasoning::Require, vec![thought("I") + &ping, thought("I") + "Yes"], vec!["Yes", &ping]),
        ("", Reasoning::Forbid, vec![ping.clone(), "Yes".into()], vec!["<think>"]),
        (
            "<think>\n",
            Reasoning::AsPrompt,
            vec!["I\n</think>\n\nYes".into()],
            vec!["Yes", "I</think></think>"],
        ),
        ("<think>\n", Reasoning::Forbid, vec!["</think>Yes".into()], vec!["I</think>", "Yes"]),
        ("<think>\n\n</think>\n\n", Reasoning::AsPrompt, vec!["Yes".into(), ping.clone()], vec!["<think>"]),
    ];
    for (prompt_end, reasoning, accepted, refused) in table {
        let options = ToolOptions::default().prompt_end(prompt_end).reasoning(reasoning);
        let constraint = constraint(&hermes, TOOLS, &options);
        for text in accepted {
            assert_eq!(refused_at(&constraint, &text), None, "{prompt_end:?} {reasoning:?}: {text}");
        }
        for text in refused {
            assert!(refused_at(&constraint, text).is_some(), "{prompt_end:?} {reasoning:?}: {text}");
        }
    }
    let tools = Tools::from_json(TOOLS).unwrap();
    let closed = ToolOptions::default().prompt_end("<think></think>").reasoning(Reasoning::Require);
    assert!(tools.grammar(&hermes, &closed).is_err());
    let llama = Preset::named("llama3_json").unwrap();
    assert!(tools.grammar(&llama, &ToolOptions::default().reasoning(Reasoning::Require)).is_err());
}

/// The table of presets in `docs/tools.md` has the presets of the library, and no others.
#[test]
fn the_page_lists_all_presets() {
    let page = include_str!("../../docs/tools.md");
    let table = page.split_once("| preset | models | verified |\n|---|---|---|\n").unwrap().1;
    let found: Vec<&str> = table.lines().take_while(|line| !line.is_empty()).collect();
    let row = |preset: &Preset| {
        let verified = if preset.is_verified() { "yes" } else { "no" };
        let models = preset.models().join(", ");
        format!("| `{preset}` | {models} | {verified}: {} |", preset.verification())
    };
    let expected: Vec<String> = Preset::all().iter().map(row).collect();
    assert_eq!(found, expected);
}

/// With at most no call, a reply is text.
#[test]
fn calls_may_be_forbidden_by_number() {
    let hermes = Preset::named("hermes").unwrap();
    let none = constraint(&hermes, TOOLS, &ToolOptions::default().calls(0));
    let ping = hermes.write(&[call("ping", "{}", "")]);
    assert_eq!(refused_at(&none, "text"), None);
    assert!(refused_at(&none, &ping).is_some());
    let options = ToolOptions::default().calls(0).choice(ToolChoice::Required);
    let error = Tools::from_json(TOOLS).unwrap().grammar(&hermes, &options).unwrap_err().to_string();
    assert!(error.contains("`ToolOptions::calls` allows none"), "{error}");
}

/// The ids of calls, as formats write them: given ids, numbers, and names with numbers.
#[test]
fn ids_are_events() {
    let table: [(&str, [&str; 2]); 5] = [
        ("mistral_nemo", ["abcdefgh1", "abcdefgh2"]),
        ("mistral_small_3_2", ["abcdefgh1", "abcdefgh2"]),
        ("solar_open", ["abcdefgh1", "abcdefgh2"]),
        ("command_r7b", ["0", "1"]),
        ("kimi_k2", ["functions.weather:0", "functions.ping:1"]),
    ];
    for (name, ids) in table {
        let preset = Preset::named(name).unwrap();
        let calls = [call("weather", r#"{"city": "Oslo"}"#, "abcdefgh1"), call("ping", "{}", "abcdefgh2")];
        let written = preset.write(&calls);
        for choice in [ToolChoice::Auto, ToolChoice::Required] {
            let constraint = constraint(&preset, TOOLS, &ToolOptions::default().choice(choice));
            for parts in [1, 3, written.len()] {
                let (reply, all) = read_events(&constraint, &written, parts);
                let found: Vec<Option<&str>> = reply.calls.iter().map(|call| call.id.as_deref()).collect();
                assert_eq!(found, ids.map(Some), "{name}: {all:?}");
            }
        }
    }
}

/// Line breaks before calls are the preset's to allow.
#[test]
fn line_breaks_before_calls() {
    for (name, most) in [("hermes", 2), ("llama3_json", 0), ("gpt_oss", 0)] {
        let preset = Preset::named(name).unwrap();
        let written = preset.write(&[call("ping", "{}", "")]);
        let required = constraint(&preset, TOOLS, &ToolOptions::default().choice(ToolChoice::Required));
        for count in 0..=3 {
            let text = "\n".repeat(count) + &written;
            assert_eq!(refused_at(&required, &text).is_none(), count <= most, "{name}: {text:?}");
        }
    }
}

#[test]
fn an_answer_may_have_a_schema() {
    let hermes = Preset::named("hermes").unwrap();
    let options = ToolOptions::default().response(r#"{"type": "integer"}"#);
    let with_tools = constraint(&hermes, TOOLS, &options);
    let without = constraint(&hermes, "[]", &options);
    let ping = hermes.write(&[call("ping", "{}", "")]);
    let table = [
        ("12", true, true),
        ("<think>so</think>\n\n12", true, true),
        ("text", false, false),
        (ping.as_str(), true, false),
        ("12 <tool_call>", false, false),
    ];
    for (text, tools, none) in table {
        assert_eq!(refused_at(&with_tools, text).is_none(), tools, "{text}");
        assert_eq!(refused_at(&without, text).is_none(), none, "{text}");
    }
}

#[test]
fn raw_arguments_follow_their_schemas() {
    // The schema's properties, arguments in the style of Qwen3-Coder, and whether they are allowed.
    let p = |key: &str, value: &str| format!("<parameter={key}>\n{value}\n</parameter>\n");
    let properties = r#"{
        "text": {"type": "string"}, "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 4},
        "word": {"enum": ["one", "two", 3]}, "maybe": {"type": ["string", "null"]},
        "count": {"type": "integer", "minimum": 2}, "on": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "string"}}, "any": true}"#;
    let table = [
        (p("text", ""), true),
        (p("text", "a\n\"b\" <é> \\n"), true),
        (p("text", "a</parameter>b"), false),
        (p("text", "a</parameter"), true),
        (p("text", "a<parameter=b>"), false),
        (p("code", "abc"), true),
        (p("code", "abcde"), false),
        (p("code", "A"), false),
        (p("word", "one") + &p("count", "2"), true),
        (p("word", "3"), true),
        (p("word", "\"one\""), false),
        (p("maybe", "null"), true),
        (p("maybe", "nul"), true),
        (p("count", "1"), false),
        (p("count", "2") + &p("text", "x"), true),
        (p("count", "2") + &p("count", "2"), false),
        (p("on", "true"), true),
        (p("on", "True"), false),
        (p("list", r#"["a", "b"]"#), true),
        (p("list", "a"), false),
        (p("any", r#"{"a": [1]}"#), true),
        (p("any", "free text"), true),
        (p("other", "x"), false),
        (String::new(), true),
    ];
    let tools = format!(r#"[{{"name": "f", "parameters": {{"properties": {properties}}}}}]"#);
    let preset = Preset::named("qwen3_coder").unwrap();
    let constraint = constraint(&preset, &tools, &ToolOptions::default().choice(ToolChoice::Required));
    for (arguments, allowed) in table {
        let text = format!("<tool_call>\n<function=f>\n{arguments}</function>\n</tool_call>");
        assert_eq!(refused_at(&constraint, &text).is_none(), allowed, "{text}");
    }
}

#[test]
fn conditions_hold_between_raw_arguments() {
    let tools = r#"[{"name": "f", "parameters": {"type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}, "size": {"type": "integer"}},
        "required": ["kind"], "additionalProperties": {"type": "boolean"},
        "if": {"properties": {"kind": {"const": "a"}}}, "then": {"required": ["size"]}}}]"#;
    let table = [
        ("<arg_key>kind</arg_key><arg_value>b</arg_value>", true),
        ("<arg_key>kind</arg_key><arg_value>a</arg_value>", false),
        (
            "<arg_key>kind</arg_key><arg_value>a</arg_value><arg_key>size</arg_key><arg_value>1</arg_value>",
            true,
        ),
        ("<arg_key>size</arg_key><arg_value>1</arg_value>", false),
        (
            "<arg_key>kind</arg_key><arg_value>b</arg_value><arg_key>x y</arg_key><arg_value>true</arg_value>",
            true,
        ),
        (
            "<arg_key>kind</arg_key><arg_value>b</arg_value><arg_key>x</arg_key><arg_value>1</arg_value>",
            false,
        ),
        ("", false),
    ];
    let preset = Preset::named("glm47").unwrap();
    let constraint = constraint(&preset, tools, &ToolOptions::default().choice(ToolChoice::Required));
    for (arguments, allowed) in table {
        let text = format!("<tool_call>f{arguments}</tool_call>");
        assert_eq!(refused_at(&constraint, &text).is_none(), allowed, "{text}");
    }
}

#[test]
fn faults_are_named() {
    let tool = |rest: &str| format!(r#"[{{"name": "f"{rest}}}]"#);
    let table = [
        ("3".to_owned(), "#: tools must be a list, and not a number"),
        (
            "{}".to_owned(),
            "#: there is no list `tools` in this object; give a list of tools, or an object with the list under `tools`",
        ),
        ("[3]".to_owned(), "#/0: a tool must be an object, and not a number"),
        ("[{}]".to_owned(), "#/0: `name` is missing"),
        (r#"[{"name": ""}]"#.to_owned(), "#/0/name: the name of this tool is empty"),
        (
            r#"[{"name": "a b"}]"#.to_owned(),
            "#/0/name: the name \"a b\" has the character ' ', which some models cannot write; name tools by letters, digits, `_`, `-` and `.`",
        ),
        (
            r#"[{"name": "f"}, {"function": {"name": "f"}}]"#.to_owned(),
            "#/1/function: two tools are named \"f\"; rename one of them; the first is at #/0",
        ),
        (
            tool(r#", "parameters": 3"#),
            "#/0/parameters: the parameters of a tool must be a schema, and not a number",
        ),
        (
            tool(r#", "parameters": {"type": "string"}"#),
            "#/0/parameters/type: the parameters of a tool must be an object, and their type is \"string\"",
        ),
        (tool(r#", "strict": 1"#), "#/0/strict: `strict` must be true or false, and not a number"),
        (
            r#"[{"type": "web_search", "name": "w"}]"#.to_owned(),
            "#/0: a tool of the type \"web_search\" has no parameters that could be enforced; give tools of the type \"function\"",
        ),
    ];
    for (text, expected) in table {
        let error = Tools::from_json(&text).expect_err(&text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let hermes = Preset::named("hermes").unwrap();
    let compile = |text: &str, choice: ToolChoice| {
        let tools = Tools::from_json(text).unwrap();
        tools.grammar(&hermes, &ToolOptions::default().choice(choice)).unwrap_err().to_string()
    };
    let bad =
        compile(&tool(r#", "parameters": {"properties": {"x": {"type": "nothing"}}}"#), ToolChoice::Auto);
    assert!(bad.starts_with("#/0/parameters: ") && bad.contains("#/properties/x/type"), "{bad}");
    // Values are made when an output comes to them, but what cannot be made is found before.
    let nines = "9".repeat(500);
    let long =
        format!(r#"{{"properties": {{"x": {{"items": {{"type": "integer", "maximum": {nines}}}}}}}}}"#);
    let long = compile(&tool(&format!(r#", "parameters": {long}"#)), ToolChoice::Auto);
    assert!(long.starts_with("#/0/parameters: ") && long.contains("more than 400 digits"), "{long}");
    let none = compile(&tool(""), ToolChoice::Named("g".into()));
    assert_eq!(none, "#: the tool choice names \"g\", which is no tool; tools are f");
    let empty = compile("[]", ToolChoice::Required);
    assert_eq!(empty, "#: a call is required, and there is no tool; give tools, or the tool choice \"auto\"");
    let unknown = Preset::named("hermess").unwrap_err().to_string();
    assert_eq!(unknown, "#: there is no format of calls named \"hermess\"; did you mean \"hermes\"?");
}

#[test]
fn many_tools_are_one_set() {
    let tool = |i: usize| {
        format!(
            r#"{{"name": "tool_{i}", "parameters": {{"properties": {{"p{i}": {{"type": "integer"}}}}, "required": ["p{i}"]}}}}"#
        )
    };
    let list: Vec<String> = (0..2000).map(tool).collect();
    let tools = format!("[{}]", list.join(","));
    let hermes = Preset::named("hermes").unwrap();
    let constraint = constraint(&hermes, &tools, &ToolOptions::default());
    let calls = [call("tool_7", r#"{"p7": 1}"#, ""), call("tool_1999", r#"{"p1999": 1}"#, "")];
    assert_eq!(refused_at(&constraint, &hermes.write(&calls)), None);
    let wrong = hermes.write(&[call("tool_8", r#"{"p7": 1}"#, "")]);
    assert!(refused_at(&constraint, &wrong).is_some());
}

#[test]
fn strict_is_read_beside_the_function() {
    let parameters = r#""parameters": {"properties": {"x": {"type": "integer"}}}"#;
    let call = r#"<tool_call>
{"name": "f", "arguments": {"y": 1}}
</tool_call>"#;
    let table = [("", "", false), ("", r#", "strict": false"#, true), (r#", "strict": false"#, "", true)];
    for (inner, outer, is_free) in table {
        let tools = format!(r#"[{{"function": {{"name": "f", {parameters}{inner}}}{outer}}}]"#);
        let constraint = constraint(&Preset::named("hermes").unwrap(), &tools, &ToolOptions::default());
        assert_eq!(refused_at(&constraint, call).is_none(), is_free, "{tools}");
    }
}

#[test]
fn values_do_not_hold_the_ends_of_calls() {
    let tools = r#"[{"name": "w", "parameters": {"properties": {"a": {"type": "array",
        "items": {"type": "string"}}, "b": {"type": "string"}, "c": {"enum": ["x</tool_call>"]},
        "o": {"type": "object", "additionalProperties": {"type": "integer"}}}}}]"#;
    let hermes = |arguments: &str| {
        format!("<tool_call>\n{{\"name\": \"w\", \"arguments\": {arguments}}}\n</tool_call>")
    };
    let qwen = |key: &str, value: &str| {
        format!(
            "<tool_call>\n<function=w>\n<parameter={key}>\n{value}\n</parameter>\n</function>\n</tool_call>"
        )
    };
    let glm = |key: &str, value: &str| {
        format!("<tool_call>w<arg_key>{key}</arg_key><arg_value>{value}</arg_value></tool_call>")
    };
    let table = [
        ("hermes", hermes(r#"{"b": "x</tool_call>y"}"#), false),
        ("hermes", hermes(r#"{"b": "x<\/tool_call>y</tool_call"}"#), true),
        ("hermes", hermes(r#"{"a": ["</tool_call>"]}"#), false),
        ("hermes", hermes(r#"{"o": {"</tool_call>": 1}}"#), false),
        ("hermes", hermes(r#"{"o": {"</tool_call": 1}}"#), true),
        ("hermes", hermes(r#"{"c": "x<\/tool_call>"}"#), true),
        ("hermes", hermes(r#"{"c": "x</tool_call>"}"#), false),
        ("qwen3_coder", qwen("b", "x</tool_call>y"), false),
        ("qwen3_coder", qwen("b", "x</tool_call"), true),
        ("qwen3_coder", qwen("a", r#"["</parameter>"]"#), false),
        ("qwen3_coder", qwen("a", r#"["</tool_call>"]"#), false),
        ("qwen3_coder", qwen("a", r#"["</parameter"]"#), true),
        ("glm47", glm("b", "x</tool_call>y"), false),
        ("glm47", glm("a", r#"["</arg_value>"]"#), false),
        ("glm47", glm("a", r#"["<\/arg_value>"]"#), true),
    ];
    for (preset, text, allowed) in table {
        let options = ToolOptions::default().choice(ToolChoice::Required);
        // A raw string that is only the end of its call is an error.
        let tools = if preset == "hermes" { tools.to_owned() } else { tools.replace("x</tool_call>", "x") };
        let constraint = constraint(&Preset::named(preset).unwrap(), &tools, &options);
        assert_eq!(refused_at(&constraint, &text).is_none(), allowed, "{preset}: {text}");
    }
}

#[test]
fn calls_in_python_have_names_of_python() {
    let pythonic = Preset::named("llama_pythonic").unwrap();
    let named = |name: &str, key: &str| {
        let tools = format!(r#"[{{"name": "{name}", "parameters": {{"properties": {{"{key}": {{}}}}}}}}]"#);
        let tools = Tools::from_json(&tools).unwrap();
        tools.grammar(&pythonic, &ToolOptions::default()).map_err(|error| error.to_string())
    };
    for (name, key) in [("f", "a"), ("a.b_1", "_x9"), ("F", "none")] {
        assert!(named(name, key).is_ok(), "{name} {key}");
    }
    for name in ["x|y*", "class", "1f", "a..b", "None", "a-b", "a.if"] {
        let error = named(name, "a").expect_err(name);
        assert!(error.starts_with("#/0: the name ") && error.contains("no name in Python"), "{error}");
    }
    for key in ["a b", "1", "in", "a-b", "True"] {
        let error = named("f", key).expect_err(key);
        let fault = format!("the key {key:?} is no name of a parameter in Python");
        assert!(error.contains(&fault), "{error}");
    }
    let tools = r#"[{"name": "f", "parameters": {"additionalProperties": {"type": ["string", "null"]}}}]"#;
    let constraint = constraint(&pythonic, tools, &ToolOptions::default().choice(ToolChoice::Required));
    let table = [
        (r#"[f(a="b/c", b_2=None)]"#, true),
        (r#"[f(a="b\/c")]"#, false),
        (r#"[f(a="\n\"")]"#, true),
        (r#"[f(a b="c")]"#, false),
        (r#"[f(if="c")]"#, false),
        (r#"[f(iff="c")]"#, true),
        (r#"[f(1="c")]"#, false),
        (r#"[f(a=null)]"#, false),
        (r#"[f(a=NaN)]"#, false),
        (r#"[f(a='b')]"#, false),
        (r#"[f(a="'\\")]"#, true),
        (r#"[f(a="\u0041")]"#, false),
        (r#"[f(a="True null")]"#, true),
    ];
    for (text, allowed) in table {
        assert_eq!(refused_at(&constraint, text).is_none(), allowed, "{text}");
    }
    // Words are Python's at every depth, and JSON's in events.
    let any = r#"[{"name": "f", "parameters": {"properties": {"a": {}}}}]"#;
    let constraint = self::constraint(&pythonic, any, &ToolOptions::default().choice(ToolChoice::Required));
    for word in ["true", "false", "null", "undefined", "Nan", "TRUE"] {
        for text in [format!("[f(a={word})]"), format!(r#"[f(a=[{{"b": {word}}}])]"#)] {
            assert!(refused_at(&constraint, &text).is_some(), "{text}");
        }
    }
    let (reply, _) = read_events(&constraint, r#"[f(a=[{"b": True, "None": "False"}, None, False])]"#, 3);
    assert_eq!(reply.calls[0].arguments, r#"{"a": [{"b": true, "None": "False"}, null, false]}"#);
}

/// Keys and values that a format cannot write are errors which name them.
#[test]
fn arguments_that_cannot_be_written_are_named() {
    let error = |preset: &str, properties: &str| {
        let tools = format!(r#"[{{"name": "f", "parameters": {{"properties": {properties}}}}}]"#);
        let preset = Preset::named(preset).unwrap();
        let grammar = Tools::from_json(&tools).unwrap().grammar(&preset, &ToolOptions::default());
        // Values are looked at when a grammar comes to them.
        let built = grammar.map_err(|error| error.to_string()).and_then(|grammar| {
            let mut matcher =
                Constraint::new(&grammar, &bytes()).map_err(|error| error.to_string())?.matcher();
            let begin = preset.write(&[call("f", "{}", "")]);
            matcher.advance_bytes(&begin.as_bytes()[..1]).map_err(|error| error.to_string())
        });
        built.unwrap_err()
    };
    for (key, fault) in [
        ("", "the key \"\" is empty, and calls of this format need a name"),
        ("a>b", "the key \"a>b\" holds \">\", which ends keys in calls of this format"),
    ] {
        let error = error("seed_oss", &format!(r#"{{"{key}": {{}}}}"#));
        assert!(error.contains(fault), "{error}");
    }
    let end = error("seed_oss", r#"{"a": {"const": "x</parameter>"}}"#);
    let fault = r#"all values of an argument hold one of "</parameter>", "<parameter=", "#;
    assert!(end.contains(fault), "{end}");
}

#[test]
fn styles_without_meaning_are_refused() {
    let preset = |arguments: &str| {
        let text = format!(
            r#"{{"name": "p", "models": ["m"], "unverified": "a test", "calls": {{"trigger": "[",
                "call": "[$NAME($ARGUMENTS)]", "arguments": {arguments}}}}}"#
        );
        Preset::from_json(&text).map(|_| ()).map_err(|error| error.to_string())
    };
    let python = r#"{"after_key": "=", "between": ", ", "close": ")", "words": "python", "strings": "json"}"#;
    assert_eq!(preset(python), Ok(()));
    for (arguments, fault) in [
        (
            r#"{"after_key": "=", "between": ", ", "close": ")", "after_value": ";", "words": "python"}"#,
            "#/calls/arguments: Python has no raw strings: `strings` must be \"json\" where `words` are \"python\"",
        ),
        (
            r#"{"words": "ruby"}"#,
            "#/calls/arguments/words: words are \"json\" or \"python\", and not \"ruby\"",
        ),
        (r#"{"afterkey": "="}"#, "#/calls/arguments: `afterkey` is no field here; did you mean `after_key`?"),
    ] {
        assert_eq!(preset(arguments).unwrap_err(), fault);
    }
}

#[test]
fn tools_without_declared_arguments_take_none_or_any() {
    let parameters = |parameters: &str| format!(r#"[{{"name": "f", "parameters": {parameters}}}]"#);
    let call = |arguments: &str| {
        format!("<tool_call>\n{{\"name\": \"f\", \"arguments\": {arguments}}}\n</tool_call>")
    };
    let table = [
        (r#"{"type": "object", "properties": {}}"#, false),
        (r#"{"properties": {}, "additionalProperties": true}"#, true),
        (r#"{"type": "object"}"#, true),
        ("{}", true),
        ("null", true),
    ];
    let hermes = Preset::named("hermes").unwrap();
    for (schema, any) in table {
        let options = ToolOptions::default().choice(ToolChoice::Required);
        let constraint = constraint(&hermes, &parameters(schema), &options);
        assert_eq!(refused_at(&constraint, &call("{}")), None, "{schema}");
        assert_eq!(refused_at(&constraint, &call(r#"{"x": 1}"#)).is_none(), any, "{schema}");
    }
}
