//! Does an expression have a word? Needed for `∩` and `¬` only; everything else has one by construction.
//!
//! A depth-first search over derivatives, one byte per class, that stops at the first accepting (or already
//! decided) state. All states on the path found are live; if the search runs dry, all states seen are dead. Both
//! outcomes are kept, so that the work of a pool is bounded by its states, and by a budget beyond that.

use super::languages::{LangId, Languages, Liveness};
use hashbrown::HashSet;

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
        // Each frame is a state and its derivatives not looked at yet.
        let mut path: Vec<(LangId, Vec<u8>)> = Vec::new();
        let mut seen: HashSet<LangId> = HashSet::new();
        let bytes = self.byte_classes(root).representatives().to_vec();
        path.push((root, bytes));
        seen.insert(root);
        while let Some((state, bytes)) = path.last_mut() {
            let state = *state;
            let Some(byte) = bytes.pop() else {
                path.pop();
                continue;
            };
            let next = self.derive(state, byte);
            match self.info[next.index()].liveness {
                Liveness::Dead => continue,
                Liveness::Live => {
                    for (on_path, _) in &path {
                        self.info[on_path.index()].liveness = Liveness::Live;
                    }
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
            let bytes = self.byte_classes(next).representatives().to_vec();
            path.push((next, bytes));
        }
        for state in seen {
            self.info[state.index()].liveness = Liveness::Dead;
        }
        false
    }
}
