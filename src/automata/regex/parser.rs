//! The state of the parser of ECMA-262 patterns, and its steps along the text.
//!
//! [`ecma`](super::ecma) reads groups, quantifiers and assertions with it, and
//! [`ecma_class`](super::ecma_class) reads classes and escapes.

/// The flags in force. `(?ims-ims:…)` changes them for a group.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub ignore_case: bool,
    pub multiline: bool,
    pub dot_all: bool,
}

/// A parser of an ECMA-262 pattern: the place in the pattern, and everything that gives the next
/// character its meaning.
pub(super) struct EcmaParser<'a> {
    /// The whole pattern.
    pub(super) pattern: &'a str,
    /// The byte offset of the next character.
    pub(super) at: usize,
    pub(super) flags: Flags,
    /// The number of groups that are open.
    pub(super) depth: u32,
    /// The number of capturing groups in the whole pattern. It decides the meaning of `\1`.
    pub(super) groups: u32,
    /// True if a group has a name. It decides the meaning of `\k`.
    pub(super) named: bool,
}

impl EcmaParser<'_> {
    /// The text that was not read yet.
    pub(super) fn rest(&self) -> &str {
        &self.pattern[self.at..]
    }

    /// Reads a character. `None` at the end of the pattern.
    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Reads `c`, if it comes next. True if it did.
    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// Reads `text`, if it comes next. True if it did.
    pub(super) fn eat_str(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }
}
