//! Free text of at most so many tokens.
//!
//! A state says nothing about tokens: it reads bytes. So the number of tokens that are left stands
//! on the stack of a thread, in the frame [`Frame::Tokens`] right below its free text. It is
//! counted down after each token that begins in the text. A text that has begun within the token is
//! marked as new, and after the token it is new no longer.
//!
//! When no token is left, a text that may end here ends: what follows has its own threads already.
//! Otherwise the shortest texts that end it are all that the thread still reads, one for each end.
//! So a text is closed before the mask is made, and masks need no counts: that of a state is the
//! mask of the state without these frames. Within a character the text goes on to its end.
//!
//! Price: a text of a thousand tokens has a thousand states. They share masks.

use super::continuation::{Frame, Link};
use super::machine::Machine;
use super::state::{Awaits, StateId, Thread};
use crate::automata::{ExprPool, LangId, UNLABELLED, interrupt};
use crate::engine::error::EngineError;
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;

/// The states of a text that are searched for its ends. Texts that end free text are short. A text
/// whose ends are not found goes on without a limit, so that its outputs can always be completed.
const SEARCHED: usize = 1 << 14;

/// The states after inputs, and the states without counts, that were found so far.
#[derive(Default)]
pub(super) struct Counted {
    /// The states after tokens (`true`) and after bytes.
    after: HashMap<(StateId, bool), StateId>,
    without: HashMap<StateId, StateId>,
    endings: HashMap<LangId, LangId>,
}

impl Counted {
    /// The state after all of an input that led to `state`.
    pub fn after_input(
        &mut self,
        machine: &mut Machine,
        state: StateId,
        is_token: bool,
    ) -> Result<StateId, EngineError> {
        if !has_counts(machine, state) {
            return Ok(state);
        }
        if let Some(&known) = self.after.get(&(state, is_token)) {
            return Ok(known);
        }
        let threads = machine.states.threads(state).to_vec();
        machine.meter(threads.len())?;
        machine.conts.begin_step();
        machine.builder.clear();
        machine.builder.accepting = machine.states.is_accepting(state);
        for thread in threads {
            self.count(machine, thread, is_token)?;
        }
        let next = machine.intern_built()?;
        self.after.insert((state, is_token), next);
        Ok(next)
    }

    /// Adds a thread to the state being built, with the numbers of tokens that are left to it.
    fn count(&mut self, machine: &mut Machine, thread: Thread, is_token: bool) -> Result<(), EngineError> {
        let links = machine.conts.links(thread.cont).to_vec();
        let (true, Awaits::Language(language)) = (links.iter().any(is_count), thread.awaits()) else {
            machine.builder.threads.push(thread);
            return Ok(());
        };
        let is_whole = is_between_characters(&mut machine.pool.languages, language);
        let (mut kept, mut closed): (Vec<Link>, Vec<Link>) = Default::default();
        for link in links {
            let Frame::Tokens { left, is_new } = link.0 else {
                kept.push(link);
                continue;
            };
            match left.saturating_sub(u32::from(is_token && !is_new)) {
                0 if is_whole => closed.extend_from_slice(machine.conts.links(link.1)),
                left => kept.push((Frame::Tokens { left, is_new: false }, link.1)),
            }
        }
        if !kept.is_empty() {
            let cont = machine.conts.of(&mut kept);
            machine.builder.threads.push(thread.with_cont(cont));
        }
        if !closed.is_empty() && !machine.pool.languages.is_nullable(language) {
            let cont = machine.conts.of(&mut closed);
            let ending = self.ending(machine, language)?;
            machine.add_thread(ending, cont, thread.capture)?;
        }
        Ok(())
    }

    /// The texts that end free text whose rest is `language`.
    fn ending(&mut self, machine: &mut Machine, language: LangId) -> Result<LangId, EngineError> {
        if let Some(&known) = self.endings.get(&language) {
            return Ok(known);
        }
        let ending = match shortest_ends(&mut machine.pool.languages, language) {
            LangId::NEVER => language,
            ending => ending,
        };
        interrupt::ended()?;
        self.endings.insert(language, ending);
        Ok(ending)
    }

    /// The state that reads what `state` reads within one token.
    pub fn without_counts(&mut self, machine: &mut Machine, state: StateId) -> Result<StateId, EngineError> {
        if !has_counts(machine, state) {
            return Ok(state);
        }
        if let Some(&known) = self.without.get(&state) {
            return Ok(known);
        }
        let threads = machine.states.threads(state).to_vec();
        machine.meter(threads.len())?;
        machine.conts.begin_step();
        machine.builder.clear();
        machine.builder.accepting = machine.states.is_accepting(state);
        for thread in threads {
            let mut links: Vec<Link> = Vec::new();
            for &link in machine.conts.links(thread.cont) {
                match link.0 {
                    Frame::Tokens { .. } => links.extend_from_slice(machine.conts.links(link.1)),
                    _ => links.push(link),
                }
            }
            let cont = machine.conts.of(&mut links);
            machine.builder.threads.push(thread.with_cont(cont));
        }
        let plain = machine.intern_built()?;
        self.without.insert(state, plain);
        Ok(plain)
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.after.capacity() * 12 + (self.without.capacity() + self.endings.capacity()) * 12
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

/// The shortest words of a language, one for each label.
fn shortest_ends(languages: &mut ExprPool, language: LangId) -> LangId {
    let mut words: Vec<(Vec<u8>, u32)> = Vec::new();
    let mut seen: HashSet<LangId> = HashSet::from_iter([language]);
    let mut ahead = VecDeque::from([(language, Vec::new())]);
    while let Some((at, word)) = ahead.pop_front() {
        interrupt::spend(1);
        if interrupt::is_over() || seen.len() > SEARCHED {
            break;
        }
        for byte in languages.byte_classes(at).representatives().to_vec() {
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
    languages.literals(words)
}
