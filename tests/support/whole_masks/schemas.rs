//! Random schemas that mix the keywords for which masks have short cuts: lengths on both sides of
//! the longest token, patterns, negations, formats, constants, keys of all kinds, counts,
//! conditions, and all options about spelling.

use crate::support::reference::generate::Source;
use hedgerow::grammar::KeyOrder;
use hedgerow::schema::{EscapePolicy, Numbers, SchemaOptions, UniqueKeys, Whitespace};
use serde_json::{Map, Value, json};

const LENGTHS: [u32; 13] = [0, 1, 2, 3, 5, 31, 63, 64, 127, 128, 129, 200, 500];
const COUNTS: [u32; 5] = [0, 1, 2, 3, 9];
const PATTERNS: [&str; 26] = [
    "b",
    "^a",
    "b$",
    "^[a-z]+$",
    "^[a-z]{3,200}$",
    "^[a-zA-Z0-9_ -]{1,64}$",
    "<script",
    "^(?!foo)",
    "^(?!.*foo).{2,80}$",
    "\\S",
    "^\\S+(\\s\\S+){0,9}$",
    "\\d{3}",
    "^\\d+(\\.\\d{1,2})?$",
    "^(foo|bar|foobar)+$",
    "[0-9a-f]{8}",
    "^.{2,5}$",
    "é",
    "^[^\"\\\\]*$",
    "^(ab|cd)+$",
    "^(\\w+)(-\\w+)*$",
    "\\bfoo\\b",
    "^$",
    "^_",
    "^.*[.]x$",
    "^[^/]+/[^/]*$",
    "^(?=.*a)(?=.*1).{2,40}$",
];
const FORMATS: [&str; 18] = [
    "date",
    "date-time",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "uuid",
    "json-pointer",
    "relative-json-pointer",
    "uri-template",
    "iri",
    "idn-email",
    "idn-hostname",
    "regex",
];
const WORDS: [&str; 15] = [
    "",
    "a",
    "b",
    "ab",
    "foo",
    "foobar",
    "auto",
    "none",
    "n/a",
    "a\"b",
    "a\\b",
    "é",
    "x\ny",
    "_x",
    "2024-02-29",
];
const KEYS: [&str; 12] = ["a", "b", "ab", "foo", "name", "id", "_x", "é", "a\"b", "names", "n", ""];
const NUMBERS: [&str; 12] = ["0", "1", "-1", "2", "7", "10", "0.5", "1.25", "99", "1e3", "100000", "-3"];

/// Texts that the patterns are about. A walk may begin with a part of one.
pub const HINTS: &[&str] = &[
    "\"a <script",
    "\"foobar",
    "\"nonexistent",
    "{\"foo\":\"foo",
    "{\"_x\":\"",
    "{\"name\": \"a b c",
    "\"2024-02-29T1",
    "\"foo@ba",
    "[\"a\",\"b\",\"ab\"",
    "{\n  \"id\" : 1",
    "\"\\u0061\\u",
    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\"http://a/b",
    "\"127.0.0.",
    "[[1,2],{\"a\":[\"a",
    "{\"a\":\"autob",
    "\"éé",
    "-12.5",
    "\"a\\\"b",
    "{\"a\":1,\"b\":",
    "{\"names\":",
    "[1,2,3,4",
    "[5,1",
    "[[2],3,{\"a\":1}",
    "{\"g\":\"a\",\"h\":\"b\"",
    "{\"a\":1,\"b\":2",
];

struct Generator<'s, 'b> {
    source: &'s mut Source<'b>,
    /// The number of keywords that may still be made; it keeps schemas small.
    budget: usize,
}

/// A schema with definitions that may refer to themselves and each other.
pub fn document(source: &mut Source<'_>) -> Value {
    let mut g = Generator { source, budget: 18 };
    let mut root = match g.schema(3) {
        Value::Object(all) => all,
        other => Map::from_iter([("allOf".to_owned(), json!([other]))]),
    };
    let text = Value::Object(root.clone()).to_string();
    if text.contains("#/$defs/") {
        g.budget = 8;
        root.insert("$defs".to_owned(), json!({ "p": g.schema(2), "q": g.schema(2) }));
    }
    Value::Object(root)
}

/// A schema in which values and keys run out: distinct items, and counted keys beside conditions.
pub fn scarce(source: &mut Source<'_>) -> Value {
    let mut g = Generator { source, budget: 4 };
    let mut all = Map::new();
    match g.source.below(2) {
        0 => g.distinct_integers(&mut all),
        _ => g.conditions_beside_counts(&mut all),
    }
    Value::Object(all)
}

/// Options that decide the spelling of values.
pub fn options(source: &mut Source<'_>) -> SchemaOptions {
    let mut pick = |n: usize| source.below(n);
    let order = [KeyOrder::Declared, KeyOrder::Any][pick(2)];
    let whitespace = match pick(4) {
        0 => Whitespace::default(),
        1 => Whitespace::Compact,
        2 => Whitespace::Unlimited,
        _ => Whitespace::Pretty(2),
    };
    let escapes =
        [EscapePolicy::default(), EscapePolicy::Any, EscapePolicy::Minimal, EscapePolicy::NoUnicode];
    let escapes = escapes[pick(4)];
    let numbers = [Numbers::default(), Numbers::Json][pick(2)];
    let unique = [UniqueKeys::default(), UniqueKeys::Ignored][pick(4) / 3];
    let surrounding = pick(4) == 3;
    let mut cap = |from: u32| (pick(3) == 0).then(|| from + pick(5) as u32);
    let mut options = SchemaOptions::default();
    options.max_string_length = cap(0);
    options.max_items = cap(0);
    options.max_digits = cap(1);
    options
        .surrounding_whitespace(surrounding)
        .key_order(order)
        .whitespace(whitespace)
        .escapes(escapes)
        .numbers(numbers)
        .unique_keys(unique)
}

impl Generator<'_, '_> {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.source.below(from.len())]
    }

    fn number(&mut self) -> Value {
        serde_json::from_str(self.pick(&NUMBERS)).unwrap()
    }

    fn value(&mut self, depth: u32) -> Value {
        match self.source.below(if depth == 0 { 6 } else { 8 }) {
            0..=2 => json!(self.pick(&WORDS)),
            3 => self.number(),
            4 => Value::Null,
            5 => json!(self.source.below(2) == 0),
            6 => (0..self.source.below(3)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let count = self.source.below(3);
                let members = (0..count).map(|_| (self.pick(&KEYS).to_owned(), self.value(depth - 1)));
                Value::Object(members.collect())
            }
        }
    }

    /// A schema that is nested no deeper than `depth`.
    fn schema(&mut self, depth: u32) -> Value {
        if self.budget == 0 {
            return json!({ "type": "string" });
        }
        let mut all = Map::new();
        match self.source.below(12) {
            10 if depth > 0 => self.distinct_integers(&mut all),
            11 if depth > 0 => self.conditions_beside_counts(&mut all),
            0..=3 => self.string(&mut all, depth),
            4 | 5 if depth > 0 => self.object(&mut all, depth),
            6 if depth > 0 => self.array(&mut all, depth),
            7 => self.numeric(&mut all),
            8 => {
                let values = (0..=self.source.below(4)).map(|_| self.value(1)).collect();
                all.insert("enum".to_owned(), values);
            }
            _ if depth > 0 => {
                all.insert("$ref".to_owned(), json!(self.pick(&["#/$defs/p", "#/$defs/q"])));
            }
            _ => self.string(&mut all, depth),
        }
        if depth > 0 && self.source.below(3) == 1 {
            self.combine(&mut all, depth);
        }
        Value::Object(all)
    }

    fn string(&mut self, all: &mut Map<String, Value>, depth: u32) {
        let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
        if self.source.below(6) != 5 {
            put("type", json!("string"));
        }
        for _ in 0..=self.source.below(3) {
            self.budget = self.budget.saturating_sub(1);
            match self.source.below(9) {
                0..=2 => put("maxLength", json!(self.pick(&LENGTHS))),
                3 => put("minLength", json!(self.pick(&LENGTHS[..8]))),
                4 => put("pattern", json!(self.pick(&PATTERNS))),
                5 => put("format", json!(self.pick(&FORMATS))),
                6 => put("not", json!({ "pattern": self.pick(&PATTERNS) })),
                7 => {
                    let words: Vec<&str> = (0..=self.source.below(3)).map(|_| self.pick(&WORDS)).collect();
                    put("not", json!({ "enum": words }))
                }
                _ if depth > 0 => put("not", self.schema(depth - 1)),
                _ => put("not", json!({ "const": self.pick(&WORDS) })),
            };
        }
    }

    fn numeric(&mut self, all: &mut Map<String, Value>) {
        self.budget = self.budget.saturating_sub(1);
        all.insert("type".to_owned(), json!(self.pick(&["integer", "number"])));
        for _ in 0..self.source.below(3) {
            let (key, value) = match self.source.below(4) {
                0 => ("minimum", self.number()),
                1 => ("exclusiveMaximum", self.number()),
                2 => ("multipleOf", json!(self.pick(&[2, 3, 5, 7, 10]))),
                _ => ("not", json!({ "const": self.number() })),
            };
            all.insert(key.to_owned(), value);
        }
    }

    fn object(&mut self, all: &mut Map<String, Value>, depth: u32) {
        all.insert("type".to_owned(), json!("object"));
        for _ in 0..=self.source.below(4) {
            self.budget = self.budget.saturating_sub(1);
            let inner = |g: &mut Self| g.schema(depth - 1);
            let (key, value) = match self.source.below(10) {
                0 | 1 => {
                    let count = 1 + self.source.below(3);
                    let members = (0..count).map(|_| (self.pick(&KEYS).to_owned(), inner(self)));
                    ("properties", Value::Object(members.collect()))
                }
                2 => ("required", json!([self.pick(&KEYS)])),
                3 => match self.source.below(3) {
                    0 => ("additionalProperties", json!(false)),
                    _ => ("additionalProperties", inner(self)),
                },
                4 => match self.source.below(3) {
                    0 => ("patternProperties", json!({ self.pick(&PATTERNS): false })),
                    _ => ("patternProperties", json!({ self.pick(&PATTERNS): inner(self) })),
                },
                5 => ("propertyNames", json!({ "maxLength": self.pick(&LENGTHS) })),
                6 => ("propertyNames", inner(self)),
                7 => ("minProperties", json!(self.pick(&COUNTS[..4]))),
                8 => ("maxProperties", json!(self.pick(&COUNTS))),
                _ => ("dependentRequired", json!({ self.pick(&KEYS): [self.pick(&KEYS)] })),
            };
            all.insert(key.to_owned(), value);
        }
    }

    fn array(&mut self, all: &mut Map<String, Value>, depth: u32) {
        all.insert("type".to_owned(), json!("array"));
        for _ in 0..=self.source.below(3) {
            self.budget = self.budget.saturating_sub(1);
            let (key, value) = match self.source.below(7) {
                0 | 1 => ("items", self.schema(depth - 1)),
                2 => ("prefixItems", (0..=self.source.below(2)).map(|_| self.schema(depth - 1)).collect()),
                3 => ("contains", self.schema(depth - 1)),
                4 => ("uniqueItems", json!(true)),
                5 => ("minItems", json!(self.pick(&COUNTS[..4]))),
                _ => ("maxItems", json!(self.pick(&COUNTS))),
            };
            all.insert(key.to_owned(), value);
        }
    }

    /// An array of distinct integers out of ranges that overlap, with about as many items as there
    /// are integers.
    fn distinct_integers(&mut self, all: &mut Map<String, Value>) {
        self.budget = self.budget.saturating_sub(2);
        let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
        put("type", json!("array"));
        put("uniqueItems", json!(true));
        put("items", self.integers());
        put("minItems", json!(self.source.below(7)));
        if self.source.below(3) == 0 {
            put("prefixItems", (0..=self.source.below(2)).map(|_| self.integers()).collect());
        }
        if self.source.below(3) == 0 {
            put("maxItems", json!(self.source.below(9)));
        }
        if self.source.below(3) == 0 {
            let contains =
                |g: &mut Self| json!({ "contains": g.integers(), "minContains": g.source.below(4) });
            put("allOf", (0..=self.source.below(2)).map(|_| contains(self)).collect());
        }
    }

    /// A few integers: a union of ranges, perhaps with constants and without some multiples, or of
    /// pairs and members of such integers.
    fn integers(&mut self) -> Value {
        let parts = 1 + self.source.below(3);
        let mut part = || {
            let first = self.source.below(5);
            let mut range = json!({
                "type": "integer", "minimum": first, "maximum": first + self.source.below(4)
            });
            match self.source.below(8) {
                0 => range["multipleOf"] = json!(2),
                1 => range["not"] = json!({ "multipleOf": 2 }),
                2 => range["not"] = json!({ "const": self.source.below(6) }),
                3 => return json!({ "enum": [self.source.below(6), self.source.below(6)] }),
                4 => return json!({ "type": "array", "prefixItems": [range], "minItems": 1, "items": false }),
                5 => {
                    let max = self.source.below(3);
                    return json!({
                        "type": "object", "properties": { "a": range.clone(), "b": range },
                        "additionalProperties": false, "maxProperties": max
                    });
                }
                _ => {}
            }
            range
        };
        let parts: Vec<Value> = (0..parts).map(|_| part()).collect();
        json!({ "anyOf": parts })
    }

    /// An object with few possible keys, with counts of its members and with conditions of which
    /// each member decides some.
    fn conditions_beside_counts(&mut self, all: &mut Map<String, Value>) {
        self.budget = self.budget.saturating_sub(2);
        let names = match self.source.below(4) {
            0 => json!({ "pattern": "^[gh]$" }),
            1 => json!({ "pattern": "^[g-k]$" }),
            2 => json!({ "pattern": "^[\\u0000-\\u0003ab]$" }),
            _ => json!({ "enum": ["g", "h", "i"] }),
        };
        const TYPES: [&str; 5] = ["integer", "string", "boolean", "null", "array"];
        let mut clauses = Vec::new();
        for _ in 0..1 + self.source.below(2) {
            let alternative = |g: &mut Self| match g.source.below(6) {
                0 => json!({ "maxProperties": 1 + g.source.below(6) }),
                1 => json!({ "minProperties": g.source.below(4) }),
                2 => json!({ "required": [g.pick(&["g", "h"])] }),
                3 => json!({ "properties": { "g": { "type": g.pick(&TYPES) } } }),
                _ => json!({ "additionalProperties": { "type": g.pick(&TYPES) } }),
            };
            let several: Vec<Value> = (0..2 + self.source.below(4)).map(|_| alternative(self)).collect();
            clauses.push(json!({ "anyOf": several }));
        }
        let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
        put("type", json!("object"));
        put("propertyNames", names);
        put("allOf", json!(clauses));
        if self.source.below(3) == 0 {
            put("minProperties", json!(self.source.below(4)));
        }
        if self.source.below(4) == 0 {
            put("dependentRequired", json!({ "g": ["h"] }));
        }
    }

    fn combine(&mut self, all: &mut Map<String, Value>, depth: u32) {
        self.budget = self.budget.saturating_sub(1);
        let several =
            |g: &mut Self| -> Value { (0..=g.source.below(2)).map(|_| g.schema(depth - 1)).collect() };
        match self.source.below(6) {
            0 => all.insert("allOf".to_owned(), several(self)),
            1 => all.insert("anyOf".to_owned(), several(self)),
            2 | 3 => all.insert("oneOf".to_owned(), several(self)),
            4 => all.insert("not".to_owned(), self.schema(depth - 1)),
            _ => {
                for key in ["if", "then", "else"] {
                    let schema = self.schema(depth - 1);
                    all.insert(key.to_owned(), schema);
                }
                None
            }
        };
    }
}
