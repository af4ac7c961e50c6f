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
//!
//! Free text must not spell such a trigger, or a forbidden text of this kind, with ordinary tokens
//! either: whoever reads the decoded text could not tell it from the token. An example is a text
//! about tool calls that quotes `<|call|>`. A [`Marker::Token`] speaks of the token alone.

use crate::automata::until::{Pattern, Until, UntilError};
use crate::automata::{LangId, UNBOUNDED, interrupt};
use crate::engine::error::EngineError;
use crate::engine::special_tokens::{ordinary_text, special_token};
use crate::grammar::{Grammar, MarkId, Marker, Node, NodeId, NodePool, UntilSpec};
use crate::vocab::Vocabulary;
use hashbrown::{HashMap, HashSet};
use std::collections::{BTreeMap, BTreeSet};
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
    /// The tokens that markers name, by these names.
    tokens: HashMap<Arc<str>, Piece<Box<str>>>,
    bound: HashMap<NodeId, NodeId>,
}

/// A piece of a text: bytes, or a special token by its name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Piece<T> {
    Bytes(T),
    Special(T),
}

type Pieces<'t> = Vec<Piece<&'t str>>;

impl Markers {
    /// The names of a vocabulary, and the tokens that the grammar's markers name.
    ///
    /// # Errors
    /// [`EngineError::UnknownSpecialToken`], [`EngineError::PartialCharacter`].
    pub(super) fn of(grammar: &Grammar, vocabulary: &Vocabulary) -> Result<Self, EngineError> {
        let mut markers = Markers { unread: Some(vocabulary.clone()), ..Markers::default() };
        let pool = grammar.pool();
        for id in 0..pool.len() as u32 {
            let Node::Until(spec) = pool.node(NodeId(id)) else { continue };
            let triggers = spec.triggers.iter();
            let all = triggers.flat_map(|trigger| {
                std::iter::once(&trigger.text).chain(trigger.markers.iter().map(|marker| &marker.0))
            });
            for marker in all.chain(&spec.forbidden) {
                if let Marker::Token(name) = marker
                    && !markers.tokens.contains_key(name)
                {
                    markers.tokens.insert(name.clone(), token(vocabulary, name)?);
                }
            }
        }
        Ok(markers)
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

    fn pieces<'t>(&self, text: &'t str) -> Pieces<'t> {
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

    /// The pieces of a marker.
    fn cut<'t>(&'t self, marker: &'t Marker) -> Pieces<'t> {
        match marker {
            Marker::Text(text) => self.pieces(text),
            Marker::Token(name) => match self.tokens.get(name) {
                Some(Piece::Bytes(text)) => vec![Piece::Bytes(text)],
                Some(Piece::Special(name)) => vec![Piece::Special(name)],
                None => vec![Piece::Special(name)],
            },
        }
    }

    /// The bytes of a marker, if it has no special token in it.
    fn bytes_of<'t>(&'t self, marker: &'t Marker) -> Option<&'t str> {
        match self.cut(marker).as_slice() {
            [] => Some(""),
            [Piece::Bytes(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// The triggers and forbidden texts that hold special tokens, spelled by ordinary ones.
    fn spelled_tokens(&self, spec: &UntilSpec) -> Vec<Pattern> {
        let texts = spec.triggers.iter().map(|trigger| &trigger.text).chain(&spec.forbidden);
        let spelled: BTreeSet<&str> = texts
            .filter(|marker| matches!(marker, Marker::Text(_)) && self.bytes_of(marker).is_none())
            .map(|marker| &**marker.text())
            .collect();
        spelled.into_iter().map(|text| Pattern { text: text.to_owned(), label: None }).collect()
    }

    /// True if the name of a token in a marker begins before the byte `border` and ends behind it.
    fn crosses(&self, marker: &Marker, border: usize) -> bool {
        let mut at = 0;
        self.cut(marker).iter().any(|piece| {
            let (Piece::Bytes(part) | Piece::Special(part)) = piece;
            let from = at;
            at += part.len();
            matches!(piece, Piece::Special(_)) && from < border && border < at
        })
    }
}

/// The piece for a token that a marker names: for a special token always the same name of it, for
/// an ordinary token its text.
fn token(vocabulary: &Vocabulary, name: &str) -> Result<Piece<Box<str>>, EngineError> {
    if let Some(bytes) = ordinary_text(vocabulary, name) {
        return match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Piece::Bytes(text.into())),
            Err(_) => Err(EngineError::PartialCharacter(name.to_owned())),
        };
    }
    let id = special_token(vocabulary, name)?;
    let named = vocabulary.name(id).filter(|name| vocabulary.special(name) == Some(id));
    Ok(Piece::Special(named.map_or_else(|| format!("<[{}]>", id.0), str::to_owned).into()))
}

impl Markers {
    /// The node that takes the place of a spelled text, or of free text up to markers, with this
    /// vocabulary. Other nodes stay as they are.
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
            Node::Spelled(text) => {
                let pieces = binder.markers.pieces(&text);
                binder.spelled(&pieces)
            }
            Node::Until(spec) => binder.free_text(&spec),
            _ => node,
        };
        if pool.languages.is_sound() {
            self.bound.insert(node, bound);
        }
        bound
    }

    /// The node that [`bind`](Self::bind) has made of this one.
    pub(super) fn bound(&self, node: NodeId) -> Option<NodeId> {
        self.bound.get(&node).copied()
    }
}

/// A marker that has a special token in it, what follows it, and the marks before it.
struct TokenMarker<'s> {
    pieces: Pieces<'s>,
    /// The pieces of the trigger that the marker begins with.
    trigger: Pieces<'s>,
    target: NodeId,
    marks: &'s [MarkId],
}

/// The texts of bytes and tokens that end free text at a special token, or that may not end there.
///
/// Each has a *head*, the bytes before its first special token, and a *tail* from that token on. A
/// table has the heads by their tails. The heads of one tail are sorted by their bytes from the
/// last to the first, each with true if the text is forbidden.
#[derive(Default)]
struct Rivals<'s>(HashMap<Pieces<'s>, BTreeMap<Vec<u8>, (&'s str, bool)>>);

impl<'s> Rivals<'s> {
    fn add(&mut self, pieces: &Pieces<'s>, is_forbidden: bool) {
        let (head, tail) = split_head(pieces);
        let heads = self.0.entry(tail.to_vec()).or_default();
        heads.entry(backwards(head)).or_insert((head, is_forbidden)).1 |= is_forbidden;
    }

    /// The heads that a text with this trigger must not end with: another trigger or forbidden text
    /// comes to its end before this trigger, or at the same place and counts more.
    fn before(&self, trigger: &[Piece<&'s str>]) -> Vec<&'s str> {
        let (own, tail) = split_head(trigger);
        let reversed = backwards(own);
        let mut heads = Vec::new();
        // Of two heads before one token, one ends with the other.
        let mut look = |shorter: &[Piece<&'s str>], is_whole: bool| {
            let Some(table) = self.0.get(shorter) else { return };
            let shorter = (0..reversed.len()).filter_map(|length| table.get(&reversed[..length]));
            let longer = table.range(reversed.clone()..).take_while(|entry| entry.0.starts_with(&reversed));
            for &(head, is_forbidden) in shorter.chain(longer.map(|entry| entry.1)) {
                if is_forbidden || !is_whole || head.len() > own.len() {
                    heads.push(head);
                }
            }
        };
        for (i, piece) in tail.iter().enumerate() {
            if let Piece::Bytes(bytes) = piece {
                let borders = bytes.char_indices().map(|(at, _)| at).skip(1);
                for border in borders {
                    let mut shorter = tail[..=i].to_vec();
                    shorter[i] = Piece::Bytes(&bytes[..border]);
                    look(&shorter, false);
                }
            }
            look(&tail[..=i], i + 1 == tail.len());
        }
        heads.sort_unstable();
        heads.dedup();
        heads
    }
}

fn backwards(text: &str) -> Vec<u8> {
    text.bytes().rev().collect()
}

/// The bytes before the first special token, and the rest.
fn split_head<'p, 's>(pieces: &'p [Piece<&'s str>]) -> (&'s str, &'p [Piece<&'s str>]) {
    match pieces.split_first() {
        Some((Piece::Bytes(head), tail)) => (head, tail),
        _ => ("", pieces),
    }
}

/// Makes nodes of markers.
struct Binder<'b> {
    markers: &'b Markers,
    pool: &'b mut NodePool,
}

impl Binder<'_> {
    fn spelled(&mut self, pieces: &[Piece<&str>]) -> NodeId {
        let mut nodes = Vec::new();
        for piece in pieces {
            nodes.push(match piece {
                Piece::Bytes(bytes) => self.pool.literal(bytes.as_bytes()),
                Piece::Special(name) => self.pool.special(name),
            });
        }
        self.pool.sequence(&nodes)
    }

    fn free_text(&mut self, spec: &UntilSpec) -> NodeId {
        let markers = self.markers;
        if spec.is_empty {
            let all = spec.triggers.iter().flat_map(|trigger| &trigger.markers);
            let mut all: Vec<(Pieces<'_>, NodeId)> =
                all.map(|(marker, target)| (markers.cut(marker), *target)).collect();
            let node = self.one_of(&mut all);
            return if spec.may_end { self.pool.alt(&[node, NodeId::EMPTY]) } else { node };
        }
        let mut triggers: Vec<ByteTrigger<'_>> = Vec::new();
        let mut by_text: HashMap<&str, usize> = HashMap::new();
        let mut special: Vec<TokenMarker<'_>> = Vec::new();
        let mut rivals = Rivals::default();
        for trigger in &spec.triggers {
            interrupt::spend(1);
            let bytes = markers.bytes_of(&trigger.text);
            let mut rests = Vec::new();
            let length = trigger.text.text().len();
            for (marker, target) in &trigger.markers {
                // The name of a token may go on beyond the trigger's text. Then the marker has a
                // token in it.
                match marker.text().get(length..) {
                    Some(rest) if bytes.is_some() && !markers.crosses(marker, length) => {
                        rests.push((markers.pieces(rest), *target));
                    }
                    _ => {
                        let pieces = markers.cut(marker);
                        let trigger_pieces = match bytes {
                            Some(_) => pieces.clone(),
                            None => markers.cut(&trigger.text),
                        };
                        rivals.add(&trigger_pieces, false);
                        let (target, marks) = (*target, &*trigger.marks);
                        special.push(TokenMarker { pieces, trigger: trigger_pieces, target, marks });
                    }
                }
            }
            let Some(text) = bytes else { continue };
            let at = *by_text.entry(text).or_insert(triggers.len());
            match triggers.get_mut(at) {
                Some(same) => same.rests.append(&mut rests),
                None => triggers.push(ByteTrigger { text, rests, marks: &trigger.marks }),
            }
        }
        let mut patterns: Vec<Pattern> = Vec::with_capacity(triggers.len() + spec.forbidden.len());
        let mut targets: Vec<NodeId> = Vec::with_capacity(triggers.len());
        for (i, trigger) in triggers.iter_mut().enumerate() {
            let label = (!trigger.rests.is_empty()).then_some(i as u32);
            patterns.push(Pattern { text: trigger.text.to_owned(), label });
            let target = self.one_of(&mut trigger.rests);
            targets.push(self.behind(trigger.marks, trigger.text.len(), target));
        }
        for forbidden in &spec.forbidden {
            match markers.bytes_of(forbidden) {
                Some(text) => patterns.push(Pattern { text: text.to_owned(), label: None }),
                None => rivals.add(&markers.cut(forbidden), true),
            }
        }
        patterns.extend(markers.spelled_tokens(spec));
        let mut ways = Vec::with_capacity(3);
        if spec.may_end || !special.is_empty() {
            let text = self.text_without(&patterns);
            if spec.may_end {
                let counted = self.counted(spec.max_chars, "");
                let free = self.pool.languages.inter(&[text, counted]);
                let free = self.pool.terminal(free);
                let free = self.pool.metered(free, spec.max_tokens);
                let end = self.behind(&spec.marks_at_end, 0, NodeId::EMPTY);
                ways.push(self.pool.seq(free, end));
            }
            self.before_tokens(text, spec, &special, &rivals, &mut ways);
        }
        if patterns.iter().any(|pattern| pattern.label.is_some()) {
            self.before_bytes(patterns, spec, &targets, &mut ways);
        }
        self.pool.alt(&ways)
    }

    /// Free text without any of the patterns.
    fn text_without(&mut self, patterns: &[Pattern]) -> LangId {
        let texts = patterns.iter().map(|pattern| pattern.text.clone()).collect();
        let languages = &mut self.pool.languages;
        Until::text(texts).map_or(LangId::NEVER, |text| languages.machine(Arc::new(text)))
    }

    /// At most `max_chars` characters, and then `end`.
    fn counted(&mut self, max_chars: u32, end: &str) -> LangId {
        let languages = &mut self.pool.languages;
        if max_chars == UNBOUNDED {
            return LangId::ALL;
        }
        let character = languages.char_class(&[(0, 0x10_ffff)]);
        let counted = languages.repeat(character, 0, max_chars);
        let end = languages.bytes(end.as_bytes());
        languages.concat(counted, end)
    }

    /// Free text up to a trigger of bytes, and what follows it.
    fn before_bytes(
        &mut self,
        patterns: Vec<Pattern>,
        spec: &UntilSpec,
        targets: &[NodeId],
        ways: &mut Vec<NodeId>,
    ) {
        let Some(until) = searched(patterns.clone()) else { return };
        if spec.max_chars == UNBOUNDED {
            let language = self.pool.languages.machine(Arc::new(until));
            let switch = self.pool.switch(language, targets);
            ways.push(self.pool.metered(switch, spec.max_tokens));
            return;
        }
        // The characters before a trigger are counted, so each has a language of its own.
        for pattern in &patterns {
            let Some(label) = pattern.label else { continue };
            let only = |other: &Pattern| Pattern {
                label: other.label.filter(|&other| other == label),
                text: other.text.clone(),
            };
            let Some(until) = searched(patterns.iter().map(only).collect()) else { continue };
            let counted = self.counted(spec.max_chars, &pattern.text);
            let language = self.pool.languages.machine(Arc::new(until));
            let language = self.pool.languages.inter(&[language, counted]);
            let before = self.pool.terminal(language);
            let before = self.pool.metered(before, spec.max_tokens);
            ways.push(self.pool.seq(before, targets[label as usize]));
        }
    }

    /// One of the markers, and what follows it. All markers without special tokens are one sorted
    /// set.
    fn one_of(&mut self, markers: &mut [(Pieces<'_>, NodeId)]) -> NodeId {
        let mut ways: Vec<NodeId> = Vec::new();
        let mut sorted: Vec<(&str, NodeId)> = Vec::new();
        for (pieces, target) in &*markers {
            match pieces.as_slice() {
                [] => ways.push(*target),
                [Piece::Bytes(bytes)] => sorted.push((bytes, *target)),
                pieces => {
                    let node = self.spelled(pieces);
                    ways.push(self.pool.seq(node, *target));
                }
            }
        }
        sorted.sort_unstable();
        sorted.dedup();
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

    /// The node of these marks, which lie `back` bytes before this place, and then of `node`.
    fn behind(&mut self, marks: &[MarkId], back: usize, node: NodeId) -> NodeId {
        marks.iter().rev().fold(node, |node, &mark| {
            let mark = self.pool.mark_back(mark, back as u32);
            self.pool.seq(mark, node)
        })
    }

    /// Free text, then one of the markers that have a token in them, then what follows it.
    fn before_tokens(
        &mut self,
        text: LangId,
        spec: &UntilSpec,
        markers: &[TokenMarker<'_>],
        rivals: &Rivals<'_>,
        ways: &mut Vec<NodeId>,
    ) {
        // The nodes that follow equal texts are joined to one node.
        let mut behind: Vec<(LangId, NodeId)> = Vec::with_capacity(markers.len());
        for TokenMarker { pieces, trigger, target, marks } in markers {
            interrupt::spend(1);
            let (head, tail) = split_head(pieces);
            let token = self.spelled(tail);
            let rest = self.pool.seq(token, *target);
            let mut parts = vec![text, self.counted(spec.max_chars, head)];
            // The bytes before the token are text, too: no pattern may end in them.
            if !head.is_empty() {
                parts.push(self.ending_with(head));
            }
            for head in rivals.before(trigger) {
                let ending = self.ending_with(head);
                parts.push(self.pool.languages.not(ending));
            }
            let language = self.pool.languages.inter(&parts);
            behind.push((language, self.behind(marks, head.len(), rest)));
        }
        behind.sort_unstable();
        for same in behind.chunk_by(|a, b| a.0 == b.0) {
            let rests: Vec<NodeId> = same.iter().map(|rest| rest.1).collect();
            let before = self.pool.terminal(same[0].0);
            let before = self.pool.metered(before, spec.max_tokens);
            let rest = self.pool.alt(&rests);
            ways.push(self.pool.seq(before, rest));
        }
    }

    /// Texts that end with these bytes.
    fn ending_with(&mut self, bytes: &str) -> LangId {
        let languages = &mut self.pool.languages;
        let bytes = languages.bytes(bytes.as_bytes());
        languages.concat(LangId::ALL, bytes)
    }
}

/// A trigger without special tokens, and what follows it.
struct ByteTrigger<'s> {
    text: &'s str,
    rests: Vec<(Pieces<'s>, NodeId)>,
    marks: &'s [MarkId],
}

/// The automaton of the patterns. A trigger that holds another pattern is never read; the grammar's
/// patterns were checked when it was made, but for tokens that it names by their ids.
fn searched(mut patterns: Vec<Pattern>) -> Option<Until> {
    loop {
        match Until::new(patterns.clone()) {
            Ok(until) => return Some(until),
            Err(UntilError::Unreachable { trigger, .. }) => {
                patterns.retain(|pattern| pattern.label.is_none() || pattern.text != trigger);
            }
            Err(_) => return None,
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
        let cases: &[(&str, &[Piece<&str>])] = &[
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
