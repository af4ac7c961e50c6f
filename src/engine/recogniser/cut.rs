//! Cut stacks: the top of a parser's stack, without the stack below.
//!
//! Outputs that nest differently have different stacks, so a lexed grammar meets new stacks all the
//! time. But to read a lexeme, the parser looks only at a few states on top of its stack, and these
//! tops repeat. For example, after a name in brackets a `+` may follow, whatever is outside the
//! brackets.
//!
//! # The idea
//!
//! A stack is *cut* below some states: a frame [`Frame::Cut`] takes the place of all that is below
//! them. A result is computed with cut stacks first. If the computation comes to a cut, it fails
//! ([`Machine::reach_cut`]), and is repeated with more states. A result is kept by the cut
//! stacks, and serves all stacks that have these tops. Stacks in the result that end in a cut are
//! [planted](CutStacks::plant) on the stacks that were cut off.
//!
//! # Why it is exact
//!
//! A computation sees a stack only through the links of its continuations. If it never looks at the
//! links of a cut, it would have made the same steps on every stack with this top. Cuts of
//! different stacks have different numbers, and cuts of equal stacks have the same one, so equal
//! stacks stay equal. Different stacks may become equal only by being planted; threads on them are
//! merged when the state is interned.
//!
//! Only stacks with one link at each of the top levels are cut. Others, which only grammars that
//! are not LALR(1) have, are used as they are.
//!
//! # The price
//!
//! A stack is cut below at most 32 states ([`DEPTHS`]), so a new state costs at most ten lookups.
//! Planting a stack costs one step for each stack within it, however often it is shared. Numbers
//! of states that seldom give a result are not tried any more ([`Successes`]).

use super::continuation::{ContId, Continuations, Frame, Link};
use hashbrown::HashMap;
use smallvec::SmallVec;

/// The numbers of states above a cut that are tried. A result that needs more of them is computed
/// with the whole stacks.
pub(in crate::engine) const DEPTHS: [u32; 10] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/// Tries after which a number of states is judged by its success.
const ENOUGH_TRIES: u32 = 64;

/// A number of states is tried as long as one in this many tries gives a result.
const MAX_TRIES_PER_SUCCESS: u32 = 16;

/// The successes so far of each of the [`DEPTHS`]. Where the parser mostly looks at the whole
/// stack, as in a grammar whose lists are recursive on the right, cutting it brings nothing.
#[derive(Default)]
pub(in crate::engine) struct Successes {
    tried: [u32; DEPTHS.len()],
    found: [u32; DEPTHS.len()],
}

impl Successes {
    /// True if a result may well be found with the number of states at this index.
    pub fn is_worth_trying(&self, at: usize) -> bool {
        self.tried[at] < ENOUGH_TRIES || self.found[at] >= self.tried[at] / MAX_TRIES_PER_SUCCESS
    }

    /// Counts a try with the number of states at this index.
    pub fn count(&mut self, at: usize, found: bool) {
        self.tried[at] += 1;
        self.found[at] += u32::from(found);
    }
}

/// The stacks that were cut off.
#[derive(Default)]
pub(in crate::engine) struct CutStacks {
    /// These stacks, by the number of the cut.
    stacks: SmallVec<[ContId; 4]>,
    /// The planted stacks, by the cut ones, where several stacks may share one.
    planted: HashMap<ContId, ContId>,
}

impl CutStacks {
    /// The top `depth` states of `stack`, above a cut. A stack that is not as deep is returned as
    /// it is. `None` if the stack has several links, or was cut before.
    pub fn cut(&mut self, conts: &mut Continuations, stack: ContId, depth: u32) -> Option<ContId> {
        let mut top: SmallVec<[Frame; 8]> = SmallVec::new();
        let mut below = stack;
        while below != ContId::END && (top.len() as u32) < depth {
            let [(frame @ Frame::Parser(_), lower)] = *conts.links(below) else { return None };
            top.push(frame);
            below = lower;
        }
        if below == ContId::END {
            return Some(stack);
        }
        let number = self.stacks.iter().position(|&known| known == below).unwrap_or_else(|| {
            self.stacks.push(below);
            self.stacks.len() - 1
        });
        let mut cut = conts.push(Frame::Cut(number as u32), ContId::END);
        for frame in top.into_iter().rev() {
            cut = conts.push(frame, cut);
        }
        Some(cut)
    }

    /// The stack of which `cut` is the top.
    pub fn plant(&mut self, conts: &mut Continuations, cut: ContId) -> ContId {
        // Mostly, each state has one below it.
        let mut top: SmallVec<[Frame; 32]> = SmallVec::new();
        let mut lower = cut;
        while let [(frame @ Frame::Parser(_), below)] = *conts.links(lower) {
            top.push(frame);
            lower = below;
        }
        let planted = match *conts.links(lower) {
            [(Frame::Cut(number), _)] => self.stacks[number as usize],
            // The end below a whole stack.
            [_] => return cut,
            _ => self.plant_shared(conts, lower),
        };
        if planted == lower {
            return cut;
        }
        top.into_iter().rev().fold(planted, |below, frame| conts.push(frame, below))
    }

    /// As [`plant`](Self::plant), for a stack on which a parser with conflicts has put several
    /// states. Stacks below may be shared by many above, so each of them is planted once.
    fn plant_shared(&mut self, conts: &mut Continuations, cut: ContId) -> ContId {
        let mut work = vec![cut];
        while let Some(&stack) = work.last() {
            if self.planted.contains_key(&stack) {
                work.pop();
                continue;
            }
            let missing = work.len();
            work.extend(conts.links(stack).iter().filter_map(|&(frame, lower)| {
                let is_missing = matches!(frame, Frame::Parser(_)) && !self.planted.contains_key(&lower);
                is_missing.then_some(lower)
            }));
            if work.len() > missing {
                continue;
            }
            work.pop();
            let mut links: Vec<Link> = Vec::new();
            for &(frame, lower) in conts.links(stack) {
                match frame {
                    Frame::Parser(_) => links.push((frame, self.planted[&lower])),
                    Frame::Cut(number) => links.extend_from_slice(conts.links(self.stacks[number as usize])),
                    _ => links.push((frame, lower)),
                }
            }
            let planted = conts.of(&mut links);
            self.planted.insert(stack, planted);
        }
        self.planted[&cut]
    }
}

/// A result that is kept by cut stacks.
#[derive(Clone, Default)]
pub(in crate::engine) enum ByTop<T> {
    /// It was not looked for.
    #[default]
    Unknown,
    /// It depends on the stacks below the cuts.
    Deeper,
    /// It holds for all stacks with these tops.
    Found(T),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stack of 60 levels of two states each over `below`. Both states share what is below them.
    fn levels(conts: &mut Continuations, below: ContId) -> ContId {
        (0..60).fold(below, |below, level| {
            conts.of(&mut vec![(Frame::Parser(2 * level), below), (Frame::Parser(2 * level + 1), below)])
        })
    }

    #[test]
    fn shared_stacks_are_planted_once() {
        let mut conts = Continuations::new();
        let mut below = CutStacks::default();
        let whole = (0..50).fold(ContId::END, |stack, state| conts.push(Frame::Parser(state), stack));
        let cut = below.cut(&mut conts, whole, 3).unwrap();
        assert_ne!(cut, whole);
        assert_eq!(below.plant(&mut conts, cut), whole);
        let top = levels(&mut conts, cut);
        let top = conts.push(Frame::Parser(7), top);
        let planted = below.plant(&mut conts, top);
        let expected = levels(&mut conts, whole);
        assert_eq!(planted, conts.push(Frame::Parser(7), expected));
        // A stack that was not cut stays as it is, however deep it is.
        let deep =
            (0..1_000_000).fold(ContId::END, |stack, state| conts.push(Frame::Parser(state % 9), stack));
        assert_eq!(below.plant(&mut conts, deep), deep);
        assert_eq!(below.cut(&mut conts, deep, 2_000_000), Some(deep));
        // Several states over two cuts.
        let other = conts.push(Frame::Parser(77), whole);
        let second = below.cut(&mut conts, other, 1).unwrap();
        let both = conts.of(&mut vec![(Frame::Parser(1), cut), (Frame::Parser(2), second)]);
        let expected = conts.of(&mut vec![(Frame::Parser(1), whole), (Frame::Parser(2), other)]);
        assert_eq!(below.plant(&mut conts, both), expected);
    }
}
