//! Markers: texts of a grammar in which names of special tokens stand for these tokens.
//!
//! Only the vocabulary says which names are tokens, so markers are read when a grammar is tied to a
//! vocabulary. A text is cut as tokenizers cut added tokens: at each place the longest name wins.
//! If the vocabulary has the token `<|end|>`, the marker `a<|end|>b` is `a`, that token, and `b`.
//! Otherwise it is nine bytes.
//!
//! Free text up to a trigger holds no special token. A trigger without special tokens is a pattern
//! of an automaton ([`until`](crate::automata::until)). A trigger with a special token is read as
//! free text, the bytes before the token, the token, and so on. This is exact because the token
//! cannot come anywhere else.

use crate::automata::until::{Pattern, Until};
use crate::automata::{LangId, UNBOUNDED};
use crate::grammar::{MarkId, Node, NodeId, NodePool, UntilSpec};
use crate::vocab::Vocabulary;
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// The names of a vocabulary's special tokens, and the nodes that were bound to them.
#[derive(Default)]
pub(super) struct Markers {
    /// The vocabulary, until its names are read. They are read only when a grammar has markers,
    /// because a vocabulary may have hundreds of special tokens.
    unread: Option<Vocabulary>,
    names: HashSet<Box<str>>,
    /// Bytes of the names, longest first, each once.
    lengths: Vec<usize>,
    bound: HashMap<NodeId, NodeId>,
}

/// A piece of a text.
#[derive(PartialEq, Eq, Debug)]
enum Piece<'t> {
    Bytes(&'t str),
    Special(&'t str),
}

impl Markers {
    pub(super) fn of(vocabulary: &Vocabulary) -> Self {
        Markers { unread: Some(vocabulary.clone()), ..Markers::default() }
    }

    /// Reads the vocabulary's names, the first time.
    fn read_names(&mut self) {
        let Some(vocabulary) = self.unread.take() else { return };
        let names = vocabulary.special_tokens().map(|(name, _)| name).filter(|name| !name.is_empty());
        self.names = names.map(Box::from).collect();
        self.lengths = self.names.iter().map(|name| name.len()).collect();
        self.lengths.sort_unstable_by(|a, b| b.cmp(a));
        self.lengths.dedup();
    }

    /// The name at the beginning of `text`, the longest if there are several.
    fn name_at<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.lengths.iter().filter_map(|&length| text.get(..length)).find(|name| self.names.contains(*name))
    }

    fn pieces<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let (mut from, mut at) = (0, 0);
        while let Some(next) = text[at..].chars().next() {
            let Some(name) = self.name_at(&text[at..]) else {
                at += next.len_utf8();
                continue;
            };
            if from < at {
                pieces.push(Piece::Bytes(&text[from..at]));
            }
            pieces.push(Piece::Special(name));
            at += name.len();
            from = at;
        }
        if from < text.len() {
            pieces.push(Piece::Bytes(&text[from..]));
        }
        pieces
    }
}

impl Markers {
    /// True if `text` names no special token.
    fn is_bytes(&self, text: &str) -> bool {
        self.pieces(text).iter().all(|piece| matches!(piece, Piece::Bytes(_)))
    }

    /// The bytes before the first special token.
    fn head_bytes(&self, text: &str) -> usize {
        match self.pieces(text).first() {
            Some(Piece::Bytes(bytes)) => bytes.len(),
            _ => 0,
        }
    }

    /// True if the name of a token in `text` begins before the byte `border` and ends behind it.
    fn crosses(&self, text: &str, border: usize) -> bool {
        let mut at = 0;
        self.pieces(text).iter().any(|piece| {
            let (Piece::Bytes(part) | Piece::Special(part)) = piece;
            let from = at;
            at += part.len();
            matches!(piece, Piece::Special(_)) && from < border && border < at
        })
    }
}

impl Markers {
    /// The node that a spelled text, or free text up to one, is in this vocabulary.
    pub(super) fn bind(&mut self, node: NodeId, pool: &mut NodePool) -> NodeId {
        if let Some(&known) = self.bound.get(&node) {
            return known;
        }
        let source = pool.node(node).clone();
        if matches!(source, Node::Spelled(_) | Node::Until(_)) {
            self.read_names();
        }
        let mut binder = Binder { markers: self, pool };
        let bound = match source {
            Node::Spelled(text) => binder.spelled(&text),
            Node::Until(spec) => binder.free_text(&spec),
            _ => node,
        };
        self.bound.insert(node, bound);
        bound
    }

    /// The node that [`bind`](Self::bind) has made of this one.
    pub(super) fn bound(&self, node: NodeId) -> Option<NodeId> {
        self.bound.get(&node).copied()
    }
}

/// A marker that has a special token in it, what follows it, and the marks before it.
#[derive(Clone, Copy)]
struct TokenMarker<'s> {
    marker: &'s str,
    target: NodeId,
    marks: &'s [MarkId],
}

/// Makes nodes of markers.
struct Binder<'b> {
    markers: &'b Markers,
    pool: &'b mut NodePool,
}

impl Binder<'_> {
    fn spelled(&mut self, text: &str) -> NodeId {
        let mut nodes = Vec::new();
        for piece in self.markers.pieces(text) {
            nodes.push(match piece {
                Piece::Bytes(bytes) => self.pool.literal(bytes.as_bytes()),
                Piece::Special(name) => self.pool.special(name),
            });
        }
        self.pool.sequence(&nodes)
    }

    fn free_text(&mut self, spec: &UntilSpec) -> NodeId {
        let mut patterns: Vec<Pattern> = Vec::new();
        let mut targets: Vec<NodeId> = Vec::new();
        let mut special: Vec<TokenMarker<'_>> = Vec::new();
        for (i, trigger) in spec.triggers.iter().enumerate() {
            let is_bytes = self.markers.is_bytes(&trigger.text);
            let mut rests = Vec::new();
            for (marker, target) in &trigger.markers {
                // The name of a token may go on beyond the trigger's text. Then the marker has a
                // token in it.
                match marker.get(trigger.text.len()..) {
                    Some(rest) if is_bytes && !self.markers.crosses(marker, trigger.text.len()) => {
                        rests.push((rest, *target));
                    }
                    _ => special.push(TokenMarker { marker, target: *target, marks: &trigger.marks }),
                }
            }
            if is_bytes {
                let label = (!rests.is_empty()).then_some(i as u32);
                patterns.push(Pattern { text: trigger.text.to_string(), label });
            }
            let target = self.one_of(&rests);
            targets.push(self.behind(&trigger.marks, trigger.text.len(), target));
        }
        for text in spec.forbidden.iter().filter(|text| self.markers.is_bytes(text)) {
            patterns.push(Pattern { text: text.to_string(), label: None });
        }
        if spec.is_empty {
            let mut markers: Vec<(&str, NodeId)> = Vec::new();
            let triggers = spec.triggers.iter().flat_map(|trigger| &trigger.markers);
            markers.extend(triggers.map(|(marker, target)| (&**marker, *target)));
            markers.sort_unstable();
            markers.dedup();
            let node = self.one_of(&markers);
            return if spec.may_end { self.pool.alt(&[node, NodeId::EMPTY]) } else { node };
        }
        let mut ways = Vec::with_capacity(3);
        if spec.may_end || !special.is_empty() {
            let text = self.text_without(&patterns, spec.max_chars);
            if spec.may_end {
                let free = self.pool.terminal(text);
                let end = self.behind(&spec.marks_at_end, 0, NodeId::EMPTY);
                ways.push(self.pool.seq(free, end));
            }
            self.before_tokens(text, &special, &mut ways);
        }
        if patterns.iter().any(|pattern| pattern.label.is_some()) {
            // The grammar's patterns were checked when it was made, all of them and as bytes.
            if let Ok(until) = Until::new(patterns) {
                let language = self.pool.languages.machine(Arc::new(until));
                ways.push(self.pool.switch(language, &targets));
            }
        }
        self.pool.alt(&ways)
    }

    /// Free text without any of the patterns.
    fn text_without(&mut self, patterns: &[Pattern], max_chars: u32) -> LangId {
        let texts = patterns.iter().map(|pattern| pattern.text.clone()).collect();
        let languages = &mut self.pool.languages;
        let text = Until::text(texts).map(|text| languages.machine(Arc::new(text)));
        let text = text.unwrap_or(LangId::NEVER);
        if max_chars == UNBOUNDED {
            return text;
        }
        let character = languages.char_class(&[(0, 0x10_ffff)]);
        let counted = languages.repeat(character, 0, max_chars);
        languages.inter(&[text, counted])
    }

    /// One of the markers, and what follows it. All markers without special tokens are one sorted
    /// set.
    fn one_of(&mut self, markers: &[(&str, NodeId)]) -> NodeId {
        let mut ways: Vec<NodeId> = Vec::new();
        let mut sorted: Vec<(&str, NodeId)> = Vec::new();
        for &(marker, target) in markers {
            if marker.is_empty() {
                ways.push(target);
            } else if self.markers.is_bytes(marker) {
                sorted.push((marker, target));
            } else {
                let node = self.spelled(marker);
                ways.push(self.pool.seq(node, target));
            }
        }
        sorted.sort_unstable();
        let mut targets: Vec<NodeId> = Vec::new();
        let mut literals: Vec<(Vec<u8>, u32)> = Vec::new();
        for same in sorted.chunk_by(|a, b| a.0 == b.0) {
            let all: Vec<NodeId> = same.iter().map(|marker| marker.1).collect();
            literals.push((same[0].0.as_bytes().to_vec(), targets.len() as u32));
            targets.push(self.pool.alt(&all));
        }
        if !literals.is_empty() {
            let language = self.pool.languages.literals(literals);
            ways.push(self.pool.switch(language, &targets));
        }
        self.pool.alt(&ways)
    }

    /// Marks that lie `back` bytes before this place, then the node.
    fn behind(&mut self, marks: &[MarkId], back: usize, node: NodeId) -> NodeId {
        marks.iter().rev().fold(node, |node, &mark| {
            let mark = self.pool.mark_back(mark, back as u32);
            self.pool.seq(mark, node)
        })
    }

    /// Free text, then one of the markers that have a token in them, then what follows it.
    fn before_tokens(&mut self, text: LangId, markers: &[TokenMarker<'_>], ways: &mut Vec<NodeId>) {
        let free = self.pool.terminal(text);
        let mut at_once = Vec::new();
        for &TokenMarker { marker, target, marks } in markers {
            let node = self.spelled(marker);
            let rest = self.pool.seq(node, target);
            let head = match self.markers.pieces(marker).first() {
                Some(Piece::Bytes(bytes)) => self.pool.languages.bytes(bytes.as_bytes()),
                _ => {
                    at_once.push(self.behind(marks, 0, rest));
                    continue;
                }
            };
            let head_bytes = self.markers.head_bytes(marker);
            // The bytes before the token are text, too: no pattern may end in them.
            let languages = &mut self.pool.languages;
            let ending = languages.concat(LangId::ALL, head);
            let language = languages.inter(&[text, ending]);
            let before = self.pool.terminal(language);
            let rest = match *self.pool.node(rest) {
                Node::Seq(_, rest) => rest,
                _ => NodeId::EMPTY,
            };
            let rest = self.behind(marks, head_bytes, rest);
            ways.push(self.pool.seq(before, rest));
        }
        if !at_once.is_empty() {
            let rest = self.pool.alt(&at_once);
            ways.push(self.pool.seq(free, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_the_longest_name() {
        let names = ["<|a|>", "<|a|>b", "|>"].map(Box::from);
        let mut markers = Markers { names: names.into_iter().collect(), ..Markers::default() };
        markers.lengths = vec![6, 5, 2];
        let cases: &[(&str, &[Piece<'_>])] = &[
            ("", &[]),
            ("é<|a", &[Piece::Bytes("é<|a")]),
            ("é<|a|>", &[Piece::Bytes("é"), Piece::Special("<|a|>")]),
            ("<|a|>bb", &[Piece::Special("<|a|>b"), Piece::Bytes("b")]),
            ("<|b|>", &[Piece::Bytes("<|b"), Piece::Special("|>")]),
        ];
        for (text, pieces) in cases {
            assert_eq!(markers.pieces(text), *pieces, "{text}");
        }
    }
}
