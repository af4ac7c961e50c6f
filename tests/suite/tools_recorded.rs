//! Replies with calls beside the parsers of vLLM and SGLang, whose verdicts are recorded in
//! `tests/tool_parsers/`.

use crate::support::bytes::single_bytes;
use crate::support::walk::Random;
use hedgerow::engine::{Constraint, Matcher};
use hedgerow::schema::{self, EscapePolicy, Numbers, SchemaOptions, UniqueKeys, Whitespace};
use hedgerow::tags::{Event, Preset, Reply, ToolChoice, ToolOptions, Tools};
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
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

/// Events with deltas of one part joined.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), &event) {
            (Some(Event::Text(all)), Event::Text(delta))
            | (Some(Event::Reasoning(all)), Event::Reasoning(delta))
            | (Some(Event::Arguments { delta: all, .. }), Event::Arguments { delta, .. }) => {
                all.push_str(delta);
            }
            _ => joined.push(event),
        }
    }
    joined
}

/// However a recorded reply is cut, and whatever is taken back on the way, its events are the same.
#[test]
fn every_cut_of_a_reply_gives_the_same_events() {
    let vocabulary = Vocabulary::from_byte_list(single_bytes()).unwrap();
    let mut random = Random(41);
    for line in include_str!("../tool_parsers/verdicts.jsonl").lines().skip(1) {
        let case: Value = serde_json::from_str(line).unwrap();
        let preset = Preset::named(case["preset"].as_str().unwrap()).unwrap();
        let constraint = constraint(&preset, &options(ToolChoice::Auto), &vocabulary);
        let text = case["text"].as_str().unwrap().as_bytes();
        let mut expected = Vec::new();
        let mut reader = constraint.event_reader().unwrap();
        assert!(reader.advance_bytes(text, &mut expected).unwrap());
        reader.finish(&mut expected);
        let expected = joined(expected);
        for _ in 0..4 {
            let mut reader = constraint.event_reader().unwrap();
            // For each step, the events and the bytes before it.
            let (mut found, mut steps, mut at) = (Vec::new(), Vec::new(), 0);
            while at < text.len() {
                let len = (1 + random.below(12)).min(text.len() - at);
                steps.push((found.len(), at));
                assert!(reader.advance_bytes(&text[at..at + len], &mut found).unwrap());
                at += len;
                if random.below(5) == 0 {
                    let back = 1 + random.below(steps.len());
                    reader.rollback(back).unwrap();
                    let (events, bytes) = steps[steps.len() - back];
                    found.truncate(events);
                    at = bytes;
                    steps.truncate(steps.len() - back);
                }
            }
            reader.finish(&mut found);
            assert_eq!(joined(found), expected, "{line}");
        }
    }
}

/// The recorded replies have the recorded calls. The parsers of servers find the same calls in
/// nearly all of them; `docs/tools.md` tells the numbers.
#[test]
fn replies_are_read_as_recorded() {
    let vocabulary = Vocabulary::from_byte_list(single_bytes()).unwrap();
    let (mut formats, mut readings) = (BTreeSet::new(), BTreeMap::new());
    for line in include_str!("../tool_parsers/verdicts.jsonl").lines().skip(1) {
        let case: Value = serde_json::from_str(line).unwrap();
        let preset = Preset::named(case["preset"].as_str().unwrap()).unwrap();
        let constraint = constraint(&preset, &options(ToolChoice::Auto), &vocabulary);
        let (calls, _) = calls(&constraint, case["text"].as_str().unwrap());
        assert_eq!(calls, case["calls"], "{line}");
        for (parser, verdict) in case["parsers"].as_object().unwrap() {
            formats.insert(preset.name().to_owned());
            let row: &mut [usize; 2] =
                readings.entry((preset.name().to_owned(), parser.clone())).or_default();
            row[usize::from(verdict != "same")] += 1;
        }
    }
    let sum = |of: &dyn Fn(&str) -> bool| {
        let rows = readings.iter().filter(|((_, parser), _)| of(parser));
        rows.fold([0, 0], |sum, (_, row)| [sum[0] + row[0], sum[1] + row[1]])
    };
    let (all, whole) = (sum(&|_| true), sum(&|parser| !parser.ends_with(", streamed")));
    let text = format!(
        "Of {} readings in {} formats, {} found the calls that hedgerow's events give. Of the {} readings \
         of whole replies, {} did.",
        all[0] + all[1],
        formats.len(),
        all[0],
        whole[0] + whole[1],
        whole[0],
    );
    let page = include_str!("../../docs/tools.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains(&text), "docs/tools.md does not say: {text}");
    // Each reading that found other calls is in a row of the page's table.
    let header = "| format | parser | other readings | reason |\n";
    let table = include_str!("../../docs/tools.md").split_once(header).unwrap().1;
    for ((preset, parser), [same, others]) in readings.iter().filter(|(_, row)| row[1] > 0) {
        let count = match same {
            0 => format!("all {}", 2 * others),
            _ => format!("{others} of {}", same + others),
        };
        let mut rows = table.lines().take_while(|row| !row.is_empty());
        let row = rows.find(|row| row.contains(&format!("`{preset}`")));
        assert!(row.is_some_and(|row| row.contains(&count)), "{preset}, {parser}: {count}: {row:?}");
    }
}
