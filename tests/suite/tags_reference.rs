//! Structural tags read naively: the ends of all texts of a format, found by trying every place.
//!
//! An output is a row of symbols: bytes, and letters that stand for special tokens. Schemas,
//! patterns and grammars are asked of the engine, as wholes.

use hedgerow::automata::UNBOUNDED;
use hedgerow::engine::Constraint;
use hedgerow::tags::{Dispatch, Format, Marker, Tag, TriggeredTags};
use hedgerow::vocab::Vocabulary;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

/// The places at which texts of a format end.
type Places = BTreeSet<usize>;

pub struct Reference<'o> {
    /// The special tokens, and the symbols that stand for them.
    pub special: &'o [(char, &'o str)],
    pub vocabulary: &'o Vocabulary,
    pub output: Vec<char>,
    /// Constraints of schemas, patterns and grammars, by what they are.
    pub parts: &'o RefCell<HashMap<String, Constraint>>,
}

/// A free text's way on at a trigger: the trigger, and the places to which it leads.
type Ways<'w> = Vec<(Vec<char>, Box<dyn Fn(usize) -> Places + 'w>)>;

/// The ends of the nearest tag.
#[derive(Clone, Copy)]
struct Around<'e> {
    ends: &'e [Marker],
}

impl Around<'_> {
    fn texts(self) -> impl Iterator<Item = String> {
        let is_text = |end: &&Marker| matches!(end, Marker::Text(text) if !text.is_empty());
        let texts: Vec<String> = self.ends.iter().filter(is_text).map(|end| end.text().to_string()).collect();
        texts.into_iter()
    }
}

impl Reference<'_> {
    /// True if the whole output is a text of the format.
    pub fn accepts(&self, format: &Format) -> bool {
        self.places(format, 0, Around { ends: &[] }).contains(&self.output.len())
    }

    fn symbols(&self, text: &str) -> Vec<char> {
        let mut text = text.to_owned();
        for (symbol, name) in self.special {
            text = text.replace(name, &symbol.to_string());
        }
        text.chars().collect()
    }

    fn is_special(&self, symbol: char) -> bool {
        self.special.iter().any(|(special, _)| *special == symbol)
    }

    fn starts(&self, at: usize, text: &[char]) -> Option<usize> {
        self.output[at..].starts_with(text).then_some(at + text.len())
    }

    fn marker(&self, at: usize, marker: &Marker) -> Option<usize> {
        self.starts(at, &self.symbols(marker.text()))
    }

    fn places(&self, format: &Format, at: usize, around: Around<'_>) -> Places {
        let from = |places: &Places, format: &Format| -> Places {
            places.iter().flat_map(|&at| self.places(format, at, around)).collect()
        };
        match format {
            Format::Text(text) => {
                assert!(text.max_chars.is_none());
                let mut forbidden: Vec<String> = text.excludes.iter().map(|text| text.to_string()).collect();
                forbidden.extend(around.texts());
                self.free(at, &forbidden, true, &Vec::new())
            }
            Format::Const(text) => self.starts(at, &self.symbols(text)).into_iter().collect(),
            Format::Schema(schema) => self.part(at, &schema.schema, |vocabulary| {
                Constraint::json_schema(&schema.schema, vocabulary).unwrap()
            }),
            Format::Regex(pattern) => {
                let dialect = hedgerow::syntax::regex::Dialect::Ecma262;
                self.part(at, pattern, |vocabulary| {
                    Constraint::regex_with(pattern, vocabulary, dialect).unwrap()
                })
            }
            Format::Grammar { text, .. } => self.part(at, text, |vocabulary| {
                Constraint::grammar_text(hedgerow::syntax::Notation::Gbnf, text, vocabulary).unwrap()
            }),
            Format::Sequence(parts) => {
                parts.iter().fold(Places::from([at]), |places, part| from(&places, part))
            }
            Format::Or(parts) => parts.iter().flat_map(|part| self.places(part, at, around)).collect(),
            Format::Repeat { body, min, max } => {
                self.repeated(at, *min, *max, |at| self.places(body, at, around))
            }
            Format::Tag(tag) => match self.marker(at, &tag.begin) {
                Some(at) => self.closed(&tag.content, at, Around { ends: &tag.ends }),
                None => Places::new(),
            },
            Format::Triggered(tags) => self.triggered(tags, at, around, &[]),
            Format::Separated(tags) => {
                let one = |at| -> Places {
                    let tags = tags.tags.iter().map(|tag| Format::Tag(tag.clone()));
                    tags.flat_map(|tag| self.places(&tag, at, around)).collect()
                };
                let separator = self.symbols(&tags.separator);
                let more = |at| self.starts(at, &separator).map(one).unwrap_or_default();
                let most = if tags.stop_after_first { 0 } else { UNBOUNDED };
                let mut places: Places =
                    one(at).into_iter().flat_map(|at| self.repeated(at, 0, most, more)).collect();
                if !tags.at_least_one {
                    places.insert(at);
                }
                places
            }
            Format::Dispatch(dispatch) => self.dispatch(dispatch, at, around),
            Format::Tokens { tokens, min, max } => {
                let mut names: Vec<Vec<char>> = tokens.names.iter().map(|name| self.symbols(name)).collect();
                if tokens.all_but && *max != 1 {
                    let ends = around.ends.iter().filter(|end| matches!(end, Marker::Token(_)));
                    names.extend(ends.map(|end| self.symbols(end.text())));
                }
                self.repeated(at, *min, *max, |at| {
                    let symbol = self.output.get(at);
                    let found = symbol.filter(|symbol| names.contains(&vec![**symbol]) != tokens.all_but);
                    found.map(|_| at + 1).into_iter().collect()
                })
            }
            Format::Marked { content, .. } => self.places(content, at, around),
        }
    }

    /// A schema, pattern or grammar.
    fn part(&self, at: usize, key: &str, make: impl Fn(&Vocabulary) -> Constraint) -> Places {
        let mut parts = self.parts.borrow_mut();
        let constraint = parts.entry(key.to_owned()).or_insert_with(|| make(self.vocabulary));
        let mut matcher = constraint.matcher();
        let mut places = Places::new();
        for to in at..=self.output.len() {
            if matcher.is_accepting() {
                places.insert(to);
            }
            let next = self.output.get(to).filter(|symbol| !self.is_special(**symbol));
            if !next.is_some_and(|symbol| matcher.advance_bytes(symbol.to_string().as_bytes()).unwrap()) {
                break;
            }
        }
        places
    }

    fn repeated(&self, at: usize, min: u32, max: u32, body: impl Fn(usize) -> Places) -> Places {
        let (mut found, mut now) = (Places::new(), Places::from([at]));
        let mut rounds = 0u32;
        loop {
            if rounds >= min {
                let new: Places = now.difference(&found).copied().collect();
                if new.is_empty() {
                    break;
                }
                found.extend(&new);
            }
            if rounds == max || now.is_empty() {
                break;
            }
            now = now.iter().flat_map(|&at| body(at)).collect();
            rounds += 1;
        }
        found
    }

    /// Free text from `at` on: the places where it may end by itself, and those behind the first
    /// trigger.
    fn free(&self, at: usize, forbidden: &[String], may_end: bool, ways: &Ways<'_>) -> Places {
        let forbidden: Vec<Vec<char>> = forbidden.iter().map(|text| self.symbols(text)).collect();
        let mut places = Places::new();
        for to in at..=self.output.len() {
            let read = &self.output[at..to];
            if forbidden.iter().any(|text| read.ends_with(text)) {
                break;
            }
            let ended: Vec<_> = ways.iter().filter(|(text, _)| read.ends_with(text)).collect();
            if !ended.is_empty() {
                places.extend(ended.iter().flat_map(|(_, then)| then(to)));
                break;
            }
            if read.last().is_some_and(|symbol| self.is_special(*symbol)) {
                break;
            }
            if may_end {
                places.insert(to);
            }
        }
        places
    }

    /// The content of a tag, and its end.
    fn closed(&self, content: &Format, at: usize, around: Around<'_>) -> Places {
        let may_end = around.ends.iter().any(|end| end.text().is_empty());
        match content {
            Format::Text(text) if text.max_chars.is_none() => {
                let forbidden: Vec<String> = text.excludes.iter().map(|text| text.to_string()).collect();
                return self.free(at, &forbidden, may_end, &self.ends(around));
            }
            Format::Triggered(tags) if !tags.stop_after_first => {
                return self.triggered(tags, at, around, around.ends);
            }
            Format::Sequence(parts) => {
                let (last, before) = parts.split_last().unwrap();
                let places = before.iter().fold(Places::from([at]), |places, part| {
                    places.iter().flat_map(|&at| self.places(part, at, around)).collect()
                });
                return places.iter().flat_map(|&at| self.closed(last, at, around)).collect();
            }
            Format::Marked { content, .. } => return self.closed(content, at, around),
            _ => {}
        }
        let places = self.places(content, at, around);
        places.iter().flat_map(|&at| around.ends.iter().filter_map(move |end| self.marker(at, end))).collect()
    }

    /// The ends of a tag as triggers of its free text.
    fn ends<'w>(&'w self, around: Around<'_>) -> Ways<'w> {
        let ends = around.ends.iter().filter(|end| !end.text().is_empty());
        ends.map(|end| -> (Vec<char>, Box<dyn Fn(usize) -> Places + 'w>) {
            (self.symbols(end.text()), Box::new(|at| Places::from([at])))
        })
        .collect()
    }

    /// The rest of a tag whose beginning was read up to `read` symbols of it.
    fn after_trigger(&self, tag: &Tag, read: usize, at: usize) -> Places {
        match self.starts(at, &self.symbols(tag.begin.text())[read..]) {
            Some(at) => self.closed(&tag.content, at, Around { ends: &tag.ends }),
            None => Places::new(),
        }
    }

    fn triggered(&self, format: &TriggeredTags, at: usize, around: Around<'_>, ends: &[Marker]) -> Places {
        let again = |places: Places| -> Places {
            match format.stop_after_first {
                true => places,
                false => {
                    places.iter().flat_map(|&at| self.text_with_tags(format, at, around, ends)).collect()
                }
            }
        };
        if !format.at_least_one {
            return self.text_with_tags(format, at, around, ends);
        }
        again(format.tags.iter().flat_map(|tag| self.after_trigger(tag, 0, at)).collect())
    }

    fn text_with_tags(
        &self,
        format: &TriggeredTags,
        at: usize,
        around: Around<'_>,
        ends: &[Marker],
    ) -> Places {
        let mut ways = self.ends(Around { ends });
        for trigger in &format.triggers {
            let trigger = self.symbols(trigger);
            let read = trigger.len();
            let tags = format.tags.iter().filter(|tag| self.symbols(tag.begin.text()).starts_with(&trigger));
            let tags: Vec<&Tag> = tags.collect();
            let then = move |at| -> Places {
                let places: Places = tags.iter().flat_map(|tag| self.after_trigger(tag, read, at)).collect();
                match format.stop_after_first {
                    true => places,
                    false => {
                        places.iter().flat_map(|&at| self.text_with_tags(format, at, around, ends)).collect()
                    }
                }
            };
            ways.push((trigger, Box::new(then)));
        }
        let mut forbidden: Vec<String> = format.excludes.iter().map(|text| text.to_string()).collect();
        if ends.is_empty() {
            forbidden.extend(around.texts());
        }
        let may_end = ends.is_empty() || ends.iter().any(|end| end.text().is_empty());
        self.free(at, &forbidden, may_end, &ways)
    }

    fn dispatch(&self, format: &Dispatch, at: usize, around: Around<'_>) -> Places {
        let patterns: Vec<Vec<char>> = format.rules.iter().map(|rule| self.symbols(&rule.0)).collect();
        let mut ways: Ways<'_> = Vec::new();
        for (pattern, (_, rest)) in patterns.iter().zip(&format.rules) {
            // A pattern that begins with a shorter one is read on from there.
            let begins = patterns.iter().filter(|other| pattern.starts_with(other));
            let trigger = begins.min_by_key(|other| other.len()).unwrap().clone();
            let behind = pattern[trigger.len()..].to_vec();
            let then = move |at| -> Places {
                let Some(at) = self.starts(at, &behind) else { return Places::new() };
                let places = self.places(rest, at, around);
                match format.looped {
                    true => places.iter().flat_map(|&at| self.dispatch(format, at, around)).collect(),
                    false => places,
                }
            };
            ways.push((trigger, Box::new(then)));
        }
        let forbidden: Vec<String> = format.excludes.iter().map(|text| text.to_string()).collect();
        self.free(at, &forbidden, true, &ways)
    }
}
