//! Does an expression have a word? Needed for `∩` and `¬` only; everything else has one by construction.
//!
//! A best-first search over derivatives, one byte per class, that stops at the first accepting (or already decided)
//! state. What is explored first is the state with the smallest lower bound on the bytes left, and among equals the
//! oldest: breadth where nothing is known, straight ahead through long counted runs. All states on the path found
//! are live; if the search runs dry, all states seen are dead. Both outcomes are kept, so that the work of a pool is
//! bounded by its states, and by a budget beyond that.
//!
//! That there is no word can take long to find out where a machine has many states that differ in little: times of day with
//! a leap second in sight. A search that goes on for long is tried over wider states first ([`Machine::wider`]).
//!
//! [`Machine::wider`]: super::machine::Machine::wider

use super::facts::Liveness;
use super::interrupt;
use super::languages::{Expr, LangId, Languages};
use hashbrown::HashSet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// States found before it is asked whether wider ones would be fewer.
const BRIEF: usize = 256;

/// How to search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    /// Only among the first states.
    Brief,
    /// Among wider states: finding a word there says nothing, finding none says that there is none.
    Widened,
    Exact,
}

impl Languages {
    /// Whether the language has no word. Exact until the search budget is spent
    /// ([`exhausted`](Languages::exhausted)); then undecided languages are taken to have one.
    pub fn is_never(&mut self, id: LangId) -> bool {
        match self.info[id.index()].liveness {
            Liveness::Live => false,
            Liveness::Dead => true,
            Liveness::Unknown => !self.search_word(id),
        }
    }

    fn search_word(&mut self, root: LangId) -> bool {
        if let Some(has_word) = self.search(root, Search::Brief) {
            return has_word;
        }
        if self.search(root, Search::Widened) == Some(false) {
            return false;
        }
        self.search(root, Search::Exact).unwrap_or(true)
    }

    /// `None` when the search was given up.
    fn search(&mut self, root: LangId, how: Search) -> Option<bool> {
        // Found states, each with the index of the one it was found from.
        let mut found: Vec<(LangId, usize)> = vec![(root, 0)];
        let mut seen: HashSet<LangId> = HashSet::from([root]);
        let mut queue = BinaryHeap::from([Reverse((0, 0))]);
        let mut is_wider = false;
        while let Some(Reverse((_, at))) = queue.pop() {
            let state = found[at].0;
            let bytes = self.byte_classes(state).representatives().to_vec();
            for byte in bytes {
                let mut next = self.derive(state, byte);
                if how == Search::Widened {
                    if let Some(wider) = self.widened(next) {
                        is_wider = true;
                        next = wider;
                    }
                }
                // What is derived when the work is over may be wrong, and so must decide nothing.
                if interrupt::check().is_err() {
                    return Some(true);
                }
                match self.info[next.index()].liveness {
                    Liveness::Dead => continue,
                    Liveness::Live if is_wider => return None,
                    Liveness::Live => {
                        self.mark_path(&found, at);
                        return Some(true);
                    }
                    Liveness::Unknown => {}
                }
                if !seen.insert(next) {
                    continue;
                }
                match how {
                    Search::Brief if found.len() > BRIEF => return None,
                    // Nothing is wider, so that nothing is gained over the exact search.
                    Search::Widened if found.len() > BRIEF && !is_wider => return None,
                    _ => {}
                }
                if self.search_budget == 0 {
                    self.exhausted = true;
                    return Some(true);
                }
                self.search_budget -= 1;
                queue.push(Reverse((self.info[next.index()].at_least, found.len())));
                found.push((next, at));
            }
        }
        for state in seen {
            self.info[state.index()].liveness = Liveness::Dead;
        }
        Some(false)
    }

    /// A language with all words of `id` that has fewer states: with the wider state of a machine in it.
    fn widened(&mut self, id: LangId) -> Option<LangId> {
        let wider = |pool: &Self, part: LangId| match *pool.expr(part) {
            Expr::Machine { machine, state } => {
                let state = pool.machines[machine as usize].0.wider(state)?;
                Some(Expr::Machine { machine, state })
            }
            _ => None,
        };
        match self.expr(id) {
            Expr::Machine { .. } => wider(self, id).map(|expr| self.intern(expr)),
            Expr::Inter(parts) => {
                let mut parts = parts.to_vec();
                let mut changed = false;
                for part in &mut parts {
                    if let Some(expr) = wider(self, *part) {
                        *part = self.intern(expr);
                        changed = true;
                    }
                }
                changed.then(|| self.inter(&parts))
            }
            _ => None,
        }
    }

    fn mark_path(&mut self, found: &[(LangId, usize)], mut at: usize) {
        loop {
            let (state, from) = found[at];
            self.info[state.index()].liveness = Liveness::Live;
            if at == 0 {
                return;
            }
            at = from;
        }
    }
}
