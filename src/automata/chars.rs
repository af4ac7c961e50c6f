//! One character of a set, spelt in UTF-8: a small acyclic graph of byte ranges.
//!
//! The class `\p{L}` has over six hundred ranges. Written as a union of byte sequences, every
//! derivative would look at all of them. In a graph with shared suffixes a step is one binary
//! search. Nodes are interned in the pool, so that common tails such as `[80-BF]` and
//! `[80-BF][80-BF]` exist once.
//!
//! `regex_syntax::utf8` splits ranges into UTF-8 sequences, after an idea of Russ Cox.

use super::byte_classes::{ByteClasses, ByteSet};
use super::fingerprint::Fingerprinter;
use hashbrown::HashMap;
use regex_syntax::utf8::{Utf8Range, Utf8Sequences};
use std::sync::Arc;

/// The target of edges that complete a character.
pub const DONE: u32 = u32::MAX;

/// One edge: the bytes `lo..=hi` lead to the node `next`, which may be [`DONE`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Edge {
    /// First byte.
    pub lo: u8,
    /// Last byte.
    pub hi: u8,
    /// The node that the bytes lead to.
    pub next: u32,
}

/// The interned graph nodes of one pool.
#[derive(Clone, Default)]
pub struct CharGraph {
    nodes: Vec<(Arc<[Edge]>, u128)>,
    index: HashMap<Arc<[Edge]>, u32>,
    /// The nodes of sets with many ranges, which take long to split into UTF-8 sequences. A counted
    /// group asks for the same sets in every round.
    by_ranges: HashMap<Box<[(u32, u32)]>, Option<u32>>,
}

/// The least number of ranges of a set whose node is looked up.
const MANY_RANGES: usize = 8;

impl CharGraph {
    fn intern(&mut self, edges: Vec<Edge>) -> u32 {
        let edges: Arc<[Edge]> = edges.into();
        if let Some(&id) = self.index.get(&edges) {
            return id;
        }
        let mut f = Fingerprinter::new(0xc4a5).word(edges.len() as u64);
        for e in edges.iter() {
            f = f.word(u64::from(e.lo) | u64::from(e.hi) << 8);
            f = if e.next == DONE { f.word(0) } else { f.part(self.nodes[e.next as usize].1) };
        }
        let id = self.nodes.len() as u32;
        self.nodes.push((edges.clone(), f.finish()));
        self.index.insert(edges, id);
        id
    }

    /// The node for one byte out of `set`. `None` for the empty set.
    pub fn byte_set(&mut self, set: &ByteSet) -> Option<u32> {
        let mut edges: Vec<Edge> = Vec::new();
        for b in set.iter() {
            match edges.last_mut() {
                Some(e) if e.hi.checked_add(1) == Some(b) => e.hi = b,
                _ => edges.push(Edge { lo: b, hi: b, next: DONE }),
            }
        }
        (!edges.is_empty()).then(|| self.intern(edges))
    }

    /// The node for one character out of `ranges`, which are inclusive, sorted and disjoint.
    /// Surrogates and values past U+10FFFF are ignored. `None` when nothing is left.
    pub fn ranges(&mut self, ranges: &[(u32, u32)]) -> Option<u32> {
        if ranges.len() < MANY_RANGES {
            return self.split(ranges);
        }
        if let Some(&known) = self.by_ranges.get(ranges) {
            return known;
        }
        let node = self.split(ranges);
        self.by_ranges.insert(ranges.into(), node);
        node
    }

    fn split(&mut self, ranges: &[(u32, u32)]) -> Option<u32> {
        let mut sequences: Vec<Vec<Utf8Range>> = Vec::new();
        for &(lo, hi) in ranges {
            for (lo, hi) in [(lo, hi.min(0xd7ff)), (lo.max(0xe000), hi.min(0x10_ffff))] {
                if let (true, Some(lo), Some(hi)) = (lo <= hi, char::from_u32(lo), char::from_u32(hi)) {
                    sequences.extend(Utf8Sequences::new(lo, hi).map(|s| s.as_slice().to_vec()));
                }
            }
        }
        let slices: Vec<&[Utf8Range]> = sequences.iter().map(Vec::as_slice).collect();
        (!slices.is_empty()).then(|| self.sequences_node(&slices))
    }

    /// The node that reads one of `sequences`. They are sorted, and the first ranges of two of
    /// them are equal or disjoint.
    fn sequences_node(&mut self, sequences: &[&[Utf8Range]]) -> u32 {
        let mut edges: Vec<Edge> = Vec::new();
        for group in sequences.chunk_by(|a, b| a[0] == b[0]) {
            let rests: Vec<&[Utf8Range]> = group.iter().map(|s| &s[1..]).filter(|r| !r.is_empty()).collect();
            let next = if rests.is_empty() { DONE } else { self.sequences_node(&rests) };
            let Utf8Range { start: lo, end: hi } = group[0][0];
            match edges.last_mut() {
                Some(e) if e.next == next && e.hi.checked_add(1) == Some(lo) => e.hi = hi,
                _ => edges.push(Edge { lo, hi, next }),
            }
        }
        self.intern(edges)
    }

    /// The node for the characters that two nodes have in common. `None` where there are none.
    pub fn intersection(&mut self, a: u32, b: u32) -> Option<u32> {
        if a == b || b == DONE {
            return Some(a);
        }
        if a == DONE {
            return Some(b);
        }
        // The recursion goes no deeper than the bytes of a character.
        let (first, second) = (self.nodes[a as usize].0.clone(), self.nodes[b as usize].0.clone());
        let (mut i, mut j) = (0, 0);
        let mut edges: Vec<Edge> = Vec::new();
        while let (Some(x), Some(y)) = (first.get(i), second.get(j)) {
            let (lo, hi) = (x.lo.max(y.lo), x.hi.min(y.hi));
            if lo <= hi
                && let Some(next) = self.intersection(x.next, y.next)
            {
                match edges.last_mut() {
                    Some(e) if e.next == next && e.hi.checked_add(1) == Some(lo) => e.hi = hi,
                    _ => edges.push(Edge { lo, hi, next }),
                }
            }
            if x.hi <= y.hi {
                i += 1;
            }
            if y.hi <= x.hi {
                j += 1;
            }
        }
        (!edges.is_empty()).then(|| self.intern(edges))
    }

    /// True if `text` begins with a character of `node`.
    pub fn leads(&self, node: u32, text: &[u8]) -> bool {
        let mut at = node;
        for &byte in text {
            match self.step(at, byte) {
                Some(DONE) => return true,
                Some(next) => at = next,
                None => return false,
            }
        }
        false
    }

    /// Copies the node `node` of the graph `other` into this graph. `copied` holds the numbers of
    /// nodes that were copied before.
    pub fn import(&mut self, other: &CharGraph, node: u32, copied: &mut HashMap<u32, u32>) -> u32 {
        if let Some(&known) = copied.get(&node) {
            return known;
        }
        // The recursion goes no deeper than the bytes of a character.
        let mut edges = other.edges(node).to_vec();
        for edge in edges.iter_mut().filter(|e| e.next != DONE) {
            edge.next = self.import(other, edge.next, copied);
        }
        let here = self.intern(edges);
        copied.insert(node, here);
        here
    }

    /// The node that `byte` leads to from `node`.
    #[inline]
    pub fn step(&self, node: u32, byte: u8) -> Option<u32> {
        let edges = &self.nodes[node as usize].0;
        let at = edges.partition_point(|e| e.hi < byte);
        edges.get(at).filter(|e| e.lo <= byte).map(|e| e.next)
    }

    /// The edges of `node`.
    pub fn edges(&self, node: u32) -> &[Edge] {
        &self.nodes[node as usize].0
    }

    /// The fingerprint of the language of `node`.
    pub fn fingerprint(&self, node: u32) -> u128 {
        self.nodes[node as usize].1
    }

    /// True if `node` starts a character: none of its bytes is a continuation byte of UTF-8.
    pub fn starts_character(&self, node: u32) -> bool {
        self.edges(node).iter().all(|e| if e.next == DONE { e.hi < 0x80 } else { e.lo >= 0xc2 })
    }

    /// The partition of the bytes into classes that lead to the same node from every node reachable
    /// from `node`.
    pub fn classes(&self, node: u32) -> ByteClasses {
        let mut cuts = ByteSet::EMPTY;
        let mut stack = vec![node];
        let mut seen = hashbrown::HashSet::new();
        while let Some(n) = stack.pop() {
            if n == DONE || !seen.insert(n) {
                continue;
            }
            for e in self.edges(n) {
                cuts.insert(e.lo);
                if let Some(after) = e.hi.checked_add(1) {
                    cuts.insert(after);
                }
                stack.push(e.next);
            }
        }
        // Bytes between two cuts are alike. Intervals whose targets agree in every node share a
        // class.
        let nodes: Vec<u32> = seen.into_iter().collect();
        ByteClasses::by_interval(&cuts, |b| nodes.iter().map(|&n| self.step(n, b)).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(g: &CharGraph, node: u32, c: char) -> bool {
        let mut buffer = [0; 4];
        let mut at = node;
        for &b in c.encode_utf8(&mut buffer).as_bytes() {
            match (at != DONE).then(|| g.step(at, b)).flatten() {
                Some(next) => at = next,
                None => return false,
            }
        }
        at == DONE
    }

    #[test]
    fn ranges_hold_exactly_their_characters() {
        let tables: &[&[(u32, u32)]] = &[
            &[(0, 0x10_ffff)],
            &[(0x61, 0x7a)],
            &[(0x80, 0x17f), (0x180, 0x181), (0x4e00, 0x9fff)],
            &[(0xd7f0, 0xe010), (0xffff, 0x1_0000), (0x10_fff0, 0x11_0000)],
        ];
        for ranges in tables {
            let mut g = CharGraph::default();
            let node = g.ranges(ranges).unwrap();
            for c in (0..=0x10_ffff).filter_map(char::from_u32) {
                let want = ranges.iter().any(|r| (r.0..=r.1).contains(&(c as u32)));
                assert_eq!(accepts(&g, node, c), want, "{c:?} in {ranges:x?}");
            }
            let classes = g.classes(node);
            for b in 0..=255u8 {
                let rep = classes.representatives()[classes.class(b)];
                assert_eq!(g.step(node, b), g.step(node, rep));
            }
        }
        assert!(CharGraph::default().ranges(&[(0xd800, 0xdfff)]).is_none());
        let mut g = CharGraph::default();
        for a in tables {
            for b in tables {
                let (a, b) = (g.ranges(a).unwrap(), g.ranges(b).unwrap());
                let both = g.intersection(a, b);
                for c in
                    (0..=0x10_ffff).step_by(61).chain([0x61, 0x7a, 0x180, 0xffff]).filter_map(char::from_u32)
                {
                    let want = accepts(&g, a, c) && accepts(&g, b, c);
                    assert_eq!(both.is_some_and(|both| accepts(&g, both, c)), want, "{c:?}");
                    assert_eq!(g.leads(a, format!("{c}x").as_bytes()), accepts(&g, a, c), "{c:?}");
                }
            }
        }
    }
}
