//! The reason for a refusal: the keyword of the schema, or the option, that is responsible.
//!
//! The engine knows the byte at which a text leaves the language, but not the keyword that forbids
//! the byte, since all keywords are merged into one automaton. So an independent validator lists
//! the keywords that the value breaks, and the answer is the keyword whose value in the text is the
//! smallest that holds the refused byte. If the value breaks no keyword, an option refuses it, such
//! as the one about whitespace. Then the options are relaxed, first one by one and then all
//! together, and the answer is the options whose relaxation makes the text valid.

use std::collections::HashMap;
use std::ops::Range;

use hedgerow::grammar::KeyOrder;
use hedgerow::schema::{
    AdditionalProperties, ContentEncoding, EscapePolicy, FormatPolicy, Numbers, SchemaOptions, UniqueKeys,
    Whitespace, compile,
};

use super::constraint::SchemaFile;
use super::judge::{ROUNDED, Violation, rounds_numbers, violations};

/// Names, as lines of text, the keyword or option because of which `text` is refused at byte `at`.
///
/// `accepts` says whether `text` is valid under other options.
pub(super) fn explain(
    schema: &SchemaFile,
    text: &str,
    at: usize,
    accepts: impl Fn(&SchemaOptions) -> bool,
) -> Vec<String> {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return vec!["responsible: the syntax of JSON, whatever the schema".to_owned()];
    }
    let (found, unread) = match violations(schema, text) {
        Ok(found) => (found, None),
        Err(reason) => (Vec::new(), Some(reason)),
    };
    if let Some((bytes_between, violation)) = innermost_violation(&found, text, at) {
        // A fault elsewhere is not the reason where the validator may have overlooked one here.
        if bytes_between > 0 && rounds_numbers(schema, text) {
            return vec![rounded_line()];
        }
        let Violation { instance, schema, message } = violation;
        return vec![format!("responsible: `{schema}` in the schema, about `#{instance}`: {message}")];
    }
    match responsible_options(&schema.options, accepts) {
        names if names.is_empty() => match compile(&schema.text, &schema.options) {
            Ok(_) => vec![match unread {
                Some(reason) => format!(
                    "responsible: a keyword of the schema; the validator that could name it cannot read the \
                     schema: {reason}"
                ),
                None if rounds_numbers(schema, text) => rounded_line(),
                None => "responsible: a spelling that no option allows".to_owned(),
            }],
            Err(error) => vec![format!("responsible: {error}")],
        },
        names => names.iter().map(|name| format!("responsible: {name}")).collect(),
    }
}

/// The line for a refusal that may be due to a number that the validator rounds.
fn rounded_line() -> String {
    format!("responsible: perhaps a number; the validator that names keywords is no help: {ROUNDED}")
}

/// The violation whose value is the smallest part of the text that contains byte `at`, or is next
/// to it, and the number of bytes between the two.
fn innermost_violation<'v>(found: &'v [Violation], text: &str, at: usize) -> Option<(usize, &'v Violation)> {
    let places = ValueLocator::locate(text);
    let distance = |violation: &&Violation| {
        let place = places.get(&violation.instance).cloned().unwrap_or(0..text.len());
        let outside = if at < place.start { place.start - at } else { (at + 1).saturating_sub(place.end) };
        (outside, place.len())
    };
    found.iter().min_by_key(distance).map(|violation| (distance(&violation).0, violation))
}

/// The options to relax so that the text is accepted: one, or the fewest that a greedy search
/// finds.
fn responsible_options(
    options: &SchemaOptions,
    accepts: impl Fn(&SchemaOptions) -> bool,
) -> Vec<&'static str> {
    type Relax = fn(&mut SchemaOptions);
    let relaxations: [(&str, Relax); 11] = [
        ("the order of keys (--key-order any allows it)", |o| o.key_order = KeyOrder::Any),
        ("whitespace (--whitespace unlimited allows it)", |o| o.whitespace = Whitespace::Unlimited),
        ("how a string is spelt (--escapes any allows it)", |o| o.escapes = EscapePolicy::Any),
        ("how a number is spelt (--numbers json allows it)", |o| o.numbers = Numbers::Json),
        ("a key that is not declared (--additional-properties as-schema allows it)", |o| {
            o.additional_properties = AdditionalProperties::AsSchema;
        }),
        ("a repeated key (--unique-keys ignored allows it)", |o| o.unique_keys = UniqueKeys::Ignored),
        ("`format` (--format annotate allows it)", |o| o.format = FormatPolicy::Annotate),
        ("`contentEncoding` (--content-encoding annotate allows it)", |o| {
            o.content_encoding = ContentEncoding::Annotate;
        }),
        ("the length of a string (--max-string-length caps it)", |o| o.max_string_length = None),
        ("the number of items (--max-items caps it)", |o| o.max_items = None),
        ("the digits of a number (--max-digits caps them)", |o| o.max_digits = None),
    ];
    for (name, relax) in &relaxations {
        let mut relaxed = options.clone();
        relax(&mut relaxed);
        if relaxed != *options && accepts(&relaxed) {
            return vec![name];
        }
    }
    let with = |chosen: &[usize]| {
        let mut relaxed = options.clone();
        chosen.iter().for_each(|&i| relaxations[i].1(&mut relaxed));
        relaxed
    };
    let mut chosen: Vec<usize> = (0..relaxations.len()).collect();
    if !accepts(&with(&chosen)) {
        return Vec::new();
    }
    for i in 0..relaxations.len() {
        let fewer: Vec<usize> = chosen.iter().copied().filter(|&c| c != i).collect();
        if accepts(&with(&fewer)) {
            chosen = fewer;
        }
    }
    chosen.iter().map(|&i| relaxations[i].0).collect()
}

/// A reader of a JSON text that finds the place of the value at each JSON pointer. In `{"a": 1}`,
/// the value at `/a` is byte 6.
struct ValueLocator<'t> {
    bytes: &'t [u8],
    at: usize,
    places: HashMap<String, Range<usize>>,
}

impl ValueLocator<'_> {
    /// Locates all values of a text. The text must have been parsed as JSON, so that its nesting is
    /// within the parser's limit.
    fn locate(text: &str) -> HashMap<String, Range<usize>> {
        let mut locator = ValueLocator { bytes: text.as_bytes(), at: 0, places: HashMap::new() };
        locator.read_value(String::new());
        locator.places
    }

    /// The next byte; 0 at the end of the text.
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Moves behind whitespace.
    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// Reads the value at a JSON pointer and the values inside it.
    fn read_value(&mut self, pointer: String) {
        self.skip_whitespace();
        let start = self.at;
        match self.peek() {
            b'"' => {
                self.read_string();
            }
            open @ (b'{' | b'[') => {
                self.at += 1;
                self.skip_whitespace();
                for index in 0.. {
                    if matches!(self.peek(), b'}' | b']' | 0) {
                        break;
                    }
                    let key = match open {
                        b'{' => self.read_string().replace('~', "~0").replace('/', "~1"),
                        _ => index.to_string(),
                    };
                    self.skip_whitespace();
                    // An object has a colon here, an array nothing.
                    self.at += usize::from(open == b'{');
                    self.read_value(format!("{pointer}/{key}"));
                    self.skip_whitespace();
                    self.at += usize::from(self.peek() == b',');
                    self.skip_whitespace();
                }
                self.at += 1;
            }
            _ => {
                while !matches!(self.peek(), b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' | 0) {
                    self.at += 1;
                }
            }
        }
        self.places.insert(pointer, start..self.at);
    }

    /// Reads a string and decodes it.
    fn read_string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while !matches!(self.peek(), b'"' | 0) {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at = (self.at + 1).min(self.bytes.len());
        serde_json::from_slice(&self.bytes[start..self.at]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_located() {
        let text = r#" {"a/b" : [1, {"c~":"x\"y"}], "d":-2.5e3, "e":{}} "#;
        let places = ValueLocator::locate(text);
        for (pointer, value) in [
            ("", text.trim()),
            ("/a~1b", r#"[1, {"c~":"x\"y"}]"#),
            ("/a~1b/0", "1"),
            ("/a~1b/1/c~0", r#""x\"y""#),
            ("/d", "-2.5e3"),
            ("/e", "{}"),
        ] {
            assert_eq!(&text[places[pointer].clone()], value, "{pointer}");
        }
        assert_eq!(places.len(), 7);
    }

    #[test]
    fn responsible_options_are_found() {
        let strict = SchemaOptions::default().whitespace(Whitespace::Compact);
        let any_order = |o: &SchemaOptions| o.key_order == KeyOrder::Any;
        let spaces = |o: &SchemaOptions| o.whitespace == Whitespace::Unlimited;
        let one = responsible_options(&strict, any_order);
        assert!(one.len() == 1 && one[0].contains("--key-order"), "{one:?}");
        let two = responsible_options(&strict, |o| any_order(o) && spaces(o));
        assert!(two.len() == 2 && two[1].contains("--whitespace"), "{two:?}");
        assert!(responsible_options(&strict, |_| false).is_empty());
    }
}
