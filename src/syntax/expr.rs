//! The expressions of rules, in the form that all notations share.

use crate::automata::LangId;
use crate::grammar::NodeId;
use std::ops::Range;

/// The text that a rule stands for.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    /// Exactly this text.
    Text(String),
    /// One character of these ranges, sorted and disjoint.
    Class(Vec<(u32, u32)>),
    /// The rule of that name, with the place of the reference.
    Rule(String, Range<usize>),
    /// The special token of that name.
    Token(String),
    /// Any text in which that name does not occur.
    TextWithout(String),
    /// A text of this language of the builder's.
    Language(LangId),
    /// A text of this node of the builder's.
    Node(NodeId),
    Seq(Vec<Expr>),
    Alt(Vec<Expr>),
    /// The body repeated, with the least and the greatest number of rounds.
    Repeat(Box<Expr>, u32, u32),
    /// The texts of the first part that are not texts of the second. Both are regular.
    Except {
        base: Box<Expr>,
        excluded: Box<Expr>,
        span: Range<usize>,
    },
}

impl Expr {
    /// The empty text.
    pub const EMPTY: Expr = Expr::Seq(Vec::new());

    /// The parts one after the other.
    pub fn seq(mut parts: Vec<Expr>) -> Expr {
        match parts.len() {
            1 => parts.remove(0),
            _ => Expr::Seq(parts),
        }
    }

    /// Any of the parts.
    pub fn alt(mut parts: Vec<Expr>) -> Expr {
        match parts.len() {
            1 => parts.remove(0),
            _ => Expr::Alt(parts),
        }
    }

    /// The alternatives that a parser reads with `next`, for as long as `goes_on` takes the sign
    /// between two of them.
    pub fn alternatives<P, E>(
        parser: &mut P,
        next: fn(&mut P) -> Result<Expr, E>,
        goes_on: fn(&mut P) -> bool,
    ) -> Result<Expr, E> {
        let mut parts = vec![next(parser)?];
        while goes_on(parser) {
            parts.push(next(parser)?);
        }
        Ok(Expr::alt(parts))
    }

    pub fn repeat(self, min: u32, max: u32) -> Expr {
        Expr::Repeat(Box::new(self), min, max)
    }

    pub fn parts(&self) -> &[Expr] {
        match self {
            Expr::Seq(parts) | Expr::Alt(parts) => parts,
            Expr::Repeat(body, ..) => std::slice::from_ref(body),
            _ => &[],
        }
    }

    pub fn has_exception(&self) -> bool {
        matches!(self, Expr::Except { .. }) || self.parts().iter().any(Expr::has_exception)
    }

    /// Calls `f` with the name and the place of every rule that is referred to, in order.
    pub fn references<'e>(&'e self, f: &mut impl FnMut(&'e str, &'e Range<usize>)) {
        match self {
            Expr::Rule(name, span) => f(name, span),
            Expr::Except { base, excluded, .. } => {
                base.references(f);
                excluded.references(f);
            }
            _ => self.parts().iter().for_each(|part| part.references(f)),
        }
    }
}

/// A named expression.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub name: String,
    /// The place of the name in its definition.
    pub span: Range<usize>,
    pub body: Expr,
}
