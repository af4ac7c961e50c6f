//! Terminals, as Python's `re` finds them in a text.
//!
//! A regular expression tells the lexer where a match ends. That depends on the text after it:
//! `/x+/` ends before the first character that is not `x`, and `/x(?!y)/` matches only if no `y`
//! follows. Among the alternatives of `/a|ab/` the first that leads to a match wins.
//!
//! # The idea
//!
//! A terminal is a language of *marked texts*: a match, the byte [`MARK`], and any text that lets
//! the match end there. UTF-8 never contains that byte. So the language also describes the text
//! after a match: `/x+/` is `x+ MARK ¬(x…)`. The lexer's choices among terminals become
//! intersections and complements. The *domain* of a terminal is the set of texts that begin with a
//! match, with marks anywhere in them. A terminal wins if no terminal before it in the order has
//! the text in its domain.
//!
//! Both languages are built from the pattern's end to its beginning, given the text that may follow
//! ([`lexeme`]). If a matcher can continue in two ways, it takes the second only if the first leads
//! to no match. So the second is intersected with the complement of the first one's domain.
//!
//! Source: the semantics of backtracking matchers by A. Frisch and L. Cardelli, *Greedy regular
//! expression matching* (2004); lookahead as intersection with the rest, as in
//! [`regex`](crate::automata::regex).

mod contexts;
pub(super) mod lexeme;
mod ordered;
mod read;

use crate::automata::LangId;
use crate::syntax::diagnostic::Problem;

/// Ranges of code points, sorted and disjoint.
type Ranges = Vec<(u32, u32)>;

/// A terminal of a lexer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Compiled {
    /// The marked texts: a match, the mark, and any text that lets the match end there.
    pub marked: LangId,
    /// The texts that begin with a match, wherever marks stand in them.
    pub domain: LangId,
}

/// A regular expression of Python.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Re {
    Empty,
    /// One character.
    Class(Ranges),
    Text(String),
    Seq(Vec<Re>),
    Alt(Vec<Re>),
    Repeat {
        body: Box<Re>,
        min: u32,
        max: u32,
        lazy: bool,
    },
    /// An assertion that `body` matches from here on, or up to here if `behind`; or that it does
    /// not, if `forbids`.
    Look {
        behind: bool,
        forbids: bool,
        body: Box<Re>,
    },
    /// The beginning of the text, or of a line.
    Start {
        lines: bool,
    },
    /// The end of the text, perhaps before a last line feed; or that of a line.
    End {
        lines: bool,
    },
    /// The end of the text.
    TextEnd,
    /// The beginning or end of a word; or any other place, if `forbids`.
    Boundary {
        forbids: bool,
    },
}

/// A width without limit.
pub(super) const ENDLESS: u64 = u64::MAX;

impl Re {
    /// The tree of `pattern`, under `flags`.
    pub fn read(pattern: &str, flags: &str) -> Result<Re, Problem> {
        read::read(pattern, flags)
    }

    /// The parts one after the other.
    pub fn seq(mut parts: Vec<Re>) -> Re {
        match parts.len() {
            0 => Re::Empty,
            1 => parts.remove(0),
            _ => Re::Seq(parts),
        }
    }

    /// The smallest and largest number of characters that it matches, as Python counts them.
    pub fn width(&self) -> (u64, u64) {
        let times = |n: u64, count: u32| match count {
            crate::automata::UNBOUNDED => {
                if n == 0 {
                    0
                } else {
                    ENDLESS
                }
            }
            count => n.saturating_mul(count.into()),
        };
        match self {
            Re::Class(_) => (1, 1),
            Re::Text(text) => {
                let width = text.chars().count() as u64;
                (width, width)
            }
            Re::Seq(parts) => parts.iter().map(Re::width).fold((0, 0), |sum: (u64, u64), part| {
                (sum.0.saturating_add(part.0), sum.1.saturating_add(part.1))
            }),
            Re::Alt(parts) => {
                let widths = || parts.iter().map(Re::width);
                (widths().map(|w| w.0).min().unwrap_or(0), widths().map(|w| w.1).max().unwrap_or(0))
            }
            Re::Repeat { body, min, max, .. } => {
                let width = body.width();
                (times(width.0, *min), times(width.1, *max))
            }
            Re::Empty
            | Re::Look { .. }
            | Re::Start { .. }
            | Re::End { .. }
            | Re::TextEnd
            | Re::Boundary { .. } => (0, 0),
        }
    }

    fn parts(&self) -> &[Re] {
        match self {
            Re::Seq(parts) | Re::Alt(parts) => parts,
            Re::Repeat { body, .. } | Re::Look { body, .. } => std::slice::from_ref(body),
            _ => &[],
        }
    }

    /// True if no part of it depends on the text before or after the match.
    fn is_plain(&self) -> bool {
        match self {
            Re::Look { .. } | Re::Start { .. } | Re::End { .. } | Re::TextEnd | Re::Boundary { .. } => false,
            _ => self.parts().iter().all(Re::is_plain),
        }
    }

    /// True if a matcher has no choice in it.
    fn is_simple(&self) -> bool {
        match self {
            Re::Empty | Re::Class(_) | Re::Text(_) => true,
            Re::Seq(parts) => parts.iter().all(Re::is_simple),
            Re::Repeat { body, min, max, .. } => min == max && body.is_simple(),
            _ => false,
        }
    }

    /// The pattern of its matches that are not empty, if there are any.
    fn filled(&self) -> Option<Re> {
        if self.width().0 > 0 {
            return Some(self.clone());
        }
        match self {
            Re::Seq(parts) => {
                let mut ways = Vec::new();
                // An assertion stays in front where the parts before the first filled one are
                // empty.
                let mut asked: Vec<Re> = Vec::new();
                for (i, part) in parts.iter().enumerate() {
                    if let Some(filled) = part.filled() {
                        let rest = parts[i + 1..].iter().cloned();
                        let whole = asked.iter().cloned().chain(std::iter::once(filled)).chain(rest);
                        ways.push(Re::seq(whole.collect()));
                    }
                    if part.width().0 > 0 {
                        break;
                    }
                    if part.width().1 == 0 {
                        asked.push(part.clone());
                    }
                }
                Re::any(ways)
            }
            Re::Alt(parts) => Re::any(parts.iter().filter_map(Re::filled).collect()),
            Re::Repeat { body, max, lazy, .. } if body.width().0 > 0 => {
                let body = Box::new(body.filled()?);
                Some(Re::Repeat { body, min: 1, max: *max, lazy: *lazy })
            }
            // In the rounds after the first filled one, an empty match keeps its rank.
            Re::Repeat { body, .. } => Some(Re::seq(vec![body.filled()?, self.one_round_less()?])),
            _ => None,
        }
    }

    /// The matches that are not empty, divided by their rank: those that a matcher tries before the
    /// empty match, and those that it tries after it. In `(?:a?|b)*` the empty match of `a?` comes
    /// between `a` and `b`.
    ///
    /// Patterns with assertions are not divided.
    fn ranked(&self) -> [Option<Re>; 2] {
        if self.width().0 > 0 || !self.is_plain() {
            return [self.filled(), None];
        }
        match self {
            Re::Seq(parts) => {
                let (mut before, mut after) = (Vec::new(), Vec::new());
                for (i, part) in parts.iter().enumerate() {
                    let whole = |part: Re| {
                        let rest = parts[i + 1..].iter().cloned();
                        Re::seq(std::iter::once(part).chain(rest).collect())
                    };
                    let [sooner, later] = part.ranked().map(|part| part.map(whole));
                    before.extend(sooner);
                    after.extend(later);
                }
                // A matcher goes on to a part's later choices only after it has tried all choices
                // of the parts behind it.
                after.reverse();
                [before, after].map(Re::any)
            }
            Re::Alt(parts) => {
                let Some(first) = parts.iter().position(|part| part.width().0 == 0) else {
                    return [self.filled(), None];
                };
                let [sooner, later] = parts[first].ranked();
                let before = parts[..first].iter().cloned().chain(sooner).collect();
                let after =
                    later.into_iter().chain(parts[first + 1..].iter().filter_map(Re::filled)).collect();
                [before, after].map(Re::any)
            }
            Re::Repeat { min: 0, lazy: true, .. } => [None, self.filled()],
            Re::Repeat { body, lazy, .. } => {
                let Some(more) = self.one_round_less() else { return [None, None] };
                let round = |part: Re| Re::seq(vec![part, more.clone()]);
                match body.ranked() {
                    // After an empty first round, a lazy repetition adds no round, so its match is
                    // empty. All other matches come after it.
                    [sooner, _] if *lazy => [sooner.map(round), self.filled()],
                    [_, None] => [self.filled(), None],
                    parts => parts.map(|part| part.map(round)),
                }
            }
            _ => [None, None],
        }
    }

    /// The rest of a repetition after one round.
    fn one_round_less(&self) -> Option<Re> {
        let Re::Repeat { body, min, max, lazy } = self else { return None };
        let max = match *max {
            crate::automata::UNBOUNDED => *max,
            max => max.checked_sub(1)?,
        };
        Some(Re::Repeat { body: body.clone(), min: min.saturating_sub(1), max, lazy: *lazy })
    }

    fn any(mut ways: Vec<Re>) -> Option<Re> {
        match ways.len() {
            0 => None,
            1 => Some(ways.remove(0)),
            _ => Some(Re::Alt(ways)),
        }
    }
}
