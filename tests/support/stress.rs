//! Schemas that are large or hard, with instances. The stress test and `benches/schema.rs` share
//! them.

use std::fmt::Write;

/// A schema with one valid and one invalid instance.
pub struct Stress {
    pub name: &'static str,
    pub schema: String,
    pub valid: String,
    pub invalid: String,
}

pub fn all() -> Vec<Stress> {
    vec![
        four_megabytes(),
        five_thousand_properties(),
        ten_thousand_values(),
        hundred_way_one_of(),
        hundred_way_any_of_unevaluated(),
        deep_all_of(),
        wide_all_of(),
        recursion_through_not(),
        recursion_through_condition(),
    ]
}

/// Many definitions, each with descriptions, that refer to each other.
fn four_megabytes() -> Stress {
    let mut definitions = String::new();
    let (mut size, mut i) = (0, 0);
    while size < 4 << 20 {
        let comma = if i == 0 { "" } else { "," };
        let definition = format!(
            r##"{comma}"d{i}":{{"type":"object","description":"{}","properties":{{"id":{{"type":"integer","minimum":{i}}},"kind":{{"enum":["a{i}","b{i}"]}},"tags":{{"type":"array","items":{{"type":"string","maxLength":20}}}},"next":{{"$ref":"#/$defs/d{}"}}}},"required":["id"],"additionalProperties":false}}"##,
            "what this definition is for, at some length ".repeat(4),
            i + 1
        );
        size += definition.len();
        definitions += &definition;
        i += 1;
    }
    write!(definitions, r#","d{i}":{{"type":"null"}}"#).unwrap();
    Stress {
        name: "4 MB of definitions",
        schema: format!(r##"{{"$defs":{{{definitions}}},"$ref":"#/$defs/d0"}}"##),
        valid: r#"{"id":0,"next":{"id":1,"next":{"id":2,"kind":"b2"}}}"#.to_owned(),
        invalid: r#"{"id":0,"next":{"id":0}}"#.to_owned(),
    }
}

fn five_thousand_properties() -> Stress {
    let properties: Vec<String> =
        (0..5000).map(|i| format!(r#""property_{i}":{{"type":"integer","maximum":{i}}}"#)).collect();
    Stress {
        name: "5,000 properties",
        schema: format!(
            r#"{{"type":"object","properties":{{{}}},"required":["property_7","property_4321"],"additionalProperties":false}}"#,
            properties.join(",")
        ),
        valid: r#"{"property_0":0,"property_7":3,"property_4321":-1}"#.to_owned(),
        invalid: r#"{"property_0":0,"property_7":8,"property_4321":-1}"#.to_owned(),
    }
}

fn ten_thousand_values() -> Stress {
    let values: Vec<String> = (0..10_000i64).map(|i| format!(r#""value {:x} {i}""#, i * 2_654_435)).collect();
    Stress {
        name: "10,000 enum values",
        schema: format!(r#"{{"enum":[{}]}}"#, values.join(",")),
        valid: values[9_999].clone(),
        invalid: r#""value""#.to_owned(),
    }
}

fn hundred_way_one_of() -> Stress {
    let branches: Vec<String> = (0..100)
        .map(|i| {
            format!(
                r#"{{"properties":{{"kind":{{"const":"k{i}"}},"value":{{"type":"integer","minimum":{i}}},"note":{{"type":"string"}}}},"required":["kind","value"]}}"#
            )
        })
        .collect();
    Stress {
        name: "100-way oneOf with discriminators",
        schema: format!(r#"{{"type":"object","oneOf":[{}]}}"#, branches.join(",")),
        valid: r#"{"kind":"k57","value":57,"note":"x"}"#.to_owned(),
        invalid: r#"{"kind":"k57","value":56}"#.to_owned(),
    }
}

fn hundred_way_any_of_unevaluated() -> Stress {
    let branches: Vec<String> = (0..100)
        .map(|i| {
            format!(
                r#"{{"properties":{{"kind":{{"const":"k{i}"}},"only{i}":{{"type":"null"}}}},"required":["kind"]}}"#
            )
        })
        .collect();
    Stress {
        name: "100-way anyOf with unevaluatedProperties",
        schema: format!(
            r#"{{"type":"object","anyOf":[{}],"unevaluatedProperties":false}}"#,
            branches.join(",")
        ),
        valid: r#"{"kind":"k99","only99":null}"#.to_owned(),
        invalid: r#"{"kind":"k99","only98":null}"#.to_owned(),
    }
}

fn deep_all_of() -> Stress {
    let mut schema = r#"{"type":"object"}"#.to_owned();
    for i in 0..100 {
        schema = format!(r#"{{"allOf":[{schema},{{"properties":{{"p{i}":{{"type":"integer"}}}}}}]}}"#);
    }
    Stress {
        name: "allOf nested 100 deep",
        schema,
        valid: r#"{"p0":1,"p99":2}"#.to_owned(),
        invalid: r#"{"p0":1,"p99":null}"#.to_owned(),
    }
}

fn wide_all_of() -> Stress {
    let definitions: Vec<String> = (0..500)
        .map(|i| {
            format!(r#""d{i}":{{"properties":{{"p{i}":{{"type":"string","maxLength":{i}}}}},"required":["p{}"]}}"#, i % 5)
        })
        .collect();
    let parts: Vec<String> = (0..500).map(|i| format!(r##"{{"$ref":"#/$defs/d{i}"}}"##)).collect();
    Stress {
        name: "allOf of 500 references",
        schema: format!(
            r#"{{"type":"object","allOf":[{}],"$defs":{{{}}}}}"#,
            parts.join(","),
            definitions.join(",")
        ),
        valid: r#"{"p0":"","p1":"x","p2":"","p3":"","p4":""}"#.to_owned(),
        invalid: r#"{"p0":"","p1":"xy","p2":"","p3":"","p4":""}"#.to_owned(),
    }
}

/// Objects whose `x` is no such object: nesting alternates between the schema and its complement.
fn recursion_through_not() -> Stress {
    let nested = |depth: usize| format!("{}null{}", r#"{"x":"#.repeat(depth), "}".repeat(depth));
    Stress {
        name: "recursive $ref through not",
        schema:
            r##"{"$defs":{"a":{"type":"object","properties":{"x":{"not":{"$ref":"#/$defs/a"}}},"required":["x"]}},"$ref":"#/$defs/a"}"##
                .to_owned(),
        // {x: null} is one; {x: {x: null}} is none; an odd number of levels is.
        valid: nested(9),
        invalid: nested(10),
    }
}

fn recursion_through_condition() -> Stress {
    let nested =
        |depth: usize, end: &str| format!("{}{end}{}", r#"{"k":1,"x":"#.repeat(depth), "}".repeat(depth));
    Stress {
        name: "recursive if/then/else with oneOf",
        schema:
            r##"{"type":"object","properties":{"k":{"enum":[1,2]},"x":{"oneOf":[{"$ref":"#"},{"type":"null"},{"type":"object","maxProperties":0}]}},"required":["k"],"if":{"properties":{"k":{"const":1}}},"then":{"required":["x"]},"else":{"properties":{"x":false}},"additionalProperties":false}"##
                .to_owned(),
        valid: nested(6, r#"{"k":2}"#),
        invalid: nested(6, "1"),
    }
}
