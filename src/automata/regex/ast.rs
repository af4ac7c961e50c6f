//! The syntax tree that both dialects are read into: the texts that are matched, and the assertions
//! about what surrounds them.

use crate::automata::UNBOUNDED;
use crate::automata::fingerprint::Fingerprinter;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use std::ops::Range;
use std::sync::Arc;

/// The side of a position that an assertion speaks about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// The text before the position, as in `(?<=a)`.
    Behind,
    /// The text after the position, as in `(?=a)`.
    Ahead,
}

/// The sense of an assertion: `(?=a)` demands a match and `(?!a)` forbids it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    Demands,
    Forbids,
}

/// A regular expression. It nests at most [`NEST_LIMIT`](super::NEST_LIMIT) deep, so that recursion
/// over it is safe.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Empty,
    Literal(String),
    Class(ClassUnicode),
    Concat(Vec<Node>),
    Alt(Vec<Node>),
    /// The body repeated, with the least and the greatest number of rounds. Loops of the pool share
    /// the body.
    Repeat(Arc<Node>, u32, u32),
    /// An assertion that nothing precedes: `^`.
    Start,
    /// An assertion that nothing follows: `$`.
    End,
    /// An assertion that `body` matches, or does not match, up to the position or from it on.
    Look {
        side: Side,
        sign: Sign,
        body: Box<Node>,
        span: Range<usize>,
    },
}

impl Node {
    /// The concatenation of `parts`.
    pub fn concat(mut parts: Vec<Node>) -> Node {
        match parts.len() {
            0 => Node::Empty,
            1 => parts.remove(0),
            _ => Node::Concat(parts),
        }
    }

    /// The alternation of `parts`.
    pub fn alt(mut parts: Vec<Node>) -> Node {
        match parts.len() {
            1 => parts.remove(0),
            _ => Node::Alt(parts),
        }
    }

    pub fn look(side: Side, sign: Sign, body: Node, span: &Range<usize>) -> Node {
        Node::Look { side, sign, body: Box::new(body), span: span.clone() }
    }

    /// The boundary of a word made of characters of `word`, or if `sign` forbids, a position that
    /// is no boundary.
    pub fn word_boundary(word: &ClassUnicode, sign: Sign, span: &Range<usize>) -> Node {
        let case = |behind: Sign, ahead: Sign| {
            Node::Concat(vec![
                Node::look(Side::Behind, behind, Node::Class(word.clone()), span),
                Node::look(Side::Ahead, ahead, Node::Class(word.clone()), span),
            ])
        };
        use Sign::{Demands, Forbids};
        match sign {
            Demands => Node::Alt(vec![case(Demands, Forbids), case(Forbids, Demands)]),
            Forbids => Node::Alt(vec![case(Demands, Demands), case(Forbids, Forbids)]),
        }
    }

    /// True if every match is empty, as those of assertions are.
    pub fn reads_nothing(&self) -> bool {
        match self {
            Node::Empty | Node::Start | Node::End | Node::Look { .. } => true,
            Node::Literal(_) | Node::Class(_) => false,
            Node::Concat(parts) | Node::Alt(parts) => parts.iter().all(Node::reads_nothing),
            Node::Repeat(body, _, max) => *max == 0 || body.reads_nothing(),
        }
    }

    /// The largest count of a repetition outside of assertions, and 1 if there is none.
    pub fn largest_count(&self) -> u32 {
        match self {
            Node::Concat(parts) | Node::Alt(parts) => {
                parts.iter().map(Node::largest_count).max().unwrap_or(1)
            }
            Node::Repeat(body, min, max) => {
                let max = if *max == UNBOUNDED { 1 } else { *max };
                body.largest_count().max(*min).max(max)
            }
            Node::Empty | Node::Literal(_) | Node::Class(_) | Node::Start | Node::End | Node::Look { .. } => {
                1
            }
        }
    }

    /// The tree in which repetitions with a count above `small` have any number of rounds, outside
    /// of assertions.
    pub fn without_counts(&self, small: u32) -> Node {
        let all =
            |parts: &[Node]| -> Vec<Node> { parts.iter().map(|part| part.without_counts(small)).collect() };
        match self {
            Node::Concat(parts) => Node::Concat(all(parts)),
            Node::Alt(parts) => Node::Alt(all(parts)),
            Node::Repeat(body, min, max) => {
                let body = Arc::new(body.without_counts(small));
                let is_large = |count| count != UNBOUNDED && count > small;
                match is_large(*min) || is_large(*max) {
                    true => Node::Repeat(body, (*min).min(1), UNBOUNDED),
                    false => Node::Repeat(body, *min, *max),
                }
            }
            other => other.clone(),
        }
    }

    /// Visits all nodes of two trees that differ only in counts, pair by pair.
    pub fn visit_pairs(&self, other: &Node, visit: &mut impl FnMut(&Node, &Node)) {
        visit(self, other);
        match (self, other) {
            (Node::Concat(parts), Node::Concat(others)) | (Node::Alt(parts), Node::Alt(others)) => {
                parts.iter().zip(others).for_each(|(part, other)| part.visit_pairs(other, visit));
            }
            (Node::Repeat(body, ..), Node::Repeat(other, ..)) => body.visit_pairs(other, visit),
            (Node::Look { body, .. }, Node::Look { body: other, .. }) => body.visit_pairs(other, visit),
            _ => {}
        }
    }

    /// True if a match may be empty, at least where the assertions hold.
    pub fn may_be_empty(&self) -> bool {
        self.fewest_characters() == 0
    }

    /// The depth to which repetitions nest.
    pub fn nested_repeats(&self) -> u32 {
        match self {
            Node::Concat(parts) | Node::Alt(parts) => {
                parts.iter().map(Node::nested_repeats).max().unwrap_or(0)
            }
            Node::Repeat(body, ..) => body.nested_repeats() + 1,
            Node::Look { body, .. } => body.nested_repeats(),
            Node::Empty | Node::Literal(_) | Node::Class(_) | Node::Start | Node::End => 0,
        }
    }

    /// The fewest characters of a match. Assertions count as empty.
    pub fn fewest_characters(&self) -> u32 {
        match self {
            Node::Empty | Node::Start | Node::End | Node::Look { .. } => 0,
            Node::Literal(text) => u32::try_from(text.chars().count()).unwrap_or(u32::MAX),
            Node::Class(_) => 1,
            Node::Concat(parts) => {
                parts.iter().fold(0, |sum: u32, part| sum.saturating_add(part.fewest_characters()))
            }
            Node::Alt(parts) => parts.iter().map(Node::fewest_characters).min().unwrap_or(0),
            Node::Repeat(body, min, _) => body.fewest_characters().saturating_mul(*min),
        }
    }

    /// The characters that the node matches, if it matches single characters and nothing else.
    pub fn one_character(&self) -> Option<ClassUnicode> {
        match self {
            Node::Class(class) => Some(class.clone()),
            Node::Literal(text) => {
                let mut chars = text.chars();
                let only = chars.next().filter(|_| chars.as_str().is_empty())?;
                Some(ClassUnicode::new([ClassUnicodeRange::new(only, only)]))
            }
            Node::Alt(parts) => parts.iter().try_fold(ClassUnicode::empty(), |mut all, part| {
                all.union(&part.one_character()?);
                Some(all)
            }),
            _ => None,
        }
    }

    /// Adds the node to the fingerprint `f`. Equal trees give equal fingerprints.
    pub fn fingerprint(&self, f: Fingerprinter) -> Fingerprinter {
        match self {
            Node::Empty => f.word(1),
            Node::Literal(text) => f.word(2).bytes(text.as_bytes()),
            Node::Class(class) => {
                let ranges = class.ranges();
                ranges.iter().fold(f.word(3).word(ranges.len() as u64), |f, r| {
                    f.word(u64::from(u32::from(r.start())) << 32 | u64::from(u32::from(r.end())))
                })
            }
            Node::Concat(parts) => {
                parts.iter().fold(f.word(4).word(parts.len() as u64), |f, p| p.fingerprint(f))
            }
            Node::Alt(parts) => {
                parts.iter().fold(f.word(5).word(parts.len() as u64), |f, p| p.fingerprint(f))
            }
            Node::Repeat(body, min, max) => {
                body.fingerprint(f.word(6).word(u64::from(*min) << 32 | u64::from(*max)))
            }
            Node::Start => f.word(7),
            Node::End => f.word(8),
            Node::Look { side, sign, body, .. } => {
                body.fingerprint(f.word(9).word(*side as u64 * 2 + *sign as u64))
            }
        }
    }
}
