//! Patterns with many choices, as automata whose states are ordered lists.
//!
//! A backtracking matcher tries its choices one after the other. Followed all at once, they are a
//! list of places in the pattern, in the order in which the matcher tries them. When a choice
//! matches, the places after it are dropped, and a place before it may still win. Lists are the
//! states of an automaton, and most patterns have few of them. After a mark, the list has the
//! places that the matcher would have preferred, and none of them may lead to a match.
//!
//! Source: K. Thompson (1968) and R. Pike for lists of places; R. Cox, *Regular expression
//! matching: the virtual machine approach* (2009), for their order.

use super::{Compiled, Re};
use crate::automata::{ExprPool, LangId, UNBOUNDED};
use crate::grammar::MARK;
use crate::grammar::lexed::{DEAD, smallest};
use hashbrown::HashMap;

/// The number of instructions that a pattern may have.
const PROGRAM_LIMIT: usize = 2_000;
/// The number of states that its automaton may have.
const STATE_LIMIT: usize = 2_000;

/// One step of a matcher.
#[derive(Clone, Copy)]
enum Step {
    /// A character of this class.
    Class(LangId),
    /// The first place, then the second.
    Split(usize, usize),
    Match,
}

/// A place, and the rest of the character that is being read there.
type Thread = (usize, LangId);

/// A state: the list being read, or the condition on the rest of the text.
#[derive(Clone, PartialEq, Eq, Hash)]
enum State {
    Dead,
    All,
    /// Before the mark: the places that are tried; `true` if a match ends here, which is tried
    /// after all of them.
    Reading(Vec<Thread>, bool),
    /// After the mark: the places of which none may lead to a match.
    Forbidding(Vec<Thread>),
    /// In the domain: the places of which one must lead to a match.
    Demanding(Vec<Thread>),
}

/// The lexeme of a pattern that does not depend on the text around it; `None` if it is too large.
pub(super) fn compile(pool: &mut ExprPool, re: &Re) -> Option<Compiled> {
    let mut program = Program { pool, steps: Vec::new() };
    program.write(re)?;
    program.push(Step::Match)?;
    let mut start = Vec::new();
    let is_match = program.follow(0, &mut start);
    let marked = program.language(State::Reading(start.clone(), is_match))?;
    start.sort_unstable();
    let domain = program.language(State::Demanding(start))?;
    Some(Compiled { marked, domain })
}

struct Program<'p> {
    pool: &'p mut ExprPool,
    steps: Vec<Step>,
}

impl Program<'_> {
    fn push(&mut self, step: Step) -> Option<usize> {
        self.steps.push(step);
        (self.steps.len() <= PROGRAM_LIMIT).then(|| self.steps.len() - 1)
    }

    fn write(&mut self, re: &Re) -> Option<()> {
        match re {
            Re::Class(ranges) => {
                let class = if ranges.is_empty() { LangId::NEVER } else { self.pool.char_class(ranges) };
                self.push(Step::Class(class))?;
            }
            Re::Text(text) => {
                for c in text.chars() {
                    let class = self.pool.bytes(c.encode_utf8(&mut [0; 4]).as_bytes());
                    self.push(Step::Class(class))?;
                }
            }
            Re::Seq(parts) => parts.iter().try_for_each(|part| self.write(part))?,
            Re::Alt(parts) => {
                let mut jumps = Vec::new();
                for (i, part) in parts.iter().enumerate() {
                    if i + 1 == parts.len() {
                        self.write(part)?;
                        break;
                    }
                    let split = self.push(Step::Match)?;
                    self.write(part)?;
                    jumps.push(self.push(Step::Match)?);
                    self.steps[split] = Step::Split(split + 1, self.steps.len());
                }
                let end = self.steps.len();
                jumps.into_iter().for_each(|jump| self.steps[jump] = Step::Split(end, end));
            }
            Re::Repeat { body, min, max, lazy } => {
                for _ in 0..*min {
                    self.write(body)?;
                }
                // An empty round ends the repetition, at the rank that it has among all rounds. The
                // rounds after it are tried when the text after the repetition does not match.
                let ranked = match *lazy {
                    true => [None, body.filled()],
                    false => body.ranked(),
                };
                if ranked.iter().all(Option::is_none) {
                    return Some(());
                }
                let mut leaving = Vec::new();
                let rounds = if *max == UNBOUNDED { 1 } else { max - min };
                for _ in 0..rounds {
                    let start = self.steps.len();
                    let next = |to: &mut Self| if *max == UNBOUNDED { start } else { to.steps.len() };
                    match &ranked {
                        [Some(sooner), Some(later)] => {
                            let split = self.push(Step::Match)?;
                            self.write(sooner)?;
                            let jump = self.push(Step::Match)?;
                            let leave = self.push(Step::Match)?;
                            self.write(later)?;
                            self.steps[split] = Step::Split(split + 1, leave);
                            leaving.push((leave, leave + 1, false));
                            let again = self.push(Step::Match)?;
                            let next = next(self);
                            self.steps[jump] = Step::Split(next, next);
                            self.steps[again] = Step::Split(next, next);
                        }
                        [sooner, later] => {
                            leaving.push((start, start + 1, sooner.is_some()));
                            self.push(Step::Match)?;
                            sooner.iter().chain(later).try_for_each(|round| self.write(round))?;
                            if *max == UNBOUNDED {
                                self.push(Step::Split(start, start))?;
                            }
                        }
                    }
                }
                let end = self.steps.len();
                for (at, go, goes_first) in leaving {
                    self.steps[at] = if goes_first { Step::Split(go, end) } else { Step::Split(end, go) };
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Adds the places to which `at` leads, in order, up to a match. Gives `true` if there was one.
    fn follow(&self, at: usize, places: &mut Vec<Thread>) -> bool {
        let mut work = vec![at];
        let mut seen = hashbrown::HashSet::new();
        while let Some(at) = work.pop() {
            if !seen.insert(at) {
                continue;
            }
            match self.steps[at] {
                Step::Class(class) => {
                    if !places.contains(&(at, class)) {
                        places.push((at, class));
                    }
                }
                Step::Split(first, second) => work.extend([second, first]),
                Step::Match => return true,
            }
        }
        false
    }

    /// The places after `byte`, in order; and `true` if a match ends after them.
    fn read(&mut self, places: &[Thread], byte: u8) -> (Vec<Thread>, bool) {
        let mut next = Vec::new();
        for &(at, left) in places {
            match self.pool.derive(left, byte) {
                LangId::NEVER => {}
                LangId::EMPTY => {
                    if self.follow(at + 1, &mut next) {
                        return (next, true);
                    }
                }
                left if next.contains(&(at, left)) => {}
                left => next.push((at, left)),
            }
        }
        (next, false)
    }

    fn after(&mut self, state: &State, byte: u8) -> State {
        let sorted = |mut places: Vec<Thread>| {
            places.sort_unstable();
            places
        };
        match (state, byte) {
            (State::Dead, _) => State::Dead,
            (State::All, _) => State::All,
            (State::Reading(_, false), MARK) => State::Dead,
            (State::Reading(places, true), MARK) if places.is_empty() => State::All,
            (State::Reading(places, true), MARK) => State::Forbidding(sorted(places.clone())),
            (State::Forbidding(_) | State::Demanding(_), MARK) => state.clone(),
            (State::Reading(places, _), byte) => match self.read(places, byte) {
                (places, false) if places.is_empty() => State::Dead,
                (places, is_match) => State::Reading(places, is_match),
            },
            (State::Forbidding(places), byte) => match self.read(places, byte) {
                (_, true) => State::Dead,
                (places, _) if places.is_empty() => State::All,
                (places, _) => State::Forbidding(sorted(places)),
            },
            (State::Demanding(places), byte) => match self.read(places, byte) {
                (_, true) => State::All,
                (places, _) if places.is_empty() => State::Dead,
                (places, _) => State::Demanding(sorted(places)),
            },
        }
    }

    /// The language of the automaton that starts in `start`.
    fn language(&mut self, start: State) -> Option<LangId> {
        let mut states = vec![State::Dead, start];
        let mut ids: HashMap<State, u32> =
            states.iter().enumerate().map(|(id, state)| (state.clone(), id as u32)).collect();
        let mut rows: Vec<[u32; 256]> = vec![[DEAD; 256]];
        while let Some(state) = states.get(rows.len()).cloned() {
            let places: &[Thread] = match &state {
                State::Reading(places, _) | State::Forbidding(places) | State::Demanding(places) => places,
                State::Dead | State::All => &[],
            };
            let classes: Vec<_> =
                places.iter().map(|place| self.pool.byte_classes(place.1).clone()).collect();
            let mut known: HashMap<Vec<u8>, u32> = HashMap::new();
            let mut row = [DEAD; 256];
            for byte in 0..=255u8 {
                let mut signature: Vec<u8> =
                    classes.iter().map(|classes| classes.class(byte) as u8).collect();
                signature.push(u8::from(byte == MARK));
                row[usize::from(byte)] = match known.get(&signature) {
                    Some(&to) => to,
                    None => {
                        let next = self.after(&state, byte);
                        let fresh = states.len() as u32;
                        let to = *ids.entry(next).or_insert_with_key(|next| {
                            states.push(next.clone());
                            fresh
                        });
                        known.insert(signature, to);
                        to
                    }
                };
            }
            rows.push(row);
            if states.len() > STATE_LIMIT {
                return None;
            }
        }
        let accepts = states.iter().map(|state| matches!(state, State::All | State::Forbidding(_))).collect();
        smallest(self.pool, accepts, &rows)
    }
}
