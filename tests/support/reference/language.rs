//! Regular languages evaluated naively, as explicit finite automata built the textbook way:
//! Thompson's construction, subset construction, products and complements.
//!
//! A language that holds a JSON string is evaluated on whole strings by trying all splits. There
//! are no derivatives, nothing is shared, and nothing is lazy, so that the answers come from other
//! code than the library's.

// Boxed rows do not move while the table grows.
#![allow(clippy::vec_box)]

use super::budget;
use hedgerow::automata::{Escapes, ExprPool, LangId, UNBOUNDED, UNLABELLED};
use std::collections::{BTreeSet, HashMap};

/// A language as the author of a grammar describes it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Language {
    Never,
    Empty,
    /// Every byte string.
    All,
    /// Every UTF-8 text.
    Text,
    Literals(Vec<Vec<u8>>),
    /// One byte of these.
    Bytes(Vec<u8>),
    /// One character of these ranges.
    Chars(Vec<(u32, u32)>),
    Concat(Vec<Language>),
    Union(Vec<Language>),
    Inter(Vec<Language>),
    Not(Box<Language>),
    Repeat(Box<Language>, u32, u32),
    /// The JSON spellings of the words of a language.
    Json(Box<Language>, Escapes),
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Language::Never => write!(f, "never"),
            Language::Empty => write!(f, "empty"),
            Language::All => write!(f, "all"),
            Language::Text => write!(f, "text"),
            Language::Literals(words) => {
                let words: Vec<String> = words.iter().map(|w| format!("'{}'", w.escape_ascii())).collect();
                write!(f, "{}", words.join("/"))
            }
            Language::Bytes(bytes) => write!(f, "[{}]", bytes.escape_ascii()),
            Language::Chars(ranges) => write!(f, "chars{ranges:x?}"),
            Language::Concat(parts) => write!(f, "cat{parts:?}"),
            Language::Union(parts) => write!(f, "or{parts:?}"),
            Language::Inter(parts) => write!(f, "and{parts:?}"),
            Language::Not(body) => write!(f, "not({body:?})"),
            Language::Repeat(body, min, UNBOUNDED) => write!(f, "({body:?}){{{min},}}"),
            Language::Repeat(body, min, max) => write!(f, "({body:?}){{{min},{max}}}"),
            Language::Json(body, escapes) => write!(f, "json-{escapes:?}({body:?})"),
        }
    }
}

impl Language {
    /// One literal.
    pub fn word(bytes: &[u8]) -> Self {
        Language::Literals(vec![bytes.to_vec()])
    }

    fn has_json(&self) -> bool {
        match self {
            Language::Json(..) => true,
            Language::Concat(p) | Language::Union(p) | Language::Inter(p) => p.iter().any(Self::has_json),
            Language::Not(b) | Language::Repeat(b, ..) => b.has_json(),
            _ => false,
        }
    }

    /// The same language in the library's pool.
    pub fn build(&self, pool: &mut ExprPool) -> LangId {
        let all = |parts: &[Language], pool: &mut ExprPool| -> Vec<LangId> {
            parts.iter().map(|p| p.build(pool)).collect()
        };
        match self {
            Language::Never => LangId::NEVER,
            Language::Empty => LangId::EMPTY,
            Language::All => LangId::ALL,
            Language::Text => pool.any_text(),
            Language::Literals(words) => match words.as_slice() {
                [one] => pool.bytes(one),
                _ => pool.literals(words.iter().map(|w| (w.clone(), UNLABELLED))),
            },
            Language::Bytes(bytes) => {
                let mut set = hedgerow::automata::ByteSet::EMPTY;
                bytes.iter().for_each(|&b| set.insert(b));
                pool.byte(&set)
            }
            Language::Chars(ranges) => pool.char_class(ranges),
            Language::Concat(parts) => {
                let parts = all(parts, pool);
                pool.sequence(&parts)
            }
            Language::Union(parts) => {
                let parts = all(parts, pool);
                pool.union(&parts)
            }
            Language::Inter(parts) => {
                let parts = all(parts, pool);
                pool.inter(&parts)
            }
            Language::Not(body) => {
                let body = body.build(pool);
                pool.not(body)
            }
            Language::Repeat(body, min, max) => {
                let body = body.build(pool);
                pool.repeat(body, *min, *max)
            }
            Language::Json(body, escapes) => {
                let body = body.build(pool);
                pool.json_string(body, *escapes)
            }
        }
    }
}

/// A [`Language`] made ready for membership tests.
pub enum Words {
    Automaton(Dfa),
    Concat(Vec<Words>),
    Union(Vec<Words>),
    Repeat(Box<Words>, u32, u32),
    Json(Dfa, Escapes),
}

impl Words {
    /// # Panics If JSON strings are inside an intersection or complement. Such a language has to be
    /// written with the intersection or complement inside the string.
    pub fn new(language: &Language) -> Self {
        if !language.has_json() {
            return Words::Automaton(Dfa::of(language));
        }
        match language {
            Language::Concat(parts) => Words::Concat(parts.iter().map(Words::new).collect()),
            Language::Union(parts) => Words::Union(parts.iter().map(Words::new).collect()),
            Language::Repeat(body, min, max) => Words::Repeat(Box::new(Words::new(body)), *min, *max),
            Language::Json(inner, escapes) => {
                let mut parts = vec![(**inner).clone(), Language::Text];
                if *escapes == Escapes::NoUnicode {
                    let spellable = Language::Chars(vec![(8, 10), (12, 13), (0x20, 0x10_ffff)]);
                    parts.push(Language::Repeat(Box::new(spellable), 0, UNBOUNDED));
                }
                Words::Json(Dfa::of(&Language::Inter(parts)), *escapes)
            }
            other => panic!("the reference cannot evaluate {other:?}"),
        }
    }

    /// True if `word` belongs to the language.
    pub fn accepts(&self, word: &[u8]) -> bool {
        if !budget::spend(word.len() + 1) {
            return false;
        }
        match self {
            Words::Automaton(dfa) => dfa.accepting[dfa.run(word)],
            Words::Concat(parts) => accepts_all(parts, word),
            Words::Union(parts) => parts.iter().any(|p| p.accepts(word)),
            Words::Repeat(body, min, max) => {
                rounds(body, *min, *max, word).iter().any(|&(at, n)| at == word.len() && n >= *min)
            }
            Words::Json(inner, escapes) => match decode(word, *escapes) {
                Some((text, Tail::Closed)) => inner.accepting[inner.run(&text)],
                _ => false,
            },
        }
    }

    /// True if some word begins with `prefix`.
    pub fn begins(&self, prefix: &[u8]) -> bool {
        if !budget::spend(prefix.len() + 1) {
            return false;
        }
        match self {
            Words::Automaton(dfa) => dfa.live[dfa.run(prefix)],
            Words::Concat(parts) => begins_all(parts, prefix),
            Words::Union(parts) => parts.iter().any(|p| p.begins(prefix)),
            Words::Repeat(body, min, max) => rounds(body, *min, *max, prefix).iter().any(|&(at, n)| {
                (at == prefix.len() && n >= *min) || (n < *max && body.begins(&prefix[at..]))
            }),
            Words::Json(inner, escapes) => match decode(prefix, *escapes) {
                None => false,
                Some((text, Tail::Closed)) => inner.accepting[inner.run(&text)],
                Some((text, Tail::Open)) => inner.live[inner.run(&text)],
                Some((text, Tail::Utf8(rest))) => inner.live[inner.run(&[text, rest].concat())],
                Some((text, Tail::Escape(rest))) => goes_on(inner, inner.run(&text), &rest, *escapes),
            },
        }
    }
}

fn accepts_all(parts: &[Words], word: &[u8]) -> bool {
    match parts {
        [] => word.is_empty(),
        [first, rest @ ..] => {
            (0..=word.len()).any(|i| first.accepts(&word[..i]) && accepts_all(rest, &word[i..]))
        }
    }
}

fn begins_all(parts: &[Words], prefix: &[u8]) -> bool {
    match parts {
        [] => prefix.is_empty(),
        [first, rest @ ..] => {
            (first.begins(prefix) && rest.iter().all(|p| p.begins(b"")))
                || (0..=prefix.len()).any(|i| first.accepts(&prefix[..i]) && begins_all(rest, &prefix[i..]))
        }
    }
}

/// All pairs `(position, rounds)` that a repetition can reach within `text`. Without a maximum,
/// rounds are counted up to `min`, because more of them make no difference.
fn rounds(body: &Words, min: u32, max: u32, text: &[u8]) -> BTreeSet<(usize, u32)> {
    let mut found = BTreeSet::from([(0, 0)]);
    let mut work = vec![(0, 0)];
    // The ends of one round from each position, which are the same after any number of rounds.
    let mut ends: Vec<Option<Vec<usize>>> = vec![None; text.len() + 1];
    while let Some((at, n)) = work.pop() {
        if n == max {
            continue;
        }
        let next = if max == UNBOUNDED { (n + 1).min(min) } else { n + 1 };
        let of_round = || (at..=text.len()).filter(|&end| body.accepts(&text[at..end])).collect();
        for &end in &*ends[at].get_or_insert_with(of_round) {
            if found.insert((end, next)) {
                work.push((end, next));
            }
        }
    }
    found
}

/// The state of a JSON string's spelling at its end.
enum Tail {
    Closed,
    Open,
    /// In the middle of a character, with the bytes read of it.
    Utf8(Vec<u8>),
    /// In the middle of an escape, with the bytes read of it.
    Escape(Vec<u8>),
}

/// Reads the beginning of a JSON string; `None` if it cannot begin one.
fn decode(raw: &[u8], escapes: Escapes) -> Option<(Vec<u8>, Tail)> {
    let mut text = Vec::new();
    let Some((&quote, mut raw)) = raw.split_first() else {
        // Nothing is read yet. Any word will do, so the empty text must be a possible beginning.
        return Some((text, Tail::Open));
    };
    if quote != b'"' {
        return None;
    }
    loop {
        match *raw {
            [] => return Some((text, Tail::Open)),
            [b'"'] => return Some((text, Tail::Closed)),
            [b'"', ..] => return None,
            [b'\\', ..] => {
                let whole = (1..=raw.len().min(12)).find_map(|n| Some((n, unescape(&raw[..n], escapes)?)));
                match whole {
                    Some((n, c)) => {
                        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                        raw = &raw[n..];
                    }
                    None if raw.len() < 12 => return Some((text, Tail::Escape(raw.to_vec()))),
                    None => return None,
                }
            }
            [first, ..] => {
                let len = match first {
                    0x20..=0x7f => 1,
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf4 => 4,
                    _ => return None,
                };
                if raw.len() < len {
                    return Some((text, Tail::Utf8(raw.to_vec())));
                }
                text.extend_from_slice(std::str::from_utf8(&raw[..len]).ok()?.as_bytes());
                raw = &raw[len..];
            }
        }
    }
}

/// The character that the whole of `escape` spells.
fn unescape(escape: &[u8], escapes: Escapes) -> Option<char> {
    let unit = |at: usize| -> Option<u32> {
        let digits = escape.get(at..at + 6)?.strip_prefix(b"\\u")?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let c = match escape.len() {
        2 => match escape[1] {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            _ => return None,
        },
        6 => char::from_u32(unit(0)?)?,
        12 => {
            let units = [unit(0)? as u16, unit(6)? as u16];
            let mut chars = char::decode_utf16(units);
            match (chars.next(), chars.next()) {
                (Some(Ok(c)), None) => c,
                _ => return None,
            }
        }
        _ => return None,
    };
    let short = "\"\\/\u{8}\u{c}\n\r\t".contains(c);
    let fine = match escapes {
        Escapes::Any => true,
        Escapes::NoUnicode => escape.len() == 2,
        Escapes::Minimal if escape.len() == 2 => c != '/',
        Escapes::Minimal => {
            !short && (c as u32) < 0x20 && escape == format!("\\u{:04x}", c as u32).as_bytes()
        }
    };
    fine.then_some(c)
}

/// True if the text in this state goes on with a character that has an escape which begins with
/// `rest`. If no text goes on with the first bytes of a character, the others with these bytes are
/// passed over: to try each of a million characters takes seconds.
fn goes_on(inner: &Dfa, state: usize, rest: &[u8], escapes: Escapes) -> bool {
    candidates(rest, escapes).into_iter().any(|range| {
        let (mut at, last) = range.into_inner();
        while at <= last && budget::spend(rest.len()) {
            let Some(c) = char::from_u32(at) else {
                at += 1;
                continue;
            };
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            match (1..=bytes.len()).find(|&read| !inner.live[inner.run_from(state, &bytes[..read])]) {
                None if has_escape(c, rest, escapes) => return true,
                None => at += 1,
                Some(read) => at = (at | ((1 << (6 * (bytes.len() - read))) - 1)) + 1,
            }
        }
        false
    })
}

/// Ranges that hold every character with an escape that begins with `rest`. They may hold others:
/// [`has_escape`] decides.
fn candidates(rest: &[u8], escapes: Escapes) -> Vec<std::ops::RangeInclusive<u32>> {
    let units = |digits: &[u8]| -> Option<(u32, u32)> {
        let digits = std::str::from_utf8(&digits[..digits.len().min(4)]).ok()?;
        let shift = 4 * (4 - digits.len() as u32);
        let value = if digits.is_empty() { 0 } else { u32::from_str_radix(digits, 16).ok()? };
        Some((value << shift, ((value + 1) << shift) - 1))
    };
    if escapes != Escapes::Any {
        return vec![0..=0x7f];
    }
    let (lo, hi) = match rest {
        [b'\\'] => (0, 0xffff),
        [b'\\', b'u', digits @ ..] => match units(digits) {
            Some(range) => range,
            None => return vec![],
        },
        _ => return vec![],
    };
    let mut found = vec![lo..=hi];
    let (high_lo, high_hi) = (lo.max(0xd800), hi.min(0xdbff));
    if high_lo <= high_hi {
        let first = |high: u32| 0x1_0000 + ((high - 0xd800) << 10);
        found.push(first(high_lo)..=first(high_hi) + 0x3ff);
    }
    found
}

/// True if an escape of `c` begins with `rest`.
fn has_escape(c: char, rest: &[u8], escapes: Escapes) -> bool {
    let mut units = [0; 2];
    let long: String = c.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04x}")).collect();
    let mut spellings = vec![long.into_bytes()];
    if let Some(at) = "\"\\/\u{8}\u{c}\n\r\t".find(c) {
        spellings.push(vec![b'\\', b"\"\\/bfnrt"[at]]);
    }
    spellings.iter().any(|spelling| {
        // Hexadecimal digits may be capitals, but the `u` of `\u` may not. `unescape` knows what
        // else the mode forbids.
        let begins = spelling.len() > rest.len()
            && spelling.iter().zip(rest).all(|(s, r)| s == r || (*r != b'U' && *s == r.to_ascii_lowercase()));
        let completed = [rest, &spelling[rest.len().min(spelling.len())..]].concat();
        begins && unescape(&completed, escapes) == Some(c)
    })
}

/// A complete deterministic automaton over bytes; state 0 is the start.
pub struct Dfa {
    pub accepting: Vec<bool>,
    /// For each state, true if it leads to an accepting state.
    pub live: Vec<bool>,
    next: Vec<Box<[u32; 256]>>,
}

impl Dfa {
    fn run(&self, bytes: &[u8]) -> usize {
        self.run_from(0, bytes)
    }

    fn run_from(&self, state: usize, bytes: &[u8]) -> usize {
        bytes.iter().fold(state, |s, &b| self.next[s][usize::from(b)] as usize)
    }

    fn with(accepting: Vec<bool>, next: Vec<Box<[u32; 256]>>) -> Self {
        let mut live = accepting.clone();
        loop {
            let before = live.iter().filter(|l| **l).count();
            for s in 0..live.len() {
                live[s] = live[s] || next[s].iter().any(|&t| live[t as usize]);
            }
            if live.iter().filter(|l| **l).count() == before {
                return Dfa { accepting, live, next };
            }
        }
    }

    /// The automaton of a language without JSON strings.
    pub fn of(language: &Language) -> Self {
        match language {
            Language::Inter(parts) => {
                let parts: Vec<Dfa> = parts.iter().map(Dfa::of).collect();
                Self::product(&parts)
            }
            Language::Not(body) => {
                let body = Dfa::of(body);
                Dfa::with(body.accepting.iter().map(|a| !a).collect(), body.next)
            }
            _ => {
                let mut nfa = Nfa::default();
                let (start, end) = nfa.add(language);
                nfa.determinise(start, end)
            }
        }
    }

    fn product(parts: &[Dfa]) -> Self {
        let targets = |state: &Vec<u32>| {
            let target =
                |b: usize| state.iter().zip(parts).map(|(&s, part)| part.next[s as usize][b]).collect();
            (0..256).map(|b| (b..b + 1, target(b))).collect()
        };
        let (states, next) = explore(vec![0; parts.len()], targets);
        let accepting = states
            .iter()
            .map(|state| state.iter().zip(parts).all(|(&s, part)| part.accepting[s as usize]))
            .collect();
        Dfa::with(accepting, next)
    }
}

/// The states that `start` leads to, and the number of the next state for each of them and each
/// byte. `targets` gives the states that follow one, each with the bytes that lead there.
fn explore<S: Clone + Eq + std::hash::Hash>(
    start: S,
    targets: impl Fn(&S) -> Vec<(std::ops::Range<usize>, S)>,
) -> (Vec<S>, Vec<Box<[u32; 256]>>) {
    let mut index = HashMap::from([(start.clone(), 0u32)]);
    let (mut states, mut next) = (vec![start], Vec::new());
    while next.len() < states.len() {
        let mut row = Box::new([0u32; 256]);
        for (bytes, target) in targets(&states[next.len()]) {
            let id = *index.entry(target.clone()).or_insert_with(|| {
                states.push(target);
                states.len() as u32 - 1
            });
            row[bytes].fill(id);
        }
        next.push(row);
    }
    (states, next)
}

/// A nondeterministic automaton under construction.
#[derive(Default)]
struct Nfa {
    edges: Vec<Vec<(u8, u8, usize)>>,
    epsilon: Vec<Vec<usize>>,
}

impl Nfa {
    fn state(&mut self) -> usize {
        self.edges.push(Vec::new());
        self.epsilon.push(Vec::new());
        self.edges.len() - 1
    }

    /// Adds a language and returns its first and its last state.
    fn add(&mut self, language: &Language) -> (usize, usize) {
        let (start, end) = (self.state(), self.state());
        match language {
            Language::Never => {}
            Language::Empty => self.epsilon[start].push(end),
            Language::All => {
                self.edges[start].push((0, 255, start));
                self.epsilon[start].push(end);
            }
            Language::Text => {
                let any = Language::Chars(vec![(0, 0x10_ffff)]);
                let text = Language::Repeat(Box::new(any), 0, UNBOUNDED);
                let (from, to) = self.add(&text);
                self.epsilon[start].push(from);
                self.epsilon[to].push(end);
            }
            Language::Literals(words) => {
                for word in words {
                    let mut at = start;
                    for &b in word {
                        let next = self.state();
                        self.edges[at].push((b, b, next));
                        at = next;
                    }
                    self.epsilon[at].push(end);
                }
            }
            Language::Bytes(bytes) => bytes.iter().for_each(|&b| self.edges[start].push((b, b, end))),
            Language::Chars(ranges) => self.add_chars(ranges, start, end),
            Language::Concat(parts) => {
                let mut at = start;
                for part in parts {
                    let (from, to) = self.add(part);
                    self.epsilon[at].push(from);
                    at = to;
                }
                self.epsilon[at].push(end);
            }
            Language::Union(parts) => {
                for part in parts {
                    let (from, to) = self.add(part);
                    self.epsilon[start].push(from);
                    self.epsilon[to].push(end);
                }
            }
            Language::Repeat(body, min, max) => self.add_repeat(body, (*min, *max), start, end),
            Language::Inter(_) | Language::Not(_) => {
                let dfa = Dfa::of(language);
                let states: Vec<usize> = dfa.next.iter().map(|_| self.state()).collect();
                for (s, row) in dfa.next.iter().enumerate() {
                    for (b, &t) in row.iter().enumerate() {
                        self.edges[states[s]].push((b as u8, b as u8, states[t as usize]));
                    }
                    if dfa.accepting[s] {
                        self.epsilon[states[s]].push(end);
                    }
                }
                self.epsilon[start].push(states[0]);
            }
            Language::Json(..) => unreachable!("evaluated on strings"),
        }
        (start, end)
    }

    /// Adds one character of `ranges` from `start` to `end`, as UTF-8.
    fn add_chars(&mut self, ranges: &[(u32, u32)], start: usize, end: usize) {
        for &(lo, hi) in ranges {
            for (lo, hi) in [(lo, hi.min(0xd7ff)), (lo.max(0xe000), hi.min(0x10_ffff))] {
                let (Some(lo), Some(hi)) = (char::from_u32(lo), char::from_u32(hi)) else { continue };
                for sequence in regex_syntax::utf8::Utf8Sequences::new(lo, hi) {
                    let mut at = start;
                    for (i, range) in sequence.as_slice().iter().enumerate() {
                        let next = if i + 1 == sequence.len() { end } else { self.state() };
                        self.edges[at].push((range.start, range.end, next));
                        at = next;
                    }
                }
            }
        }
    }

    /// Adds `min` to `max` words of `body` from `start` to `end`.
    fn add_repeat(&mut self, body: &Language, (min, max): (u32, u32), start: usize, end: usize) {
        if min > max {
            return;
        }
        let mut at = start;
        for _ in 0..min {
            let (from, to) = self.add(body);
            self.epsilon[at].push(from);
            at = to;
        }
        if max == UNBOUNDED {
            let (from, to) = self.add(body);
            let round = self.state();
            self.epsilon[at].push(round);
            self.epsilon[round].push(from);
            self.epsilon[to].push(round);
            at = round;
        } else {
            for _ in min..max {
                self.epsilon[at].push(end);
                let (from, to) = self.add(body);
                self.epsilon[at].push(from);
                at = to;
            }
        }
        self.epsilon[at].push(end);
    }

    fn closure(&self, mut work: Vec<usize>) -> BTreeSet<usize> {
        let mut set = BTreeSet::new();
        while let Some(s) = work.pop() {
            if set.insert(s) {
                work.extend_from_slice(&self.epsilon[s]);
            }
        }
        set
    }

    fn determinise(&self, start: usize, end: usize) -> Dfa {
        // Bytes between two neighbouring borders of ranges behave alike.
        let borders: BTreeSet<usize> = (self.edges.iter().flatten())
            .flat_map(|&(lo, hi, _)| [usize::from(lo), usize::from(hi) + 1])
            .chain([0, 256])
            .collect();
        let borders: Vec<usize> = borders.into_iter().collect();
        let target = |state: &BTreeSet<usize>, byte: usize| {
            let leads = |e: &&(u8, u8, usize)| (usize::from(e.0)..=usize::from(e.1)).contains(&byte);
            self.closure(state.iter().flat_map(|&s| &self.edges[s]).filter(leads).map(|e| e.2).collect())
        };
        let targets = |state: &BTreeSet<usize>| {
            borders.windows(2).map(|window| (window[0]..window[1], target(state, window[0]))).collect()
        };
        let (states, next) = explore(self.closure(vec![start]), targets);
        Dfa::with(states.iter().map(|s| s.contains(&end)).collect(), next)
    }
}
