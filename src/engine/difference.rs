//! A summary as the difference to a plainer language's ("any string" for "any key except `a`, `b`", or for "at most 200
//! characters").
//!
//! Found by a walk over pairs of states that stops where the two cannot be told apart by the tokens below. Where all that is
//! excluded are literals, no pair is needed: the trie is walked beside them, and what differs is the closing quote behind one.
//!
//! Cost: the trie nodes on which the two differ. What is kept is a list of tokens to leave out and a few to put in.

use super::summary::{Base, BasePart, Inside, Summariser, Summary, WalkResult};
use super::vocabulary_index::MAX_SLICED_LEN;
use crate::automata::{Excluded, Expr, LangId};
use crate::vocab::TokenId;
use std::sync::{Arc, OnceLock};

/// A difference of more tokens than this is not kept as one but as a set of its own.
const MAX_DIFFERENCE: usize = 256;

/// A step of both languages costs some dozens of steps along known rows, of which a walk makes up to a hundred thousand.
const MAX_VISITED: usize = 4096;

/// The letters of two-character escapes, and what they stand for.
const SHORT_ESCAPES: [(u8, u8); 8] = [
    (b'"', b'"'),
    (b'\\', b'\\'),
    (b'/', b'/'),
    (b'b', 0x08),
    (b'f', 0x0c),
    (b'n', b'\n'),
    (b'r', b'\r'),
    (b't', b'\t'),
];

/// A difference to a base while it is found.
#[derive(Default)]
struct Difference {
    /// Nothing below these trie nodes is as in the base.
    diverging: Vec<u32>,
    found: WalkResult,
}

impl Summariser<'_> {
    /// The summary of `language` as a difference to that of `plainer`, a language with every prefix of `language`.
    /// `None` where the two differ in so much that a walk alone finds it sooner.
    pub fn delta(&mut self, language: LangId, plainer: LangId) -> Option<(Summary, usize)> {
        let trie = self.indexed.trie(self.vocabulary);
        let mut difference = Difference::default();
        match self.languages.excluded(language) {
            Some(excluded) => self.differ_by_literals(&excluded, (language, plainer), &mut difference)?,
            None => self.differ(vec![(0, language, plainer)], &mut difference)?,
        }
        let base = self.summary(plainer);
        let Difference { diverging, mut found } = difference;
        // A string ends at one place; what else a token may leave by lies above where the two come apart.
        if !matches!(self.languages.expr(language), Expr::Json { .. }) {
            diverging.iter().for_each(|&node| self.record_above(node, language, &mut found));
        }
        let visited = found.visited;
        let exits = found.exits(trie);
        let below_apart = || diverging.iter().flat_map(|&node| trie.subtree_tokens(node).iter().copied());
        found.inside.sort_unstable();
        let is_found = |id: &TokenId| found.inside.binary_search(id).is_ok();
        let few = |ids: &mut dyn Iterator<Item = TokenId>| -> Option<Vec<TokenId>> {
            let some: Vec<TokenId> = ids.take(MAX_DIFFERENCE + 1).collect();
            (some.len() <= MAX_DIFFERENCE).then_some(some)
        };
        let leaves = |id: TokenId| base.has_exit(id, self.vocabulary, self.indexed);
        let won = few(&mut found.inside.iter().copied().filter(|&id| !base.reads(id) || leaves(id)));
        let lost = few(&mut below_apart().filter(|id| base.reads(*id) && !is_found(id)));
        let mut removed: Vec<TokenId> = below_apart().filter(|&id| leaves(id)).collect();
        let inside_counts = won.is_some() && lost.is_some();
        let inside = match (won, lost) {
            (Some(won), Some(lost)) => {
                removed.extend(lost);
                Inside::Sparse(won.into())
            }
            _ => {
                let mut inside = base.inside_set(self.vocabulary.size());
                diverging.iter().for_each(|&node| inside.remove_all(trie.subtree_tokens(node)));
                inside.insert_all(&found.inside);
                Inside::Dense(Arc::new(inside))
            }
        };
        removed.sort_unstable();
        removed.dedup();
        let removed = removed.into();
        let part = if inside_counts { BasePart::AllExcept(removed) } else { BasePart::ExitsExcept(removed) };
        let base = Some(Base { summary: base, part });
        Some((Summary { base, inside, exits, exit_tokens: OnceLock::new() }, visited))
    }

    /// Records the ends on the way to `node`.
    fn record_above(&mut self, node: u32, language: LangId, found: &mut WalkResult) {
        let trie = self.indexed.trie(self.vocabulary);
        let (mut at, mut state) = (0, language);
        loop {
            let Some(child) = trie.children(at).find(|&child| trie.end(child) > node) else { return };
            if child == node {
                return;
            }
            state = self.languages.step(state, trie.byte(child));
            found.record_end(self.languages, trie, child, state);
            at = child;
        }
    }

    /// Where `start.0` is any string but some, and `start.1` any.
    fn differ_by_literals(
        &mut self,
        excluded: &Excluded,
        start: (LangId, LangId),
        difference: &mut Difference,
    ) -> Option<()> {
        let Excluded { literals, lo, hi, depth, in_string } = excluded;
        let (trie, below) = (self.indexed.trie(self.vocabulary), self.indexed.below(self.vocabulary));
        let root = if *in_string { Some(0) } else { trie.child(0, b'"') };
        let mut path: Vec<u8> = Vec::new();
        let mut pairs: Vec<(u32, LangId, LangId)> = Vec::new();
        let mut stack: Vec<(u32, (u32, u32, u32))> =
            root.map(|root| (root, (*lo, *hi, *depth))).into_iter().collect();
        while let Some((node, (lo, hi, depth))) = stack.pop() {
            if node != 0 {
                path.truncate(usize::from(trie.depth(node)) - 1);
                path.push(trie.byte(node));
            }
            difference.found.visited += 1;
            if literals.accepts(lo, depth) {
                difference.diverging.extend(trie.child(node, b'"'));
            }
            let bytes = literals.next_bytes(lo, hi, depth);
            let mut go_on = |child: Option<u32>, byte: u8| {
                let Some(child) = child.filter(|&child| trie.end(child) > child + 1) else { return };
                if let Some((lo, hi)) = literals.step(lo, hi, depth, byte) {
                    stack.push((child, (lo, hi, depth + 1)));
                }
            };
            let escape = trie.child(node, b'\\');
            if let Some(escape) = escape {
                for (letter, byte) in SHORT_ESCAPES {
                    if bytes.contains(byte) {
                        go_on(trie.child(escape, letter), byte);
                    }
                }
                // Four digits and a quote, or more: rare enough to be found in general.
                if let Some(unicode) = trie.child(escape, b'u').filter(|&u| below[u as usize].height >= 5) {
                    path.extend(b"\\u");
                    let state = self.languages.step_bytes(start.0, &path);
                    let plain = self.languages.step_bytes(start.1, &path);
                    path.truncate(path.len() - 2);
                    if plain != LangId::NEVER {
                        pairs.push((unicode, state, plain));
                    }
                }
            }
            for child in trie.matching_children(node, &bytes.0) {
                // These are only spelt by escapes.
                if !matches!(trie.byte(child), b'"' | b'\\' | ..0x20) {
                    go_on(Some(child), trie.byte(child));
                }
            }
        }
        self.differ(pairs, difference)
    }

    /// No token of at most so many bytes tells the two apart.
    fn alike(&mut self, language: LangId, plainer: LangId) -> u16 {
        // Of a maximum alone that is all tokens no longer than it.
        let most = self.languages.largest_count(language).min(u16::MAX.into()) as u16;
        let most = most.saturating_sub(1).max(MAX_SLICED_LEN);
        let mut is_alike = |bytes: u16| {
            let near = self.languages.clamped(language, bytes.into());
            near == self.languages.clamped(plainer, bytes.into())
        };
        let lengths = if is_alike(MAX_SLICED_LEN) {
            [most, 2 * MAX_SLICED_LEN, MAX_SLICED_LEN]
        } else {
            [MAX_SLICED_LEN / 2, MAX_SLICED_LEN / 4, 0]
        };
        lengths.into_iter().find(|&bytes| is_alike(bytes)).unwrap_or(0)
    }

    /// Where the pairs of states on the trie's nodes differ; `None` where that is in too much.
    fn differ(&mut self, pairs: Vec<(u32, LangId, LangId)>, difference: &mut Difference) -> Option<()> {
        let trie = self.indexed.trie(self.vocabulary);
        let below = self.indexed.below(self.vocabulary);
        let mut stack = pairs;
        // Often only tokens can tell the two apart that are so long that there are few.
        let alike = match stack[..] {
            [(_, language, plainer)] => self.alike(language, plainer),
            _ => 0,
        };
        let mut left = MAX_VISITED;
        while let Some((node, state, plain)) = stack.pop() {
            let bytes = self.languages.differing_bytes(state, plain);
            for child in trie.matching_children(node, &bytes.0) {
                if trie.depth(child) + below[child as usize].height <= alike {
                    continue;
                }
                let byte = trie.byte(child);
                let next_plain = self.languages.step(plain, byte);
                if next_plain == LangId::NEVER {
                    continue;
                }
                difference.found.visited += 1;
                left = left.checked_sub(1)?;
                let next = self.languages.step(state, byte);
                if next == next_plain {
                    continue;
                }
                if next == LangId::NEVER {
                    difference.diverging.push(child);
                    continue;
                }
                // Rounded up, so that few lengths are asked about.
                let height = u32::from(below[child as usize].height).next_power_of_two();
                let near = self.languages.clamped(next, height);
                if near == self.languages.clamped(next_plain, height) {
                    continue;
                }
                let same_end = self.languages.is_nullable(next) == self.languages.is_nullable(next_plain)
                    && self.languages.label(next) == self.languages.label(next_plain);
                if same_end {
                    stack.push((child, next, next_plain));
                } else {
                    difference.diverging.push(child);
                    difference.found.record(self.languages, trie, child, next);
                    self.walk(child, next, &mut difference.found);
                }
            }
        }
        Some(())
    }
}
