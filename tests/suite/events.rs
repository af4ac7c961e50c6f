//! Events of structural tags: what each part of an output is, for every way to cut the output.

use crate::support::bytes::special_vocabulary;
use crate::support::walk::Random;
use hedgerow::engine::{Constraint, EngineError, EventReader};
use hedgerow::syntax::Notation;
use hedgerow::tags::{Event, Reply};
use hedgerow::vocab::{TokenId, Vocabulary};

/// The special tokens; their ids follow those of the bytes.
const SPECIAL: [&str; 3] = ["<|s|>", "<|e|>", "<|call|>"];

/// All bytes and the special tokens.
fn vocabulary() -> Vocabulary {
    special_vocabulary(&[], &SPECIAL, &[])
}

fn constraint(format: &str) -> Constraint {
    let tag = format!(r#"{{"format": {format}}}"#);
    Constraint::structural_tag(&tag, &vocabulary()).unwrap_or_else(|error| panic!("{format}: {error}"))
}

/// A piece of an output: bytes, or a special token.
#[derive(Clone, Copy, Debug)]
enum Piece<'o> {
    Bytes(&'o [u8]),
    Special(usize),
}

/// An output with its special tokens apart.
fn pieces(output: &str) -> Vec<Piece<'_>> {
    let (mut found, mut from, mut at) = (Vec::new(), 0, 0);
    while at < output.len() {
        let Some(name) = SPECIAL.iter().position(|name| output.as_bytes()[at..].starts_with(name.as_bytes()))
        else {
            at += 1;
            continue;
        };
        found.push(Piece::Bytes(&output.as_bytes()[from..at]));
        found.push(Piece::Special(name));
        at += SPECIAL[name].len();
        from = at;
    }
    found.push(Piece::Bytes(&output.as_bytes()[from..]));
    found
}

fn read(reader: &mut EventReader, piece: Piece<'_>, events: &mut Vec<Event>) -> bool {
    match piece {
        Piece::Bytes(bytes) => reader.advance_bytes(bytes, events).unwrap(),
        Piece::Special(name) => reader.advance(TokenId(256 + name as u32), events).unwrap(),
    }
}

/// Events with deltas of one part joined.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        let into = joined.last_mut();
        match (into, &event) {
            (Some(Event::Text(all)), Event::Text(delta))
            | (Some(Event::Reasoning(all)), Event::Reasoning(delta))
            | (Some(Event::Content(all)), Event::Content(delta))
            | (Some(Event::Arguments { delta: all, .. }), Event::Arguments { delta, .. }) => {
                all.push_str(delta);
            }
            _ => joined.push(event),
        }
    }
    joined
}

/// All events of an output; `None` where it is refused.
fn events(constraint: &Constraint, output: &str) -> Option<Vec<Event>> {
    let mut reader = constraint.event_reader().unwrap();
    let mut events = Vec::new();
    for piece in pieces(output) {
        if !read(&mut reader, piece, &mut events) {
            return None;
        }
    }
    reader.finish(&mut events);
    Some(joined(events))
}

/// A short text for events: each part between brackets.
fn shown(events: &[Event]) -> String {
    let text = |event: &Event| match event {
        Event::Text(delta) => format!("[{delta}]"),
        Event::Reasoning(delta) => format!("think[{delta}]"),
        Event::CallBegin { index, name, id: None } => format!("call{index} {name}("),
        Event::CallBegin { index, name, id: Some(id) } => format!("call{index} {name}#{id}("),
        Event::CallId { index, id } => format!("id{index}={id}"),
        Event::Arguments { delta, .. } => delta.clone(),
        Event::CallEnd { index } => format!("){index}"),
        Event::TagBegin { name } => format!("<{name}>"),
        Event::Content(delta) => delta.clone(),
        Event::TagEnd { name } => format!("</{name}>"),
        other => panic!("{other:?}"),
    };
    events.iter().map(text).collect::<Vec<_>>().join(" ")
}

const OBJECT: &str = r#"{"type": "json_schema", "json_schema": {"type": "object"}}"#;
const TEXT: &str = r#"{"type": "any_text"}"#;

/// An object whose members stand between markers.
const MEMBERS: &str = r#""type": "json_schema", "style": "qwen_xml", "json_schema":
    {"properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}"#;

/// Formats, each with outputs and their events.
fn table() -> Vec<(String, Vec<(&'static str, &'static str)>)> {
    let call = |begin: &str, name: &str, end: &str| {
        format!(
            r#"{{"begin": "{begin}", "end": "{end}", "content": {OBJECT}, "role": "call", "name": "{name}"}}"#
        )
    };
    let triggered = |trigger: &str, tags: &[String]| {
        format!(r#"{{"type": "triggered_tags", "triggers": ["{trigger}"], "tags": [{}]}}"#, tags.join(", "))
    };
    let functions = [call("<f=a>", "a", "</f>"), call("<f=ab>", "ab", "</f>")];
    let think = format!(
        r#"{{"type": "tag", "begin": "<think>", "end": "</think>", "content": {TEXT}, "role": "reasoning"}}"#
    );
    let named = r#"{"type": "tag", "begin": "<call>", "end": "</call>", "role": "call", "content":
        {"type": "sequence", "elements": [
            {"type": "const_string", "value": "{\"name\": \""},
            {"type": "regex", "pattern": "[a-c]+", "role": "name"},
            {"type": "const_string", "value": "\", \"arguments\": "},
            {"type": "json_schema", "json_schema": {"type": "object"}, "role": "arguments"},
            {"type": "const_string", "value": ", \"id\": \""},
            {"type": "regex", "pattern": "[0-9]+", "role": "id"},
            {"type": "const_string", "value": "\"}"}]}}"#;
    vec![
        (TEXT.into(), vec![("", ""), ("aé<", "[aé<]")]),
        (OBJECT.into(), vec![(r#"{"a": [1]}"#, r#"[{"a": [1]}]"#)]),
        (
            triggered("<f=", &functions),
            vec![
                ("", ""),
                ("a<f", "[a<f]"),
                ("a<f=a>{}</f>", "[a] call0 a( {} )0"),
                (
                    "<<f=ab>{\"x\": 1}</f>é<f=a>{}</f><f",
                    "[<] call0 ab( {\"x\": 1} )0 [é] call1 a( {} )1 [<f]",
                ),
                ("<f=a>{}</f><f=a>{}</f>", "call0 a( {} )0 call1 a( {} )1"),
                ("<f=a>{\"", "call0 a( {\""),
                ("a<f=a", "[a]"),
            ],
        ),
        (
            triggered("<|call|>", &[call("<|call|>a:", "a", "<|e|>"), call("<|call|>b:", "b", "<|e|>")]),
            vec![("x<|call|>b:{}<|e|>y", "[x] call0 b( {} )0 [y]"), ("<|call|>a:{}<|e|>", "call0 a( {} )0")],
        ),
        (
            triggered("\\n<|s|>", &[call("\\n<|s|>a ", "a", "<|e|>\\n")]),
            vec![("x\n<|s|>a {}<|e|>\n\n", "[x] call0 a( {} )0 [\n]"), ("x\n", "[x\n]")],
        ),
        (
            format!(
                r#"{{"type": "sequence", "elements": [{{"type": "optional", "content": {think}}}, {}]}}"#,
                triggered("<f=", &functions)
            ),
            vec![
                ("<think>a</th</think>b", "think[a</th] [b]"),
                ("<think></think><f=a>{}</f>", "call0 a( {} )0"),
                // Only one of the readings is complete.
                ("<think>a", "[<think>a]"),
                // Both readings are possible; the one that passes a mark is preferred.
                ("<think>a</think>", "think[a]"),
                ("<thin", "[<thin]"),
            ],
        ),
        (
            named.to_owned(),
            vec![(
                r#"<call>{"name": "ab", "arguments": {"c": 1}, "id": "7"}</call>"#,
                r#"call0 ab( {"c": 1} id0=7 )0"#,
            )],
        ),
        (
            format!(
                r#"{{"type": "tags_with_separator", "separator": ", ", "tags": [{}, {{"begin": "<t>", "content": {TEXT}, "end": ["</t>", "\n"]}}]}}"#,
                functions[0]
            ),
            vec![("<f=a>{}</f>, <t>x</t>", "call0 a( {} )0 <<t>> x </<t>>"), ("<t>\n", "<<t>> </<t>>")],
        ),
        (
            format!(
                r#"{{"type": "dispatch", "rules": [["ab", {{"type": "regex", "pattern": "[0-9]"}}], ["abc", {TEXT}]]}}"#
            ),
            vec![("xab1y", "[x] <ab> 1 </ab> [y]"), ("abc", "<abc> </abc>"), ("abcx", "<abc> </abc> [x]")],
        ),
        (
            format!(
                r#"{{"type": "tag", "begin": "<o>", "end": "</o>", "name": "outer", "content": {}}}"#,
                triggered("<f=", &functions)
            ),
            vec![
                ("<o>a<f=a>{}</f>b</o>", "<outer> a call0 a( {} )0 b </outer>"),
                ("<o></o>", "<outer> </outer>"),
            ],
        ),
        (
            r#"{"type": "sequence", "elements": [{"type": "regex", "pattern": "[0-9]", "role": "id"},
                {"type": "regex", "pattern": "[1-9]+", "role": "call", "name": "f"}]}"#
                .to_owned(),
            vec![("712", "call0 f#7( 12 )0"), ("7", "call0 f#7(")],
        ),
        // Values between markers are text outside of calls, and a piece of the part around them.
        (
            format!("{{{MEMBERS}}}"),
            vec![("<parameter=a>é<</parameter>\n", "[<parameter=a>é<</parameter>\n]"), ("<par", "[<par]")],
        ),
        (
            format!(r#"{{"type": "tag", "begin": "<", "end": ">", "content": {{{MEMBERS}}}}}"#),
            vec![("<<parameter=a>é</parameter>>", "<<> <parameter=a>é</parameter> </<>")],
        ),
        (
            format!(
                r#"{{"type": "sequence", "elements": [{{"value": "1"}}, {{{MEMBERS}}}], "role": "reasoning"}}"#
            ),
            vec![("1<parameter=a>b</parameter>", "think[1<parameter=a>b</parameter>]")],
        ),
        (
            format!(
                r#"{{"type": "sequence", "role": "call", "elements": [{{"value": "f", "role": "name"}},
                    {{"value": ":"}}, {{{MEMBERS}, "role": "arguments"}}]}}"#
            ),
            vec![("f:<parameter=a>b</parameter>", r#"call0 f( {"a": "b"} )0"#)],
        ),
        (
            format!(r#"{{{MEMBERS}, "role": "call", "name": "f"}}"#),
            vec![("<parameter=a>b\"</parameter>", r#"call0 f( {"a": "b\""} )0"#)],
        ),
        (
            format!(r#"{{"type": "tag", "begin": "<a>", "end": ["</a>", ""], "content": {TEXT}}}"#),
            vec![("<a>x</a>", "<<a>> x </<a>>"), ("<a>x</", "<<a>> x</ </<a>>")],
        ),
    ]
}

/// A repetition of a part that may be empty is read in finitely many ways.
#[test]
fn empty_rounds_are_left_out() {
    let reasoning = r#"{"type": "any_text", "excludes": ["<"], "role": "reasoning"}"#;
    let few = r#"{"type": "regex", "pattern": "a?", "role": "reasoning"}"#;
    let tag = r#"{"type": "tag", "begin": "<", "end": ">", "content": {"type": "any_text"}}"#;
    for (format, output, expected) in [
        (format!(r#"{{"type": "star", "content": {reasoning}}}"#), "ab", "think[ab]"),
        (format!(r#"{{"type": "plus", "content": {few}}}"#), "", ""),
        (format!(r#"{{"type": "plus", "content": {few}}}"#), "aa", "think[aa]"),
        (format!(r#"{{"type": "repeat", "min": 0, "max": 20, "content": {few}}}"#), "aaa", "think[aaa]"),
        (
            format!(r#"{{"type": "star", "content": {{"type": "or", "elements": [{reasoning}, {tag}]}}}}"#),
            "a<b>c",
            "think[a] <<> b </<> think[c]",
        ),
    ] {
        let found = events(&constraint(&format), output).unwrap_or_else(|| panic!("{format}: {output:?}"));
        assert_eq!(shown(&found), expected, "{output:?} of {format}");
    }
}

/// Free text does not spell, by ordinary tokens, a trigger that is a special token. Texts in which
/// special tokens stand by their names are read as these tokens.
#[test]
fn names_of_special_tokens() {
    let format = format!(
        r#"{{"type": "triggered_tags", "triggers": ["<|call|>"], "excludes": ["<|s|>"], "tags": [
            {{"begin": "<|call|>a:", "end": "<|e|>", "content": {OBJECT}, "role": "call", "name": "a"}}]}}"#
    );
    let constraint = constraint(&format);
    let bytes = |text: &str| constraint.matcher().advance_bytes(text.as_bytes()).unwrap();
    assert!(bytes("x<|call|"), "the beginning of a name is text");
    assert!(!bytes("x<|call|>") && !bytes("<|call|>a:{}") && !bytes("<|s|>"));
    assert!(bytes("<|e|>"), "a token that ends a call may be spelled in text");
    let mut matcher = constraint.matcher();
    let text = "x<|call|>a:{\"b\": \"<|call|>\"}<|e|>y<|e|>";
    assert!(matcher.advance_text(text.as_bytes()).unwrap() && matcher.is_accepting());
    assert!(!matcher.advance_text(b"y<|call|>b").unwrap(), "there is no tool of this name");
    assert!(matcher.advance_text(b"y").unwrap(), "a text that is refused changes nothing");
    let (mut reader, mut found) = (constraint.event_reader().unwrap(), Vec::new());
    assert!(reader.advance_text(text.as_bytes(), &mut found).unwrap());
    assert!(!reader.advance_text(b"y<|call|>b", &mut found).unwrap());
    reader.finish(&mut found);
    assert_eq!(shown(&joined(found)), r#"[x] call0 a( {"b": "<|call|>"} )0 [y<|e|>]"#);
}

/// A text, the number of its bytes that can be read, and true if the output may then end.
type Reading = (&'static str, usize, bool);

/// The name of a special token in a text stands for the token or for plain text, whichever lets the
/// text be read, and then whichever lets the output end.
#[test]
fn names_are_read_in_both_ways() {
    let vocabulary = special_vocabulary(&["ab", "<|"], &["<|s|>", "<|e|>", "<|call|>", "<|call|>y"], &[]);
    let gbnf = |rules: &str| Constraint::grammar_text(Notation::Gbnf, rules, &vocabulary).unwrap();
    let tag = |format: &str| {
        Constraint::structural_tag(&format!(r#"{{"format": {format}}}"#), &vocabulary).unwrap()
    };
    let table: Vec<(Constraint, Vec<Reading>)> = vec![
        (
            gbnf(r#"root ::= <|call|> "x" | "<|call|>y""#),
            vec![
                ("<|call|>x", 9, true),
                ("<|call|>y", 9, true),
                ("<|call|>z", 8, false),
                ("<|call|>", 8, false),
                ("<|cal", 5, false),
                ("<|call|>xx", 9, true),
            ],
        ),
        (gbnf(r#"root ::= <|call|> "x" | "<|call|>""#), vec![("<|call|>", 8, true), ("<|call|>x", 9, true)]),
        // Of two names, the longer one is tried first.
        (
            tag(r#"{"type": "or", "elements": [{"type": "token", "token": "<|call|>y"},
                    {"type": "sequence", "elements": [{"type": "token", "token": "<|call|>"}, {"value": "yz"}]}]}"#),
            vec![("<|call|>y", 9, true), ("<|call|>yz", 10, true)],
        ),
        // Each name has two readings, of which only one ends.
        (
            gbnf(r#"root ::= "(" root ")" | <|s|> root "x" | "<|s|>" root "y" | """#),
            vec![("<|s|><|s|><|s|>yxy", 18, true), ("<|s|>(<|s|>x)y", 14, true), ("<|s|>xx", 6, true)],
        ),
        (gbnf(r#"root ::= "a"* "<|e|>"? "a""#), vec![("aa<|e|>a", 8, true), ("aa<|e|>", 7, false)]),
        // A token that stands for itself is read where its bytes are not.
        (
            tag(
                r#"{"type": "sequence", "elements": [{"type": "token", "token": "ab"}, {"type": "any_tokens"}]}"#,
            ),
            vec![("ab", 2, true), ("abc<|s|>d", 9, true), ("a", 0, false), ("b", 0, false)],
        ),
    ];
    for (constraint, texts) in table {
        for (text, len, may_end) in texts {
            let mut matcher = constraint.matcher();
            assert_eq!(matcher.advance_text_prefix(text.as_bytes()).unwrap(), len, "{text}");
            assert_eq!(matcher.is_accepting(), may_end, "{text}");
            let mut matcher = constraint.matcher();
            assert_eq!(matcher.advance_text(text.as_bytes()).unwrap(), len == text.len(), "{text}");
            assert!(len == text.len() || matcher.output_len() == 0, "{text}");
            let (mut reader, mut found) = (constraint.event_reader().unwrap(), Vec::new());
            assert_eq!(
                reader.advance_text(text.as_bytes(), &mut found).unwrap(),
                len == text.len(),
                "{text}"
            );
            reader.finish(&mut found);
            let mut reply = Reply::default();
            found.iter().for_each(|event| reply.add(event));
            assert_eq!(reply.text, if len == text.len() { text } else { "" });
        }
    }
}

/// A text whose names have very many readings is read by a bounded number of steps.
#[test]
fn many_readings_of_names_are_bounded() {
    let rules = r#"root ::= <|s|> root "x" | "<|s|>" root "y" | """#;
    let constraint = Constraint::grammar_text(Notation::Gbnf, rules, &vocabulary()).unwrap();
    for count in [12, 24, 48] {
        let text = "<|s|>".repeat(count) + &"y".repeat(count);
        match constraint.matcher().advance_text(text.as_bytes()) {
            Ok(found) => assert!(found),
            Err(error) => {
                assert!(matches!(error, EngineError::AmbiguousText { .. } | EngineError::Limit { .. }))
            }
        }
    }
}

/// At the limit of its steps the search has no answer: the last of all readings may be the one at
/// whose end the output may end.
#[test]
fn a_text_with_too_many_readings_is_an_error() {
    let rules =
        "root ::= name \"!\" | \"<|s|>\"{24} \"m\"\nname ::= <|s|> name \"x\" | \"<|s|>\" name \"y\" | \"m\"";
    let constraint = Constraint::grammar_text(Notation::Gbnf, rules, &vocabulary()).unwrap();
    let names = "<|s|>".repeat(24);
    for text in [format!("{names}m"), format!("{names}m{}", "z".repeat(24))] {
        let error = constraint.matcher().advance_text(text.as_bytes()).unwrap_err();
        assert!(matches!(error, EngineError::AmbiguousText { limit } if limit > 1 << 16), "{error}");
        let error = constraint.event_reader().unwrap().advance_text(text.as_bytes(), &mut Vec::new());
        assert!(matches!(error, Err(EngineError::AmbiguousText { .. })), "{error:?}");
    }
}

/// A style belongs to all of a call's arguments, and not to a piece of them.
#[test]
fn a_style_is_for_all_arguments() {
    let of = |format: String| {
        let tag = format!(r#"{{"format": {format}}}"#);
        Constraint::structural_tag(&tag, &vocabulary()).map(|_| ()).map_err(|error| error.to_string())
    };
    let piece = format!(
        r#"{{"type": "sequence", "elements": [{{{MEMBERS}}}, {{"value": "\n"}}], "role": "call", "name": "f"}}"#
    );
    assert_eq!(
        of(piece).unwrap_err(),
        "#/format/elements/0: this schema has a style that is not JSON, and is a piece of a call's \
         arguments; let it be all of the arguments: give the schema itself the role"
    );
    let marked = format!(
        r#"{{"type": "sequence", "elements": [{{{MEMBERS}, "role": "arguments"}}, {{"value": "\n"}}], "role": "call", "name": "f"}}"#
    );
    assert_eq!(of(marked), Ok(()));
}

#[test]
fn outputs_have_these_events() {
    for (format, cases) in table() {
        let constraint = constraint(&format);
        for (output, expected) in cases {
            let found =
                events(&constraint, output).unwrap_or_else(|| panic!("{format}: {output:?} is refused"));
            assert_eq!(shown(&found), expected, "{output:?} of {format}");
        }
    }
}

/// However an output is cut, and whatever was read and taken back on the way, its events are the
/// same; and a matcher reads what a reader reads. The events are kept in one list, from which those
/// of a step that is taken back are cut.
#[test]
fn every_cut_gives_the_same_events() {
    let mut random = Random(17);
    for (format, cases) in table() {
        let constraint = constraint(&format);
        for (output, _) in cases {
            let expected = events(&constraint, output);
            for _ in 0..12 {
                let mut reader = constraint.event_reader().unwrap();
                let mut matcher = constraint.matcher();
                let (mut found, mut steps): (Vec<Event>, Vec<usize>) = Default::default();
                let mut done: Vec<Piece<'_>> = Vec::new();
                let mut left: Vec<Piece<'_>> = pieces(output);
                left.reverse();
                while let Some(piece) = left.pop() {
                    let piece = match piece {
                        Piece::Bytes(bytes) if bytes.len() > 1 => {
                            let cut = 1 + random.below(bytes.len() - 1);
                            left.push(Piece::Bytes(&bytes[cut..]));
                            Piece::Bytes(&bytes[..cut])
                        }
                        piece => piece,
                    };
                    steps.push(found.len());
                    let wrong = reader.advance_bytes(b"\xff", &mut found).unwrap();
                    assert!(!wrong && steps.last() == Some(&found.len()));
                    assert!(read(&mut reader, piece, &mut found), "{output:?} of {format}");
                    assert!(match piece {
                        Piece::Bytes(bytes) => matcher.advance_bytes(bytes).unwrap(),
                        Piece::Special(name) => matcher.advance(TokenId(256 + name as u32)).unwrap(),
                    });
                    done.push(piece);
                    if random.below(4) == 0 {
                        let back = random.below(done.len() + 1);
                        reader.rollback(back).unwrap();
                        matcher.rollback(back).unwrap();
                        for _ in 0..back {
                            found.truncate(steps.pop().unwrap());
                            left.extend(done.pop());
                        }
                    }
                }
                let len = found.len();
                reader.finish(&mut found);
                if random.below(2) == 0 {
                    reader.rollback(1).unwrap();
                    found.truncate(len);
                    reader.finish(&mut found);
                }
                let found = joined(found);
                assert_eq!(Some(&found), expected.as_ref(), "{output:?} of {format}");
                let mut reply = Reply::default();
                found.iter().for_each(|event| reply.add(event));
                assert!(!matcher.is_accepting() || reply.calls.iter().all(|call| call.complete));
            }
        }
    }
}
