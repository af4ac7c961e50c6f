//! A deterministic automaton over classes of characters, for rules whose product has few states.
//!
//! Such rules are those for labels of host names: "no hyphen at an end", "a middle dot stands
//! between two `l`", "letters of one direction". As an intersection of one expression for each
//! rule, every step would derive all of them and search for a word of what is left. Here the rules
//! are a transition function over *sets* of characters ([`CharRules`]), such as "a hyphen" or "a
//! mark". All states are found once, states with the same words are merged, and states without a
//! word are removed. A step is then two look-ups.
//!
//! A word is a row of *runs*, such as labels, between characters that the rules call breaks. Runs
//! may have a maximum length, which depends on the state. The length read so far is a part of the
//! automaton's state and not of the table.
//!
//! Characters are read byte by byte along a tree of UTF-8 sequences. Its leaves are the classes of
//! characters that no rule tells apart.

use super::UNBOUNDED;
use super::byte_classes::{ByteClasses, ByteSet};
use super::machine::Machine;
use hashbrown::HashMap;
use regex_syntax::utf8::{Utf8Range, Utf8Sequences};
use std::hash::Hash;

/// The most bytes of a character in UTF-8.
const MAX_UTF8: u32 = 4;
/// The most classes of characters: the bits of a [`ClassSet`].
const MAX_CLASSES: usize = 128;
/// The tree's first node, between two characters.
const ROOT: u32 = 0;
/// The bit that marks a leaf of the tree, whose other bits are a class.
const LEAF: u32 = 1 << 31;
/// The row of states without a word.
const DEAD: u16 = u16::MAX;

type ClassSet = u128;

/// Rules for texts, as a transition function over sets of characters.
pub trait CharRules {
    /// A state between two characters.
    type State: Clone + Eq + Hash;

    /// The name of the language, see [`Machine::key`].
    fn key(&self) -> String;
    /// The sets that the rules speak of, at most 64 of them: sorted ranges of characters. No word
    /// has characters that are in none of them.
    fn sets(&self) -> Vec<Vec<(char, char)>>;
    /// The state before the first character.
    fn start(&self) -> Self::State;
    /// The state after a character that is in the sets whose bits are 1: bit 0 stands for the first
    /// set. `None` when no word goes on like this. Only a state that accepts goes on with a
    /// [break](Self::is_break).
    fn next(&self, state: &Self::State, sets: u64) -> Option<Self::State>;
    /// True if a word may end in `state`.
    fn accepts(&self, state: &Self::State) -> bool;
    /// True if a character of these sets ends a run.
    fn is_break(&self, sets: u64) -> bool;
    /// The most characters that the run may have in `state`, at most 254.
    fn longest_run(&self, state: &Self::State) -> u8;
}

/// The automaton of some [`CharRules`]. A state is a row of the table, a node of the tree, and the
/// length of the run.
pub struct CharTable {
    key: String,
    rows: Vec<TableRow>,
    nodes: Vec<Node>,
    /// The bytes that the tree tells apart.
    classes: ByteClasses,
    /// The classes of characters that end a run.
    breaks: ClassSet,
    /// The most characters that a state needs to a word's end.
    most_needed: u32,
}

struct TableRow {
    accepts: bool,
    /// The next row by class.
    next: Box<[u16]>,
    /// The classes that lead on.
    live: ClassSet,
    /// The longest run with which the row still has a word.
    longest_run: u8,
    /// The characters of a shortest word.
    needed: u32,
    /// The lengths of the run with which the row has words of this and of every greater length.
    gapless_runs: ByteSet,
}

struct Node {
    /// Byte ranges, each with a node or a leaf.
    edges: Box<[(u8, u8, u32)]>,
    /// The classes of the leaves below.
    below: ClassSet,
}

/// A state of the machine.
#[derive(Clone, Copy)]
struct CharState {
    row: u16,
    node: u32,
    run: u8,
}

impl CharState {
    fn pack(self) -> u64 {
        u64::from(self.row) | u64::from(self.run) << 16 | u64::from(self.node) << 32
    }

    fn unpack(state: u64) -> Self {
        CharState { row: state as u16, run: (state >> 16) as u8, node: (state >> 32) as u32 }
    }
}

impl CharTable {
    /// The automaton of `rules`. `None` if they have no word, or more states or classes than a
    /// table holds.
    pub fn new<R: CharRules>(rules: &R) -> Option<Self> {
        let alphabet = Alphabet::of(&rules.sets());
        let found = Found::explore(rules, &alphabet)?;
        let (found, longest_runs) = found.trimmed(rules, &alphabet)?;
        let (blocks, count) = found.equivalent(&longest_runs);
        let (columns, column_count) =
            found.equal_columns(|class| rules.is_break(alphabet.sets_of_class[class]));
        if column_count > MAX_CLASSES || count >= usize::from(DEAD) {
            return None;
        }
        let mut breaks: ClassSet = 0;
        for (class, &sets) in alphabet.sets_of_class.iter().enumerate() {
            breaks |= ClassSet::from(rules.is_break(sets)) << columns[class];
        }
        let mut rows: Vec<Option<TableRow>> = (0..count).map(|_| None).collect();
        for (state, &block) in blocks.iter().enumerate() {
            let row = &mut rows[block as usize];
            if row.is_none() {
                let mut next = vec![DEAD; column_count];
                let mut live: ClassSet = 0;
                for (class, &to) in found.next[state].iter().enumerate() {
                    if let Some(to) = to {
                        next[columns[class] as usize] = blocks[to as usize] as u16;
                        live |= 1 << columns[class];
                    }
                }
                let accepts = found.accepting[state];
                let longest_run = longest_runs[state];
                *row = Some(TableRow {
                    accepts,
                    next: next.into(),
                    live,
                    longest_run,
                    needed: 0,
                    gapless_runs: ByteSet::EMPTY,
                });
            }
        }
        let mut rows: Vec<TableRow> = rows.into_iter().flatten().collect();
        let most_needed = measure(&mut rows, breaks);
        let mut tree = Tree::default();
        tree.build(&alphabet, &columns);
        Some(CharTable {
            key: rules.key(),
            rows,
            classes: byte_classes(&tree.nodes),
            nodes: tree.nodes,
            breaks,
            most_needed,
        })
    }

    fn row(&self, place: CharState) -> &TableRow {
        &self.rows[usize::from(place.row)]
    }

    /// The place after a character of `class`.
    fn after(&self, place: CharState, class: u32) -> Option<CharState> {
        let row = self.row(place).next[class as usize];
        if row == DEAD {
            return None;
        }
        let run = if self.breaks >> class & 1 == 1 { 0 } else { place.run.saturating_add(1) };
        (run <= self.rows[usize::from(row)].longest_run).then_some(CharState { row, node: ROOT, run })
    }
}

impl Machine for CharTable {
    fn key(&self) -> String {
        self.key.clone()
    }

    fn start(&self) -> Option<u64> {
        Some(CharState { row: 0, node: ROOT, run: 0 }.pack())
    }

    fn step(&self, state: u64, byte: u8) -> Option<u64> {
        let place = CharState::unpack(state);
        let edges = &self.nodes[place.node as usize].edges;
        let at = edges.partition_point(|&(_, hi, _)| hi < byte);
        let &(lo, _, to) = edges.get(at)?;
        if byte < lo {
            return None;
        }
        if to & LEAF != 0 {
            return self.after(place, to & !LEAF).map(CharState::pack);
        }
        let mut classes = self.nodes[to as usize].below & self.row(place).live;
        while classes != 0 {
            if self.after(place, classes.trailing_zeros()).is_some() {
                return Some(CharState { node: to, ..place }.pack());
            }
            classes &= classes - 1;
        }
        None
    }

    fn accepts(&self, state: u64) -> bool {
        let place = CharState::unpack(state);
        place.node == ROOT && self.row(place).accepts
    }

    fn classes(&self) -> ByteClasses {
        self.classes.clone()
    }

    fn at_least(&self, state: u64) -> u32 {
        let place = CharState::unpack(state);
        if place.node == ROOT { self.row(place).needed } else { self.row(place).needed.max(1) }
    }

    fn at_most(&self, state: u64) -> u32 {
        let place = CharState::unpack(state);
        let begun = u32::from(place.node != ROOT);
        self.most_needed.saturating_add(begun).saturating_mul(MAX_UTF8)
    }

    fn completion(&self, _state: u64) -> u32 {
        self.most_needed.saturating_add(1).saturating_mul(MAX_UTF8)
    }

    fn lengths(&self, state: u64) -> Option<(u32, u32)> {
        let place = CharState::unpack(state);
        let row = self.row(place);
        (place.node == ROOT && row.gapless_runs.contains(place.run)).then_some((row.needed, UNBOUNDED))
    }

    fn is_spent(&self, state: u64) -> bool {
        let place = CharState::unpack(state);
        place.node == ROOT && self.row(place).live == 0
    }

    fn is_text(&self, state: u64) -> bool {
        CharState::unpack(state).node == ROOT
    }
}

/// The partition of the bytes that some nodes tell apart.
fn byte_classes(nodes: &[Node]) -> ByteClasses {
    let mut cuts = ByteSet::EMPTY;
    for &(lo, hi, _) in nodes.iter().flat_map(|node| node.edges.iter()) {
        cuts.insert(lo);
        if let Some(after) = hi.checked_add(1) {
            cuts.insert(after);
        }
    }
    let to = |node: &Node, byte: u8| {
        node.edges.iter().find(|&&(lo, hi, _)| lo <= byte && byte <= hi).map(|edge| edge.2)
    };
    ByteClasses::by_interval(&cuts, |byte| nodes.iter().map(|node| to(node, byte)).collect::<Vec<_>>())
}

/// A set of lengths below 128: bit 3 stands for words of 3 characters.
type Lengths = u128;

/// Finds the lengths of words, and stores what rows say of them. Returns the most characters that
/// any state needs.
///
/// The lengths of a row with a run follow from those with the next longer run, and after a break
/// from those with an empty run. So one pass goes from the longest run to the empty one, with the
/// lengths for empty runs that the pass before has found. Passes are made until they add nothing.
///
/// Runs are shorter than half of the lengths that are looked at. So a word of 127 characters has
/// breaks, and the text up to the first break can be left out or put before longer words. If a row
/// has words of all lengths from some length below 64 to 127, and so have all rows after breaks,
/// then each has words of all greater lengths, too: 128 is a part up to a first break, and a length
/// of at least 64 after it.
fn measure(rows: &mut [TableRow], breaks: ClassSet) -> u32 {
    let longest = rows.iter().map(|row| row.longest_run).max().unwrap_or(0);
    let is_break = |class: usize| breaks >> class & 1 == 1;
    let all_from = |lengths: Lengths| {
        let least = lengths.trailing_zeros();
        (least < 64 && !lengths >> least == 0).then_some(least)
    };
    let mut empty_run: Vec<Lengths> = vec![0; rows.len()];
    loop {
        let mut most = 0;
        let mut gapless = vec![ByteSet::EMPTY; rows.len()];
        let after_breaks = rows.iter().flat_map(|row| row.next.iter().enumerate());
        let mut after_breaks = after_breaks.filter(|&(class, &to)| to != DEAD && is_break(class));
        let goes_on_for_ever =
            longest < 64 && after_breaks.all(|(_, &to)| all_from(empty_run[usize::from(to)]).is_some());
        let mut longer_run: Vec<Lengths> = vec![0; rows.len()];
        for run in (0..=longest).rev() {
            let mut lengths: Vec<Lengths> = vec![0; rows.len()];
            for (at, row) in rows.iter().enumerate().filter(|(_, row)| run <= row.longest_run) {
                let next = row.next.iter().enumerate().filter(|&(_, &to)| to != DEAD);
                let after = next.fold(0, |after, (class, &to)| {
                    after
                        | if is_break(class) {
                            empty_run[usize::from(to)]
                        } else {
                            longer_run[usize::from(to)]
                        }
                });
                lengths[at] = after << 1 | Lengths::from(row.accepts);
                most = most.max(match lengths[at] {
                    0 if row.live == 0 => 0,
                    0 => UNBOUNDED,
                    lengths => lengths.trailing_zeros(),
                });
                let least = all_from(lengths[at]).filter(|_| goes_on_for_ever);
                if least == Some(empty_run[at].trailing_zeros()) {
                    gapless[at].insert(run);
                }
            }
            longer_run = lengths;
        }
        if longer_run == empty_run {
            for ((row, lengths), gapless) in rows.iter_mut().zip(&empty_run).zip(gapless) {
                row.needed = lengths.trailing_zeros();
                row.gapless_runs = gapless;
            }
            return most;
        }
        empty_run = longer_run;
    }
}

/// The characters that the sets of some rules tell apart.
struct Alphabet {
    /// Sorted ranges with their classes.
    ranges: Vec<(u32, u32, u32)>,
    /// The sets that the characters of a class are in.
    sets_of_class: Vec<u64>,
}

impl Alphabet {
    fn of(sets: &[Vec<(char, char)>]) -> Self {
        let mut edges: Vec<(u32, u64)> = Vec::new();
        for (i, ranges) in sets.iter().enumerate() {
            for &(lo, hi) in ranges {
                edges.extend([(u32::from(lo), 1 << i), (u32::from(hi) + 1, 1 << i)]);
            }
        }
        edges.sort_unstable();
        let mut alphabet = Alphabet { ranges: Vec::new(), sets_of_class: Vec::new() };
        let mut classes: HashMap<u64, u32> = HashMap::new();
        let (mut within, mut from) = (0u64, 0u32);
        for (at, set) in edges {
            if within != 0 && from < at {
                let class = *classes.entry(within).or_insert_with(|| {
                    alphabet.sets_of_class.push(within);
                    alphabet.sets_of_class.len() as u32 - 1
                });
                alphabet.ranges.push((from, at - 1, class));
            }
            within ^= set;
            from = at;
        }
        alphabet
    }
}

/// The states that some rules lead to, by number: the first is 0.
struct Found<S> {
    states: Vec<S>,
    /// The next state by class.
    next: Vec<Vec<Option<u32>>>,
    accepting: Vec<bool>,
}

impl<S: Clone + Eq + Hash> Found<S> {
    fn explore<R: CharRules<State = S>>(rules: &R, alphabet: &Alphabet) -> Option<Self> {
        let mut found = Found { states: vec![rules.start()], next: Vec::new(), accepting: Vec::new() };
        let mut numbers: HashMap<S, u32> = HashMap::from_iter([(rules.start(), 0)]);
        while let Some(state) = found.states.get(found.next.len()).cloned() {
            let mut row = Vec::with_capacity(alphabet.sets_of_class.len());
            for &sets in &alphabet.sets_of_class {
                row.push(rules.next(&state, sets).map(|next| {
                    *numbers.entry(next).or_insert_with_key(|next| {
                        found.states.push(next.clone());
                        found.states.len() as u32 - 1
                    })
                }));
            }
            if found.states.len() > 1 << 20 {
                return None;
            }
            found.next.push(row);
            found.accepting.push(rules.accepts(&state));
        }
        Some(found)
    }

    /// The same without transitions to states that have no word, and the longest run with which
    /// each state has one. States that cannot be reached then are still there.
    ///
    /// A state has a word with a run if the run is not too long for it, and if it accepts or leads
    /// to a state that has one with a run of one more. A break cannot come first, since it follows
    /// accepting states only. So shorter runs have words wherever longer ones have.
    fn trimmed<R: CharRules<State = S>>(mut self, rules: &R, alphabet: &Alphabet) -> Option<(Self, Vec<u8>)> {
        let goes_on: Vec<bool> = alphabet.sets_of_class.iter().map(|&sets| !rules.is_break(sets)).collect();
        let own: Vec<u8> = self.states.iter().map(|state| rules.longest_run(state)).collect();
        // One more than the longest run, and 0 where there is no word.
        let mut bound: Vec<u8> = self
            .accepting
            .iter()
            .zip(&own)
            .map(|(&accepts, &own)| if accepts { own + 1 } else { 0 })
            .collect();
        let mut changed = true;
        while changed {
            changed = false;
            for state in 0..self.states.len() {
                let after = self.next[state].iter().zip(&goes_on).filter(|(_, goes_on)| **goes_on);
                let longest = after.filter_map(|(to, _)| *to).map(|to| bound[to as usize]).max().unwrap_or(0);
                let longest = longest.saturating_sub(1).min(own[state] + 1);
                if longest > bound[state] {
                    bound[state] = longest;
                    changed = true;
                }
            }
        }
        if bound[0] == 0 {
            return None;
        }
        for to in self.next.iter_mut().flatten() {
            *to = to.filter(|&to| bound[to as usize] > 0);
        }
        Some((self, bound.iter().map(|bound| bound.saturating_sub(1)).collect()))
    }

    /// A partition of the states such that those of one block have the same words: the number of
    /// each state's block, that of the first state being 0, and the number of blocks. Blocks are
    /// split by where they lead until that changes nothing (Moore's algorithm).
    fn equivalent(&self, longest_runs: &[u8]) -> (Vec<u32>, usize) {
        let mut blocks = vec![0u32; self.states.len()];
        let mut count = 0;
        loop {
            let mut numbers: HashMap<Vec<u32>, u32> = HashMap::new();
            let split: Vec<u32> = (0..self.states.len())
                .map(|state| {
                    let mut signature = vec![
                        blocks[state],
                        u32::from(self.accepting[state]) << 8 | u32::from(longest_runs[state]),
                    ];
                    signature.extend(
                        self.next[state].iter().map(|to| to.map_or(UNBOUNDED, |to| blocks[to as usize])),
                    );
                    let fresh = numbers.len() as u32;
                    *numbers.entry(signature).or_insert(fresh)
                })
                .collect();
            blocks = split;
            if numbers.len() == count {
                return (blocks, count);
            }
            count = numbers.len();
        }
    }

    /// A partition of the classes such that those of one column lead every state to the same one,
    /// and are all breaks or all not: each class's column, and the number of columns.
    fn equal_columns(&self, is_break: impl Fn(usize) -> bool) -> (Vec<u32>, usize) {
        let mut numbers: HashMap<(bool, Vec<Option<u32>>), u32> = HashMap::new();
        let classes = self.next.first().map_or(0, Vec::len);
        let columns = (0..classes)
            .map(|class| {
                let column: Vec<Option<u32>> = self.next.iter().map(|row| row[class]).collect();
                let fresh = numbers.len() as u32;
                *numbers.entry((is_break(class), column)).or_insert(fresh)
            })
            .collect();
        (columns, numbers.len())
    }
}

/// The edges of a node: the first and the last byte, and the number that they lead to.
type Edges = Box<[(u8, u8, u32)]>;

/// A tree of UTF-8 sequences while it is built.
#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
    index: HashMap<Edges, u32>,
}

impl Tree {
    /// Builds the tree of all characters with a class. Its root comes first.
    fn build(&mut self, alphabet: &Alphabet, columns: &[u32]) {
        let mut sequences: Vec<(Vec<Utf8Range>, u32)> = Vec::new();
        for &(lo, hi, class) in &alphabet.ranges {
            for (lo, hi) in [(lo, hi.min(0xd7ff)), (lo.max(0xe000), hi)] {
                if let (true, Some(lo), Some(hi)) = (lo <= hi, char::from_u32(lo), char::from_u32(hi)) {
                    let column = columns[class as usize];
                    sequences.extend(Utf8Sequences::new(lo, hi).map(|s| (s.as_slice().to_vec(), column)));
                }
            }
        }
        self.nodes.push(Node { edges: Box::new([]), below: 0 });
        let rests: Vec<(&[Utf8Range], u32)> =
            sequences.iter().map(|(s, class)| (s.as_slice(), *class)).collect();
        let edges = self.edges(&rests);
        self.nodes[ROOT as usize] = self.node_of(edges);
    }

    fn node_of(&self, edges: Vec<(u8, u8, u32)>) -> Node {
        let below = edges.iter().fold(0, |below, &(_, _, to)| {
            below | if to & LEAF != 0 { 1 << (to & !LEAF) } else { self.nodes[to as usize].below }
        });
        Node { edges: edges.into(), below }
    }

    /// The edges for sequences that are sorted. The recursion goes no deeper than the bytes of a
    /// character. The first ranges of two sequences are equal or disjoint.
    fn edges(&mut self, sequences: &[(&[Utf8Range], u32)]) -> Vec<(u8, u8, u32)> {
        let mut edges: Vec<(u8, u8, u32)> = Vec::new();
        for group in sequences.chunk_by(|a, b| a.0[0] == b.0[0] && a.0.len() > 1 && b.0.len() > 1) {
            let Utf8Range { start: lo, end: hi } = group[0].0[0];
            let to = if group[0].0.len() == 1 {
                LEAF | group[0].1
            } else {
                let rests: Vec<(&[Utf8Range], u32)> =
                    group.iter().map(|(s, class)| (&s[1..], *class)).collect();
                let below = self.edges(&rests);
                self.intern(below)
            };
            match edges.last_mut() {
                Some(last) if last.2 == to && last.1.checked_add(1) == Some(lo) => last.1 = hi,
                _ => edges.push((lo, hi, to)),
            }
        }
        edges
    }

    fn intern(&mut self, edges: Vec<(u8, u8, u32)>) -> u32 {
        if let Some(&known) = self.index.get(edges.as_slice()) {
            return known;
        }
        let node = self.node_of(edges);
        let number = self.nodes.len() as u32;
        self.index.insert(node.edges.clone(), number);
        self.nodes.push(node);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels of `a`, `ü` and `-`, between dots. No label ends with a hyphen, two letters `ü`
    /// come after one another only at the end, and a label with `ü` is at most 3 characters long,
    /// another one at most 5.
    struct Labels;

    /// The text so far: its last character, and true if the label has `ü`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    struct Before(char, bool);

    impl CharRules for Labels {
        type State = Before;

        fn key(&self) -> String {
            "labels".to_owned()
        }

        fn sets(&self) -> Vec<Vec<(char, char)>> {
            ['.', 'a', 'ü', '-'].map(|c| vec![(c, c)]).to_vec()
        }

        fn start(&self) -> Before {
            Before('.', false)
        }

        fn next(&self, &Before(last, has_umlaut): &Before, sets: u64) -> Option<Before> {
            match (last, sets) {
                ('-' | '.', 0b0001) | ('!', 0b0010..) => None,
                (_, 0b0001) => Some(Before('.', false)),
                (_, 0b0010) => Some(Before('a', has_umlaut)),
                ('ü', 0b0100) => Some(Before('!', true)),
                (_, 0b0100) => Some(Before('ü', true)),
                _ => Some(Before('-', has_umlaut)),
            }
        }

        fn accepts(&self, state: &Before) -> bool {
            !matches!(state.0, '.' | '-')
        }

        fn is_break(&self, sets: u64) -> bool {
            sets == 0b0001
        }

        fn longest_run(&self, state: &Before) -> u8 {
            if state.1 { 3 } else { 5 }
        }
    }

    fn is_word(text: &str) -> bool {
        text.split('.').all(|label| {
            let is_long = label.chars().count() > if label.contains('ü') { 3 } else { 5 };
            let doubles = label.find("üü");
            !label.is_empty()
                && !is_long
                && !label.ends_with('-')
                && doubles.is_none_or(|at| at + "üü".len() == label.len())
        })
    }

    /// Texts of up to `most` characters.
    fn texts(most: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..most {
            let longer: Vec<String> = all[from..]
                .iter()
                .flat_map(|text| ['.', 'a', 'ü', '-'].map(|c| format!("{text}{c}")))
                .collect();
            from = all.len();
            all.extend(longer);
        }
        all
    }

    fn read(table: &CharTable, text: &[u8]) -> Option<u64> {
        text.iter().try_fold(table.start().unwrap(), |state, &byte| table.step(state, byte))
    }

    #[test]
    fn a_table_reads_the_words_of_its_rules() {
        let table = CharTable::new(&Labels).unwrap();
        let endings = texts(4);
        for text in texts(6) {
            let state = read(&table, text.as_bytes());
            assert_eq!(state.is_some_and(|state| table.accepts(state)), is_word(&text), "{text:?}");
            let ends: Vec<u32> = endings
                .iter()
                .filter(|ending| is_word(&format!("{text}{ending}")))
                .map(|ending| ending.chars().count() as u32)
                .collect();
            assert_eq!(state.is_some(), !ends.is_empty(), "{text:?}");
            let Some(state) = state else { continue };
            let least = ends.iter().copied().min().unwrap();
            assert!(table.at_least(state) <= least && least * MAX_UTF8 <= table.at_most(state), "{text:?}");
            let is_gapless = (least..=4).all(|length| ends.contains(&length));
            assert_eq!(table.lengths(state), is_gapless.then_some((least, UNBOUNDED)), "{text:?}");
            let mut bytes = text.into_bytes();
            bytes.push("ü".as_bytes()[0]);
            assert_eq!(
                read(&table, &bytes).is_some(),
                read(&table, &[&bytes[..bytes.len() - 1], "ü".as_bytes()].concat()).is_some()
            );
        }
    }
}
