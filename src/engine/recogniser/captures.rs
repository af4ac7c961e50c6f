//! Captures: the text of a key or an item, recorded while it is read.
//!
//! Keys of an object that must not repeat, and items of an array that must differ, are the only
//! places where the text of an output decides what may follow. Their bytes are recorded one by
//! one. A capture is a node of a tree: its last byte and the capture before it. So a capture is
//! one number, two threads that recorded the same text have the same number, and one more byte
//! costs one lookup.
//!
//! Price: one tree node for each different text that was recorded.

use hashbrown::HashMap;

/// An interned capture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in crate::engine) struct CaptureId(pub u32);

impl CaptureId {
    /// The capture of a thread that records nothing.
    pub const NONE: CaptureId = CaptureId(0);
}

/// The kind of text that a capture records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum CaptureKind {
    /// Nothing is recorded.
    Nothing,
    /// The key of an object whose keys must not repeat.
    Key,
    /// The item of an array whose items must differ.
    Item,
}

/// The part of an item's text that is known.
///
/// A matcher knows all of it. A mask is made once for all items that may stand in one place, so
/// while it is made only the end of the item is known: the part that a token itself spells. The
/// variants are ordered: if several apply to a thread, it has the largest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::engine) enum ItemKnowledge {
    /// The capture holds all of the text.
    Whole,
    /// More text came before the capture.
    Tail,
    /// An item was completed, and only its end is known.
    TailCompleted,
    /// An item of which only the end is known was completed, and the next item has begun.
    NextBegun,
    /// An item of which only the end is known was completed, and its text decides what may follow.
    Decisive,
}

const KINDS: [CaptureKind; 3] = [CaptureKind::Nothing, CaptureKind::Key, CaptureKind::Item];
const KNOWLEDGE: [ItemKnowledge; 5] = [
    ItemKnowledge::Whole,
    ItemKnowledge::Tail,
    ItemKnowledge::TailCompleted,
    ItemKnowledge::NextBegun,
    ItemKnowledge::Decisive,
];

/// A capture: one byte more than the capture `before`.
#[derive(Clone, Copy)]
struct Capture {
    kind: CaptureKind,
    knowledge: ItemKnowledge,
    last: u8,
    len: u32,
    before: CaptureId,
}

/// All captures of a graph.
pub(in crate::engine) struct Captures {
    /// First the empty captures, one for each kind and knowledge; then the others.
    nodes: Vec<Capture>,
    index: HashMap<(CaptureId, u8), CaptureId>,
}

impl Captures {
    pub fn new() -> Self {
        let roots = KINDS.iter().flat_map(|&kind| KNOWLEDGE.map(|knowledge| (kind, knowledge)));
        let empty = |(kind, knowledge)| Capture { kind, knowledge, last: 0, len: 0, before: CaptureId::NONE };
        Captures { nodes: roots.map(empty).collect(), index: HashMap::new() }
    }

    /// The empty capture of a kind.
    pub fn root(&self, kind: CaptureKind, knowledge: ItemKnowledge) -> CaptureId {
        CaptureId((kind as usize * KNOWLEDGE.len() + knowledge as usize) as u32)
    }

    fn get(&self, capture: CaptureId) -> Capture {
        self.nodes[capture.0 as usize]
    }

    /// The number of bytes recorded.
    pub fn len(&self, capture: CaptureId) -> u32 {
        self.get(capture).len
    }

    /// The kind of text that `capture` records.
    pub fn kind(&self, capture: CaptureId) -> CaptureKind {
        self.get(capture).kind
    }

    /// The knowledge of the item that `capture` records.
    pub fn knowledge(&self, capture: CaptureId) -> ItemKnowledge {
        self.get(capture).knowledge
    }

    /// The byte recorded last.
    pub fn last(&self, capture: CaptureId) -> Option<u8> {
        let Capture { len, last, .. } = self.get(capture);
        (len > 0).then_some(last)
    }

    /// The capture with one byte more, or `capture` itself if it records nothing.
    pub fn push(&mut self, capture: CaptureId, byte: u8) -> CaptureId {
        let now = self.get(capture);
        if now.kind == CaptureKind::Nothing {
            return capture;
        }
        let nodes = &mut self.nodes;
        *self.index.entry((capture, byte)).or_insert_with(|| {
            nodes.push(Capture { last: byte, len: now.len + 1, before: capture, ..now });
            CaptureId(nodes.len() as u32 - 1)
        })
    }

    /// True if nothing was ever recorded.
    pub fn is_unused(&self) -> bool {
        self.index.is_empty()
    }

    /// The recorded bytes from offset `start` on.
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

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.nodes.capacity() * std::mem::size_of::<Capture>() + self.index.capacity() * 16
    }
}
