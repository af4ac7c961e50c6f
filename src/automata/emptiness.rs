//! Does an expression have a word? Needed for `∩` and `¬` only; everything else has one by construction.
//!
//! A best-first search over derivatives, one byte per class, that stops at the first accepting (or already decided)
//! state. What is explored first is the state with the smallest lower bound on the bytes left, and among equals the
//! oldest: breadth where nothing is known, straight ahead through long counted runs. All states on the path found
//! are live; if the search runs dry, all states seen are dead. Both outcomes are kept, so that the work of a pool is
//! bounded by its states, and by a budget beyond that.

use super::facts::Liveness;
use super::languages::{LangId, Languages};
use hashbrown::HashSet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
        // Found states, each with the index of the one it was found from.
        let mut found: Vec<(LangId, usize)> = vec![(root, 0)];
        let mut seen: HashSet<LangId> = HashSet::from([root]);
        let mut queue = BinaryHeap::from([Reverse((0, 0))]);
        while let Some(Reverse((_, at))) = queue.pop() {
            let state = found[at].0;
            let bytes = self.byte_classes(state).representatives().to_vec();
            for byte in bytes {
                let next = self.derive(state, byte);
                match self.info[next.index()].liveness {
                    Liveness::Dead => continue,
                    Liveness::Live => {
                        self.mark_path(&found, at);
                        return true;
                    }
                    Liveness::Unknown => {}
                }
                if !seen.insert(next) {
                    continue;
                }
                if self.search_budget == 0 {
                    self.exhausted = true;
                    return true;
                }
                self.search_budget -= 1;
                queue.push(Reverse((self.info[next.index()].at_least, found.len())));
                found.push((next, at));
            }
        }
        for state in seen {
            self.info[state.index()].liveness = Liveness::Dead;
        }
        false
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
