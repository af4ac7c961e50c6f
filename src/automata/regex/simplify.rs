//! Rewriting of syntax trees into smaller ones that match in the same texts.
//!
//! - *Ends.* A searched match may begin and end anywhere. So at both ends of a pattern the fewest
//!   rounds are enough: `(ab){2,9}c?` is found where `(ab){2}` is. The same holds for the end of
//!   lookahead and for the beginning of lookbehind.
//! - *Lookahead that the next character decides.* Before `[0-9]+` the assertion `(?=\w)` always
//!   holds, and `(?==.{3,9})` never does. The characters with which the rest may begin are found
//!   without its assertions. They may be too many, and then an assertion stays.
//!
//! Both leave fewer assertions in counted groups. A group without assertions is a plain repetition
//! and not a loop ([`assertions`](super::assertions)).

use super::Anchoring;
use super::ast::{Node, Side, Sign};
use super::ecma_class::class_of;
use regex_syntax::hir::ClassUnicode;
use std::sync::Arc;

/// The beginnings of the texts that may follow a position.
#[derive(Clone)]
struct Next {
    /// The next characters.
    class: ClassUnicode,
    /// True if the text may end.
    may_end: bool,
}

/// A tree that matches in the same texts as `node`.
pub(super) fn simplified(node: Node, anchoring: Anchoring) -> Node {
    let (node, next) = match anchoring {
        Anchoring::Search => (node.trimmed(Side::Behind).trimmed(Side::Ahead), Next::any()),
        Anchoring::Full => (node, Next { class: ClassUnicode::empty(), may_end: true }),
    };
    if node.looks_ahead() { node.settled(&next) } else { node }
}

impl Next {
    /// Any text.
    fn any() -> Self {
        Next { class: class_of(&[(0, 0x10_ffff)]), may_end: true }
    }

    /// The beginnings before `node`, if `self` holds those behind it.
    fn before(&self, node: &Node) -> Self {
        let mut ranges = Vec::new();
        let first = node.first(&mut ranges);
        let mut next = Next { class: class_of(&ranges), may_end: first.is_end };
        if first.is_empty {
            next.class.union(&self.class);
            next.may_end |= self.may_end;
        }
        next
    }
}

/// The ways in which a match begins without a character.
#[derive(Clone, Copy, Default)]
struct First {
    /// True if the match may be empty.
    is_empty: bool,
    /// True if the text may have to end there.
    is_end: bool,
}

impl Node {
    /// The tree with the fewest rounds at one side, on which any text may stand.
    fn trimmed(self, side: Side) -> Node {
        match self {
            Node::Alt(parts) => {
                let parts: Vec<Node> = parts.into_iter().map(|part| part.trimmed(side)).collect();
                match parts.iter().any(|part| matches!(part, Node::Empty)) {
                    true => Node::Empty,
                    false => Node::alt(parts),
                }
            }
            Node::Concat(mut parts) => {
                // The side that is trimmed is the end of the list.
                let turn = |parts: &mut Vec<Node>| {
                    if side == Side::Behind {
                        parts.reverse()
                    }
                };
                turn(&mut parts);
                while let Some(part) = parts.pop() {
                    let part = part.trimmed(side);
                    if !matches!(part, Node::Empty) {
                        parts.push(part);
                        break;
                    }
                }
                turn(&mut parts);
                Node::concat(parts)
            }
            Node::Repeat(_, 0, _) => Node::Empty,
            Node::Repeat(body, 1, _) => Arc::unwrap_or_clone(body).trimmed(side),
            Node::Repeat(body, min, _) => Node::Repeat(body, min, min),
            other => other,
        }
    }

    fn looks_ahead(&self) -> bool {
        match self {
            Node::Concat(parts) | Node::Alt(parts) => parts.iter().any(Node::looks_ahead),
            Node::Repeat(body, ..) => body.looks_ahead(),
            Node::Look { side, .. } => *side == Side::Ahead,
            Node::Empty | Node::Literal(_) | Node::Class(_) | Node::Start | Node::End => false,
        }
    }

    /// True for the empty class, which matches nothing.
    fn is_nothing(&self) -> bool {
        matches!(self, Node::Class(class) if class.ranges().is_empty())
    }

    /// The tree without assertions that `next` decides.
    fn settled(self, next: &Next) -> Node {
        match self {
            Node::Alt(parts) => {
                let mut parts: Vec<Node> = parts.into_iter().map(|part| part.settled(next)).collect();
                if parts.iter().any(|part| !part.is_nothing()) {
                    parts.retain(|part| !part.is_nothing());
                }
                Node::alt(parts)
            }
            Node::Concat(mut parts) => {
                let mut next = next.clone();
                for part in parts.iter_mut().rev() {
                    let before = next.before(part);
                    *part = std::mem::replace(part, Node::Empty).settled(&next);
                    next = before;
                }
                match parts.iter().any(Node::is_nothing) {
                    true => Node::Class(ClassUnicode::empty()),
                    false => Node::concat(parts),
                }
            }
            Node::Repeat(body, min, max) if max > 1 => {
                let mut inner = next.before(&body);
                inner.class.union(&next.class);
                inner.may_end |= next.may_end;
                Node::Repeat(Arc::new(Arc::unwrap_or_clone(body).settled(&inner)), min, max)
            }
            Node::Repeat(body, min, max) => {
                Node::Repeat(Arc::new(Arc::unwrap_or_clone(body).settled(next)), min, max)
            }
            Node::Look { side: Side::Ahead, sign, body, span } => {
                let body = match body.trimmed(Side::Ahead).settled(&Next::any()) {
                    Node::Alt(mut parts) => {
                        parts.retain(|part| part.holds_before(next) != Some(false));
                        Node::alt(parts)
                    }
                    other => other,
                };
                match (body.holds_before(next), sign) {
                    (Some(true), Sign::Demands) | (Some(false), Sign::Forbids) => Node::Empty,
                    (Some(_), _) => Node::Class(ClassUnicode::empty()),
                    (None, _) => Node::look(Side::Ahead, sign, body, &span),
                }
            }
            Node::Look { side: Side::Behind, sign, body, span } => {
                Node::look(Side::Behind, sign, body.trimmed(Side::Behind), &span)
            }
            other => other,
        }
    }

    /// True or false if the tree matches, or does not match, whatever of `next` follows; `None` if
    /// that is not known.
    fn holds_before(&self, next: &Next) -> Option<bool> {
        if matches!(self, Node::Empty) {
            return Some(true);
        }
        let begun = Next { class: ClassUnicode::empty(), may_end: false }.before(self);
        let mut ranges = Vec::new();
        if self.first(&mut ranges).is_empty {
            return None;
        }
        let mut both = begun.class;
        both.intersect(&next.class);
        if both.ranges().is_empty() && !(begun.may_end && next.may_end) {
            return Some(false);
        }
        let mut others = next.class.clone();
        others.difference(&self.single_characters());
        (others.ranges().is_empty() && !next.may_end).then_some(true)
    }

    /// Characters that are a match by themselves.
    fn single_characters(&self) -> ClassUnicode {
        match self {
            Node::Class(class) => class.clone(),
            Node::Literal(text) => {
                let mut chars = text.chars().map(u32::from);
                let only = chars.next().filter(|_| chars.next().is_none());
                class_of(&Vec::from_iter(only.map(|c| (c, c))))
            }
            Node::Alt(parts) => {
                let mut ranges = Vec::new();
                for part in parts {
                    let class = part.single_characters();
                    ranges.extend(class.ranges().iter().map(|r| (u32::from(r.start()), u32::from(r.end()))));
                }
                class_of(&ranges)
            }
            _ => ClassUnicode::empty(),
        }
    }

    /// Adds the characters with which a match may begin to `ranges`. Assertions but `$` count as
    /// empty.
    fn first(&self, ranges: &mut Vec<(u32, u32)>) -> First {
        let empty = First { is_empty: true, is_end: false };
        match self {
            Node::Empty | Node::Start | Node::Look { .. } => empty,
            Node::End => First { is_empty: false, is_end: true },
            Node::Literal(text) => match text.chars().next().map(u32::from) {
                Some(c) => {
                    ranges.push((c, c));
                    First::default()
                }
                None => empty,
            },
            Node::Class(class) => {
                ranges.extend(class.ranges().iter().map(|r| (u32::from(r.start()), u32::from(r.end()))));
                First::default()
            }
            Node::Alt(parts) => parts.iter().fold(First::default(), |all, part| {
                let first = part.first(ranges);
                First { is_empty: all.is_empty | first.is_empty, is_end: all.is_end | first.is_end }
            }),
            Node::Concat(parts) => {
                let mut is_end = false;
                for part in parts {
                    let first = part.first(ranges);
                    is_end |= first.is_end;
                    if !first.is_empty {
                        return First { is_empty: false, is_end };
                    }
                }
                First { is_empty: true, is_end }
            }
            Node::Repeat(_, _, 0) => empty,
            Node::Repeat(body, min, _) => {
                let first = body.first(ranges);
                First { is_empty: first.is_empty || *min == 0, ..first }
            }
        }
    }
}
