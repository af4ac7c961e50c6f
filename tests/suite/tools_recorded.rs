//! Replies with calls beside the parsers of vLLM and SGLang, whose verdicts are recorded in
//! `tests/tool_parsers/`.

use crate::support::bytes::single_bytes;
use crate::support::walk::Random;
use hedgerow::engine::{Constraint, Matcher};
use hedgerow::schema::{self, EscapePolicy, Numbers, SchemaOptions, UniqueKeys, Whitespace};
use hedgerow::tags::{Event, Preset, Reply, ToolChoice, ToolOptions, Tools};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{Value, json};
use std::io::Write;

const TOOLS: &str = include_str!("../tool_parsers/tools.json");

/// The characters of most free text.
const FREQUENT: &[u8] = b"aeinrstEO 0157.,:;_-/<>{}[]()\"'\n\\=&|\xc3\xa9";

fn constraint(preset: &Preset, options: &ToolOptions, vocabulary: &Vocabulary) -> Constraint {
    let grammar = Tools::from_json(TOOLS).unwrap().grammar(preset, options).unwrap();
    Constraint::new(&grammar, vocabulary).unwrap()
}

/// The options of recorded replies.
fn options(choice: ToolChoice) -> ToolOptions {
    ToolOptions::default().choice(choice).calls(3)
}

/// A random reply of about `steps` bytes.
fn reply(constraint: &Constraint, random: &mut Random, steps: usize) -> String {
    let mut matcher = constraint.matcher();
    let mut written = Vec::new();
    while written.len() < steps && !(matcher.is_accepting() && random.below(6) == 0) {
        let mask = matcher.mask().unwrap();
        let frequent = FREQUENT.iter().filter(|byte| mask.contains(TokenId(u32::from(**byte))));
        let frequent: Vec<u8> = frequent.copied().collect();
        let byte = match frequent.as_slice() {
            [] => match mask.iter().nth(random.below(mask.count().max(1))) {
                Some(token) => token.0 as u8,
                None => break,
            },
            bytes => bytes[random.below(bytes.len())],
        };
        assert!(matcher.advance(TokenId(u32::from(byte))).unwrap());
        written.push(byte);
    }
    let rest = matcher.completion().unwrap().unwrap();
    written.extend(rest.iter().map(|token| token.0 as u8));
    String::from_utf8(written).unwrap()
}

/// The calls of a reply, by its events.
fn calls(constraint: &Constraint, text: &str) -> (Value, String) {
    let (mut reader, mut events) = (constraint.event_reader().unwrap(), Vec::new());
    assert!(reader.advance_text(text.as_bytes(), &mut events).unwrap(), "{text}");
    reader.finish(&mut events);
    let mut reply = Reply::default();
    events.iter().for_each(|event| reply.add(event));
    assert!(reply.calls.iter().all(|call| call.complete), "{text}");
    let call = |call: &hedgerow::tags::Call| {
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
        json!({"name": call.name, "arguments": arguments})
    };
    (reply.calls.iter().map(call).collect(), reply.text)
}

/// Writes random replies in all formats to the file that the variable names; see
/// `tests/tool_parsers/record.py`.
#[test]
fn replies_for_parsers() {
    let vocabulary = Vocabulary::from_byte_list(single_bytes()).unwrap();
    let mut random = Random(17);
    let mut lines = String::new();
    let wanted = std::env::var_os("HEDGEROW_REPLIES");
    for preset in Preset::all() {
        for (choice, count) in [(ToolChoice::Required, 6), (ToolChoice::Auto, 2)] {
            let constraint = constraint(preset, &options(choice), &vocabulary);
            for number in 0..if wanted.is_some() { count } else { 1 } {
                let text = reply(&constraint, &mut random, 40 * (1 + number));
                let (calls, content) = calls(&constraint, &text);
                let line = json!({"preset": preset.name(), "text": text, "calls": calls, "content": content});
                lines.push_str(&format!("{line}\n"));
            }
        }
    }
    if let Some(path) = wanted {
        std::fs::File::create(path).unwrap().write_all(lines.as_bytes()).unwrap();
    }
}

/// The arguments of every call are the beginning of a JSON object after each byte of a reply.
fn check_arguments(constraint: &Constraint, text: &str, object: &Constraint) {
    let (mut reader, mut events) = (constraint.event_reader().unwrap(), Vec::new());
    let mut arguments: Vec<Matcher> = Vec::new();
    for byte in text.as_bytes() {
        events.clear();
        assert!(reader.advance_bytes(&[*byte], &mut events).unwrap());
        for event in &events {
            match event {
                Event::CallBegin { .. } => arguments.push(object.matcher()),
                Event::Arguments { index, delta } => {
                    assert!(arguments[*index].advance_bytes(delta.as_bytes()).unwrap(), "{delta}: {text}");
                }
                Event::CallEnd { index } => assert!(arguments[*index].is_accepting(), "{text}"),
                _ => {}
            }
        }
    }
}

/// Random replies have the calls that the options allow or require, in every format.
#[test]
fn replies_have_the_calls_that_options_ask_for() {
    let vocabulary = Vocabulary::from_byte_list(single_bytes()).unwrap();
    let mut random = Random(7);
    let loose = SchemaOptions::default()
        .whitespace(Whitespace::Unlimited)
        .numbers(Numbers::Json)
        .escapes(EscapePolicy::Any)
        .unique_keys(UniqueKeys::Ignored);
    let object = schema::compile(r#"{"type": "object"}"#, &loose).unwrap();
    let object = Constraint::new(&object, &vocabulary).unwrap();
    let named = || ToolChoice::Named("now".to_owned());
    let some = |required| ToolChoice::Allowed { names: vec!["now".into(), "send_mail".into()], required };
    let once = |choice| ToolChoice::Once(Box::new(choice));
    // The choice, the largest number of calls, the smallest and largest number that replies may
    // have, and a tool that is not called.
    let table: [(ToolChoice, u32, usize, usize, &str); 9] = [
        (ToolChoice::Auto, 2, 0, 2, ""),
        (ToolChoice::Auto, 0, 0, 0, ""),
        (ToolChoice::None, 2, 0, 0, ""),
        (ToolChoice::Required, 2, 1, 2, ""),
        (named(), 3, 1, 3, "send_mail"),
        (some(true), 2, 1, 2, "get_weather"),
        (some(false), 1, 0, 1, "get_weather"),
        (once(ToolChoice::Required), 5, 1, 1, ""),
        (once(ToolChoice::Auto), 0, 0, 0, ""),
    ];
    for preset in Preset::all() {
        for (choice, most, least, largest, never) in &table {
            let mut options = ToolOptions::default().choice(choice.clone()).calls(*most);
            if let Some((begin, end)) = preset.reasoning() {
                let ends = [String::new(), begin.to_owned(), format!("{begin}{end}")];
                options = options.prompt_end(ends[random.below(3)].clone());
            }
            let constraint = constraint(preset, &options, &vocabulary);
            let text = reply(&constraint, &mut random, 90);
            check_arguments(&constraint, &text, &object);
            let (calls, _) = calls(&constraint, &text);
            let names: Vec<&str> =
                calls.as_array().unwrap().iter().map(|call| call["name"].as_str().unwrap()).collect();
            assert!((*least..=*largest).contains(&names.len()), "{preset}, {choice:?}, {most}: {text}");
            assert!(!names.contains(never), "{preset}, {choice:?}: {text}");
        }
    }
}

/// The recorded replies have the recorded calls. The parsers of servers find the same calls in
/// nearly all of them; `docs/tools.md` tells the others.
#[test]
fn replies_are_read_as_recorded() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tool_parsers/verdicts.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let vocabulary = Vocabulary::from_byte_list(single_bytes()).unwrap();
    let (mut same, mut others) = (0, 0);
    for line in text.lines().skip(1) {
        let case: Value = serde_json::from_str(line).unwrap();
        let preset = Preset::named(case["preset"].as_str().unwrap()).unwrap();
        let constraint = constraint(&preset, &options(ToolChoice::Auto), &vocabulary);
        let (calls, _) = calls(&constraint, case["text"].as_str().unwrap());
        assert_eq!(calls, case["calls"], "{line}");
        for (_, verdict) in case["parsers"].as_object().unwrap() {
            match verdict == "same" {
                true => same += 1,
                false => others += 1,
            }
        }
    }
    println!("{same} verdicts are the same, {others} are not");
    assert!(same > 8 * others, "{same} verdicts are the same, {others} are not");
}
