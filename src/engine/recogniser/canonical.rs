//! Canonical states: states that have forgotten the texts of keys and items.
//!
//! With the keys of objects recorded, nearly every output has states of its own, and would need
//! masks of its own. The canonical form of a state has empty captures, and its objects have
//! forgotten their undeclared keys. A mask is computed once for the canonical form and then refined
//! for each state (see [`mask`](crate::engine::mask)). A record only ever forbids a text, so every
//! token that is allowed in a state is allowed in its canonical form.

use super::captures::ItemKnowledge;
use super::containers::Containers;
use super::continuation::{ContId, Frame, Link};
use super::machine::Machine;
use super::state::StateId;
use crate::engine::error::EngineError;
use hashbrown::HashMap;

/// The canonical forms of continuations found so far.
#[derive(Default)]
pub(in crate::engine) struct CanonicalForms {
    conts: HashMap<ContId, ContId>,
}

impl CanonicalForms {
    /// The canonical form of `state`.
    pub fn state(
        &mut self,
        machine: &mut Machine,
        containers: &mut Containers,
        state: StateId,
    ) -> Result<StateId, EngineError> {
        if !containers.has_used_texts() && machine.captures.is_unused() {
            return Ok(state);
        }
        machine.builder.clear();
        machine.builder.accepting = machine.states.is_accepting(state);
        for i in 0..machine.states.threads(state).len() {
            let mut thread = machine.states.threads(state)[i];
            thread.cont = self.cont(machine, containers, thread.cont);
            let kind = machine.captures.kind(thread.capture);
            thread.capture = machine.captures.root(kind, ItemKnowledge::Whole);
            machine.builder.threads.push(thread);
        }
        machine.intern_built()
    }

    /// The canonical form of a continuation. Continuations below come first and no call recurses,
    /// since stacks may be as deep as the output is nested.
    fn cont(&mut self, machine: &mut Machine, containers: &mut Containers, cont: ContId) -> ContId {
        let mut work = vec![cont];
        while let Some(&top) = work.last() {
            if self.conts.contains_key(&top) {
                work.pop();
                continue;
            }
            let links = machine.conts.links(top).to_vec();
            let missing: Vec<ContId> = links
                .iter()
                .filter(|(frame, below)| *frame != Frame::End && !self.conts.contains_key(below))
                .map(|link| link.1)
                .collect();
            if !missing.is_empty() {
                work.extend(missing);
                continue;
            }
            let mut canonical: Vec<Link> = Vec::with_capacity(links.len());
            for (frame, below) in links {
                canonical.push(match frame {
                    Frame::End => (frame, below),
                    _ => (containers.canonical_frame(frame), self.conts[&below]),
                });
            }
            let id = machine.conts.of(&mut canonical);
            self.conts.insert(top, id);
            work.pop();
        }
        self.conts[&cont]
    }
}
