//! Canonical states: states that have forgotten the texts of keys and items.
//!
//! With the keys of objects recorded, nearly every output has states of its own, and would need
//! masks of its own. The canonical form of a state has empty captures, and its objects have
//! forgotten their undeclared keys. A mask is computed once for the canonical form and then refined
//! for each state (see [`mask`](crate::engine::mask)). A record only ever forbids a text, so every
//! token that is allowed in a state is allowed in its canonical form.
//!
//! An object that has forgotten its keys always seems to have another one left. Where all keys may
//! be used up within a token, the comma before another key has to be refined, too ([`KeySupply`]).

use super::captures::ItemKnowledge;
use super::containers::{Containers, KeySupply};
use super::continuation::{ContId, Frame, Link};
use super::machine::Machine;
use super::state::StateId;
use crate::engine::error::EngineError;
use hashbrown::HashMap;

/// The canonical forms of continuations found so far, with the keys that are left for the objects
/// in them.
#[derive(Default)]
pub(in crate::engine) struct CanonicalForms {
    conts: HashMap<ContId, (ContId, KeySupply)>,
}

impl CanonicalForms {
    /// The canonical form of `state`, and the keys left for tokens of at most `longest` bytes.
    pub fn state(
        &mut self,
        machine: &mut Machine,
        containers: &mut Containers,
        state: StateId,
        longest: usize,
    ) -> Result<(StateId, KeySupply), EngineError> {
        let mut keys = KeySupply::Endless;
        if !containers.has_used_texts() && machine.captures.is_unused() {
            return Ok((state, keys));
        }
        for i in 0..machine.states.threads(state).len() {
            let cont = machine.states.threads(state)[i].cont;
            keys = keys.max(self.cont(machine, containers, cont, longest)?.1);
        }
        machine.builder.clear();
        machine.builder.accepting = machine.states.is_accepting(state);
        for i in 0..machine.states.threads(state).len() {
            let mut thread = machine.states.threads(state)[i];
            thread.cont = self.conts[&thread.cont].0;
            let kind = machine.captures.kind(thread.capture);
            thread.capture = machine.captures.root(kind, ItemKnowledge::Whole);
            machine.builder.threads.push(thread);
        }
        Ok((machine.intern_built()?, keys))
    }

    /// The canonical form of a continuation. Continuations below come first and no call recurses,
    /// since stacks may be as deep as the output is nested.
    fn cont(
        &mut self,
        machine: &mut Machine,
        containers: &mut Containers,
        cont: ContId,
        longest: usize,
    ) -> Result<(ContId, KeySupply), EngineError> {
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
            let mut keys = KeySupply::Endless;
            for (frame, below) in links {
                if frame == Frame::End {
                    canonical.push((frame, below));
                    continue;
                }
                let (below, left) = self.conts[&below];
                keys = keys.max(left).max(containers.key_supply(machine, frame, longest)?);
                canonical.push((containers.canonical_frame(frame), below));
            }
            let id = machine.conts.of(&mut canonical);
            machine.check_sound()?;
            self.conts.insert(top, (id, keys));
            work.pop();
        }
        Ok(self.conts[&cont])
    }
}
