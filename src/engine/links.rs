//! The normal form of a continuation's links: ambiguity that says the same twice is said once.
//!
//! - Rounds that are left of one repetition over one continuation are an interval. `x{1,200}` over a body that can be read in
//!   several lengths has been read so or so often; what is left of it is "from 3 to 190 times", one link and not 187.
//! - One frame over several continuations is that frame over their union: `f·a ∪ f·b = f·(a ∪ b)`.
//! - A link that another one takes in is left out: at most 3 more times where there may be at most 5.
//!
//! Each rule keeps the language, so that states which mean the same become equal more often, and their number does not grow with
//! the number of ways to read the output: a continuation is to the stacks it stands for what a minimal automaton is to its
//! words. None of the rules is needed for an answer to be right; they are therefore applied to [`MAX_DEPTH`] levels of the
//! stack only. Unions are made of two continuations at a time and kept, since those of one byte are mostly made of those of
//! the byte before.

use super::stack::{ContId, Frame, Link, Stack};
use crate::automata::UNBOUNDED;

/// Levels of the stack that are merged for one link.
const MAX_DEPTH: u32 = 200;

/// Levels of the stack that are compared to find a link that takes in another, and pairs of links on each.
const MAX_COMPARED: u32 = 3;
const MAX_PAIRS: usize = 1024;

impl Stack {
    /// The continuation with these links, in any order.
    pub fn of(&mut self, links: &mut Vec<Link>) -> ContId {
        self.normalised(links, MAX_DEPTH)
    }

    fn normalised(&mut self, links: &mut Vec<Link>, depth: u32) -> ContId {
        links.sort_unstable();
        links.dedup();
        // As long as something merges, other things may have become alike.
        while depth > 0 && links.len() > 1 {
            let before = links.len();
            self.merge_frames(links, depth);
            self.merge_rounds(links);
            if links.len() == before {
                break;
            }
        }
        self.drop_covered(links);
        self.intern(links)
    }

    /// Equal frames get the union of what is below them.
    fn merge_frames(&mut self, links: &mut Vec<Link>, depth: u32) {
        let mut kept = 0;
        let mut at = 0;
        while at < links.len() {
            let frame = links[at].0;
            let run = links[at..].iter().take_while(|link| link.0 == frame).count();
            let mut below = links[at].1;
            if run > 1 {
                let mut conts: Vec<ContId> = links[at..at + run].iter().map(|link| link.1).collect();
                below = self.union_many(&mut conts, depth - 1);
            }
            links[kept] = (frame, below);
            kept += 1;
            at += run;
        }
        links.truncate(kept);
    }

    /// Intervals of rounds left of one repetition over one continuation become one where there is no gap between them.
    fn merge_rounds(&mut self, links: &mut Vec<Link>) {
        let rounds = |link: &Link| match link.0 {
            Frame::Loop { node, least, most } => Some((node, link.1, least, most)),
            _ => None,
        };
        let Some(first) = links.iter().position(|link| rounds(link).is_some()) else { return };
        let end = links[first..].iter().take_while(|link| rounds(link).is_some()).count() + first;
        if end - first < 2 {
            return;
        }
        links[first..end].sort_unstable_by_key(rounds);
        let mut kept = first;
        for at in first + 1..end {
            let (Some(last), Some(next)) = (rounds(&links[kept]), rounds(&links[at])) else { continue };
            let (node, below, least, most) = last;
            if (node, below) == (next.0, next.1) && next.2 <= most.saturating_add(1) {
                links[kept].0 = Frame::Loop { node, least, most: most.max(next.3) };
            } else {
                kept += 1;
                links[kept] = links[at];
            }
        }
        links.drain(kept + 1..end);
        links.sort_unstable();
    }

    /// Leaves out loops that others take in.
    fn drop_covered(&self, links: &mut Vec<Link>) {
        let is_loop = |link: &Link| matches!(link.0, Frame::Loop { .. });
        let loops = links.iter().filter(|link| is_loop(link)).count();
        if loops < 2 || loops * loops > MAX_PAIRS {
            return;
        }
        // One after the other: of two that take in each other, one must stay.
        let mut at = 0;
        while at < links.len() {
            let link = links[at];
            let mut others = links.iter().filter(|&&other| other != link);
            if is_loop(&link) && others.any(|&other| self.covers(other, link, MAX_COMPARED)) {
                links.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Whether everything that may follow by `b` may follow by `a`; not always found where it is so.
    fn covers(&self, a: Link, b: Link, depth: u32) -> bool {
        let frames = match (a.0, b.0) {
            (Frame::Loop { node, least, most }, Frame::Loop { node: other, least: more, most: fewer }) => {
                node == other && least <= more && fewer <= most
            }
            (a, b) => a == b,
        };
        frames && (a.1 == b.1 || (depth > 0 && self.covers_all(a.1, b.1, depth - 1)))
    }

    fn covers_all(&self, a: ContId, b: ContId, depth: u32) -> bool {
        let (over, under) = (self.links(a), self.links(b));
        over.len() * under.len() <= MAX_PAIRS
            && under
                .iter()
                .all(|&link| over.iter().any(|&other| other == link || self.covers(other, link, depth)))
    }

    /// Any of several continuations, at least one.
    pub fn union_of(&mut self, conts: &mut [ContId]) -> ContId {
        self.union_many(conts, MAX_DEPTH)
    }

    /// By halves, so that what is copied grows with their number and not with its square.
    fn union_many(&mut self, conts: &mut [ContId], depth: u32) -> ContId {
        match conts {
            [] => ContId::END,
            [one] => *one,
            [a, b] => self.union_within(*a, *b, depth),
            several => {
                let (left, right) = several.split_at_mut(several.len() / 2);
                let (left, right) = (self.union_many(left, depth), self.union_many(right, depth));
                self.union_within(left, right, depth)
            }
        }
    }

    fn union_within(&mut self, a: ContId, b: ContId, depth: u32) -> ContId {
        if a == b {
            return a;
        }
        let key = (a.min(b), a.max(b));
        if let Some(&id) = self.unions.get(&key) {
            return id;
        }
        let mut links = self.links(a).to_vec();
        links.extend_from_slice(self.links(b));
        let id = self.normalised(&mut links, depth);
        self.unions.insert(key, id);
        id
    }
}

/// What is left of `count` after one more round.
pub(super) fn one_less(count: u32) -> u32 {
    if count == UNBOUNDED {
        count
    } else {
        count.saturating_sub(1)
    }
}
