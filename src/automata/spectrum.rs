//! The lengths of the words of all states of an automaton, and a record of all lengths found so
//! far. [`lengths`](super::lengths) explains how they are found.

use super::expr::LangId;
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;

/// The most edges that are followed in the fourth step.
const MAX_WORK: usize = 30_000_000;
/// The lengths of words of all states that one state leads to.
pub(super) struct Spectrum {
    /// The edges from state to state whose bytes begin a character.
    begun: Vec<(u32, u32)>,
    /// The edges from state to state whose bytes continue a character.
    continued: Vec<(u32, u32)>,
    /// The length of a shortest word, by state. `u32::MAX` if there is no word.
    pub shortest: Vec<u32>,
    /// The states that have a word of a length, as bits, by that length.
    levels: Vec<Box<[u64]>>,
    level_index: HashMap<Box<[u64]>, usize>,
    /// The level that follows the last one, once the levels repeat.
    repeats_from: Option<usize>,
}

/// Everything that is known about lengths, by state.
#[derive(Default)]
pub(super) struct Spectra {
    /// The spectrum of a state, and the number of the state in it.
    pub places: HashMap<LangId, (u32, u32)>,
    /// All spectra, by their numbers.
    pub all: Vec<Spectrum>,
    /// States that lead to too many states.
    pub too_large: HashSet<LangId>,
    /// The length of some word.
    pub words: HashMap<LangId, u32>,
    /// A lower bound on the lengths of words.
    pub least: HashMap<LangId, u32>,
    /// A length from which on there are words of every length. `None` if a search found none.
    pub endless: HashMap<LangId, Option<u32>>,
    /// Number of searches for such a length that found none.
    pub endless_failures: u32,
}

impl Clone for Spectra {
    /// An empty record. The copied pool keeps the decisions that were made by lengths, so a copy of
    /// the record would save little.
    fn clone(&self) -> Self {
        Spectra::default()
    }
}

impl Spectra {
    /// The memory that the record holds, in bytes, approximately.
    pub fn memory(&self) -> usize {
        let of = |s: &Spectrum| {
            (s.begun.len() + s.continued.len()) * 8
                + s.shortest.len() * 4
                + s.levels.iter().map(|level| level.len() * 16).sum::<usize>()
        };
        self.all.iter().map(of).sum::<usize>()
            + (self.places.capacity()
                + self.words.capacity()
                + self.least.capacity()
                + self.endless.capacity())
                * 16
    }
}

impl Spectrum {
    /// The spectrum of states with these edges.
    pub fn new(begun: Vec<(u32, u32)>, continued: Vec<(u32, u32)>, accepting: &[bool]) -> Self {
        let mut into: Vec<Vec<(u32, u32)>> = vec![Vec::new(); accepting.len()];
        for (weight, edges) in [(1, &begun), (0, &continued)] {
            edges.iter().for_each(|&(from, to)| into[to as usize].push((from, weight)));
        }
        let mut shortest = vec![u32::MAX; accepting.len()];
        let mut queue: VecDeque<u32> =
            (0..accepting.len() as u32).filter(|&s| accepting[s as usize]).collect();
        queue.iter().for_each(|&state| shortest[state as usize] = 0);
        while let Some(state) = queue.pop_front() {
            let here = shortest[state as usize];
            for &(from, weight) in &into[state as usize] {
                let found = &mut shortest[from as usize];
                if here + weight < *found {
                    *found = here + weight;
                    if weight == 0 {
                        queue.push_front(from);
                    } else {
                        queue.push_back(from);
                    }
                }
            }
        }
        let mut first = vec![0u64; accepting.len().div_ceil(64)].into_boxed_slice();
        accepting.iter().enumerate().filter(|at| *at.1).for_each(|(at, _)| set(&mut first, at as u32));
        let mut spectrum = Spectrum {
            begun,
            continued,
            shortest,
            levels: Vec::new(),
            level_index: HashMap::new(),
            repeats_from: None,
        };
        spectrum.add_level(first);
        spectrum
    }

    /// True if `state` has a word of `min..=max` characters. `None` if that takes too long.
    pub fn has_length(&mut self, state: u32, min: u32, max: u32) -> Option<bool> {
        let shortest = self.shortest[state as usize];
        // A state without words has no shortest one, and the largest length may be unlimited.
        if shortest == u32::MAX || shortest > max {
            return Some(false);
        }
        if shortest >= min {
            return Some(true);
        }
        let mut length = min as usize;
        let mut last = max as usize;
        while length <= last {
            if length >= self.levels.len() {
                if let Some(from) = self.repeats_from {
                    // The levels repeat, so it is enough to look at one period of them, among the
                    // levels that are known.
                    let period = self.levels.len() - from;
                    last = last.min(length + period - 1);
                    let mut here = (length..=last).map(|length| from + (length - from) % period);
                    return Some(here.any(|level| is_set(&self.levels[level], state)));
                }
                if !self.grow() {
                    return None;
                }
                continue;
            }
            if is_set(&self.levels[length], state) {
                return Some(true);
            }
            length += 1;
        }
        Some(false)
    }

    /// Finds the next level. False if that is too much work.
    fn grow(&mut self) -> bool {
        let edges = self.begun.len() + self.continued.len();
        if self.levels.len().saturating_mul(edges) > MAX_WORK {
            return false;
        }
        let Some(last) = self.levels.last() else { return false };
        let mut next = vec![0u64; last.len()].into_boxed_slice();
        self.begun.iter().filter(|edge| is_set(last, edge.1)).for_each(|edge| set(&mut next, edge.0));
        self.add_level(next);
        true
    }

    /// Adds a level, and to it the states within a character that lead there.
    fn add_level(&mut self, mut level: Box<[u64]>) {
        let mut changed = true;
        while changed {
            changed = false;
            for &(from, to) in &self.continued {
                if is_set(&level, to) && !is_set(&level, from) {
                    set(&mut level, from);
                    changed = true;
                }
            }
        }
        match self.level_index.get(&level) {
            Some(&known) => self.repeats_from = Some(known),
            None => {
                self.level_index.insert(level.clone(), self.levels.len());
                self.levels.push(level);
            }
        }
    }
}

fn is_set(bits: &[u64], at: u32) -> bool {
    bits[at as usize / 64] >> (at % 64) & 1 == 1
}

fn set(bits: &mut [u64], at: u32) {
    bits[at as usize / 64] |= 1 << (at % 64);
}
