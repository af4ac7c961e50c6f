//! Calls that a deadline, a flag or a search budget ends. Whatever they leave behind, later calls
//! of all requests that share the constraint get right answers.

use crate::support::whole_masks::Tokens;
use hedgerow::engine::{Constraint, EngineError, Interrupt, Limits, Matcher};
use hedgerow::grammar::{Grammar, KeyOrder};
use hedgerow::schema::{self, SchemaOptions};
use hedgerow::syntax::Notation;
use hedgerow::syntax::regex::{self, Dialect};
use hedgerow::tags;
use hedgerow::vocab::{TokenId, Vocabulary};

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

/// The answers along an output, from calls that nobody ends, of a constraint that shares nothing
/// with others.
struct Expected {
    /// The mask after each byte, and the bytes of the shortest ending.
    places: Vec<(Vec<u32>, Option<usize>)>,
}

impl Expected {
    fn of(grammar: &Grammar, vocabulary: &Vocabulary, output: &str) -> Self {
        let mut matcher = Constraint::new(grammar, vocabulary).unwrap().matcher();
        let mut places = Vec::new();
        for at in 0..=output.len() {
            let mut mask = vec![0; vocabulary.size().div_ceil(32)];
            matcher.fill_mask(&mut mask).unwrap();
            places.push((mask, ending(&mut matcher).unwrap()));
            if let Some(byte) = output.as_bytes().get(at..=at) {
                assert!(matcher.advance_bytes(byte).unwrap(), "{:?} is refused", &output[..=at]);
            }
        }
        Expected { places }
    }
}

/// The bytes of the shortest ending.
fn ending(matcher: &mut Matcher) -> Result<Option<usize>, EngineError> {
    let tokens = matcher.completion()?;
    let vocabulary = matcher.vocabulary();
    Ok(tokens.map(|tokens| tokens.iter().map(|&token| vocabulary.bytes(token).len()).sum()))
}

/// A vocabulary with the same tokens that shares nothing.
fn copy(vocabulary: &Vocabulary) -> Vocabulary {
    let ids = (0..vocabulary.size() as u32).map(TokenId);
    let tokens = ids.map(|id| vocabulary.bytes(id).to_vec()).collect();
    Vocabulary::from_byte_list(tokens).unwrap().with_eos(vocabulary.eos()).unwrap()
}

/// A call that is ended leaves nothing behind that a later call could use by mistake. Calls are
/// ended after every few units of work, until they are done before that.
#[test]
fn interrupted_calls_leave_no_wrong_answers() {
    let vocabulary = &Tokens::shared().vocabulary;
    let clean = copy(vocabulary);
    for ((grammar, output), (same, _)) in grammars_with_outputs().into_iter().zip(grammars_with_outputs()) {
        let expected = Expected::of(&same, &clean, output);
        let mut ended = 0;
        for (first, more) in [(2u64, 9u64), (60, 900)] {
            let constraint = Constraint::new(&grammar, vocabulary).unwrap();
            compare_by_calls(&constraint, &expected, output, |matcher, call| {
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
    let clean = copy(vocabulary);
    let (mut failed, mut repeated) = (0, 0);
    let words = [
        r#"{"properties": {"k": {"allOf": [{"pattern": "a.*b"}, {"pattern": "c.*d"}, {"pattern": "e.*f"},
            {"not": {"pattern": "g.*h"}}, {"pattern": "^[a-i]*$"}], "minLength": 30, "maxLength": 30}},
            "required": ["k"]}"#,
        r#"{"properties": {"k": {"type": "string", "format": "idn-hostname", "maxLength": 20,
            "not": {"pattern": "^x"}}}, "required": ["k"]}"#,
    ];
    let grammar = |text| schema::compile(text, &SchemaOptions::default()).unwrap();
    for (text, output) in words.into_iter().zip([r#"{"k": "acfgbeedfi"#, r#"{"k": "bücher.ex"#]) {
        let expected = Expected::of(&grammar(text), &clean, output);
        for states in [1, 5, 20, 60, 200, 700, 2000] {
            let limits = Limits::default().search_states(states);
            let Ok(constraint) = Constraint::with_limits(&grammar(text), vocabulary, limits) else {
                continue;
            };
            compare_by_calls(&constraint, &expected, output, |matcher, call| {
                for turn in 0..3 {
                    match call(matcher) {
                        Err(EngineError::Limit { field, .. }) => assert_eq!(field, "search_states"),
                        Err(error) => assert!(error.to_string().contains("search"), "{error}"),
                        Ok(()) if turn == 0 => break,
                        Ok(()) => {
                            repeated += 1;
                            break;
                        }
                    }
                    failed += 1;
                }
            });
        }
    }
    assert!(failed > 0 && repeated > 0, "{failed} calls failed, {repeated} were repeated with success");
}

/// Compares the masks and endings of a constraint along an output with the expected ones. `run`
/// makes the calls, whose answers count if the last try succeeded.
fn compare_by_calls(
    constraint: &Constraint,
    expected: &Expected,
    output: &str,
    mut run: impl FnMut(&mut Matcher, &mut dyn FnMut(&mut Matcher) -> Result<(), EngineError>),
) {
    for (at, (mask, shortest)) in expected.places.iter().enumerate() {
        let mut matcher = constraint.matcher();
        let mut is_read = None;
        run(&mut matcher, &mut |matcher| {
            is_read = Some(matcher.advance_bytes(&output.as_bytes()[..at])?);
            Ok(())
        });
        let Some(is_read) = is_read else { continue };
        assert!(is_read, "{:?} is refused", &output[..at]);
        run(&mut matcher, &mut |matcher| {
            let mut words = vec![0; mask.len()];
            matcher.fill_mask(&mut words)?;
            assert!(words == *mask, "the mask after {:?} differs", &output[..at]);
            Ok(())
        });
        run(&mut matcher, &mut |matcher| {
            assert_eq!(ending(matcher)?, *shortest, "the ending after {:?}", &output[..at]);
            Ok(())
        });
    }
}
