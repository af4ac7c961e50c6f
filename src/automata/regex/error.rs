//! The errors of patterns. Each says what is wrong, at which place, and what to do about it.

use std::fmt;
use std::ops::Range;

/// A pattern that cannot be compiled. Its text points at the place with a caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexError {
    pattern: Box<str>,
    span: Range<usize>,
    kind: RegexErrorKind,
}

/// The kinds of faults of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegexErrorKind {
    /// The text is no pattern of the dialect.
    #[error("{what}")]
    Syntax {
        /// The fault.
        what: String,
        /// Advice on what to write instead.
        help: &'static str,
    },
    /// The pattern has a backreference, and such languages are not regular.
    #[error("the backreference `{0}` is not supported: the language would not be regular")]
    Backreference(String),
    /// Lookahead, `$` or a word boundary stands inside lookbehind.
    #[error("an assertion about what follows is not supported inside lookbehind")]
    AheadInsideBehind,
    /// Groups nest too deeply.
    #[error("the pattern nests deeper than {limit} levels")]
    Nesting {
        /// The depth to which groups may nest.
        limit: u32,
    },
    /// The pattern is too long.
    #[error("the pattern has {given} bytes, more than the limit of {limit}")]
    Length {
        /// The length of the pattern in bytes.
        given: usize,
        /// The length that it may have.
        limit: usize,
    },
    /// A repetition count is too large.
    #[error("the repetition count is larger than {limit}")]
    Count {
        /// The largest count.
        limit: u32,
    },
    /// Assertions make the pattern too large.
    #[error("its assertions need more than {limit} {what}")]
    Expansion {
        /// The thing that there was too much of.
        what: &'static str,
        /// The amount that is allowed.
        limit: usize,
    },
}

impl RegexErrorKind {
    /// Advice on what to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            RegexErrorKind::Syntax { help, .. } => help,
            RegexErrorKind::Backreference(_) => {
                "write the alternatives out, such as `'[^']*'|\"[^\"]*\"` for `(['\"]).*?\\1`"
            }
            RegexErrorKind::AheadInsideBehind => {
                "move the assertion behind the lookbehind, or spell the characters it wants to see"
            }
            RegexErrorKind::Nesting { .. } => "flatten groups that hold a single group",
            RegexErrorKind::Length { .. } => "split the pattern, or list literal strings as an enum",
            RegexErrorKind::Count { .. } => "use an open count such as `{1,}`",
            RegexErrorKind::Expansion { .. } => {
                "move assertions out of counted groups, or shorten what lookbehind looks at"
            }
        }
    }
}

impl RegexError {
    pub(super) fn new(pattern: &str, span: Range<usize>, kind: RegexErrorKind) -> Self {
        RegexError { pattern: pattern.into(), span, kind }
    }

    /// The pattern.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The place in the pattern, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The kind of fault.
    pub fn kind(&self) -> &RegexErrorKind {
        &self.kind
    }
}

/// The number of characters that are shown on either side of the place.
const CONTEXT: usize = 40;

impl fmt::Display for RegexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.pattern.get(..self.span.start).map_or(0, |before| before.chars().count());
        let len = self.pattern.get(self.span.clone()).map_or(0, |text| text.chars().count());
        let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let from = at.saturating_sub(CONTEXT);
        let line: String = self.pattern.chars().skip(from).take(at - from + CONTEXT).map(shown).collect();
        let more = self.pattern.chars().nth(at + CONTEXT).is_some();
        let (before, after) = (if from > 0 { "…" } else { "" }, if more { "…" } else { "" });
        let indent = at - from + before.chars().count();
        let carets = "^".repeat(len.clamp(1, CONTEXT));
        writeln!(f, "regex: {} (at byte {})", self.kind, self.span.start)?;
        writeln!(f, "  {before}{line}{after}")?;
        writeln!(f, "  {:indent$}{carets}", "")?;
        write!(f, "help: {}", self.kind.help())
    }
}

impl std::error::Error for RegexError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}
