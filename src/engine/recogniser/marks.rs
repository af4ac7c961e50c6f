//! Marks: the places at which parts of an output begin and end, found while bytes are read.
//!
//! For masks a mark is an empty text. A recogniser made for readers of events
//! ([`Recogniser::with_marks`]) stops at marks instead. The threads behind a mark form a state of
//! their own, which is kept together with the marks that lead to it: an *outcome*. For example,
//! after the last byte of `<think>` there is one outcome, with the marks that end the marker and
//! begin the reasoning. Threads that pass different marks are never merged, so each state of a
//! reader has passed one sequence of marks.
//!
//! In the nodes of such a recogniser marks are not nullable. So a part with a mark is never skipped
//! as empty.

use super::Recogniser;
use crate::engine::error::EngineError;
use crate::engine::limits::Limits;
use crate::engine::recogniser::continuation::Frame;
use crate::engine::recogniser::state::{Awaits, Entry, StateId};
use crate::grammar::{Grammar, MarkId, Node, NodeId};
use smallvec::SmallVec;

/// The most outcomes of one byte.
const MAX_OUTCOMES: usize = 256;

/// The most marks that may be passed between two bytes.
const MAX_MARKS: usize = 64;

/// A mark that was passed, and the number of bytes by which it lies before the place at which it
/// was passed.
pub(in crate::engine) type Passed = (MarkId, u32);

/// One outcome of a byte: the marks that are passed, in their order, and the state behind them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::engine) struct Outcome {
    pub marks: SmallVec<[Passed; 4]>,
    pub state: StateId,
}

impl Recogniser {
    /// A recogniser that stops at marks.
    pub fn with_marks(grammar: &Grammar, limits: &Limits) -> Self {
        let mut recogniser = Recogniser::new(grammar, limits);
        recogniser.machine.pool.stop_at_marks();
        recogniser
    }

    /// All outcomes. `unmarked` is the state that was just built, of the threads that pass no mark.
    /// The preferred outcomes come first: those that pass a mark, and among these those whose mark
    /// was made first.
    ///
    /// # Errors
    ///
    /// The limits, and [`EngineError::Ambiguous`].
    pub fn outcomes(&mut self, unmarked: StateId) -> Result<Vec<Outcome>, EngineError> {
        let (mut found, mut ways) = (Vec::new(), 0);
        if unmarked != StateId::DEAD {
            found.push(Outcome { marks: SmallVec::new(), state: unmarked });
        }
        let mut work = vec![(SmallVec::<[Passed; 4]>::new(), Vec::new(), self.take_stopped())];
        while let Some((marks, before, stopped)) = work.pop() {
            for same in stopped.chunk_by(|a, b| a.0 == b.0) {
                let Node::Mark { mark, back } = *self.machine.pool.node(same[0].0) else { continue };
                self.machine.meter(same.len())?;
                self.machine.builder.clear();
                for &(_, cont, capture) in same {
                    self.resume(cont, capture, None)?;
                }
                let state = self.finish()?;
                let mut marks = marks.clone();
                marks.push((mark, back));
                let mut behind = self.take_stopped();
                ways += 1;
                if ways > MAX_OUTCOMES || marks.len() > MAX_MARKS {
                    return Err(EngineError::Ambiguous { limit: MAX_OUTCOMES as u64 });
                }
                // An entry that comes again without a byte between is an empty round of a
                // repetition, which adds nothing but its marks.
                let mut passed: Vec<Entry> = before.clone();
                passed.extend_from_slice(same);
                behind.retain(|entry| !passed.contains(entry));
                if !behind.is_empty() {
                    work.push((marks.clone(), passed, behind));
                }
                if state != StateId::DEAD {
                    found.push(Outcome { marks, state });
                }
            }
        }
        let end = (MarkId(u32::MAX), u32::MAX);
        let key = |outcome: &Outcome| {
            let mut key = outcome.marks.clone();
            key.push(end);
            key
        };
        found.sort_by_cached_key(key);
        Ok(found)
    }

    fn take_stopped(&mut self) -> Vec<Entry> {
        let mut stopped = std::mem::take(&mut self.machine.builder.stopped);
        stopped.sort_unstable();
        stopped.dedup();
        stopped
    }

    /// A bound on the number of bytes by which later marks may lie before the end of the output, in
    /// `state`. All marks before these bytes are known.
    pub fn held(&self, state: StateId) -> u32 {
        let pool = &self.machine.pool;
        let mut most = 0;
        for thread in self.threads(state) {
            for (frame, _) in self.machine.conts.links(thread.cont) {
                most = most.max(match (*frame, thread.awaits()) {
                    (Frame::Then(node), _) => self.back_at(node),
                    (Frame::Switch(node), Awaits::Language(language)) => match pool.node(node) {
                        Node::Switch { targets, .. } if targets.iter().any(|&to| self.back_at(to) > 0) => {
                            pool.languages.held(language)
                        }
                        _ => 0,
                    },
                    _ => 0,
                });
            }
        }
        most
    }

    /// The bytes that the first mark of a node lies back.
    fn back_at(&self, node: NodeId) -> u32 {
        let first = match *self.machine.pool.node(node) {
            Node::Seq(first, _) => first,
            _ => node,
        };
        match *self.machine.pool.node(first) {
            Node::Mark { back, .. } => back,
            _ => 0,
        }
    }
}
