//! Expressions that solve equations, such as `X = ε ∪ (¬(mode·Σ*) ∩ Σ·X)`.
//!
//! In `(a(?=b|c)|b|c)*` each round looks ahead into the text of the next round. Such a star cannot
//! be written piece by piece as an expression over `∪ ∩ ¬ ·` and `*`, because the rounds are not
//! independent. As an equation over languages it is one line. An unknown is an expression like any
//! other. Its derivative is the derivative of its definition, so that walking an unknown solves its
//! equations as far as the walk goes.
//!
//! An equation must be *guarded*: its definition reaches an unknown only after at least one byte.
//! `X = ε ∪ a·X` is guarded and `X = ε ∪ X·a` is not. Guarded equations have exactly one solution,
//! even with `∩` and `¬`, and it is regular.
//!
//! Source: J. Brzozowski, E. Leiss, *On equations for regular languages, finite automata, and
//! sequential networks* (1980).

use super::expr::{Expr, LangId};
use super::expr_pool::{Equation, ExprPool};
use hashbrown::HashSet;

impl ExprPool {
    /// The unknown named `key`, and `true` if it has no definition yet. The caller must then
    /// [`define`](Self::define) it before anything that mentions it is stepped.
    ///
    /// The caller promises that two unknowns with the same key have the same solution, in every
    /// pool of the process. `nullable` is true if the empty word belongs to the solution. All words
    /// of the solution must be UTF-8 text.
    pub(crate) fn unknown(&mut self, key: u128, nullable: bool) -> (LangId, bool) {
        let new = Equation { key, nullable, definition: LangId::NEVER, defined: false, rounds: None };
        let id = self.unknown_of(new);
        let Expr::Unknown(equation) = *self.expr(id) else { return (id, false) };
        (id, !self.equations[equation as usize].defined)
    }

    /// The unknown of an equation. If the pool has one with its key, that one.
    pub(super) fn unknown_of(&mut self, new: Equation) -> LangId {
        // The fingerprint of an unknown is made from its key alone, so interning finds an older
        // one.
        self.equations.push(new);
        let id = self.intern(Expr::Unknown(self.equations.len() as u32 - 1));
        if let Expr::Unknown(equation) = *self.expr(id)
            && (equation as usize + 1) < self.equations.len()
        {
            self.equations.pop();
        }
        id
    }

    /// Gives `unknown` its definition.
    pub(crate) fn define(&mut self, unknown: LangId, definition: LangId) {
        if let Expr::Unknown(equation) = *self.expr(unknown) {
            let equation = &mut self.equations[equation as usize];
            equation.definition = definition;
            equation.defined = true;
            self.info[unknown.index()].depth = self.depth(definition) + 1;
        }
    }

    /// The common refinement of the partitions of all leaves below an unknown and its definition.
    pub(super) fn partition_of_unknown(&mut self, unknown: LangId) -> u32 {
        let mut joined = 0;
        let mut seen: HashSet<LangId> = HashSet::new();
        let mut stack = vec![unknown];
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.expr(id) {
                Expr::Unknown(equation) if self.equations[*equation as usize].rounds.is_none() => {
                    stack.push(self.equations[*equation as usize].definition)
                }
                Expr::Concat(a, b) => stack.extend([*a, *b]),
                Expr::Union(parts) | Expr::Inter(parts) => stack.extend_from_slice(parts),
                Expr::Not(a) | Expr::Repeat(a, ..) => stack.push(*a),
                // Leaves. The language inside a JSON spelling is built before the spelling and
                // mentions no unknown without a definition.
                _ => {
                    let leaf = self.partition(id);
                    joined = self.partitions.join(joined, leaf);
                }
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::super::fingerprint::Fingerprinter;
    use super::*;

    #[test]
    fn a_guarded_equation_is_solved_by_walking_it() {
        // X = ε ∪ a·(¬(b·Σ*) ∩ X) ∪ b·X: words over {a,b} without "ab".
        let mut pool = ExprPool::new();
        let (x, new) = pool.unknown(Fingerprinter::new(77).finish(), true);
        assert!(new);
        let (a, b, text) = (pool.bytes(b"a"), pool.bytes(b"b"), pool.any_text());
        let b_first = pool.concat(b, text);
        let not_b = pool.not(b_first);
        let rest = pool.inter(&[not_b, x]);
        let (one, two) = (pool.concat(a, rest), pool.concat(b, x));
        let definition = pool.union(&[LangId::EMPTY, one, two]);
        pool.define(x, definition);
        assert_eq!(pool.unknown(Fingerprinter::new(77).finish(), true), (x, false));
        for (word, holds) in [("", true), ("bbaa", true), ("ab", false), ("baab", false), ("c", false)] {
            assert_eq!(pool.accepts(x, word.as_bytes()), holds, "{word}");
        }
        assert_eq!(pool.step_bytes(x, b"ab"), LangId::NEVER);
        assert_eq!(pool.step_bytes(x, b"b"), x);
    }
}
