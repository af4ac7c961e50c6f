//! The decision if an expression has a word. Only `∩` and `¬` need it, since every other expression
//! has one by construction.
//!
//! It is a best-first search over derivatives, with one byte of each class, that stops at the first
//! state that accepts or is known to have a word. It tries first the state with the fewest bytes to
//! go, and among equals the oldest. So if distances to an end are known, the search goes straight
//! to the end; otherwise it goes in breadth. The bytes of a state are tried one after the other. If
//! a byte leads nearer to an end, its state is followed before other bytes are tried.
//!
//! If the search finds a word, every state on the way to it has a word. If it ends without one, no
//! state that it met has a word. Both are remembered. So each state of a pool is searched once, and
//! a budget bounds the number of states.
//!
//! A proof that there is no word can take long. Counted lengths multiply the states, so after a
//! while the search is tried without them ([`lengths`](super::lengths)), and then without any large
//! counts. For example, no second `/` can come in the domain of a mail address, however long it is.
//! Some machines have many states that hardly differ, such as times of day before a possible leap
//! second. For these the search first uses fewer, wider states ([`Machine::wider`]). In other
//! machines many states contain the words of one common state ([`Machine::narrower`]). If that one
//! has a word, all of them have one.

use super::UNBOUNDED;
use super::expr::{Expr, LangId, Liveness};
use super::expr_pool::ExprPool;
use super::machine::Machine;
use hashbrown::HashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The states that a brief search finds without coming nearer to an end, before other ways to
/// decide are tried.
const BRIEF: usize = 512;

/// The largest count that a search without large counts keeps.
const SMALL: u32 = 8;
/// The most parts of an expression whose large counts are left out.
const MAX_PARTS: usize = 2_048;
/// The depth to which large counts are left out.
const MAX_DEPTH: u32 = 40;

/// The ways to search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    /// The search is given up if it comes no nearer to an end for a while. The distance to an end
    /// is that of all parts of an intersection but the farthest one. So beside an exact length,
    /// only bytes that complete other parts come nearer.
    BriefButFarthest,
    /// A search as brief, with the distance estimated as if the parts of an intersection were
    /// completed one after the other.
    BriefInTurn,
    /// The same, but the distance is estimated as if the parts were completed at the same time.
    BriefAtOnce,
    /// Wider states are searched. If they have no word, the language has none. A word of a wider
    /// state proves nothing.
    Widened,
    /// All states are searched, with the estimate of `BriefAtOnce`. This finds a mailbox at an
    /// internationalized host name (`idn-email`) much sooner than the other estimate.
    Exact,
}

impl ExprPool {
    /// True if the language has no word. The answer is exact while the pool is
    /// [sound](ExprPool::is_sound). Otherwise undecided languages count as having one.
    pub fn is_never(&mut self, id: LangId) -> bool {
        match self.info[id.index()].liveness {
            Liveness::Live => false,
            Liveness::Dead => true,
            Liveness::Unknown => self.is_sound() && !self.search_word(id),
        }
    }

    fn search_word(&mut self, root: LangId) -> bool {
        if let Some(narrower) = self.narrowed(root)
            && !self.is_never(narrower)
        {
            return self.conclude(root, true);
        }
        let counted = self.uncounted(root);
        if let Some(counted) = counted {
            let known = self.known_by_length(counted);
            if let Some(has_word) = known.or_else(|| self.is_long_enough(counted).then_some(true)) {
                return self.conclude(root, has_word);
            }
        }
        if let Some(has_word) = self.search(root, Search::BriefButFarthest) {
            return has_word;
        }
        if let Some(counted) = counted {
            let mut has_word = self.known_by_length(counted);
            if has_word.is_none() && self.may_be_shortest(counted) {
                has_word = self.decide_by_shortest(counted);
            }
            if let Some(has_word) = has_word {
                return self.conclude(root, has_word);
            }
        }
        if self.is_never_without_counts(root) {
            return self.conclude(root, false);
        }
        for how in [Search::BriefInTurn, Search::BriefAtOnce, Search::Widened] {
            match self.search(root, how) {
                Some(true) if how == Search::Widened => {}
                Some(has_word) => return has_word,
                None => {}
            }
        }
        if let Some(counted) = counted {
            let has_word = self.decide_by_shortest(counted).or_else(|| self.decide_by_length(counted));
            if let Some(has_word) = has_word {
                return self.conclude(root, has_word);
            }
        }
        self.search(root, Search::Exact).unwrap_or(true)
    }

    /// True if the language evidently has no word even without large counts.
    fn is_never_without_counts(&mut self, id: LangId) -> bool {
        let wider = self.without_counts(id, 0, &mut HashMap::new());
        wider != id
            && match self.info[wider.index()].liveness {
                Liveness::Dead => true,
                Liveness::Live => false,
                Liveness::Unknown => self.search(wider, Search::BriefAtOnce) == Some(false),
            }
    }

    /// A language with all words of `id`, in which a repetition with a large count has any number
    /// of rounds.
    fn without_counts(&mut self, id: LangId, depth: u32, done: &mut HashMap<LangId, LangId>) -> LangId {
        if depth > MAX_DEPTH || done.len() > MAX_PARTS || !self.work(1) {
            return id;
        }
        if self.largest_count(id) <= SMALL {
            return id;
        }
        if let Some(&known) = done.get(&id) {
            return known;
        }
        let wider = match self.expr(id).clone() {
            Expr::Repeat(body, min, max) => {
                let body = self.without_counts(body, depth + 1, done);
                let is_large = |count| count != UNBOUNDED && count > SMALL;
                match is_large(min) || is_large(max) {
                    true => self.repeat(body, min.min(1), UNBOUNDED),
                    false => self.repeat(body, min, max),
                }
            }
            Expr::Concat(head, tail) => {
                let [head, tail] = [head, tail].map(|part| self.without_counts(part, depth + 1, done));
                self.concat(head, tail)
            }
            Expr::Union(parts) => {
                let parts: Vec<LangId> =
                    parts.iter().map(|&part| self.without_counts(part, depth + 1, done)).collect();
                self.union(&parts)
            }
            Expr::Inter(parts) => {
                let parts: Vec<LangId> =
                    parts.iter().map(|&part| self.without_counts(part, depth + 1, done)).collect();
                self.inter(&parts)
            }
            Expr::Json { inner, mode, escapes } => {
                let inner = self.without_counts(inner, depth + 1, done);
                self.json(inner, mode, escapes)
            }
            Expr::Unknown(_) => match self.loop_of(id).cloned() {
                Some(of) => {
                    let after = of.after.iter().map(|&part| self.without_counts(part, depth + 1, done));
                    let after = after.collect();
                    self.loop_without_counts(&of, SMALL, &after).unwrap_or(id)
                }
                None => id,
            },
            // A complement of more words has fewer.
            _ => id,
        };
        done.insert(id, wider);
        wider
    }

    fn conclude(&mut self, id: LangId, has_word: bool) -> bool {
        // An answer that was cut short says nothing.
        if self.is_sound() {
            self.info[id.index()].liveness = if has_word { Liveness::Live } else { Liveness::Dead };
        }
        has_word
    }

    /// Searches for a word. `None` if the search was given up.
    fn search(&mut self, root: LangId, how: Search) -> Option<bool> {
        let mut found: Vec<LangId> = vec![root];
        let mut place: HashMap<LangId, usize> = HashMap::from_iter([(root, 0)]);
        // The edges between states, by their places in `found`.
        let mut edges: Vec<(usize, usize)> = Vec::new();
        // The states with bytes left to try: their distance from an end, their place and the number
        // of the next byte.
        let mut queue = BinaryHeap::from([Reverse((0u64, 0usize, 0usize))]);
        let mut is_wider = false;
        // The least distance from an end so far, and the number of states when it was found.
        let mut nearest = (u64::MAX, 0);
        while let Some(Reverse((distance, at, nth))) = queue.pop() {
            let state = found[at];
            let before = self.spent();
            let Some(&byte) = self.byte_classes(state).representatives().get(nth) else { continue };
            queue.push(Reverse((distance, at, nth + 1)));
            let mut next = self.derive(state, byte);
            if how == Search::Widened
                && let Some(wider) = self.widened(next)
            {
                is_wider = true;
                next = wider;
            }
            // A step that was cut short says nothing.
            if !self.is_sound() {
                return Some(true);
            }
            match self.decided(next, how) {
                Liveness::Dead => continue,
                Liveness::Live if is_wider => return None,
                Liveness::Live => {
                    self.mark_live(&found, at, edges);
                    return Some(true);
                }
                Liveness::Unknown => {}
            }
            if let Some(&known) = place.get(&next) {
                edges.push((at, known));
                continue;
            }
            match how {
                Search::BriefButFarthest | Search::BriefInTurn | Search::BriefAtOnce
                    if found.len() - nearest.1 > BRIEF =>
                {
                    return None;
                }
                // No state was widened, so that nothing is gained over the exact search.
                Search::Widened if found.len() > BRIEF && !is_wider => return None,
                _ => {}
            }
            if !self.pay_for_state(next, before) {
                return Some(true);
            }
            edges.push((at, found.len()));
            let distance = match how {
                Search::BriefAtOnce | Search::Exact => self.at_least(next).into(),
                Search::BriefButFarthest => self.distance_but_farthest(next),
                Search::BriefInTurn | Search::Widened => self.distance(next).into(),
            };
            if distance < nearest.0 {
                nearest = (distance, found.len());
            }
            queue.push(Reverse((distance, found.len(), 0)));
            place.insert(next, found.len());
            found.push(next);
        }
        for state in found {
            self.info[state.index()].liveness = Liveness::Dead;
        }
        Some(false)
    }

    /// The liveness of a state that a search has come to, as far as it is known.
    fn decided(&mut self, id: LangId, how: Search) -> Liveness {
        let known = self.info[id.index()].liveness;
        if known != Liveness::Unknown || how != Search::Exact {
            return known;
        }
        let Some(counted) = self.uncounted(id) else { return known };
        let has_word = self.known_by_length(counted).or_else(|| self.decide_by_length(counted));
        if let Some(has_word) = has_word {
            self.conclude(id, has_word);
        }
        self.info[id.index()].liveness
    }

    /// An estimate of the bytes to an end: the sum of those that the parts of an intersection need.
    fn distance(&self, id: LangId) -> u32 {
        let of = |id: LangId| match self.expr(id) {
            Expr::Inter(parts) => {
                parts.iter().fold(0u32, |sum, &part| sum.saturating_add(self.at_least(part)))
            }
            _ => self.at_least(id),
        };
        match *self.expr(id) {
            Expr::Concat(head, tail) => of(head).saturating_add(self.at_least(tail)),
            _ => of(id),
        }
    }

    /// The sum of the bytes that the parts of an intersection need, without the part that needs the
    /// most. Where that is 0, the bytes that this part needs decide: such states come before all
    /// others.
    fn distance_but_farthest(&self, id: LangId) -> u64 {
        let mut head = id;
        while let Expr::Concat(inner, _) | Expr::Json { inner, .. } = *self.expr(head) {
            head = inner;
        }
        let Expr::Inter(parts) = self.expr(head) else { return self.at_least(id).into() };
        let needs = parts.iter().map(|&part| u64::from(self.at_least(part)));
        let farthest = needs.clone().max().unwrap_or(0);
        match needs.sum::<u64>() - farthest {
            0 => self.at_least(id).into(),
            others => others << 32,
        }
    }

    /// A language with all words of `id` and fewer states, made with wider states of its machines.
    /// `None` if no machine has one.
    fn widened(&mut self, id: LangId) -> Option<LangId> {
        self.with_machines(id, |machine, state| machine.wider(state))
    }

    /// A language without words that `id` lacks and with fewer states, made with narrower states of
    /// its machines. `None` if no machine has one.
    fn narrowed(&mut self, id: LangId) -> Option<LangId> {
        self.with_machines(id, |machine, state| machine.narrower(state))
    }

    /// The language `id` with other states of its machines. `None` if no state changes.
    fn with_machines(
        &mut self,
        id: LangId,
        change: impl Fn(&dyn Machine, u64) -> Option<u64>,
    ) -> Option<LangId> {
        let changed = |pool: &Self, part: LangId| match *pool.expr(part) {
            Expr::Machine { machine, state } => {
                let state = change(&**pool.machines.get(machine), state)?;
                Some(Expr::Machine { machine, state })
            }
            _ => None,
        };
        match self.expr(id) {
            Expr::Machine { .. } => changed(self, id).map(|expr| self.intern(expr)),
            Expr::Inter(parts) => {
                let mut parts = parts.to_vec();
                let mut any = false;
                for part in &mut parts {
                    if let Some(expr) = changed(self, *part) {
                        *part = self.intern(expr);
                        any = true;
                    }
                }
                any.then(|| self.inter(&parts))
            }
            _ => None,
        }
    }

    /// Marks the state `at` and all that lead to it as having a word.
    fn mark_live(&mut self, found: &[LangId], at: usize, mut edges: Vec<(usize, usize)>) {
        edges.sort_unstable_by_key(|edge| edge.1);
        let mut live = vec![at];
        while let Some(to) = live.pop() {
            let info = &mut self.info[found[to].index()];
            if info.liveness == Liveness::Live {
                continue;
            }
            info.liveness = Liveness::Live;
            let first = edges.partition_point(|edge| edge.1 < to);
            live.extend(edges[first..].iter().take_while(|edge| edge.1 == to).map(|edge| edge.0));
        }
    }
}
