//! Free text up to a trigger, without forbidden texts: a leaf for text with calls or tags in it.
//!
//! The language has the UTF-8 texts that end with the first occurrence of a trigger and hold no
//! forbidden text. For example, with the trigger `<f=`, `so <f=` is a word, and `<f=<f=` is not:
//! its first trigger ends before its end. The label of a word is that of its trigger. Text that
//! runs to the end of the output without any pattern is another language, [`Until::text`].
//!
//! A state is a node of the Aho–Corasick automaton of all patterns. It stands for the longest
//! beginning of a pattern that the text ends with. The node also says how many bytes of a character
//! are still to come. If the text ends with no beginning of a pattern, the state is one of eight
//! more that only follow characters. So there are about as many states as the patterns have bytes.
//! An expression with `∩` and `¬` would need a search to find each state.
//!
//! A step follows failure links, in the worst case as many as a pattern has bytes. The walks over
//! the vocabulary copy rows of steps, so they pay for each step once.
//!
//! Source: A. Aho, M. Corasick, *Efficient string matching* (1975).

use super::byte_classes::{ByteClasses, ByteSet};
use super::expr::LangId;
use super::expr_pool::ExprPool;
use super::interrupt::{self, Interrupted};
use super::machine::{Machine, TextSearch};
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

/// A text that ends free text, or that free text must not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    /// The text; never empty.
    pub text: String,
    /// The label of words that end with it; `None` for a forbidden text.
    pub label: Option<u32>,
}

/// The reason why patterns make no language.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UntilError {
    /// A pattern is the empty text, which occurs everywhere.
    #[error("a trigger or forbidden text is empty")]
    Empty,
    /// A trigger can never be read whole.
    #[error("the trigger {trigger:?} can never be read: it holds {inner:?}")]
    Unreachable {
        /// The trigger.
        trigger: String,
        /// The other pattern, which comes to its end first.
        inner: String,
    },
    /// Too much text.
    #[error("triggers and forbidden texts have {given} bytes together, but at most {limit} are possible")]
    TooLong {
        /// Bytes of all patterns.
        given: usize,
        /// The most there may be.
        limit: usize,
    },
    /// The work was ended early.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// The most bytes that all patterns may have together.
const MAX_BYTES: usize = 1 << 18;

/// The most bytes of all patterns up to which distances to an end are computed. If some patterns
/// are forbidden, distances are computed for any number of bytes.
const MEASURED: usize = 1 << 12;

/// States looked at for short words of the labels.
const EXPLORED: usize = 1 << 12;

/// A distance from which no word is left.
const NEVER: u32 = u32::MAX;

/// One node of the automaton.
#[derive(Clone)]
struct Node {
    children: Vec<(u8, u32)>,
    /// The node of the longest text, other than this node's, with which this node's text ends.
    fail: u32,
    /// The pattern that ends here, the longest if several do.
    end: Option<u32>,
    /// The bytes of the longest beginning of a trigger that this node ends with.
    held: u32,
    phase: Phase,
}

/// The part of the last character that has been read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// Between two characters.
    Between,
    /// One continuation byte is missing.
    One,
    /// Two continuation bytes are missing.
    Two,
    /// Three continuation bytes are missing.
    Three,
    /// After the first byte `0xe0`, which allows only some second bytes, as do those below.
    AfterE0,
    AfterEd,
    AfterF0,
    AfterF4,
}

use Phase::{AfterE0, AfterEd, AfterF0, AfterF4, Between, One, Three, Two};

const PHASES: [Phase; 8] = [Between, One, Two, Three, AfterE0, AfterEd, AfterF0, AfterF4];

impl Phase {
    /// The phase after `byte`; `None` if the text is then no longer UTF-8.
    fn after(self, byte: u8) -> Option<Phase> {
        let is_continuation = byte & 0xc0 == 0x80;
        match (self, byte) {
            (Between, 0..=0x7f) => Some(Between),
            (Between, 0xc2..=0xdf) => Some(One),
            (Between, 0xe0) => Some(AfterE0),
            (Between, 0xed) => Some(AfterEd),
            (Between, 0xe1..=0xef) => Some(Two),
            (Between, 0xf0) => Some(AfterF0),
            (Between, 0xf1..=0xf3) => Some(Three),
            (Between, 0xf4) => Some(AfterF4),
            (One, _) if is_continuation => Some(Between),
            (Two, _) if is_continuation => Some(One),
            (Three, _) if is_continuation => Some(Two),
            (AfterE0, 0xa0..=0xbf) | (AfterEd, 0x80..=0x9f) => Some(One),
            (AfterF0, 0x90..=0xbf) | (AfterF4, 0x80..=0x8f) => Some(Two),
            _ => None,
        }
    }
}

/// The texts that hold none of these. No text is left if they exceed the limit of length.
pub(crate) fn text_without(mut texts: Vec<String>, pool: &mut ExprPool) -> LangId {
    // A text that holds another one is excluded with it.
    texts.sort_unstable_by_key(String::len);
    let mut shortest: Vec<String> = Vec::with_capacity(texts.len());
    for text in texts {
        if !shortest.iter().any(|other| text.contains(other)) {
            shortest.push(text);
        }
    }
    // Every schema of a list of tools excludes the same texts.
    shortest.sort_unstable();
    let key = key(true, shortest.iter().map(|text| (text.as_str(), None)));
    if let Some(known) = pool.known_machine(&key) {
        return known;
    }
    match Until::text(shortest) {
        Ok(text) => pool.machine(Arc::new(text)),
        Err(_) => LangId::NEVER,
    }
}

/// The name of an automaton, by what it searches for, in order.
fn key<'p>(is_text: bool, patterns: impl Iterator<Item = (&'p str, Option<u32>)>) -> String {
    let mut key = String::from(if is_text { "text without" } else { "text until" });
    for (text, label) in patterns {
        let _ = match label {
            Some(label) => write!(key, " {text:?}={label}"),
            None => write!(key, " {text:?}"),
        };
    }
    key
}

/// Free text with triggers and forbidden texts. See the module's documentation.
pub struct Until {
    patterns: Vec<Pattern>,
    /// Words are the texts without any pattern, and not those up to a trigger.
    is_text: bool,
    nodes: Vec<Node>,
    /// A lower bound on the bytes to the nearest end, by state; [`NEVER`] if there is no end. The
    /// list is empty if every state has an end and no distance was computed.
    distances: Vec<u32>,
    /// True if text can be completed after every byte that completes no pattern. If all characters
    /// with some first byte are forbidden, it cannot be completed after this byte.
    ends_only_at_patterns: bool,
}

impl Until {
    /// Texts up to the first trigger, without forbidden texts. If a trigger and a forbidden text
    /// end at the same byte, the text is forbidden. If several triggers end at the same byte, the
    /// longest of them is read.
    ///
    /// ```
    /// use hedgerow::automata::until::{Pattern, Until};
    /// use hedgerow::automata::ExprPool;
    /// let trigger = Pattern { text: "<f=".to_owned(), label: Some(7) };
    /// let forbidden = Pattern { text: "<g".to_owned(), label: None };
    /// let mut pool = ExprPool::new();
    /// let id = pool.machine(std::sync::Arc::new(Until::new(vec![trigger, forbidden])?));
    /// let end = pool.step_bytes(id, b"so: <f=");
    /// assert_eq!((pool.is_nullable(end), pool.label(end)), (true, Some(7)));
    /// assert!(!pool.accepts(id, b"<g <f="));
    /// # Ok::<(), hedgerow::automata::until::UntilError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`UntilError`].
    pub fn new(patterns: Vec<Pattern>) -> Result<Self, UntilError> {
        Self::build(patterns, false)
    }

    /// Texts in which none of the patterns occurs. A text may end with the beginning of one.
    ///
    /// # Errors
    ///
    /// An empty pattern, or too many bytes of them.
    pub fn text(forbidden: Vec<String>) -> Result<Self, UntilError> {
        let patterns = forbidden.into_iter().map(|text| Pattern { text, label: None });
        Self::build(patterns.collect(), true)
    }

    fn build(mut patterns: Vec<Pattern>, is_text: bool) -> Result<Self, UntilError> {
        // Of equal triggers the first counts.
        patterns.sort_by(|a, b| (&a.text, a.label.is_some()).cmp(&(&b.text, b.label.is_some())));
        let contradiction = patterns
            .windows(2)
            .find(|pair| pair[0].text == pair[1].text && pair[0].label.is_none() && pair[1].label.is_some());
        if let Some([_, trigger]) = contradiction {
            let (trigger, inner) = (trigger.text.clone(), trigger.text.clone());
            return Err(UntilError::Unreachable { trigger, inner });
        }
        patterns.dedup_by(|later, first| later.text == first.text);
        let mut until = Self::planted(patterns, is_text)?;
        until.check()?;
        let bytes: usize = until.patterns.iter().map(|pattern| pattern.text.len()).sum();
        if bytes <= MEASURED || until.patterns.iter().any(|pattern| pattern.label.is_none()) {
            until.measure()?;
        }
        let is_dead =
            |(state, &distance): (usize, &u32)| distance == NEVER && until.end(state as u64).is_none();
        until.ends_only_at_patterns = !until.distances.iter().enumerate().any(is_dead);
        Ok(until)
    }

    /// The automaton of the patterns, unchecked.
    fn planted(patterns: Vec<Pattern>, is_text: bool) -> Result<Self, UntilError> {
        let given = patterns.iter().map(|pattern| pattern.text.len()).sum();
        if given > MAX_BYTES {
            return Err(UntilError::TooLong { given, limit: MAX_BYTES });
        }
        if patterns.iter().any(|pattern| pattern.text.is_empty()) {
            return Err(UntilError::Empty);
        }
        let root = Node { children: Vec::new(), fail: 0, end: None, held: 0, phase: Between };
        let mut until = Until {
            patterns,
            is_text,
            nodes: vec![root],
            distances: Vec::new(),
            ends_only_at_patterns: true,
        };
        until.plant()?;
        until.link();
        Ok(until)
    }

    /// Makes a node for every beginning of a pattern.
    fn plant(&mut self) -> Result<(), Interrupted> {
        for (i, pattern) in self.patterns.iter().enumerate() {
            interrupt::spend(pattern.text.len() as u32);
            interrupt::ended()?;
            let mut at = 0u32;
            for &byte in pattern.text.as_bytes() {
                let node = &self.nodes[at as usize];
                at = match node.children.binary_search_by_key(&byte, |child| child.0) {
                    Ok(found) => node.children[found].1,
                    Err(place) => {
                        let phase = node.phase.after(byte).unwrap_or(Between);
                        let new = self.nodes.len() as u32;
                        self.nodes[at as usize].children.insert(place, (byte, new));
                        self.nodes.push(Node { children: Vec::new(), fail: 0, end: None, held: 0, phase });
                        new
                    }
                };
            }
            self.nodes[at as usize].end = Some(i as u32);
        }
        for pattern in self.patterns.iter().filter(|pattern| pattern.label.is_some()) {
            let mut at = 0usize;
            for (read, byte) in pattern.text.bytes().enumerate() {
                let children = &self.nodes[at].children;
                let Ok(found) = children.binary_search_by_key(&byte, |child| child.0) else { break };
                at = children[found].1 as usize;
                self.nodes[at].held = read as u32 + 1;
            }
        }
        Ok(())
    }

    /// Finds the failure links, the nodes nearest to the root first, and the patterns that end at
    /// each node.
    fn link(&mut self) {
        let mut queue: VecDeque<u32> = self.nodes[0].children.iter().map(|child| child.1).collect();
        while let Some(at) = queue.pop_front() {
            let fail = self.nodes[at as usize].fail;
            let Node { end: inherited, held, .. } = self.nodes[fail as usize];
            let node = &mut self.nodes[at as usize];
            node.held = node.held.max(held);
            let own = node.end;
            let is_forbidden =
                |end: Option<u32>| end.is_some_and(|pattern| self.patterns[pattern as usize].label.is_none());
            node.end = if is_forbidden(inherited) { inherited } else { own.or(inherited) };
            for (byte, child) in node.children.clone() {
                self.nodes[child as usize].fail = self.follow(fail, byte);
                queue.push_back(child);
            }
        }
    }

    /// The node of the longest text with which the text of `node`, followed by `byte`, ends.
    fn follow(&self, mut node: u32, byte: u8) -> u32 {
        loop {
            let at = &self.nodes[node as usize];
            if let Ok(found) = at.children.binary_search_by_key(&byte, |child| child.0) {
                return at.children[found].1;
            }
            if node == 0 {
                return 0;
            }
            node = at.fail;
        }
    }

    /// The pattern that comes to its end in a trigger, so that the trigger is never read whole.
    fn inside(&self, trigger: &Pattern) -> Option<&Pattern> {
        let mut at = 0;
        for (read, &byte) in trigger.text.as_bytes().iter().enumerate() {
            at = self.follow(at, byte);
            let Some(end) = self.nodes[at as usize].end else { continue };
            let inner = &self.patterns[end as usize];
            if read + 1 < trigger.text.len() || inner.label.is_none() {
                return Some(inner);
            }
        }
        None
    }

    /// Fails if a trigger is never read whole.
    fn check(&self) -> Result<(), UntilError> {
        for trigger in self.patterns.iter().filter(|pattern| pattern.label.is_some()) {
            if let Some(inner) = self.inside(trigger) {
                let (trigger, inner) = (trigger.text.clone(), inner.text.clone());
                return Err(UntilError::Unreachable { trigger, inner });
            }
        }
        Ok(())
    }

    /// The labels of the triggers that are never read whole.
    ///
    /// # Errors
    ///
    /// An empty pattern, or too many bytes of them.
    pub(crate) fn unreachable(mut patterns: Vec<Pattern>) -> Result<Vec<u32>, UntilError> {
        // Of equal patterns the last counts, and a forbidden one before a trigger.
        patterns.sort_by_key(|pattern| pattern.label.is_none());
        let until = Self::planted(patterns, false)?;
        let labelled = until.patterns.iter().filter_map(|pattern| Some((pattern, pattern.label?)));
        Ok(labelled.filter(|(pattern, _)| until.inside(pattern).is_some()).map(|(_, label)| label).collect())
    }

    /// The number of states: nodes, and phases of a character without a node.
    fn states(&self) -> usize {
        self.nodes.len() + PHASES.len() - 1
    }

    /// The node and the phase of a state.
    fn place(&self, state: u64) -> (u32, Phase) {
        let state = state as usize;
        match self.nodes.get(state) {
            Some(node) => (state as u32, node.phase),
            None => (0, PHASES[(state - self.nodes.len() + 1) % PHASES.len()]),
        }
    }

    /// The state in this phase of a character after text that ends with no beginning of a pattern.
    fn outside_patterns(&self, phase: Phase) -> u64 {
        match phase {
            Between => 0,
            phase => self.nodes.len() as u64 + phase as u64 - 1,
        }
    }

    /// The pattern that a state has just read.
    fn end(&self, state: u64) -> Option<&Pattern> {
        let node = self.nodes.get(state as usize)?;
        node.end.map(|pattern| &self.patterns[pattern as usize])
    }

    /// The state after `byte`, which may have no end.
    fn next(&self, state: u64, byte: u8) -> Option<u64> {
        let (node, phase) = self.place(state);
        if self.end(state).is_some() {
            return None;
        }
        let phase = phase.after(byte)?;
        let next = match self.follow(node, byte) {
            0 => self.outside_patterns(phase),
            next => u64::from(next),
        };
        match self.end(next) {
            Some(pattern) if pattern.label.is_none() => None,
            _ => Some(next),
        }
    }

    /// Finds the distance of each state to the nearest end, backwards from the ends.
    fn measure(&mut self) -> Result<(), Interrupted> {
        let classes = self.classes();
        let mut before: Vec<Vec<u32>> = vec![Vec::new(); self.states()];
        for state in 0..self.states() as u32 {
            interrupt::check()?;
            for &byte in classes.representatives() {
                if let Some(next) = self.next(state.into(), byte) {
                    before[next as usize].push(state);
                }
            }
        }
        self.distances = vec![NEVER; self.states()];
        let is_end = |state: &u32| self.accepts(u64::from(*state));
        let mut queue: VecDeque<u32> = (0..self.states() as u32).filter(is_end).collect();
        queue.iter().for_each(|&state| self.distances[state as usize] = 0);
        while let Some(state) = queue.pop_front() {
            let distance = self.distances[state as usize] + 1;
            for &from in &before[state as usize] {
                if self.distances[from as usize] == NEVER {
                    self.distances[from as usize] = distance;
                    queue.push_back(from);
                }
            }
        }
        Ok(())
    }

    fn distance(&self, state: u64) -> u32 {
        match self.distances.get(state as usize) {
            Some(&distance) => distance,
            None => u32::from(!self.accepts(state)),
        }
    }
}

impl TextSearch for Until {
    fn children(&self, node: u32) -> &[(u8, u32)] {
        &self.nodes[node as usize].children
    }

    fn is_found(&self, node: u32) -> bool {
        self.nodes[node as usize].end.is_some()
    }

    fn begun(&self, state: u64) -> Vec<u32> {
        let node = |of: u32| Some(of).filter(|&node| node != 0);
        let next = |&of: &u32| node(self.nodes[of as usize].fail);
        std::iter::successors(node(self.place(state).0), next).collect()
    }

    fn without_texts(&self, state: u64, longest: usize) -> Option<(Arc<dyn Machine>, u64)> {
        let patterns = match self.is_text {
            true => Vec::new(),
            // Text must have an end, which is a trigger beyond the longest text.
            false => {
                let character = '\u{10ffff}';
                let text = String::from(character).repeat(longest / character.len_utf8() + 1);
                vec![Pattern { text, label: Some(0) }]
            }
        };
        let until = Until::build(patterns, self.is_text).ok()?;
        let state = until.outside_patterns(self.place(state).1);
        Some((Arc::new(until), state))
    }
}

impl Machine for Until {
    fn key(&self) -> String {
        key(self.is_text, self.patterns.iter().map(|pattern| (pattern.text.as_str(), pattern.label)))
    }

    fn start(&self) -> Option<u64> {
        let has_end = self.is_text || self.patterns.iter().any(|pattern| pattern.label.is_some());
        (has_end && self.distance(0) != NEVER).then_some(0)
    }

    fn step(&self, state: u64, byte: u8) -> Option<u64> {
        self.next(state, byte).filter(|&next| self.distance(next) != NEVER)
    }

    fn accepts(&self, state: u64) -> bool {
        match self.end(state) {
            Some(pattern) => pattern.label.is_some(),
            None => self.is_text && self.place(state).1 == Between,
        }
    }

    fn classes(&self) -> ByteClasses {
        let mut named = ByteSet::EMPTY;
        for pattern in &self.patterns {
            pattern.text.bytes().for_each(|byte| named.insert(byte));
        }
        // Bytes that no pattern has differ by the characters that they may stand in.
        let kind = |byte: u8| PHASES.map(|phase| phase.after(byte));
        ByteClasses::by_key(|byte| (named.contains(byte).then_some(byte), kind(byte)))
    }

    fn at_least(&self, state: u64) -> u32 {
        self.distance(state).max(1)
    }

    fn text_search(&self) -> Option<&dyn TextSearch> {
        self.ends_only_at_patterns.then_some(self)
    }

    fn is_text(&self, _state: u64) -> bool {
        false
    }

    fn label(&self, state: u64) -> Option<u32> {
        self.end(state)?.label
    }

    fn held(&self, state: u64) -> u32 {
        self.nodes.get(state as usize).map_or(0, |node| node.held)
    }

    fn is_spent(&self, state: u64) -> bool {
        self.end(state).is_some()
    }

    fn with_labels(&self, keep: &dyn Fn(u32) -> bool) -> Option<Arc<dyn Machine>> {
        let keeps = |pattern: &Pattern| Pattern {
            label: pattern.label.filter(|&label| keep(label)),
            ..pattern.clone()
        };
        let mut patterns: Vec<Pattern> = self.patterns.iter().map(keeps).collect();
        loop {
            match Until::build(patterns.clone(), self.is_text) {
                Ok(until) => return Some(Arc::new(until)),
                // A trigger that ends with one that is forbidden now cannot be read either.
                Err(UntilError::Unreachable { trigger, .. }) => {
                    patterns.iter_mut().filter(|p| p.text == trigger).for_each(|p| p.label = None);
                }
                Err(_) => return None,
            }
        }
    }

    fn labelled_words(&self, state: u64) -> Vec<(Vec<u8>, u32)> {
        let classes = self.classes();
        let mut seen: hashbrown::HashMap<u64, (u64, u8)> = hashbrown::HashMap::new();
        let mut queue = VecDeque::from([state]);
        let mut words = Vec::new();
        while let Some(at) = queue.pop_front() {
            if let (Some(label), true) = (self.label(at), at != state) {
                let (mut word, mut back) = (Vec::new(), at);
                while let Some(&(from, byte)) = seen.get(&back).filter(|_| back != state) {
                    word.push(byte);
                    back = from;
                }
                word.reverse();
                words.push((word, label));
            }
            if seen.len() > EXPLORED {
                break;
            }
            for &byte in classes.representatives() {
                if let Some(next) = self.step(at, byte).filter(|next| *next != state) {
                    seen.entry(next).or_insert_with(|| {
                        queue.push_back(next);
                        (at, byte)
                    });
                }
            }
        }
        words
    }
}
