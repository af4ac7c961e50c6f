//! Continuations: what follows a terminal, as a graph-structured stack without positions.
//!
//! A continuation is a set of links `(frame, continuation below)`; a frame says where to resume. Both are interned, so
//! that equal futures have equal ids wherever and however they were reached: between array elements, branches and
//! requests. A frame is only pushed when something is left to do after the callee (tail calls push none), and
//! what may be skipped is resolved when pushing: if the rest of a sequence can be empty, the links below are
//! included directly. Frames are therefore resumed only after at least one byte, and empty loops cannot exist. Links that
//! say the same are merged ([`links`](super::links)).
//!
//! Source: M. Tomita's graph-structured stack; here immutable and hash-consed.

use crate::grammar::{ArrayProgress, NodeId, ObjectProgress};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::BuildHasher;

/// An interned continuation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct ContId(pub u32);

impl ContId {
    /// Only the end of the output is left.
    pub const END: ContId = ContId(0);
}

/// An interned state of one object being read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct ObjectId(pub u32);

/// An interned state of one array being read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct ArrayId(pub u32);

/// An interned text being recorded; see [`Captures`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct CaptureId(pub u32);

impl CaptureId {
    /// Nothing is recorded.
    pub const NONE: CaptureId = CaptureId(0);
}

/// What a recording is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CaptureKind {
    Nothing,
    Key,
    Item,
}

/// What masks know of items, which are made for all items that may stand in the same place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum ItemKnowledge {
    /// What was recorded is all of the text.
    Whole,
    /// More text came before.
    Tail,
    /// An item of which only the tail is known was completed.
    Passed,
    /// Another item has begun since.
    Begun,
    /// An item of which only the tail is known was completed, and it decides what follows.
    Decisive,
}

/// Where to resume when what stands above has been read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Frame {
    /// The output may end.
    End,
    /// Read this node.
    Then(NodeId),
    /// More rounds of a [`Node::Repeat`](crate::grammar::Node::Repeat): at least `least`, at most `most` and one or more.
    Loop { node: NodeId, least: u32, most: u32 },
    /// The label read selects the node to go on with.
    Switch(NodeId),
    /// After `{`.
    ObjectOpened(ObjectId),
    /// After a declared key, whose label is its index.
    ObjectDeclared(ObjectId),
    /// After a key of `rest[rest]`, recorded from `start` on.
    ObjectRest { object: ObjectId, rest: u32, start: u32 },
    /// After a value.
    ObjectValue(ObjectId),
    /// After a comma.
    ObjectComma(ObjectId),
    /// After `[`.
    ArrayOpened(ArrayId),
    /// After an item, recorded from `start` on where items must be distinct.
    ArrayItem { array: ArrayId, start: u32 },
    /// After a comma.
    ArrayComma(ArrayId),
    /// A state of a lexed grammar's parser.
    Parser(u32),
}

/// `start` of a recording that is the outermost one: it ends with the frame.
pub(super) const OUTERMOST: u32 = u32::MAX;
/// `start` where nothing is recorded.
pub(super) const NOT_RECORDED: u32 = u32::MAX - 1;

pub(super) type Link = (Frame, ContId);

/// Slices stored one after the other and found by content: interning without an allocation per lookup.
pub(super) struct SliceInterner<T> {
    items: Vec<T>,
    starts: Vec<u32>,
    /// The ids by half of a hash, kept beside so that nothing is hashed again when the table grows.
    table: HashTable<(u32, u32)>,
    hasher: DefaultHashBuilder,
}

/// All of a hash from the half that is kept.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<T: Copy + Eq + std::hash::Hash> SliceInterner<T> {
    pub fn new() -> Self {
        SliceInterner {
            items: Vec::new(),
            starts: vec![0],
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn get(&self, id: u32) -> &[T] {
        &self.items[self.starts[id as usize] as usize..self.starts[id as usize + 1] as usize]
    }

    /// The id of `slice`; new ids count up from 0.
    pub fn intern(&mut self, slice: &[T]) -> u32 {
        let half = self.hasher.hash_one(slice) as u32;
        let (items, starts) = (&self.items, &self.starts);
        let at = |id: u32| &items[starts[id as usize] as usize..starts[id as usize + 1] as usize];
        if let Some(&(_, id)) = self.table.find(spread(half), |&(known, id)| known == half && at(id) == slice)
        {
            return id;
        }
        let id = self.len() as u32;
        self.items.extend_from_slice(slice);
        self.starts.push(self.items.len() as u32);
        self.table.insert_unique(spread(half), (half, id), |&(half, _)| spread(half));
        id
    }

    pub fn memory(&self) -> usize {
        self.items.capacity() * std::mem::size_of::<T>()
            + self.starts.capacity() * 4
            + self.table.capacity() * 9
    }
}

/// Interned continuations.
pub(super) struct Stack {
    conts: SliceInterner<Link>,
    pub(super) unions: HashMap<(ContId, ContId), ContId>,
}

impl Stack {
    pub fn new() -> Self {
        let mut conts = SliceInterner::new();
        conts.intern(&[(Frame::End, ContId::END)]);
        Stack { conts, unions: HashMap::new() }
    }

    pub fn links(&self, cont: ContId) -> &[Link] {
        self.conts.get(cont.0)
    }

    /// The continuation with exactly these links, sorted and without repetitions.
    pub fn intern(&mut self, links: &[Link]) -> ContId {
        ContId(self.conts.intern(links))
    }

    /// `frame` on top of `below`.
    pub fn push(&mut self, frame: Frame, below: ContId) -> ContId {
        ContId(self.conts.intern(&[(frame, below)]))
    }

    /// `frame` on top of `below`, or `below` at once.
    pub fn push_optional(&mut self, frame: Frame, below: ContId) -> ContId {
        let mut links = self.links(below).to_vec();
        links.push((frame, below));
        self.of(&mut links)
    }

    pub fn memory(&self) -> usize {
        self.conts.memory() + self.unions.capacity() * 16
    }
}

/// Texts being recorded, one byte at a time: keys that must not repeat and items that must differ.
pub(super) struct Captures {
    nodes: Vec<Capture>,
    index: HashMap<(CaptureId, u8), CaptureId>,
}

/// A recording: one byte more than another.
#[derive(Clone, Copy)]
struct Capture {
    of: CaptureKind,
    knowledge: ItemKnowledge,
    last: u8,
    len: u32,
    before: CaptureId,
}

const KINDS: [CaptureKind; 3] = [CaptureKind::Nothing, CaptureKind::Key, CaptureKind::Item];
const KNOWLEDGE: [ItemKnowledge; 5] = [
    ItemKnowledge::Whole,
    ItemKnowledge::Tail,
    ItemKnowledge::Passed,
    ItemKnowledge::Begun,
    ItemKnowledge::Decisive,
];

impl Captures {
    pub fn new() -> Self {
        let roots = KINDS.iter().flat_map(|&of| KNOWLEDGE.map(|knowledge| (of, knowledge)));
        let empty = |(of, knowledge)| Capture { of, knowledge, last: 0, len: 0, before: CaptureId::NONE };
        Captures { nodes: roots.map(empty).collect(), index: HashMap::new() }
    }

    /// The recording with nothing read.
    pub fn root(&self, of: CaptureKind, knowledge: ItemKnowledge) -> CaptureId {
        CaptureId((of as usize * KNOWLEDGE.len() + knowledge as usize) as u32)
    }

    fn get(&self, capture: CaptureId) -> Capture {
        self.nodes[capture.0 as usize]
    }

    pub fn len(&self, capture: CaptureId) -> u32 {
        self.get(capture).len
    }

    pub fn of(&self, capture: CaptureId) -> CaptureKind {
        self.get(capture).of
    }

    pub fn knowledge(&self, capture: CaptureId) -> ItemKnowledge {
        self.get(capture).knowledge
    }

    /// The newest byte.
    pub fn last(&self, capture: CaptureId) -> Option<u8> {
        let Capture { len, last, .. } = self.get(capture);
        (len > 0).then_some(last)
    }

    pub fn push(&mut self, capture: CaptureId, byte: u8) -> CaptureId {
        let now = self.get(capture);
        if now.of == CaptureKind::Nothing {
            return capture;
        }
        let nodes = &mut self.nodes;
        *self.index.entry((capture, byte)).or_insert_with(|| {
            nodes.push(Capture { last: byte, len: now.len + 1, before: capture, ..now });
            CaptureId(nodes.len() as u32 - 1)
        })
    }

    /// Whether nothing was ever recorded.
    pub fn is_unused(&self) -> bool {
        self.index.is_empty()
    }

    /// The bytes recorded from `start` on.
    pub fn text(&self, mut capture: CaptureId, start: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.len(capture) > start {
            let node = self.get(capture);
            bytes.push(node.last);
            capture = node.before;
        }
        bytes.reverse();
        bytes
    }

    pub fn memory(&self) -> usize {
        self.nodes.capacity() * std::mem::size_of::<Capture>() + self.index.capacity() * 16
    }
}

/// One object being read: which, how far, and the undeclared keys it has (an interned list).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ObjectState {
    pub node: NodeId,
    pub progress: ObjectProgress,
    pub used: u32,
}

/// One array being read: which, how far, and the items it has, where they must be distinct.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ArrayState {
    pub node: NodeId,
    pub progress: ArrayProgress,
    pub used: u32,
}
