//! Short words: the least that completes a language.
//!
//! The shortest word of most expressions follows from the shortest words of the parts. For a
//! concatenation, the words of its parts are joined. For a union, the shortest of them is taken.
//! For `[a-z]{9,}` it is one character nine times. Only intersections, complements, machines and
//! the middle of an escape need a search. It is A* over derivatives.
//! [`ExprInfo::at_least`](super::expr::ExprInfo) bounds the rest of a word from below. The search
//! ends at a state whose shortest word is known or follows from its parts.
//!
//! The word that is found may be longer than the shortest in two cases. For a JSON string the
//! shortest text is taken, and a longer text may have a shorter spelling if characters must be
//! escaped. And a search that has found [`EXACT`] states continues greedily.

use super::chars::DONE;
use super::expr::{Expr, JsonMode, LangId};
use super::expr_pool::ExprPool;
use super::interrupt;
use super::json_string;
use hashbrown::{HashMap, HashSet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// The number of states after which a search goes straight for any word.
const EXACT: usize = 20_000;
/// The number of states after which a search is given up.
const MAX_SEARCHED_STATES: usize = 200_000;
/// The most bytes of a word that is put together.
const MAX_WORD_BYTES: usize = 1 << 24;
/// The depth to which the parts of expressions are followed.
const MAX_DEPTH: u32 = 200;
/// The most labels of one language that are told apart.
const MAX_LABELS: usize = 4096;
/// The bytes that are tried first, because words of them are easy to read.
const PLAIN: &[u8] = b"a0A:-. ";

/// A word, kept as the end of a longer word that others share.
#[derive(Clone)]
struct Suffix {
    of: Arc<[u8]>,
    from: u32,
}

impl Suffix {
    fn bytes(&self) -> &[u8] {
        &self.of[self.from as usize..]
    }
}

/// The shortest words that are known, by the languages of one pool.
#[derive(Default)]
pub struct ShortestWords {
    /// The word, or `None` if none was found.
    known: HashMap<LangId, Option<Suffix>>,
    labelled: HashMap<LangId, Arc<[Labelled]>>,
    bytes: usize,
}

/// A word and the label of the literal that it spells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Labelled {
    /// The word.
    pub word: Arc<[u8]>,
    /// Its label, if it has one.
    pub label: Option<u32>,
}

impl ShortestWords {
    /// About how many bytes this holds.
    pub fn memory(&self) -> usize {
        (self.known.len() + self.labelled.len()) * 64 + self.bytes
    }

    /// A shortest word of `id`. `None` if there is none, or if bounded work finds none.
    pub fn word(&mut self, languages: &mut ExprPool, id: LangId) -> Option<Vec<u8>> {
        self.find(languages, id, 0).map(|word| word.bytes().to_vec())
    }

    /// The length of a shortest word.
    pub fn length(&mut self, languages: &mut ExprPool, id: LangId) -> Option<usize> {
        self.find(languages, id, 0).map(|word| word.bytes().len())
    }

    /// A short word for each label of `id`, the shortest first. For a language without labels, one
    /// shortest word.
    pub fn labelled(&mut self, languages: &mut ExprPool, id: LangId) -> Arc<[Labelled]> {
        if let Some(known) = self.labelled.get(&id) {
            return known.clone();
        }
        let mut words = Vec::new();
        if !self.literal_words(languages, id, &mut Vec::new(), &mut words) {
            let word = self.find(languages, id, 0);
            words.extend(word.map(|word| Labelled { word: word.bytes().into(), label: None }));
        }
        words.sort_by_key(|word| (word.label, word.word.len()));
        words.dedup_by_key(|word| word.label);
        words.sort_by_key(|word| word.word.len());
        words.truncate(MAX_LABELS);
        let words: Arc<[Labelled]> = words.into();
        if languages.is_sound() {
            self.bytes += words.iter().map(|word| 48 + word.word.len()).sum::<usize>();
            self.labelled.insert(id, words.clone());
        }
        words
    }

    /// Collects the words of literals, plain or spelt as JSON strings, with the text before them,
    /// as in `" "? (true|false)`. False if `id` does not have this form.
    fn literal_words(
        &mut self,
        languages: &mut ExprPool,
        id: LangId,
        before: &mut Vec<u8>,
        words: &mut Vec<Labelled>,
    ) -> bool {
        match *languages.expr(id) {
            Expr::Concat(head, tail) => {
                let is_literal = matches!(languages.expr(tail), Expr::Literals { .. } | Expr::Json { .. });
                match self.find(languages, head, 0).filter(|_| is_literal) {
                    Some(word) => {
                        before.extend_from_slice(word.bytes());
                        self.literal_words(languages, tail, before, words)
                    }
                    None => false,
                }
            }
            Expr::Literals { set, lo, hi, depth } => {
                let set = languages.literal_set(set).clone();
                for i in lo..hi {
                    let (text, _) = set.get(i);
                    let word = [before, &text[depth as usize..]].concat().into();
                    words.push(Labelled { word, label: label_of(set.get(i).1) });
                }
                true
            }
            Expr::Json { inner, mode: mode @ (JsonMode::Start | JsonMode::Body), .. } => {
                let Expr::Literals { set, lo, hi, depth } = *languages.expr(inner) else { return false };
                let set = languages.literal_set(set).clone();
                for i in lo..hi {
                    let (text, label) = set.get(i);
                    let mut word = before.clone();
                    spell(&text[depth as usize..], mode, &mut word);
                    words.push(Labelled { word: word.into(), label: label_of(label) });
                }
                true
            }
            Expr::Machine { machine, state } => {
                let found = languages.machine_words(machine, state);
                let whole = |(word, label): (Vec<u8>, u32)| Labelled {
                    word: [before.as_slice(), &word].concat().into(),
                    label: Some(label),
                };
                let before_len = words.len();
                words.extend(found.into_iter().map(whole));
                words.len() > before_len
            }
            _ => false,
        }
    }

    fn find(&mut self, languages: &mut ExprPool, id: LangId, depth: u32) -> Option<Suffix> {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        // Nothing would be remembered, so parts that many share would be looked at very often.
        if !languages.is_sound() {
            return None;
        }
        let word = match self.of_parts(languages, id, depth) {
            Some(word) => Some(Suffix { of: word.into(), from: 0 }),
            None if id == LangId::NEVER => None,
            None => self.search(languages, id, depth),
        };
        if languages.is_sound() {
            self.bytes += word.as_ref().map_or(0, |word| word.bytes().len());
            self.known.insert(id, word.clone());
        }
        word
    }

    /// The shortest word, if it follows from the parts of the expression.
    fn of_parts(&mut self, languages: &mut ExprPool, id: LangId, depth: u32) -> Option<Vec<u8>> {
        if languages.is_nullable(id) {
            return Some(Vec::new());
        }
        if depth > MAX_DEPTH {
            return None;
        }
        match *languages.expr(id) {
            Expr::Chars(node) => Some(character(languages, node)),
            Expr::Literals { set, lo, hi, depth } => {
                let set = languages.literal_set(set);
                let shortest = (lo..hi).map(|i| set.get(i).0).min_by_key(|text| text.len())?;
                Some(shortest[depth as usize..].to_vec())
            }
            Expr::Concat(..) => {
                let mut word = Vec::new();
                let mut at = id;
                while let Expr::Concat(head, tail) = *languages.expr(at) {
                    word.extend_from_slice(self.find(languages, head, depth + 1)?.bytes());
                    at = tail;
                }
                word.extend_from_slice(self.find(languages, at, depth + 1)?.bytes());
                (word.len() <= MAX_WORD_BYTES).then_some(word)
            }
            Expr::Union(ref parts) => {
                let parts = parts.clone();
                let words = parts.iter().filter_map(|&part| self.find(languages, part, depth + 1));
                words.min_by_key(|word| word.bytes().len()).map(|word| word.bytes().to_vec())
            }
            Expr::Repeat(body, min, _) => {
                let word = self.find(languages, body, depth + 1)?;
                let is_short = word.bytes().len().checked_mul(min as usize)? <= MAX_WORD_BYTES;
                is_short.then(|| word.bytes().repeat(min as usize))
            }
            Expr::Json { inner, mode: mode @ (JsonMode::Start | JsonMode::Body), .. } => {
                let text = self.find(languages, inner, depth + 1)?;
                let mut word = Vec::with_capacity(text.bytes().len() + 2);
                spell(text.bytes(), mode, &mut word);
                Some(word)
            }
            _ => None,
        }
    }

    fn search(&mut self, languages: &mut ExprPool, root: LangId, depth: u32) -> Option<Suffix> {
        let mut search = ShortestSearch::new(root);
        search.push(languages, 0);
        while let Some(entry) = search.queue.pop() {
            if interrupt::check().is_err() || search.found.len() > MAX_SEARCHED_STATES {
                return None;
            }
            let at = entry.at;
            let state = search.found[at].state;
            if let Some(rest) = entry.rest {
                return Some(self.keep(&search, at, &rest, languages));
            }
            let is_searched = |expr: &Expr| {
                matches!(expr, Expr::Inter(_) | Expr::Not(_) | Expr::Machine { .. } | Expr::Unknown(_))
            };
            let ends = at != 0 && (languages.is_nullable(state) || !is_searched(languages.expr(state)));
            let known = match self.known.get(&state) {
                Some(known) if at != 0 => known.clone(),
                _ if ends => {
                    let word = self.of_parts(languages, state, depth + 1);
                    word.map(|word| Suffix { of: word.into(), from: 0 })
                }
                _ => None,
            };
            match known {
                Some(rest) => search.push_end(at, rest),
                None => search.go_on(languages, at, entry.tried),
            }
        }
        None
    }

    /// Keeps the word that leads to the state `at` and goes on with `rest`, for all states on the
    /// way.
    fn keep(&mut self, search: &ShortestSearch, at: usize, rest: &Suffix, languages: &ExprPool) -> Suffix {
        let (mut word, mut states) = (Vec::new(), Vec::new());
        let mut here = at;
        while here != 0 {
            states.push(search.found[here].state);
            word.push(search.found[here].byte);
            here = search.found[here].from;
        }
        word.reverse();
        states.reverse();
        word.extend_from_slice(rest.bytes());
        let of: Arc<[u8]> = word.into();
        if languages.is_sound() {
            self.bytes += of.len();
            for (i, &state) in states.iter().enumerate().filter(|&(_, &state)| !languages.is_nullable(state))
            {
                self.known
                    .entry(state)
                    .or_insert_with(|| Some(Suffix { of: of.clone(), from: i as u32 + 1 }));
            }
        }
        Suffix { of, from: 0 }
    }
}

/// The label, if the literal has one.
fn label_of(label: u32) -> Option<u32> {
    (label != super::UNLABELLED).then_some(label)
}

/// Writes the rest of a JSON string up to its closing quote. The rest of its decoded text is
/// `text`.
fn spell(text: &[u8], mode: JsonMode, out: &mut Vec<u8>) {
    if mode == JsonMode::Start {
        out.push(b'"');
    }
    json_string::spell_minimally(text, out);
    out.push(b'"');
}

/// A short character of a node of the pool's character graph, and a plain one if there is one.
fn character(languages: &ExprPool, node: u32) -> Vec<u8> {
    let mut word = Vec::new();
    let mut node = node;
    // The loop runs no longer than the bytes of a character.
    while node != DONE {
        let edges = languages.chars.edges(node);
        let last = || edges.iter().filter(|edge| edge.next == DONE);
        let holds = |byte: u8| last().any(|edge| edge.lo <= byte && byte <= edge.hi);
        let plain = PLAIN.iter().copied().find(|&byte| holds(byte));
        let visible = || (0x21..0x7f).find(|&byte| byte != b'"' && byte != b'\\' && holds(byte));
        let any = || last().next().map(|edge| edge.lo);
        match plain.or_else(visible).or_else(any) {
            Some(byte) => {
                word.push(byte);
                break;
            }
            // First bytes are in rising order, and so are the lengths of characters.
            None => {
                let Some(edge) = edges.first() else { break };
                word.push(edge.lo);
                node = edge.next;
            }
        }
    }
    word
}

/// A state that a search has found, and the way to it.
struct Found {
    state: LangId,
    from: usize,
    byte: u8,
    length: u32,
}

/// An entry of the queue: a state whose bytes from number `tried` on are still to be tried, or an
/// end with a known rest.
struct Entry {
    total: u32,
    length: u32,
    at: usize,
    tried: usize,
    rest: Option<Suffix>,
}

impl Entry {
    /// The order of the queue: small totals first, among equals the longest way, then the newest
    /// state.
    fn key(&self) -> (Reverse<u32>, u32, usize) {
        (Reverse(self.total), self.length, self.at)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

struct ShortestSearch {
    found: Vec<Found>,
    seen: HashSet<LangId>,
    queue: BinaryHeap<Entry>,
}

impl ShortestSearch {
    fn new(root: LangId) -> Self {
        let found = vec![Found { state: root, from: 0, byte: 0, length: 0 }];
        ShortestSearch { found, seen: HashSet::from([root]), queue: BinaryHeap::new() }
    }

    /// Adds the state `at` to the queue.
    fn push(&mut self, languages: &ExprPool, at: usize) -> u32 {
        let Found { state, length, .. } = self.found[at];
        let total = self.total(length, languages.at_least(state));
        self.queue.push(Entry { total, length, at, tried: 0, rest: None });
        total
    }

    fn push_end(&mut self, at: usize, rest: Suffix) {
        let length = self.found[at].length;
        let total = self.total(length, rest.bytes().len() as u32);
        self.queue.push(Entry { total, length, at, tried: 0, rest: Some(rest) });
    }

    fn total(&self, length: u32, left: u32) -> u32 {
        if self.found.len() > EXACT { left } else { length.saturating_add(left) }
    }

    /// Follows the bytes of a state one by one, until one leads to a state that may lie on a
    /// shortest word.
    fn go_on(&mut self, languages: &mut ExprPool, at: usize, tried: usize) {
        let Found { state, length, .. } = self.found[at];
        let total = self.total(length, languages.at_least(state));
        let bytes = candidates(languages, state);
        for (number, &byte) in bytes.iter().enumerate().skip(tried) {
            let next = languages.step(state, byte);
            if next == LangId::NEVER || !self.seen.insert(next) {
                continue;
            }
            self.found.push(Found { state: next, from: at, byte, length: length + 1 });
            if self.push(languages, self.found.len() - 1) <= total && number + 1 < bytes.len() {
                self.queue.push(Entry { total, length, at, tried: number + 1, rest: None });
                return;
            }
        }
    }
}

/// One byte of each class, in the order in which they are tried. Within a JSON string the quote
/// comes first.
fn candidates(languages: &mut ExprPool, state: LangId) -> Vec<u8> {
    let quote: &[u8] = if matches!(languages.expr(state), Expr::Json { .. }) { b"\"" } else { b"" };
    let classes = languages.byte_classes(state);
    let mut done = vec![false; classes.len()];
    let visible = (0x21..0x7f).filter(|&byte| byte != b'"' && byte != b'\\');
    let all = quote.iter().chain(PLAIN).copied().chain(visible);
    all.chain(classes.representatives().iter().copied())
        .filter(|&byte| !std::mem::replace(&mut done[classes.class(byte)], true))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Escapes;
    use super::super::regex::{Anchoring, Dialect, compile};
    use super::*;

    #[test]
    fn words_are_short_and_belong() {
        let cases: &[(&str, usize)] = &[
            ("a", 1),
            ("", 0),
            ("[a-z]{500,}", 500),
            ("(ab|c){3}x?", 3),
            ("é", 2),
            (r"\p{Lu}{3}", 3),
            ("(?=.*a)(?=.*b)(?=.*[0-9]).{8,64}", 8),
            ("(?!a)[a-z]{4}(?<!aaa)", 4),
            (r"(?:(?!ab)[a-z]){20}", 20),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d", 16),
            ("(?=.{100,}).*x", 100),
            (r"(foo|ba){2,}\b", 4),
        ];
        for &(pattern, length) in cases {
            let mut pool = ExprPool::new();
            let id = compile(&mut pool, pattern, Dialect::Ecma262, Anchoring::Full).unwrap();
            let mut words = ShortestWords::default();
            let word = words.word(&mut pool, id).unwrap_or_else(|| panic!("{pattern}"));
            assert_eq!(word.len(), length, "{pattern}: {}", word.escape_ascii());
            assert!(pool.accepts(id, &word), "{pattern}: {}", word.escape_ascii());
            // The same holds for every state on the way through a JSON string.
            let json = pool.json_string(id, Escapes::Any);
            let word = words.word(&mut pool, json).unwrap();
            for at in 0..word.len() {
                let state = pool.step_bytes(json, &word[..at]);
                let rest = words.word(&mut pool, state).unwrap();
                assert_eq!(rest.len(), word.len() - at, "{pattern} after {at}");
                assert!(pool.accepts(state, &rest));
            }
        }
    }

    #[test]
    fn the_middle_of_an_escape_is_left() {
        let mut pool = ExprPool::new();
        let any = pool.char_class(&[(0, 0x10_ffff)]);
        let long = pool.repeat(any, 300, 400);
        let json = pool.json_string(long, Escapes::Any);
        let mut words = ShortestWords::default();
        for begun in [r#""\"#, r#""\u"#, r#""\u00"#, r#""\ud83d"#, r#""\ud83d\ud"#, "\"\u{e9}\\n"] {
            let state = pool.step_bytes(json, begun.as_bytes());
            let rest = words.word(&mut pool, state).unwrap_or_else(|| panic!("{begun}"));
            assert!(
                pool.accepts(state, &rest) && (299..310).contains(&rest.len()),
                "{begun}: {}",
                rest.len()
            );
        }
    }

    #[test]
    fn each_label_has_its_word() {
        let mut pool = ExprPool::new();
        let keys = (0..1_000u32).map(|i| (format!("key \"{i}\"").into_bytes(), i));
        let literals = pool.literals(keys);
        let json = pool.json_string(literals, Escapes::Minimal);
        let spaces = pool.char_class(&[(0x20, 0x20)]);
        let spaces = pool.repeat(spaces, 0, 9);
        let spaced = pool.concat(spaces, json);
        let mut words = ShortestWords::default();
        let all = words.labelled(&mut pool, spaced);
        assert_eq!(all.len(), 1_000);
        for Labelled { word, label } in all.iter() {
            let state = pool.step_bytes(spaced, word);
            assert_eq!((pool.is_nullable(state), pool.label(state)), (true, *label));
        }
        let state = pool.step_bytes(spaced, b"  \"key \\\"99");
        let rest: Vec<_> = words.labelled(&mut pool, state).iter().map(|w| w.label.unwrap()).collect();
        assert_eq!(rest.len(), 11);
        assert_eq!(rest[0], 99);
    }
}
