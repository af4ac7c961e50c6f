//! Exploring all states of a constraint over tokens, breadth first.
//!
//! In each state, the allowed tokens are grouped by the state to which they lead. If many are
//! allowed, this is a walk over the token trie, which reads shared beginnings once; if few are,
//! they are read one by one.
//!
//! Two tokens that lead to different states from some state cannot be in one class. So classes are
//! split by the groups of each state that is found. A row names the classes that exist when it is
//! found. Each class knows the class from which it was split off, so later splits are applied to
//! earlier rows at the end. Until then a row is as short as its state has groups.
//!
//! Source: partition refinement (Paige & Tarjan 1987), over columns.

use super::tables::{ACCEPTING, STOPPED};
use crate::automata::interrupt;
use crate::engine::constraint::Constraint;
use crate::engine::error::EngineError;
use crate::engine::matcher::{Matcher, Position};
use crate::engine::recogniser::state::StateId;
use crate::vocab::TokenId;
use hashbrown::HashMap;

/// The number of trie nodes for each allowed token, above which tokens are read one by one and the
/// trie is not walked.
const SPARSE: usize = 16;

/// A class of tokens and the state that they lead to.
pub(super) type Edge = (u32, u32);

/// All states, each with its edges in ascending order of their classes.
pub(super) struct ExploredFsm {
    pub vocabulary: u64,
    pub token_classes: Vec<u32>,
    pub classes: usize,
    pub flags: Vec<u32>,
    pub rows: Vec<Vec<Edge>>,
}

/// The tokens, divided into classes.
struct TokenClasses {
    of: Vec<u32>,
    sizes: Vec<u32>,
    /// The class from which each was split off; the first from itself.
    origins: Vec<u32>,
    /// By class, during a split: the number of the group's tokens that it has.
    counts: Vec<u32>,
    /// By class, during a split: the class to which these tokens move.
    moved: Vec<u32>,
}

impl TokenClasses {
    fn new(tokens: usize) -> Self {
        TokenClasses {
            of: vec![0; tokens],
            sizes: vec![tokens as u32],
            origins: vec![0],
            counts: vec![0],
            moved: vec![0],
        }
    }

    fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Splits classes so that `group` is a union of whole classes, and gives these.
    fn split(&mut self, group: &[TokenId]) -> Vec<u32> {
        let mut touched = Vec::new();
        for token in group {
            let class = self.of[token.index()];
            if self.counts[class as usize] == 0 {
                touched.push(class);
            }
            self.counts[class as usize] += 1;
        }
        for &class in &touched {
            let count = std::mem::take(&mut self.counts[class as usize]);
            if count == self.sizes[class as usize] {
                self.moved[class as usize] = class;
                continue;
            }
            let new = self.len() as u32;
            self.sizes[class as usize] -= count;
            self.sizes.push(count);
            self.origins.push(class);
            self.counts.push(0);
            self.moved.push(0);
            self.moved[class as usize] = new;
        }
        for token in group {
            let class = &mut self.of[token.index()];
            *class = self.moved[*class as usize];
        }
        touched.iter().map(|&class| self.moved[class as usize]).collect()
    }
}

/// A row as it was found: its edges, and the number of classes at that time.
struct FoundRow {
    edges: Vec<Edge>,
    classes: u32,
}

/// The states found so far.
struct Explorer {
    matcher: Matcher,
    /// Special tokens and end-of-sequence tokens, which have no bytes.
    without_bytes: Vec<TokenId>,
    positions: Vec<Position>,
    known: HashMap<(StateId, bool), u32>,
    max_states: usize,
}

/// All states of `constraint`, at most `max_states`.
pub(super) fn explore(constraint: &Constraint, max_states: usize) -> Result<ExploredFsm, EngineError> {
    let vocabulary = constraint.vocabulary();
    let limits = constraint.shared.limits.clone();
    let most_bytes = limits.graph_bytes;
    let too_large = |what| EngineError::Limit { what, limit: most_bytes as u64, field: "graph_bytes" };
    // States found on the way are of no use to matchers, so they get a graph of their own.
    let own = Constraint::with_limits(constraint.grammar(), vocabulary, limits)?;
    let ids = (0..vocabulary.size() as u32).map(TokenId);
    let is_unspelt = |id: &TokenId| {
        vocabulary.bytes(*id).is_empty() && (vocabulary.is_special(*id) || vocabulary.eos().contains(id))
    };
    let mut explorer = Explorer {
        matcher: own.matcher(),
        without_bytes: ids.filter(is_unspelt).collect(),
        positions: Vec::new(),
        known: HashMap::new(),
        max_states,
    };
    explorer.number(explorer.matcher.position())?;
    let mut classes = TokenClasses::new(vocabulary.size());
    let (mut rows, mut flags, mut edges) = (Vec::new(), Vec::new(), 0);
    let mut state = 0;
    while let Some(&position) = explorer.positions.get(state) {
        interrupt::check()?;
        let accepting = u32::from(position.stopped || explorer.matcher.graph().is_accepting(position.state));
        flags.push(accepting * ACCEPTING + u32::from(position.stopped) * STOPPED);
        let groups = explorer.groups(position)?;
        let mut row = Vec::new();
        for (target, tokens) in &groups {
            row.extend(classes.split(tokens).into_iter().map(|class| (class, *target)));
        }
        edges += row.len();
        rows.push(FoundRow { edges: row, classes: classes.len() as u32 });
        if explorer.matcher.graph().is_full() {
            return Err(too_large("bytes of states found for a token-level state machine"));
        }
        if edges.saturating_mul(size_of::<Edge>()) > most_bytes {
            return Err(too_large("bytes of a token-level state machine"));
        }
        state += 1;
    }
    let mut split_off = vec![Vec::new(); classes.len()];
    for (class, &origin) in classes.origins.iter().enumerate().skip(1) {
        split_off[origin as usize].push(class as u32);
    }
    let mut edges = 0usize;
    let mut whole = Vec::with_capacity(rows.len());
    for row in rows {
        let mut now: Vec<Edge> = row.edges;
        let mut at = 0;
        while let Some(&(class, target)) = now.get(at) {
            let later = split_off[class as usize].iter().filter(|&&later| later >= row.classes);
            now.extend(later.map(|&later| (later, target)));
            at += 1;
        }
        now.sort_unstable();
        edges = edges.saturating_add(now.len());
        if edges.saturating_mul(size_of::<Edge>()) > most_bytes {
            return Err(too_large("bytes of a token-level state machine"));
        }
        whole.push(now);
    }
    Ok(ExploredFsm {
        vocabulary: vocabulary.fingerprint(),
        classes: classes.len(),
        token_classes: classes.of,
        flags,
        rows: whole,
    })
}

impl Explorer {
    /// The number of the state at a position.
    fn number(&mut self, position: Position) -> Result<u32, EngineError> {
        // All positions behind an end-of-sequence token are one state.
        let key = (if position.stopped { StateId::DEAD } else { position.state }, position.stopped);
        if let Some(&known) = self.known.get(&key) {
            return Ok(known);
        }
        let number = self.positions.len();
        if number >= self.max_states.min(u32::MAX as usize - 1) {
            return Err(EngineError::TokenFsmStates { limit: self.max_states });
        }
        self.positions.push(position);
        self.known.insert(key, number as u32);
        Ok(number as u32)
    }

    /// The allowed tokens, grouped by the state to which they lead.
    fn groups(&mut self, position: Position) -> Result<Vec<(u32, Vec<TokenId>)>, EngineError> {
        let mut groups: Vec<(u32, Vec<TokenId>)> = Vec::new();
        let mut index: HashMap<u32, usize> = HashMap::new();
        let mut add = |target: u32, tokens: &[TokenId]| {
            let at = *index.entry(target).or_insert(groups.len());
            if at == groups.len() {
                groups.push((target, Vec::new()));
            }
            groups[at].1.extend_from_slice(tokens);
        };
        let vocabulary = self.matcher.vocabulary().clone();
        let trie = vocabulary.trie();
        let mask = self.matcher.mask_at(position)?;
        let is_sparse = mask.count() * SPARSE < trie.node_count();
        if position.stopped || is_sparse || self.matcher.graph().reads_tokens() {
            for token in mask.iter() {
                if let Some(next) = self.matcher.follow(position, token)? {
                    add(self.number(next)?, &[token]);
                }
            }
            return Ok(groups);
        }
        let mut path = vec![position.state];
        let mut node = 1;
        while (node as usize) < trie.node_count() {
            let depth = usize::from(trie.depth(node));
            path.truncate(depth);
            let next = self.matcher.graph().step_bytes(path[depth - 1], &[trie.byte(node)])?;
            if next == StateId::DEAD {
                node = trie.end(node);
                continue;
            }
            path.push(next);
            if !trie.tokens(node).is_empty() {
                add(self.number(Position { state: next, stopped: false })?, trie.tokens(node));
            }
            node += 1;
        }
        // A part that was expanded on the way may limit the tokens of a text.
        if self.matcher.graph().reads_tokens() {
            return self.groups(position);
        }
        for token in self.without_bytes.clone() {
            if mask.contains(token)
                && let Some(next) = self.matcher.follow(position, token)?
            {
                add(self.number(next)?, &[token]);
            }
        }
        Ok(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_split_as_far_as_they_are_told_apart() {
        let ids = |ids: &[u32]| ids.iter().map(|&id| TokenId(id)).collect::<Vec<_>>();
        let mut classes = TokenClasses::new(6);
        assert_eq!(classes.split(&ids(&[0, 1, 2, 3])), [1]);
        assert_eq!(classes.split(&ids(&[2, 3, 4])), [2, 3]);
        assert_eq!(classes.of, [1, 1, 2, 2, 3, 0]);
        // Whole classes are not split.
        assert_eq!(classes.split(&ids(&[4, 0, 1])), [3, 1]);
        assert_eq!((classes.len(), classes.origins), (4, vec![0, 0, 1, 0]));
    }
}
