//! Random grammars and vocabularies made from a list of bytes. Every list makes a valid case, and a
//! shorter list with smaller numbers makes a simpler one, as a shrinker needs.

use super::{Array, Declared, Grammar, Language, Node, Object, Rest};
use hedgerow::automata::{Escapes, UNBOUNDED};
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};

/// The kind of nodes that a case is mostly made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// One terminal.
    Regular,
    /// Rules, repetitions, switches, special tokens.
    ContextFree,
    /// JSON strings and literals under all escape policies.
    Strings,
    /// Objects and arrays.
    Containers,
    /// All of them.
    Mixed,
}

/// Decisions, one byte each; zeros once the list has run out.
pub struct Source<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Source<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Source { bytes, at: 0 }
    }

    /// A number below `n`; 0 is the simplest.
    pub fn below(&mut self, n: usize) -> usize {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(byte) % n.max(1)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// True if the decisions have run out.
    pub fn is_spent(&self) -> bool {
        self.at >= self.bytes.len()
    }
}

const WORDS: &[&str] = &["a", "b", "ab", "c", "ba", "é", "abc", "aa", "\u{1f600}"];
const STRING_WORDS: &[&str] =
    &["a", "b", "ab", "\"", "\\", "/", "\n", "\u{1}", "é", "\u{1f600}", "a\"", "\u{7f}", "", "A"];
const KEYS: &[&str] = &["a", "b", "ab", "é", "k\"", "\u{1}", "/"];
const COUNTS: &[(u32, u32)] =
    &[(0, 1), (0, UNBOUNDED), (1, UNBOUNDED), (2, 3), (0, 2), (3, 3), (1, 2), (2, UNBOUNDED), (0, 5), (2, 0)];

struct Generator<'s, 'b> {
    source: &'s mut Source<'b>,
    family: Family,
    grammar: Grammar,
    rules: usize,
    lazies: usize,
    /// The number of nodes that may still be made; it keeps cases small.
    budget: usize,
}

/// A grammar of `family`.
pub fn grammar(source: &mut Source<'_>, family: Family) -> Grammar {
    let (rules, lazies) = match family {
        Family::Regular | Family::Strings => (0, 0),
        Family::ContextFree => (source.below(4), 0),
        Family::Containers => (source.below(3), source.below(2)),
        Family::Mixed => (source.below(4), source.below(3)),
    };
    let mut g = Generator { source, family, grammar: Grammar::default(), rules, lazies, budget: 24 };
    // Every rule gets its index first, so that bodies may refer to any rule.
    g.grammar.rules = vec![0; rules];
    g.grammar.lazies = vec![0; lazies];
    g.grammar.root = match family {
        Family::Regular | Family::Strings => g.terminal(3),
        Family::Containers => g.value(3, true),
        _ => g.node(3, true),
    };
    for rule in 0..rules {
        // Odd rules are never empty, so that they may be values.
        let body = if rule % 2 == 1 { g.value(3, true) } else { g.node(3, true) };
        g.grammar.rules[rule] = body;
    }
    for lazy in 0..lazies {
        let body = g.container_or_literal(3);
        g.grammar.lazies[lazy] = body;
    }
    g.grammar
}

impl Generator<'_, '_> {
    fn literal_bytes(&mut self) -> Vec<u8> {
        let words = if self.family == Family::Strings { STRING_WORDS } else { WORDS };
        self.source.pick(words).as_bytes().to_vec()
    }

    /// A language without JSON strings.
    fn plain(&mut self, depth: usize) -> Language {
        let kinds = if depth == 0 { 4 } else { 13 };
        match self.source.below(kinds) {
            0 => Language::word(&self.literal_bytes()),
            1 => {
                let n = 1 + self.source.below(3);
                Language::Literals((0..n).map(|_| self.literal_bytes()).collect())
            }
            2 => Language::Bytes(self.source.pick(&[b"ab".to_vec(), b"a".to_vec(), b"abc".to_vec()])),
            3 => Language::Chars(self.source.pick(&[
                vec![(0x61, 0x62)],
                vec![(0x61, 0x61), (0xe9, 0x1ff)],
                vec![(0, 0x10_ffff)],
                vec![(0x20, 0x2f), (0x61, 0x63)],
                vec![(0xe9, 0xe9), (0x1_f600, 0x1_f64f)],
            ])),
            4 | 5 => Language::Concat(self.plains(depth)),
            6 | 7 => Language::Union(self.plains(depth)),
            8 | 9 => {
                let (min, max) = self.source.pick(COUNTS);
                Language::Repeat(Box::new(self.plain(depth - 1)), min, max)
            }
            10 => Language::Inter(self.plains(depth)),
            11 => Language::Not(Box::new(self.plain(depth - 1))),
            _ => self.source.pick(&[Language::Text, Language::All, Language::Empty, Language::Never]),
        }
    }

    fn plains(&mut self, depth: usize) -> Vec<Language> {
        let n = 2 + self.source.below(2);
        (0..n).map(|_| self.plain(depth - 1)).collect()
    }

    fn escapes(&mut self) -> Escapes {
        self.source.pick(&[Escapes::Any, Escapes::NoUnicode, Escapes::Minimal])
    }

    fn json(&mut self, depth: usize) -> Language {
        let inner = self.plain(depth);
        Language::Json(Box::new(inner), self.escapes())
    }

    /// A language that may hold JSON strings.
    fn with_strings(&mut self, depth: usize) -> Language {
        if depth == 0 {
            return self.json(1);
        }
        match self.source.below(6) {
            0..=2 => self.json(depth),
            3 => Language::Concat(vec![self.plain(0), self.with_strings(depth - 1)]),
            4 => Language::Union((0..2).map(|_| self.with_strings(depth - 1)).collect()),
            _ => {
                let (min, max) = self.source.pick(COUNTS);
                Language::Repeat(Box::new(self.with_strings(depth - 1)), min, max)
            }
        }
    }

    fn terminal(&mut self, depth: usize) -> usize {
        let language = match self.family {
            Family::Strings => self.with_strings(2),
            Family::Regular => self.plain(depth),
            _ => self.plain(1),
        };
        let language = self.grammar.language(language);
        self.grammar.add(Node::Terminal(language))
    }

    fn node(&mut self, depth: usize, rules: bool) -> usize {
        self.budget = self.budget.saturating_sub(1);
        if depth == 0 || self.budget == 0 {
            return match self.source.below(4) {
                3 if rules && self.rules > 0 => self.rule(),
                2 => self.terminal(1),
                _ => {
                    let bytes = self.literal_bytes();
                    self.grammar.literal(&bytes)
                }
            };
        }
        let node = match self.source.below(18) {
            0 => return self.terminal(1),
            1..=3 => Node::Seq(self.nodes(depth, rules)),
            4..=6 => Node::Alt(self.nodes(depth, rules)),
            7 | 8 => {
                let (min, max) = self.source.pick(COUNTS);
                Node::Repeat { body: self.node(depth - 1, rules), min, max }
            }
            9..=11 if rules && self.rules > 0 => return self.rule(),
            12 => Node::Special(self.source.pick(&["<x>", "<y>"]).to_owned()),
            13 => self.switch(depth, rules),
            14 => Node::NonEmpty(self.node(depth - 1, rules)),
            15 => self.source.pick(&[Node::Empty, Node::Never]),
            16 if self.family == Family::Mixed => return self.container(depth, rules),
            17 if self.lazies > 0 => Node::Lazy(self.source.below(self.lazies)),
            _ => {
                let bytes = self.literal_bytes();
                return self.grammar.literal(&bytes);
            }
        };
        self.grammar.add(node)
    }

    fn nodes(&mut self, depth: usize, rules: bool) -> Vec<usize> {
        let n = 2 + self.source.below(2);
        (0..n).map(|_| self.node(depth - 1, rules)).collect()
    }

    fn rule(&mut self) -> usize {
        let rule = self.source.below(self.rules);
        self.grammar.add(Node::Rule(rule))
    }

    fn switch(&mut self, depth: usize, rules: bool) -> Node {
        let escapes =
            self.source.pick(&[None, Some(Escapes::Minimal), Some(Escapes::Any), Some(Escapes::NoUnicode)]);
        let mut literals: Vec<String> = Vec::new();
        for _ in 0..1 + self.source.below(3) {
            let word = self.source.pick(WORDS).to_owned();
            if !literals.contains(&word) {
                literals.push(word);
            }
        }
        let mut cases = Vec::new();
        for literal in &literals {
            let word = Language::word(literal.as_bytes());
            let spelt = match escapes {
                None => word,
                Some(escapes) => Language::Json(Box::new(word), escapes),
            };
            let spelt = self.grammar.language(spelt);
            cases.push((spelt, self.node(depth - 1, rules)));
        }
        Node::Switch { literals, escapes, cases }
    }

    /// A node that is never empty and reads something before it comes to a rule.
    fn value(&mut self, depth: usize, rules: bool) -> usize {
        self.budget = self.budget.saturating_sub(1);
        if depth == 0 || self.budget == 0 {
            let bytes = self.source.pick(&["1", "2", "12"]).as_bytes().to_vec();
            return self.grammar.literal(&bytes);
        }
        match self.source.below(10) {
            0 | 1 => {
                let bytes = self.source.pick(&["1", "2", "12"]).as_bytes().to_vec();
                self.grammar.literal(&bytes)
            }
            2 => {
                let string = self.json(1);
                let language = self.grammar.language(string);
                self.grammar.add(Node::Terminal(language))
            }
            3 if rules && self.rules > 1 => self.grammar.add(Node::Rule(1)),
            4 if self.lazies > 0 => {
                let lazy = self.source.below(self.lazies);
                self.grammar.add(Node::Lazy(lazy))
            }
            5 => {
                let first = self.grammar.literal(b"v");
                let then = self.node(depth - 1, rules);
                self.grammar.add(Node::Seq(vec![first, then]))
            }
            6 => {
                let digits = Language::Repeat(Box::new(Language::Bytes(b"12".to_vec())), 1, UNBOUNDED);
                let language = self.grammar.language(digits);
                self.grammar.add(Node::Terminal(language))
            }
            _ => self.container(depth, rules),
        }
    }

    /// A node that a lazy node may expand to.
    fn container_or_literal(&mut self, depth: usize) -> usize {
        if self.source.one_in(3) {
            let first = self.grammar.literal(b"l");
            let then = self.node(depth - 1, false);
            self.grammar.add(Node::Seq(vec![first, then]))
        } else {
            self.container(depth, false)
        }
    }

    fn punctuation(&mut self, text: &str) -> usize {
        let exact = Language::word(text.as_bytes());
        let language = if self.source.one_in(5) {
            let space = Language::Repeat(Box::new(Language::Bytes(b" ".to_vec())), 0, 1);
            Language::Concat(vec![space, exact])
        } else {
            exact
        };
        self.grammar.language(language)
    }

    fn choices(&mut self, depth: usize, rules: bool, counters: usize) -> Vec<(usize, u32)> {
        let n = self.source.pick(&[1, 1, 1, 2, 2, 0]);
        let counts: Vec<u32> = (0..n).map(|_| self.source.below(1 << counters) as u32).collect();
        counts.into_iter().map(|c| (self.value(depth - 1, rules), c)).collect()
    }

    fn counters(&mut self) -> Vec<(u32, u32)> {
        let n = self.source.pick(&[0, 0, 0, 1, 2]);
        (0..n)
            .map(|_| {
                self.source.pick(&[(0, 1), (1, UNBOUNDED), (1, 1), (2, UNBOUNDED), (1, 2), (2, 2), (0, 0)])
            })
            .collect()
    }

    fn container(&mut self, depth: usize, rules: bool) -> usize {
        let node = if self.source.below(3) < 2 {
            Node::Object(self.object(depth, rules))
        } else {
            Node::Array(self.array(depth, rules))
        };
        self.grammar.add(node)
    }

    fn array(&mut self, depth: usize, rules: bool) -> Array {
        let counters = self.counters();
        let prefix = self.source.pick(&[0, 0, 1, 2, 3]);
        Array {
            open: self.punctuation("["),
            close: self.punctuation("]"),
            comma: self.punctuation(","),
            prefix: (0..prefix).map(|_| self.choices(depth, rules, counters.len())).collect(),
            rest: self.choices(depth, rules, counters.len()),
            min: self.source.pick(&[0, 0, 1, 2, 3]),
            max: self.source.pick(&[UNBOUNDED, UNBOUNDED, 2, 3, 1, 0]),
            counters,
        }
    }

    /// Undeclared keys of a kind, and their number if it is finite. The first kind holds `x`-keys
    /// and the second all others, so that they never overlap.
    fn rest_keys(&mut self, taken: usize, names: &[Vec<u8>]) -> (Language, Option<u32>) {
        match (taken, self.source.below(3)) {
            (0, 0) => {
                let words: Vec<Vec<u8>> = vec![b"x".to_vec(), b"xy".to_vec()];
                (Language::Literals(words), Some(2))
            }
            (0, _) => {
                let more = Language::Repeat(Box::new(Language::Bytes(b"ax".to_vec())), 0, UNBOUNDED);
                (Language::Concat(vec![Language::word(b"x"), more]), None)
            }
            (_, 0) => {
                let words: Vec<Vec<u8>> = (["a", "b", "z"].iter().map(|w| w.as_bytes().to_vec()))
                    .filter(|w| !names.contains(w))
                    .collect();
                let capacity = words.len() as u32;
                (Language::Literals(words), Some(capacity))
            }
            _ => {
                let mut not = vec![Language::Concat(vec![Language::word(b"x"), Language::Text])];
                if !names.is_empty() {
                    not.push(Language::Literals(names.to_vec()));
                }
                let others = Language::Not(Box::new(Language::Union(not)));
                (Language::Inter(vec![Language::Text, others]), None)
            }
        }
    }

    fn object(&mut self, depth: usize, rules: bool) -> Object {
        let counters = self.counters();
        let key_escapes = self.escapes();
        let rest_escapes = self.escapes();
        let count = self.source.below(5);
        let mut declared: Vec<Declared> = Vec::new();
        for _ in 0..count {
            let key = self.source.pick(KEYS);
            if declared.iter().any(|p| p.key == key) {
                continue;
            }
            let spelling = Language::Json(Box::new(Language::word(key.as_bytes())), key_escapes);
            let spelling = self.grammar.language(spelling);
            declared.push(Declared {
                key: key.to_owned(),
                spelling,
                required: self.source.one_in(3),
                requires: Vec::new(),
                values: self.choices(depth, rules, counters.len()),
            });
        }
        for i in 0..declared.len() {
            if self.source.one_in(4) {
                let other = self.source.below(declared.len());
                declared[i].requires.push(other);
            }
        }
        let unique_rest = !self.source.one_in(4);
        let names: Vec<Vec<u8>> = declared.iter().map(|p| p.key.as_bytes().to_vec()).collect();
        let mut rest = Vec::new();
        for taken in 0..self.source.pick(&[0, 1, 1, 2]) {
            let (keys, capacity) = self.rest_keys(taken, &names);
            let spelling = self.grammar.language(Language::Json(Box::new(keys.clone()), rest_escapes));
            let mut values = self.choices(depth, rules, counters.len());
            if values.is_empty() {
                values.push((self.value(0, false), 0));
            }
            rest.push(Rest { keys, spelling, capacity: capacity.filter(|_| unique_rest), values });
        }
        Object {
            open: self.punctuation("{"),
            close: self.punctuation("}"),
            comma: self.punctuation(","),
            colon: self.punctuation(":"),
            before_key: self.punctuation(""),
            key_escapes,
            rest_escapes,
            declared,
            rest,
            any_order: self.source.one_in(2),
            unique_rest,
            min: self.source.pick(&[0, 0, 0, 1, 2, 3]),
            max: self.source.pick(&[UNBOUNDED, UNBOUNDED, 2, 3, 1, 0]),
            counters,
        }
    }
}

/// A small vocabulary made of pieces of the words that the family's grammars accept.
pub fn vocabulary(source: &mut Source<'_>, family: Family) -> Vocabulary {
    let plain: &[&str] = &["a", "b", "c", "ab", "é", "x", "\u{1f600}"];
    let string: &[&str] =
        &["\"", "a", "b", "\\", "\\u00", "61", "\\\"", "é", "/", "\\n", "u", "0", "\\ud83d", "\\ude00", "d"];
    let container: &[&str] = &[
        "\"", "{", "}", ":", ",", "[", "]", "\"a\"", "\":", "\",\"", "a", "b", "x", "1", "2", "12", " ",
        "{\"", "\":1,\"", "\"x\":1", ",\"x\"", "]}", "v", "l", "\\u0061",
    ];
    let mut pieces: Vec<&str> = Vec::new();
    if matches!(family, Family::Regular | Family::ContextFree | Family::Mixed) {
        pieces.extend(plain);
    }
    if matches!(family, Family::Strings | Family::Containers | Family::Mixed) {
        pieces.extend(string);
    }
    if matches!(family, Family::Containers | Family::Mixed) {
        pieces.extend(container);
    }
    let mut tokens: Vec<Vec<u8>> = Vec::new();
    for piece in &pieces {
        tokens.push(piece.as_bytes().to_vec());
        // The single bytes of characters that have several.
        if !piece.is_ascii() {
            tokens.extend(piece.bytes().map(|b| vec![b]));
        }
    }
    for _ in 0..source.below(16) {
        let n = 2 + source.below(3);
        let token: Vec<u8> = (0..n).flat_map(|_| source.pick(&pieces).bytes()).collect();
        tokens.push(token);
    }
    tokens.push(vec![0xff]);
    tokens.push(Vec::new());
    let first = tokens.len() as u32;
    let special = [("<x>", 0), ("<y>", 1), ("</s>", 2), ("<x>", 3), ("<w>", 4), ("<y2>", 1)];
    tokens.extend((0..5).map(|_| Vec::new()));
    Vocabulary::from_tokens(VocabularyParts {
        special: special.map(|(name, id)| (name.to_owned(), TokenId(first + id))).to_vec(),
        eos: vec![TokenId(first + 2)],
        model_size: Some(tokens.len() + source.below(3)),
        tokens,
    })
    .expect("a valid vocabulary")
}
