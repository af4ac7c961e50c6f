//! Marked texts and domains of patterns, which [`pattern`](super) defines.
//!
//! Every function takes a part of a pattern and the languages that may follow it, one per context
//! ([`contexts`](super::contexts)). A repetition of one character is an expression of that form. If
//! the matcher could also read one more character, the language after the repetition is restricted
//! to texts for which it does not. A repetition of anything else is an equation, and a counted one
//! is unrolled. A pattern takes at most [`WORK_LIMIT`] steps.

use super::contexts::{Contexts, common, questions};
use super::read::word;
use super::{Compiled, Ranges, Re, ordered};
use crate::automata::fingerprint::Fingerprinter;
use crate::automata::{ByteSet, ExprPool, LangId, UNBOUNDED};
use crate::grammar::MARK;
use crate::grammar::lexed::canonical;
use crate::syntax::diagnostic::Problem;
use smallvec::{SmallVec, smallvec};

/// The number of steps that a pattern may take.
const WORK_LIMIT: usize = 20_000;

/// The number of states up to which a terminal is replaced by its smallest automaton.
const STATE_LIMIT: usize = 400;

/// One language per context.
type ContextRow = SmallVec<[LangId; 1]>;

/// The lexeme that `re` finds.
pub(in super::super) fn compile(pool: &mut ExprPool, re: &Re) -> Result<Compiled, Problem> {
    let contexts = Contexts::of(re)?;
    let mark = mark(pool);
    let marks = pool.repeat(mark, 0, UNBOUNDED);
    let end = pool.concat(mark, LangId::ALL);
    let (end, all): (ContextRow, ContextRow) =
        (smallvec![end; contexts.len()], smallvec![LangId::ALL; contexts.len()]);
    let mut scope = Scope { pool, contexts, marks, work: WORK_LIMIT, open: 0, has_equations: false };
    let marked = scope.marked(re, &end, &all)?;
    let domain = scope.domain(re, &all)?;
    if marked.iter().any(|&l| l != marked[0]) || domain.iter().any(|&l| l != domain[0]) {
        return Err(Problem::unsupported(
            "the pattern asks what stands before the terminal",
            "look behind from the second character on, or say it in a rule",
        ));
    }
    let has_equations = scope.has_equations;
    let small = canonical(pool, marked[0], STATE_LIMIT).zip(canonical(pool, domain[0], STATE_LIMIT));
    if let Some((marked, domain)) = small {
        return Ok(Compiled { marked, domain });
    }
    if let Some(compiled) = re.is_plain().then(|| ordered::compile(pool, re)).flatten() {
        return Ok(compiled);
    }
    // Counts give many states, but simple ones.
    match re.is_plain() && !has_equations {
        true => Ok(Compiled { marked: marked[0], domain: domain[0] }),
        false => {
            Err(Problem::excess("the pattern has too many states", "repeat less inside of other repetitions"))
        }
    }
}

/// The language of the mark.
pub(in super::super) fn mark(pool: &mut ExprPool) -> LangId {
    let mut set = ByteSet::EMPTY;
    set.insert(MARK);
    pool.byte(&set)
}

struct Scope<'p> {
    pool: &'p mut ExprPool,
    contexts: Contexts,
    /// Any number of marks.
    marks: LangId,
    work: usize,
    /// The number of equations without a definition so far. No question about a language can be
    /// answered while there are any.
    open: usize,
    has_equations: bool,
}

impl Scope<'_> {
    fn spend(&mut self) -> Result<(), Problem> {
        match self.work.checked_sub(1) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => Err(Problem::excess(
                "the pattern needs too many steps",
                "count less, or repeat single characters and not groups",
            )),
        }
    }

    /// The marked texts of `re` followed by `after`, where `domain` is `after` without its mark.
    fn marked(&mut self, re: &Re, after: &ContextRow, domain: &ContextRow) -> Result<ContextRow, Problem> {
        self.spend()?;
        match re {
            Re::Seq(parts) => {
                let (mut after, mut domain) = (after.clone(), domain.clone());
                for (i, part) in parts.iter().enumerate().rev() {
                    after = self.marked(part, &after, &domain)?;
                    if i > 0 {
                        domain = self.domain(part, &domain)?;
                    }
                }
                Ok(after)
            }
            Re::Alt(parts) => self.marked_alternatives(parts, after, domain),
            Re::Repeat { body, min, max, lazy } => {
                self.marked_repeat(body, (*min, *max), *lazy, after, domain)
            }
            Re::Class(ranges) => Ok(self.class(ranges, after, false)),
            Re::Text(text) => Ok(self.text(text, after, false)),
            _ => self.asserted(re, after),
        }
    }

    /// The texts that begin with a match of `re` and continue with a text of `after`.
    fn domain(&mut self, re: &Re, after: &ContextRow) -> Result<ContextRow, Problem> {
        self.spend()?;
        match re {
            Re::Seq(parts) => {
                let mut after = after.clone();
                for part in parts.iter().rev() {
                    after = self.domain(part, &after)?;
                }
                Ok(after)
            }
            Re::Alt(parts) => {
                let rows =
                    parts.iter().map(|part| self.domain(part, after)).collect::<Result<Vec<_>, _>>()?;
                Ok(self.union(&rows))
            }
            Re::Repeat { body, min, max, .. } => {
                let mut row = self.domain_optional(body, left(*min, *max), after)?;
                if self.contexts.len() == 1 && body.is_plain() {
                    let body = self.plain(body, true);
                    let least = self.pool.repeat(body, *min, *min);
                    row[0] = self.pool.concat(least, row[0]);
                    return Ok(row);
                }
                for _ in 0..*min {
                    row = self.domain(body, &row)?;
                }
                Ok(row)
            }
            Re::Class(ranges) => Ok(self.class(ranges, after, true)),
            Re::Text(text) => Ok(self.text(text, after, true)),
            _ => self.asserted(re, after),
        }
    }

    /// The texts of up to `left` times `body`, then `after`.
    fn domain_optional(&mut self, body: &Re, left: u32, after: &ContextRow) -> Result<ContextRow, Problem> {
        if left == 0 || after.iter().all(|&l| l == LangId::ALL) {
            return Ok(after.clone());
        }
        if self.contexts.len() == 1 && body.is_plain() {
            let body = self.plain(body, true);
            let body = self.pool.repeat(body, 0, left);
            return Ok(smallvec![self.pool.concat(body, after[0])]);
        }
        let Some(filled) = body.filled() else { return Ok(after.clone()) };
        if left != UNBOUNDED {
            let mut row = after.clone();
            for _ in 0..left {
                let more = self.domain(&filled, &row)?;
                row = self.union(&[after.clone(), more]);
            }
            return Ok(row);
        }
        let key = self.key(1, &filled, after, after);
        self.equation(key, after, |scope, unknowns| {
            let more = scope.domain(&filled, unknowns)?;
            Ok(scope.union(&[after.clone(), more]))
        })
    }

    fn marked_alternatives(
        &mut self,
        parts: &[Re],
        after: &ContextRow,
        domain: &ContextRow,
    ) -> Result<ContextRow, Problem> {
        let mut found: Vec<ContextRow> = Vec::new();
        let mut before: Vec<(usize, ContextRow)> = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            let mut row = self.marked(part, after, domain)?;
            for (other, rival) in &before {
                // Two texts can both match only if one begins with the other.
                if let (Re::Text(a), Re::Text(b)) = (part, &parts[*other])
                    && !a.starts_with(b.as_str())
                    && !b.starts_with(a.as_str())
                {
                    continue;
                }
                row = self.without(&row, rival);
            }
            found.push(row);
            if i + 1 < parts.len() {
                let rival = self.domain(part, domain)?;
                before.push((i, rival));
            }
        }
        Ok(self.union(&found))
    }

    fn marked_repeat(
        &mut self,
        body: &Re,
        (min, max): (u32, u32),
        lazy: bool,
        after: &ContextRow,
        domain: &ContextRow,
    ) -> Result<ContextRow, Problem> {
        let left = left(min, max);
        let is_simple = self.contexts.len() == 1 && body.is_simple();
        let mut row = if is_simple {
            match self.simple_optional(body, left, lazy, after[0], domain[0])? {
                Some(language) => smallvec![language],
                None => self.marked_optional(body, left, lazy, after, domain)?,
            }
        } else {
            self.marked_optional(body, left, lazy, after, domain)?
        };
        if is_simple {
            let body = self.plain(body, false);
            let least = self.pool.repeat(body, min, min);
            row[0] = self.pool.concat(least, row[0]);
            return Ok(row);
        }
        if min > 0 {
            let mut domain = self.domain_optional(body, left, domain)?;
            for round in 0..min {
                row = self.marked(body, &row, &domain)?;
                if round + 1 < min {
                    domain = self.domain(body, &domain)?;
                }
            }
        }
        Ok(row)
    }

    /// The marked texts of up to `left` times one text or character; `None` if they cannot be
    /// written down directly.
    fn simple_optional(
        &mut self,
        body: &Re,
        left: u32,
        lazy: bool,
        after: LangId,
        domain: LangId,
    ) -> Result<Option<LangId>, Problem> {
        if left == 0 {
            return Ok(Some(after));
        }
        let (plain, loose) = (self.plain(body, false), self.plain(body, true));
        let goes_on = match domain {
            LangId::ALL => self.pool.concat(loose, LangId::ALL),
            domain => {
                let rest = self.pool.repeat(loose, 1, left);
                self.pool.concat(rest, domain)
            }
        };
        let apart = if lazy {
            let begins = self.pool.concat(loose, LangId::ALL);
            domain != LangId::ALL && self.are_apart(begins, domain)
        } else {
            self.are_apart(goes_on, after)
        };
        if apart {
            let all = self.pool.repeat(plain, 0, left);
            return Ok(Some(self.pool.concat(all, after)));
        }
        if lazy {
            return Ok((domain == LangId::ALL).then_some(after));
        }
        let other = self.pool.not(goes_on);
        let ends = self.pool.inter(&[after, other]);
        if left == UNBOUNDED {
            let all = self.pool.repeat(plain, 0, UNBOUNDED);
            return Ok(Some(self.pool.concat(all, ends)));
        }
        if domain != LangId::ALL {
            return Ok(None);
        }
        let (fewer, full) = (self.pool.repeat(plain, 0, left - 1), self.pool.repeat(plain, left, left));
        let (fewer, full) = (self.pool.concat(fewer, ends), self.pool.concat(full, after));
        Ok(Some(self.pool.union(&[fewer, full])))
    }

    /// The marked texts of up to `left` rounds of `body`: the most rounds that lead to a match, or
    /// the fewest if `lazy`.
    fn marked_optional(
        &mut self,
        body: &Re,
        left: u32,
        lazy: bool,
        after: &ContextRow,
        domain: &ContextRow,
    ) -> Result<ContextRow, Problem> {
        let Some(filled) = body.filled().filter(|_| left > 0) else { return Ok(after.clone()) };
        let ranked = match lazy {
            true => [None, Some(filled.clone())],
            false => body.ranked(),
        };
        if left != UNBOUNDED {
            let (mut row, mut domain_left) = (after.clone(), domain.clone());
            for _ in 0..left {
                row = self.round(&ranked, (after, domain), (&row, &domain_left))?;
                let more = self.domain(&filled, &domain_left)?;
                domain_left = self.union(&[domain.clone(), more]);
            }
            return Ok(row);
        }
        let all = self.domain_optional(&filled, UNBOUNDED, domain)?;
        let key = self.key(2 + u64::from(lazy), body, after, domain);
        self.equation(key, after, |scope, unknowns| scope.round(&ranked, (after, domain), (unknowns, &all)))
    }

    /// The marked texts of one more round and then the rounds `left`, or of `after`. The matcher
    /// tries the rounds `sooner`, then `after`, then the rounds `later`.
    fn round(
        &mut self,
        [sooner, later]: &[Option<Re>; 2],
        (after, domain): (&ContextRow, &ContextRow),
        (left, domain_left): (&ContextRow, &ContextRow),
    ) -> Result<ContextRow, Problem> {
        let mut found = Vec::with_capacity(3);
        let mut rival = None;
        let mut leaving = after.clone();
        if let Some(body) = sooner {
            found.push(self.marked(body, left, domain_left)?);
            let goes_on = self.domain(body, domain_left)?;
            leaving = self.without(&leaving, &goes_on);
            rival = Some(goes_on);
        }
        found.push(leaving);
        if let Some(body) = later {
            let mut more = self.marked(body, left, domain_left)?;
            for rival in rival.iter().chain([domain]) {
                more = self.without(&more, rival);
            }
            found.push(more);
        }
        Ok(self.union(&found))
    }

    fn key(&self, tag: u64, body: &Re, after: &ContextRow, domain: &ContextRow) -> u128 {
        let f = Fingerprinter::new(0x1e00 + tag)
            .bytes(format!("{body:?}").as_bytes())
            .bytes(self.contexts.key().as_bytes());
        after.iter().chain(domain).fold(f, |f, &l| f.part(self.pool.fingerprint(l))).finish()
    }

    /// The solution of the equation that `definition` makes. It is nullable in the contexts in
    /// which `after` is.
    fn equation(
        &mut self,
        key: u128,
        after: &ContextRow,
        definition: impl FnOnce(&mut Self, &ContextRow) -> Result<ContextRow, Problem>,
    ) -> Result<ContextRow, Problem> {
        self.has_equations = true;
        let key = |context: usize| Fingerprinter::new(0x1eff).part(key).word(context as u64).finish();
        let made: Vec<(LangId, bool)> = after
            .iter()
            .enumerate()
            .map(|(context, &l)| self.pool.unknown(key(context), self.pool.is_nullable(l)))
            .collect();
        let unknowns: ContextRow = made.iter().map(|m| m.0).collect();
        if made.iter().any(|m| m.1) {
            self.open += 1;
            let row = definition(self, &unknowns)?;
            self.open -= 1;
            for (&(unknown, is_new), &language) in made.iter().zip(&row) {
                if is_new {
                    self.pool.define(unknown, language);
                }
            }
        }
        Ok(unknowns)
    }

    fn union(&mut self, rows: &[ContextRow]) -> ContextRow {
        let count = self.contexts.len();
        (0..count)
            .map(|c| {
                let parts: Vec<LangId> = rows.iter().map(|row| row[c]).collect();
                self.pool.union(&parts)
            })
            .collect()
    }

    /// The texts of `row` that are not in `rival`.
    fn without(&mut self, row: &ContextRow, rival: &ContextRow) -> ContextRow {
        row.iter()
            .zip(rival)
            .map(|(&language, &rival)| {
                if self.are_apart(language, rival) {
                    return language;
                }
                let other = self.pool.not(rival);
                self.pool.inter(&[language, other])
            })
            .collect()
    }

    /// True if the two surely have no text in common.
    fn are_apart(&mut self, a: LangId, b: LangId) -> bool {
        if a == LangId::NEVER || b == LangId::NEVER {
            return true;
        }
        if self.open > 0 {
            return false;
        }
        let both = self.pool.inter(&[a, b]);
        self.pool.is_never(both)
    }

    /// The texts that begin with a character of `ranges` and continue with a text of `after`. If
    /// `loose`, any marks may stand before the character.
    fn class(&mut self, ranges: &Ranges, after: &ContextRow, loose: bool) -> ContextRow {
        (0..self.contexts.len())
            .map(|context| {
                let mut ways = Vec::new();
                for (through, next) in self.contexts.edges[context].clone() {
                    let both = common(ranges, &through);
                    let class = if both.is_empty() { LangId::NEVER } else { self.pool.char_class(&both) };
                    let rest = self.pool.concat(class, after[next]);
                    ways.push(if loose { self.pool.concat(self.marks, rest) } else { rest });
                }
                self.pool.union(&ways)
            })
            .collect()
    }

    fn text(&mut self, text: &str, after: &ContextRow, loose: bool) -> ContextRow {
        if self.contexts.len() == 1 {
            let text = self.plain(&Re::Text(text.to_owned()), loose);
            return smallvec![self.pool.concat(text, after[0])];
        }
        let characters: Vec<char> = text.chars().collect();
        characters
            .iter()
            .rev()
            .fold(after.clone(), |after, &c| self.class(&vec![(u32::from(c), u32::from(c))], &after, loose))
    }

    /// The language of a part that does not depend on the text around it.
    fn plain(&mut self, re: &Re, loose: bool) -> LangId {
        match re {
            Re::Class(ranges) => {
                let class = if ranges.is_empty() { LangId::NEVER } else { self.pool.char_class(ranges) };
                if loose { self.pool.concat(self.marks, class) } else { class }
            }
            Re::Text(text) if loose => {
                let mut parts = Vec::new();
                for c in text.chars() {
                    parts.push(self.marks);
                    parts.push(self.pool.bytes(c.encode_utf8(&mut [0; 4]).as_bytes()));
                }
                self.pool.sequence(&parts)
            }
            Re::Text(text) => self.pool.bytes(text.as_bytes()),
            Re::Seq(parts) => {
                let parts: Vec<LangId> = parts.iter().map(|part| self.plain(part, loose)).collect();
                self.pool.sequence(&parts)
            }
            Re::Alt(parts) => {
                let parts: Vec<LangId> = parts.iter().map(|part| self.plain(part, loose)).collect();
                self.pool.union(&parts)
            }
            Re::Repeat { body, min, max, .. } => {
                let body = self.plain(body, loose);
                self.pool.repeat(body, *min, *max)
            }
            _ => LangId::EMPTY,
        }
    }

    /// The texts of `after` that satisfy an assertion.
    fn asserted(&mut self, re: &Re, after: &ContextRow) -> Result<ContextRow, Problem> {
        let count = self.contexts.len();
        let all: ContextRow = smallvec![LangId::ALL; count];
        let holds: ContextRow = match re {
            Re::Look { behind: false, body, .. } => self.domain(body, &all)?,
            Re::TextEnd => smallvec![self.marks; count],
            Re::End { lines } => {
                let feed = self.plain(&Re::Text("\n".to_owned()), true);
                let rest = if *lines { LangId::ALL } else { self.marks };
                let line = self.pool.concat(feed, rest);
                smallvec![self.pool.union(&[self.marks, line]); count]
            }
            Re::Boundary { .. } => {
                let ahead = self.class(&word(), &all, true);
                let behind = self.behind(re)?;
                // At a boundary, one of the two neighbours is a word's character and the other is
                // not.
                let mut row = ContextRow::new();
                for (ahead, behind) in ahead.into_iter().zip(behind) {
                    row.push(if behind { self.pool.not(ahead) } else { ahead });
                }
                row
            }
            Re::Start { .. } | Re::Look { behind: true, .. } => {
                let behind = self.behind(re)?;
                behind.into_iter().map(|yes| if yes { LangId::ALL } else { LangId::NEVER }).collect()
            }
            _ => return Ok(after.clone()),
        };
        let forbids = matches!(re, Re::Look { forbids: true, .. } | Re::Boundary { forbids: true });
        let both = after.iter().zip(holds);
        Ok(both
            .map(|(&after, holds)| {
                let holds = if forbids { self.pool.not(holds) } else { holds };
                self.pool.inter(&[after, holds])
            })
            .collect())
    }

    /// For each context, true if the condition of `re` on the text before is satisfied.
    fn behind(&self, re: &Re) -> Result<Vec<bool>, Problem> {
        let questions = questions(re)?.unwrap_or_default();
        Ok((0..self.contexts.len()).map(|c| questions.iter().any(|q| self.contexts.holds(c, q))).collect())
    }
}

fn left(min: u32, max: u32) -> u32 {
    if max == UNBOUNDED { UNBOUNDED } else { max - min }
}
