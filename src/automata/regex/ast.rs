//! The syntax tree both dialects are read into: what is matched, and what is asserted about the surroundings.

use crate::automata::fingerprint::Fingerprinter;
use regex_syntax::hir::ClassUnicode;
use std::ops::Range;

/// Which side of a position an assertion speaks about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// What precedes.
    Behind,
    /// What follows.
    Ahead,
}

/// Whether an assertion demands or forbids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    Demands,
    Forbids,
}

/// A regular expression. Nests at most [`NEST_LIMIT`](super::NEST_LIMIT) deep, so that recursion over it is safe.
#[derive(Debug)]
pub(super) enum Node {
    Empty,
    Literal(String),
    Class(ClassUnicode),
    Concat(Vec<Node>),
    Alt(Vec<Node>),
    Repeat {
        body: Box<Node>,
        min: u32,
        max: u32,
    },
    /// Nothing precedes.
    Start,
    /// Nothing follows.
    End,
    /// `body` matches up to here, or from here on.
    Look {
        side: Side,
        sign: Sign,
        body: Box<Node>,
        span: Range<usize>,
    },
}

impl Node {
    /// The parts one after the other.
    pub fn concat(mut parts: Vec<Node>) -> Node {
        match parts.len() {
            0 => Node::Empty,
            1 => parts.remove(0),
            _ => Node::Concat(parts),
        }
    }

    /// Any of the parts.
    pub fn alt(mut parts: Vec<Node>) -> Node {
        match parts.len() {
            1 => parts.remove(0),
            _ => Node::Alt(parts),
        }
    }

    pub fn look(side: Side, sign: Sign, body: Node, span: &Range<usize>) -> Node {
        Node::Look { side, sign, body: Box::new(body), span: span.clone() }
    }

    /// A boundary of words made of `word` characters; or, where `sign` forbids, no boundary.
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

    /// The node is written into `f`; equal trees give equal fingerprints.
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
            Node::Repeat { body, min, max } => {
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
