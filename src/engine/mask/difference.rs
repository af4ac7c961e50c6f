//! A summary as the difference to the summary of a more permissive language.
//!
//! "Any key except `a` and `b`" and "at most 200 characters" differ from "any string" only on a few
//! paths of the trie. The permissive language is called the *relaxation*. Its summary is known
//! already, or is made once for many languages. The summary of the stricter language is then a list
//! of the tokens that only the relaxation's summary has, and of the tokens that it lacks.
//!
//! # The walk
//!
//! The trie is walked beside pairs of states: the state of the language and that of its relaxation.
//! The walk stops at a node if the tokens below cannot tell the two states apart: the states are
//! equal, or they differ only in counts that no token below is long enough to reach. It also
//! follows only the bytes on which the two can differ, which the expressions show: the next bytes
//! of excluded keys, the quote and the backslash. So the walk for an excluded key follows the bytes
//! of that key, and not every first byte of a vocabulary. If only literals are excluded, no pairs
//! are needed: the trie is walked beside the literals, and the two states differ only at the
//! closing quote behind a whole literal.
//!
//! In free text, such as text up to `<call>`, no pairs are needed either. It differs from free text
//! without triggers only where a token completes a trigger or a forbidden text. The nodes at which
//! this may begin are those with the first byte of one of these texts, and the root, if the text so
//! far ends with the beginning of one. The trie is walked from them beside these texts.
//!
//! # Why it is exact
//!
//! The relaxation has every prefix of the language, so a walk over the prefixes of the relaxation
//! meets every token that either of the two reads. Below a node at which the walk stops because the
//! states agree, both have the same tokens. Below a node at which they diverge, the tokens of the
//! language are found anew. This assumes that the relaxation reads only text: if a part of an
//! intersection is dropped, the rest must still be text.
//!
//! # The price
//!
//! The walk costs the trie nodes on which the two differ. If these are too many, a plain walk is
//! faster, and no difference is given.

use super::summary::{Base, BasePart, Inside, Summary};
use super::trie_walk::{TrieWalk, WalkResult};
use super::vocabulary_index::MAX_SLICED_LEN;
use crate::automata::{Excluded, Expr, LangId, TextSearch};
use crate::engine::recogniser::truncate::coarse_height;
use crate::vocab::{TokenId, TokenTrie};
use std::sync::Arc;

/// The largest number of tokens that is kept as a difference and not as a set.
const MAX_DIFFERENCE: usize = 256;

/// The largest number of pairs that are visited before the difference is given up for a plain walk.
/// A plain walk has more steps, but a step of a pair takes as long as many of them.
const MAX_VISITED: usize = 4096;

/// A walk beside the texts that free text looks for is given up for a plain walk if it visits more
/// than one of this many nodes of the trie.
const NODES_PER_VISIT: usize = 16;

/// The letters of two-character escapes, and the bytes they stand for.
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

/// The difference between a language and its relaxation.
#[derive(Default)]
pub(in crate::engine) struct Difference {
    /// Trie nodes below which the relaxation's tokens and exits do not belong to the language.
    diverging: Vec<u32>,
    /// The tokens and ends that the language itself has below these nodes.
    own: WalkResult,
}

impl Difference {
    /// The difference between `language` and `relaxed`, which has every prefix of `language`.
    /// `None` if the two differ so much that a plain walk is faster.
    pub fn find(walk: &mut TrieWalk<'_>, language: LangId, relaxed: LangId) -> Option<Self> {
        let mut difference = Difference::default();
        if let Some((machine, state)) = walk.languages.text_search(language) {
            difference.walk_searched(walk, (machine.text_search()?, state), (language, relaxed))?;
        } else if let Some(excluded) = walk.languages.excluded(language) {
            difference.walk_literals(walk, &excluded, (language, relaxed))?;
        } else {
            difference.walk_pairs(walk, vec![(0, language, relaxed)])?;
        }
        Some(difference)
    }

    /// The summary of `language` from that of its relaxation, and the number of nodes visited.
    pub fn summary(
        mut self,
        walk: &mut TrieWalk<'_>,
        language: LangId,
        base: Arc<Summary>,
    ) -> (Summary, usize) {
        let (vocabulary, indexed, trie) = (walk.vocabulary, walk.trie, walk.tokens());
        // A JSON string ends only at its closing quote. Another terminal may also end above a node
        // at which the two diverge, and tokens below this node leave there, too.
        if !matches!(walk.languages.expr(language), Expr::Json { .. }) {
            for at in 0..self.diverging.len() {
                self.record_above(walk, self.diverging[at], language);
            }
        }
        let Difference { diverging, mut own } = self;
        let visited = own.visited;
        let exits = own.exits(trie);
        own.inside.sort_unstable();
        let below = || diverging.iter().flat_map(|&node| trie.subtree_tokens(node).iter().copied());
        let few = |ids: &mut dyn Iterator<Item = TokenId>| -> Option<Vec<TokenId>> {
            let some: Vec<TokenId> = ids.take(MAX_DIFFERENCE + 1).collect();
            (some.len() <= MAX_DIFFERENCE).then_some(some)
        };
        let exits_base = |id: TokenId| base.has_exit(id, vocabulary, indexed);
        let is_own = |id: &TokenId| own.inside.binary_search(id).is_ok();
        let gained =
            few(&mut own.inside.iter().copied().filter(|&id| !base.has_inside(id) || exits_base(id)));
        let lost = few(&mut below().filter(|id| base.has_inside(*id) && !is_own(id)));
        let mut except: Vec<TokenId> = below().filter(|&id| exits_base(id)).collect();
        let (inside, is_small) = match (gained, lost) {
            (Some(gained), Some(lost)) => {
                except.extend(lost);
                (Inside::Sparse(gained.into()), true)
            }
            _ => {
                let mut inside = base.inside_set(vocabulary.size());
                diverging.iter().for_each(|&node| inside.remove_all(trie.subtree_tokens(node)));
                inside.insert_all(&own.inside);
                (Inside::Dense(Arc::new(inside)), false)
            }
        };
        except.sort_unstable();
        except.dedup();
        let except = except.into();
        let part = if is_small { BasePart::AllExcept(except) } else { BasePart::ExitsExcept(except) };
        (Summary::new(Some(Base { summary: base, part }), inside, exits), visited)
    }

    /// Records the ends on the way to `node`.
    fn record_above(&mut self, walk: &mut TrieWalk<'_>, node: u32, language: LangId) {
        let trie = walk.tokens();
        let mut state = language;
        for at in path_to(trie, node) {
            if at == node {
                return;
            }
            state = walk.languages.step(state, trie.byte(at));
            self.own.record_end(walk.languages, trie, at, state);
        }
    }

    /// Walks the trie beside the texts that free text looks for. `search.1` is its state, which is
    /// the language `start.0`; `start.1` looks for none. `None` if the texts begin at too many
    /// nodes.
    fn walk_searched(
        &mut self,
        walk: &mut TrieWalk<'_>,
        search: (&dyn TextSearch, u64),
        start: (LangId, LangId),
    ) -> Option<()> {
        let (trie, (search, state)) = (walk.tokens(), search);
        let mut found: Vec<u32> = Vec::new();
        let mut stack: Vec<(u32, u32)> = search.begun(state).into_iter().map(|begun| (0, begun)).collect();
        let mut enter = |node: u32, text: u32, stack: &mut Vec<(u32, u32)>| match search.is_found(text) {
            true => found.push(node),
            false => stack.push((node, text)),
        };
        let mut first = [None; 256];
        search.children(0).iter().for_each(|&(byte, text)| first[usize::from(byte)] = Some(text));
        for node in 1..trie.node_count() as u32 {
            if let Some(text) = first[usize::from(trie.byte(node))] {
                enter(node, text, &mut stack);
            }
        }
        self.own.visited += trie.node_count();
        let mut left = trie.node_count() / NODES_PER_VISIT;
        while let Some((node, text)) = stack.pop() {
            left = left.checked_sub(1)?;
            for &(byte, text) in search.children(text) {
                if let Some(child) = trie.child(node, byte) {
                    enter(child, text, &mut stack);
                }
            }
        }
        found.sort_unstable();
        // Below a node at which a text is found, there is nothing more to find.
        let mut end = 0;
        for node in found {
            if node < end {
                continue;
            }
            end = trie.end(node);
            left = left.checked_sub(1)?;
            let (mut next, mut relaxed) = start;
            for at in path_to(trie, node) {
                next = walk.languages.step(next, trie.byte(at));
                relaxed = walk.languages.step(relaxed, trie.byte(at));
            }
            if relaxed == LangId::NEVER {
                continue;
            }
            self.diverging.push(node);
            if next != LangId::NEVER {
                self.own.record(walk.languages, trie, node, next);
                walk.walk(node, next, &mut self.own);
            }
        }
        Some(())
    }

    /// Walks the trie beside the excluded literals. `start.0` is "any string but these", and
    /// `start.1` is "any string".
    fn walk_literals(
        &mut self,
        walk: &mut TrieWalk<'_>,
        excluded: &Excluded,
        start: (LangId, LangId),
    ) -> Option<()> {
        let Excluded { literals, lo, hi, depth, in_string } = excluded;
        let (trie, subtrees) = (walk.tokens(), walk.trie.subtrees(walk.vocabulary));
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
            self.own.visited += 1;
            if literals.accepts(lo, depth) {
                self.diverging.extend(trie.child(node, b'"'));
            }
            let bytes = literals.next_bytes(lo, hi, depth);
            let mut go_on = |child: Option<u32>, byte: u8| {
                let Some(child) = child.filter(|&child| trie.end(child) > child + 1) else { return };
                if let Some((lo, hi)) = literals.step(lo, hi, depth, byte) {
                    stack.push((child, (lo, hi, depth + 1)));
                }
            };
            if let Some(escape) = trie.child(node, b'\\') {
                for (letter, byte) in SHORT_ESCAPES {
                    if bytes.contains(byte) {
                        go_on(trie.child(escape, letter), byte);
                    }
                }
                // Few tokens go on with four digits and a quote, so their nodes are walked as
                // pairs.
                let unicode = trie.child(escape, b'u').filter(|&node| subtrees[node as usize].height >= 5);
                if let Some(unicode) = unicode {
                    path.extend(b"\\u");
                    let state = walk.languages.step_bytes(start.0, &path);
                    let relaxed = walk.languages.step_bytes(start.1, &path);
                    path.truncate(path.len() - 2);
                    if relaxed != LangId::NEVER {
                        pairs.push((unicode, state, relaxed));
                    }
                }
            }
            for child in trie.matching_children(node, &bytes.0) {
                // These bytes are spelt by escapes only.
                if !matches!(trie.byte(child), b'"' | b'\\' | ..0x20) {
                    go_on(Some(child), trie.byte(child));
                }
            }
        }
        self.walk_pairs(walk, pairs)
    }

    /// Walks the trie beside pairs of states; `None` if they differ too much.
    fn walk_pairs(&mut self, walk: &mut TrieWalk<'_>, pairs: Vec<(u32, LangId, LangId)>) -> Option<()> {
        let trie = walk.tokens();
        let subtrees = walk.trie.subtrees(walk.vocabulary);
        let mut stack = pairs;
        let equal_len = match stack[..] {
            [(_, language, relaxed)] => equal_length(walk, language, relaxed),
            _ => 0,
        };
        let mut left = MAX_VISITED;
        while let Some((node, state, relaxed)) = stack.pop() {
            let bytes = walk.languages.differing_bytes(state, relaxed);
            for child in trie.matching_children(node, &bytes.0) {
                let height = subtrees[child as usize].height;
                if trie.depth(child) + height <= equal_len {
                    continue;
                }
                let byte = trie.byte(child);
                let next_relaxed = walk.languages.step(relaxed, byte);
                if next_relaxed == LangId::NEVER {
                    continue;
                }
                self.own.visited += 1;
                left = left.checked_sub(1)?;
                let next = walk.languages.step(state, byte);
                if next == next_relaxed {
                    continue;
                }
                if next == LangId::NEVER {
                    self.diverging.push(child);
                    continue;
                }
                let height = coarse_height(height.into());
                let clamped = walk.languages.clamped(next, height);
                if clamped == walk.languages.clamped(next_relaxed, height) {
                    continue;
                }
                let languages = &walk.languages;
                let same_end = languages.is_nullable(next) == languages.is_nullable(next_relaxed)
                    && languages.label(next) == languages.label(next_relaxed);
                if same_end {
                    stack.push((child, next, next_relaxed));
                } else {
                    self.diverging.push(child);
                    self.own.record(walk.languages, trie, child, next);
                    walk.walk(child, next, &mut self.own);
                }
            }
        }
        Some(())
    }
}

/// The nodes on the way from the root to `node`, without the root.
fn path_to(trie: &TokenTrie, node: u32) -> impl Iterator<Item = u32> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let next = trie.children(at).find(|&child| child <= node && trie.end(child) > node)?;
        at = next;
        Some(next)
    })
}

/// A length in bytes: no token of at most this length tells the two languages apart. Often only few
/// tokens are longer.
fn equal_length(walk: &mut TrieWalk<'_>, language: LangId, relaxed: LangId) -> u16 {
    // If only a maximum length is left out, the languages agree on all tokens within that length.
    let most = walk.languages.largest_count(language).min(u16::MAX.into()) as u16;
    let most = most.saturating_sub(1).max(MAX_SLICED_LEN);
    let mut is_equal = |bytes: u16| {
        let clamped = walk.languages.clamped(language, bytes.into());
        clamped == walk.languages.clamped(relaxed, bytes.into())
    };
    let lengths = if is_equal(MAX_SLICED_LEN) {
        [most, 2 * MAX_SLICED_LEN, MAX_SLICED_LEN]
    } else {
        [MAX_SLICED_LEN / 2, MAX_SLICED_LEN / 4, 0]
    };
    lengths.into_iter().find(|&bytes| is_equal(bytes)).unwrap_or(0)
}
