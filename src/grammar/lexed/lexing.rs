//! The lexemes that a lexer may find under an obligation, and the obligations that each of them
//! ends with.

use super::canonical::canonical;
use super::returns::Returns;
use super::{Lexed, MARK};
use crate::automata::{ExprPool, LangId};
use hashbrown::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

/// The error of a search that needs more states than a limit allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Exhausted {
    /// The limit.
    pub limit: u64,
}

/// Lexemes that may begin, each with the language of its possible texts.
pub type Beginnings = Arc<[(u32, LangId)]>;

/// The number of states up to which an obligation is replaced by its smallest automaton. A larger
/// one stays the expression that it is.
const OBLIGATION_STATES: usize = 600;

/// Positions between two lexemes: the parser state that the last one led to, and its obligation.
pub(super) type Positions = HashSet<(u32, LangId)>;

/// The answers found so far about one lexed grammar.
#[derive(Clone)]
pub struct Lexing {
    /// The number of states that may be searched.
    pub(super) limit: u64,
    pub(super) left: u64,
    expected: HashMap<u32, Beginnings>,
    beginnings: HashMap<(LangId, u32), Beginnings>,
    apart: HashMap<(u32, u32), bool>,
    ends: HashMap<LangId, Arc<[LangId]>>,
    /// Obligations by the expressions after marks.
    obligations: HashMap<LangId, LangId>,
    settled: HashMap<(LangId, u32), Arc<[LangId]>>,
    /// The obligations after a lexeme, by the obligation and state in which it was read.
    after: HashMap<(LangId, u32, u32), Arc<[LangId]>>,
    discharging: Option<Option<DischargingText>>,
    /// Obligations, each `true` if ignored text removes it.
    free: HashMap<LangId, bool>,
    /// States of lexemes, each `true` if it leads to an end under an obligation that ignored text
    /// removes.
    free_end: HashMap<LangId, bool>,
    /// States of lexemes with the parser state after the lexeme, each `true` if it has good ends
    /// only.
    good_ends_only: HashMap<(LangId, Option<u32>), bool>,
    safe: Positions,
    pub(super) returns: Returns,
}

/// Ignored text of one byte. After it only the obligation `then` is left, under which the parser is
/// never stuck. Without ignored text, `language` is empty.
#[derive(Clone, Copy)]
struct DischargingText {
    /// The language of an ignored lexeme in a state in which all lexemes are expected.
    language: LangId,
    /// The obligation after it.
    then: LangId,
}

/// Remembers an answer, if it can be relied on.
fn keep<K: Eq + Hash, V>(pool: &ExprPool, answers: &mut HashMap<K, V>, key: K, answer: V) {
    if pool.is_sound() {
        answers.insert(key, answer);
    }
}

/// The words of `own` that are in none of `others`.
fn without(pool: &mut ExprPool, own: LangId, others: &[LangId]) -> LangId {
    if others.is_empty() {
        return own;
    }
    let union = pool.union(others);
    let rest = pool.not(union);
    pool.inter(&[own, rest])
}

/// The texts that begin with a keyword and a mark, and those of them that go on with `rest`.
fn keyword_texts(pool: &mut ExprPool, keyword: &str, rest: LangId) -> (LangId, LangId) {
    let (text, mark) = (pool.bytes(keyword.as_bytes()), pool.bytes(&[MARK]));
    (pool.sequence(&[text, mark, LangId::ALL]), pool.sequence(&[text, mark, rest]))
}

impl Lexing {
    /// A `Lexing` without answers, for searches of up to `limit` states.
    pub fn new(limit: u64) -> Self {
        Lexing {
            limit,
            left: limit,
            expected: HashMap::new(),
            beginnings: HashMap::new(),
            apart: HashMap::new(),
            ends: HashMap::new(),
            obligations: HashMap::new(),
            settled: HashMap::new(),
            after: HashMap::new(),
            discharging: None,
            free: HashMap::new(),
            free_end: HashMap::new(),
            good_ends_only: HashMap::new(),
            safe: Positions::new(),
            returns: Default::default(),
        }
    }

    /// The same answers, for searches of up to `limit` states more.
    pub fn with_limit(self, limit: u64) -> Self {
        Lexing { limit, left: limit, ..self }
    }

    /// Begins another piece of work, with the whole limit.
    pub fn refill(&mut self) {
        self.left = self.limit;
    }

    /// The number of bytes that it holds, roughly.
    pub fn memory(&self) -> usize {
        (self.expected.len()
            + self.beginnings.len()
            + self.ends.len()
            + self.settled.len()
            + self.after.len())
            * 96
            + (self.free.len()
                + self.free_end.len()
                + self.good_ends_only.len()
                + self.safe.len()
                + self.apart.len())
                * 16
            + self.returns.memory()
    }

    pub(super) fn spend(&mut self, amount: u64) -> Result<(), Exhausted> {
        match self.left.checked_sub(amount) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Exhausted { limit: self.limit }),
        }
    }

    /// The lexemes that are looked for in a state, each without the texts that other lexemes win.
    pub fn expected(&mut self, lexed: &Lexed, pool: &mut ExprPool, state: u32) -> Beginnings {
        if let Some(known) = self.expected.get(&state) {
            return known.clone();
        }
        let wanted = |l: &u32| lexed.lexemes[*l as usize].ignored;
        let mut lexemes: Vec<u32> = (0..lexed.lexemes.len() as u32).filter(wanted).collect();
        lexemes.extend_from_slice(&lexed.parser.state(state).expected);
        lexemes.sort_unstable();
        lexemes.dedup();
        let found = self.among(lexed, pool, &lexemes);
        keep(pool, &mut self.expected, state, found.clone());
        found
    }

    /// The `lexemes`, in their order, each without the texts that others of them win.
    fn among(&mut self, lexed: &Lexed, pool: &mut ExprPool, lexemes: &[u32]) -> Beginnings {
        let is_here = |l: u32| lexemes.binary_search(&l).is_ok();
        let keywords = |l: u32| lexed.lexeme(l).keywords.iter().filter(|k| is_here(k.lexeme.0));
        let hidden: HashSet<u32> =
            lexemes.iter().flat_map(|&l| keywords(l)).filter(|k| k.only_so).map(|k| k.lexeme.0).collect();
        let mut found: Vec<(u32, LangId)> = Vec::new();
        let mut before: Vec<u32> = Vec::new();
        for &lexeme in lexemes.iter().filter(|&&l| !hidden.contains(&l)) {
            let mut rivals = Vec::new();
            for &other in &before {
                if !self.are_apart(lexed, pool, lexeme, other) {
                    rivals.push(lexed.lexeme(other).domain);
                }
            }
            before.push(lexeme);
            let mut own = lexed.lexeme(lexeme).marked;
            own = without(pool, own, &rivals);
            let mut taken = Vec::new();
            // A keyword never takes the text of an ignored lexeme.
            for keyword in keywords(lexeme).filter(|_| !lexed.lexeme(lexeme).ignored) {
                // Of two keywords with the same text, the last one is used.
                if keywords(lexeme).any(|k| k.lexeme > keyword.lexeme && k.text == keyword.text) {
                    continue;
                }
                let end = pool.step_bytes(own, keyword.text.as_bytes());
                let rest = pool.step(end, MARK);
                if rest == LangId::NEVER {
                    continue;
                }
                let (all, own_texts) = keyword_texts(pool, &keyword.text, rest);
                taken.push(all);
                // If an ignored text is found as another lexeme, the parser gets it, though it does
                // not expect it.
                if !lexed.lexeme(keyword.lexeme.0).ignored {
                    found.push((keyword.lexeme.0, own_texts));
                }
            }
            own = without(pool, own, &taken);
            found.push((lexeme, own));
        }
        found.sort_unstable();
        let mut joined: Vec<(u32, LangId)> = Vec::with_capacity(found.len());
        for (lexeme, language) in found {
            match joined.last_mut() {
                Some(last) if last.0 == lexeme => last.1 = pool.union(&[last.1, language]),
                _ => joined.push((lexeme, language)),
            }
        }
        joined.retain(|&(_, language)| !pool.is_never(language));
        joined.into()
    }

    /// The texts that each lexeme has in every state, even if all lexemes are expected beside it. A
    /// lexeme with keywords, and a keyword, may be listed more than once, one entry for each case.
    fn least(&mut self, lexed: &Lexed, pool: &mut ExprPool) -> Vec<(u32, LangId)> {
        let mut found: Vec<(u32, LangId)> = Vec::new();
        for lexeme in 0..lexed.lexemes.len() as u32 {
            let mut rivals = Vec::new();
            for other in 0..lexeme {
                let mut keywords = lexed.lexeme(other).keywords.iter();
                let takes = keywords.any(|k| k.lexeme.0 == lexeme && k.only_so);
                if !takes && !self.are_apart(lexed, pool, lexeme, other) {
                    rivals.push(lexed.lexeme(other).domain);
                }
            }
            let rivals = pool.union(&rivals);
            let others = pool.not(rivals);
            let mut own = pool.inter(&[lexed.lexeme(lexeme).marked, others]);
            let mut taken = Vec::new();
            for keyword in &lexed.lexeme(lexeme).keywords {
                let mut others = lexed.lexeme(lexeme).keywords.iter();
                let is_last = others.all(|k| k.lexeme <= keyword.lexeme || k.text != keyword.text);
                if lexed.lexeme(lexeme).ignored || !is_last {
                    if keyword.only_so {
                        found.push((keyword.lexeme.0, LangId::NEVER));
                    }
                    continue;
                }
                let end = pool.step_bytes(own, keyword.text.as_bytes());
                let rest = pool.step(end, MARK);
                let (all, own_texts) = keyword_texts(pool, &keyword.text, rest);
                taken.push(all);
                if !lexed.lexeme(keyword.lexeme.0).ignored {
                    found.push((keyword.lexeme.0, own_texts));
                } else if keyword.only_so {
                    found.push((keyword.lexeme.0, LangId::NEVER));
                }
            }
            own = without(pool, own, &taken);
            found.push((lexeme, own));
        }
        found
    }

    /// True if no text can begin both with a match of `lexeme` and with a match of `other`.
    fn are_apart(&mut self, lexed: &Lexed, pool: &mut ExprPool, lexeme: u32, other: u32) -> bool {
        if let Some(&known) = self.apart.get(&(lexeme, other)) {
            return known;
        }
        let (marked, domain) = (lexed.lexeme(lexeme).marked, lexed.lexeme(other).domain);
        let (a, b) = (pool.first_bytes(marked), pool.first_bytes(domain));
        let apart = a.0.iter().zip(b.0).all(|(a, b)| a & b == 0) || {
            let both = pool.inter(&[marked, domain]);
            pool.is_never(both)
        };
        keep(pool, &mut self.apart, (lexeme, other), apart);
        apart
    }

    /// The lexemes that are looked for in a state and can be found under an obligation.
    pub fn beginnings(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        obligation: LangId,
        state: u32,
    ) -> Beginnings {
        let expected = self.expected(lexed, pool, state);
        if obligation == LangId::ALL {
            return expected;
        }
        if let Some(known) = self.beginnings.get(&(obligation, state)) {
            return known.clone();
        }
        let mut found = Vec::with_capacity(expected.len());
        for &(lexeme, language) in expected.iter() {
            let both = pool.inter(&[obligation, language]);
            if !pool.is_never(both) {
                found.push((lexeme, both));
            }
        }
        let found: Beginnings = found.into();
        keep(pool, &mut self.beginnings, (obligation, state), found.clone());
        found
    }

    /// The obligation under which a lexeme ends here, where `language` is the rest of its marked
    /// text. It is the empty language if the lexeme does not end here.
    pub fn end(&mut self, pool: &mut ExprPool, language: LangId) -> LangId {
        let end = pool.step(language, MARK);
        if end == LangId::NEVER || end == LangId::ALL {
            return end;
        }
        if let Some(&known) = self.obligations.get(&end) {
            return known;
        }
        let named = canonical(pool, end, OBLIGATION_STATES).unwrap_or(end);
        keep(pool, &mut self.obligations, end, named);
        named
    }

    /// The obligations that a lexeme may end with, where `language` is the rest of its marked text.
    pub fn ends(&mut self, pool: &mut ExprPool, language: LangId) -> Result<Arc<[LangId]>, Exhausted> {
        if let Some(known) = self.ends.get(&language) {
            return Ok(known.clone());
        }
        let mut ends: Vec<LangId> = Vec::new();
        let mut seen = HashSet::<_>::from_iter([language]);
        let mut work = vec![language];
        while let Some(at) = work.pop() {
            self.spend(1)?;
            let end = self.end(pool, at);
            if end != LangId::NEVER && !ends.contains(&end) {
                ends.push(end);
            }
            for byte in pool.byte_classes(at).representatives().to_vec() {
                let next = if byte == MARK { LangId::NEVER } else { pool.step(at, byte) };
                if next != LangId::NEVER && seen.insert(next) {
                    work.push(next);
                }
            }
        }
        let ends: Arc<[LangId]> = ends.into();
        keep(pool, &mut self.ends, language, ends.clone());
        Ok(ends)
    }

    /// The obligations that ignored text in a state may lead to, including the obligation before
    /// it.
    pub(super) fn settled(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        obligation: LangId,
        state: u32,
    ) -> Result<Arc<[LangId]>, Exhausted> {
        if let Some(known) = self.settled.get(&(obligation, state)) {
            return Ok(known.clone());
        }
        let mut found = vec![obligation];
        let mut at = 0;
        while at < found.len() {
            self.spend(1)?;
            for &(lexeme, language) in self.beginnings(lexed, pool, found[at], state).iter() {
                if lexed.lexeme(lexeme).ignored {
                    for &end in self.ends(pool, language)?.iter() {
                        if !found.contains(&end) {
                            found.push(end);
                        }
                    }
                }
            }
            at += 1;
        }
        let found: Arc<[LangId]> = found.into();
        keep(pool, &mut self.settled, (obligation, state), found.clone());
        Ok(found)
    }

    /// The obligations after `lexeme`, read in a state under an obligation, with or without ignored
    /// text before it.
    pub(super) fn after(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        (obligation, state): (LangId, u32),
        lexeme: u32,
    ) -> Result<Arc<[LangId]>, Exhausted> {
        if let Some(known) = self.after.get(&(obligation, state, lexeme)) {
            return Ok(known.clone());
        }
        let mut found: Vec<LangId> = Vec::new();
        for &settled in self.settled(lexed, pool, obligation, state)?.iter() {
            let beginnings = self.beginnings(lexed, pool, settled, state);
            if let Ok(at) = beginnings.binary_search_by_key(&lexeme, |b| b.0) {
                for &end in self.ends(pool, beginnings[at].1)?.iter() {
                    if !found.contains(&end) {
                        found.push(end);
                    }
                }
            }
        }
        let found: Arc<[LangId]> = found.into();
        keep(pool, &mut self.after, (obligation, state, lexeme), found.clone());
        Ok(found)
    }

    /// Ignored text that discharges every obligation, if the parser is never stuck after it. For
    /// example, a space removes the obligation "no letter comes next".
    ///
    /// In most grammars every lexeme can be read after such text, and then the parser is never
    /// stuck. Otherwise each state of the parser is examined
    /// ([`safe_positions`](Self::safe_positions)). If no ignored text will do, the states are
    /// examined as if there were none.
    fn discharging_text(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
    ) -> Result<Option<DischargingText>, Exhausted> {
        if let Some(known) = self.discharging {
            return Ok(known);
        }
        if !pool.is_sound() {
            return Ok(None);
        }
        let found = self.find_discharging_text(lexed, pool);
        if found.is_err() || !pool.is_sound() {
            self.discharging = None;
        }
        found
    }

    fn find_discharging_text(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
    ) -> Result<Option<DischargingText>, Exhausted> {
        let all = self.least(lexed, pool);
        let mut candidates = Vec::new();
        for &(_, language) in all.iter().filter(|b| lexed.lexeme(b.0).ignored) {
            for byte in pool.first_bytes(language).iter().filter(|&byte| byte != MARK).collect::<Vec<_>>() {
                let end = pool.step(language, byte);
                let then = self.end(pool, end);
                if then != LangId::NEVER && pool.is_nullable(then) {
                    candidates.push(DischargingText { language, then });
                    break;
                }
            }
        }
        let mut found = None;
        for &candidate in &candidates {
            self.assume(Some(candidate));
            if self.is_easy(lexed, pool, &all, candidate.then)? {
                found = Some(candidate);
                break;
            }
        }
        if found.is_none() {
            candidates.push(DischargingText { language: LangId::NEVER, then: LangId::ALL });
            for &candidate in &candidates {
                self.assume(Some(candidate));
                if let Some(positions) = self.safe_positions(lexed, pool, candidate.then)? {
                    self.safe = positions;
                    found = Some(candidate);
                    break;
                }
            }
        }
        if found.is_none() {
            self.assume(None);
        }
        Ok(found)
    }

    /// Assumes that `text` is the answer, and drops the results of another assumption.
    fn assume(&mut self, text: Option<DischargingText>) {
        self.discharging = Some(text);
        self.safe.clear();
        self.free.clear();
        self.free_end.clear();
        self.good_ends_only.clear();
    }

    /// True if the parser surely reaches the end of the text from `state`, to which a lexeme was
    /// just shifted, under the obligation that this lexeme left behind. If false, it may still
    /// reach it.
    pub fn is_safe(&self, state: u32, obligation: LangId) -> bool {
        self.safe.contains(&(state, obligation))
    }

    fn is_easy(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        all: &[(u32, LangId)],
        then: LangId,
    ) -> Result<bool, Exhausted> {
        let read = all.iter().filter(|b| !lexed.lexeme(b.0).ignored);
        for &(_, language) in read {
            let language = pool.inter(&[then, language]);
            if pool.is_never(language) || !self.has_free_end(lexed, pool, language)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True if ignored text surely removes an obligation, so that the parser can continue with any
    /// expected lexeme. If false, it may still be able to.
    pub fn is_free(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        obligation: LangId,
    ) -> Result<bool, Exhausted> {
        let Some(DischargingText { language, then }) = self.discharging_text(lexed, pool)? else {
            return Ok(false);
        };
        if obligation == then {
            return Ok(true);
        }
        if let Some(&known) = self.free.get(&obligation) {
            return Ok(known);
        }
        let both = pool.inter(&[obligation, language]);
        let mut free = false;
        let classes = pool.byte_classes(both).representatives().to_vec();
        for byte in classes.into_iter().filter(|&byte| byte != MARK) {
            let end = pool.step(both, byte);
            if self.end(pool, end) == then {
                free = true;
                break;
            }
        }
        keep(pool, &mut self.free, obligation, free);
        Ok(free)
    }

    /// True if a lexeme with the rest `language` can end under an obligation that [is
    /// free](Self::is_free).
    pub fn has_free_end(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        language: LangId,
    ) -> Result<bool, Exhausted> {
        if self.discharging_text(lexed, pool)?.is_none() {
            return Ok(false);
        }
        if let Some(&known) = self.free_end.get(&language) {
            return Ok(known);
        }
        // The found states, each with the index of the one it was found from.
        let mut found: Vec<(LangId, usize)> = vec![(language, 0)];
        let mut seen = HashSet::<_>::from_iter([language]);
        let mut at = 0;
        while at < found.len() {
            self.spend(1)?;
            let state = found[at].0;
            let end = self.end(pool, state);
            let known = self.free_end.get(&state).copied();
            if known == Some(true) || (end != LangId::NEVER && self.is_free(lexed, pool, end)?) {
                let mut path = at;
                loop {
                    keep(pool, &mut self.free_end, found[path].0, true);
                    if path == 0 {
                        return Ok(true);
                    }
                    path = found[path].1;
                }
            }
            if known.is_none() {
                for byte in pool.byte_classes(state).representatives().to_vec() {
                    let next = if byte == MARK { LangId::NEVER } else { pool.step(state, byte) };
                    if next != LangId::NEVER && seen.insert(next) {
                        found.push((next, at));
                    }
                }
            }
            at += 1;
        }
        for (state, _) in found {
            keep(pool, &mut self.free_end, state, false);
        }
        Ok(false)
    }

    /// True if a lexeme with the rest `language` ends only under obligations that [are
    /// free](Self::is_free), or that are [safe](Self::is_safe) in the parser state after the
    /// lexeme. `after` is that state, if there is only one.
    pub fn has_good_ends_only(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        language: LangId,
        after: Option<u32>,
    ) -> Result<bool, Exhausted> {
        if self.discharging_text(lexed, pool)?.is_none() {
            return Ok(false);
        }
        // Without safe positions the state makes no difference.
        let after = after.filter(|_| !self.safe.is_empty());
        if let Some(&known) = self.good_ends_only.get(&(language, after)) {
            return Ok(known);
        }
        let mut seen = HashSet::<_>::from_iter([language]);
        let mut work = vec![language];
        while let Some(at) = work.pop() {
            self.spend(1)?;
            let end = self.end(pool, at);
            let is_good = end == LangId::NEVER
                || self.is_free(lexed, pool, end)?
                || after.is_some_and(|state| self.is_safe(state, end));
            if !is_good {
                keep(pool, &mut self.good_ends_only, (language, after), false);
                return Ok(false);
            }
            for byte in pool.byte_classes(at).representatives().to_vec() {
                let next = if byte == MARK { LangId::NEVER } else { pool.step(at, byte) };
                if next == LangId::NEVER || !seen.insert(next) {
                    continue;
                }
                match self.good_ends_only.get(&(next, after)) {
                    None => work.push(next),
                    Some(true) => {}
                    Some(false) => {
                        keep(pool, &mut self.good_ends_only, (language, after), false);
                        return Ok(false);
                    }
                }
            }
        }
        // Each state in `seen` can be reached from `language`, so all its ends are ends of
        // `language`, too, and were found good.
        for state in seen {
            keep(pool, &mut self.good_ends_only, (state, after), true);
        }
        Ok(true)
    }
}
