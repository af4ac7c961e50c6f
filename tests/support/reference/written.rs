//! Grammars written out as text, for the front ends that read them.

use super::{Grammar, Language, Node};
use hedgerow::automata::UNBOUNDED;
use std::fmt::Write;

/// The notation of a written grammar.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// llama.cpp's.
    Gbnf,
    /// The W3C's EBNF.
    W3c,
    /// ISO's EBNF.
    Iso,
}

impl Grammar {
    /// The same grammar without the parts that the notation cannot express. Complements,
    /// intersections, switches, containers, and parts that match nothing are replaced by simpler
    /// parts.
    pub fn simplified(mut self, style: Style) -> Self {
        self.languages.iter_mut().for_each(|language| simplify(language, style));
        for at in 0..self.nodes.len() {
            let node = std::mem::replace(&mut self.nodes[at], Node::Empty);
            self.nodes[at] = match node {
                Node::NonEmpty(body) => Node::Seq(vec![body]),
                Node::Never => Node::Empty,
                Node::Object(_) | Node::Array(_) | Node::Lazy(_) => Node::Seq(vec![self.literal(b"o")]),
                Node::Special(_) if style != Style::Gbnf => Node::Empty,
                Node::Switch { literals, cases, .. } => {
                    let cases = literals.iter().zip(cases).map(|(literal, case)| {
                        let literal = self.literal(literal.as_bytes());
                        self.add(Node::Seq(vec![literal, case.1]))
                    });
                    Node::Alt(cases.collect())
                }
                Node::Repeat { body, min, max } => {
                    Node::Repeat { body, min: min.min(max), max: max.max(min) }
                }
                other => other,
            };
        }
        self
    }

    /// A simplified context-free grammar as text.
    pub fn written(&self, style: Style) -> String {
        let (define, end) = match style {
            Style::Gbnf | Style::W3c => ("::=", "\n"),
            Style::Iso => ("=", ";\n"),
        };
        let mut text = format!("root {define} {}{end}", self.node_in(style, self.root));
        for (i, &rule) in self.rules.iter().enumerate() {
            write!(text, "r{i} {define} {}{end}", self.node_in(style, rule)).unwrap();
        }
        text
    }

    fn node_in(&self, style: Style, node: usize) -> String {
        let all = |parts: &[usize]| -> Vec<String> {
            parts.iter().map(|&part| self.node_in(style, part)).collect()
        };
        match &self.nodes[node] {
            Node::Empty => "\"\"".to_owned(),
            Node::Terminal(language) => language_in(style, &self.languages[*language]),
            Node::Seq(parts) => sequence_in(style, &all(parts)),
            Node::Alt(parts) => format!("({})", all(parts).join(" | ")),
            Node::Repeat { body, min, max } => repeat_in(style, &self.node_in(style, *body), *min, *max),
            Node::Rule(rule) => format!("r{rule}"),
            Node::Special(name) => name.clone(),
            other => panic!("{other:?} cannot be written"),
        }
    }
}

fn simplify(language: &mut Language, style: Style) {
    let simpler = match language {
        Language::Inter(parts) => Language::Union(std::mem::take(parts)),
        Language::Not(body) | Language::Json(body, _) => std::mem::replace(&mut **body, Language::Empty),
        Language::All => Language::Text,
        Language::Never => Language::Empty,
        // ISO's EBNF has no classes of characters.
        Language::Chars(_) if style == Style::Iso => Language::Bytes(b"ab".to_vec()),
        Language::Text if style == Style::Iso => {
            Language::Repeat(Box::new(Language::Bytes(b"abc".to_vec())), 0, UNBOUNDED)
        }
        Language::Concat(parts) | Language::Union(parts) => {
            return parts.iter_mut().for_each(|part| simplify(part, style));
        }
        Language::Repeat(body, min, max) => {
            (*min, *max) = ((*min).min(*max), (*min).max(*max));
            return simplify(body, style);
        }
        _ => return,
    };
    *language = simpler;
    simplify(language, style);
}

fn language_in(style: Style, language: &Language) -> String {
    let all =
        |parts: &[Language]| -> Vec<String> { parts.iter().map(|part| language_in(style, part)).collect() };
    match language {
        Language::Empty => "\"\"".to_owned(),
        Language::Text if style == Style::Gbnf => ".*".to_owned(),
        Language::Text => "[#x0-#x10FFFF]*".to_owned(),
        Language::Literals(words) => {
            let words: Vec<String> =
                words.iter().map(|w| format!("\"{}\"", std::str::from_utf8(w).unwrap())).collect();
            format!("({})", words.join(" | "))
        }
        Language::Bytes(bytes) if style == Style::Iso => {
            let letters: Vec<String> = bytes.iter().map(|&b| format!("'{}'", char::from(b))).collect();
            format!("({})", letters.join(" | "))
        }
        Language::Bytes(bytes) => format!("[{}]", std::str::from_utf8(bytes).unwrap()),
        Language::Chars(ranges) => {
            let range = |&(from, to): &(u32, u32)| match style {
                Style::Gbnf => format!("\\U{from:08x}-\\U{to:08X}"),
                _ => format!("#x{from:x}-#x{to:X}"),
            };
            format!("[{}]", ranges.iter().map(range).collect::<String>())
        }
        Language::Concat(parts) => sequence_in(style, &all(parts)),
        Language::Union(parts) => format!("({})", all(parts).join(" | ")),
        Language::Repeat(body, min, max) => repeat_in(style, &language_in(style, body), *min, *max),
        other => panic!("{other:?} cannot be written"),
    }
}

fn sequence_in(style: Style, parts: &[String]) -> String {
    format!("({})", parts.join(if style == Style::Iso { ", " } else { " " }))
}

/// A repetition, written with the operator that the notation has for it, so that all operators are
/// read.
fn repeat_in(style: Style, body: &str, min: u32, max: u32) -> String {
    let bounded = |max: u32| {
        // The rounds above the minimum are nested, so that the text stays short.
        let option = |rest: &str| match style {
            Style::Iso => format!("[{body}, {rest}]"),
            _ => format!("(({body}) {rest})?"),
        };
        let above = (min..max).fold("\"\"".to_owned(), |rest, _| option(&rest));
        let least = match style {
            Style::Iso => format!("{min} * ({body})"),
            _ => format!("({})", vec![format!("({body})"); min as usize].join(" ")),
        };
        sequence_in(style, &[least, above])
    };
    match (style, min, max) {
        (Style::Iso, 0, UNBOUNDED) => format!("{{ {body} }}"),
        (Style::Iso, _, UNBOUNDED) => format!("({min} * ({body}), {{ {body} }})"),
        (Style::Iso, 0, 1) => format!("[ {body} ]"),
        (Style::Iso, ..) => bounded(max),
        (_, 0, UNBOUNDED) => format!("({body})*"),
        (_, 1, UNBOUNDED) => format!("({body})+"),
        (_, 0, 1) => format!("({body})?"),
        (Style::Gbnf, _, UNBOUNDED) => format!("({body}){{{min},}}"),
        (Style::Gbnf, ..) if min == max => format!("({body}){{{min}}}"),
        (Style::Gbnf, ..) => format!("({body}){{{min},{max}}}"),
        (Style::W3c, _, UNBOUNDED) => {
            format!("({} ({body})*)", vec![format!("({body})"); min as usize].join(" "))
        }
        (Style::W3c, ..) => bounded(max),
    }
}
