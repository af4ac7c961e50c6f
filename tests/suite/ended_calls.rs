//! Calls that a deadline, a flag or a search budget ends. Whatever they leave behind, later calls
//! of all requests that share the constraint get right answers.

use crate::support::whole_masks::Tokens;
use hedgerow::engine::{Constraint, EngineError, Interrupt, Limits, Matcher};
use hedgerow::grammar::{Grammar, KeyOrder};
use hedgerow::schema::{self, SchemaOptions};
use hedgerow::syntax::Notation;
use hedgerow::syntax::regex::{self, Dialect};
use hedgerow::tags;
use hedgerow::vocab::TokenId;
use std::sync::Arc;

/// Grammars of all kinds, each with an output.
fn grammars_with_outputs() -> Vec<(Grammar, &'static str)> {
    let lark = |text| Notation::Lark.compile(text).unwrap();
    let pattern = |text| regex::compile(text, Dialect::Ecma262).unwrap();
    let any_order = SchemaOptions::default().key_order(KeyOrder::Any);
    let schema = |text| schema::compile(text, &any_order).unwrap();
    let tag = |format: &str| tags::compile(&tags::parse(format).unwrap(), &Default::default()).unwrap();
    vec![
        (lark(include_str!("../../benches/peers/grammars/code.lark")), "if a { f(b, [1, 2])\n} # c\nx = (y"),
        (lark("start: A B?\nA: /(x(?!y))+/\nB: /x?y+/"), "xxxyy"),
        (
            lark("start: s\ns: s \"+\" s | \"(\" s \")\" | N\nN: /[a-z]+/\n%ignore /#[^\\n]*\\n/"),
            "(a+b)+#c\n(a+b",
        ),
        (pattern(r"^(?!.*(foo|bar))(?=.*\d)[a-z0-9]{3,20}(x|yy)$"), "abc1dxyy"),
        (pattern(r"^(a|ab|b){2,9}\b-c\b.{0,3}"), "abab-c"),
        (
            schema(
                r#"{"properties": {"a": {"type": "integer", "multipleOf": 7}, "b": {"format": "date"},
                    "c": {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": true}},
                    "patternProperties": {"^x": {"type": "null"}}, "required": ["b"], "maxProperties": 3,
                    "additionalProperties": {"not": {"pattern": "z"}, "type": "string", "maxLength": 9}}"#,
            ),
            r#"{"c": [3, 1], "xa": null, "b": "2024-02-29"}"#,
        ),
        (
            schema(
                r#"{"type": "array", "uniqueItems": true, "minItems": 2, "contains": {"const": "b"},
                    "items": {"type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[ab]*$"}}"#,
            ),
            r#"["ab", "b"]"#,
        ),
        (
            tag(
                r#"{"format": {"type": "triggered_tags", "triggers": ["<f=", "<function"], "excludes": ["<no>"],
                    "tags": [{"begin": "<f=a>", "content": {"type": "json_schema", "json_schema": {"type":
                    "integer"}}, "end": "</f>"}, {"begin": "<function=b>", "content": {"type": "any_text"},
                    "end": "</function>"}]}}"#,
            ),
            "so <f=a>12</f> <function=b>x</function>",
        ),
        (Notation::Gbnf.compile("root ::= (\"a\" | b)* \"c\"\nb ::= \"(\" root? \")\"").unwrap(), "a((c)c)c"),
    ]
}

/// A call that is ended leaves nothing behind that a later call could use by mistake. Calls are
/// ended after every few units of work, until they are done before that.
#[test]
fn interrupted_calls_leave_no_wrong_answers() {
    let vocabulary = &Tokens::shared().vocabulary;
    for (grammar, output) in grammars_with_outputs() {
        let clean = Constraint::new(&grammar, vocabulary).unwrap();
        let mut ended = 0;
        for (first, more) in [(2u64, 9u64), (60, 900)] {
            let constraint = Constraint::new(&grammar, vocabulary).unwrap();
            compare_by_calls(&constraint, &clean, output, |matcher, call| {
                let mut units = first;
                loop {
                    matcher.set_interrupt(Interrupt::default().units(units));
                    match call(matcher) {
                        Err(EngineError::Deadline) => ended += 1,
                        other => break other.unwrap(),
                    }
                    units += more + units / 8;
                }
                matcher.set_interrupt(Interrupt::default());
            });
        }
        assert!(ended > 0, "no call was ended: {output}");
    }
}

/// The same for calls that have searched too many states. They fail again, or give the right
/// answer.
#[test]
fn exhausted_calls_leave_no_wrong_answers() {
    let vocabulary = &Tokens::shared().vocabulary;
    for (grammar, output) in grammars_with_outputs() {
        let clean = Constraint::new(&grammar, vocabulary).unwrap();
        for states in [1, 10, 100] {
            let limits = Limits::default().search_states(states);
            let Ok(constraint) = Constraint::with_limits(&grammar, vocabulary, limits) else { continue };
            compare_by_calls(&constraint, &clean, output, |matcher, call| {
                for _ in 0..3 {
                    match call(matcher) {
                        Err(EngineError::Limit { field, .. }) => assert_eq!(field, "search_states"),
                        Err(error) => assert!(error.to_string().contains("search"), "{error}"),
                        Ok(()) => break,
                    }
                }
            });
        }
    }
}

/// Compares the masks and endings of two constraints along an output. `run` makes the calls of the
/// first one, whose answers count if the last try succeeded.
fn compare_by_calls(
    constraint: &Constraint,
    clean: &Constraint,
    output: &str,
    mut run: impl FnMut(&mut Matcher, &mut dyn FnMut(&mut Matcher) -> Result<(), EngineError>),
) {
    let words = constraint.vocabulary().size().div_ceil(32);
    let (mut wanted, mut found) = (vec![0; words], vec![0; words]);
    let mut expected = clean.matcher();
    for at in 0..=output.len() {
        let mut matcher = constraint.matcher();
        let (mut is_read, mut has_mask, mut ending) = (None, false, None);
        run(&mut matcher, &mut |matcher| {
            is_read = Some(matcher.advance_bytes(&output.as_bytes()[..at])?);
            Ok(())
        });
        let Some(is_read) = is_read else { continue };
        assert!(is_read, "{:?} is refused", &output[..at]);
        run(&mut matcher, &mut |matcher| {
            matcher.fill_mask(&mut found)?;
            has_mask = true;
            Ok(())
        });
        run(&mut matcher, &mut |matcher| {
            ending = Some(matcher.completion()?);
            Ok(())
        });
        expected.fill_mask(&mut wanted).unwrap();
        if has_mask {
            assert!(found == wanted, "the mask after {:?} differs", &output[..at]);
        }
        if let Some(ending) = ending {
            let length = |ending: Option<Arc<[TokenId]>>| {
                ending.map(|tokens| {
                    tokens.iter().map(|&token| constraint.vocabulary().bytes(token).len()).sum()
                })
            };
            let (ending, right): (Option<usize>, Option<usize>) =
                (length(ending), length(expected.completion().unwrap()));
            assert_eq!(ending, right, "the ending after {:?}", &output[..at]);
        }
        if let Some(byte) = output.as_bytes().get(at..=at) {
            assert!(expected.advance_bytes(byte).unwrap(), "{:?} is refused", &output[..=at]);
        }
    }
}
