//! Free text with a limit on its number of tokens.
//!
//! A state says nothing about tokens: it reads bytes. So the number of tokens that are left stands
//! on the stack of a thread, in the frame [`Frame::Tokens`] right below its free text. It is
//! counted down after each token that begins in the text. A text that has begun within the token is
//! marked as new, and after the token it is new no longer.
//!
//! When no token is left, a text that may end here ends: what follows has its own threads already.
//! Otherwise the shortest texts that end it are all that the thread still reads, one for each end.
//! So a text is closed before the mask is made, and masks need no counts: that of a state is the
//! mask of the state without these frames. A character that was begun is read to its end first.
//!
//! A text that may begin at every byte, as behind another text with a limit, leads to a count for
//! each token at which it may have begun. Of counts over one continuation only the greatest is
//! kept, since it reads all that the others read. To see this, let `R` be the rest of the text. A
//! count that ends now reads an end of `R`. A greater count reads some bytes of that end, and ends
//! then. What is left of the end must be an end of the rest at that place. It is one because an end
//! is the shortest word of `R`, and the first of several in an order of bytes that is always the
//! same. There is one exception. Words that any vocabulary can spell come first. If `R` has no such
//! word, but the rest at that place has one, the text ends with that one.
//!
//! Price: a text of a thousand tokens has a thousand states. They share masks.

use super::continuation::{ContId, Frame, Link};
use super::machine::Machine;
use super::state::{Awaits, StateId, Thread};
use crate::automata::{ByteSet, ExprPool, LangId, UNLABELLED, interrupt};
use crate::engine::error::EngineError;
use hashbrown::{HashMap, HashSet};
use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;

/// The largest number of states that are searched for the ends of a text. Texts that end free text
/// are short. A text whose ends are not found goes on without a limit, so that its outputs can
/// always be completed.
const MAX_SEARCHED_STATES: usize = 1 << 14;

/// The states after inputs, and the states without counts, that were found so far.
#[derive(Default)]
pub(super) struct TokenLimits {
    /// The states after tokens (`true`) and after bytes.
    after: HashMap<(StateId, bool), StateId>,
    without: HashMap<StateId, StateId>,
    endings: Endings,
}

impl TokenLimits {
    /// The state after all of an input that led to `state`.
    pub fn after_input(
        &mut self,
        machine: &mut Machine,
        state: StateId,
        is_token: bool,
    ) -> Result<StateId, EngineError> {
        let TokenLimits { after, endings, .. } = self;
        let count = |machine: &mut Machine, thread| endings.count(machine, thread, is_token);
        rebuilt(machine, state, after, (state, is_token), count)
    }

    /// The state that reads what `state` reads within one token.
    pub fn without_counts(&mut self, machine: &mut Machine, state: StateId) -> Result<StateId, EngineError> {
        rebuilt(machine, state, &mut self.without, state, |machine, thread| {
            let mut links: Vec<Link> = Vec::new();
            for &link in machine.conts.links(thread.cont) {
                match link.0 {
                    Frame::Tokens { .. } => links.extend_from_slice(machine.conts.links(link.1)),
                    _ => links.push(link),
                }
            }
            let cont = machine.conts.of(&mut links);
            machine.builder.threads.push(thread.with_cont(cont));
            Ok(())
        })
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.after.capacity() * 12 + (self.without.capacity() + self.endings.found.capacity()) * 12
    }
}

/// The state that has, for each thread of `state`, what `rebuild` adds for it. A state without
/// counts stays as it is.
fn rebuilt<K: Eq + Hash>(
    machine: &mut Machine,
    state: StateId,
    known: &mut HashMap<K, StateId>,
    key: K,
    mut rebuild: impl FnMut(&mut Machine, Thread) -> Result<(), EngineError>,
) -> Result<StateId, EngineError> {
    if !has_counts(machine, state) {
        return Ok(state);
    }
    if let Some(&known) = known.get(&key) {
        return Ok(known);
    }
    let threads = machine.states.threads(state).to_vec();
    machine.meter(threads.len())?;
    machine.conts.begin_step();
    machine.builder.clear();
    machine.builder.accepting = machine.states.is_accepting(state);
    for thread in threads {
        rebuild(machine, thread)?;
    }
    let next = machine.intern_built()?;
    known.insert(key, next);
    Ok(next)
}

/// The texts that end each rest of free text. If the flag is true, one text for all labels is
/// enough.
#[derive(Default)]
struct Endings {
    found: HashMap<(LangId, bool), LangId>,
}

impl Endings {
    /// Adds a thread to the state being built, with the numbers of tokens that are left to it.
    fn count(&mut self, machine: &mut Machine, thread: Thread, is_token: bool) -> Result<(), EngineError> {
        let links = machine.conts.links(thread.cont).to_vec();
        let (true, Awaits::Language(language)) = (links.iter().any(is_count), thread.awaits()) else {
            machine.builder.threads.push(thread);
            return Ok(());
        };
        let mut kept: Vec<Link> = Vec::new();
        let mut most: BTreeMap<ContId, u32> = BTreeMap::new();
        for (frame, below) in links {
            let Frame::Tokens { left, is_new } = frame else {
                kept.push((frame, below));
                continue;
            };
            let left = left.saturating_sub(u32::from(is_token && !is_new));
            let most = most.entry(below).or_default();
            *most = left.max(*most);
        }
        // A switch selects the node that follows by the label of the end. So it needs an end for
        // each label. Elsewhere one end is enough.
        let (mut switched, mut closed): (Vec<Link>, Vec<Link>) = Default::default();
        for (below, left) in most {
            if left > 0 {
                kept.push((Frame::Tokens { left, is_new: false }, below));
                continue;
            }
            for &link in machine.conts.links(below) {
                let is_switch = matches!(link.0, Frame::Switch(_));
                if is_switch { &mut switched } else { &mut closed }.push(link);
            }
        }
        if !kept.is_empty() {
            let cont = machine.conts.of(&mut kept);
            machine.builder.threads.push(thread.with_cont(cont));
        }
        for (mut links, is_one) in [(switched, false), (closed, true)] {
            if !links.is_empty() && !machine.pool.languages.is_nullable(language) {
                let cont = machine.conts.of(&mut links);
                let ending = self.ending(machine, language, is_one)?;
                machine.add_thread(ending, cont, thread.capture)?;
            }
        }
        Ok(())
    }

    /// The texts that end free text whose rest is `language`. If `is_one` is true, one is enough.
    fn ending(
        &mut self,
        machine: &mut Machine,
        language: LangId,
        is_one: bool,
    ) -> Result<LangId, EngineError> {
        if let Some(&known) = self.found.get(&(language, is_one)) {
            return Ok(known);
        }
        let languages = &mut machine.pool.languages;
        let ending = if languages.is_nullable(language) {
            LangId::EMPTY
        } else if is_between_characters(languages, language) {
            match shortest_ends(languages, language, is_one, &machine.single_bytes) {
                LangId::NEVER => language,
                ending => ending,
            }
        } else {
            self.ending_after_character(machine, language, is_one)?
        };
        machine.check_sound()?;
        self.found.insert((language, is_one), ending);
        Ok(ending)
    }

    /// The rests of the character that was begun, each followed by the texts that end free text.
    fn ending_after_character(
        &mut self,
        machine: &mut Machine,
        language: LangId,
        is_one: bool,
    ) -> Result<LangId, EngineError> {
        let mut next_states: BTreeMap<LangId, ByteSet> = BTreeMap::new();
        for byte in 0x80..0xc0 {
            let next = machine.pool.languages.step(language, byte);
            if next != LangId::NEVER {
                next_states.entry(next).or_default().insert(byte);
            }
        }
        let mut endings = Vec::with_capacity(next_states.len());
        for (next, bytes) in next_states {
            let ending = self.ending(machine, next, is_one)?;
            let languages = &mut machine.pool.languages;
            let first = languages.byte(&bytes);
            endings.push(languages.concat(first, ending));
        }
        Ok(machine.pool.languages.union(&endings))
    }
}

fn is_count(link: &Link) -> bool {
    matches!(link.0, Frame::Tokens { .. })
}

fn has_counts(machine: &Machine, state: StateId) -> bool {
    let threads = machine.states.threads(state).iter();
    threads.into_iter().any(|thread| machine.conts.links(thread.cont).iter().any(is_count))
}

/// True unless only a byte that goes on with a character can come next.
fn is_between_characters(languages: &mut ExprPool, language: LangId) -> bool {
    languages.is_nullable(language)
        || languages.first_bytes(language).iter().any(|byte| !(0x80..0xc0).contains(&byte))
}

/// The order in which bytes are preferred for a text that ends free text: first those that people
/// read, and a zero byte last.
fn preferred_bytes() -> impl Iterator<Item = u8> {
    let (blank, visible, others) = (b" \n".iter().copied(), 0x21..=0x7e, (0x80..=0xff).chain([b'\t', b'\r']));
    blank.chain(visible).chain(others).chain((1..=0x7f).filter(|byte| !is_readable(*byte))).chain([0])
}

fn is_readable(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}

/// The shortest words of a language, one for each label, or only one. Words of bytes that are
/// tokens are found first, because every vocabulary can spell them; `single_bytes` are these bytes.
fn shortest_ends(languages: &mut ExprPool, language: LangId, is_one: bool, single_bytes: &ByteSet) -> LangId {
    let mut words: Vec<(Vec<u8>, u32)> = Vec::new();
    let spellable: Vec<u8> = preferred_bytes().filter(|&byte| single_bytes.contains(byte)).collect();
    add_shortest(languages, language, is_one, &spellable, &mut words);
    if spellable.len() < 256 {
        let all: Vec<u8> = preferred_bytes().collect();
        add_shortest(languages, language, is_one, &all, &mut words);
    }
    languages.literals(words)
}

/// Adds the shortest words of a language that have only these bytes, for labels without a word. Of
/// several shortest words it is the first one, if bytes are ordered as they are given.
fn add_shortest(
    languages: &mut ExprPool,
    language: LangId,
    is_one: bool,
    bytes: &[u8],
    words: &mut Vec<(Vec<u8>, u32)>,
) {
    let mut seen: HashSet<LangId> = HashSet::from_iter([language]);
    let mut ahead = VecDeque::from([(language, Vec::new())]);
    while let Some((at, word)) = ahead.pop_front() {
        interrupt::spend(1);
        if !languages.is_sound() || seen.len() > MAX_SEARCHED_STATES || is_one && !words.is_empty() {
            break;
        }
        let classes = languages.byte_classes(at).clone();
        let mut met = [false; 256];
        for &byte in bytes {
            if std::mem::replace(&mut met[classes.class(byte)], true) {
                continue;
            }
            let next = languages.step(at, byte);
            if next == LangId::NEVER || !seen.insert(next) {
                continue;
            }
            let mut longer = word.clone();
            longer.push(byte);
            if languages.is_nullable(next) {
                let label = languages.label(next).unwrap_or(UNLABELLED);
                if !words.iter().any(|word| word.1 == label) {
                    words.push((longer.clone(), label));
                }
            }
            if !languages.is_spent(next) {
                ahead.push_back((next, longer));
            }
        }
    }
}
