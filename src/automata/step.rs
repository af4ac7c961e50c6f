//! Transitions: the derivative of an expression by one byte, memoised by byte class. The derivative
//! of `ab|ac` by `a` is `b|c`.

use super::chars::DONE;
use super::expr::{Expr, JsonMode, LangId, Liveness, UNSTEPPED};
use super::expr_pool::ExprPool;
use super::{UNBOUNDED, UNLABELLED};

/// The ways in which optional characters, and the language after them, can read a byte.
enum Spaced {
    /// The byte can only belong to what follows.
    Skips,
    /// The byte can only belong to the characters, and leads to this state.
    Reads(LangId),
    /// The byte may belong to either, or the head is something else.
    Both,
}

impl ExprPool {
    /// The state after `byte`: the language of the texts that may follow. It is [`LangId::NEVER`]
    /// if no word continues with `byte`. While the pool is [sound](ExprPool::is_sound), it is
    /// `NEVER` only then. Mostly a table look-up.
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

    /// True if `word` belongs to the language.
    pub fn accepts(&mut self, id: LangId, word: &[u8]) -> bool {
        let end = self.step_bytes(id, word);
        self.is_nullable(end)
    }

    /// The derivative by `byte`, which may have no word without being [`LangId::NEVER`].
    pub(crate) fn derive(&mut self, mut id: LangId, byte: u8) -> LangId {
        while let Expr::Concat(head, tail) = self.exprs[id.index()] {
            match self.read_spaced(head, tail, byte) {
                Spaced::Skips => id = tail,
                Spaced::Reads(next) => return next,
                Spaced::Both => break,
            }
        }
        // Leaves whose derivatives take constant time keep no row.
        match self.exprs[id.index()] {
            Expr::Never | Expr::Empty => return LangId::NEVER,
            Expr::All => return LangId::ALL,
            Expr::Chars(_) | Expr::Literals { .. } => return self.derive_uncached(id, byte),
            // A language that excludes some keys has states of its own for each of them, and most
            // are left after a byte or two.
            Expr::Inter(ref parts) if parts.iter().any(|&p| self.is_other_than_literals(p)) => {
                return self.derive_uncached(id, byte);
            }
            Expr::Json { inner, .. } => {
                if let Expr::Inter(ref parts) = *self.expr(inner)
                    && parts.iter().any(|&p| self.is_other_than_literals(p))
                {
                    return self.derive_uncached(id, byte);
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
        if self.is_sound() {
            self.rows[slot] = next.0;
        }
        next
    }

    /// Handles optional characters before something else, such as whitespace before a value. Mostly
    /// a byte can belong to only one of the two. The engine steps through such states only once or
    /// twice, so a row of transitions would not pay.
    fn read_spaced(&mut self, head: LangId, tail: LangId, byte: u8) -> Spaced {
        let Expr::Repeat(space, 0, max) = *self.expr(head) else { return Spaced::Both };
        let Expr::Chars(node) = *self.expr(space) else { return Spaced::Both };
        match self.chars.step(node, byte) {
            None => Spaced::Skips,
            Some(DONE) if self.first_bytes_of_leaf(tail).is_some_and(|first| !first.contains(byte)) => {
                let rest = self.repeat(space, 0, if max == UNBOUNDED { max } else { max - 1 });
                Spaced::Reads(self.concat(rest, tail))
            }
            Some(_) => Spaced::Both,
        }
    }

    fn derive_uncached(&mut self, id: LangId, byte: u8) -> LangId {
        if !self.work(1) {
            return LangId::NEVER;
        }
        match self.exprs[id.index()].clone() {
            Expr::Never | Expr::Empty => LangId::NEVER,
            Expr::All => LangId::ALL,
            Expr::Chars(node) => match self.chars.step(node, byte) {
                None => LangId::NEVER,
                Some(DONE) => LangId::EMPTY,
                Some(next) => self.intern(Expr::Chars(next)),
            },
            Expr::Literals { set, lo, hi, depth } => self.derive_literals(set, (lo, hi), depth, byte),
            Expr::Concat(..) => self.derive_chain(id, byte),
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
            Expr::Machine { machine, state } => match self.machines.get(machine).step(state, byte) {
                None => LangId::NEVER,
                Some(state) => self.intern(Expr::Machine { machine, state }),
            },
            Expr::Unknown(equation) => {
                let Some(definition) = self.definition(equation) else { return LangId::NEVER };
                self.derive(definition, byte)
            }
        }
    }

    fn derive_literals(&mut self, set: u32, (lo, hi): (u32, u32), depth: u32, byte: u8) -> LangId {
        let literals = &self.literals.get(set);
        let Some((lo, hi)) = literals.step(lo, hi, depth, byte) else { return LangId::NEVER };
        let (bytes, label) = literals.get(lo);
        if hi - lo == 1 && bytes.len() == depth as usize + 1 && label == UNLABELLED {
            return LangId::EMPTY;
        }
        self.intern(Expr::Literals { set, lo, hi, depth: depth + 1 })
    }

    /// The derivative of a concatenation. A loop follows the chain of nullable heads, so that
    /// `a?b?c?…` does not recurse.
    fn derive_chain(&mut self, id: LangId, byte: u8) -> LangId {
        let mut alternatives = Vec::new();
        let mut at = id;
        loop {
            let Expr::Concat(head, tail) = *self.expr(at) else {
                alternatives.push(self.derive(at, byte));
                break;
            };
            self.work(1);
            let derived = self.derive(head, byte);
            alternatives.push(self.concat(derived, tail));
            if !self.is_nullable(head) {
                break;
            }
            at = tail;
        }
        self.union(&alternatives)
    }
}
