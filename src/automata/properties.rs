//! The properties of an expression that are known as soon as it is made. Each follows from the
//! properties of the parts.
//!
//! Properties make the rest cheap. Two pools agree on a language by its fingerprint. Most states
//! are known to have a word without a search. And a maximum length matters only near its end,
//! within the bytes that the farthest state needs to a word's end.

use super::UNBOUNDED;
use super::expr::{Expr, JsonMode, LangId, Liveness};
use super::expr_pool::{ExprPool, Kind};
use super::fingerprint::Fingerprinter;
use super::machine::DigitRuns;

/// The bytes of the longest character.
const MAX_UTF8: u32 = 4;

impl ExprPool {
    pub(super) fn fingerprint_of(&self, expr: &Expr) -> u128 {
        let of = |id: &LangId| self.info[id.index()].fingerprint;
        match expr {
            Expr::Never => Fingerprinter::new(0).finish(),
            Expr::Empty => Fingerprinter::new(1).finish(),
            Expr::All => Fingerprinter::new(2).finish(),
            Expr::Chars(node) => Fingerprinter::new(3).part(self.chars.fingerprint(*node)).finish(),
            Expr::Literals { set, lo, hi, depth } => Fingerprinter::new(4)
                .part(self.literals.get(*set).fingerprint())
                .word(u64::from(*lo) << 32 | u64::from(*hi))
                .word(u64::from(*depth))
                .finish(),
            Expr::Concat(a, b) => Fingerprinter::new(5).part(of(a)).part(of(b)).finish(),
            Expr::Union(parts) | Expr::Inter(parts) => {
                // The order of ids differs between pools, so a commutative sum combines the parts.
                let tag = if matches!(expr, Expr::Union(_)) { 6 } else { 7 };
                let sum = parts.iter().fold(0u128, |sum, p| {
                    sum.wrapping_add(Fingerprinter::new(tag + 100).part(of(p)).finish())
                });
                Fingerprinter::new(tag).part(sum).word(parts.len() as u64).finish()
            }
            Expr::Not(a) => Fingerprinter::new(8).part(of(a)).finish(),
            Expr::Repeat(a, min, max) => {
                Fingerprinter::new(9).part(of(a)).word(u64::from(*min) << 32 | u64::from(*max)).finish()
            }
            Expr::Json { inner, mode, escapes } => {
                Fingerprinter::new(10).part(of(inner)).word(mode.code()).word(*escapes as u64).finish()
            }
            Expr::Machine { machine, state } => {
                Fingerprinter::new(11).part(self.machines.key(*machine)).word(*state).finish()
            }
            Expr::Unknown(equation) => {
                Fingerprinter::new(12).part(self.equations[*equation as usize].key).finish()
            }
        }
    }

    pub(super) fn nullable_of(&self, expr: &Expr) -> bool {
        let of = |id: &LangId| self.info[id.index()].nullable;
        match expr {
            Expr::Never | Expr::Chars(_) => false,
            Expr::Empty | Expr::All => true,
            Expr::Literals { set, lo, depth, .. } => self.literals.get(*set).accepts(*lo, *depth),
            Expr::Concat(a, b) => of(a) && of(b),
            Expr::Union(parts) => parts.iter().any(of),
            Expr::Inter(parts) => parts.iter().all(of),
            Expr::Not(a) => !of(a),
            Expr::Repeat(a, min, _) => *min == 0 || of(a),
            Expr::Json { mode, .. } => *mode == JsonMode::Closed,
            Expr::Machine { machine, state } => self.machines.get(*machine).accepts(*state),
            Expr::Unknown(equation) => self.equations[*equation as usize].nullable,
        }
    }

    pub(super) fn at_most_of(&self, expr: &Expr) -> u32 {
        let of = |id: &LangId| self.info[id.index()].at_most;
        match expr {
            Expr::Never | Expr::Empty | Expr::All => 0,
            Expr::Chars(node) => self.character_bytes(*node),
            Expr::Literals { set, lo, depth, .. } => self.literals.get(*set).get(*lo).0.len() as u32 - depth,
            Expr::Concat(a, b) => of(a).saturating_add(of(b)),
            Expr::Union(parts) => parts.iter().map(of).min().unwrap_or(0),
            Expr::Repeat(a, min, _) => of(a).saturating_mul(*min),
            Expr::Inter(parts) => {
                self.bounded_alone(parts).map_or(UNBOUNDED, of).min(self.longest_word(parts))
            }
            Expr::Machine { machine, state } => self.machines.get(*machine).at_most(*state),
            Expr::Not(_) | Expr::Json { .. } | Expr::Unknown(_) => UNBOUNDED,
        }
    }

    /// See [`ExprInfo::completion`](super::expr::ExprInfo::completion). A derivative of an
    /// expression is made of derivatives of its parts, and each of these has a word. So the bound
    /// follows from sums and maxima over the parts.
    pub(super) fn completion_of(&self, expr: &Expr) -> u32 {
        let of = |id: &LangId| self.info[id.index()].completion;
        let at_most = |id: &LangId| self.info[id.index()].at_most;
        match expr {
            Expr::Never | Expr::Empty | Expr::All => 0,
            Expr::Chars(node) => self.character_bytes(*node),
            Expr::Literals { set, .. } => self.literals.get(*set).longest() as u32,
            Expr::Concat(a, b) => of(a).saturating_add(at_most(b)).max(of(b)),
            Expr::Union(parts) => parts.iter().map(of).max().unwrap_or(0),
            Expr::Repeat(a, min, _) => of(a).saturating_add(at_most(a).saturating_mul(min.saturating_sub(1))),
            // No state needs more bytes than the longest word has. Let all parts but one be
            // lengths. Then no state needs more bytes than the other part does. If the length
            // leaves that many bytes, that part's completion fits; if it leaves fewer, a shorter
            // completion exists, since the state has a word.
            Expr::Inter(parts) => {
                let unit = |part: &LangId| match *self.expr(*part) {
                    Expr::Repeat(body, ..) if body == self.any_byte() => 1,
                    _ => MAX_UTF8,
                };
                let needed = self.bounded_alone(parts).map_or(UNBOUNDED, |only| {
                    let lengths = parts.iter().filter(|&part| part != only);
                    of(only).saturating_mul(lengths.map(unit).max().unwrap_or(1))
                });
                needed.min(self.longest_word(parts))
            }
            Expr::Machine { machine, state } => self.machines.get(*machine).completion(*state),
            Expr::Not(_) | Expr::Json { .. } | Expr::Unknown(_) => UNBOUNDED,
        }
    }

    /// The most bytes of a character of `node`.
    fn character_bytes(&self, node: u32) -> u32 {
        let is_last = |edge: &super::chars::Edge| edge.next == super::chars::DONE;
        if self.chars.edges(node).iter().all(is_last) { 1 } else { MAX_UTF8 }
    }

    /// The least and the greatest length, if `id` is all texts, or all byte strings, of these
    /// lengths: 2 and 8 for `.{2,8}`.
    pub(super) fn length(&self, id: LangId) -> Option<(u32, u32)> {
        let Expr::Repeat(body, min, max) = *self.expr(id) else { return None };
        let is_text = matches!(*self.expr(self.text), Expr::Repeat(of, 0, UNBOUNDED) if of == body);
        (max != UNBOUNDED && (is_text || body == self.any_byte())).then_some((min, max))
    }

    /// The only one of `parts` that is not just a maximum length.
    fn bounded_alone<'p>(&self, parts: &'p [LangId]) -> Option<&'p LangId> {
        let mut others = parts.iter().filter(|&&part| self.length(part).is_none_or(|(min, _)| min > 0));
        others.next().filter(|_| others.next().is_none())
    }

    /// An upper bound on the bytes of words of the intersection, by its maximum lengths.
    fn longest_word(&self, parts: &[LangId]) -> u32 {
        let longest = |&part: &LangId| match *self.expr(part) {
            Expr::Repeat(body, _, max) if matches!(self.expr(body), Expr::Chars(_)) => {
                max.saturating_mul(if body == self.any_byte() { 1 } else { MAX_UTF8 })
            }
            Expr::Literals { set, .. } => self.literals.get(set).longest() as u32,
            _ => UNBOUNDED,
        };
        parts.iter().map(longest).min().unwrap_or(UNBOUNDED)
    }

    pub(super) fn largest_count_of(&self, expr: &Expr) -> u32 {
        let of = |id: &LangId| self.info[id.index()].largest_count;
        match expr {
            Expr::Concat(a, b) => of(a).max(of(b)),
            Expr::Union(parts) | Expr::Inter(parts) => parts.iter().map(of).max().unwrap_or(1),
            Expr::Repeat(body, min, max) => {
                let max = if *max == UNBOUNDED { 1 } else { *max };
                max.max(*min).max(of(body))
            }
            Expr::Json { inner, .. } => of(inner),
            Expr::Unknown(equation) => match &self.equations[*equation as usize].rounds {
                Some(of_loop) => {
                    let max = if of_loop.max == UNBOUNDED { 1 } else { of_loop.max };
                    let after = of_loop.after.iter().map(of).max().unwrap_or(1);
                    max.max(of_loop.min).max(after)
                }
                None => 1,
            },
            _ => 1,
        }
    }

    pub(super) fn has_loops_of(&self, expr: &Expr) -> bool {
        let of = |id: &LangId| self.info[id.index()].has_loops;
        match expr {
            Expr::Concat(a, b) => of(a) || of(b),
            Expr::Union(parts) | Expr::Inter(parts) => parts.iter().any(of),
            Expr::Not(a) | Expr::Repeat(a, ..) | Expr::Json { inner: a, .. } => of(a),
            Expr::Unknown(equation) => self.equations[*equation as usize].rounds.is_some(),
            _ => false,
        }
    }

    /// See [`ExprInfo::depth`](super::expr::ExprInfo::depth).
    pub(super) fn depth_of(&self, expr: &Expr) -> u32 {
        let of = |id: &LangId| self.info[id.index()].depth;
        match expr {
            // A loop follows the tails of heads that may be empty.
            Expr::Concat(head, tail) => {
                let is_chain = matches!(self.expr(*tail), Expr::Concat(..));
                let rest = of(tail) + u32::from(!is_chain);
                (of(head) + 1).max(if self.is_nullable(*head) { rest } else { 0 })
            }
            Expr::Union(parts) | Expr::Inter(parts) => parts.iter().map(of).max().unwrap_or(0) + 1,
            Expr::Not(body) | Expr::Repeat(body, ..) | Expr::Json { inner: body, .. } => of(body) + 1,
            Expr::Unknown(equation) => {
                let equation = &self.equations[*equation as usize];
                let within = equation.rounds.as_ref().map_or(0, |of_loop| {
                    of_loop.after.iter().map(of).max().unwrap_or(0) + of_loop.body.depth()
                });
                of(&equation.definition).max(within) + 1
            }
            _ => 0,
        }
    }

    /// The depth to which the search for a derivative of the language recurses.
    pub(crate) fn depth(&self, id: LangId) -> u32 {
        self.info[id.index()].depth
    }

    pub(super) fn is_text_of(&self, expr: &Expr) -> bool {
        let of = |id: &LangId| self.info[id.index()].is_text;
        match expr {
            Expr::Never | Expr::Empty => true,
            Expr::All | Expr::Not(_) => false,
            Expr::Chars(node) => self.chars.starts_character(*node),
            Expr::Literals { set, lo, depth, .. } => {
                self.literals.get(*set).stands_between_characters(*lo, *depth)
            }
            Expr::Concat(a, b) => of(a) && of(b),
            Expr::Union(parts) => parts.iter().all(of),
            Expr::Inter(parts) => parts.iter().any(of),
            Expr::Repeat(a, ..) => of(a),
            Expr::Json { inner, mode, .. } => *mode != JsonMode::Body || of(inner),
            Expr::Machine { machine, state } => self.machines.get(*machine).is_text(*state),
            Expr::Unknown(_) => true,
        }
    }

    pub(super) fn liveness_of(&self, expr: &Expr) -> Liveness {
        let of = |id: &LangId| self.info[id.index()].liveness;
        let both = |a: &LangId, b: &LangId| match (of(a), of(b)) {
            (Liveness::Dead, _) | (_, Liveness::Dead) => Liveness::Dead,
            (Liveness::Live, Liveness::Live) => Liveness::Live,
            _ => Liveness::Unknown,
        };
        match expr {
            Expr::Never => Liveness::Dead,
            Expr::Empty | Expr::All | Expr::Chars(_) | Expr::Literals { .. } | Expr::Machine { .. } => {
                Liveness::Live
            }
            Expr::Concat(a, b) => both(a, b),
            Expr::Union(parts) => {
                if parts.iter().any(|p| of(p) == Liveness::Live) {
                    Liveness::Live
                } else if parts.iter().all(|p| of(p) == Liveness::Dead) {
                    Liveness::Dead
                } else {
                    Liveness::Unknown
                }
            }
            // Text has words that are not among the literals.
            Expr::Inter(parts) if parts.iter().all(|&p| p == self.text || self.is_other_than_literals(p)) => {
                Liveness::Live
            }
            Expr::Inter(parts) if self.has_digit_run(parts) => Liveness::Live,
            Expr::Inter(parts) => match self.intersected_lengths(parts) {
                Some((least, most)) if least <= most => Liveness::Live,
                Some(_) => Liveness::Dead,
                None if self.is_too_long(parts) => Liveness::Dead,
                None => Liveness::Unknown,
            },
            Expr::Unknown(equation) => match &self.equations[*equation as usize].rounds {
                // No round is needed.
                Some(of_loop) if of_loop.kind == Kind::Reading && of_loop.min == 0 => {
                    match of(&of_loop.after[of_loop.context]) {
                        Liveness::Live => Liveness::Live,
                        _ => Liveness::Unknown,
                    }
                }
                _ => Liveness::Unknown,
            },
            Expr::Not(_) => Liveness::Unknown,
            Expr::Repeat(a, ..) => of(a),
            // A step into a spelling keeps only decoded states that have a word.
            Expr::Json { .. } => Liveness::Live,
        }
    }

    /// True if all words of one part are longer than another part allows.
    fn is_too_long(&self, parts: &[LangId]) -> bool {
        let most = parts.iter().filter_map(|&part| match *self.expr(part) {
            Expr::Repeat(body, _, max) if matches!(self.expr(body), Expr::Chars(_)) && self.is_text(body) => {
                Some(max)
            }
            _ => None,
        });
        let most = most.min().unwrap_or(UNBOUNDED);
        parts.iter().any(|&part| self.is_text(part) && self.info[part.index()].at_least > most)
    }

    /// True if some run of digits is known to be a word of all parts. It is, if at most one part is
    /// completed by all long runs, at most one by some run of every length, and all other parts are
    /// complements that refuse few runs.
    fn has_digit_run(&self, parts: &[LangId]) -> bool {
        let runs = |id: LangId| match *self.expr(id) {
            Expr::Machine { machine, state } => self.machines.get(machine).digit_runs(state),
            _ => DigitRuns::Unknown,
        };
        let (mut all, mut some) = (0, 0);
        for &part in parts {
            match (self.expr(part), runs(part)) {
                (_, DigitRuns::All) => all += 1,
                (_, DigitRuns::Some) => some += 1,
                (&Expr::Not(body), _) if runs(body) == DigitRuns::Few => {}
                _ => return false,
            }
        }
        all <= 1 && some <= 1 && all + some > 0
    }

    pub(super) fn at_least_of(&self, expr: &Expr) -> u32 {
        let of = |id: &LangId| self.info[id.index()].at_least;
        match expr {
            Expr::Never => u32::MAX,
            Expr::Empty | Expr::All | Expr::Not(_) => 0,
            Expr::Chars(_) => 1,
            Expr::Unknown(equation) => match &self.equations[*equation as usize].rounds {
                Some(of_loop) => {
                    let after = of_loop.after.iter().map(of).min().unwrap_or(0);
                    of_loop.body.fewest_characters().saturating_mul(of_loop.min).saturating_add(after)
                }
                None => 1,
            },
            Expr::Machine { machine, state } => self.machines.get(*machine).at_least(*state),
            Expr::Literals { set, lo, hi, depth } if hi - lo == 1 => {
                self.literals.get(*set).characters(*lo, *depth)
            }
            Expr::Literals { .. } => 1,
            Expr::Concat(a, b) => of(a).saturating_add(of(b)),
            Expr::Union(parts) => parts.iter().map(of).min().unwrap_or(0),
            Expr::Inter(parts) => parts.iter().map(of).max().unwrap_or(0),
            Expr::Repeat(a, min, _) => of(a).saturating_mul(*min),
            Expr::Json { inner, mode, .. } => match mode {
                JsonMode::Closed => 0,
                JsonMode::Start => of(inner).saturating_add(2),
                // No spelling is shorter than its text.
                JsonMode::Body => of(inner).saturating_add(1),
                // Within an escape the decoded state has not read the character yet, so the rest of
                // the escape is counted in addition.
                JsonMode::Escape => of(inner).saturating_add(1),
                JsonMode::Hex { digits, .. } => {
                    of(inner).saturating_add(2).saturating_sub(u32::from(*digits)).max(1)
                }
                JsonMode::LowBackslash(_) => of(inner).saturating_add(3),
                JsonMode::LowU(_) => of(inner).saturating_add(2),
                JsonMode::LowHex { digits, .. } => {
                    of(inner).saturating_add(1).saturating_sub(u32::from(*digits)).max(1)
                }
            },
        }
    }
}
