//! Patterns: ECMA-262 regular expressions that are searched for anywhere in the decoded text.
//!
//! A pattern is compiled once, when the document is read, into the pool that the grammar starts
//! from. Every later pool is a copy of that one, so the language keeps its id.
//!
//! Patterns are read with the `u` flag, as JSON Schema asks. Annex B of ECMA-262 gives a meaning to
//! some texts that the flag makes an error, such as `\-`, a lone `]` and `x{,3}`. Those are read as
//! annex B says, and [`leniency`] names them.

use crate::automata::regex::{Anchoring, Dialect, compile};
use crate::automata::{ExprPool, LangId};

/// The texts in which the pattern is found. The error says why the pattern cannot be enforced.
pub(super) fn language(pool: &mut ExprPool, pattern: &str) -> Result<LangId, String> {
    compile(pool, pattern, Dialect::Ecma262, Anchoring::Search).map_err(|error| error.to_string())
}

/// The first part of a pattern that the `u` flag forbids, and how it is read; `None` if there is no
/// such part.
///
/// The pattern must be one that compiles.
pub(super) fn leniency(pattern: &str) -> Option<String> {
    let mut scan = Scan { rest: pattern };
    while let Some(c) = scan.next() {
        let found = match c {
            '\\' => scan.escape(false),
            '[' => scan.class(),
            ']' | '}' => Some(format!("a lone `{c}`, which is read as that character")),
            '{' => scan.brace(),
            '(' => scan.group(),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

struct Scan<'p> {
    rest: &'p str,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or("");
    }

    /// Reads an escape whose backslash has been read.
    fn escape(&mut self, in_class: bool) -> Option<String> {
        let c = self.next()?;
        match c {
            'u' | 'p' | 'P' | 'k' if self.rest.starts_with(['{', '<']) => {
                let end = self.rest.find(['}', '>']).map_or(self.rest.len(), |end| end + 1);
                self.skip(end);
                None
            }
            '0' if !self.rest.starts_with(|d: char| d.is_ascii_digit()) => None,
            '0'..='9' => Some(format!("`\\{c}`, which is read as an octal number")),
            'c' if !self.rest.starts_with(|l: char| l.is_ascii_alphabetic()) => {
                Some("`\\c` without a letter, which is read as a backslash and a `c`".to_owned())
            }
            '-' if in_class => None,
            _ if "^$\\.*+?()[]{}|/".contains(c) || c.is_ascii_alphabetic() => None,
            _ => Some(format!("`\\{c}`, which is read as `{c}`")),
        }
    }

    /// Reads a class whose opening bracket has been read.
    fn class(&mut self) -> Option<String> {
        if self.rest.starts_with('^') {
            self.skip(1);
        }
        while !self.rest.starts_with(']') {
            let (found, first_is_class) = self.member()?;
            if found.is_some() {
                return found;
            }
            if !self.rest.starts_with('-') || self.rest.starts_with("-]") {
                continue;
            }
            self.skip(1);
            let (found, last_is_class) = self.member()?;
            if found.is_some() {
                return found;
            }
            if first_is_class || last_is_class {
                return Some("a range to or from a class, whose hyphen is read as that character".to_owned());
            }
        }
        self.skip(1);
        None
    }

    /// Reads one member of a class. The result tells how it is lenient, and whether it is a class
    /// itself.
    fn member(&mut self) -> Option<(Option<String>, bool)> {
        let posix = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]"));
        if let Some((name, _)) = posix.filter(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase())) {
            let what = "a class of POSIX, whose characters are read one by one";
            return Some((Some(format!("`[:{name}:]`, {what}; write the characters out")), false));
        }
        if self.next()? != '\\' {
            return Some((None, false));
        }
        let is_class = self.rest.starts_with(|c| "dDsSwWpP".contains(c));
        Some((self.escape(true), is_class))
    }

    /// Reads a count or a literal brace; the opening brace has been read.
    fn brace(&mut self) -> Option<String> {
        let Some((inside, _)) = self.rest.split_once('}') else {
            return Some("a lone `{`, which is read as that character".to_owned());
        };
        let (min, max) = inside.split_once(',').unwrap_or((inside, "0"));
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if !min.is_empty() && is_number(min) && is_number(max) {
            self.skip(inside.len() + 1);
            return None;
        }
        Some(match is_number(min) && is_number(max) && inside.contains(',') {
            true => format!(
                "`{{{inside}}}`, which is read as these characters; write `{{0{inside}}}` for a count"
            ),
            false => "a lone `{`, which is read as that character".to_owned(),
        })
    }

    /// Reads the start of a group whose parenthesis has been read.
    fn group(&mut self) -> Option<String> {
        let is_named =
            self.rest.starts_with("?<") && !self.rest.starts_with("?<=") && !self.rest.starts_with("?<!");
        let end = if is_named { self.rest.find('>').map_or(0, |end| end + 1) } else { 0 };
        self.skip(end);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_the_flag_forbids() {
        let table = [
            (r"x{,3}", "`{,3}`"),
            (r"[[:alpha:]]+", "`[:alpha:]`"),
            (r"^\d{3}\-\d{4}$", r"`\-`"),
            (r"\_", r"`\_`"),
            (r"\@a", r"`\@`"),
            (r"[\w-.]", "a range"),
            (r"[+-\d]", "a range"),
            (r"[\.\@]", r"`\@`"),
            ("a]", "a lone `]`"),
            ("a}", "a lone `}`"),
            ("{a}", "a lone `{`"),
            ("a{1,2", "a lone `{`"),
            (r"\07", "octal"),
            (r"[\1]", "octal"),
            (r"\c", "`\\c`"),
        ];
        for (pattern, what) in table {
            let found = leniency(pattern).unwrap_or_else(|| panic!("{pattern}"));
            assert!(found.contains(what), "{pattern}: {found}");
            assert!(language(&mut ExprPool::new(), pattern).is_ok(), "{pattern}");
        }
        let strict = [
            r"^[a-z-\d]{2,}(?<n>\u{61}|\p{L})\/\.\{\}\[\]\|\^\$\-?$",
            r"[\-\w]{3}",
            r"[-a]|[a-]|[^\d\s-]",
            r"\0\x41\u0041\cA\t(?:a|b)*?",
            "",
        ];
        for pattern in strict.iter().skip(1) {
            assert_eq!(leniency(pattern), None, "{pattern}");
        }
        assert!(leniency(strict[0]).is_some_and(|found| found.contains(r"`\-`")));
    }
}
