//! Continuations: what follows a terminal, as a graph-structured stack without positions.
//!
//! A continuation is a set of links `(frame, continuation below)`; the frame says where to resume.
//! While `[1` is read, the continuation of the number is one link: the frame "after an item of this
//! array" on top of what follows the array. Both frames and continuations are interned. So two
//! places with the same continuation have the same number, such as two items of an array, two
//! branches of the grammar, or two requests.
//!
//! A frame is pushed only if something is left to do after the part that is entered; a tail call
//! pushes none. If the rest of a sequence can be empty, the links below it are added beside its
//! frame when it is pushed. So a frame is resumed only after at least one byte, and a loop of empty
//! parts cannot arise.
//!
//! # The normal form
//!
//! Two different sets of links can allow the same texts. [`Continuations::of`] therefore applies
//! four rules, each of which keeps the language:
//!
//! - The numbers of rounds left of one repetition, over one continuation, are joined to an
//!   interval. Let `x` in `x{1,200}` match texts of several lengths. After some bytes, from 10 to
//!   197 rounds may have been read. That is one link, "from 3 to 190 rounds more", and not 188
//!   links.
//! - One frame over several continuations is that frame over their union: `f·a ∪ f·b = f·(a ∪ b)`.
//! - A link is dropped if another link allows all its texts, as "at most 5 more rounds" does beside
//!   "at most 3". So is a continuation of a union if another one allows all its texts.
//! - A repetition right above the same repetition is one repetition. Let `x+` stand above `x+` and
//!   above what follows that. Together they are `x+` above what follows. So `y ::= [a-z] y y*` has
//!   one such frame on its stack, and not one for every letter.
//!
//! With these rules the number of states does not grow with the number of ways in which an output
//! can be read. They only keep states small and decide nothing, so they are applied only to the top
//! [`MAX_DEPTH`] levels of the stack. Unions are made of two continuations at a time and
//! remembered, because most unions after a byte are made of unions after the byte before.
//!
//! Merging makes the stacks of a state deterministic: from each level, a frame leads to one level
//! below. As with automata, the deterministic form can be far larger than the form it is made from.
//! So a step merges at most [`MAX_UNIONS`] times. Beyond that, unions are sets of links whose
//! levels below stay as they are, as in Tomita's stack. Their number grows no faster than that of
//! the places in the output at which a frame was pushed.
//!
//! Source: M. Tomita's graph-structured stack, here immutable and hash-consed.

use super::interner::SliceInterner;
use crate::automata::{UNBOUNDED, interrupt};
use crate::grammar::NodeId;
use hashbrown::HashMap;

/// An interned continuation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in crate::engine) struct ContId(pub u32);

impl ContId {
    /// The continuation after which the output ends.
    pub const END: ContId = ContId(0);
}

/// An object that is being read; see [`ObjectState`](super::containers::ObjectState).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in crate::engine) struct ObjectId(pub u32);

/// An array that is being read; see [`ArrayState`](super::containers::ArrayState).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in crate::engine) struct ArrayId(pub u32);

/// The place at which reading resumes when everything above it has been read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in crate::engine) enum Frame {
    /// The output may end.
    End,
    /// The node is read next.
    Then(NodeId),
    /// More rounds of a [`Node::Repeat`](crate::grammar::Node::Repeat): at least `least`, at most
    /// `most`, and at least one.
    Loop { node: NodeId, least: u32, most: u32 },
    /// The label of the literal that was read selects the node to read next.
    Switch(NodeId),
    /// Free text goes on for at most `left` more tokens. `is_new` is true if the text has begun
    /// within the token that is being read. Always on top of a thread's stack.
    Tokens { left: u32, is_new: bool },
    /// `{` was read.
    ObjectOpened(ObjectId),
    /// A declared key was read; its label is its index.
    ObjectDeclared(ObjectId),
    /// A key of `rest[rest]` was read; its text is the capture from offset `start` on.
    ObjectRest { object: ObjectId, rest: u32, start: u32 },
    /// The value of a key was read.
    ObjectValue(ObjectId),
    /// A comma between keys was read.
    ObjectComma(ObjectId),
    /// `[` was read.
    ArrayOpened(ArrayId),
    /// An item was read; where items must differ, its text is the capture from `start` on.
    ArrayItem { array: ArrayId, start: u32 },
    /// A comma between items was read.
    ArrayComma(ArrayId),
    /// A state of a lexed grammar's parser.
    Parser(u32),
    /// The end of a stack that was [cut](super::cut), by the number of what is below.
    Cut(u32),
}

/// The `start` of a capture that ends with its frame: no other capture encloses it.
pub(in crate::engine) const OUTERMOST: u32 = u32::MAX;
/// The `start` of a frame whose text is not recorded.
pub(in crate::engine) const NOT_RECORDED: u32 = u32::MAX - 1;

/// A frame and the continuation below it.
pub(in crate::engine) type Link = (Frame, ContId);

/// Levels of the stack that are merged for one link.
const MAX_DEPTH: u32 = 200;

/// Pairs of links of two continuations that are compared.
const MAX_PAIRS: usize = 1024;

/// Pairs of continuations that one step compares.
const MAX_COMPARISONS: u32 = 1 << 12;

/// Unions that one step merges on all levels.
const MAX_UNIONS: u32 = 1 << 11;

/// All continuations of a graph.
pub(in crate::engine) struct Continuations {
    links: SliceInterner<Link>,
    unions: HashMap<(ContId, ContId), ContId>,
    /// True for the pairs of which the first includes the second.
    inclusions: HashMap<(ContId, ContId), bool>,
    /// The unions that the present step may still merge on all levels.
    unions_left: u32,
    /// The pairs that the present step may still compare.
    comparisons_left: u32,
    /// The links that were looked at since the work was last counted.
    work: u64,
}

impl Continuations {
    pub fn new() -> Self {
        let mut links = SliceInterner::new();
        links.intern(&[(Frame::End, ContId::END)]);
        Continuations {
            links,
            unions: HashMap::new(),
            inclusions: HashMap::new(),
            unions_left: MAX_UNIONS,
            comparisons_left: MAX_COMPARISONS,
            work: 0,
        }
    }

    /// Begins another step.
    pub fn begin_step(&mut self) {
        self.unions_left = MAX_UNIONS;
        self.comparisons_left = MAX_COMPARISONS;
    }

    /// The number of links that were looked at since this was last asked.
    pub fn take_work(&mut self) -> u64 {
        std::mem::take(&mut self.work)
    }

    /// The links of a continuation.
    pub fn links(&self, cont: ContId) -> &[Link] {
        self.links.get(cont.0)
    }

    /// The continuation of `frame` on top of `below`.
    pub fn push(&mut self, frame: Frame, below: ContId) -> ContId {
        ContId(self.links.intern(&[(frame, below)]))
    }

    /// The continuation of `frame` on top of `below`, or of `below` alone.
    pub fn push_optional(&mut self, frame: Frame, below: ContId) -> ContId {
        let mut links = self.links(below).to_vec();
        links.push((frame, below));
        self.of(&mut links)
    }

    /// The continuation with these links, which may come in any order.
    pub fn of(&mut self, links: &mut Vec<Link>) -> ContId {
        self.normalised(links, MAX_DEPTH)
    }

    /// The union of several continuations, at least one.
    pub fn union_of(&mut self, conts: &mut [ContId]) -> ContId {
        self.union_many(conts, MAX_DEPTH)
    }

    /// Bytes of all that was added so far.
    pub fn used(&self) -> usize {
        self.links.used() + (self.unions.len() + self.inclusions.len()) * 16
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.links.memory() + (self.unions.capacity() + self.inclusions.capacity()) * 16
    }

    fn normalised(&mut self, links: &mut Vec<Link>, depth: u32) -> ContId {
        self.work += links.len() as u64;
        interrupt::spend(1 + links.len() as u32 / 16);
        links.sort_unstable();
        links.dedup();
        // Each merge may make other links equal, so this goes on until nothing merges.
        while depth > 0 && links.len() > 1 {
            let before = links.len();
            self.merge_frames(links, depth);
            self.merge_rounds(links);
            if !self.join_repetitions(links) && links.len() == before {
                break;
            }
        }
        if depth == 0 || links.len() == 1 {
            self.join_repetitions(links);
        }
        self.drop_included(links);
        ContId(self.links.intern(links))
    }

    /// Puts equal frames on top of the union of what is below them.
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

    /// Joins intervals of rounds, left of one repetition over one continuation, that touch.
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

    /// Joins each repetition with the same repetition right below it, if this is the same language.
    /// True if the links changed.
    ///
    /// A link `(x{l,m}, below)` whose `below` is `rest` and a link `(x{l',m'}, lower)` stands for
    /// `x{l,m}·rest ∪ x{l+l',m+m'}·lower`. If `m` is unbounded and `lower` a part of `rest`, then
    /// the second part is within the first. If `lower` is all of `rest` and the two intervals
    /// touch, they are one interval. In both cases one link remains.
    fn join_repetitions(&mut self, links: &mut Vec<Link>) -> bool {
        let mut changed = false;
        for link in links.iter_mut() {
            let (Frame::Loop { node, least, most }, below) = *link else { continue };
            let stack = self.links(below);
            let Some(at) = stack.iter().position(|lower| match lower.0 {
                Frame::Loop { node: other, least: more, .. } => {
                    other == node
                        && (most == UNBOUNDED
                            || least.max(1).saturating_add(more.max(1)) <= most.saturating_add(1))
                }
                _ => false,
            }) else {
                continue;
            };
            let (lower_frame, lower) = stack[at];
            let mut rest = stack.to_vec();
            rest.remove(at);
            let lower = self.links(lower);
            let is_all = lower.len() == rest.len();
            if !(most == UNBOUNDED || is_all) || !lower.iter().all(|link| rest.contains(link)) {
                continue;
            }
            let Frame::Loop { most: more, .. } = lower_frame else { continue };
            let most = if more == UNBOUNDED { UNBOUNDED } else { most.saturating_add(more) };
            *link = (Frame::Loop { node, least, most }, ContId(self.links.intern(&rest)));
            changed = true;
        }
        if changed {
            links.sort_unstable();
            links.dedup();
        }
        changed
    }

    /// Drops loops that other loops include.
    fn drop_included(&mut self, links: &mut Vec<Link>) {
        let is_loop = |link: &Link| matches!(link.0, Frame::Loop { .. });
        let loops = links.iter().filter(|link| is_loop(link)).count();
        if loops < 2 || loops * loops > MAX_PAIRS {
            return;
        }
        // Links are dropped one at a time, since of two that include each other one must stay.
        let mut at = 0;
        while at < links.len() {
            let link = links[at];
            let mut others = links.iter().filter(|&&other| other != link);
            if is_loop(&link) && others.any(|&other| self.includes(other, link, MAX_DEPTH)) {
                links.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// True if every text that link `b` allows is surely allowed by link `a`. If false, that may
    /// still be so.
    fn includes(&mut self, a: Link, b: Link, depth: u32) -> bool {
        let frames = match (a.0, b.0) {
            (Frame::Loop { node, least, most }, Frame::Loop { node: other, least: more, most: fewer }) => {
                node == other && least <= more && fewer <= most
            }
            (a, b) => a == b,
        };
        frames && self.includes_all(a.1, b.1, depth)
    }

    /// True if everything that may follow by `b` may follow by `a`. False says nothing.
    fn includes_all(&mut self, a: ContId, b: ContId, depth: u32) -> bool {
        if a == b {
            return true;
        }
        if let Some(&known) = self.inclusions.get(&(a, b)) {
            return known;
        }
        let (over, under) = (self.links(a), self.links(b));
        let pairs = over.len() * under.len();
        interrupt::spend(1 + pairs as u32 / 64);
        if depth == 0 || self.comparisons_left == 0 || pairs > MAX_PAIRS || interrupt::is_over() {
            return false;
        }
        let (over, under) = (over.to_vec(), under.to_vec());
        self.comparisons_left -= 1;
        self.work += (over.len() + under.len()) as u64;
        let included = under
            .iter()
            .all(|&link| over.iter().any(|&other| other == link || self.includes(other, link, depth - 1)));
        // Without the budget, more might be included.
        if included || self.comparisons_left > 0 && !interrupt::is_over() {
            self.inclusions.insert((a, b), included);
        }
        included
    }

    /// The union, made by halves: the work grows with the number of continuations and not with
    /// its square.
    fn union_many(&mut self, conts: &mut [ContId], depth: u32) -> ContId {
        match conts {
            [] => ContId::END,
            [one] => *one,
            [a, b] => self.union_of_two(*a, *b, depth),
            several => {
                let (left, right) = several.split_at_mut(several.len() / 2);
                let (left, right) = (self.union_many(left, depth), self.union_many(right, depth));
                self.union_of_two(left, right, depth)
            }
        }
    }

    fn union_of_two(&mut self, a: ContId, b: ContId, depth: u32) -> ContId {
        if a == b {
            return a;
        }
        let key = (a.min(b), a.max(b));
        if let Some(&id) = self.unions.get(&key) {
            return id;
        }
        let mut links = self.links(a).to_vec();
        links.extend_from_slice(self.links(b));
        self.work += links.len() as u64;
        interrupt::spend(1 + links.len() as u32 / 16);
        if interrupt::is_over() {
            // The state that is being built will not be used.
            return a;
        }
        let depth = if self.unions_left == 0 { 0 } else { depth };
        self.unions_left = self.unions_left.saturating_sub(1);
        let id = if self.includes_all(a, b, MAX_DEPTH) {
            a
        } else if self.includes_all(b, a, MAX_DEPTH) {
            b
        } else {
            self.normalised(&mut links, depth)
        };
        if !interrupt::is_over() {
            self.unions.insert(key, id);
        }
        id
    }
}

/// The rounds left of `count` after one round more.
pub(in crate::engine) fn one_less(count: u32) -> u32 {
    if count == UNBOUNDED { count } else { count.saturating_sub(1) }
}
