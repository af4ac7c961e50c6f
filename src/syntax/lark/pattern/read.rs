//! The reader of Python's regular expressions, from their text to a tree.
//!
//! It reads the syntax of Python's module `re` except for parts that are not regular or hardly
//! used: references to groups, conditions on groups, named characters, possessive quantifiers and
//! atomic groups. Classes are Python's: `\w` stands for the letters and digits of all scripts and
//! the underscore.
//!
//! Source: the documentation of Python 3.11, module `re`.

use super::super::super::diagnostic::Problem;
use super::super::super::rules::{LAST, NEST_LIMIT, normalised};
use super::{Ranges, Re};
use crate::automata::UNBOUNDED;
use crate::automata::regex::operator_counts;
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};
use std::sync::OnceLock;

const REGULAR: &str = "a terminal is a regular expression; say it without";
const COUNT: u32 = 1_000_000_000;

/// The flags of Python's patterns that change what they match.
#[derive(Clone, Copy, Default)]
struct Flags {
    any_case: bool,
    lines: bool,
    dot_all: bool,
    verbose: bool,
    ascii: bool,
}

impl Flags {
    fn set(&mut self, flag: char, on: bool) -> bool {
        match flag {
            'i' => self.any_case = on,
            'm' => self.lines = on,
            's' => self.dot_all = on,
            'x' => self.verbose = on,
            'a' => self.ascii = on,
            'u' | 'L' | 'l' => {}
            _ => return false,
        }
        true
    }
}

struct RegexReader {
    text: Vec<char>,
    at: usize,
    flags: Flags,
    depth: u32,
}

/// The tree of `pattern`, under `flags`.
pub(super) fn read(pattern: &str, flags: &str) -> Result<Re, Problem> {
    let mut reader =
        RegexReader { text: pattern.chars().collect(), at: 0, flags: Flags::default(), depth: 0 };
    for flag in flags.chars() {
        reader.flags.set(flag, true);
    }
    let tree = reader.alternatives()?;
    match reader.peek() {
        None => Ok(tree),
        Some(_) => complaint("there is a `)` too many in the pattern", "write `\\)` for the character"),
    }
}

fn complaint<T>(what: impl Into<String>, help: &str) -> Result<T, Problem> {
    Err(Problem::syntax(what, help))
}

fn unsupported<T>(what: &str, help: &str) -> Result<T, Problem> {
    Err(Problem::unsupported(what, help))
}

fn excess<T>(what: impl Into<String>, help: &str) -> Result<T, Problem> {
    Err(Problem::excess(what, help))
}

impl RegexReader {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, expected: &str) -> bool {
        let found = expected.chars().enumerate().all(|(i, c)| self.text.get(self.at + i) == Some(&c));
        if found {
            self.at += expected.chars().count();
        }
        found
    }

    fn alternatives(&mut self) -> Result<Re, Problem> {
        let mut parts = vec![self.sequence()?];
        while self.take("|") {
            parts.push(self.sequence()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Re::Alt(parts) })
    }

    fn sequence(&mut self) -> Result<Re, Problem> {
        let mut parts: Vec<Re> = Vec::new();
        loop {
            self.skip_comments();
            let Some(next) = self.peek() else { break };
            if next == '|' || next == ')' {
                break;
            }
            let atom = self.atom(next)?;
            let atom = self.quantified(atom)?;
            match (parts.last_mut(), atom) {
                (_, Re::Empty) => {}
                (Some(Re::Text(text)), Re::Text(more)) => text.push_str(&more),
                (_, atom) => parts.push(atom),
            }
        }
        Ok(Re::seq(parts))
    }

    fn skip_comments(&mut self) {
        while self.flags.verbose {
            match self.peek() {
                Some(c) if c.is_ascii_whitespace() || c == '\u{b}' => self.at += 1,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    fn quantified(&mut self, atom: Re) -> Result<Re, Problem> {
        self.skip_comments();
        let start = self.at;
        let counts = match self.peek() {
            Some('{') => self.counts()?,
            next => next.and_then(operator_counts),
        };
        let Some((min, max)) = counts else { return Ok(atom) };
        if self.at == start {
            self.at += 1;
        }
        let lazy = self.take("?");
        if !lazy && self.peek() == Some('+') {
            return unsupported(
                "possessive quantifiers are not supported",
                "write the quantifier without `+`",
            );
        }
        if matches!(self.peek(), Some('*' | '+' | '?')) {
            return complaint(
                "there are two quantifiers in a row in the pattern",
                "group what the second repeats",
            );
        }
        if matches!(atom, Re::Empty) {
            return complaint(
                "a quantifier in the pattern repeats nothing",
                "write it behind what it repeats",
            );
        }
        Ok(Re::Repeat { body: Box::new(atom), min, max, lazy })
    }

    /// The counts of `{2,3}`. Braces without a number in them are text.
    fn counts(&mut self) -> Result<Option<(u32, u32)>, Problem> {
        let start = self.at;
        self.at += 1;
        let min = self.number();
        let comma = self.take(",");
        let max = if comma { self.number() } else { min };
        if !self.take("}") || (min.is_none() && !comma) {
            self.at = start;
            return Ok(None);
        }
        let (min, max) = (min.unwrap_or(0), max.unwrap_or(u64::from(UNBOUNDED)));
        if min > max {
            return complaint(
                "a quantifier's minimum is above its maximum",
                "write the smaller number first",
            );
        }
        if min > COUNT.into() || (max > COUNT.into() && max != u64::from(UNBOUNDED)) {
            return excess("a quantifier counts too far", "at most 1,000,000,000 can be counted");
        }
        Ok(Some((min as u32, max as u32)))
    }

    fn number(&mut self) -> Option<u64> {
        let start = self.at;
        let mut number = 0u64;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            number = number.saturating_mul(10).saturating_add(digit.into()).min(1 << 40);
            self.at += 1;
        }
        (self.at > start).then_some(number)
    }

    fn one(&self, c: char) -> Re {
        let one = u32::from(c);
        if self.flags.any_case {
            let folded = folded(&vec![(one, one)]);
            if folded != [(one, one)] {
                return Re::Class(folded);
            }
        }
        Re::Text(c.to_string())
    }

    fn class(&self, ranges: Ranges) -> Re {
        Re::Class(if self.flags.any_case { folded(&ranges) } else { ranges })
    }

    fn atom(&mut self, next: char) -> Result<Re, Problem> {
        self.at += 1;
        Ok(match next {
            '.' if self.flags.dot_all => Re::Class(vec![(0, LAST)]),
            '.' => Re::Class(normalised(vec![(10, 10)], true)),
            '^' => Re::Start { lines: self.flags.lines },
            '$' => Re::End { lines: self.flags.lines },
            '(' => return self.group(),
            '[' => return self.set(),
            '\\' => return self.escape(),
            '*' | '+' | '?' => {
                return complaint(
                    "a quantifier in the pattern repeats nothing",
                    "write it behind what it repeats",
                );
            }
            c => self.one(c),
        })
    }

    fn group(&mut self) -> Result<Re, Problem> {
        self.depth += 1;
        if self.depth > NEST_LIMIT {
            return excess(format!("the pattern nests more than {NEST_LIMIT} groups"), "make it flatter");
        }
        let outside = self.flags;
        let mut look = None;
        if self.take("?") {
            if self.take("P<") || (self.take("<") && !matches!(self.peek(), Some('=' | '!'))) {
                while self.peek().is_some_and(|c| c != '>') {
                    self.at += 1;
                }
                self.at += 1;
            } else if self.text.get(self.at.wrapping_sub(1)) == Some(&'<') {
                look = Some((true, self.peek() == Some('!')));
                self.at += 1;
            } else if self.take("=") {
                look = Some((false, false));
            } else if self.take("!") {
                look = Some((false, true));
            } else if self.take("#") {
                while self.peek().is_some_and(|c| c != ')') {
                    self.at += 1;
                }
                return self.closed(Re::Empty, outside);
            } else if self.take(">") || self.take("(") || self.take("P=") {
                return unsupported(
                    "references to groups, conditions and atomic groups are not supported",
                    REGULAR,
                );
            } else if let Some(all) = self.inline_flags()?
                && all
            {
                // Flags without a group hold for the rest of the pattern.
                self.depth -= 1;
                return Ok(Re::Empty);
            }
        }
        let body = self.alternatives()?;
        let body = match look {
            Some((behind, forbids)) => Re::Look { behind, forbids, body: Box::new(body) },
            None => body,
        };
        self.closed(body, outside)
    }

    fn closed(&mut self, body: Re, outside: Flags) -> Result<Re, Problem> {
        self.flags = outside;
        self.depth -= 1;
        match self.take(")") {
            // A sequence keeps the text whole, so that a quantifier after the group repeats all of
            // it.
            true => Ok(match body {
                Re::Text(text) if text.chars().count() > 1 => Re::Seq(vec![Re::Text(text)]),
                body => body,
            }),
            false => complaint(
                "a group of the pattern is not closed",
                "write `)` behind it, or `\\(` for the character",
            ),
        }
    }

    /// Reads the flags at the beginning of a group; `true` if the group ends with them.
    fn inline_flags(&mut self) -> Result<Option<bool>, Problem> {
        let mut on = true;
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                ':' => return Ok(Some(false)),
                ')' => return Ok(Some(true)),
                '-' => on = false,
                flag if self.flags.set(flag, on) => {}
                _ => break,
            }
        }
        complaint(
            "a group of the pattern begins with what is no flag",
            "there are (?:…), (?i:…), (?=…), (?!…), (?<=…), (?<!…)",
        )
    }

    fn escape(&mut self) -> Result<Re, Problem> {
        let Some(c) = self.peek() else {
            return complaint("the pattern ends with a backslash", "write `\\\\` for the character");
        };
        self.at += 1;
        Ok(match c {
            'b' => Re::Boundary { forbids: false },
            'B' => Re::Boundary { forbids: true },
            'A' => Re::Start { lines: false },
            'Z' => Re::TextEnd,
            '1'..='9' => return unsupported("references to groups are not supported", REGULAR),
            c => match self.escaped(c)? {
                Escaped::One(c) => self.one(c),
                Escaped::Class(ranges) => self.class(ranges),
            },
        })
    }

    fn escaped(&mut self, c: char) -> Result<Escaped, Problem> {
        let ascii = self.flags.ascii;
        let named = |class: &'static str, plain: &'static str, negated: bool| {
            let ranges = if ascii { ranges_of(plain) } else { ranges_of(class) };
            Escaped::Class(normalised(ranges, negated))
        };
        Ok(match c {
            'd' | 'D' => named(r"\p{Nd}", "[0-9]", c == 'D'),
            'w' | 'W' => named(WORD, "[0-9A-Za-z_]", c == 'W'),
            's' | 'S' => named(
                r"[\t\n\x0b\x0c\r\x1c-\x1f\x20\x85\xa0\p{Zs}\x{2028}\x{2029}]",
                r"[\t\n\x0b\x0c\r ]",
                c == 'S',
            ),
            'n' => Escaped::One('\n'),
            't' => Escaped::One('\t'),
            'r' => Escaped::One('\r'),
            'f' => Escaped::One('\u{c}'),
            'v' => Escaped::One('\u{b}'),
            'a' => Escaped::One('\u{7}'),
            'b' => Escaped::One('\u{8}'),
            '0' => Escaped::One(self.octal()),
            'x' | 'u' | 'U' => {
                let count = match c {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let digits: String = self.text.iter().skip(self.at).take(count).collect();
                self.at += count;
                match u32::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == count)
                    .and_then(char::from_u32)
                {
                    Some(c) => Escaped::One(c),
                    None => {
                        return complaint(
                            format!("`\\{c}{digits}` is no character"),
                            "write the code point in hexadecimal digits",
                        );
                    }
                }
            }
            c if c.is_ascii_alphanumeric() => {
                return complaint(
                    format!("`\\{c}` is no escape of Python's patterns"),
                    "write the character itself",
                );
            }
            c => Escaped::One(c),
        })
    }

    fn octal(&mut self) -> char {
        let mut value = 0;
        for _ in 0..2 {
            if let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) {
                value = value * 8 + digit;
                self.at += 1;
            }
        }
        char::from_u32(value).unwrap_or('\0')
    }

    fn set(&mut self) -> Result<Re, Problem> {
        const OPEN: (&str, &str) =
            ("a `[` of the pattern is not closed", "write `]` behind the class, or `\\[` for the character");
        let negated = self.take("^");
        let mut ranges: Ranges = Vec::new();
        let start = self.at;
        loop {
            let Some(c) = self.peek() else { return complaint(OPEN.0, OPEN.1) };
            self.at += 1;
            if c == ']' && self.at > start + 1 {
                break;
            }
            let from = match self.member(c)? {
                Escaped::Class(class) => {
                    ranges.extend(class);
                    continue;
                }
                Escaped::One(from) => from,
            };
            let is_range = self.peek() == Some('-') && self.text.get(self.at + 1).is_some_and(|&c| c != ']');
            if !is_range {
                ranges.push((from.into(), from.into()));
                continue;
            }
            self.at += 1;
            let Some(c) = self.peek() else { return complaint(OPEN.0, OPEN.1) };
            self.at += 1;
            match self.member(c)? {
                Escaped::One(to) if from <= to => ranges.push((from.into(), to.into())),
                _ => {
                    return complaint(
                        "a range in the pattern is the wrong way round",
                        "write the smaller character first",
                    );
                }
            }
        }
        let ranges = normalised(ranges, false);
        let ranges = if self.flags.any_case { folded(&ranges) } else { ranges };
        Ok(Re::Class(normalised(ranges, negated)))
    }

    fn member(&mut self, c: char) -> Result<Escaped, Problem> {
        if c != '\\' {
            return Ok(Escaped::One(c));
        }
        let Some(c) = self.peek() else {
            return complaint("the pattern ends with a backslash", "write `\\\\` for the character");
        };
        self.at += 1;
        self.escaped(c)
    }
}

enum Escaped {
    One(char),
    Class(Ranges),
}

const WORD: &str = r"[\p{L}\p{N}_]";

/// The characters of words.
pub(super) fn word() -> Ranges {
    static KNOWN: OnceLock<Ranges> = OnceLock::new();
    KNOWN.get_or_init(|| ranges_of(WORD)).clone()
}

/// The ranges of a class in the syntax of the crate `regex`.
fn ranges_of(class: &str) -> Ranges {
    match regex_syntax::parse(class).map(|hir| hir.kind().clone()) {
        Ok(HirKind::Class(Class::Unicode(class))) => ranges(&class),
        Ok(HirKind::Class(Class::Bytes(class))) => {
            class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect()
        }
        _ => Vec::new(),
    }
}

fn ranges(class: &ClassUnicode) -> Ranges {
    class.ranges().iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect()
}

/// The characters that differ from those of `of` at most in case.
fn folded(of: &Ranges) -> Ranges {
    let mut class = ClassUnicode::empty();
    for &(from, to) in of {
        // Halves of surrogate pairs are no characters.
        for (from, to) in [(from, to.min(0xd7ff)), (from.max(0xe000), to)] {
            if let (true, Some(from), Some(to)) = (from <= to, char::from_u32(from), char::from_u32(to)) {
                class.push(ClassUnicodeRange::new(from, to));
            }
        }
    }
    class.case_fold_simple();
    ranges(&class)
}
