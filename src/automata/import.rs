//! Copying a language from one pool into another.
//!
//! Languages that many pools need, such as the formats of JSON Schema, are built once in the
//! process and copied into the pools that use them. Fingerprints mean the same in every pool. A
//! part that the pool has already is found by its fingerprint. A part that it lacks becomes one
//! entry with the properties that the other pool knows. Nothing is simplified, compiled or searched
//! again. Transitions are not copied, because most of them are never asked for.

use super::expr::{Expr, LangId, Row, UNRESOLVED, UNSTEPPED};
use super::expr_pool::{ExprPool, Loop};
use hashbrown::HashMap;
use std::sync::Arc;

/// The numbers that parts of the other pool have in this pool.
#[derive(Default)]
struct Copied {
    exprs: HashMap<LangId, LangId>,
    chars: HashMap<u32, u32>,
    partitions: HashMap<u32, u32>,
}

impl ExprPool {
    /// Copies the language `id` of the pool `other` into this pool. The time it takes grows with
    /// the size of the expression.
    ///
    /// ```
    /// use hedgerow::automata::regex::{compile, Anchoring, Dialect};
    /// use hedgerow::automata::ExprPool;
    /// let (mut one, mut other) = (ExprPool::new(), ExprPool::new());
    /// let word = compile(&mut one, r"\p{L}{3,9}", Dialect::Rust, Anchoring::Full).unwrap();
    /// let copy = other.import(&one, word);
    /// assert!(other.accepts(copy, "größe".as_bytes()) && !other.accepts(copy, b"a b"));
    /// ```
    pub fn import(&mut self, other: &ExprPool, id: LangId) -> LangId {
        let mut copied = Copied::default();
        // Unknowns whose definitions are still to be copied. A definition may mention its unknown,
        // so it is copied after it.
        let mut unknowns: Vec<LangId> = Vec::new();
        let here = self.import_expr(other, id, &mut copied, &mut unknowns);
        while let Some(unknown) = unknowns.pop() {
            if let Expr::Unknown(equation) = *other.expr(unknown) {
                let definition = other.equations[equation as usize].definition;
                let definition = self.import_expr(other, definition, &mut copied, &mut unknowns);
                self.define(copied.exprs[&unknown], definition);
            }
        }
        here
    }

    /// Copies a loop. It is defined here when it is asked for here.
    fn import_loop(&mut self, there: &Loop, after: Row, nullable: bool) -> LangId {
        let Loop { kind, min, max, context, family, .. } = *there;
        let body = there.body.clone();
        self.loop_language(Loop { body, kind, min, max, after, context, family }, nullable)
    }

    /// Adds the parts of an expression, which are copied before it.
    fn push_parts(&self, id: LangId, stack: &mut Vec<(LangId, bool)>) {
        match self.expr(id) {
            Expr::Concat(a, b) => stack.extend([(*a, false), (*b, false)]),
            Expr::Union(parts) | Expr::Inter(parts) => stack.extend(parts.iter().map(|&p| (p, false))),
            Expr::Not(a) | Expr::Repeat(a, ..) | Expr::Json { inner: a, .. } => stack.push((*a, false)),
            Expr::Unknown(_) => {
                if let Some(of) = self.loop_of(id) {
                    stack.extend(of.after.iter().map(|&after| (after, false)));
                }
            }
            _ => {}
        }
    }

    /// Copies an expression, its parts first. A list of work replaces recursion, since chains of
    /// concatenations may be long.
    fn import_expr(
        &mut self,
        other: &ExprPool,
        root: LangId,
        copied: &mut Copied,
        unknowns: &mut Vec<LangId>,
    ) -> LangId {
        let mut stack = vec![(root, false)];
        while let Some((id, parts_are_here)) = stack.pop() {
            if copied.exprs.contains_key(&id) {
                continue;
            }
            if let Some(known) = self.with_fingerprint(other.fingerprint(id)) {
                copied.exprs.insert(id, known);
                continue;
            }
            if !parts_are_here {
                stack.push((id, true));
                other.push_parts(id, &mut stack);
                continue;
            }
            let of = |part: &LangId| copied.exprs[part];
            let sorted = |parts: &[LangId]| -> Arc<[LangId]> {
                let mut parts: Vec<LangId> = parts.iter().map(of).collect();
                parts.sort_unstable();
                parts.into()
            };
            let expr = match other.expr(id) {
                Expr::Concat(a, b) => Expr::Concat(of(a), of(b)),
                Expr::Union(parts) => Expr::Union(sorted(parts)),
                Expr::Inter(parts) => Expr::Inter(sorted(parts)),
                Expr::Not(a) => Expr::Not(of(a)),
                Expr::Repeat(a, min, max) => Expr::Repeat(of(a), *min, *max),
                Expr::Json { inner, mode, escapes } => {
                    Expr::Json { inner: of(inner), mode: *mode, escapes: *escapes }
                }
                Expr::Chars(node) => Expr::Chars(self.chars.import(&other.chars, *node, &mut copied.chars)),
                Expr::Literals { set, lo, hi, depth } => {
                    let set = self.literals.intern(other.literal_set(*set));
                    Expr::Literals { set, lo: *lo, hi: *hi, depth: *depth }
                }
                Expr::Machine { machine, state } => {
                    let (there, key) = (other.machines.get(*machine), other.machines.key(*machine));
                    Expr::Machine { machine: self.machines.intern(there.clone(), key), state: *state }
                }
                Expr::Unknown(equation) => {
                    let equation = &other.equations[*equation as usize];
                    if let Some(there) = &equation.rounds {
                        let after = there.after.iter().map(of).collect();
                        let unknown = self.import_loop(there, after, equation.nullable);
                        self.info[unknown.index()].liveness = other.info[id.index()].liveness;
                        copied.exprs.insert(id, unknown);
                        continue;
                    }
                    let (unknown, undefined) = self.unknown(equation.key, equation.nullable);
                    if undefined {
                        unknowns.push(id);
                    }
                    copied.exprs.insert(id, unknown);
                    continue;
                }
                // Every pool has these.
                expr @ (Expr::Never | Expr::Empty | Expr::All) => expr.clone(),
            };
            let mut info = other.info[id.index()];
            info.row = UNSTEPPED;
            if info.partition != UNRESOLVED {
                let there = info.partition;
                info.partition = *copied
                    .partitions
                    .entry(there)
                    .or_insert_with(|| self.partitions.intern_ref(other.partitions.get(there)));
            }
            copied.exprs.insert(id, self.add(expr, info));
        }
        copied.exprs[&root]
    }
}

#[cfg(test)]
mod tests {
    use super::super::regex::{Anchoring, Dialect, compile};
    use super::super::{Escapes, UNLABELLED};
    use super::*;

    #[test]
    fn a_copy_is_the_same_language_with_the_same_facts() {
        let mut other = ExprPool::new();
        let mut languages: Vec<LangId> = [
            r"^(?:a(?!b)|b|\p{Greek}){2,5}$",
            r"\bword\b",
            r"^(?=.*[0-9])(?!admin$).{3,20}$",
            r"(?:a|ab)(?:c|bcd)(?:d*)",
            r"^(?:(?!ab).)*$",
        ]
        .iter()
        .map(|p| compile(&mut other, p, Dialect::Ecma262, Anchoring::Search).unwrap())
        .collect();
        let words = other.literals([&b"one"[..], b"two"].map(|w| (w.to_vec(), UNLABELLED)));
        let not = other.not(words);
        languages.push(other.json_string(not, Escapes::Any));
        let texts = ["", "ab", "a word", "admin", "αβγ", "a1b", "abcd", "bbaa", r#""one""#, r#""\u006fnE""#];
        for id in languages {
            // Some transitions and partitions are known there, some are not.
            other.step(id, b'a');
            let mut pool = ExprPool::new();
            pool.bytes(b"so that ids differ");
            let copy = pool.import(&other, id);
            assert_eq!(pool.fingerprint(copy), other.fingerprint(id));
            assert_eq!(pool.import(&other, id), copy);
            for text in texts {
                let (here, there) =
                    (pool.step_bytes(copy, text.as_bytes()), other.step_bytes(id, text.as_bytes()));
                assert_eq!(pool.fingerprint(here), other.fingerprint(there), "{text}");
                assert_eq!(pool.is_nullable(here), other.is_nullable(there), "{text}");
            }
            // Copying back finds what is there.
            let len = other.len();
            assert_eq!((other.import(&pool, copy), other.len()), (id, len));
        }
    }
}
