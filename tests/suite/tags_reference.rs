//! Structural tags read naively: the ends of all texts of a format, found by trying every place.
//!
//! An output is a row of symbols: bytes, and letters that stand for special tokens. Schemas,
//! patterns and grammars are asked of the engine, as wholes.

use hedgerow::automata::UNBOUNDED;
use hedgerow::engine::Constraint;
use hedgerow::tags::{Dispatch, Format, Marker, SeparatedTags, Tag, TriggeredTags};
use hedgerow::vocab::{TokenId, Vocabulary};
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

/// A text that is looked for in free text, and the places to which it leads.
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

    /// The symbols of a marker, by the name of a token that its id names.
    fn spelled(&self, marker: &Marker) -> Vec<char> {
        let id = marker.text().strip_prefix("<[").and_then(|name| name.strip_suffix("]>"));
        match (marker, id.and_then(|id| id.parse().ok())) {
            (Marker::Token(_), Some(id)) => self.symbols(self.vocabulary.name(TokenId(id)).unwrap()),
            _ => self.symbols(marker.text()),
        }
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
        self.starts(at, &self.spelled(marker))
    }

    fn places(&self, format: &Format, at: usize, around: Around<'_>) -> Places {
        let from = |places: &Places, format: &Format| -> Places {
            places.iter().flat_map(|&at| self.places(format, at, around)).collect()
        };
        if let Some(text) = plain(format) {
            let forbidden: Vec<Vec<char>> = around.texts().map(|text| self.symbols(&text)).collect();
            return self.free(at, &forbidden, true, &Vec::new(), text);
        }
        match format {
            Format::Text(text) => {
                let mut forbidden: Vec<Vec<char>> =
                    text.excludes.iter().map(|text| self.symbols(text)).collect();
                forbidden.extend(around.texts().map(|text| self.symbols(&text)));
                self.free(at, &forbidden, true, &Vec::new(), text.max_chars.unwrap_or(UNBOUNDED))
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
                merged(parts).iter().fold(Places::from([at]), |places, part| from(&places, part))
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
                let mut places = self.separated(tags, at, around);
                if !tags.at_least_one {
                    places.insert(at);
                }
                places
            }
            Format::Dispatch(dispatch) => self.dispatch(dispatch, at, around),
            Format::Tokens { tokens, min, max } => {
                let names = tokens.names.iter().map(|name| self.spelled(&Marker::Token(name.clone())));
                let mut names: Vec<Vec<char>> = names.collect();
                if tokens.all_but && *max != 1 {
                    let ends = around.ends.iter().filter(|end| matches!(end, Marker::Token(_)));
                    names.extend(ends.map(|end| self.spelled(end)));
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

    /// Tags with a text between them, at least one.
    fn separated(&self, tags: &SeparatedTags, at: usize, around: Around<'_>) -> Places {
        let one = |at| -> Places {
            let tags = tags.tags.iter().map(|tag| Format::Tag(tag.clone()));
            tags.flat_map(|tag| self.places(&tag, at, around)).collect()
        };
        let separator = self.symbols(&tags.separator);
        let more = |at| self.starts(at, &separator).map(one).unwrap_or_default();
        let most = if tags.stop_after_first { 0 } else { UNBOUNDED };
        one(at).into_iter().flat_map(|at| self.repeated(at, 0, most, more)).collect()
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
    fn free(&self, at: usize, forbidden: &[Vec<char>], may_end: bool, ways: &Ways<'_>, most: u32) -> Places {
        let mut places = Places::new();
        for to in at..=self.output.len() {
            let read = &self.output[at..to];
            if forbidden.iter().any(|text| read.ends_with(text)) {
                break;
            }
            let ended = ways.iter().filter(|(text, _)| read.ends_with(text));
            if let Some(longest) = ended.clone().map(|(text, _)| text.len()).max() {
                if read.len() - longest <= most as usize {
                    let ended = ended.filter(|(text, _)| text.len() == longest);
                    places.extend(ended.flat_map(|(_, then)| then(to)));
                }
                break;
            }
            if read.last().is_some_and(|symbol| self.is_special(*symbol)) {
                break;
            }
            if may_end && read.len() <= most as usize {
                places.insert(to);
            }
        }
        places
    }

    /// The content of a tag, and its end.
    fn closed(&self, content: &Format, at: usize, around: Around<'_>) -> Places {
        let from = |places: Places, then: &dyn Fn(usize) -> Places| -> Places {
            places.into_iter().flat_map(then).collect()
        };
        if let Some(most) = plain(content) {
            return self.closed_text(&[], most, at, around);
        }
        match content {
            Format::Text(text) => {
                let excludes: Vec<String> = text.excludes.iter().map(|text| text.to_string()).collect();
                self.closed_text(&excludes, text.max_chars.unwrap_or(UNBOUNDED), at, around)
            }
            Format::Triggered(tags) => self.triggered(tags, at, around, around.ends),
            Format::Marked { content, .. } => self.closed(content, at, around),
            Format::Or(parts) => parts.iter().flat_map(|part| self.closed(part, at, around)).collect(),
            Format::Repeat { body, min, max } => {
                let mut places = self.closed_rounds(body, (*min).max(1), *max, at, around);
                if *min == 0 {
                    places.extend(self.ended(Places::from([at]), around.ends));
                }
                places
            }
            Format::Sequence(parts) => {
                let parts = merged(parts);
                let Some((last, before)) = parts.split_last() else { return Places::new() };
                let before = Format::Sequence(before.to_vec());
                let opened = self.places(&before, at, around);
                let mut places = match last {
                    Format::Repeat { body, min: 0, max } if plain(last).is_none() => {
                        from(opened, &|at| self.closed_rounds(body, 1, *max, at, around))
                    }
                    Format::Separated(tags) if !tags.at_least_one => {
                        from(opened, &|at| self.ended(self.separated(tags, at, around), around.ends))
                    }
                    last => return from(opened, &|at| self.closed(last, at, around)),
                };
                // The last part may be missing.
                places.extend(match &before {
                    Format::Sequence(parts) if parts.is_empty() => {
                        self.ended(Places::from([at]), around.ends)
                    }
                    before => self.closed(before, at, around),
                });
                places
            }
            content => self.ended(self.places(content, at, around), around.ends),
        }
    }

    /// One of the ends, from each of the places.
    fn ended(&self, places: Places, ends: &[Marker]) -> Places {
        places.iter().flat_map(|&at| ends.iter().filter_map(move |end| self.marker(at, end))).collect()
    }

    /// So many rounds of a format, and the end of the tag.
    fn closed_rounds(&self, body: &Format, min: u32, max: u32, at: usize, around: Around<'_>) -> Places {
        let (mut places, mut now) = (Places::new(), Places::from([at]));
        // A round that reads nothing is of no use beyond the least number.
        let most = max.min(min + self.output.len() as u32 + 1);
        for round in 1..=most {
            if round >= min {
                places.extend(now.iter().flat_map(|&at| self.closed(body, at, around)));
            }
            now = now.iter().flat_map(|&at| self.places(body, at, around)).collect();
        }
        places
    }

    /// Free text, and the end of the tag.
    fn closed_text(&self, excludes: &[String], most: u32, at: usize, around: Around<'_>) -> Places {
        let may_end = around.ends.iter().any(|end| end.text().is_empty());
        let (hidden, ways) = self.ends(around.ends, excludes, &[]);
        let mut forbidden: Vec<Vec<char>> = excludes.iter().map(|text| self.symbols(text)).collect();
        let mut all = forbidden.clone();
        forbidden.extend(hidden.iter().map(|end| self.spelled(end)));
        let mut places = self.free(at, &forbidden, may_end, &ways, most);
        all.extend(around.texts().map(|text| self.symbols(&text)));
        let free = self.free(at, &all, true, &Vec::new(), most);
        places.extend(self.ended(free, &hidden));
        places
    }

    /// The ends of a tag that hold a text which is looked for, and the others as ways out of free
    /// text.
    fn ends<'w>(
        &'w self,
        ends: &[Marker],
        excludes: &[String],
        triggers: &[String],
    ) -> (Vec<Marker>, Ways<'w>) {
        let holds = |end: &str, text: &str, also_last: bool| {
            let mut found = end.match_indices(text);
            found.any(|(at, _)| at + text.len() < end.len() || also_last)
        };
        let others = || ends.iter().map(|end| end.text()).filter(|end| !end.is_empty());
        let kept = ends.iter().filter(|end| {
            // An end that holds another one is never read.
            !end.text().is_empty() && !others().any(|other| holds(end.text(), other, false))
        });
        let (hidden, shown): (Vec<&Marker>, Vec<&Marker>) = kept.partition(|end| {
            excludes.iter().any(|text| holds(end.text(), text, true))
                || triggers.iter().any(|text| holds(end.text(), text, false))
        });
        let ways = shown.into_iter().map(|end| -> (Vec<char>, Box<dyn Fn(usize) -> Places + 'w>) {
            (self.spelled(end), Box::new(|at| Places::from([at])))
        });
        (hidden.into_iter().cloned().collect(), ways.collect())
    }

    /// The rest of a tag whose beginning was read up to `read` symbols of it.
    fn after_trigger(&self, tag: &Tag, read: usize, at: usize) -> Places {
        match self.starts(at, &self.symbols(tag.begin.text())[read..]) {
            Some(at) => self.closed(&tag.content, at, Around { ends: &tag.ends }),
            None => Places::new(),
        }
    }

    fn triggered(&self, format: &TriggeredTags, at: usize, around: Around<'_>, ends: &[Marker]) -> Places {
        if !format.at_least_one {
            return self.text_with_tags(format, at, around, ends);
        }
        let first = format.tags.iter().flat_map(|tag| self.after_trigger(tag, 0, at)).collect();
        self.behind_tag(format, first, around, ends)
    }

    /// The places behind a tag in free text and the text after the tag.
    fn behind_tag(
        &self,
        format: &TriggeredTags,
        places: Places,
        around: Around<'_>,
        ends: &[Marker],
    ) -> Places {
        match (format.stop_after_first, ends) {
            (true, []) => places,
            (true, ends) => self.ended(places, ends),
            _ => places.iter().flat_map(|&at| self.text_with_tags(format, at, around, ends)).collect(),
        }
    }

    fn text_with_tags(
        &self,
        format: &TriggeredTags,
        at: usize,
        around: Around<'_>,
        ends: &[Marker],
    ) -> Places {
        let texts = |markers: &[Marker]| -> Vec<String> {
            markers.iter().map(|marker| marker.text().to_string()).collect()
        };
        let (excludes, triggers) = (texts(&format.excludes), texts(&format.triggers));
        let (hidden, mut ways) = self.ends(ends, &excludes, &triggers);
        for trigger in &format.triggers {
            // The end of the tag wins.
            if around.ends.iter().any(|end| end.text() == trigger.text()) {
                continue;
            }
            let trigger = self.spelled(trigger);
            let read = trigger.len();
            let tags = format.tags.iter().filter(|tag| self.spelled(&tag.begin).starts_with(&trigger));
            let tags: Vec<&Tag> = tags.collect();
            let then = move |at| -> Places {
                let places: Places = tags.iter().flat_map(|tag| self.after_trigger(tag, read, at)).collect();
                self.behind_tag(format, places, around, ends)
            };
            ways.push((trigger, Box::new(then)));
        }
        let mut forbidden: Vec<Vec<char>> = format.excludes.iter().map(|text| self.spelled(text)).collect();
        let mut all = forbidden.clone();
        let others = around.texts().map(|text| self.symbols(&text));
        if ends.is_empty() {
            forbidden.extend(others);
            return self.free(at, &forbidden, true, &ways, UNBOUNDED);
        }
        all.extend(others.chain(format.triggers.iter().map(|trigger| self.spelled(trigger))));
        forbidden.extend(hidden.iter().map(|end| self.spelled(end)));
        let may_end = ends.iter().any(|end| end.text().is_empty());
        let mut places = self.free(at, &forbidden, may_end, &ways, UNBOUNDED);
        let free = self.free(at, &all, true, &Vec::new(), UNBOUNDED);
        places.extend(self.ended(free, &hidden));
        places
    }

    fn dispatch(&self, format: &Dispatch, at: usize, around: Around<'_>) -> Places {
        let patterns: Vec<Vec<char>> = format.rules.iter().map(|rule| self.spelled(&rule.0)).collect();
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
        let forbidden: Vec<Vec<char>> = format.excludes.iter().map(|text| self.spelled(text)).collect();
        self.free(at, &forbidden, true, &ways, UNBOUNDED)
    }
}

/// The most characters of a format that is free text and nothing else.
fn plain(format: &Format) -> Option<u32> {
    match format {
        Format::Text(text) if text.excludes.is_empty() => Some(text.max_chars.unwrap_or(UNBOUNDED)),
        Format::Repeat { body, max, .. } if *max > 0 => Some(plain(body)?.saturating_mul(*max)),
        Format::Or(parts) => parts.iter().map(plain).collect::<Option<Vec<u32>>>()?.into_iter().max(),
        Format::Sequence(parts) => {
            let parts = parts.iter().map(plain).collect::<Option<Vec<u32>>>()?;
            Some(parts.into_iter().fold(0, u32::saturating_add))
        }
        _ => None,
    }
}

/// The parts of a sequence, where plain free text beside plain free text is one part.
fn merged(parts: &[Format]) -> Vec<Format> {
    let mut merged: Vec<Format> = Vec::new();
    for part in parts {
        match (merged.last().and_then(plain), plain(part)) {
            (Some(_), Some(_)) => {
                let last = merged.pop().unwrap();
                merged.push(Format::Sequence(vec![last, part.clone()]));
            }
            _ => merged.push(part.clone()),
        }
    }
    merged
}
