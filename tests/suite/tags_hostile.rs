//! Structural tags and tools under attack: random roles in the recorded formats, every cut of their
//! outputs, and inputs that are large or contradict themselves.

use crate::support::bytes::{single_bytes, special_vocabulary};
use crate::support::walk::Random;
use hedgerow::engine::{Constraint, Matcher};
use hedgerow::syntax::Notation;
use hedgerow::tags::{Event, Preset, Reply, ToolChoice, ToolOptions, Tools};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{Value, json};

/// The special tokens, and the letters that stand for them in recorded outputs.
const SPECIAL: [(char, &str); 2] = [('S', "<|s|>"), ('E', "<|e|>")];

/// Gives parts of a format random roles. `in_call` is true inside a call.
fn with_roles(format: &mut Value, random: &mut Random, in_call: bool) {
    let Some(object) = format.as_object_mut() else { return };
    let is_tag = object.contains_key("begin");
    let mut inside = in_call;
    if random.below(3) == 0 {
        let role = match random.below(5) {
            0 => "reasoning",
            1 => "text",
            2 => "marker",
            3 => "id",
            _ if in_call || !is_tag => "text",
            _ => {
                inside = true;
                object.insert("name".to_owned(), "f".into());
                "call"
            }
        };
        object.insert("role".to_owned(), role.into());
    }
    for (name, value) in object.iter_mut() {
        match (name.as_str(), value) {
            ("content", content) => with_roles(content, random, inside),
            ("elements" | "tags", Value::Array(parts)) => {
                parts.iter_mut().for_each(|part| with_roles(part, random, inside));
            }
            ("rules", Value::Array(rules)) => {
                rules.iter_mut().for_each(|rule| with_roles(&mut rule[1], random, inside));
            }
            _ => {}
        }
    }
}

/// Events with deltas of one part joined.
fn joined(events: &[Event]) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::Text(all)), Event::Text(delta))
            | (Some(Event::Reasoning(all)), Event::Reasoning(delta))
            | (Some(Event::Content(all)), Event::Content(delta))
            | (Some(Event::Arguments { delta: all, .. }), Event::Arguments { delta, .. }) => {
                all.push_str(delta);
            }
            _ => joined.push(event.clone()),
        }
    }
    joined
}

/// The events of symbols, read in pieces of at most `most` bytes, or token by token if it is 0.
/// Some pieces are read, taken back and read again.
fn events(constraint: &Constraint, symbols: &[char], most: usize, random: &mut Random) -> Vec<Event> {
    let mut reader = constraint.event_reader().unwrap();
    let mut all = Vec::new();
    let mut rest = symbols;
    while let Some((first, after)) = rest.split_first() {
        let special = SPECIAL.iter().position(|(letter, _)| letter == first);
        let count = if most > 1 { 1 + random.below(most) } else { 1 };
        let bytes: Vec<u8> = match special {
            Some(_) => Vec::new(),
            None => rest.iter().take(count).map_while(|c| (!"SE".contains(*c)).then_some(*c as u8)).collect(),
        };
        for again in 0..1 + random.below(2) {
            let mut found = Vec::new();
            if again > 0 {
                reader.rollback(1).unwrap();
            }
            let byte = bytes.first().filter(|_| most == 0).map(|byte| TokenId(u32::from(*byte)));
            let token = special.map(|i| TokenId(256 + i as u32)).or(byte);
            let is_read = match token {
                Some(token) => reader.advance(token, &mut found),
                None => reader.advance_bytes(&bytes, &mut found),
            };
            assert!(is_read.unwrap(), "{symbols:?}");
            if again > 0 {
                all.pop();
            }
            all.push(found);
        }
        rest = if special.is_some() { after } else { &rest[bytes.len()..] };
    }
    let mut found = Vec::new();
    reader.finish(&mut found);
    all.push(found);
    joined(&all.concat())
}

/// Reads the outputs of recorded formats with random roles in many ways: the numbers of formats and
/// outputs.
fn attack() -> (usize, usize) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/structural_tags/xgrammar.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let vocabulary = special_vocabulary(&[], &SPECIAL.map(|(_, name)| name), &[]);
    let mut random = Random(29);
    let (mut compiled, mut read) = (0, 0);
    for _ in 0..12 {
        for line in text.lines().skip(1) {
            let case: Value = serde_json::from_str(line).unwrap();
            let mut format = case["format"].clone();
            with_roles(&mut format, &mut random, false);
            let tag = json!({"format": format}).to_string();
            // A trigger that could never be read is an error.
            let Ok(constraint) = Constraint::structural_tag(&tag, &vocabulary) else { continue };
            compiled += 1;
            for output in case["outputs"].as_array().into_iter().flatten() {
                let symbols: Vec<char> = output[0].as_str().unwrap().chars().collect();
                let mut matcher = constraint.matcher();
                let takes = |symbol: &char| match SPECIAL.iter().position(|(letter, _)| letter == symbol) {
                    Some(i) => matcher.advance(TokenId(256 + i as u32)).unwrap(),
                    None => matcher.advance(TokenId(*symbol as u32)).unwrap(),
                };
                let count = symbols.iter().map(takes).take_while(|takes| *takes).count();
                let symbols = &symbols[..count];
                // Formats of tokens read whole tokens, and no bytes.
                let (all, cuts) = match tag.contains("token") {
                    true => (0, [0; 3]),
                    false => (symbols.len().max(1), [1, 2, 5]),
                };
                let expected = events(&constraint, symbols, all, &mut random);
                for most in cuts {
                    let found = events(&constraint, symbols, most, &mut random);
                    assert_eq!(found, expected, "{symbols:?} of {tag}");
                }
                let mut reply = Reply::default();
                expected.iter().for_each(|event| reply.add(event));
                let spell = |symbol: &char| match SPECIAL.iter().find(|(letter, _)| letter == symbol) {
                    Some((_, name)) => name.as_bytes().to_vec(),
                    None => vec![*symbol as u8],
                };
                let spelled: Vec<u8> = symbols.iter().flat_map(spell).collect();
                let mut by_text = constraint.matcher();
                assert!(by_text.advance_text(&spelled).unwrap(), "{symbols:?} of {tag}");
                if matcher.is_accepting() {
                    assert!(reply.calls.iter().all(|call| call.complete), "{symbols:?} of {tag}");
                    assert!(by_text.is_accepting(), "{symbols:?} of {tag}");
                }
                read += 1;
            }
        }
    }
    (compiled, read)
}

#[test]
fn random_roles_give_the_same_events_for_every_cut() {
    let (compiled, read) = attack();
    assert!(compiled > 5000 && read > 50_000, "{compiled} formats, {read} outputs");
}

/// The longest beginning of a text that can be read if each name of a special token stands for the
/// token or for bytes, and true if the output may end behind the whole text.
fn naive(matcher: &Matcher, text: &[u8]) -> (usize, bool) {
    if text.is_empty() {
        return (0, matcher.is_accepting());
    }
    let mut best = (0, false);
    let mut steps: Vec<(TokenId, usize)> = vec![(TokenId(u32::from(text[0])), 1)];
    for (i, (_, name)) in
        SPECIAL.iter().enumerate().filter(|(_, (_, name))| text.starts_with(name.as_bytes()))
    {
        steps.push((TokenId(256 + i as u32), name.len()));
    }
    for (token, len) in steps {
        let mut next = matcher.fork();
        if next.advance(token).unwrap() {
            let (more, ends) = naive(&next, &text[len..]);
            best = (best.0.max(len + more), best.1 || ends);
        }
    }
    best
}

/// Texts are read by random grammars as a naive search reads them.
#[test]
fn names_are_read_as_a_naive_search_reads_them() {
    let vocabulary = special_vocabulary(&[], &SPECIAL.map(|(_, name)| name), &[]);
    let mut random = Random(31);
    let mut read = [0; 3];
    for _ in 0..150 {
        let mut rules = String::from("root ::= \"\"");
        for _ in 0..2 + random.below(3) {
            rules.push_str(" |");
            for _ in 0..1 + random.below(4) {
                let items = [
                    "<|s|>",
                    "\"<|s|>\"",
                    "<|e|>",
                    "\"<|e|>\"",
                    "\"a\"",
                    "\"<\"",
                    "[a<|]",
                    "\"s|>\"",
                    "root",
                ];
                let after = ["", "", "?", "*"][random.below(4)];
                rules.push_str(&format!(" {}{after}", items[random.below(items.len())]));
            }
        }
        let Ok(constraint) = Constraint::grammar_text(Notation::Gbnf, &rules, &vocabulary) else { continue };
        for _ in 0..20 {
            let parts = ["<|s|>", "<|e|>", "a", "<", "<|", "s|>"];
            let text: String = (0..random.below(6)).map(|_| parts[random.below(parts.len())]).collect();
            let mut matcher = constraint.matcher();
            let (len, ends) = naive(&matcher, text.as_bytes());
            assert_eq!(matcher.advance_text_prefix(text.as_bytes()).unwrap(), len, "{text} by {rules}");
            let whole = len == text.len();
            assert!(!whole || matcher.is_accepting() == ends, "{text} by {rules}");
            matcher.reset();
            assert_eq!(matcher.advance_text(text.as_bytes()).unwrap(), whole, "{text} by {rules}");
            let mut reader = constraint.event_reader().unwrap();
            assert_eq!(
                reader.advance_text(text.as_bytes(), &mut Vec::new()).unwrap(),
                whole,
                "{text} by {rules}"
            );
            read[usize::from(whole) + usize::from(ends)] += 1;
        }
    }
    assert!(read.iter().all(|&count| count > 100), "{read:?}");
}

/// Ten thousand triggers are one search; a trigger in a trigger, one that no tag has, and tools of
/// one name are errors.
#[test]
fn large_and_contradicting_inputs_are_bounded() {
    let vocabulary = special_vocabulary(&[], &["<|s|>", "<|e|>"], &[]);
    let tag = |i: usize| json!({"begin": format!("<f{i}>"), "end": "</f>", "content": {"type": "json_schema", "json_schema": {"type": "object"}}});
    let tags: Vec<Value> = (0..10_000).map(tag).collect();
    let triggers: Vec<String> = (0..10_000).map(|i| format!("<f{i}>")).collect();
    let text = json!({"format": {"type": "triggered_tags", "triggers": triggers, "tags": tags}}).to_string();
    let constraint = Constraint::structural_tag(&text, &vocabulary).unwrap();
    let mut matcher = constraint.matcher();
    assert!(!matcher.mask().unwrap().is_empty());
    assert!(matcher.advance_bytes(b"a <f1<f9999>{}</f> <f0>{").unwrap() && !matcher.is_accepting());
    for (triggers, begins, expected) in [
        (["ab", "xabc"], ["ab1", "xabc"], "can never be read"),
        (["a", "b"], ["a1", "a2"], "no tag begins with the trigger"),
        (["a", ""], ["a1", "a2"], "is empty"),
    ] {
        let tags = begins.map(|begin| json!({"begin": begin, "end": "</>", "content": {"value": "x"}}));
        let text = json!({"format": {"triggers": triggers, "tags": tags}}).to_string();
        let error = Constraint::structural_tag(&text, &vocabulary).unwrap_err().to_string();
        assert!(error.contains(expected), "{triggers:?}: {error}");
    }
    let tool = |name: String, text: &str| {
        json!({"name": name, "parameters": {"type": "object", "properties": {
        "a": {"type": "string", "description": text}, "b": {"type": "array", "items": {"enum": ["x", 1, null]}}}}})
    };
    let twice = json!([tool("f".to_owned(), ""), tool("f".to_owned(), "")]).to_string();
    let error = Tools::from_json(&twice).unwrap_err().to_string();
    assert!(error.contains("two tools are named \"f\""), "{error}");
    // Five megabytes of tools.
    let long = "word ".repeat(200);
    let tools: Vec<Value> = (0..4_600).map(|i| tool(format!("tool_{i}"), &long)).collect();
    let text = Value::from(tools).to_string();
    assert!(text.len() > 5_000_000);
    let tools = Tools::from_json(&text).unwrap();
    let vocabulary = Vocabulary::from_byte_list(single_bytes()).unwrap();
    let options = ToolOptions::default().choice(ToolChoice::Required);
    for preset in ["hermes", "qwen3_coder", "mistral"] {
        let preset = Preset::named(preset).unwrap();
        let constraint = Constraint::new(&tools.grammar(&preset, &options).unwrap(), &vocabulary).unwrap();
        let arguments = serde_json::from_str(r#"{"a": "x", "b": [1]}"#).unwrap();
        let call = hedgerow::tags::WrittenCall { name: "tool_4599".into(), arguments, id: String::new() };
        let mut matcher = constraint.matcher();
        assert!(!matcher.mask().unwrap().is_empty());
        let written = preset.write(&[call]);
        assert!(matcher.advance_bytes(written.as_bytes()).unwrap() && matcher.is_accepting(), "{written}");
    }
}
