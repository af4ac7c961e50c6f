//! What one state of a terminal's automaton says about the whole vocabulary, computed once.
//!
//! For a state `q`: *inside*, the tokens read wholly within the terminal with `q` still alive, and *exits*, the
//! suffixes `v` of tokens `u·v` (both not empty) such that `u` completes the terminal. Exact, and independent of the
//! grammar around the terminal: summaries are shared between all grammars over one vocabulary by the language's
//! fingerprint.
//!
//! # Three ways to find one
//!
//! - *Walk* the trie beside the automaton. Cheap for narrow states, milliseconds for permissive ones.
//! - *Slices*: a permissive state of a JSON string (`[a-z]+`, an unanchored pattern) reads the characters of some groups
//!   whatever their order. The tokens of nothing else are a set made once per vocabulary, and only the rest is walked,
//!   over rows copied out of the automaton ([`DenseRows`]). Where the string may end, the tokens that leave by the closing quote
//!   leave it at the same place as for any string, so their suffixes need not be merged again.
//! - *Delta*: many permissive states are a plainer state but for some paths. "Any key except `a`, `b`" is "any string"
//!   off the paths of `a` and `b`; "at most 40 characters" is "any string" for every token shorter than that. The walk
//!   goes over pairs (state, plainer state) and stops wherever the two cannot be told apart by the tokens below;
//!   what is left is what to take out and a little to put in.
//!
//! # Why they are exact
//!
//! - *Inside and exits.* A thread reads a token wholly inside its terminal, or up to a byte where the terminal is
//!   complete and from there by what follows. Neither needs a look at what comes after the token: states of automata
//!   are trim and rules are productive, so whatever is alive can be completed. This assumes that what follows a
//!   terminal does not depend on the terminal's text. Keys and items that must differ break this, and `mask.rs` tries
//!   their tokens one by one.
//! - *Clamped counts.* Two languages with the same words and prefixes of at most the longest token's length have the
//!   same summary. [`Languages::clamped`] gives such a language; it argues for itself. Within a walk the same holds of
//!   what is left of the longest token below a node.
//! - *Slices.* Each token of a slice is UTF-8 text of at most [`MAX_SLICED_LEN`] bytes out of groups that the state reads in any
//!   order, so none of them is refused. Tokens that are longer or not text belong to no slice and are walked. A
//!   slice that is cut to `n` characters assumes that each of the first `n` characters is read; one cut to `n` bytes,
//!   that `n` bytes leave enough of the length to complete what they began.
//! - *Ends of any string.* A JSON string ends at its closing quote only, so that the place where a token leaves it does
//!   not depend on which strings are allowed. Which tokens leave it does, and is kept. This assumes that no label says
//!   which literal was completed.
//! - *Delta.* The plainer language has every prefix of the other, so the walk over the plainer one's nodes meets every
//!   token that either reads. A node where the two states are equal, or equal to the depth of the tokens below, needs
//!   no look below; everything below the other nodes is found anew. This assumes that the plainer language has no
//!   prefix that the pair does not account for: leaving a part of an intersection out must keep the rest inside text.

use super::ablation::{enabled, Optimisation};
use super::dense_rows::{DenseRows, Row};
use super::suffix_trie::Suffixes;
use super::vocabulary_index::{IndexedTrie, LengthUnit, SubtreeInfo, MAX_SLICED_LEN};
use crate::automata::{interrupt, Expr, LangId, Languages, LiteralSet, UNLABELLED};
use crate::vocab::{TokenId, TokenSet, TokenTrie, Vocabulary};
use std::sync::{Arc, OnceLock};

/// Up to this many tokens a set is kept as a list of ids.
const SPARSE: usize = 512;

/// Summaries that visited fewer trie nodes than this are cheaper to compute than to share.
const WORTH_SHARING: usize = 64;

/// States that begin with more bytes than this are permissive.
const PERMISSIVE: usize = 16;

/// Subtrees of fewer nodes are walked rather than asked about.
const WORTH_SKIPPING: u32 = 8;

/// Nodes visited between two looks at whether the work is over.
const CHECKED: usize = 64;

/// More ends than this are not merged but looked up in a summary with the same ones.
const MAX_MERGED: usize = 64;

/// Tokens read wholly inside a terminal.
pub(super) enum Inside {
    /// Sorted.
    Sparse(Box<[TokenId]>),
    Dense(Arc<TokenSet>),
}

/// What counts of another summary.
pub(super) enum BasePart {
    /// All but these tokens, which are allowed only if this summary itself says so; sorted.
    AllExcept(Arc<[TokenId]>),
    /// The exits, but for these tokens.
    ExitsExcept(Arc<[TokenId]>),
    /// The exits of these tokens.
    ExitsOf(TokenSet),
}

/// A summary this one is like.
pub(super) struct Base {
    pub summary: Arc<Summary>,
    pub part: BasePart,
}

/// See the module's documentation.
pub(super) struct Summary {
    /// What counts of another summary beside what follows here.
    pub base: Option<Base>,
    pub inside: Inside,
    /// By the label of the completed literal, where there are labels.
    pub exits: Box<[(Option<u32>, Suffixes)]>,
    /// Where this is the base of differences: the tokens with an exit here.
    pub exit_tokens: OnceLock<TokenSet>,
}

/// What a walk found.
#[derive(Default)]
pub(super) struct WalkResult {
    pub inside: Vec<TokenId>,
    /// Where the terminal ends with more of the token left: label and trie node.
    ends: Vec<(Option<u32>, u32)>,
    pub visited: usize,
}

impl WalkResult {
    /// Records that the walk stands on `node` with the terminal in `state`.
    pub fn record(&mut self, languages: &Languages, trie: &TokenTrie, node: u32, state: LangId) {
        self.inside.extend_from_slice(trie.tokens(node));
        self.record_end(languages, trie, node, state);
    }

    /// As [`record`](Self::record), but without what is read to `node` itself.
    pub fn record_end(&mut self, languages: &Languages, trie: &TokenTrie, node: u32, state: LangId) {
        if languages.is_nullable(state) && trie.end(node) > node + 1 {
            self.ends.push((languages.label(state), node));
        }
    }

    /// Everything that spells the rests of the strings `lo..hi` from byte `depth` on: the trie's nodes beside ranges of
    /// the set, without a language for each.
    fn literals(&mut self, trie: &TokenTrie, literals: &LiteralSet, start: (u32, u32, u32)) {
        let mut stack = vec![(0, start)];
        while let Some((node, (lo, hi, depth))) = stack.pop() {
            let bytes = literals.next_bytes(lo, hi, depth);
            for child in trie.matching_children(node, &bytes.0) {
                self.visited += 1;
                let Some((lo, hi)) = literals.step(lo, hi, depth, trie.byte(child)) else { continue };
                self.inside.extend_from_slice(trie.tokens(child));
                if trie.end(child) == child + 1 {
                    continue;
                }
                if literals.accepts(lo, depth + 1) {
                    let label = literals.get(lo).1;
                    self.ends.push(((label != UNLABELLED).then_some(label), child));
                }
                stack.push((child, (lo, hi, depth + 1)));
            }
        }
    }

    pub fn exits(&mut self, trie: &TokenTrie) -> Box<[(Option<u32>, Suffixes)]> {
        self.ends.sort_unstable();
        self.ends.dedup();
        self.ends
            .chunk_by(|a, b| a.0 == b.0)
            .map(|group| (group[0].0, Suffixes::of(trie, group.iter().map(|end| end.1))))
            .filter(|(_, suffixes)| !suffixes.is_empty())
            .collect()
    }
}

fn inside_of(mut ids: Vec<TokenId>, size: usize) -> Inside {
    if ids.len() <= SPARSE {
        ids.sort_unstable();
        Inside::Sparse(ids.into())
    } else {
        Inside::Dense(Arc::new(TokenSet::from_ids(size, ids)))
    }
}

impl Summary {
    pub fn memory(&self) -> usize {
        let inside = match &self.inside {
            Inside::Sparse(ids) => ids.len() * 4,
            Inside::Dense(set) => set.words().len() * 4,
        };
        let base = self.base.as_ref().map_or(0, |b| match &b.part {
            BasePart::AllExcept(ids) | BasePart::ExitsExcept(ids) => ids.len() * 4,
            BasePart::ExitsOf(set) => set.words().len() * 4,
        });
        128 + inside + base + self.exits.iter().map(|e| 48 + e.1.memory()).sum::<usize>()
    }

    /// Whether `token` is read inside.
    pub fn reads(&self, token: TokenId) -> bool {
        let own = match &self.inside {
            Inside::Sparse(ids) => ids.binary_search(&token).is_ok(),
            Inside::Dense(set) => set.contains(token),
        };
        own || match &self.base {
            Some(Base { summary, part: BasePart::AllExcept(but) }) => {
                but.binary_search(&token).is_err() && summary.reads(token)
            }
            _ => false,
        }
    }

    /// Whether `token` has an exit.
    pub fn has_exit(&self, token: TokenId, vocabulary: &Vocabulary, indexed: &IndexedTrie) -> bool {
        self.exit_tokens(vocabulary, indexed).contains(token)
            || match &self.base {
                Some(Base { summary, part: BasePart::AllExcept(but) | BasePart::ExitsExcept(but) }) => {
                    but.binary_search(&token).is_err() && summary.has_exit(token, vocabulary, indexed)
                }
                Some(Base { part: BasePart::ExitsOf(of), .. }) => of.contains(token),
                None => false,
            }
    }

    /// The tokens with an exit that is not the base's.
    pub fn exit_tokens(&self, vocabulary: &Vocabulary, indexed: &IndexedTrie) -> &TokenSet {
        self.exit_tokens.get_or_init(|| {
            let trie = indexed.trie(vocabulary);
            let mut set = TokenSet::new(vocabulary.size());
            for root in self.exits.iter().flat_map(|(_, suffixes)| suffixes.roots()) {
                set.insert_all(trie.subtree_tokens(*root));
            }
            indexed.grown(set.words().len() * 4);
            set
        })
    }

    /// The tokens read inside.
    pub fn inside_set(&self, size: usize) -> TokenSet {
        let mut set = match &self.base {
            Some(Base { summary, part: BasePart::AllExcept(but) }) => {
                let mut set = summary.inside_set(size);
                set.remove_all(but);
                set
            }
            _ => TokenSet::new(size),
        };
        match &self.inside {
            Inside::Sparse(ids) => set.insert_all(ids),
            Inside::Dense(dense) => set.union_with(dense),
        }
        set
    }
}

/// Tokens of nothing but some groups of characters, all of them or only those of at most a length.
#[derive(Clone, Copy)]
struct Slice {
    groups: u64,
    /// No longer token of these groups is inside where characters are meant. Where bytes are, longer ones may be.
    most: Option<(LengthUnit, u32)>,
}

impl Slice {
    const NONE: Slice = Slice { groups: 0, most: None };
}

/// Finds summaries over one trie of one vocabulary.
pub(super) struct Summariser<'a> {
    pub languages: &'a mut Languages,
    pub rows: &'a mut DenseRows,
    pub vocabulary: &'a Vocabulary,
    pub indexed: &'a IndexedTrie,
}

impl Summariser<'_> {
    /// The summary of `language`: shared if somebody found it before, else found and maybe shared.
    pub fn summary(&mut self, language: LangId) -> Arc<Summary> {
        let longest = u32::try_from(self.vocabulary.max_token_len()).unwrap_or(u32::MAX);
        let language = if enabled(Optimisation::Clamping) {
            self.languages.clamped(language, longest)
        } else {
            language
        };
        let key = self.languages.fingerprint(language);
        if let Some(known) = self.indexed.known(key).filter(|_| enabled(Optimisation::Sharing)) {
            return known;
        }
        let plainer = if enabled(Optimisation::Differences) {
            self.languages.plainer(language, MAX_SLICED_LEN.into())
        } else {
            None
        };
        let difference = plainer.and_then(|plainer| self.delta(language, plainer));
        let (summary, visited) = difference.unwrap_or_else(|| self.full(language));
        let summary = Arc::new(summary);
        // Answers of a pool that has given up are guesses.
        if visited >= WORTH_SHARING && !self.languages.exhausted() && !interrupt::is_over() {
            self.indexed.keep(key, &summary);
        }
        summary
    }

    fn full(&mut self, language: LangId) -> (Summary, usize) {
        let (trie, size) = (self.indexed.trie(self.vocabulary), self.vocabulary.size());
        let mut found = WalkResult::default();
        let slice = self.sliced(language);
        if let Expr::Literals { set, lo, hi, depth } = *self.languages.expr(language) {
            let literals = self.languages.literal_set(set);
            found.literals(trie, literals, (lo, hi, depth));
        } else if slice.groups == 0 {
            self.walk(0, language, &mut found);
        } else {
            self.dense_walk(0, language, slice, &mut found);
        }
        let visited = found.visited;
        let inside = if slice.groups == 0 {
            inside_of(std::mem::take(&mut found.inside), size)
        } else {
            let mut set = TokenSet::clone(&self.indexed.slice(self.vocabulary, slice.groups));
            if let Some((unit, most)) = slice.most {
                set.intersect_with(self.indexed.short(self.vocabulary, unit, most));
            }
            set.insert_all(&found.inside);
            Inside::Dense(Arc::new(set))
        };
        // A label says which literal was completed: what any string has at the same place has none.
        let is_alike = found.ends.len() > MAX_MERGED && found.ends.iter().all(|(label, _)| label.is_none());
        let plain = if is_alike { self.languages.any_string_like(language) } else { None };
        let (base, exits) = match plain {
            Some(plain) if plain != language => {
                let mut of = TokenSet::new(size);
                found.ends.iter().for_each(|&(_, node)| {
                    let own = trie.tokens(node).len();
                    of.insert_all(&trie.subtree_tokens(node)[own..]);
                });
                let summary = self.summary(plain);
                (Some(Base { summary, part: BasePart::ExitsOf(of) }), Box::default())
            }
            _ => (None, found.exits(trie)),
        };
        (Summary { base, inside, exits, exit_tokens: OnceLock::new() }, visited)
    }

    /// The slice that `language` reads. None of a state that few bytes follow, whose walk costs less than the question.
    fn sliced(&mut self, language: LangId) -> Slice {
        if !enabled(Optimisation::Slices)
            || matches!(self.languages.expr(language), Expr::Literals { .. })
            || self.languages.first_bytes(language).len() <= PERMISSIVE
        {
            return Slice::NONE;
        }
        let near = self.languages.clamped(language, MAX_SLICED_LEN.into());
        if let Some((groups, most)) = self.languages.counted_groups(near) {
            return Slice { groups, most: Some((LengthUnit::Characters, most)) };
        }
        if let Some((groups, most)) = self.languages.bounded_groups(near) {
            return Slice { groups, most: Some((LengthUnit::Bytes, most)) };
        }
        Slice { groups: self.languages.free_groups(near), most: None }
    }

    /// Everything below `root`, where the terminal is in `start`.
    pub fn walk(&mut self, root: u32, start: LangId, found: &mut WalkResult) {
        let (trie, below) = (self.indexed.trie(self.vocabulary), self.indexed.below(self.vocabulary));
        let mut stack: Vec<(u32, LangId)> = vec![(root, start)];
        while let Some((node, state)) = stack.pop() {
            if interrupt::check().is_err() {
                return;
            }
            let mut visit = |child: u32, languages: &mut Languages| {
                found.visited += 1;
                let next = languages.step(state, trie.byte(child));
                if next == LangId::NEVER {
                    return;
                }
                found.record(languages, trie, child, next);
                if !languages.is_spent(next) && trie.end(child) > child + 1 {
                    let height = u32::from(below[child as usize].height).next_power_of_two();
                    let clamps = enabled(Optimisation::Clamping);
                    stack.push((child, if clamps { languages.clamped(next, height) } else { next }));
                }
            };
            if trie.child_set(node).is_none() {
                trie.children(node).for_each(|child| visit(child, self.languages));
                continue;
            }
            let bytes = self.languages.first_bytes(state);
            if bytes.len() > PERMISSIVE {
                self.dense_walk(node, state, Slice::NONE, found);
            } else {
                trie.matching_children(node, &bytes.0).for_each(|child| visit(child, self.languages));
            }
        }
    }

    /// Everything below `root`, where the terminal is in `start`, but for the tokens of `slice`, which is only given for the trie's
    /// root.
    fn dense_walk(&mut self, root: u32, start: LangId, slice: Slice, found: &mut WalkResult) {
        let groups = slice.groups;
        // How long a path may be to belong to the slice for what it is made of alone.
        let sure = match slice.most {
            Some((LengthUnit::Bytes, most)) => most,
            _ => u32::MAX,
        };
        let (trie, below) = (self.indexed.trie(self.vocabulary), self.indexed.below(self.vocabulary));
        let languages = &mut *self.languages;
        self.rows.begin_walk(if sure == u32::MAX { trie.end(root) - root } else { 0 });
        let start = self.rows.row(languages, start);
        let top = usize::from(trie.depth(root));
        // The rows on the path to the current node, and whether the path is nothing but `groups`.
        let mut path: Vec<(Row, bool)> = vec![(start, groups != 0)];
        let (mut node, end) = (root + 1, trie.end(root));
        while node < end {
            let depth = usize::from(trie.depth(node)) - top;
            path.truncate(depth);
            let (from, from_free) = path[depth - 1];
            let at: SubtreeInfo = below[node as usize];
            let is_free = from_free && at.is_in(groups) && depth as u32 <= sure;
            let after = trie.end(node);
            if is_free && at.all_in(groups) && depth as u32 + u32::from(at.height) <= sure {
                node = after;
                continue;
            }
            found.visited += 1;
            if found.visited.is_multiple_of(CHECKED) && interrupt::check().is_err() {
                return;
            }
            let row = self.rows.step(languages, from, trie.byte(node));
            if row == Row::DEAD {
                node = after;
                continue;
            }
            if !is_free {
                if after - node >= WORTH_SKIPPING && at.is_boundary() && enabled(Optimisation::Slices) {
                    let free = self.rows.free(languages, row);
                    if free != 0 && at.all_in(free) {
                        found.inside.extend_from_slice(trie.subtree_tokens(node));
                        node = after;
                        continue;
                    }
                }
                found.inside.extend_from_slice(trie.tokens(node));
            }
            if self.rows.is_end(row) && after > node + 1 {
                found.ends.push((languages.label(self.rows.language(row)), node));
            }
            if self.rows.is_spent(row) {
                node = after;
                continue;
            }
            let row = match enabled(Optimisation::Clamping) {
                true => self.rows.near(languages, row, at.height),
                false => row,
            };
            path.push((row, is_free));
            node += 1;
        }
    }
}
