//! Transitions: the derivative of an expression by one byte, memoised by byte class.

use super::facts::Liveness;
use super::interrupt;
use super::json_string::JsonMode;
use super::languages::{Expr, LangId, Languages, UNSTEPPED};
use super::UNBOUNDED;

impl Languages {
    /// The state after `byte`: the language of what may follow. [`LangId::NEVER`] when no word goes on like this
    /// (and only then, while the search budget lasts). Amortised a table look-up.
    pub fn step(&mut self, id: LangId, byte: u8) -> LangId {
        let next = self.derive(id, byte);
        if self.info[next.index()].liveness != Liveness::Live && self.is_never(next) {
            return LangId::NEVER;
        }
        next
    }

    /// The state after all of `bytes`.
    pub fn step_bytes(&mut self, id: LangId, bytes: &[u8]) -> LangId {
        bytes.iter().fold(id, |id, &b| if id == LangId::NEVER { id } else { self.step(id, b) })
    }

    /// Whether `word` belongs to the language.
    pub fn accepts(&mut self, id: LangId, word: &[u8]) -> bool {
        let end = self.step_bytes(id, word);
        self.is_nullable(end)
    }

    /// The derivative, which may turn out to have no word.
    pub(crate) fn derive(&mut self, id: LangId, byte: u8) -> LangId {
        // Constant-time leaves keep no row.
        match self.exprs[id.index()] {
            Expr::Never | Expr::Empty => return LangId::NEVER,
            Expr::All => return LangId::ALL,
            Expr::Chars(_) | Expr::Literals { .. } => return self.derive_uncached(id, byte),
            Expr::Concat(head, tail) => {
                if let Some(next) = self.derive_spaced(head, tail, byte) {
                    return next;
                }
            }
            // What is other than some keys has states of its own for each of them, which are left by a byte or two.
            Expr::Inter(ref parts) if parts.iter().any(|&p| self.is_other_than_literals(p)) => {
                return self.derive_uncached(id, byte);
            }
            Expr::Json { inner, .. } => {
                if let Expr::Inter(ref parts) = *self.expr(inner) {
                    if parts.iter().any(|&p| self.is_other_than_literals(p)) {
                        return self.derive_uncached(id, byte);
                    }
                }
            }
            _ => {}
        }
        let partition = self.partition(id);
        let classes = self.partitions.get(partition);
        let class = classes.class(byte);
        if self.info[id.index()].row == UNSTEPPED {
            let len = classes.len();
            self.info[id.index()].row = self.rows.len() as u32;
            self.rows.resize(self.rows.len() + len, UNSTEPPED);
        }
        let slot = self.info[id.index()].row as usize + class;
        if self.rows[slot] != UNSTEPPED {
            return LangId(self.rows[slot]);
        }
        let next = self.derive_uncached(id, byte);
        if !interrupt::is_over() {
            self.rows[slot] = next.0;
        }
        next
    }

    /// Optional characters before something else, such as whitespace before a value: a byte belongs to one of the two.
    /// The engine steps through each such state once or twice, so rows do not pay.
    fn derive_spaced(&mut self, head: LangId, tail: LangId, byte: u8) -> Option<LangId> {
        let Expr::Repeat(space, 0, max) = *self.expr(head) else { return None };
        if !matches!(self.expr(space), Expr::Chars(_)) {
            return None;
        }
        match self.derive(space, byte) {
            LangId::NEVER => Some(self.derive(tail, byte)),
            LangId::EMPTY if !self.first_bytes_of_leaf(tail)?.contains(byte) => {
                let rest = self.repeat(space, 0, if max == UNBOUNDED { max } else { max - 1 });
                Some(self.concat(rest, tail))
            }
            _ => None,
        }
    }

    fn derive_uncached(&mut self, id: LangId, byte: u8) -> LangId {
        interrupt::spend(1);
        match self.exprs[id.index()].clone() {
            Expr::Never | Expr::Empty => LangId::NEVER,
            Expr::All => LangId::ALL,
            Expr::Chars(node) => match self.chars.step(node, byte) {
                None => LangId::NEVER,
                Some(super::chars::DONE) => LangId::EMPTY,
                Some(next) => self.intern(Expr::Chars(next)),
            },
            Expr::Literals { set, lo, hi, depth } => {
                match self.literals[set as usize].step(lo, hi, depth, byte) {
                    None => LangId::NEVER,
                    Some((lo, hi)) => {
                        let only_end = hi - lo == 1 && {
                            let (bytes, label) = self.literals[set as usize].get(lo);
                            bytes.len() == depth as usize + 1 && label == super::UNLABELLED
                        };
                        if only_end {
                            LangId::EMPTY
                        } else {
                            self.intern(Expr::Literals { set, lo, hi, depth: depth + 1 })
                        }
                    }
                }
            }
            Expr::Concat(..) => {
                // A loop along the chain of nullable heads, so that `a?a?a?…` does not recurse.
                let mut alternatives = Vec::new();
                let mut at = id;
                loop {
                    let Expr::Concat(head, tail) = *self.expr(at) else {
                        alternatives.push(self.derive(at, byte));
                        break;
                    };
                    let derived = self.derive(head, byte);
                    alternatives.push(self.concat(derived, tail));
                    if !self.is_nullable(head) {
                        break;
                    }
                    at = tail;
                }
                self.union(&alternatives)
            }
            Expr::Union(parts) => {
                let parts: Vec<LangId> = parts.iter().map(|&p| self.derive(p, byte)).collect();
                self.union(&parts)
            }
            Expr::Inter(parts) => {
                let mut derived = Vec::with_capacity(parts.len());
                for &part in parts.iter() {
                    let part = self.derive(part, byte);
                    if part == LangId::NEVER {
                        return LangId::NEVER;
                    }
                    derived.push(part);
                }
                self.inter(&derived)
            }
            Expr::Not(body) => {
                let body = self.derive(body, byte);
                self.not(body)
            }
            Expr::Repeat(body, min, max) => {
                let derived = self.derive(body, byte);
                if derived == LangId::NEVER {
                    return LangId::NEVER;
                }
                let rest =
                    self.repeat(body, min.saturating_sub(1), if max == UNBOUNDED { max } else { max - 1 });
                self.concat(derived, rest)
            }
            Expr::Json { inner, mode, escapes } => {
                if mode == JsonMode::Closed {
                    return LangId::NEVER;
                }
                self.derive_json(inner, mode, escapes, byte)
            }
            Expr::Machine { machine, state } => match self.machines[machine as usize].0.step(state, byte) {
                None => LangId::NEVER,
                Some(state) => self.intern(Expr::Machine { machine, state }),
            },
            Expr::Unknown(equation) => {
                let definition = self.equations[equation as usize].definition;
                self.derive(definition, byte)
            }
        }
    }
}
