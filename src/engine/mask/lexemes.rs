//! Masks of lexed grammars: the summary of a lexeme over a set of suffixes.
//!
//! A thread of a lexed grammar reads a lexeme. The lexeme's language already leaves out the texts
//! that other lexemes win, so the thread need not look at other threads. As with the terminals of
//! other grammars, most of what it allows depends on this language alone:
//!
//! - *inside*: the tokens read wholly within the lexeme;
//! - *exits*: for each obligation under which the lexeme may end, the suffixes behind the ends.
//!
//! For example, a name reads `foo` inside. The token `foo(` leaves it behind `foo`, under the
//! obligation "no letter comes next", with the suffix `(`.
//!
//! The lexemes behind an exit read suffixes of tokens and not whole tokens. So a [`LexemeSummary`]
//! is kept for each pair of a language and a [set of suffixes](SuffixesId). The mask of a state
//! begins with the set of all tokens. Every thread reads this set, the lexemes behind its exits
//! read the suffixes of the exits, and so on until no suffix is left that a lexeme can read. A new
//! stack of the parser uses known summaries: the lexemes that can follow a name are the same in
//! most places of a grammar.
//!
//! # By the tops of stacks
//!
//! The tokens read from threads, and from a [`Position`] behind them, are kept by the [tops of the
//! stacks](cut). For example, after a name in brackets the tokens with one `)` are the same
//! whatever is outside the brackets. Only `))` reads what is outside. So a result holds the tokens
//! that its tops decide, and names the positions that are *left*, such as the one behind the first
//! `)`. These are read from the whole stack, again by the tops that decide them.
//!
//! # Why it is exact
//!
//! - *Inside.* A thread is kept only if it leads to an end of the text ([`lexed`]). A summary is
//!   used only for a lexeme all of whose ends are *good*: the parser surely goes on from there to
//!   the end of the text, mostly because ignored text discharges the obligation. Then whatever is
//!   alive within the lexeme leads to an end. For other lexemes the trie is walked beside the
//!   states that the thread leads to.
//! - *Exits.* A suffix is kept if its first byte can begin a text that meets the obligation. No
//!   lexeme that begins under the obligation could read another suffix.
//! - *Tops.* A result that came to a cut is dropped. A position that came to a cut is left, and
//!   then read on its own. [`cut`] argues for the others.
//! - *Skipped subtrees.* Where the language reads all characters of a subtree in any order, all its
//!   tokens are inside. Exits on the way would lead to tokens of this subtree again.
//!
//! # The price
//!
//! A summary costs a walk over its suffixes, once for a graph. New tops cost a lookup for each
//! lexeme that may follow an exit. A new stack with known tops costs a few lookups.
//!
//! [`cut`]: crate::engine::recogniser::cut
//! [`lexed`]: crate::engine::recogniser::lexed

use super::build::MaskBuilder;
use super::data::PartialMask;
use super::dense_rows::RowId;
use super::lexeme_summary::{LexemeSummary, Position, PositionTokens, ReadTokens, SuffixesId};
use super::subtree_walk::{NODES_PER_CHECK, Subtree, WORTH_SKIPPING};
use super::summary::Inside;
use super::vocabulary_index::MAX_SLICED_LEN;
use crate::automata::{LangId, interrupt};
use crate::engine::ablation::{Optimisation, enabled};
use crate::engine::error::EngineError;
use crate::engine::recogniser::continuation::{ContId, Continuations};
use crate::engine::recogniser::cut::{ByTop, CutStacks, DEPTHS};
use crate::engine::recogniser::state::{Awaits, StateId, Thread};
use crate::grammar::MARK;
use crate::grammar::lexed::Beginnings;
use crate::vocab::{TokenId, TokenSet};
use hashbrown::HashSet;
use std::sync::Arc;

/// Positions, each behind the one before it, whose tokens are kept. Tokens of more lexemes are
/// rare.
const MAX_NESTED: u32 = 16;

/// The smallest number of bytes that may come next for which it pays to look for a slice. A keyword
/// has few of them.
const WORTH_SLICING: usize = 10;

/// A lexeme being read: the rest of its language, its number, the stack below it, and the suffixes
/// of tokens that it has still to read.
type Reading = (LangId, u32, ContId, SuffixesId);

/// The result of a walk over a set of suffixes.
#[derive(Default)]
struct LexemeWalk {
    inside: Vec<TokenId>,
    /// The nodes at which the lexeme ends and the tokens below go on.
    ends: Vec<(LangId, u32)>,
    visited: usize,
}

impl PositionTokens {
    fn add_to(&self, parts: &mut PartialMask) {
        parts.extra.extend_from_slice(&self.tokens);
        self.sets.iter().for_each(|set| parts.add_set(set.clone()));
    }
}

/// Adds the tokens found on cut stacks, and to `left` the positions that are left, on the stacks
/// that were cut.
fn add_read(
    found: &ReadTokens,
    below: &mut CutStacks,
    conts: &mut Continuations,
    parts: &mut PartialMask,
    left: &mut Vec<Position>,
) {
    parts.add(&found.tokens);
    let planted =
        |&(stack, obligation, suffixes): &Position| (below.plant(conts, stack), obligation, suffixes);
    left.extend(found.left.iter().map(planted));
}

impl MaskBuilder<'_> {
    /// Adds the tokens with text that a state of a lexed grammar allows.
    pub(super) fn add_lexemes(&mut self, state: StateId, parts: &mut PartialMask) -> Result<(), EngineError> {
        if self.memo.lexemes.suffixes.is_empty() {
            let trie = self.vocabulary.trie();
            self.memo.lexemes.number(trie, trie.children(0).collect());
        }
        self.memo.lexemes.forget_positions();
        let threads = self.recogniser.threads(state).to_vec();
        let mut left: Vec<Position> = Vec::new();
        self.add_threads_by_top(&threads, parts, &mut left)?;
        let mut seen: HashSet<Position> = HashSet::new();
        while let Some(position) = left.pop() {
            if seen.insert(position) {
                self.add_position_by_top(position, 0, parts, &mut left)?;
            }
        }
        Ok(())
    }

    /// Adds the tokens that threads read, by the tops of their stacks, and to `left` the positions
    /// behind them from which more tokens may be read.
    fn add_threads_by_top(
        &mut self,
        threads: &[Thread],
        parts: &mut PartialMask,
        left: &mut Vec<Position>,
    ) -> Result<(), EngineError> {
        let mut top: Vec<Thread> = Vec::with_capacity(threads.len());
        'depths: for (at, depth) in DEPTHS.into_iter().enumerate() {
            if !self.memo.lexemes.thread_successes.is_worth_trying(at) {
                continue;
            }
            let mut below = CutStacks::default();
            top.clear();
            for &thread in threads {
                let conts = &mut self.recogniser.machine.conts;
                let Some(cut) = below.cut(conts, thread.cont, depth) else { break 'depths };
                top.push(thread.with_cont(cut));
            }
            let lexemes = &mut self.memo.lexemes;
            let number = lexemes.threads.intern(&top) as usize;
            if number == lexemes.by_threads.len() {
                lexemes.by_threads.push(ByTop::Unknown);
            }
            if let ByTop::Unknown = lexemes.by_threads[number] {
                let (mut read, mut behind) = (PartialMask::default(), Vec::new());
                let found = self.read_threads(&top, &mut read, &mut behind);
                let found = match self.recogniser.machine.unless_cut(found)? {
                    None => ByTop::Deeper,
                    Some(()) => ByTop::Found(self.read_all(behind, 0, read)?),
                };
                self.recogniser.machine.check_sound()?;
                let lexemes = &mut self.memo.lexemes;
                lexemes.thread_successes.count(at, matches!(found, ByTop::Found(_)));
                lexemes.by_threads[number] = found;
            }
            if let ByTop::Found(found) = &self.memo.lexemes.by_threads[number] {
                add_read(&found.clone(), &mut below, &mut self.recogniser.machine.conts, parts, left);
                return Ok(());
            }
        }
        self.read_threads(threads, parts, left)
    }

    fn read_threads(
        &mut self,
        threads: &[Thread],
        parts: &mut PartialMask,
        behind: &mut Vec<Position>,
    ) -> Result<(), EngineError> {
        for thread in threads {
            if let Awaits::Language(language) = thread.awaits() {
                let reading = (language, thread.capture.0, thread.cont, SuffixesId::WHOLE);
                self.read_lexeme(reading, parts, behind)?;
            }
        }
        Ok(())
    }

    /// Adds the tokens that are read from a position, by the top of its stack, and to `left` the
    /// positions behind it from which more tokens may be read. False if they depend on the stack
    /// below a cut.
    fn add_position_by_top(
        &mut self,
        position: Position,
        nested: u32,
        parts: &mut PartialMask,
        left: &mut Vec<Position>,
    ) -> Result<bool, EngineError> {
        let (stack, obligation, suffixes) = position;
        for (at, depth) in DEPTHS.into_iter().enumerate() {
            if !self.memo.lexemes.position_successes.is_worth_trying(at) {
                continue;
            }
            let mut below = CutStacks::default();
            let conts = &mut self.recogniser.machine.conts;
            let Some(cut) = below.cut(conts, stack, depth) else { break };
            let top = (cut, obligation, suffixes);
            let mut known = self.memo.lexemes.by_position.get(&top).cloned().unwrap_or_default();
            if let ByTop::Unknown = known {
                known = match self.read_position(top)? {
                    None => ByTop::Deeper,
                    Some(found) if nested < MAX_NESTED => {
                        let mut parts = PartialMask::default();
                        found.add_to(&mut parts);
                        ByTop::Found(self.read_all(found.behind.to_vec(), nested + 1, parts)?)
                    }
                    Some(found) => {
                        found.add_to(parts);
                        left.extend(found.behind.iter().map(|&(stack, obligation, suffixes)| {
                            (below.plant(&mut self.recogniser.machine.conts, stack), obligation, suffixes)
                        }));
                        return Ok(true);
                    }
                };
                self.recogniser.machine.check_sound()?;
                let lexemes = &mut self.memo.lexemes;
                lexemes.position_successes.count(at, matches!(known, ByTop::Found(_)));
                lexemes.position_bytes += 48;
                lexemes.by_position.insert(top, known.clone());
            }
            if let ByTop::Found(found) = known {
                add_read(&found, &mut below, &mut self.recogniser.machine.conts, parts, left);
                return Ok(true);
            }
        }
        let found = self.read_position(position)?;
        if let Some(found) = &found {
            found.add_to(parts);
            left.extend_from_slice(&found.behind);
        }
        Ok(found.is_some())
    }

    /// The tokens of `parts` and those that are read from positions on cut stacks, without those
    /// that depend on what is below the cuts. `nested` is the number of such calls around this one.
    fn read_all(
        &mut self,
        mut positions: Vec<Position>,
        nested: u32,
        mut parts: PartialMask,
    ) -> Result<Arc<ReadTokens>, EngineError> {
        let mut seen: HashSet<Position> = HashSet::new();
        let mut left: Vec<Position> = Vec::new();
        while let Some(position) = positions.pop() {
            if seen.insert(position)
                && !self.add_position_by_top(position, nested, &mut parts, &mut positions)?
            {
                left.push(position);
            }
        }
        let size = self.vocabulary.size();
        let (tokens, is_new_set) = parts.into_mask(size, &mut self.memo.unions);
        let set = if is_new_set { size / 8 } else { 0 };
        self.memo.lexemes.position_bytes += 128 + tokens.memory() + set + left.len() * 12;
        Ok(Arc::new(ReadTokens { tokens, left: left.into() }))
    }

    /// Adds the tokens that one lexeme reads inside, and to `behind` the positions behind its
    /// exits.
    fn read_lexeme(
        &mut self,
        (language, lexeme, stack, suffixes): Reading,
        parts: &mut PartialMask,
        behind: &mut Vec<Position>,
    ) -> Result<(), EngineError> {
        let (lexed, machine) = (&mut self.recogniser.lexed, &mut self.recogniser.machine);
        machine.meter(1)?;
        if !lexed.has_good_ends_only(machine, (language, lexeme, stack))? {
            return self.walk_lexeme_states((language, lexeme, stack, suffixes), parts);
        }
        let after = lexed.shift(machine, stack, lexeme)?;
        let summary = self.lexeme_summary(language, suffixes)?;
        if let Some(slice) = &summary.slice {
            parts.add_set(slice.clone());
        }
        match &summary.inside {
            Inside::Sparse(ids) => parts.extra.extend_from_slice(ids),
            Inside::Dense(set) => parts.add_set(set.clone()),
        }
        if let Some(after) = after {
            behind.extend(summary.exits.iter().map(|&(obligation, left)| (after, obligation, left)));
        }
        Ok(())
    }

    /// The reading of tokens from a position between two lexemes by the lexemes that begin there.
    /// `None` if it depends on the stack below a cut. The suffixes get shorter from position to
    /// position, so no position leads back to itself.
    fn read_position(&mut self, position: Position) -> Result<Option<Arc<PositionTokens>>, EngineError> {
        if let Some(known) = self.memo.lexemes.positions.get(&position) {
            return Ok(known.clone());
        }
        let (mut parts, mut behind) = (PartialMask::default(), Vec::new());
        let found = self.read_beginnings(position, &mut parts, &mut behind);
        let found = self.recogniser.machine.unless_cut(found)?.map(|()| {
            behind.sort_unstable();
            behind.dedup();
            let mut tokens = parts.extra;
            tokens.sort_unstable();
            tokens.dedup();
            let sets: Vec<Arc<TokenSet>> = parts.large.into_iter().map(|part| part.0).collect();
            self.memo.lexemes.position_bytes += 64 + tokens.len() * 4 + sets.len() * 8 + behind.len() * 12;
            Arc::new(PositionTokens { tokens: tokens.into(), sets: sets.into(), behind: behind.into() })
        });
        self.recogniser.machine.check_sound()?;
        self.memo.lexemes.position_bytes += 48;
        self.memo.lexemes.positions.insert(position, found.clone());
        Ok(found)
    }

    fn read_beginnings(
        &mut self,
        (stack, obligation, suffixes): Position,
        parts: &mut PartialMask,
        behind: &mut Vec<Position>,
    ) -> Result<(), EngineError> {
        for (stack, state) in self.recogniser.lexed.links(&mut self.recogniser.machine, stack)? {
            for &(lexeme, language) in self.readers(state, obligation, suffixes)?.iter() {
                let (lexed, machine) = (&mut self.recogniser.lexed, &mut self.recogniser.machine);
                if lexed.is_live_lexeme(machine, (language, lexeme, stack))? {
                    self.read_lexeme((language, lexeme, stack, suffixes), parts, behind)?;
                }
            }
        }
        Ok(())
    }

    /// The lexemes that the lexer looks for in `state` under an obligation and that read some byte
    /// of the suffixes. Some of them may not be live.
    fn readers(
        &mut self,
        state: u32,
        obligation: LangId,
        suffixes: SuffixesId,
    ) -> Result<Beginnings, EngineError> {
        if let Some(known) = self.memo.lexemes.readers.get(&(state, obligation, suffixes)) {
            return Ok(known.clone());
        }
        let (lexed, machine) = (&mut self.recogniser.lexed, &mut self.recogniser.machine);
        let expected = lexed.beginnings(machine, LangId::ALL, state)?;
        let mut readers: Vec<(u32, LangId)> = Vec::new();
        for &(lexeme, language) in expected.iter() {
            let languages = &mut self.recogniser.machine.pool.languages;
            let bytes = &self.memo.lexemes.suffixes[suffixes.0 as usize].1;
            if !languages.first_bytes(language).intersects(bytes) {
                continue;
            }
            let language = languages.inter(&[obligation, language]);
            if !languages.is_never(language) && !self.lexeme_summary(language, suffixes)?.is_empty() {
                readers.push((lexeme, language));
            }
        }
        self.recogniser.machine.check_sound()?;
        let readers: Beginnings = readers.into();
        self.memo.lexemes.bytes += 64 + readers.len() * 8;
        self.memo.lexemes.readers.insert((state, obligation, suffixes), readers.clone());
        Ok(readers)
    }

    /// The summary of a lexeme's language over a set of suffixes.
    fn lexeme_summary(
        &mut self,
        language: LangId,
        suffixes: SuffixesId,
    ) -> Result<Arc<LexemeSummary>, EngineError> {
        if let Some(known) = self.memo.lexemes.summaries.get(&(language, suffixes)) {
            return Ok(known.clone());
        }
        interrupt::check()?;
        let mut walk = LexemeWalk::default();
        let groups = if suffixes == SuffixesId::WHOLE { self.read_groups(language) } else { 0 };
        self.memo.rows.begin_walk(0);
        let start = self.memo.rows.row(&self.recogniser.machine.pool.languages, language);
        let (trie, roots) =
            (self.vocabulary.trie(), self.memo.lexemes.suffixes[suffixes.0 as usize].0.clone());
        let first = self.recogniser.machine.pool.languages.first_bytes(language);
        let mut rest = &roots[..];
        while let Some(byte) = rest.first().map(|&root| trie.byte(root)) {
            let (same, others) = rest.split_at(rest.partition_point(|&root| trie.byte(root) <= byte));
            if first.contains(byte) {
                same.iter().for_each(|&root| self.walk_lexeme(root, (start, groups), &mut walk));
            }
            rest = others;
        }
        let exits = self.exits(walk.ends);
        let slice = (groups != 0).then(|| self.shared.index.plain.slice(self.vocabulary, groups));
        let inside = Inside::of(walk.inside, self.vocabulary.size());
        self.memo.lexemes.bytes += 128
            + exits.len() * 8
            + match &inside {
                Inside::Sparse(ids) => ids.len() * 4,
                Inside::Dense(set) => set.words().len() * 4,
            };
        self.recogniser.machine.check_sound()?;
        let summary = Arc::new(LexemeSummary { slice, inside, exits });
        self.memo.lexemes.summaries.insert((language, suffixes), summary.clone());
        Ok(summary)
    }

    /// The groups of characters that a language reads in any order.
    fn read_groups(&mut self, language: LangId) -> u64 {
        if !enabled(Optimisation::Slices) {
            return 0;
        }
        let languages = &mut self.recogniser.machine.pool.languages;
        if languages.first_bytes(language).len() < WORTH_SLICING {
            return 0;
        }
        let clamped = languages.clamped(language, MAX_SLICED_LEN.into());
        languages.read_groups(clamped)
    }

    /// Walks the subtree of `root` in preorder, except for tokens of the slice of these groups.
    /// Above `root`, the lexeme is in the state `start`.
    fn walk_lexeme(&mut self, root: u32, (start, groups): (RowId, u64), walk: &mut LexemeWalk) {
        let vocabulary = self.vocabulary;
        let indexed = &self.shared.index.plain;
        let (trie, subtrees) = (vocabulary.trie(), indexed.subtrees(vocabulary));
        let subtree = Subtree::at(trie, subtrees, root).without_slice(groups, None);
        // The walk ends early where the caller's interrupt does.
        let _: Result<(), ()> = subtree.walk(start, |visit| {
            walk.visited += 1;
            if walk.visited.is_multiple_of(NODES_PER_CHECK) && interrupt::check().is_err() {
                return Err(());
            }
            let byte = trie.byte(visit.node);
            let languages = &mut self.recogniser.machine.pool.languages;
            let row = match byte {
                MARK => RowId::DEAD,
                _ => self.memo.rows.step(languages, *visit.from, byte),
            };
            if row == RowId::DEAD {
                return Ok(None);
            }
            let language = self.memo.rows.language(row);
            if !visit.is_sliced {
                if visit.after - visit.node >= WORTH_SKIPPING && visit.info.is_boundary() {
                    let read = self.read_groups(language);
                    if read != 0 && visit.info.all_in(read) {
                        walk.inside.extend_from_slice(trie.subtree_tokens(visit.node));
                        return Ok(None);
                    }
                }
                walk.inside.extend_from_slice(trie.tokens(visit.node));
            }
            if visit.after > visit.node + 1 {
                let obligation = self.recogniser.lexed.end(&mut self.recogniser.machine, language);
                if obligation != LangId::NEVER {
                    walk.ends.push((obligation, visit.node));
                }
            }
            Ok(Some(row))
        });
    }

    /// The suffixes behind ends, by obligation.
    fn exits(&mut self, mut ends: Vec<(LangId, u32)>) -> Box<[(LangId, SuffixesId)]> {
        let trie = self.vocabulary.trie();
        ends.sort_unstable();
        let mut exits = Vec::new();
        for group in ends.chunk_by(|a, b| a.0 == b.0) {
            let obligation = group[0].0;
            let mut bytes = self.recogniser.machine.pool.languages.first_bytes(obligation);
            bytes.remove(MARK);
            let mut roots: Vec<u32> = Vec::new();
            for &(_, node) in group {
                roots.extend(trie.children(node).filter(|&child| bytes.contains(trie.byte(child))));
            }
            if !roots.is_empty() {
                exits.push((obligation, self.memo.lexemes.number(trie, roots)));
            }
        }
        exits.into()
    }

    /// Adds the suffixes that a lexeme reads, and what follows it, by a walk beside states. For
    /// lexemes that have ends at which the parser may be stuck.
    fn walk_lexeme_states(
        &mut self,
        (language, lexeme, stack, suffixes): Reading,
        parts: &mut PartialMask,
    ) -> Result<(), EngineError> {
        let state = self.recogniser.lexeme_state(language, lexeme, stack)?;
        if suffixes == SuffixesId::WHOLE {
            return self.walk_states(state, parts);
        }
        let trie = self.vocabulary.trie();
        for &root in self.memo.lexemes.suffixes[suffixes.0 as usize].0.clone().iter() {
            let top = usize::from(trie.depth(root)) - 1;
            let mut path = vec![state];
            let (mut node, end) = (root, trie.end(root));
            while node < end {
                path.truncate(usize::from(trie.depth(node)) - top);
                let next = self.states.step(self.recogniser, path[path.len() - 1], trie.byte(node))?;
                if next == StateId::DEAD {
                    node = trie.end(node);
                    continue;
                }
                parts.extra.extend_from_slice(trie.tokens(node));
                path.push(next);
                node += 1;
            }
        }
        Ok(())
    }
}
