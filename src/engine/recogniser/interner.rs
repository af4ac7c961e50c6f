//! Interners of slices and of values: equal ones get equal numbers.
//!
//! Continuations, states and lists of threads are all slices of small values that are looked up
//! many times a byte. The [`SliceInterner`] stores them one after the other in one vector and finds
//! them by content, so that a lookup allocates nothing. Objects and arrays are larger and rarer,
//! and a [`ValueInterner`] serves them.
//!
//! Price: nothing is ever removed. The graph that owns the interner is dropped as a whole when it
//! grows past its budget.

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;

/// Slices numbered from 0 in the order in which they were first seen.
pub(in crate::engine) struct SliceInterner<T> {
    items: Vec<T>,
    /// The start of each slice in `items`, and the end of the last one.
    starts: Vec<u32>,
    /// The lower half of each slice's hash with its number. Keeping the hash beside the number
    /// means that nothing is hashed again when the table grows.
    table: HashTable<(u32, u32)>,
    hasher: DefaultHashBuilder,
}

/// Extends the stored half of a hash to the 64 bits that the table expects.
fn widen(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<T: Copy + Eq + Hash> SliceInterner<T> {
    pub fn new() -> Self {
        SliceInterner {
            items: Vec::new(),
            starts: vec![0],
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// The number of different slices.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The slice with number `id`.
    pub fn get(&self, id: u32) -> &[T] {
        &self.items[self.starts[id as usize] as usize..self.starts[id as usize + 1] as usize]
    }

    /// The number of `slice`. A slice that was not seen before gets the next number.
    pub fn intern(&mut self, slice: &[T]) -> u32 {
        let half = self.hasher.hash_one(slice) as u32;
        let (items, starts) = (&self.items, &self.starts);
        let at = |id: u32| &items[starts[id as usize] as usize..starts[id as usize + 1] as usize];
        let is_same = |&(known, id): &(u32, u32)| known == half && at(id) == slice;
        if let Some(&(_, id)) = self.table.find(widen(half), is_same) {
            return id;
        }
        let id = self.len() as u32;
        self.items.extend_from_slice(slice);
        self.starts.push(self.items.len() as u32);
        self.table.insert_unique(widen(half), (half, id), |&(half, _)| widen(half));
        id
    }

    /// Bytes of the slices and of what finds them. Unlike [`memory`](Self::memory), this grows
    /// evenly, and not when a table doubles.
    pub fn used(&self) -> usize {
        self.items.len() * std::mem::size_of::<T>() + self.len() * 13
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        self.items.capacity() * std::mem::size_of::<T>()
            + self.starts.capacity() * 4
            + self.table.capacity() * 9
    }
}

/// Values numbered from 0 in the order in which they were first seen.
pub(in crate::engine) struct ValueInterner<T> {
    values: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> ValueInterner<T> {
    pub fn new() -> Self {
        ValueInterner { values: Vec::new(), numbers: HashMap::new() }
    }

    /// The number of `value`. A value that was not seen before gets the next number.
    pub fn intern(&mut self, value: T) -> u32 {
        let ValueInterner { values, numbers } = self;
        *numbers.entry(value).or_insert_with_key(|value| {
            values.push(value.clone());
            values.len() as u32 - 1
        })
    }
}

impl<T> Deref for ValueInterner<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}
