//! Character classes and character escapes of ECMA-262.

use super::PatternFault;
use super::error::RegexErrorKind;
use super::parser::EcmaParser;
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// The meaning of a character escape.
pub(super) enum Escape {
    Class(ClassUnicode),
    /// A code point, which may be a surrogate.
    Point(u32),
}

/// The class of the code points in the ranges `lo..=hi`. Surrogates are left out, since no UTF-8
/// text holds one.
pub(super) fn class_of(ranges: &[(u32, u32)]) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().filter_map(|&(lo, hi)| {
        let lo = char::from_u32(lo).unwrap_or('\u{e000}');
        let hi = char::from_u32(hi).unwrap_or('\u{d7ff}');
        (lo <= hi).then(|| ClassUnicodeRange::new(lo, hi))
    }))
}

fn negated(mut class: ClassUnicode) -> ClassUnicode {
    class.negate();
    class
}

/// The class of every character.
pub(super) fn any() -> ClassUnicode {
    class_of(&[(0, 0x10_ffff)])
}

/// The class of `\n`, `\r`, U+2028 and U+2029.
pub(super) fn line_terminators() -> ClassUnicode {
    class_of(&[(0x0a, 0x0a), (0x0d, 0x0d), (0x2028, 0x2029)])
}

/// The class `\w`. Under the flags `i` and `u` it also has the two letters that fold to ASCII
/// letters.
pub(super) fn word(ignore_case: bool) -> ClassUnicode {
    let mut class = class_of(&[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)]);
    if ignore_case {
        class.union(&class_of(&[(0x17f, 0x17f), (0x212a, 0x212a)]));
    }
    class
}

/// The class `\s`: the characters of WhiteSpace and LineTerminator.
fn space() -> ClassUnicode {
    class_of(&[
        (0x09, 0x0d),
        (0x20, 0x20),
        (0xa0, 0xa0),
        (0x1680, 0x1680),
        (0x2000, 0x200a),
        (0x2028, 0x2029),
        (0x202f, 0x202f),
        (0x205f, 0x205f),
        (0x3000, 0x3000),
        (0xfeff, 0xfeff),
    ])
}

/// A member of a class in brackets.
enum ClassItem {
    Point(u32),
    Class(ClassUnicode),
}

impl EcmaParser<'_> {
    /// Reads a class in brackets, whose `[` has been read.
    pub(super) fn bracket_class(&mut self, open: usize) -> Result<ClassUnicode, PatternFault> {
        let negate = self.eat('^');
        let mut class = ClassUnicode::empty();
        loop {
            let start = self.at;
            let unterminated = || {
                let what = "the class is not closed".to_owned();
                (
                    open..open + 1,
                    RegexErrorKind::Syntax { what, help: "add `]`, or write `\\[` for a bracket" },
                )
            };
            if self.eat(']') {
                break;
            }
            let member = self.member().ok_or_else(unterminated)??;
            let dash = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            if !dash {
                class.union(&self.member_class(&member));
                continue;
            }
            self.eat('-');
            let last = self.member().ok_or_else(unterminated)??;
            match (&member, &last) {
                (ClassItem::Point(lo), ClassItem::Point(hi)) if lo <= hi => {
                    class.union(&class_of(&[(*lo, *hi)]))
                }
                (ClassItem::Point(_), ClassItem::Point(_)) => {
                    let what = "the range is out of order".to_owned();
                    let help = "write the smaller character first, or `\\-` for a hyphen";
                    return Err((start..self.at, RegexErrorKind::Syntax { what, help }));
                }
                // In annex B a range to or from a class is both members and a hyphen.
                _ => {
                    class.union(&self.member_class(&member));
                    class.union(&class_of(&[(0x2d, 0x2d)]));
                    class.union(&self.member_class(&last));
                }
            }
        }
        let class = self.folded(class);
        Ok(if negate { negated(class) } else { class })
    }

    fn member_class(&self, member: &ClassItem) -> ClassUnicode {
        match member {
            ClassItem::Point(point) => class_of(&[(*point, *point)]),
            ClassItem::Class(class) => class.clone(),
        }
    }

    fn member(&mut self) -> Option<Result<ClassItem, PatternFault>> {
        let start = self.at;
        let c = self.next()?;
        if c != '\\' {
            return Some(Ok(ClassItem::Point(u32::from(c))));
        }
        if self.eat('b') {
            return Some(Ok(ClassItem::Point(8)));
        }
        if self.rest().is_empty() {
            return None;
        }
        Some(self.escape(start).map(|escape| match escape {
            Escape::Class(class) => ClassItem::Class(class),
            Escape::Point(point) => ClassItem::Point(point),
        }))
    }

    /// Adds everything that folds to a member, if the flag `i` is set.
    pub(super) fn folded(&self, mut class: ClassUnicode) -> ClassUnicode {
        if self.flags.ignore_case {
            // This fails only if regex-syntax was built without its case tables. Then nothing
            // folds.
            let _ = class.try_case_fold_simple();
        }
        class
    }

    /// Reads a character escape or class escape, whose `\` has been read.
    pub(super) fn escape(&mut self, start: usize) -> Result<Escape, PatternFault> {
        let Some(c) = self.next() else {
            let help = "write `\\\\` for a backslash";
            let what = "the pattern ends in a backslash".to_owned();
            return Err((start..self.at, RegexErrorKind::Syntax { what, help }));
        };
        let point = match c {
            'd' => return Ok(Escape::Class(class_of(&[(0x30, 0x39)]))),
            'D' => return Ok(Escape::Class(negated(class_of(&[(0x30, 0x39)])))),
            'w' => return Ok(Escape::Class(word(self.flags.ignore_case))),
            'W' => return Ok(Escape::Class(negated(word(self.flags.ignore_case)))),
            's' => return Ok(Escape::Class(space())),
            'S' => return Ok(Escape::Class(negated(space()))),
            'p' | 'P' => return self.property(start, c == 'P').map(Escape::Class),
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            'c' => match self.rest().chars().next() {
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.next();
                    u32::from(letter) % 32
                }
                // In annex B a lone `\c` is a backslash, and the `c` stands for itself.
                _ => {
                    self.at -= 1;
                    u32::from('\\')
                }
            },
            'x' => {
                self.hex(2).ok_or_else(|| self.bad_escape(start, "two hexadecimal digits follow `\\x`"))?
            }
            'u' => self.unicode_escape(start)?,
            '0'..='7' => {
                // Annex B has octal escapes up to \377.
                let mut value = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    match self.rest().chars().next().and_then(|d| d.to_digit(8)) {
                        Some(digit) if value * 8 + digit <= 0o377 => {
                            self.next();
                            value = value * 8 + digit;
                        }
                        _ => break,
                    }
                }
                value
            }
            c if c.is_ascii_alphabetic() => {
                let help = match c {
                    'A' => "ECMA-262 writes the start of the text as `^`",
                    'Z' | 'z' => "ECMA-262 writes the end of the text as `$`",
                    'h' => "write the characters out, such as `[ \\t]`",
                    'Q' | 'E' => "escape each special character by its own backslash",
                    _ => "leave the backslash out if the letter itself is meant",
                };
                let what = format!("`\\{c}` is not an escape of ECMA-262");
                return Err((start..self.at, RegexErrorKind::Syntax { what, help }));
            }
            c => u32::from(c),
        };
        Ok(Escape::Point(point))
    }

    fn bad_escape(&self, start: usize, help: &'static str) -> PatternFault {
        let what = "the escape is malformed".to_owned();
        (start..self.at, RegexErrorKind::Syntax { what, help })
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let text = self.rest().get(..digits)?;
        if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let value = u32::from_str_radix(text, 16).ok()?;
        self.at += digits;
        Some(value)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<u32, PatternFault> {
        let help = "write `\\uXXXX` or `\\u{X…}`, at most `\\u{10FFFF}`";
        if self.eat('{') {
            let digits: String = self.rest().chars().take_while(char::is_ascii_hexdigit).collect();
            self.at += digits.len();
            let significant = digits.trim_start_matches('0');
            let value = match (digits.is_empty(), significant.len()) {
                (true, _) | (_, 7..) => None,
                (_, 0) => Some(0),
                _ => u32::from_str_radix(significant, 16).ok(),
            };
            return match value.filter(|&v| v <= 0x10_ffff) {
                Some(value) if self.eat('}') => Ok(value),
                _ => Err(self.bad_escape(start, help)),
            };
        }
        let unit = self.hex(4).ok_or_else(|| self.bad_escape(start, help))?;
        if (0xd800..0xdc00).contains(&unit) && self.rest().starts_with("\\u") {
            let back = self.at;
            self.at += 2;
            match self.hex(4) {
                Some(low) if (0xdc00..0xe000).contains(&low) => {
                    return Ok(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
                }
                _ => self.at = back,
            }
        }
        Ok(unit)
    }

    /// Reads `\p{…}` or `\P{…}`, by the tables of regex-syntax.
    fn property(&mut self, start: usize, negate: bool) -> Result<ClassUnicode, PatternFault> {
        let help = "write a property such as `\\p{L}`, `\\p{Lu}` or `\\p{Script=Greek}`";
        let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'=';
        if !self.eat('{') {
            return Err(self.bad_escape(start, help));
        }
        let len = self.rest().bytes().take_while(plain).count();
        let name = self.rest()[..len].to_owned();
        self.at += len;
        if !self.eat('}') {
            return Err(self.bad_escape(start, help));
        }
        let class = (!name.is_empty())
            .then(|| regex_syntax::parse(&format!("\\p{{{name}}}")).ok())
            .flatten()
            .and_then(|hir| match hir.into_kind() {
                HirKind::Class(Class::Unicode(class)) => Some(class),
                // regex-syntax makes a literal of a property with one character.
                HirKind::Literal(literal) => {
                    let text = String::from_utf8(literal.0.into_vec()).ok()?;
                    Some(class_of(&text.chars().map(|c| (u32::from(c), u32::from(c))).collect::<Vec<_>>()))
                }
                _ => None,
            });
        match class {
            // The complement comes first: under `i` a text matches `\P{Lu}` if one of its other
            // cases is no capital letter.
            Some(class) => Ok(self.folded(if negate { negated(class) } else { class })),
            None => {
                let what = format!("`{name}` is not a Unicode property");
                Err((start..self.at, RegexErrorKind::Syntax { what, help }))
            }
        }
    }
}
