//! The dialect of the Rust `regex` crate, through the syntax tree of `regex-syntax`.

use super::ast::{Node, Side, Sign};
use super::ecma_class::class_of;
use super::error::RegexErrorKind;
use super::{NEST_LIMIT, PatternFault};
use crate::automata::UNBOUNDED;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look};
use std::sync::Arc;

/// Parses a whole pattern.
pub(super) fn parse(pattern: &str) -> Result<Node, PatternFault> {
    let hir = ParserBuilder::new().nest_limit(NEST_LIMIT).build().parse(pattern).map_err(failure)?;
    Ok(node(&hir, &(0..pattern.len())))
}

fn failure(error: regex_syntax::Error) -> PatternFault {
    use regex_syntax::ast::ErrorKind;
    let (span, what) = match &error {
        regex_syntax::Error::Parse(e) => {
            let span = e.span().start.offset..e.span().end.offset;
            match e.kind() {
                ErrorKind::NestLimitExceeded(limit) => {
                    return (span, RegexErrorKind::Nesting { limit: *limit });
                }
                kind => (span, kind.to_string()),
            }
        }
        regex_syntax::Error::Translate(e) => {
            (e.span().start.offset..e.span().end.offset, e.kind().to_string())
        }
        other => (0..0, other.to_string()),
    };
    let help = "see the syntax of the Rust regex crate; lookaround is there in the ECMA-262 dialect";
    (span, RegexErrorKind::Syntax { what, help })
}

type Span = std::ops::Range<usize>;

fn node(hir: &Hir, span: &Span) -> Node {
    match hir.kind() {
        HirKind::Empty => Node::Empty,
        // In UTF-8 mode, which is the default, every literal is text.
        HirKind::Literal(literal) => Node::Literal(String::from_utf8_lossy(&literal.0).into_owned()),
        HirKind::Class(Class::Unicode(class)) => Node::Class(class.clone()),
        HirKind::Class(Class::Bytes(class)) => Node::Class(class_of(
            &class.ranges().iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect::<Vec<_>>(),
        )),
        HirKind::Look(look) => assertion(*look, span),
        HirKind::Repetition(repetition) => Node::Repeat(
            Arc::new(node(&repetition.sub, span)),
            repetition.min,
            repetition.max.unwrap_or(UNBOUNDED),
        ),
        HirKind::Capture(capture) => node(&capture.sub, span),
        HirKind::Concat(parts) => Node::Concat(parts.iter().map(|part| node(part, span)).collect()),
        HirKind::Alternation(parts) => Node::Alt(parts.iter().map(|part| node(part, span)).collect()),
    }
}

fn assertion(look: Look, span: &Span) -> Node {
    use Side::{Ahead, Behind};
    use Sign::{Demands, Forbids};
    let next_to = |side, sign, class| Node::look(side, sign, Node::Class(class), span);
    let line = || class_of(&[(0x0a, 0x0a)]);
    let line_crlf = |side, first: char, second: char| {
        // The position is beside a line terminator, but not in the middle of \r\n.
        let edge = if side == Behind { Node::Start } else { Node::End };
        let other = if side == Behind { Ahead } else { Behind };
        let point = |c: char| class_of(&[(u32::from(c), u32::from(c))]);
        let apart =
            Node::Concat(vec![next_to(side, Demands, point(second)), next_to(other, Forbids, point(first))]);
        Node::Alt(vec![edge, next_to(side, Demands, point(first)), apart])
    };
    let edge_of_word = |from, to, word: ClassUnicode| {
        Node::Concat(vec![next_to(from, Forbids, word.clone()), next_to(to, Demands, word)])
    };
    match look {
        Look::Start => Node::Start,
        Look::End => Node::End,
        Look::StartLF => Node::Alt(vec![Node::Start, next_to(Behind, Demands, line())]),
        Look::EndLF => Node::Alt(vec![Node::End, next_to(Ahead, Demands, line())]),
        Look::StartCRLF => line_crlf(Behind, '\n', '\r'),
        Look::EndCRLF => line_crlf(Ahead, '\r', '\n'),
        Look::WordAscii => Node::word_boundary(&ascii_word(), Demands, span),
        Look::WordAsciiNegate => Node::word_boundary(&ascii_word(), Forbids, span),
        Look::WordUnicode => Node::word_boundary(&unicode_word(), Demands, span),
        Look::WordUnicodeNegate => Node::word_boundary(&unicode_word(), Forbids, span),
        Look::WordStartAscii => edge_of_word(Behind, Ahead, ascii_word()),
        Look::WordEndAscii => edge_of_word(Ahead, Behind, ascii_word()),
        Look::WordStartUnicode => edge_of_word(Behind, Ahead, unicode_word()),
        Look::WordEndUnicode => edge_of_word(Ahead, Behind, unicode_word()),
        Look::WordStartHalfAscii => next_to(Behind, Forbids, ascii_word()),
        Look::WordEndHalfAscii => next_to(Ahead, Forbids, ascii_word()),
        Look::WordStartHalfUnicode => next_to(Behind, Forbids, unicode_word()),
        Look::WordEndHalfUnicode => next_to(Ahead, Forbids, unicode_word()),
    }
}

fn ascii_word() -> ClassUnicode {
    super::ecma_class::word(false)
}

fn unicode_word() -> ClassUnicode {
    match regex_syntax::parse(r"\w").map(Hir::into_kind) {
        Ok(HirKind::Class(Class::Unicode(class))) => class,
        _ => ascii_word(),
    }
}
