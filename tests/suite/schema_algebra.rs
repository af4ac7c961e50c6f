//! The algebra of schemas: schemas that combine many conditions compile, are right, and lead every
//! output to its end.

use crate::support::bytes::{accepts, byte_vocabulary};
use crate::support::walk;
use crate::support::walk::Random;
use hedgerow::engine::Constraint;
use hedgerow::grammar::{CompileError, CompileErrorKind, KeyOrder};
use hedgerow::schema::{EscapePolicy, SchemaOptions, compile};
use hedgerow::vocab::Vocabulary;
use serde_json::{Value, json};

fn vocabulary() -> Vocabulary {
    byte_vocabulary(&["\",\"", "\":\"", "\":{\"", "[1,", "true", "}]", "\"}", "{\"", ",\""])
}

fn constraint(schema: &Value, order: KeyOrder) -> Constraint {
    let grammar = compile(&schema.to_string(), &SchemaOptions::default().key_order(order))
        .unwrap_or_else(|error| panic!("{schema}: {error}"));
    Constraint::new(&grammar, &vocabulary()).unwrap()
}

/// Checks that instances are judged as the validator judges them, in both orders of keys, and that
/// random outputs are valid and come to an end.
fn check(schema: &Value, instances: &[Value]) {
    check_in(&[KeyOrder::Declared, KeyOrder::Any], schema, instances);
}

/// The same for some orders of keys.
fn check_in(orders: &[KeyOrder], schema: &Value, instances: &[Value]) {
    let judge = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    for &order in orders {
        let constraint = constraint(schema, order);
        for instance in instances {
            let (text, valid) = (instance.to_string(), judge.is_valid(instance));
            let accepted = accepts(&constraint, &text);
            // With declared order, a valid instance may be refused for the order of its keys.
            let agrees = accepted == valid || (valid && order == KeyOrder::Declared);
            assert!(agrees, "{order:?}: {schema}: {text} is valid: {valid}, accepted: {accepted}");
        }
        for seed in 0..10 {
            let mut matcher = constraint.matcher();
            let output = walk::walk(&mut matcher, &vocabulary(), &mut Random(seed));
            let output = output.unwrap_or_else(|error| panic!("{order:?}: {schema}: {error}"));
            let Some(output) = output else { continue };
            let value = serde_json::from_str(&output).unwrap();
            assert!(judge.is_valid(&value), "{order:?}: {schema}: {output}");
        }
    }
}

fn refusal(schema: &Value, options: &SchemaOptions) -> CompileError {
    match compile(&schema.to_string(), options) {
        Ok(_) => panic!("{schema} compiles"),
        Err(error) => error,
    }
}

/// All objects with some of these keys and with these values.
fn objects(keys: &[&str], values: &[Value]) -> Vec<Value> {
    (0..1u32 << keys.len())
        .flat_map(|set| {
            values.iter().map(move |value| {
                let present = keys.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
                Value::Object(present.map(|(_, key)| ((*key).to_owned(), value.clone())).collect())
            })
        })
        .collect()
}

/// A schema that no value satisfies is refused, at the root and wherever something needs its value.
#[test]
fn impossible_strings_are_refused() {
    for texts in [
        json!({"maxLength": 0, "minLength": 1}),
        json!({"maxLength": 3, "minLength": 4}),
        json!({"maxLength": 0, "pattern": "(ab|cd)+$"}),
        json!({"maxLength": 0, "format": "date"}),
        json!({"maxLength": 2, "format": "uuid"}),
        json!({"minLength": 3, "pattern": "^..?$"}),
        json!({"pattern": "^a", "not": {"pattern": "a"}}),
    ] {
        let mut string = texts.clone();
        string["type"] = json!("string");
        for schema in [
            string.clone(),
            json!({"type": "object", "required": ["_x"], "properties": {"_x": string}}),
            json!({"type": "array", "minItems": 1, "items": string}),
        ] {
            let error = refusal(&schema, &SchemaOptions::default());
            assert!(error.kind() == CompileErrorKind::Empty, "{schema}: {error}");
        }
    }
    let schema =
        json!({"type": "object", "properties": {"a": {"type": "string", "maxLength": 0}}, "required": ["a"]});
    check(&schema, &[json!({"a": ""}), json!({"a": "b"}), json!({})]);
    // A control character that has no short escape.
    let options = SchemaOptions::default().escapes(EscapePolicy::NoUnicode);
    for value in [json!({"const": "\u{1}"}), json!({"type": "string", "pattern": "^\u{1}$"})] {
        let schema = json!({"type": "object", "required": ["a"], "properties": {"a": value}});
        assert!(refusal(&schema, &options).kind() == CompileErrorKind::Empty, "{schema}");
    }
    let schema = json!({"type": "object", "required": ["\u{1}"]});
    assert!(refusal(&schema, &options).kind() == CompileErrorKind::Empty, "{schema}");
}

/// Conditions between optional keys are kept side by side, so that many of them cost no more than a
/// few.
#[test]
fn conditions_on_presence_are_kept() {
    let implications = |count: usize| {
        let each =
            |i| json!({"if": {"required": [format!("a{i}")]}, "then": {"required": [format!("b{i}")]}});
        json!({"type": "object", "allOf": (0..count).map(each).collect::<Vec<Value>>()})
    };
    let instances = objects(&["a0", "b0", "a1", "b1", "a2", "x"], &[json!(1)]);
    for count in [3, 16, 40] {
        check(&implications(count), &instances);
    }
    let keys = ["a", "b", "c", "d", "e"];
    let instances = objects(&keys, &[json!(1), json!("x")]);
    for schema in [
        json!({"type": "object", "allOf": [
            {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"anyOf": [{"required": ["b"]}, {"required": ["c"]}]},
            {"anyOf": [{"required": ["c"]}, {"required": ["d"]}]},
            {"oneOf": [{"required": ["a"]}, {"required": ["e"]}, {"required": ["d"]}]},
            {"not": {"required": ["b", "d"]}}
        ]}),
        json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}, "c": {"type": "string"}},
            "oneOf": [{"required": ["a", "b"]}, {"required": ["c"]}, {"not": {"required": ["d"]}}],
            "dependentSchemas": {"b": {"required": ["e"]}, "c": {"not": {"required": ["e"]}}},
            "additionalProperties": false, "minProperties": 1}),
        json!({"type": "object", "maxProperties": 3, "allOf": [
            {"oneOf": [{"required": ["a"]}, {"required": ["b"]}, {"required": ["c"]}]},
            {"anyOf": [{"required": ["d"]}, {"minProperties": 3}]},
            {"if": {"properties": {"e": {"type": "integer"}}}, "then": {"required": ["e"]}, "else": {"required": ["d"]}},
            {"not": {"required": ["a", "d"], "properties": {"a": {"const": 1}}}}
        ]}),
    ] {
        check(&schema, &instances);
    }
    // The conditions contradict each other.
    let schema = json!({"type": "object", "allOf": [
        {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"anyOf": [{"required": ["a"]}, {"not": {"required": ["b"]}}]},
        {"anyOf": [{"not": {"required": ["a"]}}, {"required": ["b"]}]},
        {"anyOf": [{"not": {"required": ["a"]}}, {"not": {"required": ["b"]}}]}
    ]});
    let nested = json!({"type": "object", "required": ["x"], "properties": {"x": schema}});
    for schema in [schema, nested] {
        let error = refusal(&schema, &SchemaOptions::default());
        assert!(error.kind() == CompileErrorKind::Empty, "{schema}: {error}");
    }
}

/// Metadata of a package: a key may be given, or be listed as given elsewhere, but not both.
#[test]
fn dependencies_on_a_list_are_kept() {
    let fields =
        ["version", "readme", "license", "authors", "urls", "scripts", "keywords", "classifiers", "owners"];
    let listed = |field: &str| json!({"required": ["dynamic"], "properties": {"dynamic": {"contains": {"const": field}}}});
    let mut properties = serde_json::Map::from_iter([("name".to_owned(), json!({"type": "string"}))]);
    let mut dependencies = serde_json::Map::new();
    for field in fields {
        properties.insert(field.to_owned(), json!({"type": "string"}));
        dependencies.insert(field.to_owned(), json!({"not": listed(field)}));
    }
    properties.insert("dynamic".to_owned(), json!({"type": "array", "items": {"enum": fields}}));
    let schema = json!({"type": "object", "properties": properties, "required": ["name"],
        "additionalProperties": false, "dependentSchemas": dependencies,
        "oneOf": [listed("version"), {"required": ["version"]}]});
    let declared = constraint(&schema, KeyOrder::Declared);
    let judge = jsonschema::validator_for(&schema).unwrap();
    for instance in [
        json!({"name": "x", "version": "1"}),
        json!({"name": "x", "dynamic": ["version"]}),
        json!({"name": "x", "version": "1", "dynamic": ["version"]}),
        json!({"name": "x", "version": "1", "readme": "r", "urls": "u", "dynamic": ["license", "owners"]}),
        json!({"name": "x", "version": "1", "readme": "r", "dynamic": ["license", "readme"]}),
        json!({"name": "x", "readme": "r", "dynamic": []}),
        json!({"name": "x", "readme": "r", "dynamic": ["urls", "version"]}),
        json!({"name": "x"}),
    ] {
        assert_eq!(accepts(&declared, &instance.to_string()), judge.is_valid(&instance), "{instance}");
    }
}

/// Expressions with a tag that tells them apart. One of them has its tag misspelt in the schema and
/// overlaps all others. To exclude the others from it, the complement of the expressions inside
/// them is needed.
#[test]
fn tagged_alternatives_are_told_apart() {
    let tagged = |tag: &str, more: Value| {
        let mut properties = serde_json::Map::from_iter([("kind".to_owned(), json!({"enum": [tag]}))]);
        let more = more.as_object().unwrap().clone();
        let required: Vec<String> = std::iter::once("kind".to_owned()).chain(more.keys().cloned()).collect();
        properties.extend(more);
        json!({"type": "object", "properties": properties, "required": required})
    };
    let this = json!({"$ref": "#/$defs/expression"});
    let list = json!({"type": "array", "items": this});
    let schema = json!({"$ref": "#/$defs/expression", "$defs": {"expression": {"oneOf": [
        tagged("literal", json!({"value": {}, "type": {"type": "string"}})),
        tagged("name", json!({"name": {"type": "string"}})),
        tagged("let", json!({"bindings": list, "main": this})),
        {"type": "object", "required": ["kind", "on", "branches"]},
        tagged("new", json!({"name": {"type": "string"}, "args": list})),
        tagged("call", json!({"external": {"enum": [false]}, "name": {"type": "string"}, "args": list})),
        tagged("call", json!({"external": {"enum": [true]}, "name": {"type": "object"}, "args": list})),
        tagged("function", json!({"definitions": list, "main": this})),
    ]}}});
    let name = json!({"kind": "name", "name": "x"});
    check(
        &schema,
        &[
            name.clone(),
            json!({"kind": "let", "bindings": [name, name], "main": {"kind": "call", "external": false, "name": "f", "args": []}}),
            json!({"kind": "call", "external": true, "name": "f", "args": []}),
            json!({"kind": "case", "on": 1, "branches": 2}),
            json!({"kind": "name", "on": 1, "branches": 2}),
            json!({"kind": "name", "name": "x", "on": 1, "branches": 2}),
            json!({"kind": "name", "name": 5, "on": 1, "branches": 2}),
            json!({"kind": "new", "name": "x", "args": [name], "on": 1, "branches": 2}),
            json!({"kind": "new", "name": "x", "args": [{"kind": "name"}], "on": 1, "branches": 2}),
        ],
    );
}

/// Steps of a pipeline: each is known by a key of its own, and none may have the keys of two.
#[test]
fn alternatives_with_keys_of_their_own_are_told_apart() {
    let step = |name: &str, options: &[&str]| {
        let mut properties =
            serde_json::Map::from_iter([(name.to_owned(), json!({"type": ["string", "array", "null"]}))]);
        properties.extend(options.iter().map(|option| ((*option).to_owned(), json!({"type": "string"}))));
        json!({"type": "object", "properties": properties, "required": [name]})
    };
    let steps = |count: usize| {
        let options = |i: usize| [&["export", "space"][..], &["unwrap"]][i % 2];
        let steps: Vec<Value> = (0..count).map(|i| step(&format!("step{i}"), options(i))).collect();
        json!({"type": "object", "properties": {"steps": {"type": "array", "items": {"oneOf": steps}}}})
    };
    check(
        &steps(40)["properties"]["steps"],
        &[
            json!([{"step3": null, "unwrap": "x"}, {"step39": "a", "export": 1}]),
            json!([{"step3": null, "unwrap": 1}]),
            json!([{"step3": null, "step4": "a"}]),
            json!([{"step3": null, "step4": 1}]),
            json!([{"step3": null, "step4": "a", "export": 5}]),
            json!([{"export": "x"}]),
        ],
    );
    // In any order of keys, the work grows faster. The error beyond the limit names the place.
    let many = steps(80);
    let instances = [
        json!({"steps": [{"step3": null, "unwrap": "x"}, {"step79": "a", "export": 1}]}),
        json!({"steps": [{"step3": null, "step4": "a"}]}),
    ];
    check_in(&[KeyOrder::Declared], &many, &instances);
    let error = refusal(&many, &SchemaOptions::default().key_order(KeyOrder::Any));
    assert_eq!(error.kind(), CompileErrorKind::Limit);
    assert_eq!(error.pointer(), Some("#/properties/steps/items"));
}

/// `wrap` repeated `count` times around `inner`; `%` marks the place of the inside.
fn nested(count: usize, wrap: &str, inner: &str) -> String {
    let (before, after) = wrap.split_once('%').unwrap();
    [before.repeat(count), inner.to_owned(), after.repeat(count)].concat()
}

/// Deep nesting compiles; it costs memory and nothing else.
#[test]
fn deep_nesting_compiles() {
    const DEPTH: usize = 10_000;
    for (wrap, inner, text, end) in [
        (r#"{"type":"object","required":["a"],"properties":{"a":%}}"#, r#"{"const":1}"#, r#"{"a":%}"#, "1"),
        (r#"{"type":"array","minItems":1,"maxItems":1,"items":%}"#, r#"{"const":1}"#, "[%]", "1"),
        (r#"{"allOf":[%]}"#, r#"{"const":1}"#, "%", "1"),
        (r#"{"anyOf":[%]}"#, r#"{"const":1}"#, "%", "1"),
    ] {
        let grammar = compile(&nested(DEPTH, wrap, inner), &SchemaOptions::default());
        let grammar = grammar.unwrap_or_else(|error| panic!("{wrap}: {error}"));
        let constraint = Constraint::new(&grammar, &vocabulary()).unwrap();
        assert!(accepts(&constraint, &nested(DEPTH, text, end)), "{wrap}");
        assert!(!accepts(&constraint, &nested(DEPTH - 1, text, "2")), "{wrap}");
    }
    for value in ["[%]", r#"{"a":%}"#] {
        let schema = format!(r#"{{"const":{}}}"#, nested(DEPTH, value, "1"));
        let grammar = compile(&schema, &SchemaOptions::default()).unwrap();
        let constraint = Constraint::new(&grammar, &vocabulary()).unwrap();
        assert!(accepts(&constraint, &nested(DEPTH, value, "1")));
        assert!(!accepts(&constraint, &nested(DEPTH, value, "2")));
    }
    // A contradiction is found at any depth.
    let wrap = r#"{"type":"object","required":["a"],"properties":{"a":%}}"#;
    let error = compile(&nested(DEPTH, wrap, r#"{"enum":[]}"#), &SchemaOptions::default()).unwrap_err();
    assert!(error.kind() == CompileErrorKind::Empty, "{error}");
    // Beyond a limit, the error tells which keywords are nested.
    let not = nested(101, r#"{"not":{"anyOf":[{"required":["a"]},{"required":["b","c"]},%]}}"#, "{}");
    if let Err(error) = compile(&not, &SchemaOptions::default()) {
        assert!(!error.to_string().contains("$ref"), "{error}");
    }
}

/// Items that compete for few values: an item leaves the values that others need, for any number of
/// items.
#[test]
fn items_that_compete_leave_values_to_others() {
    let pairs = |count: usize| -> Vec<Value> { (0..count).map(|i| json!({"enum": [i, i + 1]})).collect() };
    let schema = json!({"type": "array", "uniqueItems": true, "minItems": 16, "prefixItems": pairs(16)});
    check(
        &schema,
        &[
            (0..16).collect(),
            (1..17).collect(),
            (0..8).chain(9..17).collect(),
            json!([1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14]),
            (0..15).collect(),
            (0..15).chain([15, 15]).collect(),
        ],
    );
    // There is one value too few.
    let mut items = pairs(15);
    items.push(json!({"enum": [3, 5]}));
    items.push(json!({"enum": [2, 9]}));
    let schema = json!({"type": "array", "uniqueItems": true, "minItems": 17, "prefixItems": items});
    assert!(refusal(&schema, &SchemaOptions::default()).kind() == CompileErrorKind::Empty);
    let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let items: Vec<Value> =
        (0..12).map(|i| json!({"enum": [letters[i], letters[i * 5 % 12], letters[i * 7 % 12]]})).collect();
    let schema =
        json!({"type": "array", "uniqueItems": true, "minItems": 12, "maxItems": 12, "prefixItems": items});
    check(&schema, &[json!(letters), json!(["a"])]);
}

/// Distinct items with numbers of any exponent. Numbers that are too large to tell apart may come
/// once.
#[test]
fn distinct_numbers_of_any_size_are_told_apart() {
    let schema = json!({"type": "array", "uniqueItems": true, "items": {"type": ["number", "array"]}});
    let constraint = constraint(&schema, KeyOrder::Declared);
    for (text, accepted) in [
        ("[1e5,1]", true),
        ("[1e1234567890,1,2.5]", true),
        ("[1e1234567890,1e1234567890]", false),
        ("[-1e-99999999999,3]", true),
        ("[1e500,100]", true),
        ("[[1e12345678901],[1]]", true),
        ("[[1e12345678901],[1e12345678901]]", false),
    ] {
        assert_eq!(accepts(&constraint, text), accepted, "{text}");
    }
    let error = refusal(&json!({"properties": {"a": {"const": 0}}}), &SchemaOptions::default().fuel(0));
    assert!(error.kind() == CompileErrorKind::Limit, "{error}");
    let error = compile(r#"{"properties":{"a":{"enum":[[1e12345678901]]}}}"#, &SchemaOptions::default());
    assert_eq!(error.unwrap_err().pointer(), Some("#/properties/a/enum"));
}

/// Many items that an array must contain somewhere.
#[test]
fn many_contained_items_are_required() {
    let all = |conditions: Vec<Value>| json!({"type": "array", "allOf": conditions});
    let constants = all((0..30).map(|i| json!({"contains": {"const": i}})).collect());
    check(&constants, &[(0..30).collect(), (0..30).rev().collect(), (0..29).collect(), json!([])]);
    let bounds = all((0..6).map(|i| json!({"contains": {"type": "integer", "minimum": i}})).collect());
    check(&bounds, &[json!([5]), json!([4, 3]), json!(["x", 7])]);
    // The patterns overlap in too many ways, and an error says so before any output.
    let patterns = all((0..30).map(|i| json!({"contains": {"pattern": format!("x{i}")}})).collect());
    let refused = refusal(&patterns, &SchemaOptions::default());
    assert!(refused.kind() == CompileErrorKind::Limit, "{refused}");
}

/// Hundreds of alternatives that a tag tells apart.
#[test]
fn many_tags_tell_alternatives_apart() {
    let tagged = |i: usize| {
        json!({"type": "object", "required": ["tag", "x"], "properties": {
        "tag": {"const": format!("t{i}")}, "x": {"const": i}}})
    };
    let instances = [
        json!({"tag": "t7", "x": 7}),
        json!({"tag": "t199", "x": 199}),
        json!({"tag": "t7", "x": 8}),
        json!({"tag": "t200", "x": 200}),
    ];
    for keyword in ["oneOf", "anyOf"] {
        check(&json!({keyword: (0..200).map(tagged).collect::<Vec<Value>>()}), &instances);
    }
}

/// Alternatives of `oneOf` that overlap in a key of their own, but for values of another key, and
/// have equal conditions on a third key.
#[test]
fn alternatives_with_equal_conditions_are_told_apart() {
    let postal = |most: u32| json!({"type": "string", "maxLength": most});
    let country = |name: &str, regions: &[String]| {
        json!({"properties": {
            "country": {"type": "string", "enum": [name]},
            "region": {"type": "string", "enum": regions},
            "postal": postal(3)
        }})
    };
    // Neighbours share regions.
    let regions = |i: usize| -> Vec<String> { (i * 20..i * 20 + 30).map(|n| format!("r{n}")).collect() };
    let mut countries: Vec<Value> = (0..12).map(|i| country(&format!("c{i}"), &regions(i))).collect();
    countries.push(json!({"properties": {
        "country": {"type": "string", "enum": ["x", "y"]}, "postal": postal(9)
    }}));
    check(
        &json!({"type": "object", "properties": {"street": {"type": "string"}}, "oneOf": countries}),
        &[
            json!({"country": "c0", "region": "r5"}),
            json!({"country": "c0", "region": "r31"}),
            json!({"country": "c1", "region": "r25", "postal": "123"}),
            json!({"country": "c1", "region": "r25", "postal": "1234"}),
            json!({"country": "x", "region": "r25", "postal": "1234"}),
            json!({"region": "r5"}),
            json!({"region": "other"}),
            json!({"postal": "1234"}),
            json!({"street": "a", "country": "z"}),
            json!({}),
        ],
    );
}

/// Arrays whose items cannot be the same have nothing in common if an item must come, so that
/// `uniqueItems` of one of them is not negated.
#[test]
fn arrays_of_different_items_are_told_apart() {
    check(
        &json!({
            "$defs": {"text": {"type": "string", "minLength": 1}, "push": {
                "type": "object", "properties": {"on": {"type": "boolean"}}, "additionalProperties": false
            }},
            "oneOf": [
                {"type": "array", "items": {"$ref": "#/$defs/text"}},
                {"$ref": "#/$defs/push"},
                {"type": "array", "uniqueItems": true, "minItems": 1, "items": {"$ref": "#/$defs/push"}}
            ]
        }),
        &[
            json!([]),
            json!(["a", "a"]),
            json!([""]),
            json!([{"on": true}, {}]),
            json!([{"on": true}, {"on": true}]),
            json!({"on": true}),
            json!(["a", {"on": true}]),
        ],
    );
}

/// Negations of unions of negations are the intersection, of which a search finds a word.
#[test]
fn many_patterns_and_a_length_meet() {
    let all = |patterns: &[&str]| {
        let patterns: Vec<Value> = patterns.iter().map(|pattern| json!({"pattern": pattern})).collect();
        json!({"not": {"allOf": patterns}})
    };
    let schema = json!({"type": "string", "maxLength": 200, "allOf": [
        {"not": {"anyOf": [all(&["^.{60}$", "ab1", "b12"]), all(&["bc1", "c12"]), all(&["ca1", "a12"])]}},
        {"not": {"anyOf": [all(&["^\\w*$", "\\d\\d", "[a|b]"]), all(&["[b|c]"]), all(&["[c|a]"])]}},
        {"not": {"anyOf": [all(&["1.*2", "ac"]), all(&["a2"]), all(&["a1"])]}},
        {"pattern": "[aA][12].*[zZ]"}
    ]});
    let constraint = constraint(&schema, KeyOrder::Declared);
    let word = format!("ab12bc12ca12aca2a1z{}", "_".repeat(41));
    assert!(accepts(&constraint, &json!(word).to_string()));
    for other in [&word[1..], &word.replace("ca1", "cb1"), &word.replace('z', "_"), "a"] {
        assert!(!accepts(&constraint, &json!(other).to_string()), "{other}");
    }
}
