//! Lengths of words in characters. They decide if a pattern can be met together with `minLength`
//! and `maxLength`.
//!
//! An example is the intersection of `.{0,200}` with the texts that match `\bfoo\b`. Searched as
//! such, it has a state for each state of the other language and each count. But a word of it is
//! just a word of the other language with a length between two numbers. So only the lengths of
//! words of the other language matter. They are found in four steps, each for the cases that the
//! one before leaves open:
//!
//! 1. Most expressions have words of every length from the shortest to the longest, and both
//!    lengths follow from those of the parts ([`lengths_of`](ExprPool::lengths_of)).
//! 2. A search looks for a word of the other language with at most the maximum of characters. It
//!    always follows the state with the smallest estimate of the whole length (A*). It also learns
//!    a bound for every state that it meets: if the shortest word has 10 characters, a state
//!    reached after 4 characters needs at least 6. With these bounds the next search goes straight
//!    to a word, or ends at once.
//! 3. All states of the other language are explored, and a breadth-first search backwards from the
//!    accepting states finds the length of a shortest word for each. This decides unless that
//!    length is below the minimum.
//! 4. The sets of states that have a word of exactly 0, 1, 2, … characters are found one from the
//!    other, up to the maximum or until they repeat. They must repeat, since each set follows from
//!    the one before.
//!
//! The answers hold for every state that was explored, so the steps are not repeated for each
//! state. A word that a search has found is remembered with its length. It is a word for all counts
//! that admit this length.

use super::UNBOUNDED;
use super::expr::{Expr, ExprInfo, LangId, Liveness};
use super::expr_pool::ExprPool;
use super::spectrum::Spectrum;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The most states that are explored in the third step.
const MAX_STATES: usize = 4_096;
/// The most states that a search of the second step meets.
const MAX_MET: usize = 2_048;
/// The most literals of a set whose lengths are measured.
const MAX_MEASURED: u32 = 8;

/// An intersection with a counted run of characters, with the counts kept apart.
#[derive(Clone, Copy)]
pub(super) struct CountedIntersection {
    /// The intersection with any number of these characters.
    pub(super) rest: LangId,
    pub(super) min: u32,
    pub(super) max: u32,
}

/// The result of a search for a short word.
enum NearestWord {
    /// A shortest word has this length.
    OfLength(u32),
    /// There is no word as short as asked for.
    None,
    /// The search took too long.
    Unknown,
}

/// A state that a search of the second step has met.
struct Met {
    state: LangId,
    /// The place of the state before it.
    from: usize,
    /// 1 if the byte that leads there begins a character, else 0.
    begins: u32,
    /// The characters on the shortest way there that is known.
    length: u32,
}

impl ExprPool {
    /// The least and the greatest length of a word in characters, if words of every length between
    /// exist: 4 and 6 for `ab{3,5}`. `None` if that is not known.
    pub(super) fn lengths_of(&self, expr: &Expr) -> Option<(u32, u32)> {
        let of = |id: &LangId| self.info[id.index()].lengths;
        match expr {
            Expr::Empty => Some((0, 0)),
            Expr::Chars(node) => self.chars.starts_character(*node).then_some((1, 1)),
            Expr::Literals { set, lo, hi, depth } if hi - lo <= MAX_MEASURED => {
                let set = &self.literals.get(*set);
                if !set.stands_between_characters(*lo, *depth) {
                    return None;
                }
                let length = |i: u32| set.characters(i, *depth);
                gapless((*lo..*hi).map(|i| (length(i), length(i))).collect())
            }
            Expr::Concat(a, b) => {
                let (a, b) = (of(a)?, of(b)?);
                Some((a.0.checked_add(b.0)?, a.1.saturating_add(b.1)))
            }
            Expr::Union(parts) => gapless(parts.iter().map(of).collect::<Option<_>>()?),
            Expr::Repeat(body, min, max) => super::construct::flatten_counts(of(body)?, (*min, *max)),
            Expr::Inter(parts) => self.intersected_lengths(parts).filter(|(least, most)| least <= most),
            Expr::Machine { machine, state } => self.machines.get(*machine).lengths(*state),
            _ => None,
        }
    }

    /// True if the language is known to have words of any length above some length.
    pub(crate) fn is_endless(&self, id: LangId) -> bool {
        matches!(self.info[id.index()].lengths, Some((_, UNBOUNDED)))
    }

    /// The lengths of words of one language beside runs of any characters. There may be none, and
    /// then the first number is larger than the second.
    pub(super) fn intersected_lengths(&self, parts: &[LangId]) -> Option<(u32, u32)> {
        let (mut least, mut most) = (0, UNBOUNDED);
        let mut others = 0;
        for &part in parts {
            let is_counter = match *self.expr(part) {
                Expr::Repeat(body, ..) => Some(body) == self.any_character(),
                _ => false,
            };
            others += usize::from(!is_counter);
            let (shortest, longest) = self.info[part.index()].lengths?;
            (least, most) = (least.max(shortest), most.min(longest));
        }
        (others <= 1).then_some((least, most))
    }

    /// The language of any one character.
    fn any_character(&self) -> Option<LangId> {
        match *self.expr(self.text) {
            Expr::Repeat(character, ..) => Some(character),
            _ => None,
        }
    }

    /// The intersection `id` without the counts of a run of characters in it, and the counts. For
    /// `[ab]{2,9} ∩ x` it is `[ab]* ∩ x`, 2 and 9.
    pub(super) fn uncounted(&mut self, id: LangId) -> Option<CountedIntersection> {
        let Expr::Inter(parts) = self.expr(id) else { return None };
        let run = |part: &LangId| match *self.expr(*part) {
            Expr::Repeat(body, min, max)
                if (min, max) != (0, UNBOUNDED)
                    && matches!(self.expr(body), Expr::Chars(_))
                    && self.is_text(body) =>
            {
                Some((body, min, max))
            }
            _ => None,
        };
        let at = parts.iter().position(|part| run(part).is_some())?;
        let (class, min, max) = run(&parts[at])?;
        let mut parts = parts.to_vec();
        parts[at] = self.repeat(class, 0, UNBOUNDED);
        Some(CountedIntersection { rest: self.inter(&parts), min, max })
    }

    /// Decides if an intersection with a counted run has a word, by lengths that are known already.
    pub(super) fn known_by_length(
        &mut self,
        CountedIntersection { rest, min, max }: CountedIntersection,
    ) -> Option<bool> {
        if self.known_length(rest).is_some_and(|length| min <= length && length <= max) {
            return Some(true);
        }
        if matches!(self.spectra.endless.get(&rest), Some(&Some(from)) if from <= max) {
            return Some(true);
        }
        if self.characters_left(rest) > max {
            return Some(false);
        }
        self.has_length(rest, min, max)
    }

    /// True if a shortest word of the intersection without counts may be long enough.
    pub(super) fn may_be_shortest(&self, CountedIntersection { rest, min, .. }: CountedIntersection) -> bool {
        min <= self.characters_left(rest)
    }

    /// Decides if an intersection with a counted run has a word, by a search for a near one.
    pub(super) fn decide_by_shortest(
        &mut self,
        CountedIntersection { rest, min, max }: CountedIntersection,
    ) -> Option<bool> {
        match self.nearest_word(rest, max, MAX_MET) {
            NearestWord::OfLength(length) if length >= min => Some(true),
            // There may be longer words.
            NearestWord::OfLength(_) | NearestWord::Unknown => None,
            NearestWord::None => Some(false),
        }
    }

    /// Decides if an intersection with a counted run has a word, after exploring all its states.
    pub(super) fn decide_by_length(
        &mut self,
        CountedIntersection { rest, min, max }: CountedIntersection,
    ) -> Option<bool> {
        if !self.spectra.places.contains_key(&rest) && !self.explore_lengths(rest) {
            return None;
        }
        self.has_length(rest, min, max)
    }

    /// The length of a shortest word, if it has at most `max` characters and a search that meets at
    /// most `max_met` states finds it.
    pub(super) fn nearest_length(&mut self, root: LangId, max: u32, max_met: usize) -> Option<u32> {
        match self.nearest_word(root, max, max_met) {
            NearestWord::OfLength(length) => Some(length),
            NearestWord::None | NearestWord::Unknown => None,
        }
    }

    /// The state after the next byte of a word of known length, and 1 if the byte begins a
    /// character, else 0. `None` at the end of the word, and if no length is known.
    pub(super) fn next_of_word(&mut self, state: LangId) -> Option<(LangId, u32)> {
        let left = self.known_length(state).filter(|&left| left > 0)?;
        let bytes = self.byte_classes(state).representatives().to_vec();
        bytes.into_iter().find_map(|byte| {
            let (next, begins) = (self.derive(state, byte), u32::from(byte & 0xc0 != 0x80));
            (self.known_length(next)? + begins == left).then_some((next, begins))
        })
    }

    /// Looks for a word of at most `max` characters, in a search that meets at most `max_met`
    /// states.
    fn nearest_word(&mut self, root: LangId, max: u32, max_met: usize) -> NearestWord {
        let mut met = vec![Met { state: root, from: 0, begins: 0, length: 0 }];
        let mut place: HashMap<LangId, usize> = HashMap::from_iter([(root, 0)]);
        // Small totals come first, and among equals the longest way.
        let mut bound = self.characters_left(root);
        let mut queue = BinaryHeap::from([(Reverse(bound), 0u32, 0usize, 0usize)]);
        let mut found = None;
        while let Some((Reverse(total), length, at, nth)) = queue.pop() {
            bound = total;
            if total > max {
                break;
            }
            // The state has been reached by a shorter way since.
            if met[at].length != length {
                continue;
            }
            let state = met[at].state;
            if let Some(word) = self.known_length(state).filter(|&word| length.saturating_add(word) <= max) {
                found = Some((at, word));
                break;
            }
            let before = self.spent();
            let Some(&byte) = self.byte_classes(state).representatives().get(nth) else { continue };
            queue.push((Reverse(total), length, at, nth + 1));
            let next = self.derive(state, byte);
            if !self.is_sound() {
                return NearestWord::Unknown;
            }
            if self.info[next.index()].liveness == Liveness::Dead {
                continue;
            }
            let begins = u32::from(byte & 0xc0 != 0x80);
            let length = length + begins;
            let total = length.saturating_add(self.characters_left(next)).max(total);
            let here = Met { state: next, from: at, begins, length };
            let to = match place.get(&next) {
                Some(&known) if met[known].length <= length => continue,
                Some(&known) => {
                    met[known] = here;
                    known
                }
                None => {
                    place.insert(next, met.len());
                    met.push(here);
                    if !self.pay_for_state(next, before) || met.len() > max_met {
                        bound = queue.peek().map_or(bound, |entry| entry.0.0).min(total);
                        self.learn(&met, bound);
                        return NearestWord::Unknown;
                    }
                    met.len() - 1
                }
            };
            queue.push((Reverse(total), length, to, 0));
        }
        let Some((mut at, mut word)) = found else {
            if queue.is_empty() && bound <= max {
                met.iter().for_each(|met| self.info[met.state.index()].liveness = Liveness::Dead);
            } else {
                self.learn(&met, bound);
            }
            return NearestWord::None;
        };
        self.learn(&met, bound);
        // All states on the way have a word as well.
        loop {
            let Met { state, from, begins, .. } = met[at];
            let known = self.spectra.words.entry(state).or_insert(word);
            *known = word.min(*known);
            if at == 0 {
                return NearestWord::OfLength(word);
            }
            word += begins;
            at = from;
        }
    }

    /// Remembers a bound for each state: it needs at least `whole` characters, less those that led
    /// to it.
    fn learn(&mut self, met: &[Met], whole: u32) {
        for Met { state, length, .. } in met {
            let least = whole.saturating_sub(*length);
            if least > self.characters_left(*state) {
                self.spectra.least.insert(*state, least);
            }
        }
    }

    /// The length of some word of a language without counts, if one is known.
    fn known_length(&self, id: LangId) -> Option<u32> {
        match self.info[id.index()] {
            ExprInfo { nullable: true, .. } => Some(0),
            ExprInfo { lengths: Some((shortest, _)), .. } => Some(shortest),
            _ => self.spectra.words.get(&id).copied(),
        }
    }

    /// A lower bound on the bytes of a word that begin a character.
    fn characters_left(&self, id: LangId) -> u32 {
        let of = |id: &LangId| match *self.expr(*id) {
            _ if self.is_text(*id) => self.at_least(*id),
            // The state may stand within a character, which has begun.
            Expr::Machine { .. } => self.at_least(*id).saturating_sub(1),
            Expr::Concat(_, tail) if self.is_text(tail) => self.at_least(tail),
            _ => 0,
        };
        let parts = match self.expr(id) {
            Expr::Inter(parts) => parts.iter().map(of).max().unwrap_or(0),
            _ => of(&id),
        };
        parts.max(self.spectra.least.get(&id).copied().unwrap_or(0))
    }

    fn has_length(&mut self, rest: LangId, min: u32, max: u32) -> Option<bool> {
        let &(spectrum, state) = self.spectra.places.get(&rest)?;
        self.work(1);
        self.spectra.all[spectrum as usize].has_length(state, min, max)
    }

    /// Explores all states that `root` leads to. False if there are too many.
    fn explore_lengths(&mut self, root: LangId) -> bool {
        if self.spectra.too_large.contains(&root) {
            return false;
        }
        let mut states = vec![root];
        let mut place: HashMap<LangId, u32> = HashMap::from_iter([(root, 0)]);
        let (mut begun, mut continued) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(&state) = states.get(at) {
            let before = self.spent();
            for byte in self.byte_classes(state).representatives().to_vec() {
                let next = self.derive(state, byte);
                if self.info[next.index()].liveness == Liveness::Dead {
                    continue;
                }
                let to = *place.entry(next).or_insert_with(|| {
                    states.push(next);
                    states.len() as u32 - 1
                });
                let edges = if byte & 0xc0 == 0x80 { &mut continued } else { &mut begun };
                if edges.last() != Some(&(at as u32, to)) {
                    edges.push((at as u32, to));
                }
            }
            if !self.pay_for_state(state, before) {
                return false;
            }
            if states.len() > MAX_STATES {
                // Most of these states lead to as many, so none of them is tried again.
                self.spectra.too_large.extend(states);
                return false;
            }
            at += 1;
        }
        let accepting: Vec<bool> = states.iter().map(|&state| self.is_nullable(state)).collect();
        let spectrum = Spectrum::new(begun, continued, &accepting);
        for (&state, &shortest) in states.iter().zip(&spectrum.shortest) {
            let is_live = shortest != u32::MAX;
            self.info[state.index()].liveness = if is_live { Liveness::Live } else { Liveness::Dead };
        }
        let number = self.spectra.all.len() as u32;
        self.spectra.all.push(spectrum);
        for (i, state) in states.into_iter().enumerate() {
            self.spectra.places.entry(state).or_insert((number, i as u32));
        }
        true
    }
}

/// The union of intervals, if no number is missing between them.
fn gapless(mut intervals: SmallVec<[(u32, u32); 8]>) -> Option<(u32, u32)> {
    intervals.sort_unstable();
    let mut all = *intervals.first()?;
    for (low, high) in intervals {
        if low > all.1.saturating_add(1) {
            return None;
        }
        all.1 = all.1.max(high);
    }
    Some(all)
}
