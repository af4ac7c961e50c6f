//! Append-only storage that is read without a lock: slots in chunks of doubling size.
//!
//! A chunk never moves once it exists, so a reader can hold a reference to a slot while other
//! threads add chunks. A slot's own content is atomic or written once.
//!
//! Price: a chunk is allocated whole, so up to half of the slots may be unused.

use std::sync::OnceLock;

const FIRST_CHUNK_BITS: u32 = 5;
const CHUNKS: usize = 24;

/// Slots numbered from 0.
pub(super) struct ChunkedSlots<T> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

impl<T: Default> ChunkedSlots<T> {
    pub fn new() -> Self {
        ChunkedSlots { chunks: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// The chunk of a slot and the slot's place in it.
    fn place(id: u32) -> (usize, usize) {
        let n = id as usize + (1 << FIRST_CHUNK_BITS);
        let chunk = (n.ilog2() - FIRST_CHUNK_BITS) as usize;
        (chunk, n - (1 << (chunk as u32 + FIRST_CHUNK_BITS)))
    }

    /// The slot `id`, if its chunk exists.
    #[inline]
    pub fn get(&self, id: u32) -> Option<&T> {
        let (chunk, at) = Self::place(id);
        self.chunks.get(chunk)?.get()?.get(at)
    }

    /// The slot `id`, whose chunk is made if need be. `None` past the last chunk.
    pub fn get_or_grow(&self, id: u32) -> Option<&T> {
        let (chunk, at) = Self::place(id);
        let slots = self
            .chunks
            .get(chunk)?
            .get_or_init(|| (0..1usize << (chunk as u32 + FIRST_CHUNK_BITS)).map(|_| T::default()).collect());
        slots.get(at)
    }
}
