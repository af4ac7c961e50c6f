//! The characters that a state reads in any order.
//!
//! In a grammar that can be read in many ways, the bytes of each token lead to a state of its own.
//! But the states of such a grammar mostly read whatever comes, and then nothing has to be stepped
//! through to know that a token is allowed. An example is `y ::= [a-z] y | [a-z] "="`: once a
//! letter has been read, any letters can follow.
//!
//! # The idea
//!
//! A state `t` *covers* a state `s` if each thread of `s` is a thread of `t`, with a stack that
//! allows as much. So every text that can be read from `s` can be read from `t`. If each letter
//! leads from `s` to a state that covers `s`, then letters are read from `s` without end. More
//! generally, this holds for a set of states if each letter leads from each of them to a state that
//! covers one of them.
//!
//! A stack that grows by a frame with every letter never covers itself to the bottom. So all this
//! is asked about *shallow* states, whose stacks are cut off below [`DEPTH`] levels. Nothing can be
//! read below the cut. A shallow state therefore reads less than its state does, and what it always
//! reads, its state always reads, too. There are few shallow states, and their answers are kept.
//!
//! Rounds that are counted run out, so mostly a state covers another without them. Shallow states
//! are therefore tried without repetitions that have a maximum first, and then with them.
//!
//! # What is assumed
//!
//! Every thread leads to an end, so that a text which some thread reads can be completed. This is
//! not so for objects and arrays, for which nothing is said. Lexed grammars ask their lexemes
//! instead.

use crate::automata::approximate::{TEXT_GROUPS, byte_group};
use crate::automata::{UNBOUNDED, interrupt};
use crate::engine::error::EngineError;
use crate::engine::recogniser::Recogniser;
use crate::engine::recogniser::continuation::{ContId, Continuations, Frame, Link};
use crate::engine::recogniser::machine::Machine;
use crate::engine::recogniser::state::{Awaits, StateId};
use hashbrown::HashMap;

/// The number of levels of the stack of a shallow state.
const DEPTH: u32 = 2;

/// The number of rounds left up to which shallow states are told apart.
const ROUNDS: u32 = 2;

/// The largest number of states in one search.
const MAX_STATES: usize = 8;

/// The largest number of threads of a state whose groups are looked for.
const MAX_THREADS: usize = 256;

/// The answers found so far.
#[derive(Default)]
pub(in crate::engine) struct AlwaysRead {
    /// The answers for states, within tokens of a length.
    known: HashMap<(StateId, u32), u64>,
    /// The answers for shallow states.
    groups: HashMap<(StateId, BoundedRepeats), u64>,
    conts: HashMap<(ContId, u32, BoundedRepeats), ContId>,
}

/// The treatment of repetitions with a maximum.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum BoundedRepeats {
    /// They are left out.
    Ignored,
    /// They are kept, with few rounds.
    Kept,
}

impl AlwaysRead {
    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        (self.known.capacity() + self.groups.capacity()) * 16 + self.conts.capacity() * 16
    }
}

/// Bytes that are alike for a state, of which one is tried.
struct ByteClass {
    byte: u8,
    /// The number of bytes in it.
    size: u32,
    /// The groups of these bytes.
    groups: u64,
}

/// The continuation bytes that UTF-8 allows after a first byte: how many, and the range of the
/// first.
fn continuation_bytes(first: u8) -> (u32, u8, u8) {
    match first {
        0..=0x7f => (0, 0, 0),
        0xe0 => (2, 0xa0, 0xbf),
        0xed => (2, 0x80, 0x9f),
        0xf0 => (3, 0x90, 0xbf),
        0xf4 => (3, 0x80, 0x8f),
        0xf1..=0xf3 => (3, 0x80, 0xbf),
        0xe1..=0xef => (2, 0x80, 0xbf),
        _ => (1, 0x80, 0xbf),
    }
}

impl AlwaysRead {
    /// The groups of characters ([`byte_group`]) that `state` reads in any order, within tokens of
    /// at most `longest` bytes. A group may be missing.
    pub fn groups(
        &mut self,
        recogniser: &mut Recogniser,
        state: StateId,
        longest: u32,
    ) -> Result<u64, EngineError> {
        if let Some(&known) = self.known.get(&(state, longest)) {
            return Ok(known);
        }
        let groups = self.find(recogniser, state, longest)?;
        recogniser.machine.check_sound()?;
        if recogniser.is_lexed() || recogniser.is_truncatable() {
            self.known.insert((state, longest), groups);
        }
        Ok(groups)
    }

    fn find(
        &mut self,
        recogniser: &mut Recogniser,
        state: StateId,
        longest: u32,
    ) -> Result<u64, EngineError> {
        if recogniser.is_lexed() {
            return Ok(recogniser.always_read_groups(state, longest));
        }
        if !recogniser.is_truncatable() || recogniser.threads(state).len() > MAX_THREADS {
            return Ok(0);
        }
        let mut best = 0u64;
        for i in 0..recogniser.threads(state).len() {
            let Awaits::Language(language) = recogniser.threads(state)[i].awaits() else { continue };
            let languages = &mut recogniser.machine.pool.languages;
            let clamped = languages.clamped(language, longest);
            let groups = languages.read_groups(clamped);
            if groups.count_ones() > best.count_ones() {
                best = groups;
            }
        }
        if best == TEXT_GROUPS {
            return Ok(best);
        }
        for bounded in [BoundedRepeats::Ignored, BoundedRepeats::Kept] {
            let shallow = self.shallow(recogniser, state, bounded)?;
            let groups = match self.groups.get(&(shallow, bounded)) {
                Some(&known) => known,
                None => {
                    let groups = self.search(recogniser, shallow, bounded)?;
                    if !recogniser.is_truncatable() {
                        return Ok(0);
                    }
                    self.groups.insert((shallow, bounded), groups);
                    groups
                }
            };
            if groups.count_ones() > best.count_ones() {
                best = groups;
            }
            if best != 0 {
                break;
            }
        }
        Ok(best)
    }

    /// The groups that a shallow state reads in any order. Groups are dropped until every other one
    /// leads from each state that was met to one that covers another.
    fn search(
        &mut self,
        recogniser: &mut Recogniser,
        start: StateId,
        bounded: BoundedRepeats,
    ) -> Result<u64, EngineError> {
        let mut groups = TEXT_GROUPS;
        let mut states = vec![start];
        let mut at = 0;
        while at < states.len() && groups != 0 {
            let state = states[at];
            for class in character_beginnings(recogniser, state) {
                if class.groups & groups != 0 {
                    let next = recogniser.step(state, class.byte)?;
                    let (missing, lo, hi) = continuation_bytes(class.byte);
                    if !self.all_covered(recogniser, next, missing, (lo, hi), &mut states, bounded)? {
                        groups &= !class.groups;
                    }
                }
            }
            at += 1;
        }
        Ok(groups)
    }

    /// True if every way to complete a character, of which `missing` bytes are missing, leads from
    /// `state` to a state that covers one of `states`. Further states are added to these while
    /// there are few.
    fn all_covered(
        &mut self,
        recogniser: &mut Recogniser,
        state: StateId,
        missing: u32,
        (lo, hi): (u8, u8),
        states: &mut Vec<StateId>,
        bounded: BoundedRepeats,
    ) -> Result<bool, EngineError> {
        if state == StateId::DEAD {
            return Ok(false);
        }
        if missing == 0 {
            if states.iter().any(|&known| covers(recogniser, state, known)) {
                return Ok(true);
            }
            let shallow = self.shallow(recogniser, state, bounded)?;
            let adds = states.len() < MAX_STATES;
            if adds {
                states.push(shallow);
            }
            return Ok(adds);
        }
        for class in byte_classes(recogniser, state, lo..=hi) {
            let next = recogniser.step(state, class.byte)?;
            if !self.all_covered(recogniser, next, missing - 1, (0x80, 0xbf), states, bounded)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The shallow form of a state.
    fn shallow(
        &mut self,
        recogniser: &mut Recogniser,
        state: StateId,
        bounded: BoundedRepeats,
    ) -> Result<StateId, EngineError> {
        let threads = recogniser.threads(state).to_vec();
        let machine = &mut recogniser.machine;
        machine.meter(threads.len())?;
        machine.builder.clear();
        for thread in threads {
            let cont = self.shallow_cont(machine, thread.cont, DEPTH, bounded);
            machine.builder.threads.push(thread.with_cont(cont));
        }
        interrupt::ended()?;
        machine.intern_built()
    }

    /// The top `levels` of a continuation, with the end below them. If a repetition has many rounds
    /// that must come, a few are left, and nothing below them.
    fn shallow_cont(
        &mut self,
        machine: &mut Machine,
        cont: ContId,
        levels: u32,
        bounded: BoundedRepeats,
    ) -> ContId {
        if levels == 0 || cont == ContId::END {
            return ContId::END;
        }
        let key = (cont, levels, bounded);
        if let Some(&known) = self.conts.get(&key) {
            return known;
        }
        interrupt::spend(1);
        if interrupt::is_over() {
            // The state that is being built will not be used.
            return ContId::END;
        }
        let mut links: Vec<Link> = machine.conts.links(cont).to_vec();
        if bounded == BoundedRepeats::Ignored {
            links.retain(|link| !matches!(link.0, Frame::Loop { most, .. } if most != UNBOUNDED));
        }
        for (frame, below) in &mut links {
            if let Frame::Loop { least, most, .. } = frame {
                if *most != UNBOUNDED {
                    *most = (*most).min(ROUNDS);
                }
                if *least > ROUNDS {
                    *least = ROUNDS;
                    *below = ContId::END;
                }
            }
            *below = self.shallow_cont(machine, *below, levels - 1, bounded);
        }
        let shallow = match links.is_empty() {
            true => ContId::END,
            false => machine.conts.of(&mut links),
        };
        if !interrupt::is_over() {
            self.conts.insert(key, shallow);
        }
        shallow
    }
}

/// The bytes that begin a character, in classes, the largest classes first.
fn character_beginnings(recogniser: &mut Recogniser, state: StateId) -> Vec<ByteClass> {
    let ranges = [0..=0x7f, 0xc2..=0xdf, 0xe0..=0xe0, 0xe1..=0xec, 0xed..=0xed, 0xee..=0xef];
    let more = [0xf0..=0xf0, 0xf1..=0xf3, 0xf4..=0xf4];
    let mut classes: Vec<ByteClass> =
        ranges.into_iter().chain(more).flat_map(|range| byte_classes(recogniser, state, range)).collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.size));
    classes
}

/// The bytes of `range` in classes that all threads of `state` read alike.
fn byte_classes(
    recogniser: &mut Recogniser,
    state: StateId,
    range: std::ops::RangeInclusive<u8>,
) -> Vec<ByteClass> {
    let bytes: Vec<u8> = range.collect();
    let mut numbers = vec![0usize; bytes.len()];
    for i in 0..recogniser.threads(state).len() {
        let Awaits::Language(language) = recogniser.threads(state)[i].awaits() else { continue };
        let classes = recogniser.machine.pool.languages.byte_classes(language);
        let mut finer: HashMap<(usize, usize), usize> = HashMap::new();
        for (number, &byte) in numbers.iter_mut().zip(&bytes) {
            let next = finer.len();
            *number = *finer.entry((*number, classes.class(byte))).or_insert(next);
        }
    }
    let mut found: Vec<ByteClass> = Vec::new();
    for (number, byte) in numbers.into_iter().zip(bytes) {
        if number == found.len() {
            found.push(ByteClass { byte, size: 0, groups: 0 });
        }
        found[number].size += 1;
        found[number].groups |= byte_group(byte);
    }
    found
}

/// True if every text that is read from the shallow state `b` is read from `a`. False says
/// nothing.
fn covers(recogniser: &Recogniser, a: StateId, b: StateId) -> bool {
    let conts = &recogniser.machine.conts;
    let over = recogniser.threads(a);
    recogniser.threads(b).iter().all(|thread| match thread.awaits() {
        Awaits::Special(_) => true,
        Awaits::Language(_) => {
            over.iter().any(|o| o.is_alongside(*thread) && allows_all(conts, o.cont, thread.cont, DEPTH))
        }
    })
}

/// True if every text that `b` allows to follow is allowed by `a`. The end of the output allows
/// none. Only `depth` levels are compared. False says nothing.
fn allows_all(conts: &Continuations, a: ContId, b: ContId, depth: u32) -> bool {
    if a == b {
        return true;
    }
    let over = conts.links(a);
    conts.links(b).iter().filter(|link| link.0 != Frame::End).all(|&(frame, below)| {
        depth > 0
            && over.iter().any(|&(other, lower)| {
                let includes = match (other, frame) {
                    (
                        Frame::Loop { node, least, most },
                        Frame::Loop { node: same, least: more, most: fewer },
                    ) => node == same && least <= more && fewer <= most,
                    (other, frame) => other == frame,
                };
                includes && allows_all(conts, lower, below, depth - 1)
            })
    })
}
